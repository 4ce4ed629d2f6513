"""Signals as bytes in a socket, so that a process has one place to wait in (signal.set_wakeup_fd, signal(7)).

The handler itself does nothing: what a signal means is decided in the main loop, between two events.
"""

import signal
import socket


class Signals:
    """Made in the main thread, once in a process."""

    def __init__(self, *numbers: signal.Signals) -> None:
        self._readable, self._writable = socket.socketpair()
        self._readable.setblocking(False)
        self._writable.setblocking(False)
        signal.set_wakeup_fd(self._writable.fileno(), warn_on_full_buffer=False)
        self._numbers = numbers
        for number in numbers:
            signal.signal(number, lambda *_: None)

    def fileno(self) -> int:
        return self._readable.fileno()

    def take(self) -> list[signal.Signals]:
        """Those that have come since the last call."""
        try:
            return [signal.Signals(number) for number in self._readable.recv(64)]
        except BlockingIOError:
            return []

    def hold(self) -> None:
        """Let them wait. Processes started meanwhile inherit that: a Ctrl-C in their first milliseconds, before they
        could ignore it, does not kill them, and is not lost either.
        """
        signal.pthread_sigmask(signal.SIG_BLOCK, self._numbers)

    def let_go(self) -> None:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, self._numbers)

    def close(self) -> None:
        """From here on they do nothing."""
        signal.set_wakeup_fd(-1)
        self._readable.close()
        self._writable.close()
