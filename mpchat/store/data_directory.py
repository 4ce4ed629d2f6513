"""The data directory belongs to one server at a time: to whoever holds its lock, and works in it by its descriptor."""

import fcntl
import os
import time
from contextlib import suppress
from multiprocessing.reduction import DupFd
from pathlib import Path
from typing import Any

from mpchat.store.journal import sync_folder

WAIT_SECONDS = 5.0  # for a server that is just ending: a service manager starts the next one at once
_LOOK_SECONDS = 0.05


class DataFolder:
    """A locked data directory. The descriptor is open, and the lock is held, until the process ends.

    flock(2) locks the open file description. It goes with the last process that has the descriptor: so whoever writes
    into the folder must have it, and then no other server can begin to while one of these still lives.
    """

    def __init__(self, fd: int, path: str) -> None:
        self._fd = fd
        self.path = path  # as the user wrote it: by now another folder may have that name

    def __reduce__(self) -> tuple[Any, ...]:
        """As an argument of a process, the descriptor itself goes along, and the lock with it."""
        return _received, (DupFd(self._fd), self.path)

    def enter(self) -> None:
        """Make it this process's working directory, in which all names in store/ are looked up. Raises OSError.

        A working directory is the folder itself and not its name (fchdir(2)): it may be renamed while we work.
        """
        os.fchdir(self._fd)

    @staticmethod
    def is_removed() -> bool:
        """Whether the working directory has no name any more, so that nothing can be made in it (getcwd(3))."""
        try:
            os.getcwd()
        except FileNotFoundError:
            return True
        return False


def claim(path: Path, wait_seconds: float = WAIT_SECONDS) -> DataFolder:
    """Make it if need be (0700) and lock it. Raises OSError, also if others still hold it after so long: it names them.

    Those others may be what is left of a killed server: a broker or recorder that is busy, or stopped (SIGSTOP).
    """
    deadline = time.monotonic() + wait_seconds
    while True:
        _make(path)
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            if _lock(fd, path):
                return DataFolder(fd, str(path))
            by = _named(holders(fd)) if time.monotonic() >= deadline else None
        except OSError:
            os.close(fd)
            raise
        os.close(fd)
        if by is not None:
            raise OSError(0, f"another server uses this data directory{by}", str(path))
        time.sleep(_LOOK_SECONDS)  # flock(2) would wait by itself, but for ever


def _lock(fd: int, path: Path) -> bool:
    """Whether it could be locked, and is still the folder of that name."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    if not os.access(path, os.W_OK | os.X_OK) and path.exists():
        raise PermissionError(13, "Permission denied", str(path))
    return path.exists() and os.path.samestat(os.fstat(fd), os.stat(path))


def _make(path: Path) -> None:
    """With those above it, each known to the disk before something is kept in it."""
    missing = [each for each in (path, *path.parents) if not each.exists()]
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    for each in missing:
        with suppress(OSError):  # a folder that we may not read
            sync_folder(each.parent)


def holders(folder: int) -> list[int]:
    """The processes that have locked this open folder, as far as we may look; [] where there is no /proc.

    /proc/locks names who took a lock, and that may be a process that is dead. Of each open descriptor fdinfo tells
    whether a lock is on it (proc_pid_fdinfo(5)).
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


def _named(pids: list[int]) -> str:
    names = []
    for pid in pids:
        with suppress(OSError):
            text = Path(f"/proc/{pid}/stat").read_text()
            name, state = text[text.index("(") + 1 : text.rindex(")")], text[text.rindex(")") + 2]
            names.append(f"{pid} ({name}{', stopped' if state in 'Tt' else ''})")
    if not names:
        return ""
    return f", held by process{'es' if len(names) > 1 else ''} {', '.join(names)}"


def _received(fd: Any, path: str) -> DataFolder:
    return DataFolder(fd.detach(), path)
