"""The chat's events as IRC lines. One line serves every receiver of a wire profile."""

from mpchat.chat.channels import granted
from mpchat.chat.events import (
    AccountSet,
    ActsAsOperator,
    AwaySet,
    Event,
    Invited,
    InviteSeen,
    Joined,
    Kicked,
    Left,
    ModesSet,
    Parted,
    RealnameSet,
    Regained,
    Renamed,
    Said,
    TagsSent,
    TopicSet,
    Wallops,
)
from mpchat.protocol.capabilities import (
    ACCOUNT_NOTIFY,
    ACCOUNT_TAG,
    AWAY_NOTIFY,
    BARE,
    EXTENDED_JOIN,
    INVITE_NOTIFY,
    MESSAGE_TAGS,
    SERVER_TIME,
    SETNAME,
)
from mpchat.protocol.clock import time_tag
from mpchat.protocol.context import Context
from mpchat.protocol.irc.modes import letters
from mpchat.protocol.message import BODY_BYTES, build, build_words, encode
from mpchat.protocol.tags import before_message, bot_tag

# What a client must have asked for to be told of an event at all, and what besides decides how it is told.
_NEEDED: dict[type[Event], int] = {
    AccountSet: ACCOUNT_NOTIFY,
    AwaySet: AWAY_NOTIFY,
    InviteSeen: INVITE_NOTIFY,
    RealnameSet: SETNAME,
    TagsSent: MESSAGE_TAGS,
}
_SHAPING: dict[type[Event], int] = {Joined: EXTENDED_JOIN, Said: MESSAGE_TAGS}
_OF_SERVER = (ActsAsOperator, Regained)  # it says these itself: nobody's account stands before them


def alike(event: Event, profile: int) -> int:
    """The profile with the fewest capabilities whose clients read the same of this event as those of this one."""
    kind = type(event)
    needed = _NEEDED.get(kind, 0)
    if needed & ~profile:
        return BARE
    tags = SERVER_TIME | ACCOUNT_TAG if event.by.account and kind not in _OF_SERVER else SERVER_TIME
    return profile & (needed | tags | _SHAPING.get(kind, 0))


def render(context: Context, event: Event, profile: int) -> bytes:
    """The lines that say it to a client of this wire profile."""
    if _NEEDED.get(type(event), 0) & ~profile:
        return b""
    prefix, account = event.by.prefix, event.by.account
    match event:
        case Said():
            if profile & (MESSAGE_TAGS | ACCOUNT_TAG):
                return _before(context, profile, event) + event.line
            return time_tag(context.wall) + event.line if profile & SERVER_TIME else event.line
        case TagsSent():
            return _before(context, profile, event) + encode(build_words(prefix, "TAGMSG", event.target))
        case Joined():
            text = build_words(prefix, "JOIN", event.channel.name)
            if profile & EXTENDED_JOIN:
                text = build(prefix, "JOIN", event.channel.name, account or "*", event.by.realname)
        case Regained():
            right = granted(event.rights)
            whose = [event.by.nick] * len(right)
            words = build_words(context.settings.name, "MODE", event.channel.name, f"+{right}", *whose)
            return stamp(context, profile, [encode(words)])
        case Parted():
            text = build_words(prefix, "PART", event.channel.name)
            if event.reason:
                text = build(prefix, "PART", event.channel.name, event.reason)
        case Kicked():
            text = build(prefix, "KICK", event.channel.name, event.whom.nick, event.reason)
        case TopicSet():
            text = build(prefix, "TOPIC", event.channel.name, event.channel.topic)
        case ModesSet():
            return _tagged(context, profile, account, _mode_lines(event))
        case Renamed():
            text = build_words(event.before, "NICK", event.by.nick)
        case Left():
            text = build(prefix, "QUIT", event.reason)
        case ActsAsOperator():
            what = f"{event.by.nick} acts as a server operator" + (
                f", inviting {event.whom.nick}" if event.whom else ""
            )
            return stamp(context, profile, [encode(build(context.settings.name, "NOTICE", event.channel.name, what))])
        case Invited() | InviteSeen():
            text = build_words(prefix, "INVITE", event.whom.nick, event.channel.name)
        case Wallops():
            text = build(prefix, "WALLOPS", event.text)
        case AwaySet():
            text = build(prefix, "AWAY", event.by.away) if event.by.away else build(prefix, "AWAY")
        case AccountSet():
            text = build_words(prefix, "ACCOUNT", account or "*")
        case RealnameSet():
            text = build(prefix, "SETNAME", event.by.realname)
    return _tagged(context, profile, account, [text])


def _before(context: Context, profile: int, event: Said | TagsSent) -> bytes:
    by, tags = event.by, (bot_tag(event.by.bot), event.tags)
    return before_message(profile, context.wall, context.hub.born, event.number, *tags, account=by.account)


def _tagged(context: Context, profile: int, account: str, texts: list[str]) -> bytes:
    """Somebody's lines with the account that they come from, if the reader wants that."""
    lines = [encode(text) for text in texts]
    if account and profile & ACCOUNT_TAG:
        tags = before_message(profile, context.wall, context.hub.born, 0, account=account)
        lines = [tags + line for line in lines]
    return stamp(context, profile, lines)


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
