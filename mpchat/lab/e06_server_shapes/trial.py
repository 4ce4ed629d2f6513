"""Tries a server from outside: clients connect to it, and see what comes."""

import os
import signal
import socket
import time
from collections.abc import Iterator

from mpchat.lab.student import Judge, StudentFailed, StudentProcess
from mpchat.lab.trying import Skipped
from mpchat.monitor import measuring

_ANSWER_SECONDS = 2.0
_BUFFER_BYTES = 8192  # of sockets, so that one who does not read is behind soon
_LINES, _LINE_BYTES = 100, 8000
_IDLE_SECONDS = 0.6
_SILENT_SECONDS = 0.2


class _Clients:
    """Connections to the student's server, which runs in the main thread of its process."""

    def __init__(self, judge: Judge) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)  # what is accepted inherits it
            self.address = listener.getsockname()
            self.student: StudentProcess = judge.process([listener.fileno()])
        self._call = self.student.begin("serve", self.student.fds[0], in_thread=False)
        self._lab = judge.lab

    def connect(self, receive_buffer: int | None = None) -> socket.socket:
        sock = socket.socket()
        self._lab.at_end.callback(sock.close)
        if receive_buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.settimeout(_ANSWER_SECONDS)
        sock.connect(self.address)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        time.sleep(_SILENT_SECONDS)  # until it is accepted: before that, it misses what others say
        return sock

    def hear(self, sock: socket.socket, expected: bytes) -> bool:
        """Whether just these bytes come. Raises StudentFailed if the server has ended."""
        data = b""
        try:
            while len(data) < len(expected) and (more := sock.recv(len(expected) - len(data))):
                data += more
        except OSError:  # TimeoutError is one
            pass
        if data != expected:
            self.must_run()
        return data == expected

    def must_run(self) -> None:
        if self.student.is_done(self._call):
            self.student.result(self._call)
            raise StudentFailed("gone")


def trial(judge: Judge) -> Iterator[bool]:
    clients = _Clients(judge)
    ana, beto = clients.connect(), clients.connect()
    yield _echoes(clients, ana, beto)
    yield _joins_halves(clients, ana, beto)
    deaf = clients.connect(receive_buffer=_BUFFER_BYTES)
    said: list[bytes] = []
    yield _does_not_wait(clients, ana, beto, said)
    yield clients.hear(deaf, b"".join(said))
    yield _forgets(clients, ana, beto, deaf)
    yield _sleeps(clients)


def _echoes(clients: _Clients, ana: socket.socket, beto: socket.socket) -> bool:
    for speaker, line in ((ana, b"hola\n"), (beto, b"que tal\n")):
        speaker.sendall(line)
        if not (clients.hear(ana, line) and clients.hear(beto, line)):
            return False
    return True


def _joins_halves(clients: _Clients, ana: socket.socket, beto: socket.socket) -> bool:
    """Two begin a line at the same time and end it later; one ends two lines at once, and begins a third."""
    ana.sendall(b"an")
    beto.sendall(b"be")
    time.sleep(_SILENT_SECONDS)
    ana.sendall(b"a says\nand again\nan")
    if not clients.hear(beto, b"ana says\nand again\n"):
        return False
    beto.sendall(b"to says\n")
    if not clients.hear(ana, b"ana says\nand again\nbeto says\n"):
        return False
    ana.sendall(b"d ends\n")
    return clients.hear(beto, b"beto says\nand ends\n") and clients.hear(ana, b"and ends\n")


def _does_not_wait(clients: _Clients, ana: socket.socket, beto: socket.socket, said: list[bytes]) -> bool:
    """A third does not read; much more is said than the kernel keeps for it."""
    for number in range(_LINES):
        line = b"%d %s\n" % (number, b"." * _LINE_BYTES)
        said.append(line)
        ana.sendall(line)
        if not (clients.hear(ana, line) and clients.hear(beto, line)):
            return False
    return True


def _forgets(clients: _Clients, ana: socket.socket, beto: socket.socket, deaf: socket.socket) -> bool:
    """One ends its input, and is closed; another's connection is reset; the third is still served.

    The server is stopped meanwhile, so that it has a line for the one that is gone before it can know of that.
    """
    deaf.shutdown(socket.SHUT_WR)
    if not _is_closed(deaf):
        clients.must_run()
        return False
    beto.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # close() resets the connection
    os.kill(clients.student.pid, signal.SIGSTOP)
    ana.sendall(b"to all\n")
    beto.close()
    os.kill(clients.student.pid, signal.SIGCONT)
    if not clients.hear(ana, b"to all\n"):
        return False
    for line in (b"still\n", b"here\n"):
        ana.sendall(line)
        if not clients.hear(ana, line):
            return False
    return True


def _is_closed(sock: socket.socket) -> bool:
    try:
        return sock.recv(1) == b""
    except ConnectionError:
        return True
    except TimeoutError:
        return False


def _sleeps(clients: _Clients) -> bool:
    """While nothing happens, its process uses no time: it does not wait for what is always so."""
    before = measuring.measure(clients.student.pid)
    time.sleep(_IDLE_SECONDS)
    after = measuring.measure(clients.student.pid)
    if before is None or after is None:
        clients.must_run()
        raise Skipped("no_proc")
    return after.cpu_seconds - before.cpu_seconds < _IDLE_SECONDS / 4
