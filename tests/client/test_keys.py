"""No key ends the prompt but those that mean it: every binding that prompt_toolkit knows is pressed in a real pty."""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import Callable, Iterator

import pytest

from tests.client.conftest import Voice
from tests.client.person import PASTE, Person
from tests.running import Server

pytest.importorskip("prompt_toolkit", reason="without prompt_toolkit there is no editor")

from prompt_toolkit import PromptSession
from prompt_toolkit.input.ansi_escape_sequences import REVERSE_ANSI_SEQUENCES
from prompt_toolkit.input.defaults import create_pipe_input
from prompt_toolkit.key_binding.bindings.page_navigation import load_page_navigation_bindings
from prompt_toolkit.key_binding.defaults import load_key_bindings
from prompt_toolkit.keys import Keys
from prompt_toolkit.output import DummyOutput

Join = Callable[..., Person]
Speak = Callable[[str], Voice]

_OTHERS = {
    Keys.Any: "z",
    Keys.BracketedPaste: PASTE.format("pasted"),
    Keys.CPRResponse: "\x1b[7;5R",
    Keys.Vt100MouseEvent: "\x1b[<0;5;5M",
    Keys.ShiftInsert: "\x1b[2;2~",
    Keys.ControlInsert: "\x1b[2;5~",
}
_NO_KEYS = {Keys.WindowsMouseEvent, Keys.SIGINT}  # of another system; a signal
_CANCEL, _CLEAR = "\x07", "\x05" + "\x15" * 4  # Ctrl-G ends a search; Ctrl-E, Ctrl-U empty the line
_LEAVE = "\x04"  # Ctrl-D on an empty line means it


def every_binding() -> list[str]:
    """What a terminal sends for each sequence of keys that the library binds, in whatever mode, each once."""
    with create_pipe_input() as pipe:
        prompt: PromptSession[str] = PromptSession(input=pipe, output=DummyOutput())
        known = [*load_key_bindings().bindings, *load_page_navigation_bindings().bindings]
        assert prompt.app.key_bindings
        known += prompt.app.key_bindings.bindings
    pressed = ["".join(map(_bytes, each.keys)) for each in known if not _NO_KEYS & set(each.keys)]
    begun = REVERSE_ANSI_SEQUENCES[Keys.BracketedPaste]  # a paste, whose end a terminal always sends
    return [keys for keys in dict.fromkeys([*pressed, *REVERSE_ANSI_SEQUENCES.values()]) if keys != begun]


def _bytes(key: Keys | str) -> str:
    if not isinstance(key, Keys):
        return key
    return _OTHERS.get(key) or REVERSE_ANSI_SEQUENCES[key]


def rows(ana: Person) -> list[str]:
    return [row.rstrip() for row in ana.screen.display]


def editor(ana: Person) -> str:
    """The last row with something in it."""
    return next((row for row in reversed(rows(ana)) if row), "")


def press(ana: Person, keys: str, draft: str, line: str, room: str) -> None:
    """Type a draft, press keys, and say a line afterwards: it must come back."""
    if draft:
        ana.type(draft)
        ana.until(lambda: draft in editor(ana))
    ana.type(keys)
    ana.type(_CANCEL)
    ana.type(_CLEAR)
    ana.until(lambda: editor(ana) == f"ana {room}>")
    ana.type(line)
    ana.until(lambda: line in editor(ana))
    ana.type("\r")
    ana.until(lambda: any(row.endswith(f"<ana> {line}") for row in rows(ana)))


def press_all(ana: Person, bindings: list[str], draft: str, room: str) -> None:
    for number, keys in enumerate(bindings):
        if draft or _LEAVE not in keys:
            try:
                press(ana, keys, draft, f"line {number} end", room)
            except AssertionError as failure:
                raise AssertionError(f"after {keys!r}: {failure}") from failure
    assert ana.child.isalive()
    assert b"Traceback" not in ana.raw
    assert b"exception" not in ana.raw.lower()
    assert b"failed at that" not in ana.raw


EASILY_HIT = (
    *[
        "\x1b\r",
        "\x0f",
        "\x1b#",
        "\r",
        "\x0a",
        "\x12",
        "\x13",
        "\x18\x05",
        "\x18(",
        "\x18)",
        "\x18e",
        "\x1b9\x1b9\x1b9\x1b9",
    ],
    *[
        "\x1b",
        "\x1b\x1b",
        "\x03",
        "\x04",
        "\x1a",
        "\x1c",
        "\x11",
        "\x1d",
        "\x1b[31m",
        "\x1b[7;5R",
        "\x1b[A",
        "\t",
        "\x1b*",
        "\x1b/",
    ],
)


@pytest.mark.parametrize("draft", ["", "half a line"])
def test_a_key_that_is_easily_hit_ends_no_prompt(join: Join, room: str, draft: str) -> None:
    press_all(join("ana", rows=12, columns=60), list(EASILY_HIT), draft, room)


@pytest.mark.slow
@pytest.mark.parametrize("draft", ["", "half a line"])
def test_nor_does_any_other(join: Join, room: str, draft: str) -> None:
    bindings = every_binding()
    assert len(bindings) > 250
    press_all(join("ana", rows=12, columns=60), bindings, draft, room)


@pytest.mark.parametrize("keys", ["\x0f", "\x18\x05"])
def test_a_key_that_is_off_sends_nothing_of_a_line(join: Join, voice: Speak, room: str, keys: str) -> None:
    ana, beto = join("ana"), voice("beto")
    ana.type(f"half{keys}")
    ana.until(lambda: editor(ana).endswith("> half"))
    ana.type(" done")
    ana.until(lambda: editor(ana).endswith("> half done"))
    ana.type("\r")
    assert beto.may_speak("PRIVMSG").endswith(":half done")


def test_alt_enter_is_enter(join: Join, voice: Speak, room: str) -> None:
    ana, beto = join("ana"), voice("beto")
    ana.type("hola\x1b\r")
    assert beto.may_speak("PRIVMSG").endswith(":hola")
    ana.until(lambda: editor(ana) == f"ana {room}>")


# What is typed on behind a key. The cursor is before the last letter of "uno dos".

_CONTROLS = [chr(code) for code in range(32)] + ["\x7f"]
_ALTS = [f"\x1b{chr(code)}" for code in range(33, 127)]
# Of Enter, of the search, and of what brings in words of earlier lines there are other tests, or the library's own.
_OTHERWISE = {"\n", "\r", "\x12", "\x1b.", "\x1b_", "\x1by", "\x1b\\"}
_EDITS = {
    "\x01": "Xuno dos",
    "\x02": "uno dXos",
    "\x03": "X",
    "\x04": "uno doX",
    "\x05": "uno dosX",
    "\x06": "uno dosX",
    "\x08": "uno dXs",
    "\x7f": "uno dXs",
    "\x0b": "uno doX",
    "\x14": "uno dsoX",
    "\x15": "Xs",
    "\x17": "uno Xs",
    "\x17\x19": "uno doXs",
    "\x17\x1f": "uno doXs",
    "\x10\x0e": "uno dosX",
    "\x1bb": "uno Xdos",
    "\x1bc": "uno doSX",
    "\x02\x1bd": "uno dX",
    "\x02\x1bf": "uno dosX",
    "\x1bl": "uno dosX",
    "\x1bu": "uno doSX",
    "\x1b\x7f": "uno Xs",
    "\x1b<\x1b>": "uno dosX",
}
_MOVING = {
    *(Keys.Up, Keys.Down, Keys.Left, Keys.Right, Keys.Home, Keys.End, Keys.PageUp, Keys.PageDown),
    *(Keys.ControlUp, Keys.ControlDown, Keys.ControlLeft, Keys.ControlRight, Keys.ControlHome, Keys.ControlEnd),
}
_DELETING = {Keys.Delete, Keys.ControlDelete}


def test_a_key_that_readline_knows_edits_as_there(join: Join, voice: Speak) -> None:
    ana, beto = join("ana"), voice("beto")
    for keys, line in _EDITS.items():
        ana.type("uno dos\x02")
        ana.until(lambda: editor(ana).endswith("> uno dos"))  # the lines of before are there again, for Ctrl-P
        ana.type(f"{keys}X")
        ana.until(lambda: editor(ana).endswith(f"> {line}"))  # noqa: B023
        ana.type("\r")
        assert beto.may_speak("X").endswith(f":{line}")


def others(keys: list[str]) -> list[str]:
    return [key for key in keys if key not in _OTHERWISE and (key == "\x1b" or not any(key in edit for edit in _EDITS))]


def named() -> list[str]:
    """What a terminal sends for the keys beyond letters."""
    skipped = _MOVING | _DELETING | {Keys.BracketedPaste}
    return [keys for key, keys in REVERSE_ANSI_SEQUENCES.items() if len(keys) > 1 and key not in skipped]


@pytest.mark.parametrize("keys", [others(_CONTROLS), others(_ALTS), named()], ids=["control", "alt", "named"])
def test_behind_any_other_key_what_is_typed_is_text(join: Join, voice: Speak, keys: list[str]) -> None:
    """Alt and a letter are the bytes of Esc and a letter: a letter that Alt makes no command of is text too."""
    ana, beto = join("ana", columns=200), voice("beto")
    ana.type("uno dos\x02" + "".join(f"{key}X" for key in keys) + " fin")
    ana.until(lambda: editor(ana).endswith(" fins"))
    ana.type("\r")
    read = "".join(f"{key[1:] if key in _ALTS else ''}X" for key in keys)
    assert beto.may_speak("fins").endswith(f":uno do{read} fins")


def test_a_search_sends_nothing_and_loses_nothing(join: Join, voice: Speak) -> None:
    ana, beto = join("ana"), voice("beto")
    ana.say("algo memorable")
    ana.type("uno dos \x12memo")
    ana.until(lambda: editor(ana).endswith("`memo': algo memorable"))
    ana.type("\r")
    ana.until(lambda: editor(ana).endswith("> algo memorable"))
    ana.type("\x1b>\x12tres")
    ana.until(lambda: editor(ana).endswith("`tres': uno dos"))
    ana.type("\r")
    ana.until(lambda: editor(ana).endswith("> uno dos tres"))
    ana.type("\x12cuatro\x07\r")
    assert beto.may_speak("uno").endswith(":uno dos tres")


# A key of which the library says one day that it ends the prompt; and one that fails.
_MINED = """
import sys
from mpchat.client import terminal
keys_of = terminal.Terminal._keys
def mined(self):
    keys = keys_of(self)
    keys.add("f5")(lambda event: event.app.exit(result=""))
    keys.add("f6")(lambda event: 1 // 0)
    return keys
terminal.Terminal._keys = mined
from mpchat.cli import main
sys.exit(main())
"""


@pytest.fixture
def mined(server: Server, env: dict[str, str], room: str) -> Iterator[Person]:
    """Ana, whose F5 ends the prompt and whose F6 fails."""
    args = ["client", server.host, str(server.irc_port), "--nick", "ana", "--room", room]
    ana = Person(args, env, client=[sys.executable, "-c", _MINED])
    ana.sees(r"in #\S+ \(1\)")
    yield ana
    ana.close()


def test_if_the_prompt_ends_all_the_same_there_is_a_new_one(mined: Person, voice: Speak, room: str) -> None:
    beto = voice("beto")
    mined.type("half a li\x1b[15~")
    mined.until(lambda: editor(mined).endswith("> half a li"))
    mined.type("ne")
    mined.until(lambda: editor(mined).endswith("> half a line"))
    mined.type("\r")
    assert beto.may_speak("PRIVMSG").endswith(":half a line")
    beto.send(f"PRIVMSG {room} :hola")
    mined.sees("<beto> hola")
    mined.type("\x04")
    assert mined.ends() == 0


def test_a_key_that_fails_is_told_and_the_draft_stays(mined: Person, voice: Speak) -> None:
    beto = voice("beto")
    mined.type("half a li\x1b[17~")
    mined.sees("-- mpchat failed at that: ZeroDivisionError")
    mined.type("ne")
    mined.until(lambda: editor(mined).endswith("> half a line"))
    mined.type("\r")
    assert beto.may_speak("PRIVMSG").endswith(":half a line")


def test_a_signal_is_no_end_either(join: Join, voice: Speak, room: str) -> None:
    ana = join("ana")
    ana.child.kill(signal.SIGINT)
    ana.sees("Ctrl-C again leaves")
    ana.say("hola")
    ana.sees("<ana> hola")


@pytest.mark.parametrize("enter", ["\x1b[13;2u", "\x1b[13;5u", "\x1b[27;2;13~"])
def test_what_a_terminal_sends_for_shift_and_a_key_or_of_itself_is_no_text(
    join: Join, voice: Speak, enter: str
) -> None:
    ana, beto = join("ana"), voice("beto")
    ana.type("hola\x1b[I bet\x1b[O\x1b[9;2u\x1b[9;2u!!\x1b[127;2u")
    ana.until(lambda: editor(ana).endswith("!"))
    ana.type(enter)
    said = beto.may_speak("PRIVMSG")
    assert said.endswith("!")
    assert not said.endswith("!!")
    assert "[" not in said


# Pastes


@pytest.mark.parametrize(
    ("pasted", "read"),
    [
        ("rojo \x1b[31mrojo\x1b[0m fin", "rojo [31mrojo[0m fin"),
        ("\x1b[1;32mverde\x1b[m", "[1;32mverde[m"),
        ("\x1b[12;40Rpos", "[12;40Rpos"),
        ("\x1b[<0;5;5Mclic", "[<0;5;5Mclic"),
        ("\x1b[2J\x1b]0;t\x07 fin", "[2J]0;t fin"),
    ],
)
def test_escape_sequences_in_an_unmarked_paste_are_text(join: Join, voice: Speak, pasted: str, read: str) -> None:
    ana, beto = join("ana"), voice("beto")
    ana.type(pasted)
    ana.until(lambda: read in editor(ana))
    ana.type("\r")
    assert beto.may_speak("PRIVMSG").endswith(f":{read}")
    assert b"Traceback" not in ana.raw


def test_in_a_narrow_window_too_one_sees_what_the_answers_are(join: Join, voice: Speak, room: str) -> None:
    ana, beto = join("ana"), voice("beto")
    ana.resize(5, 20)
    ana.until(lambda: editor(ana).startswith("…"))
    for lines, question in ((["uno"] * 12, r"^12 to ….+\? \[y/N\]$"), (["uno", "/me x"], r"^obey 2\? \[y/N\]")):
        ana.type("\r".join(lines))
        ana.until(lambda: editor(ana).endswith(lines[-1]))  # noqa: B023
        ana.type("\r")
        ana.until(lambda: re.search(question, editor(ana)) is not None)  # noqa: B023
        ana.type("\x1b[I")  # the window gets the keyboard: no answer
        ana.type("y")
        ana.until(lambda: editor(ana).endswith(">"))
    for _ in range(13):
        assert beto.may_speak("PRIVMSG").endswith(":uno")
    assert beto.may_speak("PRIVMSG").endswith("ACTION x\x01")


@pytest.mark.parametrize("is_marked", [True, False])
def test_of_a_long_paste_one_sees_the_question_and_how_many_lines(
    join: Join, voice: Speak, room: str, is_marked: bool
) -> None:
    ana, beto = join("ana"), voice("beto")
    lines = [f"paste {number:02} " + "x" * 60 for number in range(60)]
    text = "\r".join(lines)
    ana.type(PASTE.format(text) if is_marked else text)
    ana.until(lambda: any("aste 59" in row for row in rows(ana)))
    ana.type("\r")
    ana.until(lambda: editor(ana).startswith(f"send 60 lines to {room}? [y/N] paste"))
    assert len(editor(ana)) < 80
    ana.type(PASTE.format("y"))  # a paste is no answer
    ana.until(lambda: not any("send 60" in row for row in rows(ana)))
    ana.type("\r")
    ana.until(lambda: editor(ana).startswith(f"send 61 lines to {room}? [y/N]"))
    ana.type("y")
    for line in [*lines, "y"]:
        assert beto.may_speak("PRIVMSG").endswith(f":{line}")
    ana.until(lambda: editor(ana) == f"ana {room}>")


_HURRIED = """
import sys
from mpchat.client import terminal
terminal.{name} = {value}
from mpchat.cli import main
sys.exit(main(["client", *sys.argv[1:]]))
"""


def hurried(name: str, value: float) -> list[str]:
    """A client with another setting."""
    return [sys.executable, "-c", _HURRIED.format(name=name, value=value)]


def test_a_paste_whose_end_is_lost_is_text_and_keys_are_keys_again(join: Join, voice: Speak) -> None:
    ana, beto = join("ana", client=hurried("PASTE_SECONDS", 0.1)), voice("beto")
    ana.type("\x1b[200~uno dos")
    ana.until(lambda: editor(ana).endswith("> uno dos"))
    ana.type(" tres")
    ana.until(lambda: editor(ana).endswith("> uno dos tres"))
    ana.type("\r")
    assert beto.may_speak("uno").endswith(":uno dos tres")


def test_of_several_lines_the_short_ones_are_seen_beside_a_long_one(join: Join, room: str) -> None:
    ana = join("ana")
    ana.type(PASTE.format("uno\rdos\r" + "largo " * 40 + "fin"))
    ana.until(lambda: editor(ana).endswith("fin"))
    assert f"ana {room}> uno" in rows(ana)
    assert any(row.strip() == "dos" for row in rows(ana))


# Ctrl-C


def test_a_late_second_control_c_is_a_first_one(join: Join, room: str) -> None:
    ana = join("ana", client=hurried("AGAIN_SECONDS", 0.0))
    for times in (1, 2, 3):
        ana.type("\x03")
        ana.until(lambda: len([line for line in ana.lines() if "Ctrl-C again" in line]) == times)  # noqa: B023
    ana.say("hola")
    ana.sees("<ana> hola")


# Tab


@pytest.mark.slow
def test_tab_lists_once_and_then_goes_through_them(join: Join, voice: Speak, room: str) -> None:
    ana = join("ana")
    for nick in ("bruno", "bea", "boris"):
        voice(nick)
        ana.sees(f"{nick} joined")
    ana.type("b\t")
    ana.sees("-- bea:  boris:  bruno:$")
    for nick in ("bea", "boris", "bruno", "bea"):
        ana.type("\t")
        ana.until(lambda: editor(ana) == f"ana {room}> {nick}:")  # noqa: B023
    ana.type("\x1b[Z")  # backwards
    ana.until(lambda: editor(ana) == f"ana {room}> bruno:")
    ana.type("hola")
    ana.until(lambda: editor(ana) == f"ana {room}> bruno: hola")
    assert sum("bea:  boris:" in line for line in ana.lines()) == 1
