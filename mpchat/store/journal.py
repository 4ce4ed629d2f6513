"""The journal: every batch of records the core was given, in order, in append-only files that follow one another.

A position counts all bytes ever journaled. A segment's file is named by its first position, and holds blocks:

    length (4 bytes)  kind (1)  crc32 of the content (4)  crc32 of these nine bytes (4)  the content: a pickle

A block holds records, or facts: what was said in the blocks since the last facts. These follow from the records, so
whoever replays leaves them out; but the history, which cannot apply records, needs nothing else.

One write() a batch, before anything that depends on it leaves the broker: the page cache outlives a killed process,
and fdatasync() a power cut too. An end that a crash tore off is cut, for nobody was ever told of it. Anything else that
is not as it was written raises Damaged: nothing that may have been acknowledged is skipped in silence.
"""

import os
import pickle
import re
import struct
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

from mpchat.ipc.frame import BadFrame, load

Record = tuple[Any, ...]

RECORDS, FACTS = range(2)  # the kinds of blocks

RESERVE_BYTES = 1 << 20  # room for some ten thousand refusals on a disk that is full
TAKE_BYTES = 1 << 20  # what a reader takes at once: some ten thousand lines, a few tens of ms of work

_HEAD = struct.Struct("!IBII")
_ABOUT = struct.Struct("!IBI")  # all of it but its own checksum
_SCAN_BYTES = 1 << 20  # read at once where only the checksums matter
_ZEROS = 16  # this many at the very end are no block's: a pickle ends in opcodes that are not 0
_NAME = re.compile(r"\d{20}\.journal")
_NO_FILE = -1

_Block = tuple[int, int, bytes]  # offset behind it, kind, content


class Damaged(Exception):
    """A file is not as it was written. Its text says which one, where, and what can be done."""


class Journal:
    """The one writer. It makes its folder, goes on after the last whole block, and closes its descriptor in close().

    `synced`: an append is on the disk before it returns. Raises Damaged and OSError.
    """

    def __init__(self, folder: Path, synced: bool = False) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._synced = synced
        self._firsts = segments(folder) or [0]
        for first, following in zip(self._firsts, self._firsts[1:], strict=False):
            if first + segment(folder, first).stat().st_size != following:
                raise _damaged(segment(folder, first), following - first, "is not where this file ends; the next one")
        self._fd = self._open(self._firsts[-1])
        try:
            end = _end(self._fd, self._path)
        except Damaged:
            self.close()
            raise
        os.ftruncate(self._fd, end)
        self.position = self._firsts[-1] + end
        self._sync()  # what a killed writer had not synced is replayed, and then acknowledged
        self.keep_reserve()

    @property
    def size(self) -> int:
        """Bytes in all segments."""
        return self.position - self._firsts[0]

    @property
    def _path(self) -> Path:
        return segment(self._folder, self._firsts[-1])

    def append(self, batch: list[Record], kind: int = RECORDS) -> None:
        """Write a batch; on OSError (a full disk, a broken one) the journal is as if it had not been tried."""
        payload = pickle.dumps(batch, 5)  # marshal: 1.6 us less for 28 lines, but its loads() trusts what it reads
        about = _ABOUT.pack(len(payload), kind, zlib.crc32(payload))
        block = b"".join((about, zlib.crc32(about).to_bytes(4, "big"), payload))
        try:
            self._write(block)
        except OSError:
            os.ftruncate(self._fd, self.position - self._firsts[-1])
            raise
        self.position += len(block)

    def append_at_all_costs(self, batch: list[Record]) -> None:
        """The same, on a full disk in the space of the reserve."""
        try:
            self.append(batch)
        except OSError:
            self.release_reserve()
            self.append(batch)

    def roll(self) -> None:
        """Begin a new segment, unless this one is empty."""
        if self.position == self._firsts[-1]:
            return
        fd = self._open(self.position)
        os.close(self._fd)
        self._fd = fd
        self._firsts.append(self.position)
        self._sync()

    def trim(self, before: int) -> None:
        """Remove the segments that end at or before this position; never the last one."""
        while len(self._firsts) > 1 and self._firsts[1] <= before:
            segment(self._folder, self._firsts[0]).unlink(missing_ok=True)
            del self._firsts[0]

    def release_reserve(self) -> None:
        """Give back the space that was kept for a full disk."""
        (self._folder / "reserve").unlink(missing_ok=True)

    def keep_reserve(self) -> bool:
        """Set space aside for a full disk; whether it stands now."""
        path = self._folder / "reserve"
        with suppress(FileNotFoundError):
            if path.stat().st_size == RESERVE_BYTES:
                return True
        try:
            path.write_bytes(os.urandom(RESERVE_BYTES))  # zeros take no space where the file system compresses
        except OSError:
            path.unlink(missing_ok=True)
            return False
        return True

    def close(self) -> None:
        os.close(self._fd)

    def _open(self, first: int) -> int:
        path = segment(self._folder, first)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def _write(self, block: bytes) -> None:
        rest = memoryview(block)
        while rest:  # write(2) may take less than all, on a disk that fills up
            rest = rest[os.write(self._fd, rest) :]
        if self._synced:
            sync_data(self._fd)

    def _sync(self) -> None:
        if self._synced:
            sync_data(self._fd)
            sync_folder(self._folder)


class Tail:
    """A reader, also while another process writes: it takes whole blocks only, and goes on from segment to segment.

    It reads blocks of one kind; those of the other it takes unread, as if they were empty.

    `position` is where it stands: `start`, or the first segment if that is later (`gap` then counts the bytes that
    are gone), or the beginning of start's segment if no block ends at start: a power cut took the end that was there,
    and who must not see a record twice looks at `position` first. Raises Damaged and OSError.
    """

    def __init__(self, folder: Path, start: int, kind: int = RECORDS) -> None:
        self.position = start
        self._kind = kind
        self.gap = 0
        self._folder = folder
        self._first = -1
        self._fd = _NO_FILE
        if firsts := segments(folder):
            self._begin(firsts)

    def take(self, limit_bytes: int = TAKE_BYTES) -> list[tuple[int, list[Record]]]:
        """The next batches, each with the position after it: about so many bytes, but one at least if there is one.

        [] at the end; what is torn there may become whole.
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
        taken = [
            (first + end, _records(payload, path, end) if kind == self._kind else []) for end, kind, payload in blocks
        ]
        if taken:
            self.position = taken[-1][0]
        return taken

    def close(self) -> None:
        if self._fd != _NO_FILE:
            os.close(self._fd)
            self._fd = _NO_FILE

    def _begin(self, firsts: list[int]) -> None:
        """Open the segment that holds the position, or the first one there is."""
        start = self.position
        first = max((first for first in firsts if first <= start), default=firsts[0])
        if not self._enter(first):
            return  # removed just now; the next look finds another
        if start < first:
            self.gap += first - start
        elif _is_end(self._fd, segment(self._folder, first), start - first):
            return
        self.position = first

    def _go_on(self, first: int) -> None:
        """From the end of one segment into the next that is left."""
        path = segment(self._folder, self._first)
        ended = self._first + os.fstat(self._fd).st_size
        if self.position != ended or (first != ended and path.exists()):
            raise _damaged(path, self.position - self._first, "is the last whole block, and more must follow")
        if self._enter(first):
            self.gap += first - self.position
            self.position = first

    def _enter(self, first: int) -> bool:
        try:
            fd = os.open(segment(self._folder, first), os.O_RDONLY | os.O_CLOEXEC)
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
        except Damaged:  # or a writer cut a torn end and wrote in its place, while we read
            return _blocks(self._fd, path, self.position - self._first, limit)


def segments(folder: Path) -> list[int]:
    """The first positions of the segments in a folder, in order."""
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return []
    return sorted(int(name[:20]) for name in names if _NAME.fullmatch(name))


def segment(folder: Path, first: int) -> Path:
    """The file of the segment that begins at this position."""
    return folder / f"{first:020}.journal"


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
    """Whether this last block is torn: after a power cut a file may be as long as it was, and zeros at the end."""
    rest = os.pread(fd, os.fstat(fd).st_size - block, block)
    return not (rest[end - block :].strip(b"\0") or rest[-_ZEROS:].strip(b"\0"))


def _end(fd: int, path: Path) -> int:
    """Where the last whole block ends, in a segment nobody writes to."""
    end = 0
    while blocks := _blocks(fd, path, end, _SCAN_BYTES):
        end = blocks[-1][0]
    return end


def _is_end(fd: int, path: Path, offset: int) -> bool:
    """Whether a block ends at this offset."""
    end = 0
    while end < offset and (blocks := _blocks(fd, path, end, _SCAN_BYTES)):
        end = next((end for end, *_ in blocks if end >= offset), blocks[-1][0])
    return end == offset


def _records(payload: bytes, path: Path, end: int) -> list[Record]:
    try:
        return load(payload)  # type: ignore[no-any-return]
    except (BadFrame, pickle.UnpicklingError) as error:
        raise _damaged(path, end - len(payload), f"begins what no server writes ({error})") from error


def _damaged(path: Path, offset: int, what: str) -> Damaged:
    return Damaged(
        f"{path}: byte {offset} {what}. The disk, or somebody, changed this file. Bring its folder back from a backup,"
        " or move it away to begin with an empty one"
    )
