"""core, when others die around it: a broker is replaced, a worker is, the whole server is started again.

What must come back comes from the records (all of them, or a snapshot and those after it) and from the clients' bytes
that nobody had accepted yet, which their workers forward again.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterable
from math import inf
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpchat.core import encoding
from mpchat.core.machine import STATE_VERSION, Core
from mpchat.messages import Record
from mpchat.settings import ChatSettings
from tests.core.driver import LINE_BYTES, UTC_OFFSET, Driver, Person

DAY = 24 * 3600
ALL = "batch draft/chathistory draft/read-marker echo-message message-tags server-time"
Blocks = list[tuple[Record, ...]]


@pytest.fixture
def driver() -> Driver:
    return Driver()


@pytest.fixture
def guarded() -> Driver:
    return Driver(ChatSettings(password_needed=True, opers_exist=True))


# How far the input has come


def place(driver: Driver, person: Person) -> tuple[int, int, bool]:
    ((_, accepted, begun, discarding),) = [
        found for found in driver.core.inputs(person.worker) if found[0] == person.id
    ]
    return accepted, begun, discarding


def test_a_worker_is_told_where_to_go_on(driver: Driver) -> None:
    ana, beto = driver.irc("ana", worker=0), driver.irc("beto", worker=1)
    assert driver.core.inputs(0) == [(ana.id, ana.sent, 0, False)]
    assert driver.core.inputs(1) == [(beto.id, beto.sent, 0, False)]

    driver.feed(ana.piece("PRIVMSG "), ana.piece("#a :ho"))
    assert place(driver, ana) == (ana.sent, len("PRIVMSG #a :ho"), False)
    ana.send("la")
    assert place(driver, ana) == (ana.sent, 0, False)

    driver.feed(ana.piece("x" * 8000), *ana.too_long(b"x" * 8000, is_over=False))
    assert place(driver, ana) == (ana.sent, 0, True), "the rest of it is to be discarded"
    ana.send("the end of it")  # a worker would say "rest", but any line's end is one
    assert place(driver, ana) == (ana.sent, 0, False)

    beto.send("QUIT")
    assert driver.core.inputs(1) == [], "nothing more of it is wanted"


def test_it_goes_on_there_even_behind_an_open_question(guarded: Driver) -> None:
    ana = guarded.connect(worker=0)
    ana.send("PASS *")
    guarded.feed(*ana.records(["NICK ana"]), ana.piece("USER ana"))
    assert place(guarded, ana) == (ana.sent, len("USER ana"), False)
    guarded.feed(*ana.too_long(b"x" * 9000, is_over=False))
    assert place(guarded, ana) == (ana.sent, 0, True)


def test_a_piece_counts_for_what_came_whatever_was_shown_of_it(driver: Driver) -> None:
    ana = driver.connect(worker=0)
    driver.feed(("part", ana.id, 5000, b"PASS *"))

    assert driver.core.inputs(0) == [(ana.id, 5000, 5000, False)]
    assert driver.core.parts() == [(ana.id, "irc", 5000, b"PASS *")]


def test_unfinished_lines_are_told(guarded: Driver) -> None:
    ana, beto = guarded.connect(), guarded.connect(plain=True)
    guarded.feed(ana.piece("PA"), beto.piece("/pa"))
    assert guarded.core.parts() == [(ana.id, "irc", 2, b"PA"), (beto.id, "plain", 3, b"/pa")]

    ana.send("SS *")
    beto.send("ss *")
    guarded.feed(ana.piece("NI"))

    assert guarded.core.questions() == [ana.id, beto.id]
    # Both lines will come again, from where they had not been accepted.
    assert guarded.core.parts() == [(ana.id, "irc", 2, b"PA"), (beto.id, "plain", 3, b"/pa")]


def test_a_connection_may_be_announced_twice(driver: Driver) -> None:
    ana = driver.irc("ana")
    ana.send("JOIN #a")
    ana.heard()

    assert driver.feed(("open", ana.worker, ana.id, "irc", "127.0.0.1")) == []
    assert ana.send("PING x") == [":mpchat.local PONG mpchat.local :x"]


# Questions whose answers have died


def test_the_line_that_asked_is_acknowledged_with_its_answer(guarded: Driver) -> None:
    ana = guarded.connect()
    ana.send("CAP LIST", "PASS *", "NICK ana")
    taken = guarded.workers[ana.worker].taken
    assert taken[ana.id] == len("CAP LIST\r\n")

    guarded.pass_time(1)
    assert taken[ana.id] == len("CAP LIST\r\n"), "whatever else is acknowledged meanwhile"

    guarded.answer(True)
    assert taken[ana.id] == ana.sent


def test_it_is_forwarded_again_and_asks_again(guarded: Driver) -> None:
    ana = guarded.connect(worker=0)
    guarded.feed(ana.piece("PA"))
    ana.send("SS *", "NICK ana", "USER ana 0 * :Ana")
    (asked,) = guarded.asked

    guarded.feed(("again", ana.id))
    assert guarded.core.questions() == []
    assert place(guarded, ana) == (2, 2, False), "the piece before it was accepted, and stays so"
    assert ana.heard() == []

    guarded.feed(*ana.forward_again(2, 2, False))
    assert guarded.asked == [asked, asked]
    guarded.answer(True)
    assert " 001 ana " in ana.heard()[0]
    assert guarded.workers[0].taken[ana.id] == ana.sent


def test_so_is_one_that_waited_behind_another(guarded: Driver) -> None:
    ana = guarded.connect(worker=0)
    ana.send("PASS *", "PASS *", "NICK ana", "USER ana 0 * :Ana")
    guarded.answer(False)
    first = len("PASS *\r\n")

    guarded.feed(("again", ana.id))

    assert place(guarded, ana) == (first, 0, False)


def test_a_line_is_dealt_with_when_it_is_answered(guarded: Driver) -> None:
    ana = guarded.connect()
    assert guarded.core.dealt_with(ana.id) == 0
    ana.send("CAP LIST", "PASS *", "NICK ana")
    assert guarded.core.dealt_with(ana.id) == len("CAP LIST\r\n")
    guarded.answer(True)
    assert guarded.core.dealt_with(ana.id) == ana.sent
    ana.gone()
    assert guarded.core.dealt_with(ana.id) == 0


def test_without_a_question_there_is_nothing_to_do_again(driver: Driver) -> None:
    ana = driver.irc("ana")
    before = place(driver, ana)

    assert driver.feed(("again", ana.id)) == []
    assert place(driver, ana) == before


def test_nobody_is_timed_out_by_a_slow_answer(guarded: Driver) -> None:
    ana = guarded.connect()
    ana.send("PASS *", "NICK ana", "USER ana 0 * :Ana")
    guarded.pass_time(31)

    guarded.answer(True)
    guarded.pass_time(1)

    assert " 001 ana " in ana.heard()[0]
    assert not ana.closed


def test_but_by_their_own_slowness_all_the_same(guarded: Driver) -> None:
    ana = guarded.connect()
    ana.send("PASS *")
    guarded.pass_time(31)
    guarded.replace_broker()
    guarded.answer(True)

    guarded.pass_time(1)

    assert ana.heard() == ["ERROR :Closing link: 127.0.0.1 (Registration timed out)"]


def test_who_left_meanwhile_leaves_after_their_last_line(guarded: Driver) -> None:
    ana = guarded.connect()
    ana.send("PASS *", "NICK ana", "USER ana 0 * :Ana")
    ana.gone()
    guarded.replace_broker()
    assert not ana.closed

    guarded.answer(True)

    assert " 001 ana " in ana.heard()[0]
    assert ana.closed


lines = st.sampled_from(
    ["PASS *", "OPER root *", "NICK ana", "NICK berta", "USER ana 0 * :Ana", "JOIN #a", "PING x", "x" * 9000, "QUIT"]
)
steps = st.lists(st.one_of(lines, st.integers(1, 9), st.just("answer")), max_size=14)


@given(steps=steps, deaths=st.lists(st.integers(0, 14), max_size=4))
def test_a_broker_that_dies_at_any_point_changes_no_answer(steps: list[str | int], deaths: list[int]) -> None:
    """Lines, numbers of bytes that come of the next line before the rest does, and answers."""
    assert told(steps, deaths) == told(steps, [])


def told(steps: list[str | int], deaths: Iterable[int]) -> bytes:
    driver = Driver(ChatSettings(password_needed=True, opers_exist=True))
    ana = driver.connect()
    early = 0
    for number, step in enumerate(steps):
        if number in deaths:
            driver.replace_broker()
        if step == "answer":
            answer(driver, ana)
        elif isinstance(step, int):
            early = step
        else:
            say(driver, ana, step, early)
            early = 0
    while driver.core.questions():
        answer(driver, ana)
    return bytes(ana.output)


def say(driver: Driver, who: Person, line: str, early: int) -> None:
    if len(line) > LINE_BYTES:
        driver.feed(*who.too_long(line.encode()))
        return
    if early:
        driver.feed(who.piece(line[:early]))
    driver.feed(*who.records([line[early:]]))


def answer(driver: Driver, who: Person) -> None:
    """What is right depends on which line asked, and on nothing else."""
    if driver.core.questions():
        driver.feed(("answer", who.id, driver.asked[-1][2] % 3 > 0))


# What cannot be dealt with


def test_whoever_sent_what_cannot_be_dealt_with_is_told_and_closed(driver: Driver) -> None:
    ana, beto = driver.irc("ana"), driver.irc("beto")
    for person in (ana, beto):
        person.send("JOIN #a")
    ana.heard()
    beto.heard()

    driver.feed(("skip", 4096, ana.id))

    (line,) = ana.heard()
    assert line.startswith("ERROR :Closing link: 127.0.0.1 (The server failed at something you sent")
    assert ana.closed
    assert beto.heard() == [":ana!~ana@127.0.0.1 QUIT :Server error"]
    assert driver.irc("ana").send("PING x"), "the nickname is free"


def test_even_while_a_question_is_open(guarded: Driver) -> None:
    ana = guarded.connect()
    ana.send("PASS *", "NICK ana")

    guarded.feed(("skip", 0, ana.id))

    assert ana.closed
    assert guarded.answer(True) == []


# A full disk


def test_whoever_waits_for_the_disk_is_told_in_their_own_dialect(driver: Driver) -> None:
    ana, beto, carla = driver.irc("ana"), driver.connect(), driver.plain("carla")
    for person in (ana, beto, carla):
        person.heard()

    driver.feed(("full", (ana.id, 99, beto.id)))

    waits = "The server's disk is full: what you send waits, and is dealt with when there is room"
    assert ana.heard() == [f":mpchat.local NOTICE ana :{waits}"]
    assert beto.heard() == [f":mpchat.local NOTICE * :{waits}"]
    assert carla.heard() == []
    driver.feed(("full", (carla.id,)))
    assert carla.heard() == [f"! {waits}"]


# A restart of the whole server


def occupied(driver: Driver) -> None:
    """#a has everything a room can have."""
    ana, beto = driver.irc("ana"), driver.irc("beto")
    ana.send("JOIN #a", "TOPIC #a :the topic", "MODE #a +ikbl llave carla 9", "JOIN #empty", "PART #empty")
    beto.send("JOIN #lobby,#b")


def again(driver: Driver, after: float = 0) -> None:
    driver.wall += int(after * 1000)
    driver.mono = 0  # the machine may have been started again too
    driver.start()


@pytest.mark.parametrize("stops", [True, False])
def test_after_a_restart_nobody_is_here_but_the_rooms_are_kept(driver: Driver, stops: bool) -> None:
    occupied(driver)
    if stops:
        driver.feed(("stop", "Server shutting down"))
    driver.chat = ChatSettings(opers_exist=True)
    again(driver, after=3600)

    assert driver.core.inputs(0) == driver.core.inputs(1) == []
    assert driver.core.next_deadline == inf
    beto = driver.irc("beto")
    beto.heard()
    assert beto.send("LIST", "NAMES #a", "WHOIS ana") == [
        ":mpchat.local 323 beto :End of /LIST",
        ":mpchat.local 366 beto #a :End of /NAMES list",
        ":mpchat.local 401 beto ana :No such nick/channel",
        ":mpchat.local 318 beto ana :End of /WHOIS list",
    ]
    assert beto.send("WHOWAS ana")[0].startswith(":mpchat.local 314 beto ana ~ana 127.0.0.1 * ")

    carla = driver.irc("carla")
    carla.heard()
    assert carla.send("JOIN #a llave") == [":mpchat.local 474 carla #a :Cannot join channel (+b)"]
    assert beto.send("JOIN #a") == [":mpchat.local 475 beto #a :Cannot join channel (+k)"]
    assert beto.send("JOIN #a llave") == [":mpchat.local 473 beto #a :Cannot join channel (+i)"]
    root = driver.irc("root")
    root.send("OPER root *")
    driver.answer(True)
    root.send("INVITE beto #A")
    beto.heard()
    assert beto.send("JOIN #A llave") == [
        ":beto!~beto@127.0.0.1 JOIN #a",
        ":mpchat.local 332 beto #a :the topic",
        ":mpchat.local 333 beto #a ana!~ana@127.0.0.1 1700000000",
        ":mpchat.local 353 beto = #a :beto",
        ":mpchat.local 366 beto #a :End of /NAMES list",
    ]
    assert beto.send("MODE #a")[0] == ":mpchat.local 324 beto #a +ikl llave 9"
    assert beto.send("JOIN #b")[-2] == ":mpchat.local 353 beto = #b :@beto"
    assert beto.send("JOIN #lobby")[-2] == ":mpchat.local 353 beto = #lobby :beto", "nobody operates the lobby"


def test_an_open_room_that_has_been_kept_is_a_room_like_others(driver: Driver) -> None:
    ana = driver.irc("ana")
    ana.send("JOIN #a", "MODE #a +ntbl *!*@bad.example 9", "TOPIC #a :the topic")
    again(driver)
    ana = driver.irc("ana")
    assert ana.send("JOIN #a")[-2] == ":mpchat.local 353 ana = #a :@ana"
    ana.send("PART #a")

    assert ana.send("JOIN #a", "MODE #a")[-2] == ":mpchat.local 324 ana #a +", (
        "it emptied in service, and that was its end"
    )


def test_after_a_day_it_is_forgotten(driver: Driver) -> None:
    occupied(driver)
    again(driver)
    ana = driver.irc("ana")
    driver.pass_time(DAY - 1)
    assert ana.send("JOIN #a")[-1] == ":mpchat.local 475 ana #a :Cannot join channel (+k)"
    driver.pass_time(1)

    assert ana.send("JOIN #a")[-2] == ":mpchat.local 353 ana = #a :@ana"


def test_a_day_is_a_day_however_often_the_server_is_started(driver: Driver) -> None:
    occupied(driver)
    again(driver)
    again(driver, after=DAY - 1)
    assert driver.irc("ana").send("JOIN #a")[-1] == ":mpchat.local 475 ana #a :Cannot join channel (+k)"
    again(driver, after=1)

    assert driver.irc("ana").send("JOIN #a")[-2] == ":mpchat.local 353 ana = #a :@ana"


# What was said


def test_what_is_said_is_numbered_and_told_if_on_a_channel(driver: Driver) -> None:
    ana, beto = driver.irc("ana"), driver.plain("beto")
    ana.send("JOIN #Ñandú")
    assert driver.facts() == []

    ana.send("PRIVMSG #ñandÚ :hola", "PRIVMSG beto :a secret", "PRIVMSG nobody :x", "NOTICE #Ñandú,beto :eh")
    driver.wall += 5
    driver.feed(("clock", driver.wall, driver.mono))
    beto.send("/me saluda")

    source = "ana!~ana@127.0.0.1"
    assert driver.facts() == [
        (1, driver.wall - 5, "#ñandú", source, "PRIVMSG", "hola", UTC_OFFSET),
        (3, driver.wall - 5, "#ñandú", source, "NOTICE", "eh", UTC_OFFSET),
        (5, driver.wall, "#lobby", "beto!~plain@127.0.0.1", "PRIVMSG", "\x01ACTION saluda\x01", UTC_OFFSET),
    ]
    assert driver.facts() == [], "told once"

    again(driver)
    ana = driver.irc("ana")
    ana.send("JOIN #a", "PRIVMSG #a :hola")
    assert [fact[0] for fact in driver.facts()] == [6], "the numbers go on"


def test_a_fact_is_what_was_delivered(driver: Driver) -> None:
    ana, beto = driver.irc("ana"), driver.irc("beto")
    for person in (ana, beto):
        person.send("JOIN #a")
    beto.heard()
    ana.send("PRIVMSG #a :" + "ñ" * 240)

    (fact,) = driver.facts()
    assert beto.heard() == [f":{fact[3]} {fact[4]} #a :{fact[5]}"]


# Snapshots


def test_a_dump_of_another_version_is_refused(driver: Driver) -> None:
    data = driver.core.dump()
    other = encoding.to_bytes(STATE_VERSION + 1, 0)

    with pytest.raises(
        ValueError, match=f"reads 'mpchat state {STATE_VERSION}' or .*, and not 'mpchat state {STATE_VERSION + 1}"
    ):
        Core.load(other)
    with pytest.raises(ValueError, match="mpchat state"):
        Core.load(b"")
    Core.load(data)


@pytest.mark.parametrize("protocol", range(6))
def test_a_dump_names_nothing_that_could_run(protocol: int) -> None:
    head = encoding.to_bytes(STATE_VERSION, 0).partition(b"\n")[0] + b"\n"

    with pytest.raises(ValueError, match="state"):
        Core.load(head + pickle.dumps(os.getcwd, protocol))


def test_a_long_chain_of_rooms_is_no_deep_thing(driver: Driver) -> None:
    """Each is in the next one's room too: a pickle that followed them would go a thousand rooms deep."""
    for number in range(1000):
        driver.irc(f"nick{number}").send(f"JOIN #a{number},#a{number + 1}")
    Core.load(driver.core.dump())


def test_a_core_that_has_not_begun_can_be_kept_too() -> None:
    assert Core.load(Core().dump()).next_deadline == inf


def test_dead_invitations_are_forgotten_as_they_would_be_without_a_snapshot() -> None:
    def invited(keep: Callable[[Driver], None]) -> list[str]:
        driver = Driver(ChatSettings(channels_per_client=2))
        ana, beto = driver.irc("ana"), driver.irc("beto")
        for room in ("#one", "#two"):
            ana.send(f"JOIN {room}", f"MODE {room} +i", f"INVITE beto {room}")
        ana.send("PART #two")
        keep(driver)
        ana.send("JOIN #three", "MODE #three +i", "INVITE beto #three")
        beto.heard()
        return [line for line in beto.send("JOIN #one", "JOIN #three") if "JOIN" in line]

    def not_at_all(_: Driver) -> None:
        pass

    joins = [f":beto!~beto@127.0.0.1 JOIN {room}" for room in ("#one", "#three")]
    assert invited(not_at_all) == joins, "there is room for two, and only one of three has died"
    assert invited(Driver.replace_broker) == joins


# Whatever happens, records decide

nouns = st.sampled_from(["ana", "beto", "ñandú", "#a", "#A", "#b", "#lobby", "ana,beto", "#a,#b"])
verbs = ["JOIN", "PART", "PRIVMSG", "NOTICE", "TOPIC", "NAMES", "LIST", "WHO", "WHOIS", "WHOWAS", "KICK", "INVITE"]
verbs += ["MODE", "NICK", "AWAY", "OPER", "KILL", "LUSERS", "QUIT", "TAGMSG", "CHATHISTORY LATEST"]
words = st.one_of(nouns, nouns, st.sampled_from(["+iklm-t k 3", "+b", "+o", "+v", "ana", ":hola", "k", "0", "+w"]))
spoken = st.one_of(
    st.tuples(st.sampled_from(verbs), words, words, words).map(" ".join),
    st.tuples(st.sampled_from(["/join", "/msg", "/me", "/who", "hola", "/part"]), words).map(" ".join),
    st.sampled_from(["CAP REQ :echo-message server-time", "CAP REQ :-server-time", "PING x", "WALLOPS :x", "/pass x"]),
    st.sampled_from(["CAP REQ :message-tags", "CAP REQ :batch draft/chathistory", "CHATHISTORY LATEST #a * 9"]),
    st.sampled_from(["CAP REQ :draft/read-marker", "MARKREAD #a"]),
    st.builds("MARKREAD {} timestamp=2023-11-14T22:13:0{}.000Z".format, nouns, st.integers(0, 9)),
    st.sampled_from(["@+a=b TAGMSG #a", "@+mpchat.org/id=abcdefgh.1 PRIVMSG #a :uno", "/history"]),
    st.builds("@+mpchat.org/id=zyxwvuts.{} PRIVMSG {} :x".format, st.integers(1, 3), nouns),
)
happenings = st.one_of(
    st.tuples(st.just("say"), st.integers(0, 7), spoken),
    st.tuples(st.just("say"), st.integers(0, 7), spoken),
    st.tuples(st.just("say"), st.integers(0, 7), spoken),
    st.tuples(st.just("say together"), st.integers(0, 7), spoken),
    st.tuples(st.just("begin"), st.integers(0, 7), spoken),
    st.tuples(st.just("too long"), st.integers(0, 7), st.booleans()),
    st.tuples(st.just("answer"), st.integers(0, 7), st.booleans()),
    st.tuples(st.just("again"), st.integers(0, 7), st.none()),
    st.tuples(st.just("gone"), st.integers(0, 7), st.none()),
    st.tuples(st.just("silent"), st.integers(0, 7), st.none()),
    st.tuples(st.just("skip"), st.integers(0, 7), st.none()),
    st.tuples(st.just("full"), st.integers(0, 7), st.none()),
    st.tuples(st.just("drained"), st.integers(0, 7), st.sampled_from([True, True, False])),
    st.tuples(st.just("connect"), st.integers(0, 1), st.booleans()),
    st.tuples(st.just("enter"), st.integers(0, 1), nouns),
    st.tuples(st.just("time"), st.just(0), st.sampled_from([0.007, 31, 61, 121, DAY])),
    st.tuples(st.just("start"), st.just(0), st.integers(1, 100)),
)
stories = st.lists(happenings, max_size=40)


def told_as_records(story: list[tuple[str, int, Any]]) -> Blocks:
    """A story as what a journal has of it."""
    driver = Driver(
        ChatSettings(opers_exist=True, departed_names=3, channels_per_client=3, answer_bytes=200, read_markers=3)
    )
    populate(driver)
    for happening, number, what in story:
        happen(driver, happening, number, what)
    return driver.journal


def populate(driver: Driver) -> None:
    for nick in ("ana", "beto", "zoe"):
        driver.irc(nick, caps=ALL if nick == "zoe" else "").send("JOIN #a,#b")
    driver.plain("carla")
    driver.everybody_reads = False  # but for these beginnings, an answer of two lines waits for who has to read it


def happen(driver: Driver, happening: str, number: int, what: Any) -> None:
    who = driver.people[number % len(driver.people)]
    match happening:
        case "say":
            who.send(what)
        case "say together":
            others = [record for person in driver.people[number:] for record in person.records([what])]
            driver.feed(*who.records([what, "PING x"]), *others)
        case "begin":
            driver.feed(who.piece(what[:9]))
        case "too long":
            driver.feed(*who.too_long(b"x" * 9000, b"x", is_over=what))
        case "answer":
            asked = [question[3] for question in driver.asked if question[1] == who.id]
            row = (1, driver.wall, "#a", "ana!~ana@127.0.0.1", "PRIVMSG", "hola", UTC_OFFSET)
            driver.feed(("answer", who.id, ([row] if what else None) if asked[-1:] == ["history"] else what))
        case "gone":
            who.gone()
        case "again" | "silent":
            driver.feed((happening, who.id))
        case "drained" if what:
            driver.drained(who)
        case "drained":
            driver.feed(("drained", who.id, 1))
        case "skip":
            driver.feed(("skip", 1, who.id))
        case "full":
            driver.feed(("full", tuple(person.id for person in driver.people[number:])))
        case "connect":
            driver.connect(plain=what, worker=number)
        case "enter":
            driver.irc(what, worker=number)
        case "time":
            driver.pass_time(what)
        case "start":
            driver.everybody_reads = True
            again(driver, what)
            populate(driver)


def follows(core: Core, blocks: Iterable[Iterable[Record]]) -> list[Any]:
    """All that comes out of a core, by block."""
    return [core.apply(block) for block in blocks]


@given(story=stories, cut=st.floats(0, 1))
def test_a_snapshot_and_the_records_after_it_are_as_good_as_all_of_them(story: Any, cut: float) -> None:
    blocks = told_as_records(story)
    at = int(cut * len(blocks))
    whole, first = Core(), Core()
    expected = follows(whole, blocks)
    head = follows(first, blocks[:at])
    second = Core.load(first.dump())
    assert head + follows(second, blocks[at:]) == expected
    for core in (second, whole):
        core.apply([("clock", 0, 10**9)])
    assert values(second) == values(whole)


def values(core: Core) -> Any:
    return encoding.from_bytes([STATE_VERSION], core.dump())


@given(story=stories)
def test_what_is_forwarded_twice_changes_nothing(story: Any) -> None:
    blocks = told_as_records(story)
    twice = [
        [
            record
            for once in block
            for record in [once] * (2 if once[0] in ("open", "line", "part", "overlong", "rest") else 1)
        ]
        for block in blocks
    ]

    assert follows(Core(), twice) == follows(Core(), blocks)


def digest(blocks: Blocks) -> str:
    """Of all that follows, with a snapshot in the middle."""
    half = len(blocks) // 2
    core = Core()
    out = follows(core, blocks[:half])
    out += follows(Core.load(core.dump()), blocks[half:])
    return hashlib.sha256(repr(out).encode()).hexdigest()


def test_no_process_is_different() -> None:
    """Each hashes text in its own way, and with it orders sets of text: nothing may follow from that."""
    journals: list[Blocks] = []

    @settings(max_examples=30)
    @given(stories)
    def collect(story: Any) -> None:
        journals.append(told_as_records(story))

    collect()
    expected = [digest(journal) for journal in journals]
    program = """
import pickle, signal, sys
signal.alarm(50)
from tests.core.test_replay import digest
print(*map(digest, pickle.load(sys.stdin.buffer)))
"""
    for seed in ("1", "2"):
        child = subprocess.run(
            [sys.executable, "-c", program],
            cwd=Path(__file__).parent.parent.parent,
            env={**os.environ, "PYTHONHASHSEED": seed},
            input=pickle.dumps(journals),
            stdout=subprocess.PIPE,
            check=True,
        )
        assert child.stdout.decode().split() == expected


def test_a_room_whose_name_could_not_be_given_today_is_still_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """An earlier program may have allowed it: it comes back with its members, and is nobody's any more in a day."""
    driver = Driver()
    ana, beto = driver.irc("ana"), driver.irc("beto")
    with monkeypatch.context() as earlier:
        earlier.setattr("mpchat.chat.hub.valid_channel", lambda name, limit: True)
        for one in (ana, beto):
            one.send("JOIN #lobby\ufe0f")
    ana.heard()

    driver.replace_broker()
    beto.send("PRIVMSG #lobby\ufe0f :hola", "PART #lobby\ufe0f")
    assert [line.split()[1] for line in ana.heard()] == ["PRIVMSG", "PART"]
    driver.start()
    driver.replace_broker()
    assert driver.irc("ana").send("JOIN #lobby\ufe0f")[-1].split()[1] == "476"
