"""Monitoring: what the supervisor tells of its children to those who watch. It decides nothing.

events      a death, a replacement, a hang, a loop that does not turn: kept, and told as they happen
snapshots   all roles, with what the scoreboard has of each, and what is under way between them
"""

import time
from collections import Counter, deque
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

from mpchat.ipc import resource_tracker
from mpchat.ipc.scoreboard import row_of
from mpchat.runtime.first_minute import SPARE
from mpchat.supervisor.child import Child
from mpchat.supervisor.children import Children
from mpchat.supervisor.followers import line

SNAPSHOT_SECONDS = 0.45  # between two, at least: with a look each BEAT_SECONDS there are two a second
_KEPT_EVENTS = 100
_SILENT_SECONDS = 1.0  # a loop turns four times a second: one that has not for so long is told of


class Monitoring:
    """Of one supervisor. `tell` is given each event, a line of JSON. Times in monotonic seconds."""

    def __init__(self, tell: Callable[[bytes], None]) -> None:
        self._tell = tell
        self._events: deque[bytes] = deque(maxlen=_KEPT_EVENTS)
        self._number = 0
        self._deaths: Counter[str] = Counter()
        self._stalls: dict[str, int] = {}  # by role: the last one, in ms
        self._vacant_since: dict[str, float] = {}  # roles whose process has died, and whose next one is not ready
        self._silent_since: dict[Child, float] = {}  # its last beat
        self._disk_error = ""  # as the events so far say

    @property
    def kept(self) -> bytes:
        """The last events, oldest first."""
        return b"".join(self._events)

    # Events

    def died(self, each: Child) -> None:
        now = time.monotonic()
        if each.role != SPARE:
            self._vacant_since.setdefault(each.role, now)
        self._deaths[each.role] += 1
        self._silent_since.pop(each, None)
        self._happened("died", each.role, each.process.pid, how=each.how)

    def ready(self, each: Child) -> None:
        """It is at work. The first process of a role replaces nobody."""
        since = self._vacant_since.pop(each.role, None)
        if since is not None:
            stall = self._stalls[each.role] = round((time.monotonic() - since) * 1000)
            self._happened("replaced", each.role, each.process.pid, stall_ms=stall)
        if each.role == "broker":
            self.disk(each)  # its predecessor may have died on a full disk, which has room again

    def disk(self, broker: Child) -> None:
        """The broker says whether it has room: without, nothing is accepted."""
        if bool(broker.disk_error) != bool(self._disk_error):
            how = {"how": broker.disk_error} if broker.disk_error else {}
            self._happened("disk full" if how else "disk has room", broker.role, broker.process.pid, **how)
        self._disk_error = broker.disk_error

    def hangs(self, each: Child, seconds: float) -> None:
        self._happened("hangs", each.role, each.process.pid, silent_ms=round(seconds * 1000))

    def misbehaves(self, each: Child, why: str) -> None:
        self._happened("misbehaves", each.role, each.process.pid, how=why)

    def cannot_start(self, why: str) -> None:
        self._happened("cannot start", SPARE, None, how=why)

    def look(self, children: Children) -> None:
        """To be called each BEAT_SECONDS: which loops do not turn, and which turn again?"""
        now = time.monotonic()
        for each in children.by_role.values():
            beat = children.scoreboard.last_beat(row_of(each.role))
            is_silent = self.is_silent(children, each, now)
            if is_silent and each not in self._silent_since:
                self._silent_since[each] = beat
                self._happened("silent", each.role, each.process.pid)
            elif not is_silent and each in self._silent_since:
                stall = self._stalls[each.role] = round((beat - self._silent_since.pop(each)) * 1000)
                self._happened("turns again", each.role, each.process.pid, stall_ms=max(0, stall))

    @staticmethod
    def is_silent(children: Children, each: Child, now: float) -> bool:
        """Whether its loop has not turned for a second, though it does not wait for the disk."""
        row = row_of(each.role)
        is_late = now - children.scoreboard.last_beat(row) > _SILENT_SECONDS
        return is_late and not children.scoreboard.waits_for_the_disk(row)

    def _happened(self, what: str, role: str, pid: int | None, **facts: object) -> None:
        self._number += 1
        head = {"kind": "event", "number": self._number, **_times(), "what": what, "role": role, "pid": pid}
        event = line({**head, **facts})
        self._events.append(event)
        self._tell(event)

    # Snapshots

    def snapshot(
        self, supervisor: int, begun: float, ports: list[int], certificate_ends: float | None, children: Children
    ) -> bytes:
        """`supervisor` is its pid, and `begun` when it began. `certificate_ends`: wall s; None: there is no TLS."""
        now = time.monotonic()
        processes = [self._row("supervisor", supervisor, "working", now - begun)]
        for role in [role for role in children.failures if role != SPARE]:
            each = children.by_role.get(role)
            if each is None:
                processes.append(self._row(role, None, "vacant", None))
                continue
            row = self._row(role, each.process.pid, self._state(children, each, now), now - each.born)
            counters = children.scoreboard.read(row_of(role))
            if role in ("acceptor", "front") or role.startswith("worker"):
                row["clients"] = counters["clients"]
            if role not in ("acceptor", "front"):
                row["lines"] = counters["records"]
            if role.startswith("worker"):
                row["deliveries"], row["unsent"] = counters["deliveries"], counters["unsent"]
            row["silent_ms"] = max(0, round((now - children.scoreboard.last_beat(row_of(role))) * 1000))
            processes.append(row)
        for each in children.unassigned:
            state = "spare" if each.here else "starting"
            processes.append(self._row(SPARE, each.process.pid, state, now - each.born))
        processes.append(self._row("resource_tracker", resource_tracker.pid(), "working", None))
        settings = children.settings
        head = {"kind": "snapshot", **_times(), "ports": ports, "ipc": Path(settings.ipc).name, "data": settings.data}
        disk = {"disk_full": bool(self._disk_error), "disk_error": self._disk_error}
        tls = {"certificate_ends": certificate_ends}
        return line({**head, **disk, **tls, "processes": processes, "connections": _connections(children)})

    def _row(self, role: str, pid: int | None, state: str, age: float | None) -> dict[str, object]:
        return {
            "role": role,
            "pid": pid,
            "state": state,
            "age_ms": None if age is None else round(age * 1000),
            "clients": None,
            "lines": None,
            "deliveries": None,
            "unsent": None,
            "deaths": self._deaths[role],
            "stall_ms": self._stalls.get(role),
            "silent_ms": 0,
        }

    def _state(self, children: Children, each: Child, now: float) -> str:
        if each.disk_error:
            return "full"
        if not each.ready:
            return "starting"
        if children.scoreboard.waits_for_the_disk(row_of(each.role)):
            return "disk"
        return "silent" if self.is_silent(children, each, now) else "working"


def _connections(children: Children) -> list[dict[str, object]]:
    """Between each two roles that work together, both ways, with what is under way; nothing is to a vacant role."""
    pairs = [(worker, "broker", Path(children.settings.ipc).name) for worker in children.workers]
    pairs += [("acceptor", worker, "link") for worker in children.workers]
    pairs += [("broker", keeper, "link") for keeper in children.keepers]
    pairs += [("front", "acceptor", "link") for _ in children.fronts]
    found: list[dict[str, object]] = []
    for one, other, by in pairs:
        for start, end in ((one, other), (other, one)):
            is_whole = start in children.by_role and end in children.by_role
            messages, size = children.scoreboard.under_way(start, end) if is_whole else (0, 0)
            found.append({"from": start, "to": end, "by": by, "messages": messages, "bytes": size})
    return found


def _times() -> dict[str, object]:
    wall = datetime.fromtimestamp(time.time(), timezone.utc).isoformat(timespec="milliseconds")
    return {"at": wall.replace("+00:00", "Z"), "mono_ms": time.monotonic_ns() // 1_000_000}
