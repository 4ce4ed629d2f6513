"""The accounts: names and SCRAM keys, in SQLite. Only the authenticator has them open.

No password is in it, and none can be worked out from it but by trying (RFC 5802, section 9). An account is on the disk
when add() returns, also after a power cut (PRAGMA synchronous = FULL): whoever is told "registered" may rely on it. So
are another password, and that an account is dropped.
All accounts are in memory too. They are few (settings.max_accounts), a login does not wait for the disk, and if
somebody removes the files they can be written again.
"""

import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from mpchat.store.database import Database
from mpchat.store.journal import Damaged, full_name, sync_folder

FILE = "accounts.db"  # its name in the data directory
VERSION = 1
_SECRET_BYTES = 32
_SCHEMA = f"""
BEGIN;
CREATE TABLE accounts (
    folded TEXT PRIMARY KEY, name TEXT NOT NULL,
    salt BLOB NOT NULL, iterations INTEGER NOT NULL, stored_key BLOB NOT NULL, server_key BLOB NOT NULL,
    created_ms INTEGER NOT NULL, connection INTEGER NOT NULL, line_end INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE secret (value BLOB NOT NULL);
PRAGMA user_version = {VERSION};
COMMIT;
"""


class AccountsDamaged(Damaged):
    """The database is damaged. No new one is begun by itself: every name in it would be free for strangers."""


class Keys(NamedTuple):
    """What a server keeps of a password (RFC 5802, section 3)."""

    salt: bytes
    iterations: int
    stored_key: bytes
    server_key: bytes


class Account(NamedTuple):
    """`connection` and `line_end`: which line made it, of that run of the server. `created_ms`: wall clock."""

    folded: str  # by which it is found: chat/names.py fold()
    name: str
    keys: Keys
    created_ms: int
    connection: int
    line_end: int


class Accounts(Database):
    """One open database, made if there is none (0600), with a secret of its own, which no one else learns.

    `former`: what is written into a new one, if the files of the last one were removed.
    Raises AccountsDamaged, sqlite3.Error (a full disk) and OSError (no permission): then nothing is open, and it can be
    tried again.
    """

    def __init__(self, path: Path, former: "Accounts | None" = None) -> None:
        self._accounts: dict[str, Account] = {}
        self.secret: bytes = secrets.token_bytes(_SECRET_BYTES) if former is None else former.secret
        self._former = [] if former is None else list(former)
        super().__init__(path, "FULL", AccountsDamaged)
        self._former.clear()
        sync_folder(path.parent)

    def __iter__(self) -> Iterator[Account]:
        """In the order of their folded names."""
        return iter(sorted(self._accounts.values()))

    def __len__(self) -> int:
        return len(self._accounts)

    def find(self, folded: str) -> Account | None:
        return self._accounts.get(folded)

    def add(self, account: Account) -> None:
        """Waits for the disk. There must be none of this name. Raises like the constructor, and nothing is stored."""
        with self._transaction():
            self._insert([account])
        self._accounts[account.folded] = account

    def change(self, account: Account) -> None:
        """Store what this one is now in place of what it was: another password's keys. Waits for the disk, as add()."""
        with self._transaction():
            self._db.execute(
                "UPDATE accounts SET salt = ?, iterations = ?, stored_key = ?, server_key = ? WHERE folded = ?",
                (*account.keys, account.folded),
            )
        self._accounts[account.folded] = account

    def drop(self, folded: str) -> None:
        """There is no such account any more, on the disk neither. Waits for the disk, as add()."""
        with self._transaction():
            self._db.execute("DELETE FROM accounts WHERE folded = ?", (folded,))
        del self._accounts[folded]

    def _insert(self, accounts: Iterable[Account]) -> None:
        rows = [(each.folded, each.name, *each.keys, *each[3:]) for each in accounts]
        self._db.executemany("INSERT INTO accounts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)

    def _begin(self) -> None:
        self._upgrade(_SCHEMA, {}, VERSION)
        found = self._db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            why = " ".join(found.split())
            raise AccountsDamaged(f"{full_name(self._path)}: {why}. Bring it back from a backup")
        if not self._db.execute("SELECT count(*) FROM secret").fetchone()[0]:
            with self._transaction():
                self._db.execute("INSERT INTO secret VALUES (?)", (self.secret,))
                self._insert(self._former)
        ((self.secret,),) = self._db.execute("SELECT value FROM secret")
        rows = self._db.execute(
            "SELECT folded, name, salt, iterations, stored_key, server_key, created_ms, connection, line_end"
            " FROM accounts"
        )
        for folded, name, salt, iterations, stored_key, server_key, *made in rows:
            self._accounts[folded] = Account(folded, name, Keys(salt, iterations, stored_key, server_key), *made)
