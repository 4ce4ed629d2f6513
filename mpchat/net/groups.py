"""Groups: the local members of a channel who want the same bytes. One item, appended to each member's outbox.

What was appended is sent later, by one send() for each connection and turn, however many messages there were.
"""

from mpchat.net.connection import Connection


class Groups:
    """All groups of a worker, and who has something to send this turn."""

    def __init__(self) -> None:
        self._members: dict[int, dict[int, Connection]] = {}
        self._touched: dict[int, dict[int, Connection]] = {}  # groups that were spoken to this turn
        self._single: dict[int, Connection] = {}  # connections that were
        self.deliveries = 0

    def join(self, group: int, connection: Connection) -> None:
        self._members.setdefault(group, {})[connection.id] = connection

    def leave(self, group: int, connection: Connection) -> None:
        members = self._members[group]
        del members[connection.id]
        self._single[connection.id] = connection  # a cast to the group it has just left may wait in its outbox
        if not members:
            del self._members[group]

    def cast(self, groups: tuple[int, ...], data: bytes, but: int) -> None:
        """To every member of any of these groups once, except the connection `but`."""
        if len(groups) == 1:
            members = self._members[groups[0]]
            self._touched[groups[0]] = members
        else:
            members = {}
            for group in groups:
                members.update(self._members[group])
            self._single.update(members)
        for connection in members.values():
            connection.outbox.append(data)
        self.deliveries += len(members)
        if but in members:  # it was just appended there: taking it back is cheaper than asking at each member
            members[but].outbox.pop()
            self.deliveries -= 1

    def send(self, connection: Connection, data: bytes) -> None:
        connection.outbox.append(data)
        self._single[connection.id] = connection

    def touch(self, connection: Connection) -> None:
        """It has room again for what it could not take before, or its end has come."""
        self._single[connection.id] = connection

    def spoken_to(self) -> list[Connection]:
        """Those that may have something to send, each once; the next turn begins."""
        pending = self._single
        for members in self._touched.values():
            pending.update(members)
        self._single, self._touched = {}, {}
        return list(pending.values())
