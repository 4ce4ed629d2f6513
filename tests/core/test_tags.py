"""core: tagged messages, messages that are only tags, and lines that are sent again."""

from __future__ import annotations

import pytest

from mpchat.chat.deduplication import LINES
from mpchat.protocol.tags import message_id
from tests.core.driver import WALL, Driver, Person

ANA, BETO = ":ana!~ana@127.0.0.1 ", ":beto!~beto@127.0.0.1 "
ID = "+mpchat.org/id=abcdefgh"


@pytest.fixture
def driver() -> Driver:
    return Driver()


def msgid(number: int) -> str:
    return f"msgid={message_id(WALL, number)}"


def in_room(driver: Driver, **caps: str) -> list[Person]:
    """People in #a, who have read everything."""
    members = [driver.irc(nick, caps=wanted.replace("_", "-")) for nick, wanted in caps.items()]
    for member in members:
        member.send("JOIN #a")
    for member in members:
        member.heard()
    return members


def test_a_message_has_an_id_for_those_who_know_tags(driver: Driver) -> None:
    ana, beto, carla, dani = in_room(
        driver, ana="message-tags echo-message", beto="message-tags server-time", carla="server-time", dani=""
    )
    eva = driver.plain("eva")
    eva.send("/join #a")
    for person in (ana, beto, carla, dani, eva):
        person.heard()

    (echo,) = ana.send("PRIVMSG #a :hola")

    time = "time=2023-11-14T22:13:20.123Z"
    assert echo == f"@{msgid(1)} {ANA}PRIVMSG #a :hola"
    assert beto.heard() == [f"@{time};{msgid(1)} {ANA}PRIVMSG #a :hola"]
    assert carla.heard() == [f"@{time} {ANA}PRIVMSG #a :hola"]
    assert dani.heard() == [f"{ANA}PRIVMSG #a :hola"]
    assert eva.heard() == ["[23:13] <ana> hola"]
    assert ana.send("NOTICE beto :eh") == [f"@{msgid(2)} {ANA}NOTICE beto :eh"]
    assert beto.heard() == [f"@{time};{msgid(2)} {ANA}NOTICE beto :eh"]


def test_only_messages_have_one(driver: Driver) -> None:
    ana, beto = in_room(driver, ana="message-tags", beto="message-tags server-time")
    ana.send("TOPIC #a :x")
    assert beto.heard() == [f"@time=2023-11-14T22:13:20.123Z {ANA}TOPIC #a :x"]
    assert ana.send("PING x") == [":mpchat.local PONG mpchat.local :x"]


def test_a_clients_tags_go_to_those_who_know_tags(driver: Driver) -> None:
    ana, beto, carla = in_room(driver, ana="message-tags echo-message", beto="message-tags", carla="server-time")

    echo = ana.send(r"@+react=\:);secret=1;+draft/reply=x PRIVMSG #a :hola")

    assert echo == beto.heard() == [rf"@{msgid(1)};+react=\:);+draft/reply=x {ANA}PRIVMSG #a :hola"]
    assert carla.heard() == [f"@time=2023-11-14T22:13:20.123Z {ANA}PRIVMSG #a :hola"]

    assert carla.send("@+react=x PRIVMSG #a :hola") == [], "she has not asked for tags"
    assert beto.heard() == [f"@{msgid(2)} :carla!~carla@127.0.0.1 PRIVMSG #a :hola"]


def test_a_message_of_nothing_but_tags(driver: Driver) -> None:
    ana, beto, carla = in_room(driver, ana="message-tags echo-message", beto="message-tags server-time", carla="")
    eva = driver.plain("eva")
    for person in (ana, beto, carla):
        person.send("JOIN #lobby")
    for person in (ana, beto, carla, eva):
        person.heard()

    echo = ana.send("@+typing=active TAGMSG #lobby")

    assert echo == [f"@{msgid(1)};+typing=active {ANA}TAGMSG #lobby"]
    assert beto.heard() == [f"@time=2023-11-14T22:13:20.123Z;{msgid(1)};+typing=active {ANA}TAGMSG #lobby"]
    assert carla.heard() == eva.heard() == []
    assert driver.facts() == [], "it is no message for the history"

    ana.send("@+typing=done TAGMSG beto,carla,eva")
    assert [line.partition(";")[2] for line in ana.heard() + beto.heard()] == [
        f"{msgid(2)};+typing=done {ANA}TAGMSG beto"
    ]


@pytest.mark.parametrize("tag", ["+typing=active", "+typing=paused", "+draft/typing=done"])
def test_who_types_is_seen_to_type_and_nothing_of_it_is_kept(driver: Driver, tag: str) -> None:
    ana, beto = in_room(driver, ana="message-tags", beto="message-tags")
    driver.pass_time(60)

    assert ana.send(f"@{tag} TAGMSG #a", f"@{tag} TAGMSG beto") == []

    assert [line.partition(";")[2] for line in beto.heard()] == [f"{tag} {ANA}TAGMSG {to}" for to in ("#a", "beto")]
    assert driver.facts() == []
    assert " 317 beto ana 60 " in " ".join(beto.send("WHOIS ana")), "who types has not spoken"


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("TAGMSG", "411 ana :No recipient given (TAGMSG)"),
        ("TAGMSG nobody", "401 ana nobody :No such nick/channel"),
        ("TAGMSG #nowhere", "403 ana #nowhere :No such channel"),
        ("TAGMSG #lobby", "404 ana #lobby :Cannot send to channel"),
        ("TAGMSG a,b,c,d,e", "407 ana e :Too many recipients"),
        ("@" + "x" * 4095 + " TAGMSG #a", "417 ana :Input line was too long"),
    ],
)
def test_it_is_refused_as_a_message_is(driver: Driver, line: str, answer: str) -> None:
    (ana,) = in_room(driver, ana="message-tags")

    assert ana.send(line) == [f":mpchat.local {answer}"]


def test_nobody_sends_one_who_could_not_read_one(driver: Driver) -> None:
    (ana,) = in_room(driver, ana="")

    assert ana.send("@+a=b TAGMSG #a") == [":mpchat.local 421 ana TAGMSG :Unknown command"]


# Lines that are sent again


def test_a_line_is_said_once_and_echoed_each_time(driver: Driver) -> None:
    ana, beto = in_room(driver, ana="message-tags echo-message", beto="message-tags")

    first = ana.send(f"@{ID}.1;+a=b PRIVMSG #a :hola")
    assert first == [f"@{msgid(1)};+a=b;{ID}.1 {ANA}PRIVMSG #a :hola"]
    assert beto.heard() == [f"@{msgid(1)};+a=b {ANA}PRIVMSG #a :hola"], "the name of her lines is hers"
    driver.facts()

    assert ana.send(f"@{ID}.1;+a=b PRIVMSG #a :hola") == first
    assert ana.send(f"@{ID}.2 PRIVMSG beto :eh") == [f"@{msgid(2)};{ID}.2 {ANA}PRIVMSG beto :eh"]
    assert ana.send(f"@{ID}.2 PRIVMSG beto :eh") == [f"@{msgid(2)};{ID}.2 {ANA}PRIVMSG beto :eh"]
    assert (
        ana.send(f"@{ID}.3 NOTICE #a :aviso", f"@{ID}.3 NOTICE #a :aviso")
        == [f"@{msgid(3)};{ID}.3 {ANA}NOTICE #a :aviso"] * 2
    )
    assert beto.heard() == [f"@{msgid(2)} {ANA}PRIVMSG beto :eh", f"@{msgid(3)} {ANA}NOTICE #a :aviso"]
    assert [fact[0] for fact in driver.facts()] == [3]


def test_whoever_wants_no_echo_hears_nothing(driver: Driver) -> None:
    ana, beto = in_room(driver, ana="message-tags", beto="")

    assert ana.send(*[f"@{ID}.1 PRIVMSG #a :hola"] * 3) == []
    assert beto.heard() == [f"{ANA}PRIVMSG #a :hola"]


def test_across_a_lost_connection_and_a_restart(driver: Driver) -> None:
    caps = "message-tags echo-message"
    (ana,) = in_room(driver, ana=caps)
    first = ana.send(f"@{ID}.1 PRIVMSG #a :hola")
    ana.gone()
    driver.replace_broker()
    (ana,) = in_room(driver, ana=caps)
    assert ana.send(f"@{ID}.1 PRIVMSG #a :hola") == first

    driver.wall += 3_600_000
    driver.start()
    ana = driver.irc("ana", caps=caps)
    ana.heard()
    assert ana.send(f"@{ID}.1 PRIVMSG #a :hola") == first, "though she is not in the room yet"
    assert ana.send(f"@{ID}.2 PRIVMSG #a :hola") == [":mpchat.local 403 ana #a :No such channel"]


def test_a_refused_line_may_be_tried_again(driver: Driver) -> None:
    (ana,) = in_room(driver, ana="message-tags echo-message")
    ana.send(f"@{ID}.1 PRIVMSG beto :hola", f"@{ID}.2 PRIVMSG #a :hola")
    driver.irc("beto")

    assert ana.send(f"@{ID}.1 PRIVMSG beto :hola") == [f"@{msgid(2)};{ID}.1 {ANA}PRIVMSG beto :hola"]


def test_of_an_old_line_only_that_it_was_said_is_known(driver: Driver) -> None:
    ana, beto = in_room(driver, ana="message-tags echo-message", beto="")
    for line in range(1, LINES + 2):
        ana.send(f"@{ID}.{line} PRIVMSG #a :hola")
    beto.heard()

    assert ana.send(f"@{ID}.1 PRIVMSG #a :hola") == [f"@{ID}.1 {ANA}PRIVMSG #a :hola"]
    assert beto.heard() == []


def test_what_is_too_long_is_cut_in_each_echo(driver: Driver) -> None:
    (ana,) = in_room(driver, ana="message-tags echo-message")
    long = f"@{ID}.1 PRIVMSG #a :\x01ACTION " + "ñ" * 235 + "\x01"

    first, second = ana.send(long, long)

    assert first == second
    assert len(first.partition(" ")[2].encode()) in (509, 510)
    assert first.endswith("ñ\x01")
    assert len(ana.send(f"@{ID}.1 PRIVMSG {'x' * 480} :hola")[0].partition(" ")[2]) == 510


@pytest.mark.parametrize(
    "line",
    ["@+mpchat.org/id=short.1 PRIVMSG #a :x", f"@{ID}.1 PRIVMSG #a,beto :x", f"@{ID[1:]}.1 PRIVMSG #a :x"],
    ids=["no id", "to several", "not for clients"],
)
def test_what_has_no_number_is_said_each_time(driver: Driver, line: str) -> None:
    ana, beto = in_room(driver, ana="message-tags echo-message", beto="")
    once = len(ana.send(line)), len(beto.heard())

    assert (len(ana.send(line)), len(beto.heard())) == once
    assert once[1] > 0
    assert all("id=" not in said.replace("msgid=", "") for said in ana.send(line))


def test_the_number_is_nothing_to_who_has_not_asked_for_tags(driver: Driver) -> None:
    ana, beto = in_room(driver, ana="echo-message", beto="")

    assert ana.send(*[f"@{ID}.1 PRIVMSG #a :x"] * 2) == [f"{ANA}PRIVMSG #a :x"] * 2
    assert len(beto.heard()) == 2
