"""Quota: so many of something within a time, by key; what is more must wait. Pure; times in monotonic ms.

It is the generic cell rate algorithm (ITU-T I.371, annex A): so many at once, and then one as soon as there is room for
it again.
"""

from __future__ import annotations

_KEYS = 10_000  # remembered at most, some 200 bytes each; the one that has had something longest ago goes

Values = list[tuple[str, int]]


class Quota:
    """`limit` for each key within `period`; 0: any number. `most_wait`: who has had too many waits no longer than
    that; None: as long as it takes.
    """

    def __init__(self, limit: int, period: int, most_wait: int | None = None) -> None:
        self._period, self._most_wait = period, most_wait
        self.limit(limit)
        self._paid_at: dict[str, int] = {}  # when all that it has had will be forgotten; the last to have some is last

    def limit(self, limit: int) -> None:
        """Another one from now on."""
        self._each = self._period // limit if limit else 0

    def free_at(self, key: str) -> int:
        """When it may have one more; what is past means at once."""
        return self._paid_at.get(key, 0) + self._each - self._period

    def pay(self, key: str, now: int) -> None:
        """It has one more."""
        if not self._each:
            return
        paid_at = max(self._paid_at.pop(key, 0), now) + self._each
        if self._most_wait is not None:
            paid_at = min(paid_at, now + self._most_wait + self._period - self._each)
        self._paid_at[key] = paid_at
        oldest = next(iter(self._paid_at))
        if len(self._paid_at) > _KEYS or self._paid_at[oldest] <= now:
            del self._paid_at[oldest]

    def give_back(self, key: str) -> None:
        """It has one less than was paid for."""
        if key in self._paid_at:
            self._paid_at[key] -= self._each

    def values(self) -> Values:
        """All of it as plain values; load() is the inverse."""
        return list(self._paid_at.items())

    def load(self, values: Values) -> None:
        self._paid_at = dict(values)
