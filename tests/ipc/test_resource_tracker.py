"""The resource tracker of multiprocessing is found, replaced and ended; each in a process of its own, which has one."""

from __future__ import annotations

import subprocess

import pytest

from tests.ipc.pythons import each_python, run_on

pytestmark = pytest.mark.slow

# What would break: the names _fd and _pid of multiprocessing.resource_tracker._resource_tracker.
_BEGIN = (
    "import os, signal; from mpchat.ipc import resource_tracker as tracker; "
    "tracker.ensure_running(); pid = tracker.pid(); "
)


def run(version: str, program: str) -> subprocess.CompletedProcess[str]:
    """Every warning is an error in it: a server may be started so."""
    return run_on(version, "-c", _BEGIN + program)


@each_python
@pytest.mark.parametrize(
    "program",
    [
        "tracker.stop(); os.kill(pid, 0)",  # ended and reaped: not even a zombie is there
        "os.kill(pid, signal.SIGSTOP); tracker.stop(); os.kill(pid, 0)",
        "os.kill(pid, signal.SIGKILL); tracker.stop(); os.kill(pid, 0)",
    ],
)
def test_it_is_gone_when_it_was_stopped(version: str, program: str) -> None:
    done = run(version, program)
    assert done.stderr.strip().endswith("ProcessLookupError: [Errno 3] No such process")


@each_python
def test_it_can_be_stopped_twice_and_before_it_was_started(version: str) -> None:
    assert run(version, "tracker.stop(); tracker.stop(); print(tracker.pid())").stdout == "None\n"


@each_python
def test_another_one_takes_its_place(version: str) -> None:
    dies = "os.kill(pid, signal.SIGKILL); os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT); "
    assert run(version, dies + "tracker.ensure_running(); print(tracker.pid() != pid)").stdout == "True\n"


@each_python
def test_it_ends_when_a_queue_is_let_go_first(version: str) -> None:
    program = (
        "from multiprocessing import get_context; q = get_context('spawn').Queue(); q.close(); del q; tracker.stop()"
        "; print(tracker.pid())"
    )
    assert run(version, program).stdout == "None\n"


@each_python
def test_its_death_is_harmless(version: str) -> None:
    """A pair is made, and let go, as if nothing had happened, and nothing is said of it: no warning, which may be an
    error, and no traceback of its successor, which is told to forget semaphores that it has never heard of."""
    program = (
        "from mpchat.ipc.queue_transport import Pair\n"
        "for _ in range(2):\n"
        "    os.kill(tracker.pid(), signal.SIGKILL); os.waitid(os.P_PID, tracker.pid(), os.WEXITED | os.WNOWAIT)\n"
        "    pair = Pair.make(); pair.let_go(); del pair\n"
        "print(tracker.pid() != pid); tracker.stop()"
    )
    done = run(version, program)
    assert (done.stdout, done.stderr) == ("True\n", "")


@each_python
def test_one_that_is_stopped_is_replaced_before_it_stops_us(version: str) -> None:
    """It reads no more, and multiprocessing would wait for room in its pipe."""
    program = (
        "from multiprocessing import resource_tracker, get_context; os.kill(pid, signal.SIGSTOP)\n"
        "fd = resource_tracker._resource_tracker._fd; os.set_blocking(fd, False)\n"
        "try:\n    while True: os.write(fd, b'PROBE:0:noop\\n' * 100)\n"
        "except BlockingIOError: os.set_blocking(fd, True)\n"
        "tracker.ensure_running(); q = get_context('spawn').Queue(); q.close(); del q\n"
        "print(tracker.pid() != pid); tracker.stop()"
    )
    assert run(version, program).stdout == "True\n"


@each_python
def test_a_new_one_is_told_of_the_semaphores_that_go(version: str) -> None:
    """The one before was killed between the making of a transport and its handing over."""
    program = (
        "from mpchat.ipc.queue_transport import Pair; pair = Pair.make(); pid = tracker.pid(); "
        "os.kill(pid, signal.SIGKILL); os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT); pair.let_go(); del pair; "
        "tracker.stop(); print('let go')"
    )
    done = run(version, program)
    assert (done.stdout, done.stderr) == ("let go\n", "")
