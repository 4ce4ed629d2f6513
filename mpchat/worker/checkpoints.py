"""Checkpoints: what a worker tells the broker of its clients' output, so that another could go on in its place.

For each connection whose output has grown: how many bytes were ever put into it, how many of them the kernel has not
taken yet, and those of the unsent ones that no checkpoint before has told. So a slow reader's backlog travels once.
"""

import math

from mpchat.messages import Checkpoint, ConnectionId, Entry, StreamPosition
from mpchat.worker.connection import Connection

_SECONDS = 0.25  # between two: the broker keeps the items of so long
_PART_BYTES = 1 << 18  # a checkpoint comes in messages of about this size, so that lines go between them


class Checkpoints:
    """Of one worker. Times in monotonic seconds."""

    def __init__(self, connections: dict[ConnectionId, Connection]) -> None:
        self._all = connections
        self.changed: list[Connection] = []  # since the last one; some may be there again and again
        self._forgotten: list[ConnectionId] = []
        self._from_scratch = True  # the next one tells of all connections: there are no others
        self._told = 0  # the position of the last one
        self._due = 0.0

    def forget(self, connection: Connection) -> None:
        """It is closed: its output is of no interest any more. The caller takes it out of the connections."""
        self._forgotten.append(connection.id)

    def deadline(self, position: StreamPosition) -> float:
        """When the next one is due; infinity: there is nothing to tell."""
        return self._due if position != self._told or self._forgotten else math.inf

    def take(self, position: StreamPosition, now: float) -> list[Checkpoint]:
        """The messages of a checkpoint at this item of the stream, if it is time; all must be flushed before."""
        if now < self.deadline(position):
            return []
        messages: list[Checkpoint] = []
        entries: list[Entry] = []
        size = 0
        if self._from_scratch:
            changed = list(self._all.values())
        else:
            changed = [each for each in dict.fromkeys(self.changed) if each.id in self._all]
        for connection in changed:
            unsent = connection.unsent
            total = connection.sent + unsent
            new = min(total - connection.reported, unsent)
            fresh = bytes(memoryview(connection.backlog)[unsent - new :]) if connection.backlog and new else b""
            entries.append((connection.id, total, fresh, unsent))
            connection.reported = total
            size += len(fresh) + 32
            if size >= _PART_BYTES:
                messages.append(("checkpoint", StreamPosition(0), entries, []))
                entries, size = [], 0
        messages.append(("checkpoint", position, entries, None if self._from_scratch else self._forgotten))
        # These stay: their unsent bytes shrink without any item, as the kernel takes them.
        self.changed = [connection for connection in changed if connection.backlog]
        self._forgotten, self._from_scratch = [], False
        self._told, self._due = position, now + _SECONDS
        return messages

    def start_over(self) -> None:
        """The broker or we are new: it may know an older checkpoint than the last, so the next one tells all."""
        for connection in self._all.values():
            connection.reported = 0
        self._told, self._from_scratch = 0, True
