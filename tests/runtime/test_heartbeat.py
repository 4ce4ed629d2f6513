"""In the middle of whatever takes long a process says that it turns; and it says when it waits for the disk."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from mpchat.broker.recovery import Recovery
from mpchat.core.machine import Applied
from mpchat.ipc.scoreboard import BROKER_ROW, FIRST_WORKER_ROW, Scoreboard
from mpchat.messages import Record
from mpchat.runtime.heartbeat import Heartbeat
from mpchat.runtime.log import Log
from mpchat.settings import ChatSettings, pack
from mpchat.worker.broker_stream import BrokerStream

LOG = Log("broker", "error", False)
START: Record = ("start", pack(ChatSettings()), 2, 0, 1, 1)


@pytest.fixture
def scoreboard() -> Scoreboard:
    return Scoreboard.make(BROKER_ROW + 1)


@pytest.fixture
def heartbeat(scoreboard: Scoreboard) -> Heartbeat:
    return Heartbeat(scoreboard, BROKER_ROW)


def beats(scoreboard: Scoreboard) -> Callable[[], bool]:
    """A function that says whether there was one since it was last asked."""
    last = [scoreboard.last_beat(BROKER_ROW)]

    def beaten() -> bool:
        before, last[0] = last[0], scoreboard.last_beat(BROKER_ROW)
        return last[0] != before

    return beaten


def test_among_many_things(scoreboard: Scoreboard, heartbeat: Heartbeat) -> None:
    beaten = beats(scoreboard)
    seen = []
    longest = 0
    for thing in heartbeat.among(range(1000)):
        seen.append(thing)
        longest = 0 if beaten() else longest + 1
    assert seen == list(range(1000))
    assert longest < 100


def test_among_the_items_for_a_worker(scoreboard: Scoreboard, heartbeat: Heartbeat) -> None:
    beaten = beats(scoreboard)
    longest, silent = 0, 0

    class Applying:
        heartbeat: Heartbeat
        scoreboard: Scoreboard
        number = 0
        trace = None

        def apply(self, items: Iterable[object]) -> None:
            nonlocal longest, silent
            for _ in items:
                silent = 0 if beaten() else silent + 1
                longest = max(longest, silent)

    worker: Any = Applying()
    worker.heartbeat, worker.scoreboard = heartbeat, Scoreboard.make(FIRST_WORKER_ROW + 1)
    stream = BrokerStream(worker)
    items: list[Any] = [("close", number) for number in range(8000)]
    stream._take_items(1, items)
    assert stream.position == 8000
    assert longest < 100


class Slow:
    """In place of the core: each record takes a while."""

    def __init__(self, took: list[float], scoreboard: Scoreboard) -> None:
        self.took, self.scoreboard = took, scoreboard
        self.next_deadline = None

    def apply(self, block: Iterable[Record]) -> Applied:
        for _ in block:
            self.took.append(time.monotonic() - self.scoreboard.last_beat(BROKER_ROW))
            until = time.monotonic() + 0.06  # of work, not of waiting: that is what is tried here
            while time.monotonic() < until:
                pass
        return Applied([[]], [], [], [], False, [], [])


def test_between_two_records_of_a_long_block(scoreboard: Scoreboard, heartbeat: Heartbeat) -> None:
    recovery = Recovery(None, 1, False, heartbeat, LOG, lambda place: None)
    took: list[float] = []
    recovery.core = Slow(took, scoreboard)
    recovery.propose([("line", 1, end, b"WHO *x*") for end in range(1, 9)])
    assert len(took) == 8
    assert max(took) < 0.3, "a beat is 0.16 s old at most, on a machine that does nothing else"
    assert recovery.applied_in >= 8 * 0.06


def test_what_may_wait_for_the_disk_says_so(scoreboard: Scoreboard, heartbeat: Heartbeat, tmp_path: Path) -> None:
    recovery = Recovery(tmp_path, 2, True, heartbeat, LOG, lambda place: None)
    waits: list[bool] = []

    def watched(call: Callable[..., Any]) -> Callable[..., Any]:
        def watching(*args: Any) -> Any:
            waits.append(scoreboard.waits_for_the_disk(BROKER_ROW))
            return call(*args)

        return watching

    recovery.open()
    assert recovery.journal is not None
    recovery.journal.append = watched(recovery.journal.append)
    recovery.journal.roll = watched(recovery.journal.roll)
    recovery.replay(recovery.read(), 0)
    recovery.propose([START])
    recovery._since = 1 << 20
    recovery.tend(0, 1 << 20)
    assert waits == [True, True]
    assert not scoreboard.waits_for_the_disk(BROKER_ROW)
    recovery.journal.close()
