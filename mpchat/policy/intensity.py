"""How often may processes crash before it is better to give up? Pure. (OTP's supervisors call it restart intensity.)"""

from collections import deque


class Intensity:
    """At most `most` events in any `seconds`."""

    def __init__(self, most: int, seconds: float) -> None:
        self._seconds = seconds
        self._times: deque[float] = deque(maxlen=most + 1)

    def exceeded(self, now: float) -> bool:
        """One more has happened, at this monotonic time."""
        self._times.append(now)
        return len(self._times) == self._times.maxlen and now - self._times[0] <= self._seconds
