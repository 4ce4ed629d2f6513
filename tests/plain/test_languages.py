"""Plain text in two languages over TCP: both in one room, each in their own, whatever process dies."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mpchat.settings import ChatSettings, Settings
from tests.running import PlainClient, Server
from tests.system.servers import Unusual, built, kill, needs_linux, replaced, unusual


@pytest.fixture(scope="module")
def spanish(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that speaks Spanish to who has not said otherwise."""
    chat = ChatSettings(language="es", room_flags="n")
    data = str(tmp_path_factory.mktemp("spanish"))
    with unusual(settings=Settings(port=0, plain_port=0, unlimited=True, workers=2, chat=chat, data=data)) as it:
        yield it


def reader(server: Server, language: str, nick: str, room: str) -> PlainClient:
    """Somebody in a room who has chosen a language and read everything about it."""
    client = server.plain()
    client.send(f"/lang {language}", nick, f"/join {room}")
    client.expect(f" {room}: ")
    client.ask()
    return client


def heard(client: PlainClient) -> list[str]:
    """What has happened meanwhile, without the times."""
    return [line[8:] for line in client.ask()]


def test_two_people_read_the_same_events_each_in_their_own_language(
    server: Server, channel: str, nicks: Iterator[str]
) -> None:
    ana, bob, carla = next(nicks), next(nicks), next(nicks)
    first, second = reader(server, "es", ana, channel), reader(server, "en", bob, channel)
    irc = server.irc(carla)
    assert heard(first) == [f"* {bob} entró"]

    irc.join(channel)
    irc.ask(f"PRIVMSG {channel} :hola", f"PRIVMSG {ana} :psst", f"PRIVMSG {bob} :psst", f"PART {channel} :adiós")

    assert heard(first) == [
        f"* {carla} entró",
        f"<{carla}> hola",
        f"<{carla} -> ti> psst",
        f"* {carla} salió (adiós)",
    ]
    assert heard(second) == [
        f"* {carla} joined",
        f"<{carla}> hola",
        f"<{carla} -> you> psst",
        f"* {carla} left (adiós)",
    ]


@needs_linux
@pytest.mark.parametrize("role", ["broker", "worker0", "worker1"])
def test_the_language_outlives_a_process(spanish: Server, nicks: Iterator[str], channel: str, role: str) -> None:
    ana, bob = next(nicks), next(nicks)
    first, second = reader(spanish, "es", ana, channel), reader(spanish, "en", bob, channel)
    newcomer = spanish.plain()
    newcomer.send("/lang en", "/lang")
    newcomer.expect("* your language is English;")
    first.ask()

    replaced(spanish, kill(spanish, role), role)

    assert second.ask("hola", "/topic tarea")[-1].endswith(f"* {bob} set the topic: tarea")
    assert heard(first) == [f"<{bob}> hola", f"* {bob} puso el tema: tarea"]
    assert first.ask("/lang")[0].startswith("* tu idioma es español;")
    newcomer.send("/who")
    assert newcomer.read() == "! first a nickname: type it and press Enter"


def test_a_server_that_speaks_spanish_greets_in_spanish(spanish: Server, nicks: Iterator[str]) -> None:
    nick = next(nicks)
    newcomer = spanish.plain()
    assert newcomer.read() == "Te damos la bienvenida a mpchat."
    assert newcomer.read() == "Escribe tu apodo y pulsa Enter."
    newcomer.send(nick, "/quit hasta luego")
    assert newcomer.read() == f"* eres {nick}; /help muestra los comandos, todo lo demás que escribas se dice"
    assert newcomer.rest()[-1] == "* adiós (Despedida: hasta luego)"


def test_who_finds_no_room_is_told_so_in_spanish() -> None:
    """Nobody knows yet what they read."""
    chat = ChatSettings(language="es")
    with unusual(settings=Settings(port=0, plain_port=0, unlimited=True, max_clients=1, chat=chat)) as server:
        server.plain().expect("apodo")

        assert server.plain().rest() == ["! El servidor está lleno"]
        assert server.irc().rest() == ["ERROR :Closing link: (Server is full)"]


@needs_linux
def test_a_server_that_must_end_says_why_in_its_own_language() -> None:
    """Its workers say it: there is no broker any more that knows what somebody reads."""
    settings = Settings(port=0, plain_port=0, unlimited=True, chat=ChatSettings(language="es"))
    server = Unusual(built(settings))
    try:
        ana = server.plain()
        ana.expect("apodo")
        kill(server, "broker")
        assert ana.rest() == ["! Su broker ha muerto, y no guarda ningún diario"]
        ana.close()
    finally:
        assert server.stop() == 1


@pytest.mark.parametrize("language", ["en", "es"])
def test_help_fits_a_terminal(server: Server, nicks: Iterator[str], channel: str, language: str) -> None:
    lines = reader(server, language, next(nicks), channel).ask("/help")

    assert len(lines) <= 22
    assert max(map(len, lines)) <= 79
    assert [line.split()[1] for line in lines if line.startswith("* /lang")] == ["/lang"]


def test_irc_sees_what_an_operator_with_nothing_but_nc_does(server: Server, channel: str, nicks: Iterator[str]) -> None:
    nick, irc = next(nicks), server.irc(next(nicks))
    eva = reader(server, "es", nick, channel)
    irc.join(channel)
    source = f":{nick}!~plain@127.0.0.1"

    eva.ask("/topic tarea", "/mode +m", f"/mode +v {irc.nick}", f"/op {irc.nick}", f"/kick {irc.nick} por ruido")

    assert irc.sync() == [
        f"{source} TOPIC {channel} :tarea",
        f"{source} MODE {channel} +m",
        f"{source} MODE {channel} +v {irc.nick}",
        f"{source} MODE {channel} +o {irc.nick}",
        f"{source} KICK {channel} {irc.nick} :por ruido",
    ]
    eva.ask("/mode +i", f"/invite {irc.nick}")
    assert irc.sync() == [f"{source} INVITE {irc.nick} {channel}"]
    assert f":mpchat.local 332 {irc.nick} {channel} :tarea" in irc.join(channel)
