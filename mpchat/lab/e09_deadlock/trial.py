"""Tries the writing half of a transport: at the other end of its socket is this process, then another of the student's,
and then the real server; at last the project's own chaos.
"""

import contextlib
import re
import socket
import time
from collections.abc import Iterator
from typing import Any

from mpchat.ipc.frames import load
from mpchat.lab.chaos import chaos_is_good
from mpchat.lab.private_server import Ended, NoServer, Talker
from mpchat.lab.student import Judge, Reference, StudentProcess
from mpchat.messages import BadFrame

_BIG = 1 << 20
_SIZES = (0, 1, 4094, 4095, 4096, 4097, 4098, 65_534, 65_535, 65_536, 65_537, 65_538, 100)
_ROUNDS = 3
_SECONDS = 8.0
_SMALL_BUFFER = 4096  # the kernel doubles it (socket(7)): each send() takes a part only
_LINES = 150
_HEAD = re.compile(rb"(\d{1,8}):")


def trial(judge: Judge) -> Iterator[bool]:
    yield _frames_are_right(judge)
    yield _put_returns(judge)
    yield _both_ways(judge)
    yield _whole(judge)
    yield _peer_is_gone(judge)
    yield _server_runs(judge)
    yield chaos_is_good(judge)


def _student(judge: Judge, send_buffer: "int | None" = None) -> tuple[StudentProcess, Reference, socket.socket]:
    """A process with one end of a socket, and the other end."""
    ours, theirs = socket.socketpair()
    judge.lab.at_end.callback(ours.close)
    if send_buffer is not None:
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
    student = judge.process(fds=[theirs.fileno()])
    theirs.close()
    return student, student.call("end_of", student.fds[0]), ours


def _messages(judge: Judge) -> list[bytes]:
    return [judge.lab.random.randbytes(size) for _ in range(_ROUNDS) for size in _SIZES]


def _taken(ours: socket.socket, count: int, part: int = 1 << 16) -> list[Any]:
    """So many messages from the stream; fewer, if something else comes, or nothing in time."""
    deadline, stream = time.monotonic() + _SECONDS, bytearray()
    found: list[Any] = []
    with contextlib.suppress(OSError, BadFrame):
        while len(found) < count:
            ours.settimeout(max(0.001, deadline - time.monotonic()))
            data = ours.recv(part)
            if not data:
                break
            stream += data
            while (head := _HEAD.match(stream)) and len(stream) >= head.end() + int(head[1]):
                end = head.end() + int(head[1])
                found.append(load(bytes(stream[head.end() : end])))
                del stream[:end]
            if stream and not stream[:1].isdigit():
                break
    return found


def _frames_are_right(judge: Judge) -> bool:
    student, end, ours = _student(judge)
    messages: list[Any] = [["items", 1, [b"\x00:\xff", "ñ"]], b"12:", [], 7]
    for message in messages:
        student.call((end, "put"), message)
    return _taken(ours, len(messages)) == messages


def _put_returns(judge: Judge) -> bool:
    """Nobody reads, and there are some MB to send: no call may wait (it would raise StudentFailed)."""
    student, end, _ = _student(judge)
    for _ in range(64):
        student.call((end, "put"), bytes(1 << 16))
    student.call((end, "flush"))
    return True


def _both_ways(judge: Judge) -> bool:
    """Two processes each put 1 MiB before they read."""
    sockets = socket.socketpair()
    students = [judge.process(fds=[sock.fileno()]) for sock in sockets]
    for sock in sockets:
        sock.close()
    messages = [judge.lab.random.randbytes(_BIG) for _ in students]
    ends = [student.call("end_of", student.fds[0]) for student in students]
    calls = [
        student.begin("converse", end, [message], 1)
        for student, end, message in zip(students, ends, messages, strict=True)
    ]
    taken = [student.result(call, _SECONDS) for student, call in zip(students, calls, strict=True)]
    return taken == [[messages[1]], [messages[0]]]


def _whole(judge: Judge) -> bool:
    """Frames of any size come whole and in order, read in small parts, by a socket that takes little at once."""
    student, end, ours = _student(judge, _SMALL_BUFFER)
    messages = _messages(judge)
    call = student.begin("converse", end, messages, 0)
    return (
        _taken(ours, len(messages), 3000) == messages
        and student.result(call, _SECONDS) == []
        and student.call((end, "__getattribute__"), "unsent") is False
    )


def _peer_is_gone(judge: Judge) -> bool:
    student, end, ours = _student(judge)
    student.call((end, "put"), bytes(_BIG))  # of which something waits
    ours.close()
    student.call((end, "flush"))
    student.call((end, "put"), b"late")
    return student.call((end, "__getattribute__"), "unsent") is False


def _server_runs(judge: Judge) -> bool:
    """Two people talk in a server that has this transport; each line arrives once, in order."""
    try:
        server = judge.lab.server("--ipc", str(judge.path), "--workers", "2", "--unlimited")
        ana, beto = (
            judge.lab.at_end.enter_context(contextlib.closing(server.talker(nick))) for nick in ("ana", "beto")
        )
        return _says(ana, beto) and _says(beto, ana)
    except (NoServer, Ended):
        return False


def _says(one: Talker, other: Talker) -> bool:
    one.say(*(f"{one.nick} says {number}: {'.' * (number * 2)}" for number in range(_LINES)))
    return all(f"{one.nick} says {number}:" in other.expect(f"{one.nick} says ") for number in range(_LINES))
