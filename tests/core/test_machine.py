"""core: the broker's mind, alone. Deadlines, questions, acknowledgements, groups, and how much work a message makes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from math import inf
from typing import Any

import pytest

from mpchat.core.machine import connection_of
from mpchat.messages import UnknownMessage
from mpchat.protocol import irc, plain
from mpchat.settings import ChatSettings
from tests.core.driver import Driver, Person, Routed


@pytest.fixture
def driver() -> Driver:
    return Driver()


def kinds(items: list[Routed]) -> list[str]:
    return [item[0] for _, item in items]


# Deadlines


def test_who_does_not_register_in_time_is_closed(driver: Driver) -> None:
    slow, plain_one = driver.connect(), driver.connect(plain=True)
    plain_one.heard()
    slow.send("NICK slow")
    assert driver.pass_time(29.999) == []

    driver.pass_time(0.001)

    assert slow.heard() == ["ERROR :Closing link: 127.0.0.1 (Registration timed out)"]
    assert plain_one.heard() == ["* goodbye (Registration timed out)"]
    assert slow.closed
    assert plain_one.closed
    assert driver.irc("slow").send("PING x"), "the nickname is free again"


def test_negotiating_for_ever_is_not_registering(driver: Driver) -> None:
    person = driver.connect()
    person.send("CAP LS 302", "NICK ana", "USER ana 0 * :Ana")

    driver.pass_time(30)

    assert person.closed


def test_silence_is_asked_about_then_probed_then_ended(driver: Driver) -> None:
    ana, beto = driver.irc("ana"), driver.irc("beto")
    ana.send("JOIN #a")
    beto.send("JOIN #a")
    ana.heard()
    ana.send("PING x")
    driver.pass_time(30)  # the deadline of registration, long met
    driver.pass_time(89.999)
    beto.send("PONG x")
    assert ana.heard() == []
    driver.pass_time(0.001)
    assert ana.heard() == ["PING :mpchat.local"]
    driver.pass_time(59.999)
    beto.send("PONG x")
    assert driver.workers[ana.worker].probed == []
    driver.pass_time(0.001)
    assert driver.workers[ana.worker].probed == [ana.id]
    assert not ana.closed, "the worker may know of something unread"

    driver.feed(("silent", ana.id))

    assert ana.heard() == ["ERROR :Closing link: 127.0.0.1 (Ping timeout: 180 seconds)"]
    assert ana.closed
    assert beto.heard()[-1] == ":ana!~ana@127.0.0.1 QUIT :Ping timeout: 180 seconds"


def test_a_probe_that_nobody_answers_is_repeated(driver: Driver) -> None:
    ana = driver.irc("ana")
    for seconds in (30, 90, 60, 60, 60):
        driver.pass_time(seconds)

    assert driver.workers[ana.worker].probed == [ana.id] * 3
    assert ana.heard()[-1] == "PING :mpchat.local", "asked once"
    assert not ana.closed


@pytest.mark.parametrize("line", ["PONG mpchat.local", "PRIVMSG nobody :x", "", "NONSENSE", b"\xff"])
def test_any_line_saves_it_even_between_probe_and_answer(driver: Driver, line: str | bytes) -> None:
    ana = driver.irc("ana")
    for seconds in (30, 90, 60):
        driver.pass_time(seconds)
    assert driver.workers[ana.worker].probed == [ana.id]
    ana.send(line)

    driver.feed(("silent", ana.id))

    assert not ana.closed
    ana.heard()
    driver.pass_time(119.999)
    assert ana.heard() == []
    driver.pass_time(60)
    assert ana.heard() == ["PING :mpchat.local"], "asked anew"


def test_nobody_pays_for_a_server_that_stood_still(driver: Driver) -> None:
    """A full disk, or Ctrl-Z: what they sent meanwhile comes behind the clock, and counts."""
    newcomer, other, ana = driver.connect(), driver.connect(), driver.irc("ana")
    driver.stand_still(40)
    assert newcomer.send("NICK beto", "USER beto 0 * :Beto")[0].startswith(":mpchat.local 001 beto ")
    assert not other.closed
    driver.pass_time(1)
    assert other.heard() == ["ERROR :Closing link: 127.0.0.1 (Registration timed out)"]

    ana.heard()
    driver.stand_still(400)
    assert ana.heard() == []
    driver.pass_time(1)
    assert ana.heard() == ["PING :mpchat.local"]
    driver.stand_still(400)
    driver.pass_time(0.999)
    assert ana.id not in driver.workers[ana.worker].probed
    driver.pass_time(0.001)
    assert ana.id in driver.workers[ana.worker].probed


def test_plain_text_is_not_asked(driver: Driver) -> None:
    ana = driver.plain("ana")
    ana.heard()

    for _ in range(10):
        driver.pass_time(60)

    assert ana.heard() == []
    assert not ana.closed


def test_the_next_deadline_is_told(driver: Driver) -> None:
    assert driver.core.next_deadline == inf
    ana = driver.connect()
    assert driver.core.next_deadline == 30_000
    driver.pass_time(1)
    driver.connect()
    assert driver.core.next_deadline == 30_000
    ana.gone()
    driver.pass_time(29)
    assert driver.core.next_deadline == 31_000, "the other's"
    driver.pass_time(1)
    assert driver.core.next_deadline == inf


def test_only_the_wall_clock_goes_back(driver: Driver) -> None:
    """It shows what the system says. Deadlines are no business of it."""
    ana = driver.irc("ana", caps="server-time")
    ana.heard()
    driver.pass_time(10)
    driver.feed(("clock", driver.wall - 3_600_000, driver.mono - 5_000))

    assert ana.send("PING x") == ["@time=2023-11-14T21:13:30.123Z :mpchat.local PONG mpchat.local :x"]
    driver.connect()
    assert driver.core.next_deadline == 30_000
    driver.pass_time(20)
    assert driver.core.next_deadline == 40_000, "ten seconds had passed when the second one came"


def test_a_wall_clock_that_jumps_ahead_times_nobody_out(driver: Driver) -> None:
    ana = driver.connect()

    driver.feed(("clock", driver.wall + 86_400_000, driver.mono + 1))

    assert not ana.closed


# Questions to the outside


@pytest.fixture
def guarded() -> Driver:
    return Driver(ChatSettings(password_needed=True, opers_exist=True))


def entering(driver: Driver) -> Person:
    person = driver.connect()
    person.send("PASS *", "NICK ana", "USER ana 0 * :Ana")
    return person


def test_lines_behind_a_question_wait_in_order(guarded: Driver) -> None:
    ana = entering(guarded)
    ana.send("JOIN #a", "PRIVMSG #a :x", "PING last")

    assert guarded.asked == [("ask", ana.id, len("PASS *\r\n"), "password", "")]
    assert ana.output == b""
    assert guarded.workers[ana.worker].taken == {}, "neither what asks nor what waits is acknowledged"

    items = guarded.answer(True)

    heard = ana.heard()
    assert heard[0] == ":mpchat.local 001 ana :Welcome to the mpchat network, ana!~ana@127.0.0.1"
    assert heard[-4:] == [
        ":ana!~ana@127.0.0.1 JOIN #a",
        ":mpchat.local 353 ana = #a :@ana",
        ":mpchat.local 366 ana #a :End of /NAMES list",
        ":mpchat.local PONG mpchat.local :last",
    ]
    assert items[-1] == (ana.worker, ("ack", ana.id, ana.sent)), "one acknowledgement for all of them"


def test_what_waits_and_comes_again_is_taken_once(guarded: Driver) -> None:
    ana = entering(guarded)
    records = ana.records(["PING a", "PING b"])
    guarded.feed(*records)
    guarded.feed(*records, ("overlong", ana.id, ana.sent, True))
    guarded.answer(True)
    guarded.feed(*records)

    assert [line for line in ana.heard() if "PONG" in line] == [
        ":mpchat.local PONG mpchat.local :a",
        ":mpchat.local PONG mpchat.local :b",
    ]


def test_a_question_behind_a_question_waits_too(guarded: Driver) -> None:
    ana = guarded.connect()
    first, second = len("PASS *\r\n"), 2 * len("PASS *\r\n")
    ana.send("PASS *", "PASS *", "NICK ana", "USER ana 0 * :Ana")
    assert [item[2] for item in guarded.asked] == [first]

    guarded.answer(False)
    assert [item[2] for item in guarded.asked] == [first, second], "each names its own line"
    assert ana.output == b""

    guarded.answer(True)
    assert ana.heard()[0].startswith(":mpchat.local 001 ana ")


def test_a_wrong_password_is_told_and_ends_it(guarded: Driver) -> None:
    ana = entering(guarded)
    ana.send("JOIN #a")

    guarded.answer(False)

    assert ana.heard() == [
        ":mpchat.local 464 ana :Password incorrect",
        "ERROR :Closing link: 127.0.0.1 (Bad password)",
    ]
    assert ana.closed


def test_a_long_line_behind_a_question_keeps_its_place(guarded: Driver) -> None:
    ana = entering(guarded)
    guarded.feed(*ana.records(["PING a"]))
    for record in ana.too_long(b"x" * 9000, b"x" * 499):
        guarded.feed(record)
    ana.send("PING b")

    items = guarded.answer(True)

    assert ana.heard()[-3:] == [
        ":mpchat.local PONG mpchat.local :a",
        ":mpchat.local 417 ana :Input line was too long",
        ":mpchat.local PONG mpchat.local :b",
    ]
    assert items[-1] == (ana.worker, ("ack", ana.id, ana.sent))


def test_the_operators_password(guarded: Driver) -> None:
    ana = entering(guarded)
    guarded.answer(True)
    ana.heard()

    ana.send("OPER root *")
    assert guarded.asked[-1][3:] == ("oper", "root")
    guarded.answer(False)
    assert ana.heard() == [":mpchat.local 464 ana :Password incorrect"]

    ana.send("OPER root *")
    guarded.answer(True)
    assert ana.heard() == [
        ":mpchat.local 381 ana :You are now an IRC operator",
        ":ana!~ana@127.0.0.1 MODE ana +o",
    ]
    ana.send("OPER root *")
    guarded.answer(True)
    assert ana.heard() == [":mpchat.local 381 ana :You are now an IRC operator"], "nothing changed: no MODE"


def test_an_end_of_input_waits_for_the_answer_like_the_lines_before_it(guarded: Driver) -> None:
    ana = entering(guarded)
    ana.gone()
    assert not ana.closed
    guarded.answer(True)
    assert " 001 ana :" in ana.heard()[0]
    assert ana.closed


def test_an_answer_that_nobody_asked_for_is_nothing(guarded: Driver) -> None:
    assert guarded.feed(("answer", 99, True)) == []
    beto = guarded.connect()
    assert guarded.feed(("answer", beto.id, True)) == []
    assert beto.output == b""


def test_plain_text_is_asked_for_the_password_too(guarded: Driver) -> None:
    ana = guarded.connect(plain=True)
    assert ana.heard() == ["Welcome to mpchat.", "This server has a password: type /pass and the password."]
    assert ana.send("ana") == ["! first the password: /pass and the password"]

    assert ana.send("/pass *") == []
    assert guarded.asked[-1][3:] == ("password", "")
    guarded.answer(False)
    assert ana.heard() == ["! that is not the password"]
    ana.send("/pass *")
    guarded.answer(True)
    assert ana.heard() == ["Type your nickname and press Enter."]

    assert ana.send("ana")[0].startswith("* you are ana")
    assert ana.send("/pass *") == ["! no password is needed"]


# Input: offsets, pieces, long lines, the unknown


def test_a_line_may_come_in_pieces(driver: Driver) -> None:
    ana, beto = driver.irc("ana"), driver.irc("beto")
    for person in (ana, beto):
        person.heard()
    driver.feed(ana.piece("PI"), beto.piece("PING "))
    driver.feed(ana.piece("NG a"))
    assert ana.heard() == []
    assert driver.workers[ana.worker].taken[ana.id] == ana.sent, "a piece is accepted as it comes"

    assert ana.send("na", "PING b") == [
        ":mpchat.local PONG mpchat.local :ana",
        ":mpchat.local PONG mpchat.local :b",
    ]
    assert beto.send("beto") == [":mpchat.local PONG mpchat.local :beto"]


def test_a_piece_that_is_forwarded_twice_counts_once(driver: Driver) -> None:
    ana = driver.irc("ana")
    ana.heard()
    piece, more = ana.piece("PING a"), ana.piece("n")
    driver.feed(piece, piece, more)
    driver.feed(piece, more)

    assert ana.send("a") == [":mpchat.local PONG mpchat.local :ana"]


def test_the_line_end_may_be_torn(driver: Driver) -> None:
    ana = driver.irc("ana")
    ana.heard()
    driver.feed(ana.piece("PING x\r"))
    driver.feed(("line", ana.id, ana.sent + 1, b""))

    assert ana.heard() == [":mpchat.local PONG mpchat.local :x"]


def test_the_pieces_of_a_line_too_long_are_forgotten(driver: Driver) -> None:
    ana = driver.irc("ana")
    ana.heard()
    driver.feed(ana.piece("PRIVMSG #a :" + "x" * 8000))
    driver.feed(*ana.too_long(b"x" * 200, b"x" * 99))

    assert ana.send("PING x") == [
        ":mpchat.local 417 ana :Input line was too long",
        ":mpchat.local PONG mpchat.local :x",
    ]


def test_pieces_wait_behind_a_question_like_lines(guarded: Driver) -> None:
    ana = entering(guarded)
    guarded.feed(ana.piece("PING "), *ana.records(["x", "PING y"]), ana.piece("PIN"))
    guarded.answer(True)
    ana.send("G z")

    assert b"".join(bytes(ana.output).splitlines(keepends=True)[-3:]) == (
        b":mpchat.local PONG mpchat.local :x\r\n"
        b":mpchat.local PONG mpchat.local :y\r\n"
        b":mpchat.local PONG mpchat.local :z\r\n"
    )


def test_a_line_that_is_forwarded_twice_counts_once(driver: Driver) -> None:
    ana = driver.irc("ana")
    ana.heard()
    records = ana.records(["PING a", "PING b"])

    assert len(driver.feed(*records, *records)) == 3, "two answers, one acknowledgement"
    assert driver.feed(*records) == []
    assert ana.heard() == [":mpchat.local PONG mpchat.local :a", ":mpchat.local PONG mpchat.local :b"]


def test_a_line_too_long_is_answered_once_whatever_its_length(driver: Driver) -> None:
    ana, beto = driver.irc("ana"), driver.plain("beto")
    for person, answer in (
        (ana, ":mpchat.local 417 ana :Input line was too long"),
        (beto, "! that line was too long, nothing was sent"),
    ):
        person.heard()
        first, second = person.too_long(b"x" * 9000, b"x" * 6999)
        driver.feed(first)
        driver.feed(first, second)
        driver.feed(("rest", person.id, person.sent - 100, False))

        assert person.heard() == [answer]
        assert driver.workers[person.worker].taken[person.id] == person.sent


@pytest.mark.parametrize(
    "record",
    [
        ("line", 99, 10, b"PING x"),
        ("overlong", 99, 10, True),
        ("rest", 99, 10, False),
        ("gone", 99, "Connection closed"),
        ("silent", 99),
        ("answer", 99, True),
        ("again", 99),
        ("skip", 1, 99),
    ],
)
def test_nothing_is_heard_of_unknown_connections(driver: Driver, record: tuple[Any, ...]) -> None:
    driver.irc("ana")

    assert driver.feed(record) == []


@pytest.mark.parametrize("dialect", ["gopher", "", 1, None])
def test_a_dialect_that_nobody_here_speaks(dialect: object) -> None:
    """A broker lets no such record in; a journal may have been written by a later program."""
    driver = Driver()
    with pytest.raises(UnknownMessage, match="'open'"):
        driver.feed(("open", 0, 99, dialect, "127.0.0.1"))
    assert driver.irc("ana").send("PING x") == [":mpchat.local PONG mpchat.local :x"]


def test_a_record_is_somebodys_or_nobodys() -> None:
    of_nobody = [("clock", 5, 6), ("start", (), 1, 0, 5, 6), ("stop", "bye"), ("full", (7, 8))]
    assert [connection_of(record) for record in of_nobody] == [0] * len(of_nobody)
    assert connection_of(("open", 3, 7, "irc", "127.0.0.1")) == 7
    assert connection_of(("line", 7, 10, b"PING x")) == 7


def test_nor_of_those_that_have_ended(driver: Driver) -> None:
    ana = driver.irc("ana")
    ana.heard()
    assert ana.send("QUIT :bye", "PING x") == ["ERROR :Closing link: 127.0.0.1 (Quit: bye)"]
    assert ana.send("PING y") == []
    ana.gone()
    assert ana.heard() == []


def test_acknowledgements_are_one_a_batch_and_connection(driver: Driver) -> None:
    ana, beto = driver.irc("ana"), driver.irc("beto")

    items = driver.feed(*ana.records(["PING 1", "PING 2"]), *beto.records(["PING 3"]), *ana.records(["PING 4"]))

    by_worker = [[item[0] for worker, item in items if worker == number] for number in (0, 1)]
    assert by_worker == [["send"] * 3 + ["ack"], ["send"] + ["ack"]]
    assert items[3] == (ana.worker, ("ack", ana.id, ana.sent))
    assert items[-1] == (beto.worker, ("ack", beto.id, beto.sent))
    assert driver.feed() == []


def test_who_left_is_not_acknowledged(driver: Driver) -> None:
    ana = driver.irc("ana")

    assert kinds(driver.feed(*ana.records(["PING x", "QUIT"]))) == ["send", "send", "close"]


# The end


def test_a_stop_tells_everybody_and_about_nobody(driver: Driver) -> None:
    ana, beto, half = driver.irc("ana"), driver.plain("beto"), driver.connect()
    ana.send("JOIN #lobby")
    ana.heard()
    beto.heard()

    items = driver.feed(("stop", "Server shutting down"))

    assert ana.heard() == ["ERROR :Closing link: 127.0.0.1 (Server shutting down)"]
    assert beto.heard() == ["* goodbye (Server shutting down)"]
    assert half.heard() == ["ERROR :Closing link: 127.0.0.1 (Server shutting down)"]
    for number in (0, 1):
        assert [item for worker, item in items if worker == number][-1] == ("end",)
    assert all(worker.ended for worker in driver.workers)
    assert driver.feed(*ana.records(["PING x"]), ("gone", beto.id, "x"), ("clock", driver.wall, 10**9)) == []
    assert driver.feed(("open", 0, 99, "plain", "127.0.0.1")) == [], "whoever comes now comes too late"


# Groups and the amount of work


def test_one_rendering_a_wire_profile_and_one_item_a_group(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twelve members, two workers, three wire profiles: three renderings, six items, one echo."""
    driver = Driver()
    sender = driver.irc("sender", caps="echo-message", worker=0)
    sender.send("JOIN #a")
    people = [sender]
    for number in range(4):
        people.append(driver.irc(f"bare{number}", worker=number % 2))
        people.append(driver.irc(f"timed{number}", caps="server-time", worker=number % 2))
        people.append(driver.plain(f"plain{number}", worker=number % 2))
    for person in people[1:]:
        person.send("/join #a" if person.plain else "JOIN #a")
    for person in people:
        person.heard()
    renderings: Counter[str] = Counter()

    def counted(name: str, render: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            renderings[name] += 1
            return render(*args)

        return call

    monkeypatch.setattr(irc, "render", counted("irc", irc.render))
    monkeypatch.setattr(plain, "render", counted("plain", plain.render))

    items = driver.feed(*sender.records(["PRIVMSG #a :hola"]))

    assert renderings == {"irc": 1, "plain": 1}, "the bare IRC line was made to see whether it fits"
    assert Counter((worker, item[0]) for worker, item in items) == {
        (0, "cast"): 3,
        (1, "cast"): 3,
        (0, "send"): 1,
        (0, "ack"): 1,
    }
    said = ":sender!~sender@127.0.0.1 PRIVMSG #a :hola"
    tag = "@time=2023-11-14T22:13:20.123Z "
    for person in people:
        (line,) = person.heard()
        assert line in (said, tag + said, "[23:13] <sender> hola")

    renderings.clear()
    assert kinds(driver.feed(*sender.records(["NICK other"]))).count("cast") == 6
    assert renderings == {"irc": 2, "plain": 1}


def test_a_change_of_capabilities_moves_between_groups(driver: Driver) -> None:
    ana, beto = driver.irc("ana", worker=0), driver.irc("beto", worker=0)
    for room in ("#a", "#b"):
        ana.send(f"JOIN {room}")
        beto.send(f"JOIN {room}")
    ana.heard()

    items = driver.feed(*ana.records(["CAP REQ :server-time"]))

    assert kinds(items) == ["send", "leave", "leave", "join", "join", "ack"]
    assert ana.heard() == [":mpchat.local CAP ana ACK :server-time"], "the answer is still without a tag"
    beto.send("PRIVMSG #b :x")
    assert ana.heard() == ["@time=2023-11-14T22:13:20.123Z :beto!~beto@127.0.0.1 PRIVMSG #b :x"]
    assert kinds(driver.feed(*ana.records(["CAP REQ :echo-message"]))) == ["send", "ack"], "no other bytes, no move"
    ana.heard()
    assert len(ana.send("CAP REQ :-server-time", "PRIVMSG #a :y")) == 2
    beto.send("PRIVMSG #a :z")
    assert ana.heard() == [":beto!~beto@127.0.0.1 PRIVMSG #a :z"]


def test_who_moves_between_groups_stays_to_its_room(driver: Driver) -> None:
    """The last member of a group moves: the room must not be forgotten with the group."""
    ana = driver.irc("ana", worker=0)
    ana.send("JOIN #a")
    ana.send("CAP REQ :server-time")
    beto = driver.irc("beto", worker=1)
    beto.send("JOIN #a")

    assert [line.partition("Z ")[2] for line in ana.heard()][-1] == ":beto!~beto@127.0.0.1 JOIN #a"


def test_groups_end_with_their_last_member(driver: Driver) -> None:
    ana, beto = driver.irc("ana"), driver.plain("beto")
    for _ in range(3):
        ana.send("JOIN #a,#b", "PART #a", "JOIN 0", "JOIN #lobby", "PART #lobby")
        beto.send("/join #c", "/part")
    ana.send("QUIT")
    beto.gone()

    assert [worker.groups for worker in driver.workers] == [{}, {}]


def test_a_person_in_many_rooms_hears_of_a_leaving_friend_once(driver: Driver) -> None:
    ana, beto = driver.irc("ana"), driver.irc("beto")
    for person in (ana, beto):
        person.send("JOIN #a,#b,#c")
    ana.heard()

    beto.send("NICK berta")
    assert ana.heard() == [":beto!~beto@127.0.0.1 NICK berta"]
    beto.gone("Connection reset")
    assert ana.heard() == [":berta!~beto@127.0.0.1 QUIT :Connection reset"]


def test_no_two_nicknames_in_use_look_alike(driver: Driver) -> None:
    """Whichever comes first."""
    driver.irc("ana")
    eve = driver.irc("eve")
    eve.heard()
    for double in ("\u0251na", "\u0410\u043f\u0430", "\u1d00\u0274\u1d00"):
        assert eve.send(f"NICK {double}")[0].split()[1] == "433"
    assert eve.send("NICK p\u0131lar") == [":eve!~eve@127.0.0.1 NICK p\u0131lar"]
    driver.replace_broker()
    pilar = driver.connect()
    assert pilar.send("NICK pilar", "USER p 0 * :p") == [":mpchat.local 433 * pilar :Nickname is already in use"]
    assert driver.connect(plain=True).send("pil\u0251r")[-1] == "! pil\u0251r is taken, try another nickname"
    eve.send("NICK p\u0131la")
    assert ":mpchat.local 001 pilar" in pilar.send("NICK pilar")[0]
    assert eve.send("NICK p\u0131lar")[0].split()[1] == "433"
    pilar.send("NICK p\u0131lar", "QUIT")
    assert eve.send("NICK p\u0131lar") == [":p\u0131la!~eve@127.0.0.1 NICK p\u0131lar"]


def test_nor_does_one_look_like_the_servers_own(driver: Driver) -> None:
    assert driver.connect().send("NICK his\u1d1bory")[0].split()[1] == "432"


def test_a_room_that_looks_like_another_is_not_made(driver: Driver) -> None:
    ana, eve = driver.irc("ana"), driver.irc("eve")
    ana.send("JOIN #so", "MODE #so +i")

    for double in ("#\u0455\u043e", "#\u04cf\u043e\u042c\u044c\u0443", "#s\u1d0f"):
        assert eve.send(f"JOIN {double}") == [f":mpchat.local 476 eve {double} :Bad channel name"]
    driver.start()
    assert driver.irc("eve").send("JOIN #\u0455\u043e")[0].split()[1] == "476", "also while it sleeps"
    driver.pass_time(24 * 3600)
    assert driver.irc("ana").send("JOIN #\u0455\u043e")[0].split()[1] == "JOIN"


def test_in_the_records_of_an_older_server_they_are_taken() -> None:
    driver = Driver(ChatSettings(level=0))
    driver.irc("ana").send("JOIN #so")
    eve = driver.irc("\u0251na")

    assert eve.send("JOIN #\u0455\u043e")[0] == ":\u0251na!~\u0251na@127.0.0.1 JOIN #\u0455\u043e"


NOWHERE = "! you are in no room, so what you type goes nowhere: /join #ROOM or /join #lobby"


@pytest.mark.parametrize("room", ["#a", "#lobby"])
def test_what_a_kicked_plain_user_was_typing_is_said_nowhere(room: str) -> None:
    driver = Driver(ChatSettings(opers_exist=True))
    root, beto, eva = driver.irc("root"), driver.plain("beto"), driver.plain("eva")
    root.send(f"JOIN {room}", "OPER root *")
    driver.answer(True)
    beto.send(f"/join {room}")
    beto.heard()
    driver.feed(beto.piece("el secreto de la sala "))
    root.send(f"KICK {room} beto :out")
    eva.heard()

    assert beto.heard()[-1:] == [NOWHERE]
    assert beto.send("es 1234", "/me se va") == [NOWHERE] * 2
    assert not any("1234" in line or "se va" in line for line in [*eva.heard(), *root.heard()])
    assert beto.send("/join #lobby")[-1].startswith("* in #lobby: ")


def test_in_the_records_of_an_older_server_they_wake_up_in_the_lobby() -> None:
    driver = Driver(ChatSettings(level=0))
    ana, beto = driver.irc("ana"), driver.plain("beto")
    ana.send("JOIN #a,#lobby")
    beto.send("/join #a")
    beto.heard()
    ana.heard()

    assert ana.send("KICK #a beto :out") == [
        ":ana!~ana@127.0.0.1 KICK #a beto :out",
        ":beto!~plain@127.0.0.1 JOIN #lobby",
    ]
    assert beto.heard() == ["[23:13] * ana kicked beto out (out)", "[23:13] * beto joined", "* in #lobby: ana, beto"]


def test_wallops_reach_whoever_asked_for_them(guarded: Driver) -> None:
    ana = entering(guarded)
    guarded.answer(True)
    ana.send("OPER root *")
    guarded.answer(True)
    beto = entering(guarded)
    beto.send("NICK beto")
    guarded.answer(True)
    ana.heard()
    beto.heard()
    ana.send("WALLOPS :one")
    assert beto.send("MODE beto +w") == [":beto!~ana@127.0.0.1 MODE beto +w"]
    ana.send("WALLOPS :two")

    assert beto.heard() == [":ana!~ana@127.0.0.1 WALLOPS :two"]
