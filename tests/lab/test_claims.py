"""The claims of each experiment: they hold of a good run, each refuses its bad case, and what is missing is skipped."""

from __future__ import annotations

from html import escape

import pytest

from mpchat.lab.checking import MOST_OTHERS, judge
from mpchat.lab.experiment import Reason, Run, applied, needed
from mpchat.lab.plotting import plot
from mpchat.lab.svg import draw
from mpchat.lab.telling import story
from mpchat.lab.wording import LANGUAGES
from tests.lab.experiments import NAMES, cases, experiment, wording

CLAIMS = [(name, claim.key) for name in NAMES for claim in experiment(name).claims]


@pytest.mark.parametrize("name", NAMES)
def test_all_hold_of_a_good_run(name: str) -> None:
    found = judge(experiment(name).claims, Run(dict(cases(name).good), {}, 0.0), wording(name))

    assert [(result.key, result.verdict) for result in found if result.verdict != "passed"] == []
    assert len(found) >= 3


@pytest.mark.parametrize(("name", "key"), CLAIMS)
def test_each_refuses_its_bad_case_and_none_behind_it_is_judged(name: str, key: str) -> None:
    run = Run({**cases(name).good, **cases(name).bad[key]}, {}, 0.0)

    found = {result.key: result for result in judge(experiment(name).claims, run, wording(name))}

    assert found[key].verdict == "failed"
    assert found[key].why  # the hint
    assert {result.verdict for result in list(found.values())[list(found).index(key) + 1 :]} <= {"waiting"}


@pytest.mark.parametrize(("name", "key"), CLAIMS)
def test_each_is_skipped_with_the_reason_where_its_values_are_missing(name: str, key: str) -> None:
    claim = next(claim for claim in experiment(name).claims if claim.key == key)
    measured = {each: value for each, value in cases(name).good.items() if each not in needed(claim.holds)}
    reason = Reason("not_seen", {"times": 7})

    found = judge([claim], Run(measured, dict.fromkeys(needed(claim.holds), reason), 0.0), wording(name))

    assert [(result.verdict, result.why) for result in found] == [("skipped", "not seen in 7 tries")]


@pytest.mark.parametrize("name", NAMES)
def test_what_needs_quiet_is_skipped_on_a_busy_machine(name: str) -> None:
    run = Run(dict(cases(name).good), {}, 2 * MOST_OTHERS)

    for claim, result in zip(experiment(name).claims, judge(experiment(name).claims, run, wording(name)), strict=True):
        assert result.verdict == ("skipped" if claim.needs_quiet else "passed"), claim.key


@pytest.mark.parametrize("name", NAMES)
def test_each_question_has_an_answer_from_a_good_run(name: str) -> None:
    questions = experiment(name).questions

    assert 3 <= len(questions) <= 5
    for question in questions:
        answer = applied(question.truth, Run(dict(cases(name).good), {}, 0.0))
        assert answer in question.choices if question.choices else isinstance(answer, (int, float)), question.key


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", NAMES)
def test_the_story_of_a_good_run_has_some_ten_lines_and_its_pictures_are_drawn(name: str, language: str) -> None:
    say = wording(name, language)
    lines = list(story(Run(dict(cases(name).good), {}, 0.0), say))

    assert 8 <= len(lines) <= 12
    assert not [line for line in lines if line.startswith(say("lab.skipped", why=""))]
    for picture in experiment(name).pictures(dict(cases(name).good), say):
        assert len(plot(picture)) > 1
        assert escape(picture.title) in draw(picture)


@pytest.mark.parametrize("name", NAMES)
def test_a_run_that_could_measure_nothing_is_told_without_an_error(name: str) -> None:
    say = wording(name)
    nothing = Run({}, {}, None)

    assert {result.verdict for result in judge(experiment(name).claims, nothing, say)} == {"skipped"}
    list(story(nothing, say))
    list(experiment(name).pictures({}, say))
