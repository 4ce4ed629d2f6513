"""Tries the reading half of a transport: its writers are this process, one that is killed in the middle of a frame, and
another of the student's; then the real server, whose processes are killed; and at last the project's own chaos.
"""

import contextlib
import os
import pickle
import signal
import struct
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from typing import Any

from mpchat.lab.chaos import chaos_is_good
from mpchat.lab.private_server import Ended, NoServer, PrivateServer, Talker
from mpchat.lab.student import Judge, Reference, StudentFailed, StudentProcess

_HEAD = struct.Struct("<I")
_SIZES = (0, 1, 100, 4096, 65_536, 70_000, 3, 200_000, 5)
_PIECES = (1, 2, 5, 700, 4096, 40_000, 60_000)  # bytes written between two calls of take()
_SECONDS = 5.0
_LINES = 40
_LOOKS = 3


def trial(judge: Judge) -> Iterator[bool]:
    yield _returns(judge)
    yield _whole(judge)
    yield _torn(judge)
    yield _refuses(judge)
    yield _notices_death(judge)
    yield _server_survives(judge)
    yield chaos_is_good(judge)


def _frame(message: Any) -> bytes:
    body = pickle.dumps(message)
    return _HEAD.pack(len(body)) + body


def _has_ended(student: StudentProcess, end: Reference) -> bool:
    return student.call((end, "__getattribute__"), "ended") is True


def _take_all(student: StudentProcess, end: Reference) -> "list[Any] | None":
    """What take() returns until the end is noticed; None: it is not, in time."""
    deadline, taken = time.monotonic() + _SECONDS, []
    while True:
        taken += student.call((end, "take"))
        if _has_ended(student, end):
            return taken
        if time.monotonic() > deadline:
            return None


def _reader(judge: Judge) -> tuple[StudentProcess, Reference, int]:
    """A process that has the reading end of a pipe, as an End; and the writing end."""
    reader, writer = os.pipe()
    back = os.pipe()
    os.set_blocking(writer, False)
    judge.lab.at_end.callback(os.close, writer)
    student = judge.process(fds=[reader, back[1]])
    for fd in (reader, *back):
        os.close(fd)
    return student, student.call("End", *student.fds), writer


def _returns(judge: Judge) -> bool:
    student, end, writer = _reader(judge)
    frame = _frame(b"whole")
    if student.call((end, "take")) != []:
        return False
    os.write(writer, frame[:-1])
    if student.call((end, "take")) != []:
        return False
    os.write(writer, frame[-1:])
    taken = student.call((end, "take"))
    return bool(taken == [b"whole"]) and not _has_ended(student, end)


def _whole(judge: Judge) -> bool:
    """Frames in pieces of any size, and then many frames at once."""
    student, end, writer = _reader(judge)
    messages = [judge.lab.random.randbytes(size) for size in _SIZES]
    stream, taken = b"".join(map(_frame, messages)), []
    deadline = time.monotonic() + _SECONDS
    while stream and time.monotonic() < deadline:
        with contextlib.suppress(BlockingIOError):  # take() may read less than was written
            stream = stream[os.write(writer, stream[: judge.lab.random.choice(_PIECES)]) :]
        taken += student.call((end, "take"))
    if taken != messages:
        return False
    several = [["items", number] for number in range(200)]
    os.write(writer, b"".join(map(_frame, several)))
    return bool(student.call((end, "take")) == several) and _moves_on(student, end, writer)


def _moves_on(student: StudentProcess, end: Reference, writer: int) -> bool:
    """Each look() finds half a frame, but never the same: that is no stream that stands still."""
    frame = _frame(b"another")
    half = len(frame) // 2
    os.write(writer, frame[:half])
    for _ in range(_LOOKS + 1):
        os.write(writer, frame[half:] + frame[:half])
        if student.call((end, "take")) != [b"another"]:
            return False
        student.call((end, "look"), _LOOKS)
    os.write(writer, frame[half:])
    return bool(student.call((end, "take")) == [b"another"])


def _torn(judge: Judge) -> bool:
    """A process writes one frame and a part of another into each of several pipes, and is killed."""
    whole, last = b"a" * 100, b"b" * 5000
    other = _frame(last)
    parts = (0, 1, _HEAD.size - 1, _HEAD.size, _HEAD.size + 1, 2500, len(other) - 1, len(other))
    pipes = [judge.lab.context.Pipe(duplex=False) for _ in parts]
    written = judge.lab.context.Event()
    data = [_frame(whole) + other[:part] for part in parts]
    writer = judge.lab.process(_write, [pipe[1] for pipe in pipes], data, written)
    back = os.pipe()
    student = judge.process(fds=[*(pipe[0].fileno() for pipe in pipes), back[1]])
    for fd in back:
        os.close(fd)
    for pipe in pipes:
        for each in pipe:
            each.close()
    ends = [student.call("End", fd, student.fds[-1]) for fd in student.fds[:-1]]
    if not written.wait(_SECONDS):
        return False
    before = [student.call((end, "take")) for end in ends]
    writer.kill()
    writer.join()
    expected = [[whole, last] if part == len(other) else [whole] for part in parts]
    return before == expected and all(_take_all(student, end) == [] for end in ends)


def _write(writers: list[Connection], data: list[bytes], written: Any) -> None:
    for writer, each in zip(writers, data, strict=True):
        os.write(writer.fileno(), each)
    written.set()
    while True:
        signal.pause()


def _refuses(judge: Judge) -> bool:
    """Four bytes announce 4 GiB."""
    student, end, writer = _reader(judge)
    os.write(writer, b"\xff" * 100)
    try:
        student.call((end, "take"))
    except StudentFailed as failed:
        if not failed.text.startswith("BadFrame"):
            raise
        return _has_ended(student, end)
    return False


def _notices_death(judge: Judge) -> bool:
    """Both ends of a pair, each in a process: one is killed, then, of another pair, the other.

    A third, the supervisor, has had the pair too, and has let it go.
    """
    for victim in (0, 1):
        fds = [*os.pipe(), *os.pipe()]
        students = [judge.process(fds=fds) for _ in range(3)]
        for fd in fds:
            os.close(fd)
        *pairs, supervisors = [student.call("pair_of", *student.fds) for student in students]
        students[2].call((supervisors, "let_go"))
        ends = [
            student.call((pair, name))
            for student, pair, name in zip(students[:2], pairs, ("at_worker", "at_broker"), strict=True)
        ]
        students[victim].call((ends[victim], "put"), b"last words")
        students[victim].kill()
        if _take_all(students[1 - victim], ends[1 - victim]) != [b"last words"]:
            return False
    return True


def _server_survives(judge: Judge) -> bool:
    """Two people talk while the worker and the broker are killed: each line arrives once, in order."""
    try:
        server = judge.lab.server("--ipc", str(judge.path), "--workers", "1", "--unlimited")
        ana, beto = (
            judge.lab.at_end.enter_context(contextlib.closing(server.talker(nick))) for nick in ("ana", "beto")
        )
        return all(_hears_across(server, role, ana, beto) for role in ("worker0", "broker", "worker0"))
    except (NoServer, Ended):
        return False


def _hears_across(server: PrivateServer, role: str, ana: Talker, beto: Talker) -> bool:
    pid = server.pids()[role]
    ana.say(*(f"{pid} before {number};" for number in range(_LINES)))
    os.kill(pid, signal.SIGKILL)
    ana.say(*(f"{pid} after {number};" for number in range(_LINES)))
    return all(
        f"{pid} {when} {number};" in beto.expect(f"{pid} ") for when in ("before", "after") for number in range(_LINES)
    )
