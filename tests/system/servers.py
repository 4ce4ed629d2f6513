"""Servers started in unusual ways, and what the kernel knows of a running one's processes."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mpchat.ipc.control_socket import ask
from mpchat.settings import Secrets, Settings
from tests.running import OPEN, PATIENCE, Server, at_home

LINUX = sys.platform.startswith("linux")
needs_linux = pytest.mark.skipif(not LINUX, reason="looks into /proc")

NO_SECRETS = Secrets()
MPCHAT = [sys.executable, "-m", "mpchat"]


def built(settings: Settings, secrets: Secrets = NO_SECRETS) -> list[str]:
    """The command of a server with settings no flag can give: their repr() is what would build them again."""
    opers = "".join(f"Oper({oper.name!r}, {oper.password!r})," for oper in secrets.opers)
    return [
        sys.executable,
        "-c",
        "import os, sys; from mpchat.settings import Oper, Secrets, Settings, ChatSettings\n"
        "from mpchat.ipc.control_socket import runtime_folder; from mpchat.supervisor.supervisor import Supervisor; "
        "from mpchat.roles import load; from mpchat.supervisor.reloading import Read\n"
        f"secrets = Secrets({secrets.password!r}, ({opers}))\n"
        f"settings, runtime = {settings!r}, runtime_folder(os.environ['XDG_RUNTIME_DIR'])\n"
        "sys.exit(Supervisor(settings, secrets, runtime, load, lambda: Read(settings, secrets)).run())",
    ]


class Unusual(Server):
    """A server whose whole command, environment and limits a test decides."""

    def __init__(
        self,
        command: list[str],
        *,
        host: str = "127.0.0.1",
        environment: dict[str, str] | None = None,
        before: Callable[[], None] | None = None,
    ) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="mpchat-test-")
        self.environment = {**os.environ, **at_home(self.folder.name), **(environment or {})}
        self.log = open(Path(self.folder.name) / "log", "w+")  # noqa: SIM115  closed by stop()
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
            env=self.environment,
            start_new_session=True,
            preexec_fn=before,
        )
        self.read_ready_line(host)


def start(
    *command: str, environment: dict[str, str], cwd: Path | None = None, before: Callable[[], None] | None = None
) -> subprocess.CompletedProcess[str]:
    """Of a server that will not get ready, and ends by itself."""
    with tempfile.TemporaryDirectory(prefix="mpchat-test-") as home:
        env = {**os.environ, **at_home(home), **environment}
        return subprocess.run(
            command, capture_output=True, text=True, env=env, cwd=cwd, timeout=9 * PATIENCE, preexec_fn=before
        )


def journal(data: Path) -> dict[str, bytes]:
    """All that it holds, by file."""
    return {path.name: path.read_bytes() for path in (data / "journal").glob("*.journal")}


@contextlib.contextmanager
def unusual(
    *args: str,
    environment: dict[str, str] | None = None,
    before: Callable[[], None] | None = None,
    settings: Settings | None = None,
    secrets: Secrets = NO_SECRETS,
) -> Iterator[Server]:
    """Like running(), with an environment, a function that the process calls first, or settings no flag can give."""
    command = [*MPCHAT, "server", "127.0.0.1", "0", *args] if settings is None else built(settings, secrets)
    server = Unusual(command, environment=environment, before=before)
    try:
        yield server
    finally:
        for client in OPEN:
            client.close()  # a stopping server waits for those who do not hang up
        status = server.stop()
    assert status == 0, f"the server ended with {status}: {server.log_text()}"
    assert "crashed" not in server.log_text(), server.log_text()


def socket_file(server: Server) -> Path:
    return Path(server.folder.name) / "mpchat" / f"{server.irc_port}.sock"


def status(server: Server) -> dict[str, dict[str, Any]]:
    """What `mpchat ps --json` is made from: each role's row."""
    return {row["role"]: row for row in ask(socket_file(server))["processes"]}


def pids(server: Server) -> dict[str, int]:
    return {role: int(row["pid"]) for role, row in status(server).items() if row["pid"] is not None}


def until(what: Callable[[], Any], within: float = PATIENCE) -> Any:
    """Ask again until the answer is yes: for what no event tells of. Returns the answer."""
    deadline = time.monotonic() + within
    while not (answer := what()):
        assert time.monotonic() < deadline, "it never became true"
        select.select([], [], [], 0.01)
    return answer


class Watched:
    """All processes of a server, held by pidfds, so that each end is seen and no number is mistaken."""

    def __init__(self, server: Server) -> None:
        self.pids = pids(server)
        self.fds = {role: os.pidfd_open(pid) for role, pid in self.pids.items()}
        self.socket_file = socket_file(server)

    def __enter__(self) -> Watched:
        return self

    def __exit__(self, *_: object) -> None:
        for fd in self.fds.values():
            os.close(fd)

    def left(self, within: float) -> list[str]:
        """The roles of those that have not ended by then."""
        deadline = time.monotonic() + within
        alive = dict(self.fds)
        while alive and (patience := deadline - time.monotonic()) > 0:
            for fd in select.select(list(alive.values()), [], [], patience)[0]:
                alive = {role: other for role, other in alive.items() if other != fd}
        return list(alive)

    def kill(self, role: str, number: int) -> None:
        os.kill(self.pids[role], number)


def named_semaphores() -> set[int]:
    """The inodes of all semaphores that have a name, whoever made them."""
    return {file.stat().st_ino for file in Path("/dev/shm").glob("sem.*")}


def semaphores(of: dict[str, int]) -> set[int]:
    """The inodes of those that these processes have mapped, named or not."""
    lines = [line for pid in of.values() for line in Path(f"/proc/{pid}/maps").read_text().splitlines()]
    return {int(line.split()[4]) for line in lines if "/dev/shm/sem." in line}


def fds(server: Server) -> dict[str, int]:
    """How many descriptors each process has open."""
    return {role: len(os.listdir(f"/proc/{pid}/fd")) for role, pid in pids(server).items()}


def ready(server: Server) -> dict[str, int] | None:
    """The process ids by role, if everybody is there and at work, and one spare too.

    A start that takes long leads to two, of which one is ended.
    """
    rows = ask(socket_file(server))["processes"]
    is_whole = [row["role"] for row in rows].count("spare") == 1
    is_whole &= all(row.get("ready", True) and row["pid"] for row in rows)
    return {row["role"]: int(row["pid"]) for row in rows} if is_whole else None


def kill(server: Server, *roles: str, by: signal.Signals = signal.SIGKILL) -> dict[str, int]:
    """All at once; returns the ids of the processes that there were."""
    before = pids(server)
    for role in roles:
        os.kill(before[role], by)
    return before


def replaced(server: Server, before: dict[str, int], *roles: str) -> dict[str, int]:
    """Wait until these have a successor at work, and the others are who they were. Returns who is who."""
    after: dict[str, int] = until(
        lambda: (now := ready(server)) and all(now[role] != before[role] for role in roles) and now
    )
    same = before.keys() - {*roles, "spare"}
    assert {role: after[role] for role in same} == {role: before[role] for role in same}
    return after
