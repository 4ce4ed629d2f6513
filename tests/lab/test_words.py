"""What students read is the same in each language: keys, placeholders, numbers; and none is missing, or never said."""

from __future__ import annotations

import re
from string import Formatter

import pytest

from mpchat.lab import catalogue
from mpchat.lab.words import TEXTS
from tests.lab.experiments import NAMES, experiment

TABLES = [("frame", TEXTS), *((name, experiment(name).texts) for name in NAMES)]
tables = pytest.mark.parametrize(("name", "texts"), TABLES, ids=[name for name, _ in TABLES])


def fields(text: str) -> list[tuple[str, str | None]]:
    return sorted((name, form) for _, name, form, _ in Formatter().parse(text) if name is not None)


def numbers(text: str) -> list[str]:
    bare = re.sub(r"\{.*?\}", "", text)
    return sorted(re.findall(r"\d+(?:[.,]\d+)*", bare))


@tables
def test_the_same_sentences_with_the_same_placeholders_and_numbers(name: str, texts: dict[str, dict[str, str]]) -> None:
    english, spanish = texts["en"], texts["es"]

    assert english.keys() == spanish.keys()
    assert [key for key in english if fields(english[key]) != fields(spanish[key])] == []
    assert [key for key in english if numbers(english[key]) != numbers(spanish[key])] == []


@pytest.mark.parametrize("name", NAMES)
def test_an_experiment_has_every_sentence_that_it_needs(name: str) -> None:
    this = experiment(name)
    wanted = {"title", "about"}
    for question in this.questions:
        wanted |= {f"ask.{question.key}", f"ask.{question.key}.short"}
        wanted |= {f"ask.{question.key}.{choice}" for choice in question.choices}
    for claim in this.claims:
        wanted |= {f"{part}.{claim.key}" for part in ("claim", "figure", "hint")}
    for step in this.steps:
        wanted |= {f"step.{step}", f"step.{step}.hint"}
    wanted |= {f"explain.{key}" for key in this.explain}

    assert wanted <= this.texts["en"].keys()
    assert len(this.explain) == 2


@pytest.mark.parametrize("name", NAMES)
def test_each_sentence_of_an_experiment_is_said(name: str) -> None:
    this = experiment(name)
    known = {"title", "about", *(f"explain.{key}" for key in this.explain)}
    known |= {f"{part}.{claim.key}" for claim in this.claims for part in ("claim", "figure", "hint")}
    folder = catalogue.folder(name)
    source = "\n".join(path.read_text() for path in folder.glob("*.py") if path.name != "words.py")

    def is_said(key: str) -> bool:
        first, _, rest = key.partition(".")
        if key in known or first in ("story", "ask", "step"):
            return True
        return f'"{key}"' in source or f'"{rest}"' in source or f'f"{key.rpartition(".")[0]}.{{' in source

    assert [key for key in this.texts["en"] if not is_said(key)] == []
