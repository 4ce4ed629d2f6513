"""Times as people and protocols write them, from numbers that came in. Pure: what time it is, it does not know."""

from datetime import datetime, timedelta, timezone
from functools import lru_cache


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


@lru_cache(maxsize=8)
def time_tag(wall: int) -> bytes:
    """The tag of IRCv3 server-time: UTC, in ms."""
    return _moment(wall, 0).strftime(f"@time=%Y-%m-%dT%H:%M:%S.{wall % 1000:03}Z ").encode()
