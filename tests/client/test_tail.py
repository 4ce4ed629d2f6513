"""`tail`: a line for each message, at once, through losses of the connection, until a signal or its reader ends it."""

from __future__ import annotations

import asyncio
import datetime
import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from subprocess import DEVNULL, PIPE

import pytest

from tests.client.conftest import Voice, Wire
from tests.client.test_resuming import told
from tests.client.tiny import ROOM, Tiny
from tests.running import PATIENCE, Server

Speak = Callable[[str], Voice]
Start = Callable[..., "subprocess.Popen[str]"]

TAIL = [sys.executable, "-m", "mpchat", "tail"]


@pytest.fixture
def tail(server: Server, env: dict[str, str], room: str, voice: Speak) -> Iterator[Start]:
    """Starts `tail` in the room of the test, and waits until it is there."""
    running: list[subprocess.Popen[str]] = []

    def start(*args: str, port: int = 0) -> subprocess.Popen[str]:
        witness = voice("witness")
        argv = [*TAIL, "--port", str(port or server.irc_port), "--nick", "tail", "--room", room, *args]
        running.append(subprocess.Popen(argv, env=env, stdin=DEVNULL, stdout=PIPE, stderr=PIPE, encoding="utf-8"))
        witness.may_speak("JOIN")
        return running[-1]

    yield start
    for one in running:
        one.kill()
        one.wait()
        for stream in (one.stdout, one.stderr):
            if stream:
                stream.close()


def line(process: subprocess.Popen[str]) -> str:
    """The next line, which must come while the process goes on: it was flushed."""
    assert process.stdout
    return process.stdout.readline().rstrip("\n")


def test_a_line_for_each_message_and_for_nothing_else(tail: Start, voice: Speak, room: str) -> None:
    process, beto = tail(), voice("beto")
    beto.send(f"TOPIC {room} :new", f"PRIVMSG {room} :hola ñ", f"PRIVMSG {room} :\x01ACTION waves\x01")
    beto.send(
        f"NOTICE {room} :beep", "PRIVMSG tail :psst \x1b[31m\x02red", f"PRIVMSG {room} :\x01VERSION\x01", "AWAY :x"
    )
    shown = [line(process) for _ in range(4)]
    assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ", text) for text in shown)
    assert [text[20:] for text in shown] == [
        "<beto> hola ñ",
        "<*beto> waves",
        "-beto- beep",
        "<beto -> you> psst [31mred",
    ]
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE) == 0
    assert process.stdout
    assert process.stderr
    assert process.stdout.read() == ""
    assert process.stderr.read() == "mpchat: connected to mpchat.local as tail\n"


def test_json_has_the_same_keys_each_time(tail: Start, env: dict[str, str], voice: Speak, room: str) -> None:
    env |= {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}  # JSON is UTF-8 in any locale
    process, beto = tail("--json"), voice("beto")
    beto.send(
        f'PRIVMSG {room} :ñ "语"', f"PRIVMSG {room} :\x01ACTION waves\x01", f"NOTICE {room} :beep", "PRIVMSG tail :psst"
    )
    objects = [json.loads(line(process)) for _ in range(4)]
    assert [list(told) for told in objects] == [["time", "room", "nick", "text", "kind"]] * 4
    assert [(told["room"], told["nick"], told["text"], told["kind"]) for told in objects] == [
        (room, "beto", 'ñ "语"', "message"),
        (room, "beto", "waves", "action"),
        (room, "beto", "beep", "notice"),
        ("", "beto", "psst", "message"),
    ]
    for said in objects:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", said["time"])
        at = datetime.datetime.fromisoformat(said["time"].replace("Z", "+00:00"))
        assert abs((datetime.datetime.now(datetime.timezone.utc) - at).total_seconds()) < 60
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == 0


def test_it_ends_when_its_reader_does_and_not_at_the_next_message(tail: Start, voice: Speak) -> None:
    process, beto = tail(), voice("beto")
    assert process.stdout
    assert process.stderr
    process.stdout.close()
    beto.may_speak("QUIT")
    assert process.wait(PATIENCE) == 0
    assert "Error" not in process.stderr.read()


def test_what_was_missed_comes_once_and_in_order(tail: Start, wire: Wire, voice: Speak, room: str) -> None:
    process, beto = tail(port=wire.port), voice("beto")
    beto.send(f"PRIVMSG {room} :line 0")
    assert line(process).endswith("<beto> line 0")
    for number in (1, 11):
        wire.pause(True)
        wire.cut()
        beto.may_speak("QUIT")
        beto.send(*(f"PRIVMSG {room} :line {at}" for at in range(number, number + 10)), f"PING {number}")
        beto.may_speak("PONG")
        wire.pause(False)
        beto.may_speak("JOIN")
    beto.send(f"PRIVMSG {room} :line 21")
    assert [line(process).partition("> ")[2] for _ in range(21)] == [f"line {number}" for number in range(1, 22)]
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == 0
    assert process.stdout
    assert process.stdout.read() == ""


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_a_gap_is_shown_where_it_is(form: list[str], env: dict[str, str]) -> None:
    @told
    async def story() -> None:
        async with Tiny() as tiny:
            argv = [*TAIL, "--port", str(tiny.port), "--nick", "ana", "--room", ROOM, *form]
            process = await asyncio.create_subprocess_exec(*argv, env=env, stdout=PIPE, stderr=PIPE)
            assert process.stdout
            assert process.stderr
            while b"connected to" not in (await process.stderr.readline()):
                pass
            await tiny.asked.get()
            tiny.say("before")
            shown = [await process.stdout.readline()]
            tiny.refuses_history = True
            tiny.cut()
            await tiny.asked.get()
            tiny.say("behind")
            shown += [await process.stdout.readline() for _ in range(2)]
            process.terminate()
            rest, err = await process.communicate()
            assert (process.returncode, rest) == (0, b""), err
        if form:
            objects = [json.loads(text) for text in shown]
            assert [told["kind"] for told in objects] == ["message", "gap", "message"]
            assert (objects[1]["room"], objects[1]["nick"]) == (ROOM, "")
        else:
            assert [text.decode()[20:].rstrip() for text in shown] == [
                "<beto> before",
                f"! {ROOM}: some messages are missing here",
                "<beto> behind",
            ]

    story()


def test_what_cannot_be_followed_is_told(
    server: Server, env: dict[str, str], voice: Speak, wire: Wire, room: str
) -> None:
    beto = voice("beto")
    beto.send(f"MODE {room} +k key")
    beto.may_speak("MODE")
    wire.close()
    for args, status, words in (
        (["--port", str(server.irc_port), "--room", room], 4, f"mpchat: {room} needs its key: /join {room} KEY\n"),
        (["--port", str(server.irc_port), "--nick", "beto"], 4, "mpchat: beto: Nickname is already in use\n"),
        (["--port", str(wire.port)], 1, "mpchat: cannot connect to 127.0.0.1:"),
        (["--room", "#a b"], 2, "mpchat: bad room"),
        (["--room", ""], 2, "mpchat: there is no room to follow"),
        (["--host", "127.0.0.1:6667"], 2, "mpchat: bad host '127.0.0.1:6667': the port is a word of its own"),
        (["--host", "7311"], 2, "mpchat: bad host '7311': the port is a word of its own (client 127.0.0.1 7311; send "),
        (["--nick", "-x"], 2, "mpchat: bad nick '-x': letters, digits and "),
        (["--nick", "--json"], 2, "mpchat tail: argument --nick: expected one argument"),
        (["--what"], 2, "mpchat tail: unrecognized arguments: --what"),
    ):
        done = subprocess.run([*TAIL, *args], env=env, capture_output=True, text=True, timeout=PATIENCE, check=False)
        assert (done.returncode, done.stdout) == (status, "")
        assert words in done.stderr


@pytest.mark.parametrize("command", ["client", "send", "tail"])
def test_the_statuses_are_in_the_help(server: Server, command: str) -> None:
    shown = server.run(command, "--help").stdout
    for status, word in enumerate(("came back", "not connected", "wrongly", "KICK", "moderated", "lost")):
        assert re.search(rf"^  {status}  .*{word}", shown, re.MULTILINE), shown
