"""A few seconds of chaos, with the checker's verdict: what `make chaos` does for a minute."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.system.servers import needs_linux

pytestmark = [needs_linux, pytest.mark.slow, pytest.mark.timeout(300)]

CHAOS = Path(__file__).parent.parent.parent / "scripts" / "chaos.py"
ZEROS = (
    "connections lost",
    "lost",
    "echoes wrong",
    "doubled",
    "reordered",
    "torn",
    "strayed",
    "nicknames twice",
    "tags wrong",
    "answers wrong",
)


def chaos(*args: str) -> dict[str, str]:
    """The rows of a run that found nothing."""
    done = subprocess.run([sys.executable, CHAOS, *args], capture_output=True, text=True, timeout=240)
    assert re.search(
        r"^chaos: [\d.]+ s of [\d.]+: \d+ kills, [\d,]+ lines said, [\d,]+ read$", done.stderr, re.MULTILINE
    )
    print(done.stderr, done.stdout)  # noqa: T201  pytest shows it where the test fails
    assert done.returncode == 0
    assert "good: nothing was lost" in done.stdout
    rows = dict(re.findall(r"^  (\S.{17}) (.*)$", done.stdout, re.MULTILINE))
    rows = {name.strip(): value for name, value in rows.items()}
    assert {name: rows[name] for name in ZEROS} == dict.fromkeys(ZEROS, "0")
    return rows


def counts(row: str) -> list[int]:
    """Its numbers; a test cannot go on where the row says why it has none."""
    if row.startswith("skipped: "):
        pytest.skip(row.removeprefix("skipped: "))
    return [int(number) for number in re.findall(r"\d+", row)]


@pytest.mark.parametrize("ipc", ["queue", "pipe"])
def test_nobody_notices_that_its_processes_are_killed(ipc: str) -> None:
    rows = chaos("--seconds", "10", "--ipc", ipc)
    assert sum(counts(rows["kills"])) >= 5
    _, answered, *_ = counts(rows["questions"].replace(",", ""))
    assert answered >= 20


@pytest.mark.surroundings
def test_the_folder_it_was_started_in_is_gone() -> None:
    assert chaos("--seconds", "6", "--surroundings", "folder")["start folder"] == "removed"


@pytest.mark.surroundings
def test_nobody_reads_its_log() -> None:
    """Also while it stops: what cannot be logged is dropped, and counted."""
    rows = chaos("--seconds", "8", "--surroundings", "log")
    full, dropped = counts(rows["log pipe"])
    assert full >= 2
    assert dropped > 0


@pytest.mark.surroundings
def test_no_process_can_be_started_for_a_while() -> None:
    rows = chaos("--seconds", "8", "--surroundings", "starts")
    failed, stretches = counts(rows["starts"])
    assert failed >= stretches >= 1


@pytest.mark.surroundings
def test_its_tmp_is_full() -> None:
    (full,) = counts(chaos("--seconds", "6", "--surroundings", "tmp")["/tmp"])
    assert full >= 2


@pytest.mark.surroundings
def test_all_of_that_at_once() -> None:
    rows = chaos("--seconds", "15", "--surroundings")
    assert rows["start folder"] == "removed"
    for name in ("log pipe", "starts", "/tmp"):
        assert counts(rows[name])[0] >= 1


def test_all_that_was_said_and_read_is_explained() -> None:
    explained = chaos("--seconds", "10", "--explain")["explained"]
    assert re.fullmatch(r"[\d,]+ records, all that was said and read among them", explained)
