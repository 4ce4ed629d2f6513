"""What the lines mean that clients of a chaos run read. Pure.

A line that somebody said is known byte for byte, as each dialect shows it; all others must have one of a few forms. A
line that is neither was torn, or made up.
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from mpchat.protocol.message import BODY_BYTES, cut

HOST = "127.0.0.1"
SERVER = "mpchat.local"


class Said(NamedTuple):
    """A line as a client sent it. The texts of one client all differ: they begin with a number. So do its tags."""

    target: str  # a room or a nickname
    text: str  # "" for TAGMSG
    tags: str = ""  # client-only ones (IRCv3 message-tags), as they stand before the line

    @property
    def line(self) -> str:
        """As IRC has it, without a line end."""
        command = f"PRIVMSG {self.target} :{self.text}" if self.text else f"TAGMSG {self.target}"
        return f"@{self.tags} {command}" if self.tags else command


class Asked(NamedTuple):
    """A question about the past: CHATHISTORY (IRCv3 chathistory), or SEARCH (soju.im/search)."""

    verb: str
    room: str  # "" for TARGETS, which asks about all of them
    bounds: tuple[str, ...]  # msgid=..., timestamp=...
    limit: int
    read: int  # how many lines the client had read when it asked
    words: str = ""  # for SEARCH

    @property
    def line(self) -> str:
        if self.verb == "SEARCH":
            return f"SEARCH in={self.room};text={self.words};limit={self.limit}"
        return " ".join(filter(None, ("CHATHISTORY", self.verb, self.room, *(self.bounds or "*"), str(self.limit))))


@dataclass
class Log:
    """What one client said, asked and read. Times in monotonic seconds."""

    nick: str  # as the server accepted it, "" before it did
    user: str = "~u"
    plain: bool = False
    echo: bool = False  # it asked for echo-message
    tagged: bool = False  # it asked for message-tags, server-time, batch, draft/chathistory, soju.im/search
    lasting: bool = False  # it was there before the first word and until the last
    stays: bool = False  # it came later, and was there until the last
    secure: bool = False  # it came by TLS
    rooms: list[str] = field(default_factory=list)  # those it asked to enter, in order; in plain text one at a time
    said: list[Said] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)  # tokens that must come back
    questions: list[Asked] = field(default_factory=list)
    lines: list[bytes] = field(default_factory=list)  # what it read, with line ends
    piece: bytes = b""  # and what came after the last line end
    sure: bool = True  # what it said must arrive: it has not reset its connection
    whole: bool = True  # it has read until there was nothing more for it
    lost: str = ""  # how its connection ended without its will
    ended_with_front: bool = False  # in that way, as a client of TLS may when the front is killed
    opened: float = 0.0
    closed: float | None = None  # None where it was not the server who closed it

    @property
    def prefix(self) -> str:
        return f"{self.nick}!{self.user}@{HOST}"


class Event(NamedTuple):
    """What a line means.

    said, joined, left, quit   in a room, or said to one person: `where`, by `nick`; text, or why they quit
    tagged                     tags without a text, in a room or to one person: `text` is the tags
    answer                     `text` is the token that was asked
    begun, ended               of an answer about the past: `text` is the batch's type; `where`, if it says so
    gap, target                a row of such an answer that is no message; `text` is the target's time
    failed, unfound            instead of an answer, and instead of one to SEARCH: `text` is the question's verb
    shortened                  to who said too much: `text` is how many bytes were sent on
    service                    greetings, names, farewells
    """

    kind: str
    where: str = ""
    nick: str = ""
    text: str = ""


class Tags(NamedTuple):
    """What stood before a line."""

    batch: str = ""
    time: str = ""
    id: str = ""
    relayed: str = ""  # a client's


SPEECH = ("said", "tagged")
_NO_TAGS = Tags()
_CLOCK = re.compile(rb"\[\d\d:\d\d\] ")
_TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
_TAGS = re.compile(
    rf"@(?!$)(?:batch=(?P<batch>\w+)(?:;(?=.)|$))?(?:time=(?P<time>{_TIME})(?:;(?=.)|$))?"
    r"(?:msgid=(?P<id>[a-z0-9-]+)(?:;(?=.)|$))?(?P<relayed>\+.+)?"
)
_BY = rf":(?P<nick>[^ !]+)![^ @]+@{re.escape(HOST)}"
_FROM = rf":{re.escape(SERVER)}"
_WELCOME = "00[1-5]|25[1-5]|26[56]|422"
_IRC = {
    "joined": rf"{_BY} JOIN (?P<where>#\S+)",
    "left": rf"{_BY} PART (?P<where>#\S+)",
    "quit": rf"{_BY} QUIT :(?P<text>.*)",
    "answer": rf"{_FROM} PONG {re.escape(SERVER)} :(?P<text>\S+)",
    "begun": rf"{_FROM} BATCH \+history (?P<text>(?:draft/)?chathistory(?:-targets)?|soju\.im/search)"
    r"(?: (?P<where>#\S+))?",
    "ended": rf"{_FROM} BATCH -history",
    "gap": rf"{_FROM} NOTICE (?P<where>#\S+) :some messages are missing here",
    "target": rf"{_FROM} CHATHISTORY TARGETS (?P<where>#\S+) (?P<text>{_TIME})",
    "failed": rf"{_FROM} FAIL CHATHISTORY MESSAGE_ERROR (?P<text>[A-Z]+)(?: (?P<where>#\S+))?"
    " :Messages could not be retrieved",
    "unfound": rf"{_FROM} FAIL SEARCH INTERNAL_ERROR :the (?:history does not answer|search took too long).*",
    "gone": rf"{_FROM} 401 [^ ]+ (?P<where>[^ ]+) :No such nick/channel",
    "service": rf"{_FROM} (?:{_WELCOME}|353|366|433|CAP) [^ ]+ .+|ERROR :Closing link: \S+ \(.*\)|PING :{SERVER}",
}
_PLAIN = {
    "joined": r"\* (?P<nick>\S+) joined",
    "left": r"\* (?P<nick>\S+) left",
    "quit": r"\* (?P<nick>\S+) quit \((?P<text>.*)\)",
    "answer": r"! there is no /(?P<text>\S+), /help shows the commands",
    "shortened": r"! that was too long: only its first (?P<text>\d+) bytes were sent",
    "gone": r"! nobody here is called (?P<where>\S+)",
    "service": r"Welcome to mpchat\.|Type your nickname and press Enter\.|\* you are \S+; /help .*|\* in #\S+: .*"
    r"|! \S+ is taken, try another nickname|\* goodbye \(.*\)",
}


def fitted(log: Log, said: Said) -> str:
    """What the server must make of it: as much as one IRC line holds behind the sender's prefix."""
    return cut(said.text, BODY_BYTES - len(f":{log.prefix} PRIVMSG {said.target} :".encode()))


def _apart(line: bytes) -> tuple[Tags, bytes]:
    """A line's tags, and the line without; no tags where they do not have the form that they must have."""
    before, _, body = line.partition(b" ")
    found = _TAGS.fullmatch(before.decode(errors="replace"))
    if found is None:
        return _NO_TAGS, line
    return Tags(**{name: value or "" for name, value in found.groupdict().items()}), body


class Lexicon:
    """Every line that may be read, and what it means."""

    def __init__(self, logs: Iterable[Log]) -> None:
        self.turns: dict[Event, int] = {}  # of all that was said: the how-many-th of its sender
        self.relayed: dict[Event, str] = {}  # and the tags with which
        self.sure: dict[str, set[Event]] = defaultdict(set)  # by room: what must arrive there
        self.private: dict[str, list[Event]] = defaultdict(list)  # by nickname: what must come to it, or be echoed
        self._known: dict[bool, dict[bytes, Event]] = {False: {}, True: {}}  # by dialect: is it plain text?
        self._forms = {
            plain: [(kind, re.compile(f"(?:{form})" + ("\n" if plain else "\r\n"))) for kind, form in forms.items()]
            for plain, forms in ((False, _IRC), (True, _PLAIN))
        }
        self._gone = {log.nick for log in logs if log.ended_with_front}
        for log in logs:
            self._learn(log)

    def _learn(self, log: Log) -> None:
        for turn, said in enumerate(log.said):
            text = fitted(log, said)
            kind = "said" if text else "tagged"
            event = Event(kind, said.target, log.nick, text or said.tags)
            self.turns[event] = turn
            self.relayed[event] = said.tags
            if log.sure and said.target not in self._gone:  # to these it may have been too late
                self._expect(event)
            if kind == "tagged":
                self._known[False][f"{said.tags} :{log.prefix} TAGMSG {said.target}\r\n".encode()] = event
                continue
            to = "" if said.target.startswith("#") else " -> you"
            self._known[False][f":{log.prefix} PRIVMSG {said.target} :{text}\r\n".encode()] = event
            self._known[True][f"<{log.nick}{to}> {text}\n".encode()] = event

    def _expect(self, event: Event) -> None:
        if event.where.startswith("#"):
            self.sure[event.where].add(event)
        else:
            self.private[event.where].append(event)
            self.private[event.nick].append(event)

    def look_up(self, line: bytes, plain: bool) -> tuple[Event | None, Tags]:
        """None where the line is none that may be. Events in plain text do not say in which room."""
        tags, body = _NO_TAGS, line
        if plain:
            body = _CLOCK.sub(b"", line, count=1) if line.startswith(b"[") else line
        elif line.startswith(b"@"):
            tags, body = _apart(line)
        event = self._known[plain].get(body)
        if event is None and tags.relayed:
            event = self._known[plain].get(tags.relayed.encode() + b" " + body)
        return event if event is not None else self._match(body, plain), tags

    def _match(self, body: bytes, plain: bool) -> Event | None:
        try:
            text = body.decode()
        except UnicodeDecodeError:
            return None
        if not text.rstrip("\r\n").isprintable() or (not plain and len(body) > BODY_BYTES + 2):
            return None
        for kind, form in self._forms[plain]:
            found = form.fullmatch(text)
            if found is not None and kind == "gone":
                return Event("service") if found["where"] in self._gone else None
            if found is not None:
                return Event(kind, **{name: value or "" for name, value in found.groupdict().items()})
        return None
