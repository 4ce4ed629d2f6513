"""A server to measure, and clients. What they load it with is in scripts/benchmark/loads.py."""

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

_READY = re.compile(r"mpchat ready: irc (\S+):(\d+)")
_BARE = re.compile(r"(\w+)=(\d+)")
# The last line of a greeting (376, 422) or a refusal (RFC 2812 section 5), and whom it is told; tags may be in front.
GREETED = re.compile(rb"^(?:@\S+ )?:\S+ (?:(422|376)|4\d\d) (\S+) .*\n", re.MULTILINE)
ROOT = Path(__file__).resolve().parent.parent.parent
PATIENCE = 60.0  # seconds without any progress: then the server has lost something
_SPARE_SECONDS = 10.0  # a server that has shown no spare as ready for so long is older than what says so
_QUIET_SECONDS, _QUIET_SHARE = 0.6, 0.02  # a server is quiet that takes less of a core than this for so long
# Or up to this much, if that goes on: on some machines, at some hours, a mere wake-up costs 4 ms.
_RESTING_SHARE, _GOES_ON = 0.15, 0.75
_QUIET_CHECKS = 20
_AT_ONCE = 200  # connections being registered at the same time


class Subject:
    """The server under test, started with these arguments, or the bare shape.

    `root` is the checkout whose code it runs; `name` is what it is called when something is wrong. It can be used once
    await_ready() has returned, and must be stopped; `with` does both.
    """

    def __init__(self, *args: str, bare: bool = False, root: Path = ROOT, name: str = "the server") -> None:
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.name, self._root, self._bare = name, root, bare
        self._folder = tempfile.TemporaryDirectory(prefix="mpchat-bench-")
        self._environment = _environment(self._folder.name)
        server = ["-m", "mpchat", "server", "127.0.0.1", "0", "--log-level", "error", *args]
        self._process = subprocess.Popen(
            [sys.executable, *(["scripts/bare.py"] if bare else server)],
            stdout=subprocess.PIPE,
            text=True,
            env=self._environment,
            cwd=root,
        )

    def await_ready(self) -> None:
        """Wait until all of its processes have started."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        found = _READY.match(line)
        if found is None:
            raise SystemExit(f"bench: {self.name} did not start")
        self.address = (found[1], int(found[2]))
        if self._bare:
            self.pids = {role: int(pid) for role, pid in _BARE.findall(line)}
        else:
            listed = self._ps(found[2])
            # One that its ps does not show costs too.
            others = _descendants(self._process.pid) - set(listed.values())
            self.pids = listed | {f"process {pid}": pid for pid in sorted(others)}

    def _ps(self, port: str) -> dict[str, int]:
        """Pids by role, once all have started: the spare last of all."""
        patient_until = time.monotonic() + _SPARE_SECONDS
        while True:
            answer = subprocess.run(
                [sys.executable, "-m", "mpchat", "ps", "--json", "--port", port],
                env=self._environment,
                cwd=self._root,
                capture_output=True,
                text=True,
            )
            if answer.returncode:
                raise SystemExit(f"bench: {self.name} does not show its processes: {answer.stderr.strip()}")
            rows = {row["role"]: row for row in json.loads(answer.stdout)["processes"]}
            if rows.get("spare", {}).get("ready") or time.monotonic() > patient_until:
                return {role: row["pid"] for role, row in rows.items()}

    def stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._folder.cleanup()

    def __enter__(self) -> Subject:
        try:
            self.await_ready()
        except BaseException:  # Ctrl-C too: without __enter__ there is no __exit__
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def cpu_seconds(self) -> dict[str, float]:
        """CPU time of each process, all its threads: /proc/PID/task/TID/schedstat, in ns."""
        spent = {}
        for role, pid in self.pids.items():
            tasks = [_text(path) for path in Path(f"/proc/{pid}/task").glob("*/schedstat")]
            if not any(tasks):
                raise SystemExit(f"bench: {self.name} lost its {role} (pid {pid}) while it was measured")
            spent[role] = sum(int(task.split()[0]) for task in tasks if task) / 1e9
        return spent

    def settle(self) -> dict[str, float]:
        """Wait until what it does after the last answer is done (it writes its history), so that nobody else pays.

        Returns cpu_seconds() of when it became quiet.
        """
        spent, cost = self.cpu_seconds(), 0.0
        for _ in range(_QUIET_CHECKS):
            time.sleep(_QUIET_SECONDS)  # a load ends when nothing happens any more, and that takes time to see
            start, spent = spent, self.cpu_seconds()
            before, cost = cost, (sum(spent.values()) - sum(start.values())) / _QUIET_SECONDS
            if cost < _QUIET_SHARE or (cost < _RESTING_SHARE and cost >= _GOES_ON * before > 0):
                return start
        return spent

    def pss_bytes(self) -> int:
        """Memory of all its processes, shared pages divided among those who share them (proc_pid_smaps(5))."""
        total = 0
        for pid in self.pids.values():
            found = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
            total += int(found[1]) * 1024 if found else 0
        return total


def _environment(folder: str) -> dict[str, str]:
    """Ours, but nothing is kept outside this folder, and it is the working directory whose mpchat is imported: the
    first in sys.path with -m, unless PYTHONSAFEPATH is set; what PYTHONPATH adds must not stand in for it."""
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONSAFEPATH")}
    return {**kept, "XDG_RUNTIME_DIR": folder, "XDG_STATE_HOME": folder}


def _text(path: Path) -> str:
    """What a file of /proc says; nothing if its process or thread has ended since."""
    try:
        return path.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _descendants(ancestor: int) -> set[int]:
    """Pids of all processes below this one (proc_pid_stat(5): the field behind the state is the parent)."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        text = _text(path)
        if text:
            parents[int(path.parent.name)] = int(text.rpartition(")")[2].split()[1])
    found = {ancestor}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {ancestor}


class Member:
    """One connected client."""

    def __init__(self, address: tuple[str, int], nick: str) -> None:
        self.nick = nick
        self.sock = socket.create_connection(address)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.unread = b""

    def fileno(self) -> int:
        return self.sock.fileno()

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def wait_for(self, wanted: bytes) -> bytes:
        """Read up to the end of the line that has `wanted` in it; returns all up to there."""
        searched = 0
        while True:
            at = self.unread.find(wanted, searched)
            end = self.unread.find(b"\n", at + len(wanted) - 1) if at >= 0 else -1
            if end >= 0:
                text, self.unread = self.unread[: end + 1], self.unread[end + 1 :]
                return text
            searched = at if at >= 0 else max(0, len(self.unread) - len(wanted) + 1)
            self._read()

    def await_registration(self) -> None:
        """Read up to the end of the greeting."""
        while (found := GREETED.search(self.unread)) is None:
            self._read()
        if found[1] is None:
            raise SystemExit(f"bench: {self.nick} cannot register: {found[0].decode(errors='replace').strip()}")
        self.unread = self.unread[found.end() :]

    def _read(self) -> None:
        data = self.sock.recv(1 << 18)
        if not data:
            raise SystemExit(f"bench: {self.nick}: the server closed the connection: {self.unread[-200:]!r}")
        self.unread += data

    @staticmethod
    def wait_all(members: list[Member], wanted: bytes) -> None:
        for member in members:
            member.wait_for(wanted)


def registration(nick: str, capabilities: str = "") -> bytes:
    """What a client sends to come in (RFC 2812 section 3.1), with these capabilities, if any."""
    request, end = (f"CAP REQ :{capabilities}\r\n", "CAP END\r\n") if capabilities else ("", "")
    return f"{request}NICK {nick}\r\nUSER {nick} 0 * :a member\r\n{end}".encode()


def connect_many(
    server: Subject, count: int, prefix: str, capabilities: str = "", at_once: int = _AT_ONCE
) -> list[Member]:
    """Registered clients."""
    members = []
    for start in range(0, count, at_once):
        some = [Member(server.address, f"{prefix}{n}") for n in range(start, min(start + at_once, count))]
        for member in some:
            member.send(registration(member.nick, capabilities))
        for member in some:
            member.await_registration()
        members += some
    return members


def probe(server: Subject, capabilities: str) -> str:
    """Clients with these capabilities can come in; returns the version that the server says it is (351)."""
    member = Member(server.address, "probe")
    if capabilities:
        member.send(f"CAP REQ :{capabilities}\r\n".encode())
        answer = member.wait_for(b" CAP ").decode(errors="replace").splitlines()[-1]
        if " ACK " not in answer:
            raise SystemExit(f"bench: {server.name} refuses CAP REQ :{capabilities} (it says {answer})")
    member.send(registration(member.nick) + (b"CAP END\r\n" if capabilities else b""))
    member.await_registration()
    member.send(b"VERSION\r\nPING :told\r\n")
    version = re.search(r" 351 \S+ (\S+)", member.wait_for(b":told\r\n").decode(errors="replace"))
    member.sock.close()
    return version[1].rstrip(".") if version else "unknown version"


def crowd_joins(members: list[Member]) -> None:
    """All join #crowd at once. Who came k-th of n must read n - k + 1 arrivals, their own first: the counts are
    1..n."""
    poller = select.epoll()
    by_fd = {member.fileno(): member for member in members}
    pieces = dict.fromkeys(by_fd, b"")
    for member in members:
        poller.register(member, select.EPOLLIN)
        member.send(b"JOIN #crowd\r\n")
    seen = dict.fromkeys(by_fd, 0)
    missing = len(members) * (len(members) + 1) // 2
    while missing:
        events = poller.poll(PATIENCE)
        if not events:
            raise SystemExit(f"bench: {missing} arrivals were never told")
        for fd, _ in events:
            data = pieces[fd] + by_fd[fd].sock.recv(1 << 18)
            whole, _, pieces[fd] = data.rpartition(b"\n")
            joins = whole.count(b" JOIN #crowd")
            seen[fd] += joins
            missing -= joins
    if sorted(seen.values()) != list(range(1, len(members) + 1)):
        raise SystemExit("bench: somebody was told of an arrival twice, or not at all")


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
