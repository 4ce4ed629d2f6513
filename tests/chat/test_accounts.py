"""chat/accounts: which accounts there are, and whose a nickname is."""

from __future__ import annotations

import pytest

from mpchat.chat.accounts import Accounts
from mpchat.chat.channels import ALL, LENT, OP, VOICE, Channel
from mpchat.chat.resumption import _ACCOUNT_PLACES, KEPT_MS, Resumption
from mpchat.chat.sessions import Session
from mpchat.messages import ConnectionId

HOUR = 3_600_000
ONE, TWO = ConnectionId(1), ConnectionId(2)


@pytest.fixture
def accounts() -> Accounts:
    it = Accounts()
    it.know(["Ana", "José", "сас"], ["PLAIN"])  # the last one is Cyrillic, and looks like cac
    return it


@pytest.mark.parametrize(
    ("nick", "owner"),
    [
        *(("Ana", "Ana"), ("aNA", "Ana"), ("\u0430n\u0430", "Ana"), ("ana_", ""), ("", "")),
        *(("JOSÉ", "José"), ("jose", ""), ("cac", "сас"), ("САС", "сас"), ("CAC", "сас")),
    ],
)
def test_a_nickname_and_its_doubles_are_its_owners(accounts: Accounts, nick: str, owner: str) -> None:
    assert accounts.owner_of(nick) == owner


def test_what_is_there_is_what_was_told_last(accounts: Accounts) -> None:
    accounts.add("beto")
    accounts.add("ANA")
    assert "BETO" in accounts
    assert accounts.owner_of("ana") == "Ana", "as it was registered"
    assert 7 not in accounts
    again = Accounts()
    again.load(accounts.values())
    assert again.values() == accounts.values() == (["Ana", "José", "сас", "beto"], ("PLAIN",))
    accounts.know(["eva"], [])
    assert accounts.values() == (["eva"], ())
    assert accounts.owner_of("cac") == ""


# What an account has again


def lost(*accounts: str, most: int = 1000) -> Resumption:
    it = Resumption(most)
    for number, account in enumerate(accounts, 1):
        it.lose(ONE, "x", (("#a", number, OP, ALL),), number, account)
    return it


def test_each_channel_is_given_back_once() -> None:
    it = lost("Ana", "ana", "beto")
    assert it.place("ANA", 1) == ("#a", 1, OP, ALL)
    assert it.take_place("Ana", 1) == ("#a", 1, OP, ALL)
    assert it.take_place("Ana", 1) is None
    assert it.take_place("Ana", 3) is None, "that is beto's"
    assert it.take_place("", 3) is None
    assert it.has_operator(2)
    assert it.take_place("ana", 2) == ("#a", 2, OP, ALL)
    assert not it.has_operator(2)
    assert [key for key, _ in it.values()[1]] == ["account 3 beto"]


def test_the_last_session_of_an_account_says_what_it_has() -> None:
    it = lost("ana")
    assert it.lose(TWO, "y", (("#a", 1, VOICE, ALL),), 5, "ana")
    assert it.take_place("ana", 1) == ("#a", 1, VOICE, ALL)


def test_it_has_it_for_a_day() -> None:
    it = lost("ana", "beto")
    it.expire(KEPT_MS + 1)
    assert it.place("ana", 1) is None
    assert it.place("beto", 2) is not None
    next_run = Resumption(1000)
    next_run.inherit(it, -HOUR, 0)
    again = Resumption(1000)
    again.load(next_run.values())
    assert again.values() == next_run.values()
    again.expire(KEPT_MS + 1 - HOUR)
    assert again.place("beto", 2) is not None
    again.expire(KEPT_MS + 2 - HOUR)
    assert again.place("beto", 2) is None


def test_no_place_lives_longer_because_another_is_lost() -> None:
    it = lost("ana")
    for hour in range(1, 30):
        it.lose(TWO, "y", (("#b", 2, OP, ALL),), hour * HOUR, "ana")
        it.expire(hour * HOUR)
    assert it.place("ana", 1) is None
    assert not it.has_operator(1)
    assert it.place("ana", 2) is not None


def test_of_many_it_keeps_the_newest() -> None:
    it = lost(*["ana"] * (_ACCOUNT_PLACES + 5))
    assert it.place("ana", 5) is None
    assert it.place("ana", 6) is not None
    assert lost("ana", "beto", "carla", most=2).place("ana", 1) is None


def test_without_a_channel_or_an_account_nothing_is_kept() -> None:
    it = Resumption(10)
    assert not it.lose(ONE, "x", (), 0, "ana")
    assert not it.lose(ONE, "x", (("#a", 1, OP, ALL),), 0, "")
    it.give(TWO, "token")
    assert it.lose(TWO, "x", (("#a", 1, OP, ALL),), 0, "ana")
    assert it.take("token") == (KEPT_MS, "x", (("#a", 1, OP, ALL),), "ana")
    assert it.place("ana", 1) is not None, "by the account, too"


@pytest.mark.parametrize(
    ("had", "given", "has", "new"),
    [
        (0, OP, OP, OP),
        (VOICE, OP | VOICE, OP | VOICE, OP),
        (OP, VOICE, OP | VOICE, VOICE),
        (OP, OP, OP, 0),
        (0, OP | LENT, OP | LENT, OP),
        (OP, OP | LENT, OP, 0),
        (OP | LENT, OP, OP, 0),
        (OP | LENT, 0, OP | LENT, 0),
    ],
)
def test_rights_are_added_to_what_a_member_has(had: int, given: int, has: int, new: int) -> None:
    """An operator by a server operator's word is one of its own, if either of the two is."""
    channel, session = Channel("#a", 0), Session(ONE, "127.0.0.1")
    channel.seat(session, had, (7, 9))
    assert channel.give_back(session, given, (3, 12)) == new
    assert channel.members[session] == has
    assert channel.past[session] == (3, 9), "of the past it reads what it could by either"
