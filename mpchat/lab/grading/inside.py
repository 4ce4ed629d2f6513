"""The first program in a sandbox: it closes what can be closed there, and then becomes the judge.

    python -m mpchat.lab.grading.inside ORDERS

ORDERS is one JSON object, Orders. No student's code runs in here. Where it cannot do what it was told it ends with a
traceback, and nothing is judged: sandbox.py tries once with nothing to judge, and then asks for less.
"""

import contextlib
import ctypes
import fcntl
import json
import os
import resource
import socket
import stat
import struct
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn

from mpchat.lab import processes

_MEGABYTE = 1 << 20

# Limits of each process. 200 threads have stacks of 8 MiB, and each core's arena of malloc() reserves 128 MiB: of
# addresses, much more is reserved than is used. What all use together is watched from outside (sandbox.py).
LIMITS = (
    (resource.RLIMIT_CPU, 60),  # seconds
    (resource.RLIMIT_AS, 4096 * _MEGABYTE),
    (resource.RLIMIT_FSIZE, 64 * _MEGABYTE),
    (resource.RLIMIT_NOFILE, 4096),
    (resource.RLIMIT_CORE, 0),
)
# Root is free of RLIMIT_NPROC, but not of the number of process ids that its namespace has (Linux 6.14).
_PID_MAX = 2048
_FOLDER_BYTES = 256 * _MEGABYTE  # of all files together in each folder that can be written to

_OF_THE_MACHINE = ("sys", "irq", "bus", "fs", "acpi", "scsi", "sysrq-trigger")  # in /proc

_SIOCSIFFLAGS, _IFF_UP = 0x8914, 1  # netdevice(7)
_MS_NOSUID, _MS_NODEV, _MS_BIND, _MS_REC = 2, 4, 4096, 16384  # mount(2)
_MOUNT_SETATTR, _AT_FDCWD, _AT_RECURSIVE, _MOUNT_ATTR_RDONLY = 442, -100, 0x8000, 1  # mount_setattr(2), Linux 5.12
_PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 24, 38

_libc = ctypes.CDLL(None, use_errno=True)


class Orders(NamedTuple):
    """`pids`, `network`, `files`: in a namespace of its own, that is to be furnished.

    With `files`, everything is read-only but `writable`; the folders `hidden` are empty, but for what is `kept` in
    them; the files `blank` are empty.
    """

    pids: bool
    network: bool
    files: bool
    hidden: Sequence[str]  # none of them "/"
    kept: Sequence[str]
    blank: Sequence[str]
    writable: Sequence[str]
    folder: str  # where the command is started
    processes: int  # RLIMIT_NPROC
    command: Sequence[str]


def main() -> int:
    orders = Orders(**json.loads(sys.argv[1]))
    if orders.network:
        _raise_loopback()
    if orders.pids:
        with contextlib.suppress(OSError):
            Path("/proc/sys/kernel/pid_max").write_text(f"{_PID_MAX}\n")
    if orders.files:
        _close_files(orders)
    return _be_init(orders) if orders.pids else _become(orders)


def _raise_loopback() -> None:
    """A new network namespace has nothing but a loopback interface that is down (network_namespaces(7))."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        fcntl.ioctl(sock, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", _IFF_UP))


# Files


def _close_files(orders: Orders) -> None:
    """A descriptor still leads to a folder when another file system is mounted above it."""
    kept = [(path, os.open(path, os.O_PATH | os.O_CLOEXEC)) for path in orders.kept]
    for folder in orders.hidden:
        if os.path.isdir(folder):  # else it was in one that is hidden by now
            _mount_empty(folder)
            for path, fd in kept:
                if Path(folder) in Path(path).parents:
                    _make_as(path, fd)
                    _mount(f"/proc/self/fd/{fd}", path, None, _MS_BIND | _MS_REC)
    for path in orders.blank:
        if os.path.exists(path):
            _mount("/dev/null", path, None, _MS_BIND)
    for folder in orders.writable:
        if folder not in orders.hidden:
            os.makedirs(folder, mode=0o700, exist_ok=True)
            _mount_empty(folder)
    _set_read_only("/", True, _AT_RECURSIVE)
    for folder in orders.writable:
        _set_read_only(folder, False)
    if orders.pids:  # a process may write its own name there; but nothing that is the whole machine's
        for path in map("/proc/{}".format, _OF_THE_MACHINE):
            if os.path.exists(path):
                _mount(path, path, None, _MS_BIND | _MS_REC)
        _set_read_only("/proc", False)


def _make_as(path: str, fd: int) -> None:
    """Something to mount a folder on, or a file."""
    if stat.S_ISDIR(os.fstat(fd).st_mode):
        os.makedirs(path, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY))


def _mount_empty(folder: str) -> None:
    _mount("tmpfs", folder, "tmpfs", _MS_NOSUID | _MS_NODEV, f"size={_FOLDER_BYTES},nr_inodes=20000,mode=755")


def _mount(source: str, target: str, kind: str | None, flags: int, options: str = "") -> None:
    names = (os.fsencode(source), os.fsencode(target), None if kind is None else kind.encode())
    _check(_libc.mount(*names, ctypes.c_ulong(flags), options.encode()), target)


def _set_read_only(path: str, is_so: bool, flags: int = 0) -> None:
    """struct mount_attr: what to set, what to clear, propagation, a user namespace."""
    change = (_MOUNT_ATTR_RDONLY, 0) if is_so else (0, _MOUNT_ATTR_RDONLY)
    attributes = struct.pack("4Q", *change, 0, 0)
    _check(_libc.syscall(_MOUNT_SETATTR, _AT_FDCWD, os.fsencode(path), flags, attributes, len(attributes)), path)


def _check(result: int, path: str) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)


# Processes


def _be_init(orders: Orders) -> int:
    """Process 1 of the namespace (pid_namespaces(7)): when it ends, the kernel kills whatever else is in there.

    It ends with the judge. Its own descriptors lead nowhere: nobody here may read or write those of the judge.
    """
    judge = os.fork()
    if judge == 0:
        _become(orders)
    processes.hide()
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(nowhere, number)
    while True:
        pid, status = os.wait()
        if pid == judge:
            return os.waitstatus_to_exitcode(status) & 0xFF


def _become(orders: Orders) -> NoReturn:
    for limit, most in (*LIMITS, (resource.RLIMIT_NPROC, orders.processes)):
        _, hard = resource.getrlimit(limit)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        with contextlib.suppress(OSError, ValueError):  # macOS has hard limits that it does not grant
            resource.setrlimit(limit, (most, most))
    if processes.HAS_PRCTL:
        _give_up_capabilities()
    os.makedirs(os.environ["HOME"], exist_ok=True)
    # Before 3.11, Python looks for modules where it is started: there a student's code must not be able to put any.
    os.chdir(orders.folder if sys.version_info >= (3, 11) else "/")
    os.execv(orders.command[0], list(orders.command))


def _give_up_capabilities() -> None:
    """For good: root of a namespace could undo what was done above, or trace the judge (capabilities(7))."""
    _check(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")
    for capability in range(64):
        if _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0):
            break  # EINVAL behind the last one; EPERM for a user who has none anyway


if __name__ == "__main__":
    raise SystemExit(main())
