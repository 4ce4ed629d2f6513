"""An experiment's pictures in a terminal: lines of text. Pure. svg.py draws the same in a report."""

import math
from collections.abc import Sequence

from mpchat.lab.experiment import Bars, Listing, Picture, Span, Table, TimeLine

_BAR = 30  # letters of the longest bar
_LINE = 60  # letters of a time line
_KINDS = "█░●"


def plot(picture: Picture, encoding: str = "utf-8") -> list[str]:
    """Its lines, the title first. What the encoding of the output has not is drawn by letters that all have."""
    match picture:
        case Bars():
            lines = _bars(picture)
        case TimeLine():
            lines = _time_line(picture)
        case Table():
            lines = table(picture.head, picture.rows)
        case Listing():
            lines = [f"  {line}" for line in picture.lines]
    return [_drawable(line, encoding) for line in (picture.title, *lines)]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns as wide as they must be; numbers stand at the right."""
    widths = [max(len(row[number]) for row in (head, *rows)) for number in range(len(head))]
    right = [
        number > 0 and all(row[number][:1].isdigit() or row[number] in ("-", "") for row in rows)
        for number in range(len(head))
    ]
    return [
        "  "
        + "  ".join(
            cell.rjust(width) if is_right else cell.ljust(width)
            for cell, width, is_right in zip(row, widths, right, strict=True)
        ).rstrip()
        for row in (head, *rows)
    ]


def fraction(value: float, most: float, least: float, is_log: bool) -> float:
    """Of the longest bar's length: from 0 to 1. On a scale of powers, a bar begins at half of the least value."""
    if value <= 0 or most <= 0:
        return 0.0
    if not is_log:
        return value / most
    start = math.log10(least / 2)
    return (math.log10(value) - start) / (math.log10(most) - start)


def _bars(picture: Bars) -> list[str]:
    most = max((value for _, value, _ in picture.rows), default=0.0)
    least = min((value for _, value, _ in picture.rows if value > 0), default=1.0)
    label = max((len(name) for name, _, _ in picture.rows), default=0)
    written = max((len(text) for _, _, text in picture.rows), default=0)
    lines = []
    for name, value, text in picture.rows:
        length = round(fraction(value, most, least, picture.is_log) * _BAR)
        bar = _KINDS[0] * max(length, int(value > 0))
        lines.append(f"  {name:<{label}}  {text:>{written}}  {bar}".rstrip())
    return lines


def _time_line(picture: TimeLine) -> list[str]:
    label = max(len(name) for name, _ in picture.rows)
    lines = []
    for name, spans in picture.rows:
        cells = [" "] * _LINE
        for span in spans:
            first, last = _cells(span, picture.end)
            cells[first:last] = _KINDS[span.kind] * (last - first)
        lines.append(f"  {name:<{label}} |{''.join(cells)}|")
    end = f"{picture.end:.3g}"
    lines.append(f"  {'':<{label}}  0{end:>{_LINE - 1}}")
    return lines


def _cells(span: Span, end: float) -> tuple[int, int]:
    """The first letter, and the one behind the last: one at least."""
    scale = _LINE / end if end > 0 else 0.0
    first = min(_LINE - 1, max(0, int(span.start * scale)))
    return first, min(_LINE, max(first + 1, round(span.end * scale)))


def _drawable(line: str, encoding: str) -> str:
    line = "".join(letter if letter.isprintable() else "?" for letter in line)
    try:
        line.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return line.translate(str.maketrans(_KINDS, "#-*"))
    return line
