"""broker/pending.py: what has come happens once, in order, and is paid for; what a dead worker had sent does not."""

from __future__ import annotations

from mpchat.broker.pending import Pending
from mpchat.flow.credit import CreditLedger
from mpchat.messages import Record

CLOCK = ("clock", 1, 1)


def lines(connection: int, count: int) -> list[Record]:
    return [("line", connection, end, b"hola") for end in range(1, count + 1)]


def all_of(pending: Pending) -> list[list[Record]]:
    """Its blocks, each settled."""
    blocks = []
    while pending:
        blocks.append(pending.block(CLOCK))
        pending.commit(0.0)
    return blocks


def test_what_came_first_happens_first_a_slice_at_a_time() -> None:
    pending = Pending(CreditLedger(2, lag_limit=0))
    pending.add_batch(0, 10, lines(1, 300))
    pending.add([("stop", "now")])
    pending.add_batch(1, 10, lines(2, 3))

    blocks = all_of(pending)

    assert all(block[0] == CLOCK and len(block) <= 1 + 128 for block in blocks)
    assert [record for block in blocks for record in block[1:]] == [*lines(1, 300), ("stop", "now"), *lines(2, 3)]


def test_time_goes_by_alone() -> None:
    pending = Pending(CreditLedger(1, lag_limit=0))
    assert pending.block(CLOCK) == [CLOCK]
    pending.commit(0.0)
    assert not pending


def test_a_block_that_has_not_happened_comes_again() -> None:
    pending = Pending(CreditLedger(1, lag_limit=0))
    pending.add_batch(0, 10, lines(1, 3))
    assert pending.block(CLOCK) == [CLOCK, *lines(1, 3)]
    pending.add_batch(0, 10, lines(2, 3))
    assert pending.block(CLOCK) == [CLOCK, *lines(1, 3), *lines(2, 3)]
    assert list(pending) == [*lines(1, 3), *lines(2, 3)]


def test_what_must_come_first_comes_alone() -> None:
    pending = Pending(CreditLedger(1, lag_limit=0))
    pending.add_batch(0, 10, lines(1, 2))
    pending.add_first([("answer", 1, True)])
    assert pending.begins_alone
    assert all_of(pending) == [[("answer", 1, True)], [CLOCK, *lines(1, 2)]]
    assert not pending.begins_alone


def test_nothing_is_nothing() -> None:
    pending = Pending(CreditLedger(1, lag_limit=0))
    pending.add([])
    pending.add_first([])
    pending.add_batch(0, 0, [])
    assert not pending


def test_credit_is_owed_when_all_of_a_batch_has_happened() -> None:
    ledger = CreditLedger(2, lag_limit=0)
    pending = Pending(ledger)
    pending.add_batch(1, 1000, lines(1, 300))
    paid = []
    while pending:
        pending.block(CLOCK)
        paid.append(ledger.pay())
        pending.commit(0.0)
    assert paid == [{}] * len(paid)
    assert ledger.pay() == {1: 1000}
    pending.add_batch(0, 5, [])  # bytes of which nothing comes
    assert ledger.pay() == {0: 5}


def test_what_a_dead_worker_had_sent_is_struck_off_and_not_paid_for() -> None:
    ledger = CreditLedger(2, lag_limit=0)
    pending = Pending(ledger)
    pending.add_batch(0, 10, lines(1, 200))
    pending.add_batch(1, 20, lines(2, 200))
    pending.add([("answer", 1, None)])
    pending.block(CLOCK)  # which the disk refuses

    pending.discard_from(0)

    assert [record for block in all_of(pending) for record in block[1:]] == [*lines(2, 200), ("answer", 1, None)]
    assert ledger.pay() == {1: 20}


# How long a block is: nobody knows what a record costs before it has been dealt with


def lengths(pending: Pending, seconds_each: float, blocks: int) -> list[int]:
    """Of the next blocks, without the time, if each record takes so long."""
    found = []
    for _ in range(blocks):
        found.append(len(pending.block(CLOCK)) - 1)
        pending.commit(found[-1] * seconds_each)
    return found


def test_a_block_that_was_slow_makes_the_next_one_short() -> None:
    pending = Pending(CreditLedger(1, lag_limit=0))
    pending.add_batch(0, 10, lines(1, 1000))
    assert lengths(pending, 0.0049, 4) == [128, 10, 11, 10]
    assert lengths(pending, 0.06, 4) == [11, 1, 1, 1], "one at least, however long it takes"


def test_quick_ones_make_it_long_again_step_by_step() -> None:
    pending = Pending(CreditLedger(1, lag_limit=0))
    pending.add_batch(0, 10, lines(1, 20_000))
    lengths(pending, 0.06, 2)
    assert lengths(pending, 0.000_01, 200) == [*range(1, 128), *[128] * 73]


def test_who_has_little_to_say_meanwhile_proves_nothing() -> None:
    pending = Pending(CreditLedger(1, lag_limit=0))
    pending.add_batch(0, 10, lines(1, 128))
    lengths(pending, 0.007, 1)
    for _ in range(200):
        pending.add_batch(0, 10, lines(2, 3))
        assert lengths(pending, 0.000_01, 1) == [3]
    pending.add_batch(0, 10, lines(3, 128))
    assert lengths(pending, 0.005, 1) == [7]


def test_what_comes_alone_and_the_time_are_as_long_as_they_are() -> None:
    pending = Pending(CreditLedger(1, lag_limit=0))
    pending.add_batch(0, 10, lines(1, 128))
    pending.add_first([("again", 1)] * 300)
    assert pending.block(CLOCK) == [("again", 1)] * 300
    pending.commit(3.0)
    assert len(pending.block(CLOCK)) == 129
    pending.commit(0.001)
    assert pending.block(CLOCK) == [CLOCK]
    pending.commit(3.0)
    pending.add_batch(0, 10, lines(1, 128))
    assert len(pending.block(CLOCK)) == 129


def test_short_blocks_lose_nothing_and_credit_comes_with_the_last() -> None:
    ledger = CreditLedger(2, lag_limit=0)
    pending = Pending(ledger)
    pending.add_batch(0, 5, lines(1, 128))
    pending.block(CLOCK)
    pending.commit(10.0)
    pending.add_batch(0, 10, lines(1, 3))
    pending.add_batch(1, 20, lines(2, 200))
    pending.add([("stop", "now")])
    ledger.pay()
    happened: list[Record] = []
    paid: dict[int, int] = {}
    while pending:
        block = pending.block(CLOCK)
        assert pending.block(CLOCK) == block, "which the disk has refused"
        pending.commit(1.0)
        happened += block[1:]
        if len(happened) < 203:
            assert 1 not in ledger.pay()
        paid.update(ledger.pay())
    assert happened == [*lines(1, 3), *lines(2, 200), ("stop", "now")]
    assert paid == {1: 20}


def test_what_a_dead_worker_had_sent_is_struck_off_in_pieces_too() -> None:
    pending = Pending(CreditLedger(2, lag_limit=0))
    pending.add_batch(0, 10, lines(1, 128))
    pending.block(CLOCK)
    pending.commit(10.0)
    pending.add_batch(0, 10, lines(1, 128))
    pending.add_batch(1, 10, lines(2, 5))
    pending.block(CLOCK)
    pending.discard_from(0)
    assert [record for block in all_of(pending) for record in block[1:]] == lines(2, 5)
