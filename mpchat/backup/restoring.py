"""mpchat restore: a backup becomes a data directory again.

A backup is checked before anything is written. Then everything is written into the folder `restoring` in the data
directory, and moved up when the disk has it. As long as that folder is there no server starts with the directory
(store/data_directory.py), whatever has killed us; a restore that fails removes it.

Who restores is often root, and both folders are often another user's, who could change them meanwhile. So no path is
looked up twice: what is read is compared with the manifest once more while it is copied, and everything is made in open
folders that are ours until they are whole (writing.py).
"""

import errno
import os
from contextlib import suppress
from pathlib import Path

from mpchat.backup import manifest
from mpchat.backup.checking import check
from mpchat.backup.copying import Copied
from mpchat.backup.manifest import Unfit
from mpchat.backup.writing import copy, new_file, open_file, open_folder, open_in
from mpchat.store.data_directory import RESTORING, claim
from mpchat.texts import t

_OF_THE_DISK = "lost+found"  # which mke2fs(8) makes in each file system


def restore(backup: Path, data: Path) -> Copied:
    """Bring a backup back into `data`, which is empty, or made (0700).

    Raises Unfit and Damaged where that is no backup, or not as it was made; OSError where a server uses `data`, where
    anything is in it, and where it cannot be written.
    """
    sums = manifest.check(backup)
    check(backup)
    locked = claim(data, wait_seconds=0)
    try:
        if set(os.listdir(locked.fileno())) - {_OF_THE_DISK}:
            raise OSError(errno.ENOTEMPTY, t("backup.not_empty"), str(data))
        with _Restoring(locked.fileno(), data) as new:
            size = sum(new.take(backup, name, sha256) for name, sha256 in sums.items())
            new.move_up()
    finally:
        locked.release()
    return Copied(len(sums), size)


class _Restoring:
    """The folder `restoring` in the open folder `data`. Where the `with` is left by an error it is removed."""

    def __init__(self, data: int, path: Path) -> None:
        self._data, self._path = data, path
        self._folders: dict[str, int] = {}  # by name, "" itself; closed by __exit__()
        self._files: list[str] = []
        self._is_moved = False

    def __enter__(self) -> "_Restoring":
        try:
            self._folders[""] = self._make(RESTORING, self._data)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self._path)) from error
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if not self._is_moved:
            self._remove()
        for fd in self._folders.values():
            os.close(fd)
        if isinstance(error, OSError) and not str(error.filename or "").startswith("/"):
            raise OSError(error.errno, error.strerror, str(self._path)) from error

    def _make(self, name: str, where: int) -> int:
        os.mkdir(name, 0o700, dir_fd=where)
        fd = open_folder(name, where)
        if os.fstat(fd).st_uid != os.geteuid() or os.listdir(fd):  # another one has its name already
            os.close(fd)
            raise OSError(errno.EEXIST, os.strerror(errno.EEXIST))
        return fd

    def take(self, backup: Path, name: str, sha256: str) -> int:
        """Copy a file of the backup, in which it is as its manifest says; returns how many bytes."""
        folder, _, file = name.rpartition("/")
        if folder not in self._folders:
            self._folders[folder] = self._make(folder, self._folders[""])
        source = open_in(backup, name)
        try:
            to = new_file(file, self._folders[folder])
            self._files.append(name)
            size, found = copy(source, to)
        finally:
            os.close(source)
        if found != sha256:
            raise Unfit(t("backup.changed", path=backup / name))
        return size

    def move_up(self) -> None:
        """All of it is there: the directory's owner, who is to read it, gets it."""
        about = os.fstat(self._data)
        if os.geteuid() == 0:
            for name in self._files:
                folder, _, file = name.rpartition("/")
                fd = open_file(file, self._folders[folder])
                os.fchown(fd, about.st_uid, about.st_gid)
                os.close(fd)
            for fd in reversed(self._folders.values()):  # from then on they can be changed by others
                os.fchown(fd, about.st_uid, about.st_gid)
        for fd in self._folders.values():
            os.fsync(fd)
        new, self._is_moved = self._folders[""], True  # whatever stops us from here on, `restoring` is to be seen
        for name in sorted(os.listdir(new)):
            os.rename(name, name, src_dir_fd=new, dst_dir_fd=self._data)
        os.fsync(self._data)  # a power cut must not bring the names back without what they hold
        os.rmdir(RESTORING, dir_fd=self._data)
        os.fsync(self._data)

    def _remove(self) -> None:
        for name in self._files:
            folder, _, file = name.rpartition("/")
            with suppress(OSError):
                os.unlink(file, dir_fd=self._folders[folder])
        for folder in [each for each in self._folders if each]:
            with suppress(OSError):
                os.rmdir(folder, dir_fd=self._folders[""])
        with suppress(OSError):
            os.rmdir(RESTORING, dir_fd=self._data)
