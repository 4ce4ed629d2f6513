"""The server's configuration file (--config), and how it is printed (--print-config): TOML, in tables of keys. Pure.

Which keys there are, and what their values may be, cli.py knows: a key is an option of the command line, or a limit
that has none. What each means stands in texts, under config.NAME.
"""

from argparse import ArgumentTypeError
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass
from textwrap import wrap
from typing import Any

from mpchat.texts import t
from mpchat.toml import Value, parsed, written

_SHOWN = 70  # characters of what is wrong
_BITS = 64  # of a whole number with its sign: what TOML 1.0 promises; Python says no number of thousands of digits
_WIDTH = 110  # of a comment's lines


@dataclass(frozen=True)
class Key:
    """A key of the file. `name` is also that of the option's value in argparse's namespace.

    `kind` is bool, int, float, str, list (of texts) or object (a whole number or a text). `check` makes of the value
    what the option would be, or raises ArgumentTypeError, whose text says what is wrong; it is given numbers as their
    text.
    """

    table: str
    name: str
    kind: type
    check: Callable[[Any], Any] = lambda value: value
    needs_start: bool = True  # a reload cannot change it

    def __str__(self) -> str:
        return f"[{self.table}] {self.name}"


class Wrong(Exception):
    """A file that cannot be used: the text says why, and where in it."""


def read(text: str, keys: Iterable[Key]) -> dict[str, Any]:
    """The checked values of the keys that it has, by name. Raises Wrong at the first thing in it that cannot be."""
    try:
        tables = parsed(text)
    except ImportError:
        raise Wrong(t("config.no_toml")) from None
    except (ValueError, RecursionError) as error:
        raise Wrong(t("config.not_toml", why=error)) from None
    by_place = {(key.table, key.name): key for key in keys}
    known = {key.table for key in by_place.values()}
    values = {}
    for table, inside in tables.items():
        if table not in known:
            raise Wrong(t("config.no_table", table=_shown(table), known=", ".join(sorted(known))))
        if not isinstance(inside, dict):
            raise Wrong(t("config.is_table", table=table))
        for name, value in inside.items():
            if (table, name) not in by_place:
                raise Wrong(t("config.no_key", table=table, key=_shown(name)))
            key = by_place[table, name]
            try:
                values[name] = key.check(_of_kind(key.kind, value))
            except ArgumentTypeError as error:
                raise Wrong(t("config.bad_value", table=table, key=name, why=error)) from None
    return values


def _of_kind(kind: type, value: object) -> object:
    """The value, as check() takes it. Raises ArgumentTypeError if it is of another kind."""
    match value:
        case bool() if kind is bool:
            return value
        case int() if kind in (int, float, object) and not isinstance(value, bool):
            if value.bit_length() >= _BITS:
                raise ArgumentTypeError(t("config.too_many_bits"))
            return str(value)
        case float() if kind is float:
            return str(value)
        case str() if kind in (str, object):
            return value
        case [*items] if kind is list and all(isinstance(each, str) for each in items):
            return items
    raise ArgumentTypeError(t(f"config.kind.{kind.__name__}", given=_shown(value)))


def _shown(value: object) -> str:
    try:
        shown = repr(value)
    except (ValueError, RecursionError):  # in it are thousands of digits, or of tables in one another
        return "..."
    return shown if len(shown) <= _SHOWN else shown[:_SHOWN] + "..."


def printed(keys: Iterable[Key], values: Mapping[str, Value | None], derived: Container[str] = ()) -> str:
    """A whole file that says these values, by name, with a comment above each. One that is None is not set.

    One whose name is in `derived` is not set either: it follows from the machine, or from other values, and would not
    fit elsewhere. It is shown in a comment.
    """
    lines = [f"# {line}" for line in wrap(t("config.head"), _WIDTH)]
    table = ""
    for key in keys:
        if key.table != table:
            table = key.table
            lines += ["", f"[{table}]"]
        lines += ["", *(f"# {line}" for line in wrap(t(f"config.{key.name}"), _WIDTH))]
        value = values[key.name]
        if value is None:  # what kind of value it would be
            value = 0 if key.kind is int else "..."
        line = f"{key.name} = {written(value)}"
        lines.append(f"# {line}" if values[key.name] is None or key.name in derived else line)
    return "\n".join(lines) + "\n"
