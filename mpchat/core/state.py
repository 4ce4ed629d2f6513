"""A connection as plain values, and back: what a snapshot holds of it besides its session (see chat/state.py)."""

from operator import attrgetter
from typing import Any

from mpchat.chat.sessions import Session
from mpchat.messages import ConnectionId, WorkerNumber
from mpchat.protocol.connection import Connection, Registration
from mpchat.protocol.dialect import DIALECTS
from mpchat.protocol.outcomes import (
    DrainAsked,
    DropAsked,
    GhostAsked,
    LoginAsked,
    NoticesAsked,
    OperAsked,
    PasswordAsked,
    PasswordChangeAsked,
    PastAsked,
    Question,
    RegistrationAsked,
    RehashAsked,
    RemovalAsked,
    SaslAsked,
    SearchAsked,
    ServiceLoginAsked,
    ServiceRegistrationAsked,
    TargetsAsked,
)

Values = tuple[Any, str, tuple[object, ...] | None, tuple[str, object] | None]

# The layout of the values: a change here must raise core.machine.STATE_VERSION. What refers to other objects
# (session, dialect, registration, asked) is not among them.
_CONNECTION = (
    *("accepted", "before", "capabilities", "id", "discarding", "drains", "given", "heard_at", "held", "leaving"),
    *("line_start", "part", "pinged", "profile", "renames_paid_at", "taken", "worker", "wrong", "sasl", "wrong_logins"),
    *("label", "is_batch_open"),
)
_REGISTRATION = ("negotiating", "password_right", "realname", "tokens", "user", "wanted")
# The kinds of a question that are told apart by their answers.
_REGISTRATIONS = {RegistrationAsked: "registration", ServiceRegistrationAsked: "registration at NickServ"}
_LOGINS = {LoginAsked: "login", ServiceLoginAsked: "login at NickServ", GhostAsked: "ghost"}
_of_connection, _of_registration = attrgetter(*_CONNECTION), attrgetter(*_REGISTRATION)


def dump_connection(connection: Connection) -> Values:
    """All of it but its session, which it shares its number with."""
    registration, asked = connection.registration, connection.asked
    return (
        _of_connection(connection),
        connection.dialect.name,
        None if registration is None else _of_registration(registration),
        None if asked is None else dump_asked(asked),
    )


def load_connection(sessions: dict[ConnectionId, Session], values: Values) -> Connection:
    """The inverse of dump_connection(). Raises ValueError if its dialect is unknown."""
    own, dialect, registration, asked = values
    if dialect not in DIALECTS:
        raise ValueError(f"a connection speaks {dialect!r}, and this program does not")
    session = sessions[own[_CONNECTION.index("id")]]
    connection = Connection(session, DIALECTS[dialect], worker=WorkerNumber(0), mono=0)
    for name, value in zip(_CONNECTION, own, strict=True):
        setattr(connection, name, value)
    if registration is None:
        connection.registration = None
    else:
        connection.registration = Registration()
        for name, value in zip(_REGISTRATION, registration, strict=True):
            setattr(connection.registration, name, value)
    connection.asked = None if asked is None else load_asked(*asked)
    return connection


def dump_asked(asked: Question | DrainAsked) -> tuple[str, Any]:
    """A question as a word and plain values."""
    match asked:
        case PasswordAsked():
            return "password", ""
        case OperAsked(name):
            return "oper", name
        case RehashAsked():
            return "rehash", ""
        case RegistrationAsked(account):
            return _REGISTRATIONS[type(asked)], account
        case LoginAsked(account):
            return _LOGINS[type(asked)], account
        case PasswordChangeAsked(account):
            return "password change", account
        case DropAsked(account):
            return "drop", account
        case RemovalAsked(account):
            return "removal", account
        case SaslAsked(mechanism, is_first):
            return "sasl", (mechanism, is_first)
        case PastAsked(room, number, window, bounds, limit):
            kind = "notices" if isinstance(asked, NoticesAsked) else "history"
            return kind, (room, number, window, bounds, limit)
        case TargetsAsked(places, first, second, limit):
            return "targets", (places, first, second, limit)
        case SearchAsked(words, places, sender, since, until, limit):
            return "search", (words, places, sender, since, until, limit)
        case DrainAsked(cursor):
            return "drain", cursor or ""


def load_asked(kind: str, about: Any) -> Question | DrainAsked:
    """The inverse of dump_asked(). Raises ValueError at an unknown word."""
    match kind:
        case "password":
            return PasswordAsked()
        case "oper":
            return OperAsked(about)
        case "rehash":
            return RehashAsked()
        case "registration":
            return RegistrationAsked(about)
        case "registration at NickServ":
            return ServiceRegistrationAsked(about)
        case "login":
            return LoginAsked(about)
        case "login at NickServ":
            return ServiceLoginAsked(about)
        case "ghost":
            return GhostAsked(about)
        case "password change":
            return PasswordChangeAsked(about)
        case "drop":
            return DropAsked(about)
        case "removal":
            return RemovalAsked(about)
        case "sasl":
            return SaslAsked(*about)
        case "history":
            return PastAsked(*about)
        case "notices":
            return NoticesAsked(*about)
        case "targets":
            return TargetsAsked(*about)
        case "search":
            return SearchAsked(*about)
        case "drain":
            return DrainAsked(tuple(about))
    raise ValueError(f"a connection asks {kind!r}, which this program does not know")
