"""A student's file for one experiment, e4.json: predictions, what was measured, answers, results.

It is written anew as a whole, beside the old one and then in its place: whatever ends this process, one of both is
there. What stands in it is a student's claim, since anybody can write it: marks come from elsewhere (grading/).
"""

import json
import os
import platform
import sys
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from mpchat.lab.experiment import Answer, Measured, Reason, Run

FORMAT = 1
_MOST_BYTES = 1 << 22


class BadDocument(Exception):
    """The file is no document of this experiment: `args` are the file's name and what is wrong."""


@dataclass
class Document:
    """`results` and `exercise` are rows of key, verdict, text, figure and hint, as they were shown."""

    experiment: str
    format: int = FORMAT
    machine: dict[str, Any] = field(default_factory=dict)
    predictions: dict[str, Answer] = field(default_factory=dict)
    seed: int | None = None
    measured: Measured | None = None
    skipped: dict[str, list[Any]] = field(default_factory=dict)
    others: float | None = None
    answers: dict[str, str] = field(default_factory=dict)
    results: list[list[str]] = field(default_factory=list)
    exercise: list[list[str]] = field(default_factory=list)

    def take(self, run: Run, seed: int) -> None:
        """A new run takes the place of the one before, and of its results."""
        self.measured, self.others, self.seed = run.measured, run.others, seed
        self.skipped = {name: [reason.key, dict(reason.values)] for name, reason in run.skipped.items()}
        self.machine, self.results = machine(), []

    def run(self) -> Run | None:
        """The run that was stored; None: there was none."""
        if self.measured is None:
            return None
        return Run(self.measured, {name: Reason(*why) for name, why in self.skipped.items()}, self.others)


def machine() -> dict[str, Any]:
    """What is worth knowing of the machine that the figures come from; not its name."""
    return {
        "system": f"{platform.system()} {platform.release()}",
        "processor": platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version() + ("" if sys.version_info.releaselevel == "final" else "+"),
    }


def read(path: Path, experiment: str) -> Document:
    """What the file says; a new document where there is none. Raises OSError and BadDocument."""
    try:
        with open(path, "rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except FileNotFoundError:
        return Document(experiment)
    return parse(data, path, experiment)


def parse(data: bytes, path: Path, experiment: str) -> Document:
    """What such a file says; `path` is its name. Raises BadDocument."""
    try:
        if len(data) > _MOST_BYTES:
            raise ValueError("too long")
        found = json.loads(data)
        known = {each.name: type(each.default_factory()) for each in fields(Document) if callable(each.default_factory)}
        if (
            not isinstance(found, dict)
            or found.get("format") != FORMAT
            or not found.keys() <= {each.name for each in fields(Document)}
            or any(not isinstance(found.get(name, kind()), kind) for name, kind in known.items())
            or not isinstance(found.get("measured"), dict | None)
        ):
            raise ValueError("other keys")
    except (ValueError, RecursionError) as error:  # what is no JSON, or no UTF-8, is the first
        raise BadDocument(path, str(error)) from error
    if found.get("experiment") != experiment:
        raise BadDocument(path, f"experiment {found.get('experiment')}")
    return Document(**found)


def write(path: Path, document: Document) -> None:
    """Raises OSError."""
    replace(path, json.dumps(asdict(document), indent=1, ensure_ascii=False) + "\n")


def replace(path: Path, text: str) -> None:
    """The file has this text, or what it had before. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".new")
    beside.write_text(text, encoding="utf-8")
    os.replace(beside, path)
