"""The picture fits into any window, and says what it leaves out."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mpchat.monitor.course import Facts
from mpchat.monitor.picture import BLOCKS, DIGITS, ENDLESS, STYLES, Picture, as_text, chosen, moved, render
from mpchat.texts import LANGUAGES, say
from tests.monitor.said import event, facts, roles

FACTS = {
    "calm": facts(),
    "old": facts(snapshots=150, events=100, busy=6),
    "small": facts(workers=1, spares=0, snapshots=1),
    "large": facts(workers=128, events=3, busy=500),
}
language = pytest.mark.parametrize("language", sorted(LANGUAGES))


def shown(about: Facts, width: int = 80, height: int = 24, **how: object) -> list[str]:
    return as_text(render(replace(Picture(6667, about), **how), width, height)).split("\n")


@given(
    st.sampled_from(sorted(FACTS)),
    st.integers(1, 200),
    st.integers(1, 60),
    st.sampled_from(sorted(LANGUAGES)),
    st.sampled_from(["", "worker0", "resource_tracker", "worker100"]),
    st.sampled_from(["", "said", "help", "paused", "waiting", "silent", "plain"]),
)
@example("old", 80, 20, "en", "", "")
@example("old", 200, 60, "es", "", "")
def test_it_fits(about: str, width: int, height: int, language: str, selected: str, how: str) -> None:
    picture = Picture(
        6667,
        replace(FACTS[about], silent_seconds=3.0 if how == "silent" else 0.0),
        language,
        DIGITS if how == "plain" else BLOCKS,
        has_keys=how != "plain",
        selected=selected,
        is_paused=how == "paused",
        is_waiting=how == "waiting",
        is_help=how == "help",
        said="worker0 漢\x1b[2J" * 9 if how == "said" else "",
    )
    lines = render(picture, width, height)
    assert len(lines) == height if picture.has_keys else len(lines) <= height
    assert all(sum(len(text) for _, text in line) <= width for line in lines)
    assert {style for line in lines for style, _ in line} <= set(STYLES)
    assert all(text.isprintable() and "漢" not in text for line in lines for _, text in line)


@language
@pytest.mark.parametrize("width", range(80, 201, 8))
@pytest.mark.parametrize("height", [20, 21, 24, 30, 45, 60])
@pytest.mark.parametrize("workers", [1, 2, 4])
def test_nobody_is_missing_in_a_window_of_twenty_rows(language: str, width: int, height: int, workers: int) -> None:
    """With up to ten processes. All that must be there is: who it is, whether it works, and what happened last."""
    lines = shown(facts(workers=workers, events=12, busy=3), width, height, language=language)
    words = [line[2:].split()[:2] for line in lines]
    for number, role in enumerate(roles(workers)):
        assert [role, str(4000 + number)] in words
    assert len([line for line in lines if "(30" in line]) >= 3, "events"
    assert lines[0].startswith("mpchat top  02:20:00 UTC  6667, 6680  queue")
    assert lines[-1] == say(language, "top.keys")


@language
@pytest.mark.parametrize("selected", ["supervisor", "worker0", "worker64", "worker127", "resource_tracker"])
@pytest.mark.parametrize("height", [5, 8, 20, 60])
def test_the_selected_row_can_be_seen(language: str, selected: str, height: int) -> None:
    lines = shown(FACTS["large"], 100, height, language=language, selected=selected)
    assert [line for line in lines if line.startswith(f"> {selected} ")] != []
    assert " 134" in lines[0], "it says of how many rows these are a part"


@language
def test_columns_give_way_first(language: str) -> None:
    wide, narrow = (shown(FACTS["old"], width, 60, language=language) for width in (130, 80))
    every = [say(language, f"top.column.{name}") for name in ("pid", "state", "cpu", "age", "fds", "stall")]
    assert [word for word in every if word not in wide[1].split()] == []
    missing = [word for word in every if word not in narrow[1].split()]
    assert missing != []
    assert all(word in narrow[0].split() for word in missing), "it says which"
    stays = [say(language, f"top.column.{name}") for name in ("pid", "state", "cpu", "lines", "stall")]
    assert [word for word in stays if word not in narrow[1].split()] == []


def test_then_quiet_connections() -> None:
    lines = shown(facts(events=2, busy=2), height=22)
    assert [line for line in lines if line.startswith("worker0 -> broker")] != []
    assert [line for line in lines if line.startswith("broker -> worker0")] != []
    assert [line for line in lines if "quieter ones not shown" in line] != []
    assert [line for line in lines if "died" in line] == lines[-3:-1], "all events"


def test_and_then_events() -> None:
    lines = shown(facts(events=10, busy=6), height=24)
    assert len([line for line in lines if " -> " in line]) == 6
    events = [line for line in lines if "died" in line]
    assert 3 <= len(events) < 10
    assert events[-1].endswith("worker0 (3009) has died: SIGKILL")
    assert f"EVENTS  the last {len(events)} of 10" in lines


def test_a_large_window_is_used() -> None:
    lines = shown(FACTS["old"], 200, 60)
    assert "without" not in lines[0]
    assert "CPU, last minute" in lines[1]
    assert len([line for line in lines if line.count(" -> ") == 2]) == 9, "two connections in a line"
    assert len([line for line in lines if "died" in line]) == 10


def test_a_death_is_told_by_more_than_colour() -> None:
    about = FACTS["calm"]
    processes = tuple(
        replace(each, is_flashing=each.key == "worker1", is_new=each.role == "worker2") for each in about.processes
    )
    lines = render(Picture(6667, replace(about, processes=processes)), 80, 24)
    (flash,) = [text for line in lines for style, text in line if style == "flash"]
    assert flash.startswith(" !worker1 ")
    assert any(text.startswith(" +worker2 ") for line in lines for _, text in line)


def test_a_sparkline_rises_to_its_highest_value() -> None:
    about = FACTS["calm"]
    rising = replace(about.connections[0], history=tuple(range(120)))
    for bars in (BLOCKS, DIGITS):
        picture = Picture(6667, replace(about, connections=(rising,), taken=120), bars=bars)
        line = next(line for line in as_text(render(picture, 119, 40)).split("\n") if line.startswith("worker0 ->"))
        chart = line.split()[-1]
        assert (chart[0], chart[-1]) == (bars[1], bars[-1])
        assert list(chart) == sorted(chart, key=bars.index)


def test_the_bars_of_a_minute_only_move_to_the_left() -> None:
    """Where several values share a cell, they stay together."""
    values = [(number * 7919) % 100 + 1 for number in range(300)]
    charts = []
    for taken in range(120, 180, 3):
        about = FACTS["calm"]
        each = replace(about.connections[0], history=(100, *values[taken - 119 : taken]))
        lines = shown(replace(about, connections=(each,), taken=taken), 94, 40)
        charts.append(next(line for line in lines if line.startswith("worker0 ->")).split()[-1])
    assert all(one[3:] == other[2:-1] or one[2:] == other[1:-1] for one, other in pairwise(charts))


def test_without_keys_it_has_no_more_lines_than_it_needs() -> None:
    lines = shown(FACTS["calm"], 132, ENDLESS, has_keys=False)
    assert lines[-1] == "nothing has happened yet"
    assert not any(line.startswith(">") for line in lines)


@language
def test_before_a_server_has_said_anything(language: str) -> None:
    lines = as_text(render(Picture(7000, None, language, is_waiting=True), 80, 20)).split("\n")
    assert lines[0] == f"mpchat top  {say(language, 'top.waiting', port=7000)}"


@language
def test_the_help_and_what_is_asked_fit_into_the_smallest_window(language: str) -> None:
    for key in ("top.keys", "top.sure", "top.any_key", "top.not_killed"):
        assert len(say(language, key)) <= 80, key
    lines = shown(FACTS["calm"], 80, 20, language=language, is_help=True)
    assert any("--hang-limit 0" in line for line in lines)


@language
def test_an_event_stands_behind_its_time_and_is_one_cell_wide_a_letter(language: str) -> None:
    strange = event("misbehaves", "worker0", 4711, 1, how="漢\x1b[2J")

    lines = shown(replace(FACTS["calm"], events=(strange,)), 80, 24, language=language)

    (line,) = [line for line in lines if line.startswith("02:20:07")]
    assert line.startswith("02:20:07  worker0 (4711) ")
    assert line.isprintable()
    assert "漢" not in line


def test_the_selection_moves_by_rows_and_stays_inside() -> None:
    about = FACTS["calm"]
    assert moved(about, "", 1) == "broker"
    assert moved(about, "broker", 1) == "worker0"
    assert moved(about, "supervisor", -1) == "supervisor"
    assert moved(about, "resource_tracker", 1) == "resource_tracker"
    assert moved(None, "broker", 1) == "broker"
    assert chosen(None, "broker") is None
    assert [chosen(about, key).key for key in ("", "worker3", "worker99")] == ["supervisor", "worker3", "supervisor"]
