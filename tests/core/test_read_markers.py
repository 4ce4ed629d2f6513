"""core: MARKREAD (IRCv3 draft/read-marker)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mpchat.core.machine import Core
from mpchat.settings import ChatSettings
from tests.core.driver import Driver, Person

CAP = "draft/read-marker"
S = ":mpchat.local "
T1, T2 = "timestamp=2023-11-14T20:00:00.000Z", "timestamp=2023-11-14T21:00:00.500Z"
BEFORE, NEVER = "timestamp=1969-12-31T23:59:59.999Z", "timestamp=2023-13-14T20:00:00.000Z"
NOW = "timestamp=2023-11-14T22:13:20.123Z"
OUTSIDE = "You are not in that channel, and no nickname is written so"
FORM = "A time is written timestamp=YYYY-MM-DDThh:mm:ss.sssZ"


def with_accounts(**limits: int) -> Driver:
    driver = Driver(replace(ChatSettings(), **limits))
    driver.feed(("accounts", ["Ana", "Beto"], ["PLAIN"]))
    return driver


@pytest.fixture
def driver() -> Driver:
    return with_accounts()


def owner(driver: Driver, nick: str, account: str = "Ana", caps: str = CAP) -> Person:
    """Somebody who has logged in to the account."""
    who = driver.connect()
    who.send(
        f"CAP REQ :sasl {caps}", f"NICK {nick}", f"USER {nick} 0 * :{nick}", "AUTHENTICATE PLAIN", "AUTHENTICATE +*"
    )
    driver.feed(("answer", who.id, ("in", account)))
    who.send("CAP END")
    return who


def marked(target: str, time: str = "*") -> list[str]:
    return [f"{S}MARKREAD {target} {time}"]


def test_it_is_set_and_asked_for_and_goes_forward_only(driver: Driver) -> None:
    ana = owner(driver, "ana")
    ana.send("JOIN #A")
    assert ana.send("MARKREAD #a") == marked("#A")
    assert ana.send(f"MARKREAD #A {T2}") == marked("#A", T2)
    assert ana.send(f"MARKREAD #A {T1}", f"MARKREAD #A {T2}", "MARKREAD #A") == 3 * marked("#A", T2)
    assert ana.send("MARKREAD nobody") == marked("nobody")
    assert ana.send(f"MARKREAD Nobody {T1}", "MARKREAD nobody") == marked("Nobody", T1) + marked("nobody", T1)


def test_it_is_never_beyond_the_present(driver: Driver) -> None:
    """Else a client with a wrong clock would have read for ever what is yet to be said."""
    ana = owner(driver, "ana")
    assert ana.send("MARKREAD beto timestamp=9999-12-31T23:59:59.999Z") == marked("beto", NOW)


def test_the_other_clients_of_the_account_are_told_if_they_ask_for_it(driver: Driver) -> None:
    ana, second, timed, silent = [
        owner(driver, nick, caps=caps)
        for nick, caps in (("ana", CAP), ("ana2", CAP), ("ana3", f"server-time {CAP}"), ("ana4", "server-time"))
    ]
    beto, stranger, plain = owner(driver, "beto", "Beto"), driver.irc("carla", caps=CAP), driver.plain("eva")
    for each in (ana, second, timed, silent, beto, stranger, plain):
        each.heard()

    assert ana.send(f"MARKREAD carla {T1}") == marked("carla", T1)

    assert second.heard() == marked("carla", T1)
    assert timed.heard() == [f"@time=2023-11-14T22:13:20.123Z {marked('carla', T1)[0]}"]
    assert silent.heard() == beto.heard() == stranger.heard() == plain.heard() == []
    assert second.send(f"MARKREAD carla {T1}", "MARKREAD carla") == 2 * marked("carla", T1)
    assert ana.heard() == [], "nothing has changed"
    assert beto.send("MARKREAD carla") == stranger.send("MARKREAD carla") == marked("carla"), "it is theirs alone"


def test_who_logs_out_or_has_not_entered_is_not_told(driver: Driver) -> None:
    ana, was = owner(driver, "ana"), owner(driver, "ana2")
    was.send("NICKSERV LOGOUT")
    outside = driver.connect()
    outside.send(f"CAP REQ :sasl {CAP}", "NICK ana3", "AUTHENTICATE PLAIN", "AUTHENTICATE +*")
    driver.feed(("answer", outside.id, ("in", "Ana")))
    outside.heard()
    was.heard()
    ana.send(f"MARKREAD carla {T1}")
    assert was.heard() == outside.heard() == []
    assert was.send("MARKREAD carla") == marked("carla")


def test_who_joins_is_told_in_front_of_the_end_of_the_names(driver: Driver) -> None:
    ana, second = owner(driver, "ana"), owner(driver, "ana2")
    ana.send("JOIN #a,#b", f"MARKREAD #a {T1}")
    second.heard()
    told = second.send("JOIN #a,#b")
    for name, time in (("#a", T1), ("#b", "*")):
        at = told.index(marked(name, time)[0])
        assert (
            told.index(f":ana2!~ana2@127.0.0.1 JOIN {name}")
            < at
            < told.index(f"{S}366 ana2 {name} :End of /NAMES list")
        )
    assert "MARKREAD" not in " ".join(driver.irc("carla").send("JOIN #a"))


def test_who_comes_back_by_a_resume_token_is_told_too(driver: Driver) -> None:
    ana = driver.irc("ana5", tokens=("*", "one"))
    ana.send("JOIN #a")
    driver.irc("dora").send("JOIN #a")
    ana.gone()
    back = driver.irc("ana5", caps=CAP, tokens=("one", "two"))
    told = back.output.decode().split("\r\n")
    assert told.index(marked("#a")[0]) < told.index(f"{S}366 ana5 #a :End of /NAMES list")


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("MARKREAD", "NEED_MORE_PARAMS :Missing parameters"),
        ("MARKREAD :", "NEED_MORE_PARAMS :Missing parameters"),
        ("MARKREAD #b", f"INVALID_PARAMS #b :{OUTSIDE}"),
        (f"MARKREAD #b {T1}", f"INVALID_PARAMS #b :{OUTSIDE}"),
        ("MARKREAD :a b", f"INVALID_PARAMS a :{OUTSIDE}"),
        (f"MARKREAD {'x' * 31}", f"INVALID_PARAMS {'x' * 31} :{OUTSIDE}"),
        ("MARKREAD #a *", f"INVALID_PARAMS #a * :{FORM}"),
        ("MARKREAD #a :", f"INVALID_PARAMS #a * :{FORM}"),
        ("MARKREAD #a timestamp=*", f"INVALID_PARAMS #a timestamp=* :{FORM}"),
        ("MARKREAD #a time=2023-11-14T20:00:00.000Z", f"INVALID_PARAMS #a time=2023-11-14T20:00:00.000Z :{FORM}"),
        (f"MARKREAD #a {BEFORE}", f"INVALID_PARAMS #a {BEFORE} :{FORM}"),
        (f"MARKREAD #a {NEVER}", f"INVALID_PARAMS #a {NEVER} :{FORM}"),
    ],
)  # fmt: skip
def test_it_is_refused(driver: Driver, line: str, answer: str) -> None:
    driver.irc("dora").send("JOIN #b")
    ana = owner(driver, "ana")
    ana.send("JOIN #a")
    assert ana.send(line) == [f"{S}FAIL MARKREAD {answer}"]
    assert ana.send("MARKREAD #a") == marked("#a")


def test_it_is_no_command_without_the_capability_or_on_an_older_server(driver: Driver) -> None:
    unknown = [f"{S}421 ana9 MARKREAD :Unknown command"]
    assert driver.irc("ana9").send("MARKREAD beto") == unknown
    older = Driver(ChatSettings(level=3)).irc("ana9", caps=CAP)
    assert f"{S}CAP * NAK :{CAP}\r\n".encode() in older.output
    assert older.send("MARKREAD beto") == unknown


def test_those_of_an_account_outlive_sessions_deaths_and_restarts(driver: Driver) -> None:
    ana = owner(driver, "ana")
    ana.send(f"MARKREAD beto {T1}")
    ana.send("QUIT")
    driver.replace_broker()
    driver.start()
    driver.core = Core.load(driver.core.dump())
    driver.feed(("accounts", ["Ana", "Beto"], ["PLAIN"]))
    assert owner(driver, "ana", "ana").send("MARKREAD beto") == marked("beto", T1)


def test_a_new_broker_knows_whom_to_tell(driver: Driver) -> None:
    ana, *others = [owner(driver, nick) for nick in ("ana", "ana2", "ana3")]
    driver.replace_broker()
    others[0].gone()
    others[1].heard()
    ana.send(f"MARKREAD beto {T1}")
    assert others[1].heard() == marked("beto", T1)


def test_they_are_told_in_the_same_order_whichever_broker_tells_them(driver: Driver) -> None:
    """Which have logged in in another order than they came."""
    ana = owner(driver, "ana")
    early = driver.irc("early", caps=CAP, worker=0)
    owner(driver, "late")
    early.send("NICKSERV IDENTIFY Ana *")
    driver.feed(("answer", early.id, ("in", "Ana")))
    other = Core.load(driver.core.dump())
    (record,) = ana.records([f"MARKREAD beto {T1}"])
    told = driver.core.apply([record]).items
    assert sum(b"MARKREAD" in item[2] for items in told for item in items if item[0] == "send") == 3
    assert other.apply([record]).items == told


def test_those_of_a_session_without_an_account_end_with_it(driver: Driver) -> None:
    carla = driver.irc("carla", caps=CAP)
    carla.heard()
    assert carla.send(f"MARKREAD beto {T1}", "MARKREAD beto") == 2 * marked("beto", T1)
    driver.replace_broker()
    assert carla.send("MARKREAD beto") == marked("beto", T1)
    carla.gone()
    again = driver.irc("carla", caps=CAP)
    again.heard()
    assert again.send("MARKREAD beto") == marked("beto")
    assert not len(driver.core.hub.own_markers)


def test_strangers_push_out_nothing_of_an_accounts() -> None:
    driver = with_accounts(read_markers=3, read_markers_per_account=2)
    ana = owner(driver, "ana")
    ana.send(f"MARKREAD beto {T1}")
    for number in range(3):
        stranger = driver.irc(f"s{number}", caps=CAP)
        stranger.send(*[f"MARKREAD n{target} {T1}" for target in range(5)])
    assert len(driver.core.hub.own_markers) == 3
    assert stranger.send("MARKREAD n2", "MARKREAD n3", "MARKREAD n4") == marked("n2") + marked("n3", T1) + marked(
        "n4", T1
    )
    assert ana.send("MARKREAD beto") == marked("beto", T1)


def test_whoever_registers_the_name_of_a_dropped_account_has_nothing_of_its_markers(driver: Driver) -> None:
    ana, beto = owner(driver, "ana"), owner(driver, "beto", "Beto")
    ana.send(f"MARKREAD secreta {T1}")
    beto.send(f"MARKREAD carla {T1}")
    driver.feed(("accounts", ["Beto"], ["PLAIN"]))
    driver.feed(("accounts", ["Ana", "Beto"], ["PLAIN"]))
    assert owner(driver, "ana2").send("MARKREAD secreta")[-1:] == marked("secreta")
    assert beto.send("MARKREAD carla")[-1:] == marked("carla", T1)
