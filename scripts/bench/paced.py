"""A room in which one member publishes at a steady pace, however slowly the others read.

How late a reader has a message counts from the moment when it was due to be sent, not from when it was sent: else who
answers slowly would be asked less often, and would look faster than it is.
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
    """A member who reads, and which message it must read next."""

    def __init__(self, nick: str) -> None:
        self.nick = nick
        self.next = 0
        self._piece = b""
        self._message = re.compile(rb" PRIVMSG %s :(\d+)\r\n" % _ROOM.encode())

    def hear(self, data: bytes, due: bytes) -> int:
        """How many messages have come. `due`: how the next one ends, which is nearly always all that comes."""
        if data.endswith(due) and data.count(b"\n") == 1 and not self._piece:
            self.next += 1
            return 1
        whole, _, self._piece = (self._piece + data).rpartition(b"\n")
        numbers = [int(number) for number in self._message.findall(whole + b"\n")]
        if numbers != list(range(self.next, self.next + len(numbers))):
            fail(f"{self.nick} reads {numbers} where {self.next} was due")
        self.next += len(numbers)
        return len(numbers)


class Paced:
    """`rate` messages a second into a room of so many."""

    def __init__(self, server: Subject, members: int, rate: float) -> None:
        self._poller = select.epoll()  # before all the sockets: select(2) takes small numbers only
        self._members = enter(server, [_ROOM] * members, "")
        self._rate = rate
        self._publisher, *readers = self._members
        self._readers = {member.fileno(): (member.sock.recv_into, Reader(member.nick)) for member in readers}
        for fd in self._readers:
            self._poller.register(fd, select.EPOLLIN | select.EPOLLET)  # see Rooms

    def assemble(self) -> None:
        gather(self._members)

    def run(self, seconds: float) -> Run:
        buffer, clock, readers = bytearray(READ_BYTES), time.monotonic, self._readers
        count = max(1, int(seconds * self._rate))
        missing = count * len(readers)
        latencies: list[float] = []
        for _, reader in readers.values():
            reader.next = 0
        lines = [b"PRIVMSG %s :%d\r\n" % (_ROOM.encode(), number) for number in range(count)]
        ends = [b" " + line for line in lines] + [b""]
        started = now = clock()
        due = [started + number / self._rate for number in range(count)]
        said = 0
        while missing:
            while said < count and due[said] <= now:
                self._publisher.send(lines[said])
                said += 1
            # epoll_wait(2) counts in ms, select(2) in us.
            pause = PATIENCE if said == count else due[said] - clock()
            ready, _, _ = select.select([self._poller], [], [], max(0.0, pause))
            if not ready and said == count:
                fail(f"something is lost: {missing} deliveries")
            for fd, _ in self._poller.poll(0) if ready else ():
                receive, reader = readers[fd]
                size, number = receive(buffer), reader.next
                now = clock()
                if not size:
                    fail(f"{reader.nick}: the server closed the connection")
                come = reader.hear(bytes(memoryview(buffer)[:size]), ends[number])
                latencies += [now - due[number + index] for index in range(come)]
                missing -= come
            now = clock()
        return Run(count * len(self._readers), now - started, latencies)

    def close(self) -> None:
        self._poller.close()
        for member in self._members:
            member.sock.close()
