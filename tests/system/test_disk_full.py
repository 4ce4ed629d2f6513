"""The disk is full: nothing is accepted, nothing is lost, no process dies of it; with room again, all goes on."""

from __future__ import annotations

import contextlib
import json
import resource
import select
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.running import PATIENCE, IrcClient, Server
from tests.system.servers import MPCHAT, Unusual, kill, needs_linux, pids, ready, replaced, status, until, unusual

pytestmark = [needs_linux, pytest.mark.slow]

LINES = 150
DISK_BYTES = 4 << 20
WAITS = "The server's disk is full: what you send waits, and is dealt with when there is room"
TOLD = f":mpchat.local NOTICE ana :{WAITS}"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def server(data: Path) -> Iterator[Server]:
    with unusual("--unlimited", "--workers", "2", "--data", str(data)) as it:
        yield it


def limit_files(server: Server, size: int) -> None:
    """No process of the server, nor any that is started later, can make a file longer than that: write(2) fails."""
    for pid in pids(server).values():
        _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, hard))


def happened(server: Server) -> list[str]:
    """What has happened to the server's processes, as `events` has it."""
    shown = server.run("events", "--json", "--port", str(server.irc_port))
    return [json.loads(line)["what"] for line in shown.stdout.splitlines()]


def joined(server: Server, nick: str) -> IrcClient:
    client = server.irc(nick, caps="echo-message")
    client.join("#lobby")
    return client


@pytest.mark.parametrize("roles", [("broker",), ("recorder", "worker0", "worker1")])
def test_what_is_not_accepted_waits(server: Server, data: Path, roles: tuple[str, ...]) -> None:
    before = until(lambda: ready(server))
    ana, beto = joined(server, "ana"), joined(server, "beto")
    ana.sync()
    journal = next((data / "journal").glob("*.journal"))
    limit_files(server, journal.stat().st_size + 20_000)  # there is room for some of the lines
    for number in range(LINES):
        ana.send(f"PRIVMSG #lobby :{number} {'x' * 400}")
    until(lambda: "cannot write the journal: nothing is accepted until it can" in server.log_text())
    kill(server, *roles)
    until(lambda: all(pids(server).get(role, before[role]) != before[role] for role in roles))
    heard = []
    while select.select([beto.sock], [], [], 0.3)[0]:
        heard.append(beto.read())
    assert len(heard) < LINES / 2
    assert journal.stat().st_size <= resource.prlimit(pids(server)["broker"], resource.RLIMIT_FSIZE)[0]
    limit_files(server, resource.RLIM_INFINITY)
    heard += [beto.read() for _ in range(LINES - len(heard))]
    assert heard == [f":ana!~ana@127.0.0.1 PRIVMSG #lobby :{number} {'x' * 400}" for number in range(LINES)]
    answers = ana.sync()
    assert [line for line in answers if line != TOLD] == heard
    assert answers.count(TOLD) in (0, 1, 2), "once by each broker, where the disk had room for that"
    assert beto.sync() == []
    assert "the journal can be written again" in server.log_text()
    told = [event for event in happened(server) if event.startswith("disk")]
    assert told == ["disk full", "disk has room"], "once, however many brokers have found it so"
    replaced(server, before, *roles)
    for client in (ana, beto):
        client.close()


def test_a_stop_while_it_is_full(server: Server, data: Path) -> None:
    """What was not accepted may be, if there is room before the end."""
    ana = joined(server, "ana")
    limit_files(server, next((data / "journal").glob("*.journal")).stat().st_size)
    ana.send("PRIVMSG #lobby :not accepted")
    until(lambda: "cannot write the journal" in server.log_text())
    limit_files(server, resource.RLIM_INFINITY)
    server.process.send_signal(signal.SIGTERM)
    assert ana.rest()[-1].startswith("ERROR ")
    ana.close()


class Unready(Unusual):
    """A server that is ready only when there is room."""

    def read_ready_line(self, host: str) -> None:
        sockets = until(lambda: list(Path(self.folder.name).rglob("*.sock")))
        self.host, self.irc_port = host, int(sockets[0].stem)

    def is_ready(self) -> None:
        super().read_ready_line(self.host)


@pytest.mark.parametrize(("former", "workers"), [(1, 1), (1, 3), (3, 1)])
def test_nobody_is_served_by_a_broker_that_could_not_begin(data: Path, former: int, workers: int) -> None:
    """Before its first record it is the last run's broker still: with the words for whoever was there, and its workers.

    They may be more now, or fewer.
    """
    with unusual("--unlimited", "--workers", str(former), "--data", str(data)) as last:
        zoe = last.irc("zoe")
        others = [last.irc() for _ in range(former)]
        assert zoe.ask("PRIVMSG zoe :a word of yesterday")
        for client in (zoe, *others):
            client.close()
    size = next((data / "journal").glob("*.journal")).stat().st_size
    limits = size, resource.RLIM_INFINITY
    command = [*MPCHAT, "server", "127.0.0.1", "0", "--unlimited", "--workers", str(workers), "--data", str(data)]
    server = Unready(command, before=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limits))
    try:
        until(lambda: "cannot write the journal" in server.log_text())
        until(lambda: {"broker", "worker0"} <= pids(server).keys())
        before = kill(server, "broker", "worker0")
        until(lambda: server.log_text().count("cannot write the journal") == 2)
        until(lambda: all(pids(server).get(role, before[role]) != before[role] for role in ("broker", "worker0")))
        assert not any(status(server)[role]["ready"] for role in ("broker", "worker0"))
        limit_files(server, resource.RLIM_INFINITY)
        server.is_ready()
        assert "crashed" not in server.log_text()
        people = [server.irc(f"ana{number}") for number in range(workers)]
        for ana in people:
            assert ana.ask(f"PRIVMSG {ana.nick} :of today")[0].endswith(f" PRIVMSG {ana.nick} :of today")
            ana.close()
    finally:
        assert server.stop() == 0


@pytest.mark.parametrize(("former", "workers"), [(1, 3), (3, 1)])
def test_a_stop_of_a_server_that_could_not_begin(data: Path, former: int, workers: int) -> None:
    with unusual("--workers", str(former), "--data", str(data)) as last:
        last.irc("zoe").close()
    size = next((data / "journal").glob("*.journal")).stat().st_size
    limits = size, resource.RLIM_INFINITY
    command = [*MPCHAT, "server", "127.0.0.1", "0", "--workers", str(workers), "--data", str(data)]
    server = Unready(command, before=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limits))
    until(lambda: "cannot write the journal" in server.log_text())
    assert server.stop() == 0
    assert "crashed" not in server.log_text()


def test_the_first_start_of_all_without_room_for_a_journal(data: Path) -> None:
    """On a file system of its own, which can hold three files; two are there already, for it and its reserve."""
    journal = data / "journal"
    journal.mkdir(parents=True)
    mount = f'mount -t tmpfs -o nr_inodes=3 none {journal} && touch {journal}/1 {journal}/2 && exec "$@"'
    alone = [shutil.which("unshare") or "true", "--map-root-user", "--mount", "sh", "-c", mount, "sh"]
    if subprocess.run([*alone, "true"], capture_output=True, timeout=PATIENCE).returncode:
        pytest.skip("this user may not mount")
    command = [*MPCHAT, "server", "127.0.0.1", "0", "--workers", "1", "--data", str(data)]
    server = Unready([*alone, *command])
    try:
        until(lambda: "cannot write the journal: nothing is accepted until it can" in server.log_text())
        until(lambda: "worker0" in pids(server))
        before = kill(server, "worker0")["worker0"]
        until(lambda: pids(server).get("worker0", before) != before)
        assert not status(server)["broker"]["ready"]
        for name in "12":
            Path(f"/proc/{server.process.pid}/root{journal}/{name}").unlink()
        server.is_ready()
        with server.irc("ana") as ana:
            assert ana.ask("PRIVMSG ana :hola")[0].endswith("PRIVMSG ana :hola")
        assert "crashed" not in server.log_text()
        assert server.log_text().count("cannot write the journal") == 1
    finally:
        assert server.stop() == 0


def test_what_was_just_said_is_in_the_history_or_there_is_none(server: Server, data: Path) -> None:
    carla = server.plain("carla")
    carla.ask("hola")
    journal = next((data / "journal").glob("*.journal"))
    until(lambda: "> hola" in "".join(carla.ask("/history")))
    before = journal.stat().st_size
    limit_files(server, before + 300 + 200)  # room for a line and a question, not for the line as a fact once more
    carla.send_bytes(b"y" * 300 + b"\n/history 1\n")
    until(lambda: journal.stat().st_size > before + 300)
    limit_files(server, resource.RLIM_INFINITY)
    answers = carla.ask()
    assert "! the history does not answer, try again later" in answers
    assert not any("hola" in line for line in answers)
    assert carla.ask("/history 1")[0].endswith("y" * 300)
    carla.close()


class SmallDisk:
    """A server whose data are on a file system of its own, of a few megabytes, which only its processes see."""

    def __init__(self) -> None:
        alone = [shutil.which("unshare") or "true", "--map-root-user", "--mount"]
        self.folder = tempfile.TemporaryDirectory(prefix="mpchat-small-")
        script = f'mount -t tmpfs -o size={DISK_BYTES} none {self.folder.name} && exec "$@"'
        self.command = [*alone, "sh", "-c", script, "sh"]
        if subprocess.run([*self.command, "true"], capture_output=True, timeout=PATIENCE).returncode:
            pytest.skip("this user may not mount")
        args = ["server", "127.0.0.1", "0", "--unlimited", "--workers", "2", "--data", self.folder.name]
        self.server = Unusual([*self.command, *MPCHAT, *args])
        self.seen = Path(f"/proc/{self.server.pid}/root{self.folder.name}")

    def __enter__(self) -> SmallDisk:
        return self

    def __exit__(self, *_: object) -> None:
        self.server.stop()
        self.folder.cleanup()

    def fill(self) -> None:
        with open(self.seen / "filler", "ab", buffering=0) as filler, contextlib.suppress(OSError):
            while filler.write(b"x" * 4096):
                pass

    def empty(self) -> None:
        (self.seen / "filler").unlink()


def test_who_waits_is_told_so_from_the_reserve() -> None:
    with SmallDisk() as disk:
        carla, beto, ana = disk.server.plain("carla"), joined(disk.server, "beto"), joined(disk.server, "ana")
        carla.expect("* ana joined")
        beto.sync()
        disk.fill()
        # The recorder closes its database, whose log then makes some room: for fewer of them than half.
        lines = [f"PRIVMSG #lobby :{number} {'x' * 400}" for number in range(4 * LINES)]
        ana.send(*lines)
        accepted = until_told(ana)
        assert len(accepted) < len(lines) / 2
        carla.send("hola")
        carla.expect(f"! {WAITS}")
        kill(disk.server, "broker")
        assert until_told(ana) == [], "by the next broker, from what is left of the reserve"
        carla.expect(f"! {WAITS}")
        disk.empty()
        heard = [beto.read() for _ in range(len(lines) + 1)]
        heard.remove(":carla!~plain@127.0.0.1 PRIVMSG #lobby :hola")
        assert heard == [f":ana!~ana@127.0.0.1 {line}" for line in lines]
        assert [line for line in accepted + ana.sync() if line.startswith(":ana!")] == heard
        assert "the journal can be written again" in disk.server.log_text()
        for client in (ana, beto, carla):
            client.close()


def until_told(client: IrcClient) -> list[str]:
    """What it reads before it is told."""
    lines: list[str] = []
    while (line := client.read()) != TOLD:
        lines.append(line)
    return lines


def test_a_stop_that_the_disk_has_no_room_for() -> None:
    with SmallDisk() as disk:
        beto, ana = joined(disk.server, "beto"), joined(disk.server, "ana")
        disk.fill()
        ana.send(*(f"PRIVMSG #lobby :{number} {'x' * 400}" for number in range(LINES)))
        until_told(ana)
        disk.server.process.send_signal(signal.SIGTERM)
        for client in (ana, beto):
            assert client.rest()[-1] == "ERROR :Closing link: 127.0.0.1 (Server shutting down)"
            client.close()
        assert disk.server.wait() == 0


@pytest.mark.parametrize("ending", ["there is room again", "a stop"])
def test_workers_that_die_while_it_is_full(ending: str) -> None:
    """Their successors are at work at once, not only when there is room: somebody must say the farewell."""
    with SmallDisk() as disk:
        before = until(lambda: ready(disk.server))
        beto, ana = joined(disk.server, "beto"), joined(disk.server, "ana")
        beto.sync()
        disk.fill()
        lines = [f"PRIVMSG #lobby :{number} {'x' * 400}" for number in range(LINES)]
        ana.send(*lines)
        accepted = until_told(ana)
        kill(disk.server, "worker0", "worker1")
        replaced(disk.server, before, "worker0", "worker1")
        assert "the journal can be written again" not in disk.server.log_text()
        if ending == "a stop":
            disk.server.process.send_signal(signal.SIGTERM)
            for client in (ana, beto):
                assert client.rest()[-1] == "ERROR :Closing link: 127.0.0.1 (Server shutting down)"
            assert disk.server.wait() == 0
        else:
            disk.empty()
            heard = [beto.read() for _ in lines]
            assert heard == [f":ana!~ana@127.0.0.1 {line}" for line in lines]
            assert [line for line in accepted + ana.sync() if line.startswith(":ana!")] == heard
        for client in (ana, beto):
            client.close()


def test_a_history_that_cannot_be_written_is_told_of_once(server: Server) -> None:
    """Behind its last row the journal has a megabyte without a word: an attempt reads that first, and writes nothing.

    Its log and what SQLite shares are files too, of less than 40,000 bytes; all that was said takes more.
    """
    before = until(lambda: ready(server))
    ana = server.irc("ana", caps="draft/chathistory")
    ana.join("#lobby")
    resource.prlimit(before["recorder"], resource.RLIMIT_FSIZE, (40_000, resource.RLIM_INFINITY))
    for _ in range(20):
        ana.ask(*[f"PING {'x' * 400}"] * 200)
    ana.ask(*[f"PRIVMSG #lobby :{number} {'x' * 400}" for number in range(LINES)])
    for _ in range(8):  # each makes it try at once
        assert ana.ask("CHATHISTORY LATEST #lobby * 9")[0].startswith(":mpchat.local FAIL CHATHISTORY MESSAGE_ERROR")
    assert server.log_text().count("cannot write the history") == 1, server.log_text()
    assert "the history can be written again" not in server.log_text()

    resource.prlimit(before["recorder"], resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    until(lambda: "the history can be written again" in server.log_text())
    assert f":{LINES - 1} x" in ana.ask("CHATHISTORY LATEST #lobby * 1")[0]
    assert server.log_text().count("cannot write the history") == 1
    ana.close()
