"""A lane: the two queues between one worker and the broker. One writer and one reader each, ever.

    worker  -- up: multiprocessing.Queue -->  broker
    worker  <-- down: multiprocessing.Queue --  broker

put() hands the batch to the queue's feeder thread and never blocks: credits, not maxsize, bound what is under way.
Reading goes past Queue.get(): that would block in the middle of a frame whose writer was stopped, and would unpickle
anything. Each process closes the ends it does not use, so the death of one is an end of file for the other.
"""

import errno
import os
import struct
from dataclasses import dataclass
from multiprocessing.context import SpawnContext
from typing import Any

from mpchat.ipc import resource_tracker
from mpchat.ipc.frames import FRAME_BYTES, Progress, load
from mpchat.messages import BadFrame

_READ_BYTES = 1 << 16  # a pipe full (pipe(7))
_LENGTH = struct.Struct("!i")  # how multiprocessing.connection frames: 4 bytes, or -1 and then 8 for 2 GiB and more


@dataclass
class QueuePair:
    """Both queues. Made by the supervisor, given to one worker and to the broker."""

    up: Any
    down: Any

    @classmethod
    def make(cls, context: SpawnContext) -> "QueuePair":
        """Raises OSError where the kernel has no descriptor, no room for a semaphore, or no process for the tracker."""
        # Not left to the queue: what it says first to a tracker that has died is lost (CPython 3.14), and the next one
        # complains by a traceback when a semaphore goes that it has never heard of.
        resource_tracker.ensure_running()
        return cls(context.Queue(), context.Queue())

    def at_worker(self) -> "Transport":
        return Transport(source=self.down, sink=self.up)

    def at_broker(self) -> "Transport":
        return Transport(source=self.up, sink=self.down)

    def let_go(self) -> None:
        """The supervisor's part is over once both sides have opened the queues: it keeps no end of the pipes.

        The caller then drops the objects, and with them go the semaphores' names: from then on nothing is left in
        /dev/shm, however the server ends.
        """
        for queue in (self.up, self.down):
            queue._reader.close()
            queue._writer.close()


class Transport:
    """One side of a lane: batches go out by put(), come in by take()."""

    def __init__(self, source: Any, sink: Any) -> None:
        self._source = source
        self._sink = sink
        source._writer.close()
        sink._reader.close()
        os.set_blocking(source._reader.fileno(), False)
        sink._ignore_epipe = True  # a dead peer is noticed as end of file here, not by the feeder thread
        sink.cancel_join_thread()  # and never keeps this process from ending
        try:
            sink._start_thread()  # now, so that no put() can fail where there is none to be had
        except RuntimeError as error:
            raise OSError(errno.EAGAIN, str(error)) from error
        self._fd = int(source._reader.fileno())
        self._buffer = bytearray(_READ_BYTES)
        self._stream = bytearray()
        self._taken = 0  # batches
        self._progress = Progress()
        self.ended = False

    def fileno(self) -> int:
        """Readable when take() has something to do."""
        return self._fd

    def close(self) -> None:
        """The other side has died. A lane is not used again: whatever is under way in it is lost, and sent anew."""
        self._source._reader.close()
        self._sink.close()

    def put(self, batch: Any) -> None:
        """Send a batch: tuples, numbers, text and bytes only."""
        self._sink.put(batch)

    def take(self) -> list[Any]:
        """The batches that have arrived whole. `ended` is set when the other side is gone and all is read.

        Raises BadFrame if what came is no batch; the lane has ended then, and what had come with it is lost.
        """
        try:
            size = os.readv(self._fd, [self._buffer])  # os.read() would map and unmap a buffer of that size each time
        except BlockingIOError:
            return []
        if not size:
            self.ended = True
            return []
        self._stream += memoryview(self._buffer)[:size]
        try:
            batches = self._frames()
            for _ in batches:
                # What Queue.get() would do: each put() took one of the 2^31 tokens of the semaphore.
                self._source._sem.release()
        except BadFrame:
            self.ended = True
            raise
        except ValueError as error:
            self.ended = True
            raise BadFrame("a batch that was not put into the queue") from error
        self._taken += len(batches)
        return batches

    def look(self, most: int) -> None:
        """To be called every LOOK_SECONDS; raises BadFrame if so many looks found the same batch unfinished."""
        self._progress.look(self._taken, bool(self._stream), most)

    def _frames(self) -> list[Any]:
        batches, at, stream = [], 0, self._stream
        while len(stream) - at >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(stream, at)
            if not 0 <= length <= FRAME_BYTES:
                raise BadFrame(f"a batch of {length} bytes")
            end = at + _LENGTH.size + length
            if len(stream) < end:
                break
            batches.append(load(bytes(stream[at + _LENGTH.size : end])))
            at = end
        del stream[:at]
        return batches
