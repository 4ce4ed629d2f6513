"""What the tests of all experiments have in common: their names, and each one's cases."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from mpchat.lab import catalogue
from mpchat.lab.experiment import Experiment
from mpchat.lab.wording import Wording

NAMES = list(catalogue.FOLDERS)


class Cases(NamedTuple):
    """`good`: what a run might measure, of which all claims hold; `bad`: for each claim, values that it must refuse.

    `wrong`: for each step of the exercise, a line of the solution and what takes its place: fails at just that step.
    """

    good: Mapping[str, Any]
    bad: Mapping[str, Mapping[str, Any]]
    wrong: Mapping[str, tuple[str, str]]


def cases(name: str) -> Cases:
    module = importlib.import_module(f"tests.lab.cases.{catalogue.FOLDERS[name][:3]}")
    return Cases(module.GOOD, module.BAD, module.WRONG)


def experiment(name: str) -> Experiment:
    return catalogue.load(name)


def wording(name: str, language: str = "en") -> Wording:
    return Wording(language, experiment(name).texts)


def solution(name: str) -> str:
    return (catalogue.folder(name) / "solution.py").read_text()


def handout(name: str, language: str) -> Path:
    return catalogue.folder(name) / f"handout.{language}.md"
