"""What all four shapes do with a client's socket."""

import contextlib
import socket

_READ_BYTES = 16_384


def accept(listener: socket.socket) -> socket.socket:
    """The next client's; waits until there is one."""
    sock, _ = listener.accept()
    # Else a line waits until the client has acknowledged the one before (Nagle's algorithm): 40 ms, at times.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def receive(sock: socket.socket) -> bytes:
    """What has come; waits until something has. b"": there will be no more."""
    try:
        return sock.recv(_READ_BYTES)
    except ConnectionError:  # it was reset, which is an end, too
        return b""


class Lines:
    """Cuts what comes from one client into lines: they come in pieces, or several at once."""

    def __init__(self) -> None:
        self._begun = b""

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that have ended, without their ends."""
        *lines, self._begun = (self._begun + data).split(b"\n")
        return lines


def think(line: bytes) -> None:
    """What a line costs before it is said: nothing, or so many turns of a loop as it asks for ("work 1000").

    It stands for what a server may have to do for a request: parse, encrypt, search.
    """
    if line.startswith(b"work "):
        for _ in range(int(line.split()[1])):
            pass


def send(sock: socket.socket, data: bytes) -> None:
    """All of it goes into the kernel's buffer, without waiting: a client whose buffer is full is not reading.

    Its connection is shut down then (and so it is if `data` is b""), so its reader comes to the end of its input.
    """
    try:
        is_taken = bool(data) and sock.send(data, socket.MSG_DONTWAIT) == len(data)
    except OSError:  # EAGAIN: full; EPIPE: it has left
        is_taken = False
    if not is_taken:
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
