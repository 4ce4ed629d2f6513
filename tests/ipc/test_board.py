"""The board: what one process writes every other can read, also after the writer has died."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from multiprocessing import get_context

import pytest

from mpchat.ipc.board import (
    ACCEPTOR_ROW,
    BROKER_ROW,
    COUNTERS,
    FIRST_WORKER_ROW,
    RECORDER_ROW,
    SPARE_ROW,
    Board,
    row_of,
)


@pytest.fixture
def board() -> Iterator[Board]:
    """Of three rows. A server's own lives as long as its processes: it has no close()."""
    it = Board.make(3)
    yield it
    os.close(it._fd)


def test_a_row_is_read_as_it_was_written(board: Board) -> None:
    board.write(1, **{name: number for number, name in enumerate(COUNTERS, 1)})
    assert board.read(1) == {name: number for number, name in enumerate(COUNTERS, 1)}
    assert set(board.read(0).values()) == set(board.read(2).values()) == {0}  # nobody else's row


def test_what_is_left_out_is_nothing(board: Board) -> None:
    board.write(0, **{field: number for number, field in enumerate(COUNTERS, 1)})
    board.write(0, clients=5)
    assert board.read(0) == {COUNTERS[0]: 5, **dict.fromkeys(COUNTERS[1:], 0)}


def test_large_numbers_fit(board: Board) -> None:
    board.write(0, clients=1 << 60)
    assert board.read(0)[COUNTERS[0]] == 1 << 60


def _write_on(board: Board) -> None:
    while True:
        board.write(1, clients=5, position=7)
        board.beat(1)


def test_a_row_that_is_being_written_is_never_seen_empty(board: Board) -> None:
    """A process whose beat is 0 is taken for one that hangs, and killed."""
    board.write(1, clients=5, position=7)
    writer = get_context("spawn").Process(target=_write_on, args=(board,), daemon=True)
    writer.start()
    first = board.last_beat(1)
    while board.last_beat(1) == first:
        assert writer.is_alive()
    beats = [board.last_beat(1) for _ in range(100_000)]
    rows = [board.read(1) for _ in range(10_000)]
    writer.kill()
    writer.join(10)
    assert first < min(beats) < max(beats)
    assert all((row["clients"], row["position"]) == (5, 7) for row in rows)


def _write_and_die(board: Board) -> None:
    board.write(1, clients=42)
    os._exit(9)


def test_a_row_outlives_its_process(board: Board) -> None:
    writer = get_context("spawn").Process(target=_write_and_die, args=(board,))
    writer.start()
    writer.join(10)
    assert writer.exitcode == 9
    assert board.read(1)[COUNTERS[0]] == 42


def test_to_write_is_to_be_alive(board: Board) -> None:
    assert board.last_beat(1) == 0.0
    before = time.monotonic()
    board.write(1, clients=5)
    assert before <= board.last_beat(1) <= time.monotonic()
    assert board.last_beat(0) == 0.0


def test_a_beat_says_so_too_and_leaves_the_counters_alone(board: Board) -> None:
    board.write(0, clients=5, position=7)
    before = time.monotonic()
    board.beat(0)
    assert before <= board.last_beat(0) <= time.monotonic()
    assert board.read(0) == {**dict.fromkeys(COUNTERS, 0), "clients": 5, "position": 7}


def test_every_role_has_a_row_of_its_own() -> None:
    assert [row_of(role) for role in ("acceptor", "broker", "recorder", "spare", "worker0", "worker12")] == [
        ACCEPTOR_ROW,
        BROKER_ROW,
        RECORDER_ROW,
        SPARE_ROW,
        FIRST_WORKER_ROW,
        FIRST_WORKER_ROW + 12,
    ]
    with pytest.raises(KeyError):
        row_of("supervisor")


def test_a_process_says_that_it_waits_for_the_disk(board: Board) -> None:
    with board.waiting_for_the_disk(1):
        board.write(1, clients=5)  # as it may while it loads
        assert (board.waits_for_the_disk(1), board.waits_for_the_disk(0)) == (True, False)
    assert not board.waits_for_the_disk(1)


def test_a_new_process_in_a_row_does_not_wait_for_its_predecessors_disk(board: Board) -> None:
    board.waiting_for_the_disk(1).__enter__()  # it is killed in there
    board.begin(1)
    assert not board.waits_for_the_disk(1)


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="no memfd here: the board is a file")
def test_the_board_is_on_no_file_system(board: Board) -> None:
    """In a full /tmp the first write to a mapped file is a SIGBUS."""
    assert os.readlink(f"/proc/self/fd/{board._fd}").startswith("/memfd:")
