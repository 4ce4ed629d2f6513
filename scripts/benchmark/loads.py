"""What a server is loaded with. Each load checks all that comes back, has one epoll loop over all its sockets, and can
be run again and again.

    Rooms          members of rooms read what some of them publish
    Pairs          two by two, clients send each other private messages
    Registrations  clients connect, register and leave

What is checked costs the generator little: all members of a room must read one and the same stream, so each chunk is
compared (memcmp) with what another member has read already, and only new bytes are taken apart.
"""

from __future__ import annotations

import re
import select
import socket
import time
from collections import deque
from typing import NoReturn, Protocol

from scripts.benchmark.generator import GREETED, PATIENCE, Member, Subject, connect_many, registration

_READ_BYTES = 1 << 18  # into one buffer: recv(2) with a new one of this size each time takes 10 us more
_AT_ONCE = 200  # clients that enter a room at the same time
_FILLING = b"." * 32  # behind a message's number


class Load(Protocol):
    def assemble(self) -> None:
        """Before each run: read what is not the load, such as the server's question whether one is still there."""

    def run(self, seconds: float) -> int:
        """Load the server for so long, and until all is answered; returns how many deliveries, messages or
        registrations that were, at least one."""

    def close(self) -> None: ...


class Meter:
    """One subject under one load, and what it has cost since the last take()."""

    def __init__(self, subject: Subject, load: Load) -> None:
        self.subject, self.load = subject, load
        self._clear()

    def _clear(self) -> None:
        self._count, self._elapsed = 0, 0.0
        self._spent = dict.fromkeys(self.subject.pids, 0.0)

    def run(self, seconds: float) -> None:
        self.load.assemble()
        before = self.subject.cpu_seconds()
        started = time.monotonic()
        self._count += self.load.run(seconds)
        self._elapsed += time.monotonic() - started
        for role, spent in self.subject.settle().items():
            self._spent[role] += spent - before[role]

    def take(self) -> tuple[float, dict[str, float]]:
        """How many a second, and CPU us for each by role."""
        rate = self._count / self._elapsed
        each = {role: spent / self._count * 1e6 for role, spent in self._spent.items()}
        self._clear()
        return rate, each


def _fail(text: str) -> NoReturn:
    raise SystemExit(f"bench: {text}")


def _gather(members: list[Member]) -> None:
    """Each reads what there is. None of it may be a message: all that was said has been delivered before."""
    for member in members:
        member.send(b"PING :ready\r\n")
    for member in members:
        text = member.wait_for(b":ready\r\n")
        if b" PRIVMSG " in text:
            _fail(f"{member.nick} reads more than was said: {text!r}")


class Seat:
    """A member's place in a room: how far in the room's stream it has read."""

    def __init__(self, member: Member, room: Room, number: int, publishes: bool) -> None:
        self.member, self.room, self.number, self.publishes = member, room, number, publishes
        self.at = 0
        self.sent = self.own = 0  # of its own messages: said, seen again
        self._piece = b""  # of a line
        self._sign = b":%s!" % member.nick.encode()

    def follow(self, data: bytes) -> bool:
        """Of a publisher: look for its own messages; returns whether there were any."""
        whole, _, self._piece = (self._piece + data).rpartition(b"\n")
        seen = whole.count(self._sign)
        self.own += seen
        return seen > 0


class Room:
    """Members of one room who all read the same; some of them publish, with so many messages in flight each."""

    def __init__(self, name: str, members: list[Member], publishers: int, in_flight: int) -> None:
        self.name = name
        self.seats = [Seat(member, self, n, n < publishers) for n, member in enumerate(members)]
        self.publishers = self.seats[:publishers]
        self._in_flight = in_flight
        self._stream = bytearray()  # what the member that is furthest ahead has read
        self._taken_apart = 0
        self._expected = [0] * publishers  # each publisher's next number in the stream
        self._command = f"PRIVMSG {name} :".encode()
        self._message = re.compile(rb" PRIVMSG %s :(\d+) (\d+) %s\r\n" % (name.encode(), re.escape(_FILLING)))

    def say(self, seat: Seat) -> None:
        """As many messages as may be in flight."""
        first = seat.sent
        seat.sent = seat.own + self._in_flight
        head = b"%s%d" % (self._command, seat.number)
        lines = [b"%s %d %s\r\n" % (head, number, _FILLING) for number in range(first, seat.sent)]
        seat.member.sock.send(b"".join(lines))

    def hear(self, seat: Seat, data: memoryview) -> bool:
        """What a member reads must be what the others read. Returns whether it may say more."""
        at, size, stream = seat.at, len(data), self._stream
        known = len(stream) - at
        seat.at = at + size
        if not stream.startswith(data if known >= size else data[:known], at):
            _fail(f"{seat.member.nick} reads something else than the others of {self.name}: {bytes(data[:200])!r}")
        if known < size:
            stream += data[known:]
            self._take_apart()
        return seat.publishes and seat.follow(bytes(data))

    def _take_apart(self) -> None:
        """New lines of the stream: each publisher's numbers must follow one another."""
        end = self._stream.rfind(b"\n") + 1
        text = bytes(memoryview(self._stream)[self._taken_apart : end])
        self._taken_apart = end
        messages = self._message.findall(text)
        if len(messages) != text.count(b"\n"):
            _fail(f"{self.name}: something else than messages: {text!r}")
        expected = self._expected
        for publisher, number in messages:
            which, said = int(publisher), int(number)
            if said != expected[which]:
                _fail(f"{self.name}: publisher {which}: message {said} where {expected[which]} was due")
            expected[which] += 1

    def complete(self) -> bool:
        """Everybody has read all that was said."""
        if any(seat.sent > seat.own for seat in self.publishers):
            return False
        size = len(self._stream)
        return self._taken_apart == size and all(seat.at == size for seat in self.seats)

    def finish(self) -> int:
        """All have read all of the stream, so the next run begins a new one; returns how many messages were in it."""
        said = [seat.sent for seat in self.publishers]
        if self._expected != said:
            _fail(f"{self.name}: said {said}, delivered {self._expected}")
        self._stream = bytearray()
        self._taken_apart = 0
        self._expected = [0] * len(said)
        for seat in self.seats:
            seat.at = seat.sent = seat.own = 0
        return sum(said)

    def behind(self) -> str:
        size = len(self._stream)
        return f"{self.name}: behind are {[seat.member.nick for seat in self.seats if seat.at < size]}"


class Rooms:
    """So many rooms, and members of each."""

    def __init__(
        self, server: Subject, rooms: int, members: int, publishers: int, in_flight: int, capabilities: str = ""
    ) -> None:
        wanted = f"echo-message {capabilities}".strip()
        homes = [f"#bench{number // members}" for number in range(rooms * members)]
        self._members: list[Member] = []
        for start in range(0, len(homes), _AT_ONCE):
            some = [Member(server.address, f"m{start + n}") for n in range(len(homes[start : start + _AT_ONCE]))]
            for member, home in zip(some, homes[start:], strict=False):
                member.send(registration(member.nick, wanted) + f"JOIN {home}\r\nPING :entered\r\n".encode())
            for member in some:
                text = member.wait_for(b":entered\r\n")
                if b" NAK " in text or (b" JOIN " not in text and b" 366 " not in text):
                    _fail(f"{member.nick} cannot enter: {text[-500:]!r}")
            self._members += some
        self.rooms = [
            Room(homes[at], self._members[at : at + members], publishers, in_flight)
            for at in range(0, len(homes), members)
        ]
        self._seats = {seat.member.fileno(): seat for room in self.rooms for seat in room.seats}
        self._poller = select.epoll()
        for fd in self._seats:
            self._poller.register(fd, select.EPOLLIN)
        self.checked = 0  # deliveries

    def assemble(self) -> None:
        _gather(self._members)

    def run(self, seconds: float) -> int:
        seats, view = self._seats, memoryview(bytearray(_READ_BYTES))
        stop = time.monotonic() + seconds
        for room in self.rooms:
            for publisher in room.publishers:
                room.say(publisher)
        waiting = self.rooms
        while waiting:
            events = self._poller.poll(PATIENCE)
            if not events:
                _fail(f"something is lost: {[room.behind() for room in waiting][:10]}")
            answered = []
            for fd, _ in events:
                seat = seats[fd]
                size = seat.member.sock.recv_into(view)
                if not size:
                    _fail(f"{seat.member.nick}: the server closed the connection")
                if seat.room.hear(seat, view[:size]):
                    answered.append(seat)
            if time.monotonic() < stop:
                for seat in answered:
                    seat.room.say(seat)
            else:
                waiting = [room for room in waiting if not room.complete()]
        deliveries = sum(room.finish() * len(room.seats) for room in self.rooms)
        self.checked += deliveries
        return deliveries

    def close(self) -> None:
        self._poller.close()
        for member in self._members:
            member.sock.close()


_NOTHING = b"\r\n", False  # no line ends so


class Player:
    """One of a pair: what it is due to read, line by line."""

    def __init__(self, member: Member) -> None:
        self.member, self.sock = member, member.sock
        self.other = self  # Pairs says who that is
        self.command = b"PRIVMSG %s :ball " % member.nick.encode()  # what the other says to it
        self.due: deque[tuple[bytes, bool]] = deque()  # how its next lines end, and which of them are the other's
        self._piece = b""

    def hear(self, data: bytes) -> int:
        """Each line must be the one that is due; returns how many of them were the other's."""
        *lines, self._piece = (self._piece + data).split(b"\r\n")
        balls = 0
        for line in lines:
            end, is_ball = self.due.popleft() if self.due else _NOTHING
            if not line.endswith(end):
                _fail(f"{self.member.nick} reads {line!r}; due was {end!r}")
            balls += is_ball
        return balls

    @property
    def idle(self) -> bool:
        return not self.due and not self._piece


class Pairs:
    """In each pair one private message is in flight, and the next is the answer to it."""

    def __init__(self, server: Subject, pairs: int, capabilities: str = "") -> None:
        self._echo = "echo-message" in capabilities.split()
        self._members = connect_many(server, pairs * 2, "p", capabilities)
        players = [Player(member) for member in self._members]
        for ana, beto in zip(players[::2], players[1::2], strict=True):
            ana.other, beto.other = beto, ana
        self._players = {player.member.fileno(): player for player in players}
        self._servers = players[::2]  # who has the ball first
        self._poller = select.epoll()
        for fd in self._players:
            self._poller.register(fd, select.EPOLLIN)
        self._count = 0

    def assemble(self) -> None:
        _gather(self._members)

    def _serve(self, player: Player) -> None:
        self._count += 1
        other = player.other
        ball = b"%s%d" % (other.command, self._count)
        other.due.append((b" " + ball, True))
        if self._echo:
            player.due.append((b" " + ball, False))
        player.sock.send(ball + b"\r\n")

    def run(self, seconds: float) -> int:
        players, before, view = self._players, self._count, memoryview(bytearray(_READ_BYTES))
        stop = time.monotonic() + seconds
        for player in self._servers:
            self._serve(player)
        under_way, going_on = len(self._servers), True
        while under_way or not all(player.idle for player in players.values()):
            events = self._poller.poll(PATIENCE)
            if not events:
                _fail(f"something is lost: {[p.member.nick for p in players.values() if not p.idle]}")
            going_on = going_on and time.monotonic() < stop
            for fd, _ in events:
                player = players[fd]
                size = player.sock.recv_into(view)
                if not size:
                    _fail(f"{player.member.nick}: the server closed the connection")
                if player.hear(bytes(view[:size])):
                    if going_on:
                        self._serve(player)
                    else:
                        under_way -= 1
        return self._count - before

    def close(self) -> None:
        self._poller.close()
        for member in self._members:
            member.sock.close()


class Visitor:
    """Connects and registers; once it is greeted it says QUIT, and stays until the server has closed."""

    def __init__(self, server: Subject, nick: str, capabilities: str) -> None:
        self.nick = nick.encode()
        self.sock = socket.socket()
        self.sock.connect(server.address)
        self.sock.send(registration(nick, capabilities))
        self._read = b""
        self._leaving = False

    def hear(self, data: bytes) -> bool:
        """Returns whether it has left."""
        if self._leaving:  # what is said to one who leaves is of no interest
            return not data
        self._read += data
        greeted = GREETED.search(self._read)
        if greeted is not None:
            if greeted[1] is None or greeted[2] != self.nick:
                _fail(f"{self.nick.decode()} cannot register: {greeted[0]!r}")
            self.sock.send(b"QUIT\r\n")
            self._leaving = True
        elif not data:
            _fail(f"{self.nick.decode()}: the server closed the connection: {self._read[-200:]!r}")
        return False


class Registrations:
    """So many clients at once connect, register and leave; where one has left the next one comes."""

    def __init__(self, server: Subject, at_once: int, capabilities: str = "") -> None:
        self._server, self._at_once, self._capabilities = server, at_once, capabilities
        self._visitors: dict[int, Visitor] = {}
        self._poller = select.epoll()
        self._count = 0  # no two have one nickname

    def assemble(self) -> None:
        """Nobody is there between two runs."""

    def _come(self) -> None:
        self._count += 1
        visitor = Visitor(self._server, f"v{self._count}", self._capabilities)
        self._visitors[visitor.sock.fileno()] = visitor
        self._poller.register(visitor.sock, select.EPOLLIN)

    def run(self, seconds: float) -> int:
        before, view = self._count, memoryview(bytearray(_READ_BYTES))
        stop = time.monotonic() + seconds
        for _ in range(self._at_once):
            self._come()
        while self._visitors:
            events = self._poller.poll(PATIENCE)
            if not events:
                _fail(f"no answer to {[visitor.nick.decode() for visitor in self._visitors.values()][:10]}")
            going_on = time.monotonic() < stop
            for fd, _ in events:
                visitor = self._visitors[fd]
                if visitor.hear(bytes(view[: visitor.sock.recv_into(view)])):
                    del self._visitors[fd]
                    visitor.sock.close()  # and epoll forgets it: nobody has a copy
                    if going_on:
                        self._come()
        return self._count - before

    def close(self) -> None:
        self._poller.close()
        for visitor in self._visitors.values():
            visitor.sock.close()
