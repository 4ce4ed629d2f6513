"""Tracing: which of the messages that are delivered somebody wants to follow. No part of the core's state: it decides
nothing, is in no snapshot, and whether anybody traces changes no item.
"""

from collections.abc import Sequence
from typing import NamedTuple

from mpchat.chat.events import Said
from mpchat.chat.names import fold
from mpchat.chat.sessions import Session
from mpchat.messages import ConnectionId, Item, Ms, Offset, TraceWanted, WorkerNumber


class Marked(NamedTuple):
    """A line that is traced."""

    trace: int  # its number
    connection: ConnectionId
    end: Offset
    is_private: bool
    items: list[tuple[WorkerNumber, int]]  # that deliver it: to which worker, and which of those of its block, from 0


_SECOND_MS = 1000
MOST_A_SECOND = 20  # messages: each costs a note for each client that gets it, of some 3 us


class Tracing:
    """The traces that are wanted now. Of a flood some messages are followed, so that the server stays as quick."""

    def __init__(self, wanted: Sequence[TraceWanted]) -> None:
        self._second, self._marked = 0, 0  # monotonic ms at which a second began, and how many in it
        self._wanted = [(*each[:2], fold(each[2]), each[3], *each[4:]) for each in wanted]
        self._left = {number: count for number, _, _, _, count, _ in wanted}

    def go_on(self, former: "Tracing") -> None:
        """What is wanted has changed: those that go on have followed some messages already."""
        self._left = {number: former._left.get(number, left) for number, left in self._left.items()}

    def of(self, said: Said, now: Ms) -> list[int]:
        """The numbers of the traces that want this message, which is delivered at `now` (monotonic ms)."""
        if now - self._second >= _SECOND_MS:
            self._second, self._marked = now, 0
        if self._marked >= MOST_A_SECOND:
            return []
        is_private, nick = isinstance(said.to, Session), fold(said.by.nick)
        found = []
        for number, since, sender, text, _, wants_private in self._wanted:
            if (
                self._left[number] > 0
                and now >= since
                and sender in ("", nick)
                and text in said.text
                and (wants_private or not is_private)
            ):
                self._left[number] -= 1
                found.append(number)
        self._marked += bool(found)
        return found


def lengths(items: list[list[Item]]) -> list[int]:
    """By worker, how many items there are."""
    return [len(each) for each in items]


def added(items: list[list[Item]], before: list[int]) -> list[tuple[WorkerNumber, int]]:
    """Those that have come since lengths() gave `before`."""
    return [
        (WorkerNumber(worker), index)
        for worker, (each, length) in enumerate(zip(items, before, strict=True))
        for index in range(length, len(each))
    ]
