"""chat/receipts: a line that was said is known again, within bounds."""

from hypothesis import given
from hypothesis import strategies as st

from mpchat.chat.receipts import LINES, RUNS, Receipts


def test_what_was_said_is_known_by_its_number() -> None:
    receipts = Receipts()
    receipts.keep("ana", 1, 10)
    receipts.keep("ana", 2, 12)
    receipts.keep("beto", 1, 11)

    assert [receipts.find("ana", line) for line in (0, 1, 2, 3)] == [None, 10, 12, None]
    assert [receipts.find("beto", line) for line in (1, 2)] == [11, None]
    assert receipts.find("carla", 1) is None


def test_a_line_that_was_refused_is_not_one_that_was_said() -> None:
    receipts = Receipts()
    receipts.keep("ana", 1, 10)
    receipts.keep("ana", 3, 12)

    assert receipts.find("ana", 2) is None


def test_of_long_ago_only_that_it_was_said_is_known() -> None:
    receipts = Receipts()
    for line in range(1, LINES + 3):
        receipts.keep("ana", line, 100 + line)

    assert [receipts.find("ana", line) for line in (1, 2, 3)] == [0, 0, 103]
    assert receipts.find("ana", LINES + 2) == 102 + LINES


def test_who_has_been_silent_for_longest_is_forgotten_first() -> None:
    receipts = Receipts()
    for number in range(RUNS):
        receipts.keep(f"run{number}", 1, number + 1)
    receipts.keep("run0", 2, RUNS + 1)
    receipts.keep("new", 1, RUNS + 2)

    assert receipts.find("run1", 1) is None
    assert receipts.find("run0", 1) == 1
    assert receipts.find("run2", 1) == 3
    assert len(receipts.values()) == RUNS


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 70)), max_size=200))
def test_it_can_be_kept(said: list[tuple[str, int]]) -> None:
    receipts, again = Receipts(), Receipts()
    for number, (run, line) in enumerate(said, 1):
        if receipts.find(run, line) is None:
            receipts.keep(run, line, number)
    again.load(receipts.values())

    assert again.values() == receipts.values()
    assert all(receipts.find(*place) is not None for place in said), "whatever was said is never said again"
    assert all(len(known) <= LINES for _, known in receipts.values())
