"""Every text from outside is checked when it is read: arguments, files and the environment, in any locale.

What cannot be said to a client, or would say more than one line, is refused in one line with exit status 2.
"""

from __future__ import annotations

import os
import pwd
import re
import resource
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.running import PATIENCE, Server, at_home
from tests.system.servers import MPCHAT, Unusual, ready, until, unusual

pytestmark = pytest.mark.slow

OVER = b"x" * 251

# A locale in which Python reads arguments as ASCII, and keeps the other bytes as surrogates.
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def refused(
    *args: bytes | str,
    folder: Path,
    environment: dict[str, str] | None = None,
    before: Callable[[], None] | None = None,
) -> tuple[int, str]:
    """Status and complaint of a server that must not start."""
    done = subprocess.run(
        [*MPCHAT, "server", "127.0.0.1", "0", *args],
        env={**os.environ, **at_home(folder), **(environment or {})},
        capture_output=True,
        timeout=PATIENCE,
        preexec_fn=before,
    )
    assert done.stdout == b""
    told = done.stderr.decode("ascii" if environment == ASCII else "utf-8")
    assert re.fullmatch(r"mpchat[^\n]*\n", told), told
    assert told[:-1].isprintable(), told
    return done.returncode, told


# Arguments


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("--description", b"caf\xe9", r"argument --description: 'caf.*' is not UTF-8"),
        ("--description", b"two\nlines", r"--description: must be one line without control characters, and has '\\n'"),
        ("--description", b"a\r:forged!u@h QUIT", r"has '\\r'"),
        ("--description", b"\x1b[31m", r"has '\\x1b'"),
        ("--description", b"\xc2\x9b31m", r"has '\\x9b'"),
        ("--description", b"tab\there", r"has '\\t'"),
        ("--description", b"\x02bold", r"has '\\x02'"),
        ("--description", "\u202ebackwards".encode(), r"has '\\u202e'"),
        ("--description", "\u2028".encode(), r"has '\\u2028'"),
        ("--description", b"\xed\xa0\x80", r"is not UTF-8"),  # a surrogate is not UTF-8 (RFC 3629)
        ("--description", OVER, r"at most 250 bytes, and has 251"),
        ("--description", "ñ".encode() * 126, r"at most 250 bytes, and has 252"),
        ("--name", b"\xff", r"--name: '.*' is not UTF-8"),
        ("--name", b"a\x1bb", r"one word, not 'a\\x1bb'"),
        ("--name", b"a\nb", r"one word, not 'a\\nb'"),
        ("--network", b"\xff", r"--network: '.*' is not UTF-8"),
        ("--network", b"a\x07b", r"one word"),
        ("--network", "a\u00a0b".encode(), r"one word"),
        ("--password", b"s\xe9cret", r"--password: is not UTF-8"),
        ("--password", b"sec\nret", r"--password: must be one line"),
        ("--password", b"sec\x1bret", r"--password: must be one line"),
        ("--password", OVER, r"at most 250 bytes"),
        ("--password", b"", r"--password: is empty"),
        ("--oper", b"root:s\xe9cret", r"--oper: is not UTF-8"),
        ("--oper", b"r\xf6\xf6t:secret", r"--oper: is not UTF-8"),
        ("--oper", b"root:sec\nret", r"--oper: an operator's name or password must be one line"),
        ("--oper", b"ro\x1bot:secret", r"--oper: an operator's name or password must be one line"),
        ("--oper", b"root:sec\tret", r"--oper: an operator's name or password must be one line"),
        ("--oper", b"root:" + OVER, r"at most 250 bytes"),
        ("--motd", b"", r"--motd: is empty"),
        ("--data", b"", r"--data: is empty"),
        ("--password-file", b"", r"--password-file: is empty"),
        ("--workers", b"1000000000", r"--workers: 128 at most, not '1000000000'"),
        ("--workers", b"129", r"--workers: 128 at most"),
        ("--workers", b"9" * 5000, r"--workers: 128 at most, not '9+'\.\.\."),
        ("--workers", b"1e3", r"above 0, not '1e3'"),
        ("--workers", b"+1", r"above 0"),
        ("--plain-port", b"9" * 5000, r"a port is a number from 0 to 65535"),
        ("--max-clients", b"1000001", r"--max-clients: 1000000 at most"),
        ("--sendq", b"1073741825", r"--sendq: 1073741824 at most"),
        ("--sendq", b"1", r"--sendq: a whole number above 999, not '1'"),
        ("--hang-limit", b"nan", r"--hang-limit: a number of seconds"),
        ("--hang-limit", b"inf", r"--hang-limit: a number of seconds"),
        ("--hang-limit", b"-1", r"--hang-limit"),
        ("--hang-limit", b"1e9", r"--hang-limit: a number of seconds"),
        ("--log-level", b"\x1b[2J\n", r"invalid choice"),
        ("--\x1b[2J\n\xff", b"x", r"unrecognized arguments: --\\x1b\[2J\\n"),
    ],
)
@pytest.mark.parametrize("environment", [None, ASCII], ids=["here", "ascii"])
def test_arguments(tmp_path: Path, option: str, value: bytes, told: str, environment: dict[str, str] | None) -> None:
    status, complaint = refused(option.encode("latin-1"), value, folder=tmp_path, environment=environment)
    assert status == 2
    assert re.search(told, complaint), complaint
    if "password" in option or "oper" in option:  # it is a secret, whatever is wrong with it
        assert "cret" not in complaint
        assert "xxxxx" not in complaint


@pytest.mark.parametrize("host", [b"\xff\xfe", b"a..b", b"x" * 64, b"a b", b"a\nb", b"\x1b[2J", b"", b"\xe2\x80\xae"])
def test_hosts(tmp_path: Path, host: bytes) -> None:
    done = subprocess.run(
        [*MPCHAT, "server", host, "0"], env={**os.environ, **at_home(tmp_path)}, capture_output=True, timeout=PATIENCE
    )
    assert (done.returncode, done.stdout) == (2, b"")
    assert re.fullmatch(r"mpchat server: argument host: .*\n", done.stderr.decode()), done.stderr


def greeting(server: Server) -> str:
    """All that a newcomer is told of the server."""
    with server.irc() as ana:
        lines = ana.register("ana")
        return "\n".join(lines + ana.ask("WHOIS ana", "ADMIN"))


SPANISH = ["--description", "una cañería", "--network", "Iñaki", "--password", "contraseña", "--oper", "peña:señor"]


def knows_its_texts(server: Server) -> None:
    with server.irc() as ana:
        ana.send("PASS contraseña")
        lines = "\n".join(ana.register("ana") + ana.ask("WHOIS ana"))
        assert "Welcome to the Iñaki network" in lines
        assert "mpchat.local :una cañería" in lines
        assert ana.ask("OPER peña señor")[0].endswith("You are now an IRC operator")


@pytest.mark.parametrize(
    "locale",
    [
        ASCII,
        {"LC_ALL": "C"},
        {"LC_ALL": "POSIX", "PYTHONUTF8": "0"},
        {"LC_ALL": "C.UTF-8"},
        {"LC_ALL": "xx_XX.nonsense"},
    ],
    ids=lambda locale: "-".join(locale.values()),
)
def test_utf8_in_any_locale(locale: dict[str, str], tmp_path: Path) -> None:
    motd = tmp_path / "motd"
    motd.write_bytes("¡Bienvenidos!\n".encode())
    with unusual(*SPANISH, "--motd", str(motd), environment=locale) as server:
        knows_its_texts(server)
        with server.irc() as ana:
            ana.send("PASS contraseña")
            assert ":mpchat.local 372 beto :- ¡Bienvenidos!" in ana.register("beto")


@pytest.fixture
def latin1(tmp_path: Path) -> dict[str, str]:
    """The environment of somebody whose terminal speaks ISO 8859-1."""
    if not shutil.which("localedef"):
        pytest.skip("no localedef here")
    made = subprocess.run(
        ["localedef", "-i", "es_ES", "-f", "ISO-8859-1", tmp_path / "es_ES.ISO-8859-1"], capture_output=True
    )
    if made.returncode:
        pytest.skip("no definition of es_ES here")
    return {"LOCPATH": str(tmp_path), "LC_ALL": "es_ES.ISO-8859-1", "PYTHONUTF8": "0"}


def test_arguments_in_the_encoding_that_the_locale_says(latin1: dict[str, str]) -> None:
    server = Unusual([*MPCHAT, "server", "127.0.0.1", "0", *SPANISH], environment=latin1)
    knows_its_texts(server)  # they were UTF-8 all the same
    assert server.stop() == 0
    arguments = [argument.encode("latin-1") for argument in SPANISH]
    server = Unusual([*MPCHAT, "server", "127.0.0.1", "0", *arguments], environment=latin1)  # type: ignore[list-item]
    knows_its_texts(server)
    assert server.stop() == 0


# Files


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"caf\xe9\n", r"line 1: not UTF-8 \(byte 0xe9\)"),
        (b"one\ntwo\nthr\xffe\n", r"line 3: not UTF-8 \(byte 0xff\)"),
        ("hola".encode("utf-16"), r"line 1: not UTF-8 \(byte 0xff\)"),
        (b"x" * 65_537, r"more than 65536 bytes"),
        (b"\n" * 1_001, r"more than 1000 lines"),
        (b"x" * 10_000_000, r"more than 65536 bytes"),
    ],
)
def test_a_motd_that_is_none(tmp_path: Path, content: bytes, told: str) -> None:
    (tmp_path / "motd").write_bytes(content)
    status, complaint = refused("--motd", str(tmp_path / "motd"), folder=tmp_path)
    assert status == 2
    assert str(tmp_path / "motd") in complaint
    assert re.search(told, complaint), complaint


def test_a_motd_with_a_mark_and_control_characters(tmp_path: Path) -> None:
    """The byte order mark is taken off, what a terminal would obey is taken out, and any line end ends a line."""
    (tmp_path / "motd").write_bytes(b"\xef\xbb\xbf\x1b[31m\xc2\xa1hola!\x00\r\nb\x07ye\r\n")
    with unusual("--motd", str(tmp_path / "motd")) as server, server.irc() as ana:
        motd = [line for line in ana.register("ana") if " 372 " in line]
        assert motd == [":mpchat.local 372 ana :- [31m¡hola!", ":mpchat.local 372 ana :- bye"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"s\xe9cret\n", r"line 1: not UTF-8 \(byte 0xe9\)"),
        (b"sec\x1bret\n", r"line 1: a password must be one line without control characters, and has '\\x1b'"),
        (b"sec\rret\n", r"line 1: a password must be one line"),
        (b"sec\x00ret\n", r"has '\\x00'"),
        (OVER, r"line 1: a password must have at most 250 bytes"),
        (b"\nsecret\n", r"no password in its first line"),
        (b"\xef\xbb\xbf\r\n", r"no password in its first line"),
        (b"secret\n" + b"x" * 65_536, r"more than 65536 bytes"),
    ],
)
@pytest.mark.parametrize("command", ["server", "client"])
def test_a_password_file_that_is_none(tmp_path: Path, content: bytes, told: str, command: str) -> None:
    (tmp_path / "password").write_bytes(content)
    (tmp_path / "password").chmod(0o600)
    done = subprocess.run(
        [*MPCHAT, command, "--password-file", str(tmp_path / "password")],
        env={**os.environ, **at_home(tmp_path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(rf"mpchat: .*password\b.*{told}.*\n", done.stderr), done.stderr
    assert "cret" not in done.stderr


@pytest.mark.parametrize("content", [b"contrase\xc3\xb1a", b"\xef\xbb\xbfcontrase\xc3\xb1a\r\nnot this\xff\n"])
@pytest.mark.parametrize("environment", [{}, ASCII], ids=["here", "ascii"])
def test_a_password_file(tmp_path: Path, content: bytes, environment: dict[str, str]) -> None:
    (tmp_path / "password").write_bytes(content)
    (tmp_path / "password").chmod(0o600)
    with (
        unusual("--password-file", str(tmp_path / "password"), environment=environment) as server,
        server.irc() as ana,
    ):
        ana.send("PASS contraseña")
        ana.register("ana")


@pytest.mark.parametrize("option", ["--password-file", "--oper-file"])
def test_a_file_of_passwords_is_its_owners_alone(tmp_path: Path, option: str) -> None:
    path = tmp_path / "passwords"
    path.write_text("root:secreto\n")
    for mode in (0o640, 0o604, 0o620, 0o602):
        path.chmod(mode)
        assert refused(option, str(path), folder=tmp_path) == (
            2,
            f"mpchat: {path}: others than its owner may use it, and it holds passwords (chmod 600 helps)\n",
        )


def test_a_data_directory_that_others_may_write_into_is_warned_of(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for mode, warned in ((0o755, 0), (0o777, 1)):
        (tmp_path / "data").chmod(mode)
        with unusual("--workers", "1", "--data", str(tmp_path / "data")) as server:
            assert server.log_text().count("others may write into the data directory") == warned


def test_what_it_makes_is_private_whatever_the_umask(tmp_path: Path) -> None:
    state = tmp_path / "state" / "deep"
    args = [*MPCHAT, "server", "127.0.0.1", "0", "--workers", "1", "--data", str(state / "mpchat" / "7001")]
    server = Unusual(args, before=lambda: os.umask(0) and None)
    assert server.stop() == 0
    made = [tmp_path / "state", *(tmp_path / "state").rglob("*")]
    assert {path.name for path in made} >= {"deep", "mpchat", "7001", "journal", "reserve", "history.db"}
    for path in made:
        assert path.stat().st_mode & 0o077 == 0, path


def test_files_that_have_no_end(tmp_path: Path) -> None:
    option = "--motd"
    status, complaint = refused(option, "/dev/zero", folder=tmp_path)
    assert (status, complaint) == (2, "mpchat: /dev/zero has more than 65536 bytes\n")
    os.mkfifo(tmp_path / "fifo")
    status, complaint = refused(option, str(tmp_path / "fifo"), folder=tmp_path)
    assert (status, complaint) == (1, f"mpchat: no end of it in 5 seconds: {tmp_path / 'fifo'}\n")
    status, complaint = refused(option, str(tmp_path), folder=tmp_path)
    assert (status, complaint) == (1, f"mpchat: Is a directory: {tmp_path}\n")


def test_a_file_may_be_a_pipe(tmp_path: Path) -> None:
    """--motd <(fortune): what a shell gives is a pipe, whose writer may need a moment."""
    os.mkfifo(tmp_path / "fifo")

    def write() -> None:
        with open(tmp_path / "fifo", "wb") as fifo:  # waits until it is opened for reading
            fifo.write(b"hola\n")
            fifo.flush()
            fifo.write(b"adios\n")

    writer = threading.Thread(target=write)
    writer.start()
    with unusual("--motd", str(tmp_path / "fifo")) as server:
        assert "372 ana :- hola\n:mpchat.local 372 ana :- adios\n" in greeting(server)
    writer.join()


# Folders


@pytest.mark.parametrize("environment", [{}, ASCII], ids=["here", "ascii"])
def test_names_of_files_and_folders_may_be_any_bytes(tmp_path: Path, environment: dict[str, str]) -> None:
    folder = os.fsencode(tmp_path) + b"/\xff\xfe \n\x1b[31m"
    os.mkdir(folder)
    with open(folder + b"/motd", "wb") as motd:
        motd.write(b"hola\n")
    arguments = [*MPCHAT, "server", "127.0.0.1", "0", "--data", folder + b"/data", "--motd", folder + b"/motd"]
    for _ in range(2):
        server = Unusual(arguments, environment={**environment, "XDG_RUNTIME_DIR": os.fsdecode(folder)})  # type: ignore[arg-type]
        assert "372 ana :- hola" in greeting(server)
        assert server.run("ps", "--port", str(server.irc_port)).returncode == 0
        assert server.stop() == 0
        assert os.listdir(folder + b"/data") != []


def test_a_relative_xdg_folder_is_ignored(tmp_path: Path) -> None:
    """The XDG base directory specification calls it invalid. A client's history belongs there too."""
    home, temporary = tmp_path / "home", tmp_path / "tmp"
    home.mkdir()
    temporary.mkdir()
    odd = {"HOME": str(home), "TMPDIR": str(temporary), "XDG_STATE_HOME": "state", "XDG_RUNTIME_DIR": "run"}
    server = Unusual([*MPCHAT, "server", "127.0.0.1", str(free_port()), "--plain-port", "none"], environment=odd)
    try:
        server.irc("ana").close()
        assert (home / ".local/state/mpchat" / str(server.irc_port)).is_dir()
        assert [file.name for file in temporary.glob("mpchat-*/*")] == [f"{server.irc_port}.sock"]
        assert server.run("ps", "--port", str(server.irc_port)).returncode == 0
        assert not Path("state").exists()
        assert not Path("run").exists()
    finally:
        assert server.stop() == 0


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
        return port


@pytest.mark.parametrize("home", ["", "relative", None])
def test_without_a_home_it_is_where_the_system_says(tmp_path: Path, home: str | None) -> None:
    """HOME may be unset or nonsense (cron, systemd): then the password database has it; and --data needs none."""
    code = "from mpchat import cli; print(cli._state_folder())"
    environment = {name: value for name, value in os.environ.items() if name not in ("HOME", "XDG_STATE_HOME")}
    if home is not None:
        environment["HOME"] = home
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.stdout == f"{pwd.getpwuid(os.getuid()).pw_dir}/.local/state/mpchat\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a user without a name")
def test_a_user_without_a_home_is_told_what_to_say() -> None:
    code = (
        "import encodings.idna, os, pwd, resource, sys; from mpchat import cli\n"
        # All that it needs: where Python and mpchat are installed may be closed to that user.
        "import mpchat.roles, mpchat.ipc.queue_transport, mpchat.supervisor.supervisor\n"
        "os.setuid(54321); sys.exit(cli.main(['server', '127.0.0.1', '7001']))"
    )
    environment = {name: value for name, value in os.environ.items() if name not in ("HOME", "XDG_STATE_HOME")}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=PATIENCE
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(r"mpchat: you have no home folder: .*--data DIR.*\n", done.stderr)


# What the limit of open files allows


def few_fds() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))


def test_more_clients_than_open_files(tmp_path: Path) -> None:
    status, complaint = refused("--workers", "1", "--max-clients", "1000", folder=tmp_path, before=few_fds)
    assert status == 2
    assert re.search(r"--max-clients 1000 is more than the limit of open files allows: 21 with --workers 1", complaint)


def test_more_workers_than_open_files(tmp_path: Path) -> None:
    status, complaint = refused("--workers", "100", folder=tmp_path, before=few_fds)
    assert status == 2
    assert re.search(r"--workers 100 needs 832 open files, and the limit is 64", complaint)


@pytest.mark.parametrize(("workers", "least"), [(1, 40), (3, 56)])
@pytest.mark.parametrize("ipc", ["queue", "pipe"])
def test_what_open_files_suffice_is_known_before_the_start(tmp_path: Path, workers: int, least: int, ipc: str) -> None:
    def limit(to: int) -> Callable[[], None]:
        return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (to, to))

    args = ["--workers", str(workers), "--ipc", ipc]
    assert refused(*args, folder=tmp_path, before=limit(least - 1)) == (
        2,
        f"mpchat: --workers {workers} needs {least} open files, and the limit is {least - 1} (ulimit -Hn shows it)\n",
    )
    with unusual(*args, before=limit(least)) as server:
        until(lambda: ready(server))
        with server.irc("ana") as ana:
            assert ana.ask("PING x")
