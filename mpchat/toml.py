"""TOML as both settings files have it, the server's and the client's: read, and written a value at a time. Pure."""

import importlib
from types import ModuleType
from typing import TypeAlias

Value: TypeAlias = str | bool | int | float | list[str]


def _reader() -> ModuleType:
    """Of the standard library from Python 3.11 on."""
    try:
        return importlib.import_module("tomllib")
    except ImportError:
        return importlib.import_module("tomli")


def parsed(text: str) -> dict[str, object]:
    """What a whole file says. Raises ImportError where there is no reader, ValueError or RecursionError at no TOML."""
    data: dict[str, object] = _reader().loads(text)
    return data


def written(value: Value) -> str:
    """A value as it stands behind a key."""
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
        case list():
            return f"[{', '.join(map(written, value))}]"
    return '"' + "".join(_escaped(letter) for letter in value) + '"'


def _escaped(letter: str) -> str:
    """TOML 1.0: what may not stand in a basic string as it is."""
    if letter in '"\\':
        return "\\" + letter
    return f"\\u{ord(letter):04x}" if letter < " " or letter == "\x7f" else letter
