"""A trace ring: the last hops of one process, in shared memory. A hop is a moment of a message's way, never its text.

    cell 0        the number of the newest entry, from 1 on
    then entries  of 8 cells each: its number; the hop and the process; what Entry has besides

The writer overwrites its oldest entry, and waits for nobody; a reader that is too slow misses some, and knows it. The
ring outlives its process, and the next one with the same role goes on behind its last entry. A process can be killed in
the middle of an entry: its number is written last, so an entry that has none was never finished.
"""

import os
import time
from array import array
from collections.abc import Iterator
from enum import IntEnum
from typing import NamedTuple

RING_BYTES = 1 << 20  # 16,383 entries: with one room of ten, a second of 1,000 lines
_CELLS = 8  # of an entry
_HOP_BITS = 8
_NUMBER, _WHAT = 0, 1


class Hop(IntEnum):
    """What happened; how its entry uses the fields of Entry. A field that is not named is 0.

    A place is the offset behind a line in its connection's input, or what is said here.
    """

    # A worker has seen a whole line. connection, place, size: of the line; depth: bytes in the socket's receive buffer
    SAW = 1
    # A worker has put a batch with all it has seen since the last. place: batches so far; size; depth: bytes under way
    PUT_RECORDS = 2
    # The broker has taken a batch. place: batches of this worker so far; size; depth: batches that wait in the broker
    TOOK_RECORDS = 3
    # The broker has written a block to the journal. place: the journal's end; size: of the block
    JOURNALED = 4
    # The broker's core has applied this block. place: the journal's end; depth: records in the block
    DECIDED = 5
    # In the block that was decided last, this line was one to be traced. connection, place; worker: number of the
    # trace; size: 1 if it is for one person alone, else 0; depth: how many ROUTED follow
    MARKED = 6
    # Of the line that was marked last. worker, place: the number of an item that delivers it
    ROUTED = 7
    # The broker has put items. worker, place: the number of the last item; size; depth: bytes under way
    PUT_ITEMS = 8
    # A worker has taken items. place: the number of the last item; size
    TOOK_ITEMS = 9
    # A worker has appended an item that is traced to its clients' output. place: the item's number; depth: clients
    APPENDED = 10
    # A worker has taken an acknowledged line from the kernel. connection, place
    ACKNOWLEDGED = 11
    # A worker calls send() for what a traced item has brought a client. connection, place: the number of the item;
    # size: bytes of the call; depth: bytes that the client's kernel had not acknowledged before
    SENT = 12
    # The dead worker before this one had sent it: the kernel has it. connection, place: the number of the item
    SENT_BEFORE = 13
    # The broker has journaled what was said for the recorder. place: the journal's end
    FACTS = 14
    # The recorder has stored what the journal has for it. place: the journal's end
    RECORDED = 15


class Entry(NamedTuple):
    """`at`: CLOCK_MONOTONIC in ns, one clock for all processes. `worker`: a worker's number, -1: it is about none."""

    hop: Hop
    pid: int
    at: int
    connection: int
    place: int
    worker: int
    size: int
    depth: int


class TraceRing:
    """Of one role. Its process writes, and others read."""

    def __init__(self, cells: "memoryview[int]") -> None:
        """`cells` are RING_BYTES of shared memory, all 0 at first."""
        self._cells = cells
        self._entries = len(cells) // _CELLS - 1
        self._pid = os.getpid() << _HOP_BITS
        self._read = 0  # number of the entry that was read last

    def note(
        self,
        hop: Hop,
        connection: int = 0,
        place: int = 0,
        worker: int = -1,
        size: int = 0,
        depth: int = 0,
        at: int = 0,
    ) -> None:
        """Write an entry. `at`: when it happened, 0: now."""
        cells, number = self._cells, self._cells[0] + 1
        first = (1 + (number - 1) % self._entries) * _CELLS
        cells[first + _NUMBER] = 0
        values = (self._pid | hop, at or time.monotonic_ns(), connection, place, worker, size, depth)
        cells[first + _WHAT : first + _CELLS] = array("q", values)
        cells[first + _NUMBER] = cells[0] = number

    def skip(self) -> None:
        """Leave out what there is: read() gives what comes later."""
        self._read = self._cells[0]

    def read(self) -> tuple[list[Entry], int]:
        """The entries since the last call, in order; and how many are missing, overwritten before they were read."""
        newest = self._cells[0]
        first = max(self._read + 1, newest - self._entries + 1)
        found = list(self._whole(first, newest))
        missing = newest - self._read - len(found)
        self._read = newest
        return found, missing

    def _whole(self, first: int, newest: int) -> Iterator[Entry]:
        cells = self._cells
        for number in range(first, newest + 1):
            at = (1 + (number - 1) % self._entries) * _CELLS
            what, *values = cells[at + _WHAT : at + _CELLS].tolist()
            if cells[at + _NUMBER] == number:  # looked at last: it was not overwritten meanwhile
                yield Entry(Hop(what & ((1 << _HOP_BITS) - 1)), what >> _HOP_BITS, *values)
