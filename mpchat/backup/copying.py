"""mpchat backup: the copy of a data directory, as it is at one moment. A server that uses it goes on meanwhile.

First that moment is fixed, in some milliseconds, in this order:

    a read transaction in each database, which shows what it holds now for as long as it is open
    the snapshot, read whole (it is replaced by rename(2), never written again)
    a descriptor of each segment of the journal, and where the last whole block ends

Then all of it is copied, however long that takes: nothing that is removed meanwhile is lost to who has it open. So the
journal in the copy goes at least as far as snapshot and history do. It also begins before both end: for the snapshot
that is looked at, and looked again if the broker has just put another one in its place and trimmed. For the history it
follows: the broker trims only what the recorder has had SQLite copy out of its log (History.sync), and that copies
nothing behind an open read transaction (sqlite.org/wal.html).

What was acknowledged was in the journal before, so all that was acknowledged before the call is in the copy. It gets
its name when it is whole, checked and on the disk.
"""

import errno
import os
import re
import shutil
import sqlite3
import tempfile
from contextlib import closing, suppress
from pathlib import Path
from typing import NamedTuple

from mpchat.backup import manifest
from mpchat.backup.checking import check, named_errors, uri
from mpchat.backup.manifest import Unfit
from mpchat.backup.writing import copy, new_file
from mpchat.store import snapshot
from mpchat.store.data_directory import check_restored
from mpchat.store.database import BUSY_SECONDS
from mpchat.store.journal import (
    Damaged,
    Journal,
    check_is_file,
    make_folder,
    segment,
    segments,
    sync_file,
    sync_folder,
    whole_end,
)
from mpchat.texts import t

_ATTEMPTS = 10  # to fix a moment: a server trims some times a second at most
_PREFIX_LETTERS = 40  # of a backup's name in that of what is not whole yet: a name may have 255 bytes
_PAGES = 4096  # of a database, copied by one call: some 16 MB, and then Ctrl-C is heard


class Copied(NamedTuple):
    """What was copied."""

    files: int
    size: int  # bytes
    cut: int = 0  # bytes of a torn journal that were left out


def back_up(data: Path, target: Path) -> Copied:
    """Copy a data directory, also one that a server uses, into the new directory `target` (0700, files 0600).

    Raises Unfit and Damaged where a server could not start with it either, and OSError, FileExistsError among them.
    Then there is no `target`, and nothing of it is left.
    """
    if os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
    _check_place(data, target)
    with closing(Moment(data)) as moment:
        new = _make_beside(target)
        try:
            cut = moment.copy(new)
            check(new)
            names = manifest.write(new)
            copied = Copied(len(names), sum((new / name).stat().st_size for name in names), cut)
            for folder in {(new / name).parent for name in (*names, manifest.FILE)}:
                sync_folder(folder)
            new.rename(target)  # over an empty directory at most, if one has been made meanwhile
        except BaseException as error:
            shutil.rmtree(new, ignore_errors=True)
            match error:  # the new folder's name says nothing to anybody
                case OSError() if str(error.filename or new).startswith(str(new)):
                    raise OSError(error.errno, error.strerror, str(target)) from error
                case Unfit() | Damaged():  # what is wrong with the copy is so with what was copied
                    raise Unfit(str(error).replace(str(new), os.path.abspath(data))) from error
            raise
    sync_folder(target.parent)
    return copied


def _check_place(data: Path, target: Path) -> None:
    """Raises Unfit: in the data directory a copy would be a part of what the next one copies, or in a server's way."""
    real, folder = os.path.realpath(data), os.path.realpath(target.parent)
    if os.path.commonpath((real, folder)) == real:
        raise Unfit(t("backup.inside", target=target, data=data))


def _make_beside(target: Path) -> Path:
    """A folder of a name that no backup has (0700), by its absolute path. Raises OSError."""
    try:
        prefix = f".{target.name[:_PREFIX_LETTERS]}-"
        return Path(tempfile.mkdtemp(prefix=prefix, dir=os.path.abspath(target.parent)))
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(target)) from error


class Moment:
    """A data directory as it is now. Raises Unfit, Damaged and OSError; close() it."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._databases: dict[str, sqlite3.Connection] = {}  # by name, each in a read transaction; closed by close()
        self._segments: dict[int, tuple[int, int]] = {}  # by first position: descriptor, closed by close(), and size
        for attempt in range(_ATTEMPTS):
            try:
                self._fix()
            except (FileNotFoundError, Unfit, Damaged):  # or a server has changed something between two looks
                self.close()
                if attempt == _ATTEMPTS - 1:
                    raise
            except BaseException:
                self.close()
                raise
            else:
                return

    def _fix(self) -> None:
        check_restored(self._data)
        for path in sorted(self._data.glob("*.db")):
            self._pin(path)
        self._snapshot = snapshot.read(self._data)
        folder = self._data / "journal"
        fd = None
        for first in segments(folder):
            path = segment(folder, first)
            check_is_file(path)
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            self._segments[first] = fd, os.fstat(fd).st_size
        if fd is None:
            raise Unfit(t("explain.no_journal", folder=self._data))
        # Only the last one is still written to, and a block of it may be there in part.
        self._segments[first] = fd, whole_end(fd, path)
        self._position = 0 if self._snapshot is None else self._snapshot[0]
        if not min(self._segments) <= self._position <= first + self._segments[first][1]:
            raise Unfit(t("backup.no_fit", folder=folder, position=self._position))
        # A segment is moved from the journal to what is kept: which was there is not needed here.
        # A database that was set aside as damaged is copied as it is.
        is_kept = re.compile(r"kept|[^/]*\.db\.damaged-").match
        kept = [Path(name) for name in manifest.files(self._data) if is_kept(name)]
        self._kept = [path for path in kept if path.suffix != ".journal" or int(path.stem) not in self._segments]

    def _pin(self, path: Path) -> None:
        """`mode=rw`: SQLite reads a log beside a database only where it may write its index, but makes no database."""
        if not os.access(self._data, os.W_OK):  # SQLite would say that it cannot open the file
            raise OSError(0, t("backup.not_writable"), str(self._data))
        with named_errors(path):
            db = sqlite3.connect(uri(path, "mode=rw"), uri=True, timeout=BUSY_SECONDS, isolation_level=None)
            self._databases[path.name] = db
            db.execute("BEGIN")
            db.execute("SELECT count(*) FROM sqlite_master").fetchone()  # the transaction begins with the first look

    def copy(self, to: Path) -> int:
        """All of it, into a new folder; each file is on the disk then. Once only. Raises Damaged and OSError.

        What a power cut has torn, before the server was started again, is dealt with in the copy as a start would;
        returns how many bytes that has cut off.
        """
        while self._databases:
            name, db = self._databases.popitem()
            with closing(db):
                _copy_database(db, to / name)
        make_folder(to / "journal")
        for first, (fd, size) in self._segments.items():
            os.lseek(fd, 0, os.SEEK_SET)
            copy(fd, new_file(segment(to / "journal", first)), size)
        if self._snapshot is not None:
            snapshot.prepare(to, *self._snapshot)
            snapshot.install(to)
        for path in self._kept:
            make_folder((to / path).parent)
            with suppress(FileNotFoundError), open(self._data / path, "rb") as file:  # its user may remove it
                copy(file.fileno(), new_file(to / path))
        with closing(Journal(to / "journal", whole_to=self._position)) as journal:
            journal.release_reserve()
            return journal.cut

    def close(self) -> None:
        while self._databases:
            self._databases.popitem()[1].close()
        while self._segments:
            os.close(self._segments.popitem()[1][0])


def _copy_database(db: sqlite3.Connection, to: Path) -> None:
    """By SQLite's backup API: what the open transaction sees. The disk has it then."""
    to.touch(mode=0o600)
    with named_errors(to), closing(sqlite3.connect(to)) as new:
        new.execute("PRAGMA synchronous = OFF")  # who waits for the disk once, at the end, is faster
        db.backup(new, pages=_PAGES)
    sync_file(to)
