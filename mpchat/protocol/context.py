"""What a dialect works with: the desk (the hub, the wording, what time it is), a peer (one connection's side of the
protocol), and the outcomes that it may hand back.

Handlers are generators. They yield, in order, what is to happen: bytes answer the peer, an event goes to its audience,
and the other outcomes below ask the core for what only the core can do.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mpchat.chat.events import Event, TagsSent
from mpchat.chat.hub import Hub
from mpchat.chat.sessions import Session
from mpchat.protocol.capabilities import PLAIN, profile
from mpchat.protocol.message import build, build_words, encode
from mpchat.settings import ChatSettings


class Registration:
    """How far a newcomer has come. Dropped when they enter."""

    __slots__ = ("negotiating", "password_right", "realname", "user")

    def __init__(self) -> None:
        self.user = self.realname = ""
        self.negotiating = False  # between CAP LS or REQ and CAP END
        self.password_right = False


class Peer:
    """One connection as its dialect sees it."""

    __slots__ = ("capabilities", "is_plain", "registration", "session")

    def __init__(self, session: Session, is_plain: bool) -> None:
        self.session = session
        self.is_plain = is_plain
        self.capabilities = 0
        self.registration: Registration | None = Registration()

    @property
    def profile(self) -> int:
        return PLAIN if self.is_plain else profile(self.capabilities)


DRAIN = "drain"


@dataclass(slots=True)
class Question:
    """Something only the world outside can answer. `about`, plain data, is all it is told.

    "password", or "oper" about an operator's name: is the withheld secret the right one? "history" about (room,
    number, limit, is_latest): what was said in a room behind a message; see past.py.

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


Outcome = bytes | Event | TagsSent | Question | Goodbye
Outcomes = Iterator[Outcome]


@dataclass
class Context:
    """Times: wall and mono in ms; started in wall s; utc_offset, that of now, in minutes.

    The wall clock is what the system says, and may be set back: what must not depends on mono, or on numbers.
    """

    hub: Hub
    wording: ChatSettings
    started: int
    utc_offset: int
    wall: int = 0
    mono: int = 0

    @property
    def seconds(self) -> int:
        """The wall clock in s, as IRC shows times."""
        return self.wall // 1000

    def reply(self, peer: Peer, numeric: str, *params: str) -> bytes:
        """A numeric to this peer: its first parameter is always their nickname, "*" before they have one."""
        return encode(build(self.wording.name, numeric, peer.session.nick or "*", *params))

    def reply_words(self, peer: Peer, numeric: str, *words: str) -> bytes:
        """The same for a numeric that ends in a word, and not in text for people."""
        return encode(build_words(self.wording.name, numeric, peer.session.nick or "*", *words))
