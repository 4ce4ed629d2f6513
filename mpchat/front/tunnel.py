"""A tunnel: a client's TLS connection, and the front's end of the loopback pair through which a worker serves it.

    client --- TLS --- [ client side | inner side ] --- TCP on this machine --- worker

Bytes go both ways as they are; the front understands none of them. In each direction one piece at most waits here, and
meanwhile no other is read, so that a client that does not read fills the worker's socket (SendQ), and a worker that
does not read fills the client's.

OpenSSL never touches the socket. It is given what was read of it, a piece at a time (MemoryBIO): on a socket, a read
goes on for as long as messages of TLS's own come (KeyUpdate, RFC 8446 section 4.6.3), and a client that sends nothing
else would hold all the others up.

What has come of a client before its connection broke is given to the worker, and then its end: the worker's side is
never reset, since a reset throws away what is still on its way.
"""

import contextlib
import socket
import ssl
from typing import cast

PIECE_BYTES = 16_384  # read of a socket at once: what a record of TLS has at most (RFC 8446 section 5.1)
# In the clear, a piece of TLS and the record that the piece before has begun. Both are less than they are encrypted.
BUFFER_BYTES = 3 * PIECE_BYTES
_ROUNDS = 8  # of one tunnel in one turn: then the others come
# So much of a client's TLS and nothing in it that is for the worker: a record holds less, whatever the pieces in which
# it comes. Messages of TLS's own are rare, but each is 27 bytes that cost as much as a whole record.
_BARREN_BYTES = 4 * PIECE_BYTES


class Side:
    """One socket of a tunnel, as the poller sees it, and what its edges have told so far."""

    __slots__ = ("hung_up", "readable", "sock", "tunnel", "urgent", "writable")

    def __init__(self, tunnel: "Tunnel", sock: socket.socket) -> None:
        self.tunnel: Tunnel | None = tunnel  # None once that is closed
        self.sock = sock
        self.readable = self.writable = True  # as far as is known
        self.hung_up = self.urgent = False

    def fileno(self) -> int:
        return self.sock.fileno()

    def receive(self, buffer: memoryview) -> int | None:
        """A piece at most, into the buffer: its bytes, 0 at the end, None if there is nothing yet. Raises OSError."""
        try:
            size = self.sock.recv_into(buffer, PIECE_BYTES)
        except BlockingIOError:
            self.readable = False
            return None
        if size < PIECE_BYTES and not self.hung_up and not self.urgent:  # a read ends at the mark of urgent data
            self.readable = False  # it was all: the next byte, or the end, is another edge (epoll(7))
        return size

    def send(self, data: memoryview | bytes) -> bytes:
        """Returns what the socket does not take yet. Raises OSError."""
        try:
            sent = self.sock.send(data) if self.writable else 0
        except BlockingIOError:
            sent = 0
        self.writable = sent == len(data)
        return bytes(data[sent:])


class Tunnel:
    """`client` is there from the beginning; `inner` as soon as the loopback pair is whole."""

    __slots__ = (
        "_barren",
        "_from_client",
        "_inbound",
        "_outbound",
        "_tls",
        "_to_client",
        "answered",
        "client",
        "deadline",
        "dialect",
        "has_agreed",
        "has_spoken",
        "host",
        "inner",
        "input_ended",
        "is_lost",
        "is_over",
        "output_ended",
        "said_goodbye",
    )

    def __init__(self, sock: socket.socket, context: ssl.SSLContext, dialect: str, host: str, deadline: float) -> None:
        """`deadline`: monotonic, of the handshake; later of the end."""
        self._from_client, self._to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._from_client, self._to_client, server_side=True)
        self.client = Side(self, sock)
        self.inner: Side | None = None
        self.dialect, self.host, self.deadline = dialect, host, deadline
        self._barren = 0  # bytes that the client has sent since there was anything for the worker in them
        self._inbound = self._outbound = b""  # a piece that its receiver does not take yet; to the client, encrypted
        self.has_spoken = False  # something has come of the client
        self.has_agreed = False  # upon TLS: the handshake is over
        self.answered = False  # something has come from the server: a worker has it, or the acceptor has refused it
        self.input_ended = False  # no more is read of the client
        self.output_ended = False  # no more comes from the worker
        self.is_lost = False  # nothing can be sent to the client any more
        self.said_goodbye = False  # the client was told that nothing follows: what it still sends is thrown away
        self.is_over = False  # to be closed

    def shake_hands(self, buffer: memoryview) -> None:
        """Go on with the handshake, by one piece. `buffer`: as for pump().

        Raises OSError, of which ssl.SSLError is one: nothing will come of it.
        """
        size = self.client.receive(buffer) if self.client.readable else None
        if size == 0:
            raise ConnectionResetError
        try:
            if size is not None:
                self.has_spoken = True
                self._from_client.write(buffer[:size])
                self._tls.do_handshake()
                self.has_agreed = True
        except ssl.SSLWantReadError:
            pass
        finally:
            self._flush()  # also an alert, which tells the client why

    def pump(self, buffer: memoryview) -> bool:
        """Move what there is, in both directions; returns whether more can be moved at once.

        `buffer`: of BUFFER_BYTES, which all tunnels share: nothing stays in it.
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
            if inner.writable:
                self._give(inner, self._inbound)
            return not self._inbound
        if self.input_ended or not (self.client.readable or self._from_client.pending):
            return False
        # What came behind the end of the handshake may wait here, and be all that there is.
        if self.client.readable and not self._receive(buffer) and not self._from_client.pending:
            return False
        size = self._decrypt(buffer)
        self._flush()  # an answer of TLS's own
        self._give(inner, buffer[:size])
        return True

    def _receive(self, buffer: memoryview) -> bool:
        """A piece of the client's TLS, or its end; returns whether there was any."""
        try:
            size = self.client.receive(buffer)
        except OSError:  # reset
            self._lose()
            size = 0
        if size:
            self._from_client.write(buffer[:size])
            self._barren += size
        elif size == 0:
            self.input_ended = True  # many clients end without close_notify; a line that was cut off is none
        return size is not None

    def _decrypt(self, buffer: memoryview) -> int:
        """What has come, into the buffer; returns its size. A record that is not whole waits in OpenSSL."""
        size = 0
        try:
            while self._from_client.pending:
                read = cast(int, self._tls.read(len(buffer), buffer[size:]))
                if not read:
                    self.input_ended = True  # close_notify
                    break
                size += read
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError:  # what came is no TLS
            self.input_ended = True
        if size:
            self._barren = 0
        elif self._barren > _BARREN_BYTES:
            self.input_ended = True
        return size

    def _give(self, inner: Side, data: memoryview | bytes) -> None:
        """To the worker, and behind the client's last bytes their end."""
        try:
            if data:
                self._inbound = inner.send(data)
            if self.input_ended and not self._inbound:
                inner.sock.shutdown(socket.SHUT_WR)
        except OSError:  # the worker has closed: what it had said before is still read
            self._inbound, self.input_ended = b"", True

    # From the worker to the client

    def _outward(self, inner: Side, buffer: memoryview) -> bool:
        """One piece, or the end; returns whether anything was moved."""
        if self._outbound:
            return self._flush()
        if self.output_ended:
            return self._say_goodbye()
        if not inner.readable:
            return False
        try:
            size = inner.receive(buffer)
        except OSError:  # reset
            size = 0
        if size is None:
            return False
        if not size:
            self.output_ended = True
            return self._say_goodbye()
        self.answered = True
        if not self.is_lost:
            try:
                self._tls.write(buffer[:size])
            except ssl.SSLError:  # of a connection whose input was no TLS
                self._lose()
            self._flush()
        return True

    def _flush(self) -> bool:
        """Send the client what is encrypted for it; returns whether all is sent, or never will be."""
        while not self.is_lost and (data := self._outbound or self._to_client.read()):
            try:
                self._outbound = self.client.send(data)
            except OSError:  # the client is gone; what it had sent before may still be read
                self._lose()
            if self._outbound:
                return False
        return True

    def _lose(self) -> None:
        self.is_lost, self._outbound = True, b""

    def _say_goodbye(self) -> bool:
        """All is sent: close_notify, and then the end of the TCP stream. Returns whether both were said."""
        # It is written at once; the client's own, for which unwrap() would wait, is of no interest.
        with contextlib.suppress(ssl.SSLError, ValueError):
            self._tls.unwrap()
        if not self._flush():
            return False
        self.said_goodbye = True
        self.is_over = self.input_ended or self.is_lost
        with contextlib.suppress(OSError):
            self.client.sock.shutdown(socket.SHUT_WR)
        return True

    def _discard(self, buffer: memoryview) -> bool:
        """Close only when the client has read all: unread input would turn the end into a reset (RFC 1122 4.2.2.13)."""
        if not self.client.readable:
            return False
        try:
            size = self.client.receive(buffer)
        except OSError:
            size = 0
        self.is_over = size == 0
        return size is not None

    def close(self) -> None:
        """Can be called again."""
        for side in (self.client, self.inner):
            if side is not None:
                side.sock.close()
                # All that OpenSSL keeps of the client, some 40 KiB in a handshake, goes with the tunnel, and that goes
                # when nothing refers to it: the collector would be in no hurry, since it counts objects, not bytes.
                side.tunnel = None
