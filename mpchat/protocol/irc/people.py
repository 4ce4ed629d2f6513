"""Who is who: WHO WHOIS WHOWAS USERHOST ISON (RFC 2812 sections 3.6 and 4.8, 4.9)."""

from mpchat.chat.channels import Channel
from mpchat.chat.names import fold, matches
from mpchat.chat.refusals import Refusal
from mpchat.chat.sessions import Session
from mpchat.protocol import numerics as n
from mpchat.protocol.clock import date
from mpchat.protocol.desk import Desk, Outcomes, Peer
from mpchat.protocol.irc.channels import pack, sigil
from mpchat.protocol.irc.commands import Command
from mpchat.protocol.irc.refusing import middle, refuse
from mpchat.protocol.irc.server import is_this_server
from mpchat.protocol.message import BODY_BYTES, build

_USERHOSTS = 5  # RFC 2812 section 4.8


def who(desk: Desk, peer: Peer, params: list[str]) -> Outcomes:
    mask = params[0] if params and params[0] else "*"
    only_operators = len(params) > 1 and params[1] == "o"
    for session, channel in _found(desk, peer, "*" if mask == "0" else mask):
        if session.operator or not only_operators:
            yield _who_line(desk, peer, session, channel)
    yield desk.reply(peer, n.ENDOFWHO, middle(mask), "End of WHO list")


def _found(desk: Desk, peer: Peer, mask: str) -> list[tuple[Session, Channel | None]]:
    me, hub = peer.session, desk.hub
    if mask.startswith("#"):
        channel = hub.channels.get(fold(mask))
        if channel is None or not channel.shows_itself_to(me):
            return []
        inside = me in channel.members
        return [(member, channel) for member in channel.members if inside or not member.invisible]
    named = hub.nicks.get(fold(mask))
    if named is not None and named.entered:  # who knows the whole name may ask, even for the invisible
        return [(named, _shared(me, named))]
    return [
        (session, _shared(me, session))
        for session in hub.people()
        if (not session.invisible or me.shares_with(session)) and _who_matches(mask, session)
    ]


def _who_matches(mask: str, session: Session) -> bool:
    return any(matches(mask, text) for text in (session.nick, session.user, session.host, session.realname))


def _shared(me: Session, other: Session) -> Channel | None:
    return next((channel for name, channel in other.channels.items() if name in me.channels), None)


def _who_line(desk: Desk, peer: Peer, session: Session, channel: Channel | None) -> bytes:
    flags = "G" if session.away else "H"
    flags += "*" if session.operator else ""
    flags += sigil(channel.members[session]) if channel is not None else ""
    place = channel.name if channel is not None else "*"
    return desk.reply(
        peer,
        n.WHOREPLY,
        *(place, session.user, session.host, desk.wording.name, session.nick, flags),
        f"0 {session.realname}",
    )


def whois(desk: Desk, peer: Peer, params: list[str]) -> Outcomes:
    """WHOIS [server] nick: any other server than this one is not known (402)."""
    name = params[min(len(params), 2) - 1] if params else ""
    if not name:
        yield desk.reply(peer, n.NONICKNAMEGIVEN, "No nickname given")
        return
    if len(params) > 1 and not is_this_server(desk, params[0]):
        yield desk.reply(peer, n.NOSUCHSERVER, middle(params[0]), "No such server")
        return
    try:
        session = desk.hub.session(name)
    except Refusal as refusal:
        yield refuse(desk, peer, refusal)
    else:
        yield from _whois(desk, peer, session)
    yield desk.reply(peer, n.ENDOFWHOIS, middle(name), "End of /WHOIS list")


def _whois(desk: Desk, peer: Peer, session: Session) -> Outcomes:
    nick, w = session.nick, desk.wording
    yield desk.reply(peer, n.WHOISUSER, nick, session.user, session.host, "*", session.realname)
    channels = [
        sigil(channel.members[session]) + channel.name
        for channel in session.channels.values()
        if _may_see(peer.session, session, channel)
    ]
    head = len(build(w.name, n.WHOISCHANNELS, peer.session.nick, nick, "").encode())
    for line in pack(channels, BODY_BYTES - head):
        yield desk.reply(peer, n.WHOISCHANNELS, nick, line)
    yield desk.reply(peer, n.WHOISSERVER, nick, w.name, w.description)
    if session.operator:
        yield desk.reply(peer, n.WHOISOPERATOR, nick, "is an IRC operator")
    idle = (desk.mono - session.spoke_at) // 1000
    yield desk.reply(peer, n.WHOISIDLE, nick, str(idle), str(session.signed_on), "seconds idle, signon time")
    if session.away:
        yield desk.reply(peer, n.IS_AWAY, nick, session.away)


def _may_see(me: Session, whom: Session, channel: Channel) -> bool:
    return me in channel.members or not ("s" in channel.flags or whom.invisible)


def whowas(desk: Desk, peer: Peer, params: list[str]) -> Outcomes:
    if not params or not params[0]:
        yield desk.reply(peer, n.NONICKNAMEGIVEN, "No nickname given")
        return
    name = params[0]
    count = int(params[1]) if len(params) > 1 and params[1].isascii() and params[1].isdigit() else 0
    found = [gone for gone in reversed(desk.hub.departed) if fold(gone[0]) == fold(name)]
    for nick, user, host, realname, at in found[: count or None]:
        yield desk.reply(peer, n.WHOWASUSER, nick, user, host, "*", realname)
        yield desk.reply(peer, n.WHOISSERVER, nick, desk.wording.name, date(at * 1000))
    if not found:
        yield desk.reply(peer, n.WASNOSUCHNICK, middle(name), "There was no such nickname")
    yield desk.reply(peer, n.ENDOFWHOWAS, middle(name), "End of WHOWAS")


def userhost(desk: Desk, peer: Peer, params: list[str]) -> Outcomes:
    answers = []
    for session in _present(desk, params[:_USERHOSTS]):
        star = "*" if session.operator else ""
        answers.append(f"{session.nick}{star}={'-' if session.away else '+'}{session.user}@{session.host}")
    yield desk.reply(peer, n.USERHOST, " ".join(answers))


def ison(desk: Desk, peer: Peer, params: list[str]) -> Outcomes:
    asked = [nick for param in params for nick in param.split()]
    head = len(build(desk.wording.name, n.ISON, peer.session.nick, "").encode())
    here = pack([session.nick for session in _present(desk, asked)], BODY_BYTES - head)
    yield desk.reply(peer, n.ISON, here[0] if here else "")  # one line is all the answer may be


def _present(desk: Desk, nicks: list[str]) -> list[Session]:
    found = (desk.hub.nicks.get(fold(nick)) for nick in nicks)
    return [session for session in found if session is not None and session.entered]


COMMANDS = {
    "ISON": Command(ison, least=1),
    "USERHOST": Command(userhost, least=1),
    "WHO": Command(who),
    "WHOIS": Command(whois),
    "WHOWAS": Command(whowas),
}
