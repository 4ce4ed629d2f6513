"""The real client in a pty against the real server: what a person sees."""

import os
import re
import signal
import stat
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.client.conftest import Voice, Wire
from tests.client.person import CLIENT, PASTE, Person
from tests.running import Server

Join = Callable[..., Person]
Speak = Callable[[str], Voice]


def test_two_people_talk(join: Join, room: str) -> None:
    ana, beto = join("ana"), join("beto")
    ana.sees(rf"^\d\d:\d\d \* beto joined {room}$")
    ana.say("hola, ¿qué tal?")
    for one in (ana, beto):
        one.sees(r"^\d\d:\d\d <ana> hola, ¿qué tal\?$")
    beto.say("/msg ana entre nosotros")
    ana.sees(r"^\d\d:\d\d <beto -> you> entre nosotros$")
    beto.sees(r"^\d\d:\d\d <you -> ana> entre nosotros$")
    beto.say("/me waves")
    ana.sees(r"^\d\d:\d\d <\*beto> waves$")
    beto.say("/nick bea")
    ana.sees("beto is now bea")
    beto.until(lambda: beto.bottom() == f"bea {room}>")
    beto.say("/jion #x")
    beto.sees(r"did you mean /join\?")
    beto.say("/quit hasta luego")
    assert beto.ends() == 0
    ana.sees(r"^\d\d:\d\d \* bea quit \(.*hasta luego\)$")


def test_a_draft_survives_fifty_messages_while_it_is_typed(join: Join, voice: Speak, room: str) -> None:
    ana = join("ana")
    voices = [voice(f"voice{number}") for number in range(5)]
    draft = "this is half a sentence, and nobody"
    for turn, letter in enumerate(draft):
        ana.type(letter)
        for number in range(2 if turn < 25 else 0):
            voices[turn % 5].send(f"PRIVMSG {room} :message {turn}.{number} end")
    ana.until(lambda: len([line for line in ana.lines() if line.endswith(" end")]) == 50)
    ana.until(lambda: ana.bottom() == f"ana {room}> {draft}")
    said = [line for line in ana.lines() if "message" in line]
    assert all(re.fullmatch(r"\d\d:\d\d <voice\d> message \d+\.\d end", line) for line in said)
    for one in range(5):
        mine = [f"message {turn}.{number} end" for turn in range(one, 25, 5) for number in range(2)]
        assert [line.partition("> ")[2] for line in said if f"voice{one}" in line] == mine
    ana.type(" else\r")
    voices[0].may_speak(f":{draft} else")


def test_a_draft_is_whole_behind_each_message_that_comes_while_it_is_typed(join: Join, voice: Speak, room: str) -> None:
    """Letters and messages by turns, as fast as they show: twenty a second, and more."""
    ana, beto = join("ana"), voice("beto")
    draft = "a draft that goes on while others talk"
    for number, letter in enumerate(draft):
        ana.type(letter)
        beto.send(f"PRIVMSG {room} :message {number} end")
        ana.sees(f"<beto> message {number} end$")
        ana.until(lambda: ana.bottom() == f"ana {room}> {draft[: number + 1]}".rstrip())  # noqa: B023
    said = [line.partition("> ")[2] for line in ana.lines() if line.endswith(" end")]
    assert said == [f"message {number} end" for number in range(len(draft))]
    ana.type("\r")
    assert beto.may_speak("PRIVMSG").endswith(f":{draft}")


def test_the_editor_stays_one_line_in_a_tiny_window(join: Join, voice: Speak, room: str) -> None:
    ana, beto = join("ana"), voice("beto")
    ana.type("ñandú 漢字 한국어 and a lot more than fits")
    ana.until(lambda: "more than fits" in ana.bottom())
    ana.resize(5, 20)
    ana.until(lambda: ana.bottom().endswith("fits"))
    beto.send(f"PRIVMSG {room} :漢字漢字漢字漢字漢字")
    ana.until(lambda: "漢" in "".join(ana.screen.display))
    ana.until(lambda: ana.bottom().endswith("fits"))
    assert ana.screen.cursor.y <= 4
    ana.type("\r")
    beto.may_speak(":ñandú 漢字 한국어 and a lot more than fits")
    ana.until(lambda: ana.bottom().endswith(">"))


def test_a_paste_is_never_sent_by_itself(join: Join, voice: Speak, room: str) -> None:
    ana, beto = join("ana"), voice("beto")
    ana.type(PASTE.format("uno\r/dos\rtres\r"))
    ana.until(lambda: ana.bottom().strip() == "tres")
    ana.type("\r")
    ana.sees(r"send 3 lines to #\S+\? \[y/N\] uno")
    ana.type("\r")  # no
    ana.until(lambda: not any("send 3" in line for line in ana.lines()))
    ana.type("\r")
    ana.sees(r"send 3 lines to #\S+\?")
    ana.type("y")
    beto.may_speak(":uno")
    beto.may_speak(":/dos")
    beto.may_speak(":tres")
    ana.until(lambda: ana.bottom() == f"ana {room}>")


def test_a_paste_into_a_terminal_that_does_not_mark_pastes_is_not_sent_either(join: Join, room: str) -> None:
    ana = join("ana")
    ana.type("uno\rdos\rtres")
    ana.until(lambda: ana.bottom().strip() == "tres")
    assert not any("<ana>" in line for line in ana.lines())


def test_a_pasted_line_with_its_end_is_one_line(join: Join) -> None:
    ana = join("ana")
    ana.type(PASTE.format("solo una\r"))
    ana.until(lambda: ana.bottom().endswith("solo una"))
    ana.type("\r")
    ana.sees("<ana> solo una")


def test_control_c_clears_and_does_not_leave_before_it_has_said_so(join: Join, voice: Speak, room: str) -> None:
    ana, beto = join("ana"), voice("beto")
    ana.type("never mind")
    ana.until(lambda: "never mind" in ana.bottom())
    ana.type("\x03")
    ana.until(lambda: ana.bottom() == f"ana {room}>")
    ana.type("\x03")
    ana.sees("Ctrl-C again leaves")
    ana.type("\x03")
    assert ana.ends() == 0
    beto.may_speak(":ana!")


def test_control_c_on_an_empty_line_says_how_to_leave_and_control_d_does(join: Join) -> None:
    ana = join("ana")
    ana.type("\x03")
    ana.sees("Ctrl-C again leaves")
    ana.type("\x04")
    assert ana.ends() == 0


def test_a_terminated_client_says_goodbye(join: Join, voice: Speak) -> None:
    ana, beto = join("ana"), voice("beto")
    ana.child.kill(signal.SIGTERM)
    assert ana.ends() == 0
    beto.may_speak("QUIT :")


def test_tab_completes_nicks_commands_and_rooms(join: Join, voice: Speak, room: str) -> None:
    ana = join("ana")
    voice("beatriz")
    ana.sees("beatriz joined")
    ana.type("bea\t")
    ana.until(lambda: ana.bottom() == f"ana {room}> beatriz:")
    ana.type("\x15/top\t")
    ana.until(lambda: ana.bottom() == f"ana {room}> /topic")
    ana.type(f"{room[:3]}\t")
    ana.until(lambda: ana.bottom() == f"ana {room}> /topic {room}")


def test_a_mention_rings_and_is_highlighted(join: Join, voice: Speak, room: str) -> None:
    ana, beto = join("ana"), voice("beto")
    beto.send(f"PRIVMSG {room} :mañana banana")
    ana.sees("mañana banana")
    assert b"\a" not in ana.raw
    beto.send(f"PRIVMSG {room} :Ana: hola")
    ana.sees("Ana: hola")
    ana.until(lambda: b"\x1b[1mAna: hola\x1b[0m\a" in ana.raw)


def test_without_colours_nothing_is_painted(join: Join, voice: Speak, room: str) -> None:
    ana, beto = join("ana", "--color", "never"), voice("beto")
    beto.send(f"PRIVMSG {room} :hola")
    ana.sees("<beto> hola")
    assert not re.search(rb"\x1b\[[0-9;]*[1-9][0-9;]*m", ana.raw)


def test_another_rooms_name_is_shown_and_join_turns_to_it(join: Join, voice: Speak, room: str) -> None:
    ana, beto = join("ana"), voice("beto")
    ana.say(f"/join {room}2")
    ana.until(lambda: ana.bottom() == f"ana {room}2>")
    beto.send(f"PRIVMSG {room} :over here")
    ana.sees(rf"^\d\d:\d\d {room} <beto> over here$")
    ana.say(f"/join {room}")
    ana.until(lambda: ana.bottom() == f"ana {room}>")


def test_typed_lines_are_remembered_for_their_owner_only(join: Join, env: dict[str, str]) -> None:
    ana = join("ana")
    ana.say("algo memorable")
    ana.sees("<ana> algo memorable")
    ana.type("\x04")
    assert ana.ends() == 0
    (file,) = (path for path in Path(env["XDG_STATE_HOME"]).rglob("*") if path.is_file())
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    again = join("ana")
    again.type("\x1b[A")
    again.until(lambda: again.bottom().endswith("algo memorable"))
    again.type("\x15nueva\r")
    again.sees("<ana> nueva")
    again.type("\x1b[A")
    again.until(lambda: again.bottom().endswith("> nueva"))
    again.type("\x15\x12memo")
    again.until(lambda: again.bottom().endswith("algo memorable"))


def test_a_taken_nick_becomes_another_and_says_so(join: Join, voice: Speak, room: str) -> None:
    voice("ana")
    ana = join("ana")
    ana.sees(r"ana is taken here: you are ana_")
    ana.until(lambda: ana.bottom() == f"ana_ {room}>")


def test_a_lost_connection_keeps_the_draft_and_comes_back(join: Join, voice: Speak, wire: Wire, room: str) -> None:
    beto = voice("beto")
    ana = join("ana", port=wire.port)
    ana.type("half a th")
    ana.until(lambda: "half a th" in ana.bottom())
    wire.cut()
    ana.sees("connection lost")
    ana.type("ought\r")
    beto.may_speak(":half a thought")
    ana.sees(r"<ana_?> half a thought")
    ana.sees(r"-- back on \S+ as ana")
    wire.close()
    ana.sees("Connection refused")
    assert len([line for line in ana.lines() if "connection lost" in line]) == 2
    ana.type("\x03\x03")
    assert ana.ends() == 0


def test_a_late_echo_is_marked_in_the_prompt(join: Join, wire: Wire, room: str) -> None:
    ana = join("ana", port=wire.port)
    wire.hold(True)
    ana.say("hola")
    ana.until(lambda: ana.bottom().endswith("1 not back yet"))
    wire.hold(False)
    ana.sees("<ana> hola")
    ana.until(lambda: ana.bottom() == f"ana {room}>")


def test_what_others_send_cannot_draw(join: Join, wire: Wire, room: str) -> None:
    ana = join("ana", "--color", "never", port=wire.port)
    before = len(ana.raw)
    evil = "\x1b]0;owned\x07\x1b[2J\x1b[31m\x9b5A\u202e\x08\x07"
    wire.put(f":e{evil}vil!x@x PRIVMSG {room} :a{evil}b\r\n:evil!x@x JOIN #{evil}\r\n".encode())
    wire.put(f":evil!x@x PRIVMSG ana :{evil}\r\n:s NOTICE ana :last{evil}\r\n".encode())
    ana.sees("last")
    ana.until(lambda: ana.bottom() == f"ana {room} [evil:1!]>")
    for part in (b"\x1b]0", b"\x1b[2J", b"\x1b[31m", b"\xc2\x9b", "\u202e".encode()):
        assert part not in ana.raw[before:]


def test_a_joined_emoji_arrives_as_it_was_sent(join: Join, voice: Speak, room: str) -> None:
    ana, beto = join("ana"), voice("beto")
    family = "👩\u200d👩\u200d👧"
    beto.send(f"PRIVMSG {room} :{family}")
    ana.until(lambda: family.encode() in ana.raw)  # the bytes: the emulator loses a line after it


def test_a_burst_is_shown_whole_and_soon(join: Join, wire: Wire, room: str) -> None:
    ana = join("ana", port=wire.port)
    began = time.monotonic()
    wire.put(b"".join(f":beto!b@h PRIVMSG {room} :burst {number} end\r\n".encode() for number in range(1000)))
    ana.sees("burst 999 end")
    assert time.monotonic() - began < 5
    shown = re.findall(r"<beto> burst (\d+) end", "\n".join(ana.lines()))
    assert shown == [str(number) for number in range(1000)]


def test_the_time_shown_is_the_servers_and_another_day_is_announced(join: Join, wire: Wire, room: str) -> None:
    ana = join("ana", port=wire.port)
    wire.put(f"@time=2001-02-03T12:34:56.000Z :beto!b@h PRIVMSG {room} :long ago\r\n".encode())
    ana.sees("^12:34 <beto> long ago$")
    wire.put(f":beto!b@h PRIVMSG {room} :now\r\n".encode())
    ana.sees("<beto> now")
    days = [line for line in ana.lines() if line.startswith("---")]
    assert days[0] == "--- Saturday 03 February 2001 ---"
    assert len(days) == 2


def test_a_nick_is_asked_for(server: Server, env: dict[str, str], room: str) -> None:
    ana = Person([server.host, str(server.irc_port), "--room", room], env)
    try:
        ana.sees(r"^nick \[\w+\]:")
        ana.type("no way\r")
        ana.sees("letters, digits")
        ana.type("anita\r")
        ana.sees("keep these")
        ana.type("\r")
        ana.until(lambda: ana.bottom() == f"anita {room}>")
        ana.sees("anita joined")
    finally:
        ana.close()


def test_no_server_is_said_in_one_line(env: dict[str, str], wire: Wire) -> None:
    wire.close()
    ana = Person(["127.0.0.1", str(wire.port), "--nick", "ana"], env)
    assert ana.ends() == 1
    told = (
        f"mpchat: cannot connect to 127.0.0.1:{wire.port}: Connection refused; no server is running there; python3 -m "
    )
    told += f"mpchat server 127.0.0.1 {wire.port} (make run-server PORT={wire.port}) starts one"
    assert "".join(ana.lines()) == told
    ana.close()


def test_a_terminal_that_takes_nothing_any_more_ends_it(
    server: Server, env: dict[str, str], voice: Speak, room: str
) -> None:
    """The keyboard's is still there, so neither an end of input nor SIGHUP tells it."""
    beto = voice("beto")
    (keyboard, keys), (window, screen) = os.openpty(), os.openpty()
    argv = [*CLIENT, server.host, str(server.irc_port), "--nick", "ana", "--room", room]
    with subprocess.Popen(argv, env=env, stdin=keys, stdout=screen, stderr=screen, start_new_session=True) as client:
        os.close(keys)
        os.close(screen)
        try:
            beto.may_speak("JOIN")
            os.close(window)
            beto.send(f"PRIVMSG {room} :hola")
            client.wait(10)
        finally:
            client.kill()
            os.close(keyboard)


def test_a_draft_stays_where_it_is_and_goes_nowhere_when_its_room_is_lost(join: Join, voice: Speak, room: str) -> None:
    beto = voice("beto")
    ana = join("ana")
    ana.say("/join #lobby")
    ana.until(lambda: ana.bottom() == "ana #lobby>")
    ana.say(f"/join {room}")
    ana.until(lambda: ana.bottom() == f"ana {room}>")
    ana.type("a secret")
    ana.until(lambda: ana.bottom() == f"ana {room}> a secret")
    beto.send(f"KICK {room} ana :out")
    ana.until(lambda: ana.bottom() == "ana> a secret")
    ana.sees("-- your words go nowhere now: /query turns to #lobby, /join")
    ana.type("\r")
    ana.sees(rf"! not said: a secret \(beto kicked you from {room} \(out\)\)")
    ana.type("uno\rdos\r")
    ana.sees("-- nothing was sent: your words go nowhere now")
    ana.until(lambda: ana.bottom().endswith("dos"))
    ana.type("\x03")
    ana.until(lambda: ana.bottom() == "ana>")
    ana.say("/query")
    ana.until(lambda: ana.bottom() == "ana #lobby>")


def test_a_paste_goes_nowhere_when_its_room_is_lost_before_the_answer(join: Join, voice: Speak, room: str) -> None:
    beto = voice("beto")
    ana = join("ana")
    ana.type("uno\rdos\r")
    ana.sees(rf"send 2 lines to {room}\? \[y/N\] uno")
    beto.send(f"KICK {room} ana")
    ana.sees("-- your words go nowhere now")
    ana.type("y")
    ana.sees("! not said: uno .*beto kicked you")
    ana.sees("! not said: dos .*beto kicked you")


def test_ctrl_c_calls_back_what_is_left_of_a_paste(join: Join, voice: Speak, room: str, wire: Wire) -> None:
    beto = voice("beto")
    ana = join("ana", port=wire.port)
    beto.may_speak("JOIN")
    ana.type(PASTE.format("\r".join(f"line {number:02}" for number in range(60))))
    ana.until(lambda: ana.bottom().endswith("line 59"))
    ana.type("\r")
    ana.sees(r"send 60 lines to #\S+\? \[y/N\]")
    wire.hold(True)
    ana.type("y")
    ana.sees("50 waiting")
    ana.type("\x03")
    ana.sees("-- 50 pasted lines were not sent")
    wire.hold(False)
    ana.say("the end")
    said = [beto.may_speak("PRIVMSG").rpartition(":")[2] for _ in range(11)]
    assert said == [*(f"line {number:02}" for number in range(10)), "the end"]


@pytest.mark.parametrize("mode", [(), ("--plain",)], ids=["editor", "plain"])
def test_a_question_about_a_person_follows_them_to_their_new_name(
    mode: tuple[str, ...], join: Join, voice: Speak
) -> None:
    ana, beto, cyd = join("ana", *mode), voice("beto"), voice("cyd")
    ana.type("/query beto\r")
    ana.sees("now talking to beto")
    ana.type("uno\rdos\r" if mode else PASTE.format("uno\rdos"))
    if not mode:
        ana.until(lambda: "dos" in ana.bottom())
        ana.type("\r")
    ana.sees(r"send 2 lines to beto\? \[y/N\]")
    beto.send("NICK betox")
    beto.may_speak("NICK")
    cyd.send("NICK beto", "PING :renamed")
    cyd.may_speak("renamed")
    ana.sees("cyd is now beto" if mode else r"send 2 lines to betox\? \[y/N\]")
    ana.type("y\r" if mode else "y")
    for line in ("uno", "dos"):
        assert beto.may_speak("PRIVMSG").endswith(f"PRIVMSG betox :{line}")
    cyd.send("PING :end")
    while "end" not in (line := cyd.may_speak(" ")):
        assert "PRIVMSG" not in line


def test_a_paste_stops_where_its_room_is_lost(join: Join, voice: Speak, room: str, wire: Wire) -> None:
    beto = voice("beto")
    ana = join("ana", port=wire.port)
    wire.hold(True)
    ana.type(PASTE.format("\r".join(f"line {number:02}" for number in range(30))))
    ana.until(lambda: ana.bottom().endswith("line 29"))
    ana.type("\r")
    ana.sees(r"send 30 lines to #\S+\? \[y/N\]")
    ana.type("y")
    assert [beto.may_speak("PRIVMSG").rpartition(":")[2] for _ in range(10)][-1] == "line 09"
    wire.put(f":beto!b@h KICK {room} ana\r\n".encode())  # with -n, what we say there would still be heard
    ana.sees("-- your words go nowhere now")
    wire.hold(False)
    ana.sees("! not said: line 29 .*beto kicked you")
    ana.until(lambda: ana.bottom() == "ana>")
    ana.say(f"/msg {room} the end")
    assert beto.may_speak("PRIVMSG").endswith(":the end")


def test_ctrl_c_calls_back_a_paste_that_waits_for_a_connection(join: Join, voice: Speak, room: str, wire: Wire) -> None:
    beto = voice("beto")
    ana = join("ana", port=wire.port)
    wire.pause(True)
    wire.cut()
    ana.sees("-- connection lost")
    ana.type(PASTE.format("\r".join(f"line {number:02}" for number in range(30))))
    ana.until(lambda: ana.bottom().endswith("line 29"))
    ana.type("\r")
    ana.sees(r"send 30 lines to #\S+\? \[y/N\]")
    ana.type("y")
    ana.sees("30 waiting")
    ana.type("\x03")
    ana.sees("-- 30 pasted lines were not sent")
    wire.pause(False)
    ana.sees("-- back on")
    ana.say("the end")
    assert beto.may_speak("PRIVMSG").endswith(":the end")
