"""Bans of the whole server by its operators: KLINE UNKLINE DLINE UNDLINE, and STATS k and d, which list them.

No RFC has these commands; they are as the servers of the ircd-hybrid family have them. Of STATS (RFC 2812 section
3.4.4) there is no more.
"""

import re

from mpchat.chat.bans import Ban, Kind
from mpchat.protocol import numerics as n
from mpchat.protocol.clock import date
from mpchat.protocol.connection import Connection
from mpchat.protocol.context import Context
from mpchat.protocol.irc.commands import Command, Continuation, Handler
from mpchat.protocol.irc.operators import for_operators
from mpchat.protocol.irc.refusing import middle
from mpchat.protocol.message import cut
from mpchat.protocol.outcomes import BanSet, DrainAsked, Goodbye, Outcomes
from mpchat.protocol.server_bans import why_banned

_LIMIT = re.compile(r"(\d{1,9})([mhd]?)", re.ASCII)
_MINUTES = {"": 1, "m": 1, "h": 60, "d": 24 * 60}
_MOST_MINUTES = 3650 * 24 * 60  # ten years: what is to last longer has no limit
_FORMS: dict[Kind, str] = {"K": "user@host", "D": "address-or-network"}


def _ban(kind: Kind) -> Handler:
    """KLINE or DLINE: [time limit] mask reason."""

    def run(context: Context, connection: Connection, params: list[str]) -> Outcomes:
        command, limit = f"{kind}LINE", _LIMIT.fullmatch(params[0])
        minutes = int(limit[1]) * _MINUTES[limit[2]] if limit else 0
        if limit is not None and not 0 < minutes <= _MOST_MINUTES:
            wrong = (
                "A time limit is in minutes (30), hours (12h) or days (7d), at most 3650d; without one it has no end"
            )
            yield context.reply(connection, "NOTICE", f"{command}: {wrong}")
            return
        mask, *words = params[1:] if limit else params
        reason = cut(" ".join(words).strip(), context.settings.reason_bytes)
        if not reason:
            usage = f"A reason is needed: {command} [minutes, 12h or 7d] {_FORMS[kind]} :why"
            yield context.reply(connection, n.NEEDMOREPARAMS, command, usage)
            return
        until = context.wall + minutes * 60_000 if minutes else 0
        ban, met = context.hub.ban(connection.session, kind, mask, reason, context.wall, until)
        yield BanSet(connection.session, command, ban.mask, minutes, len(met))
        closed = f"{len(met)} connection{'' if len(met) == 1 else 's'} closed"
        yield context.reply(connection, "NOTICE", f"{command}: {ban.mask} is banned {_until(context, ban)}; {closed}")
        for session in met:
            yield Goodbye(session, f"Banned: {reason}", farewell=why_banned(context, ban), is_ban=True)

    return run


def _lift(kind: Kind) -> Handler:
    """UNKLINE or UNDLINE."""

    def run(context: Context, connection: Connection, params: list[str]) -> Outcomes:
        ban = context.hub.lift_ban(kind, params[0])
        yield BanSet(connection.session, f"UN{kind}LINE", ban.mask)
        yield context.reply(connection, "NOTICE", f"UN{kind}LINE: {ban.mask} is not banned any more")

    return run


def stats(context: Context, connection: Connection, params: list[str]) -> Outcomes:
    """STATS k or d. Of any other letter there is nothing to list."""
    letter = params[0][0]
    if letter in "kK":
        yield from _listed(context, connection, "K", 0, letter)
    elif letter in "dD":
        yield from _listed(context, connection, "D", 0, letter)
    else:
        yield _end(context, connection, letter)


def _listed(context: Context, connection: Connection, kind: Kind, behind: int, letter: str) -> Outcomes:
    """The bans with a higher number than this, and the end of the list."""
    for ban in list(context.hub.bans.of[kind].values()):
        if ban.number <= behind:
            continue
        about = f"{_until(context, ban)}, by {ban.by} at {date(ban.since, context.utc_offset)}: {ban.reason}"
        if kind == "K":
            user, _, host = ban.mask.partition("@")
            yield context.reply(connection, n.STATSKLINE, kind, host, "*", user, about)
        else:
            yield context.reply(connection, n.STATSDLINE, kind, ban.mask, about)
        yield DrainAsked(("stats", kind, ban.number, letter))
    yield _end(context, connection, letter)


def _end(context: Context, connection: Connection, letter: str) -> bytes:
    return context.reply(connection, n.ENDOFSTATS, middle(letter), "End of STATS report")


def _until(context: Context, ban: Ban) -> str:
    return f"until {date(ban.until, context.utc_offset)}" if ban.until else "without a time limit"


GO_ON: dict[str, Continuation] = {"stats": _listed}
COMMANDS = {
    "DLINE": Command(for_operators(_ban("D")), least=2, level=2),
    "KLINE": Command(for_operators(_ban("K")), least=2, level=2),
    "STATS": Command(for_operators(stats), least=1, level=2),
    "UNDLINE": Command(for_operators(_lift("D")), least=1, level=2),
    "UNKLINE": Command(for_operators(_lift("K")), least=1, level=2),
}
