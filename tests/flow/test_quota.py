"""flow/quota: so many of something within a time, by key."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mpchat.flow.quota import _KEYS, Quota

MINUTE = 60_000


def taken(quota: Quota, key: str, now: int) -> bool:
    if quota.free_at(key) > now:
        return False
    quota.pay(key, now)
    return True


def test_so_many_at_once_and_then_one_as_there_is_room() -> None:
    quota = Quota(3, MINUTE)
    assert [taken(quota, "a", 0) for _ in range(4)] == [True, True, True, False]
    assert taken(quota, "b", 0), "each key by itself"
    assert quota.free_at("a") == MINUTE // 3
    assert not taken(quota, "a", MINUTE // 3 - 1)
    assert [taken(quota, "a", MINUTE // 3) for _ in range(2)] == [True, False]


def test_zero_is_no_limit() -> None:
    quota = Quota(0, MINUTE)
    assert all(taken(quota, "a", 0) for _ in range(1000))
    assert quota.values() == []


def test_what_is_given_back_was_never_had() -> None:
    quota = Quota(1, MINUTE)
    assert taken(quota, "a", 5)
    quota.give_back("a")
    quota.give_back("unknown")
    assert taken(quota, "a", 5)


def test_another_limit_holds_at_once() -> None:
    quota = Quota(1, MINUTE)
    assert taken(quota, "a", 0)
    quota.limit(4)
    assert not taken(quota, "a", 1)
    assert taken(quota, "a", MINUTE // 4)


def test_who_has_had_far_too_many_waits_no_longer_than_that() -> None:
    quota = Quota(2, MINUTE, most_wait=10_000)
    for _ in range(1000):
        quota.pay("a", 0)
    assert quota.free_at("a") == 10_000


def test_it_remembers_but_so_many() -> None:
    quota = Quota(1, MINUTE)
    for number in range(_KEYS + 10):
        quota.pay(str(number), 0)
    assert len(quota.values()) == _KEYS
    for number in range(20):
        quota.pay("new", MINUTE * (number + 2))
    assert len(quota.values()) == _KEYS - 19, "what was long ago is forgotten by and by"


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 5000)), max_size=60), st.integers(1, 7))
def test_never_more_than_twice_the_limit_in_any_time(tries: list[tuple[str, int]], limit: int) -> None:
    """As each such algorithm: a full burst, and what the time after it has room for."""
    quota, now = Quota(limit, MINUTE), 0
    had: dict[str, list[int]] = {"a": [], "b": []}
    for key, later in tries:
        now += later
        if taken(quota, key, now):
            had[key].append(now)
        again = Quota(limit, MINUTE)
        again.load(quota.values())
        assert again.free_at(key) == quota.free_at(key)
    for times in had.values():
        for start in times:
            assert len([each for each in times if start <= each < start + MINUTE]) <= 2 * limit
