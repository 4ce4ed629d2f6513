"""Signals as bytes in a socket, so that a process has one place to wait in (signal.set_wakeup_fd, signal(7)).

The handler itself does nothing: what a signal means is decided in the main loop, between two events.
"""

import signal
import socket

# Who starts a program with these ignored wants it to outlive a closed terminal (nohup(1)) or somebody else's Ctrl-C (a
# shell, for what it starts in the background without job control).
_STAY_IGNORED = (signal.SIGHUP, signal.SIGINT)


def set_dispositions() -> None:
    """What a program inherits through execve(2), set on purpose: which signals are ignored, and which are blocked.

    To be called at the start, before another process is started: children inherit both again.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # ignored, it would keep us from hearing how a child ended (wait(2))
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # a server must be stoppable; until it runs, this ends it
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)  # a reader that has gone is an error of that write
    # Log lines of a server in the background may go to a terminal with `stty tostop`, which stops those who write.
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


class Signals:
    """Made in the main thread, once in a process."""

    def __init__(self, *numbers: signal.Signals) -> None:
        self._readable, self._writable = socket.socketpair()
        self._readable.setblocking(False)
        self._writable.setblocking(False)
        signal.set_wakeup_fd(self._writable.fileno(), warn_on_full_buffer=False)
        self._numbers = numbers
        for number in numbers:
            if number in _STAY_IGNORED and signal.getsignal(number) == signal.SIG_IGN:
                continue
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
