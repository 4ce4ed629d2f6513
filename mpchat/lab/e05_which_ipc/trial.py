"""Tries send() and recv() over pipes whose other ends are held here: every byte on its way is seen, or chosen."""

import os
import select
import signal
import struct
import time
from collections.abc import Iterator

from mpchat.lab.student import Judge, StudentFailed, StudentProcess

_LENGTH = struct.Struct("!I")
_MIB = 1 << 20
_PIECE_SECONDS = 0.002
_BLOCKED_SECONDS = 0.2  # until then a pipe is full, and a write of a megabyte waits


def trial(judge: Judge) -> Iterator[bool]:
    read_end, write_end = os.pipe()  # from here to the student
    answers, theirs = os.pipe()  # from the student to here
    student = judge.process([read_end, theirs])
    os.close(read_end)
    os.close(theirs)
    judge.lab.at_end.callback(os.close, answers)
    incoming, outgoing = student.fds
    yield _frames(student, outgoing, answers)
    yield _joins_pieces(student, incoming, write_end)
    yield _stops_at_the_boundary(student, incoming, write_end)
    yield _goes_on_when_interrupted(student, outgoing, answers)
    os.close(write_end)
    yield student.call("recv", incoming) is None
    yield _torn(judge, 2) and _torn(judge, _LENGTH.size) and _torn(judge, _LENGTH.size + 3)


def _frame(message: bytes) -> bytes:
    return _LENGTH.pack(len(message)) + message


def _frames(student: StudentProcess, outgoing: int, answers: int) -> bool:
    for message in (b"hola", b"", b"\n\0" * 500):
        student.call("send", outgoing, message)
        if _read(answers, len(_frame(message)) + 1, 0.1) != _frame(message):
            return False
    return True


def _joins_pieces(student: StudentProcess, incoming: int, write_end: int) -> bool:
    """A byte at a time, and later than the reader."""
    call = student.begin("recv", incoming)
    for byte in _frame(b"in pieces"):
        os.write(write_end, bytes([byte]))
        time.sleep(_PIECE_SECONDS)
    return bool(student.result(call) == b"in pieces")


def _stops_at_the_boundary(student: StudentProcess, incoming: int, write_end: int) -> bool:
    """Messages that come at once; and the rest of one that has begun, together with the next."""
    messages = [b"one", b"", b"three", b"4" * 3000]
    os.write(write_end, b"".join(map(_frame, messages)))
    if [student.call("recv", incoming) for _ in messages] != messages:
        return False
    both = _frame(b"ten bytes.") + _frame(b"next")
    begun = _LENGTH.size + 4
    call = student.begin("recv", incoming)
    os.write(write_end, both[:begun])
    time.sleep(_BLOCKED_SECONDS)
    os.write(write_end, both[begun:])
    return [student.result(call), student.call("recv", incoming)] == [b"ten bytes.", b"next"]


def _goes_on_when_interrupted(student: StudentProcess, outgoing: int, answers: int) -> bool:
    """A megabyte into a pipe of 64 KiB; while write(2) waits, its process is stopped and continued, as by Ctrl-Z, fg.

    A pending signal ends write(2): it returns how much it has put into the pipe by then (pipe(7), signal(7)).
    """
    message = os.urandom(_MIB // 2) * 2
    call = student.begin("send", outgoing, message)
    time.sleep(_BLOCKED_SECONDS)
    os.kill(student.pid, signal.SIGSTOP)
    time.sleep(_BLOCKED_SECONDS)
    os.kill(student.pid, signal.SIGCONT)
    time.sleep(_BLOCKED_SECONDS)
    arrived = _read(answers, len(_frame(message)), 1.0, slowly=True)
    student.result(call)
    return arrived == _frame(message)


def _torn(judge: Judge, size: int) -> bool:
    """The input ends inside a frame, behind so many bytes of it: recv() raises EOFError."""
    read_end, write_end = os.pipe()
    student = judge.process([read_end])
    os.close(read_end)
    os.write(write_end, _frame(b"a message")[:size])
    os.close(write_end)
    try:
        student.call("recv", student.fds[0])
    except StudentFailed as failed:
        if failed.text.startswith("EOFError"):
            return True
        raise
    finally:
        student.kill()
    return False


def _read(fd: int, size: int, seconds: float, slowly: bool = False) -> bytes:
    """Up to `size` bytes, until nothing has come for so many seconds."""
    taken = bytearray()
    while len(taken) < size and select.select([fd], [], [], seconds)[0]:
        piece = os.read(fd, size - len(taken))
        if not piece:
            break
        taken += piece
        if slowly:
            time.sleep(_PIECE_SECONDS)
    return bytes(taken)
