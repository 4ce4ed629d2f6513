"""A real server in a process of its own, and raw TCP clients that speak to it. Everything waits for events."""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

PATIENCE = 10.0  # seconds: only a failing test ever waits so long

_READY = re.compile(r"mpchat ready: irc (\S+):(\d+), plain (?:none|\S+:(\d+)), pid (\d+)")


def at_home(folder: str | Path) -> dict[str, str]:
    """The part of an environment that says where a server puts what it keeps: not into the user's own folders."""
    return {"XDG_RUNTIME_DIR": str(folder), "XDG_STATE_HOME": str(folder)}


class Server:
    """Started with the given arguments on ports that the kernel chose."""

    def __init__(self, *args: str, host: str = "127.0.0.1", data: Path | None = None) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="mpchat-test-")
        self.environment = {**os.environ, **at_home(self.folder.name), "PYTHONWARNINGS": "error"}
        extra = ["--data", str(data)] if data is not None else []
        self.log = open(Path(self.folder.name) / "log", "w+")  # noqa: SIM115  closed by stop()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "mpchat", "server", host, "0", *extra, *args],
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
            env=self.environment,
            start_new_session=True,  # so that a test's Ctrl-C to the group reaches this server only
        )
        self.read_ready_line(host)

    def read_ready_line(self, host: str) -> None:
        """Wait until all listen, and learn where."""
        assert self.process.stdout is not None
        self.ready = self.process.stdout.readline()
        found = _READY.match(self.ready)
        if found is None:
            self.stop()
            raise AssertionError(f"no ready line but {self.ready!r}; log: {self.log_text()}")
        self.host = host
        self.irc_port = int(found[2])
        self.plain_port = int(found[3] or 0)
        self.pid = int(found[4])

    def irc(self, nick: str = "", *, caps: str = "", source: str = "") -> IrcClient:
        """A connected client; registered under `nick` if there is one. `source`: the address that it comes from."""
        client = IrcClient(self.host, self.irc_port, source)
        if nick:
            client.register(nick, caps=caps)
        return client

    def plain(self, nick: str = "", *, source: str = "") -> PlainClient:
        client = PlainClient(self.host, self.plain_port, source)
        if nick:
            client.expect("Type your nickname")
            client.send(nick)
            client.expect("* in #lobby: ")
        return client

    def run(self, *args: str) -> subprocess.CompletedProcess[str]:
        """Another mpchat command, in the same environment."""
        return subprocess.run(
            [sys.executable, "-m", "mpchat", *args],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )

    def log_text(self) -> str:
        if self.log.closed:
            return self._last_log
        self.log.flush()
        return Path(self.log.name).read_text()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End it by a signal; returns its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        """Wait until it has ended."""
        try:
            status = ended(self.process, 20)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            if not self.log.closed:
                self._last_log = self.log_text()
                self.log.close()
                assert self.process.stdout is not None
                self.process.stdout.close()
                self.folder.cleanup()
        return status


def ended(process: subprocess.Popen[str], within: float) -> int:
    """Its exit status, as soon as there is one: Popen.wait() with a time-out asks twenty times a second only."""
    if process.poll() is None and hasattr(os, "pidfd_open"):
        fd = os.pidfd_open(process.pid)
        end = select.poll()
        end.register(fd)
        end.poll(within * 1000)
        os.close(fd)
        within = 0
    return process.wait(within)


@contextlib.contextmanager
def running(*args: str, data: Path | None = None) -> Iterator[Server]:
    """A server for one test. It must end cleanly, whatever was done to it."""
    server = Server(*args, data=data)
    try:
        yield server
    finally:
        for client in OPEN:
            client.close()  # a stopping server waits for those who do not hang up
        status = server.stop()
    assert status == 0, f"the server ended with {status}: {server.log_text()}"
    assert "crashed" not in server.log_text(), server.log_text()


OPEN: list[LineClient] = []  # conftest.py closes them after each test


class LineClient:
    """A TCP connection that is read by lines."""

    def __init__(self, host: str, port: int, source: str = "") -> None:
        self.sock = socket.create_connection((host, port), PATIENCE, (source, 0) if source else None)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._unread = b""
        OPEN.append(self)

    def __enter__(self) -> LineClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def send(self, *lines: str) -> None:
        self.send_bytes("".join(line + "\r\n" for line in lines).encode())

    def send_bytes(self, data: bytes) -> None:
        self.sock.sendall(data)

    def read_raw(self) -> bytes | None:
        """The next line with its line end, or None at the end of the stream."""
        while b"\n" not in self._unread:
            data = self.sock.recv(65536)
            if not data:
                assert not self._unread, f"a torn line at the end: {self._unread!r}"
                return None
            self._unread += data
        line, _, self._unread = self._unread.partition(b"\n")
        return line + b"\n"

    def read(self) -> str:
        """The next line without its line end; the end of the stream is an error."""
        line = self.read_raw()
        assert line is not None, "the server closed the connection"
        return line.decode().rstrip("\r\n")

    def rest(self) -> list[str]:
        """All lines until the server closes."""
        lines = []
        with contextlib.suppress(ConnectionResetError):
            while (line := self.read_raw()) is not None:
                lines.append(line.decode().rstrip("\r\n"))
        return lines

    def close(self) -> None:
        self.sock.close()


class IrcClient(LineClient):
    """Speaks raw IRC: what a test sends and expects stands there as on the wire."""

    nick = "*"
    _syncs = 0

    def __enter__(self) -> IrcClient:
        return self

    def register(self, nick: str, *, caps: str = "") -> list[str]:
        """Returns the lines of the greeting."""
        if caps:
            self.send("CAP LS 302", f"CAP REQ :{caps}")
        self.send(f"NICK {nick}", f"USER {nick} 0 * :{nick.title()} Realname")
        if caps:
            self.send("CAP END")
        lines = []
        while True:
            lines.append(self.read())
            if command(lines[-1]) in ("376", "422"):
                self.nick = nick
                return lines

    def join(self, channel: str, key: str = "") -> list[str]:
        """Join and read up to the end of the names."""
        self.send(f"JOIN {channel} {key}".strip())
        return self.until("366")

    def until(self, *commands: str) -> list[str]:
        """The lines up to and including the first with one of these commands or numerics."""
        lines = []
        while True:
            lines.append(self.read())
            if command(lines[-1]) in commands:
                return lines

    def expect(self, wanted: str) -> str:
        """The next line; it must match this regular expression."""
        line = self.read()
        assert re.search(wanted, line), f"expected {wanted!r}, got {line!r}"
        return line

    def sync(self) -> list[str]:
        """Everything the server had to say so far. It answers in order, so after its PONG there is nothing left."""
        self._syncs += 1
        token = f"sync-{self._syncs}"
        self.send(f"PING {token}")
        lines: list[str] = []
        while True:
            line = self.read()
            if command(line) == "PONG" and line.endswith(token):
                return lines
            lines.append(line)

    def ask(self, *lines: str) -> list[str]:
        """Send, and return everything that was answered."""
        self.send(*lines)
        return self.sync()


class PlainClient(LineClient):
    """Speaks plain text, as nc's user does."""

    def __enter__(self) -> PlainClient:
        return self

    def expect(self, text: str) -> str:
        """Read lines until one contains `text`."""
        while True:
            line = self.read()
            if text in line:
                return line

    def send(self, *lines: str) -> None:
        self.send_bytes("".join(line + "\n" for line in lines).encode())

    def ask(self, *lines: str) -> list[str]:
        """Send, and return everything that was answered. An unknown command is answered like all else, in order,
        and in whatever language by its name.
        """
        self.send(*lines, "/sync-marker")
        answers = []
        while "/sync-marker" not in (line := self.read()):
            answers.append(line)
        return answers


def command(line: str) -> str:
    """The command or numeric of a line."""
    words = line.split(" ")
    if words[0].startswith("@"):
        words = words[1:]
    if words[0].startswith(":"):
        words = words[1:]
    return words[0]


def commands(lines: list[str]) -> list[str]:
    return [command(line) for line in lines]
