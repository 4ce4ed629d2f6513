"""Tries the passing of sockets between two processes with the student's file, by the inodes that /proc shows in both;
and a look at a live server.
"""

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack

from mpchat.lab import descriptors
from mpchat.lab.lab import HAS_PROC
from mpchat.lab.student import Judge, StudentFailed, StudentProcess
from mpchat.lab.trying import Skipped

_SOCKETS = 3


def trial(judge: Judge) -> Iterator[bool]:
    if not HAS_PROC:
        raise Skipped("no_proc")
    with ExitStack() as ours:
        ends = [ours.enter_context(end) for end in socket.socketpair()]
        sockets = [ours.enter_context(socket.socket()) for _ in range(_SOCKETS + 1)]
        inodes = [os.fstat(each.fileno()).st_ino for each in sockets]
        sender = judge.process([ends[0].fileno(), *(each.fileno() for each in sockets)])
        receiver = judge.process([ends[1].fileno()])
    link, *numbers = sender.fds
    sender.call("send_socket", link, numbers[0])
    yield _received(receiver) == inodes[0]
    for number in numbers[1:]:
        sender.call("send_socket", link, number)
    came = [_received(receiver) for _ in numbers[1:]]
    kept = descriptors.inodes(sender.pid, "socket")
    copies = list(kept.values())
    yield (
        came == inodes[1:]
        and [kept.get(number) for number in numbers] == inodes
        and all(copies.count(inode) == 1 for inode in inodes)
    )
    sender.kill()
    yield _says_that_it_has_ended(receiver)
    yield from _finds_numbers(judge)


def _received(receiver: StudentProcess) -> int | None:
    """The inode of what the receiver has received, as /proc shows it there."""
    number = receiver.call("receive_socket", receiver.fds[0])
    return descriptors.inodes(receiver.pid, "socket").get(number) if isinstance(number, int) else None


def _says_that_it_has_ended(receiver: StudentProcess) -> bool:
    try:
        receiver.call("receive_socket", receiver.fds[0])
    except StudentFailed as failed:
        if not failed.text.startswith("EOFError"):
            raise
        return True
    return False


def _finds_numbers(judge: Judge) -> Iterator[bool]:
    server = judge.lab.server("--workers", "2", "--unlimited")
    ports = []  # of the clients
    for nick in ("ana", "beto"):
        talker = server.talker(nick)
        judge.lab.at_end.callback(talker.close)
        ports.append(talker.sock.getsockname()[1])
    pids = server.pids()
    acceptor, workers = pids["acceptor"], [pids["worker0"], pids["worker1"]]
    student = judge.process()
    asked = [(port, worker) for port in ports for worker in workers]
    truth = {each: _numbers(acceptor, each[1], server.plain_port, each[0]) for each in asked}
    said = {each: student.call("numbers", acceptor, each[1], server.plain_port, each[0]) for each in asked}
    yield all(said[each] == truth[each] for each in asked if None not in truth[each])
    yield all(said[each] == truth[each] for each in asked)


def _numbers(acceptor: int, worker: int, port: int, client_port: int) -> list[int | None]:
    inode = descriptors.accepted_socket(port, client_port)
    assert inode is not None
    return [descriptors.number_of(pid, inode) for pid in (acceptor, worker)]
