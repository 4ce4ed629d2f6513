"""One client's socket: lines are cut from what the kernel still holds, and taken only when the broker has them."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mpchat.protocol.dialect import DIALECTS, Dialect
from mpchat.runtime.poller import OneShotPoller
from mpchat.settings import Settings
from mpchat.worker.connection import Connection, Limits
from tests.worker.pairs import arrived, read_all, tcp_pair, unread
from tests.worker.records import Record, not_blank, plain_split, told

ALL = 1 << 30  # no flood control


class Pair:
    """The client's socket, and the worker's connection with small limits."""

    def __init__(
        self, client: socket.socket, ours: socket.socket, limits: Limits, dialect: Dialect = DIALECTS["irc"]
    ) -> None:
        self.client, self.ours = client, ours
        self.connection = Connection(1, ours, dialect, "127.0.0.1", limits)
        self.sent = 0

    def send(self, data: bytes) -> None:
        """Returns when it has arrived."""
        self.client.sendall(data)
        self.sent += len(data)
        arrived(self.ours, self.sent - self.connection.consumed)

    def hang_up(self) -> None:
        """What the poller does when it hears of a FIN."""
        self.client.shutdown(socket.SHUT_WR)
        self.connection.hung_up = True


SMALL = Settings(line_bytes=7, window_bytes=8, peek_bytes=16)  # in the proportions of the real ones


@pytest.fixture
def pair() -> Iterator[Pair]:
    with tcp_pair() as (client, ours):
        yield Pair(client, ours, Limits(Settings()))


@pytest.fixture
def small() -> Iterator[Pair]:
    with tcp_pair() as (client, ours):
        yield Pair(client, ours, Limits(SMALL))


# Lines in


def test_lines_are_cut_and_offsets_count_from_the_first_byte(pair: Pair) -> None:
    pair.send(b"NICK ana\r\nUSER a\nJO")
    assert pair.connection.read(ALL) == [
        ("line", 1, 10, b"NICK ana\r"),
        ("line", 1, 17, b"USER a"),
        ("part", 1, 19, b"JO"),  # a piece is passed on as well, so that it need not stay in the kernel
    ]
    pair.connection.acknowledge(19)
    pair.send(b"IN #x\r\n")
    assert pair.connection.read(ALL) == [("line", 1, 26, b"IN #x\r")]


def test_nothing_is_taken_from_the_kernel_before_it_is_acknowledged(pair: Pair) -> None:
    pair.send(b"one\ntwo\nthree")
    pair.connection.read(ALL)
    assert unread(pair.ours) == 13
    pair.connection.acknowledge(4)
    assert unread(pair.ours) == 9
    pair.connection.acknowledge(8)
    assert unread(pair.ours) == 5
    pair.connection.acknowledge(13)
    assert unread(pair.ours) == 0


def test_an_acknowledgement_twice_or_late_takes_nothing_more(pair: Pair) -> None:
    pair.send(b"one\ntwo\n")
    pair.connection.read(ALL)
    pair.connection.acknowledge(8)
    pair.connection.acknowledge(8)
    pair.connection.acknowledge(4)
    pair.send(b"three\n")
    assert pair.connection.read(ALL) == [("line", 1, 14, b"three")]
    assert unread(pair.ours) == 6


def test_looking_twice_forwards_once(pair: Pair) -> None:
    pair.send(b"one\ntw")
    assert pair.connection.read(ALL) == [("line", 1, 4, b"one"), ("part", 1, 6, b"tw")]
    assert pair.connection.read(ALL) == []
    pair.send(b"o\n")
    assert pair.connection.read(ALL) == [("line", 1, 8, b"o")]
    assert unread(pair.ours) == 8


def test_nothing_there_is_nothing(pair: Pair) -> None:
    assert pair.connection.read(ALL) == []
    assert not pair.connection.again


def test_a_carriage_return_inside_a_line_is_the_cores_business(pair: Pair) -> None:
    pair.send(b"\r\r\na\rb\n")
    assert [record[-1] for record in pair.connection.read(ALL)] == [b"\r\r", b"a\rb"]


def test_blank_lines_cost_as_much_as_one(pair: Pair) -> None:
    pair.send(b"\n" * 9000 + b"\r\n" * 500 + b"a\n")
    assert pair.connection.read(1) == [("line", 1, 10_000, b"")]
    assert pair.connection.again
    pair.connection.acknowledge(10_000)
    assert pair.connection.read(1) == [("line", 1, 10_002, b"a")]


def test_flood_control_leaves_the_rest_and_asks_to_come_again(pair: Pair) -> None:
    pair.send(b"1\n2\n3\n4\n5\n")
    assert pair.connection.read(2) == [("line", 1, 2, b"1"), ("line", 1, 4, b"2")]
    assert pair.connection.again
    assert [record[-1] for record in pair.connection.read(ALL)] == [b"3", b"4", b"5"]
    assert not pair.connection.again


def test_telnets_return_ends_a_line_of_plain_text() -> None:
    with tcp_pair() as (client, ours):
        pair = Pair(client, ours, Limits(Settings()), dialect=DIALECTS["plain"])
        pair.send(b"ana\r\0ho\0la\r")
        assert pair.connection.read(ALL) == [("line", 1, 5, b"ana\r"), ("part", 1, 11, b"ho\0la\r")]
        pair.connection.acknowledge(11)
        pair.send(b"\0adi")
        assert pair.connection.read(ALL) == [("line", 1, 12, b""), ("part", 1, 15, b"adi")]


def test_a_return_that_was_cut_by_a_death_ends_its_line_too() -> None:
    with tcp_pair() as (client, ours):
        pair = Pair(client, ours, Limits(Settings()), dialect=DIALECTS["plain"])
        pair.send(b"ana\r")
        assert pair.connection.read(ALL) == [("part", 1, 4, b"ana\r")]
        pair.connection.acknowledge(4)
        successor = Connection(1, ours, DIALECTS["plain"], "127.0.0.1", pair.connection.limits)
        successor.consumed = 4
        successor.resume_input(4, 4, False)
        pair.connection = successor
        pair.send(b"\0hola\r\0")
        assert successor.read(ALL) == [("line", 1, 5, b""), ("line", 1, 11, b"hola\r")]


def test_the_window_bounds_what_is_under_way(small: Pair) -> None:
    small.send(b"1234\n5678\nabc\n")
    assert small.connection.read(ALL) == [("line", 1, 5, b"1234"), ("line", 1, 10, b"5678")]
    assert small.connection.again
    assert small.connection.read(ALL) == []  # 10 of 8 bytes are forwarded
    assert small.connection.again
    small.connection.acknowledge(5)
    assert small.connection.read(ALL) == [("line", 1, 14, b"abc")]


@pytest.mark.parametrize("line", [b"123456", b"1234567", b"12345678", b"12345\r", b"123456\r", b"1234567\r"])
@pytest.mark.parametrize("bytewise", [False, True])
def test_the_longest_line(small: Pair, line: bytes, bytewise: bool) -> None:
    """7 bytes, a CR among them, and then the LF; in whatever pieces they come."""
    records: list[Record] = []
    for piece in [bytes([byte]) for byte in line + b"\n"] if bytewise else [line + b"\n"]:
        small.send(piece)
        records += small.connection.read(ALL)
        small.connection.acknowledge(records[-1][2])
    assert told(records) == ([("line", len(line) + 1, line)] if len(line) <= 7 else [("overlong",)])


def test_a_line_without_end_is_reported_once_and_passes_through_bounded_memory(small: Pair) -> None:
    small.send(b"x" * 12)
    assert small.connection.read(ALL) == [("overlong", 1, 12, False)]
    assert small.connection.again
    for end in range(24, 120, 12):
        small.connection.acknowledge(end - 12)
        small.send(b"x" * 12)
        assert small.connection.read(ALL) == [("rest", 1, end, False)]
    small.connection.acknowledge(108)
    small.send(b"\nhola\n")
    assert small.connection.read(ALL) == [("rest", 1, 109, True), ("line", 1, 114, b"hola")]


def test_lines_before_the_end_count_and_a_piece_does_not(pair: Pair) -> None:
    pair.send(b"one\ntwo\npiece")
    pair.hang_up()
    assert pair.connection.read(ALL) == [
        ("line", 1, 4, b"one"),
        ("line", 1, 8, b"two"),
        ("part", 1, 13, b"piece"),  # no line: nobody will ever act on it
        ("gone", 1, "Connection closed"),
    ]
    assert pair.connection.read(ALL) == []  # said once


def test_the_end_waits_for_lines_that_did_not_fit_the_window(small: Pair) -> None:
    small.send(b"1234\n5678\nabc\n")
    small.hang_up()
    assert [record[0] for record in small.connection.read(ALL)] == ["line", "line"]
    small.connection.acknowledge(10)
    assert small.connection.read(ALL) == [("line", 1, 14, b"abc"), ("gone", 1, "Connection closed")]


def test_the_end_of_an_empty_stream(pair: Pair) -> None:
    pair.hang_up()
    arrived_end(pair)
    assert pair.connection.read(ALL) == [("gone", 1, "Connection closed")]


def arrived_end(pair: Pair) -> None:
    assert select.select([pair.ours], [], [], 5)[0]


def test_a_reset_is_an_end_and_what_it_threw_away_can_be_acknowledged(pair: Pair) -> None:
    pair.send(b"one\n")
    assert len(pair.connection.read(ALL)) == 1
    pair.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    pair.client.close()
    arrived_end(pair)
    pair.connection.acknowledge(4)
    assert pair.connection.consumed == 4
    assert pair.connection.read(ALL)[0][:2] == ("gone", 1)
    assert pair.connection.read(ALL) == []


def test_a_stand_in_for_a_socket_that_was_lost_is_at_its_end(small: Pair) -> None:
    """A closed one: it costs no descriptor, of which there may be too few."""
    stand_in = socket.socket()
    stand_in.close()
    connection = Connection(1, stand_in, DIALECTS["irc"], "", small.connection.limits)
    connection.to_send.append(b"hello?")
    connection.resume_output(100, b"unsent")
    assert connection.read(ALL) == [("gone", 1, "Connection lost")]
    assert not connection.unread()
    connection.acknowledge(9)
    connection.to_send.append(b"hello?")
    assert connection.flush() == 6
    OneShotPoller().rearm(stand_in, True, 0)  # it is in no poller


def test_unread_is_what_the_broker_has_not_heard_of(pair: Pair) -> None:
    assert not pair.connection.unread()
    pair.send(b"one\n")
    assert pair.connection.unread()
    pair.connection.read(ALL)
    assert not pair.connection.unread()  # forwarded, though it still lies there
    pair.send(b"piece")
    assert pair.connection.unread()


_PIECES = st.lists(
    st.one_of(
        st.binary(min_size=1, max_size=9),
        st.text("ab\r\n", min_size=1, max_size=20).map(str.encode),
        st.sampled_from(
            [b"\r", b"\n", b"\r\n", b"\0", b"\r\0", b"12345\r\0", b"1234567\r\n", b"1234567", b"12345678\n", b"x" * 40]
        ),
    ),
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@example([b"1234567", b"\r", b"\n"], [(ALL, 0)], False)
@example([b"12345678\r", b"\n"], [(ALL, 0)], False)
@example([b"1234567\r", b"\r\n"], [(ALL, 1)], False)
@example([b"123\r", b"\0"], [(ALL, 1)], True)
@example([b"123\r", b"\0", b"\0a\r\0\0"], [(ALL, 0)], True)
@given(_PIECES, st.lists(st.tuples(st.sampled_from([1, 2, 3, ALL]), st.integers(0, 3)), min_size=1), st.booleans())
def test_any_bytes_in_any_pieces_with_any_acknowledgements(
    pieces: list[bytes], turns: list[tuple[int, int]], is_plain: bool
) -> None:
    """Whatever the timing, the broker hears the same lines with the same offsets, each once."""
    with tcp_pair() as (client, ours):
        pair = Pair(client, ours, Limits(SMALL), DIALECTS["plain" if is_plain else "irc"])
        connection = pair.connection
        heard: list[Record] = []
        acknowledged = 0
        for number, piece in enumerate(pieces):
            allowed, acknowledgements = turns[number % len(turns)]
            pair.send(piece)
            heard += connection.read(allowed)
            for _ in range(acknowledgements):
                if acknowledged < len(heard):
                    connection.acknowledge(heard[acknowledged][2])
                    acknowledged += 1
                    if connection.again:  # as the worker does
                        heard += connection.read(allowed)
        while acknowledged < len(heard) or connection.again:
            if acknowledged < len(heard):
                connection.acknowledge(heard[acknowledged][2])
                acknowledged += 1
            if connection.again:
                heard += connection.read(ALL)
        data = b"".join(pieces)
        lines = data.replace(b"\r\0", b"\r\n") if is_plain else data  # telnet's Return, where telnet may speak
        assert not_blank(told(heard)) == not_blank(plain_split(lines, SMALL.line_bytes))
        ends = [record[2] for record in heard]
        assert ends == sorted(set(ends))
        assert unread(ours) == len(data) - connection.consumed


# Bytes out


@pytest.fixture
def narrow() -> Iterator[Pair]:
    """The client's side takes little at once."""
    with tcp_pair(send_buffer=65_536) as (client, ours):
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 262_144)
        yield Pair(client, ours, Limits(Settings(sendq_bytes=100_000)))


def test_a_turns_output_goes_out_at_once_in_order(pair: Pair) -> None:
    pair.connection.to_send += [b"one\r\n", b"two\r\n", b"three\r\n"]
    assert pair.connection.flush() == 17
    assert pair.client.recv(100) == b"one\r\ntwo\r\nthree\r\n"
    assert pair.connection.to_send == []
    assert pair.connection.flush() == 0


def drain(pair: Pair, wanted: int) -> bytes:
    """The client reads; whenever there is room again the worker sends on."""
    got = b""
    while len(got) < wanted:
        readable, writable, _ = select.select([pair.client], [pair.ours] if pair.connection.blocked else [], [], 5)
        assert readable or writable, f"stuck after {len(got)} bytes"
        if readable:
            got += pair.client.recv(65536)
        if writable:
            pair.connection.blocked = False
            pair.connection.flush()
    return got


def test_what_a_slow_reader_does_not_take_waits_and_keeps_its_order(narrow: Pair) -> None:
    expected = b""
    for number in range(300):
        line = b"%05d " % number + b"x" * 10_000 + b"\n"
        expected += line
        narrow.connection.to_send.append(line)
        narrow.connection.flush()
    assert narrow.connection.blocked
    assert 0 < narrow.connection.unsent < len(expected)
    assert narrow.connection.overdue  # beyond 100,000
    assert drain(narrow, len(expected)) == expected
    assert narrow.connection.unsent == 0
    assert not narrow.connection.blocked
    assert not narrow.connection.overdue
    narrow.connection.to_send.append(b"and on\n")
    narrow.connection.flush()
    assert narrow.client.recv(100) == b"and on\n"


def test_the_deaf_are_reported_once_and_still_get_every_byte(narrow: Pair) -> None:
    """What is kept for them must be what the broker thinks is kept: it is the broker that ends this, by a close."""
    narrow.connection.to_send.append(b"x" * 3_000_000)
    narrow.connection.flush()
    assert narrow.connection.overdue
    narrow.connection.sendq_reported = True
    assert not narrow.connection.overdue
    narrow.connection.to_send.append(b"y" * 50_000)
    narrow.connection.flush()
    narrow.connection.closing = True
    narrow.connection.to_send.append(b"ERROR :bye\r\n")
    narrow.connection.flush()
    assert drain(narrow, 3_050_012) == b"x" * 3_000_000 + b"y" * 50_000 + b"ERROR :bye\r\n"


def test_all_that_was_ever_sent_is_counted(narrow: Pair) -> None:
    for size in (1, 1000, 3_000_000, 10):
        narrow.connection.to_send.append(b"x" * size)
        narrow.connection.flush()
    assert narrow.connection.sent + narrow.connection.unsent == 3_001_011
    drain(narrow, 3_001_011)
    assert narrow.connection.sent == 3_001_011


def test_writing_to_somebody_who_has_gone_is_harmless(pair: Pair) -> None:
    pair.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    pair.client.close()
    arrived_end(pair)
    for _ in range(3):
        pair.connection.to_send.append(b"hola\r\n")
        pair.connection.flush()
    assert pair.connection.unsent == 0
    assert not pair.connection.blocked


def test_the_last_words_arrive_before_the_end(pair: Pair) -> None:
    pair.connection.to_send.append(b"ERROR :bye\r\n")
    pair.connection.flush()
    pair.ours.shutdown(socket.SHUT_WR)
    assert read_all(pair.client) == b"ERROR :bye\r\n"


def test_a_piece_of_which_nothing_is_acknowledged_has_room_for_the_rest_of_its_line() -> None:
    """Of what may be a password the broker takes nothing before the line is whole. The kernel charges us for all of the
    segment that the piece came in, so the line's end would find the window shut."""
    settings = Settings()
    with tcp_pair(settings.receive_buffer_bytes) as (client, ours):
        pair = Pair(client, ours, Limits(settings))

        def room() -> int:
            return ours.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)

        small = room()
        pair.send(b"one\nsecr")
        assert pair.connection.read(ALL) == [("line", 1, 4, b"one"), ("part", 1, 8, b"secr")]
        assert room() > 2 * small
        pair.connection.acknowledge(4)
        assert room() > 2 * small
        pair.send(b"et\n")
        assert pair.connection.read(ALL) == [("line", 1, 11, b"et")]
        pair.connection.acknowledge(11)
        assert room() == small
        pair.send(b"part")
        assert pair.connection.read(ALL) == [("part", 1, 15, b"part")]
        assert room() > 2 * small
        pair.connection.acknowledge(15)
        assert room() == small
