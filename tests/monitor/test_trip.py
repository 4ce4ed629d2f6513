"""The join of rings into a trip, on runs of a model of the server with deaths at any point (runs.py)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpchat.ipc.trace_ring import Entry, Hop
from mpchat.monitor.trip import DIED, WAITS, Death, Trip, join, lying, marked, window
from tests.monitor.runs import CONNECTION, PLACE, SERVER, TRACE, Run, runs


def joined(run: Run) -> Trip:
    trip = join(TRACE, CONNECTION, PLACE, run.rings, SERVER, run.deaths)
    assert trip is not None
    return trip


def adds_up(trip: Trip) -> None:
    """The hops of the way to the last send add up exactly, and no consequence comes before its cause."""
    assert all(trip.took(number) >= 0 for number in range(len(trip.points)))
    assert [trip.points[number].after for number in trip.path[1:]] == trip.path[:-1]
    if trip.total is not None and trip.points[trip.path[0]].what == Hop.SAW.name:
        assert sum(trip.took(number) for number in trip.path) == trip.total


@given(runs())
def test_the_hops_add_up_exactly_to_last_send_minus_first_recv(run: Run) -> None:
    trip = joined(run)

    assert trip.first == run.first
    assert trip.last == (max(run.sent.values()) if run.sent else None)
    if run.sent:
        assert trip.points[trip.path[0]].at == run.first
    adds_up(trip)


@given(runs())
def test_everybody_who_was_sent_it_is_there_once_and_nothing_is_missing(run: Run) -> None:
    trip = joined(run)

    assert {trip.points[number].connection: trip.points[number].at for number in trip.sends} == run.sent
    assert len(trip.sends) == len(run.sent)
    assert trip.lacks == []
    assert trip.is_private == run.is_private


@settings(max_examples=40)
@given(runs())
def test_where_nobody_dies_it_waits_for_nobody(run: Run) -> None:
    trip = joined(run)
    waits = {point.waited for point in trip.points} - {""}

    assert waits <= set(WAITS)
    if not run.killed:
        assert waits == set()
        assert not any(point.has_failed or point.what == DIED for point in trip.points)
    assert {point.pid for point in trip.points if point.what == DIED} <= set(run.killed)


@given(runs(), st.data())
def test_what_there_is_at_any_moment_adds_up_too(run: Run, data: st.DataObject) -> None:
    until = data.draw(st.integers(run.first, run.now))
    run.rings = {role: [each for each in entries if each.at <= until] for role, entries in run.rings.items()}
    run.deaths = [each for each in run.deaths if each.at <= until]
    trip = join(TRACE, CONNECTION, PLACE, run.rings, SERVER, run.deaths)

    if trip is None:
        assert not any(each.hop is Hop.MARKED for each in run.rings["broker"])
    else:
        adds_up(trip)
        assert trip.is_whole == (until >= run.now)


@settings(max_examples=40)
@given(runs())
def test_nobody_needs_to_have_told_of_the_deaths(run: Run) -> None:
    run.deaths = []
    trip = joined(run)

    adds_up(trip)
    assert {trip.points[number].connection: trip.points[number].at for number in trip.sends} == run.sent


@settings(max_examples=40)
@given(runs(), st.sets(st.integers(0, 30)))
def test_hops_that_were_overwritten_stop_nobody(run: Run, lost: set[int]) -> None:
    for role, entries in run.rings.items():
        run.rings[role] = [each for at, each in enumerate(entries) if at not in lost]
    trip = join(TRACE, CONNECTION, PLACE, run.rings, SERVER, run.deaths)

    if trip is not None:
        assert all(trip.took(number) >= 0 for number in range(len(trip.points)))


@settings(max_examples=40)
@given(runs())
def test_a_window_has_all_that_a_trip_needs(run: Run) -> None:
    whole = joined(run)
    run.rings = window(run.rings, CONNECTION, PLACE)

    assert joined(run) == whole
    assert set(marked(run.rings["broker"], TRACE)) == {(CONNECTION, PLACE)}
    assert set(marked(run.rings["broker"], TRACE + 1)) == set()


# By hand


def entry(hop: Hop, pid: int, at: int, **fields: int) -> Entry:
    zero = {"connection": 0, "place": 0, "worker": -1, "size": 0, "depth": 0}
    return Entry(hop, pid, at, **{**zero, **fields})


def saw(pid: int, at: int) -> Entry:
    return entry(Hop.SAW, pid, at, connection=CONNECTION, place=PLACE, worker=0, size=22)


DECISION = [
    entry(Hop.TOOK_RECORDS, 1, 5000, place=1, worker=0),
    entry(Hop.JOURNALED, 1, 6000, place=9),
    entry(Hop.DECIDED, 1, 7000, place=9),
    entry(Hop.MARKED, 1, 7100, connection=CONNECTION, place=PLACE, worker=TRACE, depth=1),
    entry(Hop.ROUTED, 1, 7200, place=4, worker=1),
]


def test_a_line_whose_worker_was_killed_waited_in_the_kernel() -> None:
    worker = [saw(2, 1000), entry(Hop.PUT_RECORDS, 2, 2000, place=1), saw(3, 4000)]
    worker.append(entry(Hop.PUT_RECORDS, 3, 4500, place=1))
    trip = join(TRACE, CONNECTION, PLACE, {"worker0": worker, "broker": DECISION}, SERVER, [Death("worker0", 2, 3000)])

    assert trip is not None
    told = [(trip.points[number].what, trip.points[number].pid, trip.took(number)) for number in trip.path]
    assert told[:5] == [
        ("SAW", 2, 0),
        ("PUT_RECORDS", 2, 1000),
        (DIED, 2, 1000),
        ("SAW", 3, 1000),
        ("PUT_RECORDS", 3, 500),
    ]
    assert [point.waited for point in trip.points[:4]] == ["", "", "", "kernel"]
    assert [point.has_failed for point in trip.points[:2]] == [True, True]


def test_what_a_broker_had_journaled_waited_in_the_journal() -> None:
    worker = [saw(2, 1000), entry(Hop.PUT_RECORDS, 2, 2000, place=1)]
    broker = DECISION[:2] + [each._replace(pid=8, at=each.at + 90_000_000) for each in DECISION[2:]]
    deaths = [Death("broker", 1, 50_000_000, "SIGKILL")]
    trip = join(TRACE, CONNECTION, PLACE, {"worker0": worker, "broker": broker}, SERVER, deaths)

    assert trip is not None
    died, decided = (trip.points[number] for number in trip.path[-2:])
    assert (died.what, died.pid, died.how, died.at) == (DIED, 1, "SIGKILL", 50_000_000)
    assert (decided.what, decided.pid, decided.waited) == ("DECIDED", 8, "journal")


@pytest.mark.parametrize(
    ("broker", "worker", "lacks"),
    [
        ([], [], "outbox"),
        ([entry(Hop.PUT_ITEMS, 1, 8000, place=4, worker=1)], [], "queue"),
        ([entry(Hop.PUT_ITEMS, 1, 8000, place=4, worker=1)], [entry(Hop.TOOK_ITEMS, 3, 8100, place=4)], "taken"),
    ],
)
def test_what_is_missing_says_where_it_waits(broker: list[Entry], worker: list[Entry], lacks: str) -> None:
    first = [saw(2, 1000), entry(Hop.PUT_RECORDS, 2, 2000, place=1)]
    rings = {"worker0": first, "worker1": worker, "broker": DECISION + broker}
    trip = join(TRACE, CONNECTION, PLACE, rings, SERVER)

    assert trip is not None
    assert [(each.what, each.role) for each in trip.lacks] == [
        (lacks, "worker1"),
        ("acknowledged", "worker0"),
        ("facts", "broker"),
    ]


def test_items_for_a_worker_that_has_died_waited_in_the_outbox() -> None:
    put = entry(Hop.PUT_ITEMS, 1, 90_000_000, place=4, worker=1)
    rings = {"worker0": [saw(2, 1000), entry(Hop.PUT_RECORDS, 2, 2000, place=1)], "broker": [*DECISION, put]}
    trip = join(TRACE, CONNECTION, PLACE, rings, SERVER, [Death("worker1", 3, 0, until=95_000_000)])

    assert trip is not None
    assert [point.waited for point in trip.points if point.what == "PUT_ITEMS"] == ["outbox"]


def test_lines_lie_in_the_queue_or_in_the_kernel() -> None:
    worker = [saw(2, 1000), entry(Hop.PUT_RECORDS, 2, 2000, place=1)]
    other = saw(2, 3000)._replace(connection=CONNECTION + 1)
    taken = [DECISION[0]]

    assert lying({"worker0": worker, "broker": taken}) == []
    assert [each[2:] for each in lying({"worker0": worker, "broker": []})] == [(0, 1)]
    assert [each[2:] for each in lying({"worker0": [*worker, other], "broker": taken})] == [(1, 0)]
