"""Accounts for people at a terminal: /register /login /logout /password /drop.

Redaction leaves a star of each password.
"""

from mpchat.messages import AccountAnswer
from mpchat.protocol.accounts import (
    GUESSED,
    PASSWORD_BOUNDS,
    appoint,
    gains,
    is_operators,
    log_in,
    log_out,
    why_not_now,
)
from mpchat.protocol.connection import Connection
from mpchat.protocol.context import Context
from mpchat.protocol.outcomes import Appointed, DropAsked, LoginAsked, Outcomes, PasswordChangeAsked, RegistrationAsked
from mpchat.protocol.plain.rendering import tell, usage, warn
from mpchat.protocol.wrong_passwords import end_if_too_many


def register(context: Context, connection: Connection, rest: str) -> Outcomes:
    """/register PASSWORD: the nickname that they have is theirs."""
    session = connection.session
    if session.account:
        yield warn(connection, "account.already", account=session.account)
    elif (why := _no_password_here(context, connection)) is not None:
        yield why
    elif len(rest.split()) != 1:
        yield usage(connection, "register")
    elif owner := context.hub.accounts.owner_of(session.nick):
        yield warn(connection, "account.taken", account=owner)
    elif is_operators(context, session.nick):
        yield warn(connection, "account.reserved", account=session.nick)
    else:
        yield RegistrationAsked(session.nick)


def login(context: Context, connection: Connection, rest: str) -> Outcomes:
    """/login [ACCOUNT] PASSWORD."""
    account, _, password = rest.partition(" ")
    if (why := _no_password_here(context, connection)) is not None:
        yield why
    elif not rest or not (password or connection.session.nick):
        yield usage(connection, "login")
    else:
        yield LoginAsked(account if password else connection.session.nick)


def logout(context: Context, connection: Connection, rest: str) -> Outcomes:
    session = connection.session
    if not session.account:
        yield warn(connection, "account.not_in")
        return
    yield from log_out(context, session)
    yield tell(connection, "account.out")


def password(context: Context, connection: Connection, rest: str) -> Outcomes:
    """/password PASSWORD: another one, of the account that they are logged in to."""
    session = connection.session
    if (why := _no_change_here(context, connection)) is not None:
        yield why
    elif len(rest.split()) != 1:
        yield usage(connection, "password")
    else:
        yield PasswordChangeAsked(session.account)


def drop(context: Context, connection: Connection, rest: str) -> Outcomes:
    """/drop PASSWORD: their account is there no more."""
    session = connection.session
    if (why := _no_change_here(context, connection)) is not None:
        yield why
    elif not rest:
        yield usage(connection, "drop")
    elif is_operators(context, session.account):
        yield warn(connection, "account.kept", account=session.account)
    else:
        yield DropAsked(session.account)


def _no_change_here(context: Context, connection: Connection) -> bytes | None:
    """Why this client may not change an account; None: it may, that which it is logged in to."""
    why = _no_password_here(context, connection)
    return warn(connection, "account.not_in") if why is None and not connection.session.account else why


def _no_password_here(context: Context, connection: Connection) -> bytes | None:
    """Why this client may not send one; None: it may."""
    if not context.hub.accounts.mechanisms:
        return warn(connection, "account.none")
    return None if connection.session.is_private else warn(connection, "account.insecure")


def registered(context: Context, connection: Connection, account: str) -> Outcomes:
    yield from log_in(context, connection.session, account)
    yield tell(connection, "account.registered", account=account)
    yield from proven(context, connection)


def gone(context: Context, connection: Connection) -> Outcomes:
    """There is no such account any more as they are logged in to."""
    account = connection.session.account
    yield from log_out(context, connection.session)
    yield warn(connection, "account.gone", account=account)


def refused(context: Context, connection: Connection, account: str, answer: AccountAnswer) -> Outcomes:
    kind, text = answer
    match kind:
        case _ if kind == "wrong" or answer == ("late", GUESSED):
            yield warn(connection, "account.guessed" if kind == "late" else "account.wrong")
            yield from end_if_too_many(context, connection)
        case "taken":
            yield warn(connection, "account.taken", account=account)
        case "weak":
            yield warn(connection, f"account.weak.{text}", **PASSWORD_BOUNDS)
        case _:
            yield warn(connection, why_not_now(answer))


def proven(context: Context, connection: Connection) -> Outcomes:
    """What the account of somebody who has entered gives them: rights in the room, and those of a server operator."""
    yield from gains(context, connection.session)
    if appoint(context, connection.session):
        yield Appointed(connection.session)
        yield tell(connection, "account.operator")
