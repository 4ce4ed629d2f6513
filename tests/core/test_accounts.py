"""Accounts in the core: SASL, REGISTER, NickServ, /register and /login; whose a nickname is, and what a login gives.

Passwords are stars here, as redaction leaves them, and the authenticator's answers are records.
"""

from __future__ import annotations

import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from mpchat.core.machine import Core
from mpchat.messages import ConnectionId
from mpchat.settings import ChatSettings, pack
from tests.core.driver import Driver, Person, Routed

BOTH = ["PLAIN", "SCRAM-SHA-256"]
SASL_LOGIN = ("CAP REQ :sasl", "AUTHENTICATE PLAIN", "AUTHENTICATE +*")
FAR = "192.0.2.1"
FULL = "this server has as many accounts as it can have: only its administrator can change that"


def with_accounts(*names: str, mechanisms: list[str] = BOTH, **limits: Any) -> Driver:
    driver = Driver(ChatSettings(**limits))
    driver.feed(("accounts", list(names), mechanisms))
    return driver


@pytest.fixture
def driver() -> Driver:
    return with_accounts("Ana")


def answer(driver: Driver, who: Person, *said: str) -> list[str]:
    """The authenticator's answer to their question; what they hear."""
    driver.feed(("answer", who.id, said))
    return who.heard()


def sasl(driver: Driver, nick: str, account: str = "Ana", *, host: str = "127.0.0.1") -> tuple[Person, list[str]]:
    """Somebody who wants a nickname, logs in, and enters; what they hear from their entry on."""
    who = driver.connect(host=host)
    who.send("CAP LS 302", f"NICK {nick}", f"USER {nick} 0 * :{nick}", *SASL_LOGIN)
    answer(driver, who, "in", account)
    return who, who.send("CAP END")


def asked(driver: Driver) -> tuple[Any, ...]:
    """What the core asked last: whose, kind, about."""
    _, connection, _, kind, about = driver.asked[-1]
    return connection, kind, about


# Which mechanisms there are


def caps(who: Person, version: str = "302") -> list[str]:
    (line,) = who.send(f"CAP LS {version}")
    return line.partition(" LS :")[2].split()


def test_the_capability_says_what_there_is(driver: Driver) -> None:
    assert "sasl=PLAIN,SCRAM-SHA-256" in caps(driver.connect())
    assert "sasl" in caps(driver.connect(), ""), "CAP LS without 302 has no values"
    assert "draft/account-registration" in caps(driver.connect())


def test_where_others_can_read_there_is_no_plain_and_no_registration(driver: Driver) -> None:
    there = caps(driver.connect(host=FAR))

    assert "sasl=SCRAM-SHA-256" in there
    assert "draft/account-registration" not in there


def test_over_tls_there_is_all(driver: Driver) -> None:
    driver.feed(("open", 0, 50, "irc", FAR, True))
    items = driver.feed(("line", 50, 12, b"CAP LS 302\r"))
    assert "sasl=PLAIN,SCRAM-SHA-256" in said(items)


def said(items: list[Routed]) -> str:
    return b"".join(item[2] for _, item in items if item[0] in ("send", "cast")).decode()


def test_without_mechanisms_there_are_no_accounts() -> None:
    driver = Driver()
    ana = driver.irc("ana", caps="")
    assert not {"sasl", "draft/account-registration"} & {each.partition("=")[0] for each in caps(ana)}
    assert ana.send("CAP REQ :sasl")[0].endswith("NAK :sasl")
    assert ana.send("PRIVMSG NickServ :IDENTIFY *")[0].endswith(":there are no accounts on this server")
    assert " FAIL REGISTER REGISTRATION_DISABLED " in ana.send("REGISTER * * *")[0]
    assert driver.plain("eva").send("/login *")[-1] == "! there are no accounts on this server"


def test_a_server_of_before_has_none_of_it() -> None:
    driver = Driver(ChatSettings(level=2))
    ana, eva = driver.irc("ana"), driver.plain("eva")
    ana.heard(), eva.heard()

    assert [line.split()[1] for line in ana.send("REGISTER * * *", "AUTHENTICATE +*", "NS HELP")] == ["421"] * 3
    assert ana.send("PRIVMSG NickServ :*")[0].split()[1] == "401"
    assert eva.send("/login *")[0].startswith("! there is no /login")


# SASL


def test_who_logs_in_before_they_enter_gets_their_nickname(driver: Driver) -> None:
    ana = driver.connect()
    assert ana.send("CAP LS 302", "NICK ana", "USER ana 0 * :Ana")[1:] == [], "it is neither given nor refused yet"
    assert ana.send("CAP REQ :sasl", "AUTHENTICATE PLAIN")[-1] == "AUTHENTICATE +"
    ana.send("AUTHENTICATE +*")
    assert asked(driver) == (ana.id, "sasl", ("PLAIN", True))
    assert answer(driver, ana, "in", "Ana") == [
        ":mpchat.local 900 * *!*@127.0.0.1 Ana :You are now logged in as Ana",
        ":mpchat.local 903 * :SASL authentication successful",
    ]
    told = ana.send("CAP END")
    assert told[0].split()[1:3] == ["001", "ana"]
    assert ":mpchat.local 330 ana ana Ana :is logged in as" in ana.send("WHOIS ana")


def test_an_exchange_may_have_many_steps_and_pieces(driver: Driver) -> None:
    ana = driver.irc("beto", caps="sasl")
    ana.send("AUTHENTICATE scram-sha-256", "AUTHENTICATE +*")
    assert asked(driver) == (ana.id, "sasl", ("SCRAM-SHA-256", True))
    assert answer(driver, ana, "more", "")[1:] == []
    ana.send("AUTHENTICATE +*")
    assert asked(driver) == (ana.id, "sasl", ("SCRAM-SHA-256", False))
    assert answer(driver, ana, "challenge", "x" * 800) == [
        *[f"AUTHENTICATE {'x' * 400}"] * 2,
        "AUTHENTICATE +",
    ]
    ana.send("AUTHENTICATE +*")
    assert asked(driver) == (ana.id, "sasl", ("SCRAM-SHA-256", False))
    assert [line.split()[1] for line in answer(driver, ana, "in", "Ana")] == ["900", "903"]
    assert ana.send("AUTHENTICATE PLAIN")[0].split()[1] == "907"


@pytest.mark.parametrize(
    ("lines", "numerics"),
    [
        (["AUTHENTICATE *"], ["906"]),
        (["AUTHENTICATE +*"], ["908", "904"]),  # no mechanism's name: redaction does not show it
        (["AUTHENTICATE PLAIN", "AUTHENTICATE ++*"], ["AUTHENTICATE", "905"]),
        (["AUTHENTICATE PLAIN", "AUTHENTICATE PLAIN"], ["AUTHENTICATE", "904"]),
        (["AUTHENTICATE PLAIN", "AUTHENTICATE *", "AUTHENTICATE +*"], ["AUTHENTICATE", "906", "908", "904"]),
        (["AUTHENTICATE"], ["461"]),
    ],
)
def test_what_is_no_login(driver: Driver, lines: list[str], numerics: list[str]) -> None:
    ana = driver.connect()
    ana.send("CAP REQ :sasl")

    found = [line.removeprefix(":mpchat.local ").split()[0] for line in ana.send(*lines)]

    assert found == numerics
    assert driver.asked == []


def test_without_its_capability_there_is_no_sasl(driver: Driver) -> None:
    assert driver.connect().send("AUTHENTICATE PLAIN")[0].split()[1] == "904"


def test_plain_is_refused_where_others_can_read(driver: Driver) -> None:
    ana = driver.connect(host=FAR)
    ana.send("CAP REQ :sasl")
    assert ana.send("AUTHENTICATE PLAIN")[0] == ":mpchat.local 908 * SCRAM-SHA-256 :are available SASL mechanisms"
    assert ana.send("AUTHENTICATE SCRAM-SHA-256") == ["AUTHENTICATE +"]


@pytest.mark.parametrize("kind", ["wrong", "bad", "late"])
def test_what_fails_may_be_tried_again(driver: Driver, kind: str) -> None:
    ana = driver.connect()
    ana.send(*SASL_LOGIN)
    assert answer(driver, ana, kind, "")[-1].split()[1] == "904"
    assert ana.send("AUTHENTICATE PLAIN") == ["AUTHENTICATE +"]


def test_after_so_many_wrong_ones_the_connection_ends(driver: Driver) -> None:
    ana = driver.connect()
    ana.send("CAP REQ :sasl")
    for _ in range(ChatSettings.wrong_passwords):
        assert not ana.closed
        ana.send("AUTHENTICATE PLAIN", "AUTHENTICATE +*")
        answer(driver, ana, "wrong", "")
    assert ana.closed


def test_who_enters_amid_an_exchange_has_ended_it(driver: Driver) -> None:
    ana = driver.connect()
    ana.send("CAP REQ :sasl", "NICK ana", "USER ana 0 * :Ana", "AUTHENTICATE PLAIN")
    told = ana.send("CAP END")
    assert [line.split()[1] for line in told] == ["906", "433"], "the nickname is not theirs"
    assert ana.send("NICK ana2")[0].split()[1] == "001"


def test_an_exchange_outlives_the_broker(driver: Driver) -> None:
    """The step that waits is asked again, as the first or a later one, as it was."""
    ana = driver.irc("beto", caps="sasl")
    ana.send("AUTHENTICATE SCRAM-SHA-256", "AUTHENTICATE +*")
    driver.replace_broker()
    assert asked(driver) == (ana.id, "sasl", ("SCRAM-SHA-256", True))
    answer(driver, ana, "challenge", "abc")
    ana.send("AUTHENTICATE +*")
    driver.replace_broker()
    assert asked(driver) == (ana.id, "sasl", ("SCRAM-SHA-256", False))
    answer(driver, ana, "in", "Ana")
    driver.replace_broker()
    assert ":mpchat.local 330 beto beto Ana :is logged in as" in ana.send("WHOIS beto")


# Nicknames


def test_a_registered_nickname_is_nobody_elses(driver: Driver) -> None:
    beto, eva = driver.irc("beto"), driver.connect(plain=True)
    beto.heard(), eva.heard()
    for nick in ("ana", "ANA", "\u0430n\u0430"):  # the last one only looks like it
        assert beto.send(f"NICK {nick}") in (
            [f":mpchat.local 433 beto {nick} :Nickname is registered: log in to its account, or take another one"],
            [f":mpchat.local 432 beto {nick} :Erroneous nickname"],
        )
    assert eva.send("ana") == ["! ana is registered: if it is yours, /login ana PASSWORD; else try another one"]


def test_a_double_of_a_registered_nickname_is_not_given_away() -> None:
    driver = with_accounts("сас")  # Cyrillic, and looks like cac
    beto = driver.irc("beto")
    assert beto.send("NICK cac")[-1].split()[1] == "433"


def test_who_has_not_logged_in_is_refused_when_they_enter(driver: Driver) -> None:
    beto = driver.connect()
    beto.send("CAP LS 302", "NICK Ana", "USER b 0 * :b")
    assert [line.split()[1:4] for line in beto.send("CAP END")] == [["433", "*", "Ana"]]
    assert beto.send("NICK b")[0].split()[1:3] == ["001", "b"]


def test_without_negotiation_the_answer_comes_at_once(driver: Driver) -> None:
    assert driver.connect().send("NICK Ana")[0].split()[1] == "433"


def test_the_owner_takes_it_back_from_whoever_has_it() -> None:
    """It was theirs before there was the account: here the authenticator comes late."""
    driver = Driver()
    stranger, beto = driver.irc("ana"), driver.irc("beto")
    stranger.send("JOIN #a"), beto.send("JOIN #a")
    driver.feed(("accounts", ["Ana"], BOTH))
    stranger.heard(), beto.heard()

    _, told = sasl(driver, "ana")

    assert told[0].split()[1:3] == ["001", "ana"]
    assert beto.heard() == [f":ana!~ana@127.0.0.1 NICK Guest{stranger.id}"]
    assert stranger.heard() == [
        f":ana!~ana@127.0.0.1 NICK Guest{stranger.id}",
        f":mpchat.local NOTICE Guest{stranger.id} :Its owner has logged in and taken this nickname: "
        f"you are Guest{stranger.id} now",
    ]


def test_so_they_do_from_their_own_ghost_and_from_who_has_not_entered(driver: Driver) -> None:
    ghost, _ = sasl(driver, "ana")
    ana, told = sasl(driver, "ana")
    assert told[0].split()[2] == "ana"
    assert ghost.heard()[-1].endswith(f"you are Guest{ghost.id} now")
    driver.replace_broker()
    again, _ = sasl(driver, "beto")
    assert again.send("NICK Ana") == [":mpchat.local 433 beto Ana :Nickname is already in use"]
    assert ana.heard() == [], "while both live, only GHOST takes it"
    again.send("NS GHOST Ana")
    assert again.heard() == []
    assert ana.heard()[-1].endswith(f"you are Guest{ana.id} now")
    assert not ana.closed

    late = Driver()
    half = late.connect()
    half.send("NICK ana")
    late.feed(("accounts", ["Ana"], BOTH))
    sasl(late, "ana")
    assert half.heard() == [
        "ERROR :Closing link: 127.0.0.1 (This nickname belongs to an account, whose owner has come)"
    ]


def test_the_name_that_is_given_instead_is_free() -> None:
    driver = Driver()
    stranger = driver.irc("ana")
    driver.irc(f"Guest{stranger.id}")
    driver.feed(("accounts", ["ana", f"Guest{stranger.id + 1}"], BOTH))
    sasl(driver, "ana", "ana")
    assert f"NICK Guest{stranger.id + 2}" in stranger.heard()[-2]


# REGISTER


def test_who_registers_is_logged_in(driver: Driver) -> None:
    beto = driver.irc("beto")
    beto.heard()
    beto.send("REGISTER * * *")
    assert asked(driver) == (beto.id, "registration", "beto")
    assert answer(driver, beto, "registered", "beto") == [
        ":mpchat.local REGISTER SUCCESS beto :beto is registered, and you are its owner",
        ":mpchat.local 900 beto beto!~beto@127.0.0.1 beto :You are now logged in as beto",
    ]
    assert driver.connect().send("NICK beto")[0].split()[1] == "433"
    assert " ALREADY_AUTHENTICATED beto " in beto.send("REGISTER beto * *")[0]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("REGISTER * ? *", "INVALID_EMAIL"),
        ("REGISTER ? * *", "BAD_ACCOUNT_NAME"),
        ("REGISTER other * *", "ACCOUNT_NAME_MUST_BE_NICK"),
        ("VERIFY beto *", "INVALID_CODE"),
    ],
)
def test_what_is_no_registration(driver: Driver, line: str, code: str) -> None:
    beto = driver.irc("beto")
    beto.heard()
    (told,) = beto.send(line)
    assert told.split()[3] == code
    assert driver.asked == []


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (("taken", ""), "ACCOUNT_EXISTS"),
        (("weak", "short"), "WEAK_PASSWORD"),
        (("late", ""), "TEMPORARILY_UNAVAILABLE"),
        (("full", ""), "TEMPORARILY_UNAVAILABLE"),
        (("bad", ""), "UNACCEPTABLE_PASSWORD"),
    ],
)
def test_what_the_authenticator_refuses(driver: Driver, said: tuple[str, str], code: str) -> None:
    beto = driver.irc("beto")
    beto.send("REGISTER * * *")
    assert answer(driver, beto, *said)[-1].split()[3] == code


def test_neither_before_entry_nor_where_others_can_read(driver: Driver) -> None:
    assert " COMPLETE_CONNECTION_REQUIRED " in driver.connect().send("REGISTER * * *")[0]
    far = driver.connect(host=FAR)
    far.send("NICK far", "USER far 0 * :Far")
    assert " SECURE_CONNECTION_REQUIRED " in far.send("REGISTER * * *")[0]
    assert "over TLS only" in far.send("PRIVMSG NickServ :REGISTER *")[0]
    assert "over TLS only" in far.send("NS IDENTIFY *")[0]
    assert "over TLS only" in far.send("NS GHOST Ana *")[0]
    assert driver.asked == []


def test_where_there_is_no_room_for_more_accounts_it_is_said(driver: Driver) -> None:
    """To try again, as whom nothing answers is told to, would change nothing."""
    beto, eva = driver.irc("beto"), driver.plain("eva")
    beto.send("REGISTER * * *")
    assert answer(driver, beto, "full", "")[-1].endswith(f" :{FULL}")
    eva.send("/register *")
    assert answer(driver, eva, "full", "") == [f"! {FULL}"]


def test_an_account_is_known_though_its_owner_has_left(driver: Driver) -> None:
    beto = driver.irc("beto")
    beto.send("REGISTER * * *")
    driver.feed(("skip", 1, beto.id))
    driver.feed(("answer", beto.id, ("registered", "beto")))
    assert driver.connect().send("NICK beto")[0].split()[1] == "433"


def test_a_restart_forgets_no_account(driver: Driver) -> None:
    driver.start()
    assert driver.connect().send("NICK ana")[0].split()[1] == "433"


# NickServ


def notices(lines: list[str]) -> list[str]:
    return [line.partition(" :")[2] for line in lines if line.startswith(":NickServ!NickServ@mpchat.local NOTICE ")]


@pytest.mark.parametrize(
    "way", ["PRIVMSG NickServ :{}", "PRIVMSG nickserv@services.example :{}", "NS {}", "NickServ :{}"]
)
def test_each_way_to_nickserv(driver: Driver, way: str) -> None:
    beto = driver.irc("beto")
    beto.send(way.format("IDENTIFY Ana *"))
    assert asked(driver) == (beto.id, "login at NickServ", "Ana")
    told = answer(driver, beto, "in", "Ana")
    assert notices(told) == ["you are logged in as Ana"]
    assert beto.send("NICK Ana") == [":beto!~beto@127.0.0.1 NICK Ana"]
    assert notices(beto.send(way.format("LOGOUT"))) == ["you are logged out"]
    assert notices(beto.send(way.format("LOGOUT"))) == ["you are not logged in"]
    assert notices(beto.send(way.format("INFO Ana"))) == ["Ana is registered"]
    assert len(notices(beto.send(way.format("HELP")))) == 8
    assert notices(beto.send(way.format("*"))) == [
        "I know REGISTER IDENTIFY GHOST INFO LOGOUT SET DROP HELP: /msg NickServ HELP"
    ]


def test_nickserv_registers(driver: Driver) -> None:
    beto = driver.irc("beto")
    beto.send("NS REGISTER *")
    assert asked(driver) == (beto.id, "registration at NickServ", "beto")
    assert notices(answer(driver, beto, "registered", "beto")) == [
        "beto is registered and yours: nobody else can be called so"
    ]
    assert notices(beto.send("NS REGISTER *")) == ["you are logged in as beto already"]
    assert notices(beto.send("NS INFO beto")) == ["beto is registered", "the owner of beto is here as beto"]


def test_nickserv_takes_no_password_by_halves(driver: Driver) -> None:
    beto = driver.irc("beto")
    assert notices(beto.send("NS REGISTER * *")) == [
        "REGISTER password: the nickname that you have is yours from now on"
    ]
    assert driver.asked == []


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (("weak", "short"), "that password is too short: 8 characters at least"),
        (("taken", ""), "carla is registered"),
        (("late", ""), "nobody can check passwords at this moment: try again soon"),
        (("full", ""), FULL),
    ],
)
def test_what_nickserv_does_not_register(driver: Driver, said: tuple[str, str], words: str) -> None:
    carla = driver.irc("carla")
    carla.send("NS REGISTER *")
    assert notices(answer(driver, carla, *said)) == [words]


def test_nickserv_speaks_the_servers_language() -> None:
    driver = with_accounts("Ana", language="es")
    beto = driver.irc("beto")
    beto.send("NS IDENTIFY Ana *")
    assert notices(answer(driver, beto, "wrong", "")) == ["no hay ninguna cuenta así con esa contraseña"]


def test_a_wrong_password_is_told_alike_whether_there_is_the_account_or_not(driver: Driver) -> None:
    beto = driver.irc("beto")
    beto.send("NS IDENTIFY Ana *")
    first = answer(driver, beto, "wrong", "")
    beto.send("NS IDENTIFY * *")  # another word than an account's is a star
    assert asked(driver)[2] == "*"
    assert notices(answer(driver, beto, "wrong", "")) == notices(first)


def test_ghost_gives_the_nickname_back(driver: Driver) -> None:
    ghost, _ = sasl(driver, "Ana")
    beto = driver.irc("beto")
    beto.heard()
    assert notices(beto.send("NS GHOST Ana")) == [
        "only its owner takes a nickname back: add the password, or log in first"
    ]
    beto.send("NS GHOST Ana *")
    assert asked(driver) == (beto.id, "ghost", "Ana")
    told = answer(driver, beto, "in", "Ana")
    assert ":beto!~beto@127.0.0.1 NICK Ana" in told
    assert notices(told) == ["you are logged in as Ana", "you are Ana"]
    assert ghost.heard()[-1].endswith(f"you are Guest{ghost.id} now")
    assert notices(ghost.send("NS RELEASE Ana")) == ["you are Ana"], "who is logged in needs no password"


def test_ghost_is_no_way_round_the_limit_of_changes() -> None:
    driver = with_accounts("FLO", nick_changes_per_minute=3)
    flo = driver.connect(host=FAR)
    flo.send("NICK x", "USER x 0 * :x", "CAP REQ :sasl", "AUTHENTICATE SCRAM-SHA-256", "AUTHENTICATE +*")
    answer(driver, flo, "in", "FLO")
    told = flo.send(*["NS GHOST FLO", "NS GHOST flo"] * 20)
    assert [line.split()[1] for line in told].count("NICK") == 3
    assert " 438 " in told[-1]


def test_nor_round_a_kill() -> None:
    driver = with_accounts("flo", opers_exist=True)
    root, flo = driver.irc("root"), sasl(driver, "flo", "flo")[0]
    root.send("OPER root *"), driver.answer(True)
    root.send("KILL flo :out")
    assert flo.closed
    again = driver.irc("flo3")
    identify(driver, again, "flo")
    for line in ("NICK flo", "NS GHOST flo"):
        assert again.send(line)[-1].split()[1] == "437"
    eva = driver.plain("eva")
    eva.send("/login flo *")
    assert "removed by a server operator" in answer(driver, eva, "in", "flo")[-1]


def test_a_notice_to_nickserv_is_not_answered(driver: Driver) -> None:
    beto = driver.irc("beto")
    beto.heard()
    assert beto.send("NOTICE NickServ :IDENTIFY Ana *") == []
    assert driver.asked == []


# Plain text


def test_register_and_login_in_plain_text(driver: Driver) -> None:
    eva, far = driver.plain("eva"), driver.connect(plain=True, host=FAR)
    eva.heard(), far.heard()
    assert eva.send("/register * *") == ["! how to use it: /register PASSWORD"]
    eva.send("/register *")
    assert asked(driver) == (eva.id, "registration", "eva")
    assert answer(driver, eva, "registered", "eva") == ["* eva is registered and yours: nobody else can be called so"]
    assert eva.send("/register *") == ["! you are logged in as eva already"]
    assert "* eva is logged in as eva" in eva.send("/whois eva")
    assert eva.send("/logout", "/logout") == ["* you are logged out", "! you are not logged in"]
    assert "over TLS only" in far.send("/login eva *")[0]
    assert eva.send("/msg NickServ *")[0].startswith("! here you have /register")


def test_login_is_a_way_in(driver: Driver) -> None:
    ana = driver.connect(plain=True)
    ana.send("ana")
    ana.send("/login Ana *")
    assert asked(driver) == (ana.id, "login", "Ana")
    assert answer(driver, ana, "wrong", "") == ["! there is no such account with that password"]
    assert ana.send("/login *") == ["! how to use it: /login [NICK] PASSWORD"], "of which account?"
    ana.send("/login Ana *")
    told = answer(driver, ana, "in", "Ana")
    assert told[:2] == [
        "* you are logged in as Ana",
        "* you are Ana; /help shows the commands, everything else you type is said",
    ]
    assert told[-1].endswith("in #lobby: Ana")


def test_login_of_somebody_who_is_in_takes_their_nickname(driver: Driver) -> None:
    ghost, _ = sasl(driver, "Ana")
    eva = driver.plain("eva")
    eva.send("/login Ana *")
    told = answer(driver, eva, "in", "Ana")
    assert told[-1].endswith("* eva is now Ana")
    assert ghost.heard()[-1].endswith(f"you are Guest{ghost.id} now")


def test_who_loses_a_nickname_in_plain_text_reads_why() -> None:
    driver = Driver(ChatSettings(language="es"))
    eva = driver.plain("eva")
    driver.feed(("accounts", ["eva"], BOTH))
    eva.heard()
    sasl(driver, "eva", "eva")
    assert eva.heard()[-1] == f"! su dueño ha iniciado sesión y ha tomado este apodo: ahora eres Guest{eva.id}"


def test_help_says_what_can_be_done_now(driver: Driver) -> None:
    def told(who: Person) -> set[str]:
        return {line.split()[1] for line in who.send("/help")}

    eva = driver.connect(plain=True)
    eva.heard()
    assert told(eva) == {"/nick", "/lang", "/login", "/help", "/quit", "//text"}
    eva.send("eva")
    assert {"/register", "/login"} == told(eva) & {"/register", "/login", "/logout", "/pass"}
    eva.send("/register *")
    answer(driver, eva, "registered", "eva")
    of_accounts = {"/register", "/login", "/logout", "/password", "/drop", "/pass"}
    assert of_accounts - {"/register", "/pass"} == told(eva) & of_accounts


# Another password, and the end of an account


def owner(driver: Driver, nick: str = "x") -> Person:
    """Somebody who has logged in to Ana."""
    who = driver.irc(nick)
    identify(driver, who, "Ana")
    who.heard()
    return who


def test_an_owner_changes_the_password_and_stays_logged_in_everywhere(driver: Driver) -> None:
    ana, also = owner(driver), owner(driver, "y")
    ana.send("NS SET password *")
    assert asked(driver) == (ana.id, "password change", "Ana")
    assert notices(answer(driver, ana, "changed", "Ana")) == ["the password of Ana is another one from now on"]
    assert [line.split()[1] for line in also.send("WHOIS x", "WHOIS y")].count("330") == 2


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("NS SET PASSWORD", "SET PASSWORD password"),
        ("NS SET", "SET PASSWORD password"),
        ("NS SET *", "SET PASSWORD password"),
        ("NS DROP", "DROP account password"),
        ("NS DROP Ana", "DROP account password"),
        ("NS DROP beto *", "only who is logged in"),
        ("NS DROP * *", "only who is logged in"),
    ],
)
def test_what_is_no_change_of_an_account(line: str, told: str) -> None:
    driver = with_accounts("Ana", "beto")
    ana = owner(driver)
    before = len(driver.asked)
    assert notices(ana.send(line))[0].startswith(told)
    assert len(driver.asked) == before


@pytest.mark.parametrize("line", ["NS SET PASSWORD *", "NS DROP Ana *"])
def test_nobody_changes_an_account_who_is_not_logged_in_or_whom_others_can_read(driver: Driver, line: str) -> None:
    stranger, far = driver.irc("beto"), driver.connect(host=FAR)
    assert len(notices(stranger.send(line))) == 1
    far.send("CAP REQ :sasl", "NICK far", "USER far 0 * :far", "AUTHENTICATE SCRAM-SHA-256", "AUTHENTICATE +*")
    answer(driver, far, "in", "Ana")
    far.send("CAP END")
    before = len(driver.asked)
    assert notices(far.send(line)) == [
        "a password is taken over TLS only, where nobody can read it: connect by TLS, then try again"
    ]
    assert len(driver.asked) == before


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (("weak", "short"), "that password is too short: 8 characters at least"),
        (("late", ""), "nobody can check passwords at this moment: try again soon"),
    ],
)
def test_a_password_that_is_not_changed(driver: Driver, said: tuple[str, str], words: str) -> None:
    ana = owner(driver)
    ana.send("NS SET PASSWORD *")
    assert notices(answer(driver, ana, *said)) == [words]


def dropped(driver: Driver, who: Person, left: list[str] | None = None) -> list[str]:
    """As the authenticator says it: first which accounts there are; what they hear."""
    driver.feed(("accounts", left or [], BOTH), ("answer", who.id, ("dropped", "Ana")))
    return who.heard()


def test_an_owner_drops_the_account_and_is_logged_out_everywhere(driver: Driver) -> None:
    ana, also, eva = owner(driver), owner(driver, "y"), driver.plain("eva")
    ana.send("NICK Ana")
    eva.send("/login Ana *")
    answer(driver, eva, "in", "Ana")  # and has the nickname now
    ana.heard(), also.heard()
    ana.send("NS DROP Ana *")
    assert asked(driver) == (ana.id, "drop", "Ana")
    told = dropped(driver, ana)
    assert [line.split()[1] for line in told] == ["901", "NOTICE", "NOTICE"]
    assert notices(told) == [
        "there is no account Ana any more: you are logged out",
        "Ana is dropped: anybody can register that nickname",
    ]
    assert [line.split()[1] for line in also.heard()] == ["901", "NOTICE"]
    assert eva.heard()[-1] == "! there is no account Ana any more: you are logged out"
    assert notices(also.send("NS INFO Ana")) == ["there is no such account"]
    eva.gone()
    assert ":y!~y@127.0.0.1 NICK Ana" in also.send("NICK Ana"), "anybody can be called so"
    also.send("NS REGISTER *")
    assert asked(driver) == (also.id, "registration at NickServ", "Ana")


def test_whoever_is_amid_a_login_is_logged_out_too(driver: Driver) -> None:
    half = driver.connect()
    half.send("CAP REQ :sasl", *SASL_LOGIN[1:])
    answer(driver, half, "in", "Ana")
    driver.feed(("accounts", [], BOTH))
    assert [line.split()[1] for line in half.heard()] == ["901"]
    half.send("NICK x", "USER x 0 * :x", "CAP END")
    assert "330" not in [line.split()[1] for line in half.send("WHOIS x")]


def test_whoever_registers_the_name_next_has_nothing_of_what_was_kept(driver: Driver) -> None:
    """Neither rights in rooms, nor by a resume token, nor by a login whose answer is kept back."""
    driver = with_accounts("Ana", wrong_logins_per_minute=20)
    beto = driver.irc("beto")
    beto.send("JOIN #a")
    was = driver.connect()
    was.send("CAP REQ :sasl mpchat.org/resume", "RESUME * " + "1" * 64, "NICK Ana", "USER a 0 * :a", *SASL_LOGIN)
    answer(driver, was, "in", "Ana")
    was.send("CAP END", "JOIN #a")
    beto.send("MODE #a +o Ana")
    was.gone()
    for _ in range(20):
        wrong(driver, from_afar(driver))
    late = from_afar(driver)
    late.send("AUTHENTICATE SCRAM-SHA-256", "AUTHENTICATE +*")
    assert answer(driver, late, "in", "Ana") == [], "it is kept back"

    driver.feed(("accounts", [], BOTH))
    driver.feed(("accounts", ["Ana"], BOTH))  # another's
    heir = owner(driver, "heir")
    assert "MODE #a +o heir" not in "".join(heir.send("JOIN #a"))
    now = driver.connect()
    now.send("CAP REQ :mpchat.org/resume", "RESUME " + "1" * 64 + " " + "2" * 64, "NICK x", "USER a 0 * :a")
    assert now.send("CAP END")[0].split()[2] == "x", "its nickname is another's now"
    assert "330" not in [line.split()[1] for line in now.send("WHOIS x")]
    driver.pass_time(60)
    assert late.heard()[0].split()[1] == "904"


def test_a_wrong_password_drops_nothing_and_counts() -> None:
    driver = with_accounts("Ana", wrong_logins_per_minute=20, exempt=())
    ana = owner(driver)
    for _ in range(19):
        wrong(driver, from_afar(driver, "127.0.0.1"))
    ana.send("NS DROP Ana *")
    assert notices(answer(driver, ana, "wrong", "Ana")) == ["there is no such account with that password"]
    ana.send("NS DROP Ana *")
    assert answer(driver, ana, "wrong", "Ana") == [], "as the answer to a login it comes later"
    driver.pass_time(60)
    assert notices(ana.heard()) == ["there is no such account with that password"]
    for _ in range(ChatSettings.wrong_passwords - 2):
        ana.send("NS DROP Ana *")
        answer(driver, ana, "wrong", "Ana")
        driver.pass_time(60)
    assert ana.closed


def test_far_too_many_wrong_ones_of_an_address_are_refused_here_too() -> None:
    driver = with_accounts("Ana", wrong_logins_per_minute=1, exempt=())
    ana, eva = owner(driver), driver.plain("eva")
    eva.send("/login Ana *")
    answer(driver, eva, "in", "Ana")
    wrong(driver, driver.irc("beto", caps="sasl"))
    guessed = "too many wrong passwords came from your address: try again in a minute"
    ana.send("NS DROP Ana *")
    assert notices(answer(driver, ana, "wrong", "Ana")) == [guessed]
    eva.send("/drop *")
    assert answer(driver, eva, "wrong", "Ana")[-1] == f"! {guessed}"


def test_who_leaves_while_that_answer_is_kept_back_is_gone_at_once() -> None:
    driver = with_accounts("Ana", wrong_logins_per_minute=20, exempt=())
    ana = owner(driver)
    for _ in range(20):
        wrong(driver, from_afar(driver, "127.0.0.1"))
    ana.send("NS DROP Ana *")
    assert answer(driver, ana, "wrong", "Ana") == []
    ana.gone()
    assert ana.closed


def operator(driver: Driver) -> Person:
    root = driver.irc("root")
    root.send("OPER root *")
    driver.pass_time(2)
    driver.answer(True)
    root.heard()
    return root


def test_a_server_operator_drops_an_account_without_its_password() -> None:
    driver = with_accounts("Ana", "zoe", opers_exist=True, oper_accounts=("zoe",))
    ana, root = owner(driver), operator(driver)
    assert notices(root.send("NS DROP nobody")) == ["there is no such account"]
    assert notices(root.send("NS DROP zoe")) == ["zoe stays as long as the settings make its owner a server operator"]
    root.send("NS DROP ana")
    assert asked(driver) == (root.id, "removal", "ana")
    driver.replace_broker()
    assert asked(driver) == (root.id, "removal", "ana")
    assert notices(dropped(driver, root, ["zoe"])) == ["Ana is dropped: anybody can register that nickname"]
    assert [line.split()[1] for line in ana.heard()] == ["901", "NOTICE"]


def test_an_owner_does_not_drop_what_makes_them_an_operator() -> None:
    driver = with_accounts("Ana", oper_accounts=("Ana",))
    ana, eva = owner(driver), driver.plain("eva")
    eva.send("/login Ana *")
    answer(driver, eva, "in", "Ana")
    kept = "Ana stays as long as the settings make its owner a server operator"
    assert notices(ana.send("NS DROP Ana *")) == [kept]
    assert eva.send("/drop *") == [f"! {kept}"]


def test_password_and_drop_in_plain_text(driver: Driver) -> None:
    eva = driver.plain("eva")
    eva.heard()
    assert eva.send("/password *", "/drop *") == ["! you are not logged in"] * 2
    eva.send("/login Ana *")
    answer(driver, eva, "in", "Ana")
    assert eva.send("/password", "/password * *", "/drop") == [
        *["! how to use it: /password PASSWORD"] * 2,
        "! how to use it: /drop PASSWORD",
    ]
    eva.send("/password *")
    assert asked(driver) == (eva.id, "password change", "Ana")
    assert answer(driver, eva, "weak", "name") == ["! the name of the account is no password"]
    eva.send("/password *")
    assert answer(driver, eva, "changed", "Ana") == ["* the password of Ana is another one from now on"]
    eva.send("/drop *")
    assert asked(driver) == (eva.id, "drop", "Ana")
    assert answer(driver, eva, "wrong", "Ana") == ["! there is no such account with that password"]
    eva.send("/drop *")
    assert dropped(driver, eva) == [
        "! there is no account Ana any more: you are logged out",
        "* Ana is dropped: anybody can register that nickname",
    ]


@pytest.mark.parametrize("line", ["/password *", "/drop *"])
def test_in_plain_text_no_such_password_is_taken_where_others_can_read_it(driver: Driver, line: str) -> None:
    eva = driver.connect(plain=True, host=FAR)
    eva.send("eva")
    assert eva.send(line)[-1].startswith("! a password is taken over TLS only")


@pytest.mark.parametrize(("level", "lines"), [(3, 4), (4, 5)])
def test_help_tells_of_what_this_server_knows(level: int, lines: int) -> None:
    told = with_accounts(level=level).irc("beto").send("HELP ACCOUNTS")
    assert [line.split()[1] for line in told].count("705") == lines


@pytest.mark.parametrize("line", ["NS SET PASSWORD *", "NS DROP Ana *"])
def test_such_a_question_outlives_the_broker(driver: Driver, line: str) -> None:
    ana = owner(driver)
    ana.send(line)
    question = asked(driver)
    driver.replace_broker()
    assert asked(driver) == question
    assert len(notices(answer(driver, ana, "late", ""))) == 1


def test_a_server_of_before_changes_and_drops_nothing() -> None:
    driver = with_accounts("Ana", level=3)
    ana, eva = owner(driver), driver.plain("eva")
    eva.heard()
    known = "I know REGISTER IDENTIFY GHOST INFO LOGOUT HELP: /msg NickServ HELP"
    assert notices(ana.send("NS SET PASSWORD *", "NS DROP Ana *")) == [known] * 2
    assert len(notices(ana.send("NS HELP"))) == 6
    assert eva.send("/drop *")[0].startswith("! there is no /drop")
    driver.feed(("accounts", [], BOTH))
    assert ana.heard() == []
    assert "330" in [line.split()[1] for line in ana.send("WHOIS x")], "who is in stays in"


# What a login gives


def test_an_account_has_its_rights_again_after_a_restart(driver: Driver) -> None:
    ana, _ = sasl(driver, "Ana")
    ana.send("JOIN #club", "MODE #club +i")
    driver.mono = 7
    driver.start()
    beto = driver.irc("beto")
    assert beto.send("JOIN #club")[-1].split()[1] == "473"
    ana, _ = sasl(driver, "Ana")

    told = ana.send("JOIN #club")

    assert told[:2] == [":Ana!~Ana@127.0.0.1 JOIN #club", ":mpchat.local MODE #club +o Ana"]
    assert ana.send("MODE #club +k llave") == [":Ana!~Ana@127.0.0.1 MODE #club +k llave"]


@pytest.mark.parametrize("how", ["lost", "quit"])
def test_and_after_a_reconnect(driver: Driver, how: str) -> None:
    ana, _ = sasl(driver, "Ana")
    beto = driver.irc("beto")
    ana.send("JOIN #club")
    beto.send("JOIN #club")
    ana.send("QUIT") if how == "quit" else ana.gone("Connection lost")
    driver.replace_broker()
    beto.heard()
    ana, _ = sasl(driver, "Ana")
    ana.send("JOIN #club")
    assert beto.heard() == [":Ana!~Ana@127.0.0.1 JOIN #club", ":mpchat.local MODE #club +o Ana"]
    ana.send("PART #club", "JOIN #club")
    assert [line.split()[1] for line in beto.heard()] == ["PART", "JOIN"], "once"


def test_who_logs_in_later_has_them_in_the_channels_where_they_are(driver: Driver) -> None:
    ana, _ = sasl(driver, "Ana")
    beto = driver.irc("beto")
    ana.send("JOIN #club")
    beto.send("JOIN #club")
    ana.gone()
    again = driver.irc("otra")
    again.send("JOIN #club", "NS IDENTIFY Ana *")
    told = answer(driver, again, "in", "Ana")
    assert ":mpchat.local MODE #club +o otra" in told


@pytest.mark.parametrize("how", ["kicked", "taken", "killed", "other", "day"])
def test_what_was_taken_is_not_given_back(how: str) -> None:
    driver = Driver(ChatSettings(opers_exist=True))
    driver.feed(("accounts", ["Ana", "Beto"], BOTH))
    ana, _ = sasl(driver, "Ana")
    beto, _ = sasl(driver, "Beto", "Beto")
    beto.send("OPER root *")
    driver.answer(True)
    ana.send("JOIN #club")
    beto.send("JOIN #club")
    ana.send("MODE #club +o Beto")
    other, _ = sasl(driver, "otra")  # another session of the same account
    other.send("JOIN #club")
    if how in ("kicked", "taken"):
        other.gone()
        third, _ = sasl(driver, "tercera")
        third.send("JOIN #club")
        beto.send("KICK #club tercera" if how == "kicked" else "MODE #club -o tercera")
        third.send("QUIT")
        ana.send("MODE #club -o Ana", "QUIT")
    elif how == "killed":
        other.send("PART #club")
        beto.send("KILL Ana :x")
    else:
        other.send("PART #club")
        ana.gone()
    if how == "day":
        beto.gone()
        driver.pass_time(25 * 3600)
        beto, _ = sasl(driver, "Beto", "Beto")
        beto.send("JOIN #club")
    driver.pass_time(60)
    back, _ = sasl(driver, "vuelta", "Beto" if how == "other" else "Ana")
    beto.heard()
    back.send("JOIN #club")
    assert [line.split()[1] for line in beto.heard()] == ["JOIN"]


def test_a_ban_holds_for_owners_too(driver: Driver) -> None:
    ana, _ = sasl(driver, "Ana")
    beto = driver.irc("beto")
    ana.send("JOIN #club")
    beto.send("JOIN #club")
    ana.send("MODE #club +o beto")
    ana.gone()
    beto.send("MODE #club +b Ana!*@*")
    ana, _ = sasl(driver, "Ana")
    assert ana.send("JOIN #club")[-1].split()[1] == "474"


def test_the_owner_of_an_operators_account_is_one() -> None:
    driver = with_accounts("Ana", oper_accounts=("ana",))
    ana, told = sasl(driver, "Ana")
    assert ":mpchat.local 381 Ana :You are now an IRC operator" in told
    assert ":Ana!~Ana@127.0.0.1 MODE Ana +o" in told
    driver.replace_broker()
    assert ":mpchat.local 252 Ana 1 :operator(s) online" in ana.send("LUSERS")
    assert ":Ana!~Ana@127.0.0.1 MODE Ana -o" in ana.send("NS LOGOUT")
    eva = driver.plain("eva")
    eva.send("/login Ana *")
    assert "* you are a server operator" in answer(driver, eva, "in", "Ana")
    assert eva.send("/logout") == ["* you are no server operator any more", "* you are logged out"]
    half = driver.connect()
    half.send(*SASL_LOGIN)
    answer(driver, half, "in", "Ana")
    half.gone()
    assert f":mpchat.local 252 Guest{ana.id} 0 :operator(s) online" in ana.send("LUSERS")


def is_operator(driver: Driver, who: Person) -> bool:
    return driver.core.hub.sessions[ConnectionId(who.id)].operator


def identify(driver: Driver, who: Person, account: str) -> list[str]:
    who.send(f"NS IDENTIFY {account} *")
    return answer(driver, who, "in", account)


@pytest.mark.parametrize("how", ["another account", "reload", "reload, then out"])
def test_who_is_an_operator_by_an_account_is_one_while_that_makes_it_one(how: str) -> None:
    driver = with_accounts("boss", "bob", oper_accounts=("boss",))
    boss, eva = driver.irc("x"), driver.plain("eva")
    identify(driver, boss, "boss")
    eva.send("/login boss *"), answer(driver, eva, "in", "boss")
    driver.replace_broker()
    assert is_operator(driver, boss)
    if how == "another account":
        told = identify(driver, boss, "bob")
        eva.send("/login bob *"), answer(driver, eva, "in", "bob")
    else:
        driver.feed(("reload", pack(ChatSettings(oper_accounts=("bob",)))))
        told = boss.heard()
    if how == "reload, then out":
        boss.send("NS LOGOUT"), eva.send("/logout")
    assert ":x!~x@127.0.0.1 MODE x -o" in told
    assert not is_operator(driver, boss)
    assert not is_operator(driver, eva)
    assert driver.core.hub.operators == 0


def test_who_is_one_by_oper_stays_one_whatever_account_they_log_in_to() -> None:
    driver = with_accounts("boss", "bob", oper_accounts=("boss",), opers_exist=True)
    before, after = driver.irc("before"), driver.irc("after")
    before.send("OPER root *"), driver.answer(True)
    identify(driver, before, "boss")
    identify(driver, after, "boss")
    driver.pass_time(2)
    after.send("OPER root *"), driver.answer(True)
    for who in (before, after):
        identify(driver, who, "bob")
        who.send("NS LOGOUT")
        assert is_operator(driver, who)
    driver.feed(("reload", pack(ChatSettings(opers_exist=True))))
    assert is_operator(driver, before)
    assert is_operator(driver, after)


def test_nobody_registers_the_name_of_an_operators_account() -> None:
    """Else whoever comes first would be an operator; the log says that there is a name which nobody has."""
    driver = Driver(ChatSettings(oper_accounts=("Boss",)))
    missing = ("operator's account is not registered", {"account": "Boss"})
    assert driver.core.apply([("accounts", ["bob"], BOTH)]).audit == [missing]
    for plain in (False, True):
        boss = driver.plain("BOSS") if plain else driver.irc("boss")
        boss.heard()
        lines = ["/register *"] if boss.plain else ["NS REGISTER *", "REGISTER boss * *"]
        for line in lines:
            (told,) = boss.send(line)
            assert told.endswith(" cannot be registered: the settings make its owner a server operator")
        boss.gone()
    assert driver.asked == []
    reload = ("reload", pack(ChatSettings(oper_accounts=("bob", "Boss"))))
    assert missing in driver.core.apply([reload]).audit
    driver.feed(("accounts", ["bob", "boss"], BOTH))
    assert driver.core.apply([reload]).audit[1:] == []


def test_ones_own_account_does_not_excuse_wrong_passwords_of_operators() -> None:
    driver = with_accounts("bob", opers_exist=True)
    guesser = driver.irc("x")
    for guess in range(ChatSettings.wrong_passwords):
        assert not guesser.closed
        identify(driver, guesser, "bob")
        driver.pass_time(2)
        guesser.send(f"OPER root{guess} *")
        driver.answer(False)
    assert guesser.closed


def test_a_resume_token_keeps_the_login(driver: Driver) -> None:
    """But not over a line on which others could have read it."""
    for host, account in (("127.0.0.1", ["330"]), (FAR, [])):
        was = driver.connect(host=host)
        was.send("CAP REQ :sasl mpchat.org/resume", "RESUME * " + "1" * 64, "NICK Ana", "USER a 0 * :a")
        was.send("AUTHENTICATE SCRAM-SHA-256", "AUTHENTICATE +*")
        answer(driver, was, "in", "Ana")
        was.send("CAP END", "JOIN #club")
        was.gone()
        now = driver.connect(host=host)
        now.send("CAP REQ :mpchat.org/resume", "RESUME " + "1" * 64 + " " + "2" * 64, "NICK x", "USER a 0 * :a")
        told = now.send("CAP END")
        nick = told[0].split()[2]
        assert nick == ("Ana" if account else "x")
        assert [line.split()[1] for line in now.send(f"WHOIS {nick}") if " 330 " in line] == account
        now.send("QUIT")


def test_but_a_token_makes_nobody_an_operator() -> None:
    driver = with_accounts("Ana", oper_accounts=("Ana",))
    was = driver.connect()
    was.send("CAP REQ :sasl mpchat.org/resume", "RESUME * " + "1" * 64, "NICK Ana", "USER a 0 * :a", *SASL_LOGIN)
    answer(driver, was, "in", "Ana")
    assert "381" in [line.split()[1] for line in was.send("CAP END", "JOIN #club")]
    now = driver.connect()
    now.send("CAP REQ :mpchat.org/resume", "RESUME " + "1" * 64 + " " + "2" * 64, "NICK x", "USER a 0 * :a")
    told = [line.split()[1] for line in now.send("CAP END", "WHOIS Ana")]
    assert "330" in told
    assert not {"381", "313"} & set(told)


# How often


def from_afar(driver: Driver, host: str = FAR) -> Person:
    who = driver.connect(host=host)
    who.send("CAP REQ :sasl")
    return who


def wrong(driver: Driver, who: Person) -> bool:
    """They try a wrong password: is the answer there at once?"""
    who.send("AUTHENTICATE SCRAM-SHA-256", "AUTHENTICATE +*")
    return "904" in [line.split()[1] for line in answer(driver, who, "wrong", "Ana")]


def test_many_wrong_ones_of_an_address_are_answered_later() -> None:
    driver = with_accounts("Ana", wrong_logins_per_minute=20, wrong_logins_per_account=0)
    assert [wrong(driver, from_afar(driver)) for _ in range(20)] == [True] * 20
    next_one, right, other = from_afar(driver), from_afar(driver), from_afar(driver, "192.0.2.2")
    assert not wrong(driver, next_one)
    right.send("AUTHENTICATE SCRAM-SHA-256", "AUTHENTICATE +*")
    assert answer(driver, right, "in", "Ana") == [], "a right one waits as long"
    prover = from_afar(driver)
    prover.send("AUTHENTICATE SCRAM-SHA-256", "AUTHENTICATE +*")
    assert answer(driver, prover, "proof", "Ana dj1z") == [], "our proof tells that theirs was right"
    assert wrong(driver, other)
    assert [wrong(driver, driver.irc(f"n{n}", caps="sasl")) for n in range(6)] == [True] * 6, "exempt"
    driver.pass_time(2.999)
    driver.replace_broker()
    next_one.send("PING"), right.send("PING"), prover.send("PING")
    assert next_one.heard() == right.heard() == prover.heard() == []
    driver.feed(("answer", next_one.id, ("wrong", "Ana")), ("answer", right.id, ("in", "Ana")))
    driver.feed(("answer", prover.id, ("proof", "Ana dj1z")))
    driver.pass_time(60)
    assert next_one.heard()[0].split()[1] == "904"
    assert right.heard()[0].split()[1] == "900"
    assert prover.heard()[0] == "AUTHENTICATE dj1z"


def test_many_wrong_ones_of_an_account_too_but_nobody_waits_for_longer_than_clients_do() -> None:
    driver = with_accounts("Ana", wrong_logins_per_minute=0, wrong_logins_per_account=2)
    hosts = [f"192.0.2.{n}" for n in range(1, 200)]
    answered = [wrong(driver, from_afar(driver, host)) for host in hosts]
    assert answered == [True, True] + [False] * 197
    owner = from_afar(driver, "198.51.100.1")
    owner.send("AUTHENTICATE SCRAM-SHA-256", "AUTHENTICATE +*")
    assert answer(driver, owner, "in", "Ana") == []
    driver.pass_time(10.001)
    assert owner.heard()[0].split()[1] == "900"


@pytest.mark.parametrize("kind", ["in", "proof", "wrong"])
def test_after_far_too_many_of_an_address_right_and_wrong_are_refused_alike(kind: str) -> None:
    """In words, at once: nobody learns anything, and nobody's client waits. It closes connections, too."""
    driver = with_accounts("Ana", wrong_logins_per_minute=1)
    wrong(driver, from_afar(driver))
    ana = from_afar(driver)
    for _ in range(ChatSettings.wrong_passwords):
        assert not ana.closed
        ana.send("AUTHENTICATE SCRAM-SHA-256", "AUTHENTICATE +*")
        told = answer(driver, ana, kind, "Ana")
        assert told[0].partition(" :")[2] == (
            "SASL authentication failed: too many wrong passwords from your address, try again later"
        )
    assert ana.closed
    driver.pass_time(60)
    ana = from_afar(driver)
    ana.send("AUTHENTICATE SCRAM-SHA-256", "AUTHENTICATE +*")
    assert answer(driver, ana, "in", "Ana")[0].split()[1] == "900"


@pytest.mark.parametrize("way", ["irc", "plain"])
def test_and_so_by_nickserv_and_in_plain_text(way: str) -> None:
    driver = with_accounts("Ana", wrong_logins_per_minute=1)
    wrong(driver, from_afar(driver))
    driver.feed(("open", 0, id := len(driver.people) + 1, way, FAR, True))
    who = Person(driver, id, 0, way == "plain")
    driver.people.append(who)
    who.send(*(["x", "/login Ana *"] if who.plain else ["NICK x", "USER x 0 * :x", "NS IDENTIFY Ana *"]))
    told = answer(driver, who, "in", "Ana")[-1]
    assert told.endswith("too many wrong passwords came from your address: try again in a minute")


def test_who_leaves_while_the_answer_is_kept_back_is_gone_at_once() -> None:
    driver = with_accounts("Ana", wrong_logins_per_minute=6)
    for _ in range(6):
        wrong(driver, from_afar(driver))
    second, third = from_afar(driver), from_afar(driver)
    assert not wrong(driver, second)
    second.gone()
    assert second.closed
    third.send("AUTHENTICATE SCRAM-SHA-256", "AUTHENTICATE +*")
    third.gone()
    answer(driver, third, "wrong", "Ana")
    assert third.closed, "nor does an answer wait that nobody is there to read"
    driver.pass_time(600)


@pytest.mark.parametrize("kind", ["in", "wrong"])
def test_but_who_has_only_ended_their_input_reads_no_answer_early(kind: str) -> None:
    """Nor one of the guesses behind it; and each wrong one counts."""
    driver = with_accounts("Ana", wrong_logins_per_minute=6)
    for _ in range(6):
        wrong(driver, from_afar(driver))
    guesser = from_afar(driver)
    guesser.heard()
    driver.feed(*guesser.records(["NS x", *["AUTHENTICATE SCRAM-SHA-256", "AUTHENTICATE +*"] * 8]))
    guesser.gone()  # a FIN (RFC 9293 3.6): it goes on reading
    answered = len(driver.asked)
    told = answer(driver, guesser, kind, "Ana")
    for _ in range(10):
        if len(driver.asked) == answered or guesser.closed:
            break
        answered = len(driver.asked)
        told += answer(driver, guesser, kind, "Ana")
    assert not {"900", "903"} & {line.split()[1] for line in told}
    assert guesser.closed
    free = with_accounts("Ana", wrong_logins_per_minute=0, wrong_logins_per_account=0)
    there = from_afar(free)
    there.send("AUTHENTICATE SCRAM-SHA-256", "AUTHENTICATE +*")
    there.gone()
    assert "900" in answer(free, there, "in", "Ana")[0], "one that need not wait is told"


def test_an_answer_that_is_dropped_is_in_the_log() -> None:
    driver = with_accounts("Ana", wrong_logins_per_minute=6)
    for _ in range(6):
        wrong(driver, from_afar(driver))
    guesser = from_afar(driver)
    guesser.send("AUTHENTICATE SCRAM-SHA-256", "AUTHENTICATE +*")
    guesser.gone()
    (report,) = driver.core.apply([("answer", guesser.id, ("wrong", "Ana"))]).audit
    assert (report[0], report[1]["account"]) == ("wrong password", "Ana")


def test_so_many_accounts_can_be_registered_from_an_address() -> None:
    driver = with_accounts(accounts_per_hour=2)

    def register(nick: str, *said: str) -> str:
        driver.feed(("open", 0, who := len(driver.people) + 1, "irc", FAR, True))
        person = Person(driver, who, 0, False)
        driver.people.append(person)
        person.send(f"NICK {nick}", f"USER {nick} 0 * :x")
        told = person.send("REGISTER * * *")
        return told[0].split()[3] if told else answer(driver, person, *said)[0].split()[2]

    assert register("a", "registered", "a") == "SUCCESS"
    assert register("b", "weak", "short") == "REGISTER", "what came to nothing does not count"
    assert register("c", "registered", "c") == "SUCCESS"
    assert register("d") == "TEMPORARILY_UNAVAILABLE"
    driver.pass_time(1800)
    assert register("e", "registered", "e") == "SUCCESS"


# What the log is told


def test_the_log_is_told_and_no_password(driver: Driver) -> None:
    core = driver.core
    beto = driver.irc("beto")
    reports: list[tuple[str, dict[str, Any]]] = []

    def feed(*records: Any) -> None:
        reports.extend(core.apply(records).audit)

    def line(text: str) -> None:
        feed(*beto.records([text]))

    about = {"nick": "beto", "address": "127.0.0.1", "connection": beto.id}
    line("NS IDENTIFY Ana *")
    feed(("answer", beto.id, ("wrong", "")))
    line("NS IDENTIFY * *")
    feed(("answer", beto.id, ("wrong", "")))
    line("REGISTER * * *")
    feed(("answer", beto.id, ("registered", "beto")))
    line("NS LOGOUT")
    line("NS IDENTIFY Ana *")
    feed(("answer", beto.id, ("in", "Ana")))
    line("NS SET PASSWORD *")
    feed(("answer", beto.id, ("changed", "Ana")))
    line("NS DROP Ana *")
    feed(("answer", beto.id, ("wrong", "Ana")))
    line("NS DROP Ana *")
    feed(("accounts", ["beto"], BOTH), ("answer", beto.id, ("dropped", "Ana")))
    core.hub.set_operator(core.hub.session("beto"), True)
    line("NS DROP beto")
    feed(("accounts", [], BOTH), ("answer", beto.id, ("dropped", "beto")))
    assert reports == [
        ("wrong password", {"kind": "account", "account": "Ana", **about}),
        ("wrong password", {"kind": "account", "account": "unknown name", **about}),
        ("account registered", {"account": "beto", **about}),
        ("logged out", {"account": "beto", **about}),
        ("logged in", {"account": "Ana", **about}),
        ("password changed", {"account": "Ana", **about}),
        ("wrong password", {"kind": "account", "account": "Ana", **about}),
        ("logged out", {"account": "Ana", **about}),
        ("account dropped", {"account": "Ana", **about}),
        ("acts as a server operator", {**about, "did": "DROP", "account": "beto"}),
    ]


# Replay


def story() -> Driver:
    """All that there is of accounts, once."""
    driver = with_accounts("Ana", "Éva", "zoé", oper_accounts=("Ana", "zoé"), wrong_logins_per_minute=6)
    stranger = driver.plain("guest")
    ana, _ = sasl(driver, "Ana")
    ana.send("JOIN #a,#b,#c", "MODE #b +i", "PRIVMSG #a :hola")
    beto = driver.irc("beto")
    beto.send("JOIN #a", "REGISTER * * *")
    answer(driver, beto, "registered", "beto")
    stranger.send("/login zoé *")
    answer(driver, stranger, "in", "zoé")
    for _ in range(7):
        wrong(driver, from_afar(driver))
    ana.gone()
    sasl(driver, "Ana")[0].send("JOIN #a,#b")
    half = driver.connect()
    half.send("CAP REQ :sasl", "NICK ana", "AUTHENTICATE PLAIN", "AUTHENTICATE +*")
    beto.send("NS GHOST Ana *")
    return driver


def digest(driver: Driver) -> str:
    """Of all that followed from its records, and of what it remembers."""
    core, out = Core(), sha256()
    for block in driver.journal:
        out.update(repr(core.apply(block)).encode())
    assert core.dump() == driver.core.dump()
    return sha256(out.digest() + core.dump()).hexdigest()


def test_a_replay_comes_to_the_same_under_any_hash_seed() -> None:
    driver = story()
    expected = digest(driver)
    assert Core.load(driver.core.dump()).dump() == driver.core.dump()
    program = """
import signal
signal.alarm(50)
from tests.core.test_accounts import digest, story
print(digest(story()))
"""
    for seed in ("1", "2"):
        child = subprocess.run(
            [sys.executable, "-c", program],
            cwd=Path(__file__).parent.parent.parent,
            env={**os.environ, "PYTHONHASHSEED": seed},
            stdout=subprocess.PIPE,
            check=True,
        )
        assert child.stdout.decode().strip() == expected


@pytest.mark.parametrize("death", range(1, 12))
def test_a_brokers_death_at_each_step_changes_nothing(death: int) -> None:
    """A login with all that it takes: where a broker dies, the line that asked comes again, and so does its answer."""
    driver = with_accounts("Ana", oper_accounts=("Ana",))
    ana = driver.connect()
    done: list[int] = []

    def step(*lines: str, says: tuple[str, str] | None = None) -> None:
        if lines:
            driver.feed(*ana.records(list(lines)))
        else:
            assert says is not None
            driver.feed(("answer", ana.id, says))
        done.append(1)
        if len(done) == death:
            driver.replace_broker()

    step("CAP LS 302")
    step("NICK Ana")
    step("USER a 0 * :a")
    step("CAP REQ :sasl")
    step("AUTHENTICATE SCRAM-SHA-256")
    step("AUTHENTICATE +*")
    step(says=("challenge", "abc"))
    step("AUTHENTICATE +*")
    step(says=("in", "Ana"))
    step("CAP END")
    step("JOIN #a")
    words = [line.split()[1] for line in ana.heard() if not line.startswith("AUTHENTICATE")]
    assert [word for word in words if word in ("900", "903", "001", "381", "JOIN")] == [
        "900",
        "903",
        "001",
        "381",
        "JOIN",
    ]
