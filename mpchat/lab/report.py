"""The report that a student hands in: one HTML page that needs neither a network nor a script. Pure."""

import json
from collections.abc import Mapping, Sequence
from html import escape

from mpchat.lab import svg
from mpchat.lab.checking import is_busy
from mpchat.lab.document import Document, digest
from mpchat.lab.experiment import Experiment, Question, Run, Say, Table
from mpchat.lab.telling import predicted, story, timed

_STYLE = """
body { font: 16px/1.5 sans-serif; max-width: 760px; margin: 2em auto; padding: 0 1em; color: #222; }
table { border-collapse: collapse; margin: .5em 0; } th, td { border: 1px solid #ccc; padding: .2em .6em;
text-align: left; vertical-align: top; } figure { margin: 1.5em 0; } figcaption { font-weight: bold; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; } svg { max-width: 100%; height: auto; font: 13px sans-serif; }
.passed { color: #1b7f3b; } .failed { color: #c1121f; font-weight: bold; } .skipped, .waiting { color: #777; }
"""


def page(experiment: Experiment, document: Document, say: Say, language: str, exercise: str) -> str:
    """`exercise`: the student's file as it is now, or ""."""
    run = document.run()
    parts = [f"<h1>{escape(experiment.name)}. {escape(say('title'))}</h1>", f"<p>{escape(say('about'))}</p>"]
    parts += _predictions(experiment, document, run, say)
    if run is not None:
        parts.append(f"<h2>{escape(say('lab.what_happened'))}</h2>")
        if is_busy(run) and timed(experiment):
            parts.append(f"<p><b>{escape(say('lab.busy_run', others=run.others))}</b></p>")
        parts.append("<ol>" + "".join(f"<li>{escape(line)}</li>" for line in story(run, say)) + "</ol>")
        parts += [svg.draw(picture) for picture in experiment.pictures(run.measured, say)]
        parts.append(_values(run, say))
    parts += _answers(experiment, document.answers, say)
    parts += _results(say("lab.claims"), document.results, say)
    parts += _results(say("lab.exercise"), document.exercise, say)
    if document.exercise and document.tried != digest(exercise):
        parts.append(f"<p>{escape(say('lab.changed_since'))}</p>")
    if exercise:
        parts.append(f"<pre>{escape(exercise)}</pre>")
    if document.machine:
        facts = "; ".join(f"{name}: {value}" for name, value in document.machine.items())
        parts.append(f"<h2>{escape(say('lab.machine'))}</h2><p>{escape(facts)}</p>")
    title = escape(f"mpchat {experiment.name}")
    return (
        f'<!doctype html>\n<html lang="{language}"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{_STYLE}</style></head><body>\n" + "\n".join(parts) + "\n</body></html>\n"
    )


def _predictions(experiment: Experiment, document: Document, run: Run | None, say: Say) -> list[str]:
    """The whole questions are above the table, which has them in a few words."""
    if not document.predictions:
        return []
    shown = run or Run({}, {}, None)
    head = [say("lab.question"), say("lab.you"), say("lab.here")]
    rows = predicted(experiment, document.predictions, document.late, shown, say)
    if run is None:
        head, rows = head[:2], [row[:2] for row in rows]
    asked = "".join(f"<li>{escape(_whole(each, say))}</li>" for each in experiment.questions)
    return [f"<h2>{escape(say('lab.predictions'))}</h2><ol>{asked}</ol>", svg.table(Table("", head, rows))]


def _values(run: Run, say: Say) -> str:
    """All that was measured, folded away."""
    rows = "".join(
        f"<tr><td>{escape(name)}</td><td>{escape(json.dumps(value, ensure_ascii=False))}</td></tr>"
        for name, value in run.measured.items()
    )
    return f"<details><summary>{escape(say('lab.all_values'))}</summary><table>{rows}</table></details>"


def _whole(question: Question, say: Say) -> str:
    """With its choices."""
    choices = " / ".join(say(f"ask.{question.key}.{choice}") for choice in question.choices)
    return say(f"ask.{question.key}") + (f" ({choices})" if choices else "")


def _answers(experiment: Experiment, answers: Mapping[str, str], say: Say) -> list[str]:
    parts = [f"<h2>{escape(say('lab.own_words'))}</h2>"]
    given = [(say(f"explain.{key}"), answers.get(key, say("lab.left_empty"))) for key in experiment.explain]
    return parts + [f"<p><b>{escape(asked)}</b><br>{escape(answer)}</p>" for asked, answer in given]


def _results(title: str, rows: Sequence[Sequence[str]], say: Say) -> list[str]:
    if not rows:
        return []
    lines = []
    for _, verdict, text, figure, why in rows:
        more = "".join(f"<br>{escape(each)}" for each in (figure, why) if each)
        mark = escape(say(f"lab.mark.{verdict}"))
        lines.append(f'<tr><td class="{escape(verdict)}">{mark}</td><td>{escape(text)}{more}</td></tr>')
    return [f"<h2>{escape(title)}</h2><table>{''.join(lines)}</table>"]
