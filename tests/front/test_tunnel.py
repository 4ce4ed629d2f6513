"""A tunnel alone: a client's TLS on one side, plain TCP on the other, and no process and no poller between them."""

from __future__ import annotations

import _ssl
import contextlib
import ctypes
import gc
import random
import select
import socket
import ssl
import weakref
from collections.abc import Callable, Iterator

import pytest

from mpchat.front.context import server_context
from mpchat.front.tunnel import BUFFER_BYTES, PIECE_BYTES, Side, Tunnel
from mpchat.settings import Certificate
from tests.running import PATIENCE
from tests.system.tls import Authority, Pair

ALL = 1 << 20
_HUNG_UP = getattr(select, "POLLRDHUP", 0) | select.POLLHUP | select.POLLERR


def tcp() -> tuple[socket.socket, socket.socket]:
    """Two connected sockets with small buffers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32_768)
        one = socket.create_connection(listener.getsockname(), PATIENCE)
        other, _ = listener.accept()
    for each in (one, other):
        each.setblocking(False)
        each.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 32_768)
        each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return one, other


class Client:
    """Who speaks TLS by hand: it decides how many of its bytes go out at once."""

    def __init__(self, sock: socket.socket, context: ssl.SSLContext) -> None:
        self.sock = sock
        self._incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._incoming, self.outgoing, server_hostname="127.0.0.1")
        self.unsent = b""
        self.heard = bytearray()
        self.was_told_goodbye = self.has_ended = False  # close_notify; the end of the TCP stream
        self.alert = ""

    def send(self, most: int = ALL) -> None:
        self.unsent += self.outgoing.read()
        with contextlib.suppress(BlockingIOError):
            if self.unsent:
                self.unsent = self.unsent[self.sock.send(self.unsent[:most]) :]

    def receive(self) -> None:
        with contextlib.suppress(BlockingIOError):
            data = self.sock.recv(ALL)
            self.has_ended |= not data
            self._incoming.write(data)

    def hear(self) -> None:
        """Take what was said out of what was received."""
        try:
            while data := self.tls.read(ALL):
                self.heard += data
            self.was_told_goodbye = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            self.alert = self.alert or error.reason


class Scene:
    """A client, a worker, and the tunnel between them, which is told of every edge."""

    def __init__(self, context: ssl.SSLContext, authority: Authority) -> None:
        theirs, ours = tcp()
        self.client = Client(theirs, authority.context())
        self.tunnel = Tunnel(ours, context, "irc", "127.0.0.1", 0.0)
        self.buffer = memoryview(bytearray(BUFFER_BYTES))
        self.inner, self.worker = tcp()
        self.got = bytearray()  # by the worker
        self.input_has_ended = False  # for the worker

    def notice(self) -> None:
        """What the poller would report."""
        for side in filter(None, (self.tunnel.client, self.tunnel.inner)):
            poll = select.poll()
            poll.register(side.fileno(), select.POLLIN | select.POLLOUT | _HUNG_UP)
            for _, mask in poll.poll(0):
                side.readable |= bool(mask & (select.POLLIN | _HUNG_UP))
                side.writable |= bool(mask & select.POLLOUT)
                side.hung_up |= bool(mask & _HUNG_UP)

    def shake_hands(self, at_once: int = ALL) -> None:
        while not self.tunnel.has_agreed or self.client.unsent:
            with contextlib.suppress(ssl.SSLWantReadError):
                self.client.tls.do_handshake()
            self.client.send(at_once)
            self.notice()
            if not self.tunnel.has_agreed:
                self.tunnel.shake_hands(self.buffer)
            self.client.receive()
        self.tunnel.inner = Side(self.tunnel, self.inner)

    def turn(self, at_once: int = ALL, worker_reads: bool = True, client_reads: bool = True) -> None:
        self.client.send(at_once)
        self.notice()
        if not self.tunnel.is_over:
            self.tunnel.pump(self.buffer)
        if worker_reads:
            with contextlib.suppress(BlockingIOError):
                data = self.worker.recv(ALL)
                self.input_has_ended |= not data
                self.got += data
        if client_reads:
            self.client.receive()
            self.client.hear()

    def until(self, what: Callable[[], bool], turns: int = 5000) -> None:
        while not what():
            turns -= 1
            assert turns > 0, "it never became true"
            self.turn()

    def close(self) -> None:
        self.tunnel.close()
        for each in (self.client.sock, self.worker, self.inner):
            each.close()


@pytest.fixture(scope="module")
def context(pair: Pair) -> ssl.SSLContext:
    return server_context(Certificate(pair.cert.read_bytes(), pair.key.read_bytes()))


@pytest.fixture
def scene(context: ssl.SSLContext, authority: Authority) -> Iterator[Scene]:
    it = Scene(context, authority)
    yield it
    it.close()


@pytest.mark.parametrize("at_once", [1, 100, ALL])
def test_a_handshake_may_come_byte_by_byte_with_the_first_line_behind_it(scene: Scene, at_once: int) -> None:
    scene.shake_hands(at_once)
    scene.client.tls.write(b"NICK ana\r\n")
    for _ in range(500):
        scene.turn(at_once)
    assert scene.got == b"NICK ana\r\n"


def test_a_line_that_came_with_the_end_of_the_handshake_is_not_left_lying(scene: Scene) -> None:
    client = scene.client
    with contextlib.suppress(ssl.SSLWantReadError):
        client.tls.do_handshake()
    client.send()
    scene.notice()
    scene.tunnel.shake_hands(scene.buffer)
    client.receive()
    client.tls.do_handshake()
    client.tls.write(b"NICK ana\r\n")  # in one segment with what ends the handshake
    client.send()
    scene.notice()
    scene.tunnel.shake_hands(scene.buffer)
    assert scene.tunnel.has_agreed
    scene.tunnel.inner = Side(scene.tunnel, scene.inner)
    scene.tunnel.pump(scene.buffer)  # no edge tells of it any more
    assert scene.worker.recv(100) == b"NICK ana\r\n"


def test_a_read_that_is_full_to_the_byte_leaves_no_line_lying(scene: Scene) -> None:
    """The handshake's end with lines behind it, PIECE_BYTES in all: there may be more, as far as is known."""
    client = scene.client
    with contextlib.suppress(ssl.SSLWantReadError):
        client.tls.do_handshake()
    client.send()
    scene.notice()
    scene.tunnel.shake_hands(scene.buffer)
    client.receive()
    client.tls.do_handshake()
    client.tls.write(b"NICK ana\r\n")
    overhead = client.outgoing.pending
    client.tls.write(bytes(100))
    overhead = client.outgoing.pending - overhead - 100  # of a record
    left = PIECE_BYTES - client.outgoing.pending - overhead
    client.tls.write(bytes(left))
    assert client.outgoing.pending == PIECE_BYTES
    client.send()
    scene.notice()
    scene.tunnel.shake_hands(scene.buffer)
    assert scene.tunnel.has_agreed
    scene.tunnel.inner = Side(scene.tunnel, scene.inner)
    scene.tunnel.pump(scene.buffer)  # no edge tells of it any more
    assert scene.worker.recv(ALL) == b"NICK ana\r\n" + bytes(100 + left)


def test_what_is_behind_urgent_data_is_read_though_no_edge_tells_of_it(scene: Scene) -> None:
    """A read ends at the mark of the urgent byte (tcp(7)); the poller has told that there is one."""
    scene.shake_hands()
    scene.tunnel.client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)  # as listening.listen() does
    scene.client.tls.write(b"NICK ana\r\n")
    data = scene.client.outgoing.read()
    scene.client.sock.send(data[:9], socket.MSG_OOB)
    scene.client.sock.send(data[9:])
    scene.notice()
    scene.tunnel.client.urgent = True
    scene.tunnel.pump(scene.buffer)
    assert scene.worker.recv(100) == b"NICK ana\r\n"


@pytest.mark.parametrize("seed", range(4))
def test_every_byte_goes_through_once_in_its_order(scene: Scene, seed: int) -> None:
    """A megabyte each way, in records and pieces of any size, while now one and now the other does not read."""
    scene.shake_hands()
    dice = random.Random(seed)
    up, down = dice.randbytes(1_000_000), dice.randbytes(1_000_000)
    said = written = 0
    while len(scene.got) < len(up) or len(scene.client.heard) < len(down):
        if said < len(up) and len(scene.client.unsent) < 100_000:
            said += scene.client.tls.write(up[said : said + dice.choice((1, 100, 16_384, 50_000))])
        with contextlib.suppress(BlockingIOError):
            if written < len(down):
                written += scene.worker.send(down[written : written + dice.choice((1, 100, 16_384, 50_000))])
        scene.turn(dice.choice((1, 7, 3000, ALL)), dice.random() < 0.7, dice.random() < 0.7)
    assert scene.got == up
    assert scene.client.heard == down


def test_a_client_that_does_not_read_holds_up_the_worker_and_nothing_piles_up(scene: Scene) -> None:
    scene.shake_hands()
    written = 0
    for _ in range(300):
        with contextlib.suppress(BlockingIOError):
            written += scene.worker.send(bytes(10_000))
        scene.turn(client_reads=False)
    assert written < 500_000, "the buffers of four sockets"
    assert len(scene.tunnel._outbound) <= PIECE_BYTES + 300
    assert scene.tunnel._to_client.pending == 0
    scene.client.tls.write(b"still here\r\n")
    scene.turn(client_reads=False)
    assert scene.got == b"still here\r\n", "the other direction goes on"
    scene.until(lambda: len(scene.client.heard) == written)


def test_a_worker_that_does_not_read_holds_up_the_client_and_nothing_piles_up(scene: Scene) -> None:
    scene.shake_hands()
    said = 0
    for _ in range(300):
        if not scene.client.unsent:
            said += scene.client.tls.write(bytes(10_000))
        scene.turn(worker_reads=False)
    assert said < 500_000
    assert len(scene.tunnel._inbound) < BUFFER_BYTES
    scene.until(lambda: len(scene.got) == said)


@pytest.mark.parametrize("has_goodbye", [True, False])
def test_the_clients_end_reaches_the_worker_who_may_still_answer(scene: Scene, has_goodbye: bool) -> None:
    """With close_notify, or by the end of the TCP stream alone, as many clients do it."""
    scene.shake_hands()
    scene.client.tls.write(b"QUIT\r\n")
    if has_goodbye:
        with contextlib.suppress(ssl.SSLWantReadError):
            scene.client.tls.unwrap()
    scene.client.send()
    scene.client.sock.shutdown(socket.SHUT_WR)
    scene.until(lambda: scene.input_has_ended)
    assert scene.got == b"QUIT\r\n"
    scene.worker.send(b"ERROR :bye\r\n")
    scene.worker.shutdown(socket.SHUT_WR)
    scene.until(lambda: scene.tunnel.is_over)
    scene.client.receive()
    if not has_goodbye:  # else OpenSSL has stopped reading
        scene.client.hear()
        assert scene.client.heard == b"ERROR :bye\r\n"
        assert scene.client.was_told_goodbye


def test_the_workers_end_reaches_the_client_and_what_it_still_says_is_no_reset(scene: Scene) -> None:
    scene.shake_hands()
    last = bytes(50_000)
    assert scene.worker.send(last) == len(last)
    scene.worker.shutdown(socket.SHUT_WR)
    for _ in range(20):
        scene.client.tls.write(b"are you there?\r\n" * 100)
        scene.turn()
    scene.until(lambda: scene.client.has_ended)
    assert scene.client.heard == last
    assert scene.client.was_told_goodbye
    assert not scene.tunnel.is_over, "the client's input has not ended"
    scene.client.tls.write(b"are you there?\r\n")
    scene.turn()
    scene.client.sock.shutdown(socket.SHUT_WR)
    scene.until(lambda: scene.tunnel.is_over)


def test_what_a_client_said_before_its_reset_is_given_to_the_worker(scene: Scene) -> None:
    scene.shake_hands()
    scene.client.tls.write(b"last words\r\n")
    scene.client.send()
    scene.notice()
    scene.tunnel.pump(scene.buffer)
    scene.client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    scene.client.sock.close()
    scene.worker.send(b"nobody reads this\r\n")
    for _ in range(5):
        scene.notice()
        scene.tunnel.pump(scene.buffer)
    assert scene.worker.recv(100) == b"last words\r\n"
    assert scene.worker.recv(100) == b""
    scene.worker.close()
    scene.notice()
    scene.tunnel.pump(scene.buffer)
    assert scene.tunnel.is_over


@pytest.mark.parametrize(
    "what", [b"NICK ana\r\n", b"\x17\x03\x03\x00\x20" + bytes(32), b"\x17\x03\x03\xff\xff" + bytes(70_000)]
)
def test_what_is_no_tls_ends_the_input_and_says_why(scene: Scene, what: bytes) -> None:
    scene.shake_hands()
    scene.client.tls.write(b"hola\r\n")
    scene.client.send()
    scene.client.unsent = what
    scene.until(lambda: scene.input_has_ended)
    assert scene.got == b"hola\r\n"
    scene.until(lambda: "ALERT" in scene.client.alert)


def test_a_client_that_sends_nothing_but_messages_of_tls_is_ended(scene: Scene) -> None:
    """KeyUpdates, for which Python has no words: 27 bytes each, and as dear as a whole record."""
    scene.shake_hands()
    openssl = ctypes.CDLL(getattr(_ssl, "__file__", None))
    # The SSL* is the second field of the object (struct PySSLSocket of CPython's _ssl.c).
    at = id(scene.client.tls._sslobj) + object.__basicsize__ + ctypes.sizeof(ctypes.c_void_p)  # type: ignore[attr-defined]
    connection = ctypes.c_void_p.from_address(at)

    def update_keys(times: int) -> None:
        for _ in range(times):
            assert openssl.SSL_key_update(connection, 0) == 1
            assert openssl.SSL_do_handshake(connection) == 1

    for _ in range(3):  # more than the limit in all, and each time a line
        update_keys(2000)
        scene.client.tls.write(b"hola\r\n")
        scene.until(lambda: not scene.client.unsent and not scene.client.outgoing.pending)
    scene.until(lambda: scene.got == b"hola\r\n" * 3)
    assert not scene.input_has_ended
    update_keys(3000)
    scene.until(lambda: scene.input_has_ended)
    assert scene.got == b"hola\r\n" * 3


def test_a_record_that_comes_byte_by_byte_is_not_taken_for_nothing(scene: Scene) -> None:
    scene.shake_hands()
    scene.client.tls.write(bytes(PIECE_BYTES))
    for _ in range(PIECE_BYTES + 100):
        scene.turn(at_once=1)
    assert len(scene.got) == PIECE_BYTES


@pytest.mark.parametrize("what", [b"NICK ana\r\n" * 100, b"\x16\x03\x01\xff\xff" + bytes(70_000)])
def test_a_handshake_that_is_none_fails(scene: Scene, what: bytes) -> None:
    scene.client.unsent = what
    scene.client.send()
    scene.notice()
    with pytest.raises(ssl.SSLError):
        scene.tunnel.shake_hands(scene.buffer)


def test_a_handshake_that_is_broken_off(scene: Scene) -> None:
    scene.client.unsent = b"\x16\x03"
    scene.client.send()
    scene.notice()
    scene.tunnel.shake_hands(scene.buffer)
    assert not scene.tunnel.has_agreed
    scene.client.sock.close()
    scene.notice()
    with pytest.raises(ConnectionResetError):
        scene.tunnel.shake_hands(scene.buffer)


def test_a_tunnel_that_is_closed_goes_at_once_with_what_openssl_keeps(scene: Scene, context: ssl.SSLContext) -> None:
    """The collector would be in no hurry: it counts objects, and these are few."""
    scene.shake_hands()
    other, far = tcp()
    far.close()
    closed, scene.tunnel = scene.tunnel, Tunnel(other, context, "irc", "127.0.0.1", 0.0)
    (kept,) = [weakref.ref(each) for each in gc.get_referents(closed) if isinstance(each, ssl.SSLObject)]
    gc.disable()
    try:
        closed.close()
        closed.close()
        del closed
        assert kept() is None
    finally:
        gc.enable()
