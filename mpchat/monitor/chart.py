"""The chart of a trip in a terminal: a row for each hop, with a bar as long as the hop took. Pure."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from mpchat.ipc.trace_ring import Hop
from mpchat.monitor.trip import Trip
from mpchat.monitor.words import Words, clients, detail, header, lack, microseconds, process, what
from mpchat.texts import t

COLUMNS = 80  # where the output is no terminal
_LEAST_BAR = 8
_LEAST_TEXT = 20  # beside an indent: a terminal that is narrower breaks the lines
_BLOCK, _PLAIN = "█", "#"
_GAP = "  "


class _Row(NamedTuple):
    """`took`: ns; `more`: the call and the rest."""

    took: int
    who: str
    does: str
    more: str


def chart(trip: Trip, columns: int, encoding: str, under_way: Mapping[str, int], sender: str = "") -> list[str]:
    """Its lines.

    `encoding`: of the output; `under_way`: bytes in the transport from the broker, by the worker's role; `sender`: the
    nickname, if it is known.
    """
    words, block = Words(trip.server.ipc), _block(encoding)
    rows = [_row(trip, number, words) for number in trip.path]
    lines = [
        *textwrap.wrap(header(trip, sender), columns),
        *_bars(rows, columns, block),
        *_sum(trip),
        *_beside(trip, words, columns),
    ]
    for each in trip.lacks:
        missing = lack(each, words, under_way.get(each.role, 0))
        lines += textwrap.wrap(missing, columns, initial_indent=_GAP, subsequent_indent=_GAP * 2)
    if block == _PLAIN:
        lines = [line.replace("µ", "u") for line in lines]
    return ["".join(letter if letter.isprintable() else "?" for letter in line) for line in lines]


def _block(encoding: str) -> str:
    try:
        _BLOCK.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return _PLAIN
    return _BLOCK


def _row(trip: Trip, number: int, words: Words) -> _Row:
    """All the sends of one process are one row."""
    point, more = trip.points[number], ""
    sends = trip.sends_of(point.pid) if number in trip.sends else []
    if len(sends) > 1:
        first = microseconds(_since(trip, sends[0]))
        more = t("trace.sends", clients=clients(len(sends)), first=first, call=words.call(point))
    return _Row(trip.took(number), process(point), what(point), more or detail(point, words))


def _since(trip: Trip, number: int) -> int:
    """How long after the first of all points, in ns."""
    return trip.points[number].at - min(point.at for point in trip.points)


def _bars(rows: Sequence[_Row], columns: int, block: str) -> list[str]:
    """The dearest hop's bar is the longest. What does not fit beside the bars stands in lines of its own."""
    if not rows:
        return []
    most = max(row.took for row in rows)
    dearest = next(row for row in rows if row.took == most)
    mark = t("trace.dearest")
    times = [f"+{microseconds(row.took)}" for row in rows]
    time, who, does = (max(map(len, words)) for words in (times, [r.who for r in rows], [r.does for r in rows]))
    left = columns - time - who - does - 4 * len(_GAP) - len(mark) - 1
    more = max(len(row.more) for row in rows) + len(_GAP)
    is_wide = left - more >= _LEAST_BAR
    width = max(_LEAST_BAR, left - is_wide * more)
    lines = []
    for took, row in zip(times, rows, strict=True):
        bar = block * max(int(row.took > 0), row.took * width // most if most else 0)
        parts = ["", took.rjust(time), row.who.ljust(who), row.does.ljust(does)]
        marked = f"{bar} {mark}" if row is dearest else bar
        if is_wide:
            lines.append(_GAP.join([*parts, marked.ljust(width + 1 + len(mark)), row.more]).rstrip())
            continue
        lines.append(_GAP.join([*parts, marked]).rstrip())
        lines += _under(row.more, time, columns)
    return lines


def _under(more: str, time: int, columns: int) -> list[str]:
    """Lines of their own, which begin where the process stands above."""
    indent = " " * (time + 2 * len(_GAP))
    return textwrap.wrap(more, max(columns, len(indent) + _LEAST_TEXT), initial_indent=indent, subsequent_indent=indent)


def _sum(trip: Trip) -> list[str]:
    """What the hops add up to, and what the sender's own copy took."""
    lines = []
    if trip.total is not None:
        lines.append(_GAP + t("trace.total", us=microseconds(trip.total)))
    elif trip.first is None:
        lines.append(_GAP + t("trace.no_first"))
    else:
        lines.append(_GAP + t("trace.no_send"))
    if trip.echo is not None:
        lines.append(_GAP + t("trace.echo", us=microseconds(trip.echo)))
    return lines


def _beside(trip: Trip, words: Words, columns: int) -> list[str]:
    """What happened beside the way to the last send, and behind it."""
    last = trip.points[trip.sends[-1]].pid if trip.sends else 0
    others = dict.fromkeys(trip.points[number].pid for number in trip.sends)
    nothing = [n for n in trip.beside if trip.points[n].what == Hop.APPENDED.name and not trip.points[n].depth]
    numbers = [each for each in trip.beside if each not in nothing] + [
        trip.sends_of(pid)[-1] for pid in others if pid != last
    ]  # the last one's are in its row
    if not numbers:
        return []
    numbers.sort(key=lambda number: trip.points[number].at)
    rows = [_row(trip, number, words) for number in numbers]
    times = [microseconds(_since(trip, number)) for number in numbers]
    time, who, does = (max(map(len, each)) for each in (times, [r.who for r in rows], [r.does for r in rows]))
    lines = [_GAP + t("trace.beside")]
    for at, row in zip(times, rows, strict=True):
        head = _GAP.join(["", at.rjust(time), row.who.ljust(who), row.does.ljust(does)])
        if len(head) + len(_GAP) + len(row.more) <= columns:
            lines.append(f"{head}{_GAP}{row.more}".rstrip())
        else:
            lines += [head.rstrip(), *_under(row.more, time, columns)]
    return lines
