"""A file of a copy: made whole, for its owner alone, and on the disk before anything depends on it."""

import os
from pathlib import Path

from mpchat.store.journal import sync_data

_AT_ONCE = 1 << 20


def copy(source: int, to: Path, most: int | None = None) -> int:
    """Make the file `to` (0600) of what the open file `source` has behind its offset, `most` bytes at most; returns
    how many. Raises OSError, FileExistsError among them.
    """
    copied = 0
    with open(os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
        while piece := os.read(source, _AT_ONCE if most is None else min(_AT_ONCE, most - copied)):
            file.write(piece)
            copied += len(piece)
        file.flush()
        sync_data(file.fileno())
    return copied
