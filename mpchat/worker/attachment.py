"""How a worker is attached to the broker and the acceptor of the moment. Either may die, and so may the worker itself.

    a new link to an acceptor    we give it a copy of each of our sockets -> it gives us those we lack -> "synced"
    a new lane to a broker       we say how far we are in its stream      -> the items after that      -> "go"

A worker that has just been started is nowhere in the stream, and first becomes what its predecessor was
(succession.py). Until then it has no output.

With "go" comes how much of each client's input the broker has accepted. What was forwarded beyond that has died with
somebody, and is still in the kernel: it is forwarded again. And it comes for whose output the broker waits: we say when
it is out, whoever has said so before.
"""

from __future__ import annotations

import os
import socket
from collections import deque
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Any

from mpchat.ipc import queue_passing
from mpchat.ipc.descriptors import first_of_the_last, unusable
from mpchat.ipc.link import Link, close_all
from mpchat.ipc.transport import QueuePair, Transport
from mpchat.ipc.validation import are_items, check_inputs, check_state
from mpchat.messages import BadFrame, ChildToSupervisor, ConnectionId, UnknownMessage, WorkerToAcceptor
from mpchat.runtime.crash_points import crash_point
from mpchat.worker.connection import Connection
from mpchat.worker.takeover import Takeover

if TYPE_CHECKING:
    from mpchat.messages import Group, Resumed
    from mpchat.worker.worker import Worker

_BEAT_ITEMS = 64  # one may go to ten thousand connections, which takes a millisecond


def wrapped(fd: int) -> socket.socket:
    """A client's socket. Of what a number does not tell, Python asks the kernel only whether it is IPv4 or IPv6."""
    return socket.socket(-1, socket.SOCK_STREAM, 0, fileno=fd)


class Attachment:
    """Of one worker.

    `complete`: there is a broker, and it knows where we are. `may_send`: we know what each client has got.
    """

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.transport: Transport | None = None
        self.link: Link[WorkerToAcceptor] | None = None
        self.position = 0  # items applied: our place in the broker's numbered stream
        self.is_new = True  # we have never been in it
        self.may_send = self.complete = self.synced = False
        self.giving: deque[Connection | None] = deque()  # to be given to a new acceptor; None: that is all
        self.takeover = Takeover(worker)

    def on_control(self, control: Link[ChildToSupervisor]) -> None:
        """The supervisor gives us a broker or an acceptor to work with, or says that there will be no broker any more.

        The end of the link says that it is dead.
        """
        for message, fds in control.take():
            match message, fds:
                case ("transport", int() as serial, bytes() as pickled), [_, *_]:
                    self.take_transport(serial, pickled, fds)
                case ("acceptor",), [fd]:
                    self.take_link(Link(socket.socket(fileno=fd)))
                case ("farewell", str() as reason), []:
                    self.worker.say_farewell(reason)
                case _:
                    raise unusable(control, message)
        if control.ended:
            os._exit(0)  # nothing survives the supervisor

    def look(self, most: int) -> None:
        """Does what has begun to come go on? `most`: see Progress."""
        transport, link = self.transport, self.link
        if transport is not None:
            try:
                transport.look(most)
            except BadFrame as error:
                self.distrust_broker(transport, error)
        if link is not None:
            try:
                link.look(most)
            except BadFrame as error:
                self.distrust_acceptor(link, error)

    def distrust_broker(self, transport: Transport, error: BadFrame) -> None:
        """What the broker has sent is no message: there will be another."""
        self.worker.control.post(("misbehaves", "broker", str(error)))
        self.leave(transport)

    def distrust_acceptor(self, link: Link[WorkerToAcceptor], error: BadFrame) -> None:
        """What the acceptor has sent is no message: there will be another."""
        self.worker.control.post(("misbehaves", "acceptor", str(error)))
        self.leave_link(link)

    # The acceptor

    def take_link(self, link: Link[WorkerToAcceptor]) -> None:
        worker = self.worker
        if self.link is not None:
            self.hear_out(self.link)
        self.link, self.giving = link, deque([*worker.connections.values(), None])
        worker.poller.watch(link)
        self.give(link)

    def hear_out(self, link: Link[WorkerToAcceptor]) -> None:
        """Its acceptor is dead, and may have said something before. Then it need not end: another may hold that end."""
        with suppress(BadFrame):
            while self.link is link:
                self.read_link(link)
                if link.drained:
                    self.leave_link(link)
        if self.link is link:
            self.leave_link(link)

    def give(self, link: Link[WorkerToAcceptor]) -> None:
        """To a new acceptor a copy of each of our sockets, as far as the link takes it."""
        while self.giving and not link.unsent:
            connection = self.giving.popleft()
            if connection is None:
                link.post(("all",))
            elif connection.fileno() >= 0 and connection.host:  # neither closed since nor a stand-in
                id = ConnectionId(connection.id)
                fds = (connection.fileno(),)
                link.post(("mine", id, connection.is_plain, connection.host), fds)  # type: ignore[arg-type]  # a bool yet
        self.worker.poller.want_write(link, link.unsent)

    def link_event(self, link: Link[WorkerToAcceptor], readable: bool, writable: bool) -> None:
        if link is not self.link:
            return  # it was replaced in this very turn
        if writable:
            link.flush()
            self.give(link)
        if readable:
            try:
                self.read_link(link)
            except BadFrame as error:
                self.distrust_acceptor(link, error)

    def read_link(self, link: Link[WorkerToAcceptor]) -> None:
        """Raises BadFrame at what no acceptor of ours says."""
        messages = deque(link.take())
        try:
            while messages:
                self.read_one(link, *messages[0])
                messages.popleft()
        finally:
            close_all(messages)
        if link.ended:
            self.leave_link(link)

    def read_one(self, link: Link[WorkerToAcceptor], message: tuple[object, ...], fds: list[int]) -> None:
        match message, fds:
            case ("client", int() as id, bool() as is_plain, str() as host), [fd]:
                if fd >= first_of_the_last(self.worker.reserved_fds):
                    os.close(fd)
                    self.turn_away(link, id)
                else:
                    self.worker.take_client(id, is_plain, host, wrapped(fd))
            case ("client", int() as id, bool(), str()), [] if link.lacked_fds:
                self.turn_away(link, id)
            case ("synced",), []:
                if not self.synced:
                    self.synced = True
                    self.hello()
            case _:
                raise UnknownMessage(message)

    def turn_away(self, link: Link[WorkerToAcceptor], id: int) -> None:
        """We have no descriptor for this client: the acceptor, which has one, tells it so."""
        link.post(("full", ConnectionId(id)))
        self.worker.poller.want_write(link, link.unsent)

    def leave_link(self, link: Link[WorkerToAcceptor]) -> None:
        self.worker.poller.forget(link)
        link.close()
        self.link = None

    def gone(self, connection: Connection) -> None:
        """It is closed here; with the acceptor's copy the kernel's connection ends."""
        if self.link is not None:
            self.link.post(("gone", ConnectionId(connection.id)))
            self.worker.poller.want_write(self.link, self.link.unsent)

    # The broker

    def take_transport(self, serial: int, pickled: bytes, fds: list[int]) -> None:
        worker = self.worker
        if self.transport is not None:
            self.leave(self.transport)
        transport: QueuePair = queue_passing.load(pickled, fds)
        self.transport = transport.at_worker()
        worker.poller.watch(self.transport)
        worker.control.post(("opened", serial))
        self.hello()

    def leave(self, transport: Transport) -> None:
        """Its broker is dead, and what was under way to it or from it is lost. The supervisor sends us another lane."""
        self.worker.poller.forget(transport)
        transport.close()
        self.transport, self.complete = None, False
        self.worker.reader.pause()
        if self.is_new:
            self.takeover.start_again()

    def hello(self) -> None:
        """Once we have a lane and all our sockets."""
        if self.synced and self.transport is not None:
            self.worker.applied = self.worker.reported = 0  # the broker counts from here too: what we lack counts
            self.transport.put(("attach", -1 if self.is_new else self.position))

    def drain_transport(self, transport: Transport) -> None:
        if transport is not self.transport:
            return  # it was replaced in this very turn
        try:
            for message in transport.take():
                match message:
                    case ("items", int() as first, int() as credit, int() as size, list() as items):
                        self.apply(first, credit, size, items)
                    case ("state", int() as position, list() as places, list() as groups):
                        check_state(places, groups)
                        self.take_state(position, places, groups)
                    case ("go", list() as inputs, list() as drains):
                        check_inputs(inputs, drains)
                        self.go(inputs, drains)
                    case _:
                        raise UnknownMessage(message)
        except BadFrame as error:
            self.distrust_broker(transport, error)
            return
        if transport.ended:
            self.leave(transport)

    def apply(self, first: int, credit: int, size: int, items: list[tuple[Any, ...]]) -> None:
        """Raises BadFrame if these are not the next items of the stream; those before a wrong one have been applied."""
        if first != self.position + 1:
            raise BadFrame(f"a gap in the stream: item {first} after {self.position}")
        do, rest = self.worker.do, iter(items)
        try:
            for _ in range(0, len(items), _BEAT_ITEMS):
                self.worker.heartbeat.beat()
                for item in islice(rest, _BEAT_ITEMS):
                    do[item[0]](*item[1:])
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            if are_items(items):
                raise  # then it is our own fault
            self.position += len(items) - len(list(rest)) - 1
            raise UnknownMessage(item) from error
        self.position += len(items)
        self.worker.applied += size
        self.worker.reader.send_window.earn(credit)
        crash_point("worker: applied")

    def take_state(self, position: int, places: list[Resumed], groups: list[Group]) -> None:
        self.position = position
        self.takeover.take_state(places, groups)

    def opened(self, id: int) -> None:
        """The broker has a session for this connection: no news, unless we were not here when it began."""
        if self.is_new:
            self.takeover.opened(id)

    def go(self, inputs: list[tuple[int, int, int, bool]], drains: list[tuple[int, int]]) -> None:
        """We are in step with the broker: from here on all is as if nobody had died."""
        worker = self.worker
        if self.is_new:
            self.takeover.resume_output()
        self.complete, self.is_new, self.may_send = True, False, True
        worker.checkpoints.start_over()
        worker.reader.resume()
        known = {id: (accepted, begun, discarding) for id, accepted, begun, discarding in inputs}
        for connection in worker.heartbeat.among(list(worker.connections.values())):
            if connection.id in known:
                connection.resume_input(*known[connection.id])
                if connection.cut:  # who has done that, we or a dead worker, was not heard
                    worker.give_up(connection)
            elif not connection.closing:
                connection.resume_input(0, 0, False)
                worker.announce(connection)
            worker.reader.read(connection)
        worker.drains.clear()  # what we were to say may have been lost, or the broker knows it
        for id, number in drains:
            worker.drain(worker.connections[id], number)
        worker.control.post(("ready",))
        crash_point("worker: attached")
