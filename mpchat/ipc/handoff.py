"""A link: a Unix socket between two processes that carries messages and, with them, file descriptors (SCM_RIGHTS).

The receiver gets a new number for the same open file: the kernel's object lives while any process holds it. Neither
side ever blocks: what the socket does not take yet waits in a list. See unix(7) and cmsg(3).
"""

import errno
import os
import socket
from collections import deque
from typing import Any

from mpchat.ipc.frame import LENGTH_BYTES, length_of, pack, unpack

FDS_AT_ONCE = 253  # SCM_MAX_FD, the kernel's limit for one message
_READ_BYTES = 1 << 16


class Link:
    """One end. Whoever posts a descriptor keeps their own copy and closes it when they like.

    Who has many to send posts the next when `unsent` is false again: one that waits costs a descriptor more.
    """

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._unsent: deque[tuple[bytes, list[int]]] = deque()
        self._stream = bytearray()
        self._fds: deque[int] = deque()  # received, of messages that have not come whole
        self._owned: set[int] = set()  # copies of what was posted and could not be sent at once
        self.ended = False

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

    def take(self, size: int = _READ_BYTES) -> list[tuple[tuple[Any, ...], list[int]]]:
        """The messages that have arrived whole, each with its descriptors, which are the caller's to close.

        `size` is how much is read at once at most, in bytes.
        """
        try:
            data, fds, _, _ = socket.recv_fds(self._sock, size, FDS_AT_ONCE)
        except BlockingIOError:
            return []
        except ConnectionResetError:
            data, fds = b"", []
        self._fds.extend(fds)
        if not data:
            self.ended = True
            return []
        self._stream += data
        return [(message, [self._fds.popleft() for _ in range(count)]) for count, message in unpack(self._stream)]

    def next_size(self) -> int:
        """How much to take() for the next message alone, so that what follows it stays for later; 1 at the end."""
        head = self._sock.recv(LENGTH_BYTES, socket.MSG_PEEK)
        return LENGTH_BYTES + length_of(head) if len(head) == LENGTH_BYTES else 1

    def close(self) -> None:
        while self._fds:
            os.close(self._fds.popleft())
        self._close_own(list(self._owned))
        self._sock.close()
