"""An experiment's pictures in a report: SVG and HTML, without anything from outside. Pure."""

from html import escape

from mpchat.lab.experiment import Bars, Listing, Picture, Table, TimeLine
from mpchat.lab.plotting import fraction

_WIDTH, _LABEL, _ROW = 720, 210, 24  # in pixels
_COLOURS = ("#2a6f97", "#c9d6df", "#c1121f")


def draw(picture: Picture) -> str:
    """A <figure> with its title."""
    match picture:
        case Bars():
            body = _bars(picture)
        case TimeLine():
            body = _time_line(picture)
        case Table():
            body = table(picture)
        case Listing():
            body = f"<pre>{escape(chr(10).join(picture.lines))}</pre>"
    return f"<figure><figcaption>{escape(picture.title)}</figcaption>{body}</figure>"


def table(picture: Table) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in picture.head)
    rows = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in picture.rows)
    return f"<table><tr>{head}</tr>{rows}</table>"


def _bars(picture: Bars) -> str:
    most = max((value for _, value, _ in picture.rows), default=0.0)
    least = min((value for _, value, _ in picture.rows if value > 0), default=1.0)
    parts = []
    for number, (name, value, text) in enumerate(picture.rows):
        y = number * _ROW
        width = fraction(value, most, least, picture.is_log) * (_WIDTH - _LABEL - 120)
        parts.append(
            f"{_text(_LABEL - 8, y + 16, name, 'end')}"
            f'<rect x="{_LABEL}" y="{y + 4}" width="{max(width, 1):.1f}" height="16" fill="{_COLOURS[0]}"/>'
            f"{_text(_LABEL + width + 6, y + 16, text)}"
        )
    return _svg(len(picture.rows) * _ROW, parts)


def _time_line(picture: TimeLine) -> str:
    scale = (_WIDTH - _LABEL - 20) / picture.end if picture.end > 0 else 0.0
    parts = []
    for number, (name, spans) in enumerate(picture.rows):
        y = number * _ROW
        parts.append(_text(_LABEL - 8, y + 16, name, "end"))
        for span in spans:
            x, width = _LABEL + span.start * scale, max((span.end - span.start) * scale, 2)
            colour = _COLOURS[span.kind]
            parts.append(f'<rect x="{x:.1f}" y="{y + 4}" width="{width:.1f}" height="16" fill="{colour}"/>')
    bottom = len(picture.rows) * _ROW
    parts.append(
        f'<line x1="{_LABEL}" y1="{bottom + 2}" x2="{_WIDTH - 20}" y2="{bottom + 2}" stroke="#888"/>'
        f"{_text(_LABEL, bottom + 18, '0')}{_text(_WIDTH - 20, bottom + 18, f'{picture.end:.3g}', 'end')}"
    )
    return _svg(bottom + _ROW, parts)


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y}" text-anchor="{anchor}">{escape(text)}</text>'


def _svg(height: int, parts: list[str]) -> str:
    return f'<svg viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" role="img">{"".join(parts)}</svg>'
