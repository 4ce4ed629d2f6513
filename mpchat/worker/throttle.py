"""The throttle: who speaks too fast is read more slowly. TCP then slows the client itself; nobody is kicked."""

from heapq import heappop, heappush

from mpchat.flow.token_bucket import TokenBucket
from mpchat.settings import Settings
from mpchat.worker.connection import Connection

_UNLIMITED = 1 << 30
_HUNG_UP_FACTOR = 20


class Throttle:
    """A bucket for each connection, and those that wait for theirs to fill. Times in monotonic seconds."""

    def __init__(self, settings: Settings) -> None:
        self._burst = settings.burst_lines
        self._rate = settings.lines_per_second
        self._off = settings.unlimited
        self._buckets: dict[int, TokenBucket] = {}
        self._waiting: dict[int, Connection] = {}
        self._ready: list[tuple[float, int]] = []  # heap: when, whose

    def allowance(self, connection: Connection, now: float) -> int:
        """How many lines of it may be read now. With 0 it is remembered, and due() brings it back in time."""
        if self._off:
            return _UNLIMITED
        bucket = self._buckets.get(connection.id)
        if bucket is None:
            bucket = self._buckets[connection.id] = TokenBucket(self._burst, now)
        # Who has hung up is heard out, but soon: its nickname and its place are wanted by others.
        rate = self._rate * _HUNG_UP_FACTOR if connection.hung_up else self._rate
        tokens = bucket.tokens(self._burst, rate, now)
        if not tokens and connection.id not in self._waiting:
            self._waiting[connection.id] = connection
            heappush(self._ready, (bucket.ready_at(rate), connection.id))
        return tokens

    def spend(self, connection: Connection, lines: int) -> None:
        if not self._off:
            self._buckets[connection.id].spend(lines)

    def due(self, now: float) -> list[Connection]:
        """Those whose next line may be read now."""
        ready = []
        while self._ready and self._ready[0][0] <= now:
            connection = self._waiting.pop(heappop(self._ready)[1], None)
            if connection is not None:
                ready.append(connection)
        return ready

    def forget(self, connection: Connection) -> None:
        self._buckets.pop(connection.id, None)
        self._waiting.pop(connection.id, None)

    @property
    def next_deadline(self) -> float | None:
        return self._ready[0][0] if self._ready else None
