"""A real front, a turn at a time: the test is its supervisor, its acceptors and its clients."""

from __future__ import annotations

import contextlib
import errno
import select
import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from mpchat.front.front import Front
from mpchat.ipc.frames import most_looks
from mpchat.ipc.link import Link
from mpchat.ipc.scoreboard import ACCEPTOR_ROW, FIRST_WORKER_ROW, Scoreboard
from mpchat.messages import UnknownMessage
from mpchat.runtime.listening import listen
from mpchat.runtime.log import Log
from mpchat.settings import Certificate, Settings
from tests.ipc.test_misbehaviour import Supervisor
from tests.running import PATIENCE
from tests.system.tls import Authority, Pair

STRANGERS = replace(Settings(), chat=replace(Settings.chat, exempt=()))  # 127.0.0.1 is one, as any other address


def certificate(pair: Pair) -> Certificate:
    return Certificate(pair.cert.read_bytes(), pair.key.read_bytes())


class Caller:
    """A client that speaks TLS as far as its front has come: nothing waits."""

    def __init__(self, port: int, authority: Authority, source: str = "127.0.0.1") -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), PATIENCE, (source, 0))
        self.sock.setblocking(False)
        self.tls = authority.context().wrap_socket(
            self.sock, server_hostname="127.0.0.1", do_handshake_on_connect=False
        )
        self.has_agreed = False

    def shake_hands(self) -> None:
        with contextlib.suppress(ssl.SSLWantReadError):
            self.tls.do_handshake()
            self.has_agreed = True

    @property
    def is_closed(self) -> bool:
        try:
            return self.tls.recv(1) == b""
        except ssl.SSLWantReadError:
            return False
        except OSError:
            return True


class Turns:
    """A front, and what it is connected to."""

    def __init__(
        self,
        stack: contextlib.ExitStack,
        authority: Authority,
        pair: Pair,
        settings: Settings = Settings(),  # noqa: B008
    ) -> None:
        self.stack, self.authority = stack, authority
        self.supervisor = Supervisor(stack)
        self.scoreboard = Scoreboard.make(FIRST_WORKER_ROW + 1)
        listener = stack.enter_context(listen(settings, 0))
        self.port: int = listener.getsockname()[1]
        log = Log("front", "error", False)
        self.front = Front(
            self.supervisor.control, log, settings, self.scoreboard, {listener: "irc"}, certificate(pair)
        )
        self.front.begin()
        stack.callback(self.front.pairs.listener.close)

    def turn(self, times: int = 5) -> None:
        for _ in range(times):
            self.front.turn(0)

    def acceptor(self) -> Link[Any]:
        """A new one, by a link of which the front is told."""
        link = self.supervisor.connect("acceptor")
        self.turn(1)
        return link

    def call(self, source: str = "127.0.0.1") -> Caller:
        """Somebody has connected, and said nothing yet."""
        caller = Caller(self.port, self.authority, source)
        self.stack.callback(caller.tls.close)
        self.turn()
        return caller

    def enter(self, source: str = "127.0.0.1") -> Caller:
        """Somebody with whom TLS is agreed upon."""
        caller = self.call(source)
        for _ in range(10):
            caller.shake_hands()
            self.turn()
        assert caller.has_agreed
        return caller

    def close(self) -> None:
        for tunnel in list(self.front.tunnels):
            self.front.close(tunnel)
        for _, theirs in self.front.on_the_way.values():
            theirs.close()
        if self.front.acceptor is not None:
            self.front.leave(self.front.acceptor)


@pytest.fixture
def stack() -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as it:
        yield it


@pytest.fixture
def turns(stack: contextlib.ExitStack, authority: Authority, pair: Pair) -> Turns:
    it = Turns(stack, authority, pair)
    stack.callback(it.close)
    return it


@pytest.fixture
def strict(stack: contextlib.ExitStack, authority: Authority, pair: Pair) -> Turns:
    """One that has few places for handshakes, and nobody is exempt."""
    it = Turns(stack, authority, pair, replace(STRANGERS, handshakes=5, handshakes_per_address=2))
    stack.callback(it.close)
    return it


def taken(link: Link[Any], stack: contextlib.ExitStack) -> list[tuple[int, str, str, bool, socket.socket]]:
    """The clients that came by a link: token, dialect, address, again, and the end of a pair."""
    found: list[Any] = []
    link.drained = False
    while not link.drained:  # each descriptor ends a read
        for (word, *about), (fd,) in link.take():
            assert word == "client"
            sock = stack.enter_context(socket.socket(fileno=fd))
            sock.setblocking(False)
            found.append((*about, sock))
    return found


def test_a_client_comes_to_the_acceptor_with_its_address(turns: Turns, stack: contextlib.ExitStack) -> None:
    link = turns.acceptor()
    caller = turns.enter("127.0.0.9")
    ((token, dialect, host, again, worker),) = taken(link, stack)
    assert (dialect, host, again) == ("irc", "127.0.0.9", False)
    assert turns.front.on_the_way, "until it is said that somebody has it"
    link.post(("taken", token))
    turns.turn()
    assert not turns.front.on_the_way
    caller.tls.send(b"NICK ana\r\n")
    turns.turn()
    assert worker.recv(100) == b"NICK ana\r\n"
    worker.send(b":mpchat.local 001 ana\r\n")
    turns.turn()
    assert caller.tls.recv(100) == b":mpchat.local 001 ana\r\n"
    worker.close()
    turns.turn()
    assert caller.is_closed


def test_who_comes_while_there_is_no_acceptor_waits_for_the_next(turns: Turns, stack: contextlib.ExitStack) -> None:
    turns.enter()
    assert [host for _, _, host, _, _ in taken(turns.acceptor(), stack)] == ["127.0.0.1"]


def test_what_a_dead_acceptor_was_given_the_next_one_gets_but_not_what_was_answered(
    turns: Turns, stack: contextlib.ExitStack
) -> None:
    first = turns.acceptor()
    for _ in range(3):
        turns.enter()
    (one, *_), (_, *_, served), (three, *_) = taken(first, stack)
    first.post(("taken", one))
    served.send(b":mpchat.local NOTICE * :looking you up\r\n")  # by a worker, of which the acceptor did not tell
    turns.turn()
    first.close()
    turns.turn()
    second = turns.acceptor()
    assert [(token, again) for token, _, _, again, _ in taken(second, stack)] == [(three, True)]


def test_a_link_that_is_full_gets_the_others_when_there_is_room(turns: Turns, stack: contextlib.ExitStack) -> None:
    link = turns.acceptor()
    assert turns.front.acceptor is not None
    turns.front.acceptor._sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    for _ in range(40):
        turns.enter()
    assert len(turns.front.acceptor._owned) <= 1, "what waits in a link takes a descriptor more"
    assert turns.front.to_pass
    found: list[int] = []
    while len(found) < 40:
        assert select.select([link], [], [], PATIENCE)[0]
        found += [token for token, *_ in taken(link, stack)]
        turns.turn()
    assert found == sorted(found)


@pytest.mark.parametrize("event", ["stop", "taken"])
def test_who_waits_for_room_in_the_link_may_have_no_need_of_it_any_more(
    turns: Turns, stack: contextlib.ExitStack, event: str
) -> None:
    """The server stops; or the acceptor says that it has passed on what it was not given yet."""
    link = turns.acceptor()
    assert turns.front.acceptor is not None
    turns.front.acceptor._sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    while len(turns.front.to_pass) < 2:
        turns.enter()
    waiting = [token for token, _ in turns.front.to_pass]
    if event == "stop":
        turns.supervisor.link.post(("stop",))
    else:
        link.post(("taken", waiting[0]))
    turns.turn()
    found: list[int] = []
    for _ in range(50):
        found += [token for token, *_ in taken(link, stack)]
        turns.turn(1)
    assert not turns.front.to_pass
    assert [token for token in waiting if token in found] == ([] if event == "stop" else waiting[1:])


@pytest.mark.parametrize(
    "message", [("nonsense",), (), ("taken",), ("taken", "1"), ("taken", 0), ("taken", 2), ("taken", True, 1)]
)
def test_an_acceptor_that_misbehaves(turns: Turns, stack: contextlib.ExitStack, message: tuple[Any, ...]) -> None:
    link = turns.acceptor()
    turns.enter()
    ((token, *_),) = taken(link, stack)
    link.post(message)
    turns.turn()
    assert turns.supervisor.accused() == ["acceptor"]
    assert turns.front.acceptor is None
    assert [each for each, *_ in taken(turns.acceptor(), stack)] == [token]


def test_an_acceptor_whose_frame_does_not_end(turns: Turns, stack: contextlib.ExitStack) -> None:
    link = turns.acceptor()
    link._sock.send(b"\0\0\x40\0nonsense")
    turns.turn()
    assert turns.front.acceptor is not None
    for _ in range(most_looks(turns.front.settings.hang_limit)):
        assert turns.supervisor.accused() == []
        turns.scoreboard.write(ACCEPTOR_ROW, turns=turns.scoreboard.turns(ACCEPTOR_ROW) + 1)
        turns.front.look_at = 0.0
        turns.turn(1)
    assert turns.supervisor.accused() == ["acceptor"]


@pytest.mark.parametrize("message", [("nonsense",), ("certificate", b""), ("handshakes", 1, 1), ("acceptor",)])
def test_a_supervisor_that_misbehaves_is_not_gone_on_with(turns: Turns, message: tuple[Any, ...]) -> None:
    turns.supervisor.link.post(message)
    with pytest.raises(UnknownMessage):
        turns.turn()


def test_a_stranger_at_the_loopback_pairs_is_sent_away(turns: Turns, stack: contextlib.ExitStack) -> None:
    link = turns.acceptor()
    stranger = stack.enter_context(socket.create_connection(turns.front.pairs.listener.getsockname(), PATIENCE))
    turns.enter()
    assert len(taken(link, stack)) == 1
    assert stranger.recv(1) == b""


def test_of_too_many_handshakes_the_oldest_gives_way(strict: Turns) -> None:
    callers = [strict.call(f"127.0.0.{number}") for number in range(2, 8)]
    assert [caller.is_closed for caller in callers] == [True, False, False, False, False, False]
    strict.enter("127.0.0.9")
    assert [caller.is_closed for caller in callers] == [True, True, False, False, False, False]


def test_the_address_with_most_handshakes_gives_way_first_who_says_nothing(
    stack: contextlib.ExitStack, authority: Authority, pair: Pair
) -> None:
    """A local process, which has no limit of its own, holds places; a newcomer on a slow line is not closed for it."""
    turns = Turns(stack, authority, pair, replace(Settings(), handshakes=5))
    stack.callback(turns.close)
    slow = turns.call("127.0.0.2")
    speaking = turns.call("127.0.0.3")
    speaking.shake_hands()
    turns.turn()
    silent = [turns.call("127.0.0.3") for _ in range(3)]
    turns.call("127.0.0.4")
    assert [each.is_closed for each in (slow, speaking, *silent)] == [False, False, True, False, False]


def test_a_class_behind_one_address_comes_back_at_once(
    stack: contextlib.ExitStack, authority: Authority, pair: Pair
) -> None:
    turns = Turns(stack, authority, pair, STRANGERS)
    stack.callback(turns.close)
    callers = [turns.call("127.0.0.2") for _ in range(STRANGERS.connections_per_address)]
    assert not any(each.is_closed for each in callers)


def test_an_address_has_few_handshakes_at_once_and_who_is_in_does_not_count(strict: Turns) -> None:
    strict.acceptor()
    for _ in range(4):
        strict.enter("127.0.0.2")
    first, second, third = (strict.call("127.0.0.2") for _ in range(3))
    assert [caller.is_closed for caller in (first, second, third)] == [False, False, True]
    assert not strict.call("127.0.0.3").is_closed, "another address"
    first.tls.close()
    strict.turn()
    assert not strict.call("127.0.0.2").is_closed, "there is room again"


def test_an_address_has_so_many_new_connections_in_a_minute(
    stack: contextlib.ExitStack, authority: Authority, pair: Pair
) -> None:
    turns = Turns(stack, authority, pair, replace(STRANGERS, new_connections_per_minute=3))
    stack.callback(turns.close)
    for _ in range(3):
        turns.enter("127.0.0.2").tls.close()
    assert turns.call("127.0.0.2").is_closed
    assert not turns.call("127.0.0.3").is_closed


def test_exempt_addresses_have_no_limit_of_their_own(
    stack: contextlib.ExitStack, authority: Authority, pair: Pair
) -> None:
    turns = Turns(stack, authority, pair, replace(Settings(), handshakes_per_address=1, new_connections_per_minute=1))
    stack.callback(turns.close)
    assert not any(turns.call().is_closed for _ in range(3))


def test_a_handshake_has_a_deadline_and_a_reload_may_change_it(turns: Turns) -> None:
    turns.supervisor.link.post(("handshakes", 0.0, 256, 16, 120, ()))
    turns.turn()
    assert turns.call().is_closed
    turns.supervisor.link.post(("handshakes", 10, 256, 16, 120, ()))
    turns.turn()
    turns.enter()


def test_one_that_ends_in_the_middle_of_its_handshake_leaves_nothing(turns: Turns) -> None:
    caller = turns.call()
    caller.shake_hands()
    caller.tls.close()
    turns.turn()
    assert not turns.front.tunnels
    assert not turns.front.handshakes


def test_without_a_descriptor_for_the_pair_it_rests_and_tries_again(
    turns: Turns, stack: contextlib.ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = turns.acceptor()

    def none_free() -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patched:
        patched.setattr(turns.front.pairs, "finished", none_free)
        caller = turns.enter()
        assert turns.front.resting_until > 0
        waiting = turns.call()
        assert not select.select([turns.front.poller._epoll], [], [], 0)[0], "nothing spins"
    turns.front.resting_until = 0.001
    turns.turn()
    ((_, _, _, _, worker),) = taken(link, stack)
    caller.tls.send(b"hola")
    turns.turn()
    assert worker.recv(10) == b"hola"
    waiting.shake_hands()
    turns.turn()
    assert len(turns.front.tunnels) == 2


def test_a_new_certificate_is_for_those_who_come_later(turns: Turns, authority: Authority) -> None:
    turns.acceptor()
    old = turns.enter()
    other = certificate(authority.sign("other"))
    turns.supervisor.link.post(("certificate", other.chain, other.key))
    turns.turn()

    def name(caller: Caller) -> object:
        return caller.tls.getpeercert()["subject"][0][0][1]  # type: ignore[index]

    assert (name(old), name(turns.enter())) == ("server", "other")


def test_who_had_none_of_a_turns_time_comes_first_in_the_next(
    turns: Turns, stack: contextlib.ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A turn in which there is time for one client only, and a first one that always has more to say."""
    link = turns.acceptor()
    callers = [turns.enter() for _ in range(4)]
    workers = [sock for *_, sock in taken(link, stack)]
    heard = [0] * 4

    def listen_to_all() -> None:
        for number, worker in enumerate(workers):
            with contextlib.suppress(BlockingIOError):
                heard[number] += len(worker.recv(1 << 20))

    monkeypatch.setattr("mpchat.front.front._PUMP_SECONDS", 0.0)
    monkeypatch.setattr("mpchat.front.tunnel._ROUNDS", 1)
    for turn in range(8):  # an edge that tells of room to write takes one, too
        if turn == 1:
            for caller in callers[1:]:
                caller.tls.send(b"hola\r\n")
        with contextlib.suppress(ssl.SSLWantWriteError):
            while True:
                callers[0].tls.send(bytes(16_384))
        turns.turn(1)
        listen_to_all()
        assert sum(map(bool, heard)) <= turn + 1
    assert all(heard)


def test_a_stop_ends_handshakes_and_leaves_those_who_are_in_to_their_workers(
    turns: Turns, stack: contextlib.ExitStack
) -> None:
    link = turns.acceptor()
    caller, waiting = turns.enter(), turns.call()
    ((token, *_, worker),) = taken(link, stack)
    link.post(("taken", token))
    turns.turn()
    turns.supervisor.link.post(("stop",))
    turns.turn()
    assert waiting.is_closed
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", turns.port), PATIENCE)
    worker.send(b"ERROR :Server shutting down\r\n")
    worker.close()
    turns.turn()
    assert caller.tls.recv(100) == b"ERROR :Server shutting down\r\n"
    caller.tls.close()
    turns.turn()
    assert not turns.front.tunnels


def test_a_client_that_does_not_end_when_its_worker_has_is_closed_in_time(
    turns: Turns, stack: contextlib.ExitStack
) -> None:
    link = turns.acceptor()
    turns.enter()
    ((token, *_, worker),) = taken(link, stack)
    link.post(("taken", token))
    turns.turn()
    now = time.monotonic()
    worker.close()
    turns.turn()
    seconds = turns.front.settings.flush_seconds + turns.front.settings.drain_seconds
    turns.front.keep_time(now + seconds - 0.1)
    assert turns.front.tunnels, "it may still read"
    turns.front.keep_time(time.monotonic() + seconds)
    assert not turns.front.tunnels


def test_beyond_the_clients_that_there_may_be_nobody_is_taken_in(
    stack: contextlib.ExitStack, authority: Authority, pair: Pair
) -> None:
    """The acceptor, who counts all clients, tells who is too many; the front has room for those to be told."""
    turns = Turns(stack, authority, pair, replace(Settings(), max_clients=2, handshakes=1))
    stack.callback(turns.close)
    turns.acceptor()
    for _ in range(3):
        turns.enter()
    assert turns.call().is_closed


def test_a_stop_ends_those_who_wait_for_room_in_the_link(turns: Turns, stack: contextlib.ExitStack) -> None:
    link = turns.acceptor()
    assert turns.front.acceptor is not None
    turns.front.acceptor._sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    callers = [turns.enter() for _ in range(40)]
    assert turns.front.to_pass
    turns.supervisor.link.post(("stop",))
    turns.turn()
    assert all(caller.is_closed for caller in callers)
    assert len(taken(link, stack)) < 40
    turns.turn()  # there is room again
    assert not turns.front.tunnels
