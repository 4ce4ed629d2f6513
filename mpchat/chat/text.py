"""Sanitizing of text that will be shown in a terminal. Pure.

A terminal interprets some characters (ECMA-48). Those that move its cursor or reverse its text are removed: C0 but for
IRC's codes, DEL, C1 (ESC's 8-bit forms), and bidirectional overrides and isolates, but not the marks that people who
write from right to left type. IRC's formatting codes stay; without_formatting() removes them for raw terminals.
"""

import re

REPLACEMENT = "\ufffd"  # in place of undecodable bytes, and of removed characters in names; no valid name has it
CTCP = "\x01"  # what IRC clients put around requests to each other, /me among them

_HOSTILE = re.compile("[\x00\x05-\x08\x0a-\x0e\x10\x12-\x15\x17-\x1c\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
# Colour, hex colour; CTCP's delimiter, bold, reset, monospace, reverse, italic, strike-through, underline.
_CODES = re.compile("\x03(?:[0-9]{1,2}(?:,[0-9]{1,2})?)?|\x04(?:[0-9A-Fa-f]{6})?|[\x01\x02\x0f\x11\x16\x1d\x1e\x1f]")


def clean(text: str) -> str:
    """`text` without the characters that a terminal would interpret; a tab becomes a space."""
    if text.isprintable():  # the usual case, decided in C
        return text
    return _HOSTILE.sub("", text.replace("\t", " "))


def spoiled(text: str) -> str:
    """`text` with REPLACEMENT for each of these characters: to remove them from a name would make another name."""
    return text if text.isprintable() else _HOSTILE.sub(REPLACEMENT, text.replace("\t", REPLACEMENT))


def in_one_line(text: str) -> str:
    """`text` as one line of UTF-8, whatever it holds: what cannot be printed is written out, as in Python's literals.

    For what the system says, and for names of files, which are bytes: one that is no text is a lone surrogate here.
    """
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def without_formatting(text: str) -> str:
    """`text` without IRC's formatting codes too: what may be printed as it is."""
    return text if text.isprintable() else _CODES.sub("", text)


def has_words(text: str) -> bool:
    """Is there a letter or a digit in it? Of the rest a full-text index keeps next to nothing."""
    return any(map(str.isalnum, text))
