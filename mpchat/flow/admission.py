"""Admission: who may connect. Pure: one /64 of IPv6 is one address, as one house is; loopback may always."""

from collections import deque
from ipaddress import IPv6Address, ip_address

FULL = "Server is full"
_RECENT_SECONDS = 60


def household(host: str) -> str:
    """What counts as one address: the address itself, or its /64; "" for loopback, which no limit touches."""
    address = ip_address(host.partition("%")[0])
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return household(str(address.ipv4_mapped))
        return "" if address.is_loopback else str(IPv6Address(int(address) >> 64 << 64))
    return "" if address.is_loopback else host


class Admission:
    """Counts connections: all of them, and those of each household. Time in seconds."""

    def __init__(self, most: int, most_each: int, new_each_minute: int) -> None:
        self._most = most
        self._most_each = most_each
        self._new_each_minute = new_each_minute
        self._open = 0
        self._of: dict[str, int] = {}
        self._recent: dict[str, int] = {}  # of each household: how many have come in the last minute
        self._arrivals: deque[tuple[float, str]] = deque()  # those, the oldest first

    def refusal(self, host: str, now: float) -> str:
        """Why this newcomer may not stay, or "" and they are counted."""
        if self._open >= self._most:
            return FULL
        home = household(host)
        if home:
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
        """One more is in: one whom an acceptor before us has let in, perhaps."""
        self._open += 1
        home = household(host)
        if home:
            self._of[home] = self._of.get(home, 0) + 1

    def left(self, host: str) -> None:
        """One of those that were let in is gone."""
        self._open -= 1
        home = household(host)
        if home:
            self._of[home] -= 1
            if not self._of[home]:
                del self._of[home]

    def _forget_arrivals(self, until: float) -> None:
        """Each is forgotten once, when a minute has passed: what that costs is as much as its coming has."""
        while self._arrivals and self._arrivals[0][0] <= until:
            _, home = self._arrivals.popleft()
            self._recent[home] -= 1
            if not self._recent[home]:
                del self._recent[home]
