"""Two processes that both write before they read; four that write lines into one pipe; and a join() before a get()."""

import os
import re
import select
import time
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from mpchat.lab.lab import Lab

_PAGE = os.sysconf("SC_PAGE_SIZE")
_STILL_SECONDS = 1.0  # an exchange that takes a millisecond and has not ended by then never will
_PATIENCE_SECONDS = 10.0
_LOOK_SECONDS = 0.02
_WRITERS, _LINES = 4, 400
_MOST_TRIES = 8  # in each of which a few per cent of the longer lines are torn
_BIG, _SMALL = 1 << 20, 100  # bytes put into a queue that nobody reads


def run(lab: Lab) -> None:
    lab.tell("exchange")
    _fits(lab)
    _one_more(lab)
    lab.tell("lines")
    _tear(lab)
    lab.tell("join")
    _join_first(lab)


class _Exchange(NamedTuple):
    """Two processes, a and b, with a pipe for each direction. `shared` is what they tell of themselves."""

    shared: Any  # doubles in shared memory: when a began and ended, when b began and ended; and their descriptors
    processes: list[Any]
    a_to_b: tuple[Connection, Connection]  # the reading end and the writing one
    b_to_a: tuple[Connection, Connection]

    def ended(self) -> int:
        """How many of the two are through."""
        return sum(self.shared[number] > 0 for number in (1, 3))

    def wait(self, seconds: float) -> int:
        """ended(), once both are or the time is over."""
        deadline = time.monotonic() + seconds
        while self.ended() < 2 and time.monotonic() < deadline:
            time.sleep(_LOOK_SECONDS)
        return self.ended()

    def are_in_write(self, size: int) -> "bool | None":
        """Whether each waits in write() of so many bytes into its pipe; None: this system does not tell."""
        calls = [_call(each.pid) for each in self.processes]
        if None in calls:
            return None
        # The arguments of write(2) are the descriptor, an address, and how many bytes.
        return [call[1::2] for call in calls if call] == [[int(fd), size] for fd in self.shared[4:6]]


def _exchange(lab: Lab, more: int) -> tuple[_Exchange, int]:
    """Both have begun: each writes so many bytes more than a pipe holds, and then reads as many. Says how many."""
    a_to_b, b_to_a = lab.context.Pipe(duplex=False), lab.context.Pipe(duplex=False)
    size = max(_capacity(*a_to_b), _capacity(*b_to_a)) + more
    shared, go = lab.context.RawArray("d", 6), lab.context.Event()
    started = [
        lab.process(_write_then_read, size, a_to_b[1], b_to_a[0], shared, 0, go),
        lab.process(_write_then_read, size, b_to_a[1], a_to_b[0], shared, 1, go),
    ]
    while not all(shared[4:6]):
        time.sleep(_LOOK_SECONDS)
    go.set()
    return _Exchange(shared, started, a_to_b, b_to_a), size


def _capacity(reader: Connection, writer: Connection) -> int:
    """How many bytes an empty pipe takes (pipe(7): 64 KiB; fewer for a user who has many pipes). It is empty again."""
    os.set_blocking(writer.fileno(), False)
    count = 0
    try:
        while True:
            count += os.write(writer.fileno(), bytes(_PAGE))
    except BlockingIOError:
        pass
    os.set_blocking(writer.fileno(), True)
    left = count
    while left:
        left -= len(os.read(reader.fileno(), left))
    return count


def _write_then_read(size: int, writer: Connection, reader: Connection, shared: Any, number: int, go: Any) -> None:
    shared[4 + number] = writer.fileno()
    go.wait()
    shared[2 * number] = time.monotonic()
    data = bytes(size)
    while data:
        data = data[os.write(writer.fileno(), data) :]
    while size:
        size -= len(os.read(reader.fileno(), size))
    shared[2 * number + 1] = time.monotonic()
    go.clear()
    go.wait()


def _fits(lab: Lab) -> None:
    exchange, size = _exchange(lab, 0)
    lab.measured["capacity"] = size
    lab.measured["fits_through"] = exchange.wait(_PATIENCE_SECONDS)
    began, ended = exchange.shared[0:3:2], exchange.shared[1:4:2]
    lab.measured["fits_s"] = max(0.0, max(ended) - min(began))
    lab.measured["fits_ms"] = lab.measured["fits_s"] * 1000
    lab.end_processes()


def _one_more(lab: Lab) -> None:
    exchange, size = _exchange(lab, 1)
    began = time.monotonic()
    lab.measured["one_more"] = size
    lab.measured["one_more_through"] = exchange.wait(_STILL_SECONDS)
    while not (in_write := exchange.are_in_write(size)) and time.monotonic() < began + _PATIENCE_SECONDS:
        if in_write is None:
            lab.skip("in_write", "descriptors", why="no_syscall")
            break
        time.sleep(_LOOK_SECONDS)
    else:
        lab.measured["in_write"] = in_write
        lab.measured["descriptors"] = [int(fd) for fd in exchange.shared[4:6]]
    lab.measured["still_s"] = time.monotonic() - began
    _free(lab, exchange)
    lab.end_processes()


def _free(lab: Lab, exchange: _Exchange) -> None:
    """Take a page out of one pipe, and put it back as soon as its writer is through, so that nothing is lost.

    A pipe is a ring of pages: a writer may go on when a whole one is free, and only it must get this one.
    """
    began = time.monotonic()
    page = os.read(exchange.a_to_b[0].fileno(), _PAGE)
    while not exchange.ended() and time.monotonic() < began + _PATIENCE_SECONDS:
        time.sleep(_LOOK_SECONDS / 10)
    if exchange.ended():
        os.write(exchange.a_to_b[1].fileno(), page)
    lab.measured["page"] = len(page)
    lab.measured["freed_through"] = exchange.wait(_PATIENCE_SECONDS)
    lab.measured["freed_ms"] = (time.monotonic() - began) * 1000


def _call(pid: int) -> "list[int] | None":
    """The system call that a process waits in, and three arguments (proc(5)); [] if it runs; None: nobody is told."""
    try:
        with open(f"/proc/{pid}/syscall") as file:
            words = file.read().split()[:4]
    except OSError:
        return None
    return [] if words == ["running"] else [int(word, 0) for word in words]


def _tear(lab: Lab) -> None:
    """Lines of PIPE_BUF bytes, and of one more."""
    lab.measured["lines"] = _WRITERS * _LINES
    lab.measured["pipe_buf"], lab.measured["longer"] = select.PIPE_BUF, select.PIPE_BUF + 1
    lab.measured["torn"] = _torn(lab, select.PIPE_BUF)
    for number in range(1, _MOST_TRIES + 1):
        torn = _torn(lab, select.PIPE_BUF + 1)
        if torn:
            lab.measured["torn_longer"], lab.measured["rounds"] = torn, number
            return
    lab.skip("torn_longer", "rounds", why="not_seen", times=_MOST_TRIES)


def _torn(lab: Lab, size: int) -> int:
    """How many of the lines that four processes write into one pipe do not come out as they went in."""
    reader, writer = lab.context.Pipe(duplex=False)
    go, ready = lab.context.Event(), lab.context.RawArray("B", _WRITERS)
    writers = [lab.process(_write_lines, size, writer, ready, number, go) for number in range(_WRITERS)]
    writer.close()  # the end of file comes when the last writer has ended
    while not all(ready):
        time.sleep(_LOOK_SECONDS)
    go.set()
    parts = []
    while part := os.read(reader.fileno(), 1 << 16):
        parts.append(part)
    for each in writers:
        each.join()
    whole = re.compile(rb"(?m)^([a-z])\1{%d}$" % (size - 2))
    return _WRITERS * _LINES - len(whole.findall(b"".join(parts)))


def _write_lines(size: int, writer: Connection, ready: Any, number: int, go: Any) -> None:
    """Lines of one letter each, by one write() each."""
    line = bytes([ord("a") + number]) * (size - 1) + b"\n"
    ready[number] = 1
    go.wait()
    for _ in range(_LINES):
        os.write(writer.fileno(), line)


def _join_first(lab: Lab) -> None:
    """join() before get(): with a little, and with 1 MiB."""
    for name, size in (("small", _SMALL), ("big", _BIG)):
        queue = lab.context.Queue()
        process = lab.process(_put, queue, size)
        process.join(_PATIENCE_SECONDS if name == "small" else _STILL_SECONDS)
        lab.measured[f"{name}_joined"] = not process.is_alive()
        queue.get()
        process.join(_PATIENCE_SECONDS)
        lab.measured[f"{name}_joined_after_get"] = not process.is_alive()
        queue.close()
    lab.measured["small_bytes"], lab.measured["big_bytes"] = _SMALL, _BIG


def _put(queue: Any, size: int) -> None:
    queue.put(bytes(size))
