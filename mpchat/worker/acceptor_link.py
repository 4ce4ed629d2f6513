"""A worker's link to the acceptor of the moment: each gives the other a copy of the sockets that it lacks.

a new acceptor    the worker gives a copy of each of its sockets ("mine", "all"), and gets those it lacks
a new worker      it has none to give, and gets all ("client", "synced")
from then on      newcomers come this way ("client"), word of closed connections goes back ("gone")
"""

from __future__ import annotations

import os
import socket
from collections import deque
from typing import TYPE_CHECKING

from mpchat.ipc.descriptors import first_of_the_last
from mpchat.ipc.link import Link
from mpchat.messages import BadFrame, ConnectionId, Mine, UnknownMessage, WorkerToAcceptor
from mpchat.protocol.dialect import DIALECTS
from mpchat.worker.connection import Connection

if TYPE_CHECKING:
    from mpchat.worker.worker import Worker


def client_socket(fd: int) -> socket.socket:
    """A client's socket. Of what a number does not tell, Python asks the kernel only whether it is IPv4 or IPv6."""
    return socket.socket(-1, socket.SOCK_STREAM, 0, fileno=fd)


class AcceptorLink:
    """Of one worker. `synced`: the worker has got all the sockets that the acceptor had for it."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self.link: Link[WorkerToAcceptor] | None = None
        self.synced = False
        self._giving: deque[Connection | None] = deque()  # to be given to a new acceptor; None: that is all

    def take_link(self, link: Link[WorkerToAcceptor]) -> None:
        """The acceptor is new, or the worker is. What a dead acceptor had said before counts."""
        if self.link is not None:
            former = self.link
            former.take_the_rest(lambda message, fds: self._on_message(former, message, fds))
            self.leave(former)
        self.link, self._giving = link, deque([*self._worker.connections.values(), None])
        link.count_on(self._worker.scoreboard.meter(f"worker{self._worker.number}", "acceptor"))
        self._worker.poller.watch(link)
        self._give(link)

    def on_event(self, link: Link[WorkerToAcceptor], readable: bool, writable: bool) -> None:
        if writable:
            link.flush()
            self._give(link)
        if readable:
            try:
                self._read(link)
            except BadFrame as error:
                self._report(link, error)

    def look(self, most: int) -> None:
        """To be called every LOOK_SECONDS in which the other end has turned its loop: see frames.Progress."""
        if self.link is not None:
            try:
                self.link.look(most)
            except BadFrame as error:
                self._report(self.link, error)

    def _report(self, link: Link[WorkerToAcceptor], error: BadFrame) -> None:
        """What the acceptor has sent is no message: the supervisor replaces it."""
        self._worker.control.post(("misbehaves", "acceptor", str(error)))
        self.leave(link)

    def _read(self, link: Link[WorkerToAcceptor]) -> None:
        """Raises BadFrame at what no acceptor of ours says."""
        link.take_each(lambda message, fds: self._on_message(link, message, fds))
        if link.ended:
            self.leave(link)

    def _on_message(self, link: Link[WorkerToAcceptor], message: tuple[object, ...], fds: list[int]) -> None:
        worker = self._worker
        match message, fds:
            case ("client", int() as id, str() as dialect, str() as host, bool() as secure), [fd] if (
                dialect in DIALECTS
            ):
                if fd >= first_of_the_last(worker.reserved_fds):
                    os.close(fd)
                    self._refuse(link, ConnectionId(id))
                else:
                    worker.take_client(ConnectionId(id), DIALECTS[dialect], host, client_socket(fd), secure)
            case ("client", int() as id, str() as dialect, str(), bool()), [] if (
                link.lacked_fds and dialect in DIALECTS
            ):
                self._refuse(link, ConnectionId(id))
            case ("synced",), []:
                if not self.synced:
                    self.synced = True
                    worker.broker.attach()
            case _:
                raise UnknownMessage(message)

    def _refuse(self, link: Link[WorkerToAcceptor], id: ConnectionId) -> None:
        """The worker has no descriptor for this client: the acceptor, which has one, turns the client away."""
        link.post(("full", id))
        self._worker.poller.want_write(link, link.unsent)

    def _give(self, link: Link[WorkerToAcceptor]) -> None:
        """To a new acceptor a copy of each socket, as far as the link takes it."""
        while self._giving and not link.unsent:
            connection = self._giving.popleft()
            if connection is None:
                link.post(("all",))
            elif connection.fileno() >= 0 and connection.host:  # neither closed since nor a stand-in
                about = connection.dialect.name, connection.host, connection.secure
                mine: Mine = ("mine", connection.id, *about)
                link.post(mine, fds=(connection.fileno(),))
        self._worker.poller.want_write(link, link.unsent)

    def closed(self, connection: Connection) -> None:
        """The worker has closed its descriptor; with the acceptor's copy the kernel's connection ends."""
        if self.link is not None:
            self.link.post(("gone", connection.id))
            self._worker.poller.want_write(self.link, self.link.unsent)

    def leave(self, link: Link[WorkerToAcceptor]) -> None:
        self._worker.poller.forget(link)
        link.close()
        self.link = None
