"""Credits: how much may be under way in a queue that has no maxsize. Pure arithmetic, in bytes.

A Queue(maxsize) counts with a semaphore, and a producer that is killed takes its tokens with it for ever. Credits are
numbers in the messages: the broker grants, the worker spends, and a new process starts with a full purse.
"""


class SendWindow:
    """A worker's: what it may still send to the broker. At or below 0 it stops reading sockets.

    It takes what it sends from `left`, which may go below 0 by one read.
    """

    def __init__(self, credit: int) -> None:
        self.left = credit

    def earn(self, size: int) -> None:
        self.left += size


class CreditLedger:
    """The broker's, about all workers: what to give back, and whether to.

    Credit comes back only while every worker keeps up with its stream. So a worker that lags slows those who send,
    all the way back to their own TCP windows, instead of filling the memory with what it has not delivered.
    """

    def __init__(self, workers: int, lag_limit: int) -> None:
        self._limit = lag_limit
        self._owed = [0] * workers
        self._sent = [0] * workers
        self._applied = [0] * workers

    def received(self, worker: int, size: int) -> None:
        """Input from this worker has been applied: its credit is owed."""
        self._owed[worker] += size

    def sent(self, worker: int, size: int) -> None:
        self._sent[worker] += size

    def applied(self, worker: int, total: int) -> None:
        """The worker has said how many bytes of its stream it has dealt with in all."""
        self._applied[worker] = total

    def reset(self, worker: int) -> None:
        """It has ended, or begins anew with a full purse: nobody needs to wait for what it was sent before."""
        self._applied[worker] = self._sent[worker] = 0
        self._owed[worker] = 0

    @property
    def lagging(self) -> bool:
        return any(sent - applied > self._limit for sent, applied in zip(self._sent, self._applied, strict=True))

    def pay(self) -> dict[int, int]:
        """What each worker gets back now: everything owed, or nothing while somebody lags."""
        if self.lagging:
            return {}
        due = {worker: owed for worker, owed in enumerate(self._owed) if owed}
        for worker in due:
            self._owed[worker] = 0
        return due
