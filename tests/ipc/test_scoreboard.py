"""The scoreboard: what one process writes every other can read, also after the writer has died."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from multiprocessing import get_context

import pytest

from mpchat.ipc.scoreboard import (
    ACCEPTOR_ROW,
    AUTHENTICATOR_ROW,
    BROKER_ROW,
    COUNTERS,
    FIRST_WORKER_ROW,
    RECORDER_ROW,
    SPARE_ROW,
    Scoreboard,
    row_of,
)


@pytest.fixture
def scoreboard() -> Iterator[Scoreboard]:
    """Of three rows. A server's own lives as long as its processes: it has no close()."""
    it = Scoreboard.make(3)
    yield it
    os.close(it._fd)


def test_a_row_is_read_as_it_was_written(scoreboard: Scoreboard) -> None:
    scoreboard.write(1, **{name: number for number, name in enumerate(COUNTERS, 1)})
    assert scoreboard.read(1) == {name: number for number, name in enumerate(COUNTERS, 1)}
    assert set(scoreboard.read(0).values()) == set(scoreboard.read(2).values()) == {0}  # nobody else's row


def test_what_is_left_out_is_nothing(scoreboard: Scoreboard) -> None:
    scoreboard.write(0, **{field: number for number, field in enumerate(COUNTERS, 1)})
    scoreboard.write(0, clients=5)
    assert scoreboard.read(0) == {COUNTERS[0]: 5, **dict.fromkeys(COUNTERS[1:], 0)}


def test_large_numbers_fit(scoreboard: Scoreboard) -> None:
    scoreboard.write(0, clients=1 << 60)
    assert scoreboard.read(0)[COUNTERS[0]] == 1 << 60


def _write_on(scoreboard: Scoreboard) -> None:
    while True:
        scoreboard.write(1, clients=5, position=7)
        scoreboard.beat(1)


def test_a_row_that_is_being_written_is_never_seen_empty(scoreboard: Scoreboard) -> None:
    """A process whose beat is 0 is taken for one that hangs, and killed."""
    scoreboard.write(1, clients=5, position=7)
    writer = get_context("spawn").Process(target=_write_on, args=(scoreboard,), daemon=True)
    writer.start()
    first = scoreboard.last_beat(1)
    while scoreboard.last_beat(1) == first:
        assert writer.is_alive()
    beats = [scoreboard.last_beat(1) for _ in range(100_000)]
    rows = [scoreboard.read(1) for _ in range(10_000)]
    writer.kill()
    writer.join(10)
    assert first < min(beats) < max(beats)
    assert all((row["clients"], row["position"]) == (5, 7) for row in rows)


def _write_and_die(scoreboard: Scoreboard) -> None:
    scoreboard.write(1, clients=42)
    os._exit(9)


def test_a_row_outlives_its_process(scoreboard: Scoreboard) -> None:
    writer = get_context("spawn").Process(target=_write_and_die, args=(scoreboard,))
    writer.start()
    writer.join(10)
    assert writer.exitcode == 9
    assert scoreboard.read(1)[COUNTERS[0]] == 42


def test_to_write_is_to_be_alive(scoreboard: Scoreboard) -> None:
    assert scoreboard.last_beat(1) == 0.0
    before = time.monotonic()
    scoreboard.write(1, clients=5)
    assert before <= scoreboard.last_beat(1) <= time.monotonic()
    assert scoreboard.last_beat(0) == 0.0


def test_a_beat_says_so_too_and_leaves_the_counters_alone(scoreboard: Scoreboard) -> None:
    scoreboard.write(0, clients=5, position=7)
    before = time.monotonic()
    scoreboard.beat(0)
    assert before <= scoreboard.last_beat(0) <= time.monotonic()
    assert scoreboard.read(0) == {**dict.fromkeys(COUNTERS, 0), "clients": 5, "position": 7}


def test_every_role_has_a_row_of_its_own() -> None:
    roles = ("acceptor", "broker", "recorder", "authenticator", "spare", "worker0", "worker12")
    assert [row_of(role) for role in roles] == [
        ACCEPTOR_ROW,
        BROKER_ROW,
        RECORDER_ROW,
        AUTHENTICATOR_ROW,
        SPARE_ROW,
        FIRST_WORKER_ROW,
        FIRST_WORKER_ROW + 12,
    ]
    with pytest.raises(KeyError):
        row_of("supervisor")


def test_a_process_says_that_it_waits_for_the_disk(scoreboard: Scoreboard) -> None:
    with scoreboard.waiting_for_the_disk(1):
        scoreboard.write(1, clients=5)  # as it may while it loads
        assert (scoreboard.waits_for_the_disk(1), scoreboard.waits_for_the_disk(0)) == (True, False)
    assert not scoreboard.waits_for_the_disk(1)


def test_a_new_process_in_a_row_does_not_wait_for_its_predecessors_disk(scoreboard: Scoreboard) -> None:
    scoreboard.waiting_for_the_disk(1).__enter__()  # it is killed in there
    scoreboard.begin(1)
    assert not scoreboard.waits_for_the_disk(1)


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="no memfd here: the scoreboard is a file")
def test_the_scoreboard_is_on_no_file_system(scoreboard: Scoreboard) -> None:
    """In a full /tmp the first write to a mapped file is a SIGBUS."""
    assert os.readlink(f"/proc/self/fd/{scoreboard._fd}").startswith("/memfd:")
