"""Accounts on a running server: made and proved in each way, through deaths and a restart, and no password kept."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import scramp

from tests.running import IrcClient, Server, command, commands, running
from tests.system.servers import kill, needs_linux, pids, ready, replaced, until

PASSWORD, OTHER = "correct-horse-battery", "unwise-donkey-staple"
NICKSERV = ":NickServ!NickServ@mpchat.local NOTICE"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    opers = tmp_path / "opers"
    opers.write_text("account zoe\nroot:not-her-password\n")
    opers.chmod(0o600)
    with running(
        *("--unlimited", "--workers", "2", "--log-level", "debug", "--oper-file", str(opers)), data=tmp_path / "data"
    ) as it:
        yield it


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def entered(server: Server, nick: str, account: str, password: str, mechanism: str = "PLAIN") -> IrcClient:
    """Somebody who logs in before they enter, as clients do it: NICK comes first."""
    client = server.irc()
    client.send("CAP LS 302", f"NICK {nick}", f"USER {nick} 0 * :{nick}", "CAP REQ :sasl", f"AUTHENTICATE {mechanism}")
    client.until("AUTHENTICATE")
    if mechanism == "PLAIN":
        client.send(f"AUTHENTICATE {encoded(f'{chr(0)}{account}{chr(0)}{password}')}")
    else:
        scram = scramp.ScramClient([mechanism], account, password)
        client.send(f"AUTHENTICATE {encoded(scram.get_client_first())}")
        scram.set_server_first(base64.b64decode(client.until("AUTHENTICATE")[-1].split()[1]).decode())
        client.send(f"AUTHENTICATE {encoded(scram.get_client_final())}")
        scram.set_server_final(base64.b64decode(client.until("AUTHENTICATE")[-1].split()[1]).decode())
        client.send("AUTHENTICATE +")
    assert command(client.until("903", "904")[-1]) == "903"
    client.send("CAP END")
    client.nick = client.until("376", "422")[-1].split()[2]
    return client


def registered(server: Server, nick: str, password: str = PASSWORD) -> IrcClient:
    client = server.irc(nick)
    client.send(f"REGISTER * * {password}")
    assert client.until("900", "FAIL")[-1].startswith(f":mpchat.local 900 {nick} ")
    return client


def test_each_way_to_register_and_to_log_in(server: Server) -> None:
    ana = registered(server, "ana")
    ana.send(f"PRIVMSG NickServ :REGISTER {PASSWORD}")
    ana.expect(f"{NICKSERV} ana :you are logged in as ana already")
    beto = server.irc("beto")
    beto.send(f"NS REGISTER {PASSWORD} beto@mail.example")
    beto.expect(f"{NICKSERV} beto :beto is registered and yours")
    eva = server.plain("eva")
    eva.send(f"/register {PASSWORD}")
    eva.expect("* eva is registered and yours")

    carla = server.irc("carla")
    assert commands(carla.ask("NICK ana", "NICK BETO", "NICK Eva")) == ["433"] * 3
    for client in (ana, beto, eva):
        client.close()
    until(lambda: commands(carla.ask("WHOIS ana")) == ["401", "318"])
    for mechanism in ("PLAIN", "SCRAM-SHA-256"):
        again = entered(server, "ana", "ana", PASSWORD, mechanism)
        assert again.nick == "ana", "from its own ghost, too"
        assert ":mpchat.local 330 carla ana ana :is logged in as" in carla.ask("WHOIS ana")
    carla.send(f"PRIVMSG NickServ :IDENTIFY beto {PASSWORD}")
    carla.until("NOTICE")
    assert ":carla!~carla@127.0.0.1 NICK beto" in carla.ask("NICK beto")
    plain = server.plain()
    plain.send("eva")
    plain.expect("! eva is registered: if it is yours, /login eva PASSWORD")
    plain.send(f"/login eva {PASSWORD}")
    plain.expect("* in #lobby: eva")


@pytest.mark.parametrize("account", ["ana", "nobody"])
def test_a_wrong_password_is_one_whether_there_is_the_account_or_not(server: Server, account: str) -> None:
    registered(server, "ana")
    beto = server.irc("beto", caps="sasl")
    beto.send(f"NS IDENTIFY {account} {OTHER}")
    beto.expect(f"{NICKSERV} beto :there is no such account with that password")
    beto.send("AUTHENTICATE PLAIN", f"AUTHENTICATE {encoded(f'{chr(0)}{account}{chr(0)}{OTHER}')}")
    assert beto.until("904")[-1].endswith("SASL authentication failed")
    until(lambda: server.log_text().count("wrong password") == 2)
    assert OTHER not in server.log_text()


def test_a_weak_password_is_refused_in_words(server: Server) -> None:
    ana = server.irc("ana")
    ana.send("REGISTER * * short")
    ana.expect("FAIL REGISTER WEAK_PASSWORD ana :that password is too short: 8 characters at least")


def comes(client: IrcClient, *lines: str) -> bool:
    """Whether the login comes that these lines ask for. On a busy machine that may need another try, as it is told."""
    while True:
        told = client.until("900", "904", "FAIL", "NOTICE")[-1]
        if "nobody can check passwords" not in told:
            return " 900 " in told
        client.send(*lines)


@pytest.mark.parametrize("role", ["authenticator", "broker", "worker0", "worker1", "acceptor"])
def test_a_login_outlives_any_death(server: Server, role: str) -> None:
    """It is asked for while a process dies, and waits for as long as that takes."""
    registered(server, "ana").close()
    clients = [server.irc(f"c{number}", caps="sasl") for number in range(4)]
    by_sasl = "AUTHENTICATE PLAIN", f"AUTHENTICATE {encoded(f'{chr(0)}ana{chr(0)}{PASSWORD}')}"
    by_nickserv = (f"NS IDENTIFY ana {PASSWORD}",)
    before = until(lambda: ready(server))
    for client in clients[:2]:
        client.send(*by_sasl)
    kill(server, role)
    for client in clients[2:]:
        client.send(*by_nickserv)
    replaced(server, before, role)
    assert [comes(client, *by_sasl) for client in clients[:2]] == [True, True]
    assert [comes(client, *by_nickserv) for client in clients[2:]] == [True, True]


@pytest.mark.parametrize("role", ["authenticator", "broker"])
def test_a_registration_outlives_the_death_of_who_answers(server: Server, role: str) -> None:
    before = until(lambda: ready(server))
    client, line = server.irc("ana"), f"REGISTER * * {PASSWORD}"
    client.send(line)
    kill(server, role)
    replaced(server, before, role)
    assert comes(client, line)
    assert entered(server, "ana", "ana", PASSWORD).nick == "ana"


def test_a_restart_gives_the_nickname_the_rights_and_the_office_back(tmp_path: Path) -> None:
    opers = tmp_path / "opers"
    opers.write_text("account zoe\n")
    opers.chmod(0o600)
    words = ("--unlimited", "--workers", "1")
    with running(*words, data=tmp_path / "data") as first:
        zoe = registered(first, "zoe")
        zoe.sync()
        zoe.join("#club")
        zoe.ask("MODE #club +i")
    with running(*words, "--oper-file", str(opers), data=tmp_path / "data") as second:
        stranger = second.irc("beto")
        assert commands(stranger.ask("NICK zoe", "JOIN #club")) == ["433", "473"]
        zoe = entered(second, "zoe", "zoe", PASSWORD)
        assert ":mpchat.local 313 beto zoe :is an IRC operator" in stranger.ask("WHOIS zoe")
        assert ":mpchat.local MODE #club +o zoe" in zoe.join("#club")
        log = second.log_text()
        assert "operator account='zoe'" in log
        assert "logged in" in log
        assert "is not registered" not in log


def test_before_an_operators_account_is_registered_nobody_can_register_it(tmp_path: Path) -> None:
    opers = tmp_path / "opers"
    opers.write_text("account zoe\n")
    opers.chmod(0o600)
    with running("--workers", "1", "--oper-file", str(opers), data=tmp_path / "data") as server:
        stranger = server.irc("zoe")
        told = stranger.ask(f"REGISTER * * {PASSWORD}")
        assert " FAIL REGISTER BAD_ACCOUNT_NAME zoe " in told[-1]
        assert "WARNING" in next(line for line in server.log_text().splitlines() if "is not registered" in line).upper()


def notices(client: IrcClient, *wanted: str) -> None:
    """The next of NickServ's, which must be these."""
    assert [client.until("NOTICE")[-1].partition(" :")[2] for _ in wanted] == list(wanted)


def test_an_owner_changes_the_password_in_each_way(server: Server) -> None:
    """Who is logged in stays so, in the other dialect too; the former password opens nothing any more."""
    ana, eva = registered(server, "ana"), server.plain("eva")
    eva.send(f"/register {PASSWORD}")
    eva.expect("* eva is registered and yours")
    ana.send(f"NS SET PASSWORD {OTHER}")
    ana.expect(f"{NICKSERV} ana :the password of ana is another one from now on")
    eva.send(f"/password {OTHER}")
    eva.expect("* the password of eva is another one from now on")
    assert ":mpchat.local 330 ana eva eva :is logged in as" in ana.ask("WHOIS eva")
    for account in ("ana", "eva"):
        stranger = server.irc(f"{account}2")
        stranger.send(f"NS IDENTIFY {account} {PASSWORD}")
        stranger.expect(f"{NICKSERV} {account}2 :there is no such account with that password")
        assert entered(server, f"{account}3", account, OTHER, "SCRAM-SHA-256")


def test_an_owner_drops_the_account_in_each_way(server: Server) -> None:
    ana, eva = registered(server, "ana"), server.plain("eva")
    eva.send(f"/register {PASSWORD}")
    eva.expect("* eva is registered and yours")
    also = entered(server, "ana2", "ana", PASSWORD)
    gone = "there is no account ana any more: you are logged out"
    ana.send(f"NS DROP ana {OTHER}", f"NS DROP ana {PASSWORD}")
    notices(
        ana, "there is no such account with that password", gone, "ana is dropped: anybody can register that nickname"
    )
    notices(also, gone)
    eva.send(f"/drop {PASSWORD}")
    eva.expect("! there is no account eva any more: you are logged out")
    eva.expect("eva is dropped: anybody can register that nickname")
    ana.send("QUIT")
    ana.rest()
    assert " NICK ana" in also.ask("NICK ana")[0]
    also.send(f"REGISTER * * {OTHER}")
    assert also.until("900", "FAIL")[-1].startswith(":mpchat.local 900 ana ")


def test_a_server_operator_drops_an_account_and_the_log_says_so(server: Server) -> None:
    ana, root = registered(server, "ana"), server.irc("root")
    root.send("OPER root not-her-password")
    root.until("381")
    root.send("NS DROP ana")
    notices(root, "ana is dropped: anybody can register that nickname")
    notices(ana, "there is no account ana any more: you are logged out")
    until(lambda: "acts as a server operator nick='root'" in server.log_text())
    said = next(line for line in server.log_text().splitlines() if "acts as a server operator" in line)
    assert "did='DROP' account='ana'" in said


@pytest.mark.parametrize("role", ["authenticator", "broker", "worker0", "acceptor"])
def test_another_password_and_the_end_of_an_account_outlive_any_death(server: Server, role: str) -> None:
    """Each is asked for while a process dies, and happens once: whoever asked is told, and a restart has it too."""
    ana, beto = registered(server, "ana"), registered(server, "beto")
    before = until(lambda: ready(server))
    ana.send(f"NS SET PASSWORD {OTHER}")
    beto.send(f"NS DROP beto {PASSWORD}")
    kill(server, role)
    replaced(server, before, role)
    for client, line, done in (
        (ana, f"NS SET PASSWORD {OTHER}", "is another one"),
        (beto, f"NS DROP beto {PASSWORD}", "is dropped"),
    ):
        while done not in (told := client.until("NOTICE")[-1]):
            if "no account beto any more" in told and role == "broker":
                break  # the answer died with the broker, but not what it was about
            if "nobody can check passwords" in told:
                client.send(line)
    assert entered(server, "ana2", "ana", OTHER)
    stranger = server.irc("stranger")
    stranger.send(f"NS IDENTIFY beto {PASSWORD}")
    stranger.expect(f"{NICKSERV} stranger :there is no such account with that password")


@needs_linux
def test_no_password_is_in_any_file_log_or_command_line(tmp_path: Path, server: Server) -> None:
    """Nor those of lines that came in pieces, with a broker's death between them."""
    registered(server, "ana")
    beto, eva = server.irc("beto"), server.plain("eva")
    beto.send(f"NS IDENTIFY ana {OTHER}", f"REGISTER beto * :{OTHER}")
    beto.until("900")
    eva.send(f"/register {PASSWORD}", f"/login {OTHER}", f"/login eva {PASSWORD}")
    eva.expect("* you are logged in as eva")
    entered(server, "x", "ana", PASSWORD)
    eva.send(f"/password {OTHER}", f"/password {OTHER} {PASSWORD}", f"/drop {PASSWORD}")
    eva.expect("! there is no such account with that password")
    eva.send(f"/drop {OTHER}")
    eva.expect("eva is dropped")
    beto.send(f"NS SET PASSWORD {PASSWORD} {OTHER}", f"NS SET {OTHER}", f"NS DROP {OTHER}", f"NS DROP beto {PASSWORD}")
    beto.send(f"NS SET PASSWORD {PASSWORD}", f"NS DROP beto {PASSWORD}")
    while "beto is dropped" not in beto.until("NOTICE")[-1]:
        pass
    half, before = server.irc("half"), until(lambda: ready(server))
    half.send_bytes(f"NS IDENTIFY ana {PASSWORD[:9]}".encode())
    beto.sync()
    kill(server, "broker")
    replaced(server, before, "broker")
    half.send(PASSWORD[9:])
    assert comes(half, f"NS IDENTIFY ana {PASSWORD}")

    shown = [path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file()]
    shown += [Path(f"/proc/{pid}/{name}").read_bytes() for pid in pids(server).values() for name in ("cmdline", "comm")]
    shown += [os.fsencode(server.log_text())]
    whole = b"\n".join(shown)
    assert b"beto" in whole
    for password in (PASSWORD, OTHER):
        for form in (password, encoded(f"\0ana\0{password}")):
            assert form.encode() not in whole
