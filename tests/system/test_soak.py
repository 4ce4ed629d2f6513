"""A few seconds of strangers who attack: what `make soak` does for a minute, but for how late the lines are read, which
says nothing on a machine that runs tests."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from scripts.soak_run.attacks import attacks
from scripts.soak_run.strangers import Tally
from scripts.soak_run.talk import Party, Talk
from scripts.soak_run.verdict import Latency, Outcome, growth
from tests.running import Server
from tests.system.servers import needs_linux

pytestmark = [needs_linux, pytest.mark.slow, pytest.mark.timeout(120)]

SOAK = Path(__file__).parent.parent.parent / "scripts" / "soak.py"
MOST_MEMORY = 80.0  # MiB of a process; none has half of that


@contextmanager
def soak(*args: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, SOAK, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.communicate()


def wait_for(process: subprocess.Popen[str], words: str) -> None:
    """A line of progress with these words."""
    assert process.stderr is not None
    for line in process.stderr:
        if words in line:
            return
    pytest.fail(f"it never said {words!r}")


def test_who_behaves_loses_nothing_while_strangers_attack(tmp_path: Path) -> None:
    file = tmp_path / "soak.json"
    with soak("--seconds", "10", "--json", str(file)) as process:
        said, progress = process.communicate()
    print(progress, said)  # noqa: T201  pytest shows it where the test fails
    found: dict[str, Any] = json.loads(file.read_text())
    assert [found[what] for what in ("wrong", "died", "left")] == [[], [], []]
    assert all(latency["lines"] > 150 for latency in found["latency_ms"].values())
    assert all(max(samples) < MOST_MEMORY for samples in found["memory_mib"].values())
    assert {"supervisor", "broker", "worker0", "acceptor", "recorder"} <= set(found["memory_mib"])
    assert process.returncode == (1 if found["complaints"] else 0)
    assert re.search(r"^soak: \d+ s of 10: strangers sent [\d,]+ lines, [\d,]+ refusals$", progress, re.MULTILINE)
    strangers = found["strangers"]
    assert list(strangers) == [attack.name for attack in attacks(with_tls=shutil.which("openssl") is not None)]
    assert all(each["opened"] >= each["people"] for each in strangers.values())
    told = {name for name, each in strangers.items() if each["refused"]}
    assert {"storms", "garbage", "guesses OPER", "nicknames", "many targets"} <= told
    assert strangers["floods"]["closed"] == 0, "a flood is read slowly, and never closed"


def test_a_death_is_no_good_end() -> None:
    with soak("--seconds", "4") as process:
        wait_for(process, "the strangers come")
        attacked = min(children(process.pid))  # of the two servers it was started first
        victim = next(pid for pid in children(attacked) if b"worker" in Path(f"/proc/{pid}/cmdline").read_bytes())
        os.kill(victim, signal.SIGKILL)
        said, _ = process.communicate()
    assert process.returncode == 1
    assert re.search(rf"^\w+ \(pid {victim}\) has died$", said, re.MULTILINE)


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_ctrl_c_shows_what_there_is() -> None:
    with soak("--seconds", "100") as process:
        wait_for(process, " s of 100: ")
        process.send_signal(signal.SIGINT)
        said, progress = process.communicate()
    assert "interrupted: this is what there is" in progress
    assert process.returncode in (1, 130)
    assert re.search(r"^  lost, doubled, ... 0$", said, re.MULTILINE)
    assert re.search(r"^  floods  +\d+ people, ", said, re.MULTILINE)


# What judges


def test_the_pairs_notice_what_is_lost_and_who_is_gone(server: Server) -> None:
    party = Party("only", ("127.0.0.1", server.irc_port), None)
    talk = Talk([party])
    try:
        talk.begin()
        talk.go_on(0.5)
        talk.settle(10)
        assert party.wrong() == []
        assert len(party.latencies) == party.said >= 10
        assert 0 < max(party.latencies) < 10

        first, second = party.people[:2]
        lost = first.read.pop()
        second.read.append(second.read[0])
        assert party.wrong() == [
            f"ana0 at the only server: lost: line {lost}",
            f"beto0 at the only server: doubled: line {second.read[0]}",
        ]
        party.people[2].member.send(b"QUIT :bye\r\n")
        talk.go_on(0.5)
        assert "ana1 at the only server: the server closed the connection" in party.wrong()
    finally:
        talk.close()


GOOD = Outcome(
    seconds=10.0,
    attacked=Latency(100, 1.0, 3.9, 9.0),
    idle=Latency(100, 1.0, 2.0, 5.0),
    wrong=[],
    died=[],
    memory={"broker": [1.0, 30.0, 30.0, 31.0, 33.0]},
    log_bytes=1000,
    left=[],
    cpu={"broker": 1.0},
    strangers_cpu=0.5,
    pace=0.8,
    tallies={"floods": Tally(opened=1)},
    people={"floods": 1},
)


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ({"attacked": Latency(100, 1.0, 4.0, 4.0)}, "p99 is 2.00 times that of the idle server, and must be below 2"),
        ({"idle": Latency(0, 0.0, 0.0, 0.0)}, "p99 is inf times that of the idle server, and must be below 2"),
        ({"wrong": ["ana0 at the idle server: lost: line 7"]}, "ana0 at the idle server: lost: line 7"),
        ({"died": ["worker0 (pid 7)"]}, "worker0 (pid 7) has died"),
        ({"left": ["the server left process 7 behind"]}, "the server left process 7 behind"),
        ({"memory": {"broker": [1.0, 30.0, 31.0, 35.0, 40.0]}}, "memory of broker has grown from 30.0 to 40.0 MiB"),
        ({"pace": 0.79}, "the strangers kept 79% of their rates, and must keep 80%"),
        ({"log_bytes": 1 << 20}, "the log has grown by 102.4 KiB a second, and may by 16"),
    ],
)
def test_each_of_these_is_bad(bad: dict[str, Any], said: str) -> None:
    assert GOOD.complaints() == []
    assert replace(GOOD, **bad).complaints() == [said]


def test_growth_is_from_the_second_fifth_to_the_last() -> None:
    assert growth([]) == (0.0, 0.0)
    assert growth([7.0]) == (7.0, 7.0)
    assert growth([0, 0, 5, 6, 1, 2, 3, 4, 8, 9]) == (5.5, 8.5)
