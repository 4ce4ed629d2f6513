"""Strangers: their connections, from addresses that are not exempt, and one loop that serves them all.

What they do, attacks.py says. Nothing here waits for the server: what it does not take is counted, and not sent.
"""

from __future__ import annotations

import contextlib
import random
import re
import selectors
import socket
import ssl
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count
from typing import NamedTuple

from scripts.bench.clients import registration
from scripts.chaos_run.certificate import trusting_context

Address = tuple[str, int]
Script = Generator[float, None, None]  # what a stranger does: it yields how many seconds to wait until it goes on

_READ_BYTES = 1 << 16
_BUFFER_BYTES = (
    4096  # to send, so that what was sent was nearly all taken by the server's kernel; and of who never reads
)
# A refusal in words: an error numeric (RFC 2812 section 5.2; 422 only says that there is no message of the day) or that
# of SASL, ERROR, or what plain text marks by "!".
_REFUSAL = re.compile(rb"^(?::\S+ (?!422)(?:[45]\d\d|90[2-8]) |ERROR |! )", re.MULTILINE)


class Ports(NamedTuple):
    """Where the attacked server listens."""

    irc: Address
    plain: Address
    tls: Address | None  # None: it speaks no TLS


@dataclass
class Tally:
    """What the strangers of one kind did, and what they were told."""

    opened: int = 0  # connections
    lines: int = 0  # sent; what has no line end counts as one
    bytes: int = 0  # of these
    withheld: int = 0  # lines that the kernel did not take, since the server reads so slowly
    read: int = 0  # bytes
    refused: int = 0  # refusals in words, of a line or of a connection
    closed: int = 0  # connections that the server ended


class Connection:
    """One of a stranger's. It never waits: what the kernel does not take is not sent."""

    def __init__(self, loop: Loop, address: Address, source: str, tally: Tally, reads: bool = True) -> None:
        self._loop, self._tally, self._reads = loop, tally, reads
        self._out = b""  # the rest of a line that the kernel took in part
        self.open = True
        self.sock = socket.socket()
        self.sock.setblocking(False)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)
        if not reads:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # ports in TIME_WAIT are free
        self.sock.bind((source, 0))
        self.sock.connect_ex(address)
        tally.opened += 1
        self._await()

    def _await(self) -> None:
        events = (selectors.EVENT_READ if self._reads else 0) | (selectors.EVENT_WRITE if self._out else 0)
        self._loop.watch(self, events)

    def send(self, *pieces: bytes) -> None:
        """Lines with their ends, or whatever else."""
        for piece in pieces:
            if self._is_full or not self.open:
                self._tally.withheld += 1
                continue
            self._tally.lines += max(1, piece.count(b"\n"))
            self._tally.bytes += len(piece)
            self._put(piece)

    @property
    def _is_full(self) -> bool:
        return bool(self._out)

    def _put(self, piece: bytes) -> None:
        self._out += piece
        self._flush()

    def stop_reading(self) -> None:
        self._reads = False
        if self.open:
            self._await()

    def on_event(self, mask: int) -> None:
        if mask & selectors.EVENT_READ:
            self._read()
        if mask & selectors.EVENT_WRITE and self.open:
            self._flush()

    def _flush(self) -> None:
        try:
            self._out = self._out[self.sock.send(self._out) :]
        except (BlockingIOError, InterruptedError):
            pass  # or it is not connected yet
        except OSError:
            self._ended()
            return
        self._await()

    def _read(self) -> None:
        try:
            data = self.sock.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self._take(data)
        else:
            self._ended()

    def _take(self, data: bytes) -> None:
        self._tally.read += len(data)
        self._tally.refused += len(_REFUSAL.findall(data))

    def _ended(self) -> None:
        if self.open:
            self._tally.closed += 1
            self.close()

    def close(self) -> None:
        if self.open:
            self.open = False
            self._loop.watch(self, 0)
            self.sock.close()


class TlsConnection(Connection):
    """The same within TLS."""

    def __init__(self, loop: Loop, address: Address, source: str, tally: Tally) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = loop.tls_context.wrap_bio(self._incoming, self._outgoing)
        self._agreed = False  # upon keys: the handshake is over
        self._clear = b""  # what waits for that
        super().__init__(loop, address, source, tally)
        self._go_on()

    @property
    def _is_full(self) -> bool:
        return bool(self._clear or self._out)

    def _put(self, piece: bytes) -> None:
        self._clear = piece
        self._go_on()

    def _take(self, data: bytes) -> None:
        self._incoming.write(data)
        self._go_on()

    def _go_on(self) -> None:
        try:
            if not self._agreed:
                self._tls.do_handshake()
                self._agreed = True
            if self._clear:
                self._tls.write(self._clear)
                self._clear = b""
            while data := self._tls.read(_READ_BYTES):
                super()._take(data)
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError:
            self._ended()
            return
        super()._put(self._outgoing.read())


class Stranger:
    """Somebody who attacks. What a kind of attack needs: chance, nicknames, connections from one address."""

    def __init__(self, loop: Loop, name: str, source: str, seed: str, tally: Tally) -> None:
        self.name, self.source, self.tally = name, source, tally
        self.random = random.Random(seed)
        self._loop = loop
        self._numbers = count(1)
        self.connections: list[Connection] = []  # those that are open, and some that were

    def nick(self) -> str:
        """Nobody has it."""
        return f"{self.name}x{next(self._numbers)}"

    def connect(self, plain: bool = False, reads: bool = True) -> Connection:
        ports = self._loop.ports
        return self._keep(Connection(self._loop, ports.plain if plain else ports.irc, self.source, self.tally, reads))

    def enter(self, *lines: str, reads: bool = True) -> Connection:
        """Connect, register, and say these lines behind it."""
        connection = self.connect(reads=reads)
        self._register(connection, lines)
        return connection

    def enter_by_tls(self, *lines: str) -> Connection:
        connection = self._keep(TlsConnection(self._loop, self._tls_address, self.source, self.tally))
        self._register(connection, lines)
        return connection

    def begin_tls(self, share: float) -> Connection:
        """Connect where TLS is spoken, and send so much, of 1, of a ClientHello (RFC 8446 section 4.1.2), and no more
        by itself."""
        connection = self._keep(Connection(self._loop, self._tls_address, self.source, self.tally))
        hello = self._loop.hello()
        connection.send(hello[: int(len(hello) * share)])
        return connection

    @property
    def _tls_address(self) -> Address:
        assert self._loop.ports.tls is not None
        return self._loop.ports.tls

    def _register(self, connection: Connection, lines: Sequence[str]) -> None:
        connection.send(registration(self.nick()) + "".join(f"{line}\r\n" for line in lines).encode())

    def enter_plain(self) -> Connection:
        connection = self.connect(plain=True)
        connection.send(f"{self.nick()}\n".encode())
        return connection

    def _keep(self, connection: Connection) -> Connection:
        self.connections = [each for each in self.connections if each.open]
        self.connections.append(connection)
        return connection

    def leave(self) -> None:
        """End all its connections."""
        for each in self.connections:
            each.close()
        self.connections.clear()


class Loop:
    """All connections of all strangers, and when each of them goes on."""

    def __init__(self, ports: Ports) -> None:
        self.ports = ports
        self.tls_context = trusting_context()
        self._selector = selectors.DefaultSelector()
        self._numbers = count()
        self._due: list[tuple[float, int, Script]] = []
        self._meant = self._late = 0.0  # seconds, of all scripts: that they wanted to wait, and that it was longer

    def hello(self) -> bytes:
        """What a client of TLS says first."""
        said = ssl.MemoryBIO()
        with contextlib.suppress(ssl.SSLWantReadError):
            self.tls_context.wrap_bio(ssl.MemoryBIO(), said).do_handshake()
        return said.read()

    def watch(self, connection: Connection, events: int) -> None:
        known = connection.sock in self._selector.get_map()
        if events and known:
            self._selector.modify(connection.sock, events, connection)
        elif events:
            self._selector.register(connection.sock, events, connection)
        elif known:
            self._selector.unregister(connection.sock)

    def begin(self, script: Script, within: float) -> None:
        """It begins, or goes on, after so many seconds; it has no end."""
        heappush(self._due, (time.monotonic() + within, next(self._numbers), script))

    def turn(self, until: float) -> None:
        due = min(until, self._due[0][0]) if self._due else until
        for key, mask in self._selector.select(max(0.0, due - time.monotonic())):
            if key.data.open:  # another's event may have closed it
                key.data.on_event(mask)
        while self._due and self._due[0][0] <= (now := time.monotonic()):
            due_at, _, script = heappop(self._due)
            seconds = next(script)
            self.begin(script, seconds)
            self._meant += seconds
            self._late += now - due_at

    @property
    def pace(self) -> float:
        """How much of their rates the strangers have kept, of 1: less where this process had too little CPU."""
        return self._meant / (self._meant + self._late) if self._meant else 0.0
