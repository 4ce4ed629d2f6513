"""The history: what was said, in SQLite, where it can be read by room.

Only the recorder has it open. The journal's position is stored in the transaction that stores the rows up to it, so a
killed recorder goes on exactly where its last transaction ended, and a replay adds no row twice.
A commit is in the page cache (PRAGMA synchronous = NORMAL): a power cut may take the last ones. sync() says up to which
the disk has them; of the journal only what lies before that may be thrown away.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

from mpchat.store.journal import Damaged, full_name

# number (they grow), wall clock (ms), room, sender (nick!user@host), kind ("PRIVMSG", "NOTICE"), text
Row = tuple[int, int, str, str, str, str]

FILE = "history.db"  # its name in the data directory

GAP = "GAP"  # the kind of a row that says: here something is missing; its number is that of the row before it
EXPIRE_ROWS = 1000  # removed at once: some 30 ms, and then the recorder looks up again
BUSY_SECONDS = 1.0  # well under the hang limit: nobody else writes here, but a backup may hold a lock

_INSERT_ROWS = 50  # by one statement: a third cheaper than one by one, and more do not make it cheaper
_VERSION = 1
_SCHEMA = f"""
BEGIN;
CREATE TABLE messages (
    number INTEGER PRIMARY KEY, wall_ms INTEGER NOT NULL,
    room TEXT NOT NULL, sender TEXT NOT NULL, kind TEXT NOT NULL, text TEXT NOT NULL
);
CREATE INDEX rooms ON messages (room, number);
CREATE TABLE gaps (after INTEGER PRIMARY KEY, wall_ms INTEGER NOT NULL);
CREATE TABLE journal (position INTEGER NOT NULL);
INSERT INTO journal VALUES (0);
CREATE TABLE expired (number INTEGER NOT NULL, wall_ms INTEGER NOT NULL);
INSERT INTO expired VALUES (0, 0);
PRAGMA user_version = {_VERSION};
COMMIT;
"""
_COLUMNS = "number, wall_ms, room, sender, kind, text"


class HistoryDamaged(Damaged):
    """The database is: close(), move_aside(), and begin a new one."""


class History:
    """One open database, made if there is none (0600). `position`: how far the journal is in it, in bytes.

    If it is too damaged to be opened it is renamed, `moved` says to what, and a new one is begun: the journal still
    holds the newest part, from position 0 on. Damage found later raises HistoryDamaged.
    Other errors are sqlite3.Error (a full disk) and OSError (no permission, a folder of that name): nothing of that
    call was stored, and it can be repeated; if it was this one, nothing is left open.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.moved: Path | None = None
        self.position = self._last_number = 0
        try:
            self._open()
        except HistoryDamaged:
            self.moved = move_aside(path)
            self._open()

    def add(self, rows: list[Row], position: int) -> None:
        """Store rows and the journal's position after them, both or neither; those up to the last are here already."""
        last = self._last_number
        new = [row for row in rows if row[0] > last]
        with self._transaction():
            self._insert(new)
            self._db.execute("UPDATE journal SET position = ?", (position,))
        self.position = position
        self._last_number = max([last, *(row[0] for row in new)])

    def _insert(self, rows: list[Row]) -> None:
        for start in range(0, len(rows), _INSERT_ROWS):
            some = rows[start : start + _INSERT_ROWS]
            places = ", ".join(["(?, ?, ?, ?, ?, ?)"] * len(some))
            self._db.execute(
                f"INSERT OR IGNORE INTO messages VALUES {places}", [value for row in some for value in row]
            )

    def note_gap(self, wall_ms: int) -> None:
        """What was said next, in whatever room, was lost before it came here."""
        with self._transaction():
            self._db.execute("INSERT OR IGNORE INTO gaps SELECT coalesce(max(number), 0), ? FROM messages", (wall_ms,))

    def latest(self, room: str, limit: int) -> list[Row]:
        """The last `limit` (1 or more) messages of a room, oldest first; the gaps among them do not count."""
        rows = self._rows(
            f"SELECT {_COLUMNS} FROM messages WHERE room = ? ORDER BY number DESC LIMIT ?", (room, limit)
        )[::-1]
        return self._with_gaps(rows, rows[0][0] if len(rows) == limit else 0, None)

    def after(self, room: str, number: int, limit: int) -> list[Row]:
        """The first messages after a number, oldest first. Behind it may be a gap of what was too old to be kept."""
        rows = self._rows(
            f"SELECT {_COLUMNS} FROM messages WHERE room = ? AND number > ? ORDER BY number LIMIT ?",
            (room, number, limit),
        )
        expired = f"SELECT ?, wall_ms, '', '', '{GAP}', '' FROM expired WHERE number > ?"
        gap = self._rows(expired, (number, number))
        return gap + self._with_gaps(rows, number, rows[-1][0] if len(rows) == limit else None)

    def expire(self, now_ms: int, max_age_ms: int, max_bytes: int) -> int:
        """Remove up to EXPIRE_ROWS of the oldest rows, if too old or too much; how many: repeat it until that is 0.

        `max_bytes` is what the rows take. The file does not shrink: its free space is used again by the next rows.
        """
        with self._transaction():
            too_much = self._used_bytes() > max_bytes
            ((last,),) = self._db.execute(
                "SELECT max(number) FROM (SELECT number, wall_ms FROM messages ORDER BY number LIMIT ?)"
                " WHERE ? OR wall_ms < ?",
                (EXPIRE_ROWS, too_much, now_ms - max_age_ms),
            )
            if last is None:
                return 0
            self._db.execute("UPDATE expired SET number = ?, wall_ms = ?", (last, now_ms))
            removed = self._db.execute("DELETE FROM messages WHERE number <= ?", (last,)).rowcount
            self._db.execute("DELETE FROM gaps WHERE after <= ?", (last,))
        return removed

    def sync(self) -> bool:
        """Have the disk hold all that was added. Returns whether it does: not while a backup reads the database.

        A checkpoint (sqlite.org/wal.html) waits for the disk to have the log, copies it into the database, and waits
        for that; nothing is done where nothing is new.
        """
        with self._looking():
            ((busy, logged, copied),) = self._db.execute("PRAGMA wal_checkpoint(PASSIVE)")
        return not busy and logged == copied

    def close(self) -> None:
        self._db.close()

    def _open(self) -> None:
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))  # SQLite's own would be 0644
        self._db = sqlite3.connect(self._path, timeout=BUSY_SECONDS, isolation_level=None)
        try:
            self._begin()
        except (sqlite3.Error, HistoryDamaged):
            self._db.close()
            raise

    def _begin(self) -> None:
        with self._looking():
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            ((version,),) = self._db.execute("PRAGMA user_version")
            if version == 0:
                self._db.executescript(_SCHEMA)
            elif version != _VERSION:
                name = full_name(self._path)
                raise HistoryDamaged(f"{name}: it is of version {version}, and this server knows {_VERSION}")
            ((self.position,),) = self._db.execute("SELECT coalesce(max(position), 0) FROM journal")
            last = "SELECT max(n) FROM (SELECT max(number) AS n FROM messages UNION ALL SELECT number FROM expired)"
            ((self._last_number,),) = self._db.execute(last)

    @contextmanager
    def _looking(self) -> Iterator[None]:
        """SQLite's word for damage, and only that, becomes ours."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            if type(error) is not sqlite3.DatabaseError:  # its subclasses are a full disk, a lock, a wrong statement
                raise
            advice = "Bring it back from a backup, or move it away to begin with an empty one"
            raise HistoryDamaged(f"{full_name(self._path)}: {error}. {advice}") from error

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._looking(), self._db:
            self._db.execute("BEGIN IMMEDIATE")
            yield

    def _rows(self, select: str, values: tuple[Any, ...]) -> list[Row]:
        with self._looking():
            return self._db.execute(select, values).fetchall()

    def _with_gaps(self, rows: list[Row], first: int, end: int | None) -> list[Row]:
        """Put in the gaps that come after a number from `first` to before `end`, each behind that number's row."""
        gaps = self._rows(
            f"SELECT after, wall_ms, '', '', '{GAP}', '' FROM gaps WHERE after >= ? AND (? IS NULL OR after < ?)",
            (first, end, end),
        )
        return sorted(rows + gaps, key=lambda row: (row[0], row[4] == GAP))

    def _used_bytes(self) -> int:
        """The size of the database without what is free in it."""
        ((pages,),) = self._db.execute("PRAGMA page_count")
        ((free,),) = self._db.execute("PRAGMA freelist_count")
        ((size,),) = self._db.execute("PRAGMA page_size")
        return int((pages - free) * size)


def move_aside(path: Path) -> Path:
    """Rename a damaged database (nobody has it open), so that a new one can be begun; returns its new name.

    Raises OSError.
    """
    names = (path.with_name(f"{path.name}.damaged-{number}") for number in count(1))
    aside = next(name for name in names if not (os.path.lexists(name) or os.path.lexists(f"{name}-wal")))
    with suppress(FileNotFoundError):  # first this, a part of the database: beside a new one it would damage that too
        Path(f"{path}-wal").replace(f"{aside}-wal")
    path.replace(aside)
    Path(f"{path}-shm").unlink(missing_ok=True)
    return aside
