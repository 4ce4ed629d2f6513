"""IRCv3: capability negotiation, server-time, echo-message."""

import re
from collections.abc import Iterator
from datetime import datetime, timezone

import pytest

from tests.running import IrcClient, Server, command, commands

OFFERED = {"echo-message", "server-time"}
TIMED = re.compile(r"@time=(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) (:.*)")


def untimed(line: str) -> str:
    """The line without its server-time tag, which must be there, right in form, and now."""
    found = TIMED.fullmatch(line)
    assert found is not None, line
    at = datetime.strptime(found[1], "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc)
    assert abs((datetime.now(timezone.utc) - at).total_seconds()) < 60
    return found[2]


def in_channel(server: Server, channel: str, *clients: IrcClient) -> None:
    for client in clients:
        client.join(channel)
    for client in clients:
        client.sync()


# CAP


@pytest.mark.parametrize("version", ["", " 301", " 302", " 307"])
def test_ls_lists_what_there_is(server: Server, version: str) -> None:
    ana = server.irc()
    (answer,) = ana.ask(f"CAP LS{version}")
    assert answer.startswith(":mpchat.local CAP * LS :")
    assert set(answer.split(" :", 1)[1].split()) >= OFFERED


def test_ls_without_302_names_no_values_and_fits_one_line(server: Server) -> None:
    (answer,) = server.irc().ask("CAP LS")
    assert "=" not in answer
    assert answer.split(" ")[3:5] != ["LS", "*"]


@pytest.mark.parametrize("word", ["cap", "Cap"])
@pytest.mark.parametrize("verb", ["ls", "Ls"])
def test_cap_and_its_verbs_may_be_in_any_case(server: Server, word: str, verb: str) -> None:
    assert server.irc().ask(f"{word} {verb} 302")[0].startswith(":mpchat.local CAP * LS :")


def test_list_tells_what_is_on(server: Server) -> None:
    ana = server.irc()
    assert ana.ask("CAP LIST") == [":mpchat.local CAP * LIST :"]
    ana.ask("CAP REQ :echo-message")
    assert ana.ask("CAP LIST") == [":mpchat.local CAP * LIST :echo-message"]
    ana.ask("CAP REQ :-echo-message")
    assert ana.ask("CAP LIST") == [":mpchat.local CAP * LIST :"]


@pytest.mark.parametrize(
    "asked",
    [
        "echo-message",
        "echo-message server-time",
        "server-time echo-message",
        "echo-message ",
        "-echo-message",
        "echo-message -server-time",
        "-echo-message -server-time",
        "echo-message echo-message",
    ],
)
def test_req_is_granted_with_the_exact_string_back(server: Server, nicks: Iterator[str], asked: str) -> None:
    ana = server.irc(next(nicks))
    assert ana.ask(f"CAP REQ :{asked}")[0] == f":mpchat.local CAP {ana.nick} ACK :{asked}"


@pytest.mark.parametrize(
    "asked",
    [
        "no-such-thing",
        "-no-such-thing",
        "no-such-thing echo-message",
        "echo-message no-such-thing",
        "echo-message no-such-thing server-time",
        "echo-message -no-such-thing",
        "Echo-Message",
        "--echo-message",
        "echo-message=yes",
        "z y x server-time w v y",
    ],
)
def test_req_is_refused_as_a_whole_with_the_exact_string_back(server: Server, nicks: Iterator[str], asked: str) -> None:
    ana = server.irc(next(nicks))
    assert ana.ask(f"CAP REQ :{asked}") == [f":mpchat.local CAP {ana.nick} NAK :{asked}"]
    assert ana.ask("CAP LIST") == [f":mpchat.local CAP {ana.nick} LIST :"]


def test_a_refused_req_takes_nothing_away_either(server: Server, nicks: Iterator[str]) -> None:
    ana = server.irc(next(nicks), caps="echo-message")
    ana.sync()
    assert command(ana.ask("CAP REQ :-echo-message no-such-thing")[0]) == "CAP"
    assert ana.ask("CAP LIST") == [f":mpchat.local CAP {ana.nick} LIST :cap-notify echo-message"]


@pytest.mark.parametrize("line", ["CAP NOSUCH", "CAP nosuch :a b", "CAP ACK :echo-message", "CAP 302"])
def test_an_unknown_verb(server: Server, nicks: Iterator[str], line: str) -> None:
    verb = line.split(" ")[1]
    ana = server.irc()
    assert ana.ask(line) == [f":mpchat.local 410 * {verb} :Invalid CAP command"]
    ana.register(next(nicks))
    assert ana.ask(line) == [f":mpchat.local 410 {ana.nick} {verb} :Invalid CAP command"]


@pytest.mark.parametrize("opening", ["CAP LS", "CAP LS 302", "CAP REQ :echo-message", "CAP REQ :no-such-thing"])
def test_negotiation_holds_registration_until_end(server: Server, nicks: Iterator[str], opening: str) -> None:
    nick, ana = next(nicks), server.irc()
    assert commands(ana.ask(opening, f"NICK {nick}", "USER ana 0 * :Ana")) == ["CAP"]
    assert ana.ask("JOIN #c") == [f":mpchat.local 451 {nick} :You have not registered"]
    assert commands(ana.ask("CAP LIST")) == ["CAP"]
    assert ana.ask("CAP END")[0].startswith(f":mpchat.local 001 {nick} ")


@pytest.mark.parametrize("opening", ["CAP LIST", "CAP END", "CAP NOSUCH"])
def test_nothing_else_holds_it(server: Server, nicks: Iterator[str], opening: str) -> None:
    ana = server.irc()
    ana.ask(opening)
    assert commands(ana.ask(f"NICK {next(nicks)}", "USER ana 0 * :Ana"))[0] == "001"


def test_end_before_nick_and_user_just_ends_it(server: Server, nicks: Iterator[str]) -> None:
    ana = server.irc()
    assert commands(ana.ask("CAP LS 302", "CAP END")) == ["CAP"]
    assert commands(ana.ask("USER ana 0 * :Ana", f"NICK {next(nicks)}"))[0] == "001"


def test_the_greeting_is_already_as_negotiated(server: Server, nicks: Iterator[str]) -> None:
    lines = server.irc().register(next(nicks), caps="server-time")
    greeting = [line for line in lines if command(line) != "CAP"]
    assert commands([untimed(line) for line in greeting])[0] == "001"


def test_cap_after_registration(server: Server, nicks: Iterator[str], channel: str) -> None:
    ana = server.irc(next(nicks))
    (offer,) = ana.ask("CAP LS 302")
    assert offer.startswith(f":mpchat.local CAP {ana.nick} LS :")
    assert commands(ana.ask(f"JOIN {channel}")) == ["JOIN", "353", "366"]  # it holds nothing any more
    assert ana.ask("CAP REQ :echo-message") == [f":mpchat.local CAP {ana.nick} ACK :echo-message"]
    assert ana.ask("CAP LIST") == [f":mpchat.local CAP {ana.nick} LIST :cap-notify echo-message"]
    assert ana.ask("CAP END") == []


# server-time


def test_server_time_is_on_every_line_for_who_asked(server: Server, nicks: Iterator[str], channel: str) -> None:
    ana, beto = server.irc(next(nicks), caps="server-time"), server.irc(next(nicks))
    in_channel(server, channel, beto, ana)
    beto.sync()
    beto.send(
        f"PRIVMSG {channel} :hello",
        f"NOTICE {ana.nick} :psst",
        f"TOPIC {channel} :tea",
        f"MODE {channel} +v {ana.nick}",
        f"PART {channel} :bye",
    )
    before = f":{beto.nick}!~{beto.nick}@127.0.0.1"
    assert [untimed(ana.read()) for _ in range(5)] == [
        f"{before} PRIVMSG {channel} :hello",
        f"{before} NOTICE {ana.nick} :psst",
        f"{before} TOPIC {channel} :tea",
        f"{before} MODE {channel} +v {ana.nick}",
        f"{before} PART {channel} :bye",
    ]
    answers = ana.ask("NOSUCH", f"WHO {ana.nick}", "PING :a")
    assert commands([untimed(line) for line in answers]) == ["421", "352", "315", "PONG"]


def test_who_did_not_ask_gets_no_tag(server: Server, nicks: Iterator[str], channel: str) -> None:
    """Neither from somebody who has the capability, nor from somebody who sends tags."""
    ana, beto = server.irc(next(nicks)), server.irc(next(nicks), caps="server-time")
    in_channel(server, channel, ana, beto)
    ana.sync()
    beto.send(f"PRIVMSG {channel} :hello", f"@time=2001-01-01T00:00:00.000Z;+x=y PRIVMSG {channel} :tagged")
    before = f":{beto.nick}!~{beto.nick}@127.0.0.1"
    assert ana.read() == f"{before} PRIVMSG {channel} :hello"
    assert ana.read() == f"{before} PRIVMSG {channel} :tagged"


def test_nobody_chooses_the_time_that_others_see(server: Server, nicks: Iterator[str], channel: str) -> None:
    ana, beto = server.irc(next(nicks), caps="server-time"), server.irc(next(nicks))
    in_channel(server, channel, ana, beto)
    beto.send(f"@time=2001-01-01T00:00:00.000Z PRIVMSG {channel} :from the past")
    assert untimed(ana.read()).endswith(" :from the past")


def test_a_time_tag_does_not_shorten_the_text(server: Server, nicks: Iterator[str], channel: str) -> None:
    ana, beto = server.irc(next(nicks), caps="server-time"), server.irc(next(nicks))
    in_channel(server, channel, ana, beto)
    ana.sync()
    carlos = server.irc(next(nicks))
    carlos.join(channel)
    assert command(ana.read()) == command(beto.read()) == "JOIN"
    carlos.send(f"PRIVMSG {channel} :{'x' * 490}")
    timed, plain = ana.read(), beto.read()
    assert untimed(timed) == plain
    assert len(plain) == 510


# echo-message


@pytest.mark.parametrize("verb", ["PRIVMSG", "NOTICE"])
def test_the_sender_reads_what_everybody_reads(server: Server, nicks: Iterator[str], channel: str, verb: str) -> None:
    ana, beto = server.irc(next(nicks), caps="echo-message"), server.irc(next(nicks))
    in_channel(server, channel, ana, beto)
    said = f":{ana.nick}!~{ana.nick}@127.0.0.1 {verb} {channel} :hello"
    assert ana.ask(f"{verb} {channel} :hello") == [said]
    assert beto.sync() == [said]


@pytest.mark.parametrize("verb", ["PRIVMSG", "NOTICE"])
def test_private_messages_are_echoed_too(server: Server, nicks: Iterator[str], verb: str) -> None:
    ana, beto = server.irc(next(nicks), caps="echo-message"), server.irc(next(nicks))
    said = f":{ana.nick}!~{ana.nick}@127.0.0.1 {verb} {beto.nick} :hello"
    assert ana.ask(f"{verb} {beto.nick} :hello") == [said]
    assert beto.sync() == [said]


def test_to_oneself_it_is_a_message_and_an_echo(server: Server, nicks: Iterator[str]) -> None:
    ana = server.irc(next(nicks))
    said = f":{ana.nick}!~{ana.nick}@127.0.0.1 PRIVMSG {ana.nick} :note"
    assert ana.ask(f"PRIVMSG {ana.nick} :note") == [said]
    ana.ask("CAP REQ :echo-message")
    assert ana.ask(f"PRIVMSG {ana.nick} :note") == [said, said]


def test_an_echo_shows_what_was_really_passed_on(server: Server, nicks: Iterator[str], channel: str) -> None:
    ana, beto = server.irc(next(nicks), caps="echo-message"), server.irc(next(nicks))
    in_channel(server, channel, ana, beto)
    ana.send(f"PRIVMSG {channel} :{'ñ' * 240}", f"PRIVMSG {channel.upper()} :a\x1b[31mb")
    assert [ana.read(), ana.read()] == (heard := [beto.read(), beto.read()])
    assert len(heard[0].encode()) in (509, 510)
    assert heard[1].endswith(f"PRIVMSG {channel} :a[31mb")


def test_what_was_refused_is_not_echoed(server: Server, nicks: Iterator[str], channel: str) -> None:
    ana, beto = server.irc(next(nicks)), server.irc(next(nicks), caps="echo-message")
    in_channel(server, channel, ana)
    ana.ask(f"MODE {channel} +n")
    assert commands(beto.ask(f"PRIVMSG {channel} :hello", "PRIVMSG nobody-here :hello")) == ["404", "401"]
    assert beto.ask(f"NOTICE {channel} :hello", "NOTICE nobody-here :hello") == []


def test_an_echo_takes_its_place_in_the_order(server: Server, nicks: Iterator[str], channel: str) -> None:
    ana = server.irc(next(nicks), caps="echo-message")
    in_channel(server, channel, ana)
    answers = ana.ask("PING :1", f"PRIVMSG {channel} :a", "NOSUCH", f"PRIVMSG {channel} :b", "PING :2")
    assert commands(answers) == ["PONG", "PRIVMSG", "421", "PRIVMSG", "PONG"]


# Switching while everything runs


def test_switching_while_in_a_channel_changes_the_bytes_from_then_on(
    server: Server, nicks: Iterator[str], channel: str
) -> None:
    ana, beto = server.irc(next(nicks)), server.irc(next(nicks))
    in_channel(server, channel, ana, beto)
    said = f":{beto.nick}!~{beto.nick}@127.0.0.1 PRIVMSG {channel} :"
    for turn in range(3):
        beto.ask(f"PRIVMSG {channel} :{turn} before")
        assert ana.ask("CAP REQ :server-time")[0] == f"{said}{turn} before"
        beto.ask(f"PRIVMSG {channel} :{turn} with")
        (timed, acknowledged) = ana.ask("CAP REQ :-server-time")
        assert untimed(timed) == f"{said}{turn} with"
        assert acknowledged.endswith(f"CAP {ana.nick} ACK :-server-time")
    beto.ask(f"PRIVMSG {channel} :at last", f"PART {channel} :bye")
    assert ana.sync() == [f"{said}at last", f":{beto.nick}!~{beto.nick}@127.0.0.1 PART {channel} :bye"]


def test_switching_in_one_send_applies_to_the_lines_that_follow(
    server: Server, nicks: Iterator[str], channel: str
) -> None:
    ana = server.irc(next(nicks))
    in_channel(server, channel, ana)
    said = f":{ana.nick}!~{ana.nick}@127.0.0.1 PRIVMSG {channel} :"
    answers = ana.ask(
        f"PRIVMSG {channel} :1",
        "CAP REQ :echo-message",
        f"PRIVMSG {channel} :2",
        "CAP REQ :server-time",
        f"PRIVMSG {channel} :3",
        "CAP REQ :-echo-message -server-time",
        f"PRIVMSG {channel} :4",
        "NOSUCH",
    )
    acknowledged, second, _, third, _, unknown = answers
    assert acknowledged == f":mpchat.local CAP {ana.nick} ACK :echo-message"
    assert second == f"{said}2"
    assert untimed(third) == f"{said}3"
    assert unknown == f":mpchat.local 421 {ana.nick} NOSUCH :Unknown command"


def test_each_member_gets_the_bytes_of_its_own_choice(server: Server, nicks: Iterator[str], channel: str) -> None:
    """Members who want different bytes are different groups on each worker: nobody is left out, nobody hears twice."""
    wishes = ["", "server-time", "echo-message", "server-time echo-message"] * 2
    people = [server.irc(next(nicks), caps=wish) for wish in wishes]
    in_channel(server, channel, *people)
    for client in people:
        client.sync()
    heard = [speaker.ask(f"PRIVMSG {channel} :{number}") for number, speaker in enumerate(people)]
    for number, (client, wish) in enumerate(zip(people, wishes, strict=True)):
        lines = heard[number] + client.sync()
        assert all(line.startswith("@time=") == ("server-time" in wish) for line in lines)
        said = [other for other in range(len(people)) if other != number or "echo-message" in wish]
        assert [line.rsplit(":", 1)[1] for line in lines] == [str(other) for other in said]


def test_a_member_who_switched_leaves_cleanly(server: Server, nicks: Iterator[str], channel: str) -> None:
    ana, beto = server.irc(next(nicks)), server.irc(next(nicks))
    in_channel(server, channel, ana, beto)
    ana.ask("CAP REQ :server-time", f"PART {channel}")
    assert commands(beto.ask(f"PRIVMSG {channel} :are you gone?")) == ["PART"]
    assert ana.sync() == []
    ana.join(channel)
    ana.send("QUIT :for good")
    ana.rest()
    assert commands(beto.sync()) == ["JOIN", "QUIT"]
