"""What happens to the processes, in words."""

from __future__ import annotations

import time
from typing import Any

import pytest

from mpchat import texts
from mpchat.monitor.events import as_line, in_words


@pytest.mark.parametrize(
    ("event", "words"),
    [
        ({"what": "died", "how": "SIGKILL"}, "worker0 (4244) has died: SIGKILL"),
        ({"what": "replaced", "stall_ms": 31}, "worker0 has a new process at work, 4244, after 31 ms"),
        ({"what": "hangs", "silent_ms": 5020}, "worker0 (4244) hangs: silent for 5020 ms, so it is killed"),
        ({"what": "silent"}, "worker0 (4244) is silent: its loop has not turned for a second"),
        ({"what": "turns again", "stall_ms": 1700}, "worker0 (4244) turns again, after 1700 ms"),
        ({"what": "cannot start", "how": "status 70"}, "worker0 cannot start: status 70"),
        ({"what": "misbehaves", "how": "a gap\nin it"}, "worker0 (4244) misbehaves: a gap?in it"),
        (
            {"what": "disk full", "how": "File too large"},
            "the journal cannot be written (File too large): worker0 (4244) accepts nothing until it can, and what is"
            " sent waits",
        ),
        ({"what": "disk has room"}, "the journal can be written again: worker0 (4244) goes on"),
        ({"what": "promoted"}, "worker0 (4244): promoted"),
    ],
)
def test_an_event_in_words(event: dict[str, Any], words: str) -> None:
    assert in_words({"kind": "event", "role": "worker0", "pid": 4244, **event}, "en") == words


def test_what_is_missing_in_an_event_stops_nobody() -> None:
    for what in (
        "died",
        "replaced",
        "hangs",
        "silent",
        "turns again",
        "cannot start",
        "misbehaves",
        "disk full",
        "disk has room",
        "x",
    ):
        for language in texts.LANGUAGES:
            assert in_words({"what": what}, language)


def test_a_line_begins_with_the_local_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC+2")  # two hours behind
    time.tzset()
    try:
        event = {"at": "2026-11-30T02:20:00.123Z", "what": "died", "role": "broker", "pid": 7, "how": "SIGKILL"}
        assert as_line(event) == "2026-11-30 00:20:00.123  broker (7) has died: SIGKILL"
        assert as_line({**event, "at": "soon"}) == "broker (7) has died: SIGKILL"
    finally:
        monkeypatch.undo()
        time.tzset()
