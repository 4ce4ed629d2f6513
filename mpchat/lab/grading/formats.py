"""Marks as a table, as CSV, and as what JUnit and Gradescope read. Pure.

What students wrote, the names of their files and what their code raises stand in all of them: none of it may end a
line, be obeyed by a terminal, be computed by a spreadsheet, or be no XML.
"""

import json
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any, NamedTuple
from xml.sax.saxutils import escape, quoteattr

from mpchat.lab.checking import Result
from mpchat.lab.experiment import Say
from mpchat.lab.plotting import table

_MOST_LETTERS = 100  # of a cell of the table
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")  # with which a spreadsheet begins to compute
_COLUMNS = ("student", "experiment", "points", "max_points", "predictions", "max_predictions", "explanations",
            "max_explanations", "notes")  # fmt: skip
_MARK = "\ufeff"  # in front of UTF-8: without it, a spreadsheet takes it for something else


class Mark(NamedTuple):
    """One student's mark for one experiment; `experiment` is "" where nothing was found at all.

    `results` has each step of the exercise. `wrong`: why there was nothing to try, or no verdict, in words; else "".
    `predictions` and `explanations`: how many were given, of how many, or None: that is what the student's file claims.
    """

    student: str
    experiment: str
    results: Sequence[Result] = ()
    wrong: str = ""
    predictions: tuple[int, int] | None = None
    explanations: tuple[int, int] | None = None
    notes: Sequence[str] = ()

    @property
    def points(self) -> int:
        return sum(result.verdict == "passed" for result in self.results)

    @property
    def most(self) -> int:
        """What this machine cannot try takes no points away."""
        return sum(result.verdict != "skipped" for result in self.results)

    @property
    def is_full(self) -> bool:
        return not self.wrong and self.most > 0 and self.points == self.most


def clean(text: str) -> str:
    """In one line of letters that can be seen: what a terminal would obey, and what XML cannot have, is written out."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def as_table(marks: Sequence[Mark], foot: Iterable[str], say: Say) -> str:
    """A line for each mark, and `foot` below."""
    shown = ("student", "experiment", "points", "predictions", "explanations", "notes")
    head = [say(f"grade.column.{name}") for name in shown]
    rows = [
        [
            _short(mark.student),
            mark.experiment or "-",
            f"{mark.points}/{mark.most}" if mark.experiment else "-",
            _count(mark.predictions) or "-",
            _count(mark.explanations) or "-",
            "; ".join(map(_short, (*_said(mark, say), *mark.notes))),
        ]
        for mark in marks
    ]
    total = say("grade.total", full=sum(mark.is_full for mark in marks), marks=len(marks))
    return "\n".join([*table(head, rows), "", total, *foot])


def as_csv(marks: Iterable[Mark], say: Say) -> str:
    """A line for each mark; the columns are called the same in every language."""
    lines = [",".join(map(_cell, _COLUMNS))]
    for mark in marks:
        notes = "; ".join([*_said(mark, say), *mark.notes])
        given = [*(mark.predictions or ("", "")), *(mark.explanations or ("", ""))]  # 4/5 would be taken for a date
        numbers = map(str, (mark.points, mark.most, *given))
        lines.append(",".join(map(_cell, (mark.student, mark.experiment, *numbers, notes))))
    return _MARK + "\n".join(lines)


def as_junit(marks: Iterable[Mark], say: Say) -> str:
    """A testsuite for each student, and in it a testcase for each step."""
    suites = []
    for student, theirs in groupby(marks, lambda mark: mark.student):
        cases = [case for mark in theirs for case in _cases(mark, say)]
        counts = {kind: sum(found == kind for found, _ in cases) for kind in ("failure", "skipped", "error")}
        suites.append(
            f'<testsuite name={_quoted(student)} tests="{len(cases)}" failures="{counts["failure"]}" '
            f'errors="{counts["error"]}" skipped="{counts["skipped"]}">\n'
            + "".join(text for _, text in cases)
            + "</testsuite>\n"
        )
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="mpchat">\n{"".join(suites)}</testsuites>'


def _cases(mark: Mark, say: Say) -> list[tuple[str, str]]:
    """The kind of each ("failure", "skipped", "error", or "": passed), and its XML."""
    cases = []
    if mark.wrong:
        inside = f"<error message={_quoted(mark.wrong)}/>"
        cases.append(("error", _case(mark.experiment or "-", say("grade.submission"), inside)))
    for result in mark.results:
        kind = {"passed": "", "failed": "failure"}.get(result.verdict, "skipped")
        why = result.why or say(f"lab.mark.{result.verdict}")
        cases.append((kind, _case(mark.experiment, result.text, kind and f"<{kind} message={_quoted(why)}/>")))
    if cases and mark.notes:
        kind, text = cases[-1]
        out = f"<system-out>{escape(clean('; '.join(mark.notes)))}</system-out>"
        cases[-1] = (kind, text.replace("</testcase>", f"{out}</testcase>"))
    return cases


def _case(experiment: str, name: str, inside: str) -> str:
    return f"<testcase classname={_quoted(experiment)} name={_quoted(name)}>{inside}</testcase>\n"


def _quoted(text: str) -> str:
    return quoteattr(clean(text))


def as_gradescope(marks: Iterable[Mark], is_one: bool, say: Say) -> str:
    """What Gradescope calls results.json: of one submission, or of several by their students."""
    by_student = {student: _results(list(theirs), say) for student, theirs in groupby(marks, lambda mark: mark.student)}
    found: Any = next(iter(by_student.values()), _results([], say)) if is_one else by_student
    return json.dumps(found, indent=1)  # in ASCII: a text that is no Unicode is written all the same


def _results(marks: Sequence[Mark], say: Say) -> dict[str, Any]:
    tests = [
        {
            "score": int(result.verdict == "passed"),
            "max_score": int(result.verdict != "skipped"),
            "status": "passed" if result.verdict in ("passed", "skipped") else "failed",
            "name": f"{mark.experiment}: {clean(result.text)}",
            "output": clean(result.why or say(f"lab.mark.{result.verdict}")),
        }
        for mark in marks
        for result in mark.results
    ]
    lines = []
    for mark in marks:
        said = [mark.wrong] if mark.wrong else []
        for name, given in (("predictions", mark.predictions), ("explanations", mark.explanations)):
            if given is not None:
                said.append(f"{say(f'grade.column.{name}')}: {_count(given)}")
        lines += [clean(f"{mark.experiment}: {each}".removeprefix(": ")) for each in (*said, *mark.notes)]
    return {"score": sum(mark.points for mark in marks), "output": "\n".join(lines), "tests": tests}


def _said(mark: Mark, say: Say) -> list[str]:
    """What is to be said of it: why there is no mark, or which step is not passed, and why."""
    if mark.wrong:
        return [mark.wrong]
    for result in mark.results:
        if result.verdict != "passed":
            return [f"{say(f'lab.mark.{result.verdict}')} {result.text}", *filter(None, [result.why])]
    return []


def _count(given: tuple[int, int] | None) -> str:
    return "" if given is None else f"{given[0]}/{given[1]}"


def _cell(text: str) -> str:
    """Quoted, so that another separator than the comma is none in it."""
    shown = ("'" if text.startswith(_FORMULA) else "") + clean(text)
    return '"' + shown.replace('"', '""') + '"'


def _short(text: str) -> str:
    text = clean(text)
    return text if len(text) <= _MOST_LETTERS else text[: _MOST_LETTERS - 3] + "..."
