"""A process's heartbeat: its row of the board says when it last turned. Who is silent for --hang-limit is killed.

A turn that has much to do says so now and then in the middle; and before a call that may wait for the disk, which
nobody's CPU makes faster, the process says that too: then it has a minute (crew.py).
"""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from mpchat.ipc.scoreboard import Scoreboard

Thing = TypeVar("Thing")

# Beyond a tenth of the shortest --hang-limit (1 s), so that a machine may be ten times slower than we were.
BEAT_WITHIN_SECONDS = 0.1
_THINGS = 64  # a system call or two for each, of some 10 us: about a millisecond


class Heartbeat:
    """Of the process that has this row."""

    def __init__(self, scoreboard: Scoreboard, row: int) -> None:
        self._board, self._row = scoreboard, row
        self.waiting_for_the_disk = scoreboard.waiting_for_the_disk(row)  # around a call that may: `with` takes 0.4 us

    def beat(self) -> None:
        """Costs a tenth of a microsecond."""
        self._board.beat(self._row)

    def among(self, things: Iterable[Thing]) -> Iterator[Thing]:
        """The same things, with a beat after each few of them."""
        for number, thing in enumerate(things, 1):
            yield thing
            if not number % _THINGS:
                self.beat()
