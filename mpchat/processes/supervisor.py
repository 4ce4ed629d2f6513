"""The supervisor: the parent of all. It opens the listening sockets, makes the queues, starts and watches the others.

It waits for signals, for its children's deaths (Process.sentinel), for what they report, and for the control socket.
It reads nothing a client sends, and never puts to a queue: that would start a thread in it.

    Ctrl-C, SIGTERM, SIGHUP   stop accepting -> everybody is told -> flushed -> exit 0
    a child dies              today the whole server ends and names it, exit 1
    it dies itself            its children find the end of their control links, and leave
"""

import os
import selectors
import signal
import sys
import time
from dataclasses import dataclass, field
from multiprocessing import get_context, resource_tracker
from pathlib import Path
from typing import Any

from mpchat.ipc.board import FIRST_WORKER_ROW, Board, row_of
from mpchat.ipc.control_socket import ControlSocket
from mpchat.ipc.handoff import Link
from mpchat.ipc.lane import Lane
from mpchat.ipc.wakeup import Signals
from mpchat.net.listening import listen
from mpchat.processes import acceptor, broker, child, worker
from mpchat.processes.child import Child
from mpchat.processes.log import Log
from mpchat.settings import Settings
from mpchat.store.directory import claim

STOPPED = 0
FAILED = 1


@dataclass
class Supervisor:
    """One server. run() returns its exit status."""

    settings: Settings
    runtime: Path  # folder of the control socket
    children: list[Child] = field(default_factory=list)
    lanes: list[Lane] = field(default_factory=list)
    stopping: str = ""  # why, once we do
    deadline: float | None = None  # monotonic: when those that have not stopped are killed
    killing: bool = False  # nobody is waited for any more
    status: int = STOPPED

    def run(self) -> int:
        self.log = Log("supervisor", self.settings.log_level, self.settings.log_json)
        if self.settings.data:
            self.lock = claim(Path(self.settings.data))  # held until the process ends
        self.listeners = [(listen(self.settings, self.settings.port), False)]
        if self.settings.plain_port is not None:
            self.listeners.append((listen(self.settings, self.settings.plain_port), True))
        self.ports = [sock.getsockname()[1] for sock, _ in self.listeners]
        self.control = ControlSocket(self.runtime / f"{self.ports[0]}.sock")
        self.signals = Signals(*child.STOP_SIGNALS)
        try:
            self.start()
            self.watch()
        finally:
            for each in self.children:
                each.process.kill()
                each.process.join()
            self.control.close()
            self.signals.close()
        return self.status

    def start(self) -> None:
        """Make everything that two children share, give each its part, and keep none of it."""
        child.take_name("mpchat:super")
        self.signals.hold()
        count = self.settings.workers
        self.board = Board.make(FIRST_WORKER_ROW + count)
        self.lanes = [Lane.make(get_context("spawn")) for _ in range(count)]
        self.signals.hold()  # again: the first queue has started multiprocessing's resource_tracker, which lets some go
        links = [Link.pair() for _ in range(count)]
        self.spawn("broker", broker.main, self.lanes, self.board)
        for number in range(count):
            self.spawn(f"worker{number}", worker.main, number, self.lanes[number], links[number][0], self.board)
        self.spawn("acceptor", acceptor.main, self.listeners, [link for _, link in links], self.board)
        for pair in links:
            pair[0].close()
            pair[1].close()
        self.signals.let_go()

    def spawn(self, role: str, main: child.Main, *args: Any) -> None:
        self.children.append(child.spawn(get_context("spawn"), role, main, self.settings, *args))

    def watch(self) -> None:
        """Until the last child has ended."""
        with selectors.DefaultSelector() as selector:
            selector.register(self.signals, selectors.EVENT_READ, self.take_signals)
            selector.register(self.control, selectors.EVENT_READ, lambda: self.control.answer(self.describe()))
            for each in self.children:
                selector.register(each.link, selectors.EVENT_READ, lambda each=each: self.hear(selector, each))
                selector.register(
                    each.process.sentinel, selectors.EVENT_READ, lambda each=each: self.bury(selector, each)
                )
            while self.children:
                timeout = None if self.deadline is None else max(0.0, self.deadline - time.monotonic())
                ready = selector.select(timeout)
                # Signals first: who was told to stop together with us has not died unexpectedly.
                for key, _ in sorted(ready, key=lambda event: event[0].fd != self.signals.fileno()):
                    key.data()
                if self.deadline is not None and time.monotonic() >= self.deadline:
                    self.kill_the_rest()

    def take_signals(self) -> None:
        for _ in self.signals.take():
            if self.stopping:
                self.deadline = time.monotonic()  # asked twice: at once, then
            else:
                self.stop("Server shutting down")

    def hear(self, selector: selectors.BaseSelector, each: Child) -> None:
        """A child has said that it is ready, or has closed its end in dying."""
        if each.link.ended:
            return
        if each.link.take():
            each.ready = True
            if all(other.ready for other in self.children):
                self.let_go()
                if not self.stopping:
                    self.announce()
        if each.link.ended:
            selector.unregister(each.link)
            each.link.close()

    def let_go(self) -> None:
        """Every child has opened what it was given: our own copies can go, and the semaphores' names with them."""
        for lane in self.lanes:
            lane.let_go()
        self.lanes.clear()
        for sock, _ in self.listeners:
            sock.close()

    def announce(self) -> None:
        host = f"[{self.settings.host}]" if ":" in self.settings.host else self.settings.host
        plain = f"{host}:{self.ports[1]}" if len(self.ports) > 1 else "none"
        sys.stdout.write(f"mpchat ready: irc {host}:{self.ports[0]}, plain {plain}, pid {os.getpid()}\n")
        sys.stdout.flush()

    def bury(self, selector: selectors.BaseSelector, each: Child) -> None:
        """A child has ended. In a stop each does, in this order: acceptor, workers, broker."""
        selector.unregister(each.process.sentinel)
        each.process.join()
        while not each.link.ended:
            self.hear(selector, each)
        self.children.remove(each)
        if self.killing:
            return
        if self.stopping and each.process.exitcode in (0, -signal.SIGTERM):
            if each.role == "acceptor":
                self.tell("broker", "stop", self.stopping)
            return
        self.status = FAILED
        self.log.error("process died", dead=each.role, was=each.process.pid, how=each.how_it_ended)
        who = f"the {each.role} process (pid {each.process.pid})"
        sys.stderr.write(f"mpchat: {who} {each.how_it_ended}; the server ends\n")
        if each.role == "broker" or self.stopping:
            self.kill_the_rest()  # there is nobody left who could tell the clients
        else:
            self.stop("Server shutting down: a process died")

    def stop(self, reason: str) -> None:
        """The acceptor first, so that nobody comes in while the others are being told."""
        self.stopping = reason
        self.deadline = time.monotonic() + self.settings.stop_seconds
        self.log.info("stopping", why=reason)
        self.tell("acceptor" if any(each.role == "acceptor" for each in self.children) else "broker", "stop", reason)

    def tell(self, role: str, *message: str) -> None:
        for each in self.children:
            if each.role == role:
                each.link.post(*message)

    def kill_the_rest(self) -> None:
        """What follows is our own doing: these deaths are no news."""
        self.killing = True
        if self.children:
            self.log.warning("killing", late=" ".join(each.role for each in self.children))
        for each in self.children:
            each.process.kill()
        self.deadline = None

    def describe(self) -> dict[str, Any]:
        """For `mpchat ps`."""
        rows: list[dict[str, Any]] = [{"role": "supervisor", "pid": os.getpid()}]
        rows += [
            {"role": each.role, "pid": each.process.pid, **self.board.read(row_of(each.role))} for each in self.children
        ]
        rows.append({"role": "resource_tracker", "pid": getattr(resource_tracker._resource_tracker, "_pid", None)})
        return {"ports": self.ports, "processes": rows}


def serve(settings: Settings, runtime: Path) -> int:
    return Supervisor(settings, runtime).run()
