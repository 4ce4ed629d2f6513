"""scripts/bench.py: one checkout against another, and that its loads find what is wrong with what they read."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.benchmark.against import NAMES
from scripts.benchmark.generator import Member, registration
from scripts.benchmark.loads import Player, Room
from tests.running import Server
from tests.system.servers import needs_linux

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent.parent
FILLING = "." * 32


def bench(*args: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "scripts/bench.py", *args],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=110,
    )


# One checkout against another


def rows(table: str) -> dict[str, list[str]]:
    """The words of each scenario's row."""
    return {words[0]: words for line in table.splitlines() if (words := line.split()) and words[0] in NAMES}


@needs_linux
@pytest.mark.timeout(120)
def test_a_checkout_against_itself() -> None:
    scenarios = ["smallrooms", "registration", "idle"]

    done = bench("--against", ".", *scenarios, "--rounds", "1", "--seconds", "0.2")

    assert done.returncode == 0, done.stdout + done.stderr
    assert list(rows(done.stdout)) == scenarios
    for words in rows(done.stdout).values():
        figures = [float(word.replace(",", "")) for word in words if re.fullmatch(r"[\d,]*\d(\.\d+)?", word)]
        assert len(figures) >= 3, words
        assert all(figure > 0 for figure in figures), words
    assert [line.split(":")[0] for line in done.stderr.splitlines()] == [
        "smallrooms",
        "smallrooms 1/1",
        "registration",
        "registration 1/1",
        "idle",
    ]
    assert "none lost, doubled or reordered" in done.stdout


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """A checkout whose broker says what ours does not."""
    shutil.copytree(ROOT / "mpchat", tmp_path / "mpchat", ignore=shutil.ignore_patterns("__pycache__"))
    told = tmp_path / "mpchat" / "protocol" / "irc" / "server.py"
    text = told.read_text()
    assert "n.VERSION, w.version" in text
    told.write_text(text.replace("n.VERSION, w.version", 'n.VERSION, "another-" + w.version'))
    return tmp_path


@needs_linux
@pytest.mark.timeout(120)
def test_each_server_runs_its_own_code_with_its_own_options(other: Path) -> None:
    """Whatever is in the environment's PYTHONPATH, and even if the working directory is not to be imported from."""
    arguments = ["--rounds", "2", "--seconds", "0.1", "--caps", "server-time,message-tags", "--ours", "--log-json"]

    done = bench("--against", str(other), "fanout", "pingpong", *arguments, PYTHONPATH=str(ROOT), PYTHONSAFEPATH="1")

    assert done.returncode == 0, done.stdout + done.stderr
    ours, theirs, how, *_ = done.stdout.splitlines()[1:]
    assert re.fullmatch(rf"ours:   mpchat-\S+ in {ROOT} --log-json", ours)
    assert re.fullmatch(rf"theirs: another-mpchat-\S+ in {other}", theirs)
    assert how == "rounds: 2, of 0.1 s for each; --workers 1, CAP REQ :server-time message-tags"
    assert list(rows(done.stdout)) == ["fanout", "pingpong"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--against", "/nonesuch"], "bench: /nonesuch is not a folder"),
        (["--against", "Makefile"], "bench: Makefile is not a folder"),
        (["--against", "tests"], "bench: tests is no checkout of mpchat: there is no mpchat/__main__.py in it"),
        (
            ["--against", ".", "crowd"],
            "bench: with --against there is no 'crowd', only fanout, smallrooms, pingpong, registration, idle",
        ),
        (["smallrooms"], "bench: without --against there is no 'smallrooms', only fanout, pingpong, crowd, idle"),
        (["--ours", "--log-json"], "bench: --ours, --theirs and --caps go with --against"),
        (["--against", ".", "--ours", "--name 'a"], "bench: argument --ours: no closing quotation: --name 'a"),
        (["--rounds", "0"], "bench: argument --rounds: a number above 0, not 0"),
        (["--seconds", "nan"], "bench: argument --seconds: a number above 0, not nan"),
    ],
)
def test_what_cannot_be_is_said_in_a_line(arguments: list[str], complaint: str) -> None:
    done = bench(*arguments)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.removesuffix(" (--help shows what there is)\n").removesuffix("\n") == complaint


@needs_linux
@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--caps", "nonesuch"], "bench: ours (the server of {}) refuses CAP REQ :nonesuch"),
        (["--theirs", "--nonesuch"], "bench: theirs (the server of .) did not start"),
    ],
)
@pytest.mark.timeout(120)
def test_a_server_that_cannot_be_measured(arguments: list[str], complaint: str) -> None:
    done = bench("--against", ".", "pingpong", *arguments)

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(complaint.format(ROOT)), done.stderr


def test_who_is_refused_does_not_wait(locked: Server) -> None:
    member = Member((locked.host, locked.irc_port), "ana")
    with member.sock:
        member.send(registration("ana"))
        with pytest.raises(SystemExit, match=r"ana cannot register: \S+ 464 ana :Password incorrect"):
            member.await_registration()


def test_every_script_answers_help() -> None:
    """And nothing lies among them that is none."""
    scripts = [path for path in (ROOT / "scripts").iterdir() if path.is_file() and path.name != "__init__.py"]
    for script in scripts:
        program = sys.executable if script.suffix == ".py" else "sh"
        done = subprocess.run([program, str(script), "--help"], capture_output=True, text=True, timeout=20)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(f"usage: {script.name}")
        assert done.stderr == ""

    assert {"bench.py", "chaos.py", "bare.py", "trip.py"} <= {script.name for script in scripts}


# What the loads find


@pytest.fixture
def members() -> Iterator[list[Member]]:
    """Three who are connected to somebody who says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        connected = [Member(listener.getsockname(), f"m{number}") for number in range(3)]
        yield connected
        for member in connected:
            member.sock.close()


@pytest.fixture
def room(members: list[Member]) -> Room:
    """m0 and m1 publish, and each has said two messages."""
    room = Room("#bench0", members, publishers=2, in_flight=2)
    for publisher in room.publishers:
        room.say(publisher)
    return room


def told(*messages: tuple[int, int]) -> bytes:
    """What the members read of these: a publisher and a number each."""
    return b"".join(
        f":m{who}!~m{who}@127.0.0.1 PRIVMSG #bench0 :{who} {number} {FILLING}\r\n".encode() for who, number in messages
    )


ALL = told((0, 0), (1, 0), (1, 1), (0, 1))


def test_a_room_is_complete_when_all_have_read_all(room: Room) -> None:
    first, second, third = room.seats

    assert room.hear(first, memoryview(ALL))
    assert not room.complete()
    for at in range(0, len(ALL), 7):  # in pieces that end anywhere
        room.hear(second, memoryview(ALL[at : at + 7]))
        assert not room.hear(third, memoryview(ALL[at : at + 7])), "this one publishes nothing"

    assert room.complete()
    assert room.finish() == 4
    room.say(first)
    assert not room.complete()


def test_lines_with_tags_are_messages_too(room: Room) -> None:
    tagged = b"".join(b"@time=2026-01-01T00:00:00.000Z;msgid=x " + line for line in ALL.splitlines(keepends=True))

    for seat in room.seats:
        room.hear(seat, memoryview(tagged))

    assert room.complete()


@pytest.mark.parametrize(
    ("read", "complaint"),
    [
        (told((0, 1)), "message 1 where 0 was due"),
        (told((0, 0), (1, 0), (0, 0)), "message 0 where 1 was due"),
        (told((1, 1), (1, 0)), "publisher 1: message 1"),
        (ALL.replace(b"#bench0", b"#bench1"), "something else than messages"),
        (ALL.replace(b"....\r\n", b"...\r\n"), "something else than messages"),
        (b"PING :still there?\r\n", "something else than messages"),
    ],
)
def test_a_stream_that_is_wrong(room: Room, read: bytes, complaint: str) -> None:
    with pytest.raises(SystemExit, match=complaint):
        room.hear(room.seats[2], memoryview(read))


def test_a_member_who_reads_another_order(room: Room) -> None:
    room.hear(room.seats[0], memoryview(ALL))

    with pytest.raises(SystemExit, match="m2 reads something else than the others of #bench0"):
        room.hear(room.seats[2], memoryview(told((1, 0), (0, 0))))


def test_a_message_too_many_at_the_end(room: Room) -> None:
    for seat in room.seats:
        room.hear(seat, memoryview(ALL + told((0, 2))))

    with pytest.raises(SystemExit, match=re.escape("#bench0: said [2, 2], delivered [3, 2]")):
        room.finish()


def test_a_private_message_is_the_one_that_is_due(members: list[Member]) -> None:
    player = Player(members[1])
    player.due.append((b" PRIVMSG m1 :ball 12", True))

    assert player.hear(b":m0!~m0@127.0.0.1 PRIVMSG m1 :bal") == 0
    assert not player.idle
    assert player.hear(b"l 12\r\n") == 1
    assert player.idle
    with pytest.raises(SystemExit, match="m1 reads"):
        player.hear(b":m0!~m0@127.0.0.1 PRIVMSG m1 :ball 12\r\n")


def test_an_echo_comes_before_the_answer(members: list[Member]) -> None:
    player = Player(members[1])
    player.due += [(b" PRIVMSG m0 :ball 1", False), (b" PRIVMSG m1 :ball 2", True)]

    assert player.hear(b":m1!~m1@127.0.0.1 PRIVMSG m0 :ball 1\r\n") == 0
    with pytest.raises(SystemExit, match="ball 3"):
        player.hear(b":m0!~m0@127.0.0.1 PRIVMSG m1 :ball 3\r\n")
