"""Receipts: which lines of which client have been said, so that one that is sent again is not said again.

A client that loses its connection cannot know whether its last lines arrived. If it numbers them, under a name that
only it knows, it may send them all again. Both are bounded: who comes back later than that begins anew.
"""

from __future__ import annotations

from collections import OrderedDict

RUNS = 10_000  # clients whose lines are remembered: each has its own name for each time it was started
LINES = 50  # of each: more than a client usually has on its way


class Deduplication:
    """Of all clients: the numbers of the messages that their last lines have become."""

    def __init__(self) -> None:
        self._runs: OrderedDict[str, dict[int, int]] = OrderedDict()  # the one that spoke last stands last

    def find(self, run: str, line: int) -> int | None:
        """The number of the message that this line became; 0 if that is forgotten; None if it has not been said.

        Only what was said counts: a line that was refused may be tried again, whatever has been said after it.
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
