"""Plain text, as somebody sees it who has nothing but nc: both alone and in one room with IRC clients."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator

import pytest

from tests.running import IrcClient, PlainClient, Server

PUTTY = bytes.fromhex("fffb1f fffb20 fffb18 fffb27 fffd01 fffb03 fffd03")  # what it sends before anything is typed
_TIME = re.compile(r"^\[(?:[01]\d|2[0-3]):[0-5]\d\] ")


def timeless(lines: list[str]) -> list[str]:
    """What happened, each line with the hour it begins with taken off; answers have none and stay as they are."""
    return [_TIME.sub("@ ", line) for line in lines]


def enter(server: Server, nick: str, room: str) -> PlainClient:
    """Somebody who has read everything about their arrival in a room."""
    client = server.plain(nick)
    if room != "#lobby":
        client.send(f"/join {room}")
        client.expect(f"* in {room}: ")
    return client


def irc_in(server: Server, nick: str, room: str) -> IrcClient:
    client = server.irc(nick)
    client.join(room)
    return client


# The way in


def test_the_greeting_says_what_to_do(server: Server) -> None:
    newcomer = server.plain()
    assert newcomer.read_raw() == b"Welcome to mpchat.\n"
    assert newcomer.read_raw() == b"Type your nickname and press Enter.\n"


def test_the_first_line_is_the_nickname_and_leads_into_the_lobby(server: Server, nicks: Iterator[str]) -> None:
    nick = next(nicks)
    newcomer = server.plain()
    newcomer.expect("Type your nickname")
    newcomer.send(nick)
    assert newcomer.read() == f"* you are {nick}; /help shows the commands, everything else you type is said"
    assert timeless([newcomer.read()]) == [f"@ * {nick} joined"]
    assert re.fullmatch(rf"\* in #lobby: (\S+, )*{nick}", newcomer.read())


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        ("", "! type a nickname"),
        (
            "1ana",
            "! 1ana cannot be a nickname: letters, digits and []\\`_^{}|- (no digit or - first), at most 30 bytes",
        ),
        ("ana maria", "! ana maria cannot be a nickname:"),
        ("ana!x", "! ana!x cannot be a nickname:"),
        ("#ana", "! #ana cannot be a nickname:"),
        ("a" * 31, "! " + "a" * 31 + " cannot be a nickname:"),
        ("/who", "! first a nickname: type it and press Enter"),
        ("/msg ana hola", "! first a nickname: type it and press Enter"),
        ("/nick", "! type a nickname"),
    ],
)
def test_a_bad_nickname_is_refused_and_asked_for_again(
    server: Server, nicks: Iterator[str], typed: str, answer: str
) -> None:
    newcomer = server.plain()
    newcomer.expect("Type your nickname")
    newcomer.send(typed)
    assert newcomer.read().startswith(answer)
    nick = next(nicks)
    newcomer.send(nick)
    assert newcomer.read().startswith(f"* you are {nick};")


def test_a_taken_nickname_is_refused_whatever_its_case_and_dialect(server: Server, nicks: Iterator[str]) -> None:
    plain_nick, irc_nick = next(nicks), next(nicks)
    server.plain(plain_nick)
    server.irc(irc_nick)
    newcomer = server.plain()
    newcomer.expect("Type your nickname")
    newcomer.send(plain_nick, plain_nick.upper(), irc_nick)
    for nick in (plain_nick, plain_nick.upper(), irc_nick):
        assert newcomer.read() == f"! {nick} is taken, try another nickname"
    other = server.irc()
    other.send(f"NICK {plain_nick}")
    assert other.read() == f":mpchat.local 433 * {plain_nick} :Nickname is already in use"


def test_a_nickname_may_be_in_somebodys_own_language(server: Server) -> None:
    newcomer = server.plain()
    newcomer.expect("Type your nickname")
    newcomer.send("Iñaki")
    assert newcomer.read().startswith("* you are Iñaki;")


def test_a_newcomer_can_read_the_help_and_leave(server: Server) -> None:
    newcomer = server.plain()
    newcomer.expect("Type your nickname")
    newcomer.send("/help", "/quit")
    assert newcomer.read().startswith("* /nick NAME ")
    assert newcomer.rest()[-1] == "* goodbye (Client quit)"


# Speaking


def test_what_is_typed_is_said_in_the_lobby(server: Server, nicks: Iterator[str]) -> None:
    ana, beto = next(nicks), next(nicks)
    speaker, listener = server.plain(ana), server.plain(beto)
    speaker.send("hola")
    assert re.fullmatch(rf"\[([01]\d|2[0-3]):[0-5]\d\] <{ana}> hola", listener.expect("hola"))


def test_ones_own_line_is_not_echoed(server: Server, channel: str, nicks: Iterator[str]) -> None:
    ana = enter(server, next(nicks), channel)
    assert ana.ask("hola", "¿hay alguien?", "/me waits") == []


def test_lines_arrive_in_order_once_and_as_they_were(server: Server, channel: str, nicks: Iterator[str]) -> None:
    nick = next(nicks)
    ana, beto = enter(server, nick, channel), enter(server, next(nicks), channel)
    ana.ask(*(f"line {number} ¡ñandú! 你好" for number in range(50)))
    assert timeless(beto.ask()) == [f"@ <{nick}> line {number} ¡ñandú! 你好" for number in range(50)]


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_line_may_end_in_either_way(server: Server, channel: str, nicks: Iterator[str], end: bytes) -> None:
    nick = next(nicks)
    ana, beto = enter(server, nick, channel), enter(server, next(nicks), channel)
    ana.send_bytes(b"uno" + end + b"dos" + end)
    ana.ask()
    assert timeless(beto.ask()) == [f"@ <{nick}> uno", f"@ <{nick}> dos"]


def test_the_invisible_are_hidden_from_strangers_here_too(server: Server, channel: str, nicks: Iterator[str]) -> None:
    ghost, ana = server.irc(next(nicks)), server.plain(next(nicks))
    ghost.join(channel)
    assert ana.ask(f"/who {channel}") == [f"* in {channel}: {ghost.nick}"]
    ghost.ask(f"MODE {ghost.nick} +i")
    assert ana.ask(f"/who {channel}") == [f"* nobody to see in {channel}"]


def test_an_empty_line_says_nothing(server: Server, channel: str, nicks: Iterator[str]) -> None:
    beto, ana = enter(server, next(nicks), channel), enter(server, next(nicks), channel)
    beto.ask()
    assert ana.ask("", "   ", "\t") == []
    assert beto.ask() == []


def test_two_slashes_say_one(server: Server, channel: str, nicks: Iterator[str]) -> None:
    nick = next(nicks)
    ana, beto = enter(server, nick, channel), enter(server, next(nicks), channel)
    ana.ask("//etc/passwd", "a /quit b")
    assert timeless(beto.ask()) == [f"@ <{nick}> /etc/passwd", f"@ <{nick}> a /quit b"]


def test_bytes_that_are_not_text_are_refused_and_the_next_line_is_said(
    server: Server, channel: str, nicks: Iterator[str]
) -> None:
    nick = next(nicks)
    beto, ana = enter(server, next(nicks), channel), enter(server, nick, channel)
    beto.ask()
    ana.send_bytes(b"se\xf1or\nse\xc3\xb1or\n")
    assert ana.ask() == ["! that was not UTF-8 text, nothing was sent"]
    assert timeless(beto.ask()) == [f"@ <{nick}> señor"]


def test_a_message_too_long_is_cut_for_everybody_and_its_sender_is_told(
    server: Server, channel: str, nicks: Iterator[str]
) -> None:
    nick = next(nicks)
    irc, beto, ana = (
        irc_in(server, next(nicks), channel),
        enter(server, next(nicks), channel),
        enter(server, nick, channel),
    )
    head = f":{nick}!~plain@127.0.0.1 PRIVMSG {channel} :"
    room = 510 - len(head)  # IRC's 512 bytes with CR LF
    kept = "ñ" * (room // 2)  # never half a character
    assert ana.ask("ñ" * 400) == [f"! that was too long: only its first {len(kept.encode())} bytes were sent"]
    assert irc.sync()[-1] == head + kept
    assert timeless(beto.ask())[-1] == f"@ <{nick}> {kept}"
    assert ana.ask("x" * room) == []  # just short enough
    assert irc.sync() == [head + "x" * room]
    assert ana.ask("/me " + "y" * 600) == [f"! that was too long: only its first {room} bytes were sent"]
    assert irc.sync() == [head + "\x01ACTION " + "y" * (room - 9) + "\x01"]  # still an action


def test_a_line_longer_than_anybody_can_take_is_refused_once(
    server: Server, channel: str, nicks: Iterator[str]
) -> None:
    nick = next(nicks)
    ana, beto = enter(server, nick, channel), enter(server, next(nicks), channel)
    assert ana.ask("x" * 100_000, "hola")[-1:] == ["! that line was too long, nothing was sent"]
    assert timeless(beto.ask()) == [f"@ <{nick}> hola"]


@pytest.mark.parametrize(
    ("typed", "heard"),
    [
        ("a\x1b[2Jb", "a[2Jb"),  # ESC: clears a terminal
        ("a\x9b2Jb", "a2Jb"),  # the same in one character
        ("a\rb", "ab"),  # back to the start of the line
        ("a\x08\x07\x00b", "ab"),
        ("abc\u202edef", "abcdef"),  # turns the text around
        ("a\tb", "a b"),
    ],
)
def test_what_a_terminal_would_obey_is_never_relayed(
    server: Server, channel: str, nicks: Iterator[str], typed: str, heard: str
) -> None:
    nick = next(nicks)
    irc, beto, ana = (
        irc_in(server, next(nicks), channel),
        enter(server, next(nicks), channel),
        enter(server, nick, channel),
    )
    ana.ask(typed)
    assert irc.sync()[-1] == f":{nick}!~plain@127.0.0.1 PRIVMSG {channel} :{heard}"
    assert timeless(beto.ask())[-1] == f"@ <{nick}> {heard}"


# Commands


def test_nick_tells_everybody_in_the_room_and_oneself(server: Server, channel: str, nicks: Iterator[str]) -> None:
    before, after = next(nicks), next(nicks)
    ana, beto = enter(server, before, channel), enter(server, next(nicks), channel)
    ana.ask()
    assert timeless(ana.ask(f"/nick {after}")) == [f"@ * {before} is now {after}"]
    assert timeless(beto.ask()) == [f"@ * {before} is now {after}"]
    assert timeless(beto.ask(f"/nick {before}"))[0].endswith(f"is now {before}")  # it was free at once
    ana.ask()
    assert ana.ask(f"/nick {before.upper()}") == [f"! {before.upper()} is taken, try another nickname"]
    assert ana.ask("/nick") == ["! type a nickname"]
    assert ana.ask(f"/nick {after}") == [f"* you are {after} already"]
    assert timeless(ana.ask(f"/nick {after.upper()}")) == [f"@ * {after} is now {after.upper()}"]  # only its case


def test_join_moves_from_one_room_to_the_next(server: Server, channel: str, nicks: Iterator[str]) -> None:
    nick = next(nicks)
    there, here = irc_in(server, next(nicks), channel + "b"), irc_in(server, next(nicks), channel)
    ana = enter(server, nick, channel)
    here.sync()
    assert timeless(ana.ask(f"/join {channel}b")) == [
        f"@ * {nick} left",
        f"@ * {nick} joined",
        f"* in {channel}b: {there.nick}, {nick}",
    ]
    assert [line.replace(":#", "#") for line in here.sync()] == [f":{nick}!~plain@127.0.0.1 PART {channel}"]
    assert there.sync() == [f":{nick}!~plain@127.0.0.1 JOIN {channel}b"]
    ana.ask("hola")
    assert there.sync() == [f":{nick}!~plain@127.0.0.1 PRIVMSG {channel}b :hola"]
    assert here.sync() == []
    assert ana.ask(f"/join {channel.upper()}B") == [f"* you are in {channel}b already"]
    assert timeless(there.ask(f"WHOIS {nick}"))[1].endswith(f":{channel}b")  # one room at a time


def test_join_shows_the_topic(server: Server, channel: str, nicks: Iterator[str]) -> None:
    irc, ana = irc_in(server, next(nicks), channel), enter(server, next(nicks), "#lobby")
    irc.ask(f"TOPIC {channel} :homework is due on Friday")
    ana.send(f"/join {channel}")
    ana.expect(f"* in {channel}: ")
    assert ana.ask() == ["* topic: homework is due on Friday"]


def test_part_leads_back_to_the_lobby(server: Server, channel: str, nicks: Iterator[str]) -> None:
    nick = next(nicks)
    beto, ana = enter(server, next(nicks), channel), enter(server, nick, channel)
    ana.send("/part")
    assert re.fullmatch(rf"\* in #lobby: (\S+, )*{nick}", ana.expect("* in "))
    assert timeless(beto.ask()) == [f"@ * {nick} joined", f"@ * {nick} left"]
    assert ana.ask("/part") == ["* you are in #lobby already"]


def test_msg_is_for_one_person_only(server: Server, channel: str, nicks: Iterator[str]) -> None:
    nick = next(nicks)
    beto, carla, ana = (
        enter(server, next(nicks), channel + "b"),  # in another room: a private message finds its way
        enter(server, second := next(nicks), channel),
        enter(server, nick, channel),
    )
    carla.ask()
    assert ana.ask(f"/msg {second}  psst: hola ") == []
    assert timeless(carla.ask()) == [f"@ <{nick} -> you> psst: hola"]
    assert beto.ask() == []
    assert carla.ask(f"/msg {nick.upper()} ¿sí?") == []
    assert timeless(ana.ask()) == [f"@ <{second} -> you> ¿sí?"]


def test_me_says_what_one_does(server: Server, channel: str, nicks: Iterator[str]) -> None:
    nick = next(nicks)
    irc, beto, ana = (
        irc_in(server, next(nicks), channel),
        enter(server, next(nicks), channel),
        enter(server, nick, channel),
    )
    assert ana.ask("/me waves") == []
    assert timeless(beto.ask())[-1] == f"@ <*{nick}> waves"
    assert irc.sync()[-1] == f":{nick}!~plain@127.0.0.1 PRIVMSG {channel} :\x01ACTION waves\x01"


def test_who_shows_who_is_there(server: Server, channel: str, nicks: Iterator[str]) -> None:
    first, second = next(nicks), next(nicks)
    irc_in(server, first, channel)
    ana = enter(server, second, channel)
    assert ana.ask("/who") == [f"* in {channel}: {first}, {second}"]
    assert ana.ask(f"/who {channel.upper()}") == [f"* in {channel}: {first}, {second}"]
    assert ana.ask(f"/who {channel[1:]}") == [f"* in {channel}: {first}, {second}"], "a # is easily forgotten"
    assert ana.ask(f"/who {channel}x") == [f"! there is no room {channel}x"]


def test_rooms_shows_the_rooms_but_no_secret_ones(server: Server, channel: str, nicks: Iterator[str]) -> None:
    irc = irc_in(server, next(nicks), channel)
    irc.ask(f"TOPIC {channel} :homework")
    irc.join(channel + "secret")
    irc.ask(f"MODE {channel}secret +s")
    ana = enter(server, next(nicks), "#lobby")
    rooms = ana.ask("/rooms")
    assert f"* {channel} (1)  homework" in rooms
    assert not [room for room in rooms if "secret" in room]
    for name in (f"{channel}secret", f"{channel}nothing"):
        assert ana.ask(f"/who {name}", f"/who {name[1:]}") == [f"! there is no room {name}"] * 2


def test_help_shows_what_one_can_do_now_with_its_words_in_one_column(server: Server, nicks: Iterator[str]) -> None:
    ana = enter(server, next(nicks), "#lobby")
    ana.ask()
    answer = [line for line in ana.ask("/help") if line.startswith("* ")]
    assert [line.split()[1] for line in answer] == [
        *("/nick", "/join", "/part", "/msg", "/me", "/away", "/who", "/whois", "/rooms", "/history"),
        *("/search", "/topic", "/invite", "/kick", "/op", "/mode", "/lang", "/help", "/register", "/login", "/quit"),
        "//text",
    ]
    assert {line[24] for line in answer} == {" "}
    assert not [line for line in answer if line[25] == " "]


def test_quit_says_goodbye_and_the_others_hear_why(server: Server, channel: str, nicks: Iterator[str]) -> None:
    nick = next(nicks)
    irc, beto, ana = (
        irc_in(server, next(nicks), channel),
        enter(server, next(nicks), channel),
        enter(server, nick, channel),
    )
    ana.ask()
    ana.send("/quit hasta luego")
    assert ana.rest() == ["* goodbye (Quit: hasta luego)"]
    assert timeless(beto.ask())[-1] == f"@ * {nick} quit (Quit: hasta luego)"
    assert irc.sync()[-1] == f":{nick}!~plain@127.0.0.1 QUIT :Quit: hasta luego"


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        ("/jion #x", "! there is no /jion, did you mean /join?"),
        ("/NICKK x", "! there is no /NICKK, did you mean /nick?"),
        ("/xyzzy", "! there is no /xyzzy, /help shows the commands"),
        ("/", "! a command stands right behind its slash: /help shows them, // says a slash"),
    ],
)
def test_an_unknown_command_is_never_said_but_answered(
    server: Server, channel: str, nicks: Iterator[str], typed: str, hint: str
) -> None:
    beto, ana = enter(server, next(nicks), channel), enter(server, next(nicks), channel)
    beto.ask()
    assert ana.ask(typed) == [hint]
    assert beto.ask() == []


def test_commands_work_in_any_case(server: Server, channel: str, nicks: Iterator[str]) -> None:
    nick = next(nicks)
    ana = enter(server, nick, channel)
    assert ana.ask("/WHO") == [f"* in {channel}: {nick}"]


# Refusals: each is one line, and everything is as it was before


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        ("/join", "! how to use it: /join #ROOM [KEY]"),
        ("/join #", "! # cannot be a room's name"),
        ("/join #a,b", "! #a,b cannot be a room's name"),
        ("/join #" + "x" * 64, "! #" + "x" * 64 + " cannot be a room's name"),
        ("/msg nobody-of-this-name hola", "! nobody here is called nobody-of-this-name"),
        ("/msg #no-such-room hola", "! there is no room #no-such-room"),
        ("/msg #lobby hola", "! you may not speak in #lobby"),  # not from outside
        ("/msg", "! how to use it: /msg NICK TEXT"),
        ("/me", "! say what?"),
        ("/who #no-such-room", "! there is no room #no-such-room"),
        (
            "/nick 1ana",
            "! 1ana cannot be a nickname: letters, digits and []\\`_^{}|- (no digit or - first), at most 30 bytes",
        ),
        ("/pass x", "! no password is needed"),
    ],
)
def test_refusals(server: Server, channel: str, nicks: Iterator[str], typed: str, answer: str) -> None:
    nick = next(nicks)
    ana = enter(server, nick, channel)
    assert ana.ask(typed) == [answer]
    assert ana.ask("/who") == [f"* in {channel}: {nick}"]


def test_msg_without_a_text_is_refused(server: Server, channel: str, nicks: Iterator[str]) -> None:
    nick = next(nicks)
    assert enter(server, nick, channel).ask(f"/msg {nick}") == ["! say what?"]


@pytest.mark.parametrize(
    ("mode", "answer"),
    [
        ("+k sesame", "! {0} needs its key: /join {0} KEY"),
        ("+i", "! {0} is for invited people only"),
        ("+l 1", "! {0} is full"),
        ("+b *!*@127.0.0.1", "! you are banned from {0}"),
    ],
)
def test_a_closed_room_leaves_people_where_they_were(
    server: Server, channel: str, nicks: Iterator[str], mode: str, answer: str
) -> None:
    nick = next(nicks)
    op, ana = irc_in(server, next(nicks), channel), enter(server, nick, channel + "b")
    op.ask(f"MODE {channel} {mode}")
    assert ana.ask(f"/join {channel}", "/who") == [answer.format(channel), f"* in {channel}b: {nick}"]
    assert op.sync() == []


def test_a_key_and_an_invitation_open_doors(server: Server, channel: str, nicks: Iterator[str]) -> None:
    nick = next(nicks)
    op, ana = irc_in(server, next(nicks), channel), enter(server, nick, channel + "b")
    op.ask(f"MODE {channel} +ik sesame", f"INVITE {nick} {channel}")
    assert timeless(ana.ask()) == [f"@ * {op.nick} invites you: /join {channel}, and behind it the key if it has one"]
    assert timeless(ana.ask(f"/join {channel} sesame"))[-1] == f"* in {channel}: {op.nick}, {nick}"


def test_in_a_moderated_room_only_the_voiced_speak(server: Server, channel: str, nicks: Iterator[str]) -> None:
    nick = next(nicks)
    op, ana = irc_in(server, next(nicks), channel), enter(server, nick, channel)
    op.ask(f"MODE {channel} +m")
    ana.ask()
    assert ana.ask("hola") == [f"! you may not speak in {channel}"]
    op.ask(f"MODE {channel} +v {nick}")
    assert timeless(ana.ask("hola")) == [f"@ * {op.nick} set +v {nick}"]
    assert op.sync() == [f":{nick}!~plain@127.0.0.1 PRIVMSG {channel} :hola"]


# A password


def test_a_server_with_a_password_asks_for_it_first(locked: Server) -> None:
    ana = locked.plain()
    assert ana.read() == "Welcome to mpchat."
    assert ana.read() == "This server has a password: type /pass and the password."
    ana.send("ana")
    assert ana.read() == "! first the password: /pass and the password"
    ana.send("/pass open says me")
    assert ana.read() == "! that is not the password"
    ana.send("ana")
    assert ana.read() == "! first the password: /pass and the password"
    ana.send("/pass open sesame")
    assert ana.read() == "Type your nickname and press Enter."
    ana.send("ana")
    assert ana.read().startswith("* you are ana;")
    assert ana.ask("/pass open sesame")[-1] == "! no password is needed"


@pytest.mark.parametrize("at", [5, len(PUTTY), len(PUTTY) + 3, len(PUTTY) + 9])
def test_a_password_behind_telnet_commands(locked: Server, at: int) -> None:
    typed = PUTTY + b"/pass open\xff\xf1 sesame\r\n"
    putty = locked.plain()
    putty.expect("Welcome")
    putty.expect("This server has a password")
    putty.send_bytes(typed[:at])
    putty.send_bytes(typed[at:])
    assert putty.read() == "Type your nickname and press Enter."


def test_password_and_all_the_rest_in_one_go(locked: Server) -> None:
    """Lines behind a password wait for the verdict and are then taken in order, and so is the end of the input."""
    carla = locked.irc()
    carla.send("PASS :open sesame", "NICK carla", "USER carla 0 * :Carla")
    carla.until("422")
    carla.join("#lobby")
    beto = locked.plain()
    beto.send("/pass open sesame", "beto", "hola")
    beto.sock.shutdown(socket.SHUT_WR)
    assert timeless(beto.rest())[-4:] == [
        "* you are beto; /help shows the commands, everything else you type is said",
        "@ * beto joined",
        "* in #lobby: carla, beto",
        "* goodbye (Connection closed)",
    ]
    assert carla.sync() == [
        ":beto!~plain@127.0.0.1 JOIN #lobby",
        ":beto!~plain@127.0.0.1 PRIVMSG #lobby :hola",
        ":beto!~plain@127.0.0.1 QUIT :Connection closed",
    ]


# The end


def test_lines_before_the_end_of_the_input_count_and_the_output_is_complete(
    server: Server, channel: str, nicks: Iterator[str]
) -> None:
    """printf 'ana\nhola\n' | nc"""
    nick = next(nicks)
    irc = irc_in(server, next(nicks), "#lobby")
    irc.sync()
    ana = server.plain()
    ana.send_bytes(f"{nick}\nhola\nthis piece has no line end".encode())
    ana.sock.shutdown(socket.SHUT_WR)
    lines = timeless(ana.rest())
    assert lines[:4] == [
        "Welcome to mpchat.",
        "Type your nickname and press Enter.",
        f"* you are {nick}; /help shows the commands, everything else you type is said",
        f"@ * {nick} joined",
    ]
    assert lines[-1] == "* goodbye (Connection closed)"
    assert [line for line in irc.sync() if nick in line] == [
        f":{nick}!~plain@127.0.0.1 JOIN #lobby",
        f":{nick}!~plain@127.0.0.1 PRIVMSG #lobby :hola",
        f":{nick}!~plain@127.0.0.1 QUIT :Connection closed",
    ]


def test_a_client_that_just_goes_is_seen_to_go_once(server: Server, channel: str, nicks: Iterator[str]) -> None:
    nick = next(nicks)
    beto, ana = enter(server, next(nicks), channel), enter(server, nick, channel)
    ana.close()
    beto.expect(f"* {nick} quit (Connection closed)")
    assert beto.ask() == []


# Both dialects in one room


def test_both_dialects_share_one_room(server: Server, channel: str, nicks: Iterator[str]) -> None:
    irc, nick = irc_in(server, next(nicks), channel), next(nicks)
    ana = enter(server, nick, channel)
    assert irc.sync() == [f":{nick}!~plain@127.0.0.1 JOIN {channel}"]
    assert ana.ask("hola") == []
    assert irc.sync() == [f":{nick}!~plain@127.0.0.1 PRIVMSG {channel} :hola"]
    irc.ask(f"PRIVMSG {channel} :¿qué tal?")
    assert timeless(ana.ask()) == [f"@ <{irc.nick}> ¿qué tal?"]
    assert f":mpchat.local 353 {irc.nick} = {channel} :@{irc.nick} {nick}" in irc.ask(f"NAMES {channel}")
    assert irc.ask(f"WHOIS {nick}")[0] == f":mpchat.local 311 {irc.nick} {nick} ~plain 127.0.0.1 * :{nick}"


@pytest.mark.parametrize(
    ("sent", "seen"),
    [
        ("PRIVMSG {room} :\x01ACTION waves\x01", "@ <*{nick}> waves"),
        ("NOTICE {room} :dinner is ready", "@ -{nick}- dinner is ready"),
        (
            "PRIVMSG {room} :\x02bold\x02 \x0304,12red\x03 \x1dslanted\x0f \x04ff0000hex",
            "@ <{nick}> bold red slanted hex",
        ),
        ("PRIVMSG {room} :\x1fline\x1f \x16back\x16 \x11mono\x11 \x1estruck\x1e", "@ <{nick}> line back mono struck"),
        ("PRIVMSG {room} :\x033,you owe me \x0312345", "@ <{nick}> ,you owe me 345"),
        ("TOPIC {room} :\x02homework", "@ * {nick} set the topic: homework"),
        ("TOPIC {room} :", "@ * {nick} cleared the topic"),
        ("MODE {room} +k sesame", "@ * {nick} set +k sesame"),
        ("MODE {room} +m", "@ * {nick} set +m"),
        ("PART {room} :bye", "@ * {nick} left (bye)"),
        ("QUIT :bye", "@ * {nick} quit (Quit: bye)"),
    ],
)
def test_what_irc_clients_do_is_shown_in_plain_words(
    server: Server, channel: str, nicks: Iterator[str], sent: str, seen: str
) -> None:
    irc = irc_in(server, next(nicks), channel)
    ana = enter(server, next(nicks), channel)
    irc.send(sent.format(room=channel))
    line = ana.read()
    assert timeless([line]) == [seen.format(nick=irc.nick)]
    assert ana.ask() == []


def test_irc_readers_get_the_formatting_that_plain_readers_are_spared(
    server: Server, channel: str, nicks: Iterator[str]
) -> None:
    irc, other = irc_in(server, next(nicks), channel), irc_in(server, next(nicks), channel)
    irc.ask(f"PRIVMSG {channel} :\x02bold\x02 \x0304red\x03")
    assert other.sync()[-1].endswith(f" PRIVMSG {channel} :\x02bold\x02 \x0304red\x03")


def test_irc_nickname_changes_are_shown(server: Server, channel: str, nicks: Iterator[str]) -> None:
    before, after = next(nicks), next(nicks)
    irc = irc_in(server, before, channel)
    ana = enter(server, next(nicks), channel)
    irc.send(f"NICK {after}")
    assert timeless([ana.read()]) == [f"@ * {before} is now {after}"]


def test_private_messages_cross_the_dialects(server: Server, nicks: Iterator[str], channel: str) -> None:
    irc, nick = server.irc(next(nicks)), next(nicks)
    ana = enter(server, nick, channel)
    assert ana.ask(f"/msg {irc.nick} psst") == []
    assert irc.sync() == [f":{nick}!~plain@127.0.0.1 PRIVMSG {irc.nick} :psst"]
    irc.ask(f"PRIVMSG {nick} :yes?", f"PRIVMSG {nick} :\x01ACTION nods\x01", f"NOTICE {nick} :from a machine")
    assert timeless(ana.ask()) == [
        f"@ <{irc.nick} -> you> yes?",
        f"@ <*{irc.nick} -> you> nods",
        f"@ <{irc.nick} -> you> from a machine",
    ]


def test_a_plain_sender_hears_that_somebody_is_away(server: Server, nicks: Iterator[str], channel: str) -> None:
    irc, ana = server.irc(next(nicks)), enter(server, next(nicks), channel)
    irc.ask("AWAY :at lunch")
    assert ana.ask(f"/msg {irc.nick} hola") == [f"* {irc.nick} is away: at lunch"]
    assert len(irc.sync()) == 1  # and it was delivered
    irc.ask("AWAY")
    assert ana.ask(f"/msg {irc.nick} hola") == []


@pytest.mark.parametrize(("reason", "shown"), [(" :no shouting", "no shouting"), ("", "{op}")])
def test_what_who_is_kicked_was_typing_is_said_nowhere(
    server: Server, channel: str, nicks: Iterator[str], reason: str, shown: str
) -> None:
    op, nick = irc_in(server, next(nicks), channel), next(nicks)
    ana = enter(server, nick, channel)
    in_lobby = irc_in(server, next(nicks), "#lobby")
    op.sync()
    shown = shown.format(op=op.nick)
    assert op.ask(f"KICK {channel} {nick}{reason}") == [
        f":{op.nick}!~{op.nick}@127.0.0.1 KICK {channel} {nick} :{shown}"
    ]
    nowhere = "! you are in no room, so what you type goes nowhere: /join #ROOM or /join #lobby"
    assert timeless(ana.ask("el secreto de la sala es 1234", "/me lo dice")) == [
        f"@ * {op.nick} kicked {nick} out{f' ({shown})' if reason else ''}", nowhere, nowhere, nowhere
    ]  # fmt: skip
    assert [line for line in in_lobby.sync() if line.startswith(f":{nick}!")] == []
    assert timeless(ana.ask("/join #lobby", "hola"))[0] == f"@ * {nick} joined"
    assert [line for line in in_lobby.sync() if line.startswith(f":{nick}!")] == [
        f":{nick}!~plain@127.0.0.1 JOIN #lobby",
        f":{nick}!~plain@127.0.0.1 PRIVMSG #lobby :hola",
    ]
    assert op.sync() == []


# Through telnet's own programs


@pytest.mark.parametrize("line_end", [b"\r\n", b"\r\0", b"\n"])
def test_putty_is_understood(server: Server, nicks: Iterator[str], line_end: bytes) -> None:
    nick, channel = next(nicks), f"#{next(nicks)}"
    irc = irc_in(server, next(nicks), channel)
    putty = server.plain()
    putty.expect("Type your nickname")
    for piece in (PUTTY[:4], PUTTY[4:], nick.encode() + line_end):
        putty.send_bytes(piece)
    assert putty.read().startswith(f"* you are {nick};")

    putty.send_bytes(f"/join {channel}".encode() + line_end)
    putty.expect(f"* in {channel}: ")
    putty.send_bytes(b"hola\xff\xfa\x1f\x00\x0a\x00\x0a\xff\xf0 a todos" + line_end)  # the window has ten rows now

    assert irc.expect("JOIN").startswith(f":{nick}!")
    assert irc.expect("PRIVMSG").endswith(f" PRIVMSG {channel} :hola a todos")
