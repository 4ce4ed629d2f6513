"""Tries a bounded buffer: calls of several threads in the student's process, each waited for from here."""

from collections.abc import Iterator

from mpchat.lab.student import Judge, StudentFailed, StudentProcess

_SIZE = 4
_THREADS, _EACH, _ROUNDS = 4, 200, 3  # as many producers as consumers
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
        if not failed.text.startswith("Overflow:"):
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
    """With room for one item, producers and consumers wait at the same time: who is woken must be one who can go on."""
    expected = list(range(_THREADS * _EACH))
    for _ in range(_ROUNDS):
        buffer = student.call("Buffer", 1, "block")
        gets = [student.begin("consume", buffer, _EACH) for _ in range(_THREADS)]
        puts = [student.begin("produce", buffer, expected[slot::_THREADS]) for slot in range(_THREADS)]
        for number in puts:
            student.result(number)
        if sorted(item for number in gets for item in student.result(number)) != expected:
            return False
    return True
