"""A worker: bytes in -> lines up to the broker; items down from the broker -> bytes out. It decides nothing.

It waits in one place for four kinds of file descriptors: its clients' sockets, the queue from the broker, the link
from the acceptor (new clients), and the control link to the supervisor. One turn of the loop deals with all that is
ready, then sends at most once to each client, and puts at most one batch to the broker.

    backpressure  a broker that does not keep up: our purse is empty, and we stop reading clients
                  a client that floods: its bucket is empty, and we stop reading that one
                  a client that does not read: its backlog grows, and at a limit (its own, or of all together)
                  the broker is told

If it dies, its clients' sockets live on in the acceptor's copies, what nobody has accepted of their input in the
kernel, and what they were to be sent in the broker's outbox: another worker goes on to the byte (succession.py).
"""

import socket
import time
from collections.abc import Callable

from mpchat.ipc.frames import LOOK_SECONDS, most_looks
from mpchat.ipc.link import Link
from mpchat.ipc.scoreboard import FIRST_WORKER_ROW, Scoreboard
from mpchat.ipc.transport import Transport
from mpchat.messages import ChildToSupervisor
from mpchat.protocol.rejection import turned_away
from mpchat.runtime.crash_points import crash_point
from mpchat.runtime.first_minute import BEAT_SECONDS
from mpchat.runtime.heartbeat import Heartbeat
from mpchat.runtime.log import Log
from mpchat.runtime.poller import Poller
from mpchat.settings import Settings
from mpchat.worker.attachment import Attachment
from mpchat.worker.checkpoints import Checkpoints
from mpchat.worker.connection import Connection, Limits
from mpchat.worker.groups import Groups
from mpchat.worker.lingering_close import LingeringClose
from mpchat.worker.reading import InputReader

_BEAT_SENDS = 64  # of some 10 us each
_REPORT_BYTES = 1 << 18  # of the stream: how often the broker hears how far we are, if there is nothing else to say


def main(control: Link[ChildToSupervisor], log: Log, settings: Settings, scoreboard: Scoreboard, number: int) -> None:
    Worker(control, settings, scoreboard, number).run()


class Worker:
    def __init__(
        self, control: Link[ChildToSupervisor], settings: Settings, scoreboard: Scoreboard, number: int
    ) -> None:
        self.control, self.scoreboard, self.number = control, scoreboard, number
        self.heartbeat = Heartbeat(scoreboard, FIRST_WORKER_ROW + number)
        self.poller = Poller()
        self.limits = Limits(settings)
        self.backlogs = self.limits.backlogs
        self.reader = InputReader(settings, self.poller)
        self.groups = Groups()
        self.closing = LingeringClose(settings)
        self.connections: dict[int, Connection] = {}
        self.checkpoints = Checkpoints(self.connections)
        self.reserved_fds = settings.reserved_fds
        self.most_looks = most_looks(settings.hang_limit)
        self.look_at = 0.0  # monotonic: when the attachment looks at what has not come whole
        self.attachment = Attachment(self)  # to the broker and the acceptor of the moment
        self.drains: dict[int, tuple[int, int]] = {}  # connection: bytes that the broker waits for to be out; number
        self.applied = self.reported = 0  # bytes of the stream
        self.sends = self.bytes_out = self.turns = 0
        self.ending = False
        self.do: dict[str, Callable[..., None]] = {  # what each item means: core/machine.py
            "open": lambda id: self.attachment.opened(id),
            "send": lambda id, data: self.groups.send(self.connections[id], data),
            "cast": self.groups.cast,
            "join": lambda group, id: self.groups.join(group, self.connections[id]),
            "leave": lambda group, id: self.groups.leave(group, self.connections[id]),
            "ack": lambda id, end: self.reader.acknowledge(self.connections[id], end),
            "probe": lambda id: self.probe(self.connections[id]),
            "drain": lambda id, number: self.drain(self.connections[id], number),
            "close": lambda id: self.close(self.connections[id]),
            "end": self.end,
        }

    def run(self) -> None:
        self.poller.watch(self.control)
        while self.connections or not self.ending:
            for source, readable, writable, hung_up in self.poller.wait(self.timeout()):  # the only wait; see poller.py
                if isinstance(source, Connection):
                    self.client_event(source, readable, writable, hung_up)
                elif isinstance(source, Transport):
                    self.attachment.drain_transport(source)
                elif source is self.control:
                    self.attachment.on_control(self.control)
                elif isinstance(source, Link):
                    self.attachment.link_event(source, readable, writable)
            if self.attachment.may_send:
                self.flush()
            if self.attachment.complete:
                self.reader.read_the_waiting()
                self.forward()
            now = time.monotonic()
            for connection in self.heartbeat.among(self.closing.overdue(now)):
                self.forget(connection)
            if now >= self.look_at:
                self.look_at = now + LOOK_SECONDS
                self.attachment.look(self.most_looks)
            self.show()

    def timeout(self) -> float:
        """Seconds until something is due that no file descriptor will tell of."""
        dues = [self.reader.throttle.next_deadline, self.closing.next_deadline]
        if self.attachment.complete:
            dues.append(self.checkpoints.deadline(self.attachment.position))
        waits = [due - time.monotonic() for due in dues if due is not None]
        return min([*waits, BEAT_SECONDS])

    # Up: bytes in, records out

    def take_client(self, id: int, is_plain: bool, host: str, sock: socket.socket) -> None:
        connection = self.connections[id] = Connection(id, sock, is_plain, host, self.limits)
        if connection.fileno() >= 0:  # else it is a stand-in
            self.poller.watch(connection, stream=True)
        if self.ending:  # the broker has had its last word
            self.close(connection)
        else:
            self.announce(connection)
        crash_point("worker: took a client")

    def announce(self, connection: Connection) -> None:
        """The broker has not heard of it yet. Without a broker nobody is told: the next one is, of all it lacks."""
        if self.attachment.complete:
            self.reader.records.append(("open", self.number, connection.id, connection.is_plain, connection.host))

    def client_event(self, connection: Connection, readable: bool, writable: bool, hung_up: bool) -> None:
        if writable and connection.blocked:
            connection.blocked = False
            self.groups.touch(connection)
        connection.hung_up |= hung_up
        if connection.closing:
            self.close_if_done(connection)
        elif readable:
            self.reader.read(connection)
            crash_point("worker: read")

    def forward(self) -> None:
        """One batch for the broker, which also says how far we have come with its stream; and a checkpoint."""
        transport = self.attachment.transport
        assert transport is not None
        if self.reader.records or self.applied - self.reported >= _REPORT_BYTES:
            transport.put(("batch", self.applied, *self.reader.take()))
            self.reported = self.applied
            crash_point("worker: forwarded")
        for message in self.checkpoints.take(self.attachment.position, time.monotonic()):
            transport.put(message)
            crash_point("worker: checkpoint")

    # Down: items in, bytes out. attachment.py takes them from the queue, and calls what self.do says

    def probe(self, connection: Connection) -> None:
        """The broker is about to give up a silent client: does anything of it lie here that it has not heard of?"""
        if not connection.unread():
            self.reader.records.append(("silent", connection.id))

    def drain(self, connection: Connection, number: int) -> None:
        """The broker has more to tell this client, who must take first what there is: it waits for our word."""
        self.groups.settle(connection)
        end = connection.sent + connection.unsent + sum(map(len, connection.outbox))
        self.drains[connection.id] = end, number

    def tell_drained(self, pending: dict[int, Connection]) -> None:
        """Of those that may have sent something. A broker that comes later asks again: nobody else would know."""
        for id in self.drains.keys() & pending.keys():
            end, number = self.drains[id]
            if pending[id].sent >= end:
                del self.drains[id]
                self.reader.records.append(("drained", id, number))

    def flush(self) -> None:
        """Send this turn's output: everything for one client in one call."""
        pending = self.groups.take_pending()
        for connection in pending.values():
            self.bytes_out += connection.flush()
            self.sends += 1
            if not self.sends % _BEAT_SENDS:
                self.heartbeat.beat()
            crash_point("worker: sent to some")
            if connection.blocked:
                self.fall_behind(connection)
            if connection.closing:
                self.close_if_done(connection)
        self.backlogs.end_turn()
        if self.drains and self.attachment.complete:
            self.tell_drained(pending)
        self.checkpoints.changed.update(pending)
        crash_point("worker: sent to all")

    def fall_behind(self, connection: Connection) -> None:
        """The kernel takes no more for it now: wait for room. What is held beyond a limit the broker is told of.

        Not what the turn has brought to all, but what each has left of it is held: so we look here, at each.
        """
        self.reader.rearm(connection)
        if not self.attachment.complete:
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
        self.closing.begin(connection, time.monotonic())
        self.backlogs.leaves(connection)
        self.groups.touch(connection)

    def close_if_done(self, connection: Connection) -> None:
        if self.attachment.may_send and self.closing.advance(connection, time.monotonic()):
            self.forget(connection)
        else:
            self.poller.rearm(connection.sock, connection.blocked, 0)

    def forget(self, connection: Connection) -> None:
        if connection.fileno() >= 0:
            self.poller.forget(connection)
        for part in (self.closing, self.reader, self.groups, self.checkpoints, self.backlogs):
            part.forget(connection)
        del self.connections[connection.id]
        self.drains.pop(connection.id, None)
        connection.sock.close()
        crash_point("worker: closed")
        self.attachment.gone(connection)

    def end(self) -> None:
        """The stream's last item. Whoever came too late to be told is closed all the same."""
        self.ending = True
        for connection in self.heartbeat.among(self.connections.values()):
            if not connection.closing:
                self.close(connection)

    def say_farewell(self, reason: str) -> None:
        """The server ends because there can be no broker: the one case in which a client is told by us.

        It comes behind what the outbox holds. A client whose output we have not taken over yet may be in the middle of
        a line: its connection just ends.
        """
        if not self.attachment.may_send:
            self.groups.take_pending()
        for connection in self.connections.values():
            if not self.attachment.may_send:
                connection.outbox.clear()
            elif not connection.closing:
                self.groups.send(connection, turned_away(reason, connection.is_plain))
        self.attachment.may_send = True
        self.end()

    def show(self) -> None:
        self.turns += 1
        here = {"clients": len(self.connections), "records": self.reader.taken, "items": self.attachment.position}
        sent = {"deliveries": self.groups.deliveries, "sends": self.sends, "bytes_out": self.bytes_out}
        self.scoreboard.write(FIRST_WORKER_ROW + self.number, **here, **sent, turns=self.turns)
