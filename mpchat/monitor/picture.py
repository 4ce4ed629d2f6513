"""The picture of a running server, as lines of styled text that fit into a window. Pure.

Where the window is small the least important gives way, and the picture says so: first columns, then connections on
which nothing was under way, then events. Only a server with more processes than lines has rows that must be scrolled.

All letters are one cell wide: what others have written goes through _harmless().
"""

import textwrap
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from mpchat.monitor.course import SAMPLES, Connection, Facts, Process, Said
from mpchat.monitor.events import in_words
from mpchat.texts import say

Fragment = tuple[str, str]  # one of STYLES, text
Line = list[Fragment]

STYLES = ("", "heading", "flash", "selected", "alarm", "quiet", "said")
BLOCKS = "▁▂▃▄▅▆▇█"
DIGITS = ".1234567"  # for a terminal that has no blocks
ENDLESS = 10_000  # lines: of a picture that need not fit into a window

_EVENTS = 10
_LEAST_EVENTS = 3
_LEAST_SECTIONS = 7  # lines for connections and events, before processes must be scrolled
_LEAST_SPARK = 12  # cells: of a row's last column, where there is room for one
_PAIRED = 120  # cells: from here on there are two connections to a line
_STATES = ("starting", "working", "spare", "silent", "disk", "full", "vacant", "stopped")
_ALARMING = ("silent", "disk", "full", "vacant", "stopped")


@dataclass(frozen=True)
class Picture:
    """What is to be shown, and how."""

    port: int
    facts: Facts | None = None  # None: no server has said anything yet
    language: str = "en"
    bars: str = BLOCKS
    has_keys: bool = True  # there is a person who presses them
    selected: str = ""  # the key of a row
    is_paused: bool = False
    is_waiting: bool = False  # the server is lost
    is_help: bool = False
    said: str = ""  # what is to be read now, instead of the keys


def render(picture: Picture, width: int, height: int) -> list[Line]:
    """At most `height` lines, none wider than `width`. With keys it fills the window: they stand in the last line."""
    lines = _help(picture, width) if picture.is_help else _body(picture, width, height)
    if picture.has_keys:
        lines = lines[: height - 1]
        lines += [[] for _ in range(height - 1 - len(lines))]
        said = picture.said or say(picture.language, "top.any_key" if picture.is_help else "top.keys")
        lines.append([("said" if picture.said else "quiet", _harmless(said))])
    return [_cut(line, width) for line in lines[:height]]


def as_text(lines: Sequence[Line]) -> str:
    return "\n".join("".join(text for _, text in line).rstrip() for line in lines)


def moved(facts: Facts | None, selected: str, by: int) -> str:
    """The key of the row so far below the selected one."""
    keys = [process.key for process in facts.processes] if facts else []
    at = keys.index(selected) if selected in keys else 0
    return keys[min(max(at + by, 0), len(keys) - 1)] if keys else selected


def chosen(facts: Facts | None, selected: str) -> Process | None:
    """The process of the selected row: the first one, if that row is not there."""
    if facts is None or not facts.processes:
        return None
    return next((process for process in facts.processes if process.key == selected), facts.processes[0])


# Parts


def _help(picture: Picture, width: int) -> list[Line]:
    wrapper = textwrap.TextWrapper(width, subsequent_indent="  ", break_on_hyphens=False)
    paragraphs = say(picture.language, "top.help").split("\n")
    return [[("", line)] for each in paragraphs for line in wrapper.wrap(each) or [""]]


def _body(picture: Picture, width: int, height: int) -> list[Line]:
    facts = picture.facts
    if facts is None:
        return [[("heading", "mpchat top"), ("said", "  " + _notice(picture))]]
    shown, left_out = _fitting(facts, picture.language, width)
    room = height - 2 - (1 if picture.has_keys else 0)  # for all but title, headings and keys
    least = min(_LEAST_SECTIONS, max(0, room - 4))
    first, rows = _scrolled(facts, picture.selected, max(1, room - least))
    lines = [_title(picture, facts, left_out), *_table(picture, facts, shown, rows, width)]
    if len(rows) < len(facts.processes):
        words = say(picture.language, "top.rows", first=first + 1, last=first + len(rows), all=len(facts.processes))
        lines[0].append(("said", "  " + words))
    return lines + _sections(picture, facts, width, room - len(rows))


def _title(picture: Picture, facts: Facts, left_out: Sequence["_Column"]) -> Line:
    snapshot = facts.snapshot
    ports = ", ".join(map(str, snapshot["ports"]))
    line = [("heading", "mpchat top")]
    if notice := _notice(picture):
        line.append(("said", "  " + notice))
    line.append(("", f"  {_clock(snapshot)} UTC  {ports}  {_harmless(snapshot['ipc'])}"))
    if left_out:
        names = " ".join(say(picture.language, f"top.column.{column.name}") for column in left_out)
        line.append(("quiet", "  " + say(picture.language, "top.without", columns=names)))
    return line


def _notice(picture: Picture) -> str:
    if picture.is_waiting:
        return say(picture.language, "top.waiting", port=picture.port)
    if picture.is_paused:
        return say(picture.language, "top.paused")
    if picture.facts and picture.facts.silent_seconds:
        return say(picture.language, "top.no_news", seconds=f"{picture.facts.silent_seconds:.0f}")
    return ""


def _clock(said: Said) -> str:
    """Of "2026-11-30T02:20:00.123Z" the time of the day."""
    return _harmless(str(said["at"])[11:19])


# Processes


class _Column(NamedTuple):
    name: str  # its heading is top.column.NAME
    width: int
    gives_way: int  # the higher, the sooner; 0: never
    cell: Callable[[Process], str]


_COLUMNS = (
    _Column("pid", 7, 0, lambda it: _whole(it.pid)),
    _Column("state", 0, 0, lambda it: it.state),  # in the language's words, which decide how wide it is
    _Column("age", 5, 5, lambda it: _age(it.row.get("age_ms"))),
    _Column("cpu", 5, 0, lambda it: "-" if it.cpu_percent is None else f"{it.cpu_percent:.0f}"),
    _Column("uss", 5, 2, lambda it: "-" if it.uss_mib is None else f"{it.uss_mib:.1f}"),
    _Column("fds", 5, 6, lambda it: _whole(it.fds)),
    _Column("voluntary", 5, 7, lambda it: _a_second(it.voluntary)),
    _Column("involuntary", 5, 8, lambda it: _a_second(it.involuntary)),
    _Column("clients", 5, 1, lambda it: _whole(it.row.get("clients"))),
    _Column("lines", 5, 0, lambda it: _a_second(it.lines)),
    _Column("deliveries", 5, 1, lambda it: _a_second(it.deliveries)),
    _Column("deaths", 4, 4, lambda it: _whole(it.row.get("deaths"))),
    _Column("stall", 5, 0, lambda it: _whole(it.row.get("stall_ms"))),
)


def _fitting(facts: Facts, language: str, width: int) -> tuple[list[_Column], list[_Column]]:
    """The columns for which there is room, as wide as their words, and those for which there is none."""
    columns = []
    for column in _COLUMNS:
        words = [_heading(column, language)]
        if column.name == "state":
            words += [_state(state, language) for state in _STATES]
        columns.append(column._replace(width=max(column.width, *map(len, words))))
    shown = list(columns)
    for column in sorted(columns, key=lambda column: -column.gives_way):
        if column.gives_way and _table_width(facts, language, shown) > width:
            shown.remove(column)
    return shown, [column for column in columns if column not in shown]


def _heading(column: _Column, language: str) -> str:
    return say(language, f"top.column.{column.name}")


def _state(state: str, language: str) -> str:
    return say(language, f"top.state.{state}") if state in _STATES else _harmless(state)


def _table_width(facts: Facts, language: str, columns: Sequence[_Column]) -> int:
    return 2 + _role_width(facts, language) + sum(1 + column.width for column in columns)


def _role_width(facts: Facts, language: str) -> int:
    return max([len(say(language, "top.column.role")), *(len(process.role) for process in facts.processes)])


def _scrolled(facts: Facts, selected: str, room: int) -> tuple[int, tuple[Process, ...]]:
    """The rows that fit, the selected one among them, and the number of the first."""
    at = next((number for number, process in enumerate(facts.processes) if process.key == selected), 0)
    first = min(max(0, at - room // 2), max(0, len(facts.processes) - room))
    return first, facts.processes[first : first + room]


def _table(
    picture: Picture, facts: Facts, columns: Sequence[_Column], rows: Sequence[Process], width: int
) -> list[Line]:
    """The headings, and a line for each process: where there is room, with its CPU of the last minute."""
    language, role = picture.language, _role_width(facts, picture.language)
    gap = "  " if _table_width(facts, language, columns) + len(columns) <= width else " "
    spark = width - 2 - role - sum(len(gap) + column.width for column in columns) - len(gap)

    def line(mark: str, name: str, words: Sequence[str], last: str) -> str:
        cells = [
            word.ljust(column.width) if column.name == "state" else word.rjust(column.width)
            for word, column in zip(words, columns, strict=True)
        ]
        return gap.join([mark + name.ljust(role), *cells, *([last] if spark >= _LEAST_SPARK else [])]).rstrip()

    headings = [_heading(column, language) for column in columns]
    chart = say(language, "top.column.cpu_history")[: max(spark, 0)]
    lines: list[Line] = [[("heading", line("  ", say(language, "top.column.role"), headings, chart))]]
    current = chosen(facts, picture.selected) if picture.has_keys else None
    for process in rows:
        is_current = current is not None and process.key == current.key
        mark = (">" if is_current else " ") + ("!" if process.is_flashing else "+" if process.is_new else " ")
        words = [
            _state(process.state, language) if column.name == "state" else column.cell(process) for column in columns
        ]
        chart = _spark(process.cpu_history, spark, picture.bars, facts.taken, least_top=10) if spark > 0 else ""
        text = line(mark, _harmless(process.role), words, chart)
        lines.append([(_row_style(process, is_current), text)])
    return lines


def _row_style(process: Process, is_current: bool) -> str:
    if process.is_flashing:
        return "flash"
    if process.state in _ALARMING:
        return "alarm"
    return "selected" if is_current else ""


# Connections and events


def _sections(picture: Picture, facts: Facts, width: int, room: int) -> list[Line]:
    """What is under way, and what has happened, in so many lines: each with a line of headings."""
    at_once = 2 if width >= _PAIRED else 1
    needed = -(-len(facts.connections) // at_once)
    busy = -(-sum(any(each.history) for each in facts.connections) // at_once)
    events = max(1, min(_EVENTS, len(facts.events)))
    if needed + events + 2 > room:
        events = min(events, max(_LEAST_EVENTS, room - 2 - min(needed, max(busy, 1))))
    connections = min(needed, room - 2 - events)
    # In a tiny window these numbers can be less than nothing.
    lines = _connections(picture, facts, width, connections, at_once) if connections > 0 else []
    return lines + _happened(picture, facts, min(events, room - len(lines) - 1))


def _connections(picture: Picture, facts: Facts, width: int, rows: int, at_once: int) -> list[Line]:
    language, room = picture.language, rows * at_once
    shown = sorted(range(len(facts.connections)), key=lambda at: -max(facts.connections[at].history, default=0))[:room]
    connections = [facts.connections[at] for at in sorted(shown)]
    cell = (width + 2) // at_once - 2
    names = max(len(_between(each)) for each in facts.connections)
    spark = cell - names - len("  queue  12345  12345  12345  ")
    words = [say(language, f"top.column.{name}") for name in ("messages", "bytes", "peak")]
    by = max(len(_harmless(each.by)) for each in facts.connections)

    def line(between: str, how: str, counts: Sequence[str], last: str) -> str:
        return "  ".join([between.ljust(names), how.ljust(by), *(count.rjust(5) for count in counts), last])

    missing = len(facts.connections) - len(connections)
    minute = say(language, "top.column.minute") if not missing else ""
    heading = line(say(language, "top.column.between"), "", words, minute)[:cell]
    title: Line = [("heading", "  ".join([heading.ljust(cell)] * min(at_once, len(connections))).rstrip())]
    if missing:
        title.append(("quiet", "  " + say(language, "top.more_connections", count=missing)))
    cells = [
        line(
            _between(each),
            _harmless(each.by),
            [_size(each.messages), _size(each.bytes), _size(max(each.history, default=0))],
            _spark(each.history, spark, picture.bars, facts.taken) if spark > 0 else "",
        )
        for each in connections
    ]
    in_lines = [cells[at : at + at_once] for at in range(0, len(cells), at_once)]
    return [title, *([("", "  ".join([*(each.ljust(cell) for each in row[:-1]), row[-1]]))] for row in in_lines)]


def _between(connection: Connection) -> str:
    return _harmless(f"{connection.source} -> {connection.target}")


def _happened(picture: Picture, facts: Facts, rows: int) -> list[Line]:
    """The last events, the newest last."""
    if rows < 1:
        return []
    language = picture.language
    if not facts.events:
        return [[("heading", say(language, "top.events"))], [("quiet", say(language, "top.no_events"))]]
    shown = facts.events[-rows:]
    heading: Line = [("heading", say(language, "top.events"))]
    if len(shown) < min(_EVENTS, len(facts.events)):
        heading.append(("quiet", "  " + say(language, "top.last_events", count=len(shown), all=len(facts.events))))
    return [heading, *([("", f"{_clock(event)}  {_harmless(in_words(event, language))}")] for event in shown)]


# Numbers and letters


def _whole(number: int | None) -> str:
    return "-" if number is None else str(number) if number < 100_000 else _size(number)


def _a_second(number: float | None) -> str:
    if number is None:
        return "-"
    return f"{number:.1f}" if 0 < number < 10 else _size(round(number))


def _size(number: int) -> str:
    """In five cells at most."""
    if number < 10_000:
        return str(number)
    units = "kMGT"
    thousands = (len(str(number)) - 1) // 3
    return f"{number // 1000**thousands}{units[min(thousands, len(units)) - 1]}"


def _age(milliseconds: int | None) -> str:
    if milliseconds is None:
        return "-"
    minutes, seconds = divmod(milliseconds // 1000, 60)
    hours, minutes_left = divmod(minutes, 60)
    if not minutes:
        return f"{seconds}s"
    if not hours:
        return f"{minutes}m{seconds:02}"
    return f"{hours}h{minutes_left:02}" if hours < 24 else f"{hours // 24}d"


def _spark(values: Sequence[float], width: int, bars: str, taken: int, least_top: float = 1) -> str:
    """The last minute in `width` cells at most, the newest on the right; the highest bar is the highest value.

    Where several values share a cell, its bar is the highest of them, and they stay together while it moves to the
    left: the number `taken` says which of them began a cell.
    """
    together = -(-SAMPLES // width)
    cells = -(-SAMPLES // together)
    newest = taken % together or together
    tops: list[float] = []
    end = len(values)
    while end > 0 and len(tops) < cells:
        start = max(0, end - newest)
        tops.append(max(values[start:end]))
        end, newest = start, together
    top = max(least_top, *tops) if tops else least_top
    steps = len(bars) - 1
    text = "".join(bars[min(steps, -(-int(value * steps) // int(top)))] if value > 0 else bars[0] for value in tops)
    return text[::-1].rjust(cells)


def _harmless(text: str) -> str:
    """Nothing that a terminal would obey, and nothing that is not one cell wide."""
    return "".join(
        letter
        if letter.isprintable()
        and unicodedata.east_asian_width(letter) not in "WF"
        and not unicodedata.category(letter).startswith("M")
        else "?"
        for letter in text
    )


def _cut(line: Line, width: int) -> Line:
    cut: Line = []
    for style, text in line:
        if width <= 0:
            break
        cut.append((style, text[:width]))
        width -= len(text)
    return cut
