"""A signal for a process of the server: sent only to the one that is meant, though process ids are used again."""

import os
import signal

from mpchat.monitor.measuring import measure


class Gone(Exception):
    """It has ended, or is no process of this server's."""


def send(number: signal.Signals, pid: int, started: float | None, supervisor: int | None) -> None:
    """To the process `pid` that started then, and is the supervisor or its child. Raises Gone, and OSError.

    Where there are pidfds (Linux), the signal goes to the very process that was looked at; elsewhere there is a moment
    in which it could end.
    """
    if not hasattr(signal, "pidfd_send_signal"):
        _check(pid, started, supervisor)
        os.kill(pid, number)
        return
    try:
        fd = os.pidfd_open(pid)  # closed below
    except ProcessLookupError:
        raise Gone from None
    try:
        _check(pid, started, supervisor)
        signal.pidfd_send_signal(fd, number)
    except ProcessLookupError:
        raise Gone from None
    finally:
        os.close(fd)


def _check(pid: int, started: float | None, supervisor: int | None) -> None:
    found = measure(pid)
    if found is None or found.started != started or supervisor not in (pid, found.parent):
        raise Gone
