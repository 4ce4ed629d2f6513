"""The wiring: the supervisor makes what two children share, passes each its end, and keeps none.

    worker -- transport (--ipc) -- broker         worker -- link (a Unix socket) -- acceptor
    recorder -- link -- broker            front -- link -- acceptor
    authenticator -- link -- broker

No transport or link is used again after a death at either end: its successor would read a half-written frame, and a
lock that the dead process held would never be released. Both ends get a new one, while they are running
(ipc/transport.py).
"""

from mpchat.ipc.link import Link
from mpchat.ipc.transport import TransportPair, dump_pair, find
from mpchat.messages import NewLink, NewPeer, WorkerNumber
from mpchat.supervisor.child import Child


class Wiring:
    """The transports that are on their way. A queue's semaphores travel by name: the supervisor keeps the transport,
    and with it the names, until both ends have opened it.
    """

    def __init__(self, ipc: str) -> None:
        """`ipc`: which transport to make, as transport.find() takes it."""
        self._pair_class = find(ipc)
        self._last = 0  # serial number
        self._transports: dict[int, TransportPair] = {}  # by serial number
        self._unopened: dict[int, list[Child]] = {}  # by serial number: the ends that have not opened it yet

    def transport(self, worker: Child, broker: Child, number: WorkerNumber) -> None:
        """Raises OSError if the system has no room for another; one end must then be replaced."""
        pair = self._pair_class.make()
        try:
            pickled, fds = dump_pair(pair)
            self._last += 1
            worker.link.post(("transport", self._last, pickled), fds=fds)
            broker.link.post(("transport", number, self._last, pickled), fds=fds)
        except OSError:
            pair.let_go()
            raise
        self._transports[self._last], self._unopened[self._last] = pair, [worker, broker]

    def link(self, one: Child, other: Child, peer: NewPeer, told: NewPeer | NewLink) -> None:
        """Connect a worker or the front to the acceptor, or recorder or authenticator to the broker: `peer` tells the
        one what the other is, and `told` tells the other which one it is. Raises OSError like transport().
        """
        ours, theirs = Link.pair()
        with ours, theirs:
            one.link.post(peer, fds=(ours.fileno(),))
            other.link.post(told, fds=(theirs.fileno(),))

    def opened(self, child: Child, serial: int) -> None:
        """The child has opened this transport. When both have, the supervisor drops it, with the semaphores' names."""
        if child not in self._unopened.get(serial, []):
            return  # the other end could not be passed on, and the transport was given up
        self._unopened[serial].remove(child)
        if not self._unopened[serial]:
            del self._unopened[serial]
            self._transports.pop(serial).let_go()

    def gone(self, child: Child) -> None:
        """The child is dead, and will open nothing."""
        for serial in [serial for serial, children in self._unopened.items() if child in children]:
            self.opened(child, serial)

    def clear(self) -> None:
        """All children are dead."""
        while self._transports:
            self._transports.popitem()[1].let_go()
