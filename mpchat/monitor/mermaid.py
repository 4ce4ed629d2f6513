"""A trip as a sequence diagram in Mermaid's language, which GitHub renders in a ```mermaid block. Pure.

The participants are the processes with their pids, the sender, and each worker's clients. A diagram shows the order and
the hops between processes; what a process does by itself is a note at it.
"""

from mpchat.ipc.trace_ring import Hop
from mpchat.monitor.trip import DIED, Point, Trip
from mpchat.monitor.words import Words, clients, microseconds, what
from mpchat.texts import t

# Mermaid ends a statement at ";", and begins a code for a letter at "#".
_SPECIAL = str.maketrans({";": ",", "#": "", "\n": " ", "\r": " "})
_SENT = (Hop.SENT.name, Hop.SENT_BEFORE.name)
_SENDER, _MARK = "sender", "P"  # a process is P with its pid, and its clients are C with it


def mermaid(trip: Trip) -> str:
    """The text of the diagram, without the fence."""
    words = Words(trip.server.ipc)
    numbers = sorted(range(len(trip.points)), key=lambda number: (trip.points[number].at, number))
    processes = dict.fromkeys((trip.points[number].role, trip.points[number].pid) for number in numbers)
    receivers = dict.fromkeys((trip.points[number].role, trip.points[number].pid) for number in trip.sends)
    lines = ["sequenceDiagram", _participant(_SENDER, t("trace.client", connection=trip.connection))]
    lines += [_participant(f"{_MARK}{pid}", f"{role} ({pid})") for role, pid in processes]
    lines += [_participant(f"C{pid}", t("trace.receivers", role=role)) for role, pid in receivers]
    told: set[int] = set()
    for number in numbers:
        point = trip.points[number]
        if number == 0 and point.what == Hop.SAW.name:
            said = _safe(t("trace.line", bytes=point.size))
            lines.append(f"  {_SENDER}->>{_MARK}{point.pid}: {said}")
        if point.what in _SENT:
            if point.pid not in told:
                told.add(point.pid)
                lines.append(_sends(trip, point, words))
            continue
        before = None if point.after is None else trip.points[point.after]
        said = _said(trip, number, words)
        if before is not None and before.pid != point.pid and point.what != DIED and before.what != DIED:
            lines.append(f"  {_MARK}{before.pid}->>{_MARK}{point.pid}: {said}")
        else:
            lines.append(f"  Note over {_MARK}{point.pid}: {said}")
    if trip.total is not None:
        lines.append(f"  Note over {_SENDER}: {_safe(t('trace.total', us=microseconds(trip.total)))}")
    return "\n".join(lines)


def _participant(mark: str, name: str) -> str:
    return f"  participant {mark} as {_safe(name)}"


def _said(trip: Trip, number: int, words: Words) -> str:
    point = trip.points[number]
    after = "" if point.after is None else f"+{microseconds(trip.took(number))} µs"
    waited = t(f"trace.waited.{point.waited}") if point.waited else ""
    dearest = t("trace.dearest") if number == max(trip.path, key=trip.took, default=None) else ""
    call = point.how if point.what == DIED else words.call(point)
    return _safe(", ".join(part for part in (what(point), call, words.through(point), waited, after, dearest) if part))


def _sends(trip: Trip, point: Point, words: Words) -> str:
    """All of one process, in one arrow at the first."""
    sends = trip.sends_of(point.pid)
    times = [f"+{microseconds(trip.took(sends[0]))}"]
    if len(sends) > 1:
        times.append(f"+{microseconds(trip.took(sends[-1]))}")
    said = f"{what(point)}, {words.call(point)}, {clients(len(sends))}, {' ... '.join(times)} µs"
    return f"  {_MARK}{point.pid}->>C{point.pid}: {_safe(said)}"


def _safe(text: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in text.translate(_SPECIAL))
