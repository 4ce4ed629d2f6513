"""The supervisor: the parent of all. It opens the listening sockets, starts the others, and replaces those that die.

It waits for signals, for its children's deaths (Process.sentinel), for what they report, and for the control socket.
It reads nothing a client sends, and never puts to a queue: that would start a thread in it.

    a child dies              another takes its place (children.py), at once or later (flow/restart_intensity.py)
    a child does not turn     for --hang-limit seconds: it is killed, so it dies
    nothing can go on         the clients are told, one line says why, exit 1
    Ctrl-C, SIGTERM, SIGHUP   stop accepting -> everybody is told -> flushed -> exit 0
    it dies itself            its children find the end of their control links, and leave
"""

import contextlib
import os
import selectors
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mpchat.ipc import resource_tracker
from mpchat.ipc.control_socket import ControlSocket
from mpchat.ipc.link import Message, close_all
from mpchat.messages import BadFrame
from mpchat.runtime.first_minute import BEAT_SECONDS, SPARE, STOP_SIGNALS, LoadMains, take_name
from mpchat.runtime.listening import listen
from mpchat.runtime.log import Log
from mpchat.runtime.signals import Signals
from mpchat.runtime.standard_streams import output
from mpchat.settings import Secrets, Settings
from mpchat.store.data_directory import claim
from mpchat.supervisor.child import Child, Death
from mpchat.supervisor.children import Children, works_with

STOPPED, FAILED = 0, 1
_AGAIN_SECONDS = 1.0  # sooner it is the same Ctrl-C: timeout(1) and others pass on what the terminal sent to all


@dataclass
class Supervisor:
    """One server. run() returns its exit status. The data folder's path, and `runtime`, are absolute."""

    settings: Settings
    secrets: Secrets
    runtime: Path  # folder of the control socket
    load_mains: LoadMains
    announced: bool = False
    looked: float = 0.0  # monotonic: when we last looked who is alive
    reason: str = ""  # why we stop, once we do
    asked: float = 0.0  # monotonic: when we were told to
    stopping: bool = False  # the children are being stopped, one after the other: who dies now is not replaced
    deadline: float | None = None  # monotonic: when we wait no more for what is to come next in a stop
    status: int = STOPPED

    def run(self) -> int:
        self.log = Log("supervisor", self.settings.log_level, self.settings.log_json)
        self.listeners = [(listen(self.settings, self.settings.port), "irc")]
        if self.settings.plain_port is not None:
            self.listeners.append((listen(self.settings, self.settings.plain_port), "plain"))
        self.ports = [sock.getsockname()[1] for sock, _ in self.listeners]
        data = claim(Path(self.settings.data)) if self.settings.data else None  # ours until the process ends
        self.control = ControlSocket(self.runtime / f"{self.ports[0]}.sock")
        os.chdir("/")  # the folder that we were started in may be removed; and to spawn one needs one that is there
        self.signals = Signals(*STOP_SIGNALS)
        self.selector = selectors.DefaultSelector()
        self.children = Children(
            self.settings,
            self.secrets,
            self.log,
            self.selector,
            self.signals,
            self.listeners,
            self.load_mains,
            self.on_message,
            self.reap,
            data,
        )
        try:
            take_name("mpchat:super")
            self.watch()
        finally:
            self.children.kill()
            for each in self.children:
                each.process.join()
            self.children.wiring.clear()
            self.close_listeners()
            self.control.close()
            self.signals.close()
            resource_tracker.stop()
            self.log.catch_up()
        return self.status

    def watch(self) -> None:
        """Until the last child has ended."""
        self.selector.register(self.signals, selectors.EVENT_READ, self.take_signals)
        self.selector.register(self.control, selectors.EVENT_READ, self.answer)
        self.looked = time.monotonic()
        while not self.stopping or list(self.children):
            if not self.stopping:
                self.children.fill(with_spare=not self.reason)
            # Signals first: who was told to stop together with us has not died unexpectedly.
            ready = self.selector.select(self.timeout())
            for key, _ in sorted(ready, key=lambda event: event[0].fd != self.signals.fileno()):
                key.data()
            now = time.monotonic()
            if self.deadline is not None and now >= self.deadline:
                self.run_out_of_time()
            if now - self.looked >= BEAT_SECONDS:
                self.look_for_the_hung(now)
                if self.control not in self.selector.get_map():
                    self.selector.register(self.control, selectors.EVENT_READ, self.answer)
                self.log.catch_up()
                output(1).push()
                reap_strangers({each.process.pid for each in self.children})

    def timeout(self) -> float:
        dues = [self.looked + BEAT_SECONDS, self.children.next_start]
        if self.deadline is not None:
            dues.append(self.deadline)
        return max(0.0, min(dues) - time.monotonic())

    def look_for_the_hung(self, now: float) -> None:
        """A process that does not turn its loop is as good as dead. Late ourselves (Ctrl-Z), we judge nobody."""
        late, self.looked = now - self.looked > 2 * BEAT_SECONDS, now
        for each in self.children:
            each.link.flush()
        for each, seconds in self.children.hung(now, late):
            self.log.warning("process hangs", hung=each.role, was=each.process.pid, seconds=seconds)
            self.children.end(each, Death.HUNG)

    def take_signals(self) -> None:
        for _ in self.signals.take():
            if not self.reason:
                self.stop("Server shutting down")
            elif time.monotonic() - self.asked >= _AGAIN_SECONDS:
                self.kill_the_rest()  # asked twice: at once, then

    def on_message(self, each: Child) -> bool:
        """A child has opened a lane, or is ready, or has closed its end in dying. Whether there was something."""
        if each.link.ended:
            return False  # it was told of in the same breath as its death
        messages: list[Message] = []
        try:
            messages = each.link.take()
            for message, _ in messages:
                match message:
                    case ("opened", int() as serial):
                        self.children.wiring.opened(each, serial)
                    case ("misbehaves", str() as role, str() as why) if works_with(each.role, role):
                        for accused in [other for other in self.children if other.role == role]:
                            self.end_the_misbehaving(accused, why)
                    case _:
                        each.on_message(message)
        except BadFrame as error:
            self.end_the_misbehaving(each, str(error))
            each.link.ended = True  # nothing more of it is read
        close_all(messages)  # no child has a descriptor for us
        if each.link.ended:
            self.selector.unregister(each.link)
        elif self.children.ready:
            self.all_at_work()
        return bool(messages)

    def end_the_misbehaving(self, each: Child, why: str) -> None:
        """This one has sent what none of us would send: nothing that it says can be relied on any more."""
        self.log.error("process misbehaves", role=each.role, was=each.process.pid, why=why)
        self.children.end(each, Death.CRASHED)

    def all_at_work(self) -> None:
        """For the first time, or again after a death; what has to wait for it is done."""
        if not self.reason:
            self.announce()
        elif not self.stopping:
            self.begin_stopping()

    def announce(self) -> None:
        if self.announced:
            return
        self.announced = True
        host = f"[{self.settings.host}]" if ":" in self.settings.host else self.settings.host
        plain = f"{host}:{self.ports[1]}" if len(self.ports) > 1 else "none"
        ready = f"mpchat ready: irc {host}:{self.ports[0]}, plain {plain}, pid {os.getpid()}\n"
        output(1).keep(ready.encode(errors="backslashreplace"))  # who waits for it may read later

    def reap(self, each: Child) -> None:
        """A child has ended, and has been reaped: what it had said before is heard, and then its place is vacant."""
        self.selector.unregister(each.process.sentinel)
        each.process.join()
        while self.on_message(each):
            pass
        if not each.link.ended:
            self.selector.unregister(each.link)
        self.children.remove(each)
        if self.stopping:
            self.go_on_stopping(each)
            return
        self.log.warning("process died", how=each.how_it_ended)
        loudly = self.children.count(each)
        if loudly:
            self.log.error(loudly, role=each.role)
        if each.complaint and each.role != "recorder":  # the chat does not depend on the history
            self.give_up(each.complaint, "Its data is damaged" if each.role == "broker" else "Nobody can come in")
        elif each.role == "broker" and not self.settings.data:
            kept_nothing = f"{each.how_it_ended}, and kept no journal (--durability none)"
            self.give_up(kept_nothing, "Its broker has died, and it keeps no journal")
        elif self.children.failures[each.role].gives_up:
            starts = self.children.failures[each.role].failed_starts
            self.give_up(f"{each.how_it_ended}, the last of {starts} that never got ready", "Its broker cannot start")

    # The end

    def stop(self, reason: str) -> None:
        """Begin as soon as everybody is at work, so that all can be told; before the ready line nobody is in."""
        self.reason, self.asked = reason, time.monotonic()
        self.log.info("stopping", why=reason)
        self.close_listeners()
        if not self.announced:
            self.kill_the_rest()
        elif self.children.ready:
            self.begin_stopping()
        else:
            self.deadline = self.asked + self.settings.stop_seconds / 2

    def give_up(self, line: str, reason: str) -> None:
        """It cannot go on. The clients are told the reason, by the broker or, if there is none, by their workers."""
        self.status = FAILED
        output(2).put(f"mpchat: {line}; the server ends\n".encode(errors="backslashreplace"))
        self.reason, self.asked = self.reason or reason, time.monotonic()
        self.close_listeners()
        if self.announced:
            self.begin_stopping()
        else:
            self.kill_the_rest()

    def begin_stopping(self) -> None:
        self.stopping, self.deadline = True, time.monotonic() + self.settings.stop_seconds
        for each in self.children.unassigned:
            each.process.kill()
        self.stop_the_next()

    def stop_the_next(self) -> None:
        """The acceptor first, so that nobody comes in while the others are being told; then the broker, which ends when
        its workers have, and they when their last client has. Workers without a broker say farewell by themselves.
        """
        workers = [role for role in self.children.workers if role in self.children.by_role]
        if "acceptor" in self.children.by_role:
            self.children.tell_once("acceptor", "stop")
        elif "broker" in self.children.by_role:
            self.children.tell_once("broker", "stop", self.reason)
        elif workers:
            for role in workers:
                self.children.tell_once(role, "farewell", self.reason)
        else:
            self.children.tell_once("recorder", "stop")

    def go_on_stopping(self, each: Child) -> None:
        """One has ended, as it was told or not: then those whom it served are told by the next."""
        is_needed = each.role not in (SPARE, "recorder")  # what these leave undone the journal keeps
        if is_needed and each.process.exitcode != 0 and each.condemned is not Death.KILLED:
            self.log.warning("process died", how=each.how_it_ended)
            output(2).put(f"mpchat: {each.how_it_ended} while the server stopped\n".encode(errors="backslashreplace"))
            self.status = FAILED
        self.stop_the_next()

    def run_out_of_time(self) -> None:
        """Whoever is waited for is stuck: it is ended, so that the next in line can tell the clients."""
        stuck = [self.children.by_role[role] for role in ("acceptor", "broker") if role in self.children.by_role]
        if not self.stopping:
            self.begin_stopping()  # with those that there are
        elif stuck:
            self.log.warning("process does not stop", role=stuck[0].role, was=stuck[0].process.pid)
            self.children.end(stuck[0], Death.HUNG)
            self.deadline = time.monotonic() + self.settings.stop_seconds / 2
        else:
            self.kill_the_rest()

    def kill_the_rest(self) -> None:
        """What follows is our own doing: these deaths are no news."""
        self.stopping, self.deadline = True, None
        if late := [each.role for each in self.children]:
            self.log.warning("killing", late=" ".join(late))
        for each in self.children:
            self.children.end(each, Death.KILLED)

    def close_listeners(self) -> None:
        for sock, _ in self.listeners:
            sock.close()

    def answer(self) -> None:
        if not self.control.answer(self.describe()):
            self.selector.unregister(self.control)  # until the next look: it would be told of again and again

    def describe(self) -> dict[str, Any]:
        """For `mpchat ps`."""
        processes = [{"role": "supervisor", "pid": os.getpid()}, *self.children.describe()]
        return {"ports": self.ports, "processes": processes}


def reap_strangers(own: set[int | None]) -> None:
    """As process 1 of a container we inherit orphans, and nobody but us can reap them (pid_namespaces(7)).

    Our own children are left to those who wait for them: WNOWAIT looks at who has ended, and takes nothing
    (waitid(2)). One of ours that is looked at first hides the others until it has been taken.
    """
    if not hasattr(os, "waitid"):
        return  # macOS before Python 3.13, which has no containers either
    with contextlib.suppress(ChildProcessError):
        while about := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            if about.si_pid == resource_tracker.pid():
                try:
                    resource_tracker.ensure_running()
                except OSError:
                    return  # nothing can be started now: the next queue or child tries again
            elif about.si_pid in own:
                return
            else:
                os.waitpid(about.si_pid, 0)
