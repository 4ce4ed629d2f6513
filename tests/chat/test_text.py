"""chat/text: what a terminal would interpret never passes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpchat.chat.text import clean, spoiled, without_formatting

HOSTILE = [0, *range(5, 9), *range(0xA, 0xF), 0x10, *range(0x12, 0x16), *range(0x17, 0x1D), *range(0x7F, 0xA0)]
HOSTILE += [0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
FORMATTING = [1, 2, 3, 4, 0xF, 0x11, 0x16, 0x1D, 0x1E, 0x1F]


@pytest.mark.parametrize("code", HOSTILE)
def test_a_terminal_never_sees(code: int) -> None:
    assert clean(f"a{chr(code)}b") == "ab"
    assert spoiled(f"a{chr(code)}b") == "a\ufffdb"


@pytest.mark.parametrize("code", FORMATTING)
def test_irc_formatting_passes_and_can_be_dropped(code: int) -> None:
    assert clean(f"a{chr(code)}z") == f"a{chr(code)}z"
    assert without_formatting(f"a{chr(code)}z") == "az"


def test_every_control_character_is_one_or_the_other_or_a_tab() -> None:
    assert sorted([*HOSTILE, *FORMATTING, 9])[: 32 + 33] == [*range(32), *range(0x7F, 0xA0)]


def test_a_tab_becomes_a_space() -> None:
    assert clean("a\tb") == "a b"
    assert spoiled("a\tb") == "a\ufffdb"


@pytest.mark.parametrize(
    ("coloured", "bare"),
    [
        ("\x034red\x03 and\x0304,12 both\x0f", "red and both"),
        ("\x03,4 no colour", ",4 no colour"),
        ("\x04FF0000hex\x04", "hex"),
        ("\x0312345", "345"),
        ("\x01ACTION waves\x01", "ACTION waves"),
        ("plain", "plain"),
    ],
)
def test_a_code_takes_its_digits_along(coloured: str, bare: str) -> None:
    assert without_formatting(coloured) == bare


@pytest.mark.parametrize("text", ["", "hola", "¡ñandú! 😀 日本 👩\u200d💻", "a  b"])
def test_what_people_write_stays(text: str) -> None:
    assert without_formatting(clean(text)) == text


@given(st.text())
def test_nothing_is_left_that_a_terminal_obeys(text: str) -> None:
    cleaned = clean(text)

    assert not {ord(letter) for letter in cleaned} & {*HOSTILE, 9}
    assert clean(cleaned) == cleaned
    assert not {ord(letter) for letter in without_formatting(cleaned)} & {*HOSTILE, *FORMATTING, 9}
