"""A process's heartbeat: its row of the scoreboard says when its loop last turned.

The supervisor kills a process that has not beaten for --hang-limit seconds. A long turn beats in the middle; a process
that may be waiting for the disk says so, and then has LONGEST_HANG_SECONDS (flow/restart_intensity.py).
"""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from mpchat.ipc.scoreboard import Scoreboard

Thing = TypeVar("Thing")

# A tenth of the shortest --hang-limit (1 s): a machine may be ten times slower than the one this was measured on.
BEAT_WITHIN_SECONDS = 0.1
_THINGS = 64  # a system call or two for each, of some 10 us: about a millisecond


class Heartbeat:
    """Of the process that has this row."""

    def __init__(self, scoreboard: Scoreboard, row: int) -> None:
        self._scoreboard, self._row = scoreboard, row
        self.waiting_for_the_disk = scoreboard.waiting_for_the_disk(row)  # around a call that may: `with` takes 0.4 us

    def beat(self) -> None:
        """Costs a tenth of a microsecond."""
        self._scoreboard.beat(self._row)

    def among(self, things: Iterable[Thing]) -> Iterator[Thing]:
        """The same things, with a beat after every _THINGS of them."""
        for number, thing in enumerate(things, 1):
            yield thing
            if not number % _THINGS:
                self.beat()
