"""The trace ring: what one process notes every other can read, the newest of it, also after the writer was killed."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from mpchat.ipc.scoreboard import FIRST_WORKER_ROW, Scoreboard
from mpchat.ipc.trace_ring import RING_BYTES, Hop, TraceRing

ROOM = RING_BYTES // 64 - 1  # entries


@pytest.fixture
def scoreboard() -> Iterator[Scoreboard]:
    it = Scoreboard.make(2)
    yield it
    os.close(it._fd)


@pytest.fixture
def reader(scoreboard: Scoreboard) -> Iterator[TraceRing]:
    """As in another process, which may only read."""
    fd = scoreboard.read_only()
    yield Scoreboard(fd, 2, is_read_only=True).ring(1)
    os.close(fd)


def test_hops_are_read_once_and_in_order(scoreboard: Scoreboard, reader: TraceRing) -> None:
    ring = scoreboard.ring(1)
    ring.note(Hop.SAW, 5, 64, 0, size=22, depth=30)
    ring.note(Hop.PUT_RECORDS, place=1, worker=0, at=77)

    first, second = reader.read()[0]

    assert first[:2] == (Hop.SAW, os.getpid())
    assert first[3:] == (5, 64, 0, 22, 30)
    assert second == (Hop.PUT_RECORDS, os.getpid(), 77, 0, 1, 0, 0, 0)
    assert reader.read() == ([], 0)
    ring.note(Hop.SENT)
    assert [entry.hop for entry in reader.read()[0]] == [Hop.SENT]


def test_each_row_has_its_own(scoreboard: Scoreboard, reader: TraceRing) -> None:
    scoreboard.ring(0).note(Hop.SAW)

    assert reader.read() == ([], 0)


@pytest.mark.parametrize("more", [0, 1, 5, ROOM])
def test_the_newest_win_and_the_missing_are_counted(scoreboard: Scoreboard, reader: TraceRing, more: int) -> None:
    ring = scoreboard.ring(1)
    for number in range(ROOM + more):
        ring.note(Hop.SAW, place=number)

    entries, missing = reader.read()

    assert [entry.place for entry in entries] == list(range(more, ROOM + more))
    assert missing == more


def test_what_was_there_before_can_be_left_out(scoreboard: Scoreboard, reader: TraceRing) -> None:
    scoreboard.ring(1).note(Hop.SAW, place=1)
    reader.skip()
    scoreboard.ring(1).note(Hop.SAW, place=2)

    assert [entry.place for entry in reader.read()[0]] == [2]


def test_the_next_process_goes_on_behind_the_dead_one(scoreboard: Scoreboard, reader: TraceRing) -> None:
    scoreboard.ring(1).note(Hop.SAW, place=1)
    scoreboard.ring(1).note(Hop.SAW, place=2)  # another object, as in another process

    assert [entry.place for entry in reader.read()[0]] == [1, 2]


def test_an_entry_whose_writer_was_killed_in_its_middle_is_none(scoreboard: Scoreboard, reader: TraceRing) -> None:
    ring = scoreboard.ring(1)
    ring.note(Hop.SAW, place=1)
    ring._cells[2 * 8 + 1] = 7  # the second entry: its hop is written, its number is not

    assert [entry.place for entry in reader.read()[0]] == [1]
    scoreboard.ring(1).note(Hop.SAW, place=2)
    assert [entry.place for entry in reader.read()[0]] == [2]


def test_a_reader_can_write_nothing(reader: TraceRing) -> None:
    with pytest.raises(TypeError):
        reader.note(Hop.SAW)


def test_a_server_s_scoreboard_has_room_for_all(scoreboard: Scoreboard) -> None:
    """Neither the rows nor the meters reach into a ring."""
    whole = Scoreboard.make(FIRST_WORKER_ROW + 3)
    roles = ["worker0", "worker1", "worker2"]
    ends = [
        (one, other)
        for worker in roles
        for peer in ("broker", "acceptor")
        for one, other in ((worker, peer), (peer, worker))
    ]
    ends += [("broker", "recorder"), ("recorder", "broker")]
    ends += [("broker", "authenticator"), ("authenticator", "broker")]

    for number, (one, other) in enumerate(ends, 1):
        whole.meter(one, other)[0] = number
    for row in range(FIRST_WORKER_ROW + 3):
        whole.write(row, clients=row)
        whole.ring(row).note(Hop.SAW, place=row)
    whole.tracing[0] = 1

    assert [whole.meter(one, other)[0] for one, other in ends] == list(range(1, len(ends) + 1))
    assert [whole.read(row)["clients"] for row in range(FIRST_WORKER_ROW + 3)] == list(range(FIRST_WORKER_ROW + 3))
    assert [whole.ring(row).read()[0][0].place for row in range(FIRST_WORKER_ROW + 3)] == list(
        range(FIRST_WORKER_ROW + 3)
    )
    os.close(whole._fd)


def test_what_is_put_and_not_taken_is_under_way() -> None:
    board = Scoreboard.make(FIRST_WORKER_ROW + 1)
    worker, broker = board.meter("worker0", "broker"), board.meter("broker", "worker0")
    worker[0], worker[1] = 7, 700
    broker[2], broker[3] = 5, 600

    assert board.under_way("worker0", "broker") == (2, 100)
    assert board.under_way("broker", "worker0") == (0, 0)
    broker[2] = 9  # it has begun to count later than its peer
    assert board.under_way("worker0", "broker") == (0, 100)
    os.close(board._fd)
