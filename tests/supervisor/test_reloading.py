"""Reading the settings again, in a thread: what it says where reading fails."""

from __future__ import annotations

import select
import threading
from contextlib import closing

import pytest

from mpchat.supervisor.reloading import Read, Rejected, Reloading
from tests.running import PATIENCE


@pytest.mark.parametrize("error", [Rejected("no such file"), ValueError("embedded null byte"), RecursionError("deep")])
def test_whatever_goes_wrong_is_told_and_nothing_is_printed(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mistake of ours is no traceback in the log, and who has asked hears of it."""

    def read() -> Read:
        raise error

    unhandled: list[object] = []
    monkeypatch.setattr(threading, "excepthook", unhandled.append)
    told: list[tuple[bool, str]] = []
    with closing(Reloading(read)) as reloading:
        reloading.begin(lambda is_well, said: told.append((is_well, said)))
        assert select.select([reloading], [], [], PATIENCE)[0]
        with pytest.raises(Rejected, match=str(error)) as rejected:
            reloading.take()
        reloading.over(False, str(rejected.value))
    assert told == [(False, str(rejected.value))]
    assert "\n" not in told[0][1]
    assert unhandled == []
