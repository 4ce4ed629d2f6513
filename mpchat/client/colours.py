"""Colour: which nick wears which, and how a line is painted. Pure.

Colour is never the only sign of anything. Only the sixteen colours that every terminal's theme maps are used.
"""

import zlib

from mpchat.chat.names import fold
from mpchat.client.step import CLIENT, ERROR, EVENT, RULE, Line

BELL = "\a"
_RESET = "\x1b[0m"
_DIM, _BOLD, _RED = "2", "1", "31"
_NICKS = ("32", "33", "34", "35", "36", "1;32", "1;33", "1;34", "1;35", "1;36")  # red is for refusals


def wanted(color: str, terminal: bool, no_color: bool, dumb: bool) -> bool:
    """Shall there be colours? --color decides; "auto" looks at the terminal and the environment."""
    if color == "auto":
        return terminal and not no_color and not dumb
    return color == "always"


def nick_colour(nick: str) -> str:
    """The same colour for a nick on every screen and every day (hash() differs from run to run)."""
    return _NICKS[zlib.crc32(fold(nick).encode("utf-8", "replace")) % len(_NICKS)]


def paint(line: Line, clock: str, colour: bool, bell: bool) -> str:
    """The text to print for `line`, without a line end."""
    ring = BELL if bell and line.calls else ""
    if not colour:
        return line.plain(clock) + ring
    # Painted is what plain() has made harmless; nothing else brings an escape sequence in.
    time = _in(_DIM, Line("", "").plain(clock))
    room = Line("", line.room).plain("")
    head = Line("", line.head).plain("")
    text = Line(line.text, "").plain("")
    parts = (time, room, _in(_head_colour(line), head), _in(_text_colour(line), text))
    return " ".join(part for part in parts if part) + ring


def _head_colour(line: Line) -> str:
    if line.head == ERROR:
        return _RED
    return nick_colour(line.who) if line.who else _DIM


def _text_colour(line: Line) -> str:
    if line.calls:
        return _BOLD
    return _DIM if line.head in (EVENT, CLIENT, RULE) and not line.who else ""


def _in(colour: str, text: str) -> str:
    return f"\x1b[{colour}m{text}{_RESET}" if colour and text else text
