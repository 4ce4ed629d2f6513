"""How it ends: told to, or because its supervisor died. Nothing is left: no process, socket file or semaphore."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mpchat.settings import Settings
from tests.running import IrcClient, Server, at_home, command, ended
from tests.system.servers import (
    MPCHAT,
    Unusual,
    Watched,
    built,
    fds,
    named_semaphores,
    needs_linux,
    pids,
    ready,
    semaphores,
    status,
    until,
    unusual,
)

pytestmark = needs_linux


@contextlib.contextmanager
def doomed(*args: str, settings: Settings | None = None) -> Iterator[tuple[Server, Watched]]:
    """A server that the test ends; whatever it did, nothing may be left."""
    with contextlib.ExitStack() as stack:
        command = [*MPCHAT, "server", "127.0.0.1", "0", *args] if settings is None else built(settings)
        server = Unusual(command)
        stack.callback(server.stop)
        watched = stack.enter_context(Watched(server))
        used = semaphores(watched.pids)
        assert used
        yield server, watched
        assert watched.left(within=5) == []
        assert not used & named_semaphores()


def clean_end(server: Server, watched: Watched) -> None:
    assert ended(server.process, 15) == 0
    assert watched.left(within=1) == []
    assert not watched.socket_file.exists()
    log = server.log_text()
    assert "died" not in log, log
    assert "Traceback" not in log, log
    assert "Warning" not in log, log


# Told to stop


@pytest.mark.parametrize(
    ("number", "to"),
    [
        (signal.SIGTERM, os.kill),
        (signal.SIGINT, os.killpg),  # as a terminal does it: to every process of the foreground group
        (signal.SIGTERM, os.killpg),  # as systemd does it: to every process of a service
    ],
)
def test_everybody_is_told_and_it_ends_well(number: signal.Signals, to: Callable[[int, int], None]) -> None:
    with doomed("--workers", "2") as (server, watched):
        ana, beto, carla, newcomer = server.irc("ana"), server.irc("beto"), server.plain("carla"), server.irc()
        ana.join("#lobby")
        beto.join("#lobby")
        for client in (ana, beto):
            client.sync()
        carla.ask()
        newcomer.ask("NICK dario")
        to(server.pid, number)
        for client in (ana, beto, newcomer):
            assert client.read() == "ERROR :Closing link: 127.0.0.1 (Server shutting down)"
            assert client.rest() == []  # nobody is told about the others
            client.close()
        assert carla.rest() == ["* goodbye (Server shutting down)"]
        carla.close()
        clean_end(server, watched)


def test_what_was_sent_before_is_delivered_before_the_end() -> None:
    with doomed("--unlimited", "--workers", "2") as (server, watched):
        ana, beto = server.irc("ana"), server.irc("beto")
        for client in (ana, beto):
            client.join("#lobby")
        beto.sync()
        ana.send(*(f"PRIVMSG #lobby :{number}" for number in range(500)))
        ana.sync()  # the server has them; beto has read none
        os.kill(server.pid, signal.SIGTERM)
        lines = beto.rest()
        assert [line.split(" :")[1] for line in lines[:-1]] == [str(number) for number in range(500)]
        assert command(lines[-1]) == "ERROR"
        ana.close()
        beto.close()
        clean_end(server, watched)


def test_nobody_comes_in_any_more() -> None:
    with doomed() as (server, watched):
        ana = server.irc("ana")
        os.kill(server.pid, signal.SIGTERM)
        ana.rest()
        with pytest.raises(ConnectionRefusedError):
            server.irc()
        ana.close()
        clean_end(server, watched)


def test_a_client_that_never_closes_does_not_hold_up_the_end() -> None:
    settings = Settings(port=0, plain_port=0, drain_seconds=0.2)
    with doomed(settings=settings) as (server, watched):
        ana = server.irc("ana")
        begin = time.monotonic()
        os.kill(server.pid, signal.SIGTERM)
        assert command(ana.rest()[-1]) == "ERROR"
        clean_end(server, watched)  # though ana's side is still open
        assert time.monotonic() - begin < 2  # 0.2 s to be polite


def flood(server: Server, room: str = "#flood") -> tuple[IrcClient, IrcClient]:
    """Somebody who never reads, and has more coming than the kernel takes; and somebody who talks and reads."""
    sendq_reported = IrcClient(server.host, server.irc_port)
    sendq_reported.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sendq_reported.register("deaf")
    sendq_reported.join(room)
    talker = server.irc("talker")
    talker.join(room)
    for _ in range(25):  # a megabyte, of which the kernel takes a third
        talker.ask(*(f"PRIVMSG {room} :{'x' * 400}" for _ in range(100)))
    return sendq_reported, talker


def test_a_second_ctrl_c_hurries() -> None:
    with doomed("--unlimited", "--sendq", "100000000") as (server, watched):
        _, talker = flood(server)  # its last lines would be waited for, 5 s
        begin = time.monotonic()
        os.killpg(server.pid, signal.SIGINT)
        os.kill(server.pid, signal.SIGTERM)  # the same, passed on by somebody who was asked too
        assert command(talker.rest()[-1]) == "ERROR"
        select.select([], [], [], begin + 1.1 - time.monotonic())
        assert server.process.poll() is None
        os.killpg(server.pid, signal.SIGINT)
        clean_end(server, watched)
        assert time.monotonic() - begin < 4


CAPS = "batch draft/chathistory message-tags echo-message"


def test_what_the_recorder_leaves_undone_the_journal_keeps(tmp_path: Path) -> None:
    with doomed("--unlimited", "--data", str(tmp_path)) as (server, watched):
        ana = server.irc("ana", caps=CAPS)
        ana.join("#lobby")
        watched.kill("recorder", signal.SIGSTOP)
        ana.ask("PRIVMSG #lobby :the last line")
        os.kill(server.pid, signal.SIGTERM)
        until(lambda: " stopping " in server.log_text())
        watched.kill("recorder", signal.SIGKILL)
        ana.rest()
        ana.close()
        clean_end(server, watched)
    with unusual("--unlimited", "--data", str(tmp_path)) as server, server.irc("beto", caps=CAPS) as beto:
        beto.join("#lobby")
        assert beto.ask("CHATHISTORY LATEST #lobby * 1")[1].endswith(" :the last line")


def test_without_a_journal_the_brokers_death_is_the_end() -> None:
    server = Unusual([*MPCHAT, "server", "127.0.0.1", "0", "--durability", "none", "--log-level", "error"])
    with Watched(server) as watched, server.irc("ana") as ana:
        watched.kill("broker", signal.SIGKILL)
        ana.rest()
        ana.close()  # else the worker would go on for two seconds, for the sake of what she may still send
        assert server.wait() == 1
        assert watched.left(within=1) == []
    broker = watched.pids["broker"]
    how = f"the broker process (pid {broker}) was killed by SIGKILL, and kept no journal (--durability none)"
    assert server.log_text() == f"mpchat: {how}; the server ends\n"


def test_each_line_of_a_log_of_json_is_json_to_the_last() -> None:
    args = ["--durability", "none", "--workers", "1", "--log-json"]
    server = Unusual([*MPCHAT, "server", "127.0.0.1", "0", *args])
    with Watched(server) as watched:
        second = server.run("server", "127.0.0.1", str(server.irc_port), *args)
        assert (second.returncode, second.stdout) == (1, "")
        said = json.loads(second.stderr)
        assert said["event"] == "the server ends"
        assert said["why"].startswith(f"cannot listen on 127.0.0.1:{server.irc_port}: ")
        watched.kill("broker", signal.SIGKILL)
        assert server.wait() == 1
    last = [json.loads(line) for line in server.log_text().splitlines()]
    whys = [line["why"] for line in last if line["event"] == "the server ends"]
    assert len(whys) == 1
    assert whys[0].endswith(" was killed by SIGKILL, and kept no journal (--durability none)")


def test_a_client_that_never_reads_does_not_hold_up_the_end() -> None:
    settings = Settings(port=0, plain_port=0, unlimited=True, sendq_bytes=10**8, flush_seconds=0.2, drain_seconds=0.2)
    with unusual(settings=settings) as server:
        flood(server)
        begin = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        assert ended(server.process, 15) == 0
        assert 0.2 < time.monotonic() - begin < 3


@pytest.mark.parametrize(("number", "to"), [(signal.SIGTERM, os.kill), (signal.SIGINT, os.killpg)])
def test_a_signal_in_the_first_moments_is_not_lost(
    tmp_path: Path, number: signal.Signals, to: Callable[[int, int], None]
) -> None:
    """As soon as the first child exists; most are not even started."""
    environment = {**os.environ, **at_home(tmp_path)}
    process = subprocess.Popen(
        [*MPCHAT, "server", "127.0.0.1", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    )
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    until(lambda: children.read_text())
    to(process.pid, number)
    stdout, stderr = process.communicate(timeout=15)
    assert (process.returncode, stdout) == (0, ""), stderr
    assert "Traceback" not in stderr
    assert list((tmp_path / "mpchat").iterdir()) == []


# Killed


def test_when_the_supervisor_is_killed_nothing_survives() -> None:
    with doomed("--workers", "2") as (server, watched):
        ana, beto = server.irc("ana"), server.plain("beto")
        beto.ask()
        watched.kill("supervisor", signal.SIGKILL)
        assert watched.left(within=1) == []  # recorder, spare and resource_tracker included
        for client in (ana, beto):
            assert client.rest() == []
        with pytest.raises(ConnectionRefusedError):
            server.irc()


# While it runs


def test_no_semaphore_has_a_name_while_it_runs() -> None:
    with unusual("--workers", "3") as server:
        used = semaphores(pids(server))
        assert len(used) >= 6  # each of the queues has several
        assert not used & named_semaphores()


def test_descriptors_return_to_their_base(server: Server) -> None:
    def settled() -> dict[str, int] | None:
        """Once nobody is connected, and the spare has come."""
        return fds(server) if ready(server) and status(server)["acceptor"]["clients"] == 0 else None

    until(settled)
    with server.irc("warm") as client:  # the first one may load something for ever
        client.join("#lobby")
        client.ask("PRIVMSG #lobby :so that the recorder has something to do")
    until(lambda: status(server)["recorder"]["records"] > 0 and status(server)["spare"]["ready"])
    base = until(settled)
    for kind in range(5):
        clients = [server.irc(f"base{number}") for number in range(10)]
        for client in clients:
            if kind == 0:
                client.send("QUIT")
                client.rest()
            elif kind == 1:
                client.sock.shutdown(socket.SHUT_WR)
                client.rest()
            elif kind == 2:
                client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            elif kind == 3:
                client.send("PRIVMSG base0 :unread")
            client.close()
        until(lambda: status(server)["acceptor"]["clients"] == 0)
    assert until(settled) == base
    assert fds(server) == base


def test_nobody_else_holds_a_child_open(server: Server) -> None:
    """Each process has closed what is not its own: no worker holds another's queue, or a death would go unseen."""
    tree = pids(server)

    def pipes(role: str) -> set[str]:
        folder = Path(f"/proc/{tree[role]}/fd")
        return {os.readlink(fd) for fd in folder.iterdir() if os.readlink(fd).startswith("pipe:")}

    own = pipes("worker0") & pipes("worker1")
    # What both have is what they were given by their parent: standard output, and the pipe to the resource_tracker.
    assert own <= pipes("supervisor")


def test_listening_sockets_belong_to_the_acceptor_and_wait_with_the_supervisor_for_the_next(server: Server) -> None:
    def sockets(role: str) -> set[str]:
        folder = Path(f"/proc/{pids(server)[role]}/fd")
        return {os.readlink(fd) for fd in folder.iterdir() if os.readlink(fd).startswith("socket:")}

    listening = {
        f"socket:[{line.split()[9]}]"
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]
        if line.split()[3] == "0A" and int(line.split()[1].split(":")[1], 16) in (server.irc_port, server.plain_port)
    }
    assert len(listening) == 2
    assert listening <= sockets("acceptor")
    assert {role for role in pids(server) if listening & sockets(role)} == {"acceptor", "supervisor"}
