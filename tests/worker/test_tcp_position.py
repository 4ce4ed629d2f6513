"""The kernel's account of a connection against one kept by hand, over real TCP, at any moment of its life."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import sys
from collections.abc import Iterator
from random import Random

import pytest

from mpchat.worker import tcp_position
from tests.worker.pairs import PATIENCE, arrived, read_all, tcp_pair, unread

pytestmark = pytest.mark.skipif(not tcp_position.SUPPORTED, reason="this system does not count")

CLOSE_WAIT, LAST_ACK, CLOSING, CLOSED = 8, 9, 11, 7  # tcp_states.h
STEPS = 150


class Account:
    """Of our side of a connection: what we have taken and what we have put in, by what recv() and send() returned."""

    def __init__(self, client: socket.socket, ours: socket.socket) -> None:
        self.client, self.ours = client, ours
        client.setblocking(False)
        self.came = self.consumed = self.written = 0

    def is_right(self) -> bool:
        return (self.consumed, self.written) == (
            tcp_position.consumed(self.ours),
            tcp_position.written(self.ours),
        )

    def come(self, size: int) -> None:
        with contextlib.suppress(BlockingIOError):
            self.came += self.client.send(os.urandom(size))

    def look(self, size: int) -> None:
        with contextlib.suppress(BlockingIOError):
            self.ours.recv(size, socket.MSG_PEEK)

    def take(self, size: int) -> None:
        with contextlib.suppress(BlockingIOError):
            self.consumed += len(self.ours.recv(size))

    def put(self, size: int) -> None:
        with contextlib.suppress(BlockingIOError):
            self.written += self.ours.send(os.urandom(size))

    def read(self, size: int) -> None:
        """The client does: the kernel may send more."""
        with contextlib.suppress(BlockingIOError):
            self.client.recv(size)

    def fill(self) -> None:
        """Put in more than the client has room for: the end of our stream will not arrive before it reads."""
        self.client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
        self.ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 262_144)
        while self.written - unread(self.client) < 100_000:
            self.put(65_536)

    def take_the_rest(self) -> None:
        """All the client has sent, checked at each step."""
        while self.consumed < self.came:
            assert select.select([self.ours], [], [], PATIENCE)[0]
            self.take(3000)
            assert tcp_position.consumed(self.ours) == self.consumed


@pytest.fixture
def account() -> Iterator[Account]:
    with tcp_pair(receive_buffer=16_384, send_buffer=65_536) as (client, ours):
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 262_144)
        yield Account(client, ours)


def become(account: Account, state: int) -> None:
    """Wait until the client's end has come, or a reset; with our buffer full it comes only if we take some of it."""
    poll = select.poll()
    poll.register(account.ours, select.POLLIN | select.POLLRDHUP)
    while not poll_once(poll) & select.POLLRDHUP:
        account.take(1000)
        assert account.consumed == tcp_position.consumed(account.ours)
    assert account.ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == state


def poll_once(poll: select.poll) -> int:
    [(_, events)] = poll.poll(PATIENCE * 1000)
    return events


def reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    sock.close()


def live(account: Account, random: Random) -> None:
    """Bytes go both ways, in any pieces; the account is right all the time."""
    acts = account.come, account.look, account.take, account.put, account.read
    for _ in range(STEPS):
        random.choice(acts)(random.choice((1, 10, 1000, 10_000, 40_000)))
        assert account.is_right()
        assert not tcp_position.has_finished(account.ours)


def test_nothing_has_come_and_nothing_has_gone(account: Account) -> None:
    assert account.is_right()


@pytest.mark.parametrize("seed", range(20))
def test_at_any_moment(account: Account, seed: int) -> None:
    live(account, Random(seed))


@pytest.mark.parametrize("seed", range(20))
def test_after_the_client_has_shut_down_its_side(account: Account, seed: int) -> None:
    """Its end was counted as a byte, whether it has been read or not; output goes on as before."""
    random = Random(seed)
    live(account, random)
    account.client.shutdown(socket.SHUT_WR)
    become(account, CLOSE_WAIT)
    for _ in range(STEPS):
        random.choice((account.look, account.take, account.put, account.read))(random.choice((1, 1000, 40_000)))
        assert account.is_right()
        assert not tcp_position.has_finished(account.ours)
    account.take_the_rest()
    assert account.ours.recv(1) == b""
    account.put(1000)
    assert account.is_right()


@pytest.mark.parametrize("seed", range(20))
def test_after_we_have_shut_down_our_side(account: Account, seed: int) -> None:
    """Our own end is counted as a byte written: so has_finished() must be asked first. Input goes on as before."""
    random = Random(seed)
    live(account, random)
    account.ours.shutdown(socket.SHUT_WR)
    for _ in range(STEPS):
        random.choice((account.come, account.look, account.take, account.read))(random.choice((1, 1000, 40_000)))
        assert tcp_position.has_finished(account.ours)
        assert tcp_position.consumed(account.ours) == account.consumed
        assert tcp_position.written(account.ours) == account.written + 1
    account.take_the_rest()


@pytest.mark.parametrize(("we_are_first", "state"), [(True, CLOSING), (False, LAST_ACK)])
def test_while_both_ends_are_under_way(account: Account, we_are_first: bool, state: int) -> None:
    """Ours cannot arrive, because the client's buffer is full."""
    account.come(5000)
    arrived(account.ours, 5000)
    account.take(2000)
    account.fill()
    ends = [account.ours, account.client] if we_are_first else [account.client, account.ours]
    for end in ends:
        end.shutdown(socket.SHUT_WR)
    become(account, state)
    assert tcp_position.has_finished(account.ours)
    account.take_the_rest()


def test_after_a_reset(account: Account) -> None:
    """What had come before lies there still."""
    account.come(5000)
    arrived(account.ours, 5000)
    account.take(2000)
    reset(account.client)
    become(account, CLOSED)
    assert tcp_position.has_finished(account.ours)
    assert account.is_right()
    account.take_the_rest()


def test_a_connection_that_both_have_ended_has_one_byte_too_many(account: Account) -> None:
    """Of a closed one the kernel does not say any more whether there was an end among the bytes that came."""
    account.come(5000)
    arrived(account.ours, 5000)
    account.take(2000)
    account.put(100)
    account.ours.shutdown(socket.SHUT_WR)
    account.client.setblocking(True)
    assert len(read_all(account.client)) == 100
    account.client.close()
    become(account, CLOSED)
    assert tcp_position.has_finished(account.ours)
    left = 5000 - account.consumed
    assert tcp_position.consumed(account.ours) == account.consumed + 1
    assert len(account.ours.recv(10_000)) == left


def test_it_is_supported_on_linux() -> None:
    assert tcp_position.SUPPORTED or not sys.platform.startswith("linux")
