"""Well-behaved pairs: two by two, people of several servers talk in rooms of their own, at a steady pace.

One loop drives them all, and the servers take turns: whatever the machine does meanwhile, it does to all of them. How
late a line is read counts from the moment when it was due to be said, not from when it was said: else a server that
keeps the loop busy would look faster than it is.
"""

from __future__ import annotations

import re
import select
import ssl
import time
from collections.abc import Sequence

from scripts.bench.clients import Member, registration
from scripts.chaos_run.certificate import trusting_context
from scripts.chaos_run.orders import differences

Address = tuple[str, int]

PAIRS = 5  # at each server: so each person says two lines a second, which is well below what flood control allows
LINES_PER_SECOND = 20  # at each server
_WORDS = "¿y qué hace el padre mientras tanto? espera, con wait()"
_READ_BYTES = 1 << 16
_PAUSE_SECONDS = 0.01  # what is done between two lines takes less
_LONGER_SECONDS = 1.0  # a moment in which nothing is under way is waited for, but not for ever


class Person:
    """Half of a pair. `place` is 0 or 1: the pair's lines whose numbers leave this remainder are its own."""

    def __init__(self, address: Address, by_tls: bool, nick: str, other: str, room: str, place: int) -> None:
        self.place = place
        self.room = room
        self.read: list[int] = []  # the numbers of the other's lines, in the order in which they came
        self.gone = ""  # why, where its connection ended
        self.member = Member(address, nick)
        if by_tls:
            self.member.sock = trusting_context().wrap_socket(self.member.sock)
        self.member.send(registration(nick))
        self.member.await_registration()
        self.member.send(f"JOIN {room}\r\n".encode())
        self.member.wait_for(b" 366 ")
        self._of_other = re.compile(rf":{other}!\S+ PRIVMSG {room} :(\d+) {re.escape(_WORDS)}\r".encode())
        self._piece = b""
        # Nothing waits, as that would be the other servers' delay: the kernel takes far more than a few lines.
        self.member.sock.setblocking(False)

    def say(self, number: int) -> None:
        line = f"PRIVMSG {self.room} :{number} {_WORDS}\r\n".encode()
        try:
            self.member.sock.send(line)
        except OSError as error:
            self.gone = self.gone or f"line {number} could not be sent: {error.strerror}"

    def hear(self) -> list[int]:
        """The numbers of the other's lines that have come just now."""
        try:
            while data := self.member.sock.recv(_READ_BYTES):  # all: epoll does not see what TLS has deciphered
                self._piece += data
            self.gone = self.gone or "the server closed the connection"
        except (BlockingIOError, ssl.SSLWantReadError):
            pass
        except OSError as error:
            self.gone = error.strerror or "error"
        *lines, self._piece = self._piece.split(b"\n")
        come = [int(found[1]) for line in lines if (found := self._of_other.fullmatch(line)) is not None]
        self.read += come
        return come

    def wrong(self, said: int) -> list[str]:
        """What is wrong with what it has read, of so many lines of its pair."""
        due = [number for number in range(said) if number % 2 != self.place]
        found = [f"{what}: line {number}" for what, number in differences(due, self.read)]
        return ([self.gone] if self.gone else []) + found


class Party:
    """The pairs at one server, and how late they read each other's lines, in s. The last pair comes by TLS, if the
    server speaks it."""

    def __init__(self, name: str, address: Address, tls: Address | None) -> None:
        self.name = name
        self.latencies: list[float] = []
        self.said = 0  # lines, of all pairs, which speak one after the other
        self.due: list[float] = []  # when each of them was
        self.people: list[Person] = []
        for pair in range(PAIRS):
            by_tls = tls is not None and pair == PAIRS - 1
            nicks = [f"{who}{pair}" for who in ("ana", "beto")]
            for place in (0, 1):
                where = tls if by_tls and tls is not None else address
                self.people.append(Person(where, by_tls, nicks[place], nicks[1 - place], room_of(pair), place))

    @property
    def missing(self) -> int:
        """How many lines are under way, or lost."""
        return self.said - sum(len(person.read) for person in self.people)

    def say(self, due: float) -> None:
        """The next line of whose turn it is."""
        number, pair = divmod(self.said, PAIRS)
        self.due.append(due)
        self.said += 1
        self.people[2 * pair + number % 2].say(number)

    def hear(self, place: int) -> None:
        """One of its people can read: the one at this place of `people`."""
        come = self.people[place].hear()
        now = time.monotonic()
        lines = [number * PAIRS + place // 2 for number in come]
        self.latencies += [now - self.due[line] for line in lines if line < self.said]

    def wrong(self) -> list[str]:
        """What was lost, doubled or reordered, and whose connection ended."""
        found = []
        for place, person in enumerate(self.people):
            said = len(range(place // 2, self.said, PAIRS))
            found += [f"{person.member.nick} at the {self.name} server: {what}" for what in person.wrong(said)]
        return found


def room_of(pair: int) -> str:
    return f"#pair{pair}"


class Talk:
    """All parties, in one loop. close() ends their connections."""

    def __init__(self, parties: Sequence[Party]) -> None:
        self._parties = parties
        self._poller = select.epoll()
        self._places: dict[int, tuple[Party, int]] = {}
        for party in parties:
            for place, person in enumerate(party.people):
                self._places[person.member.fileno()] = party, place
                self._poller.register(person.member, select.EPOLLIN)
        self._step = 1 / LINES_PER_SECOND / len(parties)
        self._turn = 0  # of the parties: how many there have been
        self._begun = 0.0

    def begin(self) -> None:
        self._begun = time.monotonic()

    @property
    def _next(self) -> float:
        """When the next line is due."""
        return self._begun + self._turn * self._step

    def go_on(self, seconds: float) -> None:
        """Talk for so long. Then it is the caller's turn, for a moment in which no line is under way or due."""
        end = time.monotonic() + seconds
        while (now := time.monotonic()) < end or (
            now < end + 1 and (self._is_missing or self._next < now + _PAUSE_SECONDS)
        ):
            while self._next <= now:
                self._parties[self._turn % len(self._parties)].say(self._next)
                self._turn += 1
            self._hear(self._next)

    def _is_busy(self, now: float) -> bool:
        return self._is_missing or self._next < now + _PAUSE_SECONDS

    def settle(self, seconds: float) -> None:
        """No more is said: wait until all has been read, for so long at most."""
        deadline = time.monotonic() + seconds
        while self._is_missing and time.monotonic() < deadline:
            self._hear(deadline)

    @property
    def _is_missing(self) -> bool:
        return any(party.missing > 0 for party in self._parties)

    def _hear(self, until: float) -> None:
        # epoll_wait(2) counts in ms, select(2) in us.
        if not select.select([self._poller], [], [], max(0.0, until - time.monotonic()))[0]:
            return
        for fd, _ in self._poller.poll(0):
            party, place = self._places[fd]
            party.hear(place)
            if party.people[place].gone:
                self._poller.unregister(fd)

    def close(self) -> None:
        self._poller.close()
        for party in self._parties:
            for person in party.people:
                person.member.sock.close()
