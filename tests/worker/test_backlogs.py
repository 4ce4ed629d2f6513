"""The sum of all backlogs: the largest goes first, no more go than must, and those on their way out count apart."""

from __future__ import annotations

import contextlib
import select
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from random import Random

import pytest

from mpchat.messages import ConnectionId
from mpchat.protocol.dialect import DIALECTS
from mpchat.settings import Settings
from mpchat.worker import tcp_position
from mpchat.worker.connection import Connection, Limits
from mpchat.worker.lingering_close import LingeringClose
from tests.worker.pairs import PATIENCE, read_all, tcp_pair

SHARE = 1_000_000
SETTINGS = Settings(workers=2, sendq_total_bytes=2 * SHARE)


Pair = AbstractContextManager[tuple[socket.socket, socket.socket]]


def small_tcp_pair() -> Pair:
    return tcp_pair(receive_buffer=16_384, send_buffer=8_192)


@contextlib.contextmanager
def unix_pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Where it does not matter that it is TCP, which waits before it tells a sender of room."""
    client, ours = socket.socketpair()
    with client, ours:
        ours.setblocking(False)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8_192)
        yield client, ours


class Worker:
    """As much of one as this needs: its connections, and whom it has told to go."""

    def __init__(self, stack: contextlib.ExitStack, people: int, pair: Callable[[], Pair]) -> None:
        self.limits = Limits(SETTINGS)
        self.backlogs = self.limits.backlogs
        self.connections: dict[ConnectionId, Connection] = {}
        self.clients: dict[int, socket.socket] = {}
        self.told: list[int] = []
        self.now = 100.0
        for id in range(1, people + 1):
            client, ours = stack.enter_context(pair())
            self.clients[id] = client
            self.connections[id] = Connection(id, ours, DIALECTS["irc"], "127.0.0.1", self.limits)

    def say(self, id: int, size: int) -> None:
        """To one of them, in a turn of the worker's."""
        connection = self.connections[id]
        connection.to_send.append(bytes(size))
        connection.flush()
        self.look()
        self.backlogs.end_turn()

    def look(self) -> None:
        for largest in self.backlogs.too_large(self.connections, self.now):
            largest.sendq_reported = True
            self.backlogs.leaves(largest)
            self.told.append(largest.id)
        for other in self.backlogs.too_late(self.now):
            other.drop_output()

    def read(self, id: int) -> None:
        """The client takes everything."""
        connection = self.connections[id]
        while connection.unsent:
            readable, writable, _ = select.select([self.clients[id]], [connection.sock], [], PATIENCE)
            assert readable or writable
            if readable:
                self.clients[id].recv(1 << 20)
            if writable:
                connection.blocked = False
                connection.flush()

    def really(self) -> tuple[int, int]:
        """What is held, and what of it by those who stay; counted one by one."""
        every = self.connections.values()
        staying = [each for each in every if not (each.sendq_reported or each.closing)]
        return sum(each.unsent for each in every), sum(each.unsent for each in staying)


@pytest.fixture
def worker() -> Iterator[Worker]:
    with contextlib.ExitStack() as stack:
        yield Worker(stack, 5, small_tcp_pair)


def test_while_all_together_are_not_far_behind_nobody_goes(worker: Worker) -> None:
    for id in worker.connections:
        worker.say(id, 200_000)
    assert SHARE * 0.8 < worker.backlogs.held == worker.backlogs.staying <= SHARE
    assert worker.told == []


def test_the_largest_goes_first_and_no_more_than_must(worker: Worker) -> None:
    for id, size in ((1, 200_000), (2, 400_000), (3, 300_000), (4, 200_000), (5, 350_000)):
        worker.say(id, size)
    assert worker.told == [2]
    worker.say(4, 500_000)
    assert worker.told == [2, 4]
    worker.say(1, 10_000)
    assert worker.told == [2, 4], "they hold what they held until they are closed, but nobody goes for that"
    assert worker.backlogs.held > SHARE
    assert worker.backlogs.staying < SHARE


def test_the_sums_are_what_they_are() -> None:
    with contextlib.ExitStack() as stack:
        worker = Worker(stack, 12, unix_pair)
        chance = Random(7)
        closing = LingeringClose(SETTINGS)
        for step in range(600):
            id = chance.choice(list(worker.connections))
            match chance.choice("sssssrrcb"):
                case "s":
                    worker.say(id, chance.choice([10, 1000, 100_000, 300_000]))
                case "r":
                    worker.read(id)
                case "c" if len(worker.connections) > 5 and step % 3 == 0:
                    connection = worker.connections[id]
                    closing.begin(connection, worker.now)
                    worker.backlogs.leaves(connection)
                    if chance.random() < 0.5:
                        closing.overdue(worker.now + SETTINGS.flush_seconds)  # all that are closing
                    if chance.random() < 0.5:
                        closing.forget(connection)
                        worker.backlogs.forget(connection)
                        del worker.connections[id]
                case "b" if not worker.connections[id].closing:  # a new broker
                    worker.connections[id].resume_input(0, 0, False)
            assert (worker.backlogs.held, worker.backlogs.staying) == worker.really(), step
            assert worker.backlogs.held <= 2 * SHARE
        for connection in worker.connections.values():
            worker.backlogs.forget(connection)
        assert (worker.backlogs.held, worker.backlogs.staying) == (0, 0)


def test_who_does_not_go_in_time_is_cut_off(worker: Worker) -> None:
    """The first who were told, first; they find the end of the stream behind what they have got."""
    worker.say(1, 900_000)
    worker.say(2, 950_000)
    assert worker.told == [2]
    worker.say(3, 910_000)
    assert worker.told == [2, 3]
    cut, kept = (worker.connections[id] for id in (2, 3))
    assert cut.cut
    assert cut.unsent == 0
    assert cut.sent == 950_000, "for a checkpoint nothing has changed but what is unsent"
    assert not kept.cut
    assert worker.backlogs.held < 2 * SHARE
    whole = read_all(worker.clients[2])
    assert 0 < len(whole) < 950_000
    cut.to_send.append(b"ERROR :Closing link\r\n")
    cut.flush()
    assert (cut.unsent, cut.blocked) == (0, False)


def test_who_takes_over_knows_who_was_cut_off(worker: Worker) -> None:
    worker.say(1, 900_000)
    connection = worker.connections[1]
    sent = connection.sent
    for was_cut in (False, True):
        if was_cut:
            connection.drop_output()
        successor = Connection(1, connection.sock, DIALECTS["irc"], "127.0.0.1", Limits(SETTINGS))
        successor.resume_output(900_000, bytes(900_000 - sent))
        assert successor.cut == was_cut
        assert (successor.unsent == 0) == was_cut
        assert tcp_position.has_finished(successor.sock) == was_cut


def test_what_piled_up_while_there_was_no_worker_is_nobodys_fault_for_some_seconds(worker: Worker) -> None:
    for connection in worker.connections.values():
        connection.to_send.append(bytes(400_000))
        connection.resume_output(0, b"")
    worker.backlogs.inherited(worker.now)
    for id in worker.connections:
        worker.say(id, 10)
    assert worker.told == []
    for id in (1, 2, 3):
        worker.read(id)
    worker.now += 4.9
    worker.say(4, 100_000)
    assert worker.told == []
    worker.read(4)
    worker.say(4, 800_000)
    worker.now += 0.2
    worker.say(1, 20_000)
    assert worker.told == [4]


def test_ten_thousand_that_must_go_are_found_in_order_without_looking_at_all_for_each() -> None:
    """By count: how often a backlog's length is asked for."""
    limits = Limits(Settings(workers=1, sendq_total_bytes=1000))
    asked = 0

    class Counted(Connection):
        __slots__ = ()

        @property
        def unsent(self) -> int:
            nonlocal asked
            asked += 1
            return super().unsent

    with socket.socket() as sock:
        connections: dict[ConnectionId, Connection] = {}
        for id in range(1, 10_001):
            each = connections[id] = Counted(id, sock, DIALECTS["irc"], "", limits)
            each.backlog = bytearray(id % 100 + 1)
            limits.backlogs.change(each, each.unsent)
        asked = 0
        told = []
        for largest in limits.backlogs.too_large(connections, 0.0):
            limits.backlogs.leaves(largest)
            told.append(len(largest.backlog or b""))
        assert told == sorted(told, reverse=True)
        assert limits.backlogs.staying <= 1000 < limits.backlogs.staying + told[-1]
        assert asked < 5 * len(connections)
