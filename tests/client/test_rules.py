"""The lines between messages: another day, and what is new to somebody who was away."""

import time
from collections.abc import Iterator

import pytest

from mpchat import texts
from mpchat.client.absence import ABSENT_SECONDS, Absence
from mpchat.client.days import Days


@pytest.fixture
def language(request: pytest.FixtureRequest) -> Iterator[str]:
    """What this process speaks for the length of a test."""
    before = texts.spoken()
    texts.use(request.param)
    yield request.param
    texts.use(before)


def day(*date: int) -> time.struct_time:
    return time.strptime("-".join(map(str, date)), "%Y-%m-%d")


DAYS = {
    "en": ["--- Friday 27 November 2026 ---", "--- Thursday 05 March 2026 ---", "--- Saturday 28 November 2026 ---"],
    "es": ["--- viernes 27 noviembre 2026 ---", "--- jueves 5 marzo 2026 ---", "--- sábado 28 noviembre 2026 ---"],
}


@pytest.mark.parametrize("language", ["en", "es"], indirect=True)
def test_the_first_line_of_another_day_has_it_above_and_so_has_the_first_of_today_again(language: str) -> None:
    today, yesterday, march = day(2026, 11, 28), day(2026, 11, 27), day(2026, 3, 5)
    days = Days(today)
    shown = [days.turned(moment) for moment in (today, today, yesterday, yesterday, march, today, today)]
    assert list(filter(None, shown)) == DAYS[language]
    assert [bool(line) for line in shown] == [False, False, True, False, True, True, False]


@pytest.mark.parametrize("language", ["en", "es"], indirect=True)
def test_every_day_and_month_has_a_name(language: str) -> None:
    days = Days(day(2025, 12, 31))
    told = [days.turned(day(2026, month, date)).split() for month in range(1, 13) for date in range(1, 8)]
    assert len({words[1] for words in told}) == 7
    assert len({words[3] for words in told}) == 12


def test_what_comes_after_five_minutes_without_a_key_is_new_since_the_last_key() -> None:
    absence = Absence(1000.0)
    absence.touched(2000.0)
    assert absence.began(2000.0 + ABSENT_SECONDS - 1) is None
    assert absence.began(2000.0 + ABSENT_SECONDS) == 2000.0


def test_it_is_told_once_until_the_user_presses_enter() -> None:
    absence = Absence(0.0)
    assert absence.began(1000.0) == 0.0
    assert absence.began(1001.0) is None
    absence.touched(1002.0)
    assert absence.began(2000.0) is None
    absence.entered(2001.0)
    assert absence.began(2002.0) is None
    assert absence.began(2001.0 + ABSENT_SECONDS) == 2001.0


def test_what_was_missed_without_a_connection_has_a_line_of_its_own() -> None:
    absence = Absence(0.0)
    absence.told()
    assert absence.began(1000.0) is None
