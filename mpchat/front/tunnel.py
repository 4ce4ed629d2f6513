"""A tunnel: a client's TLS connection, and the front's end of the loopback pair through which a worker serves it.

    client --- TLS --- [ client side | inner side ] --- TCP on this machine --- worker

Bytes go both ways as they are; the front understands none of them. In each direction one piece at most waits here, and
meanwhile no other is read, so that a client that does not read fills the worker's socket (SendQ), and a worker that
does not read fills the client's.

What has come of a client before its connection broke is given to the worker, and then its end: the worker's side is
never reset, since a reset throws away what is still on its way.
"""

import contextlib
import errno
import socket
import ssl

PIECE_BYTES = 16_384  # what one record of TLS has at most (RFC 8446 section 5.1)
_ROUNDS = 8  # of one tunnel in one turn: then the others come


class Side:
    """One socket of a tunnel, as the poller sees it, and what its edges have told so far."""

    __slots__ = ("hung_up", "readable", "sock", "tunnel", "urgent", "writable")

    def __init__(self, tunnel: "Tunnel", sock: socket.socket) -> None:
        self.tunnel = tunnel
        self.sock = sock
        self.readable = self.writable = True  # as far as is known
        self.hung_up = self.urgent = False

    def fileno(self) -> int:
        return self.sock.fileno()


class Tunnel:
    """`client` is there from the beginning; `inner` as soon as connect() was called."""

    __slots__ = (
        "_inbound",
        "_outbound",
        "_tls",
        "answered",
        "client",
        "deadline",
        "dialect",
        "host",
        "inner",
        "input_ended",
        "is_lost",
        "is_over",
        "output_ended",
        "said_goodbye",
    )

    def __init__(self, sock: ssl.SSLSocket, dialect: str, host: str, deadline: float) -> None:
        """`deadline`: monotonic, of the handshake; later of the end."""
        self._tls = sock
        self.client = Side(self, sock)
        self.inner: Side | None = None
        self.dialect, self.host, self.deadline = dialect, host, deadline
        self._inbound = self._outbound = b""  # a piece that its receiver does not take yet
        self.answered = False  # something has come from the server: a worker has it, or the acceptor has refused it
        self.input_ended = False  # no more is read of the client
        self.output_ended = False  # no more comes from the worker
        self.is_lost = False  # nothing can be sent to the client any more
        self.said_goodbye = False  # the client was told that nothing follows: what it still sends is thrown away
        self.is_over = False  # to be closed

    def shake_hands(self) -> bool:
        """Go on with the handshake; returns whether it is over. Raises OSError, of which ssl.SSLError is one."""
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self.client.readable = False
            return False
        except ssl.SSLWantWriteError:
            self.client.writable = False
            return False
        self.client.readable = True  # what came behind the handshake may have been read with it
        return True

    def pump(self, buffer: memoryview) -> bool:
        """Move what there is, in both directions; returns whether more can be moved at once.

        `buffer`: of PIECE_BYTES, which all tunnels share: nothing stays in it.
        """
        inner = self.inner
        if inner is None:
            return False
        for _ in range(_ROUNDS):
            if self.said_goodbye:
                moved = self._discard(buffer)
            else:
                moved = self._inward(inner, buffer)
                moved |= self._outward(inner, buffer)
            if self.is_over or not moved:
                return False
        return True

    # From the client to the worker

    def _inward(self, inner: Side, buffer: memoryview) -> bool:
        """One piece; returns whether anything was moved."""
        if self._inbound:
            if not inner.writable:
                return False
            self._give(inner, memoryview(self._inbound))
            return not self._inbound
        if self.input_ended or not self.client.readable:
            return False
        try:
            size = self._tls.recv_into(buffer)
        except ssl.SSLWantReadError:
            self.client.readable = False
            return False
        except ssl.SSLWantWriteError:  # an answer of TLS's own must be sent before
            self.client.writable = False
            return False
        except OSError:  # reset, or what came is not TLS
            size, self.is_lost, self._outbound = 0, True, b""
        if size:
            self._give(inner, buffer[:size])
        else:
            self._end_input(inner)
        return True

    def _give(self, inner: Side, data: memoryview) -> None:
        try:
            sent = inner.sock.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:  # the worker has closed: what it had said before is still read
            sent, self.input_ended = len(data), True
        inner.writable = sent == len(data)
        self._inbound = bytes(data[sent:])

    def _end_input(self, inner: Side) -> None:
        self.input_ended = True
        with contextlib.suppress(OSError):  # the worker has closed already
            inner.sock.shutdown(socket.SHUT_WR)

    # From the worker to the client

    def _outward(self, inner: Side, buffer: memoryview) -> bool:
        """One piece, or the end; returns whether anything was moved."""
        if self._outbound:
            return self._send(memoryview(self._outbound))
        if self.output_ended:
            return self._say_goodbye()
        if not inner.readable:
            return False
        try:
            size = inner.sock.recv_into(buffer)
        except BlockingIOError:
            inner.readable = False
            return False
        except OSError as error:
            if error.errno == errno.EINTR:
                return True
            size = 0  # reset
        if not size:
            self.output_ended = True
            return self._say_goodbye()
        self.answered = True
        if size < len(buffer) and not inner.hung_up:
            inner.readable = False  # it was all: the next byte is another edge (epoll(7))
        return self.is_lost or self._send(buffer[:size])

    def _send(self, data: memoryview) -> bool:
        """Returns whether it was sent; if not, it waits, and the same bytes must be sent again (SSL_write(3))."""
        if self.client.writable:
            try:
                self._tls.send(data)
            except ssl.SSLWantWriteError:
                self.client.writable = False
            except ssl.SSLWantReadError:
                self.client.readable = False
            except OSError:  # the client is gone; what it had sent before may still be read
                self.is_lost, self._outbound = True, b""
                return True
            else:
                self._outbound = b""
                return True
        if not self._outbound:
            self._outbound = bytes(data)
        return False

    def _say_goodbye(self) -> bool:
        """All is sent: close_notify, and then the end of the TCP stream. Returns whether both were said."""
        if not self.is_lost:
            if not self.client.writable:
                return False
            try:
                self._tls.unwrap()
            except ssl.SSLWantWriteError:
                self.client.writable = False
                return False
            except (OSError, ValueError):
                pass  # it was sent; the client's own has not come yet, or never will
        self.said_goodbye = True
        self.is_over = self.input_ended or self.is_lost
        plain = socket.socket(fileno=self._tls.detach())  # closed by close(); it has the same number
        self.client.sock, self.client.readable = plain, True
        with contextlib.suppress(OSError):
            plain.shutdown(socket.SHUT_WR)
        return True

    def _discard(self, buffer: memoryview) -> bool:
        """Close only when the client has read all: unread input would turn the end into a reset (RFC 1122 4.2.2.13)."""
        if not self.client.readable:
            return False
        try:
            self.is_over = not self.client.sock.recv_into(buffer)
        except BlockingIOError:
            self.client.readable = False
            return False
        except OSError:
            self.is_over = True
        return True

    def close(self) -> None:
        self.client.sock.close()
        if self.inner is not None:
            self.inner.sock.close()
