"""Pending records: what has come and has not been dealt with yet, in the order in which it came.

A pending record has not happened: it stays until it has been journaled. When the successor of a dead worker arrives,
the records that the dead one had forwarded, and that are still pending, are discarded: the successor forwards them
again, from the kernel.

Records leave in blocks. A block can be ended only before it is journaled, and is then dealt with whole, while everybody
waits. What it will cost is not known before: a line takes 30 us, or with ten thousand people in a WHO 60 ms. So the
length of the next one follows from how long the last one took: a record more if that was quick, in proportion fewer if
not.
"""

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from mpchat.flow.credit import CreditLedger
from mpchat.messages import Clock, Record, WorkerRecord

_MOST_RECORDS = 128  # dealt with between two looks at who lags, if they are quick
_BLOCK_SECONDS = 0.05  # what a block should take at most: so long may it hold up the others' lines


class _Entry(NamedTuple):
    records: list[Record]
    worker: int | None = None  # whose records they are; None: the broker's own
    cost: int = 0  # bytes of credit, owed to the worker once this has been dealt with
    alone: bool = False  # it is a block by itself, with no "clock" in front


class Pending:
    """Of one broker."""

    def __init__(self, ledger: CreditLedger) -> None:
        self._ledger = ledger
        self._waiting: deque[_Entry] = deque()
        self._most = _MOST_RECORDS  # records in the next block, but the time
        self._length = 0  # records in the last block, but the time
        self._taken = 0  # and entries

    def __len__(self) -> int:
        """How many batches there are, each of one worker or of the broker itself."""
        return len(self._waiting)

    def __iter__(self) -> Iterator[Record]:
        return (record for entry in self._waiting for record in entry.records)

    @property
    def begins_alone(self) -> bool:
        """The first entry is a block by itself."""
        return bool(self._waiting) and self._waiting[0].alone

    def add(self, records: list[Record]) -> None:
        """The broker's own."""
        if records:
            self._waiting.append(_Entry(records))

    def add_first(self, block: list[Record]) -> None:
        """The broker's own too: what must happen before all else here."""
        if block:
            self._waiting.appendleft(_Entry(block, alone=True))

    def add_batch(self, worker: int, cost: int, records: list[WorkerRecord]) -> None:
        """What a worker has sent, and what that has cost its send window, in bytes."""
        if not records:
            self._ledger.received(worker, cost)
        for start in range(0, len(records), _MOST_RECORDS):
            is_last = start + _MOST_RECORDS >= len(records)
            some: list[Record] = [*records[start : start + _MOST_RECORDS]]
            self._waiting.append(_Entry(some, worker, cost if is_last else 0))

    def block(self, clock: Clock) -> list[Record]:
        """What is to happen next, if only that time goes by. It stays pending until commit()."""
        if self.begins_alone:
            self._length, self._taken = 0, 1
            return self._waiting[0].records
        block: list[Record] = [clock]
        self._taken = 0
        while self._taken < len(self._waiting) and (room := self._most - len(block) + 1):
            entry = self._waiting[self._taken]
            if len(entry.records) > room:
                entry = self._cut(self._taken, room)
            block += entry.records
            self._taken += 1
        self._length = len(block) - 1
        return block

    def _cut(self, place: int, length: int) -> _Entry:
        """Make two entries of one: the first, which is returned, has so many records; the credit is the second's."""
        whole = self._waiting[place]
        first = whole._replace(records=whole.records[:length], cost=0)
        self._waiting[place] = whole._replace(records=whole.records[length:])
        self._waiting.insert(place, first)
        return first

    def commit(self, seconds: float) -> None:
        """The last block has happened, and to deal with it took so long."""
        for _ in range(self._taken):
            entry = self._waiting.popleft()
            if entry.worker is not None:
                self._ledger.received(entry.worker, entry.cost)
        if self._length and seconds > _BLOCK_SECONDS:
            self._most = max(1, min(self._most, int(self._length * _BLOCK_SECONDS / seconds)))
        elif self._length >= self._most < _MOST_RECORDS:
            self._most += 1
        self._taken = self._length = 0

    def discard_from(self, worker: int) -> None:
        """The worker has a successor, which will forward all of this again."""
        self._waiting = deque(entry for entry in self._waiting if entry.worker != worker)
