"""Who is who: WHO WHOIS WHOWAS USERHOST ISON (RFC 2812 sections 3.6 and 4.8, 4.9; IRCv3 WHOX)."""

import re
from collections.abc import Iterator

from mpchat.chat.channels import FEW, NOBODY, Channel
from mpchat.chat.names import fold, matches
from mpchat.chat.refusals import Refusal
from mpchat.chat.sessions import Session
from mpchat.protocol import numerics as n
from mpchat.protocol.clock import date
from mpchat.protocol.connection import Connection
from mpchat.protocol.context import Context
from mpchat.protocol.irc.channels import pack, sigil
from mpchat.protocol.irc.commands import Command, Continuation
from mpchat.protocol.irc.refusing import middle, refuse
from mpchat.protocol.irc.server import is_this_server
from mpchat.protocol.message import BODY_BYTES, build
from mpchat.protocol.outcomes import DrainAsked, Outcomes

_USERHOSTS = 5  # RFC 2812 section 4.8
_FIELDS = "tcuihsnfdlaor"  # of WHOX, in the order of the answer
_TOKEN = re.compile("[0-9]{1,3}")


def who(context: Context, connection: Connection, params: list[str]) -> Outcomes:
    """WHO [mask [o][%fields[,token]]]. WHOX has no fields but those it names; it takes no word for an error."""
    mask, options = params[0] if params and params[0] else "*", params[1] if len(params) > 1 else ""
    if context.settings.level < 4:
        yield from _who(context, connection, NOBODY, mask, options == "o")
        return
    flags, percent, wanted = options.partition("%")
    letters, _, token = wanted.partition(",")
    fields = percent + "".join(letter for letter in _FIELDS if letter in letters)
    yield from _who(context, connection, NOBODY, mask, "o" in flags, fields, token if _TOKEN.fullmatch(token) else "0")


def _who(
    context: Context,
    connection: Connection,
    behind: int,
    mask: str,
    only_operators: bool,
    fields: str = "",
    token: str = "",
) -> Outcomes:
    """Those who arrived behind this one. `fields`: of WHOX, behind a "%"."""
    for session, channel, may_wait in _found(context, connection, "*" if mask == "0" else mask, behind):
        if session.operator or not only_operators:
            if fields:
                yield _whox_line(context, connection, session, channel, fields, token)
            else:
                yield _who_line(context, connection, session, channel)
            if may_wait:
                yield DrainAsked(("who", session.order, mask, only_operators, fields, token))
    yield context.reply(connection, n.ENDOFWHO, middle(mask), "End of WHO list")


def _found(
    context: Context, connection: Connection, mask: str, behind: int
) -> Iterator[tuple[Session, Channel | None, bool]]:
    """Each with a channel to name, and whether all who follow arrived later."""
    me, hub = connection.session, context.hub
    named = hub.nicks.get(fold(mask))
    if mask.startswith("#"):
        channel = hub.channels.get(fold(mask))
        if channel is not None and channel.shows_itself_to(me):
            inside, roll = me in channel.members, channel.roll(behind)
            is_long = len(roll) > FEW or behind != NOBODY
            yield from [(member, channel, is_long) for member in roll if inside or not member.invisible]
    elif named is not None and named.registered and behind == NOBODY:  # the whole name finds even the invisible
        yield named, _shared(me, named), False
    else:
        for session in hub.people():
            is_shown = session.order > behind and (not session.invisible or me.shares_with(session))
            if is_shown and _who_matches(mask, session):
                yield session, _shared(me, session), True


def _who_matches(mask: str, session: Session) -> bool:
    return any(matches(mask, text) for text in (session.nick, session.user, session.host, session.realname))


def _shared(me: Session, other: Session) -> Channel | None:
    return next((channel for name, channel in other.channels.items() if name in me.channels), None)


def _who_line(context: Context, connection: Connection, session: Session, channel: Channel | None) -> bytes:
    place, flags = _place_and_flags(connection, session, channel)
    return context.reply(
        connection,
        n.WHOREPLY,
        *(place, session.user, session.host, context.settings.name, session.nick, flags),
        f"0 {session.realname}",
    )


def _whox_line(
    context: Context, connection: Connection, session: Session, channel: Channel | None, fields: str, token: str
) -> bytes:
    """What was asked for and nothing else. Nobody is further away than this server, and operators have no levels."""
    place, flags = _place_and_flags(connection, session, channel)
    idle = (context.mono - session.spoke_at) // 1000
    values = (
        *(token, place, session.user, session.host, session.host, context.settings.name, session.nick, flags),
        *("0", str(idle), session.account or "0", "n/a", session.realname),
    )
    told = [value for letter, value in zip(_FIELDS, values, strict=True) if letter in fields]
    reply = context.reply if fields.endswith("r") else context.reply_words
    return reply(connection, n.WHOSPCRPL, *told)


def _place_and_flags(connection: Connection, session: Session, channel: Channel | None) -> tuple[str, str]:
    """Is somebody away, a server operator, what in the channel, and a bot?"""
    flags = "G" if session.away else "H"
    flags += "*" if session.operator else ""
    flags += sigil(channel.members[session], connection.capabilities) if channel is not None else ""
    flags += "B" if session.bot else ""
    return channel.name if channel is not None else "*", flags


def whois(context: Context, connection: Connection, params: list[str]) -> Outcomes:
    """WHOIS [server] nick: any other server than this one is not known (402)."""
    name = params[min(len(params), 2) - 1] if params else ""
    if not name:
        yield context.reply(connection, n.NONICKNAMEGIVEN, "No nickname given")
        return
    if len(params) > 1 and not is_this_server(context, params[0]):
        yield context.reply(connection, n.NOSUCHSERVER, middle(params[0]), "No such server")
        return
    try:
        session = context.hub.session(name)
    except Refusal as refusal:
        yield refuse(context, connection, refusal)
    else:
        yield from _whois(context, connection, session)
    yield context.reply(connection, n.ENDOFWHOIS, middle(name), "End of /WHOIS list")


def _whois(context: Context, connection: Connection, session: Session) -> Outcomes:
    nick, w = session.nick, context.settings
    yield context.reply(connection, n.WHOISUSER, nick, session.user, session.host, "*", session.realname)
    channels = [
        sigil(channel.members[session]) + channel.name
        for channel in session.channels.values()
        if channel.shows_member_to(session, connection.session)
    ]
    head = len(build(w.name, n.WHOISCHANNELS, connection.session.nick, nick, "").encode())
    for line in pack(channels, BODY_BYTES - head):
        yield context.reply(connection, n.WHOISCHANNELS, nick, line)
    yield context.reply(connection, n.WHOISSERVER, nick, w.name, w.description)
    if session.operator:
        yield context.reply(connection, n.WHOISOPERATOR, nick, "is an IRC operator")
    if session.bot:
        yield context.reply(connection, n.WHOISBOT, nick, "is a bot")
    if session.secure:
        yield context.reply(connection, n.WHOISSECURE, nick, "is using a secure connection")
    if session.account:
        yield context.reply(connection, n.WHOISACCOUNT, nick, session.account, "is logged in as")
    idle = (context.mono - session.spoke_at) // 1000
    yield context.reply(connection, n.WHOISIDLE, nick, str(idle), str(session.signed_on), "seconds idle, signon time")
    if session.away:
        yield context.reply(connection, n.IS_AWAY, nick, session.away)


def whowas(context: Context, connection: Connection, params: list[str]) -> Outcomes:
    if not params or not params[0]:
        yield context.reply(connection, n.NONICKNAMEGIVEN, "No nickname given")
        return
    name = params[0]
    count = int(params[1]) if len(params) > 1 and params[1].isascii() and params[1].isdigit() else 0
    yield from _whowas(context, connection, context.hub.departures, name, min(count, context.hub.departures), False)


def _whowas(context: Context, connection: Connection, before: int, name: str, count: int, has_told: bool) -> Outcomes:
    """Those who left before this one, the last of them first: `count` of them at most, 0 is all."""
    hub = context.hub
    for back, (nick, user, host, realname, at) in enumerate(reversed(hub.departed), 1):
        place = hub.departures - back
        if place < before and fold(nick) == fold(name):
            yield context.reply(connection, n.WHOWASUSER, nick, user, host, "*", realname)
            yield context.reply(connection, n.WHOISSERVER, nick, context.settings.name, date(at * 1000))
            has_told = True
            if count == 1:
                break
            count -= bool(count)
            yield DrainAsked(("whowas", place, name, count, has_told))
    if not has_told:
        yield context.reply(connection, n.WASNOSUCHNICK, middle(name), "There was no such nickname")
    yield context.reply(connection, n.ENDOFWHOWAS, middle(name), "End of WHOWAS")


def userhost(context: Context, connection: Connection, params: list[str]) -> Outcomes:
    answers = []
    for session in _present(context, params[:_USERHOSTS]):
        star = "*" if session.operator else ""
        answers.append(f"{session.nick}{star}={'-' if session.away else '+'}{session.user}@{session.host}")
    yield context.reply(connection, n.USERHOST, " ".join(answers))


def ison(context: Context, connection: Connection, params: list[str]) -> Outcomes:
    asked = [nick for param in params for nick in param.split()]
    head = len(build(context.settings.name, n.ISON, connection.session.nick, "").encode())
    here = pack([session.nick for session in _present(context, asked)], BODY_BYTES - head)
    yield context.reply(connection, n.ISON, here[0] if here else "")  # one line is all the answer may be


def _present(context: Context, nicks: list[str]) -> list[Session]:
    found = (context.hub.nicks.get(fold(nick)) for nick in nicks)
    return [session for session in found if session is not None and session.registered]


GO_ON: dict[str, Continuation] = {"who": _who, "whowas": _whowas}
COMMANDS = {
    "ISON": Command(ison, least=1),
    "USERHOST": Command(userhost, least=1),
    "WHO": Command(who),
    "WHOIS": Command(whois),
    "WHOWAS": Command(whowas),
}
