"""From the stream of what a server says, and of what is measured, to rates and histories. Pure.

A number that only grows becomes one a second; a successor's begins at 0. Each row stays where it is, whoever has the
role: a death shows as another process in the same row.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mpchat.monitor.measuring import Measured, Memory

SAMPLES = 120  # of a history: a minute, at two a second
EVENTS = 100  # as many as the server keeps
FLASH_MS = 1000  # how long a death can be seen
NEW_MS = 5000  # how long a successor is marked as new
_LEAST_MS = 250  # between two snapshots: half of what is usual

Said = dict[str, Any]  # a line of the server's


@dataclass(frozen=True)
class Process:
    key: str  # of its row: the role, and a number where several have it
    row: Said  # as the server said it
    state: str  # the server's word, or "stopped"
    is_flashing: bool = False
    is_new: bool = False
    started: float | None = None
    cpu_seconds: float | None = None
    cpu_percent: float | None = None  # of a core, since the last picture
    uss_mib: float | None = None
    fds: int | None = None
    voluntary: float | None = None  # context switches a second
    involuntary: float | None = None
    lines: float | None = None  # a second
    deliveries: float | None = None
    cpu_history: tuple[float, ...] = ()

    @property
    def role(self) -> str:
        return str(self.row["role"])

    @property
    def pid(self) -> int | None:
        pid: int | None = self.row.get("pid")
        return pid


@dataclass(frozen=True)
class Connection:
    source: str
    target: str
    by: str
    messages: int
    bytes: int
    history: tuple[int, ...]  # bytes


@dataclass(frozen=True)
class Facts:
    """What is known at one moment."""

    snapshot: Said
    processes: tuple[Process, ...]
    connections: tuple[Connection, ...]
    events: tuple[Said, ...]  # the oldest first
    taken: int  # snapshots so far
    silent_seconds: float = 0.0  # since the last of them

    @property
    def supervisor(self) -> int | None:
        return next((process.pid for process in self.processes if process.role == "supervisor"), None)


class Course:
    """Of one server, from the moment that we follow it."""

    def __init__(self) -> None:
        self._events: deque[Said] = deque(maxlen=EVENTS)
        self._taken = 0
        self._snapshot: Said = {}
        self._had_spare = False
        self._counters: dict[str, tuple[int | None, int, Said]] = {}  # of a row: its process, when, what was said
        self._rates: dict[str, tuple[float | None, float | None]] = {}
        self._measured: dict[int, tuple[float, Measured]] = {}
        self._unseen: set[str] = set()  # roles in which somebody died since the last snapshot
        self._died: dict[str, int] = {}  # of a row: the first snapshot after a death
        self._replaced: dict[str, int] = {}
        self._cpu: dict[str, deque[float]] = {}
        self._under_way: dict[tuple[str, str], deque[int]] = {}

    def event(self, event: Said) -> None:
        self._events.append(event)
        if event["what"] == "died" and event["mono_ms"] > self._snapshot.get("mono_ms", event["mono_ms"]):
            self._unseen.add(event["role"])

    def is_too_soon(self, snapshot: Said) -> bool:
        """Whether it would give no rates: a server sends the first at once, and the second when all are due."""
        since: int = snapshot["mono_ms"] - self._snapshot.get("mono_ms", -_LEAST_MS)
        return 0 <= since < _LEAST_MS

    def snapshot(self, snapshot: Said) -> None:
        self._taken += 1
        self._snapshot = {**snapshot, "processes": self._in_place(snapshot["processes"])}
        now: int = snapshot["mono_ms"]
        self._died.update(dict.fromkeys(self._unseen, now))
        self._unseen.clear()
        for key, row in _keyed(self._snapshot["processes"]):
            self._count(key, row, now)
        for each in snapshot["connections"]:
            history = self._under_way.setdefault((each["from"], each["to"]), deque(maxlen=SAMPLES))
            history.append(each["bytes"])

    def _in_place(self, rows: list[Said]) -> list[Said]:
        """With a vacant row if there is no spare, but was one: what stands below stays where it is."""
        if any(row["role"] == "spare" for row in rows):
            self._had_spare = True
        elif self._had_spare:
            vacant = {"role": "spare", "pid": None, "state": "vacant"}
            at = next((number for number, row in enumerate(rows) if row["role"] == "resource_tracker"), len(rows))
            return [*rows[:at], vacant, *rows[at:]]
        return rows

    def _count(self, key: str, row: Said, now: int) -> None:
        pid = row["pid"]
        if key in self._counters:
            last_pid, at, last = self._counters[key]
            has_changed = pid != last_pid
            seconds = (now - at) / 1000
            base = {"lines": 0, "deliveries": 0} if has_changed else last
            self._rates[key] = (
                _rate(row.get("lines"), base.get("lines"), seconds),
                _rate(row.get("deliveries"), base.get("deliveries"), seconds),
            )
            if has_changed and row["role"] != "spare":  # a spare that has gone has taken a role
                if last_pid is not None:
                    self._died[key] = now
                if pid is not None:
                    self._replaced[key] = now
        self._counters[key] = (pid, now, row)

    def facts(
        self,
        measured: Mapping[int, Measured],
        memory: Mapping[int, Memory],
        now: float,
        silent_seconds: float = 0.0,
    ) -> Facts:
        """The last snapshot, with what was measured at `now` (s), each by process id. Once for each picture."""
        processes = []
        for key, row in _keyed(self._snapshot["processes"]):
            processes.append(self._process(key, row, measured, memory, now, silent_seconds))
        self._measured = {pid: (now, each) for pid, each in measured.items()}
        connections = [
            Connection(
                each["from"],
                each["to"],
                each["by"],
                each["messages"],
                each["bytes"],
                tuple(self._under_way[each["from"], each["to"]]),
            )
            for each in self._snapshot["connections"]
        ]
        events = tuple(self._events)
        return Facts(self._snapshot, tuple(processes), tuple(connections), events, self._taken, silent_seconds)

    def _process(
        self,
        key: str,
        row: Said,
        measured: Mapping[int, Measured],
        memory: Mapping[int, Memory],
        now: float,
        silent_seconds: float,
    ) -> Process:
        at = self._snapshot["mono_ms"] + silent_seconds * 1000
        lines, deliveries = self._rates.get(key, (None, None))
        is_flashing = 0 <= at - self._died.get(key, -FLASH_MS) < FLASH_MS
        is_new = 0 <= at - self._replaced.get(key, -NEW_MS) < NEW_MS
        history = self._cpu.setdefault(key, deque(maxlen=SAMPLES))
        pid = row["pid"]
        found = measured.get(pid) if pid is not None else None
        if found is None:
            history.append(0.0)
            return Process(
                key, row, row["state"], is_flashing, is_new, lines=lines, deliveries=deliveries,
                cpu_history=tuple(history),
            )  # fmt: skip
        then, before = self._measured.get(pid, (now, found))
        if before.started != found.started:
            then, before = now, found
        seconds = now - then
        cpu = _rate(found.cpu_seconds, before.cpu_seconds, seconds)
        history.append((cpu or 0.0) * 100)
        size = memory.get(pid)
        return Process(
            key=key,
            row=row,
            state="stopped" if found.is_stopped else row["state"],
            is_flashing=is_flashing,
            is_new=is_new,
            started=found.started,
            cpu_seconds=found.cpu_seconds,
            cpu_percent=None if cpu is None else cpu * 100,
            uss_mib=None if size is None else size.uss_mib,
            fds=found.fds,
            voluntary=_rate(found.voluntary, before.voluntary, seconds),
            involuntary=_rate(found.involuntary, before.involuntary, seconds),
            lines=lines,
            deliveries=deliveries,
            cpu_history=tuple(history),
        )


def as_json(facts: Facts, seen: int = 0) -> Said:
    """A picture for programs: what the server said, and what was measured. Events: those behind the number `seen`."""
    return {
        **{name: value for name, value in facts.snapshot.items() if name != "kind"},
        "processes": [
            {
                **process.row,
                "is_stopped": process.state == "stopped",
                "cpu_seconds": process.cpu_seconds,
                "cpu_percent": _rounded(process.cpu_percent),
                "uss_mib": _rounded(process.uss_mib),
                "fds": process.fds,
                "voluntary_switches_per_second": _rounded(process.voluntary),
                "involuntary_switches_per_second": _rounded(process.involuntary),
                "lines_per_second": _rounded(process.lines),
                "deliveries_per_second": _rounded(process.deliveries),
            }
            for process in facts.processes
        ],
        "events": [
            {name: value for name, value in event.items() if name != "kind"}
            for event in facts.events
            if event["number"] > seen
        ],
    }


def _rounded(number: float | None) -> float | None:
    return None if number is None else round(number, 1)


def _keyed(rows: list[Said]) -> list[tuple[str, Said]]:
    """Each row with its key."""
    seen: dict[str, int] = {}
    keyed = []
    for row in rows:
        role = row["role"]
        seen[role] = seen.get(role, 0) + 1
        keyed.append((role if seen[role] == 1 else f"{role} {seen[role]}", row))
    return keyed


def _rate(now: float | None, before: float | None, seconds: float) -> float | None:
    """How much a second; never less than 0. None where it cannot be known."""
    if now is None or before is None or seconds <= 0:
        return None
    return max(0.0, now - before) / seconds
