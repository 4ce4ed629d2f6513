"""Queue passing: a multiprocessing.Queue for a process that is already running.

multiprocessing gives queues to a child only while it is being spawned: it pickles them, and what cannot be pickled, the
pipes' file descriptors, it leaves to whatever is spawning (multiprocessing.reduction.DupFd). Here that is a collector:
it gathers the descriptors, which then travel over a link (SCM_RIGHTS), and the receiver puts them back in. The
semaphores travel by name, so the maker of the queue must keep it until the receiver has loaded it.

This leans on how multiprocessing pickles a queue: tests/ipc/test_queue_passing.py holds for each CPython from 3.10 to
3.14 that the machine has. (queue_transport.py uses a queue's own pipe and semaphore; resource_tracker.py the process of
multiprocessing's that comes with them. tests/ipc/private_parts.py names all of it.)
"""

import pickle
from multiprocessing import context, reduction
from typing import Any, ClassVar


class _Descriptor:
    """Stands in the pickle for the n-th file descriptor."""

    fds: ClassVar[list[int]] = []  # of the pickle that is being loaded

    def __init__(self, number: int) -> None:
        self._number = number

    def detach(self) -> int:
        return self.fds[self._number]


class _Collector:
    """What multiprocessing takes for the process that is being spawned."""

    DupFd = _Descriptor

    def __init__(self) -> None:
        self.fds: list[int] = []

    def duplicate_for_child(self, fd: int) -> int:
        self.fds.append(fd)
        return len(self.fds) - 1


def dump(content: Any) -> tuple[bytes, tuple[int, ...]]:
    """The pickle of something with queues in it, and the descriptors to send along; they stay the caller's."""
    collector = _Collector()
    context.set_spawning_popen(collector)  # type: ignore[arg-type]
    try:
        data = bytes(reduction.ForkingPickler.dumps(content))
    finally:
        context.set_spawning_popen(None)
    return data, tuple(collector.fds)


def load(data: bytes, fds: list[int]) -> Any:
    """The inverse of dump(), in another process: `fds` are the descriptors that came with it, in their order.

    This unpickles anything, so `data` must come from our own parent, and never hold a client's bytes.
    """
    _Descriptor.fds = fds
    try:
        return pickle.loads(data)
    finally:
        _Descriptor.fds = []
