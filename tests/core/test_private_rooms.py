"""Private rooms (+i, +k, +s): who comes in after a restart, what a server operator may do, and who reads the past."""

from __future__ import annotations

import pytest

from mpchat.settings import ChatSettings
from tests.core.driver import Driver, Person

S = ":mpchat.local "
DAY = 24 * 3600
CAPS = "draft/chathistory"


@pytest.fixture
def driver() -> Driver:
    return Driver(ChatSettings(opers_exist=True))


def operator(driver: Driver, nick: str = "root") -> Person:
    """A server operator, who has read everything."""
    root = driver.irc(nick, caps=CAPS)
    driver.pass_time(1)
    root.send("OPER root *")
    driver.answer(True)
    root.heard()
    return root


def room(driver: Driver, modes: str, nick: str = "ana") -> Person:
    """The operator of #g, which has these modes, and in which seven lines have been said."""
    ana = driver.irc(nick, caps=CAPS)
    ana.send("JOIN #g", f"MODE #g {modes}", *["PRIVMSG #g :secreto"] * 7)
    ana.heard()
    return ana


def enters(person: Person, key: str = "") -> str:
    """What joining #g is answered by: the numeric of a refusal; or how they are listed."""
    person.heard()
    lines = person.send(f"JOIN #g {key}".strip())
    names = [line.rpartition(":")[2].split() for line in lines if " 353 " in line]
    if not names:
        return lines[0].split()[1]
    return next(name for name in names[0] if name.lstrip("@+") == lines[0][1:].partition("!")[0])


def begins(driver: Driver, person: Person) -> int:
    """The number of the message behind which they are told the past of #g."""
    person.send("CHATHISTORY LATEST #g * 50")
    number: int = driver.asked[-1][4][1]
    driver.answer([])
    return number


# After a restart


@pytest.mark.parametrize(
    ("modes", "key", "answer"),
    [
        ("+ik llave", "llave", "473"),
        ("+k llave", "llave", "eve"),
        ("+s", "", "eve"),
        ("+is", "", "473"),
        ("+nt", "", "@eve"),
        ("+m", "", "@eve"),
        ("+l 5", "", "@eve"),
    ],
)
def test_who_comes_first_rules_an_open_room_only(driver: Driver, modes: str, key: str, answer: str) -> None:
    room(driver, modes)
    driver.start()
    eve = driver.irc("eve")

    assert enters(eve, key) == answer
    if answer != "473":
        letters = "".join(sorted(modes.split()[0][1:], key="imnstkl".index))
        assert eve.send("MODE #g")[0].split()[4] == f"+{letters}", "it keeps all its modes"


def test_nor_by_leaving_and_coming_again(driver: Driver) -> None:
    room(driver, "+k llave")
    driver.start()
    eve = driver.irc("eve", caps=CAPS)
    assert enters(eve, "llave") == "eve"
    eve.send("PART #g")
    driver.replace_broker()
    assert enters(eve) == "475", "it is still there, with its key"
    assert enters(eve, "llave") == "eve"
    eve.send("QUIT")
    driver.start()
    assert enters(driver.irc("eve"), "llave") == "eve"


def test_a_room_that_nobody_enters_for_a_day_ends_with_its_past(driver: Driver) -> None:
    room(driver, "+i")
    driver.start()
    root, eve = operator(driver), driver.irc("eve", caps=CAPS)
    root.send("INVITE eve #g")
    assert enters(eve) == "eve"
    eve.send("PART #g")
    driver.pass_time(DAY - 1)
    mala = driver.irc("mala", caps=CAPS)
    assert enters(mala) == "473", "a day since somebody was in it"
    driver.pass_time(1)
    assert enters(mala) == "@mala"
    assert begins(driver, mala) == 7


def test_a_room_with_an_operator_of_its_own_ends_as_any_other(driver: Driver) -> None:
    ana = room(driver, "+k llave")
    driver.replace_broker()
    ana.send("PART #g")

    assert enters(driver.irc("eve")) == "@eve"


def test_a_room_for_invited_people_is_entered_by_an_invitation_of_a_server_operator(driver: Driver) -> None:
    room(driver, "+i")
    driver.start()
    eve, root = driver.irc("eve", caps=CAPS), operator(driver)
    assert enters(root) == "473"
    root.send("INVITE eve #g")
    driver.replace_broker()
    assert eve.heard()[-1] == ":root!~root@127.0.0.1 INVITE eve #g"
    assert enters(eve) == "eve"
    assert begins(driver, eve) == 7, "what was said before they came"
    eve.send("PRIVMSG #g :hola")
    driver.replace_broker()
    assert begins(driver, eve) == 7


def test_a_kept_room_that_lets_nobody_in_is_a_server_operators_to_open(driver: Driver) -> None:
    room(driver, "+tb *!*@127.*")
    driver.start()
    ana, root = driver.irc("ana"), operator(driver)
    assert enters(ana) == "474"
    assert ana.send("MODE #g", "TOPIC #g") == [S + "403 ana #g :No such channel"] * 2, "for others there is none"

    assert root.send("MODE #g", "MODE #g b")[0] == S + "324 root #g +t"
    assert root.send("MODE #g +m-b *!*@127.*", "TOPIC #g :orden", "KICK #g ana") == [
        ":root!~root@127.0.0.1 MODE #g +m-b *!*@127.*", ":root!~root@127.0.0.1 TOPIC #g :orden",
        S + "441 root ana #g :They aren't on that channel",
    ]  # fmt: skip
    driver.replace_broker()
    assert enters(ana) == "@ana"
    assert ana.send("TOPIC #g")[0] == S + "332 ana #g :orden"


def test_what_is_decided_about_a_kept_room_is_in_the_log(driver: Driver) -> None:
    room(driver, "+i")
    driver.start()
    root = operator(driver)

    (event,) = driver.core.apply(root.records(["MODE #g -i"])).audit
    assert event == ("acts as a server operator", {**event[1], "nick": "root", "room": "#g", "did": "MODE -i"})


@pytest.mark.parametrize(
    ("modes", "refusal"), [("+b *!*@127.*", "474"), ("+k perdida", "475"), ("+ibk *!* perdida", "475")]
)
@pytest.mark.parametrize("is_kept", [True, False])
def test_who_is_invited_by_a_server_operator_is_let_in_once(
    driver: Driver, modes: str, refusal: str, is_kept: bool
) -> None:
    room(driver, modes)
    if is_kept:
        driver.start()
    eve, root = driver.irc("eve", caps=CAPS), operator(driver)
    assert enters(eve) == refusal
    assert root.send("INVITE eve #g")[0] == S + "341 root eve #g"
    driver.replace_broker()

    assert enters(eve).lstrip("@") == "eve"
    if "k" in modes:
        assert begins(driver, eve) == 7, "without the key, only what is said from now on"
    eve.send("PART #g", "JOIN #g")
    if is_kept and "k" not in modes:
        return  # it was theirs, and ended when they left
    assert enters(eve) == refusal


def test_a_member_invites_nobody_past_a_ban_or_a_key(driver: Driver) -> None:
    ana, eve = room(driver, "+bk *!*@127.* llave"), driver.irc("eve")
    ana.send("INVITE eve #g")

    assert enters(eve) == "475"
    assert enters(eve, "llave") == "474"


OUTSIDE = [
    *("MODE {}", "MODE {} b", "MODE {} +m", "TOPIC {}", "TOPIC {} :x", "KICK {} ana", "PART {}"),
    *("INVITE beto {}", "PRIVMSG {} :hola", "NOTICE {} :hola", "NAMES {}", "WHO {}", "LIST {}"),
    "CHATHISTORY LATEST {} * 9",
]


@pytest.mark.parametrize("line", OUTSIDE)
def test_outside_a_secret_room_is_none(driver: Driver, line: str) -> None:
    """Also by how its name is written: who asks reads it as they wrote it."""
    room(driver, "+sn")
    beto, eve = driver.irc("beto", caps=CAPS), driver.plain("eva")

    there, nowhere = beto.send(line.format("#G")), beto.send(line.format("#H"))
    assert there == [answer.replace("#H", "#G") for answer in nowhere]
    for line in ("/who #G", "/msg #G hola"):
        assert eve.send(line) == [answer.replace("#H", "#G") for answer in eve.send(line.replace("#G", "#H"))]


def test_a_new_room_hears_nobody_from_outside(driver: Driver) -> None:
    """As a server begins them today; in the records of an earlier one they begin without a mode."""
    new = Driver(ChatSettings(room_flags="n"))
    ana, beto = new.irc("ana"), new.irc("beto")
    ana.send("JOIN #g")

    assert ana.send("MODE #g")[0] == S + "324 ana #g +n"
    assert beto.send("PRIVMSG #g :hola") == [S + "404 beto #g :Cannot send to channel"]
    assert ana.send("MODE #g -n") == [":ana!~ana@127.0.0.1 MODE #g -n"]
    assert beto.send("PRIVMSG #g :hola") == []
    assert room(driver, "+t").send("MODE #g")[0] == S + "324 ana #g +t"


def test_the_lobby_keeps_what_a_server_operator_has_set(driver: Driver) -> None:
    root = operator(driver)
    root.send("MODE #lobby +mb *!*@192.0.2.1", "TOPIC #lobby :exámenes")
    driver.start()
    ana = driver.irc("ana")
    ana.heard()

    assert ana.send("MODE #lobby")[0] == S + "324 ana #lobby +mnt"
    assert "*!*@192.0.2.1" in ana.send("MODE #lobby b")[0]
    assert ana.send("JOIN #lobby")[1] == S + "332 ana #lobby :exámenes"


# After its members' connections were lost


def lost(driver: Driver, modes: str, *guests: str) -> tuple[Person, ...]:
    """Fer, operator of #g, which has these modes and a topic, and guests of his: all can come back by their tokens."""
    fer = driver.irc("fer", caps=CAPS, tokens=("*", "fer"))
    people = [driver.irc(nick, caps=CAPS, tokens=("*", nick)) for nick in guests]
    fer.send("JOIN #g", *[f"INVITE {nick} #g" for nick in guests])
    for guest in people:
        guest.send("JOIN #g")
    fer.send(f"MODE #g {modes}", "TOPIC #g :lo nuestro", "PRIVMSG #g :secreto")
    return fer, *people


def back(driver: Driver, nick: str) -> Person:
    return driver.irc(nick, caps=CAPS, tokens=(nick, nick + "2"))


def names(person: Person) -> list[str]:
    (line,) = [line for line in person.send("NAMES #g") if " 353 " in line]
    return sorted(line.rpartition(":")[2].split())


@pytest.mark.parametrize(
    ("modes", "key", "answer"),
    [
        ("+i", "", "473"),
        ("+k llave", "", "475"),
        ("+k llave", "llave", "mala"),
        ("+s", "", "mala"),
        ("+b mala", "", "474"),
        ("+b cyd", "", "mala"),
    ],
)
def test_a_room_waits_for_its_members_and_a_stranger_does_not_rule_it(
    driver: Driver, modes: str, key: str, answer: str
) -> None:
    fer, gil = lost(driver, modes, "gil")
    fer.gone()
    gil.gone()
    driver.replace_broker()
    mala = driver.irc("mala", caps=CAPS)
    for _ in range(2):  # nor by leaving and coming again
        assert enters(mala, key) == answer
        assert mala.send("MODE #g +m", "PART #g")[0].split()[1] in ("403", "482")

    gil, fer = back(driver, "gil"), back(driver, "fer")

    assert names(fer) == ["@fer", "gil"]
    assert fer.send("TOPIC #g")[0] == S + "332 fer #g :lo nuestro"
    assert fer.send("MODE #g")[0].split()[4] == ("+" if "b" in modes else modes[:2])
    assert begins(driver, fer) == begins(driver, gil) == 0
    fer.send("QUIT")
    gil.send("QUIT")
    assert enters(mala) == "@mala", "who leaves ends it, and it is another one"


@pytest.mark.parametrize("how", ["QUIT", "PART #g", "KILL", "no token"])
def test_a_member_that_leaves_ends_it(driver: Driver, how: str) -> None:
    if how == "no token":
        room(driver, "+i").gone()
    else:
        (fer,) = lost(driver, "+i")
        root = operator(driver)
        if how == "KILL":
            root.send("KILL fer :basta")
        else:
            fer.send(how)

    assert enters(driver.irc("mala")) == "@mala"


def test_it_waits_for_an_operator_of_its_own_also_where_another_leaves_last(driver: Driver) -> None:
    fer, gil = lost(driver, "+i", "gil")
    fer.gone()
    gil.send("PART #g")
    driver.replace_broker()
    assert enters(gil) == "473"

    assert names(back(driver, "fer")) == ["@fer"]


def test_it_does_not_wait_for_a_guest_where_its_operator_leaves_last(driver: Driver) -> None:
    """Who came back to make it anew would find it closed."""
    fer, gil = lost(driver, "+i", "gil")
    gil.gone()
    fer.send("PART #g")

    assert enters(fer) == "@fer"


def test_nor_for_who_is_operator_by_a_server_operators_word(driver: Driver) -> None:
    fer, gil = lost(driver, "+i", "gil")
    operator(driver).send("MODE #g -o fer", "MODE #g +o gil")
    gil.gone()
    fer.send("PART #g")

    assert enters(fer) == "@fer"


def test_a_guest_who_is_back_first_does_not_rule_it_by_leaving(driver: Driver) -> None:
    """After a restart, where its operator has no token, too."""
    room(driver, "+k llave")
    gil = driver.irc("gil", caps=CAPS, tokens=("*", "gil"))
    assert enters(gil, "llave") == "gil"
    driver.start()
    gil = back(driver, "gil")
    assert names(gil) == ["gil"]

    gil.send("PART #g")

    assert enters(gil, "llave") == "gil"


def test_where_a_ban_alone_closes_it_who_stays_is_in_nobodys_hands_for_a_day_at_most(driver: Driver) -> None:
    (fer,) = lost(driver, "+b cyd")
    fer.gone()
    eva = driver.irc("eva")
    driver.pass_time(1)
    assert enters(eva) == "eva"
    driver.stand_still(DAY)
    eva.send("PART #g")

    assert enters(eva) == "@eva"


def test_it_waits_for_a_day(driver: Driver) -> None:
    (fer,) = lost(driver, "+i")
    fer.gone()
    mala = driver.irc("mala")
    driver.stand_still(DAY - 1)
    assert enters(mala) == "473"
    driver.stand_still(1)
    assert enters(mala) == "@mala"


def test_no_more_rooms_wait_than_the_settings_say() -> None:
    driver = Driver(ChatSettings(dormant_rooms=2))
    flood = driver.irc("flood", tokens=("*", "flood"))
    rooms = ("#a", "#b", "#c")
    flood.send(*[f"JOIN {name}" for name in rooms], *[f"MODE {name} +i" for name in rooms])
    flood.gone()
    eva = driver.irc("eva")

    answers = [eva.send(f"JOIN {name}")[0].split()[1] for name in rooms]

    assert answers == ["473", "473", "JOIN"], "those that wait already are not pushed out"
    driver.irc("flood", tokens=("flood", "flood2"))
    assert " 353 eva = #c :@eva" in eva.send("NAMES #c")[0], "the one that had no room is over for its members too"


def test_who_cannot_come_back_keeps_no_room() -> None:
    driver = Driver(ChatSettings(lost_places=1))
    fer = driver.irc("fer", tokens=("*", "fer"))
    fer.send("JOIN #g,#h", "MODE #g +i", "MODE #h +i")
    fer.gone()

    assert enters(driver.irc("eva")) == "@eva"


def test_in_the_records_of_an_older_server_it_ends() -> None:
    driver = Driver(ChatSettings(level=0))
    (fer,) = lost(driver, "+ib mala")
    fer.gone()

    assert enters(driver.irc("mala")) == "@mala"


# A server operator decides


DECISIONS = [
    ("MODE #g +m-t", "MODE #g +m-t"),
    ("MODE #g +o beto", "MODE #g +o beto"),
    ("TOPIC #g :orden", "TOPIC #g :orden"),
    ("KICK #g beto :basta", "KICK #g beto :basta"),
]


@pytest.mark.parametrize("is_member", [False, True])
@pytest.mark.parametrize(("line", "seen"), DECISIONS)
def test_the_room_is_told_and_then_sees_who_did_what(driver: Driver, line: str, seen: str, is_member: bool) -> None:
    ana, beto, eva = room(driver, "+t"), driver.irc("beto"), driver.plain("eva")
    beto.send("JOIN #g")
    eva.send("/join #g")
    root = operator(driver)
    if is_member:
        root.send("JOIN #g")
    for person in (ana, eva, root):
        person.heard()

    notice, done = S + "NOTICE #g :root acts as a server operator", f":root!~root@127.0.0.1 {seen}"
    assert root.send(line) == ([notice, done] if is_member else [done])
    assert ana.heard() == [notice, done]
    assert eva.heard()[0] == "[23:13] * root acts as a server operator"


def test_an_invitation_is_told_to_the_room_too(driver: Driver) -> None:
    ana, root = room(driver, "+i"), operator(driver)
    driver.irc("beto")
    root.send("INVITE beto #g")

    assert ana.heard() == [S + "NOTICE #g :root acts as a server operator, inviting beto"]


def test_who_rules_the_room_does_not_act_as_a_server_operator(driver: Driver) -> None:
    root, beto = operator(driver), driver.irc("beto")
    root.send("JOIN #g", "MODE #g +i")
    root.heard()

    assert root.send("MODE #g +m", "TOPIC #g :x", "INVITE beto #g") == [
        ":root!~root@127.0.0.1 MODE #g +m", ":root!~root@127.0.0.1 TOPIC #g :x", S + "341 root beto #g",
    ]  # fmt: skip
    assert enters(beto) == "beto"


def test_who_is_no_server_operator_any_more_decides_nothing(driver: Driver) -> None:
    room(driver, "+t")
    root = operator(driver)
    driver.irc("beto")
    root.send("MODE root -o")

    answers = root.send("MODE #g +m", "TOPIC #g :x", "KICK #g ana", "INVITE beto #g")
    assert [line.split()[1] for line in answers] == ["442"] * 4


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("MODE #lobby +m", ":root!~root@127.0.0.1 MODE #lobby +m"),
        ("MODE #lobby +b troll", ":root!~root@127.0.0.1 MODE #lobby +b troll!*@*"),
        ("MODE #lobby +v troll", ":root!~root@127.0.0.1 MODE #lobby +v troll"),
        ("TOPIC #lobby :orden", ":root!~root@127.0.0.1 TOPIC #lobby :orden"),
        ("KICK #lobby troll", ":root!~root@127.0.0.1 KICK #lobby troll :root"),
        *[
            (f"MODE #lobby {mode}", S + "482 root #lobby :You're not channel operator")
            for mode in ("+o troll", "+i", "+k x", "-k x", "+l 3", "-l", "+s", "-n", "-t")
        ],
    ],
)
def test_in_the_lobby_they_keep_order_and_no_more(driver: Driver, line: str, answer: str) -> None:
    driver.irc("troll").send("JOIN #lobby")
    root = operator(driver)

    assert root.send(line) == [answer]


def test_the_log_is_told_but_not_what_is_said(driver: Driver) -> None:
    room(driver, "+t")
    root = operator(driver)
    driver.irc("beto")
    records = root.records(
        ["MODE #g +kb llave x!*@*", "TOPIC #g :secreto", "KICK #g ana :secreto", "MODE #g +m", "INVITE beto #g"]
    )
    events = driver.core.apply(records[:3]).audit

    assert {event for event, _ in events} == {"acts as a server operator"}
    assert [facts["did"] for _, facts in events] == ["MODE +k +b x!*@*", "TOPIC", "KICK ana"]
    assert events[0][1] == {
        "nick": "root", "address": "127.0.0.1", "connection": root.id, "room": "#g", "did": "MODE +k +b x!*@*",
    }  # fmt: skip


def test_a_banned_reader_of_plain_text_is_in_no_room(driver: Driver) -> None:
    eva, root = driver.plain("eva"), operator(driver)
    root.send("MODE #lobby +b eva", "KICK #lobby eva :basta")
    nowhere = "! you are in no room, so what you type goes nowhere: /join #ROOM or /join #lobby"
    assert eva.heard()[-2:] == ["[23:13] * root kicked eva out (basta)", nowhere]
    assert eva.send("hola", "/me saluda", "/who", "/history", "//x") == [nowhere] * 5
    assert eva.send("/part", "/nick eva2") == ["! you are banned from #lobby", "[23:13] * eva is now eva2"]
    eva.send("/nick eva")
    assert eva.send("/join #so")[-1] == "* in #so: eva"
    eva.gone()
    again = driver.connect(plain=True)
    assert again.send("eva")[-1] == "! you are banned from #lobby"
    root.send("MODE #lobby -b eva")
    assert again.send("/join #lobby")[-1] == "* in #lobby: eva"


# And enters, and reads


@pytest.mark.parametrize("modes", ["+i", "+k llave", "+s"])
def test_a_server_operator_needs_a_members_invitation(driver: Driver, modes: str) -> None:
    ana, root, other = room(driver, modes), operator(driver), operator(driver, "otra")
    key = modes[3:]
    assert enters(root, key) == "473"
    root.send("INVITE root #g")
    assert enters(root, key) == "473", "their own does not count"
    other.send("INVITE root #g")
    assert enters(root, key) == "473", "nor that of another server operator, who is no member"
    ana.send("INVITE root #g")
    driver.replace_broker()
    assert enters(root, key) == "root"
    assert begins(driver, root) == 0


@pytest.mark.parametrize("member", ["+k llave", "+s"])
def test_any_member_may_invite_them(driver: Driver, member: str) -> None:
    room(driver, member)
    beto, root = driver.irc("beto"), operator(driver)
    enters(beto, "llave")
    beto.send("INVITE root #g")

    assert enters(root, "llave") == "root"
    assert begins(driver, root) == 0


@pytest.mark.parametrize(("modes", "less"), [("+i", "-i"), ("+k llave", "-k llave"), ("+s", "-s"), ("+k x", "+k y")])
def test_modes_that_they_remove_do_not_count(driver: Driver, modes: str, less: str) -> None:
    """Neither for themselves, nor, as to the past, for who comes in instead of them."""
    ana, root, beto, carla = room(driver, modes), operator(driver), driver.irc("beto", caps=CAPS), driver.irc("carla")
    root.send(f"MODE #g {less}")
    driver.replace_broker()
    assert enters(root, "y") == "473"
    assert enters(beto, "y") == "beto"
    assert begins(driver, beto) == 7
    root.send("MODE root -o")
    assert enters(root, "y") == "root", "anybody may"
    assert begins(driver, root) == 7
    letter = less[1]
    ana.send(f"MODE #g +{letter} z", f"MODE #g -{letter} z")  # a member decides
    carla.send("CAP REQ draft/chathistory")
    assert enters(carla) == "carla"
    assert begins(driver, carla) == 0


def test_nor_does_what_is_done_with_a_right_that_they_gave(driver: Driver) -> None:
    room(driver, "+i")
    root, puppet, spy = operator(driver), driver.irc("puppet", caps=CAPS), driver.irc("spy", caps=CAPS)
    root.send("INVITE puppet #g")
    assert enters(puppet) == "puppet"
    root.send("MODE #g +o puppet")
    puppet.send("INVITE root #g", "INVITE spy #g")
    assert enters(spy) == "spy"
    assert begins(driver, spy) == 7, "nobody gives more of the past than they can read"
    assert enters(root) == "root"
    assert begins(driver, root) == 7
    puppet.send("MODE #g -i")
    late = driver.irc("late", caps=CAPS)
    assert enters(late) == "late"
    assert begins(driver, late) == 7


def test_who_becomes_a_server_operator_inside_reads_only_what_they_were_there_for(driver: Driver) -> None:
    ana, beto = room(driver, "+k llave"), driver.irc("beto", caps=CAPS)
    assert enters(beto, "llave") == "beto"
    assert begins(driver, beto) == 0
    beto.send("OPER root *")
    driver.answer(True)
    assert begins(driver, beto) == 7
    assert begins(driver, ana) == 0
    beto.send("MODE beto -o")
    assert begins(driver, beto) == 0


def test_an_open_room_is_open_to_server_operators_too(driver: Driver) -> None:
    room(driver, "+nt")
    root = operator(driver)

    assert enters(root) == "root"
    assert begins(driver, root) == 0


def test_a_members_invitation_is_worth_more_than_a_server_operators(driver: Driver) -> None:
    ana, root, beto = room(driver, "+i"), operator(driver), driver.irc("beto", caps=CAPS)
    root.send("INVITE beto #g")
    ana.send("INVITE beto #g")
    root.send("INVITE beto #g")
    assert enters(beto) == "beto"
    assert begins(driver, beto) == 0


def test_a_members_invitation_does_not_open_what_was_closed_since(driver: Driver) -> None:
    """Together with a server operator's it does not give the past away either."""
    ana, carla, root = room(driver, "+n"), driver.irc("carla"), operator(driver)
    beto = driver.irc("beto", caps=CAPS)
    enters(carla)
    carla.send("INVITE beto #g")
    ana.send("MODE #g +i")
    assert enters(beto) == "473"
    root.send("INVITE beto #g")
    assert enters(beto) == "beto"
    assert begins(driver, beto) == 7


def test_the_lobby_is_the_same_room_in_the_next_run() -> None:
    driver = Driver()
    made = driver.irc("ana").send("JOIN #lobby", "MODE #lobby")[-1]
    assert " 329 " in made
    driver.pass_time(3600)
    driver.start()

    assert driver.irc("ana").send("JOIN #lobby", "MODE #lobby")[-1] == made
