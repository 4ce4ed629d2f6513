"""The acceptor: accept(2), number the connection, pass its file descriptor to the least loaded worker (SCM_RIGHTS).

It waits on its listening sockets, its links to the workers and to the front, and the control link to the supervisor. A
client of TLS comes from the front, with its address, and is one like all others from then on. It never reads what a
client sends. It keeps a duplicate of every descriptor, so that a connection outlives its worker (fd_store.py).

If it dies, the next acceptor gets a duplicate of each socket from the workers, and then the clients that have waited in
the listening sockets' backlog.
"""

import errno
import os
import socket
import stat
import time

from mpchat.acceptor.fd_store import FdStore
from mpchat.flow.admission import FULL, Admission, household
from mpchat.flow.placement import least_loaded
from mpchat.ipc.descriptors import first_of_the_last, unusable
from mpchat.ipc.frames import LOOK_SECONDS, most_looks
from mpchat.ipc.link import Link
from mpchat.ipc.scoreboard import ACCEPTOR_ROW, FIRST_WORKER_ROW, FRONT_ROW, Scoreboard, TurnWatch
from mpchat.messages import BadFrame, ChildToSupervisor, ConnectionId, Taken, UnknownMessage
from mpchat.protocol.address import written
from mpchat.protocol.dialect import DIALECTS
from mpchat.runtime.crash_points import crash_point
from mpchat.runtime.first_minute import BEAT_SECONDS
from mpchat.runtime.listening import prepare, turn_away
from mpchat.runtime.log import Log, Sparing
from mpchat.runtime.poller import Poller
from mpchat.settings import Settings
from mpchat.store.journal import Damaged

_ACCEPTS = 64  # from one listener in one turn, so that a storm on one does not starve the other
_OUT_OF_FDS = (errno.EMFILE, errno.ENFILE)
_NOT_LISTENING = (errno.EINVAL, errno.EBADF)  # shut down from outside (ss -K): it stays readable, and never accepts
_REST_SECONDS = 0.25  # before a listener is watched again after even the reserve was of no use


Listener = tuple[socket.socket, str]  # and the dialect that is spoken there


def main(
    control: Link[ChildToSupervisor],
    log: Log,
    settings: Settings,
    scoreboard: Scoreboard,
    listeners: list[Listener],
    term: int,
) -> None:
    """`term`: the number of this acceptor among all of this run, from 1."""
    Acceptor(control, log, settings, scoreboard, dict(listeners), term).run()


class Acceptor:
    def __init__(
        self,
        control: Link[ChildToSupervisor],
        log: Log,
        settings: Settings,
        scoreboard: Scoreboard,
        listeners: dict[socket.socket, str],
        term: int,
    ) -> None:
        self.control, self.log, self.settings, self.scoreboard = control, log, settings, scoreboard
        self.listeners = listeners
        most, each, rate = settings.max_clients, settings.connections_per_address, settings.new_connections_per_minute
        self.admission = Admission(most, each, rate, settings.exempting(settings.chat.exempt))
        self.last_number = term << 32  # of a connection: no two acceptors give the same
        self.accepting = False
        self.turns = 0
        self.complaints = Sparing(log)
        self.reserve = reserve()  # closed for a moment when no other descriptor is free
        self.resting: list[socket.socket] = []  # listeners not watched, for want of even that descriptor
        self.rest_until = 0.0  # monotonic
        self.peers = TurnWatch(scoreboard)
        self.look_at = 0.0  # monotonic: when unfinished frames are looked at next
        self.poller = Poller()
        self.front: Link[Taken] | None = None  # not read before begin_accepting()
        self.fd_stores = [  # by worker
            FdStore(
                f"worker{number}",
                control,
                self.poller,
                self.admission,
                self.complaints.warning,
                settings.reserved_fds,
                settings.chat.language,
                scoreboard.meter("acceptor", f"worker{number}"),
            )
            for number in range(settings.workers)
        ]

    def run(self) -> None:
        self.poller.watch(self.control)
        while True:
            for source, readable, writable, _ in self.poller.wait(BEAT_SECONDS):
                if isinstance(source, socket.socket):
                    self.accept(source)
                elif source is self.control:
                    self.on_control()
                elif source is self.front:
                    self.on_front(self.front, readable, writable)
                else:
                    for fd_store in self.fd_stores:
                        if source is fd_store.link:
                            fd_store.link_event(readable, writable)
            if time.monotonic() >= self.look_at:
                self.look_at = time.monotonic() + LOOK_SECONDS
                for number, fd_store in enumerate(self.fd_stores):
                    if self.peers.has_turned(FIRST_WORKER_ROW + number):
                        fd_store.look(most_looks(self.settings.hang_limit))
                if self.front is not None and self.peers.has_turned(FRONT_ROW):
                    self.look_at_front(self.front)
            if self.resting and time.monotonic() >= self.rest_until:
                self.go_on_listening()
            if not self.accepting and all(fd_store.synced for fd_store in self.fd_stores):
                self.begin_accepting()
            self.turns += 1
            clients, accepted = sum(map(len, self.fd_stores)), self.last_number & 0xFFFFFFFF
            self.scoreboard.write(ACCEPTOR_ROW, clients, accepted, turns=self.turns)
            self.complaints.catch_up()
            self.log.catch_up()

    def on_control(self) -> None:
        """The supervisor gives a link to a worker or other limits, or says stop. Its end of file: it is dead."""
        for message, fds in self.control.take():
            match message, fds:
                case ("stop",), []:
                    os._exit(0)
                case ("limits", int() as each, int() as rate, tuple() as exempt, int(), int() | float()), []:
                    self.admission.limit(each, rate, self.settings.exempting(exempt))
                case ("link", int() as number), [fd]:
                    self.fd_stores[number].take_link(Link(socket.socket(fileno=fd)))
                case ("front",), [fd]:
                    self.take_front(Link(socket.socket(fileno=fd)))
                case _:
                    raise unusable(self.control, message)
        if self.control.ended:
            os._exit(0)

    def begin_accepting(self) -> None:
        """Once all workers have passed what they have: the limits count the connections of an earlier acceptor too."""
        self.accepting = True
        for listener in self.listeners:
            self.poller.watch(listener)
        if self.front is not None:
            self.poller.watch(self.front)
        self.control.post(("ready",))

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
                if error.errno in _NOT_LISTENING:
                    self.lose(listener, error)
                    return
                continue  # the client has left already (accept(2) passes on the connection's errors)
            crash_point("acceptor: accepted")
            self.admit(sock, written(str(address[0])), self.listeners[listener])

    # The front

    def take_front(self, link: Link[Taken]) -> None:
        """The front is new, or the acceptor is. What is left of a dead front's clients ended with it."""
        if self.front is not None:
            self.leave_front(self.front)
        self.front = link
        link.count_on(self.scoreboard.meter("acceptor", "front"))
        if self.accepting:
            self.poller.watch(link)

    def on_front(self, link: Link[Taken], readable: bool, writable: bool) -> None:
        if writable:
            link.flush()
        if readable:
            try:
                link.take_each(lambda message, fds: self.on_client_of_front(link, message, fds))
            except BadFrame as error:
                self.report_front(link, error)
                return
        if link.ended:
            self.leave_front(link)
        else:
            self.poller.want_write(link, link.unsent)

    def on_client_of_front(self, link: Link[Taken], message: tuple[object, ...], fds: list[int]) -> None:
        """A client that has agreed upon TLS with the front. Raises UnknownMessage.

        The front keeps a copy of the socket until "taken". It hands the client over `again` where an acceptor died in
        between: that one may have passed it on to a worker, which the workers have told by now.
        """
        match message, fds:
            case ("client", int() as token, str() as dialect, str() as host, bool() as again), [fd] if (
                dialect in DIALECTS and is_address(host) and stat.S_ISSOCK(os.fstat(fd).st_mode)
            ):
                if again and any(fd_store.has_socket(fd) for fd_store in self.fd_stores):
                    os.close(fd)
                else:
                    self.admit(socket.socket(fileno=fd), host, dialect, secure=True)
                link.post(("taken", token))
                crash_point("acceptor: took from the front")
            case ("client", int() as token, str(), str(), bool()), [] if link.lacked_fds:
                link.post(("taken", token))  # it ends: there is nothing by which it could be told why
                self.complaints.warning("out of file descriptors", open=sum(map(len, self.fd_stores)))
            case _:
                raise UnknownMessage(message)

    def look_at_front(self, link: Link[Taken]) -> None:
        try:
            link.look(most_looks(self.settings.hang_limit))
        except BadFrame as error:
            self.report_front(link, error)

    def report_front(self, link: Link[Taken], error: BadFrame) -> None:
        """The front has sent what is no message: the supervisor replaces it."""
        self.control.post(("misbehaves", "front", str(error)))
        self.leave_front(link)

    def leave_front(self, link: Link[Taken]) -> None:
        if self.accepting:
            self.poller.forget(link)
        link.close()
        self.front = None

    # Clients

    def lose(self, listener: socket.socket, error: OSError) -> None:
        """A listening socket accepts no more. Raises Damaged if it was the last one: no new client can connect."""
        self.log.error("a listening socket is closed", dialect=self.listeners.pop(listener), error=str(error))
        self.poller.forget(listener)
        if not self.listeners:
            raise Damaged("no listening socket is left")

    def admit(self, sock: socket.socket, host: str, dialect: str, secure: bool = False) -> None:
        """`host`: the client's address, as the kernel or the front has told it; `secure`: it speaks TLS."""
        # Twice the acceptor's own reserve, so that a worker, which needs about as many besides, has room for it too.
        is_full = sock.fileno() >= first_of_the_last(2 * self.settings.reserved_fds)
        refusal = FULL if is_full else self.admission.refusal(host, time.monotonic())
        if refusal:
            turn_away(sock, DIALECTS[dialect].turned_away(refusal, self.settings.chat.language))
            self.complaints.warning("client refused", address=host, why=refusal)
            return
        prepare(sock, DIALECTS[dialect].keepalive and not secure, self.settings)  # the front is never unreachable
        self.last_number += 1
        worker = least_loaded([len(fd_store) for fd_store in self.fd_stores])
        self.fd_stores[worker].take_client(ConnectionId(self.last_number), sock.detach(), dialect, host, secure)
        crash_point("acceptor: passed on")

    def refuse_for_want_of_fds(self, listener: socket.socket) -> None:
        """Accept one client with the reserve, and refuse it: left unaccepted, it would keep the listener readable.

        If even the reserve is of no use (ENFILE, or a lowered limit), the listener rests, and its clients wait.
        """
        if self.reserve is not None:
            os.close(self.reserve)
        try:
            sock, _ = listener.accept()
        except OSError as error:
            if error.errno in _OUT_OF_FDS:
                self.poller.forget(listener)
                self.resting.append(listener)
                self.rest_until = time.monotonic() + _REST_SECONDS
        else:
            language = self.settings.chat.language
            turn_away(sock, DIALECTS[self.listeners[listener]].turned_away(FULL, language))
        self.reserve = reserve()
        self.complaints.warning("out of file descriptors", open=sum(map(len, self.fd_stores)))

    def go_on_listening(self) -> None:
        self.reserve = reserve() if self.reserve is None else self.reserve
        for listener in self.resting:
            self.poller.watch(listener)
        self.resting.clear()


def is_address(text: str) -> bool:
    """What no front of ours gets wrong, and admission would trip over."""
    try:
        household(text)
    except ValueError:
        return False
    return True


def reserve() -> int | None:
    """A descriptor that is kept to be closed when one is needed; None if none is free."""
    try:
        return os.open(os.devnull, os.O_RDONLY)
    except OSError:
        return None
