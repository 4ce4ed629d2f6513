"""Who comes and goes within three seconds is one line, and whoever is where they were is not told of.

But who has come is named, though they are gone again."""

import math
from dataclasses import replace

import pytest

from mpchat.client.model import Model
from mpchat.client.preferences import Preferences
from mpchat.client.presence import FOLD_SECONDS, NAMED, Presence
from mpchat.client.session import Session
from mpchat.client.view import View
from mpchat.protocol.message import parse


class Watcher:
    """Ana, who is in #lobby (her current room) with luis and eva, and in #dev with eva."""

    def __init__(self) -> None:
        self.view = View(Model("ana"))
        for room, names in (("#dev", "ana eva"), ("#lobby", "ana luis eva")):
            for line in (f":ana!a@h JOIN {room}", f":s 353 ana = {room} :{names}", f":s 366 ana {room} :End"):
                self.view.heard(parse(line))
        self.view.model.current = "#lobby"
        self.presence = Presence(self.view.model)

    def hears(self, *lines: str, at: float = 0.0) -> list[str]:
        shown = [each for line in lines for each in self.presence.take(self.view.heard(parse(line)), at)]
        return [line.plain("") for line in shown]

    def waits(self, until: float) -> list[str]:
        return [line.plain("") for line in self.presence.due(until)]


@pytest.fixture
def ana() -> Watcher:
    return Watcher()


def test_the_first_one_of_a_quiet_room_is_shown_at_once(ana: Watcher) -> None:
    assert ana.hears(":beto!b@h JOIN #lobby") == ["* beto joined #lobby"]
    assert ana.presence.deadline() == math.inf
    assert ana.waits(3.0) == []
    assert ana.hears(":beto!b@h PART #lobby :bye", at=3.0) == ["* beto left #lobby (bye)"]


def test_those_that_follow_are_one_line_when_three_seconds_are_over(ana: Watcher) -> None:
    ana.hears(":beto!b@h JOIN #lobby")
    assert ana.hears(":carla!c@h JOIN #lobby", ":dora!d@h JOIN #lobby", ":eva!e@h PART #lobby", at=1.0) == []
    assert ana.hears(":luis!l@h NICK lucho", ":fede!f@h JOIN #lobby", ":beto!b@h QUIT :bye", at=2.0) == []
    assert ana.presence.deadline() == FOLD_SECONDS
    assert ana.waits(FOLD_SECONDS) == ["* carla, dora, fede joined; eva left; beto quit; luis is now lucho"]
    assert ana.presence.deadline() == math.inf


def test_one_that_waited_alone_is_told_in_full(ana: Watcher) -> None:
    ana.hears(":beto!b@h JOIN #lobby")
    ana.hears(":eva!e@h PART #lobby :hasta luego", at=1.0)
    assert ana.waits(3.0) == ["* eva left #lobby (hasta luego)"]


def test_a_crowd_goes_on_to_be_folded_until_the_room_is_quiet(ana: Watcher) -> None:
    shown = [ana.hears(f":n{number}!n@h JOIN #lobby", at=number / 2) for number in range(20)]
    shown.append(ana.waits(30.0))
    told = [line for lines in shown for line in lines]
    assert told[0] == "* n0 joined #lobby"
    assert len(told) == 5
    assert told[1] == "* n1, n2, n3, n4, n5 joined"
    assert ana.waits(33.0) == []
    assert ana.hears(":beto!b@h JOIN #lobby", at=33.5) == ["* beto joined #lobby"]


def test_of_a_whole_class_some_are_named(ana: Watcher) -> None:
    ana.hears(*(f":n{number}!n@h JOIN #lobby" for number in range(NAMED + 31)))
    names = ", ".join(f"n{number}" for number in range(1, NAMED + 1))
    assert ana.waits(3.0) == [f"* {names} and 30 more joined"]


@pytest.mark.parametrize(
    "lines",
    [
        [":luis!l@h QUIT :reset", ":luis!l@h JOIN #lobby"],
        [":luis!l@h PART #lobby", ":LUIS!l@h JOIN #lobby"],
        [":luis!l@h NICK lucho", ":lucho!l@h NICK luis"],
    ],
)
def test_who_ends_where_they_were_is_not_told_of(ana: Watcher, lines: list[str]) -> None:
    ana.hears(":beto!b@h JOIN #lobby")
    assert ana.hears(*lines, at=1.0) == []
    assert ana.waits(3.0) == []


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ([":dora!d@h JOIN #lobby", ":dora!d@h PART #lobby"], "dora came and went"),
        ([":dora!d@h JOIN #lobby", ":dora!d@h QUIT :oops"], "dora came and went"),
        ([":dora!d@h JOIN #lobby", ":dora!d@h NICK dori", ":dori!d@h QUIT :oops"], "dori came and went"),
        ([":dora!d@h JOIN #lobby", ":dora!d@h PART #lobby"] * 5, "dora came and went"),
        ([*[":dora!d@h JOIN #lobby", ":dora!d@h PART #lobby"] * 2, ":DORA!d@h JOIN #lobby"], "DORA joined"),
        ([":dora!d@h JOIN #lobby", ":eva!e@h PART #lobby", ":dora!d@h QUIT"], "eva left; dora came and went"),
    ],
)
def test_who_came_is_named_though_they_are_gone_again(ana: Watcher, lines: list[str], told: str) -> None:
    ana.hears(":beto!b@h JOIN #lobby")
    assert ana.hears(*lines, at=1.0) == []
    assert ana.waits(3.0) == [f"* {told}"]


def test_who_was_told_of_has_come_and_gone_all_the_same(ana: Watcher) -> None:
    """The screen has said that luis quit: that he is back must follow."""
    assert ana.hears(":luis!l@h QUIT :reset") == ["* luis quit (reset)"]
    ana.hears(":luis!l@h JOIN #lobby", at=1.0)
    assert ana.waits(3.0) == ["* luis joined #lobby"]


def test_who_comes_under_another_name_is_told_of_by_the_last_one(ana: Watcher) -> None:
    ana.hears(":beto!b@h JOIN #lobby")
    ana.hears(":dora!d@h JOIN #lobby", ":dora!d@h NICK dori", at=1.0)
    assert ana.waits(3.0) == ["* dori joined"]


def test_what_is_said_in_the_room_comes_behind_who_came_before_it(ana: Watcher) -> None:
    ana.hears(":beto!b@h JOIN #lobby", ":carla!c@h JOIN #lobby", ":dora!d@h JOIN #lobby")
    assert ana.hears(":eva!e@h PRIVMSG #dev :hola", ":eva!e@h PRIVMSG ana :hola", at=1.0)[:1] == ["#dev <eva> hola"]
    ana = Watcher()
    ana.hears(":beto!b@h JOIN #lobby", ":carla!c@h JOIN #lobby", ":dora!d@h JOIN #lobby")
    assert ana.hears(":carla!c@h PRIVMSG #lobby :hola", at=1.0) == ["* carla, dora joined", "<carla> hola"]
    assert ana.waits(3.0) == []


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (":luis!l@h KICK #lobby carla :out", "* luis kicked carla from #lobby (out)"),
        (":luis!l@h MODE #lobby +o carla", "* luis changed the modes of #lobby: +o carla"),
        (":luis!l@h TOPIC #lobby :news", "* luis set the topic of #lobby: news"),
        (":ana!a@h PART #lobby", "* ana left #lobby"),
        (":ana!a@h NICK anita", "* ana is now anita"),
        (":ana!a@h JOIN #so", "* ana joined #so"),
    ],
)
def test_what_is_never_folded_comes_behind_it_too(ana: Watcher, line: str, shown: str) -> None:
    ana.hears(":beto!b@h JOIN #lobby", ":carla!c@h JOIN #lobby")
    assert ana.hears(line, at=1.0) == ["* carla joined #lobby", shown]


def test_each_room_is_told_of_by_itself_and_the_other_one_is_named(ana: Watcher) -> None:
    assert ana.hears(":beto!b@h JOIN #lobby", ":beto!b@h JOIN #dev") == ["* beto joined #lobby", "* beto joined #dev"]
    ana.hears(*(f":{nick}!x@h JOIN {room}" for nick in ("carla", "dora") for room in ("#lobby", "#dev")), at=1.0)
    assert sorted(ana.waits(3.0)) == ["#dev * carla, dora joined", "* carla, dora joined"]


def test_who_is_in_two_rooms_quits_once(ana: Watcher) -> None:
    assert ana.hears(":eva!e@h QUIT :bye") == ["* eva quit (bye)"]
    ana.hears(":fede!f@h JOIN #dev", ":gala!g@h JOIN #dev", ":gala!g@h JOIN #lobby", at=1.0)
    ana.hears(":gala!g@h QUIT :bye", at=2.0)
    assert ana.waits(5.0) == ["* gala came and went", "#dev * gala came and went"]


def test_who_was_in_one_room_before_and_in_another_for_a_moment_quits(ana: Watcher) -> None:
    ana.hears(":beto!b@h JOIN #dev", ":luis!l@h JOIN #dev", ":luis!l@h QUIT :bye")
    assert ana.waits(3.0) == ["#dev * luis came and went"]
    ana = Watcher()
    ana.hears(":beto!b@h JOIN #dev", ":luis!l@h JOIN #dev")
    assert ana.hears(":luis!l@h QUIT :bye") == ["* luis quit (bye)"]


def test_a_nick_of_nobody_in_our_rooms_is_told_as_it_comes(ana: Watcher) -> None:
    assert ana.hears(":zoe!z@h NICK zoey", ":yan!y@h NICK yanni") == ["* zoe is now zoey", "* yan is now yanni"]


def test_a_line_that_nobody_ticks_is_shown_before_the_next_event(ana: Watcher) -> None:
    ana.hears(":beto!b@h JOIN #lobby", ":carla!c@h JOIN #lobby", ":dora!d@h JOIN #lobby")
    assert ana.hears(":fede!f@h JOIN #lobby", at=9.0) == ["* carla, dora joined"]
    assert ana.waits(12.0) == ["* fede joined #lobby"]


# The session, which knows what the user wants.


def entered(preferences: Preferences, greets: bool = True) -> Session:
    session = Session("ana", "#lobby", "0123456789abcdef", greets=greets, preferences=preferences)
    session.opened(0.0)
    for line in (":s 001 ana :hi", ":ana!a@h JOIN #lobby", ":s PONG s mpchat-entrance"):
        session.heard(line, 0.0)
    return session


CROWD = [":beto!b@h JOIN #lobby", ":carla!c@h JOIN #lobby", ":beto!b@h PART #lobby"]


def crowd(session: Session) -> list[str]:
    return [line.plain("") for text in CROWD for line in session.heard(text, 1.0).show]


EACH = ["* beto joined #lobby", "* carla joined #lobby", "* beto left #lobby"]


def test_a_session_folds_and_its_clock_brings_the_rest() -> None:
    session = entered(Preferences())
    assert crowd(session) == EACH[:1]
    assert session.deadline() == 1.0 + FOLD_SECONDS
    assert [line.plain("") for line in session.ticked(4.0).show] == ["* carla joined; beto left"]


def test_or_shows_each_or_none_as_the_user_wants() -> None:
    assert crowd(entered(Preferences(joins="all"))) == EACH
    assert crowd(entered(Preferences(joins="none"))) == []
    preferences = Preferences()
    session = entered(preferences)
    crowd(session)
    preferences.joins = "all"  # /set
    assert [line.plain("") for line in session.ticked(4.0).show] == ["* carla joined; beto left"]


def test_a_program_and_who_has_no_prompt_read_each_as_it_comes() -> None:
    assert crowd(entered(Preferences(joins="none"), greets=False)) == EACH
    session = entered(Preferences())
    session.has_prompt = False
    assert crowd(session) == EACH


def test_what_waits_is_told_before_the_loss_of_the_connection() -> None:
    session = entered(Preferences())
    crowd(session)
    session.typed("hola", 2.0)
    assert session.closed().show[0].plain("") == "* carla joined; beto left"


def test_a_folded_line_has_the_time_of_the_last_that_happened(ana: Watcher) -> None:
    ana.hears(":beto!b@h JOIN #lobby")
    for number, nick in enumerate(("carla", "dora")):
        (line,) = ana.view.heard(parse(f":{nick}!x@h JOIN #lobby"))
        assert ana.presence.take([replace(line, at=100.0 + number)], 1.0) == []
    assert [line.at for line in ana.presence.due(3.0)] == [101.0]
