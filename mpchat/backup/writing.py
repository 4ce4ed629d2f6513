"""The files of a copy: made whole, for their owner alone, and on the disk before anything depends on them.

Root copies from and into folders of other users, who may put a link, or another folder, in place of a name at any
moment. So a file is opened by its one name in an open folder, and what is done to it is done to its descriptor.
"""

import errno
import hashlib
import os
import stat
from contextlib import ExitStack
from pathlib import Path

from mpchat.store.journal import sync_data

_AT_ONCE = 1 << 20


def new_file(path: str | Path, folder: int | None = None) -> int:
    """A descriptor of a new, empty file (0600), for copy(); in the open folder if there is one. Raises OSError."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=folder)


def open_file(name: str, folder: int) -> int:
    """A descriptor to read a file in an open folder with, which the caller closes. Raises OSError, also where it is a
    link or no file.

    O_NONBLOCK: to open a FIFO would else wait until its other end is opened (fifo(7)).
    """
    fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC, dir_fd=folder)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), name)
    return fd


def open_folder(name: str, folder: int) -> int:
    """A descriptor of a folder in an open folder, which the caller closes. Raises OSError, also where it is a link."""
    return os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)


def open_in(top: Path, name: str) -> int:
    """open_file() of what has this name below `top`, where no folder is a link either."""
    with ExitStack() as opened:
        folder, _, file = name.rpartition("/")
        try:
            where = os.open(top, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            opened.callback(os.close, where)
            if folder:
                where = open_folder(folder, where)
                opened.callback(os.close, where)
            return open_file(file, where)
        except OSError as error:
            raise OSError(error.errno, error.strerror, os.path.abspath(top / name)) from error


def copy(source: int, to: int, most: int | None = None) -> tuple[int, str]:
    """Write what the open file `source` has behind its offset, `most` bytes at most, into new_file() `to`, wait until
    the disk has it, and close `to`; returns how many bytes, and their SHA-256. Raises OSError.
    """
    copied, digest = 0, hashlib.sha256()
    with open(to, "wb") as file:
        while piece := os.read(source, _AT_ONCE if most is None else min(_AT_ONCE, most - copied)):
            file.write(piece)
            digest.update(piece)
            copied += len(piece)
        file.flush()
        sync_data(file.fileno())
    return copied, digest.hexdigest()
