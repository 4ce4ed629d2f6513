"""mpchat explain, of real servers: the same while one runs and afterwards; all that was kept; and how things stand."""

from __future__ import annotations

import json
import os
import pickle
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mpchat.ipc.control_socket import Follower
from mpchat.settings import Settings
from mpchat.store import snapshot
from mpchat.store.journal import records, segment, segments
from tests.running import PATIENCE, Server, at_home
from tests.system.servers import kill, needs_linux, pids, ready, replaced, socket_file, until, unusual

pytestmark = [needs_linux, pytest.mark.slow]

OLD = Path(__file__).parent.parent / "data"
MANY = 5200  # lines: more than two snapshots' worth of records
SOON = 5.0  # seconds in which whoever asks has an answer


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def server(data: Path) -> Iterator[Server]:
    with unusual("--unlimited", "--workers", "2", "--hang-limit", "0", "--data", str(data)) as it:
        yield it


def explain(*args: str, home: Path) -> subprocess.CompletedProcess[str]:
    """The command where no server is."""
    command = [sys.executable, "-m", "mpchat", "explain", *args]
    environment = {**os.environ, **at_home(home)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=6 * PATIENCE)


def of(data: Path, *args: str) -> list[dict[str, Any]]:
    """All that is told of a data directory."""
    done = explain("--data", str(data), "--from", "0", "--json", *args, home=data.parent)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def live(server: Server, *args: str) -> str:
    done = server.run("explain", "--port", str(server.irc_port), *args)
    assert done.returncode == 0, done.stderr
    return done.stdout


def refused(*args: str, home: Path) -> str:
    """What is said where nothing can be: one line."""
    done = explain(*args, home=home)
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(r"mpchat: .*\n", done.stderr), done.stderr
    return done.stderr


def files(folder: Path) -> dict[str, tuple[int, ...]]:
    """Each file, and what would be different if somebody had touched it."""
    found = {str(path.relative_to(folder)): path.stat() for path in folder.rglob("*")}
    return {name: (about.st_ino, about.st_size, about.st_mtime_ns, about.st_mode) for name, about in found.items()}


def talk(server: Server, first: int, count: int, nick: str = "ana") -> None:
    """Say numbers in #lobby, so many, and leave: the nick is free then, for a session of another worker too."""
    with server.irc(nick) as client:
        client.join("#lobby")
        for start in range(first, first + count, 400):
            client.ask(*(f"PRIVMSG #lobby :number {n}" for n in range(start, min(start + 400, first + count))))
        client.send("QUIT")
        client.rest()


def numbers(happenings: list[dict[str, Any]]) -> list[int]:
    return [int(each["line"].rpartition(" ")[2]) for each in happenings if "number" in each["line"]]


# The journal


def test_the_same_while_it_runs_and_afterwards(server: Server, data: Path) -> None:
    with server.irc("ana") as ana, server.plain("pepe") as pepe:
        ana.join("#lobby")
        pepe.ask("hola")
        ana.ask("PRIVMSG pepe :a secret")
        running = live(server, "--from", "0")
    server.stop()
    before = files(data)
    done = explain("--data", str(data), "--from", "0", home=data.parent)
    assert files(data) == before, "nothing is written"
    assert done.stdout.startswith(running)
    assert "pepe (connection " in running
    assert " sends: hola\n" in running
    assert "a secret" not in done.stdout + done.stderr
    assert "a secret" in explain("--data", str(data), "--private", home=data.parent).stdout
    assert "the server stops: " in done.stdout.removeprefix(running)
    assert "private, and not shown: 1 (--private shows them)" in done.stderr


def test_the_last_ones_in_spanish(server: Server) -> None:
    with server.irc("ana") as ana:
        ana.ask("PING x")
        shown = live(server, "--last", "1", "--lang", "es")
        assert shown.count("\n") == 3
        assert "ana (conexión " in shown


def in_segments(folder: Path) -> list[int]:
    """The numbers that were said, as the segments of a folder have them; what came twice counts once."""
    found = []
    for first in segments(folder):
        with open(segment(folder, first), "rb") as file:
            blocks = list(records(file.fileno(), Path(file.name), first, first))
        lines = [record[3] for _, block in blocks for record in block if record[0] == "line"]
        found += [int(number[1]) for line in lines if (number := re.search(rb"number (\d+)", line))]
    return list(dict.fromkeys(found))


def test_all_of_it_is_kept(data: Path) -> None:
    """Through two restarts, and deaths of the broker; and what is kept is left alone by a server that keeps nothing."""
    options = ("--unlimited", "--workers", "2", "--data", str(data))
    with unusual(*options, "--keep-journal") as server:
        talk(server, 0, MANY // 2)
        before = until(lambda: ready(server))
        kill(server, "broker")
        replaced(server, before, "broker")
        talk(server, MANY // 2, MANY // 2)
        until(lambda: segments(data / "kept"))
    with unusual(*options, "--keep-journal") as server:
        talk(server, MANY, 10)
        kill(server, "broker")
        talk(server, MANY + 10, 10)
    with unusual(*options, "--keep-journal") as server:
        talk(server, MANY + 20, 10)
        assert numbers([json.loads(line) for line in live(server, "--from", "0", "--json").splitlines()]) == list(
            range(MANY + 30)
        )
    assert numbers(of(data)) == list(range(MANY + 30))
    assert [each["record"] for each in of(data) if each["record"] in ("start", "stop")] == ["start", "stop"] * 3
    assert len(list((data / "kept").glob("*.snapshot"))) >= 1

    kept = files(data / "kept")
    with unusual(*options) as server:
        talk(server, 0, MANY)
        until(lambda: min(segments(data / "journal")) > max(segments(data / "kept")))
        until(lambda: len(segments(data / "journal")) == 1)
        assert files(data / "kept") == kept
        done = server.run("explain", "--port", str(server.irc_port), "--last", "1")
        begins = re.search(r"the journal can be read from (\d+) on: a snapshot has what was before", done.stderr)
        assert begins is not None, done.stderr
        assert int(begins[1]) >= min(segments(data / "journal"))
    told = numbers(of(data))
    assert told == list(range(len(told))), "--from 0 is in what is kept, and that can be read still"
    assert told == in_segments(data / "kept") != []


@pytest.mark.parametrize("keeps", [True, False])
def test_it_has_no_bound_where_it_is_kept(data: Path, keeps: bool) -> None:
    """Without a recorder the journal may grow to so many bytes; then a segment goes that the history does not have."""
    bounds = Settings(port=0, plain_port=0, unlimited=True, workers=1, data=str(data), hang_limit=0)
    with unusual(settings=replace(bounds, journal_bytes=1 << 14, keep_journal=keeps)) as server:
        before = until(lambda: ready(server))
        kill(server, "recorder", by=signal.SIGSTOP)
        talk(server, 0, MANY)
        until(lambda: (data / "snapshot").exists())
        until(lambda: keeps or min(segments(data / "journal")) > 0)
        assert (min(segments(data / "journal")) == 0) == keeps
        os.kill(before["recorder"], signal.SIGCONT)
        with server.irc("beto", caps="batch draft/chathistory") as beto:
            beto.join("#lobby")
            until(lambda: f"number {MANY - 1}" in str(beto.ask("CHATHISTORY LATEST #lobby * 10")))
    if keeps:
        assert numbers(of(data)) == list(range(MANY))


@pytest.mark.parametrize("left", sorted(OLD.glob("state-*/*/journal")), ids=lambda each: each.parent.parent.name)
def test_what_an_earlier_program_left(tmp_path: Path, left: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(left.parent, data)
    happenings = of(data)
    assert {"start", "open", "line"} <= {each["record"] for each in happenings}
    assert any(each["nick"] == "ana" for each in happenings)


# Where there is nothing to tell


def test_where_no_server_ever_was(tmp_path: Path) -> None:
    where = tmp_path / "mpchat" / "4242"
    assert refused("--port", "4242", home=tmp_path) == (
        f"mpchat: no server of yours runs on port 4242, and there is no journal in {where}\n"
    )
    assert refused("--data", str(tmp_path), home=tmp_path) == f"mpchat: there is no journal in {tmp_path}\n"
    assert not where.exists()


def test_a_server_that_keeps_none() -> None:
    with unusual("--durability", "none") as server:
        done = server.run("explain", "--port", str(server.irc_port))
        assert done.returncode == 2
        assert done.stderr == f"mpchat: the server on port {server.irc_port} keeps no journal (--durability none)\n"


def test_a_newer_programs_snapshot(tmp_path: Path) -> None:
    shutil.copytree(OLD / "state-4" / "stopped", tmp_path / "data")
    data = tmp_path / "data"
    end = max(segments(data / "journal")) + (data / "journal" / f"{0:020}.journal").stat().st_size
    snapshot.prepare(data, end, pickle.dumps((b"mpchat state 99\nwhat it had in mind", [], "")))
    snapshot.install(data)
    assert "'mpchat state 99'" in refused("--data", str(data), "--from", str(end), home=tmp_path)


# How it stands now


def stands(server: Server, nick: str, words: str) -> str:
    """What is said of this nickname now, as soon as these words are in it."""

    def said() -> str:
        now = [line for line in live(server, "--last", "1", "--nick", nick).splitlines() if line.startswith("now: ")]
        return "\n".join(now)

    return str(until(lambda: (now := said()) and words in now and now))


def test_all_is_well(server: Server) -> None:
    with server.irc("ana") as ana:
        ana.join("#lobby")
        now = stands(server, "ana", "ana's client, on this machine, has read all that was sent to it")
        assert re.match(
            r"now: ana is connection \d+ \(irc, from 127.0.0.1\), in #lobby; worker\d has its socket\n", now
        )
    assert stands(server, "ana", "nobody here") == "now: nobody here has the nickname ana"


def test_a_worker_is_stopped(server: Server) -> None:
    with server.irc("ana") as ana:
        ana.sync()
        kill(server, "worker0", "worker1", by=signal.SIGSTOP)
        now = stands(server, "ana", "is stopped (SIGSTOP)")
        assert re.search(r"nothing that is sent to ana leaves worker\d meanwhile", now)
        begun = time.monotonic()
        live(server, "--nick", "ana")
        assert time.monotonic() - begun < SOON, "it is not waited for"
        kill(server, "worker0", "worker1", by=signal.SIGCONT)
        stands(server, "ana", "has read all")
        assert ana.ask("PING x")


def test_the_broker_is_stopped(server: Server) -> None:
    with server.irc("ana") as ana:
        ana.sync()
        kill(server, "broker", by=signal.SIGSTOP)
        stands(server, "ana", "broker (")
        ana.send("PING x")
        now = stands(server, "ana", "8 bytes that ana has sent wait in the kernel")
        assert "ana is connection" in now
        kill(server, "broker", by=signal.SIGCONT)
        assert ana.expect("PONG")


def test_a_client_does_not_read(server: Server) -> None:
    with server.irc("ana") as ana, server.irc("beto") as beto:
        for each in (ana, beto):
            each.join("#lobby")
        beto.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        for _ in range(2):
            ana.ask(*[f"PRIVMSG #lobby :{'x' * 400}"] * 400)
        now = stands(server, "beto", "beto's client does not take what it is sent: ")
        assert re.search(r"\d+ bytes lie at beto's client on this machine, which does not read them", now)
        found = re.search(r"is sent: (\d+) bytes wait for it in worker\d, and (\d+) in", now)
        assert found is not None
        assert sum(map(int, found.groups())) > 10_000
        beto.sync()
        stands(server, "beto", "has read all")


def test_a_flood_is_throttled(data: Path) -> None:
    with unusual("--workers", "1", "--data", str(data)) as server, server.irc("ana") as ana:
        ana.send(*[f"PING {number}" for number in range(40)])
        now = stands(server, "ana", "ana is read slowly: it sends more than flood control lets through")
        assert " bytes that ana has sent wait in the kernel" in now


def test_the_disk_is_full(server: Server, data: Path) -> None:
    with server.irc("ana") as ana:
        ana.sync()
        size = max((data / "journal").glob("*.journal")).stat().st_size
        for pid in pids(server).values():
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
        ana.send("PING x")
        stands(server, "ana", "the broker cannot write the journal: File too large (in ")
        for pid in pids(server).values():
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        ana.until("PONG")


def test_for_programs(server: Server) -> None:
    with server.irc("ana") as ana:
        ana.sync()
        now = json.loads(live(server, "--nick", "ana", "--json").splitlines()[-1])
        assert now["now"]["snapshot"]["kind"] == "snapshot"
        found = now["now"]["socket"]
        assert found.pop("port") == ana.sock.getsockname()[1]
        assert found == {"ok": True, "state": "", **dict.fromkeys(("kept", "unacknowledged", "unread", "forwarded"), 0)}
        assert now["now"]["unread"] == 0


# What the control socket answers


def asked(server: Server, within: float = SOON, **options: object) -> dict[str, Any]:
    """The answer to a command, which comes soon."""
    begun = time.monotonic()
    with closing(Follower(socket_file(server), options, within)) as follower:
        found = until(lambda: follower.take() or (follower.ended and [{}]), within)
    assert time.monotonic() - begun < within
    return dict(found[0])


def test_options_that_there_are_not(server: Server) -> None:
    for wrong in ({"worker": "0"}, {"id": True}, {"id": None}, {"role": "broker"}, {"worker": 0.5}):
        answer = asked(server, command="connection", **wrong)
        assert answer["ok"] is False
        assert "connection has no option " in answer["said"]
    assert "snapshot has no option 'id'" in asked(server, command="snapshot", id=1)["said"]
    for worker in (-1, 2, 1 << 70):
        assert asked(server, command="connection", worker=worker)["said"] == f"worker{worker} cannot be asked now"
    for id in (-1, 0, 1 << 70):
        assert asked(server, command="connection", id=id)["state"] == "gone"
    assert asked(server, command="snapshot")["kind"] == "snapshot"


def test_a_worker_dies_while_it_is_asked(server: Server) -> None:
    before = until(lambda: ready(server))
    kill(server, "worker0", by=signal.SIGSTOP)
    with closing(Follower(socket_file(server), {"command": "connection", "worker": 0, "id": 1}, SOON)) as follower:
        kill(server, "worker0")
        (answer,) = until(follower.take, SOON)
    assert answer["ok"] is False
    assert answer["said"] in ("worker0 does not answer", "worker0 cannot be asked now")
    replaced(server, before, "worker0")
    assert asked(server, command="connection", id=1)["state"] == "gone"


def test_a_hundred_ask_at_once(server: Server) -> None:
    before = until(lambda: ready(server))
    with server.irc("ana") as ana, ThreadPoolExecutor(100) as pool:
        ana.sync()
        kill(server, "worker1", by=signal.SIGSTOP)
        answers = list(
            pool.map(lambda n: asked(server, 2 * SOON, command="connection", worker=n % 2, id=n), range(100))
        )
        kill(server, "worker1", by=signal.SIGCONT)
        assert all("ok" in answer for answer in answers)
        assert sum(answer["ok"] for answer in answers) > 0
        assert ana.ask("PING x")
    assert {role: pid for role, pid in pids(server).items() if role != "spare"} == {
        role: pid for role, pid in before.items() if role != "spare"
    }
