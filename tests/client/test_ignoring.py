"""Whom the user ignores: nothing of theirs is read, and who they are is known by any of their nicks."""

from __future__ import annotations

import pytest

from mpchat.client.commands import execute
from mpchat.client.model import Model
from mpchat.client.preferences import Preferences
from mpchat.client.step import Setting
from mpchat.client.view import View
from mpchat.protocol.message import parse


@pytest.fixture
def view() -> View:
    """Ana, who ignores Troll, is in #lobby with troll and beto."""
    view = View(Model("ana", "#lobby", Preferences(ignore=["Troll"])))
    read(view, ":ana!a@h JOIN #lobby", ":s 353 ana = #lobby :@ana troll beto", ":s 366 ana #lobby :End")
    return view


def read(view: View, *lines: str) -> list[str]:
    return [shown.plain("") for line in lines for shown in view.heard(parse(line))]


@pytest.mark.parametrize(
    "line",
    [
        "PRIVMSG #lobby :ana, look here",
        "PRIVMSG #lobby :\x01ACTION waves at ana\x01",
        "PRIVMSG ana :psst",
        "PRIVMSG ana :\x01VERSION\x01",
        "NOTICE #lobby :look",
        "NOTICE ana :look",
        "INVITE ana #trap",
    ],
)
def test_nothing_of_theirs_is_shown_and_so_nothing_rings(view: View, line: str) -> None:
    assert read(view, f":TROLL!t@h {line}") == []
    assert read(view, f"@batch=b;time=2026-01-02T03:04:05.000Z :troll!t@h {line}") == [], "of the past neither"
    assert len(read(view, f":beto!b@h {line}")) == 1


def test_that_they_come_and_go_is_shown_without_their_words(view: View) -> None:
    assert read(view, ":troll!t@h PART #lobby :read this", ":troll!t@h QUIT :and this", ":troll!t@h JOIN #lobby") == [
        "* troll left #lobby",
        "* troll quit",
        "* troll joined #lobby",
    ]


def test_another_nick_does_not_help_them_while_we_see_it(view: View) -> None:
    assert read(view, ":troll!t@h NICK nice", ":nice!t@h PRIVMSG #lobby :hola") == [
        "* troll is now nice",
        "-- nice, whom you ignored as troll, is ignored until one of you leaves (/ignore nice keeps that)",
    ]
    assert read(view, ":nice!t@h NICK nicer", ":nicer!t@h PRIVMSG #lobby :hola")[1:] == [
        "-- nicer, whom you ignored as nice, is ignored until one of you leaves (/ignore nicer keeps that)"
    ]
    assert read(view, ":nice!n@h PRIVMSG #lobby :I am somebody else") == ["<nice> I am somebody else"]
    assert [line.text for line in execute("/ignore", view.model).show] == ["you ignore: Troll nicer"]
    execute("/unignore nicer", view.model)
    assert read(view, ":nicer!t@h PRIVMSG #lobby :hola") == ["<nicer> hola"]


def test_who_is_ignored_for_the_time_being_can_be_ignored_for_good(view: View) -> None:
    read(view, ":troll!t@h NICK nice")
    kept = execute("/ignore Nice", view.model)
    assert kept.save == Setting("ignore", ["Troll", "Nice"], "Nice is ignored from now on")
    assert execute("/ignore", view.model).show[0].text == "you ignore: Troll Nice"

    read(view, ":nice!t@h QUIT", ":nice!t@h JOIN #lobby")
    assert read(view, ":nice!t@h PRIVMSG #lobby :hola") == []
    assert execute("/ignore nice", view.model).show[0].text == "you ignore nice already"


def test_nobody_can_have_us_ignore_ourselves(view: View) -> None:
    assert execute("/ignore ANA", view.model).show[0].text == "that is you"
    assert read(view, ":ana!a@h NICK troll", ":troll!a@h PRIVMSG #lobby :hola") == [
        "* ana is now troll",
        "<troll> hola",
    ]


def test_ignore_and_unignore_are_kept_and_told(view: View) -> None:
    model = view.model
    assert execute("/ignore Beto", model).save == Setting("ignore", ["Troll", "Beto"], "Beto is ignored from now on")
    assert execute("/ignore beto", model).show[0].text == "you ignore beto already"
    assert read(view, ":beto!b@h PRIVMSG #lobby :hola") == []
    assert execute("/ignore", model).show[0].text == "you ignore: Troll Beto"
    assert execute("/unignore BETO", model).save == Setting("ignore", ["Troll"], "BETO is no longer ignored")
    assert read(view, ":beto!b@h PRIVMSG #lobby :hola") == ["<beto> hola"]
    assert execute("/unignore trol", model).show[0].text == "you do not ignore trol (did you mean Troll?)"
    execute("/unignore troll", model)
    assert execute("/unignore troll", model).show[0].text == "you do not ignore troll"
    assert execute("/ignore", model).show[0].text == "you ignore nobody"


@pytest.mark.parametrize("nick", ["9", "-", "-ana", "a.b", "hola!"])
def test_what_can_be_no_nickname_is_not_kept(view: View, nick: str) -> None:
    refused = execute(f"/ignore {nick}", view.model)
    assert refused.show[0].text.startswith(f"{nick} can be no nickname")
    assert not refused.save
    assert view.model.preferences.ignore == ["Troll"]


def test_whoever_is_here_can_be_ignored_whatever_their_server_has_called_them(view: View) -> None:
    read(view, ":9AAAAAAAB!t@h JOIN #lobby")
    assert execute("/ignore 9aaaaaaab", view.model).save


@pytest.mark.parametrize("ends", [":ogre!t@h NICK :troll", ":ogre!t@h QUIT", ":ogre!t@h NICK :orc"])
def test_a_nick_that_they_have_left_is_somebody_elses(view: View, ends: str) -> None:
    read(view, ":troll!t@h NICK :ogre", ends)

    assert read(view, ":ogre!o@h PRIVMSG #lobby :hola") == ["<ogre> hola"]
    assert read(view, ":troll!t@h PRIVMSG #lobby :hola") == []


def test_after_a_loss_nobody_knows_who_is_called_so(view: View) -> None:
    read(view, ":troll!t@h NICK :ogre")
    view.model.lose()

    assert len(read(view, ":ogre!o@h PRIVMSG ana :hola")) == 1
