"""What a server says, as its control socket tells it; and pictures of it."""

from __future__ import annotations

from typing import Any

from mpchat.monitor.course import Course, Facts, Said
from mpchat.monitor.measuring import Measured, Memory


def roles(workers: int = 4, spares: int = 1) -> list[str]:
    """In the order in which a server names them."""
    return [
        "supervisor",
        "broker",
        *[f"worker{number}" for number in range(workers)],
        "acceptor",
        "recorder",
        *["spare"] * spares,
        "resource_tracker",
    ]


def row(role: str, pid: int | None, **other: Any) -> Said:
    is_worker = role.startswith("worker")
    nothing_yet = {
        "role": role,
        "pid": pid,
        "state": "spare" if role == "spare" else "working" if pid else "vacant",
        "age_ms": 61_000,
        "clients": 0 if is_worker else None,
        "lines": 0 if is_worker or role in ("broker", "recorder") else None,
        "deliveries": 0 if is_worker else None,
        "deaths": 0,
        "stall_ms": None,
        "silent_ms": 0,
    }
    return {**nothing_yet, **other}


def snapshot(mono_ms: int, rows: list[Said] | None = None, under_way: int = 0, workers: int = 4) -> Said:
    """Of a server with these rows, or of one in which nothing is amiss."""
    pairs = [(f"worker{number}", "broker", "queue") for number in range(workers)]
    pairs += [("acceptor", f"worker{number}", "link") for number in range(workers)]
    pairs += [("broker", "recorder", "link")]
    both = [each for one, other, by in pairs for each in ((one, other, by), (other, one, by))]
    return {
        "kind": "snapshot",
        "at": "2026-11-30T02:20:00.123Z",
        "mono_ms": mono_ms,
        "ports": [6667, 6680],
        "ipc": "queue",
        "processes": rows or [row(role, 4000 + number) for number, role in enumerate(roles(workers))],
        "connections": [
            {"from": one, "to": other, "by": by, "messages": under_way, "bytes": 1000 * under_way}
            for one, other, by in both
        ],
    }


def event(what: str, role: str, pid: int | None, mono_ms: int, number: int = 1, **other: Any) -> Said:
    return {
        "kind": "event",
        "number": number,
        "at": "2026-11-30T02:20:07.123Z",
        "mono_ms": mono_ms,
        "what": what,
        "role": role,
        "pid": pid,
        **other,
    }


def measured(seconds: float = 0.0, switches: int = 0, started: float = 1.0, is_stopped: bool = False) -> Measured:
    return Measured(1, started, is_stopped, seconds, 14, switches, switches)


def facts(workers: int = 4, spares: int = 1, snapshots: int = 3, events: int = 0, busy: int = 0) -> Facts:
    """Of a server that has been watched for some time, and in whose first connections much is under way."""
    course = Course()
    rows = [row(role, 4000 + number) for number, role in enumerate(roles(workers, spares))]
    for number in range(snapshots):
        said = snapshot(500 * number, rows, workers=workers)
        for each in said["connections"][:busy]:
            each["bytes"] = 100 + number
        course.snapshot(said)
    for number in range(events):
        course.event(event("died", "worker0", 3000 + number, 1, number + 1, how="SIGKILL"))
    pids = [each["pid"] for each in rows]
    return course.facts({pid: measured() for pid in pids}, {pid: Memory(15.0, 16.0) for pid in pids}, 1.0)
