"""Channels: JOIN PART TOPIC NAMES LIST INVITE KICK (RFC 2812 section 3.2)."""

from itertools import zip_longest

from mpchat.chat.channels import OP, VOICE, Channel
from mpchat.chat.names import fold
from mpchat.chat.refusals import Refusal
from mpchat.protocol import numerics as n
from mpchat.protocol.desk import Desk, Outcomes, Peer
from mpchat.protocol.irc.commands import Command
from mpchat.protocol.irc.refusing import middle, refuse
from mpchat.protocol.message import BODY_BYTES, build, cut


def join(desk: Desk, peer: Peer, params: list[str]) -> Outcomes:
    if params[0] == "0":  # RFC 2812 section 3.2.1: leave them all
        for name in list(peer.session.channels):
            yield desk.hub.part(peer.session, name, "")
        return
    keys = params[1].split(",") if len(params) > 1 else []
    names = params[0].split(",")
    asked: set[str] = set()
    for name, key in zip_longest(names, keys[: len(names)], fillvalue=""):
        if not name or fold(name) in asked:
            continue
        asked.add(fold(name))
        try:
            joined = desk.hub.join(peer.session, name, key, desk.seconds)
        except Refusal as refusal:
            yield refuse(desk, peer, refusal)
            continue
        if joined is not None:
            yield joined
            if joined.channel.topic:
                yield from _topic(desk, peer, joined.channel)
            yield from _names(desk, peer, joined.channel)


def part(desk: Desk, peer: Peer, params: list[str]) -> Outcomes:
    reason = cut(params[1], desk.wording.reason_bytes) if len(params) > 1 else ""
    for name in listed(params[0]):
        try:
            yield desk.hub.part(peer.session, name, reason)
        except Refusal as refusal:
            yield refuse(desk, peer, refusal)


def topic(desk: Desk, peer: Peer, params: list[str]) -> Outcomes:
    if len(params) > 1:
        # Cut once, to what one line shows whoever reads it: the echo has the setter's prefix in front of it.
        frame = len(build(peer.session.prefix, "TOPIC", params[0], "").encode())
        text = cut(params[1], min(desk.wording.topic_bytes, BODY_BYTES - frame))
        yield desk.hub.set_topic(peer.session, params[0], text, desk.seconds)
        return
    channel = desk.hub.channel(params[0])
    if not channel.shows_itself_to(peer.session):
        channel.need_member(peer.session)
    if channel.topic:
        yield from _topic(desk, peer, channel)
    else:
        yield desk.reply(peer, n.NOTOPIC, channel.name, "No topic is set")


def _topic(desk: Desk, peer: Peer, channel: Channel) -> Outcomes:
    yield desk.reply(peer, n.TOPIC, channel.name, channel.topic)
    yield desk.reply_words(peer, n.TOPICWHOTIME, channel.name, channel.topic_by, str(channel.topic_at))


def names(desk: Desk, peer: Peer, params: list[str]) -> Outcomes:
    for name in (listed(params[0]) if params else []) or ["*"]:
        try:
            channel = desk.hub.channel(name)
        except Refusal:
            yield desk.reply(peer, n.ENDOFNAMES, middle(name), "End of /NAMES list")
        else:
            yield from _names(desk, peer, channel)


def _names(desk: Desk, peer: Peer, channel: Channel) -> Outcomes:
    """353 in as few lines as fit, then 366. Strangers do not see the invisible, nor a secret channel's members."""
    if channel.shows_itself_to(peer.session):
        inside = peer.session in channel.members
        shown = [
            sigil(rights) + member.nick for member, rights in channel.members.items() if inside or not member.invisible
        ]
        symbol = "@" if "s" in channel.flags else "="
        head = len(build(desk.wording.name, n.NAMREPLY, peer.session.nick, symbol, channel.name, "").encode())
        for line in pack(shown, BODY_BYTES - head):
            yield desk.reply(peer, n.NAMREPLY, symbol, channel.name, line)
    yield desk.reply(peer, n.ENDOFNAMES, channel.name, "End of /NAMES list")


def listed(names: str) -> list[str]:
    """A list with commas, each name in it once; an empty place is nothing, and no name."""
    return list({fold(name): name for name in names.split(",") if name}.values())


def sigil(rights: int) -> str:
    """The sign that stands before the nickname of a member with these rights: the highest one's only."""
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


def list_channels(desk: Desk, peer: Peer, params: list[str]) -> Outcomes:
    wanted = {fold(name) for name in params[0].split(",") if name} if params else set()
    for channel in list(desk.hub.channels.values()):
        asked_for = not wanted or channel.folded in wanted
        if asked_for and channel.members and channel.shows_itself_to(peer.session):
            yield desk.reply(peer, n.LIST, channel.name, str(len(channel.members)), channel.topic)
    yield desk.reply(peer, n.LISTEND, "End of /LIST")


def invite(desk: Desk, peer: Peer, params: list[str]) -> Outcomes:
    invited = desk.hub.invite(peer.session, params[0], params[1])
    yield desk.reply_words(peer, n.INVITING, invited.whom.nick, invited.channel.name)
    if invited.whom.away:
        yield desk.reply(peer, n.IS_AWAY, invited.whom.nick, invited.whom.away)
    yield invited


def kick(desk: Desk, peer: Peer, params: list[str]) -> Outcomes:
    """One channel and many victims, or as many of each (RFC 2812 section 3.2.8). Each goes out by itself."""
    channels = [name for name in params[0].split(",") if name]
    victims = [name for name in params[1].split(",") if name]
    reason = cut(params[2], desk.wording.reason_bytes) if len(params) > 2 else ""
    if len(channels) == 1:
        channels *= len(victims)
    if len(channels) != len(victims):
        yield desk.reply(peer, n.NEEDMOREPARAMS, "KICK", "As many channels as nicknames, or one channel")
        return
    for channel, victim in zip(channels, victims, strict=True):
        try:
            yield desk.hub.kick(peer.session, channel, victim, reason)
        except Refusal as refusal:
            yield refuse(desk, peer, refusal)


COMMANDS = {
    "INVITE": Command(invite, least=2),
    "JOIN": Command(join, least=1),
    "KICK": Command(kick, least=2, text=2),
    "LIST": Command(list_channels),
    "NAMES": Command(names),
    "PART": Command(part, least=1, text=1, any_bytes=True),
    "TOPIC": Command(topic, least=1, text=1),
}
