"""What a server is loaded with, and what that costs it.

    Rooms (rooms.py)                  members of rooms read what some of them publish, as fast as all have read it
    Paced (paced.py)                  members of a room read what one of them publishes, so many messages a second
    Pairs (pairs.py)                  two by two, clients send each other private messages
    Registrations (registrations.py)  clients connect and register

Each load checks what comes back, has one epoll loop over all its sockets, and can be run again and again.
"""

from __future__ import annotations

import time
from typing import NamedTuple, Protocol

from scripts.bench.clients import Member
from scripts.bench.subject import Subject, fail

READ_BYTES = 1 << 18  # into one buffer: recv(2) with a new one of this size each time takes 10 us more


class Run(NamedTuple):
    """How many deliveries, messages or registrations there were, in so many seconds; how long each took (s)."""

    number: int
    seconds: float
    latencies: list[float]


class Load(Protocol):
    def assemble(self) -> None:
        """Before each run: read what is not the load, such as the server's question whether one is still there."""

    def run(self, seconds: float) -> Run:
        """Load the server for so long, and until all is answered; at least one is counted."""

    def close(self) -> None: ...


class Measure(NamedTuple):
    """What a load has cost: how many a second; CPU us for each by role; how long each took (s, sorted)."""

    rate: float
    costs: dict[str, float]
    latencies: list[float]
    generator: float  # the share of a core that the generator took: near 1, it was the limit

    @property
    def cost(self) -> float:
        return sum(self.costs.values())


class Meter:
    """One subject under one load, and what it has cost since the last take()."""

    def __init__(self, subject: Subject, load: Load) -> None:
        self.subject, self.load = subject, load
        self._clear()

    def _clear(self) -> None:
        self._count, self._elapsed, self._generator = 0, 0.0, 0.0
        self._latencies: list[float] = []
        self._spent = dict.fromkeys(self.subject.pids, 0.0)

    def run(self, seconds: float) -> None:
        self.load.assemble()
        before = self.subject.cpu_seconds()
        own = time.process_time()
        done = self.load.run(seconds)
        self._generator += time.process_time() - own
        self._count += done.number
        self._elapsed += done.seconds
        self._latencies += done.latencies
        for role, spent in self.subject.settle().items():
            self._spent[role] += spent - before[role]

    def take(self) -> Measure:
        costs = {role: spent / self._count * 1e6 for role, spent in self._spent.items()}
        rate, share = self._count / self._elapsed, self._generator / self._elapsed
        measure = Measure(rate, costs, sorted(self._latencies), share)
        self._clear()
        return measure


def gather(members: list[Member]) -> None:
    """Each reads what there is. None of it may be a message: all that was said has been delivered before."""
    for member in members:
        member.send(b"PING :ready\r\n")
    for member in members:
        text = member.wait_for(b"ready\r\n")
        if b" PRIVMSG " in text:
            fail(f"{member.nick} reads more than was said: {text!r}")
