"""The window changes its size while a line is typed: in tmux, which lays lines out anew, and in pyte, which cuts."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mpchat.client.resizing import Drawn, Layout
from tests.client.conftest import Voice
from tests.client.person import CLIENT, SECONDS, Person
from tests.running import Server

Join = Callable[..., Person]
Speak = Callable[[str], Voice]


ASKED = b"\x1b[6n"  # where the cursor is


class Tmux:
    """One window of a tmux of its own, with the client in it."""

    def __init__(self, folder: Path, argv: list[str], env: dict[str, str], columns: int, rows: int) -> None:
        self._command = ["tmux", "-S", str(folder / "tmux"), "-f", "/dev/null"]
        self._env = env
        size = ["-x", str(columns), "-y", str(rows)]
        self._output = folder / "output"  # of the client
        self.run("new-session", "-d", *size, *argv)
        self.run("pipe-pane", f"cat > {self._output}")

    def run(self, *words: str) -> str:
        done = subprocess.run([*self._command, *words], env=self._env, capture_output=True, text=True, check=True)
        return done.stdout

    def type(self, text: str) -> None:
        self.run("send-keys", "-l", text)

    def press(self, key: str) -> None:
        self.run("send-keys", key)

    def resize(self, columns: int) -> None:
        """Drag the window's edge, and wait until the client has drawn its editor again."""
        asked = self._output.read_bytes().count(ASKED)
        self.run("resize-window", "-x", str(columns), "-y", "24")
        self.until(lambda _: self._output.read_bytes().count(ASKED) > asked)
        # tmux tells a program of a resize up to twice, a quarter of a second apart; only then a hand drags on.
        before = b""
        while before != (before := self._output.read_bytes()):
            time.sleep(0.3)

    def rows(self) -> list[str]:
        """The scrollback and the screen, without the empty rows below."""
        return self.run("capture-pane", "-p", "-S", "-1000").rstrip("\n").split("\n")

    def until(self, condition: Callable[[list[str]], bool]) -> list[str]:
        end = time.monotonic() + SECONDS
        while not condition(rows := self.rows()):
            assert time.monotonic() < end, "the window stayed so:\n" + "\n".join(rows)
        return rows

    def close(self) -> None:
        subprocess.run([*self._command, "kill-server"], env=self._env, capture_output=True, check=False)


@pytest.fixture
def window(server: Server, env: dict[str, str], room: str, tmp_path: Path) -> Iterator[Tmux]:
    """Ana in a window of 80 columns."""
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed")
    argv = [*CLIENT, server.host, str(server.irc_port), "--nick", "ana", "--room", room, "--color", "never"]
    tmux = Tmux(tmp_path, argv, env, 80, 24)
    try:
        tmux.until(lambda rows: any(row.endswith("(1): @ana") for row in rows))
        yield tmux
    finally:
        tmux.close()


SHORT = "a line that is not so long but longer than some"
LONG = "the first words of a line that is longer than the window is wide, and goes on and on to its end here"


@pytest.mark.slow
@pytest.mark.parametrize("draft", ["", SHORT, LONG], ids=["empty", "short", "long"])
@pytest.mark.parametrize("sizes", [[40], [25, 100], [60, 33]], ids=str)
def test_no_old_prompt_stays_where_lines_are_laid_out_anew(
    window: Tmux, voice: Speak, room: str, draft: str, sizes: list[int]
) -> None:
    beto = voice("beto")
    window.until(lambda rows: any("beto joined" in row for row in rows))
    window.type(draft)
    window.until(lambda rows: rows[-1].endswith(draft[-20:]))
    for columns in sizes:
        window.resize(columns)
        end = draft[-min(10, columns // 4) :] if draft else ">"
        # It has drawn itself again when the last row is not the second half of the old one.
        window.until(lambda rows: rows[-1].startswith(("ana #", "…")) and rows[-1].endswith(end))  # noqa: B023
    beto.send(f"PRIVMSG {room} :hola")
    rows = window.until(lambda rows: any(row.endswith("<beto> hola") for row in rows))
    rows = window.until(lambda rows: rows[-2].endswith("<beto> hola"))
    joined = "".join(rows)
    assert joined.count("<beto> hola") == 1
    assert joined.count("connected to") == 1, "a message was erased"
    assert joined.count("beto joined") == 1
    before = rows[: rows.index(next(row for row in rows if row.endswith("<beto> hola")))]
    assert not any(row.startswith("ana ") or "> " in row for row in before), "\n".join(rows)
    window.press("Enter")
    if draft:
        assert beto.may_speak("PRIVMSG").endswith(f":{draft}")


@pytest.mark.parametrize("rest", [0, 1, 2])
def test_nor_does_one_in_a_window_that_was_narrower_than_the_prompt(
    window: Tmux, voice: Speak, room: str, rest: int
) -> None:
    columns = (len(f"ana {room}>") - rest) // 2  # in two rows, of which the second is full, or not
    beto = voice("beto")
    for number in range(30):  # to the window's end: else tmux moves the upper rows of the editor into its scrollback
        beto.send(f"PRIVMSG {room} :number {number}")
    window.until(lambda rows: any(row.endswith("number 29") for row in rows))
    window.resize(columns)
    window.resize(80)
    window.until(lambda rows: rows[-1] == f"ana {room}>" and rows[-2].endswith("number 29"))


def test_several_lines_in_the_editor_are_drawn_once_too(window: Tmux, room: str) -> None:
    window.run("set-buffer", f"{LONG}\n{SHORT}\nthe end")
    window.run("paste-buffer", "-p")
    window.until(lambda rows: rows[-1].endswith("the end"))
    for columns in (40, 60):
        window.resize(columns)
        rows = window.until(lambda rows: max(map(len, rows[-3:])) <= columns and rows[-1].endswith("the end"))  # noqa: B023
        assert "".join(rows).count("the end") == 1, "\n".join(rows)
        assert sum("> the first" in row for row in rows) == 1, "\n".join(rows)


def test_nor_does_one_stay_or_a_message_go_where_they_are_cut(join: Join, voice: Speak, room: str) -> None:
    ana, beto = join("ana", "--color", "never"), voice("beto")
    ana.screen.write_process_input = ana.type  # type: ignore[method-assign]  # it tells where its cursor is
    ana.sees("beto joined")
    ana.type(SHORT)
    ana.until(lambda: ana.bottom().endswith(SHORT[-10:]))
    for columns in (50, 40, 70):
        ana.resize(24, columns)
        ana.until(lambda: ana.bottom().endswith(SHORT[-10:]) and len(ana.bottom()) < columns)  # noqa: B023
    beto.send(f"PRIVMSG {room} :hola")
    ana.sees("<beto> hola")
    ana.until(lambda: ana.bottom().endswith(SHORT[-10:]))
    told = [line for line in ana.lines() if line]
    assert [line[6:22] for line in told[:3]] == ["-- connected to ", "* ana joined #no", "* in #nor_does_o"]
    assert sum("ana #" in line and ">" in line for line in told) == 1, told


def test_a_message_that_comes_in_the_moment_of_a_resize_is_shown(join: Join, voice: Speak, room: str) -> None:
    ana, beto = join("ana"), voice("beto")
    for number in range(10):
        ana.resize(24, 60 + number)
        beto.send(f"PRIVMSG {room} :message {number} end")
    ana.sees("message 9 end")
    assert [line[-13:] for line in ana.lines() if line.endswith(" end")] == [f"message {n} end" for n in range(10)]


# The arithmetic


@pytest.mark.parametrize(
    ("drawn", "columns", "reported", "rows"),
    [
        (Drawn((), 60), 40, 21, 1),  # laid out anew
        (Drawn((), 60), 40, 40, 0),  # cut
        (Drawn((), 60), 100, 61, 0),
        (Drawn((), 60), 40, None, 0),  # it does not say
        (Drawn((), 70), 20, 11, 3),
        (Drawn((50, 0, 79), 60), 40, 21, 2 + 1 + 2 + 1),
        (Drawn((50, 0, 79), 60), 40, 40, 3),
        (Drawn((), 9, True), 4, 5, 1),  # "ana #it> ", of which tmux keeps eight columns in two full rows
        (Drawn((), 9, True), 4, 4, 0),
        (Drawn((), 12, True), 6, 6, 1),  # of which it keeps eleven
        (Drawn((), 12), 6, 6, 0),
    ],
)
def test_where_the_editor_begins_follows_from_the_cursors_column(
    drawn: Drawn, columns: int, reported: int | None, rows: int
) -> None:
    assert Layout().rows_above(drawn, columns, reported) == rows


def test_what_a_terminal_has_shown_once_decides_where_both_are_possible() -> None:
    layout = Layout()
    assert layout.rows_above(Drawn((), 39), 20, 20) == 1
    assert layout.rows_above(Drawn((79,), 10), 40, 11) == 2
    assert layout.rows_above(Drawn((), 60), 40, 40) == 0
    assert layout.rows_above(Drawn((), 39), 20, 20) == 0
    assert layout.rows_above(Drawn((79,), 10), 40, 11) == 1
    assert layout.rows_above(Drawn((), 60), 40, 21) == 1
    assert layout.rows_above(Drawn((), 39), 20, 20) == 1
