"""In the middle of whatever takes long a process says that it turns; and it says when it waits for the disk."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mpchat.core import Record
from mpchat.ipc.board import BROKER_ROW, Board
from mpchat.processes.attachment import Attachment
from mpchat.processes.heartbeat import Heartbeat
from mpchat.processes.log import Log
from mpchat.processes.memory import Memory
from mpchat.settings import Wording, pack

LOG = Log("broker", "error", False)
START: Record = ("start", pack(Wording()), 2, 0, 1, 1)


@pytest.fixture
def board() -> Board:
    return Board.make(BROKER_ROW + 1)


@pytest.fixture
def heartbeat(board: Board) -> Heartbeat:
    return Heartbeat(board, BROKER_ROW)


def beats(board: Board) -> Callable[[], bool]:
    """A function that says whether there was one since it was last asked."""
    last = [board.last_beat(BROKER_ROW)]

    def beaten() -> bool:
        before, last[0] = last[0], board.last_beat(BROKER_ROW)
        return last[0] != before

    return beaten


def test_among_many_things(board: Board, heartbeat: Heartbeat) -> None:
    beaten = beats(board)
    seen = []
    longest = 0
    for thing in heartbeat.among(range(1000)):
        seen.append(thing)
        longest = 0 if beaten() else longest + 1
    assert seen == list(range(1000))
    assert longest < 100


def test_among_the_items_for_a_worker(board: Board, heartbeat: Heartbeat) -> None:
    beaten = beats(board)
    longest, silent = 0, 0

    def do(_: int) -> None:
        nonlocal longest, silent
        silent = 0 if beaten() else silent + 1
        longest = max(longest, silent)

    purse = SimpleNamespace(earn=lambda credit: None)
    worker: Any = SimpleNamespace(heartbeat=heartbeat, do={"x": do}, applied=0, intake=SimpleNamespace(purse=purse))
    attachment = Attachment(worker)
    attachment.apply(1, 0, 5, [("x", number) for number in range(8000)])
    assert attachment.position == 8000
    assert longest < 100


class Slow:
    """In place of the core: each record takes a while."""

    def __init__(self, took: list[float], board: Board) -> None:
        self.took, self.board = took, board
        self.next_deadline = None

    def apply(self, _: Record) -> list[Any]:
        self.took.append(time.monotonic() - self.board.last_beat(BROKER_ROW))
        until = time.monotonic() + 0.06  # of work, not of waiting: that is what is tried here
        while time.monotonic() < until:
            pass
        return []

    def acknowledge(self) -> list[Any]:
        return []

    def facts(self) -> list[Any]:
        return []


def test_between_two_records_of_a_long_block(board: Board, heartbeat: Heartbeat) -> None:
    memory = Memory(None, 1, False, heartbeat, LOG)
    took: list[float] = []
    memory.core = Slow(took, board)  # type: ignore[assignment]
    memory.append([("line", 1, end, b"WHO *x*") for end in range(1, 9)])
    assert len(took) == 8
    assert max(took) < 0.3, "a beat is 0.16 s old at most, on a machine that does nothing else"
    assert memory.applied_in >= 8 * 0.06


def test_what_may_wait_for_the_disk_says_so(board: Board, heartbeat: Heartbeat, tmp_path: Path) -> None:
    memory = Memory(tmp_path, 2, True, heartbeat, LOG)
    waits: list[bool] = []

    def watched(call: Callable[..., Any]) -> Callable[..., Any]:
        def watching(*args: Any) -> Any:
            waits.append(board.waits_for_the_disk(BROKER_ROW))
            return call(*args)

        return watching

    memory.open()
    assert memory.journal is not None
    memory.journal.append = watched(memory.journal.append)  # type: ignore[method-assign]
    memory.journal.roll = watched(memory.journal.roll)  # type: ignore[method-assign]
    memory.recall(lambda place: None, 0)
    memory.append([START])
    memory._since = 1 << 20
    memory.tend(0, 1 << 20)
    assert waits == [True, True]
    assert not board.waits_for_the_disk(BROKER_ROW)
    memory.journal.close()
