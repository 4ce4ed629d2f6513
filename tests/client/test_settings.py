"""/set, /ignore, /last and their like in a terminal, and that they are there the next time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mpchat.client.preferences import Preferences
from mpchat.client.settings_file import SettingsFile
from tests.client.conftest import Voice
from tests.client.person import Person

Join = Callable[..., Person]
Speak = Callable[[str], Voice]


def kept(home: Path) -> Preferences:
    preferences, problems = SettingsFile(str(home / ".config" / "mpchat" / "client.toml")).read()
    assert problems == []
    return preferences


def test_settings_are_listed_shown_set_and_kept(join: Join, tmp_path: Path) -> None:
    ana = join("ana", columns=160)
    ana.say("/set")
    ana.sees(r"-- nick +- +your nickname; - is your login name \(default -\)$")
    ana.sees(r"-- history +20 +0 to 100 lines of the past on entering a room \(default 20\)$")
    ana.say("/set bell")
    ana.sees(r"-- bell +on ")
    ana.say("/set bell off")
    ana.sees(r"-- bell is off now; kept in ")
    ana.say("/set hystory 5")
    ana.sees(r"! no such setting: hystory \(did you mean history\?\)$")
    ana.say("/set history 101")
    ana.sees(r"! history is a number from 0 to 100$")
    ana.say("/set history 5")
    ana.sees(r"-- history is 5 from the next time on; kept in ")
    assert kept(tmp_path) == Preferences(bell=False, history=5)
    again = join("beto")
    again.say("/set bell")
    again.sees(r"-- bell +off ")
    again.say("/set bell -")
    again.sees(r"-- bell is on now; kept in ")
    assert kept(tmp_path) == Preferences(history=5)


def test_another_language_is_spoken_at_once(join: Join) -> None:
    ana = join("ana")
    ana.say("/set language es")
    ana.sees("-- language es ahora es; guardado en ")
    ana.say("/names")
    ana.say("/help set")
    ana.sees(r"-- /set \[CLAVE \[VALOR\]\]  las preferencias")
    ana.say("/set language en")
    ana.sees("-- language is en now; kept in ")


def test_a_nick_that_is_set_is_ours_now_and_the_next_time(join: Join, room: str, tmp_path: Path) -> None:
    ana = join("ana")
    ana.say("/set nick anita")
    ana.sees("-- nick is anita now; kept in ")
    ana.until(lambda: ana.bottom() == f"anita {room}>")
    assert kept(tmp_path) == Preferences(nick="anita")


def test_who_is_ignored_is_not_read_today_nor_tomorrow(join: Join, voice: Speak, room: str, tmp_path: Path) -> None:
    ana, troll, beto = join("ana"), voice("troll"), voice("beto")
    ana.type("/ignore tr\t")
    ana.until(lambda: ana.bottom().endswith("/ignore troll"))
    ana.type("\r")
    ana.sees("-- troll is ignored from now on; kept in ")
    assert kept(tmp_path) == Preferences(ignore=["troll"])
    troll.send(f"PRIVMSG {room} :ana, read me", "PRIVMSG ana :read me", "NICK nice")
    ana.sees("-- nice, whom you ignored as troll, is ignored until one of you leaves")
    troll.send(f"PRIVMSG {room} :under another name", "NICK troll")
    ana.sees(r"\* nice is now troll")
    beto.send(f"PRIVMSG {room} :the end")
    ana.sees("<beto> the end")
    eva = join("eva")
    eva.sees("<beto> the end")
    eva.say("/history")
    eva.sees("the history of ")
    eva.until(lambda: len([line for line in eva.lines() if line.endswith("<beto> the end")]) == 2)
    for one in (ana, eva):
        assert not any("read me" in line for line in one.lines())
        assert b"\a" not in one.raw
    assert not any("under another name" in line for line in ana.lines())
    eva.say("/ignore")
    eva.sees("-- you ignore: troll$")
    eva.say("/unignore troll")
    eva.sees("-- troll is no longer ignored; kept in ")
    troll.send(f"PRIVMSG {room} :eva, read me")
    eva.sees("<troll> eva, read me")
    assert kept(tmp_path) == Preferences()


def test_what_was_shown_is_shown_again(join: Join, voice: Speak, room: str) -> None:
    ana, beto = join("ana"), voice("beto")
    beto.send(f"PRIVMSG {room} :cañón")
    ana.sees("<beto> cañón")
    ana.say("mine")
    ana.sees("<ana> mine")
    ana.say("/last 2")
    ana.sees(f"-- shown last in {room}:$")
    ana.until(lambda: sum(line.endswith("<ana> mine") for line in ana.lines()) == 2)
    ana.say("/last canon")
    ana.sees(f"-- shown in {room}, with canon:$")
    ana.until(lambda: sum(line.endswith("<beto> cañón") for line in ana.lines()) == 3)


def test_so_are_our_own_words_where_the_terminal_has_shown_them_already(join: Join, voice: Speak, room: str) -> None:
    ana, beto = join("ana", "--plain"), voice("beto")
    ana.sees("beto joined")
    ana.type("mine\r")
    beto.may_speak(":mine")
    ana.type("/names\r")
    ana.sees(rf"in {room} \(2\)")  # behind it, the echo has come
    ana.type("/last\r")
    ana.sees("<ana> mine$")


def test_tab_completes_settings(join: Join) -> None:
    ana = join("ana")
    ana.type("/set jo\tn\t")
    ana.until(lambda: ana.bottom().endswith("/set joins none"))
    ana.type("\r")
    ana.sees("-- joins is none now; kept in ")
