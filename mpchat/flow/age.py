"""What time it is for things that are thrown away when they are old. Pure.

The wall clock may be set, and far ahead by mistake: then nothing must be gone before somebody has set it right.
"""

from typing import NamedTuple


class Age(NamedTuple):
    """When a process began, in ms of the wall clock and of the monotonic one."""

    wall: int
    mono: int

    def now(self, wall: int, mono: int) -> int:
        """The wall clock, but never further ahead than the process has run: it is believed where that begins."""
        return min(wall, self.wall + mono - self.mono)
