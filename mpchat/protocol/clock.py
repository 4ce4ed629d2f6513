"""Times as people and protocols write them, from numbers that came in. Pure: what time it is, it does not know."""

import re
from datetime import datetime, timedelta, timezone
from functools import lru_cache

_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,3})?Z", re.ASCII)
_DAY_AND_HOUR = re.compile(
    r"(?P<only_day>\d{4}-\d\d-\d\d)|(?:(?P<day>\d{4}-\d\d-\d\d) +)?(?P<hour>\d{1,2}):(?P<minute>\d\d)", re.ASCII
)
_DAY_MS = 24 * 3_600_000
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def _moment(wall: int, utc_offset: int) -> datetime:
    zone = timezone(timedelta(minutes=utc_offset))
    return datetime.fromtimestamp(wall // 1000, zone)


def date(wall: int, utc_offset: int = 0) -> str:
    """A wall clock time in ms, for people to read; utc_offset in minutes."""
    return _moment(wall, utc_offset).strftime("%Y-%m-%d %H:%M:%S %z")


@lru_cache(maxsize=8)
def hour(wall: int, utc_offset: int) -> str:
    """Hours and minutes."""
    return _moment(wall, utc_offset).strftime("%H:%M")


def hour_of_day(wall: int, utc_offset: int, now: int, offset_now: int) -> str:
    """Hours and minutes as they were shown then; with the date if that is not today's. Both offsets in minutes."""
    at, today = _moment(wall, utc_offset), _moment(now, offset_now)
    return at.strftime("%H:%M" if at.date() == today.date() else "%Y-%m-%d %H:%M")


@lru_cache(maxsize=8)
def timestamp(wall: int) -> str:
    """A time as IRCv3 server-time writes it: UTC, in ms."""
    return _moment(wall, 0).strftime(f"%Y-%m-%dT%H:%M:%S.{wall % 1000:03}Z")


def wall_ms(text: str) -> int | None:
    """The inverse of timestamp(); None for what is no such time."""
    if _TIMESTAMP.fullmatch(text) is None:  # fromisoformat() takes much besides, and makes of it what it likes
        return None
    try:
        moment = datetime.fromisoformat(f"{text[:19]}.{text[20:-1]:0<3}+00:00")
    except ValueError:  # a 13th month
        return None
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def moment_in(text: str, now: int, utc_offset: int) -> int | None:
    """A day, an hour or both, as people type them (2026-11-30, 14:30, 2026-11-30 14:30), in wall ms; None: it is none.

    A day alone is its beginning; an hour alone the last time at which it was that hour. `now` in wall ms, `utc_offset`
    in minutes.
    """
    found = _DAY_AND_HOUR.fullmatch(text)
    if found is None:
        return None
    day, hour, minute = found["day"] or found["only_day"], found["hour"] or "0", found["minute"] or "0"
    try:
        date = datetime.fromisoformat(day) if day else _moment(now, utc_offset).replace(tzinfo=None)
        then = date.replace(hour=int(hour), minute=int(minute), second=0, microsecond=0, tzinfo=timezone.utc)
    except ValueError:  # a 13th month
        return None
    wall = (then - _EPOCH) // timedelta(milliseconds=1) - utc_offset * 60_000
    return wall if day or wall <= now else wall - _DAY_MS


@lru_cache(maxsize=8)
def time_tag(wall: int) -> bytes:
    """All that stands before a line for who wants nothing but the time."""
    return f"@time={timestamp(wall)} ".encode()
