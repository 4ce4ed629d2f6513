"""A trip: the way of one message through the server, joined from what its processes have noted in their rings. Pure.

Each point has the point before it, of which it is the consequence. So the way from the first look at the line to the
last send() is a chain, and what its hops took adds up exactly to what the whole took: all are differences of one clock.
Beside the chain are the sends of others, and what happens behind them: the line is acknowledged, and recorded.

Where a process dies the message is not lost: it waits where the dead one had not taken it from, or had written it to,
and the next process finds it there. Such a wait is a hop of its own, and a point says where it was (WAITS).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple, TypeAlias

from mpchat.ipc.trace_ring import Entry, Hop

DIED = "DIED"  # a point that is no hop of the message: a process on its way has died
WAITS = ("kernel", "journal", "outbox")  # the client's receive buffer, the broker's journal, its outbox for a worker
Rings: TypeAlias = Mapping[str, Sequence[Entry]]  # by role, each in order
_Key: TypeAlias = tuple[str, int]  # of an entry: the role, and its place in that ring


class Server(NamedTuple):
    """What of a server decides which points a trip has. `ipc`: the transport, a file by its name alone."""

    ipc: str = "queue"
    has_history: bool = True


class Death(NamedTuple):
    """Of a process. `at`: when it was noticed, monotonic ns; `until`: when a successor was at work, None: not yet."""

    role: str
    pid: int
    at: int
    how: str = ""
    until: int | None = None


class Point(NamedTuple):
    """`what`: a hop's name, or DIED. `after`: the number of the point before it, None: it is the first.

    `waited`: where the message was until now because a process had died, one of WAITS or "". `size`, `depth` and
    `connection` and `worker` as in Entry. `has_failed`: nothing came of it, because a process died.
    """

    what: str
    role: str
    pid: int
    at: int
    after: int | None
    connection: int = 0
    size: int = 0
    depth: int = 0
    worker: int = -1
    waited: str = ""
    how: str = ""
    has_failed: bool = False


class Lack(NamedTuple):
    """What a trip does not have yet: where the message waits, and for which process.

    what: "routed", "outbox", "queue", "taken" (not appended), "sent", "acknowledged", "facts", "recorded"
    """

    what: str
    role: str
    done: int = 0
    of: int = 0


@dataclass
class Trip:
    """Of the message whose line ends at the offset `place` of a connection's input."""

    trace: int
    connection: int
    place: int
    server: Server
    is_private: bool = False
    points: list[Point] = field(default_factory=list)
    lacks: list[Lack] = field(default_factory=list)
    sends: list[int] = field(default_factory=list)  # the points that brought it to a client, one for each, in time

    @property
    def first(self) -> int | None:
        """When a process first saw the line; None where the ring has lost that."""
        return next((point.at for point in self.points if point.what == Hop.SAW.name), None)

    @property
    def last(self) -> int | None:
        """When the last send() began; None: it was sent to nobody yet."""
        return self.points[self.sends[-1]].at if self.sends else None

    @property
    def total(self) -> int | None:
        """In ns, from the first look to the last send()."""
        return None if self.first is None or self.last is None else self.last - self.first

    @property
    def echo(self) -> int | None:
        """In ns, from the first look to the sender's own copy, if there is one."""
        own = [self.points[each].at for each in self.sends if self.points[each].connection == self.connection]
        return None if self.first is None or not own else own[0] - self.first

    @property
    def size(self) -> int:
        """Of the line, in bytes; 0: not known."""
        return next((point.size for point in self.points if point.what == Hop.SAW.name), 0)

    @property
    def clients(self) -> int:
        """How many others than the sender it was sent to."""
        return len({self.points[each].connection for each in self.sends} - {self.connection})

    @property
    def path(self) -> list[int]:
        """The numbers of the points that lead to the last send(), from the first on; without one, to the decision."""
        decided = [number for number, point in enumerate(self.points) if point.what == Hop.DECIDED.name]
        at: int | None = self.sends[-1] if self.sends else decided[-1] if decided else None
        found = []
        while at is not None:
            found.append(at)
            at = self.points[at].after
        return found[::-1]

    def took(self, number: int) -> int:
        """How long after the point before it, in ns."""
        point = self.points[number]
        return 0 if point.after is None else point.at - self.points[point.after].at

    @property
    def beside(self) -> list[int]:
        """The numbers of all other points, in time, but for the sends."""
        known = {*self.path, *self.sends}
        found = [number for number in range(len(self.points)) if number not in known]
        return sorted(found, key=lambda number: self.points[number].at)

    def sends_of(self, pid: int) -> list[int]:
        """Those of one process, in time."""
        return [number for number in self.sends if self.points[number].pid == pid]

    @property
    def is_whole(self) -> bool:
        return not self.lacks


def marked(entries: Iterable[Entry], trace: int) -> Iterator[tuple[int, int]]:
    """The messages of this trace among a broker's entries: connection, and place. A replay names them again."""
    return ((each.connection, each.place) for each in entries if each.hop is Hop.MARKED and each.worker == trace)


def window(rings: Rings, connection: int, place: int) -> dict[str, list[Entry]]:
    """Of these rings what the trip of this line can need: all from the first look at it on."""
    looks = [
        each.at
        for entries in rings.values()
        for each in entries
        if each.hop is Hop.SAW and (each.connection, each.place) == (connection, place)
    ]
    since = min(looks, default=0)
    return {role: [each for each in entries if each.at >= since] for role, entries in rings.items()}


def join(
    trace: int, connection: int, place: int, rings: Rings, server: Server, deaths: Sequence[Death] = ()
) -> Trip | None:
    """The trip of this message, as far as these rings tell; None if the broker has not marked it."""
    told = sorted(deaths, key=lambda each: each.at)
    again = _marked_again(trace, connection, place, rings)
    for until in (again, None):  # what is whole before a later broker has replayed it is no trip of that one
        early = rings if until is None else {role: [e for e in each if e.at < until] for role, each in rings.items()}
        joining = _Joining(Trip(trace, connection, place, server), early, told)
        has_found = joining.run()
        if has_found and (until is None or joining.trip.is_whole):
            return joining.trip
    return None


def _marked_again(trace: int, connection: int, place: int, rings: Rings) -> int | None:
    """When a later broker has marked this line too, in ns; None: it has not."""
    marks = [
        each
        for each in rings.get("broker", ())
        if each.hop is Hop.MARKED and (each.connection, each.place, each.worker) == (connection, place, trace)
    ]
    return next((each.at for each in marks if each.pid != marks[0].pid), None)


class _Joining:
    """Of one trip."""

    def __init__(self, trip: Trip, rings: Rings, deaths: Sequence[Death]) -> None:
        self.trip, self.rings, self.deaths = trip, rings, deaths
        self.numbers: dict[_Key, int] = {}  # of the points that were made of these entries
        self.died: dict[tuple[Death, int], int] = {}
        self.broker = rings.get("broker", ())
        self.sender = ""  # the role of its worker
        self.journaled: int | None = None  # the point at which the block was journaled, and the place of its entry
        self.journaled_at: int | None = None
        self.superseded: set[int] = set()  # the points of items that were put again later

    def run(self) -> bool:
        trip = self.trip
        marks = [
            index
            for index, each in enumerate(self.broker)
            if each.hop is Hop.MARKED
            if (each.connection, each.place, each.worker) == (trip.connection, trip.place, trip.trace)
        ]
        if not marks:
            return False
        self.marked_at = self.broker[marks[0]].at
        trip.is_private = self.broker[marks[0]].size == 1
        self.decided = self._decisions(marks, self._up())
        routed = self._routed(marks)
        for worker, item in routed:
            self._down(worker, item)
        self._acknowledged()
        if trip.server.has_history and not trip.is_private:
            self._recorded(marks[0] if self.journaled_at is None else self.journaled_at)
        trip.sends.sort(key=lambda number: trip.points[number].at)
        self._tell_failed()
        return True

    def _tell_failed(self) -> None:
        """Of what was put again later: that of which nothing came."""
        points = self.trip.points
        useful = {point.after for point in points}
        for number in sorted(self.superseded, reverse=True):
            if number not in useful and points[number].what not in (Hop.SENT.name, Hop.SENT_BEFORE.name, DIED):
                points[number] = points[number]._replace(has_failed=True)

    # Points

    def _point(self, role: str, index: int, after: int | None, waited: str = "", has_failed: bool = False) -> int:
        """The number of the point of this entry, which is made if it is not there."""
        if (role, index) in self.numbers:
            return self.numbers[role, index]
        entry = self.rings[role][index]
        while after is not None and self.trip.points[after].at > entry.at:
            after = self.trip.points[after].after  # hops were overwritten: it followed from something before
        numbers = entry.connection, entry.size, entry.depth, entry.worker
        point = Point(entry.hop.name, role, entry.pid, entry.at, after, *numbers, waited, has_failed=has_failed)
        self.numbers[role, index] = self._add(point)
        return self.numbers[role, index]

    def _add(self, point: Point) -> int:
        self.trip.points.append(point)
        return len(self.trip.points) - 1

    def _after_death(self, after: int | None, role: str, pid: int | None, until: int) -> int | None:
        """The point of the death of this process (None: of any with the role) after that one; or that one.

        The supervisor notices a death a moment later than it happens, and says when in ms: it is moved to where it can
        have been.
        """
        if after is None:
            return None
        since = self.trip.points[after].at
        fitting = [
            each
            for each in self.deaths
            if each.role == role and pid in (None, each.pid) and since - _NOTICED <= each.at <= until + _NOTICED
        ]
        if not fitting:
            return after
        death = fitting[-1]
        if (death, after) not in self.died:
            at = min(max(death.at, since), until)
            self.died[death, after] = self._add(Point(DIED, role, death.pid, at, after, how=death.how))
        return self.died[death, after]

    # Up to the broker

    def _up(self) -> int | None:
        """From the first look at the line to what the broker has taken: the last point of that."""
        for role, entries in self.rings.items():
            looks = [
                index
                for index, each in enumerate(entries)
                if each.hop is Hop.SAW and each.at <= self.marked_at
                if (each.connection, each.place) == (self.trip.connection, self.trip.place)
            ]
            if looks:
                self.sender = role
                return self._attempts(role, entries, looks)
        return None

    def _attempts(self, role: str, entries: Sequence[Entry], looks: list[int]) -> int | None:
        """A line is seen again when what its last look had brought has died with a process."""
        last: int | None = None
        for number, look in enumerate(looks):
            is_last = number == len(looks) - 1
            entry = entries[look]
            if last is not None:
                before = entries[looks[number - 1]]
                if before.pid != entry.pid:
                    last = self._after_death(last, role, before.pid, entry.at)
                else:
                    last = self._after_death(last, "broker", None, entry.at)
            waited = "" if number == 0 else "kernel"
            last = self._point(role, look, last, waited, has_failed=not is_last)
            end = self.marked_at if is_last else entries[looks[number + 1]].at
            last = self._batch(role, entries, look, last, end, not is_last)
        return last

    def _batch(self, role: str, entries: Sequence[Entry], look: int, last: int, end: int, has_failed: bool) -> int:
        """What was put behind this look and taken before `end`."""
        pid = entries[look].pid
        later = range(look + 1, len(entries))
        put = next((at for at in later if entries[at].hop is Hop.PUT_RECORDS and entries[at].pid == pid), None)
        if put is None or entries[put].at > end:
            return last
        last = self._point(role, put, last, has_failed=has_failed)
        place, since = entries[put].place, entries[put].at
        worker = int(role.removeprefix("worker"))
        for at, each in enumerate(self.broker):
            is_it = each.hop is Hop.TOOK_RECORDS and (each.worker, each.place) == (worker, place)
            if is_it and since <= each.at <= end:
                return self._point("broker", at, last, has_failed=has_failed)
        return last

    # In the broker

    def _decisions(self, marks: list[int], last: int | None) -> dict[int, int]:
        """By the process of a broker, the point at which it has decided; a later one has replayed that."""
        found: dict[int, int] = {}
        for mark in marks:
            pid = self.broker[mark].pid
            decided = self._last(mark, Hop.DECIDED, pid)
            if decided is None or pid in found:
                continue
            if not found:
                last = self._journaled(decided, last)
            waited = ""
            before = None if last is None else self.trip.points[last]
            if before is not None and before.role == "broker" and before.pid != pid:
                dead = before.pid
                last, waited = self._after_death(last, "broker", dead, self.broker[decided].at), "journal"
            found[pid] = last = self._point("broker", decided, last, waited)
        return found

    def _journaled(self, decided: int, last: int | None) -> int | None:
        """The block was journaled before it was decided, perhaps by the broker before; behind what it has taken."""
        journaled = self._last(decided, Hop.JOURNALED)
        since = 0 if last is None else self.trip.points[last].at
        if journaled is None or self.broker[journaled].at < since:
            return last
        self.journaled_at = journaled
        self.journaled = self._point("broker", journaled, last)
        return self.journaled

    def _last(self, before: int, hop: Hop, pid: int | None = None) -> int | None:
        """The place of the broker's last entry of this kind before that one."""
        for at in range(before - 1, -1, -1):
            if self.broker[at].hop is hop and pid in (None, self.broker[at].pid):
                return at
        return None

    def _routed(self, marks: list[int]) -> list[tuple[int, int]]:
        """To which worker, by which item: as told by the first broker that has told it to the end."""
        best: list[tuple[int, int]] = []
        for mark in marks:
            entry = self.broker[mark]
            found = []
            for each in self.broker[mark + 1 : mark + 1 + entry.depth]:
                if each.hop is not Hop.ROUTED or each.pid != entry.pid:
                    break
                found.append((each.worker, each.place))
            if len(found) == entry.depth:
                return found
            best = max(best, found, key=len)
        self.trip.lacks.append(Lack("routed", "broker", len(best), self.broker[marks[-1]].depth))
        return best

    # Down to the clients

    def _down(self, worker: int, item: int) -> None:
        """An item is put once, or again after each death at either end until what it brings is sent."""
        role = f"worker{worker}"
        entries = self.rings.get(role, ())
        puts, first = self._puts(role, entries, worker, item), 0
        lack: Lack | None = Lack("outbox", role)
        last: int | None = None
        receivers: dict[int, int] = {}  # by connection: the point of its send
        for number, put in enumerate(puts):
            end = self.broker[puts[number + 1]].at if number + 1 < len(puts) else None
            if number:
                self.superseded.update(range(first, len(self.trip.points)))
            first = len(self.trip.points)
            last, lack = self._put(role, entries, put, item, last, end, receivers)
            if lack is None:
                break
        self.trip.sends += receivers.values()
        if lack is not None:
            self.trip.lacks.append(lack)

    def _puts(self, role: str, entries: Sequence[Entry], worker: int, item: int) -> list[int]:
        """The places at which this item was put: the first that reaches it, by each broker to each process."""
        ends = [each.at for each in self.deaths if each.role == role]
        for one, other in pairwise(entries):
            if one.pid != other.pid and not any(one.at <= each <= other.at for each in ends):
                ends.append(one.at)  # nobody has told of this death
        found: dict[tuple[int, int], int] = {}
        for at, each in enumerate(self.broker):
            if each.hop is Hop.PUT_ITEMS and each.worker == worker and each.place >= item and each.at >= self.marked_at:
                found.setdefault((each.pid, sum(end <= each.at for end in ends)), at)
        return list(found.values())

    def _put(
        self,
        role: str,
        entries: Sequence[Entry],
        put: int,
        item: int,
        last: int | None,
        end: int | None,
        receivers: dict[int, int],
    ) -> tuple[int | None, Lack | None]:
        """An item was put, and what came of it before `end`; returns the last point, and what is missing then.

        `last`: of the time before, when it was put and a process died.
        """
        point = self.broker[put]
        decided = self.decided.get(point.pid, next(iter(self.decided.values()), None))
        waited = ""
        if last is None:
            last = decided
            waited = "outbox" if decided is not None and self._was_vacant(role, decided, point.at) else ""
        elif decided is not None and self.trip.points[decided].at > self.trip.points[last].at:
            # The broker has died: the next one has replayed it.
            last = decided
        else:
            last, waited = self._after_death(last, role, None, point.at), "outbox"
        last = self._point("broker", put, last, waited)
        took = self._first(entries, Hop.TOOK_ITEMS, item, point.at, end)
        if took is None:
            return last, Lack("queue", role)
        last = self._point(role, took, last)
        pid = entries[took].pid
        later = range(took + 1, len(entries))
        own = [at for at in later if entries[at].pid == pid and entries[at].place == item]
        appended = next((at for at in own if entries[at].hop is Hop.APPENDED), None)
        if appended is None:
            return last, Lack("taken", role)
        last = self._point(role, appended, last)
        sent: dict[int, int] = {}
        for at in own:
            if entries[at].hop is Hop.SENT:
                sent.setdefault(entries[at].connection, at)
        for at in own:
            if entries[at].hop is Hop.SENT_BEFORE and entries[at].connection not in receivers:
                sent.setdefault(entries[at].connection, at)
        for connection, at in sent.items():
            receivers[connection] = self._point(role, at, last)
        depth = entries[appended].depth
        return last, None if len(receivers) >= depth else Lack("sent", role, len(receivers), depth)

    def _was_vacant(self, role: str, decided: int, put_at: int) -> bool:
        """Whether the role had no working process when it was decided, and that was why it waited."""
        at = self.trip.points[decided].at
        return any(
            each.role == role and each.at <= put_at and (each.until is None or each.until >= at) for each in self.deaths
        )

    def _first(self, entries: Sequence[Entry], hop: Hop, place: int, since: int, end: int | None) -> int | None:
        """The place of the first of these from then on, before `end`, that reaches `place`."""
        for at, each in enumerate(entries):
            if each.hop is hop and each.place >= place and since <= each.at and (end is None or each.at < end):
                return at
        return None

    # Behind it

    def _acknowledged(self) -> None:
        entries, trip = self.rings.get(self.sender, ()), self.trip
        for at, each in enumerate(entries):
            is_ours = each.connection == trip.connection and each.place >= trip.place
            if each.hop is Hop.ACKNOWLEDGED and is_ours and each.at >= self.marked_at:
                self._point(self.sender, at, self._told(self.sender, entries, at))
                return
        if self.sender:
            trip.lacks.append(Lack("acknowledged", self.sender))

    def _told(self, role: str, entries: Sequence[Entry], at: int) -> int | None:
        """What has told a worker that a line is accepted: items, or else a broker to which it has attached."""
        own = [
            place
            for place in range(at)
            if entries[place].hop is Hop.TOOK_ITEMS and entries[place].pid == entries[at].pid
            if entries[place].at >= self.marked_at
        ]
        if own and (role, own[-1]) in self.numbers:
            return self.numbers[role, own[-1]]
        decided = [number for number in self.decided.values() if self.trip.points[number].at <= entries[at].at]
        last = decided[-1] if decided else None
        if not own:
            return last
        took = entries[own[-1]]
        worker = int(role.removeprefix("worker"))
        for place, each in enumerate(self.broker):
            is_it = each.hop is Hop.PUT_ITEMS and (each.worker, each.place) == (worker, took.place)
            if is_it and self.marked_at <= each.at <= took.at:
                last = self._point("broker", place, self.decided.get(each.pid, last))
                break
        return self._point(role, own[-1], last)

    def _recorded(self, since: int) -> None:
        """`since`: the place of the broker's entry from which on its facts are told; a replay tells them first."""
        facts = next((at for at in range(since, len(self.broker)) if self.broker[at].hop is Hop.FACTS), None)
        if facts is None:
            self.trip.lacks.append(Lack("facts", "broker"))
            return
        entry = self.broker[facts]
        before = [number for number in self.decided.values() if self.trip.points[number].at <= entry.at]
        last, waited = before[-1] if before else self.journaled, ""
        if last is not None and self.trip.points[last].pid != entry.pid:
            last, waited = self._after_death(last, "broker", self.trip.points[last].pid, entry.at), "journal"
        last = self._point("broker", facts, last, waited)
        recorder = self.rings.get("recorder", ())
        stored = self._first(recorder, Hop.RECORDED, entry.place, entry.at, None)
        if stored is None:
            self.trip.lacks.append(Lack("recorded", "recorder"))
        else:
            self._point("recorder", stored, last)


_NOTICED = 2_000_000  # ns by which the time that is said of a death can be off: it is in whole ms


# Lines that the broker has not heard of


class Lying(NamedTuple):
    """Lines of one worker's clients that are on their way to the broker: `seen`, not put; `put`, not taken."""

    role: str
    pid: int
    seen: int
    put: int


def lying(rings: Rings) -> list[Lying]:
    """Where lines lie that workers have seen and the broker has not taken."""
    found = []
    for role, entries in rings.items():
        if not role.startswith("worker") or not entries:
            continue
        worker, pid = int(role.removeprefix("worker")), entries[-1].pid
        own = [each for each in entries if each.pid == pid]
        puts = [each for each in own if each.hop is Hop.PUT_RECORDS]
        taken: dict[int, int] = {}  # by a batch's number: when the last one with it was taken
        for each in rings.get("broker", ()):
            if each.hop is Hop.TOOK_RECORDS and each.worker == worker:
                taken[each.place] = each.at
        last = max((each.at for each in puts if taken.get(each.place, 0) >= each.at), default=0)
        last_put = puts[-1].at if puts else 0
        looks = [each for each in own if each.hop is Hop.SAW]
        put = sum(last < each.at <= last_put for each in looks)
        seen = sum(each.at > last_put for each in looks)
        if put or seen:
            found.append(Lying(role, pid, seen, put))
    return found
