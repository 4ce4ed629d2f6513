"""Deduplication: a line that a client sends again is not said again.

A client that loses its connection cannot know whether its last lines arrived. If it numbers them, under a random name
of its run, it may send them all again. Both tables are bounded: what was dropped from them is treated as new.
"""

from __future__ import annotations

from collections import OrderedDict

RUNS = 10_000  # clients whose lines are remembered: each has a new name each time it is started
LINES = 50  # of each: more than a client usually has in flight


class Deduplication:
    """The numbers of the messages that the last lines of each client run have become."""

    def __init__(self) -> None:
        self._runs: OrderedDict[str, dict[int, int]] = OrderedDict()  # the run with the oldest last line first

    def find(self, run: str, line: int) -> int | None:
        """The number of the message that this line became; 0 if that was dropped; None if it has not been said.

        A line that was refused has not been said, and may be sent again, whatever was said after it.
        """
        known = self._runs.get(run)
        if known is None:
            return None
        if line not in known and len(known) == LINES and line < min(known):
            return 0
        return known.get(line)

    def keep(self, run: str, line: int, number: int) -> None:
        """This line has become this message."""
        known = self._runs.setdefault(run, {})
        self._runs.move_to_end(run)
        known[line] = number
        if len(known) > LINES:
            del known[min(known)]
        if len(self._runs) > RUNS:
            self._runs.popitem(last=False)

    def values(self) -> list[tuple[str, dict[int, int]]]:
        """As plain values, in order; load() is the inverse."""
        return [(run, dict(known)) for run, known in self._runs.items()]

    def load(self, values: list[tuple[str, dict[int, int]]]) -> None:
        self._runs = OrderedDict(values)
