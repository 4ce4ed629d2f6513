"""A person's first start, and the ones after it: in a terminal, against the real server."""

from __future__ import annotations

import re
import signal
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.client.person import CLIENT, Person, pipe
from tests.running import Server

Start = Callable[..., Person]


@pytest.fixture
def start(server: Server, env: dict[str, str]) -> Iterator[Start]:
    """Starts the client as README says it: an address, and no more."""
    people: list[Person] = []

    def begin(*more: str, client: list[str] = CLIENT) -> Person:
        people.append(Person([server.host, str(server.irc_port), *more], env, client=client))
        return people[-1]

    yield begin
    for person in people:
        person.close()


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    """Where they are kept."""
    return tmp_path / ".config" / "mpchat" / "client.toml"


def test_a_newcomer_presses_enter_three_times_and_talks(start: Start, settings: Path) -> None:
    ana = start()
    login = re.search(r"\[(.*)\]", ana.sees(r"^nick \[\w+\]:$"))
    assert login
    ana.type("\r")
    ana.sees(r"^room \[#lobby\]:$")
    ana.type("\r")
    ana.sees(r"^keep these, and ask no more\? \[y/N\]:$")
    ana.type("maybe\r")
    ana.until(lambda: sum(line.startswith("keep these") for line in ana.lines()) == 2)
    ana.type("\r")
    ana.sees("joined #lobby")
    ana.until(lambda: ana.bottom() == f"{login[1]} #lobby>")
    assert not settings.exists(), "nothing is kept that nobody wanted to keep"


def test_what_is_kept_is_not_asked_again(start: Start, settings: Path, room: str, server: Server) -> None:
    ana = start()
    ana.sees(r"^nick \[")
    ana.type("9lives\r")
    ana.sees(r"^letters, digits and")
    ana.until(lambda: ana.bottom().startswith("nick ["))  # what is typed before the question would stand before it
    ana.type("eva\r")
    ana.sees(r"^room \[")
    ana.type("a b\r")
    ana.sees(r"^no spaces, commas or colons, 64 bytes at most$")
    ana.until(lambda: ana.bottom().startswith("room ["))
    ana.type(f"{room[1:]}\r")  # its sign is added
    ana.sees(r"^keep these")
    ana.type("y\r")
    ana.sees(r"^mpchat: kept in /")
    ana.sees(f"eva joined {room}")
    ana.close()
    assert settings.read_text().splitlines()[1:] == ['nick = "eva"', f'room = "{room}"']
    assert stat.S_IMODE(settings.stat().st_mode) == 0o600

    eva = start()
    eva.sees(r"^mpchat: you are eva; --nick, /nick or /set nick changes that$")
    eva.until(lambda: eva.bottom() == f"eva {room}>")
    assert b"nick [" not in eva.raw
    eva.close()

    other = start("--nick", "nora", "--room", "#lobby")
    other.until(lambda: other.bottom() == "nora #lobby>")
    assert not any("you are" in line for line in other.lines()), "the command line says it"


def test_who_names_a_room_is_not_asked_for_it(start: Start, room: str, settings: Path) -> None:
    ana = start("--room", room)
    ana.sees(r"^nick \[")
    ana.type("zoe\r")
    ana.sees(r"^keep these")
    ana.type("y\r")
    ana.until(lambda: ana.bottom() == f"zoe {room}>")
    assert settings.read_text().splitlines()[1:] == ['nick = "zoe"'], "the room of one start is not that of all"


@pytest.mark.parametrize("mode", ["", "--plain"])
def test_control_d_and_control_c_leave_quietly_at_any_question(start: Start, mode: str) -> None:
    for key in ("\x03", "\x04"):
        for answers in ([], ["\r"], ["\r", "\r"]):
            ana = start(*filter(None, [mode]))
            for question, answer in zip(["nick [", "room [", "keep these"], [*answers, key], strict=False):
                ana.until(lambda: question in ana.bottom())  # noqa: B023
                ana.type(answer)
            assert ana.ends() == 0
            assert b"Traceback" not in ana.raw
            assert b"connected" not in ana.raw


# A signal comes from within, where a key could only by chance: as the first thing, between two questions, and behind.
_INTERRUPTED = """
import os, signal, sys
from mpchat.client import app
from mpchat.cli import main
was = {0}
def interrupted(*args, **named):
    os.kill(os.getpid(), signal.SIGINT)
    return was(*args, **named)
{0} = interrupted
sys.exit(main(["client", *sys.argv[1:]]))
"""


@pytest.mark.parametrize("moment", ["app.SettingsFile.read", "app._default_nick", "app._room", "app.valid_nick"])
def test_control_c_leaves_quietly_at_the_first_moment_and_between_questions(start: Start, moment: str) -> None:
    ana = start(client=[sys.executable, "-c", _INTERRUPTED.format(moment)])
    if moment in ("app.valid_nick",):
        ana.sees(r"^nick \[")
        ana.type("\r")
    assert ana.ends() == 0
    assert b"Traceback" not in ana.raw


def test_another_language_asks_in_its_own_words(server: Server, env: dict[str, str], settings: Path) -> None:
    settings.parent.mkdir(parents=True)
    settings.write_text('language = "es"\nnick = "eva"\nhistory = 1000\n')
    ana = Person([server.host, str(server.irc_port)], env)
    try:
        ana.sees("history: 1000 no es un número de 0 a 100|no se usa history: 1000 no es")
        ana.sees("eres eva; --nick, /nick o /set nick lo cambian")
        ana.sees("eva .*#lobby")
        ana.say("/jion #x")
        ana.sees(r"¿querías decir /join\?")
    finally:
        ana.close()


def test_a_script_is_not_asked_and_does_not_read_what_a_person_has_set(
    server: Server, env: dict[str, str], settings: Path
) -> None:
    settings.parent.mkdir(parents=True)
    settings.write_text('nick = "eva"\nroom = "#elsewhere"\nlanguage = "es"\nbell = 3')
    done = pipe([server.host, str(server.irc_port)], "/jion\n", env)
    assert (done.returncode, "#lobby" in done.stdout, "eva" in done.stdout) == (4, True, False)
    assert "did you mean /join?" in done.stderr
    assert "bell" not in done.stderr


def test_what_a_script_sets_is_for_that_script(server: Server, env: dict[str, str], settings: Path) -> None:
    lines = "/set bell off\n/ignore nadie\n/set bell\n/set nick otra\nhola\n"
    done = pipe([server.host, str(server.irc_port)], lines, env)
    assert done.returncode == 0
    assert "bell is off now, until you leave" in done.stderr
    assert "nadie is ignored from now on, until you leave" in done.stderr
    assert "<otra> hola" in done.stdout
    assert not settings.exists()


def test_a_bad_file_is_one_line_and_the_client_goes_on(start: Start, settings: Path) -> None:
    settings.parent.mkdir(parents=True)
    settings.write_text('nick = "nadie\n')
    ana = start("--nick", "ana", "--room", "#bad")
    ana.sees(r"mpchat: the settings are not used: ")
    ana.until(lambda: ana.bottom() == "ana #bad>")
    ana.say("/set bell off")
    ana.sees(r"! bell is off now, until you leave: ")
    assert settings.read_text() == 'nick = "nadie\n'
    ana.child.kill(signal.SIGTERM)
    assert ana.ends() == 0
