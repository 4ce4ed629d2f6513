"""A server is started again on the data of one that has ended: what it remembers, and what it refuses to go on with."""

from __future__ import annotations

import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from mpchat.store import snapshot
from tests.irc.people import msgid
from tests.running import PATIENCE, IrcClient, Server, at_home, commands
from tests.system.servers import MPCHAT, Unusual, Watched, needs_linux, pids, until, unusual

pytestmark = needs_linux


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def serving(data: Path, workers: int = 1) -> AbstractContextManager[Server]:
    return unusual("--unlimited", "--workers", str(workers), "--data", str(data))


# It waits for what is left of a server that was killed; not for five seconds, where that is alive.
IMPATIENT = "from mpchat.store.data_directory import claim; claim.__defaults__ = (0.2,)"
IMPATIENT_MPCHAT = [sys.executable, "-c", f"{IMPATIENT}; import mpchat.cli; raise SystemExit(mpchat.cli.main())"]


def refused(data: Path) -> str:
    """What a server says that does not start on this data: one line."""
    args = [*IMPATIENT_MPCHAT, "server", "127.0.0.1", "0", "--data", str(data), "--log-level", "error"]
    environment = {**os.environ, **at_home(data.parent)}
    done = subprocess.run(args, env=environment, capture_output=True, text=True, timeout=PATIENCE)
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(r"mpchat: .*\n", done.stderr), done.stderr
    return done.stderr


def told(server: Server) -> None:
    server.process.send_signal(signal.SIGTERM)


def killed(server: Server) -> None:
    with Watched(server) as watched:
        watched.kill("supervisor", signal.SIGKILL)
        assert watched.left(within=1) == []


@pytest.mark.parametrize("end", [told, killed])
def test_rooms_are_kept_and_nobody_is_in_them(data: Path, end: Callable[[Server], None]) -> None:
    first = Unusual([*MPCHAT, "server", "127.0.0.1", "0", "--workers", "2", "--data", str(data)])
    try:
        with first.irc("ana") as ana, first.irc("beto") as beto, first.plain("carla"):
            ana.join("#club")
            ana.ask("TOPIC #club :siempre", "MODE #club +ikb entre *!*@bad.example", "INVITE beto #club")
            ana.ask("PRIVMSG #club :entre nosotras")
            beto.join("#club", "entre")
            end(first)
            ana.rest()
    finally:
        first.stop()
    with unusual("--unlimited", "--workers", "1", "--data", str(data), "--oper", "root:secret") as server:
        dora, root = server.irc("dora", caps="batch draft/chathistory"), server.irc("root")
        assert commands(dora.ask("JOIN #club", "JOIN #club entre")) == ["475", "473"]
        root.ask("OPER root secret", "INVITE dora #club")
        lines = dora.join("#club", "entre")[1:]
        assert ":mpchat.local 332 dora #club :siempre" in lines
        assert ":mpchat.local 353 dora = #club :dora" in lines, "who comes first does not rule it"
        assert dora.ask("MODE #club")[0] == ":mpchat.local 324 dora #club +ink entre"
        assert "*!*@bad.example" in dora.ask("MODE #club b")[0]
        assert commands(dora.ask("CHATHISTORY LATEST #club * 9")) == ["BATCH", "BATCH"], "nothing from before"
        assert commands(dora.ask("WHOIS ana"))[0] == "401"
        root.close()
        with server.irc("ana"), server.plain("carla"):
            pass
        dora.close()


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a server has written that some people have talked on."""
    data = tmp_path_factory.mktemp("past") / "data"
    with serving(data) as server, server.irc("ana") as ana:
        ana.join("#lobby")
        ana.ask(*(f"PRIVMSG #lobby :{number}" for number in range(100)))
    return data


@pytest.fixture
def segment(past: Path, data: Path) -> Path:
    """The last segment of the journal, in a copy of all that."""
    shutil.copytree(past, data)
    return sorted((data / "journal").glob("*.journal"))[-1]


def sign_of_life(client: IrcClient) -> None:
    client.join("#lobby")
    client.sync()
    client.close()


def test_an_end_that_was_torn_off_is_cut(data: Path, segment: Path) -> None:
    """Nobody was ever told of what it was to be."""
    os.truncate(segment, segment.stat().st_size - 3)
    with serving(data) as server:
        sign_of_life(server.irc("ana"))


def test_with_damage_in_the_middle_it_does_not_start(data: Path, segment: Path) -> None:
    """It says where that is and what can be done, and changes nothing."""
    content = bytearray(segment.read_bytes())
    content[len(content) // 2] ^= 1
    segment.write_bytes(content)
    line = refused(data)
    assert re.search(rf"{segment}: byte \d+ .*backup; or move the file 'snapshot' and", line), line
    assert segment.read_bytes() == content
    segment.parent.rename(data / "away")
    with serving(data) as server:
        sign_of_life(server.irc("ana"))


@pytest.mark.usefixtures("segment")
def test_a_damaged_history_is_made_anew(data: Path) -> None:
    for file in data.glob("history.db*"):
        file.write_bytes(b"no database" * 100)
    with serving(data) as server:
        sign_of_life(server.irc("ana"))
        until(lambda: "the history was damaged; a new one is begun" in server.log_text())


def test_a_history_found_damaged_while_it_is_read_is_made_anew_too(data: Path) -> None:
    """Nobody notices but who asks; what the journal still has, and what is said from then on, is kept."""
    with serving(data) as server, server.irc("ana", caps="message-tags echo-message") as ana:
        ana.join("#lobby")
        echoes = [ana.ask(*(f"PRIVMSG #lobby :{number} {'x' * 400}" for number in range(20))) for _ in range(100)]
    history = data / "history.db"
    content = bytearray(history.read_bytes())
    page, end = 4096, len(content)
    content[end // 4 // page * page : end * 3 // 4 // page * page] = b"\xff" * (
        end * 3 // 4 // page * page - end // 4 // page * page
    )
    history.write_bytes(content)
    first, caps = f"msgid={msgid(echoes[50][0])}", "message-tags echo-message batch draft/chathistory"
    with serving(data) as server, server.irc("beto", caps=caps) as beto:
        beto.join("#lobby")
        answer = beto.ask("PRIVMSG #lobby :before", f"CHATHISTORY AFTER #lobby {first} 100", "PRIVMSG #lobby :after")
        assert [line.rpartition(" :")[2] for line in (answer[0], answer[-1])] == ["before", "after"]
        until(lambda: "the history was damaged; a new one is begun" in server.log_text())
        assert (data / "history.db.damaged-1").exists()
        latest = beto.ask("CHATHISTORY LATEST #lobby * 2")
        assert [line.rpartition(" :")[2] for line in latest[1:-1]] == ["before", "after"]


@pytest.mark.usefixtures("segment")
def test_a_snapshot_of_another_version_is_refused(data: Path) -> None:
    snapshot.prepare(data, 0, pickle.dumps((b"mpchat state 1\nwhat it had in mind", [])))
    snapshot.install(data)
    line = refused(data)
    assert "the snapshot is another version's" in line
    assert "'mpchat state 1'. Bring the data directory back from a backup; or move the file 'snapshot' and" in line
    (data / "snapshot").unlink()
    with serving(data) as server:
        sign_of_life(server.irc("ana"))


def test_two_servers_on_the_same_data(data: Path) -> None:
    with serving(data) as server:
        names = {"supervisor": "mpchat:super", "broker": "mpchat:broker", "recorder": "mpchat:recorder"}
        names["authenticator"] = "mpchat:auth"
        held = sorted((pid, names[role]) for role, pid in pids(server).items() if role in names)
        by = "held by processes " + ", ".join(f"{pid} ({name})" for pid, name in held)
        assert refused(data) == f"mpchat: another server uses this data directory, {by}: {data}\n"
        sign_of_life(server.irc("ana"))
