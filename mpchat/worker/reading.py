"""The intake: what is read from clients, and when it is not. One batch of records for the broker grows here each turn.

A client is left unread while its bucket is empty (it floods), and all are while the purse is (the broker is behind).
Nobody is told: their bytes wait in the kernel, the window closes, and TCP slows whoever sends.
"""

import time

from mpchat.flow.credit import SendWindow
from mpchat.runtime.poller import AnyPoller
from mpchat.settings import Settings
from mpchat.worker.connection import Connection, Record
from mpchat.worker.throttle import Throttle


class InputReader:
    """Of one worker."""

    def __init__(self, settings: Settings, poller: AnyPoller) -> None:
        self.poller = poller
        self.throttle = Throttle(settings)
        self.credit = settings.credit_bytes
        self.send_window = SendWindow(0)
        self.paused = True  # while there is no broker to send to
        self.awaiting_credit: dict[int, Connection] = {}  # would be read, had we credit
        self.records: list[Record] = []  # this turn's batch
        self.cost = 0  # and what it takes from the purse, in bytes
        self.taken = 0

    def pause(self) -> None:
        """The broker is gone, and what was on its way to it: it is all still in the kernel."""
        self.paused = True
        self.records, self.cost = [], 0
        self.awaiting_credit.clear()

    def resume(self) -> None:
        """There is a broker, who owes us nothing: a full purse."""
        self.paused = False
        self.send_window = SendWindow(self.credit)

    def read(self, connection: Connection) -> None:
        if self.paused:
            return  # all are read anew once there is a broker
        if self.send_window.empty:
            self.awaiting_credit[connection.id] = connection
            return
        now = time.monotonic()
        allowed = self.throttle.allowance(connection, now)
        if allowed or connection.hung_up:  # a reset must be noticed, however little may be said
            before = connection.forwarded
            records = connection.read(allowed)
            self.records += records
            self.taken += len(records)
            self.throttle.spend(connection, len(records))
            self.send_window.spend(connection.forwarded - before)
            self.cost += connection.forwarded - before
            if len(records) == allowed:
                self.throttle.allowance(connection, now)  # none is left: due() brings it back when there is
        self.rearm(connection)

    def read_the_waiting(self) -> None:
        """Those that were left unread, and need not be any more."""
        if self.awaiting_credit and not self.send_window.empty:
            awaiting_credit, self.awaiting_credit = self.awaiting_credit, {}
            for connection in awaiting_credit.values():
                self.read(connection)
        for connection in self.throttle.due(time.monotonic()):
            self.read(connection)

    def acknowledge(self, connection: Connection, end: int) -> None:
        """The broker has it: take it from the kernel, and look whether there is more."""
        connection.acknowledge(end)
        if connection.again:
            self.read(connection)
        else:
            self.rearm(connection)

    def rearm(self, connection: Connection) -> None:
        self.poller.rearm(connection.sock, connection.blocked, connection.seen - connection.consumed)

    def take(self) -> tuple[int, list[Record]]:
        """This turn's batch and its cost; the next one begins."""
        taken = self.cost, self.records
        self.cost, self.records = 0, []
        return taken

    def forget(self, connection: Connection) -> None:
        self.throttle.forget(connection)
        self.awaiting_credit.pop(connection.id, None)
