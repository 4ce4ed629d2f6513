"""What students hand in, as it is found: a folder of folders and zip archives, one for each student.

Nothing of it is believed or run in here. Symbolic links are not followed, nothing is unpacked to a disk, whatever is
read has a limit, and only files that are called as `mpchat lab` calls them are read: e4.py, e4.json.
"""

import contextlib
import io
import os
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

MOST_BYTES = {"py": 1 << 20, "json": 1 << 22}  # of a file
_ARCHIVE_BYTES = 1 << 24
_MOST_MEMBERS = 1000  # of an archive or a folder; a submission has some thirty
_MOST_DEPTH = 6  # of folders in a folder: a whole unpacked zip is three
_OTHER_ARCHIVES = (".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar")
_WANTED = re.compile(r"(e(?:[1-9]|10))\.(py|json)", re.ASCII)
_INSIDE = "submission"  # the folder in which `mpchat lab` leaves them


class Wrong(NamedTuple):
    """Why something was not read: the sentence grade.KEY, about this file or folder."""

    key: str
    name: str


class Submission(NamedTuple):
    """`files`: the bytes of "e4.py" or "e4.json", or why there are none. `wrong`: why there is nothing at all."""

    student: str
    files: dict[str, bytes | Wrong]
    wrong: Wrong | None = None

    def experiments(self) -> list[str]:
        """Of which there is something, from e1 to e10."""
        return sorted({name.partition(".")[0] for name in self.files}, key=lambda name: int(name[1:]))


class _Unreadable(Exception):
    """Its text is the key of a sentence."""


def is_one(folder: Path) -> bool:
    """Is this a student's folder itself, and nobody else's beside it?"""
    names = os.listdir(folder)
    others = [each for each in _searched(names) if each != _INSIDE and (folder / each).is_dir()]
    others += [each for each in names if each.lower().endswith(".zip")]
    return not others and (any(_WANTED.fullmatch(name) for name in names) or (folder / _INSIDE).is_dir())


def read_one(folder: Path) -> Submission:
    """A student's folder."""
    return _of_folder(_readable(folder.resolve().name), folder)


def read_all(folder: Path) -> Iterator[Submission]:
    """In the order of their names. What begins with a dot, or is a file but no archive, is no submission.

    Raises OSError.
    """
    names = sorted(os.listdir(folder))
    for name in names:
        path = folder / name
        mode = path.lstat().st_mode
        is_archive = name.lower().endswith(".zip")
        if name.lower().endswith(_OTHER_ARCHIVES) and stat.S_ISREG(mode):
            yield Submission(_readable(name), {}, Wrong("other_archive", _readable(name)))
            continue
        if name.startswith(".") or name == "__MACOSX" or not (is_archive or stat.S_ISDIR(mode) or stat.S_ISLNK(mode)):
            continue
        student = name[:-4] if is_archive and name[:-4] and name[:-4] not in names else name
        if stat.S_ISLNK(mode):
            yield Submission(_readable(student), {}, Wrong("link", _readable(name)))
        elif stat.S_ISDIR(mode):
            yield _of_folder(_readable(student), path)
        else:
            yield _of_archive(_readable(student), path)


def _readable(name: str) -> str:
    """A file's name is bytes, which need not be text."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


# Folders


def _of_folder(student: str, path: Path) -> Submission:
    """Of several files of one name, the one that is in the fewest folders counts. One archive alone is opened."""
    files: dict[str, bytes | Wrong] = {}
    depths: dict[str, int] = {}
    archives: list[bytes | Wrong] = []
    seen = 0
    try:
        with _opened(path) as top:
            for where, folders, names, folder in os.fwalk(".", dir_fd=top):
                depth = where.count("/")
                folders[:] = sorted(_searched(folders)) if depth < _MOST_DEPTH else []
                seen += len(folders) + len(names)
                if seen > _MOST_MEMBERS:
                    raise _Unreadable("too_many")
                archives += [_whole(name, folder, _ARCHIVE_BYTES) for name in names if name.lower().endswith(".zip")]
                for name in sorted(names):
                    if found := _WANTED.fullmatch(name):
                        if depth < depths.get(name, depth + 1):
                            files[name], depths[name] = _whole(name, folder, MOST_BYTES[found[2]]), depth
                        elif depth == depths[name]:
                            files[name] = Wrong("twice", name)
        if not files and len(archives) == 1 and isinstance(archives[0], bytes):
            files = _unpacked(archives[0])
    except _Unreadable as error:
        return Submission(student, {}, Wrong(str(error), student))
    except OSError:
        return Submission(student, files, Wrong("unreadable", student))
    if files:
        return Submission(student, files)
    return Submission(student, {}, Wrong("nothing_known" if seen else "empty", student))


def _searched(folders: list[str]) -> list[str]:
    return [name for name in folders if not name.startswith(".") and name not in ("__MACOSX", "__pycache__")]


@contextlib.contextmanager
def _opened(path: "Path | str", within: int | None = None) -> Iterator[int]:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=within)
    try:
        yield fd
    finally:
        os.close(fd)


def _whole(name: str, folder: int, most: int) -> bytes | Wrong:
    try:
        return _read(name, folder, most)
    except _Unreadable as error:
        return Wrong(str(error), name)


def _read(path: "Path | str", within: int | None, most: int) -> bytes:
    """O_NONBLOCK: to open a FIFO would wait for its writer (fifo(7))."""
    try:
        mode = os.stat(path, dir_fd=within, follow_symlinks=False).st_mode
        if not stat.S_ISREG(mode):
            raise _Unreadable("link" if stat.S_ISLNK(mode) else "no_file")
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC, dir_fd=within)
        with os.fdopen(fd, "rb") as file:
            data = file.read(most + 1)
    except OSError:
        raise _Unreadable("unreadable") from None
    if len(data) > most:
        raise _Unreadable("too_large")
    return data


# Archives


def _of_archive(student: str, path: Path) -> Submission:
    """Of several files of one name, the one that is in the fewest folders counts."""
    name = _readable(path.name)
    try:
        data = _read(path, None, _ARCHIVE_BYTES)
        files = _unpacked(data)
    except _Unreadable as error:
        return Submission(student, {}, Wrong(str(error), name))
    return Submission(student, files, None if files else Wrong("nothing_known", name))


def _unpacked(data: bytes) -> dict[str, bytes | Wrong]:
    files: dict[str, bytes | Wrong] = {}
    depths: dict[str, int] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            if len(members) > _MOST_MEMBERS:
                raise _Unreadable("too_many")
            for member in members:
                path = PurePosixPath(member.filename)
                found = _WANTED.fullmatch(path.name)
                if found is None or member.is_dir() or "__MACOSX" in path.parts:
                    continue
                depth = len(path.parts)
                if depth > depths.get(path.name, depth):
                    continue
                if depth == depths.get(path.name):
                    files[path.name] = Wrong("twice", path.name)
                    continue
                depths[path.name] = depth
                files[path.name] = _member(archive, member, path.name, MOST_BYTES[found[2]])
    except (zipfile.BadZipFile, OSError, ValueError, struct.error, NotImplementedError):
        raise _Unreadable("bad_archive") from None
    return files


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str, most: int) -> bytes | Wrong:
    """No more of it is unpacked than may be, whatever size the archive says."""
    if stat.S_ISLNK(member.external_attr >> 16):
        return Wrong("link", name)
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return Wrong("unreadable", name)
    try:
        with archive.open(member) as file:
            data = file.read(most + 1)
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, RuntimeError, NotImplementedError):
        return Wrong("unreadable", name)  # RuntimeError: it is encrypted
    return data if len(data) <= most else Wrong("too_large", name)
