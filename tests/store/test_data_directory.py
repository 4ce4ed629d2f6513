"""The data directory is locked by the processes that have its descriptor, and found by it when it has been moved."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from mpchat.store.data_directory import DataDirectory, claim

PATIENCE = 20.0
SPAWN = get_context("spawn")
needs_proc = pytest.mark.skipif(not Path("/proc/self/fdinfo").exists(), reason="looks into /proc")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "above" / "data"


@pytest.fixture(autouse=True)
def _stays_where_it_is() -> Iterator[None]:
    before = os.getcwd()
    yield
    os.chdir(before)


def let_go(claimed: DataDirectory) -> None:
    os.close(claimed._fd)


def test_it_is_made_and_its_users_own(folder: Path) -> None:
    claimed = claim(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert claimed.path == str(folder)
    let_go(claimed)
    let_go(claim(folder))


def test_it_is_one_server_s_at_a_time(folder: Path) -> None:
    claimed = claim(folder)
    with pytest.raises(OSError, match="another server uses this data directory") as error:
        claim(folder, wait_seconds=0.2)
    assert error.value.filename == str(folder)
    let_go(claimed)
    let_go(claim(folder, wait_seconds=0))


def keep(claimed: DataDirectory, link: Connection) -> None:
    claimed.enter()
    link.send(os.getcwd())
    link.recv()
    Path("made").touch()
    link.send((os.getcwd(), claimed.is_removed()))
    link.recv()


@needs_proc
def test_who_is_given_it_holds_it_and_is_named(folder: Path) -> None:
    claimed = claim(folder)
    ours, theirs = SPAWN.Pipe()
    child = SPAWN.Process(target=keep, args=(claimed, theirs))
    child.start()
    assert ours.recv() == str(folder)
    let_go(claimed)
    looking = os.open(folder, os.O_RDONLY)  # who only has it open is none that holds it
    with pytest.raises(OSError, match=rf"held by process {child.pid} \(.+\)") as error:
        claim(folder, wait_seconds=0)
    assert str(os.getpid()) not in str(error.value)
    os.close(looking)
    moved = folder.rename(folder.with_name("moved"))
    ours.send("go on")
    assert ours.recv() == (str(moved), False)
    assert [path.name for path in moved.iterdir()] == ["made"]
    let_go(claim(folder, wait_seconds=0))  # another folder
    ours.send("end")
    child.join(PATIENCE)
    let_go(claim(moved, wait_seconds=0))


def test_a_start_waits_for_its_end(folder: Path) -> None:
    claimed = claim(folder)
    timer = threading.Timer(0.3, let_go, [claimed])
    timer.start()
    let_go(claim(folder))
    timer.join()


def test_renamed_while_it_waits_its_successor_is_claimed(folder: Path) -> None:
    claimed = claim(folder)

    def move() -> None:
        folder.rename(folder.with_name("moved"))

    timer = threading.Timer(0.3, move)
    timer.start()
    new = claim(folder)
    assert os.path.samestat(os.fstat(new._fd), folder.stat())
    timer.join()
    let_go(new)
    let_go(claimed)


def test_removed_it_says_so(folder: Path) -> None:
    claimed = claim(folder)
    claimed.enter()
    assert claimed.is_removed() is False
    folder.rmdir()
    claimed.enter()
    assert claimed.is_removed() is True
    let_go(claimed)


def test_a_program_that_is_started_does_not_hold_it(folder: Path) -> None:
    claimed = claim(folder)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, close_fds=False) as program:
        let_go(claimed)
        let_go(claim(folder))  # (exec() closes what it is to close a moment after it has woken us)
        program.communicate(b"\n", timeout=PATIENCE)
