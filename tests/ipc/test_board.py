"""The board: what one process writes every other can read, also after the writer has died."""

from __future__ import annotations

import os
from multiprocessing import get_context

from mpchat.ipc.board import FIELDS, Board


def test_a_row_is_read_as_it_was_written() -> None:
    board = Board.make(3)
    board.write(1, **{name: number for number, name in enumerate(FIELDS, 1)})
    assert board.read(1) == {name: number for number, name in enumerate(FIELDS, 1)}
    assert set(board.read(0).values()) == set(board.read(2).values()) == {0}  # nobody else's row


def test_what_is_left_out_is_nothing() -> None:
    board = Board.make(1)
    board.write(0, **{field: number for number, field in enumerate(FIELDS, 1)})
    board.write(0, clients=5)
    assert board.read(0) == {FIELDS[0]: 5, **dict.fromkeys(FIELDS[1:], 0)}


def test_large_numbers_fit() -> None:
    board = Board.make(1)
    board.write(0, clients=1 << 60)
    assert board.read(0)[FIELDS[0]] == 1 << 60


def _write_and_die(board: Board) -> None:
    board.write(1, clients=42)
    os._exit(9)


def test_a_row_outlives_its_process() -> None:
    board = Board.make(2)
    writer = get_context("spawn").Process(target=_write_and_die, args=(board,))
    writer.start()
    writer.join(10)
    assert writer.exitcode == 9
    assert board.read(1)[FIELDS[0]] == 42
