"""What happens in the chat, in the chat's own words. Each event names its audience; the dialects put it into bytes."""

from dataclasses import dataclass

from mpchat.chat.channels import Channel
from mpchat.chat.sessions import Session


@dataclass(slots=True)
class Said:
    """To a channel's other members, or to one person. A notice must never be answered by a machine.

    `number` counts the server's messages, across all its runs. `tags` are for those whose clients understand them,
    and `id` is the tag by which the sender's client knows it again: it is for nobody else. Both as they are sent.
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
    """A message that only clients read: who is typing, a reaction to another message. It is not kept."""

    by: Session
    to: Channel | Session
    target: str
    tags: str
    number: int


@dataclass(slots=True)
class Joined:
    by: Session
    channel: Channel


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


@dataclass(slots=True)
class TopicSet:
    by: Session
    channel: Channel


@dataclass(slots=True)
class ModesSet:
    """Each change is sign, letter, value ("" where the letter takes none)."""

    by: Session
    channel: Channel
    changes: list[tuple[str, str, str]]


@dataclass(slots=True)
class Renamed:
    """To oneself and to everybody on one of these channels, once. `before` is the old nick!user@host."""

    by: Session
    before: str
    channels: list[Channel]


@dataclass(slots=True)
class Left:
    """Gone from the server. To everybody who was on one of these channels, once."""

    by: Session
    channels: list[Channel]
    reason: str


@dataclass(slots=True)
class Invited:
    by: Session
    whom: Session
    channel: Channel


@dataclass(slots=True)
class Wallops:
    """To everybody who asked for operators' announcements."""

    by: Session
    text: str


Event = Said | Joined | Parted | Kicked | TopicSet | ModesSet | Renamed | Left | Invited | Wallops
