"""Frames: tuples, numbers, text and bytes as a pickle of bounded length, and nothing else.

pickle can be told to run any code, so the reader refuses every class and function, and a worker that was taken over by
hostile bytes cannot take over the broker.
"""

import io
import pickle
import struct
from typing import Any

from mpchat.messages import BadFrame

FRAME_BYTES = 64 << 20  # far above any batch (credits end at a few MiB); a length beyond it is nonsense

LOOK_SECONDS = 0.5  # between two looks at what has not come whole

_LENGTH = struct.Struct("!I")

# What unpickling raises at bytes that no pickler wrote: whatever the opcode at hand stumbles over (pickle.Unpickler
# promises no list). Fuzzed in tests/ipc/test_frames.py.
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
    """Of a stream of frames. What looks like the beginning of a large one may be nonsense, of which no rest ever comes.

    It counts looks, not time: if all processes have been stopped meanwhile (Ctrl-Z), nobody has waited.
    """

    def __init__(self) -> None:
        self._frames = 0
        self._looks = 0

    def look(self, frames: int, is_torn: bool, most: int) -> None:
        """To be called every LOOK_SECONDS: so many frames have come, and part of another one if `is_torn`.

        Raises BadFrame at the look number `most` at the same part; 0: never.
        """
        self._looks = self._looks + 1 if is_torn and frames == self._frames else 0
        self._frames = frames
        if 0 < most <= self._looks:
            raise BadFrame("a frame that does not end")


def most_looks(hang_limit: float) -> int:
    """How many looks may find the same frame unfinished, where a process may hang for so many seconds; 0: any number.

    Twice as long: a writer that was stopped in the middle of a frame hangs, and is killed for that.
    """
    return int(2 * hang_limit / LOOK_SECONDS)


class _Plain(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        raise BadFrame(f"a frame names {module}.{name}")


def load(data: bytes | memoryview) -> Any:
    """The object in one pickle. Raises BadFrame if it is none, or names a class or a function."""
    try:
        return _Plain(io.BytesIO(data)).load()
    except _NO_PICKLE as error:
        raise BadFrame(f"no pickle: {error!r}") from error


def pack(message: Any) -> bytes:
    """One frame with its length in front, for a stream socket."""
    body = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    return _LENGTH.pack(len(body)) + body


def missing(stream: bytearray) -> int:
    """How many bytes the first frame of this stream lacks, as far as what is there tells; 0: unpack() has to do."""
    if len(stream) < _LENGTH.size:
        return _LENGTH.size - len(stream)
    (length,) = _LENGTH.unpack_from(stream)
    return max(0, _LENGTH.size + length - len(stream)) if length <= FRAME_BYTES else 0


def unpack(stream: bytearray) -> list[Any]:
    """Take the whole frames off the front of what was read so far. Raises BadFrame."""
    messages, at = [], 0
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
