"""core: operators' passwords are checked one after the other, and what happens to those that wait for their turn."""

from __future__ import annotations

from math import inf

import pytest

from mpchat.settings import ChatSettings
from tests.core.driver import Driver, Person

WRONG = ":mpchat.local 464 {} :Password incorrect"


@pytest.fixture
def driver() -> Driver:
    return Driver(ChatSettings(opers_exist=True))


def from_afar(driver: Driver, nick: str, host: str = "192.0.2.1") -> Person:
    person = driver.connect(host=host)
    person.send(f"NICK {nick}", f"USER {nick} 0 * :{nick}")
    return person


def asked(driver: Driver) -> list[int]:
    """Whose passwords have been asked for since the last call."""
    found = [each[1] for each in driver.asked]
    driver.asked.clear()
    return found


def test_a_wrong_one_makes_all_of_its_address_wait(driver: Driver) -> None:
    ana, beto, carla = from_afar(driver, "ana"), from_afar(driver, "beto"), from_afar(driver, "carla", "192.0.2.2")
    ana.send("OPER root *")
    driver.answer(False)
    assert asked(driver) == [ana.id]
    assert beto.send("OPER root *", "PING behind") == []
    carla.send("OPER root *")
    assert asked(driver) == [carla.id], "another address does not wait"
    driver.feed(("answer", carla.id, True))
    assert driver.core.next_deadline == 1000
    driver.pass_time(0.999)
    assert asked(driver) == []
    driver.replace_broker()
    assert asked(driver) == []
    driver.pass_time(0.001)
    assert asked(driver) == [beto.id]
    driver.feed(("answer", beto.id, False))
    assert beto.heard() == [WRONG.format("beto"), ":mpchat.local PONG mpchat.local :behind"]
    ana.send("OPER root *")
    driver.pass_time(1.999)
    assert asked(driver) == []
    driver.pass_time(0.001)
    assert asked(driver) == [ana.id]


def test_new_connections_are_no_way_around_it(driver: Driver) -> None:
    """As many as one likes, each with one password: of one address one is checked, and then the next waits."""
    many = [from_afar(driver, f"nick{number}") for number in range(20)]
    for person in many:
        person.send("OPER root *")
    checked = asked(driver)
    assert checked == [many[0].id]
    for number in range(1, 10):
        driver.feed(("answer", checked[-1], False))
        driver.pass_time(number - 0.001)
        assert asked(driver) == []
        driver.pass_time(0.001)
        checked = asked(driver)
        assert checked == [many[number].id]


def test_who_leaves_while_they_wait_is_gone_at_once(driver: Driver) -> None:
    ana, beto = driver.irc("ana"), driver.irc("beto")
    ana.send("JOIN #a")
    beto.send("JOIN #a")
    ana.send("OPER root *")
    driver.answer(False)
    ana.heard()
    driver.feed(*beto.records(["OPER root *", "PRIVMSG #a :adiós", *["OPER root *"] * 900, "PRIVMSG #a :y más"]))
    beto.gone()
    assert ana.heard() == [
        ":beto!~beto@127.0.0.1 PRIVMSG #a :adiós",
        ":beto!~beto@127.0.0.1 PRIVMSG #a :y más",
        ":beto!~beto@127.0.0.1 QUIT :Connection closed",
    ]
    assert beto.closed
    asked(driver)
    driver.pass_time(10)
    assert asked(driver) == []


@pytest.mark.parametrize("how", ["killed", "skipped"])
def test_who_is_taken_away_while_they_wait_keeps_nobody_waiting(driver: Driver, how: str) -> None:
    root, ana, beto = driver.irc("root"), driver.irc("ana"), driver.irc("beto")
    root.send("OPER root *")
    driver.answer(True)
    ana.send("OPER root *")
    beto.send("OPER root *")
    if how == "killed":
        root.send("KILL ana :x")
    else:
        driver.feed(("skip", 1, ana.id))
    asked(driver)
    driver.pass_time(1)
    assert asked(driver) == [beto.id]


def test_so_is_it_with_one_that_is_being_checked(driver: Driver) -> None:
    ana, beto = from_afar(driver, "ana"), from_afar(driver, "beto")
    ana.send("OPER root *")
    beto.send("OPER root *")
    driver.feed(("skip", 1, ana.id))
    asked(driver)
    assert driver.core.next_deadline == 0
    driver.pass_time(0)
    assert asked(driver) == [beto.id]
    driver.feed(("answer", ana.id, True))
    driver.feed(("answer", beto.id, True))
    assert beto.heard()[-1] == ":beto!~beto@192.0.2.1 MODE beto +o"


def test_a_right_one_forgives_the_wrong_ones_of_the_connection(driver: Driver) -> None:
    ana = driver.irc("ana")
    for right in (False, False, False, False, True, False, False, False, False):
        driver.pass_time(1)
        ana.send("OPER root *")
        driver.answer(right)
    driver.replace_broker()
    assert not ana.closed
    driver.pass_time(1)
    ana.send("OPER root *", "JOIN #a")
    driver.answer(False)
    assert ana.closed
    assert ana.heard()[-1] == "ERROR :Closing link: 127.0.0.1 (Too many wrong passwords)"


def test_a_new_run_owes_nobody_an_answer(driver: Driver) -> None:
    for nick in ("ana", "beto"):
        driver.irc(nick).send("OPER root *")
    driver.start()
    assert driver.core.next_deadline == inf
    driver.irc("ana").send("OPER root *")
    assert len(asked(driver)) == 1


# Who was killed


def test_for_half_a_minute_and_from_there_only(driver: Driver) -> None:
    root, _ = driver.irc("root"), driver.irc("Ana")
    root.send("OPER root *")
    driver.answer(True)
    root.send("KILL ana :basta")

    def refused(host: str = "127.0.0.1") -> bool:
        person = driver.connect(host=host)
        lines = person.send("NICK aNa", "USER ana 0 * :Ana")
        person.gone()
        return " 465 " in lines[0]

    assert refused()
    assert not refused("192.0.2.1")
    driver.replace_broker()
    driver.pass_time(29.999)
    assert refused()
    driver.mono, driver.wall = 7, driver.wall  # a new run of the server within the half minute
    driver.start()
    assert refused()
    driver.pass_time(0.001)
    assert not refused()
    assert driver.core._context.hub.removed == {}, "it is not remembered for ever"
