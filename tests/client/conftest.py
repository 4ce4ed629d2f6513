"""People who talk on the server of all tests, and a wire to it that can be cut."""

from __future__ import annotations

import re
import selectors
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mpchat import texts
from tests.client.person import CLIENT, Person, environment
from tests.running import Server


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """An environment with a home of its own."""
    return environment(tmp_path)


@pytest.fixture
def room(request: pytest.FixtureRequest) -> str:
    """A room of the test's own."""
    return "#" + re.sub(r"\W", "", request.node.name.removeprefix("test_"))[:20]


@pytest.fixture
def join(server: Server, env: dict[str, str], room: str) -> Iterator[Callable[..., Person]]:
    """Brings a person into the room of the test."""
    people: list[Person] = []

    def bring(
        nick: str, *more: str, port: int = 0, rows: int = 24, columns: int = 80, client: list[str] = CLIENT
    ) -> Person:
        args = [server.host, str(port or server.irc_port), "--nick", nick, "--room", room, *more]
        person = Person(args, env, rows, columns, client)
        people.append(person)
        person.sees(r"in #\S+ \(\d+\)")
        return person

    yield bring
    for person in people:
        person.close()


class Voice:
    """Somebody who speaks IRC by hand."""

    def __init__(self, server: Server, nick: str, room: str) -> None:
        self._socket = socket.create_connection((server.host, server.irc_port), timeout=10)
        self._file = self._socket.makefile("r", encoding="utf-8", newline="\n")
        self.send(f"NICK {nick}", f"USER {nick} 0 * :{nick}", f"JOIN {room}")
        self.may_speak(" 366 ")

    def send(self, *lines: str) -> None:
        self._socket.sendall("".join(f"{line}\r\n" for line in lines).encode())

    def may_speak(self, part: str) -> str:
        """Wait for a line with that in it."""
        for line in self._file:
            if line.startswith("PING"):
                self.send(line.replace("PING", "PONG", 1).strip())
            if part in line:
                return line.rstrip("\r\n")
        raise AssertionError(f"the connection ended before {part!r} came")

    def close(self) -> None:
        """Leave, and wait until the server has let us go: the nick is free then."""
        self.send("QUIT")
        for _ in self._file:
            pass
        self._file.close()
        self._socket.close()


@pytest.fixture
def voice(server: Server, room: str) -> Iterator[Callable[[str], Voice]]:
    """Brings somebody who speaks IRC by hand into the room of the test."""
    voices: list[Voice] = []

    def bring(nick: str) -> Voice:
        voices.append(Voice(server, nick, room))
        return voices[-1]

    yield bring
    for one in voices:
        one.close()


class Wire:
    """Passes bytes between clients and the server, until it is cut; can put bytes of its own in."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._pairs: dict[socket.socket, socket.socket] = {}
        self._inner: list[socket.socket] = []  # the ends towards clients
        self._forgotten: list[socket.socket] = []  # ends towards the server whose clients have gone
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._bell, self._ear = socket.socketpair()
        self._selector.register(self._ear, selectors.EVENT_READ)
        self._orders: list[tuple[str, bytes]] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def cut(self) -> None:
        """Every connection ends; new ones are welcome."""
        self._order("cut")

    def forget(self) -> None:
        """Every connection ends for its client; the server is told nothing, and goes on believing in it."""
        self._order("forget")

    def put(self, data: bytes) -> None:
        """Give bytes to the clients as if the server had sent them."""
        self._order("put", data)

    def hold(self, on: bool) -> None:
        """Let nothing pass to the clients for a while."""
        self._order("hold" if on else "go")

    def pause(self, on: bool) -> None:
        """Take no new connection for a while: who comes waits."""
        self._order("pause" if on else "resume")

    def lead_to(self, server: Server) -> None:
        """New connections go to another server."""
        self._server = server

    def close(self) -> None:
        """No connection, and nobody listens any more."""
        if self._thread.is_alive():
            self._order("close")
            self._thread.join(10)

    def _order(self, what: str, data: bytes = b"") -> None:
        self._orders.append((what, data))
        self._bell.send(b"!")

    def _run(self) -> None:
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is self._ear:
                    self._ear.recv(1)
                    if self._obey(*self._orders.pop(0)):
                        return
                elif key.fileobj is self._listener:
                    self._take()
                elif key.fileobj in self._pairs:
                    self._pass_on(key.fileobj)

    def _obey(self, what: str, data: bytes) -> bool:
        if what == "put":
            for inner in self._inner:
                inner.sendall(data)
            return False
        if what == "forget":
            for inner in self._inner:
                self._forgotten.append(self._pairs.pop(inner))
                self._pairs.pop(self._forgotten[-1])
                for end in (inner, self._forgotten[-1]):
                    self._selector.unregister(end)
                inner.close()
            self._inner.clear()
            return False
        if what in ("pause", "resume"):
            self._selector.modify(self._listener, selectors.EVENT_READ if what == "resume" else 0)
            return False
        if what in ("hold", "go"):
            for one in self._pairs:
                if one not in self._inner:
                    self._selector.modify(one, selectors.EVENT_READ if what == "go" else 0)
            return False
        for one in list(self._pairs):
            self._end(one)
        if what == "close":
            for one in (self._listener, self._bell, self._ear, *self._forgotten):
                one.close()
            self._selector.close()
        return what == "close"

    def _take(self) -> None:
        inner, _ = self._listener.accept()
        try:
            outer = socket.create_connection((self._server.host, self._server.irc_port))
        except ConnectionRefusedError:
            inner.close()
            return
        self._inner.append(inner)
        for one, other in ((inner, outer), (outer, inner)):
            self._pairs[one] = other
            self._selector.register(one, selectors.EVENT_READ)

    def _pass_on(self, one: socket.socket) -> None:
        try:
            data = one.recv(65_536)
            self._pairs[one].sendall(data)
        except OSError:
            data = b""
        if not data:
            self._end(one)

    def _end(self, one: socket.socket) -> None:
        for end in (one, self._pairs.get(one)):
            if end and self._pairs.pop(end, None):
                self._selector.unregister(end)
                end.close()
                if end in self._inner:
                    self._inner.remove(end)


@pytest.fixture
def wire(server: Server) -> Iterator[Wire]:
    """A wire to the server."""
    one = Wire(server)
    yield one
    one.close()


@pytest.fixture
def in_spanish() -> Iterator[None]:
    """This process speaks it for the length of a test."""
    before = texts.spoken()
    texts.use("es")
    yield
    texts.use(before)
