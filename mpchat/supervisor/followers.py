"""Followers: those at the control socket to whom the server goes on telling, in lines of JSON: snapshots and events.

The supervisor never waits for one. What a follower's socket does not take is kept, up to BACKLOG_BYTES; one that is
further behind is dropped, and reads the end of file.
"""

import json
import selectors
import socket
from collections.abc import Iterator

from mpchat.messages import TraceWanted

MOST_FOLLOWERS = 8
BACKLOG_BYTES = 1 << 16
_IGNORED_BYTES = 4096  # a follower has nothing more to say: only its end matters


def line(facts: dict[str, object]) -> bytes:
    return json.dumps(facts).encode() + b"\n"


class Follower:
    """`watches`: it gets snapshots, besides events. `trace`: what it wants to have traced."""

    def __init__(self, sock: socket.socket, watches: bool = False, trace: TraceWanted | None = None) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._backlog = bytearray()
        self.watches, self.trace = watches, trace
        self.ended = False  # it has left, or was too slow

    def fileno(self) -> int:
        return self._sock.fileno()

    @property
    def is_behind(self) -> bool:
        return bool(self._backlog)

    def say(self, data: bytes, fds: tuple[int, ...] = ()) -> None:
        """Whole lines. Descriptors may go with the first data of all, for which there is room."""
        if fds:
            try:
                data = data[socket.send_fds(self._sock, [data], fds) :]
            except OSError:  # it has left; or the descriptor cannot be passed, and without it the rest says nothing
                self.ended = True
                return
        self._backlog += data
        self.flush()

    def flush(self) -> None:
        try:
            del self._backlog[: self._sock.send(self._backlog)]
        except BlockingIOError:
            pass  # there is no room now
        except OSError:
            self.ended = True  # it has left, or the kernel has no memory for it: it may ask again
        self.ended |= len(self._backlog) > BACKLOG_BYTES

    def listen(self) -> None:
        """Notice its end."""
        try:
            self.ended |= not self._sock.recv(_IGNORED_BYTES)
        except BlockingIOError:
            pass
        except OSError:
            self.ended = True

    def close(self) -> None:
        self._sock.close()


class Followers:
    """All of them. The supervisor's selector watches each."""

    def __init__(self, selector: selectors.BaseSelector) -> None:
        self._selector = selector
        self._all: list[Follower] = []
        self._writable: set[Follower] = set()  # those that are watched for room, too

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Follower]:
        return iter(self._all)

    @property
    def has_watchers(self) -> bool:
        """Does anybody want snapshots?"""
        return any(each.watches for each in self._all)

    @property
    def traces(self) -> tuple[TraceWanted, ...]:
        return tuple(each.trace for each in self._all if each.trace is not None)

    def add(self, follower: Follower) -> None:
        """It is closed here, when it ends."""
        try:
            self._selector.register(follower, selectors.EVENT_READ, lambda: self._on_event(follower))
        except OSError:  # the kernel has no room to watch one more (epoll_ctl(2))
            follower.close()
            return
        self._all.append(follower)
        self._see_to(follower)

    def say(self, follower: Follower, data: bytes, fds: tuple[int, ...]) -> None:
        """To one that was added, as the first it reads."""
        follower.say(data, fds)
        self._see_to(follower)

    def tell(self, data: bytes, watchers_only: bool = False) -> None:
        for each in list(self._all):
            if each.watches or not watchers_only:
                each.say(data)
                self._see_to(each)

    def _on_event(self, follower: Follower) -> None:
        if follower not in self._all:  # it was dropped in this very turn of the loop
            return
        follower.listen()
        follower.flush()
        self._see_to(follower)

    def _see_to(self, follower: Follower) -> None:
        """After something was sent to it, or has come."""
        if follower.ended:
            self._selector.unregister(follower)
            self._all.remove(follower)
            self._writable.discard(follower)
            follower.close()
        elif follower.is_behind != (follower in self._writable):
            self._writable ^= {follower}
            write = selectors.EVENT_WRITE if follower.is_behind else 0
            key = self._selector.get_key(follower)
            self._selector.modify(follower, selectors.EVENT_READ | write, key.data)

    def close(self) -> None:
        for each in self._all:
            each.close()
