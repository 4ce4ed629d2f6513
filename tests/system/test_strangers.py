"""The table of limits, met by strangers: by addresses that are not exempt. Who behaves, from elsewhere, is not touched.

The file makes 127.0.0.1 alone exempt, so that 127.0.0.2 and 127.0.0.3 are strangers.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.running import IrcClient, Server, command, running
from tests.system.servers import LINUX, kill, ready, replaced, until

pytestmark = pytest.mark.skipif(not LINUX, reason="127.0.0.2 needs no set-up on Linux alone")

STRANGER, OTHER = "127.0.0.2", "127.0.0.3"
LIMITS = {
    "exempt": '["127.0.0.1"]',
    "connections_per_address": 4,
    "new_connections_per_minute": 1000,
    "unregistered_per_address": 2,
    "registration_seconds": 30,
    "burst_lines": 10,
    "lines_per_second": 1000.0,
    "channels_per_client": 2,
    "targets": 2,
    "nick_changes_per_minute": 3,
    "wrong_passwords": 2,
}


def config(folder: Path, **changed: object) -> Path:
    """A file with these limits."""
    path = folder / "mpchat.toml"
    lines = [f"{key} = {value}" for key, value in {**LIMITS, **changed}.items()]
    path.write_text("\n".join(["[server]", 'network = "limites"', "[limits]", *lines, ""]))
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return config(tmp_path)


@pytest.fixture
def server(file: Path) -> Iterator[Server]:
    with running("--config", str(file), "--oper", "root:secret") as it:
        yield it


def answer(client: IrcClient, line: str) -> str:
    """The first line that answers it."""
    client.send(line)
    return client.read()


def is_well(server: Server) -> None:
    """Somebody of another address, who behaves, has all that is to be had."""
    with server.irc("otra", source=OTHER) as other:
        other.join("#lobby")
        assert other.ask("PRIVMSG otra :sigo aquí")[0].endswith(":sigo aquí")
        other.send("QUIT")
        other.rest()


def test_connections_of_one_address(server: Server) -> None:
    for number in range(4):
        server.irc(f"n{number}", source=STRANGER)
    told = "Too many connections from your address"
    assert server.irc(source=STRANGER).rest() == [f"ERROR :Closing link: ({told})"]
    assert server.plain(source=STRANGER).rest() == [f"! {told}"]
    is_well(server)
    for number in range(6):
        server.irc(f"m{number}")  # an exempt address has no such limit


def test_who_has_not_entered_yet(server: Server) -> None:
    told = "Too many connections from your address have not entered yet"
    waiting = [server.irc(source=STRANGER) for _ in range(2)]
    for client in waiting:
        client.ask("NICK half")
    refused = server.irc(source=STRANGER)
    assert refused.rest() == [f"ERROR :Closing link: ({told})"]
    refused.close()
    late = server.plain(source=STRANGER)
    assert late.rest() == [f"! {told}"]
    late.close()
    until(lambda: f"login refused why='{told}' nick='*' address='{STRANGER}'" in server.log_text())
    is_well(server)
    before = until(lambda: ready(server))
    kill(server, "broker")  # another one counts the same
    replaced(server, before, "broker")
    again = server.irc(source=STRANGER)
    assert told in again.rest()[0]
    again.close()
    waiting[0].register("ana")
    with server.irc("beto", source=STRANGER) as beto:
        assert beto.ask() == []


def test_who_takes_too_long_to_enter(tmp_path: Path) -> None:
    with running("--config", str(config(tmp_path, registration_seconds=1))) as server:
        client = server.irc(source=STRANGER)
        assert client.rest() == [f"ERROR :Closing link: {STRANGER} (Registration timed out)"]


def test_new_connections_in_a_minute(tmp_path: Path) -> None:
    with running("--config", str(config(tmp_path, new_connections_per_minute=3))) as server:
        for _ in range(3):
            with server.irc("ana", source=STRANGER) as ana:
                ana.send("QUIT")
                ana.rest()
        told = "Too many new connections from your address, wait a minute"
        assert server.irc(source=STRANGER).rest() == [f"ERROR :Closing link: ({told})"]
        is_well(server)


def test_changes_of_nickname_are_refused_in_words(server: Server) -> None:
    ana, carla, free = server.irc("ana", source=STRANGER), server.plain("carla", source=STRANGER), server.irc("free")
    for number in range(3):
        assert command(answer(ana, f"NICK ana{number}")) == "NICK"
    assert answer(ana, "NICK otra").startswith(":mpchat.local 438 ana2 otra :Nick change too fast, wait ")
    ana.ask("PRIVMSG ana2 :still here")
    for number in range(3):
        carla.send(f"/nick carla{number}")
        carla.expect(f"is now carla{number}")
    carla.send("/nick otra")
    carla.expect("! otra: Nick change too fast, wait ")
    carla.send("/lang es", "/nick otra")
    carla.expect("! otra: cambias de apodo demasiado deprisa, espera ")
    for number in range(30):
        assert command(answer(free, f"NICK free{number}")) == "NICK"
    is_well(server)


def test_rooms_and_targets(server: Server) -> None:
    ana = server.irc("ana", source=STRANGER)
    tokens = " ".join(ana.ask("VERSION"))
    assert "CHANLIMIT=#:2 " in tokens
    ana.join("#uno")
    ana.join("#dos")
    assert command(answer(ana, "JOIN #tres")) == "405"
    assert command(answer(ana, "PRIVMSG a,b,c :hola")) == "407"
    is_well(server)


def test_wrong_passwords_end_the_connection_and_the_address_waits(server: Server) -> None:
    ana = server.irc("ana", source=STRANGER)
    assert command(answer(ana, "OPER root no")) == "464"
    begun = time.monotonic()
    ana.send("OPER root no")
    assert ana.rest()[-1] == f"ERROR :Closing link: {STRANGER} (Too many wrong passwords)"
    assert time.monotonic() - begun > 0.5, "the second one of the address waited"
    beto = server.irc("beto", source=OTHER)
    assert command(answer(beto, "OPER root secret")) == "381", "another address need not wait"


def test_a_flood_is_read_slowly_and_never_closed(tmp_path: Path) -> None:
    with running("--config", str(config(tmp_path, burst_lines=5, lines_per_second=20.0))) as server:
        ana = server.irc("ana", source=STRANGER)
        begun = time.monotonic()
        ana.send(*["PING x"] * 45)
        for _ in range(45):
            ana.until("PONG")
        assert time.monotonic() - begun > 1.5
        is_well(server)


# The file is read again


def reload(server: Server) -> tuple[int, str]:
    done = server.run("reload", "--port", str(server.irc_port))
    return done.returncode, done.stdout + done.stderr


def test_a_reload_changes_the_limits_and_says_what_it_cannot(server: Server, file: Path) -> None:
    ana = server.irc("ana", source=STRANGER)
    config(file.parent, exempt='["127.0.0.2"]', targets=3, max_clients=77, sendq=5000)
    status, said = reload(server)
    assert (status, said.strip()) == (
        0,
        "read again: 0 lines of the day, no password, operators: 1 by OPER, 0 by account;"
        " only the next start can take [limits] max_clients, [limits] sendq",
    )
    assert "takes the next start keys='[limits] max_clients, [limits] sendq'" in server.log_text()
    assert command(answer(ana, "PRIVMSG a,b,c :hola")) == "401"
    for number in range(5):
        server.irc(f"n{number}", source=STRANGER)  # it is exempt now
    clients = [server.irc(f"m{number}", source="127.0.0.1") for number in range(4)]
    assert server.irc(source="127.0.0.1").rest() == ["ERROR :Closing link: (Too many connections from your address)"]
    assert all(client.ask() == [] for client in clients), "who is in stays in"


def test_a_file_that_is_wrong_changes_nothing(server: Server, file: Path) -> None:
    config(file.parent, targets="0")
    status, said = reload(server)
    assert (status, said) == (
        1,
        f"mpchat: nothing was changed: {file}: [limits] targets: a whole number above 0, not '0'\n",
    )
    file.unlink()
    status, said = reload(server)
    assert (status, said) == (1, f"mpchat: nothing was changed: No such file or directory: {file}\n")
    assert command(answer(server.irc("ana", source=STRANGER), "PRIVMSG a,b,c :hola")) == "407"


def test_successors_have_the_limits_that_were_read_last(server: Server, file: Path) -> None:
    config(file.parent, connections_per_address=1)
    assert reload(server)[0] == 0
    server.irc("ana", source=STRANGER)
    before = until(lambda: ready(server))
    kill(server, "acceptor")
    replaced(server, before, "acceptor")
    assert "Too many connections from your address" in server.irc(source=STRANGER).rest()[0]
    is_well(server)
