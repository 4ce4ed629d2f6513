"""mpchat top against a real server: in a terminal, as text, as JSON."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.client.person import Person, environment
from tests.running import PATIENCE, Server, running
from tests.system.servers import MPCHAT, Unusual, kill, pids, replaced, status

TOP = [*MPCHAT, "top"]
UP, DOWN = "\x1b[A", "\x1b[B"


@pytest.fixture
def mortal() -> Iterator[Server]:
    """A server whose processes may be stopped, and killed."""
    with running("--unlimited", "--workers", "2", "--hang-limit", "0") as it:
        yield it


def env(server: Server, home: Path, **more: str) -> dict[str, str]:
    return {**environment(home), "XDG_RUNTIME_DIR": server.environment["XDG_RUNTIME_DIR"], **more}


def watching(server: Server, home: Path, *more: str, rows: int = 24, columns: int = 80, **other: str) -> Person:
    args = ["--port", str(server.irc_port), *more]
    return Person(args, env(server, home, **other), rows, columns, TOP)


def row_of(person: Person, role: str) -> int:
    """The line of the screen where this role's row is; -1: there is none."""
    found = [number for number, line in enumerate(person.screen.display) if re.match(rf".. ?{role} ", line)]
    return found[0] if found else -1


def flashes(person: Person, role: str) -> bool:
    row = row_of(person, role)
    return row >= 0 and all(person.screen.buffer[row][column].reverse for column in range(30))


def select(person: Person, role: str) -> None:
    while not any(re.match(rf">.{role} ", line) for line in person.screen.display):
        before = list(person.screen.display)
        person.type(DOWN)
        person.until(lambda: person.screen.display != before)  # noqa: B023


def test_a_worker_dies_before_your_eyes(mortal: Server, tmp_path: Path) -> None:
    before = pids(mortal)
    with closing(watching(mortal, tmp_path)) as ana:
        for role in ("supervisor", "broker", "worker0", "worker1", "acceptor", "recorder", "resource_tracker"):
            ana.sees(rf"^..{role} +{before[role]} working ")
        place = row_of(ana, "worker0")
        select(ana, "worker0")
        ana.type("k")
        ana.sees(rf"^SIGKILL was sent to worker0 \({before['worker0']}\)$")
        ana.until(lambda: flashes(ana, "worker0"))
        assert ana.screen.display[place][:9] == ">!worker0", "colour is not the only sign"
        ana.until(lambda: not flashes(ana, "worker0"))
        told = ana.sees(r"worker0 has a new process at work, \d+, after \d+ ms$")
        new, stall = re.findall(r"\d+(?=,| ms)", told)
        assert int(new) == pids(mortal)["worker0"] != before["worker0"]
        ana.sees(rf"^>\+worker0 +{new} working .* {stall}$")
        assert row_of(ana, "worker0") == place
        assert f"worker0 ({before['worker0']}) has died: SIGKILL" in "\n".join(ana.lines())
        ana.type("q")
        assert ana.ends() == 0


def test_a_stopped_process_is_seen_to_be_stopped(mortal: Server, tmp_path: Path) -> None:
    with closing(watching(mortal, tmp_path)) as ana:
        ana.sees("^> supervisor .* working ")
        select(ana, "worker1")
        ana.type("s")
        ana.sees(r"^SIGSTOP was sent to worker1 \(\d+\)$")
        ana.sees("^> worker1 .* stopped ")
        ana.type("c")
        ana.sees("^> worker1 .* working ")
        for _ in range(9):
            ana.type(UP)
        ana.sees("^> supervisor ")
        ana.type("s")
        ana.sees("no news from the supervisor for [1-9] s")
        ana.sees("^> supervisor .* stopped ")
        ana.type("c")
        ana.sees("^> supervisor .* working ")
        ana.until(lambda: "no news" not in ana.screen.display[0])
        ana.type("\x03")
        assert ana.ends() == 0


@pytest.mark.slow
def test_the_supervisor_is_killed_only_by_who_is_sure(mortal: Server, tmp_path: Path) -> None:
    with closing(watching(mortal, tmp_path)) as ana:
        ana.sees("^> supervisor .* working ")
        ana.type("k")
        ana.sees("^y: kill the supervisor")
        ana.type("n")
        ana.sees("^the supervisor was left alone$")
        ana.type("?")
        ana.sees("--hang-limit 0")
        ana.type("x")
        ana.type("p")
        ana.until(lambda: "PAUSED" in ana.screen.display[0])
        (clock,) = re.findall(r"\d\d:\d\d:\d\d UTC", ana.screen.display[0])
        ana.type("p")
        ana.until(lambda: "PAUSED" not in ana.screen.display[0] and clock not in ana.screen.display[0])
        ana.type("q")
        assert ana.ends() == 0
    assert status(mortal)["supervisor"]["pid"] == mortal.pid


@pytest.mark.slow
def test_a_server_that_ends_is_waited_for(tmp_path: Path) -> None:
    folder = tmp_path.parent / "r"  # a Unix socket's name must be short
    folder.mkdir(mode=0o700, exist_ok=True)
    shared = {"XDG_RUNTIME_DIR": str(folder)}
    first = Unusual([*MPCHAT, "server", "127.0.0.1", "0", "--workers", "1"], environment=shared)
    try:
        ana = watching(first, tmp_path)
        ana.sees("^> supervisor .* working ")
    finally:
        assert first.stop() == 0
    with closing(ana):
        ana.until(lambda: f"waiting for the server on port {first.irc_port}" in ana.screen.display[0])
        command = [*MPCHAT, "server", "127.0.0.1", str(first.irc_port), "--ephemeral", "--workers", "1"]
        second = Unusual(command, environment=shared)
        try:
            ana.sees(rf"^> supervisor +{second.pid} working ")
        finally:
            assert second.stop() == 0
        ana.until(lambda: "waiting for the server" in ana.screen.display[0])
        ana.type("q")
        assert ana.ends() == 0


@pytest.mark.slow
def test_the_window_changes_while_processes_die(mortal: Server, tmp_path: Path) -> None:
    with closing(watching(mortal, tmp_path, rows=20, columns=80)) as ana:
        ana.sees("^> supervisor ")
        for size, role in (
            ((60, 200), "worker0"),
            ((20, 80), "broker"),
            ((30, 120), "worker1"),
            ((24, 80), "recorder"),
        ):
            before = kill(mortal, role)
            ana.resize(*size)
            replaced(mortal, before, role)
            ana.until(lambda: row_of(ana, "resource_tracker") > 0)
            ana.until(lambda: f" {pids(mortal)[role]} " in ana.screen.display[row_of(ana, role)])  # noqa: B023
            assert ana.screen.display[-1].startswith("?: help")
        ana.type("q")
        assert ana.ends() == 0


@pytest.mark.slow
@pytest.mark.parametrize("size", [(20, 80), (60, 200), (5, 30)])
def test_a_window_of_any_size_is_used(server: Server, tmp_path: Path, size: tuple[int, int]) -> None:
    with closing(watching(server, tmp_path, rows=30, columns=100)) as ana:
        ana.sees("^> supervisor ")
        ana.resize(*size)
        ana.until(lambda: ana.screen.display[-1].startswith("?: help") and ana.screen.display[0].startswith("mpchat"))
        ana.until(lambda: "> supervisor" in ana.screen.display[2])
        assert ("CPU, last minute" in ana.screen.display[1]) == (size[1] == 200)
        ana.type("q")
        assert ana.ends() == 0


@pytest.mark.slow
def test_a_screen_without_colours(server: Server, tmp_path: Path) -> None:
    for other in ({"NO_COLOR": "1"}, {}):
        with closing(watching(server, tmp_path, **other)) as ana:
            ana.sees("^> supervisor ")
            ana.type("q")
            assert ana.ends() == 0
            colours = re.findall(rb"\x1b\[[0-9;]*\b(?:3[0-7]|9[0-7])(?=[;m])", ana.raw)
            assert (colours == []) == bool(other)


# Without a screen


def top(server: Server, *args: str, **more: str) -> subprocess.CompletedProcess[str]:
    command = [*TOP, "--port", str(server.irc_port), *args]
    environment = {**server.environment, **more}
    return subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE
    )


def test_one_picture_as_text(server: Server) -> None:
    for done, word in ((top(server, "--once"), "working"), (top(server, "--once", "--lang", "es"), "trabaja")):
        assert (done.returncode, done.stderr) == (0, "")
        lines = done.stdout.splitlines()
        assert [line for line in lines if re.match(rf"  supervisor +{server.pid}  {word}  .* \d+\.\d ", line)] != []
        assert "\x1b" not in done.stdout
        assert len([line for line in lines if "worker0 -> broker" in line]) == 1


def test_one_picture_for_programs(server: Server) -> None:
    done = top(server, "--once", "--json", LC_ALL="es_ES.UTF-8")
    (line,) = done.stdout.splitlines()
    picture: dict[str, Any] = json.loads(line)
    rows = {row["role"]: row for row in picture["processes"]}
    assert rows["supervisor"]["pid"] == server.pid
    assert rows["worker0"]["state"] == "working"
    assert rows["worker0"]["lines_per_second"] >= 0
    assert rows["broker"]["cpu_percent"] >= 0
    assert rows["broker"]["uss_mib"] > 1
    assert picture["ports"][0] == server.irc_port


@pytest.mark.slow
@pytest.mark.parametrize("form", ["--plain", "--json"])
def test_pictures_until_the_server_ends(form: str) -> None:
    server = Server("--workers", "1", "--ephemeral")
    try:
        watcher = subprocess.Popen(
            [*TOP, "--port", str(server.irc_port), form],
            env=server.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert watcher.stdout
        pictures = 0
        while pictures < 2:
            line = watcher.stdout.readline()
            assert line
            pictures += line.startswith(("mpchat top", "{"))
    finally:
        assert server.stop() == 0
    told = watcher.communicate(timeout=PATIENCE)[1]
    assert told == f"mpchat: the server on port {server.irc_port} has ended, or has cut us off\n"
    assert watcher.returncode == 1


@pytest.mark.slow
@pytest.mark.parametrize("form", [["--once"], ["--json"], ["--plain"]])
def test_without_a_server_it_says_so(form: list[str], server: Server) -> None:
    done = server.run("top", "--port", "1", *form)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("mpchat: no server of yours on port 1 ")


@pytest.mark.slow
def test_without_a_terminal_it_says_what_needs_none(server: Server) -> None:
    done = top(server)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "mpchat: no terminal for the full screen here: --plain, --once and --json need none\n"


@pytest.mark.slow
def test_without_prompt_toolkit_text_and_json_work(server: Server, tmp_path: Path) -> None:
    (tmp_path / "prompt_toolkit.py").write_text("raise ModuleNotFoundError('gone', name='prompt_toolkit')\n")
    where = {"PYTHONPATH": str(tmp_path)}
    with closing(watching(server, tmp_path, **where)) as ana:
        ana.sees("^mpchat: prompt_toolkit is not installed, and the full screen needs it: --plain,")
        assert ana.ends() == 1
    for form in (["--once"], ["--once", "--json"]):
        assert top(server, *form, **where).returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("encoding", "bar"),
    [({"PYTHONIOENCODING": "utf-8"}, "▁"), ({"PYTHONIOENCODING": "latin-1"}, "."), ({"TERM": "dumb"}, ".")],
    ids=["utf-8", "latin-1", "dumb"],
)
def test_where_there_are_no_blocks_bars_are_digits(server: Server, encoding: dict[str, str], bar: str) -> None:
    done = top(server, "--once", **encoding)
    assert done.returncode == 0
    line = next(line for line in done.stdout.splitlines() if line.startswith("worker0 -> broker"))
    assert bar in line
    assert "?" not in line
