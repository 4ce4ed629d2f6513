"""The client where its output cannot show everything, its input is no text, or it is started with what cannot be."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable

import pytest

from mpchat.client.connection import Connection
from tests.client.conftest import Voice
from tests.client.person import CLIENT, Person
from tests.running import PATIENCE, Server

Join = Callable[..., Person]
Speak = Callable[[str], Voice]

# Each takes away the letters that a terminal of long ago, or a shell without a locale, does not have.
LATIN_1 = {"PYTHONIOENCODING": "latin-1"}
ASCII = {"LC_ALL": "C", "LANG": "", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


@pytest.fixture
def args(server: Server, room: str) -> list[str]:
    """Where to, and into which room."""
    return [server.host, str(server.irc_port), "--room", room]


def run(args: list[str], text: bytes, env: dict[str, str], redirected: str = "") -> subprocess.CompletedProcess[bytes]:
    """As a shell starts it, some of its streams redirected."""
    argv = ["sh", "-c", f'exec "$@" {redirected}', "sh", *CLIENT, *args]
    return subprocess.run(argv, input=text, env=env, capture_output=True, timeout=PATIENCE, check=False)


def one_line(done: subprocess.CompletedProcess[bytes], status: int, told: bytes) -> None:
    assert done.returncode == status, done.stderr
    assert done.stderr.count(b"\n") == 1, done.stderr
    assert done.stderr.startswith(b"mpchat")
    assert told in done.stderr
    assert done.stdout == b""


# What cannot be written


@pytest.mark.parametrize(
    ("encoding", "shown"), [(LATIN_1, "? ma\xf1ana ?".encode("latin-1")), (ASCII, b"? ma?ana ?")], ids=["latin-1", "C"]
)
def test_what_the_output_cannot_show_is_a_question_mark(
    args: list[str], env: dict[str, str], voice: Speak, encoding: dict[str, str], shown: bytes
) -> None:
    beto = voice("beto")
    done = run([*args, "--nick", "ana"], "😀 mañana 語\n".encode(), env | encoding)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].endswith(b"<ana> " + shown)
    assert beto.may_speak("PRIVMSG").endswith(":😀 mañana 語"), "the others read all of it"


@pytest.mark.parametrize("encoding", [LATIN_1, ASCII], ids=["latin-1", "C"])
def test_nor_in_a_terminal_does_an_emoji_end_the_client(
    join: Join, voice: Speak, env: dict[str, str], room: str, encoding: dict[str, str]
) -> None:
    env |= encoding
    ana, beto = join("ana"), voice("beto")
    beto.send(f"PRIVMSG {room} :😀 語", f"PRIVMSG {room} :hola")
    ana.sees(r"<beto> \? \?$")
    ana.sees("<beto> hola$")
    plain = join("carla", "--plain")
    beto.send(f"PRIVMSG {room} :😀 语")
    plain.sees(r"<beto> \? \?$")
    plain.type("adios\r")
    assert beto.may_speak("PRIVMSG").endswith(":adios")


def test_nor_does_a_complaint(env: dict[str, str]) -> None:
    one_line(run(["127.0.0.1", "1", "--nick", "😀"], b"", env | ASCII), 2, b"bad nick")
    one_line(run(["127.0.0.1", "1", "--nick", "-x"], b"", env | ASCII), 2, b"bad nick '-x'")
    one_line(run(["7311", "--nick", "x"], b"", env | ASCII), 2, b"(client 127.0.0.1 7311; send --port 7311)")
    done = run(["localhost", "ñ"], b"", env | LATIN_1)
    assert (done.returncode, done.stderr.count(b"\n")) == (2, 1)


# What is no text


def test_bytes_that_are_no_text_are_question_marks_and_one_is_told(
    args: list[str], env: dict[str, str], voice: Speak
) -> None:
    beto = voice("beto")
    done = run([*args, "--nick", "ana"], b"caf\xe9\n\xff\nhola\n", env)
    assert done.returncode == 0, done.stderr
    assert [beto.may_speak("PRIVMSG").rpartition(":")[2] for _ in range(3)] == ["caf?", "?", "hola"]
    assert done.stderr.count(b"not all of that was UTF-8") == 1


def test_nor_do_they_end_it_in_a_terminal(join: Join, voice: Speak) -> None:
    ana, beto = join("ana"), voice("beto")
    ana.child.send(b"caf\xe9")
    ana.until(lambda: "caf" in ana.bottom())
    ana.type("\r")
    assert beto.may_speak("PRIVMSG").endswith(":caf?")
    ana.sees("not all of that was UTF-8")
    ana.say("hola")
    assert beto.may_speak("PRIVMSG").endswith(":hola")
    ana.type("\x1b[A\x1b[A")  # Up, twice: it is remembered as it was said
    ana.until(lambda: ana.bottom().endswith("caf?") or ana.bottom().endswith("caf\udce9"))


def test_a_nick_that_is_no_text_is_asked_for_again(server: Server, env: dict[str, str]) -> None:
    ana = Person([server.host, str(server.irc_port), "--room", "#lobby"], env)
    ana.sees(r"nick \[")
    ana.child.send(b"jos\xe9\r")
    ana.sees("letters, digits and")
    ana.type("jose\r")
    ana.sees("keep these")
    ana.type("\r")
    ana.sees("connected to .* as jose")
    ana.close()


# Streams that are closed


def test_without_an_input_or_an_output_it_says_so(args: list[str], env: dict[str, str]) -> None:
    one_line(run([*args, "--nick", "ana"], b"", env, "<&-"), 2, b"standard input is closed")
    one_line(run([*args, "--nick", "ana"], b"hola\n", env, ">&-"), 2, b"standard output is closed")


def test_without_an_output_for_errors_it_talks(args: list[str], env: dict[str, str], voice: Speak) -> None:
    beto = voice("beto")
    done = run([*args, "--nick", "ana"], b"hola\n", env, "2>&-")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.endswith(b"<ana> hola\n")
    assert beto.may_speak("PRIVMSG").endswith(":hola")


@pytest.mark.parametrize("redirected", ["2>&-", "2>/dev/full", "<&- >&- 2>&-"])
def test_the_status_tells_where_words_cannot(env: dict[str, str], redirected: str) -> None:
    done = run(["127.0.0.1", "1", "--nick", "9lives"], b"", env, redirected)
    assert (done.returncode, done.stdout, done.stderr) == (2, b"", b"")


def test_streams_that_cannot_be_used_are_named(args: list[str], env: dict[str, str]) -> None:
    full = run([*args, "--nick", "ana"], b"hola\n", env, ">/dev/full")
    assert (full.returncode, full.stderr.splitlines()[-1]) == (
        1,
        b"mpchat: cannot write what is said: No space left on device",
    )
    sendq_reported = run([*args, "--nick", "ana"], b"", env, "0>/dev/null")
    assert (sendq_reported.returncode, sendq_reported.stderr.splitlines()[-1]) == (
        1,
        b"mpchat: cannot read standard input: Bad file descriptor",
    )


# Where to, and as whom


HOSTS = ["a" * 64 + ".example", "a..b", ".", "..", "a\nb", "x" * 3000, "ñ" * 64, ""]


@pytest.mark.parametrize("host", HOSTS)
def test_a_host_that_cannot_be_is_one_clear_line(env: dict[str, str], host: str) -> None:
    argv = [*CLIENT, host, "6667", "--nick", "ana"]
    done = subprocess.run(argv, input=b"", env=env, capture_output=True, timeout=PATIENCE, check=False)
    one_line(done, 1, b"cannot connect to ")


def test_nor_is_it_more_in_a_terminal(env: dict[str, str]) -> None:
    ana = Person(["a..b", "6667", "--nick", "ana"], env)
    ana.sees("mpchat: cannot connect to a..b:6667: that cannot be a host's name$")
    assert ana.ends() == 1
    assert b"Traceback" not in ana.raw


@pytest.mark.parametrize(("host", "port"), [("a\0b", 1), ("\udcff", 1), ("127.0.0.1", 65536), ("127.0.0.1", -1)])
def test_whatever_an_address_raises_is_no_connection(host: str, port: int) -> None:
    with pytest.raises(OSError, match=r"host's name|not known|No address"):
        asyncio.run(Connection.open(host, port))


@pytest.mark.parametrize("nick", ["", " ", "a b", b"\xff", b"jos\xe9", "a\nb", "\x1b[31m", "a\u200b", "a" * 31])
def test_a_nick_that_cannot_be_is_one_clear_line(env: dict[str, str], nick: str | bytes) -> None:
    argv = [*CLIENT, "127.0.0.1", "1", "--nick", nick]
    done = subprocess.run(argv, input=b"", env=env, capture_output=True, timeout=PATIENCE, check=False)
    one_line(done, 2, b"nick")


@pytest.mark.parametrize("room", [b"\xff", "a\nb", "#lobby\ufe0f", "a b"])
def test_a_room_that_cannot_be_is_one_clear_line(env: dict[str, str], room: str | bytes) -> None:
    argv = [*CLIENT, "127.0.0.1", "1", "--nick", "ana", "--room", room]
    done = subprocess.run(argv, input=b"", env=env, capture_output=True, timeout=PATIENCE, check=False)
    one_line(done, 2, b"not UTF-8" if room == b"\xff" else b"bad room")
