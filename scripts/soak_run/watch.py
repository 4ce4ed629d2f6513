"""What is seen of a server while it is under attack: memory and CPU time of each process, their deaths, its log."""

from __future__ import annotations

import resource
from pathlib import Path

from scripts.bench.subject import cpu_seconds_of
from scripts.chaos_run.server import Server

_PAGE_BYTES = resource.getpagesize()


class Watch:
    """Begins when the server is whole: from then on each role must be played by the same process."""

    def __init__(self, server: Server) -> None:
        self.memory: dict[str, list[float]] = {}  # by role, one look after the other: RSS in MiB
        self.died: list[str] = []
        self._server = server
        self._pids = self._now()
        self._cpu_seconds = {role: cpu_seconds_of(pid) for role, pid in self._pids.items()}
        self._log_bytes = self._log_size()

    def _now(self) -> dict[str, int]:
        return {role: row["pid"] for role, row in self._server.processes().items()}

    def look(self) -> None:
        """Costs no more than a small file of /proc for each process (proc_pid_statm(5)): the server must not notice."""
        for role, pid in self._pids.items():
            try:
                resident = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
            except (FileNotFoundError, ProcessLookupError):
                continue  # deaths() tells
            self.memory.setdefault(role, []).append(resident * _PAGE_BYTES / 2**20)

    def deaths(self) -> list[str]:
        """Whose process is another than at the beginning, or none."""
        now = self._now()
        return [f"{role} (pid {pid})" for role, pid in self._pids.items() if now.get(role) != pid]

    def cpu_seconds(self) -> dict[str, float]:
        """What each role has taken since the beginning; of a process that has died nothing is known."""
        spent = {}
        for role, pid in self._pids.items():
            try:
                spent[role] = cpu_seconds_of(pid) - self._cpu_seconds[role]
            except OSError:
                continue  # deaths() tells
        return spent

    def log_bytes(self) -> int:
        """By how much its log has grown."""
        return self._log_size() - self._log_bytes

    def _log_size(self) -> int:
        return (self._server.folder / "log").stat().st_size
