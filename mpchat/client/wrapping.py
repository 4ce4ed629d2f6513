"""A line of the chat in rows of the window, broken between words. Pure.

A word that is wider than the window is left to the terminal: it breaks it anywhere, and one can still select it whole.
"""

import re
from collections.abc import Callable

_STYLE = re.compile(r"\x1b\[[0-9;]*m")  # the only escape sequences in a painted line
INDENT = " " * 6  # under the words, behind the time


def wrapped(text: str, columns: int, width: Callable[[str], int]) -> str:
    """`text`, whose lines may be painted, with line ends where a row of so many columns is full.

    `width` says how many columns a plain text takes.
    """
    if len(text) <= columns // 2:  # no character takes more than two
        return text
    indent = INDENT if columns > 4 * len(INDENT) else ""
    return "\n".join(_rows(line, columns, indent, width) for line in text.split("\n"))


def _rows(line: str, columns: int, indent: str, width: Callable[[str], int]) -> str:
    rows, row, used = [], "", 0
    for word in re.findall(r" *[^ ]+| +$", line):
        wide = width(_STYLE.sub("", word))
        bare = word.lstrip(" ")
        alone = wide - (len(word) - len(bare))
        if used + wide > columns and used > len(indent) and alone <= columns - len(indent):
            rows.append(row)
            word, wide, row, used = bare, alone, indent, len(indent)
        row += word
        used += wide
        if used > columns:  # a word that the terminal breaks: its last piece is in a row of its own
            used %= columns
    return "\n".join([*rows, row])
