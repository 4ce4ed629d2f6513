"""Login delay: after many wrong passwords the answer to a login comes later. Pure; times in monotonic ms.

They are counted by household (admission.py), and by account. The answer that was right waits as long as one that was
wrong, and all names that are no account's are counted as one: the delay says nothing that the answer does not.

Of an exempt address they are counted by account only. And for an account no answer waits longer than a minute: those
who guess have many addresses, and its owner has to come in.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mpchat.flow.admission import home_of
from mpchat.flow.quota import Quota
from mpchat.flow.quota import Values as QuotaValues

_MINUTE = 60_000

Values = tuple[QuotaValues, QuotaValues, list[tuple[int, int, Any]]]


class LoginDelay:
    """Of one server. Connections are named by their numbers.

    `by_address`, `by_account`: wrong passwords within a minute whose answers come at once, 0: all of them.
    `exempts`: whether an address is in an exempt network.
    """

    def __init__(self, by_address: int, by_account: int, exempts: Callable[[str], bool]) -> None:
        self._of_address, self._of_account = Quota(by_address, _MINUTE), Quota(by_account, _MINUTE, _MINUTE)
        self._exempts = exempts
        self._held: dict[int, tuple[int, Any]] = {}  # by connection: when its answer is due, the answer

    def limit(self, by_address: int, by_account: int, exempts: Callable[[str], bool]) -> None:
        """Other limits from now on. What waits already keeps its time."""
        self._of_address.limit(by_address)
        self._of_account.limit(by_account)
        self._exempts = exempts

    def due(self, address: str, account: str, is_right: bool, now: int) -> int:
        """When the answer to a login may be given. It is counted, if it is wrong. `account`: folded; "": none."""
        due = self._of_account.free_at(account)
        if not is_right:
            self._of_account.pay(account, now)
        if not self._exempts(address):
            home = home_of(address)
            due = max(due, self._of_address.free_at(home))
            if not is_right:
                self._of_address.pay(home, now)
        return due

    def hold(self, id: int, due: int, answer: Any) -> None:
        """The answer for this connection is to be given then; see take_due()."""
        self._held[id] = due, answer

    def holds(self, id: int) -> bool:
        return id in self._held

    @property
    def next(self) -> int | None:
        """When take_due() is to be called."""
        return min((due for due, _ in self._held.values()), default=None)

    def take_due(self, now: int) -> list[tuple[int, Any]]:
        """The connections whose answers are due, each with its answer, in the order in which they fall due."""
        due = sorted((at, id) for id, (at, _) in self._held.items() if at <= now)
        return [(id, self._held.pop(id)[1]) for _, id in due]

    def forget(self, id: int) -> Any:
        """This connection is not to be answered any more. Returns the answer that was held for it, None if none was."""
        _, answer = self._held.pop(id, (0, None))
        return answer

    def values(self) -> Values:
        """All of it as plain values; load() is the inverse."""
        held = [(id, due, answer) for id, (due, answer) in self._held.items()]
        return self._of_address.values(), self._of_account.values(), held

    def load(self, values: Values) -> None:
        of_address, of_account, held = values
        self._of_address.load(of_address)
        self._of_account.load(of_account)
        self._held = {id: (due, answer) for id, due, answer in held}
