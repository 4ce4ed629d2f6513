"""A backup of a server that is talked to and killed meanwhile, brought back to another directory and started there."""

from __future__ import annotations

import os
import re
import resource
import shutil
import signal
import sqlite3
import subprocess
import threading
from contextlib import closing
from pathlib import Path

import pytest

from mpchat.settings import ChatSettings, Settings
from mpchat.store.data_directory import RESTORING
from tests.running import PATIENCE, Server, at_home, command
from tests.system.servers import MPCHAT, Unusual, kill, needs_linux, pids, ready, replaced, start, until, unusual

pytestmark = needs_linux

DATA = Path(__file__).parent.parent / "data"
TALKERS = 3
IN_FLIGHT = 20  # lines of one client
ENOUGH = 2_000  # lines between two backups: a snapshot is taken, and the journal trimmed


def mpchat(*args: object, limit: int | None = None) -> subprocess.CompletedProcess[str]:
    """A command; `limit`: it cannot make a file longer than that."""

    def before() -> None:
        if limit is not None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    return subprocess.run(
        [*MPCHAT, *map(str, args)], capture_output=True, text=True, timeout=3 * PATIENCE, preexec_fn=before
    )


def done(*args: object) -> str:
    """What a command says that must do well, in one line."""
    it = mpchat(*args)
    assert (it.returncode, it.stderr) == (0, "")
    assert it.stdout.count("\n") == 1
    return it.stdout


def refused(*args: object, limit: int | None = None) -> str:
    """What a command says that cannot do it: one line."""
    it = mpchat(*args, limit=limit)
    assert (it.returncode, it.stdout) == (1, ""), it.stderr
    assert re.fullmatch(r"mpchat: .*\n", it.stderr), it.stderr
    return it.stderr.removeprefix("mpchat: ").removesuffix("\n")


class Talker(threading.Thread):
    """It says line after line in #so, and notes all that it hears there; its own lines too, once they are accepted."""

    def __init__(self, server: Server, nick: str) -> None:
        super().__init__(daemon=True)
        self.client = server.irc(nick, caps="echo-message")
        self.client.join("#so")
        self.client.sock.settimeout(PATIENCE)
        self.nick = nick
        self.heard: list[str] = []
        self.is_ending = False

    def run(self) -> None:
        said = echoed = 0
        while not (self.is_ending and said == echoed):
            while not self.is_ending and said - echoed < IN_FLIGHT:
                said += 1
                self.client.send(f"PRIVMSG #so :{self.nick} {said} {'x' * 50}")
            line = self.client.read()
            if command(line) == "PRIVMSG":
                self.heard.append(line.partition(" :")[2])
                echoed += line.startswith(f":{self.nick}!")

    def end(self) -> list[str]:
        self.is_ending = True
        self.join(PATIENCE)
        assert not self.is_alive()
        return self.heard


def history_of(server: Server, data: Path) -> list[str]:
    """All that was said in #so, as the history has it when a client has asked for it."""
    reader = server.irc("reader", caps="message-tags batch draft/chathistory")
    reader.join("#so")
    # The recorder may have much to read before it answers; the question is then given up after some seconds.
    last = until(lambda: [line for line in reader.ask("CHATHISTORY LATEST #so * 1") if command(line) == "PRIVMSG"])
    with closing(sqlite3.connect(data / "history.db")) as db:
        rows = [text for (text,) in db.execute("SELECT text FROM messages WHERE room = '#so' ORDER BY number")]
        assert db.execute("SELECT count(*) FROM gaps").fetchone() == (0,)
    assert last[0].rpartition(" :")[2] == rows[-1]
    return rows


def first_segment(folder: Path) -> str:
    return min(path.name for path in (folder / "journal").iterdir())


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_what_was_acknowledged_before_the_call_is_in_it(tmp_path: Path) -> None:
    """Once, and in the room's order, while everybody talks and the broker and the recorder are killed meanwhile."""
    data = tmp_path / "data"
    backups: list[tuple[Path, int]] = []
    with unusual("--unlimited", "--workers", "2", "--data", str(data)) as server:
        until(lambda: ready(server))
        talkers = [Talker(server, f"t{number}") for number in range(TALKERS)]
        for talker in talkers:
            talker.start()
        for number, roles in enumerate([("recorder",), ("broker",), ("broker", "recorder", "worker0")]):
            heard = len(talkers[0].heard)
            until(lambda heard=heard: len(talkers[0].heard) > heard + ENOUGH, within=3 * PATIENCE)
            if backups:  # the journal is trimmed in between
                until(lambda: first_segment(data) != first_segment(backups[-1][0]), within=3 * PATIENCE)
            target = tmp_path / f"backup-{number}"
            before = len(talkers[0].heard)
            source = ["--data", str(data)] if number % 2 else ["--port", str(server.irc_port)]
            with subprocess.Popen([*MPCHAT, "backup", str(target), *source], env=server.environment) as backup:
                dead = kill(server, *roles)
                assert backup.wait(3 * PATIENCE) == 0
            replaced(server, dead, *roles)
            backups.append((target, before))
        everything = talkers[0].end()
        for talker in talkers[1:]:
            talker.end()
    for target, before in backups:
        restored = tmp_path / f"restored-{target.name}"
        assert f"into {restored}" in done("restore", target, "--data", restored)
        with unusual("--unlimited", "--workers", "1", "--data", str(restored)) as server:
            found = history_of(server, restored)
            assert found == everything[: len(found)]
            assert len(found) >= before
            assert "error" not in server.log_text()


@pytest.mark.slow
@pytest.mark.parametrize("end", ["stopped", "killed"])
def test_of_a_server_that_does_not_run(tmp_path: Path, end: str) -> None:
    data = tmp_path / "data"
    server = Unusual([*MPCHAT, "server", "127.0.0.1", "0", "--data", str(data)])
    ana = server.irc("ana", caps="echo-message")
    ana.join("#so")
    ana.ask("TOPIC #so :a las ocho", "PRIVMSG #so :hola")
    if end == "killed":
        for pid in pids(server).values():
            os.kill(pid, signal.SIGKILL)
        server.wait()
    else:
        server.process.send_signal(signal.SIGTERM)
        ana.rest()
        ana.close()
        assert server.wait() == 0
    assert "whole and checked" in done("backup", tmp_path / "copy", "--data", data)
    done("restore", tmp_path / "copy", "--data", tmp_path / "new")
    for folder in (data, tmp_path / "new"):  # the copied one too is as it was
        with unusual("--data", str(folder)) as again:
            beto = again.irc("beto", caps="message-tags batch draft/chathistory")
            assert any(line.endswith(" 332 beto #so :a las ocho") for line in beto.join("#so"))
            assert beto.ask("CHATHISTORY LATEST #so * 9")[1].endswith(" PRIVMSG #so :hola")


@pytest.mark.slow
@pytest.mark.parametrize("end", ["stopped", "killed"])
@pytest.mark.parametrize("left", sorted(DATA.glob("state-*")), ids=lambda folder: folder.name)
def test_what_an_older_mpchat_left(tmp_path: Path, left: Path, end: str) -> None:
    shutil.copytree(left / end, tmp_path / "old")
    it = mpchat("backup", tmp_path / "copy", "--data", tmp_path / "old")
    assert it.returncode == 0
    assert re.fullmatch(r"(mpchat: .* the journal is torn, by a power cut perhaps; \d+ bytes .*\n)?", it.stderr)
    done("restore", tmp_path / "copy", "--data", tmp_path / "data")
    settings = Settings(port=0, plain_port=0, workers=2, data=str(tmp_path / "data"), history_days=99_999)
    with unusual(settings=settings) as server:
        ana = server.irc("ana", caps="message-tags batch draft/chathistory")
        assert any(line.endswith(" 332 ana #club :siempre a las ocho") for line in ana.join("#club"))
        said = [line.rpartition(" :")[2] for line in ana.ask("CHATHISTORY LATEST #club * 50")]
        assert said[1:5] == ["hola a todos", "\x01ACTION saluda\x01", "hola ana", "un aviso"]


def test_it_finds_the_server_by_its_port(tmp_path: Path) -> None:
    with unusual("--data", str(tmp_path / "data")) as server:
        port = str(server.irc_port)
        assert server.run("backup", str(tmp_path / "copy"), "--port", port).returncode == 0
        again = server.run("backup", str(tmp_path / "copy"), "--port", port, "--lang", "es")
        assert (again.returncode, again.stderr) == (1, f"mpchat: ese archivo ya existe: {tmp_path / 'copy'}\n")
        done("restore", tmp_path / "copy", "--data", tmp_path / "new")
        in_use = refused("restore", tmp_path / "copy", "--data", tmp_path / "data")
        assert re.fullmatch(r"another server uses this data directory, held by .*: \S+/data", in_use)
    settings = Settings(port=0, plain_port=0, workers=1, data="", chat=ChatSettings())
    with unusual(settings=settings) as server:
        it = server.run("backup", str(tmp_path / "other"), "--port", str(server.irc_port))
        assert (it.returncode, it.stderr.count("\n")) == (2, 1)
        assert "keeps no journal (--durability none)" in it.stderr


def test_where_nothing_can_be_copied(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert refused("backup", tmp_path / "copy", "--data", empty) == f"there is no journal in {empty}"
    nothing = tmp_path / "nothing"
    assert refused("backup", tmp_path / "copy", "--data", nothing) == f"there is no journal in {nothing}"
    assert refused("restore", empty, "--data", tmp_path / "new").startswith(f"{empty}: no backup of mpchat")
    data = shutil.copytree(DATA / "state-5" / "stopped", tmp_path / "data")
    where = tmp_path / "no" / "copy"
    assert refused("backup", where, "--data", data) == f"No such file or directory: {where}"
    assert sorted(os.listdir(tmp_path)) == ["data", "empty"]


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path) -> None:
    data = shutil.copytree(DATA / "state-5" / "killed", tmp_path / "data")
    assert mpchat("backup", tmp_path / "copy", "--data", data).returncode == 0
    with closing(sqlite3.connect(data / "history.db")) as db:  # as a server has it, and then its log needs no room
        db.execute("SELECT count(*) FROM messages")
        for limit in (0, 1_000, 20_000, 60_000):  # the largest file has more
            why = refused("backup", tmp_path / "other", "--data", data, limit=limit)
            assert why.endswith(f": {tmp_path / 'other'}")
            why = refused("restore", tmp_path / "copy", "--data", tmp_path / "new", limit=limit)
            assert why == f"File too large: {tmp_path / 'new'}"
            assert os.listdir(tmp_path / "new") == []
            assert sorted(os.listdir(tmp_path)) == ["copy", "data", "new"]
    done("restore", tmp_path / "copy", "--data", tmp_path / "new")


@pytest.mark.surroundings
def test_a_disk_without_room(tmp_path: Path) -> None:
    """A file system of its own, of less than the copy takes."""
    data, disk = shutil.copytree(DATA / "state-5" / "killed", tmp_path / "data"), tmp_path / "disk"
    disk.mkdir()
    mount = f'mount -t tmpfs -o size=64k none {disk} && "$@"; echo $? $(ls -A {disk})'
    alone = [shutil.which("unshare") or "true", "--map-root-user", "--mount", "sh", "-c", mount, "sh"]
    if subprocess.run([*alone, "true"], capture_output=True, timeout=PATIENCE).returncode:
        pytest.skip("this user may not mount")
    backup = [*MPCHAT, "backup", str(disk / "copy"), "--data", str(data)]
    it = subprocess.run([*alone, *backup], capture_output=True, text=True, timeout=2 * PATIENCE)
    assert it.stdout == "1\n", "status 1, and nothing is left on it"
    assert re.fullmatch(rf"mpchat: (No space left on device|database or disk is full): {disk}/copy\n", it.stderr)


@pytest.mark.surroundings
def test_a_restore_that_is_killed_leaves_nothing_that_a_server_starts_with(tmp_path: Path) -> None:
    """At each of its last steps, when all is written and is given its place: strace(1) kills it there."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not here")
    data = shutil.copytree(DATA / "state-5" / "killed", tmp_path / "data")
    assert mpchat("backup", tmp_path / "copy", "--data", data).returncode == 0
    places = {"fdatasync": 3, "renameat": 3, "unlinkat": 1}  # four files; history.db, journal and snapshot are moved up
    for call, most in places.items():
        for count in range(1, most + 1):
            new = tmp_path / f"{call}-{count}"
            order = ["-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={count}"]
            restore = [*MPCHAT, "restore", str(tmp_path / "copy"), "--data", str(new)]
            it = subprocess.run([strace, *order, *restore], capture_output=True, text=True, timeout=2 * PATIENCE)
            assert it.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL), it.stderr
            if RESTORING not in os.listdir(new):
                assert call == "unlinkat", "the last step had been taken"
                continue
            why = "a restore into this data directory was broken off: empty it, and restore again"
            assert refused("restore", tmp_path / "copy", "--data", new) == f"{why}: {new}"
            server = start(*MPCHAT, "server", "127.0.0.1", "0", "--data", str(new), environment={})
            assert (server.returncode, server.stderr) == (1, f"mpchat: {why}: {new}\n")
            assert os.listdir(new)


@pytest.mark.surroundings
@pytest.mark.parametrize(("number", "ends_with"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)])
def test_what_is_broken_off_leaves_nothing_behind(tmp_path: Path, number: signal.Signals, ends_with: int) -> None:
    """In the middle of writing: strace(1) sends the signal there."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not here")
    data = shutil.copytree(DATA / "state-5" / "killed", tmp_path / "data")
    assert mpchat("backup", tmp_path / "copy", "--data", data).returncode == 0
    order = ["-qq", "-o", "/dev/null", "-e", "trace=fdatasync", "-e", f"inject=fdatasync:signal={number.name}:when=3"]
    for words in (["backup", "other", "--data", "data"], ["restore", "copy", "--data", "new"]):
        whole = [strace, *order, *MPCHAT, *words]
        environment = {**os.environ, "PYTHONPATH": str(DATA.parent.parent)}
        it = subprocess.run(whole, cwd=tmp_path, env=environment, capture_output=True, timeout=2 * PATIENCE)
        assert (it.returncode, it.stdout, it.stderr) == (ends_with, b"", b"")
    assert os.listdir(tmp_path / "new") == []
    assert sorted(os.listdir(tmp_path)) == ["copy", "data", "new"]


def test_restore_without_a_folder_named(tmp_path: Path) -> None:
    """It goes where a server on that port would look."""
    data = shutil.copytree(DATA / "state-5" / "stopped", tmp_path / "data")
    done("backup", tmp_path / "copy", "--data", data)
    environment = {**os.environ, **at_home(tmp_path)}
    args = [*MPCHAT, "restore", str(tmp_path / "copy"), "--port", "7000"]
    subprocess.run(args, env=environment, capture_output=True, check=True, timeout=PATIENCE)
    assert sorted(os.listdir(tmp_path / "mpchat" / "7000")) == ["history.db", "journal"]
    args = [*MPCHAT, "backup", str(tmp_path / "again"), "--port", "7000"]
    it = subprocess.run(args, env=environment, capture_output=True, text=True, timeout=PATIENCE)
    folder = tmp_path / "mpchat" / "7000"
    assert (it.returncode, it.stderr) == (0, f"mpchat: no server of yours on port 7000: what is copied is {folder}\n")


def test_the_nightly_line_removes_old_nightly_ones_alone(tmp_path: Path) -> None:
    """As README has it, but for where things are; cron(8) makes % of a \\%."""
    (line,) = re.findall(r"^30 4 \* \* \* mpchat (.*)$", (DATA.parent.parent / "README.md").read_text(), re.M)
    (shown,) = re.findall(r"install -d -m 700 -o mpchat (.*)", (DATA.parent.parent / "README.md").read_text())[:1]
    folders = [Path(each.replace("/var/backups", str(tmp_path))) for each in shown.split()]
    for folder in folders:
        folder.mkdir()
    top, nightly = folders
    left = [nightly / "2026-01-01", nightly / ".2026-01-02-x1y2z3", top / "today", top / "last", nightly / "2026-01-14"]
    for folder in left:
        (folder / "journal").mkdir(parents=True)
        os.utime(folder, (0, 0) if folder != left[-1] else None)
    data = shutil.copytree(DATA / "state-5" / "stopped", tmp_path / "data")
    places = {"/opt/mpchat/bin/mpchat": " ".join(MPCHAT), "/var/backups": str(tmp_path), "/var/lib/mpchat": str(data)}
    for there, here in places.items():
        line = line.replace(there, here)
    subprocess.run(line.replace("\\%", "%"), shell=True, check=True, timeout=2 * PATIENCE)
    assert sorted(path.name for path in top.iterdir()) == ["last", "nightly", "today"]
    kept = sorted(path.name for path in nightly.iterdir())
    assert len(kept) == 2
    assert kept[0] == "2026-01-14"
    assert re.fullmatch(r"20\d\d-\d\d-\d\d", kept[1])
