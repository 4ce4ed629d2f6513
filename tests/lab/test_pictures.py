"""Pictures in a terminal, and in a report."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mpchat.lab.experiment import Bars, Listing, Span, Table, TimeLine
from mpchat.lab.plotting import fraction, plot
from mpchat.lab.svg import draw


def test_bars_are_as_long_as_their_values() -> None:
    lines = plot(Bars("memory", [("one", 10.0, "10 MiB"), ("two", 5.0, "5 MiB"), ("none", 0.0, "0 MiB")]))

    assert lines == [
        "memory",
        "  one   10 MiB  " + "█" * 30,
        "  two    5 MiB  " + "█" * 15,
        "  none   0 MiB",
    ]


def test_on_a_scale_of_powers_each_tenfold_is_as_long() -> None:
    bars = plot(Bars("time", [("a", 1.0, "1"), ("b", 10.0, "10"), ("c", 100.0, "100")], is_log=True))
    lengths = [line.count("█") for line in bars[1:]]

    assert abs((lengths[2] - lengths[1]) - (lengths[1] - lengths[0])) <= 1


def test_a_time_line_has_a_row_for_each_process() -> None:
    lines = plot(TimeLine("seconds", [("parent", [Span(0, 2)]), ("child", [Span(1, 2, 1), Span(2, 2, 2)])], 2.0))

    assert lines[1] == "  parent |" + "█" * 60 + "|"
    assert lines[2] == "  child  |" + " " * 30 + "░" * 29 + "●|"
    assert lines[3].endswith("2")


def test_numbers_stand_at_the_right() -> None:
    assert plot(Table("roles", ("role", "clients"), [("broker", "-"), ("worker", "12")])) == [
        "roles",
        "  role    clients",
        "  broker        -",
        "  worker       12",
    ]


def test_what_a_terminal_would_obey_or_cannot_show_is_replaced() -> None:
    assert plot(Listing("tree", ["a\x1b[2Jb"])) == ["tree", "  a?[2Jb"]
    assert plot(Bars("b", [("one", 1.0, "1")]), "ascii")[1] == "  one  1  " + "#" * 30


def test_a_report_shows_markup_as_text() -> None:
    for picture in (
        Bars("<b>", [("<i>", 1.0, "<u>")]),
        TimeLine("<b>", [("<i>", [Span(0, 1)])], 1.0),
        Table("<b>", ("<i>",), [("<u>",)]),
        Listing("<b>", ["<i>"]),
    ):
        assert not {"<b>", "<i>", "<u>"} & set(draw(picture).replace(">", "> ").split())
        assert "&lt;b&gt;" in draw(picture)


@given(st.lists(st.floats(0, 1e12), min_size=1, max_size=6), st.booleans())
def test_no_bar_is_longer_than_the_longest(values: list[float], is_log: bool) -> None:
    most, least = max(values), min((value for value in values if value > 0), default=1.0)

    assert all(0 <= fraction(value, most, least, is_log) <= 1 for value in values)
    assert max(fraction(value, most, least, is_log) for value in values) in (0.0, 1.0)


@given(st.lists(st.tuples(st.floats(0, 10), st.floats(0, 10), st.integers(0, 2)), max_size=5))
def test_a_time_line_is_never_wider(spans: list[tuple[float, float, int]]) -> None:
    row = [Span(min(start, end), max(start, end), kind) for start, end, kind in spans]

    assert len(plot(TimeLine("t", [("p", row)], 10.0))[1]) == len("  p |") + 60 + 1
