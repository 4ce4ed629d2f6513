"""The disk is full: nothing is accepted, nothing is lost, nobody dies of it; and when there is room, all goes on."""

from __future__ import annotations

import resource
import select
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.running import IrcClient, Server
from tests.system.servers import kill, needs_linux, pids, ready, replaced, until, unusual

pytestmark = needs_linux

LINES = 150


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def server(data: Path) -> Iterator[Server]:
    with unusual("--unlimited", "--workers", "2", "--data", str(data)) as it:
        yield it


def limit_files(server: Server, size: int) -> None:
    """No process of the server, nor any that is started later, can make a file longer than that: write(2) fails."""
    for pid in pids(server).values():
        _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, hard))


def joined(server: Server, nick: str) -> IrcClient:
    client = server.irc(nick, caps="echo-message")
    client.join("#lobby")
    return client


@pytest.mark.parametrize("roles", [("broker",), ("recorder", "worker0", "worker1")])
def test_what_is_not_accepted_waits(server: Server, data: Path, roles: tuple[str, ...]) -> None:
    before = until(lambda: ready(server))
    ana, beto = joined(server, "ana"), joined(server, "beto")
    ana.sync()
    journal = next((data / "journal").glob("*.journal"))
    limit_files(server, journal.stat().st_size + 20_000)  # there is room for some of the lines
    for number in range(LINES):
        ana.send(f"PRIVMSG #lobby :{number} {'x' * 400}")
    until(lambda: "cannot write the journal: nothing is accepted until it can" in server.log_text())
    kill(server, *roles)
    until(lambda: all(pids(server).get(role, before[role]) != before[role] for role in roles))
    heard = []
    while select.select([beto.sock], [], [], 0.3)[0]:
        heard.append(beto.read())
    assert len(heard) < LINES / 2
    assert journal.stat().st_size <= resource.prlimit(pids(server)["broker"], resource.RLIMIT_FSIZE)[0]
    limit_files(server, resource.RLIM_INFINITY)
    heard += [beto.read() for _ in range(LINES - len(heard))]
    assert heard == [f":ana!~ana@127.0.0.1 PRIVMSG #lobby :{number} {'x' * 400}" for number in range(LINES)]
    assert ana.sync() == heard
    assert beto.sync() == []
    assert "the journal can be written again" in server.log_text()
    replaced(server, before, *roles)
    for client in (ana, beto):
        client.close()


def test_a_stop_while_it_is_full(server: Server, data: Path) -> None:
    """What was not accepted may be, if there is room before the end."""
    ana = joined(server, "ana")
    limit_files(server, next((data / "journal").glob("*.journal")).stat().st_size)
    ana.send("PRIVMSG #lobby :not accepted")
    until(lambda: "cannot write the journal" in server.log_text())
    limit_files(server, resource.RLIM_INFINITY)
    server.process.send_signal(signal.SIGTERM)
    assert ana.rest()[-1].startswith("ERROR ")
    ana.close()
