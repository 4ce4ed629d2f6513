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
from typing import TYPE_CHECKING, Any

from mpchat.ipc import mailing
from mpchat.ipc.handoff import Link
from mpchat.ipc.lane import Lane, LaneEnd
from mpchat.net.connection import Connection
from mpchat.processes.crash import crash_point
from mpchat.processes.succession import Succession

if TYPE_CHECKING:
    from mpchat.policy.outbox import Group, Place
    from mpchat.processes.worker import Worker


class Attachment:
    """Of one worker.

    `complete`: there is a broker, and it knows where we are. `may_send`: we know what each client has got.
    """

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.lane: LaneEnd | None = None
        self.link: Link | None = None
        self.position = 0  # items applied: our place in the broker's numbered stream
        self.is_new = True  # we have never been in it
        self.may_send = self.complete = self.synced = False
        self.giving: deque[Connection | None] = deque()  # to be given to a new acceptor; None: that is all
        self.succession = Succession(worker)

    def obey(self, control: Link) -> None:
        """The supervisor gives us a broker or an acceptor to work with. The end of the link says that it is dead."""
        for (word, *about), fds in control.take():
            if word == "lane":
                serial, letter = about
                self.take_lane(serial, letter, fds)
            else:  # "acceptor"
                self.take_link(Link(socket.socket(fileno=fds[0])))
        if control.ended:
            os._exit(0)  # nothing survives the supervisor

    # The acceptor

    def take_link(self, link: Link) -> None:
        worker = self.worker
        while self.link is not None:  # its acceptor is dead; what it had sent before is still to be read
            self.read_link(self.link)
        self.link, self.giving = link, deque([*worker.connections.values(), None])
        worker.poller.watch(link)
        self.give(link)

    def give(self, link: Link) -> None:
        """To a new acceptor a copy of each of our sockets, as far as the link takes it."""
        while self.giving and not link.unsent:
            connection = self.giving.popleft()
            if connection is None:
                link.post("all")
            elif connection.fileno() >= 0 and connection.host:  # neither closed since nor a stand-in
                about = (connection.id, connection.is_plain, connection.host)
                link.post("mine", *about, fds=(connection.fileno(),))
        self.worker.poller.want_write(link, link.unsent)

    def link_event(self, link: Link, readable: bool, writable: bool) -> None:
        if link is not self.link:
            return  # it was replaced in this very turn
        if writable:
            link.flush()
            self.give(link)
        if readable:
            self.read_link(link)

    def read_link(self, link: Link) -> None:
        for (word, *about), fds in link.take():
            if word == "client":
                sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 0, fileno=fds[0])
                id, is_plain, host = about
                self.worker.take_client(id, is_plain, host, sock)
            elif not self.synced:  # "synced"
                self.synced = True
                self.hello()
        if link.ended:
            self.worker.poller.forget(link)
            link.close()
            self.link = None

    def gone(self, connection: Connection) -> None:
        """It is closed here; with the acceptor's copy the kernel's connection ends."""
        if self.link is not None:
            self.link.post("gone", connection.id)
            self.worker.poller.want_write(self.link, self.link.unsent)

    # The broker

    def take_lane(self, serial: int, letter: bytes, fds: list[int]) -> None:
        worker = self.worker
        if self.lane is not None:
            self.leave(self.lane)
        lane: Lane = mailing.opened(letter, fds)
        self.lane = lane.at_worker()
        worker.poller.watch(self.lane)
        worker.control.post("opened", serial)
        self.hello()

    def leave(self, lane: LaneEnd) -> None:
        """Its broker is dead, and what was under way to it or from it is lost. The supervisor sends us another lane."""
        self.worker.poller.forget(lane)
        lane.close()
        self.lane, self.complete = None, False
        self.worker.intake.pause()
        if self.is_new:
            self.succession.start_again()

    def hello(self) -> None:
        """Once we have a lane and all our sockets."""
        if self.synced and self.lane is not None:
            self.worker.applied = self.worker.reported = 0  # the broker counts from here too: what we lack counts
            self.lane.put(("attach", -1 if self.is_new else self.position))

    def drain_lane(self, lane: LaneEnd) -> None:
        if lane is not self.lane:
            return  # it was replaced in this very turn
        for kind, *message in lane.take():
            if kind == "items":
                self.apply(*message)
            elif kind == "state":
                self.take_state(*message)
            else:  # "go"
                self.go(*message)
        if lane.ended:
            self.leave(lane)

    def apply(self, first: int, credit: int, size: int, items: list[tuple[Any, ...]]) -> None:
        if first != self.position + 1:
            raise RuntimeError(f"a gap in the stream: item {first} after {self.position}")
        do = self.worker.do
        for item in items:
            do[item[0]](*item[1:])
        self.position += len(items)
        self.worker.applied += size
        self.worker.intake.purse.earn(credit)
        crash_point("worker: applied")

    def take_state(self, position: int, places: list[Place], groups: list[Group]) -> None:
        self.position = position
        self.succession.take_state(places, groups)

    def opened(self, id: int) -> None:
        """The broker has a session for this connection: no news, unless we were not here when it began."""
        if self.is_new:
            self.succession.opened(id)

    def go(self, inputs: list[tuple[int, int, int, bool]], drains: list[tuple[int, int]]) -> None:
        """We are in step with the broker: from here on all is as if nobody had died."""
        worker = self.worker
        if self.is_new:
            self.succession.resume_output()
        self.complete, self.is_new, self.may_send = True, False, True
        worker.checkpoints.start_over()
        worker.intake.resume()
        known = {id: (accepted, begun, discarding) for id, accepted, begun, discarding in inputs}
        for connection in list(worker.connections.values()):
            if connection.id in known:
                connection.resume_input(*known[connection.id])
            elif not connection.closing:
                connection.resume_input(0, 0, False)
                worker.announce(connection)
            worker.intake.read(connection)
        worker.drains.clear()  # what we were to say may have been lost, or the broker knows it
        for id, number in drains:
            worker.drain(worker.connections[id], number)
        worker.control.post("ready")
        crash_point("worker: attached")
