"""Whatever ends a script: each line it was given was said, or is named as not said, and the exit status tells."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from subprocess import PIPE

import pytest

from tests.client.conftest import Wire
from tests.running import PATIENCE, Server, command, running

# Lines that the server takes two seconds for, and more: some are said, some under way, some read and some not.
GIVEN = [f"line {number:02}" for number in range(30)]
IMPATIENT = (
    "import sys; from mpchat.client import feed; from mpchat.cli import main; feed.RETURN_SECONDS = 1.5;"
    "sys.exit(main())"
)
_TOLD = re.compile(r"(not said|not sent|not confirmed, so perhaps not delivered): (line \d\d)")


class Script:
    """A command that says what it is given."""

    def __init__(self, name: str, port: int, env: dict[str, str]) -> None:
        self.name = name
        where = ["127.0.0.1", str(port), "--room"] if name == "client" else ["--port", str(port), "--to"]
        argv = [sys.executable, "-c", IMPATIENT, name, *where, "#so", "--nick", name]
        self.process = subprocess.Popen(argv, env=env, stdin=PIPE, stdout=PIPE, stderr=PIPE, text=True, bufsize=1)

    def give(self, lines: list[str], last: bool = False) -> None:
        """Write to its standard input, which ends there or stays open."""
        assert self.process.stdin
        self.process.stdin.write("".join(f"{line}\n" for line in lines))
        self.process.stdin.flush()
        if last:
            self.process.stdin.close()

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream:
                stream.close()


class Scene:
    """A room with an operator in it who hears what is said, and the scripts that speak there."""

    def __init__(self, server: Server, wire: Wire, env: dict[str, str]) -> None:
        self.server, self.wire = server, wire
        self.operator = server.irc("beto")
        self.operator.join("#so")
        self.scripts = [Script(name, wire.port, env) for name in ("client", "send")]
        for _ in self.scripts:
            self.operator.until("JOIN")
        self._heard: list[str] = []

    def begin(self) -> None:
        """The scripts talk, and have more to say: the one's input has ended, the other's goes on."""
        for script in self.scripts:
            script.give(GIVEN[:20])
        while any(len(self.said(script)) < 12 for script in self.scripts):
            self._heard.append(self.operator.read())
        for script in self.scripts:
            script.give(GIVEN[20:], last=script.name == "client")

    def said(self, script: Script) -> list[str]:
        return [
            line.rpartition(":")[2] for line in self._heard if line.startswith(f":{script.name}!") and "PRIV" in line
        ]

    def listen(self) -> None:
        """Hear what is said until one of the scripts is out of the room, or the server ends."""
        while line := self.operator.read_raw():
            self._heard.append(line.decode().strip())
            if command(self._heard[-1]) in ("QUIT", "KICK"):
                break


Way = Callable[[Scene], None]


def signalled(number: signal.Signals) -> Way:
    def end(scene: Scene) -> None:
        for script in scene.scripts:
            script.process.send_signal(number)

    return end


def asked(*lines: str) -> Way:
    """The operator asks this of the server, about each script."""

    def end(scene: Scene) -> None:
        for script in scene.scripts:
            scene.operator.send(*(line.format(script.name) for line in lines))

    return end


def refused(scene: Scene) -> None:
    scene.operator.send("MODE #so +m")
    scene.scripts[-1].give([], last=True)


def unread(scene: Scene) -> None:
    """Of the client's reader; `send` has none."""
    scene.scripts.pop().close()
    scene.listen()
    assert scene.scripts[0].process.stdout
    scene.scripts[0].process.stdout.close()


@pytest.fixture
def scene(env: dict[str, str]) -> Iterator[Scene]:
    with running("--workers", "1", "--oper", "root:secret") as server:
        wire = Wire(server)
        one = Scene(server, wire, env)
        yield one
        for script in one.scripts:
            script.close()
        wire.close()


@pytest.mark.parametrize(
    ("way", "status"),
    [
        pytest.param(signalled(signal.SIGINT), 5, id="interrupt", marks=pytest.mark.slow),
        pytest.param(signalled(signal.SIGTERM), 5, id="terminate"),
        pytest.param(signalled(signal.SIGHUP), 5, id="hang-up", marks=pytest.mark.slow),
        pytest.param(unread, 5, id="reader"),
        pytest.param(asked("KICK #so {}"), 3, id="kick"),
        pytest.param(asked("OPER root secret", "KILL {} :enough"), 3, id="kill", marks=pytest.mark.slow),
        pytest.param(refused, 4, id="refusal", marks=pytest.mark.slow),
        pytest.param(lambda scene: scene.wire.close(), 5, id="loss", marks=pytest.mark.slow),
        pytest.param(lambda scene: scene.server.stop(), 5, id="stop", marks=pytest.mark.slow),
    ],
)
def test_each_line_was_said_or_is_named(scene: Scene, way: Way, status: int) -> None:
    scene.begin()
    way(scene)
    for _ in scene.scripts:
        scene.listen()
    for script in scene.scripts:
        assert script.process.stderr
        ended = script.process.wait(PATIENCE)
        complaints = script.process.stderr.read()
        said, told = scene.said(script), _TOLD.findall(complaints)
        named = [line for _, line in told]
        unsaid = [line for how, line in told if "perhaps" not in how]
        assert (said, named) == (sorted({*said}), sorted({*named})), (script.name, complaints)
        assert sorted({*said, *named}) == GIVEN, (script.name, complaints)
        assert not {*said} & {*unsaid}, (script.name, complaints)
        assert ended == status, (script.name, complaints)
