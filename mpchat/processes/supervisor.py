"""The supervisor: the parent of all. It opens the listening sockets, starts the others, and replaces those that die.

It waits for signals, for its children's deaths (Process.sentinel), for what they report, and for the control socket.
It reads nothing a client sends, and never puts to a queue: that would start a thread in it.

    a child dies              another takes its place (crew.py)
    a child does not turn     for --hang-limit seconds: it is killed, so it dies
    a child keeps crashing    the whole server ends and names it, exit 1
    Ctrl-C, SIGTERM, SIGHUP   stop accepting -> everybody is told -> flushed -> exit 0
    it dies itself            its children find the end of their control links, and leave
"""

import os
import selectors
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mpchat.ipc.control_socket import ControlSocket
from mpchat.ipc.wakeup import Signals
from mpchat.net.listening import listen
from mpchat.policy.intensity import Intensity
from mpchat.processes import child
from mpchat.processes.child import BEAT_SECONDS, SPARE, Child
from mpchat.processes.crew import Crew
from mpchat.processes.log import Log
from mpchat.settings import Settings
from mpchat.store.directory import claim

STOPPED, FAILED = 0, 1
_AGAIN_SECONDS = 1.0  # sooner it is the same Ctrl-C: timeout(1) and others pass on what the terminal sent to all
_CRASHES = 5, 5.0  # of our own making (not by kill) in so many seconds: it will not get better


@dataclass
class Supervisor:
    """One server. run() returns its exit status."""

    settings: Settings
    runtime: Path  # folder of the control socket
    announced: bool = False
    looked: float = 0.0  # monotonic: when we last looked who is alive
    stopping: str = ""  # why, once we do
    asked: float = 0.0  # monotonic: when we were told to
    deadline: float | None = None  # monotonic: when those that have not stopped are killed
    killing: bool = False  # nobody is waited for any more
    status: int = STOPPED

    def run(self) -> int:
        self.log = Log("supervisor", self.settings.log_level, self.settings.log_json)
        self.crashes = Intensity(*_CRASHES)
        self.listeners = [(listen(self.settings, self.settings.port), False)]
        if self.settings.plain_port is not None:
            self.listeners.append((listen(self.settings, self.settings.plain_port), True))
        self.ports = [sock.getsockname()[1] for sock, _ in self.listeners]
        data = claim(Path(self.settings.data)) if self.settings.data else None  # ours until the process ends
        self.control = ControlSocket(self.runtime / f"{self.ports[0]}.sock")
        self.signals = Signals(*child.STOP_SIGNALS)
        self.selector = selectors.DefaultSelector()
        self.crew = Crew(self.settings, self.selector, self.signals, self.listeners, self.hear, self.bury, data)
        try:
            child.take_name("mpchat:super")
            self.crew.start()
            self.watch()
        finally:
            self.crew.kill()
            for each in self.crew.children.values():
                each.process.join()
            self.close_listeners()
            self.control.close()
            self.signals.close()
        return self.status

    def watch(self) -> None:
        """Until the last child has ended."""
        self.selector.register(self.signals, selectors.EVENT_READ, self.take_signals)
        self.selector.register(self.control, selectors.EVENT_READ, lambda: self.control.answer(self.describe()))
        self.looked = time.monotonic()
        while self.crew.children:
            timeout = BEAT_SECONDS if self.deadline is None else self.deadline - time.monotonic()
            ready = self.selector.select(max(0.0, min(BEAT_SECONDS, timeout)))
            # Signals first: who was told to stop together with us has not died unexpectedly.
            for key, _ in sorted(ready, key=lambda event: event[0].fd != self.signals.fileno()):
                key.data()
            now = time.monotonic()
            if self.deadline is not None and now >= self.deadline:
                self.kill_the_rest()
            if now - self.looked >= BEAT_SECONDS:
                self.look_for_the_hung(now)

    def look_for_the_hung(self, now: float) -> None:
        """A process that does not turn its loop is as good as dead. Late ourselves (Ctrl-Z), we judge nobody."""
        late, self.looked = now - self.looked > 2 * BEAT_SECONDS, now
        for each in self.crew.children.values():
            each.link.flush()
            silent = now - self.crew.last_beat(each, late)
            if 0 < self.settings.hang_limit < silent:
                self.log.warning("process hangs", hung=each.role, was=each.process.pid, seconds=int(silent))
                each.process.kill()

    def take_signals(self) -> None:
        for _ in self.signals.take():
            if not self.stopping:
                self.stop("Server shutting down")
            elif time.monotonic() - self.asked >= _AGAIN_SECONDS:
                self.deadline = time.monotonic()  # asked twice: at once, then

    def hear(self, each: Child) -> None:
        """A child has opened a lane, or is ready, or has closed its end in dying."""
        if each.link.ended:
            return  # it was told of in the same breath as its death
        for (word, *about), _ in each.link.take():
            if word == "opened":
                self.crew.wiring.opened(each, *about)
            elif word == "misbehaves":
                self.end_the_misbehaving(*about)
            else:
                each.hear(word, *about)
        if each.link.ended:
            self.selector.unregister(each.link)
        elif self.crew.ready:
            self.all_at_work()

    def end_the_misbehaving(self, role: str, why: str) -> None:
        """A child has got from this one what none of us would send: nothing that it says can be relied on any more."""
        if role in self.crew.children:
            self.log.error("process misbehaves", role=role, was=self.crew.children[role].process.pid, why=why)
            self.crew.children[role].process.kill()

    def all_at_work(self) -> None:
        """For the first time, or again after a death; what has to wait for it is done."""
        if self.stopping:
            self.crew.tell("acceptor", "stop", self.stopping)
        else:
            self.announce()
            self.crew.refill()

    def announce(self) -> None:
        if self.announced:
            return
        self.announced = True
        host = f"[{self.settings.host}]" if ":" in self.settings.host else self.settings.host
        plain = f"{host}:{self.ports[1]}" if len(self.ports) > 1 else "none"
        sys.stdout.write(f"mpchat ready: irc {host}:{self.ports[0]}, plain {plain}, pid {os.getpid()}\n")
        sys.stdout.flush()

    def bury(self, each: Child) -> None:
        """A child has ended. In a stop each does, in this order: acceptor, workers, broker, recorder."""
        self.selector.unregister(each.process.sentinel)
        each.process.join()
        while not each.link.ended:
            self.hear(each)
        self.crew.remove(each)
        if self.killing or (self.stopping and self.ended_as_told(each)):
            return
        self.log.warning("process died", how=each.how_it_ended)
        is_crashing = (each.process.exitcode or 0) > 0 and self.crashes.exceeded(time.monotonic())
        loss = ", and kept no journal (--durability none)" if each.role == "broker" and not self.settings.data else ""
        if self.stopping or each.complaint or is_crashing or loss:
            self.status = FAILED
            sys.stderr.write(f"mpchat: {each.how_it_ended}{loss}; the server ends\n")
            self.kill_the_rest()  # what is left cannot tell the clients
        elif each.role == SPARE:
            self.crew.refill()
        else:
            self.crew.replace(each.role)
            self.log.info("process replaced", role=each.role, by=self.crew.children[each.role].process.pid)

    def ended_as_told(self, each: Child) -> bool:
        """In a stop: whether it has, and whose turn is next."""
        if each.role not in (SPARE, "recorder") and each.process.exitcode != 0:  # what these do can be left undone
            return False
        if each.role == "acceptor":
            self.crew.tell("broker", "stop", self.stopping)
        elif each.role == "broker":
            self.crew.tell("recorder", "stop", self.stopping)
        return True

    def stop(self, reason: str) -> None:
        """The acceptor first, so that nobody comes in while the others are being told; once everybody is at work."""
        self.stopping, self.asked = reason, time.monotonic()
        self.deadline = time.monotonic() + (self.settings.stop_seconds if self.announced else 0)  # else nobody is in
        self.log.info("stopping", why=reason)
        self.close_listeners()
        if self.crew.ready:
            self.crew.tell("acceptor", "stop", reason)
        if SPARE in self.crew.children:
            self.crew.children[SPARE].process.kill()

    def close_listeners(self) -> None:
        for sock, _ in self.listeners:
            sock.close()

    def kill_the_rest(self) -> None:
        """What follows is our own doing: these deaths are no news."""
        self.killing = True
        if self.crew.children:
            self.log.warning("killing", late=" ".join(self.crew.children))
        self.crew.kill()
        self.deadline = None

    def describe(self) -> dict[str, Any]:
        """For `mpchat ps`."""
        return {"ports": self.ports, "processes": [{"role": "supervisor", "pid": os.getpid()}, *self.crew.describe()]}
