"""The client without a terminal, or in one it must not draw on."""

import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import PIPE

import pytest

from tests.client.conftest import Voice, Wire
from tests.client.person import CLIENT, Person, pipe, read_file
from tests.running import Server

Join = Callable[..., Person]
Speak = Callable[[str], Voice]
Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def args(server: Server, room: str) -> list[str]:
    """Where to, and into which room."""
    return [server.host, str(server.irc_port), "--room", room]


def test_what_is_piped_in_is_delivered_before_it_ends(args: list[str], env: dict[str, str], voice: Speak) -> None:
    beto = voice("beto")
    done = pipe([*args, "--nick", "ana"], "hola\n/me waves\nlast without a line end", env)
    assert done.returncode == 0, done.stderr
    assert beto.may_speak("PRIVMSG").endswith(":hola")
    assert beto.may_speak("PRIVMSG").endswith("\x01ACTION waves\x01")
    assert beto.may_speak("PRIVMSG").endswith(":last without a line end")
    assert "<ana> hola" in done.stdout
    assert "\x1b" not in done.stdout
    assert "connected to" in done.stderr
    assert "connected to" not in done.stdout


def test_a_file_is_said_in_order_and_whole(args: list[str], env: dict[str, str], voice: Speak, tmp_path: Path) -> None:
    beto = voice("beto")
    lines = [f"line {number}" for number in range(14)]
    (tmp_path / "lines.txt").write_text("\n".join(lines))
    done = read_file([*args, "--nick", "ana"], tmp_path / "lines.txt", env)
    assert done.returncode == 0, done.stderr
    assert [beto.may_speak("PRIVMSG").rpartition(":")[2] for _ in lines] == lines


def test_nothing_to_say_is_no_failure(args: list[str], env: dict[str, str]) -> None:
    assert pipe([*args, "--nick", "ana"], "", env).returncode == 0


def test_quit_ends_it_before_the_input_does(args: list[str], env: dict[str, str]) -> None:
    done = pipe([*args, "--nick", "ana"], "one\n/quit\ntwo\n", env)
    assert done.returncode == 0
    assert "two" not in done.stdout


def test_scripts_learn_from_the_exit_status(args: list[str], env: dict[str, str], voice: Speak, wire: Wire) -> None:
    voice("ana")
    taken = pipe([*args, "--nick", "ana"], "hola\n", env)
    assert (taken.returncode, taken.stdout) == (4, "")
    assert re.match(r"\S+ ! not said: hola\nmpchat: ana: ", taken.stderr)
    bad = pipe([*args, "--nick", "9lives"], "hola\n", env)
    assert (bad.returncode, bad.stderr.count("\n")) == (2, 1)
    wire.close()
    nobody = pipe(["127.0.0.1", str(wire.port)], "hola\n", env)
    assert (nobody.returncode, nobody.stderr.count("\n")) == (1, 2)


def test_a_room_that_does_not_let_us_in_is_a_failure(
    args: list[str], env: dict[str, str], voice: Speak, room: str
) -> None:
    beto = voice("beto")
    beto.send(f"MODE {room} +i")
    beto.may_speak("MODE")
    done = pipe([*args, "--nick", "ana"], "hola\n", env)
    assert done.returncode == 4
    assert re.search(rf"! you are not in {room}\n\S+ ! not said: hola\n$", done.stderr)


def test_plain_in_a_terminal_only_appends(join: Join, voice: Speak, room: str) -> None:
    ana, beto = join("ana", "--plain", "--color", "never"), voice("beto")
    ana.type("hola\r")
    beto.may_speak(":hola")
    ana.sees("^hola$")
    ana.type("uno\rdos\r")
    ana.sees(r"send 2 lines to #\S+\? \[y/N\]")
    ana.type("y\r")
    beto.may_speak(":dos")
    assert b"\x1b" not in ana.raw
    ana.type("\x04")
    assert ana.ends() == 0


def test_what_is_typed_behind_a_question_is_asked_about_too(join: Join, voice: Speak) -> None:
    ana, beto = join("ana", "--plain", "--color", "never"), voice("beto")
    ana.type("uno\rdos\r")
    ana.sees(r"send 2 lines to #\S+\?")
    ana.type("tres\r")
    ana.sees(r"send 3 lines to #\S+\?")
    ana.type("yo no\r/me baila\r")
    ana.sees(r"send and obey 5 lines that came at once\?")
    ana.type("yes\rfin\r")
    for text in ("uno", "dos", "tres", "yo no", "\x01ACTION baila\x01", "fin"):
        assert beto.may_speak("PRIVMSG").endswith(f":{text}")
    ana.type("seis\rsiete\rocho\rnueve\r")
    ana.sees(r"send 4 lines to #\S+\?")  # no question before was about so many: what is seen is this one
    ana.type("no\r")
    ana.sees("-- not sent")
    ana.type("/oper root\r")
    ana.sees("-- password of root:")
    ana.type("wrong\rdiez\r")
    assert beto.may_speak("PRIVMSG").endswith(":diez")


def test_in_plain_lines_ones_own_line_is_there_once(join: Join, voice: Speak, room: str) -> None:
    ana, beto = join("ana", "--plain", "--color", "never"), voice("beto")
    ana.sees("beto joined")
    for typed, said in (("hola", ":hola"), ("/me waves", "waves"), ("/msg beto psst", ":psst")):
        ana.type(f"{typed}\r")
        assert said in beto.may_speak("PRIVMSG")
    ana.type("/names\r")
    ana.sees(r"in #\S+ \(2\): .*beto")
    text = "\n".join(ana.lines())
    assert [text.count(word) for word in ("hola", "waves", "psst")] == [1, 1, 1]
    beto.send(f"PRIVMSG {room} :hola ana")
    ana.sees("<beto> hola ana")


_WITHOUT_ECHO = """
import sys, termios
flags = termios.tcgetattr(0)
flags[3] &= ~termios.ECHO
termios.tcsetattr(0, termios.TCSANOW, flags)
from mpchat.cli import main
sys.exit(main(["client", *sys.argv[1:]]))
"""


def test_where_the_terminal_does_not_show_what_is_typed_the_client_does(join: Join) -> None:
    ana = join("ana", "--plain", "--color", "never", client=[sys.executable, "-c", _WITHOUT_ECHO])
    ana.type("hola\r")
    ana.sees(r"^\d\d:\d\d <ana> hola$")


def test_a_dumb_terminal_gets_plain_lines(join: Join, env: dict[str, str]) -> None:
    env["TERM"] = "dumb"
    ana = join("ana")
    ana.type("hola\r/names\r")
    ana.sees(r"send and obey 2 lines that came at once\? \[y/N\]")
    ana.type("y\r")
    ana.sees(r"in #\S+ \(1\): @ana$")
    ana.until(lambda: sum("(1): @ana" in line for line in ana.lines()) == 2)
    assert b"\x1b" not in ana.raw
    ana.type("\x03")
    assert ana.ends() == 0


def test_without_prompt_toolkit_it_says_so_and_goes_on(join: Join, env: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "prompt_toolkit.py").write_text("raise ModuleNotFoundError('gone', name='prompt_toolkit')\n")
    env["PYTHONPATH"] = f"{tmp_path}:{env.get('PYTHONPATH', '')}"
    ana = join("ana")
    ana.sees("^mpchat: prompt_toolkit is not installed")
    ana.type("/topic hola\r")
    ana.sees(r"\* ana set the topic of #\S+: hola")


@pytest.fixture
def script(args: list[str], env: dict[str, str], voice: Speak) -> Iterator[Start]:
    """Starts the client as a long-running script would, and waits until it is in the room."""
    running: list[subprocess.Popen[bytes]] = []

    def start(port: int = 0) -> subprocess.Popen[bytes]:
        beto = voice("witness")
        where = [args[0], str(port or args[1]), *args[2:]]
        argv = [*CLIENT, *where, "--nick", "ana"]
        running.append(subprocess.Popen(argv, env=env, stdin=PIPE, stdout=PIPE, stderr=PIPE))
        beto.may_speak("JOIN")
        return running[-1]

    yield start
    for client in running:
        client.kill()
        client.communicate()


def test_a_reader_that_goes_away_ends_it(script: Start, voice: Speak, room: str) -> None:
    client = script()
    assert client.stdout
    assert client.stderr
    client.stdout.close()
    voice("beto").send(f"PRIVMSG {room} :hola", f"PRIVMSG {room} :again")
    assert client.wait(10) == 0
    assert b"Error" not in client.stderr.read()


def test_a_loss_loses_nothing_of_a_script(script: Start, wire: Wire, voice: Speak) -> None:
    client = script(wire.port)
    beto = voice("beto")
    assert client.stdin
    for number in range(3):
        client.stdin.write(f"before {number}\n".encode())
        client.stdin.flush()
        wire.cut()
        client.stdin.write(f"after {number}\n".encode())
        client.stdin.flush()
    out, err = client.communicate(timeout=20)
    assert client.returncode == 0, err
    for number in range(3):
        assert beto.may_speak("PRIVMSG").endswith(f":before {number}")
        assert beto.may_speak("PRIVMSG").endswith(f":after {number}")
    assert out.decode().count("before") == out.decode().count("after") == 3
    assert b"trying again..." in err


def test_a_script_whose_server_does_not_come_back_is_told(args: list[str], env: dict[str, str], wire: Wire) -> None:
    impatient = "import sys; from mpchat.client import feed; from mpchat.cli import main; feed.RETURN_SECONDS = 0.5;"
    argv = [sys.executable, "-c", f"{impatient} sys.exit(main())", "client", args[0], str(wire.port), "--nick", "ana"]
    with subprocess.Popen(argv, env=env, stdin=PIPE, stdout=PIPE, stderr=PIPE) as client:
        assert client.stdin
        assert client.stdout
        assert client.stderr
        client.stdin.write(b"one\n")
        client.stdin.flush()
        next(line for line in client.stdout if b"<ana> one" in line)
        wire.close()
        client.stdin.write(b"two\n")
        client.stdin.close()
        assert client.wait(10) == 5
        assert client.stderr.read().endswith(b"mpchat: given up: the server has not confirmed the last lines (1)\n")


def test_control_c_leaves_normally(script: Start, voice: Speak) -> None:
    client = script()
    beto = voice("beto")
    client.send_signal(signal.SIGINT)
    assert client.wait(10) == 0
    beto.may_speak("QUIT")


def test_where_words_go_is_told_whenever_it_changes(join: Join, voice: Speak, room: str) -> None:
    beto = voice("beto")
    ana = join("ana", "--plain")
    ana.type("/join #lobby\n")
    ana.sees("-- now talking in #lobby")
    ana.type(f"/join {room}\n")
    ana.sees(f"-- now talking in {room}")
    ana.type("uno\ndos\n")
    ana.sees(rf"send 2 lines to {room}\? \[y/N\]")
    beto.send(f"KICK {room} ana")
    ana.sees("-- your words go nowhere now: /query turns to #lobby, /join #room")
    ana.type("y\n")
    ana.sees("! not said: dos .*beto kicked you")
    ana.type("tres\ncuatro\n")
    ana.sees("! not said: cuatro .*beto kicked you")
    ana.type("/part #lobby\n")
    ana.sees("ana left #lobby")


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        (["send", "--to"], ""),
        (["tail", "--room"], "connected to"),
        (["client", "--nick=ana", "--plain", "--room"], r"in #\S+ \(2\)"),
    ],
)
def test_what_comes_behind_control_c_begins_a_line(
    server: Server, env: dict[str, str], voice: Speak, room: str, command: list[str], shown: str
) -> None:
    beto = voice("beto")
    where = [server.host, str(server.irc_port)]
    name, *options = command
    where = where if name == "client" else ["--host", where[0], "--port", where[1]]
    ana = Person([name, *where, *options, room], env, client=CLIENT[:-1])
    beto.may_speak("JOIN")
    ana.sees(shown)
    ana.type("\x03")
    ana.until(lambda: ana.raw.endswith(b"^C\r\n"))
    assert ana.ends() == 0
    ana.close()
