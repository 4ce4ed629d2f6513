"""The snapshot: the newest whole one is read, or it is refused."""

from __future__ import annotations

import resource
import stat
from multiprocessing import get_context
from pathlib import Path

import pytest

from mpchat.store import snapshot
from mpchat.store.journal import Damaged


def write(folder: Path, position: int, state: bytes) -> None:
    snapshot.prepare(folder, position, state)
    snapshot.install(folder)


def test_the_newest_is_read(tmp_path: Path) -> None:
    assert (snapshot.read(tmp_path), snapshot.position(tmp_path)) == (None, 0)
    write(tmp_path, 0, b"")
    assert snapshot.read(tmp_path) == (0, b"")
    write(tmp_path, 1 << 40, b"state" * 1000)
    assert snapshot.read(tmp_path) == (1 << 40, b"state" * 1000)
    assert snapshot.position(tmp_path) == 1 << 40

    assert [path.name for path in tmp_path.iterdir()] == ["snapshot"]
    assert stat.S_IMODE((tmp_path / "snapshot").stat().st_mode) == 0o600


def test_torn_or_changed_anywhere_it_is_refused(tmp_path: Path) -> None:
    write(tmp_path, 77, b"the state")
    path = tmp_path / "snapshot"
    data = path.read_bytes()
    torn = [data[:size] for size in range(len(data))]
    changed = [
        data[:at] + bytes([data[at] ^ change]) + data[at + 1 :] for at in range(len(data)) for change in (1, 255)
    ]

    for damaged in (*torn, *changed, data + b"\0"):
        path.write_bytes(damaged)
        with pytest.raises(Damaged, match=r"snapshot: byte \d+ .* move the file 'snapshot' and"):
            snapshot.read(tmp_path)


def test_one_that_was_left_half_written_is_no_snapshot(tmp_path: Path) -> None:
    write(tmp_path, 5, b"old")
    (tmp_path / "snapshot.new").write_bytes(b"x" * 1000)
    assert snapshot.read(tmp_path) == (5, b"old")
    write(tmp_path, 6, b"new")
    assert snapshot.read(tmp_path) == (6, b"new")


def write_to_a_limit(folder: Path) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 << 10, resource.RLIM_INFINITY))
    with pytest.raises(OSError, match="too large"):
        write(folder, 6, b"x" * (128 << 10))


def test_a_full_disk_leaves_the_old_one(tmp_path: Path) -> None:
    write(tmp_path, 5, b"old")
    process = get_context("spawn").Process(target=write_to_a_limit, args=(tmp_path,))
    process.start()
    process.join(20)

    assert process.exitcode == 0
    assert snapshot.read(tmp_path) == (5, b"old")
    assert [path.name for path in tmp_path.iterdir()] == ["snapshot"]
