"""What a dialect's handler may hand back. Handlers are generators: they yield, in order, what is to happen.

Bytes answer the connection, an event goes to its audience, and the classes below ask the core for what only it can do.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mpchat.chat.events import Event, TagsSent
from mpchat.chat.sessions import Session

DRAIN = "drain"


@dataclass(slots=True)
class Question:
    """Something only the world outside can answer. `about`, plain data, is all it is told.

    "password", or "oper" about an operator's name: is the withheld secret the right one? "history" about (room,
    number, limit, is_latest): what was said in a room behind a message; see history.py.

    DRAIN is asked of the client's worker, and only if the answer so far is long: has the client taken it? `about` says
    where the rest begins, as the name of one of the dialect's GO_ON and what else that takes: plain data too.
    """

    kind: str
    about: Any = ""


@dataclass(slots=True)
class Goodbye:
    """The session ends, whoever ended it. Others see `reason`; the leaving one reads it last, in their own dialect."""

    session: Session
    reason: str


@dataclass(slots=True)
class Regroup:
    """The connection's capabilities have changed: from here on it may want other bytes than its groups get.

    What was yielded before it is still sent as the connection wanted it until now.
    """


Outcome = bytes | Event | TagsSent | Question | Goodbye | Regroup
Outcomes = Iterator[Outcome]
