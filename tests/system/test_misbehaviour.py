"""A process that sends what is no message is replaced; its reader goes on, and no client notices.

The nonsense is written by this test into the pipe or the socket that the process has open: as if by it (proc(5)).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import pickle
import re
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from mpchat.ipc.frames import pack
from mpchat.settings import Settings
from tests.running import Server
from tests.system.conversation import Conversation
from tests.system.servers import needs_linux, pids, ready, replaced, until, unusual

pytestmark = [needs_linux, pytest.mark.slow]

_PIDFD_GETFD = 438  # the number of the system call, the same on all of Linux's machines


@pytest.fixture
def people(tmp_path: Path) -> Iterator[Conversation]:
    """On a server with two workers, of each test its own: the successor of one that crashes often has to wait."""
    settings = Settings(port=0, plain_port=0, unlimited=True, workers=2, data=str(tmp_path / "data"), hang_limit=2)
    with unusual(settings=settings) as server:
        it = Conversation(server)
        yield it
        it.close()


@pytest.fixture
def server(people: Conversation) -> Server:
    until(lambda: ready(people.server))
    return people.server


def pipes(pid: int) -> dict[str, dict[int, bool]]:
    """Which pipes it has open: by name, the descriptors, and whether it writes there."""
    found: dict[str, dict[int, bool]] = {}
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        name = os.readlink(entry)
        if name.startswith("pipe:"):
            flags = re.search(r"flags:\s*(\d+)", Path(f"/proc/{pid}/fdinfo/{entry.name}").read_text())
            assert flags is not None
            found.setdefault(name, {})[int(entry.name)] = bool(int(flags[1], 8) & os.O_WRONLY)
    return found


def pipe_between(writer: int, reader: int) -> str:
    """The file through which the one process writes to the other."""
    theirs = pipes(reader)
    for name, ends in pipes(writer).items():
        for fd, is_written in ends.items():
            if is_written and False in theirs.get(name, {}).values():
                return f"/proc/{writer}/fd/{fd}"
    raise AssertionError("there is no such pipe")


def batch(value: object) -> bytes:
    body = pickle.dumps(value)
    return struct.pack("!i", len(body)) + body


@pytest.mark.parametrize(
    "data",
    [b"GET / HTTP/1.1\r\n\r\n", batch(("nonsense",)), b"\0\x40\0\0"],
    ids=["no batch", "an unknown word", "a batch without end"],
)
@pytest.mark.parametrize("who", ["worker0", "broker"])
def test_nonsense_in_a_queue_ends_its_writer(people: Conversation, server: Server, who: str, data: bytes) -> None:
    before = pids(server)
    path = pipe_between(before[who], before["broker" if who == "worker0" else "worker0"])

    def write() -> None:
        with open(path, "wb", buffering=0) as pipe:
            pipe.write(data)

    people.round(write)
    replaced(server, before, who)
    people.round()
    assert accused(server) == [who]


@contextlib.contextmanager
def unix_sockets(pid: int) -> Iterator[list[socket.socket]]:
    """Copies of all that it has open: its links to the others, and the one to the supervisor."""
    numbers = sorted(int(entry.name) for entry in Path(f"/proc/{pid}/fd").iterdir())
    with contextlib.ExitStack() as stack:
        of = os.pidfd_open(pid)
        stack.callback(os.close, of)
        names = {number: os.readlink(f"/proc/{pid}/fd/{number}") for number in numbers}
        found = [
            stack.enter_context(socket.socket(fileno=copied(of, number)))
            for number, name in names.items()
            if name.startswith("socket:")
        ]
        yield [sock for sock in found if sock.family == socket.AF_UNIX]


def copied(pidfd: int, number: int) -> int:
    """A copy of another process's descriptor (pidfd_getfd(2), which Python does not have)."""
    libc = ctypes.CDLL(None, use_errno=True)
    fd: int = libc.syscall(_PIDFD_GETFD, pidfd, number, 0)
    if fd < 0:
        pytest.skip(f"pidfd_getfd: {os.strerror(ctypes.get_errno())}")
    return fd


@pytest.mark.parametrize("who", ["acceptor", "worker0", "broker", "recorder", "authenticator"])
def test_nonsense_in_a_link_ends_its_writer(people: Conversation, server: Server, who: str) -> None:
    """In each that it has, one after the other."""
    links = 3 if who in ("acceptor", "broker") else 2
    for which in range(links):
        before = until(lambda: ready(server))
        with unix_sockets(before[who]) as socks:
            assert len(socks) == links
            nonsense = b"\xff" * 8 if which else pack((0, ("nonsense",)))
            people.round(lambda sock=socks[which], nonsense=nonsense: sock.send(nonsense))  # type: ignore[misc]
        replaced(server, before, who)
    people.round()
    assert accused(server) == [who] * links


def accused(server: Server) -> list[str]:
    """Of whom it was said in the log, in order, that they misbehave."""
    return re.findall(r"process misbehaves role='(\w+)'", server.log_text())
