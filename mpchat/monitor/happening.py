"""What has happened, record by record: a fresh core replays a journal, and what follows from each is noted. Pure.

A broker applies a block as a whole; here each record is one, so that its items are known. That changes no item but the
acknowledgements, of which each record has its own.

What is noted is cheap, for it is noted of each record of a journal, and hardly any of them is told. Who hears an item
is a tuple, which all items to that group share until its members change; what a connection was called is found out
when it is told.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Container, Iterable, Iterator, Sequence
from typing import NamedTuple

from mpchat.chat.events import Said
from mpchat.chat.names import fold
from mpchat.chat.sessions import Session
from mpchat.chat.text import clean
from mpchat.core.machine import Applied, Core, connection_of
from mpchat.core.tracing import Tracing
from mpchat.messages import ConnectionId, GroupId, Item, Ms, Record, Report, UnknownMessage, WorkerNumber
from mpchat.monitor.hearing import Hearer, Hearing, Redacted, Sent
from mpchat.protocol.connection import Connection, Held

Block = tuple[int, list[Record]]  # with its position in the journal


class Happening(NamedTuple):
    """A record, and what followed from it."""

    number: int  # of this record, of all that were replayed
    place: int  # in the journal: where its block begins, plus its rank there
    wall: Ms
    utc_offset: int  # minutes
    record: Record
    connection: ConnectionId  # 0: it is none's
    name: str  # the connection's nickname before it, or if it had none yet, after it
    dialect: str
    worker: int  # -1: none
    line: str  # what came, if that was a whole line, without what is secret or private
    waits: bool  # what has come waits for an answer to a question, this record's or an earlier one's
    sent: list[Sent]
    reports: list[Report]
    redacted: Redacted
    hearing: Hearing | None

    @property
    def hides(self) -> bool:
        return self.redacted.hides_line or any(each.hides for each in self.sent)


class Wanted(NamedTuple):
    """Of all that happens, what concerns this nickname, or happens in this room; "" means any. With both: what happens
    in the room, and whether the nickname hears it.
    """

    nick: str = ""
    room: str = ""
    with_private: bool = False
    since: int = 0  # the place of the first record that is wanted


class _Line(NamedTuple):
    """What a client has sent."""

    raw: bytes
    whole: str  # but for a room's key
    shown: str  # and for what is private, unless that is wanted

    @property
    def private_words(self) -> set[str]:
        """Those that a reader of what is shown does not see; single letters are in everything."""
        return {word for word in set(self.whole.split()) - set(self.shown.split()) if len(word) > 1}


class _Private(Tracing):
    """Traces what is said to one person."""

    def __init__(self) -> None:
        super().__init__(())

    def of(self, said: Said, now: Ms) -> list[int]:
        return [1] if isinstance(said.to, Session) else []


class Replay:
    """Of one journal, from the state that a core has dumped, or from nothing (None).

    `code`: the hash of that with which the run of the state began, "": not known. Raises ValueError at a state that no
    core of this program can load.
    """

    def __init__(self, state: bytes | None, code: str, wanted: Wanted) -> None:
        self.core = Core() if state is None else Core.load(state)
        self.core.tracing = _Private()
        self.records = 0
        self.place = 0  # of the record that is being replayed
        self.codes = [code]  # of all runs
        self._wanted = wanted
        self._hearer = Hearer(self.core, wanted.nick, wanted.room)
        self._names: dict[ConnectionId, tuple[list[int], list[str]]] = {}  # from which record on, which name
        self._look_around()

    def _look_around(self) -> None:
        """Who is here, and in which groups, as the core has it."""
        self._members: dict[GroupId, tuple[ConnectionId, ...]] = {}
        self._channels: dict[GroupId, str] = {}
        for session in self.core.hub.sessions.values():
            connection = self.core.connection(session.id)
            self._note_name(session)
            for group, channel in self.core.groups_of(connection).items() if connection is not None else ():
                self._members[group] = (*self._members.get(group, ()), session.id)
                self._channels[group] = channel.folded

    def _forget_names(self) -> None:
        """The next run counts its connections from the beginning again."""
        for since, names in self._names.values():
            since.append(self.records)
            names.append("")

    def _note_name(self, session: Session) -> None:
        since, names = self._names.setdefault(session.id, ([], []))
        if session.nick and (not names or names[-1] != session.nick):
            since.append(self.records)
            names.append(session.nick)

    def name(self, id: ConnectionId, number: int) -> str:
        """What this connection was called when the record of this number had happened; "": it had no name yet."""
        found = self._names.get(id)
        if found is None:
            return ""
        since, names = found
        if len(names) == 1:  # hardly anybody changes it
            return names[0] if since[0] <= number else ""
        at = bisect_right(since, number)
        return names[at - 1] if at else ""

    def rooms(self) -> list[str]:
        """All that there are, or were since the last run began, folded."""
        return list(dict.fromkeys([*self.core.hub.channels, *self.core.hub.dormant, *self._channels.values()]))

    def nicknames(self) -> list[str]:
        """All that anybody has had, folded."""
        return list(dict.fromkeys(fold(name) for _, names in self._names.values() for name in names if name))

    def happenings(self, blocks: Iterable[Block], skipped: Container[int] = ()) -> Iterator[Happening]:
        """What is wanted of these blocks, without the records at these places: see left_out()."""
        for start, block in blocks:
            for place, record in enumerate(block, start + 1):
                if place not in skipped or record[0] == "start":
                    happening = self._happen(place, record)
                    if happening is not None and place >= self._wanted.since:
                        yield happening

    def _happen(self, place: int, record: Record) -> Happening | None:
        self.records += 1
        self.place = place
        id = connection_of(record)
        connection = self.core.connection(id) if id else None
        name = connection.session.nick if connection is not None else ""
        has_waited = connection is not None and connection.asked is not None
        held = list(connection.held) if connection is not None else []
        begun, is_repeat, target, lines = b"", False, "", []
        if connection is not None:
            begun = connection.part
            found, part = _lines(begun, held)
            if record[0] == "line":
                found = [(part + record[3]).removesuffix(b"\r")]
                is_repeat = record[2] <= connection.accepted
                target = _target(connection, found[0]) if self._wanted.room else ""
            lines = [self._line(connection, each) for each in found]
        keys = self._keys(lines)
        applied = self.core.apply((record,))
        if applied.has_begun:
            self.codes.append(str(record[7]) if len(record) > 7 else "")
            self._forget_names()
            self._look_around()
        connection = connection or (self.core.connection(id) if id else None)
        if connection is not None:
            self._note_name(connection.session)
            if record[0] != "line":  # of those that waited, those that do no longer
                lines = lines[: len(_lines(begun, held[: len(held) - len(connection.held)])[0])]
        sent = self._sent(applied)
        line = lines[0].shown if lines and record[0] == "line" else ""
        private = [each for each in lines if each.shown != each.whole]
        words = frozenset(word for each in private for word in each.private_words)
        redacted = Redacted(id, bool(private), keys, words)
        is_concerned = self._hearer.is_concerned(record, id, line, target, sent)
        hearing = self._hearer.after(record, place, id, line, "" if has_waited else target, sent, redacted)
        if is_repeat or not is_concerned or (record[0] == "clock" and not (sent or applied.audit)):
            return None
        wall, utc_offset = self.core.time
        return Happening(
            number=self.records,
            place=place,
            wall=wall,
            utc_offset=utc_offset,
            record=record,
            connection=id,
            name=name or self.name(id, self.records),
            dialect=connection.dialect.name if connection is not None else "",
            worker=connection.worker if connection is not None else -1,
            line=line,
            waits=connection is not None and connection.asked is not None,
            sent=sent,
            reports=applied.audit,
            redacted=redacted,
            hearing=hearing,
        )

    def _line(self, connection: Connection, raw: bytes) -> _Line:
        whole = connection.dialect.shown(raw, with_private=True)
        return _Line(raw, whole, whole if self._wanted.with_private else connection.dialect.shown(raw, False))

    def _keys(self, lines: Iterable[_Line]) -> frozenset[str]:
        """The words that may be a room's key in what follows from these lines: what any of them asks for, or sets.

        Each room has one key at a time, and one line may set several, and take them away.
        """
        keys: set[str] = set()
        for each in lines:
            if "mode" in each.whole.lower():
                words = {word.removeprefix(":") for word in clean(each.raw.decode(errors="replace")).split()}
                keys |= words - {word.removeprefix(":") for word in each.whole.split()}
                keys.update(*(channel.key.split() for channel in self.core.hub.channels.values()))
        return frozenset(keys)

    def _sent(self, applied: Applied) -> list[Sent]:
        private = {place for marked in applied.marked for place in marked.items}
        return [
            self._item(WorkerNumber(worker), item, (worker, index) in private and not self._wanted.with_private)
            for worker, items in enumerate(applied.items)
            for index, item in enumerate(items)
        ]

    def _item(self, worker: WorkerNumber, item: Item, hides: bool) -> Sent:
        match item:
            case ("cast", groups, _, exclude):
                to = self._members.get(groups[0], ()) if len(groups) == 1 else self._together(groups)
                return Sent(worker, item, to, exclude, tuple(self._channels.get(group, "") for group in groups))
            case ("join", group, id):
                self._members[group] = (*self._members.get(group, ()), id)
                connection = self.core.connection(id)
                if group not in self._channels and connection is not None:
                    found = self.core.groups_of(connection)
                    self._channels.update((each, channel.folded) for each, channel in found.items())
                return Sent(worker, item, (id,), channels=(self._channels.get(group, ""),))
            case ("leave", group, id):
                self._members[group] = tuple(member for member in self._members.get(group, ()) if member != id)
                return Sent(worker, item, (id,), channels=(self._channels.get(group, ""),))
            case ("end",):
                return Sent(worker, item, ())
            case ("open" | "send" | "ack" | "probe" | "drain" | "close", id, *_):
                return Sent(worker, item, (id,), hides=hides)
            case _:
                raise UnknownMessage(item)

    def _together(self, groups: tuple[GroupId, ...]) -> tuple[ConnectionId, ...]:
        return tuple(dict.fromkeys(id for group in groups for id in self._members.get(group, ())))


def left_out(blocks: Iterable[Block]) -> set[int]:
    """The places of the records that brokers left out. The note that says so stands behind the record itself."""
    return {record[1] for _, block in blocks for record in block if record[0] == "skip"}


def _target(connection: Connection, raw: bytes) -> str:
    """The room or person that a line of the common kind speaks to, folded."""
    speech = connection.dialect.speech(connection, raw)
    return fold(speech[0]) if speech is not None else ""


def _lines(part: bytes, held: Sequence[Held]) -> tuple[list[bytes], bytes]:
    """The whole lines of what begins with `part`, and what has not ended of another one."""
    lines = []
    for kind, _, what, _ in held:
        if kind == "line":
            lines.append((part + what).removesuffix(b"\r"))
        part = part + what if kind == "part" else b"" if kind != "gone" else part
    return lines, part
