"""What mpchat doctor looks at: where the server would keep its data, where it would listen, where it would be asked.

Each is tried as the server does it, by the same code. Whatever is made for that is removed.
"""

import contextlib
import errno
import fcntl
import os
import stat
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from mpchat.core.machine import Core
from mpchat.ipc.control_socket import ControlSocket, ask, find, own_folder, runtime_folder
from mpchat.ipc.frames import load
from mpchat.messages import BadFrame
from mpchat.monitor.doctor import judging, stops
from mpchat.monitor.doctor.asked import Asked
from mpchat.monitor.doctor.judging import Finding
from mpchat.runtime.certificates import SOON_SECONDS, day_of, ends_at
from mpchat.runtime.listening import CannotListen, listen
from mpchat.store import snapshot
from mpchat.store.data_directory import WAIT_SECONDS, DataDirectory, claim
from mpchat.store.journal import (
    RESERVE_BYTES,
    WITHOUT_THE_PAST,
    Damaged,
    Tail,
    check_is_file,
    full_name,
    segments,
    sync_data,
)

_HIGHEST_PORT = 65535
_SYNCS = 20
_SYNC_SECONDS = 2.0  # for all of them together, on a disk that is very slow
_RECORD = b"x" * 100  # about what a line of chat takes in the journal
_ASK_SECONDS = 2.0
_AGAIN_SECONDS = 0.1  # between two attempts to get a lock
_ALONE_SECONDS = 3 * WAIT_SECONDS  # for a few other doctors, each of which may wait for a server


def config(asked: Asked) -> list[Finding]:
    """What cli.py has found in the file, and in those that it names."""
    return [judging.config(asked.config, asked.bad_config)] if asked.config else []


def data(asked: Asked) -> list[Finding]:
    """Make and lock it as a server does, measure it, and leave it as it was. One that is in use is measured as well."""
    if asked.no_data:
        return [judging.folder("", asked.no_data, False)]
    path = Path(asked.settings.data or Path(tempfile.gettempdir(), f"mpchat-{os.getpid()}"))
    with _alone(), _as_before(path) as is_new:
        try:
            claimed = _claim(path)
        except OSError as error:
            unusable = judging.folder(str(path), asked.explain(error), is_new)
            return [unusable, *(_measured(path, asked) if os.path.isdir(path) else [])]
        try:
            return [judging.folder(str(path), "", is_new), *_journal(path, asked), *_measured(path, asked)]
        finally:
            claimed.release()


def _claim(path: Path) -> DataDirectory:
    """As a server does, which waits for one that is just ending; but a signal breaks it off."""
    give_up_at = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            return claim(path, wait_seconds=0)
        except OSError as error:
            if error.errno != 0 or time.monotonic() >= give_up_at:  # 0: another process holds it
                raise
        stops.wait(None, _AGAIN_SECONDS)


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """No other doctor of this installation tries folders or ports meanwhile: it would find them in use, or would take
    what we make for what was there, and leave it.

    Without a lock, on a file system that has none, or if it cannot be had for very long, it does so all the same.
    """
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            file = stack.enter_context(open(__file__, "rb"))
            give_up_at = time.monotonic() + _ALONE_SECONDS
            while not _lock(file.fileno()) and time.monotonic() < give_up_at:
                stops.wait(None, _AGAIN_SECONDS)
        yield


def _lock(fd: int) -> bool:
    """Whether it could be locked (flock(2)). Raises OSError."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _journal(folder: Path, asked: Asked) -> list[Finding]:
    """Whether a broker can begin with what is there. Nothing is said where there is nothing yet."""
    if not (os.path.lexists(folder / "journal") or os.path.lexists(folder / "snapshot")):
        return []
    try:
        _read(folder)
    except (Damaged, BadFrame) as error:
        return [judging.journal(str(error))]
    except OSError as error:
        return [judging.journal(asked.explain(error))]
    return [judging.journal("")]


def _read(folder: Path) -> None:
    """Read what a start reads, in pieces, and write nothing. Raises Damaged, BadFrame and OSError.

    One difference to a start: where a power cut has torn a segment and left a later one, a server cuts both if it has
    not been sure of them. Here that counts as damage, as for all others who only read.
    """
    at, state = snapshot.read(folder) or (0, b"")
    journal = folder / "journal"
    if os.path.lexists(journal) and not journal.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(journal))
    check_is_file(journal / "reserve")
    with contextlib.closing(Tail(journal, at)) as tail:
        begins = tail.position if segments(journal) else 0
        if begins != at:
            what = f"the snapshot ends at {at}" if at else "there is no snapshot"
            where = f"{what}, and the journal goes on at {begins}"
            raise Damaged(f"{full_name(folder)}: {where}: something is missing. {WITHOUT_THE_PAST}")
        while tail.take():
            stops.look()
    if state:
        try:
            Core.load(load(state)[0])
        except ValueError as error:
            name = full_name(folder / "snapshot")
            raise Damaged(f"{name}: the snapshot is another version's: {error}. {WITHOUT_THE_PAST}") from error


@contextlib.contextmanager
def _as_before(path: Path) -> Iterator[bool]:
    """Afterwards remove which of the path's folders are not there now, if nothing is in them. Yields whether it is one
    of those.
    """
    missing = []
    with contextlib.suppress(OSError):  # one that cannot be entered is not made either
        missing = [each for each in (path, *path.parents) if not each.exists()]
    try:
        yield bool(missing)
    finally:
        with contextlib.suppress(OSError):
            for each in missing:
                each.rmdir()


def _measured(path: Path, asked: Asked) -> list[Finding]:
    about = os.statvfs(path)
    settings = asked.settings
    findings = [
        judging.room(
            about.f_bavail * about.f_frsize,
            about.f_favail if about.f_files else None,
            RESERVE_BYTES,
            settings.journal_bytes + settings.history_bytes,
        )
    ]
    try:
        findings.append(judging.sync(_sync_ms(path)))
    except OSError as error:
        findings.append(judging.untold("sync", asked.explain(error)))
    return [*findings, judging.file_system(_file_system(path))]


def _sync_ms(folder: Path) -> float:
    """The median of small appends, each brought to the disk, in a file without a name. Raises OSError."""
    times: list[float] = []
    begun = time.monotonic()
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        while len(times) < _SYNCS and time.monotonic() - begun < _SYNC_SECONDS:
            before = time.perf_counter()
            file.write(_RECORD)
            sync_data(file.fileno())
            times.append(time.perf_counter() - before)
    return statistics.median(times) * 1000


def _file_system(folder: Path) -> str | None:
    """The type of the file system that a folder is on, by its device (proc_pid_mountinfo(5)); of btrfs, whose files
    have another, by the longest mount point. None without /proc.
    """
    try:
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
    except FileNotFoundError:
        return None
    real = folder.resolve()
    device = os.stat(folder).st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    best, kind = -1, None
    for line in lines:
        mounted, _, about = line.partition(" - ")
        words = mounted.split()
        point = Path(words[4].replace("\\040", " "))
        if words[2] == wanted:
            return about.split()[0]
        if real.is_relative_to(point) and len(point.parts) > best:
            best, kind = len(point.parts), about.split()[0]
    return kind


def control(asked: Asked) -> list[Finding]:
    """Bind a socket there: a folder may be too long for one (108 bytes, unix(7)), or its file system may have none."""
    with _alone(), contextlib.ExitStack() as undo:
        for each in (asked.runtime, ""):  # the second where the first is another user's
            with contextlib.suppress(OSError):  # there may be no /tmp, and no need of it
                undo.enter_context(_as_before(own_folder(each)))
        try:
            folder = runtime_folder(asked.runtime)
            # As long as the real name, which is a port's; of one that the kernel chooses the longest.
            digits = len(str(asked.settings.port or _HIGHEST_PORT))
            ControlSocket(folder / f"{os.getpid() % 10**digits:0{digits}}-sock").close()
        except OSError as error:
            return [judging.control("", asked.explain(error), "")]
    instead_of = asked.runtime if asked.runtime and folder != own_folder(asked.runtime) else ""
    return [judging.control(str(folder), "", instead_of)]


def ports(asked: Asked) -> list[Finding]:
    """Of each whether the server could listen on it; and whether a server of ours has this number already."""
    findings, is_in_use = [], False
    wanted = [("irc", asked.settings.port), ("plain", asked.settings.plain_port)]
    if asked.settings.has_front:
        wanted += [("tls", asked.settings.tls_port), ("tls-plain", asked.settings.tls_plain_port)]
    for name, number in wanted:
        why, is_forbidden = "", False
        if number is not None:
            try:
                with _alone():
                    listen(asked.settings, number).close()
            except CannotListen as error:
                why, cause = str(error), error.__cause__
                is_forbidden = isinstance(cause, PermissionError)
                is_in_use |= isinstance(cause, OSError) and cause.errno == errno.EADDRINUSE
        findings.append(judging.port(name, number, why, is_forbidden))
    if asked.settings.port:
        findings.append(_running(asked, is_in_use))
    return findings


def certificate(asked: Asked) -> list[Finding]:
    """Nothing is said of TLS where no port for it is wanted."""
    if asked.no_certificate:
        return [judging.no_certificate(asked.no_certificate)]
    if asked.certificate is None:
        return []
    ends = ends_at(asked.certificate)
    of_certificate = judging.certificate(ends, time.time(), SOON_SECONDS, day_of(ends))
    is_shared = bool(os.stat(asked.key_path).st_mode & (stat.S_IRGRP | stat.S_IROTH))
    return [of_certificate, judging.key(asked.key_path, is_shared)]


def _running(asked: Asked, is_in_use: bool) -> Finding:
    """One control socket for each port number: a second server cannot start, whatever its address."""
    port = asked.settings.port
    try:
        path = find(asked.runtime, port)
        answer = ask(path, seconds=_ASK_SECONDS)
    except OSError:
        return judging.running(port, None, "", False)
    pid = next(int(row["pid"]) for row in answer["processes"] if row["role"] == "supervisor")
    data = str(answer.get("data", ""))
    is_ours = data and os.path.realpath(data) == os.path.realpath(asked.settings.data)
    is_in_the_way = is_in_use or path.parent == own_folder(asked.runtime)
    return judging.running(port, pid, "" if is_ours else data, is_in_the_way)
