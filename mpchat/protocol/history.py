"""A room's past, which is kept outside: what both dialects ask about it, and how they read the answer.

It begins with the room: what was said in an earlier one of the same name, perhaps behind a key, is nobody's to read.
For whom a server operator lets in, it begins when they come in (Channel.begins_for).
"""

from collections.abc import Collection, Sequence

from mpchat.chat.channels import Channel
from mpchat.chat.sessions import Session
from mpchat.messages import Bound, Ms, Past, Places, Row, Window
from mpchat.protocol.clock import hour_of_day
from mpchat.protocol.connection import Connection
from mpchat.protocol.context import Context
from mpchat.protocol.message import cut
from mpchat.protocol.outcomes import PastAsked, SearchAsked, TargetsAsked

OldRow = tuple[int, Ms, str, str, str, str]  # in an old journal: a Row without its last value

GAP = "GAP"  # a row that is none: here messages have been lost; its number is that of the row before it
MOST_ROWS = 100  # in one answer: some 50 kB
MOST_FOUND = 50  # by one search: what fits two or three screens
_MOST_WORDS, _MOST_BYTES = 8, 200  # of one search: within one word's list of messages SQLite cannot be interrupted
EVER = (0, 1 << 62)  # wall ms: from when to when


def part_of(channel: Channel, reader: Session, window: Window, bounds: tuple[Bound, ...], limit: int) -> PastAsked:
    """This part of what was said in a channel, as far as this member may read it."""
    number = channel.begins_for(reader)
    if window in ("LATEST", "AFTER") and bounds and bounds[0][0] == "message":
        number, bounds = max(number, bounds[0][1]), ()
    return PastAsked(channel.folded, number, window, bounds, min(limit, MOST_ROWS))


def latest(channel: Channel, reader: Session, limit: int) -> PastAsked:
    """What was said last, as far as this member may read it."""
    return part_of(channel, reader, "LATEST", (), limit)


def targets(channels: Collection[Channel], reader: Session, first: Ms, second: Ms, limit: int) -> TargetsAsked:
    """In which channels of this member something was said last between two moments, as far as it may read them."""
    return TargetsAsked(_places(channels, reader), first, second, min(limit, MOST_ROWS))


def _places(channels: Collection[Channel], reader: Session) -> Places:
    return tuple((channel.folded, channel.begins_for(reader)) for channel in channels)


def search(
    channels: Collection[Channel],
    reader: Session,
    words: str,
    limit: int = MOST_FOUND,
    sender: str = "",
    times: tuple[Ms, Ms] = EVER,
) -> SearchAsked:
    """The last messages with these words in channels of this member, as far as it may read them."""
    few = " ".join([*dict.fromkeys(cut(words, _MOST_BYTES).split())][:_MOST_WORDS])
    return SearchAsked(few, _places(channels, reader), sender, *times, min(limit, MOST_FOUND))


def room_asked(connection: Connection, question: PastAsked) -> Channel | None:
    """The channel a question was about; None if the one who asked has had to leave it meanwhile."""
    return connection.session.channels.get(question.room)


def found(connection: Connection, rows: list[Row]) -> list[tuple[Channel, Row]]:
    """What of a search's answer those who asked may still read, and where it was said."""
    session = connection.session
    inside = [(session.channels.get(row[2]), row) for row in rows]
    return [(channel, row) for channel, row in inside if channel is not None and row[0] > channel.begins_for(session)]


def count_in(text: str) -> int:
    """How many messages a client asks for; 0: that is no such number."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def shown_time(context: Context, row: Row) -> str:
    """When it was said, by the server's clock of then: the hour, with the date if that is not today's."""
    then = context.utc_offset if row[6] is None else row[6]
    return hour_of_day(row[1], then, context.wall, context.utc_offset)


def not_searched(past: Past) -> str:
    """The key of the sentence that says why a search has no answer."""
    return {"too slow": "search.too_slow", "no index": "search.no_index"}.get(str(past), "search.no_answer")


def told(question: PastAsked, rows: Sequence[Row | OldRow]) -> list[Row]:
    """The rows that answer it, whatever else came. In an old journal they do not have their last value."""
    number = question.number
    whole = [row if len(row) == 7 else (*row, None) for row in rows]
    return [row for row in whole if row[0] > number or (row[0] == number and row[4] == GAP)]
