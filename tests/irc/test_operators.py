"""OPER KILL WALLOPS (RFC 2812 sections 3.1.4, 3.7.1 and 4.7). The tests' server knows an operator root:secret."""

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
