"""Trips in the Chrome trace event format, which ui.perfetto.dev and chrome://tracing open. Pure.

Each process is a track of its own, by its pid. A slice is the time in which a process came from one point to the next,
or in which the message waited for it; slices of a track do not overlap. An arrow leads from each point to the point in
another process that follows from it. Times are in microseconds since the first point of all, to the nanosecond.
"""

from collections.abc import Sequence
from typing import Any

from mpchat.monitor.trip import DIED, Point, Trip
from mpchat.monitor.words import Words, what

_CATEGORY = "message"
_ARROW = "follows"


def perfetto(trips: Sequence[Trip]) -> dict[str, Any]:
    """The JSON object."""
    since = min((point.at for trip in trips for point in trip.points), default=0)
    every = [(trip, number) for trip in trips for number in range(len(trip.points))]
    every.sort(key=lambda each: each[0].points[each[1]].at)
    arrows = _arrows(every)
    names: dict[int, str] = {}
    events: list[dict[str, Any]] = []
    ends: dict[int, int] = {}  # by track: where its last slice ends
    for trip, number in every:
        point = trip.points[number]
        names.setdefault(point.pid, point.role)
        begins = max(_begins(trip, number), ends.get(point.pid, 0))
        if point.what == DIED:
            events.append({**_event("i", point, begins - since), "s": "p", "args": {"how": point.how}})
            continue
        ends[point.pid] = max(begins, point.at)
        events.append({**_event("B", point, begins - since), "args": _args(trip, point)})
        for phase, arrow in arrows.get((id(trip), number), ()):
            events.append({**_event(phase, point, begins - since, _ARROW), "id": arrow, "bp": "e"})
        events.append(_event("E", point, ends[point.pid] - since))
    events.sort(key=lambda event: float(event["ts"]))  # of one moment they stay in this order
    return {"traceEvents": [*_names(names), *events], "displayTimeUnit": "ns"}


def _begins(trip: Trip, number: int) -> int:
    """A slice begins at the point before it, if it was the same process's, or if the message waited since then."""
    point = trip.points[number]
    if point.after is None:
        return point.at
    before = trip.points[point.after]
    return before.at if before.pid == point.pid or point.waited else point.at


def _arrows(every: Sequence[tuple[Trip, int]]) -> dict[tuple[int, int], list[tuple[str, int]]]:
    """By trip and point: the arrows that start there ("s") or end there ("f"), by their numbers."""
    found: dict[tuple[int, int], list[tuple[str, int]]] = {}
    arrow = 0
    for trip, number in every:
        before = trip.points[number].after
        while before is not None and trip.points[before].what == DIED:
            before = trip.points[before].after
        is_death = trip.points[number].what == DIED
        if before is None or is_death or trip.points[before].pid == trip.points[number].pid:
            continue
        arrow += 1
        found.setdefault((id(trip), before), []).append(("s", arrow))
        found.setdefault((id(trip), number), []).append(("f", arrow))
    return found


def _event(phase: str, point: Point, at: int, name: str = "") -> dict[str, Any]:
    """`at`: ns since the first point."""
    head = {"ph": phase, "ts": at / 1000, "pid": point.pid, "tid": point.pid}
    return {**head, "name": name or what(point), "cat": _CATEGORY}


def _args(trip: Trip, point: Point) -> dict[str, object]:
    words = Words(trip.server.ipc, is_for_people=False)
    return {
        "hop": point.what,
        "call": words.call(point),
        "through": words.through(point),
        "connection": trip.connection,
        "bytes": point.size,
        "depth": point.depth,
        "waited": point.waited,
    }


def _names(names: dict[int, str]) -> list[dict[str, Any]]:
    """What the tracks are called."""
    return [
        {"ph": "M", "ts": 0, "pid": pid, "tid": pid, "name": kind, "args": {"name": role}}
        for pid, role in names.items()
        for kind in ("process_name", "thread_name")
    ]
