"""core: settings that are read again are a record like all others; and what the log must say of a block."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from mpchat.core.machine import Core, connection_of
from mpchat.settings import ChatSettings, pack
from tests.core.driver import Driver, Person

OPEN = ChatSettings(motd=("uno",))
GUARDED = replace(OPEN, motd=("dos", "tres"), password_needed=True, opers_exist=True)


def reload(driver: Driver, chat: ChatSettings) -> None:
    driver.feed(("reload", pack(chat)))


def motd(person: Person) -> list[str]:
    return [line.split(":- ")[1] for line in person.send("MOTD") if " 372 " in line]


def test_new_settings_are_for_all_from_there_on() -> None:
    driver = Driver(OPEN)
    ana = driver.irc("ana")
    assert motd(ana) == ["uno"]
    assert ana.send("OPER root secret")[0].split()[1] == "491"
    reload(driver, GUARDED)
    assert driver.core.settings == GUARDED
    assert motd(ana) == ["dos", "tres"]
    ana.send("OPER root *")
    assert driver.asked[-1][3:] == ("oper", "root")
    driver.answer(True)
    assert ":mpchat.local 381 ana :You are now an IRC operator" in ana.heard()
    beto = driver.irc("beto")
    assert beto.closed, "he gave no password"
    reload(driver, OPEN)
    assert not driver.irc("dora").closed
    assert ana.send("MODE ana") == [":mpchat.local 221 ana +o"], "who is an operator stays one"


def test_limits_of_names_change_with_them() -> None:
    driver = Driver(OPEN)
    ana = driver.irc("ana")
    reload(driver, replace(OPEN, nick_bytes=4))
    assert ana.send("NICK anabel")[0].split()[1] == "432"


def test_a_core_that_begins_from_a_snapshot_has_them() -> None:
    driver = Driver(OPEN)
    ana = driver.irc("ana")
    reload(driver, GUARDED)
    driver.replace_broker()
    assert driver.core.settings == GUARDED
    assert motd(ana) == ["dos", "tres"]


def test_it_is_no_connections_record() -> None:
    assert connection_of(("reload", pack(OPEN))) == 0


def test_a_start_may_name_its_code() -> None:
    """The core does the same with it and without: what a broker concludes from it is the broker's affair."""
    without, with_it = Core(), Core()
    start = ("start", pack(OPEN), 2, 60, 1_700_000_000_000, 0, 0)
    assert without.apply([start]) == with_it.apply([(*start, "0123456789abcdef")])
    assert without.dump() == with_it.dump()


# What the log must say


def audited(driver: Driver, *records: Any) -> list[tuple[str, dict[str, str | int]]]:
    return driver.core.apply(records).audit


def test_what_the_log_must_say() -> None:
    driver = Driver(GUARDED)
    ana, beto = driver.connect(host="192.0.2.1"), driver.connect(host="192.0.2.2")
    who = {"nick": "ana", "address": "192.0.2.1", "connection": ana.id}

    assert audited(driver, *ana.records(["NICK ana", "PASS *"])) == []
    assert audited(driver, ("answer", ana.id, False)) == [("wrong password", {"kind": "password", **who})]
    assert audited(driver, *ana.records(["PASS *"])) == []
    assert audited(driver, ("answer", ana.id, True), *ana.records(["USER ana 0 * :Ana"])) == []

    refused = {"why": "Bad password", "nick": "beto", "address": "192.0.2.2", "connection": beto.id}
    assert audited(driver, *beto.records(["NICK beto", "USER b 0 * :B"])) == [("login refused", refused)]

    audited(driver, *ana.records(["OPER root *"]))
    wrong = {"kind": "oper", "name": "root", **who}
    assert audited(driver, ("answer", ana.id, False)) == [("wrong password", wrong)]
    audited(driver, *ana.records(["OPER root *"]))
    assert audited(driver, ("answer", ana.id, True)) == [("operator", {"name": "root", **who})]


def test_who_removed_whom() -> None:
    driver = Driver()
    ana, beto = driver.irc("ana"), driver.irc("beto")
    driver.feed(*ana.records(["JOIN #aula"]), *beto.records(["JOIN #aula"]))
    about = {"by": "ana", "by_address": "127.0.0.1", "by_connection": ana.id}
    about |= {"whom": "beto", "address": "127.0.0.1", "connection": beto.id}

    kicked = audited(driver, *ana.records(["KICK #aula beto :so there"]))
    assert kicked == [("kicked", {"channel": "#aula", **about})]

    driver.core._context.hub.set_operator(driver.core._connections[ana.id].session, True)
    assert audited(driver, *ana.records(["KILL beto :so there"])) == [("killed", about)]
    assert audited(driver, *ana.records(["QUIT :bye"])) == [], "who leaves is not removed"


def test_a_reload_is_told_without_its_texts() -> None:
    driver = Driver(OPEN)
    told = {"motd_lines": 2, "password": "yes", "operators": "yes"}
    assert audited(driver, ("reload", pack(GUARDED))) == [("reloaded", told)]
