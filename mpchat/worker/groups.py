"""Groups: the local members of a channel who want the same bytes. One item reaches each member.

What is there is sent later, by one send() for each connection and turn, however many messages there were.

A busy room's messages come in runs, and most members get exactly the same. So a run is joined once, not once for each
member, and given to all of them when it ends. A member who gets something else meanwhile (the sender of a message, who
is left out and reads an echo) is an exception: it has its bytes at once, one by one. Every member's order is the same
as if each item had been appended to its `to_send`.
"""

from collections import deque

from mpchat.messages import ConnectionId, GroupId
from mpchat.worker.connection import Connection

NO_GROUP: GroupId = 0
_PARTS = 64  # in so many turns everybody has been served, however many they are


class Groups:
    """All groups of a worker, and who has something to send."""

    def __init__(self) -> None:
        self._members: dict[GroupId, dict[ConnectionId, Connection]] = {}  # group: connection: itself
        # Who has something to send, each once; but for those that were forgotten it is who is_pending. No dict: with a
        # thousand members, one more that is filled and emptied takes 4 % of the time of a delivery.
        self._pending: deque[Connection] = deque()
        self._run: list[bytes] = []  # messages in a row to _run_group, which its members have not got yet
        self._run_group = NO_GROUP
        self._exceptions: dict[ConnectionId, Connection] = {}  # members that have got the run already
        self.deliveries = 0

    def join(self, group: GroupId, connection: Connection) -> None:
        self._end_run()
        self._members.setdefault(group, {})[connection.id] = connection

    def leave(self, group: GroupId, connection: Connection) -> None:
        self._end_run()
        del self._members[group][connection.id]
        if not self._members[group]:
            del self._members[group]

    def cast(self, groups: tuple[GroupId, ...], data: bytes, exclude: ConnectionId) -> None:
        """To every member of any of these groups once, except the connection `exclude`."""
        if len(groups) == 1:
            group = groups[0]
            if group != self._run_group:
                self._end_run()
                self._run_group = group
            self._add_to_run(self._members[group], data, exclude)
            return
        self._end_run()
        members = self.members(groups, exclude)
        for connection in members:
            connection.to_send.append(data)
            self.touch(connection)
        self.deliveries += len(members)

    def _add_to_run(self, members: dict[ConnectionId, Connection], data: bytes, exclude: ConnectionId) -> None:
        self.deliveries += len(members)
        if exclude in members:
            self.deliveries -= 1
            self._except(members[exclude])
        self._run.append(data)
        for id, connection in self._exceptions.items():
            if id != exclude:
                connection.to_send.append(data)
                self.touch(connection)

    def send(self, connection: Connection, data: bytes) -> None:
        if self._run and connection.id in self._members[self._run_group]:
            self._except(connection)
        connection.to_send.append(data)
        self.touch(connection)

    def members(self, groups: tuple[GroupId, ...], exclude: ConnectionId) -> list[Connection]:
        """Who gets what is cast to these groups, but not to this connection."""
        found: dict[ConnectionId, Connection] = {}
        for group in groups:
            found.update(self._members[group])
        found.pop(exclude, None)
        return list(found.values())

    def settle(self, connection: Connection) -> None:
        """All that it is to be sent so far lies in its `to_send`, and flush() of it is due."""
        if self._run and connection.id in self._members[self._run_group]:
            self._except(connection)
        self.touch(connection)

    def clear(self) -> None:
        """Forget all groups and receivers; the caller empties what was to be sent."""
        self.forget_pending()
        self._members.clear()

    def touch(self, connection: Connection) -> None:
        """It has something to send, or room again for what it could not take before, or its end has come."""
        if not connection.is_pending:
            connection.is_pending = True
            self._pending.append(connection)

    def forget(self, connection: Connection) -> None:
        """It is closed, whatever was still to be sent."""
        connection.is_pending = False

    @property
    def has_pending(self) -> bool:
        """Whether take_pending() may return anybody."""
        return bool(self._pending or self._run)

    def take_pending(self, least: int) -> list[Connection]:
        """Some of those that may have something to send, `least` at least if there are so many; who has waited longest
        comes first.

        Of very many it is a part: if input never ended, their turn would come too seldom otherwise.
        """
        self._end_run()
        pending, taken = self._pending, []
        for _ in range(min(max(least, len(pending) // _PARTS), len(pending))):
            connection = pending.popleft()
            if connection.is_pending:
                connection.is_pending = False
                taken.append(connection)
        return taken

    def forget_pending(self) -> None:
        """The caller sees to everybody who has something to send; all of it lies in `to_send`."""
        self._end_run()
        for connection in self._pending:
            connection.is_pending = False
        self._pending.clear()

    def _except(self, connection: Connection) -> None:
        """From here on this member's part of the run differs: what it has of it so far goes first."""
        if connection.id not in self._exceptions:
            self._exceptions[connection.id] = connection
            if self._run:
                connection.to_send += self._run
                self.touch(connection)

    def _end_run(self) -> None:
        if self._run:
            exceptions, pending = self._exceptions, self._pending
            data = self._run[0] if len(self._run) == 1 else b"".join(self._run)
            for id, connection in self._members[self._run_group].items():
                if id not in exceptions:
                    connection.to_send.append(data)
                    if not connection.is_pending:  # touch(), without a call for each member
                        connection.is_pending = True
                        pending.append(connection)
        self._run = []
        self._run_group = NO_GROUP
        self._exceptions = {}
