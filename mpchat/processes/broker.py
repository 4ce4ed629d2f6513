"""The broker: the single authority. What it decides is decided, in the order in which it decides it.

It waits for the queues from the workers, for the recorder's link, and for the control link to the supervisor. A turn
takes what has come by each queue; then, a block at a time, it writes to the journal, lets the core think, and puts to
each worker what follows for it. The core (mpchat/core.py) does the chatting: it has never heard of queues.

It never waits for a worker: what a worker is slow to take is bounded by credits, which slow those who send.
If it dies, all it knew follows again from snapshot and journal (memory.py), and the workers forward again, from the
kernel, what it had not accepted (streams.py).
"""

import errno
import math
import os
import socket
import time
from functools import lru_cache
from pathlib import Path
from typing import Any

from mpchat.core import Record
from mpchat.ipc import mailing
from mpchat.ipc.board import BROKER_ROW, RECORDER_ROW, Board
from mpchat.ipc.descriptors import unusable
from mpchat.ipc.frame import LOOK_SECONDS, BadFrame, UnknownMessage, most_looks
from mpchat.ipc.handoff import Link
from mpchat.ipc.lane import Lane, LaneEnd
from mpchat.net.poller import Poller
from mpchat.policy.passwords import right
from mpchat.processes.child import BEAT_SECONDS
from mpchat.processes.crash import crash_point
from mpchat.processes.docket import Docket
from mpchat.processes.heartbeat import Heartbeat
from mpchat.processes.inquiry import Inquiry
from mpchat.processes.log import Log
from mpchat.processes.memory import Memory
from mpchat.processes.shortage import Shortage
from mpchat.processes.streams import Streams
from mpchat.processes.validation import check_checkpoint, check_records
from mpchat.protocol.secrets import Withheld
from mpchat.settings import Settings, pack
from mpchat.store.directory import DataFolder
from mpchat.store.journal import Damaged, full_name

_TURN_SECONDS = 0.05  # spent on what has come, before there is a look at what else has
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
# With these an open() or a read() fails for the next broker too.
_LASTING = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO)


def main(
    control: Link, log: Log, settings: Settings, board: Board, data: DataFolder | None, is_first: bool, skip: int
) -> None:
    """`data`: where to keep what is to outlive a broker. To have it is to hold its lock.

    Raises Damaged if what the last broker knew cannot be had.
    """
    try:
        if data is not None:
            data.enter()
            if data.is_removed():
                raise Damaged(f"the data directory (at the start {data.path}) was removed while the server ran")
        broker = Broker(control, log, settings, board)
        broker.begin(is_first, skip)
    except OSError as error:
        if error.errno not in _LASTING:
            raise
        where = full_name(Path(error.filename)) if isinstance(error.filename, (str, os.PathLike)) else settings.data
        raise Damaged(f"{where}: {error.strerror}: it cannot be read or written") from error
    broker.run()


class Broker:
    def __init__(self, control: Link, log: Log, settings: Settings, board: Board) -> None:
        self.control, self.log, self.settings, self.board = control, log, settings, board
        self.poller = Poller()
        self.heartbeat = Heartbeat(board, BROKER_ROW)
        # Its files are looked up in the working directory, which is the data directory by now: see DataFolder.enter().
        folder = Path() if settings.data else None
        self.memory = Memory(folder, settings.workers, settings.power, self.heartbeat, log)
        self.withheld = Withheld()
        self.inquiry = Inquiry(settings, self.poller, self.memory)
        self.streams = Streams(self.poller, self.memory, settings.workers, settings.lag_bytes)
        self.ledger = self.streams.ledger
        self.docket = Docket(self.ledger)
        self.shortage = Shortage(self.memory, log)
        self.has_begun = self.stopping = False
        self.records = self.turns = 0
        self.look_at = 0.0  # monotonic: when we look at what has not come whole

    def begin(self, is_first: bool, skip: int) -> None:
        """Be where the last broker was, and deal with what must happen first, or wait for room on the disk to do so."""
        self.poller.watch(self.control)
        self.open_memory()
        self.remember(is_first, skip)

    def run(self) -> None:
        # After a stop each worker applies its last item, closes its last client, and ends; so does its queue.
        while not (self.stopping and self.streams.ended):
            self.listen(self.timeout())
            self.docket.add(self.inquiry.overdue())
            self.work()
            self.streams.deliver()  # credit, if nothing else
            seconds = time.monotonic()
            self.inquiry.look(seconds)
            if seconds >= self.look_at:
                self.look_at = seconds + LOOK_SECONDS
                self.look()
            if self.memory.is_due(seconds):
                self.memory.tend(self.board.read(RECORDER_ROW)["position"], self.settings.journal_bytes)
            self.turns += 1
            items = sum(outbox.last for outbox in self.memory.outboxes)
            self.board.write(BROKER_ROW, records=self.records, items=items, turns=self.turns)
            if self.log.dropped:
                self.log.catch_up()
        self.inquiry.close()

    def listen(self, timeout: float) -> None:
        """Wait for a while, and take what has come."""
        for source, *_ in self.poller.wait(timeout):
            if isinstance(source, LaneEnd):
                self.drain_lane(source)
            elif source is self.control:
                self.obey()
            elif source is self.inquiry.recorder:
                self.hear_recorder()

    def open_memory(self) -> None:
        """Even the journal's folder and its first file take room on the disk; without any we wait for it."""
        while True:
            try:
                self.memory.open()
            except OSError as error:
                if error.errno not in _NO_ROOM:
                    raise
                self.shortage.begin(str(error))
            else:
                break
            while self.shortage.wait:
                self.listen(min(self.shortage.wait, BEAT_SECONDS))
                self.heartbeat.beat()
        self.shortage.look()

    def remember(self, is_first: bool, skip: int) -> None:
        """Be where the last broker was, in this run of the server or before it."""
        if self.settings.data:
            count = self.memory.recall(lambda place: self.board.write(BROKER_ROW, position=place), skip)
            if count:
                self.log.info("replayed", records=count)
            if not is_first and not self.memory.position:
                raise Damaged(f"{full_name(Path())}: what the last broker had written is gone: somebody removed it")
        if is_first:
            # Until the first record is journaled the core is the last run's still, of which no worker is left.
            self.memory.begin_streams(self.settings.workers)
            self.streams.begin()
            wall, mono = now()
            wording = pack(self.settings.wording)
            said = wall if self.memory.has_a_past else 0  # nobody ever says a thousand things a second, all day long
            offset = utc_offset(wall // 60_000)
            self.docket.add_first([("start", wording, self.settings.workers, offset, wall, mono, said)])
        elif len(self.memory.outboxes) != self.settings.workers:
            there = f"the journal of a server with {len(self.memory.outboxes)} workers, not {self.settings.workers}"
            raise Damaged(f"{full_name(Path())}: somebody has put something else in its place, {there}")
        else:
            for part in self.memory.core.parts():
                self.withheld.resume(*part)
            # The answers died with the broker, and passwords too: the lines that asked come again from the kernel.
            self.docket.add_first([("again", connection) for connection in self.memory.core.questions()])
        self.work()
        self.streams.deliver()

    def work(self) -> None:
        """Deal with what waits, a block at a time. While a worker lags, it goes on waiting: credit bounds how much.

        One short line can ask for a hundred kilobytes (LIST), so what comes out must be able to stop what goes in.
        And what is expensive is left in the middle, to hear the supervisor, the workers and the recorder.
        """
        listen_at = time.monotonic() + _TURN_SECONDS
        while (self.docket or self.shortage or self.due_in() <= 0) and not self.ledger.lagging:
            if not self.shortage.permits(self.docket.begins_alone):
                break
            wall, mono = now()
            if not self.commit(self.docket.block(("clock", wall, mono, utc_offset(wall // 60_000)))):
                break
            self.shortage.end()
            self.streams.deliver()
            if time.monotonic() >= listen_at:
                break
        if self.shortage and self.has_begun:
            self.shortage.tell(self.docket)
        if not self.has_begun and not self.docket.begins_alone:
            self.has_begun = True
            self.control.post("ready")
        while self.streams.arrivals and self.has_begun:
            worker, position = self.streams.arrivals.popitem()
            self.docket.strike(worker)
            try:
                self.streams.attach(worker, position)
            except BadFrame as error:
                self.distrust(worker, error)

    def due_in(self) -> float:
        """Seconds until the core wants to know the time."""
        deadline = self.memory.core.next_deadline
        return math.inf if deadline is None else (deadline - now()[1]) / 1000

    def timeout(self) -> float:
        """Seconds until there is something to do that no file descriptor tells of."""
        due = self.shortage.wait if self.shortage else 0.0 if self.docket else self.due_in()
        if self.ledger.lagging:
            due = math.inf  # whoever lags will tell us that it does no more
        return max(0.0, min(BEAT_SECONDS, due, self.inquiry.next_deadline - time.monotonic()))

    def obey(self) -> None:
        """The supervisor gives us lanes and links, or says stop, and why. The end of the link says that it is dead."""
        for message, fds in self.control.take():
            match message, fds:
                case ("stop", reason), []:
                    self.stopping = True
                    self.docket.add([("stop", reason)])
                case ("lane", worker, serial, letter), [_, *_]:
                    lane: Lane = mailing.opened(letter, fds)
                    self.streams.take_lane(worker, lane.at_broker())
                    self.control.post("opened", serial)
                case ("link", _), [fd]:
                    self.inquiry.take_recorder(Link(socket.socket(fileno=fd)))
                case _:
                    raise unusable(self.control, message)
        if self.control.ended:
            os._exit(0)

    def drain_lane(self, lane: LaneEnd) -> None:
        worker = self.streams.worker_of(lane)
        if worker is None:
            return  # it was replaced in this very turn
        try:
            for message in lane.take():
                match message:
                    case ("batch", int() as applied, int() as size, list() as records) if applied >= 0 and size >= 0:
                        check_records(worker, records)
                        self.ledger.applied(worker, applied)
                        self.docket.add_batch(worker, size, records)
                        self.records += len(records)
                    case ("checkpoint", int() as position, list() as entries, (list() | None) as forgotten):
                        outbox = self.memory.outboxes[worker]
                        check_checkpoint(outbox.last, position, entries, forgotten)
                        outbox.checkpoint(position, entries, forgotten)
                    case ("attach", int() as position):
                        self.streams.arrivals[worker] = position
                    case _:
                        raise UnknownMessage(message)
        except BadFrame as error:
            self.distrust(worker, error)
            return
        crash_point("broker: received")
        if lane.ended:
            self.streams.leave(worker)

    def distrust(self, worker: int, error: BadFrame) -> None:
        """What this worker has sent is no message: another takes its place. What was well-formed before that stands."""
        self.control.post("misbehaves", f"worker{worker}", str(error))
        self.streams.leave(worker)

    def distrust_recorder(self, error: BadFrame) -> None:
        """What the recorder has sent is no message: there will be another."""
        self.control.post("misbehaves", "recorder", str(error))
        self.inquiry.leave_recorder()

    def look(self) -> None:
        """Does what has begun to come go on?"""
        most = most_looks(self.settings.hang_limit)
        for worker, lane in self.streams.lanes():
            try:
                lane.look(most)
            except BadFrame as error:
                self.distrust(worker, error)
        if self.inquiry.recorder is not None:
            try:
                self.inquiry.recorder.look(most)
            except BadFrame as error:
                self.distrust_recorder(error)

    def hear_recorder(self) -> None:
        answers: list[Record] = []
        try:
            self.inquiry.hear(answers)
        except BadFrame as error:
            self.distrust_recorder(error)
        self.docket.add(answers)

    def commit(self, block: list[Record]) -> bool:
        """Let a block happen: returns whether the disk has taken it; if not, nothing has happened.

        Passwords are taken out first, so neither journal nor core sees one. When the core must know whether one was
        right it asks, and the answer is a record too, in a block of its own behind the one that asked.
        """
        try:
            asked = self.memory.append(self.withheld.take_block(block))
        except OSError as error:
            self.withheld.undo()
            self.shortage.begin(str(error))
            return False
        self.docket.settle(self.memory.applied_in)
        self.docket.add_first([answer for question in asked for answer in self.answer(*question)])
        self.withheld.settle(self.memory.core.dealt_with)
        for connection in self.memory.closed:
            self.withheld.closed(connection)
        self.memory.closed.clear()
        return True

    def answer(self, _: str, connection: int, end: int, kind: str, about: Any) -> list[Record]:
        """The answer to a question of the core's, if we know it; about the past, the recorder is asked."""
        if kind == "history":
            self.inquiry.ask(connection, end, *about)
            return []
        is_right = right(self.settings, kind, about, self.withheld.secret(connection, end))
        if not is_right:
            self.log.warning("wrong password", kind=kind, name=about, connection=connection)
        return [("answer", connection, is_right)]


@lru_cache(maxsize=1)
def utc_offset(minute: int) -> int:
    """By how many minutes local time is ahead of UTC in this minute since the epoch: summer time begins at one."""
    return time.localtime(minute * 60).tm_gmtoff // 60


def now() -> tuple[int, int]:
    """Wall clock and monotonic ms."""
    return time.time_ns() // 1_000_000, time.monotonic_ns() // 1_000_000
