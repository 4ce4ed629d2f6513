"""The acceptor's custody of a worker's sockets: of each a copy of the descriptor, so that the connection outlives it.

A link to a worker begins with the worker: it gives a copy of each socket that it has ("mine", "all"); an acceptor that
has just been started knows of none. Then it gets those that it lacks ("client", "synced"): a worker that has just been
started has none. From then on newcomers go one way, and word of those that have ended ("gone") the other.
"""

import os
from collections import deque

from mpchat.ipc.handoff import Link
from mpchat.net.poller import AnyPoller
from mpchat.policy.admission import Admission
from mpchat.processes.crash import crash_point

_THATS_ALL = 0  # no connection's number


class Custody:
    """Of one worker's sockets, whichever process the worker is."""

    def __init__(self, poller: AnyPoller, admission: Admission) -> None:
        self._poller = poller
        self._admission = admission
        self.link: Link | None = None
        self.synced = False  # each has all the sockets that the other has
        self._kept: dict[int, tuple[int, bool, str]] = {}  # our copy of an fd, is it plain, its address
        self._theirs: set[int] = set()  # of those that the worker has said it has, until we are in step
        self._lacks: deque[int] = deque()  # to be passed on when the link has room

    def __len__(self) -> int:
        return len(self._kept)

    def take_link(self, link: Link) -> None:
        """Somebody is new at one end, the worker or we."""
        while self.link is not None:  # its worker is dead, and may have said something before
            self._hear(self.link)
        self.link = link
        self._poller.watch(link)

    def link_event(self, readable: bool, writable: bool) -> None:
        assert self.link is not None
        if writable:
            self.link.flush()
            self._pass_on(self.link)
        if readable:
            self._hear(self.link)

    def take_client(self, connection: int, fd: int, is_plain: bool, host: str) -> None:
        """A newcomer for this worker; the descriptor is ours from now on."""
        self._kept[connection] = (fd, is_plain, host)
        if self.synced and self.link is not None:  # else it gets this one with the others
            self._lacks.append(connection)
            self._pass_on(self.link)

    def _hear(self, link: Link) -> None:
        for (word, *about), fds in link.take():
            if word == "gone":
                self._drop(*about)
            elif word == "mine":
                connection, is_plain, host = about
                self._keep(connection, fds[0], is_plain, host)
            else:  # "all"
                self._sync(link)
        if link.ended:
            self._poller.forget(link)
            link.close()
            self.link, self.synced = None, False
            self._theirs.clear()  # the next worker has said nothing yet

    def _keep(self, connection: int, fd: int, is_plain: bool, host: str) -> None:
        self._theirs.add(connection)
        if connection in self._kept:
            os.close(fd)
        else:
            self._kept[connection] = (fd, is_plain, host)
            self._admission.entered(host)

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
                fd, is_plain, host = self._kept[connection]
                link.post("client", connection, is_plain, host, fds=(fd,))
        self._poller.want_write(link, link.unsent)

    def _drop(self, connection: int) -> None:
        if connection in self._kept:  # a connection whose socket had been lost has none here either
            fd, _, host = self._kept.pop(connection)
            os.close(fd)
            self._admission.left(host)
