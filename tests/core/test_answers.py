"""core: a long answer is given piece by piece; the next piece, and whatever was asked behind it, when that is out."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpchat.settings import ChatSettings
from tests.core.driver import Driver, Person

pytestmark = pytest.mark.slow

PIECE = 2000
LONG_MOTD = tuple(f"line {number} of many " + "x" * 50 for number in range(200))
ROOMS = [f"#room{number}" for number in range(250)]


def crowded(answer_bytes: int = PIECE, **chat: Any) -> Driver:
    """Two hundred and fifty people in #all; as many rooms with topics; and as many who were called "gone"."""
    driver = Driver(ChatSettings(answer_bytes=answer_bytes, channels_per_client=1000, **chat))
    zoe = driver.irc("zoe")
    zoe.send("JOIN #all", *[f"JOIN {room}" for room in ROOMS], *[f"TOPIC {room} :tema {room}" for room in ROOMS])
    for number in range(249):
        driver.irc(f"nick{number}").send("JOIN #all")
        driver.irc("gone").send("QUIT")
    return driver


def asker(driver: Driver, plain: bool = False) -> Person:
    """Somebody who has read everything so far, and does not read on by themselves."""
    person = driver.plain("eva") if plain else driver.irc("eva", caps="server-time")
    person.heard()
    driver.everybody_reads = False
    return person


def pieces(driver: Driver, person: Person) -> list[list[str]]:
    """What came so far, and then what comes each time when that has been read."""
    found = [person.heard()]
    while driver.workers[person.worker].drains:
        driver.drained(person)
        found.append(person.heard())
    return found


IRC = ["LIST", f"LIST {','.join(ROOMS[:40])}", "WHO *", "WHO #all", "WHO 0 o", "NAMES #all,#room1,#all2,#all",
       "WHOWAS gone", "WHOWAS gone 220", "MOTD", "JOIN #room1,#all,#new,#room2", "JOIN #all"]  # fmt: skip
PLAIN = ["/rooms", "/who #all", "/join #all"]


@pytest.mark.parametrize(("plain", "line"), [*[(False, line) for line in IRC], *[(True, line) for line in PLAIN]])
def test_an_answer_in_pieces_is_the_same_answer(plain: bool, line: str) -> None:
    """And the line behind it is answered behind it."""
    whole, cut = crowded(1 << 40, motd=LONG_MOTD), crowded(motd=LONG_MOTD)
    ping = "/nonsense" if plain else "PING x"
    expected = asker(whole, plain).send(line, ping)
    person = asker(cut, plain)
    cut.feed(*person.records([line, ping]))
    found = pieces(cut, person)

    assert [line for piece in found for line in piece] == expected
    if len("".join(expected)) > 3 * PIECE:
        assert len(found) > 3
    assert all(len("\r\n".join(piece)) < PIECE + 1500 for piece in found), "no piece is much longer than it may be"


def test_all_of_a_burst_of_short_answers_waits_too() -> None:
    driver = crowded()
    eva = asker(driver)
    driver.feed(*eva.records([f"WHOIS nick{number}" for number in range(100)]))
    found = pieces(driver, eva)

    assert len(found) > 5
    assert [line.split()[4] for piece in found for line in piece if " 318 " in line] == [f"nick{n}" for n in range(100)]
    assert eva.sent == driver.workers[eva.worker].taken[eva.id]


@pytest.mark.parametrize("greeted", ["irc", "plain"])
def test_nobody_is_sent_a_long_greeting_faster_than_they_read(greeted: str) -> None:
    driver = Driver(ChatSettings(answer_bytes=PIECE, motd=LONG_MOTD))
    driver.everybody_reads = False
    ana = driver.connect(plain=greeted == "plain")
    driver.feed(*ana.records(["ana", "/who"] if greeted == "plain" else ["NICK ana", "USER a 0 * :a", "JOIN #a"]))
    assert len(ana.output) < PIECE + 1500
    *_, last = pieces(driver, ana)

    assert sum(b"of many" in line for line in ana.output.split(b"\n")) == len(LONG_MOTD)
    assert last[-1] == ("* in #lobby: ana" if greeted == "plain" else ":mpchat.local 366 ana #a :End of /NAMES list")


def test_a_newcomer_who_does_not_read_the_greeting_is_timed_out() -> None:
    driver = Driver(ChatSettings(answer_bytes=PIECE, motd=LONG_MOTD))
    driver.everybody_reads = False
    ana = driver.connect(plain=True)
    driver.pass_time(31)

    assert ana.closed


@pytest.mark.parametrize("everywhere", [False, True])
def test_the_world_changes_meanwhile(everywhere: bool) -> None:
    """Who and what was there all the time is told of once, whatever came and went, a snapshot or a broker too."""
    driver = crowded(500)
    eva = asker(driver)
    zoe = driver.people[0]
    seen: dict[str, list[str]] = {}
    for line in ("LIST", "WHO *", "NAMES #all"):
        driver.feed(*eva.records([line]))
        turn = 0
        heard = eva.heard()
        while driver.workers[eva.worker].drains:
            turn += 1
            zoe.send(f"PART #room{turn}", f"JOIN #late{turn}", f"PART #room{250 - turn}")
            driver.drained(zoe)
            driver.people[1 + 2 * turn].gone()
            if everywhere:
                driver.replace_broker()
            driver.drained(eva)
            heard += eva.heard()
        seen[line] = heard
        assert turn >= 2

    listed = [line.split()[4] for line in seen["LIST"] if " 322 " in line]
    assert len(listed) == len(set(listed))
    assert set(listed) >= {f"#room{number}" for number in range(50, 200)}
    who = [line.split()[8] for line in seen["WHO *"] if " 352 " in line]
    names = [name for line in seen["NAMES #all"] if " 353 " in line for name in line.rpartition(" :")[2].split()]
    for told in (who, names):
        assert len(told) == len(set(told))
        assert {name.lstrip("@") for name in told} >= {f"nick{number}" for number in range(100, 249)}
    for line, end in (("LIST", " 323 "), ("WHO *", " 315 "), ("NAMES #all", " 366 ")):
        assert [end in each for each in seen[line]].index(True) == len(seen[line]) - 1


def test_a_word_that_comes_twice_or_late_is_no_other_ones() -> None:
    driver = crowded()
    eva = asker(driver)
    driver.feed(*eva.records(["LIST", "PING x"]))
    eva.heard()
    first = driver.workers[eva.worker].drains[eva.id]
    driver.drained(eva)
    assert eva.heard()
    for number in (first, 0, first + 2):
        driver.feed(("drained", eva.id, number), ("answer", eva.id, True), ("drained", eva.id + 1000, first))
    assert eva.heard() == []
    assert pieces(driver, eva)[-1][-1].endswith("PONG mpchat.local :x")


def test_what_was_forwarded_behind_it_is_not_acknowledged_until_it_is_dealt_with() -> None:
    driver = crowded()
    eva = asker(driver)
    driver.feed(*eva.records(["LIST"]))
    asked = eva.sent
    driver.feed(*eva.records(["PRIVMSG #all :x", "NOTICE #all :y"]))
    driver.feed(eva.piece("PI"))

    worker = driver.workers[eva.worker]
    assert worker.taken[eva.id] == driver.core.dealt_with(eva.id) == asked
    assert (eva.id, "irc", asked, b"") in driver.core.parts()
    driver.replace_broker()
    assert worker.taken[eva.id] == asked
    pieces(driver, eva)
    assert worker.taken[eva.id] == eva.sent
    assert driver.core.drains(eva.worker) == []


# The end of who asked


def test_who_ends_their_input_in_order_still_gets_everything() -> None:
    """printf 'LIST...' | nc: what was asked before the end is answered, at once, for nobody waits for them."""
    driver = crowded()
    eva = asker(driver)
    driver.feed(*eva.records(["LIST", "PRIVMSG #room7 :adiós", "LIST"]))
    eva.gone("Connection closed")

    heard = eva.heard()
    assert sum(" 322 " in line for line in heard) == 2 * (len(ROOMS) + 1)
    assert sum(" 323 " in line for line in heard) == 2
    assert eva.closed


@pytest.mark.parametrize("reason", ["SendQ exceeded", "Connection reset by peer"])
def test_who_does_not_read_gets_no_more_and_what_they_said_is_said(reason: str) -> None:
    driver = crowded()
    eva = asker(driver)
    zoe = driver.people[0]
    zoe.heard()
    zoe.send("MODE #room7 -n")
    driver.feed(*eva.records(["LIST", "LIST", "PRIVMSG #room7 :adiós", "LIST"]))
    before = len(eva.output)
    eva.gone(reason)

    assert eva.closed
    assert len(eva.output) < before + 3 * PIECE
    assert any(line.endswith("PRIVMSG #room7 :adiós") for line in zoe.heard())
    driver.feed(("drained", eva.id, 1))


def test_a_slow_reader_is_not_silent_while_they_write() -> None:
    driver = crowded()
    eva = asker(driver)
    driver.feed(*eva.records(["LIST"]))
    for _ in range(9):
        driver.pass_time(100)
        driver.feed(*eva.records(["PONG x"]))
    assert not eva.closed
    driver.pass_time(181)
    assert eva.id in driver.workers[eva.worker].probed
    driver.feed(("silent", eva.id))
    assert eva.closed


def test_whoever_is_kicked_amid_a_line_of_theirs_is_told_where_it_goes_and_goes_on() -> None:
    driver = crowded(10)
    driver.everybody_reads = True
    people = [driver.plain(f"p{number}") for number in range(150)]
    zoe, eva = driver.people[0], people[0]
    eva.send("/join #all")
    eva.heard()
    driver.everybody_reads = False
    driver.feed(eva.piece("ho"))
    zoe.send("KICK #all p0")
    driver.drained(zoe)
    driver.feed(*eva.records(["la", "/join #lobby", "/nonsense"]))
    found = [line for piece in pieces(driver, eva) for line in piece]

    assert found[1].startswith("! you are in no room")
    assert sum(line.startswith("* in #lobby: ") for line in found) == 2, "some hundred in each line"
    assert not any("hola" in line for line in people[1].heard())
    assert found[-1].startswith("! there is no /nonsense")


def test_whoever_is_moved_while_they_are_told_who_is_there_is_told_no_more_of_it() -> None:
    driver = crowded()
    zoe = driver.people[0]
    zoe.send("TOPIC #all :el tema")
    for number in range(200):
        driver.irc(f"n{number}").send("JOIN #all")
    eva = asker(driver, plain=True)
    driver.feed(*eva.records(["/join #all"]))
    zoe.send("KICK #all eva")
    found = [line for piece in pieces(driver, eva) for line in piece]

    assert any(line.endswith("zoe kicked eva out") for line in found)
    assert found[-1].startswith("! you are in no room")


def test_the_hidden_are_not_shown_a_hundred_at_a_time_either() -> None:
    driver = crowded()
    for number, person in enumerate(driver.people[1::2]):  # every second one has gone
        person.send(f"MODE nick{number} +i")
    eva = asker(driver, plain=True)

    assert eva.send("/who #all") == ["* in #all: zoe"]


def test_a_question_may_be_open_when_they_leave() -> None:
    driver = crowded(opers_exist=True)
    eva = asker(driver)
    driver.feed(*eva.records(["LIST", "OPER root x", "LIST"]))
    eva.gone("Connection closed")
    assert not eva.closed
    driver.answer(True)

    assert eva.closed
    assert sum(" 323 " in line for line in eva.heard()) == 2


def test_nobody_waits_for_one_who_left_while_a_question_was_open() -> None:
    """Behind the question waits what asks for a long answer, and behind that the end."""
    driver = crowded(opers_exist=True)
    eva = asker(driver)
    driver.feed(*eva.records(["OPER root x", "LIST", "PRIVMSG #room7 :adiós"]))
    eva.gone("Connection closed")
    assert not eva.closed
    driver.answer(True)

    assert eva.closed
    assert sum(" 323 " in line for line in eva.heard()) == 1
    driver.feed(("gone", eva.id, "Connection closed"))


@given(
    cut=st.integers(1, 5000), lines=st.lists(st.sampled_from([*IRC, "PING x", "NICK eva2", "PART #all"]), max_size=6)
)
def test_wherever_it_is_cut(cut: int, lines: list[str]) -> None:
    whole, pieced = small(1 << 40), small(cut)
    expected = asker(whole).send(*lines)
    eva = asker(pieced)
    pieced.feed(*eva.records(lines))

    assert [line for piece in pieces(pieced, eva) for line in piece] == expected


def small(answer_bytes: int) -> Driver:
    driver = Driver(ChatSettings(answer_bytes=answer_bytes, motd=LONG_MOTD[:9]))
    for number in range(5):
        driver.irc(f"nick{number}").send(f"JOIN #all,#room{number}", f"TOPIC #room{number} :tema")
        driver.irc("gone").send("QUIT")
    return driver
