"""A server of a run's own, on ports that the kernel chooses, and people who talk there in plain text."""

import contextlib
import os
import re
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from mpchat.ipc import control_socket
from mpchat.lab.processes import end_with_parent

_READY = re.compile(r"mpchat ready: irc (\S+):(\d+), plain \S+:(\d+), pid (\d+)")
_START_SECONDS = 20.0
_STOP_SECONDS = 10.0
_LINE_SECONDS = 10.0


class NoServer(Exception):
    """The server did not start: says what it said."""


class PrivateServer:
    """Started with these arguments; it keeps its files in `folder`, and nothing of it is left behind close()."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700)
        self.log_path = folder / "log"
        with open(self.log_path, "w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "mpchat", "server", "127.0.0.1", "0", "--plain-port", "0", "--ephemeral"]
                + ["--lang", "en", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=self.environment,
                start_new_session=True,
                preexec_fn=end_with_parent,  # this process has one thread at that moment
            )
        assert self.process.stdout is not None
        try:  # a server whose processes fail again and again says nothing at all
            said_it = select.select([self.process.stdout], [], [], _START_SECONDS)[0]
            found = _READY.match(self.process.stdout.readline()) if said_it else None
        except BaseException:  # the run's time is over
            self.close()
            raise
        if found is None:
            self.close()
            raise NoServer(self.log_path.read_text().strip().rpartition("\n")[2])
        self.irc_port, self.plain_port, self.pid = int(found[2]), int(found[3]), int(found[4])

    @property
    def environment(self) -> dict[str, str]:
        """For other commands that shall find it."""
        return {**os.environ, "XDG_RUNTIME_DIR": str(self._folder), "XDG_STATE_HOME": str(self._folder)}

    def status(self) -> list[dict[str, Any]]:
        """A row for each process, as `mpchat ps --json` has them under "processes": "role", "pid" and more."""
        path = control_socket.find(str(self._folder), self.irc_port)
        rows: list[dict[str, Any]] = control_socket.ask(path)["processes"]
        return rows

    def pids(self) -> dict[str, int]:
        """The process id of each role ("broker", "worker0"); a role that is vacant right now is left out."""
        return {row["role"]: row["pid"] for row in self.status() if row["pid"] is not None}

    def talker(self, nick: str, receive_buffer: int | None = None) -> "Talker":
        """Somebody who has come in, under this nickname, and is in #lobby."""
        return Talker(self.plain_port, nick, receive_buffer)

    def run(self, *arguments: str, seconds: float = 20.0) -> str:
        """The standard output of another command, such as "trace". Raises subprocess.SubprocessError."""
        return subprocess.run(
            [sys.executable, "-m", "mpchat", *arguments],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            timeout=seconds,
            check=True,
        ).stdout

    def log(self) -> str:
        return self.log_path.read_text()

    def close(self) -> int:
        """End it as Ctrl-C does, or else kill it; returns its exit status. Its processes end with it."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()
        return self.process.returncode


class Ended(Exception):
    """The connection has ended, or nothing came in time."""


class Talker:
    """A client of the plain port, as nc is one."""

    def __init__(self, port: int, nick: str, receive_buffer: int | None = None) -> None:
        self.nick = nick
        self.sock = socket.socket()
        if receive_buffer is not None:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.sock.settimeout(_LINE_SECONDS)
        self.sock.connect(("127.0.0.1", port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._unread = bytearray()
        self.expect("Type your nickname")
        self.say(nick)
        self.expect("* in #lobby: ")

    def say(self, *lines: str) -> None:
        self.sock.sendall("".join(line + "\n" for line in lines).encode())

    def read(self, seconds: float = _LINE_SECONDS) -> str:
        """The next line, without its end. Raises Ended."""
        deadline = time.monotonic() + seconds
        while b"\n" not in self._unread:
            self.sock.settimeout(max(0.001, deadline - time.monotonic()))
            try:
                data = self.sock.recv(1 << 16)
            except OSError as error:  # TimeoutError is one
                raise Ended(str(error)) from error
            if not data:
                raise Ended("the server has closed the connection")
            self._unread += data
        line, _, rest = self._unread.partition(b"\n")
        self._unread = rest
        return line.decode(errors="replace").rstrip("\r")

    def expect(self, text: str, seconds: float = _LINE_SECONDS) -> str:
        """Read lines until one contains `text`: this one. Raises Ended."""
        deadline = time.monotonic() + seconds
        while text not in (line := self.read(max(0.001, deadline - time.monotonic()))):
            pass
        return line

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.sock.close()
