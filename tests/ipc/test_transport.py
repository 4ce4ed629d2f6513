"""Lanes: real queues between real processes, and what their reader does with bytes that a put() never wrote."""

from __future__ import annotations

import os
import pickle
import select
import signal
import struct
import sys
from collections.abc import Iterator
from multiprocessing import get_context
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

import pytest

from mpchat.ipc.frames import FRAME_BYTES
from mpchat.ipc.transport import QueuePair, Transport
from mpchat.messages import BadFrame
from tests.ipc.semaphores import names

_SPAWN = get_context("spawn")


class Source:
    """A lane's end whose other side is this test: it writes raw bytes where a queue's feeder thread would."""

    def __init__(self) -> None:
        queue: Any = _SPAWN.Queue()
        self.queue = queue
        self.writer = os.dup(queue._writer.fileno())
        self.sink: Any = _SPAWN.Queue()
        self.end = Transport(source=self.queue, sink=self.sink)

    def write(self, data: bytes) -> None:
        assert os.write(self.writer, data) == len(data)

    def hang_up(self) -> None:
        os.close(self.writer)
        self.writer = -1

    def close(self) -> None:
        if self.writer >= 0:
            self.hang_up()
        self.queue._reader.close()
        self.sink.close()


@pytest.fixture
def source() -> Iterator[Source]:
    it = Source()
    yield it
    it.close()


def finish(queue: Any) -> None:
    """Nothing more will be put: its feeder thread writes what is left, and ends."""
    queue.close()
    queue.join_thread()


def frame(value: object) -> bytes:
    """As multiprocessing.connection writes it."""
    body = pickle.dumps(value)
    return struct.pack("!i", len(body)) + body


def test_a_batch_is_put_together_byte_by_byte(source: Source) -> None:
    batches = []
    for number in range(3):
        source.queue._sem.acquire()  # as put() does
        for byte in frame(("batch", number)):
            source.write(bytes([byte]))
            batches += source.end.take()
    assert batches == [("batch", 0), ("batch", 1), ("batch", 2)]


def test_many_batches_in_one_read(source: Source) -> None:
    for _ in range(100):
        source.queue._sem.acquire()
    source.write(b"".join(frame(number) for number in range(100)))
    assert source.end.take() == list(range(100))


def test_nothing_there_is_no_reason_to_wait(source: Source) -> None:
    assert source.end.take() == []
    assert not source.end.ended


def test_a_writer_that_died_is_the_end_of_the_file(source: Source) -> None:
    source.queue._sem.acquire()
    source.write(frame("whole") + frame("torn")[:-1])
    source.hang_up()
    assert source.end.take() == ["whole"]
    assert not source.end.ended
    assert source.end.take() == []
    assert source.end.ended


@pytest.mark.parametrize(
    "data",
    [frame(Path("/")), struct.pack("!i", 3) + b"???", struct.pack("!i", 0), frame("whole")[:-1] + b"x"],
    ids=["a class", "no pickle", "nothing", "another end"],
)
def test_what_is_no_batch_is_a_bad_frame_and_the_end(source: Source, data: bytes) -> None:
    source.queue._sem.acquire()
    source.write(data)
    with pytest.raises(BadFrame):
        source.end.take()
    assert source.end.ended


@pytest.mark.skipif(sys.platform == "darwin", reason="sem_getvalue(3) is missing there: nobody counts")
def test_a_batch_that_was_not_put_into_the_queue_is_a_bad_frame(source: Source) -> None:
    """Its bytes are right, but whoever wrote them did not take the semaphore's token, so there is none to give back."""
    source.write(frame("whole"))
    with pytest.raises(BadFrame, match="not put"):
        source.end.take()
    assert source.end.ended


@pytest.mark.parametrize("length", [-1, -(1 << 31), FRAME_BYTES + 1])
def test_senseless_lengths_are_refused(source: Source, length: int) -> None:
    source.write(struct.pack("!i", length))
    with pytest.raises(BadFrame, match=str(length)):
        source.end.take()


# With another process at the other end


def _echo(transport: QueuePair) -> None:
    """The other process: gives back what it gets, until told to end."""
    end = transport.at_worker()
    while not end.ended:
        select.select([end], [], [])
        for batch in end.take():
            if batch == "end":
                finish(transport.up)
                os._exit(0)
            end.put(batch)


class Pair:
    """This process as the broker, and one that echoes as the worker."""

    def __init__(self) -> None:
        self.transport = QueuePair.make(_SPAWN)
        self.other: SpawnProcess = _SPAWN.Process(target=_echo, args=(self.transport,), daemon=True)
        self.other.start()
        self.end = self.transport.at_broker()
        self.end.put("hello")  # its echo: the other has opened the queues
        self.received: list[Any] = []
        self.read(1)
        self.received.clear()

    def read(self, count: int) -> None:
        """Take until so many batches have come, or the other is gone."""
        while len(self.received) < count and not self.end.ended:
            assert select.select([self.end], [], [], 10)[0], f"only {len(self.received)} batches came"
            self.received += self.end.take()

    def tokens(self) -> tuple[int, int]:
        return self.transport.up._sem.get_value(), self.transport.down._sem.get_value()


@pytest.fixture
def pair() -> Iterator[Pair]:
    it = Pair()
    yield it
    it.other.kill()
    it.other.join()
    finish(it.transport.down)
    it.transport.up._reader.close()


@pytest.mark.skipif(sys.platform == "darwin", reason="sem_getvalue(3) is missing there")
def test_ten_thousand_batches_arrive_in_order_and_the_semaphores_are_as_before(pair: Pair) -> None:
    before = pair.tokens()
    for number in range(10_000):
        pair.end.put((number, b"x" * (number % 100)))
    pair.read(10_000)
    assert pair.received == [(number, b"x" * (number % 100)) for number in range(10_000)]
    pair.end.put("end")
    pair.read(10_001)
    assert pair.end.ended
    pair.other.join(10)
    assert pair.tokens() == before


def test_a_batch_of_many_pipes_full_comes_whole(pair: Pair) -> None:
    big = [("line", number, os.urandom(1000)) for number in range(2000)]
    pair.end.put(big)
    pair.read(1)
    assert pair.received == [big]


def test_a_killed_peer_is_the_end_and_putting_to_it_is_harmless(pair: Pair) -> None:
    os.kill(pair.other.pid or 0, signal.SIGKILL)
    pair.read(1)
    assert pair.received == []
    assert pair.end.ended
    for _ in range(100):
        pair.end.put(b"x" * 10_000)
    finish(pair.transport.down)  # the feeder thread ends though nobody reads


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/dev/shm shows named semaphores on Linux only")
def test_after_letting_go_no_semaphore_has_a_name() -> None:
    transport = QueuePair.make(_SPAWN)
    semaphores = names(transport)
    assert all(name.exists() for name in semaphores)
    transport.let_go()
    del transport
    assert not any(name.exists() for name in semaphores)
