"""Crash points: named steps between two system calls, at which a test has the process kill itself.

MPCHAT_CRASH names a file for orders, "STEP|COUNT": the process that reaches STEP for its COUNT-th time removes the file
and is gone, as if by kill -9; without a file nobody dies of it (tests/system/test_crash_points.py). MPCHAT_POISON is a
text that kills each broker which is about to apply a line that has it: a stand-in for a bug (test_poison.py).
"""

import os
import signal
from collections.abc import Iterable, Iterator
from typing import TypeVar

from mpchat.messages import Record

STEPS = (
    "acceptor: accepted",  # a client that nobody else has heard of: the one known hole
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

Thing = TypeVar("Thing")

_orders = os.environ.get("MPCHAT_CRASH", "")
_poison = os.environ.get("MPCHAT_POISON", "").encode()
_reached: dict[str, int] = {}  # how often, by order


def crash_point(step: str) -> None:
    """Here the process may be killed."""
    if _orders:
        _follow_order(step)


def between(things: Iterable[Thing], step: str) -> Iterable[Thing]:
    """The same things, with a crash point behind each; without a test that orders deaths, the iterable itself."""
    return _with_crash_points(things, step) if _orders else things


def _with_crash_points(things: Iterable[Thing], step: str) -> Iterator[Thing]:
    for thing in things:
        yield thing
        _follow_order(step)


def _follow_order(step: str) -> None:
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
            return  # another process was faster: one dies of an order
        os.kill(os.getpid(), signal.SIGKILL)


def with_poison(records: Iterable[Record]) -> Iterable[Record]:
    """The same records, or in a test some of which one is not survived."""
    return _deadly(records) if _poison else records


def _deadly(records: Iterable[Record]) -> Iterator[Record]:
    for record in records:
        if any(isinstance(value, bytes) and _poison in value for value in record):
            os.kill(os.getpid(), signal.SIGKILL)
        yield record
