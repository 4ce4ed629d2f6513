"""Where the password of --account comes from: a file, a command, a terminal; and what is said where it does not."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mpchat.client.account_password import PRINTED_BYTES, NoPassword, credentials
from mpchat.client.options import Options
from mpchat.client.sasl import Credentials
from tests.client.person import Person
from tests.running import PATIENCE

SHELL_WORDS = "printf 'hunter2\\nuser: ana\\n'"


def told_by(command: str) -> Credentials | None:
    return credentials(Options(account="ana", account_password_command=command))


def test_without_an_account_nothing_is_asked() -> None:
    assert credentials(Options(account_password_command="exit 1")) is None


@pytest.mark.parametrize("command", ["echo hunter2", "printf hunter2", "printf 'hunter2\\r\\n'", SHELL_WORDS])
def test_the_first_line_that_a_command_prints_is_the_password(command: str) -> None:
    assert told_by(command) == Credentials("ana", "hunter2")


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("exit 3", "the command for the account's password failed: status 3"),
        ("echo hunter2; exit 3", "the command for the account's password failed: status 3"),
        ("kill -9 $$", "the command for the account's password failed: Killed"),
        ("no-such-keyring 2>&-", "the command for the account's password failed: status 127"),
        ("true", "the first line that the command for the account's password printed is empty"),
        ("echo; echo hunter2", "the first line that the command for the account's password printed is empty"),
        ("printf '\\377'", "the command for the account's password has printed what is no text (UTF-8)"),
        ("printf 'a\\0b'", "the command for the account's password has printed what is no text (UTF-8)"),
        ("yes", f"the command for the account's password has printed {PRINTED_BYTES} bytes, which is no password"),
    ],
)
def test_why_a_command_has_none_is_said(command: str, why: str) -> None:
    with pytest.raises(NoPassword) as problem:
        told_by(command)
    assert str(problem.value) == why


# Asks for a password and tells what it got, in a terminal.
ASKING = (
    "import sys; from mpchat.client.account_password import credentials; from mpchat.client.options import Options;"
    "got = credentials(Options(account='ana')); print('got', len(got.password), got.password[::-1])"
)


@pytest.fixture
def asked(env: dict[str, str]) -> Iterator[Person]:
    person = Person([], env, client=[sys.executable, "-c", ASKING])
    yield person
    person.close()


def test_the_terminal_asks_and_shows_nothing_of_it(asked: Person) -> None:
    asked.sees("^password of ana:")
    asked.until(lambda: not asked.child.getecho())
    asked.type("hunter2\r")
    asked.sees("^got 7 2retnuh$")
    assert b"hunter2" not in asked.raw
    asked.until(lambda: asked.child.flag_eof or asked.child.getecho())


@pytest.mark.parametrize("key", ["\x03", "\x04", "\r"])
def test_who_would_rather_not_say_it_goes(asked: Person, key: str) -> None:
    asked.sees("^password of ana:")
    asked.until(lambda: not asked.child.getecho())
    asked.type(key)
    assert asked.ends() != 0
    assert b"got" not in asked.raw


def run(env: dict[str, str], *args: str) -> subprocess.CompletedProcess[str]:
    """A command that has no terminal."""
    command = [sys.executable, "-m", "mpchat", *args]
    return subprocess.run(
        command, env=env, input="hola\n", capture_output=True, text=True, timeout=PATIENCE, start_new_session=True
    )


@pytest.mark.parametrize("command", ["client", "send", "tail"])
def test_where_there_is_no_terminal_the_options_are_named(env: dict[str, str], command: str) -> None:
    done = run(env, command, "--account", "ana")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("mpchat: no terminal to ask for the account's password: --account-password-file")


@pytest.mark.parametrize("command", ["client", "send", "tail"])
def test_a_failing_command_ends_it_with_one_line(env: dict[str, str], command: str) -> None:
    done = run(env, command, "--account", "ana", "--account-password-command", "exit 4")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "mpchat: the command for the account's password failed: status 4\n"


def test_what_a_script_says_is_not_given_to_the_command(env: dict[str, str]) -> None:
    done = run(env, "client", "--account", "ana", "--account-password-command", "read line && echo $line")
    assert done.stderr == "mpchat: the command for the account's password failed: status 1\n"


def test_a_file_that_others_may_read_is_refused(env: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("hunter2\n")
    file.chmod(0o640)
    done = run(env, "send", "--account", "ana", "--account-password-file", str(file), "hola")
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{file}: others than its owner may use it" in done.stderr


def test_a_password_is_somebodys_and_comes_from_one_place(env: dict[str, str]) -> None:
    alone = run(env, "send", "--account-password-command", "echo x", "hola")
    assert alone.returncode == 2
    assert "a password of an account needs --account NAME" in alone.stderr
    both = run(
        env, "send", "--account", "ana", "--account-password-command", "x", "--account-password-file", "x", "hola"
    )
    assert both.returncode == 2
    assert "not allowed with" in both.stderr
