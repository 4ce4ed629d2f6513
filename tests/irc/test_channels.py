"""JOIN PART TOPIC NAMES LIST INVITE KICK, as their members and the strangers see them (RFC 2812 section 3.2)."""

import re
import time
import unicodedata
from collections.abc import Iterator

import pytest

from tests.irc.people import ME, by, people, together
from tests.running import Server, commands

# JOIN


def test_join_is_echoed_to_all_and_the_creator_is_operator(server: Server, channel: str, nicks: Iterator[str]) -> None:
    ana, beto = people(server, nicks, 2)
    assert ana.ask(f"JOIN {channel}") == [
        f"{by(ana)} JOIN {channel}",
        f"{ME} 353 {ana.nick} = {channel} :@{ana.nick}",
        f"{ME} 366 {ana.nick} {channel} :End of /NAMES list",
    ]
    assert beto.ask(f"JOIN {channel}") == [
        f"{by(beto)} JOIN {channel}",
        f"{ME} 353 {beto.nick} = {channel} :@{ana.nick} {beto.nick}",
        f"{ME} 366 {beto.nick} {channel} :End of /NAMES list",
    ]
    assert ana.sync() == [f"{by(beto)} JOIN {channel}"]


def test_join_shows_a_topic_only_where_there_is_one(server: Server, channel: str, nicks: Iterator[str]) -> None:
    ana, beto, carla = people(server, nicks, 3)
    assert commands(ana.ask(f"JOIN {channel}")) == ["JOIN", "353", "366"]
    ana.ask(f"TOPIC {channel} :tea at five")
    lines = beto.ask(f"JOIN {channel}")
    assert commands(lines) == ["JOIN", "332", "333", "353", "366"]
    assert lines[1] == f"{ME} 332 {beto.nick} {channel} :tea at five"
    found = re.fullmatch(rf"{ME} 333 {beto.nick} {channel} {by(ana)[1:]} (\d+)", lines[2])
    assert found is not None
    assert abs(int(found[1]) - time.time()) < 60
    ana.ask(f"TOPIC {channel} :")
    assert commands(carla.ask(f"JOIN {channel}")) == ["JOIN", "353", "366"]


def test_joining_again_is_silent(server: Server, channel: str, nicks: Iterator[str]) -> None:
    ana, beto = together(server, nicks, channel, 2)
    assert beto.ask(f"JOIN {channel}") == []
    assert ana.sync() == []


def test_each_channel_of_a_list_is_joined_with_the_key_in_its_place(
    server: Server, channel: str, nicks: Iterator[str]
) -> None:
    ana, beto = people(server, nicks, 2)
    ana.ask(f"JOIN {channel}a,{channel}b,{channel}c", f"MODE {channel}a +k alpha", f"MODE {channel}c +k gamma")
    joined = [line for line in beto.ask(f"JOIN {channel}a,{channel}b,{channel}c alpha,,gamma") if " JOIN " in line]
    assert joined == [f"{by(beto)} JOIN {channel}{letter}" for letter in "abc"]


def test_each_channel_of_a_list_succeeds_or_fails_by_itself(server: Server, channel: str, nicks: Iterator[str]) -> None:
    ana, beto = people(server, nicks, 2)
    ana.ask(f"JOIN {channel}b,{channel}c", f"MODE {channel}c +k gamma")
    lines = beto.ask(f"JOIN nowhere,{channel}b,{channel}c,{channel}d unused,unused,wrong")
    assert commands(lines) == ["403", "JOIN", "353", "366", "475", "JOIN", "353", "366"]
    assert lines[0] == f"{ME} 403 {beto.nick} nowhere :No such channel"
    assert lines[1] == f"{by(beto)} JOIN {channel}b"
    assert lines[4] == f"{ME} 475 {beto.nick} {channel}c :Cannot join channel (+k)"
    assert lines[5] == f"{by(beto)} JOIN {channel}d"


def test_join_0_leaves_every_channel(server: Server, channel: str, nicks: Iterator[str]) -> None:
    ana, beto = people(server, nicks, 2)
    for client in (ana, beto):
        client.ask(f"JOIN {channel}a,{channel}b")
    ana.sync()
    expected = {f"{by(beto)} PART {channel}a", f"{by(beto)} PART {channel}b"}
    assert set(beto.ask("JOIN 0")) == expected
    assert set(ana.sync()) == expected
    assert beto.ask(f"PART {channel}a") == [f"{ME} 442 {beto.nick} {channel}a :You're not on that channel"]
    assert beto.ask("JOIN 0") == []


@pytest.mark.parametrize("name", ["room", "&local", "+modeless", "!safe", "00"])
def test_a_name_without_the_sign_of_a_channel_is_no_such_channel(
    server: Server, nicks: Iterator[str], name: str
) -> None:
    ana = server.irc(next(nicks))
    assert ana.ask(f"JOIN {name}") == [f"{ME} 403 {ana.nick} {name} :No such channel"]


@pytest.mark.parametrize("name", ["#", "#a:b", "#a\N{ZERO WIDTH SPACE}b", "#" + "x" * 64, "#" + "ñ" * 32])
def test_a_channel_cannot_be_called_anything(server: Server, nicks: Iterator[str], name: str) -> None:
    ana = server.irc(next(nicks))
    assert ana.ask(f"JOIN {name}") == [f"{ME} 476 {ana.nick} {name} :Bad channel name"]


def test_a_channel_name_may_be_as_long_as_announced(server: Server, nicks: Iterator[str]) -> None:
    ana = server.irc()
    assert "CHANNELLEN=64" in " ".join(ana.register(next(nicks)))
    for name in ("#" + "x" * 63, "#x" + "ñ" * 31):
        assert ana.ask(f"JOIN {name}")[0] == f"{by(ana)} JOIN {name}"


def test_nobody_is_on_more_channels_than_announced(server: Server, channel: str, nicks: Iterator[str]) -> None:
    ana = server.irc()
    assert "CHANLIMIT=#:50" in " ".join(ana.register(next(nicks)))
    lines = ana.ask(*(f"JOIN {channel}-{number}" for number in range(51)))
    assert commands(lines).count("JOIN") == 50
    assert lines[-1] == f"{ME} 405 {ana.nick} {channel}-50 :You have joined too many channels"
    assert ana.ask(f"JOIN {channel}-1") == []  # already there
    ana.ask(f"PART {channel}-1")
    assert commands(ana.ask(f"JOIN {channel}-50")) == ["JOIN", "353", "366"]


@pytest.mark.parametrize(
    ("mode", "numeric", "sign"),
    [("+l 2", "471", "+l"), ("+i", "473", "+i"), ("+b *!*@*", "474", "+b"), ("+k sesame", "475", "+k")],
)
def test_who_may_not_join_is_told_why_and_nobody_else_hears_of_it(
    server: Server, channel: str, nicks: Iterator[str], mode: str, numeric: str, sign: str
) -> None:
    ana, _beto = together(server, nicks, channel, 2)
    ana.ask(f"MODE {channel} {mode}")
    carla = server.irc(next(nicks))
    assert carla.ask(f"JOIN {channel}") == [f"{ME} {numeric} {carla.nick} {channel} :Cannot join channel ({sign})"]
    assert ana.sync() == []
    ana.ask(f"MODE {channel} {mode.replace('+', '-')}")
    assert commands(carla.ask(f"JOIN {channel}")) == ["JOIN", "353", "366"]


@pytest.mark.parametrize(("key", "answer"), [("", "475"), ("sesam", "475"), ("SESAME", "475"), ("sesame", "JOIN")])
def test_a_key_must_be_given_exactly(server: Server, channel: str, nicks: Iterator[str], key: str, answer: str) -> None:
    ana, beto = people(server, nicks, 2)
    ana.ask(f"JOIN {channel}", f"MODE {channel} +k sesame")
    assert commands(beto.ask(f"JOIN {channel} {key}"))[0] == answer


# One channel, many spellings


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("#Tea", "#tEA"),
        ("#Ñandú", "#ñANDÚ"),
        ("#Кафе", "#кафЕ"),
        ("#Straße", "#STRASSE"),
        ("#café", unicodedata.normalize("NFD", "#CAFÉ")),
    ],
)
def test_channel_names_are_the_same_in_any_case(
    server: Server, nicks: Iterator[str], channel: str, name: str, other: str
) -> None:
    name, other = name + channel[1:], other + channel[1:].upper()
    ana, beto, carla = people(server, nicks, 3)
    ana.ask(f"JOIN {name}")
    assert beto.ask(f"JOIN {other}") == [
        f"{by(beto)} JOIN {name}",
        f"{ME} 353 {beto.nick} = {name} :@{ana.nick} {beto.nick}",
        f"{ME} 366 {beto.nick} {name} :End of /NAMES list",
    ]
    ana.sync()
    beto.ask(f"PRIVMSG {other} :hello")
    assert ana.sync() == [f"{by(beto)} PRIVMSG {name} :hello"]
    assert ana.ask(f"TOPIC {other} :a topic") == [f"{by(ana)} TOPIC {name} :a topic"]
    assert carla.ask(f"LIST {other}")[0] == f"{ME} 322 {carla.nick} {name} 2 :a topic"
    assert commands(carla.ask(f"NAMES {other}")) == ["353", "366"]
    assert ana.ask(f"KICK {other} {beto.nick.upper()} :out") == [f"{by(ana)} KICK {name} {beto.nick} :out"]
    assert ana.ask(f"PART {other} :bye") == [f"{by(ana)} PART {name} :bye"]


# PART


@pytest.mark.parametrize(("said", "shown"), [("", " PART {}"), (" :see you", " PART {} :see you"), (" :", " PART {}")])
def test_part_is_echoed_to_all_with_its_reason(
    server: Server, channel: str, nicks: Iterator[str], said: str, shown: str
) -> None:
    ana, beto = together(server, nicks, channel, 2)
    line = by(beto) + shown.format(channel)
    assert beto.ask(f"PART {channel}{said}") == [line]
    assert ana.sync() == [line]
    ana.ask(f"PRIVMSG {channel} :alone now")
    assert beto.sync() == []


def test_part_needs_a_channel_that_exists_and_that_one_is_on(
    server: Server, channel: str, nicks: Iterator[str]
) -> None:
    ana, beto = people(server, nicks, 2)
    ana.join(channel)
    assert beto.ask(f"PART {channel}") == [f"{ME} 442 {beto.nick} {channel} :You're not on that channel"]
    assert beto.ask(f"PART {channel}-none") == [f"{ME} 403 {beto.nick} {channel}-none :No such channel"]
    assert beto.ask("PART") == [f"{ME} 461 {beto.nick} PART :Not enough parameters"]
    assert ana.sync() == []


def test_each_channel_of_a_list_is_left_by_itself(server: Server, channel: str, nicks: Iterator[str]) -> None:
    ana = server.irc(next(nicks))
    ana.ask(f"JOIN {channel}a,{channel}c")
    assert ana.ask(f"PART {channel}a,{channel}b,{channel}c :bye") == [
        f"{by(ana)} PART {channel}a :bye",
        f"{ME} 403 {ana.nick} {channel}b :No such channel",
        f"{by(ana)} PART {channel}c :bye",
    ]


# KICK


@pytest.mark.parametrize("reason", ["", "no shouting"])
def test_a_kick_is_echoed_to_all_with_its_reason_or_the_kickers_nick(
    server: Server, channel: str, nicks: Iterator[str], reason: str
) -> None:
    ana, beto, carla = together(server, nicks, channel, 3)
    line = f"{by(ana)} KICK {channel} {beto.nick} :{reason or ana.nick}"
    assert ana.ask(f"KICK {channel} {beto.nick}" + (f" :{reason}" if reason else "")) == [line]
    assert beto.sync() == [line]
    assert carla.sync() == [line]
    ana.ask(f"PRIVMSG {channel} :he is gone")
    assert beto.sync() == []
    assert beto.ask(f"PART {channel}") == [f"{ME} 442 {beto.nick} {channel} :You're not on that channel"]
    assert commands(beto.ask(f"JOIN {channel}")) == ["JOIN", "353", "366"]  # a kick is no ban


@pytest.mark.parametrize(
    ("who", "line", "answer"),
    [
        ("member", "KICK {channel} {op}", "482 {me} {channel} :You're not channel operator"),
        ("stranger", "KICK {channel} {op}", "442 {me} {channel} :You're not on that channel"),
        ("op", "KICK {channel}-none {member}", "403 {me} {channel}-none :No such channel"),
        ("op", "KICK {channel} {stranger}", "441 {me} {stranger} {channel} :They aren't on that channel"),
        ("op", "KICK {channel} nobody", "401 {me} nobody :No such nick/channel"),
        ("op", "KICK {channel}", "461 {me} KICK :Not enough parameters"),
        ("op", "KICK", "461 {me} KICK :Not enough parameters"),
    ],
)
def test_a_kick_that_may_not_be_gets_one_answer(
    server: Server, channel: str, nicks: Iterator[str], who: str, line: str, answer: str
) -> None:
    op, member = together(server, nicks, channel, 2)
    clients = {"op": op, "member": member, "stranger": server.irc(next(nicks))}
    names = {name: client.nick for name, client in clients.items()}
    answered = clients[who].ask(line.format(channel=channel, **names))
    assert answered == [f"{ME} " + answer.format(me=names[who], channel=channel, **names)]
    assert [client.sync() for client in clients.values()] == [[], [], []]


def test_a_list_of_victims_goes_out_one_by_one(server: Server, channel: str, nicks: Iterator[str]) -> None:
    ana, beto, carla, dario = together(server, nicks, channel, 4)
    first, second = (f"{by(ana)} KICK {channel} {victim.nick} :enough" for victim in (beto, carla))
    assert ana.ask(f"KICK {channel} {beto.nick},nobody,{carla.nick} :enough") == [
        first,
        f"{ME} 401 {ana.nick} nobody :No such nick/channel",
        second,
    ]
    assert dario.sync() == [first, second]
    assert carla.sync() == [first, second]
    assert beto.sync() == [first]  # and hears no more of it


def test_as_many_channels_as_victims_go_in_pairs(server: Server, channel: str, nicks: Iterator[str]) -> None:
    ana, beto, carla = people(server, nicks, 3)
    for client in (ana, beto, carla):
        client.ask(f"JOIN {channel}a,{channel}b")
    ana.sync()
    assert ana.ask(f"KICK {channel}a,{channel}b {beto.nick},{carla.nick} :out") == [
        f"{by(ana)} KICK {channel}a {beto.nick} :out",
        f"{by(ana)} KICK {channel}b {carla.nick} :out",
    ]


# TOPIC


def test_a_topic_is_echoed_to_all_and_empty_clears_it(server: Server, channel: str, nicks: Iterator[str]) -> None:
    ana, beto = together(server, nicks, channel, 2)
    carla = server.irc(next(nicks))
    none = f"{ME} 331 {beto.nick} {channel} :No topic is set"
    assert beto.ask(f"TOPIC {channel}") == [none]
    line = f"{by(beto)} TOPIC {channel} :tea: at five"
    assert beto.ask(f"TOPIC {channel} :tea: at five") == [line]
    assert ana.sync() == [line]
    for client in (ana, carla):  # strangers may read it too
        lines = client.ask(f"TOPIC {channel}")
        assert lines[0] == f"{ME} 332 {client.nick} {channel} :tea: at five"
        assert re.fullmatch(rf"{ME} 333 {client.nick} {channel} {by(beto)[1:]} \d+", lines[1])
        assert len(lines) == 2
    line = f"{by(ana)} TOPIC {channel} :"
    assert ana.ask(f"TOPIC {channel} :") == [line]
    assert beto.sync() == [line]
    assert beto.ask(f"TOPIC {channel}") == [none]


@pytest.mark.parametrize(
    ("who", "line", "answer"),
    [
        ("member", "TOPIC {channel} :new", "482 {me} {channel} :You're not channel operator"),
        ("stranger", "TOPIC {channel} :new", "442 {me} {channel} :You're not on that channel"),
        ("op", "TOPIC {channel}-none :new", "403 {me} {channel}-none :No such channel"),
        ("op", "TOPIC {channel}-none", "403 {me} {channel}-none :No such channel"),
        ("op", "TOPIC", "461 {me} TOPIC :Not enough parameters"),
    ],
)
def test_a_topic_that_may_not_be_set_gets_one_answer(
    server: Server, channel: str, nicks: Iterator[str], who: str, line: str, answer: str
) -> None:
    op, member = together(server, nicks, channel, 2)
    op.ask(f"TOPIC {channel} :old", f"MODE {channel} +t")
    member.sync()
    clients = {"op": op, "member": member, "stranger": server.irc(next(nicks))}
    answered = clients[who].ask(line.format(channel=channel))
    assert answered == [f"{ME} " + answer.format(me=clients[who].nick, channel=channel)]
    assert [client.sync() for client in clients.values()] == [[], [], []]
    assert op.ask(f"TOPIC {channel}")[0] == f"{ME} 332 {op.nick} {channel} :old"


def test_a_topic_is_cut_between_characters_to_the_announced_bytes(
    server: Server, channel: str, nicks: Iterator[str]
) -> None:
    ana = server.irc()
    assert "TOPICLEN=390" in " ".join(ana.register(next(nicks)))
    ana.join(channel)
    cut = "a" + "ñ" * 194  # 389 bytes: half of the next letter would fit
    assert ana.ask(f"TOPIC {channel} :a{'ñ' * 200}") == [f"{by(ana)} TOPIC {channel} :{cut}"]
    assert ana.ask(f"TOPIC {channel}")[0] == f"{ME} 332 {ana.nick} {channel} :{cut}"
    whole = "b" * 390
    assert ana.ask(f"TOPIC {channel} :{whole}c") == [f"{by(ana)} TOPIC {channel} :{whole}"]


# INVITE


def test_an_invitation_is_told_to_both_and_to_nobody_else(server: Server, channel: str, nicks: Iterator[str]) -> None:
    ana, beto = together(server, nicks, channel, 2)
    carla = server.irc(next(nicks))
    assert beto.ask(f"INVITE {carla.nick.upper()} {channel.upper()}") == [
        f"{ME} 341 {beto.nick} {carla.nick} {channel}"
    ]
    line = f"{by(beto)} INVITE {carla.nick} {channel}"
    assert carla.sync() == [line]
    assert ana.sync() == []


@pytest.mark.parametrize(
    ("who", "line", "answer"),
    [
        ("op", "INVITE nobody {channel}", "401 {me} nobody :No such nick/channel"),
        ("op", "INVITE {stranger} {channel}-none", "403 {me} {channel}-none :No such channel"),
        ("other", "INVITE {stranger} {channel}", "442 {me} {channel} :You're not on that channel"),
        ("member", "INVITE {stranger} {channel}", "482 {me} {channel} :You're not channel operator"),
        ("op", "INVITE {member} {channel}", "443 {me} {member} {channel} :is already on channel"),
        ("op", "INVITE {stranger}", "461 {me} INVITE :Not enough parameters"),
    ],
)
def test_an_invitation_that_may_not_be_gets_one_answer(
    server: Server, channel: str, nicks: Iterator[str], who: str, line: str, answer: str
) -> None:
    op, member = together(server, nicks, channel, 2)
    op.ask(f"MODE {channel} +i")
    member.sync()
    clients = {"op": op, "member": member, "stranger": server.irc(next(nicks)), "other": server.irc(next(nicks))}
    names = {name: client.nick for name, client in clients.items()}
    answered = clients[who].ask(line.format(channel=channel, **names))
    assert answered == [f"{ME} " + answer.format(me=names[who], channel=channel, **names)]
    assert [client.sync() for client in clients.values()] == [[], [], [], []]


@pytest.mark.parametrize(("mode", "numeric"), [("+i", "473"), ("+l 1", "471")])
def test_an_invitation_lets_its_guest_in_once(
    server: Server, channel: str, nicks: Iterator[str], mode: str, numeric: str
) -> None:
    ana, beto, carla = people(server, nicks, 3)
    ana.ask(f"JOIN {channel}", f"MODE {channel} {mode}", f"INVITE {beto.nick} {channel}")
    beto.sync()
    assert commands(carla.ask(f"JOIN {channel}")) == [numeric]  # it is his only
    assert commands(beto.ask(f"JOIN {channel}")) == ["JOIN", "353", "366"]
    beto.ask(f"PART {channel}")
    assert commands(beto.ask(f"JOIN {channel}")) == [numeric]


@pytest.mark.parametrize(("mode", "numeric"), [("+b *!*@*", "474"), ("+k sesame", "475")])
def test_an_invitation_lifts_neither_ban_nor_key(
    server: Server, channel: str, nicks: Iterator[str], mode: str, numeric: str
) -> None:
    ana, beto = people(server, nicks, 2)
    ana.ask(f"JOIN {channel}", f"MODE {channel} {mode}", f"INVITE {beto.nick} {channel}")
    beto.sync()
    assert commands(beto.ask(f"JOIN {channel}")) == [numeric]


@pytest.mark.parametrize("mode", ["+i", "+l 2"])
def test_a_members_invitation_does_not_outlast_an_open_door(
    server: Server, channel: str, nicks: Iterator[str], mode: str
) -> None:
    ana, beto, carla = people(server, nicks, 3)
    ana.join(channel)
    beto.join(channel)
    assert commands(beto.ask(f"INVITE {carla.nick} {channel}")) == ["341"]
    ana.ask(f"MODE {channel} {mode}")
    assert commands(carla.ask(f"JOIN {channel}")) == ["INVITE", "473" if mode == "+i" else "471"]


def test_an_invitation_ends_with_its_channel(server: Server, channel: str, nicks: Iterator[str]) -> None:
    ana, beto, carla = people(server, nicks, 3)
    ana.ask(f"JOIN {channel}", f"INVITE {beto.nick} {channel}", f"PART {channel}")
    carla.ask(f"JOIN {channel}", f"MODE {channel} +i")
    beto.sync()
    assert commands(beto.ask(f"JOIN {channel}")) == ["473"]


def test_who_invites_somebody_away_is_told_so(server: Server, channel: str, nicks: Iterator[str]) -> None:
    ana, beto = people(server, nicks, 2)
    ana.join(channel)
    beto.ask("AWAY :at lunch")
    assert ana.ask(f"INVITE {beto.nick} {channel}") == [
        f"{ME} 341 {ana.nick} {beto.nick} {channel}",
        f"{ME} 301 {ana.nick} {beto.nick} :at lunch",
    ]


# NAMES


def test_names_shows_the_highest_sign_of_each_member(server: Server, channel: str, nicks: Iterator[str]) -> None:
    ana, beto, carla = together(server, nicks, channel, 3)
    ana.ask(f"MODE {channel} +v {beto.nick}", f"MODE {channel} +v {ana.nick}")
    dario = server.irc(next(nicks))
    for client in (ana, dario):
        assert client.ask(f"NAMES {channel}") == [
            f"{ME} 353 {client.nick} = {channel} :@{ana.nick} +{beto.nick} {carla.nick}",
            f"{ME} 366 {client.nick} {channel} :End of /NAMES list",
        ]


def test_names_of_a_channel_that_is_not_there_is_just_the_end(
    server: Server, channel: str, nicks: Iterator[str]
) -> None:
    ana = server.irc(next(nicks))
    for name in (channel, "nothing"):
        assert ana.ask(f"NAMES {name}") == [f"{ME} 366 {ana.nick} {name} :End of /NAMES list"]
    for nothing in ("", " :", " ,"):
        assert ana.ask(f"NAMES{nothing}") == [f"{ME} 366 {ana.nick} * :End of /NAMES list"]


def test_names_of_a_secret_channel_are_for_its_members(server: Server, channel: str, nicks: Iterator[str]) -> None:
    ana, beto = people(server, nicks, 2)
    ana.ask(f"JOIN {channel}", f"MODE {channel} +s")
    assert ana.ask(f"NAMES {channel}") == [
        f"{ME} 353 {ana.nick} @ {channel} :@{ana.nick}",
        f"{ME} 366 {ana.nick} {channel} :End of /NAMES list",
    ]
    assert beto.ask(f"NAMES {channel}") == [f"{ME} 366 {beto.nick} {channel} :End of /NAMES list"]


def test_names_shows_invisible_members_to_members_only(server: Server, channel: str, nicks: Iterator[str]) -> None:
    ana, beto = together(server, nicks, channel, 2)
    beto.ask(f"MODE {beto.nick} +i")
    carla = server.irc(next(nicks))
    assert ana.ask(f"NAMES {channel}")[0] == f"{ME} 353 {ana.nick} = {channel} :@{ana.nick} {beto.nick}"
    assert carla.ask(f"NAMES {channel}")[0] == f"{ME} 353 {carla.nick} = {channel} :@{ana.nick}"
    ana.ask(f"MODE {ana.nick} +i")
    assert commands(carla.ask(f"NAMES {channel}")) == ["366"]


def test_names_of_a_list_of_channels(server: Server, channel: str, nicks: Iterator[str]) -> None:
    ana = server.irc(next(nicks))
    ana.ask(f"JOIN {channel}a,{channel}c")
    lines = ana.ask(f"NAMES {channel}a,{channel}b,{channel}c")
    assert commands(lines) == ["353", "366", "366", "353", "366"]
    assert [line.split()[3] for line in lines if " 366 " in line] == [channel + letter for letter in "abc"]


def test_names_of_a_large_channel_come_in_several_lines(server: Server, channel: str, nicks: Iterator[str]) -> None:
    members = [server.irc(f"{next(nicks)}-{'x' * 20}") for _ in range(20)]
    for member in members:
        member.join(channel)
    lines = members[-1].ask(f"NAMES {channel}")
    assert commands(lines) == ["353", "353", "366"]
    assert all(len(line) <= 510 for line in lines)
    shown = [nick for line in lines[:-1] for nick in line.split(" :")[1].split()]
    assert shown == ["@" + members[0].nick] + [member.nick for member in members[1:]]


# LIST


def test_list_shows_each_channel_with_its_members_and_topic(server: Server, channel: str, nicks: Iterator[str]) -> None:
    ana, _beto = together(server, nicks, channel, 2)
    carla = server.irc(next(nicks))
    carla.join(f"{channel}-other")
    ana.ask(f"TOPIC {channel} :tea at five")
    lines = carla.ask("LIST")
    assert [line for line in lines if f"{channel} " in line] == [f"{ME} 322 {carla.nick} {channel} 2 :tea at five"]
    assert [line for line in lines if f"{channel}-" in line] == [f"{ME} 322 {carla.nick} {channel}-other 1 :"]
    assert set(commands(lines[:-1])) == {"322"}
    assert lines[-1] == f"{ME} 323 {carla.nick} :End of /LIST"


def test_list_of_named_channels_shows_only_those(server: Server, channel: str, nicks: Iterator[str]) -> None:
    ana, beto = people(server, nicks, 2)
    ana.ask(f"JOIN {channel}a,{channel}b,{channel}c")
    lines = beto.ask(f"LIST {channel.upper()}A,{channel}c,{channel}-none")
    assert lines == [
        f"{ME} 322 {beto.nick} {channel}a 1 :",
        f"{ME} 322 {beto.nick} {channel}c 1 :",
        f"{ME} 323 {beto.nick} :End of /LIST",
    ]


@pytest.mark.parametrize("named", [False, True])
def test_list_shows_a_secret_channel_to_its_members_only(
    server: Server, channel: str, nicks: Iterator[str], named: bool
) -> None:
    ana, beto = people(server, nicks, 2)
    ana.ask(f"JOIN {channel}", f"MODE {channel} +s")
    ask = f"LIST {channel}" if named else "LIST"
    assert f"{ME} 322 {ana.nick} {channel} 1 :" in ana.ask(ask)
    lines = beto.ask(ask)
    assert not [line for line in lines if f"{channel} " in line]
    assert commands(lines)[-1] == "323"


# The end of a channel


@pytest.mark.parametrize("end", ["PART {channel}", "KICK {channel} {ana}", "QUIT", "JOIN 0"])
def test_a_channel_that_empties_is_gone_with_all_it_had(
    server: Server, channel: str, nicks: Iterator[str], end: str
) -> None:
    ana, beto = people(server, nicks, 2)
    ana.ask(f"JOIN {channel}", f"TOPIC {channel} :old", f"MODE {channel} +imtkb sesame *!*@*")
    ana.send(end.format(channel=channel, ana=ana.nick))
    if end == "QUIT":
        ana.rest()
    else:
        ana.sync()
    assert beto.ask(f"MODE {channel}") == [f"{ME} 403 {beto.nick} {channel} :No such channel"]
    assert commands(beto.ask(f"LIST {channel}")) == ["323"]
    assert beto.ask(f"JOIN {channel}")[1] == f"{ME} 353 {beto.nick} = {channel} :@{beto.nick}"
    assert beto.ask(f"MODE {channel}")[0] == f"{ME} 324 {beto.nick} {channel} +n"
    assert commands(beto.ask(f"MODE {channel} b")) == ["368"]
    assert commands(beto.ask(f"TOPIC {channel}")) == ["331"]


def test_an_operator_who_comes_back_is_no_operator(server: Server, channel: str, nicks: Iterator[str]) -> None:
    ana, beto = together(server, nicks, channel, 2)
    ana.ask(f"PART {channel}", f"JOIN {channel}")
    assert beto.ask(f"NAMES {channel}")[-2] == f"{ME} 353 {beto.nick} = {channel} :{beto.nick} {ana.nick}"


def test_the_lobby_is_always_there_and_has_no_operator(bare: Server) -> None:
    with bare.irc("ana") as ana, bare.irc("beto") as beto:
        assert ana.ask("LIST") == [f"{ME} 323 ana :End of /LIST"]  # empty, it is not shown
        assert ana.ask("NAMES #lobby") == [f"{ME} 366 ana #lobby :End of /NAMES list"]
        mode, created = ana.ask("MODE #lobby")
        assert mode == f"{ME} 324 ana #lobby +nt"
        assert ana.ask("JOIN #Lobby") == [
            ":ana!~ana@127.0.0.1 JOIN #lobby",
            f"{ME} 353 ana = #lobby :ana",
            f"{ME} 366 ana #lobby :End of /NAMES list",
        ]
        assert ana.ask("TOPIC #lobby :mine") == [f"{ME} 482 ana #lobby :You're not channel operator"]
        assert ana.ask("MODE #lobby +i") == [f"{ME} 482 ana #lobby :You're not channel operator"]
        assert beto.ask("PRIVMSG #lobby :hi") == [f"{ME} 404 beto #lobby :Cannot send to channel"]
        assert beto.ask("LIST") == [f"{ME} 322 beto #lobby 1 :", f"{ME} 323 beto :End of /LIST"]
        assert commands(ana.ask("PART #LOBBY")) == ["PART"]
        assert ana.ask("MODE #lobby") == [mode, created]
        assert ana.ask("LIST") == [f"{ME} 323 ana :End of /LIST"]
        assert beto.ask("JOIN #lobby")[1] == f"{ME} 353 beto = #lobby :beto"


def test_an_empty_place_in_a_list_is_nothing(server: Server, channel: str, nicks: Iterator[str]) -> None:
    ana, beto = people(server, nicks, 2)
    assert commands(ana.ask(f"JOIN {channel},,{channel}-b, key")) == ["JOIN", "353", "366", "JOIN", "353", "366"]
    assert commands(ana.ask(f"PART ,{channel}-b,")) == ["PART"]
    assert commands(ana.ask(f"PRIVMSG ,{beto.nick}, :hola")) == []
    assert commands(beto.sync()) == ["PRIVMSG"]


@pytest.mark.parametrize("line", ["JOIN ,", "PART ,,", "KICK {channel} ,", "KICK , ana", "KICK , ,"])
def test_a_list_of_nothing_is_answered(server: Server, channel: str, nicks: Iterator[str], line: str) -> None:
    with server.irc(next(nicks)) as ana:
        ana.join(channel)
        assert commands(ana.ask(line.format(channel=channel))) == ["461"]
