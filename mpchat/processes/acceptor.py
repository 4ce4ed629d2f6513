"""The acceptor: accept(), name the connection, pass its file descriptor to the least loaded worker (SCM_RIGHTS).

It waits for its listening sockets, for its links to the workers, and for the control link to the supervisor. It reads
nothing a client sends. Of every descriptor it passes on it keeps a copy: while the copy lives, the connection does,
even if the worker dies. When a worker says that a connection has ended, the copy is closed too.

If it dies, nobody new gets in; the others' connections are in the workers' hands.
"""

import errno
import os
import socket
import time

from mpchat.ipc.board import ACCEPTOR_ROW, Board
from mpchat.ipc.handoff import Link
from mpchat.net.listening import prepare
from mpchat.net.poller import Poller
from mpchat.policy.admission import Admission
from mpchat.policy.placement import least_loaded
from mpchat.processes.log import Log
from mpchat.protocol.door import turned_away, written
from mpchat.settings import Settings

_ACCEPTS = 64  # from one listener in one turn, so that a storm on one does not starve the other
_OUT_OF_FDS = (errno.EMFILE, errno.ENFILE)


Listener = tuple[socket.socket, bool]  # and whether plain text is spoken there


def main(
    control: Link, log: Log, settings: Settings, listeners: list[Listener], links: list[socket.socket], board: Board
) -> None:
    Acceptor(control, log, settings, dict(listeners), [Link(sock) for sock in links], board).run()


class Acceptor:
    def __init__(
        self,
        control: Link,
        log: Log,
        settings: Settings,
        listeners: dict[socket.socket, bool],
        workers: list[Link],
        board: Board,
    ) -> None:
        self.control, self.log, self.settings, self.board = control, log, settings, board
        self.is_plain = listeners
        self.workers = workers
        self.load = [0] * len(workers)
        self.kept: dict[int, tuple[int, int, str]] = {}  # connection: our copy of its fd, its worker, its address
        most, each, rate = settings.max_clients, settings.connections_per_address, settings.new_connections_per_minute
        self.admission = Admission(most, most if settings.unlimited else each, most if settings.unlimited else rate)
        self.named = 0
        self.silent_until = 0.0
        self.reserve = os.open(os.devnull, os.O_RDONLY)  # given up for a moment when there is no other fd left
        self.poller = Poller()

    def run(self) -> None:
        self.poller.watch(self.control)
        for listener in self.is_plain:
            self.poller.watch(listener)
        for link in self.workers:
            self.poller.watch(link)
        self.control.post("ready")
        while True:
            for source, readable, writable, _ in self.poller.wait(None):
                if isinstance(source, socket.socket):
                    self.accept(source)
                elif source is self.control:
                    self.obey()
                elif isinstance(source, Link):
                    self.worker_event(source, readable, writable)
            self.board.write(ACCEPTOR_ROW, clients=len(self.kept), records=self.named)

    def obey(self) -> None:
        """All the supervisor ever says is stop. The end of the link says that it is dead."""
        if self.control.take() or self.control.ended:
            os._exit(0)

    def accept(self, listener: socket.socket) -> None:
        for _ in range(_ACCEPTS):
            try:
                sock, address = listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in _OUT_OF_FDS:
                    self.refuse_for_want_of_fds(listener)
                    return
                continue  # the client has gone again (accept(2) passes on its errors)
            self.admit(sock, written(str(address[0])), self.is_plain[listener])

    def admit(self, sock: socket.socket, host: str, is_plain: bool) -> None:
        refusal = self.admission.refusal(host, time.monotonic())
        if refusal:
            turn_away(sock, turned_away(refusal, is_plain))
            self.complain("refused", host=host, why=refusal)
            return
        prepare(sock, is_plain, self.settings)
        worker = least_loaded(self.load)
        self.named += 1
        self.load[worker] += 1
        fd = sock.detach()
        self.kept[self.named] = (fd, worker, host)
        link = self.workers[worker]
        link.post("client", self.named, is_plain, host, fds=(fd,))
        self.poller.want_write(link, link.unsent)

    def complain(self, event: str, **facts: object) -> None:
        """Once a second at most: a storm of newcomers must not become a storm of log lines."""
        if time.monotonic() >= self.silent_until:
            self.silent_until = time.monotonic() + 1.0
            self.log.warning(event, **facts)

    def refuse_for_want_of_fds(self, listener: socket.socket) -> None:
        """The kernel has a client for us and no number to give it: without this, the loop would spin on it."""
        os.close(self.reserve)
        try:
            sock, _ = listener.accept()
        except OSError:
            pass
        else:
            turn_away(sock, turned_away("Server is full", self.is_plain[listener]))
        self.reserve = os.open(os.devnull, os.O_RDONLY)
        self.complain("out of file descriptors", open=len(self.kept))

    def worker_event(self, link: Link, readable: bool, writable: bool) -> None:
        if writable:
            link.flush()
            self.poller.want_write(link, link.unsent)
        if readable:
            for (_, connection), _ in link.take():
                fd, worker, host = self.kept.pop(connection)
                os.close(fd)
                self.load[worker] -= 1
                self.admission.left(host)
        if link.ended:
            self.poller.forget(link)


def turn_away(sock: socket.socket, words: bytes) -> None:
    """A word to somebody who never becomes a session; one send, and no waiting for it."""
    sock.setblocking(False)
    try:
        sock.send(words)
        sock.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # they did not wait for it
    sock.close()
