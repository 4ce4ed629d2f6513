"""What a new worker is told of its connections comes in frames of a bounded size, whatever they lack."""

from __future__ import annotations

import pickle

from mpchat.broker.streams import batches, weight_of
from mpchat.ipc.frames import FRAME_BYTES
from mpchat.messages import ConnectionId, Resumed

MIB = 1 << 20


def test_places_go_in_batches_of_bytes_not_of_numbers() -> None:
    backlogs = [MIB, 0, 5, MIB // 2, *[0] * 30_000, *[MIB // 4 - 100] * 90, 10]
    places: list[Resumed] = [(ConnectionId(number), size, b"x" * size, False) for number, size in enumerate(backlogs)]
    found = [batch for _, batch in batches(places, weight_of)]
    assert [place for batch in found for place in batch] == places
    assert all(len(pickle.dumps(batch)) < 2 * MIB < FRAME_BYTES for batch in found)
    assert len(found) < 120, "and no smaller than they must be"


def test_nobody_is_no_batch() -> None:
    assert list(batches([], weight_of)) == []
