"""MODE, for channels and for oneself (RFC 2812 sections 3.1.5 and 3.2.3)."""

from mpchat.chat.channels import Channel
from mpchat.protocol import numerics as n
from mpchat.protocol.capabilities import ACCOUNT_TAG
from mpchat.protocol.connection import Connection
from mpchat.protocol.context import Context
from mpchat.protocol.irc.commands import Command
from mpchat.protocol.message import build_words, encode
from mpchat.protocol.outcomes import Outcomes, Resigned
from mpchat.protocol.room_modes import parse_changes, set_modes
from mpchat.protocol.tags import before_message


def mode(context: Context, connection: Connection, params: list[str]) -> Outcomes:
    target, *rest = params
    if target.startswith("#"):
        yield from _channel_mode(context, connection, target, rest)
    else:
        yield from _own_mode(context, connection, target, rest)


def _channel_mode(context: Context, connection: Connection, name: str, params: list[str]) -> Outcomes:
    channel = context.hub.channel(name, connection.session)
    if not params:
        letters, values = channel.modes(with_key=connection.session in channel.members)
        yield context.reply_words(connection, n.CHANNELMODEIS, channel.name, letters, *values)
        yield context.reply_words(connection, n.CREATIONTIME, channel.name, str(channel.created))
        return
    changes, asked = parse_changes(params, context.settings.level)
    for letter in asked:
        yield from _masks(context, connection, channel, letter)
    unnamed = context.reply(connection, n.NEEDMOREPARAMS, "MODE", "Not enough parameters")
    yield from set_modes(context, connection, name, changes, unnamed)


_LISTS = {  # an entry, the end, and what that says
    "b": (n.BANLIST, n.ENDOFBANLIST, "End of channel ban list"),
    "e": (n.EXCEPTLIST, n.ENDOFEXCEPTLIST, "End of channel exception list"),
    "I": (n.INVITELIST, n.ENDOFINVITELIST, "End of channel invite exception list"),
}


def _masks(context: Context, connection: Connection, channel: Channel, letter: str) -> Outcomes:
    channel.may_read_masks(connection.session, letter)
    entry, end, text = _LISTS[letter]
    for mask, (by, at) in channel.masks(letter).items():
        yield context.reply_words(connection, entry, channel.name, mask, by, str(at))
    yield context.reply(connection, end, channel.name, text)


def _own_mode(context: Context, connection: Connection, nick: str, params: list[str]) -> Outcomes:
    session = connection.session
    if context.hub.session(nick) is not session:
        yield context.reply(connection, n.USERSDONTMATCH, "Can't change mode for other users")
        return
    if not params:
        held = zip("Biow", (session.bot, session.invisible, session.operator, session.wallops), strict=True)
        letters = "".join(letter for letter, on in held if on)
        yield context.reply_words(connection, n.UMODEIS, "+" + letters)
        return
    changes: list[tuple[str, str]] = []
    unknown = False
    sign = "+"
    for letter in params[0]:
        if letter in "+-":
            sign = letter
        elif letter not in own_letters(context.settings.level):
            unknown = True
        elif _set_own(context, connection, letter, sign == "+"):
            changes.append((sign, letter))
    if changes:
        yield own_modes(context, connection, changes)
    if ("-", "o") in changes:
        yield Resigned(session)
    if unknown:
        yield context.reply(connection, n.UMODEUNKNOWNFLAG, "Unknown MODE flag")


def own_letters(level: int) -> str:
    """The modes of users, on a server of this level."""
    return "Biow" if level >= 4 else "iow"


def _set_own(context: Context, connection: Connection, letter: str, on: bool) -> bool:
    if letter == "i":
        return context.hub.set_invisible(connection.session, on)
    if letter == "o":  # only OPER gives it
        return not on and context.hub.set_operator(connection.session, False)
    session = connection.session
    if letter == "B":
        changed, session.bot = session.bot != on, on
    else:
        changed, session.wallops = session.wallops != on, on
    return changed


def own_modes(context: Context, connection: Connection, changes: list[tuple[str, str]]) -> bytes:
    """One's own MODE, as oneself sees it."""
    session, profile = connection.session, connection.profile
    line = encode(build_words(session.prefix, "MODE", session.nick, letters(changes)))
    if session.account and profile & ACCOUNT_TAG:
        return before_message(profile, context.wall, context.hub.born, 0, account=session.account) + line
    return line


def letters(changes: list[tuple[str, str]]) -> str:
    """Signs and letters written together: +i -w +o -> +i-w+o, each sign only where it changes."""
    out, last = [], ""
    for sign, letter in changes:
        out.append(letter if sign == last else sign + letter)
        last = sign
    return "".join(out)


COMMANDS = {"MODE": Command(mode, least=1)}
