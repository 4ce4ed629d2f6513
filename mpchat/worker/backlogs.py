"""What a worker holds for all of its clients that their kernel has not taken: how much that is, and who must go.

One client's backlog has a limit of its own (--sendq). This is for the sum, a worker's share of --sendq-total: beyond it
the largest backlog goes first. A client that must go is told, and may take what was kept for it while it is being
closed, for some seconds; so it counts apart, and no other is closed in its place. Should both together come to twice
the share, those on their way out are cut off at once, in the order in which they were told to go.

The broker has a copy of each backlog, as of the worker's last checkpoint, and so has a snapshot (flow/outbox.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

from mpchat.messages import ConnectionId
from mpchat.settings import Settings

if TYPE_CHECKING:
    from mpchat.worker.connection import Connection

_HARD = 2  # shares
_EXCUSE_SECONDS = 5.0  # who reads at all has long taken by then what piled up while there was no worker


class Backlogs:
    """Of one worker. Sizes in bytes, times in monotonic seconds."""

    def __init__(self, settings: Settings) -> None:
        self.held = 0  # in all
        self.staying = 0  # by those who are not on their way out
        self._share = settings.sendq_total_bytes // settings.workers
        self._inherited = 0  # what was there already when we began
        self._excused_until = 0.0
        self._leaving: dict[ConnectionId, Connection] = {}
        self._largest: list[tuple[int, ConnectionId]] | None = None  # heap of (-size, id), while one must go

    def change(self, connection: Connection, by: int) -> None:
        """Its backlog has grown or shrunk by so much."""
        self.held += by
        if connection.id not in self._leaving:
            self.staying += by
        if self._largest is not None:
            heappush(self._largest, (-connection.unsent, connection.id))

    def leaves(self, connection: Connection) -> None:
        """It has been told to go, by us or by the broker."""
        if connection.id not in self._leaving:
            self._leaving[connection.id] = connection
            self.staying -= connection.unsent

    def stays(self, connection: Connection) -> None:
        """That was another broker: this one has not heard of it."""
        if self._leaving.pop(connection.id, None) is not None:
            self.staying += connection.unsent

    def forget(self, connection: Connection) -> None:
        """It is closed, whatever was still held for it."""
        size = connection.unsent
        if self._leaving.pop(connection.id, None) is None:
            self.staying -= size
        self.held -= size
        connection.backlog = None

    def inherited(self, now: float) -> None:
        """We have just taken over from a dead worker. While there was none, nothing could be sent."""
        self._inherited, self._excused_until = self.staying, now + _EXCUSE_SECONDS

    def limit(self, now: float) -> int:
        return self._share + (self._inherited if now < self._excused_until else 0)

    def too_large(self, connections: dict[ConnectionId, Connection], now: float) -> Iterator[Connection]:
        """Those who must be told to go, the largest first. Each must be told before the next is asked for."""
        while self.staying > self._share and self.staying > self.limit(now):
            yield self._pop_largest(connections)

    def too_late(self, now: float) -> Iterator[Connection]:
        """Those who were told to go and must be cut off at once, one before the next is asked for."""
        if self.held <= _HARD * self._share:
            return
        for connection in list(self._leaving.values()):
            if self.held <= _HARD * self.limit(now):
                break
            if connection.backlog:
                yield connection

    def end_turn(self) -> None:
        """What is in order now need not be kept so: most turns do not ask."""
        self._largest = None

    def _pop_largest(self, connections: dict[ConnectionId, Connection]) -> Connection:
        if self._largest is None:  # sorted once in a turn, in which change() then adds to it
            self._largest = [
                (-connection.unsent, id)
                for id, connection in connections.items()
                if connection.backlog and id not in self._leaving
            ]
            heapify(self._largest)
        while True:
            size, id = heappop(self._largest)
            connection = connections.get(id)
            if connection is not None and connection.unsent == -size and id not in self._leaving:
                return connection
