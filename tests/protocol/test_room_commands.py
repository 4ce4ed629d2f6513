"""protocol/plain: what somebody with nothing but nc can decide about their room, and learn about others there."""

from __future__ import annotations

import pytest

from mpchat.settings import ChatSettings, pack
from tests.core.driver import Driver, Person

Scene = dict[str, Person]


@pytest.fixture
def scene() -> Scene:
    """eva's room #club, in which beto is and ana (IRC) too; carla is in the lobby, luz is away."""
    driver = Driver(ChatSettings(room_flags="n", opers_exist=True, bans_per_channel=2))
    people = {nick: driver.plain(nick) for nick in ("eva", "beto", "carla")}
    people["eva"].send("/join #club")
    people["beto"].send("/join #club")
    people["ana"] = driver.irc("ana")
    people["ana"].send("JOIN #club")
    people["luz"] = driver.irc("luz")
    people["luz"].send("AWAY :de viaje")
    for person in people.values():
        person.heard()
    return people


@pytest.mark.parametrize(
    ("who", "line", "answers"),
    [
        ("eva", "/topic", ["* #club has no topic"]),
        ("eva", "/invite", ["! how to use it: /invite NICK"]),
        ("eva", "/invite carla", ["* you have invited carla to #club"]),
        ("eva", "/invite luz", ["* you have invited luz to #club", "* luz is away: de viaje"]),
        ("eva", "/invite beto", ["! beto is in #club already"]),
        ("eva", "/invite nadie", ["! nobody here is called nadie"]),
        ("eva", "/kick", ["! how to use it: /kick NICK [REASON]"]),
        ("eva", "/kick carla", ["! carla is not in #club"]),
        ("eva", "/kick nadie", ["! nobody here is called nadie"]),
        ("beto", "/kick eva", ["! only an operator of #club may do that"]),
        ("eva", "/op", ["! how to use it: /op NICK"]),
        ("eva", "/op carla", ["! carla is not in #club"]),
        ("eva", "/op eva", []),
        ("beto", "/op beto", ["! only an operator of #club may do that"]),
        ("beto", "/mode +m", ["! only an operator of #club may do that"]),
        ("carla", "/mode +m", ["! only an operator of #lobby may do that"]),
        ("carla", "/topic x", ["! only an operator of #lobby may do that"]),
        ("carla", "/kick ana", ["! only an operator of #lobby may do that"]),
        ("eva", "/mode m", ["! how to use it: /mode [CHANGE [VALUE]]"]),
        ("eva", "/mode #club", ["! how to use it: /mode [CHANGE [VALUE]]"]),
        ("eva", "/mode +", ["! how to use it: /mode [CHANGE [VALUE]]"]),
        ("eva", "/mode +k", ["! how to use it: /mode [CHANGE [VALUE]]"]),
        ("eva", "/mode +lo", ["! how to use it: /mode [CHANGE [VALUE]]"]),
        ("eva", "/mode +k clave muy secreta",
         ["[23:13] * eva set +k clave", "! not read: muy secreta (a key, a nickname and a mask are one word each)"]),
        ("eva", "/mode e", ["! how to use it: /mode [CHANGE [VALUE]]"]),
        ("eva", "/mode +e", ["* the bans of #club have no exceptions"]),
        ("eva", "/mode +I", ["* +i of #club has no exceptions"]),
        ("beto", "/mode +e", ["! only an operator of #club may do that"]),
        ("eva", "/mode +l 0", ["! +l 0: Not a positive number"]),
        ("eva", "/mode +o", ["! how to use it: /mode [CHANGE [VALUE]]"]),
        ("eva", "/mode +x", ["! there is no mode x, there are b, i, k, l, m, n, o, s, t and v"]),
        ("eva", "/mode +l many", ["! +l many: Not a positive number"]),
        ("eva", "/mode +k a,b", ["! +k: Not a usable channel key"]),
        ("eva", "/", ["! a command stands right behind its slash: /help shows them, // says a slash"]),
        ("eva", "/ join", ["! a command stands right behind its slash: /help shows them, // says a slash"]),
        ("eva", "/msg History #club 3", ["! here /history and /search show what was said in the room"]),
        ("eva", "/nick ána lopez", ["! ána lopez cannot be a nickname: it has a blank in it"]),
        (
            "eva",
            "/nick \u0430na",
            [
                "! \u0430na cannot be a nickname: its letters are of several scripts, so that one may pass for another",
            ],
        ),
        ("beto", "/join #club", ["* you are in #club already"]),
        ("eva", f"/mode +b {'x' * 200}", ["! +b: Not a usable mask"]),
        ("eva", "/mode +b", ["* nobody is banned from #club"]),
        ("eva", "/mode +bbb x y z",
         ["[23:13] * eva set +b x!*@* +b y!*@*",
          "! #club has as many bans as a room may have, z!*@* is not among them"]),
        ("eva", "/whois", ["! how to use it: /whois NICK"]),
        ("eva", "/whois nadie", ["! nobody here is called nadie"]),
    ],
)  # fmt: skip
def test_the_answer(scene: Scene, who: str, line: str, answers: list[str]) -> None:
    assert scene[who].send(line) == answers


def test_a_topic_is_set_shown_and_cleared(scene: Scene) -> None:
    eva, beto, ana = scene["eva"], scene["beto"], scene["ana"]

    assert eva.send("/topic  los lunes no ") == ["[23:13] * eva set the topic: los lunes no"]
    assert beto.send("/topic") == [
        "[23:13] * eva set the topic: los lunes no", "* topic: los lunes no", "* set by eva (23:13)",
    ]  # fmt: skip
    assert ana.heard() == [":eva!~plain@127.0.0.1 TOPIC #club :los lunes no"]
    assert beto.send("/topic -") == ["[23:13] * beto cleared the topic"], "without +t it is everybody's"
    assert ana.heard() == [":beto!~plain@127.0.0.1 TOPIC #club :"]
    eva.send("/mode +t")
    beto.heard()
    assert beto.send("/topic mío") == ["! only an operator of #club may do that"]


def test_a_topic_is_as_long_as_ircs() -> None:
    """Cut where the same text is cut that an IRC client sets, whose prefix is as long: a long one, in a long room."""
    driver, room = Driver(), "#" + "r" * 63
    belen, plain = driver.plain("belen"), driver.irc("plain")
    belen.send("/nick " + "b" * 30, f"/join {room}")
    plain.send("NICK " + "p" * 30, f"JOIN {room}")
    belen.heard()

    plain.send(f"TOPIC {room} :" + "ñ" * 215)
    (by_irc,) = belen.heard()
    (by_plain,) = belen.send("/topic " + "ñ" * 215)

    assert by_irc.replace("p" * 30, "b" * 30) == by_plain
    assert len(plain.heard()[-1].encode()) in (509, 510)


def test_who_is_kicked_reads_why_and_where_they_are_now(scene: Scene) -> None:
    eva, beto, ana = scene["eva"], scene["beto"], scene["ana"]

    assert eva.send("/kick beto  por ruido ") == ["[23:13] * eva kicked beto out (por ruido)"]
    assert beto.heard() == [
        "[23:13] * eva kicked beto out (por ruido)",
        "! you are in no room, so what you type goes nowhere: /join #ROOM or /join #lobby",
    ]
    eva.send("/kick ana " + "x" * 400)
    assert ana.heard() == [
        ":eva!~plain@127.0.0.1 KICK #club beto :por ruido",
        ":eva!~plain@127.0.0.1 KICK #club ana :" + "x" * 300,
    ]


def test_an_invitation_opens_the_door(scene: Scene) -> None:
    eva, carla, luz = scene["eva"], scene["carla"], scene["luz"]
    eva.send("/mode +i")
    assert carla.send("/join #club") == ["! #club is for invited people only"]

    eva.send("/invite carla", "/invite luz")

    assert carla.heard() == ["[23:13] * eva invites you: /join #club, and behind it the key if it has one"]
    assert luz.heard() == [":eva!~plain@127.0.0.1 INVITE luz #club"]
    assert carla.send("/join #club")[-1] == "* in #club: eva, beto, ana, carla"


def test_an_operator_makes_others_operators_and_takes_it_back(scene: Scene) -> None:
    eva, beto, ana = scene["eva"], scene["beto"], scene["ana"]

    assert eva.send("/op beto") == ["[23:13] * eva set +o beto"]
    beto.heard()
    assert beto.send("/mode -o eva") == ["[23:13] * beto set -o eva"]
    assert eva.send("/op eva")[-1] == "! only an operator of #club may do that"
    assert ana.heard() == [
        ":eva!~plain@127.0.0.1 MODE #club +o beto",
        ":beto!~plain@127.0.0.1 MODE #club -o eva",
    ]


def test_modes_are_shown_in_letters_and_in_words(scene: Scene) -> None:
    eva, beto = scene["eva"], scene["beto"]
    eva.send("/mode +kl llave 5", "/mode +b malo", "/mode -n")
    beto.heard()

    assert beto.send("/mode") == [
        "* modes of #club: +kl llave 5",
        "*   +k: who comes in must know the key",
        "*   +l: so many people fit in",
    ]
    assert (
        beto.send("/mode +b")
        == [
            "* banned from #club: malo!*@* (by eva, 23:13)",
            "! only an operator of #club may do that",
        ][:1]
    )
    eva.send("/mode -kl *")
    beto.heard()
    assert beto.send("/mode") == ["* #club has no modes"]


def test_every_mode_has_its_words(scene: Scene) -> None:
    eva = scene["eva"]
    eva.send("/mode +imnstkl llave 5")

    for language in ("en", "es"):
        eva.send(f"/lang {language}")
        shown = eva.send("/mode")
        assert [line[:6] for line in shown[1:]] == [f"*   +{letter}" for letter in "imnstkl"]


def test_away_is_told_to_who_writes_and_who_asks(scene: Scene) -> None:
    eva, beto, ana = scene["eva"], scene["beto"], scene["ana"]

    assert eva.send("/away " + "x" * 400) == ["* you are away: " + "x" * 300]
    assert eva.send("/away comiendo") == ["* you are away: comiendo"]
    assert beto.send("/msg eva hola") == ["* eva is away: comiendo"]
    assert ana.send("PRIVMSG eva :hola") == [":mpchat.local 301 ana eva :comiendo"]
    eva.heard()
    assert eva.send("/away") == ["* you are back"]
    assert beto.send("/msg eva hola") == []


def test_whois_tells_what_ircs_tells(scene: Scene) -> None:
    ana, eva, carla, driver = scene["ana"], scene["eva"], scene["carla"], scene["ana"].driver
    ana.send("OPER root *")
    driver.answer(True)
    ana.send("JOIN #suya", "JOIN #secreta", "MODE #secreta +s", "AWAY :comiendo", "PRIVMSG #club :ya")
    eva.heard()
    driver.pass_time(100)

    assert eva.send("/whois ANA") == [
        "* ana is ~ana@127.0.0.1 (Ana Realname)",
        "* ana is in #club, #suya (operator)",
        "* ana is a server operator",
        "* ana is away: comiendo",
        "* ana has said nothing for 1 min, and has been here since 23:13",
    ]
    eva.send("/mode +v beto")
    assert carla.send("/whois beto")[1] == "* beto is in #club (voice)"
    eva.send("/mode +s")
    driver.pass_time(2400)
    assert carla.send("/whois beto") == [
        "* beto is ~plain@127.0.0.1 (beto)",
        "* beto has said nothing for 41 min, and has been here since 23:13",
    ]


def test_who_is_in_no_room_decides_about_none(scene: Scene) -> None:
    """Kicked out of the lobby and banned there."""
    root, carla = scene["luz"], scene["carla"]
    root.send("JOIN #lobby", "OPER root *")
    root.driver.answer(True)
    root.send("MODE #lobby +b carla", "KICK #lobby carla")
    carla.heard()

    for line in ("/topic", "/topic x", "/invite ana", "/kick ana", "/op ana", "/mode", "/mode +m"):
        assert carla.send(line) == ["! you are in no room, so what you type goes nowhere: /join #ROOM or /join #lobby"]


def test_a_newcomer_needs_a_name_first(scene: Scene) -> None:
    newcomer = scene["eva"].driver.connect(plain=True)
    newcomer.heard()

    for line in ("/topic x", "/invite ana", "/kick ana", "/op ana", "/mode +m", "/away", "/whois ana"):
        assert newcomer.send(line) == ["! first a nickname: type it and press Enter"]


@pytest.mark.parametrize(
    ("seconds", "idle"), [(0, "0 s"), (59, "59 s"), (60, "1 min"), (3599, "59 min"), (7260, "2 h 1 min")]
)
def test_how_long_somebody_has_said_nothing(seconds: int, idle: str) -> None:
    driver = Driver()
    ana, beto = driver.plain("ana"), driver.plain("beto")
    driver.pass_time(seconds)
    ana.heard()
    beto.heard()

    assert f"has said nothing for {idle}, " in ana.send("/whois beto")[-1]


@pytest.mark.parametrize("line", ["/ignore beto", "/unignore beto"])
def test_plain_text_hides_nobody_and_says_what_can_be_done(scene: Scene, line: str) -> None:
    (told,) = scene["eva"].send(line)
    assert told.startswith("! plain text hides nobody")


def test_a_wrong_key_is_called_so(scene: Scene) -> None:
    scene["eva"].send("/mode +k llave")
    assert scene["carla"].send("/join #club") == ["! #club needs its key: /join #club KEY"]
    assert scene["carla"].send("/join #club wrong") == ["! that is not the key of #club"]


def test_a_kick_without_a_reason_names_none(scene: Scene) -> None:
    scene["eva"].send("/op ana")
    scene["beto"].heard()
    scene["ana"].send("KICK #club eva :ana")
    assert scene["beto"].heard()[-1].endswith("* ana kicked eva out")


def test_what_was_no_command_when_it_was_typed_does_nothing_when_it_is_replayed() -> None:
    """The first record of an older run does not have the setting that says that there are all commands."""
    driver = Driver()
    older = tuple(each for each in pack(driver.chat) if each[0] != "level")
    driver.feed(("start", older, 2, 60, driver.wall, driver.mono))
    eva, ana = driver.plain("eva"), driver.irc("ana")
    eva.send("/join #club")
    ana.send("JOIN #club")
    eva.heard()

    for line in ("/topic x", "/kick ana", "/op ana", "/mode +k x", "/invite ana", "/away x", "/whois ana", "/lang es"):
        assert eva.send(line)[0].startswith(f"! there is no {line.split()[0]}, ")
    assert ana.heard() == []
    assert len(eva.send("/help")) == 12


def test_exceptions_are_set_and_shown(scene: Scene) -> None:
    eva = scene["eva"]
    eva.send("/mode +eI carla good.example")
    (spared,), (invited,) = eva.send("/mode +e"), eva.send("/mode +I")
    assert spared.startswith("* no ban of #club meets: carla!*@* (by eva, ")
    assert invited.startswith("* comes into #club without an invitation: good.example!*@* (by eva, ")


@pytest.mark.parametrize(("level", "numeric"), [(3, "472"), (4, "MODE")])
def test_a_server_of_before_knows_no_exceptions(level: int, numeric: str) -> None:
    ana = Driver(ChatSettings(level=level)).irc("ana")
    assert (b" BOT=B ELIST=CMNTU EXCEPTS=e INVEX=I " in ana.output) == (level == 4)
    assert [line.split()[1] for line in ana.send("MODE ana +B")] == ["MODE" if level == 4 else "501"]
    ana.send("JOIN #club")
    (answer,) = ana.send("MODE #club +e beto")
    assert answer.split()[1] == numeric


def test_who_is_a_bot_is_told(scene: Scene) -> None:
    assert "* ana is a program (a bot)" not in scene["eva"].send("/whois ana")
    scene["ana"].send("MODE ana +B")
    assert "* ana is a program (a bot)" in scene["eva"].send("/whois ana")
