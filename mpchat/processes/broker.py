"""The broker: the single authority. What it decides is decided, in the order in which it decides it.

It waits for the queues from the workers, and for the control link to the supervisor. A turn takes what all the queues
hold as one batch, writes it to the journal, lets the core think, and puts at most one batch to each worker. The core
(mpchat/core.py) does the chatting; this file is the only one that knows both it and the queues.

It never waits for a worker: what a worker is slow to take is bounded by credits, which slow those who send.
If it dies, all it knew follows again from the journal; today the server ends when it dies, and says so.
"""

import os
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from mpchat.core import BROKER, Core, Item, Record
from mpchat.ipc.board import BROKER_ROW, Board
from mpchat.ipc.handoff import Link
from mpchat.ipc.lane import Lane, LaneEnd
from mpchat.net.poller import Poller
from mpchat.policy.credits import Ledger
from mpchat.policy.passwords import right
from mpchat.processes.log import Log
from mpchat.protocol.secrets import Withheld
from mpchat.settings import Settings, pack
from mpchat.store.journal import Journal

_PRICE = "price"  # a worker, and bytes: no record, but what the records before it cost
_SLICE_RECORDS = 128  # dealt with between two looks at who lags
_BATCH_BYTES = 1 << 18
_ITEM_BYTES = 32  # what an item weighs besides its text, for the bounds on what may be under way


def main(control: Link, log: Log, settings: Settings, lanes: list[Lane], board: Board) -> None:
    Broker(control, log, settings, [lane.at_broker() for lane in lanes], board).run()


class Broker:
    def __init__(self, control: Link, log: Log, settings: Settings, lanes: list[LaneEnd], board: Board) -> None:
        self.control, self.log, self.settings, self.board = control, log, settings, board
        self.lanes = lanes
        self.poller = Poller()
        self.core = Core()
        self.withheld = Withheld()
        self.ledger = Ledger(len(lanes), settings.lag_bytes)
        self.waiting: deque[Record] = deque()  # has come, and not been dealt with; behind each batch its price
        self.position = [0] * len(lanes)  # items put into each worker's stream so far
        self.outgoing: list[list[Item]] = [[] for _ in lanes]
        self.journal = Journal(Path(settings.data) / "journal") if settings.data else None
        self.records = self.turns = 0

    def run(self) -> None:
        wall, mono = now()
        utc_offset = time.localtime(wall // 1000).tm_gmtoff // 60
        self.commit([("start", pack(self.settings.wording), len(self.lanes), utc_offset, wall, mono)])
        self.poller.watch(self.control)
        for lane in self.lanes:
            self.poller.watch(lane)
        self.control.post("ready")
        # After a stop each worker applies its last item, closes its last client, and ends; so does its queue.
        while not all(lane.ended for lane in self.lanes):
            for source, *_ in self.poller.wait(self.timeout()):
                if isinstance(source, LaneEnd):
                    self.drain_lane(source)
                else:
                    self.obey()
            self.work()
            self.deliver()  # credit, if nothing else
            self.turns += 1
            self.board.write(BROKER_ROW, records=self.records, items=sum(self.position), turns=self.turns)

    def work(self) -> None:
        """Deal with what waits, a slice at a time. While a worker lags, it goes on waiting: credit bounds how much.

        One short line can ask for a hundred kilobytes (LIST), so what comes out must be able to stop what goes in.
        """
        while (self.waiting or self.is_due()) and not self.ledger.lagging:
            batch = self.take_slice()
            if batch or self.is_due():
                self.commit([("clock", *now()), *batch])
                self.deliver()

    def take_slice(self) -> list[Record]:
        """The next records. Once all of a worker's batch is taken, its credit is owed."""
        batch: list[Record] = []
        while self.waiting and len(batch) < _SLICE_RECORDS:
            record = self.waiting.popleft()
            if record[0] == _PRICE:
                self.ledger.received(*record[1:])
            else:
                batch.append(record)
        return batch

    def timeout(self) -> float | None:
        """Seconds until the core wants to know the time."""
        deadline = self.core.next_deadline
        if deadline is None or self.ledger.lagging:
            return None
        return max(0.0, (deadline - now()[1]) / 1000)

    def is_due(self) -> bool:
        deadline = self.core.next_deadline
        return deadline is not None and deadline <= now()[1]

    def drain_lane(self, lane: LaneEnd) -> None:
        worker = self.lanes.index(lane)
        for applied, size, records in lane.take():
            self.ledger.applied(worker, applied)
            self.waiting += records
            self.waiting.append((_PRICE, worker, size))
            self.records += len(records)
        if lane.ended:
            self.ledger.gone(worker)
            self.poller.forget(lane)

    def obey(self) -> None:
        """All the supervisor ever says is stop, and why. The end of the link says that it is dead."""
        messages = self.control.take()
        if self.control.ended:
            os._exit(0)
        self.waiting += [("stop", reason) for (_, reason), _ in messages]

    def commit(self, batch: list[Record]) -> None:
        """Append the batch to the journal, then apply it: the one way in which anything ever happens.

        Passwords are taken out first, so neither journal nor core sees one. When the core must know whether one was
        right it asks, and the answer is a record too: it is journaled and applied in the loop's next round.
        """
        batch = [self.withheld.take(record) for record in batch]
        while batch:
            if self.journal is not None:
                self.journal.append(batch)
            answers: list[Record] = []
            for record in batch:
                for worker, item in self.core.apply(record):
                    if worker == BROKER:
                        answers.append(self.answer(*item))
                    else:
                        self.outgoing[worker].append(item)
                        if item[0] == "close":
                            self.withheld.closed(item[1])
            batch = answers
        for worker, item in self.core.acknowledge():
            self.outgoing[worker].append(item)
        self.withheld.forget()

    def answer(self, _: str, connection: int, end: int, kind: str, name: str) -> Record:
        is_right = right(self.settings, kind, name, self.withheld.secret(connection, end))
        if not is_right:
            self.log.warning("wrong password", kind=kind, name=name, connection=connection)
        return ("answer", connection, is_right)

    def deliver(self) -> None:
        """Batches for each worker that has items coming, or credit."""
        credit = self.ledger.pay()
        for worker, items in enumerate(self.outgoing):
            self.outgoing[worker] = []
            if (items or worker in credit) and not self.lanes[worker].ended:
                for size, part in parts(items):
                    self.lanes[worker].put((self.position[worker] + 1, credit.pop(worker, 0), size, part))
                    self.ledger.sent(worker, size)
                    self.position[worker] += len(part)


def parts(items: list[Item]) -> Iterator[tuple[int, list[Item]]]:
    """Items in batches with their sizes. A worker sends after each look into its queue: the smaller, the sooner."""
    part: list[Item] = []
    size = 0
    for item in items:
        part.append(item)
        size += _ITEM_BYTES + (len(item[2]) if item[0] in ("cast", "send") else 0)
        if size >= _BATCH_BYTES:
            yield size, part
            part, size = [], 0
    if part or not items:
        yield size, part


def now() -> tuple[int, int]:
    """Wall clock and monotonic ms."""
    return time.time_ns() // 1_000_000, time.monotonic_ns() // 1_000_000
