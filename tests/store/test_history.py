"""The history: each row once, in order, found by channel; a killed writer goes on by its position."""

from __future__ import annotations

import os
import resource
import shutil
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpchat.messages import Bound, Row
from mpchat.store.history import EXPIRE_ROWS, GAP, VERSION, History, check_version, move_aside
from mpchat.store.journal import Damaged

PATIENCE = 20.0
SPAWN = get_context("spawn")
HUGE = 1 << 50
OLD = Path(__file__).parent.parent / "data" / "state-3"


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    it = History(tmp_path / "history.db")
    yield it
    it.close()


def row(number: int, text: str = "hola", room: str = "#lobby") -> Row:
    return number, number * 1000, room, "ana!ana@host", "PRIVMSG", text, 60


def numbers(rows: list[Row]) -> list[int]:
    return [row[0] for row in rows]


def marked(rows: list[Row]) -> list[int | str]:
    """The numbers, and "gap" for a gap."""
    return ["gap" if row[4] == GAP else row[0] for row in rows]


def test_rows_come_back_as_they_were_stored(history: History, tmp_path: Path) -> None:
    rows = [row(1, "¿qué tal, José?"), (2, 2000, "#lobby", "beto!b@host", "NOTICE", "☕ 'x'; --\ttab", None)]
    assert history.position == 0
    history.add(rows, 123)
    assert history.position == 123
    history.close()

    again = History(tmp_path / "history.db")
    assert again.moved is None
    assert again.position == 123
    assert again.latest("#lobby", 10) == rows
    again.close()
    for path in tmp_path.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_replay_doubles_nothing(history: History) -> None:
    history.add([row(1), row(2), row(3)], 10)
    history.add([row(1, "other"), row(2), row(3), row(4), row(5), row(5)], 8)
    history.add([], 12)

    assert history.latest("#lobby", 10) == [row(1), row(2), row(3), row(4), row(5)]
    assert history.position == 12


def test_a_room_is_read_from_any_place(history: History) -> None:
    history.add([row(number, room="#odd" if number % 2 else "#even") for number in range(1, 21)], 1)

    assert numbers(history.latest("#even", 3)) == [16, 18, 20]
    assert numbers(history.after("#odd", 13, 2)) == [15, 17]
    assert numbers(history.after("#odd", 17, 9)) == [19]
    assert history.latest("#none", 9) == history.after("#odd", 19, 9) == []


NUMBERS = st.integers(0, 14)


@given(
    said=st.lists(st.tuples(st.sampled_from(["#a", "#b"]), st.integers(0, 3)), max_size=12),
    number=NUMBERS,
    bounds=st.tuples(*[st.tuples(st.sampled_from(["message", "time"]), NUMBERS)] * 2),
    limit=st.integers(1, 6),
)
def test_the_part_between_bounds_is_told(
    said: list[tuple[str, int]], number: int, bounds: tuple[Bound, Bound], limit: int
) -> None:
    """By the number of a message, or by a moment; several messages may be of one. A bound itself is in no part."""
    with TemporaryDirectory() as folder, closing(History(Path(folder) / "history.db")) as history:
        rows, wall = [], 0
        for at, (room, pause) in enumerate(said, 1):
            wall += pause
            rows.append((at, wall, room, "ana!ana@host", "PRIVMSG", "hola", 60))
        history.add(rows, 1)
        mine = [row for row in rows if row[2] == "#a" and row[0] > number]

        def place(row: Row, bound: Bound) -> int:
            """-1: before it, 0: it, 1: behind it."""
            kind, value = bound
            at = row[0] if kind == "message" else row[1]
            return (at > value) - (at < value)

        one, other = bounds
        before = [row for row in mine if place(row, one) < 0]
        behind = [row for row in mine if place(row, one) > 0]
        assert history.part("#a", number, "LATEST", (), limit) == mine[-limit:]
        assert history.part("#a", number, "AFTER", (), limit) == mine[:limit]
        assert history.part("#a", number, "LATEST", (one,), limit) == behind[-limit:]
        assert history.part("#a", number, "AFTER", (one,), limit) == behind[:limit]
        assert history.part("#a", number, "BEFORE", (one,), limit) == before[-limit:]
        around = [row for row in mine if place(row, one) >= 0][: limit - limit // 2]
        assert (
            history.part("#a", number, "AROUND", (one,), limit) == before[len(before) - limit // 2 :][:limit] + around
        )
        forwards = [row for row in behind if place(row, other) < 0]
        backwards = [row for row in before if place(row, other) > 0]
        between = history.part("#a", number, "BETWEEN", bounds, limit)
        assert between in (forwards[:limit], backwards[-limit:])
        assert between or not (forwards or backwards)


def test_in_which_rooms_something_was_said_last(history: History) -> None:
    history.add([row(1, room="#a"), row(2, room="#b"), row(3, room="#c"), row(4, room="#a"), row(5, room="#d")], 1)
    places = (("#a", 0), ("#b", 0), ("#c", 3), ("#d", 0), ("#none", 0))
    assert numbers(history.last_ones(places, 0, 9000, 9)) == [2, 4, 5]
    assert numbers(history.last_ones(places, 2000, 5000, 9)) == [4], "none of the two moments is between them"
    assert numbers(history.last_ones(places, 0, 9000, 2)) == [2, 4]
    assert numbers(history.last_ones(places, 9000, 0, 2)) == [4, 5], "the nearest to the first moment"


def test_what_is_missing_shows(history: History) -> None:
    history.add([row(1), row(2), row(3, room="#x")], 1)
    history.note_gap(3500)
    history.note_gap(9999)  # a replay notes it again
    history.add([row(10), row(11)], 2)

    assert history.latest("#lobby", 9)[2] == (3, 3500, "", "", GAP, "", None)
    assert marked(history.latest("#lobby", 9)) == [1, 2, "gap", 10, 11]
    assert marked(history.latest("#x", 9)) == [3, "gap"]
    assert marked(history.latest("#lobby", 2)) == [10, 11]
    assert marked(history.after("#lobby", 1, 2)) == [2, "gap", 10]
    assert marked(history.after("#lobby", 2, 1)) == ["gap", 10]
    assert marked(history.after("#lobby", 10, 1)) == [11]


def test_what_is_missing_of_a_room_that_began_in_between(history: History) -> None:
    """A gap is told to whoever wants what comes behind some message, if it may hold some of that."""
    history.add([row(1)], 1)
    history.note_gap(1500)
    history.add([row(10), row(11)], 2)

    assert history.latest("#lobby", 9, 5) == [(5, 1500, "", "", GAP, "", None), row(10), row(11)]
    assert history.after("#lobby", 5, 9) == history.latest("#lobby", 9, 5)
    assert marked(history.latest("#lobby", 9, 9)) == [10, 11]
    assert marked(history.after("#lobby", 9, 9)) == [10, 11]
    assert marked(history.latest("#lobby", 9, 10)) == [11]
    history.note_gap(12000)
    assert marked(history.latest("#lobby", 9, 11)) == marked(history.after("#lobby", 20, 9)) == ["gap"]


def test_rows_and_a_database_of_older_versions_lack_the_offset(tmp_path: Path) -> None:
    """The database is one that a server of then was killed over."""
    for name in ("history.db", "history.db-wal"):
        shutil.copy(OLD / "killed" / name, tmp_path)
    history = History(tmp_path / "history.db")
    old = history.latest("#club", 99)
    without_offset: Any = row(100)[:6]
    history.add([without_offset, row(101)], history.position + 1)
    history.close()

    again = History(tmp_path / "history.db")
    assert again.moved is None
    assert [(row[5], row[6]) for row in old[:2]] == [("hola a todos", None), ("\x01ACTION saluda\x01", None)]
    assert again.latest("#club", 99) == old
    assert again.latest("#lobby", 2) == [(*row(100)[:6], None), row(101)]
    again.close()


def test_one_that_is_killed_in_the_middle_of_that_loses_nothing(tmp_path: Path) -> None:
    shutil.copy(OLD / "stopped" / "history.db", tmp_path)
    db = sqlite3.connect(tmp_path / "history.db", isolation_level=None)
    db.execute("BEGIN")
    db.execute("ALTER TABLE messages ADD COLUMN utc_offset INTEGER")
    db.close()

    history = History(tmp_path / "history.db")
    assert history.moved is None
    assert history.latest("#lobby", 1)[0][5:] == ("buenos días", None)
    history.close()


def test_many_rows_do_not_make_it_slow(tmp_path: Path) -> None:
    """Not one of them is written again."""
    shutil.copy(OLD / "stopped" / "history.db", tmp_path)
    db = sqlite3.connect(tmp_path / "history.db")
    numbers = "WITH RECURSIVE n(i) AS (SELECT 100 UNION ALL SELECT i + 1 FROM n WHERE i < 200000)"
    db.execute(f"INSERT INTO messages {numbers} SELECT i, i, '#x', 'ana!a@b', 'PRIVMSG', 'hola a todos' FROM n")
    db.commit()
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    size = (tmp_path / "history.db").stat().st_size

    history = History(tmp_path / "history.db")
    assert (tmp_path / "history.db-wal").stat().st_size < size / 100
    assert history.latest("#x", 1) == [(200000, 200000, "#x", "ana!a@b", "PRIVMSG", "hola a todos", None)]
    history.close()


# Retention


@pytest.mark.parametrize(
    ("days", "kept"),
    [
        ([1, 2, 3, 50, 51], [3, 4]),
        ([50, 51, 1, 1, 52], [0, 1, 2, 3, 4]),  # the clock was far behind for a while
        ([1, 9999, 2, 50], [3]),  # or far ahead
        ([9999, 9999, 50, 51], [0, 1, 2, 3]),  # or has just been set right
        ([9999, 9999, 2, 3], []),
        ([1, 2], []),
        ([61, 50], [0, 1]),  # a little ahead
        ([], []),
    ],
)
def test_one_wrong_time_takes_nothing_young_with_it(history: History, days: list[int], kept: list[int]) -> None:
    """Thirty days are kept, and it is the sixtieth: the order is that of the numbers, whatever the clock said."""
    day = 24 * 3600 * 1000
    history.add([(number, at * day, *row(0)[2:]) for number, at in enumerate(days, 100)], 1)
    while history.expire(60 * day, 30 * day, HUGE):
        pass

    assert numbers(history.latest("#lobby", 99)) == [100 + place for place in kept]


def test_the_old_goes_in_steps(history: History) -> None:
    many = 2 * EXPIRE_ROWS + 500
    history.add([row(number) for number in range(1, many + 1)], 7)
    history.note_gap(1)
    history.add([row(many + 1)], 8)

    now_ms = (many + 1) * 1000
    assert history.expire(now_ms, now_ms, HUGE) == 0
    removed = [history.expire(now_ms, 500 * 1000, HUGE) for _ in range(4)]
    assert removed == [EXPIRE_ROWS, EXPIRE_ROWS, 0, 0]
    assert marked(history.after("#lobby", 0, 2)) == ["gap", 2001, 2002]
    assert len(marked(history.latest("#lobby", many))) == 501 + len(["gap"])
    assert history.expire(now_ms, 0, HUGE) == 500
    assert marked(history.latest("#lobby", 9)) == [many + 1]
    assert history.expire(now_ms + 1, 0, HUGE) == 1
    assert history.latest("#lobby", 9) == []
    assert history.position == 8


def test_a_size_is_kept_to(history: History, tmp_path: Path) -> None:
    """What is removed is what is too much, no more; and the file does not grow for ever."""
    limit = 1 << 20
    sizes = []
    for turn in range(40):
        first = turn * 1000 + 1
        history.add([row(n, f"word{n} and{n % 97} others{n % 7}") for n in range(first, first + 1000)], first)
        while history.expire(0, 0, limit):
            pass
        sizes.append((tmp_path / "history.db").stat().st_size)
    kept = len(history.latest("#lobby", 100_000))

    assert max(sizes) < 2 * limit
    assert kept * 150 > limit  # a row takes some 100 bytes
    assert numbers(history.latest("#lobby", 1)) == [40_000]


# Killed, full, damaged


def write_rows(path: Path, said: Connection) -> None:
    """Store rows from the position on, three more to a transaction; the position is the last row's number."""
    history = History(path)
    while True:
        first = history.position + 1
        history.add([row(number) for number in range(first, first + 3)], first + 2)
        said.send(first + 2)


def test_a_killed_writer_goes_on_by_its_position(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    for turn in range(5):
        said, saying = SPAWN.Pipe(duplex=False)
        writer = SPAWN.Process(target=write_rows, args=(path, saying))
        writer.start()
        saying.close()
        told = 0
        for _ in range(50 + turn):
            assert said.poll(PATIENCE)
            told = said.recv()
        writer.kill()
        writer.join(PATIENCE)
        said.close()

        history = History(path)
        assert history.moved is None
        assert history.position >= told
        assert numbers(history.latest("#lobby", 1 << 30)) == [*range(1, history.position + 1)]
        history.close()


def add_to_a_limit(path: Path) -> None:
    history = History(path)
    history.add([row(1)], 1)
    large = [row(number, f"word{number} " * 40) for number in range(2, 2000)]
    resource.setrlimit(resource.RLIMIT_FSIZE, (256 << 10, resource.RLIM_INFINITY))
    for _ in range(2):
        with pytest.raises(sqlite3.OperationalError):
            history.add(large, 2)
        assert history.position == 1
        assert numbers(history.latest("#lobby", 9)) == [1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    history.add(large, 2)


def test_rows_that_do_not_fit_leave_no_trace(tmp_path: Path) -> None:
    writer = SPAWN.Process(target=add_to_a_limit, args=(tmp_path / "history.db",))
    writer.start()
    writer.join(PATIENCE)
    assert writer.exitcode == 0

    history = History(tmp_path / "history.db")
    assert history.position == 2
    assert len(history.latest("#lobby", 5000)) == 1999
    history.close()


@pytest.mark.parametrize("damage", ["not a database", "its head", "of another version"])
def test_one_that_cannot_be_opened_is_renamed_and_a_new_one_begun(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "history.db"
    for turn in (1, 2):
        history = History(path)
        history.add([row(1)], 55)
        history.close()
        if damage == "of another version":
            with sqlite3.connect(path) as database:
                database.execute("PRAGMA user_version = 9")
            database.close()
        else:
            data = path.read_bytes()
            path.write_bytes(b"x" * 9000 if damage == "not a database" else data[:100] + b"\xff" * 4000 + data[4100:])
        damaged = path.read_bytes()

        history = History(path)
        assert history.moved == tmp_path / f"history.db.damaged-{turn}"
        assert history.moved.read_bytes() == damaged
        assert history.position == 0
        assert history.latest("#lobby", 9) == []
        history.close()


def test_a_newer_ones_is_known_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    check_version(path)
    assert not path.exists()
    History(path).close()
    check_version(path)
    with closing(sqlite3.connect(path)) as database:
        database.execute(f"PRAGMA user_version = {VERSION + 1}")
    before = path.read_bytes()
    with pytest.raises(Damaged, match="a newer mpchat has made it"):
        check_version(path)
    assert (path.read_bytes(), os.listdir(tmp_path)) == (before, ["history.db"])
    path.write_bytes(b"no database" * 1000)
    check_version(path)  # that is for History to say


def test_the_log_that_a_reader_made_grow_is_cut_when_the_reader_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    with closing(History(path)) as history, closing(sqlite3.connect(path, isolation_level=None)) as reader:
        history.bound_log(1 << 16)
        history.add([row(1)], 1)
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM messages").fetchall()
        for number in range(2, 402):
            history.add([row(number, "x" * 2000)], number)
        assert not history.sync()
        assert history.log_bytes > 1 << 20
        reader.execute("COMMIT")
        assert history.sync()
        history.add([row(500)], 500)
        assert history.log_bytes <= 1 << 16


def test_damage_found_later_is_told_and_can_be_moved_aside(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    history = History(path)
    history.add([row(number, f"word{number} " * 20) for number in range(1, 3001)], 9)
    history.close()
    data = bytearray(path.read_bytes())
    middle = len(data) // 4096 // 4 * 4096  # a few hundred rows in
    data[middle : middle + 8 * 4096] = b"\xff" * 8 * 4096
    path.write_bytes(data)

    history = History(path)
    assert history.moved is None
    with pytest.raises(Damaged, match=r"history\.db: .* backup"):
        history.after("#lobby", 0, 3000)
    history.close()
    assert move_aside(path) == tmp_path / "history.db.damaged-1"
    history = History(path)
    assert history.position == 0
    history.close()


@pytest.mark.parametrize("name", ["history.db", "history.db-wal", "history.db-shm"])
def test_where_a_folder_is_in_the_way_it_can_be_tried_again(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    for _ in range(2):
        with pytest.raises((OSError, sqlite3.Error)):
            History(tmp_path / "history.db")
    (tmp_path / name).rmdir()
    history = History(tmp_path / "history.db")
    history.add([row(1)], 1)
    history.close()


def on_the_disk(path: Path, place: Path) -> History:
    """What a power cut leaves at worst: the database as it is, without what only its log has."""
    place.mkdir()
    shutil.copy(path, place / path.name)
    return History(place / path.name)


def test_synced_it_needs_no_log(history: History, tmp_path: Path) -> None:
    history.add([row(1)], 10)
    history.add([row(2)], 20)
    assert history.sync() is True
    assert history.sync() is True
    history.add([row(3)], 30)
    copy = on_the_disk(tmp_path / "history.db", tmp_path / "cut")
    assert (copy.position, numbers(copy.latest("#lobby", 9))) == (20, [1, 2])
    copy.close()


def test_while_a_backup_reads_it_is_not_said_to_be_synced(history: History, tmp_path: Path) -> None:
    history.add([row(1)], 10)
    backup = sqlite3.connect(tmp_path / "history.db", isolation_level=None)
    backup.execute("BEGIN")
    backup.execute("SELECT * FROM messages").fetchall()
    history.add([row(2)], 20)
    assert history.sync() is False
    backup.close()
    assert history.sync() is True


def test_renamed_with_its_folder_it_goes_on_and_touches_no_other(tmp_path: Path) -> None:
    """SQLite knows its files by their names; it must not take another server's log for its own when it is closed."""
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    history = History(old / "history.db")
    history.add([row(1)], 1)
    old.rename(new)
    old.mkdir()
    other = History(old / "history.db")
    other.add([row(5)], 5)
    history.add([row(2)], 2)
    assert numbers(history.latest("#lobby", 9)) == [1, 2]
    history.close()
    other.add([row(6)], 6)
    other.close()
    for place, wanted in ((new, [1, 2]), (old, [5, 6])):
        again = History(place / "history.db")
        assert numbers(again.latest("#lobby", 9)) == wanted
        again.close()


SUFFIXES = ["", "-wal", "-shm"]


def gone(path: Path) -> None:
    path.unlink()


def replaced(path: Path) -> None:
    copy = path.with_name("copy")
    shutil.copy(path, copy)
    copy.rename(path)


@pytest.mark.parametrize("loss", [gone, replaced])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_that_has_lost_its_name_is_noticed(
    history: History, tmp_path: Path, suffix: str, loss: Callable[[Path], None]
) -> None:
    history.add([row(1)], 100)
    assert history.sync()
    assert history.is_in_place
    loss(tmp_path / f"history.db{suffix}")
    assert not history.is_in_place


def test_what_is_in_a_log_that_was_removed_is_not_lost(tmp_path: Path) -> None:
    history = History(tmp_path / "history.db")
    history.add([row(1)], 100)
    (tmp_path / "history.db-wal").unlink()
    history.add([row(2)], 200)
    history.close()
    history = History(tmp_path / "history.db")
    assert numbers(history.latest("#lobby", 9)) == [1, 2]
    history.close()


@pytest.mark.parametrize("with_its_log", [False, True])
def test_another_database_in_its_place_is_left_as_it_is(tmp_path: Path, with_its_log: bool) -> None:
    """From a backup, with its log or without. The log of the one that was there is not applied to it."""
    path, backup = tmp_path / "history.db", tmp_path / "backup.db"
    other = History(backup)
    other.add([row(1, "antes")], 100)
    assert other.sync()
    if with_its_log:
        other.add([row(2, "antes")], 200)
    history = History(path)
    history.add([row(7, "después")], 700)
    for suffix in SUFFIXES if with_its_log else [""]:
        shutil.copy(f"{backup}{suffix}", f"{path}{suffix}.copy")
        Path(f"{path}{suffix}.copy").rename(f"{path}{suffix}")
    other.close()
    history.add([row(8, "después")], 800)
    history.close()
    assert Path(f"{path}-wal").exists() == with_its_log

    history = History(path)
    assert history.moved is None
    assert [each[5] for each in history.latest("#lobby", 9)] == ["antes"] * (1 + with_its_log)
    history.close()


def test_who_asks_for_what_was_said_after_something_too_old_is_told_that_some_is_missing(tmp_path: Path) -> None:
    history = History(tmp_path / "history.db")
    old_rows: list[Any] = [(n, n * 1000, "#a", "ana!a@h", "PRIVMSG", f"line {n}") for n in range(1, 11)]
    history.add(old_rows, 1)
    assert history.expire(11_000, 6_000, HUGE) == 4
    after = history.after("#a", 2, 100)
    assert [(row[0], row[4]) for row in after] == [(2, GAP), *((number, "PRIVMSG") for number in range(5, 11))]
    assert [row[4] for row in history.after("#a", 4, 100)] == ["PRIVMSG"] * 6
    history.close()
