"""Credit-based flow control: how many bytes may be in flight in a queue that has no maxsize. Pure arithmetic, in bytes.

A Queue(maxsize) counts with a semaphore, and a producer that is killed takes its tokens with it for ever. Credits are
numbers in the messages: the broker grants, the worker spends, and a new process starts with a full send window.
"""


class SendWindow:
    """What a worker may still send to the broker. At or below 0 the worker reads no client's socket.

    It takes what it sends from `left`, which may go below 0 by one read.
    """

    def __init__(self, credit: int) -> None:
        self.left = credit

    def earn(self, size: int) -> None:
        self.left += size


class CreditLedger:
    """The broker's account of all workers' credit: how much to give back to each, and whether to. Sizes in bytes.

    Credit goes back only while every worker keeps up with its stream. So a worker that lags slows the clients that
    send, down to their own TCP windows, instead of filling the memory with undelivered items.
    """

    def __init__(self, workers: int, lag_limit: int) -> None:
        self._limit = lag_limit
        self._owed: dict[int, int] = {}  # by worker, what is not 0
        self._sent = [0] * workers
        self._applied = [0] * workers
        self.lagging: dict[int, None] = {}  # the workers that are behind their stream by more than the limit

    def received(self, worker: int, size: int) -> None:
        """Input of this size from this worker has been applied: its credit is owed."""
        if size:
            self._owed[worker] = self._owed.get(worker, 0) + size

    def sent(self, worker: int, size: int) -> None:
        """Items of this size were put to this worker."""
        self._sent[worker] += size
        self._judge(worker)

    def applied(self, worker: int, total: int) -> None:
        """The worker has applied so many bytes of its stream in all."""
        self._applied[worker] = total
        self._judge(worker)

    def reset(self, worker: int) -> None:
        """The worker has ended, or begins with a full send window: what was sent to it before counts no more."""
        self._applied[worker] = self._sent[worker] = 0
        self._owed.pop(worker, None)
        self._judge(worker)

    def _judge(self, worker: int) -> None:
        if self._sent[worker] - self._applied[worker] > self._limit:
            self.lagging[worker] = None
        else:
            self.lagging.pop(worker, None)

    def pay(self) -> dict[int, int]:
        """What each worker gets back now: all that is owed, or nothing while a worker lags."""
        if self.lagging or not self._owed:
            return {}
        due, self._owed = self._owed, {}
        return due
