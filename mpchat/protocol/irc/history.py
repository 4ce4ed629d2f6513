"""What was said in channels before, for their members: CHATHISTORY (IRCv3 chathistory, batch and standard replies), and
SEARCH (the extension soju.im/search); and for those whose client has neither, the nickname `history`.

The messages are kept outside: asking for them is a Question. Private messages are kept nowhere.
"""

from mpchat.chat.channels import Channel
from mpchat.chat.names import SERVICE, fold
from mpchat.chat.text import clean
from mpchat.messages import Bound, Past, Row, Window
from mpchat.protocol import numerics as n
from mpchat.protocol.capabilities import BATCH, CHATHISTORY, SEARCH, SEARCH_NAME
from mpchat.protocol.clock import timestamp, wall_ms
from mpchat.protocol.connection import Connection
from mpchat.protocol.context import Context
from mpchat.protocol.history import (
    EVER,
    GAP,
    MOST_FOUND,
    MOST_ROWS,
    count_in,
    found,
    latest,
    not_searched,
    part_of,
    room_asked,
    search,
    shown_time,
    targets,
    told,
)
from mpchat.protocol.irc.commands import Command
from mpchat.protocol.irc.refusing import fail
from mpchat.protocol.length_limit import action
from mpchat.protocol.message import BODY_BYTES, build, build_words, cut, encode, parse_tags
from mpchat.protocol.outcomes import NoticesAsked, Outcomes, PastAsked
from mpchat.protocol.tags import before_line, id_tag, number_of, time_tag
from mpchat.texts import DEFAULT, say

_BATCH = "history"  # one name does for all: a batch is over before anything else is said to its client
_ATTRIBUTES = frozenset(("in", "from", "after", "before", "text", "limit"))
_SERVICE_LINES = 20
_TARGETS = "draft/chathistory-targets"  # the type of their batch
_LOST = "Messages could not be retrieved"
_LEVELS = {"AFTER": 0, "LATEST": 0, "BEFORE": 1, "AROUND": 4, "BETWEEN": 4, "TARGETS": 4}  # of a server that knows them
_NEVER = 1 << 62  # the level at which it knows any other
_WRONG_REFERENCE = {
    "MESSAGE_ERROR": "There is no such message",
    "INVALID_MSGREFTYPE": "Messages are found by msgid or timestamp",
    "INVALID_PARAMS": "Invalid timestamp",
}


def chathistory(context: Context, connection: Connection, params: list[str]) -> Outcomes:
    """CHATHISTORY verb target bound... limit, or CHATHISTORY TARGETS timestamp timestamp limit."""
    verb = params[0].upper()
    if not connection.capabilities & CHATHISTORY:
        yield context.reply(connection, n.UNKNOWNCOMMAND, "CHATHISTORY", "Unknown command")
    elif context.settings.level < _LEVELS.get(verb, _NEVER):
        yield fail(context, "CHATHISTORY", "INVALID_PARAMS", verb, "Unknown command")
    elif len(params) != (wanted := 5 if verb == "BETWEEN" else 4):
        why = "Insufficient parameters" if len(params) < wanted else "Too many parameters"
        yield fail(context, "CHATHISTORY", "INVALID_PARAMS", verb, why)
    elif not (count := count_in(params[-1])):
        yield fail(context, "CHATHISTORY", "INVALID_PARAMS", verb, params[-1], "Invalid limit")
    elif verb == "TARGETS":
        yield from _targets(context, connection, params[1], params[2], count)
    else:
        yield _question(context, connection, verb, params[1], params[2:-1], count)


def _question(
    context: Context, connection: Connection, verb: str, target: str, references: list[str], count: int
) -> PastAsked | bytes:
    """What must be asked, or why that cannot be."""
    channel = connection.session.channels.get(fold(target))
    if channel is None:  # whether there is such a channel is no stranger's business
        return fail(context, "CHATHISTORY", "INVALID_TARGET", verb, target, _LOST)
    bounds: list[Bound] = []
    for reference in [] if verb == "LATEST" and references == ["*"] else references:
        bound = _bound(context, reference)
        if isinstance(bound, str):
            by_time = context.settings.level >= 4
            why = _WRONG_REFERENCE[bound] if by_time or bound == "MESSAGE_ERROR" else "Messages are found by msgid only"
            return fail(context, "CHATHISTORY", bound, verb, target, reference, why)
        bounds.append(bound)
    window: Window = verb  # type: ignore[assignment]  # one of _LEVELS, but TARGETS
    return part_of(channel, connection.session, window, tuple(bounds), count)


def _bound(context: Context, reference: str) -> Bound | str:
    """Where msgid=ID or timestamp=TIME is; or the code of what is wrong with it."""
    kind, _, value = reference.partition("=")
    if kind == "msgid":
        number = number_of(context.hub.born, value)
        return "MESSAGE_ERROR" if number is None or number > context.hub.said else ("message", number)
    if kind != "timestamp" or context.settings.level < 4:
        return "INVALID_MSGREFTYPE"
    wall = wall_ms(value)
    return "INVALID_PARAMS" if wall is None or wall < 0 else ("time", wall)


def _targets(context: Context, connection: Connection, first: str, second: str, count: int) -> Outcomes:
    moments: list[int] = []
    for reference in (first, second):
        bound = _bound(context, reference)
        if isinstance(bound, str) or bound[0] != "time":
            why = _WRONG_REFERENCE["INVALID_PARAMS"]
            yield fail(context, "CHATHISTORY", "INVALID_PARAMS", "TARGETS", reference, why)
            return
        moments.append(bound[1])
    session = connection.session
    if session.channels:
        yield targets(session.channels.values(), session, moments[0], moments[1], count)
    else:
        yield from _batch(context, connection, _TARGETS, [])


def history_answer(context: Context, connection: Connection, question: PastAsked, past: Past) -> Outcomes:
    channel = room_asked(connection, question)
    if channel is None or not isinstance(past, list):
        code = "INVALID_TARGET" if channel is None else "MESSAGE_ERROR"
        yield fail(context, "CHATHISTORY", code, question.window, question.room, _LOST)
        return
    lines = [_line(context, connection, channel, row) for row in told(question, past)]
    yield from _batch(context, connection, f"chathistory {channel.name}", lines)


def targets_answer(context: Context, connection: Connection, past: Past) -> Outcomes:
    if not isinstance(past, list):
        yield fail(context, "CHATHISTORY", "MESSAGE_ERROR", "TARGETS", _LOST)
        return
    batch = f"batch={_BATCH}" if connection.capabilities & BATCH else ""
    tags = before_line(batch, time_tag(connection.profile, context.wall))
    lines = [
        tags + encode(build_words(context.settings.name, "CHATHISTORY", "TARGETS", channel.name, timestamp(row[1])))
        for channel, row in found(connection, past)
    ]
    yield from _batch(context, connection, _TARGETS, lines)


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
        yield fail(context, "SEARCH", "INVALID_PARAMS", unknown[0], "Unknown attribute")
    elif not count:
        yield fail(context, "SEARCH", "INVALID_PARAMS", "limit", "Invalid limit")
    elif times[0] is None or times[1] is None:
        yield fail(context, "SEARCH", "INVALID_PARAMS", "after" if times[0] is None else "before", "Invalid time")
    elif room is not None and fold(room) not in session.channels:  # nor is it any stranger's business if there is one
        yield fail(context, "SEARCH", "INVALID_PARAMS", "in", "You are not in that channel")
    elif not session.channels:
        yield from _batch(context, connection, SEARCH_NAME, [])
    else:
        channels = session.channels.values() if room is None else [session.channels[fold(room)]]
        sender = wanted.get("from", "")
        yield search(channels, session, clean(wanted.get("text", "")), count, sender, (times[0], times[1]))


def search_answer(context: Context, connection: Connection, past: Past) -> Outcomes:
    if not isinstance(past, list):
        yield fail(context, "SEARCH", "INTERNAL_ERROR", say(DEFAULT, not_searched(past)))
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
        asked = latest(channel, connection.session, count)
        yield NoticesAsked(asked.room, asked.number, asked.window, asked.bounds, asked.limit)


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


COMMANDS = {"CHATHISTORY": Command(chathistory, least=1), "SEARCH": Command(search_command, least=1)}
