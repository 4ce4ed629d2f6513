"""Mailing: a multiprocessing.Queue for a process that is already running.

multiprocessing gives queues to a child only while it is being spawned: it pickles them, and what cannot be pickled, the
pipes' file descriptors, it leaves to whoever is spawning. Here that is an envelope: it collects the descriptors, which
then travel over a link (SCM_RIGHTS), and the other side puts them back in. The semaphores travel by name, so whoever
made the queue must keep it until the receiver has opened it.

It leans on how multiprocessing pickles a queue: tests/ipc/test_mailing.py holds for each CPython from 3.10 to 3.14 that
the machine has. (lane.py uses a queue's own pipe and semaphore; tracker.py the process of multiprocessing's that comes
with them. tests/ipc/private_parts.py names all of it.)
"""

import pickle
from multiprocessing import context, reduction
from typing import Any, ClassVar


class _Place:
    """Stands in the pickle for the n-th descriptor."""

    fds: ClassVar[list[int]] = []  # of the letter that is being opened

    def __init__(self, number: int) -> None:
        self._number = number

    def detach(self) -> int:
        return self.fds[self._number]


class _Envelope:
    """What multiprocessing takes for the process that is being spawned."""

    DupFd = _Place

    def __init__(self) -> None:
        self.fds: list[int] = []

    def duplicate_for_child(self, fd: int) -> int:
        self.fds.append(fd)
        return len(self.fds) - 1


def letter(content: Any) -> tuple[bytes, tuple[int, ...]]:
    """The pickle of something with queues in it, and the descriptors to send along; they stay the caller's."""
    envelope = _Envelope()
    context.set_spawning_popen(envelope)  # type: ignore[arg-type]
    try:
        data = bytes(reduction.ForkingPickler.dumps(content))
    finally:
        context.set_spawning_popen(None)
    return data, tuple(envelope.fds)


def opened(data: bytes, fds: list[int]) -> Any:
    """The content of a letter from our own parent: this unpickles anything, so never give it a client's bytes."""
    _Place.fds = fds
    try:
        return pickle.loads(data)
    finally:
        _Place.fds = []
