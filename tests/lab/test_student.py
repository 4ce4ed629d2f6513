"""A student's file in processes of its own: calls, what they may return, and every way to fail."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpchat.lab.lab import Lab
from mpchat.lab.student import Judge, StudentFailed, dump, load

SOURCE = """
import os, sys, time

class Box:
    def __init__(self, items):
        self.items = list(items)
    def take(self):
        return self.items.pop()

def echo(value):
    return value

def same(one, other):
    return one is other

def size(fd):
    os.write(fd, b"seen")
    return fd

def todo():
    raise NotImplementedError("TODO 2")

def fails():
    return 1 / 0

def leaves():
    sys.exit(0)

def ends():
    os._exit(0)

def sleeps():
    time.sleep(60)

def shouts():
    print("loud")
    sys.stdout.flush()
    os.write(1, b"louder")
    return "quiet"
"""


def line_of(code: str) -> int:
    return SOURCE[: SOURCE.index(code)].count("\n") + 1


@pytest.fixture
def judge(tmp_path: Path) -> Iterator[Judge]:
    path = tmp_path / "e4.py"
    path.write_text(SOURCE)
    with Lab(1, lambda key: None) as lab:
        yield Judge(lab, path)


@pytest.mark.parametrize("value", [None, True, 3, 2.5, "sí", b"\x00\xff", [1, [b"x"]], {1: b"y", "z": None}, {}, []])
def test_a_value_goes_there_and_comes_back(judge: Judge, value: object) -> None:
    assert judge.process().call("echo", value) == value


def test_an_object_stays_there_and_is_called_by_its_reference(judge: Judge) -> None:
    student = judge.process()

    box = student.call("Box", [1, 2])

    assert student.call((box, "take")) == 2
    assert student.call("same", box, box) is True


def test_a_descriptor_goes_along(judge: Judge) -> None:
    reader, writer = os.pipe()
    student = judge.process(fds=[writer])
    os.close(writer)

    assert student.call("size", student.fds[0]) == student.fds[0]
    assert os.read(reader, 10) == b"seen"
    student.kill()
    assert os.read(reader, 10) == b""
    os.close(reader)


@pytest.mark.parametrize(
    ("function", "kind", "text"),
    [
        ("todo", "todo", "TODO 2"),
        ("fails", "raised", f"ZeroDivisionError: division by zero (e4.py:{line_of('1 / 0')})"),
        ("leaves", "raised", f"SystemExit: 0 (e4.py:{line_of('sys.exit(0)')})"),
        ("ends", "gone", ""),
        ("nothing", "raised", "AttributeError: module 'exercise' has no attribute 'nothing'"),
    ],
)
def test_each_failure_is_told_apart(judge: Judge, function: str, kind: str, text: str) -> None:
    with pytest.raises(StudentFailed) as failed:
        judge.process().call(function)

    assert (failed.value.kind, failed.value.text) == (kind, text)


def test_who_does_not_answer_is_not_waited_for(judge: Judge) -> None:
    student = judge.process()

    with pytest.raises(StudentFailed, match="silent"):
        student.call("sleeps", seconds=0.2)


def test_a_call_in_a_thread_is_not_waited_for(judge: Judge) -> None:
    student = judge.process()

    waiting = student.begin("sleeps")

    assert student.call("echo", 1) == 1
    assert not student.is_done(waiting)


def test_what_it_prints_is_no_answer(judge: Judge) -> None:
    assert judge.process().call("shouts") == "quiet"


def test_a_file_that_is_no_python_fails(judge: Judge) -> None:
    judge.path.write_text("def half(:\n")

    with pytest.raises(StudentFailed, match="SyntaxError"):
        judge.process()


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=8,
)


@given(values)
def test_every_value_comes_back_as_it_was(value: object) -> None:
    assert load(dump(value)) == value


@pytest.mark.parametrize("hostile", [{"bytes": 1}, {"bytes": "é"}, {"dict": [[1]]}, {"dict": [[[1], 2]]}, {"x": 1}])
def test_what_no_dump_made_is_refused(hostile: object) -> None:
    with pytest.raises(StudentFailed):
        load(hostile)
