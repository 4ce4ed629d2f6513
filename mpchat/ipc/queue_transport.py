"""The transport `queue`: two multiprocessing.Queues, one writer and one reader each, ever. See transport.py.

    worker  -- up: multiprocessing.Queue -->  broker
    worker  <-- down: multiprocessing.Queue --  broker

put() hands the message to the queue's feeder thread and never blocks: credits, not maxsize, bound what is under way.
Reading goes past Queue.get(): that would block in the middle of a frame whose writer was stopped, and would unpickle
anything. Each process closes the ends it does not use, so the death of one is an end of file for the other.
"""

import errno
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

from mpchat.ipc import resource_tracker
from mpchat.ipc.frame_reader import FrameReader
from mpchat.messages import BadFrame


@dataclass
class Pair:
    """Both queues."""

    up: Any
    down: Any

    @classmethod
    def make(cls) -> "Pair":
        """Raises OSError where the kernel has no descriptor, no room for a semaphore, or no process for the tracker."""
        # Not left to the queue: what it says first to a tracker that has died is lost (CPython 3.14), and the next one
        # complains by a traceback when a semaphore goes that it has never heard of.
        resource_tracker.ensure_running()
        context = get_context("spawn")
        return cls(context.Queue(), context.Queue())

    def at_worker(self) -> "End":
        return End(source=self.down, sink=self.up)

    def at_broker(self) -> "End":
        return End(source=self.up, sink=self.down)

    def let_go(self) -> None:
        """The caller then drops the objects, and with them go the semaphores' names: from then on nothing is left in
        /dev/shm, however the server ends.
        """
        for queue in (self.up, self.down):
            queue._reader.close()
            queue._writer.close()
        semaphores = [each for queue in (self.up, self.down) for each in (queue._rlock, queue._wlock, queue._sem)]
        with suppress(OSError):
            # The tracker is told of each semaphore that goes, and of one that began after make() has never heard of
            # these: it would complain by a traceback. To the one of then it is no news.
            resource_tracker.name_semaphores([each._semlock.name for each in semaphores])


class End(FrameReader):
    """One side's end of both queues.

    Its frames are those of multiprocessing.connection: 4 bytes that say how long, or -1 and then 8 for 2 GiB and more,
    which are too long here; and a pickle.
    """

    unsent = False

    def __init__(self, source: Any, sink: Any) -> None:
        self._source, self._sink = source, sink
        source._writer.close()
        sink._reader.close()
        super().__init__(int(source._reader.fileno()))
        sink._ignore_epipe = True  # a dead peer is noticed as end of file here, not by the feeder thread
        sink.cancel_join_thread()  # and never keeps this process from ending
        try:
            sink._start_thread()  # now, so that no put() can fail where there is none to be had
        except RuntimeError as error:
            raise OSError(errno.EAGAIN, str(error)) from error

    def put(self, message: Any) -> None:
        self._sink.put(message)

    def take(self) -> list[Any]:
        messages = super().take()
        try:
            for _ in messages:
                # What Queue.get() would do: each put() took one of the 2^31 tokens of the semaphore.
                self._source._sem.release()
        except ValueError as error:
            self.ended = True
            raise BadFrame("a frame that was not put into the queue") from error
        return messages

    def write_fileno(self) -> None:
        """The feeder thread waits for room by itself."""

    def flush(self) -> None:
        """The same."""

    def close(self) -> None:
        self._source._reader.close()
        self._sink.close()
