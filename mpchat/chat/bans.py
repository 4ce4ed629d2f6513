"""Bans of the whole server, which its operators set: K-lines and D-lines, as IRC servers call them. Pure.

A K-line's mask is user@host, in which * and ? match, or user@network; a D-line's is a network. Networks are in CIDR
form (RFC 4632, RFC 4291), of one address or many. A ban's time limit is a moment of the wall clock, as the clock tells
it: if that is set back, the ban lasts longer. One that has ended is gone, whatever the clock shows later.
"""

from __future__ import annotations

import re
from math import inf
from typing import Literal, NamedTuple

from mpchat.addresses import network_of, number_of
from mpchat.chat.ban_index import ByMask, ByNetwork, Network, network_in
from mpchat.chat.names import fold, matches
from mpchat.messages import Ms

Kind = Literal["K", "D"]  # a mask, a network
_ENDLESS = 0  # Ban.until
_NETWORKS_IN_MASKS = 3  # the level of a server (ChatSettings) that knows them, and refuses hosts that nobody can have
_NO_HOST = (
    "No client can have that host: it is an address. Give USER@ADDRESS (* and ? match), USER@192.0.2.0/24, or use DLINE"
)


class Ban(NamedTuple):
    """`by`: nick!user@host. `number`: of its set, each one's is higher than those before. Times in wall ms; until 0:
    without end.
    """

    mask: str
    reason: str
    by: str
    since: Ms
    until: Ms
    number: int

    def is_over(self, wall: Ms) -> bool:
        return self.until != _ENDLESS and self.until <= wall


Values = tuple[int, list[tuple[object, ...]], list[tuple[object, ...]]]  # the last number, K-lines, D-lines


class Bans:
    """Of one server, each kind by folded mask, in the order of their numbers."""

    def __init__(self) -> None:
        self.of: dict[Kind, dict[str, Ban]] = {"K": {}, "D": {}}
        self._last = 0  # number
        self.next_end: float = inf  # wall ms: when the first one of all ends; expire() is due then
        # Where to look for those that meet somebody; None: to be made anew from the lists.
        self._masks: ByMask | None = None
        self._networks: ByNetwork[str] | None = None

    def __len__(self) -> int:
        return sum(map(len, self.of.values()))

    def has(self, kind: Kind, mask: str) -> bool:
        return fold(mask) in self.of[kind]

    def add(self, kind: Kind, mask: str, reason: str, by: str, since: Ms, until: Ms) -> Ban:
        """Set a ban, in place of one with this mask. The mask is one that canonical() has given."""
        self.lift(kind, mask)
        self._last += 1
        ban = self.of[kind][fold(mask)] = Ban(mask, reason, by, since, until, self._last)
        if kind == "K" and self._masks is not None:
            self._masks.add(mask)
        elif kind == "D" and self._networks is not None:
            self._networks.add(network_of(mask), mask)
        self._look_ahead()
        return ban

    def lift(self, kind: Kind, mask: str) -> Ban | None:
        """Take the ban with this mask away; None: there is none."""
        ban = self.of[kind].pop(fold(mask), None)
        if ban is not None:
            self._masks = self._networks = None
        return ban

    def mask_on(self, user: str, host: str, level: int) -> Ban | None:
        """The K-line that meets this user, if there is one: of several the oldest. `level`: of the server."""
        if not self.of["K"]:
            return None
        if self._masks is None:
            self._masks = ByMask()
            for ban in self.of["K"].values():
                self._masks.add(ban.mask)
        met = [mask for mask in self._masks.of(user, host) if mask_meets(mask, user, host, level)]
        return self._oldest("K", met)

    def network_of(self, host: str) -> Ban | None:
        """The D-line that meets this address, if there is one: of several the oldest."""
        if not self.of["D"]:
            return None
        if self._networks is None:
            self._networks = ByNetwork()
            for ban in self.of["D"].values():
                self._networks.add(network_of(ban.mask), ban.mask)
        return self._oldest("D", list(self._networks.around(host)))

    def _oldest(self, kind: Kind, masks: list[str]) -> Ban | None:
        return min((self.of[kind][fold(mask)] for mask in masks), key=lambda ban: ban.number, default=None)

    def expire(self, wall: Ms) -> None:
        """Forget those that are over."""
        for kind, bans in self.of.items():
            self.of[kind] = {mask: ban for mask, ban in bans.items() if not ban.is_over(wall)}
        self._masks = self._networks = None
        self._look_ahead()

    def _look_ahead(self) -> None:
        ends = [ban.until for bans in self.of.values() for ban in bans.values() if ban.until != _ENDLESS]
        self.next_end = min(ends, default=inf)

    def values(self) -> Values:
        """For a snapshot."""
        return self._last, *([tuple(ban) for ban in self.of[kind].values()] for kind in ("K", "D"))  # type: ignore[return-value]

    def load(self, values: Values) -> None:
        """The inverse of values()."""
        self._last, masks, networks = values
        self._masks = self._networks = None
        for kind, bans in (("K", masks), ("D", networks)):
            self.of[kind] = {fold(ban.mask): ban for ban in (Ban(*each) for each in bans)}  # type: ignore[arg-type,index]
        self._look_ahead()


def canonical(kind: Kind, text: str, most_bytes: int, level: int) -> str:
    """The mask of a ban as it is kept. Raises ValueError: why it can be none, would be one on everybody, or on nobody.

    A mask must have a letter or a digit, and a network must be a part of all the addresses of its version. `level`: of
    the server, which decides what its records come to.
    """
    return _canonical_mask(text, most_bytes, level) if kind == "K" else _canonical_network(text)


def _canonical_mask(text: str, most_bytes: int, level: int) -> str:
    user, at, host = text.partition("@")
    is_one = user and at and host and "@" not in host and "!" not in user
    if not is_one or not text.isprintable() or " " in text or text.startswith(":") or len(text.encode()) > most_bytes:
        raise ValueError("Not a mask: USER@HOST is one, in which * and ? match")
    if not any(map(str.isalnum, text)):
        raise ValueError("It would meet everybody")
    if level < _NETWORKS_IN_MASKS or "*" in host or "?" in host:
        if level >= _NETWORKS_IN_MASKS and not _may_be_an_address(fold(host)):
            raise ValueError(_NO_HOST)
        return f"{user}@0{host}" if host.startswith(":") else text  # "0::1" is how the chat writes "::1"
    network = network_in(text)
    if network is None:
        raise ValueError("It would meet everybody" if host.endswith("/0") else _NO_HOST)
    return f"{user}@{_written(network)}"


def with_address_as_written(mask: str) -> str:
    """A mask of a channel's ban; the address in it, if it is one, as the chat writes it: or it would meet nobody."""
    who, _, host = mask.rpartition("@")
    network = None if "/" in host else network_in(mask)
    return mask if network is None else f"{who}@{_written(network)}"


def _may_be_an_address(pattern: str) -> bool:
    """Whether an address can match it, as the chat writes them: IPv6 compressed, in small letters (RFC 5952)."""
    if re.search("(?:^|[.:])0[0-9a-f]", pattern):  # no part has a zero in front
        return False
    parts = re.split("[.:*?]", pattern)
    if re.fullmatch("[0-9.*?]+", pattern):
        fits = pattern.count(".") <= 3 and ".." not in pattern and pattern[0] != "." and pattern[-1] != "."
        if fits and all(len(part) <= 3 for part in parts):
            return True
    return bool(re.fullmatch("[0-9a-f:*?]+", pattern)) and pattern.count(":") <= 8 and all(len(p) <= 4 for p in parts)


def _canonical_network(text: str) -> str:
    try:
        network = network_of(text, strict=False)
    except ValueError:
        raise ValueError("Not an address or a network: 192.0.2.7, 192.0.2.0/24 and 2001:db8::/32 are some") from None
    if network.prefixlen == 0:
        raise ValueError("It would meet everybody")
    return _written(network)


def _written(network: Network) -> str:
    """Of one address it is that, as the chat writes it."""
    is_one = network.prefixlen == network.max_prefixlen
    written = str(network.network_address if is_one else network)
    return f"0{written}" if written.startswith(":") else written


def mask_meets(mask: str, user: str, host: str, level: int) -> bool:
    """Whether a K-line meets this user. The user's name may stand in the mask with its tilde, or without.

    One look is enough but where the mask begins with a question mark: a star takes the tilde in, a letter is none.
    `level`: of the server; to one that knew no networks in masks all of a mask was text.
    """
    network = network_in(mask) if level >= _NETWORKS_IN_MASKS else None
    if network is not None:
        if not _is_in(network, host):
            return False
        mask = f"{mask.partition('@')[0]}@*"
    if user[:1] == "~" and mask[0] not in "*~" and matches(mask, f"{user[1:]}@{host}"):
        return True
    return (mask[0] in "*~?" or user[:1] != "~") and matches(mask, f"{user}@{host}")


def network_meets(mask: str, host: str) -> bool:
    """Whether the address is in the network; one that is no address is in none."""
    return _is_in(network_of(mask), host)


def _is_in(network: Network, host: str) -> bool:
    version, number = number_of(host)
    free = network.max_prefixlen - network.prefixlen
    return version == network.version and number >> free == int(network.network_address) >> free
