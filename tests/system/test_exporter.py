"""mpchat exporter on real servers: what is told, when there is no server, and whoever asks badly."""

from __future__ import annotations

import os
import re
import resource
import select
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from mpchat import __version__
from mpchat.ipc.control_socket import Follower
from mpchat.monitor.exporter import MOST_REQUESTS, REQUEST_SECONDS, REST_SECONDS
from mpchat.supervisor.followers import MOST_FOLLOWERS
from tests.running import PATIENCE, Server, at_home, running
from tests.system.exporting import Exporter, exporting, parsed
from tests.system.servers import MPCHAT, Unusual, kill, needs_linux, pids, ready, replaced, socket_file, until

pytestmark = needs_linux

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running("--workers", "2", "--unlimited") as it:
        until(lambda: ready(it))
        yield it


@pytest.fixture
def exporter(server: Server) -> Iterator[Exporter]:
    with exporting(server.environment, server.irc_port) as it:
        yield it


# What is told


def test_a_server_is_told_of(server: Server, exporter: Exporter) -> None:
    with server.irc("alba") as alba:
        alba.sync()
        until(lambda: sum(exporter.value("mpchat_clients", worker=f"worker{each}") or 0 for each in (0, 1)) == 1)
    answer = exporter.ask()
    values = parsed(answer.text)

    assert (answer.status, answer.kind.partition(";")[0]) == (200, "text/plain")
    roles = {dict(labels)["role"] for name, labels in values if name == "mpchat_process_up"}
    working = {"supervisor", "acceptor", "broker", "recorder", "authenticator", "worker0", "worker1"}
    assert roles == working | {"resource_tracker"}
    for role in roles:
        label = frozenset({("role", role)})
        assert values["mpchat_process_up", label] == 1
        assert values["mpchat_process_deaths_total", label] == 0, "it is there before anybody has died"
        assert values["mpchat_process_cpu_seconds_total", label] > 0
        assert 1 << 20 < values["mpchat_process_private_memory_bytes", label] < 1 << 28
        assert 3 <= values["mpchat_process_open_fds", label] < values["mpchat_process_max_fds", label]
        assert time.time() - 600 < values["mpchat_process_start_time_seconds", label] <= time.time() + 1
    assert values["mpchat_up", frozenset()] == 1
    assert values["mpchat_build_info", frozenset({("version", __version__)})] == 1
    assert values["mpchat_journal_bytes", frozenset()] > 0
    assert values["mpchat_history_bytes", frozenset()] > 0
    assert values["mpchat_data_free_bytes", frozenset()] > 0
    assert values["mpchat_disk_full", frozenset()] == 0
    assert 0 < values["mpchat_scrape_duration_seconds", frozenset()] < 2
    assert ("mpchat_queue_bytes", frozenset({("source", "broker"), ("target", "worker1")})) in values


def test_a_process_has_one_start(exporter: Exporter) -> None:
    """Prometheus sees a restart where this number changes."""
    first = exporter.value("mpchat_process_start_time_seconds", role="broker")
    duration = exporter.value("mpchat_scrape_duration_seconds")
    until(lambda: exporter.value("mpchat_scrape_duration_seconds") != duration)  # asked again
    assert exporter.value("mpchat_process_start_time_seconds", role="broker") == first


def test_openmetrics_is_told_to_whom_asks_for_it(exporter: Exporter) -> None:
    answer = exporter.ask(Accept="application/openmetrics-text; version=1.0.0")

    assert answer.kind.startswith("application/openmetrics-text")
    assert "# TYPE mpchat_process_deaths counter\n" in answer.text
    assert answer.text.endswith("# EOF\n")


@pytest.mark.surroundings
def test_promtool_has_nothing_against_it(exporter: Exporter) -> None:
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not here (Debian: prometheus)")
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=exporter.ask().text, capture_output=True, text=True, timeout=PATIENCE
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_death_is_counted(server: Server, exporter: Exporter) -> None:
    deaths = exporter.value("mpchat_process_deaths_total", role="worker1")
    assert deaths is not None
    replaced(server, kill(server, "worker1"), "worker1")

    until(lambda: exporter.value("mpchat_process_deaths_total", role="worker1") == deaths + 1)
    values = exporter.values()
    assert values["mpchat_process_up", frozenset({("role", "worker1")})] == 1
    assert 0 < values["mpchat_process_last_stall_seconds", frozenset({("role", "worker1")})] < PATIENCE
    until(lambda: exporter.value("mpchat_spares") == 1)


def test_nobody_and_nothing_that_is_said_is_told(server: Server, exporter: Exporter) -> None:
    """While people talk, in a room and to each other, in IRC and in plain text."""
    with server.irc("wilhelmina") as one, server.irc("theodor") as other, server.plain("konrad") as third:
        one.join("#secretroom")
        other.join("#secretroom")
        before = exporter.value("mpchat_lines_total", role="broker")
        assert before is not None
        one.send("PRIVMSG #secretroom :xylophone", "PRIVMSG theodor :xylophone", "TOPIC #secretroom :xylophone")
        one.sync()
        third.ask("xylophone")
        until(lambda: (exporter.value("mpchat_lines_total", role="broker") or 0) >= before + 4)
        told = exporter.ask().text.lower()

    for word in (
        "wilhelmina",
        "theodor",
        "konrad",
        "secretroom",
        "lobby",
        "xylophone",
        "127.0.0.1",
        server.folder.name,
    ):
        assert word not in told
    labels = set(re.findall(r'(\w+)="', told))
    assert labels == {"role", "worker", "source", "target", "state", "version"}


# When there is no server, or one that tells nothing


def test_it_is_there_before_and_after_its_server(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]
    environment = {**os.environ, **at_home(tmp_path)}
    with exporting(environment, port) as exporter:
        alone = exporter.values()
        assert exporter.said() == f"mpchat: waiting for the server on port {port}\n"
        command = [*MPCHAT, "server", "127.0.0.1", str(port), "--plain-port", "none", "--ephemeral"]
        server = Unusual(command, environment=at_home(tmp_path))
        try:
            until(lambda: exporter.value("mpchat_up") == 1)
            assert exporter.said() == f"mpchat: the server on port {port} answers\n"
            assert exporter.value("mpchat_process_up", role="supervisor") == 1
        finally:
            assert server.stop() == 0
        until(lambda: exporter.value("mpchat_up") == 0)
        again = exporter.values()
        assert exporter.said() == f"mpchat: waiting for the server on port {port}\n"

    own = {"mpchat_up", "mpchat_build_info", "mpchat_scrape_duration_seconds"}
    assert {name for name, _ in alone} == {name for name, _ in again} == own
    assert alone["mpchat_up", frozenset()] == 0


def test_a_supervisor_that_is_stopped_does_not_answer() -> None:
    """All who ask meanwhile are told so after two seconds, and it is asked once for all: it has few followers."""
    with running() as server, exporting(server.environment, server.irc_port) as exporter:
        descriptors = f"/proc/{exporter.process.pid}/fd"
        before = most = len(os.listdir(descriptors))
        os.kill(server.pid, signal.SIGSTOP)
        try:
            begun = time.monotonic()
            with ExitStack() as stack:
                waiting = [stack.enter_context(closing(half_a_request(exporter))) for _ in range(5)]
                for each in waiting:
                    each.sendall(b"\r\n")
                while not select.select(waiting, [], [], 0.02)[0]:
                    most = max(most, len(os.listdir(descriptors)))
                answers = [everything(each) for each in waiting]
            assert all(b"\nmpchat_up 0.0\n" in answer for answer in answers)
            assert time.monotonic() - begun >= 2
            assert most == before + len(waiting) + 1
        finally:
            os.kill(server.pid, signal.SIGCONT)
        until(lambda: exporter.value("mpchat_up") == 1)


def test_it_takes_no_followers_place(server: Server, exporter: Exporter) -> None:
    with ExitStack() as stack:
        for _ in range(MOST_FOLLOWERS):
            follower = stack.enter_context(closing(Follower(socket_file(server), {"command": "watch"})))
            assert select.select([follower], [], [], PATIENCE)[0]
        assert exporter.value("mpchat_spares") is not None


@contextmanager
def answering(folder: Path, *answers: bytes) -> Iterator[None]:
    """Something at the control socket of port 6667 that gives these answers, one to each who asks."""
    (folder / "mpchat").mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as sock, ThreadPoolExecutor(1) as pool:
        sock.bind(str(folder / "mpchat" / "6667.sock"))
        sock.listen(8)
        sock.settimeout(PATIENCE)

        def answer() -> None:
            rest = list(answers)
            while rest:  # find() connects too, and asks nothing
                asker, _ = sock.accept()
                with asker:
                    asker.settimeout(PATIENCE)
                    if asker.recv(4096):
                        asker.sendall(rest.pop(0))

        all_given = pool.submit(answer)
        yield
        all_given.result(PATIENCE)


def test_an_older_server_is_up_and_refuses(tmp_path: Path) -> None:
    """It does not know what it is asked for, so nothing else is known of it."""
    refusal = b'{"ok": false, "said": "a line is something else"}'
    with answering(tmp_path, refusal), exporting({**os.environ, **at_home(tmp_path)}, 6667) as exporter:
        values = exporter.values()
        assert values["mpchat_up", frozenset()] == 1
        assert not [name for name, _ in values if name == "mpchat_spares"]
        assert exporter.said() == "mpchat: the server says: a line is something else\n"


@pytest.mark.parametrize(
    "answer",
    [
        b"no JSON\n",
        b"[" * 100_000 + b"\n",
        b"5\n",
        b'{"kind": "snapshot"}\n',
        b'{"kind": "snapshot", "processes": [{"role": "broker", "pid": "../1"}], "data": ""}\n',
        b'{"kind": "snapshot", "processes": [], "connections": [], "data": "\\u0000", "disk_full": false}\n',
    ],
    ids=range(6),
)
def test_what_is_no_snapshot_is_said_once_and_is_no_server(tmp_path: Path, answer: bytes) -> None:
    with answering(tmp_path, answer, answer), exporting({**os.environ, **at_home(tmp_path)}, 6667) as exporter:
        assert exporter.value("mpchat_up") == 0
        duration = exporter.value("mpchat_scrape_duration_seconds")
        until(lambda: exporter.value("mpchat_scrape_duration_seconds") != duration)  # asked again
        words = "what the server on port 6667 says is nothing that this version understands"
        assert exporter.stop() == (0, f"mpchat: {words}\n")


def test_a_role_with_half_a_letter_is_told_all_the_same(tmp_path: Path) -> None:
    row = b'{"role": "\\ud800", "pid": null, "state": "vacant", "deaths": 0, "stall_ms": 0, "lines": 1}'
    snapshot = b'{"kind": "snapshot", "processes": [' + row + b'], "connections": [], "data": "", "disk_full": false}\n'
    with answering(tmp_path, snapshot), exporting({**os.environ, **at_home(tmp_path)}, 6667) as exporter:
        assert exporter.value("mpchat_lines_total", role="?") == 1


# Whoever asks badly


def half_a_request(exporter: Exporter) -> socket.socket:
    sock = socket.create_connection((exporter.host, exporter.port), PATIENCE)
    sock.sendall(b"GET /metrics HTTP/1.0\r\nHost: here\r\n")
    return sock


def everything(sock: socket.socket) -> bytes:
    """Until it is closed, in whatever way."""
    data = b""
    try:
        while piece := sock.recv(65536):
            data += piece
    except ConnectionResetError:
        pass
    return data


def asked_raw(exporter: Exporter, request: bytes) -> bytes:
    with socket.create_connection((exporter.host, exporter.port), PATIENCE) as sock:
        try:
            sock.sendall(request)
            sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it has been refused before it was all there
        return everything(sock)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/metrics/", 404),
        ("GET", "/../../etc/passwd", 404),
        ("GET", "/metrics?x=[", 200),
        ("HEAD", "/metrics", 200),
        ("HEAD", "/", 404),
        ("POST", "/metrics", 501),
        ("DELETE", "/metrics", 501),
    ],
)
def test_there_is_one_thing_to_get(exporter: Exporter, method: str, path: str, status: int) -> None:
    assert exporter.ask(path, method).status == status


def test_a_health_check_is_answered_without_a_body(exporter: Exporter) -> None:
    head, _, body = asked_raw(exporter, b"HEAD /metrics HTTP/1.0\r\n\r\n").partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.0 200 OK\r\n")
    assert body == b""


def test_who_asks_elsewhere_is_told_where_the_metrics_are(exporter: Exporter) -> None:
    assert "The metrics are at /metrics." in exporter.ask("/").text


def test_a_stopped_process_is_told() -> None:
    with running("--hang-limit", "0") as server, exporting(server.environment, server.irc_port) as exporter:
        until(lambda: exporter.value("mpchat_process_state", role="recorder", state="working") == 1)
        recorder = pids(server)["recorder"]
        os.kill(recorder, signal.SIGSTOP)
        try:
            until(lambda: exporter.value("mpchat_process_state", role="recorder", state="stopped") == 1)
            assert exporter.value("mpchat_process_up", role="recorder") == 1
        finally:
            os.kill(recorder, signal.SIGCONT)
        until(lambda: exporter.value("mpchat_process_state", role="recorder", state="working") == 1)


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"",
        b"\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\xff" * 500,  # TLS
        b"GET http://[::1 HTTP/1.1\r\n\r\n",
        b"GET /metrics HTTP/9.9\r\n\r\n",
        b"GET " + b"/" * 100_000 + b" HTTP/1.1\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\n" + b"a: b\r\n" * 200 + b"\r\n",
        b"GET /metrics HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /metrics HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n" + b"x" * 100_000,
        b"\x00" * 200_000,
        b"PRIVMSG #lobby :hola\r\n",
    ],
)
def test_garbage_ends_nothing(exporter: Exporter, request_bytes: bytes) -> None:
    asked_raw(exporter, request_bytes)
    assert exporter.value("mpchat_up") == 1


def test_who_leaves_before_the_answer_ends_nothing(exporter: Exporter) -> None:
    for _ in range(20):
        sock = half_a_request(exporter)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # close() resets (socket(7))
        sock.sendall(b"\r\n")
        sock.close()
    assert exporter.value("mpchat_up") == 1


def test_a_crowd_that_never_finishes_holds_nobody_up(exporter: Exporter) -> None:
    with ExitStack() as stack:
        for _ in range(10 * MOST_REQUESTS):
            stack.enter_context(closing(half_a_request(exporter)))
        begun = time.monotonic()
        assert exporter.value("mpchat_up") == 1
        assert time.monotonic() - begun < REQUEST_SECONDS / 2
        threads = len(os.listdir(f"/proc/{exporter.process.pid}/task"))
        assert threads <= MOST_REQUESTS + 2, "those that are cut are gone"


@pytest.mark.parametrize(
    "version", ["abc", "1.x.0", "2.x", '"1.0.0"', "", "-1", "9" * 5000, ".", "1.0.0; escaping=x", "1" + ".0" * 2000]
)
@pytest.mark.parametrize("kind", ["application/openmetrics-text", "text/plain"])
def test_whatever_version_is_asked_for_there_is_an_answer(exporter: Exporter, kind: str, version: str) -> None:
    answer = exporter.ask(Accept=f"{kind}; version={version}")
    assert answer.status == 200
    assert "\nmpchat_up 1.0\n" in answer.text
    assert exporter.stop() == (0, f"mpchat: the server on port {exporter.server_port} answers\n")


def test_without_a_free_descriptor_it_waits_and_then_goes_on(server: Server) -> None:
    """Thirty that say nothing, where sixteen descriptors may be open."""
    with exporting(server.environment, server.irc_port) as exporter:
        resource.prlimit(exporter.process.pid, resource.RLIMIT_NOFILE, (16, 16))
        with ExitStack() as stack:
            for _ in range(30):
                stack.enter_context(socket.create_connection((exporter.host, exporter.port), PATIENCE))
            until(lambda: len(os.listdir(f"/proc/{exporter.process.pid}/fd")) == 16)
            before, begun = cpu_seconds(exporter), time.monotonic()
            with closing(half_a_request(exporter)) as last:
                assert everything(last) == b"", "it has had its turn, and its time"
            assert time.monotonic() - begun > REST_SECONDS
            assert cpu_seconds(exporter) - before < (time.monotonic() - begun) / 4
        until(lambda: exporter.value("mpchat_up") == 1)


def cpu_seconds(exporter: Exporter) -> float:
    words = Path(f"/proc/{exporter.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.slow
def test_a_request_has_its_time_however_it_drips(exporter: Exporter) -> None:
    """A byte now and then does not keep it alive."""
    begun = time.monotonic()
    with closing(half_a_request(exporter)) as sock:
        while not select.select([sock], [], [], 0.2)[0]:
            assert time.monotonic() - begun < REQUEST_SECONDS + PATIENCE
            sock.sendall(b"x")
        assert everything(sock) == b""
    assert time.monotonic() - begun > REQUEST_SECONDS - 1


# Its start and its end


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_in_order_whoever_is_being_served(server: Server, number: signal.Signals) -> None:
    exporter = Exporter(server.environment, server.irc_port)
    with closing(half_a_request(exporter)):
        assert exporter.stop(number) == (0, "")


def refused(*args: str) -> tuple[int, str]:
    done = subprocess.run([*MPCHAT, "exporter", *args], capture_output=True, text=True, timeout=PATIENCE)
    assert done.stdout == ""
    return done.returncode, done.stderr


def test_a_port_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        place = f"127.0.0.1:{other.getsockname()[1]}"
        assert refused("--listen", place) == (1, f"mpchat: cannot listen on {place}: Address already in use\n")
        spanish = f"mpchat: no se puede escuchar en {place}: la dirección ya está en uso\n"
        assert refused("--listen", place, "--lang", "es") == (1, spanish)


def test_a_host_that_is_not_ours() -> None:
    why = "Cannot assign requested address"
    assert refused("--listen", "192.0.2.1:0") == (1, f"mpchat: cannot listen on 192.0.2.1:0: {why}\n")


@pytest.mark.parametrize(
    "place", ["", "9667", ":9667", "127.0.0.1", "127.0.0.1:", "127.0.0.1:70000", "::1:9667", "a b:1"]
)
def test_no_place_to_listen_on(place: str) -> None:
    status, said = refused("--listen", place)
    assert status == 2
    assert said.startswith("mpchat exporter: argument --listen: ")
    assert said.count("\n") == 1


def test_ipv6_is_in_brackets(server: Server) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("there is no IPv6 here")
    with exporting(server.environment, server.irc_port, "--listen", "[::1]:0") as exporter:
        assert exporter.host == "::1"
        assert exporter.value("mpchat_up") == 1


# prometheus_client


@pytest.fixture
def bait(tmp_path: Path) -> dict[str, str]:
    """An environment where prometheus_client is one that tells of its import, and cannot be imported."""
    package = tmp_path / "modules" / "prometheus_client"
    package.mkdir(parents=True)
    source = f"open({str(tmp_path / 'imported')!r}, 'a').write(' '.join(__import__('sys').argv))"
    missing = "raise ModuleNotFoundError('No module named prometheus_client', name='prometheus_client')"
    (package / "__init__.py").write_text(f"{source}\n{missing}\n")
    return {"PYTHONPATH": f"{package.parent}:{ROOT}"}


def test_without_it_the_exporter_says_what_it_needs(bait: dict[str, str], tmp_path: Path) -> None:
    for language, words in (("en", "exporter needs"), ("es", "exporter necesita")):
        command = [*MPCHAT, "exporter", "--listen", "127.0.0.1:0", "--lang", language]
        environment = {**os.environ, **bait}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE)
        expected = f"mpchat: {words} prometheus_client: pip install prometheus_client\n"
        assert (done.returncode, done.stdout, done.stderr) == (1, "", expected)
    assert (tmp_path / "imported").exists()


def test_nothing_else_imports_it(bait: dict[str, str], tmp_path: Path) -> None:
    """Not the server in any of its processes, nor what watches it."""
    command = [*MPCHAT, "server", "127.0.0.1", "0", "--ephemeral", "--workers", "1"]
    server = Unusual(command, environment=bait)
    try:
        until(lambda: ready(server))
        assert len(pids(server)) == 8
        for args in (["ps"], ["top", "--once"], ["events"]):
            done = server.run(*args, "--port", str(server.irc_port))
            assert done.returncode == 0, done.stderr
    finally:
        assert server.stop() == 0
    assert not (tmp_path / "imported").exists()


def test_the_lists_of_packages_agree() -> None:
    def packages(name: str) -> set[str]:
        lines = (ROOT / name).read_text().splitlines()
        return {line for line in lines if line and not line.startswith("#")}

    (needed,) = packages("requirements-exporter.txt")
    assert needed in packages("requirements-dev.txt")
    assert needed.startswith("prometheus_client>=")
    assert 'optional-dependencies.exporter.file = "requirements-exporter.txt"' in (ROOT / "pyproject.toml").read_text()
