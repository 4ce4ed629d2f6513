"""An account, from the terminal and from scripts, on a real server; its password is seen and kept nowhere."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.client.conftest import Voice, Wire
from tests.client.person import Person, pipe
from tests.client.test_confidential import files
from tests.running import PATIENCE, Server

Join = Callable[..., Person]
Speak = Callable[[str], Voice]
PASSWORD = "correct horse"


@pytest.fixture
def account(server: Server, nicks: Iterator[str]) -> str:
    """One that a client has made, which has left."""
    nick = next(nicks)
    with server.irc(nick) as client:
        client.send(f"REGISTER * * :{PASSWORD}")
        client.until("REGISTER")
        client.send("QUIT")
        client.rest()
    return nick


@pytest.fixture
def password(tmp_path: Path) -> Path:
    """The file that has it."""
    file = tmp_path / "password"
    file.write_text(f"{PASSWORD}\n")
    file.chmod(0o600)
    return file


def test_register_asks_twice_and_login_once_and_nothing_is_shown(
    server: Server, join: Join, env: dict[str, str], nicks: Iterator[str], room: str
) -> None:
    nick = next(nicks)
    ana = join(nick)
    for again, outcome in (("corect horse", "these were two passwords: nothing was sent"), (PASSWORD, "is yours now")):
        ana.say("/register")
        ana.until(lambda: ana.bottom() == f"new password of {nick}:")
        ana.type(f"{PASSWORD}\r")
        ana.until(lambda: ana.bottom() == f"the same of {nick} again:")
        ana.type(f"{again}\r")
        ana.sees(outcome)
    ana.sees(f"-- logged in as {nick}")
    ana.say("/register")
    ana.type("x\r")
    ana.until(lambda: ana.bottom() == f"the same of {nick} again:")
    ana.type("x\r")
    ana.sees("! you are logged in already")
    ana.type("\x04")
    assert ana.ends() == 0

    back = join(next(nicks))
    back.say(f"/login {nick}")
    back.until(lambda: back.bottom() == f"password of {nick}:")
    back.type("wrong one\r")
    back.sees(f"! no login: the password is wrong, or no account is called {nick}")
    back.say(f"/login {nick}")
    back.until(lambda: back.bottom() == f"password of {nick}:")
    back.type(f"{PASSWORD}\r")
    back.sees(f"-- logged in as {nick}")
    back.say(f"/nick {nick}")
    back.until(lambda: back.bottom() == f"{nick} {room}>")
    back.say(f"/whois {nick}")
    back.sees(rf"\* {nick} is logged in as {nick}$")
    for person in (ana, back):
        for part in (b"horse", b"wrong one"):
            assert part not in person.raw
    assert "horse" not in files(env)


def test_typed_with_its_password_a_command_is_not_kept(join: Join, env: dict[str, str], account: str) -> None:
    ana = join(f"{account}x")
    ana.say("algo")
    ana.sees("> algo$")
    ana.say(f"/login {account} {PASSWORD}")
    ana.sees(f"-- logged in as {account}")
    ana.say("/register another horse")
    ana.sees("! you are logged in already")
    ana.type("\x1b[A")
    ana.until(lambda: ana.bottom().endswith("> algo"))
    ana.type("\x03")
    assert "horse" not in files(env)


def test_password_asks_twice_and_drop_once_and_nothing_is_shown(
    wire: Wire, join: Join, voice: Speak, env: dict[str, str], account: str, password: Path, room: str
) -> None:
    """And the client logs in again with the new one."""
    voice("beto")  # without anybody in it the room would end
    ana = join(account, "--account", account, "--account-password-file", str(password), port=wire.port)
    ana.sees(f"-- logged in as {account}")
    ana.until(lambda: ana.bottom() == f"{account} {room}>")
    ana.say("/password")
    ana.until(lambda: ana.bottom() == f"new password of {account}:")
    ana.type("unwise donkey\r")
    ana.until(lambda: ana.bottom() == f"the same of {account} again:")
    ana.type("unwise donkey\r")
    ana.sees(f"the password of {account} is another one from now on")
    wire.cut()
    ana.until(lambda: sum(f"-- logged in as {account}" in line for line in ana.lines()) == 2)
    ana.until(lambda: ana.bottom() == f"{account} {room}>")
    for answer, told in (
        (PASSWORD, "there is no such account with that password"),
        ("unwise donkey", f"{account} is dropped: anybody can register that nickname"),
    ):
        ana.say("/drop")
        ana.until(lambda: ana.bottom() == f"password of {account}:")
        ana.type(f"{answer}\r")
        ana.sees(told)
    ana.sees("-- logged out")
    for part in (b"horse", b"donkey"):
        assert part not in ana.raw
    assert "donkey" not in files(env)


def test_in_plain_lines_too(join: Join, nicks: Iterator[str]) -> None:
    nick = next(nicks)
    ana = join(nick, "--plain", "--color", "never")
    ana.type("/register\r")
    for question in (f"new password of {nick}:$", f"the same of {nick} again:$"):
        ana.sees(question)
        ana.until(lambda: not ana.child.getecho())
        ana.type(f"{PASSWORD}\r")
    ana.sees(f"-- logged in as {nick}")
    ana.until(lambda: ana.child.getecho())
    assert b"horse" not in ana.raw


@pytest.mark.parametrize("mode", [(), ("--plain",)])
def test_the_terminal_asks_for_the_password_of_an_account(
    server: Server, env: dict[str, str], account: str, mode: tuple[str, ...]
) -> None:
    args = [server.host, str(server.irc_port), "--account", account, "--room", "#lobby", *mode]
    for answer, told in (("wrong one", "^mpchat: no login: the password is wrong"), (PASSWORD, "in #lobby")):
        ana = Person([*args, "--nick", account], env)
        try:
            ana.sees(f"^password of {account}:")
            ana.until(lambda: not ana.child.getecho())  # noqa: B023
            ana.type(f"{answer}\r")
            ana.sees(told)
            if answer != PASSWORD:
                assert ana.ends() == 4
            assert answer.encode() not in ana.raw
        finally:
            ana.close()


def test_after_a_lost_connection_the_client_logs_in_again(
    wire: Wire, join: Join, voice: Speak, account: str, password: Path, room: str
) -> None:
    voice("beto")  # without anybody in it the room would end
    ana = join(account, "--account", account, "--account-password-file", str(password), port=wire.port)
    ana.sees(f"-- logged in as {account}")
    wire.cut()
    ana.until(lambda: sum(f"-- logged in as {account}" in line for line in ana.lines()) == 2)
    ana.until(lambda: ana.bottom() == f"{account} {room}>")
    ana.say(f"/whois {account}")
    ana.sees(rf"\* {account} is logged in as {account}$")


def test_nobody_else_is_called_as_an_account(join: Join, account: str, room: str) -> None:
    stranger = join(account)
    stranger.until(lambda: stranger.bottom() == f"{account}_ {room}>")


def mpchat(env: dict[str, str], *args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mpchat", *args]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=PATIENCE)


def test_send_says_its_text_as_its_account(
    server: Server, env: dict[str, str], account: str, password: Path, room: str
) -> None:
    """And is called so, where no other name is given. The password comes from a command as well."""
    with server.irc(f"{account}r") as beto:
        beto.join(room)
        where = ("--port", str(server.irc_port), "--to", room, "--account", account)
        for source in (("file", str(password)), ("command", f"cat '{password}'")):
            done = mpchat(env, "send", *where, f"--account-password-{source[0]}", source[1], "hola")
            assert (done.returncode, done.stdout) == (0, ""), done.stderr
            assert beto.until("PRIVMSG")[-1].startswith(f":{account}!")
        password.write_text("wrong one\n")
        done = mpchat(env, "send", *where, "--account-password-file", str(password), "hola")
        assert (done.returncode, done.stdout) == (4, "")
        assert "mpchat: no login: the password is wrong, or no account is called" in done.stderr
        assert not [line for line in beto.sync() if "PRIVMSG" in line]


def test_a_script_waits_for_its_login(server: Server, env: dict[str, str], account: str, room: str) -> None:
    """Else it could not be called as it wants."""
    script = f"/login {account} {PASSWORD}\n/nick {account}\nhola\n/login {account}\n{PASSWORD}\n"
    args = [server.host, str(server.irc_port), "--nick", f"{account}x", "--room", room]
    done = pipe(args, script, env)
    assert f"<{account}> hola" in done.stdout
    assert done.returncode == 4
    assert "! there is nobody to ask for the password: /login ACCOUNT PASSWORD" in done.stderr
    assert "! not said: the line behind /login, which may be the password" in done.stderr
    assert "horse" not in done.stdout + done.stderr
