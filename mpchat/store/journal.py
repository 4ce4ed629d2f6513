"""The journal: every block of records that the core has applied, in order, in append-only files, the segments.

A position counts all bytes ever journaled. A segment's file is named by its first position, and holds blocks:

    length (4 bytes)  kind (1)  crc32 of the content (4)  crc32 of these nine bytes (4)  the content: a pickle

A block holds records, or facts: what was said in the blocks since the last facts. Facts follow from the records, so a
replay leaves them out; the history, which cannot apply records, reads nothing else.

Each block is one write(), before anything that depends on it leaves the broker: the page cache survives a killed
process, and fdatasync() a power cut too. An end that a crash tore off is cut. Anything else that is not as it was
written raises Damaged: no record that may have been acknowledged is skipped in silence.
"""

import errno
import os
import pickle
import re
import shutil
import stat
import struct
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Generic, Literal, TypeVar, overload

from mpchat.ipc.frames import load
from mpchat.messages import BadFrame, Fact, Record

# The kinds of blocks, and what they hold.
RECORDS: Final = 0
FACTS: Final = 1
Held = TypeVar("Held", Record, Fact)

RESERVE_BYTES = 1 << 20  # room for some ten thousand refusals on a disk that is full
TAKE_BYTES = 1 << 20  # what a reader takes at once: some ten thousand lines, a few tens of ms of work

_HEAD = struct.Struct("!IBII")
_ABOUT = struct.Struct("!IBI")  # all of it but its own checksum
_SCAN_BYTES = 1 << 20  # read at once where only the checksums matter
_ZEROS = 16  # so many zero bytes at the very end are no block's: a pickle ends in opcodes that are not 0
_NAME = re.compile(r"\d{20}\.journal")
_NO_FILE = -1

WITHOUT_THE_PAST = (
    "Bring the data directory back from a backup; or move the file 'snapshot' and the folder 'journal' in it away,"
    " both, to start without the rooms there were"
)

_Block = tuple[int, int, bytes]  # offset behind it, kind, content


class Damaged(Exception):
    """A file is not as it was written. The text names the file, the offset, and what the user can do."""


class Journal:
    """The one writer. It makes its folder and goes on behind the last whole block. Raises Damaged and OSError.

    `synced`: an append is on the disk before it returns.
    `whole_to`: up to this position the disk has had everything; None: to the end. Behind it a power cut may have torn a
    segment and yet left a later one, since a disk does not write in order. Then everything behind the tear is cut;
    `cut` counts the bytes.
    `kept`: a folder on the same disk into which segments are moved that would be removed; None: they are removed.
    """

    def __init__(
        self, folder: Path, synced: bool = False, whole_to: int | None = None, kept: Path | None = None
    ) -> None:
        make_folder(folder)
        check_is_file(folder / "reserve")
        self._folder = folder
        self._synced = synced
        self._kept = kept
        self._firsts = segments(folder) or [0]
        self.cut = self._cut_behind_a_tear(whole_to)
        self._fd = self._open(self._firsts[-1])
        try:
            end = whole_end(self._fd, self._path)
            self.cut += os.fstat(self._fd).st_size - end
            os.ftruncate(self._fd, end)
        except (Damaged, OSError):
            self.close()
            raise
        self.position = self._firsts[-1] + end
        # What the disk has refused to undo or to sync. Nothing is appended before that is done: a block behind a torn
        # one would be lost with it, and a synced block in a file whose name is not synced would be lost with the file.
        self._is_torn = False
        self._is_unnamed = True  # as a killed writer's last segment may be; what it had not synced is replayed now
        self._settle()
        self.keep_reserve()

    @property
    def size(self) -> int:
        """Bytes in all segments."""
        return self.position - self._firsts[0]

    @property
    def _path(self) -> Path:
        return segment(self._folder, self._firsts[-1])

    def append(self, batch: Sequence[tuple[object, ...]], kind: int = RECORDS) -> None:
        """Write a block; on OSError (a full or broken disk) the journal is as if it had not been tried."""
        if self._is_torn or self._is_unnamed:
            self._settle()
        payload = pickle.dumps(batch, 5)  # marshal: 1.6 us less for 28 lines, but its loads() trusts what it reads
        about = _ABOUT.pack(len(payload), kind, zlib.crc32(payload))
        block = b"".join((about, zlib.crc32(about).to_bytes(4, "big"), payload))
        try:
            self._write(block)
        except OSError:
            self._is_torn = True
            with suppress(OSError):  # the disk is broken or read-only now: the next append tries again
                self._settle()
            raise
        self.position += len(block)

    def append_at_all_costs(self, batch: Sequence[tuple[object, ...]]) -> None:
        """append(); on a full disk, in the space of the reserve."""
        try:
            self.append(batch)
        except OSError:
            self.release_reserve()
            self.append(batch)

    def roll(self) -> None:
        """Begin a new segment, unless the last one is empty. Raises OSError; the new one may be begun all the same."""
        if self.position == self._firsts[-1]:
            return
        if self._is_torn:
            self._settle()  # a segment that has a successor must end where that begins
        self._begin(self._firsts, 0)

    def begin_again(self) -> None:
        """Begin a new segment, in a new folder if need be, because one was removed; remove the others. Raises OSError.

        A reader that is not so far counts the missing bytes (`Tail.gap`), and must find no segment that ends in a hole.
        """
        make_folder(self._folder)
        former, self._is_torn = self._firsts, False
        self._begin([], os.O_EXCL)  # a file of that name would not be the journal's
        for first in former:
            try:
                self._remove(first)
            except OSError:  # it must not stay a segment, or no server could ever start with that hole again
                path = segment(self._folder, first)
                path.rename(path.with_suffix(".not-kept"))

    def _begin(self, former: list[int], flags: int) -> None:
        fd = self._open(self.position, flags)
        os.close(self._fd)
        self._fd = fd
        self._firsts = [*former, self.position]
        self._is_unnamed = True
        self._settle()

    @property
    def is_whole(self) -> bool:
        """Whether all segments are still where they were put: a user may have moved or removed files."""
        try:
            there = os.path.samestat(os.stat(self._path), os.fstat(self._fd))
        except OSError:
            return False
        return there and set(self._firsts) <= set(segments(self._folder))

    def segments_from(self, position: int) -> list[Path]:
        """The segments, without the last, that have something behind this position."""
        pairs = zip(self._firsts, self._firsts[1:], strict=False)
        return [segment(self._folder, first) for first, following in pairs if following > position]

    def trim(self, before: int) -> None:
        """Remove the segments that end at or before this position; never the last one. Raises OSError."""
        while len(self._firsts) > 1 and self._firsts[1] <= before:
            self._remove(self._firsts[0])
            del self._firsts[0]

    def _remove(self, first: int) -> None:
        """Nobody who starts again needs this segment. Raises OSError."""
        path = segment(self._folder, first)
        if self._kept is None:
            path.unlink(missing_ok=True)
        elif path.exists():  # else somebody has removed it
            make_folder(self._kept)
            _move(path, self._kept / path.name)

    def release_reserve(self) -> None:
        """Give the reserve's space back to the disk."""
        with suppress(OSError):  # on a read-only disk it would be of no use
            (self._folder / "reserve").unlink(missing_ok=True)

    def keep_reserve(self) -> bool:
        """Set space aside for a full disk; returns whether the reserve exists now."""
        path = self._folder / "reserve"
        try:
            if path.stat().st_size == RESERVE_BYTES:
                return True
        except OSError:
            pass
        try:
            path.touch(mode=0o600)
            path.write_bytes(os.urandom(RESERVE_BYTES))  # zeros take no space where the file system compresses
        except OSError:
            self.release_reserve()
            return False
        return True

    def close(self) -> None:
        os.close(self._fd)

    def _open(self, first: int, flags: int = 0) -> int:
        path = segment(self._folder, first)
        check_is_file(path)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | flags, 0o600)

    def _write(self, block: bytes) -> None:
        rest = memoryview(block)
        while rest:  # write(2) may take a part, on a disk that fills up
            rest = rest[os.write(self._fd, rest) :]
        if self._synced:
            sync_data(self._fd)

    def _settle(self) -> None:
        """Cut a torn block off, and have the disk know the segment's name. Raises OSError."""
        if self._is_torn:
            os.ftruncate(self._fd, self.position - self._firsts[-1])
            self._is_torn = False
        if self._is_unnamed and self._synced:
            sync_data(self._fd)
            sync_folder(self._folder)
            sync_folder(self._folder.parent)  # which may not know the folder yet
        self._is_unnamed = False

    def _cut_behind_a_tear(self, whole_to: int | None) -> int:
        """Each segment must end where the next one begins. Returns how many bytes were removed."""
        for number, (first, following) in enumerate(zip(self._firsts, self._firsts[1:], strict=False), 1):
            path = segment(self._folder, first)
            end = size = path.stat().st_size
            if whole_to is not None and following > whole_to:
                end = _end_of(path)
            if first + end == first + size == following:
                continue
            # A segment that begins at a snapshot had its name on the disk: one that is missing was removed.
            is_missing = first < first + end == whole_to
            if first + size > following or whole_to is None or first + end < whole_to or is_missing:
                raise _damaged(path, end, f"is where this file ends, and the next one begins at {following - first}")
            later, self._firsts = self._firsts[number:], self._firsts[:number]
            removed = [segment(self._folder, first) for first in later]
            cut = sum(each.stat().st_size for each in removed)
            for each in reversed(removed):  # a process killed half way leaves the same tear to its successor
                each.unlink()
            sync_folder(self._folder)  # or a power cut could bring them back, behind what is written from now on
            return cut
        return 0


class Tail(Generic[Held]):
    """A reader, also while another process writes: it takes whole blocks only, and goes on from segment to segment.

    It reads the blocks of one kind; those of the other are passed over, as empty ones.

    `position` is where it stands: `start`; or the first segment if that is later (`gap` counts the missing bytes); or
    the beginning of start's segment if no block ends at start, because a power cut took that end: a caller that must
    not see a record twice looks at `position` first. Raises Damaged and OSError.
    """

    @overload
    def __init__(self: "Tail[Record]", folder: Path, start: int, kind: Literal[0] = RECORDS) -> None: ...
    @overload
    def __init__(self: "Tail[Fact]", folder: Path, start: int, kind: Literal[1]) -> None: ...

    def __init__(self, folder: Path, start: int, kind: int = RECORDS) -> None:
        self.position = start
        self._kind = kind
        self.gap = 0
        self._folder = folder
        self._first = -1
        self._fd = _NO_FILE
        if firsts := segments(folder):
            self._begin(firsts)

    def take(self, limit_bytes: int = TAKE_BYTES) -> list[tuple[int, list[Held]]]:
        """The next blocks, each with the position behind it: about `limit_bytes`, but at least one.

        [] at the end, where a block may be unfinished. Raises Damaged and OSError.
        """
        while True:
            later = [first for first in segments(self._folder) if first > self._first]
            blocks = self._blocks(limit_bytes)  # read after the look: a segment with a successor has come to its end
            if blocks or not later:
                break
            if self._fd == _NO_FILE:
                self._begin(later)
            else:
                self._go_on(later[0])
        path, first = segment(self._folder, self._first), self._first
        taken: list[tuple[int, list[Held]]] = [
            (first + end, _entries(payload, path, end) if kind == self._kind else []) for end, kind, payload in blocks
        ]
        if taken:
            self.position = taken[-1][0]
        return taken

    def close(self) -> None:
        if self._fd != _NO_FILE:
            os.close(self._fd)
            self._fd = _NO_FILE

    def _begin(self, firsts: list[int]) -> None:
        """Open the segment that has the position, or the first one."""
        start = self.position
        first = max((first for first in firsts if first <= start), default=firsts[0])
        if not self._enter(first):
            return  # removed just now; the next take() finds another
        if start < first:
            self.gap += first - start
        elif _is_end(self._fd, segment(self._folder, first), start - first):
            return
        self.position = first

    def _go_on(self, first: int) -> None:
        """From the end of one segment to the beginning of the segment `first`. Raises Damaged."""
        path = segment(self._folder, self._first)
        ended = self._first + os.fstat(self._fd).st_size
        if self.position != ended or (first != ended and path.exists()):
            raise _damaged(path, self.position - self._first, "is the last whole block, and more must follow")
        if self._enter(first):
            self.gap += first - self.position
            self.position = first

    def _enter(self, first: int) -> bool:
        path = segment(self._folder, first)
        check_is_file(path)
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        self.close()
        self._fd, self._first = fd, first
        return True

    def _blocks(self, limit: int) -> list[_Block]:
        if self._fd == _NO_FILE:
            return []
        path = segment(self._folder, self._first)
        try:
            return _blocks(self._fd, path, self.position - self._first, limit)
        except Damaged:  # or a writer has cut a torn end and written in its place meanwhile: read again
            return _blocks(self._fd, path, self.position - self._first, limit)


def segments(folder: Path) -> list[int]:
    """The first positions of the segments in a folder, in order."""
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return []
    return sorted(int(name[:20]) for name in names if _NAME.fullmatch(name))


def journal_end(folder: Path) -> int:
    """The position behind all that is in the segments of a folder. Raises OSError."""
    last = max(segments(folder), default=None)
    return 0 if last is None else last + segment(folder, last).stat().st_size


def segment(folder: Path, first: int) -> Path:
    """The file of the segment that begins at this position."""
    return folder / f"{first:020}.journal"


def _move(path: Path, to: Path) -> None:
    """Also to another disk, where a link may lead: then it is all there under its name before it goes here."""
    try:
        path.rename(to)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        copy = to.with_suffix(".new")
        shutil.copyfile(path, copy)
        sync_file(copy)
        copy.rename(to)
        path.unlink()


def make_folder(folder: Path) -> None:
    """Make it, if it is missing. Raises OSError, also where a file has its name, or a link that leads nowhere."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except FileExistsError as error:  # which does not say what is wrong with that
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), error.filename) from None


def check_is_file(path: Path) -> None:
    """Raises Damaged where something else has this name: who opens a FIFO may wait for ever. Raises OSError."""
    with suppress(FileNotFoundError):
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise Damaged(f"{full_name(path)}: it is no file, but something else of that name. {WITHOUT_THE_PAST}")


def sync_file(path: Path) -> None:
    """Wait until the disk has what any process has written to a file."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        sync_data(fd)
    finally:
        os.close(fd)


def sync_data(fd: int) -> None:
    """Wait until the disk has a file's content."""
    getattr(os, "fdatasync", os.fsync)(fd)  # macOS has no fdatasync


def sync_folder(folder: Path) -> None:
    """Wait until the disk has the names in a folder."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def records(fd: int, path: Path, first: int, start: int) -> Iterator[tuple[int, list[Record]]]:
    """The whole blocks of records of an open segment that begins at `first`, from the position `start` on, at which a
    block must begin: each with its own position. Raises Damaged.
    """
    at = start - first
    while blocks := _blocks(fd, path, at, TAKE_BYTES):
        for end, kind, payload in blocks:
            if kind == RECORDS:
                yield first + at, _entries(payload, path, end)
            at = end


def whole_end(fd: int, path: Path) -> int:
    """The offset at which the last whole block of an open segment ends. Raises Damaged, also where a writer has just
    cut a torn end and written in its place: then the next look says what there is.
    """
    end = 0
    while blocks := _blocks(fd, path, end, _SCAN_BYTES):
        end = blocks[-1][0]
    return end


def _blocks(fd: int, path: Path, at: int, limit: int) -> list[_Block]:
    """The whole blocks from offset `at` on, about `limit` bytes but one at least."""
    data = os.pread(fd, max(limit, _HEAD.size), at)
    found: list[_Block] = []
    block = 0
    while len(data) - block >= _HEAD.size:
        length, kind, crc, head_crc = _HEAD.unpack_from(data, block)
        payload = block + _HEAD.size
        end = payload + length
        if zlib.crc32(data[block : block + _ABOUT.size]) != head_crc:
            if _zeros(fd, at + block, at + payload):
                break
            raise _damaged(path, at + block, "is no block's beginning")
        if len(data) < end and not found:
            data = os.pread(fd, end, at)
        if len(data) < end:
            break
        if zlib.crc32(data[payload:end]) != crc:
            if _zeros(fd, at + block, at + end):
                break
            raise _damaged(path, at + block, "begins a block whose checksum is wrong")
        found.append((at + end, kind, data[payload:end]))
        block = end
    return found


def _zeros(fd: int, block: int, end: int) -> bool:
    """Whether this last block is torn: after a power cut a file may have its full length, and zeros at the end."""
    rest = os.pread(fd, os.fstat(fd).st_size - block, block)
    return not (rest[end - block :].strip(b"\0") or rest[-_ZEROS:].strip(b"\0"))


def _end_of(path: Path) -> int:
    check_is_file(path)
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return whole_end(fd, path)
    finally:
        os.close(fd)


def _is_end(fd: int, path: Path, offset: int) -> bool:
    """Whether a block ends at this offset."""
    end = 0
    while end < offset and (blocks := _blocks(fd, path, end, _SCAN_BYTES)):
        end = next((end for end, *_ in blocks if end >= offset), blocks[-1][0])
    return end == offset


def _entries(payload: bytes, path: Path, end: int) -> list[Held]:
    """Its checksum is right, so this server has written it: only what is no pickle of plain values is refused."""
    try:
        return load(payload)  # type: ignore[no-any-return]
    except BadFrame as error:
        raise _damaged(path, end - len(payload), f"begins what no server writes ({error})") from error


def full_name(path: Path) -> str:
    """The absolute path for a person to read: names are relative to the data directory, which may have been renamed."""
    try:
        return os.path.abspath(path)
    except FileNotFoundError:  # the working directory is removed
        return str(path)


def _damaged(path: Path, offset: int, what: str) -> Damaged:
    return Damaged(
        f"{full_name(path)}: byte {offset} {what}. The disk, or a person, has changed this file. {WITHOUT_THE_PAST}"
    )
