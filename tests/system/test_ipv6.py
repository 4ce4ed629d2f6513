"""Clients over IPv6: any process but the supervisor may die, and they notice as little as others do."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from mpchat.settings import Settings
from tests.running import PATIENCE, Server
from tests.system.servers import Unusual, built, kill, needs_linux, ready, replaced, status, until


def has_ipv6() -> bool:
    """Whether this machine has the address ::1; in many a container IPv6 is switched off."""
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


pytestmark = [needs_linux, pytest.mark.skipif(not has_ipv6(), reason="there is no ::1 here")]


@pytest.fixture(scope="module", params=["::1", "::"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """On IPv6's loopback, or on all addresses there are; with two workers."""
    data = str(tmp_path_factory.mktemp("ipv6") / "data")
    settings = Settings(host=request.param, port=0, plain_port=0, unlimited=True, workers=2, data=data)
    it = Unusual(built(settings), host="::1")
    try:
        yield it
    finally:
        code = it.stop()
    assert code == 0, it.log_text()
    assert "crashed" not in it.log_text()


def test_the_ready_line_can_be_read(server: Server) -> None:
    """An address with colons stands in brackets (RFC 3986, section 3.2.2)."""
    assert server.ready.startswith(("mpchat ready: irc [::1]:", "mpchat ready: irc [::]:"))


def is_empty(server: Server) -> bool:
    """All are at work, and who came for the last test has left: their nicknames are free."""
    return bool(ready(server)) and status(server)["acceptor"]["clients"] == 0


@pytest.mark.parametrize(
    "roles", [("worker0", "worker1"), ("acceptor",), ("broker",), ("recorder",), ("broker", "acceptor")]
)
def test_of_each_kind(server: Server, roles: tuple[str, ...]) -> None:
    """In the middle of a line, and with a newcomer afterwards."""
    until(lambda: is_empty(server))
    with server.irc("ana") as ana, server.irc("beto") as beto, server.plain("carla") as carla:
        for client in (ana, beto):
            client.join("#lobby")
        ana.sync()
        carla.ask()
        ana.send_bytes(b"PRIVMSG #lobby :ho")
        replaced(server, kill(server, *roles), *roles)
        ana.send_bytes(b"la\r\n")
        assert ana.sync() == []
        assert beto.sync() == [":ana!~ana@0::1 PRIVMSG #lobby :hola"]
        assert carla.ask()[0].endswith("<ana> hola")
        assert carla.ask("adios") == []
        assert ana.read() == ":carla!~plain@0::1 PRIVMSG #lobby :adios"
        with server.irc("dora") as dora:
            dora.join("#lobby")
            assert ana.ask("PRIVMSG dora :come in") == [":dora!~dora@0::1 JOIN #lobby"]
            assert dora.sync() == [":ana!~ana@0::1 PRIVMSG dora :come in"]


def test_who_comes_by_ipv4_to_all_addresses(server: Server) -> None:
    """Theirs is an IPv6 socket too (ipv6(7)), with an address such as ::ffff:127.0.0.1, and they have one of IPv4."""
    until(lambda: is_empty(server))
    try:
        client = socket.create_connection(("127.0.0.1", server.irc_port), PATIENCE)
    except ConnectionRefusedError:
        pytest.skip("this server listens on ::1, or this system does not map IPv4")
    with client, server.irc("ana") as ana:
        ana.join("#mixed")
        client.sendall(b"NICK beto\r\nUSER beto 0 * :Beto\r\nJOIN #mixed\r\n")
        assert ana.read() == ":beto!~beto@127.0.0.1 JOIN #mixed"
        ana.ask("MODE #mixed +b *!*@127.0.0.*")
        with socket.create_connection(("127.0.0.1", server.irc_port), PATIENCE) as banned:
            banned.sendall(b"NICK eva\r\nUSER eva 0 * :Eva\r\nJOIN #mixed\r\n")
            told = b""
            while b" 474 eva #mixed " not in told:
                told += banned.recv(65536)
        replaced(server, kill(server, "worker0", "worker1"), "worker0", "worker1")
        assert ana.ask("PRIVMSG beto :hola") == []
        text = b""
        while b":hola\r\n" not in text:
            text += client.recv(65536)
        assert b":ana!~ana@0::1 PRIVMSG beto :hola\r\n" in text
