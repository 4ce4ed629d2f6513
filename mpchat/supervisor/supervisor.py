"""The supervisor: the parent of all other processes. It opens the listening sockets, and replaces children that die.

It waits on its signal socket, its children's sentinels (Process.sentinel) and control links, and the control socket. It
never reads what a client sends, and never puts to a queue, which would start a thread in it.

    a child dies              another takes its role (children.py), at once or later (flow/restart_intensity.py)
    a child hangs             its loop has not turned for --hang-limit seconds: it is killed, so it dies
    the server cannot go on   the clients are told, one line says why, exit status 1
    INT, TERM, QUIT           stop accepting -> tell all clients -> flush -> exit status 0
    SIGHUP                    the same if it was started from a terminal; else the files of the settings are read again
    it dies itself            its children read the end of file of their control links, and exit
"""

import contextlib
import math
import os
import selectors
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from mpchat import texts
from mpchat.chat.text import in_one_line
from mpchat.flow.restart_intensity import FIRST_STARTS
from mpchat.ipc import resource_tracker
from mpchat.ipc.control_socket import Asker, ControlSocket
from mpchat.ipc.link import Message, close_all
from mpchat.ipc.scoreboard import FIRST_WORKER_ROW, row_of
from mpchat.messages import BadFrame, ConnectionId, NewLimits, Offset
from mpchat.runtime.certificates import SOON_SECONDS, day_of, ends_at
from mpchat.runtime.first_minute import BEAT_SECONDS, SPARE, STOP_SIGNALS, LoadMains, take_name
from mpchat.runtime.listening import bracketed, listen
from mpchat.runtime.log import Log
from mpchat.runtime.signals import Signals, has_controlling_terminal
from mpchat.runtime.standard_streams import output
from mpchat.settings import Secrets, Settings, pack
from mpchat.store.data_directory import claim
from mpchat.supervisor.child import Child, Death
from mpchat.supervisor.children import KEEPERS, Children, works_with
from mpchat.supervisor.followers import MOST_FOLLOWERS, Follower, Followers, line
from mpchat.supervisor.inspecting import Inspections
from mpchat.supervisor.monitoring import SNAPSHOT_SECONDS, Monitoring
from mpchat.supervisor.reloading import Read, Rejected, Reloading

STOPPED, FAILED = 0, 1
KEY_IS_SHARED = "others than its owner can read the key"
_MOST_ASKERS = 16  # at the control socket at once: the next one waits in its backlog
_MISFIT = (
    "the third at one record of the journal, which this code cannot replay: nothing of what {folder} keeps was changed;"
    " bring the code of before back, or mend it, and start again"
)
_DAY_SECONDS = 86_400.0
_AGAIN_SECONDS = 1.0  # within this it is the same Ctrl-C: timeout(1) and others send it once more


@dataclass
class Supervisor:
    """One server. run() returns its exit status. `settings.data` and `runtime` must be absolute paths."""

    settings: Settings
    secrets: Secrets
    runtime: Path  # folder of the control socket
    load_mains: LoadMains
    read_again: Callable[[], Read]  # what the files say of the settings, or it raises Rejected
    fixed: tuple[str, ...] = ()  # what the files said last that only the next start can take
    told: Child | None = None  # the broker that was told of the reload that is under way
    announced: bool = False
    looked: float = 0.0  # monotonic: when the children's heartbeats were last looked at
    certificate_due: float = 0.0  # monotonic: when its end is looked at again
    reason: str = ""  # of a stop, once one is asked for
    asked: float = 0.0  # monotonic: when it was asked for
    stopping: bool = False  # the children are being stopped, one after the other: a child that dies is not replaced
    is_unreachable: bool = False  # its control socket's file is gone, and the log has it
    deadline: float | None = None  # monotonic: when the next step of a stop is forced
    status: int = STOPPED

    def run(self) -> int:
        self.log = Log("supervisor", self.settings.log_level, self.settings.log_json)
        self.hang_up_stops = has_controlling_terminal()  # looked at once: after a hang-up there is none
        self.listeners = [(listen(self.settings, self.settings.port), "irc")]
        if self.settings.plain_port is not None:
            self.listeners.append((listen(self.settings, self.settings.plain_port), "plain"))
        self.tls_listeners = []  # of the front
        for port, dialect in ((self.settings.tls_port, "irc"), (self.settings.tls_plain_port, "plain")):
            if port is not None:
                self.tls_listeners.append((listen(self.settings, port), dialect))
        self.ports = [sock.getsockname()[1] for sock, _ in self.listeners]
        self.tls_ports = {dialect: sock.getsockname()[1] for sock, dialect in self.tls_listeners}
        self.settings = self.with_sts_port(self.settings)
        # Open and locked until this process ends.
        data = claim(Path(self.settings.data)) if self.settings.data else None
        if data is not None and data.is_open_to_others:
            self.log.warning("others may write into the data directory", folder=data.path, help="chmod o-w")
        self.control = ControlSocket(self.runtime / f"{self.ports[0]}.sock")
        os.chdir("/")  # the working directory may be removed, and spawning needs one that exists
        self.signals = Signals(*STOP_SIGNALS)
        self.reloading = Reloading(self.read_again)
        self.begun = time.monotonic()
        self.snapshot_at = 0.0  # monotonic: when the next snapshot is due, if anybody watches
        self.last_trace = 0  # number
        self.askers: list[Asker] = []  # at the control socket, that may still send a line
        self.waiting: list[Asker] = []  # those that wait for an answer
        self.inspections = Inspections()
        self.selector = selectors.DefaultSelector()
        self.followers = Followers(self.selector)
        self.monitoring = Monitoring(self.followers.tell)
        self.children = Children(
            self.settings,
            self.secrets,
            self.log,
            self.selector,
            self.signals,
            self.listeners,
            self.tls_listeners,
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
            self.reloading.close()
            self.followers.close()
            self.inspections.close()
            for asker in [*self.askers, *self.waiting]:
                well = self.status == STOPPED
                asker.answer({"ok": well, "said": "stopped" if well else "ended with status 1; its log says why"})
            resource_tracker.stop()
            self.log.catch_up()
        return self.status

    def watch(self) -> None:
        """Until the last child has ended."""
        self.selector.register(self.signals, selectors.EVENT_READ, self.take_signals)
        self.selector.register(self.control, selectors.EVENT_READ, self.take_asker)
        self.selector.register(self.reloading, selectors.EVENT_READ, self.pass_on_settings)
        self.looked = time.monotonic()
        while not self.stopping or list(self.children):
            if not self.stopping:
                self.children.fill(with_spare=not self.reason)
                if not self.announced and self.children.starts.gives_up_at_first:
                    self.give_up(f"no process can be started: {self.children.lacks}", "It cannot start")
                    continue
            # Signals first: a child that was signalled together with the supervisor has not died unexpectedly.
            ready = self.selector.select(self.timeout())
            for key, _ in sorted(ready, key=lambda event: event[0].fd != self.signals.fileno()):
                key.data()
            now = time.monotonic()
            if self.deadline is not None and now >= self.deadline:
                self.run_out_of_time()
            for asker in [asker for asker in self.askers if now >= asker.until]:
                self.hear(asker)
            if now >= self.inspections.next_deadline:
                self.inspections.expire(now)
            if now >= self.reloading.answer_at:
                self.reloading.over(True, "read again; the broker takes it as soon as it can")
            if now - self.looked >= BEAT_SECONDS:
                self.kill_the_hung(now)
                self.tell_followers(now)
                self.look_at_certificate(now)
                self.keep_control()
                if self.control not in self.selector.get_map():
                    self.selector.register(self.control, selectors.EVENT_READ, self.take_asker)
                self.log.catch_up()
                output(1).push()
                reap_strangers({each.process.pid for each in self.children})

    def timeout(self) -> float:
        dues = [self.looked + BEAT_SECONDS, self.children.next_start, self.reloading.answer_at]
        dues.append(self.inspections.next_deadline)
        dues += [asker.until for asker in self.askers]
        if self.deadline is not None:
            dues.append(self.deadline)
        return max(0.0, min(dues) - time.monotonic())

    def kill_the_hung(self, now: float) -> None:
        """Kill each child beyond its hang limit; none if the supervisor itself is late (Ctrl-Z)."""
        late, self.looked = now - self.looked > 2 * BEAT_SECONDS, now
        for each in self.children:
            each.link.flush()
        for each, seconds in self.children.hung(now, late):
            self.log.warning("process hangs", hung=each.role, was=each.process.pid, seconds=seconds)
            self.monitoring.hangs(each, each.hung_for)
            self.children.end(each, Death.HUNG)

    def take_signals(self) -> None:
        for number in self.signals.take():
            if number == signal.SIGHUP and not self.hang_up_stops:
                self.reload(lambda is_well, said: None)  # the log has it
            elif not self.reason:
                self.stop("Server shutting down")
            elif time.monotonic() - self.asked >= _AGAIN_SECONDS:
                self.kill_the_rest()  # asked twice: at once, then

    def on_message(self, each: Child) -> bool:
        """A child's control link is readable. Returns whether it had a message."""
        if each.link.ended:
            return False  # its death was reported by the same select(), and reap() has read all
        messages: list[Message] = []
        try:
            messages = each.link.take()
            for message, _ in messages:
                match message:
                    case ("opened", int() as serial):
                        self.children.wiring.opened(each, serial)
                    case ("misbehaves", str() as role, str() as why) if works_with(each.role, role):
                        for accused in [other for other in self.children if other.role == role]:
                            self.end_misbehaving(accused, why)
                    case ("reloaded",) if each is self.told:
                        self.reloaded()
                    case ("reloaded",) if each.role == "broker":
                        pass  # of an earlier reload, or it had the new settings from the beginning
                    case ("rehash", int() as id, int() as end) if each.role == "broker":
                        self.reload(partial(self.rehashed, ConnectionId(id), end))
                    case (
                        "inspected",
                        int() as id,
                        (int() as kept, int() as waits, int() as unread, int() as given),
                        int() as port,
                        str() as state,
                    ) if each.role.startswith("worker"):
                        self.inspections.answered(each.role, id, (kept, waits, unread, given), port, state)
                    case ("disk full", _):
                        each.on_message(message)
                        self.monitoring.disk(each)
                    case ("ready",):
                        each.on_message(message)
                        self.monitoring.ready(each)
                        if each.role == "broker" and each is not self.told:
                            self.reloaded()  # it was given the new settings with its role
                    case _:
                        each.on_message(message)
        except BadFrame as error:
            self.end_misbehaving(each, str(error))
            each.link.ended = True  # nothing more of it is read
        close_all(messages)  # no message of a child has descriptors
        if each.link.ended:
            self.selector.unregister(each.link)
        elif self.children.ready:
            self.all_at_work()
        return bool(messages)

    def end_misbehaving(self, each: Child, why: str) -> None:
        """Kill a child that has sent what is no message: nothing that it sends can be relied on any more."""
        self.log.error("process misbehaves", role=each.role, was=each.process.pid, why=why)
        self.monitoring.misbehaves(each, why)
        self.children.end(each, Death.CRASHED)

    def all_at_work(self) -> None:
        """All roles are ready, for the first time or again after a death: announce the server, or begin a stop."""
        if not self.reason:
            self.announce()
        elif not self.stopping:
            self.begin_stopping()

    def announce(self) -> None:
        if self.announced:
            return
        self.announced = True
        texts.use(texts.DEFAULT)  # whoever has started it has been answered: what is said from now on, a log may have
        host = bracketed(self.settings.host)
        plain = f"{host}:{self.ports[1]}" if len(self.ports) > 1 else "none"
        names = {"irc": "tls", "plain": "tls-plain"}
        secure = {names[dialect]: f"{host}:{port}" for dialect, port in self.tls_ports.items()}
        more = "".join(f", {name} {where}" for name, where in secure.items())
        ready = f"mpchat ready: irc {host}:{self.ports[0]}, plain {plain}, pid {os.getpid()}{more}\n"
        address = self.listeners[0][0].getsockname()[0]  # a name may have several, of which one is listened on
        bound = {} if address == self.settings.host else {"address": address}
        secure = {name.replace("-", "_"): where for name, where in secure.items()}
        self.log.info("ready", irc=f"{host}:{self.ports[0]}", plain=plain, **secure, **bound)
        output(1).keep(ready.encode(errors="backslashreplace"))  # a reader may come later

    def reap(self, each: Child) -> None:
        """A child has ended: reap it, read what it had sent before, and make its role vacant."""
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
        if each.condemned is Death.KILLED:  # one spare too many
            return
        self.monitoring.died(each)
        is_fatal = each.complaint and each.role != "recorder"  # the chat does not depend on the history
        self.log.warning("process died", how=each.how_it_died if is_fatal else each.how_it_ended)
        alert = self.children.count(each)
        if alert:
            self.log.error(alert, role=each.role)
        if is_fatal:
            is_changed = each.has_other_code or self.children.code_has_changed
            damaged = "Its code was changed while it ran" if is_changed else "Its data is damaged"
            self.give_up(each.complaint, damaged if each.role == "broker" else "Nobody can come in")
        elif each.role == "broker" and not self.settings.data:
            kept_nothing = f"{each.how_it_ended}, and kept no journal (--durability none)"
            self.give_up(kept_nothing, "Its broker has died, and it keeps no journal")
        elif each.role == "broker" and self.children.is_stuck:
            self.give_up(f"{each.how_it_ended}, {_MISFIT.format(folder=self.settings.data)}", "Its broker cannot start")
        elif self.children.failures[each.role].gives_up:
            starts = self.children.failures[each.role].failed_starts
            self.give_up(f"{each.how_it_ended}, the last of {starts} that never got ready", "Its broker cannot start")
        elif not self.announced and each.role != "recorder" and self.children.failures_of(each).gives_up_at_first:
            self.give_up(f"{each.how_it_ended}, the last of {FIRST_STARTS} that never got ready", "It cannot start")

    # The end

    def stop(self, reason: str) -> None:
        """Begin as soon as all roles are ready, so that every client is told; before the ready line there is none."""
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
        """The server cannot go on. The clients are told the reason by the broker or, without one, by their workers."""
        self.status = FAILED
        self.say_last(line, "; the server ends")
        self.reason, self.asked = self.reason or reason, time.monotonic()
        self.close_listeners()
        if self.announced:
            self.begin_stopping()
        else:
            self.kill_the_rest()

    def say_last(self, why: str, then: str) -> None:
        """Why the exit status will not be 0: a line for who reads the terminal, without a date; or one more of JSON."""
        if self.settings.log_json:
            self.log.error("the server ends", why=why)
        else:
            output(2).put(f"{in_one_line(f'mpchat: {why}{then}')}\n".encode())

    def begin_stopping(self) -> None:
        self.stopping, self.deadline = True, time.monotonic() + self.settings.stop_seconds
        for each in self.children.unassigned:
            each.process.kill()
        self.stop_the_next()

    def stop_the_next(self) -> None:
        """The acceptor first, so that no client comes in during the stop; then the broker, which ends when its workers
        have, and they when their last client has. Workers without a broker say farewell by themselves. The front, which
        accepts nobody from now on, ends when its last client has.
        """
        self.children.tell_once("front", ("stop",))
        workers = [role for role in self.children.workers if role in self.children.by_role]
        if "acceptor" in self.children.by_role:
            self.children.tell_once("acceptor", ("stop",))
        elif "broker" in self.children.by_role:
            self.children.tell_once("broker", ("stop", self.reason))
        elif workers:
            for role in workers:
                self.children.tell_once(role, ("farewell", self.reason))
        else:
            for role in KEEPERS:
                self.children.tell_once(role, ("stop",))

    def go_on_stopping(self, each: Child) -> None:
        """A child has ended during a stop, as it was told or not: the next step."""
        is_needed = each.role not in (SPARE, *KEEPERS)  # the journal keeps what the recorder leaves undone
        if is_needed and each.process.exitcode != 0 and each.condemned is not Death.KILLED:
            self.log.warning("process died", how=each.how_it_ended)
            self.say_last(each.how_it_ended, " while the server stopped")
            self.status = FAILED
        self.stop_the_next()

    def run_out_of_time(self) -> None:
        """The child that the stop waits for is stuck: kill it, so that the next in line can tell the clients."""
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
        """Kill all children at once; these deaths are not logged."""
        self.stopping, self.deadline = True, None
        if self.announced and self.children.by_role:  # else there was nobody whom they could have told
            self.log.warning("killing", late=" ".join(self.children.by_role))
        for each in self.children:
            self.children.end(each, Death.KILLED)

    def close_listeners(self) -> None:
        for sock, _ in [*self.listeners, *self.tls_listeners]:
            sock.close()

    # The control socket

    def keep_control(self) -> None:
        """If its file is gone, nobody could ask or stop this server any more: make another."""
        if self.control.is_in_place:
            return
        try:
            control = self.control.made_again()
        except OSError as error:
            if not self.is_unreachable:
                path = self.control.path
                self.log.error("the control socket was removed, and cannot be made again", path=path, error=str(error))
            self.is_unreachable = True
            return
        self.log.warning("the control socket was removed: there is another", path=control.path)
        if self.control in self.selector.get_map():
            self.selector.unregister(self.control)
        self.control.close()
        self.control, self.is_unreachable = control, False

    def take_asker(self) -> None:
        try:
            asker = self.control.accept() if len(self.askers) + len(self.waiting) < _MOST_ASKERS else None
        except OSError:
            self.selector.unregister(self.control)  # until the next beat: the select() would return at once each time
            return
        if asker is not None:
            self.askers.append(asker)
            self.selector.register(asker, selectors.EVENT_READ, lambda: self.hear(asker))
        elif len(self.askers) + len(self.waiting) >= _MOST_ASKERS:
            self.selector.unregister(self.control)

    def hear(self, asker: Asker) -> None:
        """It has sent something, or had its time."""
        if asker not in self.askers:
            return
        try:
            asked, wrong = asker.asked(), ""
        except ValueError as error:
            asked, wrong = {"command": "nothing"}, str(error)
        if asked is None:
            return
        self.selector.unregister(asker)
        self.askers.remove(asker)
        match asked["command"]:
            case "ps":
                asker.answer(self.describe())
            case "reload":
                self.waiting.append(asker)
                self.reload(lambda is_well, said: self.answer(asker, is_well, said))
            case "stop":
                self.waiting.append(asker)  # until the end
                if not self.reason:
                    self.stop("Server shutting down")
            case "snapshot":
                follower = Follower(asker.go_on())
                follower.say(self.snapshot())
                follower.close()
            case "connection":
                self.inspect(asker, f"worker{asked['worker']}", asked["id"])
            case "watch" | "events" | "trace" if len(self.followers) >= MOST_FOLLOWERS:
                asker.answer(
                    {"ok": False, "said": f"{MOST_FOLLOWERS} of top, trace and events follow already: end one"}
                )
            case "watch":
                follower = Follower(asker.go_on(), watches=True)
                follower.say(self.monitoring.kept + self.snapshot())
                self.followers.add(follower)
            case "events":
                follower = Follower(asker.go_on())
                follower.say(self.monitoring.kept)
                self.followers.add(follower) if asked["follow"] else follower.close()
            case "trace":
                self.begin_trace(asker, asked)
            case _:
                asker.answer({"ok": False, "said": wrong})

    def inspect(self, asker: Asker, role: str, id: int) -> None:
        """A worker is asked how a client's socket stands; one that is silent is not: its link would fill."""
        worker = self.children.by_role.get(role)
        is_silent = worker is None or self.monitoring.is_silent(self.children, worker, time.monotonic())
        if worker is None or is_silent or len(self.inspections) >= _MOST_ASKERS:
            asker.answer({"ok": False, "said": f"{role} cannot be asked now"})
        else:
            worker.link.post(("inspect", ConnectionId(id)))
            self.inspections.begin(asker, role, id)

    def answer(self, asker: Asker, is_well: bool, said: str) -> None:
        self.waiting.remove(asker)
        asker.answer({"ok": is_well, "said": said})

    def begin_trace(self, asker: Asker, asked: dict[str, Any]) -> None:
        """It is given the scoreboard, which has the rings; hops are noted from now on."""
        if not self.children.scoreboard.has_rings:
            asker.answer({"ok": False, "said": "there is no room for traces: files are limited in size (ulimit -f)"})
            return
        try:
            fd = self.children.scoreboard.read_only()
        except OSError as error:  # no descriptor is free
            asker.answer({"ok": False, "said": f"not now: {error.strerror}"})
            return
        self.last_trace += 1
        since = time.monotonic_ns() // 1_000_000
        options = asked["from"], asked["text"], asked["count"], asked["private"]
        follower = Follower(asker.go_on(), trace=(self.last_trace, since, *options))
        rows = {role: row_of(role) for role in self.children.failures}
        head = {
            "kind": "trace",
            "number": self.last_trace,
            "rows": FIRST_WORKER_ROW + self.settings.workers,
            "roles": rows,
        }
        about = {"ipc": Path(self.settings.ipc).name, "journal": bool(self.settings.data)}
        self.followers.add(follower)
        self.change_traces()
        self.followers.say(follower, line({**head, **about, "history": "recorder" in rows}), (fd,))
        os.close(fd)

    def change_traces(self) -> None:
        """Whoever has begun to trace, or has left: the broker is told what is wanted, and so is each later one."""
        self.children.traces = self.followers.traces
        self.children.scoreboard.tracing[0] = int(bool(self.children.traces))
        broker = self.children.by_role.get("broker")
        if broker is not None:
            broker.link.post(("trace", self.children.traces))

    def tell_followers(self, now: float) -> None:
        """What only a look at the scoreboard tells."""
        self.monitoring.look(self.children)
        if self.followers.has_watchers and now >= self.snapshot_at:
            self.snapshot_at = now + SNAPSHOT_SECONDS
            self.followers.tell(self.snapshot(), watchers_only=True)
        if self.followers.traces != self.children.traces:
            self.change_traces()

    def snapshot(self) -> bytes:
        ends = None if self.secrets.certificate is None else ends_at(self.secrets.certificate)
        return self.monitoring.snapshot(os.getpid(), self.begun, self.ports, ends, self.children)

    # Settings that change while the server runs

    def reload(self, answer: Callable[[bool, str], None]) -> None:
        """Have the files of the settings read again; `answer` is called with what came of it."""
        if self.reason:
            answer(False, "the server is stopping")
        else:
            self.reloading.begin(answer)

    def pass_on_settings(self) -> None:
        """The files have been read: those at work are told what is theirs, and so are later ones, with their roles."""
        try:
            read, secrets, self.fixed, shared_key = self.reloading.take()
        except Rejected as error:
            self.log.error("not reloaded: all stays as it was", why=str(error))
            self.reloading.over(False, f"nothing was changed: {error}")
            return
        if self.fixed:
            self.log.warning("takes the next start", keys=", ".join(self.fixed))
        if shared_key:
            self.log.warning(KEY_IS_SHARED, file=shared_key)
        # The folder of the data may be one of chance.
        read = replace(self.with_sts_port(read), data=self.settings.data)
        self.settings = self.children.settings = read
        self.secrets = self.children.secrets = secrets
        each, rate = read.connections_per_address, read.new_connections_per_minute
        limits: NewLimits = ("limits", each, rate, read.chat.exempt, read.burst_lines, read.lines_per_second)
        for role in ("acceptor", *self.children.workers):
            if role in self.children.by_role:
                self.children.by_role[role].link.post(limits)
        front, certificate = self.children.by_role.get("front"), secrets.certificate
        if front is not None and certificate is not None:
            front.link.post(("certificate", certificate.chain, certificate.key))
            most, each = read.handshakes, read.handshakes_per_address
            front.link.post(("handshakes", read.handshake_seconds, most, each, rate, read.chat.exempt))
        self.certificate_due = 0.0
        self.told = self.children.by_role.get("broker")
        if self.told is not None:
            opers = tuple((oper.name, oper.password) for oper in secrets.opers)
            self.told.link.post(("reload", pack(read.chat), secrets.password, opers))

    def with_sts_port(self, settings: Settings) -> Settings:
        """The core knows no listening socket, and its port may be one of chance. A reload opens none."""
        port = self.tls_ports.get("irc", 0) if settings.chat.sts_seconds else 0
        return replace(settings, chat=replace(settings.chat, sts_port=port))

    def reloaded(self) -> None:
        """The broker has journaled the settings that were read last."""
        if self.reloading.answer_at < math.inf:
            chat, opers = self.settings.chat, len(self.secrets.opers)
            password = "a password" if self.secrets.password else "no password"
            operators = f"operators: {opers} by OPER, {len(chat.oper_accounts)} by account"
            said = f"read again: {len(chat.motd)} lines of the day, {password}, {operators}"
            if self.secrets.certificate is not None:
                said += f", a certificate until {day_of(ends_at(self.secrets.certificate))}"
            if self.fixed:
                said += f"; only the next start can take {', '.join(self.fixed)}"
            self.reloading.over(True, said)

    def rehashed(self, connection: ConnectionId, end: Offset, is_done: bool, said: str) -> None:
        """What came of a reload that a server operator has asked for: the broker of the moment is told."""
        broker = self.children.by_role.get("broker")
        if broker is not None:
            broker.link.post(("rehashed", connection, end, is_done, said))

    def look_at_certificate(self, now: float) -> None:
        """Once a day, and when there is another one: log it if the certificate has ended, or soon will."""
        if self.secrets.certificate is None or now < self.certificate_due:
            return
        self.certificate_due = now + _DAY_SECONDS
        ends = ends_at(self.secrets.certificate)
        if ends - time.time() < SOON_SECONDS:
            has_ended = ends <= time.time()
            self.log.warning(
                "the certificate has ended" if has_ended else "the certificate ends soon", end=day_of(ends)
            )

    def describe(self) -> dict[str, object]:
        """The answer of the control socket, for `mpchat ps`."""
        processes: list[dict[str, object]] = [{"role": "supervisor", "pid": os.getpid()}, *self.children.describe()]
        ports = {"ports": self.ports, "tls_ports": list(self.tls_ports.values())}
        return {**ports, "data": self.settings.data, "processes": processes}


def reap_strangers(own: set[int | None]) -> None:
    """Reap orphans, which process 1 of a container inherits and must reap (pid_namespaces(7)).

    The server's own children are left to their sentinels: WNOWAIT reports an ended child without reaping it
    (waitid(2)). An own child that is reported first hides the others until it has been reaped.
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
