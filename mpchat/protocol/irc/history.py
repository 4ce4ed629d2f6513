"""CHATHISTORY: what was said in a channel before, for its members (IRCv3 chathistory, batch and standard replies).

The messages are kept outside: asking for them is a Question. Private messages are kept nowhere.
"""

from mpchat.chat.channels import Channel
from mpchat.chat.names import fold
from mpchat.messages import Row
from mpchat.protocol import numerics as n
from mpchat.protocol.capabilities import BATCH, CHATHISTORY
from mpchat.protocol.connection import Connection
from mpchat.protocol.context import Context
from mpchat.protocol.history import GAP, MISSING, MOST_ROWS, after, latest, room_asked, told
from mpchat.protocol.irc.commands import Command
from mpchat.protocol.irc.refusing import middle
from mpchat.protocol.message import build, encode
from mpchat.protocol.outcomes import Outcomes, PastAsked
from mpchat.protocol.tags import before_line, id_tag, number_of, time_tag

_BATCH = "history"  # one name does for all: a batch is over before anything else is said to its client
_LOST = "Messages could not be retrieved"


def chathistory(context: Context, connection: Connection, params: list[str]) -> Outcomes:
    """CHATHISTORY LATEST channel * | msgid=id limit, or AFTER channel msgid=id limit."""
    verb = params[0].upper()
    if not connection.capabilities & CHATHISTORY:
        yield context.reply(connection, n.UNKNOWNCOMMAND, "CHATHISTORY", "Unknown command")
    elif verb not in ("AFTER", "LATEST"):
        yield _fail(context, "INVALID_PARAMS", verb, "Unknown command")
    elif len(params) != 4:
        yield _fail(
            context, "INVALID_PARAMS", verb, "Insufficient parameters" if len(params) < 4 else "Too many parameters"
        )
    else:
        yield _question(context, connection, verb, *params[1:])


def _question(
    context: Context, connection: Connection, verb: str, target: str, start: str, limit: str
) -> PastAsked | bytes:
    """What must be asked, or why that cannot be."""
    channel = connection.session.channels.get(fold(target))
    count = int(limit) if limit.isascii() and limit.isdigit() and len(limit) < 10 else 0
    kind, _, id = start.partition("=")
    if not count:
        return _fail(context, "INVALID_PARAMS", verb, limit, "Invalid limit")
    if channel is None:  # whether there is such a channel is no stranger's business
        return _fail(context, "INVALID_TARGET", verb, target, _LOST)
    count = min(count, MOST_ROWS)
    if verb == "LATEST" and start == "*":
        return latest(channel, connection.session, count)
    if kind != "msgid":
        return _fail(context, "INVALID_MSGREFTYPE", verb, target, start, "Messages are found by msgid only")
    number = number_of(context.hub.born, id)
    if number is None or number > context.hub.said:
        return _fail(context, "MESSAGE_ERROR", verb, target, start, "There is no such message")
    reader = connection.session
    return latest(channel, reader, count, number) if verb == "LATEST" else after(channel, reader, number, count)


def history_answer(context: Context, connection: Connection, question: PastAsked, rows: list[Row] | None) -> Outcomes:
    room, is_latest = question.room, question.is_latest
    channel = room_asked(connection, question)
    if channel is None or rows is None:
        code = "INVALID_TARGET" if channel is None else "MESSAGE_ERROR"
        yield _fail(context, code, "LATEST" if is_latest else "AFTER", room, _LOST)
        return
    lines = b"".join([_line(context, connection, channel, row) for row in told(question, rows)])
    if connection.capabilities & BATCH:
        yield encode(f":{context.settings.name} BATCH +{_BATCH} chathistory {channel.name}")
    if lines:
        yield lines
    if connection.capabilities & BATCH:
        yield encode(f":{context.settings.name} BATCH -{_BATCH}")


def _line(context: Context, connection: Connection, channel: Channel, row: Row) -> bytes:
    """As it was said, and when; where something is missing the server says so."""
    number, wall, _, sender, kind, text, _ = row
    if kind == GAP:
        number, sender, kind, text = 0, context.settings.name, "NOTICE", MISSING
    tags = before_line(
        f"batch={_BATCH}" if connection.capabilities & BATCH else "",
        time_tag(connection.profile, wall),
        id_tag(connection.profile, context.hub.born, number),
    )
    return tags + encode(build(sender, kind, channel.name, text))


def _fail(context: Context, code: str, verb: str, *about: str) -> bytes:
    """`about`: what it is about, and last the reason for people."""
    *words, text = about
    return encode(build(context.settings.name, "FAIL", "CHATHISTORY", code, *map(middle, (verb, *words)), text))


COMMANDS = {"CHATHISTORY": Command(chathistory, least=1)}
