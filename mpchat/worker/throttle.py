"""The throttle: a client that floods is read more slowly. TCP then slows the client itself; it is not kicked."""

import math
from heapq import heappop, heappush

from mpchat.flow.token_bucket import TokenBucket
from mpchat.messages import ConnectionId
from mpchat.settings import Settings
from mpchat.worker.connection import Connection

_HUNG_UP_FACTOR = 20


class Throttle:
    """The connections whose token bucket is empty. Times in monotonic seconds."""

    def __init__(self, settings: Settings) -> None:
        self._burst = settings.burst_lines
        self._rate = settings.lines_per_second
        self._waiting: dict[ConnectionId, Connection] = {}
        self._ready: list[tuple[float, ConnectionId]] = []  # heap: when, whose
        self.next_deadline = math.inf

    def limit(self, burst: int, rate: float) -> None:
        """Other limits from now on; who waits already waits as long as was found."""
        self._burst, self._rate = burst, rate

    def begin(self, connection: Connection, now: float) -> None:
        connection.bucket = TokenBucket(self._burst, now)

    def allowance(self, connection: Connection, now: float) -> int:
        """How many lines of it may be read now. With 0 it is remembered, and due() brings it back in time."""
        bucket = connection.bucket
        # A client that has hung up is heard out, but soon: others want its nickname and its place.
        rate = self._rate * _HUNG_UP_FACTOR if connection.hung_up else self._rate
        tokens = bucket.tokens(self._burst, rate, now)
        if not tokens and connection.id not in self._waiting:
            self._waiting[connection.id] = connection
            heappush(self._ready, (bucket.ready_at(rate), connection.id))
            self.next_deadline = self._ready[0][0]
        return tokens

    def waits(self, connection: Connection) -> bool:
        """Is it left unread because it floods?"""
        return connection.id in self._waiting

    def spend(self, connection: Connection, lines: int) -> None:
        connection.bucket.spend(lines)

    def due(self, now: float) -> list[Connection]:
        """Those whose next line may be read now."""
        ready = []
        while self._ready and self._ready[0][0] <= now:
            connection = self._waiting.pop(heappop(self._ready)[1], None)
            if connection is not None:
                ready.append(connection)
        self.next_deadline = self._ready[0][0] if self._ready else math.inf
        return ready

    def forget(self, connection: Connection) -> None:
        self._waiting.pop(connection.id, None)
