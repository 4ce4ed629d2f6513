"""Questions and answers: letters, numbers as people write them, and an end in the middle."""

from __future__ import annotations

import io
import sys

import pytest

from mpchat.lab.asking import NoMoreAnswers, explain, predict
from mpchat.lab.experiment import Answer, Question
from mpchat.lab.wording import Wording

QUESTIONS = (Question("fate", lambda: "dies", ("lives", "dies")), Question("count", lambda: 3))
SAY = Wording(
    "en",
    {
        "en": {
            "ask.fate": "What becomes of it?",
            "ask.fate.lives": "it lives",
            "ask.fate.dies": "it dies",
            "ask.count": "How many?",
            "explain.why": "Why?",
        }
    },
)


def answered(monkeypatch: pytest.MonkeyPatch, typed: str, known: dict[str, Answer]) -> dict[str, Answer]:
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
    predict(QUESTIONS, known, SAY)
    return known


@pytest.mark.parametrize(
    ("typed", "answers"),
    [
        ("b\n1000\n", {"fate": "dies", "count": 1000.0}),
        (" A) \n 1,5\n", {"fate": "lives", "count": 1.5}),
        ("c\nab\n\nb\nmany\nnan\n1e99\n-7\n", {"fate": "dies", "count": -7.0}),
    ],
)
def test_an_answer_is_asked_for_until_it_is_one(
    monkeypatch: pytest.MonkeyPatch, typed: str, answers: dict[str, Answer]
) -> None:
    assert answered(monkeypatch, typed, {}) == answers


def test_an_empty_line_keeps_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    assert answered(monkeypatch, "\n4\n", {"fate": "lives", "count": 3.0}) == {"fate": "lives", "count": 4.0}


def test_what_was_answered_before_the_end_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    known: dict[str, Answer] = {}

    with pytest.raises(NoMoreAnswers):
        answered(monkeypatch, "a\n", known)

    assert known == {"fate": "lives"}


def test_own_words_are_kept_without_what_a_terminal_would_obey(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("porque \x1b[2Jsí\n"))
    known: dict[str, str] = {}

    explain(("why",), known, SAY)

    assert known == {"why": "porque [2Jsí"}
    assert "Why?" in capsys.readouterr().out
