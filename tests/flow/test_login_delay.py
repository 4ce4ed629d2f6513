"""flow/login_delay: after many wrong passwords the answers to logins come later."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from mpchat.flow.login_delay import LoginDelay

MINUTE = 60_000


def exempts(*addresses: str) -> Callable[[str], bool]:
    return lambda address: address in addresses


def test_a_household_is_one_address() -> None:
    delay = LoginDelay(1, 0, exempts())
    assert delay.due("2001:db8::1", "", False, 0) <= 0
    assert delay.due("2001:db8::2", "", False, 0) == MINUTE
    assert delay.due("2001:db8:0:1::1", "", False, 0) <= 0


def test_right_ones_are_not_counted_and_wait_as_long() -> None:
    delay = LoginDelay(2, 0, exempts())
    for _ in range(5):
        assert delay.due("192.0.2.1", "ana", True, 0) <= 0
    for _ in range(2):
        assert delay.due("192.0.2.1", "ana", False, 0) <= 0
    assert delay.due("192.0.2.1", "ana", True, 0) == delay.due("192.0.2.1", "beto", False, 0) == MINUTE // 2


def test_of_an_exempt_address_they_count_for_the_account() -> None:
    delay = LoginDelay(1, 2, exempts("127.0.0.1"))
    assert [delay.due("127.0.0.1", "ana", False, 0) > 0 for _ in range(3)] == [False, False, True]
    assert delay.due("127.0.0.1", "beto", False, 0) <= 0


def test_all_names_that_are_none_are_one() -> None:
    delay = LoginDelay(0, 1, exempts())
    assert delay.due("192.0.2.1", "", False, 0) <= 0
    assert delay.due("192.0.2.2", "", False, 0) == MINUTE


def test_for_an_account_nobody_waits_longer_than_a_minute() -> None:
    delay = LoginDelay(0, 10, exempts())
    for number in range(1000):
        delay.due(f"192.0.2.{number}", "ana", False, 0)
    assert delay.due("198.51.100.1", "ana", True, 0) == MINUTE


def test_answers_that_are_held_are_given_in_order() -> None:
    delay = LoginDelay(1, 1, exempts())
    assert delay.next is None
    for id, due in ((1, 300), (2, 100), (3, 200), (4, 100)):
        delay.hold(id, due, f"answer {id}")
    delay.forget(4)
    delay.forget(4)
    again = LoginDelay(1, 1, exempts())
    again.load(delay.values())
    assert again.values() == delay.values()
    assert again.next == 100
    assert again.take_due(99) == []
    assert again.take_due(200) == [(2, "answer 2"), (3, "answer 3")]
    assert again.holds(1)
    assert not again.holds(2)


def test_other_limits_hold_at_once() -> None:
    delay = LoginDelay(1, 1, exempts())
    delay.due("192.0.2.1", "ana", False, 0)
    delay.limit(0, 0, exempts("192.0.2.1"))
    assert delay.due("192.0.2.1", "ana", False, 0) <= 0


@given(st.lists(st.tuples(st.sampled_from("ab"), st.booleans(), st.integers(0, 3000)), max_size=80))
def test_of_an_address_no_more_answers_come_in_a_minute_than_it_may_have(tries: list[tuple[str, bool, int]]) -> None:
    """Whatever it tries, and from however many connections: each wrong answer is given at a time of its own."""
    delay, now = LoginDelay(3, 0, exempts()), 0
    given_at: list[int] = []
    for account, is_right, later in tries:
        now += later
        due = max(now, delay.due("192.0.2.1", account, is_right, now))
        if not is_right:
            given_at.append(due)
    for start in given_at:
        assert len([each for each in given_at if start <= each < start + MINUTE]) <= 2 * 3
