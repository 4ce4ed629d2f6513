"""Descriptors 0, 1 and 2: they may be closed, full, or lead to a reader that does not read.

No write here ever waits: a stopped terminal (Ctrl-S) or a pipe without a reader must not stop a server. O_NONBLOCK is
never set on an inherited descriptor: it belongs to the open file description (open(2)), which the user's shell shares.
"""

import contextlib
import functools
import io
import os
import select
import socket
import stat
import sys
import weakref
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

# A write of so many bytes to a pipe is atomic (pipe(7)): 4096 on Linux, 512 on macOS.
LINE_BYTES: int = getattr(select, "PIPE_BUF", 512)

closed: set[int] = set()  # those of the three that the program was started without


def fill() -> None:
    """Open /dev/null on each of the three that is closed. To be called before anything else is opened.

    The next open() or socket() would get that number, and the log would be sent to a client.
    """
    for number, name, mode in ((0, "stdin", os.O_RDONLY), (1, "stdout", os.O_WRONLY), (2, "stderr", os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            closed.add(number)
            fd = os.open(os.devnull, mode)
            if fd != number:
                os.dup2(fd, number)
                os.close(fd)
            os.set_inheritable(number, True)  # the child processes need them as much (PEP 446)
        if getattr(sys, name) is None:  # as Python sets it for a closed descriptor
            stream = open(number, "w" if number else "r", encoding="utf-8", closefd=False)  # noqa: SIM115  for good
            setattr(sys, name, stream)


def take_over() -> None:
    """From here on no write of this process to 1 and 2 waits. To be called by each server process.

    sys.stdout and sys.stderr are replaced, since Python itself writes there: warnings, tracebacks of threads.
    """
    for number in (1, 2):
        _open_anew(number)
    for number, name in ((1, "stdout"), (2, "stderr")):
        writer = _Writer(number)
        stream = io.TextIOWrapper(
            io.BufferedWriter(writer), encoding="utf-8", errors="backslashreplace", line_buffering=True
        )
        setattr(sys, name, stream)


def _open_anew(number: int) -> None:
    """Replace `number` by a new open file description of the same file, which does not block; where possible.

    To open /proc/self/fd/N makes a new description (proc_pid_fd(5)). Regular files are left as they are: a write to one
    does not block in this sense, and processes that share its description share its offset, without which they would
    overwrite each other. Sockets cannot be opened (ENXIO), nor a pipe without a reader, nor a terminal of another user
    (EACCES, after su): Output has other means for those.
    """
    mode = os.fstat(number).st_mode
    if not (stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)):
        return
    flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_APPEND
    with contextlib.suppress(OSError):
        fd = os.open(f"/proc/self/fd/{number}", flags)
        os.dup2(fd, number)  # inheritable, as before: children write there too
        os.close(fd)


class Output:
    """A descriptor that is written line by line without waiting: a line is taken, refused, or kept for later."""

    def __init__(self, fd: int) -> None:
        """`fd` stays the caller's."""
        self._fd = fd
        self._rest = b""  # of a line of which only the beginning was taken; at most LINE_BYTES
        self._sock: socket.socket | None = None
        if stat.S_ISSOCK(os.fstat(fd).st_mode):  # systemd's journal
            self._sock = socket.socket(fileno=os.dup(fd))
            weakref.finalize(self, self._sock.close)
        self._poll = select.poll()
        self._poll.register(fd, select.POLLOUT)

    def put(self, line: bytes) -> bool:
        """Write a line of at most LINE_BYTES, whole in the end, or nothing of it. False: it was refused."""
        if not self.push():
            return False
        self._rest = line
        if self.push() or self._rest is not line:
            return True  # whole, or begun: the rest of it goes before the next
        self._rest = b""
        return False

    def keep(self, line: bytes) -> None:
        """Write a line now or, as far as LINE_BYTES are not exceeded, with a later push()."""
        if self.push() or len(self._rest) + len(line) <= LINE_BYTES:
            self._rest += line
            self.push()

    def push(self) -> bool:
        """Write what is left of the last line; returns whether nothing is left."""
        while self._rest:
            try:
                taken = self._write(self._rest)
            except OSError:
                return False  # full, stopped, without a reader, no space on the disk: all of it may end
            self._rest = self._rest[taken:]
        return True

    def _write(self, data: bytes) -> int:
        if self._sock is not None:
            return self._sock.send(data, socket.MSG_DONTWAIT)
        # For a descriptor that could not be opened anew: a pipe is ready when it has room for LINE_BYTES (a page).
        if not self._poll.poll(0):
            raise BlockingIOError
        return os.write(self._fd, data)


@functools.cache
def output(fd: int) -> Output:
    """This process's one Output for 1 or 2: the next writer finishes what is left of a line."""
    return Output(fd)


class _Writer(io.RawIOBase):
    """What sys.stdout and sys.stderr write to. What the descriptor does not take is lost, and no error."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def fileno(self) -> int:
        return self._fd

    def writable(self) -> bool:
        return True

    def write(self, data: "ReadableBuffer") -> int:
        whole = bytes(data)
        for start in range(0, len(whole), LINE_BYTES):
            output(self._fd).put(whole[start : start + LINE_BYTES])
        return len(whole)


def settle() -> OSError | None:
    """At the end of a command: write what is buffered for 1 and 2. Returns the error of standard output, if any.

    What cannot be written is dropped: Python would try again at its exit, complain, and exit with status 120.
    """
    _flush(2, sys.stderr)
    return _flush(1, sys.stdout)


def _flush(number: int, stream: TextIO) -> OSError | None:
    try:
        stream.flush()
    except OSError as error:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, number)
        os.close(null)
        stream.flush()  # what is buffered goes to /dev/null
        return error
    return None
