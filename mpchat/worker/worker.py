"""A worker: bytes in -> records up to the broker; items down from the broker -> bytes out. It decides nothing.

It waits in one place for four kinds of file descriptors: its clients' sockets, the transport from the broker, the link
from the acceptor (new clients), and the control link to the supervisor. One turn of the loop deals with all that is
ready, puts at most one batch to the broker, and then sends to those clients who are to get something, all that there is
for each in one call, until something else is ready: while a large room is served, what its members say is read already,
and the broker works on it meanwhile.

    backpressure  a broker that does not keep up: the send window is empty, and the worker stops reading clients
                  a client that floods: its token bucket is empty, and the worker stops reading that one
                  a client that does not read: its backlog grows, and at a limit (its own, or of all together)
                  the broker is told

If it dies, its clients' sockets live on in the acceptor's copies, what the broker has not accepted of their input in
the kernel, and what they were to be sent in the broker's outbox: another worker goes on to the byte (takeover.py).
"""

import math
import os
import socket
import time
from collections.abc import Iterable

from mpchat.ipc.descriptors import unusable
from mpchat.ipc.frames import LOOK_SECONDS, most_looks
from mpchat.ipc.link import Link
from mpchat.ipc.scoreboard import ACCEPTOR_ROW, BROKER_ROW, FIRST_WORKER_ROW, Scoreboard, TurnWatch
from mpchat.messages import ChildToSupervisor, ConnectionId, Inspected, Item, UnknownMessage, WorkerNumber
from mpchat.protocol.dialect import Dialect
from mpchat.runtime.crash_points import between, crash_point
from mpchat.runtime.first_minute import BEAT_SECONDS, TEND_SECONDS
from mpchat.runtime.heartbeat import Heartbeat
from mpchat.runtime.log import Log
from mpchat.runtime.poller import Event, Poller
from mpchat.settings import Settings
from mpchat.worker import tcp_position
from mpchat.worker.acceptor_link import AcceptorLink
from mpchat.worker.broker_stream import BrokerStream
from mpchat.worker.checkpoints import Checkpoints
from mpchat.worker.connection import Connection, Limits
from mpchat.worker.groups import Groups
from mpchat.worker.lingering_close import LingeringClose
from mpchat.worker.reading import InputReader
from mpchat.worker.tracing import Tracing

_SENDS = (
    16  # between two looks at what is ready: with 128 (1 to 2 ms) a sixth less goes into one send() of a large room
)
_UNSENT_BYTES = 65_536  # of items, between two times at which nobody has anything left to be sent
_STALL_SECONDS = 1.0  # a loop turns four times a second


def main(
    control: Link[ChildToSupervisor], log: Log, settings: Settings, scoreboard: Scoreboard, number: WorkerNumber
) -> None:
    Worker(control, settings, scoreboard, number).run()


class Worker:
    def __init__(
        self, control: Link[ChildToSupervisor], settings: Settings, scoreboard: Scoreboard, number: WorkerNumber
    ) -> None:
        self.control, self.scoreboard, self.number = control, scoreboard, number
        self.row = FIRST_WORKER_ROW + number
        self.heartbeat = Heartbeat(scoreboard, self.row)
        self.poller = Poller()
        self.limits = Limits(settings)
        self.backlogs = self.limits.backlogs
        self.reader = InputReader(settings, self.poller)
        self.groups = Groups()
        self.lingering = LingeringClose(settings)
        self.connections: dict[ConnectionId, Connection] = {}
        self.checkpoints = Checkpoints(self.connections)
        self.reserved_fds = settings.reserved_fds
        self.language = settings.chat.language
        self.most_looks = most_looks(settings.hang_limit)
        self.peers = TurnWatch(scoreboard)
        self.tend_at = self.look_at = 0.0  # monotonic: the next tend(), and look()
        self.acceptor = AcceptorLink(self)
        self.broker = BrokerStream(self)
        self.trace: Tracing | None = None  # while somebody traces
        # By connection: the offset up to which its kernel must have taken the output, and the number of the question.
        self.drains: dict[ConnectionId, tuple[int, int]] = {}
        self.arrived: list[Event] = []  # what is ready for the next turn, as far as flush() has looked
        self.sent_at = 0  # how many bytes of items had been applied when nobody had anything left to be sent
        self.sends = self.bytes_out = self.turns = 0
        self.ending = False
        # What the broker has said meanwhile comes late to the clients, and so do their answers.
        self.turned_at = self.woke_at = time.monotonic()  # the last turn; the end of a time without any
        self.grace = settings.chat.ping_grace_seconds

    def run(self) -> None:
        self.poller.watch(self.control)
        while self.connections or not self.ending:
            self.turn(self.timeout())

    def turn(self, timeout: float) -> None:
        """Wait for something to do, `timeout` seconds at most, and do what there is."""
        events = self.arrived or self.poller.wait(timeout)  # only here it waits; see poller.py
        self.arrived = []
        if self.scoreboard.tracing[0] != (self.trace is not None):
            self.switch_tracing()
        for source, readable, writable, hung_up in events:
            if isinstance(source, Connection):
                self.on_client(source, readable, writable, hung_up)
            elif source is self.broker.transport:
                self.broker.on_event(self.broker.transport, readable, writable)
            elif source is self.acceptor.link:
                self.acceptor.on_event(self.acceptor.link, readable, writable)
            elif source is self.control:
                self.on_control()
        now = time.monotonic()
        self.note_stall(now)
        self.turned_at = now
        if self.broker.in_step:
            self.reader.read_the_waiting(now)
            self.broker.forward()
        if now >= self.tend_at:
            self.tend(now)
        if self.broker.output_known:
            self.flush()
        self.show()

    def note_stall(self, now: float) -> None:
        """Remember it if this process has stood still (SIGSTOP, a machine that swaps) since its last turn."""
        if now - self.turned_at > _STALL_SECONDS:
            self.woke_at = now

    def tend(self, now: float) -> None:
        """What may wait for TEND_SECONDS."""
        self.tend_at = now + TEND_SECONDS
        if now >= self.broker.checkpoint_due:
            self.send_all()  # a checkpoint tells of what the kernel did not take, not of what it was not given
            self.broker.tell_checkpoint(now)
        for connection in self.heartbeat.among(self.lingering.overdue(now)):
            self.forget(connection)
        if now >= self.look_at:
            self.look_at = now + LOOK_SECONDS
            self.look(self.most_looks)

    def look(self, most: int) -> None:
        """A message of the broker or the acceptor that does not go on is reported. `most`: see frames.Progress."""
        if self.peers.has_turned(BROKER_ROW):
            self.broker.look(most)
        if self.peers.has_turned(ACCEPTOR_ROW):
            self.acceptor.look(most)

    def timeout(self) -> float:
        """Seconds until something is due that no file descriptor tells of."""
        if (self.reader.records and self.broker.in_step) or (self.groups.has_pending and self.broker.output_known):
            return 0.0
        tend_at = max(self.tend_at, min(self.lingering.next_deadline, self.broker.checkpoint_due))
        return min(min(tend_at, self.reader.next_deadline) - time.monotonic(), BEAT_SECONDS)

    def switch_tracing(self) -> None:
        """Somebody has begun to trace, or nobody does any more."""
        is_on = self.scoreboard.tracing[0] != 0
        self.trace = self.reader.trace = Tracing(self, self.scoreboard.ring(self.row)) if is_on else None

    def on_control(self) -> None:
        """The supervisor gives a broker, an acceptor or other limits, or says that there will be no broker any more.

        The end of the link says that the supervisor is dead.
        """
        for message, fds in self.control.take():
            match message, fds:
                case ("transport", int() as serial, bytes() as pickled), [_, *_]:
                    self.broker.take_transport(serial, pickled, fds)
                case ("acceptor",), [fd]:
                    self.acceptor.take_link(Link(socket.socket(fileno=fd)))
                case ("limits", int(), int(), tuple(), int() as burst, int() | float() as rate), []:
                    self.reader.limit(burst, rate)
                case ("inspect", int() as id), []:
                    self.control.post(self.inspected(ConnectionId(id)))
                case ("farewell", str() as reason), []:
                    self.say_farewell(reason)
                case _:
                    raise unusable(self.control, message)
        if self.control.ended:
            os._exit(0)  # nothing survives the supervisor

    def inspected(self, id: ConnectionId) -> Inspected:
        """How a client's socket stands, for who wonders why nothing comes or goes."""
        connection = self.connections.get(id)
        if connection is None or connection.fileno() < 0:
            return ("inspected", id, (0, 0, 0, 0), 0, "gone")
        kept = connection.unsent + sum(map(len, connection.to_send))
        waits = tcp_position.unacknowledged(connection.sock)
        unread, forwarded = tcp_position.unread(connection.sock), connection.forwarded - connection.consumed
        state = "closing" if connection.closing else self.reader.state(connection)
        return ("inspected", id, (kept, waits, unread, forwarded), connection.peer_port, state)

    # Up: bytes in, records out

    def take_client(
        self, id: ConnectionId, dialect: Dialect, host: str, sock: socket.socket, secure: bool = False
    ) -> None:
        """A connection is this worker's from now on, which closes `sock`. `secure`: it came by TLS, from the front."""
        connection = self.connections[id] = Connection(id, sock, dialect, host, self.limits, secure)
        self.reader.begin(connection)
        if connection.fileno() >= 0:  # else no process has its socket any more: Takeover.adopt()
            self.poller.watch(connection, stream=True)
        if self.ending:  # the broker has had its last word
            self.close(connection)
        else:
            self.announce(connection)
        crash_point("worker: took a client")

    def announce(self, connection: Connection) -> None:
        """Tell the broker of a connection that it does not know.

        While there is no broker nothing is done: with "go", resume_inputs() announces those the new one does not name.
        """
        if self.broker.in_step:
            about = connection.dialect.name, connection.host, connection.secure
            self.reader.records.append(("open", self.number, connection.id, *about))

    def on_client(self, connection: Connection, readable: bool, writable: bool, hung_up: bool) -> None:
        if writable and connection.blocked:
            connection.blocked = False
            self.groups.touch(connection)
        connection.hung_up |= hung_up
        if connection.closing:
            self.close_if_done(connection)
        elif readable:
            self.reader.read(connection)
            crash_point("worker: read")

    def resume_inputs(self, inputs: dict[ConnectionId, tuple[int, int, bool]]) -> None:
        """By what a new broker has accepted of each connection: the rest is read, and forwarded, again."""
        for connection in self.heartbeat.among(list(self.connections.values())):
            if connection.id in inputs:
                connection.resume_input(*inputs[connection.id])
                if connection.cut:  # its output was shut down, here or in our predecessor, and the broker may not know
                    self.give_up(connection)
            elif not connection.closing:
                connection.resume_input(0, 0, False)
                self.announce(connection)
            self.reader.read(connection)

    # Down: items in, bytes out

    def apply(self, items: Iterable[Item]) -> None:
        """Do what the broker has decided. Raises UnknownMessage, and KeyError at a connection that is not here."""
        connections, groups = self.connections, self.groups
        for item in items:
            match item:
                case ("send", id, data):
                    groups.send(connections[id], data)
                case ("ack", id, end):
                    connection = connections[id]
                    connection.acknowledge(end)
                    if self.trace is not None:
                        self.trace.acknowledged(id, end)
                    if connection.again:
                        self.reader.read(connection)
                    elif self.poller.one_shot:
                        self.reader.rearm(connection)
                case ("cast", to, data, exclude):
                    groups.cast(to, data, exclude)
                case ("open", id):
                    self.broker.session_begun(id)
                case ("join", group, id):
                    groups.join(group, connections[id])
                case ("leave", group, id):
                    groups.leave(group, connections[id])
                case ("probe", id):
                    self.probe(connections[id])
                case ("drain", id, number):
                    self.drain(connections[id], number)
                case ("close", id):
                    self.close(connections[id])
                case ("end",):
                    self.end()
                case _:
                    raise UnknownMessage(item)

    def probe(self, connection: Connection) -> None:
        """The broker is about to give up a silent client: does anything of it lie here that it has not heard of?

        A worker that has stood still, or is new, cannot say yet: the PING lay in the queue behind which this lies, and
        the client has had no time to answer. The broker asks again.
        """
        now = time.monotonic()
        self.note_stall(now)
        if now - self.woke_at >= self.grace and not connection.unread():
            self.reader.records.append(("silent", connection.id))

    def drain(self, connection: Connection, number: int) -> None:
        """The broker has more to tell this client, who must take first what there is: it waits for our word."""
        self.groups.settle(connection)
        end = connection.sent + connection.unsent + sum(map(len, connection.to_send))
        self.drains[connection.id] = end, number

    def tell_drained(self, some: list[Connection]) -> None:
        """Of those that may have sent something. A broker that comes later asks again: it alone knows of whom."""
        for connection in some:
            end, number = self.drains.get(connection.id, (math.inf, 0))
            if connection.sent >= end:
                del self.drains[connection.id]
                self.reader.records.append(("drained", connection.id, number))

    def flush(self) -> None:
        """Send what there is, as long as nothing else is ready.

        But what the broker sends on and on must not pile up here: it knows only what is applied, and what the kernel
        does not take. So now and then everybody is served, whatever is ready.
        """
        if self.broker.applied - self.sent_at > _UNSENT_BYTES:
            self.send_all()
        while not self.arrived and self.send_some():
            self.arrived = self.poller.wait(0.0)
        if not self.groups.has_pending:
            self.sent_at = self.broker.applied
        self.backlogs.end_turn()

    def send_all(self) -> None:
        while self.send_some():
            pass

    def send_some(self) -> bool:
        """Everything for one client in one call, to some of them. Returns whether there are more."""
        if not self.groups.has_pending:
            return False
        some = self.groups.take_pending(_SENDS)
        for connection in between(some, "worker: sent to some"):
            self.bytes_out += connection.flush() if self.trace is None else self.trace.flush(connection)
            if connection.blocked:
                self.fall_behind(connection)
            if connection.closing:
                self.close_if_done(connection)
        self.sends += len(some)
        self.heartbeat.beat()
        if self.drains and self.broker.in_step:
            self.tell_drained(some)
        self.checkpoints.changed += some
        if self.groups.has_pending:
            return True
        crash_point("worker: sent to all")
        return False

    def fall_behind(self, connection: Connection) -> None:
        """The kernel takes no more for it now: wait for room. What is held beyond a limit the broker is told of.

        Limits apply to what is left after send(), not to what the turn brought, so they are looked at here.
        """
        self.reader.rearm(connection)
        if not self.broker.in_step:
            return
        if connection.overdue:
            self.give_up(connection)
        now = time.monotonic()
        for largest in self.backlogs.too_large(self.connections, now):
            self.give_up(largest)
        for other in self.backlogs.too_late(now):
            other.drop_output()
            self.groups.touch(other)

    def give_up(self, connection: Connection) -> None:
        connection.sendq_reported = True
        self.backlogs.leaves(connection)
        self.reader.records.append(connection.end("SendQ exceeded"))

    # The end of a connection, and of everything

    def close(self, connection: Connection) -> None:
        self.lingering.begin(connection, time.monotonic())
        self.backlogs.leaves(connection)
        self.groups.touch(connection)

    def close_if_done(self, connection: Connection) -> None:
        if self.broker.output_known and self.lingering.advance(connection, time.monotonic()):
            self.forget(connection)
        elif self.poller.one_shot:
            self.poller.rearm(connection.sock, connection.blocked, 0)

    def forget(self, connection: Connection) -> None:
        if connection.fileno() >= 0:
            self.poller.forget(connection)
        for part in (self.lingering, self.reader, self.groups, self.checkpoints, self.backlogs):
            part.forget(connection)
        if self.trace is not None:
            self.trace.forget(connection)
        del self.connections[connection.id]
        self.drains.pop(connection.id, None)
        connection.sock.close()
        crash_point("worker: closed")
        self.acceptor.closed(connection)

    def end(self) -> None:
        """The stream's last item. A connection that came too late to be told is closed all the same."""
        self.ending = True
        for connection in self.heartbeat.among(self.connections.values()):
            if not connection.closing:
                self.close(connection)

    def say_farewell(self, reason: str) -> None:
        """The server ends because there can be no broker: the one case in which the worker itself tells a client.

        It comes behind what is to be sent. A client whose output has not been taken over yet may be in the middle of
        a line: its connection just ends.
        """
        if not self.broker.output_known:
            self.groups.forget_pending()
        for connection in self.connections.values():
            if not self.broker.output_known:
                connection.to_send.clear()
            elif not connection.closing:
                self.groups.send(connection, connection.dialect.turned_away(reason, self.language))
        self.broker.output_known = True
        self.end()

    def show(self) -> None:
        self.turns += 1
        here = (len(self.connections), self.reader.taken, self.broker.position)
        done = (self.groups.deliveries, self.sends, self.bytes_out, self.turns)
        self.scoreboard.write(self.row, *here, *done, unsent=self.backlogs.held)
