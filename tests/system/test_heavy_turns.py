"""A turn that takes long is no hang, and the others' lines do not wait for the end of it."""

from __future__ import annotations

import contextlib
import re
import resource
import socket
from collections.abc import Iterator

import pytest

from tests.running import PATIENCE, Server
from tests.system.servers import kill, needs_linux, pids, ready, replaced, until, unusual

pytestmark = [needs_linux, pytest.mark.slow]

PEOPLE = 2000
HANG_SECONDS = 1  # the shortest that can be asked for
GLUTTONS = 7
QUESTION = "WHO *a*b*c*zzz*"  # nobody is called so: the server looks at all of them, and there is little to say
QUESTIONS = 50  # from each


@pytest.fixture(params=["process", "none"])
def durability(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def crowded(durability: str) -> Iterator[Server]:
    """With many people in it, and as impatient with its processes as can be asked for."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 2 * PEOPLE:
        pytest.skip(f"a process may have {hard} files open")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    arguments = ("--workers", "1", "--hang-limit", str(HANG_SECONDS), "--durability", durability)
    with unusual("--unlimited", *arguments) as server, contextlib.ExitStack() as stack:
        for number in range(PEOPLE):
            sock = stack.enter_context(socket.create_connection((server.host, server.irc_port), PATIENCE))
            sock.sendall(f"NICK x{number}\r\nUSER x 0 * :One of many\r\n".encode())
        with server.irc("last") as last:
            until(lambda: f"There are {PEOPLE + 1} " in "\n".join(last.ask("LUSERS")), within=3 * PATIENCE)
        yield server
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_expensive_questions_are_no_hang(crowded: Server, durability: str) -> None:
    before = until(lambda: ready(crowded))
    gluttons = [crowded.irc(f"glutton{number}") for number in range(GLUTTONS)]
    with crowded.irc("other") as other:
        for client in (*gluttons, other):
            client.sock.settimeout(6 * PATIENCE)
        for client in gluttons:
            client.send(*[QUESTION] * QUESTIONS)
        other.ask("PRIVMSG other :still here?")
        for client in gluttons:
            assert len(client.until("315")) == 1
            assert len(client.sync()) == QUESTIONS - 1
    here = pids(crowded)
    assert all(here[role] == before[role] for role in ("broker", "worker0")), "somebody was killed for working"
    assert not re.search("process hangs hung=(broker|worker)", crowded.log_text())
    if durability == "none":
        return
    kill(crowded, "broker")  # and the next one answers them all again, to nobody
    replaced(crowded, before, "broker")
    for client in gluttons:
        assert client.sync() == []
        client.close()
    assert not re.search("process hangs hung=(broker|worker)", crowded.log_text())
