"""Servers that see processes of their own only: in a PID namespace (pid_namespaces(7)), as a container has it."""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.running import OPEN, PATIENCE
from tests.system.servers import Unusual, until

# Who is not root may have one together with a user namespace (user_namespaces(7)), where the system permits it.
_IS_ROOT = os.geteuid() == 0
_ENTER = ["unshare", *([] if _IS_ROOT else ["--map-root-user"]), "--pid", "--fork", "--kill-child", "--mount-proc"]


@functools.cache
def _why_not() -> str:
    """Why there is no such namespace here, or "" where there is."""
    if shutil.which("unshare") is None or shutil.which("nsenter") is None:
        return "unshare and nsenter are not here"
    done = subprocess.run([*_ENTER, "true"], capture_output=True, text=True, timeout=PATIENCE)
    return f"no PID namespaces here: {done.stderr.strip()}" if done.returncode else ""


class Enclosed(Unusual):
    """A server in a namespace of its own, whose process 1 is the `command`. Ids in its answers are those inside."""

    def __init__(self, command: list[str]) -> None:
        if why_not := _why_not():
            pytest.skip(why_not)
        super().__init__([*_ENTER, *command])

    @property
    def first(self) -> int:
        """The number that its process 1 has outside."""
        return children(self.process.pid)[0]

    def outside(self, inside: int) -> int:
        """The number of a process outside; 0 where it is gone."""
        for pid in [self.first, *descendants(self.first)]:
            with contextlib.suppress(OSError):
                status = Path(f"/proc/{pid}/status").read_text()
                [numbers] = [line.split()[1:] for line in status.splitlines() if line.startswith("NSpid:")]
                if int(numbers[-1]) == inside:
                    return pid
        return 0

    def enter(self, *command: str) -> None:
        """Run it inside, as a child of nobody in there: `docker exec` does that."""
        user = [] if _IS_ROOT else ["--user", "--preserve-credentials"]
        subprocess.run(
            ["nsenter", "--target", str(self.first), *user, "--pid", "--mount", *command],
            check=True,
            timeout=PATIENCE,
        )

    def send_signal(self, number: int) -> None:
        """To the server, from outside: inside, a process 1 gets none that it has no handler for.

        The test's clients hang up first: a stop waits for those who do not.
        """
        for client in OPEN:
            client.close()
        os.kill(self.outside(self.pid), number)


@contextlib.contextmanager
def enclosed(*command: str) -> Iterator[Enclosed]:
    """It must have ended by itself when the test is over, or is killed with all that is in there."""
    server = Enclosed(list(command))
    try:
        yield server
    finally:
        for client in OPEN:
            client.close()
        if server.process.poll() is None:
            server.process.kill()  # and with it its namespace: --kill-child
        server.wait()


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def descendants(pid: int) -> list[int]:
    found = []
    with contextlib.suppress(OSError):  # gone meanwhile
        for child in children(pid):
            found += [child, *descendants(child)]
    return found


def zombies(pid: int) -> list[str]:
    """The names of this process's children that have ended, and that it has not waited for."""
    found = []
    for child in children(pid):
        with contextlib.suppress(OSError):
            name, _, fields = Path(f"/proc/{child}/stat").read_text().partition("(")[2].rpartition(") ")
            if fields.startswith("Z"):
                found.append(name)
    return found


def none_left(pid: int) -> bool:
    """Wait until it has no such children."""
    return bool(until(lambda: not zombies(pid)))
