"""Who is connected to whom. The supervisor makes what two processes share, hands each its end, and keeps none of it.

    worker -- lane (two queues) -- broker         worker -- link (a Unix socket) -- acceptor
    recorder -- link -- broker

No lane or link is used again after a death at either end: what was half written in it would be read by somebody else,
and a lock that the dead one held would never be free. Both get a new one, while they are running (ipc/mailing.py).
"""

from multiprocessing import get_context

from mpchat.ipc import mailing
from mpchat.ipc.handoff import Link
from mpchat.ipc.lane import Lane
from mpchat.processes.child import Child


class Wiring:
    """The supervisor's."""

    def __init__(self) -> None:
        self._last = 0
        self._lanes: dict[int, Lane] = {}  # by serial number, until both ends have opened them
        self._unopened: dict[int, list[Child]] = {}  # who has not opened it yet

    def lane(self, worker: Child, broker: Child, number: int) -> None:
        self._last += 1
        lane = self._lanes[self._last] = Lane.make(get_context("spawn"))
        self._unopened[self._last] = [worker, broker]
        letter, fds = mailing.letter(lane)
        worker.link.post("lane", self._last, letter, fds=fds)
        broker.link.post("lane", number, self._last, letter, fds=fds)

    def link(self, one: Child, other: Child, number: int = 0) -> None:
        """Each is told what the other is; the other, which number the one has."""
        ours, theirs = Link.pair()
        one.link.post(other.role, fds=(ours.fileno(),))
        other.link.post("link", number, fds=(theirs.fileno(),))
        ours.close()
        theirs.close()

    def opened(self, child: Child, serial: int) -> None:
        """It has opened this lane. With the last of the two our own copy goes, and the semaphores' names with it."""
        self._unopened[serial].remove(child)
        if not self._unopened[serial]:
            del self._unopened[serial]
            self._lanes.pop(serial).let_go()

    def gone(self, child: Child) -> None:
        """It is dead, and opens nothing any more."""
        for serial in [serial for serial, children in self._unopened.items() if child in children]:
            self.opened(child, serial)
