"""Two ends of one real TCP connection, and what the kernel knows of one."""

from __future__ import annotations

import contextlib
import fcntl
import select
import socket
import struct
import termios
from collections.abc import Iterator

PATIENCE = 5.0


@contextlib.contextmanager
def tcp_pair(receive_buffer: int = 0, send_buffer: int = 0) -> Iterator[tuple[socket.socket, socket.socket]]:
    """The client's end, and the server's, which does not block; with the buffers a server would set."""
    with socket.socket() as listener:
        if receive_buffer:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        client = socket.create_connection(listener.getsockname(), PATIENCE)
        ours, _ = listener.accept()
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    ours.setblocking(False)
    if send_buffer:
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
    try:
        yield client, ours
    finally:
        client.close()
        ours.close()


def unread(sock: socket.socket) -> int:
    """Bytes that lie in the kernel for it (FIONREAD)."""
    (size,) = struct.unpack("i", fcntl.ioctl(sock.fileno(), termios.FIONREAD, b"\0" * 4))
    return int(size)


def arrived(sock: socket.socket, size: int) -> None:
    """Wait until so much lies there. Each round waits for an event: what is there already is hidden by SO_RCVLOWAT."""
    while unread(sock) < size:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, size)
        assert select.select([sock], [], [], PATIENCE)[0], f"only {unread(sock)} of {size} bytes came"
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)


def read_all(sock: socket.socket) -> bytes:
    """Until the end; a reset is an error."""
    pieces = []
    while piece := sock.recv(65536):
        pieces.append(piece)
    return b"".join(pieces)
