"""What `mpchat explain` makes of a chaos run's journal, against what the clients remember: each line that one of them
read must have been sent to it, as often as it was read, and each that one of them said must be told as theirs.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from scripts.chaos_run.lines import Log

_SECONDS = 300.0  # for a journal of an hour
_SHOWN = 3


class Explained:
    """`happenings` are the lines of `mpchat explain --from 0 --private --json`."""

    def __init__(self, happenings: Iterable[str]) -> None:
        self.records = 0
        self._nicks: dict[int, str] = {}
        self._sent: dict[int, Counter[str]] = defaultdict(Counter)  # by connection
        self._said: dict[str, Counter[str]] = defaultdict(Counter)  # by nickname
        for line in happenings:
            self._take(json.loads(line))

    def _take(self, happening: dict[str, Any]) -> None:
        self.records += 1
        if happening["nick"]:
            self._nicks[happening["connection"]] = happening["nick"]
        if happening["line"]:
            self._said[happening["nick"]][happening["line"]] += 1
        for item in happening["items"]:
            for connection in item["connections"] if item.get("lines") else ():
                self._sent[connection].update(item["lines"])

    def missing(self, logs: Sequence[Log]) -> list[str]:
        """What is not told of all that these have said and read."""
        sent: dict[str, Counter[str]] = defaultdict(Counter)
        for connection, lines in self._sent.items():
            sent[self._nicks.get(connection, "")] += lines
        read: dict[str, Counter[str]] = defaultdict(Counter)
        said: dict[str, Counter[str]] = defaultdict(Counter)
        for log in [each for each in logs if each.nick]:
            read[log.nick].update(line.decode(errors="replace").rstrip("\r\n") for line in log.lines)
            for each in log.said if log.sure else ():
                to = each.target
                if log.plain:
                    said[log.nick][each.text if to.startswith("#") else f"/msg {to} {each.text}"] += 1
                else:
                    said[log.nick][each.line] += 1
        return _lacking("was sent to", read, sent) + _lacking("was said by", said, self._said)


def _lacking(what: str, wanted: dict[str, Counter[str]], found: dict[str, Counter[str]]) -> list[str]:
    lacking = [(nick, line) for nick, lines in wanted.items() for line in (lines - found[nick])]
    shown = [f"the explanation does not say that it {what} {nick}: {line!r}" for nick, line in lacking[:_SHOWN]]
    return shown + ([f"and {len(lacking) - _SHOWN} more"] if len(lacking) > _SHOWN else [])


def explain(data: Path, logs: Sequence[Log]) -> tuple[str, list[str]]:
    """What came of it, for the table, and what is wrong."""
    command = [sys.executable, "-m", "mpchat", "explain", "--data", str(data), "--from", "0", "--private", "--json"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        return "no", [f"mpchat explain took more than {_SECONDS:g} s"]
    if done.returncode:
        return "no", [f"mpchat explain ended with status {done.returncode}: {done.stderr}"]
    explained = Explained(done.stdout.splitlines())
    missing = explained.missing(logs)
    return f"{explained.records:,} records, {'not ' if missing else ''}all that was said and read among them", missing
