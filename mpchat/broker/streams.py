"""The broker's streams: to each worker its numbered items, by the transport of the moment, and credit for its records.

Items go into the worker's outbox first. A worker that is attached gets them at once. One that is not, because the
worker or the broker has just been started, says where it is ("attach") and gets what comes after that.
"""

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from mpchat.broker.recovery import Recovery
from mpchat.flow.credit import CreditLedger
from mpchat.flow.outbox import ITEM_BYTES, weight
from mpchat.ipc.scoreboard import BYTES_PUT, MESSAGES_PUT, Scoreboard, new_meter
from mpchat.ipc.trace_ring import Hop, TraceRing
from mpchat.ipc.transport import Transport
from mpchat.messages import BadFrame, BrokerToWorker, Item, Resumed, StreamPosition, WorkerNumber
from mpchat.runtime.crash_points import crash_point
from mpchat.runtime.poller import AnyPoller, Source
from mpchat.store.journal import Damaged

Thing = TypeVar("Thing")

_BATCH_BYTES = 1 << 18
_NOWHERE = -1  # in "attach": the worker is new


class Streams:
    """Of one broker, to all workers, by number."""

    def __init__(
        self, poller: AnyPoller, recovery: Recovery, scoreboard: Scoreboard, workers: int, lag_bytes: int
    ) -> None:
        self._poller = poller
        self._recovery = recovery
        self._scoreboard = scoreboard
        # Of our end of each worker's transport, by the worker's number.
        self.meters = [scoreboard.meter("broker", f"worker{number}") for number in range(workers)]
        self.trace: TraceRing | None = None  # while somebody traces
        self._traced: list[list[int]] = [[] for _ in range(workers)]  # numbers of items that the outbox may still have
        self._transports: list[Transport[BrokerToWorker] | None] = [None] * workers
        self._attached = [False] * workers
        # The next process with this number must be new: the broker has known the one before, which was in the stream.
        self._next_is_new = [False] * workers
        self.asking_to_attach: dict[WorkerNumber, int] = {}  # and where each is in its stream
        self.ledger = CreditLedger(workers, lag_bytes)

    def begin(self) -> None:
        """The run begins with this broker, and with workers that are in no stream yet."""
        self._next_is_new = [True] * len(self._next_is_new)
        self._traced = [[] for _ in self._traced]

    @property
    def ended(self) -> bool:
        """Every worker has closed its end."""
        return all(transport is None for transport in self._transports)

    def worker_of(self, source: Source) -> WorkerNumber | None:
        """The worker at the other end of this transport, None: it is none that is in use."""
        for worker, transport in enumerate(self._transports):
            if transport is source:
                return WorkerNumber(worker)
        return None

    def transport(self, worker: WorkerNumber) -> Transport[BrokerToWorker]:
        """To a worker that has one."""
        transport = self._transports[worker]
        assert transport is not None
        return transport

    def transports(self) -> list[tuple[WorkerNumber, Transport[BrokerToWorker]]]:
        """Those that there are, with their workers."""
        return [(WorkerNumber(n), transport) for n, transport in enumerate(self._transports) if transport is not None]

    def take_transport(self, worker: WorkerNumber, transport: Transport[BrokerToWorker]) -> None:
        """The worker or the broker is new. What had come by the old one stays pending until the worker attaches."""
        self.leave(worker)
        self._transports[worker] = transport
        self.meters[worker][:] = new_meter()
        self._poller.watch(transport)

    def flush(self, worker: WorkerNumber) -> None:
        """There is room."""
        transport = self.transport(worker)
        transport.flush()
        self._poller.want_write(transport, transport.unsent, transport.write_fileno())

    def leave(self, worker: WorkerNumber) -> None:
        """The worker is dead, or misbehaves."""
        transport = self._transports[worker]
        if transport is not None:
            self._poller.forget(transport)
            transport.close()
        self._transports[worker], self._attached[worker] = None, False
        self.asking_to_attach.pop(worker, None)
        self._recovery.outboxes[worker].abandon()
        self.ledger.reset(worker)  # the others are not slowed for the sake of a dead one

    def attach(self, worker: WorkerNumber, position: int) -> None:
        """A worker is at this item of its stream, or nowhere. It gets what it needs to be in step with the broker.

        It is told how far the input of its clients has been accepted, and forwards what comes behind that. Raises
        BadFrame if it has been attached already, or is new and yet somewhere; and Damaged if it is where the stream
        that was replayed is not.
        """
        transport, outbox = self.transport(worker), self._recovery.outboxes[worker]
        if self._attached[worker]:
            raise BadFrame("it is attached already")
        if position >= 0 and self._next_is_new[worker]:
            raise BadFrame(f"it is new, and says that it is at item {position} of its stream")
        if position >= 0 and not outbox.base <= position <= outbox.last:
            kept = f"is kept from {outbox.base} to {outbox.last}"
            raise Damaged(f"worker{worker} is at item {position} of its stream, which by journal and snapshot {kept}")
        if position < 0:
            position = outbox.base
            for _, resumed in batches(outbox.connections(), weight_of):
                self._put(worker, transport, ("state", StreamPosition(position), resumed, []))
            self._put(worker, transport, ("state", StreamPosition(position), [], outbox.groups()))
        self.ledger.reset(worker)
        self._attached[worker] = self._next_is_new[worker] = True
        self._put_items(worker, position, 0, outbox.after(position))
        core = self._recovery.core
        self._put(worker, transport, ("go", core.inputs(worker), core.drains(worker)))
        crash_point("broker: attached a worker")

    def deliver(self) -> None:
        """To each worker its new items, or credit. One that is not attached finds them in its outbox."""
        credit = self.ledger.pay()
        for worker, fresh in enumerate(self._recovery.fresh):
            if fresh or worker in credit:
                position = self._recovery.outboxes[worker].last
                items = self._recovery.take_fresh(worker)
                self._put_items(WorkerNumber(worker), position, credit.get(worker, 0), items)
                crash_point("broker: delivered to some")
        crash_point("broker: delivered")

    def mark(self, worker: WorkerNumber, number: int) -> None:
        """This item is traced, which is not delivered yet: the worker is told, and so is a successor that needs it."""
        if number not in self._traced[worker]:  # as it is where two traces follow one message
            self._traced[worker].append(number)

    def _tell_traced(self, worker: WorkerNumber, transport: Transport[BrokerToWorker], position: int) -> None:
        """Those of the items behind this one."""
        base = self._recovery.outboxes[worker].base
        self._traced[worker] = [number for number in self._traced[worker] if number > base]
        if behind := [number for number in self._traced[worker] if number > position]:
            self._put(worker, transport, ("traced", behind))

    def _put(self, worker: int, transport: Transport[BrokerToWorker], message: BrokerToWorker, size: int = 0) -> None:
        """What the transport cannot send at once goes on as soon as there is room."""
        transport.put(message)
        meter = self.meters[worker]
        meter[MESSAGES_PUT] += 1
        meter[BYTES_PUT] += size
        if transport.unsent:
            self._poller.want_write(transport, True, transport.write_fileno())

    def _put_items(self, worker: WorkerNumber, position: int, credit: int, items: list[Item]) -> None:
        transport = self._transports[worker]
        if transport is None or not self._attached[worker]:
            return
        if self._traced[worker]:
            self._tell_traced(worker, transport, position)
        size = weight(items)
        # A worker sends after each look into its queue: the smaller the batches, the sooner.
        for part_size, part in [(size, items)] if size <= _BATCH_BYTES else batches(items, lambda item: weight([item])):
            self.ledger.sent(worker, part_size)
            at = 0 if self.trace is None else time.monotonic_ns()  # it may be taken before put() has returned
            self._put(worker, transport, ("items", position + 1, credit, part_size, part), part_size)
            position += len(part)
            credit = 0
            if self.trace is not None:
                under_way = self._scoreboard.under_way("broker", f"worker{worker}")[1]
                self.trace.note(Hop.PUT_ITEMS, place=position, worker=worker, size=part_size, depth=under_way, at=at)


def batches(things: list[Thing], weigh: Callable[[Thing], int]) -> Iterator[tuple[int, list[Thing]]]:
    """Things in order, in batches of about _BATCH_BYTES, each with its weight."""
    batch: list[Thing] = []
    size = 0
    for thing in things:
        batch.append(thing)
        size += weigh(thing)
        if size >= _BATCH_BYTES:
            yield size, batch
            batch, size = [], 0
    if batch:
        yield size, batch


def weight_of(resumed: Resumed) -> int:
    """Its unsent bytes, up to a megabyte of them: a thousand of these would not fit into a frame."""
    return ITEM_BYTES + len(resumed[2])
