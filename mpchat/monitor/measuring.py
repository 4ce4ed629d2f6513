"""What the system says of a process, seen from outside: Linux in /proc (proc(5)), elsewhere psutil asks the system.

It never waits, and touches nothing. Of a process that has ended nothing is said; of another user's, not everything.
"""

import os
import re
from contextlib import suppress
from functools import cache
from typing import NamedTuple

HAS_PROC = os.path.exists("/proc/self/stat")
_TICKS = os.sysconf("SC_CLK_TCK")
_MIB = 1 << 20
_SWITCHES = re.compile(rb"^(?:non)?voluntary_ctxt_switches:\t(\d+)", re.MULTILINE)
_PSS = re.compile(rb"^Pss: +(\d+) kB", re.MULTILINE)
_PRIVATE = re.compile(rb"^Private_(?:Clean|Dirty|Hugetlb): +(\d+) kB", re.MULTILINE)


class Measured(NamedTuple):
    parent: int
    started: float  # in a unit of the system's: the same process id with another number is another process
    is_stopped: bool
    cpu_seconds: float  # user and system
    fds: int | None
    voluntary: int | None  # context switches of its main thread: it had to wait
    involuntary: int | None  # its time was up


class Memory(NamedTuple):
    uss_mib: float  # what would be free if it ended
    pss_mib: float  # with its part of what it shares


def measure(pid: int) -> Measured | None:
    """Cheap enough for twice a second. None: it has ended, or nobody tells."""
    return _measure_by_proc(pid) if HAS_PROC else _measure_by_psutil(pid)


def memory(pid: int) -> Memory | None:
    """The kernel walks all its pages for that: a millisecond or so. None: it has ended, or nobody tells."""
    return _memory_by_proc(pid) if HAS_PROC else _memory_by_psutil(pid)


def started_at(measured: Measured) -> float:
    """In Unix time. Of the same process it is the same each time, also if the clock is set meanwhile."""
    return _boot_time() + measured.started / _TICKS if HAS_PROC else measured.started


@cache
def _boot_time() -> int:
    with open("/proc/stat") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("btime "))


def most_fds(pid: int) -> int | None:
    """How many descriptors it may have open. None: no limit, or nobody tells (prlimit(2) is Linux's)."""
    import resource  # `mpchat ps` has no use for it

    try:
        soft, _ = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    except (AttributeError, OSError):
        return None
    return None if soft == resource.RLIM_INFINITY else soft


def _read(path: str) -> bytes:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(fd, 65_536)  # each of these files comes in one piece
    finally:
        os.close(fd)


def _measure_by_proc(pid: int) -> Measured | None:
    """Behind the name in PID/stat: the state, the parent, ... the 12th and 13th: its time in user and system mode."""
    fds = voluntary = involuntary = None
    try:
        stat = _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
        voluntary, involuntary = map(int, _SWITCHES.findall(_read(f"/proc/{pid}/status")))
    except (OSError, ValueError):
        return None
    with suppress(OSError):  # another user's
        folder = f"/proc/{pid}/fd"
        fds = os.stat(folder).st_size or len(os.listdir(folder))  # Linux 6.2 knows how many without a list
    seconds = (int(stat[11]) + int(stat[12])) / _TICKS
    return Measured(int(stat[1]), float(stat[19]), stat[0] == b"T", seconds, fds, voluntary, involuntary)


def _memory_by_proc(pid: int) -> Memory | None:
    try:
        told = _read(f"/proc/{pid}/smaps_rollup")
    except OSError:
        return None
    shared = _PSS.search(told)
    return Memory(sum(map(int, _PRIVATE.findall(told))) / 1024, int(shared[1]) / 1024) if shared else None


def _measure_by_psutil(pid: int) -> Measured | None:
    try:
        import psutil
    except ImportError:
        return None
    try:
        process = psutil.Process(pid)
        with process.oneshot():
            times, switches = process.cpu_times(), process.num_ctx_switches()
            return Measured(
                parent=process.ppid(),
                started=process.create_time(),
                is_stopped=process.status() == psutil.STATUS_STOPPED,
                cpu_seconds=times.user + times.system,
                fds=process.num_fds(),
                voluntary=switches.voluntary,
                involuntary=switches.involuntary,
            )
    except psutil.Error:
        return None


def _memory_by_psutil(pid: int) -> Memory | None:
    try:
        import psutil
    except ImportError:
        return None
    try:
        about = psutil.Process(pid).memory_full_info()
    except psutil.Error:
        return None
    return Memory(about.uss / _MIB, getattr(about, "pss", about.rss) / _MIB)
