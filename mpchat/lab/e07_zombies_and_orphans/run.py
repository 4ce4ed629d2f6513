"""Children that end and are not waited for, three answers to SIGCHLD, and children whose parent is killed.

Whoever counts zombies must not reap them: this process waits only for processes that it names.
"""

import contextlib
import os
import signal
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from types import FrameType

from mpchat.lab import processes
from mpchat.lab.lab import HAS_PROC, Lab

STATUSES = (1, 2, 3, 4, 5)  # exit statuses of five children
HANDLERS = ("one", "every", "ignored")
_PATIENCE_SECONDS = 5.0
_LOOK_SECONDS = 0.01
_MEASURED = (
    *("zombies", "zombie_pages", "zombies_after_kill", "adopter", "adopted", "zombies_after_parent", "zombie_rows"),
    *(f"{name}_{what}" for name in HANDLERS for what in ("pending", "calls", "reaped", "left")),
    *("orphan_old_parent", "orphan_new_parent", "orphan_lives", "tied_gone", "tied_signal"),
)


def run(lab: Lab) -> None:
    if not (HAS_PROC and processes.HAS_PRCTL):
        lab.skip(*_MEASURED, why="no_prctl" if HAS_PROC else "no_proc")
        return
    lab.tell("zombies")
    _make_zombies(lab)
    lab.tell("handlers")
    for name in HANDLERS:
        _coalesce(lab, name)
    lab.tell("orphans")
    _orphan(lab)
    _tie(lab)


def state(pid: int) -> str:
    """A process's state in one letter, as ps shows it (proc(5)): Z is a zombie. "" where there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0].decode()
    except OSError:  # ProcessLookupError: it went while it was read
        return ""


def becomes(pid: int, wanted: str) -> bool:
    """Whether a process comes into this state within some seconds."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while state(pid) != wanted:
        if time.monotonic() > deadline:
            return False
        time.sleep(_LOOK_SECONDS)
    return True


def _make_zombies(lab: Lab) -> None:
    """Five children of a parent that does not wait for them; SIGKILL for each; then the parent's death."""
    ours, theirs = lab.context.Pipe()
    parent = lab.process(_never_wait, theirs)
    pids: list[int] = ours.recv()
    for pid in pids:
        becomes(pid, "Z")
    lab.measured["zombies"] = _zombies(pids)
    with open(f"/proc/{pids[0]}/statm") as file:
        lab.measured["zombie_pages"] = int(file.read().split()[0])
    first = [(pid, processes.parents().get(pid, 0), state(pid)) for pid in pids]
    for pid in pids:
        os.kill(pid, signal.SIGKILL)  # no error: the entry in the process table is still there
    lab.measured["zombies_after_kill"] = _zombies(pids)
    killed = [state(pid) for pid in pids]
    parent.kill()
    parent.join()
    # The kernel has given the children to this process, the nearest subreaper: it is told how each of them ended.
    adopters = [processes.parents().get(pid, 0) for pid in pids]
    lab.measured["adopter"] = adopters[0]
    adopted = 0
    for pid, status in zip(pids, STATUSES, strict=True):
        with contextlib.suppress(ChildProcessError):
            adopted += os.waitstatus_to_exitcode(os.waitpid(pid, os.WNOHANG)[1]) == status
    lab.measured["adopted"] = adopted
    lab.measured["zombies_after_parent"] = _zombies(pids)
    lab.measured["zombie_rows"] = [
        [str(pid), str(old), before, after, str(new)]
        for (pid, old, before), after, new in zip(first, killed, adopters, strict=True)
    ]


def _zombies(pids: list[int]) -> int:
    return sum(state(pid) == "Z" for pid in pids)


def _never_wait(told: Connection) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    told.send([_forked(lambda status=status: os._exit(status)) for status in STATUSES])  # type: ignore[misc]
    _sleep()


def _forked(live: Callable[[], None]) -> int:
    """The id of a new process that does this, and ends. (It is forked by a process with one thread.)"""
    pid = os.fork()
    if pid == 0:
        try:
            live()
        finally:
            os._exit(0)
    return pid


def _sleep() -> None:
    while True:
        signal.pause()


def _coalesce(lab: Lab, name: str) -> None:
    """Five children end while their parent blocks SIGCHLD; then it lets the signal come, and its handler acts."""
    ours, theirs = lab.context.Pipe()
    parent = lab.process(_collect, name, theirs)
    assert parent.pid is not None
    pids: list[int] = ours.recv()
    lab.measured[f"{name}_pending"] = _pending(parent.pid)
    ours.send("unblock")
    lab.measured[f"{name}_calls"], lab.measured[f"{name}_reaped"] = ours.recv()
    lab.measured[f"{name}_left"] = _zombies(pids)
    parent.kill()
    parent.join()


def _pending(pid: int) -> int:
    """How many SIGCHLDs wait for a process. It has one bit for each signal (signal(7)), so this is 0 or 1."""
    with open(f"/proc/{pid}/status") as file:
        masks = [int(line.split()[1], 16) for line in file if line.startswith(("SigPnd:", "ShdPnd:"))]
    return sum(mask >> (signal.SIGCHLD - 1) & 1 for mask in masks)


def _collect(name: str, told: Connection) -> None:
    """`name` is one of HANDLERS."""
    calls, reaped = 0, []

    def reap_one(_number: int, _frame: FrameType | None) -> None:
        nonlocal calls
        calls += 1
        reaped.append(os.wait())

    def reap_every(_number: int, _frame: FrameType | None) -> None:
        nonlocal calls
        calls += 1
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                reaped.append(ended)

    answers: dict[str, Callable[[int, FrameType | None], None] | signal.Handlers] = {
        "one": reap_one,
        "every": reap_every,
        "ignored": signal.SIG_IGN,
    }
    signal.signal(signal.SIGCHLD, answers[name])
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGCHLD,))
    pids = [_forked(lambda: None) for _ in STATUSES]
    if name == "ignored":
        with contextlib.suppress(ChildProcessError):  # wait(2): it waits until all have ended, and then fails
            os.wait()
    else:
        for pid in pids:
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)  # has ended, and stays a zombie
    told.send(pids)
    told.recv()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGCHLD,))  # the handler runs before this returns
    told.send((calls, len(reaped)))
    _sleep()


def _orphan(lab: Lab) -> None:
    """A parent is killed, and its child goes on."""
    ours, theirs = lab.context.Pipe()
    parent = lab.process(_have_child, False, theirs)
    pid: int = ours.recv()
    lab.measured["orphan_old_parent"] = processes.parents()[pid]
    parent.kill()
    parent.join()
    lab.measured["orphan_new_parent"] = processes.parents().get(pid, 0)
    lab.measured["orphan_lives"] = state(pid) not in ("", "Z")


def _tie(lab: Lab) -> None:
    """The same with a child that has asked for a signal at its parent's death."""
    ours, theirs = lab.context.Pipe()
    parent = lab.process(_have_child, True, theirs)
    pid: int = ours.recv()
    parent.kill()
    parent.join()
    lab.measured["tied_gone"] = becomes(pid, "Z")
    lab.measured["tied_signal"] = 0
    if lab.measured["tied_gone"]:
        lab.measured["tied_signal"] = -os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _have_child(is_tied: bool, told: Connection) -> None:
    def live() -> None:
        if is_tied:
            processes.end_with_parent()
        told.send(os.getpid())
        _sleep()

    _forked(live)
    _sleep()
