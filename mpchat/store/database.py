"""A database of SQLite's in the data directory, as history and accounts have theirs. One process has it open to write.

Its files may be removed, or others put in their place, and SQLite would go on with what has no name any more: who
relies on what is stored asks `is_in_place`.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from mpchat.store.journal import Damaged, full_name

BUSY_SECONDS = 1.0  # well under the hang limit: no other process writes here, but a backup may hold a lock


class Database:
    """One that is open, made if there is none (0600), with a write-ahead log (sqlite.org/wal.html).

    `damage`: what is raised, with a line that names the file, where SQLite finds that it is no database. A subclass
    says what is in it (`_begin`). If the constructor raises, nothing is left open.
    """

    def __init__(self, path: Path, synchronous: Literal["NORMAL", "FULL"], damage: type[Damaged]) -> None:
        self._path, self._damage = path, damage
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))  # SQLite's own would be 0644
        self._db = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
        try:
            with self._damage_raised():
                self._db.execute("PRAGMA journal_mode = WAL")
                self._db.execute(f"PRAGMA synchronous = {synchronous}")
                self._begin()
        except (sqlite3.Error, Damaged):
            self._db.close()
            raise
        files = [path, *(Path(f"{path}{suffix}") for suffix in ("-wal", "-shm"))]
        known = {each: _identity(each) for each in files}
        self._files = {each: known[each] for each in files if each == path or known[each] is not None}

    def _begin(self) -> None:
        """Make the tables of a new database, or read those of an old one. Raises sqlite3.Error and Damaged."""
        raise NotImplementedError

    def _upgrade(self, schema: str, upgrades: dict[int, str], version: int) -> None:
        """Have it be of this version: `schema` makes it of a new database, `upgrades` the next one of each older one.

        Raises `damage` if it is of a version that this program does not know.
        """
        ((found,),) = self._db.execute("PRAGMA user_version")
        if found == 0:
            self._db.executescript(schema)
        while found in upgrades:
            self._db.executescript(upgrades[found])
            ((found,),) = self._db.execute("PRAGMA user_version")
        if found not in (0, version):
            raise self._damage(f"{full_name(self._path)}: it is of version {found}, and this server knows {version}")

    @property
    def is_in_place(self) -> bool:
        """Whether the database, its log and its index of the log still have their names. Costs some 5 us."""
        return all(known is not None and _identity(path) == known for path, known in self._files.items())

    def close(self) -> None:
        """A log that is beside another database, or none, goes: SQLite would apply it to that one.

        If only the log is gone, what is in it is not lost: SQLite copies it into the database here.
        """
        is_moved = _identity(self._path) != self._files[self._path]
        self._db.close()  # SQLite itself leaves all names alone if the database has lost its own
        for path, known in self._files.items():
            if is_moved and path != self._path and _identity(path) == known:
                path.unlink(missing_ok=True)

    @contextmanager
    def _damage_raised(self) -> Iterator[None]:
        """SQLite's error for a damaged file, and only that, becomes `damage`."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            if type(error) is not sqlite3.DatabaseError:  # its subclasses are a full disk, a lock, a wrong statement
                raise
            advice = "Bring it back from a backup, or move it away to begin with an empty one"
            raise self._damage(f"{full_name(self._path)}: {error}. {advice}") from error

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._damage_raised(), self._db:
            self._db.execute("BEGIN IMMEDIATE")
            yield


def _identity(path: Path) -> tuple[int, int] | None:
    """Device and inode of the file that has this name; None: there is none, or it cannot be known."""
    try:
        about = os.stat(path)
    except OSError:
        return None
    return about.st_dev, about.st_ino
