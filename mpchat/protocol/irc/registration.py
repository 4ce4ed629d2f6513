"""The way in and out: PASS NICK USER SETNAME CAP RESUME PING PONG QUIT (RFC 2812 section 3.1, IRCv3 capability
negotiation and setname).

RESUME is ours: by it our client takes up the session that it had when its connection was lost.

Clients send NICK before they log in by SASL. So a nickname that is an account's is neither given nor refused as long as
the client negotiates: that is decided when it enters.
"""

from contextlib import suppress

from mpchat.chat.events import RealnameSet
from mpchat.chat.names import visible
from mpchat.chat.refusals import Refusal
from mpchat.chat.resumption import Places
from mpchat.protocol import capabilities
from mpchat.protocol import numerics as n
from mpchat.protocol.accounts import mechanisms
from mpchat.protocol.clock import date
from mpchat.protocol.connection import Connection
from mpchat.protocol.context import Context
from mpchat.protocol.irc.accounts import abort, proven, take
from mpchat.protocol.irc.channels import pack, returned
from mpchat.protocol.irc.commands import Command
from mpchat.protocol.irc.modes import own_letters
from mpchat.protocol.irc.refusing import fail, middle, refuse
from mpchat.protocol.irc.server import isupport, lusers, motd
from mpchat.protocol.message import BODY_BYTES, build, cut, encode
from mpchat.protocol.nick_changes import count, rest
from mpchat.protocol.outcomes import Goodbye, Outcomes, PasswordAsked, Regroup
from mpchat.protocol.room_modes import lists
from mpchat.protocol.server_bans import why_banned
from mpchat.protocol.wrong_passwords import end_if_too_many

_USER_LETTERS = frozenset("-._")
_STS = "sts"  # nobody asks for it, and it has no bit: its value is all there is (IRCv3 sts)


def password(context: Context, connection: Connection, params: list[str]) -> Outcomes:
    if connection.registration is None:
        yield context.reply(connection, n.ALREADYREGISTERED, "You may not reregister")
    elif context.settings.password_needed:
        yield PasswordAsked()


def password_answer(context: Context, connection: Connection, right: bool) -> Outcomes:
    """Silent, as PASS always is: a wrong one is told when registration would be complete."""
    if connection.registration is not None:
        connection.registration.password_right = right
    if not right:
        yield from end_if_too_many(context, connection)


def nick(context: Context, connection: Connection, params: list[str]) -> Outcomes:
    name, session, entry = params[0] if params else "", connection.session, connection.registration
    if entry is not None:
        entry.wanted = ""
        if entry.negotiating and context.hub.accounts.owner_of(name):
            entry.wanted = name
            return
    yield from take(context, connection, name, own_too=not session.registered)
    yield from enter_if_complete(context, connection)


def user(context: Context, connection: Connection, params: list[str]) -> Outcomes:
    if connection.registration is None:
        yield context.reply(connection, n.ALREADYREGISTERED, "You may not reregister")
        return
    name = "".join(letter for letter in visible(params[0]) if letter in _USER_LETTERS or letter.isalnum())
    if not name:
        yield context.reply(connection, n.INVALIDUSERNAME, "Your username is not valid")
        return
    # No ident protocol is asked (RFC 1413): the tilde says that the name is the user's own word.
    connection.registration.user = cut("~" + name, context.settings.user_bytes)
    connection.registration.realname = cut(params[3], context.settings.realname_bytes)
    yield from enter_if_complete(context, connection)


def setname(context: Context, connection: Connection, params: list[str]) -> Outcomes:
    """SETNAME :realname. Who does not have the capability is told nothing, unless it is refused."""
    session, most, realname = connection.session, context.settings.realname_bytes, params[0] if params else ""
    code = why = ""
    if not realname.strip() or len(realname.encode()) > most:
        code, why = "INVALID_REALNAME", f"A real name has 1 to {most} bytes"
    elif not session.operator and (seconds := rest(context, connection)):
        code, why = "CANNOT_CHANGE_REALNAME", f"Too many changes of name, wait {seconds} s"
    if code:
        yield fail(context, "SETNAME", code, why)
        return
    count(context, connection)
    session.realname = realname
    yield RealnameSet(session, list(session.channels.values()))


def enter_if_complete(context: Context, connection: Connection) -> Outcomes:
    """Let the client in when NICK and USER are there and no capability negotiation is open."""
    entry, session = connection.registration, connection.session
    if entry is None or not (session.nick or entry.wanted) or not entry.user or entry.negotiating:
        return
    if context.settings.password_needed and not entry.password_right:
        yield context.reply(connection, n.PASSWDMISMATCH, "Password incorrect")
        yield Goodbye(session, "Bad password", is_refusal=True)
        return
    try:
        context.hub.need_not_removed(entry.wanted or session.nick, session.host, context.mono)
    except Refusal as refusal:  # a client that is told of a nickname only would come in with another one
        why = " ".join(refusal.about)
        yield context.reply(connection, n.YOUREBANNEDCREEP, why)
        yield Goodbye(session, why, is_refusal=True)
        return
    ban = context.hub.bans.mask_on(entry.user, session.host, context.settings.level)
    if ban is not None:
        why = why_banned(context, ban)
        yield context.reply(connection, n.YOUREBANNEDCREEP, why)
        yield Goodbye(session, "banned", is_refusal=True, farewell=why)
        return
    hub, (token, fresh) = context.hub, entry.tokens
    has_proved = bool(session.account)  # itself, and not a resume token: that makes nobody a server operator
    places: Places = ()
    if fresh:  # behind all that can keep a client out
        nick, places, former = hub.take_up(session, token, fresh)
        if former is not None:
            yield Goodbye(former, "Resumed elsewhere")
        with suppress(Refusal):  # another person has that nickname now
            if nick:
                yield from take(context, connection, nick)
                entry.wanted = ""
    if entry.wanted:
        try:
            yield from take(context, connection, entry.wanted)
        except Refusal as refusal:
            yield refuse(context, connection, refusal)
            if fresh and not session.nick:  # it has taken up what it had, and cannot wait for another nickname
                yield from take(context, connection, hub.spare_nick(session))
        entry.wanted = ""
        if not session.nick:
            return
    hub.enter(session, entry.user, entry.realname, context.seconds, context.mono)
    connection.registration = None
    yield from _welcome(context, connection, places, has_proved)


def _welcome(context: Context, connection: Connection, places: Places, has_proved: bool) -> Outcomes:
    w = context.settings
    yield context.reply(connection, n.WELCOME, f"Welcome to the {w.network} network, {connection.session.prefix}")
    yield context.reply(connection, n.YOURHOST, f"Your host is {w.name}, running {w.version}")
    yield context.reply(connection, n.CREATED, f"This server started at {date(context.started * 1000)}")
    masks = "".join(sorted(lists(w.level)))
    letters = own_letters(w.level), f"{masks}iklmnostv", f"{masks}klov"
    yield context.reply_words(connection, n.MYINFO, w.name, w.version.replace(" ", "-"), *letters)
    yield from isupport(context, connection)
    yield from lusers(context, connection, [])
    if has_proved:
        yield from proven(context, connection)
    if places:
        yield from returned(context, connection, context.hub.restore(connection.session, places))
    else:
        yield from motd(context, connection, [])


def cap(context: Context, connection: Connection, params: list[str]) -> Outcomes:
    verb = params[0].upper()
    argument = params[1] if len(params) > 1 else ""
    entry = connection.registration
    if verb in ("LS", "REQ") and entry is not None:
        entry.negotiating = True
    if verb == "LS":
        is_302 = argument.isascii() and argument.isdigit() and len(argument) < 10 and int(argument) >= 302
        if is_302 and context.settings.level >= 4:
            connection.capabilities |= capabilities.VERSION_302 | capabilities.CAP_NOTIFY
            yield Regroup()
        yield from _cap_list(context, connection, "LS", _words(_offer(context, connection), is_302), is_302)
    elif verb == "LIST":
        names = capabilities.listed(connection.capabilities).split()
        is_302 = bool(connection.capabilities & capabilities.VERSION_302)
        yield from _cap_list(context, connection, "LIST", names, is_302)
    elif verb == "REQ":
        wanted = capabilities.changed(connection.capabilities, argument, _offered(context, connection))
        if wanted is not None:
            connection.capabilities = wanted
        yield _cap(context, connection, "NAK" if wanted is None else "ACK", argument)
        if wanted is not None:
            yield Regroup()
    elif verb == "END":
        if entry is not None:
            if connection.sasl[0]:
                yield from abort(context, connection)
            entry.negotiating = False
            yield from enter_if_complete(context, connection)
    else:
        yield context.reply(connection, n.INVALIDCAPCMD, middle(params[0]), "Invalid CAP command")


def _offered(context: Context, connection: Connection) -> dict[str, int]:
    """Those that this client may ask for, now."""
    session, without = connection.session, set()
    if not mechanisms(context, session):
        without.add(capabilities.SASL_NAME)
    if not (context.hub.accounts.mechanisms and session.is_private):
        without.add(capabilities.REGISTRATION_NAME)
    return capabilities.offered(context.settings.level, without)


def _offer(context: Context, connection: Connection) -> dict[str, str]:
    """Each that this server has for this client, with its value, "" for those that have none."""
    session, settings = connection.session, context.settings
    offer = dict.fromkeys(_offered(context, connection), "")
    if capabilities.SASL_NAME in offer:
        offer[capabilities.SASL_NAME] = ",".join(mechanisms(context, session))
    if settings.sts_port:  # in the clear it says where TLS is, and only TLS says for how long
        offer[_STS] = f"duration={settings.sts_seconds}" if session.secure else f"port={settings.sts_port}"
    return offer


def _words(offer: dict[str, str], is_302: bool) -> list[str]:
    """As they are told; with their values, to clients that know those (CAP LS 302)."""
    if is_302:
        return [f"{name}={value}" if value else name for name, value in offer.items()]
    return [name for name in offer if name != _STS]


def _cap(context: Context, connection: Connection, verb: str, names: str) -> bytes:
    return context.reply(connection, "CAP", verb, names)


def _cap_list(context: Context, connection: Connection, verb: str, words: list[str], is_302: bool) -> Outcomes:
    """In as many lines as it takes, but for the last with a star; a client that does not know that reads the first."""
    head = len(build(context.settings.name, "CAP", connection.session.nick or "*", verb, "*", "").encode())
    lines = pack(words, BODY_BYTES - head) or [""]
    if is_302:
        for line in lines[:-1]:
            yield context.reply(connection, "CAP", verb, "*", line)
    yield _cap(context, connection, verb, lines[-1] if is_302 else lines[0])


def offer(context: Context, connection: Connection) -> dict[str, str]:
    """What the client may be told of when it changes (IRCv3 cap-notify)."""
    return _offer(context, connection) if connection.capabilities & capabilities.CAP_NOTIFY else {}


def offer_changed(context: Context, connection: Connection, before: dict[str, str]) -> Outcomes:
    """CAP DEL of what is not offered any more, but of sts, which has no such end; CAP NEW of what is, or is otherwise.

    What is cancelled is off, and the client need not say so.
    """
    now, is_302 = _offer(context, connection), bool(connection.capabilities & capabilities.VERSION_302)
    gone = [name for name in before if name not in now and name != _STS]
    for name in gone:
        connection.capabilities &= ~capabilities.NAMES[name]
    if gone:
        yield _cap(context, connection, "DEL", " ".join(gone))
        yield Regroup()
    new = {name: value for name, value in now.items() if name not in before or (is_302 and value != before[name])}
    if words := _words(new, is_302):
        yield _cap(context, connection, "NEW", " ".join(words))


def resume(context: Context, connection: Connection, params: list[str]) -> Outcomes:
    """RESUME last next: redaction has made hashes of both tokens, and a star of what is none (no last one: a star).

    Silent: what it gives is told when registration is complete.
    """
    entry, (token, fresh) = connection.registration, params[:2]
    if entry is None:
        yield context.reply(connection, n.ALREADYREGISTERED, "You may not reregister")
    elif not connection.capabilities & capabilities.RESUME:
        yield context.reply(connection, n.UNKNOWNCOMMAND, "RESUME", "Unknown command")
    elif fresh == "*":
        yield fail(context, "RESUME", "INVALID_TOKEN", "A token is 32 digits of 0-9a-f")
    else:
        entry.tokens = token, fresh


def ping(context: Context, connection: Connection, params: list[str]) -> Outcomes:
    if not params:
        yield context.reply(connection, n.NEEDMOREPARAMS, "PING", "Not enough parameters")
    elif params[0]:
        yield encode(build(context.settings.name, "PONG", context.settings.name, params[0]))
    else:
        yield context.reply(connection, n.NOORIGIN, "No origin specified")


def pong(context: Context, connection: Connection, params: list[str]) -> Outcomes:
    """Its arrival is all it says, and the core has noticed that."""
    yield from ()


def quit(context: Context, connection: Connection, params: list[str]) -> Outcomes:
    text = cut(params[0], context.settings.reason_bytes) if params and params[0] else ""
    yield Goodbye(connection.session, f"Quit: {text}" if text else "Client quit")


COMMANDS = {
    "CAP": Command(cap, least=1, unregistered=True),
    "NICK": Command(nick, unregistered=True),
    "PASS": Command(password, least=1, unregistered=True),
    "PING": Command(ping, unregistered=True),
    "PONG": Command(pong, unregistered=True),
    "RESUME": Command(resume, least=2, unregistered=True),
    "QUIT": Command(quit, unregistered=True, text=0, any_bytes=True),
    "SETNAME": Command(setname, text=0, level=4),
    "USER": Command(user, least=4, unregistered=True, text=3, any_bytes=True),
}
