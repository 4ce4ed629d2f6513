"""Accounts: AUTHENTICATE (IRCv3 sasl-3.1, sasl-3.2) and REGISTER (IRCv3 draft/account-registration).

Redaction has taken the passwords out of these lines, and the pieces of SASL's messages: the core asks the world outside
about them. VERIFY has nothing to verify here: an account is there as soon as it is registered.
"""

from mpchat.chat.names import fold
from mpchat.messages import AccountAnswer
from mpchat.protocol import numerics as n
from mpchat.protocol.accounts import (
    GUESSED,
    PASSWORD_BOUNDS,
    appoint,
    claim,
    gains,
    is_operators,
    log_in,
    log_out,
    mechanisms,
    why_not_now,
)
from mpchat.protocol.capabilities import SASL
from mpchat.protocol.connection import Connection
from mpchat.protocol.context import Context
from mpchat.protocol.irc.commands import Command
from mpchat.protocol.irc.modes import own_modes
from mpchat.protocol.irc.refusing import fail, middle
from mpchat.protocol.message import build, encode
from mpchat.protocol.outcomes import Appointed, Outcomes, RegistrationAsked, SaslAsked
from mpchat.protocol.secrets import ABORT, LONG_PIECE, MECHANISMS, UNFIT
from mpchat.protocol.wrong_passwords import end_if_too_many
from mpchat.texts import DEFAULT, say

_PIECE = 400  # characters: a shorter one is a message's last (IRCv3 sasl-3.1)
_FAILED = {
    "wrong": "SASL authentication failed",
    "bad": "SASL authentication failed: that is no message of this mechanism",
    GUESSED: "SASL authentication failed: too many wrong passwords from your address, try again later",
    "late": "SASL authentication failed: nobody can check passwords at this moment, try again soon",
}


# SASL


def authenticate(context: Context, connection: Connection, params: list[str]) -> Outcomes:
    word, session, (mechanism, has_begun) = params[0], connection.session, connection.sasl
    if not connection.capabilities & SASL:
        yield _failed(context, connection, "SASL authentication failed: first ask for the capability sasl")
    elif word == ABORT:
        yield from abort(context, connection)
    elif mechanism and word == LONG_PIECE:
        connection.sasl = "", False
        yield context.reply(connection, n.SASLTOOLONG, "SASL message too long")
    elif mechanism and word.upper() not in MECHANISMS:
        yield SaslAsked(mechanism, not has_begun)
    elif mechanism:
        connection.sasl = "", False
        yield _failed(context, connection, _FAILED["bad"])
    elif session.account:
        yield context.reply(connection, n.SASLALREADY, "You have already authenticated using SASL")
    elif word.upper() in mechanisms(context, session):
        connection.sasl = word.upper(), False
        yield encode("AUTHENTICATE +")
    else:
        offered = ",".join(mechanisms(context, session)) or "*"
        yield context.reply(connection, n.SASLMECHS, offered, "are available SASL mechanisms")
        yield _failed(context, connection, "SASL authentication failed: no such mechanism here")


def abort(context: Context, connection: Connection) -> Outcomes:
    """The exchange is over, if there is one."""
    connection.sasl = "", False
    yield context.reply(connection, n.SASLABORTED, "SASL authentication aborted")


def sasl_answer(context: Context, connection: Connection, answer: AccountAnswer) -> Outcomes:
    kind, text = answer
    mechanism, _ = connection.sasl
    if kind in ("more", "challenge", "proof"):
        connection.sasl = mechanism, True
        if kind != "more":
            yield from _challenge(text.rpartition(" ")[2])
        return
    connection.sasl = "", False
    if kind == "in":
        yield from _logged_in(context, connection, text)
        yield context.reply(connection, n.SASLSUCCESS, "SASL authentication successful")
        yield from proven(context, connection)
        return
    yield _failed(context, connection, _FAILED.get(text if answer == ("late", GUESSED) else kind, _FAILED["bad"]))
    if kind == "wrong" or answer == ("late", GUESSED):
        yield from end_if_too_many(context, connection)


def _challenge(text: str) -> Outcomes:
    """In pieces, as clients send theirs."""
    for start in range(0, len(text) + 1, _PIECE):
        yield encode(f"AUTHENTICATE {text[start : start + _PIECE] or '+'}")


def _failed(context: Context, connection: Connection, why: str) -> bytes:
    return context.reply(connection, n.SASLFAIL, why)


# What a login gives, whichever way it came


def logged_in(context: Context, connection: Connection, account: str) -> Outcomes:
    """The client has proved to be this account's owner."""
    yield from _logged_in(context, connection, account)
    yield from proven(context, connection)


def _logged_in(context: Context, connection: Connection, account: str) -> Outcomes:
    yield from log_in(context, connection.session, account)
    yield context.reply(
        connection, n.LOGGEDIN, _whole(connection), middle(account), f"You are now logged in as {account}"
    )


def proven(context: Context, connection: Connection) -> Outcomes:
    """What the account of a registered session gives it: rights on its channels, and those of a server operator."""
    if not connection.session.registered:
        return  # it comes when it has entered
    yield from gains(context, connection.session)
    if appoint(context, connection.session):
        yield Appointed(connection.session)
        yield context.reply(connection, n.YOUREOPER, "You are now an IRC operator")
        yield own_modes(context, connection, [("+", "o")])


def logged_out(context: Context, connection: Connection) -> Outcomes:
    yield from log_out(context, connection.session)
    yield context.reply(connection, n.LOGGEDOUT, _whole(connection), "You are now logged out")


def take(context: Context, connection: Connection, nick: str, own_too: bool = True) -> Outcomes:
    """Be called so from now on. Raises Refusal. `own_too`: see claim()."""
    renamed = yield from claim(context, connection, nick, own_too)
    if renamed is not None:
        yield renamed


def _whole(connection: Connection) -> str:
    """nick!user@host, of which a client that has not entered has but the last."""
    session = connection.session
    return session.prefix if session.registered else f"{session.nick or '*'}!*@{session.host}"


# REGISTER


def register(context: Context, connection: Connection, params: list[str]) -> Outcomes:
    """REGISTER account|* mail|* password: of all that redaction leaves the account, and whether those can be."""
    (account, mail), session = params[:2], connection.session
    if not context.hub.accounts.mechanisms:
        yield fail(context, "REGISTER", "REGISTRATION_DISABLED", account, "There are no accounts on this server")
    elif not session.registered:
        yield fail(context, "REGISTER", "COMPLETE_CONNECTION_REQUIRED", account, "First enter: NICK, USER, CAP END")
    elif not session.is_private:
        yield fail(context, "REGISTER", "SECURE_CONNECTION_REQUIRED", account, say(DEFAULT, "account.insecure"))
    elif session.account:
        text = f"You are logged in as {session.account}"
        yield fail(context, "REGISTER", "ALREADY_AUTHENTICATED", session.account, text)
    elif mail == UNFIT:
        yield fail(context, "REGISTER", "INVALID_EMAIL", account, "That is no address for mail; a * stands for none")
    elif account == UNFIT:
        yield fail(context, "REGISTER", "BAD_ACCOUNT_NAME", account, "An account is called as you are, or *")
    elif account != "*" and fold(account) != fold(session.nick):
        text = f"An account is called as its owner: be called {account} first"
        yield fail(context, "REGISTER", "ACCOUNT_NAME_MUST_BE_NICK", account, text)
    elif context.hub.accounts.owner_of(session.nick):
        yield _exists(context, session.nick)
    elif is_operators(context, session.nick):
        text = say(DEFAULT, "account.reserved", account=session.nick)
        yield fail(context, "REGISTER", "BAD_ACCOUNT_NAME", session.nick, text)
    else:
        yield RegistrationAsked(session.nick)


def registration_answer(context: Context, connection: Connection, account: str, answer: AccountAnswer) -> Outcomes:
    kind, text = answer
    match kind:
        case "registered":
            done = f"{text} is registered, and you are its owner"
            yield encode(build(context.settings.name, "REGISTER", "SUCCESS", text, done))
            yield from logged_in(context, connection, text)
        case "taken":
            yield _exists(context, account)
        case "weak":
            yield fail(
                context, "REGISTER", "WEAK_PASSWORD", account, say(DEFAULT, f"account.weak.{text}", **PASSWORD_BOUNDS)
            )
        case "late" | "full":
            why = say(DEFAULT, why_not_now(answer))
            yield fail(context, "REGISTER", "TEMPORARILY_UNAVAILABLE", account, why)
        case _:
            yield fail(context, "REGISTER", "UNACCEPTABLE_PASSWORD", account, "That can be no password")


def _exists(context: Context, account: str) -> bytes:
    return fail(context, "REGISTER", "ACCOUNT_EXISTS", account, f"{account} is registered already")


def verify(context: Context, connection: Connection, params: list[str]) -> Outcomes:
    yield fail(context, "VERIFY", "INVALID_CODE", params[0], "Nothing is verified here: REGISTER is all that it takes")


COMMANDS = {
    "AUTHENTICATE": Command(authenticate, least=1, unregistered=True, level=3),
    "REGISTER": Command(register, least=3, unregistered=True, level=3),
    "VERIFY": Command(verify, least=1, unregistered=True, level=3),
}
