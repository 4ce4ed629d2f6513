"""Guessing: when the next operator's password of an address may be checked. Pure; times in monotonic ms.

Addresses are taken by household (admission.py). Of each, one password is checked at a time, in the order in which they
came, and after a wrong one the next waits: a second more for each. Where an address is exempt, a wrong one makes nobody
wait longer, but only one a second is checked. Each exempt address is a household of its own; all of loopback, where
those who guess and those who know have one address, is one.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import TypeAlias

from mpchat.addresses import is_loopback
from mpchat.flow.admission import home_of

_SECOND = 1000
_LOOPBACK = ""  # its household, where it is exempt
_EXEMPT = "="  # so begins that of any other exempt address, which no other household does
_ADDRESSES = 10_000  # remembered at most, some 200 bytes each; the one whose last wrong password is oldest goes

Values: TypeAlias = tuple[list[tuple[str, int, int]], list[tuple[int, str, bool]], int]


class Guessing:
    """Of one server. Connections are named by their numbers.

    `most_wait`: seconds that an address waits at most. `forgotten_after`: seconds after its last wrong password.
    `exempts`: whether an address is in an exempt network.
    """

    def __init__(self, most_wait: int, forgotten_after: int, exempts: Callable[[str], bool]) -> None:
        self.limit(most_wait, forgotten_after, exempts)
        # By household: how many wrong ones, when the last was; the oldest first. Of an exempt one: 1, the last check.
        self._wrong: dict[str, tuple[int, int]] = {}
        self._waiting: dict[str, dict[int, None]] = {}  # by household, in order; none of them is empty
        self._checked: dict[str, int] = {}  # by household: whose is being checked
        self._home: dict[int, str] = {}  # of all these connections
        self._exempt_free = 0  # when the next one of loopback may be checked, where that is exempt

    def limit(self, most_wait: int, forgotten_after: int, exempts: Callable[[str], bool]) -> None:
        """Other limits from now on. Who waits already stays in the queue where they are."""
        self._most_wait, self._forgotten_after = most_wait * _SECOND, forgotten_after * _SECOND
        self._exempts = exempts

    def wait(self, id: int, address: str) -> None:
        """This connection has a password to be checked. See take_due()."""
        home = self._home_of(address)
        self._home[id] = home
        self._waiting.setdefault(home, {})[id] = None

    def take_due(self, now: int) -> list[int]:
        """The connections whose passwords are to be checked now; answered() is to follow for each, or forget()."""
        due = []
        for home in [home for home in self._waiting if home not in self._checked and self._free(home) <= now]:
            queue = self._waiting[home]
            id = next(iter(queue))
            del queue[id]
            if not queue:
                del self._waiting[home]
            self._checked[home] = id
            if home == _LOOPBACK:
                self._exempt_free = now + _SECOND
            elif home.startswith(_EXEMPT):
                self._note(home, 1, now)
            due.append(id)
        return due

    @property
    def next(self) -> float:
        """When take_due() is to be called; infinity: none waits, but for an answer."""
        if not self._waiting:
            return inf
        return min((self._free(home) for home in self._waiting if home not in self._checked), default=inf)

    def waits(self, id: int) -> bool:
        """Whether its password waits, and is not being checked."""
        return id in self._waiting.get(self._home.get(id, _LOOPBACK), ())

    def answered(self, id: int, address: str, is_right: bool, now: int) -> None:
        """The password of this connection was checked."""
        self.forget(id)
        home = self._home_of(address)
        if is_right or home == _LOOPBACK or home.startswith(_EXEMPT):
            return
        count, last = self._wrong.get(home, (0, now))
        self._note(home, count + 1 if now - last < self._forgotten_after else 1, now)

    def _note(self, home: str, count: int, now: int) -> None:
        """So many seconds from now, the next one of this household may be checked."""
        self._wrong.pop(home, None)
        self._wrong[home] = count, now
        oldest, (_, last) = next(iter(self._wrong.items()))
        if len(self._wrong) > _ADDRESSES or now - last >= self._forgotten_after:
            del self._wrong[oldest]

    def forget(self, id: int) -> None:
        """This connection does not wait any more."""
        home = self._home.pop(id, None)
        if home is None:
            return
        if self._checked.get(home) == id:
            del self._checked[home]
        else:
            del self._waiting[home][id]
            if not self._waiting[home]:
                del self._waiting[home]

    def _free(self, home: str) -> int:
        if home == _LOOPBACK:
            return self._exempt_free
        count, last = self._wrong.get(home, (0, 0))
        wait = count * _SECOND
        return last + (wait if home.startswith(_EXEMPT) else min(wait, self._most_wait))

    def values(self) -> Values:
        """All of it as plain values; load() is the inverse."""
        checked = [(id, home, True) for home, id in self._checked.items()]
        waiting = [(id, home, False) for home, queue in self._waiting.items() for id in queue]
        return [(home, *wrong) for home, wrong in self._wrong.items()], checked + waiting, self._exempt_free

    def load(self, values: Values) -> None:
        wrong, places, self._exempt_free = values
        self._wrong = {home: (count, last) for home, count, last in wrong}
        for id, home, is_checked in places:
            self._home[id] = home
            if is_checked:
                self._checked[home] = id
            else:
                self._waiting.setdefault(home, {})[id] = None

    def _home_of(self, address: str) -> str:
        if not self._exempts(address):
            return home_of(address)
        return _LOOPBACK if is_loopback(address) else f"{_EXEMPT}{address}"
