"""flow/guessing: whose password is checked when."""

from __future__ import annotations

from math import inf

import pytest

from mpchat.flow.guessing import Guessing
from mpchat.settings import ChatSettings

HOME, OTHER, LOOPBACK = "192.0.2.1", "192.0.2.2", "127.0.0.1"


@pytest.fixture
def guessing() -> Guessing:
    return Guessing(most_wait=60, forgotten_after=600, exempts=ChatSettings().exempts)


def again(guessing: Guessing) -> Guessing:
    """The same, from its plain values."""
    other = Guessing(most_wait=60, forgotten_after=600, exempts=ChatSettings().exempts)
    other.load(guessing.values())
    assert other.values() == guessing.values()
    return other


def wrong(guessing: Guessing, now: int, address: str = HOME) -> None:
    guessing.wait(1, address)
    assert guessing.take_due(now) == [1], now
    guessing.answered(1, address, False, now)


def free(guessing: Guessing, address: str = HOME) -> int:
    """When the next one is checked."""
    guessing.wait(9, address)
    at = int(guessing.next)
    assert guessing.take_due(at - 1) == []
    guessing.forget(9)
    return at


def test_after_each_wrong_one_the_address_waits_a_second_more(guessing: Guessing) -> None:
    now = 0
    for number in range(1, 63):
        wrong(guessing, now)
        guessing = again(guessing)
        assert free(guessing) - now == min(number, 60) * 1000
        now = free(guessing)


def test_after_ten_minutes_they_are_forgotten(guessing: Guessing) -> None:
    for now in (0, 10_000, 20_000):
        wrong(guessing, now)
    assert free(guessing) == 23_000
    wrong(guessing, 619_999)
    assert free(guessing) == 623_999
    wrong(guessing, 1_219_999)
    assert free(guessing) == 1_220_999
    wrong(guessing, 2_000_000, OTHER)
    assert guessing.values()[0] == [(OTHER, 1, 2_000_000)], "nobody is remembered for ever"


def test_a_right_one_makes_nobody_wait_and_makes_up_for_nothing(guessing: Guessing) -> None:
    for now in (0, 10_000):
        wrong(guessing, now)
    guessing.wait(2, HOME)
    assert guessing.take_due(12_000) == [2]
    guessing.answered(2, HOME, True, 12_000)
    wrong(guessing, 12_000)
    assert free(guessing) == 15_000


def test_other_addresses_do_not_wait_but_those_of_one_network_do(guessing: Guessing) -> None:
    wrong(guessing, 5000)
    wrong(guessing, 5000, "2001:db8::1")
    assert free(guessing, OTHER) == 0
    assert free(guessing, "2001:db8::2") == 6000
    assert free(guessing, "::ffff:192.0.2.1") == 6000
    assert free(guessing, "no.address") == 0


def test_of_one_address_one_is_checked_at_a_time(guessing: Guessing) -> None:
    for id in (1, 2, 3):
        guessing.wait(id, HOME)
    assert guessing.take_due(0) == [1]
    assert guessing.next == inf
    assert [guessing.waits(id) for id in (1, 2, 3, 4)] == [False, True, True, False]
    guessing = again(guessing)
    assert guessing.take_due(99_000) == []
    guessing.forget(2)
    guessing.answered(1, HOME, False, 99_000)
    assert guessing.next == 100_000
    assert guessing.take_due(100_000) == [3]
    guessing.forget(3)
    assert again(guessing).values() == ([(HOME, 1, 99_000)], [], 0)


def test_on_loopback_one_a_second_right_or_wrong(guessing: Guessing) -> None:
    for id, address in ((1, LOOPBACK), (2, "::1"), (3, "127.9.9.9"), (4, "0::1")):
        guessing.wait(id, address)
    assert guessing.take_due(5000) == [1]
    for turn, id in enumerate((1, 2, 3, 4)):
        at = 5000 + turn * 1000
        guessing = again(guessing)
        guessing.answered(id, LOOPBACK, id == 2, at)
        assert guessing.next == (at + 1000 if id < 4 else inf)
        assert guessing.take_due(at + 999) == []
        assert guessing.take_due(at + 1000) == ([id + 1] if id < 4 else [])
    assert guessing.values()[0] == []


CLASSROOM = ChatSettings(exempt=("127.0.0.0/8", "::1", "192.0.2.0/24", "2001:db8::/64")).exempts


def test_an_exempt_address_waits_for_no_other_and_never_longer() -> None:
    """A classroom that is exempt may guess: the admin in it, and the one on loopback, get in at once."""
    guessing = Guessing(most_wait=0, forgotten_after=600, exempts=CLASSROOM)
    for id in range(1, 21):
        guessing.wait(id, HOME)
    assert guessing.take_due(5000) == [1]
    for id, address in ((30, OTHER), (31, LOOPBACK), (32, "2001:db8::1"), (33, "2001:db8::2")):
        guessing.wait(id, address)
    assert guessing.take_due(5000) == [30, 31, 32, 33]
    guessing.answered(1, HOME, False, 5001)
    for id in range(2, 21):
        at = 5000 + (id - 1) * 1000
        other = Guessing(most_wait=0, forgotten_after=600, exempts=CLASSROOM)
        other.load(guessing.values())
        guessing = other
        assert guessing.next == at, "one a second of each, however many were wrong"
        assert guessing.take_due(at - 1) == []
        assert guessing.take_due(at) == [id]
        guessing.answered(id, HOME, False, at)
    assert guessing.next == inf
    assert len(guessing.values()[0]) == 4, "of each address that is not loopback's its last check"


def test_who_is_exempt_no_more_begins_anew(guessing: Guessing) -> None:
    guessing.limit(60, 600, CLASSROOM)
    wrong(guessing, 5000)
    guessing.limit(60, 600, ChatSettings().exempts)
    wrong(guessing, 5000)
    assert free(guessing) == 6000
