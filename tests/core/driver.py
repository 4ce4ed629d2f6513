"""A core driven alone: what the broker and the workers do around it, without processes, sockets or a clock.

driver = Driver()
ana = driver.irc("ana")
assert ana.send("PING x") == [":mpchat.local PONG mpchat.local :x"]
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from hashlib import sha256
from typing import Any

from mpchat.core.machine import Applied, Core
from mpchat.core.state import dump_asked
from mpchat.messages import Fact, Item, Record
from mpchat.settings import ChatSettings, Settings, pack

WALL = 1_700_000_000_123  # 2023-11-14 22:13:20.123 UTC
LINE_BYTES = 8191  # a worker's one limit on a line
UTC_OFFSET = 60  # minutes: people here read 23:13

Routed = tuple[int, Item]
Asked = tuple[str, int, int, str, Any]  # "ask", connection, end of the line that asks, kind, about


def routed(applied: Applied) -> list[Routed]:
    """Each item with its worker."""
    return [(worker, item) for worker, items in enumerate(applied.items) for item in items]


def hashed(token: str) -> str:
    """A resume token of a test's, such as "old", as a record has it."""
    return token if token == "*" else sha256(token.encode()).hexdigest()


class Follower:
    """A worker without sockets: what it would have sent to each of its connections. It is strict about its orders."""

    def __init__(self) -> None:
        self.output: dict[int, bytearray] = {}
        self.closed: dict[int, bool] = {}
        self.groups: dict[int, list[int]] = {}
        self.taken: dict[int, int] = {}
        self.probed: list[int] = []
        self.drains: dict[int, int] = {}  # whose output the core waits for, and the number of that wait
        self.ended = False

    def apply(self, item: Item) -> None:
        assert not self.ended, f"after the last item of all: {item}"
        match item:
            case ("open", connection):
                assert connection not in self.closed
                self.output[connection] = bytearray()
                self.closed[connection] = False
            case ("send", connection, data):
                self._append(connection, data)
            case ("cast", groups, data, but):
                for connection in dict.fromkeys(member for group in groups for member in self.groups[group]):
                    if connection != but:
                        self._append(connection, data)
            case ("join", group, connection):
                members = self.groups.setdefault(group, [])
                assert connection not in members
                assert not self.closed[connection]
                members.append(connection)
            case ("leave", group, connection):
                self.groups[group].remove(connection)
                if not self.groups[group]:
                    del self.groups[group]
            case ("ack", connection, end):
                assert not self.closed[connection]
                assert end > self.taken.get(connection, 0), "acknowledgements rise"
                self.taken[connection] = end
            case ("drain", connection, number):
                assert not self.closed[connection]
                self.drains[connection] = number
            case ("probe", connection):
                assert not self.closed[connection]
                self.probed.append(connection)
            case ("close", connection):
                assert not self.closed[connection]
                self.closed[connection] = True
            case ("end",):
                assert all(self.closed.values())
                self.ended = True
            case _:
                raise AssertionError(f"no worker knows {item}")

    def _append(self, connection: int, data: bytes) -> None:
        assert not self.closed[connection], f"said to {connection} after its end: {data!r}"
        assert data.endswith(b"\n"), f"a torn line: {data!r}"
        self.output[connection] += data


class Driver:
    """The rest of the server. Each feed() is one batch; time stands still until pass_time()."""

    def __init__(self, chat: ChatSettings = Settings.chat, workers: int = 2) -> None:
        self.core = Core()
        self.chat = chat
        self.journal: list[tuple[Record, ...]] = []
        self.everybody_reads = True  # else what was sent to somebody is on its way until drained() says that it is out
        self.wall, self.mono, self.utc_offset = WALL, 0, UTC_OFFSET
        self.start(workers)

    def start(self, workers: int = 2) -> None:
        """A run of the server begins. Of an earlier one there is only what the core remembers."""
        self.workers = [Follower() for _ in range(workers)]
        self.people: list[Person] = []
        self.asked: list[Asked] = []
        self._facts: list[Fact] = []
        self.feed(("start", pack(self.chat), workers, self.utc_offset, self.wall, self.mono))

    def replace_broker(self) -> None:
        """Another one has the same state, but not the answers; the workers forward again what it has not accepted."""
        self.core = Core.load(self.core.dump())
        self.asked = []
        self.feed(*[("again", connection) for connection in self.core.questions()])
        for worker in range(len(self.workers)):
            for connection, accepted, begun, discarding in self.core.inputs(worker):
                person = self.people[connection - 1]
                self.feed(*person.forward_again(accepted, begun, discarding))
                if person.left:
                    self.feed(("gone", connection, person.left))
            assert dict(self.core.drains(worker)) == {
                id: number for id, number in self.workers[worker].drains.items() if not self.workers[worker].closed[id]
            }

    def feed(self, *records: Record) -> list[Routed]:
        """Apply a batch, and do what follows."""
        self.journal.append(records)
        for record in records:
            if record[0] == "gone" and record[1] <= len(self.people):
                self.people[record[1] - 1].left = record[2]
        applied = self.core.apply(records)
        items = routed(applied)
        self.asked += [("ask", each.connection, each.end, *dump_asked(each.question)) for each in applied.asked]
        self._facts += applied.facts
        for worker, item in items:
            self.workers[worker].apply(item)
        for follower in self.workers if self.everybody_reads else []:
            for connection in list(follower.drains):
                items += self.feed(("drained", connection, follower.drains.pop(connection)))
        return items

    def facts(self) -> list[Fact]:
        """What was said in channels since the last call."""
        facts, self._facts = self._facts, []
        return facts

    def drained(self, person: Person) -> list[Routed]:
        """If the core waits for them: they have taken what they were sent."""
        number = self.workers[person.worker].drains.pop(person.id, None)
        return [] if number is None else self.feed(("drained", person.id, number))

    def pass_time(self, seconds: float) -> list[Routed]:
        """As in a broker, which wakes up for each deadline."""
        items: list[Routed] = []
        end = self.mono + int(seconds * 1000)
        while (due := self.core.next_deadline) < end:
            items += self.stand_still((due - self.mono) / 1000)
        return items + self.stand_still((end - self.mono) / 1000)

    def stand_still(self, seconds: float) -> list[Routed]:
        """The whole server was stopped for so long: it did not wake up for anything."""
        milliseconds = max(0, round(seconds * 1000))
        self.wall += milliseconds
        self.mono += milliseconds
        return self.feed(("clock", self.wall, self.mono, self.utc_offset))

    def answer(self, answer: Any) -> list[Routed]:
        """To the question that was asked last."""
        return self.feed(("answer", self.asked[-1][1], answer))

    def connect(
        self, *, plain: bool = False, worker: int | None = None, host: str = "127.0.0.1", secure: bool = False
    ) -> Person:
        """Somebody new, on the workers in turn unless one is named. `secure`: by TLS."""
        id = len(self.people) + 1
        where = (id - 1) % len(self.workers) if worker is None else worker
        person = Person(self, id, where, plain)
        self.people.append(person)
        self.feed(("open", where, id, "plain" if plain else "irc", host, secure))
        return person

    def irc(
        self, nick: str, *, caps: str = "", worker: int | None = None, tokens: tuple[str, str] | None = None
    ) -> Person:
        """Somebody who has entered; the greeting is read. `tokens`: RESUME is sent, as redaction leaves it."""
        person = self.connect(worker=worker)
        if tokens is not None:
            person.send("CAP REQ :mpchat.org/resume", f"RESUME {' '.join(map(hashed, tokens))}")
        if caps:
            person.send(f"CAP REQ :{caps}")
        person.send(f"NICK {nick}", f"USER {nick} 0 * :{nick.title()} Realname", "CAP END")
        return person

    def plain(self, nick: str, *, worker: int | None = None) -> Person:
        person = self.connect(plain=True, worker=worker)
        person.send(nick)
        return person


class Person:
    """One connection, as whoever sits at its other end sees it."""

    def __init__(self, driver: Driver, id: int, worker: int, plain: bool) -> None:
        self.driver, self.id, self.worker, self.plain = driver, id, worker, plain
        self.stream = bytearray()  # all the input so far
        self.left = ""  # why, if there will be no more
        self._read = 0  # bytes of output that heard() has returned

    def records(self, lines: Iterable[str | bytes]) -> list[Record]:
        """The lines as its worker would forward them: IRC's end in CR LF, nc's in LF."""
        records: list[Record] = []
        for line in lines:
            data = (line.encode() if isinstance(line, str) else line) + (b"" if self.plain else b"\r")
            self.stream += data + b"\n"
            records.append(("line", self.id, self.sent, data))
        return records

    def piece(self, data: str | bytes) -> Record:
        """The beginning of a line, or more of it: the next line of records() ends it."""
        data = data.encode() if isinstance(data, str) else data
        self.stream += data
        return ("part", self.id, self.sent, data)

    def too_long(self, *pieces: bytes, is_over: bool = True) -> list[Record]:
        """More than anybody can take, in pieces; the line's end with the last of them, or later."""
        records: list[Record] = []
        for number, piece in enumerate(pieces, 1):
            over = is_over and number == len(pieces)
            self.stream += piece + (b"\n" if over else b"")
            records.append(("overlong" if number == 1 else "rest", self.id, self.sent, over))
        return records

    def forward_again(self, accepted: int, begun: int, discarding: bool) -> list[Record]:
        """What a worker does that knows nothing but how far the broker has come."""
        assert 0 <= begun <= accepted <= self.sent
        records: list[Record] = []
        for line in filter(None, re.split(rb"(?<=\n)", self.stream[accepted:])):
            accepted += len(line)
            is_over = line.endswith(b"\n")
            if discarding:
                records.append(("rest", self.id, accepted, is_over))
                discarding = not is_over
            elif begun + len(line) > LINE_BYTES + is_over:
                records.append(("overlong", self.id, accepted, is_over))
                begun, discarding = 0, not is_over
            else:
                records.append(("line" if is_over else "part", self.id, accepted, line.removesuffix(b"\n")))
        return records

    def send(self, *lines: str | bytes) -> list[str]:
        """Send lines as one batch; returns what was heard since, one's own answers among it."""
        self.driver.feed(*self.records(lines))
        return self.heard()

    def heard(self) -> list[str]:
        """The lines that came since the last look, without their line ends."""
        data = bytes(self.output[self._read :])
        self._read = len(self.output)
        return [line.removesuffix(b"\r").decode() for line in data.split(b"\n")[:-1]]

    def gone(self, reason: str = "Connection closed") -> None:
        self.driver.feed(("gone", self.id, reason))

    @property
    def sent(self) -> int:
        """Bytes of input so far."""
        return len(self.stream)

    @property
    def output(self) -> bytearray:
        return self.driver.workers[self.worker].output[self.id]

    @property
    def closed(self) -> bool:
        return self.driver.workers[self.worker].closed[self.id]
