"""What is decided about the room where somebody is: /topic /invite /kick /op /mode. Who may, the hub knows."""

from mpchat.chat.channels import RIGHTS, Channel
from mpchat.chat.refusals import Reason, Refusal
from mpchat.protocol.clock import hour_of_day
from mpchat.protocol.connection import Connection
from mpchat.protocol.context import Context
from mpchat.protocol.length_limit import fit_topic
from mpchat.protocol.message import BODY_BYTES, cut
from mpchat.protocol.outcomes import Outcomes
from mpchat.protocol.plain.languages import say
from mpchat.protocol.plain.rendering import line, tell, usage, warn
from mpchat.protocol.room_modes import parse_changes, set_modes, values_of

_CLEARED = "-"  # what /topic takes for no topic


def its_room(connection: Connection) -> Channel:
    """The one where it is. Raises Refusal if it is in none: who was kicked out, or is banned from the lobby."""
    for channel in connection.session.channels.values():
        return channel
    raise Refusal(Reason.NOT_ON_CHANNEL, "")


def topic(context: Context, connection: Connection, rest: str) -> Outcomes:
    channel, session = its_room(connection), connection.session
    if rest:
        text = "" if rest == _CLEARED else fit_topic(rest, session, channel.name, context.settings.topic_bytes)
        yield context.hub.set_topic(session, channel.name, text, context.seconds)
    elif channel.topic:
        yield tell(connection, "plain.topic", topic=channel.topic)
        time = shown_time(context, channel.topic_at)
        yield tell(connection, "plain.topic_by", nick=channel.topic_by.partition("!")[0], time=time)
    else:
        yield tell(connection, "plain.no_topic", room=channel.name)


def invite(context: Context, connection: Connection, rest: str) -> Outcomes:
    if not rest:
        yield usage(connection, "invite")
        return
    invited = context.hub.invite(connection.session, rest, its_room(connection).name)
    yield tell(connection, "plain.invited", nick=invited.whom.nick, room=invited.channel.name)
    if invited.whom.away:
        yield tell(connection, "plain.is_away", nick=invited.whom.nick, text=invited.whom.away)
    yield invited


def kick(context: Context, connection: Connection, rest: str) -> Outcomes:
    nick, _, reason = rest.partition(" ")
    if not nick:
        yield usage(connection, "kick")
        return
    reason = cut(reason.strip(), context.settings.reason_bytes)
    yield context.hub.kick(connection.session, its_room(connection).name, nick, reason, context.mono)


def op(context: Context, connection: Connection, rest: str) -> Outcomes:
    yield from set_modes(context, connection, its_room(connection).name, [("+", "o", rest)], usage(connection, "op"))


def mode(context: Context, connection: Connection, rest: str) -> Outcomes:
    channel, words = its_room(connection), cut(rest, BODY_BYTES).split()  # as many changes as a line of IRC has
    if not words:
        yield from _modes(connection, channel)
        return
    level = context.settings.level
    changes, asked = parse_changes(words, level)
    is_name = words[0][0] not in "+-"  # a room's, or a nickname: its letters mean no modes
    if is_name or not (changes or asked):
        yield usage(connection, "mode")
        return
    for letter in asked:
        yield from _masks(context, connection, channel, letter)
    whole = [(sign, letter, value) for sign, letter, value in changes if value or sign == "-" or letter not in "kl"]
    yield from set_modes(context, connection, channel.name, whole, usage(connection, "mode"))
    if len(whole) < len(changes) and all(
        value or letter not in RIGHTS for _, letter, value in whole
    ):  # else it is told
        yield usage(connection, "mode")
    if left := words[1 + values_of(words[0], level) :]:
        yield warn(connection, "plain.mode_words", words=" ".join(left))


def _modes(connection: Connection, channel: Channel) -> Outcomes:
    """The modes as IRC writes them, and what they mean. Who asks is a member, and so sees the key."""
    letters, values = channel.modes(with_key=True)
    if letters == "+":
        yield tell(connection, "plain.no_modes", room=channel.name)
        return
    yield tell(connection, "plain.modes", room=channel.name, modes=" ".join([letters, *values]))
    for letter in letters[1:]:
        yield line(f"*   +{letter}: " + say(connection, f"plain.mode.{letter}"))


_ENTRY = {"b": "plain.ban", "e": "plain.exception", "I": "plain.invite_exception"}
_NONE = {"b": "plain.no_bans", "e": "plain.no_exceptions", "I": "plain.no_invite_exceptions"}


def _masks(context: Context, connection: Connection, channel: Channel, letter: str) -> Outcomes:
    channel.may_read_masks(connection.session, letter)
    masks = channel.masks(letter)
    if not masks:
        yield tell(connection, _NONE[letter], room=channel.name)
    for mask, (by, at) in masks.items():
        nick, time = by.partition("!")[0], shown_time(context, at)
        yield tell(connection, _ENTRY[letter], room=channel.name, mask=mask, nick=nick, time=time)


def shown_time(context: Context, at: int) -> str:
    """A wall clock time in s, as the server's own clock shows it: the hour, with the date if that is not today's."""
    return hour_of_day(at * 1000, context.utc_offset, context.wall, context.utc_offset)
