"""Flow control of the input: what is read from clients, and when it is not. One batch of records grows here each turn.

A client is left unread while its token bucket is empty (it floods), and all are while the send window is (the broker is
behind). The client is not told: its bytes wait in the kernel, the window closes, and TCP slows the sender.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from mpchat.flow.credit import SendWindow
from mpchat.messages import ConnectionId, WorkerRecord
from mpchat.runtime.poller import AnyPoller
from mpchat.settings import Settings
from mpchat.worker.connection import Connection
from mpchat.worker.throttle import Throttle

if TYPE_CHECKING:
    from mpchat.worker.tracing import Tracing

_UNLIMITED = 1 << 30  # lines


class InputReader:
    """Of one worker. Times in monotonic seconds."""

    def __init__(self, settings: Settings, poller: AnyPoller) -> None:
        self._poller = poller
        self._throttle = None if settings.unlimited else Throttle(settings)
        self._credit = settings.credit_bytes
        self.send_window = SendWindow(0)
        self.paused = True  # while there is no broker to send to
        self._awaiting_credit: dict[ConnectionId, Connection] = {}  # would be read, had the worker credit
        self.records: list[WorkerRecord] = []  # this turn's batch
        self._cost = 0  # and what it takes from the send window, in bytes
        self.taken = 0  # records read so far
        self.trace: Tracing | None = None  # while somebody traces

    def limit(self, burst: int, rate: float) -> None:
        """Other limits of the flood control from now on; where there is none, there is none."""
        if self._throttle is not None:
            self._throttle.limit(burst, rate)

    def begin(self, connection: Connection) -> None:
        """The connection is new in this process."""
        if self._throttle is not None:
            self._throttle.begin(connection, time.monotonic())

    def pause(self) -> None:
        """The broker is gone, and what was on its way to it: it is all still in the kernel."""
        self.paused = True
        self.records, self._cost = [], 0
        self._awaiting_credit.clear()

    def resume(self) -> None:
        """There is a broker, which owes the worker nothing: the window is open."""
        self.paused = False
        self.send_window = SendWindow(self._credit)

    def read(self, connection: Connection) -> None:
        if self.paused:
            return  # all are read anew once there is a broker
        if self.send_window.left <= 0:
            self._awaiting_credit[connection.id] = connection
            return
        throttle = self._throttle
        allowed = _UNLIMITED if throttle is None else throttle.allowance(connection, time.monotonic())
        if allowed or connection.hung_up:  # a reset must be noticed, however little may be said
            before = connection.forwarded
            records = connection.read(allowed)
            if records:
                self.records += records
                if self.trace is not None:
                    self.trace.saw(connection, records)
                self.taken += len(records)
                cost = connection.forwarded - before
                self._cost += cost
                self.send_window.left -= cost  # below zero by one read: the next ones wait
                if throttle is not None:
                    throttle.spend(connection, len(records))
                    if len(records) == allowed:
                        throttle.allowance(connection, time.monotonic())  # none: due() brings it back in time
        if self._poller.one_shot:
            self.rearm(connection)

    def read_the_waiting(self, now: float) -> None:
        """Those that were left unread, and need not be any more."""
        if self._awaiting_credit and self.send_window.left > 0:
            waiting, self._awaiting_credit = self._awaiting_credit, {}
            for connection in waiting.values():
                self.read(connection)
        if self._throttle is not None and now >= self._throttle.next_deadline:
            for connection in self._throttle.due(now):
                self.read(connection)

    def state(self, connection: Connection) -> str:
        """Why this client is not read: "no broker", "no credit" (the broker is behind), "flood", or "": it is read."""
        if self.paused:
            return "no broker"
        if connection.id in self._awaiting_credit:
            return "no credit"
        return "flood" if self._throttle is not None and self._throttle.waits(connection) else ""

    @property
    def under_way(self) -> int:
        """Bytes of input that were put and for which the broker has not given credit back."""
        return self._credit - self.send_window.left

    def rearm(self, connection: Connection) -> None:
        if self._poller.one_shot:
            self._poller.rearm(connection.sock, connection.blocked, connection.seen - connection.consumed)

    def take(self) -> tuple[int, list[WorkerRecord]]:
        """This turn's batch, its cost first; the next one begins."""
        taken = self._cost, self.records
        self._cost, self.records = 0, []
        return taken

    @property
    def next_deadline(self) -> float:
        """When a client may be read again that has flooded; infinity: none has."""
        return math.inf if self._throttle is None else self._throttle.next_deadline

    def forget(self, connection: Connection) -> None:
        if self._throttle is not None:
            self._throttle.forget(connection)
        self._awaiting_credit.pop(connection.id, None)
