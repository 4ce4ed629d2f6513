"""What a run is told as: its story, the predictions beside what happened, pictures, results. Pure: lines of text."""

import textwrap
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from mpchat.lab.checking import Result, is_busy
from mpchat.lab.experiment import Answer, Experiment, Question, Reason, Run, Say, applied, lacking, needed, placeholders
from mpchat.lab.plotting import table


def story(run: Run, say: Say) -> Iterator[str]:
    """The sentences story.1, story.2, ...; one that needs what was not measured says why it was not."""
    number = 1
    while (key := f"story.{number}") in say:
        reason = lacking(run, placeholders(say.template(key)))
        if reason is None:
            yield say(key, **run.measured)
        else:
            yield say("lab.skipped", why=say(f"skip.{reason.key}", **reason.values))
        number += 1


def numbered(lines: Iterable[str], columns: int) -> Iterator[str]:
    """The lines of a story with their numbers, in a terminal so wide."""
    for number, line in enumerate(lines, 1):
        yield from textwrap.wrap(f"{number:>3}. {line}", columns, subsequent_indent=" " * 5)


def predicted(
    experiment: Experiment, predictions: Mapping[str, Answer], late: Collection[str], run: Run, say: Say
) -> list[list[str]]:
    """A row for each question: what it is about, what was predicted, what happened here.

    `late` are the keys of those that were answered when there was a run already.
    """
    rows = []
    for each in experiment.questions:
        answer = shown(each, predictions.get(each.key), say)
        if each.key in late:
            answer = say("lab.late", answer=answer)
        rows.append([say(f"ask.{each.key}.short"), answer, truth(experiment, each, run, say)])
    return rows


def shown(question: Question, answer: Answer | None, say: Say) -> str:
    """An answer as its reader wrote it."""
    if answer is None:
        return "-"
    if question.choices:
        return say(f"ask.{question.key}.{answer}") if answer in question.choices else str(answer)
    return f"{answer:.4g}" if isinstance(answer, float) else str(answer)


def truth(experiment: Experiment, question: Question, run: Run, say: Say) -> str:
    """What this machine answers: nothing about time, where other programs kept it busy."""
    reason = lacking(run, needed(question.truth))
    if reason is None and is_busy(run) and timed(experiment) & {*needed(question.truth)}:
        reason = Reason("busy", {"others": run.others})
    if reason is not None:
        return say("lab.skipped", why=say(f"skip.{reason.key}", **reason.values))
    return shown(question, applied(question.truth, run), say)


def timed(experiment: Experiment) -> set[str]:
    """The names of the values that are about time: those of the claims that need a quiet machine."""
    return {name for claim in experiment.claims if claim.needs_quiet for name in needed(claim.holds)}


def beside(
    experiment: Experiment, predictions: Mapping[str, Answer], late: Collection[str], run: Run, say: Say
) -> list[str]:
    """predicted() as a table of a terminal."""
    head = [say("lab.question"), say("lab.you"), say("lab.here")]
    return table(head, predicted(experiment, predictions, late, run, say))


def results(found: Sequence[Result], say: Say, columns: int) -> Iterator[str]:
    """A line for each, and what else there is to say of it below."""
    for each in found:
        mark = say(f"lab.mark.{each.verdict}")
        yield from _wrapped(f"{mark:<8} {each.text}" + (f": {each.figure}" if each.figure else ""), columns)
        if each.why:
            yield from _wrapped(" " * 9 + each.why, columns)


def _wrapped(line: str, columns: int) -> list[str]:
    return textwrap.wrap(line, columns, subsequent_indent=" " * 11, drop_whitespace=True, break_long_words=False) or [
        ""
    ]
