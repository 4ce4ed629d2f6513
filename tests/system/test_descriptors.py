"""As many clients as there are file descriptors for, and then a process dies: no client is lost for want of one.

A successor needs some itself, and those that it works with get some too (queues, links): no client gets these.
"""

from __future__ import annotations

import contextlib
import resource
import select
from collections.abc import Iterator
from pathlib import Path

import pytest

from mpchat.settings import Settings
from tests.running import IrcClient, Server, command
from tests.system.servers import Unusual, built, kill, needs_linux, pids, ready, replaced, status, until, unusual

pytestmark = [needs_linux, pytest.mark.slow]

FULL = "ERROR :Closing link: (Server is full)"


def few_fds() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))


def come(server: Server) -> list[IrcClient]:
    """So many that the last are refused; returns those that are in, and in #full."""
    inside: list[IrcClient] = []
    for number in range(80):
        client = server.irc()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            client.send("PING hello")
        line = client.read()
        if command(line) == "PONG":
            client.register(f"n{number}")
            client.join("#full")
            inside.append(client)
        else:
            assert line == FULL
            client.close()
    assert 20 < len(inside) < 60
    return inside


def talk(clients: list[IrcClient], text: str) -> None:
    """Each says it, and hears it of all others."""
    for client in clients:
        client.sync()
    for client in clients:
        client.ask(f"PRIVMSG #full :{text}")
    for number, client in enumerate(clients):
        heard = [line.split("!")[0] for line in client.sync() if line.endswith(f" #full :{text}")]
        assert heard == [f":{other.nick}" for other in clients[number + 1 :]]


@pytest.fixture(scope="module", params=[1, 2])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """--max-clients promises more than the kernel gives."""
    data = str(tmp_path_factory.mktemp("descriptors") / "data")
    settings = Settings(
        port=0, plain_port=0, unlimited=True, workers=request.param, max_clients=1000, data=data, hang_limit=0
    )
    with unusual(settings=settings, before=few_fds) as it:
        yield it


@pytest.fixture(scope="module")
def clients(server: Server) -> list[IrcClient]:
    return come(server)


@pytest.fixture(autouse=True)
def _hang_up() -> None:
    """Instead of conftest's: who talks here stays from test to test."""


@pytest.mark.parametrize(
    "roles",
    [
        ("worker0",),
        ("broker",),
        ("acceptor",),
        ("recorder",),
        ("authenticator",),
        ("spare",),
        ("broker", "worker0"),
        ("broker", "acceptor", "recorder"),
    ],
)
def test_who_is_in_stays_in(server: Server, clients: list[IrcClient], roles: tuple[str, ...]) -> None:
    until(lambda: ready(server))
    for _ in range(2):
        replaced(server, kill(server, *roles), *roles)
        talk(clients, "still here")
    late = server.irc()
    assert late.rest() == [FULL]
    assert len(clients) == status(server)["acceptor"]["clients"]


# Limits of a running process (prlimit(2)): its own, not its successor's


@pytest.fixture
def lone(tmp_path: Path) -> Iterator[Server]:
    """A server with one worker and as many descriptors as there are. One of its processes may end for want of them."""
    server = Unusual(built(Settings(port=0, plain_port=0, unlimited=True, workers=1, data=str(tmp_path / "data"))))
    try:
        until(lambda: ready(server))
        yield server
    finally:
        status = server.stop()
    assert status == 0, server.log_text()


def leave_room(server: Server, role: str, room: int, reserved: int = 0) -> None:
    """From now on it may open so many more, and so many besides that it must not give to clients."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    pid = pids(server)[role]
    taken = {int(entry.name) for entry in Path(f"/proc/{pid}/fd").iterdir()}
    free = [number for number in range(200) if number not in taken]
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (free[room] + reserved, hard))


@pytest.mark.parametrize(("room", "reserved"), [(3, Settings.reserved_fds), (0, 0)])
def test_whom_the_worker_has_no_room_for_is_told_by_the_acceptor(lone: Server, room: int, reserved: int) -> None:
    with lone.irc("ana") as ana, contextlib.ExitStack() as stack:
        leave_room(lone, "worker0", room, reserved)
        clients = [stack.enter_context(lone.irc()) for _ in range(room + 2)]
        for client in clients:
            client.send("PING hello")
        assert [command(client.read()) for client in clients] == ["PONG"] * room + ["ERROR"] * 2
        assert lone.plain().rest() == ["! Server is full"]
        assert ana.sync() == []
        until(lambda: status(lone)["acceptor"]["clients"] == 1 + room)


def test_a_worker_that_has_no_room_for_a_new_brokers_queues_is_replaced(lone: Server) -> None:
    """Without them it is of no use; its successor has the room. (A new acceptor's link fits where the old one was.)"""
    with lone.irc("ana") as ana, lone.irc("beto") as beto:
        clients = [ana, beto]
        for client in clients:
            client.join("#full")
        leave_room(lone, "worker0", 0)
        replaced(lone, kill(lone, "acceptor"), "acceptor")
        talk(clients, "still here")
        replaced(lone, kill(lone, "broker"), "broker", "worker0")
        talk(clients, "still here")
    assert "no file descriptor is free for what the supervisor has sent" in lone.log_text()


def test_where_an_acceptor_may_open_nothing_newcomers_wait(lone: Server) -> None:
    """It does not spin, nor end; whoever is in talks on."""
    psutil = pytest.importorskip("psutil")
    with lone.irc("ana") as ana:
        pid = pids(lone)["acceptor"]
        before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, before[1]))
        with lone.irc() as newcomer:  # as far as the kernel goes
            newcomer.send("PING hello")
            until(lambda: "out of file descriptors" in lone.log_text())
            cpu = sum(psutil.Process(pid).cpu_times()[:2])
            assert select.select([newcomer.sock], [], [], 0.8)[0] == []
            assert sum(psutil.Process(pid).cpu_times()[:2]) - cpu < 0.2
            assert ana.sync() == []
            resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
            assert command(newcomer.read()) == "PONG"
        assert pids(lone)["acceptor"] == pid
