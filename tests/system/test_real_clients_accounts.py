"""The programs that people use, logged in over TLS: irssi, WeeChat and our own client, by the story of one account.

Its owner comes in though somebody has the nickname, is put into their room, notices no death but the front's, and is
there again, logged in, when the server was started anew on its data.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pexpect
import pytest

from tests.client.conftest import Wire
from tests.client.person import Person, environment
from tests.running import PATIENCE, IrcClient, running
from tests.system.servers import kill, needs_linux, ready, replaced, until
from tests.system.tls import Authority, irc, tls_port

pytestmark = [needs_linux, pytest.mark.surroundings, pytest.mark.timeout(180)]

PASSWORD = "hunter2 and more"
ROOM = "#so"
SOON = 60.0  # seconds: irssi and WeeChat wait before they come back


@dataclass
class Door:
    """Where a wire leads to."""

    host: str
    irc_port: int


class World:
    """A server with TLS on a folder, which can be started anew, and a wire to it that stays where it is."""

    def __init__(self, authority: Authority, folder: Path) -> None:
        self.authority, self.folder = authority, folder
        self._options = ("--unlimited", "--workers", "2", "--tls-port", "0", *authority.sign("server").options)
        self._serving = running(*self._options, data=folder / "data")
        self.server = self._serving.__enter__()
        self.wire = Wire(self._door())

    def _door(self) -> Door:
        return Door(self.server.host, tls_port(self.server))

    def restart(self) -> None:
        self._serving.__exit__(None, None, None)
        self._serving = running(*self._options, data=self.folder / "data")
        self.server = self._serving.__enter__()
        self.wire.lead_to(self._door())

    def kill_all_in_turn(self) -> None:
        for role in ("worker0", "worker1", "acceptor", "broker", "recorder", "authenticator"):
            until(lambda: ready(self.server))
            replaced(self.server, kill(self.server, role), role)

    def holder(self, is_owner: bool) -> IrcClient:
        """Who made an account of the nickname ana, and is still called so: logged in to it, or nobody any more."""
        ana = irc(self.server, self.authority, "ana")
        ana.send(f"REGISTER * * :{PASSWORD}")
        ana.until("REGISTER")
        if not is_owner:
            ana.send("NS LOGOUT")
            ana.until("901")
        ana.sync()
        return ana

    def close(self) -> None:
        self.wire.close()
        self._serving.__exit__(None, None, None)


@pytest.fixture
def world(authority: Authority, tmp_path: Path) -> Iterator[World]:
    it = World(authority, tmp_path)
    yield it
    it.close()


class Program:
    """One that was started, and what it does on its keyboard."""

    def __init__(self, say: Callable[[str], object], end: Callable[[], object]) -> None:
        self.say = say  # a line, into the room
        self.end = end


def irssi(world: World, mechanism: str) -> Program:
    """It compares names in a certificate, and no addresses. Its commands are README's."""
    home = world.folder / "irssi"
    home.mkdir()
    (home / "config").write_text('settings = { core = { user_name = "program"; server_reconnect_time = "10s"; }; };')
    env = {**os.environ, "TERM": "xterm", "LC_ALL": "C.UTF-8"}
    child = pexpect.spawn(found("irssi"), ["--home", str(home)], env=env, dimensions=(24, 100), encoding="utf-8")
    child.expect_exact("Irssi v")
    sasl = f"-sasl_mechanism {mechanism} -sasl_username ana -sasl_password '{PASSWORD}'"
    tls = f"-tls -tls_verify -tls_cafile {world.authority.cert}"
    child.sendline(f"/network add -nick ana {sasl} mpchat")
    child.sendline(f"/server add -auto {tls} -network mpchat localhost {world.wire.port}")
    child.sendline(f"/channel add -auto {ROOM} mpchat")
    child.sendline("/connect mpchat")

    def watch() -> None:
        """Its screen, or it would wait for somebody who does."""
        with contextlib.suppress(pexpect.EOF, OSError):
            while True:
                child.read_nonblocking(65536, timeout=None)

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()

    def end() -> None:
        child.kill(signal.SIGKILL)
        watching.join(PATIENCE)
        child.close()

    return Program(lambda text: child.sendline(f"/msg {ROOM} {text}"), end)


def weechat(world: World, mechanism: str) -> Program:
    """Without a mechanism it does not log in. Its commands are README's, but for those that make it hurry."""
    path = found("weechat-headless")
    version = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=PATIENCE).stdout
    tls = "-tls" if int(version.partition(".")[0]) >= 4 else "-ssl"
    home = world.folder / "weechat"
    home.mkdir()
    (home / "fifo.conf").write_text(f'[file]\nenabled = on\npath = "{home}/keys"\n')
    sasl = f"-sasl_mechanism={mechanism.lower()} -sasl_username=ana" if mechanism else ""
    commands = [
        f"/set weechat.network.gnutls_ca_user {world.authority.cert}",
        f"/server add mpchat 127.0.0.1/{world.wire.port} {tls} -nicks=ana,other -autojoin={ROOM} {sasl}",
        *[f"/set irc.server.mpchat.sasl_password {PASSWORD}"] * bool(mechanism),
        "/set irc.server.mpchat.autoreconnect_delay 1",
        "/set irc.network.autoreconnect_delay_growing 1",
        "/connect mpchat",
    ]
    start = [argument for command in commands for argument in ("-r", command)]
    process = subprocess.Popen(
        [path, "-d", str(home), *start], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )

    def say(text: str) -> None:
        with (home / "keys").open("w") as keys:
            keys.write(f"irc.server.mpchat */msg {ROOM} {text}\n")

    def end() -> None:
        process.kill()
        process.wait()

    return Program(say, end)


def ours(world: World, _: str) -> Program:
    home = world.folder / "home"
    home.mkdir()
    password = home / "password"
    password.write_text(f"{PASSWORD}\n")
    password.chmod(0o600)
    account = ("--account", "ana", "--account-password-file", str(password))
    tls = ("--tls", "--tls-ca", str(world.authority.cert))
    env = environment(home)
    person = Person(["127.0.0.1", str(world.wire.port), "--nick", "ana", "--room", ROOM, *account, *tls], env)
    person.sees("logged in as ana")
    return Program(person.say, person.close)


def found(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not here")
    return path


def is_owner(beto: IrcClient, nick: str) -> bool:
    """Does the server say that who is called so is logged in as ana, over TLS?"""
    told = beto.ask(f"WHOIS {nick}")
    return any(f" 330 beto {nick} ana " in line for line in told) and any(f" 671 beto {nick} " in line for line in told)


@pytest.mark.parametrize(
    ("program", "mechanism", "from_ghost"),
    [
        (irssi, "PLAIN", False),
        (weechat, "PLAIN", True),
        (weechat, "SCRAM-SHA-256", False),
        (ours, "", True),
    ],
)
def test_the_owner_of_an_account(
    world: World, program: Callable[[World, str], Program], mechanism: str, from_ghost: bool
) -> None:
    """The nickname is taken back from their own ghost, or from a stranger."""
    if mechanism.startswith("SCRAM"):
        pytest.importorskip("scramp", reason="the server has SCRAM where it is installed")
    holder = world.holder(is_owner=from_ghost)
    beto = world.server.irc("beto")
    beto.join(ROOM)
    beto.sock.settimeout(SOON)
    client = program(world, mechanism)
    try:
        beto.expect(f"^:ana!.* JOIN {ROOM}")
        assert re.match(r":ana!\S+ NICK :?Guest", holder.until("NICK")[-1])
        assert is_owner(beto, "ana")

        world.kill_all_in_turn()
        client.say("still here")
        assert beto.until("PRIVMSG")[-1].startswith(":ana!")
        assert is_owner(beto, "ana")

        world.restart()
        beto = world.server.irc("beto")
        beto.sock.settimeout(SOON)
        beto.join(ROOM)
        if not any(re.search(r"\bana\b", line.rpartition(" :")[2]) for line in beto.ask(f"NAMES {ROOM}")):
            beto.until("JOIN")
        assert is_owner(beto, "ana")
        client.say("back again")
        assert beto.until("PRIVMSG")[-1].endswith(":back again")
    finally:
        client.end()


def test_a_nickname_of_an_account_is_not_a_strangers(world: World) -> None:
    """WeeChat without a password comes in with its second nickname."""
    ana = world.holder(is_owner=True)
    ana.send("QUIT")
    ana.rest()
    beto = world.server.irc("beto")
    beto.join(ROOM)
    beto.sock.settimeout(SOON)
    client = weechat(world, "")
    try:
        assert beto.until("JOIN")[-1].startswith(":other!")
    finally:
        client.end()
