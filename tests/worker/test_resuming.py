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
import time
from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpchat.broker.streams import Streams
from mpchat.flow.outbox import Outbox
from mpchat.ipc.link import Link
from mpchat.ipc.pipe_transport import Pair
from mpchat.ipc.scoreboard import FIRST_WORKER_ROW, Scoreboard
from mpchat.ipc.transport import Transport, dump_pair, load_pair
from mpchat.ipc.validation import check_checkpoint
from mpchat.messages import AcceptorToWorker, ConnectionId, Input, Item, SupervisorToChild, WorkerNumber, WorkerToBroker
from mpchat.protocol.dialect import DIALECTS
from mpchat.runtime import crash_points
from mpchat.runtime.poller import Poller
from mpchat.settings import Settings
from mpchat.worker import reading, tcp_position
from mpchat.worker import worker as worker_module
from mpchat.worker.connection import Connection, Limits
from mpchat.worker.worker import Worker
from tests.worker.pairs import PATIENCE, arrived, tcp_pair
from tests.worker.records import Record, not_blank, plain_split, told

pytestmark = pytest.mark.skipif(not tcp_position.SUPPORTED, reason="this system does not count")

SETTINGS = Settings()
PATIENT = Settings(unlimited=True, sendq_bytes=1 << 30, sendq_total_bytes=1 << 30, flush_seconds=1e6, drain_seconds=1e6)
SMALL = Settings(line_bytes=7, window_bytes=8, peek_bytes=16, burst_lines=4, lines_per_second=1)  # in proportion
ALL = 1 << 30  # no flood control
GROUP = 7


# A server of one worker and one broker


class Killed(BaseException):
    """A process has come to the step at which it was to die."""


class Fate:
    """Who of them is to die, and how many of its crash points it passes before."""

    def __init__(self) -> None:
        self.who, self.steps = "", 0

    def reach(self, step: str) -> None:
        if self.who and step.startswith(self.who):
            self.steps -= 1
            if self.steps < 0:
                raise Killed

    @contextlib.contextmanager
    def awaits(self, who: str, steps: int) -> Iterator[None]:
        self.who, self.steps = who, steps
        with contextlib.suppress(Killed):
            yield
        self.who = ""


class Clock:
    """Of the worker: its time passes when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


class Heard:
    """A client's input as the core has accepted it: once, whoever forwards it again."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.accepted = self.line_start = self.acknowledged = 0
        self.discarding = False

    def take(self, record: Record) -> None:
        kind, _, end, what = record
        if end > self.accepted:
            self.records.append(record)
            self.accepted = end
            if kind != "part":
                self.line_start = end
                self.discarding = what is False

    def place(self) -> tuple[int, int, bool]:
        return self.accepted, self.accepted - self.line_start, self.discarding


class Past:
    """What one broker after the other knows: a core that says what the test wants, a journal of that, a snapshot."""

    def __init__(self) -> None:
        self.core = self
        self.outboxes = [Outbox()]
        self.fresh: list[list[Item]] = [[]]  # in no outbox yet
        self.items: list[Item] = []  # all there ever were
        self.snapshot: tuple[int, bytes] = 0, pickle.dumps(self.outboxes[0].dump())
        self.heard: dict[ConnectionId, Heard] = {}  # of those that have a session

    def decide(self, *items: Item) -> None:
        self.items += items
        self.fresh[0] += items

    def accept(self, record: Record) -> None:
        """A worker's record happens; of an open connection it may come again."""
        match record:
            case ("open", 0, id, "irc", _, False):
                if id not in self.heard:
                    self.heard[id] = Heard()
                    self.decide(("open", id))
            case ("line" | "part" | "overlong" | "rest", id, _, _):
                self.heard[id].take(record)
            case _:
                raise AssertionError(f"what had the worker to say that for: {record}")

    def acknowledge(self, id: ConnectionId, most: int) -> None:
        heard = self.heard[id]
        for record in heard.records[heard.acknowledged :][:most]:
            self.decide(("ack", id, record[2]))
            heard.acknowledged += 1

    def take_snapshot(self) -> None:
        self.snapshot = self.outboxes[0].last, pickle.dumps(self.outboxes[0].dump())

    def recall(self) -> None:
        """The next broker knows the last snapshot, and what was decided since; the checkpoints since are lost."""
        position, state = self.snapshot
        self.outboxes, self.fresh = [Outbox.load(pickle.loads(state))], [[]]
        self.outboxes[0].add(self.items[position:])

    # As broker/recovery.py and core/machine.py tell the streams

    def take_fresh(self, worker: int) -> list[Item]:
        items, self.fresh[worker] = self.fresh[worker], []
        self.outboxes[worker].add(items)
        return items

    def inputs(self, worker: int) -> list[Input]:
        closed = {item[1] for item in self.items if item[0] == "close"}
        return [(id, *heard.place()) for id, heard in self.heard.items() if id not in closed]

    def drains(self, worker: int) -> list[tuple[ConnectionId, int]]:
        return []


SCOREBOARD = Scoreboard.make(FIRST_WORKER_ROW + 1)  # of all brokers: each takes a descriptor


class Broker:
    """Real streams to the worker, by what the past says; it is heard, and hears, when the test says so."""

    def __init__(self, past: Past) -> None:
        self.past = past
        self.poller = Poller()
        self.streams = Streams(self.poller, past, SCOREBOARD, 1, SETTINGS.lag_bytes)
        self.pending: list[Record] = []  # has come, and has not happened yet

    def listen(self) -> None:
        for _, readable, writable, _ in self.poller.wait(0):
            if writable:
                self.streams.flush(0)
            if readable:
                self._take(self.streams.transport(0))

    def _take(self, transport: Transport[WorkerToBroker]) -> None:
        for message in transport.take():
            match message:
                case ("batch", _, _, records):
                    self.pending += records
                case ("checkpoint", position, entries, forgotten):
                    check_checkpoint(self.past.outboxes[0].last, position, entries, forgotten)
                    self.past.outboxes[0].checkpoint(position, entries, forgotten)
                case ("attach", position):
                    self.streams.asking_to_attach[0] = position
                case _:
                    raise AssertionError(message)
        if transport.ended:
            self.streams.leave(0)

    def work(self, most: int) -> None:
        """So many of the records happen, and all that has been decided is delivered."""
        for record in self.pending[:most]:
            self.past.accept(record)
        del self.pending[:most]
        self.streams.deliver()
        while self.streams.asking_to_attach:
            worker, position = self.streams.asking_to_attach.popitem()
            self.pending = []  # what has not happened is forwarded again
            self.streams.attach(worker, position)


class Server:
    """One real worker after the other, and one broker after the other. The test is the supervisor and the acceptor."""

    def __init__(
        self, settings: Settings, sockets: dict[ConnectionId, socket.socket], clock: Clock, fate: Fate
    ) -> None:
        self.settings, self.sockets, self.clock, self.fate = settings, sockets, clock, fate
        self.past = Past()
        self.broker = Broker(self.past)
        self.broker.streams.begin()
        self.scoreboard = Scoreboard.make(FIRST_WORKER_ROW + 1)
        self.transports = 0
        self.start_worker()

    def start_worker(self) -> None:
        """It gets a transport to the broker, and a link to the acceptor, which passes it a copy of each socket."""
        ours, theirs = Link.pair()
        self.control = Link[SupervisorToChild](ours)
        self.worker = Worker(Link(theirs), self.settings, self.scoreboard, WorkerNumber(0))
        self.worker.poller.watch(self.worker.control)
        ours, theirs = Link.pair()
        self.acceptor = Link[AcceptorToWorker](ours)
        with theirs:
            self.control.post(("acceptor",), fds=(theirs.fileno(),))
        self.connect()
        for id, sock in self.sockets.items():
            self.acceptor.post(("client", id, "irc", "127.0.0.1", False), fds=(sock.fileno(),))
        self.acceptor.post(("synced",))

    def connect(self) -> None:
        """Worker and broker get the two ends of a new transport."""
        pair = Pair.make()
        pickled, fds = dump_pair(pair)
        self.transports += 1
        self.control.post(("transport", self.transports, pickled), fds=fds)
        self.broker.streams.take_transport(0, load_pair(pickled, [os.dup(fd) for fd in fds]).at_broker())
        pair.let_go()  # a pipe needs nobody who keeps it

    def worker_turns(self) -> None:
        self.worker.turn(0)
        self.let_go_of_the_closed()

    def let_go_of_the_closed(self) -> None:
        """As the acceptor does: with its copy the connection ends."""
        for message, _ in self.acceptor.take():
            if message[0] == "gone" and message[1] in self.sockets:  # a lost socket's stand-in is closed too
                self.sockets.pop(message[1]).close()

    def broker_turns(self, most: int = ALL) -> None:
        self.broker.listen()
        self.broker.work(most)

    def worker_dies(self, steps: int) -> None:
        """In the middle of a turn, so many crash points further on; and another takes its place."""
        with self.fate.awaits("worker", steps):
            self.worker.turn(0)
        self.let_go_of_the_closed()
        self.close_worker()
        self.start_worker()

    def broker_dies(self, steps: int) -> None:
        """The same. What it has not journaled is lost with it."""
        with self.fate.awaits("broker", steps):
            self.broker_turns()
        self.broker.streams.leave(0)
        self.past.recall()
        self.broker = Broker(self.past)
        self.connect()

    def close_worker(self) -> None:
        """Its process has ended: the system closes its descriptors."""
        worker = self.worker
        for owner in (worker.control, worker.acceptor.link, worker.broker.transport, self.control, self.acceptor):
            if owner is not None:
                owner.close()
        for connection in worker.connections.values():
            with contextlib.suppress(OSError):  # Killed has passed through take_each(), which closed the last one
                connection.sock.close()

    def close(self) -> None:
        self.close_worker()
        self.broker.streams.leave(0)


@contextlib.contextmanager
def serving(settings: Settings, *sockets: socket.socket) -> Iterator[Server]:
    """A server that has accepted these clients, numbered from 1."""
    clock, fate = Clock(), Fate()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(crash_points, "_orders", "of this test's fate")
        patch.setattr(crash_points, "_kill_if_ordered", fate.reach)
        for module in (worker_module, reading):
            patch.setattr(module, "time", clock)
        copies = {ConnectionId(id): sock.dup() for id, sock in enumerate(sockets, 1)}
        server = Server(settings, copies, clock, fate)
        try:
            yield server
        finally:
            server.close()
            for copy in copies.values():
                copy.close()


# Output


class Chat:
    """Three clients who read at their own pace, and what each of them has to read."""

    def __init__(self, clients: dict[int, socket.socket], server: Server, random: Random) -> None:
        self.clients, self.server, self.random = clients, server, random
        self.members: set[int] = set()
        self.closed: set[int] = set()  # by the server
        self.ended: set[int] = set()  # they have read their end
        self.expected = dict.fromkeys(clients, b"")
        self.read = dict.fromkeys(clients, b"")

    def talk(self) -> None:
        """The broker decides one item, of any kind; the worker may hear of it, or die before."""
        here = [id for id in self.server.past.heard if id not in self.closed]
        if not here:
            return
        decide = self.server.past.decide
        id = self.random.choice(here)
        data = self.random.randbytes(self.random.choice((1, 100, 100, 5000, 5000, 60_000, 60_000, 300_000)))
        match self.random.choice((*([1, 2, 3, 4, 5, 6, 7] * 4), 0)):
            case 0 if len(here) > 1:
                self.change_membership(id, False)
                self.closed.add(id)
                decide(("close", id))
            case 1 | 2:
                self.change_membership(id, id not in self.members)
            case 3 | 4 | 5 if self.members:
                but = self.random.choice([0, id])
                decide(("cast", (GROUP,), data, but))
                for member in self.members - {but}:
                    self.expected[member] += data
            case _:
                decide(("send", id, data))
                self.expected[id] += data

    def change_membership(self, id: int, is_member: bool) -> None:
        if is_member != (id in self.members):
            self.server.past.decide(("join" if is_member else "leave", GROUP, id))
            self.members ^= {id}

    def hear(self) -> None:
        """A client reads some of what there is."""
        id = self.random.choice(list(self.clients))
        self.take(id, self.random.choice((1, 1000, 200_000)))

    def take(self, id: int, most: int) -> bool:
        """Whether there was anything. Whoever has read the end may hang up at once, or later."""
        if id in self.ended:
            return False
        try:
            data = self.clients[id].recv(most)
        except BlockingIOError:
            return False
        if not data:
            assert id in self.closed, f"client {id} was not to be closed"
            self.ended.add(id)
            if self.random.random() < 0.5:
                self.clients[id].close()
        self.read[id] += data
        assert self.expected[id].startswith(self.read[id]), f"client {id} reads something else"
        return True

    def go_on(self) -> None:
        """Long enough for a takeover."""
        for _ in range(self.random.choice((1, 2, 3, 4, 50))):
            self.server.broker_turns()
            self.server.worker_turns()

    def checkpoint(self) -> None:
        """It is time for one; perhaps the worker dies between two of its messages."""
        self.server.clock.now += 1.0
        self.server.worker_turns()
        self.server.broker.listen()

    def worker_dies(self) -> None:
        for _ in range(self.random.randrange(6)):
            self.talk()
        self.server.broker_turns()
        if self.random.random() < 0.5:  # with a checkpoint to send before
            self.server.clock.now += 1.0
        self.server.worker_dies(self.random.randrange(8))
        if self.random.random() < 0.2:
            self.server.broker_dies(0)

    def broker_dies(self) -> None:
        self.server.broker_dies(self.random.randrange(3))

    def finish(self) -> None:
        """Everybody reads all there is: the closed to their end."""
        give_up_at = time.monotonic() + PATIENCE
        while waiting := [id for id in self.clients if self.waits(id)]:
            self.server.broker_turns()
            self.server.worker_turns()
            if sum(self.take(id, 1 << 20) for id in waiting):
                give_up_at = time.monotonic() + PATIENCE
            assert time.monotonic() < give_up_at, f"they wait for ever: {waiting}"

    def waits(self, id: int) -> bool:
        is_expected = id not in self.server.past.heard or (id in self.closed and id not in self.ended)
        return is_expected or self.read[id] != self.expected[id]


@contextlib.contextmanager
def chat(random: Random) -> Iterator[Chat]:
    with contextlib.ExitStack() as stack:
        pairs = [stack.enter_context(tcp_pair(send_buffer=65_536)) for _ in range(3)]
        for client, _ in pairs:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
            client.setblocking(False)
        server = stack.enter_context(serving(PATIENT, *(ours for _, ours in pairs)))
        for _, ours in pairs:
            ours.close()  # the acceptor has its copy
        yield Chat({id: client for id, (client, _) in enumerate(pairs, 1)}, server, random)


@pytest.mark.parametrize("seed", range(25))
def test_every_client_reads_every_byte_once_and_in_order(seed: int) -> None:
    """A worker is killed at any step, also while it takes over; a broker too, with the checkpoints of a while."""
    random = Random(seed)
    with chat(random) as it:
        server = it.server
        acts = [it.talk] * 12 + [server.broker_turns] * 6 + [server.worker_turns] * 6 + [it.go_on] * 4 + [it.hear] * 8
        acts += [it.checkpoint] * 4 + [
            it.worker_dies,
            it.broker_dies,
            server.past.take_snapshot,
            server.past.take_snapshot,
        ]
        for _ in range(600):
            random.choice(acts)()
        it.finish()


def test_what_never_ends_does_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """While some of a room are served, more comes for all of it: those who come last do not wait for ever more."""
    line, rounds = b"x" * 8190 + b"\r\n", 400
    with contextlib.ExitStack() as stack:
        pairs = [stack.enter_context(tcp_pair(send_buffer=65_536)) for _ in range(40)]
        server = stack.enter_context(serving(PATIENT, *(ours for _, ours in pairs)))
        for client, _ in pairs:
            client.setblocking(False)
        past, worker = server.past, server.worker
        ids = [ConnectionId(id) for id in range(1, len(pairs) + 1)]
        while len(past.heard) < len(ids):
            server.broker_turns()
            server.worker_turns()
        past.decide(*[("join", GROUP, id) for id in ids])
        past.decide(("cast", (GROUP,), line, ConnectionId(0)))
        server.broker_turns()
        most = said = 0  # bytes that wait for one client; rounds

        def say_more(step: str) -> None:
            nonlocal most, said
            if step == "worker: sent to some" and said < rounds:
                said += 1
                past.decide(("cast", (GROUP,), line, ConnectionId(0)))
                server.broker.streams.deliver()
                most = max(most, *(sum(map(len, each.to_send)) for each in worker.connections.values()))
                for client, _ in pairs:
                    with contextlib.suppress(BlockingIOError):
                        client.recv(1 << 20)

        monkeypatch.setattr(crash_points, "_kill_if_ordered", say_more)
        while said < rounds:
            server.broker_turns()
            server.worker_turns()
        assert 0 < most <= 2 * worker_module._UNSENT_BYTES


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
    st.integers(0, 4),  # records that happen at the broker
    st.integers(0, 4),  # how many of what it has accepted it acknowledges
    st.integers(0, 8),  # steps that whoever dies still takes
    st.sampled_from([0, 1, 2, 5]),  # rounds in which nobody dies
)


@settings(max_examples=250, deadline=None)
@given(_PIECES, st.lists(_TURNS, min_size=1, max_size=12))
def test_whoever_dies_every_line_is_accepted_once(
    pieces: list[bytes], turns: list[tuple[str, int, int, int, int]]
) -> None:
    id = ConnectionId(1)
    with tcp_pair() as (client, ours), serving(SMALL, ours) as server:
        past = server.past

        def turn(act: str, happening: int, acknowledgements: int, steps: int, rounds: int) -> None:
            server.broker_turns(happening)
            if act == "worker dies":
                server.worker_dies(steps)
            elif act == "broker dies":
                server.broker_dies(steps)
            if id in past.heard:
                past.acknowledge(id, acknowledgements)
            server.clock.now += 1 if act == "read one" else 100
            for _ in range(rounds):
                server.worker_turns()
                server.broker_turns(happening)
            server.worker_turns()

        while id not in past.heard:
            turn("read", 4, 4, 0, 1)
        came = 0
        for number, piece in enumerate(pieces):
            client.sendall(piece)
            came += len(piece)
            arrived(ours, came - tcp_position.consumed(ours))
            turn(*turns[number % len(turns)])
        give_up_at = time.monotonic() + PATIENCE
        while tcp_position.consumed(ours) < came:
            turn("read", 4, 4, 0, 1)
            assert time.monotonic() < give_up_at, "what is left is never accepted"
        assert not_blank(told(past.heard[id].records)) == not_blank(plain_split(b"".join(pieces), SMALL.line_bytes))


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
