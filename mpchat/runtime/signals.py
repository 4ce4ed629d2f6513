"""Signals as bytes in a socket (signal.set_wakeup_fd, signal(7)), so that a main loop waits in one place.

The handlers do nothing: what a signal means is decided in the main loop, between two events.
"""

import os
import signal
import socket

# A parent that starts a program with these ignored wants it to survive a closed terminal (nohup(1)) or a Ctrl-C meant
# for another program (a shell without job control, for what it starts in the background).
_STAY_IGNORED = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT)
# They would end a program at once, and mean nothing to this one: other servers read their settings again, or open their
# logs anew, at one of them.
_MEANINGLESS = (signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM)


def set_dispositions() -> None:
    """Set what a program inherits through execve(2): which signals are ignored, and which are blocked.

    To be called before any process is started: children inherit both again.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # ignored, it would hide how a child ended (wait(2))
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # until the supervisor runs, it ends the program
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)  # a closed pipe is an error of the write (EPIPE)
    for number in _MEANINGLESS:
        signal.signal(number, signal.SIG_IGN)
    # A terminal with `stty tostop` stops a program in the background that writes there.
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def has_controlling_terminal() -> bool:
    """Whether this process was started from a terminal, which may hang up (tty(4)). It never has one after that."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True


class Signals:
    """The pending signals of these numbers. To be made once in a process, in its main thread."""

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
        """The signals that have come since the last call."""
        try:
            return [signal.Signals(number) for number in self._readable.recv(64)]
        except BlockingIOError:
            return []

    def hold(self) -> None:
        """Block them until let_go(). A process spawned meanwhile inherits the mask: a Ctrl-C in its first milliseconds,
        before it has set its handlers, does not kill it, and is not lost.
        """
        signal.pthread_sigmask(signal.SIG_BLOCK, self._numbers)

    def let_go(self) -> None:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, self._numbers)

    def close(self) -> None:
        """From here on the signals have no effect."""
        signal.set_wakeup_fd(-1)
        self._readable.close()
        self._writable.close()
