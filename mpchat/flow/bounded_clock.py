"""A bounded wall clock: what time it is for the removal of what is too old. Pure.

The wall clock may be set far ahead by mistake. Nothing must be removed for that before it is set right.
"""

from typing import NamedTuple


class BoundedClock(NamedTuple):
    """When the process began: ms of the wall clock and of the monotonic clock (CLOCK_MONOTONIC, clock_gettime(2))."""

    wall: int
    mono: int

    def now(self, wall: int, mono: int) -> int:
        """The wall clock (ms), but never further ahead than the process has run; `wall` and `mono` are read now."""
        return min(wall, self.wall + mono - self.mono)
