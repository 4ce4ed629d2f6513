"""Frames: tuples, numbers, text and bytes as a pickle of bounded length, and nothing else.

pickle can be told to run any code, so the reader refuses every class and function, and a worker that was taken over by
hostile bytes cannot take over the broker.
"""

import io
import pickle
import struct
from typing import Any

FRAME_BYTES = 64 << 20  # far above any batch (credits end at a few MiB); a length beyond it is nonsense

_LENGTH = struct.Struct("!I")
LENGTH_BYTES = _LENGTH.size


class BadFrame(Exception):
    """What came was not written by a process of ours."""


class _Plain(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        raise BadFrame(f"a frame names {module}.{name}")


def load(data: bytes | memoryview) -> Any:
    """The object in one pickle."""
    return _Plain(io.BytesIO(data)).load()


def pack(message: Any) -> bytes:
    """One frame with its length in front, for a stream socket."""
    body = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    return _LENGTH.pack(len(body)) + body


def length_of(head: bytes) -> int:
    """How many bytes follow these first LENGTH_BYTES of a frame."""
    (length,) = _LENGTH.unpack(head)
    return int(length)


def unpack(stream: bytearray) -> list[Any]:
    """Take the whole frames off the front of what was read so far."""
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
