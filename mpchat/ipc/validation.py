"""Validation of what a process reads from a peer, which is not its parent: the types of messages.py, or UnknownMessage.

A peer may have a bug, or have been taken over by hostile bytes. The reader reports it to the supervisor, which replaces
it; the reader goes on. The checks of what comes with each line are written for speed: the broker's check of a record
takes 50 ns, half a percent of what a line costs.
"""

from collections.abc import Container, Sequence

from mpchat.messages import AccountAnswer, Entry, Item, Past, Record, UnknownMessage

Types = tuple[type, ...]

MOST = 1 << 62  # no number of ours is larger: a counter of the scoreboard has 64 bits, and str() takes 4,300 digits

_INPUT = {"line": bytes, "part": bytes, "overlong": bool, "rest": bool}  # the last value of these records, all of 4
_RECORDS: dict[str, Types] = {  # the other records of a worker
    "open": (str, int, int, str, str, bool),
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
_RESUMED: Types = (int, int, bytes, bool)
_INPUT_STATE: Types = (int, int, int, bool)
_DRAIN: Types = (int, int)
_ROW: Types = (int, int, str, str, str, str)  # and the offset from UTC, or None


def check_records(worker: int, dialects: Container[str], records: list[Record]) -> None:
    """Raises UnknownMessage at a record that this worker may not send, or of a dialect that is none of these."""
    types = _INPUT
    try:
        for record in records:
            if record.__class__ is tuple and len(record) == 4:
                kind, connection, end, what = record
                if types[kind] is what.__class__ and connection.__class__ is int and end.__class__ is int:
                    continue
            elif _has_types(record, _RECORDS) and _is_possible(worker, dialects, record):
                continue
            raise UnknownMessage(record)
    except (KeyError, TypeError) as error:  # an unknown word, or one that is no text
        raise UnknownMessage(record) from error


def _is_possible(worker: int, dialects: Container[str], record: Record) -> bool:
    """Texts must be such as can be sent, in UTF-8; a connection's number must be one."""
    if record[0] == "open":
        _, number, connection, dialect, host, *_ = record
        return number == worker and 0 < connection <= MOST and dialect in dialects and _is_text(host)
    return record[0] != "gone" or _is_text(record[2])


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def check_checkpoint(last: int, position: int, entries: list[Entry], forgotten: Sequence[int] | None) -> None:
    """Raises UnknownMessage at what is no checkpoint of a stream whose last item is `last`."""
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


def check_state(resumed: Sequence[object], groups: Sequence[object]) -> None:
    """Raises UnknownMessage at what is no Resumed or no Group."""
    for each in resumed:
        if _types(each) != _RESUMED:
            raise UnknownMessage(each)
    for group in groups:
        match group:
            case (_, tuple() as members) if _types(group) == (int, tuple) and set(_types(members)) <= {int}:
                pass
            case _:
                raise UnknownMessage(group)


def check_inputs(inputs: Sequence[object], drains: Sequence[object]) -> None:
    """Raises UnknownMessage at what is no Input, or no connection and number."""
    for values, types in ((inputs, _INPUT_STATE), (drains, _DRAIN)):
        for value in values:
            if _types(value) != types:
                raise UnknownMessage(value)


def past(message: object) -> Past:
    """The message as a Past. Raises UnknownMessage if it is none."""
    if message is None or message == "too slow" or message == "no index":
        return message
    if not isinstance(message, list):
        raise UnknownMessage(message)
    for row in message:
        *values, offset = _types(row) or (None,)
        if tuple(values) != _ROW or offset not in (int, type(None)):
            raise UnknownMessage(row)
    return message


def account_answer(message: object) -> AccountAnswer:
    """The message as what an authenticator says of an account. Raises UnknownMessage if it is none."""
    match message:
        case (
            "in" | "registered" | "changed" | "dropped" | "wrong" | "taken" as word,
            str() as text,
        ) if _is_text(text):
            return word, text
        case "challenge" | "more" | "bad" | "weak" | "late" | "full" as word, str() as text if _is_text(text):
            return word, text
        case "proof", str() as text if _is_text(text) and text.count(" ") == 1:
            return "proof", text
        case _:
            raise UnknownMessage(message)


def are_texts(values: list[object]) -> bool:
    """Whether each can be sent, in UTF-8."""
    return all(isinstance(value, str) and _is_text(value) for value in values)


def are_numbers(values: list[object]) -> bool:
    """Whether they are numbers of items."""
    return all(type(value) is int and 0 <= value <= MOST for value in values)


def are_bounds(window: str, bounds: tuple[object, ...]) -> bool:
    """Whether they are the Bounds of this Window: as many as it has."""
    numbers = {"LATEST": (0, 1), "BEFORE": (1,), "AFTER": (0, 1), "AROUND": (1,), "BETWEEN": (2,)}
    return len(bounds) in numbers.get(window, ()) and all(map(_is_bound, bounds))


def _is_bound(bound: object) -> bool:
    return _types(bound) == (str, int) and bound[0] in ("message", "time") and 0 <= bound[1] <= MOST  # type: ignore[index]


def are_places(places: tuple[object, ...]) -> bool:
    """Whether they are Places."""
    return bool(places) and all(_types(place) == (str, int) for place in places)


def _has_types(message: tuple[object, ...], of: dict[str, Types]) -> bool:
    types = _types(message)
    return types[:1] == (str,) and of.get(str(message[0])) == types


def _types(message: object) -> Types:
    return tuple(map(type, message)) if isinstance(message, tuple) else ()
