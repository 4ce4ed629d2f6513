"""What a new worker is told of its connections comes in frames of a bounded size, whatever they lack."""

from __future__ import annotations

import pickle
from typing import Any

from mpchat.broker.recovery import Recovery
from mpchat.broker.streams import Streams, batches, weight_of
from mpchat.ipc.frames import FRAME_BYTES
from mpchat.ipc.scoreboard import BROKER_ROW, FIRST_WORKER_ROW, Scoreboard
from mpchat.messages import ConnectionId, Resumed
from mpchat.runtime.heartbeat import Heartbeat
from mpchat.runtime.log import Log
from mpchat.runtime.poller import Poller
from mpchat.settings import ChatSettings, pack

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


class Kept:
    """A transport that pickles what was put as late as possible, as a queue's feeder thread may."""

    unsent = False

    def __init__(self) -> None:
        self.messages: list[Any] = []

    def put(self, message: Any) -> None:
        self.messages.append(message)


def test_a_message_that_was_put_does_not_change_any_more() -> None:
    """Credit alone is a message without items; what follows from the next block must not slip into it."""
    heartbeat = Heartbeat(Scoreboard.make(BROKER_ROW + 1), BROKER_ROW)
    recovery = Recovery(None, 1, False, heartbeat, Log("broker", "error", False), lambda place: None)
    streams = Streams(Poller(), recovery, Scoreboard.make(FIRST_WORKER_ROW + 1), 1, MIB)
    recovery.propose([("start", pack(ChatSettings()), 1, 0, 1, 1)])
    transport: Any = Kept()
    streams._transports[0], streams._attached[0] = transport, True
    streams.ledger.received(0, 22)
    streams.deliver()
    recovery.propose([("open", 0, 1, "irc", "127.0.0.1", False)])
    streams.deliver()
    assert transport.messages == [("items", 1, 22, 0, []), ("items", 1, 0, 32, [("open", 1)])]
