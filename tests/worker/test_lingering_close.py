"""How a connection ends over real TCP, while another process holds a copy of the socket: here, a duplicate."""

from __future__ import annotations

import math
import os
import select
import socket
from collections.abc import Iterator

import pytest

from mpchat.protocol.dialect import DIALECTS
from mpchat.settings import Settings
from mpchat.worker.connection import Connection, Limits
from mpchat.worker.lingering_close import LingeringClose
from tests.worker.pairs import arrived, read_all, tcp_pair

SETTINGS = Settings(flush_seconds=5.0, drain_seconds=2.0)


class Story:
    def __init__(self, client: socket.socket, ours: socket.socket) -> None:
        self.client = client
        self.connection = Connection(1, ours, DIALECTS["irc"], "127.0.0.1", Limits(SETTINGS))
        self.closing = LingeringClose(SETTINGS)

    def begin(self, farewell: bytes, now: float = 0.0) -> None:
        self.connection.to_send.append(farewell)
        self.closing.begin(self.connection, now)
        self.connection.flush()


@pytest.fixture
def story() -> Iterator[Story]:
    with tcp_pair(receive_buffer=16_384, send_buffer=65_536) as (client, ours):
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 262_144)
        copy = os.dup(ours.fileno())  # the acceptor's
        yield Story(client, ours)
        os.close(copy)


def test_the_client_reads_every_byte_and_then_the_end(story: Story) -> None:
    """Also when input lies unread: by close() alone it would be reset, and lose what is still under way."""
    story.client.sendall(b"x" * 5000)
    arrived(story.connection.sock, 5000)
    text = os.urandom(3_000_000)
    story.begin(text)
    assert not story.closing.advance(story.connection, 0.0)
    got = b""
    while len(got) < len(text):
        readable, writable, _ = select.select([story.client], [story.connection.sock], [], 5)
        assert readable or writable, f"stuck after {len(got)} bytes"
        if readable:
            got += story.client.recv(65536)
        if writable and story.connection.blocked:
            story.connection.blocked = False
            story.connection.flush()
            assert not story.closing.advance(story.connection, 0.0)
    assert got == text
    assert read_all(story.client) == b""
    story.client.close()
    assert select.select([story.connection.sock], [], [], 5)[0]
    assert story.closing.advance(story.connection, 0.0)


def test_the_end_is_told_at_once_though_a_copy_of_the_socket_lives(story: Story) -> None:
    story.begin(b"ERROR :bye\r\n")
    assert not story.closing.advance(story.connection, 0.0)
    assert read_all(story.client) == b"ERROR :bye\r\n"


def test_a_client_that_goes_on_talking_is_not_reset_before_it_has_read(story: Story) -> None:
    story.begin(b"ERROR :bye\r\n")
    story.closing.advance(story.connection, 0.0)
    for _ in range(20):
        story.client.sendall(b"y" * 1000)
        assert not story.closing.advance(story.connection, 0.0)
    assert read_all(story.client) == b"ERROR :bye\r\n"


def test_a_client_that_never_closes_is_given_up_after_a_while(story: Story) -> None:
    story.begin(b"ERROR :bye\r\n", now=100.0)
    story.closing.advance(story.connection, 100.0)
    assert story.closing.overdue(101.9) == []
    assert story.closing.overdue(102.1) == [story.connection]
    story.closing.forget(story.connection)
    assert story.closing.overdue(200.0) == []
    assert story.closing.next_deadline == math.inf


def test_a_client_that_never_reads_is_given_up_after_both_whiles(story: Story) -> None:
    story.begin(b"z" * 5_000_000, now=100.0)
    assert story.connection.unsent
    assert not story.closing.advance(story.connection, 100.0)
    assert story.closing.next_deadline == 105.0
    assert story.closing.overdue(104.9) == []
    assert story.closing.overdue(105.1) == []  # now it is shut, and drained
    deadline = story.closing.next_deadline
    assert deadline is not None
    assert 107.0 < deadline < 107.2
    assert story.closing.overdue(deadline) == [story.connection]


def test_a_client_that_has_gone_already_can_be_closed_at_once(story: Story) -> None:
    story.client.close()
    assert select.select([story.connection.sock], [], [], 5)[0]
    story.begin(b"ERROR :bye\r\n")
    select.select([story.connection.sock], [], [], 0)
    assert story.closing.advance(story.connection, 0.0)


def test_deadlines_at_the_same_instant(story: Story) -> None:
    """The flush would have been given up just when the draining is: it is told once."""
    story.begin(b"ERROR :bye\r\n", now=100.0)
    story.closing.advance(story.connection, 103.0)
    assert story.closing.next_deadline == 105.0
    assert story.closing.overdue(105.0) == [story.connection]
    assert story.closing.next_deadline == math.inf


def test_nothing_is_due_of_one_that_is_closed(story: Story) -> None:
    story.begin(b"z" * 5_000_000, now=100.0)
    story.closing.forget(story.connection)
    story.connection.sock.close()
    assert story.closing.overdue(105.0) == []


def test_nothing_more_is_read_from_whoever_is_closing(story: Story) -> None:
    story.begin(b"ERROR :bye\r\n")
    story.client.sendall(b"PRIVMSG #x :too late\r\n")
    arrived(story.connection.sock, 22)
    assert story.connection.read(1 << 30) == []
