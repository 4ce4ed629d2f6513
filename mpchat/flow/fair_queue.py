"""A fair queue: what waits is served in turn by household, so nobody waits behind all of a crowd. Pure.

This is round robin as a router's fair queueing has it (Nagle, RFC 970): a household (admission.py) that asks much only
makes itself wait. Of each asker one thing waits: who asks again before an answer has given the former thing up.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

from mpchat.flow.admission import home_of

Thing = TypeVar("Thing")


class FairQueue(Generic[Thing]):
    """Askers are named by numbers."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[str, dict[int, Thing]] = OrderedDict()  # by household, whose turn is next first
        self._home: dict[int, str] = {}

    def __len__(self) -> int:
        return len(self._home)

    def add(self, asker: int, address: str, thing: Thing) -> None:
        """Behind all else of this address's household, and instead of what this asker was waiting for."""
        self.remove(asker)
        home = self._home[asker] = home_of(address)
        self._waiting.setdefault(home, {})[asker] = thing

    def take(self) -> Thing:
        """The oldest of the household whose turn it is. Raises IndexError if nothing waits."""
        if not self._waiting:
            raise IndexError("take from an empty queue")
        home, things = next(iter(self._waiting.items()))
        asker = next(iter(things))
        self._waiting.move_to_end(home)
        thing = things[asker]
        self.remove(asker)
        return thing

    def remove(self, asker: int) -> None:
        """It does not wait any more, if it did."""
        home = self._home.pop(asker, None)
        if home is not None:
            del self._waiting[home][asker]
            if not self._waiting[home]:
                del self._waiting[home]

    def clear(self) -> None:
        self._waiting.clear()
        self._home.clear()
