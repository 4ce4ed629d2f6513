"""A line of the chat in rows of the window, broken between words. Pure.

A row that begins in the first column looks like another message, with its time and its nick. So every row after a
line's first is indented; and a word that is wider than the window, which the terminal breaks so that one can still
select it whole, has nothing behind it: its last piece begins in the first column, but holds no space.
"""

import re
from collections.abc import Callable

INDENT = 6  # columns: under the words, behind the time
_STYLE = re.compile(r"\x1b\[[0-9;]*m")  # the only escape sequences in a painted line
_BLANK = r"\s\u115f\u1160\u2800\u3164\uffa0"  # spaces, also those that are meant not to break, and what looks like one
_WORD = re.compile(rf"([{_BLANK}]*)([^{_BLANK}]+)")
# Characters that take no column in wcwidth()'s tables, and up to two in some terminals: the later letters of a Korean
# syllable, and fillers; and the sign that makes of ❤ an emoji, which is wider.
_WIDER = re.compile(r"[\u1160-\u11ff\ud7b0-\ud7ff\u3164\uffa0\ufe0f]")


def wrapped(text: str, columns: int, width: Callable[[str], int]) -> str:
    """`text`, whose lines may be painted, with line ends where a row of so many columns is full.

    `width` says how many columns a plain text takes.
    """
    if len(text) <= columns // 2:  # no character takes more than two
        return text
    indent = INDENT if columns > 4 * INDENT else 2 if columns > INDENT else 1
    return "\n".join(_rows(line, columns, indent, width) for line in text.split("\n"))


def _rows(line: str, columns: int, indent: int, width: Callable[[str], int]) -> str:
    rows, row, used = [], "", 0
    for blanks, word in _WORD.findall(line):
        gap, wide = _most(blanks, width), _most(word, width)
        # A word that fits in no row begins where there is room for some of it. It fills its row: used > columns.
        needed = wide if indent + wide <= columns else 1
        if row and used + gap + needed > columns:
            rows.append(row)
            row, used, gap = " " * indent, indent, 0
        else:
            row += blanks
        row += word
        used += gap + wide
    return "\n".join([*rows, row])


def _most(text: str, width: Callable[[str], int]) -> int:
    """How many columns `text` takes, in the terminal where it takes most."""
    text = _STYLE.sub("", text)
    return width(text) + 2 * len(_WIDER.findall(text))
