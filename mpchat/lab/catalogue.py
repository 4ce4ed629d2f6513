"""The ten experiments, each in its folder; one is imported when it is wanted."""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mpchat.lab.cutting import cut
from mpchat.lab.experiment import Experiment
from mpchat.lab.lab import Lab
from mpchat.lab.trying import Trial

FOLDERS = {
    "e1": "e01_who_is_who",
    "e2": "e02_passing_a_socket",
    "e3": "e03_who_may_die",
    "e4": "e04_slow_consumer",
    "e5": "e05_which_ipc",
    "e6": "e06_server_shapes",
    "e7": "e07_zombies_and_orphans",
    "e8": "e08_cpu_time",
    "e9": "e09_deadlock",
    "e10": "e10_poisoned_lock",
}
_HERE = Path(__file__).parent


def load(name: str) -> Experiment:
    """One of FOLDERS."""
    check, words = _module(name, "check"), _module(name, "words")
    return Experiment(
        name,
        FOLDERS[name],
        check.QUESTIONS,
        check.CLAIMS,
        check.EXPLAIN,
        check.pictures,
        check.STEPS,
        words.TEXTS,
    )


def runner(name: str) -> Callable[[Lab], None]:
    """What causes the event and measures."""
    run: Callable[[Lab], None] = _module(name, "run").run
    return run


def trial(name: str) -> Trial:
    """What tries the exercise."""
    found: Trial = _module(name, "trial").trial
    return found


def folder(name: str) -> Path:
    return _HERE / FOLDERS[name]


def exercise(name: str, language: str) -> str:
    """The exercise as a student begins it: cut from the solution, or as it was handed out, without one."""
    solution = folder(name) / "solution.py"
    if solution.exists():
        return cut(solution.read_text(), language)
    return (folder(name) / f"exercise.{language}.py").read_text()


def _module(name: str, part: str) -> Any:
    return importlib.import_module(f"mpchat.lab.{FOLDERS[name]}.{part}")
