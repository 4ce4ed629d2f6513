"""How long the server takes to answer us: the last time, and now, while we wait. Pure: seconds come in."""

import math

MEASURE_SECONDS = 30.0  # between two PINGs that only measure
NOTICED_SECONDS = 1.0  # less is not worth a word


class Lag:
    """What is known of it. An echo is an answer too: then no PING is needed."""

    def __init__(self) -> None:
        self._asked_at: float | None = None
        self._last = 0.0
        self._known_at = -math.inf

    def began(self, now: float) -> None:
        """There is a connection, of which nothing is known yet."""
        self._asked_at, self._last, self._known_at = None, 0.0, now

    def asked(self, now: float) -> None:
        """A PING was sent."""
        self._asked_at = now if self._asked_at is None else self._asked_at

    def answered(self, now: float) -> None:
        """Its PONG came."""
        if self._asked_at is not None:
            self.measured(now - self._asked_at, now)
            self._asked_at = None

    def measured(self, seconds: float, now: float) -> None:
        """An answer took so long."""
        self._last, self._known_at = seconds, now

    def is_waiting(self) -> bool:
        """Is an answer due?"""
        return self._asked_at is not None

    def deadline(self) -> float:
        """When to measure again."""
        return math.inf if self.is_waiting() else self._known_at + MEASURE_SECONDS

    def noticed(self, now: float, unechoed_since: float) -> int:
        """Whole seconds, where somebody would notice them; else 0.

        `unechoed_since`: when our oldest line without an echo was sent, math.inf if there is none.
        """
        since = min(unechoed_since, math.inf if self._asked_at is None else self._asked_at)
        seconds = max(self._last, now - since)
        return int(seconds) if seconds > NOTICED_SECONDS else 0
