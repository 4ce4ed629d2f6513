"""Descriptors 0, 1 and 2: the program's surroundings may have closed them, filled them, or may take nothing from them.

Nothing that is written here ever waits: a terminal that is stopped (Ctrl-S) or a pipe that nobody reads must not stop a
server. Whoever started the program shares its open files with it (open(2): one open file description, many
descriptors), so O_NONBLOCK is never set on an inherited one: the user's shell would have it too.
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
from typing import Any, TextIO

# A write of so much to a pipe is whole or not at all (pipe(7)): 4096 on Linux, 512 on macOS. Windows has no such thing,
# and is told so in cli.py.
LINE_BYTES: int = getattr(select, "PIPE_BUF", 512)

closed: set[int] = set()  # those of the three that the program was started without


def fill() -> None:
    """Open /dev/null on each of the three that is closed; before anything else is opened.

    The next open() or socket() would get that number, and what is meant for the log would be sent to a client.
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
        if getattr(sys, name) is None:  # what Python makes of a closed one, and few programs expect
            stream = open(number, "w" if number else "r", encoding="utf-8", closefd=False)  # noqa: SIM115  for good
            setattr(sys, name, stream)


def take_over() -> None:
    """From here on, nothing that this process, or one that it starts, writes to 1 and 2 waits. For each server process.

    sys.stdout and sys.stderr are replaced, because Python itself writes there: warnings, tracebacks of threads.
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
    """Let `number` be an open file of our own, which does not block; where that cannot be, nothing changes.

    /proc/self/fd/N opens what N is, and not N's open file description (proc_pid_fd(5)). Regular files are left alone:
    they never make a writer wait in this sense, and those who share one share its offset, without which they would
    write over each other. Sockets cannot be opened (ENXIO), nor can a pipe without a reader, nor a terminal of another
    user (EACCES, after su): Output knows what to do there.
    """
    mode = os.fstat(number).st_mode
    if not (stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)):
        return
    flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_APPEND
    with contextlib.suppress(OSError):
        fd = os.open(f"/proc/self/fd/{number}", flags)
        os.dup2(fd, number)  # inheritable, as it was: children write there from their first instruction on
        os.close(fd)


class Output:
    """A descriptor that is written line by line without waiting: what it does not take now is given back or kept."""

    def __init__(self, fd: int) -> None:
        """`fd` stays the caller's."""
        self._fd = fd
        self._rest = b""  # of a line of which a terminal or socket took the beginning only; at most LINE_BYTES
        self._sock: socket.socket | None = None
        if stat.S_ISSOCK(os.fstat(fd).st_mode):  # systemd's journal
            self._sock = socket.socket(fileno=os.dup(fd))
            weakref.finalize(self, self._sock.close)
        self._poll = select.poll()
        self._poll.register(fd, select.POLLOUT)

    def put(self, line: bytes) -> bool:
        """Write it, of LINE_BYTES at most, or nothing of it. False: it was not taken, and is not kept."""
        if not self.push():
            return False
        self._rest = line
        if self.push() or self._rest is not line:
            return True  # whole, or begun: the rest of it goes before the next
        self._rest = b""
        return False

    def keep(self, line: bytes) -> None:
        """The same for a line that is worth waiting for: it goes with a later push(), if not now."""
        if self.push() or len(self._rest) + len(line) <= LINE_BYTES:
            self._rest += line
            self.push()

    def push(self) -> bool:
        """Write what is left of the last line. True: there is nothing left."""
        while self._rest:
            try:
                taken = self._write(self._rest)
            except OSError:
                return False  # full, or stopped; the reader has gone, the disk is full: that may pass too
            self._rest = self._rest[taken:]
        return True

    def _write(self, data: bytes) -> int:
        if self._sock is not None:
            return self._sock.send(data, socket.MSG_DONTWAIT)
        # Of a descriptor that could not be opened anew: ready means that a pipe has room for LINE_BYTES (a page).
        if not self._poll.poll(0):
            raise BlockingIOError
        return os.write(self._fd, data)


@functools.cache
def output(fd: int) -> Output:
    """This process's one Output for 1 or 2: what is left of a line is finished by whoever writes next."""
    return Output(fd)


class _Writer(io.RawIOBase):
    """What Python's own streams write to. What is not taken is lost, and no error: there is nobody to tell."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def fileno(self) -> int:
        return self._fd

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        whole = bytes(data)
        for start in range(0, len(whole), LINE_BYTES):
            output(self._fd).put(whole[start : start + LINE_BYTES])
        return len(whole)


def settle() -> OSError | None:
    """At the end of a command: write what is buffered for 1 and 2. Returns what kept standard output from it.

    What cannot be written is given up: Python would try again as it ends, complain, and make the exit status 120.
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
        stream.flush()  # what is still buffered goes there
        return error
    return None
