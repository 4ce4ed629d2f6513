"""Tries a parent's handler of SIGCHLD: its children are looked at in /proc, and killed, from here.

Calls run in the main thread of the student's process, since only there a handler may be set, and runs (signal(3py)).
"""

import os
import signal
import time
from collections.abc import Iterator

from mpchat.lab import processes
from mpchat.lab.e07_zombies_and_orphans.run import becomes, state
from mpchat.lab.lab import HAS_PROC
from mpchat.lab.student import Judge, Reference, StudentProcess
from mpchat.lab.trying import Skipped

_LONG_SECONDS = 60.0  # such a child runs until it is killed
_SHORT_SECONDS = 0.3  # more than slow_fork() takes in the student's file
_SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL, signal.SIGTERM, signal.SIGKILL)
_SETTLE_SECONDS = 3.0


def trial(judge: Judge) -> Iterator[bool]:
    if not HAS_PROC:
        raise Skipped("no_proc")
    student = judge.process()
    children = student.call("Children")
    student.call((children, "install"))
    yield _reaps_one(student, children)
    yield _reaps_several(student, children)
    yield _leaves_running(student, children)
    yield _reaps_earlier(judge.process())
    yield _notes_all(student, children)


def _start(student: StudentProcess, children: Reference, seconds: float, status: int = 0) -> int:
    """What the student's start() says is the id of a child."""
    pid = student.call((children, "start"), seconds, status)
    return pid if isinstance(pid, int) else 0


def _kill(student: StudentProcess, pid: int, number: int) -> bool:
    """Send a signal to a child of the student's process, and to no other: 0 and -1 would be many. Is it one?"""
    is_child = pid > 1 and processes.parents().get(pid) == student.pid
    if is_child:
        os.kill(pid, number)
    return is_child


def _knows(student: StudentProcess, children: Reference, running: set[int], ended: dict[int, int]) -> bool:
    """Whether that is what the parent knows, and no child is a zombie. What it knows may come a moment later."""
    deadline = time.monotonic() + _SETTLE_SECONDS
    while True:
        known = student.call((children, "known"))
        found = [pid for pid, parent in processes.parents().items() if parent == student.pid]
        if (
            isinstance(known, dict)
            and known.get("running") == sorted(running)
            and isinstance(known.get("ended"), dict)
            and ended.items() <= known["ended"].items()
            and not [pid for pid in found if state(pid) == "Z"]
        ):
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)


def _reaps_one(student: StudentProcess, children: Reference) -> bool:
    pid = _start(student, children, _SHORT_SECONDS, 3)
    is_child = processes.parents().get(pid) == student.pid
    return is_child and becomes(pid, "") and _knows(student, children, set(), {pid: 3})


def _reaps_several(student: StudentProcess, children: Reference) -> bool:
    """While the parent is stopped (SIGSTOP) its children are killed: of five signals, one is pending."""
    ended = {_start(student, children, _LONG_SECONDS): -number for number in _SIGNALS}
    os.kill(student.pid, signal.SIGSTOP)
    becomes(student.pid, "T")
    are_killed = all(_kill(student, pid, -status) and becomes(pid, "Z") for pid, status in ended.items())
    os.kill(student.pid, signal.SIGCONT)
    return (
        are_killed
        and len(ended) == len(_SIGNALS)
        and all(becomes(pid, "") for pid in ended)
        and _knows(student, children, set(), ended)
    )


def _leaves_running(student: StudentProcess, children: Reference) -> bool:
    """One child ends while another goes on: a handler that waits for that one answers no call."""
    running = _start(student, children, _LONG_SECONDS)
    ends = _start(student, children, _SHORT_SECONDS, 4)
    holds = becomes(ends, "") and _knows(student, children, {running}, {ends: 4})
    is_killed = _kill(student, running, signal.SIGKILL)
    return holds and is_killed and _knows(student, children, set(), {running: -signal.SIGKILL})


def _reaps_earlier(student: StudentProcess) -> bool:
    """A child ends before the handler is there: its signal has come to nobody."""
    children = student.call("Children")
    pid = _start(student, children, _SHORT_SECONDS, 5)
    if not becomes(pid, "Z"):
        return False
    student.call((children, "install"))
    return becomes(pid, "") and _knows(student, children, set(), {pid: 5})


def _notes_all(student: StudentProcess, children: Reference) -> bool:
    """A child ends before fork() returns in its parent; and no child inherits a blocked SIGCHLD."""
    pid = _start(student, children, 0.0, 6)
    if not _knows(student, children, set(), {pid: 6}):
        return False
    lives = _start(student, children, _LONG_SECONDS)
    blocked = {_blocks_sigchld(each) for each in (student.pid, lives)}
    return _kill(student, lives, signal.SIGKILL) and blocked == {False}


def _blocks_sigchld(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/status") as file:
            mask = next(int(line.split()[1], 16) for line in file if line.startswith("SigBlk:"))
    except (OSError, StopIteration):
        return True
    return bool(mask >> (signal.SIGCHLD - 1) & 1)
