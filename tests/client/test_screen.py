"""What a person's screen shows besides what is said: who comes and goes, what is unread, late, or new, and since when.

The real client in a pty against the real server; who comes and goes is put on the wire by the test, all in one moment.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mpchat import texts
from mpchat.client.preferences import Preferences
from mpchat.client.session import Session
from tests.client.conftest import Voice, Wire
from tests.client.person import CLIENT, Person
from tests.client.test_resizing import Tmux
from tests.client.test_resuming import told
from tests.client.tiny import ROOM, Tiny, Visitor
from tests.running import Server

Join = Callable[..., Person]
Speak = Callable[[str], Voice]

# The client of somebody who is taken for away as soon as no key is pressed.
_AT_ONCE = "from mpchat.client import absence; absence.ABSENT_SECONDS = 0.0"
IMPATIENT = [sys.executable, "-c", f"import sys; {_AT_ONCE}; from mpchat.cli import main; sys.exit(main())", "client"]


def crowd(room: str, *more: str) -> bytes:
    """Four people come, and one of them goes again."""
    lines = [*(f":{nick}!x@h JOIN {room}" for nick in ("beto", "carla", "dora", "eva")), f":eva!x@h PART {room}", *more]
    return "".join(f"{line}\r\n" for line in lines).encode()


def clock(lines: list[str]) -> list[str]:
    """The lines without their times."""
    return [line[6:] if re.match(r"\d\d:\d\d ", line) else line for line in lines]


# Who comes and goes


def test_a_crowd_that_comes_is_two_lines_and_the_second_needs_nothing_to_happen(
    join: Join, wire: Wire, room: str
) -> None:
    ana = join("ana", port=wire.port)
    wire.put(crowd(room))
    ana.sees(rf"^\d\d:\d\d \* beto joined {room}$")
    ana.sees(r"^\d\d:\d\d \* carla, dora joined; eva came and went$")


def test_what_is_said_comes_behind_who_came(join: Join, wire: Wire, room: str) -> None:
    ana = join("ana", port=wire.port)
    wire.put(crowd(room, f":dora!x@h PRIVMSG {room} :hola", f":dora!x@h KICK {room} beto :out"))
    ana.sees("dora kicked beto")
    assert clock(ana.lines())[3:7] == [
        f"* beto joined {room}",
        "* carla, dora joined; eva came and went",
        "<dora> hola",
        f"* dora kicked beto from {room} (out)",
    ]


def test_without_a_prompt_each_is_a_line(join: Join, wire: Wire, room: str) -> None:
    ana = join("ana", "--plain", port=wire.port)
    wire.put(crowd(room))
    ana.sees(f"eva left {room}$")
    shown = [line for line in clock(ana.lines()) if re.match(r"\* (beto|carla|dora|eva) ", line)]
    assert shown == [f"* {nick} joined {room}" for nick in ("beto", "carla", "dora", "eva")] + [f"* eva left {room}"]


# Unread


def test_other_rooms_and_people_are_counted_in_the_prompt_until_one_turns_there(
    join: Join, voice: Speak, room: str
) -> None:
    ana, beto = join("ana"), voice("beto")
    room2 = f"{room[:8]}2"
    ana.say(f"/join {room2}")
    ana.until(lambda: ana.bottom() == f"ana {room2}>")
    beto.send(f"PRIVMSG {room} :uno", f"PRIVMSG {room} :dos")
    ana.until(lambda: ana.bottom() == f"ana {room2} [{room}:2]>")
    ana.sees("<beto> dos")
    beto.send("PRIVMSG ana :oye")
    ana.until(lambda: ana.bottom() == f"ana {room2} [beto:1! +1]>")
    ana.until(lambda: b"\a" in ana.raw)
    ana.say("/query beto")
    ana.until(lambda: "beto:1" not in ana.bottom())
    ana.say(f"/join {room}")
    ana.until(lambda: ana.bottom() == f"ana {room}>")


def test_a_mention_elsewhere_is_marked(join: Join, voice: Speak, room: str) -> None:
    ana, beto = join("ana"), voice("beto")
    ana.say("/join #b")
    ana.until(lambda: ana.bottom() == "ana #b>")
    beto.send(f"PRIVMSG {room} :ana: mira")
    ana.until(lambda: ana.bottom() == f"ana #b [{room}:1!]>")


# What is late


def test_a_line_that_is_not_back_is_shown_and_the_lag_grows(join: Join, wire: Wire, room: str) -> None:
    ana = join("ana", port=wire.port)
    wire.hold(True)
    ana.say("hola")
    ana.until(lambda: ana.bottom().endswith("… hola  1 not back yet"))
    ana.until(lambda: ana.bottom().endswith("… hola  lag 1 s, 1 not back yet"))
    ana.until(lambda: ana.bottom().endswith("… hola  lag 2 s, 1 not back yet"))
    wire.hold(False)
    ana.sees("<ana> hola")
    ana.until(lambda: re.search(r"> +lag \d s$", ana.bottom()) is not None)
    ana.say("otra")
    ana.until(lambda: ana.bottom() == f"ana {room}>")


# What is new


def test_the_first_message_to_somebody_who_was_away_has_a_line_above_it_until_enter(
    join: Join, voice: Speak, room: str
) -> None:
    ana, beto = join("ana", client=IMPATIENT), voice("beto")
    ana.sees("beto joined")
    beto.send(f"PRIVMSG {room} :uno", f"PRIVMSG {room} :dos")
    ana.sees("<beto> dos")
    ana.type("x\x7f")  # a key that is no Enter
    beto.send(f"PRIVMSG {room} :tres")
    ana.sees("<beto> tres")
    ana.say("hola")
    ana.sees("<ana> hola")
    beto.send(f"PRIVMSG {room} :cuatro")
    ana.sees("<beto> cuatro")
    shown = [re.sub(r"\d\d:\d\d", "14:03", line) for line in clock(ana.lines())]
    assert [line for line in shown if line.startswith(("---", "<"))] == [
        "--- new since 14:03 ---",
        *("<beto> uno", "<beto> dos", "<beto> tres", "<ana> hola"),
        "--- new since 14:03 ---",
        "<beto> cuatro",
    ]


def test_without_a_prompt_nothing_but_messages_comes_between_messages(join: Join, voice: Speak, room: str) -> None:
    ana, beto = join("ana", "--plain", client=IMPATIENT), voice("beto")
    beto.send(f"PRIVMSG {room} :uno", f"PRIVMSG {room} :dos")
    ana.sees("<beto> dos")
    assert not any(line.startswith("---") for line in ana.lines())


def test_what_was_said_while_the_connection_was_lost_has_a_line_above_it_with_its_number(
    join: Join, voice: Speak, wire: Wire, room: str
) -> None:
    ana, beto = join("ana", port=wire.port), voice("beto")
    beto.send(f"PRIVMSG {room} :antes")
    ana.sees("<beto> antes")
    wire.pause(True)
    wire.cut()
    beto.may_speak("QUIT")
    beto.send(f"PRIVMSG {room} :uno", f"PRIVMSG {room} :dos", "PING :x")
    beto.may_speak("PONG")
    wire.pause(False)
    ana.sees("<beto> dos")
    shown = clock(ana.lines())
    at = shown.index("<beto> uno")
    assert shown[at - 1 : at + 2] == [f"--- while you were away: {room} (2) ---", "<beto> uno", "<beto> dos"]


# Small windows


@pytest.fixture
def tiny_window(server: Server, env: dict[str, str], wire: Wire, tmp_path: Path) -> Iterator[Tmux]:
    """Ana in a window of 20 columns and 5 rows, in #a."""
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed")
    argv = [*CLIENT, "127.0.0.1", str(wire.port), "--nick", "ana", "--room", "#a", "--color", "never"]
    tmux = Tmux(tmp_path, argv, env, 20, 5)
    try:
        tmux.until(lambda rows: rows[-1] == "ana #a>")
        yield tmux
    finally:
        tmux.close()


def test_in_twenty_columns_and_five_rows_the_prompt_stays_one_line(tiny_window: Tmux, wire: Wire) -> None:
    def puts(*lines: str) -> None:
        wire.put("".join(f":beto!b@h {line}\r\n" for line in lines).encode())

    puts("PRIVMSG ana :oye")
    tiny_window.until(lambda rows: rows[-1] == "… #a [+1!]>")
    wire.hold(True)
    tiny_window.type("hola")
    tiny_window.until(lambda rows: rows[-1] == "… #a [+1!]> hola")
    tiny_window.press("Enter")
    tiny_window.until(lambda rows: re.fullmatch(r"… #a \[\+1!\]> +…1( \ds)?", rows[-1]) is not None)
    wire.hold(False)
    tiny_window.until(lambda rows: any(row.endswith("<ana> hola") for row in rows))
    puts("JOIN #a", "PRIVMSG #a :fin")
    rows = tiny_window.until(lambda rows: rows[-2].endswith("<beto> fin"))
    assert sum(row.startswith(("ana #a", "… #a")) for row in rows) == 1, "no old prompt stays"


# What the user has chosen


@told
async def test_the_bell_rings_for_who_wants_it() -> None:
    async with Tiny() as tiny:
        for wanted in (True, False):
            async with Visitor(tiny.port, preferences=Preferences(bell=wanted, history=0)) as ana:
                await ana.ready()
                await ana.settled()
                tiny.say(f"ana: {wanted}")
                await ana.until(f"ana: {wanted}")
                assert ana.rung == wanted


@told
async def test_so_much_of_a_rooms_past_is_shown_as_the_user_wants() -> None:
    async with Tiny() as tiny:
        for number in range(30):
            tiny.say(f"line {number}")
        for wanted in (0, 1, 25):
            async with Visitor(tiny.port, preferences=Preferences(history=wanted)) as ana:
                await ana.ready()
                await ana.settled()
                tiny.say(f"now {wanted}")
                await ana.until(f"now {wanted}")
                assert ana.heard() == tiny.said[-wanted - 1 :]


# In Spanish


@pytest.mark.usefixtures("in_spanish")
def test_events_are_told_in_the_users_language() -> None:
    session = Session("ana", "#so", "0123456789abcdef", preferences=Preferences(joins="all"))
    session.opened(0.0)
    shown = [
        line.plain("")
        for text in (
            ":s 001 ana :hi",
            ":ana!a@h JOIN #so",
            ":beto!b@h JOIN #so",
            ":beto!b@h NICK bea",
            ":bea!b@h PRIVMSG ana :hola",
            ":bea!b@h TOPIC #so :parcial",
            ":bea!b@h PART #so :chau",
            ":eva!e@h QUIT :chau",
            ":eva!e@h KICK #so ana :fuera",
        )
        for line in session.heard(text, 0.0).show
    ]
    assert shown[1:8] == [
        "* ana entró en #so",
        "* beto entró en #so",
        "* beto ahora es bea",
        "<bea -> ti> hola",
        "* bea cambió el tema de #so: parcial",
        "* bea salió de #so (chau)",
        "* eva se desconectó (chau)",
    ]
    assert session.model.nowhere == "eva te expulsó de #so (fuera)"


@pytest.mark.usefixtures("in_spanish")
def test_a_crowd_has_its_grammar() -> None:
    session = Session("ana", "#so", "0123456789abcdef")
    session.opened(0.0)
    for text in (":s 001 ana :hi", ":ana!a@h JOIN #so", ":s 353 ana = #so :ana luis eva fede", ":s 366 ana #so :End"):
        session.heard(text, 0.0)
    moves = ["z!z@h JOIN #so", "beto!b@h JOIN #so", "dora!d@h JOIN #so", "eva!e@h PART #so", "luis!l@h NICK lucho"]
    for move in [*moves, "fede!f@h QUIT :bye"]:
        session.heard(f":{move}", 1.0)
    (line,) = session.ticked(4.0).show
    assert line.plain("") == "* beto, dora entraron; eva salió; fede se desconectó; luis ahora es lucho"


@told
async def test_a_lost_connection_is_told_in_the_users_language() -> None:
    before = texts.spoken()
    texts.use("es")
    try:
        async with Tiny() as tiny, Visitor(tiny.port) as ana:
            tiny.say("antes")
            await ana.ready()
            await ana.until(f"antes en {ROOM}:")
            await tiny.close()
            await ana.until("conexión perdida (el servidor la cerró), se intenta de nuevo...")
            await ana.until("conexión rechazada")
            assert ana.conversation.status() == "sin conexión"
            tiny.say("uno")
            await tiny.open()
            await ana.until(f"--- mientras no estabas: {ROOM} (1) ---")
    finally:
        texts.use(before)
