"""What --keep-journal keeps: the segments that no restart needs any more, and the state with which each run began.

    kept/POSITION.journal     a segment, moved here where it would have been removed (Journal.trim())
    kept/POSITION.snapshot    the snapshot with which a run began: the file as it was then, by another name (link(2))
    kept/born                 when the numbers of its messages began (wall ms), by which journals are told apart

The server writes here and never reads, so each of these files may be removed at any time. To read them is to begin at
a snapshot, or at position 0, and to go on as long as each segment ends where the next one begins: Reading, which also
reads what the journal itself has, kept or not, while a server runs or when none does.
"""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from mpchat.messages import Record
from mpchat.store import snapshot
from mpchat.store.journal import (
    WITHOUT_THE_PAST,
    Damaged,
    check_is_file,
    full_name,
    journal_end,
    make_folder,
    records,
    segment,
    segments,
)

FOLDER = "kept"
_ATTEMPTS = 10  # to look at all folders between two changes; a server changes them some times a second at most
_SNAPSHOT = ".snapshot"
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK, errno.EXDEV)  # a file system without any


def begin_run(data: Path, born: int) -> Path | None:
    """Keep the snapshot with which this run begins. Raises OSError, and Damaged.

    To be called before anything is journaled, and when the journal has been found good. `born`: of the journal; 0: it
    begins now. If the folder has what belongs to another journal, because somebody has moved that away and positions
    began anew, it gets another name, which is returned: nothing in it is ever overwritten.
    """
    folder = data / FOLDER
    make_folder(folder)
    aside = None
    first, end = min(segments(data / "journal"), default=0), journal_end(data / "journal")
    is_behind = any(each >= first for each in segments(folder)) or any(each > end for each in snapshots(folder))
    if is_behind or (born_of(data) not in (None, born)) or (not born and os.listdir(folder)):
        aside = _unused(folder)
        folder.rename(aside)
        make_folder(folder)
    position = snapshot.position(data)
    if position:
        _link(data / "snapshot", folder / f"{position:020}{_SNAPSHOT}")
    return aside


def note_born(data: Path, born: int) -> None:
    """Say whose journal it is. To be called before anything is moved there. Raises OSError."""
    make_folder(data / FOLDER)
    if born_of(data) is None:
        (data / FOLDER / "born").write_text(f"{born}\n")


def born_of(data: Path) -> int | None:
    """Of what is kept; None if it does not say."""
    with suppress(OSError, ValueError):
        return int((data / FOLDER / "born").read_text())
    return None


class Reading:
    """What can be read of a journal, as it is at the moment: from `begin`, at which `state` was, to `end`.

    `begin` is the oldest snapshot of the last stretch in which segment follows on segment, and which has a snapshot; or
    the last one that is not behind the position `at`, of the stretch which has that. `state` is what the snapshot holds
    (store/snapshot.py); None at position 0, before which nothing was.

    `with_kept`: not if what is kept is another journal's. Raises FileNotFoundError if there is no journal, Damaged, and
    OSError. A server may go on meanwhile.
    """

    def __init__(self, data: Path, at: int | None = None, with_kept: bool = True) -> None:
        self._data = data
        self._folders = [data / "journal", data / FOLDER] if with_kept else [data / "journal"]
        self._open: dict[int, int] = {}  # descriptors, by the first position of their segments; closed by close()
        for _ in range(_ATTEMPTS):
            try:
                self._look(at)
            except Removed as removed:  # the server has changed something between two looks
                self.close()
                why = removed.why
            except (Damaged, OSError):
                self.close()
                raise
            else:
                return
        raise Damaged(why)

    def _look(self, at: int | None) -> None:
        stretches = _stretches(self._folders)
        if not stretches:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(self._data / "journal"))
        kept = snapshots(self._data / FOLDER) if len(self._folders) > 1 else []
        known = sorted({0, *kept, snapshot.position(self._data)})
        readable = [
            (each, found) for each in stretches if (found := [one for one in known if each[0][0] <= one <= each[-1][1]])
        ]
        if not readable:
            why = f"{full_name(self._data)}: no snapshot fits its journal. {WITHOUT_THE_PAST}"
            raise Removed(self._data / "snapshot", why)
        wanted, begins = readable[-1]
        for stretch, found in readable:
            if at is not None and stretch[0][0] <= at < stretch[-1][1]:
                wanted, begins = stretch, found
        self.end = wanted[-1][1]
        self.begin = begins[0] if at is None else max((each for each in begins if each <= at), default=begins[0])
        self.state = read_snapshot(self._data, self.begin) if self.begin else None
        if self.begin and self.state is None:
            raise Removed(self._data / "snapshot")
        self._segments = [each for each in wanted if each[1] > self.begin]
        if not any(segment(folder, first).exists() for folder in self._folders[1:] for first, _ in self._segments):
            for first, _ in self._segments:  # the server may remove them while they are read
                self._open[first] = self._descriptor(first)

    def blocks(self) -> Iterator[tuple[int, list[Record]]]:
        """The blocks of records between `begin` and `end`, each with its position; the same each time.

        Raises Damaged and OSError, Removed among them: somebody has removed what was to be read next.
        """
        start = self.begin
        for first, end in self._segments:
            is_open = first in self._open
            fd = self._open[first] if is_open else self._descriptor(first)
            try:
                for position, block in records(fd, segment(self._data / "journal", first), first, max(start, first)):
                    if position >= self.end:
                        return  # what a server has written since
                    yield position, block
            finally:
                if not is_open:
                    os.close(fd)
            start = end

    def _descriptor(self, first: int) -> int:
        """The server moves a segment from the one folder to the other, never back. Raises Removed."""
        for folder in self._folders:
            path = segment(folder, first)
            check_is_file(path)
            with suppress(FileNotFoundError):
                return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        raise Removed(path)

    def close(self) -> None:
        while self._open:
            os.close(self._open.popitem()[1])


class Removed(OSError):
    """A file was there at one look and is not at the next: the server has changed the folders, or somebody else has."""

    def __init__(self, path: Path, why: str = "") -> None:
        super().__init__(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
        self.path = path
        self.why = why or f"{full_name(path)}: it is not there, or not what its name says"


def _stretches(folders: list[Path]) -> list[list[tuple[int, int]]]:
    """Segments, each by its first position and its end; those of a stretch follow one on the other. Raises Removed.

    `folders`: the live one first, so that a segment which is moved meanwhile is seen twice, not never.
    """
    found: list[list[tuple[int, int]]] = []
    firsts = [first for folder in folders for first in segments(folder)]
    for first in sorted(set(firsts)):
        sizes = []
        for folder in folders:
            with suppress(FileNotFoundError):
                sizes.append(segment(folder, first).stat().st_size)
        if not sizes:
            raise Removed(segment(folders[0], first))
        if not found or found[-1][-1][1] != first:
            found.append([])
        found[-1].append((first, first + sizes[0]))
    return found


def snapshots(folder: Path) -> list[int]:
    """The positions of the snapshots in a folder, in order."""
    with suppress(FileNotFoundError):
        names = [Path(name) for name in os.listdir(folder)]
        return sorted(int(name.stem) for name in names if name.suffix == _SNAPSHOT and name.stem.isdecimal())
    return []


def read_snapshot(data: Path, position: int) -> bytes | None:
    """The state at this position, the current one or a kept one; None if there is none. Raises Damaged and OSError."""
    for path in (data / "snapshot", data / FOLDER / f"{position:020}{_SNAPSHOT}"):
        found = snapshot.read_file(path)
        if found is not None and found[0] == position:
            return found[1]
    return None


def _link(current: Path, kept: Path) -> None:
    """The snapshot is replaced by rename(2), never written again: what the second name stands for does not change."""
    try:
        with suppress(FileExistsError):  # a run before this one began with the same
            os.link(current, kept)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        new = kept.with_suffix(".new")
        shutil.copyfile(current, new)
        new.replace(kept)


def _unused(folder: Path) -> Path:
    number = 1
    while (aside := folder.with_name(f"{folder.name}-{number}")).exists():
        number += 1
    return aside
