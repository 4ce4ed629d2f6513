"""chat/channels and chat/hub: who may, and what follows. What is awkward to reach from outside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mpchat.chat.channels import OP, VOICE, Channel
from mpchat.chat.events import Joined, Left, Renamed
from mpchat.chat.hub import Hub
from mpchat.chat.refusals import Reason, Refusal
from mpchat.chat.sessions import Session
from mpchat.settings import ChatSettings

WALL = 1_700_000_000
Change = tuple[str, str, str]


@pytest.fixture
def hub() -> Hub:
    return Hub(ChatSettings(channels_per_client=3, bans_per_channel=2, departed_names=2), WALL)


def enter(hub: Hub, id: int, nick: str) -> Session:
    session = hub.connect(id, "127.0.0.1")
    assert hub.claim(session, nick, WALL) is None
    hub.enter(session, f"~{nick}", nick.title(), WALL, 0)
    return session


def refused(call: Callable[..., object], *args: Any) -> tuple[object, ...]:
    with pytest.raises(Refusal) as caught:
        call(*args)
    return (caught.value.reason, *caught.value.about)


def test_a_refusal_says_itself() -> None:
    assert str(Refusal(Reason.NO_SUCH_NICK, "ana")) == "('NO_SUCH_NICK', 'ana')"


# Nicknames


def test_a_nickname_is_claimed_before_its_holder_enters(hub: Hub) -> None:
    first, second = hub.connect(1, "h"), hub.connect(2, "h")
    hub.claim(first, "Ana", WALL)

    assert refused(hub.claim, second, "aNA", WALL) == (Reason.NICK_TAKEN, "aNA")
    assert refused(hub.session, "ana") == (Reason.NO_SUCH_NICK, "ana"), "nobody can speak to a newcomer"
    assert hub.claim(first, "Berta", WALL) is None, "nobody needs to hear of it"
    assert hub.claim(second, "aNA", WALL) is None
    hub.leave(first, "x", WALL, 0)
    assert hub.claim(second, "berta", WALL) is None
    assert list(hub.departed) == [], "who never entered is not remembered"


@pytest.mark.parametrize(
    ("nick", "reason"),
    [("", (Reason.NO_NICK,)), ("1a", (Reason.BAD_NICK, "1a")), ("beto", (Reason.NICK_TAKEN, "beto"))],
)
def test_a_refused_claim_changes_nothing(hub: Hub, nick: str, reason: tuple[object, ...]) -> None:
    ana, _ = enter(hub, 1, "ana"), enter(hub, 2, "beto")

    assert refused(hub.claim, ana, nick, WALL) == reason
    assert ana.nick == "ana"
    assert hub.session("ANA") is ana


def test_a_new_nickname_frees_the_old_at_once(hub: Hub) -> None:
    ana = enter(hub, 1, "ana")
    hub.join(ana, "#a", "", WALL)

    assert hub.claim(ana, "berta", WALL + 5) == Renamed(ana, "ana!~ana@127.0.0.1", [hub.channels["#a"]])
    assert hub.claim(ana, "berta", WALL) is None
    assert hub.claim(ana, "Berta", WALL) is not None
    assert ana.prefix == "Berta!~ana@127.0.0.1"
    assert hub.departed[0] == ("ana", "~ana", "127.0.0.1", "Ana", WALL + 5)
    enter(hub, 2, "ana")


def test_only_so_many_departed_are_remembered(hub: Hub) -> None:
    for number, nick in enumerate(("ana", "beto", "carla")):
        hub.leave(enter(hub, number, nick), "x", WALL, 0)

    assert [gone[0] for gone in hub.departed] == ["beto", "carla"]


# Counting


def test_what_is_counted(hub: Hub) -> None:
    ana, beto = enter(hub, 1, "ana"), enter(hub, 2, "beto")
    assert hub.set_invisible(ana, True)
    assert not hub.set_invisible(ana, True)
    assert hub.set_operator(ana, True)
    assert not hub.set_operator(ana, True)
    assert (hub.registered, hub.invisible, hub.operators, hub.most) == (2, 1, 1, 2)

    hub.leave(ana, "x", WALL, 0)
    assert not hub.set_invisible(beto, False)
    assert not hub.set_operator(beto, False)

    assert (hub.registered, hub.invisible, hub.operators, hub.most) == (1, 0, 0, 2)
    assert list(hub.people()) == [beto]


# Channels


def test_the_first_is_the_operator_and_an_empty_room_is_gone(hub: Hub) -> None:
    ana, beto = enter(hub, 1, "ana"), enter(hub, 2, "beto")
    hub.join(ana, "#A", "", WALL)
    channel = hub.channels["#a"]
    hub.join(beto, "#a", "", WALL)
    assert list(channel.members.values()) == [OP, 0]

    hub.part(ana, "#a", "", 0)
    assert hub.leave(beto, "adiós", WALL, 0) == Left(beto, [channel], "adiós")

    assert "#a" not in hub.channels
    hub.join(ana, "#a", "", WALL)
    assert hub.channels["#a"] is not channel, "whoever comes next founds it anew"


def test_the_lobby_is_always_there_and_nobodys(hub: Hub) -> None:
    ana = enter(hub, 1, "ana")
    lobby = hub.channels["#lobby"]

    assert hub.join(ana, "#Lobby", "", WALL) == Joined(ana, lobby)
    assert lobby.members == {ana: 0}
    assert lobby.modes(with_key=True) == ("+nt", [])
    assert refused(hub.set_modes, ana, "#lobby", [("+", "m", "")], WALL) == (Reason.NOT_OPERATOR, "#lobby")
    assert refused(hub.set_topic, ana, "#lobby", "x", WALL) == (Reason.NOT_OPERATOR, "#lobby")
    hub.part(ana, "#lobby", "", 0)
    assert hub.channels["#lobby"] is lobby


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("a", Reason.NO_SUCH_CHANNEL),
        ("", Reason.NO_SUCH_CHANNEL),
        ("#", Reason.BAD_CHANNEL_NAME),
        ("#a b", Reason.BAD_CHANNEL_NAME),
    ],
)
def test_no_such_name(hub: Hub, name: str, reason: Reason) -> None:
    assert refused(hub.join, enter(hub, 1, "ana"), name, "", WALL) == (reason, name)


def test_so_many_rooms_and_no_more(hub: Hub) -> None:
    ana = enter(hub, 1, "ana")
    for name in ("#a", "#b", "#c"):
        hub.join(ana, name, "", WALL)

    assert refused(hub.join, ana, "#d", "", WALL) == (Reason.TOO_MANY_CHANNELS, "#d")
    assert "#d" not in hub.channels, "it was not founded"
    assert hub.join(ana, "#A", "", WALL) is None, "one's own rooms are no new ones"


@pytest.mark.parametrize(
    ("mode", "reason", "invited"),
    [
        (("+", "i", ""), Reason.INVITE_ONLY, True),
        (("+", "l", "1"), Reason.CHANNEL_FULL, True),
        (("+", "k", "key"), Reason.BAD_KEY, False),
        (("+", "b", "beto"), Reason.BANNED, False),
    ],
)
def test_an_invitation_opens_two_of_four_doors(hub: Hub, mode: Change, reason: Reason, invited: bool) -> None:
    ana, beto = enter(hub, 1, "ana"), enter(hub, 2, "beto")
    hub.join(ana, "#a", "", WALL)
    hub.set_modes(ana, "#a", [mode], WALL)
    assert refused(hub.join, beto, "#a", "", WALL) == (reason, "#a")

    hub.invite(ana, "beto", "#a")
    hub.invite(ana, "beto", "#a")

    if invited:
        assert hub.join(beto, "#a", "", WALL) is not None
        hub.part(beto, "#a", "", 0)
    assert refused(hub.join, beto, "#a", "wrong", WALL) == (reason, "#a"), "and it opens them once"


def test_an_invitation_is_to_this_room_not_to_its_name(hub: Hub) -> None:
    ana, beto = enter(hub, 1, "ana"), enter(hub, 2, "beto")
    hub.join(ana, "#a", "", WALL)
    hub.invite(ana, "beto", "#a")
    hub.part(ana, "#a", "", 0)
    hub.join(ana, "#a", "", WALL)
    hub.set_modes(ana, "#a", [("+", "i", "")], WALL)

    assert refused(hub.join, beto, "#a", "", WALL) == (Reason.INVITE_ONLY, "#a")


def test_nobody_can_fill_anothers_invitations(hub: Hub) -> None:
    ana, beto = enter(hub, 1, "ana"), enter(hub, 2, "beto")
    for name in ("#a", "#b", "#c", "#d"):
        hub.join(ana, name, "", WALL)
        hub.invite(ana, "beto", name)
        if name == "#a":
            hub.part(ana, "#a", "", 0)

    assert [invitation.channel.name for invitation in beto.invitations] == ["#b", "#c", "#d"]


@pytest.mark.parametrize(
    ("nick", "name", "reason"),
    [
        ("nobody", "#a", (Reason.NO_SUCH_NICK, "nobody")),
        ("carla", "#x", (Reason.NO_SUCH_CHANNEL, "#x")),
        ("carla", "#b", (Reason.NOT_ON_CHANNEL, "#b")),
        ("ANA", "#a", (Reason.ALREADY_THERE, "ANA", "#a")),
        ("carla", "#a", (Reason.NOT_OPERATOR, "#a")),
    ],
)
def test_who_may_not_invite(hub: Hub, nick: str, name: str, reason: tuple[object, ...]) -> None:
    ana, beto, _ = enter(hub, 1, "ana"), enter(hub, 2, "beto"), enter(hub, 3, "carla")
    hub.join(ana, "#a", "", WALL)
    hub.join(ana, "#b", "", WALL)
    hub.join(beto, "#a", "", WALL)
    hub.set_modes(ana, "#a", [("+", "i", "")], WALL)

    assert refused(hub.invite, beto, nick, name) == reason


def test_a_kick_needs_an_operator_and_a_victim(hub: Hub) -> None:
    ana, beto, _ = enter(hub, 1, "ana"), enter(hub, 2, "beto"), enter(hub, 3, "carla")
    hub.join(ana, "#a", "", WALL)
    hub.join(beto, "#a", "", WALL)

    assert refused(hub.kick, beto, "#a", "ana", "", 0) == (Reason.NOT_OPERATOR, "#a")
    assert refused(hub.kick, ana, "#a", "carla", "", 0) == (Reason.NOT_THERE, "carla", "#a")
    assert refused(hub.kick, ana, "#a", "nobody", "", 0) == (Reason.NO_SUCH_NICK, "nobody")
    assert hub.kick(ana, "#a", "beto", "", 0).reason == "ana"
    assert refused(hub.part, beto, "#a", "", 0) == (Reason.NOT_ON_CHANNEL, "#a")


@pytest.mark.parametrize(
    ("flags", "rights", "banned", "may_speak"),
    [
        ("", None, False, True),
        ("n", None, False, False),
        ("m", None, False, False),
        ("", None, True, False),
        ("n", 0, False, True),
        ("m", 0, False, False),
        ("m", VOICE, False, True),
        ("m", OP, False, True),
        ("", 0, True, False),
        ("", VOICE, True, True),
        ("mn", OP, True, True),
    ],
)
def test_who_is_heard(flags: str, rights: int | None, banned: bool, may_speak: bool) -> None:
    channel, session = Channel("#a", WALL), Session(1, "h")
    session.name("ana")
    channel.flags = flags
    channel.bans["other!*@*"] = ("x", WALL)
    if banned:
        channel.bans["ANA!*@*"] = ("x", WALL)
    if rights is not None:
        channel.members[session] = rights

    assert channel.may_speak(session) is may_speak


def test_speech(hub: Hub) -> None:
    ana, beto = enter(hub, 1, "ana"), enter(hub, 2, "Beto")
    hub.join(ana, "#A", "", WALL)
    hub.set_modes(ana, "#a", [("+", "n", "")], WALL)

    assert hub.say(ana, "BETO", "x", False, 7).target == "Beto"
    assert hub.say(ana, "#a", "x", True, 9).target == "#A"
    assert ana.spoke_at == 9
    assert refused(hub.say, ana, "#a", "", False, 11) == (Reason.NO_TEXT,)
    assert ana.spoke_at == 9, "who said nothing did not speak"
    assert refused(hub.say, beto, "#a", "x", False, 9) == (Reason.CANNOT_SAY, "#A")
    assert refused(hub.say, ana, "nobody", "x", False, 9) == (Reason.NO_SUCH_NICK, "nobody")
    assert refused(hub.say, ana, "#x", "x", False, 9) == (Reason.NO_SUCH_CHANNEL, "#x")


def test_anybody_sets_the_topic_unless_it_is_locked(hub: Hub) -> None:
    ana, beto = enter(hub, 1, "ana"), enter(hub, 2, "beto")
    hub.join(ana, "#a", "", WALL)
    assert refused(hub.set_topic, beto, "#a", "x", WALL) == (Reason.NOT_ON_CHANNEL, "#a")
    hub.join(beto, "#a", "", WALL)
    hub.set_topic(beto, "#a", "x", WALL + 1)
    channel = hub.channels["#a"]
    assert (channel.topic, channel.topic_by, channel.topic_at) == ("x", "beto!~beto@127.0.0.1", WALL + 1)
    hub.set_modes(ana, "#a", [("+", "t", "")], WALL)
    assert refused(hub.set_topic, beto, "#a", "y", WALL) == (Reason.NOT_OPERATOR, "#a")
    assert channel.topic == "x"


# Modes


@pytest.mark.parametrize(
    ("asked", "made"),
    [
        ([("+", "m", ""), ("+", "m", ""), ("-", "m", ""), ("-", "m", "")], [("+", "m", ""), ("-", "m", "")]),
        ([("+", "v", "ANA"), ("+", "v", "ana"), ("-", "v", "ana")], [("+", "v", "ana"), ("-", "v", "ana")]),
        ([("+", "k", "a"), ("+", "k", "a"), ("+", "k", "b")], [("+", "k", "a"), ("+", "k", "b")]),
        ([("-", "k", "x"), ("+", "k", "a"), ("-", "k", ""), ("-", "k", "")], [("+", "k", "a"), ("-", "k", "*")]),
        ([("-", "l", ""), ("+", "l", "07"), ("+", "l", "7"), ("-", "l", "")], [("+", "l", "7"), ("-", "l", "")]),
        (
            [("+", "b", "x"), ("+", "b", "X!*@*"), ("-", "b", "X"), ("-", "b", "x")],
            [("+", "b", "x!*@*"), ("-", "b", "x!*@*")],
        ),
    ],
)
def test_only_what_changes_is_told(
    hub: Hub, asked: list[tuple[str, str, str]], made: list[tuple[str, str, str]]
) -> None:
    ana = enter(hub, 1, "ana")
    hub.join(ana, "#a", "", WALL)

    event, refusals = hub.set_modes(ana, "#a", asked, WALL)

    assert event is not None
    assert event.changes == made
    assert refusals == []


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (("+", "o", "nobody"), (Reason.NO_SUCH_NICK, "nobody")),
        (("+", "v", "beto"), (Reason.NOT_THERE, "beto", "#a")),
        (("+", "x", ""), (Reason.UNKNOWN_MODE, "x")),
        (("+", "k", ""), (Reason.BAD_MODE_VALUE, "#a", "k", "*", "Not a usable channel key")),
        (("+", "k", "a,b"), (Reason.BAD_MODE_VALUE, "#a", "k", "*", "Not a usable channel key")),
        (("+", "k", "ñ" * 17), (Reason.BAD_MODE_VALUE, "#a", "k", "*", "Not a usable channel key")),
        (("+", "k", "a\x02"), (Reason.BAD_MODE_VALUE, "#a", "k", "*", "Not a usable channel key")),
        (("+", "b", "a b"), (Reason.BAD_MODE_VALUE, "#a", "b", "*", "Not a usable mask")),
        (("+", "b", ":a"), (Reason.BAD_MODE_VALUE, "#a", "b", "*", "Not a usable mask")),
        (("+", "b", "a" * 1000), (Reason.BAD_MODE_VALUE, "#a", "b", "*", "Not a usable mask")),
        (("+", "l", ""), (Reason.BAD_MODE_VALUE, "#a", "l", "*", "Not a positive number")),
        (("+", "l", "0"), (Reason.BAD_MODE_VALUE, "#a", "l", "0", "Not a positive number")),
        (("+", "l", "-1"), (Reason.BAD_MODE_VALUE, "#a", "l", "-1", "Not a positive number")),
        (("+", "l", "٣"), (Reason.BAD_MODE_VALUE, "#a", "l", "٣", "Not a positive number")),
        (("+", "l", "1" * 10), (Reason.BAD_MODE_VALUE, "#a", "l", "1" * 10, "Not a positive number")),
    ],
)
def test_one_refused_change_does_not_stop_the_others(hub: Hub, asked: Change, reason: tuple[object, ...]) -> None:
    ana, _ = enter(hub, 1, "ana"), enter(hub, 2, "beto")
    hub.join(ana, "#a", "", WALL)

    event, refusals = hub.set_modes(ana, "#a", [("+", "s", ""), asked, ("+", "i", "")], WALL)

    assert event is not None
    assert event.changes == [("+", "s", ""), ("+", "i", "")]
    assert [(refusal.reason, *refusal.about) for refusal in refusals] == [reason]
    assert hub.set_modes(ana, "#a", [asked], WALL)[0] is None


def test_a_ban_list_has_an_end(hub: Hub) -> None:
    ana = enter(hub, 1, "ana")
    hub.join(ana, "#a", "", WALL)

    _, refusals = hub.set_modes(ana, "#a", [("+", "b", mask) for mask in "xyz"], WALL)

    assert [refusal.about for refusal in refusals] == [("#a", "z!*@*")]
    assert list(hub.channels["#a"].bans) == ["x!*@*", "y!*@*"]


def test_modes_as_they_are_shown() -> None:
    channel = Channel("#a", WALL)
    for letter in "tsnmi":
        channel.set_flag(letter, True, False)
    channel.key, channel.limit = "secret", 7

    assert channel.modes(with_key=True) == ("+imnstkl", ["secret", "7"])
    assert channel.modes(with_key=False) == ("+imnstkl", ["*", "7"])
    assert Channel("#b", WALL).modes(with_key=True) == ("+", [])


def test_who_sees_a_secret_room() -> None:
    channel, inside, outside = Channel("#a", WALL), Session(1, "h"), Session(2, "h")
    channel.members[inside] = 0
    assert channel.shows_itself_to(outside)
    channel.set_flag("s", True, False)
    assert channel.shows_itself_to(inside)
    assert not channel.shows_itself_to(outside)


def test_sharing_a_room(hub: Hub) -> None:
    ana, beto = enter(hub, 1, "ana"), enter(hub, 2, "beto")
    assert ana.shares_with(ana)
    assert not ana.shares_with(beto)
    hub.join(ana, "#a", "", WALL)
    hub.join(beto, "#A", "", WALL)
    assert ana.shares_with(beto)


def test_one_room_however_its_accents_are_put_together(hub: Hub) -> None:
    ana, beto = enter(hub, 1, "ana"), enter(hub, 2, "beto")
    hub.join(ana, "#caf\u00e9", "", WALL)

    joined = hub.join(beto, "#cafe\u0301", "", WALL)

    assert joined is not None
    assert joined.channel.name == "#caf\u00e9"
    assert list(joined.channel.members) == [ana, beto]


@pytest.mark.parametrize("name", ["#lobby\ufe0f", "#lob\u034fby", "#lobby\u2800", "#\u3164lobby", "#lobby\U000e0061"])
def test_there_is_one_lobby_to_the_eye(hub: Hub, name: str) -> None:
    assert refused(hub.join, enter(hub, 1, "ana"), name, "", WALL) == (Reason.BAD_CHANNEL_NAME, name)
