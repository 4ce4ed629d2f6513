"""A worker is gone at any moment, and another goes on in its place: the clients notice nothing.

What it knew is lost. The sockets live on in copies of their descriptors; the broker has an outbox of items and
checkpoints, and knows which input it has accepted; all else the kernel knows.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import select
import socket
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpchat.flow.outbox import Outbox
from mpchat.protocol.dialect import DIALECTS
from mpchat.settings import Settings
from mpchat.worker import stream_position
from mpchat.worker.checkpoints import Checkpoints
from mpchat.worker.connection import Connection, Limits
from mpchat.worker.groups import Groups
from mpchat.worker.lingering_close import LingeringClose
from tests.worker.pairs import PATIENCE, arrived, tcp_pair
from tests.worker.records import Record, not_blank, plain_split, told

pytestmark = pytest.mark.skipif(not stream_position.SUPPORTED, reason="this system does not count")

Item = tuple[Any, ...]

SETTINGS = Settings()
SMALL = Settings(line_bytes=7, window_bytes=8, peek_bytes=16)  # in the proportions of the real ones
ALL = 1 << 30  # no flood control


# Output


class Worker:
    """What a worker does with items and sockets, and no more."""

    def __init__(self, fds: dict[int, int]) -> None:
        limits = Limits(SETTINGS)
        self.connections = {
            id: Connection(id, socket.socket(fileno=os.dup(fd)), DIALECTS["irc"], "127.0.0.1", limits)
            for id, fd in fds.items()
        }
        self.groups = Groups()
        self.closing = LingeringClose(SETTINGS)
        self.checkpoints = Checkpoints(self.connections)
        self.position = 0

    def resume(self, outbox: Outbox) -> None:
        """As worker/broker_stream.py does it: the state at the last checkpoint, the items since, and then the bytes."""
        self.position = outbox.base
        places = {place[0]: place for place in outbox.connections()}
        for id, _, _, is_closing in places.values():
            if is_closing:
                self.apply_one("close", id)
        for group, members in outbox.groups():
            for id in members:
                self.groups.join(group, self.connections[id])
        items = outbox.after(self.position)
        places.update({item[1]: (item[1], 0, b"", False) for item in items if item[0] == "open"})
        self.apply(items)
        self.groups.take_pending()
        for id, total, unsent, _ in places.values():
            self.connections[id].resume_output(total, unsent)
            self.groups.touch(self.connections[id])
        self.checkpoints.start_over()

    def apply(self, items: list[Item]) -> None:
        for item in items:
            self.apply_one(*item)
        self.position += len(items)

    def apply_one(self, kind: str, *about: Any) -> None:
        match kind:
            case "cast":
                self.groups.cast(*about)
            case "send":
                self.groups.send(self.connections[about[0]], about[1])
            case "join":
                self.groups.join(about[0], self.connections[about[1]])
            case "leave":
                self.groups.leave(about[0], self.connections[about[1]])
            case "close":
                self.closing.begin(self.connections[about[0]], 0.0)
                self.groups.touch(self.connections[about[0]])

    def flush(self, most: int) -> bool:
        """Send to `most` clients; whether that was all who wait for it. Whoever stops here is not asked again."""
        pending = self.groups.take_pending()
        for connection in list(pending.values())[:most]:
            connection.flush()
            if connection.closing:
                self.closing.advance(connection, 0.0)
        self.checkpoints.changed.update(pending)
        return len(pending) <= most

    def make_room(self) -> None:
        """Every backlog is tried again."""
        for connection in self.connections.values():
            if connection.blocked:
                connection.blocked = False
                self.groups.touch(connection)

    def die(self) -> None:
        for connection in self.connections.values():
            connection.sock.close()


class Chat:
    """Three clients who read at their own pace, the broker's outbox, and one worker after the other."""

    def __init__(self, pairs: list[tuple[socket.socket, socket.socket]], random: Random) -> None:
        self.random = random
        self.clients = {id: client for id, (client, _) in enumerate(pairs, 1)}
        self.fds = {id: ours.fileno() for id, (_, ours) in enumerate(pairs, 1)}  # the acceptor's
        self.to_send = Outbox()
        self.items: list[Item] = []  # all there ever were: the broker's journal
        self.snapshot: tuple[int, bytes] = 0, pickle.dumps(self.to_send.dump())
        self.members: set[int] = set()
        self.closed: set[int] = set()
        self.expected = dict.fromkeys(self.clients, b"")
        self.read = dict.fromkeys(self.clients, b"")
        self.now = 0.0
        self.worker = Worker(self.fds)
        self.add([("open", id) for id in self.clients])
        self.worker.resume(self.to_send)

    def add(self, items: list[Item]) -> None:
        """The broker has decided; the worker may hear of it, or die before."""
        self.to_send.add(items)
        self.items += items

    def catch_up(self) -> None:
        self.worker.apply(self.to_send.after(self.worker.position))

    def talk(self) -> None:
        """One item, of any kind."""
        here = [id for id in self.clients if id not in self.closed]
        if not here:
            return
        id = self.random.choice(here)
        data = self.random.randbytes(self.random.choice((1, 100, 5000, 60_000, 300_000)))
        match self.random.randrange(8):
            case 0 if len(here) > 1:
                self.change_membership(id, False)
                self.closed.add(id)
                self.add([("close", id)])
            case 1 | 2:
                self.change_membership(id, id not in self.members)
            case 3 | 4 | 5 if self.members:
                but = self.random.choice([0, id])
                self.add([("cast", (7,), data, but)])
                for member in self.members - {but}:
                    self.expected[member] += data
            case _:
                self.add([("send", id, data)])
                self.expected[id] += data

    def change_membership(self, id: int, is_member: bool) -> None:
        if is_member != (id in self.members):
            self.add([("join" if is_member else "leave", 7, id)])
            self.members ^= {id}

    def hear(self) -> None:
        """A client reads some of what there is."""
        id = self.random.choice(list(self.clients))
        with contextlib.suppress(BlockingIOError):
            self.read[id] += self.clients[id].recv(self.random.choice((1, 1000, 200_000)))

    def flush(self) -> None:
        self.worker.make_room()
        self.worker.flush(ALL)

    def checkpoint(self) -> None:
        """All its messages arrive, or the worker dies between two."""
        self.flush()
        self.now += 1.0
        messages = self.worker.checkpoints.take(self.worker.position, self.now)
        arriving = self.random.choice([len(messages), self.random.randint(0, len(messages))])
        for _, position, entries, forgotten in messages[:arriving]:
            self.to_send.checkpoint(position, entries, forgotten)
        if arriving < len(messages):
            self.die()

    def die(self) -> None:
        """In the middle of a turn: some have been sent theirs, and some not."""
        self.worker.flush(self.random.randint(0, len(self.clients)))
        self.worker.die()
        self.to_send.abandon()
        if self.random.random() < 0.2:
            self.replace_broker()
        self.worker = Worker(self.fds)
        self.worker.resume(self.to_send)

    def take_snapshot(self) -> None:
        self.snapshot = self.to_send.last, pickle.dumps(self.to_send.dump())

    def replace_broker(self) -> None:
        """The next one knows the last snapshot, and what was decided since; the checkpoints since are lost."""
        position, state = self.snapshot
        self.to_send = Outbox.load(pickle.loads(state))
        self.to_send.add(self.items[position:])
        self.worker.checkpoints.start_over()

    def finish(self) -> None:
        """Everybody reads all there is: the closed to their end."""
        self.catch_up()
        ended: set[int] = set()
        while waiting := {id for id in self.clients if self.read[id] != self.expected[id]} | (self.closed - ended):
            self.flush()
            full = [connection for connection in self.worker.connections.values() if connection.unsent]
            ready = select.select([self.clients[id] for id in waiting], full, [], PATIENCE)
            assert any(ready), f"they wait for ever: {waiting}"
            for id in waiting:
                with contextlib.suppress(BlockingIOError):
                    data = self.clients[id].recv(1 << 20)
                    self.read[id] += data
                    assert self.expected[id].startswith(self.read[id]), f"client {id} reads something else"
                    if not data:
                        ended.add(id)


@contextlib.contextmanager
def chat(random: Random) -> Iterator[Chat]:
    with contextlib.ExitStack() as stack:
        pairs = [stack.enter_context(tcp_pair(send_buffer=65_536)) for _ in range(3)]
        for client, _ in pairs:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
            client.setblocking(False)
        it = Chat(pairs, random)
        stack.callback(lambda: it.worker.die())
        yield it


@pytest.mark.parametrize("seed", range(25))
def test_every_client_reads_every_byte_once_and_in_order(seed: int) -> None:
    random = Random(seed)
    with chat(random) as it:
        acts = [it.talk] * 6 + [it.catch_up] * 3 + [it.flush] * 3 + [it.hear] * 4 + [it.checkpoint] * 2
        acts += [it.die, it.take_snapshot, it.replace_broker]
        for id in it.clients:
            it.add([("send", id, b"welcome\r\n")])
            it.expected[id] += b"welcome\r\n"
        for _ in range(150):
            random.choice(acts)()
        it.finish()


def test_a_backlog_goes_on_in_the_middle_of_a_message() -> None:
    with tcp_pair(send_buffer=8192) as (client, ours):
        limits = Limits(SETTINGS)
        text = os.urandom(2_000_000)
        first = Connection(1, socket.socket(fileno=os.dup(ours.fileno())), DIALECTS["irc"], "127.0.0.1", limits)
        first.to_send.append(text)
        assert 0 < first.flush() < len(text)
        first.sock.close()

        second = Connection(1, ours, DIALECTS["irc"], "127.0.0.1", limits)
        second.to_send += [text[:1000], text[1000:]]  # the items come again, from the beginning
        second.resume_output(0, b"")
        assert second.sent == first.sent
        assert second.unsent == first.unsent
        got = b""
        while len(got) < len(text):
            second.blocked = False
            second.flush()
            readable, writable, _ = select.select([client], [ours] if second.unsent else [], [], PATIENCE)
            assert readable or writable, f"stuck after {len(got)} bytes"
            got += client.recv(1 << 20) if readable else b""
        assert got == text


@pytest.mark.parametrize(("total", "unsent"), [(5, b""), (10, b"12345"), (20, b""), (0, b"")])
def test_a_past_that_does_not_fit_what_the_kernel_has_taken_is_refused(total: int, unsent: bytes) -> None:
    """Ten bytes have been sent: better to end than to send any of them twice, or to leave one out."""
    with tcp_pair() as (_, ours):
        ours.send(b"0123456789")
        connection = Connection(1, ours, DIALECTS["irc"], "127.0.0.1", Limits(SETTINGS))
        if total == 10:
            ours.send(b"0123456789")
        with pytest.raises(ValueError, match="connection 1: the kernel has taken"):
            connection.resume_output(total, unsent)


def test_nobody_is_overdue_for_what_piled_up_while_there_was_no_worker() -> None:
    with tcp_pair(send_buffer=16_384) as (client, ours):
        connection = Connection(1, ours, DIALECTS["irc"], "127.0.0.1", Limits(Settings(sendq_bytes=1000)))
        connection.to_send.append(b"x" * 1_000_000)
        connection.resume_output(0, b"")
        connection.flush()
        assert connection.unsent > 100_000
        assert not connection.overdue, "that was not its doing"
        connection.to_send.append(b"x" * 1_000_000)
        connection.flush()
        assert connection.overdue, "and this is"
        while connection.unsent:
            readable, writable, _ = select.select([client], [ours], [], PATIENCE)
            if readable:
                client.recv(1 << 20)
            if writable:
                connection.blocked = False
                connection.flush()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        while not connection.blocked:
            connection.to_send.append(b"x" * 100_000)
            connection.flush()
        assert connection.overdue, "what it once lacked excuses nothing later"


def test_a_client_that_is_gone_needs_no_more() -> None:
    with tcp_pair() as (client, ours):
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.close()
        assert select.select([ours], [], [], PATIENCE)[0]
        connection = Connection(1, ours, DIALECTS["irc"], "127.0.0.1", Limits(SETTINGS))
        connection.to_send.append(b"to nobody")
        connection.resume_output(100, b"unsent")
        assert (connection.sent, connection.unsent, connection.to_send) == (109, 0, [])


# Input


class Broker:
    """It accepts input once, as core.py does, and can say how far it has come."""

    def __init__(self) -> None:
        self.heard: list[Record] = []
        self.accepted = self.line_start = 0
        self.discarding = False

    def take(self, record: Record) -> None:
        kind, _, end, what = record
        if end > self.accepted:
            self.heard.append(record)
            self.accepted = end
            if kind != "part":
                self.line_start = end
                self.discarding = what is False

    def place(self) -> tuple[int, int, bool]:
        return self.accepted, self.accepted - self.line_start, self.discarding


_PIECES = st.lists(
    st.one_of(
        st.binary(min_size=1, max_size=9),
        st.text("ab\r\n", min_size=1, max_size=20).map(str.encode),
        st.sampled_from([b"\r", b"\n", b"1234567\r\n", b"1234567", b"12345678\n", b"x" * 20, b"x" * 8]),
    ),
    max_size=12,
)
_TURNS = st.tuples(
    st.sampled_from(["read", "read one", "worker dies", "broker dies"]),
    st.integers(0, 4),  # records that arrive at the broker
    st.integers(0, 4),  # how many of what it has accepted it acknowledges
)


@settings(max_examples=60, deadline=None)
@given(_PIECES, st.lists(_TURNS, min_size=1, max_size=12))
def test_whoever_dies_every_line_is_accepted_once(pieces: list[bytes], turns: list[tuple[str, int, int]]) -> None:
    with tcp_pair() as (client, ours):
        connection = Connection(1, ours, DIALECTS["irc"], "127.0.0.1", Limits(SMALL))
        broker = Broker()
        under_way: list[Record] = []
        acknowledged = came = 0

        def turn(act: str, arriving: int, acknowledgements: int) -> None:
            nonlocal connection, under_way, acknowledged
            for record in under_way[:arriving]:
                broker.take(record)
            del under_way[:arriving]
            if "dies" in act:
                under_way = []
                if act == "worker dies":
                    before = connection.consumed
                    connection = Connection(1, ours, DIALECTS["irc"], "127.0.0.1", Limits(SMALL))
                    connection.consumed = stream_position.consumed(ours)
                    assert connection.consumed == before
                connection.resume_input(*broker.place())
            for record in broker.heard[acknowledged : acknowledged + acknowledgements]:
                connection.acknowledge(record[2])
                acknowledged += 1
            under_way += connection.read(1 if act == "read one" else ALL)

        for number, piece in enumerate(pieces):
            client.sendall(piece)
            came += len(piece)
            arrived(ours, came - connection.consumed)
            turn(*turns[number % len(turns)])
        while connection.consumed < came:
            turn("read", 4, 4)
        assert not_blank(told(broker.heard)) == not_blank(plain_split(b"".join(pieces), SMALL.line_bytes))


def test_the_end_is_told_again_to_a_broker_that_has_not_heard_of_it() -> None:
    with tcp_pair() as (client, ours):
        connection = Connection(1, ours, DIALECTS["irc"], "127.0.0.1", Limits(SETTINGS))
        client.sendall(b"QUIT\n")
        client.shutdown(socket.SHUT_WR)
        connection.hung_up = True
        arrived(ours, 5)
        for _ in range(3):
            assert connection.read(ALL) == [("line", 1, 5, b"QUIT"), ("gone", 1, "Connection closed")]
            assert connection.read(ALL) == []
            connection.resume_input(0, 0, False)
