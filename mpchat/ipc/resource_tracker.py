"""multiprocessing's resource tracker: a process that removes the semaphores' names if the whole server is killed.

multiprocessing starts it with the first queue or child; its death is harmless, and another is started. Only this module
uses the private fields of resource_tracker._resource_tracker; tests/ipc/test_resource_tracker.py checks them on each
CPython from 3.10 to 3.14 that the machine has.
"""

import contextlib
import os
import select
import signal
import warnings
from collections.abc import Iterable
from multiprocessing import resource_tracker

# multiprocessing warns of its death wherever it notices it, not only in ensure_running(): with PYTHONWARNINGS=error the
# warning would end the server.
warnings.filterwarnings("ignore", "resource_tracker: process died unexpectedly", UserWarning)

_END_SECONDS = 1.0  # it only has to remove a few names


def ensure_running() -> None:
    """Start it, or another if it has died. Raises OSError if no process can be started.

    To be called before each queue and child is made: multiprocessing writes a few hundred bytes for each into the
    tracker's pipe, and blocks when that is full. So a tracker that does not read (SIGSTOP) is replaced while there is
    room.
    """
    fd, child = resource_tracker._resource_tracker._fd, pid()  # type: ignore[attr-defined]
    if fd is not None and child is not None and not _has_room(fd):
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        _has_ended(child, _END_SECONDS)
    resource_tracker.ensure_running()


def name_semaphores(names: Iterable[str]) -> None:
    """It knows these from here on, as if they had just been made. Raises OSError if no process can be started."""
    ensure_running()
    for name in names:
        resource_tracker.register(name, "semaphore")


def _has_room(fd: int) -> bool:
    """Whether a pipe has room for PIPE_BUF bytes (pipe(7))."""
    poller = select.poll()
    poller.register(fd, select.POLLOUT)
    return bool(poller.poll(0))


def pid() -> int | None:
    """Its process id, None before it was ever started."""
    number: int | None = getattr(resource_tracker._resource_tracker, "_pid", None)
    return number


def stop() -> None:
    """End it, and reap it: in a container whose process 1 reaps no orphans it would stay a zombie.

    To be called when all children have ended, since each keeps it alive, and all queues are deleted, since a queue that
    goes would start another tracker.
    """
    tracker = resource_tracker._resource_tracker
    fd, tracker._fd = tracker._fd, None  # type: ignore[attr-defined]
    child, tracker._pid = tracker._pid, None  # type: ignore[attr-defined]
    if fd is None or child is None:
        return
    os.close(fd)  # the end of file is what it waits for
    if not _has_ended(child, _END_SECONDS):
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)  # it was stopped, perhaps
    with contextlib.suppress(ChildProcessError):  # where SIGCHLD is ignored the kernel keeps no zombies
        os.waitpid(child, 0)


def _has_ended(child: int, within: float) -> bool:
    """Whether a child that has not been reaped ends within so many seconds."""
    if not hasattr(os, "pidfd_open"):
        return True  # macOS: waitpid() waits
    try:
        ended = os.pidfd_open(child)
    except OSError:
        return False  # it has been reaped, or there is no descriptor left to wait with
    try:
        return bool(select.select([ended], [], [], within)[0])
    finally:
        os.close(ended)
