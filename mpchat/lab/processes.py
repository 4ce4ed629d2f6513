"""The processes that a run leaves behind are found and ended: every descendant, whatever it is the child of by then.

On Linux the run becomes a subreaper (prctl(2), PR_SET_CHILD_SUBREAPER): an orphan among its descendants becomes its own
child, even one that has left its process group and session. Elsewhere only children that are known are ended.
"""

import contextlib
import ctypes
import os
import signal
import sys
import time
from collections.abc import Collection

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_CHILD_SUBREAPER = 1, 4, 36
_END_SECONDS = 5.0
_LOOK_SECONDS = 0.01

HAS_PRCTL = sys.platform == "linux"
_libc = ctypes.CDLL(None, use_errno=True) if HAS_PRCTL else None


def _prctl(option: int, value: int) -> None:
    if _libc is not None and _libc.prctl(option, value, 0, 0, 0):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def become_subreaper() -> None:
    """From now on orphans among this process's descendants become its children."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def end_with_parent() -> None:
    """The kernel kills this process when the thread that started it ends (PR_SET_PDEATHSIG)."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def hide() -> None:
    """Other processes of the same user may neither trace this one nor open its descriptors in /proc."""
    _prctl(_PR_SET_DUMPABLE, 0)


def parents() -> dict[int, int]:
    """The parent of each process, by its id (proc(5)); {} where there is no /proc."""
    found = {}
    for name in os.listdir("/proc") if os.path.isdir("/proc/self") else ():
        if name.isdigit():
            with contextlib.suppress(OSError, ValueError), open(f"/proc/{name}/stat", "rb") as file:
                found[int(name)] = int(file.read().rpartition(b")")[2].split()[1])
    return found


def descendants(ancestor: int, spared: Collection[int] = ()) -> list[int]:
    """Children, their children and so on, zombies too, parents first. None of the `spared`, nor theirs."""
    children: dict[int, list[int]] = {}
    for pid, parent in parents().items():
        children.setdefault(parent, []).append(pid)
    found, waiting = [], [ancestor]
    while waiting:
        below = [pid for pid in children.get(waiting.pop(), []) if pid not in spared]
        waiting += below
        found += below
    return found


def end_descendants(spared: Collection[int] = ()) -> list[int]:
    """Kill and reap every descendant of this process but those `spared`, and theirs; returns whom there was to kill.

    Whoever is being started meanwhile is found in the next look: a killed process starts nobody. This process must be
    a subreaper. Raises TimeoutError if some are still there after five seconds.
    """
    killed: dict[int, None] = {}
    deadline = time.monotonic() + _END_SECONDS
    while left := descendants(os.getpid(), spared):
        if time.monotonic() > deadline:
            raise TimeoutError(f"processes {left} do not end")
        for pid in left:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
            try:
                reaped, _ = os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                continue  # the child of another, which is killed as well: it becomes ours
            if not reaped:
                killed[pid] = None
        time.sleep(_LOOK_SECONDS)
    return list(killed)
