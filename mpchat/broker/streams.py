"""The broker's streams: to each worker its numbered items, by the lane of the moment, and credit for what it forwards.

Items go into the worker's outbox first. A worker that is attached gets them at once; one that is not, because it or we
have just been started, says where it is ("attach") and gets what comes after that.
"""

from collections.abc import Callable, Iterator
from typing import TypeVar

from mpchat.broker.recovery import Recovery
from mpchat.core.machine import Item
from mpchat.flow.credit import CreditLedger
from mpchat.flow.outbox import ITEM_BYTES, weight
from mpchat.ipc.transport import Transport
from mpchat.messages import BadFrame, Resumed
from mpchat.runtime.crash_points import crash_point
from mpchat.runtime.poller import AnyPoller
from mpchat.store.journal import Damaged

Thing = TypeVar("Thing")

_BATCH_BYTES = 1 << 18


class Streams:
    """Of one broker, to all workers, by number."""

    def __init__(self, poller: AnyPoller, recovery: Recovery, workers: int, lag_bytes: int) -> None:
        self._poller = poller
        self._memory = recovery
        self._lanes: list[Transport | None] = [None] * workers
        self._attached = [False] * workers
        self._is_new = [False] * workers  # who comes next is in no stream yet: we have known the one before
        self.arrivals: dict[int, int] = {}  # workers that ask to be attached, and where each is in its stream
        self.ledger = CreditLedger(workers, lag_bytes)

    def begin(self) -> None:
        """The run begins with us, and with workers that are in no stream yet."""
        self._is_new = [True] * len(self._is_new)

    @property
    def ended(self) -> bool:
        """There is nobody left at any other end."""
        return not any(self._lanes)

    def worker_of(self, transport: Transport) -> int | None:
        """Whose lane it is, None: nobody's any more."""
        return self._lanes.index(transport) if transport in self._lanes else None

    def transports(self) -> list[tuple[int, Transport]]:
        """Those that there are, with their workers."""
        return [(worker, transport) for worker, transport in enumerate(self._lanes) if transport is not None]

    def take_transport(self, worker: int, transport: Transport) -> None:
        """The worker or we are new. What came by the old lane may still be dealt with; all else will come again."""
        self.leave(worker)
        self._lanes[worker] = transport
        self._poller.watch(transport)

    def leave(self, worker: int) -> None:
        """Nobody is at the other end any more."""
        transport = self._lanes[worker]
        if transport is not None:
            self._poller.forget(transport)
            transport.close()
        self._lanes[worker], self._attached[worker] = None, False
        self.arrivals.pop(worker, None)
        self._memory.outboxes[worker].abandon()
        self.ledger.reset(worker)  # nobody is slowed for the sake of one that is not there

    def attach(self, worker: int, position: int) -> None:
        """A worker is at this item of its stream, -1: nowhere. It gets what it needs to be in step with us.

        It is told how far the input of its clients has been accepted, and forwards what comes behind that. Raises
        BadFrame if it has been attached already, or is new and yet somewhere; and Damaged if it is where the stream
        that we have replayed is not.
        """
        transport, outbox = self._lanes[worker], self._memory.outboxes[worker]
        assert transport is not None
        if self._attached[worker]:
            raise BadFrame("it is attached already")
        if position >= 0 and self._is_new[worker]:
            raise BadFrame(f"it is new, and says that it is at item {position} of its stream")
        if position >= 0 and not outbox.base <= position <= outbox.last:
            kept = f"is kept from {outbox.base} to {outbox.last}"
            raise Damaged(f"worker{worker} is at item {position} of its stream, which by journal and snapshot {kept}")
        if position < 0:
            position = outbox.base
            for _, places in batches(outbox.places(), weight_of):
                transport.put(("state", position, places, []))
            transport.put(("state", position, [], outbox.groups()))
        self.ledger.reset(worker)
        self._attached[worker] = self._is_new[worker] = True
        self._put(worker, position, 0, outbox.after(position))
        core = self._memory.core
        transport.put(("go", core.inputs(worker), core.drains(worker)))
        crash_point("broker: attached a worker")

    def deliver(self) -> None:
        """A batch for each worker that has items coming, or credit. Who is not there finds them in its outbox."""
        credit = self.ledger.pay()
        for worker, outbox in enumerate(self._memory.outboxes):
            position = outbox.last
            items = self._memory.take_fresh(worker)
            if items or worker in credit:
                self._put(worker, position, credit.get(worker, 0), items)
                crash_point("broker: delivered to some")
        crash_point("broker: delivered")

    def _put(self, worker: int, position: int, credit: int, items: list[Item]) -> None:
        transport = self._lanes[worker]
        for size, part in _parts(items):
            if transport is not None and self._attached[worker]:
                self.ledger.sent(worker, size)
                transport.put(("items", position + 1, credit, size, part))
            position += len(part)
            credit = 0


def _parts(items: list[Item]) -> Iterator[tuple[int, list[Item]]]:
    """Items in batches, with what they weigh: a worker sends after each look into its queue, the smaller, the sooner.

    At least one batch, if only for the credit that goes with it.
    """
    size = weight(items)
    if size <= _BATCH_BYTES:
        yield size, items
    else:
        yield from batches(items, lambda item: weight([item]))


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


def weight_of(place: Resumed) -> int:
    """Its unsent bytes, up to a megabyte of them: a thousand of these would not fit into a frame."""
    return ITEM_BYTES + len(place[2])
