"""mpchat explain: what is told of a conversation that was led with a core alone; and that nothing private is in it."""

from __future__ import annotations

import json
import lzma
import os
import pickle
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpchat import texts
from mpchat.core.machine import Core
from mpchat.ipc.frames import load
from mpchat.messages import AccountAnswer, ConnectionId, Record
from mpchat.monitor import explaining, standing
from mpchat.monitor.explain import Options, explain
from mpchat.monitor.explaining import Explainer
from mpchat.monitor.happening import Happening
from mpchat.monitor.hearing import NOBODY, Hearing, Word
from mpchat.settings import ChatSettings, pack
from mpchat.store import snapshot
from mpchat.store.journal import Journal, journal_end, segment
from mpchat.store.kept_journal import Reading, Removed
from mpchat.texts import en
from tests.core.driver import Driver, Person
from tests.monitor.told import BLOCK_BYTES, Told

DATA = Path(__file__).parent.parent / "data"
STATES = (("no broker", "no_broker"), ("no credit", "no_credit"), ("flood", "flood"), ("closing", "closing"))
TAGS = "echo-message message-tags"


@pytest.fixture
def driver() -> Driver:
    return Driver(ChatSettings(opers_exist=True))


def in_room(driver: Driver, *nicks: str, room: str = "#a") -> list[Person]:
    people = [driver.irc(nick) for nick in nicks]
    for person in people:
        person.send(f"JOIN {room}")
    return people


# What happens, in words


def test_a_line_and_who_hears_it(driver: Driver) -> None:
    ana, _, _ = in_room(driver, "ana", "beto", "carla")
    ana.send("PRIVMSG #a :hola a todos")
    assert Told(driver.journal).of("hola").splitlines() == [
        "ana (connection 1) sends: PRIVMSG #a :hola a todos",
        "    worker0 sends to carla: :ana!~ana@127.0.0.1 PRIVMSG #a :hola a todos",
        f"    worker0 takes ana's input from the kernel, up to byte {ana.sent}",
        "    worker1 sends to beto: :ana!~ana@127.0.0.1 PRIVMSG #a :hola a todos",
    ]


def test_the_place_and_the_time_as_the_chat_showed_it(driver: Driver) -> None:
    ana = driver.irc("ana")
    driver.pass_time(5)
    driver.feed(*ana.records(["PING a", "PING b"]))
    told = Told(driver.journal)
    first, second = (told.explainer.in_words(each).partition("\n")[0] for each in told.happenings[-2:])
    place = (len(driver.journal) - 1) * BLOCK_BYTES
    assert first == f"{place + 1}  2023-11-14 23:13:25.123  ana (connection 1) sends: PING a"
    assert second == f"{place + 2}  2023-11-14 23:13:25.123  ana (connection 1) sends: PING b"


def test_who_comes_and_what_they_were_called_then(driver: Driver) -> None:
    ana, _ = in_room(driver, "ana", "beto")
    ana.send("PRIVMSG #a :one", "NICK zoe", "PRIVMSG #a :two")
    told = Told(driver.journal)
    assert told.of("connection 1 comes in, irc, from 127.0.0.1; its socket is worker0's")
    assert told.of(":one").startswith("ana (connection 1) sends")
    renamed = told.of("NICK zoe").splitlines()
    assert renamed[0] == "ana (connection 1) sends: NICK zoe"
    assert renamed[1] == "    worker0 sends to zoe: :ana!~ana@127.0.0.1 NICK zoe"
    assert renamed[-1] == "    worker1 sends to beto: :ana!~ana@127.0.0.1 NICK zoe"
    assert told.of(":two").startswith("zoe (connection 1) sends")


def test_a_kick_a_ban_a_part_and_a_quit(driver: Driver) -> None:
    ana, beto, carla = in_room(driver, "ana", "beto", "carla")
    ana.send("KICK #a beto :enough", "MODE #a +b beto")
    beto.send("JOIN #a")
    carla.send("PART #a :bye")
    carla.send("QUIT :so long")
    told = Told(driver.journal)
    kick = told.of("KICK #a beto")
    assert "worker1 sends to beto: :ana!~ana@127.0.0.1 KICK #a beto :enough" in kick
    assert "worker1 takes beto out of its group for #a" in kick
    assert "the log: kicked channel='#a' by='ana'" in kick
    assert "worker1 sends to beto: :mpchat.local 474 beto #a :Cannot join channel (+b)" in told.stories[-3]
    assert "worker0 sends to ana, carla: :carla!~carla@127.0.0.1 PART #a :bye" in told.of("PART #a")
    assert "worker0 closes carla, when all has been sent" in told.of("QUIT :so long")


def test_time_passes_and_nobody_answers(driver: Driver) -> None:
    ana, beto = in_room(driver, "ana", "beto")
    driver.pass_time(200)
    beto.send("PONG x")
    driver.pass_time(100)
    driver.feed(("silent", ana.id))
    told = Told(driver.journal)
    clocks = [story for story in told.stories if story.startswith("time has passed, and something was due")]
    assert any("worker0 sends to ana: :mpchat.local PING" in story or "sends to ana: PING" in story for story in clocks)
    assert any("worker0 looks whether anything of ana is unread" in story for story in clocks)
    assert all("\n" in story for story in clocks), "a clock record from which nothing followed is not told"
    end = told.of("ana (connection 1) has answered nothing, not even a PING: it is gone, or does not read")
    assert "worker1 sends to beto: :ana!~ana@127.0.0.1 QUIT :Ping timeout: " in end


def test_lines_that_are_too_long_or_come_in_pieces(driver: Driver) -> None:
    (ana,) = in_room(driver, "ana")
    driver.feed(*ana.too_long(b"x" * 9000, is_over=False))
    driver.feed(("rest", ana.id, ana.sent + 5, True))
    ana.stream += b"more\n"
    driver.feed(ana.piece("TOPIC #a :ho"))
    ana.send("la")
    ana.send("")
    told = Told(driver.journal)
    assert "417 ana :Input line was too long" in told.of(
        "ana (connection 1) sends a line that is longer than any may be"
    )
    assert told.of("ana (connection 1) sends more of that line")
    assert told.of("ana (connection 1) sends a piece of a line")
    assert told.of("ana (connection 1) sends: TOPIC #a :hola")
    assert told.of("ana (connection 1) sends a line with nothing in it")


def test_what_waits_for_an_answer(driver: Driver) -> None:
    in_room(driver, "beto")
    ana = driver.irc("ana")
    ana.send("OPER root *", "JOIN #a", "PRIVMSG #a :hola")
    driver.answer(True)
    ana.send("OPER root *")
    driver.answer(False)
    told = Told(driver.journal)
    waits = "    it waits for an answer: to a question"
    for words in ("JOIN #a", "PRIVMSG #a :hola"):
        assert told.of(f"ana (connection 2) sends: {words}").splitlines()[1:] == [
            en.TEXTS["explain.waits"].join(("    ", ""))
        ]
    right = told.of("an answer for ana (connection 2): the password is right")
    assert "worker0 sends to beto: :ana!~ana@127.0.0.1 PRIVMSG #a :hola" in right
    assert "the log: operator name='root'" in right
    assert waits not in right
    assert "the log: wrong password" in told.of("an answer for ana (connection 2): the password is wrong")


def test_questions_about_the_past_and_a_broker_that_dies_before_the_answer() -> None:
    driver = Driver()
    ana = driver.irc("ana", caps="draft/chathistory batch")
    ana.send("JOIN #a", "PRIVMSG #a :one", "CHATHISTORY LATEST #a * 10")
    driver.feed(("again", ana.id))
    driver.feed(*ana.forward_again(*driver.core.inputs(ana.worker)[0][1:]))
    driver.answer([(1, driver.wall, "#a", "ana!~ana@127.0.0.1", "PRIVMSG", "one", 60)])
    ana.send("CHATHISTORY LATEST #a * 10")
    driver.answer(None)
    told = Told(driver.journal)
    assert told.of("the broker died before an answer came: what ana (connection 1) asked comes again")
    assert "PRIVMSG #a :one" in told.of("an answer for ana (connection 1): 1 messages of the past")
    assert told.of("an answer for ana (connection 1): the past cannot be told")


def test_a_long_answer_waits_for_its_client() -> None:
    driver = Driver(ChatSettings(motd=tuple(f"line {number} {'x' * 300}" for number in range(400))))
    driver.everybody_reads = False
    ana = driver.irc("ana")
    while driver.drained(ana):
        pass
    told = Told(driver.journal)
    assert "    worker0 is to say when ana has taken all" in told.text
    assert " more lines" in told.text
    assert [each for each in told.stories if each.startswith("ana (connection 1) has taken all that it was sent")]


def test_the_server_is_restarted_and_numbers_are_used_again(driver: Driver) -> None:
    ana = driver.irc("ana")
    ana.send("JOIN #a")
    driver.feed(("stop", "back soon"))
    ana.send("PRIVMSG #a :too late")
    driver.start(3)
    zoe = driver.connect()
    zoe.send("PING x")
    zoe.send("NICK zoe", "USER zoe 0 * :Zoe")
    told = Told(driver.journal)
    stop = told.of("the server stops: back soon")
    assert "worker0 closes ana, when all has been sent" in stop
    assert "worker1 ends, when its last client has gone" in stop
    assert told.of("ana (connection 1) sends something too late: it has been closed")
    assert told.of("the server starts, with --workers 3; the connections of before are gone")
    assert told.stories[-4].splitlines()[:2] == [
        "connection 1 comes in, irc, from 127.0.0.1; its socket is worker0's",
        "    worker0 has connection 1 among its clients",
    ], "not by the name that another one had under this number"
    assert told.stories[-3].startswith("connection 1 sends: PING x")
    assert told.stories[-2].startswith("zoe (connection 1) sends: NICK zoe")
    assert told.replay.nicknames() == ["ana", "zoe"]


def test_a_record_that_was_left_out_is_not_replayed(driver: Driver) -> None:
    """The note that says so comes behind it."""
    ana, beto = in_room(driver, "ana", "beto")
    place = len(driver.journal) * BLOCK_BYTES + 2
    driver.journal.append((*ana.records(["PRIVMSG #a :one"]), *beto.records(["PRIVMSG #a :deadly"])))
    driver.journal.append((("skip", place, beto.id),))
    told = Told(driver.journal)
    assert told.of("PRIVMSG #a :one")
    assert "deadly" not in told.text
    note = told.of(f"what beto (connection 2) sent at {place} is left out: each broker that dealt with it died")
    assert "worker0 sends to ana: :beto!~beto@127.0.0.1 QUIT :Server error" in note
    assert "worker1 closes beto, when all has been sent" in note


def test_a_full_disk_a_client_that_does_not_read_and_new_settings(driver: Driver) -> None:
    people = in_room(driver, *(f"nick{number}" for number in range(10)))
    driver.feed(("full", tuple(person.id for person in people)))
    people[0].gone("SendQ exceeded")
    people[1].gone()
    driver.feed(("reload", driver.journal[0][0][1]))
    told = Told(driver.journal)
    full = told.of("nothing is accepted. Told so, because what they send waits: nick0, nick1")
    assert full.partition("\n")[0].endswith("nick7 and 2 more")
    gone = told.of("nick0 (connection 1) has gone: SendQ exceeded (it did not read")
    assert "    worker1 sends to nick1, nick3, nick5, nick7, nick9: :nick0!" in gone
    assert told.of("nick1 (connection 2) has gone: Connection closed").partition("\n")[0].endswith("closed")
    assert "the log: reloaded motd_lines=0" in told.of("the files of the settings were read again")


def test_what_a_terminal_would_obey_is_not_shown(driver: Driver) -> None:
    (ana,) = in_room(driver, "ana")
    ana.send("PRIVMSG #a :a\x1b[31mb\x9bc\u202ed")
    assert set(Told(driver.journal).text.replace("\n", "")).isdisjoint("\x1b\x9b\u202e")


# Whom it concerns


def test_of_one_nickname(driver: Driver) -> None:
    ana, beto, carla = in_room(driver, "ana", "beto", "carla")
    dani = driver.irc("dani")
    dani.send("JOIN #b", "PRIVMSG #b :not hers")
    beto.send("PRIVMSG #a :to all")
    ana.send("NICK zoe")
    carla.send("PRIVMSG #a :to zoe")
    beto.send("NICK ana")
    told = Told(driver.journal, nick="ANA")
    lines = [each.line or each.record[0] for each in told.happenings]
    assert lines == [
        "start",
        *("NICK ana", "USER ana 0 * :Ana Realname", "CAP END", "JOIN #a", "JOIN #a", "JOIN #a"),
        *("PRIVMSG #a :to all", "NICK zoe", "NICK ana"),
    ], "whoever has it, while they have it"


def test_of_one_nickname_what_it_is_refused(driver: Driver) -> None:
    driver.irc("ana")
    other = driver.connect()
    other.send("NICK ana")
    assert [each.line for each in Told(driver.journal, nick="ana").happenings][-1] == "NICK ana"
    assert " 433 * ana :" in Told(driver.journal, nick="ana").stories[-1]


def test_of_one_room(driver: Driver) -> None:
    ana, beto = in_room(driver, "ana", "beto")
    pepe = driver.plain("pepe")
    pepe.send("/join #a")
    ana.send("MODE #a +m", "PING x", "PRIVMSG #b :elsewhere")
    pepe.send("may I?")
    beto.send("TOPIC #A")
    beto.send("QUIT :bye")
    driver.irc("carla").send("JOIN #b")
    told = Told(driver.journal, room="#A")
    assert [each.line or each.record[0] for each in told.happenings] == [
        "start",
        *("JOIN #a", "JOIN #a", "/join #a", "MODE #a +m", "may I?", "TOPIC #A", "QUIT :bye"),
    ]
    assert "worker0 sends to pepe: !" in told.of("pepe (connection 3) sends: may I?")


def test_from_a_position_on(driver: Driver) -> None:
    (ana,) = in_room(driver, "ana")
    since = len(driver.journal) * BLOCK_BYTES
    ana.send("NICK zoe")
    told = Told(driver.journal, since=since)
    (only,) = told.stories
    assert only.startswith("ana (connection 1) sends: NICK zoe"), "what was before is replayed, and not told"
    assert told.happenings[0].place == since + 1


# Whether somebody was told


def test_who_was_told_and_who_was_not(driver: Driver) -> None:
    ana, beto = in_room(driver, "ana", "beto")
    ana.send("PRIVMSG #a :one", "MODE #a +m")
    beto.send("PRIVMSG #a :two")
    ana.send("KICK #a beto :enough", "PRIVMSG #a :three")
    beto.send("PRIVMSG #a :four")
    of_beto = Told(driver.journal, nick="beto", room="#a")
    assert of_beto.verdicts() == [
        ("JOIN #a", "outside"),
        ("JOIN #a", "said"),
        ("PRIVMSG #a :one", "hears"),
        ("MODE #a +m", "hears"),
        ("PRIVMSG #a :two", "refused"),
        ("KICK #a beto :enough", "hears"),
        ("PRIVMSG #a :three", "outside"),
        ("PRIVMSG #a :four", "refused"),
    ]
    assert "=> sent to beto too" in of_beto.of("PRIVMSG #a :one")
    assert "=> sent to nobody: it was refused" in of_beto.of("PRIVMSG #a :two")
    assert "=> not sent to beto, who was not in #a" in of_beto.of("PRIVMSG #a :three")
    assert "   since " in of_beto.of("PRIVMSG #a :three")
    assert ": ana: KICK #a beto :enough" in of_beto.of("PRIVMSG #a :three")
    assert dict(Told(driver.journal, nick="ana", room="#a").verdicts())["PRIVMSG #a :one"] == "said"


def test_what_they_have_tried_from_outside(driver: Driver) -> None:
    ana, beto = in_room(driver, "ana", "beto")
    ana.send("MODE #a +i", "KICK #a beto")
    beto.send("JOIN #a")
    ana.send("PRIVMSG #a :hola")
    story = Told(driver.journal, nick="beto", room="#a").of(":hola")
    assert "   beto's last line about #a, " in story
    assert story.endswith(": JOIN #a; the answer: :mpchat.local 473 beto #a :Cannot join channel (+i)")


def test_who_left_by_themselves(driver: Driver) -> None:
    ana, beto, carla = in_room(driver, "ana", "beto", "carla")
    beto.send("PART #a :bye")
    ana.send("PRIVMSG #a :one")
    carla.send("QUIT :so long")
    ana.send("PRIVMSG #a :two")
    of_beto, of_carla = (Told(driver.journal, nick=nick, room="#a") for nick in ("beto", "carla"))
    assert dict(of_beto.verdicts())["PART #a :bye"] == "said"
    assert ": beto: PART #a :bye" in of_beto.of(":one")
    assert dict(of_carla.verdicts())["QUIT :so long"] == "said"
    assert dict(of_carla.verdicts())["PRIVMSG #a :two"] == "away"
    assert ": carla: QUIT :so long" in of_carla.of(":two")


def test_who_has_gone_or_has_another_name(driver: Driver) -> None:
    ana, beto, carla = in_room(driver, "ana", "beto", "carla")
    beto.gone("Connection reset")
    carla.send("NICK zoe")
    ana.send("PRIVMSG #a :hola")
    beto_told, carla_told = (Told(driver.journal, nick=nick, room="#a").of(":hola") for nick in ("beto", "carla"))
    assert "=> not sent to beto: nobody here had that nickname" in beto_told
    assert ": beto: Connection reset" in beto_told
    assert ": zoe: NICK zoe" in carla_told
    assert Told(driver.journal, nick="zoe", room="#a").verdicts()[-1] == ("PRIVMSG #a :hola", "hears")


@pytest.mark.parametrize("stops", [True, False])
def test_who_was_there_before_a_restart(driver: Driver, stops: bool) -> None:
    in_room(driver, "ana", "beto")
    if stops:
        driver.feed(("stop", "back soon"))
    driver.start()
    (ana,) = in_room(driver, "ana")
    ana.send("PRIVMSG #a :hola")
    told = Told(driver.journal, nick="beto", room="#a")
    assert told.verdicts()[-1] == ("PRIVMSG #a :hola", "away")
    assert told.of(":hola").endswith(
        ": the server: " + {"stop": "stopped", "start": "started again"}["stop" if stops else "start"]
    )


def test_whose_client_does_not_ask_for_such_lines(driver: Driver) -> None:
    ana, beto = driver.irc("ana", caps="message-tags"), driver.irc("beto")
    for person in (ana, beto):
        person.send("JOIN #a")
    ana.send("@+typing=active TAGMSG #a", "PRIVMSG #a :hola")
    assert dict(Told(driver.journal, nick="beto", room="#a").verdicts())["PRIVMSG #a :hola"] == "hears"
    driver.irc("carla", caps="message-tags").send("JOIN #a")
    ana.send("@+typing=done TAGMSG #a")
    assert Told(driver.journal, nick="beto", room="#a").verdicts()[-1] == ("@+typing=done TAGMSG #a", "misses")


def test_a_line_that_waits_is_not_refused(driver: Driver) -> None:
    in_room(driver, "beto")
    ana = driver.irc("ana")
    ana.send("JOIN #a", "OPER root *", "PRIVMSG #a :hola")
    told = Told(driver.journal, nick="beto", room="#a")
    assert [verdict for line, verdict in told.verdicts() if "hola" in line] == []
    driver.answer(True)
    assert Told(driver.journal, nick="beto", room="#a").verdicts()[-1] == ("answer", "hears")


def test_what_is_forwarded_again_is_not_told_again(driver: Driver) -> None:
    ana, _ = in_room(driver, "ana", "beto")
    ana.send("PRIVMSG #a :hola")
    driver.feed(driver.journal[-1][0])
    assert Told(driver.journal).text.count("sends: PRIVMSG #a :hola") == 1


# What is private

SECRET = "xyzzy-42"


def test_what_is_said_to_one_person_is_not_shown(driver: Driver) -> None:
    ana, beto = driver.irc("ana", caps=TAGS), driver.irc("beto", caps=TAGS)
    pepe = driver.plain("pepe")
    ana.send(
        f"PRIVMSG beto :{SECRET}",
        f"privmsg pepe,beto :{SECRET}",
        f"NOTICE pepe {SECRET}",
        f"PRIVMSG nobody :{SECRET}",
        f"PRIVMSG :beto {SECRET}",
        f"@+note={SECRET} TAGMSG beto",
        f"@+note={SECRET} PRIVMSG ana :{SECRET}",
    )
    pepe.send(f"/msg beto {SECRET}", f"/MSG  ana  {SECRET}", f"/msg nobody {SECRET}", f"/msg pepe {SECRET}")
    assert SECRET in beto.heard()[-1], "it was said"
    told = Told(driver.journal)
    assert SECRET not in told.all
    notice = told.of("ana (connection 1) sends: NOTICE pepe *")
    assert "    worker0 sends to pepe: something private, " in notice
    assert SECRET in Told(driver.journal, private=True).all


def test_even_if_it_has_waited_behind_a_question(driver: Driver) -> None:
    ana, beto = driver.irc("ana", caps=TAGS), driver.irc("beto", caps=TAGS)
    numbered = f"@+draft/mpchat-line=run1/1 PRIVMSG beto :{SECRET}"
    ana.send("OPER root *", f"PRIVMSG beto :{SECRET}", f"@+note={SECRET} TAGMSG beto", numbered)
    ana.send(f"PRIVMSG beto,ana :{SECRET}")
    driver.answer(False)
    ana.send("OPER root *")
    driver.feed(ana.piece(f"PRIVMSG beto :{SECRET}"))
    ana.send(SECRET)
    driver.answer(False)
    assert str(beto.heard()).count(SECRET) >= 5, "it was said"
    assert SECRET not in Told(driver.journal).all
    assert SECRET not in Told(driver.journal, nick="beto").all


def test_nor_in_what_somebody_tried_from_outside(driver: Driver) -> None:
    ana, _ = in_room(driver, "ana", "beto")
    carla = driver.irc("carla", caps="echo-message")
    ana.send("MODE #a +n")
    carla.send(f"PRIVMSG beto,#a :{SECRET}")
    ana.send("PRIVMSG #a :hola")
    told = Told(driver.journal, nick="carla", room="#a")
    assert "carla's last line about #a" in told.of(":hola")
    assert SECRET not in told.all


KEY = "sesame-77"


def test_a_rooms_key_is_never_shown(driver: Driver) -> None:
    ana, root = driver.irc("ana"), driver.irc("root")
    root.send("OPER root *")
    driver.answer(True)
    heard = ana.send(
        "JOIN #a", f"MODE #a +k {KEY}", "MODE #a", f"MODE #a +k-k+k other{KEY} x {KEY}", f"MODE #a -k {KEY}"
    )
    heard += ana.send(f"mode #a +ok ana :{KEY} and more", "MODE #a", f"MODE #a :+k {KEY}")
    beto, pepe = driver.irc("beto"), driver.plain("pepe")
    beto.send(f"JOIN #a {KEY}", f"JOIN #b,#a x,{KEY}", f"JOIN :#a {KEY}")
    heard += pepe.send(
        f"/join #a {KEY} and more", f"/join a wrong{KEY}", "/mode", f"/mode +k {KEY}", f"/mode #a +k {KEY}"
    )
    ana.send("MODE #a +o pepe")
    heard += pepe.send(f"/mode +k {KEY}", "/mode", f"/mo\x00de +k {KEY}2")
    heard += root.send(f"MODE #a +k {KEY}", "MODE #a")
    ana.send("OPER root *", "MODE #a", f"MODE #a +k new{KEY}", "MODE #a -k x", f"MODE #a +k {KEY}")
    driver.answer(False)
    heard += ana.heard()
    assert str(heard).count(KEY) > 5, "it was set, and told to the room"
    for told in (Told(driver.journal), Told(driver.journal, private=True), Told(driver.journal, "root", "#a")):
        assert KEY not in told.all
    assert ":ana!~ana@127.0.0.1 MODE #a +k *" in Told(driver.journal).text


PRIVATE = st.sampled_from(
    [
        *("PRIVMSG {to} :{secret}", "NOTICE {to} :{secret} x", "privmsg {to},beto {secret}", "PRIVMSG {to} {secret}"),
        *(
            "@+a={secret} TAGMSG {to}",
            "@+a={secret} NOTICE {to} :x",
            "PRIVMSG beto,#a :{secret}",
            "PRIVMSG :{to} {secret}",
        ),
        *("@+a=b;+draft/x=1 PRIVMSG {to} :\x01ACTION {secret}\x01", "/msg {to} {secret}", "/msg  ana  {secret}"),
    ]
)
KEYED = st.sampled_from(
    [
        *("MODE #a +k {key}", "MODE #a +k-k+k {key} x old", "MODE #a +kl {key} 9", "MODE #a", "MODE #a -k {key}"),
        *("JOIN #a {key}", "JOIN :#a {key}", "/join #a {key}", "/mode +k {key}", "/mode", "/mode -k {key}"),
    ]
)
OTHER = st.sampled_from(
    [
        *("AWAY :gone", "PART #a", "JOIN #a", "PRIVMSG #a :public", "hello", "NICK zoe", "NICK ana", "/join #a"),
        *("CAP REQ :echo-message message-tags server-time", "KICK #a beto", "/kick ana", "MODE #a +o pepe"),
    ]
)
conversations = st.lists(
    st.tuples(
        st.sampled_from(["ana", "beto", "pepe"]),
        st.one_of(PRIVATE, KEYED, OTHER, st.sampled_from(["OPER root *", "answer"])),
        st.sampled_from(["ana", "beto", "pepe", "zoe", "nobody"]),
        st.booleans(),
    ),
    max_size=30,
)


@settings(max_examples=3 * settings().max_examples)
@given(steps=conversations, nick=st.sampled_from(["", "ana", "beto"]), room=st.sampled_from(["", "#a"]))
def test_whatever_is_said_nothing_private_and_no_key_is_shown(
    steps: list[tuple[str, str, str, bool]], nick: str, room: str
) -> None:
    driver = Driver(ChatSettings(opers_exist=True))
    speakers = {"ana": driver.irc("ana", caps=TAGS), "beto": driver.irc("beto"), "pepe": driver.plain("pepe")}
    speakers["ana"].send("JOIN #a")
    for who, line, to, is_in_pieces in steps:
        speaker = speakers[who]
        if line == "answer":
            for id in driver.core.questions():
                driver.feed(("answer", id, to == "ana"))
        elif (line[0] in "/h") == speaker.plain:
            data = line.format(to=to, secret=SECRET, key=KEY).encode()
            half = data.find(b"=") if b"=" in data else data.find(b" ")
            half = half + 6 if is_in_pieces and 0 < half + 6 < len(data) else 0
            driver.feed(*([speaker.piece(data[:half])] if half else []), *speaker.records([data[half:]]))
    told = Told(driver.journal, nick, room)
    assert SECRET not in told.all
    assert KEY not in told.all
    assert told.replay.core.dump() == driver.core.dump(), "and it is the same core"


# Everything is told, in each language, and for programs


def everything() -> Driver:
    """A conversation with each kind of record, item and verdict."""
    driver = Driver(ChatSettings(opers_exist=True, password_needed=True))
    driver.everybody_reads = False
    ana = driver.connect()
    ana.send("PASS *", "NICK ana", "USER ana 0 * :Ana")
    driver.feed(("again", ana.id))
    driver.feed(*ana.forward_again(*driver.core.inputs(0)[0][1:]))
    driver.answer(True)
    ana.send("CAP REQ :message-tags draft/chathistory batch", "JOIN #a", "", f"PRIVMSG ana :{SECRET}")
    driver.chat = ChatSettings(opers_exist=True)
    driver.feed(("reload", pack(driver.chat)))
    some = in_room(driver, *(f"nick{number}" for number in range(12)))
    ana.send("MODE #a +m", "@+x=y TAGMSG #a", "KICK #a nick1", "KICK #a nick2")
    some[0].send("PRIVMSG #a :no")
    some[1].send("JOIN #a", "PART #a", "PRIVMSG #a :hola")
    ana.send("CHATHISTORY LATEST #a * 5")
    driver.answer([])
    ana.send("CHATHISTORY LATEST #a * 5")
    driver.answer(None)
    driver.feed(some[3].piece("PING"))
    some[3].send(" x")
    driver.feed(*some[3].too_long(b"x" * 9000, b"y" * 9000))
    driver.feed(("full", tuple(person.id for person in some)), ("skip", 1, some[4].id))
    some[9].send("OPER root *")
    driver.answer(False)
    driver.pass_time(2)
    some[10].send("OPER root *")
    driver.answer(True)
    some[10].send("REHASH")
    driver.answer((True, "read again"))
    driver.feed(("accounts", ["otto"], ["PLAIN"]))
    for word in get_args(get_args(AccountAnswer)[0]):
        driver.feed(("answer", ana.id, (word, "otto")))
    some[10].send("DLINE 192.0.2.7 :x")
    driver.connect(host="192.0.2.7")
    driver.connect(secure=True)
    some[5].gone("SendQ exceeded")
    some[6].send("QUIT")
    some[6].send("PING late")
    some[7].send(*["LIST"] * 3, *[f"MOTD x{number}" for number in range(3)])
    driver.pass_time(130)
    driver.pass_time(130)
    driver.feed(("silent", some[8].id))
    for person in (ana, some[0]):
        person.send(*(["WHO #a", "HELP", "NAMES #a", "VERSION"] * 200))
        driver.drained(person)
    ana.send("PRIVMSG #b :alone", "JOIN #b", "PRIVMSG #b :alone")
    for _ in range(2):
        driver.feed(("stop", "the end"))
    driver.start()
    in_room(driver, "ana")
    return driver


def test_both_languages_say_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    driver, reached, told = everything(), set(), {}

    def noted(key: str, /, **values: object) -> str:
        reached.add(key)
        return texts.t(key, **values)

    monkeypatch.setattr(explaining, "t", noted)
    for language in texts.LANGUAGES:
        texts.use(language)
        told[language] = "".join(
            Told(driver.journal, nick, room).text for nick, room in (("", ""), *((f"nick{n}", "#a") for n in range(4)))
        )
    assert len(set(told.values())) == len(texts.LANGUAGES)
    elsewhere = tuple(f"explain.{each}" for each in (*BESIDE, "live.", "no_journal", "no_server", "not_kept"))
    wanted = {key for key in en.TEXTS if key.startswith("explain.") and not key.startswith(elsewhere)}
    assert {key for key in reached if not key.startswith(elsewhere)} == wanted


def test_programs_read_the_same_whatever_the_language() -> None:
    driver = everything()
    english = Told(driver.journal, "nick1", "#a").objects
    texts.use("es")
    assert Told(driver.journal, "nick1", "#a").objects == english
    for each in Told(driver.journal).objects:
        assert list(each) == [
            *("place", "at", "record", "connection", "nick", "dialect", "worker", "line", "is_private", "waits"),
            *("about", "items", "log"),
        ]


def test_an_object_for_programs(driver: Driver) -> None:
    ana, beto = in_room(driver, "ana", "beto")
    ana.send("PRIVMSG #a :hola")
    assert Told(driver.journal, "beto", "#a").objects[-1] == {
        "place": (len(driver.journal) - 1) * BLOCK_BYTES + 1,
        "at": "2023-11-14T22:13:20.123Z",
        "record": "line",
        "connection": 1,
        "nick": "ana",
        "dialect": "irc",
        "worker": 0,
        "line": "PRIVMSG #a :hola",
        "is_private": False,
        "waits": False,
        "about": {"end": ana.sent},
        "items": [
            {
                "item": "cast",
                "worker": 0,
                "connections": [],
                "nicks": [],
                "rooms": ["#a"],
                "bytes": 38,
                "lines": [":ana!~ana@127.0.0.1 PRIVMSG #a :hola"],
                "is_private": False,
            },
            {"item": "ack", "worker": 0, "connections": [1], "nicks": ["ana"], "end": ana.sent},
            {
                "item": "cast",
                "worker": 1,
                "connections": [beto.id],
                "nicks": ["beto"],
                "rooms": ["#a"],
                "bytes": 38,
                "lines": [":ana!~ana@127.0.0.1 PRIVMSG #a :hola"],
                "is_private": False,
            },
        ],
        "log": [],
        "hearing": {"nick": "beto", "room": "#a", "verdict": "hears", "since": None, "tried": None, "answer": ""},
    }


# It is the same core, and the items go where a worker would send them


def output() -> dict[tuple[int, int], bytearray]:
    return defaultdict(bytearray)


def delivered(happenings: list[Happening]) -> dict[tuple[int, int], bytes]:
    """By run and connection: what it is told to have been sent."""
    run, sent = 0, output()
    for each in happenings:
        run += each.record[0] == "start"
        for item in each.sent:
            if item.item[0] == "send" or item.item[0] == "cast":
                for id in item.receivers:
                    sent[run, id] += item.item[2]
    return {key: bytes(data) for key, data in sent.items()}


def followed(state: bytes | None, blocks: Iterable[Sequence[Record]]) -> tuple[Core, dict[tuple[int, int], bytes]]:
    """The same from a core that gets whole blocks, and workers that know nothing but its items."""
    core = Core() if state is None else Core.load(state)
    run, sent = 0, output()
    members: dict[int, list[int]] = defaultdict(list)
    for session in core.hub.sessions.values():
        connection = core.connection(session.id)
        for group in core.groups_of(connection) if connection is not None else ():
            members[group].append(session.id)
    for block in blocks:
        applied = core.apply(block)
        if applied.has_begun:
            run, members = run + 1, defaultdict(list)
        for item in (each for items in applied.items for each in items):
            match item:
                case ("send", id, data):
                    sent[run, id] += data
                case ("cast", groups, data, but):
                    for id in dict.fromkeys(member for group in groups for member in members[group]):
                        if id != but:
                            sent[run, id] += data
                case ("join", group, id):
                    members[group].append(id)
                case ("leave", group, id):
                    members[group].remove(id)
    return core, {key: bytes(data) for key, data in sent.items()}


def test_each_is_told_to_have_been_sent_what_it_was_sent() -> None:
    driver = everything()
    told = Told(driver.journal, private=True)
    core, sent = followed(None, driver.journal)
    assert delivered(told.happenings) == sent
    assert told.replay.core.dump() == core.dump() == driver.core.dump()


def test_what_earlier_programs_wrote_is_told_too(tmp_path: Path) -> None:
    path = segment(tmp_path / "journal", 0)
    path.parent.mkdir()
    path.write_bytes(lzma.decompress((DATA / "journal-4" / "journal.xz").read_bytes()))
    journals = []
    for data in (tmp_path, *sorted(each.parent for each in DATA.glob("state-[34]/*/journal"))):
        with closing(Reading(data)) as reading:
            state = None if reading.state is None else load(reading.state)[0]
            journals.append((state, [block for _, block in reading.blocks()]))
    assert len(journals) == 5
    for state, blocks in journals:
        told = Told(blocks, private=True, state=state)
        core, sent = followed(state, blocks)
        assert delivered(told.happenings) == sent
        assert told.replay.core.dump() == core.dump()
        for language in texts.LANGUAGES:
            texts.use(language)
            assert len(told.stories) == len(told.objects) > 0


@pytest.mark.parametrize("language", texts.LANGUAGES)
@pytest.mark.parametrize("record", ["silent", "clock", "start", "stop", "skip", "answer", "drained"])
def test_what_has_ended_a_session_is_said_in_words(driver: Driver, record: str, language: str) -> None:
    driver.irc("ana")
    told = Told(driver.journal, "beto", "#a")
    texts.use(language)
    hearing = Hearing("away", Word(77, 1_000, NOBODY, record, ""))
    cause = texts.LANGUAGES[language][f"explain.cause.{'other' if record == 'drained' else record}"]
    story = Explainer(lambda id, number: "", "beto", "#a").in_words(told.happenings[-1]._replace(hearing=hearing))
    assert story.endswith(f": {cause}")
    assert " 77, 1970-01-01 " in story


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (["MODE #a +b beto!*@*"], ["a ban keeps beto out of #a: beto!*@*, by ana, 2023-11-14 23:13:20"]),
        (["MODE #a +b beto!*@*", "MODE #a +b *!*@127.0.0.1"], ["beto!*@*", "*!*@127.0.0.1"]),
        (["MODE #a +i"], ["#a is for those who are invited (+i), and beto is not"]),
        (["MODE #a +k door"], ["#a has a key (+k)"]),
        (["MODE #a +l 1"], ["#a is full (+l)"]),
        ([], []),
    ],
)
def test_what_keeps_somebody_out_of_a_room_now(driver: Driver, changes: list[str], words: list[str]) -> None:
    ana, beto = in_room(driver, "ana", "beto")
    beto.send("PART #a")
    for change in changes:
        ana.send(change)
    told = list(standing.kept_out_in_words(driver.core, "beto", "#a"))
    assert len(told) == len(words)
    for line, part in zip(told, words, strict=True):
        assert part in line
    assert list(standing.kept_out_in_words(driver.core, "ana", "#a")) == []
    assert list(standing.kept_out_in_words(driver.core, "nobody", "#nowhere")) == []


# The command's own words

BESIDE = ("begins", "begins_at_0", "other_code", "hidden", "earlier", "much", "nothing", "no_such", "near", "cannot")
BESIDE += ("beyond", "cause", "other_journal", "removed", "no_state", "silent_server")


def explained(data: Path, **options: Any) -> tuple[bool, list[str], list[str]]:
    """Whether anything was there, what is shown, and what is told beside it."""
    shown: list[str] = []
    beside: list[str] = []
    defaults = {"last": None, "since": None, "nick": "", "room": "", "with_private": False, "as_json": False}
    found = explain(Options(data, control=None, **{**defaults, **options}), shown.append, beside.append)
    return found, shown, beside


def written(data: Path, blocks: Iterable[Sequence[Record]]) -> list[int]:
    """Journal them; where each begins."""
    journal, starts = Journal(data / "journal"), []
    for block in blocks:
        starts.append(journal.position)
        journal.append(block)
    journal.close()
    return starts


def test_what_is_said_beside_what_was_asked_for(driver: Driver, tmp_path: Path) -> None:
    ana, _ = in_room(driver, "ana", "beto")
    ana.send("PRIVMSG beto :a secret")
    starts = written(tmp_path, driver.journal)
    found, shown, beside = explained(tmp_path, last=2)
    assert found
    assert [story.split("  ")[2].partition("\n")[0] for story in shown] == [
        "beto (connection 2) sends: JOIN #a",
        "ana (connection 1) sends: PRIVMSG beto *",
    ]
    assert beside == [
        "the journal can be read from its beginning on",
        "private, and not shown: 1 (--private shows them)",
        f"{len(driver.journal) - 2 + 4} earlier ones match: --last N shows more",
    ]
    found, shown, beside = explained(tmp_path, nick="bteo")
    assert not [line for line in shown if "sends" in line]
    assert beside[-2:] == ["nobody has had the nickname bteo in this journal", "similar ones: beto"]
    assert shown[-1] == "now: no server of yours that uses this journal answers"
    found, shown, _ = explained(tmp_path, since=starts[-1])
    assert len(shown) == 1
    assert shown[0].startswith(f"{starts[-1] + 1}  ")
    found, shown, _ = explained(tmp_path, nick="ana", as_json=True, last=1)
    assert [next(iter(json.loads(line))) for line in shown] == ["place", "now"]
    assert json.loads(shown[-1]) == {"now": None, "nick": "ana", "connection": 1}


def test_nothing_that_matches(driver: Driver, tmp_path: Path) -> None:
    (start, *_) = written(tmp_path, driver.journal)
    end = journal_end(tmp_path / "journal")
    found, shown, beside = explained(tmp_path, since=end + 5)
    assert (found, shown) == (False, [])
    assert beside[-1] == f"the journal ends at {end}"
    found, shown, beside = explained(tmp_path, room="#nope")
    assert not found, "the start of the server concerns everybody, and matches nothing"
    assert len(shown) == 1
    assert beside[-2:] == [
        f"nothing in the journal from {start} to {end} matches",
        "there is no room #nope in this journal",
    ]


def test_what_is_kept_of_another_journal_is_not_read(driver: Driver, tmp_path: Path) -> None:
    driver.irc("ana")
    written(tmp_path, driver.journal)
    (tmp_path / "kept").mkdir()
    segment(tmp_path / "kept", 0).write_bytes(b"another one's")
    (tmp_path / "kept" / "born").write_text("17\n")
    found, _, beside = explained(tmp_path)
    assert found
    assert beside[1] == f"what is in {tmp_path / 'kept'} is of another journal, and is not read"


def test_what_is_removed_meanwhile_ends_it(driver: Driver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    driver.irc("ana")
    written(tmp_path, driver.journal)
    real = Reading.blocks

    def blocks(self: Reading) -> Iterator[tuple[int, list[Record]]]:
        yield from list(real(self))[:1]
        raise Removed(tmp_path / "kept" / "x.journal")

    monkeypatch.setattr(Reading, "blocks", blocks)
    _, _, beside = explained(tmp_path)
    assert beside[1].startswith(f"{tmp_path}/kept/x.journal was removed while it was read: it ends at ")


@pytest.mark.parametrize("state", [b"no pickle", pickle.dumps(5), pickle.dumps((5, 5)), pickle.dumps(([], []))])
def test_a_snapshot_that_no_server_writes(driver: Driver, tmp_path: Path, state: bytes) -> None:
    written(tmp_path, driver.journal)
    snapshot.prepare(tmp_path, journal_end(tmp_path / "journal"), state)
    snapshot.install(tmp_path)
    segment(tmp_path / "journal", 0).rename(segment(tmp_path / "journal", journal_end(tmp_path / "journal")))
    with pytest.raises(ValueError, match="the snapshot does not hold what a server writes"):
        explained(tmp_path)


@pytest.mark.parametrize("block", [5, [5], [()], [("skip", [], 1)], [("clock", 10**18, 5, 0), ("stop", "x")]])
def test_blocks_that_no_server_writes(driver: Driver, tmp_path: Path, block: Any) -> None:
    written(tmp_path, [*driver.journal, block])
    _, _, beside = explained(tmp_path)
    assert block[-1:] == [("stop", "x")] if len(beside) == 1 else "this program fails at" in beside[1]


@pytest.mark.parametrize("language", texts.LANGUAGES)
def test_an_answer_that_repeats_what_is_private_is_not_shown(driver: Driver, language: str) -> None:
    """In plain text a command ends at a space, and an ideographic one is a part of its name."""
    ana = driver.plain("ana")
    ana.send(f"/lang {language}", "/msg\u3000beto\u3000ssecret")
    told = Told(driver.journal)
    assert "ssecret" not in "".join(told.stories) + json.dumps(told.objects)
    assert "/msg" in told.stories[-1]


def test_a_server_that_says_what_none_says(driver: Driver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else may have put a socket there; and a folder's name may hold anything."""
    driver.irc("ana")
    written(tmp_path, driver.journal)
    for snapshot_, said in (
        ({"processes": 5}, "now: the server does not answer"),
        (
            {**rows(), "disk_error": "\x1b[31m\u202e", "data": "/a\x1b]0;x\x07"},
            "now: the broker cannot write the journal: [31m",
        ),
    ):
        monkeypatch.setattr(standing, "look", lambda *_, it=snapshot_: standing.Standing(it, SOCKET))
        shown: list[str] = []
        explain(Options(tmp_path, 1, None, "ana", "", False, False, tmp_path), shown.append, lambda _: None)
        now = [line for line in shown if line.startswith("now: ")]
        assert now[0].startswith(said)
        assert "".join(now).isprintable()


def test_a_run_that_other_code_began_and_what_this_code_cannot_replay(driver: Driver, tmp_path: Path) -> None:
    start = (*driver.journal[0][0], 0, "abc")
    driver.irc("ana")
    starts = written(tmp_path, [[start], *driver.journal[1:], [("answer", 1)], [("stop", "x")]])
    found, shown, beside = explained(tmp_path)
    assert found
    assert len([each for each in shown if "sends" in each]) > 0
    assert beside[1].startswith(f"at {starts[-2] + 1} this program fails at what the server's could deal with: ")
    assert beside[2].startswith("other code began this run (abc; this program's is ")


# How it stands now: what the server answers, in words

ROW = {"pid": 1, "state": "alive", "silent_ms": 0}
SOCKET = {"ok": True, "kept": 0, "unacknowledged": 0, "unread": 0, "forwarded": 0, "state": ""}


def rows(**changed: dict[str, Any]) -> dict[str, Any]:
    roles = ("broker", "worker0", "worker1")
    return {"processes": [{"role": role, **ROW, **changed.get(role, {})} for role in roles], "connections": []}


def standing_of(driver: Driver, snapshot: dict[str, Any], socket: dict[str, Any]) -> list[str]:
    return list(standing.in_words(standing.Standing(snapshot, socket), "ana", driver.core.connection(ConnectionId(1))))


@pytest.mark.parametrize(
    ("snapshot", "socket", "said"),
    [
        (rows(), SOCKET, ["taken"]),
        (rows(), {**SOCKET, "kept": 9, "unacknowledged": 3}, ["waits"]),
        (rows(), {**SOCKET, "unread": 9, "forwarded": 3}, ["taken", "input"]),
        *((rows(), {**SOCKET, "state": state}, ["taken", f"state.{key}"]) for state, key in STATES),
        (rows(), {**SOCKET, "state": "gone"}, ["gone"]),
        (rows(), {"ok": False, "said": "worker0 does not answer"}, ["unasked"]),
        (rows(), {}, ["unasked"]),
        (rows(worker0={"pid": None}), {}, ["vacant"]),
        (rows(broker={"pid": None}), SOCKET, ["vacant", "taken"]),
        (rows(worker0={"state": "silent", "pid": os.getpid()}), {}, ["silent", "stays"]),
        (rows(broker={"state": "silent", "pid": os.getpid()}), SOCKET, ["silent", "taken"]),
        ({**rows(), "disk_error": "File too large", "data": "/"}, SOCKET, ["disk_full", "taken"]),
        (
            {**rows(), "connections": [{"from": "broker", "to": "worker0", "messages": 2, "bytes": 5}]},
            SOCKET,
            ["under_way", "taken"],
        ),
    ],
)
@pytest.mark.parametrize("language", texts.LANGUAGES)
def test_how_it_stands_now(
    driver: Driver, snapshot: dict[str, Any], socket: dict[str, Any], said: list[str], language: str
) -> None:
    driver.irc("ana")
    texts.use(language)
    lines = standing_of(driver, snapshot, socket)
    patterns = [texts.LANGUAGES[language][f"explain.live.{key}"] for key in said]
    here = texts.LANGUAGES[language]["explain.live.here"]
    for pattern in (*patterns, here):
        begins = re.escape(pattern).replace(r"\{", "{").replace(r"\}", "}")
        assert [line for line in lines if re.fullmatch(re.sub(r"{\w+}", ".*", begins), line)], (pattern, lines)
    assert len(lines) == len(said) + 1


@pytest.mark.parametrize(("unread", "said"), [(0, "read"), (7, "unread_here"), (None, "taken")])
def test_what_lies_at_a_client_of_this_machine(driver: Driver, unread: int | None, said: str) -> None:
    driver.irc("ana")
    connection = driver.core.connection(ConnectionId(1))
    lines = list(standing.in_words(standing.Standing(rows(), SOCKET, unread), "ana", connection))
    host = {"nick": "ana", "unread": unread}
    assert lines[1:] == [texts.LANGUAGES["en"][f"explain.live.{said}"].format_map(host)]


def test_nobody_has_it_now(driver: Driver) -> None:
    assert standing_of(driver, rows(), {}) == ["now: nobody here has the nickname ana"]
