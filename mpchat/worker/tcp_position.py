"""How far a TCP connection has come in either direction: the kernel counts, and outlives the process.

    consumed = bytes received - bytes unread            tcpi_bytes_received, FIONREAD     (tcp(7), ioctl_tty(2))
    written  = bytes acknowledged + bytes unacknowledged   tcpi_bytes_acked, SIOCOUTQ

Both are what a new worker needs to go on to the byte where a killed one stopped (tests/worker/test_tcp_position.py).
"""

import fcntl
import socket
import struct
import termios

# Where the system does not count (macOS), a new worker cannot go on: it closes the dead one's connections.
SUPPORTED = hasattr(socket, "TCP_INFO") and hasattr(termios, "TIOCOUTQ")

_INFO_BYTES = 136  # struct tcp_info up to and with the two counters (linux/tcp.h)
_COUNTERS = struct.Struct("=QQ")
_COUNTERS_AT = 120
_INT = struct.Struct("i")

_THEY_HAVE_FINISHED = (6, 8, 9, 11)  # TIME_WAIT, CLOSE_WAIT, LAST_ACK, CLOSING: their FIN was counted as a byte
_ONLY_WE = (4, 5)  # FIN_WAIT1, FIN_WAIT2
_CLOSED = 7
_WE_HAVE_FINISHED = (4, 5, 6, 7, 9, 11)  # FIN_WAIT1, FIN_WAIT2, TIME_WAIT, CLOSE, LAST_ACK, CLOSING


def consumed(sock: socket.socket) -> int:
    """Bytes ever taken by recv(); a look (MSG_PEEK) does not count. One too high once both sides have closed."""
    while True:
        state, _, received = _info(sock)
        left = unread(sock)
        if _info(sock)[::2] == (state, received):  # else something has arrived between the questions
            return received - left - (state in _THEY_HAVE_FINISHED)


def written(sock: socket.socket) -> int:
    """Bytes ever taken by send(). One too high once we have shut down our side: see has_finished()."""
    while True:
        _, acknowledged, _ = _info(sock)
        queued = _ask(sock, termios.TIOCOUTQ)
        if _info(sock)[1] == acknowledged:
            return acknowledged + queued


def unread(sock: socket.socket) -> int:
    """Bytes that have arrived and wait for recv()."""
    return _ask(sock, termios.FIONREAD)


def unacknowledged(sock: socket.socket) -> int:
    """Bytes of the output that wait in this kernel, or are on their way; 0 of a closed socket."""
    return _ask(sock, termios.TIOCOUTQ) if SUPPORTED and sock.fileno() >= 0 else 0


def has_finished(sock: socket.socket) -> bool:
    """Nothing more can be sent: our side was shut down, or the connection is dead."""
    return _info(sock)[0] in _WE_HAVE_FINISHED


def is_reset(sock: socket.socket) -> bool:
    """The client is gone, and what is sent to it is thrown away; also if the socket is closed here."""
    return sock.fileno() < 0 or (SUPPORTED and _info(sock)[0] == _CLOSED)


def is_over(sock: socket.socket) -> bool:
    """Where nothing more can be sent: is that because the client is gone? Then reading tells that too."""
    return _info(sock)[0] not in _ONLY_WE


def _info(sock: socket.socket) -> tuple[int, int, int]:
    """State, bytes acknowledged, bytes received."""
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO_BYTES)
    acknowledged, received = _COUNTERS.unpack_from(info, _COUNTERS_AT)
    return info[0], acknowledged, received


def _ask(sock: socket.socket, request: int) -> int:
    (value,) = _INT.unpack(fcntl.ioctl(sock.fileno(), request, bytes(_INT.size)))
    return int(value)
