"""MARKREAD (IRCv3 draft/read-marker): up to where somebody has read, told to all clients of theirs that want to know.

Those are the clients of one account. A session without one has markers of its own, until it ends.
"""

from mpchat.chat.names import fold, valid_nick
from mpchat.protocol import numerics as n
from mpchat.protocol.capabilities import READ_MARKER
from mpchat.protocol.clock import timestamp, wall_ms
from mpchat.protocol.connection import Connection
from mpchat.protocol.context import Context
from mpchat.protocol.irc.commands import Command
from mpchat.protocol.irc.refusing import fail
from mpchat.protocol.message import build_words, encode
from mpchat.protocol.outcomes import Outcomes, ToldOwner


def mark_read(context: Context, connection: Connection, params: list[str]) -> Outcomes:
    """MARKREAD target asks, MARKREAD target timestamp=time sets; the target is a channel or a nickname."""
    if not connection.capabilities & READ_MARKER:
        yield context.reply(connection, n.UNKNOWNCOMMAND, "MARKREAD", "Unknown command")
        return
    if not (params and params[0]):
        yield fail(context, "MARKREAD", "NEED_MORE_PARAMS", "Missing parameters")
        return
    session, target = connection.session, params[0]
    channel = session.channels.get(fold(target))
    if channel is not None:
        target = channel.name
    elif not valid_nick(target, context.settings.nick_bytes):  # nor is it any stranger's business if there is a channel
        why = "You are not in that channel, and no nickname is written so"
        yield fail(context, "MARKREAD", "INVALID_PARAMS", target, why)
        return
    has_moved = False
    if len(params) > 1:
        kind, _, written = params[1].partition("=")
        time = wall_ms(written) if kind == "timestamp" else None
        if time is None or time < 0:
            why = "A time is written timestamp=YYYY-MM-DDThh:mm:ss.sssZ"
            yield fail(context, "MARKREAD", "INVALID_PARAMS", target, params[1], why)
            return
        has_moved = context.hub.mark_read(session, target, min(time, context.wall))
    line = marker(context, connection, target)
    yield line
    if has_moved:
        yield ToldOwner(line, READ_MARKER)


def marker(context: Context, connection: Connection, target: str) -> bytes:
    """Up to where the session's owner has read this target; a star where that is not known."""
    time = context.hub.read_until(connection.session, target)
    shown = "*" if time is None else f"timestamp={timestamp(time)}"
    return encode(build_words(context.settings.name, "MARKREAD", target, shown))


COMMANDS = {"MARKREAD": Command(mark_read, level=4)}
