"""Admission control: which connections are accepted. Pure; times in seconds.

Connections are counted by household: an IPv4 address, or the /64 of an IPv6 address, in which one host may choose any
address (RFC 4862). Those of exempt networks are counted, and never limited.
"""

from collections import deque
from collections.abc import Callable
from ipaddress import IPv6Address

from mpchat.addresses import address_of

FULL = "Server is full"
_RECENT_SECONDS = 60


def household(host: str) -> str:
    """The household of an address: itself, or its /64. Raises ValueError if it is no address."""
    address = address_of(host)
    return str(IPv6Address(int(address) >> 64 << 64) if address.version == 6 else address)


def home_of(host: str) -> str:
    """The household of an address; what is no address, but a name, is its own."""
    try:
        return household(host)
    except ValueError:
        return host


class Admission:
    """Counts the open connections of all, and of each household, and each household's new ones."""

    def __init__(self, most: int, most_each: int, new_each_minute: int, exempts: Callable[[str], bool]) -> None:
        """The limits: connections of all, of each household, and new ones of each household within a minute.

        `exempts`: whether an address is in an exempt network.
        """
        self._most = most
        self.limit(most_each, new_each_minute, exempts)
        self._open = 0
        self._of: dict[str, int] = {}
        self._recent: dict[str, int] = {}  # of each household: new connections of the last minute
        self._arrivals: deque[tuple[float, str]] = deque()  # those connections, the oldest first

    def limit(self, most_each: int, new_each_minute: int, exempts: Callable[[str], bool]) -> None:
        """Other limits from now on; nobody who is in is sent away."""
        self._most_each, self._new_each_minute, self._exempts = most_each, new_each_minute, exempts

    def refusal(self, host: str, now: float) -> str:
        """Why a new connection is refused; or "", and then it is counted. Raises ValueError if `host` is no address."""
        home = household(host)
        if self._open >= self._most:
            return FULL
        if not self._exempts(host):
            if self._of.get(home, 0) >= self._most_each:
                return "Too many connections from your address"
            self._forget_arrivals(now - _RECENT_SECONDS)
            if self._recent.get(home, 0) >= self._new_each_minute:
                return "Too many new connections from your address, wait a minute"
            self._recent[home] = self._recent.get(home, 0) + 1
            self._arrivals.append((now, home))
        self.registered(host)
        return ""

    def registered(self, host: str) -> None:
        """Count a connection without a limit, as one that an earlier acceptor has accepted. Raises ValueError."""
        home = household(host)
        self._open += 1
        self._of[home] = self._of.get(home, 0) + 1

    def open_of(self, host: str) -> int:
        """How many connections of this address's household are counted. Raises ValueError."""
        return self._of.get(household(host), 0)

    def left(self, host: str) -> None:
        """A counted connection has ended."""
        self._open -= 1
        home = household(host)
        self._of[home] -= 1
        if not self._of[home]:
            del self._of[home]

    def _forget_arrivals(self, until: float) -> None:
        """Each arrival is forgotten once, a minute later: amortised constant time."""
        while self._arrivals and self._arrivals[0][0] <= until:
            _, home = self._arrivals.popleft()
            self._recent[home] -= 1
            if not self._recent[home]:
                del self._recent[home]
