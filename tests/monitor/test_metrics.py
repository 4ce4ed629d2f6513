"""What the exporter makes of a snapshot: names, types, helps and labels as Prometheus wants them, and odd snapshots."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from mpchat.monitor.measuring import Measured, Memory
from mpchat.monitor.metrics import STATES, Family, Seen, Storage, of_exporter, of_server

ROLES = ["supervisor", "broker", "worker0", "acceptor", "recorder", "front", "resource_tracker"]
LABELS = {"role", "worker", "source", "target", "state", "version"}
MEASURED = Measured(1, 500.0, False, 1.5, 12, 3, 4)
SEEN = Seen(MEASURED, Memory(8.0, 10.5), 1_700_000_000.25, 1024)
STORAGE = Storage(9_000_000_000, 4096, 123, 0)


def row(role: str, pid: int | None = 1, state: str = "working", **more: Any) -> dict[str, Any]:
    blank = {"age_ms": 1, "clients": None, "lines": None, "deliveries": None, "deaths": 0, "stall_ms": None}
    blank |= {"unsent": None}
    return {"role": role, "pid": pid, "state": state, **blank, "silent_ms": 0, **more}


def snapshot(*changed: dict[str, Any]) -> dict[str, Any]:
    """A server with one worker and a spare, where these rows are other ones."""
    rows = [row(role, pid) for pid, role in enumerate(ROLES, 100)]
    rows[1] |= {"lines": 7}
    rows[2] |= {"lines": 5, "deliveries": 30, "clients": 3, "unsent": 70_000}
    rows[4] |= {"lines": 2}
    rows[5] |= {"clients": 4}
    others = {each["role"]: each for each in changed}
    rows = [others.pop(each["role"], each) for each in rows]
    connections = [{"from": "worker0", "to": "broker", "by": "queue", "messages": 2, "bytes": 640}]
    return {
        "ports": [6667],
        "ipc": "queue",
        "data": "/data",
        "disk_full": False,
        "certificate_ends": 1_800_000_000.0,
        "processes": [*rows, row("spare", 200, "spare"), *others.values()],
        "connections": connections,
    }


def told(snapshot: dict[str, Any], seen: Seen = SEEN, storage: Storage = STORAGE) -> list[Family]:
    pids = [each["pid"] for each in snapshot["processes"] if each["pid"] is not None]
    return of_server(snapshot, dict.fromkeys(pids, seen), storage)


def value(families: list[Family], name: str, **labels: str) -> float:
    (family,) = (each for each in families if each.name == name)
    (found,) = (value for found, value in family.samples if found == labels)
    return found


def test_each_family_is_what_prometheus_wants() -> None:
    families = [*of_exporter(True, 0.01), *told(snapshot())]

    names = [family.name for family in families]
    assert len(names) == len(set(names))
    for family in families:
        assert re.fullmatch(r"mpchat_[a-z_]+", family.name)
        assert (family.type == "counter") == family.name.endswith("_total"), family.name
        assert family.help.endswith("."), family.name
        assert family.samples, family.name
        keys = [tuple(labels) for labels, _ in family.samples]
        assert len(set(keys)) == 1, f"{family.name}: each sample has the same labels"
        assert set(keys[0]) <= LABELS
        assert len({tuple(labels.values()) for labels, _ in family.samples}) == len(family.samples)
        assert all(type(value) is float for _, value in family.samples), family.name


@pytest.mark.parametrize("readme", ["README.md", "README.es.md"])
def test_the_readmes_have_each_of_them_and_no_other(readme: str) -> None:
    text = (Path(__file__).parent.parent.parent / readme).read_text()
    rows = [line for line in text.splitlines() if line.startswith("| `mpchat_")]

    named = [name for row in rows for name in re.findall(r"`(mpchat_[a-z_]+)", row.split(" | ")[0])]
    assert sorted(named) == sorted(each.name for each in [*of_exporter(True, 0.01), *told(snapshot())])


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("mpchat_process_cpu_seconds_total", 1.5),
        ("mpchat_process_proportional_memory_bytes", 10.5 * 1024 * 1024),
        ("mpchat_process_private_memory_bytes", 8.0 * 1024 * 1024),
        ("mpchat_process_start_time_seconds", 1_700_000_000.25),
        ("mpchat_process_open_fds", 12.0),
        ("mpchat_process_max_fds", 1024.0),
    ],
)
def test_what_the_system_says_is_told_in_base_units(name: str, unit: float) -> None:
    assert [value(told(snapshot()), name, role=role) for role in ROLES] == [unit] * len(ROLES)


def test_what_the_server_says() -> None:
    families = told(snapshot(row("broker", 101, deaths=3, stall_ms=250, silent_ms=40, lines=7)))

    assert value(families, "mpchat_process_deaths_total", role="broker") == 3
    assert value(families, "mpchat_process_deaths_total", role="acceptor") == 0
    assert value(families, "mpchat_process_last_stall_seconds", role="broker") == 0.25
    assert value(families, "mpchat_process_last_stall_seconds", role="acceptor") == 0
    assert value(families, "mpchat_process_silent_seconds", role="broker") == 0.04
    assert value(families, "mpchat_clients", worker="worker0") == 3
    assert value(families, "mpchat_lines_total", role="broker") == 7
    assert value(families, "mpchat_deliveries_total", worker="worker0") == 30
    assert value(families, "mpchat_unsent_bytes", worker="worker0") == 70_000
    assert value(families, "mpchat_queue_messages", source="worker0", target="broker") == 2
    assert value(families, "mpchat_queue_bytes", source="worker0", target="broker") == 640
    assert value(families, "mpchat_data_free_bytes") == 9_000_000_000
    assert value(families, "mpchat_history_bytes") == 0
    assert value(families, "mpchat_kept_journal_bytes") == 123


def test_a_vacant_role_keeps_its_deaths_and_has_nothing_of_a_process() -> None:
    families = told(snapshot(row("worker0", None, "vacant", deaths=1)))

    assert value(families, "mpchat_process_up", role="worker0") == 0
    assert value(families, "mpchat_process_state", role="worker0", state="vacant") == 1
    assert value(families, "mpchat_process_deaths_total", role="worker0") == 1
    by_name = {family.name: family.samples for family in families}
    assert {"role": "worker0"} not in [labels for labels, _ in by_name["mpchat_process_open_fds"]]
    assert {"role": "worker0"} not in [labels for labels, _ in by_name["mpchat_process_silent_seconds"]]
    assert not {"mpchat_clients", "mpchat_deliveries_total", "mpchat_unsent_bytes"} & set(by_name)


@pytest.mark.parametrize(
    ("state", "is_up"),
    [("working", 1), ("silent", 1), ("disk", 1), ("full", 1), ("starting", 0), ("vacant", 0), ("new state", 1)],
)
def test_a_role_is_in_one_state(state: str, is_up: int) -> None:
    """Also in one that a newer server has, and this code does not know."""
    families = told(snapshot(row("broker", 101, state)))

    assert value(families, "mpchat_process_up", role="broker") == is_up
    (family,) = (each for each in families if each.name == "mpchat_process_state")
    states = {labels["state"]: value for labels, value in family.samples if labels["role"] == "broker"}
    assert states == {**dict.fromkeys(STATES, 0), state: 1}


def test_a_stopped_process_is_there_and_said_to_be_stopped() -> None:
    """Whatever the server says meanwhile, which finds it silent after a second."""
    families = told(snapshot(row("broker", 101, "silent")), SEEN._replace(measured=MEASURED._replace(is_stopped=True)))

    assert value(families, "mpchat_process_up", role="broker") == 1
    assert value(families, "mpchat_process_state", role="broker", state="stopped") == 1
    assert value(families, "mpchat_process_state", role="broker", state="silent") == 0


def test_who_has_no_heartbeat_is_not_said_to_have_one() -> None:
    (family,) = (each for each in told(snapshot()) if each.name == "mpchat_process_silent_seconds")
    assert [labels["role"] for labels, _ in family.samples] == ["broker", "worker0", "acceptor", "recorder", "front"]


def test_an_older_server_says_nothing_of_what_is_unsent() -> None:
    older = snapshot()
    for each in older["processes"]:
        del each["unsent"]
    assert "mpchat_unsent_bytes" not in [family.name for family in told(older)]


def test_a_server_without_tls_says_nothing_of_it() -> None:
    without = snapshot()
    without["processes"] = [each for each in without["processes"] if each["role"] != "front"]
    del without["certificate_ends"]
    older, newer = without, {**without, "certificate_ends": None}
    for each in (older, newer):
        told_of = {family.name for family in told(each) if family.samples}
        assert not told_of & {"mpchat_tls_clients", "mpchat_certificate_end_time_seconds"}


@pytest.mark.parametrize(
    ("rows", "spares"),
    [([], 1), ([row("spare", 201, "spare")], 2), ([row("spare", 201, "starting")], 1)],
)
def test_spares_are_counted_and_have_no_label(rows: list[dict[str, Any]], spares: int) -> None:
    families = told(snapshot(*rows))

    assert value(families, "mpchat_spares") == spares
    assert not any("spare" in labels.values() for family in families for labels, _ in family.samples)


def test_a_full_disk() -> None:
    assert value(told(snapshot()), "mpchat_disk_full") == 0
    assert value(told({**snapshot(), "disk_full": True}), "mpchat_disk_full") == 1


def test_what_nobody_tells_is_left_out() -> None:
    """Another user's processes, or such as have ended meanwhile; a server that keeps nothing."""
    nothing = told(snapshot(), Seen(None, None, None, None), Storage(None, None, None, None))
    some = told(snapshot(), Seen(MEASURED._replace(fds=None), None, 1.0, None))

    process = {"cpu_seconds_total", "start_time_seconds"}
    hidden = {"open_fds", "max_fds", "proportional_memory_bytes", "private_memory_bytes"}
    names = {family.name.removeprefix("mpchat_") for family in nothing}
    assert names & {f"process_{name}" for name in process | hidden} == set()
    assert names & {"data_free_bytes", "journal_bytes", "history_bytes"} == set()
    names = {family.name.removeprefix("mpchat_process_") for family in some}
    assert process <= names
    assert names & hidden == set()


def test_processes_that_nobody_looked_at() -> None:
    assert value(of_server(snapshot(), {}, STORAGE), "mpchat_process_up", role="broker") == 1


@pytest.mark.parametrize("is_up", [True, False])
def test_of_the_exporter_itself(is_up: bool) -> None:
    families = of_exporter(is_up, 0.5)

    assert value(families, "mpchat_up") == is_up
    assert value(families, "mpchat_scrape_duration_seconds") == 0.5
