"""Which bans of the whole server may meet somebody: found without a look at each of them. Pure.

Both are derived from the list of bans, and made anew from it; no snapshot has them. A newcomer costs a few look-ups in
dicts, however many bans there are: a thousand clients that come back at once must not wait for a thousand bans each.
"""

from collections.abc import Iterator
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network
from re import split
from typing import Generic, TypeVar

from mpchat.addresses import BITS, network_of, number_of
from mpchat.chat.names import fold

Network = IPv4Network | IPv6Network
Of = TypeVar("Of")


class ByNetwork(Generic[Of]):
    """What there is of each network: by version and length of the prefix, and then by the prefix, as a number."""

    def __init__(self) -> None:
        self._of: dict[tuple[int, int], dict[int, Of]] = {}

    def add(self, network: Network, what: Of) -> Of:
        """Returns what there is of this network: `what`, if there was nothing."""
        prefix = int(network.network_address) >> network.max_prefixlen - network.prefixlen
        return self._of.setdefault((network.version, network.prefixlen), {}).setdefault(prefix, what)

    def around(self, host: str) -> Iterator[Of]:
        """What there is of the networks that this address is in; of what is no address, nothing."""
        version, number = number_of(host)
        for (of_version, length), of_length in self._of.items():
            if of_version == version and (what := of_length.get(number >> BITS[version] - length)) is not None:
                yield what


class _ByUser:
    """Masks, by what the pattern of their user begins with."""

    def __init__(self) -> None:
        # By that beginning, folded: of each mask, what a user and a host must have in them that it is to meet.
        self._of: dict[str, list[tuple[str, str, str]]] = {}
        self._lengths: dict[int, None] = {}  # of these beginnings, in order

    def add(self, pattern: str, of_host: str, mask: str) -> None:
        begins = _beginning(pattern)
        self._of.setdefault(begins, []).append((_longest(pattern), of_host, mask))
        self._lengths[len(begins)] = None

    def of(self, user: str, host: str) -> Iterator[str]:
        """The tilde of the user may stand in a mask, or not."""
        for length in self._lengths:
            for begins in dict.fromkeys((user[:length], user.removeprefix("~")[:length])):
                for of_user, of_host, mask in self._of.get(begins, ()):
                    if of_user in user and of_host in host:
                        yield mask


class ByMask:
    """Masks of user@host: those whose host is a network by that, the others by what their host begins with."""

    def __init__(self) -> None:
        self._networks: ByNetwork[_ByUser] = ByNetwork()
        self._hosts: dict[str, _ByUser] = {}
        self._lengths: dict[int, None] = {}  # of their keys, in order

    def add(self, mask: str) -> None:
        user, _, host = fold(mask).partition("@")
        network = network_in(mask)
        if network is not None:
            self._networks.add(network, _ByUser()).add(user, "", mask)
            return
        begins = _beginning(host)
        self._hosts.setdefault(begins, _ByUser()).add(user, _longest(host), mask)
        self._lengths[len(begins)] = None

    def of(self, user: str, host: str) -> Iterator[str]:
        """Those that may meet this user: each that does is among them."""
        user = fold(user)
        for users in self._networks.around(host):
            yield from users.of(user, "")
        host = fold(host)
        for length in self._lengths:
            if (some := self._hosts.get(host[:length])) is not None:
                yield from some.of(user, host)


def _beginning(pattern: str) -> str:
    """What each text that it matches begins with."""
    return split("[*?]", pattern, maxsplit=1)[0]


def _longest(pattern: str) -> str:
    """The longest of what each text that it matches has in it."""
    return max(split("[*?]", pattern), key=len)


@lru_cache(maxsize=4096)
def network_in(mask: str) -> Network | None:
    """The network that the host of a mask is, if it is one and no pattern; an address is a network of its own.

    One of all addresses is none, unless the mask names a user: a server that knew no networks in masks took it.
    """
    user, _, host = mask.partition("@")
    _, slash, length = host.partition("/")
    try:
        network = network_of(host, strict=False)
    except ValueError:
        return None
    if (slash and not length.isdecimal()) or (network.prefixlen == 0 and not any(map(str.isalnum, user))):
        return None
    return network
