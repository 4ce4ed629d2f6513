"""Rooms whose members read what some of them publish. A message is in flight until every reader of its room has it.

What is checked costs the generator little: all readers of a room must read one and the same stream, so each chunk is
compared (memcmp) with what another reader has read already, and only new bytes are taken apart. A publisher reads all
but its own lines, unless it has asked for an echo: of those the line ends are counted, and a sample is taken apart.
"""

from __future__ import annotations

import re
import select
import time
from collections import deque

from scripts.bench.clients import PATIENCE, Member, registration
from scripts.bench.loads import READ_BYTES, Run, gather
from scripts.bench.subject import Subject, fail

_FILLING = b"." * 32  # behind a message's number
_SAMPLE_BYTES = 1 << 16  # of what a publisher reads in a run


class Seat:
    """A member's place in a room. A reader reads the whole stream of its room, and `at` says how far it is."""

    def __init__(self, member: Member, room: Room, number: int, publishes: bool, reads: bool) -> None:
        self.member, self.room, self.number, self.publishes, self.reads = member, room, number, publishes, reads
        self.begin()

    def begin(self) -> None:
        """A new stream."""
        self.at = 0
        self.lines = 0  # read by a publisher that is no reader, or by the observer
        self.said: list[float] = []  # of a publisher: when each of its messages was
        self.sample = bytearray()


class Room:
    """Members of one room; some of them publish, with so many messages in flight each. One member does not publish."""

    def __init__(self, name: str, members: list[Member], publishers: int, in_flight: int, echo: bool) -> None:
        self.name = name
        self.seats = [
            Seat(member, self, n, n < publishers, echo or n >= publishers) for n, member in enumerate(members)
        ]
        self.publishers = self.seats[:publishers]
        self.latencies: list[float] = []  # seconds, of the last run's messages
        self._readers = [seat for seat in self.seats if seat.reads]
        self._observer = self.seats[-1]  # whose latencies these are
        self._in_flight = in_flight
        self._command = f"PRIVMSG {name} :".encode()
        self._message = re.compile(
            rb"^(?:@\S+ )?:\S+ PRIVMSG %s :(\d+) (\d+) %s\r\n" % (name.encode(), re.escape(_FILLING)), re.MULTILINE
        )
        self._begin()

    def _begin(self) -> None:
        self._stream = bytearray()  # what the reader that is furthest ahead has read
        self._taken_apart = 0
        self._expected = [0] * len(self.publishers)  # each publisher's next number in the stream
        self._said: list[float] = []  # when each message of the stream was said
        self._readers_at = {0: len(self._readers)}  # how many are at a place in the stream, where there are any,
        self._last_place = 0  # and where those are who are furthest behind
        self._under_way: deque[tuple[int, int]] = deque()  # messages behind that: where each ends, whose it is
        self._arrived = [0] * len(self.publishers)  # of each publisher's messages: so many are in flight no more
        for seat in self.seats:
            seat.begin()

    def say(self, now: float) -> None:
        """As many messages as may be in flight."""
        for seat, arrived in zip(self.publishers, self._arrived, strict=True):
            first, end = len(seat.said), arrived + self._in_flight
            if first < end:
                head = b"%s%d" % (self._command, seat.number)
                seat.said += [now] * (end - first)
                lines = [b"%s %d %s\r\n" % (head, number, _FILLING) for number in range(first, end)]
                seat.member.sock.send(b"".join(lines))

    def hear(self, seat: Seat, data: memoryview) -> bool:
        """What a reader reads must be what the others read. Returns whether something is in flight no more."""
        if not seat.reads:
            seat.lines += bytes(data).count(b"\n")
            if len(seat.sample) < _SAMPLE_BYTES:
                seat.sample += data
            return False
        at, stream = seat.at, self._stream
        seat.at = end = at + len(data)
        if end > len(stream):
            known = len(stream) - at
            stream += data[known:]
            data = data[:known]
            self._take_apart()
        if not stream.startswith(data, at):
            fail(f"{seat.member.nick} reads something else than the others of {self.name}: {bytes(data[:200])!r}")
        if seat is self._observer:
            self._observe(seat, stream.count(b"\n", at, end))
        return self._move(at, end)

    def _move(self, at: int, end: int) -> bool:
        """A reader has gone on, from here to there. Returns whether something is in flight no more."""
        readers_at = self._readers_at
        readers_at[end] = readers_at.get(end, 0) + 1
        readers_at[at] -= 1
        if readers_at[at]:
            return False
        del readers_at[at]
        if at != self._last_place:
            return False
        self._last_place = min(readers_at)
        before = len(self._under_way)
        while self._under_way and self._under_way[0][0] <= self._last_place:
            self._arrived[self._under_way.popleft()[1]] += 1
        return len(self._under_way) < before

    def _observe(self, seat: Seat, lines: int) -> None:
        now = time.monotonic()
        self.latencies += [now - said for said in self._said[seat.lines : seat.lines + lines]]
        seat.lines += lines

    def _take_apart(self) -> None:
        """New lines of the stream, if there are any: each publisher's numbers must follow one another."""
        end = self._stream.rfind(b"\n") + 1
        text = bytes(memoryview(self._stream)[self._taken_apart : end])
        for which, number, line_end in self._follow(text, self._expected):
            said = self.publishers[which].said
            self._said.append(said[number] if number < len(said) else 0.0)
            self._under_way.append((self._taken_apart + line_end, which))
        self._taken_apart = end

    def _follow(self, text: bytes, expected: list[int]) -> list[tuple[int, int, int]]:
        """The messages in these lines, each publisher, number, and end; `expected` is then what is behind them."""
        messages = [(int(found[1]), int(found[2]), found.end()) for found in self._message.finditer(text)]
        if len(messages) != text.count(b"\n"):
            fail(f"{self.name}: something else than messages: {text!r}")
        for which, number, _ in messages:
            if which >= len(expected):
                fail(f"{self.name}: there is no publisher {which}")
            if number != expected[which]:
                fail(f"{self.name}: publisher {which}: message {number} where {expected[which]} was due")
            expected[which] += 1
        return messages

    def complete(self) -> bool:
        """Everybody has read all that was said."""
        said = [len(seat.said) for seat in self.publishers]
        size = len(self._stream)
        if self._expected != said or self._taken_apart != size or any(seat.at != size for seat in self._readers):
            return False
        total = sum(said)
        return all(seat.reads or seat.lines >= total - len(seat.said) for seat in self.publishers)

    def finish(self) -> int:
        """All have read all of the stream, so the next run begins a new one; returns how many deliveries that were."""
        said = [len(seat.said) for seat in self.publishers]
        if self._expected != said:
            fail(f"{self.name}: said {said}, delivered {self._expected}")
        deliveries = sum(said) * len(self._readers)
        for seat in self.publishers:
            if not seat.reads:
                self._check(seat, sum(said) - len(seat.said))
                deliveries += seat.lines
        self._begin()
        return deliveries

    def _check(self, seat: Seat, due: int) -> None:
        """Of a publisher that reads what the others have said."""
        heard = [0] * len(self.publishers)
        self._follow(bytes(seat.sample[: seat.sample.rfind(b"\n") + 1]), heard)
        if seat.lines != due or heard[seat.number]:
            own = heard[seat.number]
            fail(f"{self.name}: {seat.member.nick} has read {seat.lines} lines, {own} of them its own; due were {due}")

    def behind(self) -> str:
        size = len(self._stream)
        return f"{self.name}: behind are {[seat.member.nick for seat in self._readers if seat.at < size]}"


class Rooms:
    """So many rooms, and members of each. `echo`: publishers ask for an echo, and so are readers too."""

    def __init__(
        self,
        server: Subject,
        rooms: int,
        members: int,
        publishers: int,
        in_flight: int,
        capabilities: str = "",
        echo: bool = True,
    ) -> None:
        wanted = f"echo-message {capabilities}".strip() if echo else capabilities
        homes = [f"#bench{number // members}" for number in range(rooms * members)]
        self._members = enter(server, homes, wanted)
        self.rooms = [
            Room(homes[at], self._members[at : at + members], publishers, in_flight, echo)
            for at in range(0, len(homes), members)
        ]
        seats = [seat for room in self.rooms for seat in room.seats]
        self._seats = {seat.member.fileno(): (seat, seat.member.sock.recv_into, seat.room.hear) for seat in seats}
        self._poller = select.epoll()
        for fd in self._seats:
            # By edges: the kernel looks once at each socket that has got something, and not again behind the read. One
            # read takes all there is: what comes later is another edge.
            self._poller.register(fd, select.EPOLLIN | select.EPOLLET)
        self.checked = 0  # deliveries

    def assemble(self) -> None:
        gather(self._members)

    def run(self, seconds: float) -> Run:
        seats, view, clock = self._seats, memoryview(bytearray(READ_BYTES)), time.monotonic
        started = now = clock()
        stop = started + seconds
        for room in self.rooms:
            room.latencies = []
            room.say(now)
        waiting = self.rooms
        while waiting:
            events = self._poller.poll(PATIENCE)
            if not events:
                fail(f"something is lost: {[room.behind() for room in waiting][:10]}")
            answered = {}
            for fd, _ in events:
                seat, receive, hear = seats[fd]
                size = receive(view)
                if not size:
                    fail(f"{seat.member.nick}: the server closed the connection")
                if hear(seat, view[:size]):
                    answered[seat.room.name] = seat.room
            now = clock()
            if now < stop:
                for room in answered.values():
                    room.say(now)
            else:
                waiting = [room for room in waiting if not room.complete()]
        took = clock() - started
        deliveries = sum(room.finish() for room in self.rooms)
        self.checked += deliveries
        return Run(deliveries, took, [latency for room in self.rooms for latency in room.latencies])

    def close(self) -> None:
        self._poller.close()
        for member in self._members:
            member.sock.close()


def enter(server: Subject, homes: list[str], capabilities: str) -> list[Member]:
    """A member for each of these rooms, some at the same time."""
    members: list[Member] = []
    for start in range(0, len(homes), server.at_once):
        some = [Member(server.address, f"m{start + n}") for n in range(len(homes[start : start + server.at_once]))]
        for member in some:
            member.send(registration(member.nick, capabilities))
        for member, home in zip(some, homes[start:], strict=False):
            member.await_registration()
            member.send(f"JOIN {home}\r\nPING :entered\r\n".encode())
        for member in some:
            text = member.wait_for(b"entered\r\n")
            if b" NAK " in text or (b" JOIN " not in text and b" 366 " not in text):
                fail(f"{member.nick} cannot enter: {text[-500:]!r}")
        for member in members:
            member.drop_unread()  # who is told of thousands of arrivals, and does not read, is closed
        members += some
    return members
