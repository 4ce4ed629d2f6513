"""How a connection ends, so that its last lines arrive.

flush -> SHUT_WR -> drain -> close. close() alone sends no FIN, because the acceptor holds a second copy of the socket;
and a socket that is closed with unread input sends a RST, which destroys what the client has not read yet
(tests/worker/test_lingering_close.py).
"""

import math
from heapq import heappop, heappush

from mpchat.messages import ConnectionId
from mpchat.settings import Settings
from mpchat.worker.connection import Connection

Step = dict[ConnectionId, tuple[float, Connection]]  # deadline, and the connection

_DRAIN_READS = 16  # a client that never stops sending must not hold up the others


class LingeringClose:
    """Connections on their way out. Each step has a deadline; times in monotonic seconds."""

    def __init__(self, settings: Settings) -> None:
        self._flush_seconds = settings.flush_seconds
        self._drain_seconds = settings.drain_seconds
        self._flushing: Step = {}  # by number: deadline, and itself
        self._draining: Step = {}
        self._deadlines: list[tuple[float, ConnectionId]] = []  # heap; those of a step that is over are stale

    def begin(self, connection: Connection, now: float) -> None:
        connection.closing = connection.finished = True
        self._enter(self._flushing, connection, now + self._flush_seconds)

    def advance(self, connection: Connection, now: float) -> bool:
        """Something happened to it; returns whether it can be closed."""
        if connection.id in self._flushing and not (connection.unsent or connection.to_send):
            self._shut(connection, now)
        return connection.id in self._draining and _drained(connection)

    def overdue(self, now: float) -> list[Connection]:
        """Those whose time is up and that can be closed."""
        over = []
        while self._deadlines and self._deadlines[0][0] <= now:
            deadline, id = heappop(self._deadlines)
            flushing, draining = self._flushing.get(id), self._draining.get(id)
            if flushing is not None and flushing[0] == deadline:
                self._shut(flushing[1], now)
            elif draining is not None and draining[0] == deadline:
                del self._draining[id]  # a flush may have had the same deadline: it is told once
                over.append(draining[1])
        return over

    def forget(self, connection: Connection) -> None:
        """It is closed."""
        self._flushing.pop(connection.id, None)
        self._draining.pop(connection.id, None)

    def clear(self) -> None:
        """Forget all of them."""
        self._flushing.clear()
        self._draining.clear()
        self._deadlines.clear()

    @property
    def next_deadline(self) -> float:
        """Infinity: there is none."""
        return self._deadlines[0][0] if self._deadlines else math.inf

    def _shut(self, connection: Connection, now: float) -> None:
        del self._flushing[connection.id]
        connection.drop_output()
        self._enter(self._draining, connection, now + self._drain_seconds)

    def _enter(self, step: Step, connection: Connection, deadline: float) -> None:
        step[connection.id] = deadline, connection
        heappush(self._deadlines, (deadline, connection.id))


def _drained(connection: Connection) -> bool:
    """Throw away what the client still sends; returns whether it has closed its side too."""
    try:
        for _ in range(_DRAIN_READS):
            if not connection.sock.recv_into(connection.limits.view):
                return True
    except BlockingIOError:
        return False
    except OSError:
        return True
    return False
