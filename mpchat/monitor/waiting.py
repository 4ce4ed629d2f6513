"""Waiting for what a server goes on telling, for Ctrl-C, and for the reader of a pipe to leave. Nothing else waits."""

import select
import signal

from mpchat.ipc.control_socket import Follower
from mpchat.runtime.signals import Signals


class Waiting:
    """To be made once in a process, in its main thread. `is_over`: there was a Ctrl-C, or nobody reads any more."""

    def __init__(self, follower: Follower, output: int | None = None) -> None:
        """`output`: the descriptor of a pipe into which we write: its reader may leave."""
        self._output = output
        self._before = signal.getsignal(signal.SIGINT)
        self._signals = Signals(signal.SIGINT)
        self._poll = select.poll()
        self._poll.register(follower, select.POLLIN)
        self._poll.register(self._signals, select.POLLIN)
        if output is not None:
            self._poll.register(output, 0)  # errors are told unasked
        self.is_over = False

    def wait(self, seconds: float | None) -> None:
        """Until something has come, or that long."""
        for fd, _ in self._poll.poll(None if seconds is None else seconds * 1000):
            if fd in (self._signals.fileno(), self._output):
                self.is_over = True

    def close(self) -> None:
        """From here on Ctrl-C is what it was before."""
        self._signals.close()
        signal.signal(signal.SIGINT, self._before)
