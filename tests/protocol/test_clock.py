"""protocol/clock: times as people and protocols write them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpchat.protocol.clock import date, hour, hour_of_day, time_tag, timestamp, wall_ms

WALL = 1_700_000_000_123


@pytest.mark.parametrize(
    ("offset", "written", "hours"),
    [
        (0, "2023-11-14 22:13:20 +0000", "22:13"),
        (60, "2023-11-14 23:13:20 +0100", "23:13"),
        (-300, "2023-11-14 17:13:20 -0500", "17:13"),
        (330, "2023-11-15 03:43:20 +0530", "03:43"),
    ],
)
def test_for_people(offset: int, written: str, hours: str) -> None:
    assert date(WALL, offset) == written
    assert hour(WALL, offset) == hours


@pytest.mark.parametrize(
    ("wall", "tag"),
    [
        (WALL, b"@time=2023-11-14T22:13:20.123Z "),
        (0, b"@time=1970-01-01T00:00:00.000Z "),
        (1_709_251_199_007, b"@time=2024-02-29T23:59:59.007Z "),
    ],
)
def test_for_clients(wall: int, tag: bytes) -> None:
    assert time_tag(wall) == tag == f"@time={timestamp(wall)} ".encode()


@pytest.mark.parametrize(
    ("seconds", "offset", "shown"),
    [
        (0, 0, "22:13"),
        (6399, 0, "22:13"),
        (6400, 0, "2023-11-14 22:13"),
        (6400, -300, "17:13"),
        (-80001, 0, "2023-11-14 22:13"),
    ],
)
def test_another_day_is_named(seconds: int, offset: int, shown: str) -> None:
    assert hour_of_day(WALL, offset, WALL + seconds * 1000, offset) == shown


@given(st.integers(0, 4_000_000_000_000))
def test_a_tag_has_one_form(wall: int) -> None:
    assert re.fullmatch(rb"@time=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z ", time_tag(wall))


@pytest.mark.parametrize(
    ("text", "wall"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2023-11-14T22:13:20.123Z", 1_700_000_000_123),
        ("2023-11-14T22:13:20.5Z", 1_700_000_000_500),
        *[
            (text, None)
            for text in (
                *("", "Z", "2026-01-01Z", "20260101Z", "2026-W01-1Z", "2026-01-01T00:00:00"),
                *("2026-01-01T00:00:00+01:00Z", "2026-13-01T00:00:00Z", "2026-01-01 00:00:00Z"),
                *("2026-01-01T00:00:00.1234Z", "\u0662026-01-01T00:00:00Z"),
            )
        ],
    ],
)
def test_what_a_client_writes_is_read_or_is_no_time(text: str, wall: int | None) -> None:
    assert wall_ms(text) == wall
