"""One client's socket. Input stays in the kernel until the broker has it; output waits in `to_send`.

    input:   ....consumed....|....forwarded....|....new....      offsets count from the connection's first byte
                             |-- still in the kernel, until acknowledged --

read() looks (MSG_PEEK) and cuts lines, or parts of them; acknowledge() takes what the broker has accepted. Should this
process die, what the broker has not accepted is still in the kernel, where the next worker finds it, and the kernel
also knows how much of the output it has taken: resume_input() and resume_output() go on to the byte.
"""

from __future__ import annotations

import errno
import re
import select
import socket
from contextlib import suppress

from mpchat.flow.token_bucket import TokenBucket
from mpchat.messages import ConnectionId, Gone, WorkerRecord
from mpchat.protocol.dialect import Dialect
from mpchat.settings import Settings
from mpchat.worker import tcp_position
from mpchat.worker.backlogs import Backlogs

_BLANK_LINES = re.compile(rb"(?:\r?\n)+")
_CR, _LF = 13, 10
_TELNET_RETURN = b"\r\0"  # as good a line end as CR LF, says RFC 1123 section 3.3.1; PuTTY sends it, if told to

_ROOMY_BYTES = 65_536  # a receive buffer with room besides the largest segment, of 64 KiB with what loopback joins


class Limits:
    """What all of a worker's connections share: their limits, one buffer to look through, the sum of their backlogs."""

    def __init__(self, settings: Settings) -> None:
        self.line = settings.line_bytes
        self.window = settings.window_bytes
        self.sendq = settings.sendq_bytes
        self.receive_buffer = settings.receive_buffer_bytes
        self.view = bytearray(settings.peek_bytes)
        self.backlogs = Backlogs(settings)


class Connection:
    """Made when the acceptor passes a socket; closed by the worker, which also tells the acceptor."""

    __slots__ = (
        "again",
        "backlog",
        "begun",
        "blocked",
        "bucket",
        "closing",
        "consumed",
        "cut",
        "dialect",
        "discarding",
        "finished",
        "forwarded",
        "host",
        "hung_up",
        "id",
        "inherited_backlog",
        "is_pending",
        "large_receive_buffer",
        "limits",
        "reported",
        "returned",
        "secure",
        "seen",
        "sendq_reported",
        "sent",
        "sock",
        "to_send",
        "urgent",
    )

    bucket: TokenBucket  # set where a flood is throttled

    def __init__(
        self,
        id: ConnectionId,
        sock: socket.socket,
        dialect: Dialect,
        host: str,
        limits: Limits,
        secure: bool = False,
    ) -> None:
        self.id = id
        self.sock = sock
        self.dialect = dialect
        self.host = host
        self.secure = secure  # the client speaks TLS to the front, of which `sock` is the other end
        self.limits = limits
        self.consumed = 0  # taken from the kernel
        self.forwarded = 0  # given to the broker
        self.seen = 0  # known to have arrived, by the last look
        self.urgent = not hasattr(select, "epoll")  # it may have had urgent data: a look may end before all (tcp(7))
        self.again = False  # there is more to read than could be taken
        self.begun = 0  # bytes of an unfinished line that were forwarded as parts
        self.discarding = False  # inside a line that was too long
        self.returned = False  # what was forwarded last is a CR, or may be one
        self.large_receive_buffer = False  # its receive buffer is the larger one
        self.hung_up = False  # the client has closed its side, or everything
        self.finished = False  # the end of input was reported, or the connection is closing
        self.to_send: list[bytes] = []  # output that flush() has not seen yet
        self.is_pending = False  # flush() is due: see groups.py
        self.sent = 0  # bytes of output that the kernel has taken, or that were dropped
        self.reported = 0  # bytes of output that the last checkpoint told of
        self.backlog: bytearray | None = None  # what the kernel did not take yet
        self.blocked = False  # its send buffer is full
        self.sendq_reported = False  # it reads too slowly, and the broker has been told
        self.cut = False  # our side is shut: nothing more can be sent, and what was kept for it has been dropped
        self.inherited_backlog = 0  # bytes of the backlog that are our own doing
        self.closing = False

    def fileno(self) -> int:
        return self.sock.fileno()

    def read(self, allowed: int) -> list[WorkerRecord]:
        """Look at the input and cut up to `allowed` lines off it, as records.

        Sets `again` where there is more to look at than could be taken now: after an acknowledgement, or a pause.
        """
        self.again = False
        if self.finished:
            return []
        start = self.forwarded - self.consumed
        if start >= self.limits.window:
            self.again = True
            return []
        view = self.limits.view
        try:
            size = self.sock.recv_into(view, 0, socket.MSG_PEEK)
        except BlockingIOError:
            return []
        except OSError as error:
            gone = error.errno == errno.EBADF or not error.strerror  # EBADF: a stand-in for one that was lost
            return [self.end("Connection lost" if gone else str(error.strerror))]
        if size == 0:
            return [self.end("Connection closed")]
        ends_at_returns = self.dialect.ends_lines_at_returns
        if ends_at_returns and start < size:
            self._end_lines_at_returns(view, start, size)
        records: list[WorkerRecord] = []
        at, base, id, longest, window = start, self.consumed, self.id, self.limits.line, self.limits.window
        if not (self.begun or self.discarding):
            while at < size and at < window and len(records) < allowed:  # whole lines are most of what comes
                newline = view.find(b"\n", at, size)
                if newline < 0 or view[at] <= _CR or newline - at > longest:
                    break
                records.append(("line", id, base + newline + 1, bytes(view[at:newline])))
                at = newline + 1
        if at < size and at < window and len(records) < allowed:
            at = self._cut(view, at, size, allowed, records)
        if ends_at_returns and at:
            self.returned = view[at - 1] == _CR
        self.forwarded = self.consumed + at
        # A look ends at an urgent byte, though there is more (tcp(7)): once what is before it is taken, look again.
        is_cut_short = size == len(view) or (self.urgent and tcp_position.unread(self.sock) > size)
        self.again = is_cut_short or at >= self.limits.window or len(records) >= allowed
        if self.hung_up and not self.again:  # whole lines before the end count, a piece of one does not
            records.append(self.end("Connection closed"))
        self.seen = self.consumed + size
        return records

    def _end_lines_at_returns(self, view: bytearray, at: int, size: int) -> None:
        """In our copy each NUL behind a CR becomes the LF that it stands for."""
        if not view[at] and (view[at - 1] == _CR if at else self.returned):
            view[at] = _LF
        if view.find(_TELNET_RETURN, at, size) >= 0:
            view[at:size] = view[at:size].replace(_TELNET_RETURN, b"\r\n")

    def _cut(self, view: bytearray, at: int, size: int, allowed: int, records: list[WorkerRecord]) -> int:
        """Add to `records`, up to `allowed`, whatever lies in view[at:size]; returns how far they go."""
        base, id, longest, window = self.consumed, self.id, self.limits.line, self.limits.window
        while at < size and at < window and len(records) < allowed:
            is_start = not (self.begun or self.discarding)
            blank = _BLANK_LINES.match(view, at, size) if is_start and view[at] <= _CR else None
            newline = view.find(b"\n", at, size)
            end = size if newline < 0 else newline + 1
            if blank is not None:  # they mean nothing, and all together cost as much as one
                end = blank.end()
                records.append(("line", id, base + end, b""))
            elif self.discarding:
                records.append(("rest", id, base + end, newline >= 0))
                self.discarding = newline < 0
            elif self.begun + end - at > longest + (newline >= 0):  # the LF does not count
                records.append(("overlong", id, base + end, newline >= 0))
                self.begun, self.discarding = 0, newline < 0
            elif newline >= 0:
                records.append(("line", id, base + end, bytes(view[at:newline])))
                self.begun = 0
            else:
                # A piece of a line must not stay in the kernel, small as it is: the kernel goes on charging us for
                # all of the segment it came in, until there is no window left for the line's end (Linux 6.18).
                records.append(("part", id, base + end, bytes(view[at:size])))
                self.begun += size - at
                if not self.large_receive_buffer:
                    self._make_room(True)  # until it is acknowledged: of what may be a password, nothing is for now
            at = end
        return at

    def end(self, reason: str) -> Gone:
        """No more input will come: what the core should know."""
        self.finished = True
        return ("gone", self.id, reason)

    def acknowledge(self, end: int) -> None:
        """The broker has everything up to `end`: take it from the kernel.

        Of a line with a password it has only the beginning, or nothing, until the line is whole.
        """
        is_begun = self.begun > 0 and end < self.forwarded
        if self.large_receive_buffer != is_begun:
            self._make_room(is_begun)
        while self.consumed < end:
            try:
                taken = self.sock.recv_into(self.limits.view, min(end - self.consumed, len(self.limits.view)))
            except OSError:
                taken = 0
            if not taken:  # a reset has thrown the bytes away: there is nothing left to take
                self.consumed = end
                return
            self.consumed += taken

    def _make_room(self, is_needed: bool) -> None:
        """A piece of a line lies in the kernel, which charges us for all of the segment that it came in: then there
        must be a window besides, for the line's end (see _cut)."""
        self.large_receive_buffer = is_needed
        with suppress(OSError):  # it may have been reset
            size = _ROOMY_BYTES if is_needed else self.limits.receive_buffer
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)

    def unread(self) -> bool:
        """Does anything of it lie in the kernel that the broker has not heard of?"""
        try:
            return self.sock.recv_into(self.limits.view, len(self.limits.view), socket.MSG_PEEK) > (
                self.forwarded - self.consumed
            )
        except OSError:
            return False

    def flush(self) -> int:
        """Send what there is, in one call; returns how many bytes the kernel took."""
        if self.backlog is not None:
            return self._flush_backlog(self.backlog)
        to_send = self.to_send
        if not to_send:
            return 0
        data = to_send[0] if len(to_send) == 1 else b"".join(to_send)
        to_send.clear()
        try:
            sent = self.sock.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            sent = len(data)  # the client is gone; reading tells the rest
        self.sent += sent
        if sent < len(data):
            self.blocked = True
            self._keep(bytearray(memoryview(data)[sent:]))
        return sent

    def _flush_backlog(self, backlog: bytearray) -> int:
        """The client reads more slowly than others write: keep the order, and wait for room."""
        before = len(backlog)
        for piece in self.to_send:
            backlog += piece
        self.to_send.clear()
        sent = 0
        if not self.blocked:
            try:
                sent = self.sock.send(backlog)
            except BlockingIOError:
                pass
            except OSError:
                sent = len(backlog)
            del backlog[:sent]
            self.sent += sent
            self.blocked = bool(backlog)
        if not backlog:
            self.backlog, self.inherited_backlog = None, 0
        self.limits.backlogs.change(self, len(backlog) - before)
        return sent

    def _keep(self, backlog: bytearray) -> None:
        self.backlog = backlog
        self.limits.backlogs.change(self, len(backlog))

    def drop_output(self) -> None:
        """Wait no longer for this client to read: it finds the end of the stream behind what it has got.

        What is dropped counts as sent, as it does when the client is gone.
        """
        size, self.backlog, self.inherited_backlog, self.blocked = self.unsent, None, 0, False
        self.sent += size
        self.cut = True
        if size:
            self.limits.backlogs.change(self, -size)
        with suppress(OSError):  # the client was faster
            self.sock.shutdown(socket.SHUT_WR)

    def resume_input(self, accepted: int, begun: int, discarding: bool) -> None:
        """Go on behind `accepted`, the offset up to which the broker has accepted input; read() must follow.

        What was forwarded beyond it died with a broker or a worker. `begun`: how many bytes before it begin a line;
        `discarding`: it lies inside an overlong one.
        """
        self.forwarded, self.begun, self.discarding = max(accepted, self.consumed), begun, discarding
        self.finished = self.sendq_reported = False
        self.returned = begun > 0 or discarding  # it may have been; a NUL just here, and not behind a CR, is rarer
        self.limits.backlogs.stays(self)

    def resume_output(self, total: int, unsent: bytes) -> None:
        """Go on where a dead worker stopped, in the middle of a message or not.

        `total`: bytes ever put into its output as of the last checkpoint; `unsent`: the last of these, which the kernel
        had not taken then. `to_send` must hold all that came since, and this process must not have sent anything.
        Raises ValueError if the kernel has taken more than there was.
        """
        data = unsent + b"".join(self.to_send)
        self.to_send.clear()
        self.sent = total - len(unsent)
        taken = len(data)  # all had been sent or dropped, or the client is gone
        if self.fileno() < 0:
            pass  # a stand-in for a socket that is lost
        elif tcp_position.has_finished(self.sock):
            self.cut = not tcp_position.is_over(self.sock)
        else:
            taken = tcp_position.written(self.sock) - self.sent
        if not 0 <= taken <= len(data):
            raise ValueError(f"connection {self.id}: the kernel has taken {taken} bytes of {len(data)}")
        self.sent += taken
        if taken < len(data):
            self._keep(bytearray(data[taken:]))
        self.inherited_backlog = self.unsent  # it grew while there was no worker to send it

    @property
    def peer_port(self) -> int:
        """The client's; 0 if it is gone."""
        try:
            return int(self.sock.getpeername()[1])
        except OSError:
            return 0

    @property
    def unsent(self) -> int:
        """Bytes that the kernel has not taken yet, as of the last flush()."""
        return len(self.backlog) if self.backlog is not None else 0

    @property
    def overdue(self) -> bool:
        """Is it further behind than a client may be?"""
        return self.unsent > self.limits.sendq + self.inherited_backlog and not (self.sendq_reported or self.closing)
