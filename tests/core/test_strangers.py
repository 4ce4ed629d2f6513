"""Limits of strangers on the pure core: who has not entered yet, and changes of nickname; the exempt have none."""

from __future__ import annotations

import pytest

from mpchat.core.machine import Core
from mpchat.settings import ChatSettings, pack
from tests.core.driver import Driver, Person

STRANGER, NEIGHBOUR = "192.0.2.1", "192.0.2.2"
CHAT = ChatSettings(unregistered_per_address=2, nick_changes_per_minute=3)
CROWDED = "ERROR :Closing link: (Too many connections from your address have not entered yet)"


@pytest.fixture
def driver() -> Driver:
    return Driver(CHAT)


def entered(driver: Driver, nick: str, host: str = STRANGER) -> Person:
    person = driver.connect(host=host)
    person.send(f"NICK {nick}", f"USER {nick} 0 * :x")
    return person


def is_refused(driver: Driver, host: str = STRANGER) -> bool:
    person = driver.connect(host=host)
    heard = person.heard()
    assert heard in ([], [CROWDED])
    return person.closed


def test_so_many_of_one_address_may_not_have_entered(driver: Driver) -> None:
    first, _ = driver.connect(host=STRANGER), driver.connect(host=STRANGER)
    assert is_refused(driver)
    assert not is_refused(driver, NEIGHBOUR)
    assert driver.connect(host=STRANGER, plain=True).heard() == [CROWDED.replace("ERROR :Closing link: (", "! ")[:-1]]
    first.send("NICK ana", "USER ana 0 * :x")
    assert not is_refused(driver)
    assert is_refused(driver)


def test_who_leaves_makes_room(driver: Driver) -> None:
    first, _ = driver.connect(host=STRANGER), driver.connect(host=STRANGER)
    first.gone()
    assert not is_refused(driver)
    assert is_refused(driver)
    driver.pass_time(31)  # their registration has timed out
    assert not is_refused(driver)


def test_networks_of_ipv6_count_as_one(driver: Driver) -> None:
    for number in (1, 2):
        assert not is_refused(driver, f"2001:db8::{number}")
    assert is_refused(driver, "2001:db8::3")
    assert not is_refused(driver, "2001:db8:0:1::3")


def test_loopback_is_exempt_unless_the_settings_say_otherwise(driver: Driver) -> None:
    assert [is_refused(driver, host) for host in ["127.0.0.1", "::1", "::ffff:127.0.0.9"] * 5] == [False] * 15
    driver.feed(("reload", pack(ChatSettings(unregistered_per_address=2, exempt=("192.0.2.0/24",)))))
    assert is_refused(driver, "127.0.0.1"), "five of them have not entered"
    assert [is_refused(driver) for _ in range(9)] == [False] * 9


def test_another_broker_counts_the_same(driver: Driver) -> None:
    entered(driver, "ana")
    driver.connect(host=STRANGER)
    driver.core = Core.load(driver.core.dump())
    assert not is_refused(driver)
    assert is_refused(driver)


def test_the_journal_of_a_server_that_had_no_such_limits() -> None:
    old = tuple(
        (name, value)
        for name, value in pack(CHAT)
        if name not in ("exempt", "unregistered_per_address", "nick_changes_per_minute")
    )
    core = Core()
    core.apply([("start", old, 1, 0, 0, 0)])
    items = core.apply([("open", 0, id, "irc", STRANGER) for id in range(1, 50)]).items[0]
    assert [item[0] for item in items] == ["open"] * 49


# Nicknames


def numerics(lines: list[str]) -> list[str]:
    return [line.split()[1] for line in lines]


def test_so_many_changes_of_nickname_within_a_minute(driver: Driver) -> None:
    ana = entered(driver, "ana")
    ana.heard()
    assert numerics(ana.send("NICK a1", "NICK a2", "NICK a3")) == ["NICK"] * 3
    assert ana.send("NICK a4") == [":mpchat.local 438 a3 a4 :Nick change too fast, wait 20 s"]
    driver.pass_time(19.5)
    assert ana.send("NICK a4") == [":mpchat.local 438 a3 a4 :Nick change too fast, wait 1 s"]
    driver.core = Core.load(driver.core.dump())
    assert numerics(ana.send("NICK a4")) == ["438"]
    driver.pass_time(0.5)
    assert numerics(ana.send("NICK a4", "NICK a5")) == ["NICK", "438"]
    driver.pass_time(60)
    assert numerics(ana.send("NICK a5", "NICK a6", "NICK a7", "NICK a8")) == ["NICK"] * 3 + ["438"]


def test_what_changes_nothing_is_no_change(driver: Driver) -> None:
    ana = entered(driver, "ana")
    entered(driver, "beto")
    ana.heard()
    assert numerics(ana.send(*["NICK beto", "NICK 0bad"] * 5)) == ["433", "432"] * 5
    assert ana.send("NICK ana") == []
    assert numerics(ana.send("NICK a1", "NICK a2", "NICK a3")) == ["NICK"] * 3


def test_in_plain_text_it_is_said_in_words(driver: Driver) -> None:
    ana = driver.connect(host=STRANGER, plain=True)
    ana.send("ana", "/nick a1", "/nick a2", "/nick a3")
    assert ana.send("/nick a4") == ["! a4: Nick change too fast, wait 20 s"]
    assert ana.send("/lang es", "/nick a4")[-1] == "! a4: cambias de apodo demasiado deprisa, espera 20 s"


def test_the_exempt_may_always_change_it(driver: Driver) -> None:
    ana = driver.irc("ana")
    assert numerics(ana.send(*(f"NICK a{number}" for number in range(40)))) == ["NICK"] * 40


def test_another_limit_of_oper_holds_from_a_reload_on() -> None:
    driver = Driver(ChatSettings(opers_exist=True))
    driver.feed(("reload", pack(ChatSettings(opers_exist=True, oper_wait_seconds=2, exempt=()))))
    ana = entered(driver, "ana", "127.0.0.1")
    for _ in range(4):
        ana.send("OPER root *")
        driver.pass_time(3)
        driver.answer(False)
        assert "464" in numerics(ana.heard())
