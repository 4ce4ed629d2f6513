"""What the log says at its default level: who was made operator, removed or refused, once, and never what was said."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.running import Server, running
from tests.system.servers import kill, ready, replaced, until

pytestmark = pytest.mark.slow

STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d"
SAID = ("palabra-1", "palabra-2", "palabra-3", "palabra-4", "palabra-5", "palabra-6")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    opers = tmp_path / "opers"
    opers.write_text("root:secreto\n")
    opers.chmod(0o600)
    with running("--unlimited", "--oper-file", str(opers), data=tmp_path / "data") as it:
        yield it


def lines(server: Server, event: str) -> list[str]:
    """What stands behind the date, level, role and process of the lines that say this."""
    found = [re.fullmatch(rf"{STAMP} \w+ \w+ \d+ (.*)", line) for line in server.log_text().splitlines()]
    assert all(found), f"a line without its date: {server.log_text()}"
    return [match[1] for match in found if match and match[1].startswith(event)]


def test_what_operators_do_is_logged_once_and_nothing_that_was_said(server: Server) -> None:
    ana, beto, carla = server.irc("ana"), server.irc("beto"), server.plain("carla")
    before = until(lambda: ready(server))
    ana.ask(
        "OPER root palabra-1",
        "OPER palabra-2 palabra-3",
        "OPER root secreto",
        "MODE ana -o-o",
        "OPER root secreto",
        "JOIN #aula",
        "TOPIC #aula :palabra-4",
    )
    beto.ask("JOIN #aula", "PRIVMSG #aula :palabra-5", "AWAY :palabra-5")
    carla.ask("/join #aula", "palabra-5")
    ana.ask("KICK #aula carla :palabra-6", "KICK #aula beto", "KILL beto :palabra-6", "WALLOPS palabra-6")
    number = r"\d+"
    wanted = [
        rf"wrong password kind='oper' name='root' nick='ana' address='127.0.0.1' connection={number}",
        rf"wrong password kind='oper' name='unknown name' nick='ana' address='127.0.0.1' connection={number}",
        rf"operator name='root' nick='ana' address='127.0.0.1' connection={number}",
        rf"operator no more nick='ana' address='127.0.0.1' connection={number}",
        rf"operator name='root' nick='ana' address='127.0.0.1' connection={number}",
        rf"kicked channel='#aula' by='ana' by_address='127.0.0.1' by_connection={number} whom='carla' .*",
        rf"kicked channel='#aula' by='ana' .* whom='beto' address='127.0.0.1' connection={number}",
        rf"killed by='ana' by_address='127.0.0.1' by_connection={number} whom='beto' .*",
        rf"killed by='ana' .* by_connection={number} whom='ana' .*",
    ]
    kill(server, "broker")  # what is replayed is not logged again
    replaced(server, before, "broker")
    ana.send("KILL ana :palabra-6")
    assert ana.rest()
    events = ("wrong password", "operator", "kicked", "killed")
    logged = [line for line in lines(server, "") if line.startswith(events)]
    assert len(logged) == len(wanted), logged
    for line, pattern in zip(logged, wanted, strict=True):
        assert re.fullmatch(pattern, line), line
    assert not [word for word in (*SAID, "secreto") if word in server.log_text()]


SLIPS = (
    *("OPER palabra-1 root", "OPER palabra-1", "OPER :palabra-1 root", "OPERR root palabra-1", "OP root palabra-1"),
    *("QUOTE OPER root palabra-1", "/oper root palabra-1", "/quote oper root palabra-1", "/raw oper root palabra-1"),
    *("AUTHENTICATE palabra-1", "LOGIN palabra-1", ":oper palabra-1 root", "PASSWORD palabra-1"),
)
SLIPS_IN_PLAIN = ("/oper root palabra-1", "/operr root palabra-1", "/quote oper root palabra-1", "/logn palabra-1")


def test_an_operators_password_in_the_wrong_place_is_in_no_file(server: Server, tmp_path: Path) -> None:
    """Also while the line has not ended, and the broker dies."""
    ana, carla = server.irc("ana"), server.plain("carla")
    before = until(lambda: ready(server))
    for line in SLIPS:
        ana.ask(line)
    for line in SLIPS_IN_PLAIN:
        name = line.partition(" ")[0]
        assert carla.ask(line)[0].startswith(f"! there is no {name}")
    assert carla.ask("/login palabra-1") == ["! there is no such account with that password"]
    ana.send_bytes(b"QUOTE OPER root pala")
    carla.ask("hola")
    kill(server, "broker")
    replaced(server, before, "broker")
    ana.ask("bra-1", "OPER root secreto")
    (name, *_) = lines(server, "operator name=")
    assert name.startswith("operator name='root'"), "its name is known"
    assert server.stop() == 0
    files = [path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file()]
    assert any(b"OPER root *" in data for data in files)
    for word in (b"palabra-1", b"secreto", b"pala"):
        assert not [data for data in files if word in data]
    assert "palabra-1" not in server.log_text()


def test_logins_that_are_refused(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("secreto")
    (tmp_path / "password").chmod(0o600)
    with running("--unlimited", "--password-file", str(tmp_path / "password")) as server:
        ana, carla, page = server.irc(), server.plain(), server.irc()
        ana.send("PASS equivocado", "NICK ana", "USER ana 0 * :Ana")
        assert ana.rest()
        carla.send("/pass equivocado")
        carla.expect("that is not the password")
        page.send("GET / HTTP/1.1")
        assert page.rest()
        until(lambda: len(lines(server, "wrong password")) == 2)
        first, second = lines(server, "wrong password")
        assert first.startswith("wrong password kind='password' nick='*' address='127.0.0.1' connection=")
        assert second == "wrong password more_of_them=1"
        until(lambda: len(lines(server, "login refused")) == 2)
        assert len(lines(server, "login refused why='Bad password' nick='ana' address='127.0.0.1' connection=")) == 1
        assert "equivocado" not in server.log_text()


def test_a_storm_of_logins_that_are_refused_is_not_one_of_lines(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("secreto")
    (tmp_path / "password").chmod(0o600)
    with running("--unlimited", "--password-file", str(tmp_path / "password")) as server:
        begun = time.monotonic()
        clients = [server.irc() for _ in range(100)]
        for number, client in enumerate(clients):
            client.send(*[f"PASS equivocado{number}"] * (number % 2), f"NICK n{number}", "USER n 0 * :N")
        for client in clients:
            assert client.rest()

        def counted(event: str) -> int:
            found = [re.search(r"(?:and_unlogged|more_of_them)=(\d+)", line) for line in lines(server, event)]
            return sum(int(match[1]) for match in found if match) + sum(
                "connection=" in line for line in lines(server, event)
            )

        until(lambda: counted("login refused") == 100 and counted("wrong password") == 50)
        most = time.monotonic() - begun + 1
        assert max(len(lines(server, event)) for event in ("login refused", "wrong password")) <= most


def test_clients_that_are_refused() -> None:
    with running("--max-clients", "1") as server:
        server.irc("ana")
        for _ in range(3):
            assert "full" in server.irc().rest()[-1]
        until(lambda: lines(server, "client refused"))
        assert lines(server, "client refused")[0] == "client refused address='127.0.0.1' why='Server is full'"
        until(lambda: len(lines(server, "client refused")) == 2)
        assert lines(server, "client refused")[1] == "client refused more_of_them=2"


def test_that_it_is_ready_is_logged_too() -> None:
    with running() as server:
        where = f"irc='127.0.0.1:{server.irc_port}' plain='127.0.0.1:{server.plain_port}'"
        assert lines(server, "ready") == [f"ready {where}"]
    with running("--log-json", "--plain-port", "none") as server:
        assert server.ready == f"mpchat ready: irc 127.0.0.1:{server.irc_port}, plain none, pid {server.pid}\n"
        (ready_line,) = [json.loads(line) for line in server.log_text().splitlines()]
        assert ready_line.pop("time")
        where = {"irc": f"127.0.0.1:{server.irc_port}", "plain": "none"}
        assert ready_line == {"level": "info", "role": "supervisor", "pid": server.pid, "event": "ready", **where}


def test_of_a_name_the_log_says_on_which_address_it_listens() -> None:
    server = Server("--workers", "1", host="localhost")
    try:
        assert server.ready.startswith(f"mpchat ready: irc localhost:{server.irc_port}, ")
        (line,) = lines(server, "ready")
        assert re.search(r" address='(127\.0\.0\.1|::1)'$", line)
    finally:
        assert server.stop() == 0


@pytest.mark.parametrize(("option", "value"), [("--oper", "root:secreto"), ("--password", "secreto")])
def test_a_password_among_the_arguments_is_warned_of(option: str, value: str) -> None:
    with running(option, value) as server:
        assert lines(server, "arguments are visible") == [
            f"arguments are visible to everybody on this machine option='{option}' instead='{option}-file'"
        ]
        assert "secreto" not in server.log_text()
