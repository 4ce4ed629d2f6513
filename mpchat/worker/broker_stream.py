"""A worker's transport to the broker of the moment, and its place in the broker's numbered stream of items.

    a new transport    "attach": the worker says how far it is in the stream
                       "state": to a worker that has just been started, what its predecessor was (takeover.py)
                       "items": those behind that place
                       "go": they are in step, and how much of each client's input the broker has accepted

What was forwarded beyond that has died with a process, and is still in the kernel: it is forwarded again. "go" also
names the connections whose output the broker waits for: the worker says when it is out, whatever was said before.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING

from mpchat.ipc.scoreboard import BYTES_PUT, BYTES_TAKEN, MESSAGES_PUT, MESSAGES_TAKEN, new_meter
from mpchat.ipc.transport import Transport, load_pair
from mpchat.ipc.validation import MOST, are_items, are_numbers, check_inputs, check_state
from mpchat.messages import (
    BadFrame,
    ConnectionId,
    Group,
    Input,
    Item,
    Resumed,
    StreamPosition,
    UnknownMessage,
    WorkerToBroker,
)
from mpchat.runtime.crash_points import crash_point
from mpchat.worker.takeover import Takeover
from mpchat.worker.tracing import Tracing

if TYPE_CHECKING:
    from mpchat.worker.worker import Worker

_BEAT_ITEMS = 64  # one may go to ten thousand connections, which takes a millisecond
_REPORT_BYTES = 1 << 18  # of the stream: how often the broker hears how far we are, if there is nothing else to say


class BrokerStream:
    """Of one worker.

    in_step         there is a broker, and it knows where the worker is in the stream
    output_known    the worker knows how much of each client's output the kernel has taken, so it may send
    """

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self.transport: Transport[WorkerToBroker] | None = None
        self.position = StreamPosition(0)  # items applied
        self.in_step = self.output_known = False
        self._is_new = True  # this process has never been in the stream
        self.applied = self._reported = 0  # bytes of the stream, since this transport
        self._takeover = Takeover(worker)
        self._meter = worker.scoreboard.meter(f"worker{worker.number}", "broker")
        self._traced: list[int] = []  # numbers of items that have not come yet

    # The transport

    def take_transport(self, serial: int, pickled: bytes, fds: list[int]) -> None:
        """From the supervisor: the broker is new, or the worker is."""
        worker = self._worker
        if self.transport is not None:
            self.leave(self.transport)
        self.transport = load_pair(pickled, fds).at_worker()
        self._meter[:] = new_meter()
        worker.poller.watch(self.transport)
        worker.control.post(("opened", serial))
        self.attach()

    def attach(self) -> None:
        """Say where we are, once there is a transport and every socket has come."""
        if self._worker.acceptor.synced and self.transport is not None:
            self.applied = self._reported = self._worker.sent_at = 0  # the broker counts from here too
            self._put(self.transport, ("attach", -1 if self._is_new else self.position))

    def leave(self, transport: Transport[WorkerToBroker]) -> None:
        """Its broker is dead, and what was under way in it is lost. The supervisor sends another transport."""
        self._worker.poller.forget(transport)
        transport.close()
        self.transport, self.in_step = None, False
        self._worker.reader.pause()
        if self._is_new:
            self._takeover.start_again()

    def look(self, most: int) -> None:
        """To be called every LOOK_SECONDS in which the other end has turned its loop: see frames.Progress."""
        if self.transport is not None:
            try:
                self.transport.look(most)
            except BadFrame as error:
                self._report(self.transport, error)

    def _report(self, transport: Transport[WorkerToBroker], error: BadFrame) -> None:
        """What the broker has sent is no message: the supervisor replaces it."""
        self._worker.control.post(("misbehaves", "broker", str(error)))
        self.leave(transport)

    # Up

    def forward(self) -> None:
        """Put this turn's records, which also tell how far the stream is applied."""
        worker, transport = self._worker, self.transport
        assert transport is not None
        if worker.reader.records or self.applied - self._reported >= _REPORT_BYTES:
            cost, records = worker.reader.take()
            at = 0 if worker.trace is None else time.monotonic_ns()  # it may be taken before put() has returned
            self._put(transport, ("batch", self.applied, cost, records))
            self._meter[BYTES_PUT] += cost
            self._reported = self.applied
            if worker.trace is not None:
                worker.trace.put(self._meter[MESSAGES_PUT], cost, at)
            crash_point("worker: forwarded")

    @property
    def checkpoint_due(self) -> float:
        """When tell_checkpoint() has something to tell, in monotonic seconds."""
        return self._worker.checkpoints.deadline(self.position) if self.in_step else math.inf

    def tell_checkpoint(self, now: float) -> None:
        """If it is time for one (monotonic seconds)."""
        assert self.transport is not None
        for message in self._worker.checkpoints.take(self.position, now):
            self._put(self.transport, message)
            crash_point("worker: checkpoint")

    def _put(self, transport: Transport[WorkerToBroker], message: WorkerToBroker) -> None:
        """What the transport cannot send at once goes on as soon as there is room."""
        transport.put(message)
        self._meter[MESSAGES_PUT] += 1
        if transport.unsent:
            self._worker.poller.want_write(transport, True, transport.write_fileno())

    # Down

    def on_event(self, transport: Transport[WorkerToBroker], readable: bool, writable: bool) -> None:
        if writable:
            transport.flush()
            self._worker.poller.want_write(transport, transport.unsent, transport.write_fileno())
        if readable:
            self._take_messages(transport)

    def _take_messages(self, transport: Transport[WorkerToBroker]) -> None:
        """Take what has come by the transport, and apply it."""
        try:
            for message in transport.take():
                self._meter[MESSAGES_TAKEN] += 1
                match message:
                    case ("items", int() as first, int() as credit, int() as size, list() as items) if (
                        max(first, credit, size) <= MOST
                    ):
                        if self._worker.trace is not None:
                            self._worker.trace.took(first + len(items) - 1, size)
                        self._take_items(first, items)
                        self.applied += size
                        self._meter[BYTES_TAKEN] += size
                        self._worker.reader.send_window.earn(credit)
                        crash_point("worker: applied")
                    case ("state", int() as position, list() as resumed, list() as groups) if 0 <= position <= MOST:
                        check_state(resumed, groups)
                        self._take_state(StreamPosition(position), resumed, groups)
                    case ("go", list() as inputs, list() as drains):
                        check_inputs(inputs, drains)
                        self._go(inputs, drains)
                    case ("traced", list() as numbers) if are_numbers(numbers):
                        self._traced = [] if self._worker.trace is None else numbers
                    case _:
                        raise UnknownMessage(message)
        except BadFrame as error:
            self._report(transport, error)
            return
        if transport.ended:
            self.leave(transport)

    def _take_items(self, first: int, items: list[Item]) -> None:
        """Raises BadFrame if these are not the next items of the stream; those before a wrong one have been applied."""
        if first != self.position + 1:
            raise BadFrame(f"a gap in the stream: item {first} after {self.position}")
        rest = iter(items)
        try:
            if self._traced and self._worker.trace is not None:
                self._apply_traced(self._worker.trace, first, items, rest)
            for _ in range(0, len(items), _BEAT_ITEMS):
                self._worker.heartbeat.beat()
                self._worker.apply(islice(rest, _BEAT_ITEMS))
        except (LookupError, TypeError, ValueError, AttributeError, UnknownMessage) as error:
            if are_items(items):
                raise  # then it is our own fault
            applied = len(items) - len(list(rest)) - 1
            self.position = StreamPosition(self.position + applied)
            raise UnknownMessage(items[applied]) from error
        self.position = StreamPosition(self.position + len(items))

    def _apply_traced(self, trace: Tracing, first: int, items: list[Item], rest: Iterator[Item]) -> None:
        """Of these items, which begin at the number `first`, apply all up to the last one that is traced."""
        end, applied = first + len(items), first
        for number in sorted({number for number in self._traced if first <= number < end}):
            self._worker.heartbeat.beat()
            self._worker.apply(islice(rest, number - applied))
            self._worker.apply(islice(rest, 1))
            trace.appended(number, items[number - first])
            applied = number + 1
        self._traced = [number for number in self._traced if number >= end]

    def _take_state(self, position: StreamPosition, resumed: list[Resumed], groups: list[Group]) -> None:
        self.position = position
        self._takeover.take_state(resumed, groups)

    def session_begun(self, id: ConnectionId) -> None:
        """The broker has a session for this connection: no news, unless this process was not here when it began."""
        if self._is_new:
            self._takeover.adopt(id)

    def _go(self, inputs: list[Input], drains: list[tuple[ConnectionId, int]]) -> None:
        """In step with the broker: from here on all is as if no process had died."""
        worker = self._worker
        if self._is_new:
            self._takeover.resume_output()
        self.in_step, self._is_new, self.output_known = True, False, True
        worker.checkpoints.start_over()
        worker.reader.resume()
        worker.resume_inputs({id: (accepted, begun, discarding) for id, accepted, begun, discarding in inputs})
        worker.drains.clear()  # what we were to say may have been lost, or the broker knows it
        for id, number in drains:
            worker.drain(worker.connections[id], number)
        worker.control.post(("ready",))
        crash_point("worker: attached")
