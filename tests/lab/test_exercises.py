"""Each exercise: as it is handed out it fails, its solution passes, and what may be done wrong is found where it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from mpchat.lab import catalogue
from mpchat.lab.cutting import cut, in_language
from mpchat.lab.trying import attempt
from mpchat.lab.wording import LANGUAGES
from tests.lab.experiments import NAMES, cases, experiment, solution, wording

STEPS = [(name, step) for name in NAMES for step in experiment(name).steps]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(90)]


def tried(name: str, source: str, folder: Path) -> list[tuple[str, str]]:
    """Each step with its verdict."""
    path = folder / f"{name}.py"
    path.write_text(source)
    found = attempt(experiment(name), catalogue.trial(name), path, 1, wording(name))
    return [(result.key, result.verdict) for result in found]


@pytest.mark.parametrize("name", NAMES)
def test_it_fails_as_it_is_handed_out(name: str, tmp_path: Path) -> None:
    found = tried(name, catalogue.exercise(name, "es"), tmp_path)

    assert found[0][1] == "failed"
    assert {verdict for _, verdict in found[1:]} == {"waiting"}


@pytest.mark.parametrize("name", NAMES)
def test_its_solution_passes(name: str, tmp_path: Path) -> None:
    found = tried(name, in_language(solution(name), "en"), tmp_path)

    assert [step for step, verdict in found if verdict not in ("passed", "skipped")] == []
    assert found[0][1] == "passed"


@pytest.mark.parametrize(("name", "step"), STEPS)
def test_what_is_done_wrong_is_found_at_its_step(name: str, step: str, tmp_path: Path) -> None:
    right, wrong = cases(name).wrong[step]
    source = in_language(solution(name), "en")
    assert right in source

    found = dict(tried(name, source.replace(right, wrong), tmp_path))

    if found[step] == "skipped":
        pytest.skip("this machine cannot try that step")
    assert found[step] == "failed"


@pytest.mark.parametrize("name", NAMES)
def test_ten_to_forty_lines_are_cut_and_both_languages_have_the_same_code(name: str) -> None:
    whole = in_language(solution(name), "en")
    exercises = [cut(solution(name), language) for language in LANGUAGES]
    code = [[line for line in text.splitlines() if not line.lstrip().startswith("#")] for text in exercises]

    assert code[0] == code[1]
    assert 10 <= len(whole.splitlines()) - len(exercises[0].splitlines()) <= 40
    assert all(text.count("TODO") >= 2 for text in exercises)  # it is said what is to be done
    assert exercises[0] != exercises[1]


@pytest.mark.parametrize("returned", ["7", "None", "[7]", "{1: 2}", "self"])
def test_what_a_function_returns_may_be_anything(tmp_path: Path, returned: str) -> None:
    source = in_language(solution("e10"), "en").replace("return messages\n", f"return {returned}\n")

    assert "failed" in {verdict for _, verdict in tried("e10", source, tmp_path)}
