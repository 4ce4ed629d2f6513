"""A connection as plain values, and back: what a snapshot holds of it besides its session (see chat/state.py)."""

from operator import attrgetter
from typing import Any

from mpchat.chat.sessions import Session
from mpchat.messages import ConnectionId, WorkerNumber
from mpchat.protocol.connection import Connection, Registration
from mpchat.protocol.dialect import DIALECTS
from mpchat.protocol.outcomes import Question

Values = tuple[Any, str, tuple[object, ...] | None, tuple[str, object] | None]

# The layout of the values: whoever changes these lines raises core.machine.STATE_VERSION. What refers to other objects
# (session, dialect, registration, asked) is not among them.
_CONNECTION = (
    *("accepted", "before", "capabilities", "id", "discarding", "drains", "given", "heard_at", "held", "leaving"),
    *("line_start", "part", "pinged", "profile", "taken", "worker"),
)
_REGISTRATION = ("negotiating", "password_right", "realname", "user")
_of_connection, _of_registration = attrgetter(*_CONNECTION), attrgetter(*_REGISTRATION)


def dump_connection(connection: Connection) -> Values:
    """All of it but its session, which it shares its number with."""
    registration, asked = connection.registration, connection.asked
    return (
        _of_connection(connection),
        connection.dialect.name,
        None if registration is None else _of_registration(registration),
        None if asked is None else (asked.kind, asked.about),
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
    connection.asked = None if asked is None else Question(*asked)
    return connection
