"""Crash points: named steps between two system calls, at which a test has the process kill itself, once.

MPCHAT_CRASH is "STEP|COUNT|FILE": the process that reaches STEP for its COUNT-th time makes FILE and is gone, as if by
kill -9; once FILE is there nobody dies of it any more (tests/system/test_crash_points.py). MPCHAT_POISON is a text that
kills each broker which is about to apply a line that has it: a stand-in for a bug (tests/system/test_poison.py).
"""

import os
import signal
from collections.abc import Callable
from typing import Any

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
    "broker: snapshot",
    "broker: replayed",
    "broker: attached a worker",
    "recorder: read",
    "recorder: written",
)

_step, _, _rest = os.environ.get("MPCHAT_CRASH", "").partition("|")
_count, _, _file = _rest.partition("|")
_left = int(_count or 0)
_poison = os.environ.get("MPCHAT_POISON", "").encode()


def crash_point(step: str) -> None:
    """Here the process may be killed."""
    if step == _step:
        _die_in_time()


def _die_in_time() -> None:
    global _left
    _left -= 1
    if _left == 0:
        try:
            os.close(os.open(_file, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return
        os.kill(os.getpid(), signal.SIGKILL)


def with_poison(apply: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The same function, or in a test one that some record does not survive."""
    return _deadly(apply) if _poison else apply


def _deadly(apply: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def apply_or_die(record: Any) -> Any:
        if any(isinstance(value, bytes) and _poison in value for value in record):
            os.kill(os.getpid(), signal.SIGKILL)
        return apply(record)

    return apply_or_die
