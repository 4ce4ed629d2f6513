"""A room's past, which is kept outside: what both dialects ask about it, and how they read the answer.

It begins with the room: what was said in an earlier one of the same name, perhaps behind a key, is nobody's to read.
For whom a server operator lets in, it begins when they come in (Channel.begins_for).
"""

from collections.abc import Sequence

from mpchat.chat.channels import Channel
from mpchat.chat.sessions import Session
from mpchat.messages import Ms, Row
from mpchat.protocol.connection import Connection
from mpchat.protocol.outcomes import PastAsked

OldRow = tuple[int, Ms, str, str, str, str]  # in an old journal: a Row without its last value

GAP = "GAP"  # a row that is none: here messages have been lost; its number is that of the row before it
MOST_ROWS = 100  # in one answer: some 50 kB
MISSING = "some messages are missing here"


def latest(channel: Channel, reader: Session, limit: int, number: int = 0) -> PastAsked:
    """What was said last, as far as this member may read it, but only behind the message with this number."""
    return PastAsked(channel.folded, max(number, channel.begins_for(reader)), limit, is_latest=True)


def after(channel: Channel, reader: Session, number: int, limit: int) -> PastAsked:
    """What was said first behind the message with this number, as far as this member may read it."""
    return PastAsked(channel.folded, max(number, channel.begins_for(reader)), limit, is_latest=False)


def room_asked(connection: Connection, question: PastAsked) -> Channel | None:
    """The channel a question was about; None if the one who asked has had to leave it meanwhile."""
    return connection.session.channels.get(question.room)


def told(question: PastAsked, rows: Sequence[Row | OldRow]) -> list[Row]:
    """The rows that answer it, whatever else came. In an old journal they do not have their last value."""
    number = question.number
    whole = [row if len(row) == 7 else (*row, None) for row in rows]
    return [row for row in whole if row[0] > number or (row[0] == number and row[4] == GAP)]
