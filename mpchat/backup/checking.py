"""Whether a server could start with what is in a folder: what a start reads is read here in the same way.

Nothing is written, not even by SQLite.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from mpchat.backup.manifest import Unfit
from mpchat.core.machine import Core
from mpchat.flow.outbox import Outbox
from mpchat.ipc.frames import load
from mpchat.messages import BadFrame
from mpchat.store import accounts, history, snapshot
from mpchat.store.journal import FACTS, Tail, journal_end, segments
from mpchat.texts import t


def check(folder: Path) -> None:
    """Raises Unfit, Damaged (a part of the journal, or the snapshot, is not as it was written) and OSError."""
    found = snapshot.read(folder)
    position, state = found or (0, b"")
    if found is not None:
        _check_state(folder / "snapshot", state)
    _check_journal(folder / "journal", position)
    for path in sorted(folder.glob("*.db")):
        _check_database(path)


def _check_state(path: Path, state: bytes) -> None:
    """It is of a version that this program knows, or can upgrade."""
    try:
        core, outboxes, *_ = load(state)
        Core.load(core)
        for each in outboxes:
            Outbox.load(each)
    except (BadFrame, EOFError, LookupError, TypeError, ValueError) as error:
        raise Unfit(t("backup.bad_snapshot", path=path, why=error)) from error


def _check_journal(folder: Path, position: int) -> None:
    """Each block is whole and holds what can be read, each segment ends where the next one begins, the last one in a
    whole block; and a block ends where the snapshot was taken, at `position`, behind which a start goes on.
    """
    first = min(segments(folder), default=None)
    if first is None:
        raise Unfit(t("backup.no_journal", folder=folder))
    for tail in (Tail(folder, first), Tail(folder, first, FACTS)):
        with closing(tail):
            _read_through(tail)
            if tail.position != journal_end(folder):
                raise Unfit(t("backup.torn", folder=folder, position=tail.position))
    with closing(Tail(folder, position)) as tail:
        if tail.position != position:
            raise Unfit(t("backup.no_fit", folder=folder, position=position))


def _read_through(tail: Tail[Any]) -> None:
    while tail.take():
        pass


def _check_database(path: Path) -> None:
    """`immutable`: nobody writes to it, so no log is made beside it, and no lock is needed (sqlite.org/uri.html)."""
    with named_errors(path), closing(sqlite3.connect(uri(path, "immutable=1"), uri=True)) as db:
        # SQLite 3.44 and later look at the index of the words too, which some of them cannot without writing.
        found = [str(row[0]) for row in db.execute("PRAGMA quick_check")]
        wrong = [line for line in found if line != "ok" and not line.startswith("unable to validate ")]
        if wrong:
            raise Unfit(t("backup.bad_database", path=path, why=wrong[0]))
        ((version,),) = db.execute("PRAGMA user_version")
    known = {history.FILE: history.VERSION, accounts.FILE: accounts.VERSION}.get(path.name, version)
    if version > known:
        raise Unfit(t("backup.newer_database", path=path, found=version, known=known))


def uri(path: Path, options: str) -> str:
    """The database as SQLite's URI (sqlite.org/uri.html)."""
    return f"file:{quote(str(path.absolute()))}?{options}"


@contextmanager
def named_errors(path: Path) -> Iterator[None]:
    """SQLite's errors do not say of which database they are. Of a damaged one they become Unfit, else an OSError."""
    try:
        yield
    except sqlite3.Error as error:
        if type(error) is sqlite3.DatabaseError:  # its subclasses are a full disk, a lock, a wrong statement
            raise Unfit(t("backup.bad_database", path=path, why=error)) from error
        raise OSError(0, str(error), str(path)) from error
