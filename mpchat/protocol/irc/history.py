"""What was said in channels before, for their members: CHATHISTORY (IRCv3 chathistory, batch and standard replies), and
SEARCH (the extension soju.im/search); and for those whose client has neither, the nickname `history`.

The messages are kept outside: asking for them is a Question. Private messages are kept nowhere.
"""

from mpchat.chat.channels import Channel
from mpchat.chat.names import SERVICE, fold
from mpchat.chat.text import clean
from mpchat.messages import Past, Row
from mpchat.protocol import numerics as n
from mpchat.protocol.capabilities import BATCH, CHATHISTORY, SEARCH, SEARCH_NAME
from mpchat.protocol.clock import wall_ms
from mpchat.protocol.connection import Connection
from mpchat.protocol.context import Context
from mpchat.protocol.history import (
    EVER,
    GAP,
    MOST_FOUND,
    MOST_ROWS,
    after,
    count_in,
    earlier,
    found,
    latest,
    not_searched,
    room_asked,
    search,
    shown_time,
    told,
)
from mpchat.protocol.irc.commands import Command
from mpchat.protocol.irc.refusing import middle
from mpchat.protocol.length_limit import action
from mpchat.protocol.message import BODY_BYTES, build, cut, encode, parse_tags
from mpchat.protocol.outcomes import EarlierAsked, NoticesAsked, Outcomes, PastAsked
from mpchat.protocol.tags import before_line, id_tag, number_of, time_tag
from mpchat.texts import DEFAULT, say

_BATCH = "history"  # one name does for all: a batch is over before anything else is said to its client
_ATTRIBUTES = frozenset(("in", "from", "after", "before", "text", "limit"))
_SERVICE_LINES = 20
_LOST = "Messages could not be retrieved"


def chathistory(context: Context, connection: Connection, params: list[str]) -> Outcomes:
    """CHATHISTORY LATEST channel * | msgid=id limit; AFTER or BEFORE channel msgid=id limit."""
    verb = params[0].upper()
    if not connection.capabilities & CHATHISTORY:
        yield context.reply(connection, n.UNKNOWNCOMMAND, "CHATHISTORY", "Unknown command")
    elif verb not in ("AFTER", "BEFORE", "LATEST") or (verb == "BEFORE" and context.settings.level < 1):
        yield _fail(context, "CHATHISTORY", "INVALID_PARAMS", verb, "Unknown command")
    elif len(params) != 4:
        why = "Insufficient parameters" if len(params) < 4 else "Too many parameters"
        yield _fail(context, "CHATHISTORY", "INVALID_PARAMS", verb, why)
    else:
        yield _question(context, connection, verb, *params[1:])


def _question(
    context: Context, connection: Connection, verb: str, target: str, start: str, limit: str
) -> PastAsked | EarlierAsked | bytes:
    """What must be asked, or why that cannot be."""
    channel = connection.session.channels.get(fold(target))
    count = count_in(limit)
    kind, _, id = start.partition("=")
    if not count:
        return _fail(context, "CHATHISTORY", "INVALID_PARAMS", verb, limit, "Invalid limit")
    if channel is None:  # whether there is such a channel is no stranger's business
        return _fail(context, "CHATHISTORY", "INVALID_TARGET", verb, target, _LOST)
    count = min(count, MOST_ROWS)
    if verb == "LATEST" and start == "*":
        return latest(channel, connection.session, count)
    if kind != "msgid":
        why = "Messages are found by msgid only"
        return _fail(context, "CHATHISTORY", "INVALID_MSGREFTYPE", verb, target, start, why)
    number = number_of(context.hub.born, id)
    if number is None or number > context.hub.said:
        return _fail(context, "CHATHISTORY", "MESSAGE_ERROR", verb, target, start, "There is no such message")
    reader = connection.session
    if verb == "BEFORE":
        return earlier(channel, reader, number, count)
    return latest(channel, reader, count, number) if verb == "LATEST" else after(channel, reader, number, count)


def history_answer(
    context: Context, connection: Connection, question: PastAsked | EarlierAsked, past: Past
) -> Outcomes:
    channel = room_asked(connection, question)
    if channel is None or not isinstance(past, list):
        code = "INVALID_TARGET" if channel is None else "MESSAGE_ERROR"
        verb = "BEFORE" if isinstance(question, EarlierAsked) else "LATEST" if question.is_latest else "AFTER"
        yield _fail(context, "CHATHISTORY", code, verb, question.room, _LOST)
        return
    lines = [_line(context, connection, channel, row) for row in told(question, past)]
    yield from _batch(context, connection, f"chathistory {channel.name}", lines)


def search_command(context: Context, connection: Connection, params: list[str]) -> Outcomes:
    """SEARCH attributes: in, from, after, before, text and limit, as tags are written."""
    if not (connection.capabilities & SEARCH and context.settings.level >= 1):
        yield context.reply(connection, n.UNKNOWNCOMMAND, "SEARCH", "Unknown command")
        return
    wanted, session = parse_tags(params[0]), connection.session
    room, count = wanted.get("in"), count_in(wanted.get("limit", str(MOST_FOUND)))
    since, until = wanted.get("after"), wanted.get("before")
    times = (EVER[0] if since is None else wall_ms(since), EVER[1] if until is None else wall_ms(until))
    if unknown := [name for name in wanted if name not in _ATTRIBUTES]:
        yield _fail(context, "SEARCH", "INVALID_PARAMS", unknown[0], "Unknown attribute")
    elif not count:
        yield _fail(context, "SEARCH", "INVALID_PARAMS", "limit", "Invalid limit")
    elif times[0] is None or times[1] is None:
        yield _fail(context, "SEARCH", "INVALID_PARAMS", "after" if times[0] is None else "before", "Invalid time")
    elif room is not None and fold(room) not in session.channels:  # nor is it any stranger's business if there is one
        yield _fail(context, "SEARCH", "INVALID_PARAMS", "in", "You are not in that channel")
    elif not session.channels:
        yield from _batch(context, connection, SEARCH_NAME, [])
    else:
        channels = session.channels.values() if room is None else [session.channels[fold(room)]]
        sender = wanted.get("from", "")
        yield search(channels, session, clean(wanted.get("text", "")), count, sender, (times[0], times[1]))


def search_answer(context: Context, connection: Connection, past: Past) -> Outcomes:
    if not isinstance(past, list):
        yield _fail(context, "SEARCH", "INTERNAL_ERROR", say(DEFAULT, not_searched(past)))
        return
    lines = [_line(context, connection, channel, row) for channel, row in found(connection, past)]
    yield from _batch(context, connection, SEARCH_NAME, lines)


def ask_service(context: Context, connection: Connection, text: str) -> Outcomes:
    """A message to the nickname `history`: `#room`, and how many lines."""
    name, _, limit = text.strip().partition(" ")
    channel, count = connection.session.channels.get(fold(name)), count_in(limit.strip() or str(_SERVICE_LINES))
    if not (name.startswith("#") and count):
        yield _notice(context, connection, "history.usage", most=MOST_ROWS)
    elif channel is None:
        yield _notice(context, connection, "history.not_inside", room=name)
    else:
        asked = latest(channel, connection.session, min(count, MOST_ROWS))
        yield NoticesAsked(asked.room, asked.number, asked.limit, asked.is_latest)


def service_answer(context: Context, connection: Connection, question: NoticesAsked, past: Past) -> Outcomes:
    channel = room_asked(connection, question)
    if channel is None:
        yield _notice(context, connection, "history.not_inside", room=question.room)
    elif not isinstance(past, list):
        yield _notice(context, connection, "search.no_answer")
    elif not (rows := told(question, past)):
        yield _notice(context, connection, "history.empty", room=channel.name)
    else:
        yield b"".join([_told_in_notices(context, connection, row) for row in rows])


def _told_in_notices(context: Context, connection: Connection, row: Row) -> bytes:
    """A message with its time and sender: in as many lines as that takes."""
    _, _, _, sender, kind, text, _ = row
    if kind == GAP:
        return _notice(context, connection, "history.missing")
    nick, done = sender.partition("!")[0], action(text)
    words = f"<{nick}> {text}" if done is None else f"* {nick} {done}"
    shown = f"[{shown_time(context, row)}] {words}"
    lines, room = [], BODY_BYTES - len(_to(context, connection, "").encode())
    while shown:
        piece = cut(shown, room)
        lines.append(encode(_to(context, connection, piece)))
        shown = shown[len(piece) :]
    return b"".join(lines)


def _notice(context: Context, connection: Connection, key: str, **values: object) -> bytes:
    return encode(_to(context, connection, say(context.settings.language, key, **values)))


def _to(context: Context, connection: Connection, text: str) -> str:
    return build(f"{SERVICE}!{SERVICE}@{context.settings.name}", "NOTICE", connection.session.nick, text)


def _batch(context: Context, connection: Connection, kind: str, lines: list[bytes]) -> Outcomes:
    """Lines together, for those who know batches (IRCv3 batch): also if there are none."""
    if connection.capabilities & BATCH:
        yield encode(f":{context.settings.name} BATCH +{_BATCH} {kind}")
    if lines:
        yield b"".join(lines)
    if connection.capabilities & BATCH:
        yield encode(f":{context.settings.name} BATCH -{_BATCH}")


def _line(context: Context, connection: Connection, channel: Channel, row: Row) -> bytes:
    """As it was said, and when; where something is missing the server says so."""
    number, wall, _, sender, kind, text, _ = row
    if kind == GAP:
        number, sender, kind, text = 0, context.settings.name, "NOTICE", say(DEFAULT, "history.missing")
    tags = before_line(
        f"batch={_BATCH}" if connection.capabilities & BATCH else "",
        time_tag(connection.profile, wall),
        id_tag(connection.profile, context.hub.born, number),
    )
    return tags + encode(build(sender, kind, channel.name, text))


def _fail(context: Context, command: str, code: str, *about: str) -> bytes:
    """A standard reply. `about`: what it is about, and last the reason for people."""
    *words, text = about
    return encode(build(context.settings.name, "FAIL", command, code, *map(middle, words), text))


COMMANDS = {"CHATHISTORY": Command(chathistory, least=1), "SEARCH": Command(search_command, least=1)}
