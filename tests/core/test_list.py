"""LIST with conditions (ELIST): which channels each of them means."""

from __future__ import annotations

import pytest

from mpchat.settings import ChatSettings
from tests.core.driver import Driver, Person


def driven(level: int = 4) -> Person:
    """#old, made 10 min ago, has 3 people; #topical, 5 min ago, 2, and a topic of now; #secret is not ana's."""
    driver = Driver(ChatSettings(level=level))
    ana, beto, carla = driver.irc("ana"), driver.irc("beto"), driver.irc("carla")
    for person in (ana, beto, carla):
        person.send("JOIN #old")
    driver.stand_still(300)
    for person in (beto, carla):
        person.send("JOIN #topical")
    driver.stand_still(300)
    beto.send("TOPIC #topical :of now", "JOIN #secret", "MODE #secret +s")
    ana.heard()
    return ana


def listed(person: Person, words: str) -> list[str]:
    """The channels but the lobby, in which nobody is."""
    *lines, end = person.send(f"LIST {words}")
    assert end.split()[1] == "323"
    return [line.split()[3] for line in lines]


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("", ["#old", "#topical"]),
        ("#OLD", ["#old"]),
        ("*O*", ["#old", "#topical"]),
        ("#?ld", ["#old"]),
        ("#s*,#secret", []),
        ("!*old", ["#topical"]),
        ("!*old,!#t*", []),
        ("#t*,#old", ["#old", "#topical"]),
        (">2", ["#old"]),
        ("<3", ["#topical"]),
        (">1,<3", ["#topical"]),
        ("#old,<3", []),
        ("C>7", ["#old"]),
        ("c<7", ["#topical"]),
        ("C>4,C<11", ["#old", "#topical"]),
        ("T<1", ["#topical"]),
        ("T>1", []),
        ("C>x", []),
        (">" + "9" * 300, []),
    ],
)
def test_what_a_condition_means(words: str, names: list[str]) -> None:
    assert listed(driven(), words) == names


def test_masks_are_few() -> None:
    ana = driven()
    assert listed(ana, "#a*,#b*,!#c*,#old*") == ["#old"]
    (answer,) = ana.send("LIST #a*,#b*,!#c*,#d*,#old*")
    assert answer == ":mpchat.local 407 ana #old* :Too many masks"


def test_to_a_server_of_before_a_condition_is_a_name() -> None:
    ana = driven(level=3)
    assert listed(ana, "#o*,>1,#a*,#b*,#c*,#d*") == []
    assert listed(ana, "#old") == ["#old"]
