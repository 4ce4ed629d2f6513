"""What --keep-journal keeps: each segment, and each run's first snapshot. All of it can be read, whatever goes on."""

from __future__ import annotations

import errno
import gc
import os
import shutil
import threading
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from time import monotonic

import pytest

from mpchat.messages import Record
from mpchat.store import kept_journal, snapshot
from mpchat.store.journal import FACTS, Damaged, Journal, segment, segments
from mpchat.store.kept_journal import Reading, Removed, begin_run, born_of, note_born, read_snapshot, snapshots

Block = list[Record]

PATIENCE = 20.0
BORN = 1_700_000_000_000
MUCH = 3000  # blocks, in some forty segments


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def kept(data: Path) -> Path:
    return data / "kept"


def opened(data: Path, keeps: bool = True) -> Journal:
    return Journal(data / "journal", kept=data / "kept" if keeps else None)


def block(number: int) -> Block:
    return [("stop", f"record {number}")]


def numbers(blocks: Iterable[tuple[int, Block]]) -> list[int]:
    return [int(str(record[1]).removeprefix("record ")) for _, records in blocks for record in records]


def rolled(journal: Journal, count: int, first: int = 0) -> list[int]:
    """Append so many blocks, each in a segment of its own, and begin another one; where each began."""
    starts = []
    for number in range(first, first + count):
        starts.append(journal.position)
        journal.append(block(number))
        journal.roll()
    return starts


def taken(data: Path, position: int, state: bytes = b"state") -> None:
    """A snapshot is taken."""
    snapshot.prepare(data, position, state)
    snapshot.install(data)


def read(data: Path, at: int | None = None) -> tuple[int, list[int]]:
    """Where a reading begins, and what it finds."""
    with closing(Reading(data, at)) as reading:
        return reading.begin, numbers(reading.blocks())


@pytest.fixture(autouse=True)
def _no_descriptor_stays() -> Iterator[None]:
    gc.collect()  # what a test before this one has left must not go during this one
    before = os.listdir("/proc/self/fd")
    yield
    assert len(os.listdir("/proc/self/fd")) == len(before)


# Segments


def test_a_segment_that_nobody_needs_is_moved(data: Path, kept: Path) -> None:
    journal = opened(data)
    starts = rolled(journal, 3)
    content = segment(data / "journal", starts[0]).read_bytes()
    journal.trim(starts[2])
    journal.close()
    assert segments(kept) == starts[:2]
    assert segments(data / "journal") == [starts[2], journal.position]
    assert segment(kept, starts[0]).read_bytes() == content
    assert kept.stat().st_mode & 0o777 == 0o700
    assert read(data) == (0, [0, 1, 2])


def test_it_is_removed_where_nothing_is_kept(data: Path, kept: Path) -> None:
    journal = opened(data, keeps=False)
    starts = rolled(journal, 3)
    journal.trim(starts[2])
    journal.close()
    assert not kept.exists()
    with pytest.raises(Damaged, match="no snapshot fits its journal"):
        Reading(data)


def test_somebody_has_removed_it(data: Path, kept: Path) -> None:
    journal = opened(data)
    starts = rolled(journal, 2)
    segment(data / "journal", starts[0]).unlink()
    journal.trim(journal.position)
    journal.close()
    assert segments(kept) == [starts[1]]


def test_a_journal_that_begins_again_keeps_what_there_was(data: Path, kept: Path) -> None:
    journal = opened(data)
    starts = rolled(journal, 3)
    segment(data / "journal", starts[1]).unlink()
    journal.append(block(3))
    end = journal.position
    journal.begin_again()
    journal.append(block(4))
    journal.close()
    assert segments(kept) == [starts[0], starts[2], segments(kept)[2]]
    assert segments(data / "journal") == [end]


# The snapshot with which a run begins


def test_it_keeps_its_content_as_the_current_one_is_replaced(data: Path, kept: Path) -> None:
    journal = opened(data)
    rolled(journal, 2)
    at = journal.position
    taken(data, at, b"then")
    journal.close()
    assert begin_run(data, BORN) is None
    assert begin_run(data, BORN) is None, "the next run begins with the same"
    taken(data, at, b"now")
    assert snapshots(kept) == [at]
    assert snapshot.read_file(kept / f"{at:020}.snapshot") == (at, b"then")
    assert read_snapshot(data, at) == b"now"
    assert read_snapshot(data, at + 1) is None


def test_there_is_none_yet(data: Path, kept: Path) -> None:
    assert begin_run(data, BORN) is None
    assert list(kept.iterdir()) == []


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOTSUP, errno.EMLINK, errno.EXDEV])
def test_a_file_system_without_links(data: Path, kept: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    journal = opened(data)
    rolled(journal, 1)
    journal.close()
    taken(data, journal.position, b"then")

    def refused(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", refused)
    for _ in range(2):
        begin_run(data, BORN)
    taken(data, journal.position, b"now")
    assert [path.name for path in kept.iterdir()] == [f"{journal.position:020}.snapshot"]
    assert snapshot.read_file(next(kept.iterdir())) == (journal.position, b"then")


def test_a_full_disk(data: Path, kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = opened(data)
    rolled(journal, 1)
    journal.close()
    taken(data, journal.position)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "link", full)
    with pytest.raises(OSError, match="No space left"):
        begin_run(data, BORN)
    assert list(kept.iterdir()) == []


def test_what_is_of_another_journal_is_set_aside(data: Path, kept: Path) -> None:
    """Somebody has moved the journal and the snapshot away, as the advice is where they are damaged."""
    for number in (1, 2):
        journal = opened(data)
        starts = rolled(journal, 2)
        journal.trim(starts[1])
        journal.close()
        assert begin_run(data, BORN) is None
        shutil.rmtree(data / "journal")
        assert begin_run(data, BORN) == data / f"kept-{number}"
        assert segments(data / f"kept-{number}") == [0]
        assert list(kept.iterdir()) == []


def test_so_is_a_snapshot_from_behind_the_end(data: Path, kept: Path) -> None:
    journal = opened(data)
    rolled(journal, 2)
    journal.close()
    taken(data, journal.position)
    begin_run(data, BORN)
    shutil.rmtree(data / "journal")
    (data / "snapshot").unlink()
    assert begin_run(data, BORN) == data / "kept-1"
    assert snapshots(data / "kept-1") == [journal.position]


def test_so_is_what_was_kept_of_another_one_that_was_shorter(data: Path, kept: Path) -> None:
    """By the positions alone it could be this one's."""
    journal = opened(data)
    begin_run(data, 0)
    starts = rolled(journal, 2)
    note_born(data, BORN)
    journal.trim(starts[1])
    journal.close()
    shutil.rmtree(data / "journal")
    journal = opened(data, keeps=False)
    rolled(journal, 4)
    journal.trim(journal.position)
    journal.close()
    assert begin_run(data, BORN + 1) == data / "kept-1"
    note_born(data, BORN + 1)
    assert (born_of(data), list(kept.iterdir())) == (BORN + 1, [kept / "born"])
    assert begin_run(data, BORN + 1) is None
    assert begin_run(data, 0) == data / "kept-2", "a journal that begins now has nothing that is kept"


def test_a_link_to_another_disk(data: Path, kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """rename(2) does not go there: it is copied, and then removed."""
    real = Path.rename

    def rename(path: Path, to: Path) -> Path:
        if path.parent != to.parent:
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        return real(path, to)

    journal = opened(data)
    starts = rolled(journal, 3)
    monkeypatch.setattr(Path, "rename", rename)
    journal.trim(starts[2])
    journal.close()
    assert segments(kept) == starts[:2]
    assert [path.suffix for path in kept.iterdir()] == [".journal", ".journal"]
    assert segments(data / "journal") == [starts[2], journal.position]
    assert read(data) == (0, [0, 1, 2])


def test_where_nothing_can_be_kept_the_journal_still_begins_again(data: Path, kept: Path) -> None:
    """A segment that stayed in front of a hole would let no server start any more."""
    journal = opened(data)
    starts = rolled(journal, 3)
    kept.write_text("a file")
    with pytest.raises(NotADirectoryError):
        journal.trim(starts[2])
    assert segments(data / "journal") == [*starts, journal.position]
    segment(data / "journal", starts[1]).unlink()
    assert not journal.is_whole
    journal.append(block(3))
    journal.begin_again()
    begins = journal.position
    journal.append(block(4))
    journal.close()
    assert segments(data / "journal") == [begins]
    assert len(list((data / "journal").glob("*.not-kept"))) == 3, "nothing is lost"
    opened(data).close()


# Reading


def test_what_is_removed_while_it_is_read(data: Path, kept: Path) -> None:
    journal = opened(data)
    starts = rolled(journal, 3)
    journal.trim(starts[2])
    journal.close()
    with closing(Reading(data)) as reading:
        blocks = reading.blocks()
        next(blocks)
        shutil.rmtree(kept)
        with pytest.raises(Removed):
            list(blocks)


def test_a_pipe_that_has_a_segments_name(data: Path) -> None:
    journal = opened(data)
    rolled(journal, 1)
    journal.close()
    segment(data / "journal", journal.position).unlink()
    os.mkfifo(segment(data / "journal", journal.position))
    with pytest.raises(Damaged, match="it is no file"):
        Reading(data)


def test_no_journal(data: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Reading(data)


def test_facts_are_no_records(data: Path) -> None:
    journal = opened(data)
    journal.append(block(0))
    journal.append([(1, 2, "#a", "ana!a@b", "PRIVMSG", "hola", 0)], FACTS)
    journal.append(block(1))
    journal.close()
    with closing(Reading(data)) as reading:
        found = list(reading.blocks())
        assert numbers(found) == [0, 1]
        assert list(reading.blocks()) == found, "as often as it is wanted"
        assert reading.end == journal.position


def test_it_begins_at_the_oldest_snapshot_or_at_the_newest_before_a_position(data: Path, kept: Path) -> None:
    journal = opened(data)
    starts = rolled(journal, 3)
    taken(data, starts[1], b"one")
    begin_run(data, BORN)
    starts += rolled(journal, 3, first=3)
    taken(data, starts[4], b"four")
    journal.trim(starts[4])
    journal.close()
    assert read(data) == (0, [0, 1, 2, 3, 4, 5])
    assert read(data, at=starts[3] + 1) == (starts[1], [1, 2, 3, 4, 5])
    assert read(data, at=starts[5]) == (starts[4], [4, 5])
    segment(kept, starts[0]).unlink()
    assert read(data) == (starts[1], [1, 2, 3, 4, 5])
    assert read(data, at=0) == (starts[1], [1, 2, 3, 4, 5])
    with closing(Reading(data)) as reading:
        assert reading.state == b"one"


def test_a_hole(data: Path, kept: Path) -> None:
    """The last stretch is read, or the one that has the position."""
    journal = opened(data)
    starts = rolled(journal, 6)
    taken(data, starts[4])
    journal.trim(starts[4])
    journal.close()
    segment(kept, starts[2]).unlink()
    assert read(data) == (starts[4], [4, 5])
    assert read(data, at=starts[1]) == (0, [0, 1])
    assert read(data, at=starts[2]) == (starts[4], [4, 5])


def test_the_end_of_what_a_power_cut_tore_has_no_snapshot(data: Path) -> None:
    """A server would cut it; what is before can be read."""
    journal = opened(data)
    starts = rolled(journal, 4)
    journal.close()
    taken(data, starts[1])
    with open(segment(data / "journal", starts[2]), "r+b") as file:
        file.truncate(5)
    assert read(data) == (0, [0, 1])


def test_nothing_fits(data: Path) -> None:
    journal = opened(data)
    starts = rolled(journal, 3)
    journal.close()
    for start in starts[:2]:
        segment(data / "journal", start).unlink()
    with pytest.raises(Damaged, match=r"no snapshot fits its journal\. Bring the data directory back"):
        Reading(data)


def test_a_torn_end_is_left_out_and_damage_is_told(data: Path) -> None:
    journal = opened(data)
    starts = [journal.position]
    for number in range(3):
        journal.append(block(number))
        starts.append(journal.position)
    journal.close()
    path = segment(data / "journal", 0)
    whole = path.read_bytes()
    for size in range(starts[2] + 1, starts[3]):
        path.write_bytes(whole[:size])
        assert read(data) == (0, [0, 1])
    path.write_bytes(whole[: starts[1] + 20] + b"?" + whole[starts[1] + 21 :])
    with closing(Reading(data)) as reading, pytest.raises(Damaged, match="whose checksum is wrong"):
        list(reading.blocks())


def test_what_is_written_behind_its_end_is_not_read(data: Path) -> None:
    journal = opened(data)
    journal.append(block(0))
    with closing(Reading(data)) as reading:
        journal.append(block(1))
        rolled(journal, 2, first=2)
        journal.trim(journal.position)
        assert numbers(reading.blocks()) == [0]
    journal.close()


def test_a_snapshot_that_is_replaced_while_it_is_looked_for(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then it looks again; but not for ever."""
    journal = opened(data, keeps=False)
    starts = rolled(journal, 4)
    taken(data, starts[1])
    journal.trim(starts[1])
    looks: list[int] = []
    usual = kept_journal.read_snapshot

    def replaced(folder: Path, position: int) -> bytes | None:
        looks.append(position)
        if len(looks) == 1:
            taken(data, starts[2])
            journal.trim(starts[2])
        return usual(folder, position)

    monkeypatch.setattr(kept_journal, "read_snapshot", replaced)
    assert read(data) == (starts[2], [2, 3])
    assert looks == [starts[1], starts[2]]
    monkeypatch.setattr(kept_journal, "read_snapshot", lambda *_: None)
    with pytest.raises(Damaged, match="it is not there, or not what its name says"):
        Reading(data)
    journal.close()


@pytest.mark.parametrize("keeps", [True, False])
def test_while_a_server_writes_rolls_and_trims_it_is_always_a_stretch_without_a_gap(data: Path, keeps: bool) -> None:
    """From a snapshot, or from the beginning, on: no block is left out, none comes twice, none is torn."""
    journal = opened(data, keeps)
    where: dict[int, int] = {0: 0}  # by position: the number of the next block
    ends, failed = threading.Event(), []

    def serve() -> None:
        try:
            number = 0
            while not ends.is_set() and number < 200_000:
                for _ in range(7):
                    journal.append(block(number))
                    number += 1
                if number % 70 == 0:
                    journal.roll()
                    where[journal.position] = number
                    taken(data, journal.position, str(number).encode())
                    journal.trim(journal.position - 1000)
        except BaseException as error:
            failed.append(error)
            raise

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        last = begins = 0
        deadline = monotonic() + PATIENCE
        while last < MUCH:
            assert monotonic() < deadline, failed
            with closing(Reading(data)) as reading:
                first = where[reading.begin]
                found = numbers(reading.blocks())
                assert reading.state == (str(first).encode() if first else None)
            assert found == list(range(first, first + len(found)))
            assert first + len(found) >= last
            last, begins = first + len(found), max(begins, first)
    finally:
        ends.set()
        thread.join()
        journal.close()
    assert not failed
    assert (begins == 0) == keeps
    begin, found = read(data)
    assert where[begin] + len(found) >= last
