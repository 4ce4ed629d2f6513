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
        self._begun: dict[int, tuple[Owner, socket.socket]] = {}  # by the port of our end
        self._ports: dict[Owner, int] = {}

    def begin(self, owner: Owner) -> None:
        """Connect a pair for this owner, who has none: finished() returns it. Raises OSError."""
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)  # finished() hands it over, give_up() closes it
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
        port = self._ports[owner] = sock.getsockname()[1]
        self._begun[port] = owner, sock

    def give_up(self, owner: Owner) -> None:
        """The owner needs no pair any more, if finished() has not returned it yet."""
        port = self._ports.pop(owner, None)
        if port is not None:
            _, sock = self._begun.pop(port)
            sock.close()

    def finished(self) -> list[tuple[Owner, socket.socket, socket.socket]]:
        """The pairs that are whole now: the owner, our end, the other one, both the caller's to close.

        Raises OSError if no descriptor is free for the other end.
        """
        found: list[tuple[Owner, socket.socket, socket.socket]] = []
        for _ in range(_ACCEPTS):
            try:
                theirs, (host, port) = self.listener.accept()
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno in _OUT and not found:
                    raise
                break
            if host == _HOST and port in self._begun:
                owner, ours = self._begun.pop(port)
                del self._ports[owner]
                found.append((owner, ours, theirs))
            else:
                theirs.close()  # a stranger's, or given up
        return found
