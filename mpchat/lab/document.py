"""A student's file for one experiment, e4.json: predictions, what was measured, answers, results.

It is written anew as a whole, beside the old one and then in its place: whatever ends this process, one of both is
there. What stands in it is a student's claim, since anybody can write it: marks come from elsewhere (grading/).
"""

import errno
import hashlib
import json
import os
import platform
import stat
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, get_args

from mpchat.lab.experiment import Answer, Measured, Reason, Run, Verdict

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
    late: list[str] = field(default_factory=list)  # the keys of those that were given, or changed, behind a run
    seed: int | None = None
    measured: Measured | None = None
    skipped: dict[str, list[Any]] = field(default_factory=dict)
    others: float | None = None
    digest: str = ""  # of what was measured: a slip of the editor is noticed, and not told as a figure
    answers: dict[str, str] = field(default_factory=dict)
    results: list[list[str]] = field(default_factory=list)
    exercise: list[list[str]] = field(default_factory=list)
    tried: str = ""  # the digest of the exercise's text when it was tried

    def take(self, run: Run, seed: int) -> None:
        """A new run takes the place of the one before, and of its results."""
        skipped = {name: [reason.key, dict(reason.values)] for name, reason in run.skipped.items()}
        self.measured, self.skipped = json.loads(json.dumps([run.measured, skipped]))  # as it will be read
        self.others, self.seed, self.machine, self.results = run.others, seed, machine(), []
        self.digest = self._digest()

    def run(self) -> Run | None:
        """The run that was stored; None: there was none."""
        if self.measured is None:
            return None
        return Run(self.measured, {name: Reason(*why) for name, why in self.skipped.items()}, self.others)

    def _digest(self) -> str:
        return digest(json.dumps([self.measured, self.skipped, self.others]))

    def wrong(self) -> str:
        """What no document has that this program wrote, in a few words; "": nothing."""
        if self.format != FORMAT:
            return f"format {self.format}"
        texts = (*self.answers.values(), *self.answers, *self.predictions, *self.late, *self.machine)
        rows = (*self.results, *self.exercise)
        if not all(isinstance(each, str) and each.isprintable() for each in texts):
            return "answers"
        if not all(isinstance(each, str | int | None) for each in self.machine.values()):
            return "machine"
        if not all(isinstance(each, str | int | float) for each in self.predictions.values()):
            return "predictions"
        if not all(isinstance(row, list) and len(row) == 5 and all(isinstance(e, str) for e in row) for row in rows):
            return "results"
        if not {row[1] for row in rows} <= set(get_args(Verdict)):
            return "results"
        if self.measured is not None and self.digest != self._digest():
            return "measured"
        return ""


_FIELDS: dict[str, type | tuple[type, ...]] = {
    "experiment": str,
    "format": int,
    "machine": dict,
    "predictions": dict,
    "late": list,
    "seed": (int, type(None)),
    "measured": (dict, type(None)),
    "skipped": dict,
    "others": (int, float, type(None)),
    "digest": str,
    "answers": dict,
    "results": list,
    "exercise": list,
    "tried": str,
}


def digest(text: str) -> str:
    """Tells whether a text is still the same."""
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()


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
        data = read_file(path, _MOST_BYTES + 1)
    except FileNotFoundError:
        return Document(experiment)
    return parse(data, path, experiment)


def read_file(path: Path, most: int) -> bytes:
    """The beginning of a file. Raises OSError, also for what is no file: a FIFO without a writer would not end."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    with os.fdopen(fd, "rb") as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), str(path))
        return file.read(most)


def parse(data: bytes, path: Path, experiment: str) -> Document:
    """What such a file says; `path` is its name. Raises BadDocument."""
    try:
        if len(data) > _MOST_BYTES:
            raise ValueError("too long")
        found = json.loads(data)
        if not isinstance(found, dict) or not found.keys() <= _FIELDS.keys():
            raise ValueError("keys")
        if wrong := [name for name, value in found.items() if not isinstance(value, _FIELDS[name])]:
            raise ValueError(wrong[0])
        document = Document(**found)
        if wrong_part := document.wrong() or ("experiment" if document.experiment != experiment else ""):
            raise ValueError(wrong_part)
    except (ValueError, TypeError, RecursionError) as error:  # what is no JSON, or no UTF-8, is a ValueError
        raise BadDocument(path, str(error)) from error
    return document


def write(path: Path, document: Document) -> None:
    """Raises OSError."""
    replace(path, json.dumps(asdict(document), indent=1, ensure_ascii=False) + "\n")


def replace(path: Path, text: str) -> None:
    """The file has this text, or what it had before. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")  # another process may write it, too
    try:
        beside.write_text(text, encoding="utf-8")
        os.replace(beside, path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise
