"""The broker's memory, and a power cut at any moment: whatever the disk has of it then, the next broker can begin.

What the disk has is worked out from the real files and the real calls of fsync(2) and fdatasync(2): of a file, what it
held when it was last synced; of a folder, its names of then or of now, or only those that are new or only those that
are old, for a disk writes in the order it likes.
"""

from __future__ import annotations

import os
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mpchat.broker import recovery, snapshot_writer
from mpchat.broker.recovery import Recovery
from mpchat.ipc.scoreboard import BROKER_ROW, FIRST_WORKER_ROW, Scoreboard
from mpchat.messages import ConnectionId
from mpchat.runtime.heartbeat import Heartbeat
from mpchat.runtime.log import Log
from mpchat.settings import ChatSettings, pack
from mpchat.store import snapshot
from mpchat.store.journal import segments
from tests.running import PATIENCE

HUGE = 1 << 40
Names = dict[str, int]  # of a folder: the files' inodes
Image = tuple[tuple[str, bytes], ...]  # of all files, by their place


class Disk:
    """What a power cut would leave of a data directory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.content: dict[int, bytes] = {}  # by inode, as last synced
        self.names: dict[str, Names] = {"": {}, "journal": {}}  # as last synced
        self.images: dict[Image, int] = {}  # and what at least must be known to whoever finds one
        self.least = 0
        self.lock = threading.Lock()
        self.kept: dict[int, int] = {}  # descriptors by inode: as long as a file is open no other gets its number

    def sync(self, fd: int) -> None:
        about = os.fstat(fd)
        if stat.S_ISDIR(about.st_mode):
            for place in self.names:
                if os.path.samestat(about, os.stat(self.folder / place)):
                    self.names[place] = self.now(place)
        else:
            self.content[about.st_ino] = Path(f"/proc/self/fd/{fd}").read_bytes()

    def now(self, place: str) -> Names:
        found = (path for path in (self.folder / place).iterdir() if path.name != "reserve")
        names = {path.name: path.stat().st_ino for path in found}
        for name, inode in names.items():
            if inode not in self.kept:
                self.kept[inode] = os.open(self.folder / place / name, os.O_RDONLY)
        return names

    def look(self) -> None:
        with self.lock:
            for which in range(4):
                names = {place: self.left(self.names[place], self.now(place), which) for place in self.names}
                files = {f"{place}/{name}": inode for place, some in names.items() for name, inode in some.items()}
                if "journal" not in names[""]:
                    files = {path: inode for path, inode in files.items() if not path.startswith("journal/")}
                image = tuple((path, self.content.get(inode, b"")) for path, inode in sorted(files.items()))
                self.images[image] = max(self.least, self.images.get(image, 0))

    @staticmethod
    def left(old: Names, new: Names, which: int) -> Names:
        """Nothing that was done to the folder since; all of it; what was taken away; what was put there."""
        return [old, new, {name: old[name] for name in old if name in new}, {**old, **new}][which]


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    (tmp_path / "data" / "journal").mkdir(parents=True)
    it = Disk(tmp_path / "data")
    real_data, real_all = os.fdatasync, os.fsync

    def synced(fd: int) -> None:
        it.look()
        real_all(fd)
        it.sync(fd)
        it.look()

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", synced)
        patch.setattr(os, "fsync", synced)
        for module in (recovery, snapshot_writer):
            patch.setattr(module, "crash_point", lambda step: it.look())
        yield it
    assert (os.fdatasync, os.fsync) == (real_data, real_all)
    for fd in it.kept.values():
        os.close(fd)


def remembering(folder: Path, synced: bool = False) -> Recovery:
    heartbeat, log = Heartbeat(Scoreboard.make(FIRST_WORKER_ROW), BROKER_ROW), Log("broker", "error", False)
    it = Recovery(folder, 1, synced, heartbeat, log, lambda place: None)
    it.open()
    it.replay(it.read(), 0)
    return it


def goes_on(it: Recovery, blocks: int = 5) -> None:
    for _ in range(blocks):
        now = time.monotonic_ns() // 1_000_000
        it.propose([("clock", now, now)] * 500)


def begun(folder: Path, synced: bool = False) -> Recovery:
    it = remembering(folder, synced)
    it.propose([("start", pack(ChatSettings()), 1, 0, 1, 1)])
    return it


def until_reported(it: Recovery) -> None:
    deadline = time.monotonic() + PATIENCE
    while not it.writer.reported:
        assert time.monotonic() < deadline
        time.sleep(0.001)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="looks into /proc")
@pytest.mark.parametrize("synced", [False, True], ids=["process", "power"])
def test_after_a_power_cut_the_next_broker_can_begin(disk: Disk, tmp_path: Path, synced: bool) -> None:
    it = begun(disk.folder, synced)
    history_at = 0
    for turn in range(4):
        it._not_before = 0
        goes_on(it)
        disk.least = it.position if synced else disk.least
        it.tend(history_at, HUGE)
        goes_on(it, 1)
        until_reported(it)
        disk.least = it.position if synced else max(disk.least, it.writer.position)
        disk.look()
        history_at = it.position if turn % 2 else history_at
        it.tend(history_at, HUGE)
        disk.look()
    assert segments(disk.folder / "journal")[0] > 0
    assert len(disk.images) > 20
    assert it.journal is not None
    it.journal.close()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fdatasync", lambda fd: None)
        patch.setattr(os, "fsync", lambda fd: None)
        for number, (image, least) in enumerate(disk.images.items()):
            again = tmp_path / "again" / str(number)
            for name, content in image:
                path = again / name.lstrip("/")
                if name != "/journal":
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(content)
            again.mkdir(parents=True, exist_ok=True)
            next_one = begun(again, synced)
            assert next_one.position > least, [(name, len(content)) for name, content in image]
            assert next_one.journal is not None
            next_one.journal.close()


def test_the_loop_does_not_wait_for_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not for a snapshot, however slow it is; and as long as that is not on the disk, no segment goes."""
    gate, held = threading.Event(), threading.Event()

    def slow(folder: Path, position: int, state: bytes) -> None:
        held.set()
        assert gate.wait(PATIENCE)
        prepare(folder, position, state)

    prepare = snapshot.prepare
    monkeypatch.setattr(snapshot, "prepare", slow)
    it = begun(tmp_path)
    goes_on(it)
    assert it.is_due(time.monotonic())
    it.tend(HUGE, HUGE)
    assert held.wait(PATIENCE)
    goes_on(it)
    assert not it.is_due(time.monotonic()), "one at a time"
    it.tend(HUGE, HUGE)
    assert segments(tmp_path / "journal")[0] == 0
    assert not (tmp_path / "snapshot").exists()
    gate.set()
    until_reported(it)
    assert it.is_due(time.monotonic())
    it.tend(HUGE, HUGE)
    assert segments(tmp_path / "journal")[0] == snapshot.position(tmp_path) > 0
    assert it.journal is not None
    it.journal.close()


def test_an_older_programs_note_that_leaves_the_start_out_is_not_heeded(tmp_path: Path) -> None:
    it = begun(tmp_path)
    it.propose([("skip", 1, ConnectionId(0))])
    goes_on(it)
    assert it.journal is not None
    it.journal.close()
    it = remembering(tmp_path)
    assert len(it.outboxes) == 1
    assert it.journal is not None
    it.journal.close()


@pytest.mark.parametrize("trouble", ["the segments", "the snapshot", "its name", "a thread"])
def test_a_snapshot_that_cannot_be_written_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: str, capfd: pytest.CaptureFixture[str]
) -> None:
    it = begun(tmp_path)
    goes_on(it)

    def broken(*_: object) -> None:
        raise OSError(5, "Input/output error")

    def no_thread(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    where, name = {
        "the segments": (snapshot_writer, "sync_file"),
        "the snapshot": (snapshot, "prepare"),
        "its name": (snapshot, "install"),
        "a thread": (threading.Thread, "start"),
    }[trouble]
    with monkeypatch.context() as patch:
        patch.setattr(where, name, no_thread if trouble == "a thread" else broken)
        for _ in range(3):
            it._not_before = 0
            it.tend(HUGE, HUGE)
            if trouble != "a thread":
                until_reported(it)
                it.tend(HUGE, HUGE)
            goes_on(it, 1)
    assert not (tmp_path / "snapshot").exists()
    assert len(segments(tmp_path / "journal")) == 2, "not one more for each time"
    assert segments(tmp_path / "journal")[0] == 0
    assert capfd.readouterr().err.count("cannot write a snapshot: the journal grows until it can") == 1

    it._not_before = 0
    it.tend(HUGE, HUGE)
    until_reported(it)
    it.tend(HUGE, HUGE)
    former = it.position
    assert it.journal is not None
    it.journal.close()
    it = remembering(tmp_path)
    assert it.position == former
    assert it.journal is not None
    it.journal.close()


def test_a_slow_disk_is_told_of_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    gate = threading.Event()
    monkeypatch.setattr(snapshot, "prepare", lambda *_: gate.wait(PATIENCE))
    monkeypatch.setattr(snapshot, "install", lambda *_: None)
    it = begun(tmp_path)
    it._log = Log("broker", "warning", False)
    goes_on(it)
    it.tend(HUGE, HUGE)
    it.writer.begun_at -= 61
    for _ in range(3):
        it._look_at = 0
        it.tend(HUGE, HUGE)
    gate.set()
    until_reported(it)
    assert capfd.readouterr().err.count("the disk is slow: a snapshot is not written yet seconds=60") == 1
    assert it.journal is not None
    it.journal.close()
