"""The scoreboard: what each process tells of itself, in shared memory. Each process writes its own cells only.

    rows        of each role: counters, and when its process last turned its loop
    tracing     one cell: not 0 while somebody traces (the supervisor's)
    meters      of each end of a connection between two processes: what was put into it, and what was taken from it
    rings       of each role: the hops of what it was doing, while somebody traces (trace_ring.py)

A reader costs the writer nothing, and what a process has written outlives it: the last numbers of a dead process can be
read until the supervisor clears the row for the successor, and its hops until they are overwritten.
It is a memfd (memfd_create(2)), not a file: in a full /tmp the first write to a mapped file is a SIGBUS. Nor is it
multiprocessing's shared_memory: that unlinks a segment when a mere reader exits (CPython before 3.13).
"""

import mmap
import os
import time
from array import array
from multiprocessing.reduction import DupFd
from typing import Protocol, TypeAlias

from mpchat.ipc.trace_ring import RING_BYTES, TraceRing

# position: of the recorder, the journal position up to which the disk has the history; of a broker, the place of the
# record that it replays. unsent: bytes that a worker keeps for clients that do not take them.
COUNTERS = ("clients", "records", "items", "deliveries", "sends", "bytes_out", "turns", "position", "unsent")
ACCEPTOR_ROW, BROKER_ROW, RECORDER_ROW, AUTHENTICATOR_ROW, SPARE_ROW, FRONT_ROW, FIRST_WORKER_ROW = range(7)
_ROWS = {
    "acceptor": ACCEPTOR_ROW,
    "broker": BROKER_ROW,
    "recorder": RECORDER_ROW,
    "authenticator": AUTHENTICATOR_ROW,
    "spare": SPARE_ROW,
    "front": FRONT_ROW,
}
# Of a row: whether its process waits for the disk (1), when it last turned (monotonic ns), and the counters.
_DISK, _BEAT, _COUNTED = range(3)
_CELLS = _COUNTED + len(COUNTERS)
_CELL_BYTES = 8

# Of a meter. What was put at one end and not taken at the other is under way between them. Bytes are those that flow
# control counts (flow/credit.py), and of a link those of its frames.
MESSAGES_PUT, BYTES_PUT, MESSAGES_TAKEN, BYTES_TAKEN = range(4)
_METER_CELLS = 4
Meter: TypeAlias = "memoryview[int]"
# Those who have one link each, and so two ends; what else there is are the workers' connections.
_LINKED = (("broker", "recorder"), ("broker", "authenticator"), ("front", "acceptor"))
_OTHER_ENDS = 2 * len(_LINKED)
_ENDS_PER_WORKER = 4  # of its transport and its link to the acceptor: its own end, the other's


def new_meter() -> Meter:
    """A meter that nobody reads: of a connection that is on no scoreboard."""
    return memoryview(array("q", [0] * _METER_CELLS))


def row_of(role: str) -> int:
    """The row of a process by its role: "acceptor", "broker", "worker0" and so on."""
    if role.startswith("worker"):
        return FIRST_WORKER_ROW + int(role.removeprefix("worker"))
    return _ROWS[role]


class Passed(Protocol):
    """What DupFd() leaves in a pickle: the receiver's number for the descriptor."""

    def detach(self) -> int: ...


class Scoreboard:
    """Rows by number. The supervisor makes it; its children get the file descriptor.

    A row is read while its process writes it, so each cell is written by one store of a native integer. Not by
    struct.pack_into(), which writes zeros first: one read in two hundred then found a last beat of 0.
    """

    def __init__(self, fd: int, rows: int, is_read_only: bool = False) -> None:
        """`fd` stays the caller's; it may be closed, unless the scoreboard is to be passed on."""
        self._fd = fd
        self._rows = rows
        self._rings_at = _rings_at(rows)
        size = os.fstat(fd).st_size
        self.has_rings = size == self._rings_at + rows * RING_BYTES
        prot = mmap.PROT_READ if is_read_only else mmap.PROT_READ | mmap.PROT_WRITE
        self._cells = memoryview(mmap.mmap(fd, size, prot=prot)).cast("q")
        self._meters_at = rows * _CELLS + 1
        self.tracing = self._cells[rows * _CELLS : self._meters_at]  # tracing[0] is read in each turn of each loop

    def __reduce__(self) -> tuple[object, ...]:
        """As an argument of a child that is being spawned, the file descriptor goes along."""
        return _map_again, (DupFd(self._fd), self._rows)

    @classmethod
    def make(cls, rows: int) -> "Scoreboard":
        fd = _memory()
        try:
            os.ftruncate(fd, _rings_at(rows) + rows * RING_BYTES)  # a page takes memory when it is first written
        except OSError:  # a limit to the size of files (ulimit -f) counts here too: then nobody can trace
            os.ftruncate(fd, _used(rows))
        return cls(fd, rows)

    def begin(self, row: int) -> None:
        """Clear the row for a new process, with its first beat. Only the supervisor may call this."""
        self._cells[row * _CELLS + _DISK] = 0
        self.write(row)

    def write(
        self,
        row: int,
        clients: int = 0,
        records: int = 0,
        items: int = 0,
        deliveries: int = 0,
        sends: int = 0,
        bytes_out: int = 0,
        turns: int = 0,
        position: int = 0,
        unsent: int = 0,
    ) -> None:
        """Set all counters of a row, in the order of COUNTERS, and the beat."""
        now = time.monotonic_ns()
        values = array("q", (now, clients, records, items, deliveries, sends, bytes_out, turns, position, unsent))
        self._cells[row * _CELLS + _BEAT : (row + 1) * _CELLS] = values

    def read(self, row: int) -> dict[str, int]:
        return dict(zip(COUNTERS, self._cells[row * _CELLS + _COUNTED : (row + 1) * _CELLS], strict=True))

    def turns(self, row: int) -> int:
        """How often the row's process has turned its loop."""
        return self._cells[row * _CELLS + _COUNTED + COUNTERS.index("turns")]

    def beat(self, row: int) -> None:
        """The row's process turns its loop now. (The supervisor calls it for one that was not to be judged.)"""
        self._cells[row * _CELLS + _BEAT] = time.monotonic_ns()

    def last_beat(self, row: int) -> float:
        """When the row's process last turned its loop, in monotonic seconds."""
        return self._cells[row * _CELLS + _BEAT] / 1e9

    def waiting_for_the_disk(self, row: int) -> "DiskWait":
        """A context for a call that may wait for the disk (fdatasync(2), a large read), which is no hang."""
        return DiskWait(self._cells, row * _CELLS)

    def waits_for_the_disk(self, row: int) -> bool:
        return self._cells[row * _CELLS + _DISK] != 0

    def meter(self, one: str, other: str) -> Meter:
        """Of the end of `one` of the connection between these two roles: its process alone may write it.

        A worker has two, to the broker and to the acceptor; _LINKED has the others.
        """
        pair = (one, other) if (one, other) in _LINKED else (other, one)
        if pair in _LINKED:
            end = 2 * _LINKED.index(pair) + pair.index(one)
        else:
            worker = one if one.startswith("worker") else other
            peer = other if worker == one else one
            end = _OTHER_ENDS + _ENDS_PER_WORKER * (row_of(worker) - FIRST_WORKER_ROW)
            end += 2 * (peer == "acceptor") + (worker != one)
        first = self._meters_at + end * _METER_CELLS
        return self._cells[first : first + _METER_CELLS]

    def connect(self, one: str, other: str) -> None:
        """These two are given a new connection: nothing is under way. One of them may be too busy to begin to count."""
        self.meter(one, other)[:] = self.meter(other, one)[:] = new_meter()

    def under_way(self, one: str, other: str) -> tuple[int, int]:
        """Messages and bytes that `one` has put and `other` has not taken. The two write at their own times."""
        put, taken = self.meter(one, other), self.meter(other, one)
        # Taken first: what is put between the two looks is under way, or was.
        messages, size = taken[MESSAGES_TAKEN], taken[BYTES_TAKEN]
        return max(0, put[MESSAGES_PUT] - messages), max(0, put[BYTES_PUT] - size)

    def ring(self, row: int) -> TraceRing:
        """Of the row's process, which alone may write it. There must be rings: has_rings."""
        first = (self._rings_at + row * RING_BYTES) // _CELL_BYTES
        return TraceRing(self._cells[first : first + RING_BYTES // _CELL_BYTES])

    def read_only(self) -> int:
        """A descriptor for somebody who may only read; where there is no /proc, one like ours. The caller closes it."""
        try:
            return os.open(f"/proc/self/fd/{self._fd}", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return os.dup(self._fd)


class TurnWatch:
    """Which processes have turned their loops since they were last looked at.

    What a process could not send at once it goes on sending between two turns. While it waits for the disk, or has much
    to do, it does not turn: whether that is too long is the supervisor's to judge.
    """

    def __init__(self, scoreboard: Scoreboard) -> None:
        self._scoreboard = scoreboard
        self._seen: dict[int, int] = {}

    def has_turned(self, row: int) -> bool:
        """Since the last call for this row."""
        before, self._seen[row] = self._seen.get(row), self._scoreboard.turns(row)
        return self._seen[row] != before


class DiskWait:
    """On entry the row says that its process may be waiting for the disk; on exit, a beat. It can be used again."""

    def __init__(self, cells: memoryview, row_at: int) -> None:
        self._cells, self._disk_at, self._beat_at = cells, row_at + _DISK, row_at + _BEAT

    def __enter__(self) -> None:
        self._cells[self._disk_at] = 1

    def __exit__(self, *_: object) -> None:
        self._cells[self._disk_at] = 0
        self._cells[self._beat_at] = time.monotonic_ns()


def _used(rows: int) -> int:
    """Bytes of all but the rings."""
    ends = _OTHER_ENDS + _ENDS_PER_WORKER * max(0, rows - FIRST_WORKER_ROW)
    return (rows * _CELLS + 1 + ends * _METER_CELLS) * _CELL_BYTES


def _rings_at(rows: int) -> int:
    """The byte at which the rings begin, on a page of their own."""
    return -(-_used(rows) // mmap.PAGESIZE) * mmap.PAGESIZE


def _memory() -> int:
    """A new file in memory, or where the system has no memfd (macOS), one without a name; the caller's to close."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("mpchat-scoreboard", os.MFD_CLOEXEC)
    import tempfile

    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def _map_again(fd: Passed, rows: int) -> Scoreboard:
    return Scoreboard(fd.detach(), rows)
