"""Tries a supervisor: its children are killed from here, and what becomes of them is seen in /proc."""

import os
import shlex
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from mpchat.lab import processes
from mpchat.lab.lab import HAS_PROC
from mpchat.lab.student import Judge, StudentProcess
from mpchat.lab.trying import Skipped

_ARGV = ["sleep", "1000"]
_STARTED_SECONDS = 5.0
_GONE_SECONDS = 5.0
_QUIET_SECONDS = 0.4  # in which nobody is started any more
_SHORT_SECONDS, _APART_SECONDS = 0.5, 0.7
_LONG_SECONDS = 60.0  # within which all deaths of a step lie, on a slow machine too
_LOOK_SECONDS = 0.01
_MOST = 3
_POLITE = "trap 'echo asked > {path}; exit 0' TERM; while :; do sleep 0.05; done"
_STUBBORN = "trap '' TERM; while :; do sleep 0.05; done"


def trial(judge: Judge) -> Iterator[bool]:
    if not HAS_PROC:
        raise Skipped("no_proc")
    first = _Supervised(judge, _ARGV, _LONG_SECONDS)
    yield first.child() is not None
    yield first.replaces()
    yield _forgets(judge)
    yield _gives_up(judge)
    yield _stops(judge)
    yield _stops_the_stubborn(judge)


class _Supervised:
    """A Supervisor of the student's, whose run() runs, in a process of its own."""

    def __init__(self, judge: Judge, argv: list[str], seconds: float) -> None:
        self._argv = argv
        self.student: StudentProcess = judge.process()
        self.supervisor = self.student.call("Supervisor", argv, _MOST, seconds)
        self.running = self.student.begin((self.supervisor, "run"))

    def children(self) -> list[int]:
        """Those that execute the program: not zombies, and not between fork() and exec()."""
        return [pid for pid in processes.descendants(self.student.pid) if _argv(pid) == self._argv]

    def child(self, former: int | None = None) -> int | None:
        """The one that there is, once there is another than the former. Raises StudentFailed if run() does."""
        deadline = time.monotonic() + _STARTED_SECONDS
        while time.monotonic() < deadline:
            for pid in self.children():
                if pid != former:
                    return pid
            if self.student.is_done(self.running):
                self.student.result(self.running)  # raises what it has raised
                break
            time.sleep(_LOOK_SECONDS)
        return None

    def kill(self, former: int | None = None) -> int | None:
        """Kill the child; returns which it was."""
        child = self.child(former)
        if child is not None:
            os.kill(child, signal.SIGKILL)
        return child

    def replaces(self) -> bool:
        """Whether a killed child has a successor, one alone, and is no zombie then."""
        killed = self.kill()
        if killed is None or self.child(killed) is None:
            return False
        return _until(lambda: killed not in processes.parents(), _GONE_SECONDS) and len(self.children()) == 1

    def starts_no_more(self) -> bool:
        return not _until(lambda: bool(self.children()), _QUIET_SECONDS)


def _forgets(judge: Judge) -> bool:
    """More deaths than are allowed at once, each long after the one before."""
    supervised = _Supervised(judge, _ARGV, _SHORT_SECONDS)
    killed: int | None = None
    for _ in range(_MOST + 1):
        killed = supervised.kill(killed)
        if killed is None:
            return False
        time.sleep(_APART_SECONDS)
    return supervised.child(killed) is not None


def _gives_up(judge: Judge) -> bool:
    supervised = _Supervised(judge, _ARGV, _LONG_SECONDS)
    killed: int | None = None
    for _ in range(_MOST):
        killed = supervised.kill(killed)
        if killed is None:
            return False
    return supervised.student.result(supervised.running) == "gave up" and supervised.starts_no_more()


def _stops(judge: Judge) -> bool:
    """The child is asked, and says so in a file. It has died before, so its end would be one death too many."""
    asked = judge.lab.folder / "asked"
    supervised = _Supervised(judge, ["sh", "-c", _POLITE.format(path=shlex.quote(str(asked)))], _LONG_SECONDS)
    killed: int | None = None
    for _ in range(_MOST - 1):
        killed = supervised.kill(killed)
    return _is_stopped(supervised, "SigCgt", killed) and asked.exists() and _is_stopped_early(judge)


def _is_stopped_early(judge: Judge) -> bool:
    """Where stop() comes before run(), nothing is started."""
    student = judge.process()
    supervisor = student.call("Supervisor", _ARGV, _MOST, _LONG_SECONDS)
    student.call((supervisor, "stop"))
    return bool(student.call((supervisor, "run")) == "stopped") and not processes.descendants(student.pid)


def _stops_the_stubborn(judge: Judge) -> bool:
    return _is_stopped(_Supervised(judge, ["sh", "-c", _STUBBORN], _LONG_SECONDS), "SigIgn")


def _is_stopped(supervised: _Supervised, mask: str, former: int | None = None) -> bool:
    """Whether stop() ends the child and run(). The child has SIGTERM in this mask (proc(5)) when it is ready."""
    child = supervised.child(former)
    if child is None or not _until(lambda: _has_sigterm(child, mask), _STARTED_SECONDS):
        return False
    supervised.student.call((supervised.supervisor, "stop"))
    is_over = supervised.student.result(supervised.running) == "stopped"
    return is_over and supervised.starts_no_more() and child not in processes.parents()


def _argv(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().split("\0")[:-1]
    except OSError:
        return []


def _has_sigterm(pid: int, mask: str) -> bool:
    try:
        fields = dict(line.split(":\t") for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    except OSError:
        return False
    return bool(int(fields[mask], 16) >> (signal.SIGTERM - 1) & 1)


def _until(holds: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(_LOOK_SECONDS)
    return True
