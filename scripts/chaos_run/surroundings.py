"""What goes wrong around the server of a chaos run, while its processes are killed:

    folder   the one that it was started in has been removed
    log      is a pipe that is full, and that nobody reads for a while
    starts   of processes fail: EAGAIN, as where a user may have no more; strace(1) says so in the kernel's place
    tmp      is full, from before the start on: 16 MiB, which only the server sees (mount_namespaces(7))

Each but the first comes and goes, by chance, and often together with others. What this machine cannot do is left out,
and the run says so.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import re
import select
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

SURROUNDINGS = ("folder", "log", "starts", "tmp")

_PATIENCE = 10.0  # seconds for a program to start, or for its first effect
_STRETCH = 0.5, 1.5  # seconds that something is wrong, at least and at most
_REST = 0.3, 1.0  # and that nothing is
_TOGETHER = 0.5  # of all stretches, so many have two or more at once
_TMP = Path("/tmp")
_TMP_SIZE = "16m"
_PAGE = 4096  # bytes: the smallest pipe there is (F_SETPIPE_SZ, fcntl(2)), and PIPE_BUF: so much is written whole
_DROPPED = re.compile(rb"(\d+) log lines? dropped")
# Names that a machine does not know are no errors (?): only the older ones have fork() and vfork().
_STARTS = "?fork,?vfork,clone,?clone3"

# Put a small file system in the place of /tmp, full; what of the old one is needed ("$@" up to --) stays where it was.
_SMALL_TMP = f"""
set -e
new=$1
shift
mount -t tmpfs -o size={_TMP_SIZE},mode=1777 none "$new"
while [ "$1" != -- ]; do
  mkdir "$new/$1"
  mount --bind "{_TMP}/$1" "$new/$1"
  shift
done
shift
mount --rbind "$new" {_TMP}
cat /dev/zero > {_TMP}/full 2>/dev/null || true
exec "$@"
"""


class LogPipe:
    """The server's stderr: what comes is written to a file, while it is read. close() when the server has ended."""

    def __init__(self, file: Path) -> None:
        self.file = open(file, "wb", buffering=0)  # noqa: SIM115  closed by close()
        self.why_not = ""
        self.full = 0  # how often it was
        self.dropped = 0  # lines, as the server says
        self._source, self.end = os.pipe()  # `end` is for the server: let_go() closes ours
        # Through a description of our own: O_NONBLOCK on the server's would be the server's as well.
        self._filler = os.open(f"/proc/self/fd/{self.end}", os.O_WRONLY | os.O_NONBLOCK)
        fcntl.fcntl(self.end, fcntl.F_SETPIPE_SZ, _PAGE)
        os.set_blocking(self._source, False)
        self._reads = True
        self._lock = threading.Lock()  # not to read once we hold it up
        self._unread = b""
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def let_go(self) -> None:
        """The server has its end."""
        os.close(self.end)

    def begin(self) -> None:
        """Read no more, and see that there is no room."""
        with self._lock:
            self._reads = False
        self.full += 1
        for size in (_PAGE, 64, 1):
            with contextlib.suppress(BlockingIOError):
                while os.write(self._filler, b"\n" * size):  # the server's lines are not empty
                    pass

    def finish(self) -> None:
        with self._lock:
            self._reads = True

    def _read(self) -> None:
        while True:
            # A hold-up is looked for rather than told: select() goes on finding what is there.
            select.select([self._source] if self._reads else [], [], [], 0.05)
            with self._lock, contextlib.suppress(BlockingIOError):
                if self._reads and not self._take(os.read(self._source, 1 << 16)):
                    return

    def _take(self, data: bytes) -> bool:
        *lines, self._unread = (self._unread + data).split(b"\n")
        lines = [line for line in lines if line]
        self.dropped += sum(int(found[1]) for line in lines for found in _DROPPED.finditer(line))
        self.file.write(b"".join(line + b"\n" for line in lines))
        return bool(data)

    def close(self) -> None:
        """Read to the end: nobody who has the other end may be left."""
        self.finish()
        os.close(self._filler)
        self._thread.join(_PATIENCE)
        os.close(self._source)
        self.file.close()


class Starts:
    """strace, for as long as no process can be started. `provoke` makes the server try."""

    def __init__(self, pid: int, provoke: Callable[[], None]) -> None:
        self.failed = self.stretches = 0
        self.seen = False  # one fail, in this stretch
        self.why_not = "" if shutil.which("strace") else "strace is not here"
        self._pid, self._provoke = pid, provoke
        self._strace: subprocess.Popen[bytes] | None = None

    def begin(self) -> None:
        orders = ["-e", f"trace={_STARTS}", "-e", f"inject={_STARTS}:error=EAGAIN"]
        command = ["strace", "-p", str(self._pid), *orders]
        self._strace = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, bufsize=0)
        told = self._wait_for(b"strace: ")
        if b" attached" not in told:
            self.why_not = told.decode(errors="replace").strip() or "strace does nothing"
            self.finish()
            return
        self.stretches += 1
        self.seen = False
        self._provoke()

    def finish(self) -> None:
        """It has seen at least one fail, where it could attach."""
        if self._strace is None:
            return
        deadline = time.monotonic() + _PATIENCE
        while not self.why_not and not self.seen and time.monotonic() < deadline:
            self.seen = bool(self._wait_for(b"(INJECTED)", 0.5))
            self.failed += self.seen
            if not self.seen:
                self._provoke()  # there was no spare the last time
        self._strace.send_signal(signal.SIGINT)  # it lets go, and ends
        try:
            rest = self._strace.communicate(timeout=_PATIENCE)[1]
        except subprocess.TimeoutExpired:
            self._strace.kill()
            rest = self._strace.communicate()[1]
        self.failed += rest.count(b"(INJECTED)")
        self._strace = None

    def _wait_for(self, word: bytes, within: float = _PATIENCE) -> bytes:
        """The first line with this; "" where none comes in time."""
        assert self._strace is not None
        assert self._strace.stderr is not None
        deadline = time.monotonic() + within
        while (left := deadline - time.monotonic()) > 0:
            if select.select([self._strace.stderr], [], [], left)[0]:
                line = _line(self._strace.stderr)
                if not line or word in line:
                    return line
        return b""


def _line(file: IO[bytes]) -> bytes:
    """Byte by byte: what a buffer had taken, select() would not see."""
    line = b""
    while not line.endswith(b"\n") and (byte := os.read(file.fileno(), 1)):
        line += byte
    return line


class Tmp:
    """The server's own /tmp: `command` is what must stand before the server's. It is full from the start on."""

    def __init__(self, folder: Path, needed: Sequence[Path]) -> None:
        """`needed`: what the server must find where it is, also below /tmp."""
        self.full = 0
        place = folder / "tmp"
        place.mkdir()
        kept = {path.relative_to(_TMP).parts[0] for path in (folder, *needed) if _TMP in path.parents}
        alone = ["unshare", *([] if os.geteuid() == 0 else ["--map-root-user"]), "--mount"]
        self.command = [*alone, "sh", "-c", _SMALL_TMP, "sh", str(place), *sorted(kept), "--"]
        self.why_not = "" if shutil.which("unshare") else "unshare is not here"
        if not self.why_not:
            done = subprocess.run([*self.command, "true"], capture_output=True, text=True, timeout=_PATIENCE)
            self.why_not = f"no mount namespace here: {done.stderr.strip()}" if done.returncode else ""
        if self.why_not:
            self.command = []

    def started(self, pid: int) -> None:
        self._filler = Path(f"/proc/{pid}/root{_TMP}/full")
        self.begin()

    def begin(self) -> None:
        self.full += 1
        with open(self._filler, "ab", buffering=0) as filler, contextlib.suppress(OSError):  # ENOSPC, sooner or later
            while filler.write(b"x" * _PAGE):
                pass

    def finish(self) -> None:
        self._filler.unlink(missing_ok=True)


class Surroundings:
    """Of one server: those of SURROUNDINGS that are wanted, and that can be had here.

    The server is started by `command`, in `start`, with `environment`, and `stderr` for its log; then come started(),
    begin(), finish() while it still runs, and close() when it has ended.
    """

    def __init__(self, wanted: Sequence[str], folder: Path, project: Path, seed: int) -> None:
        self.wanted = wanted
        self.start = project
        self.environment: dict[str, str] = {}
        if "folder" in wanted:
            self.start = folder / "start"
            self.start.mkdir()
            self.environment["PYTHONPATH"] = os.pathsep.join(filter(None, (str(project), os.environ.get("PYTHONPATH"))))
        self._log = LogPipe(folder / "log") if "log" in wanted and hasattr(fcntl, "F_SETPIPE_SZ") else None
        self._file = open(folder / "log", "wb") if self._log is None else None  # noqa: SIM115  closed by started()
        python = [Path(sys.executable), Path(sys.prefix), Path(sys.base_prefix)]
        self._tmp = Tmp(folder, [project, *python]) if "tmp" in wanted else None
        self._starts: Starts | None = None
        self._random = random.Random(seed)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def stderr(self) -> int:
        """For the server."""
        if self._log is not None:
            return self._log.end
        assert self._file is not None
        return self._file.fileno()

    @property
    def command(self) -> list[str]:
        """What must stand before the server's."""
        return self._tmp.command if self._tmp is not None else []

    def started(self, pid: int) -> None:
        """It is ready, or has ended."""
        if self._log is not None:
            self._log.let_go()
        if self._file is not None:
            self._file.close()
        if "folder" in self.wanted:
            self.start.rmdir()
        if self._tmp is not None and not self._tmp.why_not:
            self._tmp.started(pid)

    def begin(self, pid: int, provoke: Callable[[], None]) -> None:
        """Let things go wrong. `provoke` makes the server start a process."""
        if "starts" in self.wanted:
            self._starts = Starts(pid, provoke)
        self._thread.start()

    def _run(self) -> None:
        """A thread, because strace is waited for, and the clients' loop must not wait."""
        chosen = self._possible()  # all at once for the first time, so that a short run has each
        while chosen:
            for each in chosen:
                each.begin()
            self._over.wait(self._random.uniform(*_STRETCH))
            for each in chosen:
                each.finish()
            if self._over.wait(self._random.uniform(*_REST)):
                return
            kinds = self._possible()
            several = len(kinds) > 1 and self._random.random() < _TOGETHER
            chosen = self._random.sample(kinds, self._random.randint(2, len(kinds)) if several else min(1, len(kinds)))

    def _possible(self) -> list[LogPipe | Tmp | Starts]:
        return [each for each in (self._log, self._tmp, self._starts) if each is not None and not each.why_not]

    def finish(self) -> None:
        """Nothing is wrong any more, but that the folder is gone, and the log full until the server has ended."""
        if self._over.is_set():
            return
        self._over.set()
        if self._thread.ident is not None:
            self._thread.join()
        if self._log is not None:
            self._log.begin()
        if self._tmp is not None and not self._tmp.why_not:
            self._tmp.finish()

    def close(self) -> None:
        if self._log is not None:
            self._log.close()

    def rows(self) -> list[tuple[str, str]]:
        """What was done, or why not."""
        rows = [("start folder", "removed")] if "folder" in self.wanted else []
        if self._log is not None:
            rows.append(("log pipe", f"full {self._log.full} times, {self._log.dropped} log lines dropped"))
        elif "log" in self.wanted:
            rows.append(("log pipe", "skipped: this system has no pipe of a page"))
        if (starts := self._starts) is not None:
            did = f"failed {starts.failed} times in {starts.stretches} stretches"
            rows.append(("starts", f"skipped: {starts.why_not}" if starts.why_not else did))
        if (tmp := self._tmp) is not None:
            rows.append(("/tmp", f"skipped: {tmp.why_not}" if tmp.why_not else f"full {tmp.full} times"))
        return rows

    def complaints(self) -> list[str]:
        """What should have gone wrong, and did not."""
        starts = self._starts
        if starts is not None and not starts.why_not and starts.failed < max(1, starts.stretches):
            return [f"strace was there {starts.stretches} times, and only {starts.failed} starts failed"]
        return []
