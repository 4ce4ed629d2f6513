"""Any process but the supervisor may die at any time, or hang: nobody who is connected notices, to the byte."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import socket
import termios
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mpchat.settings import ChatSettings, Oper, Secrets, Settings
from tests.running import IrcClient, LineClient, Server, command, commands
from tests.system.conversation import Conversation, raw
from tests.system.servers import fds, kill, needs_linux, pids, ready, replaced, semaphores, status, until, unusual

pytestmark = needs_linux

ROLES = ("worker0", "worker1", "acceptor", "broker", "recorder", "authenticator")
RESET = b"\1\0\0\0\0\0\0\0"  # SO_LINGER: on, 0 seconds


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("deaths")


@pytest.fixture(scope="module")
def people(data: Path) -> Iterator[Conversation]:
    """On a server with two workers, which takes who is silent for a second for dead."""
    settings = Settings(
        port=0,
        plain_port=0,
        unlimited=True,
        workers=2,
        hang_limit=1,
        chat=ChatSettings(opers_exist=True),
        data=str(data / "data"),
        drain_seconds=0.5,
    )
    secrets = Secrets(opers=(Oper("root", "secret"),))
    with unusual(settings=settings, secrets=secrets, environment={"MPCHAT_CRASH": str(data / "orders")}) as server:
        it = Conversation(server)
        yield it
        it.close()


@pytest.fixture(scope="module")
def base(people: Conversation) -> object:
    """What is held before all these deaths, but not before the first: who comes later has been given a little less."""
    for role in ROLES:
        replaced(people.server, kill(people.server, role), role)
    return until(lambda: steady(lambda: held(people.server)))


def held(server: Server) -> object:
    """How many descriptors each process has open, which semaphores have a name, how many processes there are."""
    tree = pids(server)
    named = semaphores(tree) & {file.stat().st_ino for file in Path("/dev/shm").iterdir()}
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    return fds(server), named, len(children)


def steady(measure: Callable[[], object]) -> object:
    """What it says twice, a moment apart."""
    first = measure()
    select.select([], [], [], 0.1)
    return first if measure() == first else None


@pytest.fixture
def server(people: Conversation, base: object) -> Server:
    """At work, and alone with the people: who came for the last test has left, and their nicknames are free."""
    until(lambda: ready(people.server))
    until(lambda: status(people.server)["acceptor"]["clients"] == 3)
    return people.server


@pytest.fixture(autouse=True)
def _hang_up() -> None:
    """Instead of conftest's: who talks here stays from test to test."""


# Killed


@pytest.mark.parametrize("role", [*ROLES, "spare"])
def test_of_one_while_all_are_silent(people: Conversation, server: Server, role: str) -> None:
    before = kill(server, role)
    replaced(server, before, role)
    people.round()


@pytest.mark.parametrize("role", [*ROLES, "spare"])
def test_of_one_while_all_talk(people: Conversation, server: Server, role: str) -> None:
    before: dict[str, int] = {}
    people.round(lambda: before.update(kill(server, role)))
    replaced(server, before, role)


@pytest.mark.parametrize(
    "roles",
    [
        ("broker", "worker0"),
        ("broker", "acceptor"),
        ("broker", "recorder"),
        ("broker", "spare"),
        ("worker0", "worker1"),
        ("worker1", "recorder"),
        ("acceptor", "recorder"),
        ("broker", "authenticator"),
        (
            "broker",
            "recorder",
            "authenticator",
            "spare",
            "worker0",
            "worker1",
        ),  # all, but the one who keeps the sockets
    ],
)
def test_of_several_at_once(people: Conversation, server: Server, roles: tuple[str, ...]) -> None:
    before: dict[str, int] = {}
    people.round(lambda: before.update(kill(server, *roles)))
    replaced(server, before, *roles)
    people.round()


@pytest.mark.parametrize("role", ROLES)
def test_of_a_replacement_on_its_way_to_work(people: Conversation, server: Server, role: str) -> None:
    def three_times() -> None:
        for _ in range(3):
            before = kill(server, role)[role]
            until(lambda dead=before: pids(server).get(role, dead) != dead)  # type: ignore[misc]

    before = pids(server)
    people.round(three_times)
    replaced(server, before, role)


# Stopped


@pytest.mark.parametrize("roles", [("worker0",), ("worker1",), ("broker",), ("acceptor", "recorder")])
def test_of_those_that_hang(people: Conversation, server: Server, roles: tuple[str, ...]) -> None:
    """They are as good as dead. Those who do not need them do not wait for them."""
    before = kill(server, *roles, by=signal.SIGSTOP)
    for client in not_served_by(people, *roles):
        client.sync()
    now = pids(server)
    assert all(now[role] == before[role] for role in roles)
    people.round()
    replaced(server, before, *roles)


def not_served_by(people: Conversation, role: str, *_: str) -> list[IrcClient]:
    return {"broker": [], "worker0": [people.beto], "worker1": [people.ana]}.get(role, [people.ana, people.beto])


def test_of_a_spare_that_hangs(people: Conversation, server: Server) -> None:
    before = kill(server, "spare", by=signal.SIGSTOP)
    assert until(lambda: ready(server))["spare"] == before["spare"]
    until(lambda: pids(server).get("spare", before["spare"]) != before["spare"])
    people.round()
    replaced(server, before, "spare")


def test_of_a_spare_that_hangs_and_is_needed(people: Conversation, server: Server) -> None:
    kill(server, "spare", by=signal.SIGSTOP)
    before = kill(server, "worker1")
    people.round()
    replaced(server, before, "worker1")


def test_nobody_is_taken_for_dead_after_all_have_slept(people: Conversation, server: Server) -> None:
    """Ctrl-Z and fg, or a virtual machine that was stopped."""
    before = ready(server)
    os.killpg(server.pid, signal.SIGSTOP)
    select.select([], [], [], 1.2)
    os.killpg(server.pid, signal.SIGCONT)
    people.round()
    assert ready(server) == before


# The resource_tracker of multiprocessing


def test_of_the_resource_tracker(people: Conversation, server: Server) -> None:
    """Without it nobody would remove the semaphores' names if we did not; the next queue starts another one."""
    tracker = kill(server, "resource_tracker")["resource_tracker"]
    people.round()
    before = kill(server, "worker0")
    people.round()
    after = until(lambda: ready(server))
    assert before["worker0"] != after["worker0"]
    assert after["resource_tracker"] != tracker
    assert "Traceback" not in server.log_text()


# In the middle of a line

WORKERS = ("worker0", "worker1")


@pytest.fixture(params=["broker", "workers"])
def death(request: pytest.FixtureRequest, server: Server) -> Callable[[], None]:
    """Kills them, and waits for those who take their place."""
    roles = ("broker",) if request.param == "broker" else WORKERS

    def kill_them() -> None:
        replaced(server, kill(server, *roles), *roles)

    return kill_them


def heard_of(server: Server, client: LineClient, data: bytes) -> None:
    """Send something that nothing is answered to, and wait until a worker has given it to the broker."""

    def records() -> int:
        return sum(int(row["records"]) for role, row in status(server).items() if role.startswith("worker"))

    before = records()
    client.send_bytes(data)
    until(lambda: records() > before)


def test_in_the_middle_of_a_line(server: Server, death: Callable[[], None]) -> None:
    line = "PRIVMSG #half :mañana".encode()
    with server.irc("eva") as eva, server.irc("fede") as fede:
        for client in (eva, fede):
            client.join("#half")
        eva.sync()
        heard_of(server, eva, line[:18])  # in the middle of the ñ
        death()
        eva.send_bytes(line[18:] + b" seguimos\r\n")
        assert fede.read() == ":eva!~eva@127.0.0.1 PRIVMSG #half :mañana seguimos"
        assert (eva.sync(), fede.sync()) == ([], [])


def test_in_the_middle_of_a_line_that_is_too_long(server: Server, death: Callable[[], None]) -> None:
    with server.irc("eva") as eva:
        eva.send_bytes(b"x" * 9000)
        assert command(eva.read()) == "417"
        heard_of(server, eva, b"x" * 5000)
        death()
        eva.send_bytes(b"x" * 20_000 + b"\r\n")
        assert eva.sync() == []


def test_in_the_middle_of_a_password(server: Server, death: Callable[[], None]) -> None:
    with server.irc("eva") as eva, server.irc("fede") as fede:
        heard_of(server, eva, b"OPER root sec")
        heard_of(server, fede, b"OPER root secr")
        death()
        eva.send("ret")
        fede.send("ets")
        assert commands(eva.sync())[:1] == ["381"]
        assert commands(fede.sync()) == ["464"]


@pytest.mark.parametrize(("password", "answer"), [("secret", "381"), ("guess", "464")])
@pytest.mark.parametrize("roles", [(), WORKERS])
def test_while_a_password_is_being_checked(
    server: Server, data: Path, password: str, answer: str, roles: tuple[str, ...]
) -> None:
    """The broker dies between the question and its answer."""
    with server.irc("eva") as eva:
        before = pids(server)
        (data / "orders").write_text("broker: applied|1")
        eva.send(f"OPER root {password}", "PING behind")
        until(lambda: not (data / "orders").exists())
        kill(server, *roles)
        lines = eva.until("PONG")
        assert commands(lines)[0] == answer
        assert eva.sync() == []
        replaced(server, before, "broker", *roles)
    for file in (data / "data").rglob("*.journal"):
        assert password.encode() not in file.read_bytes()


# Clients that go meanwhile


@pytest.mark.parametrize("how", ["close", "reset", "half"])
def test_who_leaves_while_their_worker_is_dead(server: Server, how: str) -> None:
    """What they said before is heard, and that they left, once."""
    witness, leaver = server.irc("witness"), server.irc("leaver")
    for client in (witness, leaver):
        client.join("#leaving")
    witness.sync()
    before = kill(server, *WORKERS, by=signal.SIGSTOP)
    leaver.send("PRIVMSG #leaving :last words")
    if how == "half":
        leaver.sock.shutdown(socket.SHUT_WR)
    if how == "reset":
        leaver.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    if how != "half":
        leaver.close()
    kill(server, *WORKERS)
    if how == "half":
        assert leaver.rest() == ["ERROR :Closing link: 127.0.0.1 (Connection closed)"]
        leaver.close()
    lines = witness.until("QUIT")
    assert commands(lines) in (["PRIVMSG", "QUIT"], ["QUIT"])
    assert how == "reset" or len(lines) == 2  # a reset throws away what was not read
    assert witness.sync() == []
    witness.close()
    replaced(server, before, *WORKERS)


SAID = 2000  # lines, of 400 bytes: less than the SendQ of 1 MiB, and more than the kernel keeps for two sockets


def backlog(talker: IrcClient, slow: IrcClient) -> list[str]:
    """What somebody who does not read is to be sent; a good part of it is still in the worker."""
    talker.join("#backlog")
    slow.join("#backlog")
    talker.sync()
    texts = [f"{index} {'x' * 400}" for index in range(SAID)]
    for start in range(0, SAID, 200):
        talker.ask(*(f"PRIVMSG #backlog :{text}" for text in texts[start : start + 200]))
    lines = [f":talker!~talker@127.0.0.1 PRIVMSG #backlog :{text}\r\n" for text in texts]
    assert sum(map(len, lines)) - in_the_kernel(slow) > 200_000
    return lines


def in_the_kernel(client: LineClient) -> int:
    """Bytes on their way to this client: sent and not acknowledged, or received and not read (proc_net(5))."""
    ends = [f"{port:04X}" for port in (client.sock.getpeername()[1], client.sock.getsockname()[1])]
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, _, queues, *_ = line.split()
        if [local[-4:], remote[-4:]] == ends:
            unread = array("i", [0])
            fcntl.ioctl(client.sock.fileno(), termios.FIONREAD, unread)
            return int(queues.split(":")[0], 16) + unread[0]
    raise AssertionError("the server has no such connection")


def test_with_a_backlog(server: Server, death: Callable[[], None]) -> None:
    """What the kernel has not taken yet comes from the next worker, to the byte."""
    with server.irc("talker") as talker, server.irc("slow") as slow:
        said = backlog(talker, slow)
        death()
        heard = raw(slow, 300)
        death()
        talker.ask("PRIVMSG #backlog :the end")
        assert heard + raw(slow, SAID - 300) == said
        assert slow.sync() == [":talker!~talker@127.0.0.1 PRIVMSG #backlog :the end"]


def test_of_a_connection_that_is_being_closed(server: Server, death: Callable[[], None]) -> None:
    """It has still a backlog when it says QUIT, and gets it, and the farewell, and the end."""
    with server.irc("talker") as talker, server.irc("slow") as slow:
        said = backlog(talker, slow)
        slow.send("QUIT :bye")
        talker.until("QUIT")
        death()
        assert raw(slow) == [*said, "ERROR :Closing link: 127.0.0.1 (Quit: bye)\r\n"]
    until(lambda: status(server)["acceptor"]["clients"] == 3)


def test_of_a_connection_that_is_closed_but_for_the_clients_part(server: Server) -> None:
    lingering = server.irc("lingering")
    lingering.send("QUIT")
    lingering.rest()
    replaced(server, kill(server, "broker", *WORKERS), "broker", *WORKERS)
    until(lambda: status(server)["acceptor"]["clients"] == 3)  # in 0.5 s, whatever the client does
    lingering.close()


def test_all_these_deaths_have_left_nothing_behind(people: Conversation, server: Server, base: object) -> None:
    people.round()
    until(lambda: status(server)["acceptor"]["clients"] == 3)
    assert until(lambda: steady(lambda: held(server))) == base
    assert "crashed" not in server.log_text(), server.log_text()
