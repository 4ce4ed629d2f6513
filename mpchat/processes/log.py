"""The log: one event a line on standard error, in one write(), so that lines of several processes never mix.

write(2) to a pipe is atomic up to 4096 bytes (PIPE_BUF, pipe(7)); a line is never longer.
"""

import json
import os
import sys
import time
from contextlib import suppress
from typing import Any

LEVELS = ("debug", "info", "warning", "error")
_LINE_BYTES = 4096


class Log:
    """Of one process. `role` is its name in the tree."""

    def __init__(self, role: str, level: str, as_json: bool) -> None:
        self._role = role
        self._from = LEVELS.index(level)
        self._as_json = as_json

    def debug(self, event: str, **facts: Any) -> None:
        self._write("debug", event, facts)

    def info(self, event: str, **facts: Any) -> None:
        self._write("info", event, facts)

    def warning(self, event: str, **facts: Any) -> None:
        self._write("warning", event, facts)

    def error(self, event: str, **facts: Any) -> None:
        self._write("error", event, facts)

    def _write(self, level: str, event: str, facts: dict[str, Any]) -> None:
        if LEVELS.index(level) < self._from:
            return
        head = {"time": time.strftime("%H:%M:%S"), "level": level, "role": self._role, "pid": os.getpid()}
        if self._as_json:
            line = json.dumps({**head, "event": event, **facts}, default=str)
        else:
            # What users sent is quoted: a nickname must not be able to forge a line or to move a cursor.
            words = [
                f"{name}={value if isinstance(value, int) else ascii(str(value))}" for name, value in facts.items()
            ]
            line = " ".join([*(str(value) for value in head.values()), event, *words])
        with suppress(OSError):  # a full disk, a closed terminal: no reason to end
            os.write(sys.stderr.fileno(), line.encode()[: _LINE_BYTES - 1] + b"\n")
