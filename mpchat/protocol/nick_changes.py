"""Changes of nickname are limited by connection, in both dialects: each fills the screens of all its rooms. Pure.

So are those of the real name (SETNAME), and of whether somebody is away, together with them. They are counted by the
generic cell rate algorithm (ITU-T I.371, annex A): so many at once, and then one as soon as the minute has room for it
again. A nickname that is asked for before registration has ended is no change.
"""

from mpchat.chat.events import AwaySet
from mpchat.chat.refusals import Reason, Refusal
from mpchat.protocol.connection import Connection
from mpchat.protocol.context import Context
from mpchat.protocol.outcomes import Outcomes

_MINUTE = 60_000  # ms


def need_rest(context: Context, connection: Connection, nick: str) -> None:
    """Raises Refusal if the connection, which is registered, has changed its names too often."""
    if seconds := rest(context, connection):
        raise Refusal(Reason.NICK_TOO_FAST, nick, f"Nick change too fast, wait {seconds} s")


def rest(context: Context, connection: Connection) -> int:
    """The seconds until the connection may change one of its names, 0: now."""
    each = _each(context, connection)
    wait = connection.renames_paid_at + each - _MINUTE - context.mono
    return -(-wait // 1000) if each and wait > 0 else 0


def count(context: Context, connection: Connection) -> None:
    """It has changed one of its names."""
    each = _each(context, connection)
    connection.renames_paid_at = max(connection.renames_paid_at, context.mono) + each if each else 0


def tell_away(context: Context, connection: Connection) -> Outcomes:
    """Who shares a room is told that somebody is away now, or back. If that changes too often they are told of the next
    change for which there is room; whoever asks, or writes to them, is told what is true.
    """
    session = connection.session
    if context.settings.level >= 4 and not rest(context, connection):
        count(context, connection)
        yield AwaySet(session, list(session.channels.values()))


def _each(context: Context, connection: Connection) -> int:
    """The ms that one change takes of a minute; 0: any number may be made."""
    limit = context.settings.nick_changes_per_minute
    return 0 if not limit or context.settings.exempts(connection.session.host) else _MINUTE // limit
