"""How a trip is shown: the chart, the JSON object, the Mermaid diagram, the file for Perfetto."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpchat import texts
from mpchat.ipc.trace_ring import Entry, Hop
from mpchat.monitor.chart import chart
from mpchat.monitor.mermaid import mermaid
from mpchat.monitor.perfetto import perfetto
from mpchat.monitor.trip import Death, Server, Trip, join
from mpchat.monitor.trip_json import as_json
from mpchat.monitor.words import microseconds
from tests.monitor.runs import CONNECTION, PLACE, SERVER, TRACE, Run, runs


def joined(run: Run) -> Trip:
    trip = join(TRACE, CONNECTION, PLACE, run.rings, SERVER, run.deaths)
    assert trip is not None
    return trip


def entry(hop: Hop, pid: int, at: int, **fields: int) -> Entry:
    zero = {"connection": 0, "place": 0, "worker": -1, "size": 0, "depth": 0}
    return Entry(hop, pid, at, **{**zero, **fields})


def room_message(ipc: str = "queue", clients: int = 1) -> Trip:
    """Of connection 33 of worker0, to clients of worker1, and with its echo."""
    line = {"connection": CONNECTION, "place": PLACE}
    worker0 = [
        entry(Hop.SAW, 20, 1_000_000, **line, worker=0, size=22, depth=22),
        entry(Hop.PUT_RECORDS, 20, 1_040_000, place=1, worker=0, size=22, depth=22),
        entry(Hop.TOOK_ITEMS, 20, 1_600_000, place=5, worker=0),
        entry(Hop.APPENDED, 20, 1_610_000, place=5, worker=0, depth=1),
        entry(Hop.ACKNOWLEDGED, 20, 1_620_000, **line, worker=0),
        entry(Hop.SENT, 20, 1_630_000, connection=CONNECTION, place=5, worker=0, size=40),
    ]
    broker = [
        entry(Hop.TOOK_RECORDS, 10, 1_140_000, place=1, worker=0, size=22, depth=1),
        entry(Hop.JOURNALED, 10, 1_200_000, place=900, size=98),
        entry(Hop.DECIDED, 10, 1_300_000, place=900, depth=2),
        entry(Hop.MARKED, 10, 1_301_000, **line, worker=TRACE, depth=2),
        entry(Hop.ROUTED, 10, 1_302_000, place=5, worker=0),
        entry(Hop.ROUTED, 10, 1_303_000, place=8, worker=1),
        entry(Hop.PUT_ITEMS, 10, 1_350_000, place=5, worker=0, depth=180),
        entry(Hop.PUT_ITEMS, 10, 1_400_000, place=8, worker=1, depth=90),
    ]
    worker1 = [
        entry(Hop.TOOK_ITEMS, 21, 2_400_000, place=8, worker=1),
        entry(Hop.APPENDED, 21, 2_410_000, place=8, worker=1, depth=clients),
        *[entry(Hop.SENT, 21, 2_420_000 + at, connection=50 + at, place=8, worker=1) for at in range(clients)],
    ]
    rings = {"worker0": worker0, "broker": broker, "worker1": worker1}
    trip = join(TRACE, CONNECTION, PLACE, rings, Server(ipc, has_history=False))
    assert trip is not None
    assert trip.is_whole
    return trip


# The chart


def test_a_chart_has_a_row_for_each_hop_and_what_they_add_up_to() -> None:
    lines = chart(room_message(), 200, "utf-8", {})

    assert lines[0] == "message of connection 33, 22 bytes, to 1 client besides the sender"
    assert [float(line.split()[0]) for line in lines[1:10] if line.lstrip().startswith("+")] == [
        0, 40, 100, 60, 100, 100, 1000, 10, 10,
    ]  # fmt: skip
    assert "total = last send - first recv = 1420.000 µs, the sum of these hops" in "\n".join(lines)
    assert "the sender's own copy was sent 630.000 µs after the first recv" in "\n".join(lines)


def test_the_dearest_hop_has_the_longest_bar_and_is_marked() -> None:
    lines = chart(room_message(), 80, "utf-8", {})
    bars = {line: line.count("█") for line in lines if "█" in line}
    longest = max(bars, key=lambda line: bars[line])

    assert longest.split()[0] == "+1000.000"
    assert longest.endswith("<- dearest")
    assert sum("<- dearest" in line for line in lines) == 1


def test_what_is_beside_the_way_is_told_with_its_time_since_the_first_recv() -> None:
    lines = chart(room_message(), 200, "utf-8", {})
    beside = lines[next(at for at, line in enumerate(lines) if line.startswith("  beside")) + 1 :]

    assert [line.split()[:2] for line in beside] == [
        ["350.000", "broker"],
        ["600.000", "worker0"],
        ["610.000", "worker0"],
        ["620.000", "worker0"],
        ["630.000", "worker0"],
    ]


def test_many_sends_of_a_worker_are_one_row() -> None:
    lines = "\n".join(chart(room_message(clients=98), 200, "utf-8", {}))

    assert "send() to 98 clients, the first at 1420.000" in lines
    assert lines.count("sends it") == 2


@pytest.mark.parametrize("language", ["en", "es"])
@settings(max_examples=40)
@given(run=runs(), columns=st.integers(80, 220))
def test_a_chart_fits_into_the_terminal(language: str, run: Run, columns: int) -> None:
    texts.use(language)
    lines = chart(joined(run), columns, "utf-8", {})

    assert max(map(len, lines)) <= columns
    assert all(line.isprintable() for line in lines)


def test_without_block_characters_a_bar_is_of_number_signs() -> None:
    text = "\n".join(chart(room_message(), 80, "ascii", {}))

    assert "####" in text
    text.encode("ascii")


@pytest.mark.parametrize(
    ("ipc", "put", "way"),
    [
        ("queue", "put(), write() by the feeder thread", "queue worker0 -> broker"),
        ("pipe", "write()", "pipe worker0 -> broker"),
        ("mine.py", "mine.py", "mine.py worker0 -> broker"),
    ],
)
def test_each_transport_is_told_as_what_it_is(ipc: str, put: str, way: str) -> None:
    points = json.loads(as_json(room_message(ipc)))["points"]

    assert (points[1]["call"], points[1]["through"]) == (put, way)
    assert f"{put}, {way}" in "\n".join(chart(room_message(ipc), 200, "utf-8", {}))


def test_microseconds_are_told_to_the_nanosecond() -> None:
    assert [microseconds(each) for each in (0, 1, 1_001, 12_345_678)] == ["0.000", "0.001", "1.001", "12345.678"]


# JSON


@settings(max_examples=40)
@given(runs())
def test_a_program_finds_that_the_hops_add_up(run: Run) -> None:
    message = json.loads(as_json(joined(run)))
    points = message["points"]

    assert message["whole"]
    if message["total_ns"] is not None:
        assert sum(points[number]["hop_ns"] for number in message["path"]) == message["total_ns"]
        assert points[message["path"][-1]]["at_ns"] - points[message["path"][0]]["at_ns"] == message["total_ns"]


def test_what_programs_read_has_one_wording() -> None:
    english = as_json(room_message())
    texts.use("es")

    assert as_json(room_message()) == english


# Mermaid


@settings(max_examples=40)
@given(runs())
def test_a_diagram_says_only_what_mermaid_can_read(run: Run) -> None:
    trip = joined(run)
    head, *lines = mermaid(trip).splitlines()
    known: set[str] = set()

    assert head == "sequenceDiagram"
    for line in lines:
        assert not set(";#") & set(line)
        if found := re.fullmatch(r"  participant (\w+) as .+", line):
            known.add(found[1])
        elif found := re.fullmatch(r"  (\w+)->>(\w+): .+", line):
            assert {found[1], found[2]} <= known
        else:
            found = re.fullmatch(r"  Note over (\w+): .+", line)
            assert found
            assert found[1] in known
    died = {f"Note over P{point.pid}: dies" for point in trip.points if point.what == "DIED"}
    assert all(any(death in line for line in lines) for death in died)


# Perfetto


def check_file(content: dict[str, Any]) -> None:
    """The rules of the Chrome trace event format by which a viewer reads it."""
    begun: dict[tuple[int, int], list[dict[str, Any]]] = {}
    at: dict[tuple[int, int], float] = {}
    arrows: dict[int, float] = {}
    named: set[int] = set()
    ended: set[int] = set()
    for event in content["traceEvents"]:
        assert {"ph", "ts", "pid", "tid", "name"} <= event.keys()
        assert event["ts"] >= 0
        track = event["pid"], event["tid"]
        if event["ph"] == "M":
            named.add(event["pid"])
            continue
        assert event["ts"] >= at.get(track, 0), "in the order of time"
        at[track] = event["ts"]
        stack = begun.setdefault(track, [])
        match event["ph"]:
            case "B":
                stack.append(event)
            case "E":
                assert stack.pop()["name"] == event["name"], "begin and end nest"
            case "s":
                assert stack, "an arrow leaves from a slice"
                assert event["id"] not in arrows
                arrows[event["id"]] = event["ts"]
            case "f":
                assert stack, "an arrow ends at a slice"
                assert event["ts"] >= arrows[event["id"]], "an arrow that ends has started"
                ended.add(event["id"])
            case other:
                assert other == "i"
    assert not any(begun.values())
    assert arrows.keys() == ended, "each arrow that starts ends"
    assert {pid for pid, _ in begun} <= named


@settings(max_examples=40)
@given(st.lists(runs(), min_size=1, max_size=2))
def test_a_file_for_perfetto_keeps_to_the_format(several: list[Run]) -> None:
    content = perfetto([joined(run) for run in several])

    check_file(content)
    assert json.loads(json.dumps(content)) == content


def test_an_arrow_leads_from_process_to_process() -> None:
    content = perfetto([room_message()])
    check_file(content)
    events = content["traceEvents"]
    starts = {event["id"]: event["pid"] for event in events if event["ph"] == "s"}
    ends = {event["id"]: event["pid"] for event in events if event["ph"] == "f"}

    assert sorted((starts[each], ends[each]) for each in starts) == [(10, 20), (10, 21), (20, 10)]


def test_slices_of_a_track_do_not_overlap() -> None:
    events = perfetto([room_message()])["traceEvents"]
    for pid in (10, 20, 21):
        own = [event for event in events if event["pid"] == pid and event["ph"] in "BE"]
        assert all({one["ph"], other["ph"]} == {"B", "E"} for one, other in pairwise(own))


def test_a_death_is_in_each_picture() -> None:
    line = {"connection": CONNECTION, "place": PLACE, "worker": 0, "size": 22}
    worker = [entry(Hop.SAW, 20, 1_000_000, **line), entry(Hop.SAW, 30, 9_000_000, **line)]
    broker = [
        entry(Hop.DECIDED, 10, 9_500_000),
        entry(Hop.MARKED, 10, 9_510_000, connection=CONNECTION, place=PLACE, worker=TRACE),
    ]
    deaths = [Death("worker0", 20, 5_000_000, "SIGKILL")]
    trip = join(TRACE, CONNECTION, PLACE, {"worker0": worker, "broker": broker}, Server(), deaths)

    assert trip is not None
    text = "\n".join(chart(trip, 200, "utf-8", {}))
    assert re.search(r"\+4000\.000  worker0 20 +dies .*SIGKILL", text)
    assert re.search(r"\+4000\.000  worker0 30 +sees the line .*it waited in the kernel's receive buffer", text)
    assert "missing: worker0 has not dropped the line from the kernel" in text
    assert "Note over P20: dies, SIGKILL, +4000.000 µs" in mermaid(trip)
    assert [event["name"] for event in perfetto([trip])["traceEvents"] if event["ph"] == "i"] == ["dies"]
