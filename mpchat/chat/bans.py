"""Bans of the whole server, which its operators set: K-lines and D-lines, as IRC servers call them. Pure.

A K-line's mask is user@host, in which * and ? match; a D-line's is a network in CIDR form (RFC 4632, RFC 4291), of one
address or many. A ban's time limit is a moment of the wall clock, as the clock tells it: if that is set back, the ban
lasts longer. One that has ended is gone, whatever the clock shows later.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_network
from typing import Literal, NamedTuple

from mpchat.addresses import address_of, network_of
from mpchat.chat.names import fold, matches
from mpchat.messages import Ms

Kind = Literal["K", "D"]  # a mask, a network
_ENDLESS = 0  # Ban.until


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
        self._next: Ms = _ENDLESS  # when the first one of all ends, if one does

    def __len__(self) -> int:
        return sum(map(len, self.of.values()))

    def has(self, kind: Kind, mask: str) -> bool:
        return fold(mask) in self.of[kind]

    def add(self, kind: Kind, mask: str, reason: str, by: str, since: Ms, until: Ms) -> Ban:
        """Set a ban, in place of one with this mask. The mask is one that canonical() has given."""
        self.lift(kind, mask)
        self._last += 1
        ban = self.of[kind][fold(mask)] = Ban(mask, reason, by, since, until, self._last)
        self._look_ahead()
        return ban

    def lift(self, kind: Kind, mask: str) -> Ban | None:
        """Take the ban with this mask away; None: there is none."""
        return self.of[kind].pop(fold(mask), None)

    def mask_on(self, user: str, host: str) -> Ban | None:
        """The K-line that meets this user, if there is one."""
        return next((ban for ban in self.of["K"].values() if mask_meets(ban.mask, user, host)), None)

    def network_of(self, host: str) -> Ban | None:
        """The D-line that meets this address, if there is one."""
        return next((ban for ban in self.of["D"].values() if network_meets(ban.mask, host)), None)

    def expire(self, wall: Ms) -> None:
        """Forget those that are over. Mostly one comparison."""
        if self._next == _ENDLESS or wall < self._next:
            return
        for kind, bans in self.of.items():
            self.of[kind] = {mask: ban for mask, ban in bans.items() if not ban.is_over(wall)}
        self._look_ahead()

    def _look_ahead(self) -> None:
        ends = [ban.until for bans in self.of.values() for ban in bans.values() if ban.until != _ENDLESS]
        self._next = min(ends, default=_ENDLESS)

    def values(self) -> Values:
        """For a snapshot."""
        return self._last, *([tuple(ban) for ban in self.of[kind].values()] for kind in ("K", "D"))  # type: ignore[return-value]

    def load(self, values: Values) -> None:
        """The inverse of values()."""
        self._last, masks, networks = values
        for kind, bans in (("K", masks), ("D", networks)):
            self.of[kind] = {fold(ban.mask): ban for ban in (Ban(*each) for each in bans)}  # type: ignore[arg-type,index]
        self._look_ahead()


def canonical(kind: Kind, text: str, most_bytes: int) -> str:
    """The mask of a ban as it is kept. Raises ValueError: why it can be none, or would be one on everybody.

    A mask must have a letter or a digit, and a network must be a part of all the addresses of its version.
    """
    return _canonical_mask(text, most_bytes) if kind == "K" else _canonical_network(text)


def _canonical_mask(text: str, most_bytes: int) -> str:
    user, at, host = text.partition("@")
    is_one = user and at and host and "@" not in host and "!" not in user
    if not is_one or not text.isprintable() or " " in text or text.startswith(":") or len(text.encode()) > most_bytes:
        raise ValueError("Not a mask: USER@HOST is one, in which * and ? match")
    if not any(map(str.isalnum, text)):
        raise ValueError("It would meet everybody")
    return f"{user}@0{host}" if host.startswith(":") else text  # "0::1" is how the chat writes "::1"


def _canonical_network(text: str) -> str:
    try:
        network = network_of(text, strict=False)
    except ValueError:
        raise ValueError("Not an address or a network: 192.0.2.7, 192.0.2.0/24 and 2001:db8::/32 are some") from None
    if network.prefixlen == 0:
        raise ValueError("It would meet everybody")
    is_one = network.prefixlen == network.max_prefixlen
    written = str(network.network_address if is_one else network)
    return f"0{written}" if written.startswith(":") else written


def mask_meets(mask: str, user: str, host: str) -> bool:
    """The user's name may stand in the mask with its tilde, or without.

    One look is enough but where the mask begins with a question mark: a star takes the tilde in, a letter is none.
    """
    if user[:1] == "~" and mask[0] not in "*~" and matches(mask, f"{user[1:]}@{host}"):
        return True
    return (mask[0] in "*~?" or user[:1] != "~") and matches(mask, f"{user}@{host}")


def network_meets(mask: str, host: str) -> bool:
    """Whether the address is in the network; one that is no address is in none."""
    version, first, last = _range(mask)
    of_host, number = _number(host)
    return version == of_host and first <= number <= last


@lru_cache(maxsize=4096)
def _range(mask: str) -> tuple[int, int, int]:
    """A network's version, and its first and last address as numbers."""
    network = ip_network(mask)
    return network.version, int(network.network_address), int(network.broadcast_address)


@lru_cache(maxsize=4096)
def _number(host: str) -> tuple[int, int]:
    """An address's version and number; (0, 0) for what is none."""
    try:
        address = address_of(host)
    except ValueError:
        return 0, 0
    return address.version, int(address)
