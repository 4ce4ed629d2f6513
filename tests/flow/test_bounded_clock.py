"""flow/bounded_clock: a wall clock that is set ahead makes nothing older."""

import pytest

from mpchat.flow.bounded_clock import BoundedClock

HOUR, YEAR = 3_600_000, 365 * 24 * 3_600_000


@pytest.mark.parametrize(("set_by", "seen"), [(0, 0), (10 * YEAR, 0), (-10 * YEAR, -10 * YEAR), (-1, -1)])
def test_a_clock_that_is_set(set_by: int, seen: int) -> None:
    clock = BoundedClock(50 * YEAR, 7)

    assert clock.now(50 * YEAR + HOUR + set_by, 7 + HOUR) == 50 * YEAR + HOUR + seen
