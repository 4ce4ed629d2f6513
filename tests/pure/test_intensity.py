"""policy/intensity: how often is too often."""

from hypothesis import given
from hypothesis import strategies as st

from mpchat.policy.intensity import Intensity


def test_one_more_than_the_most_is_too_many() -> None:
    intensity = Intensity(3, 5.0)
    assert [intensity.exceeded(100.0 + number) for number in range(4)] == [False, False, False, True]


def test_what_is_long_ago_does_not_count() -> None:
    intensity = Intensity(3, 5.0)
    assert [intensity.exceeded(2.0 * number) for number in range(100)] == [False] * 100


def test_the_time_is_over_after_the_last_moment_of_it() -> None:
    at_the_end, later = Intensity(1, 5.0), Intensity(1, 5.0)
    at_the_end.exceeded(1.0)
    later.exceeded(1.0)
    assert at_the_end.exceeded(6.0)
    assert not later.exceeded(6.1)


def test_after_a_quiet_time_it_begins_anew() -> None:
    intensity = Intensity(1, 5.0)
    assert [intensity.exceeded(now) for now in (0.0, 1.0, 60.0, 61.0, 70.0)] == [False, True, False, True, False]


def test_none_at_all_may_happen() -> None:
    assert Intensity(0, 5.0).exceeded(0.0)


@given(st.integers(0, 5), st.integers(1, 10), st.lists(st.integers(0, 4), max_size=40))
def test_as_counting_says(most: int, seconds: int, pauses: list[int]) -> None:
    intensity = Intensity(most, seconds)
    times: list[int] = []
    for pause in pauses:
        times.append((times[-1] if times else 0) + pause)
        recent = [time for time in times if times[-1] - time <= seconds]
        assert intensity.exceeded(times[-1]) == (len(recent) > most)
