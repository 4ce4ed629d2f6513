"""What a server's surroundings do to it: nobody reads its log, descriptors are closed, signals are ignored or blocked.

A server that a test has started so serves, replaces whoever dies, and ends when it is told to.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import select
import signal
import socket
import subprocess
import tempfile
import termios
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.running import PATIENCE, Server, at_home, ended, running
from tests.system.servers import MPCHAT, Watched, kill, needs_linux, pids, ready, replaced, until

pytestmark = [needs_linux, pytest.mark.slow]

ROLES = ("broker", "worker0", "acceptor", "recorder", "authenticator", "spare")


class Surrounded(Server):
    """A server whose descriptors a test decides. Its control socket tells when it is there, and not its ready line."""

    def __init__(
        self,
        *args: str,
        stdin: int = subprocess.DEVNULL,
        stdout: int = subprocess.DEVNULL,
        stderr: int = subprocess.DEVNULL,
        before: Callable[[], None] | None = None,
    ) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="mpchat-test-")
        self.environment = {**os.environ, **at_home(self.folder.name)}
        self.log_file = Path(self.folder.name) / "log"
        self.process = subprocess.Popen(
            [*MPCHAT, "server", "127.0.0.1", "0", "--oper", "root:secret", *args],
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            text=True,
            env=self.environment,
            start_new_session=True,
            preexec_fn=before,
        )
        self.host, self.pid = "127.0.0.1", self.process.pid
        (socket_file,) = until(lambda: self.has_ended() or list((Path(self.folder.name) / "mpchat").glob("*.sock")))
        self.irc_port = int(socket_file.stem)
        until(self.is_ready)
        about = json.loads(self.run("ps", "--json", "--port", str(self.irc_port)).stdout)
        self.plain_port = about["ports"][1]

    def has_ended(self) -> bool:
        assert self.process.poll() is None, f"it ended with {self.process.returncode}"
        return False

    def is_ready(self) -> bool:
        with contextlib.suppress(ConnectionRefusedError):  # bound, and not yet listening
            return bool(ready(self))
        return False

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End it by a signal; returns its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return ended(self.process, 20)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            self.folder.cleanup()


@contextlib.contextmanager
def surrounded(
    *args: str,
    stdin: int = subprocess.DEVNULL,
    stdout: int = subprocess.DEVNULL,
    stderr: int = subprocess.DEVNULL,
    before: Callable[[], None] | None = None,
) -> Iterator[Surrounded]:
    """It must end well, and leave nothing."""
    server = Surrounded(*args, stdin=stdin, stdout=stdout, stderr=stderr, before=before)
    try:
        with Watched(server) as watched:
            yield server
            assert server.stop() == 0
            assert watched.left(within=5) == []
    finally:
        server.stop()


def serves(server: Server, *deaths: str) -> None:
    """People talk, come and go, and notice nothing of these deaths."""
    with server.irc("ana") as ana, server.plain("beto") as beto:
        ana.join("#lobby")
        beto.expect("* ana joined")
        with server.irc("troll") as troll:  # makes the broker write a line
            troll.send("OPER root guess")
            troll.until("464")
        for role in deaths:
            until(lambda: ready(server))
            before = kill(server, role)
            ana.send(f"PRIVMSG #lobby :{role} is dead")
            beto.expect(f"<ana> {role} is dead")
            replaced(server, before, role)
            with server.irc(f"new{role}") as newcomer:
                newcomer.join("#lobby")
                beto.expect(f"* new{role} joined")
        ana.send("PRIVMSG #lobby :bye")
        beto.expect("<ana> bye")


# Nobody reads the log


def fill(fd: int) -> None:
    """Until it takes not a byte more; then it is as it was."""
    flags = fcntl.fcntl(fd, fcntl.F_GETFL)
    os.set_blocking(fd, False)
    for size in (4096, 1):
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(fd, b"." * size)
    fcntl.fcntl(fd, fcntl.F_SETFL, flags)


@contextlib.contextmanager
def full_pipe() -> Iterator[tuple[int, int]]:
    """(what a server writes to, what a test reads later)"""
    readable, writable = os.pipe()
    fill(writable)
    yield writable, readable
    os.close(writable)
    os.close(readable)


@contextlib.contextmanager
def full_socket() -> Iterator[tuple[int, int]]:
    """As systemd's journal gives one to a service."""
    ours, theirs = socket.socketpair()
    fill(ours.fileno())
    with ours, theirs:
        yield ours.fileno(), theirs.fileno()


@contextlib.contextmanager
def stopped_terminal() -> Iterator[tuple[int, int]]:
    """Ctrl-S has been pressed."""
    master, slave = os.openpty()
    termios.tcflow(slave, termios.TCOOFF)
    yield slave, master
    os.close(slave)
    os.close(master)


@contextlib.contextmanager
def pipe_without_reader() -> Iterator[tuple[int, int]]:
    """server | true"""
    readable, writable = os.pipe()
    os.close(readable)
    yield writable, -1
    os.close(writable)


@contextlib.contextmanager
def full_disk() -> Iterator[tuple[int, int]]:
    full = os.open("/dev/full", os.O_WRONLY)
    yield full, -1
    os.close(full)


Place = Callable[[], contextlib.AbstractContextManager[tuple[int, int]]]
PLACES: list[Place] = [full_pipe, full_socket, stopped_terminal, pipe_without_reader, full_disk]


@pytest.mark.parametrize("place", PLACES)
def test_where_the_log_goes_nowhere_nobody_notices(place: Place) -> None:
    with place() as (written, _):
        flags = fcntl.fcntl(written, fcntl.F_GETFL)
        with surrounded(stderr=written) as server:
            serves(server, *ROLES, "resource_tracker")  # Python warns of that one itself
            assert fcntl.fcntl(written, fcntl.F_GETFL) == flags  # it is the user's shell's, too


@pytest.mark.parametrize("place", PLACES)
def test_where_the_ready_line_goes_nowhere_it_serves(place: Place) -> None:
    with place() as (written, _):
        flags = fcntl.fcntl(written, fcntl.F_GETFL)
        with surrounded(stdout=written) as server:
            serves(server)
            assert fcntl.fcntl(written, fcntl.F_GETFL) == flags


def read_until(fd: int, pattern: str) -> str:
    """What comes, up to what this regular expression finds."""
    text = ""
    while not re.search(pattern, text):
        assert select.select([fd], [], [], PATIENCE)[0], text
        text += os.read(fd, 1 << 16).decode()
    return text


def test_when_somebody_reads_again_the_log_says_what_is_missing() -> None:
    """By itself, without another event to log; the supervisor's lines and the broker's are counted each by itself."""
    with full_pipe() as (written, read), surrounded(stderr=written) as server:
        before = kill(server, "spare")
        replaced(server, before, "spare")
        with server.irc("ana") as ana:
            ana.send("OPER root guess")
            ana.until("464")
        text = read_until(read, r"(?s)log lines dropped.*log lines dropped")
        who = sorted(re.findall(r"warning (\w+) \d+ [12] log lines dropped", text))
        assert who == ["broker", "supervisor"]
        before = kill(server, "worker0")
        read_until(read, r"warning supervisor \d+ process died how=.the worker0 process .* was killed by SIGKILL")


def test_in_json_too() -> None:
    with full_pipe() as (written, read):
        with surrounded("--log-json", stderr=written) as server:
            replaced(server, kill(server, "spare"), "spare")
            text = read_until(read, r"log lines dropped.*\n")
        line = json.loads(text.lstrip(".").splitlines()[0])
        assert (line["level"], line["role"], line["pid"]) == ("warning", "supervisor", server.pid)
        assert re.fullmatch(r"\d+ log lines dropped", line["event"])
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d", line["time"])


def test_what_a_terminal_was_not_shown_comes_when_it_goes_on() -> None:
    """Ctrl-S, Ctrl-Q: the ready line is worth waiting for."""
    with stopped_terminal() as (terminal, screen), surrounded(stdout=terminal, stderr=terminal) as server:
        replaced(server, kill(server, "worker0"), "worker0")
        assert select.select([screen], [], [], 0)[0] == []
        termios.tcflow(terminal, termios.TCOON)
        text = read_until(screen, r"(?s)(ready:.*dropped|dropped.*ready:.*\n)")
        assert f"mpchat ready: irc 127.0.0.1:{server.irc_port}, plain 127.0.0.1:{server.plain_port}, pid" in text
        assert re.search(r"warning supervisor \d+ \d+ log lines dropped", text)


def test_who_waits_for_the_ready_line_may_read_late() -> None:
    with full_pipe() as (written, read), surrounded(stdout=written):
        text = read_until(read, r"pid \d+\n")
        assert text.lstrip(".").startswith("mpchat ready: irc 127.0.0.1:")


def test_a_log_file_is_shared_with_whoever_started_it(tmp_path: Path) -> None:
    """(echo; server; echo) 2>log: one offset for all, so that nobody writes over what another has written."""
    with open(tmp_path / "log", "w") as log:
        os.write(log.fileno(), b"before\n")
        with surrounded(stderr=log.fileno()) as server:
            serves(server, "broker")
        os.write(log.fileno(), b"after\n")
    lines = (tmp_path / "log").read_text().splitlines()
    assert (lines[0], lines[-1]) == ("before", "after")
    assert any("the broker process" in line for line in lines)
    assert any("wrong password" in line for line in lines)
    assert lines[-2].endswith("stopping why='Server shutting down'")


def test_a_named_pipe_whose_reader_comes_later(tmp_path: Path) -> None:
    """Its reader goes, and another comes: what was logged meanwhile is lost, and said so."""
    os.mkfifo(tmp_path / "log")
    reader = os.open(tmp_path / "log", os.O_RDONLY | os.O_NONBLOCK)
    written = os.open(tmp_path / "log", os.O_WRONLY)
    with surrounded(stderr=written) as server:
        os.close(reader)
        serves(server, "broker", "worker0")
        reader = os.open(tmp_path / "log", os.O_RDONLY | os.O_NONBLOCK)
        read_until(reader, r"supervisor \d+ \d+ log lines dropped")
    os.close(reader)
    os.close(written)


# Descriptors 0, 1 and 2 are closed


def closing(*fds: int) -> Callable[[], None]:
    def close() -> None:
        for fd in fds:
            os.close(fd)

    return close


CLOSED = [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2)]


@pytest.mark.parametrize("fds", CLOSED)
def test_closed_descriptors_are_as_dev_null(fds: tuple[int, ...]) -> None:
    with surrounded(before=closing(*fds)) as server:
        serves(server, "worker0", "broker")
        for role, pid in pids(server).items():
            is_pythons_own = role == "resource_tracker"  # it closes 0 and 1 itself
            for fd in fds if not is_pythons_own else set(fds) & {2}:
                assert os.readlink(f"/proc/{pid}/fd/{fd}") == "/dev/null", role


def command(*args: str, before: Callable[[], None] | None = None, stdout: int = subprocess.PIPE) -> tuple[int, str]:
    """Status and standard error of a command that ends by itself."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [*MPCHAT, *args],
            env={**os.environ, **at_home(folder)},
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            timeout=PATIENCE,
            preexec_fn=before,
        )
    return done.returncode, done.stderr


def test_commands_without_a_standard_output_or_error(server: Server) -> None:
    assert command("--help", before=closing(1)) == (0, "")
    assert command("--version", before=closing(0, 1, 2)) == (0, "")
    assert command("ps", "--port", "x", before=closing(2)) == (2, "")
    assert command("server", "--workers", "0", before=closing(0, 1, 2)) == (2, "")
    status, told = command("client", before=closing(1))
    assert (status, told.count("\n")) == (2, 1)
    status, told = command("client", before=closing(0))
    assert (status, told.count("\n")) == (2, 1)


def test_what_cannot_be_printed_is_said(server: Server) -> None:
    with open("/dev/full", "w") as full:
        for args in (["--help"], ["ps", "--port", str(server.irc_port)]):
            done = subprocess.run(
                [*MPCHAT, *args],
                env=server.environment,
                stdout=full,
                stderr=subprocess.PIPE,
                text=True,
                timeout=PATIENCE,
            )
            assert done.returncode == 1
            assert re.fullmatch(r"mpchat: .*No space left on device\n", done.stderr)


def test_a_complaint_that_cannot_be_printed_leaves_the_status() -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run([*MPCHAT, "server", "127.0.0.1", "x"], stderr=full, timeout=PATIENCE)
        assert done.returncode == 2
        done = subprocess.run([*MPCHAT, "server", "0.0.0.0", "--unlimited"], stderr=full, timeout=PATIENCE)
        assert done.returncode == 2


# Signals


def ignoring(*numbers: signal.Signals) -> Callable[[], None]:
    def ignore() -> None:
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)

    return ignore


def blocking_all() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())


def blocking_and_ignoring() -> None:
    blocking_all()
    ignoring(signal.SIGCHLD, signal.SIGTERM)()


def masks(pid: int) -> dict[str, set[int]]:
    """Blocked ("SigBlk"), ignored ("SigIgn") and caught ("SigCgt") signals of a process (proc_pid_status(5))."""
    found = re.findall(r"^(Sig(?:Blk|Ign|Cgt)):\t(\w+)$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return {name: {bit + 1 for bit in range(64) if int(value, 16) >> bit & 1} for name, value in found}


@pytest.mark.parametrize(
    "before",
    [
        ignoring(signal.SIGCHLD),
        ignoring(signal.SIGTERM),
        ignoring(signal.SIGCHLD, signal.SIGTERM, signal.SIGPIPE, signal.SIGINT, signal.SIGHUP),
        blocking_all,
        blocking_and_ignoring,
    ],
)
def test_whatever_is_ignored_or_blocked_it_replaces_and_ends_well(before: Callable[[], None], tmp_path: Path) -> None:
    with open(tmp_path / "log", "w") as log, surrounded(stderr=log.fileno(), before=before) as server:
        serves(server, "worker0")
        with server.irc("ana") as ana, server.plain("beto") as beto:
            os.kill(server.pid, signal.SIGTERM)
            assert ana.rest()[-1] == "ERROR :Closing link: 127.0.0.1 (Server shutting down)"
            assert beto.rest()[-1] == "* goodbye (Server shutting down)"
        assert ended(server.process, 15) == 0
    text = (tmp_path / "log").read_text()
    assert re.search(r"process died how='the worker0 process \(pid \d+\) was killed by SIGKILL'", text)
    assert text.count("process died") == 1


def test_none_of_our_processes_has_a_signal_blocked() -> None:
    with surrounded(before=blocking_all) as server:
        serves(server, "worker0")
        for role, pid in pids(server).items():
            # Python's own process has what we held while it was started, but for INT and TERM: nothing that it misses.
            assert masks(pid)["SigBlk"] <= ({signal.SIGHUP, signal.SIGQUIT} if role == "resource_tracker" else set()), (
                role
            )


def test_what_is_set_on_purpose() -> None:
    with surrounded(before=ignoring(signal.SIGCHLD, signal.SIGTERM)) as server:
        supervisor = masks(server.pid)
        assert {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT} <= supervisor["SigCgt"]
        # A terminal with `stty tostop` stops what writes to it from the background, unless that signal is ignored.
        assert {signal.SIGPIPE, signal.SIGTTOU} <= supervisor["SigIgn"]
        assert signal.SIGCHLD not in supervisor["SigIgn"]


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGQUIT])
def test_what_was_ignored_stays_ignored(number: signal.Signals) -> None:
    """nohup(1), and a shell that starts something in the background."""
    with surrounded(before=ignoring(number)) as server, server.irc("ana") as ana:
        ana.join("#lobby")
        os.killpg(server.pid, number)
        replaced(server, kill(server, "worker0"), "worker0")
        assert number in masks(server.pid)["SigIgn"]
        assert ana.ask("PRIVMSG ana :hola")[0].endswith(":hola")


def test_signals_that_mean_nothing_to_it_do_nothing() -> None:
    with running("--workers", "1") as server, server.irc("ana") as ana:
        for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM):
            os.killpg(server.pid, number)
        assert ana.ask("PRIVMSG ana :hola")[0].endswith(":hola")
        assert "died" not in server.log_text()


def test_ctrl_backslash_stops_it_as_ctrl_c_does() -> None:
    with running("--workers", "1") as server, server.irc("ana") as ana:
        os.killpg(server.pid, signal.SIGQUIT)
        assert ana.rest()[-1] == "ERROR :Closing link: 127.0.0.1 (Server shutting down)"
        assert server.wait() == 0


def test_started_by_a_shell_in_the_background() -> None:
    """sh(1) gives such a command SIGINT and SIGQUIT ignored, and /dev/null to read from."""
    with tempfile.TemporaryDirectory() as folder:
        shell = subprocess.Popen(
            ["sh", "-c", '"$@" & echo $!; wait $!', "sh", *MPCHAT, "server", "127.0.0.1", "0"],
            env={**os.environ, **at_home(folder)},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        assert shell.stdout is not None
        pid = int(shell.stdout.readline())
        port = re.match(r"mpchat ready: irc 127\.0\.0\.1:(\d+)", shell.stdout.readline())
        assert port is not None
        os.kill(pid, signal.SIGINT)
        with socket.create_connection(("127.0.0.1", int(port[1])), PATIENCE) as client:
            client.sendall(b"PING still\r\n")
            assert b"PONG" in client.recv(1000)
        os.kill(pid, signal.SIGTERM)
        assert shell.wait(PATIENCE) == 0
        shell.stdout.close()


def test_in_the_background_of_a_terminal_that_stops_who_writes() -> None:
    """stty tostop: SIGTTOU would stop all of the server with its first line (termios(3))."""
    with tempfile.TemporaryDirectory() as folder:
        master, slave = os.openpty()
        shell = subprocess.Popen(
            ["sh", "-c", 'stty tostop; set -m; "$@" & wait $!', "sh", *MPCHAT, "server", "127.0.0.1", "0"],
            env={**os.environ, **at_home(folder)},
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(slave)
        ready_line = read_until(master, r"mpchat ready: .* pid \d+\r\n")
        pid = int(ready_line.split()[-1])
        assert os.getpgid(pid) != os.getpgid(shell.pid)
        os.kill(pid, signal.SIGTERM)
        assert shell.wait(PATIENCE) == 0
        os.close(master)
