"""What falls due when nothing comes: registration, and the question whether a silent client is still there.

Deadlines are by the monotonic clock in the records: the core knows no other time. They are never taken back; one that
means nothing any more is dropped when it falls due.
"""

from __future__ import annotations

from heapq import heappop, heappush
from math import inf

from mpchat.messages import ConnectionId, Ms


class Deadlines:
    """Of one core. `heap` is what a snapshot keeps: (mono, connection), the next one first."""

    def __init__(self, heap: list[tuple[Ms, ConnectionId]] | None = None) -> None:
        self.heap = heap if heap is not None else []

    @property
    def next(self) -> float:
        """When the next one is due; infinity: there is none."""
        return self.heap[0][0] if self.heap else inf

    def add(self, due: Ms, id: ConnectionId) -> None:
        heappush(self.heap, (due, id))

    def pop_due(self, now: Ms) -> tuple[Ms, ConnectionId] | None:
        """The next one that is due: when it was, and whose it is."""
        return heappop(self.heap) if self.heap and self.heap[0][0] <= now else None
