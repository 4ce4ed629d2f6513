"""The transport `pipe`: two pipes, and no thread, no lock and no semaphore. What transport.py says is done here.

    worker  -- os.pipe() -->  broker
    worker  <-- os.pipe() --  broker

put() pickles at once and writes what the pipe takes; the rest waits for flush(). A process that is killed in the middle
of a write leaves the beginning of a frame behind, and then the end of the file: nothing that could be taken for more.
"""

import fcntl
import os
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import reduction
from typing import Any

from mpchat.ipc.frame_reader import FrameReader
from mpchat.ipc.frames import pack

# A batch of the broker's is about as large, so that most are written by one call. The pipes of 128 workers are 64 MiB
# then, all that a user without privileges may have (pipe-user-pages-soft, pipe(7)).
_PIPE_BYTES = 1 << 18


@dataclass
class Pair:
    """The four descriptors of both pipes."""

    up_reader: int
    up_writer: int
    down_reader: int
    down_writer: int

    @classmethod
    def make(cls) -> "Pair":
        up = _pipe()
        try:
            down = _pipe()
        except OSError:
            for fd in up:
                os.close(fd)
            raise
        return cls(*up, *down)

    def __reduce__(self) -> tuple[object, ...]:
        """Numbers mean nothing in another process: multiprocessing sends the descriptors."""
        return _rebuild, tuple(map(reduction.DupFd, self._fds()))

    def at_worker(self) -> "End":
        os.close(self.up_reader)
        os.close(self.down_writer)
        return End(self.down_reader, self.up_writer)

    def at_broker(self) -> "End":
        os.close(self.down_reader)
        os.close(self.up_writer)
        return End(self.up_reader, self.down_writer)

    def let_go(self) -> None:
        for fd in self._fds():
            os.close(fd)

    def _fds(self) -> tuple[int, int, int, int]:
        return self.up_reader, self.up_writer, self.down_reader, self.down_writer


def _pipe() -> tuple[int, int]:
    reader, writer = os.pipe()
    if hasattr(fcntl, "F_SETPIPE_SZ"):  # Linux only
        with suppress(OSError):  # this user has had enough: the pipe stays as large as it is
            fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    return reader, writer


def _rebuild(*fds: Any) -> Pair:
    return Pair(*(fd.detach() for fd in fds))


class End(FrameReader):
    """One side's end of both pipes; it closes them."""

    def __init__(self, reader: int, writer: int) -> None:
        super().__init__(reader)
        os.set_blocking(writer, False)
        self._writer = writer
        self._unsent = bytearray()

    @property
    def unsent(self) -> bool:
        return bool(self._unsent)

    def write_fileno(self) -> int:
        return self._writer

    def put(self, message: Any) -> None:
        frame = pack(message)
        sent = 0 if self._unsent else self._write(frame)
        self._unsent += memoryview(frame)[sent:]

    def flush(self) -> None:
        sent = self._write(self._unsent)
        del self._unsent[:sent]

    def _write(self, data: bytes | bytearray) -> int:
        """How many bytes need not be written any more."""
        try:
            return os.write(self._writer, data)
        except BlockingIOError:
            return 0
        except BrokenPipeError:
            return len(data)  # the other side has died: the end of its own pipe tells

    def close(self) -> None:
        os.close(self._fd)
        os.close(self._writer)
