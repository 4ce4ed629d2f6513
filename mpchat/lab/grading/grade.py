"""`mpchat grade`: a mark for each experiment of each student, from a trial of its own of what was handed in.

Exit status: 0, each mark is full; 1, one is not, or something could not be graded.
"""

import base64
import json
import os
import re
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import get_args

from mpchat.lab import catalogue, document, processes
from mpchat.lab.checking import Result
from mpchat.lab.document import BadDocument, Document
from mpchat.lab.experiment import Experiment, Verdict
from mpchat.lab.grading import formats, sandbox, submissions
from mpchat.lab.grading.formats import Mark, clean
from mpchat.lab.grading.sandbox import Isolation
from mpchat.lab.grading.submissions import MOST_BYTES, Submission, Wrong
from mpchat.lab.wording import Wording

_FULL, _NOT_FULL = 0, 1
_VERDICTS = get_args(Verdict)


def grade(folder: Path, experiments: Sequence[str], form: str, seed: int, language: str) -> int:
    """Print the marks of all that is in this folder, and return the exit status. Raises OSError.

    Without `experiments`: of what each has handed in. With them: of these, and what is missing has no points.
    """
    if processes.HAS_PRCTL:
        processes.hide()  # from students' processes, where they have no namespace of their own
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    folder = folder.resolve()
    is_one = submissions.is_one(folder)
    found = [submissions.read_one(folder)] if is_one else list(submissions.read_all(folder))
    say = Wording(language)
    if not found:
        print(f"mpchat grade: {say('grade.nobody', folder=clean(str(folder)))}", file=sys.stderr)
        return _NOT_FULL
    isolation = sandbox.find([folder])
    marks = []
    for submission in found:
        for mark in _marks(submission, experiments, isolation, folder, seed, language):
            marks.append(mark)
            line = f"... {mark.student} {mark.experiment} {mark.points}/{mark.most}"
            print(clean(line), file=sys.stderr, flush=True)
    match form:
        case "csv":
            print(formats.as_csv(marks, say))
        case "junit":
            print(formats.as_junit(marks, say))
        case "gradescope":
            print(formats.as_gradescope(marks, is_one, say))
        case _:
            print(formats.as_table(marks, _foot(isolation, say), say))
    return _FULL if all(mark.is_full for mark in marks) else _NOT_FULL


def _end(number: int, _frame: FrameType | None) -> None:
    """As Ctrl-C does: what it has started is ended first."""
    raise SystemExit(128 + number)


def _foot(isolation: Isolation, say: Wording) -> Iterator[str]:
    """What was not kept apart."""
    for name in ("network", "files", "pids"):
        if not getattr(isolation, name):
            yield say(f"grade.open.{name}")
    if os.geteuid() == 0:
        yield say("grade.open.root")


def _marks(
    submission: Submission, experiments: Sequence[str], isolation: Isolation, folder: Path, seed: int, language: str
) -> Iterator[Mark]:
    say = Wording(language)
    if submission.wrong is not None:
        wrong = _said(submission.wrong, say)
        for name in experiments or [""]:
            yield Mark(submission.student, name, _untried(name, language) if name else (), wrong)
        return
    for name in experiments or submission.experiments():
        try:
            experiment = catalogue.load(name)
        except ModuleNotFoundError:
            yield Mark(submission.student, name, (), say("grade.unknown", name=name))
            continue
        yield _mark(submission, experiment, isolation, folder, seed, language)


def _mark(
    submission: Submission, experiment: Experiment, isolation: Isolation, folder: Path, seed: int, language: str
) -> Mark:
    say = Wording(language, experiment.texts)
    exercise = submission.files.get(f"{experiment.name}.py", Wrong("missing", f"{experiment.name}.py"))
    if isinstance(exercise, Wrong):
        results, wrong = _untried(experiment.name, language), _said(exercise, say)
    else:
        results, wrong = tried(experiment, exercise, isolation, folder, seed, language)
    # It may have what it was to write from there.
    borrows = isinstance(exercise, bytes) and re.search(rb"mpchat\s*\.\s*(lab|monitor)", exercise)
    notes = [say("grade.borrows", name=f"{experiment.name}.py")] if borrows else []
    mark = Mark(submission.student, experiment.name, results, wrong, notes=notes)
    return _with_claims(mark, experiment, submission.files.get(f"{experiment.name}.json"), say)


def _untried(name: str, language: str) -> list[Result]:
    experiment = catalogue.load(name)
    say = Wording(language, experiment.texts)
    return [Result(step, "waiting", say(f"step.{step}")) for step in experiment.steps]


def _said(wrong: Wrong, say: Wording) -> str:
    limit = MOST_BYTES.get(wrong.name.rpartition(".")[2], 0)
    return say(f"grade.{wrong.key}", name=wrong.name, limit=limit)


# Verdicts


def tried(
    experiment: Experiment,
    exercise: bytes,
    isolation: Isolation,
    folder: Path,
    seed: int,
    language: str,
    seconds: float = sandbox.SECONDS,
) -> tuple[list[Result], str]:
    """A result for each step, and why there is no verdict, or ""."""
    say = Wording(language, experiment.texts)
    orders = {
        "experiment": experiment.name,
        "source": base64.b64encode(exercise).decode(),
        "seed": seed,
        "language": language,
    }

    def prepare(own: Path) -> tuple[list[str], bytes]:
        command = [sys.executable, "-m", "mpchat.lab.grading.judge"]
        return command, json.dumps({**orders, "folder": str(own)}).encode()

    try:
        ran = sandbox.run(isolation, prepare, [folder], seconds)
    except (OSError, TimeoutError) as error:
        return _untried(experiment.name, language), say("grade.no_sandbox", why=error)
    if ran.why != "ended":
        return _untried(experiment.name, language), say(f"grade.ended.{ran.why}", seconds=seconds)
    results, wrong = read_results(experiment, ran.output)
    if results:
        return results, ""
    return _untried(experiment.name, language), say("grade.trial_failed", why=wrong) if wrong else say("grade.died")


def read_results(experiment: Experiment, output: bytes) -> tuple[list[Result], str]:
    """What the judge wrote: all results, or none, and then perhaps why."""
    try:
        *rows, end = [json.loads(line) for line in output.splitlines()]
        if isinstance(end, dict) and isinstance(end.get("wrong"), str):
            return [], end["wrong"]
        results = [Result(*row) for row in rows]
    except (ValueError, TypeError):
        return [], ""
    is_whole = (
        end == {"end": len(experiment.steps)}
        and tuple(result.key for result in results) == experiment.steps
        and all(result.verdict in _VERDICTS for result in results)
    )
    return (results if is_whole else []), ""


# What the student's own file claims


def _with_claims(mark: Mark, experiment: Experiment, data: bytes | Wrong | None, say: Wording) -> Mark:
    name = f"{experiment.name}.json"
    if data is None:
        data = Wrong("missing", name)
    if isinstance(data, Wrong):
        return mark._replace(notes=[*mark.notes, _said(data, say)])
    try:
        kept = document.parse(data, Path(name), experiment.name)
    except BadDocument as bad:
        complaint = say("lab.bad_document", path=name, name=experiment.name, wrong=bad.args[1])
        return mark._replace(notes=[*mark.notes, complaint])
    predictions = sum(
        _is_given(kept.predictions.get(question.key)) and question.key not in kept.late
        for question in experiment.questions
    )
    explanations = sum(_is_given(kept.answers.get(key)) for key in experiment.explain)
    has_claimed = claims_pass(experiment, kept) and not mark.is_full
    return mark._replace(
        predictions=(predictions, len(experiment.questions)),
        explanations=(explanations, len(experiment.explain)),
        notes=[*mark.notes, *([say("grade.claims_pass", name=name)] if has_claimed else [])],
    )


def _is_given(answer: object) -> bool:
    return isinstance(answer, int | float) or (isinstance(answer, str) and bool(answer.strip()))


def claims_pass(experiment: Experiment, kept: Document) -> bool:
    """Does the file say that each step is passed, or could not be tried there?"""
    rows = [row for row in kept.exercise if isinstance(row, list) and len(row) >= 2]
    verdicts = {str(row[0]): row[1] for row in rows}
    return bool(verdicts) and all(verdicts.get(step) in ("passed", "skipped") for step in experiment.steps)
