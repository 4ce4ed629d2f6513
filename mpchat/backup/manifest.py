"""What a backup is: a directory with a data directory's files under the same names, and `backup.json`, its manifest.

The manifest has the form's number, the mpchat that made it, when, and the SHA-256 of each file: SQLite has no checksum
of its own, and a file that was lost on the way to another disk would be missed by nobody. It is written last.
"""

import errno
import hashlib
import json
import os
import time
from pathlib import Path
from typing import Any, BinaryIO

from mpchat import __version__
from mpchat.backup.writing import open_in
from mpchat.store.journal import sync_file
from mpchat.texts import t

FILE = "backup.json"
_FORM = 2  # the newest: to be raised where an older mpchat could not restore what is made now
_DAMAGED = "*.db.damaged-*"  # what is in no form before 2
_AT_ONCE = 1 << 20
# What a server keeps, and could not make anew. (The journal's reserve it can; and of a database's log, the -wal, what
# counts is in the copy of the database.)
_PATTERNS = (
    "snapshot",
    "*.db",
    _DAMAGED,
    "journal/[0-9]*.journal",
    "kept*/[0-9]*.journal",
    "kept*/[0-9]*.snapshot",
    "kept*/born",
)


class Unfit(Exception):
    """It is no backup with which a server could start: the text says why, in one line."""


def files(folder: Path) -> list[str]:
    """The files that count in a data directory or a backup, relative to it, in order."""
    found = (path for pattern in _PATTERNS for path in folder.glob(pattern) if path.is_file())
    return sorted(str(path.relative_to(folder)) for path in found)


def write(folder: Path) -> list[str]:
    """Say what is in a folder, and wait until the disk has that; returns the files. Raises OSError."""
    names = files(folder)
    what = {
        "form": _FORM if any(folder.glob(_DAMAGED)) else 1,
        "mpchat": __version__,
        "made": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "files": {name: _sha256(folder, name) for name in names},
    }
    path = folder / FILE
    path.touch(mode=0o600)
    path.write_text(json.dumps(what, indent=1) + "\n")
    sync_file(path)
    return names


def check(folder: Path) -> dict[str, str]:
    """The files of a backup, each with its SHA-256: all are there, as they were, and no others.

    Raises Unfit and OSError.
    """
    sums = _read(folder)
    there = files(folder)
    for name in sorted(sums.keys() ^ set(there)):
        raise Unfit(t("backup.missing" if name in sums else "backup.unknown", path=folder / name))
    for name in there:
        if _sha256(folder, name) != sums[name]:
            raise Unfit(t("backup.changed", path=folder / name))
    return {name: sums[name] for name in there}


def _read(folder: Path) -> dict[str, str]:
    """Each file's SHA-256, as the manifest has it. Raises Unfit and OSError."""
    path = folder / FILE
    try:
        with _opened(folder, FILE) as file:
            what: Any = json.loads(file.read())
    except (FileNotFoundError, NotADirectoryError):
        raise Unfit(t("backup.none", folder=folder, file=FILE)) from None
    except (ValueError, RecursionError):  # also what is no UTF-8
        raise Unfit(t("backup.changed_manifest", path=path)) from None
    match what:
        case {"form": int() as form, "mpchat": str() as version} if form > _FORM:
            raise Unfit(t("backup.newer", folder=folder, version=version))
        case {"form": int(), "files": dict() as sums}:
            return sums
    raise Unfit(t("backup.changed_manifest", path=path))


def _sha256(folder: Path, name: str) -> str:
    digest = hashlib.sha256()
    with _opened(folder, name) as file:
        while piece := file.read(_AT_ONCE):
            digest.update(piece)
    return digest.hexdigest()


def _opened(folder: Path, name: str) -> BinaryIO:
    """Raises Unfit where that is no file, and OSError."""
    try:
        return os.fdopen(open_in(folder, name), "rb")
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EINVAL):
            raise Unfit(t("backup.no_file", path=folder / name)) from error
        raise
