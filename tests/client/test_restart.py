"""The real client while the real server is restarted on its data, or out of reach: nothing is lost, or comes twice."""

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from subprocess import PIPE

import pytest

from tests.client.conftest import Wire
from tests.client.person import CLIENT, Person
from tests.running import IrcClient, Server, running

LINES = 200


@pytest.fixture
def first(tmp_path: Path) -> Iterator[Server]:
    """A server that a test ends in its own way."""
    server = Server("--unlimited", data=tmp_path / "data")
    yield server
    server.stop(signal.SIGKILL)


@pytest.fixture
def to_first(first: Server) -> Iterator[Wire]:
    """A wire to it, which can lead to another one later."""
    wire = Wire(first)
    yield wire
    wire.close()


@pytest.fixture
def script(to_first: Wire, env: dict[str, str]) -> Iterator["subprocess.Popen[str]"]:
    """The client as a script uses it."""
    argv = [*CLIENT, "127.0.0.1", str(to_first.port), "--nick", "ana"]
    client = subprocess.Popen(argv, env=env, stdin=PIPE, stdout=PIPE, stderr=PIPE, text=True, bufsize=1)
    yield client
    with client:  # which closes its files
        client.kill()


def recorded(server: Server, room: str) -> list[str]:
    """What the history says was said in a room last."""
    with server.irc("carla", caps="batch draft/chathistory message-tags server-time") as carla:
        carla.join(room)
        answer = carla.ask(f"CHATHISTORY LATEST {room} * 100")
    return [line.partition(" PRIVMSG ")[2].partition(" :")[2] for line in answer if " PRIVMSG " in line]


@pytest.mark.parametrize("end", [signal.SIGTERM, pytest.param(signal.SIGKILL, marks=pytest.mark.slow)])
def test_a_script_outlives_a_restart_of_the_server(
    end: signal.Signals, first: Server, to_first: Wire, script: "subprocess.Popen[str]", tmp_path: Path
) -> None:
    assert script.stdin
    assert script.stdout
    lines = [f"line {number}" for number in range(LINES)]
    script.stdin.write("\n".join(lines[:100]) + "\n")
    shown = [next(text for text in script.stdout if f"{line}\n" in text) for line in lines[:20]]
    first.stop(end)  # it is in the middle of them
    with running("--unlimited", data=tmp_path / "data") as second:
        to_first.lead_to(second)
        script.stdin.write("\n".join(lines[100:]) + "\n")
        script.stdin.close()
        # Not communicate(): it reads from the descriptor, and these lines may be in the file's buffer already.
        shown += [text for text in script.stdout if "> " in text]
        assert script.stderr
        err = script.stderr.read()
        assert script.wait(timeout=30) == 0, err
        assert [text.strip().partition("> ")[2] for text in shown] == lines, err
        assert recorded(second, "#lobby") == lines[-100:]


def test_a_person_reads_what_was_said_while_the_wire_was_cut(
    server: Server, wire: Wire, join: Callable[..., Person], room: str, nicks: Iterator[str]
) -> None:
    ana = join("ana", port=wire.port)
    beto = server.irc(nick := next(nicks))
    beto.join(room)
    ana.sees(f"{nick} joined")
    ana.say("hola")
    ana.sees("<ana> hola")
    wire.pause(True)
    wire.cut()
    ana.sees("connection lost")
    beto.send(*(f"PRIVMSG {room} :missed {number}" for number in range(150)))
    beto.sync()
    ana.say("here I am")
    wire.pause(False)
    ana.sees("<ana_?> here I am")
    said = [line.partition("> ")[2] for line in ana.lines() if f"<{nick}> missed" in line]
    assert said == [f"missed {number}" for number in range(150)]
    assert not any("missing" in line for line in ana.lines())


def test_a_server_with_other_data_says_so_in_words_for_a_person(
    server: Server, bare: Server, wire: Wire, join: Callable[..., Person], room: str
) -> None:
    ana = join("ana", "--color", "never", port=wire.port, columns=160)
    ana.say("hola")
    ana.sees("<ana> hola")
    wire.lead_to(bare)
    for times in (1, 2):  # what it did not know is forgotten, and not asked for again
        wire.cut()
        ana.until(lambda: sum("back on mpchat.local" in line for line in ana.lines()) == times)  # noqa: B023
        ana.until(lambda: ana.bottom().startswith("ana") and ana.bottom().endswith(">"))
    told = [line[6:] for line in ana.lines() if "missing" in line or "msgid" in line]
    assert told == [f"! {room}: the server has another past than before: what was said meanwhile may be missing"]


def test_without_a_connection_one_turns_to_a_person_and_not_to_another_room(
    wire: Wire, join: Callable[..., Person]
) -> None:
    ana = join("ana", port=wire.port, columns=160)
    wire.pause(True)
    wire.cut()
    ana.sees("connection lost")
    ana.say("/query beto")
    ana.until(lambda: ana.bottom().startswith("ana beto>"))
    ana.say("/query")
    ana.say("/join #so")
    ana.sees("-- your words go nowhere now")
    ana.say("el secreto")
    ana.sees(r"! not said: el secreto \(/join was refused: not connected\)$")
    wire.pause(False)
    ana.sees("-- back on")
    ana.until(lambda: ana.bottom() == "ana>")
    assert not any("<ana" in line for line in ana.lines())


def test_private_words_do_not_wait_for_whoever_takes_the_nickname(
    server: Server, wire: Wire, join: Callable[..., Person], room: str, nicks: Iterator[str]
) -> None:
    beto, stranger = server.irc(nick := next(nicks)), server.irc(next(nicks))
    stranger.join(room)
    ana = join("ana", port=wire.port, columns=160)
    ana.say(f"/query {nick}")
    wire.pause(True)
    wire.cut()
    ana.sees("connection lost")
    ana.say("el secreto")
    ana.sees(rf"! not said: el secreto \(the connection was lost: {nick} may be somebody else now\)$")
    beto.send("QUIT")
    beto.rest()
    stranger.ask(f"NICK {nick}")
    ana.say("/query")
    ana.say("para la sala")
    wire.pause(False)
    ana.sees("<ana_?> para la sala")
    assert not any("secreto" in line for line in stranger.sync())


def made_after(maker: IrcClient, room: str, second: int) -> None:
    """Make a room later than in that second: it is all by which the server tells one room from another."""
    made = 0
    while made <= second:
        maker.ask(f"PART {room}")
        maker.join(room)
        made = int(maker.ask(f"MODE {room}")[-1].rpartition(" ")[2].lstrip(":"))


@pytest.mark.parametrize("mode", ["+i", "+t"])
def test_nothing_is_said_in_another_room_of_the_same_name(
    bare: Server, wire: Wire, join: Callable[..., Person], room: str, mode: str
) -> None:
    """On a server that knows nothing of us."""
    room += mode[1]  # the first one's is kept for ana, where she was
    ana = join("ana", "--room", room, port=wire.port, columns=160)
    ana.say(f"/mode {mode}")
    ana.sees(rf"changed the modes of \S+: \{mode}")
    second = int(time.time())
    wire.pause(True)
    wire.cut()
    ana.sees("connection lost")
    ana.say("el secreto")
    mallory = bare.irc("mallory")
    made_after(mallory, room, second)
    wire.lead_to(bare)
    wire.pause(False)
    why = f"this {room} is not the room that you were in"
    ana.sees(f"! {why}$")
    ana.sees(rf"! not said: el secreto \({why}\)$")
    ana.sees(f"-- your words go nowhere now: /query turns to {room}")
    ana.say("otra cosa")
    ana.sees(rf"! not said: otra cosa \({why}\)$")
    ana.say("/query")
    ana.say("hola")
    assert mallory.until("PRIVMSG")[-1].endswith(":hola")


def test_a_person_who_enters_reads_the_last_lines_and_more_if_asked(
    server: Server, join: Callable[..., Person], room: str, nicks: Iterator[str]
) -> None:
    beto = server.irc(nick := next(nicks))
    beto.join(room)
    beto.ask(*(f"PRIVMSG {room} :old {number}" for number in range(30)))
    ana = join("ana")
    ana.sees(f"-- earlier in {room}:$")
    ana.sees(f"<{nick}> old 29$")
    assert not any("old 9" in line for line in ana.lines())
    ana.say("/history 25")
    ana.sees(f"-- the history of {room}:$")
    ana.sees(f"<{nick}> old 5$")


@pytest.mark.parametrize("end", [signal.SIGTERM, pytest.param(signal.SIGKILL, marks=pytest.mark.slow)])
def test_an_operator_is_one_again_after_a_restart(
    end: signal.Signals, first: Server, to_first: Wire, env: dict[str, str], tmp_path: Path
) -> None:
    with closing(Person(["127.0.0.1", str(to_first.port), "--nick", "ana", "--room", "#g"], env)) as ana:
        ana.sees(r"in #g \(1\): @ana")
        ana.say("/mode +k llave")
        ana.sees(r"ana changed the modes of #g: \+k llave")
        first.stop(end)
        with running("--unlimited", data=tmp_path / "data") as second:
            to_first.lead_to(second)
            ana.sees("back on mpchat.local as ana")
            ana.sees(r"mpchat.local changed the modes of #g: \+o ana")
            beto = second.irc("beto")
            assert any("@ana" in line for line in beto.join("#g", "llave"))
            to_first.cut()
            ana.until(lambda: sum("back on mpchat.local as ana" in line for line in ana.lines()) == 2)
            ana.say("otra vez")
            assert beto.until("PRIVMSG")[-2:][0] == ":mpchat.local MODE #g +o ana"


def test_a_key_that_was_set_while_we_were_in_opens_the_room_again(
    server: Server, bare: Server, wire: Wire, join: Callable[..., Person], room: str, nicks: Iterator[str]
) -> None:
    """Also where the server knows nothing of us."""
    carla = bare.irc(next(nicks))
    carla.join(room)
    carla.ask(f"MODE {room} +k llave")
    ana = join("ana", port=wire.port)
    ana.say("/mode +k llave")
    ana.sees(r"changed the modes of \S+: \+k llave")
    wire.lead_to(bare)
    wire.cut()
    assert carla.until("JOIN")[-1].endswith(f" JOIN {room}")
    ana.sees(rf"in {room} \(2\)")


def test_what_a_lost_connection_still_holds_is_given_back(
    server: Server, wire: Wire, join: Callable[..., Person], room: str, nicks: Iterator[str]
) -> None:
    """The server believes in the old connection: its nickname and its room are not free."""
    beto = server.irc(next(nicks))
    ana = join(nick := next(nicks), port=wire.port)
    ana.say("/mode +i")
    ana.sees(r"changed the modes of \S+: \+i")
    wire.forget()
    ana.until(lambda: sum(f"back on mpchat.local as {nick}" in line for line in ana.lines()) == 1)
    ana.sees(rf"changed the modes of {room}: \+o {nick}")
    assert beto.ask(f"JOIN {room}")[0].startswith(":mpchat.local 473 ")


def test_a_room_that_sleeps_since_a_restart_is_woken_by_send(tmp_path: Path) -> None:
    folder, room = tmp_path / "data", "#sleeps"
    with running(data=folder) as server, server.irc("beto") as beto:
        beto.join(room)
        beto.ask(f"PRIVMSG {room} :ayer")
        server.stop()
    with running(data=folder) as server:
        done = server.run("send", "--port", str(server.irc_port), "--to", room, "hoy")
        assert (done.returncode, done.stderr) == (0, "")
        assert server.run("send", "--port", str(server.irc_port), "--to", "#sleeeps", "hoy").returncode == 4
