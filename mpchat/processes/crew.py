"""The crew: the supervisor's children by role, how each is started, and who is connected to whom.

    worker -- lane (two queues) -- broker         worker -- link (a Unix socket) -- acceptor -- listening sockets
    recorder -- link -- broker

To spawn a process takes a tenth of a second: an interpreter, and all its imports. So there is always a spare, which has
that behind it and waits to be told what it is. Whoever takes a dead one's place gets a new lane or link to each that
worked with it, while those are running (wiring.py).
"""

import selectors
import socket
import time
from collections.abc import Callable
from multiprocessing import get_context, resource_tracker
from typing import Any

from mpchat.ipc.board import BROKER_ROW, FIRST_WORKER_ROW, Board, row_of
from mpchat.ipc.wakeup import Signals
from mpchat.processes import child
from mpchat.processes.child import SPARE, Child
from mpchat.processes.wiring import Wiring
from mpchat.settings import Settings
from mpchat.store.directory import DataFolder

_START_SECONDS = 30.0  # an interpreter and its imports may take so long: killed sooner, on a slow machine none arrives


class Crew:
    """`hear` and `bury` are called with a child that has said something, or has died."""

    def __init__(
        self,
        settings: Settings,
        selector: selectors.BaseSelector,
        signals: Signals,
        listeners: list[tuple[socket.socket, bool]],
        hear: Callable[[Child], None],
        bury: Callable[[Child], None],
        data: DataFolder | None,
    ) -> None:
        self.data = data  # goes to who writes there, and to nobody else: with it goes its lock
        self.settings, self.selector, self.signals, self.listeners = settings, selector, signals, listeners
        self.hear, self.bury = hear, bury
        self.children: dict[str, Child] = {}
        self.wiring = Wiring()
        self.board = Board.make(FIRST_WORKER_ROW + settings.workers)
        self.workers = [f"worker{number}" for number in range(settings.workers)]
        self.recorders = ["recorder"] if settings.data else []
        self.is_first = True  # no broker has begun this run yet
        self.acceptors = 0  # there have been
        self.died_at = 0  # place of the record that the last broker was replaying when it died

    def start(self) -> None:
        for role in ("broker", *self.workers, "acceptor", *self.recorders):
            self.spawn(role)
        for role in ("broker", "acceptor"):
            self.wire(role)

    @property
    def ready(self) -> bool:
        """Everybody is there and at work; a spare does not count."""
        return all(each.ready for each in self.children.values() if each.role != SPARE)

    def replace(self, role: str) -> None:
        """Somebody takes the place of one that has died."""
        self.spawn(role)
        self.wire(role)

    def spawn(self, role: str) -> None:
        args: tuple[Any, ...] = ()
        if role == "broker":
            args = self.data, self.is_first, self.skip()
        elif role == "recorder":
            args = (self.data,)
        elif role == "acceptor":
            self.acceptors += 1
            args = self.listeners, self.acceptors
        elif role in self.workers:
            args = (self.workers.index(role),)
        self.board.begin(row_of(role))
        each = self.children.pop(SPARE, None) or self.stand_by()
        each.be(role, *args)
        self.children[role] = each

    def refill(self) -> None:
        """Have a spare again; not while somebody is still on the way to work, who needs the CPU more."""
        if SPARE not in self.children and self.ready:
            self.children[SPARE] = self.stand_by()

    def stand_by(self) -> Child:
        resource_tracker.ensure_running()  # not in the middle of spawning: it lets go of signals that are held
        self.signals.hold()
        self.board.begin(row_of(SPARE))
        each = child.spawn(get_context("spawn"), self.settings, self.board)
        self.signals.let_go()
        self.selector.register(each.link, selectors.EVENT_READ, lambda: self.hear(each))
        self.selector.register(each.process.sentinel, selectors.EVENT_READ, lambda: self.bury(each))
        return each

    def wire(self, role: str) -> None:
        """Connect a new process to all that work with it."""
        children = self.children
        for number, name in enumerate(self.workers):
            if role in ("broker", name):
                self.wiring.lane(children[name], children["broker"], number)
            if role in ("acceptor", name):
                self.wiring.link(children[name], children["acceptor"], number)
        if role in ("broker", *self.recorders) and self.recorders:
            self.wiring.link(children["recorder"], children["broker"])

    def last_beat(self, each: Child, is_new: bool) -> float:
        """When it last turned its loop, in monotonic seconds; `is_new`: let that be now."""
        is_coming = not each.here and time.monotonic() - each.started < _START_SECONDS
        if is_new or is_coming:
            self.board.beat(row_of(each.role))
        return self.board.last_beat(row_of(each.role))

    def describe(self) -> list[dict[str, Any]]:
        """Who they are, and what they say on the board; and multiprocessing's own process."""
        rows: list[dict[str, Any]] = []
        for role, each in self.children.items():
            counters = {} if role == SPARE else self.board.read(row_of(role))
            ready = each.here if role == SPARE else each.ready
            rows.append({"role": role, "pid": each.process.pid, "ready": ready, **counters})
        rows.append({"role": "resource_tracker", "pid": getattr(resource_tracker._resource_tracker, "_pid", None)})
        return rows

    def skip(self) -> int:
        """The place of the record that the next broker must leave out: two before it died there while replaying."""
        last, self.died_at = self.died_at, self.board.read(BROKER_ROW)["position"]
        return self.died_at if self.died_at == last else 0

    def remove(self, each: Child) -> None:
        """It is dead, and has been heard to the end."""
        each.link.close()
        self.wiring.gone(each)
        if each.role == "broker" and each.ready:
            self.is_first = False
        del self.children[each.role]

    def tell(self, role: str, *message: str) -> None:
        if role in self.children:
            self.children[role].link.post(*message)

    def kill(self) -> None:
        for each in self.children.values():
            each.process.kill()
