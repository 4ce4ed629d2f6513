"""Input is accepted once: a repeat ends at an offset that has been accepted already."""

from __future__ import annotations

from mpchat.messages import Ms, Offset
from mpchat.protocol.connection import Connection


def accept(connection: Connection, end: Offset, is_line_over: bool, is_discarded: bool, mono: Ms) -> Offset:
    """Accept new input up to `end`; returns the offset at which the line begins that this input belongs to.

    `is_line_over`: what comes next begins a line, or belongs to a line that is discarded until it ends.
    """
    line_start = connection.line_start
    connection.accepted = end
    if is_line_over:
        connection.line_start = end
        connection.discarding = is_discarded
    connection.heard_at, connection.pinged = mono, False  # a slow reader is not silent either
    return line_start
