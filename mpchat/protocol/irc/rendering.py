"""The chat's events as IRC lines. One line serves every receiver of a wire profile."""

from mpchat.chat.events import (
    Event,
    Invited,
    Joined,
    Kicked,
    Left,
    ModesSet,
    Parted,
    Renamed,
    Said,
    TagsSent,
    TopicSet,
    Wallops,
)
from mpchat.protocol.irc.modes import letters
from mpchat.protocol.length_limit import VERBS
from mpchat.protocol.message import BODY_BYTES, build, build_words, encode


def render(event: Event) -> list[bytes]:
    """The lines that say it, each with its CR LF; tags come later."""
    prefix = event.by.prefix
    match event:
        case Said():
            # Built and sized without build() and encode(): this is the hot path, and saying.fit() has cut the text.
            return [f":{prefix} {VERBS[event.notice]} {event.target} :{event.text}\r\n".encode()]
        case Joined():
            line = build_words(prefix, "JOIN", event.channel.name)
        case Parted():
            line = build_words(prefix, "PART", event.channel.name)
            if event.reason:
                line = build(prefix, "PART", event.channel.name, event.reason)
        case Kicked():
            line = build(prefix, "KICK", event.channel.name, event.whom.nick, event.reason)
        case TopicSet():
            line = build(prefix, "TOPIC", event.channel.name, event.channel.topic)
        case ModesSet():
            return [encode(line) for line in _mode_lines(event)]
        case Renamed():
            line = build_words(event.before, "NICK", event.by.nick)
        case Left():
            line = build(prefix, "QUIT", event.reason)
        case Invited():
            line = build_words(prefix, "INVITE", event.whom.nick, event.channel.name)
        case Wallops():
            line = build(prefix, "WALLOPS", event.text)
    return [encode(line)]


def render_tags(event: TagsSent) -> bytes:
    """The line that carries them."""
    return encode(build_words(event.by.prefix, "TAGMSG", event.target))


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
