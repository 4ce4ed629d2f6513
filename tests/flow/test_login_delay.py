"""flow/login_delay: after many wrong passwords the answers to logins come later."""

from __future__ import annotations

from collections.abc import Callable
from math import inf

from hypothesis import given
from hypothesis import strategies as st

from mpchat.flow.login_delay import _KNOWN, LoginDelay

MINUTE, PATIENCE = 60_000, 10_000


def exempts(*addresses: str) -> Callable[[str], bool]:
    return lambda address: address in addresses


def at(delay: LoginDelay, address: str, account: str, is_right: bool, now: int = 0) -> int:
    """When the answer may be given: it is not refused."""
    due = delay.due(address, account, is_right, now)
    assert due is not None
    return due


def test_a_household_is_one_address() -> None:
    delay = LoginDelay(6, 0, exempts())
    for _ in range(6):
        assert at(delay, "2001:db8::1", "", False) <= 0
    assert at(delay, "2001:db8::2", "", False) == PATIENCE
    assert at(delay, "2001:db8:0:1::1", "", False) <= 0


def test_right_ones_are_not_counted_and_wait_as_long() -> None:
    delay = LoginDelay(12, 0, exempts())
    for _ in range(15):
        assert at(delay, "192.0.2.1", "ana", True) <= 0
    for _ in range(12):
        assert at(delay, "192.0.2.1", "ana", False) <= 0
    assert at(delay, "192.0.2.1", "ana", True) == at(delay, "192.0.2.1", "beto", False) == MINUTE // 12


def test_beyond_patience_right_and_wrong_are_refused_alike_and_nothing_grows() -> None:
    """Whoever shares the address waits for no longer, however much was tried: ten minutes of it were eight hours."""
    delay = LoginDelay(10, 10, exempts())
    for now in range(0, 10 * MINUTE, 100):
        delay.due("192.0.2.1", f"account {now}", False, now)
    assert delay.due("192.0.2.1", "ana", True, 10 * MINUTE) is delay.due("192.0.2.1", "ana", False, 10 * MINUTE) is None
    assert at(delay, "192.0.2.1", "ana", True, 10 * MINUTE + MINUTE // 5) <= 10 * MINUTE + MINUTE // 5 + PATIENCE


def test_where_an_account_has_logged_in_its_guessers_elsewhere_delay_nobody() -> None:
    delay = LoginDelay(10, 3, exempts("127.0.0.1"))
    for address in ("192.0.2.1", "127.0.0.1"):
        assert at(delay, address, "ana", True) <= 0
    for number in range(100):
        delay.due(f"198.51.100.{number}", "ana", False, 0)
    again = LoginDelay(10, 3, exempts("127.0.0.1"))
    again.load(delay.values())
    assert at(again, "192.0.2.1", "ana", True) <= 0
    assert at(again, "192.0.2.2", "ana", True) == PATIENCE, "clients do not wait longer"
    assert at(again, "192.0.2.1", "beto", True) <= 0
    assert at(again, "127.0.0.1", "ana", True) == MINUTE, "there, nothing else is counted"
    month = 30 * 24 * 60 * MINUTE
    for number in range(100):
        again.due(f"203.0.113.{number}", "ana", False, month + 1)
    assert at(again, "192.0.2.1", "ana", True, month + 1) > month + 1


def test_only_so_many_places_are_remembered() -> None:
    delay = LoginDelay(10, 1, exempts())
    for number in range(_KNOWN + 1):
        delay.due("192.0.2.1", f"account{number}", True, 0)
    assert len(delay.values()[3]) == _KNOWN


def test_of_an_exempt_address_they_count_for_the_account() -> None:
    delay = LoginDelay(1, 2, exempts("127.0.0.1"))
    assert [at(delay, "127.0.0.1", "ana", False) > 0 for _ in range(3)] == [False, False, True]
    assert at(delay, "127.0.0.1", "beto", False) <= 0


def test_all_names_that_are_none_are_one() -> None:
    delay = LoginDelay(0, 1, exempts())
    assert at(delay, "192.0.2.1", "", False) <= 0
    assert at(delay, "192.0.2.2", "", False) == PATIENCE


def test_for_an_account_nobody_waits_longer_than_clients_do() -> None:
    delay = LoginDelay(0, 10, exempts())
    for number in range(1000):
        delay.due(f"192.0.2.{number}", "ana", False, 0)
    assert at(delay, "198.51.100.1", "ana", True) == PATIENCE


def test_answers_that_are_held_are_given_in_order() -> None:
    delay = LoginDelay(1, 1, exempts())
    assert delay.next_due == inf
    for id, due in ((1, 300), (2, 100), (3, 200), (4, 100)):
        delay.hold(id, due, f"answer {id}")
    delay.forget(4)
    delay.forget(4)
    again = LoginDelay(1, 1, exempts())
    again.load(delay.values())
    assert again.values() == delay.values()
    assert again.next_due == 100
    assert again.take_due(99) == []
    assert again.take_due(200) == [(2, "answer 2"), (3, "answer 3")]
    assert again.holds(1)
    assert not again.holds(2)


def test_other_limits_hold_at_once() -> None:
    delay = LoginDelay(1, 1, exempts())
    delay.due("192.0.2.1", "ana", False, 0)
    delay.limit(0, 0, exempts("192.0.2.1"))
    assert at(delay, "192.0.2.1", "ana", False) <= 0


@given(st.lists(st.tuples(st.sampled_from("ab"), st.booleans(), st.integers(0, 3000)), max_size=80))
def test_of_an_address_no_more_answers_come_in_a_minute_than_it_may_have(tries: list[tuple[str, bool, int]]) -> None:
    """Whatever it tries, and from however many connections: each wrong answer is given at a time of its own."""
    delay, now = LoginDelay(3, 0, exempts()), 0
    given_at: list[int] = []
    for account, is_right, later in tries:
        now += later
        due = delay.due("192.0.2.1", account, is_right, now)
        if due is not None and not is_right:
            given_at.append(max(now, due))
    for start in given_at:
        assert len([each for each in given_at if start <= each < start + MINUTE]) <= 2 * 3
