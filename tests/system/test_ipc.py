"""A whole server with each transport between its workers and its broker (--ipc): nobody can tell which one it has."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ipc import own_transport
from tests.running import PATIENCE, IrcClient, Server, at_home, running
from tests.system.conversation import Conversation
from tests.system.servers import MPCHAT, kill, needs_linux, pids, ready, replaced, status, until

pytestmark = needs_linux

LINES = [f"{number} " + "x" * 400 for number in range(1500)]  # 600 KB: more than any of these takes by itself
MANY = 150  # people who say what a worker forwards of one without an answer, 8 KiB: together as much for each worker


@pytest.fixture(scope="module", params=["queue", "pipe", "file"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Of a file that lies elsewhere, is named from where the server is started, and is gone as soon as it runs."""
    ipc = str(request.param)
    if ipc == "file":
        file = tmp_path_factory.mktemp("elsewhere") / "my-own.transport.py"
        shutil.copy(own_transport.__file__, file)
        ipc = os.path.relpath(file)
    with running("--unlimited", "--workers", "2", "--hang-limit", "0", "--ipc", ipc) as it:
        if request.param == "file":
            file.unlink()
        yield it


@pytest.mark.parametrize("roles", [("worker0",), ("worker1",), ("broker",), ("worker0", "broker")])
def test_nobody_notices_a_death(server: Server, roles: tuple[str, ...]) -> None:
    until(lambda: ready(server))
    until(lambda: status(server)["acceptor"]["clients"] == 0)
    people = Conversation(server)
    before: dict[str, int] = {}
    people.round(lambda: before.update(kill(server, *roles)))
    replaced(server, before, *roles)
    people.round()
    people.close()


def say(client: IrcClient, lines: list[str], to: str = "#flood") -> None:
    client.send_bytes("".join(f"PRIVMSG {to} :{line}\r\n" for line in lines).encode())


def heard(client: IrcClient, count: int) -> list[str]:
    return [client.read().split(" :", 1)[1] for _ in range(count)]


@pytest.fixture
def two(server: Server) -> Iterator[tuple[str, IrcClient, IrcClient]]:
    """Two in a room, on two workers; and which worker the first of them is on."""
    until(lambda: ready(server))
    until(lambda: status(server)["acceptor"]["clients"] == 0)
    one = server.irc("one")
    [role] = [role for role in ("worker0", "worker1") if until(lambda: clients(server, 1))[role]]
    other = server.irc("other", caps="echo-message")
    assert until(lambda: clients(server, 2)) == {"worker0": 1, "worker1": 1}
    one.join("#flood")
    other.join("#flood")
    one.sync()
    yield role, one, other
    one.close()
    other.close()


def clients(server: Server, count: int) -> dict[str, int] | None:
    """How many each worker has, once they are so many in all."""
    rows = status(server)
    found = {role: int(rows[role]["clients"]) for role in ("worker0", "worker1")}
    return found if sum(found.values()) == count else None


def test_what_a_stopped_worker_does_not_take_comes_later(server: Server, two: tuple[str, IrcClient, IrcClient]) -> None:
    """The broker goes on meanwhile: it serves the others."""
    role, one, other = two
    os.kill(pids(server)[role], signal.SIGSTOP)
    say(other, LINES)
    assert heard(other, len(LINES)) == LINES
    os.kill(pids(server)[role], signal.SIGCONT)
    assert heard(one, len(LINES)) == LINES


def test_what_a_stopped_broker_does_not_take_comes_later(server: Server, two: tuple[str, IrcClient, IrcClient]) -> None:
    """The workers go on meanwhile: they forward what they may."""
    _, one, _ = two
    speakers = [server.irc(f"speaker{number}") for number in range(MANY)]
    lines = LINES[:18]
    before = forwarded(server)
    os.kill(pids(server)["broker"], signal.SIGSTOP)
    for number, speaker in enumerate(speakers):
        say(speaker, [f"{number} {line}" for line in lines], to="one")
    until(lambda: forwarded(server) == before + MANY * len(lines))
    os.kill(pids(server)["broker"], signal.SIGCONT)
    said = heard(one, MANY * len(lines))
    for number in range(MANY):
        assert [line for line in said if line.startswith(f"{number} ")] == [f"{number} {line}" for line in lines]
    for speaker in speakers:
        speaker.close()


def forwarded(server: Server) -> int:
    """How many records, by all workers."""
    rows = status(server)
    return sum(int(rows[role]["records"]) for role in ("worker0", "worker1"))


def test_a_file_that_is_no_transport_is_one_clear_line(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("class Pair:\n    pass\n")
    for ipc, told in (
        (str(file), f"--ipc: {file}: its Pair has no make()"),
        (str(tmp_path / "none.py"), f"--ipc: {tmp_path / 'none.py'}: No such file or directory"),
        ("socket", "argument --ipc: queue, pipe or the path of a file FILE.py, not 'socket'"),
    ):
        command = [*MPCHAT, "server", "127.0.0.1", "0", "--ephemeral", "--ipc", ipc]
        environment = {**os.environ, **at_home(tmp_path)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE)
        assert (done.returncode, done.stdout) == (2, "")
        assert len(done.stderr.splitlines()) == 1
        assert told in done.stderr
