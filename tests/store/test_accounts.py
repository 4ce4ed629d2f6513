"""The accounts' database: what add() has returned from is there, whatever happens then."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from mpchat.store.accounts import VERSION, Account, Accounts, AccountsDamaged, Keys

KEYS = Keys(b"salt" * 4, 4096, b"s" * 32, b"k" * 32)
ANA = Account("ana", "Ana", KEYS, 1_700_000_000_000, 1 << 32 | 1, 64)
BETO = ANA._replace(folded="beto", name="Beto", connection=2)


def test_accounts_are_there_when_it_is_opened_again(tmp_path: Path) -> None:
    path = tmp_path / "accounts.db"
    accounts = Accounts(path)
    assert (list(accounts), len(accounts), accounts.find("ana")) == ([], 0, None)
    accounts.add(BETO)
    accounts.add(ANA)
    secret = accounts.secret
    accounts.close()
    again = Accounts(path)
    assert (list(again), again.find("ana"), again.secret) == ([ANA, BETO], ANA, secret)
    assert len(secret) == 32
    again.close()


def test_only_its_user_may_read_it(tmp_path: Path) -> None:
    umask = os.umask(0)
    try:
        accounts = Accounts(tmp_path / "accounts.db")
        accounts.add(ANA)
        modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    finally:
        os.umask(umask)
    assert modes == {0o600}
    accounts.close()


def test_a_name_is_stored_once(tmp_path: Path) -> None:
    accounts = Accounts(tmp_path / "accounts.db")
    accounts.add(ANA)
    with pytest.raises(sqlite3.IntegrityError):
        accounts.add(ANA._replace(name="ANA"))
    assert list(accounts) == [ANA]
    accounts.close()


def test_another_password_and_a_dropped_account_are_there_when_it_is_opened_again(tmp_path: Path) -> None:
    accounts = Accounts(tmp_path / "accounts.db")
    accounts.add(ANA)
    accounts.add(BETO)
    changed = ANA._replace(keys=Keys(b"tlas" * 4, 8192, b"t" * 32, b"l" * 32))
    accounts.change(changed)
    accounts.drop("beto")
    assert list(accounts) == [changed]
    accounts.close()
    again = Accounts(tmp_path / "accounts.db")
    assert (list(again), again.find("beto")) == ([changed], None)
    again.add(BETO)
    assert len(again) == 2, "the name is free"
    again.close()


def test_a_change_waits_for_the_disk(tmp_path: Path) -> None:
    accounts = Accounts(tmp_path / "accounts.db")
    assert accounts._db.execute("PRAGMA synchronous").fetchone() == (2,), "FULL (sqlite.org/pragma.html)"
    assert accounts._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    accounts.close()


KILLED = """
import os, signal, sys
from pathlib import Path
from mpchat.store.accounts import Account, Accounts, Keys
accounts = Accounts(Path(sys.argv[1]))
for number in range(int(sys.argv[2])):
    accounts.add(Account(f"n{number}", f"N{number}", Keys(b"s" * 16, 4096, b"a" * 32, b"b" * 32), 1, 1, number))
    print(number, flush=True)
accounts._db.execute("BEGIN IMMEDIATE")
accounts._insert([Account("half", "half", Keys(b"", 1, b"", b""), 1, 1, 1)])
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("count", [0, 1, 40])
def test_a_kill_loses_no_account_that_was_added_and_leaves_no_half_one(tmp_path: Path, count: int) -> None:
    path = tmp_path / "accounts.db"
    done = subprocess.run([sys.executable, "-c", KILLED, str(path), str(count)], capture_output=True, timeout=30)
    assert done.returncode == -signal.SIGKILL, done.stderr
    accounts = Accounts(path)
    assert {account.folded for account in accounts} == {f"n{number}" for number in range(len(done.stdout.split()))}
    assert len(accounts) == count
    accounts.close()


def test_a_damaged_one_is_one_clear_line_and_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "accounts.db"
    path.write_bytes(b"nonsense" * 1000)
    with pytest.raises(AccountsDamaged, match=rf"^{path}: .*Bring it back from a backup"):
        Accounts(path)
    assert path.read_bytes() == b"nonsense" * 1000


def test_damage_in_the_middle_is_found_when_it_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "accounts.db"
    accounts = Accounts(path)
    for number in range(300):
        accounts.add(ANA._replace(folded=f"n{number}", name=f"n{number}"))
    accounts.close()
    data = bytearray(path.read_bytes())
    page = 4096
    for place in range(2 * page, len(data), page):  # all but what says which tables there are
        data[place : place + 64] = b"\xff" * 64
    path.write_bytes(data)
    with pytest.raises(AccountsDamaged) as caught:
        Accounts(path)
    assert "\n" not in str(caught.value)


def test_a_newer_one_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "accounts.db"
    Accounts(path).close()
    db = sqlite3.connect(path)
    db.execute(f"PRAGMA user_version = {VERSION + 1}")
    db.close()
    with pytest.raises(AccountsDamaged, match=f"it is of version {VERSION + 1}, and this server knows {VERSION}"):
        Accounts(path)


def test_what_somebody_removes_is_written_again(tmp_path: Path) -> None:
    path = tmp_path / "accounts.db"
    accounts = Accounts(path)
    accounts.add(ANA)
    assert accounts.is_in_place
    path.unlink()
    assert not accounts.is_in_place
    accounts.close()
    assert list(tmp_path.iterdir()) == [], "no log of the old one, which SQLite would apply to the new one"
    again = Accounts(path, accounts)
    assert (list(again), again.secret) == ([ANA], accounts.secret)
    again.close()
    third = Accounts(path)
    assert list(third) == [ANA]
    third.close()


def test_what_somebody_has_put_there_meanwhile_counts(tmp_path: Path) -> None:
    path = tmp_path / "accounts.db"
    accounts = Accounts(path)
    accounts.add(ANA)
    path.unlink()
    accounts.close()
    other = Accounts(path)
    other.add(BETO)
    other.close()
    again = Accounts(path, accounts)
    assert (list(again), again.secret) == ([BETO], other.secret)
    again.close()
