"""The server of a run, in a session of its own, and the killer: every so often it ends one of its processes."""

from __future__ import annotations

import contextlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

from mpchat.ipc.control_socket import ask
from scripts.chaos_run.surroundings import Surroundings

ROLES = ("worker", "broker", "acceptor", "recorder", "authenticator", "front")
_READY = re.compile(
    r"mpchat ready: irc (\S+):(\d+), plain \S+:(\d+), pid \d+(?:, tls \S+:(\d+))?(?:, tls-plain \S+:(\d+))?"
)
_ROOT = Path(__file__).resolve().parent.parent.parent
_STOP_SECONDS = 20.0
_SETTLE_SECONDS = 10.0
_PSS = re.compile(r"^Pss:\s+(\d+) kB", re.MULTILINE)
_FEW = 1  # descriptor: a recorder opens the journal when there is something in it to read
_MOST_GROWTH = 100.0  # MiB: what so many people say at once, and the workers' replacements differ by that
_MOST_JOURNAL = 20.0  # MiB: two thousand records and what the recorder has not read yet are far less
_PAIRS = 0.1  # of all kills, so many end two processes at once


class Footprint(NamedTuple):
    """What a server takes: descriptors by role, memory of all its processes (PSS) in MiB, its journal in MiB."""

    descriptors: dict[str, int]
    recovery: float
    journal: float

    def grown_to(self, after: Footprint) -> list[str]:
        """What has grown that should not have."""
        complaints = [
            f"descriptors of {role} have grown from {self.descriptors.get(role, 0)} to {count}"
            for role, count in after.descriptors.items()
            if count > self.descriptors.get(role, 0) + _FEW
        ]
        if after.recovery > self.recovery + _MOST_GROWTH:
            complaints.append(f"memory has grown from {self.recovery:.0f} to {after.recovery:.0f} MiB")
        if after.journal > _MOST_JOURNAL:
            complaints.append(f"the journal has grown to {after.journal:.0f} MiB")
        return complaints


class Server:
    """Started with so many workers, and these `arguments` besides. stop() must be called, and discard() where nothing
    is to be looked into.

    `surroundings` are those of surroundings.py that shall go wrong once begin() is called on `around`.
    """

    def __init__(self, workers: int, arguments: Sequence[str], surroundings: Sequence[str] = (), seed: int = 0) -> None:
        self.workers = workers
        self._asked = False
        self.folder = Path(tempfile.mkdtemp(prefix="mpchat-run-"))
        self.data = self.folder / "data"
        place = ["127.0.0.1", "0", "--workers", str(workers), "--data", str(self.data)]
        self.around = Surroundings(surroundings, self.folder, _ROOT, seed)
        self._process = subprocess.Popen(
            [*self.around.command, sys.executable, "-m", "mpchat", "server", *place, *arguments],
            stdout=subprocess.PIPE,
            stderr=self.around.stderr,
            text=True,
            # The clients compare what it says in plain text with the English wording.
            env={**os.environ, "LC_ALL": "C.UTF-8", "XDG_RUNTIME_DIR": str(self.folder), **self.around.environment},
            cwd=self.around.start,
            start_new_session=True,  # so that what it leaves behind can be found by its session
        )
        self.pid = self._process.pid
        assert self._process.stdout is not None
        found = _READY.match(self._process.stdout.readline())
        self.around.started(self.pid)
        if found is None:
            raise SystemExit(f"the server did not start: {self.stop()} {self.log_tail()}")
        ports = {(False, False): found[2], (True, False): found[3], (False, True): found[4], (True, True): found[5]}
        # By dialect (is it plain text?), without and with TLS.
        self.addresses = {kind: (found[1], int(port)) for kind, port in ports.items() if port}
        self.irc, self.plain = self.addresses[False, False], self.addresses[True, False]
        self.tls = self.addresses.get((False, True))

    def running(self) -> bool:
        return self._process.poll() is None

    def processes(self) -> dict[str, dict[str, Any]]:
        """What the server itself says of its processes, by role; {} where it does not answer."""
        try:
            status = ask(self.folder / "mpchat" / f"{self.irc[1]}.sock")
        except (OSError, ValueError):
            return {}
        return {row["role"]: row for row in status["processes"]}

    def footprint(self, like: Footprint | None = None, within: float = _SETTLE_SECONDS) -> Footprint:
        """Once everybody is at work, a spare too, and it is no more than `like`; or after so many seconds."""
        deadline = time.monotonic() + within
        while True:
            rows = self.processes()
            found = self._footprint(rows)
            is_whole = "spare" in rows and all(row.get("ready", True) for row in rows.values())
            is_small = like is None or not like.grown_to(found)
            if (is_whole and is_small) or time.monotonic() >= deadline:
                return found
            time.sleep(0.05)  # a process that has been killed takes its time, and no event tells us of its successor

    def _footprint(self, rows: dict[str, dict[str, Any]]) -> Footprint:
        descriptors: Counter[str] = Counter()
        recovery = 0
        for name, row in rows.items():
            with contextlib.suppress(OSError):  # it has died just now
                descriptors[_role(name)] += len(os.listdir(f"/proc/{row['pid']}/fd"))
                found = _PSS.search(Path(f"/proc/{row['pid']}/smaps_rollup").read_text())
                recovery += int(found[1]) if found else 0
        journal = sum(file.stat().st_size for file in (self.data / "journal").glob("*.journal"))
        return Footprint(dict(descriptors), recovery / 1024, journal / 2**20)

    def ask_to_stop(self) -> None:
        if self.running() and not self._asked:  # asked twice, it would stop at once
            self._asked = True
            self._process.send_signal(signal.SIGTERM)

    def stop(self) -> list[str]:
        """Returns what is wrong with how it ended. Whatever was left is killed then."""
        self.ask_to_stop()
        complaints = []
        try:
            status = self._process.wait(_STOP_SECONDS)
            if status != 0:
                complaints.append(f"the server ended with status {status}")
        except subprocess.TimeoutExpired:
            complaints.append(f"the server did not end within {_STOP_SECONDS:g} s")
            self._process.kill()
            self._process.wait()
        complaints += [f"the server left {what} behind" for what in self._left_behind()]
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self.around.close()
        assert self._process.stdout is not None
        self._process.stdout.close()
        return complaints

    def _left_behind(self) -> list[str]:
        """What is still there a second later: processes of its session, and its socket file."""
        deadline = time.monotonic() + 1.0
        while (alive := _session(self._process.pid)) and time.monotonic() < deadline:
            time.sleep(0.01)  # they are not our children: no event tells of their end
        return [*alive, *(str(path) for path in (self.folder / "mpchat").glob("*"))]

    def log_tail(self) -> str:
        return "".join((self.folder / "log").read_text(errors="replace").splitlines(keepends=True)[-15:])

    def discard(self) -> None:
        """Nobody needs its journal and log any more."""
        shutil.rmtree(self.folder)


def _session(leader: int) -> list[str]:
    """The processes of a session that run: /proc/PID/stat, proc(5). Elsewhere than on Linux nobody is found."""
    found = []
    for file in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            pid, _, rest = file.read_text().partition(" ")
            name, _, fields = rest.rpartition(") ")
            state, _, _, session = fields.split()[:4]
            if int(session) == leader and state not in "ZX":
                found.append(f"process {pid} {name})")
    return found


class Kill(NamedTuple):
    at: float  # monotonic seconds
    roles: tuple[str, ...]  # of ROLES


class Killer(threading.Thread):
    """Ends processes by SIGKILL, one every `period` seconds or so. A thread, because asking who is who waits for the
    server, and the clients' loop must not."""

    def __init__(self, server: Server, roles: list[str], period: float, seed: int) -> None:
        super().__init__(daemon=True)
        self.kills: list[Kill] = []
        self._server, self._roles, self._period = server, roles, period
        self._random = random.Random(seed)
        self._killed: set[int] = set()
        self._over = threading.Event()
        self._turn = threading.Lock()  # one asks who is who, and kills, before another does

    def run(self) -> None:
        while self._roles and not self._over.wait(self._period * self._random.uniform(0.5, 1.5)):
            self._strike()

    def finish(self) -> None:
        """No kill after this."""
        self._over.set()
        self.join()

    def kill_spare(self) -> None:
        """It is no loss to anybody, and makes the server start a process."""
        with self._turn:
            pid = self._server.processes().get("spare", {}).get("pid")
            if pid is not None:
                self._killed.add(pid)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def _strike(self) -> None:
        with self._turn:
            self._kill_some()

    def _kill_some(self) -> None:
        gone = {*self._killed, None}  # None: it could not be started yet
        rows = {name: row for name, row in self._server.processes().items() if row["pid"] not in gone}
        victims = [name for name in self._choose(rows) if name in rows]  # else it is being replaced just now
        if victims:
            self.kills.append(Kill(time.monotonic(), tuple(_role(name) for name in victims)))
        for name in victims:
            self._killed.add(rows[name]["pid"])
            with contextlib.suppress(ProcessLookupError):
                os.kill(rows[name]["pid"], signal.SIGKILL)

    def _choose(self, rows: dict[str, dict[str, Any]]) -> list[str]:
        """One process, sometimes two. But acceptor and workers hold the only copies of the clients' sockets: neither
        may die before the other has them all, and has said so."""
        whole = [name for name, row in rows.items() if row.get("ready", True)]
        workers = [name for name in rows if _role(name) == "worker"]
        spared = []
        if "acceptor" not in whole:
            spared.append("worker")
        if sum(name in whole for name in workers) < self._server.workers:
            spared.append("acceptor")
        roles = [role for role in self._roles if role not in spared and (role != "front" or role in rows)]
        pairs = [pair for pair in combinations(roles, 2) if set(pair) != {"acceptor", "worker"}]
        two = pairs and self._random.random() < _PAIRS
        chosen = self._random.choice(pairs) if two else self._random.sample(roles, min(1, len(roles)))
        return [self._random.choice(workers) if role == "worker" and workers else role for role in chosen]


def _role(name: str) -> str:
    """Of a process: worker0 is a worker."""
    return name.rstrip("0123456789")
