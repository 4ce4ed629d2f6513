"""PRIVMSG NOTICE AWAY: who hears what, and what is answered (RFC 2812 sections 3.3 and 4.1)."""

from collections.abc import Iterator

import pytest

from tests.irc.people import ME, by, people, together
from tests.running import Server, commands

# Delivery


@pytest.mark.parametrize("verb", ["PRIVMSG", "NOTICE"])
def test_a_message_to_a_channel_reaches_its_other_members_once(
    server: Server, channel: str, nicks: Iterator[str], verb: str
) -> None:
    ana, beto, carla = together(server, nicks, channel, 3)
    stranger = server.irc(next(nicks))
    assert ana.ask(f"{verb} {channel} :hello there: everybody ") == []  # no echo to who has not asked for one
    line = f"{by(ana)} {verb} {channel} :hello there: everybody "
    assert beto.sync() == [line]
    assert carla.sync() == [line]
    assert stranger.sync() == []


@pytest.mark.parametrize("verb", ["PRIVMSG", "NOTICE"])
def test_a_message_to_a_person_reaches_only_them(server: Server, nicks: Iterator[str], verb: str) -> None:
    ana, beto, carla = people(server, nicks, 3)
    assert ana.ask(f"{verb} {beto.nick.upper()} word") == []
    assert beto.sync() == [f"{by(ana)} {verb} {beto.nick} :word"]
    assert carla.sync() == []


def test_people_who_share_several_channels_get_each_message_once(
    server: Server, channel: str, nicks: Iterator[str]
) -> None:
    ana, beto = people(server, nicks, 2)
    for client in (ana, beto):
        client.ask(f"JOIN {channel}a,{channel}b,{channel}c")
    ana.sync()
    ana.ask(f"PRIVMSG {channel}b :hi", f"NICK {ana.nick}-new")
    assert beto.sync() == [f"{by(ana)} PRIVMSG {channel}b :hi", f"{by(ana)} NICK {ana.nick}-new"]
    ana.send("QUIT :bye")
    ana.rest()
    assert beto.sync() == [f":{ana.nick}-new!~{ana.nick}@127.0.0.1 QUIT :Quit: bye"]


def test_a_message_to_oneself_arrives_once(server: Server, nicks: Iterator[str]) -> None:
    ana = server.irc(next(nicks))
    assert ana.ask(f"PRIVMSG {ana.nick} :remember the milk") == [f"{by(ana)} PRIVMSG {ana.nick} :remember the milk"]


@pytest.mark.parametrize(
    "text", ["\x01ACTION waves\x01", "\x01VERSION\x01", "\x02bold\x02 \x0304red\x03", ":)", "ñ€😀"]
)
def test_texts_arrive_as_they_were_sent(server: Server, channel: str, nicks: Iterator[str], text: str) -> None:
    ana, beto = together(server, nicks, channel, 2)
    ana.ask(f"PRIVMSG {channel} :{text}", f"PRIVMSG {beto.nick} :{text}")
    assert beto.sync() == [f"{by(ana)} PRIVMSG {channel} :{text}", f"{by(ana)} PRIVMSG {beto.nick} :{text}"]


def test_ones_lines_keep_their_order(server: Server, channel: str, nicks: Iterator[str]) -> None:
    ana, beto, carla = together(server, nicks, channel, 3)
    numbers = range(300)
    ana.send(*(f"PRIVMSG {beto.nick if number % 3 == 0 else channel} :{number}" for number in numbers))
    ana.sync()
    assert [int(line.split(":")[-1]) for line in beto.sync()] == list(numbers)
    assert [int(line.split(":")[-1]) for line in carla.sync()] == [number for number in numbers if number % 3]


def test_all_members_see_one_order(server: Server, channel: str, nicks: Iterator[str]) -> None:
    ana, beto, carla, dario = together(server, nicks, channel, 4)
    for number in range(30):
        ana.send(f"PRIVMSG {channel} :a{number}")
        beto.send(f"PRIVMSG {channel} :b{number}")
    for client in (ana, beto):
        client.sync()
    lines = carla.sync()
    assert len(lines) == 60
    assert dario.sync() == lines


# Several receivers


@pytest.mark.parametrize("verb", ["PRIVMSG", "NOTICE"])
def test_each_of_several_receivers_gets_it_once(server: Server, channel: str, nicks: Iterator[str], verb: str) -> None:
    ana, beto = together(server, nicks, channel, 2)
    carla = server.irc(next(nicks))
    assert ana.ask(f"{verb} {carla.nick},{channel},{carla.nick},{carla.nick.upper()},{channel.upper()} :hi") == []
    assert carla.sync() == [f"{by(ana)} {verb} {carla.nick} :hi"]
    assert beto.sync() == [f"{by(ana)} {verb} {channel} :hi"]


def test_who_shares_both_channels_of_a_list_gets_both_messages(
    server: Server, channel: str, nicks: Iterator[str]
) -> None:
    ana, beto = people(server, nicks, 2)
    for client in (ana, beto):
        client.ask(f"JOIN {channel}a,{channel}b")
    ana.ask(f"PRIVMSG {channel}a,{channel}b :hi")
    assert beto.sync() == [f"{by(ana)} PRIVMSG {channel}{letter} :hi" for letter in "ab"]


def test_each_receiver_of_a_list_fails_by_itself(server: Server, channel: str, nicks: Iterator[str]) -> None:
    ana, beto = people(server, nicks, 2)
    assert ana.ask(f"PRIVMSG nobody,{beto.nick},{channel} :hi") == [
        f"{ME} 401 {ana.nick} nobody :No such nick/channel",
        f"{ME} 403 {ana.nick} {channel} :No such channel",
    ]
    assert beto.sync() == [f"{by(ana)} PRIVMSG {beto.nick} :hi"]


def test_too_many_receivers_are_refused_as_announced(server: Server, nicks: Iterator[str]) -> None:
    ana, *others = people(server, nicks, 6)
    assert "PRIVMSG:4" in " ".join(server.irc().register(next(nicks)))
    four, five = (",".join(other.nick for other in others[:number]) for number in (4, 5))
    assert ana.ask(f"PRIVMSG {five} :hi") == [f"{ME} 407 {ana.nick} {others[4].nick} :Too many recipients"]
    assert [other.sync() for other in others] == [[]] * 5
    assert ana.ask(f"PRIVMSG {four} :hi") == []
    assert [commands(other.sync()) for other in others] == [["PRIVMSG"]] * 4 + [[]]


# What cannot be sent


@pytest.mark.parametrize(
    ("params", "answer"),
    [
        ("nobody :hi", "401 {me} nobody :No such nick/channel"),
        ("#nowhere :hi", "403 {me} #nowhere :No such channel"),
        ("", "411 {me} :No recipient given (PRIVMSG)"),
        ("{friend}", "412 {me} :No text to send"),
        ("{friend} :", "412 {me} :No text to send"),
        ("{friend},{me} :", "412 {me} :No text to send"),
        ("#nowhere :", "412 {me} :No text to send"),
    ],
)
def test_what_cannot_be_sent_gets_one_answer_but_a_notice_none(
    server: Server, nicks: Iterator[str], params: str, answer: str
) -> None:
    ana, beto = people(server, nicks, 2)
    params = params.format(me=ana.nick, friend=beto.nick)
    assert ana.ask(f"PRIVMSG {params}".rstrip()) == [f"{ME} " + answer.format(me=ana.nick)]
    assert ana.ask(f"NOTICE {params}".rstrip()) == []
    assert beto.sync() == []


def test_a_notice_to_too_many_is_not_answered_either(server: Server, nicks: Iterator[str]) -> None:
    ana = server.irc(next(nicks))
    assert ana.ask("NOTICE a,b,c,d,e,f,g :hi", f"NOTICE {ana.nick}-none,#nowhere :hi") == []


def test_nobody_hears_a_half_registered_client_nor_is_one_heard(server: Server, nicks: Iterator[str]) -> None:
    ana, newcomer = server.irc(next(nicks)), server.irc()
    nick = next(nicks)
    assert newcomer.ask(f"NICK {nick}", f"PRIVMSG {ana.nick} :hi") == [f"{ME} 451 {nick} :You have not registered"]
    assert ana.ask(f"PRIVMSG {nick} :hi") == [f"{ME} 401 {ana.nick} {nick} :No such nick/channel"]
    assert newcomer.sync() == []


# Who may speak in a channel


@pytest.mark.parametrize(
    ("modes", "who", "heard"),
    [
        ("", "stranger", False),
        ("-n", "stranger", True),
        ("+n", "stranger", False),
        ("+n", "member", True),
        ("+m-n", "stranger", False),
        ("+m", "member", False),
        ("+m", "voiced", True),
        ("+m", "op", True),
        ("-n+b *!*@*", "stranger", False),
        ("+b *!*@*", "member", False),
        ("+b *!*@*", "voiced", True),
        ("+b *!*@*", "op", True),
        ("+mb *!*@*", "voiced", True),
        ("+b other!*@*", "member", True),
    ],
)
def test_who_may_speak_where(
    server: Server, channel: str, nicks: Iterator[str], modes: str, who: str, heard: bool
) -> None:
    op, voiced, member = together(server, nicks, channel, 3)
    clients = {"op": op, "voiced": voiced, "member": member, "stranger": server.irc(next(nicks))}
    op.ask(f"MODE {channel} +v {voiced.nick}", f"MODE {channel} {modes}")
    listener = member if who == "op" else op
    for client in (voiced, member):
        client.sync()
    speaker = clients[who]
    refusal = [] if heard else [f"{ME} 404 {speaker.nick} {channel} :Cannot send to channel"]
    assert speaker.ask(f"PRIVMSG {channel} :may I?") == refusal
    assert speaker.ask(f"NOTICE {channel} :may I?") == []
    said = [f"{by(speaker)} {verb} {channel} :may I?" for verb in ("PRIVMSG", "NOTICE")]
    assert listener.sync() == (said if heard else [])


def test_voice_is_lost_with_the_right(server: Server, channel: str, nicks: Iterator[str]) -> None:
    ana, beto = together(server, nicks, channel, 2)
    ana.ask(f"MODE {channel} +mv {beto.nick}", f"MODE {channel} -v {beto.nick}")
    beto.sync()
    assert commands(beto.ask(f"PRIVMSG {channel} :hi")) == ["404"]


# AWAY


def test_away_is_told_to_who_writes_and_who_asks(server: Server, nicks: Iterator[str]) -> None:
    ana, beto = people(server, nicks, 2)
    assert ana.ask("AWAY :at lunch") == [f"{ME} 306 {ana.nick} :You have been marked as being away"]
    away = f"{ME} 301 {beto.nick} {ana.nick} :at lunch"
    assert beto.ask(f"PRIVMSG {ana.nick} :hungry?") == [away]
    assert ana.sync() == [f"{by(beto)} PRIVMSG {ana.nick} :hungry?"]  # it arrives all the same
    assert away in beto.ask(f"WHOIS {ana.nick}")
    assert ana.ask("AWAY") == [f"{ME} 305 {ana.nick} :You are no longer marked as being away"]
    assert beto.ask(f"PRIVMSG {ana.nick} :and now?") == []
    assert "301" not in commands(beto.ask(f"WHOIS {ana.nick}"))


def test_an_empty_away_is_being_back(server: Server, nicks: Iterator[str]) -> None:
    ana = server.irc(next(nicks))
    assert commands(ana.ask("AWAY :out", "AWAY :", "AWAY :out", "AWAY :still out", "AWAY")) == [
        "306",
        "305",
        "306",
        "306",
        "305",
    ]


def test_neither_a_notice_nor_a_message_to_a_channel_hears_of_away(
    server: Server, channel: str, nicks: Iterator[str]
) -> None:
    ana, beto = together(server, nicks, channel, 2)
    ana.ask("AWAY :at lunch")
    assert beto.ask(f"NOTICE {ana.nick} :hi", f"PRIVMSG {channel} :hi") == []
    assert commands(ana.sync()) == ["NOTICE", "PRIVMSG"]
