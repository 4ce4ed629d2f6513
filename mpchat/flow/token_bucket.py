"""A token bucket: how fast one client may send lines (flood control). Pure; times in monotonic seconds."""


class TokenBucket:
    """Lets `burst` lines pass at once, and then `rate` lines a second."""

    __slots__ = ("_at", "_tokens")

    def __init__(self, burst: int, now: float) -> None:
        self._tokens = float(burst)
        self._at = now

    def tokens(self, burst: int, rate: float, now: float) -> int:
        """How many lines may pass now, 0 or more."""
        self._tokens = min(float(burst), self._tokens + (now - self._at) * rate)
        self._at = now
        return int(self._tokens + 1e-6)  # a wait of exactly one token must not end a rounding error short of it

    def spend(self, lines: int) -> None:
        self._tokens -= lines

    def ready_at(self, rate: float) -> float:
        """When the next line may pass, as of the last tokens()."""
        return self._at + max(0.0, 1.0 - self._tokens) / rate
