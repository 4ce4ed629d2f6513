"""`mpchat lab`: one experiment step by step, or all of them as a table."""

import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Literal, TypeAlias

from mpchat.lab import asking, catalogue, document, processes, report, telling
from mpchat.lab.checking import is_busy, judge
from mpchat.lab.document import Document
from mpchat.lab.experiment import Experiment
from mpchat.lab.lab import MOST_SECONDS, Lab, OutOfTime
from mpchat.lab.plotting import plot, table
from mpchat.lab.trying import attempt
from mpchat.lab.wording import Wording

Step: TypeAlias = Literal["predict", "run", "explain", "check"]
STEPS: tuple[Step, ...] = ("predict", "run", "explain", "check")
_WELL, _FAILED, _UNSOLVED = 0, 1, 2
_MOST_SOURCE = 1 << 20  # bytes of an exercise
_END_SECONDS = 10.0


def list_experiments(language: str) -> int:
    """Print their names and questions."""
    for name in catalogue.FOLDERS:
        print(f"{name:<4} {Wording(language, catalogue.load(name).texts)('title')}")
    print(Wording(language)("lab.begin"))
    return _WELL


def one(name: str, step: Step | None, path: Path, seed: int, language: str) -> int:
    """One step of an experiment, or all; `path` is the student's document. Returns the exit status.

    Beside the document, in e4.py, is the exercise, and in e4.html the report; both are written if need be.
    """
    experiment = catalogue.load(name)
    say = Wording(language, experiment.texts)
    try:
        kept = document.read(path, name)
    except document.BadDocument as bad:
        return _complain(say("lab.bad_document", path=path, name=name, wrong=bad.args[1]))
    exercise = path.with_suffix(".py")
    if not exercise.exists():
        document.replace(exercise, catalogue.exercise(name, language))
    print(f"{name}. {say('title')}")
    status = _WELL
    with ended_by_signals():
        for each in STEPS if step is None else (step,):
            try:
                status = _step(each, experiment, kept, exercise, seed, say)
            except asking.NoMoreAnswers:
                print(say("lab.not_asked", command=_command(name, each)))
                if each == "predict":
                    status = _FAILED  # what is predicted behind the run is worth nothing
            finally:  # an answer that was given is kept, though Ctrl-C comes behind it
                document.write(path, kept)
            if status != _WELL:
                break
    page = report.page(experiment, kept, say, language, _text(exercise))
    document.replace(path.with_suffix(".html"), page)
    print(say("lab.kept", path=path, report=path.with_suffix(".html")))
    if status == _UNSOLVED:  # of all steps together, those that can be taken at once have been
        return _WELL if step is None else _FAILED
    return status


def _step(step: Step, experiment: Experiment, kept: Document, exercise: Path, seed: int, say: Wording) -> int:
    match step:
        case "predict":
            before = dict(kept.predictions)
            try:
                asking.predict(experiment.questions, kept.predictions, say)
            finally:
                changed = {key for key, answer in kept.predictions.items() if before.get(key) != answer}
                if kept.measured is not None:
                    kept.late = sorted({*kept.late, *changed})
            print(say("lab.exercise_is", path=exercise))
        case "explain":
            asking.explain(experiment.explain, kept.answers, say)
        case "run":
            return _run(experiment, kept, seed, say)
        case "check":
            return _check(experiment, kept, exercise, seed, say)
    return _WELL


def _run(experiment: Experiment, kept: Document, seed: int, say: Wording) -> int:
    lab = Lab(seed, lambda key: print(f"... {say(f'progress.{key}')}", file=sys.stderr, flush=True))
    try:
        with lab:
            catalogue.runner(experiment.name)(lab)
    except OutOfTime:
        return _complain(say("lab.out_of_time", seconds=MOST_SECONDS))
    except Exception as error:  # where descriptors, processes or memory are short, anything in a run may fail
        return _complain(say("lab.run_failed", why=f"{type(error).__name__}: {error}"))
    run = lab.run()
    kept.take(run, seed)
    if is_busy(run) and telling.timed(experiment):
        print(say("lab.busy_run", others=run.others))
    print("\n".join(telling.numbered(telling.story(run, say), shutil.get_terminal_size().columns)))
    for picture in experiment.pictures(run.measured, say):
        print("\n".join(["", *plot(picture, sys.stdout.encoding)]))
    print()
    if kept.predictions:
        print("\n".join(telling.beside(experiment, kept.predictions, kept.late, run, say)))
    if run.others is not None:
        print(say("lab.others", others=run.others))
    return _WELL


def _check(experiment: Experiment, kept: Document, exercise: Path, seed: int, say: Wording) -> int:
    run = kept.run()
    if run is None:
        return _complain(say("lab.no_run", command=_command(experiment.name, "run")))
    found = judge(experiment.claims, run, say)
    kept.results = [list(result) for result in found]
    columns = shutil.get_terminal_size().columns
    print("\n".join(telling.results(found, say, columns)))
    if any(result.verdict == "failed" for result in found):
        return _FAILED
    print(f"{say('lab.exercise')} ({exercise})")
    kept.tried = document.digest(_text(exercise))
    tried = attempt(experiment, catalogue.trial(experiment.name), exercise.resolve(), seed, say)
    kept.exercise = [list(result) for result in tried]
    print("\n".join(telling.results(tried, say, columns)))
    if any(result.verdict == "failed" for result in tried):
        print(say("lab.next", path=exercise, command=_command(experiment.name, "check")))
        return _UNSOLVED
    return _WELL


def every(path: Path | None, seed: int, language: str) -> int:
    """Run each experiment in a process of its own, and print what was claimed and measured, as a table.

    `path`: where all of it goes as JSON, if it is wanted. Returns the exit status: 0 if no claim has failed.
    """
    with ended_by_signals():
        return _every(path, seed, language)


def _every(path: Path | None, seed: int, language: str) -> int:
    processes.become_subreaper()  # what a run leaves behind would become this process's child
    counts = {"passed": 0, "failed": 0, "skipped": 0, "waiting": 0}
    documents = []
    for name in catalogue.FOLDERS:
        experiment = catalogue.load(name)
        say = Wording(language, experiment.texts)
        began = time.monotonic()
        kept, complaint = _run_apart(name, seed, language)
        print(f"{name}. {say('title')} ({say('lab.seconds', seconds=time.monotonic() - began)})")
        run = kept.run()
        found = [] if run is None else judge(experiment.claims, run, say)
        rows = [[result.text, result.figure or result.why, say(f"lab.mark.{result.verdict}")] for result in found]
        print("\n".join(table([say("lab.claim"), say("lab.figure"), say("lab.verdict")], rows)))
        hints = [result.why for result in found if result.verdict == "failed"]
        left = processes.end_descendants()
        if left:
            hints.append(say("lab.left_behind", pids=", ".join(map(str, left))))
        if run is None:
            hints.append(say("lab.run_failed", why=complaint))
        for hint in hints:
            print(f"  {hint}")
        for result in found:
            counts[result.verdict] += 1
        counts["failed"] += run is None or bool(left)
        kept.results = [list(result) for result in found]
        documents.append(kept)
        sys.stdout.flush()
    if path is not None:
        document.replace(path, json.dumps([vars(each) for each in documents], indent=1, ensure_ascii=False) + "\n")
    say = Wording(language)
    if counts["failed"]:
        print(say("lab.all_bad", failed=counts["failed"]))
        return _FAILED
    print(say("lab.all_good", passed=counts["passed"], skipped=counts["skipped"]))
    return _WELL


def _run_apart(name: str, seed: int, language: str) -> tuple[Document, str]:
    """The document of a run in a new process, and the last line of what that process complained of."""
    with tempfile.TemporaryDirectory(prefix="mpchat-lab-") as folder:
        path = Path(folder) / f"{name}.json"
        arguments = ["lab", name, "--run", "--json", str(path), "--seed", str(seed), "--lang", language]
        apart = subprocess.Popen(
            [sys.executable, "-m", "mpchat", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            _, said = apart.communicate()
        except BaseException:  # Ctrl-C, or a signal: it ends what it has started
            apart.terminate()
            apart.wait(_END_SECONDS)
            raise
        return document.read(path, name), said.strip().rpartition("\n")[2]


def _command(name: str, step: Step) -> str:
    """As it can be typed in this folder."""
    python, here = Path(sys.executable), Path.cwd()
    return f"{python.relative_to(here) if here in python.parents else 'python'} -m mpchat lab {name} --{step}"


def _complain(text: str) -> int:
    print(f"mpchat lab: {text}", file=sys.stderr)
    return _FAILED


def _text(path: Path) -> str:
    try:
        return document.read_file(path, _MOST_SOURCE).decode(errors="replace")
    except OSError:
        return ""


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """These signals end a run as Ctrl-C does: what it has started is ended first."""
    before = {number: signal.signal(number, _end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)
