"""A child's first minute: what it shows of itself before it has a role."""

from __future__ import annotations

import select
from multiprocessing import get_context

from mpchat.ipc.scoreboard import FIRST_WORKER_ROW, SPARE_ROW, Scoreboard
from mpchat.roles import load
from mpchat.settings import Settings
from mpchat.supervisor.child import spawn
from tests.running import PATIENCE


def test_who_says_that_it_is_here_has_beaten() -> None:
    """The supervisor judges it from then on: a machine that took longer than the hang limit to start it is no hang."""
    scoreboard = Scoreboard.make(FIRST_WORKER_ROW + 1)
    child = spawn(get_context("spawn"), Settings(), scoreboard, load)
    try:
        scoreboard.begin(SPARE_ROW)
        begun = scoreboard.last_beat(SPARE_ROW)
        assert select.select([child.link.fileno()], [], [], 9 * PATIENCE)[0]
        assert scoreboard.last_beat(SPARE_ROW) > begun
        assert [message for message, _ in child.link.take()] == [("here",)]
    finally:
        child.process.kill()
        child.process.join()
        child.link.close()
