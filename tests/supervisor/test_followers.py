"""Followers: who goes on reading from the control socket, and who does not read."""

from __future__ import annotations

import selectors
import socket
from collections.abc import Iterator

import pytest

from mpchat.supervisor.followers import BACKLOG_BYTES, Follower, Followers

LINE = b"x" * 999 + b"\n"


@pytest.fixture
def selector() -> Iterator[selectors.BaseSelector]:
    with selectors.DefaultSelector() as it:
        yield it


@pytest.fixture
def followers(selector: selectors.BaseSelector) -> Iterator[Followers]:
    it = Followers(selector)
    yield it
    it.close()


def follow(followers: Followers, watches: bool = False) -> socket.socket:
    """Another one; returns its own end."""
    ours, theirs = socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    followers.add(Follower(ours, watches))
    return theirs


def turn(selector: selectors.BaseSelector) -> None:
    for key, _ in selector.select(0):
        key.data()


def read_all(sock: socket.socket) -> bytes:
    """Until the end of file, or until nothing is left for now."""
    sock.setblocking(False)
    data = b""
    try:
        while piece := sock.recv(65536):
            data += piece
    except BlockingIOError:
        pass
    return data


def test_snapshots_go_to_those_who_watch(followers: Followers) -> None:
    with follow(followers) as one, follow(followers, watches=True) as other:
        followers.tell(b"snapshot\n", watchers_only=True)
        followers.tell(b"event\n")

        assert read_all(one) == b"event\n"
        assert read_all(other) == b"snapshot\nevent\n"


def test_one_that_reads_late_misses_nothing(followers: Followers, selector: selectors.BaseSelector) -> None:
    with follow(followers) as slow:
        for _ in range(40):
            followers.tell(LINE)

        data = read_all(slow)
        while len(data) < 40 * len(LINE):
            turn(selector)
            more = read_all(slow)
            assert more, "the rest comes as there is room"
            data += more

        assert data == LINE * 40
        assert selector.select(0) == [], "nobody is watched for room who needs none"


def test_one_that_does_not_read_is_dropped_and_the_others_are_not(followers: Followers) -> None:
    with follow(followers) as idle, follow(followers) as reading:
        read = b""
        for _ in range(BACKLOG_BYTES // len(LINE) + 200):
            followers.tell(LINE)
            read += read_all(reading)

        assert len(followers) == 1
        assert len(read) == (BACKLOG_BYTES // len(LINE) + 200) * len(LINE)
        read_all(idle)
        assert idle.recv(1) == b"", "it reads the end of file behind what it had been sent"


def test_one_that_leaves_is_forgotten(followers: Followers, selector: selectors.BaseSelector) -> None:
    follow(followers).close()
    staying = follow(followers)

    turn(selector)
    followers.tell(b"event\n")

    assert len(followers) == 1
    assert read_all(staying) == b"event\n"
    staying.close()


def test_what_a_follower_says_is_ignored(followers: Followers, selector: selectors.BaseSelector) -> None:
    with follow(followers) as talking:
        talking.sendall(b'{"command": "stop"}\n' * 100)
        for _ in range(10):
            turn(selector)

        assert selector.select(0) == []
        followers.tell(b"event\n")
        assert read_all(talking) == b"event\n"


def test_what_is_traced_lasts_as_long_as_who_traces(followers: Followers, selector: selectors.BaseSelector) -> None:
    ours, theirs = socket.socketpair()
    followers.add(Follower(ours, trace=(1, 0, "ana", "", 1, False)))
    assert followers.traces == ((1, 0, "ana", "", 1, False),)

    theirs.close()
    turn(selector)

    assert not followers.traces
