"""chat/deduplication: a line that was said is recognised, within bounds."""

from hypothesis import given
from hypothesis import strategies as st

from mpchat.chat.deduplication import LINES, RUNS, Deduplication


def test_what_was_said_is_known_by_its_number() -> None:
    deduplication = Deduplication()
    deduplication.keep("ana", 1, 10)
    deduplication.keep("ana", 2, 12)
    deduplication.keep("beto", 1, 11)

    assert [deduplication.find("ana", line) for line in (0, 1, 2, 3)] == [None, 10, 12, None]
    assert [deduplication.find("beto", line) for line in (1, 2)] == [11, None]
    assert deduplication.find("carla", 1) is None


def test_a_line_that_was_refused_is_not_one_that_was_said() -> None:
    deduplication = Deduplication()
    deduplication.keep("ana", 1, 10)
    deduplication.keep("ana", 3, 12)

    assert deduplication.find("ana", 2) is None


def test_of_long_ago_only_that_it_was_said_is_known() -> None:
    deduplication = Deduplication()
    for line in range(1, LINES + 3):
        deduplication.keep("ana", line, 100 + line)

    assert [deduplication.find("ana", line) for line in (1, 2, 3)] == [0, 0, 103]
    assert deduplication.find("ana", LINES + 2) == 102 + LINES


def test_who_has_been_silent_for_longest_is_forgotten_first() -> None:
    deduplication = Deduplication()
    for number in range(RUNS):
        deduplication.keep(f"run{number}", 1, number + 1)
    deduplication.keep("run0", 2, RUNS + 1)
    deduplication.keep("new", 1, RUNS + 2)

    assert deduplication.find("run1", 1) is None
    assert deduplication.find("run0", 1) == 1
    assert deduplication.find("run2", 1) == 3
    assert len(deduplication.values()) == RUNS


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 70)), max_size=200))
def test_it_can_be_kept(said: list[tuple[str, int]]) -> None:
    deduplication, again = Deduplication(), Deduplication()
    for number, (run, line) in enumerate(said, 1):
        if deduplication.find(run, line) is None:
            deduplication.keep(run, line, number)
    again.load(deduplication.values())

    assert again.values() == deduplication.values()
    assert all(deduplication.find(*place) is not None for place in said), "whatever was said is never said again"
    assert all(len(known) <= LINES for _, known in deduplication.values())
