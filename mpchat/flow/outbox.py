"""The broker's outbox for one worker: the numbered items of its stream that a successor would need. Pure.

    items   1 ....... base | base+1 ......................... last
            folded into    | kept, to be applied again
            what is below  |

A worker's checkpoint says up to which item it has applied the stream, and which output its clients' kernels have not
taken. The items up to there are then folded into what they have done: the members of each group, and of each connection
how many bytes were ever put into its output, and which of them are unsent.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TypeAlias

from mpchat.messages import ConnectionId, Entry, Group, GroupId, Item, Offset, Resumed

_FOLDED = ("open", "close", "join", "leave")  # these change more than output, of which a checkpoint's entries tell
ITEM_BYTES = 32  # what an item weighs besides its text, for the bounds on what may be in flight

# What dump() returns: base, last, the kept items, totals, unsent, closing, groups.
State: TypeAlias = tuple[
    int,
    int,
    list[list[Item]],
    dict[ConnectionId, Offset],
    dict[ConnectionId, bytes],
    tuple[ConnectionId, ...],
    list[Group],
]


class Outbox:
    """Of one worker."""

    def __init__(self) -> None:
        self.base = 0  # number of the last item that a checkpoint has covered
        self.last = 0  # number of the last item
        self._kept: deque[list[Item]] = deque()
        self._totals: dict[ConnectionId, Offset] = {}
        self._unsent: dict[ConnectionId, bytes] = {}
        self._closing: set[ConnectionId] = set()  # never iterated over but in dump()
        self._groups: dict[GroupId, dict[ConnectionId, None]] = {}
        self._entries: list[Entry] = []  # of a checkpoint that has not come whole yet

    def add(self, items: list[Item]) -> None:
        """Append the next items; the list is the outbox's from now on."""
        self._kept.append(items)
        self.last += len(items)

    def after(self, position: int) -> list[Item]:
        """The items behind this one. Raises ValueError if `position` is not from `base` to `last`."""
        if not self.base <= position <= self.last:
            raise ValueError(f"the stream is kept from {self.base} to {self.last}, not from {position}")
        items: list[Item] = []
        at = self.base
        for batch in self._kept:
            if at + len(batch) > position:
                items += batch[max(0, position - at) :]
            at += len(batch)
        return items

    def checkpoint(self, position: int, entries: list[Entry], forgotten: list[ConnectionId] | None) -> None:
        """The worker has applied all up to `position`; 0: more of the same checkpoint follows.

        `forgotten`: connections closed since the last checkpoint; None: all but those of the entries.
        """
        self._entries += entries
        if position:
            self._fold(position)
            for entry in self._entries:
                self._remember(*entry)
            if forgotten is None:
                forgotten = list(self._totals.keys() - {entry[0] for entry in self._entries})
            for connection in forgotten:
                self._totals.pop(connection, None)
                self._unsent.pop(connection, None)
                self._closing.discard(connection)
            self._entries = []

    def abandon(self) -> None:
        """The worker has died: the rest of a checkpoint that it had begun will not come."""
        self._entries = []

    def dump(self) -> State:
        """All of it as plain values, for a snapshot."""
        kept = list(self._kept)
        return self.base, self.last, kept, self._totals, self._unsent, tuple(self._closing), self.groups()

    @classmethod
    def load(cls, state: State) -> Outbox:
        """The inverse of dump()."""
        outbox = cls()
        outbox.base, outbox.last, kept, outbox._totals, outbox._unsent, closing, groups = state
        outbox._kept, outbox._closing = deque(kept), set(closing)
        outbox._groups = {group: dict.fromkeys(members) for group, members in groups}
        return outbox

    def connections(self) -> list[Resumed]:
        """Every connection, as it was when the item `base` had been applied."""
        return [
            (connection, total, self._unsent.get(connection, b""), connection in self._closing)
            for connection, total in self._totals.items()
        ]

    def groups(self) -> list[Group]:
        return [(group, tuple(members)) for group, members in self._groups.items()]

    def _remember(self, connection: ConnectionId, total: int, fresh: bytes, unsent: int) -> None:
        if connection not in self._totals:
            return  # it was forgotten by the same checkpoint
        self._totals[connection] = total
        if unsent:
            whole = self._unsent.get(connection, b"") + fresh
            self._unsent[connection] = whole[len(whole) - unsent :]
        else:
            self._unsent.pop(connection, None)

    def _fold(self, position: int) -> None:
        while self._kept and self.base < position:
            items = self._kept[0]
            done = position - self.base
            if done < len(items):
                self._kept[0] = items[done:]
                items = items[:done]
            else:
                self._kept.popleft()
            self.base += len(items)
            for item in items:
                if item[0] in _FOLDED:
                    self._fold_one(item)

    def _fold_one(self, item: Item) -> None:
        match item:
            case ("open", connection):
                self._totals[connection] = 0
            case ("close", connection):
                self._closing.add(connection)
            case ("join", group, connection):
                self._groups.setdefault(group, {})[connection] = None
            case ("leave", group, connection):
                members = self._groups[group]
                del members[connection]
                if not members:
                    del self._groups[group]


def weight(items: Sequence[Item]) -> int:
    """What these items count, in bytes, for the bounds on what may be in flight."""
    return ITEM_BYTES * len(items) + sum([len(item[2]) for item in items if item[0] == "cast" or item[0] == "send"])
