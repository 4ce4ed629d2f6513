"""core: the capabilities by which clients are told more of the others, and the answers that change with some.

Every line as it stands on the wire; by the processes: tests/irc/test_notifications.py.
"""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpchat.protocol.capabilities import NAMES
from mpchat.settings import ChatSettings, pack
from tests.core.driver import Driver, Person

S = ":mpchat.local "
ANA, BETO, EVA = ":ana!~ana@127.0.0.1 ", ":beto!~beto@127.0.0.1 ", ":eva!~eva@127.0.0.1 "
MECHANISMS = ["PLAIN", "SCRAM-SHA-256"]
DETAILS = "account-notify away-notify invite-notify setname"


def in_room(driver: Driver, nick: str, caps: str = "", rooms: str = "#a") -> Person:
    person = driver.irc(nick, caps=caps)
    person.send(f"JOIN {rooms}")
    return person


def logged_in(driver: Driver, person: Person, account: str) -> None:
    """By NickServ, as redaction leaves it."""
    person.send(f"PRIVMSG NickServ :IDENTIFY {account} *")
    driver.answer(("in", account))


def read(*people: Person) -> None:
    for person in people:
        person.heard()


@pytest.fixture
def driver() -> Driver:
    driver = Driver()
    driver.feed(("accounts", ["Zoe"], MECHANISMS))
    return driver


# CAP


def test_a_client_that_knows_302_has_cap_notify_for_good(driver: Driver) -> None:
    ana = driver.connect()
    ana.send("CAP LS 302")
    assert ana.send("CAP LIST") == [S + "CAP * LIST :cap-notify"]
    assert ana.send("CAP REQ :-cap-notify") == [S + "CAP * NAK :-cap-notify"]
    assert ana.send("CAP REQ :cap-notify") == [S + "CAP * ACK :cap-notify"]
    assert ana.send("CAP LIST") == [S + "CAP * LIST :cap-notify"]


def test_an_older_client_may_ask_for_it_and_give_it_back(driver: Driver) -> None:
    ana = driver.connect()
    assert "cap-notify" in ana.send("CAP LS")[0]
    ana.send("CAP REQ :cap-notify")
    assert ana.send("CAP REQ :-cap-notify", "CAP LIST") == [S + "CAP * ACK :-cap-notify", S + "CAP * LIST :"]


def test_the_higher_version_counts_and_each_answer_is_as_it_was_asked_for(driver: Driver) -> None:
    ana = driver.connect()
    assert "sasl=PLAIN,SCRAM-SHA-256" in ana.send("CAP LS 307")[0].split()
    assert "sasl" in ana.send("CAP LS")[0].split()
    assert ana.send("CAP REQ :-cap-notify") == [S + "CAP * NAK :-cap-notify"]


def test_a_list_that_is_longer_than_a_line_comes_in_several() -> None:
    driver = Driver(ChatSettings(name="n" * 300))
    ana, old = driver.connect(), driver.connect()
    lines = ana.send("CAP LS 302")
    assert len(lines) > 1
    assert all(len(line.encode()) <= 510 for line in lines)
    found = [re.fullmatch(r":n+ CAP \* LS (\* )?:(.+)", line) for line in lines]
    assert [bool(each and each[1]) for each in found] == [True] * (len(lines) - 1) + [False]
    names = [name for each in found if each for name in each[2].split()]
    assert set(names) == set(NAMES) - {"sasl", "draft/account-registration"}
    assert len(names) == len(set(names))

    (line,) = old.send("CAP LS")
    assert set(line.split(":")[-1].split()) < set(names), "whoever knows no star is told of the first of them only"

    ana.send(*[f"CAP REQ {name}" for name in names])
    assert [" LIST * " in line for line in ana.send("CAP LIST")] == [True] * (len(lines) - 1) + [False]
    old.send(*[f"CAP REQ {name}" for name in names])
    assert len(old.send("CAP LIST")) == 1


def test_what_comes_and_goes_is_told_to_those_who_want_to_know(driver: Driver) -> None:
    ana, old, deaf, eva = driver.irc("ana", caps=""), driver.irc("old"), driver.irc("deaf"), driver.plain("eva")
    ana.send("CAP LS 302", "CAP REQ :sasl")
    old.send("CAP REQ :cap-notify sasl")
    deaf.send("CAP REQ :sasl")
    entering = driver.connect()
    entering.send("CAP LS 302", "CAP REQ :sasl")
    read(ana, old, deaf, eva, entering)

    driver.feed(("accounts", ["Zoe", "Leo"], MECHANISMS))
    assert [each.heard() for each in (ana, old, deaf, eva, entering)] == [[]] * 5, "none of them has another value"

    driver.feed(("accounts", [], []))
    gone = "DEL :draft/account-registration sasl"
    assert ana.heard() == [S + f"CAP ana {gone}"]
    assert old.heard() == [S + f"CAP old {gone}"]
    assert entering.heard() == [S + f"CAP * {gone}"]
    assert deaf.heard() == eva.heard() == []
    assert ana.send("CAP LIST") == [S + "CAP ana LIST :cap-notify"], "it is off"
    assert "first ask" in ana.send("AUTHENTICATE PLAIN")[0]

    driver.replace_broker()
    driver.feed(("accounts", ["Zoe"], MECHANISMS))
    assert ana.heard() == [S + "CAP ana NEW :draft/account-registration sasl=PLAIN,SCRAM-SHA-256"]
    assert old.heard() == [S + "CAP old NEW :draft/account-registration sasl"]
    assert deaf.heard() == eva.heard() == []
    assert ana.send("CAP REQ :sasl", "AUTHENTICATE PLAIN")[1] == "AUTHENTICATE +"


def test_another_value_is_told_to_those_who_read_values(driver: Driver) -> None:
    ana, old, far = driver.irc("ana"), driver.irc("old"), driver.connect(host="192.0.2.7")
    ana.send("CAP LS 302", "CAP REQ :sasl")
    far.send("CAP LS 302")
    old.send("CAP REQ :cap-notify sasl")
    read(ana, old, far)
    driver.feed(("accounts", ["Zoe"], ["SCRAM-SHA-256"]))
    assert ana.heard() == [S + "CAP ana NEW :sasl=SCRAM-SHA-256"]
    assert old.heard() == []
    assert far.heard() == [], "PLAIN was never offered to it"
    assert ana.send("CAP LIST") == [S + "CAP ana LIST :cap-notify sasl"]


def test_sts_comes_with_a_reload_and_never_goes() -> None:
    chat = ChatSettings()
    driver = Driver(chat)
    ana, old = driver.irc("ana"), driver.irc("old")
    safe = driver.connect(secure=True)
    ana.send("CAP LS 302")
    safe.send("CAP LS 302")
    old.send("CAP REQ :cap-notify")
    read(ana, old, safe)

    driver.feed(("reload", pack(replace(chat, motd=("uno",)))))
    assert ana.heard() == old.heard() == safe.heard() == []

    driver.feed(("reload", pack(replace(chat, sts_port=6697, sts_seconds=60))))
    assert ana.heard() == [S + "CAP ana NEW :sts=port=6697"]
    assert safe.heard() == [S + "CAP * NEW :sts=duration=60"]
    assert old.heard() == [], "it says nothing without its value"

    driver.feed(("reload", pack(replace(chat, sts_port=6697, sts_seconds=90))))
    assert ana.heard() == []
    assert safe.heard() == [S + "CAP * NEW :sts=duration=90"]

    driver.feed(("reload", pack(chat)))
    assert ana.heard() == old.heard() == safe.heard() == []


# NAMES, WHO


def test_names_shows_all_signs_and_whole_addresses_to_who_asked(driver: Driver) -> None:
    ana, beto = in_room(driver, "ana"), in_room(driver, "beto")
    ana.send("MODE #a +v ana", "MODE #a +v beto")
    read(ana, beto)

    def names(caps: str) -> list[str]:
        person = driver.irc(f"n{len(driver.people)}", caps=caps)
        person.heard()
        return [line.split(" :")[1] for line in person.send("NAMES #a") if " 353 " in line]

    assert names("") == ["@ana +beto"]
    assert names("multi-prefix") == ["@+ana +beto"]
    assert names("userhost-in-names") == ["@ana!~ana@127.0.0.1 +beto!~beto@127.0.0.1"]
    assert names("multi-prefix userhost-in-names") == ["@+ana!~ana@127.0.0.1 +beto!~beto@127.0.0.1"]


def test_long_names_are_still_whole_lines(driver: Driver) -> None:
    ana = in_room(driver, "ana", "userhost-in-names multi-prefix")
    for number in range(30):
        in_room(driver, f"{number:x>25}".replace("x", "q").replace("0", "z") + "abc"[: number % 3])
    ana.heard()
    lines = ana.send("NAMES #a")
    assert all(len(line.encode()) <= 510 for line in lines)
    assert len([word for line in lines[:-1] for word in line.split(" :")[1].split()]) == len(
        driver.core.hub.channels["#a"].members
    )


def test_who_shows_all_signs_to_who_asked(driver: Driver) -> None:
    ana, beto = in_room(driver, "ana", "multi-prefix"), in_room(driver, "beto")
    ana.send("MODE #a +v ana")
    beto.heard()
    assert ana.send("WHO #a")[0] == S + "352 ana #a ~ana 127.0.0.1 mpchat.local ana H@+ :0 Ana Realname"
    assert beto.send("WHO #a")[0] == S + "352 beto #a ~ana 127.0.0.1 mpchat.local ana H@ :0 Ana Realname"
    assert ana.send("WHO #a %nf")[0] == S + "354 ana ana H@+"


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("%tcuihsnfdlaor,42", "42 #a ~beto 127.0.0.1 127.0.0.1 mpchat.local beto G 0 3 0 n/a :Beto Realname"),
        ("%roalfdnshiuct,42", "42 #a ~beto 127.0.0.1 127.0.0.1 mpchat.local beto G 0 3 0 n/a :Beto Realname"),
        ("%cuhnar", "#a ~beto 127.0.0.1 beto 0 :Beto Realname"),
        ("%tnf,7", "7 beto G"),
        ("%n", "beto"),
        ("%nn", "beto"),
        ("%na,123", "beto 0"),  # a token that nobody asked back
        ("%tn", "0 beto"),
        ("%tn,", "0 beto"),
        ("%tn,1234", "0 beto"),  # no token: too long
        ("%tn,x1", "0 beto"),
        ("%tn,²", "0 beto"),
        ("%nXYZ?", "beto"),  # letters that mean nothing
        ("%r", ":Beto Realname"),
    ],
)
def test_whox(driver: Driver, asked: str, told: str) -> None:
    ana, beto = in_room(driver, "ana"), in_room(driver, "beto")
    beto.send("AWAY :comiendo")
    driver.pass_time(3)
    ana.heard()
    for mask in ("beto", "#a", "be*"):
        found = [line for line in ana.send(f"WHO {mask} {asked}") if "315" in line or "eto" in line]
        assert found == [S + f"354 ana {told}", S + f"315 ana {mask} :End of WHO list"]


def test_whox_without_fields_tells_who_many_there_are(driver: Driver) -> None:
    ana = in_room(driver, "ana")
    ana.heard()
    assert ana.send("WHO #a %") == [S + "354 ana", S + "315 ana #a :End of WHO list"]
    assert ana.send("WHO #nowhere %n") == [S + "315 ana #nowhere :End of WHO list"]


def test_whox_names_accounts_and_finds_operators(driver: Driver) -> None:
    ana, eva = in_room(driver, "ana"), driver.irc("eva")
    logged_in(driver, ana, "Zoe")
    driver.core.hub.set_operator(ana.driver.core.hub.session("ana"), True)
    eva.heard()
    assert eva.send("WHO ana %na") == [S + "354 eva ana Zoe", S + "315 eva ana :End of WHO list"]
    assert eva.send("WHO * o%nfc") == [S + "354 eva * ana H*", S + "315 eva * :End of WHO list"]
    assert eva.send("WHO * o")[0] == S + "352 eva * ~ana 127.0.0.1 mpchat.local ana H* :0 Ana Realname"


def test_a_long_whox_waits_for_its_client_and_goes_on() -> None:
    driver = Driver(ChatSettings(answer_bytes=200))
    for number in range(12):
        driver.irc(f"n{number}")
    ana = driver.irc("ana")
    ana.heard()
    driver.everybody_reads = False
    ana.send("WHO n* %tnr,5")
    driver.replace_broker()
    driver.everybody_reads = True
    driver.drained(ana)
    lines = bytes(ana.output).decode().split("\r\n")[:-1]
    told = [line for line in lines if " 354 " in line]
    assert told == [S + f"354 ana 5 n{number} :N{number} Realname" for number in range(12)]
    assert lines[-1] == S + "315 ana n* :End of WHO list"


def test_what_005_says_of_it(driver: Driver) -> None:
    assert {"WHOX", "NAMELEN=128"} <= {word for line in driver.irc("ana").send("VERSION") for word in line.split()}


# What others do


def test_away_is_told_once_to_each_who_shares_a_room(driver: Driver) -> None:
    ana, beto = in_room(driver, "ana", "away-notify", "#a,#b"), in_room(driver, "beto", "", "#a,#b")
    deaf, far = in_room(driver, "deaf"), in_room(driver, "far", "away-notify", "#c")
    read(ana, beto, deaf, far)
    beto.send("AWAY :a comer", "AWAY :a comer", "AWAY :a cenar", "AWAY", "AWAY")
    assert ana.heard() == [BETO + "AWAY :a comer", BETO + "AWAY :a cenar", BETO + "AWAY"]
    assert deaf.heard() == far.heard() == []
    assert ana.send("AWAY :yo") == [S + "306 ana :You have been marked as being away"], "nothing of oneself"


def test_who_comes_in_and_is_away_says_so(driver: Driver) -> None:
    ana, deaf, beto = in_room(driver, "ana", "away-notify"), in_room(driver, "deaf"), driver.irc("beto")
    beto.send("CAP REQ :away-notify", "AWAY :a comer")
    read(ana, deaf, beto)
    assert [line.split(" ")[1] for line in beto.send("JOIN #a")] == ["JOIN", "353", "366"]
    assert ana.heard() == [BETO + "JOIN #a", BETO + "AWAY :a comer"]
    assert deaf.heard() == [BETO + "JOIN #a"]


def test_people_of_plain_text_are_away_too(driver: Driver) -> None:
    ana, eva = in_room(driver, "ana", "away-notify", "#lobby"), driver.plain("eva")
    read(ana, eva)
    eva.send("/away a comer", "/away")
    assert ana.heard() == [":eva!~plain@127.0.0.1 AWAY :a comer", ":eva!~plain@127.0.0.1 AWAY"]
    ana.send("AWAY :x", "SETNAME :y")
    assert eva.heard() == [], "they are told no details"


def test_a_join_shows_account_and_name_to_who_asked(driver: Driver) -> None:
    ana, deaf, beto = in_room(driver, "ana", "extended-join"), in_room(driver, "deaf"), driver.irc("beto")
    read(ana, deaf)
    beto.send("JOIN #a")
    assert ana.heard() == [BETO + "JOIN #a * :Beto Realname"]
    beto.send("PART #a")
    logged_in(driver, beto, "Zoe")
    read(ana, deaf)
    beto.send("JOIN #a")
    assert ana.heard() == [BETO + "JOIN #a Zoe :Beto Realname"]
    assert deaf.heard() == [BETO + "JOIN #a"]


def test_who_joins_reads_their_own_as_they_asked(driver: Driver) -> None:
    ana = driver.irc("ana", caps="extended-join")
    ana.heard()
    assert ana.send("JOIN #a")[0] == ANA + "JOIN #a * :Ana Realname"


def test_logins_are_told_to_who_shares_a_room_and_to_oneself(driver: Driver) -> None:
    ana, beto = in_room(driver, "ana", "account-notify"), in_room(driver, "beto", "account-notify")
    deaf, far = in_room(driver, "deaf"), in_room(driver, "far", "account-notify", "#c")
    read(ana, beto, deaf, far)
    logged_in(driver, beto, "Zoe")
    assert [line for line in beto.heard() if " ACCOUNT " in line] == [BETO + "ACCOUNT Zoe"]
    logged_in(driver, beto, "Zoe")
    assert ana.heard() == [BETO + "ACCOUNT Zoe"], "once: the second is no other"
    beto.send("PRIVMSG NickServ :LOGOUT")
    assert ana.heard() == [BETO + "ACCOUNT *"]
    assert deaf.heard() == far.heard() == []
    logged_in(driver, far, "Zoe")
    far.send("PART #c")
    far.heard()
    assert ":far!~far@127.0.0.1 ACCOUNT *" in far.send("PRIVMSG NickServ :LOGOUT"), "also to who is in no room"


def test_a_login_before_one_is_in_is_nobody_elses_news(driver: Driver) -> None:
    ana, beto = in_room(driver, "ana", "account-notify"), driver.connect()
    ana.heard()
    beto.send("CAP LS 302", "CAP REQ :sasl account-notify", "NICK beto", "USER beto 0 * :Beto", "AUTHENTICATE PLAIN")
    beto.send("AUTHENTICATE *x")
    driver.answer(("in", "Zoe"))
    beto.send("CAP END", "JOIN #a")
    assert not [line for line in beto.heard() if " ACCOUNT " in line]
    assert ana.heard() == [BETO + "JOIN #a"]


def test_plain_text_logins_are_told_too(driver: Driver) -> None:
    ana, eva = in_room(driver, "ana", "account-notify account-tag", "#lobby"), driver.plain("eva")
    ana.heard()
    eva.send("/login Zoe *")
    driver.answer(("in", "Zoe"))
    eva.send("hola")
    eva.send("/logout")
    told = ana.heard()
    assert [line.split(" ", 1)[1] for line in told if " ACCOUNT " in line][-1].endswith("ACCOUNT *")
    assert any(line.startswith("@account=Zoe ") and " ACCOUNT Zoe" in line for line in told)
    assert any(line.startswith("@account=Zoe ") and line.endswith(" PRIVMSG #lobby :hola") for line in told)


def test_whose_account_stands_before_all_that_they_do(driver: Driver) -> None:
    ana, deaf, beto = in_room(driver, "ana", "account-tag"), in_room(driver, "deaf"), in_room(driver, "beto")
    both = in_room(driver, "both", "account-tag message-tags echo-message")
    logged_in(driver, beto, "Zoe")
    logged_in(driver, both, "Zoe")
    ana.send("MODE #a +o beto")
    read(ana, deaf, beto, both)
    beto.send("PRIVMSG #a :1", "PRIVMSG ana :2", "NOTICE #a :3", "TOPIC #a :4", "MODE #a +n", "NICK bea", "PART #a :5")
    before, after = "@account=Zoe " + BETO, "@account=Zoe :bea!~beto@127.0.0.1 "
    assert ana.heard() == [
        before + "PRIVMSG #a :1",
        before + "PRIVMSG ana :2",
        before + "NOTICE #a :3",
        before + "TOPIC #a :4",
        before + "MODE #a +n",
        before + "NICK bea",
        after + "PART #a :5",
    ]
    assert deaf.heard()[:2] == [BETO + "PRIVMSG #a :1", BETO + "NOTICE #a :3"]
    assert both.send("MODE both +i")[-1] == "@account=Zoe :both!~both@127.0.0.1 MODE both +i"
    (echo,) = both.send("@+mpchat.org/id=abcdefgh.1;+a=b PRIVMSG #a :hola")
    assert re.match(r"@msgid=[^;]+;account=Zoe;\+a=b;\+mpchat.org/id=abcdefgh.1 :both", echo)
    assert both.send("@+mpchat.org/id=abcdefgh.1;+a=b PRIVMSG #a :hola") == [echo], "a repeat is echoed as it was"


def test_setname(driver: Driver) -> None:
    ana, beto, deaf = (
        in_room(driver, "ana", "setname", "#a,#b"),
        in_room(driver, "beto", "", "#a,#b"),
        in_room(driver, "d"),
    )
    far = in_room(driver, "far", "setname", "#c")
    read(ana, beto, deaf, far)
    assert beto.send("SETNAME :Beto el Grande") == [], "who has not asked is told nothing of their own either"
    assert ana.heard() == [BETO + "SETNAME :Beto el Grande"]
    assert ana.send("SETNAME Ana") == [ANA + "SETNAME :Ana"]
    assert deaf.heard() == far.heard() == []
    assert deaf.send("WHOIS beto")[0] == S + "311 d beto ~beto 127.0.0.1 * :Beto el Grande"
    far.send("PART #c")
    assert far.send("SETNAME :sola") == [":far!~far@127.0.0.1 SETNAME :sola"]


@pytest.mark.parametrize(
    "line", ["SETNAME", "SETNAME :", "SETNAME :   ", f"SETNAME :{'x' * 129}", f"SETNAME :{'ñ' * 65}"]
)
def test_what_is_no_real_name_is_refused_and_changes_nothing(driver: Driver, line: str) -> None:
    ana, beto = in_room(driver, "ana", "setname"), in_room(driver, "beto")
    read(ana, beto)
    why = "A real name has 1 to 128 bytes"
    assert beto.send(line) == [S + f"FAIL SETNAME INVALID_REALNAME :{why}"]
    assert ana.heard() == []
    assert beto.send("WHOIS beto")[0].endswith(":Beto Realname")


def test_who_changes_their_names_all_the_time_must_rest() -> None:
    driver = Driver(ChatSettings(nick_changes_per_minute=3))
    ana, far = in_room(driver, "ana", "setname"), driver.connect(host="192.0.2.7")
    far.send("NICK far", "USER far 0 * :Far", "JOIN #a")
    read(ana, far)
    far.send("SETNAME :1", "NICK far2", "SETNAME :3")
    assert far.send("SETNAME :4") == [S + "FAIL SETNAME CANNOT_CHANGE_REALNAME :Too many changes of name, wait 20 s"]
    assert far.send("NICK far5")[0].split()[1] == "438"
    assert [line.split()[-1] for line in ana.heard()] == [":1", "far2", ":3"]
    driver.pass_time(20)
    assert far.send("SETNAME :5") == []
    assert ana.heard() == [":far2!~far@192.0.2.7 SETNAME :5"]
    for number in range(9):
        assert ana.send(f"SETNAME :{number}") == [ANA + f"SETNAME :{number}"], "on this machine nothing is counted"


def test_a_real_name_is_made_harmless(driver: Driver) -> None:
    ana = in_room(driver, "ana", "setname")
    ana.heard()
    assert ana.send("SETNAME :a\x1b[31mb") == [ANA + "SETNAME :a[31mb"]
    assert ana.send(b"SETNAME :\xff") == [S + "NOTICE ana :Refused: not UTF-8 text"]


def test_nobody_has_a_name_before_they_are_in(driver: Driver) -> None:
    assert driver.connect().send("SETNAME :x") == [S + "451 * :You have not registered"]


def test_an_invitation_is_told_to_the_members_who_asked(driver: Driver) -> None:
    ana, beto = in_room(driver, "ana", "invite-notify"), in_room(driver, "beto", "invite-notify")
    deaf, eva, far = in_room(driver, "deaf"), driver.irc("eva"), in_room(driver, "far", "invite-notify", "#c")
    read(ana, beto, deaf, eva, far)
    assert ana.send("INVITE eva #a") == [S + "341 ana eva #a"]
    assert beto.heard() == eva.heard() == [ANA + "INVITE eva #a"]
    assert deaf.heard() == far.heard() == []
    assert ana.send("INVITE nobody #a", "INVITE beto #a")[0].split()[1] == "401"
    assert beto.heard() == []


def test_who_switches_in_a_room_is_told_from_then_on(driver: Driver) -> None:
    ana, beto = in_room(driver, "ana"), in_room(driver, "beto")
    read(ana, beto)
    for turn in ("1", "2"):
        beto.send(f"AWAY :{turn} not")
        assert ana.send("CAP REQ :away-notify") == [S + "CAP ana ACK :away-notify"]
        beto.send(f"AWAY :{turn} yes")
        assert ana.send("CAP REQ :-away-notify")[0] == BETO + f"AWAY :{turn} yes"


def test_each_reads_what_they_asked_for_whatever_others_want(driver: Driver) -> None:
    """One member for each capability of these, and one for all: so each is in a group of its own."""
    wishes = ["", *DETAILS.split(), "account-tag", "extended-join", "server-time", DETAILS]
    people = [in_room(driver, f"p{number}", wish) for number, wish in enumerate(wishes)]
    eva = driver.irc("eva")
    read(*people, eva)
    logged_in(driver, eva, "Zoe")
    eva.send("JOIN #a", "AWAY :x", "SETNAME :Eva", "INVITE p0 #a", "PRIVMSG #a :hola")
    people[0].heard()
    for person, wish in list(zip(people, wishes, strict=True))[1:]:
        verbs = [re.sub(r"^@\S+ ", "", line).split(" ")[1] for line in person.heard()]
        wanted = {"AWAY": "away-notify", "SETNAME": "setname"}
        assert verbs == ["JOIN", *[verb for verb, name in wanted.items() if name in wish.split()], "PRIVMSG"], wish


def test_bytes_are_made_once_for_all_who_read_the_same_and_sent_to_none_who_reads_nothing(driver: Driver) -> None:
    wishes = ["", *DETAILS.split(), "extended-join", "account-tag", "server-time", "server-time away-notify"]
    for number, wish in enumerate(wishes):
        in_room(driver, f"p{number}", wish)
    beto = in_room(driver, "beto")

    def casts(line: str) -> list[bytes]:
        return [item[2] for _, item in driver.feed(*beto.records([line])) if item[0] == "cast"]

    said = casts("PRIVMSG #a :hola")
    assert len(said) == len(wishes) + 1, "there is a group of each, and one more of beto's worker"
    assert len({id(data) for data in said}) == len(set(said)) == 2, "with its time, and without"
    assert len({id(data) for data in casts("TOPIC #a :x")}) == 2
    assert len(told := casts("AWAY :x")) == 2
    assert {data.split(b" ")[-2] for data in told} == {b"AWAY"}
    assert len(casts("SETNAME :x")) == 1
    assert len({id(data) for data in casts("PART #a")}) == 2
    assert len({id(data) for data in casts("JOIN #a")}) == 3 + 2, "and an AWAY, with its time and without"


NOTIFIED = ("away-notify", "extended-join", "setname", "server-time")
DEEDS = st.one_of(
    st.tuples(
        st.just("CAP REQ"), st.integers(0, 3), st.sampled_from([f"{sign}{n}" for n in NOTIFIED for sign in ("", "-")])
    ),
    st.tuples(st.sampled_from(["JOIN", "PART"]), st.integers(0, 3), st.sampled_from(["#a", "#b"])),
    st.tuples(st.just("AWAY"), st.integers(0, 3), st.sampled_from(["", ":x", ":y"])),
    st.tuples(st.just("SETNAME"), st.integers(0, 3), st.sampled_from(["one", "two"])),
)


@given(deeds=st.lists(DEEDS, min_size=20, max_size=60))
@settings(deadline=None, max_examples=100)
def test_whatever_they_switch_and_wherever_they_are(deeds: list[tuple[str, int, str]]) -> None:
    """Each hears once what it has asked for, of those who share a room with it; the other worker's too."""
    driver = Driver()
    people = [in_room(driver, f"p{number}", "away-notify" if number % 2 else "") for number in range(4)]
    held: list[set[str]] = [set(), {"away-notify"}, set(), {"away-notify"}]
    rooms: list[set[str]] = [{"#a"} for _ in people]
    away = [""] * 4
    for verb, who, what in deeds:
        read(*people)
        people[who].send(f"{verb} {what}")
        sharing = [n for n in range(4) if n != who and rooms[n] & rooms[who]]
        wanted: dict[int, list[str]] = {n: [] for n in range(4) if n != who}
        match verb:
            case "CAP REQ":
                held[who] = held[who] - {what[1:]} if what[0] == "-" else held[who] | {what}
            case "JOIN" if what not in rooms[who]:
                rooms[who].add(what)
                for n in wanted:
                    if what in rooms[n]:
                        wanted[n] = [f"JOIN {what}" + (" * :" if "extended-join" in held[n] else "")]
                        wanted[n] += ["AWAY"] if away[who] and "away-notify" in held[n] else []
            case "PART" if what in rooms[who]:
                wanted = {n: [f"PART {what}"] if what in rooms[n] else [] for n in wanted}
                rooms[who].discard(what)
            case "AWAY" if what != away[who]:
                away[who] = what
                wanted = {n: ["AWAY"] if n in sharing and "away-notify" in held[n] else [] for n in wanted}
            case "SETNAME":
                wanted = {n: ["SETNAME"] if n in sharing and "setname" in held[n] else [] for n in wanted}
        for n, expected in wanted.items():
            lines = people[n].heard()
            assert all(line.startswith("@time=") == ("server-time" in held[n]) for line in lines)
            told = [line[line.index(f":p{who}!") :].split(" ", 1)[1] for line in lines]
            assert len(told) == len(expected)
            for line, beginning in zip(told, expected, strict=True):
                exactly = beginning.startswith(("JOIN", "PART")) and "*" not in beginning
                assert line == beginning if exactly else line.startswith(beginning)


def test_a_snapshot_has_what_they_asked_for(driver: Driver) -> None:
    everything = f"{DETAILS} account-tag extended-join multi-prefix userhost-in-names cap-notify"
    ana, beto = in_room(driver, "ana", everything), in_room(driver, "beto")
    ana.send("MODE #a +v ana")
    read(ana, beto)
    driver.replace_broker()
    beto.send("AWAY :x", "SETNAME :Beto", "INVITE eva #a", "PART #a", "JOIN #a")
    assert ana.heard() == [
        BETO + "AWAY :x",
        BETO + "SETNAME :Beto",
        BETO + "PART #a",
        BETO + "JOIN #a * :Beto",
        BETO + "AWAY :x",
    ]
    assert ana.send("NAMES #a")[0].endswith(":@+ana!~ana@127.0.0.1 beto!~beto@127.0.0.1")
    assert set(ana.send("CAP LIST")[0].split(":")[-1].split()) == set(everything.split())


def test_a_server_of_before_had_none_of_it() -> None:
    driver = Driver(ChatSettings(level=3))
    driver.feed(("accounts", ["Zoe"], MECHANISMS))
    ana = driver.irc("ana")
    assert not {"WHOX", "NAMELEN=128"} & {word for line in ana.send("VERSION") for word in line.split()}
    assert "away-notify" not in ana.send("CAP LS 302")[0]
    assert ana.send("CAP LIST", "CAP REQ :away-notify") == [
        S + "CAP ana LIST :",
        S + "CAP ana NAK :away-notify",
    ]
    assert ana.send("SETNAME :x") == [S + "421 ana SETNAME :Unknown command"]
    assert ana.send("WHO ana %n")[0] == S + "352 ana * ~ana 127.0.0.1 mpchat.local ana H :0 Ana Realname"
    assert ana.send("HELP SETNAME")[0].split()[1] == "524"
    driver.feed(("accounts", [], []))
    assert ana.heard() == []


def test_whoever_is_away_and_back_again_and_again_fills_no_screens() -> None:
    driver = Driver(ChatSettings(nick_changes_per_minute=3))
    ana, beto = driver.connect(host="192.0.2.1"), driver.irc("beto", caps="away-notify")
    ana.send("NICK ana", "USER ana 0 * :Ana", "JOIN #a")
    beto.send("JOIN #a")
    beto.heard()
    for number in range(9):
        assert " 306 " in ana.send(f"AWAY :{number}")[-1]
    assert [line.rpartition(":")[2] for line in beto.heard()] == ["0", "1", "2"]
    assert " 301 beto ana :8" in "".join(beto.send("PRIVMSG ana :hola"))
    driver.pass_time(20)
    ana.send("AWAY")
    assert any(line.endswith(" AWAY") for line in beto.heard())


def test_an_offer_that_is_the_same_is_not_made_again() -> None:
    driver = Driver()
    driver.feed(("accounts", [], ["PLAIN"]))
    ana = driver.connect()
    ana.send("CAP LS 302", "NICK ana", "USER ana 0 * :Ana", "CAP END")
    driver.feed(("accounts", ["beto"], ["PLAIN"]))
    assert not [line for line in ana.heard() if " CAP " in line]
    driver.feed(("accounts", ["beto"], []))
    assert [line for line in ana.heard() if " CAP ana DEL :" in line]
