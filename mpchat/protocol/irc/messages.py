"""Speech: PRIVMSG NOTICE TAGMSG AWAY (RFC 2812 sections 3.3 and 4.1, IRCv3 message-tags).

A line that its client has numbered is said once, however often it is sent: a repeat is only echoed.
"""

from collections.abc import Iterable
from dataclasses import replace

from mpchat.chat.events import Said
from mpchat.chat.refusals import Reason, Refusal
from mpchat.chat.sessions import Session
from mpchat.protocol import numerics as n
from mpchat.protocol.capabilities import ECHO_MESSAGE, MESSAGE_TAGS
from mpchat.protocol.desk import Desk, Outcome, Outcomes, Peer
from mpchat.protocol.irc.channels import listed
from mpchat.protocol.irc.commands import NO_TAGS, Command
from mpchat.protocol.irc.refusing import middle, refuse
from mpchat.protocol.message import build, cut, encode
from mpchat.protocol.saying import VERBS, fit
from mpchat.protocol.tags import ClientTags, before_message, client_tags


def privmsg(desk: Desk, peer: Peer, params: list[str], tags: dict[str, str] = NO_TAGS) -> Iterable[Outcome]:
    targets = _targets(params[0]) if params else []
    if not targets:
        return [desk.reply(peer, n.NORECIPIENT, "No recipient given (PRIVMSG)")]
    if len(targets) > desk.wording.targets:
        return [desk.reply(peer, n.TOOMANYTARGETS, middle(targets[-1]), "Too many recipients")]
    return _speak(desk, peer, targets, params[1] if len(params) > 1 else "", False, tags)


def notice(desk: Desk, peer: Peer, params: list[str], tags: dict[str, str] = NO_TAGS) -> Iterable[Outcome]:
    """Like PRIVMSG, but nothing is ever answered: neither errors nor that somebody is away."""
    if len(params) < 2 or not params[1]:
        return []
    return _speak(desk, peer, _targets(params[0])[: desk.wording.targets], params[1], True, tags)


def _speak(desk: Desk, peer: Peer, targets: list[str], text: str, is_notice: bool, tags: dict[str, str]) -> Outcomes:
    if not text:
        raise Refusal(Reason.NO_TEXT)  # once, however many were to read it
    own = _own(peer, tags, targets) if tags else None
    if own is not None and own.run:
        number = desk.hub.receipts.find(own.run, own.line)
        if number is not None:
            yield from _echo(desk, peer, Said(peer.session, peer.session, targets[0], text, is_notice, number), own)
            return
    for target in targets:
        try:
            said = fit(desk.hub.say(peer.session, target, text, is_notice, desk.mono))
        except Refusal as refusal:
            if not is_notice:
                yield refuse(desk, peer, refusal)
            continue
        if own is not None:
            said.tags, said.id = own.relayed, own.id
            if own.run:
                desk.hub.receipts.keep(own.run, own.line, said.number)
        yield said
        if isinstance(said.to, Session) and said.to.away and not is_notice:
            yield desk.reply(peer, n.IS_AWAY, said.to.nick, said.to.away)


def _echo(desk: Desk, peer: Peer, said: Said, own: ClientTags) -> Outcomes:
    """It was said before. Its sender has not heard that, or would not ask."""
    if peer.capabilities & ECHO_MESSAGE:
        tags = before_message(peer.profile, desk.wall, desk.hub.born, said.number, own.relayed, own.id)
        yield tags + encode(build(said.by.prefix, VERBS[said.notice], said.target, fit(said).text))


def tagmsg(desk: Desk, peer: Peer, params: list[str], tags: dict[str, str] = NO_TAGS) -> Outcomes:
    """Tags without a text: for clients that know tags, from clients that know tags."""
    if not peer.capabilities & MESSAGE_TAGS:
        yield desk.reply(peer, n.UNKNOWNCOMMAND, "TAGMSG", "Unknown command")
        return
    targets = _targets(params[0]) if params else []
    if not targets:
        yield desk.reply(peer, n.NORECIPIENT, "No recipient given (TAGMSG)")
        return
    if len(targets) > desk.wording.targets:
        yield desk.reply(peer, n.TOOMANYTARGETS, middle(targets[-1]), "Too many recipients")
        return
    relayed = client_tags(tags).relayed
    for target in targets:
        try:
            sent = desk.hub.send_tags(peer.session, target, relayed)
        except Refusal as refusal:
            yield refuse(desk, peer, refusal)
            continue
        yield sent


def _targets(names: str) -> list[str]:
    """Everybody in a list once. Most lists are one name, and most of a server's work is this command."""
    return listed(names) if "," in names else [names] if names else []


def _own(peer: Peer, tags: dict[str, str], targets: list[str]) -> ClientTags | None:
    """A line to several people becomes several messages, so its number would say nothing."""
    if not peer.capabilities & MESSAGE_TAGS:
        return None
    own = client_tags(tags)
    return own if len(targets) == 1 else replace(own, id="", run="")


def away(desk: Desk, peer: Peer, params: list[str]) -> Outcomes:
    peer.session.away = cut(params[0], desk.wording.reason_bytes) if params else ""
    if peer.session.away:
        yield desk.reply(peer, n.NOWAWAY, "You have been marked as being away")
    else:
        yield desk.reply(peer, n.UNAWAY, "You are no longer marked as being away")


COMMANDS = {
    "AWAY": Command(away, text=0),
    "NOTICE": Command(notice, text=1, tagged=notice),
    "PRIVMSG": Command(privmsg, text=1, tagged=privmsg),
    "TAGMSG": Command(tagmsg, tagged=tagmsg),
}
