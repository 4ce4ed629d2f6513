"""Secrets never reach the core, its records, the journal or a log: a password is replaced before anybody sees it.

Withheld keeps it until the core asks whether it was the right one. Pure.
"""

import re
from typing import Any

from mpchat.chat.text import clean

Record = tuple[Any, ...]

# The text as the dialects read it, after clean(). Tags, a prefix and spaces may stand before an IRC command; the
# secret is what follows PASS, or OPER's second word.
_IRC = re.compile("( *(?:@[^ ]* +)?(?::[^ ]* +)?(?:PASS +|OPER +[^ ]+ +):?)(.+)", re.IGNORECASE | re.ASCII)
_PLAIN = re.compile("(/pass +)(.+)", re.IGNORECASE | re.ASCII)
# No line that begins otherwise can hold one: what clean() and strip() take away may stand before it.
_FIRST = frozenset(b"pPoO/@:") | frozenset(range(0x21)) | frozenset(range(0x7F, 0x100))
_REPLACED = "*"


class Withheld:
    """Between a batch of records and the core."""

    def __init__(self) -> None:
        self._plain: set[int] = set()
        self._secrets: dict[tuple[int, int], str] = {}

    def take(self, record: Record) -> Record:
        """The record as everybody may see it."""
        if record[0] == "line":
            _, connection, end, data = record
            if data and data[0] in _FIRST:
                text = clean(data.decode(errors="replace"))
                found = _PLAIN.fullmatch(text.strip())  # in either dialect: lines may follow closed()
                if found is None and connection not in self._plain:
                    found = _IRC.fullmatch(text)
                if found is not None:
                    self._secrets[connection, end] = found[2].strip()
                    return ("line", connection, end, (found[1] + _REPLACED).encode())
        elif record[0] == "open" and record[3]:
            self._plain.add(record[2])
        return record

    def secret(self, connection: int, end: int) -> str:
        """What stood in that line."""
        return self._secrets.get((connection, end), "")

    def closed(self, connection: int) -> None:
        """No line of it will come any more."""
        self._plain.discard(connection)

    def forget(self) -> None:
        """The batch is dealt with: nobody will ask for its secrets any more."""
        self._secrets.clear()
