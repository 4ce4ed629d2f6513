"""Answers that are longer than a client may lag behind: all of it arrives, once, whichever process dies meanwhile."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mpchat.settings import ChatSettings, Oper, Secrets, Settings
from tests.running import PATIENCE, IrcClient, LineClient, PlainClient, Server
from tests.system.servers import kill, needs_linux, ready, replaced, until, unusual

pytestmark = pytest.mark.slow

ROOMS = 1000
TOPIC = "tema" * 95
NAMES = [f"#room{number}" for number in range(ROOMS)]

# All that a piece of an answer goes through, from the word that the last one is out to the next one in the kernel.
STEPS = [
    "worker: forwarded",
    "broker: received",
    "broker: journaled",
    "broker: applied",
    "broker: delivered to some",
    "broker: delivered",
    "worker: applied",
    "worker: sent to some",
    "worker: sent to all",
]


@pytest.fixture
def orders(tmp_path: Path) -> Path:
    return tmp_path / "orders"


@pytest.fixture
def server(tmp_path: Path, orders: Path) -> Iterator[Server]:
    """With so many rooms that their list is much longer than what a client may be behind, and what the kernel holds."""
    settings = Settings(
        port=0, plain_port=0, unlimited=True, workers=1, data=str(tmp_path / "data"),
        sendq_bytes=1 << 16, send_buffer_bytes=1 << 14,
        chat=ChatSettings(channels_per_client=ROOMS + 1, answer_bytes=1 << 14, opers_exist=True),
    )  # fmt: skip
    secrets = Secrets(opers=(Oper("root", "secret"),))
    with unusual(settings=settings, secrets=secrets, environment={"MPCHAT_CRASH": str(orders)}) as it:
        host = it.irc("host")
        for start in range(0, ROOMS, 50):
            host.ask(
                *[line for name in NAMES[start : start + 50] for line in (f"JOIN {name}", f"TOPIC {name} :{TOPIC}")]
            )
        yield it


def again(client: LineClient) -> None:
    client.send(*(["/rooms", "/behind"] if isinstance(client, PlainClient) else ["LIST", "PING behind"]))


def narrow(client: LineClient) -> None:
    """What it has not read waits in the server, and not in its own kernel."""
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 15)


def irc(server: Server) -> IrcClient:
    client = server.irc("ana")
    narrow(client)
    again(client)
    return client


def plain(server: Server) -> PlainClient:
    client = server.plain("ana")
    narrow(client)
    again(client)
    return client


def listed(lines: list[str], is_plain: bool) -> list[str]:
    if is_plain:
        assert lines[-1].startswith("! there is no /behind")
        return [line.split(" ")[1] for line in lines[:-1]]
    assert lines[-2:] == [":mpchat.local 323 ana :End of /LIST", ":mpchat.local PONG mpchat.local :behind"]
    assert all(line.endswith(TOPIC) for line in lines[:-2] if "#lobby" not in line)
    return [line.split(" ")[3] for line in lines[:-2]]


def read_all(client: LineClient, lines: list[str]) -> list[str]:
    while not lines or "behind" not in lines[-1]:
        lines.append(client.read())
    return lines


@pytest.mark.parametrize("ask", [irc, plain])
def test_it_is_no_lag(server: Server, ask: Callable[[Server], LineClient]) -> None:
    """Nor is it one afterwards."""
    client = ask(server)
    for _ in range(2):
        assert [name for name in listed(read_all(client, []), ask is plain) if name != "#lobby"] == NAMES
        again(client)


@needs_linux
@pytest.mark.parametrize("roles", [["worker0"], ["broker"], ["worker0", "broker"], ["acceptor", "broker"]])
@pytest.mark.parametrize("ask", [irc, plain])
def test_whoever_dies_in_the_middle(server: Server, ask: Callable[[Server], LineClient], roles: list[str]) -> None:
    client = ask(server)
    lines: list[str] = []
    for _ in range(3):
        lines += [client.read() for _ in range(150)]
        before = until(lambda: ready(server))
        kill(server, *roles)
        replaced(server, before, *roles)

    assert [name for name in listed(read_all(client, lines), ask is plain) if name != "#lobby"] == NAMES


@needs_linux
def test_a_password_behind_it_outlives_the_broker(server: Server) -> None:
    """It is nowhere but in the kernel: the line is forwarded again."""
    client = server.irc("ana")
    narrow(client)
    client.send("LIST", "OPER root secret", "PING behind")
    lines = [client.read() for _ in range(100)]
    before = until(lambda: ready(server))
    kill(server, "broker")
    replaced(server, before, "broker")
    read_all(client, lines)

    assert [sum(f" {numeric} ana " in line for line in lines) for numeric in ("323", "381", "464")] == [1, 1, 0]


@needs_linux
def test_it_is_one_answer_under_its_label_whoever_dies(server: Server) -> None:
    """And so is what is asked behind it, whose label is nowhere but in the kernel."""
    client = server.irc("ana", caps="labeled-response batch")
    narrow(client)
    client.send("@label=1 LIST", "@label=2 OPER root secret", "PING behind")
    lines: list[str] = []
    for roles in (["broker"], ["worker0", "broker"]):
        lines += [client.read() for _ in range(150)]
        before = until(lambda: ready(server))
        kill(server, *roles)
        replaced(server, before, *roles)
    read_all(client, lines)

    end = lines.index(":mpchat.local BATCH -label")
    assert lines[0] == "@label=1 :mpchat.local BATCH +label labeled-response"
    assert all(line.startswith("@batch=label :mpchat.local 32") for line in lines[1:end])
    assert [line.split(" ")[4] for line in lines[1 : end - 1] if "#lobby" not in line] == NAMES
    assert [line.split(" ")[0] for line in lines[end + 1 : -1]] == ["@label=2", *["@batch=label"] * 2, ":mpchat.local"]


@needs_linux
def test_killed_exactly_there(server: Server, orders: Path) -> None:
    for step in STEPS:
        with irc(server) as client:
            lines: list[str] = []
            before = until(lambda: ready(server))
            orders.write_text(f"{step}|1")
            while orders.exists() and len(lines) < ROOMS:
                lines.append(client.read())
            assert not orders.exists(), f"nobody comes to {step}"
            role, _, _ = step.partition(":")
            replaced(server, before, "worker0" if role == "worker" else role)
            assert [name for name in listed(read_all(client, lines), False) if name != "#lobby"] == NAMES, step
            client.send("QUIT")
            client.rest()


def test_who_ends_their_input_reads_to_the_end(server: Server) -> None:
    """printf 'LIST\\r\\nPRIVMSG...' | nc: what is behind the list is said, and the list is whole."""
    beto = server.irc("beto")
    beto.join("#room7")
    client = irc(server)
    client.send("JOIN #room7", "PRIVMSG #room7 :adiós")
    client.sock.shutdown(socket.SHUT_WR)
    lines = client.rest()

    assert sum(" 322 " in line for line in lines) >= ROOMS
    assert sum(" 323 " in line for line in lines) == 1
    assert "Connection closed" in lines[-1]
    assert any(line.endswith("PRIVMSG #room7 :adiós") for line in beto.until("QUIT"))


def test_a_long_motd_keeps_nobody_out() -> None:
    """It is four times what a client may be behind."""
    chat = ChatSettings(motd=tuple(f"line {number} {'x' * 60}" for number in range(1000)), answer_bytes=10_000)
    settings = Settings(port=0, plain_port=0, unlimited=True, chat=chat, sendq_bytes=20_000, send_buffer_bytes=8192)
    with unusual(settings=settings) as server:
        ana, beto = IrcClient(server.host, server.irc_port), PlainClient(server.host, server.plain_port)
        for client in (ana, beto):
            narrow(client)
        ana.send("NICK ana", "USER ana 0 * :Ana", "JOIN #a")
        lines = ana.until("366")
        assert sum(" 372 " in line for line in lines) == 1000
        beto.send("beto")
        assert beto.expect("Type your nickname")
        assert beto.expect("* in #lobby: beto")


def test_ten_lists_at_once_are_read_one_after_the_other(server: Server) -> None:
    ana = server.irc("ana")
    narrow(ana)
    ana.sock.settimeout(PATIENCE)
    for _ in range(10):
        ana.send("LIST", "WHO *", "NAMES #room1")
    lines = ana.sync()
    assert sum(" 322 " in line for line in lines) == 10 * ROOMS
    assert [sum(f" {end} " in line for line in lines) for end in ("323", "315", "366")] == [10, 10, 10]
    with contextlib.suppress(OSError):
        ana.close()
