"""The board: one row of counters for each process, in a file that all of them map. Each writes its own row.

Reading it costs its owner nothing, and a row outlives its process: a dead one's last numbers can be read until the
supervisor writes the row anew, for the one that takes its place.
An ordinary file, not shared_memory: that unlinks a segment when a mere reader exits (CPython before 3.13).
"""

import mmap
import os
import time
from array import array
from multiprocessing.reduction import DupFd
from typing import Any

# position: for the recorder, how far in the journal it has stored; for a broker, the place of the record it replays.
COUNTERS = ("clients", "records", "items", "deliveries", "sends", "bytes_out", "turns", "position")
ACCEPTOR_ROW, BROKER_ROW, RECORDER_ROW, SPARE_ROW, FIRST_WORKER_ROW = range(5)
_CELLS = 1 + len(COUNTERS)  # of a row: when its process last turned, in monotonic ns, and the counters
_CELL_BYTES = 8
_ZEROS = dict.fromkeys(COUNTERS, 0)


def row_of(role: str) -> int:
    """The row of a process by its role: "acceptor", "broker", "worker0" and so on."""
    if role.startswith("worker"):
        return FIRST_WORKER_ROW + int(role.removeprefix("worker"))
    return {"acceptor": ACCEPTOR_ROW, "broker": BROKER_ROW, "recorder": RECORDER_ROW, "spare": SPARE_ROW}[role]


class Board:
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
    def make(cls, rows: int) -> "Board":
        import tempfile  # here: it takes 9 ms, which no child has to pay

        with tempfile.TemporaryFile() as file:  # it has no name any more: nothing to remove at the end
            os.ftruncate(file.fileno(), rows * _CELLS * _CELL_BYTES)
            return cls(os.dup(file.fileno()), rows)

    def write(self, row: int, **counters: int) -> None:
        """All counters of a row by name; those left out are 0. The time goes with them: so its process is alive."""
        values = {**_ZEROS, **counters}.values()  # in the order of COUNTERS
        self._cells[row * _CELLS : (row + 1) * _CELLS] = array("q", (time.monotonic_ns(), *values))

    def read(self, row: int) -> dict[str, int]:
        return dict(zip(COUNTERS, self._cells[row * _CELLS + 1 : (row + 1) * _CELLS], strict=True))

    def beat(self, row: int) -> None:
        """Let its process have turned now: for the supervisor, which must not judge one that could not turn yet."""
        self._cells[row * _CELLS] = time.monotonic_ns()

    def last_beat(self, row: int) -> float:
        """When the row's process last turned, in monotonic seconds."""
        return self._cells[row * _CELLS] / 1e9


def _map_again(fd: Any, rows: int) -> Board:
    return Board(fd.detach(), rows)
