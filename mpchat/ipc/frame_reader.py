"""Reading frames (frames.py) from a pipe without ever waiting for the rest of one whose writer has stopped."""

import os
from typing import Any

from mpchat.ipc.frames import Progress, unpack
from mpchat.messages import BadFrame

_READ_BYTES = 1 << 16  # a pipe full (pipe(7))


class FrameReader:
    """The reading half of a transport's end: what transport.py says of fileno(), take(), look() and `ended`."""

    def __init__(self, fd: int) -> None:
        """`fd` stays the caller's to close; it does not block from now on, for any process that has it."""
        os.set_blocking(fd, False)
        self._fd = fd
        self._buffer = bytearray(_READ_BYTES)
        self._stream = bytearray()
        self._taken = 0  # frames
        self._progress = Progress()
        self.ended = False

    def fileno(self) -> int:
        return self._fd

    def take(self) -> list[Any]:
        try:
            size = os.readv(self._fd, [self._buffer])  # os.read() would map and unmap a buffer of that size each time
        except BlockingIOError:
            return []
        if not size:
            self.ended = True
            return []
        self._stream += memoryview(self._buffer)[:size]
        try:
            messages = unpack(self._stream)
        except BadFrame:
            self.ended = True
            raise
        self._taken += len(messages)
        return messages

    def look(self, most: int) -> None:
        self._progress.look(self._taken, bool(self._stream), most)
