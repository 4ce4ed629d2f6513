"""Killed exactly there: at each step between two system calls where a process may die, while people talk.

One server takes them all, one after the other: what a death leaves behind would show in the next, and at the end the
history must have every line that was said once, in the order in which all have read them.
"""

from __future__ import annotations

import ast
import contextlib
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import mpchat
from mpchat.runtime.crash_points import STEPS
from tests.running import PATIENCE, Server
from tests.system.conversation import Conversation
from tests.system.servers import kill, needs_linux, ready, until, unusual

pytestmark = [needs_linux, pytest.mark.slow]

# These are steps of a recovery: something must have died before.
AFTER_A_DEATH_OF = {
    "worker: attached": "worker0",
    "worker: output resumed": "worker0",
    "acceptor: synced": "acceptor",
    "broker: replayed": "broker",
    "broker: attached a worker": "broker",
}
CRASHING = {"crash_point": 0, "between": 1}  # functions, and which argument names the step
OF_TLS = ("acceptor: took from the front", "front: accepted", "front: paired")  # tests/system/test_tls.py
EVERY_TWO_SECONDS = ("recorder: synced",)  # the second time would be like the first
THE_KNOWN_HOLE = "acceptor: accepted"
OF_ACCOUNTS = tuple(step for step in STEPS if step.startswith("authenticator: "))  # tests/authenticator/test_process.py


def test_the_steps_are_those_in_the_source() -> None:
    found = []
    for path in Path(mpchat.__path__[0]).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CRASHING:
                step = node.args[CRASHING[node.func.id]]
                assert isinstance(step, ast.Constant)
                found.append(str(step.value))
    assert set(found) == set(STEPS), "one step may be taken in several places that do the same"
    assert len(set(STEPS)) == len(STEPS)


class Stage:
    """A server whose processes die on order, and people who talk on it all the time."""

    def __init__(self, server: Server, orders: Path) -> None:
        self.server = server
        self.orders = orders
        self.conversation = Conversation(server)

    def order(self, step: str, count: int) -> None:
        """The next process that comes to this step for so many times dies there."""
        draft = self.orders.with_suffix(".draft")
        draft.write_text(f"{step}|{count}")
        draft.rename(self.orders)

    @property
    def obeyed(self) -> bool:
        return not self.orders.exists()

    def chat_until_obeyed(self) -> None:
        """And a little longer."""
        deadline = time.monotonic() + PATIENCE
        while not self.obeyed:
            assert time.monotonic() < deadline, "nobody comes to this step"
            self.conversation.round()
        self.conversation.round()

    @contextlib.contextmanager
    def all_but(self, step: str) -> Iterator[None]:
        """Afterwards all is as before, but for processes of the role that is to die at this step."""
        before = until(lambda: ready(self.server))
        yield
        role, _, _ = step.partition(":")
        new = until(lambda: (now := ready(self.server)) and [each for each in before if now[each] != before[each]])
        assert {each.rstrip("01") for each in new} - {"spare"} == {role}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    orders = tmp_path_factory.mktemp("crash") / "orders"
    data = orders.with_name("data")
    args = ("--unlimited", "--workers", "2", "--data", str(data))
    with unusual(*args, environment={"MPCHAT_CRASH": str(orders)}) as server:
        it = Stage(server, orders)
        yield it
        it.conversation.close()
    with contextlib.closing(sqlite3.connect(data / "history.db")) as history:
        rows = history.execute("SELECT sender, text FROM messages WHERE room = '#lobby' ORDER BY number").fetchall()
    assert [f":{sender} PRIVMSG #lobby :{text}\r\n" for sender, text in rows] == it.conversation.said


@pytest.fixture(autouse=True)
def _hang_up() -> None:
    """Instead of conftest's: who talks here stays from test to test."""


@pytest.mark.parametrize(
    "step", [step for step in STEPS if step not in (*AFTER_A_DEATH_OF, THE_KNOWN_HOLE, *OF_TLS, *OF_ACCOUNTS)]
)
def test_nobody_notices(stage: Stage, step: str) -> None:
    with stage.all_but(step):
        stage.order(step, 1 if step in EVERY_TWO_SECONDS else 2)
        stage.conversation.round()
        stage.chat_until_obeyed()


@pytest.mark.parametrize(("step", "first"), AFTER_A_DEATH_OF.items())
def test_nobody_notices_a_death_in_a_recovery_either(stage: Stage, step: str, first: str) -> None:
    with stage.all_but(step):
        stage.order(step, 1)
        stage.conversation.round(lambda: kill(stage.server, first))
        stage.chat_until_obeyed()


def test_the_known_hole(stage: Stage) -> None:
    """Whoever has just been accepted, and is in nobody else's hands yet, sees the end. Nobody else notices."""
    stage.order(THE_KNOWN_HOLE, 1)
    newcomer = stage.server.irc()
    assert newcomer.read_raw() is None
    newcomer.close()
    assert stage.obeyed
    stage.conversation.round()
