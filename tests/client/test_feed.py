"""Scripts and the server: what a pipe says behind a /command, `send`, and what the exit status tells of both."""

from __future__ import annotations

import asyncio
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from subprocess import PIPE

import pytest

from mpchat.client.conversation import Conversation
from mpchat.client.feed import Feed, Silence, entered
from mpchat.client.session import Session
from mpchat.client.status import REFUSED, REMOVED, WELL
from tests.client.conftest import Voice, Wire
from tests.client.person import pipe
from tests.running import PATIENCE, Server

Speak = Callable[[str], Voice]
Run = Callable[..., "subprocess.CompletedProcess[str]"]
Start = Callable[..., "subprocess.Popen[str]"]

IMPATIENT = (
    "import sys; from mpchat.client import feed; from mpchat.cli import main; feed.RETURN_SECONDS = 0.5;"
    "sys.exit(main())"
)


@pytest.fixture
def args(server: Server, room: str) -> list[str]:
    """Where to, and into which room."""
    return [server.host, str(server.irc_port), "--room", room]


@pytest.fixture
def send(server: Server, env: dict[str, str], room: str) -> Run:
    """Runs `send` into the room of the test."""

    def run(*args: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-m", "mpchat", "send", "--port", str(server.irc_port), "--to", room, *args]
        return subprocess.run(argv, input=text, env=env, capture_output=True, text=True, timeout=PATIENCE, check=False)

    return run


@pytest.fixture
def start(server: Server, env: dict[str, str]) -> Iterator[Start]:
    """Starts a command that goes on until the test ends it; the port is put behind the command's name."""
    running: list[subprocess.Popen[str]] = []

    def begin(command: str, *args: str, port: int = 0, program: str = "") -> subprocess.Popen[str]:
        where = (
            ["--port", str(port or server.irc_port)]
            if command != "client"
            else [server.host, str(port or server.irc_port)]
        )
        argv = [sys.executable, *(["-c", program] if program else ["-m", "mpchat"]), command, *where, *args]
        running.append(subprocess.Popen(argv, env=env, stdin=PIPE, stdout=PIPE, stderr=PIPE, text=True, bufsize=1))
        return running[-1]

    yield begin
    for one in running:
        one.kill()
        one.wait()
        for stream in (one.stdin, one.stdout, one.stderr):
            if stream:
                with suppress(BrokenPipeError):  # it ended before it had read what it was given
                    stream.close()


def give(process: subprocess.Popen[str], *lines: str) -> None:
    """Write to its standard input, which stays open."""
    assert process.stdin
    process.stdin.write("".join(f"{line}\n" for line in lines))
    process.stdin.flush()


def complaints(process: subprocess.Popen[str]) -> str:
    """What it has written to standard error, when it has ended."""
    assert process.stderr
    return process.stderr.read()


# A line behind a /command.


def test_what_was_meant_for_a_room_that_was_refused_is_not_said_elsewhere(
    args: list[str], env: dict[str, str], voice: Speak, server: Server, nicks: Iterator[str], room: str
) -> None:
    owner = server.irc(next(nicks))
    owner.join(f"{room}2")
    owner.ask(f"MODE {room}2 +k right")
    beto = voice("beto")
    script = (
        f"one\n/join {room}2 wrong\nhola\n/me waves\n/msg beto psst\n/join {room}2 right\ninside\n/join {room}\nlast\n"
    )
    done = pipe([*args, "--nick", "ana"], script, env)
    assert [beto.may_speak("PRIVMSG").rpartition(":")[2] for _ in range(3)] == ["one", "psst", "last"]
    assert next(line for line in owner.sync() if "PRIVMSG" in line).endswith(f"PRIVMSG {room}2 :inside")
    assert done.returncode == 4, done.stderr
    assert f"! that is not the key of {room}2: /join {room}2 KEY\n" in done.stderr
    assert f"! not said: hola (refused: JOIN {room}2)\n" in done.stderr
    assert "hola" not in done.stdout
    assert "!" not in done.stdout


def test_nor_is_anything_said_under_another_nickname(args: list[str], env: dict[str, str], voice: Speak) -> None:
    beto = voice("beto")
    done = pipe([*args, "--nick", "ana"], "/nick beto\nhola\n/nick ana2\nya\n", env)
    assert beto.may_speak("PRIVMSG").startswith(":ana2!")
    assert done.returncode == 4
    assert "! beto is taken, try another nickname\n" in done.stderr
    assert "! not said: hola" in done.stderr


@pytest.mark.parametrize(
    ("line", "refusal"),
    [
        ("/msg nadie hola", "nobody here is called nadie"),
        ("/topic x", "may do that"),
        ("/nik", "no such"),
    ],
)
def test_whatever_is_refused_the_status_tells(
    args: list[str], env: dict[str, str], voice: Speak, room: str, line: str, refusal: str
) -> None:
    beto = voice("beto")
    beto.send(f"MODE {room} +t")
    done = pipe([*args, "--nick", "ana"], f"{line}\n", env)
    assert (done.returncode, refusal in done.stderr, refusal in done.stdout) == (4, True, False)


def test_a_moderated_room_refuses(args: list[str], env: dict[str, str], voice: Speak, room: str, send: Run) -> None:
    beto = voice("beto")
    beto.send(f"MODE {room} +m")
    beto.may_speak("MODE")
    for done in (pipe([*args, "--nick", "ana"], "hola\n", env), send("hola")):
        assert done.returncode == 4
        assert f"not said: hola ({room}: Cannot send to channel)\n" in done.stderr


def test_a_command_whose_answer_was_lost_is_given_again(
    voice: Speak, wire: Wire, start: Start, room: str, server: Server, nicks: Iterator[str]
) -> None:
    beto, inside = voice("beto"), server.irc(next(nicks))
    inside.join(f"{room}2")
    client = start("client", "--room", room, "--nick", "ana", port=wire.port)
    beto.may_speak("JOIN")
    give(client, "one")
    assert beto.may_speak("PRIVMSG").endswith(":one")
    wire.hold(True)
    give(client, f"/join {room}2")
    inside.until("JOIN")
    wire.cut()
    _, err = client.communicate("hola\n", timeout=20)
    assert inside.until("PRIVMSG")[-1].endswith(f"PRIVMSG {room}2 :hola")
    assert client.returncode == 0, err


# An operator.


def test_kill_ends_a_script_that_does_not_come_back(
    start: Start, voice: Speak, room: str, server: Server, nicks: Iterator[str]
) -> None:
    beto = voice("beto")
    commands = {"client": "--room", "send": "--to", "tail": "--room"}
    clients = [start(name, "--nick", f"{name}1", option, room) for name, option in commands.items()]
    for _ in clients:
        beto.may_speak("JOIN")
    with server.irc(killer := next(nicks)) as root:
        root.ask("OPER root secret", *(f"KILL {name}1 :enough" for name in commands))
        for client in clients:
            assert client.wait(PATIENCE) == 3
            assert complaints(client).endswith(f"mpchat: {killer} removed you from the server: enough\n")


def test_kick_ends_what_concerns_the_room(start: Start, voice: Speak, room: str) -> None:
    beto = voice("beto")
    commands = {"client": "--room", "send": "--to", "tail": "--room"}
    clients = {name: start(name, "--nick", name, option, room) for name, option in commands.items()}
    for _ in clients:
        beto.may_speak("JOIN")
    beto.send(*(f"KICK {room} {name} :enough" for name in clients))
    assert clients["client"].stdout
    next(line for line in clients["client"].stdout if "kicked client" in line)
    beto.may_speak("KICK")
    beto.may_speak("KICK")
    beto.may_speak("KICK")
    for name, client in clients.items():
        if name != "tail":  # which speaks to nobody
            with suppress(BrokenPipeError):  # kicked before it had begun to read
                give(client, "hola")
                assert client.stdin
                client.stdin.close()
        assert client.wait(PATIENCE) == 3
        assert f"beto kicked you from {room} (enough)" in complaints(client)


def test_a_script_cannot_be_asked_for_a_password_and_does_not_come_back_when_it_is_there(
    args: list[str], env: dict[str, str], voice: Speak
) -> None:
    beto = voice("beto")
    done = pipe([*args, "--nick", "ana"], "/oper root\n/reconnect\nhola\n", env)
    assert beto.may_speak("PRIVMSG").endswith(":hola")
    assert done.returncode == 4
    assert "! there is nobody to ask for the password: /oper NAME PASSWORD\n" in done.stderr
    assert "! you are connected\n" in done.stderr


def test_nor_is_the_password_said_that_it_has_in_the_next_line(
    args: list[str], env: dict[str, str], voice: Speak
) -> None:
    beto = voice("beto")
    done = pipe([*args, "--nick", "ana"], "/oper root\nsecreto\nhola\n", env)
    assert beto.may_speak("PRIVMSG").endswith(":hola")
    assert done.returncode == 4
    assert "! not said: the line behind /oper, which may be the password\n" in done.stderr
    assert "secreto" not in done.stdout + done.stderr


def test_kick_before_a_script_is_all_in_ends_it_too() -> None:
    session = Session("ana", "#so", "0123456789abcdef", greets=False)
    conversation = Conversation(session, "127.0.0.1", 1, Silence(terminal=False), False, False, person=False)

    async def story() -> bool:
        waiting = asyncio.ensure_future(entered(conversation))
        await asyncio.sleep(0)
        session.opened(0.0)
        for line in (":s 001 ana :hi", ":ana!a@h JOIN #so", ":beto!b@h KICK #so ana :out", ":s PONG s mpchat-entrance"):
            conversation.show(session.heard(line, 0.0))
        return await waiting

    assert not asyncio.run(story())
    assert (conversation.outcome, conversation.failure) == (REMOVED, "beto kicked you from #so (out)")


# send


def test_send_says_its_text_and_nothing_else(send: Run, voice: Speak) -> None:
    beto = voice("beto")
    for text in (["hola", "mundo", "ñ"], ["--", "-x"], ["/quit"], ["//x"]):
        done = send(*text)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert beto.may_speak("PRIVMSG").endswith(":" + " ".join(text).removeprefix("-- "))


@pytest.mark.parametrize("text", [[], ["-"]])
def test_send_says_what_it_reads(send: Run, voice: Speak, text: list[str]) -> None:
    beto = voice("beto")
    lines = [f"line {number}" for number in range(25)]
    done = send(*text, text="\n".join(lines))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert [beto.may_speak("PRIVMSG").rpartition(":")[2] for _ in lines] == lines


def test_send_says_each_line_of_a_text(send: Run, voice: Speak) -> None:
    beto = voice("beto")
    assert send("uno\n\ndos\r\n").returncode == 0
    assert [beto.may_speak("PRIVMSG").rpartition(":")[2] for _ in range(2)] == ["uno", "dos"]


def test_send_to_a_person_enters_no_room(server: Server, send: Run, nicks: Iterator[str]) -> None:
    beto = server.irc(nick := next(nicks))
    beto.join("#lobby")
    assert send("--to", nick, "hola").returncode == 0
    heard = beto.until("PRIVMSG")
    assert heard[-1].endswith(f" PRIVMSG {nick} :hola")
    assert not any(" JOIN " in line for line in heard)


def test_send_is_refused(send: Run, voice: Speak, room: str, locked: Server) -> None:
    beto = voice("beto")
    for args, refusal in (
        (["--to", "nadie", "hola"], "not said: hola (nobody here is called nadie)"),
        (["--nick", "beto", "hola"], "beto: Nickname is already in use"),
        (["--port", str(locked.irc_port), "hola"], "Password incorrect"),
    ):
        done = send(*args)
        assert (done.returncode, done.stdout) == (4, "")
        assert done.stderr.splitlines()[-1] == f"mpchat: {refusal}"
        assert "mpchat: not said: hola" in done.stderr
    beto.send(f"MODE {room} +i")
    beto.may_speak("MODE")
    done = send("hola")
    first, *_, last = done.stderr.splitlines()
    assert (done.returncode, first, last) == (4, f"mpchat: {room} is for invited people only", "mpchat: not said: hola")


def test_send_to_a_room_that_it_would_make_says_nothing(send: Run, server: Server, room: str) -> None:
    done = send("hola")
    assert (done.returncode, done.stdout, done.stderr) == (
        4,
        "",
        f"mpchat: not said: hola\nmpchat: nobody is in {room}: not said\n",
    )
    assert send("--to", "#lobby", "hola").returncode == 0


def test_a_secret_room_hears_it(send: Run, voice: Speak, room: str) -> None:
    beto = voice("beto")
    beto.send(f"MODE {room} +s")
    beto.may_speak("MODE")
    assert send("hola").returncode == 0
    assert beto.may_speak("PRIVMSG").endswith(":hola")


@pytest.mark.parametrize(
    ("names", "batch", "is_refused"),
    [
        ("@ana", [], True),
        ("@ana", ["@batch=b;msgid=1 :beto!b@h PRIVMSG #so :ayer"], False),
        ("ana", [], False),
        ("@ana beto", [], False),
    ],
)
def test_a_room_was_there_where_somebody_is_or_spoke_or_it_has_another_operator(
    names: str, batch: list[str], is_refused: bool
) -> None:
    session = Session("ana", "#so", "0123456789abcdef", greets=False)
    conversation = Conversation(session, "127.0.0.1", 1, Silence(terminal=False), False, False, person=False)
    capabilities = "server-time echo-message message-tags batch draft/chathistory"

    async def story() -> None:
        feeding = asyncio.ensure_future(Feed(conversation, None, ["hola"], literally=True).run())
        session.opened(0.0)
        for line in (
            *(f":s CAP * LS :{capabilities}", f":s CAP * ACK :{capabilities}", ":s 001 ana :hi"),
            *(":ana!a@h JOIN #so", f":s 353 ana = #so :{names}", ":s 366 ana #so :End", ":s PONG s mpchat-entrance"),
            *(":s BATCH +b chathistory #so", *batch, ":s BATCH -b", ":s PONG s mpchat-past-1"),
        ):
            conversation.show(session.heard(line, 0.0))
        for number in (1, 2):
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            for line in (":ana!a@h PRIVMSG #so :hola", f":s PONG s mpchat-mark-{number}"):
                conversation.show(session.heard(line, 0.0))
        await asyncio.wait_for(feeding, PATIENCE)

    asyncio.run(story())
    assert (conversation.outcome, conversation.failure) == (
        (REFUSED, "nobody is in #so: not said") if is_refused else (WELL, "")
    )


def test_what_a_signal_stops_before_it_was_said_is_shown(start: Start, room: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        sender = start("send", "--to", room, "hola", "mundo", port=listener.getsockname()[1])
        listener.settimeout(PATIENCE)
        connection, _ = listener.accept()
        with connection:
            assert connection.recv(4096)  # it introduces itself, and is never let in
            sender.send_signal(signal.SIGTERM)
            assert connection.recv(4096)  # its goodbye
        assert sender.wait(PATIENCE) == 5
    assert "mpchat: not said: hola mundo\n" in complaints(sender)


def test_an_input_too_long_to_be_named_is_cut_short(wire: Wire, env: dict[str, str], tmp_path: Path) -> None:
    wire.close()
    lines = [f"{number:05}" for number in range(50_000)]
    path = tmp_path / "lines"
    path.write_text("\n".join(lines))
    argv = [sys.executable, "-m", "mpchat", "send", "--port", str(wire.port)]
    with path.open() as file:
        done = subprocess.run(argv, stdin=file, env=env, stderr=PIPE, text=True, timeout=PATIENCE, check=False)
    *named, cut, more, _ = done.stderr.replace("mpchat: ", "").replace("not said: ", "").splitlines()
    assert named == lines[: len(named)]
    assert lines[len(named)].startswith(cut)
    assert more == "the lines behind it in the input were not read, and not said"


def test_a_line_that_has_no_end_yet_is_named_too(start: Start, voice: Speak, room: str) -> None:
    beto = voice("beto")
    beto.send(f"MODE {room} +i")
    beto.may_speak("MODE")
    sender = start("send", "--to", room)
    assert sender.stdin
    sender.stdin.write("uno\ndos")
    sender.stdin.flush()
    assert sender.wait(PATIENCE) == 4
    assert complaints(sender).endswith("mpchat: not said: uno\nmpchat: not said: dos\n")


def test_a_command_whose_answer_a_signal_forestalls_is_named(start: Start, wire: Wire, voice: Speak, room: str) -> None:
    beto = voice("beto")
    client = start("client", "--room", room, port=wire.port)
    beto.may_speak("JOIN")
    give(client, "one")
    assert client.stdout
    next(line for line in client.stdout if line.endswith("one\n"))
    wire.hold(True)
    give(client, "/topic news", "two")
    beto.may_speak("TOPIC")
    client.send_signal(signal.SIGTERM)
    beto.may_speak("QUIT")
    wire.close()
    assert client.wait(PATIENCE) == 5
    assert re.findall(r"! (.+)", complaints(client)) == [
        "not confirmed, so perhaps not done: /topic",
        "not said: two",
    ]


@pytest.mark.parametrize(("line", "told"), [("hola", "not said: hola"), ("/oper root secret", "not done: /oper")])
def test_what_is_typed_after_the_goodbye_is_not_said_and_told(
    line: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    session = Session("ana", "#so", "0123456789abcdef")
    conversation = Conversation(session, "127.0.0.1", 1, Silence(terminal=False), False, False)

    async def story() -> None:
        conversation.leave()
        conversation.type(line)
        conversation.type("")
        conversation.paste(["/tmp"], "#so")

    asyncio.run(story())
    assert capsys.readouterr().err == f"mpchat: {told}\nmpchat: not said: /tmp\n"


def test_send_is_used_wrongly(send: Run) -> None:
    for args in ([""], ["--to", "", "x"], ["--to", "#a b", "x"], ["--to", "a,b", "x"], ["--to", "9x", "x"], ["--what"]):
        done = send(*args)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), args


def test_send_has_nobody_to_talk_to(send: Run, wire: Wire) -> None:
    wire.close()
    done = send("--port", str(wire.port), "hola")
    assert (done.returncode, done.stderr.count("\n")) == (1, 2)
    assert "not said: hola" in done.stderr
    assert "cannot connect" in done.stderr


def test_send_has_the_password(send: Run, locked: Server, tmp_path_factory: pytest.TempPathFactory) -> None:
    secret = tmp_path_factory.mktemp("secret") / "file"
    secret.write_text("open sesame\n")
    done = send("--port", str(locked.irc_port), "--password-file", str(secret), "--to", "#lobby", "hola")
    assert (done.returncode, done.stderr) == (0, "")


def test_send_tells_what_was_lost(start: Start, wire: Wire, voice: Speak, room: str) -> None:
    beto = voice("beto")
    sender = start("send", "--to", room, port=wire.port, program=IMPATIENT)
    give(sender, "one")
    beto.may_speak(":one")
    wire.close()
    _, err = sender.communicate("two\n", timeout=PATIENCE)
    assert sender.returncode == 5
    assert re.search(r"^mpchat: not (said|confirmed, so perhaps not delivered): two$", err, re.MULTILINE)
    assert "mpchat: given up: the server has not confirmed the last lines (" in err


def test_a_signal_before_all_came_back_is_a_loss(start: Start, wire: Wire, voice: Speak, room: str) -> None:
    beto = voice("beto")
    reader, speaker = start("send", "--to", room, port=wire.port), start("client", "--room", room, port=wire.port)
    beto.may_speak("JOIN")
    beto.may_speak("JOIN")
    for script in (reader, speaker):
        give(script, "one")
        beto.may_speak(":one")
    wire.hold(True)
    for script in (reader, speaker):
        give(script, "two")
        beto.may_speak(":two")
        script.send_signal(signal.SIGTERM)
    wire.close()
    for script in (reader, speaker):
        assert script.wait(PATIENCE) == 5
        assert "not confirmed, so perhaps not delivered: two" in complaints(script)
