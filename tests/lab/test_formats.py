"""Marks as they are written: whatever students call themselves or make their code say, it stays text in its place."""

from __future__ import annotations

import csv
import io
import json
from xml.etree import ElementTree

import pytest

from mpchat.lab.checking import Result
from mpchat.lab.grading.formats import Mark, as_csv, as_gradescope, as_junit, as_table, clean
from mpchat.lab.wording import LANGUAGES, Wording

SAY = Wording("en")
STEPS = [Result("order", "passed", "in order"), Result("drop", "failed", "drops", why="it does not"),
         Result("wakes", "waiting", "wakes")]  # fmt: skip
ANA = Mark("ana", "e4", STEPS, "", (3, 4), (2, 2), ["its e4.json says that all steps passed"])
BOB = Mark("bob", "e4", [Result("order", "passed", "in order")])
EVE = Mark("eve", "", (), "nothing was handed in")
HOSTILE = [
    "\x1b[31mred\x1b]0;title\x07",
    "two\nlines\r\n",
    "a\x00b\ud800\ufffe",
    "<&\"']]>",
    "=1+1",
    "@x",
    "\t=x",
    "\u202eevil",
    "",
]


def test_a_mark_is_full_if_each_step_that_could_be_tried_is_passed() -> None:
    assert [mark.is_full for mark in (ANA, BOB, EVE)] == [False, True, False]
    assert (ANA.points, ANA.most) == (1, 3)
    skipped = Mark("zoe", "e4", [*BOB.results, Result("drop", "skipped", "drops")])
    assert skipped.is_full  # that this machine cannot try a step is no fault of the student's
    assert skipped.most == len(BOB.results)
    assert not BOB._replace(wrong="no verdict").is_full


def test_the_table_has_a_line_for_each_and_the_foot() -> None:
    lines = as_table([ANA, BOB, EVE], ["the foot"], SAY).splitlines()

    assert [line.split()[:3] for line in lines[1:4]] == [["ana", "e4", "1/3"], ["bob", "e4", "1/1"], ["eve", "-", "-"]]
    assert "FAILED drops; it does not; its e4.json says" in lines[1]
    assert lines[4:] == ["", "1 of 3 marks are full", "the foot"]


def test_csv_has_the_same_columns_in_each_language() -> None:
    texts = [as_csv([ANA, EVE], Wording(language)) for language in LANGUAGES]
    assert {text[0] for text in texts} == {"\ufeff"}
    found = [list(csv.reader(io.StringIO(text[1:]))) for text in texts]

    assert found[0][0] == found[1][0]
    assert found[0][1][:8] == ["ana", "e4", "1", "3", "3", "4", "2", "2"]
    assert found[0][2] == ["eve", "", "0", "0", "", "", "", "", "nothing was handed in"]


def test_junit_has_a_suite_for_each_student_and_a_case_for_each_step() -> None:
    root = ElementTree.fromstring(as_junit([ANA, BOB, EVE], SAY))

    counts = [[suite.get(name) for name in ("name", "tests", "failures", "skipped", "errors")] for suite in root]
    assert counts == [["ana", "3", "1", "1", "0"], ["bob", "1", "0", "0", "0"], ["eve", "1", "0", "0", "1"]]
    assert [[inside.tag for inside in case] for case in root[0]] == [[], ["failure"], ["skipped", "system-out"]]
    assert root[0][1][0].get("message") == "it does not"


def test_gradescope_has_one_object_or_one_for_each_student() -> None:
    one = json.loads(as_gradescope([ANA], True, SAY))
    several = json.loads(as_gradescope([ANA, BOB, EVE], False, SAY))

    assert one["score"] == 1
    assert [(test["score"], test["max_score"], test["status"]) for test in one["tests"]] == [
        (1, 1, "passed"), (0, 1, "failed"), (0, 1, "failed")]  # fmt: skip
    assert "e4: predictions: 3/4" in one["output"].splitlines()
    assert list(several) == ["ana", "bob", "eve"]
    assert several["ana"] == one
    assert several["eve"] == {"score": 0, "output": "nothing was handed in", "tests": []}


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_that_a_student_wrote_is_obeyed(text: str) -> None:
    mark = Mark(text, "e4", [Result("order", "failed", "in order", why=text)], text, None, None, [text])

    table = as_table([mark], (), SAY)
    assert len(table.splitlines()) == 4
    assert all(letter.isprintable() or letter == "\n" for letter in table)
    rows = list(csv.reader(io.StringIO(as_csv([mark], SAY))))
    assert len(rows) == 2
    assert rows[1][0][:1] not in ("=", "+", "-", "@", "\t", "\r")
    suite = ElementTree.fromstring(as_junit([mark], SAY))[0]
    assert suite.get("name") == clean(text)
    assert list(json.loads(as_gradescope([mark], False, SAY))) == [text]
    as_table([mark], (), SAY).encode()
    as_junit([mark], SAY).encode()


def test_a_long_text_is_cut_in_the_table_only() -> None:
    mark = Mark("x" * 10_000, "e4", (), "y" * 10_000)

    assert len(as_table([mark], (), SAY).splitlines()[1]) < 300
    assert "y" * 10_000 in as_csv([mark], SAY)
