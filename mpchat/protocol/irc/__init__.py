"""The IRC dialect: one line in, its outcomes out. Commands are looked up in table.py.

What else a dialect has to have is here too, or named in __all__: dialect.py says what each is.
"""

from collections.abc import Iterable
from typing import Any

from mpchat.chat.text import clean, spoiled
from mpchat.protocol import numerics as n
from mpchat.protocol.capabilities import PROFILES as profiles
from mpchat.protocol.capabilities import STANDARD_REPLIES, profile
from mpchat.protocol.connection import Connection
from mpchat.protocol.context import Context
from mpchat.protocol.irc import (
    accounts,
    channels,
    history,
    nickserv,
    operators,
    people,
    registration,
    server,
    server_bans,
)
from mpchat.protocol.irc.messages import after_speech, speech
from mpchat.protocol.irc.modes import own_modes
from mpchat.protocol.irc.refusing import fail, middle, refuse
from mpchat.protocol.irc.registration import offer, offer_changed
from mpchat.protocol.irc.rendering import alike, render, stamp
from mpchat.protocol.irc.secrets import secret_in, shown
from mpchat.protocol.irc.table import COMMANDS
from mpchat.protocol.message import BODY_BYTES, TAG_BYTES, Message, build, encode, parse
from mpchat.protocol.outcomes import (
    DropAsked,
    Goodbye,
    LoginAsked,
    NoticesAsked,
    OperAsked,
    Outcome,
    Outcomes,
    PasswordAsked,
    PasswordChangeAsked,
    PastAsked,
    Question,
    RegistrationAsked,
    RehashAsked,
    RemovalAsked,
    SaslAsked,
    SearchAsked,
    ServiceRegistrationAsked,
    TargetsAsked,
)
from mpchat.protocol.web import REFUSED, is_request

name = "irc"
keepalive = False  # there is a probe
ends_lines_at_returns = False

GO_ON = {**channels.GO_ON, **people.GO_ON, **server.GO_ON, **server_bans.GO_ON}


def handle(context: Context, connection: Connection, line: bytes) -> Iterable[Outcome]:
    """Answer one line (without its line end). What the chat refuses comes as Refusal out of the iteration."""
    is_unregistered = connection.registration is not None
    if is_unregistered and is_request(line):
        return [Goodbye(connection.session, REFUSED, is_refusal=True)]
    if is_too_long(line):
        return [too_long(context, connection)]
    try:
        text, is_utf_8 = line.decode(), True
    except UnicodeDecodeError:
        text, is_utf_8 = line.decode(errors="replace"), False
    message = parse(text)
    if not message.command:
        return []
    command = COMMANDS.get(message.command)
    if command is not None and command.level > context.settings.level:
        command = None
    if not is_utf_8 and not (command is not None and command.any_bytes):
        why = "Refused: not UTF-8 text"
        if connection.capabilities & STANDARD_REPLIES:
            return [fail(context, "*" if command is None else message.command, "INVALID_UTF8", why)]
        return [notice(context, connection, why)]
    if is_unregistered and not (command is not None and command.unregistered):
        return [context.reply(connection, n.NOTREGISTERED, "You have not registered")]
    if command is None:
        return [context.reply(connection, n.UNKNOWNCOMMAND, middle(clean(message.command)), "Unknown command")]
    if not text.isprintable():
        make_harmless(message, command.text)
    if command.least and (len(message.params) < command.least or not all(message.params[: command.least])):
        return [context.reply(connection, n.NEEDMOREPARAMS, message.command, "Not enough parameters")]
    if message.tags and command.tagged is not None:
        return command.tagged(context, connection, message.params, message.tags)
    return command.run(context, connection, message.params)


def make_harmless(message: Message, text: int | None) -> None:
    """Without what a terminal would obey; `text`: the parameter that people will read, not a name. (Tags: tags.py.)"""
    message.params = [clean(word) if place == text else spoiled(word) for place, word in enumerate(message.params)]


def is_too_long(line: bytes) -> bool:
    """512 bytes with the line end, and 4096 more for tags (RFC 2812 section 2.3, IRCv3 message-tags)."""
    if len(line) <= BODY_BYTES:
        return False
    if not line.startswith(b"@"):
        return True
    tags = line.find(b" ") + 1
    return tags == 0 or tags > TAG_BYTES or len(line) - tags > BODY_BYTES


def notice(context: Context, connection: Connection, text: str) -> bytes:
    """A word from the server, which no client answers."""
    return context.reply(connection, "NOTICE", text)


def dismissed(context: Context, connection: Connection) -> bytes:
    """It is no server operator any more."""
    return own_modes(context, connection, [("-", "o")])


def account_gone(context: Context, connection: Connection) -> Iterable[Outcome]:
    """There is no such account any more as it is logged in to."""
    return nickserv.account_gone(context, connection)


def too_long(context: Context, connection: Connection) -> bytes:
    """The one answer to a line that nobody can take."""
    return context.reply(connection, n.INPUTTOOLONG, "Input line was too long")


def answered(context: Context, connection: Connection, question: Question, answer: Any) -> Outcomes:
    """The answer to a Question has come."""
    match question:
        case NoticesAsked():
            yield from history.service_answer(context, connection, question, answer)
        case PastAsked():
            yield from history.history_answer(context, connection, question, answer)
        case TargetsAsked():
            yield from history.targets_answer(context, connection, answer)
        case SearchAsked():
            yield from history.search_answer(context, connection, answer)
        case OperAsked():
            yield from operators.oper_answer(context, connection, answer)
        case ServiceRegistrationAsked(account):
            yield from nickserv.registration_answer(context, connection, account, answer)
        case RegistrationAsked(account):
            yield from accounts.registration_answer(context, connection, account, answer)
        case LoginAsked():
            yield from nickserv.login_answer(context, connection, question, answer)
        case PasswordChangeAsked() | DropAsked() | RemovalAsked():
            yield from nickserv.change_answer(context, connection, answer)
        case SaslAsked():
            yield from accounts.sasl_answer(context, connection, answer)
        case RehashAsked():
            yield from operators.rehash_answer(context, connection, *answer)
        case PasswordAsked():
            yield from registration.password_answer(context, connection, answer)


def go_on(context: Context, connection: Connection, name: str, *where: Any) -> Iterable[Outcome]:
    """The rest of an answer that has waited for the client: what a DrainAsked was about."""
    return GO_ON[name](context, connection, *where)


def greet(context: Context, connection: Connection) -> Iterable[Outcome]:
    """IRC's server speaks second."""
    return ()


def is_unfinished(line: bytes) -> bool:
    """In IRC a line end is nothing else."""
    return False


def removed(context: Context, connection: Connection) -> Iterable[Outcome]:
    """One may be in no channel."""
    return ()


def farewell(connection: Connection, reason: str) -> bytes:
    """The last line that the leaving one reads (RFC 2812 section 3.7.4)."""
    return encode(build("", "ERROR", f"Closing link: {connection.session.host} ({reason})"))


def banned(context: Context, nick: str, why: str) -> bytes:
    """Clients know by this numeric that it is no use to come back by themselves."""
    return encode(build(context.settings.name, n.YOUREBANNEDCREEP, nick or "*", why))


def turned_away(reason: str, language: str) -> bytes:
    """All that a client reads which never gets a session."""
    return encode(build("", "ERROR", f"Closing link: ({reason})"))


def probe(context: Context, connection: Connection) -> bytes:
    """The question that a client which is alive answers."""
    return encode(build("", "PING", context.settings.name))


__all__ = [
    "account_gone",
    "after_speech",
    "alike",
    "answered",
    "banned",
    "dismissed",
    "ends_lines_at_returns",
    "farewell",
    "go_on",
    "greet",
    "handle",
    "is_unfinished",
    "keepalive",
    "name",
    "notice",
    "offer",
    "offer_changed",
    "probe",
    "profile",
    "profiles",
    "refuse",
    "removed",
    "render",
    "secret_in",
    "shown",
    "speech",
    "stamp",
    "too_long",
    "turned_away",
]
