"""Queue passing: queues for a process that is already running, on every Python that is promised and that is here."""

from __future__ import annotations

import select
import sys
from multiprocessing import get_context
from typing import Any, cast

import pytest

from mpchat.ipc import queue_passing
from mpchat.ipc.link import Link
from mpchat.ipc.queue_transport import Pair
from tests.ipc.pythons import each_python, run_on


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/dev/shm and /proc show what is left on Linux only")
@each_python
@pytest.mark.parametrize("ipc", ["queue", "pipe"])
def test_a_transport_for_a_running_process(ipc: str, version: str) -> None:
    """It works to its end, and neither a descriptor nor a semaphore's name stays behind on either side."""
    done = run_on(version, "-m", "tests.ipc.passed", ipc)
    assert not done.stderr, done.stderr
    assert (done.returncode, done.stdout) == (0, "all is well\n")


@each_python
def test_what_is_used_of_multiprocessing_is_there(version: str) -> None:
    """Names that no documentation promises: where one is gone, this says who needs it."""
    done = run_on(version, "-m", "tests.ipc.private_parts")
    assert (done.returncode, done.stdout, done.stderr) == (0, "all is there\n", "")


def test_a_pickle_can_be_loaded_as_often_as_its_descriptors_are_sent() -> None:
    """The sender's own stay open, so that two processes can be given one transport."""
    transport = Pair.make()
    data, fds = queue_passing.dump(transport)
    left, right = map(Link[Any], Link.pair())
    left.post((data,), fds=fds)
    left.post((data,), fds=fds)
    opened = []
    for _ in range(2):
        message = right.take_one()
        assert message is not None
        (pickled,), received = message
        opened.append(queue_passing.load(cast(bytes, pickled), received))
    one, other = opened[0].at_worker(), opened[1].at_broker()
    other.put("down")
    assert select.select([one], [], [], 5)[0]
    assert one.take() == ["down"]
    opened[1].down.close()
    opened[1].down.join_thread()
    for end in (one, other):
        end.close()
    transport.let_go()
    left.close()
    right.close()


def test_a_letter_without_queues_needs_no_descriptors() -> None:
    data, fds = queue_passing.dump(("worker", 3))
    assert fds == ()
    assert queue_passing.load(data, []) == ("worker", 3)


def test_what_cannot_be_pickled_leaves_nothing_behind() -> None:
    """The next queue that is pickled outside of a pickled is refused as ever."""
    queue: Any = get_context("spawn").Queue()
    with pytest.raises(Exception, match="pickle"):
        queue_passing.dump(lambda: None)
    with pytest.raises(RuntimeError, match="inheritance"):
        queue.__getstate__()
    queue._reader.close()
    queue._writer.close()
