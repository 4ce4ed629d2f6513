"""The snapshot: the core's whole state at one position of the journal, so that a restart replays only what follows.

    magic (8 bytes)  position (8)  length of the state (8)  crc32 of all the rest (4)  the state

It is written beside the old one and renamed over it: who is killed half way leaves the old one whole.
"""

import os
import struct
import zlib
from pathlib import Path

from mpchat.store.journal import Damaged, sync_data, sync_folder

_MAGIC = b"mpchat-1"
_HEAD = struct.Struct("!8sQQ")
_CRC = struct.Struct("!I")


def write(folder: Path, position: int, state: bytes, synced: bool = False) -> None:
    """Put it in place of the old one; `synced`: on the disk before it returns. Raises OSError, and changes nothing."""
    head = _HEAD.pack(_MAGIC, position, len(state))
    new = folder / "snapshot.new"
    try:
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as file:
            file.writelines((head, _CRC.pack(zlib.crc32(state, zlib.crc32(head))), state))
            file.flush()
            if synced:
                sync_data(file.fileno())
    except OSError:
        new.unlink(missing_ok=True)  # on a full disk it would only be in the way
        raise
    new.replace(folder / "snapshot")
    if synced:
        sync_folder(folder)


def read(folder: Path) -> tuple[int, bytes] | None:
    """(journal position, state), or None if there is no snapshot. Raises Damaged."""
    path = folder / "snapshot"
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    head, crc, state = data[: _HEAD.size], data[_HEAD.size : _HEAD.size + _CRC.size], data[_HEAD.size + _CRC.size :]
    if len(crc) < _CRC.size:
        raise _damaged(path, len(data), "ends in its head")
    magic, position, length = _HEAD.unpack(head)
    if magic != _MAGIC:
        raise _damaged(path, 0, "begins no snapshot of this version")
    if len(state) != length or _CRC.pack(zlib.crc32(state, zlib.crc32(head))) != crc:
        raise _damaged(path, _HEAD.size, f"and {length} bytes of state do not fit together")
    return position, state


def _damaged(path: Path, offset: int, what: str) -> Damaged:
    return Damaged(
        f"{path}: byte {offset} {what}. Bring it back from a backup, or move it away: what the journal still holds is"
        " then replayed from its beginning"
    )
