"""Custody: an acceptor and a worker, either of them new, end up with the same sockets, each a copy of its own."""

from __future__ import annotations

import contextlib
import gc
import os
import resource
import socket
import time
from collections.abc import Callable, Iterator
from itertools import count, islice
from typing import Any

import pytest

from mpchat.acceptor.fd_store import FdStore
from mpchat.flow.admission import Admission
from mpchat.ipc.link import Link
from mpchat.ipc.scoreboard import new_meter
from mpchat.messages import ChildToSupervisor, ConnectionId
from mpchat.runtime.poller import Poller

PATIENCE = 5.0
HOST = "192.0.2.7"


def open_fds() -> int:
    gc.collect()  # what earlier tests have left to it
    return len(os.listdir("/dev/fd"))


class Worker:
    """The other end of the link: what it was given, and whether it has been told that this is all."""

    def __init__(self, sock: socket.socket) -> None:
        self.link = Link[Any](sock)
        self.has: dict[Any, tuple[int, Any, Any]] = {}
        self.synced = False

    def say(self, *message: Any, fds: tuple[int, ...] = ()) -> None:
        self.link.post(message, fds=fds)

    def read(self) -> bool:
        """All that has come; whether there was anything."""
        anything = False
        while messages := self.link.take():
            anything = True
            for (word, *about), fds in messages:
                if word == "client":
                    connection, dialect, host, _ = about
                    assert connection not in self.has, "given twice"
                    self.has[connection] = fds[0], dialect, host
                else:
                    self.synced = True
        return anything

    def die(self) -> None:
        for fd, _, _ in self.has.values():
            os.close(fd)
        self.has.clear()
        self.link.close()


class Acceptor:
    """As much of it as the fd store needs: a loop, a worker, and clients whose other end is kept here."""

    def __init__(self) -> None:
        self.poller = Poller()
        self.admission = Admission(most=1000, most_each=1000, new_each_minute=1000, exempts=lambda host: False)
        ours, theirs = Link.pair()
        self.supervisor, self.control = Link[Any](ours), Link[ChildToSupervisor](theirs)
        self.complaints: list[str] = []
        self.fd_store = FdStore(
            "worker0",
            self.control,
            self.poller,
            self.admission,
            self.complain,
            reserved_fds=0,
            language="en",
            meter=new_meter(),
        )
        self.clients: dict[int, socket.socket] = {}
        self.worker: Worker | None = None

    def complain(self, event: str, **_: object) -> None:
        self.complaints.append(event)

    def new_worker(self) -> Worker:
        ours, theirs = Link.pair()
        self.fd_store.take_link(Link(ours))
        self.worker = Worker(theirs)
        return self.worker

    def new_client(self, connection: int) -> None:
        client, ours = socket.socketpair()
        self.clients[connection] = client
        assert self.admission.refusal(HOST, 0.0) == ""
        self.fd_store.take_client(
            ConnectionId(connection), ours.detach(), "plain" if connection % 2 == 0 else "irc", HOST
        )

    def turn(self, timeout: float = 0.0) -> None:
        for source, readable, writable, _ in self.poller.wait(timeout):
            assert source is self.fd_store.link
            self.fd_store.link_event(readable, writable)

    def until(self, done: Callable[[], object]) -> None:
        """Both go on until it is so."""
        assert self.worker is not None
        deadline = time.monotonic() + PATIENCE
        while not done():
            assert time.monotonic() < deadline, "it never happened"
            self.turn(0.0 if self.worker.read() else 0.01)

    def hang_up(self, connection: int) -> bool:
        """Whether the client reads its end: nobody has its socket any more."""
        self.clients[connection].setblocking(False)
        try:
            return self.clients[connection].recv(1) == b""
        except BlockingIOError:
            return False

    def close(self) -> None:
        if self.worker is not None:
            self.worker.die()
        while self.fd_store.link is not None:
            self.turn(PATIENCE)
        for client in self.clients.values():
            client.close()
        self.supervisor.close()
        self.control.close()


@pytest.fixture
def acceptor() -> Iterator[Acceptor]:
    it = Acceptor()
    yield it
    it.close()
    for fd, *_ in it.fd_store._kept.values():
        if fd is not None:
            os.close(fd)


def test_a_new_client_goes_to_a_synced_worker(acceptor: Acceptor) -> None:
    worker = acceptor.new_worker()
    worker.say("all")
    acceptor.until(lambda: worker.synced)
    assert acceptor.fd_store.synced
    acceptor.new_client(1)
    acceptor.until(lambda: 1 in worker.has)
    fd, dialect, host = worker.has[1]
    assert (dialect, host) == ("irc", HOST)
    acceptor.clients[1].send(b"hola")
    assert os.read(fd, 10) == b"hola"


def test_before_the_sync_new_clients_wait_and_are_passed_once(acceptor: Acceptor) -> None:
    acceptor.new_client(1)  # there is not even a link
    worker = acceptor.new_worker()
    acceptor.new_client(2)
    acceptor.turn()
    worker.read()
    assert not worker.has
    worker.say("all")
    acceptor.until(lambda: worker.synced)
    assert sorted(worker.has) == [1, 2]


def test_the_connection_outlives_its_worker_and_the_next_gets_it(acceptor: Acceptor) -> None:
    first = acceptor.new_worker()
    first.say("all")
    for connection in (1, 2, 3):
        acceptor.new_client(connection)
    acceptor.until(lambda: len(first.has) == 3)
    first.die()
    acceptor.turn(PATIENCE)
    assert acceptor.fd_store.link is None
    assert not acceptor.fd_store.synced
    assert len(acceptor.fd_store) == 3
    acceptor.new_client(4)
    second = acceptor.new_worker()
    second.say("all")
    acceptor.until(lambda: second.synced)
    assert sorted(second.has) == [1, 2, 3, 4]
    assert not any(acceptor.hang_up(connection) for connection in (1, 2, 3, 4))


def test_a_new_acceptor_is_given_what_a_worker_has_and_counts_it(acceptor: Acceptor) -> None:
    worker = acceptor.new_worker()
    sockets = [socket.socketpair() for _ in range(3)]
    for connection, (_, ours) in enumerate(sockets, 1):
        worker.say("mine", connection, "plain", HOST, False, fds=(ours.fileno(),))
    acceptor.turn()
    assert not acceptor.fd_store.synced
    worker.say("all")
    acceptor.until(lambda: worker.synced)
    assert not worker.has, "it has them already"
    assert len(acceptor.fd_store) == 3
    acceptor.admission._most_each = 3
    assert acceptor.admission.refusal(HOST, 0.0) == "Too many connections from your address"
    for client, ours in sockets:
        client.close()
        ours.close()


def test_each_gets_what_it_lacks_and_no_socket_is_kept_twice(acceptor: Acceptor) -> None:
    """A worker may have a socket that the acceptor has kept from the worker before it."""
    acceptor.new_client(1)
    acceptor.new_client(2)
    worker = acceptor.new_worker()
    kept = acceptor.fd_store._kept[ConnectionId(1)][0]
    assert kept is not None
    with socket.socket() as theirs:
        before = open_fds()
        worker.say("mine", 1, "irc", HOST, False, fds=(kept,))
        worker.say("mine", 3, "irc", HOST, False, fds=(theirs.fileno(),))
        worker.say("all")
        acceptor.until(lambda: worker.synced)
        assert sorted(worker.has) == [2]
        assert len(acceptor.fd_store) == 3
        assert open_fds() == before + 2, "2 at the worker, 3 here, and no other copy of 1"


def test_the_duplicate_of_an_ended_connection_is_closed(acceptor: Acceptor) -> None:
    worker = acceptor.new_worker()
    worker.say("all")
    acceptor.new_client(1)
    acceptor.new_client(2)
    acceptor.until(lambda: len(worker.has) == 2)
    os.close(worker.has.pop(1)[0])
    assert not acceptor.hang_up(1)
    worker.say("gone", 1)
    worker.say("gone", 99)  # its socket had been lost
    acceptor.until(lambda: len(acceptor.fd_store) == 1)
    assert acceptor.hang_up(1)
    assert not acceptor.hang_up(2)
    acceptor.admission._most = 2
    acceptor.new_client(3)  # there is room again


def test_a_dead_workers_last_messages_are_read_before_its_successors(acceptor: Acceptor) -> None:
    first = acceptor.new_worker()
    first.say("all")
    acceptor.new_client(1)
    acceptor.new_client(2)
    acceptor.until(lambda: len(first.has) == 2)
    first.say("gone", 1)
    first.die()
    second = acceptor.new_worker()  # before we have looked
    second.say("all")
    acceptor.until(lambda: second.synced)
    assert sorted(second.has) == [2]


def test_hundreds_go_through_a_full_link_and_cost_no_descriptor_more(acceptor: Acceptor) -> None:
    for connection in range(1, 601):
        acceptor.new_client(connection)
    worker = acceptor.new_worker()
    before = open_fds()
    worker.say("all")
    acceptor.turn(PATIENCE)
    assert open_fds() <= before + 1
    assert acceptor.fd_store.link is not None
    assert acceptor.fd_store.link.unsent, "the link is full"
    acceptor.new_client(601)
    acceptor.until(lambda: worker.synced and 601 in worker.has)
    assert list(worker.has) == list(range(1, 602))


def test_a_connection_that_ends_while_it_waits_for_room_is_not_passed(acceptor: Acceptor) -> None:
    """A worker says "gone" of one that it has never had only if another has had it; but then it must not come again."""
    for connection in range(1, 601):
        acceptor.new_client(connection)
    worker = acceptor.new_worker()
    worker.say("all")
    acceptor.turn(PATIENCE)
    worker.say("gone", 600)
    acceptor.turn(PATIENCE)
    acceptor.until(lambda: worker.synced)
    assert list(worker.has) == list(range(1, 600))


def test_what_a_worker_had_that_died_before_it_had_said_all_goes_to_the_next(acceptor: Acceptor) -> None:
    """It and an acceptor had died, one soon after the other."""
    first = acceptor.new_worker()
    client, ours = socket.socketpair()
    acceptor.clients[1] = client
    first.say("mine", 1, "irc", HOST, False, fds=(ours.fileno(),))
    acceptor.until(lambda: len(acceptor.fd_store) == 1)
    first.die()
    ours.close()
    second = acceptor.new_worker()
    second.say("all")
    acceptor.until(lambda: second.synced)
    assert list(second.has) == [1]


# A worker's end that somebody else holds too, after its death


def test_a_dead_workers_link_need_not_end(acceptor: Acceptor) -> None:
    """Its descriptor may still be on its way to somebody: what it had said counts, and its successor is served."""
    first = acceptor.new_worker()
    copy = socket.socket(fileno=os.dup(first.link.fileno()))
    first.say("all")
    acceptor.new_client(1)
    acceptor.new_client(2)
    acceptor.until(lambda: len(first.has) == 2)
    first.say("gone", 1)
    first.die()
    second = acceptor.new_worker()
    second.say("all")
    acceptor.until(lambda: second.synced)
    assert sorted(second.has) == [2]
    copy.close()


# What no worker of ours says


@pytest.mark.parametrize(
    ("message", "descriptors"),
    [
        (("nonsense",), 0),
        ((), 0),
        (("gone",), 0),
        (("gone", "1"), 0),
        (("gone", 1, 2), 0),
        (("gone", 1), 1),
        (("all", 1), 0),
        (("full", None), 0),
        (("mine", 5, "irc", HOST, False), 0),
        (("mine", 5, "irc", HOST, False), 2),
        (("mine", 5, "irc"), 1),
        (("mine", 5, True, HOST), 1),
        (("mine", 5, "gopher", HOST), 1),
        (("mine", 0, "irc", HOST, False), 1),
        (("mine", 5, "irc", "somewhere", False), 1),
        (("mine", 5, "irc", "", False), 1),
        (("mine", 5, "irc", HOST, False), -1),  # a pipe
    ],
)
def test_a_worker_that_says_what_none_of_ours_says_is_reported_and_dropped(
    acceptor: Acceptor, message: tuple[Any, ...], descriptors: int
) -> None:
    """Its clients are kept for its successor."""
    worker = acceptor.new_worker()
    worker.say("all")
    acceptor.new_client(1)
    acceptor.until(lambda: 1 in worker.has)
    before = open_fds()
    reader, writer = os.pipe()
    client, ours = socket.socketpair()
    worker.say(*message, fds=(writer,) if descriptors < 0 else (ours.fileno(),) * descriptors)
    worker.say("gone", 1)
    acceptor.turn(PATIENCE)
    for fd in (reader, writer):
        os.close(fd)
    client.close()
    ours.close()
    [((word, role, why), _)] = acceptor.supervisor.take()
    assert (word, role) == ("misbehaves", "worker0")
    assert "unknown message" in str(why)
    assert acceptor.fd_store.link is None
    assert open_fds() == before - 1, "the link's"
    worker.die()
    second = acceptor.new_worker()
    second.say("all")
    acceptor.until(lambda: second.synced)
    assert sorted(second.has) == [1]


def test_a_worker_whose_message_does_not_end(acceptor: Acceptor) -> None:
    """Nonsense may look like the beginning of a large one: what comes behind it must not be swallowed for ever."""
    worker = acceptor.new_worker()
    os.write(worker.link.fileno(), b"\0\0\x40\0nonsense")
    worker.say("all")
    acceptor.turn(PATIENCE)
    acceptor.fd_store.look(most=2)
    assert acceptor.supervisor.take() == []
    acceptor.fd_store.look(most=2)
    assert [message[:2] for message, _ in acceptor.supervisor.take()] == [("misbehaves", "worker0")]
    assert acceptor.fd_store.link is None


def test_a_dead_workers_nonsense_is_not_held_against_its_successor(acceptor: Acceptor) -> None:
    first = acceptor.new_worker()
    first.say("nonsense")
    first.die()
    second = acceptor.new_worker()
    second.say("all")
    acceptor.until(lambda: second.synced)
    assert acceptor.supervisor.take() == []


# Where there are too few descriptors


def test_a_client_that_the_worker_has_no_descriptor_for_is_told_and_let_go(acceptor: Acceptor) -> None:
    worker = acceptor.new_worker()
    worker.say("all")
    acceptor.new_client(1)
    acceptor.new_client(2)
    acceptor.until(lambda: len(worker.has) == 2)
    for connection in (1, 2):
        os.close(worker.has.pop(connection)[0])
        worker.say("full", connection)
    worker.say("full", 1)  # who is gone already
    acceptor.until(lambda: len(acceptor.fd_store) == 0)
    assert acceptor.clients[1].recv(100) == b"ERROR :Closing link: (Server is full)\r\n"
    assert acceptor.clients[2].recv(100) == b"! Server is full\n"
    assert acceptor.hang_up(1)
    assert acceptor.hang_up(2)
    acceptor.admission._most = 1
    assert acceptor.admission.refusal(HOST, 0.0) == "", "they do not count any more"


def is_free(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return True
    return False


@pytest.fixture
def few_fds() -> Iterator[None]:
    """There are three numbers more."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    third = list(islice(filter(is_free, count()), 3))[-1]  # tests before this one may have left holes among the numbers
    resource.setrlimit(resource.RLIMIT_NOFILE, (third + 1, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@pytest.mark.parametrize("reserved", [0, 1])
def test_a_socket_that_there_is_no_number_for_is_counted_though_no_copy_is_kept(
    acceptor: Acceptor, request: pytest.FixtureRequest, reserved: int
) -> None:
    """It is served on. If its worker dies, nobody has it."""
    worker = acceptor.new_worker()
    acceptor.fd_store._reserved_fds = reserved
    with contextlib.ExitStack() as stack:
        pairs = [[stack.enter_context(each) for each in socket.socketpair()] for _ in range(5)]
        request.getfixturevalue("few_fds")
        for connection, (_, ours) in enumerate(pairs, 1):
            worker.say("mine", connection, "irc", HOST, False, fds=(ours.fileno(),))
        worker.say("all")
        acceptor.until(lambda: worker.synced)
        assert len(acceptor.fd_store) == 5
        assert acceptor.supervisor.take() == [], "it is not the worker's fault"
        assert acceptor.complaints == ["no file descriptor for a copy"] * (2 + reserved)
        worker.die()
        acceptor.turn(PATIENCE)
        resource.setrlimit(resource.RLIMIT_NOFILE, resource.getrlimit(resource.RLIMIT_NOFILE)[1:] * 2)
        second = acceptor.new_worker()
        second.say("all")
        acceptor.until(lambda: second.synced)
        assert sorted(second.has) == [1, 2, 3][: 3 - reserved]
        assert len(acceptor.fd_store) == 3 - reserved
