"""OPER KILL WALLOPS (RFC 2812 sections 3.1.4, 3.7.1 and 4.7). The tests' server knows an operator root:secret."""

import re
import time
from collections.abc import Iterator

import pytest

from tests.irc.people import ME, by, people
from tests.running import IrcClient, Server, commands


def operator(server: Server, nicks: Iterator[str]) -> IrcClient:
    client = server.irc(next(nicks))
    client.send("OPER root secret")
    client.until("MODE")
    return client


# OPER


def test_oper_is_answered_and_the_mode_told_once(server: Server, nicks: Iterator[str]) -> None:
    ana = server.irc(next(nicks))
    yes = f"{ME} 381 {ana.nick} :You are now an IRC operator"
    assert ana.ask("OPER root secret") == [yes, f"{by(ana)} MODE {ana.nick} +o"]
    assert ana.ask(f"MODE {ana.nick}") == [f"{ME} 221 {ana.nick} +o"]
    assert ana.ask("OPER root secret") == [yes]  # so already: no mode changes


@pytest.mark.parametrize("login", ["root wrong", "root secre", "root secrets", "nobody secret", "secret root"])
def test_a_wrong_name_or_password_makes_no_operator(server: Server, nicks: Iterator[str], login: str) -> None:
    ana = server.irc(next(nicks))
    assert commands(ana.ask(f"OPER {login}")) == ["464"]
    assert ana.ask(f"MODE {ana.nick}") == [f"{ME} 221 {ana.nick} +"]
    assert commands(ana.ask("WALLOPS :hear me")) == ["481"]


def test_oper_says_what_is_wrong(server: Server, nicks: Iterator[str]) -> None:
    ana = server.irc(next(nicks))
    assert ana.ask("OPER root wrong") == [f"{ME} 464 {ana.nick} :Password incorrect"]
    for line in ("OPER", "OPER root"):
        assert ana.ask(line) == [f"{ME} 461 {ana.nick} OPER :Not enough parameters"]


def test_what_follows_oper_waits_for_its_answer(server: Server, nicks: Iterator[str]) -> None:
    ana = server.irc(next(nicks))
    ana.ask(f"MODE {ana.nick} +w")
    assert ana.ask("OPER root wrong", "WALLOPS :too early", "OPER root secret", "WALLOPS :now") == [
        f"{ME} 464 {ana.nick} :Password incorrect",
        f"{ME} 481 {ana.nick} :Permission Denied- You're not an IRC operator",
        f"{ME} 381 {ana.nick} :You are now an IRC operator",
        f"{by(ana)} MODE {ana.nick} +o",
        f"{by(ana)} WALLOPS :now",
    ]


def test_a_server_without_operators_says_so(bare: Server, nicks: Iterator[str]) -> None:
    ana = bare.irc(next(nicks))
    assert ana.ask("OPER root secret") == [f"{ME} 491 {ana.nick} :No operators are configured on this server"]
    assert ana.ask("OPER root") == [f"{ME} 461 {ana.nick} OPER :Not enough parameters"]
    assert ana.ask(f"MODE {ana.nick}") == [f"{ME} 221 {ana.nick} +"]


# KILL


def test_a_kill_closes_the_victim_and_others_see_one_quit(server: Server, channel: str, nicks: Iterator[str]) -> None:
    root = operator(server, nicks)
    beto, carla, dario = people(server, nicks, 3)
    for client in (beto, carla):
        client.ask(f"JOIN {channel}a,{channel}b")
    beto.sync()
    assert root.ask(f"KILL {beto.nick.upper()} :spam is bad") == []
    reason = f"Killed ({root.nick} (spam is bad))"
    assert beto.rest() == [f"ERROR :Closing link: 127.0.0.1 ({reason})"]
    assert carla.sync() == [f"{by(beto)} QUIT :{reason}"]
    assert dario.sync() == []
    assert commands(root.ask(f"WHOIS {beto.nick}")) == ["401", "318"]
    assert root.ask(f"NICK {beto.nick}") == [f"{by(root)} NICK {beto.nick}"]  # the name is free at once


def test_a_kill_that_may_not_be_gets_one_answer(server: Server, nicks: Iterator[str]) -> None:
    root = operator(server, nicks)
    ana, beto = people(server, nicks, 2)
    for victim in (beto, ana, root):
        assert ana.ask(f"KILL {victim.nick} :spam") == [
            f"{ME} 481 {ana.nick} :Permission Denied- You're not an IRC operator"
        ]
    assert root.ask("KILL nobody :spam") == [f"{ME} 401 {root.nick} nobody :No such nick/channel"]
    assert root.ask("KILL") == [f"{ME} 461 {root.nick} KILL :Not enough parameters"]
    assert [client.sync() for client in (root, ana, beto)] == [[], [], []]


def test_a_channels_operator_is_no_operator_of_the_server(server: Server, channel: str, nicks: Iterator[str]) -> None:
    ana, beto = people(server, nicks, 2)
    ana.join(channel)
    assert commands(ana.ask(f"KILL {beto.nick} :mine")) == ["481"]


def test_an_operator_may_kill_themselves(server: Server, channel: str, nicks: Iterator[str]) -> None:
    root, ana = operator(server, nicks), server.irc(next(nicks))
    for client in (root, ana):
        client.join(channel)
    root.send(f"KILL {root.nick} :enough")
    assert root.rest()[-1] == f"ERROR :Closing link: 127.0.0.1 (Killed ({root.nick} (enough)))"
    assert ana.sync() == [f"{by(root)} QUIT :Killed ({root.nick} (enough))"]


def test_who_was_killed_is_not_let_in_for_a_while(server: Server, nicks: Iterator[str]) -> None:
    """From this address, under this nickname; the clients hear why, and one in IRC is sent away."""
    root, beto, other = operator(server, nicks), server.irc(next(nicks)), server.irc(next(nicks))
    root.send(f"KILL {beto.nick} :spam")
    beto.rest()
    reason = rf"{beto.nick.title()} was removed by a server operator: try again in (30|29|2\d) s"
    back = server.irc()
    back.send(f"NICK {beto.nick.title()}", f"USER {beto.nick} 0 * :Beto")
    refused, error = back.rest()
    assert re.fullmatch(rf"{ME} 465 {beto.nick.title()} :{reason}", refused)
    assert re.fullmatch(rf"ERROR :Closing link: 127.0.0.1 \({reason}\)", error)
    plain = server.plain()
    plain.expect("Type your nickname")
    assert re.fullmatch(f"! {reason}", plain.ask(beto.nick.title())[0])
    assert plain.ask(next(nicks))[0].startswith("* you are "), "another nickname is let in"
    assert re.fullmatch(f"! {reason}", plain.ask(f"/nick {beto.nick.title()}")[0])
    (taken,) = other.ask(f"NICK {beto.nick.title()}")
    assert re.fullmatch(rf"{ME} 437 {other.nick} {reason.replace(' ', ' :', 1)}", taken)


# Guessing


@pytest.mark.slow
def test_the_fifth_wrong_password_in_a_row_closes_the_connection(server: Server, nicks: Iterator[str]) -> None:
    ana = server.irc(next(nicks))
    guesses = ["hunter2 x", f"{ana.nick} root", *["root guess"] * 3, "root secret"]
    ana.send(*[f"OPER {guess}" for guess in guesses])
    assert ana.rest() == [
        *[f"{ME} 464 {ana.nick} :Password incorrect"] * 5,
        "ERROR :Closing link: 127.0.0.1 (Too many wrong passwords)",
    ]
    logged = [line for line in server.log_text().splitlines() if "wrong password" in line][-5:]
    for line, name in zip(logged, ["unknown name", "unknown name", "root", "root", "root"], strict=True):
        assert re.search(rf" kind='oper' name='{name}' nick='\S+' address='127.0.0.1' connection=\d+$", line)
    assert "hunter2" not in server.log_text()


@pytest.mark.slow
def test_on_loopback_one_oper_a_second_is_checked_for_all_together(server: Server, nicks: Iterator[str]) -> None:
    """They wait for their turn, on however many connections; nobody else waits."""
    operator(server, nicks)
    began = time.monotonic()
    guessers, beto = people(server, nicks, 3), server.irc(next(nicks))
    for client in guessers:
        client.send("OPER root guess", "PING behind")
    assert beto.ask("PRIVMSG nobody :hola")[0].startswith(f"{ME} 401 ")
    for number, client in enumerate(guessers, 1):
        assert commands(client.until("PONG")) == ["464", "PONG"]
        assert time.monotonic() - began > number - 0.5


def test_passwords_of_the_server_are_counted_by_connection(locked: Server) -> None:
    ana, beto = locked.irc(), locked.plain()
    ana.send(*["PASS guess"] * 4, "PASS open", "NICK ana", "USER ana 0 * :Ana")
    assert ana.rest() == ["ERROR :Closing link: 127.0.0.1 (Too many wrong passwords)"]
    beto.expect("/pass and the password")
    beto.send(*["/pass guess"] * 6, "beto")
    assert beto.rest() == ["! that is not the password"] * 5 + ["* goodbye (Too many wrong passwords)"]
    again = locked.irc()
    again.send(*["PASS guess"] * 4, "PASS :open sesame")
    assert commands(again.register("ana"))[0] == "001"


# In rooms


def test_a_troll_in_the_lobby(server: Server, nicks: Iterator[str]) -> None:
    """It has no operators: a server operator keeps order, is seen by all, and is in the log."""
    root, troll, ana = operator(server, nicks), *people(server, nicks, 2)
    for client in (troll, ana):
        client.join("#lobby")
    try:
        troll.sync()
        assert commands(troll.ask("MODE #lobby +m", "KICK #lobby nobody")) == ["482", "482"]
        ana.sync()
        root.ask(f"MODE #lobby +mb {troll.nick}", f"KICK #lobby {troll.nick} :basta", "MODE #lobby +i")
        notice = f"{ME} NOTICE #lobby :{root.nick} acts as a server operator"
        assert ana.sync() == [
            notice,
            f"{by(root)} MODE #lobby +mb {troll.nick}!*@*",
            notice,
            f"{by(root)} KICK #lobby {troll.nick} :basta",
        ]
        assert commands(troll.ask("JOIN #lobby"))[-1] == "474"
        for did in (f"MODE +m +b {troll.nick}!*@*", f"KICK {troll.nick}"):
            logged = f"info broker .* acts as a server operator nick='{root.nick}' address='127.0.0.1' connection=.*"
            assert re.search(logged + re.escape(f" room='#lobby' did='{did}'"), server.log_text())
        assert "basta" not in server.log_text()
    finally:
        root.ask(f"MODE #lobby -mb {troll.nick}")


def test_a_private_room_is_private_for_server_operators_too(server: Server, channel: str, nicks: Iterator[str]) -> None:
    root, ana = operator(server, nicks), server.irc(next(nicks))
    ana.join(channel)
    ana.ask(f"MODE {channel} +k llave")
    refused = (
        f"{ME} 473 {root.nick} {channel} :A server operator comes into a private channel when a member invites them"
    )
    assert root.ask(f"JOIN {channel} llave") == [refused]
    root.ask(f"MODE {channel} -k llave")
    assert root.ask(f"JOIN {channel}") == [refused]
    ana.ask(f"INVITE {root.nick} {channel}")
    assert commands(root.ask(f"JOIN {channel}"))[-3:] == ["JOIN", "353", "366"]


# WALLOPS


def test_wallops_reaches_those_who_asked_for_it(server: Server, channel: str, nicks: Iterator[str]) -> None:
    root = operator(server, nicks)
    ana, beto, carla = people(server, nicks, 3)
    for client in (root, ana, beto):  # that they share a channel makes no difference
        client.join(channel)
    for client in (root, ana):
        client.sync()
    ana.ask(f"MODE {ana.nick} +w")
    carla.ask(f"MODE {carla.nick} +w")
    assert root.ask("WALLOPS :back in five minutes") == []
    line = f"{by(root)} WALLOPS :back in five minutes"
    assert ana.sync() == [line]
    assert carla.sync() == [line]
    assert beto.sync() == []
    ana.ask(f"MODE {ana.nick} -w")
    root.ask("WALLOPS :and off")
    assert ana.sync() == []


def test_wallops_is_for_operators_and_needs_a_text(server: Server, nicks: Iterator[str]) -> None:
    root, ana, beto = operator(server, nicks), *people(server, nicks, 2)
    beto.ask(f"MODE {beto.nick} +w")
    assert ana.ask("WALLOPS :hear me") == [f"{ME} 481 {ana.nick} :Permission Denied- You're not an IRC operator"]
    assert root.ask("WALLOPS") == [f"{ME} 461 {root.nick} WALLOPS :Not enough parameters"]
    assert beto.sync() == []
