"""The history: what was said, in SQLite, to be read by channel. Only the recorder has it open.

The journal's position is stored in the transaction that stores the rows up to it: a killed recorder goes on where its
last transaction ended, and no row is added twice.
A commit is in the page cache (PRAGMA synchronous = NORMAL): a power cut may take the last ones. The journal may be
trimmed only up to the position of the last sync() that returned true.
"""

import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing, suppress
from itertools import count
from pathlib import Path

from mpchat.messages import Bound, Places, Row, Window, WordsAsked
from mpchat.store.database import BUSY_SECONDS, Database
from mpchat.store.journal import Damaged, full_name
from mpchat.store.word_index import WordIndex

FILE = "history.db"  # its name in the data directory

GAP = "GAP"  # the kind of a row that says: messages are missing behind the row of the same number
NO_END = 1 << 62  # a number that no message gets
EXPIRE_ROWS = 1000  # removed at once: some 30 ms, and then the recorder's loop turns

_WIDTH = 7
_INSERT_ROWS = 50  # by one statement: a third cheaper than one by one, and more do not make it cheaper
_AHEAD_MS = 24 * 3600 * 1000  # a row further ahead of the clock than this was stored while the clock was wrong
VERSION = 3
_SCHEMA = f"""
BEGIN;
CREATE TABLE messages (
    number INTEGER PRIMARY KEY, wall_ms INTEGER NOT NULL,
    room TEXT NOT NULL, sender TEXT NOT NULL, kind TEXT NOT NULL, text TEXT NOT NULL, utc_offset INTEGER
);
CREATE INDEX rooms ON messages (room, number);
CREATE TABLE gaps (after INTEGER PRIMARY KEY, wall_ms INTEGER NOT NULL);
CREATE TABLE journal (position INTEGER NOT NULL);
INSERT INTO journal VALUES (0);
CREATE TABLE expired (number INTEGER NOT NULL, wall_ms INTEGER NOT NULL);
INSERT INTO expired VALUES (0, 0);
CREATE TABLE indexed (number INTEGER NOT NULL);
INSERT INTO indexed VALUES (0);
PRAGMA user_version = {VERSION};
COMMIT;
"""
# From each older version to the next. Added columns are empty, so the rows stay as they are, however many there are.
# Their words are indexed later, in steps.
_UPGRADES = {
    1: "BEGIN; ALTER TABLE messages ADD COLUMN utc_offset INTEGER; PRAGMA user_version = 2; COMMIT;",
    2: (
        "BEGIN; CREATE TABLE indexed (number INTEGER NOT NULL); INSERT INTO indexed VALUES (0);"
        " PRAGMA user_version = 3; COMMIT;"
    ),
}
_COLUMNS = "number, wall_ms, room, sender, kind, text, utc_offset"
_GAP_COLUMNS = f"wall_ms, '', '', '{GAP}', '', NULL"


class HistoryDamaged(Damaged):
    """The database is damaged: close(), move_aside(), and begin a new one."""


class History(Database):
    """One open database, made if there is none (0600). `position`: the journal up to here is in it, in bytes.

    A database too damaged to be opened is renamed to `moved`, and a new one begun at position 0: the journal still has
    the newest part. Damage found later raises HistoryDamaged.
    Ask `is_in_place` now and then, and before anybody relies on what is stored.
    Every method raises sqlite3.Error (a full disk) and OSError (no permission): that call has stored nothing, and can
    be repeated. If the constructor raises, nothing is left open.
    """

    def __init__(self, path: Path) -> None:
        self.moved: Path | None = None
        self.position = self._last_number = 0
        try:
            super().__init__(path, "NORMAL", HistoryDamaged)
        except HistoryDamaged:
            self.moved = move_aside(path)
            super().__init__(path, "NORMAL", HistoryDamaged)

    def add(self, rows: Sequence[Row], position: int) -> None:
        """Store rows and the journal's position behind them, both or neither; those stored before are left out.

        Rows of an old journal do not have their last value.
        """
        last = self._last_number
        new = [row for row in rows if row[0] > last]
        with self._transaction():
            self._insert([(*row, None)[:_WIDTH] for row in new])
            self._db.execute("UPDATE journal SET position = ?", (position,))
        self.position = position
        self._last_number = max([last, *(row[0] for row in new)])

    def pass_over(self, rows: Sequence[Row], position: int, wall_ms: int) -> None:
        """The same, but none of the rows is stored: whoever asks for what was behind an earlier one reads of a gap."""
        last = max([self._last_number, *(row[0] for row in rows)])
        with self._transaction():
            self._db.execute("UPDATE expired SET number = ?, wall_ms = ? WHERE number < ?", (last, wall_ms, last))
            self._db.execute("UPDATE journal SET position = ?", (position,))
        self.position, self._last_number = position, last

    def _insert(self, rows: list[tuple[int | str | None, ...]]) -> None:
        for start in range(0, len(rows), _INSERT_ROWS):
            some = rows[start : start + _INSERT_ROWS]
            places = ", ".join([f"({', '.join('?' * _WIDTH)})"] * len(some))
            self._db.execute(
                f"INSERT OR IGNORE INTO messages VALUES {places}", [value for row in some for value in row]
            )

    def note_gap(self, wall_ms: int) -> None:
        """Messages are missing behind the last row, in any channel: the journal has lost them."""
        with self._transaction():
            self._db.execute("INSERT OR IGNORE INTO gaps SELECT coalesce(max(number), 0), ? FROM messages", (wall_ms,))

    def latest(self, channel: str, limit: int, number: int = 0, end: int = NO_END) -> list[Row]:
        """The last `limit` (1 or more) messages of a channel behind a number and before `end`, oldest first; gaps do
        not count."""
        rows = self._rows(
            f"SELECT {_COLUMNS} FROM messages WHERE room = ? AND number > ? AND number < ?"
            " ORDER BY number DESC LIMIT ?",
            (channel, number, end, limit),
        )[::-1]
        return self._with_gaps(rows, rows[0][0] if len(rows) == limit else number, end)

    def after(self, channel: str, number: int, limit: int, end: int = NO_END) -> list[Row]:
        """The first `limit` (1 or more) messages of a channel behind a number and before `end`, oldest first; what has
        expired is a gap."""
        rows = self._rows(
            f"SELECT {_COLUMNS} FROM messages WHERE room = ? AND number > ? AND number < ? ORDER BY number LIMIT ?",
            (channel, number, end, limit),
        )
        gap = self._rows(f"SELECT ?, {_GAP_COLUMNS} FROM expired WHERE number > ?", (number, number))
        return gap + self._with_gaps(rows, number, rows[-1][0] if len(rows) == limit else end)

    def part(self, channel: str, number: int, window: Window, bounds: Sequence[Bound], limit: int) -> list[Row]:
        """Of a channel's messages behind a number the part that is asked for, at most `limit` (1 or more) messages,
        oldest first, with its gaps. `bounds`: as many as the window has (messages.py); none of them is in it, but that
        which messages are around.
        """
        match window, [self._numbers(bound) for bound in bounds]:
            case "LATEST", []:
                return self.latest(channel, limit, number)
            case "LATEST", [(_, last)]:
                return self.latest(channel, limit, max(number, last))
            case "BEFORE", [(first, _)]:
                return self.latest(channel, limit, number, first)
            case "AFTER", []:
                return self.after(channel, number, limit)
            case "AFTER", [(_, last)]:
                return self.after(channel, max(number, last), limit)
            case "BETWEEN", [(first, last), (other_first, other_last)] if first <= other_first:
                return self.after(channel, max(number, last), limit, other_first)
            case "BETWEEN", [(first, _), (_, other_last)]:
                return self.latest(channel, limit, max(number, other_last), first)
            case "AROUND", [(first, _)]:
                before = self.latest(channel, limit // 2, number, first) if limit > 1 else []
                behind = self.after(channel, max(number, first - 1), limit - limit // 2)
                return list(dict.fromkeys([*before, *behind]))
            case _:
                raise ValueError(f"there is no {window} with {len(bounds)} bounds")

    def _numbers(self, bound: Bound) -> tuple[int, int]:
        """What is before this bound has a lower number than the first one, what is behind it a higher one than the
        second."""
        kind, value = bound
        return (value, value) if kind == "message" else (self._number_at(value), self._number_at(value + 1) - 1)

    def _number_at(self, wall_ms: int) -> int:
        """The number of the first message of all that was said at this moment or later, or one between that and the
        message before it.

        Found by bisection, as there is no index of times: where the clock was set back, times are not in order, and the
        number is one of those that it may be.
        """
        # Two queries in one: for min() and max() in one SQLite reads the whole table (sqlite.org/optoverview.html).
        first, last = "SELECT min(number) FROM messages", "SELECT max(number) FROM messages"
        ((low, high),) = self._pairs(f"SELECT coalesce(({first}), 0), coalesce(({last}) + 1, 0)")
        while low < high:
            middle = (low + high) // 2
            (next_,) = self._pairs(
                "SELECT number, wall_ms FROM messages WHERE number >= ? ORDER BY number LIMIT 1", middle
            )
            if next_[1] >= wall_ms:
                high = middle
            else:
                low = next_[0] + 1
        return low

    def last_ones(self, places: Places, first_ms: int, second_ms: int, limit: int) -> list[Row]:
        """Of each channel the last message behind its number, if that was said between two moments, oldest first: of
        more than `limit` those that are nearest to the first moment."""
        rows = [row for channel, number in places for row in self._last(channel, number)]
        since, until = sorted((first_ms, second_ms))
        between = sorted([row for row in rows if since < row[1] < until], key=lambda row: (row[1], row[0]))
        return between[:limit] if first_ms <= second_ms else between[-limit:]

    def _last(self, channel: str, number: int) -> list[Row]:
        select = f"SELECT {_COLUMNS} FROM messages WHERE room = ? AND number > ? ORDER BY number DESC LIMIT 1"
        return self._rows(select, (channel, number))

    # The index of their words, which follows behind the messages.

    @property
    def can_search(self) -> bool:
        return self._words.exists

    @property
    def unindexed(self) -> int:
        """How many messages the index may lack: some numbers are none of a channel's."""
        return self._last_number - self._words.position if self._words.exists else 0

    def index(self) -> None:
        """Take some more messages into the index."""
        with self._transaction():
            position = self._words.step(self._last_number)
        self._words.position = position

    def search(self, question: WordsAsked) -> list[Row]:
        """What a question finds, oldest first, in what is indexed. Raises TooSlow. This SQLite must have FTS5."""
        with self._damage_raised():
            return self._words.search(question)

    def expire(self, now_ms: int, max_age_ms: int, max_bytes: int) -> int:
        """Remove up to EXPIRE_ROWS of the oldest rows, if too old or too many; returns how many: repeat until 0.

        `max_bytes` is what the rows may take. The file does not shrink: the next rows use its free space.
        Rows go in the order of their numbers, since the wall clock may have been set: a row young enough to stay keeps
        all rows behind it, and a row from the future (the clock was wrong) stays as long as those around it.
        """
        with self._transaction():
            too_much = self._used_bytes() > max_bytes
            oldest = "SELECT number, wall_ms FROM messages ORDER BY number LIMIT ?"
            limit_ms = now_ms - max_age_ms
            ((last,),) = self._db.execute(
                f"WITH oldest AS ({oldest}) SELECT max(number) FROM oldest WHERE ? OR (wall_ms < ? AND number <"
                " coalesce((SELECT min(number) FROM oldest WHERE wall_ms BETWEEN ? AND ?), number + 1))",
                (EXPIRE_ROWS, too_much, limit_ms, limit_ms, now_ms + _AHEAD_MS),
            )
            if last is None:
                return 0
            self._db.execute("UPDATE expired SET number = max(number, ?), wall_ms = ?", (last, now_ms))
            self._words.remove(last)
            removed = self._db.execute("DELETE FROM messages WHERE number <= ?", (last,)).rowcount
            self._db.execute("DELETE FROM gaps WHERE after <= ?", (last,))
        return removed

    def bound_log(self, most_bytes: int) -> None:
        """Have SQLite cut its log to this, when it begins it anew after a checkpoint of all that was in it."""
        self._db.execute(f"PRAGMA journal_size_limit = {most_bytes}")

    @property
    def log_bytes(self) -> int:
        """The size of the log, which grows as long as a backup reads the database. Raises OSError."""
        return os.stat(f"{self._path}-wal").st_size

    def sync(self) -> bool:
        """Wait until the disk has all that was added. Returns whether it has: not while a backup reads the database.

        A checkpoint (sqlite.org/wal.html) waits for the disk to have the log, copies it into the database, and waits
        for that; it does nothing where nothing is new.
        """
        with self._damage_raised():
            ((busy, logged, copied),) = self._db.execute("PRAGMA wal_checkpoint(PASSIVE)")
        return not busy and logged == copied

    def _begin(self) -> None:
        self._upgrade(_SCHEMA, _UPGRADES, VERSION)
        ((self.position,),) = self._db.execute("SELECT coalesce(max(position), 0) FROM journal")
        last = "SELECT max(n) FROM (SELECT max(number) AS n FROM messages UNION ALL SELECT number FROM expired)"
        ((self._last_number,),) = self._db.execute(last)
        self._words = WordIndex(self._db)

    def _pairs(self, select: str, *values: int) -> list[tuple[int, int]]:
        with self._damage_raised():
            return self._db.execute(select, values).fetchall()

    def _rows(self, select: str, values: tuple[int | str | None, ...]) -> list[Row]:
        with self._damage_raised():
            return self._db.execute(select, values).fetchall()

    def _with_gaps(self, rows: list[Row], first: int, end: int) -> list[Row]:
        """The rows, and the gaps behind the number `first`, up to `end`: each gap behind the row with its number.

        A gap ends before the next row of any channel. A gap that begins before `first` and ends behind it counts too,
        from `first` on.
        """
        gaps = self._rows(
            f"SELECT max(after, ?), {_GAP_COLUMNS} FROM gaps WHERE after < ? AND (after >= ?"
            " OR ? + 1 < coalesce((SELECT min(number) FROM messages WHERE number > after), ? + 2))",
            (first, end, first, first, first),
        )
        return sorted(rows + gaps, key=lambda row: (row[0], row[4] == GAP))

    def _used_bytes(self) -> int:
        """The size of the database without what is free in it."""
        ((pages,),) = self._db.execute("PRAGMA page_count")
        ((free,),) = self._db.execute("PRAGMA freelist_count")
        ((size,),) = self._db.execute("PRAGMA page_size")
        return int((pages - free) * size)


def check_version(path: Path) -> None:
    """Raises Damaged if a newer program has made this database: it is not this one's to touch, or to set aside."""
    if not path.exists():
        return
    try:
        with closing(sqlite3.connect(path, timeout=BUSY_SECONDS)) as db:
            ((version,),) = db.execute("PRAGMA user_version")
    except sqlite3.DatabaseError:
        return  # what is wrong with it History says
    if version > VERSION:
        raise Damaged(
            f"{full_name(path)}: a newer mpchat has made it (version {version}, and this one knows {VERSION}). Use that"
            " one again; or move it away to begin with an empty one"
        )


def move_aside(path: Path) -> Path:
    """Rename a damaged database, which no process has open; returns its new name. Raises OSError."""
    names = (path.with_name(f"{path.name}.damaged-{number}") for number in count(1))
    aside = next(name for name in names if not (os.path.lexists(name) or os.path.lexists(f"{name}-wal")))
    with suppress(FileNotFoundError):  # the log first: beside a new database SQLite would apply it to that one
        Path(f"{path}-wal").replace(f"{aside}-wal")
    path.replace(aside)
    Path(f"{path}-shm").unlink(missing_ok=True)
    return aside
