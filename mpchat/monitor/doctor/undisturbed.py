"""What must be undone is undone, whatever signal comes: Ctrl-C, SIGTERM, a closed terminal.

The signals raise KeyboardInterrupt, but never inside undisturbed(): there they wait.
"""

import contextlib
import signal
from collections.abc import Iterator

_STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def raise_at_stops() -> None:
    """As Ctrl-C does by itself. One that is ignored (nohup(1)) stays so."""
    for number in _STOPS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """For what is short. A process started here inherits the blocked signals; a server unblocks them by itself."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _STOPS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def disturbed() -> Iterator[None]:
    """Inside undisturbed(): for what may take long, and can be broken off. What has waited comes at once."""
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPS)
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_BLOCK, _STOPS)
