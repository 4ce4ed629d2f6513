"""From what a server says to rates and histories: over deaths, gaps, and a server that falls silent."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mpchat.monitor.course import FLASH_MS, SAMPLES, Course, Facts, Process, as_json
from mpchat.monitor.measuring import Memory
from tests.monitor.said import event, measured, roles, row, snapshot


def of(facts: Facts, key: str) -> Process:
    return next(process for process in facts.processes if process.key == key)


def worker(pid: int | None, lines: int = 0, **other: Any) -> list[dict[str, Any]]:
    """The rows of a server with one worker."""
    rows = [row(role, 4000 + number) for number, role in enumerate(roles(1))]
    rows[2] = row("worker0", pid, lines=lines, **other)
    return rows


def test_what_only_grows_becomes_a_rate() -> None:
    course = Course()
    course.snapshot(snapshot(0, worker(7, 100, deliveries=1000), workers=1))
    first = of(course.facts({7: measured(1.0, 10)}, {7: Memory(12.5, 20.0)}, 50.0), "worker0")
    assert (first.lines, first.deliveries, first.cpu_percent, first.voluntary) == (None, None, None, None)
    course.snapshot(snapshot(500, worker(7, 120, deliveries=1300), workers=1))
    then = of(course.facts({7: measured(1.1, 30)}, {7: Memory(12.5, 20.0)}, 50.5), "worker0")
    assert (then.lines, then.deliveries, then.voluntary, then.involuntary) == (40.0, 600.0, 40.0, 40.0)
    assert then.cpu_percent is not None
    assert round(then.cpu_percent) == 20
    assert (then.uss_mib, then.fds) == (12.5, 14)


def test_a_successor_begins_at_nothing() -> None:
    course = Course()
    course.snapshot(snapshot(0, worker(7, 1000), workers=1))
    course.facts({7: measured(9.0)}, {}, 0.0)
    course.snapshot(snapshot(500, worker(8, 5), workers=1))
    after = of(course.facts({8: measured(0.5)}, {}, 0.5), "worker0")
    assert after.lines == 10.0
    assert after.cpu_percent is None, "what it had used before it was measured first is nobody's affair"
    assert after.is_flashing
    assert after.is_new


def test_a_process_id_that_is_used_again_is_another_process() -> None:
    course = Course()
    course.snapshot(snapshot(0, worker(7), workers=1))
    course.facts({7: measured(9.0, 100, started=1.0)}, {}, 0.0)
    course.snapshot(snapshot(500, worker(7), workers=1))
    after = of(course.facts({7: measured(0.1, 1, started=2.0)}, {}, 0.5), "worker0")
    assert (after.cpu_percent, after.voluntary) == (None, None)


def test_a_death_is_seen_for_a_second() -> None:
    course = Course()
    course.snapshot(snapshot(0, worker(7), workers=1))
    course.event(event("died", "worker0", 7, 100, how="SIGKILL"))
    seen = []
    for at in range(500, 500 + 2 * FLASH_MS, 500):
        course.snapshot(snapshot(at, worker(8, stall_ms=12), workers=1))
        seen.append(of(course.facts({}, {}, at / 1000), "worker0").is_flashing)
    assert seen == [True, True, False, False]


def test_a_death_of_long_ago_is_only_told() -> None:
    """The events that a server has kept come first."""
    course = Course()
    course.event(event("died", "worker0", 7, 100, how="SIGKILL"))
    course.snapshot(snapshot(60_000, worker(8), workers=1))
    facts = course.facts({}, {}, 0.0)
    assert not of(facts, "worker0").is_flashing
    assert len(facts.events) == 1


def test_each_row_stays_where_it_is() -> None:
    course = Course()
    rows = [row(role, 4000 + number) for number, role in enumerate(roles(2))]
    course.snapshot(snapshot(0, rows, workers=2))
    before = [process.key for process in course.facts({}, {}, 0.0).processes]
    course.snapshot(snapshot(500, [each for each in rows if each["role"] != "spare"], workers=2))
    facts = course.facts({}, {}, 0.5)
    assert [process.key for process in facts.processes] == before
    assert of(facts, "spare").state == "vacant"
    assert not of(facts, "spare").is_flashing, "it has taken a role"


def test_spares_have_a_row_each() -> None:
    course = Course()
    rows = [row(role, 4000 + number) for number, role in enumerate(roles(1, spares=3))]
    course.snapshot(snapshot(0, rows, workers=1))
    keys = [process.key for process in course.facts({}, {}, 0.0).processes]
    assert keys[-4:] == ["spare", "spare 2", "spare 3", "resource_tracker"]


def test_a_stopped_process_is_called_so() -> None:
    course = Course()
    course.snapshot(snapshot(0, worker(7), workers=1))
    assert of(course.facts({7: measured(is_stopped=True)}, {}, 0.0), "worker0").state == "stopped"
    assert of(course.facts({7: measured()}, {}, 0.5), "worker0").state == "working"


def test_the_second_snapshot_may_come_too_soon() -> None:
    course = Course()
    assert not course.is_too_soon(snapshot(1000))
    course.snapshot(snapshot(1000))
    assert course.is_too_soon(snapshot(1020))
    assert not course.is_too_soon(snapshot(1500))


def test_a_history_has_a_minute() -> None:
    course = Course()
    for number in range(SAMPLES + 10):
        course.snapshot(snapshot(500 * number, under_way=number))
    connection = course.facts({}, {}, 0.0).connections[0]
    assert len(connection.history) == SAMPLES
    assert connection.history[-1] == connection.bytes == 1000 * (SAMPLES + 9)


@given(st.lists(st.tuples(st.sampled_from([None, 7, 8]), st.integers(0, 1000), st.integers(0, 700)), max_size=12))
def test_no_rate_is_less_than_nothing(course_of: list[tuple[int | None, int, int]]) -> None:
    course, now = Course(), 0
    for pid, count, milliseconds in course_of:
        now += milliseconds
        course.snapshot(snapshot(now, worker(pid, count, deliveries=count), workers=1))
        seen = {pid: measured(count / 100, count)} if pid else {}
        process = of(course.facts(seen, {}, now / 1000), "worker0")
        rates = (process.lines, process.deliveries, process.cpu_percent, process.voluntary, process.involuntary)
        assert all(rate is None or rate >= 0 for rate in rates)


def test_a_picture_for_programs() -> None:
    course = Course()
    for number in range(2):
        course.snapshot(snapshot(500 * number, worker(7, 10 * number), workers=1))
        course.event(event("died", "worker0", 6, 1, number + 1, how="SIGKILL"))
        facts = course.facts({7: measured(number * 0.05)}, {7: Memory(15.04, 16.0)}, number * 0.5)
    told = as_json(facts, seen=1)
    assert "kind" not in told
    assert [each["number"] for each in told["events"]] == [2]
    assert {name: told["processes"][2][name] for name in ("role", "pid", "lines_per_second", "cpu_percent")} == {
        "role": "worker0",
        "pid": 7,
        "lines_per_second": 20.0,
        "cpu_percent": 10.0,
    }
    assert told["processes"][2]["uss_mib"] == 15.0
    assert told["processes"][3]["cpu_percent"] is None, "nothing was measured of it"
