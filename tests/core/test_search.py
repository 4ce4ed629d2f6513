"""What a search may find, as the core decides it: questions and answers, without a recorder."""

from __future__ import annotations

from typing import Any

import pytest

from mpchat.messages import Row
from mpchat.protocol.tags import message_id
from mpchat.settings import ChatSettings
from tests.core.driver import WALL, Driver, Person

S = ":mpchat.local "
CAPS = "batch message-tags soju.im/search draft/chathistory"
EVER = (0, 1 << 62)


@pytest.fixture
def driver() -> Driver:
    return Driver()


def member(driver: Driver, nick: str, *rooms: str, caps: str = CAPS) -> Person:
    person = driver.irc(nick, caps=caps)
    for room in rooms:
        person.send(f"JOIN {room}")
    return person


def row(number: int, room: str, text: str, sender: str = "ana!~ana@127.0.0.1", kind: str = "PRIVMSG") -> Row:
    return number, WALL, room, sender, kind, text, 60


def texts(lines: list[str]) -> list[str]:
    return [line.rpartition(" :")[2] for line in lines if " PRIVMSG " in line]


@pytest.mark.parametrize(
    ("line", "about"),
    [
        (r"SEARCH in=#club;text=hola\squé\stal", ("hola qué tal", (("#club", 0),), "", *EVER, 50)),
        ("SEARCH text=hola;limit=7", ("hola", (("#club", 0), ("#otra", 0)), "", *EVER, 7)),
        ("search in=#CLUB;limit=999", ("", (("#club", 0),), "", *EVER, 50)),
        (r"SEARCH text=a\:b\\c;from=Beto;in=#otra", (r"a;b\c", (("#otra", 0),), "Beto", *EVER, 50)),
        (
            "SEARCH in=#club;after=1970-01-01T00:00:01.500Z;before=1970-01-01T00:00:02Z",
            ("", (("#club", 0),), "", 1500, 2000, 50),
        ),
    ],
)
def test_what_is_asked(driver: Driver, line: str, about: tuple[Any, ...]) -> None:
    ana = member(driver, "ana", "#club", "#otra")

    assert ana.send(line) == []
    assert driver.asked[-1][3:] == ("search", about)


@pytest.mark.parametrize(
    ("asked", "failure"),
    [
        ("in=#ajena;text=x", "INVALID_PARAMS in :You are not in that channel"),
        ("in=beto;text=x", "INVALID_PARAMS in :You are not in that channel"),
        ("text=x;limit=0", "INVALID_PARAMS limit :Invalid limit"),
        ("text=x;limit=-1", "INVALID_PARAMS limit :Invalid limit"),
        ("text=x;limit=many", "INVALID_PARAMS limit :Invalid limit"),
        ("text=x;after=2026-01-01Z", "INVALID_PARAMS after :Invalid time"),
        ("text=x;before=yesterday", "INVALID_PARAMS before :Invalid time"),
        ("text=x;after=2023-13-01T00:00:00.000Z", "INVALID_PARAMS after :Invalid time"),
        ("text=x;after=2023-12-01T00:00:00.000", "INVALID_PARAMS after :Invalid time"),
        ("words=x", "INVALID_PARAMS words :Unknown attribute"),
    ],
)
def test_what_cannot_be_asked(driver: Driver, asked: str, failure: str) -> None:
    member(driver, "beto", "#ajena")
    ana = member(driver, "ana", "#club")

    assert ana.send(f"SEARCH {asked}") == [S + "FAIL SEARCH " + failure]
    assert driver.asked == []


def test_the_command_comes_with_its_capability(driver: Driver) -> None:
    ana = member(driver, "ana", "#club", caps="batch")

    assert ana.send("SEARCH text=x") == [S + "421 ana SEARCH :Unknown command"]


def test_the_answer_is_a_batch(driver: Driver) -> None:
    ana = member(driver, "ana", "#Club", "#otra")
    ana.send("SEARCH text=hola", "PING behind")
    rows = [row(3, "#club", "hola"), row(5, "#otra", "hola, hola", kind="NOTICE"), row(9, "#ajena", "hola")]
    driver.answer(rows)
    start, first, second, end, pong = ana.heard()

    assert start == S + "BATCH +history soju.im/search"
    assert first.startswith("@batch=history;msgid=")
    assert first.endswith(" :ana!~ana@127.0.0.1 PRIVMSG #Club :hola"), "in the room's own spelling"
    assert second.endswith(" :ana!~ana@127.0.0.1 NOTICE #otra :hola, hola")
    assert end == S + "BATCH -history"
    assert pong.endswith(" :behind"), "what came behind it has waited"


def test_who_is_in_no_room_finds_nothing(driver: Driver) -> None:
    ana = member(driver, "ana")

    assert ana.send("SEARCH text=x") == [S + "BATCH +history soju.im/search", S + "BATCH -history"]
    assert driver.asked == []


def test_who_leaves_meanwhile_finds_nothing_of_that_room(driver: Driver) -> None:
    ana, beto = member(driver, "ana", "#club"), member(driver, "beto", "#club", "#otra")
    beto.send("SEARCH text=hola")
    ana.send("KICK #club beto")
    driver.answer([row(1, "#club", "hola, dijo ana"), row(2, "#otra", "hola")])

    assert texts(beto.heard()) == ["hola"]


def test_the_past_of_an_earlier_room_of_the_name_is_not_found(driver: Driver) -> None:
    ana = member(driver, "ana", "#club")
    ana.send("PRIVMSG #club :las respuestas", "PART #club")
    mala = member(driver, "mala", "#club")
    mala.send("SEARCH text=respuestas")

    (((room, begins),),) = [about[1] for *_, about in driver.asked]
    assert (room, begins) == ("#club", 1), "only what was said behind the last message of that time"
    driver.answer([row(1, "#club", "las respuestas")])
    assert texts(mala.heard()) == [], "whatever the recorder says"


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (None, "the history does not answer, try again later"),
        ("too slow", "the search took too long: more words, or rarer ones, make it faster"),
        ("no index", "this server cannot search: its SQLite has no full-text search (FTS5)"),
    ],
)
def test_no_answer_has_a_reason(driver: Driver, answer: str | None, why: str) -> None:
    ana = member(driver, "ana", "#club")
    ana.send("SEARCH text=hola")
    driver.answer(answer)

    assert ana.heard() == [S + f"FAIL SEARCH INTERNAL_ERROR :{why}"]


@pytest.mark.parametrize("line", ["SEARCH text=hola", "CHATHISTORY BEFORE #club msgid={} 5", "PRIVMSG history :#club"])
def test_another_broker_asks_again(driver: Driver, line: str) -> None:
    ana = member(driver, "ana", "#club")
    ana.send("PRIVMSG #club :hola")
    ana.send("PRIVMSG #club :otra", line.format(message_id(WALL, 2)))
    before = driver.asked[-1]
    driver.replace_broker()

    assert driver.asked == [before]
    driver.answer([row(1, "#club", "hola")])
    assert any("hola" in line for line in ana.heard())


def test_before_a_message(driver: Driver) -> None:
    ana = member(driver, "ana", "#club")
    ana.send(*["PRIVMSG #club :hola"] * 5)
    ana.send(f"CHATHISTORY BEFORE #club msgid={message_id(WALL, 4)} 2")

    assert driver.asked[-1][3:] == ("history", ("#club", 0, "BEFORE", (("message", 4),), 2))
    driver.answer([row(2, "#club", "dos"), row(3, "#club", "tres")])
    start, *lines, _ = ana.heard()
    assert start == S + "BATCH +history chathistory #club"
    assert texts(lines) == ["dos", "tres"]
    ana.send(f"CHATHISTORY BEFORE #club msgid={message_id(WALL, 4)} 2")
    driver.answer(None)
    assert ana.heard() == [S + "FAIL CHATHISTORY MESSAGE_ERROR BEFORE #club :Messages could not be retrieved"]


# The nickname `history`, for clients that know no chathistory.

SERVICE = ":history!history@mpchat.local NOTICE ana :"


def test_the_service_tells_the_past_in_notices(driver: Driver) -> None:
    ana = member(driver, "ana", "#Club", caps="")
    ana.send("PRIVMSG History :#club 50")

    assert driver.asked[-1][3:] == ("notices", ("#club", 0, "LATEST", (), 50))
    driver.answer(
        [row(1, "#club", "hola"), row(2, "#club", "\x01ACTION saluda\x01"), (2, WALL, "", "", "GAP", "", None)]
    )
    assert ana.heard() == [
        SERVICE + "[23:13] <ana> hola",
        SERVICE + "[23:13] * ana saluda",
        SERVICE + "some messages are missing here",
    ]


def test_a_long_message_takes_two_notices(driver: Driver) -> None:
    ana = member(driver, "ana", "#club", caps="")
    ana.send("PRIVMSG history #club")
    driver.answer([row(1, "#club", "ñ" * 240)])
    first, second = ana.heard()

    assert max(len(line.encode()) for line in (first, second)) <= 510
    assert first.removeprefix(SERVICE) + second.removeprefix(SERVICE) == "[23:13] <ana> " + "ñ" * 240


USAGE = "send me a room that you are in, and how many of its last lines (at most 100): #room 50"


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("hola", USAGE),
        ("#club many", USAGE),
        ("#club 0", USAGE),
        ("#ajena 5", "you are not in #ajena"),
        ("#club 5 5", USAGE),
    ],
)
def test_what_the_service_cannot_do_it_says(driver: Driver, text: str, answer: str) -> None:
    member(driver, "beto", "#ajena")
    ana = member(driver, "ana", "#club", caps="")

    assert ana.send(f"PRIVMSG history :{text}") == [SERVICE + answer]
    assert ana.send(f"NOTICE history :{text}") == [], "a notice is never answered"


@pytest.mark.parametrize(
    ("rows", "answer"),
    [([], "the history has nothing of #club"), (None, "the history does not answer, try again later")],
)
def test_the_service_says_so_where_there_is_nothing(driver: Driver, rows: list[Row] | None, answer: str) -> None:
    ana = member(driver, "ana", "#club", caps="")
    ana.send("PRIVMSG history :#club 5")
    driver.answer(rows)

    assert ana.heard() == [SERVICE + answer]


def test_who_has_left_meanwhile_is_told_nothing(driver: Driver) -> None:
    beto, ana = member(driver, "beto", "#club"), member(driver, "ana", "#club", caps="")
    ana.send("PRIVMSG history :#club 5")
    beto.send("KICK #club ana")
    driver.answer([row(1, "#club", "hola")])

    assert ana.heard()[-1] == SERVICE + "you are not in #club"


def test_the_service_speaks_the_servers_language() -> None:
    driver = Driver(ChatSettings(language="es"))
    ana = member(driver, "ana", "#club", caps="")

    assert ana.send("PRIVMSG history :#ajena") == [SERVICE + "no estás en #ajena"]


# Plain text.


def test_in_plain_text_the_room_is_searched(driver: Driver) -> None:
    beto = driver.plain("beto")
    beto.heard()

    assert beto.send("/search ¿qué tal?") == []
    assert driver.asked[-1][3:] == ("search", ("¿qué tal?", (("#lobby", 0),), "", *EVER, 50))
    driver.answer([row(1, "#lobby", "hola, ¿qué tal?"), row(2, "#lobby", "¿qué tal, qué tal?")])
    assert beto.heard() == ["[23:13] <ana> hola, ¿qué tal?", "[23:13] <ana> ¿qué tal, qué tal?"]


@pytest.mark.parametrize(
    ("answer", "english", "spanish"),
    [
        ([], "* nothing in #lobby has these words", "* en #lobby no hay nada con esas palabras"),
        (None, "! the history does not answer, try again later", "! el historial no responde, inténtalo más tarde"),
        (
            "too slow",
            "! the search took too long: more words, or rarer ones, make it faster",
            "! la búsqueda tardó demasiado: con más palabras, o menos comunes, va más rápido",
        ),
    ],
)
def test_in_plain_text_there_is_always_an_answer(driver: Driver, answer: Any, english: str, spanish: str) -> None:
    beto = driver.plain("beto")
    for setting, told in (("/lang en", english), ("/lang es", spanish)):
        beto.send(setting)
        beto.send("/search hola")
        driver.answer(answer)
        assert beto.heard() == [told]


def test_in_plain_text_signs_are_said_to_be_none_that_can_be_found(driver: Driver) -> None:
    beto = driver.plain("beto")
    for setting, told in (
        ("/lang en", "* nothing in #lobby has that: emoji and signs are not looked for, letters and digits are"),
        ("/lang es", "* en #lobby no hay nada con eso: no se buscan emojis ni signos, sino letras y cifras"),
    ):
        beto.send(setting)
        beto.send("/search 😀 ¿?")
        driver.answer([])
        assert beto.heard() == [told]


def test_in_plain_text_something_must_be_searched_for(driver: Driver) -> None:
    (usage,) = driver.plain("beto").send("/search ")

    assert usage.startswith("! how to use it: /search WORDS")
    assert driver.asked == []


def test_in_plain_text_who_is_kicked_meanwhile_finds_nothing(driver: Driver) -> None:
    ana, beto = member(driver, "ana", "#club"), driver.plain("beto")
    beto.send("/join #club", "/search hola")
    ana.send("KICK #club beto")
    beto.heard()
    driver.answer([row(1, "#club", "hola")])

    assert beto.heard() == ["! you are no longer in #club"]


def test_of_many_words_a_few_are_searched_for(driver: Driver) -> None:
    """Each costs the recorder time in which nobody can stop it."""
    beto = driver.plain("beto")
    beto.send("/search " + "a b " * 2000)
    assert driver.asked[-1][4][0] == "a b"
    driver.answer([])
    beto.send("/search " + " ".join(map(str, range(3000))))
    assert driver.asked[-1][4][0] == "0 1 2 3 4 5 6 7"
    driver.answer([])
    beto.send("/search " + "a." * 3000)
    assert len(driver.asked[-1][4][0]) == 200
