"""Runs a program that runs students' code: apart from everything, within limits, and gone as a whole afterwards.

What this machine permits of it is found out once (find()); what is missing, grade says. `unshare` (util-linux) makes
the namespaces; inside.py furnishes them.
"""

import contextlib
import json
import os
import pwd
import re
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

from mpchat.lab import processes
from mpchat.lab.grading.inside import Orders
from mpchat.lab.lab import MOST_SECONDS

SECONDS = MOST_SECONDS + 10.0  # the judge ends a trial itself, unless it cannot
PROCESSES = 1000  # threads too: with 400 clients, a server with a thread for each has 400
_MOST_MEMORY = 2 << 30  # bytes that all processes may use together, and half of what the machine has
_MOST_OUTPUT = 1 << 20  # bytes that the judge may say
_LOOK_SECONDS = 0.1
_RESIDENT = re.compile(rb"^Rss(?:Anon|Shmem):\s+(\d+) kB", re.MULTILINE)
_PROBE_SECONDS = 10.0
_STOP_SECONDS = 3.0

_PACKAGE = Path(__file__).resolve().parent.parent.parent  # mpchat
_DEVICES = ("null", "zero", "full", "random", "urandom")  # a disk, or another's terminal, is none of them
_USER = ("--user", "--map-root-user")
_PIDS = ("--pid", "--fork", "--kill-child", "--mount-proc")

Why: TypeAlias = Literal["ended", "out_of_time", "processes", "memory", "output"]


class Isolation(NamedTuple):
    """What this machine permits."""

    unshare: tuple[str, ...]  # the command that makes the namespaces, () for none
    pids: bool
    network: bool
    files: bool


class Ran(NamedTuple):
    """`output`: what the program wrote to standard output, if it has ended by itself, with status 0."""

    why: Why
    output: bytes
    status: int


_CANDIDATES = (
    Isolation(("unshare", *_USER, "--net", "--ipc", *_PIDS), True, True, True),
    Isolation(("unshare", *_USER, "--net", "--ipc", *_PIDS), True, True, False),
    Isolation(("unshare", *_USER, "--net", "--ipc", "--mount"), False, True, True),
    Isolation(("unshare", *_USER, "--net", "--ipc"), False, True, False),
    # Root may do it where users may not.
    Isolation(("unshare", "--net", "--ipc", *_PIDS), True, True, True),
    Isolation(("unshare", "--net", "--ipc", *_PIDS), True, True, False),
    Isolation(("unshare", "--net", "--ipc"), False, True, False),
)
NOTHING = Isolation((), False, False, False)


def find(hidden: Sequence[Path] = ()) -> Isolation:
    """The most that this machine permits: each is tried."""
    for candidate in _CANDIDATES:
        with contextlib.suppress(OSError):
            ran = run(candidate, lambda folder: ([sys.executable, "-c", "print(1)"], b""), hidden, _PROBE_SECONDS)
            if ran.output == b"1\n":
                return candidate
    return NOTHING


def run(
    isolation: Isolation,
    prepare: Callable[[Path], tuple[Sequence[str], bytes]],
    hidden: Sequence[Path] = (),
    seconds: float = SECONDS,
) -> Ran:
    """A program's end, and nothing of it is left. Raises OSError, where no process can be started.

    `prepare` is called with the folder that the program has for its files, and returns the program, with its
    arguments, and its standard input. `hidden` are folders that it must not see. This process becomes a subreaper.
    """
    if processes.HAS_PRCTL:
        processes.become_subreaper()
    spared = set(processes.descendants(os.getpid()))
    with (
        tempfile.TemporaryDirectory(prefix="mpchat-grade-", ignore_cleanup_errors=True) as name,
        tempfile.TemporaryFile() as given,
    ):
        folder = Path(name).resolve()
        command, standard_input = prepare(folder)
        given.write(standard_input)
        given.seek(0)
        orders = _orders(isolation, command, folder, hidden)
        process = subprocess.Popen(
            [*isolation.unshare, sys.executable, "-m", "mpchat.lab.grading.inside", json.dumps(orders._asdict())],
            stdin=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env=_environment(folder),
            start_new_session=True,
            preexec_fn=processes.end_with_parent if processes.HAS_PRCTL else None,
        )
        try:
            return _watch(process, time.monotonic() + seconds)
        finally:
            _end(process, isolation, spared)


def _orders(isolation: Isolation, command: Sequence[str], folder: Path, hidden: Sequence[Path]) -> Orders:
    """What other users of the machine may see stays to be seen; what is this user's own, or a way out, does not.

    Behind a socket in /run or /tmp may be a session's bus, an agent or a terminal multiplexer that starts programs.
    """
    root = _PACKAGE.parent
    hide = {*hidden, *_homes(), *map(Path, ("/tmp", "/var/tmp", "/run", "/dev")), folder.parent}
    hide |= {root / name for name in (".git", "tests")}
    python = {sys.prefix, sys.base_prefix, sys.exec_prefix, os.path.dirname(os.path.realpath(sys.executable))}
    keep = {*map(Path, python), _PACKAGE, root / "scripts", *(Path("/dev") / name for name in _DEVICES)}
    secrets = ("e*/solution.*", "e*/__pycache__/solution.*", "instructors.*")
    answers = {path for pattern in secrets for path in _PACKAGE.glob(f"lab/{pattern}")}
    return Orders(
        isolation.pids,
        isolation.network,
        isolation.files,
        hidden=_known({each.resolve() for each in hide} - {Path("/")}),
        kept=_known(keep),
        blank=_known(answers),
        writable=[*_known({Path("/tmp").resolve(), Path("/dev/shm")}), str(folder)],
        folder=str(folder),
        # A namespace of users begins to count at nothing (user_namespaces(7)); elsewhere all that the user has counts.
        processes=PROCESSES + (0 if "--user" in isolation.unshare else _tasks_of_this_user()),
        command=list(command),
    )


def _homes() -> set[Path]:
    found = {os.environ.get("HOME", "")}
    with contextlib.suppress(KeyError):  # a number without a name, in a container
        found.add(pwd.getpwuid(os.getuid()).pw_dir)
    return {Path(home) for home in found if os.path.isabs(home)}


def _known(paths: Collection[Path]) -> list[str]:
    """Those that are there, parents before their children."""
    return [str(path) for path in sorted(paths) if path.exists()]


def _environment(folder: Path) -> dict[str, str]:
    """No module comes from the folder where a program is started (from Python 3.11 on), nor from the home folder."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    own = {"HOME": str(folder / "home"), "TMPDIR": str(folder), "LANG": "C.UTF-8"}
    return {**kept, **own, "PYTHONPATH": str(_PACKAGE.parent), "PYTHONSAFEPATH": "1", "PYTHONNOUSERSITE": "1"}


def _tasks_of_this_user() -> int:
    """Threads, as RLIMIT_NPROC counts them (getrlimit(2))."""
    count = 0
    for pid in processes.parents():
        with contextlib.suppress(OSError):
            if os.stat(f"/proc/{pid}").st_uid == os.getuid():
                count += len(os.listdir(f"/proc/{pid}/task"))
    return count


# Watching it


def _watch(process: "subprocess.Popen[bytes]", deadline: float) -> Ran:
    """Until it has ended, or must be."""
    assert process.stdout is not None
    output = bytearray()
    most_memory = min(_MOST_MEMORY, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2)
    with selectors.DefaultSelector() as selector, process.stdout as pipe:
        selector.register(pipe, selectors.EVENT_READ)
        next_look = time.monotonic()
        while True:
            now = time.monotonic()
            if now >= deadline:
                return Ran("out_of_time", b"", -1)
            if now >= next_look:
                next_look = now + _LOOK_SECONDS
                count, memory = _used(process.pid)
                if count > PROCESSES:
                    return Ran("processes", b"", -1)
                if memory > most_memory:
                    return Ran("memory", b"", -1)
            if not selector.select(min(next_look, deadline) - now):
                continue
            data = os.read(pipe.fileno(), 1 << 16)
            output += data
            if len(output) > _MOST_OUTPUT:
                return Ran("output", b"", -1)
            if not data:
                break
    try:
        status = process.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        return Ran("out_of_time", b"", -1)
    return Ran("ended", bytes(output) if status == 0 else b"", status)


def _used(pid: int) -> tuple[int, int]:
    """How many processes it has started that are there, and how many bytes of memory these use.

    What several share counts for each; pages of files do not count, since they can be dropped.
    """
    below, memory = processes.descendants(pid), 0
    for each in below:
        with contextlib.suppress(OSError), open(f"/proc/{each}/status", "rb") as file:
            memory += sum(int(kib) * 1024 for kib in _RESIDENT.findall(file.read()))
    return len(below), memory


def _end(process: "subprocess.Popen[bytes]", isolation: Isolation, spared: Collection[int]) -> None:
    """All that is left is killed: in a namespace by the end of its process 1, elsewhere one by one."""
    if isolation.pids:
        for pid in processes.descendants(process.pid)[:1]:
            _signal(pid, signal.SIGKILL)
    process.kill()
    process.wait()
    # One that forks for ever would be faster than we are. Those that are stopped still count against RLIMIT_NPROC, and
    # start nobody: so all are stopped first.
    stopped: set[int] = set()
    deadline = time.monotonic() + _STOP_SECONDS
    while new := {*processes.descendants(os.getpid(), spared)} - stopped:
        for pid in new:
            _signal(pid, signal.SIGSTOP)
        stopped |= new
        if time.monotonic() > deadline:
            break
    processes.end_descendants(spared)


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)
