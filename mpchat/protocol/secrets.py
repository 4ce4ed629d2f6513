"""Secrets never reach the core, its records, the journal or a log: a password is replaced before anybody sees it.

Withheld keeps it until the core asks whether it was the right one. Pure.
"""

import re
from typing import Any

from mpchat.chat.text import clean

Record = tuple[Any, ...]

# The text as the dialects read it, after clean(). Tags, a prefix and spaces may stand before an IRC command; the
# secret is what follows PASS, or OPER's second word; an empty one is none, and answered with 461.
_IRC = re.compile("( *(?:@[^ ]* +)?(?::[^ ]* +)?(?:PASS +|OPER +[^ ]+ +)(?::|(?![: ])))(.+)", re.IGNORECASE | re.ASCII)
_PLAIN = re.compile("(/pass +)(.+)", re.IGNORECASE | re.ASCII)
# No line that begins otherwise can hold one: what clean() and strip() take away may stand before it.
_FIRST = frozenset(b"pPoO/@:") | frozenset(range(0x21)) | frozenset(range(0x7F, 0x100))
_REPLACED = "*"


class Withheld:
    """Between a batch of records and the core."""

    def __init__(self) -> None:
        self._is_plain: dict[int, bool] = {}  # of each open connection
        self._secrets: dict[tuple[int, int], str] = {}
        self._begun: dict[int, tuple[bytes, bytes]] = {}  # unfinished lines: as they came, and as they were shown

    def take(self, record: Record) -> Record:
        """The record as everybody may see it."""
        kind = record[0]
        if kind == "line" or kind == "part":
            if record[3][:2] == b"PR" and not self._begun:  # PRIVMSG is most of what comes
                if kind == "part":
                    self._begin(record[1], record[3], record[3])
                return record
            return self._take_input(*record)
        if kind == "open":
            self._is_plain[record[2]] = record[3]
        elif kind == "overlong":
            self._begun.pop(record[1], None)
        return record

    def _take_input(self, kind: str, connection: int, end: int, data: bytes) -> Record:
        came, shown = self._begun.pop(connection, (b"", b"")) if self._begun else (b"", b"")
        whole = came + data
        if whole and whole[0] in _FIRST:
            found = self._find(connection, whole)
            if found is not None:
                self._secrets[connection, end] = found[2].strip()
                visible = (found[1] + _REPLACED).encode()
                # A secret may come in pieces: what was shown of it stands, and no more of it is.
                data = visible[len(shown) :] if visible.startswith(shown) else b""
        if kind == "part":
            self._begin(connection, whole, shown + data)
        return (kind, connection, end, data)

    def _begin(self, connection: int, came: bytes, shown: bytes) -> None:
        if connection in self._is_plain:  # one that has closed would never be forgotten
            self._begun[connection] = came, shown

    def _find(self, connection: int, line: bytes) -> re.Match[str] | None:
        text = clean(line.decode(errors="replace"))
        found = _PLAIN.fullmatch(text.strip())  # in either dialect: a plain one's last lines come after closed()
        if found is None and not self._is_plain.get(connection, False):
            found = _IRC.fullmatch(text)
        return found

    def secret(self, connection: int, end: int) -> str:
        """What stood in the line that ended there."""
        return self._secrets.get((connection, end), "")

    def closed(self, connection: int) -> None:
        """Whatever comes of it now comes too late to be asked about."""
        self._is_plain.pop(connection, None)
        self._begun.pop(connection, None)

    def forget(self) -> None:
        """The batch is dealt with: nobody will ask for its secrets any more."""
        self._secrets.clear()
