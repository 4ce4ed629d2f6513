"""Containers: a server that is process 1 of its PID namespace, or the child of a process 1 that never waits.

Process 1 inherits whoever loses their parent, and is the only one who can wait for them (pid_namespaces(7)).
"""

from __future__ import annotations

import os
import re
import signal
import socket
import sys

import pytest

from tests.running import PATIENCE, ended
from tests.system.namespaces import Enclosed, children, enclosed, none_left
from tests.system.servers import MPCHAT, needs_linux, pids, ready, replaced, until

pytestmark = [needs_linux, pytest.mark.surroundings]

SERVER = [*MPCHAT, "server", "127.0.0.1", "0", "--unlimited", "--workers", "2", "--ephemeral"]

# A process 1 as careless as a shell script: it starts the server, and never waits for anybody. When the server has
# ended, it tells who is left, itself left out: state and name (proc_pid_stat(5)).
CARELESS = [
    sys.executable,
    "-c",
    """
import os, subprocess, sys
server = subprocess.Popen(sys.argv[1:])
os.waitid(os.P_PID, server.pid, os.WEXITED | os.WNOWAIT)
for pid in filter(str.isdigit, os.listdir("/proc")):
    if int(pid) != 1:
        name, _, rest = open(f"/proc/{pid}/stat").read().partition("(")[2].rpartition(") ")
        print("left:", "the server" if int(pid) == server.pid else name, rest[0])
""",
]

# A program whose children lose their parent, say that they live, and end when the test closes their connections.
ORPHANS = [
    sys.executable,
    "-c",
    """
import os, socket, sys
for _ in range(int(sys.argv[2])):
    sock = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    if not os.fork():
        sock.send(b"x")
        sock.recv(1)
        os._exit(3)
    sock.close()
""",
]


class Strangers:
    """So many processes inside, which the server inherits. They die when they are told to."""

    def __init__(self, server: Enclosed, count: int) -> None:
        before = children(server.first)
        with socket.create_server(("127.0.0.1", 0), backlog=count) as listener:
            listener.settimeout(PATIENCE)
            server.enter(*ORPHANS, str(listener.getsockname()[1]), str(count))
            self.socks = [listener.accept()[0] for _ in range(count)]
        for sock in self.socks:
            sock.settimeout(PATIENCE)
            assert sock.recv(1) == b"x"
        assert len(set(children(server.first)) - set(before)) == count

    def die(self) -> None:
        while self.socks:
            self.socks.pop().close()


def kill(server: Enclosed, *roles: str) -> dict[str, int]:
    before = pids(server)
    for outside in [server.outside(before[role]) for role in roles]:
        os.kill(outside, signal.SIGKILL)
    return before


def stop(server: Enclosed, number: signal.Signals = signal.SIGTERM) -> None:
    """It ends well, and its process 1 with it."""
    server.send_signal(number)
    assert ended(server.process, 15) == 0, server.log_text()
    assert "Traceback" not in server.log_text(), server.log_text()


# As process 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_and_stops(number: signal.Signals) -> None:
    """And everybody is told."""
    with enclosed(*SERVER) as server:
        assert server.pid == 1
        ana, beto = server.irc("ana"), server.plain("beto")
        ana.join("#lobby")
        ana.send("PRIVMSG #lobby :hola")
        beto.expect("<ana> hola")
        os.kill(server.first, number)
        assert any(line.startswith("ERROR") for line in ana.rest())
        assert any("* goodbye" in line for line in beto.rest())
        ana.close()
        beto.close()
        assert ended(server.process, 15) == 0, server.log_text()


@pytest.mark.parametrize("role", ["worker0", "worker1", "acceptor", "broker", "recorder", "authenticator", "spare"])
def test_nobody_notices_a_death(role: str) -> None:
    with enclosed(*SERVER) as server:
        ana, beto = server.irc("ana"), server.plain("beto")
        ana.join("#lobby")
        until(lambda: ready(server))
        replaced(server, kill(server, role), role)
        ana.send("PRIVMSG #lobby :hola")
        beto.expect("<ana> hola")
        assert f"the {role} process" in server.log_text()
        assert none_left(server.first)
        stop(server)


def test_it_waits_for_those_that_it_inherits() -> None:
    """Nobody else could: each would be a zombie, and have a number, for as long as the server runs."""
    with enclosed(*SERVER) as server:
        until(lambda: ready(server))
        strangers = Strangers(server, 50)
        strangers.die()
        assert none_left(server.first)
        stop(server)


def test_its_own_die_together_with_strangers() -> None:
    """And how they ended is known: nobody has waited for them in the supervisor's place."""
    with enclosed(*SERVER) as server:
        ana = server.irc("ana")
        roles = ("worker0", "worker1", "broker", "recorder")
        for _ in range(3):
            until(lambda: ready(server))
            strangers = Strangers(server, 20)
            before = kill(server, *roles)
            strangers.die()
            replaced(server, before, *roles)
            assert none_left(server.first)
            assert ana.ask() == []
        told = re.findall(r"the (\w+) process \(pid \d+\) (was killed by SIGKILL)", server.log_text())
        assert sorted(role for role, _ in told) == sorted(roles * 3), server.log_text()
        stop(server)


def test_a_child_that_it_had_before_it_was_a_server() -> None:
    """`sh -c 'something & exec mpchat server'`: what was started before is the server's child."""
    script = 'sleep 0.2 & sleep 60 & exec "$@"'
    with enclosed("sh", "-c", script, "sh", *SERVER) as server:
        until(lambda: ready(server))
        assert none_left(server.first)
        stop(server)


# As a child of a process 1 that does not wait


def left(server: Enclosed) -> list[str]:
    """Who was still there, dead or alive, when the server had ended; process 1 ends then, with status 0."""
    assert server.process.stdout is not None
    assert ended(server.process, 20) == 0, server.log_text()
    return [line.removeprefix("left: ").strip() for line in server.process.stdout if line.startswith("left: ")]


@pytest.mark.parametrize("deaths", [(), ("worker0", "broker", "spare")], ids=["nobody died", "some died before"])
def test_nothing_is_left_after_a_stop(deaths: tuple[str, ...]) -> None:
    """Not even a zombie, but the server itself: that one is its parent's. multiprocessing's own process would be one,
    if it ended after the supervisor did."""
    with enclosed(*CARELESS, *SERVER) as server:
        server.irc("ana").join("#lobby")
        until(lambda: ready(server))
        if deaths:
            replaced(server, kill(server, *deaths), *deaths)
        server.send_signal(signal.SIGTERM)
        assert left(server) == ["the server Z"]


def test_nothing_is_left_after_a_failure() -> None:
    arguments = [*SERVER[:-1], "--durability", "none"]  # without a journal, the broker's death is the server's
    with enclosed(*CARELESS, *arguments) as server:
        until(lambda: ready(server))
        kill(server, "broker")
        assert left(server) == ["the server Z"]


def test_nothing_is_left_when_multiprocessings_process_has_died_before() -> None:
    """Another one is started when it is needed again."""
    with enclosed(*CARELESS, *SERVER) as server:
        until(lambda: ready(server))
        replaced(server, kill(server, "resource_tracker", "worker0"), "resource_tracker", "worker0")
        server.send_signal(signal.SIGTERM)
        assert left(server) == ["the server Z"]
