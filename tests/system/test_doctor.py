"""mpchat doctor, whole: what it says of a machine, that it leaves nothing, and that the server agrees with it."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pexpect
import pytest

from mpchat.store import snapshot
from mpchat.store.data_directory import claim
from tests.running import PATIENCE, Server, at_home, ended, running
from tests.system.servers import MPCHAT, Unusual, needs_linux, pids, until
from tests.system.test_data_directory import (
    chatted,
    damaged_segment,
    empty_snapshot,
    no_journal,
    no_snapshot,
    snapshot_is_a_fifo,
    snapshot_is_a_folder,
    torn_snapshot,
)
from tests.system.test_other_user import NOBODY, as_user, python_for_all
from tests.system.tls import Authority, Pair

pytestmark = needs_linux

GROUPS = ["python", "machine", "limits", "data", "network", "tools", "clock", "terminal", "trial"]
SECONDS = 6 * PATIENCE  # a trial waits for its server 20 s

Before = Callable[[], None] | None


class House:
    """A folder for all that doctor and servers make, and an environment that leads there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        places = {"TMPDIR": str(folder), "HOME": str(folder)}
        self.environment = {**os.environ, **at_home(folder), **places, "MPCHAT_TEST": str(folder)}

    def run(self, *command: str, before: Before = None, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*MPCHAT, *command],
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=SECONDS,
            preexec_fn=before,
            stdin=subprocess.DEVNULL,
        )

    def doctor(self, *args: str, before: Before = None, **environment: str) -> dict[str, Any]:
        """Its JSON, with its checks by name and its status; the status must say what the JSON says."""
        done = self.run("doctor", "--json", *args, before=before, **environment)
        assert done.stderr == ""
        told: dict[str, Any] = json.loads(done.stdout)
        assert done.returncode == (0 if told["will_run"] else 1)
        return {**told, "checks": {check["name"]: check for check in told["checks"]}}

    def processes(self) -> list[str]:
        """The command lines of those that have this environment: doctor's, and all that it has started."""
        found = []
        mark = f"MPCHAT_TEST={self.folder}".encode()
        for path in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if mark in (path / "environ").read_bytes().split(b"\0"):
                    found.append((path / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        return found

    def is_empty(self) -> bool:
        return not list(self.folder.iterdir()) and not self.processes()


@pytest.fixture
def house() -> Iterator[House]:
    """In /tmp, as pytest's own folders are too deep for a Unix socket."""
    with tempfile.TemporaryDirectory(prefix="mpchat-test-") as folder:
        yield House(Path(folder))


@pytest.fixture
def port() -> int:
    """One that is free, and its plain one with it."""
    while True:
        with socket.socket() as irc, socket.socket() as plain:
            irc.bind(("127.0.0.1", 0))
            number: int = irc.getsockname()[1]
            with contextlib.suppress(OSError, OverflowError):
                plain.bind(("127.0.0.1", number + 13))
                return number


def bad(told: dict[str, Any]) -> list[str]:
    return [name for name, check in told["checks"].items() if check["verdict"] == "bad"]


def test_here_a_server_runs_and_nothing_is_left_of_the_trial(house: House, port: int) -> None:
    told = house.doctor("127.0.0.1", str(port))
    assert told["will_run"]
    assert bad(told) == []
    assert list(dict.fromkeys(check["group"] for check in told["checks"].values())) == GROUPS
    assert [check["found"] for check in told["checks"].values() if "cannot be told" in check["found"]] == []
    assert "a line came back" in told["checks"]["trial"]["found"]
    assert told["checks"]["data"]["found"] == f"{house.folder}/mpchat/{port} can be made, and written to"
    assert house.is_empty()


def test_people_read_it_in_lines_in_their_language(house: House) -> None:
    english = house.run("doctor", "127.0.0.1", "--port", "0")
    spanish = house.run("doctor", "127.0.0.1", "--port", "0", "--lang", "es")
    assert (english.returncode, spanish.returncode) == (0, 0)
    lines = english.stdout.splitlines()
    assert [line.lower() for line in lines if line and " " not in line] == GROUPS
    assert all(line.startswith(("  ok    ", "  note  ")) for line in lines if line.startswith(" "))
    assert lines[-1].startswith("A server will run here")
    assert spanish.stdout.splitlines()[-1].startswith("Aquí funcionará un servidor")


def test_in_a_terminal_it_says_how_large_that_is(house: House) -> None:
    it = pexpect.spawn(
        MPCHAT[0],
        [*MPCHAT[1:], "doctor", "127.0.0.1", "--port", "0"],
        env={**house.environment, "TERM": "xterm"},
        encoding="utf-8",
        timeout=SECONDS,
        dimensions=(30, 100),
    )
    try:
        it.expect_exact("ok    xterm, 100 columns, 30 rows, colours")
        it.expect_exact("A server will run here")
        it.expect(pexpect.EOF)
    finally:
        it.close(force=True)
    assert it.exitstatus == 0


def test_without_a_path_no_tool_is_found_and_the_server_runs(house: House) -> None:
    told = house.doctor("127.0.0.1", "--port", "0", PATH="")
    assert told["will_run"]
    tools = [check for check in told["checks"].values() if check["group"] == "tools"]
    assert len(tools) > 5
    for check in tools:
        assert check["verdict"] == "note"
        assert check["affects"]
    assert "strace" in told["apt"].split()


def test_in_an_empty_environment_it_works_as_well() -> None:
    command = [*MPCHAT, "doctor", "127.0.0.1", "--port", "0", "--json"]
    done = subprocess.run(command, env={}, capture_output=True, text=True, timeout=SECONDS)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["will_run"]


def test_it_needs_no_standard_input_and_says_that_it_needs_its_output(house: House) -> None:
    assert house.run("doctor", "--port", "0", before=lambda: os.close(0)).returncode == 0
    without = house.run("doctor", "--port", "0", before=lambda: os.close(1))
    assert (without.returncode, without.stdout) == (2, "")
    assert "standard output is closed" in without.stderr


def test_used_wrongly_it_says_what_the_server_says(house: House) -> None:
    for wrong in (
        ["127.0.0.1", "70000"],
        ["--port", "7000", "--plain-port", "7000"],
        ["--workers", "0"],
        ["--tls-port", "7000", "--port", "7000"],
    ):
        ours, servers = house.run("doctor", *wrong), house.run("server", *wrong)
        assert (ours.returncode, servers.returncode) == (2, 2)
        assert ours.stderr.replace("doctor", "server") == servers.stderr


# Nothing is left, whatever happens


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("moment", ["started", "children", "locked"])
def test_whoever_ends_it_the_trial_ends_with_it(house: House, number: signal.Signals, moment: str) -> None:
    command = [*MPCHAT, "doctor", "127.0.0.1", "--port", "0"]
    with subprocess.Popen(
        command, env=house.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        if moment == "locked":  # before the trial: while it looks
            assert process.stdout is not None
            process.stdout.readline()
        else:
            until(lambda: len(house.processes()) >= (2 if moment == "started" else 5))
        process.send_signal(number)
        assert ended(process, SECONDS) == 130
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()
    until(house.is_empty)


@pytest.mark.parametrize("seconds", [0.0, 0.1, 0.2, 0.3, 0.4])
def test_a_burst_of_signals_leaves_nothing_either(house: House, seconds: float) -> None:
    """It goes on until it has ended, and begins so long after the server was started: in each part of the trial."""
    command = [*MPCHAT, "doctor", "127.0.0.1", "--port", "0"]
    with subprocess.Popen(
        command, env=house.environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        until(lambda: len(house.processes()) >= 2)
        begin_at, give_up_at = time.monotonic() + seconds, time.monotonic() + SECONDS
        while process.poll() is None and time.monotonic() < give_up_at:
            if time.monotonic() >= begin_at:
                process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        assert process.wait(0) in (130, -signal.SIGINT), "the last one may meet a Python that has put its handlers away"
        assert process.stderr.read() == ""
    until(house.is_empty)


def test_many_at_once_are_not_in_each_others_way(house: House, port: int) -> None:
    command = ["doctor", "127.0.0.1", str(port), "--json", "--data", str(house.folder / "a" / "b")]
    house.environment["XDG_RUNTIME_DIR"] = str(house.folder / "run" / "user")
    with ThreadPoolExecutor(6) as pool:
        told = [json.loads(done.stdout) for done in pool.map(lambda _: house.run(*command), range(6))]
    wrong = [check["found"] for each in told for check in each["checks"] if check["verdict"] == "bad"]
    assert wrong == []
    assert house.is_empty()


def test_a_server_that_is_just_ending_is_waited_for(house: House, port: int) -> None:
    """As the next server does."""
    data = house.folder / "data"
    command = [*MPCHAT, "doctor", "127.0.0.1", str(port), "--json", "--data", str(data)]
    held = claim(data)
    with subprocess.Popen(command, env=house.environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            until(lambda: str(data) in opened(process.pid))
        finally:
            held.release()
        assert process.stdout is not None
        assert bad({"checks": {each["name"]: each for each in json.loads(process.stdout.read())["checks"]}}) == []


def opened(pid: int) -> list[str]:
    found = []
    for path in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            found.append(os.readlink(path))
    return found


# What keeps a server from running


def agrees(house: House, *args: str, before: Before = None) -> dict[str, Any]:
    """What doctor says, which must be that no server runs: nor does one with these arguments."""
    told = house.doctor(*args, before=before)
    server = house.run("server", *args, before=before)
    assert server.returncode in (1, 2)
    assert server.stdout == ""
    assert not told["will_run"]
    assert told["checks"]["trial"]["verdict"] == "note"
    return {**told, "server": server.stderr.strip().removeprefix("mpchat: ")}


def test_of_few_descriptors_it_counts_the_clients_that_the_server_takes(house: House) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))

    told = house.doctor("127.0.0.1", "--port", "0", before=limit)
    assert told["will_run"]
    refused = house.run("server", "--max-clients", "9999", before=limit)
    assert refused.returncode == 2
    (fitting,) = (
        word for word in refused.stderr.split() if word.strip(",.").isdigit() and word != "9999" and word != "1"
    )
    assert f"clients that fit: {fitting.strip(',.')}" in told["checks"]["descriptors"]["found"]


def test_too_few_descriptors(house: House) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))

    told = agrees(house, "127.0.0.1", "--port", "0", "--workers", "4", before=limit)
    assert bad(told) == ["descriptors"]
    assert told["checks"]["descriptors"]["found"] == told["server"]


def test_a_port_that_a_stranger_has(house: House) -> None:
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        told = agrees(house, "127.0.0.1", str(stranger.getsockname()[1]))
    assert bad(told) == ["irc-port"]
    assert told["checks"]["irc-port"]["found"] == f"IRC: {told['server']}"


def test_a_plain_port_that_a_stranger_has(house: House, port: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        plain_port = str(stranger.getsockname()[1])
        told = agrees(house, "127.0.0.1", str(port), "--plain-port", plain_port)
    assert bad(told) == ["plain-port"]


def test_an_address_that_is_not_this_machines(house: House, port: int) -> None:
    told = agrees(house, "192.0.2.1", str(port))  # TEST-NET-1, RFC 5737
    assert bad(told) == ["irc-port", "plain-port"]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2"])
def test_a_server_of_ours_has_the_port(house: House, host: str) -> None:
    """It is named, also where it listens on another address: its control socket is in the way."""
    with running() as server:
        house.environment |= at_home(server.folder.name)
        told = agrees(house, host, str(server.irc_port), "--data", str(house.folder / "other"))
        assert "running-server" in bad(told)
        assert f"pid {server.pid}, with its data in " in told["checks"]["running-server"]["found"]
        assert len(pids(server)) > 4  # it is as it was


@pytest.mark.slow
def test_a_data_folder_that_another_server_has(house: House, port: int) -> None:
    data = house.folder / "data"
    with running(data=data) as server:
        told = agrees(house, "127.0.0.1", str(port), "--data", str(data))
        assert bad(told) == ["data"]
        assert told["checks"]["data"]["found"] == f"the data folder cannot be used: {told['server']}"
        assert f"{server.pid} " in told["server"]
        measured = {name: told["checks"][name]["found"] for name in ("room", "sync", "file-system")}
        assert [name for name, found in measured.items() if "cannot be told" in found] == []


def test_the_port_and_the_data_of_the_server_that_runs(house: House) -> None:
    """Asked about what runs already: it is not said to keep its data elsewhere."""
    data = house.folder / "data"
    with running(data=data) as server:
        house.environment |= at_home(server.folder.name)
        told = agrees(house, "127.0.0.1", str(server.irc_port), "--data", str(data))
        assert told["checks"]["running-server"]["found"].endswith(f"pid {server.pid}")
        assert "mpchat explain" in told["checks"]["running-server"]["affects"]


def test_a_certificate_its_key_and_their_ports(house: House, pair: Pair) -> None:
    told = house.doctor("--port", "0", "--tls-port", "0", *pair.options)["checks"]
    assert {name: told[name]["verdict"] for name in ("tls-port", "tls-plain-port", "certificate", "key")} == {
        "tls-port": "ok",
        "tls-plain-port": "ok",
        "certificate": "ok",
        "key": "ok",
    }
    pair.key.chmod(0o644)
    try:
        shared = house.doctor("--port", "0", "--tls-port", "0", *pair.options)
    finally:
        pair.key.chmod(0o600)
    assert shared["checks"]["key"]["verdict"] == "note"
    assert shared["will_run"]


def test_a_certificate_that_is_another_keys(house: House, authority: Authority, pair: Pair, port: int) -> None:
    other = Pair(pair.cert, authority.sign("other").key)
    told = agrees(house, "127.0.0.1", str(port), "--tls-port", "0", *other.options)
    assert bad(told) == ["certificate"]
    assert told["checks"]["certificate"]["found"] == told["server"]


def test_a_tls_port_that_a_stranger_has(house: House, pair: Pair, port: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        tls_port = str(stranger.getsockname()[1])
        told = agrees(house, "127.0.0.1", str(port), "--tls-port", tls_port, *pair.options)
    assert bad(told) == ["tls-port"]


def test_a_locale_that_is_not_installed(house: House) -> None:
    told = house.doctor("--port", "0", LC_ALL="xx_XX.UTF-8")
    assert told["checks"]["locale"]["verdict"] == "note"
    assert "is not installed" in told["checks"]["locale"]["affects"]
    assert house.doctor("--port", "0", LC_ALL="C.UTF-8")["checks"]["locale"]["verdict"] == "ok"


def test_a_data_folder_that_cannot_be_one(house: House, port: int) -> None:
    (house.folder / "file").write_text("")
    told = agrees(house, "127.0.0.1", str(port), "--data", str(house.folder / "file"))
    assert told["checks"]["data"]["found"] == f"the data folder cannot be used: {told['server']}"


def test_a_folder_that_was_there_stays_as_it_is(house: House) -> None:
    data = house.folder / "data"
    data.mkdir(mode=0o750)
    (data / "mine").write_text("x")
    assert house.doctor("--port", "0", "--data", str(data))["will_run"]
    assert [path.name for path in data.iterdir()] == ["mine"]
    assert data.stat().st_mode & 0o777 == 0o750


# What a start reads


def another_versions_snapshot(data: Path) -> None:
    state = pickle.dumps((b"none of ours", [], ""), pickle.HIGHEST_PROTOCOL)
    snapshot.prepare(data, snapshot.position(data), state)
    snapshot.install(data)


def journal_is_a_file(data: Path) -> None:
    shutil.rmtree(data / "journal")
    (data / "journal").touch()


def segment_is_a_fifo(data: Path) -> None:
    path = max((data / "journal").glob("*.journal"))
    path.unlink()
    os.mkfifo(path)


def reserve_is_a_folder(data: Path) -> None:
    (data / "journal" / "reserve").unlink()
    (data / "journal" / "reserve").mkdir()


def content(folder: Path) -> dict[Path, tuple[int, bytes]]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


@pytest.fixture(scope="module")
def past() -> Iterator[Path]:
    """Data with a snapshot, and a journal behind it."""
    with tempfile.TemporaryDirectory(prefix="mpchat-test-") as folder:
        chatted(Path(folder, "data"))
        yield Path(folder, "data")


@pytest.mark.parametrize(
    "damage",
    [
        empty_snapshot,
        torn_snapshot,
        no_snapshot,
        snapshot_is_a_folder,
        snapshot_is_a_fifo,
        another_versions_snapshot,
        damaged_segment,
        segment_is_a_fifo,
        reserve_is_a_folder,
        no_journal,
        journal_is_a_file,
    ],
)
def test_data_that_is_damaged(house: House, port: int, past: Path, damage: Callable[[Path], None]) -> None:
    """Told in the server's words, and left as it is."""
    data = house.folder / "data"
    shutil.copytree(past, data)
    damage(data)
    before = content(data)
    told = house.doctor("127.0.0.1", str(port), "--data", str(data))
    assert content(data) == before
    assert bad(told) == ["journal"]
    server = house.run("server", "127.0.0.1", str(port), "--data", str(data))
    assert server.returncode == 1
    words = told["checks"]["journal"]["found"]
    if damage is journal_is_a_file:
        assert words == f"Not a directory: {data}/journal"
        words = f"{data}/journal: Not a directory"
    assert words in server.stderr


@pytest.mark.parametrize("tear", [b"", b"\0" * 5, b"\0\0\1\0\1torn"])
def test_data_that_a_killed_server_has_left_is_not_damaged(house: House, port: int, past: Path, tear: bytes) -> None:
    data = house.folder / "data"
    shutil.copytree(past, data)
    with open(max((data / "journal").glob("*.journal")), "ab") as file:
        file.write(tear)
    before = content(data)
    told = house.doctor("127.0.0.1", str(port), "--data", str(data))
    assert bad(told) == []
    assert told["checks"]["journal"]["verdict"] == "ok"
    assert content(data) == before
    server = Unusual([*MPCHAT, "server", "127.0.0.1", str(port), "--data", str(data)])
    assert server.stop() == 0


def test_data_from_the_future_is_told(house: House) -> None:
    """The clock was put back: what is said now would stand before what was said then."""
    data = house.folder / "data"
    data.mkdir()
    (data / "history.db").write_text("")
    tomorrow = time.time() + 86_400
    os.utime(data / "history.db", (tomorrow, tomorrow))
    told = house.doctor("--port", "0", "--data", str(data))
    assert told["will_run"]
    assert told["checks"]["clock"]["verdict"] == "note"
    assert told["checks"]["clock"]["affects"].startswith("the data was written 86")


def test_a_folder_in_memory_is_told(house: House) -> None:
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    if not any(words[1:3] == ["/dev/shm", "tmpfs"] for words in mounts) or not os.access("/dev/shm", os.W_OK):
        pytest.skip("/dev/shm is not in memory, or not for us")
    folder = Path("/dev/shm", house.folder.name)
    told = house.doctor("--port", "0", "--data", str(folder / "data"))
    assert told["will_run"]
    assert "tmpfs" in told["checks"]["file-system"]["found"]
    assert "after a reboot" in told["checks"]["file-system"]["affects"]
    assert not folder.exists()


def test_a_folder_too_deep_for_a_control_socket(house: House, port: int) -> None:
    deep = house.folder / ("deep" * 25)
    deep.mkdir()
    house.environment["XDG_RUNTIME_DIR"] = str(deep)
    told = agrees(house, "127.0.0.1", str(port))
    assert bad(told) == ["control-socket"]


@pytest.mark.parametrize("number", [9667, 19667])
def test_a_folder_just_deep_enough_for_the_control_socket_of_its_port(house: House, number: int) -> None:
    """With 107 bytes for 9667.sock, the longest path that there is, 19667.sock has one too many. Nobody listens."""
    rest = 107 - len(f"{house.folder}//mpchat/9667.sock")
    told = house.doctor(
        "127.0.0.1", str(number), "--data", str(house.folder / "data"), XDG_RUNTIME_DIR=str(house.folder / ("x" * rest))
    )
    assert (told["checks"]["control-socket"]["verdict"] == "ok") == (number == 9667)


def test_a_deep_folder_for_what_is_temporary(house: House, port: int) -> None:
    deep = house.folder / ("x" * 90)
    deep.mkdir()
    told = house.doctor("127.0.0.1", str(port), TMPDIR=str(deep))
    assert bad(told) == []
    assert told["checks"]["trial"]["verdict"] == "ok"
    assert list(deep.iterdir()) == []


@pytest.mark.surroundings
def test_a_full_folder_for_what_is_temporary(house: House, port: int) -> None:
    """The server has its data elsewhere, and runs. Of the trial nothing is known."""
    full = house.folder / "full"
    full.mkdir()
    alone = [shutil.which("unshare") or "true", "--map-root-user", "--mount"]
    mounting = [*alone, "sh", "-c", f'mount -t tmpfs -o size=64k none {full} && exec "$@"', "sh"]
    if subprocess.run([*mounting, "true"], capture_output=True, timeout=PATIENCE).returncode:
        pytest.skip("this user may not mount")
    done = subprocess.run(
        [*mounting, *MPCHAT, "doctor", "127.0.0.1", str(port), "--json"],
        env={**house.environment, "TMPDIR": str(full)},
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    checks = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert bad({"checks": checks}) == []
    assert checks["trial"]["verdict"] == "note"
    assert "No space left on device" in checks["trial"]["found"]


def test_a_control_folder_that_is_open_to_others(house: House, port: int) -> None:
    (house.folder / "mpchat").mkdir()
    (house.folder / "mpchat").chmod(0o755)
    house.environment["XDG_STATE_HOME"] = str(house.folder / "state")
    told = agrees(house, "127.0.0.1", str(port))
    assert bad(told) == ["control-socket"]
    assert told["checks"]["control-socket"]["found"] == f"no control socket: {told['server']}"


def test_files_of_no_size(house: House, port: int) -> None:
    told = agrees(house, "127.0.0.1", str(port), before=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)))
    assert "file-size" in bad(told)


def test_files_too_small_for_a_journal(house: House, port: int) -> None:
    """Such a server listens, and accepts nothing."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 16))

    told = house.doctor("127.0.0.1", str(port), before=limit)
    assert bad(told) == ["file-size"]
    server = Unusual([*MPCHAT, "server", "127.0.0.1", str(port)], before=limit)
    try:
        until(lambda: "cannot write the journal: nothing is accepted" in server.log_text())
    finally:
        assert server.stop() == 0


def test_a_trial_that_fails_is_told_in_the_servers_words(house: House) -> None:
    """Here it cannot be imported: each Python that is to run a server ends at once."""
    broken = house.folder / "broken"
    broken.mkdir()
    (broken / "sitecustomize.py").write_text(
        "import sys\nif 'server' in sys.orig_argv: raise SystemExit('out of order')\n"
    )
    told = house.doctor("--port", "0", PYTHONPATH=str(broken))
    assert bad(told) == ["trial"]
    assert told["checks"]["trial"]["found"] == (
        "a server was started, and failed: it ended before it was ready: SystemExit: out of order"
    )


# Other users


@pytest.fixture
def nobodys(tmp_path: Path) -> Iterator[Path]:
    if os.getuid() != 0:
        pytest.skip("only root can be another user")
    folder = Path(tempfile.mkdtemp(prefix="mpchat-test-"))
    os.chown(folder, NOBODY, -1)
    yield folder
    shutil.rmtree(folder)


def test_another_user_without_a_home(nobodys: Path, port: int) -> None:
    """The server says the same: where the folder of that user's is not."""
    python = python_for_all()
    places = {"HOME": "", "XDG_STATE_HOME": "", "XDG_RUNTIME_DIR": "", "TMPDIR": str(nobodys), "LC_ALL": "C.UTF-8"}
    doctor = as_user(NOBODY, python, ["doctor", "127.0.0.1", str(port), "--json"], places)
    with_home = as_user(NOBODY, python, ["doctor", "127.0.0.1", str(port)], {**places, "HOME": str(nobodys)})
    assert with_home.returncode == 0, with_home.stdout
    assert [path.name for path in nobodys.iterdir()] == []
    server = as_user(NOBODY, python, ["server", "127.0.0.1", str(port)], places)
    checks = {check["name"]: check for check in json.loads(doctor.stdout)["checks"]}
    assert (doctor.returncode, server.returncode) == (1, 1)
    assert (
        checks["data"]["found"] == f"the data folder cannot be used: {server.stderr.strip().removeprefix('mpchat: ')}"
    )


def test_a_folder_that_may_only_be_read(nobodys: Path, port: int) -> None:
    python = python_for_all()
    data = nobodys / "data"
    data.mkdir(mode=0o555)
    os.chown(data, NOBODY, -1)
    places = {"XDG_RUNTIME_DIR": str(nobodys), "TMPDIR": str(nobodys)}
    arguments = ["127.0.0.1", str(port), "--data", str(data)]
    doctor = as_user(NOBODY, python, ["doctor", *arguments, "--json"], places)
    server = as_user(NOBODY, python, ["server", *arguments], places)
    checks = {check["name"]: check for check in json.loads(doctor.stdout)["checks"]}
    assert (doctor.returncode, server.returncode) == (1, 1)
    assert (
        checks["data"]["found"] == f"the data folder cannot be used: {server.stderr.strip().removeprefix('mpchat: ')}"
    )


def test_a_port_for_root(nobodys: Path) -> None:
    if int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text()) <= 7:
        pytest.skip("here every user has every port")
    python = python_for_all()
    places = {"XDG_RUNTIME_DIR": str(nobodys), "XDG_STATE_HOME": str(nobodys), "TMPDIR": str(nobodys)}
    doctor = as_user(NOBODY, python, ["doctor", "127.0.0.1", "7"], places)
    server = as_user(NOBODY, python, ["server", "127.0.0.1", "7"], places)
    assert (doctor.returncode, server.returncode) == (1, 1)
    assert server.stderr.strip().removeprefix("mpchat: ") in doctor.stdout
    assert "ports below 1024 are for root" in doctor.stdout


def test_too_few_processes(nobodys: Path, port: int) -> None:
    """Of the three that this user may have, doctor is one."""
    python = python_for_all()
    places = {"XDG_RUNTIME_DIR": str(nobodys), "XDG_STATE_HOME": str(nobodys), "TMPDIR": str(nobodys)}
    limited = ["bash", "-c", 'ulimit -u 3; exec "$@"', "bash", python, "-m", "mpchat"]
    for command, told in (("doctor", "2 allowed (ulimit -u)"), ("server", "no process can be started")):
        done = subprocess.run(
            [*limited, command, "127.0.0.1", str(port)],
            env={**os.environ, **places, "PYTHONPATH": str(Path(__file__).parent.parent.parent)},
            user=NOBODY,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
        assert done.returncode == 1
        assert told in done.stdout + done.stderr


def test_a_server_with_another_folder_of_sockets_is_not_in_the_way(server: Server, house: House) -> None:
    """Both may have the port, each on an address of its own: another user's server, for example."""
    told = house.doctor("127.0.0.9", str(server.irc_port), "--data", str(house.folder / "data"))
    assert told["will_run"]


def test_a_configuration_file_is_looked_at_first_and_its_place_then(house: House, port: int) -> None:
    file = house.folder / "mpchat.toml"
    file.write_text(f'[server]\nport = {port}\nworkers = 2\n[data]\ndata = "here"\n')
    told = house.doctor("--config", str(file))
    assert (next(iter(told["checks"])), told["checks"]["config"]["verdict"]) == ("config", "ok")
    assert f"port {port} is free" in "".join(check["found"] for check in told["checks"].values())
    assert str(house.folder / "here") in told["checks"]["data"]["found"]
    assert told["will_run"]
    for wrong, why in (
        ("[limits]\ntargets = 0\n", f"{file}: [limits] targets: a whole number above 0, not '0'"),
        ('[server]\nmotd = "none"\n', f"No such file or directory: {house.folder}/none"),
        ("[limits]\nmax_clients = 1000000\n", "--max-clients 1000000"),
        ('[server]\nipc = "none.py"\n', f"--ipc: {house.folder}/none.py: No such file or directory"),
    ):
        file.write_text(wrong)
        told = house.doctor("--config", str(file))
        assert told["checks"]["config"]["verdict"] == "bad"
        assert why in told["checks"]["config"]["found"]
