"""What mpchat doctor makes of the facts: for each check, facts in, a verdict and words out. Pure.

"bad": the server will not run, or not with these arguments. "note": something works less well. "ok": neither.
"""

from collections.abc import Collection
from dataclasses import dataclass

from mpchat.texts import t

OK, NOTE, BAD = "ok", "note", "bad"

_MEBIBYTE = 1 << 20
_PROCESS_BYTES = 15 * _MEBIBYTE  # of a process with nobody connected (README, "Measured")
# Supervisor, acceptor, broker, recorder, authenticator, spare, resource tracker: all that are no workers, and no front.
_ROLES = 7
_THREADS = 2  # beside a queue's feeder at each of its ends: the broker's snapshot-writer, a derivation of keys
_CLASS = 30  # clients: for fewer the room is small
_FILES = 11  # segment, reserve, snapshot and its successor, history.db, accounts.db, two of each, and one to spare
_NEVER_FATAL = ("epoll", "memfd_create", "TCP_INFO")  # features that the server does without
_NETWORK_FILE_SYSTEMS = ("nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "afs")
_IN_MEMORY = ("tmpfs", "ramfs")
_AHEAD_SECONDS = 2.0  # a file's time may be a little coarser than the clock, and another machine's
_SLOW_SYNC_MS = 20.0  # a disk that turns takes some ten
_COLUMNS, _ROWS = 80, 24  # what the screens are made for


@dataclass(frozen=True)
class Finding:
    """One check's outcome. `name` is for programs; `found` and `affects` are sentences for people."""

    name: str
    verdict: str
    found: str
    affects: str = ""
    packages: tuple[str, ...] = ()  # of Debian's: what would mend it


def untold(name: str, why: str) -> Finding:
    """A check that could not look: no reason to stop."""
    return Finding(name, NOTE, t("doctor.untold", what=t(f"doctor.what.{name}"), why=why))


def config(path: str, wrong: str) -> Finding:
    """`wrong`: why the server would not start with it, in the server's words."""
    return Finding("config", BAD, wrong) if wrong else Finding("config", OK, t("doctor.config", path=path))


# Python


def python(version: str, implementation: str) -> Finding:
    found = t("doctor.python", version=version, implementation=implementation)
    if implementation != "CPython":
        return Finding("python", NOTE, found, t("doctor.python.other"))
    return Finding("python", OK, found)


def sqlite(version: str | None, has_full_text: bool) -> Finding:
    """`version`: None where Python has no sqlite3."""
    if version is None:
        return Finding("sqlite", BAD, t("doctor.no_sqlite"), t("doctor.no_sqlite.affects"))
    if not has_full_text:
        return Finding("sqlite", NOTE, t("doctor.sqlite_bare", version=version), t("doctor.sqlite_bare.affects"))
    return Finding("sqlite", OK, t("doctor.sqlite", version=version))


def package(name: str, version: str | None, debian: str | None) -> Finding:
    """`debian`: the package that would help this Python, if one would."""
    if version is not None:
        return Finding(f"package {name}", OK, f"{name} {version}")
    affects = t(f"doctor.package.{name}")
    packages = (debian,) if debian else ()
    return Finding(f"package {name}", NOTE, t("doctor.missing", name=name), affects, packages)


# The machine


def system(name: str, missing: Collection[str]) -> Finding:
    """`missing`: features by name, of which the server can do without some."""
    if not missing:
        return Finding("system", OK, t("doctor.system", system=name))
    affects = [t(f"doctor.without.{feature}") for feature in sorted(missing)]
    verdict = NOTE if set(missing) <= set(_NEVER_FATAL) else BAD
    found = t("doctor.system_without", system=name, missing=", ".join(sorted(missing)))
    return Finding("system", verdict, found, "; ".join(affects))


def semaphores(error: str) -> Finding:
    if error:
        return Finding("semaphores", BAD, t("doctor.no_semaphores", why=error), t("doctor.no_semaphores.affects"))
    return Finding("semaphores", OK, t("doctor.semaphores"))


def cores(usable: int, quota: float | None, workers: int) -> Finding:
    """`workers`: the default of --workers here."""
    found = t("doctor.cores", count=usable, workers=workers)
    if quota is not None and quota < usable:
        found = t("doctor.cores_quota", count=usable, quota=f"{quota:g}", workers=workers)
    if min(usable, usable if quota is None else quota) < 2:
        return Finding("cores", NOTE, found, t("doctor.cores.affects"))
    return Finding("cores", OK, found)


def memory(available: int | None, workers: int, has_front: bool = False) -> Finding:
    if available is None:
        return untold("memory", t("doctor.no_proc"))
    processes = workers + _ROLES + has_front
    needed = _PROCESS_BYTES * processes
    found = t("doctor.memory", free=available // _MEBIBYTE, needed=needed // _MEBIBYTE, processes=processes)
    if available < needed:
        return Finding("memory", NOTE, found, t("doctor.memory.affects"))
    return Finding("memory", OK, found)


# Limits


def descriptors(soft: int, hard: int, clients: int, too_few: str) -> Finding:
    """-1: no limit. `too_few`: why the server would not start, or ""."""
    if too_few:
        return Finding("descriptors", BAD, too_few, t("doctor.descriptors.mend"))
    limits = [t("doctor.endless") if each < 0 else str(each) for each in (soft, hard)]
    found = t("doctor.descriptors", soft=limits[0], hard=limits[1], clients=clients)
    if clients < _CLASS:
        return Finding("descriptors", NOTE, found, t("doctor.descriptors.mend"))
    return Finding("descriptors", OK, found)


def tasks_needed(workers: int, has_front: bool = False) -> int:
    """Processes and threads, which the limits count alike: each worker's queues have a feeder at either end."""
    return workers + _ROLES + has_front + 2 * workers + _THREADS


def processes(free: dict[str, int], workers: int, has_front: bool = False) -> Finding:
    """`free`: by the name of each limit, how many processes and threads more it allows."""
    needed = tasks_needed(workers, has_front)
    if not free:
        return Finding("processes", OK, t("doctor.processes_endless", needed=needed))
    limit, least = min(free.items(), key=lambda one: one[1])
    found = t("doctor.processes", needed=needed, free=max(0, least), limit=limit)
    if least < needed:
        return Finding("processes", BAD, found, t("doctor.processes.affects"))
    return Finding("processes", OK, found)


def file_size(limit: int, reserve: int, segment: int, most: int) -> Finding:
    """`limit`: -1 for none. A server accepts nothing without its reserve, nor when its newest segment cannot grow.

    `most`: what the journal may grow to.
    """
    if limit < 0:
        return Finding("file-size", OK, t("doctor.file_size_endless"))
    found = t("doctor.file_size", limit=limit)
    if limit < reserve or limit <= segment:
        return Finding("file-size", BAD, found, t("doctor.file_size.bad", needed=max(reserve, segment + 1)))
    if limit < most:
        return Finding("file-size", NOTE, found, t("doctor.file_size.affects"))
    return Finding("file-size", OK, found)


def backlog(somaxconn: int | None, wanted: int) -> Finding:
    if somaxconn is None:
        return untold("backlog", t("doctor.no_proc"))
    found = t("doctor.backlog", somaxconn=somaxconn, wanted=wanted)
    if somaxconn < wanted:
        return Finding("backlog", NOTE, found, t("doctor.backlog.affects", count=somaxconn))
    return Finding("backlog", OK, found)


# Data


def folder(path: str, error: str, is_new: bool) -> Finding:
    if error:
        return Finding("data", BAD, t("doctor.no_folder", why=error), t("doctor.no_folder.affects"))
    return Finding("data", OK, t("doctor.folder_new" if is_new else "doctor.folder", path=path))


def journal(damage: str) -> Finding:
    """`damage`: in the server's words; "" if all that a start reads is as it was written."""
    if damage:
        return Finding("journal", BAD, damage)
    return Finding("journal", OK, t("doctor.journal"))


def room(free_bytes: int, free_files: int | None, reserve: int, most: int) -> Finding:
    """`free_files`: None where the file system does not count them. `most`: what journal and history may grow to."""
    if free_files is None:
        found = t("doctor.room", free=free_bytes // _MEBIBYTE)
    else:
        found = t("doctor.room_files", free=free_bytes // _MEBIBYTE, files=free_files)
    if free_bytes < 2 * reserve or (free_files is not None and free_files < _FILES):
        return Finding("room", BAD, found, t("doctor.room.bad"))
    if free_bytes < most:
        return Finding("room", NOTE, found, t("doctor.room.affects", most=most // _MEBIBYTE))
    return Finding("room", OK, found)


def sync(milliseconds: float) -> Finding:
    found = t("doctor.sync", ms=f"{milliseconds:.2g}" if milliseconds < 10 else f"{milliseconds:.0f}")
    return Finding("sync", NOTE if milliseconds > _SLOW_SYNC_MS else OK, found, t("doctor.sync.affects"))


def file_system(kind: str | None) -> Finding:
    """`kind`: as mount(8) names it; None where the system does not tell."""
    if kind is None:
        return untold("file-system", t("doctor.no_proc"))
    found = t("doctor.file_system", kind=kind)
    if kind in _IN_MEMORY:
        return Finding("file-system", NOTE, found, t("doctor.file_system.in_memory"))
    if kind in _NETWORK_FILE_SYSTEMS:
        return Finding("file-system", NOTE, found, t("doctor.file_system.network"))
    return Finding("file-system", OK, found)


# Network


def control(path: str, error: str, instead_of: str) -> Finding:
    """`instead_of`: the XDG_RUNTIME_DIR that is not this user's, or ""."""
    if error:
        return Finding("control-socket", BAD, t("doctor.no_control", why=error))
    found = t("doctor.control", path=path)
    if instead_of:
        return Finding("control-socket", NOTE, found, t("doctor.control.instead", folder=instead_of))
    return Finding("control-socket", OK, found)


def port(name: str, number: int | None, error: str, is_forbidden: bool) -> Finding:
    """`number`: None for no port. `error`: why it cannot be listened on, in the server's words; "": it can."""
    kind = t(f"doctor.port.{name}")
    if error:
        return Finding(f"{name}-port", BAD, f"{kind}: {error}", t("doctor.port_forbidden") if is_forbidden else "")
    if number is None:
        return Finding(f"{name}-port", OK, t("doctor.no_port", kind=kind))
    found = t("doctor.any_port", kind=kind) if number == 0 else t("doctor.free_port", kind=kind, port=number)
    return Finding(f"{name}-port", OK, found)


def certificate(ends: float, now: float, soon: float, day: str) -> Finding:
    """`ends`, `now`: wall seconds; `soon`: seconds before its end that are few; `day`: of its end, for people."""
    if ends <= now:
        return Finding("certificate", NOTE, t("doctor.certificate_over", day=day), t("doctor.certificate_over.affects"))
    found = t("doctor.certificate", day=day)
    return Finding("certificate", NOTE if ends - now < soon else OK, found, t("doctor.certificate.affects"))


def no_certificate(error: str) -> Finding:
    """`error`: why it cannot be used, or its key, in the server's words."""
    return Finding("certificate", BAD, error)


def key(path: str, is_shared: bool) -> Finding:
    """`is_shared`: others than its owner can read it."""
    if is_shared:
        return Finding("key", NOTE, t("doctor.key_shared", path=path), t("doctor.key_shared.affects"))
    return Finding("key", OK, t("doctor.key", path=path))


def running(number: int, pid: int | None, elsewhere: str, is_in_the_way: bool) -> Finding:
    """`pid`: of a server of this user's (or for root of anybody's) on this port; None: there is none. `elsewhere`: its
    data directory, if that is another one than the data asked about.
    """
    if pid is None:
        return Finding("running-server", OK, t("doctor.no_server", port=number))
    found = t("doctor.server", port=number, pid=pid)
    if elsewhere:
        found = t("doctor.server_elsewhere", port=number, pid=pid, data=elsewhere)
    if is_in_the_way:
        return Finding("running-server", BAD, found, t("doctor.server.affects", port=number))
    return Finding("running-server", OK, found)


# Tools


def tool(name: str, path: str | None, debian: str) -> Finding:
    if path:
        return Finding(name, OK, path)
    return Finding(name, NOTE, t("doctor.missing", name=name), t(f"doctor.tool.{name}"), (debian,))


# Clock


def clock(now: float, newest: float | None, installed: float, as_text: str) -> Finding:
    """`newest`: when the data was last written to, as its file says; `installed`: when this program's files were.

    A clock before either has been put back, or was never set.
    """
    found = t("doctor.clock", time=as_text)
    if newest is not None and now < newest - _AHEAD_SECONDS:
        return Finding("clock", NOTE, found, t("doctor.clock.behind_data", seconds=round(newest - now)))
    if now < installed - _AHEAD_SECONDS:
        return Finding("clock", NOTE, found, t("doctor.clock.behind_program", seconds=round(installed - now)))
    return Finding("clock", OK, found)


def monotonic(before: int, after: int) -> Finding:
    """Two readings, with some work in between."""
    if after <= before:
        return Finding("monotonic", BAD, t("doctor.monotonic_stands"), t("doctor.monotonic_stands.affects"))
    return Finding("monotonic", OK, t("doctor.monotonic"))


def zone(name: str, offset: str) -> Finding:
    return Finding("time-zone", OK, t("doctor.zone", name=name, offset=offset))


# Terminal


def terminal(is_one: bool, kind: str, size: tuple[int, int] | None, has_colours: bool) -> Finding:
    """`kind`: TERM. `size`: columns and rows, as far as the terminal knows them."""
    if not is_one:  # a pipe, a script: that says nothing of the terminals that there are
        return Finding("terminal", OK, t("doctor.no_terminal"), t("doctor.no_terminal.affects"))
    if kind in ("", "dumb"):
        return Finding("terminal", NOTE, t("doctor.dumb", kind=kind or '""'), t("doctor.dumb.affects"))
    columns, rows = size or (0, 0)
    colours = t("doctor.colours" if has_colours else "doctor.no_colours")
    found = t("doctor.terminal", kind=kind, columns=columns, rows=rows, colours=colours)
    if columns < _COLUMNS or rows < _ROWS:
        return Finding("terminal", NOTE, found, t("doctor.terminal.small", columns=_COLUMNS, rows=_ROWS))
    return Finding("terminal", OK, found)


def letters(encoding: str, lacking: str) -> Finding:
    """`lacking`: those of the letters that are shown which this encoding does not have."""
    if lacking:
        return Finding(
            "letters", NOTE, t("doctor.letters_lacking", encoding=encoding), t("doctor.letters_lacking.affects")
        )
    return Finding("letters", OK, t("doctor.letters", encoding=encoding))


def locale(name: str, is_installed: bool, encoding: str, language: str) -> Finding:
    found = t("doctor.locale", name=name or '""', encoding=encoding, language=language)
    if not is_installed:
        return Finding("locale", NOTE, found, t("doctor.locale.affects", encoding=encoding))
    return Finding("locale", OK, found)


# Trial


def trial(ready_seconds: float, line_ms: float) -> Finding:
    return Finding("trial", OK, t("doctor.trial", seconds=f"{ready_seconds:.1f}", ms=f"{line_ms:.1f}"))


def failed_trial(why: str) -> Finding:
    return Finding("trial", BAD, t("doctor.trial_failed", why=why))


def skipped_trial() -> Finding:
    return Finding("trial", NOTE, t("doctor.trial_skipped"))
