"""The chat's events as IRC lines. One line serves every receiver of a wire profile."""

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
from mpchat.protocol.capabilities import MESSAGE_TAGS, SERVER_TIME
from mpchat.protocol.clock import time_tag
from mpchat.protocol.context import Context
from mpchat.protocol.irc.modes import letters
from mpchat.protocol.message import BODY_BYTES, build, build_words, encode
from mpchat.protocol.tags import before_message, bot_tag


def render(context: Context, event: Event | TagsSent, profile: int) -> bytes:
    """The lines that say it to a client of this wire profile."""
    prefix = event.by.prefix
    match event:
        case Said():
            if profile & MESSAGE_TAGS:
                tags = _before(context, profile, event)
                return tags + event.line
            return time_tag(context.wall) + event.line if profile & SERVER_TIME else event.line
        case TagsSent():
            if not profile & MESSAGE_TAGS:
                return b""
            tags = _before(context, profile, event)
            return tags + encode(build_words(prefix, "TAGMSG", event.target))
        case Joined():
            text = build_words(prefix, "JOIN", event.channel.name)
        case Regained():
            right = granted(event.rights)
            whose = [event.by.nick] * len(right)
            text = build_words(context.settings.name, "MODE", event.channel.name, f"+{right}", *whose)
        case Parted():
            text = build_words(prefix, "PART", event.channel.name)
            if event.reason:
                text = build(prefix, "PART", event.channel.name, event.reason)
        case Kicked():
            text = build(prefix, "KICK", event.channel.name, event.whom.nick, event.reason)
        case TopicSet():
            text = build(prefix, "TOPIC", event.channel.name, event.channel.topic)
        case ModesSet():
            return stamp(context, profile, [encode(line) for line in _mode_lines(event)])
        case Renamed():
            text = build_words(event.before, "NICK", event.by.nick)
        case Left():
            text = build(prefix, "QUIT", event.reason)
        case ActsAsOperator():
            what = f"{event.by.nick} acts as a server operator" + (
                f", inviting {event.whom.nick}" if event.whom else ""
            )
            text = build(context.settings.name, "NOTICE", event.channel.name, what)
        case Invited():
            text = build_words(prefix, "INVITE", event.whom.nick, event.channel.name)
        case Wallops():
            text = build(prefix, "WALLOPS", event.text)
    return stamp(context, profile, [encode(text)])


def _before(context: Context, profile: int, event: Said | TagsSent) -> bytes:
    bot = bot_tag(event.by.bot)
    return before_message(profile, context.wall, context.hub.born, event.number, bot, event.tags)


def stamp(context: Context, profile: int, lines: list[bytes]) -> bytes:
    """Lines as one piece of output. A line that has tags has its time among them."""
    if profile & SERVER_TIME:
        tag = time_tag(context.wall)
        lines = [line if line.startswith(b"@") else tag + line for line in lines]
    return lines[0] if len(lines) == 1 else b"".join(lines)


def _mode_lines(event: ModesSet) -> list[str]:
    """As few lines as hold the changes."""
    lines: list[str] = []
    batch: list[tuple[str, str, str]] = []
    for change in event.changes:
        if batch and len(_mode_line(event, [*batch, change]).encode()) > BODY_BYTES:
            lines.append(_mode_line(event, batch))
            batch = []
        batch.append(change)
    return [*lines, _mode_line(event, batch)]


def _mode_line(event: ModesSet, changes: list[tuple[str, str, str]]) -> str:
    words = letters([(sign, letter) for sign, letter, _ in changes])
    values = [value for _, _, value in changes if value]
    return " ".join([f":{event.by.prefix} MODE {event.channel.name} {words}", *values])
