"""What mpchat doctor looks at: Python, the machine, and its limits."""

import contextlib
import os
import platform
import resource
import select
import socket
import termios
from multiprocessing import get_context
from pathlib import Path

from mpchat.monitor.doctor import judging
from mpchat.monitor.doctor.asked import Asked
from mpchat.monitor.doctor.judging import Finding
from mpchat.runtime.listening import BACKLOG
from mpchat.store.journal import RESERVE_BYTES, segment, segments

_CGROUPS = Path("/sys/fs/cgroup")


def python(asked: Asked) -> list[Finding]:
    return [judging.python(platform.python_version(), platform.python_implementation())]


def sqlite(asked: Asked) -> list[Finding]:
    try:
        import sqlite3
    except ImportError:  # a Python that was built where SQLite was not
        return [judging.sqlite(None, False)]
    with contextlib.closing(sqlite3.connect(":memory:")) as db:
        try:
            db.execute("CREATE VIRTUAL TABLE words USING fts5(text)")
        except sqlite3.OperationalError:
            return [judging.sqlite(sqlite3.sqlite_version, False)]
    return [judging.sqlite(sqlite3.sqlite_version, True)]


def system(asked: Asked) -> list[Finding]:
    features = {
        "fork": hasattr(os, "fork"),
        "SCM_RIGHTS": hasattr(socket, "send_fds"),
        "epoll": hasattr(select, "epoll"),
        "memfd_create": hasattr(os, "memfd_create"),
        "TCP_INFO": hasattr(socket, "TCP_INFO") and hasattr(termios, "TIOCOUTQ"),
    }
    name = f"{platform.system()} {platform.release()} {platform.machine()}"
    return [judging.system(name, [feature for feature, is_here in features.items() if not is_here])]


def semaphores(asked: Asked) -> list[Finding]:
    """The semaphore that the queues make; this context drops its name at once, and needs no resource tracker."""
    try:
        get_context("fork").Lock()
    except (ImportError, OSError) as error:
        return [judging.semaphores(asked.explain(error) if isinstance(error, OSError) else str(error))]
    return [judging.semaphores("")]


def cores(asked: Asked) -> list[Finding]:
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quotas = []
    for text in _of_cgroups("cpu.max"):
        allowed, period = text.split()
        if allowed != "max":
            quotas.append(int(allowed) / int(period))
    return [judging.cores(usable, min(quotas, default=None), asked.default_workers)]


def memory(asked: Asked) -> list[Finding]:
    available = None
    with contextlib.suppress(FileNotFoundError):
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                available = int(line.split()[1]) * 1024
    return [judging.memory(available, asked.settings.workers, asked.settings.has_front)]


def descriptors(asked: Asked) -> list[Finding]:
    return [judging.descriptors(*asked.descriptors, asked.clients, asked.too_few_descriptors)]


def processes(asked: Asked) -> list[Finding]:
    """Each limit that there is; threads count as processes do."""
    free = {}
    soft, _ = resource.getrlimit(resource.RLIMIT_NPROC)
    if soft != resource.RLIM_INFINITY and os.getuid() != 0:  # root is free of it (getrlimit(2))
        free["ulimit -u"] = soft - _tasks(os.getuid())
    for most, now in zip(_of_cgroups("pids.max"), _of_cgroups("pids.current"), strict=True):
        if most != "max":
            free["pids.max"] = min(free.get("pids.max", int(most)), int(most) - int(now))
    kernel = Path("/proc/sys/kernel")
    with contextlib.suppress(FileNotFoundError):
        running = _tasks(None)
        for name in ("threads-max", "pid_max"):
            free[f"kernel.{name}"] = int((kernel / name).read_text()) - running
    return [judging.processes(free, asked.settings.workers, asked.settings.has_front)]


def file_size(asked: Asked) -> list[Finding]:
    """A server appends to the newest segment: it must be able to."""
    soft, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    limit = -1 if soft == resource.RLIM_INFINITY else soft
    size = 0
    with contextlib.suppress(OSError):
        folder = Path(asked.settings.data, "journal")
        if asked.settings.data and (firsts := segments(folder)):
            size = segment(folder, firsts[-1]).stat().st_size
    return [judging.file_size(limit, RESERVE_BYTES, size, asked.settings.journal_bytes)]


def backlog(asked: Asked) -> list[Finding]:
    somaxconn = None
    with contextlib.suppress(FileNotFoundError):
        somaxconn = int(Path("/proc/sys/net/core/somaxconn").read_text())
    return [judging.backlog(somaxconn, BACKLOG)]


def _of_cgroups(name: str) -> list[str]:
    """What this process's control group (version 2) and all above it say in the file of this name (cgroups(7))."""
    found = []
    with contextlib.suppress(FileNotFoundError):
        own = next(
            (line[3:] for line in Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::")), "/"
        )
        here = _CGROUPS / own.lstrip("/")
        for folder in (here, *here.parents):
            with contextlib.suppress(OSError):  # the topmost group has no such file
                found.append((folder / name).read_text().strip())
            if folder == _CGROUPS:
                break
    return found


def _tasks(uid: int | None) -> int:
    """How many threads a user's processes have (proc_pid_status(5)); None: everybody's."""
    count = 0
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has just ended
            about = dict(line.split(":", 1) for line in (path / "status").read_text().splitlines() if ":" in line)
            if uid is None or int(about["Uid"].split()[0]) == uid:
                count += int(about["Threads"])
    return count
