"""What is handed in is read whatever it is, and its marks come from grade's own trial, never from what it says."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from mpchat.lab import catalogue, processes
from mpchat.lab.cutting import in_language
from mpchat.lab.document import Document
from mpchat.lab.experiment import Answer
from mpchat.lab.grading import grade, submissions
from mpchat.lab.grading.sandbox import NOTHING
from mpchat.lab.grading.submissions import Submission, Wrong
from tests.lab.experiments import cases, experiment, solution

E4 = in_language(solution("e4"), "en")
ROOT = Path(__file__).parent.parent.parent


def document(passed: bool = True, **more: object) -> str:
    """As `mpchat lab e4` leaves it, where all was answered and the exercise passed."""
    this = experiment("e4")
    answers: dict[str, Answer] = {question.key: (question.choices or (1000,))[0] for question in this.questions}
    verdict = "passed" if passed else "failed"
    kept = Document("e4", predictions=answers, answers=dict.fromkeys(this.explain, "because"),
                    exercise=[[step, verdict, "", "", ""] for step in this.steps])  # fmt: skip
    return json.dumps({**vars(kept), **more})


def read(folder: Path) -> dict[str, Submission]:
    return {each.student: each for each in submissions.read_all(folder)}


def hand_in(folder: Path, **files: str) -> Path:
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text)
    return folder


def zipped(path: Path, **files: str) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name.replace("__", "/").replace("_", "."), text)


def test_a_folder_one_within_it_and_an_archive_are_submissions(tmp_path: Path) -> None:
    hand_in(tmp_path / "ana", e4_py=E4, e4_json="{}", notes_txt="hello")
    hand_in(tmp_path / "bob" / "submission", e10_py=E4, e2_py=E4)
    zipped(tmp_path / "eve.zip", submission__e4_py=E4, submission__e4_html="<html>")
    (tmp_path / "readme.txt").write_text("nobody's")
    (tmp_path / ".git").mkdir()

    found = read(tmp_path)

    assert list(found) == ["ana", "bob", "eve"]
    assert found["ana"].files == {"e4.py": E4.encode(), "e4.json": b"{}"}
    assert found["bob"].experiments() == ["e2", "e10"]
    assert found["eve"].files == {"e4.py": E4.encode()}
    assert not submissions.is_one(tmp_path)
    assert submissions.is_one(tmp_path / "ana")
    assert submissions.is_one(tmp_path / "bob")


def test_symbolic_links_are_not_followed(tmp_path: Path) -> None:
    other = hand_in(tmp_path / "elsewhere", e4_py=E4)
    class_folder = tmp_path / "class"
    ana = hand_in(class_folder / "ana")
    (ana / "e4.py").symlink_to(other / "e4.py")
    (ana / "submission").symlink_to(other)
    (class_folder / "bob").symlink_to(other)
    zipped(class_folder / "eve.zip")
    with zipfile.ZipFile(class_folder / "eve.zip", "w") as archive:
        link = zipfile.ZipInfo("e4.py")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")

    found = read(class_folder)

    assert found["ana"].files == {"e4.py": Wrong("link", "e4.py")}
    assert found["bob"].wrong == Wrong("link", "bob")
    assert found["eve"].files == {"e4.py": Wrong("link", "e4.py")}


def test_what_is_empty_large_or_no_file_is_told(tmp_path: Path) -> None:
    hand_in(tmp_path / "ana")
    bob = hand_in(tmp_path / "bob", e4_py="x" * (1 << 20) + "x")
    os.mkfifo(bob / "e5.py")
    (bob / "e6.py").mkdir()
    os.mkdir(os.fsencode(tmp_path) + b"/\xff\n\x1b[31m=1")

    found = read(tmp_path)

    assert found["ana"].wrong == Wrong("empty", "ana")
    assert found["bob"].files == {"e4.py": Wrong("too_large", "e4.py"), "e5.py": Wrong("no_file", "e5.py")}
    assert "\\xff\n\x1b[31m=1" in found


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_told(tmp_path: Path) -> None:
    ana, bob = hand_in(tmp_path / "ana", e4_py=E4), hand_in(tmp_path / "bob", e4_py=E4)
    (ana / "e4.py").chmod(0)
    bob.chmod(0)
    try:
        found = read(tmp_path)
    finally:
        bob.chmod(0o700)

    assert found["ana"].files == {"e4.py": Wrong("unreadable", "e4.py")}
    assert found["bob"].wrong == Wrong("unreadable", "bob")


def test_archives_that_are_traps(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("e4.py", b"\0" * (200 << 20))
    with zipfile.ZipFile(tmp_path / "many.zip", "w") as archive:
        for number in range(1001):
            archive.writestr(f"{number}.txt", "")
    with zipfile.ZipFile(tmp_path / "outside.zip", "w") as archive:
        archive.writestr("../../../e4.py", "outside")
        archive.writestr("/e5.py", "outside")
    (tmp_path / "none.zip").write_text("no archive")
    (tmp_path / "cut.zip").write_bytes(bomb.read_bytes()[:-30])
    with zipfile.ZipFile(tmp_path / "twice.zip", "w") as archive:
        archive.writestr("e4.py", "one")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("e4.py", "two")
        archive.writestr("deeper/e4.py", "three")
    with zipfile.ZipFile(tmp_path / "bz.zip", "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("e4.py", "x")
    zipped(tmp_path / "lies.zip", e4_py="x" * 1000)
    lies = bytearray((tmp_path / "lies.zip").read_bytes())
    at = lies.rindex(b"PK\1\2")
    lies[at + 8 : at + 10] = struct.pack("<H", 1)  # encrypted, it says
    (tmp_path / "lies.zip").write_bytes(lies)
    hand_in(tmp_path / "folder.zip", e4_py=E4)

    found = read(tmp_path)

    assert found["bomb"].files == {"e4.py": Wrong("too_large", "e4.py")}
    assert found["many"].wrong == Wrong("too_many", "many.zip")
    assert found["outside"].files == {"e4.py": b"outside", "e5.py": b"outside"}
    assert found["none"].wrong == Wrong("bad_archive", "none.zip")
    assert found["cut"].wrong == Wrong("bad_archive", "cut.zip")
    assert found["twice"].files == {"e4.py": Wrong("twice", "e4.py")}
    assert found["bz"].files == {"e4.py": Wrong("unreadable", "e4.py")}
    assert found["lies"].files == {"e4.py": Wrong("unreadable", "e4.py")}
    assert found["folder"].files == {"e4.py": E4.encode()}
    assert sorted(path.name for path in tmp_path.parent.glob("e*.py")) == []


def test_two_of_one_name_keep_apart(tmp_path: Path) -> None:
    hand_in(tmp_path / "ana", e4_py="folder")
    zipped(tmp_path / "ana.zip", e4_py="archive")

    assert {student: each.files for student, each in read(tmp_path).items()} == {
        "ana": {"e4.py": b"folder"},
        "ana.zip": {"e4.py": b"archive"},
    }


@pytest.mark.parametrize(
    "text",
    ["", "{", "[" * 100_000, "null", '{"format": 1, "experiment": "e5"}', document(predictions=[]),
     '{"format": ' + "9" * 5000 + "}", "\ud800".encode("utf-8", "surrogatepass").decode("latin-1")],
)  # fmt: skip
def test_a_document_that_is_none_is_a_note(text: str, tmp_path: Path) -> None:
    hand_in(tmp_path / "ana", e4_json=text)

    [mark] = grade._marks(read(tmp_path)["ana"], [], NOTHING, tmp_path, 1, "en")

    assert mark.wrong == "there is no e4.py"
    assert mark.predictions is None
    assert len(mark.notes) == 1
    assert "e4.json" in mark.notes[0]


@pytest.mark.parametrize(
    "more",
    [{"predictions": {"deaf": [], "bounded": {}}}, {"answers": {"where": 7, "policy": "  "}},
     {"exercise": [[], [[], []], [{}], "x", ["order", []]]}],
)  # fmt: skip
def test_a_document_with_nonsense_in_it_counts_for_nothing(more: dict[str, object], tmp_path: Path) -> None:
    hand_in(tmp_path / "ana", e4_json=document(**more))

    [mark] = grade._marks(read(tmp_path)["ana"], [], NOTHING, tmp_path, 1, "en")

    assert (mark.predictions, mark.explanations, mark.points) == (None, None, 0)
    assert "cannot be the file of e4" in mark.notes[0]


def test_what_was_predicted_behind_the_run_does_not_count(tmp_path: Path) -> None:
    hand_in(tmp_path / "ana", e4_json=document(late=["deaf", "simple"]))

    [mark] = grade._marks(read(tmp_path)["ana"], [], NOTHING, tmp_path, 1, "en")

    assert mark.predictions == (2, 4)


def test_wherever_it_lies_in_a_students_folder_it_is_found(tmp_path: Path) -> None:
    hand_in(tmp_path / "deep" / "entrega1" / "mpchat-lab" / "submission", e4_py="deep")
    zipped(hand_in(tmp_path / "nora_assign") / "submission.zip", e4_py="archive")
    two = hand_in(tmp_path / "two" / "a", e4_py="one").parent
    hand_in(two / "b", e4_py="other")
    hand_in(tmp_path / "odd").joinpath("e4 (1).py").write_text("odd")
    (tmp_path / "olga.tar.gz").write_bytes(b"tar")
    (tmp_path / "e4.py").write_text("nobody's")

    found = read(tmp_path)

    assert not submissions.is_one(tmp_path)
    assert found["deep"].files == {"e4.py": b"deep"}
    assert found["nora_assign"].files == {"e4.py": b"archive"}
    assert found["two"].files == {"e4.py": Wrong("twice", "e4.py")}
    assert found["odd"].wrong == Wrong("nothing_known", "odd")
    assert found["olga.tar.gz"].wrong == Wrong("other_archive", "olga.tar.gz")


# The command


def graded(folder: Path, *arguments: str, environment: dict[str, str] | None = None) -> tuple[int, str, str]:
    ran = subprocess.run(
        [sys.executable, "-m", "mpchat", "grade", str(folder), *arguments],
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
    )
    return ran.returncode, ran.stdout, ran.stderr


def rows(folder: Path, *arguments: str) -> tuple[int, list[dict[str, str]]]:
    status, output, _ = graded(folder, "--format", "csv", *arguments)
    return status, list(csv.DictReader(io.StringIO(output.removeprefix("\ufeff"))))


sandboxed = pytest.mark.skipif(not processes.HAS_PRCTL, reason="needs prctl")


@sandboxed
@pytest.mark.slow
@pytest.mark.timeout(90)
def test_marks_are_what_its_own_trial_sees_whatever_the_file_says(tmp_path: Path) -> None:
    right, wrong = cases("e4").wrong["wakes"]
    hand_in(tmp_path / "1right", e4_py=E4, e4_json=document())
    hand_in(tmp_path / "2wrong", e4_py=E4.replace(right, wrong), e4_json=document())
    hand_in(tmp_path / "3exercise", e4_py=catalogue.exercise("e4", "es"), e4_json=document(passed=False))
    hand_in(tmp_path / "4empty")
    hand_in(tmp_path / "5claim", e4_json=document())
    zipped(tmp_path / "6archive.zip", e4_py=E4)

    status, found = rows(tmp_path)

    assert status == 1
    assert [(row["student"], row["points"], row["max_points"]) for row in found] == [
        ("1right", "5", "5"), ("2wrong", "4", "5"), ("3exercise", "0", "5"), ("4empty", "0", "0"), ("5claim", "0", "5"),
        ("6archive", "5", "5")]  # fmt: skip
    given = ("predictions", "max_predictions", "explanations", "max_explanations", "notes")
    assert [found[0][name] for name in given] == ["4", "4", "2", "2", ""]
    assert "its e4.json says that all steps passed" in found[1]["notes"]
    assert found[2]["notes"].endswith("TODO 1 is still to be done")
    assert "there is no e4.py; its e4.json says" in found[4]["notes"]


@sandboxed
@pytest.mark.slow
def test_the_status_is_0_if_all_is_full_and_what_is_asked_for_must_be_there(tmp_path: Path) -> None:
    hand_in(tmp_path / "ana", e4_py=E4)

    status, output, errors = graded(tmp_path, "--lang", "es")
    assert status == 0
    assert "1 de 1 notas son completas" in output
    assert "... ana e4 5/5" in errors
    assert graded(tmp_path / "ana", "--format", "gradescope")[0] == 0
    status, found = rows(tmp_path, "--experiment", "e4", "e4", "--experiment", "e4")
    assert (status, len(found)) == (0, 1)
    hand_in(tmp_path / "bob", e5_json="{}")
    status, found = rows(tmp_path, "--experiment", "e4")
    assert (status, [row["points"] for row in found]) == (1, ["5", "0"])


def test_used_wrongly_or_for_nothing(tmp_path: Path) -> None:
    assert graded(tmp_path / "missing")[0] == 2
    assert graded(tmp_path, "--experiment", "e11")[0] == 2
    status, output, errors = graded(tmp_path)
    assert (status, output) == (1, "")
    assert "there is no submission in" in errors


@sandboxed
def test_what_this_machine_does_not_permit_is_said_below_the_table(tmp_path: Path) -> None:
    """Where there is no `unshare`, as without util-linux."""
    hand_in(tmp_path / "ana", e4_py=catalogue.exercise("e4", "en"))
    (tmp_path / "bin").mkdir()
    hand_in(tmp_path / "class" / "ana", e4_py=catalogue.exercise("e4", "en"))

    _, output, _ = graded(tmp_path / "class", environment={"PATH": str(tmp_path / "bin")})

    assert len(re.findall("not kept apart here", output)) == 3
    assert "0/5" in output
