"""Follows one server: takes what it says, and measures its processes whenever it has said how it is."""

import time

from mpchat.ipc.control_socket import Follower
from mpchat.monitor import measuring
from mpchat.monitor.course import Course, Facts
from mpchat.monitor.following import Refused
from mpchat.monitor.measuring import Memory

PERIOD_SECONDS = 0.5  # between two snapshots
QUIET_SECONDS = 2 * PERIOD_SECONDS  # without a snapshot: then the supervisor itself is silent


class Lost(Exception):
    """The server has ended, or has cut us off."""


class Observer:
    """At one end of a connection to the control socket. Who made it must close() it."""

    def __init__(self, follower: Follower) -> None:
        self._follower = follower
        self._course = Course()
        self._memory: dict[int, Memory] = {}
        self._turn: list[int] = []  # whose memory is measured next
        self._pids: list[int] = []
        self._heard_at = time.monotonic()  # the last snapshot
        self.facts: Facts | None = None

    def fileno(self) -> int:
        """Readable when take() has something to do."""
        return self._follower.fileno()

    def take(self) -> bool:
        """Whether there is a new picture of the server. Raises Lost and Refused."""
        lines = self._follower.take()
        snapshot = None
        for line in lines:
            if "ok" in line:
                raise Refused(str(line.get("said", "")))
            if line.get("kind") == "event":
                self._course.event(line)
            elif line.get("kind") == "snapshot" and not self._course.is_too_soon(line):
                snapshot = line
                self._course.snapshot(line)
        if snapshot is not None:
            self._heard_at = time.monotonic()
            self._pids = [row["pid"] for row in snapshot["processes"] if row["pid"] is not None]
            self._measure(0.0)
        if self._follower.ended:
            raise Lost
        return snapshot is not None

    def look(self) -> bool:
        """Measure again if the server has said nothing for some time; whether it is so."""
        silent = time.monotonic() - self._heard_at
        if self.facts is None or silent < QUIET_SECONDS:
            return False
        self._measure(silent)
        return True

    def _measure(self, silent: float) -> None:
        """All processes, and the memory of one of them: in turn, and at once of those that are new to us at the start.

        The kernel's answer about memory costs it more than all the others, and memory changes slowly.
        """
        measured = {pid: found for pid in self._pids if (found := measuring.measure(pid)) is not None}
        self._memory = {pid: size for pid, size in self._memory.items() if pid in measured}
        for pid in self._due():
            if (size := measuring.memory(pid)) is not None:
                self._memory[pid] = size
        self.facts = self._course.facts(measured, self._memory, time.monotonic(), silent)

    def _due(self) -> list[int]:
        if not self._memory:
            return self._pids
        self._turn = [pid for pid in self._turn if pid in self._pids] or list(self._pids)
        unknown = [pid for pid in self._turn if pid not in self._memory]
        pid = (unknown or self._turn)[0]
        self._turn.remove(pid)
        return [pid]

    def close(self) -> None:
        self._follower.close()
