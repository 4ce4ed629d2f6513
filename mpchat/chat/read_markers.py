"""Up to where somebody has read a channel, or what somebody else wrote to them: IRCv3's draft/read-marker. Pure.

A marker is the time of the last message that was read. It only ever goes forward, and never beyond the present.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Container

from mpchat.messages import ConnectionId, Ms

Owner = str | ConnectionId  # an account's folded name, or a session that has none
Values = list[tuple[Owner, str, Ms]]  # plain, for a snapshot


class ReadMarkers:
    """Of many owners: at most `most_of_one` of each, and `most` in all. Those that were moved longest ago go first.

    A target is a casefolded name. Times in wall ms.
    """

    def __init__(self, most_of_one: int, most: int) -> None:
        self._most_of_one, self._most = most_of_one, most
        # Both in the order in which they were moved. An OrderedDict finds its first at once, however many have gone.
        self._times: OrderedDict[tuple[Owner, str], Ms] = OrderedDict()
        self._targets: dict[Owner, OrderedDict[str, None]] = {}

    def __len__(self) -> int:
        return len(self._times)

    def time(self, owner: Owner, target: str) -> Ms | None:
        """None: nothing is known."""
        return self._times.get((owner, target))

    def move(self, owner: Owner, target: str, time: Ms) -> bool:
        """Returns whether it went forward."""
        before = self._times.get((owner, target))
        if before is not None and time <= before:
            return False
        targets = self._targets.setdefault(owner, OrderedDict())
        self._times[owner, target], targets[target] = time, None
        self._times.move_to_end((owner, target))
        targets.move_to_end(target)
        if len(targets) > self._most_of_one:
            self._drop(owner, next(iter(targets)))
        if len(self._times) > self._most:
            self._drop(*next(iter(self._times)))
        return True

    def forget(self, owner: Owner) -> None:
        """All that this one has."""
        for target in self._targets.pop(owner, ()):
            del self._times[owner, target]

    def forget_accounts(self, known: Container[Owner]) -> None:
        """All that accounts have which are not among these."""
        for owner in [owner for owner in self._targets if owner not in known]:
            self.forget(owner)

    def _drop(self, owner: Owner, target: str) -> None:
        targets = self._targets[owner]
        del self._times[owner, target], targets[target]
        if not targets:
            del self._targets[owner]

    def values(self) -> Values:
        return [(owner, target, time) for (owner, target), time in self._times.items()]

    def load(self, values: Values) -> None:
        """The inverse of values(), as far as the limits of today let it."""
        for owner, target, time in values:
            self.move(owner, target, time)
