"""A room whose members speak in turn, at a steady pace, however slowly they read.

How late a member has a message counts from the moment when it was due to be said, not from when it was said: else who
answers slowly would be asked less often, and would look faster than it is. Everybody speaks, as in a real room: a
client's kernel acknowledges at once what a mere reader reads, and later what comes to somebody who speaks (tcp(7),
TCP_QUICKACK).
"""

from __future__ import annotations

import re
import select
import time

from scripts.bench.clients import PATIENCE
from scripts.bench.loads import READ_BYTES, Run, gather
from scripts.bench.rooms import enter
from scripts.bench.subject import Subject, fail

_ROOM = "#paced"


class Reader:
    """A member who reads: which message it must read next. It is told all but its own."""

    def __init__(self, nick: str, place: int, members: int) -> None:
        """Its own messages are those whose numbers leave the remainder `place`."""
        self.nick = nick
        self._place, self._members = place, members
        self._message = re.compile(rb" PRIVMSG %s :(\d+)\r\n" % _ROOM.encode())
        self.begin()

    def begin(self) -> None:
        """The next message is number 0, or 1 if that is its own."""
        self._piece = b""
        self.next = -1
        self._go_on()

    def _go_on(self) -> None:
        self.next += 1
        if self.next % self._members == self._place:
            self.next += 1

    def hear(self, data: bytes, due: bytes) -> list[int]:
        """The numbers that have come. `due`: how the next line ends, which is nearly always all that comes."""
        if data.endswith(due) and data.count(b"\n") == 1 and not self._piece:
            come = [self.next]
            self._go_on()
            return come
        whole, _, self._piece = (self._piece + data).rpartition(b"\n")
        come = [int(number) for number in self._message.findall(whole + b"\n")]
        for number in come:
            if number != self.next:
                fail(f"{self.nick} reads {come} where {self.next} was due")
            self._go_on()
        return come


class Paced:
    """`rate` messages a second into a room of so many."""

    def __init__(self, server: Subject, members: int, rate: float) -> None:
        self._poller = select.epoll()  # before all the sockets: select(2) takes small numbers only
        self._members = enter(server, [_ROOM] * members, "")
        self._rate = rate
        self._readers = {
            member.fileno(): (member.sock.recv_into, Reader(member.nick, place, members))
            for place, member in enumerate(self._members)
        }
        for fd in self._readers:
            self._poller.register(fd, select.EPOLLIN | select.EPOLLET)  # see Rooms

    def assemble(self) -> None:
        gather(self._members)

    def run(self, seconds: float) -> Run:
        buffer, clock, readers = bytearray(READ_BYTES), time.monotonic, self._readers
        count = max(1, int(seconds * self._rate))
        deliveries = missing = count * (len(readers) - 1)
        latencies: list[float] = []
        for _, reader in readers.values():
            reader.begin()
        lines = [b"PRIVMSG %s :%d\r\n" % (_ROOM.encode(), number) for number in range(count)]
        ends = [b" " + line for line in lines] + [b"nothing is due"] * 2
        started = now = clock()
        due = [started + number / self._rate for number in range(count)]
        said = 0
        while missing:
            while said < count and due[said] <= now:
                self._members[said % len(self._members)].send(lines[said])
                said += 1
            # epoll_wait(2) counts in ms, select(2) in us.
            pause = PATIENCE if said == count else due[said] - clock()
            ready, _, _ = select.select([self._poller], [], [], max(0.0, pause))
            if not ready and said == count:
                fail(f"something is lost: {missing} deliveries")
            for fd, _ in self._poller.poll(0) if ready else ():
                receive, reader = readers[fd]
                size = receive(buffer)
                now = clock()
                if not size:
                    fail(f"{reader.nick}: the server closed the connection")
                come = reader.hear(bytes(memoryview(buffer)[:size]), ends[reader.next])
                latencies += [now - due[number] for number in come]
                missing -= len(come)
            now = clock()
        return Run(deliveries, now - started, latencies)

    def close(self) -> None:
        self._poller.close()
        for member in self._members:
            member.sock.close()
