"""The acceptor's custody of a worker's sockets: of each a copy of the descriptor, so that the connection outlives it.

A link to a worker begins with the worker: it gives a copy of each socket that it has ("mine", "all"); an acceptor that
has just been started knows of none. Then it gets those that it lacks ("client", "synced"): a worker that has just been
started has none. From then on newcomers go one way, and word of those that have ended ("gone") the other.

A worker that has no descriptor left for a client says so ("full"), and the client is turned away here. A copy for which
the acceptor has none left is not kept: that client lives as long as its worker.
"""

import os
import socket
import stat
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from mpchat.flow.admission import FULL, Admission
from mpchat.ipc.descriptors import first_of_the_last
from mpchat.ipc.link import Link, close_all
from mpchat.messages import BadFrame, UnknownMessage
from mpchat.protocol.dialect import DIALECTS
from mpchat.runtime.crash_points import crash_point
from mpchat.runtime.listening import turn_away
from mpchat.runtime.poller import AnyPoller

_THATS_ALL = 0  # no connection's number


class FdStore:
    """Of one worker's sockets, whichever process the worker is.

    `control` is the link to the supervisor, which is told if that process misbehaves; `complain` logs an event. The
    last `reserved_fds` of the acceptor's descriptors are for other things than copies.
    """

    def __init__(
        self,
        role: str,
        control: Link,
        poller: AnyPoller,
        admission: Admission,
        complain: Callable[..., None],
        reserved_fds: int,
    ) -> None:
        self._role = role
        self._control = control
        self._poller = poller
        self._admission = admission
        self._complain = complain
        self._reserved_fds = reserved_fds
        self.link: Link | None = None
        self.synced = False  # each has all the sockets that the other has
        self._kept: dict[int, tuple[int | None, str, str]] = {}  # our copy of an fd if any, dialect, address
        self._theirs: set[int] = set()  # of those that the worker has said it has, until we are in step
        self._lacks: deque[int] = deque()  # to be passed on when the link has room

    def __len__(self) -> int:
        return len(self._kept)

    def take_link(self, link: Link) -> None:
        """Somebody is new at one end, the worker or we."""
        if self.link is not None:
            self._hear_out(self.link)
        self.link = link
        self._poller.watch(link)

    def _hear_out(self, link: Link) -> None:
        """Its worker is dead, and may have said something before. Then it need not end: another may hold that end."""
        with suppress(BadFrame):
            while self.link is link:
                self._hear(link)
                if link.drained:
                    self._leave(link)
        if self.link is link:
            self._leave(link)

    def link_event(self, readable: bool, writable: bool) -> None:
        link = self.link
        assert link is not None
        if writable:
            link.flush()
            self._pass_on(link)
        if readable:
            try:
                self._hear(link)
            except BadFrame as error:
                self._distrust(link, error)

    def look(self, most: int) -> None:
        """Does what has begun to come go on? `most`: see Progress."""
        link = self.link
        if link is not None:
            try:
                link.look(most)
            except BadFrame as error:
                self._distrust(link, error)

    def _distrust(self, link: Link, error: BadFrame) -> None:
        """What the worker has sent is no message: there will be another."""
        self._control.post("misbehaves", self._role, str(error))
        self._leave(link)

    def take_client(self, connection: int, fd: int, dialect: str, host: str) -> None:
        """A newcomer for this worker; the descriptor is ours from now on."""
        self._kept[connection] = (fd, dialect, host)
        if self.synced and self.link is not None:  # else it gets this one with the others
            self._lacks.append(connection)
            self._pass_on(self.link)

    def _hear(self, link: Link) -> None:
        """Raises BadFrame at what no worker of ours says."""
        messages = deque(link.take())
        try:
            while messages:
                self._hear_one(link, *messages[0])
                messages.popleft()
        finally:
            close_all(messages)
        if link.ended:
            self._leave(link)

    def _hear_one(self, link: Link, message: tuple[object, ...], fds: list[int]) -> None:
        match message, fds:
            case ("gone", int() as connection), []:
                self._drop(connection)
            case ("mine", int() as connection, str() as dialect, str() as host), [fd] if (
                connection > _THATS_ALL and dialect in DIALECTS and stat.S_ISSOCK(os.fstat(fd).st_mode)
            ):
                self._keep(connection, fd, dialect, host)
            case ("mine", int() as connection, str() as dialect, str() as host), [] if (
                link.lacked_fds and dialect in DIALECTS
            ):
                self._keep(connection, None, dialect, host)
            case ("full", int() as connection), []:
                self._turn_away(connection)
            case ("all",), []:
                self._sync(link)
            case _:
                raise UnknownMessage(message)

    def _leave(self, link: Link) -> None:
        self._poller.forget(link)
        link.close()
        self.link, self.synced = None, False
        self._theirs.clear()  # the next worker has said nothing yet

    def _keep(self, connection: int, fd: int | None, dialect: str, host: str) -> None:
        """A copy of a socket that the worker has; the descriptor is ours from now on, unless this raises BadFrame."""
        self._theirs.add(connection)
        if connection not in self._kept:
            try:
                self._admission.registered(host)
            except ValueError as error:
                raise UnknownMessage(("mine", connection, dialect, host)) from error
            self._kept[connection] = (None, dialect, host)
        if fd is not None and (self._kept[connection][0] is not None or fd >= first_of_the_last(self._reserved_fds)):
            os.close(fd)
        elif fd is not None:
            self._kept[connection] = (fd, dialect, host)
        if self._kept[connection][0] is None:
            self._complain("no file descriptor for a copy", connection=connection, of=self._role)

    def _sync(self, link: Link) -> None:
        self._lacks = deque([*(id for id in self._kept if id not in self._theirs), _THATS_ALL])
        self._theirs.clear()
        self.synced = True
        self._pass_on(link)
        crash_point("acceptor: synced")

    def _pass_on(self, link: Link) -> None:
        """Give the worker what it lacks, as far as the link takes it."""
        while self._lacks and not link.unsent:
            connection = self._lacks.popleft()
            if connection == _THATS_ALL:
                link.post("synced")
            elif connection in self._kept:
                fd, dialect, host = self._kept[connection]
                if fd is None:
                    self._drop(connection)  # nobody has its socket any more
                else:
                    link.post("client", connection, dialect, host, fds=(fd,))
        self._poller.want_write(link, link.unsent)

    def _drop(self, connection: int) -> None:
        if connection in self._kept:  # a connection whose socket had been lost has none here either
            fd, _, host = self._kept.pop(connection)
            if fd is not None:
                os.close(fd)
            self._admission.left(host)

    def _turn_away(self, connection: int) -> None:
        """The worker cannot have it, so nobody will serve it: it is told so, and ends."""
        if connection in self._kept:
            fd, dialect, host = self._kept.pop(connection)
            if fd is not None:
                turn_away(socket.socket(fileno=fd), DIALECTS[dialect].turned_away(FULL))
            self._admission.left(host)
            self._complain("refused", host=host, why=f"the {self._role} process has no file descriptor for it")
