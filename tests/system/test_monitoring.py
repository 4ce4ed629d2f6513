"""The control socket of a running server: snapshots, events, and that nobody who reads them can slow or end it."""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mpchat.ipc.control_socket import Follower
from mpchat.ipc.scoreboard import Scoreboard
from tests.running import PATIENCE, Server, running
from tests.system.servers import MPCHAT, Unusual, kill, needs_linux, pids, ready, replaced, until


@pytest.fixture
def server() -> Iterator[Server]:
    with running("--workers", "2", "--hang-limit", "0", "--unlimited") as it:
        until(lambda: ready(it))
        yield it


def path_of(server: Server) -> Path:
    return Path(server.environment["XDG_RUNTIME_DIR"]) / "mpchat" / f"{server.irc_port}.sock"


OPEN: list[Follower] = []


@pytest.fixture(autouse=True)
def followers() -> Iterator[None]:
    """All are closed behind each test."""
    yield
    while OPEN:
        OPEN.pop().close()


class Following:
    """What a follower has read so far."""

    def __init__(self, server: Server, **asked: object) -> None:
        self.follower = Follower(path_of(server), asked)
        OPEN.append(self.follower)
        self.lines: list[dict[str, Any]] = []

    def wait_for(self, what: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """The next line that is this, among those that have not been asked for yet."""
        deadline = time.monotonic() + PATIENCE
        while True:
            while self.lines:
                line = self.lines.pop(0)
                if what(line):
                    found: dict[str, Any] = line
                    return found
            assert time.monotonic() < deadline, "it did not come"
            assert not self.follower.ended, "the server has closed"
            select.select([self.follower], [], [], 1)
            self.lines += self.follower.take()

    def snapshot(self, what: Callable[[dict[str, Any]], object] = lambda _: True) -> dict[str, Any]:
        return self.wait_for(lambda line: line["kind"] == "snapshot" and what(line))

    def event(self, what: str, role: str) -> dict[str, Any]:
        return self.wait_for(lambda line: line["kind"] == "event" and (line["what"], line["role"]) == (what, role))

    def close(self) -> None:
        self.follower.close()


@pytest.fixture
def watching(server: Server) -> Following:
    return Following(server, command="watch")


def row(snapshot: dict[str, Any], role: str) -> dict[str, Any]:
    rows: dict[str, dict[str, Any]] = {each["role"]: each for each in snapshot["processes"]}
    return rows[role]


def under_way(snapshot: dict[str, Any], start: str, end: str) -> tuple[int, int]:
    (found,) = [each for each in snapshot["connections"] if (each["from"], each["to"]) == (start, end)]
    return found["messages"], found["bytes"]


def test_a_snapshot_names_every_process(server: Server, watching: Following) -> None:
    with server.irc("ana") as ana:
        ana.join("#lobby")
        ana.send("PRIVMSG #lobby :hola")
        ana.sync()

        snapshot = watching.snapshot(
            lambda line: row(line, "broker")["lines"] >= 4 and row(line, "acceptor")["clients"]
        )

        named = {each["role"]: each["pid"] for each in snapshot["processes"]}
        assert named == pids(server)
        assert list(named)[:3] == ["supervisor", "broker", "worker0"], "each has its place"
        assert {each["state"] for each in snapshot["processes"]} == {"working", "spare"}
        assert row(snapshot, "acceptor")["clients"] == 1
        assert row(snapshot, "worker0")["clients"] + row(snapshot, "worker1")["clients"] == 1
        assert {each["by"] for each in snapshot["connections"]} == {"queue", "link"}


def test_lines_wait_in_the_queue_while_the_broker_is_stopped(server: Server, watching: Following) -> None:
    with server.irc("ana") as ana:
        ana.join("#lobby")
        watching.snapshot(lambda line: row(line, "broker")["lines"] >= 4)
        worker = "worker0" if row(watching.snapshot(), "worker0")["clients"] else "worker1"
        os.kill(pids(server)["broker"], signal.SIGSTOP)

        ana.send("PRIVMSG #lobby :hola")
        waiting = watching.snapshot(lambda line: under_way(line, worker, "broker")[1] > 0)

        assert under_way(waiting, worker, "broker") == (1, len("PRIVMSG #lobby :hola\r\n"))
        watching.event("silent", "broker")
        assert row(watching.snapshot(), "broker")["state"] == "silent"

        os.kill(pids(server)["broker"], signal.SIGCONT)
        assert watching.event("turns again", "broker")["stall_ms"] > 500
        ana.sync()
        assert under_way(
            watching.snapshot(lambda line: row(line, "broker")["state"] == "working"), worker, "broker"
        ) == (0, 0)


def test_a_death_and_who_takes_the_place(server: Server, watching: Following) -> None:
    before = kill(server, "worker1")
    after = replaced(server, before, "worker1")

    died, took = watching.event("died", "worker1"), watching.event("replaced", "worker1")

    assert (died["pid"], died["how"]) == (before["worker1"], "SIGKILL")
    assert took["pid"] == after["worker1"] == before["spare"]
    assert 0 <= took["stall_ms"] < PATIENCE * 1000
    assert took["number"] > died["number"]
    now = row(watching.snapshot(lambda line: row(line, "worker1")["state"] == "working"), "worker1")
    assert (now["pid"], now["deaths"], now["stall_ms"]) == (after["worker1"], 1, took["stall_ms"])


@needs_linux
def test_a_signal_that_has_no_name_is_a_death_like_others(server: Server, watching: Following) -> None:
    before = pids(server)
    os.kill(before["worker0"], signal.SIGRTMIN + 1)
    replaced(server, before, "worker0")

    assert watching.event("died", "worker0")["how"] == f"signal {signal.SIGRTMIN + 1}"


def test_what_has_happened_is_told_to_who_comes_later(server: Server) -> None:
    replaced(server, kill(server, "recorder"), "recorder")

    kept = Following(server, command="events")

    assert [kept.event(what, "recorder")["what"] for what in ("died", "replaced")] == ["died", "replaced"]
    with pytest.raises(AssertionError, match="closed"):
        kept.wait_for(lambda _: False)


def test_a_process_that_hangs(tmp_path: Path) -> None:
    with running("--hang-limit", "2") as server:
        until(lambda: ready(server))
        events = Following(server, command="events", follow=True)
        before = kill(server, "worker0", by=signal.SIGSTOP)

        assert events.event("hangs", "worker0")["silent_ms"] >= 2000
        assert events.event("died", "worker0")["pid"] == before["worker0"]
        assert events.event("replaced", "worker0")["pid"] != before["worker0"]


def test_eight_may_follow(server: Server) -> None:
    eight = [Following(server, command="watch") for _ in range(8)]
    for each in eight:
        each.snapshot()

    ninth = Following(server, command="watch")
    assert ninth.wait_for(lambda _: True) == {"ok": False, "said": "8 of top, trace and events follow already: end one"}

    eight.pop().close()
    until(lambda: asks(server))
    for each in eight:
        each.snapshot()


def asks(server: Server) -> bool:
    """Whether there is room for one more."""
    follower = Following(server, command="watch")
    line = follower.wait_for(lambda _: True)
    follower.close()
    return "kind" in line


def test_who_follows_and_does_not_read_slows_nobody(server: Server) -> None:
    OPEN.extend(Follower(path_of(server), {"command": "watch"}) for _ in range(8))
    with server.irc("ana", caps="echo-message") as ana:
        ana.join("#lobby")
        for number in range(200):
            ana.send(f"PRIVMSG #lobby :{number}")
        for _ in range(200):
            ana.expect("PRIVMSG")
    assert server.run("ps", "--port", str(server.irc_port)).returncode == 0


@pytest.mark.parametrize(
    "asked",
    [
        {"command": "events", "follow": 1},
        {"command": "trace", "from": ["ana"]},
        {"command": "trace", "count": 0},
        {"command": "trace", "count": 10**9},
        {"command": "trace", "count": True},
        {"command": "trace", "of": "ana"},
        {"command": "watch", "seconds": 1},
    ],
)
def test_what_cannot_be_asked_is_refused(server: Server, asked: dict[str, object]) -> None:
    follower = Following(server, **asked)
    assert follower.wait_for(lambda _: True)["ok"] is False


def test_where_files_are_limited_in_size_there_is_no_trace_but_all_else() -> None:
    command = [*MPCHAT, "server", "127.0.0.1", "0", "--durability", "none"]
    limits = 1 << 20, resource.RLIM_INFINITY
    limited = Unusual(command, before=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limits))
    try:
        trace = Following(limited, command="trace")
        assert "ulimit -f" in trace.wait_for(lambda _: True)["said"]
        assert row(Following(limited, command="watch").snapshot(), "broker")["state"] == "working"
    finally:
        limited.stop()


def test_hops_are_noted_only_while_somebody_traces(server: Server) -> None:
    with server.irc("ana") as ana:
        ana.join("#lobby")
        trace = Following(server, command="trace")
        head = trace.wait_for(lambda line: line["kind"] == "trace")
        (fd,) = trace.follower.fds
        board = Scoreboard(fd, head["rows"], is_read_only=True)
        rings = [board.ring(row) for row in head["roles"].values()]
        assert board.tracing[0] == 1

        ana.send("PRIVMSG #lobby :hola")
        ana.sync()
        assert any(ring.read()[0] for ring in rings)

        trace.close()
        until(lambda: not board.tracing[0])
        ana.sync()
        for ring in rings:
            ring.skip()
        ana.send("PRIVMSG #lobby :otra")
        ana.sync()
        assert not any(ring.read()[0] for ring in rings)
        os.close(fd)


@needs_linux
def test_whoever_traces_can_write_nothing(server: Server) -> None:
    trace = Following(server, command="trace")
    trace.wait_for(lambda line: line["kind"] == "trace")
    (fd,) = trace.follower.fds

    with pytest.raises(OSError, match="Bad file descriptor"):
        os.write(fd, b"0")
    os.close(fd)


def test_a_follower_whose_line_comes_in_pieces(server: Server) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(path_of(server)))
        sock.settimeout(PATIENCE)
        sock.sendall(b'{"command": ')
        sock.sendall(b'"watch"}\n')
        data = b""
        while not data.endswith(b"\n"):
            data += sock.recv(65536)
        assert json.loads(data.splitlines()[-1])["kind"] == "snapshot"


def test_neither_the_server_nor_ps_imports_a_library_of_the_screen(tmp_path: Path) -> None:
    """Whoever imports it leaves a mark."""
    mark = tmp_path / "imported"
    for name in ("prompt_toolkit", "prometheus_client"):
        (tmp_path / f"{name}.py").write_text(f"open({str(mark)!r}, 'a').write(__name__)\n")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)}
    command = [sys.executable, "-m", "mpchat"]
    process = subprocess.Popen(
        [*command, "server", "127.0.0.1", "0"], stdout=subprocess.PIPE, text=True, env=environment
    )
    try:
        assert process.stdout is not None
        port = process.stdout.readline().split()[3].rstrip(",").rpartition(":")[2]
        shown = subprocess.run(
            [*command, "ps", "--port", port], env=environment, capture_output=True, text=True, timeout=PATIENCE
        )
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE)
    assert "broker" in shown.stdout
    assert not mark.exists()
    subprocess.run([sys.executable, "-c", "import prompt_toolkit"], env=environment, check=True, timeout=PATIENCE)
    assert mark.exists(), "the mark works"
