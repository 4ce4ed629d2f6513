"""Crash points: named steps between two system calls, at which a test has the process kill itself.

MPCHAT_CRASH names a file with an order, "STEP|COUNT": the first process that reaches STEP for its COUNT-th time removes
the file and kills itself (SIGKILL); without the file nothing happens (tests/system/test_crash_points.py). MPCHAT_POISON
is a text that kills each broker that is about to apply a record with it, as a bug would (test_poison.py).
"""

import os
import signal
from collections.abc import Callable
from typing import TypeVar

Record = TypeVar("Record", bound=tuple[object, ...])
Result = TypeVar("Result")

STEPS = (
    "acceptor: accepted",  # a client of which no other process knows: the one known hole
    "acceptor: passed on",
    "acceptor: synced",
    "worker: took a client",
    "worker: read",
    "worker: forwarded",
    "worker: applied",
    "worker: sent to some",
    "worker: sent to all",
    "worker: checkpoint",
    "worker: closed",
    "worker: attached",
    "worker: output resumed",
    "broker: received",
    "broker: journaled",
    "broker: applied",
    "broker: delivered to some",
    "broker: delivered",
    "broker: segment begun",
    "broker: segments synced",
    "broker: snapshot prepared",
    "broker: snapshot",
    "broker: trimmed",
    "broker: replayed",
    "broker: attached a worker",
    "recorder: read",
    "recorder: written",
    "recorder: synced",
)

_orders = os.environ.get("MPCHAT_CRASH", "")
_poison = os.environ.get("MPCHAT_POISON", "").encode()
_reached: dict[str, int] = {}  # by order: how often this process has reached its step


def crash_point(step: str) -> None:
    """Kill this process if that is ordered for this step, which is one of STEPS."""
    if _orders:
        _kill_if_ordered(step)


def _kill_if_ordered(step: str) -> None:
    try:
        with open(_orders) as file:
            order = file.read()
    except FileNotFoundError:
        return
    wanted, _, count = order.partition("|")
    if step != wanted:
        return
    _reached[order] = _reached.get(order, 0) + 1
    if _reached[order] >= int(count):
        try:
            os.unlink(_orders)
        except FileNotFoundError:
            return  # another process was faster: one order kills one process
        os.kill(os.getpid(), signal.SIGKILL)


def with_poison(apply: Callable[[Record], Result]) -> Callable[[Record], Result]:
    """The same function; in a test of poison, one that kills the process at some record."""
    return _deadly(apply) if _poison else apply


def _deadly(apply: Callable[[Record], Result]) -> Callable[[Record], Result]:
    def apply_or_die(record: Record) -> Result:
        if any(isinstance(value, bytes) and _poison in value for value in record):
            os.kill(os.getpid(), signal.SIGKILL)
        return apply(record)

    return apply_or_die
