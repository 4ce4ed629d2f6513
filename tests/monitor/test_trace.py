"""mpchat trace on a real server: messages are followed through its processes, also through the death of one."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from mpchat.ipc.control_socket import Follower
from tests.monitor.test_shown_trips import check_file
from tests.running import PATIENCE, IrcClient, Server, ended, running
from tests.system.servers import kill, needs_linux, pids, socket_file, status, until, unusual

pytestmark = needs_linux  # it is stopped and killed by what /proc tells


class Trace:
    """A running `mpchat trace`, that has begun to follow."""

    def __init__(self, server: Server, *args: str) -> None:
        command = [sys.executable, "-m", "mpchat", "trace", "--port", str(server.irc_port), *args]
        self.process = subprocess.Popen(
            command, env=server.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.expect("waiting for a message")

    def expect(self, words: str) -> str:
        """The next line that it says beside."""
        assert self.process.stderr is not None
        line = self.process.stderr.readline()
        assert words in line, line + self.process.stderr.read()
        return line

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)

    def end(self, status: int = 0) -> str:
        """All that it shows until it ends by itself."""
        try:
            shown, self.said = self.process.communicate(timeout=3 * PATIENCE)
        finally:
            self.process.kill()
        assert self.process.returncode == status, self.said
        assert "Traceback" not in self.said, self.said
        return shown

    def messages(self, status: int = 0) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.end(status).splitlines()]


@contextmanager
def tracing(server: Server, *args: str) -> Iterator[Trace]:
    trace = Trace(server, *args)
    try:
        yield trace
    finally:
        trace.process.kill()
        trace.process.wait()
        for stream in (trace.process.stdout, trace.process.stderr):
            assert stream is not None
            stream.close()


def join(server: Server, *nicks: str) -> list[IrcClient]:
    """In #lobby, each once it knows of those before."""
    clients = [server.irc(nick, caps="echo-message") for nick in nicks]
    for client, nick in zip(clients, nicks, strict=True):
        client.send("JOIN #lobby")
        hear(client, f" 366 {nick} #lobby")
    return clients


def hear(client: IrcClient, words: str) -> None:
    """Read until a line has these words."""
    while words not in client.read():
        pass


def adds_up(message: dict[str, Any]) -> None:
    points = message["points"]
    assert all(point["hop_ns"] >= 0 for point in points)
    assert sum(points[number]["hop_ns"] for number in message["path"]) == message["total_ns"]


def hops(message: dict[str, Any]) -> list[str]:
    return [message["points"][number]["hop"] for number in message["path"]]


WAY = ["SAW", "PUT_RECORDS", "TOOK_RECORDS", "JOURNALED", "DECIDED", "PUT_ITEMS", "TOOK_ITEMS", "APPENDED", "SENT"]


@pytest.mark.parametrize("ipc", ["queue", pytest.param("pipe", marks=pytest.mark.slow)])
def test_a_message_in_a_room_is_followed_from_the_first_look_to_the_last_send(ipc: str) -> None:
    with running("--workers", "2", "--ipc", ipc) as server:
        ana, *_ = join(server, "ana", "beto", "carla")
        roles = pids(server)
        with tracing(server, "--json") as trace:
            ana.send("PRIVMSG #lobby :hola")
            (message,) = trace.messages()

    assert message["whole"], message["missing"]
    assert not message["private"]
    assert (message["clients"], message["bytes"], message["ipc"]) == (2, len("PRIVMSG #lobby :hola\r\n"), ipc)
    adds_up(message)
    assert hops(message) == WAY
    assert {point["hop"] for point in message["points"]} == {*WAY, "ACKNOWLEDGED", "FACTS", "RECORDED"}
    assert all(point["pid"] == roles[point["role"]] for point in message["points"])


def test_two_may_follow_one_message() -> None:
    """And nobody's worker is the worse for it."""
    with running("--workers", "1") as server:
        ana, _ = join(server, "ana", "beto")
        before = pids(server)
        with tracing(server, "--json") as one, tracing(server, "--json", "--from", "ana") as other:
            ana.send("PRIVMSG #lobby :hola")
            (first,), (second,) = one.messages(), other.messages()
        after = pids(server)

    assert first["points"] == second["points"]
    assert [after[role] for role in ("worker0", "broker")] == [before[role] for role in ("worker0", "broker")]


@pytest.mark.slow
def test_the_senders_own_copy_takes_less_than_the_sender_measures() -> None:
    with running("--workers", "2") as server:
        ana, *_ = join(server, "ana", "beto")
        with tracing(server, "--json") as trace:
            began = time.monotonic_ns()
            ana.send("PRIVMSG #lobby :hola")
            hear(ana, "PRIVMSG #lobby :hola")
            measured = time.monotonic_ns() - began
            (message,) = trace.messages()

    assert began <= message["first_recv_ns"]
    assert 0 < message["echo_ns"] <= measured
    assert message["echo_ns"] <= message["total_ns"]


@pytest.mark.slow
def test_only_what_is_wanted_is_followed() -> None:
    with running("--workers", "2") as server:
        ana, beto = join(server, "ana", "beto")
        with tracing(server, "--json", "--from", "Beto", "--text", "chau", "--count", "2") as trace:
            ana.send("PRIVMSG #lobby :chau")
            hear(ana, "PRIVMSG #lobby :chau")
            beto.send("PRIVMSG #lobby :hola", "PRIVMSG #lobby :chau", "PRIVMSG #lobby :y chau")
            messages = trace.messages()

    assert [message["bytes"] for message in messages] == [
        len(f"PRIVMSG #lobby :{text}\r\n") for text in ("chau", "y chau")
    ]
    for message in messages:
        adds_up(message)


def test_a_private_message_is_followed_only_if_that_is_asked_for() -> None:
    with running("--workers", "2") as server:
        ana, beto = join(server, "ana", "beto")
        with tracing(server, "--json") as trace:
            ana.send("PRIVMSG beto :entre nosotros")
            hear(beto, "entre nosotros")
            ana.send("PRIVMSG #lobby :hola")
            (message,) = trace.messages()
        assert not message["private"]
        with tracing(server, "--json", "--private") as trace:
            ana.send("PRIVMSG beto :entre nosotros")
            (message,) = trace.messages()

    assert message["private"]
    assert message["whole"], "it is in no history"
    assert message["clients"] == 1
    adds_up(message)


@pytest.mark.slow
def test_a_line_from_nc_is_followed() -> None:
    with running() as server:
        join(server, "ana")
        nora = server.plain("nora")
        with tracing(server, "--json", "--from", "nora") as trace:
            nora.send("hola")
            (message,) = trace.messages()

    assert (message["whole"], message["clients"], message["echo_ns"]) == (True, 1, None)
    adds_up(message)


@pytest.mark.slow
def test_without_a_journal_nothing_is_journaled() -> None:
    with running("--durability", "none") as server:
        ana, _ = join(server, "ana", "beto")
        with tracing(server, "--json") as trace:
            ana.send("PRIVMSG #lobby :hola")
            (message,) = trace.messages()

    assert message["whole"], message["missing"]
    assert hops(message) == [hop for hop in WAY if hop != "JOURNALED"]


# Deaths


def message_without(server: Server, ana: IrcClient) -> dict[str, Any]:
    """One in an ordinary moment: it tells which worker has ana."""
    with tracing(server, "--json") as trace:
        ana.send("PRIVMSG #lobby :antes")
        (message,) = trace.messages()
    return message


def test_it_waits_in_the_outbox_for_the_successor_of_a_worker_that_was_killed() -> None:
    with running("--workers", "2", "--hang-limit", "0") as server:
        ana, beto = join(server, "ana", "beto")
        sender = message_without(server, ana)["points"][0]["role"]
        other = {"worker0": "worker1", "worker1": "worker0"}[sender]
        with tracing(server, "--json") as trace:
            before = kill(server, other, by=signal.SIGSTOP)
            ana.send("PRIVMSG #lobby :hola")
            hear(ana, " PRIVMSG #lobby :hola")
            kill(server, other)
            hear(beto, " PRIVMSG #lobby :hola")
            (message,) = trace.messages()

    assert message["whole"], message["missing"]
    adds_up(message)
    path = [message["points"][number] for number in message["path"]]
    assert [point["pid"] for point in path if point["hop"] == "DIED"] == [before[other]]
    assert [point["hop"] for point in path if point["waited"] == "outbox"] == ["PUT_ITEMS"]
    assert (path[-1]["role"], path[-1]["pid"] != before[other]) == (other, True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("step", "dead", "waits"),
    [
        ("worker: read", "worker", ""),
        ("worker: forwarded", "worker", "kernel or outbox"),  # as the queue's thread has written it or not
        ("worker: applied", "worker", "outbox"),
        ("worker: sent to some", "worker", ""),
        ("broker: received", "broker", "kernel"),
        ("broker: journaled", "broker", "journal"),
        ("broker: applied", "broker", "journal"),
        ("broker: delivered", "broker", ""),
    ],
)
def test_a_message_goes_on_behind_a_death_at_any_step(tmp_path: Path, step: str, dead: str, waits: str) -> None:
    orders = tmp_path / "orders"
    with unusual("--workers", "1", environment={"MPCHAT_CRASH": str(orders)}) as server:
        ana, beto = join(server, "ana", "beto")
        before = pids(server)["worker0" if dead == "worker" else dead]
        with tracing(server, "--json") as trace:
            orders.with_suffix(".draft").write_text(f"{step}|1")
            orders.with_suffix(".draft").rename(orders)
            ana.send("PRIVMSG #lobby :hola")
            hear(beto, " PRIVMSG #lobby :hola")
            hear(ana, " PRIVMSG #lobby :hola")
            (message,) = trace.messages()
        until(lambda: not orders.exists())

    adds_up(message)
    assert message["whole"], message["missing"]
    assert message["clients"] == 1
    assert message["echo_ns"] is not None
    waited = {point["waited"] for point in message["points"]} - {""}
    died = {point["pid"] for point in message["points"] if point["hop"] == "DIED"}
    if waits:
        assert waited & {*waits.split(" or ")}
        assert died <= {before}
        assert died or "outbox" in waited


@pytest.mark.slow
def test_while_the_broker_is_stopped_it_says_where_the_line_lies() -> None:
    with running("--workers", "1", "--hang-limit", "0") as server:
        ana, _ = join(server, "ana", "beto")
        with tracing(server, "--json") as trace:
            kill(server, "broker", by=signal.SIGSTOP)
            ana.send("PRIVMSG #lobby :hola")
            trace.expect("broker: its loop has not turned")
            size = len("PRIVMSG #lobby :hola\r\n")
            trace.expect(f"and not taken: 1; in the queue worker0 -> broker, {size} bytes")
            kill(server, "broker", by=signal.SIGCONT)
            (message,) = trace.messages()

    adds_up(message)
    took = next(point for point in message["points"] if point["hop"] == "TOOK_RECORDS")
    assert took["hop_ns"] > 500_000_000


# How it ends


@pytest.mark.slow
def test_ctrl_c_shows_what_there_is_and_where_it_waits() -> None:
    with running("--workers", "2", "--hang-limit", "0") as server:
        ana, _ = join(server, "ana", "beto")
        sender = message_without(server, ana)["points"][0]["role"]
        other = {"worker0": "worker1", "worker1": "worker0"}[sender]
        with tracing(server) as trace:
            kill(server, other, by=signal.SIGSTOP)
            ana.send("PRIVMSG #lobby :hola")
            hear(ana, " PRIVMSG #lobby :hola")
            until(lambda: status(server)["recorder"])
            select.select([], [], [], 0.1)  # the trace looks 50 times a second: of that nothing tells
            trace.interrupt()
            shown = " ".join(trace.end().split())
            kill(server, other, by=signal.SIGCONT)

    assert f"missing: put, and {other} has not taken it: it lies in the queue broker -> {other}, " in shown
    assert re.search(r"missing: put.*?, [1-9]\d* bytes", shown)


@pytest.mark.slow
def test_ctrl_c_before_any_message_says_that_nothing_was_traced() -> None:
    with running() as server, tracing(server) as trace:
        trace.interrupt()
        assert trace.end(status=1) == ""
        assert "nothing was traced" in trace.said


@pytest.mark.slow
def test_the_end_of_the_server_ends_it() -> None:
    with running() as server, tracing(server) as trace:
        server.stop()
        trace.end(status=1)
        assert "the server has ended" in trace.said


@pytest.mark.slow
def test_without_a_server_it_says_so() -> None:
    with running() as server:
        port = server.irc_port
        environment = server.environment
    command = [sys.executable, "-m", "mpchat", "trace", "--port", str(port)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE)

    assert (done.returncode, done.stdout) == (1, "")
    assert f"no server on port {port}" in done.stderr or str(port) in done.stderr


@pytest.mark.slow
def test_what_the_server_refuses_is_said() -> None:
    with running() as server:
        followers = [Follower(socket_file(server), {"command": "events", "follow": True}) for _ in range(8)]
        until(lambda: status(server))
        done = server.run("trace", "--port", str(server.irc_port))
        for each in followers:
            each.close()

    assert done.returncode == 1
    assert "8 of top, trace and events follow already: end one" in done.stderr


@pytest.mark.slow
def test_when_the_reader_of_the_output_leaves_it_ends() -> None:
    with running() as server, tracing(server, "--json") as trace:
        assert trace.process.stdout is not None
        trace.process.stdout.close()
        assert ended(trace.process, PATIENCE) in (0, 1)


# Files and pictures


@pytest.mark.slow
def test_a_file_for_perfetto_is_written_over_the_one_before(tmp_path: Path) -> None:
    file = tmp_path / "trip.json"
    file.write_text("something longer " * 10_000)
    file.chmod(0o640)
    with running("--workers", "2") as server:
        ana, *_ = join(server, "ana", "beto")
        with tracing(server, "--perfetto", str(file), "--count", "2") as trace:
            ana.send("PRIVMSG #lobby :hola", "PRIVMSG #lobby :chau")
            assert trace.end() == ""
        roles = pids(server)

    content = json.loads(file.read_text())
    check_file(content)
    assert {event["pid"] for event in content["traceEvents"]} <= set(roles.values())
    assert file.stat().st_mode & 0o777 == 0o640
    assert os.listdir(tmp_path) == ["trip.json"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["", "nowhere/trip.json"])
def test_a_file_that_cannot_be_is_said_before_anybody_waits(tmp_path: Path, name: str) -> None:
    with running() as server:
        done = server.run("trace", "--port", str(server.irc_port), "--perfetto", str(tmp_path / name))

    assert done.returncode == 1
    assert str(tmp_path) in done.stderr


@pytest.mark.slow
def test_a_chart_and_a_diagram_are_shown_in_either_language() -> None:
    with running() as server:
        ana, _ = join(server, "ana", "beto")
        for arguments, words in [
            ((), "total = last send - first recv = "),
            (("--lang", "es"), "total = último send - primer recv = "),
            (("--mermaid",), "sequenceDiagram\n"),
        ]:
            with tracing(server, *arguments) if "es" not in arguments else spanish(server) as trace:
                ana.send("PRIVMSG #lobby :hola")
                assert words in trace.end()


@contextmanager
def spanish(server: Server) -> Iterator[Trace]:
    class Spanish(Trace):
        def expect(self, words: str) -> str:
            return super().expect("esperando un mensaje")

    trace = Spanish(server, "--lang", "es")
    try:
        yield trace
    finally:
        trace.process.kill()
