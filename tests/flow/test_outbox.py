"""flow/outbox: a new worker that gets what the outbox has is where its dead predecessor was."""

from __future__ import annotations

import pickle
from random import Random
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from mpchat.flow.outbox import ITEM_BYTES, Outbox, weight
from mpchat.ipc.frames import load

Item = tuple[Any, ...]
Entry = tuple[Any, ...]


class Model:
    """A worker as it would be if nobody ever died: who is in which group, and all the bytes ever put into an output."""

    def __init__(self) -> None:
        self.output: dict[int, bytes] = {}
        self.closing: set[int] = set()
        self.groups: dict[int, set[int]] = {}

    def apply(self, item: Item) -> None:
        match item:
            case ("open", connection):
                self.output[connection] = b""
            case ("send", connection, data):
                self.output[connection] += data
            case ("cast", groups, data, but):
                for connection in set().union(*(self.groups[group] for group in groups)) - {but}:
                    self.output[connection] += data
            case ("join", group, connection):
                self.groups.setdefault(group, set()).add(connection)
            case ("leave", group, connection):
                self.groups[group].remove(connection)
                if not self.groups[group]:
                    del self.groups[group]
            case ("close", connection):
                self.closing.add(connection)


class Worker(Model):
    """One that may die. Of an output it may know the end only, and what the kernel has taken it keeps no longer."""

    def __init__(self, outbox: Any) -> None:
        super().__init__()
        self.position = outbox.base
        self.before: dict[int, int] = {}  # bytes of each output that it has never seen
        self.sent: dict[int, int] = {}
        self.reported: dict[int, int] = {}
        self.forgotten: list[int] = []
        self.is_new = True
        for connection, total, unsent, is_closing in outbox.connections():
            self.output[connection] = unsent
            self.before[connection] = self.sent[connection] = total - len(unsent)
            if is_closing:
                self.closing.add(connection)
        for group, members in outbox.groups():
            assert members
            self.groups[group] = set(members)

    def apply(self, item: Item) -> None:
        super().apply(item)
        if item[0] == "open":
            self.before[item[1]] = self.sent[item[1]] = 0
        self.position += 1

    def total(self, connection: int) -> int:
        return self.before[connection] + len(self.output[connection])

    def entry(self, connection: int) -> Entry:
        """Of this connection in a checkpoint: worker/checkpoints.py says the same of real ones."""
        total = self.total(connection)
        unsent = total - self.sent[connection]
        new = min(total - self.reported.get(connection, 0), unsent)
        self.reported[connection] = total
        return connection, total, self.output[connection][len(self.output[connection]) - new :], unsent


class Story(RuleBasedStateMachine):
    """Items are decided, the worker follows, sends, tells how far it is; and it dies, or the broker does."""

    @initialize()
    def begin(self) -> None:
        self.outbox: Any = Outbox()
        self.all = Model()  # at the last item
        self.items: list[Item] = []  # all that there ever were
        self.kernel: dict[int, int] = {}  # bytes that it has taken of each output
        self.last_connection = 0
        self.worker = Worker(self.outbox)
        self.snapshot()

    @property
    def here(self) -> list[int]:
        return [connection for connection in self.all.output if connection not in self.all.closing]

    def decide(self, items: list[Item]) -> None:
        self.outbox.add(items)
        self.items += items
        for item in items:
            self.all.apply(item)

    # What the broker does

    @rule(count=st.integers(1, 3))
    def connect(self, count: int) -> None:
        first = self.last_connection + 1
        self.last_connection += count
        for connection in range(first, first + count):
            self.kernel[connection] = 0
        self.decide([("open", connection) for connection in range(first, first + count)])

    @precondition(lambda self: self.here)
    @rule(data=st.data(), group=st.integers(1, 3))
    def come_or_go(self, data: st.DataObject, group: int) -> None:
        connection = data.draw(st.sampled_from(self.here))
        is_in = connection in self.all.groups.get(group, ())
        self.decide([("leave" if is_in else "join", group, connection)])

    @precondition(lambda self: self.here)
    @rule(data=st.data(), texts=st.lists(st.binary(max_size=5), min_size=1, max_size=4))
    def say(self, data: st.DataObject, texts: list[bytes]) -> None:
        """To a connection or to its groups; all in one batch."""
        items: list[Item] = []
        for text in texts:
            connection = data.draw(st.sampled_from(self.here))
            groups = tuple(group for group, members in self.all.groups.items() if connection in members)
            is_cast = bool(groups) and data.draw(st.booleans())
            items.append(("cast", groups, text, connection) if is_cast else ("send", connection, text))
            items.append(("ack", connection, 7))
        self.decide(items)

    @precondition(lambda self: self.here)
    @rule(data=st.data())
    def close(self, data: st.DataObject) -> None:
        connection = data.draw(st.sampled_from(self.here))
        groups = [group for group, members in self.all.groups.items() if connection in members]
        self.decide([*(("leave", group, connection) for group in groups), ("close", connection)])

    # What the worker does

    @rule(count=st.integers(1, 10))
    def follow(self, count: int) -> None:
        for item in self.outbox.after(self.worker.position)[:count]:
            self.worker.apply(item)

    @rule(random=st.randoms(use_true_random=False))
    def send(self, random: Random) -> None:
        """The kernel takes some of everybody's output."""
        worker = self.worker
        for connection in worker.output:
            worker.sent[connection] = self.kernel[connection] = random.randint(
                worker.sent[connection], worker.total(connection)
            )

    @rule(data=st.data())
    def end_connections(self, data: st.DataObject) -> None:
        """Those that are closing are closed at last, some of them with output that nobody will ever take."""
        worker = self.worker
        gone = data.draw(st.sets(st.sampled_from(sorted(worker.closing)))) if worker.closing else set[int]()
        for connection in sorted(gone):
            worker.closing.remove(connection)
            del worker.output[connection]
            worker.forgotten.append(connection)

    @rule(data=st.data(), parts=st.integers(1, 3))
    def checkpoint(self, data: st.DataObject, parts: int) -> None:
        """Its messages arrive, all of them or some."""
        worker = self.worker
        entries = [worker.entry(connection) for connection in worker.output]
        cuts = sorted(data.draw(st.lists(st.integers(0, len(entries)), min_size=parts - 1, max_size=parts - 1)))
        pieces = [entries[start:end] for start, end in zip([0, *cuts], [*cuts, len(entries)], strict=True)]
        messages: list[tuple[int, list[Entry], list[int] | None]] = [(0, piece, []) for piece in pieces]
        messages[-1] = worker.position, pieces[-1], None if worker.is_new else worker.forgotten
        arriving = data.draw(st.integers(0, parts)) if data.draw(st.booleans()) else parts
        for message in messages[:arriving]:
            self.outbox.checkpoint(*message)
        worker.forgotten, worker.is_new = [], False
        if arriving < parts:
            self.replace_worker()
        else:
            assert self.outbox.base == worker.position

    # Deaths

    @rule()
    def replace_worker(self) -> None:
        self.outbox.abandon()
        self.worker = Worker(self.outbox)
        for item in self.outbox.after(self.worker.position):
            self.worker.apply(item)
        for connection in self.worker.output:
            self.worker.sent[connection] = self.kernel[connection]  # as the kernel says

    @rule()
    def snapshot(self) -> None:
        self.saved = self.outbox.last, pickle.dumps(self.outbox.dump())

    @rule()
    def replace_broker(self) -> None:
        """The next one loads a snapshot, and applies what was decided since; the worker tells it everything."""
        position, state = self.saved
        self.outbox = Outbox.load(load(state))
        if position < len(self.items):
            self.outbox.add(self.items[position:])
        self.worker.reported = {}
        self.worker.is_new = True

    # What must be true

    @invariant()
    def a_new_worker_would_be_where_a_dead_one_was(self) -> None:
        heir = Worker(self.outbox)
        assert heir.position == self.outbox.base
        for item in self.outbox.after(heir.position):
            heir.apply(item)
        assert heir.position == self.outbox.last == len(self.items)
        assert heir.groups == self.all.groups
        assert heir.closing == self.all.closing & set(heir.output)
        assert set(heir.output) >= set(self.here), "only those that were closed may be missing"
        for connection, output in heir.output.items():
            whole = self.all.output[connection]
            assert heir.total(connection) == len(whole)
            assert whole.endswith(output)
            assert heir.before[connection] <= self.kernel[connection], "something unsent has been forgotten"

    @invariant()
    def no_more_is_kept_than_is_needed(self) -> None:
        assert self.outbox.after(self.outbox.base) == self.items[self.outbox.base :]


TestStory = Story.TestCase


def outbox_of(*batches: list[Item]) -> Any:
    outbox: Any = Outbox()
    for batch in batches:
        outbox.add(batch)
    return outbox


ITEMS: list[Item] = [("send", 1, b"%d" % number) for number in range(1, 7)]


def test_items_after_a_position_wherever_the_batches_end() -> None:
    outbox = outbox_of(ITEMS[:2], ITEMS[2:3], ITEMS[3:])
    for position in range(7):
        assert outbox.after(position) == ITEMS[position:]


@pytest.mark.parametrize("position", [-1, 1, 7])
def test_a_place_that_is_not_kept_is_refused(position: int) -> None:
    outbox = outbox_of(ITEMS)
    outbox.checkpoint(2, [], [])
    with pytest.raises(ValueError, match=f"kept from 2 to 6, not from {position}"):
        outbox.after(position)


def test_a_checkpoint_in_the_middle_of_a_batch_keeps_its_rest() -> None:
    outbox = outbox_of(ITEMS)
    outbox.checkpoint(4, [], [])
    assert outbox.base == 4
    assert outbox.after(4) == ITEMS[4:]


def test_an_unfinished_checkpoint_changes_nothing() -> None:
    outbox = outbox_of([("open", 1), ("open", 2), *ITEMS])
    outbox.checkpoint(2, [(1, 0, b"", 0)], [])
    outbox.checkpoint(0, [(1, 6, b"123456", 6)], [])
    assert outbox.connections() == [(1, 0, b"", False), (2, 0, b"", False)]
    outbox.abandon()
    outbox.checkpoint(8, [(2, 9, b"", 0)], [])
    assert outbox.connections() == [(1, 0, b"", False), (2, 9, b"", False)], "nor does it later"


def test_a_backlog_is_told_in_pieces_and_gets_shorter_at_its_front() -> None:
    outbox = outbox_of([("open", 1), *ITEMS])
    outbox.checkpoint(2, [(1, 5, b"abcde", 5)], [])
    outbox.checkpoint(3, [(1, 8, b"fgh", 6)], [])
    assert outbox.connections() == [(1, 8, b"cdefgh", False)]
    outbox.checkpoint(4, [(1, 8, b"", 1)], [])
    assert outbox.connections() == [(1, 8, b"h", False)]
    outbox.checkpoint(5, [(1, 8, b"", 0)], [])
    assert outbox.connections() == [(1, 8, b"", False)]


def test_the_last_to_leave_a_group_ends_it() -> None:
    outbox = outbox_of([("open", 1), ("open", 2), ("join", 7, 1), ("join", 7, 2), ("leave", 7, 1)])
    outbox.checkpoint(4, [], [])
    assert outbox.groups() == [(7, (1, 2))]
    outbox.checkpoint(5, [], [])
    assert outbox.groups() == [(7, (2,))]
    outbox.add([("leave", 7, 2)])
    outbox.checkpoint(6, [], [])
    assert outbox.groups() == []


def test_a_closed_connection_is_remembered_until_the_worker_has_forgotten_it() -> None:
    outbox = outbox_of([("open", 1), ("close", 1)])
    outbox.checkpoint(2, [(1, 5, b"bye", 3)], [])
    assert outbox.connections() == [(1, 5, b"bye", True)]
    outbox.checkpoint(2, [(1, 5, b"", 0)], [1])
    assert outbox.connections() == []
    assert Outbox.load(outbox.dump()).dump() == (2, 2, [], {}, {}, (), [])


def test_a_connection_that_nobody_has_opened_yet_is_no_news() -> None:
    """A worker has its socket, and announces it; it tells all of its connections to a new broker."""
    outbox = outbox_of([("open", 1)])
    outbox.checkpoint(1, [(1, 0, b"", 0), (2, 0, b"", 0)], None)
    assert outbox.connections() == [(1, 0, b"", False)]


def test_a_worker_that_tells_all_has_forgotten_the_others() -> None:
    outbox = outbox_of([("open", 1), ("open", 2), ("open", 3), ("close", 2)])
    outbox.checkpoint(0, [(3, 0, b"", 0)], [])
    outbox.checkpoint(4, [(1, 0, b"", 0)], None)
    assert [place[0] for place in outbox.connections()] == [1, 3]


@pytest.mark.parametrize(
    ("items", "text_bytes"),
    [
        ([], 0),
        ([("open", 1), ("ack", 1, 500), ("join", 7, 1)], 0),
        ([("send", 1, b"hola"), ("cast", (7,), b"hola!", 0)], 9),
    ],
)
def test_what_items_weigh(items: list[Any], text_bytes: int) -> None:
    assert weight(items) == ITEM_BYTES * len(items) + text_bytes
