"""multiprocessing's own process: the resource tracker, which removes semaphores' names should all of us be killed.

multiprocessing starts one with the first queue or child, and says nothing of it. This file is all that leans on how it
is kept (the private fields of resource_tracker._resource_tracker); tests/ipc/test_resource_tracker.py holds for each
CPython from 3.10 to 3.14 that the machine has.
"""

import contextlib
import os
import select
import signal
import warnings
from multiprocessing import resource_tracker

# Its death is harmless. multiprocessing warns of it whenever it notices, which is not only in ensure_running(): with
# PYTHONWARNINGS=error the warning would end the server.
warnings.filterwarnings("ignore", "resource_tracker: process died unexpectedly", UserWarning)

_END_SECONDS = 1.0  # it only has to remove a few names


def ensure_running() -> None:
    """Start it, or another where it has died. Raises OSError where nothing can be started.

    To be called before each queue and child is made: multiprocessing writes to it without looking, a few hundred bytes
    for a queue. A tracker that is stopped (SIGSTOP) does not read them, and in the end would stop us too: another takes
    its place while there is room for them.
    """
    fd, child = resource_tracker._resource_tracker._fd, pid()  # type: ignore[attr-defined]
    if fd is not None and child is not None and not _has_room(fd):
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        _has_ended(child, _END_SECONDS)
    resource_tracker.ensure_running()


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
    """End it, and wait for that: where process 1 waits for nobody (a container), it would be a zombie for ever.

    To be called when all children have ended, each of which keeps it alive, and all queues are gone, each of which
    would start another one to say so.
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
    """Whether a process that nobody has reaped ends in so many seconds."""
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
