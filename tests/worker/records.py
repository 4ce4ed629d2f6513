"""What the records of a connection say, however its input was cut into them."""

from __future__ import annotations

from typing import Any

Record = tuple[Any, ...]


def told(records: list[Record]) -> list[tuple[Any, ...]]:
    """What the core makes of them: parts put together, overlong lines reported once."""
    lines: list[tuple[Any, ...]] = []
    part = b""
    for kind, _, end, *data in records:
        if kind == "part":
            part += data[0]
        elif kind == "line":
            lines.append(("line", end, part + data[0]))
            part = b""
        elif kind == "overlong":
            lines.append(("overlong",))
            part = b""
    return [*lines, ("part", part)] if part else lines


def plain_split(data: bytes, limit: int) -> list[tuple[Any, ...]]:
    """The model: what the whole stream says, were it there all at once and memory no concern."""
    *lines, rest = data.split(b"\n")
    expected: list[tuple[Any, ...]] = []
    at = 0
    for line in lines:
        at += len(line) + 1
        expected.append(("overlong",) if len(line) > limit else ("line", at, line))
    if rest:
        expected.append(("overlong",) if len(rest) > limit else ("part", rest))
    return expected


def not_blank(records: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Blank lines mean nothing, and how many records they become depends on how they arrive."""
    return [record for record in records if record[0] != "line" or record[2] not in (b"", b"\r")]
