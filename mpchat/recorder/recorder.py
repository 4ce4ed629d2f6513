"""The recorder: it follows the journal, stores in SQLite what was said, and answers queries about a channel's history.

It waits on two file descriptors: the link to the broker and the control link to the supervisor. It reads the journal's
files by itself; the broker only says that they have grown, once for each "idle". It never writes to the journal, and
the chat never waits for it: if its files fail, it logs that once, and tries again until it can go on. If the history's
files are removed while it has them open, it makes them again from what the journal still has.

If it dies, the next recorder goes on from the journal position that is stored in the same transaction as the last rows.
Until then queries about the history get no answer.
"""

import math
import os
import socket
import sqlite3
import time
from collections import deque
from contextlib import suppress
from pathlib import Path

from mpchat.flow.bounded_clock import BoundedClock
from mpchat.ipc.descriptors import unusable
from mpchat.ipc.frames import LOOK_SECONDS, most_looks
from mpchat.ipc.link import Link
from mpchat.ipc.scoreboard import BROKER_ROW, RECORDER_ROW, Scoreboard, TurnWatch
from mpchat.ipc.trace_ring import Hop
from mpchat.ipc.validation import are_bounds, are_places
from mpchat.messages import (
    BadFrame,
    ChildToSupervisor,
    ConnectionId,
    Fact,
    HistoryAsked,
    JournalPosition,
    LastOnesAsked,
    Offset,
    Past,
    RecorderToBroker,
    UnknownMessage,
    WordsAsked,
)
from mpchat.runtime.crash_points import crash_point
from mpchat.runtime.first_minute import BEAT_SECONDS
from mpchat.runtime.heartbeat import Heartbeat
from mpchat.runtime.log import Log
from mpchat.runtime.poller import Poller
from mpchat.settings import Settings
from mpchat.store.data_directory import DataDirectory
from mpchat.store.history import FILE, History, HistoryDamaged, check_version, move_aside
from mpchat.store.journal import FACTS, Damaged, Tail, full_name, journal_end
from mpchat.store.word_index import TooSlow

_UNUSABLE = (sqlite3.Error, OSError, Damaged)  # errors of the files: a later try may succeed
_EXPIRE_SECONDS = 60.0
_SYNC_SECONDS = 2.0  # between two waits for the disk to have what was stored
_RETRY_SECONDS = 0.5  # after the disk has refused to take more
_CHECK_SECONDS = 1.0  # between two looks whether the history's files are those that have its name
_BEHIND_BYTES = 1 << 20  # of the journal without a fact: then the position is stored without a row
_LOG_BYTES = 16 << 20  # of SQLite's log, what stays of it when a backup that made it grow has ended
_MUCH_LOG_BYTES = 256 << 20  # of it, while it cannot be emptied
_NICENESS = 10  # the chat comes first
_GATHER_SECONDS = 0.5  # a row of a small transaction costs twice what one of a large one does; a query does not wait
_REST_SECONDS = 3.0  # well under settings.stop_seconds
_QUIET_SECONDS = 2.0  # nothing was said for so long: the index of the words may take its turn
_MOST_UNINDEXED = 50_000  # where it never becomes quiet: so many cost some 0.2 s, and a search must wait for them
_DAY_MS = 86_400_000


def main(
    control: Link[ChildToSupervisor], log: Log, settings: Settings, scoreboard: Scoreboard, data: DataDirectory
) -> None:
    """`data`: where journal and history are, locked as long as this process has it open."""
    Recorder(control, log, settings, scoreboard, data).run()


class Recorder:
    def __init__(
        self,
        control: Link[ChildToSupervisor],
        log: Log,
        settings: Settings,
        scoreboard: Scoreboard,
        data: DataDirectory,
    ) -> None:
        self.control, self.log, self.settings, self.scoreboard, self.data = control, log, settings, scoreboard, data
        self.heartbeat = Heartbeat(scoreboard, RECORDER_ROW)
        self.poller = Poller()
        self.broker: Link[RecorderToBroker] | None = None
        self.queries: deque[HistoryAsked | LastOnesAsked] = deque()  # whose answer may not be in the history yet
        self.searches: deque[WordsAsked] = deque()  # the same; they wait for the index, too
        self.said_at = 0.0  # monotonic: when something was last read from the journal
        # Monotonic seconds: when the journal is read next. First when the broker says so: by then the broker has cut a
        # torn end, and it is the broker that reports a damaged journal.
        self.read_at = math.inf
        self.expire_at = self.sync_at = self.check_at = 0.0
        self.peers = TurnWatch(scoreboard)
        self.look_at = 0.0  # monotonic: when unfinished frames are looked at next
        self.rows = self.turns = 0
        self.files: tuple[History, Tail[Fact]] | None = None  # open as long as they can be used
        self.has_complained = False  # until the disk has something new: a turn may have nothing to write
        self.has_warned = False  # of a log that grows, until all of it was copied into the database
        self.has_compared = False  # the history with the journal
        self.synced_to = 0  # journal position up to which the disk has the history
        self.clock = BoundedClock(time.time_ns() // 1_000_000, time.monotonic_ns() // 1_000_000)

    def run(self) -> None:
        with suppress(OSError):  # a sandbox may forbid it
            os.nice(_NICENESS)
        self.poller.watch(self.control)
        self.control.post(("ready",))
        while True:
            pause = 0.0 if self.should_index() or self.can_search() else self.read_at - time.monotonic()
            for source, _, writable, _ in self.poller.wait(max(0.0, min(BEAT_SECONDS, pause))):
                if source is self.control:
                    self.on_control()
                elif isinstance(source, Link) and source is self.broker:
                    self.on_broker(source, writable)
            if time.monotonic() >= self.look_at:
                self.look_at = time.monotonic() + LOOK_SECONDS
                self.look()
            if self.files is not None or time.monotonic() >= self.read_at:
                with self.heartbeat.waiting_for_the_disk:  # a checkpoint of SQLite's waits for fsync(2)
                    self.work_on_history()
            self.show()
            self.log.catch_up()

    def work_on_history(self) -> None:
        """Record, expire, answer, index, sync. Files that cannot be used are closed, and opened again later.

        A damaged history is moved aside, and a new one begun with what the journal still has.
        """
        try:
            history, tail = self.open_files()
            self.record(history, tail)
            self.expire(history, time.monotonic())
            self.answer(history, tail)
            if self.should_index():
                history.index()
            if self.can_search():
                self.search(history)
            self.sync(history, time.monotonic())
        except HistoryDamaged as error:
            self.close_files()
            self.begin_again(error)
        except _UNUSABLE as error:
            self.close_files()
            self.retry_later(error)

    def begin_again(self, damage: HistoryDamaged) -> None:
        try:
            moved = move_aside(Path(FILE))
        except OSError as error:
            self.retry_later(error)
        else:
            self.log.error("the history was damaged; a new one is begun", error=str(damage), old=str(moved))
            self.read_at = 0.0

    def retry_later(self, error: Exception) -> None:
        """The queries that wait get "no answer" now."""
        if not self.has_complained:
            self.log.error("cannot write the history: it waits until it can", error=str(error))
        self.has_complained, self.read_at = True, time.monotonic() + _RETRY_SECONDS
        questions: list[HistoryAsked | LastOnesAsked | WordsAsked] = [*self.queries, *self.searches]
        for query in questions:
            self.tell(query[2], query[3], None)
        self.queries.clear()
        self.searches.clear()

    def open_files(self) -> tuple[History, Tail[Fact]]:
        """History and journal, opened if they are not. Raises what _UNUSABLE lists: then close_files()."""
        if self.files is not None and time.monotonic() >= self.check_at:
            self.check(self.files[0])
        if self.files is None:
            self.data.enter()
            check_version(Path(FILE))
            history = History(Path(FILE))
            history.bound_log(_LOG_BYTES)
            if history.moved is not None:
                self.log.error("the history was damaged; a new one is begun", old=str(history.moved))
            self.synced_to = min(self.synced_to, history.position)  # it may be another one than before
            try:
                tail = Tail(Path("journal"), history.position, FACTS)
            except _UNUSABLE:
                history.close()
                raise
            self.files = history, tail
            self.compare(history, tail)
            if tail.gap:
                self.note_gap(history, tail.gap)
                history.add((), tail.position)
        return self.files

    def check(self, history: History) -> None:
        """If somebody has removed the history's files, or put others there, close it: what it stores would be lost."""
        self.check_at = time.monotonic() + _CHECK_SECONDS
        if not history.is_in_place:
            folder = full_name(Path())
            self.log.error("somebody removed or replaced the history's files: it is opened again", folder=folder)
            self.close_files()
            self.read_at = 0.0

    def note_gap(self, history: History, size: int) -> None:
        history.note_gap(time.time_ns() // 1_000_000)
        self.log.error("the journal no longer has what the history lacks", bytes=size)

    def compare(self, history: History, tail: Tail[Fact]) -> None:
        """Once: is all that the history was made from in the journal still? Else a room of then is not there either."""
        if tail.position < history.position and not self.has_compared:
            self.log.warning(
                "the journal ends before the history does: rooms, topics and bans of then are lost, and what was said "
                "there is in history.db, but nobody can read it",
                history=history.position,
                journal=journal_end(Path("journal")),
                help="stop the server, and bring the whole data directory back from a backup",
            )
        self.has_compared = True

    def close_files(self) -> None:
        if self.files is not None:
            history, tail = self.files
            history.close()
            tail.close()
            self.files = None

    def on_control(self) -> None:
        """The supervisor hands over a link to a new broker, or says stop. Its end of file: the supervisor is dead."""
        for message, fds in self.control.take():
            match message, fds:
                case ("stop",), []:
                    with self.heartbeat.waiting_for_the_disk:
                        self.record_the_rest()
                    self.close_files()
                    os._exit(0)
                case ("broker",), [fd]:
                    if self.broker is not None:
                        self.leave(self.broker)
                    self.broker = Link(socket.socket(fileno=fd))
                    self.broker.count_on(self.scoreboard.meter("recorder", "broker"))
                    self.poller.watch(self.broker)
                    self.queries.clear()  # a new broker asks them again
                    self.searches.clear()
                    if self.files is not None:
                        self.read_at = 0.0
                case _:
                    raise unusable(self.control, message)
        if self.control.ended:
            os._exit(0)

    def on_broker(self, broker: Link[RecorderToBroker], writable: bool) -> None:
        if writable:
            broker.flush()
        try:
            broker.take_each(self.on_message)
        except BadFrame as error:
            self.report(broker, error)
            return
        if broker.ended:
            self.leave(broker)
        else:
            self.poller.want_write(broker, broker.unsent)

    def on_message(self, message: tuple[object, ...], fds: list[int]) -> None:
        """Raises UnknownMessage."""
        match message, fds:
            case ("grown",), []:
                pause = 0.0 if self.files is None else _GATHER_SECONDS
                self.read_at = min(self.read_at, time.monotonic() + pause)
            case (
                "history",
                int() as asked_at,
                int() as connection,
                int() as end,
                str() as channel,
                int() as number,
                ("LATEST" | "BEFORE" | "AFTER" | "BETWEEN" | "AROUND") as window,
                tuple() as bounds,
                int() as limit,
            ), [] if are_bounds(window, bounds) and limit > 0:
                position, id = JournalPosition(asked_at), ConnectionId(connection)
                self.queries.append(("history", position, id, end, channel, number, window, bounds, limit))
                self.read_at = 0.0  # a client waits
            case (
                "targets",
                int() as asked_at,
                int() as connection,
                int() as end,
                tuple() as places,
                int() as first,
                int() as second,
                int() as limit,
            ), [] if are_places(places) and limit > 0:
                position, id = JournalPosition(asked_at), ConnectionId(connection)
                self.queries.append(("targets", position, id, end, places, first, second, limit))
                self.read_at = 0.0
            case (
                "search",
                int() as asked_at,
                int() as connection,
                int() as end,
                str() as words,
                tuple() as places,
                str() as sender,
                int() as since,
                int() as until,
                int() as limit,
            ), [] if are_places(places):
                position, id = JournalPosition(asked_at), ConnectionId(connection)
                self.searches.append(("search", position, id, end, words, places, sender, since, until, limit))
                self.read_at = 0.0
            case _:
                raise UnknownMessage(message)

    def report(self, broker: Link[RecorderToBroker], error: BadFrame) -> None:
        """The broker has sent what is no message: the supervisor replaces it."""
        self.control.post(("misbehaves", "broker", str(error)))
        self.leave(broker)

    def look(self) -> None:
        """Report a broker that does not finish a frame, though it turns its loop."""
        if self.broker is not None and self.peers.has_turned(BROKER_ROW):
            try:
                self.broker.look(most_looks(self.settings.hang_limit))
            except BadFrame as error:
                self.report(self.broker, error)

    def leave(self, broker: Link[RecorderToBroker]) -> None:
        self.poller.forget(broker)
        broker.close()
        self.broker = None

    def record(self, history: History, tail: Tail[Fact]) -> None:
        """Store the next facts of the journal, up to a megabyte, and the position behind them, in one transaction."""
        if time.monotonic() < self.read_at:
            return
        missing = tail.gap
        blocks = tail.take()
        crash_point("recorder: read")
        if tail.gap > missing:
            self.note_gap(history, tail.gap - missing)
        rows = [fact for _, facts in blocks for fact in facts]
        if rows or tail.position - history.position > _BEHIND_BYTES:
            if self.keeps_nothing:
                history.pass_over(rows, tail.position, self.wall_ms())
            else:
                history.add(rows, tail.position)
            if self.scoreboard.tracing[0]:
                self.scoreboard.ring(RECORDER_ROW).note(Hop.RECORDED, place=tail.position)
            crash_point("recorder: written")
        self.rows += len(rows)
        if rows:
            self.said_at = time.monotonic()
        if not blocks:
            self.read_at = math.inf
            if self.broker is not None:
                self.broker.post(("idle", JournalPosition(tail.position)))

    def record_the_rest(self) -> None:
        """Before the end, for _REST_SECONDS at most: what is left then, the next recorder reads from the journal."""
        self.read_at = self.check_at = 0.0
        stop_at = time.monotonic() + _REST_SECONDS
        with suppress(*_UNUSABLE):
            while self.read_at != math.inf and time.monotonic() < stop_at:
                self.record(*self.open_files())
                self.show()

    def show(self) -> None:
        self.turns += 1
        self.scoreboard.write(RECORDER_ROW, records=self.rows, turns=self.turns, position=self.synced_to)

    def answer(self, history: History, tail: Tail[Fact]) -> None:
        """Answer the queries before which all that had been said is recorded."""
        while self.queries and tail.position >= self.queries[0][1]:
            question = self.queries[0]
            rows = history.part(*question[4:]) if question[0] == "history" else history.last_ones(*question[4:])
            self.queries.popleft()
            self.tell(question[2], question[3], rows)

    def should_index(self) -> bool:
        """The chat comes first: words are indexed when it is quiet, or must not wait any longer."""
        if self.files is None or not (unindexed := self.files[0].unindexed):
            return False
        is_quiet = time.monotonic() >= self.said_at + _QUIET_SECONDS
        return is_quiet or unindexed > _MOST_UNINDEXED or bool(self.searches)

    def can_search(self) -> bool:
        """Is there a search before which all that had been said is recorded and indexed?"""
        if self.files is None or not self.searches:
            return False
        history, tail = self.files
        return tail.position >= self.searches[0][1] and not history.unindexed

    def search(self, history: History) -> None:
        """Answer the first search: one a turn, since each takes its time."""
        question = self.searches[0]
        found: Past
        try:
            found = history.search(question) if history.can_search else "no index"
        except TooSlow:
            found = "too slow"
        self.searches.popleft()
        self.tell(question[2], question[3], found)

    def tell(self, connection: ConnectionId, end: Offset, past: Past) -> None:
        """Answer a query; a broker that has gone will ask again by its successor."""
        if self.broker is not None:
            self.broker.post(("rows", connection, end, past))
            self.poller.want_write(self.broker, self.broker.unsent)

    @property
    def keeps_nothing(self) -> bool:
        return not (self.settings.history_days and self.settings.history_bytes)

    def wall_ms(self) -> int:
        return self.clock.now(time.time_ns() // 1_000_000, time.monotonic_ns() // 1_000_000)

    def expire(self, history: History, now: float) -> None:
        if now >= self.expire_at:
            most_ms = self.settings.history_days * _DAY_MS
            removed = history.expire(self.wall_ms(), most_ms, self.settings.history_bytes)
            if not removed:  # else there may be more: again in the next turn
                self.expire_at = now + _EXPIRE_SECONDS

    def sync(self, history: History, now: float) -> None:
        """Every _SYNC_SECONDS wait until the disk has the history: only then the broker may trim the journal.

        The disk has it if it has it under its name: what was written to a removed file is lost.
        """
        if history.position == self.synced_to or now < self.sync_at:
            return
        self.sync_at = now + _SYNC_SECONDS
        is_synced = history.sync()
        self.watch_log(history, is_synced)
        if is_synced and history.is_in_place:
            self.synced_to = history.position
            if self.has_complained:
                self.log.info("the history can be written again")
            self.has_complained = False
        crash_point("recorder: synced")

    def watch_log(self, history: History, is_synced: bool) -> None:
        """A backup that has stopped keeps SQLite from emptying its log, and us from letting the journal be trimmed."""
        if is_synced:
            self.has_warned = False
        elif not self.has_warned and history.log_bytes > _MUCH_LOG_BYTES:
            self.log.warning(
                "a backup, or whatever else reads the history, keeps its log growing: has it stopped?",
                file=full_name(Path(f"{FILE}-wal")),
                megabytes=history.log_bytes >> 20,
            )
            self.has_warned = True
