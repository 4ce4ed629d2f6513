"""What an experiment is made of: questions, claims, pictures. Pure.

What a run has measured is a dict of values that JSON can hold, by name. Claims and questions say which of them they
need by the names of their functions' parameters, sentences by their placeholders. What could not be measured has no
value but a reason, and all that needs it is skipped with this reason.
"""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from string import Formatter
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

Measured: TypeAlias = dict[str, Any]
Answer: TypeAlias = str | float  # the key of a choice, or a number
Verdict: TypeAlias = Literal["passed", "failed", "skipped", "waiting"]  # waiting: an earlier one has failed


class Say(Protocol):
    """Says the sentences of an experiment and of the frame in the reader's language (wording.py)."""

    def __call__(self, key: str, /, **values: object) -> str:
        """With its placeholders filled."""

    def __contains__(self, key: str) -> bool: ...

    def template(self, key: str) -> str:
        """With its placeholders as they stand."""


class Reason(NamedTuple):
    """Why something was not measured: the sentence skip.KEY, and the values of its placeholders."""

    key: str
    values: Mapping[str, Any]


class Question(NamedTuple):
    """Asked before the run. Sentences: ask.KEY, ask.KEY.short (a few words, for the table), ask.KEY.CHOICE."""

    key: str
    truth: Callable[..., Answer]  # what this machine says, from the values that its parameters name
    choices: tuple[str, ...] = ()  # none: a number is asked for


class Claim(NamedTuple):
    """What must hold of what was measured. Sentences: claim.KEY, figure.KEY (what was measured), hint.KEY."""

    key: str
    holds: Callable[..., bool]  # from the values that its parameters name
    needs_quiet: bool = False  # it is about time: where other programs keep the machine busy, it says nothing


class Run(NamedTuple):
    """What one run has found."""

    measured: Measured
    skipped: Mapping[str, Reason]  # by the name of the value
    others: float | None  # how many cores other programs used meanwhile, on average; None: nobody knows


class Bars(NamedTuple):
    """A bar for each value: all start at zero, or each tenfold is a step of the same length (`is_log`)."""

    title: str
    rows: Sequence[tuple[str, float, str]]  # the label, the value, and how it is written
    is_log: bool = False


class Span(NamedTuple):
    """A part of a row of a time line. Kinds: 0 is drawn solid, 1 light, 2 as a point."""

    start: float
    end: float
    kind: int = 0


class TimeLine(NamedTuple):
    """What happened when, a row for each process. Times are in the unit that the title names, from 0 on."""

    title: str
    rows: Sequence[tuple[str, Sequence[Span]]]
    end: float


class Table(NamedTuple):
    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]  # each as long as `head`


class Listing(NamedTuple):
    """Lines that a machine has written, such as a tree of processes."""

    title: str
    lines: Sequence[str]


Picture: TypeAlias = Bars | TimeLine | Table | Listing


class Experiment(NamedTuple):
    """One of the ten, loaded."""

    name: str  # "e4"
    folder: str  # "e04_slow_consumer"
    questions: tuple[Question, ...]
    claims: tuple[Claim, ...]
    explain: tuple[str, ...]  # keys of what is asked afterwards, in the student's own words: explain.KEY
    pictures: Callable[[Measured, Say], Iterable[Picture]]
    steps: tuple[str, ...]  # keys of what the exercise's trial checks, in this order: step.KEY, step.KEY.hint
    texts: Mapping[str, Mapping[str, str]]  # by language


def needed(function: Callable[..., Any]) -> tuple[str, ...]:
    """The names of a function's parameters."""
    return tuple(inspect.signature(function).parameters)


def placeholders(sentence: str) -> list[str]:
    return [name.partition("[")[0].partition(".")[0] for _, name, _, _ in Formatter().parse(sentence) if name]


def lacking(run: Run, names: Iterable[str]) -> Reason | None:
    """Why one of these values is not there; None: all are."""
    for name in names:
        if name in run.skipped:
            return run.skipped[name]
        if name not in run.measured:
            return Reason("not_measured", {"name": name})
    return None


def applied(function: Callable[..., Any], run: Run) -> Any:
    """The function of what was measured. Nothing that it needs may be lacking."""
    return function(**{name: run.measured[name] for name in needed(function)})
