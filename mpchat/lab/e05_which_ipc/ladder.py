"""Nine ways for two processes to exchange messages, from the one that does the least for a message to the one that does
the most. Every end has the same two methods: send(bytes) and recv() -> bytes; both wait as long as they must.

A rung is made before its processes are started, and gives each of them an end; the ends survive the way into a spawned
process. What a message costs on its way from one process to the other stands with each rung: how often its bytes are
copied, how many system calls both sides need for a small one, and what else takes part.
"""

import os
import socket
import struct
from multiprocessing import active_children, reduction
from multiprocessing.context import SpawnContext
from multiprocessing.managers import SyncManager
from typing import Any, ClassVar, Protocol

from mpchat.lab.processes import end_with_parent

LARGEST = 65_536  # bytes of a message
_LENGTH = struct.Struct("!I")
_SLOTS = 8  # of the ring: as many messages may be under way in each direction
_COUNT_BYTES = 64  # a cache line for each counter, so that two cores do not fight for one line


class End(Protocol):
    """What one of the two processes has of a rung."""

    def send(self, message: bytes, /) -> None: ...

    def recv(self) -> bytes: ...


class Ring:
    """One direction of a shared memory: slots, how many messages were written, and how many were read.

    There is one writer and one reader, so each counter has one process that changes it, and no lock is needed. Who
    waits looks again and again. (Processors other than x86 may show the counter before the slot; a program in C needs a
    barrier there. The measurement sends the same bytes over and over.)
    """

    def __init__(self, context: SpawnContext) -> None:
        self._memory = context.RawArray("B", 2 * _COUNT_BYTES + _SLOTS * (_LENGTH.size + LARGEST))

    def open(self) -> None:
        """To be called by the process that will use it."""
        view = memoryview(self._memory).cast("B")
        self._written, self._read = view[:8].cast("Q"), view[_COUNT_BYTES : _COUNT_BYTES + 8].cast("Q")
        size = _LENGTH.size + LARGEST
        slots = view[2 * _COUNT_BYTES :]
        self._slots = [slots[number * size : (number + 1) * size] for number in range(_SLOTS)]

    def __getstate__(self) -> Any:
        return self._memory

    def __setstate__(self, memory: Any) -> None:
        self._memory = memory

    def write(self, message: bytes) -> None:
        written, read = self._written, self._read
        number = written[0]
        while number - read[0] == _SLOTS:
            pass
        slot = self._slots[number % _SLOTS]
        _LENGTH.pack_into(slot, 0, len(message))
        slot[_LENGTH.size : _LENGTH.size + len(message)] = message
        written[0] = number + 1

    def read(self) -> bytes:
        written, read = self._written, self._read
        number = read[0]
        while written[0] == number:
            pass
        slot = self._slots[number % _SLOTS]
        (length,) = _LENGTH.unpack_from(slot)
        message = bytes(slot[_LENGTH.size : _LENGTH.size + length])
        read[0] = number + 1
        return message


class SharedMemoryEnd:
    def __init__(self, incoming: Ring, outgoing: Ring) -> None:
        self._incoming, self._outgoing = incoming, outgoing

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.open()

    def open(self) -> None:
        self._incoming.open()
        self._outgoing.open()

    def send(self, message: bytes) -> None:
        self._outgoing.write(message)

    def recv(self) -> bytes:
        return self._incoming.read()


class PipeEnd:
    """Two pipes, one for each direction. A pipe carries bytes, not messages: a length goes in front of each."""

    def __init__(self, incoming: int, outgoing: int) -> None:
        self._incoming, self._outgoing = incoming, outgoing

    def __getstate__(self) -> Any:
        return reduction.DupFd(self._incoming), reduction.DupFd(self._outgoing)

    def __setstate__(self, state: Any) -> None:
        self._incoming, self._outgoing = (each.detach() for each in state)

    def send(self, message: bytes) -> None:
        left = memoryview(_LENGTH.pack(len(message)) + message)
        while left:
            left = left[os.write(self._outgoing, left) :]

    def recv(self) -> bytes:
        (length,) = _LENGTH.unpack(self._exactly(_LENGTH.size))
        return self._exactly(length)

    def _exactly(self, size: int) -> bytes:
        data = os.read(self._incoming, size)
        while len(data) < size:
            more = os.read(self._incoming, size - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def close(self) -> None:
        os.close(self._incoming)
        os.close(self._outgoing)


class StreamEnd:
    """A socket that carries bytes: a length goes in front of each message, as in a pipe."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def send(self, message: bytes) -> None:
        self._sock.sendall(_LENGTH.pack(len(message)) + message)

    def recv(self) -> bytes:
        (length,) = _LENGTH.unpack(self._exactly(_LENGTH.size))
        return self._exactly(length)

    def _exactly(self, size: int) -> bytes:
        data = self._sock.recv(size)
        while len(data) < size:
            more = self._sock.recv(size - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def close(self) -> None:
        self._sock.close()


class PacketEnd:
    """A socket that keeps the messages apart (unix(7), SOCK_SEQPACKET): each recv() has one, whole."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def send(self, message: bytes) -> None:
        self._sock.send(message)

    def recv(self) -> bytes:
        message = self._sock.recv(LARGEST)
        if not message:
            raise EOFError
        return message

    def close(self) -> None:
        self._sock.close()


class QueueEnd:
    """Two queues, one for each direction: anything with put() and get()."""

    def __init__(self, incoming: Any, outgoing: Any) -> None:
        self._incoming, self._outgoing = incoming, outgoing

    def send(self, message: bytes) -> None:
        self._outgoing.put(message)

    def recv(self) -> bytes:
        message: bytes = self._incoming.get()
        return message


class Rung:
    """One of the nine. `key` is its sentence (rung.KEY); make() may be called once."""

    key: ClassVar[str]
    copies: ClassVar[int]  # of a message's bytes, by the kernel or by the two programs; pickling is counted as one
    system_calls: ClassVar[int]  # of both sides for a small message, as strace counts them, if nobody has to wait
    is_pickled: ClassVar[bool] = False
    between: ClassVar[str] = "nothing"  # the sentence between.KEY: who else takes part
    spins: ClassVar[bool] = False  # who waits keeps its core busy
    between_pids: tuple[int, ...] = ()  # the processes between the two, once the rung is made

    def make(self, context: SpawnContext) -> tuple[End, End]:
        raise NotImplementedError

    def close(self) -> None:
        """Nothing of it is needed any more, and no process uses it."""


class SharedMemory(Rung):
    key, copies, system_calls, between, spins = "memory", 2, 0, "nothing", True

    def make(self, context: SpawnContext) -> tuple[End, End]:
        there, back = Ring(context), Ring(context)
        mine, other = SharedMemoryEnd(back, there), SharedMemoryEnd(there, back)
        mine.open()
        return mine, other


class _TwoSockets(Rung):
    ends: tuple[StreamEnd, StreamEnd] | tuple[PacketEnd, PacketEnd]

    def close(self) -> None:
        for end in self.ends:
            end.close()


class Pipe(Rung):
    key, copies, system_calls, between = "pipe", 3, 3, "kernel"

    def make(self, context: SpawnContext) -> tuple[End, End]:
        (read_there, write_there), (read_back, write_back) = os.pipe(), os.pipe()
        self.ends = PipeEnd(read_back, write_there), PipeEnd(read_there, write_back)  # close() closes all four
        return self.ends

    def close(self) -> None:
        for end in self.ends:
            end.close()


class SocketPair(_TwoSockets):
    key, copies, system_calls, between = "socketpair", 3, 3, "kernel"

    def make(self, context: SpawnContext) -> tuple[End, End]:
        one, other = socket.socketpair()
        self.ends = StreamEnd(one), StreamEnd(other)
        return self.ends


class SeqPacket(_TwoSockets):
    """Raises OSError where there are no such sockets, or where one may not hold the largest message."""

    key, copies, system_calls, between = "seqpacket", 2, 2, "kernel"

    def make(self, context: SpawnContext) -> tuple[End, End]:
        one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.ends = PacketEnd(one), PacketEnd(other)
        for sock in (one, other):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * LARGEST)
            sock.setblocking(False)
        one.send(bytes(LARGEST))
        other.recv(LARGEST)
        for sock in (one, other):
            sock.setblocking(True)
        return self.ends


class Tcp(_TwoSockets):
    key, copies, system_calls, between = "tcp", 3, 3, "tcp"

    def make(self, context: SpawnContext) -> tuple[End, End]:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            one = socket.create_connection(listener.getsockname())
            other, _ = listener.accept()
        for sock in (one, other):
            # Without it a small segment may wait for the acknowledgement of the one before (Nagle's algorithm).
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.ends = StreamEnd(one), StreamEnd(other)
        return self.ends


class Connection(Rung):
    key, copies, system_calls, is_pickled, between = "connection", 5, 3, True, "kernel"

    def make(self, context: SpawnContext) -> tuple[End, End]:
        self.ends = context.Pipe()
        return self.ends

    def close(self) -> None:
        for end in self.ends:
            end.close()


class SimpleQueue(Rung):
    key, copies, system_calls, is_pickled, between = "simple_queue", 5, 3, True, "locks"

    def make(self, context: SpawnContext) -> tuple[End, End]:
        self.queues: Any = (context.SimpleQueue(), context.SimpleQueue())
        there, back = self.queues
        return QueueEnd(back, there), QueueEnd(there, back)

    def close(self) -> None:
        for queue in self.queues:
            queue.close()


class Queue(SimpleQueue):
    key, copies, system_calls, is_pickled, between = "queue", 5, 6, True, "thread"

    def make(self, context: SpawnContext) -> tuple[End, End]:
        self.queues = (context.Queue(), context.Queue())
        there, back = self.queues
        return QueueEnd(back, there), QueueEnd(there, back)


class Manager(Rung):
    key, copies, system_calls, is_pickled, between = "manager", 10, 12, True, "process"

    def make(self, context: SpawnContext) -> tuple[End, End]:
        self._manager = SyncManager(ctx=context)
        before = active_children()
        self._manager.start(initializer=end_with_parent)
        self.between_pids = tuple(each.pid for each in active_children() if each not in before and each.pid is not None)
        there, back = self._manager.Queue(), self._manager.Queue()
        return QueueEnd(back, there), QueueEnd(there, back)

    def close(self) -> None:
        self._manager.shutdown()


def rungs() -> tuple[Rung, ...]:
    """All nine, from the one that does the least."""
    return (
        SharedMemory(),
        Pipe(),
        SocketPair(),
        SeqPacket(),
        Tcp(),
        Connection(),
        SimpleQueue(),
        Queue(),
        Manager(),
    )
