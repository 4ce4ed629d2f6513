"""core: asking for a room's past, in both dialects, and what the answer becomes."""

from __future__ import annotations

from typing import Any

import pytest

from mpchat.messages import Row
from mpchat.protocol.clock import wall_ms
from mpchat.protocol.tags import message_id
from mpchat.settings import ChatSettings
from tests.core.driver import UTC_OFFSET, WALL, Driver, Person

S = ":mpchat.local "
ALL = "batch draft/chathistory message-tags server-time"
ANA = "ana!~ana@127.0.0.1"
DAY = 24 * 3600


@pytest.fixture
def driver() -> Driver:
    return Driver()


def member(driver: Driver, caps: str = ALL) -> Person:
    """beto, in #Ñandú, where six messages have been said; he has read everything."""
    beto = driver.irc("beto", caps=caps)
    beto.send("JOIN #Ñandú", *[f"NOTICE #Ñandú :{number}" for number in range(6)])
    return beto


def msgid(number: int) -> str:
    return f"msgid={message_id(WALL, number)}"


STAMP = "timestamp=2023-11-14T22:13:20.123Z"  # WALL


def row(number: int, text: str, kind: str = "PRIVMSG", after: int = 0) -> Row:
    return number, WALL + after, "#ñandú", ANA, kind, text, UTC_OFFSET


def gap(number: int) -> Row:
    return number, WALL, "", "", "GAP", "", None


ROWS = [row(3, "hola"), row(4, "aviso", "NOTICE", 1000), gap(4), row(5, "\x01ACTION saluda\x01", after=2000)]


@pytest.mark.parametrize(
    ("line", "about"),
    [
        ("CHATHISTORY LATEST #ñandú * 50", (0, "LATEST", (), 50)),
        ("chathistory latest #ÑANDÚ * 1", (0, "LATEST", (), 1)),
        ("CHATHISTORY LATEST #ñandú * 101", (0, "LATEST", (), 100)),
        (f"CHATHISTORY LATEST #ñandú {msgid(3)} 50", (3, "LATEST", (), 50)),
        (f"CHATHISTORY LATEST #ñandú {STAMP} 50", (0, "LATEST", (("time", WALL),), 50)),
        (f"CHATHISTORY AFTER #ñandú {msgid(3)} 50", (3, "AFTER", (), 50)),
        (f"CHATHISTORY AFTER #ñandú {msgid(0)} 999999999", (0, "AFTER", (), 100)),
        (f"CHATHISTORY BEFORE #ñandú {msgid(3)} 5", (0, "BEFORE", (("message", 3),), 5)),
        (f"CHATHISTORY BEFORE #ñandú {STAMP} 5", (0, "BEFORE", (("time", WALL),), 5)),
        (f"CHATHISTORY AROUND #ñandú {STAMP} 5", (0, "AROUND", (("time", WALL),), 5)),
        (f"CHATHISTORY BETWEEN #ñandú {STAMP} {msgid(6)} 5", (0, "BETWEEN", (("time", WALL), ("message", 6)), 5)),
    ],
)
def test_what_is_asked(driver: Driver, line: str, about: tuple[object, ...]) -> None:
    beto = member(driver)

    assert beto.send(line, "PING x") == []

    assert driver.asked == [("ask", beto.id, beto.sent - len("PING x\r\n"), "history", ("#ñandú", *about))]
    driver.answer([])
    assert beto.heard()[-1].endswith("PONG mpchat.local :x"), "what came behind it has waited"


LOST, BY_ID = "Messages could not be retrieved", "Messages are found by msgid or timestamp"
NONE = "There is no such message"


@pytest.mark.parametrize(
    ("asked", "failure"),
    [
        ("LATEST", "INVALID_PARAMS LATEST :Insufficient parameters"),
        ("LATEST #ñandú *", "INVALID_PARAMS LATEST :Insufficient parameters"),
        ("LATEST #ñandú * 9 9", "INVALID_PARAMS LATEST :Too many parameters"),
        ("LATEST #ñandú * 0", "INVALID_PARAMS LATEST 0 :Invalid limit"),
        ("LATEST #ñandú * -1", "INVALID_PARAMS LATEST -1 :Invalid limit"),
        ("LATEST #ñandú * ٣", "INVALID_PARAMS LATEST ٣ :Invalid limit"),
        ("LATEST #ñandú * :", "INVALID_PARAMS LATEST * :Invalid limit"),
        ("LATEST #lobby * 9", f"INVALID_TARGET LATEST #lobby :{LOST}"),
        ("LATEST beto * 9", f"INVALID_TARGET LATEST beto :{LOST}"),
        ("AFTER #x * 9", f"INVALID_TARGET AFTER #x :{LOST}"),
        ("AFTER #ñandú * 9", f"INVALID_MSGREFTYPE AFTER #ñandú * :{BY_ID}"),
        ("BEFORE #ñandú * 9", f"INVALID_MSGREFTYPE BEFORE #ñandú * :{BY_ID}"),
        ("BEFORE #ñandú msgid=x 9", f"MESSAGE_ERROR BEFORE #ñandú msgid=x :{NONE}"),
        ("LATEST #ñandú time=2023 9", f"INVALID_MSGREFTYPE LATEST #ñandú time=2023 :{BY_ID}"),
        ("LATEST #ñandú timestamp=2023 9", "INVALID_PARAMS LATEST #ñandú timestamp=2023 :Invalid timestamp"),
        ("AROUND #ñandú * 9", f"INVALID_MSGREFTYPE AROUND #ñandú * :{BY_ID}"),
        ("BETWEEN #ñandú * 9", "INVALID_PARAMS BETWEEN :Insufficient parameters"),
        (f"BETWEEN #ñandú {msgid(1)} * 9", f"INVALID_MSGREFTYPE BETWEEN #ñandú * :{BY_ID}"),
        ("TARGETS #ñandú * 9", "INVALID_PARAMS TARGETS #ñandú :Invalid timestamp"),
        (f"TARGETS {STAMP} {msgid(1)} 9", f"INVALID_PARAMS TARGETS {msgid(1)} :Invalid timestamp"),
        (f"TARGETS {STAMP} {STAMP} 0", "INVALID_PARAMS TARGETS 0 :Invalid limit"),
        ("AFTER #ñandú msgid=x 9", f"MESSAGE_ERROR AFTER #ñandú msgid=x :{NONE}"),
        (f"AFTER #ñandú {msgid(7)} 9", f"MESSAGE_ERROR AFTER #ñandú {msgid(7)} :{NONE}"),
        ("NONSENSE #ñandú * 9", "INVALID_PARAMS NONSENSE :Unknown command"),
    ],
)
def test_what_cannot_be_asked(driver: Driver, asked: str, failure: str) -> None:
    beto = member(driver, "draft/chathistory")

    assert beto.send(f"CHATHISTORY {asked}") == [S + "FAIL CHATHISTORY " + failure]
    assert driver.asked == []


@pytest.mark.parametrize("asked", ["AROUND #ñandú * 9", "BETWEEN #ñandú * * 9", "TARGETS * * 9"])
def test_what_an_older_server_did_not_know_is_refused_in_its_records_as_it_was(asked: str) -> None:
    beto = member(Driver(ChatSettings(level=3)), "draft/chathistory")

    verb = asked.partition(" ")[0]
    assert beto.send(f"CHATHISTORY {asked}") == [S + f"FAIL CHATHISTORY INVALID_PARAMS {verb} :Unknown command"]
    assert beto.send(f"CHATHISTORY LATEST #ñandú {STAMP} 9") == [
        S + f"FAIL CHATHISTORY INVALID_MSGREFTYPE LATEST #ñandú {STAMP} :Messages are found by msgid only"
    ]


def test_in_which_rooms_something_was_said_last(driver: Driver) -> None:
    beto = member(driver)
    beto.send("JOIN #otra", f"CHATHISTORY TARGETS {STAMP} timestamp=2023-11-14T23:00:00.000Z 999")

    assert driver.asked[-1][3:] == ("targets", ((("#ñandú", 0), ("#otra", 6)), WALL, WALL + 2_799_877, 100))
    driver.answer([(9, WALL + 1000, "#nada", ANA, "PRIVMSG", "x", 0), row(6, "hola", after=2000)])
    start, line, end = beto.heard()
    assert start.endswith(S + "BATCH +history draft/chathistory-targets")
    assert (
        line == f"@batch=history;time=2023-11-14T22:13:20.123Z {S}CHATHISTORY TARGETS #Ñandú 2023-11-14T22:13:22.123Z"
    )
    assert end.endswith(S + "BATCH -history")


def test_the_command_comes_with_its_capability(driver: Driver) -> None:
    beto = member(driver, "batch")

    assert beto.send("CHATHISTORY LATEST #ñandú * 9") == [S + "421 beto CHATHISTORY :Unknown command"]
    assert beto.send("CHATHISTORY") == [S + "461 beto CHATHISTORY :Not enough parameters"]


def test_the_answer_is_a_batch(driver: Driver) -> None:
    beto = member(driver)
    beto.send("CHATHISTORY LATEST #ñandú * 50")
    driver.pass_time(5)
    driver.answer(ROWS)

    now = "@time=2023-11-14T22:13:25.123Z "
    assert beto.heard() == [
        now + S + "BATCH +history chathistory #Ñandú",
        f"@batch=history;time=2023-11-14T22:13:20.123Z;{msgid(3)} :{ANA} PRIVMSG #Ñandú :hola",
        f"@batch=history;time=2023-11-14T22:13:21.123Z;{msgid(4)} :{ANA} NOTICE #Ñandú :aviso",
        "@batch=history;time=2023-11-14T22:13:20.123Z " + S + "NOTICE #Ñandú :some messages are missing here",
        f"@batch=history;time=2023-11-14T22:13:22.123Z;{msgid(5)} :{ANA} PRIVMSG #Ñandú :\x01ACTION saluda\x01",
        now + S + "BATCH -history",
    ]


@pytest.mark.parametrize(
    ("caps", "lines"),
    [
        ("", [f":{ANA} PRIVMSG #Ñandú :hola"]),
        ("server-time", [f"@time=2023-11-14T22:13:20.123Z :{ANA} PRIVMSG #Ñandú :hola"]),
        ("message-tags", [f"@{msgid(3)} :{ANA} PRIVMSG #Ñandú :hola"]),
        ("batch", [
            S + "BATCH +history chathistory #Ñandú",
            f"@batch=history :{ANA} PRIVMSG #Ñandú :hola",
            S + "BATCH -history",
        ]),
    ],
)  # fmt: skip
def test_each_is_told_what_they_can_read(driver: Driver, caps: str, lines: list[str]) -> None:
    beto = member(driver, f"draft/chathistory {caps}")
    beto.send("CHATHISTORY LATEST #ñandú * 50")
    driver.answer([row(3, "hola")])

    assert beto.heard() == lines


def test_an_empty_answer_is_an_answer(driver: Driver) -> None:
    beto = member(driver, "batch draft/chathistory")
    beto.send("CHATHISTORY LATEST #ñandú * 50")
    driver.answer([])

    assert beto.heard() == [S + "BATCH +history chathistory #Ñandú", S + "BATCH -history"]


@pytest.mark.parametrize(
    ("since", "texts"),
    [
        (2, ["hola", "aviso", "some messages are missing here", "\x01ACTION saluda\x01"]),
        (3, ["aviso", "some messages are missing here", "\x01ACTION saluda\x01"]),
        (4, ["some messages are missing here", "\x01ACTION saluda\x01"]),
        (5, []),
    ],
)
def test_the_last_behind_a_message(driver: Driver, since: int, texts: list[str]) -> None:
    """The gap behind the message that was read last is news too."""
    beto = member(driver, "draft/chathistory")
    beto.send(f"CHATHISTORY LATEST #ñandú {msgid(since)} 50")
    driver.replace_broker()
    driver.answer(ROWS)

    assert [line.split(" :", 1)[1] for line in beto.heard()] == texts


@pytest.mark.parametrize(
    ("line", "verb"),
    [("CHATHISTORY LATEST #ñandú * 9", "LATEST"), (f"CHATHISTORY AFTER #ñandú {msgid(3)} 9", "AFTER")],
)
def test_when_nobody_can_say(driver: Driver, line: str, verb: str) -> None:
    beto = member(driver, "batch draft/chathistory")
    beto.send(line)
    driver.answer(None)

    assert beto.heard() == [S + f"FAIL CHATHISTORY MESSAGE_ERROR {verb} #ñandú :Messages could not be retrieved"]


def test_whoever_has_had_to_leave_meanwhile_reads_nothing(driver: Driver) -> None:
    beto, ana = member(driver), driver.irc("ana")
    ana.send("JOIN #ñandú")
    beto.send("MODE #ñandú +o ana")
    beto.heard()
    beto.send("CHATHISTORY LATEST #ñandú * 9")
    ana.send("KICK #ñandú beto")
    driver.answer(ROWS)

    assert beto.heard()[-1].endswith("FAIL CHATHISTORY INVALID_TARGET LATEST #ñandú :Messages could not be retrieved")


# A room's past begins with the room


def rows_of_two_rooms() -> list[Row]:
    """What was said in the first #ñandú, and one line of the second: numbers count what is said anywhere."""
    return [gap(6), row(6, "el viejo secreto"), gap(7), row(8, "nuevo")]


def second_room(driver: Driver) -> Person:
    """carla, in a room of a name that beto's keyed one had; seven messages have been said before it, one since."""
    beto = member(driver)
    beto.send("MODE #ñandú +sk llave", "PRIVMSG #ñandú :el viejo secreto", "PART #ñandú")
    carla = driver.irc("carla", caps="draft/chathistory")
    carla.send("JOIN #ÑANDÚ", "PRIVMSG #ñandú :nuevo")
    return carla


@pytest.mark.parametrize("line", ["LATEST #ñandú * 50", f"LATEST #ñandú {msgid(2)} 50", f"AFTER #ñandú {msgid(0)} 50"])
def test_the_past_of_an_earlier_room_of_the_name_is_not_told(driver: Driver, line: str) -> None:
    """It is neither asked for nor, whatever is answered, passed on; nor is what of it was lost."""
    carla = second_room(driver)
    driver.replace_broker()
    carla.send(f"CHATHISTORY {line}")

    assert driver.asked[-1][4][1] == 7
    driver.answer(rows_of_two_rooms())
    assert [line.split(" :")[1] for line in carla.heard()] == ["some messages are missing here", "nuevo"]


def test_nor_in_plain_text(driver: Driver) -> None:
    second_room(driver)
    eva = reader(driver)
    eva.send("/history")
    driver.answer(rows_of_two_rooms()[:2])

    assert eva.heard() == ["* the history has nothing of #ÑANDÚ"]


def test_a_later_message_is_asked_for_by_its_number(driver: Driver) -> None:
    carla = second_room(driver)
    carla.send(f"CHATHISTORY AFTER #ñandú {msgid(8)} 50")

    assert driver.asked[-1][4] == ("#ñandú", 8, "AFTER", (), 50)


def test_a_room_that_outlives_a_restart_keeps_its_past(driver: Driver) -> None:
    second_room(driver)
    driver.start()
    eva = reader(driver)
    eva.send("/history")

    assert driver.asked[-1][4] == ("#ñandú", 7, "LATEST", (), 20)


def test_after_its_day_it_does_not(driver: Driver) -> None:
    second_room(driver)
    driver.start()
    driver.pass_time(DAY)
    eva = reader(driver)
    eva.send("/history")

    assert driver.asked[-1][4] == ("#ñandú", 8, "LATEST", (), 20)


def test_the_lobby_was_always_there(driver: Driver) -> None:
    driver.plain("ana").send("hola", "/quit")
    driver.start()
    eva = driver.plain("eva")
    eva.send("/history")

    assert driver.asked[-1][4] == ("#lobby", 0, "LATEST", (), 20)


# Plain text


USAGE = "! how to use it: /history [N], so many lines (100 at most), or /history 2026-11-30 14:30"


def reader(driver: Driver) -> Person:
    eva = driver.plain("eva")
    eva.send("/join #Ñandú")
    return eva


@pytest.mark.parametrize(
    ("line", "limit"),
    [("/history", 20), ("/history 5", 5), ("/history  100 ", 100), ("/history 5000", 100)],
)
def test_plain_asks_for_the_last_lines(driver: Driver, line: str, limit: int) -> None:
    eva = reader(driver)

    assert eva.send(line) == []
    assert driver.asked[-1][3:] == ("history", ("#ñandú", 0, "LATEST", (), limit))


@pytest.mark.parametrize(
    "line",
    [
        "/history 0",
        "/history -1",
        "/history x",
        "/history ٣",
        "/history 1 2",
        "/history 25:00",
        "/history 14:60",
        "/history 5 2023-02-30",
        "/history 14:30 5",
    ],
)
def test_plain_explains_itself(driver: Driver, line: str) -> None:
    assert reader(driver).send(line) == [USAGE]


@pytest.mark.parametrize(
    ("line", "since"),
    [
        ("/history 23:13", "2023-11-14T22:13:00.000Z"),
        ("/history 23:14", "2023-11-13T22:14:00.000Z"),  # it has not been so late today
        ("/history 2023-11-13", "2023-11-12T23:00:00.000Z"),
        ("/history  2023-11-13  8:05 ", "2023-11-13T07:05:00.000Z"),
    ],
)
def test_plain_asks_what_was_said_since(driver: Driver, line: str, since: str) -> None:
    """By the clock of where the server is, an hour ahead of UTC."""
    eva = reader(driver)
    before = wall_ms(since)

    assert before is not None
    assert eva.send(line) == []
    assert driver.asked[-1][3:] == ("history", ("#ñandú", 0, "AFTER", (("time", before - 1),), 100))


@pytest.mark.parametrize("when", ["25:00", "14:60", "2023-02-30", "14:30 5", "ayer", "٢٣:١٣"])
def test_what_is_no_time(driver: Driver, when: str) -> None:
    assert reader(driver).send(f"/history {when}") == [USAGE]


def test_plain_reads_the_past_as_it_reads_the_present(driver: Driver) -> None:
    eva = reader(driver)
    eva.send("/history")
    driver.answer([row(1, "ayer", after=-DAY * 1000), *ROWS])

    assert eva.heard() == [
        "[2023-11-13 23:13] <ana> ayer",
        "[23:13] <ana> hola",
        "[23:13] -ana- aviso",
        "! some messages are missing here",
        "[23:13] <*ana> saluda",
    ]


def test_a_line_keeps_the_hour_at_which_it_was_said(driver: Driver) -> None:
    """Summer time begins: what is told carries the offset of its moment. Of an old row the present one must do."""
    eva = reader(driver)
    eva.send("en invierno")
    driver.pass_time(60)
    driver.utc_offset = 120
    driver.pass_time(60)
    eva.send("en verano")
    facts = driver.facts()
    assert eva.heard() == []
    eva.send("/history")
    driver.replace_broker()
    driver.answer([*facts, row(3, "sin offset")[:6], (*row(4, "tampoco")[:6], None)])

    assert [fact[6] for fact in facts] == [60, 120]
    assert eva.heard() == [
        "[2023-11-14 23:13] <eva> en invierno",
        "[00:15] <eva> en verano",
        "[00:13] <ana> sin offset",
        "[00:13] <ana> tampoco",
    ]


def test_the_hour_goes_back_with_the_clock_on_the_wall(driver: Driver) -> None:
    eva = reader(driver)
    ana = driver.irc("ana")
    ana.send("JOIN #ñandú")
    eva.heard()
    driver.wall -= 3 * 3600 * 1000
    driver.pass_time(0)
    ana.send("PRIVMSG #ñandú :hola")

    assert eva.heard() == ["[20:13] <ana> hola"]


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        (None, "! the history does not answer, try again later"),
        ([], "* the history has nothing of #Ñandú"),
    ],
)
def test_plain_is_told_when_there_is_nothing(driver: Driver, answer: Any, line: str) -> None:
    eva = reader(driver)
    eva.send("/history")
    driver.answer(answer)

    assert eva.heard() == [line]


def test_plain_reads_nothing_of_a_room_it_was_kicked_out_of(driver: Driver) -> None:
    ana = driver.irc("ana")
    ana.send("JOIN #Ñandú")
    eva = reader(driver)
    eva.send("/history")
    ana.send("KICK #Ñandú eva")
    eva.heard()
    driver.answer(ROWS)

    assert eva.heard() == ["! you are no longer in #ñandú"]


# Rooms of an earlier run


@pytest.mark.parametrize("jump", [-500 * DAY, 500 * DAY])
def test_a_clock_that_is_set_neither_drops_nor_keeps_rooms(driver: Driver, jump: int) -> None:
    """Within a run their day is one of the monotonic clock."""
    driver.irc("ana").send("JOIN #secreto", "MODE #secreto +k llave")
    driver.start()
    driver.pass_time(60)
    driver.wall += jump * 1000
    driver.pass_time(DAY - 61)
    assert b"#secreto" in driver.core.dump()
    driver.pass_time(1)
    assert b"#secreto" not in driver.core.dump()


@pytest.mark.parametrize(
    ("between", "left"),
    [(0, DAY / 2), (DAY / 4, DAY / 4), (DAY / 2 - 1, 1), (DAY / 2, 0), (-500 * DAY, DAY / 2), (500 * DAY, 0)],
)
def test_between_two_runs_there_is_but_the_wall_clock(driver: Driver, between: float, left: float) -> None:
    """The monotonic one may have begun anew. A clock that was set back says that no time has passed."""
    driver.irc("ana").send("JOIN #secreto")
    driver.start()
    driver.pass_time(DAY / 2)
    driver.wall += int(between * 1000)
    driver.mono = 5
    driver.start()
    assert (b"#secreto" in driver.core.dump()) == (left > 0)
    driver.pass_time(max(0, left - 1))
    assert (b"#secreto" in driver.core.dump()) == (left > 0)
    driver.pass_time(1)
    assert b"#secreto" not in driver.core.dump()


def test_kept_rooms_go_when_their_day_is_over(driver: Driver) -> None:
    def kept() -> int:
        return driver.core.dump().count(b"#secreto")

    driver.irc("ana").send("JOIN #secreto")
    driver.start()
    driver.pass_time(DAY - 1)
    assert kept()
    driver.pass_time(1)
    assert not kept()


def test_a_room_kept_later_stays_longer(driver: Driver) -> None:
    driver.irc("ana").send("JOIN #one")
    driver.start()
    driver.wall += DAY * 500
    driver.irc("ana").send("JOIN #two")
    driver.start()
    driver.pass_time(DAY / 2)

    assert b"#one" not in driver.core.dump()
    assert b"#two" in driver.core.dump()
