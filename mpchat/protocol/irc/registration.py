"""The way in and out: PASS NICK USER CAP PING PONG QUIT (RFC 2812 section 3.1, IRCv3 capability negotiation)."""

from mpchat.chat.names import visible
from mpchat.protocol import capabilities
from mpchat.protocol import numerics as n
from mpchat.protocol.clock import date
from mpchat.protocol.context import Context, Goodbye, Outcomes, Peer, Question
from mpchat.protocol.irc.commands import Command
from mpchat.protocol.irc.refusing import middle
from mpchat.protocol.irc.server import isupport, lusers, motd
from mpchat.protocol.message import build, cut, encode

_USER_LETTERS = frozenset("-._")


def password(context: Context, peer: Peer, params: list[str]) -> Outcomes:
    if peer.registration is None:
        yield context.reply(peer, n.ALREADYREGISTERED, "You may not reregister")
    elif context.wording.password_needed:
        yield Question("password")


def password_answer(peer: Peer, right: bool) -> Outcomes:
    """Silent, as PASS always is: a wrong one is told when registration would be complete."""
    if peer.registration is not None:
        peer.registration.password_right = right
    yield from ()


def nick(context: Context, peer: Peer, params: list[str]) -> Outcomes:
    renamed = context.hub.claim(peer.session, params[0] if params else "", context.seconds)
    if renamed is not None:
        yield renamed
    yield from enter_if_complete(context, peer)


def user(context: Context, peer: Peer, params: list[str]) -> Outcomes:
    if peer.registration is None:
        yield context.reply(peer, n.ALREADYREGISTERED, "You may not reregister")
        return
    name = "".join(letter for letter in visible(params[0]) if letter in _USER_LETTERS or letter.isalnum())
    if not name:
        yield context.reply(peer, n.INVALIDUSERNAME, "Your username is not valid")
        return
    # No ident protocol is asked (RFC 1413): the tilde says that the name is the user's own word.
    peer.registration.user = cut("~" + name, context.wording.user_bytes)
    peer.registration.realname = cut(params[3], context.wording.realname_bytes)
    yield from enter_if_complete(context, peer)


def enter_if_complete(context: Context, peer: Peer) -> Outcomes:
    """Let the newcomer in when NICK and USER are there and no capability negotiation is open."""
    entry, session = peer.registration, peer.session
    if entry is None or not session.nick or not entry.user or entry.negotiating:
        return
    if context.wording.password_needed and not entry.password_right:
        yield context.reply(peer, n.PASSWDMISMATCH, "Password incorrect")
        yield Goodbye(session, "Bad password")
        return
    context.hub.enter(session, entry.user, entry.realname, context.seconds, context.mono)
    peer.registration = None
    yield from _welcome(context, peer)


def _welcome(context: Context, peer: Peer) -> Outcomes:
    w = context.wording
    yield context.reply(peer, n.WELCOME, f"Welcome to the {w.network} network, {peer.session.prefix}")
    yield context.reply(peer, n.YOURHOST, f"Your host is {w.name}, running {w.version}")
    yield context.reply(peer, n.CREATED, f"This server started at {date(context.started * 1000)}")
    yield context.reply_words(peer, n.MYINFO, w.name, w.version.replace(" ", "-"), "iow", "biklmnostv", "bklov")
    yield from isupport(context, peer)
    yield from lusers(context, peer, [])
    yield from motd(context, peer, [])


def cap(context: Context, peer: Peer, params: list[str]) -> Outcomes:
    verb = params[0].upper()
    argument = params[1] if len(params) > 1 else ""
    entry = peer.registration
    if verb in ("LS", "REQ") and entry is not None:
        entry.negotiating = True
    if verb == "LS":
        yield _cap(context, peer, "LS", " ".join(capabilities.NAMES))
    elif verb == "LIST":
        yield _cap(context, peer, "LIST", capabilities.listed(peer.capabilities))
    elif verb == "REQ":
        wanted = capabilities.changed(peer.capabilities, argument)
        if wanted is not None:
            peer.capabilities = wanted
        yield _cap(context, peer, "NAK" if wanted is None else "ACK", argument)
    elif verb == "END":
        if entry is not None:
            entry.negotiating = False
            yield from enter_if_complete(context, peer)
    else:
        yield context.reply(peer, n.INVALIDCAPCMD, middle(params[0]), "Invalid CAP command")


def _cap(context: Context, peer: Peer, verb: str, names: str) -> bytes:
    return context.reply(peer, "CAP", verb, names)


def ping(context: Context, peer: Peer, params: list[str]) -> Outcomes:
    if not params:
        yield context.reply(peer, n.NEEDMOREPARAMS, "PING", "Not enough parameters")
    elif params[0]:
        yield encode(build(context.wording.name, "PONG", context.wording.name, params[0]))
    else:
        yield context.reply(peer, n.NOORIGIN, "No origin specified")


def pong(context: Context, peer: Peer, params: list[str]) -> Outcomes:
    """Its arrival is all it says, and the core has noticed that."""
    yield from ()


def quit(context: Context, peer: Peer, params: list[str]) -> Outcomes:
    text = cut(params[0], context.wording.reason_bytes) if params and params[0] else ""
    yield Goodbye(peer.session, f"Quit: {text}" if text else "Client quit")


COMMANDS = {
    "CAP": Command(cap, least=1, newcomers=True),
    "NICK": Command(nick, newcomers=True),
    "PASS": Command(password, least=1, newcomers=True),
    "PING": Command(ping, newcomers=True),
    "PONG": Command(pong, newcomers=True),
    "QUIT": Command(quit, newcomers=True, text=0, any_bytes=True),
    "USER": Command(user, least=4, newcomers=True, text=3, any_bytes=True),
}
