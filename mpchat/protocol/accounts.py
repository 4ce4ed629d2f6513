"""Accounts in both dialects: how they can be proved, whose a nickname is, what a login gives. Pure."""

from collections.abc import Generator

from mpchat.chat.events import AccountSet, Regained, Renamed
from mpchat.chat.names import fold
from mpchat.chat.sessions import Session
from mpchat.messages import AccountAnswer
from mpchat.protocol.connection import Connection
from mpchat.protocol.context import Context
from mpchat.protocol.nick_changes import count, need_rest
from mpchat.protocol.outcomes import Dismissed, Goodbye, LoggedOut, Outcome, Outcomes, Told
from mpchat.protocol.secrets import PLAIN
from mpchat.settings import Settings

# What the sentences account.weak.* speak of.
PASSWORD_BOUNDS = {"least": Settings.password_characters, "most": Settings.password_most_characters}
_TAKEN_BACK = "Its owner has logged in and taken this nickname: you are {nick} now"
# With the answer "late": nothing is told of a login, as too many from this address were wrong.
GUESSED = "guessed"
OFTEN = "often"  # with the answer "late": not now, as too many accounts were registered from this address


def why_not_now(answer: AccountAnswer) -> str:
    """The key of the sentence that says why it came to nothing, by no fault of the name's or the password's."""
    kind, text = answer
    if kind == "full":
        return "account.full"
    return "account.often" if text == OFTEN else "account.late"


def mechanisms(context: Context, session: Session) -> tuple[str, ...]:
    """Those of SASL that this session may use: PLAIN sends the password itself."""
    known = context.hub.accounts.mechanisms
    return known if session.is_private else tuple(name for name in known if name != PLAIN)


def claim(
    context: Context, connection: Connection, nick: str, own_too: bool = True
) -> Generator[Outcome, None, Renamed | None]:
    """Take a nickname, as Hub.claim(). An owner has that of the account, whoever else has it. Raises Refusal.

    The other one gets another nickname; a client that has not entered yet is closed, as it would wait for nothing.
    `own_too`: also if the other one is of the same account. Two clients of one owner that both want the nickname back
    as soon as it is lost would take it from each other for ever.

    Of a registered session it is a change, which is counted, and is refused where those are too many.
    """
    hub, session = context.hub, connection.session
    if session.registered and not session.operator:
        hub.need_not_removed(nick, session.host, context.mono)
        need_rest(context, connection, nick)
    for other in hub.usurpers(session, nick):
        if not own_too and fold(other.account) == fold(session.account):
            continue  # Hub.claim() refuses
        if other.registered:
            renamed = hub.claim(other, hub.spare_nick(other), context.seconds)
            if renamed is not None:
                yield renamed
            yield Told(other, _TAKEN_BACK.format(nick=other.nick))
        else:
            yield Goodbye(other, "This nickname belongs to an account, whose owner has come", is_refusal=True)
    renamed = hub.claim(session, nick, context.seconds)
    if renamed is not None:
        count(context, connection)
    return renamed


def gains(context: Context, session: Session) -> Outcomes:
    """What a registered session that has just logged in has again in its channels."""
    for channel, rights in context.hub.regain(session):
        yield Regained(session, channel, rights)


def is_operators(context: Context, name: str) -> bool:
    """Whether the settings make the owner of this account, or of the one that is to have this name, an operator."""
    return fold(name) in map(fold, context.settings.oper_accounts)


def appoint(context: Context, session: Session) -> bool:
    """Whether the session becomes a server operator now, by its account: then the caller tells it, and the log."""
    account = session.account
    return is_operators(context, account) and context.hub.set_operator(session, True, account)


def dismiss(context: Context, session: Session) -> Outcomes:
    """It is no server operator any more, if an account made it one that is not its own now, or that makes none now."""
    by = session.operator_by
    if by and (fold(by) != fold(session.account) or not is_operators(context, by)):
        context.hub.set_operator(session, False)
        yield Dismissed(session)


def log_in(context: Context, session: Session, account: str) -> Outcomes:
    """It has proved to be this account's owner. What it has by another one it loses."""
    before = session.account
    context.hub.log_in(session, account)
    if session.registered and account != before and context.settings.level >= 4:
        yield AccountSet(session, list(session.channels.values()))
    yield from dismiss(context, session)


def log_out(context: Context, session: Session) -> Outcomes:
    """It is nobody's any more."""
    account = session.account
    context.hub.log_out(session)
    yield LoggedOut(session, account)
    yield AccountSet(session, list(session.channels.values()))
    yield from dismiss(context, session)
