"""Tries a bounded buffer: calls of several threads in the student's process, each waited for from here."""

from collections.abc import Iterator

from mpchat.lab.student import Judge, StudentFailed, StudentProcess

_SIZE = 4
_PRODUCERS, _EACH = 4, 25
_BLOCKED_SECONDS = 0.3  # a put that has not returned by then waits


def trial(judge: Judge) -> Iterator[bool]:
    student = judge.process()
    yield _keeps_order(student)
    yield _drops(student)
    yield _refuses(student)
    yield _blocks(student)
    yield _wakes_all(student)


def _keeps_order(student: StudentProcess) -> bool:
    buffer = student.call("Buffer", _SIZE, "block")
    put = [student.call((buffer, "put"), number) for number in range(_SIZE)]
    return put == [True] * _SIZE and [student.call((buffer, "get")) for _ in range(_SIZE)] == list(range(_SIZE))


def _drops(student: StudentProcess) -> bool:
    buffer = student.call("Buffer", _SIZE, "drop")
    put = [student.call((buffer, "put"), number) for number in range(_SIZE + 2)]
    kept = [student.call((buffer, "get")) for _ in range(_SIZE)]
    return put == [True] * _SIZE + [False, False] and kept == list(range(_SIZE))


def _refuses(student: StudentProcess) -> bool:
    buffer = student.call("Buffer", _SIZE, "disconnect")
    for number in range(_SIZE):
        student.call((buffer, "put"), number)
    try:
        student.call((buffer, "put"), _SIZE)
    except StudentFailed as failed:
        if not failed.text.startswith("Overflow"):
            raise
        return [student.call((buffer, "get")) for _ in range(_SIZE)] == list(range(_SIZE))
    return False


def _blocks(student: StudentProcess) -> bool:
    buffer = student.call("Buffer", 1, "block")
    student.call((buffer, "put"), "first")
    waiting = student.begin((buffer, "put"), "second")
    if student.is_done(waiting, _BLOCKED_SECONDS) or student.call((buffer, "get")) != "first":
        return False
    return student.result(waiting) is True and student.call((buffer, "get")) == "second"


def _wakes_all(student: StudentProcess) -> bool:
    buffer = student.call("Buffer", 2, "block")
    gets = [student.begin((buffer, "get")) for _ in range(_PRODUCERS * _EACH)]
    puts = [student.begin((buffer, "put"), number) for number in range(_PRODUCERS * _EACH)]
    put = [student.result(number) for number in puts]
    return all(put) and sorted(student.result(number) for number in gets) == list(range(_PRODUCERS * _EACH))
