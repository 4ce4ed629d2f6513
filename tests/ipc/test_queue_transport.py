"""What only queues have: semaphores, of which each put() takes a token, and which have names."""

from __future__ import annotations

import sys

import pytest

from mpchat.ipc.queue_transport import Pair
from mpchat.messages import BadFrame
from tests.ipc.ends import both_ends, close, turn, write
from tests.ipc.semaphores import names
from tests.ipc.test_transport import frame

counted = pytest.mark.skipif(sys.platform == "darwin", reason="sem_getvalue(3) is missing there: nobody counts")


@counted
def test_after_many_messages_the_semaphore_is_as_before() -> None:
    worker, broker = both_ends(Pair.make())
    semaphore = worker._sink._sem  # type: ignore[attr-defined]
    before = semaphore.get_value()
    received: list[int] = []
    for number in range(10_000):
        worker.put(number)
    while len(received) < 10_000:
        received += turn(broker)[0]
    assert received == list(range(10_000))
    assert semaphore.get_value() == before
    close(worker)
    close(broker)


@counted
def test_a_message_that_was_not_put_into_the_queue_is_a_bad_frame() -> None:
    """Its bytes are right, but its writer did not take the semaphore's token, so there is none to give back."""
    worker, broker = both_ends(Pair.make())
    write(worker, frame("whole"))
    with pytest.raises(BadFrame, match="not put"):
        broker.take()
    assert broker.ended
    close(worker)
    close(broker)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/dev/shm shows named semaphores on Linux only")
def test_after_letting_go_no_semaphore_has_a_name() -> None:
    pair = Pair.make()
    semaphores = names(pair)
    assert all(name.exists() for name in semaphores)
    pair.let_go()
    del pair
    assert not any(name.exists() for name in semaphores)
