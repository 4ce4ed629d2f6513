"""The judge of a chaos run: what every client said and read goes in, what went wrong comes out. Pure.

What it holds the server to: all members of a room see one order, without a gap; every line that was sent arrives once,
in its sender's order and byte for byte; an echo comes to those who asked for one, once; a private message reaches one
person; a nickname has one holder; no line is torn; no connection is lost. Tags come to those who know tags, with the
message, and to nobody else. The history says the same, and so does each answer about the past.
"""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import CycleError
from itertools import pairwise
from typing import NamedTuple

from mpchat.chat.names import fold
from scripts.chaos_run.answers import Answer, Known, Mark, Past, judged, judged_targets
from scripts.chaos_run.lines import SPEECH, Asked, Event, Lexicon, Log, Tags, fitted
from scripts.chaos_run.orders import differences, dissenters, merged

_OF_THE_PAST = ("begun", "ended", "gap", "target", "failed", "unfound")
KINDS = {
    "connection": "a connection ended by itself",
    "lost": "a line that was sent, or an arrival or a leaving, did not reach somebody",
    "echo": "an echo did not come to who had asked for it, or came to who had not",
    "doubled": "the same reached somebody twice",
    "reordered": "somebody saw an order that others, or the sender, did not",
    "torn": "somebody read what is no line of this chat, or what nobody sent",
    "strayed": "something reached somebody whom it was not for",
    "nickname": "one nickname, two holders",
    "tags": "a message had other tags than its sender gave it, or not the id or the time that others read",
    "answers": "a question about the past was not answered once, or not with what was told live",
    "history": "the history tells it differently",
}


class Finding(NamedTuple):
    kind: str  # one of KINDS
    who: str
    what: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.who}: {self.what}"


@dataclass
class Reading:
    """One client's lines, taken apart. Nothing stands in it twice."""

    log: Log
    views: dict[str, list[Event]] = field(default_factory=dict)  # by room: what it saw there, in order
    private: list[Event] = field(default_factory=list)  # said to it, or echoed to it
    read_at: dict[str, list[int]] = field(default_factory=dict)  # by room: how many lines it had read before each
    answers: list[str] = field(default_factory=list)
    past: list[Answer] = field(default_factory=list)  # answers about it
    open: Answer | None = None  # one that has begun
    shortened: list[str] = field(default_factory=list)
    here: list[str] = field(default_factory=list)  # the rooms it is in
    whereabouts: dict[str, list[str]] = field(default_factory=dict)  # of those whom it saw arrive


class _Room:
    """What is known of one room once its members' views have been put together."""

    def __init__(self, order: list[Event], sure: set[Event]) -> None:
        self.order = order
        self.sure = sure  # what must be in it
        self.places = {event: place for place, event in enumerate(order)}
        self.ends = {event.nick: place for event, place in self.places.items() if event.kind in ("left", "quit")}


class Checker:
    """check() first; then there are `orders` to compare a history with."""

    def __init__(
        self, logs: Sequence[Log], acceptor_kills: Sequence[float] = (), front_kills: Sequence[float] = ()
    ) -> None:
        self._logs = logs
        self._acceptor_kills = acceptor_kills
        for log in logs:
            alive = log.closed is not None and any(log.opened <= at <= log.closed for at in front_kills)
            log.ended_with_front = bool(log.lost) and log.secure and alive
        self._lexicon = Lexicon(logs)
        self._lasting = {log.nick for log in logs if log.lasting and not log.ended_with_front}
        # A quit is told once, and does not say of which room it is. These may quit only when the front is killed.
        self._rooms = {log.nick: log.rooms for log in logs if log.nick and (log.lasting or log.stays)}
        self._staying = self._lasting | {log.nick for log in logs if log.stays and not log.ended_with_front}
        self.orders: dict[str, list[Event]] = {}  # by room: what happened there, in the order that all saw
        self.deliveries = 0
        self.asked: Counter[str] = Counter()  # questions about the past: answered, failed
        self._marks: dict[Event, Mark] = {}  # of what was said: its id and time
        self._ids: dict[str, Event] = {}
        self.holes = 0  # connections that died with an acceptor before they heard a word: known, and counted apart
        self.findings: list[Finding] = []

    def check(self) -> list[Finding]:
        rooms: dict[str, list[Reading]] = defaultdict(list)
        readings = [self._read(log) for log in self._logs]
        for log, reading in zip(self._logs, readings, strict=True):
            self._check_connection(log)
            self._check_answers(reading)
            self._check_private(reading)
            for room in reading.views:
                rooms[room].append(reading)
        for room in sorted(rooms):
            self._check_room(room, rooms[room])
        self._check_nicknames()
        past = {room: Past(order, self._marks) for room, order in self.orders.items()}
        for reading in readings:
            self._check_past(reading, past)
        return self.findings

    def _find(self, kind: str, who: str, what: str) -> None:
        self.findings.append(Finding(kind, who, what))

    # What each client read

    def _read(self, log: Log) -> Reading:
        reading = Reading(log)
        seen: set[Event] = set()
        for number, line in enumerate(log.lines):
            event, tags = self._lexicon.look_up(line, log.plain)
            if event is None:
                self._find("torn", log.nick, f"read {_shown(line)}")
            elif not log.tagged and (event.kind == "tagged" or any(tags._replace(time=""))):
                self._find("strayed", log.nick, f"knows no tags, and read {_shown(line)}")
            elif tags.batch or event.kind in _OF_THE_PAST:
                self._take_past(reading, event, tags, number)
            elif event.kind == "answer":
                reading.answers.append(event.text)
            elif event.kind == "shortened":
                reading.shortened.append(event.text)
            elif event.kind != "service":
                if event.kind in SPEECH and log.tagged:
                    self._check_tags(log, event, tags)
                for placed in _placed(reading, event, self._rooms):
                    self._take(reading, placed, seen, number)
        if log.piece and log.whole:
            self._find("torn", log.nick, f"ends in {_shown(log.piece)}")
        if reading.open is not None and log.whole:
            self._find("answers", log.nick, "one was begun, and not ended")
        return reading

    def _check_tags(self, log: Log, event: Event, tags: Tags) -> None:
        """All who read a message live must have read the same."""
        if tags.relayed != self._lexicon.relayed[event]:
            self._find("tags", log.nick, f"read {tags.relayed!r} with {_told(event)}")
        mark = Mark(tags.id, tags.time)
        if not (mark.id and mark.time):
            self._find("tags", log.nick, f"read no id, or no time, with {_told(event)}")
        elif self._marks.setdefault(event, mark) != mark or self._ids.setdefault(mark.id, event) != event:
            self._find("tags", log.nick, f"read {' '.join(mark)} with {_told(event)}, which is not its own")

    def _take_past(self, reading: Reading, event: Event, tags: Tags, number: int) -> None:
        """A line of an answer about the past. Between two of them others may stand."""
        nick, answer = reading.log.nick, reading.open
        if event.kind in ("failed", "unfound"):
            reading.past.append(Answer(event.where, number, failed=event.text or "SEARCH"))
        elif event.kind == "begun" and answer is None:
            reading.open = Answer(event.where, number, event.text)
        elif event.kind == "ended" and answer is not None:
            reading.past.append(answer)
            reading.open = None
        elif tags.batch and event.kind in ("said", "tagged", "gap", "target") and answer is not None:
            answer.rows.append((event, tags))
        else:
            self._find("answers", nick, f"{event.kind} stands where it cannot: {_told(event)}")

    def _take(self, reading: Reading, event: Event, seen: set[Event], number: int) -> None:
        log = reading.log
        mine = event.nick == log.nick
        self.deliveries += event.kind in SPEECH
        if event in seen:
            self._find("doubled", log.nick, _told(event))
        elif event.kind in SPEECH and mine and not log.echo:
            self._find("echo", log.nick, f"never asked for {_told(event)}")
        elif not event.where.startswith("#"):
            if event.where == log.nick or mine:
                reading.private.append(event)
            else:
                self._find("strayed", log.nick, _told(event))
        elif event.where not in reading.here:
            self._find("strayed", log.nick, f"is not there: {_told(event)}")
        else:
            reading.views.setdefault(event.where, []).append(event)
            reading.read_at.setdefault(event.where, []).append(number)
        seen.add(event)
        if mine and event.kind == "left" and event.where in reading.here:
            reading.here.remove(event.where)

    def _check_connection(self, log: Log) -> None:
        if not log.lost or log.ended_with_front:
            return
        # A client of TLS is handed to the next acceptor by the front.
        silent = log.closed is not None and not (log.lasting or log.secure or log.lines or log.piece)
        if silent and any(log.opened <= at <= (log.closed or 0.0) for at in self._acceptor_kills):
            self.holes += 1
        else:
            self._find("connection", log.nick or "a newcomer", log.lost)

    def _check_answers(self, reading: Reading) -> None:
        log = reading.log
        if not log.whole:
            return
        for kind, token in differences(log.asked, reading.answers):
            self._find(kind, log.nick, f"the answer to {token}")
        if log.plain:
            texts = [(said.text, fitted(log, said)) for said in log.said]
            expected = [str(len(text.encode())) for whole, text in texts if text != whole]
            if reading.shortened != expected:
                what = f"was told of {len(reading.shortened)} lines too long, and not of {len(expected)}, or of others"
                self._find("lost" if len(reading.shortened) < len(expected) else "doubled", log.nick, what)

    def _check_private(self, reading: Reading) -> None:
        log = reading.log
        seen = set(reading.private)
        for event in self._lexicon.private[log.nick] if log.whole else ():
            mine = event.nick == log.nick
            if event not in seen and (log.echo or not mine) and _is_for(log, event):
                self._find("echo" if mine else "lost", log.nick, _told(event))
        self._check_turns(log.nick, reading.private)

    def _check_turns(self, who: str, events: list[Event]) -> None:
        """Each sender's lines must come in the order in which they were sent."""
        latest: dict[str, Event] = {}
        for event in events:
            before = latest.get(event.nick)
            if before is not None and self._lexicon.turns[before] > self._lexicon.turns[event]:
                self._find("reordered", who, f"{_told(event)} after {_told(before)}")
            latest[event.nick] = event

    # What happened in each room

    def _check_room(self, name: str, readings: list[Reading]) -> None:
        order = self.orders[name] = self._agree(name, readings)
        room = _Room(order, self._lexicon.sure[name])
        self._check_turns(name, [event for event in order if event.kind in SPEECH])
        self._check_holders(name, order)
        for event in sorted(room.sure - room.places.keys()):
            others = [reading.log for reading in readings if reading.log.nick != event.nick]
            if any(log.nick in self._lasting and _is_for(log, event) for log in others):
                self._find("lost", f"everybody in {name}", _told(event))
        for reading in readings:
            self._check_view(reading.log, reading.views[name], room)
        for event in order:
            if event.kind == "joined" and event.nick not in room.ends and event.nick not in self._staying:
                self._find("lost", f"everybody in {name}", f"{event.nick} has left, and nobody was told")

    def _agree(self, room: str, readings: list[Reading]) -> list[Event]:
        """The one order that holds all views. Those who saw it differently than most are named, and left out."""
        views = [reading.views[room] for reading in readings]
        try:
            return merged(views)
        except CycleError:
            others = dissenters(views)
        try:
            order = merged([view for number, view in enumerate(views) if number not in others])
        except CycleError:
            self._find("reordered", f"everybody in {room}", "there is no order that all could have seen")
            return []
        places = {event: place for place, event in enumerate(order)}
        for number in others:
            known = [event for event in views[number] if event in places]
            for before, after in pairwise(known):
                if places[before] > places[after]:
                    self._find("reordered", readings[number].log.nick, f"{_told(after)} after {_told(before)}")
        return order

    def _check_view(self, log: Log, view: list[Event], room: _Room) -> None:
        """From its arrival to its leaving, a client must have seen all. At the very end, who comes and goes may pass
        unseen: nobody waits for it."""
        seen = set(view)
        known = [room.places[event] for event in view if event in room.places]
        if not known:
            return
        start = room.places.get(Event("joined", view[0].where, log.nick), known[0])
        last = max(known)
        for place in range(start, room.ends.get(log.nick, len(room.order))):
            event = room.order[place]
            mine = event.nick == log.nick and event.kind in SPEECH
            due = (place < last or (log.whole and event in room.sure)) and _is_for(log, event)
            if due and event not in seen and (log.echo or not mine):
                self._find("echo" if mine else "lost", log.nick, _told(event))

    # Nicknames

    def _check_holders(self, room: str, order: list[Event]) -> None:
        holders: dict[str, str] = {}
        for event in order:
            if event.kind == "joined":
                other = holders.setdefault(fold(event.nick), event.nick)
                if other != event.nick:
                    self._find("nickname", event.nick, f"came to {room} while {other} was there")
            elif event.kind in ("left", "quit"):
                holders.pop(fold(event.nick), None)

    def _check_nicknames(self) -> None:
        taken = {fold(nick): nick for nick in self._lasting}
        for log in self._logs:
            if not log.lasting and fold(log.nick) in taken:
                self._find("nickname", log.nick, f"entered while {taken[fold(log.nick)]} was there")

    # The past, as it was told to who asked

    def _check_past(self, reading: Reading, past: Mapping[str, Past]) -> None:
        """Each question has one answer, in the order of the questions: nothing else says which answer is to which."""
        log = reading.log
        for number, answer in enumerate(reading.past):
            question = log.questions[number] if number < len(log.questions) else None
            if question is None or not answer.may_be_to(question):
                self._find("answers", log.nick, f"it did not ask for the answer number {number + 1}")
                return  # nor can be said what those behind it answer
            self.asked["failed" if answer.failed else "answered"] += 1
            if not answer.failed:
                self._judge(reading, question, answer, past)
        if log.whole:
            for question in log.questions[len(reading.past) :]:
                self._find("answers", log.nick, f"none came to {question.line}")

    def _judge(self, reading: Reading, question: Asked, answer: Answer, past: Mapping[str, Past]) -> None:
        for event, tags in answer.rows:
            if event.kind == "said" and (tags.relayed or Mark(tags.id, tags.time) != self._marks.get(event)):
                told = f"{' '.join(filter(None, tags[1:]))} with {_told(event)}, which live was told otherwise"
                self._find("answers", reading.log.nick, f"to {question.line}: {told}")
        rooms = {room: past[room] for room in reading.views if past[room].order}
        known = {
            room: Known(self._count(reading, room, each, question.read), self._count(reading, room, each, answer.read))
            for room, each in rooms.items()
        }
        if question.verb == "TARGETS":
            found = judged_targets(answer, rooms, known)
        elif question.room in rooms:
            found = judged(question, answer, rooms[question.room], known[question.room], self._ids)
        else:
            return  # there is no order to compare it with, and that was found
        for what in found:
            self._find("answers", reading.log.nick, f"to {question.line}: {what}")

    def _count(self, reading: Reading, room: str, past: Past, read: int) -> int:
        """How much of what was said in a room was said for sure when a client had read so many lines."""
        place = bisect_left(reading.read_at[room], read)
        return past.until(reading.views[room][place - 1]) if place else 0

    # The history

    def check_history(self, rows: Iterable[tuple[str, str, str]]) -> list[Finding]:
        """Rows are (room, nickname, text) of all that was said in rooms, oldest first. Returns what it adds."""
        before = len(self.findings)
        written: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for room, nick, text in rows:
            written[room].append((nick, text))
        for room in sorted(self.orders.keys() | written.keys()):
            heard = [(event.nick, event.text) for event in self.orders.get(room, []) if event.kind == "said"]
            for kind, (nick, text) in differences(heard, written[room]):
                self._find("history", room, f"{kind} there: {_told(Event('said', room, nick, text))}")
        return self.findings[before:]


def _placed(reading: Reading, event: Event, rooms: Mapping[str, list[str]]) -> Iterator[Event]:
    """An event with its room. Plain text has one room at a time and does not name it; a quit is told once for all.

    `rooms`: where those are who do not move.
    """
    log, kind, nick = reading.log, event.kind, event.nick
    if kind == "joined" and nick == log.nick:
        room = event.where or log.rooms[min(len(reading.views), len(log.rooms) - 1)]
        reading.here.append(room)
        yield event._replace(where=room)
    elif kind == "quit":
        seen = reading.whereabouts.pop(nick, reading.here)
        if log.plain:
            seen = reading.here  # who was seen to come into the room before may have followed
        elif nick in rooms:
            seen = [room for room in reading.here if room in rooms[nick]] or rooms[nick]
        for room in list(seen):
            yield event._replace(where=room)
    elif kind in ("joined", "left"):
        room = event.where or (reading.here[0] if reading.here else "#?")
        known = reading.whereabouts.setdefault(nick, [])
        if kind == "joined" and room not in known:
            known.append(room)
        elif kind == "left" and room in known:
            known.remove(room)
        yield event._replace(where=room)
    else:
        yield event


def _is_for(log: Log, event: Event) -> bool:
    """Who knows no tags gets no message that has nothing else."""
    return log.tagged or event.kind != "tagged"


def _told(event: Event) -> str:
    text = event.text if len(event.text) <= 40 else event.text[:40] + "..."
    if event.kind == "said":
        return f"<{event.nick} -> {event.where}> {text}"
    return f"{event.nick} {event.kind} {event.where} {text}".rstrip()


def _shown(line: bytes) -> str:
    return repr(line if len(line) <= 120 else line[:120] + b"...")
