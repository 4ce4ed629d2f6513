"""A worker dies while much is under way: its successor gets all of it, and no client is closed for that backlog."""

from __future__ import annotations

import select
import signal
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from mpchat.settings import Settings
from tests.running import PATIENCE, IrcClient, PlainClient, Server
from tests.system.servers import kill, needs_linux, ready, replaced, status, until, unusual

pytestmark = [needs_linux, pytest.mark.slow]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with unusual("--unlimited", "--workers", "1", "--data", str(tmp_path / "data")) as it:
        yield it


def registered(server: Server, nick: str) -> IrcClient:
    client = server.irc(nick)
    client.join("#lobby")
    return client


def test_what_is_sent_again_does_not_count_as_a_lag(tmp_path: Path) -> None:
    """Else the broker would wait for ever for a worker that is behind nobody."""
    settings = Settings(port=0, plain_port=0, unlimited=True, workers=1, data=str(tmp_path), lag_bytes=1 << 16)
    with unusual(settings=settings) as server:
        ana, beto = registered(server, "ana"), registered(server, "beto")
        ana.sync()
        for round in range(3):
            before = until(lambda: ready(server))
            ana.ask(*(f"PRIVMSG #lobby :{round} {number} {'x' * 400}" for number in range(400)))
            kill(server, "worker0")  # before it has told how far it is with the last of them
            ana.sync()
            replaced(server, before, "worker0")
        heard = [line for line in beto.sync() if " PRIVMSG " in line]
        assert [line.split(" ")[3:5] for line in heard] == [[f":{n // 400}", str(n % 400)] for n in range(1200)]


def test_a_worker_dies_while_another_one_lags(tmp_path: Path) -> None:
    """What it had sent waits with the broker; its successor does not wait for that."""
    settings = Settings(port=0, plain_port=0, unlimited=True, workers=2, data=str(tmp_path), hang_limit=0)
    with unusual(settings=replace(settings, lag_bytes=1 << 19)) as server:
        ana = server.irc("ana", caps="echo-message")
        ana.join("#lobby")
        beto = registered(server, "beto")
        rows = status(server)
        assert [rows[role]["clients"] for role in ("worker0", "worker1")] == [1, 1]
        ana.sync()
        beto.sync()
        before = until(lambda: ready(server))
        kill(server, "worker1", by=signal.SIGSTOP)
        lines = [f"PRIVMSG #lobby :{number} {'x' * 400}" for number in range(2500)]
        ana.send(*lines)
        echoed = [ana.read()]
        while select.select([ana.sock], [], [], 0.3)[0]:
            echoed.append(ana.read())
        assert len(echoed) < len(lines)
        kill(server, "worker0")
        replaced(server, before, "worker0")
        kill(server, "worker1", by=signal.SIGCONT)
        heard = [f":ana!~ana@127.0.0.1 {line}" for line in lines]
        assert echoed + ana.sync() == heard
        assert beto.sync() == heard


# Urgent bytes (telnet's Synch): recv() and the kernel's counts stop in front of them


def urgently(client: PlainClient) -> None:
    client.send_bytes(b"one\n")
    client.sock.send(b"!", socket.MSG_OOB)
    client.send_bytes(b"two\nthree\n")


def texts(witness: IrcClient, count: int) -> list[str]:
    return [witness.read().rpartition(" :")[2] for _ in range(count)]


def test_an_urgent_byte_is_one_of_the_stream(server: Server) -> None:
    carla, witness = server.plain("carla"), registered(server, "witness")
    witness.sync()
    urgently(carla)
    assert texts(witness, 3) == ["one", "!two", "three"]


@pytest.mark.parametrize("after", ["forwarding", "the broker has it"])
def test_an_urgent_byte_in_the_kernel_when_a_worker_dies(server: Server, after: str) -> None:
    carla, witness = server.plain("carla"), registered(server, "witness")
    witness.sync()
    before = until(lambda: ready(server))
    seen = {role: status(server)[role]["records"] for role in ("worker0", "broker")}
    kill(server, "broker", by=signal.SIGSTOP)
    urgently(carla)
    until(lambda: status(server)["worker0"]["records"] > seen["worker0"])
    if after == "forwarding":
        kill(server, "worker0")
    else:
        kill(server, "worker0", by=signal.SIGSTOP)
    kill(server, "broker", by=signal.SIGCONT)
    if after != "forwarding":
        until(lambda: status(server)["broker"]["records"] > seen["broker"])
        kill(server, "worker0")
    assert texts(witness, 3) == ["one", "!two", "three"]
    replaced(server, before, "worker0")
    carla.send("four")
    assert texts(witness, 1) == ["four"]


PASS = "PASS a-long-secret"


def test_a_password_cut_in_two_does_not_close_the_window(tmp_path: Path) -> None:
    """Its beginning stays in the kernel until the line is whole, and may lie in a segment that fills the buffer."""
    settings = Settings(port=0, plain_port=0, unlimited=True, workers=1, data=str(tmp_path))
    with unusual(settings=settings) as server:
        ana = server.irc("ana")
        chance = Random(1)
        words = [
            PASS if chance.random() < 0.3 else f"PRIVMSG ana :{'x' * chance.choice([1, 3, 300, 400])}"
            for _ in range(5000)
        ]
        rest, heard = "\r\n".join([*words, "PING :end", ""]).encode(), b""
        while not heard.endswith(b" :end\r\n"):
            readable, writable, _ = select.select([ana.sock], [ana.sock] if rest else [], [], PATIENCE)
            assert readable or writable, f"{heard.count(b' 381 ')} passwords were answered, and no more"
            if writable:
                rest = rest[ana.sock.send(rest[:60_000], socket.MSG_DONTWAIT) :]
            if readable:
                heard += ana.sock.recv(1 << 16)
        answers = [line.split()[1] for line in heard.decode().splitlines()]
        wanted = ["462" if word == PASS else "PRIVMSG" for word in words]
        assert answers == [*wanted, "PONG"]
