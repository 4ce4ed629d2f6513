"""The recorder: it follows the journal, keeps what was said in SQLite, and answers questions about a room's past.

It waits for the link to the broker, and for the control link to the supervisor. It reads the journal's files by itself;
the broker only says that they have grown, once each time that the recorder has said it is at their end.

If it dies, the chat goes on and the journal waits: the next recorder goes on from the position that is stored in the
same transaction as the last rows. Meanwhile questions about the past get no answer.
The chat does not depend on the history: whatever is the matter with its files, the recorder says so once, and tries
again until it can.
"""

import math
import os
import socket
import sqlite3
import time
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Any

from mpchat.flow.age import Age
from mpchat.ipc.descriptors import unusable
from mpchat.ipc.frames import LOOK_SECONDS, most_looks
from mpchat.ipc.link import Link, close_all
from mpchat.ipc.scoreboard import RECORDER_ROW, Scoreboard
from mpchat.messages import BadFrame, UnknownMessage
from mpchat.runtime.crash_points import crash_point
from mpchat.runtime.first_minute import BEAT_SECONDS
from mpchat.runtime.heartbeat import Heartbeat
from mpchat.runtime.log import Log
from mpchat.runtime.poller import Poller
from mpchat.settings import Settings
from mpchat.store.data_directory import DataFolder
from mpchat.store.history import FILE, History, HistoryDamaged, move_aside
from mpchat.store.journal import FACTS, Damaged, Tail

_UNUSABLE = (sqlite3.Error, OSError, Damaged)  # what files can answer with: another time it may be another answer
_EXPIRE_SECONDS = 60.0
_SYNC_SECONDS = 2.0  # so often at most it waits for the disk to have what it has stored
_RETRY_SECONDS = 0.5  # after the disk has refused to take more
_BEHIND_BYTES = 1 << 20  # of the journal, in which nobody said anything: then too it is stored that we have read them
_NICENESS = 10  # the chat comes first
_GATHER_SECONDS = 0.5  # a row of a small transaction costs twice what one of a large one does; who asks does not wait
_REST_SECONDS = 3.0  # well under settings.stop_seconds
_DAY_MS = 86_400_000


def main(control: Link, log: Log, settings: Settings, scoreboard: Scoreboard, data: DataFolder) -> None:
    """`data`: where journal and history are. To have it is to hold its lock."""
    Recorder(control, log, settings, scoreboard, data).run()


class Recorder:
    def __init__(self, control: Link, log: Log, settings: Settings, scoreboard: Scoreboard, data: DataFolder) -> None:
        self.control, self.log, self.settings, self.scoreboard, self.data = control, log, settings, scoreboard, data
        self.heartbeat = Heartbeat(scoreboard, RECORDER_ROW)
        self.poller = Poller()
        self.broker: Link | None = None
        self.asked: deque[tuple[Any, ...]] = deque()  # questions whose answer may not be in the history yet
        # When the journal is looked into again, in monotonic seconds. First when the broker says so: by then it has cut
        # what was torn, and whether there is damage is its to say.
        self.read_at = math.inf
        self.expire_at = self.sync_at = 0.0
        self.look_at = 0.0  # monotonic: when we look at what has not come whole
        self.rows = self.turns = 0
        self.books: tuple[History, Tail] | None = None  # open while the disk lets us write
        self.has_complained = False
        self.synced_to = 0  # position in the journal up to which the disk has the history
        self.age = Age(time.time_ns() // 1_000_000, time.monotonic_ns() // 1_000_000)

    def run(self) -> None:
        with suppress(OSError):  # a sandbox may forbid it
            os.nice(_NICENESS)
        self.poller.watch(self.control)
        self.control.post("ready")
        while True:
            pause = self.read_at - time.monotonic()
            for source, _, writable, _ in self.poller.wait(max(0.0, min(BEAT_SECONDS, pause))):
                if source is self.control:
                    self.on_control()
                elif isinstance(source, Link) and source is self.broker:
                    self.hear(source, writable)
            if time.monotonic() >= self.look_at:
                self.look_at = time.monotonic() + LOOK_SECONDS
                self.look()
            if self.books is not None or time.monotonic() >= self.read_at:
                with self.heartbeat.waiting_for_the_disk:  # a checkpoint of SQLite's waits for fsync(2)
                    self.do_the_books()
            self.show()
            self.log.catch_up()

    def do_the_books(self) -> None:
        """All that needs the history. If it cannot be had we close it, and begin later where it stands.

        A damaged one is put aside, and a new one begun with what the journal still has.
        """
        try:
            history, tail = self.opened()
            self.record(history, tail)
            self.answer(history, tail)
            self.expire(history, time.monotonic())
            self.sync(history, time.monotonic())
        except HistoryDamaged as error:
            self.close_the_books()
            self.put_aside(error)
        except _UNUSABLE as error:
            self.close_the_books()
            self.do_without(error)
        else:
            if self.has_complained:
                self.log.info("the history can be written again")
            self.has_complained = False

    def put_aside(self, damage: HistoryDamaged) -> None:
        try:
            moved = move_aside(Path(FILE))
        except OSError as error:
            self.do_without(error)
        else:
            self.log.error("the history was damaged; a new one is begun", error=str(damage), old=str(moved))
            self.read_at = 0.0

    def do_without(self, error: Exception) -> None:
        """For a while: nobody shall wait for it."""
        if not self.has_complained:
            self.log.error("cannot write the history: it waits until it can", error=str(error))
        self.has_complained, self.read_at = True, time.monotonic() + _RETRY_SECONDS
        while self.asked and self.broker is not None:
            _, connection, end, *_ = self.asked.popleft()
            self.broker.post("rows", connection, end, None)
            self.poller.want_write(self.broker, self.broker.unsent)

    def opened(self) -> tuple[History, Tail]:
        """All names are looked up in the data directory, whatever it is called by now."""
        if self.books is None:
            self.data.enter()
            history = History(Path(FILE))
            if history.moved is not None:
                self.log.error("the history was damaged; a new one is begun", old=str(history.moved))
            self.synced_to = min(self.synced_to, history.position)  # it may be another one than before
            try:
                self.books = history, Tail(Path("journal"), history.position, FACTS)
            except _UNUSABLE:
                history.close()
                raise
        return self.books

    def close_the_books(self) -> None:
        if self.books is not None:
            history, tail = self.books
            history.close()
            tail.close()
            self.books = None

    def on_control(self) -> None:
        """The supervisor gives us a link to a broker, or says stop. The end of the link says that it is dead."""
        for message, fds in self.control.take():
            match message, fds:
                case ("stop",), []:
                    with self.heartbeat.waiting_for_the_disk:
                        self.record_the_rest()
                    self.close_the_books()
                    os._exit(0)
                case ("broker",), [fd]:
                    if self.broker is not None:
                        self.leave(self.broker)
                    self.broker = Link(socket.socket(fileno=fd))
                    self.poller.watch(self.broker)
                    self.asked.clear()  # a new broker asks anew
                    if self.books is not None:
                        self.read_at = 0.0
                case _:
                    raise unusable(self.control, message)
        if self.control.ended:
            os._exit(0)

    def hear(self, broker: Link, writable: bool) -> None:
        if writable:
            broker.flush()
        try:
            for message, fds in broker.take():
                self.hear_one(message, fds)
        except BadFrame as error:
            self.distrust(broker, error)
            return
        if broker.ended:
            self.leave(broker)
        else:
            self.poller.want_write(broker, broker.unsent)

    def distrust(self, broker: Link, error: BadFrame) -> None:
        """What it has sent is no message: there will be another."""
        self.control.post("misbehaves", "broker", str(error))
        self.leave(broker)

    def look(self) -> None:
        """Does what has begun to come go on?"""
        if self.broker is not None:
            try:
                self.broker.look(most_looks(self.settings.hang_limit))
            except BadFrame as error:
                self.distrust(self.broker, error)

    def hear_one(self, message: tuple[Any, ...], fds: list[int]) -> None:
        match message, fds:
            case ("grown",), []:
                pause = 0.0 if self.books is None else _GATHER_SECONDS
                self.read_at = min(self.read_at, time.monotonic() + pause)
            case ("history", int(), int(), int(), str(), int(), int(), bool()), []:
                self.asked.append(message[1:])
                self.read_at = 0.0  # somebody waits
            case _:
                close_all([(message, fds)])
                raise UnknownMessage(message)

    def leave(self, broker: Link) -> None:
        self.poller.forget(broker)
        broker.close()
        self.broker = None

    def record(self, history: History, tail: Tail) -> None:
        """What the journal has for us, up to a megabyte of it, and where in it we are: one transaction."""
        if time.monotonic() < self.read_at:
            return
        missing = tail.gap
        blocks = tail.take()
        crash_point("recorder: read")
        if tail.gap > missing:
            history.note_gap(time.time_ns() // 1_000_000)
            self.log.error("the journal no longer has what the history lacks", bytes=tail.gap - missing)
        rows = [fact for _, facts in blocks for fact in facts]
        if rows or tail.position - history.position > _BEHIND_BYTES:
            history.add(rows, tail.position)
            crash_point("recorder: written")
        self.rows += len(rows)
        if not blocks:
            self.read_at = math.inf
            if self.broker is not None:
                self.broker.post("idle", tail.position)

    def record_the_rest(self) -> None:
        """Before the end, for some seconds: what is more than that the journal keeps for the next time."""
        self.read_at = 0.0
        stop_at = time.monotonic() + _REST_SECONDS
        with suppress(*_UNUSABLE):
            while self.read_at != math.inf and time.monotonic() < stop_at:
                self.record(*self.opened())
                self.show()

    def show(self) -> None:
        self.turns += 1
        self.scoreboard.write(RECORDER_ROW, records=self.rows, turns=self.turns, position=self.synced_to)

    def answer(self, history: History, tail: Tail) -> None:
        """Questions are answered once everything is recorded that had been said before them."""
        while self.asked and self.broker is not None and tail.position >= self.asked[0][0]:
            _, connection, end, room, number, limit, is_latest = self.asked[0]
            rows = history.latest(room, limit, number) if is_latest else history.after(room, number, limit)
            self.asked.popleft()
            self.broker.post("rows", connection, end, rows)
            self.poller.want_write(self.broker, self.broker.unsent)

    def expire(self, history: History, now: float) -> None:
        if now >= self.expire_at:
            most_ms = self.settings.history_days * _DAY_MS
            now_ms = self.age.now(time.time_ns() // 1_000_000, time.monotonic_ns() // 1_000_000)
            removed = history.expire(now_ms, most_ms, self.settings.history_bytes)
            if not removed:  # else there may be more: again in the next turn
                self.expire_at = now + _EXPIRE_SECONDS

    def sync(self, history: History, now: float) -> None:
        """Now and then wait until the disk has it: only then the journal may lose it."""
        if history.position == self.synced_to or now < self.sync_at:
            return
        self.sync_at = now + _SYNC_SECONDS
        if history.sync():
            self.synced_to = history.position
        crash_point("recorder: synced")
