"""The place where a run takes place: whatever it starts is gone behind it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from mpchat.ipc import resource_tracker
from mpchat.lab import lab as module
from mpchat.lab import noise
from mpchat.lab.lab import Lab, OutOfTime
from mpchat.lab.noise import Noise
from mpchat.lab.processes import descendants

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /proc and subreapers")


def silent(_: str) -> None:
    pass


def is_there(pid: int) -> bool:
    """Is it running? (This process may be the one that has to reap it.)"""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def flee(said: Connection) -> None:
    """A grandchild in a session of its own, whose parent ends; it ignores all signals that can be ignored."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
                signal.signal(number, signal.SIG_IGN)
            said.send(os.getpid())
            time.sleep(60)
        os._exit(0)
    os.wait()


def say_pid(said: Connection) -> None:
    said.send(os.getpid())
    time.sleep(60)


def test_a_process_that_has_fled_its_group_is_gone_behind_the_run() -> None:
    with Lab(1, silent) as lab:
        ours, theirs = lab.context.Pipe()
        lab.process(flee, theirs)
        fled = ours.recv()
        assert is_there(fled)

    assert not is_there(fled)
    ours.close()
    theirs.close()


def test_a_stopped_process_a_program_and_a_server_are_gone_too() -> None:
    with Lab(1, silent) as lab:
        ours, theirs = lab.context.Pipe()
        stopped = lab.process(say_pid, theirs)
        os.kill(ours.recv(), signal.SIGSTOP)
        program = lab.popen(["sleep", "60"])
        server = lab.server("--workers", "1")
        broker = server.pids()["broker"]
        folder = lab.folder
        lab.at_end.callback(ours.close)
        lab.at_end.callback(theirs.close)

    assert [is_there(pid) for pid in (stopped.pid, program.pid, server.pid, broker)] == [False] * 4  # type: ignore[arg-type]
    assert not folder.exists()


def test_a_run_that_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_SECONDS", 1)

    lab = Lab(1, silent)
    before = {*descendants(os.getpid()), resource_tracker.pid()}

    def too_long() -> None:
        with lab:
            lab.popen(["sleep", "60"]).wait()

    with pytest.raises(OutOfTime):
        too_long()
    assert set(descendants(os.getpid())) <= {*before, resource_tracker.pid()}


def test_what_the_run_itself_uses_is_not_what_others_use(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 3 s that all cores were busy, 2 s were this process's and its children's; 10 s have passed."""
    seconds = {"passed": 100.0, "busy": 50.0, "own": 7.0}
    monkeypatch.setattr(time, "monotonic", lambda: seconds["passed"])
    monkeypatch.setattr(noise, "_busy_seconds", lambda: seconds["busy"])
    monkeypatch.setattr(noise, "_own_seconds", lambda: seconds["own"])
    counted = Noise()

    seconds.update(passed=110.0, busy=53.0, own=9.0)

    assert counted.others() == pytest.approx(0.1)


def test_what_children_have_used_is_counted_when_they_are_reaped() -> None:
    before = noise._own_seconds()

    subprocess.run([sys.executable, "-c", "import time\nwhile time.process_time() < 0.2: pass"], check=True)

    assert noise._own_seconds() - before >= 0.2


def test_a_busy_program_that_is_no_child_counts_as_another() -> None:
    loop = "import os, time\nif os.fork(): os._exit(0)\nos.setsid()\nend = time.monotonic() + 1.5\n"
    loop += "while time.monotonic() < end: pass"
    quiet = Noise()
    with subprocess.Popen([sys.executable, "-c", loop]):
        pass
    time.sleep(1.0)  # it has no other effect that could be waited for

    others = quiet.others()
    assert others is not None
    assert others > 0.3


def test_two_people_talk_on_a_private_server() -> None:
    with Lab(1, silent) as lab:
        server = lab.server("--workers", "1")
        ana, beto = server.talker("ana"), server.talker("beto")
        ana.say("hola")
        assert beto.expect("hola").endswith("<ana> hola")
        assert {"broker", "worker0", "acceptor"} <= server.pids().keys()
        for talker in (ana, beto):
            talker.close()


def test_descendants_are_those_below(tmp_path: Path) -> None:
    with Lab(1, silent) as lab:
        one, other = socket.socketpair()
        program = lab.popen(["sh", "-c", "sleep 60 & echo >&0; wait"], stdout=other.fileno())
        lab.at_end.callback(one.close)
        lab.at_end.callback(other.close)
        deadline = time.monotonic() + 10
        while len(descendants(program.pid)) < 1 and time.monotonic() < deadline:
            time.sleep(0.01)

        assert program.pid in descendants(os.getpid())
        assert len(descendants(program.pid)) == 1


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A folder with a short name: that of a Unix socket has 107 bytes at most (unix(7))."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        yield Path(name)


def test_nothing_is_left_among_the_temporary_files(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server has a folder of its own for them, and so has multiprocessing."""
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setattr(tempfile, "tempdir", None)

    with Lab(1, silent) as lab:
        lab.server("--workers", "1")
        assert [path.name[:11] for path in temporary.iterdir()] == ["mpchat-lab-"]

    assert list(temporary.iterdir()) == []
    assert os.environ["TMPDIR"] == str(temporary)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_ends_a_run_and_leaves_nothing(number: signal.Signals, temporary: Path) -> None:
    """`lab all`, in the middle of the first experiment."""
    root = str(Path(__file__).parent.parent.parent)
    environment = {**os.environ, "TMPDIR": str(temporary), "PYTHONPATH": root}
    program = subprocess.Popen(
        [sys.executable, "-m", "mpchat", "lab", "all"],
        cwd=temporary,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 30
    while len(descendants(program.pid)) < 4 and time.monotonic() < deadline:
        time.sleep(0.02)
    started = descendants(program.pid)

    program.send_signal(number)
    program.wait(20)

    assert len(started) >= 4
    while any(map(is_there, started)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert [pid for pid in started if is_there(pid)] == []
    assert list(temporary.iterdir()) == []


def test_what_was_there_before_the_run_stays_and_so_does_what_that_starts() -> None:
    earlier = subprocess.Popen(["sh", "-c", "read line; sleep 60 & wait"], stdin=subprocess.PIPE, text=True)
    assert earlier.stdin is not None
    with Lab(1, silent) as lab:
        program = lab.popen(["sleep", "60"])
        earlier.stdin.write("go\n")
        earlier.stdin.flush()
        deadline = time.monotonic() + 10
        while not descendants(earlier.pid) and time.monotonic() < deadline:
            time.sleep(0.01)
        [later] = descendants(earlier.pid)

    assert [is_there(pid) for pid in (earlier.pid, later, program.pid)] == [True, True, False]
    os.kill(later, signal.SIGKILL)
    earlier.stdin.close()
    earlier.wait(10)
