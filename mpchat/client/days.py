"""The line before the first message of another day, in the user's language, whatever the C locale knows. Pure."""

from time import struct_time

from mpchat.texts import t


class Days:
    """`today`: the day of which nothing need be told."""

    def __init__(self, today: struct_time) -> None:
        self._day = today[:3]

    def turned(self, moment: struct_time) -> str:
        """The line to show above something of that moment, "" where the last one was of the same day."""
        if moment[:3] == self._day:
            return ""
        self._day = moment[:3]
        return t(
            "screen.day",
            weekday=t(f"screen.weekday.{moment.tm_wday}"),
            day=moment.tm_mday,
            month=t(f"screen.month.{moment.tm_mon}"),
            year=moment.tm_year,
        )
