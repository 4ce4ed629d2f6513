"""A student's document: what was written is read again, and what nobody wrote is refused with a reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mpchat.lab.document import BadDocument, Document, read, write
from mpchat.lab.experiment import Reason, Run


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "e4.json"


def a_document() -> Document:
    document = Document("e4", predictions={"bounded": 1000.0, "deaf": "closed"}, answers={"where": "en el búfer"})
    document.take(Run({"count": 3, "pids": {"7": 1}}, {"torn": Reason("not_seen", {"times": 9})}, 0.1), 5)
    document.results = [["a", "passed", "claim", "3", ""]]
    return document


def test_what_is_written_is_read(path: Path) -> None:
    write(path, a_document())

    assert read(path, "e4") == a_document()
    assert read(path, "e4").run() == Run(
        {"count": 3, "pids": {"7": 1}}, {"torn": Reason("not_seen", {"times": 9})}, 0.1
    )
    assert [each.name for each in path.parent.iterdir()] == ["e4.json"]


def test_without_a_file_all_is_empty(path: Path) -> None:
    assert read(path, "e4") == Document("e4")
    assert read(path, "e4").run() is None


def test_a_new_run_takes_the_results_of_the_one_before_away() -> None:
    document = a_document()

    document.take(Run({"count": 4}, {}, None), 6)

    assert (document.measured, document.skipped, document.results, document.seed) == ({"count": 4}, {}, [], 6)


@pytest.mark.parametrize(
    "change",
    [
        {"experiment": "e5"},
        {"format": 2},
        {"predictions": []},
        {"predictions": {"a": [1]}},
        {"answers": {"a": 1}},
        {"measured": {"count": 4}},
        {"others": 0.0},
        {"skipped": {}},
        {"results": [["a", "passed"]]},
        {"results": [["a", "<b>", "", "", ""]]},
        {"results": ["abcde"]},
        {"exercise": 7},
        {"unknown": 1},
    ],
)
def test_what_was_changed_by_hand_is_refused(path: Path, change: dict[str, Any]) -> None:
    write(path, a_document())
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))

    with pytest.raises(BadDocument):
        read(path, "e4")


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"null", b"\xff", b"[" * 100_000, b'{"experiment": "e4"', b" " * (5 << 20)]
)
def test_what_is_no_document_is_refused(path: Path, data: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(data)

    with pytest.raises(BadDocument):
        read(path, "e4")
