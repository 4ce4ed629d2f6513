"""The resource tracker of multiprocessing is found, replaced and ended; each in a process of its own, which has one."""

from __future__ import annotations

import subprocess
import sys

import pytest

# What would break: the names _fd and _pid of multiprocessing.resource_tracker._resource_tracker.
_BEGIN = "import os, signal; from mpchat.ipc import tracker; tracker.ensure_running(); pid = tracker.pid(); "


def run(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _BEGIN + program], capture_output=True, text=True, timeout=20
    )


@pytest.mark.parametrize(
    "program",
    [
        "tracker.stop(); os.kill(pid, 0)",  # ended and reaped: not even a zombie is there
        "os.kill(pid, signal.SIGSTOP); tracker.stop(); os.kill(pid, 0)",
        "os.kill(pid, signal.SIGKILL); tracker.stop(); os.kill(pid, 0)",
    ],
)
def test_it_is_gone_when_it_was_stopped(program: str) -> None:
    done = run(program)
    assert done.stderr.strip().endswith("ProcessLookupError: [Errno 3] No such process")


def test_it_can_be_stopped_twice_and_before_it_was_started() -> None:
    assert run("tracker.stop(); tracker.stop(); print(tracker.pid())").stdout == "None\n"


def test_another_one_takes_its_place() -> None:
    dies = "os.kill(pid, signal.SIGKILL); os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT); "
    assert run(dies + "tracker.ensure_running(); print(tracker.pid() != pid)").stdout == "True\n"


def test_it_ends_when_a_queue_is_let_go_first() -> None:
    program = (
        "from multiprocessing import get_context; q = get_context('spawn').Queue(); q.close(); del q; tracker.stop()"
        "; print(tracker.pid())"
    )
    assert run(program).stdout == "None\n"
