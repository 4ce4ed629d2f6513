"""The data directory: one server at a time uses it, the one that holds its lock (flock(2)).

If the supervisor dies, the lock stays until the last broker or recorder that has the descriptor has ended: before that
no other server can begin to write there.
"""

import errno
import fcntl
import os
import stat
import time
from contextlib import suppress
from multiprocessing.reduction import DupFd
from pathlib import Path
from typing import Protocol

from mpchat.store.journal import make_folder, sync_folder
from mpchat.texts import t

RESTORING = "restoring"  # the folder in it that says: a restore has begun, and what else is there may not be all
WAIT_SECONDS = 5.0  # for a server that is just ending: a service manager starts the next one at once
_LOOK_SECONDS = 0.05


class Passed(Protocol):
    """What DupFd() leaves in a pickle: the receiver's number for the descriptor."""

    def detach(self) -> int: ...


class DataDirectory:
    """A locked data directory. Its descriptor is open, and the lock is held, until release() or the
    end of the process.

    The lock belongs to the open file description, which all processes with a copy of the descriptor share: each process
    that writes into the directory must have one.
    """

    def __init__(self, fd: int, path: str) -> None:
        self._fd = fd
        self.path = path  # as the user wrote it; another directory may have that name by now

    def __reduce__(self) -> tuple[object, ...]:
        """As an argument of a child, the descriptor goes along, and the lock with it."""
        return _received, (DupFd(self._fd), self.path)

    def enter(self) -> None:
        """Make it this process's working directory, in which store/ looks up all names. Raises OSError.

        The working directory is the directory itself, not its name (fchdir(2)): it may be renamed meanwhile.
        """
        os.fchdir(self._fd)

    def fileno(self) -> int:
        return self._fd

    def release(self) -> None:
        """Let another server have it: for who only looks whether it can be had."""
        os.close(self._fd)

    @property
    def is_open_to_others(self) -> bool:
        """Whether others than its owner and group may put files into it, and so into the server."""
        return bool(os.fstat(self._fd).st_mode & stat.S_IWOTH)

    @staticmethod
    def is_removed() -> bool:
        """Whether the working directory was removed, so that nothing can be made in it (getcwd(3))."""
        try:
            os.getcwd()
        except FileNotFoundError:
            return True
        return False


def claim(path: Path, wait_seconds: float = WAIT_SECONDS) -> DataDirectory:
    """Make it if need be (0700) and lock it. Raises OSError, also if other processes hold it after `wait_seconds`.

    The error names those processes. They may be what is left of a killed server: a broker or recorder that is busy or
    stopped (SIGSTOP). A directory into which a restore was begun and not finished is refused.
    """
    deadline = time.monotonic() + wait_seconds
    while True:
        _make(path)
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            if _lock(fd, path):
                check_restored(path)
                return DataDirectory(fd, str(path))
            in_use = _in_use(holders(fd)) if time.monotonic() >= deadline else ""
        except OSError:
            os.close(fd)
            raise
        os.close(fd)
        if in_use:
            raise OSError(0, in_use, str(path))
        time.sleep(_LOOK_SECONDS)  # flock(2) would wait by itself, but for ever


def check_restored(path: Path) -> None:
    """Raises OSError where a restore was begun and not finished: what is there may not be all."""
    if os.path.lexists(path / RESTORING):
        raise OSError(errno.ENOTEMPTY, t("cli.restore_unfinished"), str(path))


def _lock(fd: int, path: Path) -> bool:
    """Whether it could be locked, and is still the directory of that name. Raises OSError."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    if not os.access(path, os.W_OK | os.X_OK) and path.exists():
        raise PermissionError(13, "Permission denied", str(path))
    return path.exists() and os.path.samestat(os.fstat(fd), os.stat(path))


def _make(path: Path) -> None:
    """Make it and its missing parents, and have the disk know each name before anything is written there."""
    missing = [each for each in (path, *path.parents) if not each.exists()]
    for each in reversed([path, *missing[1:]]):  # mkdir() alone would make those with what umask leaves of 0777
        make_folder(each)  # raises if it is no folder
    for each in missing:
        with suppress(OSError):  # a parent that this user may not read
            sync_folder(each.parent)


def holders(folder: int) -> list[int]:
    """The ids of the processes that hold this open directory's lock, as far as /proc shows them; [] without /proc.

    /proc/locks names the process that took a lock, which may be dead; fdinfo tells of each open descriptor whether a
    lock is on it (proc_pid_fdinfo(5)).
    """
    wanted = os.fstat(folder)
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has just ended, or is another user's
            if any(_is_locked(process, number, wanted) for number in os.listdir(process / "fd")):
                found.append(int(process.name))
    return sorted(found)


def _is_locked(process: Path, number: str, wanted: os.stat_result) -> bool:
    try:
        if not os.path.samestat(os.stat(process / "fd" / number), wanted):
            return False
        return "FLOCK" in (process / "fdinfo" / number).read_text()
    except OSError:
        return False  # it has just been closed


def _in_use(pids: list[int]) -> str:
    """That another server uses it, and which processes hold its lock."""
    names = []
    for pid in pids:
        with suppress(OSError):
            text = Path(f"/proc/{pid}/stat").read_text()
            name, state = text[text.index("(") + 1 : text.rindex(")")], text[text.rindex(")") + 2]
            names.append(t("cli.held_stopped" if state in "Tt" else "cli.held", pid=pid, name=name))
    if len(names) > 1:
        return t("cli.data_held_by_several", processes=", ".join(names))
    return t("cli.data_held_by", process=names[0]) if names else t("cli.data_in_use")


def _received(fd: Passed, path: str) -> DataDirectory:
    return DataDirectory(fd.detach(), path)
