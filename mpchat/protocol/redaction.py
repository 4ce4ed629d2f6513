"""Secrets never reach the core, its records, the journal or a log: each is replaced before any of them sees it.

A password by a star, and redaction keeps it until the core asks whether it was the right one. Should it die with its
broker, the line that had the password is still in the kernel, and comes again. What is said to a service, by a star
too, but for NickServ's commands; a resume token by its hash, which is all that the core needs: see secrets.py.
Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from functools import lru_cache
from typing import Literal, NamedTuple

from mpchat.chat.names import is_servers_own
from mpchat.messages import ConnectionId, Line, Part, Record
from mpchat.protocol.dialect import DIALECTS, Dialect
from mpchat.protocol.message import LINE_BYTES, TAG_BYTES
from mpchat.protocol.secrets import HIDDEN, Secret

Kind = Literal["line", "part"]

_HIDDEN = HIDDEN.encode()
_WAITING_BYTES = TAG_BYTES + LINE_BYTES  # a longer line holds no secret that counts; and it is within a worker's window


class Begun(NamedTuple):
    """A line that has not ended: where in the input, what came of it, and what was shown."""

    end: int
    came: bytes
    shown: bytes

    @property
    def start(self) -> int:
        return self.end - len(self.came)


class Redaction:
    """Between a batch of records and the core. `opers`: the names of the server's operators, which may be seen;
    `is_known`: whether a name is an account's, or that of somebody who is here. Any other word in the place of an
    account's may be a password.
    """

    def __init__(self, opers: Container[str] = (), is_known: Callable[[str], bool] = lambda name: False) -> None:
        self.opers, self._is_known = opers, is_known
        self._dialects: dict[ConnectionId, Dialect] = {}  # of each open connection
        self._secrets: dict[tuple[ConnectionId, int], str] = {}
        self._begun: dict[ConnectionId, Begun] = {}
        self._before: tuple[dict[ConnectionId, Begun], list[ConnectionId]] = (
            {},
            [],
        )  # what begun was before the last block; who is new

    def resume(self, connection: ConnectionId, dialect: str, end: int, part: bytes) -> None:
        """A connection from before we began: `part`, which ends there, begins a line of which more will come."""
        self._dialects[connection] = DIALECTS[dialect]
        if part:
            self._begun[connection] = Begun(end, part, part)

    def take_block(self, block: list[Record]) -> list[Record]:
        """Records as everybody may see them."""
        begun = self._begun
        self._before = begun.copy(), []
        return [
            record if record[0] == "line" and not begun and _is_common(record[3]) else self.take(record)
            for record in block
        ]

    def undo(self) -> None:
        """The last block has not happened: it comes again, perhaps otherwise divided."""
        self._begun, strangers = self._before
        for connection in strangers:
            self.closed(connection)

    def take(self, record: Record) -> Record:
        """The record as everybody may see it."""
        match record:
            case ("line" | "part" as kind, connection, end, data):
                return self._take_input(kind, connection, end, data)
            case ("open", _, connection, dialect, *_):
                if connection not in self._dialects:
                    self._before[1].append(connection)
                self._dialects[connection] = DIALECTS[dialect]
            case ("overlong", connection, *_):
                self._begun.pop(connection, None)
            case _:
                pass  # no other record holds what a client has typed
        return record

    def _take_input(
        self, kind: Literal["line", "part"], connection: ConnectionId, end: int, data: bytes
    ) -> Line | Part:
        start = end - len(data) - (kind == "line")  # a line's LF was not forwarded
        begun = self._begun.pop(connection, None) or Begun(start, b"", b"")
        if end <= begun.end:  # it comes twice: the core drops it by its offset
            self._begin(connection, begun)
            return _input(kind, connection, begun.start + len(begun.shown), b"")
        # What waits in the kernel is forwarded again if a worker dies, together with what has come since.
        whole, shown = begun.came[: max(0, start - begun.start)] + data, begun.shown
        is_over, line_end = kind == "line", b""
        dialect = self._dialects.get(connection)
        if is_over and dialect is not None and dialect.is_unfinished(whole):
            is_over, line_end = False, b"\n"  # a byte of the line: the dialect goes on reading it
        text = whole.removesuffix(b"\r") if is_over else whole  # its line end is no secret
        found = _find(dialect, text, shown)
        if found is not None:
            found = found.among(self.opers, self._is_known)
            visible, shown_of_it = found.before, found.shown if is_over else _HIDDEN
            if is_over:
                if connection in self._dialects and found.text:
                    self._secrets[connection, end] = found.text.strip()
            elif len(whole) <= _WAITING_BYTES:
                # Only what stands before the secret is taken; the rest waits in the kernel until the line is whole.
                before = max(len(shown), len(visible) if whole.startswith(visible) else 0)
                self._begin(connection, Begun(end, whole + line_end, whole[:before]))
                return ("part", connection, begun.start + before, whole[len(shown) : before])
            visible += shown_of_it
            # A secret may come in pieces: what was shown of it stands, and no more of it is.
            data = visible[len(shown) :] if visible.startswith(shown) else b""
        elif begun.came:  # what waited was the beginning of something else
            data = whole[len(shown) :] if whole.startswith(shown) else b""
        if not is_over:
            self._begin(connection, Begun(end, whole + line_end, shown + data + line_end))
        elif found is not None and begun.came:
            self._begin(connection, Begun(end, b"", b""))  # should the end of it come twice
        return _input(kind, connection, end, data)

    def _begin(self, connection: ConnectionId, begun: Begun) -> None:
        if connection in self._dialects:  # one that has closed would never be forgotten
            self._begun[connection] = begun

    def secret(self, connection: ConnectionId, end: int) -> str:
        """What stood in the line that ended there."""
        return self._secrets.get((connection, end), "")

    def closed(self, connection: ConnectionId) -> None:
        """Whatever comes of it now comes too late to be asked about."""
        self._dialects.pop(connection, None)
        self._begun.pop(connection, None)
        self._secrets = {place: secret for place, secret in self._secrets.items() if place[0] != connection}

    def commit(self, dealt_with: Callable[[ConnectionId], int]) -> None:
        """Drop the secrets of lines that end before dealt_with(connection), or there: they are not asked for again."""
        if self._secrets:
            secrets = self._secrets.items()
            self._secrets = {place: secret for place, secret in secrets if place[1] > dealt_with(place[0])}


def _is_common(line: bytes) -> bool:
    """PRIVMSG to a channel or a person, which is most of what comes, and holds no secret."""
    return line[:8] == b"PRIVMSG " and _is_no_service(line[8 : line.find(b" ", 8)])


@lru_cache(maxsize=4096)
def _is_no_service(target: bytes) -> bool:
    try:
        name = target.decode()
    except UnicodeDecodeError:
        return False
    if not name.isprintable() or name[:1] in ("", ":") or "," in name:  # a tab may have been meant as a space
        return False
    return not is_servers_own(name)


def _input(kind: Kind, connection: ConnectionId, end: int, data: bytes) -> Line | Part:
    return ("line", connection, end, data) if kind == "line" else ("part", connection, end, data)


def _find(dialect: Dialect | None, line: bytes, shown: bytes) -> Secret | None:
    """The secret of a line; what stands before it begins with what has been shown of the line.

    A connection's last lines may come after closed(): then its dialect is any.
    """
    for each in DIALECTS.values() if dialect is None else (dialect,):
        found = each.secret_in(line)
        if found is not None:
            if not (found.before + _HIDDEN).startswith(shown):
                found = found._replace(before=line[: _before_secret(each, line, shown)])
            return found
    return None


def _before_secret(dialect: Dialect, line: bytes, shown: bytes) -> int:
    """How long the beginning of a line is that holds nothing of its secret, though one byte more does.

    Bytes that mean nothing may stand anywhere, so it is looked for by halves.
    """
    is_clear = line.startswith(shown) and dialect.secret_in(shown) is None
    without, within = len(shown) if is_clear else 0, len(line)
    while within - without > 1:
        middle = (without + within) // 2
        if dialect.secret_in(line[:middle]) is None:
            without = middle
        else:
            within = middle
    return without
