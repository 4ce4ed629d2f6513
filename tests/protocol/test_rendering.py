"""protocol/irc/rendering: which clients read the same of an event, and which read nothing of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mpchat.chat.channels import OP, Channel
from mpchat.chat.events import (
    AccountSet,
    ActsAsOperator,
    AwaySet,
    Event,
    Invited,
    InviteSeen,
    Joined,
    Kicked,
    Left,
    ModesSet,
    Parted,
    RealnameSet,
    Regained,
    Renamed,
    Said,
    TagsSent,
    TopicSet,
    Wallops,
)
from mpchat.chat.hub import Hub
from mpchat.chat.sessions import Session
from mpchat.protocol import irc
from mpchat.protocol.capabilities import (
    ACCOUNT_NOTIFY,
    ACCOUNT_TAG,
    AWAY_NOTIFY,
    EXTENDED_JOIN,
    INVITE_NOTIFY,
    MESSAGE_TAGS,
    PROFILES,
    SERVER_TIME,
    SETNAME,
)
from mpchat.protocol.context import Context
from mpchat.protocol.dialect import OF_PROFILE
from mpchat.protocol.length_limit import fit
from mpchat.protocol.plain.languages import PROFILES as LANGUAGES
from mpchat.settings import ChatSettings

TIME = "@time=2023-11-14T22:13:20.123Z"
ANA = ":ana!~ana@127.0.0.1"


@pytest.fixture
def context() -> Context:
    return Context(Hub(ChatSettings(), 0), ChatSettings(), 0, 0, 1_700_000_000_123)


def session(nick: str, account: str = "") -> Session:
    found = Session(1, "127.0.0.1")
    found.user, found.realname, found.account = f"~{nick}", f"{nick.title()} Real", account
    found.name(nick)
    return found


def events(account: str = "", away: str = "") -> Iterator[Event]:
    """One of every kind, ana's."""
    ana, beto, room = session("ana", account), session("beto"), Channel("#a", 0)
    ana.away = away
    yield fit(Said(ana, room, "#a", "hola", False, 1, "+a=b"))
    yield TagsSent(ana, room, "#a", "+a=b", 1)
    yield Joined(ana, room)
    yield Regained(ana, room, OP)
    yield Parted(ana, room, "")
    yield Kicked(ana, beto, room, "ana")
    yield TopicSet(ana, room)
    yield ModesSet(ana, room, [("+", "n", "")])
    yield Renamed(ana, "anna!~ana@127.0.0.1", [room])
    yield Left(ana, [room], "Client quit")
    yield Invited(ana, beto, room)
    yield InviteSeen(ana, beto, room)
    yield ActsAsOperator(ana, room, None)
    yield Wallops(ana, "hola")
    yield AwaySet(ana, [room])
    yield AccountSet(ana, [room])
    yield RealnameSet(ana, [room])


def rendered(context: Context, kind: type[Event], profile: int, account: str = "", away: str = "") -> str:
    """What a client of this profile reads of such an event, without the line end."""
    (event,) = [each for each in events(account, away) if type(each) is kind]
    return irc.render(context, event, profile).decode().removesuffix("\r\n")


@pytest.mark.parametrize("account", ["", "ana"])
def test_those_that_read_the_same_have_one_profile_that_stands_for_them(context: Context, account: str) -> None:
    for event in events(account):
        bytes_of = {profile: irc.render(context, event, profile) for profile in PROFILES}
        stands_for = {profile: irc.alike(event, profile) for profile in PROFILES}

        assert all(bytes_of[profile] == bytes_of[stands_for[profile]] for profile in PROFILES), event
        assert all(stands_for[profile] & ~profile == 0 for profile in PROFILES), event
        made = [bytes_of[profile] for profile in set(stands_for.values())]
        assert len(made) == len(set(made)), f"nothing is made twice: {event}"


@pytest.mark.parametrize("profile", LANGUAGES.values())
def test_people_who_read_plain_text_are_told_no_details(context: Context, profile: int) -> None:
    details = (TagsSent, InviteSeen, AwaySet, AccountSet, RealnameSet)
    for event in events("ana"):
        assert OF_PROFILE[profile].alike(event, profile) == profile
        assert bool(OF_PROFILE[profile].render(context, event, profile)) == (not isinstance(event, details))


@pytest.mark.parametrize(
    ("kind", "needed", "line"),
    [
        (AwaySet, AWAY_NOTIFY, f"{ANA} AWAY"),
        (AccountSet, ACCOUNT_NOTIFY, f"{ANA} ACCOUNT *"),
        (RealnameSet, SETNAME, f"{ANA} SETNAME :Ana Real"),
        (InviteSeen, INVITE_NOTIFY, f"{ANA} INVITE beto #a"),
    ],
)
def test_only_who_has_asked_is_told(context: Context, kind: type[Event], needed: int, line: str) -> None:
    for profile in PROFILES:
        told = rendered(context, kind, profile)
        assert told == (("" if not profile & SERVER_TIME else f"{TIME} ") + line if profile & needed else "")


def test_what_is_told_is_how_it_is_now(context: Context) -> None:
    assert rendered(context, AwaySet, AWAY_NOTIFY, away="a comer") == f"{ANA} AWAY :a comer"
    assert rendered(context, AccountSet, ACCOUNT_NOTIFY, account="Ana") == f"{ANA} ACCOUNT Ana"


@pytest.mark.parametrize(
    ("profile", "account", "line"),
    [
        (0, "Ana", f"{ANA} JOIN #a"),
        (EXTENDED_JOIN, "", f"{ANA} JOIN #a * :Ana Real"),
        (EXTENDED_JOIN, "Ana", f"{ANA} JOIN #a Ana :Ana Real"),
        (EXTENDED_JOIN | ACCOUNT_TAG | SERVER_TIME, "Ana", f"{TIME};account=Ana {ANA} JOIN #a Ana :Ana Real"),
    ],
)
def test_a_join(context: Context, profile: int, account: str, line: str) -> None:
    assert rendered(context, Joined, profile, account) == line


@pytest.mark.parametrize(
    ("profile", "account", "tags"),
    [
        (0, "Ana", ""),
        (ACCOUNT_TAG, "", ""),
        (ACCOUNT_TAG, "Ana", "@account=Ana "),
        (ACCOUNT_TAG, "a\\b", "@account=a\\\\b "),  # as tags escape it
        (ACCOUNT_TAG | SERVER_TIME, "Ana", f"{TIME};account=Ana "),
        (ACCOUNT_TAG | MESSAGE_TAGS, "Ana", "@msgid=0-1;account=Ana;+a=b "),
        (ACCOUNT_TAG | MESSAGE_TAGS, "", "@msgid=0-1;+a=b "),
    ],
)
def test_whose_account_it_is_stands_before_a_message(context: Context, profile: int, account: str, tags: str) -> None:
    assert rendered(context, Said, profile, account) == f"{tags}{ANA} PRIVMSG #a :hola"


def test_it_stands_before_all_that_somebody_does(context: Context) -> None:
    everything = PROFILES[-1]
    for event in events("Ana"):
        is_servers = isinstance(event, (Regained, ActsAsOperator))
        assert (b"account=Ana" in irc.render(context, event, everything).split(b" ")[0]) != is_servers, event
    for event in events():
        assert b"account=" not in irc.render(context, event, everything), event
