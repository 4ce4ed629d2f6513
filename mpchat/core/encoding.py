"""A state as bytes, and back: numbers, text, bytes, and tuples, lists and dicts of them; nothing that could run."""

import pickle
from collections.abc import Sequence
from typing import Any


def to_bytes(version: int, values: Any) -> bytes:
    """`version` is that of the program's idea of a state: it stands in front, and is looked at before anything else."""
    return _head(version) + pickle.dumps(values, pickle.HIGHEST_PROTOCOL)


def from_bytes(versions: Sequence[int], data: bytes) -> tuple[int, Any]:
    """The inverse: a version, one of these, and the values. Raises ValueError if any other wrote it."""
    for version in versions:
        head = _head(version)
        if data.startswith(head):
            return version, _Plain(_Bytes(data[len(head) :])).load()
    wanted = " or ".join(repr(_head(version)[:-1].decode()) for version in versions)
    found = data[: len(_head(max(versions)))].partition(b"\n")[0].decode(errors="replace")
    raise ValueError(f"this program reads {wanted}, and not {found!r}")


def _head(version: int) -> bytes:
    return b"mpchat state %d\n" % version


class _Plain(pickle.Unpickler):
    """pickle can be told to run any code, so no class and no function is found."""

    def find_class(self, module: str, name: str) -> Any:
        raise ValueError(f"a state names {module}.{name}")


class _Bytes:
    """What an Unpickler reads: a file in memory (io has it too, but also the files outside)."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def read(self, size: int) -> bytes:
        self._at += size
        return self._data[self._at - size : self._at]

    def readline(self) -> bytes:
        raise ValueError("no state is written in lines")  # only pickle's oldest protocols are
