"""Waiting for many file descriptors, told once about each change.

A worker leaves what it has read in the kernel until the broker has it (MSG_PEEK). To a level-triggered selector such a
socket stays readable, and the loop would spin. Edge-triggered epoll(7) tells of new bytes only. Where there is no
epoll, OneShotPoller gets the same from any selector and SO_RCVLOWAT.
"""

import os
import select
import selectors
import socket
import sys
from typing import Literal, Protocol, cast


class Source(Protocol):
    """Anything with a file descriptor."""

    def fileno(self) -> int: ...


class Stream(Source, Protocol):
    """A client's socket. The poller sets `urgent` when the kernel reports urgent data; it stays set."""

    urgent: bool


Event = tuple[Source, bool, bool, bool]  # the source, readable (or at its end), writable, the peer has closed

_UNREAD_MOST = 8192  # SO_RCVLOWAT is clamped to half the receive buffer: with more unread, wait for it to be taken

# The first byte of tcp_info is the connection's state (tcp(7)). In these the peer has closed: CLOSE_WAIT, CLOSING,
# LAST_ACK, TIME_WAIT, CLOSED (Linux numbers them otherwise than the BSDs and macOS).
_TCP_INFO = getattr(socket, "TCP_INFO", 0x106)  # 0x106: macOS's TCP_CONNECTION_INFO
_CLOSED_THERE = (8, 11, 9, 6, 7) if sys.platform.startswith("linux") else (5, 7, 8, 10, 0)

if hasattr(select, "epoll"):
    _IN, _OUT, _URGENT = select.EPOLLIN, select.EPOLLOUT, select.EPOLLPRI
    _HUNG_UP = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
    _EDGE = select.EPOLLET | _OUT | select.EPOLLRDHUP | _URGENT


class EdgePoller:
    """epoll(7): edge-triggered for streams (client sockets), level-triggered for everything else."""

    one_shot: Literal[False] = False  # an edge is told of each time: there is nothing to rearm

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._sources: dict[int, Source] = {}
        self._outputs: dict[int, int] = {}  # by a source's descriptor: another one, of its output, that is waited for
        self._writers: dict[int, Source] = {}  # by that of an output: the source

    def watch(self, source: Source, stream: bool = False) -> None:
        """Wait for `source` to be readable. A stream is edge-triggered, and waited for both ways."""
        self._sources[source.fileno()] = source
        self._epoll.register(source.fileno(), _IN | _EDGE if stream else _IN)

    def want_write(self, source: Source, wanted: bool, output: int | None = None) -> None:
        """For a source that is not a stream: report also that it, or `output`, to which it writes, is writable."""
        fd = source.fileno()
        if output is None or output == fd:
            self._epoll.modify(fd, _IN | _OUT if wanted else _IN)
        elif wanted and fd not in self._outputs:
            self._epoll.register(output, _OUT)
            self._outputs[fd], self._writers[output] = output, source
        elif not wanted:
            self._forget_output(fd)

    def _forget_output(self, fd: int) -> None:
        output = self._outputs.pop(fd, None)
        if output is not None:
            self._epoll.unregister(output)
            del self._writers[output]

    def forget(self, source: Source) -> None:
        """To be called before the source is closed: epoll reports a closed one while another process has the file."""
        fd = source.fileno()
        self._epoll.unregister(fd)
        del self._sources[fd]
        self._forget_output(fd)

    def wait(self, timeout: float | None) -> list[Event]:
        """Block for `timeout` seconds at most, None: until something happens."""
        events: list[Event] = []
        for fd, mask in self._epoll.poll(-1 if timeout is None else max(0.0, timeout)):
            source = self._sources.get(fd)
            if source is None:
                if fd in self._writers:  # an error there, too, concerns the writer: flush() meets EPIPE
                    events.append((self._writers[fd], False, True, False))
            elif mask & ~(_IN | _OUT):
                if mask & _URGENT:  # only streams are watched for it
                    cast(Stream, source).urgent = True
                events.append((source, mask != _OUT, mask & _OUT != 0, mask & _HUNG_UP != 0))
            else:
                events.append((source, mask != _OUT, mask >= _OUT, False))
        return events


class OneShotPoller:
    """The same interface on poll, kqueue or select, for three system calls more for each event of a stream.

    After an event a stream is not watched until rearm(). SO_RCVLOWAT then hides the bytes that were reported already.
    """

    one_shot: Literal[True] = True

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._streams: set[int] = set()
        self._resting: dict[int, Source] = {}
        self._outputs: dict[int, int] = {}

    def watch(self, source: Source, stream: bool = False) -> None:
        if stream:
            self._streams.add(source.fileno())
        self._selector.register(source.fileno(), selectors.EVENT_READ, source)

    def want_write(self, source: Source, wanted: bool, output: int | None = None) -> None:
        fd = source.fileno()
        if output is None or output == fd:
            self._selector.modify(fd, selectors.EVENT_READ | (selectors.EVENT_WRITE if wanted else 0), source)
        elif wanted and fd not in self._outputs:
            self._selector.register(output, selectors.EVENT_WRITE, source)
            self._outputs[fd] = output
        elif not wanted:
            self._forget_output(fd)

    def _forget_output(self, fd: int) -> None:
        output = self._outputs.pop(fd, None)
        if output is not None:
            self._selector.unregister(output)

    def rearm(self, sock: socket.socket, write: bool, unread: int) -> None:
        fd = sock.fileno()
        if fd < 0:
            return  # a closed socket stands for a connection that was lost in a takeover
        events = (selectors.EVENT_READ if unread < _UNREAD_MOST else 0) | (selectors.EVENT_WRITE if write else 0)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, unread + 1)
        source = self._rest(fd)
        if events:
            self._selector.register(fd, events, source)
            del self._resting[fd]

    def _rest(self, fd: int) -> Source:
        if fd not in self._resting:
            self._resting[fd] = self._selector.unregister(fd).data
        return self._resting[fd]

    def forget(self, source: Source) -> None:
        fd = source.fileno()
        if self._resting.pop(fd, None) is None:
            self._selector.unregister(fd)
        self._streams.discard(fd)
        self._forget_output(fd)

    def wait(self, timeout: float | None) -> list[Event]:
        events: list[Event] = []
        for key, mask in self._selector.select(timeout):
            readable, hung_up = bool(mask & selectors.EVENT_READ), False
            if key.fd in self._streams:
                hung_up = readable and _has_closed(key.fd)
                self._rest(key.fd)
            events.append((key.data, readable, bool(mask & selectors.EVENT_WRITE), hung_up))
        return events


def _has_closed(fd: int) -> bool:
    """Whether the peer has closed: unread bytes in front of the end hide it from recv(2).

    A wake-up without a new byte does not prove it: the kernel ignores SO_RCVLOWAT while the window is nearly full.
    """
    with socket.socket(fileno=os.dup(fd)) as copy:
        return copy.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, 1)[0] in _CLOSED_THERE


AnyPoller = EdgePoller | OneShotPoller
Poller = EdgePoller if hasattr(select, "epoll") else OneShotPoller
