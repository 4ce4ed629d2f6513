"""flow/restart_intensity: when the next process may start, how long one may hang, and when the server gives up."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpchat.flow.restart_intensity import (
    FIRST_STARTS,
    LONGEST_HANG_SECONDS,
    PERIOD_SECONDS,
    POLICIES,
    START,
    Failures,
    RestartPolicy,
    policy_of,
)

BROKER = POLICIES["broker"]


def waits(failures: Failures, count: int, *, was_ready: bool) -> list[float]:
    """After each of so many crashes, ten seconds apart: how long the next start must wait."""
    found = []
    for number in range(count):
        now = 10.0 * number
        failures.crashed(now, was_ready)
        found.append(round(failures.not_before - now, 6))
    return found


@pytest.mark.parametrize(
    ("role", "kind"), [("broker", "broker"), ("worker0", "worker"), ("worker12", "worker"), ("spare", "spare")]
)
def test_every_role_has_its_policy(role: str, kind: str) -> None:
    assert policy_of(role) is POLICIES[kind]


def test_a_role_without_failures_starts_at_once() -> None:
    assert Failures(START).not_before == -math.inf


def test_the_first_crash_is_followed_at_once_and_the_next_ones_later_and_later() -> None:
    expected = [0.0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30.0, 30.0]
    assert waits(Failures(POLICIES["worker"]), 12, was_ready=True) == expected


def test_a_failed_start_is_backed_off_from_the_first_one() -> None:
    failures = Failures(START)
    found = []
    for _ in range(12):
        failures.could_not_start(1.0)
        found.append(round(failures.not_before - 1.0, 6))
    assert found == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30.0, 30.0, 30.0]


def test_a_start_that_succeeds_ends_the_back_off() -> None:
    failures = Failures(START)
    for _ in range(9):
        failures.could_not_start(1.0)
    failures.succeeded()
    assert failures.not_before == -math.inf
    failures.could_not_start(2.0)
    assert failures.not_before == pytest.approx(2.1)


def test_the_back_off_of_the_broker_is_short() -> None:
    assert max(waits(Failures(BROKER), 30, was_ready=True)) == 1.0


def test_after_a_while_without_a_crash_all_is_as_at_the_beginning() -> None:
    failures = Failures(POLICIES["worker"])
    assert [failures.crashed(now, True) for now in (0.0, PERIOD_SECONDS, 2 * PERIOD_SECONDS + 0.1)] == [1, 2, 1]
    assert failures.not_before == 2 * PERIOD_SECONDS + 0.1


def test_the_server_gives_up_at_the_tenth_broker_that_never_got_ready() -> None:
    failures = Failures(BROKER)
    failures.crashed(0.0, True)  # this one had been at work
    given_up = []
    for _ in range(10):
        failures.crashed(0.0, False)
        given_up.append(failures.gives_up)
    assert given_up == [False] * 9 + [True]


def test_a_broker_that_gets_ready_in_between_begins_a_new_count() -> None:
    failures = Failures(BROKER)
    for number in range(100):
        failures.crashed(0.0, number % 9 == 0)
        assert not failures.gives_up


def test_a_broker_that_cannot_be_started_is_backed_off_like_all_others() -> None:
    failures = Failures(BROKER)
    for _ in range(12):
        failures.could_not_start(1.0)
    assert failures.not_before == 31.0
    assert not failures.gives_up


def test_before_it_was_ready_a_server_gives_up_at_whatever_fails_in_a_row() -> None:
    failures = Failures(POLICIES["worker"])
    failures.crashed(0.0, True)
    for number in range(FIRST_STARTS):
        assert not failures.gives_up_at_first
        if number % 2:
            failures.could_not_start(0.0)
        else:
            failures.crashed(0.0, False)
    assert failures.gives_up_at_first
    failures.crashed(0.0, True)
    assert not failures.gives_up_at_first


@pytest.mark.parametrize("role", ["spare", "recorder", "authenticator", "worker", "acceptor"])
def test_no_other_role_ends_the_server(role: str) -> None:
    failures = Failures(POLICIES[role])
    for _ in range(1000):
        failures.crashed(0.0, False)
    assert not failures.gives_up


def test_each_kill_for_hanging_that_comes_again_doubles_the_limit() -> None:
    failures = Failures(BROKER)
    limits = [failures.hang_limit(3.0, 0.0)]
    now = 0.0
    for _ in range(8):
        now += limits[-1]  # it hangs as soon as it is there
        failures.hung(now, limits[-1], True)
        limits.append(failures.hang_limit(3.0, now))
    assert limits == [3.0, 3.0, 6.0, 12.0, 24.0, 48.0, 60.0, 60.0, 60.0]


def test_after_a_while_the_hang_limit_is_what_it_was() -> None:
    failures = Failures(BROKER)
    for now in (0.0, 1.0, 2.0):
        failures.hung(now, 0.5, True)
    assert failures.hang_limit(3.0, 2.0) == 12.0
    assert failures.hang_limit(3.0, 2.1 + PERIOD_SECONDS) == 3.0


def test_a_limit_of_more_than_the_longest_stays_what_it_is() -> None:
    failures = Failures(BROKER)
    failures.hung(0.0, 1.0, True)
    failures.hung(0.0, 1.0, True)
    assert failures.hang_limit(2 * LONGEST_HANG_SECONDS, 0.0) == 2 * LONGEST_HANG_SECONDS
    assert failures.hang_limit(0.0, 0.0) == 0.0


def test_a_recorder_that_hangs_is_one_that_crashes() -> None:
    failures = Failures(POLICIES["recorder"])
    assert [failures.hung(0.0, 3.0, True) for _ in range(3)] == [1, 2, 3]
    assert failures.not_before == pytest.approx(0.2)
    assert failures.hang_limit(3.0, 0.0) == 3.0


@given(st.lists(st.floats(0.0, 200.0), min_size=1, max_size=50), st.floats(0.1, 60.0))
def test_no_back_off_is_longer_than_the_policy_says(pauses: list[float], most: float) -> None:
    failures = Failures(RestartPolicy(max_backoff_seconds=most))
    now = 0.0
    for pause in pauses:
        now += pause
        failures.crashed(now, False)
        assert now <= failures.not_before <= now + most
