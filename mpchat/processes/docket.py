"""The broker's docket: what has come and has not been dealt with yet, in the order in which it came.

Between the records stand notes: what the batch before has cost its worker, whose credit is owed once all of it is dealt
with; and that a worker has arrived, who must be told where things are when all before it is decided, and not earlier.
"""

from collections import deque
from collections.abc import Iterator
from typing import Any

from mpchat.core import Record
from mpchat.ipc.lane import LaneEnd
from mpchat.processes.streams import Streams

_PRICE, _ARRIVAL = "price", "arrival"
_SLICE_RECORDS = 128  # dealt with between two looks at who lags


class Docket:
    """Of one broker. True while there is something on it."""

    def __init__(self, streams: Streams) -> None:
        self._streams = streams
        self._waiting: deque[tuple[Any, ...]] = deque()

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def __iter__(self) -> Iterator[Record]:
        return (record for record in self._waiting if record[0] not in (_PRICE, _ARRIVAL))

    def add(self, records: list[Record]) -> None:
        self._waiting += records

    def add_batch(self, worker: int, size: int, records: list[Record]) -> None:
        """What a worker has sent, and what that has cost it in bytes of credit."""
        self._waiting += records
        self._waiting.append((_PRICE, worker, size))

    def add_arrival(self, worker: int, lane: LaneEnd, position: int) -> None:
        """A worker is at this item of its stream."""
        self._waiting.append((_ARRIVAL, worker, lane, position))

    def take(self) -> list[Record]:
        """The next records, up to an arrival; the notes among them are dealt with."""
        batch: list[Record] = []
        while self._waiting and len(batch) < _SLICE_RECORDS:
            record = self._waiting[0]
            if record[0] == _ARRIVAL:
                if batch:
                    break
                self._streams.attach(*record[1:])
            elif record[0] == _PRICE:
                self._streams.ledger.received(*record[1:])
            else:
                batch.append(record)
            self._waiting.popleft()
        return batch
