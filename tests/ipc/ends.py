"""Ends of transports, as their owners use them: a loop that waits for both directions, and both ends in one process."""

from __future__ import annotations

import os
import select
from typing import Any

from mpchat.ipc import queue_transport
from mpchat.ipc.transport import Transport, TransportPair, dump_pair, load_pair

PATIENCE = 10.0


def turn(*ends: Transport[Any]) -> list[list[Any]]:
    """Wait until something can be done, do it, and return the messages that each of these has taken."""
    writers = [fd for end in ends if end.unsent and (fd := end.write_fileno()) is not None]
    readable, writable, _ = select.select(ends, writers, [], PATIENCE)
    assert readable or writable, "nothing came, and there is no room"
    for end in ends:
        if end.write_fileno() in writable:
            end.flush()
    return [end.take() if end in readable else [] for end in ends]


def both_ends(pair: TransportPair) -> tuple[Transport[Any], Transport[Any]]:
    """The worker's and the broker's, both opened in this process; the maker has let go."""
    data, fds = dump_pair(pair)
    worker = load_pair(data, [os.dup(fd) for fd in fds]).at_worker()
    broker = load_pair(data, [os.dup(fd) for fd in fds]).at_broker()
    pair.let_go()
    return worker, broker


def write(end: Transport[Any], data: bytes, frames: int = 0) -> None:
    """Write these bytes, of so many whole frames, where put() would write."""
    fd = end.write_fileno()
    if isinstance(end, queue_transport.End):
        fd = end._sink._writer.fileno()
        for _ in range(frames):
            end._sink._sem.acquire()  # as put() does
    assert fd is not None
    assert os.write(fd, data) == len(data)


def close(end: Transport[Any]) -> None:
    """Close it, and wait until no thread of it has the descriptor open any more."""
    end.close()
    if isinstance(end, queue_transport.End):
        end._sink._thread.join(PATIENCE)
        assert not end._sink._thread.is_alive()
