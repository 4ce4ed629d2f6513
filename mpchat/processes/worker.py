"""A worker: bytes in -> lines up to the broker; items down from the broker -> bytes out. It decides nothing.

It waits in one place for four kinds of file descriptors: its clients' sockets, the queue from the broker, the link
from the acceptor (new clients), and the control link to the supervisor. One turn of the loop deals with all that is
ready, then sends at most once to each client, and puts at most one batch to the broker.

    backpressure  a broker that does not keep up: our purse is empty, and we stop reading clients
                  a client that floods: its bucket is empty, and we stop reading that one
                  a client that does not read: its backlog grows, and at a limit the broker is told

If it dies, its clients' sockets live on in the acceptor's copies, and the bytes that nobody has acknowledged in the
kernel: all that another worker needs. Today the server ends when a worker dies, and says so.
"""

import os
import socket
import time
from collections.abc import Callable

from mpchat.ipc.board import FIRST_WORKER_ROW, Board
from mpchat.ipc.handoff import Link
from mpchat.ipc.lane import Lane, LaneEnd
from mpchat.net.closing import Closing
from mpchat.net.connection import Connection, Limits
from mpchat.net.groups import Groups
from mpchat.net.intake import Intake
from mpchat.net.poller import Poller
from mpchat.processes.log import Log
from mpchat.settings import Settings

_REPORT_BYTES = 1 << 18  # of the stream: how often the broker hears how far we are, if there is nothing else to say


def main(
    control: Link, log: Log, settings: Settings, number: int, lane: Lane, acceptor: socket.socket, board: Board
) -> None:
    Worker(control, settings, number, lane.at_worker(), Link(acceptor), board).run()


class Worker:
    def __init__(
        self, control: Link, settings: Settings, number: int, lane: LaneEnd, acceptor: Link, board: Board
    ) -> None:
        self.control, self.lane, self.acceptor = control, lane, acceptor
        self.number, self.board = number, board
        self.poller = Poller()
        self.limits = Limits(settings)
        self.intake = Intake(settings, self.poller)
        self.groups = Groups()
        self.closing = Closing(settings)
        self.connections: dict[int, Connection] = {}
        self.position = 0  # items applied: our place in the broker's numbered stream
        self.applied = self.reported = 0  # bytes of the stream
        self.sends = self.bytes_out = self.turns = 0
        self.ending = False
        self.do: dict[str, Callable[..., None]] = {
            "send": lambda id, data: self.groups.send(self.connections[id], data),
            "cast": self.groups.cast,
            "join": lambda group, id: self.groups.join(group, self.connections[id]),
            "leave": lambda group, id: self.groups.leave(group, self.connections[id]),
            "ack": lambda id, end: self.intake.acknowledge(self.connections[id], end),
            "probe": lambda id: self.probe(self.connections[id]),
            "close": lambda id: self.close(self.connections[id]),
            "end": self.end,
        }

    def run(self) -> None:
        for end in (self.control, self.acceptor, self.lane):
            self.poller.watch(end)
        self.control.post("ready")
        while self.connections or not self.ending:
            for source, readable, writable, hung_up in self.poller.wait(self.timeout()):  # the only wait; see poller.py
                if isinstance(source, Connection):
                    self.client_event(source, readable, writable, hung_up)
                elif source is self.lane:
                    self.drain_lane()
                elif source is self.acceptor:
                    self.acceptor_event(readable, writable)
                elif self.control.take() == [] and self.control.ended:
                    os._exit(0)  # the supervisor is gone: nothing survives it
            self.intake.read_the_waiting()
            self.flush()
            self.forward()
            for connection in self.closing.overdue(time.monotonic()):
                self.forget(connection)
            self.show()

    def timeout(self) -> float | None:
        """Seconds until something is due that no file descriptor will tell of."""
        waits = (self.intake.throttle.next_deadline, self.closing.next_deadline)
        deadlines = [due for due in waits if due is not None]
        return min(deadlines) - time.monotonic() if deadlines else None

    # Up: bytes in, records out

    def acceptor_event(self, readable: bool, writable: bool) -> None:
        if writable:
            self.acceptor.flush()
            self.poller.want_write(self.acceptor, self.acceptor.unsent)
        if readable:
            for (_, id, is_plain, host), (fd,) in self.acceptor.take():
                self.take_client(id, is_plain, host, fd)
        if self.acceptor.ended:
            self.poller.forget(self.acceptor)

    def take_client(self, id: int, is_plain: bool, host: str, fd: int) -> None:
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 0, fileno=fd)
        connection = self.connections[id] = Connection(id, sock, is_plain, self.limits)
        self.poller.watch(connection, stream=True)
        if self.ending:  # the broker has had its last word
            self.close(connection)
        else:
            self.intake.records.append(("open", self.number, id, is_plain, host))

    def client_event(self, connection: Connection, readable: bool, writable: bool, hung_up: bool) -> None:
        if writable and connection.blocked:
            connection.blocked = False
            self.groups.touch(connection)
        connection.hung_up |= hung_up
        if connection.closing:
            self.close_if_done(connection)
        elif readable:
            self.intake.read(connection)

    def forward(self) -> None:
        """One batch for the broker, which also says how far we have come with its stream."""
        if self.intake.records or self.applied - self.reported >= _REPORT_BYTES:
            self.lane.put((self.applied, *self.intake.take()))
            self.reported = self.applied

    # Down: items in, bytes out

    def drain_lane(self) -> None:
        for first, credit, size, items in self.lane.take():
            if first != self.position + 1:
                raise RuntimeError(f"a gap in the stream: item {first} after {self.position}")
            for item in items:
                self.do[item[0]](*item[1:])
            self.position += len(items)
            self.applied += size
            self.intake.purse.earn(credit)
        if self.lane.ended:
            self.poller.forget(self.lane)  # the broker is gone; the supervisor decides what follows

    def probe(self, connection: Connection) -> None:
        if not connection.unread():
            self.intake.records.append(("silent", connection.id))

    def flush(self) -> None:
        """Send this turn's output: everything for one client in one call."""
        for connection in self.groups.spoken_to():
            self.bytes_out += connection.flush()
            self.sends += 1
            if connection.blocked:
                self.fall_behind(connection)
            if connection.closing:
                self.close_if_done(connection)

    def fall_behind(self, connection: Connection) -> None:
        """The kernel takes no more for it now: wait for room, but not for ever more bytes."""
        self.intake.rearm(connection)
        if connection.overdue:
            connection.deaf = True
            self.intake.records.append(connection.end("SendQ exceeded"))

    # The end of a connection, and of everything

    def close(self, connection: Connection) -> None:
        self.closing.begin(connection, time.monotonic())
        self.groups.touch(connection)

    def close_if_done(self, connection: Connection) -> None:
        if self.closing.advance(connection, time.monotonic()):
            self.forget(connection)
        else:
            self.poller.rearm(connection.sock, connection.blocked, 0)

    def forget(self, connection: Connection) -> None:
        self.poller.forget(connection)
        self.closing.forget(connection)
        self.intake.forget(connection)
        self.groups.forget(connection)
        del self.connections[connection.id]
        connection.sock.close()
        if not self.acceptor.ended:
            self.acceptor.post("gone", connection.id)
            self.poller.want_write(self.acceptor, self.acceptor.unsent)

    def end(self) -> None:
        """The stream's last item. Whoever came too late to be told is closed all the same."""
        self.ending = True
        for connection in self.connections.values():
            if not connection.closing:
                self.close(connection)

    def show(self) -> None:
        self.turns += 1
        here = {"clients": len(self.connections), "records": self.intake.taken, "items": self.position}
        sent = {"deliveries": self.groups.deliveries, "sends": self.sends, "bytes_out": self.bytes_out}
        self.board.write(FIRST_WORKER_ROW + self.number, **here, **sent, turns=self.turns)
