"""A link: a Unix socket between two processes that carries messages and, with them, file descriptors (SCM_RIGHTS).

The receiver gets a new number for the same open file: the kernel's object lives while any process holds it. Neither
side ever blocks: what the socket does not take yet waits in a list. See unix(7) and cmsg(3).
"""

import errno
import os
import socket
from collections import deque
from collections.abc import Iterable
from typing import Any

from mpchat.ipc.frames import Progress, missing, pack, unpack
from mpchat.messages import BadFrame, UnknownMessage

FDS_AT_ONCE = 253  # SCM_MAX_FD, the kernel's limit for one message
_READ_BYTES = 1 << 16
_LOST = -1  # no descriptor's number
_CTRUNC = int(socket.MSG_CTRUNC)  # `flags & socket.MSG_CTRUNC` makes an enum's member each time, which takes 2 us

Message = tuple[tuple[Any, ...], list[int]]  # and the descriptors that came with it


class Link:
    """One end. Whoever posts a descriptor keeps their own copy and closes it when they like.

    Who has many to send posts the next when `unsent` is false again: one that waits costs a descriptor more.
    """

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._unsent: deque[tuple[bytes, list[int]]] = deque()
        self._stream = bytearray()
        self._taken = 0  # messages
        self._progress = Progress()
        self._fds: deque[int] = deque()  # received, of messages that have not come whole; _LOST: here some are missing
        self._owned: set[int] = set()  # copies of what was posted and could not be sent at once
        self.ended = False  # the other side is gone, or has sent what is no message: nothing more comes
        self.drained = False  # the last take() found nothing there, and no end either
        self.lacked_fds = False  # a message of the last take() has lost its descriptors: this process has no room

    @staticmethod
    def pair() -> tuple[socket.socket, socket.socket]:
        return socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)

    def fileno(self) -> int:
        return self._sock.fileno()

    @property
    def unsent(self) -> bool:
        """Is something waiting for the socket to become writable?"""
        return bool(self._unsent)

    def post(self, *message: Any, fds: tuple[int, ...] = ()) -> None:
        """Send a message, now or when there is room."""
        self._unsent.append((pack((len(fds), message)), list(fds)))
        if len(self._unsent) == 1 and self.flush():
            return
        data, waiting = self._unsent[-1]
        self._unsent[-1] = data, [os.dup(fd) for fd in waiting]  # closed by flush() or close()
        self._owned.update(self._unsent[-1][1])

    def flush(self) -> bool:
        """Send what waits; returns whether all is sent."""
        while self._unsent:
            data, fds = self._unsent[0]
            try:
                sent = socket.send_fds(self._sock, [data], fds) if fds else self._sock.send(data)
            except (BlockingIOError, BrokenPipeError, ConnectionResetError):
                return False  # full, or the other side has died: then reading tells
            except OSError as error:
                if error.errno != errno.ETOOMANYREFS:
                    raise
                return False  # this user has as many descriptors under way as one process may have: until some arrive
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
        `lacked_fds` says so. Raises BadFrame if what came is no message; the link has ended then.
        """
        self.lacked_fds = False
        return self._whole() if self._receive(_READ_BYTES) else []

    def take_one(self) -> Message | None:
        """The next message alone, or None while it has not arrived whole; what follows it stays for a later take().

        To be used before any take(), or after the whole of what that has read. In all else it is like that.
        """
        self.lacked_fds = False
        while self._receive(missing(self._stream)):
            if not missing(self._stream):
                return self._whole()[0]
        return None

    def _receive(self, size: int) -> bool:
        """Read once, so many bytes at most; returns whether there were any.

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
        """What is whole of what was read."""
        messages: list[Message] = []
        try:
            for frame in unpack(self._stream):
                match frame:
                    case (int() as count, tuple() as message):
                        messages.append((message, self._fds_of(count)))
                    case _:
                        raise UnknownMessage(frame)
            # Those of a message that is still under way may lie here. Nobody fills our table with any others.
            if len(self._fds) > (FDS_AT_ONCE if self._stream else 0):
                raise BadFrame(f"{len(self._fds)} descriptors of no message")
        except BadFrame:
            self.ended = True
            close_all(messages)
            raise
        self._taken += len(messages)
        return messages

    def _fds_of(self, count: int) -> list[int]:
        """Of the first message that has not got its own yet."""
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
        """To be called every LOOK_SECONDS; raises BadFrame if so many looks found the same message unfinished."""
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
