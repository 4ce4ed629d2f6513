"""What the pure half of the client answers with: lines to show, lines to send, and what is to become of the connection.

Pure data.
"""

import re
from dataclasses import dataclass, field

from mpchat.chat.text import clean, without_formatting
from mpchat.client.preferences import Value
from mpchat.client.status import REFUSED, UNCONNECTED, WELL, graver
from mpchat.texts import t

_NO_TEXT = re.compile("[\ud800-\udfff]")  # surrogates: each stands for a byte that was no UTF-8
EVENT, ERROR, CLIENT = "*", "!", "--"  # heads: something happened, was refused, or is the client's own word
RULE = "---"  # the head of a line that parts what is below from what is above, and has no time


def harmless(text: str) -> str:
    """`text` as it may be printed: nothing in it moves a cursor, rings or turns text around.

    A lone surrogate (a byte that was no UTF-8) cannot be printed or sent, so it becomes a question mark.
    """
    if not text.isprintable():
        text = without_formatting(clean(text)).encode("utf-8", "replace").decode()
    return text


def is_text(text: str) -> bool:
    """Were all the bytes of it text?"""
    return text.isprintable() or _NO_TEXT.search(text) is None


@dataclass(frozen=True)
class Said:
    """What a line is, for programs: something that was said, or a place where that is missing."""

    room: str  # "" in private
    nick: str  # "" for a gap
    text: str
    kind: str  # message, action (/me), notice or gap
    place: str = ""  # the room, or the other one in private; "" for what is not remembered for /last


@dataclass(frozen=True)
class Move:
    """Somebody else came, went, or is called otherwise: which of these a line tells."""

    kind: str  # join, part, quit or nick
    nick: str
    rooms: tuple[str, ...]  # of ours, where that is seen; one at least, the current one first
    new: str = ""  # the nick from then on


@dataclass(frozen=True)
class Line:
    """One line for people: time, room if it is not the current one, head, text."""

    text: str
    head: str = EVENT
    who: str = ""  # the nick whose colour the head wears
    room: str = ""
    at: float | None = None  # seconds since the epoch; None is now
    calls: bool = False  # it names or addresses us: highlighted, with a bell
    dated: bool = False  # its day stands before its time: it is no part of what goes on
    said: Said | None = None  # None: nobody said it
    is_news: bool = False  # somebody else said it, and not long ago: it is counted where the user is elsewhere
    move: Move | None = None

    def plain(self, clock: str) -> str:
        """The line without colours. Every text that is printed passes here."""
        words = (RULE, self.text, RULE) if self.head == RULE else (clock, self.room, self.head, self.text)
        return " ".join(harmless(word) for word in words if word)


@dataclass(frozen=True)
class Speech:
    """Something said, or to be said, by us."""

    target: str
    text: str
    action: bool = False  # /me


@dataclass(frozen=True)
class Setting:
    """A key of the settings file that was set, and what to say of it."""

    key: str
    value: Value
    told: str


@dataclass(frozen=True)
class Ask:
    """A password that the user is to be asked for, without an echo. No repr() shows one."""

    command: str  # what it is for: oper, login, register, password or drop
    name: str  # whose it is: an operator's, an account's
    first: str = field(default="", repr=False)  # a new one is asked for twice: what was typed the first time

    @property
    def is_new(self) -> bool:
        """Whether it is to be the password of the account that we are, or shall be: it is asked for twice."""
        return self.command in ("register", "password")

    def question(self, name: str) -> str:
        """In words, with the name as it is to be shown."""
        kind = "again" if self.first else "new" if self.is_new else "of"
        return t(f"screen.password_{kind}", name=name)


@dataclass(frozen=True)
class Given:
    """A password that was typed, for /login, /register, /password or /drop, and whose. No repr() shows it."""

    command: str
    name: str
    password: str = field(repr=False)


@dataclass
class Step:
    """What should happen now."""

    show: list[Line] = field(default_factory=list)
    send: list[str] = field(default_factory=list)
    say: list[Speech] = field(default_factory=list)
    recall: tuple[str, int] | None = None  # show so many lines of a room's past
    older: tuple[str, int] | None = None  # and so many of those before what was shown of it
    search: tuple[str, str] | None = None  # show the lines of a room in which these words stand
    save: Setting | None = None  # keep this in the settings file
    ask: Ask | None = None  # the user is to be asked for this password
    given: Given | None = None  # log in with it, make an account, change it, or drop the account
    reconnect: bool = False  # the user wants to come back now
    clear: bool = False  # the screen
    leave: str | None = None  # the user goes, with this goodbye
    lost: str = ""  # why this connection is dead
    failed: str = ""  # why there is no use in trying again
    status: int = UNCONNECTED  # the exit status of that failure
    outcome: int = WELL  # what a script is told of this, once it has done the rest

    def add(self, other: "Step") -> None:
        """Let `other` happen too, after what is here."""
        self.show += other.show
        self.send += other.send
        self.say += other.say
        self.save = other.save or self.save
        self.ask = self.ask or other.ask
        self.given = self.given or other.given
        self.reconnect = self.reconnect or other.reconnect
        self.clear = self.clear or other.clear
        self.leave = other.leave if self.leave is None else self.leave
        self.lost = self.lost or other.lost
        self.outcome = graver(self.outcome, other.outcome)
        if other.failed and not self.failed:
            self.failed, self.status = other.failed, other.status


def error(text: str) -> Step:
    """A step that only says what is wrong: a script was refused that."""
    return Step(show=[Line(text, ERROR)], outcome=REFUSED)


def note(text: str) -> Step:
    """A step that only says something of the client's own."""
    return Step(show=[Line(text, CLIENT)])
