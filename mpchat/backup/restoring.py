"""mpchat restore: a backup becomes a data directory again.

A backup is checked before anything is written. Then everything is written into the folder `restoring` in the data
directory, and moved up when the disk has it. As long as that folder is there no server starts with the directory
(store/data_directory.py), whatever has killed us; a restore that fails removes it.
"""

import errno
import os
import shutil
from pathlib import Path

from mpchat.backup import manifest
from mpchat.backup.checking import check
from mpchat.backup.copying import Copied
from mpchat.backup.writing import copy
from mpchat.store.data_directory import RESTORING, claim
from mpchat.store.journal import make_folder, sync_folder
from mpchat.texts import t


def restore(backup: Path, data: Path) -> Copied:
    """Bring a backup back into `data`, which is empty, or made (0700).

    Raises Unfit and Damaged where that is no backup, or not as it was made; OSError where a server uses `data`, where
    anything is in it, and where it cannot be written.
    """
    names = manifest.check(backup)
    check(backup)
    locked = claim(data, wait_seconds=0)
    try:
        if os.listdir(data):
            raise OSError(errno.ENOTEMPTY, t("backup.not_empty"), str(data))
        new = data / RESTORING
        new.mkdir(mode=0o700)
        try:
            size = _write(backup, names, new)
        except BaseException as error:
            shutil.rmtree(new, ignore_errors=True)
            if isinstance(error, OSError) and str(error.filename or new).startswith(str(new)):
                raise OSError(error.errno, error.strerror, str(data)) from error
            raise
        for path in sorted(new.iterdir()):
            path.rename(data / path.name)
        sync_folder(data)  # a power cut must not bring the names back without what they hold
        new.rmdir()
        sync_folder(data)
    finally:
        locked.release()
    return Copied(len(names), size)


def _write(backup: Path, names: list[str], new: Path) -> int:
    """Returns how many bytes. What root restores belongs to the data directory's owner, who is to read it."""
    owner = os.stat(new.parent)
    size = 0
    folders = {new: None}  # in order
    for name in names:
        path = new / name
        make_folder(path.parent)
        folders[path.parent] = None
        with open(backup / name, "rb") as file:
            size += copy(file.fileno(), path)
    if os.geteuid() == 0:
        for path in (*folders, *(new / name for name in names)):
            os.chown(path, owner.st_uid, owner.st_gid)
    for folder in folders:
        sync_folder(folder)
    return size
