"""Channels: JOIN PART TOPIC NAMES LIST INVITE KICK (RFC 2812 section 3.2)."""

import re
from collections.abc import Callable, Iterable
from itertools import zip_longest

from mpchat.chat.channels import FEW, NOBODY, OP, VOICE, Channel
from mpchat.chat.events import Joined, Regained
from mpchat.chat.names import fold, matches
from mpchat.chat.refusals import Refusal
from mpchat.protocol import numerics as n
from mpchat.protocol.capabilities import MULTI_PREFIX, READ_MARKER, USERHOST_IN_NAMES
from mpchat.protocol.connection import Connection
from mpchat.protocol.context import Context
from mpchat.protocol.irc.commands import Command, Continuation
from mpchat.protocol.irc.read_markers import marker
from mpchat.protocol.irc.refusing import middle, refuse
from mpchat.protocol.irc.server import motd
from mpchat.protocol.length_limit import fit_topic
from mpchat.protocol.message import BODY_BYTES, build, cut
from mpchat.protocol.outcomes import DrainAsked, Outcomes

_BOUND = re.compile("([ct]?)([<>])([0-9]{1,9})")  # of people, or of minutes since creation or topic

Cursor = tuple[object, ...]
Wanted = tuple[tuple[str, str], ...]  # channels and their keys


def join(context: Context, connection: Connection, params: list[str]) -> Outcomes:
    if params[0] == "0":  # RFC 2812 section 3.2.1: leave them all
        for name in list(connection.session.channels):
            yield context.hub.part(connection.session, name, "", context.mono)
        return
    keys = params[1].split(",") if len(params) > 1 else []
    names = params[0].split(",")
    wanted: dict[str, tuple[str, str]] = {}  # by folded name; whoever names one twice means the first
    for name, key in zip_longest(names, keys[: len(names)], fillvalue=""):
        if name:
            wanted.setdefault(fold(name), (name, key))
    if not wanted:
        yield _names_none(context, connection, "JOIN")
    yield from _join(context, connection, tuple(wanted.values()))


def _names_none(context: Context, connection: Connection, command: str) -> bytes:
    """The answer to a list with nothing but commas."""
    return context.reply(connection, n.NEEDMOREPARAMS, command, "Not enough parameters")


def _join(context: Context, connection: Connection, wanted: Wanted) -> Outcomes:
    """One after the other: name and key."""
    for place, (name, key) in enumerate(wanted, 1):
        try:
            joined = context.hub.join(connection.session, name, key, context.seconds)
        except Refusal as refusal:
            yield refuse(context, connection, refusal)
            continue
        if joined is not None:
            yield joined
            if joined.regained:
                yield Regained(connection.session, joined.channel, joined.regained)
            if joined.channel.topic:
                yield from _topic(context, connection, joined.channel)
            if connection.capabilities & READ_MARKER:
                yield marker(context, connection, joined.channel.name)
            yield from _joined(context, connection, name, NOBODY, wanted[place:])


def _joined(context: Context, connection: Connection, name: str, behind: int, wanted: Wanted) -> Outcomes:
    """The names on a channel that was joined, and where that is the rest of an answer, what else was to be joined."""
    yield from _names(context, connection, name, behind, ("joined", name), (wanted,))
    yield DrainAsked(("join", wanted))
    if behind != NOBODY:
        yield from _join(context, connection, wanted)


def returned(context: Context, connection: Connection, restored: list[tuple[Channel, int]]) -> Outcomes:
    """It is on these channels again, with these rights; who else is there comes after all of them."""
    for channel, rights in restored:
        yield Joined(connection.session, channel)
        if rights:
            yield Regained(connection.session, channel, rights)
        if channel.topic:
            yield from _topic(context, connection, channel)
        if connection.capabilities & READ_MARKER:
            yield marker(context, connection, channel.name)
    yield from _returned(context, connection, NOBODY, *(channel.name for channel, _ in restored))


def _returned(context: Context, connection: Connection, behind: int, *names: str) -> Outcomes:
    """The names on these channels, and the last that a newcomer reads, the message of the day."""
    for place, name in enumerate(names, 1):
        yield from _names(context, connection, name, behind, ("returned",), names[place - 1 :])
        yield DrainAsked(("returned", NOBODY, *names[place:]))
        behind = NOBODY
    yield from motd(context, connection, [])


def part(context: Context, connection: Connection, params: list[str]) -> Outcomes:
    reason = cut(params[1], context.settings.reason_bytes) if len(params) > 1 else ""
    names = listed(params[0])
    if not names:
        yield _names_none(context, connection, "PART")
    for name in names:
        try:
            yield context.hub.part(connection.session, name, reason, context.mono)
        except Refusal as refusal:
            yield refuse(context, connection, refusal)


def topic(context: Context, connection: Connection, params: list[str]) -> Outcomes:
    if len(params) > 1:
        text = fit_topic(params[1], connection.session, params[0], context.settings.topic_bytes)
        yield context.hub.set_topic(connection.session, params[0], text, context.seconds)
        return
    channel = context.hub.channel(params[0], connection.session)
    if not channel.shows_itself_to(connection.session):
        channel.need_member(connection.session)
    if channel.topic:
        yield from _topic(context, connection, channel)
    else:
        yield context.reply(connection, n.NOTOPIC, channel.name, "No topic is set")


def _topic(context: Context, connection: Connection, channel: Channel) -> Outcomes:
    yield context.reply(connection, n.TOPIC, channel.name, channel.topic)
    yield context.reply_words(connection, n.TOPICWHOTIME, channel.name, channel.topic_by, str(channel.topic_at))


def names(context: Context, connection: Connection, params: list[str]) -> Outcomes:
    yield from _names_of_each(context, connection, NOBODY, *((listed(params[0]) if params else []) or ["*"]))


def _names_of_each(context: Context, connection: Connection, behind: int, *names: str) -> Outcomes:
    for place, name in enumerate(names, 1):
        yield from _names(context, connection, name, behind, ("names",), names[place - 1 :])
        yield DrainAsked(("names", NOBODY, *names[place:]))
        behind = NOBODY


def _names(context: Context, connection: Connection, name: str, behind: int, cursor: Cursor, rest: Cursor) -> Outcomes:
    """353 in as few lines as fit, then 366. Strangers do not see the invisible, nor a secret channel's members.

    Members stand there as nick!user@host for who asked for that (IRCv3 userhost-in-names).

    What is left of it begins at `cursor`, behind whom, `rest`.
    """
    channel = context.hub.channels.get(fold(name))
    shown_name = middle(name)  # as they wrote it: how it is really written would tell that there is such a channel
    if channel is not None and channel.shows_itself_to(connection.session):
        shown_name = channel.name
        inside = connection.session in channel.members
        symbol = "@" if "s" in channel.flags else "="
        head = len(build(context.settings.name, n.NAMREPLY, connection.session.nick, symbol, channel.name, "").encode())
        roll, wish = channel.roll(behind), connection.capabilities
        for start in range(0, len(roll), FEW):
            some = roll[start : start + FEW]
            shown = [
                sigil(channel.members[one], wish) + (one.prefix if wish & USERHOST_IN_NAMES else one.nick)
                for one in some
                if inside or not one.invisible
            ]
            for line in pack(shown, BODY_BYTES - head):
                yield context.reply(connection, n.NAMREPLY, symbol, channel.name, line)
            if len(roll) > FEW:
                yield DrainAsked((*cursor, some[-1].order, *rest))
    yield context.reply(connection, n.ENDOFNAMES, shown_name, "End of /NAMES list")


def listed(names: str) -> list[str]:
    """A list with commas, each name in it once; an empty place is nothing, and no name."""
    return list({fold(name): name for name in names.split(",") if name}.values())


def sigil(rights: int, capabilities: int = 0) -> str:
    """The sign that stands before the nickname of a member with these rights: the highest one's only.

    Whose client has asked for it reads all of them, the highest first (IRCv3 multi-prefix).
    """
    if capabilities & MULTI_PREFIX and rights & OP and rights & VOICE:
        return "@+"
    return "@" if rights & OP else "+" if rights & VOICE else ""


def pack(words: list[str], room: int) -> list[str]:
    """`words` in as few lines of at most `room` bytes as they fit into, in order."""
    lines: list[str] = []
    line: list[str] = []
    left = room
    for word in words:
        size = len(word) if word.isascii() else len(word.encode())
        if size > left and line:
            lines.append(" ".join(line))
            line, left = [], room
        line.append(word)
        left -= size + 1
    return lines + [" ".join(line)] if line else lines


def list_channels(context: Context, connection: Connection, params: list[str]) -> Outcomes:
    """LIST [condition,condition], where a condition is a name or one that ELIST announces. Masks are few: each is
    compared with every channel, and nothing else happens meanwhile.
    """
    words = [fold(word) for word in (listed(params[0]) if params else [])]
    masks = [word for word in words if _is_mask(word)]
    if context.settings.level >= 4 and len(masks) > context.settings.targets:
        yield context.reply(connection, n.TOOMANYTARGETS, middle(masks[-1]), "Too many masks")
    else:
        yield from _list(context, connection, NOBODY, *words)


def _list(context: Context, connection: Connection, behind: int, *words: str) -> Outcomes:
    """Of the channels that are meant, or of all, those that stand behind this place in their order."""
    is_meant = _meant(words, context.seconds) if context.settings.level >= 4 else _named(words)
    for channel in context.hub.channels.values():
        asked_for = channel.order > behind and is_meant(channel)
        if asked_for and channel.members and channel.shows_itself_to(connection.session):
            yield context.reply(connection, n.LIST, channel.name, str(len(channel.members)), channel.topic)
            yield DrainAsked(("list", channel.order, *words))
    yield context.reply(connection, n.LISTEND, "End of /LIST")


def _is_mask(word: str) -> bool:
    return "*" in word or "?" in word or word.startswith("!")


def _named(words: Iterable[str]) -> Callable[[Channel], bool]:
    """Whether a channel has one of these folded names; of no names, any has."""
    names = frozenset(words)
    return lambda channel: not names or channel.folded in names


def _meant(words: Iterable[str], now: int) -> Callable[[Channel], bool]:
    """Whether a channel meets all of these folded conditions, of which names and masks count as one: any of them.

    The conditions are those of ELIST=CMNTU (Modern IRC: LIST); `now` is in wall s, their times are minutes ago.
    """
    others, names, masks, unlike = [], set(), [], []
    for word in words:
        found = _BOUND.fullmatch(word)
        if found is not None:
            others.append((found[1], found[2], int(found[3])))
        elif word.startswith("!"):
            unlike.append(word[1:])
        elif _is_mask(word):
            masks.append(word)
        else:
            names.add(word)

    def is_meant(channel: Channel) -> bool:
        for what, sign, bound in others:
            value = len(channel.members)
            if what:
                since = channel.created if what == "c" else channel.topic_at
                if not since:
                    return False
                value, bound = now - since, bound * 60
            if not (value > bound if sign == ">" else value < bound):
                return False
        if (names or masks) and channel.folded not in names and not any(matches(m, channel.folded) for m in masks):
            return False
        return not any(matches(mask, channel.folded) for mask in unlike)

    return is_meant


def invite(context: Context, connection: Connection, params: list[str]) -> Outcomes:
    invited = context.hub.invite(connection.session, params[0], params[1])
    yield context.reply_words(connection, n.INVITING, invited.whom.nick, invited.channel.name)
    if invited.whom.away:
        yield context.reply(connection, n.IS_AWAY, invited.whom.nick, invited.whom.away)
    yield invited


def kick(context: Context, connection: Connection, params: list[str]) -> Outcomes:
    """One channel and many victims, or as many of each (RFC 2812 section 3.2.8). Each goes out by itself."""
    channels = [name for name in params[0].split(",") if name]
    victims = [name for name in params[1].split(",") if name]
    reason = cut(params[2], context.settings.reason_bytes) if len(params) > 2 else ""
    if not (channels and victims):
        yield _names_none(context, connection, "KICK")
        return
    if len(channels) == 1:
        channels *= len(victims)
    if len(channels) != len(victims):
        yield context.reply(connection, n.NEEDMOREPARAMS, "KICK", "As many channels as nicknames, or one channel")
        return
    for channel, victim in zip(channels, victims, strict=True):
        try:
            yield context.hub.kick(connection.session, channel, victim, reason, context.mono)
        except Refusal as refusal:
            yield refuse(context, connection, refusal)


GO_ON: dict[str, Continuation] = {
    "join": _join,
    "joined": _joined,
    "list": _list,
    "names": _names_of_each,
    "returned": _returned,
}
COMMANDS = {
    "INVITE": Command(invite, least=2),
    "JOIN": Command(join, least=1),
    "KICK": Command(kick, least=2, text=2),
    "LIST": Command(list_channels),
    "NAMES": Command(names),
    "PART": Command(part, least=1, text=1, any_bytes=True),
    "TOPIC": Command(topic, least=1, text=1),
}
