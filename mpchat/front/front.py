"""The front: TLS on one side, plain TCP on this machine on the other. It understands nothing of what is said.

It waits on its listening sockets, its clients' sockets, the ends of the loopback pairs that lead to the workers, the
listening socket by which it makes these, the link to the acceptor, and the control link to the supervisor.

    accept -> handshake -> a loopback pair -> its other end to the acceptor, with the address -> pump (tunnel.py)

The address goes by the link, so no client can forge it. A handshake has limits, in time and in number, before anything
else of a client counts.

    the acceptor dies   clients on their way are handed to the next one, and those with a worker do not notice
    another dies        no client of TLS notices: the front keeps the loopback pairs
    the front dies      its clients lose their connections: the keys of their TLS die with it. A new one accepts at once
"""

import errno
import os
import socket
import sys
import time
from collections import deque

from mpchat.flow.admission import Admission
from mpchat.front.context import server_context
from mpchat.front.loopback_pairs import LoopbackPairs
from mpchat.front.tunnel import BUFFER_BYTES, Side, Tunnel
from mpchat.ipc.descriptors import first_of_the_last, unusable
from mpchat.ipc.frames import LOOK_SECONDS, most_looks
from mpchat.ipc.link import Link
from mpchat.ipc.scoreboard import ACCEPTOR_ROW, FRONT_ROW, Scoreboard, TurnWatch
from mpchat.messages import BadFrame, ChildToSupervisor, FrontToken, TlsClient, UnknownMessage
from mpchat.protocol.address import written
from mpchat.protocol.dialect import DIALECTS
from mpchat.runtime.crash_points import crash_point
from mpchat.runtime.first_minute import BEAT_SECONDS
from mpchat.runtime.listening import prepare
from mpchat.runtime.log import Log, Sparing
from mpchat.runtime.poller import Poller
from mpchat.settings import Certificate, Settings

_ACCEPTS = 16  # from one listener in one turn
_HANDSHAKES = 4  # that go on in one turn: each may take a millisecond, for which those who are in must not wait
_PUMP_SECONDS = 0.05  # of a turn: then it begins anew, with those who had none of this one
_OUT_OF_FDS = (errno.EMFILE, errno.ENFILE)
_UNWATCHED = 8192  # so much unread: OneShotPoller.rearm() waits for no more
_REST_SECONDS = 0.25  # before the listeners are watched again where no descriptor is free

Listener = tuple[socket.socket, str]  # and the dialect that is spoken there


def main(
    control: Link[ChildToSupervisor],
    log: Log,
    settings: Settings,
    scoreboard: Scoreboard,
    listeners: list[Listener],
    certificate: Certificate,
) -> None:
    Front(control, log, settings, scoreboard, dict(listeners), certificate).run()


class Front:
    def __init__(
        self,
        control: Link[ChildToSupervisor],
        log: Log,
        settings: Settings,
        scoreboard: Scoreboard,
        listeners: dict[socket.socket, str],
        certificate: Certificate,
    ) -> None:
        self.control, self.log, self.settings, self.scoreboard = control, log, settings, scoreboard
        self.listeners = listeners
        self.context = server_context(certificate)  # of the handshakes that begin from now on
        self.handshake_seconds, self.most_handshakes = settings.handshake_seconds, settings.handshakes
        each, rate = settings.handshakes_per_address, settings.new_connections_per_minute
        # The total is not Admission's affair here: of handshakes, one gives way.
        self.admission = Admission(sys.maxsize, each, rate, settings.exempting(settings.chat.exempt))
        self.complaints = Sparing(log)
        self.poller = Poller()
        self.pairs = LoopbackPairs[Tunnel](settings)
        self.acceptor: Link[TlsClient] | None = None
        self.tunnels: set[Tunnel] = set()
        self.handshakes: dict[Tunnel, None] = {}  # under way, or over and without a loopback pair; the oldest first
        self.on_the_way: dict[FrontToken, tuple[Tunnel, socket.socket]] = {}  # to the acceptor, which has not said so
        self.to_pass: deque[tuple[FrontToken, bool]] = deque()  # of these, who waits for room in the link; again?
        self.last_token = 0
        self.ready: dict[Tunnel, None] = {}  # of which more can be moved at once
        self.ending: dict[Tunnel, None] = {}  # that have a deadline for their end
        self.buffer = memoryview(bytearray(BUFFER_BYTES))
        self.resting_until = 0.0  # monotonic: the listeners are not watched for want of descriptors; 0: they are
        self.stopping = False
        self.peers = TurnWatch(scoreboard)
        self.look_at = 0.0
        self.accepted = self.turns = 0

    def run(self) -> None:
        self.begin()
        while self.tunnels or not self.stopping:
            self.turn()
        os._exit(0)

    def begin(self) -> None:
        self.poller.watch(self.control)
        for listener in (self.pairs.listener, *self.listeners):
            self.poller.watch(listener)
        self.control.post(("ready",))

    def turn(self, timeout: float = BEAT_SECONDS) -> None:
        """Wait so many seconds at most until something happens, and deal with it."""
        touched, self.ready = self.ready, {}
        for source, readable, writable, hung_up in self.poller.wait(0.0 if touched else timeout):
            if isinstance(source, Side):
                source.readable |= readable
                source.writable |= writable
                source.hung_up |= hung_up
                if source.tunnel is not None:
                    touched[source.tunnel] = None
            elif source is self.control:
                self.on_control()
            elif source is self.acceptor:
                self.on_acceptor(self.acceptor, readable, writable)
            elif source is self.pairs.listener:
                self.take_pairs()
            elif source in self.listeners:
                self.accept(source)
        handshakes = [tunnel for tunnel in touched if tunnel in self.handshakes and not tunnel.has_agreed]
        self.pump_each([tunnel for tunnel in touched if tunnel.inner is not None and tunnel in self.tunnels])
        for tunnel in handshakes[:_HANDSHAKES]:
            self.shake_hands(tunnel)
        self.ready.update(dict.fromkeys(handshakes[_HANDSHAKES:]))
        self.keep_time(time.monotonic())
        self.turns += 1
        self.scoreboard.write(FRONT_ROW, len(self.tunnels), self.accepted, turns=self.turns)
        self.complaints.catch_up()
        self.log.catch_up()

    def keep_time(self, now: float) -> None:
        """End what is beyond its deadline, and look after the link and the listeners."""
        while self.handshakes and (oldest := next(iter(self.handshakes))).deadline <= now:
            self.complaints.warning("no handshake in time", address=oldest.host)
            self.close(oldest)
        for tunnel in [tunnel for tunnel in self.ending if tunnel.deadline <= now]:
            self.close(tunnel)
        if now >= self.look_at:
            self.look_at = now + LOOK_SECONDS
            if self.acceptor is not None and self.peers.has_turned(ACCEPTOR_ROW):
                try:
                    self.acceptor.look(most_looks(self.settings.hang_limit))
                except BadFrame as error:
                    self.report(self.acceptor, error)
        if self.resting_until and now >= self.resting_until:
            self.resting_until = 0.0
            for listener in (self.pairs.listener, *self.listeners):
                self.poller.watch(listener)

    # The supervisor

    def on_control(self) -> None:
        """It hands over a link to an acceptor or a new certificate, or says stop. Its end of file: it is dead."""
        for message, fds in self.control.take():
            match message, fds:
                case ("acceptor",), [fd]:
                    self.take_link(Link(socket.socket(fileno=fd)))
                case ("certificate", bytes() as chain, bytes() as key), []:
                    self.context = server_context(Certificate(chain, key))
                case ("handshakes", seconds, int() as most, int() as each, int() as rate, tuple() as exempt), [] if (
                    isinstance(seconds, int | float)
                ):
                    self.handshake_seconds, self.most_handshakes = seconds, most
                    self.admission.limit(each, rate, self.settings.exempting(exempt))
                case ("stop",), []:
                    self.stop()
                case _:
                    raise unusable(self.control, message)
        if self.control.ended:
            os._exit(0)

    def stop(self) -> None:
        """Accept nobody any more; those who are in go on until their workers have told them, and closed."""
        self.stopping = True
        for listener in self.listeners:
            if not self.resting_until:
                self.poller.forget(listener)
            listener.close()
        self.listeners = {}
        for tunnel in list(self.handshakes):
            self.close(tunnel)
        self.to_pass.clear()
        for token in list(self.on_the_way):
            tunnel, theirs = self.on_the_way.pop(token)
            theirs.close()
            self.close(tunnel)

    # New clients

    def accept(self, listener: socket.socket) -> None:
        for _ in range(_ACCEPTS):
            try:
                sock, address = listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in _OUT_OF_FDS:
                    self.rest()
                    return
                if error.errno in (errno.EINVAL, errno.EBADF):  # shut down from outside (ss -K)
                    self.log.error("a listening socket is closed", dialect=self.listeners.pop(listener))
                    self.poller.forget(listener)
                    return
                continue  # the client has left already (accept(2) passes on the connection's errors)
            self.begin_handshake(sock, written(str(address[0])), self.listeners[listener])

    def rest(self) -> None:
        """No descriptor is free, not even for a refusal: who comes waits in the backlog."""
        self.complaints.warning("out of file descriptors", open=len(self.tunnels))
        if not self.resting_until:
            for listener in (self.pairs.listener, *self.listeners):
                self.poller.forget(listener)
        self.resting_until = time.monotonic() + _REST_SECONDS

    def begin_handshake(self, sock: socket.socket, host: str, dialect: str) -> None:
        """Nothing can be said to who is refused: words would have to be TLS."""
        # Each of those who are not in yet needs two descriptors more.
        is_full = sock.fileno() >= first_of_the_last(2 * self.settings.reserved_fds + 2 * len(self.handshakes))
        is_full |= len(self.tunnels) >= self.settings.max_clients + self.most_handshakes
        now = time.monotonic()
        refusal = "no room" if is_full else self.admission.refusal(host, now)
        if refusal:
            sock.close()
            self.complaints.warning("client refused", address=host, why=refusal)
            return
        if len(self.handshakes) >= self.most_handshakes:
            self.make_room()
        try:
            prepare(sock, DIALECTS[dialect].keepalive, self.settings)
        except OSError:  # it has left already
            sock.close()
            self.admission.left(host)
            return
        tunnel = Tunnel(sock, self.context, dialect, host, now + self.handshake_seconds)
        self.tunnels.add(tunnel)
        self.handshakes[tunnel] = None
        self.accepted += 1
        self.poller.watch(tunnel.client, stream=True)
        self.ready[tunnel] = None
        crash_point("front: accepted")

    def make_room(self) -> None:
        """End one handshake: of the household that has most of them, who has said nothing, and of these the oldest.

        Whoever means it is done in no time, or has a bad line; who holds places for no use holds many.
        """
        # min() finds the first of several that are alike, and they stand in the order in which they came.
        it = min(self.handshakes, key=lambda tunnel: (-self.admission.open_of(tunnel.host), tunnel.has_spoken))
        self.complaints.warning("too many handshakes", address=it.host)
        self.close(it)

    def shake_hands(self, tunnel: Tunnel) -> None:
        try:
            tunnel.shake_hands(self.buffer)
            if tunnel.has_agreed:
                self.pairs.begin(tunnel)
        except OSError as error:
            why = getattr(error, "reason", None) or error.strerror or type(error).__name__
            self.complaints.warning("handshake failed", address=tunnel.host, why=why)
            self.close(tunnel)
            return
        if tunnel.has_agreed:
            self.take_pairs()  # on loopback, connect(2) mostly finishes at once
        elif tunnel.client.readable:
            self.ready[tunnel] = None
        self.rearm(tunnel)

    def take_pairs(self) -> None:
        """The other ends of the pairs that are whole go to the acceptor."""
        try:
            pairs = self.pairs.finished()
        except OSError:
            self.rest()
            return
        for tunnel, ours, theirs in pairs:
            del self.handshakes[tunnel]
            self.admission.left(tunnel.host)
            tunnel.inner = Side(tunnel, ours)
            self.poller.watch(tunnel.inner, stream=True)
            self.ready[tunnel] = None
            self.last_token += 1
            self.on_the_way[self.last_token] = tunnel, theirs
            self.to_pass.append((self.last_token, False))
            crash_point("front: paired")
        self.pass_on()

    def pass_on(self) -> None:
        """Without an acceptor the next one gets them: take_link()."""
        link = self.acceptor
        if link is None:
            return
        while self.to_pass and not link.unsent:  # what the link must keep takes a descriptor more
            token, again = self.to_pass.popleft()
            if token in self.on_the_way:  # not if the server stops, or the acceptor has said "taken" of what it has not
                tunnel, theirs = self.on_the_way[token]
                link.post(("client", token, tunnel.dialect, tunnel.host, again), fds=(theirs.fileno(),))
        self.poller.want_write(link, link.unsent)

    # Clients

    def pump_each(self, tunnels: list[Tunnel]) -> None:
        """As many as there is time for; the others come first in the next turn."""
        until = time.monotonic() + _PUMP_SECONDS
        waiting = deque(tunnels)
        while waiting:
            self.pump(waiting.popleft())
            if time.monotonic() >= until:
                break
        self.ready = dict.fromkeys([*waiting, *self.ready])

    def pump(self, tunnel: Tunnel) -> None:
        """Something has happened at one of its sides, or more can be moved."""
        if tunnel.pump(self.buffer):
            self.ready[tunnel] = None
        inner = tunnel.inner
        if tunnel.is_over:
            self.close(tunnel)
            return
        if inner is not None and (inner.hung_up or tunnel.output_ended) and tunnel not in self.ending:
            # The worker has closed: the client has as long to read the rest as one without TLS.
            tunnel.deadline = time.monotonic() + self.settings.flush_seconds + self.settings.drain_seconds
            self.ending[tunnel] = None
        self.rearm(tunnel)

    def rearm(self, tunnel: Tunnel) -> None:
        """Where the system has no edges, say what is waited for."""
        if self.poller.one_shot:
            for side in (tunnel.client, tunnel.inner):
                if side is not None:
                    self.poller.rearm(side.sock, not side.writable, _UNWATCHED if side.readable else 0)

    # The acceptor

    def take_link(self, link: Link[TlsClient]) -> None:
        """The acceptor is new, or the front is: it is handed all that are on their way.

        A dead one may have passed them on already; the new one knows by then what the workers have.
        """
        if self.acceptor is not None:
            former = self.acceptor
            former.take_the_rest(self.on_message)
            self.leave(former)
        self.acceptor = link
        link.count_on(self.scoreboard.meter("front", "acceptor"))
        self.poller.watch(link)
        self.to_pass.clear()
        for token in list(self.on_the_way):
            tunnel, _ = self.on_the_way[token]
            if tunnel.answered:
                self.taken(token)
            else:
                self.to_pass.append((token, True))
        self.pass_on()

    def on_acceptor(self, link: Link[TlsClient], readable: bool, writable: bool) -> None:
        if writable:
            link.flush()
        if readable:
            try:
                link.take_each(self.on_message)
            except BadFrame as error:
                self.report(link, error)
                return
        if link.ended:
            self.leave(link)
        else:
            self.pass_on()

    def on_message(self, message: tuple[object, ...], fds: list[int]) -> None:
        """Raises UnknownMessage."""
        match message, fds:
            case ("taken", int() as token), [] if 0 < token <= self.last_token:
                self.taken(token)
            case _:
                raise UnknownMessage(message)

    def taken(self, token: FrontToken) -> None:
        """A worker will have it, or the acceptor has refused it: our copy of the other end would keep it open."""
        if token in self.on_the_way:
            _, theirs = self.on_the_way.pop(token)
            theirs.close()

    def report(self, link: Link[TlsClient], error: BadFrame) -> None:
        """The acceptor has sent what is no message: the supervisor replaces it."""
        self.control.post(("misbehaves", "acceptor", str(error)))
        self.leave(link)

    def leave(self, link: Link[TlsClient]) -> None:
        self.poller.forget(link)
        link.close()
        self.acceptor = None

    # Ends

    def close(self, tunnel: Tunnel) -> None:
        """Its client's connection ends here; what the worker still sends is of no use."""
        if tunnel in self.handshakes:
            del self.handshakes[tunnel]
            self.admission.left(tunnel.host)
            self.pairs.give_up(tunnel)
        self.tunnels.discard(tunnel)
        self.ending.pop(tunnel, None)
        self.ready.pop(tunnel, None)
        self.poller.forget(tunnel.client)
        if tunnel.inner is not None:
            self.poller.forget(tunnel.inner)
        tunnel.close()
