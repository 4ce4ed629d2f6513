"""The chat's words for people at a terminal, each in their own language.

Lines out end in LF, and may be long: only IRC counts to 512.
"""

from dataclasses import replace

from mpchat import texts
from mpchat.chat.channels import granted
from mpchat.chat.events import (
    ActsAsOperator,
    Detail,
    Event,
    Happening,
    Invited,
    Joined,
    Kicked,
    Left,
    ModesSet,
    Parted,
    Regained,
    Renamed,
    Said,
    TopicSet,
    Wallops,
)
from mpchat.chat.names import mixes_scripts
from mpchat.chat.refusals import Reason, Refusal
from mpchat.chat.sessions import Session
from mpchat.chat.text import without_formatting
from mpchat.messages import Row
from mpchat.protocol.clock import hour
from mpchat.protocol.connection import Connection
from mpchat.protocol.context import Context
from mpchat.protocol.history import GAP, shown_time
from mpchat.protocol.length_limit import VERBS, action
from mpchat.protocol.plain.languages import OF_PROFILE, PROFILES, language_of, say
from mpchat.protocol.plain.own_words import translated

_YOU = {PROFILES[language]: texts.say(language, "plain.you") for language in PROFILES}  # a private message's reader
# What the tables call the values of a refusal; where nothing else is said here, it has one: the room.
_ABOUT: dict[Reason, tuple[str, ...]] = {
    Reason.NO_SUCH_NICK: ("nick",),
    Reason.NOT_THERE: ("nick", "room"),
    Reason.ALREADY_THERE: ("nick", "room"),
    Reason.BAN_LIST_FULL: ("room", "mask"),
    Reason.BAD_MODE_VALUE: ("room", "letter", "value", "why"),
    Reason.UNKNOWN_MODE: ("letter",),
    Reason.BAD_NICK: ("nick",),
    Reason.NICK_TAKEN: ("nick",),
    Reason.NICK_OWNED: ("nick",),
    Reason.NICK_RESERVED: ("nick",),
    Reason.NICK_REMOVED: ("nick", "why"),
    Reason.NICK_TOO_FAST: ("nick", "why"),
    Reason.BAD_SERVER_BAN: ("mask", "why"),
}


def line(text: str) -> bytes:
    """One line for a terminal."""
    return without_formatting(text).encode() + b"\n"


def tell(connection: Connection, key: str, /, **values: object) -> bytes:
    """An answer, in the connection's language: what is, or what has been done."""
    return line("* " + say(connection, key, **values))


def warn(connection: Connection, key: str, /, **values: object) -> bytes:
    """An answer that says why something has not been done."""
    return line("! " + say(connection, key, **values))


def usage(connection: Connection, command: str) -> bytes:
    """The answer to a command that lacks something."""
    return warn(connection, "plain.usage", usage=say(connection, f"plain.usage.{command}"))


def refuse(context: Context, connection: Connection, refusal: Refusal) -> bytes:
    """Why what was asked for is not done."""
    key, about = refusal.reason.name, dict(zip(_ABOUT.get(refusal.reason, ("room",)), refusal.about, strict=False))
    if "why" in about:  # the server's own words
        about["why"] = translated(language_of(connection.capabilities), about["why"])
    if context.settings.level >= 1:  # else it is replayed, as it was then
        key = _closer(refusal, key)
    return warn(connection, f"plain.refusal.{key}", **about)


def _closer(refusal: Refusal, key: str) -> str:
    """The sentence that fits this one better than that of all of its kind, if there is one."""
    if refusal.reason is Reason.BAD_MODE_VALUE and refusal.about[2] == "*":  # it has none, or it is not repeated
        return "NO_MODE_VALUE"
    if refusal.reason is not Reason.BAD_NICK:
        return key
    nick = refusal.about[0]
    return "BLANK_IN_NICK" if " " in nick else "MIXED_NICK" if mixes_scripts(nick) else key


def alike(event: Event, profile: int) -> int:
    """Each language says it in its own words."""
    return profile


def render(context: Context, event: Event, profile: int) -> bytes:
    """The line that says it. Times as the server's own clock shows them. Details are nothing to people."""
    if isinstance(event, Detail):
        return b""
    if isinstance(event, Kicked) and event.reason == event.by.nick and context.settings.level >= 1:
        event = replace(event, reason="")  # a client of IRC's says so where its user has said nothing
    words = _said(event, profile) if isinstance(event, Said) else "* " + _happened(event, OF_PROFILE[profile])
    return line(f"[{hour(context.wall, context.utc_offset)}] {words}")


def stamp(context: Context, profile: int, lines: list[bytes]) -> bytes:
    """Answers have no time: people read them as soon as they have asked."""
    return b"".join(lines)


def past_line(context: Context, connection: Connection, row: Row) -> bytes:
    """A row of the history, as it was said, and when."""
    _, _, _, sender, kind, text, _ = row
    if kind == GAP:
        return warn(connection, "history.missing")
    words = _spoken(sender.partition("!")[0], text, kind == VERBS[True])
    return line(f"[{shown_time(context, row)}] {words}")


def _happened(event: Happening, language: str) -> str:
    nick = event.by.nick
    match event:
        case Joined():
            return texts.say(language, "plain.event.joined", nick=nick)
        case Regained():
            return texts.say(language, "plain.event.regained", nick=nick, rights=granted(event.rights))
        case Parted():
            return texts.say(language, "plain.event.parted", nick=nick) + _because(event.reason)
        case Kicked():
            return texts.say(language, "plain.event.kicked", nick=nick, whom=event.whom.nick) + _because(event.reason)
        case TopicSet():
            key = "plain.event.topic" if event.channel.topic else "plain.event.no_topic"
            return texts.say(language, key, nick=nick, topic=event.channel.topic)
        case ModesSet():
            changes = " ".join(f"{sign}{letter} {value}".strip() for sign, letter, value in event.changes)
            return texts.say(language, "plain.event.modes", nick=nick, changes=changes)
        case Renamed():
            return texts.say(language, "plain.event.renamed", before=event.before.partition("!")[0], nick=nick)
        case Left():
            return texts.say(language, "plain.event.quit", nick=nick) + _because(translated(language, event.reason))
        case ActsAsOperator():
            if event.whom is None:
                return texts.say(language, "plain.event.acts", nick=nick)
            return texts.say(language, "plain.event.acts_inviting", nick=nick, whom=event.whom.nick)
        case Invited():
            return texts.say(language, "plain.event.invited", nick=nick, room=event.channel.name)
        case Wallops():
            return texts.say(language, "plain.event.wallops", nick=nick, text=event.text)


def _because(reason: str) -> str:
    return f" ({reason})" if reason else ""


def _said(event: Said, profile: int) -> str:
    if isinstance(event.to, Session):
        return _spoken(f"{event.by.nick} -> {_YOU[profile]}", event.text, False)
    return _spoken(event.by.nick, event.text, event.notice)


def _spoken(who: str, text: str, is_notice: bool) -> str:
    """What somebody says, or with a star in front of their name: does. No line of the server's own begins so."""
    done = action(text)
    if done is not None:
        return f"<*{who}> {done}"
    return f"-{who}- {text}" if is_notice else f"<{who}> {text}"
