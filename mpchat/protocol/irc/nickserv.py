"""NickServ, for those who know it from other servers: REGISTER IDENTIFY LOGOUT INFO GHOST HELP, each said to the
nickname NickServ, or behind NS or NICKSERV. It answers in notices, in the server's language.

Redaction leaves of what is said to it the command, an account's name, and a star for each other word.
"""

from mpchat.chat.names import NICKSERV, fold
from mpchat.chat.refusals import Refusal
from mpchat.messages import AccountAnswer
from mpchat.protocol.accounts import GUESSED, PASSWORD_BOUNDS, is_operators, why_not_now
from mpchat.protocol.connection import Connection
from mpchat.protocol.context import Context
from mpchat.protocol.irc.accounts import logged_in, logged_out, take
from mpchat.protocol.irc.commands import Command
from mpchat.protocol.irc.refusing import refuse
from mpchat.protocol.message import build, encode
from mpchat.protocol.outcomes import GhostAsked, LoginAsked, Outcomes, ServiceLoginAsked, ServiceRegistrationAsked
from mpchat.protocol.wrong_passwords import end_if_too_many
from mpchat.texts import say

_HELP = ("register", "identify", "ghost", "info", "logout", "help")


def nickserv(context: Context, connection: Connection, params: list[str]) -> Outcomes:
    yield from ask(context, connection, " ".join(params))


def ask(context: Context, connection: Connection, said: str) -> Outcomes:
    """What somebody tells it, as redaction shows it."""
    verb, *words = said.split() or [""]
    if not context.hub.accounts.mechanisms:
        yield _notice(context, connection, "account.none")
        return
    match verb.upper():
        case "HELP":
            for name in _HELP:
                yield _notice(context, connection, f"nickserv.help.{name}")
        case "REGISTER":
            yield from _register(context, connection, words)
        case "IDENTIFY":
            yield from _identify(context, connection, words)
        case "GHOST" | "RELEASE":
            yield from _ghost(context, connection, words)
        case "INFO":
            yield from _info(context, connection, words)
        case "LOGOUT" if connection.session.account:
            yield from logged_out(context, connection)
            yield _notice(context, connection, "account.out")
        case "LOGOUT":
            yield _notice(context, connection, "account.not_in")
        case _:
            yield _notice(context, connection, "nickserv.unknown")


def _register(context: Context, connection: Connection, words: list[str]) -> Outcomes:
    session = connection.session
    if len(words) != 1:
        yield _notice(context, connection, "nickserv.help.register")
    elif session.account:
        yield _notice(context, connection, "account.already", account=session.account)
    elif not session.is_private:
        yield _notice(context, connection, "account.insecure")
    elif owner := context.hub.accounts.owner_of(session.nick):
        yield _notice(context, connection, "account.taken", account=owner)
    elif is_operators(context, session.nick):
        yield _notice(context, connection, "account.reserved", account=session.nick)
    else:
        yield ServiceRegistrationAsked(session.nick)


def _identify(context: Context, connection: Connection, words: list[str]) -> Outcomes:
    """IDENTIFY [account] password."""
    session = connection.session
    if not words:
        yield _notice(context, connection, "nickserv.help.identify")
    elif not session.is_private:
        yield _notice(context, connection, "account.insecure")
    else:
        yield ServiceLoginAsked(words[0] if len(words) > 1 else session.nick)


def _ghost(context: Context, connection: Connection, words: list[str]) -> Outcomes:
    """GHOST nick [password]: the nickname is its owner's, whoever has it."""
    session, hub = connection.session, context.hub
    owner = hub.accounts.owner_of(words[0]) if words else ""
    if not words:
        yield _notice(context, connection, "nickserv.help.ghost")
    elif owner and fold(owner) == fold(session.account):
        yield from _take(context, connection, words[0])
    elif len(words) == 1:
        yield _notice(context, connection, "account.prove")
    elif not session.is_private:
        yield _notice(context, connection, "account.insecure")
    else:
        yield GhostAsked(words[0])


def _take(context: Context, connection: Connection, nick: str) -> Outcomes:
    try:
        yield from take(context, connection, nick)
    except Refusal as refusal:
        yield refuse(context, connection, refusal)
    else:
        yield _notice(context, connection, "account.called", nick=connection.session.nick)


def _info(context: Context, connection: Connection, words: list[str]) -> Outcomes:
    hub, nick = context.hub, words[0] if words else connection.session.nick
    account = hub.accounts.owner_of(nick)
    if not account:
        yield _notice(context, connection, "account.unknown")
        return
    yield _notice(context, connection, "account.taken", account=account)
    here = [each.nick for each in hub.people() if fold(each.account) == fold(account) and not each.invisible]
    if here:
        yield _notice(context, connection, "account.here", account=account, nicks=", ".join(here))


def login_answer(context: Context, connection: Connection, question: LoginAsked, answer: AccountAnswer) -> Outcomes:
    kind, text = answer
    if kind == "in":
        yield from logged_in(context, connection, text)
        yield _notice(context, connection, "account.in", account=text)
        if isinstance(question, GhostAsked):
            yield from _take(context, connection, text)
    elif kind == "wrong" or answer == ("late", GUESSED):
        yield _notice(context, connection, "account.guessed" if kind == "late" else "account.wrong")
        yield from end_if_too_many(context, connection)
    else:
        yield _notice(context, connection, "account.late")


def registration_answer(context: Context, connection: Connection, account: str, answer: AccountAnswer) -> Outcomes:
    kind, text = answer
    match kind:
        case "registered":
            yield _notice(context, connection, "account.registered", account=text)
            yield from logged_in(context, connection, text)
        case "taken":
            yield _notice(context, connection, "account.taken", account=account)
        case "weak":
            yield _notice(context, connection, f"account.weak.{text}", **PASSWORD_BOUNDS)
        case _:
            yield _notice(context, connection, why_not_now(answer))


def _notice(context: Context, connection: Connection, key: str, **values: object) -> bytes:
    source = f"{NICKSERV}!{NICKSERV}@{context.settings.name}"
    text = say(context.settings.language, key, **values)
    return encode(build(source, "NOTICE", connection.session.nick, text))


COMMANDS = {"NICKSERV": Command(nickserv, level=3), "NS": Command(nickserv, level=3)}
