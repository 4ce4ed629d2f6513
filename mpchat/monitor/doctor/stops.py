"""Ctrl-C, SIGTERM and a closed terminal, for mpchat doctor: noted when they come, and acted on where it waits.

No handler raises anything, so whatever is made is undone, however many signals come, and whenever. To block the signals
and raise from a handler would leave moments, between a mask and the next, in which the second one of a burst strikes.
"""

import contextlib
import select
import signal
from collections.abc import Iterator
from typing import Protocol

from mpchat.runtime.signals import Signals

_noted: Signals | None = None  # a process has one place for its signals (signal.set_wakeup_fd)


class Readable(Protocol):
    def fileno(self) -> int: ...


@contextlib.contextmanager
def noted() -> Iterator[None]:
    """From here on they are. One that is ignored (nohup(1)) stays so. Afterwards they have no effect."""
    global _noted
    with contextlib.closing(Signals(signal.SIGINT, signal.SIGTERM, signal.SIGHUP)) as _noted:
        try:
            yield
        finally:
            _noted = None


def wait(source: Readable | None, seconds: float) -> bool:
    """Whether `source` is readable within so many seconds.

    Raises KeyboardInterrupt as soon as a signal has come, since the beginning.
    """
    waited_for = [each for each in (source, _noted) if each is not None]
    ready = select.select(waited_for, [], [], max(0.0, seconds))[0]
    if _noted in ready:  # it is not taken: all who wait from here on break off as well
        raise KeyboardInterrupt
    return bool(ready)


def look() -> None:
    """Raises KeyboardInterrupt if a signal has come."""
    wait(None, 0)
