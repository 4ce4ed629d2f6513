"""Credit-based flow control: how many bytes may be in flight in a queue that has no maxsize. Pure arithmetic, in bytes.

A Queue(maxsize) counts with a semaphore, and a producer that is killed takes its tokens with it for ever. Credits are
numbers in the messages: the broker grants, the worker spends, and a new process starts with a full send window.
"""


class SendWindow:
    """What a worker may still send to the broker. While the window is empty, the worker reads no client's socket."""

    def __init__(self, credit: int) -> None:
        self._left = credit

    @property
    def empty(self) -> bool:
        return self._left <= 0

    def spend(self, size: int) -> None:
        """May go below zero by the size of one read."""
        self._left -= size

    def earn(self, size: int) -> None:
        self._left += size


class CreditLedger:
    """The broker's account of all workers' credit: how much to give back to each, and whether to.

    Credit goes back only while every worker keeps up with its stream. So a worker that lags slows the clients that
    send, down to their own TCP windows, instead of filling the memory with undelivered items.
    """

    def __init__(self, workers: int, lag_limit: int) -> None:
        self._limit = lag_limit
        self._owed = [0] * workers
        self._sent = [0] * workers
        self._applied = [0] * workers

    def received(self, worker: int, size: int) -> None:
        """Input of this size from this worker has been applied: its credit is owed."""
        self._owed[worker] += size

    def sent(self, worker: int, size: int) -> None:
        """Items of this size were put to this worker."""
        self._sent[worker] += size

    def applied(self, worker: int, total: int) -> None:
        """The worker has applied so many bytes of its stream in all."""
        self._applied[worker] = total

    def reset(self, worker: int) -> None:
        """The worker has ended, or begins with a full send window: what was sent to it before counts no more."""
        self._applied[worker] = self._sent[worker] = 0
        self._owed[worker] = 0

    @property
    def lagging(self) -> bool:
        return any(sent - applied > self._limit for sent, applied in zip(self._sent, self._applied, strict=True))

    def pay(self) -> dict[int, int]:
        """What each worker gets back now: all that is owed, or nothing while a worker lags."""
        if self.lagging:
            return {}
        due = {worker: owed for worker, owed in enumerate(self._owed) if owed}
        for worker in due:
            self._owed[worker] = 0
        return due
