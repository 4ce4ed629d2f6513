"""A long message in rows of the window: no word is broken, and no row looks like another message."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mpchat.client.wrapping import wrapped
from tests.client.conftest import Voice
from tests.client.person import Person

Join = Callable[..., Person]
Speak = Callable[[str], Voice]


def width(text: str) -> int:
    """As wcwidth() has it."""
    return sum(
        0 if letter in "\u1160\u3164\uffa0\ufe0f" else 2 if letter in "漢字\u115f\u3000" else 1 for letter in text
    )


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("14:03 <ana> short", ["14:03 <ana> short"]),
        ("14:03 <ana> the quick brown fox jumps", ["14:03 <ana> the quick brown", "      fox jumps"]),
        ("14:03 <ana> the quick brown  fox", ["14:03 <ana> the quick brown", "      fox"]),
        ("14:03 <ana> \x1b[1mthe quick brown fox\x1b[0m", ["14:03 <ana> \x1b[1mthe quick brown", "      fox\x1b[0m"]),
        ("14:03 <ana> " + "x" * 40 + " end", ["14:03 <ana> " + "x" * 40, "      end"]),  # the terminal breaks it
        ("14:03 <ana> not\xa0broken\u2003spaces", ["14:03 <ana> not\xa0broken", "      spaces"]),
        ("14:03 <ana> a row" + " " * 12 + "x" * 30, ["14:03 <ana> a row", "      " + "x" * 30]),
        ("14:03 <ana> 漢字漢字 漢字漢字漢字", ["14:03 <ana> 漢字漢字", "      漢字漢字漢字"]),
        (
            "--- a day ---\n14:03 <ana> the quick brown fox",
            ["--- a day ---", "14:03 <ana> the quick brown", "      fox"],
        ),
    ],
)
def test_a_long_message_is_broken_between_words(text: str, rows: list[str]) -> None:
    assert wrapped(text, 28, width).split("\n") == rows


_BLANKS = " \xa0\u1680\u2003\u202f\u205f\u3000\u2800\u3164\u115f\u1160\uffa0"


def _shown(row: str, columns: int) -> list[str]:
    """How a terminal that breaks anywhere shows a row; it has every character where that takes most columns."""
    pieces, used = [""], 0
    for letter in row:
        wide = 2 if letter in "\u1160\u3164\uffa0\u115f\u3000漢" else 1
        if used + wide > columns:
            pieces.append("")
            used = 0
        pieces[-1] += letter
        used += wide
    return pieces


@given(
    text=st.text(f"ab1:<漢\ufe0f{_BLANKS}", max_size=120),
    columns=st.integers(2, 40),
)
@example("x" * 12 + "16:14 <beto> hola", 24)
@example("16:14\u3000<beto>\u3000hola" * 3, 20)
@example("❤\ufe0f" * 12 + "16:14 <beto> hola", 24)
def test_no_row_of_a_message_looks_like_another_message(text: str, columns: int) -> None:
    """In the first column is the time of a message, or a piece of one word, with no space in it or behind it."""
    rows = wrapped(f"14:03 <ana> {text}", columns, width).split("\n")
    for number, row in enumerate(rows):
        first, *others = _shown(row, columns)
        assert number == 0 or first[0] == " "
        assert not any(blank in other for other in others for blank in _BLANKS)
    unspaced = str.maketrans("", "", _BLANKS)
    assert "".join(rows).translate(unspaced) == f"14:03<ana>{text}".translate(unspaced)  # and nothing is lost


def test_a_message_cannot_show_another_ones_line(join: Join, voice: Speak, room: str) -> None:
    ana, beto = join("ana", columns=40), voice("beto")
    for blank in _BLANKS:
        forged = blank.join(["16:14", "<carla>", "sí"])
        beto.send(f"PRIVMSG {room} :{'x' * 26}{forged}", f"PRIVMSG {room} :{'x' * 66}{forged}")
        beto.send(f"PRIVMSG {room} :{(forged + blank) * 4}", f"PRIVMSG {room} :end")
        ana.sees("<beto> end")
        assert not any(re.match(r"\S+\s*<carla>", line) for line in ana.lines())
        ana.say("/clear")


@pytest.mark.parametrize("columns", [20, 33, 80])
def test_no_word_is_broken_in_the_window(join: Join, voice: Speak, room: str, columns: int) -> None:
    words = [f"word{number}" for number in range(40)]
    ana, beto = join("ana"), voice("beto")
    ana.resize(24, columns)
    beto.send(f"PRIVMSG {room} :{' '.join(words)}")
    ana.sees("word39")
    shown = " ".join(ana.lines()).split()
    assert [word for word in shown if word.startswith("word")] == words
    address = "https://example.org/" + "a" * 100
    beto.send(f"PRIVMSG {room} :{address}")
    ana.until(lambda: address in "".join(line for line in ana.lines()).replace(" ", ""))
