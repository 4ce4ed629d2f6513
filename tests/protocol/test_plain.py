"""protocol/plain: what nc's user reads, whatever they or others do."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mpchat.chat.channels import OP, Channel
from mpchat.chat.events import (
    ActsAsOperator,
    Event,
    Invited,
    Joined,
    Kicked,
    Left,
    ModesSet,
    Parted,
    Regained,
    Renamed,
    Said,
    TopicSet,
    Wallops,
)
from mpchat.chat.hub import Hub
from mpchat.chat.refusals import Reason, Refusal
from mpchat.chat.sessions import Session
from mpchat.chat.text import clean
from mpchat.protocol.context import Context
from mpchat.protocol.plain import profiles, refuse, render
from mpchat.protocol.plain.commands import COMMANDS
from mpchat.protocol.plain.languages import PROFILES
from mpchat.settings import ChatSettings
from mpchat.texts import LANGUAGES
from tests.core.driver import UTC_OFFSET, WALL, Driver
from tests.protocol.test_telnet import PUTTY
from tests.protocol.test_web import REQUESTS


def person(nick: str) -> Session:
    session = Session(1, "127.0.0.1")
    session.name(nick)
    return session


def room(topic: str = "") -> Channel:
    channel = Channel("#a", 0)
    channel.topic = topic
    return channel


ANA, BETO = person("ana"), person("beto")


@pytest.mark.parametrize(
    ("event", "english", "spanish"),
    [
        (Said(ANA, room(), "#a", "hola", False, 1), "<ana> hola", "<ana> hola"),
        (Said(ANA, room(), "#a", "hola", True, 1), "-ana- hola", "-ana- hola"),
        (Said(ANA, room(), "#a", "\x01ACTION saluda\x01", False, 1), "<*ana> saluda", "<*ana> saluda"),
        (Said(ANA, room(), "#a", "\x02\x0304rojo\x0f", False, 1), "<ana> rojo", "<ana> rojo"),
        (Said(ANA, BETO, "beto", "hola", False, 1), "<ana -> you> hola", "<ana -> ti> hola"),
        (Said(ANA, BETO, "beto", "\x01ACTION ríe\x01", False, 1), "<*ana -> you> ríe", "<*ana -> ti> ríe"),
        (Joined(ANA, room()), "* ana joined", "* ana entró"),
        (Regained(ANA, room(), OP), "* ana has +o again", "* ana vuelve a tener +o"),
        (Parted(ANA, room(), ""), "* ana left", "* ana salió"),
        (Parted(ANA, room(), "me voy"), "* ana left (me voy)", "* ana salió (me voy)"),
        (Kicked(ANA, BETO, room(), "fuera"), "* ana kicked beto out (fuera)", "* ana expulsó a beto (fuera)"),
        (TopicSet(ANA, room("tema")), "* ana set the topic: tema", "* ana puso el tema: tema"),
        (TopicSet(ANA, room()), "* ana cleared the topic", "* ana quitó el tema"),
        (
            ModesSet(ANA, room(), [("+", "m", ""), ("-", "o", "beto")]),
            "* ana set +m -o beto",
            "* ana cambió los modos: +m -o beto",
        ),
        (Renamed(BETO, "ana!~ana@127.0.0.1", []), "* ana is now beto", "* ana ahora es beto"),
        (Left(ANA, [], "Quit: adiós"), "* ana quit (Quit: adiós)", "* ana se desconectó (Despedida: adiós)"),
        (Left(ANA, [], "Client quit"), "* ana quit (Client quit)", "* ana se desconectó (Salió)"),
        (
            ActsAsOperator(ANA, room(), None),
            "* ana acts as a server operator",
            "* ana actúa como operador del servidor",
        ),
        (
            ActsAsOperator(ANA, room(), BETO),
            "* ana acts as a server operator, inviting beto",
            "* ana actúa como operador del servidor, e invita a beto",
        ),
        (
            Invited(ANA, BETO, room()),
            "* ana invites you: /join #a, and behind it the key if it has one",
            "* ana te invita: /join #a, y detrás la clave si la tiene",
        ),
        (Wallops(ANA, "atención"), "* announcement by ana: atención", "* anuncio de ana: atención"),
    ],
)
def test_an_event_in_words(event: Event, english: str, spanish: str) -> None:
    assert shown(event) == f"[23:13] {english}\n".encode()
    assert shown(event, PROFILES["es"]) == f"[23:13] {spanish}\n".encode()


def test_the_first_minute() -> None:
    driver = Driver(ChatSettings(network="uni", motd=("Buenas.",)))
    ana = driver.connect(plain=True)
    assert ana.heard() == ["Welcome to uni.", "Buenas.", "Type your nickname and press Enter."]
    assert ana.send("", "a b", "/join #a", "/who") == [
        "! type a nickname",
        "! a b cannot be a nickname: it has a blank in it",
        "! first a nickname: type it and press Enter",
        "! first a nickname: type it and press Enter",
    ]
    driver.irc("Beto").send("JOIN #lobby")
    assert ana.send("/nick beto") == ["! beto is taken, try another nickname"]
    assert ana.send("ana") == [
        "* you are ana; /help shows the commands, everything else you type is said",
        "[23:13] * ana joined",
        "* in #lobby: Beto, ana",
    ]


@pytest.mark.parametrize(
    ("line", "answers"),
    [
        ("", []),
        ("hola", []),
        ("//hola", []),
        ("/", ["! a command stands right behind its slash: /help shows them, // says a slash"]),
        ("/jion #a", ["! there is no /jion, did you mean /join?"]),
        ("/nick", ["! type a nickname"]),
        ("/nick ana", ["* you are ana already"]),
        ("/nick Ana", ["[23:13] * ana is now Ana"]),
        ("/nick beto", ["! beto is taken, try another nickname"]),
        ("/join", ["! how to use it: /join #ROOM [KEY]"]),
        ("/join #lobby", ["* you are in #lobby already"]),
        ("/join lobby", ["* you are in #lobby already"]),
        ("/join #", ["! # cannot be a room's name"]),
        ("/join #llave", ["! #llave needs its key: /join #llave KEY"]),
        ("/JOIN #llave  secret ", [
            "[23:13] * ana left", "[23:13] * ana joined", "* in #llave: carla, ana", "* topic: llaves",
        ]),
        ("/join #llena", ["! #llena is full"]),
        ("/join #cerrada", ["! #cerrada is for invited people only"]),
        ("/join #vetada", ["! you are banned from #vetada"]),
        ("/part", ["* you are in #lobby already"]),
        ("/msg", ["! how to use it: /msg NICK TEXT"]),
        ("/msg beto", ["! say what?"]),
        ("/msg nadie hola", ["! nobody here is called nadie"]),
        ("/msg #nada hola", ["! there is no room #nada"]),
        ("/msg #muda hola", ["! you may not speak in #muda"]),
        ("/msg beto hola", []),
        ("/msg carla hola", ["* carla is away: de viaje"]),
        ("/me", ["! say what?"]),
        ("/me saluda", []),
        ("/who", ["* in #lobby: beto, ana"]),
        ("/who #LLAVE", ["* in #llave: carla"]),
        ("/who #secreta", ["! there is no room #secreta"]),
        ("/rooms", [
            "* #lobby (2)", "* #llave (1)  llaves", "* #llena (1)", "* #cerrada (1)", "* #vetada (1)", "* #muda (1)",
        ]),
        ("/pass x", ["! no password is needed"]),
        ("/quit", ["* goodbye (Client quit)"]),
        ("/quit \x02hasta\x0f luego", ["* goodbye (Quit: hasta luego)"]),
        ("/quit " + "x" * 400, ["* goodbye (Quit: " + "x" * 300 + ")"]),
        ("/quit hasta luego", ["* goodbye (Quit: hasta luego)"]),
        ("x" * 600, ["! that was too long: only its first 472 bytes were sent"]),
    ],
)  # fmt: skip
def test_the_answer(line: str, answers: list[str]) -> None:
    driver = Driver()
    carla, beto, ana = driver.irc("carla"), driver.plain("beto"), driver.plain("ana")
    for name, mode in (("llave", "k secret"), ("llena", "l 1"), ("cerrada", "i"), ("vetada", "b ana"), ("muda", "m")):
        carla.send(f"JOIN #{name}", f"MODE #{name} +{mode}")
    carla.send("JOIN #secreta", "MODE #secreta +s", "TOPIC #llave :llaves", "AWAY :de viaje")
    beto.heard()
    ana.heard()

    assert ana.send(line) == answers


def test_a_newcomer_may_say_it_as_a_command_too() -> None:
    ana = Driver().connect(plain=True)
    ana.heard()

    assert ana.send("/nick ana")[0].startswith("* you are ana;")


def test_telnets_commands_are_left_out_of_what_is_typed() -> None:
    """These are PuTTY's first bytes; the Return that follows them alone is nobody's name."""
    driver = Driver()
    ana, beto = driver.connect(plain=True), driver.plain("beto")
    ana.heard()
    beto.heard()

    assert ana.send(PUTTY) == []
    assert ana.send("") == ["! type a nickname"], "somebody has pressed Return"
    assert ana.send(PUTTY + b"ana\r")[0].startswith("* you are ana;")
    assert ana.send(b"hol\xff\xf1a", b"\xff\xf6", PUTTY + b"/me saluda") == []
    assert beto.heard()[1:] == ["[23:13] <ana> hola", "[23:13] <*ana> saluda"]


def test_a_telnet_command_may_hold_the_byte_that_ends_a_line() -> None:
    """A window of ten rows and ten columns, in the middle of a word; whatever dies meanwhile."""
    driver = Driver()
    ana, beto = driver.plain("ana"), driver.plain("beto")
    ana.heard()
    beto.heard()

    assert ana.send(b"ho\xff\xfa\x1f\x00", b"\x00") == []
    driver.replace_broker()
    assert ana.send(b"\xff\xf0la", b"ad\xff\xfd", b"i\xc3\xb3s") == []
    assert beto.heard() == ["[23:13] <ana> hola", "[23:13] <ana> adi\u00f3s"]
    assert ana.send(b"\xff\xfa" + b"x" * 4610, "hola") == [], "and one without an end is not waited for for ever"
    assert beto.heard() == ["[23:13] <ana> hola"]


@pytest.mark.parametrize("line", REQUESTS)
@pytest.mark.parametrize("password", [False, True])
def test_a_browser_is_sent_away(line: str | bytes, password: bool) -> None:
    """A web page could make it speak here for its user."""
    driver = Driver(ChatSettings(password_needed=password))
    browser = driver.connect(plain=True)
    browser.heard()

    assert browser.send(line, "/nick evil", "evil", "/pass x") == ["* goodbye (This is not a web server)"]
    assert browser.closed
    assert driver.asked == []


def test_who_has_a_name_may_speak_of_requests() -> None:
    driver = Driver()
    ana, beto = driver.plain("ana"), driver.plain("beto")
    beto.heard()

    ana.send("GET / HTTP/1.1", "Host: x")

    assert beto.heard() == ["[23:13] <ana> GET / HTTP/1.1", "[23:13] <ana> Host: x"]


def test_a_request_too_long_to_be_seen_is_known_by_its_next_line() -> None:
    browser = Driver().connect(plain=True)
    browser.heard()

    browser.driver.feed(*browser.too_long(b"POST /" + b"x" * 9000), *browser.records(["Host: 127.0.0.1:6680", "evil"]))

    assert browser.heard()[-1] == "* goodbye (This is not a web server)"
    assert browser.closed


@pytest.mark.parametrize("language", LANGUAGES)
def test_help_names_every_command_and_fits_a_screen(language: str) -> None:
    driver = Driver(ChatSettings(language=language))
    driver.feed(("accounts", [], ["PLAIN"]))
    ana = driver.plain("ana")
    ana.heard()

    lines = ana.send("/help")

    useless = {"pass", "logout", "password", "drop"}  # there is no password, and they have not logged in
    assert [line.split()[1] for line in lines[:-1]] == [f"/{name}" for name in COMMANDS if name not in useless]
    assert {len(line) - len(line[25:]) for line in lines} == {25}, "in columns"
    assert all(line[24] == " " and line[25] != " " for line in lines)
    assert len(lines) <= 22
    assert max(map(len, lines)) <= 79


def test_what_others_read() -> None:
    driver = Driver()
    ana, beto, carla = driver.plain("ana"), driver.plain("beto"), driver.irc("carla")
    carla.send("JOIN #lobby")
    beto.heard()

    ana.send("  hola\ta todos ", "//hola", "/me saluda", "/msg beto chist", "/msg carla \x1b[31mrojo")

    assert beto.heard() == [
        "[23:13] <ana> hola a todos",
        "[23:13] <ana> /hola",
        "[23:13] <*ana> saluda",
        "[23:13] <ana -> you> chist",
    ]
    source = ":ana!~plain@127.0.0.1"
    assert carla.heard()[-4:] == [
        f"{source} PRIVMSG #lobby :hola a todos",
        f"{source} PRIVMSG #lobby :/hola",
        f"{source} PRIVMSG #lobby :\x01ACTION saluda\x01",
        f"{source} PRIVMSG carla :[31mrojo",
    ]


def test_to_move_is_to_leave() -> None:
    driver = Driver()
    ana, beto, carla = driver.plain("ana"), driver.plain("beto"), driver.plain("carla")
    carla.send("/join #a")
    beto.heard()
    carla.heard()

    ana.send("/join #a")

    assert beto.heard() == ["[23:13] * ana left"]
    assert carla.heard() == ["[23:13] * ana joined"]
    assert ana.send("/part")[-1] == "* in #lobby: beto, ana"
    assert carla.heard() == ["[23:13] * ana left"]


def test_bytes_that_are_not_text_are_refused() -> None:
    ana = Driver().plain("ana")
    ana.heard()

    assert ana.send(b"caf\xe9") == ["! that was not UTF-8 text, nothing was sent"]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("reason", Reason)
def test_every_refusal_has_its_words(reason: Reason, language: str) -> None:
    """Whatever can be refused, each dialect says; with all the values that Reason names, and no sentence wants more."""
    driver = Driver(ChatSettings(language=language))
    driver.plain("ana")
    (connection,) = driver.core._connections.values()

    line = refuse(driver.core._context, connection, Refusal(reason, "uno", "dos", "tres", "cuatro")).decode()

    assert line.startswith("! ")
    assert line.endswith("\n")
    assert "{" not in line.replace("_^{}|-", "")


# Nobody's words look like the server's own

hostile = st.one_of(
    st.sampled_from(
        ["quit (Client quit)", "* beto quit (Client quit)", "joined", "> * beto joined", "by root: hola", ""]
    ),
    st.text(max_size=20).map(clean),  # as every text that comes in
)
odd_nicks = st.sampled_from(
    [
        *("ana", "announcement", "by", "you", "now", "quit", "set", "the", "topic", "joined", "in"),
        *("anuncio", "de", "ti", "ahora", "es", "salió", "entró", "puso", "el", "tema", "se", "te", "cambió"),
    ]
)


def told_by_the_server(nick: str, text: str) -> list[Event]:
    """All that the server tells of what somebody does."""
    who, other = person(nick), person("beto")
    return [
        Joined(who, room()),
        Parted(who, room(), text),
        Kicked(who, other, room(), text),
        TopicSet(who, room(text)),
        ModesSet(who, room(), [("+", "m", ""), ("-", "o", "beto")]),
        Renamed(other, f"{nick}!~u@h", []),
        Left(who, [], text),
        Invited(who, other, room()),
        Wallops(who, text),
    ]


def shown(event: Event, profile: int = PROFILES["en"]) -> bytes:
    line = render(Context(Hub(ChatSettings(), 0), ChatSettings(), 0, UTC_OFFSET, WALL), event, profile)
    assert line.count(b"\n") == 1
    return line


@given(
    one=odd_nicks,
    words=hostile,
    other=odd_nicks,
    reason=hostile,
    notice=st.booleans(),
    private=st.booleans(),
    profile=st.sampled_from(profiles),
)
@example("beto", "\x01ACTION quit (Client quit)\x01", "beto", "Client quit", False, False, -1)
@example("beto", "\x01ACTION quit (Client quit)\x01", "beto", "Client quit", False, True, -1)
@example("beto", "\x01ACTION se desconectó (Salió)\x01", "beto", "Client quit", False, False, -2)
def test_no_words_make_a_line_of_the_servers(
    one: str, words: str, other: str, reason: str, notice: bool, private: bool, profile: int
) -> None:
    """However they are said; and what one event tells of somebody, no other one tells."""
    to: Channel | Session = BETO if private else room()
    told = [shown(event, profile) for event in told_by_the_server(other, reason)]

    for text in (words, f"\x01ACTION {words}\x01"):
        line = shown(Said(person(one), to, "#a", text, notice, 1), profile)
        assert line not in told
        assert re.match(rb"\[23:13\] [<-]", line)

    assert all(line.startswith(b"[23:13] * ") for line in told)
    others = [shown(event, profile) for event in told_by_the_server(one, words)]
    assert one == other or not set(told) & set(others)
    assert len(set(told)) == len(told)


@given(words=hostile)
def test_what_is_done_is_not_what_is_said(words: str) -> None:
    said = shown(Said(ANA, room(), "#a", words, False, 1))
    done = shown(Said(ANA, room(), "#a", f"\x01ACTION {words}\x01", False, 1))

    assert said.startswith(b"[23:13] <ana> ")
    assert done.startswith(b"[23:13] <*ana> ")
