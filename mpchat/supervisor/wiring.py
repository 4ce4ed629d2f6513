"""Who is connected to whom. The supervisor makes what two processes share, hands each its end, and keeps none of it.

    worker -- transport (--ipc) -- broker         worker -- link (a Unix socket) -- acceptor
    recorder -- link -- broker

No transport or link is used again after a death at either end: what was half written in it would be read by the
successor, and a lock that the dead process held would never be free. Both ends get a new one, while they are running
(ipc/transport.py).
"""

from mpchat.ipc.link import Link
from mpchat.ipc.transport import TransportPair, dump_pair, find
from mpchat.supervisor.child import Child


class Wiring:
    """The supervisor's."""

    def __init__(self, ipc: str) -> None:
        """`ipc`: which transport to make, as transport.find() takes it."""
        self._pair_class = find(ipc)
        self._last = 0
        self._lanes: dict[int, TransportPair] = {}  # by serial number, until both ends have opened them
        self._unopened: dict[int, list[Child]] = {}  # who has not opened it yet

    def transport(self, worker: Child, broker: Child, number: int) -> None:
        """Raises OSError where the system has no room for another: then one end is to be replaced."""
        pair = self._pair_class.make()
        try:
            pickled, fds = dump_pair(pair)
            self._last += 1
            worker.link.post("transport", self._last, pickled, fds=fds)
            broker.link.post("transport", number, self._last, pickled, fds=fds)
        except OSError:
            pair.let_go()
            raise
        self._lanes[self._last], self._unopened[self._last] = pair, [worker, broker]

    def link(self, one: Child, other: Child, number: int = 0) -> None:
        """Each is told what the other is; the other, which number the one has. Raises OSError like transport()."""
        ours, theirs = Link.pair()
        with ours, theirs:
            one.link.post(other.role, fds=(ours.fileno(),))
            other.link.post("link", number, fds=(theirs.fileno(),))

    def opened(self, child: Child, serial: int) -> None:
        """It has opened this lane. With the last of the two our own copy goes, and the semaphores' names with it."""
        if child not in self._unopened.get(serial, []):
            return  # the lane's other end could not be handed over, and it was given up
        self._unopened[serial].remove(child)
        if not self._unopened[serial]:
            del self._unopened[serial]
            self._lanes.pop(serial).let_go()

    def gone(self, child: Child) -> None:
        """It is dead, and opens nothing any more."""
        for serial in [serial for serial, children in self._unopened.items() if child in children]:
            self.opened(child, serial)

    def clear(self) -> None:
        """All children are dead."""
        while self._lanes:
            self._lanes.popitem()[1].let_go()
