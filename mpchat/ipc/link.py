"""A link: a Unix stream socket between two processes that carries messages and, with them, file descriptors.

The receiver of a descriptor (SCM_RIGHTS, unix(7), cmsg(3)) gets a new number for the same open file description, which
lives while any process holds it. Neither end ever blocks: what the socket does not take yet waits in a list. If the
process at one end dies, the other end reads what had been sent, and then the end of file.
"""

import errno
import os
import socket
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Generic, TypeVar

from mpchat.ipc.frames import Progress, missing, pack, unpack
from mpchat.ipc.scoreboard import BYTES_PUT, BYTES_TAKEN, MESSAGES_PUT, MESSAGES_TAKEN, Meter, new_meter
from mpchat.messages import BadFrame, UnknownMessage

FDS_AT_ONCE = 253  # SCM_MAX_FD, the kernel's limit for one message
_READ_BYTES = 1 << 16
_LOST = -1  # no descriptor's number
_CTRUNC = int(socket.MSG_CTRUNC)  # `flags & socket.MSG_CTRUNC` makes an enum's member each time, which takes 2 us

Message = tuple[tuple[object, ...], list[int]]  # a message that nothing has checked yet, and its descriptors
Receiver = Callable[[tuple[object, ...], list[int]], None]
Posted = TypeVar("Posted", bound=tuple[object, ...], contravariant=True)


class Link(Generic[Posted]):
    """One end of a link, from which messages of the type `Posted` are sent (messages.py).

    A sender of many descriptors posts the next one when `unsent` is false again: each one that waits is a duplicate,
    and takes a number in this process.
    """

    def __init__(self, sock: socket.socket) -> None:
        """`sock` is the link's from now on: close() closes it."""
        sock.setblocking(False)
        self._sock = sock
        self._unsent: deque[tuple[bytes, list[int]]] = deque()
        self._stream = bytearray()
        self._taken = 0  # messages
        self._progress = Progress()
        self._meter = new_meter()
        self._fds: deque[int] = deque()  # received, of messages that have not come whole; _LOST: here some are missing
        self._owned: set[int] = set()  # copies of what was posted and could not be sent at once
        self.ended = False  # the other end is closed, or has sent what is no message: nothing more comes
        self.drained = False  # the last take() has found the socket empty, and not ended
        self.lacked_fds = False  # a message of the last take() has lost its descriptors: no number was free for them

    @staticmethod
    def pair() -> tuple[socket.socket, socket.socket]:
        return socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)

    def fileno(self) -> int:
        return self._sock.fileno()

    @property
    def unsent(self) -> bool:
        """Is something waiting for the socket to become writable?"""
        return bool(self._unsent)

    def count_on(self, meter: Meter) -> None:
        """From now on this end counts there, from 0."""
        self._meter = meter
        meter[:] = new_meter()

    def post(self, message: Posted, fds: tuple[int, ...] = ()) -> None:
        """Send a message, now or when there is room. The descriptors stay the caller's, to be closed at any time."""
        frame = pack((len(fds), message))
        self._meter[MESSAGES_PUT] += 1
        self._meter[BYTES_PUT] += len(frame)
        self._unsent.append((frame, list(fds)))
        if len(self._unsent) == 1 and self.flush():
            return
        data, waiting = self._unsent[-1]
        self._unsent[-1] = data, [os.dup(fd) for fd in waiting]  # closed by flush() or close()
        self._owned.update(self._unsent[-1][1])

    def flush(self) -> bool:
        """Send what waits; returns whether all is sent. To be called when the socket is writable and `unsent`."""
        while self._unsent:
            data, fds = self._unsent[0]
            try:
                sent = socket.send_fds(self._sock, [data], fds) if fds else self._sock.send(data)
            except (BlockingIOError, BrokenPipeError, ConnectionResetError):
                return False  # full; or the other end is closed, which take() reports
            except OSError as error:
                if error.errno != errno.ETOOMANYREFS:
                    raise
                return False  # this user has RLIMIT_NOFILE descriptors in flight (unix(7)): until some arrive
            self._close_own(fds)
            if sent == len(data):
                self._unsent.popleft()
            else:
                self._unsent[0] = (data[sent:], [])  # the descriptors went with the first byte
        return True

    def _close_own(self, fds: list[int]) -> None:
        for fd in self._owned.intersection(fds):
            os.close(fd)
            self._owned.remove(fd)

    def take(self) -> list[Message]:
        """The messages that have arrived whole, each with its descriptors, which are the caller's to close.

        A message whose descriptors found no free number in this process (MSG_CTRUNC, recvmsg(2)) comes with none, and
        `lacked_fds` is set. Raises BadFrame if what came is no message; the link has ended then.
        """
        self.lacked_fds = False
        return self._whole() if self._receive(_READ_BYTES) else []

    def take_each(self, receive: Receiver) -> None:
        """take(), and call `receive` with each message; it owns the message's descriptors unless it raises.

        Those of a message at which it raises, and of the messages behind that one, are closed here.
        """
        messages = deque(self.take())
        try:
            while messages:
                receive(*messages[0])
                messages.popleft()
        finally:
            close_all(messages)

    def take_the_rest(self, receive: Receiver) -> None:
        """take_each() until nothing is left: for the link to a process that has died, before it is closed.

        The end of file may never come: a child that the dead process had started may hold its end. A message at which
        `receive` raises BadFrame, or a frame that is none, ends this without an error: its sender is dead already.
        """
        with suppress(BadFrame):
            self.take_each(receive)
            while not (self.ended or self.drained):
                self.take_each(receive)

    def take_one(self) -> Message | None:
        """Like take(), but the next message alone, None while it has not arrived whole; what follows stays unread.

        To be called before any take(), or when take() has left no part of a message.
        """
        self.lacked_fds = False
        while self._receive(missing(self._stream)):
            if not missing(self._stream):
                return self._whole()[0]
        return None

    def _receive(self, size: int) -> bool:
        """Read once, `size` bytes at most; returns whether there were any.

        One recvmsg(2) ends behind the first bytes that have descriptors with them, and those begin a message.
        """
        self.drained = False
        try:
            data, fds, flags, _ = socket.recv_fds(self._sock, size, FDS_AT_ONCE)
        except BlockingIOError:
            self.drained = True
            return False
        except ConnectionResetError:
            data, fds, flags = b"", [], 0
        self._fds.extend(fds)
        if flags & _CTRUNC:
            self._fds.append(_LOST)
        self.ended = not data
        self._stream += data
        return bool(data)

    def _whole(self) -> list[Message]:
        """Take the whole messages off what was read. Raises BadFrame."""
        messages: list[Message] = []
        size = len(self._stream)
        try:
            for frame in unpack(self._stream):
                match frame:
                    case (int() as count, tuple() as message):
                        messages.append((message, self._fds_of(count)))
                    case _:
                        raise UnknownMessage(frame)
            # Those of one unfinished message may lie here. More would be a peer that fills this process's table.
            if len(self._fds) > (FDS_AT_ONCE if self._stream else 0):
                raise BadFrame(f"{len(self._fds)} descriptors of no message")
        except BadFrame:
            self.ended = True
            close_all(messages)
            raise
        self._taken += len(messages)
        self._meter[MESSAGES_TAKEN] += len(messages)
        self._meter[BYTES_TAKEN] += size - len(self._stream)
        return messages

    def _fds_of(self, count: int) -> list[int]:
        """The next `count` of the received descriptors. Raises BadFrame if fewer came; [] if some were lost."""
        fds: list[int] = []
        while len(fds) < count:
            fd = self._fds.popleft() if self._fds else None
            if fd is None or fd == _LOST:
                close_all([((), fds)])
                if fd is None:
                    raise BadFrame("a message without its descriptors")
                self.lacked_fds = True
                return []
            fds.append(fd)
        return fds

    def look(self, most: int) -> None:
        """To be called every LOOK_SECONDS; raises BadFrame at the look number `most` at the same unfinished message."""
        self._progress.look(self._taken, bool(self._stream), most)

    def close(self) -> None:
        close_all([((), [fd for fd in self._fds if fd != _LOST])])
        self._fds.clear()
        self._close_own(list(self._owned))
        self._sock.close()


def close_all(messages: Iterable[Message]) -> None:
    """Close the descriptors that came with these."""
    for _, fds in messages:
        for fd in fds:
            os.close(fd)
