"""A server to measure: it is started, told apart by process, and asked what it takes."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent.parent
_READY = re.compile(r"(?:mpchat )?ready: irc (\S+):(\d+)")
_BARE = re.compile(r"(\w+)=(\d+)")
_SPARE_SECONDS = 10.0  # a server that has shown no spare as ready for so long is older than what says so
_QUIET_SECONDS, _QUIET_SHARE = 0.6, 0.02  # a server is quiet that takes less of a core than this for so long
# Or up to this much, if that goes on: on some machines, at some hours, a mere wake-up costs 4 ms.
_RESTING_SHARE, _GOES_ON = 0.15, 0.75
_QUIET_CHECKS = 20


def fail(text: str) -> NoReturn:
    """End the measurement: what it would tell is wrong."""
    raise SystemExit(f"bench: {text}")


def cpu_seconds_of(pid: int) -> float:
    """CPU time of a process, of all its threads, those that have ended too (clock_getcpuclockid(3)).

    Raises OSError where there is no such process."""
    return time.clock_gettime((~pid << 3) | 2)  # 2: as the scheduler counts, in ns


class Subject:
    """A server under test, started by this command in this folder.

    It can be used once await_ready() has returned, and must be stopped; `with` does both. `name` is what it is called
    when something is wrong.
    """

    address: tuple[str, int]
    pids: dict[str, int]  # by role
    at_once = 200  # so many clients can come at the same time

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        cwd: str | Path,
        ready: bool = True,
    ) -> None:
        """`ready`: its first line says where it listens; else another method knows, and nobody reads what it says."""
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.name = name
        self.environment = environment
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if ready else subprocess.DEVNULL,
            stderr=None if ready else subprocess.DEVNULL,
            text=True,
            env=environment,
            cwd=cwd,
        )

    def await_ready(self) -> None:
        """Wait until all of its processes have started."""
        self.read_ready_line()
        self.pids = {"server": self.process.pid}
        self.note_others()

    def read_ready_line(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        found = _READY.match(line)
        if found is None:
            fail(f"{self.name} did not start")
        self.address = (found[1], int(found[2]))
        return line

    def note_others(self) -> None:
        """A process that has no role yet costs too."""
        for pid in sorted(_descendants(self.process.pid) - set(self.pids.values())):
            self.pids[f"process {pid}"] = pid

    def stop(self) -> None:
        """Can be called again."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()

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
        """CPU time of each process."""
        spent = {}
        for role, pid in self.pids.items():
            try:
                spent[role] = cpu_seconds_of(pid)
            except OSError:
                fail(f"{self.name} lost its {role} (pid {pid}) while it was measured")
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


class Mpchat(Subject):
    """This server, with these options. `root` is the checkout whose code it runs, by the Python `python`."""

    def __init__(
        self, *options: str, root: Path = ROOT, name: str = "the server", python: str = sys.executable
    ) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="mpchat-bench-")
        self._root, self._python = root, python
        command = [python, "-m", "mpchat", "server", "127.0.0.1", "0", "--log-level", "error", *options]
        super().__init__(name, command, own_environment(self._folder.name), root)

    def await_ready(self) -> None:
        self.read_ready_line()
        self.pids = self._ps()
        self.note_others()

    def _ps(self) -> dict[str, int]:
        """Pids by role, once all have started: the spare last of all."""
        patient_until = time.monotonic() + _SPARE_SECONDS
        while True:
            answer = subprocess.run(
                [self._python, "-m", "mpchat", "ps", "--json", "--port", str(self.address[1])],
                env=self.environment,
                cwd=self._root,
                capture_output=True,
                text=True,
            )
            if answer.returncode:
                fail(f"{self.name} does not show its processes: {answer.stderr.strip()}")
            rows = {row["role"]: row for row in json.loads(answer.stdout)["processes"]}
            if rows.get("spare", {}).get("ready") or time.monotonic() > patient_until:
                return {role: row["pid"] for role, row in rows.items()}

    def stop(self) -> None:
        super().stop()
        self._folder.cleanup()


class Bare(Subject):
    """The bare shape (scripts/bare.py): processes, queues and sockets without a chat."""

    def __init__(self) -> None:
        super().__init__("the bare shape", [sys.executable, "scripts/bare.py"], own_environment(""), ROOT)

    def await_ready(self) -> None:
        self.pids = {role: int(pid) for role, pid in _BARE.findall(self.read_ready_line())}


def own_environment(folder: str) -> dict[str, str]:
    """Ours, but nothing is kept outside this folder, and it is the working directory whose mpchat is imported: the
    first in sys.path with -m, unless PYTHONSAFEPATH is set; what PYTHONPATH adds must not stand in for it."""
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONSAFEPATH")}
    return {**kept, "XDG_RUNTIME_DIR": folder, "XDG_STATE_HOME": folder} if folder else kept


def _text(path: Path) -> str:
    """What a file of /proc says; nothing if its process has ended since."""
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
