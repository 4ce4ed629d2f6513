"""Events: what has happened in the chat. Each names its recipients; a dialect renders it as bytes.

`as_operator`: only as a server operator `by` could do it, which is told first (ActsAsOperator) and logged.
"""

from dataclasses import dataclass

from mpchat.chat.channels import Channel
from mpchat.chat.sessions import Session


@dataclass(slots=True)
class Said:
    """To a channel's other members, or to one session. A program must never answer a notice (RFC 2812 section 3.3.2).

    `number` counts the server's messages, across all its runs. `tags` are for clients that have message-tags, `id` is
    the tag by which the sender's client recognises its message, and for that client alone. Both as they are sent.
    `line` is the IRC line that says it, whose limit has cut `text`: protocol/length_limit.py makes it.
    """

    by: Session
    to: Channel | Session
    target: str  # its name or nickname
    text: str
    notice: bool
    number: int
    tags: str = ""
    id: str = ""
    line: bytes = b""


@dataclass(slots=True)
class TagsSent:
    """A message with tags alone (TAGMSG): typing, a reaction to another message. The history does not keep it."""

    by: Session
    to: Channel | Session
    target: str
    tags: str
    number: int


@dataclass(slots=True)
class Joined:
    """`regained`: the rights that its account gives it back; the channel is told of them next (Regained)."""

    by: Session
    channel: Channel
    regained: int = 0


@dataclass(slots=True)
class Regained:
    """A session has the rights in a channel that it had before it was lost: the server's doing.

    It has just joined again, by a resume token or by its account; or it was there, and has logged in to its account.
    """

    by: Session
    channel: Channel
    rights: int


@dataclass(slots=True)
class Parted:
    by: Session
    channel: Channel
    reason: str


@dataclass(slots=True)
class Kicked:
    by: Session
    whom: Session
    channel: Channel
    reason: str
    as_operator: bool = False


@dataclass(slots=True)
class TopicSet:
    by: Session
    channel: Channel
    as_operator: bool = False


@dataclass(slots=True)
class ModesSet:
    """Each change is sign, letter, value ("" where the letter takes none)."""

    by: Session
    channel: Channel
    changes: list[tuple[str, str, str]]
    as_operator: bool = False


@dataclass(slots=True)
class Renamed:
    """To the session itself and to all on one of these channels, once each. `before` is the old nick!user@host."""

    by: Session
    before: str
    channels: list[Channel]


@dataclass(slots=True)
class Left:
    """A session has ended. To all that were on one of these channels with it, once each."""

    by: Session
    channels: list[Channel]
    reason: str


@dataclass(slots=True)
class Invited:
    by: Session
    whom: Session
    channel: Channel
    as_operator: bool = False


@dataclass(slots=True)
class ActsAsOperator:
    """A server operator decides in a channel that they do not rule. Its members are told before they see what is done.

    `whom`: whom they invite, which no member sees.
    """

    by: Session
    channel: Channel
    whom: Session | None


@dataclass(slots=True)
class Wallops:
    """To all sessions with the mode +w."""

    by: Session
    text: str


@dataclass(slots=True)
class AwaySet:
    """Somebody is away, says so in other words, or is back: `by.away` has it. To the others on these channels."""

    by: Session
    channels: list[Channel]


@dataclass(slots=True)
class AccountSet:
    """Somebody has logged in or out: `by.account` has it. To themselves and to all on one of these channels."""

    by: Session
    channels: list[Channel]


@dataclass(slots=True)
class RealnameSet:
    """Somebody has another realname: `by.realname` has it. To themselves and to all on one of these channels."""

    by: Session
    channels: list[Channel]


@dataclass(slots=True)
class InviteSeen:
    """Somebody has been invited: to the channel's members, but for who has done it."""

    by: Session
    whom: Session
    channel: Channel


Decision = Kicked | TopicSet | ModesSet | Invited  # somebody decides about a channel
Happening = Joined | Regained | Parted | Decision | ActsAsOperator | Renamed | Left | Wallops  # all but speech
Detail = TagsSent | AwaySet | AccountSet | RealnameSet | InviteSeen  # only for those whose clients have asked for it
Event = Said | Happening | Detail
