"""scripts/chaos --explain: what its clients remember is compared with what is told, line by line and as often."""

from __future__ import annotations

import json
from typing import Any

import pytest

from scripts.chaos_run.explained import Explained
from scripts.chaos_run.lines import Log, Said

ANA, BETO, CORA = 1, 2, 3
HELLO = ":ana!~u@127.0.0.1 PRIVMSG #room :1 hola"
SECRET = ":ana!~u@127.0.0.1 PRIVMSG beto :2 psst"
ANSWER = ":mpchat.local PONG mpchat.local :x"


def happening(connection: int, nick: str, line: str, *sent: tuple[list[int], list[str] | None]) -> dict[str, Any]:
    items: list[dict[str, Any]] = [{"item": "send", "connections": to, "lines": lines} for to, lines in sent]
    acknowledged = {"item": "ack", "connections": [connection], "end": 9}
    return {"connection": connection, "nick": nick, "line": line, "items": [*items, acknowledged]}


@pytest.fixture
def told() -> list[dict[str, Any]]:
    return [
        happening(ANA, "", "USER ana"),
        happening(ANA, "ana", "NICK ana"),
        happening(BETO, "beto", "NICK beto"),
        happening(CORA, "cora", "cora", ([CORA], ["* you are cora"])),
        happening(ANA, "ana", "PRIVMSG #room :1 hola", ([ANA, BETO], [HELLO]), ([CORA], ["[14:03] <ana> 1 hola"])),
        happening(ANA, "ana", "PRIVMSG beto :2 psst", ([BETO], [SECRET]), ([ANA], [SECRET])),
        happening(CORA, "cora", "3 yes", ([ANA, BETO], [":cora!~plain@127.0.0.1 PRIVMSG #room :3 yes"])),
        happening(CORA, "cora", "/msg beto 4 no", ([BETO], [":cora!~plain@127.0.0.1 PRIVMSG beto :4 no"])),
        happening(ANA, "ana", "@+a=5 TAGMSG #room"),
        happening(ANA, "ana", "PING x", ([ANA], [ANSWER])),
        happening(ANA, "ana", "PING x", ([ANA], [ANSWER])),
    ]


@pytest.fixture
def logs() -> dict[str, Log]:
    return {
        "ana": Log(
            "ana",
            said=[Said("#room", "1 hola"), Said("beto", "2 psst"), Said("#room", "", "+a=5")],
            lines=[f"{line}\r\n".encode() for line in (HELLO, SECRET, ANSWER, ANSWER)],
        ),
        "beto": Log("beto", lines=[f"{line}\r\n".encode() for line in (HELLO, SECRET)]),
        "cora": Log(
            "cora",
            plain=True,
            said=[Said("#room", "3 yes"), Said("beto", "4 no")],
            lines=[b"* you are cora\n", b"[14:03] <ana> 1 hola\n"],
        ),
        "": Log("", lines=[b"of one who never had a name\r\n"]),
    }


def missing(told: list[dict[str, Any]], logs: dict[str, Log]) -> list[str]:
    return Explained(map(json.dumps, told)).missing(list(logs.values()))


def test_all_is_there(told: list[dict[str, Any]], logs: dict[str, Log]) -> None:
    assert missing(told, logs) == []
    assert Explained(map(json.dumps, told)).records == len(told)


def test_more_may_be_told_than_was_read(told: list[dict[str, Any]], logs: dict[str, Log]) -> None:
    """A client may have gone before."""
    logs["ana"].lines.clear()
    logs["ana"].said.clear()
    assert missing(told, logs) == []


def test_a_line_that_was_read_and_is_not_told(told: list[dict[str, Any]], logs: dict[str, Log]) -> None:
    told[4]["items"][0]["connections"].remove(BETO)
    assert missing(told, logs) == [f"the explanation does not say that it was sent to beto: {HELLO!r}"]


def test_one_that_is_told_as_somebody_elses(told: list[dict[str, Any]], logs: dict[str, Log]) -> None:
    told[5]["items"][0]["connections"] = [CORA]
    assert missing(told, logs) == [f"the explanation does not say that it was sent to beto: {SECRET!r}"]


def test_one_that_was_read_twice_and_sent_once(told: list[dict[str, Any]], logs: dict[str, Log]) -> None:
    del told[-1]
    assert missing(told, logs) == [f"the explanation does not say that it was sent to ana: {ANSWER!r}"]


def test_one_that_is_told_to_be_private(told: list[dict[str, Any]], logs: dict[str, Log]) -> None:
    told[5]["items"][0]["lines"] = None
    assert missing(told, logs) == [f"the explanation does not say that it was sent to beto: {SECRET!r}"]


@pytest.mark.parametrize(
    ("place", "nick", "line"),
    [
        (4, "ana", "PRIVMSG #room :1 hola"),
        (5, "ana", "PRIVMSG beto :2 psst"),
        (6, "cora", "3 yes"),
        (7, "cora", "/msg beto 4 no"),
        (8, "ana", "@+a=5 TAGMSG #room"),
    ],
)
def test_a_line_that_was_said_and_is_not_told(
    told: list[dict[str, Any]], logs: dict[str, Log], place: int, nick: str, line: str
) -> None:
    told[place]["line"] = ""
    assert missing(told, logs) == [f"the explanation does not say that it was said by {nick}: {line!r}"]
    logs[nick].sure = False  # who has reset their connection may have lost it themselves
    assert missing(told, logs) == []


def test_of_many_a_few_are_shown(told: list[dict[str, Any]], logs: dict[str, Log]) -> None:
    logs["beto"].lines += [f"line {number}\r\n".encode() for number in range(10)]
    found = missing(told, logs)
    assert len(found) == 4
    assert found[-1] == "and 7 more"
