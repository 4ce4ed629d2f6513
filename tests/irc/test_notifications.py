"""IRCv3 over TCP: what clients are told of the others because they asked for it, and answers that change with what they
asked for (each line of them: tests/core/test_capabilities.py).
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.irc.people import ME, by, member
from tests.running import IrcClient, Server, running
from tests.system.servers import kill, replaced

EVERYTHING = "account-notify account-tag away-notify extended-join invite-notify setname server-time message-tags"
PASSWORD = "correct-horse"


def members(server: Server, nicks: Iterator[str], channel: str, *wishes: str) -> list[IrcClient]:
    """One for each wish, with nothing left to read."""
    people = [member(server, next(nicks), channel, wish) for wish in wishes]
    for client in people:
        client.sync()
    return people


def registered(client: IrcClient) -> list[str]:
    return client.ask(f"REGISTER * * {PASSWORD}")


# CAP


def test_cap_notify_comes_with_302_and_stays(server: Server, nicks: Iterator[str]) -> None:
    ana = server.irc()
    assert "cap-notify" in ana.ask("CAP LS 302")[0].split()
    assert ana.ask("CAP REQ :-cap-notify", "CAP REQ :cap-notify", "CAP LIST") == [
        f"{ME} CAP * NAK :-cap-notify",
        f"{ME} CAP * ACK :cap-notify",
        f"{ME} CAP * LIST :cap-notify",
    ]
    old = server.irc(next(nicks))
    assert old.ask("CAP REQ :cap-notify", "CAP REQ :-cap-notify", "CAP LIST")[1:] == [
        f"{ME} CAP {old.nick} ACK :-cap-notify",
        f"{ME} CAP {old.nick} LIST :",
    ]


def test_what_is_offered_anew_is_told_to_those_who_want_to_know(tmp_path: Path) -> None:
    """A server whose accounts cannot be opened, until they can."""
    (tmp_path / "accounts.db").mkdir()
    with running("--unlimited", data=tmp_path) as server:
        ana, old, deaf = server.irc("ana", caps="server-time"), server.irc("old"), server.irc("deaf")
        assert "sasl" not in deaf.ask("CAP LS")[0]
        old.ask("CAP REQ :cap-notify")
        os.rmdir(tmp_path / "accounts.db")
        line = ana.until("CAP")[-1]
        assert line.endswith(f"{ME} CAP ana NEW :draft/account-registration sasl=PLAIN,SCRAM-SHA-256")
        assert old.until("CAP") == [f"{ME} CAP old NEW :draft/account-registration sasl"]
        assert deaf.sync() == []
        assert ana.ask("CAP REQ :sasl")[0].endswith(f"{ME} CAP ana ACK :sasl")


# NAMES, WHO


def test_names_and_who_as_they_are_asked_for(server: Server, nicks: Iterator[str], channel: str) -> None:
    caps = "multi-prefix userhost-in-names"
    ana, beto = members(server, nicks, channel, caps, "")
    ana.ask(f"MODE {channel} +v {ana.nick}")
    beto.sync()
    whole = f"@+{by(ana)[1:]} {by(beto)[1:]}"
    assert ana.ask(f"NAMES {channel}")[0] == f"{ME} 353 {ana.nick} = {channel} :{whole}"
    assert beto.ask(f"NAMES {channel}")[0] == f"{ME} 353 {beto.nick} = {channel} :@{ana.nick} {beto.nick}"
    assert ana.ask(f"WHO {ana.nick}")[0].split()[8] == "H@+"
    assert beto.ask(f"WHO {ana.nick}")[0].split()[8] == "H@"


def test_whox(server: Server, nicks: Iterator[str], channel: str) -> None:
    ana, beto = members(server, nicks, channel, "", "")
    assert "WHOX" in [word for line in ana.ask("VERSION") for word in line.split()]
    beto.ask("AWAY :a comer")
    registered(beto)
    assert ana.ask(f"WHO {channel} %tuhnfar,152") == [
        f"{ME} 354 {ana.nick} 152 ~{ana.nick} 127.0.0.1 {ana.nick} H@ 0 :{ana.nick.title()} Realname",
        f"{ME} 354 {ana.nick} 152 ~{beto.nick} 127.0.0.1 {beto.nick} G {beto.nick} :{beto.nick.title()} Realname",
        f"{ME} 315 {ana.nick} {channel} :End of WHO list",
    ]


# What others do


def test_away_notify(server: Server, nicks: Iterator[str], channel: str) -> None:
    ana, deaf, beto = members(server, nicks, channel, "away-notify", "", "")
    beto.ask("AWAY :a comer", f"PART {channel}", f"JOIN {channel}", "AWAY")
    assert ana.sync() == [
        f"{by(beto)} AWAY :a comer",
        f"{by(beto)} PART {channel}",
        f"{by(beto)} JOIN {channel}",
        f"{by(beto)} AWAY :a comer",
        f"{by(beto)} AWAY",
    ]
    assert deaf.sync() == [f"{by(beto)} PART {channel}", f"{by(beto)} JOIN {channel}"]


def test_accounts(server: Server, nicks: Iterator[str], channel: str) -> None:
    """extended-join, account-notify and account-tag."""
    ana, tagged, deaf, beto = members(
        server, nicks, channel, "extended-join account-notify", "account-tag", "", "account-notify"
    )
    assert f"{by(beto)} ACCOUNT {beto.nick}" in registered(beto)
    beto.ask(f"PRIVMSG {channel} :hola", f"PART {channel}", f"JOIN {channel}", "NS LOGOUT", f"PRIVMSG {channel} :adiós")
    whole = f"{by(beto)} JOIN {channel} {beto.nick} :{beto.nick.title()} Realname"
    said, left, joined, bye = (
        f"{by(beto)} {what}"
        for what in (f"PRIVMSG {channel} :hola", f"PART {channel}", f"JOIN {channel}", f"PRIVMSG {channel} :adiós")
    )
    assert ana.sync() == [
        *(f"{by(beto)} ACCOUNT {beto.nick}", said, left, whole, f"{by(beto)} ACCOUNT *", bye),
    ]
    assert tagged.sync() == [*(f"@account={beto.nick} {line}" for line in (said, left, joined)), bye]
    assert deaf.sync() == [said, left, joined, bye]


def test_setname(server: Server, nicks: Iterator[str], channel: str) -> None:
    ana, deaf, beto = members(server, nicks, channel, "setname", "", "setname")
    assert beto.ask("SETNAME :Beto el Grande") == [f"{by(beto)} SETNAME :Beto el Grande"]
    assert ana.sync() == [f"{by(beto)} SETNAME :Beto el Grande"]
    assert deaf.sync() == []
    assert deaf.ask("SETNAME :Sorda", f"WHOIS {beto.nick}")[0].endswith(":Beto el Grande")
    assert ana.ask(f"SETNAME :{'x' * 129}")[-1].split()[1:4] == ["FAIL", "SETNAME", "INVALID_REALNAME"]


def test_invite_notify(server: Server, nicks: Iterator[str], channel: str) -> None:
    ana, beto, deaf = members(server, nicks, channel, "invite-notify", "invite-notify", "")
    eva = server.irc(next(nicks))
    assert ana.ask(f"INVITE {eva.nick} {channel}") == [f"{ME} 341 {ana.nick} {eva.nick} {channel}"]
    assert beto.sync() == eva.sync() == [f"{by(ana)} INVITE {eva.nick} {channel}"]
    assert deaf.sync() == []


@pytest.mark.parametrize("role", ["broker", "worker0"])
def test_whoever_dies_they_are_told_what_they_asked_for(
    nicks: Iterator[str], channel: str, role: str, tmp_path: Path
) -> None:
    with running("--unlimited", "--workers", "2", data=tmp_path) as server:
        ana, deaf, beto = members(server, nicks, channel, EVERYTHING, "", "")
        replaced(server, kill(server, role), role)
        beto.ask("AWAY :a comer", "SETNAME :Beto")
        told = [line.split(" ", 1)[1] for line in ana.sync()]
        assert told == [f"{by(beto)} AWAY :a comer", f"{by(beto)} SETNAME :Beto"]
        assert deaf.sync() == []


def test_one_of_each_in_one_room_hears_what_they_asked_for(server: Server, nicks: Iterator[str], channel: str) -> None:
    """So many kinds of clients, on both workers: nobody hears anything twice, or misses it."""
    wishes = ["", *EVERYTHING.split(), EVERYTHING] * 2
    people = members(server, nicks, channel, *wishes)
    eva = server.irc(next(nicks))
    eva.send(f"JOIN {channel}", f"PRIVMSG {channel} :hola", "AWAY :x", "SETNAME :Eva", "QUIT :adiós")
    eva.rest()
    for client, wish in zip(people, wishes, strict=True):
        lines = [line for line in client.sync() if eva.nick in line]
        verbs = [line[line.index(f"{by(eva)} ") :].split()[1] for line in lines]
        details = [verb for verb, name in (("AWAY", "away-notify"), ("SETNAME", "setname")) if name in wish.split()]
        assert verbs == ["JOIN", "PRIVMSG", *details, "QUIT"], wish
