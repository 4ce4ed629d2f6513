"""Takeover: how a worker that has just been started becomes the one that has died.

It has no sockets and is nowhere in the broker's stream. It gets the sockets from the acceptor, and from the broker the
state that its predecessor's last checkpoint left (flow/outbox.py). It lets the items that came later do their work,
and then asks the kernel, for each client, how much of that output the predecessor had already sent: the rest is sent
now. Until then nothing may be.
"""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

from mpchat.messages import ConnectionId, Group, Resumed
from mpchat.protocol import irc
from mpchat.runtime.crash_points import crash_point
from mpchat.worker import tcp_position

if TYPE_CHECKING:
    from mpchat.worker.worker import Worker


class Takeover:
    """Of one worker, until it is in step."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._nowhere = socket.socket()  # closed: a stand-in must not need a descriptor, of which there may be too few
        self._nowhere.close()
        self._resumed: dict[ConnectionId, Resumed] = {}  # of each client, until its output goes on

    def take_state(self, resumed: list[Resumed], groups: list[Group]) -> None:
        """Part of what the predecessor was."""
        worker = self._worker
        for each in worker.heartbeat.among(resumed):
            id, _, _, is_closing = each
            self.adopt(id)
            self._resumed[id] = each
            if is_closing:
                worker.close(worker.connections[id])
        for group, members in worker.heartbeat.among(groups):
            for id in members:
                worker.groups.join(group, worker.connections[id])

    def adopt(self, id: ConnectionId) -> None:
        """Take over this connection: the kernel says what the dead worker had taken of its input.

        If no process has the socket any more, a closed one stands in for it. The connection's output began at 0, unless
        take_state() says otherwise.
        """
        worker = self._worker
        if not tcp_position.SUPPORTED and id in worker.connections:
            worker.forget(worker.connections[id])  # we cannot know where to go on: better no more than wrong bytes
        if id not in worker.connections:
            # No process has its socket any more: one that leads nowhere stands in, and reading it says so.
            worker.take_client(id, irc, "", self._nowhere)
        elif worker.connections[id].fileno() >= 0:
            connection = worker.connections[id]
            connection.consumed = tcp_position.consumed(connection.sock)
        self._resumed[id] = (id, 0, b"", False)

    def resume_output(self) -> None:
        """To be called at "go", with all items applied and nothing sent: ask the kernel what of the output was sent.

        The rest is the backlog of each connection, for the next flush().
        """
        worker = self._worker
        worker.groups.forget_pending()
        for id, total, unsent, _ in worker.heartbeat.among(self._resumed.values()):
            connection = worker.connections[id]
            connection.resume_output(total, unsent)
            if worker.trace is not None:
                worker.trace.resumed(connection, total)
            worker.groups.touch(connection)
        self._resumed = {}
        worker.backlogs.inherited(time.monotonic())
        crash_point("worker: output resumed")

    def start_again(self) -> None:
        """The broker has died meanwhile. The next one tells all from the beginning, perhaps from an older state."""
        worker = self._worker
        self._resumed = {}
        if worker.trace is not None:
            worker.trace.start_again()
        worker.groups.clear()
        worker.lingering.clear()
        for connection in worker.connections.values():
            connection.to_send.clear()
            connection.closing = connection.finished = False
            worker.backlogs.stays(connection)
