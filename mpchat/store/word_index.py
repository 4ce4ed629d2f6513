"""The full-text index over the history's messages (sqlite.org/fts5.html). It follows behind them, in steps.

A message is found once a step has reached it, so to store one costs no more than without an index. The index is in the
same database: what damages one damages the other.
"""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager

from mpchat.messages import Row, WordsAsked

STEP_ROWS = 5000  # some 15 ms; in steps of 1000 a row costs half as much again
SEARCH_SECONDS = 0.2  # a query is ended after so long
_LOOK_OPCODES = 1000  # of SQLite's machine between two looks at the clock: some 20 us

MESSAGE_COLUMNS = "m.number, m.wall_ms, m.room, m.sender, m.kind, m.text, m.utc_offset"  # a Row, of messages m

# The words are here alone; the texts are those of the messages. Marks on letters make no difference.
_CREATE = """
CREATE VIRTUAL TABLE IF NOT EXISTS words
    USING fts5(text, content='messages', content_rowid='number', tokenize="unicode61 remove_diacritics 2")
"""


class TooSlow(Exception):
    """A query was ended: it had taken SEARCH_SECONDS."""


class WordIndex:
    """Of one open database, which has the tables `messages` and `indexed`.

    `exists`: this SQLite has FTS5. `position`: messages up to this number are in it.
    Every method raises sqlite3.Error.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self.exists = True
        try:
            db.execute(_CREATE)
            db.execute("SELECT rowid FROM words LIMIT 0")  # where the table is there, the first asks for no module
        except sqlite3.OperationalError as error:
            if "no such module" not in str(error):
                raise
            self.exists = False
        self.position: int
        ((self.position,),) = db.execute("SELECT number FROM indexed")

    def step(self, end: int) -> int:
        """Within a transaction, take in the next messages, STEP_ROWS at most; there are none behind the number `end`.

        Returns the position then, which the caller puts into `position` when the transaction is committed.
        """
        ((last,),) = self._db.execute(
            "SELECT max(number) FROM (SELECT number FROM messages WHERE number > ? ORDER BY number LIMIT ?)",
            (self.position, STEP_ROWS),
        )
        if last is None:
            return end
        self._db.execute(
            "INSERT INTO words (rowid, text) SELECT number, text FROM messages WHERE number > ? AND number <= ?",
            (self.position, last),
        )
        self._db.execute("UPDATE indexed SET number = ?", (last,))
        return int(last)

    def remove(self, last: int) -> None:
        """Within the transaction that deletes the messages up to this number, and before it does."""
        if self.exists:
            self._db.execute(
                "INSERT INTO words (words, rowid, text) SELECT 'delete', number, text FROM messages WHERE number <= ?",
                (min(last, self.position),),
            )

    def search(self, question: WordsAsked) -> list[Row]:
        """The newest messages that a question finds, oldest first. Raises TooSlow.

        Each word of the question is taken as a string: it has no operators. Without words, every message counts.
        """
        _, _, _, _, words, places, sender, after_ms, before_ms, limit = question
        source, number, conditions, values = "messages m", "m.number", list[str](), list[str | int]()
        if terms := ['"' + word.replace('"', '""') + '"' for word in words.split()]:
            # CROSS JOIN: the index is read first, from its end, and of the messages only those that it names.
            source, number = "words CROSS JOIN messages m ON m.number = words.rowid", "words.rowid"
            conditions.append("words MATCH ?")
            values.append(" ".join(terms))
        conditions.append(f"({' OR '.join(['(m.room = ? AND m.number > ?)'] * len(places))})")
        values += [value for place in places for value in place]
        if sender:
            conditions.append(r"m.sender LIKE ? ESCAPE '\'")
            values.append(sender.replace("\\", "\\\\").replace("_", r"\_").replace("%", r"\%") + "!%")
        conditions.append(f"m.wall_ms BETWEEN ? AND ? ORDER BY {number} DESC LIMIT ?")
        values += [after_ms, before_ms, limit]
        with self._limited():
            rows: list[Row] = self._db.execute(
                f"SELECT {MESSAGE_COLUMNS} FROM {source} WHERE {' AND '.join(conditions)}", values
            ).fetchall()
        return rows[::-1]

    @contextmanager
    def _limited(self) -> Iterator[None]:
        """Queries in here end after SEARCH_SECONDS with TooSlow."""
        deadline = time.monotonic() + SEARCH_SECONDS
        self._db.set_progress_handler(lambda: time.monotonic() > deadline, _LOOK_OPCODES)
        try:
            yield
        except sqlite3.OperationalError as error:
            if str(error) != "interrupted":
                raise
            raise TooSlow from error
        finally:
            self._db.set_progress_handler(None, 0)
