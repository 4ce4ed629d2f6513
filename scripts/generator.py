"""The load: a server to measure, and clients that check every byte they get.

What is checked costs the generator little: all members of a room must read one and the same stream, so each chunk is
compared (memcmp) with what another member has read already, and only new bytes are taken apart.
"""

from __future__ import annotations

import json
import os
import re
import resource
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

_READY = re.compile(r"mpchat ready: irc (\S+):(\d+)")
_BARE = re.compile(r"(\w+)=(\d+)")
_ROOT = Path(__file__).resolve().parent.parent
_PATIENCE = 60.0  # seconds without any progress: then the server has lost something
_QUIET_SECONDS, _QUIET_SHARE = 0.6, 0.02  # a server is quiet that takes less of a core than this for so long
_QUIET_CHECKS = 20
_AT_ONCE = 200  # connections being registered at the same time


class Subject:
    """The server under test, started with these arguments, or the bare shape."""

    def __init__(self, *args: str, bare: bool = False) -> None:
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self._folder = tempfile.TemporaryDirectory(prefix="mpchat-bench-")
        self._environment = {**os.environ, "XDG_RUNTIME_DIR": self._folder.name}
        server = ["-m", "mpchat", "server", "127.0.0.1", "0", "--log-level", "error", *args]
        self._process = subprocess.Popen(
            [sys.executable, *(["scripts/bare.py"] if bare else server)],
            stdout=subprocess.PIPE,
            text=True,
            env=self._environment,
            cwd=_ROOT,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        found = _READY.match(line)
        if found is None:
            raise SystemExit("the server did not start")
        self.address = (found[1], int(found[2]))
        self.pids = {role: int(pid) for role, pid in _BARE.findall(line)} if bare else self._ps(found[2])

    def _ps(self, port: str) -> dict[str, int]:
        """Pids by role, once all have started: the spare last of all."""
        while True:
            answer = subprocess.run(
                [sys.executable, "-m", "mpchat", "ps", "--json", "--port", port],
                env=self._environment,
                cwd=_ROOT,
                capture_output=True,
                text=True,
                check=True,
            )
            rows = {row["role"]: row for row in json.loads(answer.stdout)["processes"]}
            if rows.get("spare", {}).get("ready"):
                return {role: row["pid"] for role, row in rows.items()}

    def __enter__(self) -> Subject:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.wait()
        self._folder.cleanup()

    def cpu_seconds(self) -> dict[str, float]:
        """CPU time of each process, all its threads: /proc/PID/task/TID/schedstat, in ns."""
        spent = {}
        for role, pid in self.pids.items():
            tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
            spent[role] = sum(int(task.read_text().split()[0]) for task in tasks) / 1e9
        return spent

    def settle(self) -> None:
        """Wait until what it does after the last answer is done (it writes its history), so that nobody else pays."""
        spent = 0.0
        for _ in range(_QUIET_CHECKS):
            before, spent = spent, sum(self.cpu_seconds().values())
            if spent - before < _QUIET_SHARE * _QUIET_SECONDS:
                break
            time.sleep(_QUIET_SECONDS)  # a load ends when nothing happens any more, and that takes time to see

    def pss_bytes(self) -> int:
        """Memory of all its processes, shared pages divided among those who share them (proc_pid_smaps(5))."""
        total = 0
        for pid in self.pids.values():
            found = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
            total += int(found[1]) * 1024 if found else 0
        return total


class Member:
    """One connected client; reads without taking apart what needs no taking apart."""

    def __init__(self, address: tuple[str, int], nick: str) -> None:
        self.nick = nick
        self.sock = socket.create_connection(address)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.unread = b""
        self.at = 0  # how much of the room's stream it has read
        self.own = self.sent = 0  # of its own messages: seen again, said
        self.piece = b""

    def fileno(self) -> int:
        return self.sock.fileno()

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def wait_for(self, wanted: bytes) -> None:
        """Read up to the end of the line that has `wanted` in it."""
        while True:
            _, found, rest = self.unread.partition(wanted)
            if found and (b"\n" in rest or wanted.endswith(b"\n")):
                self.unread = rest if wanted.endswith(b"\n") else rest.partition(b"\n")[2]
                return
            data = self.sock.recv(1 << 18)
            if not data:
                raise SystemExit(f"{self.nick}: the server closed the connection: {self.unread[-200:]!r}")
            self.unread = self.unread[-len(wanted) :] + data if not found else self.unread + data

    @staticmethod
    def wait_all(members: list[Member], wanted: bytes) -> None:
        for member in members:
            member.wait_for(wanted)


def connect_many(server: Subject, count: int, prefix: str) -> list[Member]:
    """Registered clients."""
    members = []
    for start in range(0, count, _AT_ONCE):
        some = [Member(server.address, f"{prefix}{n}") for n in range(start, min(start + _AT_ONCE, count))]
        for member in some:
            member.send(f"NICK {member.nick}\r\nUSER {member.nick} 0 * :a member\r\n".encode())
        Member.wait_all(some, b" 422 ")
        members += some
    return members


def crowd_joins(members: list[Member]) -> None:
    """All join #crowd at once. Who came k-th of n must read n - k + 1 arrivals, their own first: the counts are
    1..n."""
    poller = select.epoll()
    by_fd = {member.fileno(): member for member in members}
    for member in members:
        poller.register(member, select.EPOLLIN)
        member.send(b"JOIN #crowd\r\n")
    seen = dict.fromkeys(by_fd, 0)
    missing = len(members) * (len(members) + 1) // 2
    while missing:
        events = poller.poll(_PATIENCE)
        if not events:
            raise SystemExit(f"{missing} arrivals were never told")
        for fd, _ in events:
            data = by_fd[fd].piece + by_fd[fd].sock.recv(1 << 18)
            whole, _, by_fd[fd].piece = data.rpartition(b"\n")
            joins = whole.count(b" JOIN #crowd")
            seen[fd] += joins
            missing -= joins
    if sorted(seen.values()) != list(range(1, len(members) + 1)):
        raise SystemExit("somebody was told of an arrival twice, or not at all")


def open_idle(server: Subject, count: int) -> list[socket.socket]:
    """Registered connections that keep as little as possible on our side."""
    return [member.sock for member in connect_many(server, count, prefix="i")]


def rally(server: Subject, seconds: float) -> int:
    """Two clients send each other numbered private messages, each an answer to the last; returns how many."""
    ana, beto = connect_many(server, 2, prefix="p")
    stop = time.monotonic() + seconds
    count = 0
    while time.monotonic() < stop:
        for sender, receiver in ((ana, beto), (beto, ana)):
            count += 1
            sender.send(b"PRIVMSG %s :ball %d\r\n" % (receiver.nick.encode(), count))
            receiver.wait_for(b" :ball %d\r\n" % count)
    return count


class Room:
    """Members of one room who all read the same; some of them publish, with so many messages in flight each."""

    def __init__(self, server: Subject, members: int, publishers: int, in_flight: int) -> None:
        self.members = [self._enter(server, f"m{number}") for number in range(members)]
        self.publishers = self.members[:publishers]
        self.in_flight = in_flight
        self.stream = bytearray()  # what the member that is furthest ahead has read
        self.taken_apart = 0
        self.expected = [0] * publishers  # each publisher's next number in the stream
        self.checked = 0  # deliveries

    def _enter(self, server: Subject, nick: str) -> Member:
        member = Member(server.address, nick)
        member.send(f"CAP REQ :echo-message\r\nNICK {nick}\r\nUSER {nick} 0 * :x\r\nCAP END\r\n".encode())
        member.send(b"JOIN #bench\r\n")
        member.wait_for(b" 366 ")
        return member

    def assemble(self) -> None:
        """Everybody reads what is not the load: arrivals, and the server's question whether they are still there."""
        for member in self.members:
            member.sock.setblocking(True)
            member.send(b"PING :ready\r\n")
        Member.wait_all(self.members, b"PONG mpchat.local :ready\r\n")

    def run(self, seconds: float) -> int:
        """Load the server; returns the number of deliveries, all of them checked. To be called again and again."""
        poller = select.epoll()
        by_fd: dict[int, Member] = {}
        for member in self.members:
            member.sock.setblocking(False)
            poller.register(member, select.EPOLLIN)
            by_fd[member.fileno()] = member
        view = memoryview(bytearray(1 << 18))
        stop = time.monotonic() + seconds
        for number, publisher in enumerate(self.publishers):
            self._say(number, publisher, self.in_flight)
        while True:
            events = poller.poll(_PATIENCE)
            if not events:
                raise SystemExit(f"something is lost: {self._state()}")
            for fd, _ in events:
                self._read(by_fd[fd], view)
            going_on = time.monotonic() < stop
            behind = False
            for number, publisher in enumerate(self.publishers):
                free = self.in_flight - (publisher.sent - publisher.own)
                if going_on and free:
                    self._say(number, publisher, free)
                behind = behind or publisher.sent > publisher.own
            if not going_on and not behind and all(member.at == len(self.stream) for member in self.members):
                break
        said = [publisher.sent for publisher in self.publishers]
        if self.expected != said:
            raise SystemExit(f"said {said}, delivered {self.expected}")
        self._forget()
        deliveries = sum(said) * len(self.members) - self.checked
        self.checked += deliveries
        return deliveries

    def _forget(self) -> None:
        """All have read all of the stream, so the next run begins a new one."""
        self.stream = bytearray()
        self.taken_apart = 0
        for member in self.members:
            member.at = 0

    def _say(self, number: int, publisher: Member, count: int) -> None:
        first = publisher.sent
        publisher.sent += count
        lines = [
            b"PRIVMSG #bench :%d %d ................................\r\n" % (number, first + n) for n in range(count)
        ]
        publisher.sock.send(b"".join(lines))

    def _read(self, member: Member, view: memoryview) -> None:
        size = member.sock.recv_into(view)
        if not size:
            raise SystemExit(f"{member.nick}: the server closed the connection")
        data, at = view[:size], member.at
        member.at += size
        known = min(len(self.stream) - at, size)
        if memoryview(self.stream)[at : at + known] != data[:known]:
            raise SystemExit(f"{member.nick} reads something else than the others at byte {at}")
        if known < size:
            self.stream += data[known:]
            self._take_apart()
        if member in self.publishers:
            text = member.piece + bytes(data)
            whole, _, member.piece = text.rpartition(b"\n")
            member.own += whole.count(b":%s!" % member.nick.encode())

    def _take_apart(self) -> None:
        """New lines of the stream: each publisher's numbers must follow one another."""
        end = self.stream.rfind(b"\n") + 1
        for line in bytes(self.stream[self.taken_apart : end]).splitlines():
            number, said = (int(word) for word in line.split(b" :", 1)[1].split(b" ")[:2])
            if said != self.expected[number]:
                raise SystemExit(f"publisher {number}: message {said} where {self.expected[number]} was due")
            self.expected[number] += 1
        self.taken_apart = end

    def _state(self) -> dict[str, Any]:
        return {
            "said": [publisher.sent for publisher in self.publishers],
            "delivered": self.expected,
            "behind": [member.nick for member in self.members if member.at < len(self.stream)],
        }
