"""The way in and out (RFC 2812 section 3.1, Modern IRC): PASS NICK USER QUIT, the greeting, and nicknames for life."""

import re
from collections.abc import Iterator

import pytest

from tests.running import IrcClient, Server, command, commands


def greeting(client: IrcClient) -> list[str]:
    return client.until("376", "422")


def tokens(lines: list[str]) -> dict[str, str]:
    """What 005 said."""
    words = [word for line in lines if command(line) == "005" for word in line.split(" :")[0].split(" ")[3:]]
    return {name: value for name, _, value in (word.partition("=") for word in words)}


# The greeting


def test_the_whole_greeting_in_order(server: Server, nicks: Iterator[str]) -> None:
    nick, ana = next(nicks), server.irc()
    ana.send(f"NICK {nick}", "USER ana 0 * :Ana")
    lines = greeting(ana)
    in_order = ["001", "002", "003", "004", "005", "251", "252", "253", "254", "255", "265", "266", "422"]
    assert list(dict.fromkeys(commands(lines))) == in_order
    assert {line.split(" ")[0] for line in lines} == {":mpchat.local"}
    assert {line.split(" ")[2] for line in lines} == {nick}
    assert lines[0].endswith(f"{nick}!~ana@127.0.0.1")
    assert lines[1].startswith(f":mpchat.local 002 {nick} :Your host is mpchat.local, running ")
    name, version, user_modes, channel_modes, *_ = lines[3].split(" ")[3:]
    assert name == "mpchat.local"
    assert version
    assert set("iow") <= set(user_modes)
    assert set("Ibeiklmnostv") <= set(channel_modes.removeprefix(":"))
    assert ana.sync() == []


def test_user_may_come_before_nick(server: Server, nicks: Iterator[str]) -> None:
    nick, ana = next(nicks), server.irc()
    assert ana.ask("USER ana 0 * :Ana") == []
    lines = ana.ask(f"NICK {nick}")
    assert commands(lines)[:4] == ["001", "002", "003", "004"]
    assert lines[0].endswith(f"{nick}!~ana@127.0.0.1")


def test_nick_alone_is_not_answered(server: Server, nicks: Iterator[str]) -> None:
    ana = server.irc()
    assert ana.ask(f"NICK {next(nicks)}") == []
    assert commands(ana.ask("USER ana 0 * :Ana"))[0] == "001"


def test_a_newcomer_may_think_again_about_the_nick(server: Server, nicks: Iterator[str]) -> None:
    first, second = next(nicks), next(nicks)
    ana, beto = server.irc(), server.irc()
    assert ana.ask(f"NICK {first}", f"NICK {second}") == []
    assert commands(beto.ask(f"NICK {first}", "USER beto 0 * :Beto"))[0] == "001"
    assert ana.ask("USER ana 0 * :Ana")[0].startswith(f":mpchat.local 001 {second} ")


def test_a_newcomer_cannot_be_seen_yet(server: Server, nicks: Iterator[str]) -> None:
    nick = next(nicks)
    newcomer, ana = server.irc(), server.irc(next(nicks))
    newcomer.ask(f"NICK {nick}")
    assert commands(ana.ask(f"PRIVMSG {nick} :hello", f"WHOIS {nick}", f"ISON {nick}")) == ["401", "401", "318", "303"]
    assert newcomer.sync() == []


# 005


def test_what_005_tells(server: Server, nicks: Iterator[str]) -> None:
    told = tokens(server.irc().register(next(nicks)))
    assert told["CASEMAPPING"] in ("ascii", "rfc1459", "rfc1459-strict", "rfc7613")
    assert "#" in told["CHANTYPES"]
    assert told["PREFIX"] == "(ov)@+"
    lists, always, when_set, flags, *_ = (set(part) for part in told["CHANMODES"].split(","))
    assert lists == set("beI")
    assert (told["BOT"], told["EXCEPTS"], told["INVEX"]) == ("B", "e", "I")
    assert set(told["ELIST"]) == set("CMNTU")
    assert "k" in always
    assert "l" in when_set
    assert set("imnst") <= flags
    assert told["NETWORK"] == "mpchat"
    assert int(told["NICKLEN"]) >= 30
    assert int(told["CHANNELLEN"]) >= 32
    assert int(told["TOPICLEN"]) > 0


def test_005_keeps_to_its_limits(server: Server, nicks: Iterator[str]) -> None:
    lines = [line for line in server.irc().register(next(nicks)) if command(line) == "005"]
    for line in lines:
        words, text = line.split(" :", 1)
        told = words.split(" ")[3:]
        assert 1 <= len(told) <= 13
        assert text == "are supported by this server"
        assert all(re.fullmatch(r"-?[A-Z0-9]+(=[^= ]*)?", token) for token in told), told
    names = [token for line in lines for token in line.split(" :")[0].split(" ")[3:]]
    assert len(names) == len({name.split("=")[0] for name in names})  # each once


def test_targmax_is_only_for_commands_that_take_lists(server: Server, nicks: Iterator[str]) -> None:
    told = tokens(server.irc().register(next(nicks)))
    limits = dict(pair.split(":") for pair in told["TARGMAX"].split(","))
    take_lists = {"JOIN", "KICK", "LIST", "NOTICE", "PART", "PRIVMSG", "TAGMSG", "WHOIS", "MONITOR"}
    assert {"PRIVMSG", "NOTICE"} <= set(limits) <= take_lists
    assert all(limit == "" or limit.isdigit() for limit in limits.values())


def test_the_limits_that_005_tells_are_kept(server: Server, nicks: Iterator[str]) -> None:
    nick, ana = next(nicks), server.irc()
    told = tokens(ana.register(nick))
    longest = nick.ljust(int(told["NICKLEN"]), "x")
    assert ana.ask(f"NICK {longest}x") == [f":mpchat.local 432 {nick} {longest}x :Erroneous nickname"]
    assert ana.ask(f"NICK {longest}") == [f":{nick}!~{nick}@127.0.0.1 NICK {longest}"]
    room = f"#{nick}".ljust(int(told["CHANNELLEN"]), "x")
    assert commands(ana.ask(f"JOIN {room}x")) in (["403"], ["476"])
    assert commands(ana.ask(f"JOIN {room}")) == ["JOIN", "353", "366"]
    assert len(room) + int(told["TOPICLEN"]) + len(f":{longest}!~{nick}@127.0.0.1 TOPIC  :") < 520
    short = f"#{nick}"
    (topic,) = ana.ask(f"JOIN {short}", f"TOPIC {short} :{'t' * 450}")[-1:]
    assert len(topic.split(" :")[1]) == int(told["TOPICLEN"])


# PASS


def test_the_right_password_lets_in(locked: Server) -> None:
    ana = locked.irc()
    ana.send("PASS :open sesame", "NICK ana", "USER ana 0 * :Ana")
    assert ana.read().startswith(":mpchat.local 001 ana ")


@pytest.mark.parametrize(
    "opening",
    [
        ["NICK eve", "USER eve 0 * :Eve"],
        ["PASS wrong", "NICK eve", "USER eve 0 * :Eve"],
        ["PASS :Open Sesame", "NICK eve", "USER eve 0 * :Eve"],
        ["PASS :open sesame2", "NICK eve", "USER eve 0 * :Eve"],
        ["PASS *", "NICK eve", "USER eve 0 * :Eve"],
        ["PASS :open sesame", "PASS wrong", "USER eve 0 * :Eve", "NICK eve"],
        ["NICK eve", "USER eve 0 * :Eve", "PASS :open sesame"],
        ["CAP LS 302", "PASS wrong", "NICK eve", "USER eve 0 * :Eve", "CAP END"],
    ],
    ids=["none", "wrong", "case", "longer", "a star", "the last one counts", "too late", "with CAP"],
)
def test_without_the_right_password_464_error_and_the_end(locked: Server, opening: list[str]) -> None:
    eve = locked.irc()
    eve.send(*opening)
    told = [line for line in eve.rest() if command(line) != "CAP"]
    assert told == [
        ":mpchat.local 464 eve :Password incorrect",
        "ERROR :Closing link: 127.0.0.1 (Bad password)",
    ]


def test_the_last_of_two_passwords_counts(locked: Server) -> None:
    ana = locked.irc()
    ana.send("PASS wrong", "PASS :open sesame", "NICK ana2", "USER ana 0 * :Ana")
    assert ana.read().startswith(":mpchat.local 001 ana2 ")


def test_a_refused_ones_nick_is_free(locked: Server) -> None:
    eve = locked.irc()
    eve.send("NICK mine", "USER eve 0 * :Eve")
    eve.rest()
    ana = locked.irc()
    ana.send("PASS :open sesame", "NICK mine", "USER ana 0 * :Ana")
    assert command(ana.read()) == "001"


def test_an_empty_password_is_none(locked: Server) -> None:
    ana = locked.irc()
    assert ana.ask("PASS", "PASS :") == [":mpchat.local 461 * PASS :Not enough parameters"] * 2


def test_where_no_password_is_asked_for_any_will_do(server: Server, nicks: Iterator[str]) -> None:
    ana = server.irc()
    ana.send("PASS whatever", f"NICK {next(nicks)}", "USER ana 0 * :Ana")
    assert command(ana.read()) == "001"


@pytest.mark.parametrize("line", ["PASS again", "USER ana 0 * :Another"])
def test_nobody_registers_twice(server: Server, nicks: Iterator[str], line: str) -> None:
    ana = server.irc(next(nicks))
    assert ana.ask(line) == [f":mpchat.local 462 {ana.nick} :You may not reregister"]


# USER


@pytest.mark.parametrize("line", ["USER", "USER ana", "USER ana 0 *", "USER ana 0 * :", "USER : 0 * :Ana"])
def test_user_needs_all_its_parameters_and_may_be_repeated(server: Server, nicks: Iterator[str], line: str) -> None:
    nick, ana = next(nicks), server.irc()
    assert ana.ask(line, f"NICK {nick}") == [":mpchat.local 461 * USER :Not enough parameters"]
    assert commands(ana.ask("USER ana 0 * :Ana"))[0] == "001"


def test_who_somebody_is_everybody_may_know(server: Server, nicks: Iterator[str]) -> None:
    nick, ana = next(nicks), server.irc()
    ana.send(f"NICK {nick}", "USER ana ignored ignored :Ana Ñandú :-)")
    greeting(ana)
    assert ana.ask(f"WHOIS {nick}")[0] == f":mpchat.local 311 {nick} {nick} ~ana 127.0.0.1 * :Ana Ñandú :-)"


@pytest.mark.parametrize("user", ["a!b", "a@b", "!", "a!b@c"])
def test_a_username_cannot_forge_a_prefix(server: Server, nicks: Iterator[str], user: str) -> None:
    nick, ana = next(nicks), server.irc()
    answer = ana.ask(f"NICK {nick}", f"USER {user} 0 * :Ana")[0]
    if command(answer) == "001":
        assert re.search(rf"{nick}![^!@]+@127\.0\.0\.1$", answer)
    else:
        assert command(answer) == "468"


# Nicknames


@pytest.mark.parametrize(
    "nick",
    [
        "a",
        "Z",
        "a1",
        "a-b",
        "[a]",
        "{a}",
        "\\a",
        "|a|",
        "`a",
        "^a",
        "_a_",
        "José",
        "Иван",
        "Ελένη",
        "さくら",
        "花子",
        "김철수",
    ],
)
def test_a_nickname_may_be(server: Server, nicks: Iterator[str], nick: str) -> None:
    ana = server.irc(next(nicks))
    assert ana.ask(f"NICK {nick}") == [f":{ana.nick}!~{ana.nick}@127.0.0.1 NICK {nick}"]
    assert ana.ask(f"WHOIS {nick}")[0].startswith(f":mpchat.local 311 {nick} {nick} ")
    ana.send("QUIT")
    ana.rest()


@pytest.mark.parametrize(
    "nick",
    [
        *(
            "*",
            "1a",
            "-a",
            "#a",
            "&a",
            "@a",
            "+a",
            "a b",
            "a,b",
            "a!b",
            "a@b",
            "a.b",
            "a*",
            "a?",
            "a:b",
            "a#b",
            "~a",
            "a/b",
        ),
        *("x" * 31, "ñ" * 16, "a\xa0b", "a\u200bb", "a\u0301", "Jose\u0301", "p\u0430ypal", "😃", "٣a", "a²"),
    ],
)
def test_a_nickname_may_not_be(server: Server, nicks: Iterator[str], nick: str) -> None:
    shown = nick.split(" ")[0]
    ana = server.irc()
    assert ana.ask(f"NICK :{nick}") == [f":mpchat.local 432 * {shown} :Erroneous nickname"]
    ana.register(next(nicks))
    assert ana.ask(f"NICK :{nick}") == [f":mpchat.local 432 {ana.nick} {shown} :Erroneous nickname"]
    assert ana.ask("WHOIS " + ana.nick)[0].split(" ")[1] == "311"  # still the old one


@pytest.mark.parametrize("line", ["NICK", "NICK :"])
def test_no_nickname_given(server: Server, nicks: Iterator[str], line: str) -> None:
    ana = server.irc()
    assert ana.ask(line) == [":mpchat.local 431 * :No nickname given"]
    ana.register(next(nicks))
    assert ana.ask(line) == [f":mpchat.local 431 {ana.nick} :No nickname given"]


def test_a_taken_nickname(server: Server, nicks: Iterator[str]) -> None:
    nick, other = next(nicks), next(nicks)
    ana, beto = server.irc(nick), server.irc()
    assert ana.sync() == []
    for same in (nick, nick.upper()):
        assert beto.ask(f"NICK {same}") == [f":mpchat.local 433 * {same} :Nickname is already in use"]
    beto.register(other)
    for same in (nick, nick.title()):
        assert beto.ask(f"NICK {same}") == [f":mpchat.local 433 {other} {same} :Nickname is already in use"]


def test_case_is_folded_beyond_ascii(server: Server, nicks: Iterator[str]) -> None:
    ana, beto = server.irc(next(nicks)), server.irc(next(nicks))
    ana.ask("NICK Straße")
    for same in ("STRASSE", "straße", "strasse"):
        assert commands(beto.ask(f"NICK {same}")) == ["433"]
    ana.send("QUIT")
    ana.rest()


def test_case_is_folded_as_ascii_says(server: Server, nicks: Iterator[str]) -> None:
    """CASEMAPPING=ascii: the brackets are letters of their own, not lower and upper case of each other."""
    nick, ana, beto = next(nicks), server.irc(), server.irc()
    ana.register(f"[{nick}]")
    assert command(beto.register(f"{{{nick}}}")[0]) == "001"


@pytest.mark.parametrize("first_to_finish", [0, 1])
def test_of_two_half_registered_with_one_nick_exactly_one_wins(
    server: Server, nicks: Iterator[str], first_to_finish: int
) -> None:
    nick, other = next(nicks), next(nicks)
    both = [server.irc(), server.irc()]
    heard: list[list[str]] = [client.ask(f"NICK {nick}") for client in both]
    for number in (first_to_finish, 1 - first_to_finish):
        heard[number] += both[number].ask(f"USER user{number} 0 * :Somebody")
    winners = [number for number in (0, 1) if "001" in commands(heard[number])]
    assert len(winners) == 1
    loser = 1 - winners[0]
    assert commands(heard[loser]) == ["433"]
    assert both[loser].ask(f"NICK {other}")[0].startswith(f":mpchat.local 001 {other} ")


def test_a_half_registered_ones_nick_is_free_when_they_give_up(server: Server, nicks: Iterator[str]) -> None:
    nick = next(nicks)
    ana, beto = server.irc(), server.irc()
    ana.ask(f"NICK {nick}")
    ana.send("QUIT")
    assert commands(ana.rest()) == ["ERROR"]
    assert commands(beto.ask(f"NICK {nick}", "USER beto 0 * :Beto"))[0] == "001"


# Changing it


def test_a_change_is_seen_once_by_everybody_who_shares_a_channel(
    server: Server, nicks: Iterator[str], channel: str
) -> None:
    ana, beto, stranger = (server.irc(next(nicks)) for _ in range(3))
    for room in (channel, channel + "b", channel + "c"):
        ana.join(room)
        beto.join(room)
    ana.sync()
    new = next(nicks)
    seen = [f":{ana.nick}!~{ana.nick}@127.0.0.1 NICK {new}"]
    assert ana.ask(f"NICK {new}") == seen
    assert beto.sync() == seen
    assert stranger.sync() == []
    ana.send(f"PRIVMSG {channel} :it is me")
    assert beto.read() == f":{new}!~{ana.nick}@127.0.0.1 PRIVMSG {channel} :it is me"
    assert f"@{new}" in beto.ask(f"NAMES {channel}")[0]


def test_a_change_without_any_channel_is_seen_by_oneself(server: Server, nicks: Iterator[str]) -> None:
    ana, new = server.irc(next(nicks)), next(nicks)
    assert ana.ask(f"NICK {new}") == [f":{ana.nick}!~{ana.nick}@127.0.0.1 NICK {new}"]
    assert ana.ask("NOSUCH") == [f":mpchat.local 421 {new} NOSUCH :Unknown command"]


def test_only_the_case_may_change(server: Server, nicks: Iterator[str], channel: str) -> None:
    ana, beto = server.irc(next(nicks)), server.irc(next(nicks))
    ana.join(channel)
    beto.join(channel)
    ana.sync()
    seen = [f":{ana.nick}!~{ana.nick}@127.0.0.1 NICK {ana.nick.upper()}"]
    assert ana.ask(f"NICK {ana.nick.upper()}") == seen
    assert beto.sync() == seen


def test_the_same_nick_again_is_silent(server: Server, nicks: Iterator[str], channel: str) -> None:
    ana, beto = server.irc(next(nicks)), server.irc(next(nicks))
    ana.join(channel)
    beto.join(channel)
    ana.sync()
    assert ana.ask(f"NICK {ana.nick}") == []
    assert beto.sync() == []


def test_the_old_nick_is_free_at_once(server: Server, nicks: Iterator[str]) -> None:
    ana, beto = server.irc(next(nicks)), server.irc(next(nicks))
    new = next(nicks)
    assert len(ana.ask(f"NICK {new}")) == 1
    assert beto.ask(f"NICK {ana.nick}") == [f":{beto.nick}!~{beto.nick}@127.0.0.1 NICK {ana.nick}"]
    beto.send(f"PRIVMSG {new} :thank you")
    assert ana.read() == f":{ana.nick}!~{beto.nick}@127.0.0.1 PRIVMSG {new} :thank you"


def test_a_refused_change_changes_nothing(server: Server, nicks: Iterator[str]) -> None:
    ana, beto = server.irc(next(nicks)), server.irc(next(nicks))
    assert commands(ana.ask(f"NICK {beto.nick}", "NICK 9")) == ["433", "432"]
    beto.send(f"PRIVMSG {ana.nick} :still you?")
    assert ana.read() == f":{beto.nick}!~{beto.nick}@127.0.0.1 PRIVMSG {ana.nick} :still you?"


# QUIT


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("QUIT :gone fishing", "Quit: gone fishing"),
        ("QUIT bye", "Quit: bye"),
        ("QUIT", "Client quit"),
        ("QUIT :", "Client quit"),
    ],
)
def test_quit_is_answered_by_error_and_the_end_and_others_see_it_once(
    server: Server, nicks: Iterator[str], channel: str, line: str, reason: str
) -> None:
    ana, beto, stranger = (server.irc(next(nicks)) for _ in range(3))
    for room in (channel, channel + "b"):
        ana.join(room)
        beto.join(room)
    ana.sync()
    ana.send(line, f"PRIVMSG {channel} :too late")
    assert ana.rest() == [f"ERROR :Closing link: 127.0.0.1 ({reason})"]
    assert beto.sync() == [f":{ana.nick}!~{ana.nick}@127.0.0.1 QUIT :{reason}"]
    assert stranger.sync() == []
    assert commands(beto.ask(f"WHOIS {ana.nick}")) == ["401", "318"]


def test_after_quit_the_nick_is_free(server: Server, nicks: Iterator[str]) -> None:
    ana = server.irc(next(nicks))
    ana.send("QUIT")
    ana.rest()
    assert command(server.irc().register(ana.nick)[0]) == "001"


def test_what_was_said_before_quit_arrives(server: Server, nicks: Iterator[str], channel: str) -> None:
    ana, beto = server.irc(next(nicks)), server.irc(next(nicks))
    beto.join(channel)
    ana.send(f"JOIN {channel}", f"PRIVMSG {channel} :hello and goodbye", "QUIT")
    assert commands(beto.until("QUIT")) == ["JOIN", "PRIVMSG", "QUIT"]


@pytest.mark.parametrize(
    "opening", [[], ["NICK {}"], ["USER eve 0 * :Eve"], ["CAP LS 302", "NICK {}", "USER e 0 * :Eve"]]
)
def test_quit_before_registration(server: Server, nicks: Iterator[str], opening: list[str]) -> None:
    eve, nick = server.irc(), next(nicks)
    eve.send(*(line.format(nick) for line in opening), "QUIT :never mind")
    assert eve.rest()[-1] == "ERROR :Closing link: 127.0.0.1 (Quit: never mind)"


def test_who_just_hangs_up_is_seen_to_go(server: Server, nicks: Iterator[str], channel: str) -> None:
    ana, beto = server.irc(next(nicks)), server.irc(next(nicks))
    ana.join(channel)
    beto.join(channel)
    ana.close()
    assert beto.read().startswith(f":{ana.nick}!~{ana.nick}@127.0.0.1 QUIT :")


# How real clients begin


def test_irssi_comes_in(server: Server, nicks: Iterator[str], channel: str) -> None:
    """It says JOIN : before NICK and waits for an answer to each line; a channel is synced after 324, 315 and 368."""
    nick, irssi = next(nicks), server.irc()
    irssi.send("CAP LS 302", "JOIN :")
    offer = irssi.read()
    assert offer.startswith(":mpchat.local CAP * LS :")
    assert "server-time" in offer
    assert irssi.read() == ":mpchat.local 451 * :You have not registered"
    irssi.send("CAP REQ :server-time", f"NICK {nick}", f"USER {nick} {nick} 127.0.0.1 :Ana")
    assert irssi.read() == ":mpchat.local CAP * ACK :server-time"
    assert irssi.sync() == []  # nobody enters before CAP END
    irssi.send("CAP END")
    assert "001" in commands(greeting(irssi))
    irssi.send(f"MODE {nick} +i")
    assert irssi.read().endswith(f":{nick}!~{nick}@127.0.0.1 MODE {nick} +i")
    irssi.send(f"JOIN {channel}")
    assert commands(irssi.until("366")) == ["JOIN", "353", "366"]
    irssi.send(f"MODE {channel}", f"WHO {channel}", f"MODE {channel} b")
    assert commands(irssi.until("368")) == ["324", "329", "352", "315", "368"]


def test_weechat_comes_in(server: Server, nicks: Iterator[str], channel: str) -> None:
    nick, weechat = next(nicks), server.irc()
    weechat.send("CAP LS 302", f"NICK {nick}", f"USER {nick} 0 * :{nick}")
    offered = set(weechat.read().split(" :")[1].split())
    wanted = sorted(offered & {"echo-message", "multi-prefix", "server-time"})
    weechat.send(f"CAP REQ :{' '.join(wanted)}")
    assert weechat.read() == f":mpchat.local CAP {nick} ACK :{' '.join(wanted)}"
    weechat.send("CAP END")
    assert "001" in commands(greeting(weechat))
    weechat.send(f"JOIN {channel}")
    assert commands(weechat.until("366")) == ["JOIN", "353", "366"]
    weechat.send(f"MODE {channel}", f"WHO {channel}")
    assert commands(weechat.until("315")) == ["324", "329", "352", "315"]
    assert all(line.startswith("@time=") for line in weechat.ask(f"TOPIC {channel}"))


# A web page that makes its reader's browser speak here

_EVIL = "NICK evil\r\nUSER evil 0 * :Evil\r\nJOIN #lobby\r\nPRIVMSG #lobby :gotcha\r\n"
_HEADERS = f"Host: 127.0.0.1:6667\r\nContent-Type: text/plain\r\nContent-Length: {len(_EVIL)}\r\n\r\n"


@pytest.mark.parametrize("target", ["/", "/" + "x" * 600, "/" + "x" * 20_000])
@pytest.mark.parametrize("method", ["POST", "GET", "PUT", "OPTIONS"])
def test_a_request_of_the_web_is_refused_with_all_that_came_with_it(server: Server, method: str, target: str) -> None:
    witness = server.plain("witness")
    browser = server.irc()

    browser.send_bytes(f"{method} {target} HTTP/1.1\r\n{_HEADERS}{_EVIL}".encode())

    assert browser.rest()[-1] == "ERROR :Closing link: 127.0.0.1 (This is not a web server)"
    assert witness.ask() == []
    witness.close()
