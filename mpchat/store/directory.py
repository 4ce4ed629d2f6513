"""The data directory belongs to one server at a time."""

import fcntl
import os
from pathlib import Path


def claim(folder: Path) -> int:
    """Make it if need be (0700) and lock it; returns the lock's file descriptor.

    flock(2) is the kernel's: it goes with the last process that has the descriptor, so a killed server leaves none.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(13, "Permission denied", str(folder))
    except BlockingIOError:
        os.close(fd)
        raise OSError(0, "another server uses this data directory", str(folder)) from None
    except OSError:
        os.close(fd)
        raise
    return fd
