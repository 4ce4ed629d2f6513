"""The snapshot: the whole state at one position of the journal, so that a new broker replays only what follows.

    magic (8 bytes)  position (8)  length of the state (8)  crc32 of all the rest (4)  the state

It is written beside the old one, and renamed over it when the disk has it: a process killed half way, or a power cut,
leaves the old one whole. Without the fdatasync() the disk may have the new name before the content: after a power cut
the only snapshot would be an empty file.
"""

import os
import struct
import zlib
from contextlib import suppress
from pathlib import Path

from mpchat.store.journal import WITHOUT_THE_PAST, Damaged, check_is_file, full_name, sync_data, sync_folder

_MAGIC = b"mpchat-1"
_HEAD = struct.Struct("!8sQQ")
_CRC = struct.Struct("!I")


def prepare(folder: Path, position: int, state: bytes) -> None:
    """Write it beside the current one, and wait until the disk has it. Raises OSError, and then leaves nothing."""
    head = _HEAD.pack(_MAGIC, position, len(state))
    new = folder / "snapshot.new"
    try:
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as file:
            file.writelines((head, _CRC.pack(zlib.crc32(state, zlib.crc32(head))), state))
            file.flush()
            sync_data(file.fileno())
    except OSError:
        with suppress(OSError):  # what is left of it would only take room on a full disk
            new.unlink(missing_ok=True)
        raise


def install(folder: Path) -> None:
    """Put the prepared one in place of the current one, and wait until the disk knows the name. Raises OSError."""
    (folder / "snapshot.new").replace(folder / "snapshot")
    sync_folder(folder)


def position(folder: Path) -> int:
    """The journal position of the snapshot, 0 if there is none. Raises Damaged and OSError."""
    path = folder / "snapshot"
    check_is_file(path)
    try:
        with open(path, "rb") as file:
            return _head(path, file.read(_HEAD.size))[0]
    except FileNotFoundError:
        return 0


def read(folder: Path) -> tuple[int, bytes] | None:
    """(journal position, state), or None if there is no snapshot. Raises Damaged and OSError."""
    return read_file(folder / "snapshot")


def read_file(path: Path) -> tuple[int, bytes] | None:
    """The same of the snapshot in this file."""
    check_is_file(path)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    head, crc, state = data[: _HEAD.size], data[_HEAD.size : _HEAD.size + _CRC.size], data[_HEAD.size + _CRC.size :]
    position, length = _head(path, head)
    if len(state) != length or _CRC.pack(zlib.crc32(state, zlib.crc32(head))) != crc:
        raise _damaged(path, _HEAD.size, f"and {length} bytes of state do not fit together")
    return position, state


def _head(path: Path, head: bytes) -> tuple[int, int]:
    """(position, length of the state)"""
    if len(head) < _HEAD.size:
        raise _damaged(path, len(head), "ends in its head")
    magic, position, length = _HEAD.unpack(head)
    if magic != _MAGIC:
        raise _damaged(path, 0, "begins no snapshot of this version")
    return position, length


def _damaged(path: Path, offset: int, what: str) -> Damaged:
    return Damaged(f"{full_name(path)}: byte {offset} {what}. {WITHOUT_THE_PAST}")
