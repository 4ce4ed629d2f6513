"""Links: messages in order and, with them, file descriptors that name the same open file in another process."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import struct
import subprocess
import sys
import textwrap
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mpchat.ipc.frames import FRAME_BYTES, pack
from mpchat.ipc.link import FDS_AT_ONCE, Link
from mpchat.messages import BadFrame, UnknownMessage

Links = tuple[Link[Any], Link[Any]]


@pytest.fixture
def links() -> Iterator[Links]:
    left, right = map(Link[Any], Link.pair())
    yield left, right
    left.close()
    right.close()


def open_fds() -> int:
    return len(os.listdir("/dev/fd"))


Messages = list[tuple[tuple[Any, ...], list[int]]]


def take_all(link: Link[Any], count: int, other: Link[Any]) -> Messages:
    """Read `count` messages, letting the other side go on whenever there is room."""
    messages: Messages = []
    while len(messages) < count:
        other.flush()
        assert select.select([link], [], [], 5)[0], f"only {len(messages)} messages came"
        messages += link.take()
    return messages


def test_a_message_goes_either_way(links: Links) -> None:
    left, right = links
    left.post(("client", 7, "plain", "127.0.0.1", False))
    right.post(("gone", 7))
    assert right.take() == [(("client", 7, "plain", "127.0.0.1", False), [])]
    assert left.take() == [(("gone", 7), [])]
    assert left.take() == []  # nothing there: no waiting
    assert not left.ended


def test_the_received_number_is_another_one_for_the_same_open_file(links: Links) -> None:
    left, right = links
    reader, writer = os.pipe()
    left.post(("a pipe",), fds=(writer,))
    os.close(writer)  # the one under way keeps the file open
    [(message, [received])] = right.take()
    assert message == ("a pipe",)
    os.write(received, b"hola")
    assert os.read(reader, 10) == b"hola"
    os.close(received)
    assert os.read(reader, 10) == b""  # that was the last writer
    os.close(reader)


def test_as_many_descriptors_as_the_kernel_allows_in_one_message(links: Links) -> None:
    left, right = links
    left.post(("many",), fds=(0,) * FDS_AT_ONCE)
    [(_, fds)] = right.take()
    assert len(set(fds)) == FDS_AT_ONCE
    for fd in fds:
        os.close(fd)


def test_each_message_of_a_storm_keeps_its_own_descriptor(links: Links, tmp_path: Path) -> None:
    """Though the sender closes its own at once, and the socket is full most of the time."""
    left, right = links
    before = open_fds()
    for number in range(400):
        (tmp_path / str(number)).write_text(f"file {number}")
        fd = os.open(tmp_path / str(number), os.O_RDONLY)
        left.post(("file", number), fds=(fd,))
        left.post(("plain", number))
        os.close(fd)
    assert left.unsent
    for number, message in enumerate(take_all(right, 800, left)):
        assert message[0] == ("plain" if number % 2 else "file", number // 2)
        check_file(message)
    assert not left.unsent
    assert open_fds() == before


def test_what_waits_costs_a_descriptor_until_it_is_sent_or_the_link_is_closed() -> None:
    before = open_fds()
    left, right = map(Link[Any], Link.pair())
    left.post((b"x" * 2_000_000,))  # the socket is full
    for _ in range(100):
        left.post(("here",), fds=(0, 1))
    assert open_fds() == before + 2 + 200
    left.close()
    right.close()
    assert open_fds() == before


def test_a_sender_that_waits_for_unsent_needs_no_copies(links: Links) -> None:
    left, right = links
    most, before = 0, open_fds()
    numbers = deque(range(500))
    got: list[object] = []
    while len(got) < 500:
        left.flush()
        while numbers and not left.unsent:
            left.post((numbers.popleft(), b"x" * 2000), fds=(0,))
        most = max(most, open_fds())
        for (number, _), (fd,) in right.take():
            got.append(number)
            os.close(fd)
    assert got == list(range(500))
    assert most <= before + 1


def test_the_next_message_alone_can_be_taken(links: Links) -> None:
    """What follows it, and its descriptors, are left for whoever reads next: a process that becomes somebody else."""
    left, right = links
    left.post(("be", "worker0"), fds=(0,))
    left.post(("transport", 1), fds=(1, 2))
    first = right.take_one()
    assert first is not None
    message, fds = first
    assert message == ("be", "worker0")
    [(message, more)] = right.take()
    assert message == ("transport", 1)
    assert len(more) == 2
    for fd in fds + more:
        os.close(fd)
    assert right.take_one() is None
    assert not right.ended
    left.close()
    assert right.take_one() is None
    assert right.ended


def test_the_next_message_alone_may_come_in_pieces() -> None:
    """Cut anywhere, also in its length; the descriptors come with its first byte."""
    data, following = pack((1, ("be", "worker0"))), pack((0, ("transport",)))
    for cut in range(1, len(data)):
        sender, receiver = Link.pair()
        with sender, contextlib.closing(Link[Any](receiver)) as link:
            socket.send_fds(sender, [data[:cut]], [0])
            assert link.take_one() is None
            assert link.drained
            sender.sendall(data[cut:] + following)
            message, fds = link.take_one() or ((), [])
            assert (message, len(fds)) == (("be", "worker0"), 1)
            os.close(fds[0])
            assert link.take() == [(("transport",), [])]


def test_nothing_there_and_the_end_are_told_apart(links: Links) -> None:
    """A dead peer's link need not end: its file descriptor may be on its way to somebody, or a child's too."""
    left, right = links
    copy = socket.socket(fileno=os.dup(left.fileno()))
    left.post(("last words",))
    left.close()
    assert not right.drained
    assert right.take() == [(("last words",), [])]
    assert (right.drained, right.ended) == (False, False)
    assert right.take() == []
    assert (right.drained, right.ended) == (True, False)
    copy.close()
    assert right.take() == []
    assert (right.drained, right.ended) == (False, True)


NOT_MESSAGES: dict[str, tuple[bytes, int]] = {
    "no pickle": (struct.pack("!I", 3) + b"???", 0),
    "too long": (struct.pack("!I", FRAME_BYTES + 1), 0),
    "a class": (pack((0, (Path("/"),))), 0),
    "no pair": (pack("gone"), 0),
    "no tuple": (pack((0, ["gone", 1])), 0),
    "no count": (pack((None, ("gone", 1))), 0),
    "fewer descriptors than it says": (pack((2, ("mine", 1))), 1),
    "more descriptors than it says": (pack((0, ("gone", 1))), 1),
}


@pytest.mark.parametrize(("data", "descriptors"), NOT_MESSAGES.values(), ids=NOT_MESSAGES.keys())
@pytest.mark.parametrize("alone", [False, True])
def test_what_is_no_message_ends_the_link_and_leaves_no_descriptor(data: bytes, descriptors: int, alone: bool) -> None:
    before = open_fds()
    sender, receiver = Link.pair()
    with sender, contextlib.closing(Link[Any](receiver)) as link:
        socket.send_fds(sender, [data], [0] * descriptors)
        with pytest.raises(BadFrame):
            link.take_one() if alone else link.take()
        assert link.ended
    assert open_fds() == before


def test_a_peer_cannot_fill_our_table_with_descriptors_of_no_message(links: Links) -> None:
    left, right = links
    head = pack((FDS_AT_ONCE, (b"x" * 1000,)))
    for at in range(2):
        socket.send_fds(left._sock, [head[at : at + 1]], [0] * FDS_AT_ONCE)
    assert right.take() == []
    with pytest.raises(BadFrame, match="descriptors of no message"):
        right.take()


def test_descriptors_that_find_no_number_here_are_missed_by_their_own_message_alone(tmp_path: Path) -> None:
    """The kernel drops them and sets MSG_CTRUNC (recvmsg(2)); what comes later has its own again."""
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent("""\
            import os, resource
            from mpchat.ipc.link import Link
            left, right = map(Link, Link.pair())
            _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            free = os.dup(0)
            os.close(free)

            def take_with(room, count, size=0):  # a message with so many descriptors, where there is room for so many
                resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
                left.post(("a message", b"x" * size), fds=(0,) * count)  # a large one waits in a copy
                resource.setrlimit(resource.RLIMIT_NOFILE, (free + len(left._owned) + room, hard))
                messages = []
                while not messages:
                    messages = right.take()
                    lacked = right.lacked_fds
                    left.flush()
                [(_, fds)] = messages
                for fd in fds:
                    os.close(fd)
                return len(fds), lacked

            assert take_with(2, count=2) == (2, False)
            assert take_with(2, count=3) == (0, True)
            assert take_with(0, count=1) == (0, True)
            assert take_with(0, count=0) == (0, False)
            assert take_with(2, count=3, size=1_000_000) == (0, True)
            assert take_with(3, count=3) == (3, False)
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            assert os.dup(0) == free, "none is left open"
            """)
    )
    done = subprocess.run(
        [sys.executable, str(script)],
        env={**os.environ, "PYTHONPATH": os.getcwd()},
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert (done.returncode, done.stderr) == (0, "")


def check_file(message: tuple[tuple[Any, ...], list[int]]) -> None:
    (kind, number), fds = message
    assert len(fds) == (kind == "file")
    for fd in fds:
        assert os.read(fd, 100) == f"file {number}".encode()
        os.close(fd)


def test_a_full_socket_keeps_the_order(links: Links) -> None:
    left, right = links
    reader, writer = os.pipe()
    for number in range(200):
        left.post((number, b"x" * 5000), fds=(reader,) if number % 10 == 0 else ())
    assert left.unsent
    messages = take_all(right, 200, left)
    assert [message for message, _ in messages] == [(number, b"x" * 5000) for number in range(200)]
    assert [len(fds) for _, fds in messages] == [1 if number % 10 == 0 else 0 for number in range(200)]
    assert not left.unsent
    for fd in [reader, writer, *(fd for _, fds in messages for fd in fds)]:
        os.close(fd)


def test_one_message_larger_than_the_socket(links: Links) -> None:
    left, right = links
    left.post((b"y" * 2_000_000,), fds=(0,))
    assert left.unsent
    [((data,), [fd])] = take_all(right, 1, left)
    assert data == b"y" * 2_000_000
    os.close(fd)


def test_a_dead_peer_is_the_end_and_posting_to_it_is_harmless(links: Links) -> None:
    left, right = links
    right.post(("last words",))
    right.close()
    assert left.take() == [(("last words",), [])]
    left.post(("is anybody there?",))
    assert left.take() == []
    assert left.ended
    left.post(("hello?",))


def test_a_peer_that_died_with_unread_messages_is_the_end_too(links: Links) -> None:
    left, right = links
    left.post(("never read",))
    right.close()
    assert left.take() == []  # ECONNRESET
    assert left.ended


def test_closing_closes_descriptors_of_a_message_that_never_became_whole() -> None:
    before = open_fds()
    left, right = map(Link[Any], Link.pair())
    left.post((b"z" * 2_000_000,), fds=(0, 1))
    assert right.take() == []
    assert open_fds() == before + 4
    left.close()
    right.close()
    assert open_fds() == before


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a limit of Linux's")
@pytest.mark.skipif(os.geteuid() != 0, reason="must become somebody else, whom the limit binds")
def test_too_many_descriptors_under_way_wait_for_the_receiver(tmp_path: Path) -> None:
    """A user without privileges may have as many under way as one process may have open (ETOOMANYREFS, unix(7))."""
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent("""\
            import os, resource
            from mpchat.ipc.link import Link
            left, right = map(Link, Link.pair())
            os.setuid(65534)
            resource.setrlimit(resource.RLIMIT_NOFILE, (16, 16))
            got, number, waited = [], 0, 0
            while len(got) < 60:
                left.flush()
                while number < 60 and not left.unsent:
                    left.post((number,), fds=(0,))
                    number += 1
                waited += left.unsent
                for (each,), (fd,) in right.take():
                    got.append(each)
                    os.close(fd)
            assert got == list(range(60)), got
            assert waited, "it was never too many"
            """)
    )
    done = subprocess.run(
        [sys.executable, str(script)],
        env={**os.environ, "PYTHONPATH": os.getcwd()},
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_what_a_dead_process_had_sent_is_drained_though_its_end_stays_open(links: Links) -> None:
    """A child of the dead process may hold its end. A refused message ends it, and its descriptors are closed."""
    left, right = links
    before = open_fds()
    for word in ("one", "two", "three"):
        left.post((word,), fds=(0,))
    got: list[object] = []

    def receive(message: tuple[object, ...], fds: list[int]) -> None:
        if message == ("two",):
            raise UnknownMessage(message)
        got.append(message)
        os.close(fds[0])

    right.take_the_rest(receive)
    assert (got, right.ended, open_fds()) == ([("one",)], False, before)
    right.take_the_rest(receive)
    assert (got, right.drained, open_fds()) == ([("one",), ("three",)], True, before)
