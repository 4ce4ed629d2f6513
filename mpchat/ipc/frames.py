"""Frames: tuples, lists, dicts, numbers, text and bytes, as a pickle of bounded length.

A pickle can name any function to be called (pickle's own warning), so the reader refuses every class and function: a
worker that hostile bytes have taken over cannot take over the broker.
"""

import io
import pickle
import struct
from typing import Any

from mpchat.messages import BadFrame

FRAME_BYTES = 64 << 20  # far above any batch (credits end at a few MiB); a length beyond it is no frame's

LOOK_SECONDS = 0.5  # between two looks at unfinished frames

_LENGTH = struct.Struct("!I")

# What unpickling raises at bytes that no pickler wrote (pickle.Unpickler promises no list). Fuzzed in
# tests/ipc/test_frames.py.
_NO_PICKLE = (
    pickle.UnpicklingError,
    EOFError,
    AttributeError,
    ImportError,
    LookupError,
    TypeError,
    ValueError,
    ArithmeticError,
    MemoryError,
    RecursionError,
    BufferError,
    AssertionError,
)


class Progress:
    """Finds a stream whose frame does not end: four wrong bytes can announce a large frame that never comes.

    It counts looks, not time: while all processes were stopped (Ctrl-Z), no time-out must expire.
    """

    def __init__(self) -> None:
        self._frames = 0
        self._looks = 0

    def look(self, frames: int, is_torn: bool, most: int) -> None:
        """To be called every LOOK_SECONDS with the number of whole frames so far, and whether part of another is there.

        Raises BadFrame at the look number `most` at the same part; 0: never.
        """
        self._looks = self._looks + 1 if is_torn and frames == self._frames else 0
        self._frames = frames
        if 0 < most <= self._looks:
            raise BadFrame("a frame that does not end")


def most_looks(hang_limit: float) -> int:
    """How many looks may find the same frame unfinished: twice the hang limit (s); 0: any number.

    Twice, so that a writer that was stopped in the middle of a frame is killed first, for hanging.
    """
    return int(2 * hang_limit / LOOK_SECONDS)


class _Plain(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        raise BadFrame(f"a frame names {module}.{name}")


def load(data: bytes | memoryview) -> Any:
    """The object in one pickle, of any type. Raises BadFrame if it is no pickle, or names a class or a function."""
    try:
        return _Plain(io.BytesIO(data)).load()
    except _NO_PICKLE as error:
        raise BadFrame(f"no pickle: {error!r}") from error


def pack(message: object) -> bytes:
    """One frame with its length (4 bytes) in front, for a stream socket."""
    body = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    return _LENGTH.pack(len(body)) + body


def missing(stream: bytearray) -> int:
    """How many bytes must be read at least before the first frame is whole; 0: it is, or unpack() will refuse it."""
    if len(stream) < _LENGTH.size:
        return _LENGTH.size - len(stream)
    (length,) = _LENGTH.unpack_from(stream)
    return max(0, _LENGTH.size + length - len(stream)) if length <= FRAME_BYTES else 0


def unpack(stream: bytearray) -> list[object]:
    """Take the whole frames off the front of `stream`. Raises BadFrame."""
    messages: list[object] = []
    at = 0
    while len(stream) - at >= _LENGTH.size:
        (length,) = _LENGTH.unpack_from(stream, at)
        if length > FRAME_BYTES:
            raise BadFrame(f"a frame of {length} bytes")
        end = at + _LENGTH.size + length
        if len(stream) < end:
            break
        messages.append(load(bytes(stream[at + _LENGTH.size : end])))
        at = end
    del stream[:at]
    return messages
