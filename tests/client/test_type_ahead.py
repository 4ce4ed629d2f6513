"""Lines that were typed while the client had no time to read them, and pastes: both come many at a time."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.client.conftest import Voice
from tests.client.person import PASTE, Person

Join = Callable[..., Person]
Speak = Callable[[str], Voice]

ASKED = b"\x1b[?2004$p"  # whether it marks pastes
MARKS, MARKS_NOT, KNOWS_NOT = "\x1b[?2004;1$y", "\x1b[?2004;2$y", "\x1b[?2004;0$y"


def answers(ana: Person, answer: str) -> None:
    """The terminal says whether it marks pastes, and the client has heard it."""
    ana.until(lambda: ASKED in ana.raw)
    ana.type(f"{answer}heard")
    ana.until(lambda: ana.bottom().endswith("> heard"))
    ana.type("\x15")
    ana.until(lambda: ana.bottom().endswith(">"))


def asks(ana: Person) -> bool:
    return any("[y/N]" in line for line in ana.lines())


@pytest.mark.parametrize("is_asked", [True, False])
def test_in_a_terminal_that_marks_pastes_it_is_obeyed_line_by_line(
    join: Join, voice: Speak, room: str, is_asked: bool
) -> None:
    ana, beto = join("ana"), voice("beto")
    if is_asked:
        answers(ana, MARKS)
    else:
        ana.type(PASTE.format("marked"))
        ana.until(lambda: ana.bottom().endswith("> marked"))
        ana.type("\x15")
    ana.type("uno\r/me baila\rdos\rtr")
    assert beto.may_speak("PRIVMSG").endswith(":uno")
    assert beto.may_speak("PRIVMSG").endswith(":\x01ACTION baila\x01")
    assert beto.may_speak("PRIVMSG").endswith(":dos")
    ana.until(lambda: ana.bottom() == f"ana {room}> tr")
    assert not asks(ana)
    ana.type(PASTE.format("a\rb"))
    ana.until(lambda: ana.bottom() == "b")
    ana.type("\r")
    ana.sees(r"send 2 lines to #\S+\? \[y/N\] tra")
    ana.type("n\x15\x15\x15\x15")
    ana.type("/oper root\rsecret\rafter\r/quit\r")
    assert beto.may_speak("PRIVMSG").endswith(":after")
    assert ana.ends() == 0
    assert "secret" not in "\n".join(ana.lines())


def test_so_is_what_was_typed_while_the_client_was_stopped(join: Join, voice: Speak) -> None:
    ana, beto = join("ana"), voice("beto")
    answers(ana, MARKS)
    os.kill(ana.child.pid, signal.SIGSTOP)
    os.waitid(os.P_PID, ana.child.pid, os.WSTOPPED)
    seen = ana.raw.count(b"\x1b[?2004h")
    ana.type("uno\r")
    ana.type("/quit\r")
    os.kill(ana.child.pid, signal.SIGCONT)
    assert beto.may_speak("PRIVMSG").endswith(":uno")
    assert ana.ends() == 0
    assert ana.raw.count(b"\x1b[?2004h") > seen, "a shell may have wanted no marks"


@pytest.mark.parametrize("answer", ["", MARKS_NOT, KNOWS_NOT])
def test_where_that_is_not_known_lines_are_asked_about_and_then_obeyed(
    join: Join, voice: Speak, room: str, answer: str
) -> None:
    ana, beto = join("ana"), voice("beto")
    if answer:
        answers(ana, answer)
    ana.type("uno\r/me baila\rdos\r")
    ana.sees(r"send and obey 3 lines that came at once\? \[y/N\] uno \| /me")
    ana.type("!")  # no answer: it is text, on a line behind the others
    ana.until(lambda: ana.bottom() == "!")
    ana.type("\x7f\x7f!\r")
    ana.sees(r"send and obey 3 lines that came at once\?")
    ana.type("y")
    assert beto.may_speak("PRIVMSG").endswith(":uno")
    assert beto.may_speak("PRIVMSG").endswith(":\x01ACTION baila\x01")
    assert beto.may_speak("PRIVMSG").endswith(":dos!")
    ana.until(lambda: ana.bottom() == f"ana {room}>")
    ana.type("\x1b[A")  # up
    ana.until(lambda: ana.bottom().endswith("> dos!"))


def test_lines_typed_behind_the_question_are_lines_of_their_own(join: Join, voice: Speak, room: str) -> None:
    """Each comes in one read: its first letter is no answer, and no letter of it is lost."""
    ana, beto = join("ana"), voice("beto")
    ana.type("uno\r/me baila\r")
    ana.sees(r"obey 2 lines that came at once\?")
    for count, line in ((3, "yo no"), (4, "no sé"), (5, "tres")):
        ana.type(f"{line}\r")
        ana.sees(rf"obey {count} lines that came at once\?")
    ana.type("no\r")
    ana.until(lambda: not asks(ana) and "tres" in ana.lines())
    ana.type("fin\r")
    ana.sees(r"obey 6 lines that came at once\?")
    ana.type("yes\r")
    for text in ("uno", "\x01ACTION baila\x01", "yo no", "no sé", "tres", "fin"):
        assert beto.may_speak("PRIVMSG").endswith(f":{text}")
    ana.until(lambda: ana.bottom() == f"ana {room}>")


def test_a_password_among_them_stays_one(join: Join, voice: Speak, room: str, tmp_path: Path) -> None:
    ana, beto = join("ana"), voice("beto")
    ana.type("/oper root\rsecret\rafter\r")
    ana.sees(r"send and obey 3 lines that came at once\? \[y/N\] /oper root \| … \| after")
    ana.type("y")
    assert beto.may_speak("PRIVMSG").endswith(":after")
    ana.sees("IRC operator")
    assert "secret" not in (tmp_path / "mpchat" / "client-history").read_text()


@pytest.mark.parametrize("answer", ["", MARKS])
def test_a_key_behind_a_line_is_no_second_line(join: Join, voice: Speak, answer: str) -> None:
    ana, beto = join("ana"), voice("beto")
    if answer:
        answers(ana, answer)
    ana.type("adiós\r\x04")
    assert beto.may_speak("PRIVMSG").endswith(":adiós")
    assert ana.ends() == 0
    assert not asks(ana)


def test_lines_that_came_before_the_terminal_could_mark_them_are_asked_about(join: Join) -> None:
    ana = join("ana")
    ana.until(lambda: ASKED in ana.raw)
    ana.type(f"uno\rdos\r{MARKS}")
    ana.sees(r"send 2 lines to #\S+\?")


def test_between_two_messages_pastes_are_marked_and_at_the_end_no_more(join: Join, voice: Speak, room: str) -> None:
    ana, beto = join("ana"), voice("beto")
    for number in range(5):
        beto.send(f"PRIVMSG {room} :message {number}")
    ana.sees("message 4")
    assert b"\x1b[?2004l" not in ana.raw
    ana.type("\x04")
    assert ana.ends() == 0
    assert re.findall(rb"\x1b\[\?2004[hl]", ana.raw)[-1].endswith(b"l")
