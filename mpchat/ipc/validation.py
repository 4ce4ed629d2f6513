"""What a process takes from another that is not its parent: messages of the right shape, or UnknownMessage.

Such a peer may have been taken over by hostile bytes, or have a bug. It is reported to the supervisor, which ends it;
whoever has read the message goes on. The checks of what comes with each line are written for speed: the broker's of a
record takes 50 ns, half a percent of what a line costs it.
"""

from collections.abc import Container
from typing import Any

from mpchat.messages import Entry, Item, Record, UnknownMessage

Types = tuple[type, ...]

_INPUT = {"line": bytes, "part": bytes, "overlong": bool, "rest": bool}  # a record's last value; all are of 4
_RECORDS: dict[str, Types] = {  # those that a worker sends besides
    "open": (str, int, int, str, str),
    "gone": (str, int, str),
    "silent": (str, int),
    "drained": (str, int, int),
}
_ITEMS: dict[str, Types] = {
    "open": (str, int),
    "send": (str, int, bytes),
    "cast": (str, tuple, bytes, int),
    "join": (str, int, int),
    "leave": (str, int, int),
    "ack": (str, int, int),
    "probe": (str, int),
    "drain": (str, int, int),
    "close": (str, int),
    "end": (str,),
}
_ENTRY: Types = (int, int, bytes, int)
_PLACE: Types = (int, int, bytes, bool)
_INPUT_PLACE: Types = (int, int, int, bool)
_DRAIN: Types = (int, int)
_ROW: Types = (int, int, str, str, str, str)  # and the offset from UTC, or None


def check_records(worker: int, dialects: Container[str], records: list[Record]) -> None:
    """Records that this worker may send, of connections that speak one of these dialects."""
    types = _INPUT
    try:
        for record in records:
            if record.__class__ is tuple and len(record) == 4:
                kind, connection, end, what = record
                if types[kind] is what.__class__ and connection.__class__ is int and end.__class__ is int:
                    continue
            elif _has_types(record, _RECORDS) and (
                record[0] != "open" or (record[1] == worker and record[3] in dialects)
            ):
                continue
            raise UnknownMessage(record)
    except (KeyError, TypeError) as error:  # of a kind that nothing has, or that is no text
        raise UnknownMessage(record) from error


def check_checkpoint(last: int, position: int, entries: list[Entry], forgotten: list[int] | None) -> None:
    """A checkpoint at a place in a stream whose last item is `last`."""
    for entry in entries:
        if _types(entry) != _ENTRY:
            raise UnknownMessage(entry)
    if not 0 <= position <= last or not all(connection.__class__ is int for connection in forgotten or ()):
        raise UnknownMessage(("checkpoint", position, entries, forgotten))


def are_items(items: list[Item]) -> bool:
    """Whether the core could have made these."""
    return all(
        _has_types(item, _ITEMS) and (item[0] != "cast" or all(group.__class__ is int for group in item[1]))
        for item in items
    )


def check_state(places: list[Any], groups: list[Any]) -> None:
    for place in places:
        if _types(place) != _PLACE:
            raise UnknownMessage(place)
    for group in groups:
        if _types(group) != (int, tuple) or not all(member.__class__ is int for member in group[1]):
            raise UnknownMessage(group)


def check_inputs(inputs: list[Any], drains: list[Any]) -> None:
    for places, types in ((inputs, _INPUT_PLACE), (drains, _DRAIN)):
        for place in places:
            if _types(place) != types:
                raise UnknownMessage(place)


def check_rows(rows: list[Any]) -> None:
    """Rows of the history: see core/machine.py."""
    for row in rows:
        *values, offset = _types(row) or (None,)
        if tuple(values) != _ROW or offset not in (int, type(None)):
            raise UnknownMessage(row)


def _has_types(message: Any, of: dict[str, Types]) -> bool:
    types = _types(message)
    return types[:1] == (str,) and of.get(message[0]) == types


def _types(message: Any) -> Types:
    return tuple(map(type, message)) if message.__class__ is tuple else ()
