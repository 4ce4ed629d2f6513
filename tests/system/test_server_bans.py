"""Bans of the whole server over TCP, from addresses of loopback: whom they meet, and what they outlive; and REHASH."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.running import PATIENCE, IrcClient, LineClient, PlainClient, Server, running
from tests.system.servers import kill, needs_linux, ready, replaced, until

pytestmark = [pytest.mark.slow, needs_linux]  # elsewhere loopback has one address

ROLES = ("acceptor", "broker", "worker0")


@pytest.fixture
def options(tmp_path: Path) -> tuple[str, ...]:
    opers, motd = tmp_path / "opers", tmp_path / "motd"
    opers.write_text("root:secreto\n")
    opers.chmod(0o600)
    motd.write_text("uno\n")
    return "--unlimited", "--workers", "1", "--oper-file", str(opers), "--motd", str(motd)


@pytest.fixture
def server(options: tuple[str, ...], tmp_path: Path) -> Iterator[Server]:
    with running(*options, data=tmp_path / "data") as it:
        yield it


def at(address: str, port: int, client: LineClient) -> None:
    """Connect this client again, from another address of loopback."""
    client.sock.close()
    client.sock = socket.create_connection(("127.0.0.1", port), PATIENCE, source_address=(address, 0))
    client._unread = b""


def irc_at(server: Server, address: str, nick: str = "") -> IrcClient:
    client = IrcClient(server.host, server.irc_port)
    at(address, server.irc_port, client)
    if nick:
        client.register(nick)
    return client


def plain_at(server: Server, address: str) -> PlainClient:
    client = PlainClient(server.host, server.plain_port)
    at(address, server.plain_port, client)
    return client


def operator(server: Server, nick: str = "root") -> IrcClient:
    root = server.irc(nick)
    root.send("OPER root secreto")
    root.until("MODE")
    return root


def is_turned_away(server: Server, address: str, why: str = "You are banned from this server: spam") -> bool:
    return irc_at(server, address).rest() == [f":mpchat.local 465 * :{why}", f"ERROR :Closing link: ({why})"]


def test_whom_a_dline_meets_is_told_and_closed_and_others_are_not_touched(server: Server) -> None:
    root, ana = operator(server), irc_at(server, "127.0.0.3", "ana")
    troll, half, carla = (
        irc_at(server, "127.0.0.2", "troll"),
        irc_at(server, "127.0.0.2"),
        plain_at(server, "127.0.0.2"),
    )
    carla.expect("Type your nickname")
    carla.send("carla")
    carla.expect("* in #lobby: ")
    half.sync()
    for client in (ana, troll):
        client.join("#aula")
    assert root.ask("DLINE 127.0.0.2 :spam") == [
        ":mpchat.local NOTICE root :DLINE: 127.0.0.2 is banned without a time limit; 3 connections closed"
    ]
    for client in (troll, half):
        why = "You are banned from this server: spam"
        refused, error = client.rest()[-2:]
        assert re.fullmatch(rf":mpchat.local 465 (troll|\*) :{why}", refused)
        assert error == f"ERROR :Closing link: 127.0.0.2 ({why})"
    assert "You are banned from this server: spam" in carla.rest()[-1]
    assert ana.until("QUIT")[-1] == ":troll!~troll@127.0.0.2 QUIT :Banned: spam"
    assert is_turned_away(server, "127.0.0.2")
    assert plain_at(server, "127.0.0.2").rest() == ["! You are banned from this server: spam"]
    irc_at(server, "127.0.0.3", "beto").join("#aula")
    ana.until("JOIN")
    root.ask("UNDLINE 127.0.0.2")
    irc_at(server, "127.0.0.2", "troll").join("#aula")
    logged = r"info broker \d+ server ban nick='root' address='127\.0\.0\.1' connection=\d+ "
    assert re.search(logged + r"did='DLINE' mask='127\.0\.0\.2' minutes=0 closed=3\n", server.log_text())
    assert re.search(logged + r"did='UNDLINE' mask='127\.0\.0\.2' minutes=0 closed=0\n", server.log_text())
    assert "spam" not in server.log_text()


def test_whom_a_kline_meets_does_not_come_in_again(server: Server) -> None:
    root, troll, ana = operator(server), irc_at(server, "127.0.0.2", "troll"), irc_at(server, "127.0.0.2", "ana")
    (told,) = root.ask("KLINE 7d troll@127.0.0.* :spam")
    until_when = re.search(r"is banned until (.+); 1 connection closed$", told)
    assert until_when, told
    why = f"You are banned from this server until {until_when[1]}: spam"
    assert troll.rest()[-1] == f"ERROR :Closing link: 127.0.0.2 ({why})"
    again = irc_at(server, "127.0.0.3")
    again.send("NICK other", "USER troll 0 * :x")
    assert again.rest() == [f":mpchat.local 465 other :{why}", f"ERROR :Closing link: 127.0.0.3 ({why})"]
    assert ana.sync() == []
    assert ana.ask("KLINE a@0::2 :x") == [":mpchat.local 481 ana :Permission Denied- You're not an IRC operator"]
    assert ana.ask("STATS k") == [":mpchat.local 481 ana :Permission Denied- You're not an IRC operator"]


@pytest.mark.parametrize("role", ROLES)
def test_they_outlive_each_process(server: Server, role: str) -> None:
    root = operator(server)
    root.ask("DLINE 60 127.0.0.2 :spam", "KLINE troll@* :spam")
    before = until(lambda: ready(server))
    kill(server, role)
    replaced(server, before, role)
    assert irc_at(server, "127.0.0.2").rest()[-1].endswith(": spam)")
    troll = irc_at(server, "127.0.0.3")
    troll.send("NICK other", "USER troll 0 * :x")
    assert " 465 other " in troll.rest()[0]
    assert [line.split()[1] for line in root.ask("STATS d", "STATS k")] == ["225", "219", "216", "219"]
    irc_at(server, "127.0.0.3", "ana").join("#aula")
    assert server.log_text().count(" server ban ") == 2, "what is replayed is not logged again"


def test_they_outlive_the_server_and_explain_tells_of_them(options: tuple[str, ...], tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running(*options, "--keep-journal", data=data) as server:
        operator(server).ask("DLINE 127.0.0.2 :spam", "KLINE troll@* :spam", "REHASH")
    with running(*options, "--keep-journal", data=data) as server:
        assert is_turned_away(server, "127.0.0.2")
        root = operator(server)
        assert [line.split()[1] for line in root.ask("STATS d", "STATS k")] == ["225", "219", "216", "219"]
        root.ask("UNDLINE 127.0.0.2")
        irc_at(server, "127.0.0.2", "ana").join("#aula")
        port = str(server.irc_port)
        told = server.run("explain", "--port", port, "--last", "100")
        assert told.returncode == 0, told.stderr
        assert "server ban" in told.stdout
        assert "You are banned from this server: spam" in told.stdout
        assert "rehash" in told.stdout
        assert server.run("events", "--port", port).returncode == 0


def test_rehash_does_what_mpchat_reload_does(server: Server, tmp_path: Path) -> None:
    root = operator(server)
    (tmp_path / "motd").write_text("dos\ntres\n")
    assert root.ask("REHASH", "MOTD")[:4] == [
        ":mpchat.local 382 root mpchat.local :Rehashing: read again: 2 lines of the day, no password,"
        " operators: 1 by OPER, 0 by account",
        ":mpchat.local 375 root :- mpchat.local Message of the day -",
        ":mpchat.local 372 root :- dos",
        ":mpchat.local 372 root :- tres",
    ]
    (tmp_path / "motd").unlink()
    (told,) = root.ask("REHASH")
    assert told.startswith(":mpchat.local NOTICE root :REHASH: nothing was changed: ")
    assert str(tmp_path / "motd") in told
    log = server.log_text()
    assert re.search(r"rehash nick='root' address='127\.0\.0\.1' connection=\d+ done='yes'\n", log)
    assert re.search(r"rehash nick='root' address='127\.0\.0\.1' connection=\d+ done='no'\n", log)


def test_a_file_whose_name_is_no_text_kills_no_broker(tmp_path: Path) -> None:
    opers, motd = tmp_path / "opers", tmp_path / "mo\udcff\r\nKICK #a root\x1b"
    opers.write_text("root:secreto\n")
    opers.chmod(0o600)
    motd.write_text("uno\n")
    with running("--oper-file", str(opers), "--motd", str(motd), data=tmp_path / "data") as server:
        root, before = operator(server), until(lambda: ready(server))
        motd.unlink()
        (told,) = root.ask("REHASH")
        assert told.startswith(":mpchat.local NOTICE root :REHASH: nothing was changed: ")
        assert told.endswith(r"mo\udcff\r\nKICK #a root\x1b")
        assert ready(server) == before


def test_a_rehash_waits_for_a_slow_file_and_outlives_the_broker(server: Server, tmp_path: Path) -> None:
    """Nobody else waits; the broker that asked dies meanwhile, and the next one asks again."""
    root, ana = operator(server), server.irc("ana")
    (tmp_path / "motd").unlink()
    os.mkfifo(tmp_path / "motd")
    root.send("REHASH")
    with open(tmp_path / "motd", "w") as file:  # opened as soon as it is read
        before = until(lambda: ready(server))
        ana.ask("PING x")
        kill(server, "broker")
        (tmp_path / "motd").unlink()
        (tmp_path / "motd").write_text("cuatro\n")
        file.write("tres\n")
    replaced(server, before, "broker")
    assert "read again: 1 lines of the day" in root.expect(" 382 ")
    until(lambda: ":- cuatro" in "".join(ana.ask("MOTD")))


def test_passwords_are_in_no_file_after_it(server: Server, tmp_path: Path) -> None:
    operator(server).ask("REHASH", "DLINE 127.0.0.2 :spam")
    files = [path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file()]
    assert any(b"DLINE 127.0.0.2" in data for data in files)
    assert not [data for data in files if b"secreto" in data]
