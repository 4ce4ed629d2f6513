"""WHO WHOIS WHOWAS USERHOST ISON: who is here, and who may know it (RFC 2812 sections 3.6 and 4.8, 4.9)."""

import re
import time
from collections.abc import Iterator

import pytest

from tests.irc.people import ME, people, together
from tests.running import IrcClient, Server, command, commands


def called(server: Server, nick: str, user: str, realname: str) -> IrcClient:
    """Somebody with a name of their own choice."""
    client = server.irc()
    client.send(f"NICK {nick}", f"USER {user} 0 * :{realname}")
    client.until("422")
    client.nick = nick
    return client


def become_operator(client: IrcClient) -> None:
    client.send("OPER root secret")
    client.until("MODE")


# WHO


def who_line(asker: IrcClient, place: str, found: IrcClient, flags: str) -> str:
    nick = found.nick
    return f"{ME} 352 {asker.nick} {place} ~{nick} 127.0.0.1 mpchat.local {nick} {flags} :0 {nick.title()} Realname"


def who_end(asker: IrcClient, mask: str) -> str:
    return f"{ME} 315 {asker.nick} {mask} :End of WHO list"


def test_who_of_a_channel_shows_its_members_with_their_flags(
    server: Server, channel: str, nicks: Iterator[str]
) -> None:
    ana, beto, carla, dario = together(server, nicks, channel, 4)
    become_operator(ana)
    ana.ask(f"MODE {channel} +vv {beto.nick} {carla.nick}", "AWAY :lunch")
    carla.ask("AWAY :lunch")
    stranger = server.irc(next(nicks))
    for asker in (beto, stranger):
        asker.sync()
        assert asker.ask(f"WHO {channel.upper()}") == [
            who_line(asker, channel, ana, "G*@"),
            who_line(asker, channel, beto, "H+"),
            who_line(asker, channel, carla, "G+"),
            who_line(asker, channel, dario, "H"),
            who_end(asker, channel.upper()),
        ]


def test_who_of_a_nick_shows_one_person(server: Server, channel: str, nicks: Iterator[str]) -> None:
    ana, beto = together(server, nicks, channel, 2)
    carla = server.irc(next(nicks))
    assert beto.ask(f"WHO {ana.nick}") == [who_line(beto, channel, ana, "H@"), who_end(beto, ana.nick)]
    assert carla.ask(f"WHO {ana.nick}") == [who_line(carla, "*", ana, "H"), who_end(carla, ana.nick)]
    assert carla.ask(f"WHO {ana.nick.upper()}")[0] == who_line(carla, "*", ana, "H")
    assert carla.ask(f"WHO {carla.nick}") == [who_line(carla, "*", carla, "H"), who_end(carla, carla.nick)]


@pytest.mark.parametrize("mask", ["{0}q*", "*{1}qq", "?{1}q?", "*{2}QQ", "~{0}*qq", "{3} Real*"])
def test_who_of_a_mask_shows_all_whom_it_matches(server: Server, nicks: Iterator[str], mask: str) -> None:
    ana = server.irc(next(nicks))
    nick = next(nicks)
    found = server.irc(nick + "qq")
    mask = mask.format(nick, nick[1:], nick[1:].upper(), found.nick.title())
    asked = mask.split()[0]
    assert ana.ask(f"WHO :{mask}") == [who_line(ana, "*", found, "H"), who_end(ana, asked)]


@pytest.mark.parametrize("mask", ["nobody", "nobody*", "#nowhere"])
def test_who_without_a_match_is_just_the_end(server: Server, nicks: Iterator[str], mask: str) -> None:
    ana = server.irc(next(nicks))
    assert ana.ask(f"WHO {mask}") == [who_end(ana, mask)]


@pytest.mark.parametrize(("ask", "mask"), [("WHO", "*"), ("WHO 0", "0"), ("WHO *", "*")])
def test_who_of_nobody_in_particular_shows_everybody(server: Server, nicks: Iterator[str], ask: str, mask: str) -> None:
    ana, beto = people(server, nicks, 2)
    lines = ana.ask(ask)
    assert who_line(ana, "*", ana, "H") in lines
    assert who_line(ana, "*", beto, "H") in lines
    assert lines[-1] == who_end(ana, mask)


def test_the_invisible_are_hidden_from_masks_unless_a_channel_is_shared(
    server: Server, channel: str, nicks: Iterator[str]
) -> None:
    ana, beto = together(server, nicks, channel, 2)
    carla = server.irc(next(nicks))
    ana.ask(f"MODE {ana.nick} +i")
    mask = f"?{ana.nick[1:]}"
    assert beto.ask(f"WHO {mask}") == [who_line(beto, channel, ana, "H@"), who_end(beto, mask)]
    assert carla.ask(f"WHO {mask}") == [who_end(carla, mask)]
    assert who_line(carla, "*", ana, "H") not in carla.ask("WHO *")
    assert carla.ask(f"WHO {channel}") == [who_line(carla, channel, beto, "H"), who_end(carla, channel)]
    assert carla.ask(f"WHO {ana.nick}") == [who_line(carla, "*", ana, "H"), who_end(carla, ana.nick)]  # known by name
    assert ana.ask(f"WHO {mask}") == [who_line(ana, channel, ana, "H@"), who_end(ana, mask)]
    ana.ask(f"MODE {ana.nick} -i")
    assert carla.ask(f"WHO {mask}") == [who_line(carla, "*", ana, "H"), who_end(carla, mask)]


def test_who_of_a_secret_channel_is_for_its_members(server: Server, channel: str, nicks: Iterator[str]) -> None:
    ana, beto = people(server, nicks, 2)
    ana.ask(f"JOIN {channel}", f"MODE {channel} +s")
    assert ana.ask(f"WHO {channel}") == [who_line(ana, channel, ana, "H@"), who_end(ana, channel)]
    assert beto.ask(f"WHO {channel}") == [who_end(beto, channel)]


def test_who_with_o_shows_operators_of_the_server_only(server: Server, channel: str, nicks: Iterator[str]) -> None:
    ana, beto, _carla = together(server, nicks, channel, 3)
    assert beto.ask(f"WHO {channel} o") == [who_end(beto, channel)]  # a channel's operator is none
    become_operator(beto)
    assert beto.ask(f"WHO {channel} o") == [who_line(beto, channel, beto, "H*"), who_end(beto, channel)]
    assert beto.ask(f"WHO {ana.nick} o") == [who_end(beto, ana.nick)]


# WHOIS


def test_whois_tells_all_in_order(server: Server, channel: str, nicks: Iterator[str]) -> None:
    ana, beto = people(server, nicks, 2)
    ana.ask(f"JOIN {channel}a", f"JOIN {channel}b", "AWAY :at lunch")
    become_operator(ana)
    beto.ask(f"JOIN {channel}c")
    ana.ask(f"JOIN {channel}c")
    beto.ask(f"MODE {channel}c +v {ana.nick}")
    lines = beto.ask(f"WHOIS {ana.nick.upper()}")
    assert commands(lines) == ["311", "319", "312", "313", "317", "301", "318"]
    me, nick = beto.nick, ana.nick
    assert lines[0] == f"{ME} 311 {me} {nick} ~{nick} 127.0.0.1 * :{nick.title()} Realname"
    assert lines[1] == f"{ME} 319 {me} {nick} :@{channel}a @{channel}b +{channel}c"
    assert lines[2] == f"{ME} 312 {me} {nick} mpchat.local :a chat server made of processes"
    assert lines[3] == f"{ME} 313 {me} {nick} :is an IRC operator"
    found = re.fullmatch(rf"{ME} 317 {me} {nick} (\d+) (\d+) :seconds idle, signon time", lines[4])
    assert found is not None
    assert int(found[1]) < 60
    assert abs(int(found[2]) - time.time()) < 60
    assert lines[5] == f"{ME} 301 {me} {nick} :at lunch"
    assert lines[6] == f"{ME} 318 {me} {nick.upper()} :End of /WHOIS list", "as it was asked"


def test_whois_of_somebody_plain_leaves_out_what_is_not(server: Server, nicks: Iterator[str]) -> None:
    ana, beto = people(server, nicks, 2)
    assert commands(beto.ask(f"WHOIS {ana.nick}")) == ["311", "312", "317", "318"]
    assert commands(beto.ask(f"WHOIS mpchat.local {ana.nick}")) == ["311", "312", "317", "318"]
    assert commands(beto.ask(f"WHOIS {ana.nick} {ana.nick}")) == ["311", "312", "317", "318"]
    assert commands(beto.ask(f"WHOIS {beto.nick}")) == ["311", "312", "317", "318"]


def test_whois_shows_a_secret_channel_to_its_members_only(server: Server, channel: str, nicks: Iterator[str]) -> None:
    ana, beto, carla = people(server, nicks, 3)
    ana.ask(f"JOIN {channel}", f"JOIN {channel}-secret", f"MODE {channel}-secret +s")
    carla.join(f"{channel}-secret")

    def seen(asker: IrcClient) -> list[str]:
        return [line.split(" :")[1] for line in asker.ask(f"WHOIS {ana.nick}") if command(line) == "319"]

    assert seen(beto) == [f"@{channel}"]
    assert seen(carla) == [f"@{channel} @{channel}-secret"]
    assert seen(ana) == [f"@{channel} @{channel}-secret"]
    ana.ask(f"PART {channel}")
    assert seen(beto) == []


def test_whois_of_the_invisible_shows_only_shared_channels(server: Server, channel: str, nicks: Iterator[str]) -> None:
    ana, beto, carla = people(server, nicks, 3)
    ana.ask(f"JOIN {channel}a,{channel}b", f"MODE {ana.nick} +i")
    carla.join(f"{channel}b")
    assert commands(beto.ask(f"WHOIS {ana.nick}")) == ["311", "312", "317", "318"]
    assert carla.ask(f"WHOIS {ana.nick}")[1] == f"{ME} 319 {carla.nick} {ana.nick} :@{channel}b"


def test_whois_of_nobody_is_an_error_and_the_end(server: Server, nicks: Iterator[str]) -> None:
    ana, newcomer = server.irc(next(nicks)), server.irc()
    half = next(nicks)
    newcomer.ask(f"NICK {half}")
    for name in ("Nobody", half):  # who has not entered yet is not here
        assert ana.ask(f"WHOIS {name}") == [
            f"{ME} 401 {ana.nick} {name} :No such nick/channel",
            f"{ME} 318 {ana.nick} {name} :End of /WHOIS list",
        ]


@pytest.mark.parametrize("verb", ["WHOIS", "WHOWAS"])
def test_whose_name_was_not_given(server: Server, nicks: Iterator[str], verb: str) -> None:
    ana = server.irc(next(nicks))
    for line in (verb, f"{verb} :"):
        assert ana.ask(line) == [f"{ME} 431 {ana.nick} :No nickname given"]


# WHOWAS


def test_whowas_knows_at_once_who_quit(server: Server, nicks: Iterator[str]) -> None:
    ana, beto = people(server, nicks, 2)
    beto.send("QUIT")
    beto.rest()
    lines = ana.ask(f"WHOWAS {beto.nick.upper()}")
    assert commands(lines) == ["314", "312", "369"]
    me, nick = ana.nick, beto.nick
    assert lines[0] == f"{ME} 314 {me} {nick} ~{nick} 127.0.0.1 * :{nick.title()} Realname"
    assert re.fullmatch(rf"{ME} 312 {me} {nick} mpchat\.local :20\d\d-\d\d-\d\d \d\d:\d\d:\d\d \+0000", lines[1])
    assert lines[2] == f"{ME} 369 {me} {nick.upper()} :End of WHOWAS"


def test_whowas_knows_at_once_who_is_called_otherwise_now(server: Server, nicks: Iterator[str]) -> None:
    ana, beto = people(server, nicks, 2)
    beto.ask(f"NICK {beto.nick}-new")
    assert commands(ana.ask(f"WHOWAS {beto.nick}")) == ["314", "312", "369"]
    assert commands(ana.ask(f"WHOWAS {beto.nick}-new")) == ["406", "369"]


@pytest.mark.parametrize(
    ("count", "shown"),
    [("", ["third", "second", "first"]), (" 1", ["third"]), (" 2", ["third", "second"])]
    + [(f" {count}", ["third", "second", "first"]) for count in ("9", "0", "-1", "x")],
)
def test_whowas_tells_the_newest_first_and_as_many_as_asked(
    server: Server, nicks: Iterator[str], count: str, shown: list[str]
) -> None:
    ana, nick = server.irc(next(nicks)), next(nicks)
    for user in ("first", "second", "third"):
        client = called(server, nick, user, f"The {user}")
        client.send("QUIT")
        client.rest()
    lines = ana.ask(f"WHOWAS {nick}{count}")
    assert [line for line in lines if command(line) == "314"] == [
        f"{ME} 314 {ana.nick} {nick} ~{user} 127.0.0.1 * :The {user}" for user in shown
    ]
    assert commands(lines) == ["314", "312"] * len(shown) + ["369"]


def test_whowas_of_somebody_never_seen_is_an_error_and_the_end(server: Server, nicks: Iterator[str]) -> None:
    ana = server.irc(next(nicks))
    for name in ("nobody", ana.nick):  # who is here has not been here
        assert ana.ask(f"WHOWAS {name}") == [
            f"{ME} 406 {ana.nick} {name} :There was no such nickname",
            f"{ME} 369 {ana.nick} {name} :End of WHOWAS",
        ]


# USERHOST and ISON


def test_userhost_shows_host_away_and_operator(server: Server, nicks: Iterator[str]) -> None:
    ana, beto, carla = people(server, nicks, 3)
    become_operator(beto)
    carla.ask("AWAY :lunch")
    hosts = {client: f"~{client.nick}@127.0.0.1" for client in (ana, beto, carla)}
    asked = f"{ana.nick.upper()} {beto.nick} nobody {carla.nick}"
    shown = f"{ana.nick}=+{hosts[ana]} {beto.nick}*=+{hosts[beto]} {carla.nick}=-{hosts[carla]}"
    assert ana.ask(f"USERHOST {asked}") == [f"{ME} 302 {ana.nick} :{shown}"]
    beto.ask("AWAY :lunch")
    assert ana.ask(f"USERHOST {beto.nick}") == [f"{ME} 302 {ana.nick} :{beto.nick}*=-{hosts[beto]}"]
    assert ana.ask("USERHOST nobody") == [f"{ME} 302 {ana.nick} :"]
    assert ana.ask("USERHOST") == [f"{ME} 461 {ana.nick} USERHOST :Not enough parameters"]


def test_userhost_answers_for_five_at_most(server: Server, nicks: Iterator[str]) -> None:
    clients = people(server, nicks, 6)
    names = " ".join(client.nick for client in clients)
    shown = " ".join(f"{client.nick}=+~{client.nick}@127.0.0.1" for client in clients[:5])
    assert clients[0].ask(f"USERHOST {names}") == [f"{ME} 302 {clients[0].nick} :{shown}"]


@pytest.mark.parametrize("colon", ["", ":"])
def test_ison_tells_who_of_them_is_here(server: Server, nicks: Iterator[str], colon: str) -> None:
    ana, beto = people(server, nicks, 2)
    assert ana.ask(f"ISON {colon}nobody {beto.nick.upper()} {ana.nick}") == [
        f"{ME} 303 {ana.nick} :{beto.nick} {ana.nick}"
    ]
    assert ana.ask("ISON nobody") == [f"{ME} 303 {ana.nick} :"]
    assert ana.ask("ISON") == [f"{ME} 461 {ana.nick} ISON :Not enough parameters"]
    beto.send("QUIT")
    beto.rest()
    assert ana.ask(f"ISON {beto.nick}") == [f"{ME} 303 {ana.nick} :"]


def test_whois_by_way_of_another_server_finds_none(server: Server, nicks: Iterator[str]) -> None:
    ana = server.irc(next(nicks))
    assert ana.ask(f"WHOIS elsewhere.example {ana.nick}") == [
        f":mpchat.local 402 {ana.nick} elsewhere.example :No such server"
    ]
    assert commands(ana.ask(f"WHOIS mpchat.local {ana.nick}"))[0] == "311"
