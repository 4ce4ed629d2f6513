"""A fair queue: households take turns, whatever each of them asks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpchat.flow.fair_queue import FairQueue


def test_households_take_turns() -> None:
    queue: FairQueue[str] = FairQueue()
    for number in range(4):
        queue.add(number, "192.0.2.1", f"flood {number}")
    queue.add(10, "198.51.100.1", "ana")
    queue.add(11, "2001:db8::1", "beto")
    queue.add(12, "2001:db8::2", "beto's other")  # of the same /64
    assert [queue.take() for _ in range(len(queue))] == [
        *("flood 0", "ana", "beto"),
        *("flood 1", "beto's other"),
        *("flood 2", "flood 3"),
    ]
    with pytest.raises(IndexError):
        queue.take()


def test_an_asker_waits_for_one_thing() -> None:
    queue: FairQueue[str] = FairQueue()
    queue.add(1, "192.0.2.1", "first")
    queue.add(2, "192.0.2.1", "another's")
    queue.add(1, "192.0.2.1", "second")
    assert [queue.take(), queue.take()] == ["another's", "second"]
    queue.add(3, "192.0.2.1", "third")
    queue.remove(3)
    queue.remove(4)
    assert not queue


@given(st.lists(st.tuples(st.integers(1, 30), st.integers(0, 4)), max_size=60))
def test_nobody_waits_for_more_than_one_of_each_other_household(asked: list[tuple[int, int]]) -> None:
    """Before a household's next turn each other one has one at most; within one, the order is that of asking."""
    queue: FairQueue[tuple[int, int]] = FairQueue()
    waiting: dict[int, int] = {}
    for asker, home in asked:
        queue.add(asker, f"192.0.2.{home}", (asker, home))
        waiting.pop(asker, None)
        waiting[asker] = home
    served = [queue.take() for _ in range(len(queue))]
    assert sorted(served) == sorted(waiting.items())
    for home in set(waiting.values()):
        assert [asker for asker, of in served if of == home] == [asker for asker, of in waiting.items() if of == home]
        turns = [place for place, (_, of) in enumerate(served) if of == home]
        for before, after in zip([-1, *turns], turns, strict=False):
            between = [of for _, of in served[before + 1 : after]]
            assert len(between) == len(set(between))
