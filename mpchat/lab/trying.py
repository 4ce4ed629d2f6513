"""A trial of a student's file: its steps one after the other, up to the first that fails."""

from collections.abc import Callable, Iterator
from pathlib import Path

from mpchat.lab.checking import Result
from mpchat.lab.experiment import Experiment, Say
from mpchat.lab.lab import Lab, OutOfTime
from mpchat.lab.student import Judge, StudentFailed


class Skipped(Exception):
    """Raised by a trial: this machine cannot try this step, for the reason skip.KEY."""


# Yields whether a step holds, for each of the experiment's `steps`, in their order.
Trial = Callable[[Judge], Iterator[bool]]


def attempt(experiment: Experiment, trial: Trial, path: Path, seed: int, say: Say) -> list[Result]:
    """A result for each step. Whatever the student's code does, this returns within the time limit of a run."""
    found: list[Result] = []
    try:
        with Lab(seed, lambda key: None) as lab:
            for step, holds in zip(experiment.steps, trial(Judge(lab, path)), strict=True):
                text = say(f"step.{step}")
                if not holds:
                    found.append(Result(step, "failed", text, why=say(f"step.{step}.hint")))
                    break
                found.append(Result(step, "passed", text))
    except StudentFailed as failed:
        kind, text = failed.kind, failed.text
        said = say(f"failed.{kind}", text=text) if f"failed.{kind}" in say else say("failed.odd", text=text)
        if kind == "silent":  # it may wait for what it has lost itself
            said = f"{said}. {say(f'step.{experiment.steps[len(found)]}.hint')}"
        found.append(_ended(experiment, found, "failed", said, say))
    except OutOfTime:
        found.append(_ended(experiment, found, "failed", say("failed.out_of_time"), say))
    except Skipped as skipped:
        found.append(_ended(experiment, found, "skipped", say(f"skip.{skipped.args[0]}"), say))
        return found + [Result(step, "skipped", say(f"step.{step}")) for step in experiment.steps[len(found) :]]
    except Exception as error:  # a value, or the end of a pipe, that nothing but the student's code can have caused
        said = say("failed.odd", text=f"{type(error).__name__}: {error}")
        found.append(_ended(experiment, found, "failed", said, say))
    return found + [Result(step, "waiting", say(f"step.{step}")) for step in experiment.steps[len(found) :]]


def _ended(experiment: Experiment, found: list[Result], verdict: str, why: str, say: Say) -> Result:
    step = experiment.steps[len(found)]
    return Result(step, verdict, say(f"step.{step}"), why=why)  # type: ignore[arg-type]
