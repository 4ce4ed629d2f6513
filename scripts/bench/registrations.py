"""Clients that come, register, and stay or leave."""

from __future__ import annotations

import select
import socket
import time

from scripts.bench.clients import GREETED, PATIENCE, registration
from scripts.bench.loads import READ_BYTES, Run
from scripts.bench.subject import Subject, fail

_FIRST = 5  # come at the beginning: a listening socket's backlog is 10 in some servers (listen(2))


class Visitor:
    """Connects and registers. One that `leaves` says QUIT then, and is done once the server has closed."""

    def __init__(self, server: Subject, nick: str, capabilities: str, leaves: bool) -> None:
        self.nick = nick.encode()
        self.came_at = time.monotonic()
        self.sock = socket.socket()
        self.sock.setblocking(False)
        self.sock.connect_ex(server.address)  # where the backlog is full, this one waits, and the others go on
        self._registration = registration(nick, capabilities)
        self.is_connected = self.is_greeted = False
        self._leaves = leaves
        self._read = b""

    def introduce(self) -> None:
        """It is connected."""
        self.is_connected = True
        self.sock.setblocking(True)
        self.sock.send(self._registration)

    def hear(self, data: bytes) -> bool:
        """Returns whether it is done."""
        if self.is_greeted:  # what is said to one who leaves is of no interest
            return not data
        self._read += data
        greeted = GREETED.search(self._read)
        if greeted is not None:
            if greeted[1] is None or greeted[2] != self.nick:
                fail(f"{self.nick.decode()} cannot register: {greeted[0]!r}")
            self.is_greeted = True
            if self._leaves:
                self.sock.send(b"QUIT\r\n")
            return not self._leaves
        if not data:
            fail(f"{self.nick.decode()}: the server closed the connection: {self._read[-200:]!r}")
        return False


class Registrations:
    """So many clients at once connect and register; where one is done the next one comes, `most` of them in a run.

    Without `most` they leave, else they stay until the run ends.
    """

    def __init__(self, server: Subject, at_once: int, capabilities: str = "", most: int = 0) -> None:
        self._server, self._at_once, self._capabilities, self._most = server, at_once, capabilities, most
        self._visitors: dict[int, Visitor] = {}
        self._stay: list[Visitor] = []
        self._poller = select.epoll()
        self._count = 0  # no two have one nickname

    def assemble(self) -> None:
        """Nobody is there between two runs."""

    def _come(self) -> None:
        self._count += 1
        visitor = Visitor(self._server, f"v{self._count}", self._capabilities, leaves=not self._most)
        self._visitors[visitor.sock.fileno()] = visitor
        self._poller.register(visitor.sock, select.EPOLLIN | select.EPOLLOUT)

    def run(self, seconds: float) -> Run:
        before, view = self._count, memoryview(bytearray(READ_BYTES))
        latencies: list[float] = []
        started = time.monotonic()
        stop = started + seconds
        for _ in range(min(_FIRST, self._at_once)):
            self._come()
        while self._visitors:
            events = self._poller.poll(PATIENCE)
            if not events:
                fail(f"no answer to {[visitor.nick.decode() for visitor in self._visitors.values()][:10]}")
            for fd, _ in events:
                visitor = self._visitors[fd]
                if not visitor.is_connected:
                    visitor.introduce()
                    self._poller.modify(fd, select.EPOLLIN)
                    continue
                was_greeted = visitor.is_greeted
                is_done = visitor.hear(bytes(view[: visitor.sock.recv_into(view)]))
                now = time.monotonic()
                if visitor.is_greeted and not was_greeted:
                    latencies.append(now - visitor.came_at)
                if is_done:
                    del self._visitors[fd]
                    self._leave(visitor)
                    for _ in range(2):  # two for one, until there are as many as may be
                        if now < stop and len(self._visitors) < self._at_once and not self._is_enough(before):
                            self._come()
        took = time.monotonic() - started
        for visitor in self._stay:
            visitor.sock.close()
        self._stay = []
        return Run(self._count - before, took, latencies)

    def _is_enough(self, before: int) -> bool:
        return 0 < self._most <= self._count - before

    def _leave(self, visitor: Visitor) -> None:
        if self._most:
            self._poller.unregister(visitor.sock)
            self._stay.append(visitor)
        else:
            visitor.sock.close()  # and epoll forgets it: nobody has a copy

    def close(self) -> None:
        self._poller.close()
        for visitor in [*self._visitors.values(), *self._stay]:
            visitor.sock.close()
