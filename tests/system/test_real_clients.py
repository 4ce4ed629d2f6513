"""The programs that people use: irssi, nc and telnet, each in a terminal, while the server's processes are killed."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

from tests.running import PATIENCE, Server, running
from tests.system.servers import kill, needs_linux, ready, replaced, until

pytestmark = [needs_linux, pytest.mark.surroundings]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running("--unlimited", "--workers", "2") as it:
        yield it


class Start:
    """Starts programs, each in a terminal of its own, and ends those that are left."""

    def __init__(self) -> None:
        self.started: list[pexpect.spawn[str]] = []

    def __call__(self, name: str, *args: str) -> pexpect.spawn[str]:
        path = shutil.which(name)
        if path is None:
            pytest.skip(f"{name} is not here")
        program = pexpect.spawn(
            path,
            list(args),
            env={**os.environ, "TERM": "xterm", "LC_ALL": "C.UTF-8"},
            encoding="utf-8",
            timeout=PATIENCE,
            dimensions=(24, 100),
        )
        self.started.append(program)
        return program


@pytest.fixture
def start() -> Iterator[Start]:
    it = Start()
    yield it
    for program in it.started:
        program.close(force=True)


def kill_all_in_turn(server: Server) -> None:
    for role in ("worker0", "worker1", "acceptor", "broker", "recorder"):
        until(lambda: ready(server))
        replaced(server, kill(server, role), role)


def test_irssi(server: Server, start: Start, channel: str, tmp_path: Path) -> None:
    beto = server.irc("beto")
    beto.join(channel)
    # By itself it sends one command in 2.2 s.
    (tmp_path / "config").write_text('settings = { "irc/core" = { cmd_queue_speed = "10msec"; }; };')
    arguments = ["--home", str(tmp_path), "--connect", server.host, "--port", str(server.irc_port), "--nick", "dora"]
    irssi = start("irssi", *arguments)
    irssi.expect_exact("Welcome to")
    irssi.sendline(f"/join {channel}")
    beto.expect(f"^:dora!.* JOIN {channel}")
    irssi.expect_exact("was synced")
    irssi.sendline("¿quién hay?")
    beto.expect(f"^:dora!.* PRIVMSG {channel} :¿quién hay\\?$")
    kill_all_in_turn(server)
    beto.send(f"PRIVMSG {channel} :todos")
    irssi.expect_exact("todos")
    irssi.sendline("/me saluda")
    beto.expect("^:dora!.* PRIVMSG .*:\x01ACTION saluda\x01$")
    irssi.sendline("/quit adiós")
    beto.expect("^:dora!.* QUIT :.*adiós")
    irssi.expect(pexpect.EOF)


@pytest.mark.parametrize("name", ["nc", "telnet"])
def test_plain_text(server: Server, start: Start, name: str) -> None:
    beto = server.plain("beto")
    nick = f"eva-{name}"
    eva = start(name, server.host, str(server.plain_port))
    eva.expect_exact("Welcome to mpchat.")
    eva.expect_exact("Type your nickname and press Enter.")
    eva.sendline(nick)
    eva.expect_exact(f"you are {nick}")
    eva.expect_exact("in #lobby: ")
    beto.expect(f"* {nick} joined")
    eva.sendline("¿quién hay?")
    beto.expect(f"<{nick}> ¿quién hay?")
    kill_all_in_turn(server)
    beto.send("todos")
    eva.expect_exact("<beto> todos")
    eva.sendline(f"/msg {nick} solo yo")
    eva.expect_exact("solo yo")
    eva.expect_exact(f"<{nick} -> you> solo yo")
    eva.sendline("/quit")
    eva.expect_exact("* goodbye")
    beto.expect(f"* {nick} quit")


def test_a_script_with_nc(server: Server) -> None:
    """What nc sends before its input ends is said, and what it is told until then is shown."""
    if shutil.which("nc") is None:
        pytest.skip("nc is not here")
    beto = server.plain("beto2")
    command = ["nc", server.host, str(server.plain_port)]
    script = "guion\nhola desde un guion\n/quit\n"
    done = subprocess.run(command, input=script, capture_output=True, text=True, timeout=PATIENCE)
    assert "you are guion" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("* goodbye")
    beto.expect("<guion> hola desde un guion")
    beto.expect("* guion quit")
