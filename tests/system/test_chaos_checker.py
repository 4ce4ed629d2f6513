"""scripts/chaos: the checker finds what is wrong with a run, all of it and nothing else.

A story is told in one room, and every client's log is written as a good server would have made it. Then one log is
spoiled.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts.chaos import longest_waits, quiet_waits
from scripts.chaos_run.checker import Checker, Finding
from scripts.chaos_run.lines import Log, Said
from scripts.chaos_run.server import Kill

ROOM = "#room"


class Story:
    """Ana and dani have echoes, beto has none, and cora reads plain text."""

    def __init__(self) -> None:
        self.logs: dict[str, Log] = {}
        self.present: list[str] = []
        self.add(Log("ana", echo=True, lasting=True, rooms=[ROOM]))
        self.add(Log("beto", lasting=True, rooms=[ROOM]))
        self.add(Log("cora", user="~plain", plain=True, lasting=True, rooms=[ROOM]))
        self.add(Log("dani", echo=True, lasting=True, rooms=[ROOM]))

    def add(self, log: Log) -> Log:
        """Somebody comes to the room."""
        self.logs[log.nick] = log
        self.present.append(log.nick)
        self.tell(self.present, f":{log.prefix} JOIN {ROOM}", f"* {log.nick} joined")
        return log

    def quit(self, nick: str) -> None:
        self.present.remove(nick)
        self.tell(self.present, f":{self.logs[nick].prefix} QUIT :Quit: bye", f"* {nick} quit (Quit: bye)")

    def say(self, nick: str, text: str, to: str = ROOM, shown: str = "") -> None:
        """`shown` is what everybody else gets of it, if not all."""
        log, shown = self.logs[nick], shown or text
        log.said.append(Said(to, text))
        audience = self.present if to == ROOM else [nick, to]
        private = "" if to == ROOM else " -> you"
        self.tell(
            [name for name in audience if name != nick or log.echo],
            f":{log.prefix} PRIVMSG {to} :{shown}",
            f"<{nick}{private}> {shown}",
        )

    def tell(self, names: list[str], irc: str, plain: str) -> None:
        for name in names:
            log = self.logs[name]
            log.lines.append(f"[14:03] {plain}\n".encode() if log.plain else f"{irc}\r\n".encode())

    def place(self, nick: str, text: str) -> int:
        """Where in somebody's log the line is that has this text."""
        return next(place for place, line in enumerate(self.logs[nick].lines) if text.encode() in line)

    def drop(self, nick: str, text: str) -> None:
        del self.logs[nick].lines[self.place(nick, text)]

    def double(self, nick: str, text: str) -> None:
        place = self.place(nick, text)
        self.logs[nick].lines.insert(place, self.logs[nick].lines[place])

    def swap(self, nick: str, text: str) -> None:
        """That line and the next one."""
        place, lines = self.place(nick, text), self.logs[nick].lines
        lines[place], lines[place + 1] = lines[place + 1], lines[place]

    def change(self, nick: str, text: str, into: bytes) -> None:
        self.logs[nick].lines[self.place(nick, text)] = into

    def check(self) -> list[tuple[str, str]]:
        return [(finding.kind, finding.who) for finding in Checker(list(self.logs.values())).check()]


@pytest.fixture
def story() -> Story:
    story = Story()
    story.say("ana", "1 hola")
    story.say("beto", "2 ¿qué tal?")
    story.say("cora", "3 bien")
    story.say("ana", "4 a secret", to="dani")
    story.say("dani", "5 another", to="cora")
    story.add(Log("eva", echo=True, rooms=[ROOM]))
    story.say("eva", "6 just passing")
    story.say("dani", "7 hello, eva")
    story.quit("eva")
    story.say("beto", "8 who was that?")
    story.say("cora", "9 eva")
    return story


def test_a_good_story_has_no_findings(story: Story) -> None:
    checker = Checker(list(story.logs.values()))

    assert checker.check() == []
    assert [event.text for event in checker.orders[ROOM] if event.kind == "said"] == [
        "1 hola",
        "2 ¿qué tal?",
        "3 bien",
        "6 just passing",
        "7 hello, eva",
        "8 who was that?",
        "9 eva",
    ]
    assert checker.deliveries == 30


def test_a_finding_can_be_read() -> None:
    assert str(Finding("lost", "cora", "<ana -> #room> 1 hola")) == "lost: cora: <ana -> #room> 1 hola"


# Lost


@pytest.mark.parametrize("nick", ["beto", "cora", "dani"])
@pytest.mark.parametrize("text", ["1 hola", "6 just passing", "eva"])
def test_a_line_that_one_did_not_get(story: Story, nick: str, text: str) -> None:
    """The first with eva in it tells of her arrival."""
    story.drop(nick, text)

    assert story.check() == [("lost", nick)]


@pytest.mark.parametrize(("nick", "text"), [("beto", "QUIT"), ("cora", "eva quit")])
def test_a_leaving_that_one_did_not_get(story: Story, nick: str, text: str) -> None:
    story.drop(nick, text)

    assert story.check() == [("lost", nick)]


def test_the_last_line_of_all(story: Story) -> None:
    story.drop("beto", "9 eva")

    assert story.check() == [("lost", "beto")]


def test_a_line_that_nobody_got(story: Story) -> None:
    for nick in ("ana", "beto", "dani"):
        story.drop(nick, "9 eva")

    assert story.check() == [("lost", f"everybody in {ROOM}")]


def test_a_leaving_that_nobody_was_told_of(story: Story) -> None:
    story.add(Log("juan", rooms=[ROOM]))

    assert story.check() == [("lost", f"everybody in {ROOM}")]


def test_a_private_line(story: Story) -> None:
    story.drop("dani", "4 a secret")

    assert story.check() == [("lost", "dani")]


def test_a_visitor_must_see_all_while_it_is_there(story: Story) -> None:
    story.drop("eva", "7 hello")

    assert story.check() == [("lost", "eva")]


def test_an_answer(story: Story) -> None:
    story.logs["ana"].asked += ["p1", "p2"]
    story.logs["ana"].lines.append(b":mpchat.local PONG mpchat.local :p2\r\n")

    assert story.check() == [("lost", "ana")]


# Echoes


def test_an_echo_that_did_not_come(story: Story) -> None:
    story.drop("ana", "1 hola")

    assert story.check() == [("echo", "ana")]


def test_a_private_echo_that_did_not_come(story: Story) -> None:
    story.drop("ana", "4 a secret")

    assert story.check() == [("echo", "ana")]


def test_a_visitors_echo(story: Story) -> None:
    story.drop("eva", "6 just")

    assert story.check() == [("echo", "eva")]


@pytest.mark.parametrize(
    ("nick", "line"),
    [
        ("beto", ":beto!~u@127.0.0.1 PRIVMSG #room :8 who was that?\r\n"),
        ("cora", "[14:03] <cora> 9 eva\n"),
    ],
)
def test_an_echo_that_nobody_asked_for(story: Story, nick: str, line: str) -> None:
    story.logs[nick].lines.append(line.encode())

    assert story.check() == [("echo", nick)]


# Doubled, reordered


@pytest.mark.parametrize(
    ("nick", "text"),
    [
        ("ana", "1 hola"),
        ("beto", "3 bien"),
        ("cora", "2 ¿qué"),
        ("dani", "4 a secret"),
        ("ana", "4 a secret"),
        ("beto", "QUIT"),
        ("cora", "eva joined"),
        ("eva", "7 hello"),
    ],
)
def test_a_line_that_came_twice(story: Story, nick: str, text: str) -> None:
    story.double(nick, text)

    assert story.check() == [("doubled", nick)]


@pytest.mark.parametrize(
    ("nick", "text"), [("ana", "1 hola"), ("dani", "1 hola"), ("beto", "6 just"), ("cora", "eva joined")]
)
def test_two_lines_that_changed_places_for_one(story: Story, nick: str, text: str) -> None:
    story.swap(nick, text)

    assert story.check() == [("reordered", nick)]


def test_a_senders_lines_that_changed_places_for_all() -> None:
    story = Story()
    story.say("ana", "1 first")
    story.say("ana", "2 second")
    for nick in story.logs:
        story.swap(nick, "1 first")

    assert story.check() == [("reordered", ROOM)]


def test_private_lines_that_changed_places() -> None:
    story = Story()
    story.say("beto", "1 first", to="cora")
    story.say("beto", "2 second", to="cora")
    story.swap("cora", "1 first")

    assert story.check() == [("reordered", "cora")]


def test_answers_that_changed_places(story: Story) -> None:
    story.logs["cora"].asked += ["fence1", "fence2"]
    for token in ("fence2", "fence1"):
        story.logs["cora"].lines.append(f"! there is no /{token}, /help shows the commands\n".encode())

    assert story.check() == [("reordered", "cora")]


# Torn


@pytest.mark.parametrize(
    "line",
    [
        b":beto!~u@127.0.0.1 PRIVMSG #room :2 \xc2\xbfqu\r\n",
        b":beto!~u@127.0.0.1 PRIVMSG #room :2 \xc2\xbfqu\xc3\r\n",
        b"qu\xc3\xa9 tal?\r\n",
        b":beto!~u@127.0.0.1 PRIVMSG #room :2 \xc2\xbf:cora!~plain@127.0.0.1 PRIVMSG #room :3 bien\r\n",
        b":beto!~u@127.0.0.1 PRIVMSG #room :2 \xc2\xbfqu\xc3\xa9 tal?\n",
        b":beto!~u@127.0.0.1 PRIVMSG #room :2 \xc2\xbfqu\xc3\xa9 tal?\x1b\r\n",
        b":beto!~u@127.0.0.1 PRIVMSG #room :nobody said this\r\n",
    ],
)
def test_a_line_that_arrives_damaged(story: Story, line: bytes) -> None:
    story.change("ana", "2 ¿qué", into=line)

    assert story.check() == [("torn", "ana"), ("lost", "ana")]


@pytest.mark.parametrize(
    ("nick", "line"),
    [
        ("ana", b":mpchat.local 001 ana :Welc:mpchat.local 001 ana :Welcome\n"),
        ("ana", b":mpchat.local 417 ana :Input line was too long\r\n"),
        ("ana", b":eva!~u@127.0.0.1 JO\r\n"),
        ("ana", b"\r\n"),
        ("cora", b"[14:03] * eva joi\n"),
        ("cora", b"! say what?\n"),
        ("cora", b"[14:03] [14:03] * eva joined\n"),
    ],
)
def test_a_line_that_is_none(story: Story, nick: str, line: bytes) -> None:
    story.logs[nick].lines.append(line)

    assert story.check() == [("torn", nick)]


def test_a_stream_that_ends_inside_a_line(story: Story) -> None:
    story.logs["ana"].piece = b":beto!~u@127"

    assert story.check() == [("torn", "ana")]


# Not for them


def test_a_private_line_that_a_stranger_got(story: Story) -> None:
    story.logs["beto"].lines.append(b":ana!~u@127.0.0.1 PRIVMSG dani :4 a secret\r\n")

    assert story.check() == [("strayed", "beto")]


def test_a_line_of_a_room_that_one_is_not_in(story: Story) -> None:
    story.logs["ana"].said.append(Said("#other", "77 elsewhere"))
    story.logs["beto"].lines.append(b":ana!~u@127.0.0.1 PRIVMSG #other :77 elsewhere\r\n")

    assert story.check() == [("strayed", "beto")]


# What the core makes of a line


def test_a_long_line_is_cut_to_one_irc_line(story: Story) -> None:
    """ ":ana!~u@127.0.0.1 PRIVMSG #room :" leaves 477 bytes of 510: the last letter has two and does not fit."""
    story.say("ana", "10 x" + "ñ" * 240, shown="10 x" + "ñ" * 236)

    assert story.check() == []


def test_in_plain_text_the_sender_is_told_so_once(story: Story) -> None:
    shown = "10 x" + "y" * 467  # ":cora!~plain@127.0.0.1 PRIVMSG #room :" leaves 472
    story.say("cora", shown + "yyyy", shown=shown + "y")
    assert story.check() == [("lost", "cora")]

    told = b"! that was too long: only its first 472 bytes were sent\n"
    story.logs["cora"].lines.append(told)
    assert story.check() == []

    story.logs["cora"].lines.append(told)
    assert story.check() == [("doubled", "cora")]


def test_a_time_tag_may_stand_before_a_line(story: Story) -> None:
    story.change("beto", "1 hola", into=b"@time=2026-01-02T03:04:05.678Z :ana!~u@127.0.0.1 PRIVMSG #room :1 hola\r\n")

    assert story.check() == []


# Who may say what became of a line


def reset(story: Story) -> Log:
    """Fede says something and resets the connection: what became of that, nobody can know."""
    fede = story.add(Log("fede", rooms=[ROOM], sure=False, whole=False))
    story.say("fede", "10 ciao")
    story.quit("fede")
    fede.lines.clear()
    return fede


def test_what_was_said_before_a_reset_may_arrive(story: Story) -> None:
    reset(story)

    assert story.check() == []


def test_or_not_at_all(story: Story) -> None:
    reset(story)
    for nick in story.present:
        story.drop(nick, "10 ciao")

    assert story.check() == []


def test_but_for_all_or_none(story: Story) -> None:
    reset(story)
    story.drop("beto", "10 ciao")

    assert story.check() == [("lost", "beto")]


# Several rooms


def test_plain_text_moves_from_room_to_room() -> None:
    story = Story()
    gala = story.logs["gala"] = Log("gala", "~plain", plain=True, lasting=True, rooms=["#lobby", ROOM])
    story.tell(["gala"], "", "* gala joined")
    story.tell(["gala"], "", "* gala left")
    story.add(gala)
    story.say("gala", "1 here I am")
    story.say("ana", "2 welcome")
    assert story.check() == []

    story.drop("gala", "2 welcome")
    assert story.check() == [("lost", "gala")]


def test_a_quit_is_told_once_to_who_shares_two_rooms(story: Story) -> None:
    hugo, inge = Log("hugo", rooms=["#x", "#y"]), Log("inge", lasting=True, rooms=["#x", "#y"])
    joins = [f":{log.prefix} JOIN {room}\r\n".encode() for log in (inge, hugo) for room in ("#x", "#y")]
    inge.lines = [*joins, f":{hugo.prefix} QUIT :Quit: bye\r\n".encode()]
    checker = Checker([inge])

    assert checker.check() == []
    assert [checker.orders[room][-1].kind for room in ("#x", "#y")] == ["quit", "quit"]


# Nicknames and connections


def test_a_nickname_that_two_have_in_a_room(story: Story) -> None:
    story.add(Log("JUAN", rooms=[ROOM]))
    story.add(Log("juan", rooms=[ROOM]))
    story.quit("JUAN")
    story.quit("juan")

    assert story.check() == [("nickname", "juan")]


def test_a_nickname_can_be_had_after_another(story: Story) -> None:
    story.add(Log("JUAN", rooms=[ROOM]))
    story.quit("JUAN")
    story.add(Log("juan", rooms=[ROOM]))
    story.quit("juan")

    assert story.check() == []


def test_a_nickname_of_somebody_who_is_elsewhere(story: Story) -> None:
    story.logs["ANA"] = Log("ANA")

    assert story.check() == [("nickname", "ANA")]


def test_a_lost_connection(story: Story) -> None:
    story.logs["beto"].lost = "Connection reset by peer"

    assert story.check() == [("connection", "beto")]


@pytest.mark.parametrize(
    ("log", "holes", "found"),
    [
        (Log("", lost="closed", opened=1.0, closed=3.0), 1, 0),
        (Log("", lost="closed", opened=2.5, closed=3.0), 0, 1),
        (Log("", lost="no end within 10 s", opened=1.0), 0, 1),
        (Log("", lost="closed", opened=1.0, closed=3.0, lines=[b"Welcome to mpchat.\n"], plain=True), 0, 1),
        (Log("kim", lost="closed", opened=1.0, closed=3.0, lasting=True), 0, 1),
    ],
    ids=["with the acceptor", "later", "still open", "after a word", "of one that stays"],
)
def test_the_known_hole_is_a_connection_that_died_unheard_with_the_acceptor(log: Log, holes: int, found: int) -> None:
    checker = Checker([log], acceptor_kills=[2.0])

    assert [finding.kind for finding in checker.check()] == ["connection"] * found
    assert checker.holes == holes


# The front, and clients of TLS


def test_a_client_of_tls_may_lose_its_connection_with_the_front_and_at_no_other_time(story: Story) -> None:
    dani = story.logs["dani"]
    dani.secure, dani.lost, dani.opened, dani.closed = True, "closed by the server", 1.0, 3.0
    dani.sure = dani.whole = False
    story.quit("dani")
    logs = list(story.logs.values())
    assert [finding.kind for finding in Checker(logs, [2.0], front_kills=[2.0]).check()] == []
    assert dani.ended_with_front
    assert "connection" in [finding.kind for finding in Checker(logs, [2.0], front_kills=[3.5]).check()]
    dani.secure = False
    assert "connection" in [finding.kind for finding in Checker(logs, front_kills=[2.0]).check()]


def test_what_was_said_to_one_who_had_gone_with_the_front_may_be_refused(story: Story) -> None:
    dani = story.logs["dani"]
    dani.secure, dani.lost, dani.opened, dani.closed = True, "closed by the server", 1.0, 3.0
    dani.sure = dani.whole = False
    story.quit("dani")
    refusal = b":mpchat.local 401 ana %s :No such nick/channel\r\n"
    for nick, said, told in (
        ("ana", "10 are you there?", refusal % b"dani"),
        ("cora", "11 and?", b"! nobody here is called dani\n"),
    ):
        story.logs[nick].said.append(Said("dani", said))
        story.logs[nick].lines.append(told)
    logs = list(story.logs.values())
    assert Checker(logs, front_kills=[2.0]).check() == []
    story.logs["ana"].lines.append(refusal % b"beto")
    assert [finding.kind for finding in Checker(logs, front_kills=[2.0]).check()] == ["torn"], "he was there"


def test_a_client_of_tls_is_not_lost_with_an_acceptor() -> None:
    checker = Checker([Log("", lost="closed", opened=1.0, closed=3.0, secure=True)], acceptor_kills=[2.0])
    assert [finding.kind for finding in checker.check()] == ["connection"]
    assert checker.holes == 0


def test_who_came_for_one_who_had_gone_stays(story: Story) -> None:
    story.add(Log("fred", secure=True, stays=True, rooms=[ROOM]))
    story.say("fred", "10 me too")
    assert story.check() == []
    story.logs["fred"].stays = False
    assert ("lost", f"everybody in {ROOM}") in story.check(), "a visitor would have left"


# The history

ROWS = [
    (ROOM, "ana", "1 hola"),
    (ROOM, "beto", "2 ¿qué tal?"),
    (ROOM, "cora", "3 bien"),
    (ROOM, "eva", "6 just passing"),
    (ROOM, "dani", "7 hello, eva"),
    (ROOM, "beto", "8 who was that?"),
    (ROOM, "cora", "9 eva"),
]


@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        (lambda rows: rows, []),
        (lambda rows: rows[:-1], ["lost there: <cora -> #room> 9 eva"]),
        (lambda rows: [*rows, rows[-1]], ["doubled there: <cora -> #room> 9 eva"]),
        (lambda rows: [rows[1], rows[0], *rows[2:]], ["reordered there: <ana -> #room> 1 hola"]),
        (lambda rows: [*rows, (ROOM, "ana", "0 never")], ["torn there: <ana -> #room> 0 never"]),
        (lambda rows: [*rows, ("#x", "ana", "0 never")], ["torn there: <ana -> #x> 0 never"]),
    ],
)
def test_the_history_says_what_was_heard(
    story: Story, spoil: Callable[[list[tuple[str, str, str]]], list[tuple[str, str, str]]], what: list[str]
) -> None:
    checker = Checker(list(story.logs.values()))
    checker.check()

    assert [finding.what for finding in checker.check_history(spoil(ROWS))] == what
    assert {finding.kind for finding in checker.findings} <= {"history"}


# Waiting


def test_a_stall_is_the_longest_wait_around_a_kill() -> None:
    pings = [(9.7, 0.4), (9.9, 0.3), (10.5, 0.1), (11.1, 0.9), (19.0, 0.002)]

    assert longest_waits(pings, [Kill(10.0, ("broker",)), Kill(30.0, ("worker",))]) == [0.3]
    assert quiet_waits(pings, [Kill(20.0, ("broker",))]) == [0.4, 0.3, 0.1, 0.9, 0.002]
    assert quiet_waits(pings, [Kill(10.0, ("broker",))]) == []


@pytest.mark.slow
def test_a_quiet_run_of_the_whole_finds_nothing() -> None:
    root = Path(__file__).parent.parent.parent
    command = [sys.executable, "scripts/chaos.py", "--seconds", "2", "--kill", "none", "--clients", "20"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=50)

    assert done.returncode == 0, done.stdout + done.stderr
    table = dict(line.split(maxsplit=1) for line in done.stdout.splitlines()[1:])
    assert int(table["deliveries"].replace(",", "")) > 1000
    assert {table[name] for name in ("lost", "doubled", "reordered", "torn", "strayed")} == {"0"}
