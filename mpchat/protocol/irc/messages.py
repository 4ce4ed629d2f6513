"""Speech: PRIVMSG NOTICE TAGMSG AWAY (RFC 2812 sections 3.3 and 4.1, IRCv3 message-tags).

A line that its client has numbered is said once, however often it is sent: a repeat is only echoed.
"""

from collections.abc import Iterable
from dataclasses import replace

from mpchat.chat.events import Said
from mpchat.chat.names import SERVICE, fold, is_nickserv, is_servers_own
from mpchat.chat.refusals import Reason, Refusal
from mpchat.chat.sessions import Session
from mpchat.protocol import numerics as n
from mpchat.protocol.capabilities import ECHO_MESSAGE, MESSAGE_TAGS
from mpchat.protocol.connection import Connection
from mpchat.protocol.context import Context
from mpchat.protocol.irc import nickserv
from mpchat.protocol.irc.channels import listed
from mpchat.protocol.irc.commands import NO_TAGS, Command
from mpchat.protocol.irc.history import ask_service
from mpchat.protocol.irc.refusing import middle, refuse
from mpchat.protocol.length_limit import fit
from mpchat.protocol.message import BODY_BYTES, cut
from mpchat.protocol.nick_changes import tell_away
from mpchat.protocol.outcomes import Outcome, Outcomes
from mpchat.protocol.tags import ClientTags, before_message, bot_tag, client_tags


def privmsg(
    context: Context, connection: Connection, params: list[str], tags: dict[str, str] = NO_TAGS
) -> Iterable[Outcome]:
    targets = _targets(params[0]) if params else []
    if not targets:
        return [context.reply(connection, n.NORECIPIENT, "No recipient given (PRIVMSG)")]
    if len(targets) > context.settings.targets:
        return [context.reply(connection, n.TOOMANYTARGETS, middle(targets[-1]), "Too many recipients")]
    return _speak(context, connection, targets, params[1] if len(params) > 1 else "", False, tags)


def notice(
    context: Context, connection: Connection, params: list[str], tags: dict[str, str] = NO_TAGS
) -> Iterable[Outcome]:
    """Like PRIVMSG, but nothing is ever answered: neither errors nor that somebody is away."""
    if len(params) < 2 or not params[1]:
        return []
    return _speak(context, connection, _targets(params[0])[: context.settings.targets], params[1], True, tags)


def _speak(
    context: Context, connection: Connection, targets: list[str], text: str, is_notice: bool, tags: dict[str, str]
) -> Outcomes:
    if not text:
        raise Refusal(Reason.NO_TEXT)  # once, however many were to read it
    if context.settings.level >= 1 and not is_notice and [fold(target) for target in targets] == [SERVICE]:
        yield from ask_service(context, connection, text)
        return
    if context.settings.level >= 3 and not is_notice and len(targets) == 1 and is_nickserv(targets[0]):
        yield from nickserv.ask(context, connection, text)
        return
    if any(map(is_servers_own, targets)):
        yield from [] if is_notice else _unsaid(context, connection, targets)
        return
    own = _own(connection, tags, targets) if tags else None
    if own is not None and own.run:
        number = context.hub.deduplication.find(own.run, own.line)
        if number is not None:
            yield from _echo(
                context,
                connection,
                Said(connection.session, connection.session, targets[0], text, is_notice, number),
                own,
            )
            return
    for target in targets:
        try:
            said = fit(context.hub.say(connection.session, target, text, is_notice, context.mono))
        except Refusal as refusal:
            if not is_notice:
                yield refuse(context, connection, refusal)
            continue
        if own is not None:
            said.tags, said.id = own.relayed, own.id
            if own.run:
                context.hub.deduplication.keep(own.run, own.line, said.number)
        yield said
        yield from after_speech(context, connection, said, text)


def _unsaid(context: Context, connection: Connection, targets: list[str]) -> Outcomes:
    """It was for a service, and that is not here: redaction has taken the text, so that the others cannot read it."""
    for target in targets:
        if is_servers_own(target):
            yield refuse(context, connection, Refusal(Reason.NO_SUCH_NICK, target))
        else:
            yield context.reply(connection, n.TOOMANYTARGETS, middle(target), "Not sent: no service is one of several")


def speech(connection: Connection, line: bytes) -> tuple[str, str, bool] | None:
    """The common line: `PRIVMSG target :text`, one target, text that needs no cleaning: target, text, no notice.

    None: handle() reads the line. Whatever this understands, handle() would understand the same way
    (tests/protocol/test_speech.py).
    """
    if line[:8] != b"PRIVMSG " or len(line) > BODY_BYTES:
        return None
    try:
        words = line[8:].decode()
    except UnicodeDecodeError:
        return None
    target, _, text = words.partition(" :")
    if not text or not words.isprintable() or not target or target[0] == ":" or " " in target or "," in target:
        return None
    return target, text, False


def after_speech(context: Context, connection: Connection, said: Said, text: str) -> list[bytes]:
    """What the speaker of this text reads besides."""
    if isinstance(said.to, Session) and said.to.away and not said.notice:
        return [context.reply(connection, n.IS_AWAY, said.to.nick, said.to.away)]
    return []


def _echo(context: Context, connection: Connection, said: Said, own: ClientTags) -> Outcomes:
    """It was said before. Its sender has not heard that, or would not ask."""
    if connection.capabilities & ECHO_MESSAGE:
        when, account = (context.wall, context.hub.born, said.number), said.by.account
        others = bot_tag(said.by.bot), own.relayed, own.id
        yield before_message(connection.profile, *when, *others, account=account) + fit(said).line


def tagmsg(context: Context, connection: Connection, params: list[str], tags: dict[str, str] = NO_TAGS) -> Outcomes:
    """Tags without a text: for clients that know tags, from clients that know tags."""
    if not connection.capabilities & MESSAGE_TAGS:
        yield context.reply(connection, n.UNKNOWNCOMMAND, "TAGMSG", "Unknown command")
        return
    targets = _targets(params[0]) if params else []
    if not targets:
        yield context.reply(connection, n.NORECIPIENT, "No recipient given (TAGMSG)")
        return
    if len(targets) > context.settings.targets:
        yield context.reply(connection, n.TOOMANYTARGETS, middle(targets[-1]), "Too many recipients")
        return
    relayed = client_tags(tags).relayed
    for target in targets:
        try:
            sent = context.hub.send_tags(connection.session, target, relayed)
        except Refusal as refusal:
            yield refuse(context, connection, refusal)
            continue
        yield sent


def _targets(names: str) -> list[str]:
    """Everybody in a list once. Most lists are one name, and most of a server's work is this command."""
    return listed(names) if "," in names else [names] if names else []


def _own(connection: Connection, tags: dict[str, str], targets: list[str]) -> ClientTags | None:
    """A line to several people becomes several messages, so its number would say nothing."""
    if not connection.capabilities & MESSAGE_TAGS:
        return None
    own = client_tags(tags)
    return own if len(targets) == 1 else replace(own, id="", run="")


def away(context: Context, connection: Connection, params: list[str]) -> Outcomes:
    session = connection.session
    before, session.away = session.away, cut(params[0], context.settings.reason_bytes) if params else ""
    if session.away:
        yield context.reply(connection, n.NOWAWAY, "You have been marked as being away")
    else:
        yield context.reply(connection, n.UNAWAY, "You are no longer marked as being away")
    if session.away != before:
        yield from tell_away(context, connection)


COMMANDS = {
    "AWAY": Command(away, text=0),
    "NOTICE": Command(notice, text=1, tagged=notice),
    "PRIVMSG": Command(privmsg, text=1, tagged=privmsg),
    "TAGMSG": Command(tagmsg, tagged=tagmsg),
}
