"""The settings file of the client: read when it starts, written by /set and /ignore.

It is the user's own, who may have written it by hand: only the line of the key that is set is replaced, and nothing is
written where that would change anything else. Of a bad file what is good counts.
"""

import os
import re
import stat
import tempfile
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path

from mpchat.client.preferences import Preferences, Value, fits
from mpchat.client.step import harmless
from mpchat.texts import t, translate
from mpchat.toml import parsed, written

FILE_BYTES = 262_144  # what is longer was not written for this
_SHOWN = 40  # characters of a value that is wrong
_TABLE = re.compile(r"\s*\[")
_VALUE = r"""("(?:[^"\\]|\\.)*"|'[^']*'|[^#]*?)(\s*(?:#.*)?)$"""
_HEADER = "# What /set and /ignore of mpchat's client keep. Edit it as you like: it is TOML.\n"


@dataclass(frozen=True)
class Problem:
    """What is wrong with a file: all of it where there is no `key`, else that key's `value`."""

    path: str
    why: str  # the last word of a key of the texts, or "" where `detail` says it
    key: str = ""
    detail: str = ""

    def told(self) -> str:
        """In one line."""
        return t(f"client.file.{self.why}", path=self.path, key=harmless(self.key), detail=harmless(self.detail))


class SettingsFile:
    """At `path`; "" is none, and nothing is kept then."""

    def __init__(self, path: str) -> None:
        self.path = path

    def exists(self) -> bool:
        """Has something been kept, or written by hand?"""
        return bool(self.path) and os.path.lexists(self.path)

    def read(self) -> tuple[Preferences, list[Problem]]:
        """What it says, with defaults for what is missing or wrong; and what is wrong."""
        preferences = Preferences()
        if not self.exists():
            return preferences, []
        known = {each.name for each in fields(Preferences)}
        try:
            data = parsed(self._text())
        except OSError as error:
            return preferences, [Problem(self.path, "unreadable", detail=translate(error.strerror or str(error)))]
        except ImportError:
            return preferences, [Problem(self.path, "no_toml")]
        except (ValueError, RecursionError) as error:
            return preferences, [Problem(self.path, "not_toml", detail=str(error))]
        problems = []
        for key, value in data.items():
            if key not in known:
                problems.append(Problem(self.path, "unknown", key))
            elif fits(key, value):
                preferences.set(key, value)  # type: ignore[arg-type]  # fits() has seen that it is one
            else:
                problems.append(Problem(self.path, f"bad_{key}", key, _shown(value)))
                if key == "ignore" and isinstance(value, list):
                    preferences.ignore = [each for each in value if fits(key, [each])]
        return preferences, problems

    def save(self, key: str, value: Value) -> str:
        """Keep one key, and leave the rest of the file as it is; why that cannot be, or ""."""
        path = os.path.realpath(self.path)  # a link stays one
        try:
            text = self._text() if os.path.exists(path) else _HEADER
            changed = _with(text, key, value)
            if changed is None:
                return t("client.file.unsafe", key=key)
            _write(Path(path), changed)
        except OSError as error:
            return translate(error.strerror or str(error))
        except (ValueError, RecursionError) as error:
            return t("client.file.mend", detail=harmless(str(error)))
        return ""

    def _text(self) -> str:
        """What is in it. Raises OSError, or ValueError for bytes that are no text."""
        fd = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # closed below; nobody writes to a FIFO
        with open(fd, "rb") as file:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise OSError(t("client.file.irregular"))
            data = file.read(FILE_BYTES + 1)
        if len(data) > FILE_BYTES:
            raise OSError(t("client.file.long"))
        return data.decode().replace("\r\n", "\n")


def _shown(value: object) -> str:
    """A wrong value, or the beginning of it."""
    try:
        return repr(value)[:_SHOWN]
    except (ValueError, RecursionError):  # a number of too many digits, or tables in one another
        return "..."


def _with(text: str, key: str, value: Value) -> str | None:
    """The text with that key set; None where nothing can be replaced without changing more.

    Raises ValueError where it is not TOML: then nobody knows what a line of it means.
    """
    try:
        before = parsed(text)
    except ImportError:
        return _replaced(text, key, value)
    changed = _replaced(text, key, value)
    with suppress(ValueError):
        if parsed(changed) == {**before, key: value}:
            return changed
    return None


def _replaced(text: str, key: str, value: Value) -> str:
    """The line of the key, with its comment, has the new value; where there is none it is the last before the tables.

    A list may go over several lines.
    """
    lines = text.split("\n")
    end = next((number for number, line in enumerate(lines) if _TABLE.match(line)), len(lines))
    begins = re.compile(rf"""(\s*["']?{key}["']?\s*=\s*){_VALUE}""")
    for number in range(end):
        if found := begins.match(lines[number]):
            last = _last_line(lines, number, end)
            comment = found[3] if last == number else ""
            lines[number : last + 1] = [f"{found[1]}{written(value)}{comment}"]
            return "\n".join(lines)
    while end and not lines[end - 1].strip():
        end -= 1
    after = lines[end:] or [""]
    return "\n".join([*lines[:end], f"{key} = {written(value)}", *after])


def _last_line(lines: list[str], first: int, end: int) -> int:
    """Where the value that begins in one line ends."""
    for last in range(first, end):
        with suppress(ValueError, ImportError):
            parsed("\n".join(lines[first : last + 1]))
            return last
    return first


def _write(path: Path, text: str) -> None:
    """The whole file at once, in its place: whoever reads it meanwhile finds the old one or the new one."""
    for folder in reversed(path.parents):
        if not folder.exists():
            folder.mkdir(mode=0o700, exist_ok=True)
    fd, part = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # of mode 0600; closed below
    try:
        with open(fd, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(fd)
        os.replace(part, path)
    except OSError:
        with suppress(OSError):
            os.unlink(part)
        raise
