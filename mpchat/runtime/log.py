"""The log: one event is one line on standard error, in one write(), so that lines of several processes never mix.

Logging never waits and never raises: lines that standard error does not take are dropped and counted, and when it takes
lines again one of them says how many are missing. A line has at most PIPE_BUF bytes (pipe(7)), its line feed included.
"""

import bisect
import json
import math
import os
import time
from collections.abc import Callable
from datetime import datetime, timezone

from mpchat.runtime.standard_streams import LINE_BYTES, Output, output

LEVELS = ("debug", "info", "warning", "error")
_CUT = "..."
_SPARING_SECONDS = 1.0  # between two lines of one event

Facts = dict[str, object]


class Log:
    """Of one process. `role` is the one in `mpchat ps`; `out` is standard error, except in tests."""

    def __init__(self, role: str, level: str, as_json: bool, out: Output | None = None) -> None:
        self._role = role
        self._from = LEVELS.index(level)
        self._write_line = _json if as_json else _text
        self._out = out or output(2)
        self.dropped = 0  # lines, since the last one that was written

    def debug(self, event: str, **facts: object) -> None:
        self._log("debug", event, facts)

    def info(self, event: str, **facts: object) -> None:
        self._log("info", event, facts)

    def warning(self, event: str, **facts: object) -> None:
        self._log("warning", event, facts)

    def error(self, event: str, **facts: object) -> None:
        self._log("error", event, facts)

    def catch_up(self) -> None:
        """Log how many lines were dropped, if standard error takes lines again. To be called in each turn of a loop."""
        if self.dropped and self._put("warning", f"{self.dropped} log lines dropped", {}):
            self.dropped = 0

    def _log(self, level: str, event: str, facts: Facts) -> None:
        if LEVELS.index(level) < self._from:
            return
        self.catch_up()
        if self.dropped or not self._put(level, event, facts):
            self.dropped += 1

    def _put(self, level: str, event: str, facts: Facts) -> bool:
        head = {
            "time": _now().isoformat(timespec="seconds"),
            "level": level,
            "role": self._role,
            "pid": os.getpid(),
            "event": event,
        }
        return self._out.put(_fitted(self._write_line, head, {name: _plain(value) for name, value in facts.items()}))


class Sparing:
    """Warnings that strangers can cause: of each event one line a second at most. The others are counted: a storm of
    clients is not one of lines.
    """

    def __init__(self, log: Log) -> None:
        self._log = log
        self._silent_until: dict[str, float] = {}  # by event, in monotonic seconds
        self._unlogged: dict[str, int] = {}  # by event: since its last line

    def warning(self, event: str, **facts: object) -> None:
        if time.monotonic() < self._silent_until.get(event, 0.0):
            self._unlogged[event] = self._unlogged.get(event, 0) + 1
            return
        more = {"and_unlogged": self._unlogged.pop(event)} if event in self._unlogged else {}
        self._put(event, **facts, **more)

    def catch_up(self) -> None:
        """Log how many were left out, if no other line of that event has done so. To be called now and then."""
        for event in [event for event in self._unlogged if time.monotonic() >= self._silent_until[event]]:
            self._put(event, more_of_them=self._unlogged.pop(event))

    def _put(self, event: str, **facts: object) -> None:
        self._silent_until[event] = time.monotonic() + _SPARING_SECONDS
        self._log.warning(event, **facts)


def _now() -> datetime:
    """In local time; in UTC if that is a day or more away from it (TZ=UTC-99), as no time zone is."""
    try:
        return datetime.now().astimezone()
    except ValueError:
        return datetime.now(timezone.utc)


def _plain(value: object) -> object:
    """A value that both formats can write: JSON has no NaN, and UTF-8 no surrogates."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if value.bit_length() < 64 else hex(value)  # str() refuses those of more than 4300 digits
    if isinstance(value, float) and math.isfinite(value):
        return value
    return str(value).encode(errors="backslashreplace").decode()


def _fitted(write_line: Callable[[Facts, Facts], bytes], head: Facts, facts: Facts) -> bytes:
    """The line; if it is longer than LINE_BYTES, with the longest values cut, all to the same number of characters."""
    line = write_line(head, facts)
    if len(line) <= LINE_BYTES:
        return line

    def excess(length: int) -> int:
        return len(write_line(head, _cut(facts, length))) - LINE_BYTES

    # The greatest length that fits: the size of the line grows with it.
    length = bisect.bisect_right(range(LINE_BYTES), 0, key=excess) - 1
    if length >= 0:
        return write_line(head, _cut(facts, length))
    event = str(head["event"])[: LINE_BYTES // 16]  # a character takes 12 bytes at most
    return write_line({**head, "event": event}, {})


def _cut(facts: Facts, length: int) -> Facts:
    return {
        name: value[:length] + _CUT if isinstance(value, str) and len(value) > length else value
        for name, value in facts.items()
    }


def _json(head: Facts, facts: Facts) -> bytes:
    # A fact may have a name of the head's: the role of a process that has died, in a line of the supervisor's.
    named = {f"its_{name}" if name in head else name: value for name, value in facts.items()}
    return json.dumps({**head, **named}).encode() + b"\n"


def _text(head: Facts, facts: Facts) -> bytes:
    # Text from users is quoted: a nickname must not be able to forge a line or to move a cursor.
    words = [f"{name}={ascii(value) if isinstance(value, str) else value}" for name, value in facts.items()]
    return " ".join([*(str(value) for value in head.values()), *words]).encode() + b"\n"
