"""The fd store (systemd's word): the acceptor's duplicate of each of a worker's sockets.

While the duplicate is open, so is the connection, even if the worker dies. On a new link the worker speaks first: it
passes each socket that it has ("mine", "all"), since a new acceptor has none. Then it gets those that it lacks
("client", "synced"), since a new worker has none. From then on new clients go one way ("client"), and word of the
connections that have ended ("gone") the other.

A worker without a free descriptor for a client says so ("full"), and the client is refused here. A duplicate for which
the acceptor has no descriptor is not kept: that connection ends with its worker.
"""

import os
import socket
import stat
from collections import deque
from collections.abc import Callable

from mpchat.flow.admission import FULL, Admission
from mpchat.ipc.descriptors import first_of_the_last
from mpchat.ipc.link import Link
from mpchat.ipc.scoreboard import Meter
from mpchat.messages import AcceptorToWorker, BadFrame, ChildToSupervisor, ConnectionId, UnknownMessage
from mpchat.protocol.dialect import DIALECTS
from mpchat.runtime.crash_points import crash_point
from mpchat.runtime.listening import turn_away
from mpchat.runtime.poller import AnyPoller

_END = ConnectionId(0)  # no connection's number: stands behind the last socket that the worker lacks


class FdStore:
    """Of one worker role's sockets, through all the processes that have the role.

    `control` is the link to the supervisor, to which a misbehaving worker is reported; `complain` logs an event. The
    last `reserved_fds` of the acceptor's descriptors are not used for duplicates. `language`: the server's.
    """

    def __init__(
        self,
        role: str,
        control: Link[ChildToSupervisor],
        poller: AnyPoller,
        admission: Admission,
        complain: Callable[..., None],
        reserved_fds: int,
        language: str,
        meter: Meter,
    ) -> None:
        """`meter`: of the acceptor's end of the link."""
        self._role = role
        self._meter = meter
        self._control = control
        self._poller = poller
        self._admission = admission
        self._complain = complain
        self._reserved_fds = reserved_fds
        self._language = language
        self.link: Link[AcceptorToWorker] | None = None
        self.synced = False  # each side has all the sockets of the other
        # By connection: the duplicate if there is one, its dialect, its address, whether it came by TLS.
        self._kept: dict[ConnectionId, tuple[int | None, str, str, bool]] = {}
        self._theirs: set[ConnectionId] = set()  # those that the worker has, as far as it has said before "all"
        self._lacks: deque[ConnectionId] = deque()  # to be passed to the worker when the link has room

    def __len__(self) -> int:
        return len(self._kept)

    def take_link(self, link: Link[AcceptorToWorker]) -> None:
        """The link to a new worker process, or to the one that a new acceptor finds. The store owns it from now on."""
        if self.link is not None:
            former = self.link
            former.take_the_rest(lambda message, fds: self._on_message(former, message, fds))
            self._leave(former)
        self.link = link
        link.count_on(self._meter)
        self._poller.watch(link)

    def link_event(self, readable: bool, writable: bool) -> None:
        link = self.link
        assert link is not None
        if writable:
            link.flush()
            self._pass_on(link)
        if readable:
            try:
                link.take_each(lambda message, fds: self._on_message(link, message, fds))
            except BadFrame as error:
                self._report(link, error)
                return
            if link.ended:
                self._leave(link)

    def look(self, most: int) -> None:
        """Report a worker that does not finish a frame, though it has turned its loop. `most`: see Progress."""
        link = self.link
        if link is not None:
            try:
                link.look(most)
            except BadFrame as error:
                self._report(link, error)

    def _report(self, link: Link[AcceptorToWorker], error: BadFrame) -> None:
        """The worker has sent what is no message: the supervisor replaces it."""
        self._control.post(("misbehaves", self._role, str(error)))
        self._leave(link)

    def has_socket(self, fd: int) -> bool:
        """Whether one of the duplicates is of the same socket as this descriptor."""
        inode = os.fstat(fd).st_ino
        return any(kept is not None and os.fstat(kept).st_ino == inode for kept, *_ in self._kept.values())

    def take_client(self, connection: ConnectionId, fd: int, dialect: str, host: str, secure: bool = False) -> None:
        """A new client for this worker; the store owns the descriptor from now on."""
        self._kept[connection] = (fd, dialect, host, secure)
        if self.synced and self.link is not None:  # else the worker gets it with the others
            self._lacks.append(connection)
            self._pass_on(self.link)

    def _on_message(self, link: Link[AcceptorToWorker], message: tuple[object, ...], fds: list[int]) -> None:
        """Raises UnknownMessage."""
        match message, fds:
            case ("gone", int() as number), []:
                self._drop(ConnectionId(number))
            case ("mine", int() as number, str() as dialect, str() as host, bool() as secure), [fd] if (
                number > _END and dialect in DIALECTS and stat.S_ISSOCK(os.fstat(fd).st_mode)
            ):
                self._keep(ConnectionId(number), fd, dialect, host, secure)
            case ("mine", int() as number, str() as dialect, str() as host, bool() as secure), [] if (
                link.lacked_fds and dialect in DIALECTS
            ):
                self._keep(ConnectionId(number), None, dialect, host, secure)
            case ("full", int() as number), []:
                self._turn_away(ConnectionId(number))
            case ("all",), []:
                self._sync(link)
            case _:
                raise UnknownMessage(message)

    def _leave(self, link: Link[AcceptorToWorker]) -> None:
        self._poller.forget(link)
        link.close()
        self.link, self.synced = None, False
        self._theirs.clear()  # the next worker has said nothing yet

    def _keep(self, connection: ConnectionId, fd: int | None, dialect: str, host: str, secure: bool) -> None:
        """A duplicate of a socket that the worker has; the store owns `fd` unless this raises UnknownMessage."""
        self._theirs.add(connection)
        if connection not in self._kept:
            try:
                self._admission.registered(host)
            except ValueError as error:
                raise UnknownMessage(("mine", connection, dialect, host, secure)) from error
            self._kept[connection] = (None, dialect, host, secure)
        if fd is not None and (self._kept[connection][0] is not None or fd >= first_of_the_last(self._reserved_fds)):
            os.close(fd)
        elif fd is not None:
            self._kept[connection] = (fd, dialect, host, secure)
        if self._kept[connection][0] is None:
            self._complain("no file descriptor for a copy", connection=connection, of=self._role)

    def _sync(self, link: Link[AcceptorToWorker]) -> None:
        """The worker has passed all that it has: it gets what it lacks."""
        self._lacks = deque([*(id for id in self._kept if id not in self._theirs), _END])
        self._theirs.clear()
        self.synced = True
        self._pass_on(link)
        crash_point("acceptor: synced")

    def _pass_on(self, link: Link[AcceptorToWorker]) -> None:
        """Pass the worker the sockets that it lacks, as far as the link takes them."""
        while self._lacks and not link.unsent:
            connection = self._lacks.popleft()
            if connection == _END:
                link.post(("synced",))
            elif connection in self._kept:
                fd, dialect, host, secure = self._kept[connection]
                if fd is None:
                    self._drop(connection)  # no process has its socket any more
                else:
                    link.post(("client", connection, dialect, host, secure), fds=(fd,))
        self._poller.want_write(link, link.unsent)

    def _drop(self, connection: ConnectionId) -> None:
        """The connection has ended. One whose socket was lost before is not known here any more."""
        if connection in self._kept:
            fd, _, host, _ = self._kept.pop(connection)
            if fd is not None:
                os.close(fd)
            self._admission.left(host)

    def _turn_away(self, connection: ConnectionId) -> None:
        """The worker has no descriptor for this client: it is told that the server is full, and closed."""
        if connection in self._kept:
            fd, dialect, host, _ = self._kept.pop(connection)
            if fd is not None:
                turn_away(socket.socket(fileno=fd), DIALECTS[dialect].turned_away(FULL, self._language))
            self._admission.left(host)
            self._complain("refused", host=host, why=f"the {self._role} process has no file descriptor for it")
