"""The supervisor's children by role: how each is started, given a role, judged, and replaced.

    worker -- transport -- broker         worker -- link (a Unix socket) -- acceptor -- listening sockets
    recorder -- link -- broker             front -- link -- acceptor
    authenticator -- link -- broker

To spawn a process takes a tenth of a second: an interpreter, and all its imports. So every process begins without a
role, and one more than needed, the spare, is ready to take the role of a child that dies. The successor gets a new
transport or link to each of its peers, which go on running (wiring.py).

A role without a process is vacant. What keeps a child from starting (no process, no memory, no descriptor, a missing
file) is logged and tried again, for ever; the other children go on.
"""

import math
import selectors
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from multiprocessing import get_context

from mpchat.flow.restart_intensity import LONGEST_HANG_SECONDS, START, Failures, kind_of, policy_of
from mpchat.ipc import resource_tracker
from mpchat.ipc.scoreboard import BROKER_ROW, FIRST_WORKER_ROW, Scoreboard, row_of
from mpchat.messages import Farewell, StopAll, StopNow, TraceWanted, WorkerNumber
from mpchat.runtime.first_minute import SPARE, LoadMains
from mpchat.runtime.log import Log
from mpchat.runtime.signals import Signals
from mpchat.settings import Secrets, Settings
from mpchat.store.data_directory import DataDirectory
from mpchat.supervisor.child import Child, Death, spawn
from mpchat.supervisor.wiring import Wiring

_DEATHS = 3  # of brokers, by one record of the journal
# Processes that are started besides those that take long to start: where the machine is busy, each takes of what the
# others need (at a hang limit of 1 s there were thirty).
_MOST_BESIDES = 2
_START_SECONDS = 30.0  # for an interpreter and its imports: with less, no child would ever start on a slow machine

# They keep in the data directory what the broker alone asks them for; the chat goes on without them.
KEEPERS = ("recorder", "authenticator")
_PEERS = (
    *(("worker", "broker"), ("worker", "acceptor"), ("front", "acceptor")),
    *((keeper, "broker") for keeper in KEEPERS),
)


def works_with(one: str, other: str) -> bool:
    """Whether processes of these roles are peers: a transport or a link connects them."""
    kinds = kind_of(one), kind_of(other)
    return kinds in _PEERS or kinds[::-1] in _PEERS


class Children:
    """`on_message` is called with a child whose link is readable, `reap` with one that has ended."""

    def __init__(
        self,
        settings: Settings,
        secrets: Secrets,
        log: Log,
        selector: selectors.BaseSelector,
        signals: Signals,
        listeners: list[tuple[socket.socket, str]],
        tls_listeners: list[tuple[socket.socket, str]],
        load_mains: LoadMains,
        on_message: Callable[[Child], object],
        reap: Callable[[Child], None],
        data: DataDirectory | None,
    ) -> None:
        self.data = data  # passed to those who write there only: its lock lives as long as their descriptors
        self.settings, self.log, self.listeners, self.tls_listeners = settings, log, listeners, tls_listeners
        self.secrets = secrets  # for the broker; the certificate and its key for the front; and nobody else
        self.selector, self.signals = selector, signals
        self.load_mains, self.on_message, self.reap = load_mains, on_message, reap
        self.workers = [f"worker{number}" for number in range(settings.workers)]
        self.keepers = [*KEEPERS] if settings.data else []  # without a data directory there is nothing to keep
        self.fronts = ["front"] if tls_listeners else []
        roles = ["broker", *self.workers, "acceptor", *self.fronts, *self.keepers]
        self.by_role: dict[str, Child] = {}
        self.unassigned: list[Child] = []  # without a role: still starting, or spare
        self.vacant = list(roles)  # in the order in which they are filled
        self.vacated: set[str] = set()  # roles that an earlier process has had
        self.failures = {role: Failures(policy_of(role)) for role in (*roles, SPARE)}
        self.starts = Failures(START)
        self.lacks = ""  # why the last process could not be started
        self.wiring = Wiring(settings.ipc)
        self.scoreboard = Scoreboard.make(FIRST_WORKER_ROW + settings.workers)
        self.is_first = True  # no broker has been ready in this run yet
        self.acceptors = 0  # so many have been started
        self.died_at = 0  # place of the record that the last broker was replaying when it died; 0: of none
        self.died_there = 0  # so many brokers in a row have died at that record
        self.traces: tuple[TraceWanted, ...] = ()
        self.code_has_changed = False  # a broker of this run has been at work with other code than the first

    def __iter__(self) -> Iterator[Child]:
        return iter([*self.by_role.values(), *self.unassigned])

    @property
    def ready(self) -> bool:
        """Whether every role has a process that is ready; a spare does not count."""
        return not self.vacant and all(each.ready for each in self.by_role.values())

    # Starting

    def fill(self, with_spare: bool) -> None:
        """Give vacant roles to spares, and start as many processes as are needed; failures are tried again later.

        No new spare is started before every role is ready: it would take the CPU from those that are starting.
        """
        now = time.monotonic()
        due = [role for role in self.vacant if self.failures[role].not_before <= now]
        if any(each.here for each in self.unassigned):
            self.starts.succeeded()
        for role in list(due):
            here = [each for each in self.unassigned if each.here and not each.condemned]
            if not here:
                break
            self.assign(here[0], role)
            due.remove(role)
        if self.ready:
            # A slow start leads to two spares. They share a row of the scoreboard, so one would beat for the other.
            for each in [each for each in self.unassigned if each.here and not each.condemned][:-1]:
                self.end(each, Death.KILLED)
        needs_spare = with_spare and self.ready and self.failures[SPARE].not_before <= now
        # A child that has been starting for longer than the hang limit may be stopped: another is started besides.
        latest = now - (self.settings.hang_limit or math.inf)
        on_the_way = [each for each in self.unassigned if each.here or each.started > latest]
        wanted = len(due) + needs_spare
        for _ in range(min(wanted - len(on_the_way), wanted + _MOST_BESIDES - len(self.unassigned))):
            if self.starts.not_before > now or not self.start():
                break

    @property
    def next_start(self) -> float:
        """Monotonic seconds: when fill() has to be called again because a back-off ends; infinity: never."""
        now = time.monotonic()
        times = [self.starts.not_before, *(failures.not_before for failures in self.failures.values())]
        return min([at for at in times if at > now], default=math.inf)

    def start(self) -> bool:
        """Spawn a process without a role; returns whether that succeeded."""
        self.signals.hold()
        try:
            resource_tracker.ensure_running()  # not left to the spawning: it unblocks SIGINT and SIGTERM at its end
            self.signals.hold()
            each = spawn(get_context("spawn"), self.settings, self.scoreboard, self.load_mains)
        except (OSError, MemoryError) as error:
            self.lacks = str(error) or repr(error)
            self.log.error("cannot start a process: tried again", error=self.lacks)
            self.starts.could_not_start(time.monotonic())
            return False
        finally:
            self.signals.let_go()
        self.scoreboard.begin(row_of(SPARE))
        self.unassigned.append(each)
        self.selector.register(each.link, selectors.EVENT_READ, lambda: self.on_message(each))
        self.selector.register(each.process.sentinel, selectors.EVENT_READ, lambda: self.reap(each))
        return True

    def assign(self, each: Child, role: str) -> None:
        """Give a spare a vacant role, and connect it to its peers.

        If that fails half way, for want of descriptors or of room in /dev/shm, the process is killed.
        """
        args: tuple[object, ...] = ()
        if role == "broker":
            secrets = replace(self.secrets, certificate=None)
            args = self.data, self.is_first, self.skip, self.code_has_changed, secrets, self.traces
        elif role in self.keepers:
            args = (self.data,)
        elif role == "acceptor":
            self.acceptors += 1
            # In a stop they are closed; an acceptor is needed all the same, by workers that wait for "synced".
            args = _open(self.listeners), self.acceptors
        elif role == "front":
            args = _open(self.tls_listeners), self.secrets.certificate
        elif role in self.workers:
            args = (self.workers.index(role),)
        self.scoreboard.begin(row_of(role))  # its first beat, and none of its predecessor's counters
        self.unassigned.remove(each)
        self.vacant.remove(role)
        self.by_role[role] = each
        try:
            each.assign_role(role, self.settings, *args)
            self.wire(role)
        except OSError as error:
            self.log.error("cannot connect a process: tried again", role=role, error=str(error))
            self.end(each, Death.COULD_NOT_START)
        else:
            if role in self.vacated:
                self.log.info("process replaced", role=role, by=each.process.pid)

    def wire(self, role: str) -> None:
        """Connect a new process to those of its peers that exist; the others are connected when they get their role."""
        broker, acceptor, front = (self.by_role.get(name) for name in ("broker", "acceptor", "front"))
        for number, name in enumerate(self.workers):
            worker = self.by_role.get(name)
            if worker is not None and broker is not None and role in ("broker", name):
                self.scoreboard.connect(name, "broker")
                self.wiring.transport(worker, broker, WorkerNumber(number))
            if worker is not None and acceptor is not None and role in ("acceptor", name):
                self.scoreboard.connect(name, "acceptor")
                self.wiring.link(worker, acceptor, ("acceptor",), ("link", number))
        for name in self.keepers:
            keeper = self.by_role.get(name)
            if keeper is not None and broker is not None and role in ("broker", name):
                self.scoreboard.connect(name, "broker")
                self.wiring.link(keeper, broker, ("broker",), ("link", 0) if name == "recorder" else ("authenticator",))
        if front is not None and acceptor is not None and role in ("acceptor", "front"):
            self.scoreboard.connect("front", "acceptor")
            self.wiring.link(front, acceptor, ("acceptor",), ("front",))

    @property
    def skip(self) -> int:
        """The place of the record that the next broker must skip, if that may be; 0: none.

        Two brokers in a row have died there while replaying, after a first that died of it when it was new.
        """
        return self.died_at if self.died_there >= _DEATHS - 1 else 0

    @property
    def is_stuck(self) -> bool:
        """Brokers die at a record that may not be left out: there is nothing else that the next one could try."""
        return self.died_at > 0 and self.died_there >= _DEATHS

    def note_death_of_broker(self, each: Child) -> None:
        """Where it died. What is not the record's fault counts for nothing: changed code, or want of memory."""
        if each.ready:
            self.is_first = False
            self.code_has_changed |= each.has_other_code
        place = self.scoreboard.read(BROKER_ROW)["position"]
        if each.has_other_code or each.death is Death.COULD_NOT_START:
            place = 0
        self.died_there = self.died_there + 1 if place == self.died_at else 1
        self.died_at = place

    # Ends

    def end(self, each: Child, why: Death) -> None:
        """Kill it, for this reason."""
        each.condemned = why
        each.process.kill()

    def hung(self, now: float, is_late: bool) -> list[tuple[Child, int]]:
        """The children whose loop has not turned for longer than their hang limit, and for how many seconds.

        `is_late`: the supervisor itself has not run for long (Ctrl-Z, a suspended machine): no child is judged now.
        """
        found = []
        for each in self:
            if each.condemned:
                continue
            row = row_of(each.role)
            if is_late:
                self.scoreboard.beat(row)
                each.started = now
            if not self.settings.hang_limit:
                continue
            if each.here:
                limit = self.failures[each.role].hang_limit(self.settings.hang_limit, now)
                if self.scoreboard.waits_for_the_disk(row):
                    limit = max(limit, LONGEST_HANG_SECONDS)
                silent = now - self.scoreboard.last_beat(row)
            else:
                limit, silent = _START_SECONDS, now - each.started
            if silent > limit:
                each.hung_for = silent
                found.append((each, int(silent)))
        return found

    def remove(self, each: Child) -> None:
        """The child is dead, and all that it had sent has been read: its role is vacant, and its peers wait."""
        each.link.close()
        self.wiring.gone(each)
        if each in self.unassigned:
            self.unassigned.remove(each)
            return
        if each.role == "broker":
            self.note_death_of_broker(each)
        del self.by_role[each.role]
        self.vacated.add(each.role)
        order = list(self.failures)
        self.vacant = sorted([*self.vacant, each.role], key=order.index)

    def failures_of(self, each: Child) -> Failures:
        """Where a death counts: that of a child that was still starting is nobody's but all starts'."""
        is_start = each.role == SPARE and each.death is Death.COULD_NOT_START
        return self.starts if is_start else self.failures[each.role]

    def count(self, each: Child) -> str:
        """Count a death, and set the back-off of the next start; returns an event to be logged as an error, or ""."""
        now, failures = time.monotonic(), self.failures_of(each)
        match each.death:
            case Death.KILLED:
                return ""
            case Death.COULD_NOT_START:
                failures.could_not_start(now)
                return ""
            case Death.CRASHED:
                # Code that is changed while the server runs can be mended while it runs: that is no failed start.
                count = failures.crashed(now, each.ready or each.has_other_code)
                return "process keeps crashing" if count == failures.policy.alert_at else ""
            case Death.HUNG:
                count = failures.hung(now, each.hung_for, each.ready)
                grows = count == 2 and failures.policy.hang_limit_grows
                return "process keeps hanging: its limit grows" if grows else ""

    def describe(self) -> list[dict[str, object]]:
        """For `mpchat ps`: each role, its process if any, its row of the scoreboard; spares; the resource tracker."""
        rows: list[dict[str, object]] = []
        for role in (role for role in self.failures if role != SPARE):
            each = self.by_role.get(role)
            if each is None:
                rows.append({"role": role, "pid": None, "ready": False})
            else:
                counters = self.scoreboard.read(row_of(role))
                rows.append({"role": role, "pid": each.process.pid, "ready": each.ready, **counters})
                if each.has_other_code:
                    rows[-1]["has_other_code"] = True
        rows += [{"role": SPARE, "pid": each.process.pid, "ready": each.here} for each in self.unassigned]
        rows.append({"role": "resource_tracker", "pid": resource_tracker.pid()})
        return rows

    def tell_once(self, role: str, message: StopNow | StopAll | Farewell) -> None:
        """Tell the process of this role, if there is one, to end."""
        each = self.by_role.get(role)
        if each is not None and not each.told_to_end:
            each.told_to_end = True
            each.link.post(message)

    def kill(self) -> None:
        for each in self:
            each.process.kill()


def _open(listeners: list[tuple[socket.socket, str]]) -> list[tuple[socket.socket, str]]:
    """Those that are: in a stop they are closed."""
    return [(sock, dialect) for sock, dialect in listeners if sock.fileno() >= 0]
