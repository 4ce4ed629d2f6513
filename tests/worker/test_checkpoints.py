"""Checkpoints: what has changed, once, in messages of bounded size; who reads them knows what a worker holds."""

from __future__ import annotations

import math
import os
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from mpchat.protocol.dialect import DIALECTS
from mpchat.settings import Settings
from mpchat.worker.checkpoints import Checkpoints
from mpchat.worker.connection import Connection, Limits
from tests.worker.pairs import tcp_pair

PART = 1 << 18  # about so large is a message


class Two:
    """Two connections; beto's client does not read, and the kernel takes little for it."""

    def __init__(self, socks: tuple[socket.socket, socket.socket]) -> None:
        limits = Limits(Settings())
        self.ana, self.beto = (
            Connection(id, sock, DIALECTS["irc"], "127.0.0.1", limits) for id, sock in enumerate(socks, 1)
        )
        self.connections = {1: self.ana, 2: self.beto}
        self.checkpoints = Checkpoints(self.connections)

    def say(self, connection: Connection, data: bytes) -> None:
        """As a worker does in one turn."""
        connection.to_send.append(data)
        connection.flush()
        self.checkpoints.changed.append(connection)

    def choke(self, size: int = 200_000) -> bytes:
        """More to beto than the kernel takes; returns what it has not taken."""
        self.say(self.beto, os.urandom(size))
        assert self.beto.backlog is not None
        return bytes(self.beto.backlog)


@pytest.fixture
def two() -> Iterator[Two]:
    with tcp_pair() as (_, one), tcp_pair(send_buffer=8192) as (_, other):
        two = Two((one, other))
        assert two.checkpoints.take(1, 0.0) == [("checkpoint", 1, [(1, 0, b"", 0), (2, 0, b"", 0)], None)]
        yield two


def test_the_first_tells_of_everybody_and_the_next_of_those_that_have_changed(two: Two) -> None:
    two.say(two.ana, b"hola\r\n")
    assert two.checkpoints.take(2, 1.0) == [("checkpoint", 2, [(1, 6, b"", 0)], [])]
    assert two.checkpoints.take(3, 2.0) == [("checkpoint", 3, [], [])]


def test_one_is_due_a_while_after_the_last_and_only_if_anything_has_happened(two: Two) -> None:
    assert two.checkpoints.deadline(1) == math.inf
    assert two.checkpoints.take(1, 9.0) == []
    assert two.checkpoints.deadline(2) == 0.25
    assert two.checkpoints.take(2, 0.24) == []
    assert len(two.checkpoints.take(2, 0.25)) == 1
    assert two.checkpoints.deadline(3) == 0.5


def test_a_backlog_is_told_once(two: Two) -> None:
    backlog = two.choke()
    total = two.beto.sent + len(backlog)
    [(_, _, entries, _)] = two.checkpoints.take(2, 1.0)
    assert entries[-1] == (2, total, backlog, len(backlog))
    two.say(two.beto, b"more\r\n")
    [(_, _, entries, _)] = two.checkpoints.take(3, 2.0)
    assert entries == [(2, total + 6, b"more\r\n", len(backlog) + 6)]


def test_who_has_a_backlog_is_told_of_again_though_nothing_was_said_to_them(two: Two) -> None:
    """It may have become shorter."""
    backlog = two.choke()
    two.checkpoints.take(2, 1.0)
    [(_, _, [(id, _, new, unsent)], _)] = two.checkpoints.take(3, 2.0)
    assert (id, new, unsent) == (2, b"", len(backlog))


def test_a_long_backlog_does_not_hold_up_the_lines_between(two: Two) -> None:
    two.choke(1_000_000)
    two.say(two.ana, b"hola\r\n")
    first, last = two.checkpoints.take(2, 1.0)
    assert first[:2] == ("checkpoint", 0)
    assert len(first[2]) == 1
    assert last == ("checkpoint", 2, [(1, 6, b"", 0)], [])


def test_many_small_ones_come_in_several_messages_too() -> None:
    limits = Limits(Settings())
    with socket.socket() as sock:
        many = {id: Connection(id, sock, DIALECTS["irc"], "", limits) for id in range(1, 20_001)}
        messages = Checkpoints(many).take(1, 0.0)
    assert [message[1] for message in messages] == [0] * (len(messages) - 1) + [1]
    assert max(len(message[2]) for message in messages) * 32 <= PART
    assert [entry[0] for message in messages for entry in message[2]] == list(many)


def test_who_is_closed_is_named_once(two: Two) -> None:
    two.choke()
    two.checkpoints.forget(two.beto)
    del two.connections[2]
    assert two.checkpoints.deadline(1) is not None, "though the stream has not moved"
    assert two.checkpoints.take(1, 1.0) == [("checkpoint", 1, [], [2])]
    assert two.checkpoints.take(2, 2.0) == [("checkpoint", 2, [], [])]


def test_to_somebody_new_all_is_told_anew(two: Two) -> None:
    """And its list of connections is all there are: no word of those that are closed."""
    backlog = two.choke()
    two.say(two.ana, b"hola\r\n")
    two.checkpoints.take(2, 1.0)
    two.checkpoints.start_over()
    messages: list[tuple[Any, ...]] = two.checkpoints.take(2, 2.0)
    assert [entry for message in messages for entry in message[2]] == [
        (1, 6, b"", 0),
        (2, two.beto.sent + len(backlog), backlog, len(backlog)),
    ]
    assert messages[-1][3] is None
    two.say(two.ana, b"hola\r\n")
    [(_, _, entries, forgotten)] = two.checkpoints.take(3, 3.0)
    assert [entry[0] for entry in entries] == [2, 1], "and from then on of those that have changed"
    assert forgotten == []
