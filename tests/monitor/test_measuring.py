"""What the system says of a process; and signals, which reach the one that is meant or nobody."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from mpchat.monitor import measuring, signalling
from mpchat.monitor.measuring import Measured, measure, memory
from tests.running import ended
from tests.system.servers import until

BUSY = """
import os, sys
while sum(os.times()[:2]) < 0.02:  # the kernel counts in ticks
    pass
sys.stdout.write("x")
sys.stdout.flush()
sys.stdin.read()
"""


@pytest.fixture
def process() -> Iterator[subprocess.Popen[str]]:
    """A child that waits until it is told to end."""
    with subprocess.Popen(
        [sys.executable, "-c", BUSY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout
        child.stdout.read(1)
        yield child
        if child.poll() is None:
            child.send_signal(signal.SIGCONT)


@pytest.fixture(params=["/proc", "psutil"])
def source(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Who tells."""
    if request.param == "/proc" and not measuring.HAS_PROC:
        pytest.skip("there is no /proc")
    if request.param == "psutil":
        pytest.importorskip("psutil")
    monkeypatch.setattr(measuring, "HAS_PROC", request.param == "/proc")
    return str(request.param)


def test_both_sources_say_the_same(process: subprocess.Popen[str], source: str) -> None:
    found: Measured = until(lambda: (now := measure(process.pid)) and now.voluntary and now)  # it has begun to wait
    size = memory(process.pid)
    assert size
    assert found.parent == os.getpid()
    assert not found.is_stopped
    assert found.fds == 3
    assert found.cpu_seconds > 0
    assert 1 < size.uss_mib <= size.pss_mib < 100
    process.send_signal(signal.SIGSTOP)
    until(lambda: (now := measure(process.pid)) and now.is_stopped)


def test_of_one_that_has_ended_nothing_is_said(process: subprocess.Popen[str], source: str) -> None:
    process.kill()
    process.wait()
    assert measure(process.pid) is None
    assert memory(process.pid) is None


def test_a_signal_reaches_a_child_of_the_supervisor(process: subprocess.Popen[str]) -> None:
    found = measure(process.pid)
    assert found
    signalling.send(signal.SIGKILL, process.pid, found.started, supervisor=os.getpid())
    assert ended(process, 10) == -signal.SIGKILL


def test_and_the_supervisor_itself(process: subprocess.Popen[str]) -> None:
    found = measure(process.pid)
    assert found
    signalling.send(signal.SIGKILL, process.pid, found.started, supervisor=process.pid)
    assert ended(process, 10) == -signal.SIGKILL


@pytest.mark.parametrize("wrong", ["another process", "no child of the supervisor", "nobody is the supervisor", "gone"])
@pytest.mark.parametrize("has_pidfd", [True, False])
def test_and_nobody_else(
    process: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch, wrong: str, has_pidfd: bool
) -> None:
    if not has_pidfd:
        monkeypatch.delattr(signal, "pidfd_send_signal", raising=False)
    found = measure(process.pid)
    assert found
    started: float = found.started + (wrong == "another process")
    supervisor = {"no child of the supervisor": 1, "nobody is the supervisor": None}.get(wrong, os.getpid())
    if wrong == "gone":
        process.kill()
        process.wait()
    with pytest.raises(signalling.Gone):
        signalling.send(signal.SIGKILL, process.pid, started, supervisor)
    if wrong != "gone":
        assert process.poll() is None
        assert measure(process.pid) is not None
