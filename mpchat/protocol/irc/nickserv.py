"""NickServ, for those who know it from other servers: REGISTER IDENTIFY LOGOUT INFO GHOST SET DROP HELP, each said to
the nickname NickServ, or behind NS or NICKSERV. It answers in notices, in the server's language.

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
from mpchat.protocol.outcomes import (
    DropAsked,
    GhostAsked,
    LoginAsked,
    Outcomes,
    PasswordChangeAsked,
    RemovalAsked,
    ServiceLoginAsked,
    ServiceRegistrationAsked,
)
from mpchat.protocol.wrong_passwords import end_if_too_many
from mpchat.texts import say

_HELP = ("register", "identify", "ghost", "info", "logout", "set", "drop", "help")
_NEWER = ("set", "drop")  # a server of before did not have these


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
            for name in _HELP if context.settings.level >= 4 else [each for each in _HELP if each not in _NEWER]:
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
        case "SET" if context.settings.level >= 4:
            yield from _set(context, connection, words)
        case "DROP" if context.settings.level >= 4:
            yield from _drop(context, connection, words)
        case _:
            yield _notice(context, connection, "nickserv.known" if context.settings.level >= 4 else "nickserv.unknown")


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


def _set(context: Context, connection: Connection, words: list[str]) -> Outcomes:
    """SET PASSWORD password: of the account that they are logged in to."""
    session = connection.session
    if len(words) != 2:
        yield _notice(context, connection, "nickserv.help.set")
    elif not session.account:
        yield _notice(context, connection, "account.not_in")
    elif not session.is_private:
        yield _notice(context, connection, "account.insecure")
    else:
        yield PasswordChangeAsked(session.account)


def _drop(context: Context, connection: Connection, words: list[str]) -> Outcomes:
    """DROP account password, of who is logged in to it; DROP account, of a server operator, about any."""
    session = connection.session
    is_known = bool(words) and words[0] in context.hub.accounts
    is_own = is_known and fold(words[0]) == fold(session.account)
    if not words or (len(words) == 1 and not session.operator):
        yield _notice(context, connection, "nickserv.help.drop")
    elif len(words) == 1 and not is_known:
        yield _notice(context, connection, "account.unknown")
    elif len(words) > 1 and not is_own:
        yield _notice(context, connection, "account.not_yours")
    elif len(words) > 1 and not session.is_private:
        yield _notice(context, connection, "account.insecure")
    elif is_operators(context, words[0]):
        yield _notice(context, connection, "account.kept", account=words[0])
    else:
        yield RemovalAsked(words[0]) if len(words) == 1 else DropAsked(session.account)


def change_answer(context: Context, connection: Connection, answer: AccountAnswer) -> Outcomes:
    """What has come of another password, or of the end of an account."""
    kind, text = answer
    match kind:
        case "changed" | "dropped":
            yield _notice(context, connection, f"account.{kind}", account=text)
        case "weak":
            yield _notice(context, connection, f"account.weak.{text}", **PASSWORD_BOUNDS)
        case _ if kind == "wrong" or answer == ("late", GUESSED):
            yield from _wrong(context, connection, answer)
        case _:
            yield _notice(context, connection, "account.late")


def account_gone(context: Context, connection: Connection) -> Outcomes:
    """There is no such account any more as they are logged in to."""
    account = connection.session.account
    yield from logged_out(context, connection)
    if connection.registration is None:
        yield _notice(context, connection, "account.gone", account=account)


def login_answer(context: Context, connection: Connection, question: LoginAsked, answer: AccountAnswer) -> Outcomes:
    kind, text = answer
    if kind == "in":
        yield from logged_in(context, connection, text)
        yield _notice(context, connection, "account.in", account=text)
        if isinstance(question, GhostAsked):
            yield from _take(context, connection, text)
    elif kind == "wrong" or answer == ("late", GUESSED):
        yield from _wrong(context, connection, answer)
    else:
        yield _notice(context, connection, "account.late")


def _wrong(context: Context, connection: Connection, answer: AccountAnswer) -> Outcomes:
    yield _notice(context, connection, "account.guessed" if answer[0] == "late" else "account.wrong")
    yield from end_if_too_many(context, connection)


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
