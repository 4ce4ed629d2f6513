"""Login delay: after many wrong passwords the answer to a login comes later. Pure; times in monotonic ms.

They are counted by household (admission.py), and by account. The answer that was right waits as long as one that was
wrong, and all names that are no account's are counted as one: the delay says nothing that the answer does not.

An address that has had far too many is refused, right or wrong, and is to try again later: what says nothing need not
be counted, so no address gets further behind than that, whoever else shares it.

For an account, whose guessers have many addresses, nobody is refused: its owner has to come in. Where the account has
logged in a while ago they do not wait for it; elsewhere no longer than clients have patience for; and from an exempt
address, of which nothing else is counted, a minute.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any

from mpchat.flow.admission import home_of
from mpchat.flow.quota import Quota
from mpchat.flow.quota import Values as QuotaValues

_MINUTE = 60_000
_PATIENCE = 10_000  # clients give a login by SASL up after 15 s (WeeChat) or 20 s (irssi), and come in without it
_KNOWN_FOR = 30 * 24 * 60 * _MINUTE  # after its last login from there, an account's owner is not taken for a guesser
_KNOWN = 10_000  # pairs of a household and an account that are remembered, some 200 bytes each; the oldest goes

# the two quotas; the answers that are held; until when an account is known at a household
Values = tuple[QuotaValues, QuotaValues, list[tuple[int, int, Any]], list[tuple[str, int]]]


class LoginDelay:
    """Of one server. Connections are named by their numbers.

    `by_address`, `by_account`: wrong passwords within a minute whose answers come at once, 0: all of them.
    `exempts`: whether an address is in an exempt network.
    """

    def __init__(self, by_address: int, by_account: int, exempts: Callable[[str], bool]) -> None:
        self._of_address, self._of_account = Quota(by_address, _MINUTE, _MINUTE), Quota(by_account, _MINUTE, _MINUTE)
        self._exempts = exempts
        self._known: dict[str, int] = {}  # by household and account: until when; the last login is the last
        self._held: dict[int, tuple[int, Any]] = {}  # by connection: when its answer is due, the answer
        self.next_due: float = inf  # when take_due() is to be called; earlier than need be, if that one was forgotten

    def limit(self, by_address: int, by_account: int, exempts: Callable[[str], bool]) -> None:
        """Other limits from now on. What waits already keeps its time."""
        self._of_address.limit(by_address)
        self._of_account.limit(by_account)
        self._exempts = exempts

    def due(self, address: str, account: str, is_right: bool, now: int) -> int | None:
        """When the answer to a login may be given; None: never, the client is to try again later.

        A wrong one is counted, if it is answered. `account`: folded; "": none.
        """
        due = self._of_account.free_at(account)
        if not self._exempts(address):
            home = home_of(address)
            of_address = self._of_address.free_at(home)
            if of_address - now > _PATIENCE:
                return None
            is_known = self._known.get(f"{home} {account}", now) > now
            due = of_address if is_known else max(of_address, min(due, now + _PATIENCE))
            if is_right:
                self._know(f"{home} {account}", now)
            else:
                self._of_address.pay(home, now)
        if not is_right:
            self._of_account.pay(account, now)
        return due

    def _know(self, pair: str, now: int) -> None:
        self._known.pop(pair, None)
        self._known[pair] = now + _KNOWN_FOR
        if len(self._known) > _KNOWN:
            del self._known[next(iter(self._known))]

    def hold(self, id: int, due: int, answer: Any) -> None:
        """The answer for this connection is to be given then; see take_due()."""
        self._held[id] = due, answer
        self.next_due = min(self.next_due, due)

    def revise(self, to: Callable[[Any], Any]) -> None:
        """Each answer that is held becomes what this makes of it, and is given when it would have been."""
        self._held = {id: (due, to(answer)) for id, (due, answer) in self._held.items()}

    def holds(self, id: int) -> bool:
        return id in self._held

    def take_due(self, now: int) -> list[tuple[int, Any]]:
        """The connections whose answers are due, each with its answer, in the order in which they fall due."""
        due = sorted((at, id) for id, (at, _) in self._held.items() if at <= now)
        taken = [(id, self._held.pop(id)[1]) for _, id in due]
        self._look_ahead()
        return taken

    def _look_ahead(self) -> None:
        self.next_due = min((due for due, _ in self._held.values()), default=inf)

    def forget(self, id: int) -> Any:
        """This connection is not to be answered any more. Returns the answer that was held for it, None if none was."""
        _, answer = self._held.pop(id, (0, None))
        return answer

    def values(self) -> Values:
        """All of it as plain values; load() is the inverse."""
        held = [(id, due, answer) for id, (due, answer) in self._held.items()]
        return self._of_address.values(), self._of_account.values(), held, list(self._known.items())

    def load(self, values: Values) -> None:
        of_address, of_account, held, known = values
        self._of_address.load(of_address)
        self._of_account.load(of_account)
        self._held = {id: (due, answer) for id, due, answer in held}
        self._look_ahead()
        self._known = dict(known)
