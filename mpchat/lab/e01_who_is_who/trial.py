"""Tries functions that read /proc: on the processes of a live server, and on what is read there from here."""

import os
import time
from collections.abc import Callable, Iterator
from typing import Any

from mpchat.lab import descriptors, processes
from mpchat.lab.lab import HAS_PROC
from mpchat.lab.student import Judge, StudentProcess
from mpchat.lab.trying import Skipped

_ODD_NAME = "a) R 1 (b"  # fifteen letters at most (proc(5))
_TRIES = 20  # processes open and close something now and then: until nothing has changed meanwhile
_PAUSE_SECONDS = 0.05
_NAMED_SECONDS = 5.0
_LONG_SECONDS = 600.0  # the lab ends that process long before
_SOCKETS = ("listening", "tcp", "unix")


def trial(judge: Judge) -> Iterator[bool]:
    if not HAS_PROC:
        raise Skipped("no_proc")
    student = judge.process()
    # The first step needs no server: a file that is as it was handed out waits for none.
    yield _finds_parents(judge, student)
    server = judge.lab.server("--workers", "2", "--unlimited")
    for nick in ("ana", "beto"):
        judge.lab.at_end.callback(server.talker(nick).close)
    pids = server.pids()
    looked_at = [pids[role] for role in ("supervisor", "broker", "worker0", "worker1", "acceptor", "recorder")]
    yield all(_kinds_agree(student, pid, are_sockets=False) for pid in looked_at)
    yield all(_kinds_agree(student, pid, are_sockets=True) for pid in looked_at)
    broker, worker, other = pids["broker"], pids["worker0"], pids["worker1"]
    pairs = [(broker, worker), (other, broker), (worker, other), (pids["supervisor"], worker)]
    yield all(_agree(student, "shared_pipes", _shared, pair) for pair in pairs)
    yield all(_agree(student, "queue_pipes", _queue, pair) for pair in [*pairs[:3], (worker, broker)])


def _finds_parents(judge: Judge, student: StudentProcess) -> bool:
    """Of this process, of the student's own, and of one with an odd name."""
    odd = judge.lab.process(_be_called, _ODD_NAME)
    assert odd.pid is not None
    deadline = time.monotonic() + _NAMED_SECONDS
    while _name(odd.pid) != _ODD_NAME and time.monotonic() < deadline:
        time.sleep(_PAUSE_SECONDS)
    parents = processes.parents()
    return all(student.call("parent", pid) == parents[pid] for pid in (os.getpid(), student.pid, odd.pid))


def _be_called(name: str) -> None:
    with open("/proc/self/comm", "w") as file:
        file.write(name)
    time.sleep(_LONG_SECONDS)


def _name(pid: int) -> str:
    with open(f"/proc/{pid}/comm") as file:
        return file.read().rstrip("\n")


def _kinds_agree(student: StudentProcess, pid: int, are_sockets: bool) -> bool:
    """Of all numbers: each is there, and those of sockets, or the others, have the kind that is read here."""
    for _ in range(_TRIES):
        before = descriptors.kinds(pid)
        said = student.call("fds", pid)
        if descriptors.kinds(pid) != before:
            time.sleep(_PAUSE_SECONDS)
            continue
        judged = {n: kind for n, kind in before.items() if kind != "other" and (kind in _SOCKETS) is are_sockets}
        return isinstance(said, dict) and said.keys() == before.keys() and judged.items() <= said.items()
    return False


def _agree(
    student: StudentProcess, function: str, truth: Callable[[int, int], set[int]], pair: tuple[int, int]
) -> bool:
    said: Any = student.call(function, *pair)
    return isinstance(said, list) and said == sorted(truth(*pair))


def _shared(one: int, other: int) -> set[int]:
    held = [set(descriptors.inodes(pid, "pipe").values()) for pid in (one, other)]
    return held[0] & held[1]


def _queue(writer: int, reader: int) -> set[int]:
    return descriptors.pipes(writer, os.O_WRONLY) & descriptors.pipes(reader, os.O_RDONLY)
