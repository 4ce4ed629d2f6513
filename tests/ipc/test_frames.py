"""Frames: what one process wrote the other reads, in whatever pieces it comes; and nothing but plain values."""

from __future__ import annotations

import collections
import contextlib
import os
import pickle
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpchat.ipc.frames import FRAME_BYTES, Progress, load, missing, most_looks, pack, unpack
from mpchat.messages import BadFrame, UnknownMessage

_PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.binary() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.tuples(inner, inner),
    max_leaves=8,
)


@given(st.lists(_PLAIN, max_size=6), st.lists(st.integers(1, 40), min_size=1, max_size=20))
def test_any_messages_in_any_pieces(messages: list[Any], sizes: list[int]) -> None:
    data = b"".join(pack(message) for message in messages)
    stream, read, at = bytearray(), [], 0
    for turn in range(len(data)):
        size = sizes[turn % len(sizes)]
        stream += data[at : at + size]
        at += size
        read += unpack(stream)
    assert read == messages
    assert not stream


def test_a_torn_frame_waits_for_its_rest() -> None:
    data = pack(("a", 1)) + pack(("b", 2))
    stream = bytearray(data[:-1])
    assert unpack(stream) == [("a", 1)]
    assert unpack(stream) == []
    stream += data[-1:]
    assert unpack(stream) == [("b", 2)]


class Touch:
    """Unpickled by an ordinary reader it makes a file: what a worker in a stranger's hands might send."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def test_a_frame_cannot_run_code(tmp_path: Path) -> None:
    with pytest.raises(BadFrame, match="mkdir"):
        load(pickle.dumps(Touch(tmp_path / "made")))
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    "value", [collections.OrderedDict(), os.system, BadFrame("x"), int, Path("/"), struct.Struct, {1, Path("/")}]
)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_classes_and_functions_are_refused(value: object, protocol: int) -> None:
    try:
        data = pickle.dumps(value, protocol)
    except TypeError:
        pytest.skip("this protocol cannot say it")
    with pytest.raises(BadFrame):
        load(data)


def test_a_length_beyond_every_batch_is_refused_before_anything_is_read() -> None:
    with pytest.raises(BadFrame, match=str(FRAME_BYTES + 1)):
        unpack(bytearray(struct.pack("!I", FRAME_BYTES + 1)))
    assert unpack(bytearray(struct.pack("!I", FRAME_BYTES))) == []  # this one may yet come


NOT_PICKLES = {
    "nothing": b"",
    "torn": pickle.dumps(("batch", 1, [(b"x" * 100,)]))[:-10],
    "text": b"GET / HTTP/1.1\r\n",
    "zeros": b"\0" * 16,
    "no such opcode": b"\xff",
    "an empty stack": b".",
    "a value that was never remembered": b"h\7.",
    "a list of what is none": b"K\1K\2a.",
    "a mapping with a list as its key": b"}]K\1s.",
    "a number that is none": b"Ix\n.",
    "text that is no UTF-8": b"X\2\0\0\0\xff\xff.",
    "a length below nothing": b"T\xff\xff\xff\xff.",
    "more than there can be": b"\x8e" + b"\xff" * 8 + b".",
    "another protocol": b"\x80\x63.",
    "a call of nothing": b"K\1)R.",
    "a state for a number": b"K\1}b.",
    "something kept elsewhere": b"K\1Q.",
    "an extension": b"\x82\7.",
    "a buffer outside": b"\x97.",
}


@pytest.mark.parametrize("data", NOT_PICKLES.values(), ids=NOT_PICKLES.keys())
def test_what_is_no_pickle_is_a_bad_frame_and_nothing_else(data: bytes) -> None:
    with pytest.raises(BadFrame):
        load(data)


def frugal(data: bytes | bytearray) -> bool:
    """Two opcodes put a value into any place of the memory that the bytes name (PUT, LONG_BINPUT): slow, not wrong."""
    return b"r" not in data and b"p" not in data


def load_if_it_can(data: bytes) -> None:
    with contextlib.suppress(BadFrame):
        load(data)


@given(st.binary(max_size=80).filter(frugal))
def test_any_bytes_are_values_or_a_bad_frame(data: bytes) -> None:
    load_if_it_can(data)


@given(_PLAIN, st.data())
def test_a_frame_with_some_bytes_changed_is_values_or_a_bad_frame(message: Any, data: Any) -> None:
    spoiled = bytearray(pickle.dumps(message))
    for at, byte in data.draw(st.lists(st.tuples(st.integers(0, len(spoiled) - 1), st.integers(0, 255)), max_size=3)):
        spoiled[at] = byte
    if frugal(spoiled):
        load_if_it_can(bytes(spoiled))


def test_an_unknown_message_is_described_without_its_values() -> None:
    """One of them may be a password."""
    text = str(UnknownMessage(("batch" * 20, 7, b"PASS secret", ["secret"])))
    assert text == "an unknown message: ('batchbatchbatchbatch', int, bytes, list)"
    assert str(UnknownMessage("secret")) == "an unknown message: (str)"
    assert str(UnknownMessage(())) == "an unknown message: ()"
    assert len(str(UnknownMessage((1,) * 9999))) < 200


def test_how_much_of_a_frame_is_missing() -> None:
    data = pack(("a", 1))
    stream = bytearray()
    for byte in data:
        wanted = missing(stream)
        assert 0 < wanted <= len(data) - len(stream)
        stream.append(byte)
    assert missing(stream) == 0
    assert missing(bytearray(struct.pack("!I", FRAME_BYTES + 1))) == 0  # unpack() says what that is


def test_a_frame_that_does_not_end_is_none() -> None:
    progress = Progress()
    for frames in range(5):  # they come, and each look finds the beginning of another one
        progress.look(frames, True, most=2)
    progress.look(4, True, most=2)
    progress.look(4, False, most=2)  # its end has come
    progress.look(4, True, most=2)
    with pytest.raises(BadFrame):
        progress.look(4, True, most=2)


def test_without_a_hang_limit_a_frame_may_take_any_time() -> None:
    progress = Progress()
    for _ in range(1000):
        progress.look(0, True, most_looks(0))
    assert most_looks(3.0) == 12
