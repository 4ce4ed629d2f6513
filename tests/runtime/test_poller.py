"""Both pollers keep one promise: a stream is told of once for each change, however many bytes are left lying there."""

from __future__ import annotations

import contextlib
import os
import select
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from mpchat.runtime.poller import OneShotPoller, Poller
from tests.worker.pairs import arrived, tcp_pair, unread

_POLLERS: list[Any] = [OneShotPoller]
if hasattr(select, "epoll"):
    from mpchat.runtime.poller import EdgePoller

    _POLLERS.append(EdgePoller)


@pytest.fixture(params=_POLLERS)
def poller(request: pytest.FixtureRequest) -> Iterator[Any]:
    it = request.param()
    yield it
    if isinstance(it, OneShotPoller):
        it._selector.close()  # else its descriptor stays until the garbage collector comes by


class Stream:
    """A client, and its socket here, which is never read but by a peek."""

    def __init__(self, poller: Any, client: socket.socket, ours: socket.socket) -> None:
        self.poller, self.client, self.ours = poller, client, ours
        poller.watch(ours, stream=True)
        self.rest()

    def rest(self, write: bool = False) -> None:
        """Deal with what there was, and wait for what is new."""
        while self.poller.wait(0):
            self.rearm(write)
        self.rearm(write)

    def rearm(self, write: bool) -> None:
        if self.poller.one_shot:
            self.poller.rearm(self.ours, write, unread(self.ours))

    def event(self) -> tuple[bool, bool, bool]:
        """Readable, writable, hung up: of the one event that must come now."""
        [(source, *what)] = self.poller.wait(5)
        assert source is self.ours
        return what[0], what[1], what[2]

    def send(self, data: bytes) -> None:
        there = unread(self.ours)
        self.client.sendall(data)
        arrived_without_lowat(self.ours, there + len(data))

    def quiet(self) -> bool:
        """No wake-up, however often one asks."""
        return [self.poller.wait(0) for _ in range(10)] == [[]] * 10


def arrived_without_lowat(sock: socket.socket, size: int) -> None:
    """The poller under test owns SO_RCVLOWAT: look only, which on loopback is enough."""
    lowat = sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT)
    arrived(sock, size)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, lowat)


@pytest.fixture
def stream(poller: Any) -> Iterator[Stream]:
    with tcp_pair(receive_buffer=16_384, send_buffer=8192) as (client, ours):
        yield Stream(poller, client, ours)


def test_bytes_that_stay_in_the_kernel_wake_once(stream: Stream) -> None:
    assert stream.quiet()
    stream.send(b"a line that the broker has not got yet\n")
    readable, _, hung_up = stream.event()
    assert readable
    assert not hung_up
    stream.rest()
    assert unread(stream.ours) == 39
    assert stream.quiet()


def test_each_further_piece_wakes_again(stream: Stream) -> None:
    for piece in (b"a", b"bc", b"d" * 1000):
        stream.send(piece)
        assert stream.event()[0]
        stream.rest()
        assert stream.quiet()


def test_an_end_after_a_piece_of_a_line_is_seen(stream: Stream) -> None:
    stream.send(b"piece")
    stream.event()
    stream.rest()
    stream.client.shutdown(socket.SHUT_WR)
    readable, _, hung_up = stream.event()
    assert readable
    assert hung_up


def test_an_end_together_with_the_last_bytes_is_seen(stream: Stream) -> None:
    stream.send(b"QUIT\n")
    stream.client.shutdown(socket.SHUT_WR)
    hung_up = False
    while not hung_up:
        hung_up = stream.event()[2]
        stream.rearm(False)


def test_an_end_of_nothing_is_seen(stream: Stream) -> None:
    stream.client.shutdown(socket.SHUT_WR)
    assert stream.event()[0]


def test_a_reset_is_seen(stream: Stream) -> None:
    stream.send(b"piece")
    stream.event()
    stream.rest()
    stream.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    stream.client.close()
    assert stream.event()[0]


def test_a_full_window_does_not_spin_and_is_told_of_when_taken(stream: Stream) -> None:
    """SO_RCVLOWAT is clamped to half the buffer: with more than that unread, one waits for the acknowledgement."""
    stream.send(b"x" * 9000)
    stream.event()
    stream.rest()
    assert stream.quiet()
    while unread(stream.ours):
        stream.ours.recv(65536)
    stream.rest()
    stream.send(b"more")
    assert stream.event()[0]


def test_room_after_a_full_buffer_is_told_of(stream: Stream) -> None:
    sent = 0
    while select.select([], [stream.ours], [], 0)[1]:
        sent += stream.ours.send(b"y" * 65536)
    stream.rest(write=True)
    assert stream.quiet()
    got = 0
    while got < sent:
        got += len(stream.client.recv(1 << 20))
    while not stream.event()[1]:
        stream.rearm(True)
    assert stream.ours.send(b"z") == 1


def test_room_is_reported_only_where_it_is_waited_for(poller: Any) -> None:
    with tcp_pair() as (client, ours):
        stream = Stream(poller, client, ours)
        assert stream.quiet()  # there is room all the time


def test_a_forgotten_source_is_not_reported_though_a_copy_lives(stream: Stream) -> None:
    copy = os.dup(stream.ours.fileno())
    stream.poller.forget(stream.ours)
    stream.ours.close()
    stream.client.sendall(b"to the copy")
    assert stream.quiet()
    os.close(copy)


def test_a_resting_source_can_be_forgotten_too(stream: Stream) -> None:
    stream.send(b"x" * 9000)
    stream.event()  # the stream is left alone until it is armed again
    stream.poller.forget(stream.ours)
    assert stream.quiet()


def test_a_number_that_was_closed_and_given_again_is_a_new_source(poller: Any) -> None:
    for _ in range(3):
        with tcp_pair() as (client, ours):
            stream = Stream(poller, client, ours)
            stream.send(b"hola")
            assert stream.event()[0]
            poller.forget(ours)


def test_what_is_no_stream_is_told_of_as_long_as_it_is_readable(poller: Any) -> None:
    left, right = socket.socketpair()
    poller.watch(left)
    assert poller.wait(0) == []
    right.send(b"x")
    for _ in range(3):
        assert poller.wait(5) == [(left, True, False, False)]
    left.recv(1)
    assert poller.wait(0) == []
    poller.forget(left)
    left.close()
    right.close()


def test_what_is_no_stream_can_be_waited_for_both_ways(poller: Any) -> None:
    left, right = socket.socketpair()
    poller.watch(left)
    poller.want_write(left, True)
    assert poller.wait(5) == [(left, False, True, False)]
    poller.want_write(left, False)
    assert poller.wait(0) == []
    poller.forget(left)
    left.close()
    right.close()


def test_the_end_of_what_is_no_stream(poller: Any) -> None:
    left, right = socket.socketpair()
    poller.watch(left)
    right.close()
    [(source, readable, _, _)] = poller.wait(5)
    assert source is left
    assert readable
    poller.forget(left)
    left.close()


@pytest.mark.skipif(not hasattr(select, "epoll"), reason="no epoll here")
def test_epoll_is_preferred() -> None:
    assert Poller.__name__ == "EdgePoller"


def test_an_output_with_a_descriptor_of_its_own(poller: Any) -> None:
    """Told of while it is wanted, as of the source; forgotten with the source."""
    near, far = socket.socketpair()
    reader, writer = os.pipe()
    with near, far:
        poller.watch(near)
        assert poller.wait(0) == []
        for _ in range(2):
            poller.want_write(near, True, writer)
            poller.want_write(near, True, writer)
            assert poller.wait(5) == [(near, False, True, False)]
            poller.want_write(near, False, writer)
            poller.want_write(near, False, writer)
            assert poller.wait(0) == []
        poller.want_write(near, True, near.fileno())
        assert poller.wait(5) == [(near, False, True, False)]
        poller.want_write(near, False, near.fileno())
        far.send(b"x")
        assert poller.wait(5) == [(near, True, False, False)]
        poller.want_write(near, True, writer)
        poller.forget(near)
        assert poller.wait(0) == []
    os.close(reader)
    os.close(writer)


def test_an_output_that_nobody_reads_any_more_is_writable(poller: Any) -> None:
    """Its error is the writer's business: to be told that something can be read would be no news, again and again."""
    reader, writer = os.pipe()
    near, far = socket.socketpair()
    with near, far:
        poller.watch(near)
        os.set_blocking(writer, False)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(writer, b"x" * 65536)
        poller.want_write(near, True, writer)
        assert poller.wait(0) == []
        os.close(reader)
        ((source, readable, writable, _),) = poller.wait(1)
        assert (source, readable, writable) == (near, False, True)
        poller.forget(near)
    os.close(writer)
