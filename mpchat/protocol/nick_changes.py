"""Changes of nickname are limited by connection, in both dialects: each fills the screens of all its rooms. Pure.

They are counted by the generic cell rate algorithm (ITU-T I.371, annex A): so many at once, and then one as soon as the
minute has room for it again. A nickname that is asked for before registration has ended is no change.
"""

from mpchat.chat.refusals import Reason, Refusal
from mpchat.protocol.connection import Connection
from mpchat.protocol.context import Context

_MINUTE = 60_000  # ms


def need_rest(context: Context, connection: Connection, nick: str) -> None:
    """Raises Refusal if the connection, which is registered, has changed its nickname too often."""
    each = _each(context, connection)
    wait = connection.renames_paid_at + each - _MINUTE - context.mono
    if each and wait > 0:
        raise Refusal(Reason.NICK_TOO_FAST, nick, f"Nick change too fast, wait {-(-wait // 1000)} s")


def count(context: Context, connection: Connection) -> None:
    """It has changed its nickname."""
    each = _each(context, connection)
    connection.renames_paid_at = max(connection.renames_paid_at, context.mono) + each if each else 0


def _each(context: Context, connection: Connection) -> int:
    """The ms that one change takes of a minute; 0: any number may be made."""
    limit = context.settings.nick_changes_per_minute
    return 0 if not limit or context.settings.exempts(connection.session.host) else _MINUTE // limit
