"""A journal that the program of an earlier version wrote: each connection of then is sent the same by the core of now.

The journal, and what the core of that version made of it, are in tests/data/journal-4. What an order to a worker is
called, and how much of the output is in one order, may change; what follows for a connection may not.
"""

from __future__ import annotations

import json
import lzma
from collections.abc import Iterable, Iterator
from contextlib import closing
from io import BytesIO
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pytest

from mpchat.core.machine import Core
from mpchat.core.state import dump_asked
from mpchat.core.upgrading import question_9
from mpchat.messages import Item, Record
from mpchat.store.journal import Tail
from tests.core.driver import routed

DATA = Path(__file__).parent.parent / "data" / "journal-4"
NEW = {  # a capability, a command that HELP lists, and what another one can do besides; and what there was instead
    " mpchat.org/resume": "",
    " SEARCH": "",
    "[N or WHEN]   ": "[N]           ",
    "lines, or 20; or since 14:30": "lines, or 20",
}

Block = list[Record]
Orders = list[tuple[int, Item]]  # each with its worker


def replayed(blocks: Iterable[Block]) -> Iterator[tuple[Orders, list[Any], list[Any]]]:
    """What the core makes of each block: items for the workers, questions (connection, end, kind, about), and facts."""
    core = Core()
    for block in blocks:
        applied = core.apply(block)
        asked = [(id, end, *dump_asked(question)) for id, end, question in applied.asked]
        yield routed(applied), asked, applied.facts


class Heard:
    """What has followed for the connections of all runs. It does to each what a worker would."""

    def __init__(self) -> None:
        self.output: dict[str, list[Any]] = {}  # by run and connection: lines that it was sent, and what befell it
        self.acknowledged: dict[str, list[int]] = {}
        self.asked: list[Any] = []
        self.facts: list[Any] = []
        self._run = 0
        self._members: dict[tuple[int, int], list[int]] = {}  # by worker and group

    def follow(self, blocks: list[Block]) -> None:
        for block, (orders, asked, facts) in zip(blocks, replayed(blocks), strict=True):
            if block[0][0] == "start":
                self._run += 1
                self._members = {}
            for worker, item in orders:
                self._apply(worker, item)
            self.asked += asked
            self.facts += facts

    def _apply(self, worker: int, item: Any) -> None:
        match item:
            case ("open", connection):
                self.output[self._name(connection)] = [["open", worker]]
                self.acknowledged[self._name(connection)] = []
            case ("send", connection, data):
                self._append(connection, data)
            case ("cast", groups, data, exclude):
                for connection in dict.fromkeys(each for group in groups for each in self._members[worker, group]):
                    if connection != exclude:
                        self._append(connection, data)
            case ("join", group, connection):
                members = self._members.setdefault((worker, group), [])
                members.append(connection)
                self._befalls(connection, "join", sorted(members))
            case ("leave", group, connection):
                members = self._members[worker, group]
                members.remove(connection)
                self._befalls(connection, "leave", sorted(members))
            case ("ack", connection, end):
                self.acknowledged[self._name(connection)].append(end)
            case ("probe" | "close" as what, connection):
                self._befalls(connection, what)
            case ("drain", connection, number):
                self._befalls(connection, "drain", number)
            case ("end",):
                self.output[f"{self._run}: worker {worker}"] = [["end"]]
            case _:
                raise AssertionError(f"an unknown item: {item}")

    def _append(self, connection: int, data: bytes) -> None:
        assert data.endswith(b"\n")
        self.output[self._name(connection)] += [line.decode("latin-1") for line in BytesIO(data)]

    def _befalls(self, connection: int, *what: Any) -> None:
        self.output[self._name(connection)].append(list(what))

    def _name(self, connection: int) -> str:
        return f"{self._run}: {connection}"


def read(folder: Path) -> list[Block]:
    """The blocks of records of a data directory's journal."""
    blocks: list[Block] = []
    with closing(Tail(folder / "journal", 0)) as tail:
        while some := tail.take():
            blocks += [block for _, block in some if block]
    return blocks


def apart(output: list[Any]) -> tuple[list[Any], list[Any]]:
    """All but the waits for a client, and these."""
    waits = [what for what in output if what[0] == "drain"]
    return [what for what in output if what not in waits], waits


def without_new(what: Any) -> Any:
    """A line, or what befell a connection, without what this program says besides, and that one did not."""
    for new, old in NEW.items() if isinstance(what, str) else ():
        what = what.replace(new, old)
    return what


@pytest.fixture(scope="module")
def now(tmp_path_factory: pytest.TempPathFactory) -> Heard:
    folder = tmp_path_factory.mktemp("data")
    (folder / "journal").mkdir()
    (folder / "journal" / f"{0:020}.journal").write_bytes(lzma.decompress((DATA / "journal.xz").read_bytes()))
    heard = Heard()
    heard.follow(read(folder))
    return heard


@pytest.fixture(scope="module")
def then() -> dict[str, Any]:
    expected: dict[str, Any] = json.loads(lzma.decompress((DATA / "expected.xz").read_bytes()))
    return expected


def test_each_connection_is_sent_the_same(now: Heard, then: dict[str, Any]) -> None:
    """In the same order, among its closing and the groups that it is in, with the members that they have then.

    After how much it is waited for depends on how much it is told, and that is a little more now.
    """
    assert now.output.keys() == then["output"].keys()
    for connection, expected in then["output"].items():
        (found, waits), (old, old_waits) = map(apart, (now.output[connection], expected))
        assert waits == old_waits
        for number, (one, other) in enumerate(zip_longest(found, old)):
            assert without_new(one) == other, f"{number} of {connection}"


def test_the_same_input_is_acknowledged(now: Heard, then: dict[str, Any]) -> None:
    assert now.acknowledged == then["acknowledged"]


def test_the_same_is_asked_and_told_to_the_history(now: Heard, then: dict[str, Any]) -> None:
    """But for the operators' passwords: today they wait for their turn, and these were answered before it came."""
    asked = [each for each in then["asked"] if each[2] != "oper"]
    assert json.loads(json.dumps(now.facts)) == then["facts"]
    asked = [(id, end, *question_9(*question)) for id, end, *question in asked]
    assert json.loads(json.dumps([each for each in now.asked if each[2] != "oper"])) == json.loads(json.dumps(asked))
