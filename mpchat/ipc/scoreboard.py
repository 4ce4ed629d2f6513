"""The board: one row of counters for each process, in memory that all of them map. Each writes its own row.

Reading it costs its owner nothing, and a row outlives its process: a dead one's last numbers can be read until the
supervisor writes the row anew, for the one that takes its place.
It is a memfd (memfd_create(2)), not a file: in a full /tmp the first write to a mapped file is a SIGBUS. Nor is it
shared_memory: that unlinks a segment when a mere reader exits (CPython before 3.13).
"""

import mmap
import os
import time
from array import array
from multiprocessing.reduction import DupFd
from typing import Any

# position: for the recorder, how far in the journal the disk has what it stored; for a broker, the place of the record
# it replays.
COUNTERS = ("clients", "records", "items", "deliveries", "sends", "bytes_out", "turns", "position")
ACCEPTOR_ROW, BROKER_ROW, RECORDER_ROW, SPARE_ROW, FIRST_WORKER_ROW = range(5)
# Of a row: whether its process waits for the disk (1), when it last turned (monotonic ns), and the counters.
_DISK, _BEAT, _COUNTED = range(3)
_CELLS = _COUNTED + len(COUNTERS)
_CELL_BYTES = 8


def row_of(role: str) -> int:
    """The row of a process by its role: "acceptor", "broker", "worker0" and so on."""
    if role.startswith("worker"):
        return FIRST_WORKER_ROW + int(role.removeprefix("worker"))
    return {"acceptor": ACCEPTOR_ROW, "broker": BROKER_ROW, "recorder": RECORDER_ROW, "spare": SPARE_ROW}[role]


class Scoreboard:
    """Rows by number. Made by the supervisor; the others get its file descriptor.

    A row is read while its process writes it, so each cell is written at once, as a number of the machine's own. Not by
    struct.pack_into(): that fills its place with zeros first, and one look in two hundred then found a process that had
    not turned since the machine was started.
    """

    def __init__(self, fd: int, rows: int) -> None:
        self._fd = fd
        self._rows = rows
        self._cells = memoryview(mmap.mmap(fd, rows * _CELLS * _CELL_BYTES)).cast("q")

    def __reduce__(self) -> tuple[Any, ...]:
        """As an argument of a process that is being spawned, the file descriptor itself goes along."""
        return _map_again, (DupFd(self._fd), self._rows)

    @classmethod
    def make(cls, rows: int) -> "Scoreboard":
        fd = _memory()
        os.ftruncate(fd, rows * _CELLS * _CELL_BYTES)
        return cls(fd, rows)

    def begin(self, row: int) -> None:
        """For the supervisor: a new process has this row, turns now, and has counted nothing."""
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
    ) -> None:
        """All counters of a row, in the order of COUNTERS. The time goes with them: so its process is alive."""
        now = time.monotonic_ns()
        values = array("q", (now, clients, records, items, deliveries, sends, bytes_out, turns, position))
        self._cells[row * _CELLS + _BEAT : (row + 1) * _CELLS] = values

    def read(self, row: int) -> dict[str, int]:
        return dict(zip(COUNTERS, self._cells[row * _CELLS + _COUNTED : (row + 1) * _CELLS], strict=True))

    def beat(self, row: int) -> None:
        """The row's process turns now. (The supervisor also says so of one that could not turn yet.)"""
        self._cells[row * _CELLS + _BEAT] = time.monotonic_ns()

    def last_beat(self, row: int) -> float:
        """When the row's process last turned, in monotonic seconds."""
        return self._cells[row * _CELLS + _BEAT] / 1e9

    def waiting_for_the_disk(self, row: int) -> "DiskWait":
        """Around a call that may wait for the disk (fdatasync(2), a large read): such a process does not hang."""
        return DiskWait(self._cells, row * _CELLS)

    def waits_for_the_disk(self, row: int) -> bool:
        return self._cells[row * _CELLS + _DISK] != 0


class DiskWait:
    """With it, the process says that it may be waiting for the disk; behind it, that it turns. It can be used again."""

    def __init__(self, cells: memoryview, row_at: int) -> None:
        self._cells, self._disk_at, self._beat_at = cells, row_at + _DISK, row_at + _BEAT

    def __enter__(self) -> None:
        self._cells[self._disk_at] = 1

    def __exit__(self, *_: object) -> None:
        self._cells[self._disk_at] = 0
        self._cells[self._beat_at] = time.monotonic_ns()


def _memory() -> int:
    """A new open file that is nowhere but in memory, or where the system has no such thing (macOS), without a name."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("mpchat-board", os.MFD_CLOEXEC)
    import tempfile

    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def _map_again(fd: Any, rows: int) -> Scoreboard:
    return Scoreboard(fd.detach(), rows)
