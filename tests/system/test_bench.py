"""scripts/bench: one checkout against another, and that its loads find what is wrong with what they read."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.bench import peers
from scripts.bench.against import NAMES
from scripts.bench.clients import Member, registration
from scripts.bench.figures import Results, Round, quantile
from scripts.bench.paced import Reader
from scripts.bench.pairs import Player
from scripts.bench.rooms import Room
from scripts.bench.tables import markdown, short
from tests.running import Server
from tests.system.servers import needs_linux

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent.parent
FILLING = "." * 32
COMPARE = "scripts/bench/compare.py"


def bench(*args: str, script: str = "scripts/bench", **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, script, *args],
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


def test_the_server_with_and_without_its_journal_and_the_bare_shape() -> None:
    done = bench("fanout", "--rounds", "1", "--seconds", "0.4")

    assert done.returncode == 0, done.stdout + done.stderr
    *_, first, median = done.stdout.rstrip().splitlines()
    assert first.split()[0] == "1"
    assert median.split()[0] == "median"
    assert all(float(price.replace(",", "")) > 0 for price in first.split()[1:])
    assert median.endswith("none lost, doubled or reordered")


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
    scripts = {
        path: path.name for path in (ROOT / "scripts").iterdir() if path.is_file() and path.name != "__init__.py"
    }
    assert {"chaos.py", "bare.py", "trip.py"} <= set(scripts.values())
    bench = ROOT / "scripts" / "bench"
    scripts |= {bench: "bench", bench / "compare.py": "bench-peers", bench / "growth.py": "bench-growth"}
    for script, name in scripts.items():
        program = "sh" if script.suffix == ".sh" else sys.executable
        done = subprocess.run([program, str(script), "--help"], capture_output=True, text=True, timeout=20)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(f"usage: {name}")
        assert done.stderr == ""


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
    room = Room("#bench0", members, publishers=2, in_flight=2, echo=True)
    room.say(0.0)
    return room


@pytest.fixture
def silent_room(members: list[Member]) -> Room:
    """The same, but nobody reads an echo."""
    room = Room("#bench0", members, publishers=2, in_flight=2, echo=False)
    room.say(0.0)
    return room


def told(*messages: tuple[int, int]) -> bytes:
    """What the members read of these: a publisher and a number each."""
    return b"".join(
        f":m{who}!~m{who}@127.0.0.1 PRIVMSG #bench0 :{who} {number} {FILLING}\r\n".encode() for who, number in messages
    )


ALL = told((0, 0), (1, 0), (1, 1), (0, 1))


def test_a_message_is_in_flight_until_the_last_member_has_read_it(room: Room) -> None:
    first, second, third = room.seats

    assert not room.hear(first, memoryview(ALL))
    for at in range(0, len(ALL), 7):  # in pieces that end anywhere
        assert not room.hear(second, memoryview(ALL[at : at + 7]))
        assert not room.complete()
        is_read = room.hear(third, memoryview(ALL[at : at + 7]))
        assert is_read == (b"\n" in ALL[at : at + 7])

    assert room.complete()
    assert len(room.latencies) == 4, "of the last member"
    assert room.finish() == 4 * 3
    room.say(0.0)
    assert not room.complete()


def test_the_first_messages_need_not_wait_for_the_later_ones(room: Room) -> None:
    begin, rest = told((0, 0), (1, 0)), told((1, 1), (0, 1))
    first, second, third = room.seats

    assert not room.hear(first, memoryview(begin))
    assert not room.hear(first, memoryview(rest))
    assert not room.hear(second, memoryview(begin))
    assert room.hear(third, memoryview(begin))
    room.say(0.0)

    assert [len(publisher.said) for publisher in room.publishers] == [3, 3]


def test_without_an_echo_a_publisher_reads_what_others_say(silent_room: Room) -> None:
    first, second, third = silent_room.seats

    assert silent_room.hear(third, memoryview(ALL))
    assert not silent_room.complete()
    silent_room.hear(first, memoryview(told((1, 0), (1, 1))))
    silent_room.hear(second, memoryview(told((0, 0), (0, 1))))

    assert silent_room.complete()
    assert silent_room.finish() == 4 + 2 + 2


@pytest.mark.parametrize(
    ("read", "complaint"),
    [
        (told((0, 0), (1, 0)), "m0 has read 2 lines, 1 of them its own; due were 2"),
        (told((1, 0), (1, 1), (1, 2)), "m0 has read 3 lines, 0 of them its own; due were 2"),
        (told((1, 1), (1, 0)), "publisher 1: message 1 where 0 was due"),
        (b"PING :still there?\r\n" * 2, "something else than messages"),
    ],
)
def test_what_a_publisher_must_not_read(silent_room: Room, read: bytes, complaint: str) -> None:
    first, second, third = silent_room.seats
    silent_room.hear(third, memoryview(ALL))
    silent_room.hear(second, memoryview(told((0, 0), (0, 1))))
    silent_room.hear(first, memoryview(read))
    assert silent_room.complete()

    with pytest.raises(SystemExit, match=complaint):
        silent_room.finish()


def test_lines_with_tags_are_messages_too(room: Room) -> None:
    tagged = b"".join(b"@time=2026-01-01T00:00:00.000Z;msgid=x " + line for line in ALL.splitlines(keepends=True))

    for seat in room.seats:
        room.hear(seat, memoryview(tagged))

    assert room.complete()


@pytest.mark.parametrize(
    ("read", "complaint"),
    [
        (told((0, 1)), "message 1 where 0 was due"),
        (told((2, 0)), "there is no publisher 2"),
        (b":x!x@y NOTICE all " + told((0, 0)), "something else than messages"),
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


def test_a_paced_reader_reads_each_message_of_the_others_once() -> None:
    reader = Reader("m2", 2, 4)
    lines = [b":m0!~m0@127.0.0.1 PRIVMSG #paced :%d\r\n" % number for number in range(6)]

    assert reader.hear(lines[0], b" PRIVMSG #paced :0\r\n") == [0]
    assert reader.hear(lines[1] + lines[3][:9], b" PRIVMSG #paced :1\r\n") == [1]
    assert reader.next == 3, "2 is its own"
    assert reader.hear(lines[3][9:] + lines[4], b" PRIVMSG #paced :3\r\n") == [3, 4]
    with pytest.raises(SystemExit, match=r"m2 reads \[4\] where 5 was due"):
        reader.hear(lines[4], b" PRIVMSG #paced :5\r\n")
    reader.begin()
    assert reader.next == 0


# Among other servers


def results(**rounds: dict[str, object]) -> Results:
    return Results({"cores": "2"}, ["ircd", "other", "mpchat"], ["ircd", "other"], ["mpchat"], rounds)


def test_a_table_compares_with_the_better_one() -> None:
    """Each figure by itself: of the better one's rate, and the lower CPU; a percentile is compared with the lower."""
    text = markdown(
        results(
            S1={"ircd": [Round(rate=1e6, cpu=0.5)], "other": [Round(rate=2e6, cpu=1.0)], "mpchat": [Round(3e6, 0.25)]},
            S4={"ircd": [Round(p50=1, p99=8)], "other": [Round(p50=2, p99=4)], "mpchat": [Round(p50=3, p99=2)]},
            S7={"ircd": [Round(each_idle=2048)], "other": "bench: no", "mpchat": [Round(each_idle=3072)]},
        )
    )

    overview = [line for line in text.splitlines() if line.startswith("| mpchat") or "/ the better of" in line]
    assert overview[0] == "| mpchat | 3 M, 0.25 | 3.00 / 2.00 | 3.0 |"
    assert overview[1] == "| *mpchat / the better of ircd and other* | 1.50, 0.50 | 3.00 / 0.50 | 1.50 |"
    assert "| other | bench: no |" in text


def test_a_table_has_medians_and_says_where_the_generator_was_the_limit() -> None:
    rates = [Round(rate=100.0, generator=0.95), Round(rate=900.0, generator=0.99), Round(rate=200.0, generator=0.2)]

    text = markdown(results(S5={"ircd": rates}))

    assert "| ircd | 200\\*, 0.00 |" in text
    assert "100 .. 900" in text
    assert "the load generator had nothing to spare" in text


def test_quantiles_and_short_numbers() -> None:
    assert [quantile(range(1000), share) for share in (0.5, 0.99, 0.999)] == [500, 990, 999]
    assert quantile([], 0.5) == 0
    assert [short(number) for number in (0.5, 17.25, 17_930.0, 2_410_000.0)] == ["0.5", "17.2", "17.9 k", "2.41 M"]


@needs_linux
@pytest.mark.parametrize("name", [*peers.JUDGES, *peers.SMALL])
def test_each_of_them_does_what_is_measured(name: str, tmp_path: Path) -> None:
    if name in peers.JUDGES and name not in peers.installed():
        pytest.skip(f"{name} is not installed")
    scenarios = ("S1", "S4", "S5", "S9")

    done = bench(
        *(*scenarios, "--servers", f"{name},pipe", "--rounds", "1", "--seconds", "0.1", "--out", str(tmp_path)),
        script=COMPARE,
    )

    assert done.returncode == 0, done.stderr
    kept = json.loads((tmp_path / "peers.json").read_text())
    assert list(kept["rounds"]) == list(scenarios)
    for of in kept["rounds"].values():
        assert list(of) == kept["servers"]
        assert [row[0]["rate"] > 0 for row in of.values()] == [True, True], of
    assert (tmp_path / "peers.md").read_text() in done.stdout
    assert "<svg" in (tmp_path / "peers.svg").read_text()


@needs_linux
def test_registrations_and_memory_are_compared_too(tmp_path: Path) -> None:
    done = bench("S6", "--servers", "asyncio,pipe", "--rounds", "1", "--out", str(tmp_path), script=COMPARE)

    assert done.returncode == 0, done.stderr
    rounds = json.loads((tmp_path / "peers.json").read_text())["rounds"]["S6"]
    assert all(0 < row[0]["p50"] <= row[0]["p99"] for row in rounds.values())


@needs_linux
@pytest.mark.timeout(240)
def test_growth(tmp_path: Path) -> None:
    done = bench(
        "clients", "--rounds", "1", "--workers", "1,2", "--out", str(tmp_path), script="scripts/bench/growth.py"
    )

    assert done.returncode == 0, done.stderr
    kept = json.loads((tmp_path / "growth.json").read_text())["clients"]
    assert list(kept) == ["2", "10", "50", "200", "1000"]
    assert all(cost > 0 for of in kept.values() for costs in of.values() for cost in costs)
    assert "<svg" in (tmp_path / "growth-clients.svg").read_text()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["S0"], "bench-peers: argument SCENARIO: there is no 'S0', only S1, S2, S3, S4, S5, S6, S7, S8, S9"),
        (
            ["--servers", "apache"],
            "bench-peers: argument --servers: there is no 'apache', only ngircd, inspircd, threads, asyncio, "
            "queue, pipe",
        ),
    ],
)
def test_what_cannot_be_compared_is_said_in_a_line(arguments: list[str], complaint: str) -> None:
    done = bench(*arguments, script=COMPARE)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"{complaint} (--help shows what there is)\n"
