"""A person at a terminal: the real client in a pty, and what its screen shows. Waits for events, never for time."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pexpect
import pyte

CLIENT = [sys.executable, "-m", "mpchat", "client"]
EMPTY_PROMPT = re.compile(r"[>:](?: {2,}.*)?$")  # of a room, or of a question; the state stands at the right
SECONDS = 10.0  # for anything to happen; a failing test waits so long, a passing one never
PASTE = "\x1b[200~{}\x1b[201~"


def environment(home: Path) -> dict[str, str]:
    """An environment in which nothing of the tester's own counts."""
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "VIRTUAL_ENV") if name in os.environ}
    return kept | {
        "HOME": str(home),
        "XDG_STATE_HOME": str(home),
        "TERM": "xterm-256color",
        "LANG": "C.UTF-8",
        "TZ": "UTC",
    }


class Person:
    """Types and looks."""

    def __init__(
        self, args: list[str], env: dict[str, str], rows: int = 24, columns: int = 80, client: list[str] = CLIENT
    ) -> None:
        self.screen = pyte.HistoryScreen(columns, rows, history=10_000)
        self._stream = pyte.ByteStream(self.screen)
        self.raw = b""
        command = [*client, *args]
        self.child: pexpect.spawn[bytes] = pexpect.spawn(
            command[0], command[1:], env=env, dimensions=(rows, columns), timeout=SECONDS, encoding=None
        )
        self.child.delaybeforesend = None

    def type(self, text: str) -> None:
        """Press keys."""
        self.child.send(text.encode())

    def say(self, text: str) -> None:
        """Type a line and wait until it is said (or obeyed): the prompt is there again, and empty.

        Keys that come in one read with Enter would make it a paste; and a prompt that is gone only for as long as a
        message is written above it says nothing of Enter.
        """
        self.type(text)
        self.until(lambda: text in self.bottom())
        self.type("\r")
        self.until(lambda: bool(EMPTY_PROMPT.search(self.bottom())))

    def resize(self, rows: int, columns: int) -> None:
        """Drag the window's corner."""
        self.screen.resize(rows, columns)
        self.child.setwinsize(rows, columns)

    def until(self, condition: Callable[[], bool]) -> None:
        """Look at the screen until the condition holds."""
        end = time.monotonic() + SECONDS
        while not condition():
            assert time.monotonic() < end, "the screen stayed so:\n" + "\n".join(self.lines())
            try:
                data = self.child.read_nonblocking(65_536, timeout=0.2)
            except pexpect.TIMEOUT:
                continue
            except pexpect.EOF:
                assert condition(), "the client ended:\n" + "\n".join(self.lines())
                return
            self.raw += data
            self._stream.feed(data)

    def sees(self, pattern: str) -> str:
        """Wait until a line of the scrollback or the screen matches, and return it."""
        found: list[str] = []

        def look() -> bool:
            found[:] = [line for line in self.lines() if re.search(pattern, line)]
            return bool(found)

        self.until(look)
        return found[-1]

    def lines(self) -> list[str]:
        """The scrollback and the screen."""
        top = ["".join(row[column].data for column in range(self.screen.columns)) for row in self.screen.history.top]
        return [line.rstrip() for line in [*top, *self.screen.display]]

    def bottom(self) -> str:
        """The line being edited: the last one with something in it."""
        return next((line for line in reversed(self.lines()) if line), "")

    def ends(self) -> int:
        """Wait for the client to go; its exit status."""
        self.until(lambda: self.child.flag_eof or not self.child.isalive())
        end = time.monotonic() + SECONDS
        while self.child.isalive():  # its terminal is closed a moment before it has ended
            assert time.monotonic() < end, "it has closed its terminal, and has not ended"
            time.sleep(0.01)
        return int(self.child.exitstatus if self.child.exitstatus is not None else -(self.child.signalstatus or 0))

    def close(self) -> None:
        """End the client if it is still there, and wait until the server knows: the nick is free then."""
        if self.child.isalive():
            self.child.kill(signal.SIGTERM)
            self.ends()
        child: Any = self.child
        child.ptyproc.delayafterclose = 0.0
        child.close()


def pipe(args: list[str], text: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run the client as a script would: a text in, what came out."""
    return subprocess.run(
        [*CLIENT, *args], input=text, env=env, capture_output=True, text=True, timeout=20, check=False
    )


def read_file(args: list[str], path: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """The same with a file as its input, which epoll would refuse."""
    with path.open() as file:
        return subprocess.run(
            [*CLIENT, *args], stdin=file, env=env, capture_output=True, text=True, timeout=20, check=False
        )
