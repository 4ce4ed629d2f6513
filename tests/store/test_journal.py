"""The journal: what was appended comes back, whole and in order; what a crash tore is cut, and damage is refused."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from mpchat.store.journal import RESERVE_BYTES, Damaged, Journal, Tail, segment, segments

Record = tuple[Any, ...]

PATIENCE = 20.0
SPAWN = get_context("spawn")

BATCHES: list[list[Record]] = [
    [("start", 1700000000000, "hub.example")],
    [("line", 4294967301, 17, b"PRIVMSG #caf\xc3\xa9 :hola"), ("eof", 3)],
    [],
    [("answer", 7, True, None, 0.5)],
    [("line", 1, 2, b"\0" * 40)],
]


def journaled(folder: Path, batches: list[list[Record]] = BATCHES) -> list[int]:
    """Write these batches; where each of them ends."""
    journal = Journal(folder)
    ends = []
    for batch in batches:
        journal.append(batch)
        ends.append(journal.position)
    journal.close()
    return ends


def taken(folder: Path, start: int = 0) -> list[list[Record]]:
    """All that a new reader finds."""
    found = []
    with closing(Tail(folder, start)) as tail:
        while blocks := tail.take():
            found += [batch for _, batch in blocks]
    return found


def test_what_was_appended_comes_back_with_its_positions(tmp_path: Path) -> None:
    ends = journaled(tmp_path)

    tail = Tail(tmp_path, 0)
    assert tail.take() == list(zip(ends, BATCHES, strict=True))
    assert tail.position == ends[-1]
    assert tail.take() == []
    assert taken(tmp_path, ends[1]) == BATCHES[2:]
    tail.close()


def test_it_is_the_users_own_and_goes_on_where_it_ended(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "journal"
    (end, *_) = journaled(folder, [[("a",)]])
    journal = Journal(folder)
    assert journal.position == journal.size == end
    journal.append([("b",)])
    journal.close()

    assert taken(folder) == [[("a",)], [("b",)]]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(segment(folder, 0).stat().st_mode) == 0o600


def test_no_more_is_taken_at_once_than_asked_for_but_always_one_block(tmp_path: Path) -> None:
    large = [("line", b"x" * 5000)]
    journaled(tmp_path, [*BATCHES, large, *BATCHES])

    for limit in (1, 13, 100, 4096):
        tail = Tail(tmp_path, 0)
        turns, found = 0, []
        while blocks := tail.take(limit):
            turns += 1
            found += [batch for _, batch in blocks]
        tail.close()
        assert found == [*BATCHES, large, *BATCHES]
        assert turns > 1


# Torn, and damaged


def test_torn_at_every_byte_it_is_a_beginning_of_itself_and_goes_on(tmp_path: Path) -> None:
    ends = journaled(tmp_path)
    path = segment(tmp_path, 0)
    data = path.read_bytes()

    for size in range(len(data) + 1):
        path.write_bytes(data[:size])
        whole = [batch for end, batch in zip(ends, BATCHES, strict=True) if end <= size]
        assert taken(tmp_path) == whole

        journal = Journal(tmp_path)
        assert journal.position == path.stat().st_size == max([0, *(end for end in ends if end <= size)])
        journal.append([("next", size)])
        journal.close()
        assert taken(tmp_path) == [*whole, [("next", size)]]


def test_zeros_to_the_end_are_a_torn_end_too(tmp_path: Path) -> None:
    """So a file may look after a power cut: its length was on the disk, its last content was not."""
    ends = journaled(tmp_path)
    path = segment(tmp_path, 0)
    data = path.read_bytes()

    for size in range(len(data) + 1):
        path.write_bytes(data[:size] + bytes(4096))
        whole = [batch for end, batch in zip(ends, BATCHES, strict=True) if end <= size]
        assert taken(tmp_path) == whole
        Journal(tmp_path).close()
        assert path.read_bytes() == data[: max([0, *(end for end in ends if end <= size)])]


def test_a_change_of_any_byte_is_refused_and_nothing_is_cut(tmp_path: Path) -> None:
    journaled(tmp_path)
    path = segment(tmp_path, 0)
    data = path.read_bytes()

    for at in range(len(data)):
        for change in (0xFF, 1 << at % 8, data[at]):  # the last makes it 0
            damaged = bytearray(data)
            damaged[at] ^= change
            if damaged == data:
                continue
            path.write_bytes(damaged)
            with pytest.raises(Damaged, match=r"journal: byte \d+ .* backup"):
                Journal(tmp_path)
            with pytest.raises(Damaged, match=str(path)):
                taken(tmp_path)
            assert path.read_bytes() == damaged


def test_zeros_in_the_middle_are_damage(tmp_path: Path) -> None:
    (first, second, *_) = journaled(tmp_path)
    path = segment(tmp_path, 0)
    data = path.read_bytes()
    path.write_bytes(data[:first] + bytes(second - first) + data[second:])

    with pytest.raises(Damaged, match=f"byte {first} "):
        Journal(tmp_path)


def test_a_block_that_names_a_class_is_refused(tmp_path: Path) -> None:
    journaled(tmp_path, [[("path", Path("/"))]])

    with pytest.raises(Damaged, match="Path"):
        taken(tmp_path)


@pytest.mark.parametrize("lost", ["a segment", "the end of a segment", "half a block of a segment"])
def test_a_hole_between_segments_is_damage(tmp_path: Path, lost: str) -> None:
    firsts = rolled(tmp_path)
    middle = segment(tmp_path, firsts[1])
    if lost == "a segment":
        middle.unlink()
    else:
        os.truncate(middle, 0 if lost == "the end of a segment" else middle.stat().st_size - 1)

    with pytest.raises(Damaged):
        Journal(tmp_path)
    with pytest.raises(Damaged):
        taken(tmp_path)


# Segments


def rolled(folder: Path) -> list[int]:
    """The batches, each in a segment of its own; where they begin."""
    journal = Journal(folder)
    for batch in BATCHES:
        journal.roll()
        journal.roll()  # an empty segment is new enough
        journal.append(batch)
    journal.close()
    return segments(folder)


def test_segments_follow_one_another(tmp_path: Path) -> None:
    firsts = rolled(tmp_path)

    assert len(firsts) == len(BATCHES)
    assert sum(segment(tmp_path, first).stat().st_size for first in firsts) == Journal(tmp_path).size
    assert taken(tmp_path) == BATCHES
    assert taken(tmp_path, firsts[2]) == BATCHES[2:]


def test_trim_removes_whole_old_segments_and_never_the_last(tmp_path: Path) -> None:
    firsts = rolled(tmp_path)
    journal = Journal(tmp_path)

    journal.trim(firsts[2] - 1)
    assert segments(tmp_path) == firsts[1:]
    journal.trim(firsts[2])
    assert segments(tmp_path) == firsts[2:]
    assert journal.size == journal.position - firsts[2]
    journal.trim(journal.position + 1)
    assert segments(tmp_path) == firsts[-1:]
    journal.append([("after",)])
    journal.close()
    assert taken(tmp_path, firsts[-1]) == [BATCHES[-1], [("after",)]]


def test_a_reader_counts_what_was_removed_before_it_came(tmp_path: Path) -> None:
    firsts = rolled(tmp_path)
    journal = Journal(tmp_path)
    late = Tail(tmp_path, 0)
    assert [batch for _, batch in late.take(1)] == BATCHES[:1]
    journal.trim(firsts[3])

    new = Tail(tmp_path, 5)
    assert (new.position, new.gap) == (firsts[3], firsts[3] - 5)
    found = [batch for _ in BATCHES for _, batch in late.take(1)]
    assert found == BATCHES[3:]
    assert late.gap == firsts[3] - firsts[1]
    assert late.position == journal.position
    for each in (late, new, journal):
        each.close()


def test_a_reader_keeps_a_segment_that_is_removed_under_it(tmp_path: Path) -> None:
    firsts = rolled(tmp_path)
    tail = Tail(tmp_path, 0)
    Journal(tmp_path).trim(firsts[1])

    assert [batch for _ in BATCHES for _, batch in tail.take(1)] == BATCHES
    assert tail.gap == 0
    tail.close()


def test_a_reader_may_be_there_before_the_journal(tmp_path: Path) -> None:
    tail = Tail(tmp_path / "journal", 0)
    assert tail.take() == []
    journaled(tmp_path / "journal")
    assert [batch for _, batch in tail.take()] == BATCHES
    tail.close()


@pytest.mark.parametrize("beyond", [-1, 1, 1000])
def test_a_reader_whose_place_is_gone_begins_its_segment_again(tmp_path: Path, beyond: int) -> None:
    """A power cut may take an end that a reader had seen."""
    end = journaled(tmp_path)[-1]

    tail = Tail(tmp_path, end + beyond)
    assert (tail.position, tail.gap) == (0, 0)
    assert [batch for _, batch in tail.take()] == BATCHES
    tail.close()


# A writer in another process


def write_numbers(folder: Path, said: Connection, last: int) -> None:
    """Append 1, 2, 3 and so on, in blocks of many sizes and short segments; say each number when it is journaled."""
    journal = Journal(folder)
    number = max((batch[0][0] for batch in taken(folder)), default=0)
    while number < last:
        number += 1
        journal.append([(number, b"x" * (number * 37 % 9000))])
        said.send(number)
        if number % 50 == 0:
            journal.roll()


def test_a_reader_follows_a_writer(tmp_path: Path) -> None:
    said, saying = SPAWN.Pipe(duplex=False)
    writer = SPAWN.Process(target=write_numbers, args=(tmp_path, saying, 1000))
    writer.start()
    saying.close()
    tail = Tail(tmp_path, 0)
    found: list[object] = []
    deadline = monotonic() + PATIENCE
    while len(found) < 1000:
        assert monotonic() < deadline
        assert said.poll(PATIENCE)
        told = said.recv()
        while said.poll():
            told = said.recv()
        while blocks := tail.take(4096):
            found += [batch[0][0] for _, batch in blocks]
        assert len(found) >= told
    writer.join(PATIENCE)

    assert writer.exitcode == 0
    assert found == [*range(1, 1001)]
    assert len(segments(tmp_path)) == 21
    tail.close()
    said.close()


def test_what_was_appended_outlives_a_killed_writer(tmp_path: Path) -> None:
    follower = Tail(tmp_path, 0)
    found: list[object] = []
    for _ in range(5):
        said, saying = SPAWN.Pipe(duplex=False)
        writer = SPAWN.Process(target=write_numbers, args=(tmp_path, saying, 1 << 30))
        writer.start()
        saying.close()
        told = 0
        for _ in range(100):
            assert said.poll(PATIENCE)
            told = said.recv()
        writer.kill()
        writer.join(PATIENCE)
        said.close()

        found += [batch[0][0] for _, batch in follower.take(1 << 30)]
        while blocks := follower.take():
            found += [batch[0][0] for _, batch in blocks]
        assert found == [*range(1, len(found) + 1)]
        assert len(found) >= told
    follower.close()


# A disk that is full or broken


def in_a_process(target: Callable[..., None], *arguments: Any) -> None:
    process = SPAWN.Process(target=target, args=arguments)
    process.start()
    process.join(PATIENCE)
    assert process.exitcode == 0


def append_to_a_limit(folder: Path) -> None:
    journal = Journal(folder)
    journal.append([("before",)])
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 << 10, resource.RLIM_INFINITY))
    before = journal.position
    for _ in range(3):
        with pytest.raises(OSError, match="too large") as error:
            journal.append([("large", b"x" * (128 << 10))])
        assert error.value.errno == errno.EFBIG
        assert journal.position == before == segment(folder, 0).stat().st_size
    journal.append([("small",)])
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    journal.append([("large", b"x" * (128 << 10))])


def test_a_batch_that_does_not_fit_leaves_no_trace(tmp_path: Path) -> None:
    in_a_process(append_to_a_limit, tmp_path)

    assert [batch[0][0] for batch in taken(tmp_path)] == ["before", "small", "large"]
    Journal(tmp_path).close()


@pytest.mark.skipif(sys.platform != "linux", reason="mounts a small file system of its own")
def test_the_reserve_holds_what_must_be_said_on_a_full_disk(tmp_path: Path) -> None:
    alone = [shutil.which("unshare") or "true", "--map-root-user", "--mount"]
    mount = 'mount -t tmpfs -o size=4m none "$0" && exec "$@"'
    if subprocess.run([*alone, "sh", "-c", mount, tmp_path, "true"], capture_output=True, timeout=PATIENCE).returncode:
        pytest.skip("this user may not mount")

    subprocess.run(
        [*alone, "sh", "-c", mount, tmp_path, sys.executable, "-m", __name__, tmp_path],
        cwd=Path(__file__).parent.parent.parent,
        timeout=PATIENCE,
        check=True,
    )


def append_for_ever(journal: Journal, batch: list[Record]) -> None:
    while True:
        journal.append(batch)


def fill_the_disk(folder: Path) -> None:
    journal = Journal(folder / "journal")
    large: list[Record] = [("large", b"x" * (100 << 10))]
    with pytest.raises(OSError, match="No space"):
        append_for_ever(journal, large)
    room = journal.position

    journal.release_reserve()
    journal.release_reserve()  # it may be gone already
    journal.append([("refused", b"%0200d" % number) for number in range(1000)])
    assert journal.keep_reserve() is False
    assert not (folder / "journal" / "reserve").exists()
    journal.append(large)

    journal.roll()
    journal.trim(journal.position)  # somebody made room
    assert journal.keep_reserve() is True
    journal.append(large)
    assert taken(folder / "journal", room)[-1] == large


def test_a_reserve_is_real_and_made_again_when_torn(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    reserve = tmp_path / "reserve"
    assert reserve.stat().st_blocks * 512 >= RESERVE_BYTES
    os.truncate(reserve, 10)
    assert journal.keep_reserve() is True
    assert reserve.stat().st_size == RESERVE_BYTES
    journal.close()


def test_a_batch_that_could_not_be_synced_leaves_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(tmp_path, synced=True)
    journal.append([("a",)])
    journal.roll()
    before = journal.position

    def broken(fd: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr("mpchat.store.journal.sync_data", broken)
        with pytest.raises(OSError, match="Input/output"):
            journal.append([("b",)])
    assert journal.position == before
    journal.append([("c",)])
    journal.close()

    assert taken(tmp_path) == [[("a",)], [("c",)]]


def half_then_full(fd: int, data: bytes) -> int:
    """A write(2) on a disk that is full in the middle of it."""
    if len(data) < 40:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    return real_write(fd, data[: len(data) // 2])


def refuse(*_: object) -> None:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


real_write = os.write


@pytest.mark.parametrize("synced", [False, True])
def test_what_could_not_be_undone_is_undone_before_anything_follows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, synced: bool
) -> None:
    """Half a block in the middle would be damage, for all that is behind it."""
    journal = Journal(tmp_path, synced)
    journal.append([("a",)])
    before = journal.position
    with monkeypatch.context() as patch:
        patch.setattr(os, "ftruncate", refuse)
        with monkeypatch.context() as full:
            full.setattr(os, "write", half_then_full)
            with pytest.raises(OSError, match="No space"):
                journal.append([("lost", b"x" * 100)])
        for _ in range(2):
            with pytest.raises(OSError, match="Input/output"):
                journal.append([("refused",)])
            with pytest.raises(OSError, match="Input/output"):
                journal.roll()
            with pytest.raises(OSError, match="Input/output"):
                journal.append_at_all_costs([("refused",)])
        assert journal.position == before < segment(tmp_path, 0).stat().st_size
        assert segments(tmp_path) == [0]
        assert taken(tmp_path) == [[("a",)]]
    journal.append([("b",)])
    journal.roll()
    journal.append([("c",)])
    journal.close()

    assert taken(tmp_path) == [[("a",)], [("b",)], [("c",)]]


def append_only(path: Path, is_so: bool) -> None:
    """chattr(1): what is in the file may not be cut. It is the one real way to have ftruncate(2) refused alone."""
    chattr = shutil.which("chattr")
    done = chattr and subprocess.run([chattr, "+a" if is_so else "-a", path], capture_output=True, timeout=PATIENCE)
    if not done or done.returncode:
        pytest.skip("this user or file system has no such attribute")


def test_the_same_on_a_real_file_that_may_not_be_cut(tmp_path: Path) -> None:
    Journal(tmp_path).close()
    append_only(segment(tmp_path, 0), True)
    try:
        in_a_process(append_to_what_cannot_be_cut, tmp_path)
    finally:
        append_only(segment(tmp_path, 0), False)
    size = segment(tmp_path, 0).stat().st_size
    journal = Journal(tmp_path)
    assert journal.cut > 0
    assert journal.position + journal.cut == size
    journal.close()
    assert taken(tmp_path) == [[("before",)]]


def append_to_what_cannot_be_cut(folder: Path) -> None:
    """(Opened before; the attribute holds for what is open already, too.)"""
    append_only(segment(folder, 0), False)
    journal = Journal(folder)
    append_only(segment(folder, 0), True)
    journal.append([("before",)])
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 << 10, resource.RLIM_INFINITY))
    with pytest.raises(OSError, match="too large"):
        journal.append([("large", b"x" * (128 << 10))])
    for _ in range(3):
        with pytest.raises(OSError, match="not permitted"):
            journal.append([("refused",)])


def test_a_new_segment_is_known_by_its_name_before_anything_in_it_is_acknowledged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a power cut would take the file, and with it what fdatasync(2) had promised."""
    journal = Journal(tmp_path, synced=True)
    journal.append([("a",)])
    named: list[Path] = []
    with monkeypatch.context() as patch:
        patch.setattr("mpchat.store.journal.sync_folder", refuse)
        with pytest.raises(OSError, match="Input/output"):
            journal.roll()
        with pytest.raises(OSError, match="Input/output"):
            journal.append([("b",)])
        patch.setattr("mpchat.store.journal.sync_folder", named.append)
        journal.append([("c",)])
        journal.append([("d",)])
        assert named == [tmp_path, tmp_path.parent]
    journal.close()
    assert taken(tmp_path) == [[("a",)], [("c",)], [("d",)]]


@pytest.mark.parametrize("error", [errno.EROFS, errno.EIO, errno.EACCES])
def test_a_reserve_that_cannot_be_had_nor_given_back_is_no_reason_to_die(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    """As on a file system that has become read-only, which is what Linux makes of one with errors."""
    journal = Journal(tmp_path)
    os.truncate(tmp_path / "reserve", 10)

    def refused(*_: object, **__: object) -> None:
        raise OSError(error, os.strerror(error))

    with monkeypatch.context() as patch:
        for method in ("unlink", "write_bytes", "stat"):
            patch.setattr(Path, method, refused)
        journal.release_reserve()
        assert journal.keep_reserve() is False
    assert journal.keep_reserve() is True
    journal.close()


# After a power cut, where nothing was synced behind some position


@pytest.mark.parametrize("torn", ["nothing of it", "half a block", "zeros", "a block less"])
@pytest.mark.parametrize("which", [0, 1, 2, 3])
def test_what_is_behind_a_tear_is_cut(tmp_path: Path, torn: str, which: int) -> None:
    firsts = rolled(tmp_path)
    middle = segment(tmp_path, firsts[which])
    data = middle.read_bytes()
    middle.write_bytes(
        {"nothing of it": b"", "half a block": data[:-1], "zeros": bytes(len(data)), "a block less": b""}[torn]
    )
    journal = Journal(tmp_path, whole_to=firsts[which])
    assert journal.position == firsts[which]
    assert journal.cut > 0
    journal.append([("next",)])
    journal.close()
    assert taken(tmp_path) == [*BATCHES[:which], [("next",)]]


@pytest.mark.parametrize("lost", ["a segment", "the end of a segment", "half a block of a segment"])
def test_before_that_position_it_is_damage_still(tmp_path: Path, lost: str) -> None:
    firsts = rolled(tmp_path)
    middle = segment(tmp_path, firsts[1])
    if lost == "a segment":
        middle.unlink()
    else:
        os.truncate(middle, 0 if lost == "the end of a segment" else middle.stat().st_size - 1)
    before = {path: path.read_bytes() for path in tmp_path.glob("*.journal")}
    for whole_to in firsts[2:]:
        with pytest.raises(Damaged, match=r"byte \d+ is where this file ends, and the next one begins at \d+"):
            Journal(tmp_path, whole_to=whole_to)
    if lost == "a segment":
        with pytest.raises(Damaged):
            Journal(tmp_path, whole_to=firsts[1])
    assert {path: path.read_bytes() for path in tmp_path.glob("*.journal")} == before


# Under which the files are taken away


def test_it_knows_when_its_files_are_taken_away_and_begins_again(tmp_path: Path) -> None:
    firsts = rolled(tmp_path / "journal")
    journal = Journal(tmp_path / "journal")
    tail = Tail(tmp_path / "journal", firsts[-1])
    assert journal.is_whole
    segment(tmp_path / "journal", firsts[1]).unlink()
    assert not journal.is_whole
    shutil.rmtree(tmp_path / "journal")
    assert not journal.is_whole
    journal.append([("to nobody's file",)])
    before = journal.position
    journal.begin_again()
    assert journal.is_whole
    assert segments(tmp_path / "journal") == [before] == [journal.position]
    journal.append([("after",)])
    assert [batch for _, batch in tail.take()] == [BATCHES[-1], [("to nobody's file",)]]
    assert [batch for _, batch in tail.take()] == [[("after",)]]
    assert tail.gap == 0, "a reader has the file open, whatever its name"
    tail.close()
    journal.close()
    journal = Journal(tmp_path / "journal")
    assert journal.position > before
    journal.close()


if __name__ == "__main__":
    fill_the_disk(Path(sys.argv[1]))
