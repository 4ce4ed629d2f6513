"""Settings that change while the server runs: `mpchat reload`, SIGHUP, `mpchat stop`; what they read, say and keep."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import socket
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.running import PATIENCE, IrcClient, Server, ended, running
from tests.system.servers import kill, needs_linux, pids, ready, replaced, socket_file, until, unusual

pytestmark = pytest.mark.slow

WORDS = ("first-password", "second-password", "first-oper", "second-oper")


class Files:
    """What an administrator edits."""

    def __init__(self, folder: Path) -> None:
        self.motd, self.password, self.opers = (folder / name for name in ("motd", "password", "opers"))
        self.motd.write_text("uno\n")
        self.password.write_text(f"{WORDS[0]}\n")
        self.password.chmod(0o600)
        self.opers.write_text(f"root:{WORDS[2]}\n")
        self.opers.chmod(0o600)

    @property
    def options(self) -> list[str]:
        pairs = (("--motd", self.motd), ("--password-file", self.password), ("--oper-file", self.opers))
        return [word for option, path in pairs for word in (option, str(path))]

    def change(self) -> None:
        self.motd.write_text("dos\ntres\n")
        self.password.write_text(f"{WORDS[1]}\n")
        self.opers.write_text(f"\nboss:{WORDS[3]}\r\n")


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


@pytest.fixture
def server(files: Files, tmp_path: Path) -> Iterator[Server]:
    with running("--unlimited", *files.options, data=tmp_path / "data") as it:
        yield it


def order(server: Server, command: str) -> tuple[int, str]:
    """Exit status, and what was said."""
    done = server.run(command, "--port", str(server.irc_port))
    return done.returncode, done.stdout + done.stderr


def motd_of(client: IrcClient) -> list[str]:
    return [line.split(":- ")[1] for line in client.ask("MOTD") if " 372 " in line]


def enters(server: Server, password: str, nick: str) -> bool:
    with server.irc() as client:
        client.send(f"PASS {password}", f"NICK {nick}", f"USER {nick} 0 * :{nick}")
        return " 001 " in client.read()


def is_as_before(server: Server, ana: IrcClient) -> None:
    assert motd_of(ana) == ["uno"]
    assert enters(server, WORDS[0], "dora")
    assert not enters(server, WORDS[1], "dora")
    assert ana.ask(f"OPER root {WORDS[2]}")[0].split()[1] == "381"


def is_as_read_again(server: Server, ana: IrcClient) -> None:
    assert motd_of(ana) == ["dos", "tres"]
    assert enters(server, WORDS[1], "dora")
    assert not enters(server, WORDS[0], "dora")
    assert ana.ask(f"OPER root {WORDS[2]}")[0].split()[1] == "464"
    assert ana.ask(f"OPER boss {WORDS[3]}")[0].split()[1] == "381"


def ana_of(server: Server) -> IrcClient:
    ana = server.irc()
    ana.send(f"PASS {WORDS[0]}")
    ana.register("ana")
    return ana


def kept(server: Server, folder: Path) -> bytes:
    """All that the server has written anywhere."""
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file()) + server.log_text().encode()


def test_mpchat_reload_says_what_was_read(server: Server, files: Files, tmp_path: Path) -> None:
    ana = ana_of(server)
    is_as_before(server, ana)
    files.change()
    assert order(server, "reload") == (
        0,
        "read again: 2 lines of the day, a password, operators: 1 by OPER, 0 by account\n",
    )
    is_as_read_again(server, ana)
    assert "reloaded motd_lines=2 password='yes' operators='yes'" in server.log_text()
    written = kept(server, tmp_path / "data")
    assert not [word for word in WORDS if word.encode() in written]


def test_without_a_terminal_a_hang_up_reads_the_files_again(server: Server, files: Files) -> None:
    ana = ana_of(server)
    files.change()
    os.kill(server.pid, signal.SIGHUP)
    until(lambda: "reloaded" in server.log_text())
    is_as_read_again(server, ana)


WRONG = [
    ("motd", b"caf\xe9", "line 1: not UTF-8"),
    ("motd", None, "No such file or directory"),
    ("password", b"\n", "no password in its first line"),
    ("opers", b"root", "line 1: an operator is NAME:PASSWORD"),
    ("opers", b"root:a\nroot:b\n", "line 2: an operator of this name stands above"),
    ("opers", b"", "names no operator"),
    ("opers", b"root:\xff\n", "line 1: not UTF-8"),
]


def test_a_file_that_is_wrong_changes_nothing(server: Server, files: Files) -> None:
    ana = ana_of(server)
    for number, (name, content, why) in enumerate(WRONG, 1):
        files.change()
        wrong: Path = getattr(files, name)
        wrong.unlink() if content is None else wrong.write_bytes(content)
        status, said = order(server, "reload")
        assert (status, why in said) == (1, True), said
        assert said.startswith("mpchat: nothing was changed: ")
        os.kill(server.pid, signal.SIGHUP)
        until(lambda count=2 * number: server.log_text().count("not reloaded: all stays as it was") == count)
    is_as_before(server, ana)


def test_what_the_next_start_would_refuse_is_refused_now(tmp_path: Path) -> None:
    """A key that takes a start is looked at as a start does, before the file is in force."""
    file, motd = tmp_path / "mpchat.toml", tmp_path / "motd"
    motd.write_text("uno\n")
    base = f'[server]\nhost = "127.0.0.1"\nmotd = "{motd}"\n'
    file.write_text(base)
    with unusual("--config", str(file)) as server:
        ana = server.irc("ana")
        motd.write_text("dos\n")
        for wrong, why in (
            ('ipc = "nowhere.py"\n', "nowhere.py: No such file or directory"),
            ("[limits]\nmax_clients = 1000000\n", "--max-clients 1000000"),
            ("[limits]\nsendq = 5000\nsendq_total = 1000\n", "--sendq-total"),
            ('[data]\ndurability = "none"\nkeep_journal = true\n', "--keep-journal"),
        ):
            file.write_text(base + wrong)
            status, said = order(server, "reload")
            assert (status, said.count("\n"), why in said) == (1, 1, True), said
            assert motd_of(ana) == ["uno"]
        file.write_text(base + "[limits]\nmax_clients = 17\n")
        assert order(server, "reload")[0] == 0
        assert motd_of(ana) == ["dos"]


def test_operators_that_others_may_read_are_none(server: Server, files: Files) -> None:
    ana = ana_of(server)
    files.change()
    files.opers.chmod(0o640)
    assert order(server, "reload")[0] == 1
    is_as_before(server, ana)
    files.opers.chmod(0o600)
    assert order(server, "reload")[0] == 0
    is_as_read_again(server, ana)


def test_a_broker_that_is_started_later_has_the_new_settings(server: Server, files: Files) -> None:
    ana = ana_of(server)
    before = until(lambda: ready(server))
    files.change()
    assert order(server, "reload")[0] == 0
    kill(server, "broker")
    before = replaced(server, before, "broker")
    is_as_read_again(server, ana)
    # One that dies before it hears of them leaves them to its successor; who has asked is told when that has them.
    files.motd.write_text("cuatro\n")
    os.kill(before["broker"], signal.SIGSTOP)
    os.kill(server.pid, signal.SIGHUP)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asker:
        asker.settimeout(PATIENCE)
        asker.connect(str(socket_file(server)))
        asker.sendall(b'{"command": "reload"}\n')
        assert pids(server)["broker"] == before["broker"]  # the server answers others meanwhile
        os.kill(before["broker"], signal.SIGKILL)
        assert b"read again: 1 lines" in asker.recv(4096)
    assert motd_of(ana) == ["cuatro"]


def test_settings_outlive_their_broker_but_not_the_server(files: Files, tmp_path: Path) -> None:
    """The next run begins with what its own command line says."""
    with running("--unlimited", "--motd", str(files.motd), data=tmp_path / "data") as server:
        files.motd.write_text("dos\n")
        assert order(server, "reload")[0] == 0
        assert motd_of(server.irc("ana")) == ["dos"]
    with running("--unlimited", data=tmp_path / "data") as server:
        assert motd_of(server.irc("ana")) == []


@needs_linux
def test_a_file_that_does_not_answer_holds_up_nothing(files: Files, tmp_path: Path) -> None:
    with running("--unlimited", "--motd", str(files.motd)) as server:
        ana = server.irc("ana")
        files.motd.unlink()
        os.mkfifo(files.motd)
        writer = os.open(files.motd, os.O_RDWR)
        try:
            os.kill(server.pid, signal.SIGHUP)
            for _ in range(20):
                began = time.monotonic()
                pids(server)
                assert time.monotonic() - began < 1
            assert motd_of(ana) == ["uno"]
            os.write(writer, b"por fin\n")
        finally:
            os.close(writer)
        until(lambda: "reloaded" in server.log_text())
        assert motd_of(ana) == ["por fin"]


def test_relative_names_mean_the_folder_where_it_was_started(files: Files, tmp_path: Path) -> None:
    with unusual(
        "--motd", "motd", before=lambda: os.chdir(tmp_path), environment={"PYTHONPATH": os.getcwd()}
    ) as server:
        files.motd.write_text("dos\n")
        assert order(server, "reload")[0] == 0
        assert motd_of(server.irc("ana")) == ["dos"]


# A terminal


@contextlib.contextmanager
def from_a_terminal(*args: str) -> Iterator[tuple[Server, int]]:
    """A server that was started in a terminal's window, and the window."""
    window, terminal = os.openpty()
    server = None
    try:
        with unusual(*args, before=lambda: fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)) as server:
            os.close(terminal)
            yield server, window
    finally:
        if window >= 0:
            with contextlib.suppress(OSError):
                os.close(window)


def test_in_a_terminal_a_hang_up_stops_it(files: Files) -> None:
    with from_a_terminal("--unlimited", "--motd", str(files.motd)) as (server, _):
        ana = server.irc("ana")
        os.kill(server.pid, signal.SIGHUP)
        assert "Server shutting down" in ana.rest()[-1]
        ana.close()
        assert ended(server.process, PATIENCE) == 0
        assert "reloaded" not in server.log_text()


def test_a_window_that_is_closed_stops_it(files: Files) -> None:
    """The kernel tells the session's leader, and takes the terminal away."""
    with from_a_terminal("--unlimited") as (server, window):
        ana = server.irc("ana")
        os.close(window)
        assert "Server shutting down" in ana.rest()[-1]
        ana.close()
        assert ended(server.process, PATIENCE) == 0


def test_in_a_terminal_mpchat_reload_works_all_the_same(files: Files) -> None:
    with from_a_terminal("--unlimited", "--motd", str(files.motd)) as (server, _):
        files.motd.write_text("dos\n")
        assert order(server, "reload")[0] == 0
        assert motd_of(server.irc("ana")) == ["dos"]


# mpchat stop, and who else asks


def test_mpchat_stop_tells_everybody_and_waits_for_the_end() -> None:
    with running("--unlimited") as server:
        ana = server.irc("ana")
        ana.sock.settimeout(PATIENCE)
        processes = pids(server)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asker:
            asker.settimeout(PATIENCE)
            asker.connect(str(socket_file(server)))
            asker.sendall(b'{"command": "stop"}\n')
            assert "Server shutting down" in ana.rest()[-1]
            ana.close()
            assert asker.recv(4096) == b'{"ok": true, "said": "stopped"}'
        assert ended(server.process, PATIENCE) == 0
        assert not [pid for pid in processes.values() if Path(f"/proc/{pid}").exists()]


def test_the_commands_status() -> None:
    with running("--unlimited") as server:
        assert order(server, "stop") == (0, "stopped\n")
        assert ended(server.process, PATIENCE) == 0
        for command in ("stop", "reload"):
            status, said = order(server, command)
            assert (status, "no server of yours on port" in said) == (1, True)


def test_a_stop_that_is_under_way_refuses_a_reload() -> None:
    with running("--unlimited") as server:
        ana = server.irc("ana")  # the stop waits for her to hang up
        os.kill(server.pid, signal.SIGTERM)
        assert "Server shutting down" in ana.rest()[-1]
        assert order(server, "reload") == (1, "mpchat: the server is stopping\n")
        ana.close()


def test_askers_that_say_nothing_or_too_much_hold_up_nobody() -> None:
    with running("--unlimited") as server, contextlib.ExitStack() as stack:
        ana = server.irc("ana")
        for sent in (b"", b"{", b"x" * 4097, b"nonsense\n") * 10:
            asker = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            asker.settimeout(PATIENCE)
            with contextlib.suppress(BlockingIOError):
                asker.connect(str(socket_file(server)))
                asker.sendall(sent)
            began = time.monotonic()
            assert ana.ask() == []
            assert time.monotonic() - began < 1
        until(lambda: order(server, "reload")[0] == 0)  # the socket has room again in 0.2 s
        fds = len(os.listdir(f"/proc/{server.pid}/fd")) if Path("/proc/self").exists() else 0
        until(lambda: order(server, "ps")[0] == 0)
        assert not fds or len(os.listdir(f"/proc/{server.pid}/fd")) <= fds
