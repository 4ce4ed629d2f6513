"""A copy of files that are written, replaced and removed all the while, as broker and recorder do; and bad copies."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from mpchat.backup import manifest, restoring, writing
from mpchat.backup.copying import back_up
from mpchat.backup.manifest import Unfit
from mpchat.backup.restoring import restore
from mpchat.core.machine import Core
from mpchat.store import snapshot
from mpchat.store.data_directory import RESTORING, claim
from mpchat.store.history import FILE, History
from mpchat.store.journal import FACTS, Damaged, Journal, Tail, journal_end, segment, segments
from tests.running import PATIENCE
from tests.system.servers import until

STATE = pickle.dumps((Core().dump(), [], ""))
COPIES = {"removed": 25, "kept": 5}  # of what is kept, each is larger than the one before

# What broker and recorder do to their files, a thousand times faster: a few blocks of records and of facts, and then a
# snapshot in a new segment, the history a few blocks behind, and what neither needs is removed, or kept.
WRITER = """
import pickle, sys
from pathlib import Path
from mpchat.core.machine import Core
from mpchat.store import snapshot
from mpchat.store.history import History
from mpchat.store.journal import FACTS, Journal
data, kept = Path(sys.argv[1]), sys.argv[2] == "kept"
said = data.with_name("said")
state = pickle.dumps((Core().dump(), [], ""))
journal = Journal(data / "journal", kept=data / "kept" if kept else None)
history = History(data / "history.db")
number, synced = 0, 0
while True:
    for _ in range(7):
        number += 1
        row = (number, 0, "#so", "ana", "PRIVMSG", str(number) + "x" * 500, 0)
        journal.append([("line", 1, number, b"x" * 100)])
        journal.append([row], FACTS)
        if number % 3:
            history.add([row], journal.position)
        said.write_bytes(number.to_bytes(8, "big"))
    journal.roll()
    snapshot.prepare(data, journal.position, state)
    snapshot.install(data)
    if history.sync():
        synced = history.position
    journal.trim(min(synced, journal.position))
"""


@pytest.fixture(params=["removed", "kept"])
def written(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    (tmp_path / "data").mkdir()
    command = [sys.executable, "-c", WRITER, str(tmp_path / "data"), request.param]
    with subprocess.Popen(command) as writer:
        yield request.param
        assert writer.poll() is None, "it has failed"
        writer.kill()


def said(folder: Path) -> int:
    """The last number that the writer has written, and told of."""
    with contextlib.suppress(FileNotFoundError):
        return int.from_bytes((folder / "said").read_bytes(), "big")
    return 0


def numbers_in(copy: Path) -> list[int]:
    """What a recorder would have in the history after it has read the journal of this copy; gaps are not allowed."""
    with closing(sqlite3.connect(f"file:{copy / FILE}?immutable=1", uri=True)) as db:
        ((position,),) = db.execute("SELECT position FROM journal")
    with closing(Tail(copy / "journal", position, FACTS)) as tail:
        assert (tail.position, tail.gap) == (position, 0), "the journal begins before the history ends"
        while tail.take():
            pass
        assert tail.position == journal_end(copy / "journal")
    return [fact[0] for fact in facts(copy / "journal")]


def facts(folder: Path) -> Iterator[tuple[int, ...]]:
    with closing(Tail(folder, min(segments(folder)), FACTS)) as tail:
        while blocks := tail.take():
            for _, block in blocks:
                yield from block


def test_what_was_written_before_is_in_the_copy_whatever_is_removed_meanwhile(tmp_path: Path, written: str) -> None:
    begins, last = set(), 0
    if written == "kept":
        until(lambda: segments(tmp_path / "data" / "kept"))
    for number in range(COPIES[written]):
        last = until(lambda last=last: (now := said(tmp_path)) > last and now)
        copy, data = tmp_path / f"copy-{number}", tmp_path / f"data-{number}"
        back_up(tmp_path / "data", copy)
        found = numbers_in(copy)
        assert found == list(range(found[0], found[-1] + 1))
        assert found[-1] >= last
        begins.add(min(segments(copy / "journal")))
        if written == "kept":
            kept, live = segments(copy / "kept"), segments(copy / "journal")
            assert min(kept) == 0
            ends = [first + segment(copy / "kept", first).stat().st_size for first in kept]
            assert ends == [*kept[1:], live[0]], "each segment is there once, and none is missing"
        restore(copy, data)
        shutil.rmtree(copy)
        shutil.rmtree(data)
    assert len(begins) > COPIES[written] // 2, "it was trimmed all the while"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A directory with a snapshot, two segments, a history and another database."""
    folder = tmp_path / "data"
    folder.mkdir()
    with closing(Journal(folder / "journal", kept=folder / "kept")) as journal:
        journal.append([("line", 1, 10, b"before")])
        journal.roll()
        snapshot.prepare(folder, journal.position, STATE)
        snapshot.install(folder)
        journal.append([("line", 1, 20, b"behind")])
        journal.append([(1, 0, "#so", "ana", "PRIVMSG", "hola", 0)], FACTS)
        with closing(History(folder / FILE)) as history:
            history.add([(1, 0, "#so", "ana", "PRIVMSG", "hola", 0)], journal.position)
    with closing(sqlite3.connect(folder / "accounts.db")) as db:
        db.executescript(
            "PRAGMA journal_mode = WAL; CREATE TABLE accounts (name TEXT); INSERT INTO accounts VALUES (1)"
        )
    return folder


@pytest.fixture
def copy(tmp_path: Path, data: Path) -> Path:
    back_up(data, tmp_path / "copy")
    return tmp_path / "copy"


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def is_refused(copy: Path, why: str) -> None:
    """In words, and before anything is written."""
    with pytest.raises((Unfit, Damaged), match=why) as refused:
        restore(copy, copy.parent / "restored")
    assert "\n" not in str(refused.value)
    assert not (copy.parent / "restored").exists()


def test_only_its_owner_may_read_it(copy: Path) -> None:
    assert sorted(contents(copy)) == ["accounts.db", manifest.FILE, FILE, *_journal(copy), "snapshot"]
    restore(copy, copy.parent / "restored")
    for folder in (copy, copy.parent / "restored"):
        modes = {path.stat().st_mode & 0o777 for path in folder.rglob("*") if path.is_file()}
        assert modes == {0o600}
        assert {path.stat().st_mode & 0o777 for path in [folder, folder / "journal"]} == {0o700}
    assert contents(copy.parent / "restored") == {
        name: data for name, data in contents(copy).items() if name != manifest.FILE
    }


def _journal(folder: Path) -> list[str]:
    return [f"journal/{path.name}" for path in sorted((folder / "journal").glob("*"))]


def test_what_a_database_has_in_its_log_is_in_the_copy(tmp_path: Path, data: Path) -> None:
    """While another process has it open, and goes on writing."""
    with closing(sqlite3.connect(data / "accounts.db", isolation_level=None)) as db:
        db.execute("INSERT INTO accounts VALUES ('in the log')")
        assert b"in the log" not in (data / "accounts.db").read_bytes()
        back_up(data, tmp_path / "copy")
        db.execute("INSERT INTO accounts VALUES ('later')")
    assert b"in the log" in (tmp_path / "copy" / "accounts.db").read_bytes()
    assert b"later" not in (tmp_path / "copy" / "accounts.db").read_bytes()


def test_each_byte_of_a_backup_counts(copy: Path) -> None:
    """Of each file the first, the last, and one in between are changed in turn."""
    for name in contents(copy):
        path = copy / name
        whole = path.read_bytes()
        for place in (0, len(whole) // 2, len(whole) - 2):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
            is_refused(copy, "copy" if name == manifest.FILE else f"{name}: it was changed since the backup was made")
        path.write_bytes(whole)
    restore(copy, copy.parent / "restored")


def test_a_file_that_is_torn_missing_or_new_is_noticed(copy: Path) -> None:
    for name in manifest.files(copy):
        path = copy / name
        whole = path.read_bytes()
        path.write_bytes(whole[:-3])
        is_refused(copy, "changed since")
        path.unlink()
        is_refused(copy, f"{name}: it is missing")
        path.write_bytes(whole)
    (copy / "other.db").touch()
    is_refused(copy, "other.db: it was not there when the backup was made")


def test_what_is_no_backup_is_refused(copy: Path, data: Path) -> None:
    is_refused(data, "no backup of mpchat: there is no backup.json in it")
    is_refused(copy.parent / "nothing", "no backup of mpchat")
    for wrong in ("", "[]", "{}", '{"form": 1}', '{"form": "1", "files": {}}', '{"form": 1, "files": []}'):
        (copy / manifest.FILE).write_text(wrong)
        is_refused(copy, "backup.json: it was changed")


def test_a_newer_form_is_refused(copy: Path) -> None:
    (copy / manifest.FILE).write_text(json.dumps({"form": 3, "mpchat": "9.9", "archive": "another idea"}))
    is_refused(copy, r"a newer mpchat has made this backup \(9.9\)")


def forged(copy: Path) -> Path:
    """With a manifest that fits what is there now: what a start could not read is found all the same."""
    (copy / manifest.FILE).unlink()
    manifest.write(copy)
    return copy


def test_what_no_server_could_start_with_is_refused(copy: Path) -> None:
    before = contents(copy)

    def again() -> None:
        for name, data in before.items():
            (copy / name).write_bytes(data)

    last = segment(copy / "journal", max(segments(copy / "journal")))
    last.write_bytes(last.read_bytes()[:-1])
    is_refused(forged(copy), "the journal breaks off at position")
    again()
    last.write_bytes(last.read_bytes()[:-1] + b"!")
    is_refused(forged(copy), "checksum is wrong")
    again()
    last.unlink()
    last.with_name(f"{int(last.stem) + 1:020}.journal").write_bytes(before[f"journal/{last.name}"])
    is_refused(forged(copy), "more must follow|nothing that begins")
    last.with_name(f"{int(last.stem) + 1:020}.journal").unlink()
    again()
    (copy / "snapshot").unlink()
    snapshot.prepare(copy, int(last.stem), pickle.dumps((b"mpchat state 99\n", [], "")))
    snapshot.install(copy)
    is_refused(forged(copy), "snapshot: this mpchat cannot read it: .*'mpchat state 99'")
    again()
    for name in (FILE, "accounts.db"):
        with closing(sqlite3.connect(copy / name)) as db:
            db.execute("PRAGMA user_version = 999")
        is_refused(forged(copy), f"{name}: it is of version 999")
        again()
    page = bytearray((copy / FILE).read_bytes())
    page[4096 : 2 * 4096] = os.urandom(4096)
    (copy / FILE).write_bytes(page)
    is_refused(forged(copy), "SQLite finds it damaged")


def test_a_damaged_directory_is_not_backed_up(tmp_path: Path, data: Path) -> None:
    """What is wrong is told of the directory, and no half copy is left."""
    for name in ("snapshot", _journal(data)[-2], FILE):  # the last of journal/ is the reserve
        path = data / name
        whole = path.read_bytes()
        middle = len(whole) // 2
        path.write_bytes(whole[:middle] + os.urandom(len(whole) // 4) + whole[middle + len(whole) // 4 :])
        before = contents(data)
        with pytest.raises((Unfit, Damaged), match=str(path)):
            back_up(data, tmp_path / "copy")
        assert sorted(os.listdir(tmp_path)) == ["data"]
        assert contents(data) == before
        path.write_bytes(whole)


def test_what_is_there_is_never_replaced(copy: Path, data: Path) -> None:
    for target in (copy, copy / manifest.FILE):
        before = contents(copy)
        with pytest.raises(FileExistsError):
            back_up(data, target)
        assert contents(copy) == before
    (copy.parent / "link").symlink_to("nowhere")
    with pytest.raises(FileExistsError):
        back_up(data, copy.parent / "link")


def test_a_restore_wants_an_empty_directory(copy: Path, data: Path) -> None:
    before = contents(data)
    with pytest.raises(OSError, match="not empty"):
        restore(copy, data)
    assert contents(data) == before
    empty = copy.parent / "empty"
    empty.mkdir()
    (copy.parent / "link").symlink_to(empty)
    restore(copy, copy.parent / "link")
    assert RESTORING not in os.listdir(empty)
    assert set(os.listdir(empty)) == {"accounts.db", FILE, "journal", "snapshot"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_what_root_restores_is_the_owners(copy: Path) -> None:
    owned = copy.parent / "owned"
    owned.mkdir()
    os.chown(owned, 12345, 12346)
    restore(copy, owned)
    for path in [owned, *owned.rglob("*")]:
        assert (path.stat().st_uid, path.stat().st_gid) == (12345, 12346)


def test_the_copy_is_made_though_a_reader_of_the_history_holds_it_up(tmp_path: Path, data: Path) -> None:
    """A backup in a read transaction keeps the recorder from saying that the disk has what it has not."""
    with closing(History(data / FILE)) as history, closing(sqlite3.connect(data / FILE, isolation_level=None)) as db:
        db.execute("BEGIN")
        db.execute("SELECT * FROM messages").fetchall()
        history.add([(2, 0, "#so", "ana", "PRIVMSG", "otra", 0)], history.position + 1)
        assert not history.sync()
        db.execute("COMMIT")
        assert until(history.sync, within=PATIENCE)


def test_a_folder_that_is_swapped_meanwhile_leads_nowhere_else(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The owner of the data directory puts links in the way of who restores, who may be root, after each file."""
    data, victim = copy.parent / "restored", copy.parent / "victim"
    for folder in (data, victim, victim / "journal"):
        folder.mkdir()
    for name in manifest.files(copy):
        (victim / name).write_text("victim")
    before = {path: (path.read_bytes(), path.stat().st_uid) for path in victim.rglob("*") if path.is_file()}
    if os.geteuid() == 0:
        os.chown(data, 12345, 12346)
    new = data / RESTORING

    def swapping(source: int, to: int) -> tuple[int, str]:
        copied = writing.copy(source, to)
        if not new.is_symlink():
            new.rename(data.parent / "moved")
            new.symlink_to(victim)
        return copied

    monkeypatch.setattr(restoring, "copy", swapping)
    with pytest.raises(NotADirectoryError):
        restore(copy, data)
    now = {path: (path.read_bytes(), path.stat().st_uid) for path in victim.rglob("*") if path.is_file()}
    assert now == before
    with pytest.raises(OSError, match="broken off"):
        claim(data, wait_seconds=0)


def test_what_is_in_a_backup_by_a_link_is_refused(copy: Path, tmp_path: Path) -> None:
    """Also where a restore has already looked at it: then root would make a copy of what the link leads to."""
    secret = tmp_path / "secret"
    secret.write_bytes((copy / "snapshot").read_bytes())
    (copy / "snapshot").unlink()
    (copy / "snapshot").symlink_to(secret)
    is_refused(copy, "snapshot: it is no file, but a link")
    (copy / "snapshot").unlink()
    secret.rename(copy / "snapshot")
    (copy / "journal").rename(tmp_path / "elsewhere")
    (copy / "journal").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match=r"Not a directory|it is no file"):
        restore(copy, tmp_path / "restored")


def test_what_is_changed_between_the_look_and_the_copy_is_noticed(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restoring, "check", lambda folder: (folder / "snapshot").write_bytes(b"another"))
    with pytest.raises(Unfit, match="snapshot: it was changed"):
        restore(copy, copy.parent / "restored")
    assert os.listdir(copy.parent / "restored") == []


def test_a_fifo_or_nonsense_in_place_of_the_manifest(copy: Path) -> None:
    (copy / manifest.FILE).write_text("[" * 200_000)
    is_refused(copy, "backup.json: it was changed")
    (copy / manifest.FILE).unlink()
    os.mkfifo(copy / manifest.FILE)
    is_refused(copy, "backup.json: it is no file")


def test_what_the_disk_itself_has_in_it_is_nothing(copy: Path) -> None:
    disk = copy.parent / "disk"
    (disk / "lost+found").mkdir(parents=True)
    restore(copy, disk)
    assert set(os.listdir(disk)) == {"accounts.db", FILE, "journal", "snapshot", "lost+found"}


def test_half_a_restore_is_not_backed_up(copy: Path, data: Path) -> None:
    (data / RESTORING).mkdir()
    with pytest.raises(OSError, match="broken off"):
        back_up(data, copy.parent / "other")
    assert not (copy.parent / "other").exists()


def test_no_backup_goes_into_what_is_backed_up(tmp_path: Path, data: Path) -> None:
    """It would be a part of each later one."""
    (data / "kept").mkdir()
    (tmp_path / "link").symlink_to(data / "kept")
    before = contents(data)
    for target in (data / "copy", data / "kept" / "copy", tmp_path / "link" / "copy", data / ".." / "data" / "kept-1"):
        with pytest.raises(Unfit, match="in the data directory"):
            back_up(data, target)
    assert contents(data) == before
    back_up(data, tmp_path / "data-1")


@pytest.mark.parametrize("name", ["c" * 255, "ñ" * 127, "😀" * 63])
def test_a_backup_may_have_any_name(tmp_path: Path, data: Path, name: str) -> None:
    back_up(data, tmp_path / name)
    assert manifest.check(tmp_path / name)


def test_a_database_that_was_set_aside_is_copied_as_it_is(tmp_path: Path, data: Path) -> None:
    for name in (f"{FILE}.damaged-1", f"{FILE}.damaged-1-wal"):
        (data / name).write_bytes(os.urandom(1000))
    back_up(data, tmp_path / "copy")
    assert json.loads((tmp_path / "copy" / manifest.FILE).read_text())["form"] == 2, (
        "an older mpchat says why it cannot"
    )
    restore(tmp_path / "copy", tmp_path / "new")
    for name in (f"{FILE}.damaged-1", f"{FILE}.damaged-1-wal"):
        assert (tmp_path / "new" / name).read_bytes() == (data / name).read_bytes()


def test_why_a_directory_that_cannot_be_written_is_not_copied(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # as on a disk that is mounted read-only, also for root
    with pytest.raises(OSError, match="only where it may write too"):
        back_up(data, tmp_path / "copy")
