"""Crash points: named steps between two system calls, at which a test has the process kill itself.

MPCHAT_CRASH names a file with an order, "STEP|COUNT": the first process that reaches STEP for its COUNT-th time removes
the file and kills itself (SIGKILL); without the file nothing happens (tests/system/test_crash_points.py). MPCHAT_POISON
is a text that kills each broker that is about to apply a record with it, as a bug would (test_poison.py).
"""

import os
import signal
from collections.abc import Iterable, Iterator
from typing import TypeVar

from mpchat.messages import Record

STEPS = (
    "acceptor: accepted",  # a client of which no other process knows: the one known hole
    "acceptor: passed on",
    "acceptor: synced",
    "acceptor: took from the front",
    "front: accepted",
    "front: paired",
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
    "authenticator: asked",
    "authenticator: derived",
    "authenticator: stored",
    "authenticator: answered",
)

Thing = TypeVar("Thing")

_orders = os.environ.get("MPCHAT_CRASH", "")
_poison = os.environ.get("MPCHAT_POISON", "").encode()
_reached: dict[str, int] = {}  # by order: how often this process has reached its step


def crash_point(step: str) -> None:
    """Kill this process if that is ordered for this step, which is one of STEPS."""
    if _orders:
        _kill_if_ordered(step)


def between(things: Iterable[Thing], step: str) -> Iterable[Thing]:
    """The same things, with a crash point behind each; without a test that orders deaths, the iterable itself."""
    return _with_crash_points(things, step) if _orders else things


def _with_crash_points(things: Iterable[Thing], step: str) -> Iterator[Thing]:
    for thing in things:
        yield thing
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


def with_poison(records: Iterable[Record]) -> Iterable[Record]:
    """The same records; in a test of poison, the process is killed at one of them."""
    return _deadly(records) if _poison else records


def _deadly(records: Iterable[Record]) -> Iterator[Record]:
    for record in records:
        if any(isinstance(value, bytes) and _poison in value for value in record):
            os.kill(os.getpid(), signal.SIGKILL)
        yield record
