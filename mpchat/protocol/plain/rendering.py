"""The chat's words for people at a terminal. Lines out end in LF, and may be long: only IRC counts to 512."""

from mpchat.chat.channels import granted
from mpchat.chat.events import (
    ActsAsOperator,
    Event,
    Invited,
    Joined,
    Kicked,
    Left,
    ModesSet,
    Parted,
    Regained,
    Renamed,
    Said,
    TagsSent,
    TopicSet,
    Wallops,
)
from mpchat.chat.refusals import Reason, Refusal
from mpchat.chat.sessions import Session
from mpchat.chat.text import without_formatting
from mpchat.messages import Row
from mpchat.protocol.clock import hour, hour_of_day
from mpchat.protocol.connection import Connection
from mpchat.protocol.context import Context
from mpchat.protocol.history import GAP, MISSING
from mpchat.protocol.length_limit import VERBS, action

_WORDS: dict[Reason, str] = {
    Reason.NO_SUCH_NICK: "nobody here is called {}",
    Reason.NO_SUCH_CHANNEL: "there is no room {}",
    Reason.BAD_CHANNEL_NAME: "{} cannot be a room's name",
    Reason.CANNOT_SAY: "you may not speak in {}",
    Reason.CHANNEL_FULL: "{} is full",
    Reason.INVITE_ONLY: "{} is for invited people only",
    Reason.BANNED: "you are banned from {}",
    Reason.BAD_KEY: "{} needs its key: /join {} KEY",
    Reason.NO_NICK: "type a nickname",
    Reason.BAD_NICK: (
        "{} cannot be a nickname: letters, digits and []\\`_^{{}}|- (no digit or - first), at most 30 bytes"
    ),
    Reason.NICK_TAKEN: "{} is taken, try another nickname",
    Reason.NICK_RESERVED: "{} belongs to the server, try another nickname",
    Reason.NICK_REMOVED: "{} {}",
    Reason.NO_TEXT: "say what?",
    Reason.NOT_ON_CHANNEL: "you are in no room: /join #ROOM",
}


def line(text: str) -> bytes:
    """One line for a terminal."""
    return without_formatting(text).encode() + b"\n"


def refuse(context: Context, connection: Connection, refusal: Refusal) -> bytes:
    """Why what was asked for is not done."""
    return line("! " + _WORDS[refusal.reason].format(*refusal.about, *refusal.about))


def render(context: Context, event: Event | TagsSent, profile: int) -> bytes:
    """The line that says it. Times as the server's own clock shows them. Tags are nothing to people."""
    if isinstance(event, TagsSent):
        return b""
    return line(f"[{hour(context.wall, context.utc_offset)}] {_words(event)}")


def stamp(context: Context, profile: int, lines: list[bytes]) -> bytes:
    """Answers have no time: people read them as soon as they have asked."""
    return b"".join(lines)


def past_line(context: Context, row: Row) -> bytes:
    """A row of the history, as it was said, and when."""
    _, wall, _, sender, kind, text, utc_offset = row
    if kind == GAP:
        return line(f"! {MISSING}")
    words = _spoken(sender.partition("!")[0], text, kind == VERBS[True])
    then = context.utc_offset if utc_offset is None else utc_offset
    return line(f"[{hour_of_day(wall, then, context.wall, context.utc_offset)}] {words}")


def _words(event: Event) -> str:
    nick = event.by.nick
    match event:
        case Said():
            return _said(event)
        case Joined():
            return f"* {nick} joined"
        case Regained():
            return f"* {nick} has +{granted(event.rights)} again"
        case Parted():
            return f"* {nick} left" + _because(event.reason)
        case Kicked():
            return f"* {nick} kicked {event.whom.nick} out" + _because(event.reason)
        case TopicSet():
            return (
                f"* {nick} set the topic: {event.channel.topic}"
                if event.channel.topic
                else f"* {nick} cleared the topic"
            )
        case ModesSet():
            changes = " ".join(f"{sign}{letter} {value}".strip() for sign, letter, value in event.changes)
            return f"* {nick} set {changes}"
        case Renamed():
            return f"* {event.before.partition('!')[0]} is now {nick}"
        case Left():
            return f"* {nick} quit" + _because(event.reason)
        case ActsAsOperator():
            return f"* {nick} acts as a server operator" + (f", inviting {event.whom.nick}" if event.whom else "")
        case Invited():
            return f"* {nick} invites you: /join {event.channel.name}"
        case Wallops():
            return f"* announcement by {nick}: {event.text}"


def _because(reason: str) -> str:
    return f" ({reason})" if reason else ""


def _said(event: Said) -> str:
    if isinstance(event.to, Session):
        return _spoken(f"{event.by.nick} -> you", event.text, False)
    return _spoken(event.by.nick, event.text, event.notice)


def _spoken(who: str, text: str, is_notice: bool) -> str:
    """What somebody says, or with a star in front of their name: does. No line of the server's own begins so."""
    done = action(text)
    if done is not None:
        return f"<*{who}> {done}"
    return f"-{who}- {text}" if is_notice else f"<{who}> {text}"
