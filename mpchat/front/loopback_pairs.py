"""Loopback pairs: two connected TCP sockets on this machine, one for the front, one for a worker.

Not a socketpair(2): a worker asks the kernel how many bytes of a TCP connection were taken (worker/tcp_position.py).
Any process of this machine can connect to the listening socket that this takes: an accepted connection is one of a pair
only if it comes from the port of a socket that this has connected, which no other socket can have.
"""

import errno
import socket
from typing import Generic, TypeVar

from mpchat.runtime.listening import listen
from mpchat.settings import Settings

_HOST = "127.0.0.1"
_OUT = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_ACCEPTS = 64  # in one turn, as of strangers there may be many

Owner = TypeVar("Owner")


class LoopbackPairs(Generic[Owner]):
    """Of one front. `listener` is to be watched: when it is readable, finished() may have a pair."""

    def __init__(self, settings: Settings) -> None:
        """Raises CannotListen where there is no loopback."""
        self._settings = settings
        # With the receive buffer of all clients' sockets, which the workers count on (Settings.peek_bytes).
        self.listener = listen(Settings(host=_HOST, receive_buffer_bytes=settings.receive_buffer_bytes), 0)
        self._address = self.listener.getsockname()
        self._begun: dict[int, Owner] = {}  # by the port of our end

    def begin(self, owner: Owner) -> socket.socket:
        """Our end of a new pair, which is the caller's to close; finished() has the other. Raises OSError."""
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            # Before connect(): else the kernel would let it grow to megabytes for a client that does not read.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._settings.send_buffer_bytes)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self._settings.send_buffer_bytes)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.bind((_HOST, 0))
            error = sock.connect_ex(self._address)
            if error not in (0, errno.EINPROGRESS):
                raise OSError(error, "no loopback connection")
        except OSError:
            sock.close()
            raise
        self._begun[sock.getsockname()[1]] = owner
        return sock

    def give_up(self, ours: socket.socket) -> None:
        """The pair of this end is not needed any more. To be called before it is closed."""
        self._begun.pop(ours.getsockname()[1], None)

    def finished(self) -> list[tuple[Owner, socket.socket]]:
        """The other ends that are there now, each with its owner, and the caller's to close. Raises OSError (no fd)."""
        found: list[tuple[Owner, socket.socket]] = []
        for _ in range(_ACCEPTS):
            try:
                sock, (host, port) = self.listener.accept()
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno in _OUT and not found:
                    raise
                break
            if host == _HOST and port in self._begun:
                found.append((self._begun.pop(port), sock))
            else:
                sock.close()  # a stranger's, or given up
        return found
