"""Claims against what a run has measured, one after the other. Pure."""

from collections.abc import Sequence
from typing import NamedTuple

from mpchat.lab.experiment import Claim, Reason, Run, Say, Verdict, applied, lacking, needed, placeholders

# Cores that other programs may use, on average over the run. With a busy loop on each of two cores it is 1 or more; an
# idle desktop uses 0.1.
MOST_OTHERS = 0.3


class Result(NamedTuple):
    """`text`: what was claimed; `figure`: what was measured, "" where nothing was; `why`: a hint, or why not."""

    key: str
    verdict: Verdict
    text: str
    figure: str = ""
    why: str = ""


def is_busy(run: Run) -> bool:
    """Do other programs keep the machine busy?"""
    return run.others is not None and run.others > MOST_OTHERS


def judge(claims: Sequence[Claim], run: Run, say: Say) -> list[Result]:
    """A result for each claim, in their order. Behind one that failed none is judged."""
    results: list[Result] = []
    for claim in claims:
        text = say(f"claim.{claim.key}")
        if results and results[-1].verdict in ("failed", "waiting"):
            results.append(Result(claim.key, "waiting", text))
            continue
        reason = lacking(run, (*needed(claim.holds), *placeholders(say.template(f"figure.{claim.key}"))))
        if reason is None and claim.needs_quiet and is_busy(run):
            reason = Reason("busy", {"others": run.others})
        if reason is not None:
            results.append(Result(claim.key, "skipped", text, why=say(f"skip.{reason.key}", **reason.values)))
            continue
        figure = say(f"figure.{claim.key}", **run.measured)
        if applied(claim.holds, run):
            results.append(Result(claim.key, "passed", text, figure))
        else:
            results.append(Result(claim.key, "failed", text, figure, say(f"hint.{claim.key}")))
    return results
