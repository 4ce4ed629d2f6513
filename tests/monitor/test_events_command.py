"""mpchat events on a real server."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import pytest

from tests.running import PATIENCE, Server, ended, running
from tests.system.servers import kill, needs_linux, replaced

pytestmark = needs_linux


def following(server: Server, *args: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "mpchat", "events", "--follow", "--port", str(server.irc_port), *args]
    return subprocess.Popen(command, env=server.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def hear(process: subprocess.Popen[str], words: str) -> None:
    """Read until a line has them: on a busy machine more happens than what a test does."""
    assert process.stdout is not None
    while words not in (line := process.stdout.readline()):
        assert line, "it has ended"


def test_a_death_and_its_replacement_are_kept() -> None:
    with running("--workers", "2") as server:
        before = kill(server, "worker1")
        after = replaced(server, before, "worker1")
        words = server.run("events", "--port", str(server.irc_port))
        spanish = server.run("events", "--port", str(server.irc_port), "--lang", "es")
        raw = server.run("events", "--port", str(server.irc_port), "--json")

    assert (words.returncode, words.stderr) == (0, "")
    died, successor = (line for line in words.stdout.splitlines() if "worker1" in line)
    assert died.endswith(f"worker1 ({before['worker1']}) has died: SIGKILL")
    assert f"worker1 has a new process at work, {after['worker1']}, after " in successor
    assert f"worker1 ({before['worker1']}) murió: SIGKILL" in spanish.stdout
    events = [json.loads(line) for line in raw.stdout.splitlines()]
    assert [(event["kind"], event["what"]) for event in events if event["role"] == "worker1"] == [
        ("event", "died"),
        ("event", "replaced"),
    ]


@pytest.mark.slow
def test_events_are_followed_as_they_happen_until_ctrl_c() -> None:
    with running("--workers", "2") as server:
        before = kill(server, "worker0")
        replaced(server, before, "worker0")
        with following(server) as process:
            hear(process, "worker0 (")
            hear(process, "worker0 has a new process")
            before = kill(server, "worker1")
            hear(process, f"worker1 ({before['worker1']}) has died")
            replaced(server, before, "worker1")
            process.send_signal(signal.SIGINT)
            assert ended(process, PATIENCE) == 0


@pytest.mark.slow
def test_the_end_of_the_server_is_said() -> None:
    with running() as server:
        before = kill(server, "worker0")
        with following(server) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.readline()
            replaced(server, before, "worker0")
            server.stop()
            assert ended(process, PATIENCE) == 1
            assert process.stderr.read() == "mpchat: the server has ended\n"


@pytest.mark.slow
def test_the_follower_of_a_pipe_ends_with_its_reader() -> None:
    with running() as server, following(server) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert ended(process, PATIENCE) == 0
