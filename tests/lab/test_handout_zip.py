"""What students get has all that the labs and the server need, and nothing of what they are to find out."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from mpchat.lab import catalogue
from mpchat.lab.cutting import regions, without_regions
from scripts.handout import archive, handed_out, leaks, makefile
from tests.lab.experiments import NAMES, solution

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def files() -> dict[str, str]:
    return handed_out(ROOT)


def test_it_has_neither_solutions_nor_what_is_for_instructors(files: dict[str, str]) -> None:
    assert [name for name in files if re.search(r"solution|/grading/|instructors|^tests/|handout\.py$", name)] == []
    assert {
        "Makefile",
        "README.md",
        "README.es.md",
        "PROJECT.md",
        "requirements.txt",
        "scripts/prepare.py",
        "mpchat/cli.py",
    } <= set(files)
    assert leaks(ROOT, files) == []


@pytest.mark.parametrize("name", NAMES)
def test_an_exercise_in_each_language_is_in_place_of_a_solution(name: str, files: dict[str, str]) -> None:
    folder = f"mpchat/lab/{catalogue.FOLDERS[name]}"

    for language in ("en", "es"):
        assert files[f"{folder}/exercise.{language}.py"] == catalogue.exercise(name, language)
        assert f"{folder}/handout.{language}.md" in files


@pytest.mark.parametrize("name", NAMES)
def test_no_line_of_a_solution_is_in_it(name: str, files: dict[str, str]) -> None:
    """But such as stand outside of its regions too, and those too short to say anything."""
    outside = {line.strip() for line in without_regions(solution(name))}
    telling = {line.strip() for region in regions(solution(name)) for line in region if len(line.strip()) > 30}
    folder = f"mpchat/lab/{catalogue.FOLDERS[name]}"
    exercises = {line.strip() for each in ("en", "es") for line in files[f"{folder}/exercise.{each}.py"].splitlines()}
    assert telling - outside

    assert exercises & (telling - outside) == set()


def test_a_leak_is_found(files: dict[str, str]) -> None:
    region = regions(solution("e4"))[0]

    assert leaks(ROOT, {**files, "mpchat/notes.md": "see:\n" + "\n".join(line.strip() for line in region)}) != []
    exercise = "mpchat/lab/e04_slow_consumer/exercise.es.py"
    assert leaks(ROOT, {**files, exercise: files[exercise] + region[-3]}) != []


def test_the_same_sources_make_the_same_archive(files: dict[str, str]) -> None:
    assert archive(files) == archive(dict(reversed(files.items())))


def test_targets_that_cannot_work_there_are_not_in_its_makefile(files: dict[str, str]) -> None:
    whole = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"(?m)^([a-z-]+):", makefile(whole)))

    assert {"lab", "labs", "run-server", "chaos", "help"} <= targets
    absent = {"grade", "handout", "test", "test-all", "lint", "bench", "bench-peers", "bench-growth", "soak"}
    assert targets & absent == set()
    assert re.search(r"(?m)^\.PHONY:.* (grade|handout|test|test-all|lint|bench|soak)\b", makefile(whole)) is None


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_it_is_used_where_it_was_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "mpchat-lab.zip"
    subprocess.run([sys.executable, ROOT / "scripts" / "handout.py", path], check=True, stdout=subprocess.DEVNULL)
    with zipfile.ZipFile(path) as it:
        it.extractall(tmp_path)
    folder = tmp_path / "mpchat-lab"

    def run(*arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        environment = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
        command = [sys.executable, "-m", "mpchat", *arguments]
        return subprocess.run(command, cwd=folder, env=environment, input=typed, capture_output=True, text=True)

    predicted = run("lab", "e4", "--predict", "--lang", "es", typed="a\n1\na\na\n")
    assert (predicted.returncode, predicted.stderr) == (0, "")
    assert (folder / "submission" / "e4.py").read_text() == catalogue.exercise("e4", "es")
    assert run("lab", "e4", "--run").returncode == 0
    checked = run("lab", "e4", "--check")
    assert checked.returncode == 1
    assert "TODO 1" in checked.stdout
    refused = run("grade", "submission")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "grading is for instructors" in refused.stderr
    assert refused.stderr.count("\n") == 1
