"""Who somebody is, and whether they are there: /whois /away."""

from mpchat.chat.channels import granted
from mpchat.protocol.connection import Connection
from mpchat.protocol.context import Context
from mpchat.protocol.message import cut
from mpchat.protocol.nick_changes import tell_away
from mpchat.protocol.outcomes import Outcomes
from mpchat.protocol.plain.languages import say
from mpchat.protocol.plain.rendering import tell, usage
from mpchat.protocol.plain.room import shown_time


def whois(context: Context, connection: Connection, rest: str) -> Outcomes:
    """All that IRC's WHOIS tells. A room stands there with the highest right in it."""
    if not rest:
        yield usage(connection, "whois")
        return
    whom = context.hub.session(rest)
    nick = whom.nick
    yield tell(connection, "plain.whois", nick=nick, user=whom.user, host=whom.host, realname=whom.realname)
    rooms = []
    for channel in whom.channels.values():
        if channel.shows_member_to(whom, connection.session):
            right = granted(channel.members[whom])[:1]
            what = say(connection, f"plain.right.{right}") if right else ""
            rooms.append(f"{channel.name} ({what})" if what else channel.name)
    if rooms:
        yield tell(connection, "plain.whois_rooms", nick=nick, rooms=", ".join(rooms))
    if whom.operator:
        yield tell(connection, "plain.whois_operator", nick=nick)
    if whom.bot:
        yield tell(connection, "plain.is_bot", nick=nick)
    if whom.account:
        yield tell(connection, "account.whois", nick=nick, account=whom.account)
    if whom.away:
        yield tell(connection, "plain.is_away", nick=nick, text=whom.away)
    idle, since = _span((context.mono - whom.spoke_at) // 1000), shown_time(context, whom.signed_on)
    yield tell(connection, "plain.whois_idle", nick=nick, idle=idle, time=since)


def _span(seconds: int) -> str:
    """How long, in units that are written alike in every language."""
    if seconds < 60:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 3600 else f"{seconds // 3600} h {seconds % 3600 // 60} min"


def away(context: Context, connection: Connection, rest: str) -> Outcomes:
    session, text = connection.session, cut(rest, context.settings.reason_bytes)
    before, session.away = session.away, text
    yield tell(connection, "plain.away", text=text) if text else tell(connection, "plain.back")
    if text != before:
        yield from tell_away(context, connection)
