"""Input is accepted once: a repeat is known by its offset. While a connection has an open question, it is held."""

from __future__ import annotations

from typing import TypeVar

from mpchat.messages import Ms
from mpchat.protocol.connection import Connection

What = TypeVar("What", bytes, bool)


def accept(
    connection: Connection | None, kind: str, end: int, what: What, mono: Ms
) -> tuple[Connection, int, What, int] | None:
    """A record of a connection's input that ends at this offset: returns it, with the offset at which its line began.

    None where there is nothing to do now: the connection has been closed meanwhile, the input was forwarded twice, or
    it must wait for an answer. `what` is the bytes of a line, or of a part of one; of a line too long, whether its end
    has come.
    """
    if connection is None or end <= connection.accepted:
        return None
    line_start = connection.line_start
    connection.accepted = end
    if kind != "part":
        connection.line_start = end
        connection.discarding = what is False
    connection.heard_at, connection.pinged = mono, False  # a slow reader is not silent
    if connection.asked is not None:
        connection.held.append((kind, end, what, line_start))
        return None
    return connection, end, what, line_start
