"""The acceptor: accept(2), number the connection, pass its file descriptor to the least loaded worker (SCM_RIGHTS).

It waits on its listening sockets, its links to the workers, and the control link to the supervisor. It never reads what
a client sends. It keeps a duplicate of every descriptor, so that a connection outlives its worker (fd_store.py).

If it dies, the next acceptor gets a duplicate of each socket from the workers, and then the clients that have waited in
the listening sockets' backlog.
"""

import errno
import os
import socket
import time
from collections.abc import Callable

from mpchat.acceptor.fd_store import FdStore
from mpchat.flow.admission import FULL, Admission
from mpchat.flow.placement import least_loaded
from mpchat.ipc.descriptors import first_of_the_last, unusable
from mpchat.ipc.frames import LOOK_SECONDS, most_looks
from mpchat.ipc.link import Link
from mpchat.ipc.scoreboard import ACCEPTOR_ROW, FIRST_WORKER_ROW, Scoreboard, TurnWatch
from mpchat.messages import ChildToSupervisor, ConnectionId
from mpchat.protocol.address import written
from mpchat.protocol.dialect import DIALECTS
from mpchat.runtime.crash_points import crash_point
from mpchat.runtime.first_minute import BEAT_SECONDS
from mpchat.runtime.listening import prepare, turn_away
from mpchat.runtime.log import Log, Sparing
from mpchat.runtime.poller import Poller
from mpchat.settings import ChatSettings, Settings
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
        self.admission = Admission(most, each, rate, self.exempts(settings.chat.exempt))
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
                else:
                    for fd_store in self.fd_stores:
                        if source is fd_store.link:
                            fd_store.link_event(readable, writable)
            if time.monotonic() >= self.look_at:
                self.look_at = time.monotonic() + LOOK_SECONDS
                for number, fd_store in enumerate(self.fd_stores):
                    if self.peers.has_turned(FIRST_WORKER_ROW + number):
                        fd_store.look(most_looks(self.settings.hang_limit))
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
                    self.admission.limit(each, rate, self.exempts(exempt))
                case ("link", int() as number), [fd]:
                    self.fd_stores[number].take_link(Link(socket.socket(fileno=fd)))
                case _:
                    raise unusable(self.control, message)
        if self.control.ended:
            os._exit(0)

    def exempts(self, networks: tuple[str, ...]) -> Callable[[str], bool]:
        """What tells whether an address has no limits of its own: in these networks, or in --unlimited."""
        return (lambda host: True) if self.settings.unlimited else ChatSettings(exempt=networks).exempts

    def begin_accepting(self) -> None:
        """Once all workers have passed what they have: the limits count the connections of an earlier acceptor too."""
        self.accepting = True
        for listener in self.listeners:
            self.poller.watch(listener)
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

    def lose(self, listener: socket.socket, error: OSError) -> None:
        """A listening socket accepts no more. Raises Damaged if it was the last one: no new client can connect."""
        self.log.error("a listening socket is closed", dialect=self.listeners.pop(listener), error=str(error))
        self.poller.forget(listener)
        if not self.listeners:
            raise Damaged("no listening socket is left")

    def admit(self, sock: socket.socket, host: str, dialect: str) -> None:
        # Twice the acceptor's own reserve, so that a worker, which needs about as many besides, has room for it too.
        is_full = sock.fileno() >= first_of_the_last(2 * self.settings.reserved_fds)
        refusal = FULL if is_full else self.admission.refusal(host, time.monotonic())
        if refusal:
            turn_away(sock, DIALECTS[dialect].turned_away(refusal, self.settings.chat.language))
            self.complaints.warning("client refused", address=host, why=refusal)
            return
        prepare(sock, DIALECTS[dialect].keepalive, self.settings)
        self.last_number += 1
        worker = least_loaded([len(fd_store) for fd_store in self.fd_stores])
        self.fd_stores[worker].take_client(ConnectionId(self.last_number), sock.detach(), dialect, host)
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


def reserve() -> int | None:
    """A descriptor that is kept to be closed when one is needed; None if none is free."""
    try:
        return os.open(os.devnull, os.O_RDONLY)
    except OSError:
        return None
