"""Tries what a student reads in /proc against what is read here, before and after, of processes started here."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from mpchat.lab.e08_cpu_time.run import cpu_seconds, spin
from mpchat.lab.lab import OutOfTime
from mpchat.lab.student import Judge, StudentProcess
from mpchat.lab.trying import Skipped
from mpchat.monitor import measuring

_COMPUTE_SECONDS = 1.0
_NAP_SECONDS = 0.001
_AT_LEAST = 30  # switches, before anybody is asked for them
_WAIT_SECONDS = 10.0
_LOOK_SECONDS = 0.05
_TICKS_SECONDS = 0.03  # the two counts are made one after the other, in hundredths
_ODD_NAME = "a) R 1 (b c"  # of the 15 bytes that a name may have


def trial(judge: Judge) -> Iterator[bool]:
    student = judge.process()
    yield _shares(judge, student)
    if not os.path.exists("/proc/self/stat"):
        raise Skipped("no_proc")
    with _started(judge, _nap) as pid:
        yield _counts(student, pid, 0)
    core = min(os.sched_getaffinity(0))
    with _started(judge, spin, core, 0) as pid, _started(judge, spin, core, 0):
        yield _counts(student, pid, 1)
    for name in ("", _ODD_NAME):
        with _started(judge, _call, name) as pid:
            yield _seconds(student, pid)


@contextmanager
def _started(judge: Judge, target: Callable[..., None], *arguments: object) -> Iterator[int]:
    """The id of a process that ends with the context."""
    process = judge.lab.process(target, *arguments)
    assert process.pid is not None
    yield process.pid
    process.kill()
    process.join()


def _nap() -> None:
    while True:
        time.sleep(_NAP_SECONDS)


def _call(name: str) -> None:
    """System calls and computing, so that time is used in the kernel and outside."""
    if name:
        with open("/proc/self/comm", "w") as file:
            file.write(name)
    while True:
        os.urandom(20_000)
        for _ in range(1000):
            pass


def _shares(judge: Judge, student: StudentProcess) -> bool:
    """By the rule, and as two processes here get them."""
    for nices in ((0, 0), (0, 5, 10, 19), (7, -3)):
        weights = [1.25**-nice for nice in nices]
        if not _are_near(student.call("shares", list(nices)), [each / sum(weights) for each in weights], 0.01):
            return False
    nice = os.getpriority(os.PRIO_PROCESS, 0)
    if not hasattr(os, "sched_setaffinity") or nice > 0:
        return True
    core = min(os.sched_getaffinity(0))
    with _started(judge, spin, core, 0) as first, _started(judge, spin, core, 5) as second:
        deadline = time.monotonic() + _WAIT_SECONDS
        while os.getpriority(os.PRIO_PROCESS, second) != 5 + nice and time.monotonic() < deadline:
            time.sleep(_LOOK_SECONDS)
        began = [cpu_seconds(pid) for pid in (first, second)]
        time.sleep(_COMPUTE_SECONDS)
        used = [cpu_seconds(pid) - at for pid, at in zip((first, second), began, strict=True)]
    return _are_near(student.call("shares", [0, 5]), [each / sum(used) for each in used], 0.2)


def _are_near(given: object, right: Sequence[float], room: float) -> bool:
    return (
        isinstance(given, list)
        and len(given) == len(right)
        and all(
            isinstance(one, float | int) and abs(one - other) < room for one, other in zip(given, right, strict=True)
        )
    )


def _counts(student: StudentProcess, pid: int, which: int) -> bool:
    """Voluntary switches (0) or involuntary ones (1): between what is read here before, and what is read afterwards."""
    deadline = time.monotonic() + _WAIT_SECONDS
    while (before := _switches(pid)[which]) < _AT_LEAST:
        if time.monotonic() > deadline:
            raise OutOfTime
        time.sleep(_LOOK_SECONDS)
    given = student.call("switches", pid)
    after = _switches(pid)[which]
    return isinstance(given, list) and len(given) == 2 and before <= given[which] <= after


def _switches(pid: int) -> tuple[int, int]:
    found = measuring.measure(pid)
    if found is None or found.voluntary is None or found.involuntary is None:
        raise Skipped("no_proc")
    return found.voluntary, found.involuntary


def _seconds(student: StudentProcess, pid: int) -> bool:
    """Twice, so that a constant is none."""
    for more in (1, 2):
        deadline = time.monotonic() + _WAIT_SECONDS
        while (found := measuring.measure(pid)) is not None and found.cpu_seconds < more * _COMPUTE_SECONDS / 2:
            if time.monotonic() > deadline:
                raise OutOfTime
            time.sleep(_LOOK_SECONDS)
        given = student.call("cpu_seconds", pid)
        after = measuring.measure(pid)
        if found is None or after is None:
            raise Skipped("no_proc")
        if not found.cpu_seconds - _TICKS_SECONDS <= given <= after.cpu_seconds + _TICKS_SECONDS:
            return False
    return True
