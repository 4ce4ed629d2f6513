"""What a worker notes while somebody traces: the lines that it sees, its batches, and what becomes of traced items.

Without a trace a worker has none of this. An item is traced if the broker has said so; of each the worker notes how
many of its clients get it, and for each of these the send() that hands the last of its bytes to the kernel.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING

from mpchat.ipc.trace_ring import Hop, TraceRing
from mpchat.messages import ConnectionId, Item, Offset, WorkerRecord
from mpchat.worker import tcp_position
from mpchat.worker.connection import Connection

if TYPE_CHECKING:
    from mpchat.worker.worker import Worker


class Tracing:
    """Of one worker."""

    def __init__(self, worker: Worker, ring: TraceRing) -> None:
        self._worker, self.ring = worker, ring
        # By connection: the offset behind an item's bytes in its output, and the item's number.
        self._awaited: dict[ConnectionId, deque[tuple[Offset, int]]] = {}
        # The same of a worker that has not taken over the output yet: how many bytes behind the predecessor's.
        self._behind: dict[ConnectionId, list[tuple[int, int]]] = {}
        # Of a connection's `to_send`: how many pieces were measured, and their bytes. Each is measured once: all that a
        # takeover applies lies there.
        self._measured: dict[ConnectionId, tuple[int, int]] = {}

    def saw(self, connection: Connection, records: list[WorkerRecord]) -> None:
        """Its input was cut into these."""
        waiting = connection.seen - connection.consumed
        for record in records:
            if record[0] == "line":
                _, id, end, data = record
                self.ring.note(Hop.SAW, id, end, self._worker.number, size=len(data) + 1, depth=waiting)

    def put(self, number: int, size: int, at: int) -> None:
        """A batch, before `at`."""
        under_way = self._worker.reader.under_way
        self.ring.note(Hop.PUT_RECORDS, 0, number, self._worker.number, size, under_way, at)

    def took(self, last: int, size: int) -> None:
        """Items up to this number."""
        self.ring.note(Hop.TOOK_ITEMS, 0, last, self._worker.number, size)

    def _receivers(self, item: Item) -> list[Connection]:
        """The connections to whose output this item was appended; none if it is one that delivers nothing."""
        if item[0] == "cast":
            return self._worker.groups.members(item[1], item[3])
        return [self._worker.connections[item[1]]] if item[0] == "send" else []

    def appended(self, number: int, item: Item) -> None:
        """This item has been applied, as the last one so far."""
        worker, receivers = self._worker, self._receivers(item)
        self.ring.note(Hop.APPENDED, 0, number, worker.number, depth=len(receivers))
        for connection in receivers:
            worker.groups.settle(connection)
            length = self._length(connection)
            if worker.broker.output_known:
                end = connection.sent + connection.unsent + length
                self._awaited.setdefault(connection.id, deque()).append((end, number))
            else:
                self._behind.setdefault(connection.id, []).append((length, number))

    def _length(self, connection: Connection) -> int:
        """Bytes of its `to_send`, which only grows until the next flush()."""
        pieces, size = self._measured.get(connection.id, (0, 0))
        size += sum(map(len, connection.to_send[pieces:]))
        self._measured[connection.id] = len(connection.to_send), size
        return size

    def acknowledged(self, id: ConnectionId, end: Offset) -> None:
        self.ring.note(Hop.ACKNOWLEDGED, id, end, self._worker.number)

    def resumed(self, connection: Connection, total: Offset) -> None:
        """Its output goes on, behind `total` bytes of the predecessor's checkpoint."""
        self._measured.pop(connection.id, None)
        for length, number in self._behind.pop(connection.id, []):
            if connection.sent >= total + length:
                self.ring.note(Hop.SENT_BEFORE, connection.id, number, self._worker.number)
            else:
                self._awaited.setdefault(connection.id, deque()).append((total + length, number))

    def start_again(self) -> None:
        """The broker has died during the takeover: the next one tells all from the beginning."""
        self._behind.clear()
        self._measured.clear()

    def flush(self, connection: Connection) -> int:
        """Connection.flush(), with a note for each traced item whose last byte it hands to the kernel."""
        self._measured.pop(connection.id, None)
        awaited = self._awaited.get(connection.id)
        if awaited is None:
            return connection.flush()
        under_way = tcp_position.unacknowledged(connection.sock)
        at = time.monotonic_ns()  # the client may have the bytes before send() has returned
        sent = connection.flush()
        if connection.cut or tcp_position.is_reset(connection.sock):  # no kernel has taken it, though it counts as sent
            del self._awaited[connection.id]
            return sent
        while awaited and awaited[0][0] <= connection.sent:
            _, number = awaited.popleft()
            self.ring.note(Hop.SENT, connection.id, number, self._worker.number, sent, under_way, at)
        if not awaited:
            del self._awaited[connection.id]
        return sent

    def forget(self, connection: Connection) -> None:
        """It is closed."""
        self._awaited.pop(connection.id, None)
        self._behind.pop(connection.id, None)
        self._measured.pop(connection.id, None)
