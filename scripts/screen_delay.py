"""From a server's send() to a person's screen: `python scripts/screen_delay.py [SECONDS]`.

The real client runs in a pseudo-terminal of 80x24. A server of this script's own, so that only the client is measured,
sends it 20 messages a second, while a draft is typed, a key each time; each message's delay ends when the terminal has
its last byte. In the end the draft is sent, and must come back as it was typed. prompt_toolkit must be installed.
"""

from __future__ import annotations

import argparse
import os
import pty
import re
import selectors
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PER_SECOND = 20
PATIENCE = 20.0  # seconds without anything from the client: a client that works needs a few hundredths
SIZE = (24, 80)  # rows, columns
_SHOWN = re.compile(rb"message (\d+) end")
_LONGEST_DRAFT = 300  # letters: more than a line of IRC holds would come back in two
_WORDS = "a draft goes on while everybody talks at once, "


@dataclass
class Measured:
    """`delays`: of each message, in seconds, in the order in which they were shown. `order`: that order."""

    draft: str = ""
    received: str = ""
    delays: list[float] = field(default_factory=list)
    order: list[int] = field(default_factory=list)


class Client:
    """The client in its terminal, and our end of its connection."""

    def __init__(self, home: str) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))  # closed by close()
        port = str(self._listener.getsockname()[1])
        kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "VIRTUAL_ENV") if name in os.environ}
        env = kept | {"HOME": home, "XDG_STATE_HOME": home, "XDG_CONFIG_HOME": home, "TERM": "xterm-256color"}
        argv = [sys.executable, "-m", "mpchat", "client", "127.0.0.1", port, "--nick", "ana", "--room", "#room"]
        self.terminal, other = pty.openpty()  # closed by close()
        os.set_blocking(self.terminal, False)
        subprocess.run(["stty", "rows", str(SIZE[0]), "cols", str(SIZE[1])], stdin=other, check=True)
        self._process = subprocess.Popen(
            argv,
            cwd=ROOT,
            env=env | {"LC_ALL": "C.UTF-8"},
            stdin=other,
            stdout=other,
            stderr=other,
            start_new_session=True,
        )
        os.close(other)
        self._listener.settimeout(PATIENCE)
        self.socket, _ = self._listener.accept()  # closed by close()
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._selector = selectors.DefaultSelector()
        for one in (self.terminal, self.socket):
            self._selector.register(one, selectors.EVENT_READ)
        self.heard: list[str] = []
        self.output, self._rest = b"", b""

    def wait(self, seconds: float) -> bool:
        """Until something comes from the client, or so long: lines for `heard`, or `output` for the terminal."""
        ready = self._selector.select(max(0.0, seconds))
        for key, _ in ready:
            if key.fileobj is self.socket:
                *lines, self._rest = (self._rest + self.socket.recv(65_536)).split(b"\n")
                for line in lines:
                    self.heard.append(line.decode().rstrip("\r"))
                    self._answer(self.heard[-1])
            else:
                self.output += os.read(self.terminal, 65_536)
        return bool(ready)

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait for it. Raises TimeoutError where nothing comes any more."""
        while not condition():
            if not self.wait(PATIENCE):
                raise TimeoutError(f"nothing came for {PATIENCE:.0f} s; the last was {self.output[-200:]!r}")

    def say(self, line: str) -> None:
        """One line from the server."""
        self.socket.sendall(f"{line}\r\n".encode())

    def _answer(self, line: str) -> None:
        command, _, rest = line.partition(" ")
        if line.startswith("CAP LS"):
            self.say(":s CAP * LS :")
        elif command == "USER":
            self.say(":s 001 ana :Welcome")
        elif command == "JOIN":
            self.say(":ana!a@h JOIN #room")
        elif command == "PING":
            self.say(f":s PONG s {rest}")

    def close(self) -> None:
        """End the client."""
        self._selector.close()
        self.socket.close()
        self._listener.close()
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        os.close(self.terminal)


def measure(seconds: float) -> Measured:
    """Messages and keys for so long. Raises TimeoutError where the client shows nothing any more."""
    with tempfile.TemporaryDirectory(prefix="mpchat-delay-") as home:
        client = Client(home)
        try:
            return _measure(client, int(seconds * PER_SECOND))
        finally:
            client.close()


def _measure(client: Client, messages: int) -> Measured:
    measured, sent = Measured(), list[float]()
    client.until(lambda: b"ana #room> " in client.output)
    begun = time.perf_counter()
    while len(measured.order) < messages:
        left = begun + len(sent) / PER_SECOND - time.perf_counter()
        if len(sent) == messages:
            client.until(lambda: _SHOWN.search(client.output) is not None)
        elif left > 0:
            client.wait(left)
        else:
            if len(measured.draft) < _LONGEST_DRAFT:
                letter = _WORDS[len(sent) % len(_WORDS)]
                os.write(client.terminal, letter.encode())
                measured.draft += letter
            sent.append(time.perf_counter())
            client.say(f":beto!b@h PRIVMSG #room :message {len(sent) - 1} end")
        while shown := _SHOWN.search(client.output):
            client.output = client.output[shown.end() :]
            measured.order.append(int(shown[1]))
            measured.delays.append(time.perf_counter() - sent[int(shown[1])])
    os.write(client.terminal, b"\r")
    client.until(lambda: client.heard[-1].startswith("PRIVMSG"))
    measured.received = client.heard[-1].partition(":")[2]
    return measured


def main() -> int:
    """Print what was measured; 1 if the draft, or the messages' order, did not stay whole."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition(":")[0])
    parser.add_argument("seconds", nargs="?", type=float, default=10.0, help="how long (default: %(default)s)")
    measured = measure(parser.parse_args().seconds)
    delays = [1000 * delay for delay in measured.delays]
    percentiles = statistics.quantiles(delays, n=100)
    print(f"{len(delays)} messages, {PER_SECOND} a second, from send() to the screen:")
    print(f"p50 {percentiles[49]:.1f} ms, p95 {percentiles[94]:.1f} ms, most {max(delays):.1f} ms")
    is_whole = measured.draft == measured.received and measured.order == sorted(measured.order)
    print("the draft is whole" if is_whole else f"typed {measured.draft!r}, sent {measured.received!r}")
    return 0 if is_whole else 1


if __name__ == "__main__":
    sys.exit(main())
