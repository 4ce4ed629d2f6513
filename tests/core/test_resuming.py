"""Resume tokens in the core: what a client of ours has again when it comes back, and what nobody gets by one.

A record holds the hashes of tokens; here a token is a word, and the driver's hashed() makes the hash of it.
"""

from __future__ import annotations

import pytest

from mpchat.core.machine import Core
from mpchat.settings import ChatSettings
from tests.core.driver import Driver, Person, hashed

S = ":mpchat.local "
DAY = 24 * 3600.0


def commands(lines: list[str]) -> list[str]:
    return [line.split(" ")[1] if line.startswith(":") else line.split(" ")[0] for line in lines]


def members(person: Person, channel: str) -> list[str]:
    """As NAMES shows them."""
    (names,) = [line for line in person.send(f"NAMES {channel}") if " 353 " in line]
    return sorted(names.partition(" :")[2].split())


@pytest.fixture
def driver() -> Driver:
    return Driver(ChatSettings(opers_exist=True))


@pytest.fixture
def beto(driver: Driver) -> Person:
    """Somebody who stays."""
    return driver.irc("beto")


def club(driver: Driver, beto: Person) -> Person:
    """Ana, who has a token, is operator of #club, where beto is too; nothing is left to read."""
    ana = driver.irc("ana", tokens=("*", "one"))
    ana.send("JOIN #club")
    beto.send("JOIN #club")
    ana.heard()
    beto.heard()
    return ana


def back(driver: Driver, token: str, fresh: str, nick: str = "ana") -> tuple[Person, list[str]]:
    """Ana's client comes back; and what it reads."""
    ana = driver.connect()
    ana.send("CAP REQ :mpchat.org/resume", f"NICK {nick}", "USER ana 0 * :Ana")
    return ana, ana.send(f"RESUME {hashed(token)} {hashed(fresh)}", "CAP END")


def test_an_operator_whose_connection_was_lost_is_one_again(driver: Driver, beto: Person) -> None:
    ana = club(driver, beto)
    ana.send("MODE #club +vk ana llave", "TOPIC #club :siempre")
    ana.gone()
    beto.heard()

    ana, told = back(driver, "one", "two")

    mine = ":ana!~ana@127.0.0.1 JOIN #club"
    start = told.index(mine)
    assert told[start + 1] == f"{S}MODE #club +ov ana ana"
    assert commands(told[start + 2 :]) == ["332", "333", "353", "366", "422"]
    assert beto.heard() == [mine, f"{S}MODE #club +ov ana ana"]
    assert members(beto, "#club") == ["@ana", "beto"]


def test_the_ghost_is_ended_and_gives_back_nickname_and_rooms(driver: Driver, beto: Person) -> None:
    ghost = club(driver, beto)
    alone = ["JOIN #mine", "MODE #mine +ik llave", "TOPIC #mine :lo mío"]
    ghost.send(*alone)

    ana, told = back(driver, "one", "two", nick="ana_")

    assert ghost.heard()[-1] == "ERROR :Closing link: 127.0.0.1 (Resumed elsewhere)"
    assert ghost.closed
    assert told[0].startswith(f"{S}001 ana :")
    assert beto.heard() == [
        ":ana!~ana@127.0.0.1 QUIT :Resumed elsewhere",
        ":ana!~ana@127.0.0.1 JOIN #club",
        f"{S}MODE #club +o ana",
    ]
    assert members(beto, "#club") == ["@ana", "beto"]
    assert f"{S}324 ana #mine +ik llave" in ana.send("MODE #mine"), "though nobody but the ghost was in it"
    assert f"{S}332 ana #mine :lo mío" in told
    assert ana.send("JOIN #mine") == []


def test_all_is_as_before_after_a_restart(driver: Driver) -> None:
    ana = driver.irc("ana", tokens=("*", "one"))
    ana.send("JOIN #g", "MODE #g +kl llave 2")
    beto = driver.irc("beto", tokens=("*", "b-one"))
    beto.send("JOIN #g llave")
    ana.send("MODE #g +v beto")
    driver.feed(("stop", "Server is shutting down"))
    driver.pass_time(3600)
    driver.core = Core.load(driver.core.dump())

    driver.start()

    beto, ana = driver.irc("beto", tokens=("b-one", "b-two")), driver.irc("ana", tokens=("one", "two"))
    assert ":ana!~ana@127.0.0.1 JOIN #g" in beto.heard()
    assert members(ana, "#g") == ["+beto", "@ana"], "who comes first is no operator by that"
    assert f"{S}324 ana #g +kl llave 2" in ana.send("MODE #g")


def test_invited_or_not_and_however_full_it_is(driver: Driver, beto: Person) -> None:
    ana = driver.irc("ana", tokens=("*", "one"))
    beto.send("JOIN #g")
    ana.send("JOIN #g")
    ana.gone()
    beto.send("MODE #g +ikl llave 1")

    ana = driver.irc("ana", tokens=("one", "two"))

    assert members(beto, "#g") == ["@beto", "ana"]
    driver.irc("eva").send("JOIN #g llave")
    assert members(beto, "#g") == ["@beto", "ana"], "of others it is asked as ever"


@pytest.mark.parametrize("how", ["kick", "part"])
def test_a_room_that_was_left_is_not_given_back(driver: Driver, beto: Person, how: str) -> None:
    beto.send("JOIN #a,#b")
    ana = driver.irc("ana", tokens=("*", "one"))
    ana.send("JOIN #a,#b")
    if how == "kick":
        beto.send("KICK #a ana")
    else:
        ana.send("PART #a")
    ana.gone()

    driver.irc("ana", tokens=("one", "two"))

    assert members(beto, "#a") == ["@beto"]
    assert members(beto, "#b") == ["@beto", "ana"]


def test_rights_are_those_of_the_last_moment(driver: Driver, beto: Person) -> None:
    ana = club(driver, beto)
    ana.send("MODE #club +o beto")
    beto.send("MODE #club -o ana")
    ana.gone()

    ana = driver.irc("ana", tokens=("one", "two"))

    assert members(ana, "#club") == ["@beto", "ana"]


def test_another_room_of_the_same_name_is_not_theirs(driver: Driver) -> None:
    """It was made in the same second, and nothing has been said on the server."""
    ana = driver.irc("ana", tokens=("*", "one"))
    ana.send("JOIN #g")
    ana.gone()
    eva = driver.irc("eva")
    eva.send("JOIN #g")

    ana = driver.irc("ana", tokens=("one", "two"))

    assert members(eva, "#g") == ["@eva"]
    assert members(driver.irc("beto"), "#g") == ["@eva"]


def test_who_was_banned_meanwhile_stays_outside(driver: Driver, beto: Person) -> None:
    ana = club(driver, beto)
    ana.send("MODE #club +o beto")
    ana.gone()
    beto.send("MODE #club +b ana!*@*")

    driver.irc("ana", tokens=("one", "two"))

    assert members(beto, "#club") == ["@beto"]


@pytest.mark.parametrize("how", ["kill", "quit"])
def test_who_is_killed_or_leaves_has_nothing_to_come_back_to(driver: Driver, beto: Person, how: str) -> None:
    ana = club(driver, beto)
    if how == "quit":
        ana.send("QUIT")
    else:
        root = driver.irc("root")
        driver.feed(*root.records(["OPER root *"]))
        driver.answer(True)
        root.send("KILL ana :ya basta")
    assert ana.closed

    driver.irc("ana", tokens=("one", "two"))

    assert members(beto, "#club") == ["beto"]


def test_a_token_opens_once(driver: Driver, beto: Person) -> None:
    club(driver, beto).gone()
    ana = driver.irc("ana", tokens=("one", "two"))

    eva = driver.irc("eva", tokens=("one", "x"))

    assert not ana.closed
    assert members(beto, "#club") == ["@ana", "beto"]
    assert eva.send("NAMES #club") != []
    ana.gone()
    driver.irc("ana", tokens=("two", "three"))
    assert members(beto, "#club") == ["@ana", "beto"]


def test_a_registration_of_which_the_client_has_not_heard(driver: Driver, beto: Person) -> None:
    """The welcome was lost, so it sends the same two again: the server knows the second already."""
    club(driver, beto).gone()
    ghost = driver.irc("ana", tokens=("one", "two"))

    _, told = back(driver, "one", "two", nick="ana_")

    assert ghost.closed
    assert ":ana!~ana@127.0.0.1 JOIN #club" in told
    assert members(beto, "#club") == ["@ana", "beto"]


def test_a_nickname_that_another_person_has_now(driver: Driver, beto: Person) -> None:
    club(driver, beto).gone()
    driver.irc("ana")

    driver.irc("ana_", tokens=("one", "two"))

    assert members(beto, "#club") == ["@ana_", "beto"]


@pytest.mark.parametrize(("seconds", "is_in"), [(DAY - 1, True), (DAY, False)])
@pytest.mark.parametrize("restarts", [0, 1, 2])
def test_it_is_dead_a_day_after_the_loss(
    driver: Driver, beto: Person, seconds: float, is_in: bool, restarts: int
) -> None:
    """A room is kept for a day from a restart on; this is a day from the loss on, whatever happens in it."""
    ana = club(driver, beto)
    if not restarts:
        ana.gone()
    for _ in range(restarts):  # the first loses her
        driver.wall += 5 * 3_600_000  # the server is down
        seconds -= 5 * 3600
        driver.mono = 77
        driver.start()
    if restarts:
        beto = driver.irc("beto")
        beto.send("JOIN #club")
    driver.stand_still(seconds)

    driver.irc("ana", tokens=("one", "two"))

    assert ("@ana" in members(beto, "#club")) == is_in


def test_a_server_operator_is_none_again(driver: Driver, beto: Person) -> None:
    ana = club(driver, beto)
    driver.feed(*ana.records(["OPER root *"]))
    driver.answer(True)
    ana.gone()

    ana = driver.irc("ana", tokens=("one", "two"))

    assert "481" in commands(ana.send("KILL beto :x"))


def test_the_password_comes_first() -> None:
    driver = Driver(ChatSettings(password_needed=True))

    def knock(right: bool, *tokens: str) -> Person:
        person = driver.connect()
        person.send("CAP REQ :mpchat.org/resume", "PASS *")
        driver.answer(right)
        person.send("NICK ana", "NICK ana_", "USER ana 0 * :Ana", f"RESUME {' '.join(map(hashed, tokens))}", "CAP END")
        return person

    ghost = knock(True, "*", "one")
    ghost.send("JOIN #club")
    assert knock(False, "one", "evil").closed
    assert not ghost.closed, "a wrong password has not touched the token"
    ana = knock(True, "one", "two")
    assert not ana.closed
    assert ghost.closed


@pytest.mark.parametrize(
    ("lines", "answer"),
    [
        ([f"RESUME * {hashed('one')}"], f"{S}421 * RESUME :Unknown command"),
        (["CAP REQ :mpchat.org/resume", "RESUME * *"], f"{S}FAIL RESUME INVALID_TOKEN :A token is 32 digits of 0-9a-f"),
        (["CAP REQ :mpchat.org/resume", f"RESUME {hashed('one')}"], f"{S}461 * RESUME :Not enough parameters"),
    ],
)
def test_what_is_no_token_of_a_client_that_may_have_one(driver: Driver, lines: list[str], answer: str) -> None:
    assert driver.connect().send(*lines)[-1] == answer


def test_nobody_resumes_who_is_in(driver: Driver) -> None:
    ana = driver.irc("ana", tokens=("*", "one"))
    ana.heard()
    assert ana.send(f"RESUME * {hashed('x')}") == [f"{S}462 ana :You may not reregister"]


def test_no_more_are_kept_than_the_settings_say() -> None:
    driver = Driver(ChatSettings(lost_places=3))
    beto = driver.irc("beto")
    beto.send("JOIN #g")
    beto.send("JOIN #h")
    for number, rooms in enumerate(("#g,#h", "#g", "#g,#h")):
        person = driver.irc(f"p{number}", tokens=("*", f"t{number}"))
        person.send(f"JOIN {rooms}")
        person.gone()
    driver.core = Core.load(driver.core.dump())
    nowhere = driver.irc("nowhere", tokens=("*", "n"))
    nowhere.gone()  # was in no room: that pushes nobody out

    for number in range(3):
        driver.irc(f"p{number}", tokens=(f"t{number}", f"u{number}"))

    assert members(beto, "#g") == ["@beto", "p1", "p2"]


def test_the_names_of_many_wait_for_the_client_and_the_message_of_the_day_follows() -> None:
    driver = Driver(ChatSettings(answer_bytes=500, motd=("hola",)))
    ana = driver.irc("ana", tokens=("*", "one"))
    for number in range(120):
        driver.irc(f"p{number}").send("JOIN #a,#b")
    ana.send("JOIN #a,#b")
    ana.gone()
    driver.everybody_reads = False

    ana, told = back(driver, "one", "two")
    assert commands(told).count("JOIN") == 2
    assert "366" not in commands(told)
    rounds = 0
    while driver.drained(ana):
        rounds += 1
    told += ana.heard()

    assert rounds == 2
    assert commands(told).count("366") == 2
    assert commands(told)[-3:] == ["375", "372", "376"]
