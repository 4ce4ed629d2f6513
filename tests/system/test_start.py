"""Starting: the ready line, one clear line for everything that is wrong, and `mpchat ps`."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.running import PATIENCE, Server, at_home, running
from tests.system.servers import MPCHAT, Unusual, Watched, needs_linux, pids, socket_file, until, unusual


def start(*args: str, runtime: Path) -> subprocess.CompletedProcess[str]:
    """A server that must not start; were it to, then on a free port: the usual one may be somebody's."""
    where = [] if args and not args[0].startswith("--") else ["127.0.0.1", "0"]
    command = [*MPCHAT, "server", *where, *args]
    environment = {**os.environ, **at_home(runtime)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE)


def free_ports() -> int:
    """A port that is free, as is the one 13 above it."""
    while True:
        with socket.create_server(("127.0.0.1", 0)) as first:
            port: int = first.getsockname()[1]
            try:
                socket.create_server(("127.0.0.1", port + 13)).close()
            except OSError:
                continue
            return port


# What is wrong is said in one line


@pytest.mark.parametrize(
    ("args", "status", "told"),
    [
        (["127.0.0.1", "65536"], 2, r"a port is a number from 0 to 65535, not '65536'"),
        (["127.0.0.1", "-1"], 2, r"-1"),
        (["127.0.0.1", "irc"], 2, r"a port is a number from 0 to 65535, not 'irc'"),
        (["127.0.0.1", "٣"], 2, r"a port is a number from 0 to 65535"),
        (["127.0.0.1", "0", "--plain-port", "70000"], 2, r"a port is a number from 0 to 65535, not '70000'"),
        (["--workers", "0"], 2, r"a whole number above 0, not '0'"),
        (["--max-clients", "many"], 2, r"a whole number above 0, not 'many'"),
        (["--sendq", "-5"], 2, r"sendq"),
        (["--sendq-total", "0"], 2, r"sendq-total: a whole number above 999, not '0'"),
        (
            ["--sendq-total", "5000"],
            2,
            r"--sendq-total 5000 is less than what one client may be behind, --sendq 1048576",
        ),
        (["--sendq", "9000000", "--sendq-total", "8999999"], 2, r"--sendq-total 8999999 is less than .* 9000000"),
        (["--oper", "root"], 2, r"an operator is NAME:PASSWORD"),
        (["--oper", ":secret"], 2, r"an operator is NAME:PASSWORD"),
        (["--oper", "root:"], 2, r"an operator is NAME:PASSWORD"),
        (["--oper", "ro ot:secret"], 2, r"an operator is NAME:PASSWORD"),
        (["--oper", "root:a", "--oper", "root:b"], 2, r"an operator's name is given twice"),
        (["--oper-file", "/no/such/file"], 1, r"No such file or directory: /no/such/file"),
        (["--oper-file", "/dev/null"], 2, r"/dev/null: others than its owner may use it"),
        (["--no-such-flag"], 2, r"--no-such-flag"),
        (["--config", "/no/such/file"], 1, r"No such file or directory: /no/such/file"),
        (["--config", ""], 2, r"it must name a file"),
        (["--password", "a", "--password-file", "b"], 2, r"not allowed with"),
        (["--log-level", "loud"], 2, r"loud"),
        (["--name", "my server"], 2, r"one word, not 'my server'"),
        (["--name", ":server"], 2, r"one word, not ':server'"),
        (["--name", ""], 2, r"one word, not ''"),
        (["--network", "my net"], 2, r"one word, not 'my net'"),
        (["--name", "n" * 64], 2, r"at most 63 bytes: 'n+'"),
        (["--network", "ñ" * 32], 2, r"at most 63 bytes: 'ñ+'"),
        (["--hang-limit", "0.5"], 2, r"0, or 1 second and more, not '0\.5'"),
        (["--history-days", "36501"], 2, r"--history-days: 36500 at most, not '36501'"),
        (["--history-days", "forever"], 2, r"--history-days: a whole number, not 'forever'"),
        (["--history-size", "1.5"], 2, r"--history-size: a whole number, not '1\.5'"),
        (["--history-size", "1000001"], 2, r"--history-size: 1000000 at most"),
        (["--hang-limit", "soon"], 2, r"a number of seconds, not 'soon'"),
        (["127.0.0.1", "7000", "--plain-port", "7000"], 2, r"--plain-port 7000 is the port for IRC"),
        (["127.0.0.1", "--port", "99999"], 2, r"argument --port: a port is a number from 0 to 65535, not '99999'"),
        (["127.0.0.1", "0", "--port", "7000"], 2, r"two ports are given: 0 and --port 7000"),
        (["--data", "/tmp", "--durability", "none"], 2, r"there is nothing for --data to say"),
        (["0.0.0.0", "0", "--unlimited"], 2, r"--unlimited .*loopback"),
        (["::", "0", "--unlimited"], 2, r"--unlimited .*loopback"),
        (["--motd", "/no/such/file"], 1, r"No such file or directory: /no/such/file"),
        (["--password-file", "/no/such/file"], 1, r"No such file or directory: /no/such/file"),
        (["--password-file", "/dev/null"], 2, r"/dev/null: others than its owner may use it"),
        (["--data", "/dev/null/below/a/file"], 1, r"/dev/null"),
        (["192.0.2.1", "0"], 1, r"cannot listen on 192\.0\.2\.1:0"),  # nobody's address (RFC 5737)
        (["224.0.0.1", "0"], 1, r"cannot listen on 224\.0\.0\.1:0: Cannot assign requested address"),
        (["255.255.255.255", "0"], 1, r"cannot listen on 255\.255\.255\.255:0: Cannot assign requested address"),
        (["ff02::1", "0"], 1, r"cannot listen on \[ff02::1\]:0: "),
        (["[2001:db8::1]", "0"], 1, r"cannot listen on \[2001:db8::1\]:0: "),  # nobody's either (RFC 3849)
    ],
)
def test_what_is_wrong_is_said_in_one_line(tmp_path: Path, args: list[str], status: int, told: str) -> None:
    done = start(*args, runtime=tmp_path)
    assert done.returncode == status
    assert done.stdout == ""
    assert re.fullmatch(rf"mpchat.*{told}.*\n", done.stderr), done.stderr


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"root:secreto\nsin-clave\n", r"line 2: an operator is NAME:PASSWORD, without spaces"),
        (b"root:secreto\n\nroot:otro\n", r"line 3: an operator of this name stands above"),
        (b"root:secreto\nana:s\xe9creto\n", r"line 2: not UTF-8 \(byte 0xe9\)"),
        (b"root:se creto\n", r"line 1: an operator is NAME:PASSWORD, without spaces"),
        (b"root:" + b"secreto" * 40, r"line 1: an operator's name or password must have at most 250 bytes"),
        (b"account \n", r"line 1: an operator is NAME:PASSWORD, without spaces, or `account NAME`"),
        (b"account:boss\n", r"line 1: an operator's account is written `account NAME`, with a space"),
        (b"account 1x\n", r"line 1: an operator is NAME:PASSWORD, without spaces, or `account NAME`"),
        (b"account ana\naccount ANA\n", r"line 2: an operator of this name stands above"),
        (b"\n\r\n", r"names no operator"),
    ],
)
def test_a_file_of_operators_that_is_none(tmp_path: Path, content: bytes, told: str) -> None:
    file = tmp_path / "opers"
    file.write_bytes(content)
    file.chmod(0o600)
    done = start("--oper-file", str(file), runtime=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(rf"mpchat: {file}.*{told}.*\n", done.stderr), done.stderr
    assert "creto" not in done.stderr


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_file_of_operators_is_its_owners_alone(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "opers"
    file.write_text("root:secreto\n")
    file.chmod(mode)
    done = start("--oper-file", str(file), runtime=tmp_path)
    assert done.returncode == 2
    assert done.stderr == (
        f"mpchat: {file}: others than its owner may use it, and it holds passwords (chmod 600 helps)\n"
    )


@pytest.mark.parametrize(
    "args",
    [
        [],
        ["sever"],
        ["ps", "--port", "x"],
        ["stop", "now"],
        ["reload", "--port", "-1"],
        ["client", "127.0.0.1", "99999"],
        ["client", "--port", "99999"],
        ["client", "127.0.0.1", "7000", "--port", "7001"],
    ],
)
def test_other_commands_used_wrongly(args: list[str]) -> None:
    done = subprocess.run([*MPCHAT, *args], capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 2
    assert done.stdout == ""
    assert re.fullmatch(r"mpchat.*\n", done.stderr), done.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is unwritable for root")
def test_a_data_directory_that_is_not_ours(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(mode=0o500)
    done = start("127.0.0.1", "0", "--data", str(tmp_path / "data"), runtime=tmp_path)
    assert (done.returncode, done.stderr) == (1, f"mpchat: Permission denied: {tmp_path / 'data'}\n")


@pytest.mark.parametrize("plain", [False, True])
def test_a_port_in_use(server: Server, tmp_path: Path, plain: bool) -> None:
    args = ["0", "--plain-port", str(server.plain_port)] if plain else [str(server.irc_port)]
    done = start("127.0.0.1", *args, runtime=tmp_path)
    assert done.returncode == 1
    assert done.stdout == ""
    taken = server.plain_port if plain else server.irc_port
    assert done.stderr == f"mpchat: cannot listen on 127.0.0.1:{taken}: Address already in use\n"


def test_two_servers_of_one_user_on_one_port_of_two_addresses(server: Server) -> None:
    """They would be the same server to `mpchat ps`: the second one is told so, and leaves the first one alone."""
    done = start("127.0.0.2", str(server.irc_port), runtime=Path(server.folder.name))
    assert done.returncode == 1
    assert re.fullmatch(rf"mpchat: .*control socket.*in use.*{server.irc_port}\.sock\n", done.stderr), done.stderr
    assert pids(server)["supervisor"] == server.pid


def test_a_place_for_control_sockets_that_others_can_enter(tmp_path: Path) -> None:
    (tmp_path / "mpchat").mkdir(mode=0o755)
    done = start("127.0.0.1", "0", runtime=tmp_path)
    assert done.returncode == 1
    assert re.fullmatch(r"mpchat: .*mpchat is not a folder that only you can enter: remove it, or .*\n", done.stderr), (
        done.stderr
    )


# What is right is said in one line, too


def test_the_ready_line_names_the_real_ports_and_the_parent() -> None:
    with unusual() as server:
        assert isinstance(server, Unusual)
        assert server.ready == (
            f"mpchat ready: irc 127.0.0.1:{server.irc_port}, plain 127.0.0.1:{server.plain_port}, pid {server.pid}\n"
        )
        assert server.irc_port not in (0, server.plain_port)
        assert server.pid == server.process.pid
        with server.irc("ana"), server.plain("beto"):
            pass


def test_there_may_be_no_plain_port() -> None:
    with unusual("--plain-port", "none") as server:
        assert isinstance(server, Unusual)
        assert server.ready == f"mpchat ready: irc 127.0.0.1:{server.irc_port}, plain none, pid {server.pid}\n"
        server.irc("ana").close()


def test_the_port_is_given_as_a_word_or_as_an_option(tmp_path: Path) -> None:
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = str(taken.getsockname()[1])
        for words in (["127.0.0.1", port], ["--port", port], ["127.0.0.1", "--port", port, "--plain-port", "none"]):
            done = subprocess.run(
                [*MPCHAT, "server", *words], env={**os.environ, **at_home(tmp_path)}, capture_output=True, text=True,
                timeout=PATIENCE,
            )  # fmt: skip
            assert (done.returncode, f"cannot listen on 127.0.0.1:{port}:" in done.stderr) == (1, True), done.stderr
    for words in (["127.0.0.1", port], ["--port", port], ["127.0.0.1", port, "--port", port]):
        done = subprocess.run(
            [*MPCHAT, "client", *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE
        )
        assert (done.returncode, f"cannot connect to 127.0.0.1:{port}:" in done.stderr) == (1, True), done.stderr


def test_the_plain_port_is_13_above(tmp_path: Path) -> None:
    port = free_ports()
    server = Unusual([*MPCHAT, "server", "127.0.0.1", str(port)])
    try:
        assert server.ready.startswith(f"mpchat ready: irc 127.0.0.1:{port}, plain 127.0.0.1:{port + 13}, pid ")
    finally:
        assert server.stop() == 0


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 loopback here")
@pytest.mark.parametrize("host", ["::1", "[::1]"])
def test_ipv6(host: str) -> None:
    server = Unusual([*MPCHAT, "server", host, "0", "--unlimited"], host="::1")
    try:
        assert server.ready.startswith(f"mpchat ready: irc [::1]:{server.irc_port}, plain [::1]:{server.plain_port}, ")
        with server.irc("ana") as ana, server.plain("beto") as beto:
            ana.join("#lobby")
            beto.expect("* ana joined")
            # A parameter that begins with a colon would be the last one: such a host is written with a 0 in front.
            assert ana.ask("WHOIS beto")[0] == ":mpchat.local 311 ana beto ~plain 0::1 * :beto"
            ana.send("PRIVMSG #lobby :hola")
            beto.expect("<ana> hola")
        where = ["--host", host, "--port", str(server.irc_port)]
        assert subprocess.run([*MPCHAT, "send", *where, "#lobby", "hola"], timeout=PATIENCE).returncode == 0
    finally:
        assert server.stop() == 0


# The control socket


def test_the_control_socket_is_its_users_own(server: Server) -> None:
    path = socket_file(server)
    assert stat.S_ISSOCK(path.stat().st_mode)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@needs_linux
def test_what_a_killed_server_left_behind_is_no_obstacle(tmp_path: Path) -> None:
    port = free_ports()
    with Unusual_at(port) as first:
        place = at_home(first.folder.name)
        with Watched(first) as watched:
            watched.kill("supervisor", signal.SIGKILL)
            assert watched.left(within=1) == []  # the acceptor has held the port a moment longer
        first.process.wait()
        assert socket_file(first).exists()
        second = Unusual([*MPCHAT, "server", "127.0.0.1", str(port)], environment=place)
        try:
            assert json.loads(second.run("ps", "--json", "--port", str(port)).stdout)["supervisor"] == second.pid
        finally:
            assert second.stop() == 0
        assert not socket_file(first).exists()


class Unusual_at:
    """On a chosen port; ended by the test itself."""

    def __init__(self, port: int) -> None:
        self.server = Unusual([*MPCHAT, "server", "127.0.0.1", str(port)])

    def __enter__(self) -> Unusual:
        return self.server

    def __exit__(self, *_: object) -> None:
        self.server.stop()


# Who is who


def comm(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text().rstrip("\n")


@needs_linux
def test_ps_shows_which_processes_are_the_servers(server: Server) -> None:
    done = server.run("ps", "--json", "--port", str(server.irc_port))
    assert (done.returncode, done.stderr) == (0, "")
    tree = json.loads(done.stdout)
    assert tree["supervisor"] == server.pid
    assert tree["ports"] == [server.irc_port, server.plain_port]
    assert len(tree["workers"]) == 2
    assert comm(tree["supervisor"]) == "mpchat:super"
    assert comm(tree["acceptor"]) == "mpchat:acceptor"  # 15 bytes: as long as the kernel allows
    assert comm(tree["broker"]) == "mpchat:broker"
    assert [comm(pid) for pid in tree["workers"]] == ["mpchat:worker0", "mpchat:worker1"]
    command = Path(f"/proc/{tree['resource_tracker']}/cmdline").read_bytes()
    assert b"multiprocessing.resource_tracker" in command
    for role in ("acceptor", "broker", "resource_tracker"):
        parent = re.search(r"^PPid:\s+(\d+)$", Path(f"/proc/{tree[role]}/status").read_text(), re.MULTILINE)
        assert parent is not None
        assert int(parent[1]) == server.pid


@needs_linux
def test_a_process_that_is_woken_lets_the_waking_one_go_on(server: Server) -> None:
    """The threads that feed the queues too: they wake workers and the broker."""
    found = pids(server)
    for role in ("acceptor", "broker", "worker0", "worker1", "recorder", "authenticator"):
        threads = [int(thread) for thread in os.listdir(f"/proc/{found[role]}/task")]
        assert {os.sched_getscheduler(thread) for thread in threads} == {os.SCHED_BATCH}, role


@needs_linux
def test_ps_counts(server: Server) -> None:
    def counted(field: str, roles: str) -> int:
        done = server.run("ps", "--json", "--port", str(server.irc_port))
        rows = json.loads(done.stdout)["processes"]
        assert all(row["fds"] > 0 and row["pss_mib"] > 0 and row["cpu_seconds"] >= 0 for row in rows)
        return sum(row[field] for row in rows if row["role"].startswith(roles))

    before = counted("records", "worker")
    client = server.irc()
    client.send("PING a", "PING b")
    client.until("PONG")
    client.until("PONG")
    assert counted("records", "worker") == before + 2
    assert counted("clients", "acceptor") == counted("clients", "worker") >= 1


def test_ps_as_a_table(server: Server) -> None:
    until(lambda: "spare" in pids(server))
    done = server.run("ps", "--port", str(server.irc_port))
    assert (done.returncode, done.stderr) == (0, "")
    head, *rows = done.stdout.splitlines()
    assert head.split() == ["ROLE", "PID", "CLIENTS", "RECORDS", "CPU", "s", "PSS", "MiB", "FDS"]
    roles = {"supervisor", "broker", "worker0", "worker1", "acceptor", "recorder", "authenticator", "spare"}
    assert {row.split()[0] for row in rows} == roles | {
        "resource_tracker"
    }  # a machine that is slow to start a spare starts another one
    assert rows[0].split()[1] == str(server.pid)


def test_ps_without_a_server(server: Server) -> None:
    done = server.run("ps", "--port", "1")
    assert done.returncode == 1
    assert done.stdout == ""
    assert re.fullmatch(r"mpchat: no server of yours on port 1 .*\n", done.stderr)


@pytest.mark.slow
def test_ps_of_a_server_that_does_not_answer() -> None:
    with running("--workers", "1") as stopped:
        os.kill(stopped.pid, signal.SIGSTOP)
        done = stopped.run("ps", "--port", str(stopped.irc_port))
        os.kill(stopped.pid, signal.SIGCONT)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "mpchat: no answer in 5 seconds\n")


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[Server]:
    """A server on a machine where neither psutil nor setproctitle is installed."""
    for module in ("psutil", "setproctitle"):
        (tmp_path / f"{module}.py").write_text(f"raise ImportError('no {module} here')\n")
    with unusual(environment={"PYTHONPATH": str(tmp_path)}) as it:
        yield it


@needs_linux
def test_without_setproctitle_and_psutil_it_runs_and_linux_itself_says_what_it_takes(bare: Server) -> None:
    with bare.irc("ana") as ana:
        ana.join("#lobby")
    names = [f"mpchat:{role}" for role in ("acceptor", "auth", "broker", "recorder", "spare", "super", "worker0")]
    until(lambda: sorted(comm(pid) for role, pid in pids(bare).items() if role != "resource_tracker") == names)
    table = bare.run("ps", "--port", str(bare.irc_port)).stdout
    assert not any("-" in row.split() or "(" in row for row in table.splitlines())
    assert until(lambda: as_the_kernel_says(bare))


def as_the_kernel_says(server: Server) -> bool:
    """Not so in the moment in which a process is just starting."""
    tree = json.loads(server.run("ps", "--json", "--port", str(server.irc_port)).stdout)
    assert tree["supervisor"] == server.pid
    for row in tree["processes"]:
        assert 0 < row["cpu_seconds"] < 60
        folder = Path(f"/proc/{row['pid']}")
        memory = re.search(r"^Pss:\s+(\d+) kB", (folder / "smaps_rollup").read_text(), re.MULTILINE)
        assert memory is not None
        if abs(row["pss_mib"] - int(memory[1]) / 1024) > 3 or abs(row["fds"] - len(os.listdir(folder / "fd"))) > 3:
            return False
    return True


def test_all_it_ever_prints_is_the_ready_line() -> None:
    with running("--log-level", "error") as server:
        server.irc("ana").close()
        stdout = server.process.stdout
        assert stdout is not None
        server.process.send_signal(signal.SIGTERM)
        assert stdout.read() == ""
        assert server.log_text() == ""
