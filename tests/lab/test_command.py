"""`mpchat lab` as a student types it: answers are kept, steps follow each other, and what is wrong is said."""

from __future__ import annotations

import json
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from mpchat.lab import catalogue
from mpchat.lab.cutting import in_language
from mpchat.lab.document import Document, read, write
from mpchat.lab.experiment import Run
from tests.lab.cases import e04, e05
from tests.lab.experiments import NAMES, solution

PREDICTED = "c\n1000\nb\nc\n"


class Folder:
    """A student's folder; each command is run in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.document = path / "submission" / "e4.json"

    def lab(self, *arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "mpchat", "lab", *arguments],
            cwd=self.path,
            input=typed,
            capture_output=True,
            text=True,
            timeout=50,
        )

    def kept(self) -> dict[str, object]:
        found: dict[str, object] = json.loads(self.document.read_text())
        return found


@pytest.fixture
def student(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent.parent.parent))
    return Folder(tmp_path)


def measured_already(student: Folder) -> None:
    """As after a run, without the time that it takes."""
    document = Document("e4")
    document.take(Run(dict(e04.GOOD), {}, 0.0), 1)
    write(student.document, document)


class Parser(HTMLParser):
    """What a page loads from elsewhere, or runs."""

    def __init__(self) -> None:
        super().__init__()
        self.foreign: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "link", "img", "iframe") or any(name in ("src", "href") for name, _ in attributes):
            self.foreign.append(tag)
        if tag not in ("br", "meta"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_without_a_name_it_lists_all(student: Folder) -> None:
    listed = student.lab()

    *lines, last = listed.stdout.splitlines()
    assert [line.split()[0] for line in lines] == NAMES
    assert "make lab E=1" in last
    assert list(student.path.iterdir()) == []


def test_predictions_are_kept_and_asked_again_only_if_wanted(student: Folder) -> None:
    student.lab("e4", "--predict", typed=PREDICTED)
    again = student.lab("e4", "--predict", typed="\n999\n\n\n")

    assert again.returncode == 0
    assert student.kept()["predictions"] == {
        "unbounded": "all",
        "bounded": 999.0,
        "simple": "hundreds",
        "deaf": "closed",
    }


def test_an_end_in_the_middle_keeps_what_was_answered(student: Folder) -> None:
    ended = student.lab("e4", "--predict", typed="c\n")

    assert "not all was answered" in ended.stdout
    assert student.kept()["predictions"] == {"unbounded": "all"}


def test_the_exercise_is_there_from_the_beginning_and_never_written_again(student: Folder) -> None:
    student.lab("e4", "--predict", "--lang", "es", typed=PREDICTED)
    exercise = student.path / "submission" / "e4.py"
    assert exercise.read_text() == catalogue.exercise("e4", "es")
    exercise.write_text("mine\n")

    student.lab("e4", "--predict", typed=PREDICTED)

    assert exercise.read_text() == "mine\n"


def test_nothing_is_checked_before_a_run(student: Folder) -> None:
    checked = student.lab("e4", "--check")

    assert checked.returncode == 1
    assert "there is no run yet: first python -m mpchat lab e4 --run" in checked.stderr


def test_the_check_ends_well_with_the_solution_and_badly_without(student: Folder) -> None:
    measured_already(student)
    unsolved = student.lab("e4", "--check")
    (student.path / "submission" / "e4.py").write_text(in_language(solution("e4"), "en"))
    solved = student.lab("e4", "--check")

    assert (unsolved.returncode, solved.returncode) == (1, 0), solved.stdout
    assert "TODO 1 is still to be done" in unsolved.stdout
    assert [row[1] for row in student.kept()["exercise"]] == ["passed"] * 5  # type: ignore[attr-defined]


def test_answers_in_own_words_stand_in_a_report_that_needs_nothing_else(student: Folder) -> None:
    measured_already(student)
    student.lab("e4", "--predict", typed=PREDICTED)
    student.lab("e4", "--explain", typed="<script>alert(1)</script>\nbloquear & esperar\n")

    page = (student.path / "submission" / "e4.html").read_text()
    parser = Parser()
    parser.feed(page)

    assert parser.foreign == []
    assert parser.open == []
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "bloquear &amp; esperar" in page
    assert "200,000" in page  # measured
    assert "<svg" in page


def test_a_document_that_was_changed_by_hand_is_said_to_be(student: Folder) -> None:
    measured_already(student)
    student.document.write_text(student.document.read_text().replace("200000", "200001"))

    checked = student.lab("e4", "--check", "--lang", "es")

    assert checked.returncode == 1
    assert "no puede ser el archivo de e4 (measured)" in checked.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("e11",), "invalid choice: 'e11'"),
        (("e4", "--run", "--check"), "not allowed with argument"),
        (("e4", "--json", "e4.py"), "e4.py does not end in .json"),
        (("all", "--check"), "argument --check: not with all"),
        (("e4", "--seed", "-1"), "--seed"),
    ],
)
def test_wrong_arguments_are_said_in_one_line(student: Folder, arguments: tuple[str, ...], said: str) -> None:
    wrong = student.lab(*arguments)

    assert wrong.returncode == 2
    assert said in wrong.stderr
    assert len(wrong.stderr.splitlines()) == 1
    assert list(student.path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_said_to_be(student: Folder) -> None:
    (student.path / "submission").write_text("a file\n")

    ran = student.lab("e4", "--predict", typed=PREDICTED)

    assert ran.returncode == 1
    assert "submission" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_prediction_that_is_made_behind_the_run_is_marked(student: Folder) -> None:
    student.lab("e4", "--predict", typed="c\n1000\nb\n")
    predicted = student.kept()
    document = read(student.document, "e4")
    document.take(Run(dict(e04.GOOD), {}, 0.0), 1)
    write(student.document, document)

    again = student.lab("e4", "--predict", typed="\n999\n\nc\n")

    assert "so far: all of them (Enter keeps it)" in again.stdout
    assert predicted["late"] == []
    assert student.kept()["late"] == ["bounded", "deaf"]
    assert "999 (after the run)" in (student.path / "submission" / "e4.html").read_text()


def test_the_report_says_that_the_exercise_was_changed_behind_the_check(student: Folder) -> None:
    measured_already(student)
    student.lab("e4", "--check")
    page = student.path / "submission" / "e4.html"
    assert "has been changed" not in page.read_text()
    exercise = student.path / "submission" / "e4.py"
    exercise.write_text(exercise.read_text() + "# one more line\n")

    student.lab("e4", "--explain", typed="\n\n")

    assert "has been changed since it was checked" in page.read_text()


def test_where_the_machine_was_busy_nothing_about_speed_is_told_as_a_fact(student: Folder) -> None:
    document = Document("e5", predictions={"fastest": "pipe"})
    document.take(Run(dict(e05.GOOD), {}, 1.5), 1)
    write(student.path / "submission" / "e5.json", document)

    student.lab("e5", "--explain", typed="\n\n")

    page = (student.path / "submission" / "e5.html").read_text()
    assert "The machine was busy" in page
    assert page.count("skipped: the machine is busy") >= 2
