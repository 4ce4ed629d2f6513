"""Frames: what one process wrote the other reads, in whatever pieces it comes; and nothing but plain values."""

from __future__ import annotations

import collections
import os
import pickle
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpchat.ipc.frame import FRAME_BYTES, BadFrame, load, pack, unpack

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
