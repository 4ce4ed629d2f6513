"""How a client of a chaos run talks to the server: TCP as it is, or TLS over it. Nothing here waits.

What a socket does not take yet, or does not have yet, is a BlockingIOError; all else that goes wrong another OSError.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import ssl

_PIECE_BYTES = 16_384  # a record of TLS, at most


class Wire:
    """TCP. `sock` does not block, and may be connecting yet."""

    is_open = True  # something can be sent, if the socket takes it
    unsent = False  # something waits for the socket to become writable

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def send(self, data: bytes) -> int:
        return self._sock.send(data)

    def receive(self, size: int) -> bytes:
        return self._sock.recv(size)

    def flush(self) -> None:
        """Send what waits."""

    def end_output(self) -> None:
        self._sock.shutdown(socket.SHUT_WR)


class SecureWire(Wire):
    """TLS over it, whose handshake goes on by receive() and flush(). The server's end must be said in TLS, too."""

    def __init__(self, sock: socket.socket, context: ssl.SSLContext, host: str) -> None:
        super().__init__(sock)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self._waiting = b""  # encrypted
        self._has_ended = False
        self.is_open = False
        self._shake_hands()

    @property
    def unsent(self) -> bool:  # type: ignore[override]
        return bool(self._waiting or self._outgoing.pending)

    def _shake_hands(self) -> None:
        with contextlib.suppress(ssl.SSLWantReadError):
            self._tls.do_handshake()
            self.is_open = True

    def send(self, data: bytes) -> int:
        if not self.is_open or self.unsent:
            raise BlockingIOError
        sent = self._tls.write(data[:_PIECE_BYTES])
        with contextlib.suppress(BlockingIOError):
            self.flush()
        return sent

    def flush(self) -> None:
        self._waiting += self._outgoing.read()
        while self._waiting:
            self._waiting = self._waiting[self._sock.send(self._waiting) :]

    def receive(self, size: int) -> bytes:
        data = self._sock.recv(size)
        if not data and not self._has_ended:
            raise OSError(errno.ECONNABORTED, "the connection ended, and TLS had not said so")
        self._incoming.write(data)
        if not self.is_open:
            self._shake_hands()
            with contextlib.suppress(BlockingIOError):
                self.flush()
        found = b""
        try:
            while self.is_open and self._incoming.pending and not self._has_ended:
                piece = self._tls.read(1 << 16)
                self._has_ended = not piece
                found += piece
        except ssl.SSLWantReadError:
            pass  # the rest of a record has not come yet
        except ssl.SSLZeroReturnError:  # what read() raises instead of returning b"", once our end was said
            self._has_ended = True
        if not found and not self._has_ended:
            raise BlockingIOError
        return found

    def end_output(self) -> None:
        with contextlib.suppress(ssl.SSLWantReadError):  # it would wait for the server's end
            self._tls.unwrap()
        self.flush()
        super().end_output()
