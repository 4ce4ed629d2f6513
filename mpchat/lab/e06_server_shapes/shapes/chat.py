"""mpchat's own core as a chat of one server: lines go in, and what each client gets comes out. Pure.

The clients speak plain text. Whoever serves them calls open(), say() and gone(), one call at a time.
"""

from collections.abc import Iterable

from mpchat.core.machine import Core
from mpchat.messages import ConnectionId, GroupId, Record, UnknownMessage, WorkerNumber
from mpchat.settings import ChatSettings, pack

Delivery = tuple[int, bytes]  # a client, and what it gets; b"": it is to be closed
_HERE = WorkerNumber(0)  # the core thinks of workers; here there is one


class Chat:
    def __init__(self) -> None:
        self._core = Core()
        self._core.apply([("start", pack(ChatSettings()), 1, 0, 0, 0)])
        self._groups: dict[GroupId, list[int]] = {}
        self._said: dict[int, int] = {}  # bytes of each client's input so far

    def open(self, client: int) -> list[Delivery]:
        """Somebody has come. Numbers are never used twice."""
        self._said[client] = 0
        return self._apply(("open", _HERE, ConnectionId(client), "plain", "127.0.0.1"))

    def say(self, client: int, line: bytes) -> list[Delivery]:
        """A line of its input, without its end."""
        self._said[client] += len(line) + 1
        return self._apply(("line", ConnectionId(client), self._said[client], line))

    def gone(self, client: int) -> list[Delivery]:
        """Its input has ended."""
        del self._said[client]
        return self._apply(("gone", ConnectionId(client), "Connection closed"))

    def _apply(self, record: Record) -> list[Delivery]:
        deliveries: list[Delivery] = []
        for item in self._core.apply([record]).items[_HERE]:
            match item:
                case ("send", client, data):
                    deliveries.append((client, data))
                case ("cast", groups, data, but):
                    deliveries += [(client, data) for client in self._members(groups) if client != but]
                case ("join", group, client):
                    self._groups.setdefault(group, []).append(client)
                case ("leave", group, client):
                    self._groups[group].remove(client)
                case ("close", client):
                    deliveries.append((client, b""))
                case ("open" | "ack" | "probe" | "drain" | "end", *_):
                    pass  # for workers that must survive a death, or ask whether somebody is still there
                case _:
                    raise UnknownMessage(item)
        return deliveries

    def _members(self, groups: Iterable[GroupId]) -> list[int]:
        return [client for group in groups for client in self._groups[group]]
