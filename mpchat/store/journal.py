"""The journal: every batch of records the core was given, in order, in an append-only file.

    a batch:  length (4 bytes)  crc32 (4 bytes)  the records as a pickle of plain values

One write() a batch, before anything that depends on it leaves the broker. No fsync: the page cache outlives a killed
process, though not a power cut. read() stops at a torn end, which nobody was ever told of.
"""

import os
import pickle
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mpchat.ipc.frame import load

Record = tuple[Any, ...]

_HEAD = struct.Struct("!II")


class Journal:
    """Open for appending; the file is the user's own (0600)."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def append(self, batch: list[Record]) -> None:
        data = pickle.dumps(batch, pickle.HIGHEST_PROTOCOL)
        block = memoryview(_HEAD.pack(len(data), zlib.crc32(data)) + data)
        while block:  # write(2) may take less than all, on a full disk or a signal
            block = block[os.write(self._fd, block) :]


def read(path: Path) -> Iterator[list[Record]]:
    """The batches of a journal, oldest first."""
    with path.open("rb") as file:
        while len(head := file.read(_HEAD.size)) == _HEAD.size:
            length, crc = _HEAD.unpack(head)
            data = file.read(length)
            if len(data) < length or zlib.crc32(data) != crc:
                return
            yield load(data)
