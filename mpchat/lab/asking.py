"""A student is asked, and the answers are kept as they are given."""

import shutil
import sys
import textwrap
import unicodedata
from collections.abc import Sequence

from mpchat.lab.experiment import Answer, Question, Say
from mpchat.lab.telling import shown

_LETTERS = "abcdefgh"
_MOST = 4000  # letters of an answer in the student's own words


class NoMoreAnswers(Exception):
    """Standard input has ended."""


def predict(questions: Sequence[Question], known: dict[str, Answer], say: Say) -> None:
    """Ask each question, and put the answers into `known`; an empty line keeps what is known.

    Raises NoMoreAnswers where the input ends before each has an answer.
    """
    for number, question in enumerate(questions, 1):
        _print_wrapped(f"{number}. {say(f'ask.{question.key}')}")
        for letter, choice in zip(_LETTERS, question.choices, strict=False):
            print(f"   {letter}) {say(f'ask.{question.key}.{choice}')}")
        if question.key in known:
            print(f"   {say('lab.so_far', answer=shown(question, known[question.key], say))}")
        while True:
            given = _line(say("lab.answer"), may_end=all(each.key in known for each in questions))
            if not given and question.key in known:
                break
            answer = _understood(question, given)
            if answer is not None:
                known[question.key] = answer
                break
            print(
                say("lab.one_of", letters=", ".join(_LETTERS[: len(question.choices)]))
                if question.choices
                else say("lab.a_number")
            )


def explain(keys: Sequence[str], known: dict[str, str], say: Say) -> None:
    """The same in the student's own words: a line for each; an empty one keeps what is known. Raises NoMoreAnswers."""
    for number, key in enumerate(keys, 1):
        _print_wrapped(f"{number}. {say(f'explain.{key}')}")
        if key in known:
            print(f"   {say('lab.so_far', answer=known[key])}")
        given = _line(say("lab.answer"), may_end=all(each in known for each in keys))
        if given:
            known[key] = given[:_MOST]
        elif key not in known:
            print(f"   {say('lab.left_empty')}")


def _understood(question: Question, given: str) -> Answer | None:
    """A choice by its letter, or a number as people write one: 1000, 1,5, 1.5."""
    if question.choices:
        place = _LETTERS[: len(question.choices)].find(given.lower().rstrip(")")) if given else -1
        return question.choices[place] if place >= 0 and len(given.rstrip(")")) == 1 else None
    try:
        number = float(given.replace(",", "."))
    except ValueError:
        return None
    return number if abs(number) < 1e15 else None  # NaN is not


def _print_wrapped(line: str) -> None:
    print("\n".join(textwrap.wrap(line, shutil.get_terminal_size().columns, subsequent_indent="   ")))


def _line(prompt: str, may_end: bool) -> str:
    """A line of the student's, without what no text has; "" at the end of the input, if it `may_end`."""
    print(f"   {prompt} ", end="", flush=True)
    line = sys.stdin.readline()
    if not line:
        print()
        if may_end:
            return ""
        raise NoMoreAnswers
    text = "".join(letter for letter in line if letter.isprintable() or unicodedata.category(letter) == "Zs").strip()
    if not sys.stdin.isatty():
        print(text)  # the transcript has both sides
    return text
