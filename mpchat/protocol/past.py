"""A room's past, which is kept outside: what both dialects ask about it, and how they read the answer."""

from mpchat.chat.channels import Channel
from mpchat.protocol.desk import Peer, Question

# number, wall ms, room (casefolded), nick!user@host, "PRIVMSG", "NOTICE" or GAP, text
Row = tuple[int, int, str, str, str, str]

GAP = "GAP"  # a row that is none: here messages have been lost; its number is that of the row before it
MOST_ROWS = 100  # in one answer: some 50 kB
MISSING = "some messages are missing here"


def latest(channel: Channel, limit: int, since: int = -1) -> Question:
    """What was said last, but only behind the message with this number."""
    return Question("history", (channel.folded, -1, limit), since)


def after(channel: Channel, number: int, limit: int) -> Question:
    """What was said first behind the message with this number."""
    return Question("history", (channel.folded, number, limit), number)


def room_asked(peer: Peer, question: Question) -> Channel | None:
    """The channel a question was about; None if the one who asked has had to leave it meanwhile."""
    return peer.session.channels.get(question.about[0])


def told(question: Question, rows: list[Row]) -> list[Row]:
    """The rows that answer it."""
    since = question.since
    return [row for row in rows if row[0] > since or (row[0] == since and row[4] == GAP)]
