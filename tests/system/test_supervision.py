"""What the supervisor does when a child cannot be started, crashes or hangs, and whom it tells when it must end."""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import mpchat
from mpchat.settings import Settings
from tests.running import PATIENCE, Server, at_home, ended, running
from tests.system.conversation import Conversation
from tests.system.servers import (
    MPCHAT,
    Unusual,
    Watched,
    built,
    kill,
    named_semaphores,
    needs_linux,
    pids,
    ready,
    replaced,
    semaphores,
    socket_file,
    start,
    status,
    until,
)

pytestmark = needs_linux

_PIDFD_GETFD = 438  # the same number on all architectures, and not in Python's os
ROLES = ("acceptor", "authenticator", "broker", "recorder", "spare", "worker0", "worker1")
PACKAGE = Path(mpchat.__file__).parent


class Elsewhere(Server):
    """A server that is started in a folder of its own, by the code that lies in another."""

    def __init__(self, start: Path, code: Path, *args: str) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="mpchat-test-")
        self.environment = {**os.environ, **at_home(self.folder.name), "PYTHONPATH": str(code)}
        self.log = open(Path(self.folder.name) / "log", "w+")  # noqa: SIM115  closed by stop()
        self.process = subprocess.Popen(
            [*MPCHAT, "server", "127.0.0.1", "0", "--workers", "2", "--unlimited", *args],
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
            env=self.environment,
            cwd=start,
            start_new_session=True,
        )
        self.read_ready_line("127.0.0.1")


@contextlib.contextmanager
def elsewhere(start: Path, code: Path, *args: str) -> Iterator[Server]:
    server = Elsewhere(start, code, *args)
    try:
        yield server
    finally:
        status = server.stop()
    assert status == 0, server.log_text()


@contextlib.contextmanager
def doomed(*args: str, workers: int = 2) -> Iterator[tuple[Server, Watched]]:
    """A server that will end by itself; whatever happened to it, nothing may be left."""
    server = Unusual([*MPCHAT, "server", "127.0.0.1", "0", "--workers", str(workers), "--unlimited", *args])
    try:
        with Watched(server) as watched:
            used = semaphores(watched.pids)
            yield server, watched
            assert watched.left(within=5) == []
            assert not used & named_semaphores()
    finally:
        server.stop()


# What cannot be started


def test_the_folder_that_it_was_started_in_is_removed(tmp_path: Path) -> None:
    start = tmp_path / "start"
    start.mkdir()
    with elsewhere(start, PACKAGE.parent) as server:
        people = Conversation(server)
        start.rmdir()
        for role in ROLES:
            before = until(lambda: ready(server))
            people.round(lambda role=role: kill(server, role))  # type: ignore[misc]
            replaced(server, before, role)
        people.close()


def test_a_folder_of_relative_data_is_where_the_server_was_started(tmp_path: Path) -> None:
    with elsewhere(tmp_path, PACKAGE.parent, "--data", "data"):
        assert (tmp_path / "data" / "journal").is_dir()


def limit_descriptors(pid: int) -> tuple[int, int]:
    """Let a process open no file more; returns its limits of before."""
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, before[1]))
    return before


def test_nothing_can_be_started_for_a_while() -> None:
    with running("--workers", "2", "--unlimited") as server:
        people = Conversation(server)
        before = until(lambda: ready(server))
        limits = limit_descriptors(server.pid)
        os.kill(before["spare"], signal.SIGKILL)
        until(lambda: "cannot start a process" in server.log_text())
        people.round()  # a spare is optional
        os.kill(before["worker0"], signal.SIGKILL)
        until(lambda: not Path(f"/proc/{before['worker0']}").exists())
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, limits)
        replaced(server, before, "worker0")
        people.round()
        people.close()


def test_a_signal_is_heard_while_nothing_can_be_started(tmp_path: Path) -> None:
    """Signals are held while a process is spawned, on every path for so long only."""
    with running("--workers", "2", "--unlimited", data=tmp_path) as server:
        before = until(lambda: ready(server))
        ana = server.irc("ana")
        limit_descriptors(server.pid)
        os.kill(before["spare"], signal.SIGKILL)
        until(lambda: "cannot start a process" in server.log_text())
        os.kill(server.pid, signal.SIGTERM)
        assert ana.rest() == ["ERROR :Closing link: 127.0.0.1 (Server shutting down)"]
        ana.close()
        assert ended(server.process, PATIENCE) == 0


def test_code_that_does_not_compile_is_tried_again_until_it_does(tmp_path: Path) -> None:
    """Those that run go on; the clients of one that has died wait."""
    shutil.copytree(PACKAGE, tmp_path / "mpchat", ignore=shutil.ignore_patterns("__pycache__"))
    broken = tmp_path / "mpchat" / "worker" / "worker.py"
    right = broken.read_text()
    with elsewhere(tmp_path, tmp_path) as server:
        people = Conversation(server)
        before = until(lambda: ready(server))
        broken.write_text(right + "\n)\n")
        kill(server, "spare")
        until(lambda: "cannot be started" in server.log_text())
        assert "SyntaxError" in server.log_text()
        assert f"worker.py:{right.count(chr(10)) + 2}" in server.log_text()
        kill(server, "worker0")
        until(lambda: pids(server).get("worker0") is None)
        assert status(server)["worker0"] == {"role": "worker0", "pid": None, "ready": False}
        assert server.run("ps", "--port", str(server.irc_port)).returncode == 0
        broken.write_text(right)
        until(lambda: ready(server))
        replaced(server, before, "worker0")
        people.round()
        people.close()


def test_the_resource_tracker_dies_while_nothing_can_be_started(tmp_path: Path) -> None:
    with running("--workers", "2", "--unlimited", data=tmp_path) as server:
        people = Conversation(server)
        before = until(lambda: ready(server))
        limits = limit_descriptors(server.pid)
        os.kill(before["resource_tracker"], signal.SIGKILL)
        until(lambda: not Path(f"/proc/{before['resource_tracker']}").exists())
        people.round()
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, limits)
        kill(server, "worker0")
        replaced(server, {**before, "resource_tracker": 0}, "worker0", "resource_tracker")
        people.round()
        people.close()


# What crashes


@pytest.mark.slow
@pytest.mark.parametrize("role", ["worker0", "acceptor", "recorder", "authenticator", "spare", "broker"])
def test_one_that_crashes_again_and_again_is_replaced_again_and_again(role: str) -> None:
    with running("--workers", "2", "--unlimited") as server:
        people = Conversation(server)
        for _ in range(5):
            before = until(lambda: ready(server))
            people.round(lambda before=before: os.kill(before[role], signal.SIGSEGV))  # type: ignore[misc]
            replaced(server, before, role)
        is_loud = role not in ("recorder", "spare")
        assert server.log_text().count("process keeps crashing") == is_loud
        assert server.log_text().count("was killed by SIGSEGV") == 5
        people.close()


@pytest.mark.slow
def test_kills_from_outside_count_for_nothing() -> None:
    with running("--workers", "2", "--unlimited") as server:
        for _ in range(12):
            before = until(lambda: ready(server))
            kill(server, "broker")
            replaced(server, before, "broker")
        assert "keeps" not in server.log_text()


# What hangs


@pytest.mark.slow
def test_one_that_hangs_again_and_again_gets_more_time() -> None:
    with running("--workers", "2", "--unlimited", "--hang-limit", "1") as server:
        people = Conversation(server)
        for _ in range(2):
            before = until(lambda: ready(server))
            kill(server, "worker0", by=signal.SIGSTOP)
            replaced(server, before, "worker0")
        assert server.log_text().count("process hangs hung='worker0'") == 2
        assert server.log_text().count("process keeps hanging: its limit grows role='worker0'") == 1
        people.round()
        people.close()


# What ends the server: its clients are told


@pytest.mark.slow
def test_a_broker_that_never_gets_ready_ends_it(tmp_path: Path) -> None:
    shutil.copytree(PACKAGE, tmp_path / "mpchat", ignore=shutil.ignore_patterns("__pycache__"))
    server = Elsewhere(tmp_path, tmp_path)
    try:
        ana, beto, carla = server.irc("ana"), server.irc("beto"), server.plain("carla")
        before = until(lambda: ready(server))
        broker = tmp_path / "mpchat" / "broker" / "broker.py"
        broker.write_text(broker.read_text() + "\n\ndef main(*_: object) -> None:\n    raise ValueError('no')\n")
        kill(server, "spare")  # it has the old code
        until(lambda: (now := ready(server)) and now["spare"] != before["spare"])
        kill(server, "broker")
        for client in (ana, beto, carla):
            client.sock.settimeout(3 * PATIENCE)  # ten starts, with up to a second between two
        for client in (ana, beto):
            assert client.rest() == ["ERROR :Closing link: (Its broker cannot start)"]
            client.close()
        assert carla.rest() == ["! Its broker cannot start"]
        carla.close()
        assert ended(server.process, PATIENCE) == 1
        assert server.log_text().count("crashed error=") == 10
        assert "the last of 10 that never got ready; the server ends" in server.log_text()
    finally:
        server.stop()


def nothing(package: Path) -> None:
    pass


def a_mistake_in_the_worker(package: Path) -> None:
    worker = package / "worker" / "worker.py"
    worker.write_text(worker.read_text() + "\n\ndef main(*_: object) -> None:\n    raise ValueError('no')\n")


def what_does_not_compile(package: Path) -> None:
    worker = package / "worker" / "worker.py"
    worker.write_text(worker.read_text() + "\n)\n")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "memory", "told"),
    [
        (nothing, 40_000 << 10, "status 71 .*(thread|MemoryError)"),
        (
            a_mistake_in_the_worker,
            resource.RLIM_INFINITY,
            r"the worker\d process .*ValueError\('no'\) at worker.py:\d+",
        ),
        (what_does_not_compile, resource.RLIM_INFINITY, "the spare process .*SyntaxError"),
    ],
)
def test_a_server_that_was_never_ready_ends(
    tmp_path: Path, change: Callable[[Path], None], memory: int, told: str
) -> None:
    shutil.copytree(PACKAGE, tmp_path / "mpchat", ignore=shutil.ignore_patterns("__pycache__"))
    change(tmp_path / "mpchat")
    done = start(
        *(*MPCHAT, "server", "127.0.0.1", "0"),
        environment={"PYTHONPATH": str(tmp_path)},
        cwd=tmp_path,
        before=lambda: resource.setrlimit(resource.RLIMIT_AS, (memory, memory)),
    )
    assert (done.returncode, done.stdout) == (1, "")
    last = done.stderr.splitlines()[-1]
    assert re.match(f"mpchat: .*{told}.*, the last of 8 that never got ready; the server ends", last), last


def test_damaged_data_ends_it(tmp_path: Path) -> None:
    with doomed("--data", str(tmp_path / "data")) as (server, _):
        ana, carla = server.irc("ana"), server.plain("carla")
        ana.ask("JOIN #lobby")
        segment = next((tmp_path / "data" / "journal").glob("*.journal"))
        with segment.open("r+b") as file:
            file.seek(20)
            file.write(b"\xff\xff\xff\xff")
        kill(server, "broker")
        assert ana.rest()[-1] == "ERROR :Closing link: (Its data is damaged)"
        assert carla.rest()[-1] == "! Its data is damaged"
        ana.close()
        carla.close()
        assert ended(server.process, PATIENCE) == 1
        assert str(segment) in server.log_text()


def test_without_a_listening_socket_it_ends() -> None:
    """They can be shut down from outside: by `ss -K`, which root may, or by a debugger."""
    with doomed("--plain-port", "none") as (server, _):
        ana = server.irc("ana")
        shut_down_listeners(server.pid)
        assert ana.rest() == ["ERROR :Closing link: 127.0.0.1 (Nobody can come in)"]
        ana.close()
        assert ended(server.process, PATIENCE) == 1
        assert "no listening socket is left; the server ends" in server.log_text()


def shut_down_listeners(pid: int) -> None:
    """All listening TCP sockets that a process has open, by copies of its descriptors (pidfd_getfd(2))."""
    libc = ctypes.CDLL(None, use_errno=True)
    process = os.pidfd_open(pid)
    for name in os.listdir(f"/proc/{pid}/fd"):
        fd = libc.syscall(_PIDFD_GETFD, process, int(name), 0)
        if fd < 0:
            continue
        if os.readlink(f"/proc/self/fd/{fd}").startswith("socket:"):
            with socket.socket(fileno=fd) as sock:
                if sock.family == socket.AF_INET and sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                    sock.shutdown(socket.SHUT_RDWR)
        else:
            os.close(fd)
    os.close(process)


def test_the_death_of_a_broker_that_keeps_no_journal_ends_it() -> None:
    with doomed("--durability", "none") as (server, _):
        ana, carla = server.irc("ana"), server.plain("carla")
        kill(server, "broker")
        assert ana.rest() == ["ERROR :Closing link: (Its broker has died, and it keeps no journal)"]
        assert carla.rest() == ["! Its broker has died, and it keeps no journal"]
        ana.close()
        carla.close()
        assert ended(server.process, PATIENCE) == 1
        assert "--durability none" in server.log_text()


def test_a_broker_that_dies_while_the_server_stops_leaves_the_farewell_to_the_workers() -> None:
    with doomed() as (server, watched):
        ana, carla = server.irc("ana"), server.plain("carla")
        watched.kill("broker", signal.SIGSTOP)
        os.kill(server.pid, signal.SIGTERM)
        until(lambda: not Path(f"/proc/{watched.pids['acceptor']}").exists())
        watched.kill("broker", signal.SIGKILL)
        assert ana.rest() == ["ERROR :Closing link: (Server shutting down)"]
        assert carla.rest() == ["! Server shutting down"]
        ana.close()
        carla.close()
        assert ended(server.process, PATIENCE) == 1


def test_an_acceptor_that_is_stuck_while_the_server_stops_keeps_nobody_from_being_told() -> None:
    """Nor does it where nothing that hangs is killed."""
    settings = Settings(port=0, plain_port=0, workers=2, hang_limit=0, stop_seconds=1.0)
    server = Unusual(built(settings))
    try:
        ana, carla = server.irc("ana"), server.plain("carla")
        kill(server, "acceptor", by=signal.SIGSTOP)
        os.kill(server.pid, signal.SIGTERM)
        assert ana.rest() == ["ERROR :Closing link: 127.0.0.1 (Server shutting down)"]
        assert carla.rest() == ["* goodbye (Server shutting down)"]
        ana.close()
        carla.close()
        assert ended(server.process, PATIENCE) == 1
    finally:
        server.stop()


def test_a_stop_while_there_is_no_acceptor() -> None:
    """Its successor has no socket to listen on any more, and tells the workers all the same who is in."""
    with running("--workers", "2") as server:
        ana = server.irc("ana")
        before = until(lambda: ready(server))
        for role in ("spare", "acceptor"):
            os.kill(before[role], signal.SIGKILL)
        until(lambda: "the acceptor process" in server.log_text())
        os.kill(server.pid, signal.SIGTERM)
        assert ana.rest() == ["ERROR :Closing link: 127.0.0.1 (Server shutting down)"]
        ana.close()
        assert ended(server.process, PATIENCE) == 0
        assert "cannot connect" not in server.log_text()


def test_a_control_socket_whose_folder_is_gone_does_not_disturb_a_stop() -> None:
    with running("--workers", "2") as server:
        until(lambda: ready(server))
        folder = socket_file(server).parent
        shutil.rmtree(folder)
        folder.write_text("in its place")


def test_a_control_socket_whose_file_is_gone_is_made_again() -> None:
    """As with the folder of a session, which goes when its user logs out."""
    with running("--workers", "1") as server:
        before = until(lambda: ready(server))
        for with_its_folder in (False, True):
            path = socket_file(server)
            shutil.rmtree(path.parent) if with_its_folder else path.unlink()
            until(socket_file(server).exists)
            assert pids(server) == before
        assert server.log_text().count("the control socket was removed: there is another") == 2


def test_a_farewell_comes_behind_what_the_outbox_holds() -> None:
    """A client that reads slowly reads all that was sent to it, and then why there is no more."""
    with doomed("--durability", "none", workers=1) as (server, _):
        ana, beto = server.irc("ana"), server.irc("beto")
        ana.join("#lobby")
        beto.join("#lobby")
        ana.sync()
        text = "x" * 400
        for number in range(0, 1500, 100):  # far more than the kernel's buffers take, and less than its limit
            ana.send(*(f"PRIVMSG #lobby :{number + n} {text}" for n in range(100)))
            ana.sync()
        kill(server, "broker")
        lines = beto.rest()
        numbers = [int(line.split(" :")[1].split(" ")[0]) for line in lines if " PRIVMSG #lobby :" in line]
        assert numbers == list(range(1500))
        assert lines[-1].startswith("ERROR :Closing link: (Its broker has died")
        ana.close()
        beto.close()
