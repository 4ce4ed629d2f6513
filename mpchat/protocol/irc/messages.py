"""Speech: PRIVMSG NOTICE AWAY (RFC 2812 sections 3.3 and 4.1)."""

from mpchat.chat.refusals import Reason, Refusal
from mpchat.chat.sessions import Session
from mpchat.protocol import numerics as n
from mpchat.protocol.desk import Desk, Outcomes, Peer
from mpchat.protocol.irc.channels import listed
from mpchat.protocol.irc.commands import Command
from mpchat.protocol.irc.refusing import middle, refuse
from mpchat.protocol.message import cut
from mpchat.protocol.saying import fit


def privmsg(desk: Desk, peer: Peer, params: list[str]) -> Outcomes:
    text = params[1] if len(params) > 1 else ""
    targets = _targets(params[0]) if params else []
    if not targets:
        yield desk.reply(peer, n.NORECIPIENT, "No recipient given (PRIVMSG)")
        return
    if not text:
        raise Refusal(Reason.NO_TEXT)  # once, however many were to read it
    if len(targets) > desk.wording.targets:
        yield desk.reply(peer, n.TOOMANYTARGETS, middle(targets[-1]), "Too many recipients")
        return
    for target in targets:
        try:
            said = fit(desk.hub.say(peer.session, target, text, False, desk.mono))
        except Refusal as refusal:
            yield refuse(desk, peer, refusal)
            continue
        yield said
        if isinstance(said.to, Session) and said.to.away:
            yield desk.reply(peer, n.IS_AWAY, said.to.nick, said.to.away)


def notice(desk: Desk, peer: Peer, params: list[str]) -> Outcomes:
    """Like PRIVMSG, but nothing is ever answered: neither errors nor that somebody is away."""
    if len(params) < 2:
        return
    for target in _targets(params[0])[: desk.wording.targets]:
        try:
            said = fit(desk.hub.say(peer.session, target, params[1], True, desk.mono))
        except Refusal:
            continue
        yield said


def _targets(names: str) -> list[str]:
    """Everybody in a list once. Most lists are one name, and most of a server's work is this command."""
    return listed(names) if "," in names else [names] if names else []


def away(desk: Desk, peer: Peer, params: list[str]) -> Outcomes:
    peer.session.away = cut(params[0], desk.wording.reason_bytes) if params else ""
    if peer.session.away:
        yield desk.reply(peer, n.NOWAWAY, "You have been marked as being away")
    else:
        yield desk.reply(peer, n.UNAWAY, "You are no longer marked as being away")


COMMANDS = {
    "AWAY": Command(away),
    "NOTICE": Command(notice),
    "PRIVMSG": Command(privmsg),
}
