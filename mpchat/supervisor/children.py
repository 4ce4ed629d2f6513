"""The children: the supervisor's children by role, how each is started, and who is connected to whom.

    worker -- transport -- broker         worker -- link (a Unix socket) -- acceptor -- listening sockets
    recorder -- link -- broker

To spawn a process takes a tenth of a second: an interpreter, and all its imports. So every process begins without a
role, and there is always one more than needed, the spare, which has that behind it when somebody dies. Whoever takes a
dead one's place gets a new lane or link to each that worked with it, while those are running (wiring.py).

A role that nobody has is vacant. What keeps a child from starting (no process, no memory, no descriptor, a file that is
not there) is logged and tried again, for ever: those that run go on.
"""

import math
import selectors
import socket
import time
from collections.abc import Callable, Iterator
from multiprocessing import get_context
from typing import Any

from mpchat.flow.restart_intensity import LONGEST_HANG_SECONDS, START, Failures, kind_of, rule_of
from mpchat.ipc import resource_tracker
from mpchat.ipc.scoreboard import BROKER_ROW, FIRST_WORKER_ROW, Scoreboard, row_of
from mpchat.runtime.first_minute import SPARE, LoadMains
from mpchat.runtime.log import Log
from mpchat.runtime.signals import Signals
from mpchat.settings import Secrets, Settings
from mpchat.store.data_directory import DataFolder
from mpchat.supervisor.child import Child, Death, spawn
from mpchat.supervisor.wiring import Wiring

_START_SECONDS = 30.0  # an interpreter and its imports may take so long: killed sooner, on a slow machine none arrives

_PEERS = (("worker", "broker"), ("worker", "acceptor"), ("recorder", "broker"))


def works_with(one: str, other: str) -> bool:
    """Whether there is a lane or a link between processes of these roles."""
    kinds = kind_of(one), kind_of(other)
    return kinds in _PEERS or kinds[::-1] in _PEERS


class Children:
    """`on_message` and `reap` are called with a child that has said something, or has ended."""

    def __init__(
        self,
        settings: Settings,
        secrets: Secrets,
        log: Log,
        selector: selectors.BaseSelector,
        signals: Signals,
        listeners: list[tuple[socket.socket, str]],
        load_mains: LoadMains,
        on_message: Callable[[Child], object],
        reap: Callable[[Child], None],
        data: DataFolder | None,
    ) -> None:
        self.data = data  # goes to who writes there, and to nobody else: with it goes its lock
        self.settings, self.log, self.listeners = settings, log, listeners
        self.secrets = secrets  # for the broker, and nobody else
        self.selector, self.signals = selector, signals
        self.load_mains, self.on_message, self.reap = load_mains, on_message, reap
        self.workers = [f"worker{number}" for number in range(settings.workers)]
        self.recorders = ["recorder"] if settings.data else []
        roles = ["broker", *self.workers, "acceptor", *self.recorders]
        self.by_role: dict[str, Child] = {}
        self.unassigned: list[Child] = []  # on their way, or standing by
        self.vacant = list(roles)  # in the order in which they are filled
        self.vacated: set[str] = set()  # roles that somebody has had before
        self.failures = {role: Failures(rule_of(role)) for role in (*roles, SPARE)}
        self.starts = Failures(START)
        self.wiring = Wiring(settings.ipc)
        self.scoreboard = Scoreboard.make(FIRST_WORKER_ROW + settings.workers)
        self.is_first = True  # no broker has begun this run yet
        self.acceptors = 0  # there have been
        self.died_at = 0  # place of the record that the last broker was replaying when it died

    def __iter__(self) -> Iterator[Child]:
        return iter([*self.by_role.values(), *self.unassigned])

    @property
    def ready(self) -> bool:
        """Everybody is there and at work; a spare does not count."""
        return not self.vacant and all(each.ready for each in self.by_role.values())

    # Starting

    def fill(self, with_spare: bool) -> None:
        """Give vacant roles to those who stand by, and start as many as are needed; what cannot be is tried later.

        No spare is started while somebody is still on the way to work, who needs the CPU more.
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
        needs_spare = with_spare and self.ready and self.failures[SPARE].not_before <= now
        # One that has been on the way for longer than anybody may hang is stopped, perhaps: nobody waits for it alone.
        latest = now - (self.settings.hang_limit or math.inf)
        on_the_way = [each for each in self.unassigned if each.here or each.started > latest]
        for _ in range(len(due) + needs_spare - len(on_the_way)):
            if self.starts.not_before > now or not self.start():
                break

    @property
    def next_start(self) -> float:
        """When fill() has to be called again, in monotonic seconds, if nothing happens before; infinity: never."""
        now = time.monotonic()
        times = [self.starts.not_before, *(failures.not_before for failures in self.failures.values())]
        return min([at for at in times if at > now], default=math.inf)

    def start(self) -> bool:
        """Spawn a process without a role; returns whether that could be done."""
        self.signals.hold()
        try:
            resource_tracker.ensure_running()  # not in the middle of spawning: it lets go of signals that are held
            self.signals.hold()
            each = spawn(get_context("spawn"), self.settings, self.scoreboard, self.load_mains)
        except (OSError, MemoryError) as error:
            self.log.error("cannot start a process: tried again", error=str(error) or repr(error))
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
        """Let a process that stands by take a vacant role, and connect it to all that work with it.

        Where that fails half way, for want of descriptors or of room in /dev/shm, the process is of no use.
        """
        args: tuple[Any, ...] = ()
        if role == "broker":
            args = self.data, self.is_first, self.skip(), self.secrets
        elif role == "recorder":
            args = (self.data,)
        elif role == "acceptor":
            self.acceptors += 1
            # In a stop they are closed already; the acceptor is needed all the same, to know who is in.
            args = [(sock, dialect) for sock, dialect in self.listeners if sock.fileno() >= 0], self.acceptors
        elif role in self.workers:
            args = (self.workers.index(role),)
        self.scoreboard.begin(row_of(role))  # its first beat, and nothing of the last one's
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
        """A new process to all that work with it and are there; the others are connected to it when they come."""
        broker, acceptor, recorder = (self.by_role.get(name) for name in ("broker", "acceptor", "recorder"))
        for number, name in enumerate(self.workers):
            worker = self.by_role.get(name)
            if worker is not None and broker is not None and role in ("broker", name):
                self.wiring.transport(worker, broker, number)
            if worker is not None and acceptor is not None and role in ("acceptor", name):
                self.wiring.link(worker, acceptor, number)
        if recorder is not None and broker is not None and role in ("broker", "recorder"):
            self.wiring.link(recorder, broker)

    def skip(self) -> int:
        """The place of the record that the next broker must leave out: two before it died there while replaying."""
        last, self.died_at = self.died_at, self.scoreboard.read(BROKER_ROW)["position"]
        return self.died_at if self.died_at == last else 0

    # Ends

    def end(self, each: Child, why: Death) -> None:
        """Kill it, for this reason."""
        each.condemned = why
        each.process.kill()

    def hung(self, now: float, is_late: bool) -> list[tuple[Child, int]]:
        """Those whose loop has not turned for too long, and for how many seconds.

        `is_late`: we have not looked for so long (Ctrl-Z, a stopped machine) that we judge nobody: let all turn now.
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
        """It is dead, and has been heard to the end: its role is vacant, and those that worked with it wait."""
        each.link.close()
        self.wiring.gone(each)
        if each in self.unassigned:
            self.unassigned.remove(each)
            return
        if each.role == "broker" and each.ready:
            self.is_first = False
        del self.by_role[each.role]
        self.vacated.add(each.role)
        order = list(self.failures)
        self.vacant = sorted([*self.vacant, each.role], key=order.index)

    def count(self, each: Child) -> str:
        """Count a death by how it came, and let its successor wait accordingly; returns what is to be said loudly."""
        now, failures = time.monotonic(), self.failures[each.role]
        match each.death:
            case Death.KILLED:
                return ""
            case Death.COULD_NOT_START:
                (self.starts if each.role == SPARE else failures).could_not_start(now)
                return ""
            case Death.CRASHED:
                count = failures.crashed(now, each.ready)
                return "process keeps crashing" if count == failures.rule.loud_at else ""
            case Death.HUNG:
                count = failures.hung(now, each.hung_for, each.ready)
                return "process keeps hanging: its limit grows" if count == 2 and failures.rule.hang_limit_grows else ""

    def describe(self) -> list[dict[str, Any]]:
        """Who they are, and what they say on the board; what nobody is; and multiprocessing's own process."""
        rows: list[dict[str, Any]] = []
        for role in (role for role in self.failures if role != SPARE):
            each = self.by_role.get(role)
            if each is None:
                rows.append({"role": role, "pid": None, "ready": False})
            else:
                counters = self.scoreboard.read(row_of(role))
                rows.append({"role": role, "pid": each.process.pid, "ready": each.ready, **counters})
        rows += [{"role": SPARE, "pid": each.process.pid, "ready": each.here} for each in self.unassigned]
        rows.append({"role": "resource_tracker", "pid": resource_tracker.pid()})
        return rows

    def tell_once(self, role: str, *message: str) -> None:
        """Tell whoever has this role, if anybody has, that it is to end, and how."""
        each = self.by_role.get(role)
        if each is not None and not each.told_to_end:
            each.told_to_end = True
            each.link.post(*message)

    def kill(self) -> None:
        for each in self:
            each.process.kill()
