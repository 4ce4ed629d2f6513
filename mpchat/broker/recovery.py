"""Recovery: the one way that every block takes, into the journal and then into the core; and how a new broker goes it.

    a block of records -> journal -> core -> items for the workers, questions to the world, lines for the history

The core is a function of its records, and an outbox is one of items and checkpoints. So a new broker loads the last
snapshot of both, applies what the journal has behind it, and is where its dead predecessor was: with the same items
under the same numbers, whether they had been delivered or not. Checkpoints are not journaled: after a replay an outbox
keeps more items than the dead broker's did, until its worker's next checkpoint.

A record that kills the broker would kill each one that replays it. So the place of the record that is being replayed
is told before it is applied, and a broker can be told to skip the one at which its predecessors died. It does so only
with a record of the last run that has begun, and with the code with which that began: what other code has kept, other
code could replay. And without "start" the core is nothing.

The loop never waits for the disk for the sake of a snapshot: a thread does (snapshot_writer.py).
"""

import math
import pickle
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from mpchat.broker.snapshot_writer import SnapshotWriter
from mpchat.core.machine import Asked, Core, connection_of
from mpchat.core.tracing import Marked, Tracing
from mpchat.flow.outbox import Outbox
from mpchat.ipc.frames import load
from mpchat.ipc.trace_ring import Hop, TraceRing
from mpchat.messages import ConnectionId, Fact, Item, Record, Report
from mpchat.runtime.crash_points import crash_point, with_poison
from mpchat.runtime.heartbeat import BEAT_WITHIN_SECONDS, Heartbeat
from mpchat.runtime.log import Log
from mpchat.store import history, kept_journal, snapshot
from mpchat.store.data_directory import DataDirectory
from mpchat.store.journal import FACTS, WITHOUT_THE_PAST, Damaged, Journal, Tail, full_name

_SNAPSHOT_RECORDS = 2_000  # replayed in some 25 ms, which is what a broker's death should cost
_SNAPSHOT_SHARE = 200  # but at most one part in so many of the time goes into snapshots, however large they are
# Some records take a thousand times longer than others, now and in a replay. So there is one too after so many seconds
# of work, and at least so many times what the last one took.
_WORK_SECONDS = 2.0
_WORK_SHARE = 50
_AGAIN_SECONDS = 5.0  # between two snapshots of which the first could not be written
_SLOW_SECONDS = 60.0  # a disk that takes so long for one is told of
_LOOK_SECONDS = 1.0  # so often we look whether the files are there, and which segments may go
_FACTS_SECONDS = 0.05  # so long facts may wait for more of them: in the meantime they follow from the records


Blocks: TypeAlias = list[tuple[int, list[Record]]]  # each with the position at which it begins; one of facts is empty


class Kept(NamedTuple):
    """What a broker finds of those before it: dumps from the snapshot, and what the journal has behind that."""

    core: Any  # None: there is no snapshot
    outboxes: list[Any]
    blocks: Blocks


class Recovery:
    """Of one broker. Without a folder nothing outlives the broker, and its death ends the server.

    Raises Damaged, and OSError. Files that are moved away while the server runs are made again.
    However long a block takes to be dealt with, the heartbeat does not stop.
    """

    def __init__(
        self,
        folder: Path | None,
        workers: int,
        synced: bool,
        heartbeat: Heartbeat,
        log: Log,
        replaying: Callable[[int], None],
        keeps: bool = False,
    ) -> None:
        """`replaying` is told the place of each record that is replayed, and of "start", from 1 on, before it is
        applied; and 0 behind it. `keeps`: the journal is kept, all of it (store/kept_journal.py).
        """
        self.core = Core()
        self.begin_streams(workers)
        self.closed: list[ConnectionId] = []  # connections that the core has closed since the last look
        self.audit: list[Report] = []  # what the log must say of what has happened
        self.trace: TraceRing | None = None  # while somebody traces
        self.marked: list[Marked] = []  # what is traced of the last block, each item by its number in its stream
        self.code = ""  # a hash of that with which this run of the server began; "": not known
        self.facts_at = 0  # position behind the last block for the history
        self.facts_due = math.inf  # when the next one is, in monotonic seconds
        self._facts: list[Fact] = []  # what was said, and has not been journaled for the history
        self.applied_in = 0.0  # seconds that the last block has taken, but for the disk
        self._heartbeat, self._log, self._replaying = heartbeat, log, replaying
        self._folder = folder
        self._synced = synced
        self._keeps = keeps
        self.journal: Journal | None = None
        if folder is not None:
            self.writer = SnapshotWriter(folder)
        self._snapshot_at = 0  # position of the last one that the disk has
        self._since = 0  # records applied since the last one that was begun
        self._work = 0.0  # seconds that they took
        self._enough_work = _WORK_SECONDS
        self._not_before = self._look_at = math.inf  # the next snapshot, and look, in monotonic seconds
        self._has_complained = self._is_late = self._cannot_trim = False

    def open(self) -> None:
        """Before all else: the journal, if there is a folder for one. Raises OSError: then it can be tried again."""
        if self._folder is None:
            return
        with self._heartbeat.waiting_for_the_disk:
            # All before a snapshot was on the disk before that was; with fdatasync() at each batch, everything is.
            certain = None if self._synced else snapshot.position(self._folder)
            where = self._folder / kept_journal.FOLDER if self._keeps else None
            self.journal = Journal(self._folder / "journal", self._synced, certain, where)
        self._not_before = self._look_at = 0.0
        if self.journal.cut:
            self._log.warning("the journal's end was torn off, and is cut", bytes=self.journal.cut)

    def begin_run(self) -> None:
        """A run of the server begins, and what was before has been replayed. Raises OSError: it can be tried again."""
        if self._folder is None or not self._keeps:
            return
        with self._heartbeat.waiting_for_the_disk:
            aside = kept_journal.begin_run(self._folder, self.core.hub.born)
        if aside is not None:
            self._log.warning("what was kept is of another journal: it is set aside", folder=full_name(aside))

    @property
    def position(self) -> int:
        """How far the journal goes."""
        return self.journal.position if self.journal else 0

    @property
    def has_a_past(self) -> bool:
        """Whether there has been a run before this one, of which the journal or the history may know."""
        return self._folder is not None and (self.position > 0 or (self._folder / history.FILE).exists())

    def propose(self, block: list[Record]) -> list[Asked]:
        """Let a block happen, and return what the core asks. Raises OSError, with nothing done, on a full disk.

        This is the one way in which anything ever happens, and the one place where blocks get their order: here, where
        one journal decides, that of the calls, and each block is applied before the call returns. The word is Raft's:
        here only a full disk refuses.
        """
        start = self.position
        if self.journal is not None:
            with self._heartbeat.waiting_for_the_disk:
                self.journal.append(block)
            if self.trace is not None:
                self.trace.note(Hop.JOURNALED, place=self.position, size=self.position - start)
            crash_point("broker: journaled")
        else:
            self._heartbeat.beat()
        began = time.monotonic()
        begins = _begins_a_run(block)
        if begins:
            self._note_code(block)
            self._replaying(start + 1)
        asked = self._apply(self._beating(block, began))
        if self.trace is not None:
            self.trace.note(Hop.DECIDED, place=self.position, depth=len(block))
        if begins:
            self._replaying(0)
        self._since += len(block)
        ended = time.monotonic()
        self.applied_in = ended - began
        self._work += self.applied_in
        crash_point("broker: applied")
        if self._facts and self.facts_due == math.inf:
            self.facts_due = ended + _FACTS_SECONDS
        return asked

    def journal_facts(self) -> bool:
        """Journal for the recorder what was said since the last time; returns whether there is nothing left to tell."""
        self.facts_due = math.inf
        if self._facts:
            assert self.journal is not None
            try:
                with self._heartbeat.waiting_for_the_disk:
                    self.journal.append(self._facts, FACTS)
            except OSError:  # no room for it: the next block will not find any either
                self.facts_due = time.monotonic() + _FACTS_SECONDS
            else:
                self._facts = []
                self.facts_at = self.journal.position
                if self.trace is not None:
                    self.trace.note(Hop.FACTS, place=self.facts_at)
        return not self._facts

    def _note_code(self, block: list[Record]) -> None:
        """It begins a run."""
        values = block[0][1:]
        self.code = str(values[6]) if len(values) > 6 else ""

    def _apply(self, records: Iterable[Record]) -> list[Asked]:
        applied = self.core.apply(with_poison(records))
        if applied.has_begun:
            self.begin_streams(len(applied.items))
            self.marked.clear()  # they were of the former run
        if applied.marked:
            self.marked += [self._numbered(each) for each in applied.marked]
        for fresh, items in zip(self.fresh, applied.items, strict=True):
            fresh += items
        self.closed += applied.closed
        self.audit += applied.audit
        if self.journal is not None:
            self._facts += applied.facts
        return applied.asked

    def _numbered(self, marked: Marked) -> Marked:
        """To be called while the block's items are not in `fresh` yet."""
        items = [
            (worker, self.outboxes[worker].last + len(self.fresh[worker]) + index + 1) for worker, index in marked.items
        ]
        return marked._replace(items=items)

    def _beating(self, block: Iterable[Record], began: float) -> Iterator[Record]:
        """The same records; the heartbeat goes on between them, however long one takes."""
        clock, beat_at = time.monotonic, began + BEAT_WITHIN_SECONDS
        for record in block:
            if clock() >= beat_at:  # 0.04 us; most records take a hundred times that, and some take 60 ms
                self._heartbeat.beat()
                beat_at = clock() + BEAT_WITHIN_SECONDS
            yield record

    def begin_streams(self, workers: int) -> None:
        """The server has just started, with so many workers: perhaps more or fewer than there were in the last run."""
        self.outboxes = [Outbox() for _ in range(workers)]
        self.fresh: list[list[Item]] = [[] for _ in range(workers)]  # items that are in no outbox yet

    def take_fresh(self, worker: int) -> list[Item]:
        """The items for a worker since the last call; from now on they are in its outbox.

        That list must not change any more: a queue's feeder thread may pickle it later.
        """
        items, self.fresh[worker] = self.fresh[worker], []
        if items:
            self.outboxes[worker].add(items)
        return items

    # Recovery

    def read(self) -> Kept:
        """What the disk has; before any of it is applied, `code` is known."""
        assert self._folder is not None
        with self._heartbeat.waiting_for_the_disk:
            found = snapshot.read(self._folder)
            self._snapshot_at, state = found or (0, b"")
            blocks = list(self._blocks(self._folder))
        core, outboxes, *code = load(state) if found else (None, [])
        self.code = code[0] if code else ""  # an older program's does not have it
        for block in [block for _, block in blocks if _begins_a_run(block)][-1:]:
            self._note_code(block)
        return Kept(core, outboxes, blocks)

    def replay(self, kept: Kept, skip: int, tracing: Tracing | None = None) -> int:
        """Be where the last broker was; returns how many records were replayed.

        What is traced may be in what that one has journaled, and is marked again.

        The record at the place `skip` (0: none) is left out, by us and by all who come after us, if it is of the last
        run that has begun, and neither "start" nor "skip".
        """
        assert self.journal is not None
        self._load(kept)
        self.core.tracing = tracing
        blocks = kept.blocks
        skipped = {record[1] for _, block in blocks for record in block if record[0] == "skip"}
        culprit: Record | None = None
        for start, block in blocks:
            if _begins_a_run(block):
                culprit = None
            elif start < skip <= start + len(block):
                culprit = block[skip - start - 1]
        if culprit is not None and culprit[0] != "skip" and skip not in skipped:
            self._leave_out(skip, culprit, self.journal, blocks)
            skipped.add(skip)
        began = time.monotonic()
        for start, block in blocks:
            if not block:  # here a block of facts stands
                self._facts = []
                continue
            replayed = _careful(start, block, skipped, self._replaying)
            self._apply(self._beating(replayed, time.monotonic()))
            self._since += len(block)
        self._replaying(0)
        self._work = time.monotonic() - began
        self.journal_facts()  # what the last block's broker did not live to write
        for worker in range(len(self.outboxes)):
            self.take_fresh(worker)
        self.closed.clear()
        self.audit.clear()  # the log has it from the broker that let it happen
        crash_point("broker: replayed")
        return sum(len(block) for _, block in blocks)

    def _leave_out(self, place: int, culprit: Record, journal: Journal, blocks: Blocks) -> None:
        """Journaled before anything is replayed: another record may be deadly too."""
        note: list[Record] = [("skip", place, connection_of(culprit))]
        blocks.append((journal.position, note))
        journal.append_at_all_costs(note)
        self._log.error(
            "a record kills each broker that replays it: it is left out",
            kind=culprit[0],
            connection=connection_of(culprit),
            place=place,
        )

    def _load(self, kept: Kept) -> None:
        """Be where the last snapshot was taken, if there is one."""
        if kept.core is None:
            return
        try:
            self.core = Core.load(kept.core)
        except ValueError as error:
            assert self._folder is not None
            name = full_name(self._folder / "snapshot")
            raise Damaged(f"{name}: the snapshot is another version's: {error}. {WITHOUT_THE_PAST}") from error
        self.outboxes = [Outbox.load(each) for each in kept.outboxes]
        self.fresh = [[] for _ in self.outboxes]

    def _blocks(self, folder: Path) -> Iterator[tuple[int, list[Record]]]:
        with closing(Tail(folder / "journal", self._snapshot_at)) as tail:
            start = tail.position
            if start != self._snapshot_at:
                what = f"the snapshot ends at {self._snapshot_at}" if self._snapshot_at else "there is no snapshot"
                begins = f"{what}, and the journal goes on at {start}"
                raise Damaged(f"{full_name(folder)}: {begins}: something is missing. {WITHOUT_THE_PAST}")
            while some := tail.take():
                for end, block in some:
                    yield start, block
                    start = end

    # Snapshots

    def is_due(self, now: float) -> bool:
        """Whether tend() has something to do, in monotonic seconds."""
        if self._wants_snapshot(now):
            return True
        return now >= self._look_at or (self.journal is not None and self.writer.reported)

    def _wants_snapshot(self, now: float) -> bool:
        is_much = self._work >= self._enough_work or (self._since >= _SNAPSHOT_RECORDS and now >= self._not_before)
        return is_much and self.journal is not None and not self.writer.is_busy

    def tend(self, history_at: int, most_bytes: int) -> None:
        """See to the files: a snapshot now and then, and no segment that neither it nor the recorder needs.

        The disk has the history up to `history_at`. If the journal has grown beyond so many bytes the history loses
        what is not recorded: its recorder is dead, or too slow. Not where the journal is kept, which has no bound.
        """
        assert self.journal is not None
        assert self._folder is not None
        with self._heartbeat.waiting_for_the_disk:
            now = time.monotonic()
            if self.writer.reported:
                self._take_outcome(now)
            if now >= self._look_at:
                self._look_at = now + _LOOK_SECONDS
                self._look(now)
            if self._wants_snapshot(now):
                self._begin_snapshot(self.journal, now)
            try:
                if self._keeps:
                    kept_journal.note_born(self._folder, self.core.hub.born)
                is_long = self.journal.size > most_bytes and not self._keeps
                self.journal.trim(self._snapshot_at if is_long else min(history_at, self._snapshot_at))
            except OSError as error:
                if not self._cannot_trim:
                    what = "keep" if self._keeps else "remove"
                    self._log.error(f"cannot {what} what is no longer needed of the journal", error=str(error))
                self._cannot_trim = True
            else:
                self._cannot_trim = False
        crash_point("broker: trimmed")

    def _begin_snapshot(self, journal: Journal, now: float) -> None:
        """The rest is the writer's. What was said in the blocks before a snapshot cannot be told any more."""
        self._not_before = now + _AGAIN_SECONDS  # no room for it, on the disk or for a thread: then all segments stay
        self._work = 0.0
        if not self.journal_facts():
            return
        what = self.core.dump(), [outbox.dump() for outbox in self.outboxes], self.code
        state = pickle.dumps(what, pickle.HIGHEST_PROTOCOL)
        try:
            if not self._has_complained:  # else there would be a segment for each time that it fails
                journal.roll()
                crash_point("broker: segment begun")
            self.writer.begin(journal.position, state, journal.segments_from(self._snapshot_at))
        except (OSError, RuntimeError) as error:
            self._complain("cannot write a snapshot: the journal grows until it can", error=str(error))
            return
        took = time.monotonic() - now
        self._since = 0
        self._not_before = now + _SNAPSHOT_SHARE * took
        self._enough_work = max(_WORK_SECONDS, _WORK_SHARE * took)

    def _take_outcome(self, now: float) -> None:
        error = self.writer.outcome()
        self._is_late = False
        if error is None:
            self._snapshot_at = self.writer.position
            if self._has_complained:
                self._log.info("a snapshot could be written again")
            self._has_complained = False
        else:
            self._since += _SNAPSHOT_RECORDS
            self._not_before = now + _AGAIN_SECONDS
            self._complain("cannot write a snapshot: the journal grows until it can", error=error)

    def _look(self, now: float) -> None:
        """Is all there that a next broker would need? Else we, who know everything, make it again."""
        assert self.journal is not None
        assert self._folder is not None
        if self.writer.is_busy:
            if not self._is_late and now - self.writer.begun_at > _SLOW_SECONDS:
                self._log.warning("the disk is slow: a snapshot is not written yet", seconds=int(_SLOW_SECONDS))
                self._is_late = True
            return
        has_snapshot = self._snapshot_at == 0 or (self._folder / "snapshot").exists()
        is_whole = self.journal.is_whole
        if is_whole and has_snapshot:
            return
        if not self._has_complained:
            folder = full_name(self._folder)
            if DataDirectory.is_removed():
                self._log.error("the data directory was removed: nothing is kept, and a broker's death ends the server")
                self._has_complained = True
            else:
                self._log.error("somebody removed files of the data directory: they are made again", folder=folder)
        self._since, self._not_before = _SNAPSHOT_RECORDS, now
        try:
            if not is_whole:
                self.journal.begin_again()
        except OSError as error:
            self._complain("cannot begin a segment of the journal", error=str(error))
            self._not_before = now + _AGAIN_SECONDS

    def _complain(self, what: str, error: str) -> None:
        """Once, until a snapshot has been written."""
        if not self._has_complained:
            self._log.error(what, error=error)
        self._has_complained = True


def _begins_a_run(block: list[Record]) -> bool:
    """A run begins with a block of its own; one of facts is empty here."""
    return bool(block) and block[0][0] == "start"


def _careful(start: int, block: list[Record], skipped: set[int], replaying: Callable[[int], None]) -> Iterator[Record]:
    """A block's records, each named by its place before it is used.

    A record's place is where its block begins, in bytes, plus its rank in the block. No two have the same: a record
    takes more than one byte. A note that leaves "start" out is an older program's, which did not know better.
    """
    for place, record in enumerate(block, start + 1):
        if place not in skipped or record[0] == "start":
            replaying(place)
            yield record
