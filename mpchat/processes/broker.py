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
from pathlib import Path
from typing import Any

from mpchat.core import Record
from mpchat.ipc import mailing
from mpchat.ipc.board import BROKER_ROW, RECORDER_ROW, Board
from mpchat.ipc.handoff import Link
from mpchat.ipc.lane import Lane, LaneEnd
from mpchat.net.poller import Poller
from mpchat.policy.passwords import right
from mpchat.processes.child import BEAT_SECONDS
from mpchat.processes.crash import crash_point
from mpchat.processes.docket import Docket
from mpchat.processes.inquiry import Inquiry
from mpchat.processes.log import Log
from mpchat.processes.memory import Memory
from mpchat.processes.shortage import Shortage
from mpchat.processes.streams import Streams
from mpchat.protocol.secrets import Withheld
from mpchat.settings import Settings, pack
from mpchat.store.directory import DataFolder
from mpchat.store.journal import Damaged, full_name

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
                raise Damaged(f"{data.path}: this data directory was removed while the server ran")
        broker = Broker(control, log, settings, board)
        broker.remember(is_first, skip)
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
        # Its files are looked up in the working directory, which is the data directory by now: see DataFolder.enter().
        self.memory = Memory(Path() if settings.data else None, settings.workers, settings.power, log)
        self.withheld = Withheld()
        self.inquiry = Inquiry(settings, self.poller, self.memory)
        self.streams = Streams(self.poller, self.memory, settings.workers, settings.lag_bytes)
        self.ledger = self.streams.ledger
        self.docket = Docket(self.ledger)
        self.shortage = Shortage(self.memory, log)
        self.has_begun = self.stopping = False
        self.records = self.turns = 0

    def run(self) -> None:
        self.poller.watch(self.control)
        # After a stop each worker applies its last item, closes its last client, and ends; so does its queue.
        while not (self.stopping and self.streams.ended):
            for source, *_ in self.poller.wait(self.timeout()):
                if isinstance(source, LaneEnd):
                    self.drain_lane(source)
                elif source is self.control:
                    self.obey()
                elif source is self.inquiry.recorder:
                    self.docket.add(self.inquiry.hear())
            self.docket.add(self.inquiry.overdue())
            self.work()
            self.streams.deliver()  # credit, if nothing else
            seconds = time.monotonic()
            self.inquiry.look(seconds)
            if self.memory.is_due(seconds):
                self.memory.tend(self.board.read(RECORDER_ROW)["position"], self.settings.journal_bytes)
            self.turns += 1
            items = sum(outbox.last for outbox in self.memory.outboxes)
            self.board.write(BROKER_ROW, records=self.records, items=items, turns=self.turns)
        self.inquiry.close()

    def remember(self, is_first: bool, skip: int) -> None:
        """Be where the last broker was, in this run of the server or before it."""
        if self.settings.data:
            count = self.memory.recall(lambda place: self.board.write(BROKER_ROW, position=place), skip)
            if count:
                self.log.info("replayed", records=count)
            if not is_first and not self.memory.position:
                raise Damaged(f"{full_name(Path())}: what the last broker had written is gone: somebody removed it")
        if is_first:
            wall, mono = now()
            said = wall if self.memory.has_a_past else 0  # nobody ever says a thousand things a second, all day long
            utc_offset = time.localtime(wall // 1000).tm_gmtoff // 60
            wording = pack(self.settings.wording)
            self.docket.add_first([("start", wording, self.settings.workers, utc_offset, wall, mono, said)])
        else:
            for part in self.memory.core.parts():
                self.withheld.resume(*part)
            # The answers died with the broker, and passwords too: the lines that asked come again from the kernel.
            self.docket.add_first([("again", connection) for connection in self.memory.core.questions()])
        self.work()
        self.streams.deliver()

    def work(self) -> None:
        """Deal with what waits, a slice at a time. While a worker lags, it goes on waiting: credit bounds how much.

        One short line can ask for a hundred kilobytes (LIST), so what comes out must be able to stop what goes in.
        """
        while (self.docket or self.shortage or self.due_in() <= 0) and not self.ledger.lagging:
            if not self.shortage.permits(self.docket.begins_alone):
                break
            if not self.commit(self.docket.block(("clock", *now()))):
                break
            self.shortage.end()
            self.streams.deliver()
        if self.shortage:
            self.shortage.tell(self.docket)
        if not self.has_begun and not self.docket.begins_alone:
            self.has_begun = True
            self.control.post("ready")
        while self.streams.arrivals and self.has_begun:
            worker, position = self.streams.arrivals.popitem()
            self.docket.strike(worker)
            if position > self.memory.outboxes[worker].last:
                raise Damaged(f"{full_name(Path())}: a worker knows of more than the journal has: a part of it is gone")
            self.streams.attach(worker, position)

    def due_in(self) -> float:
        """Seconds until the core wants to know the time."""
        deadline = self.memory.core.next_deadline
        return math.inf if deadline is None else (deadline - now()[1]) / 1000

    def timeout(self) -> float:
        """Seconds until there is something to do that no file descriptor tells of."""
        due = self.shortage.wait if self.shortage else self.due_in()
        if self.ledger.lagging:
            due = math.inf  # whoever lags will tell us that it does no more
        return max(0.0, min(BEAT_SECONDS, due, self.inquiry.next_deadline - time.monotonic()))

    def obey(self) -> None:
        """The supervisor gives us lanes and links, or says stop, and why. The end of the link says that it is dead."""
        for (word, *about), fds in self.control.take():
            if word == "stop":
                self.stopping = True
                self.docket.add([("stop", *about)])
            elif word == "lane":
                worker, serial, letter = about
                lane: Lane = mailing.opened(letter, fds)
                self.streams.take_lane(worker, lane.at_broker())
                self.control.post("opened", serial)
            else:  # "link"
                self.inquiry.take_recorder(Link(socket.socket(fileno=fds[0])))
        if self.control.ended:
            os._exit(0)

    def drain_lane(self, lane: LaneEnd) -> None:
        worker = self.streams.worker_of(lane)
        if worker is None:
            return  # it was replaced in this very turn
        for kind, *message in lane.take():
            if kind == "batch":
                applied, size, records = message
                self.ledger.applied(worker, applied)
                self.docket.add_batch(worker, size, records)
                self.records += len(records)
            elif kind == "checkpoint":
                self.memory.outboxes[worker].checkpoint(*message)
            else:  # "attach"
                (self.streams.arrivals[worker],) = message
        crash_point("broker: received")
        if lane.ended:
            self.streams.leave(worker)

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
        self.docket.settle()
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


def now() -> tuple[int, int]:
    """Wall clock and monotonic ms."""
    return time.time_ns() // 1_000_000, time.monotonic_ns() // 1_000_000
