"""core: people who read plain text in different languages, in one room with each other and with IRC's clients."""

from __future__ import annotations

import pytest

from mpchat.core.machine import Core
from mpchat.protocol.plain.languages import BITS, OF_PROFILE, PROFILES
from mpchat.settings import ChatSettings
from mpchat.texts import LANGUAGES
from tests.core.driver import Driver, Person


@pytest.fixture
def driver() -> Driver:
    return Driver()


@pytest.fixture
def spanish() -> Driver:
    """A server that speaks Spanish by default."""
    return Driver(ChatSettings(language="es"))


def reading(driver: Driver, language: str, nick: str, worker: int = 0) -> Person:
    """Somebody in the lobby who has chosen a language and read everything."""
    person = driver.connect(plain=True, worker=worker)
    person.send(f"/lang {language}", nick)
    return person


def test_each_language_of_the_tables_can_be_chosen() -> None:
    assert BITS.keys() == PROFILES.keys() == LANGUAGES.keys()
    assert len(OF_PROFILE) == len(PROFILES)


def test_each_reads_what_happens_in_their_own_language(driver: Driver) -> None:
    ana, bob = reading(driver, "es", "ana"), reading(driver, "en", "bob")
    carla = driver.irc("carla")
    for person in (ana, bob):
        person.heard()

    carla.send("JOIN #lobby", "PRIVMSG #lobby :hola", "PRIVMSG ana :psst", "PRIVMSG bob :psst", "QUIT :ya está")

    assert ana.heard() == [
        "[23:13] * carla entró",
        "[23:13] <carla> hola",
        "[23:13] <carla -> ti> psst",
        "[23:13] * carla se desconectó (Despedida: ya está)",
    ]
    assert bob.heard() == [
        "[23:13] * carla joined",
        "[23:13] <carla> hola",
        "[23:13] <carla -> you> psst",
        "[23:13] * carla quit (Quit: ya está)",
    ]


def test_lang_shows_the_language_and_changes_it(driver: Driver) -> None:
    ana, beto = driver.plain("ana"), driver.plain("beto")
    ana.heard()

    assert ana.send("/lang") == [
        "* your language is English; there are en (English), es (español): /lang CODE changes it"
    ]
    assert ana.send("/lang fr") == ["! there is no language fr: there are en (English), es (español)"]
    assert ana.send("/lang ES", "/lang") == [
        "* a partir de ahora, en español",
        "* tu idioma es español; hay en (English), es (español): /lang CÓDIGO lo cambia",
    ]
    beto.send("hola", "/join #a")
    assert ana.heard() == ["[23:13] <beto> hola", "[23:13] * beto salió"]
    assert ana.send("/lang en", "/lang en", "/part") == [
        *["* from now on in English"] * 2, "* you are in #lobby already",
    ]  # fmt: skip
    beto.send("/part")
    assert ana.heard() == ["[23:13] * beto joined"]


def test_it_can_be_chosen_before_the_nickname(driver: Driver) -> None:
    ana = driver.connect(plain=True)
    assert ana.heard() == ["Welcome to mpchat.", "Type your nickname and press Enter."]

    assert ana.send("/lang es", "/who", "ana") == [
        "* a partir de ahora, en español",
        "Escribe tu apodo y pulsa Enter.",
        "! primero un apodo: escríbelo y pulsa Enter",
        "* eres ana; /help muestra los comandos, todo lo demás que escribas se dice",
        "[23:13] * ana entró",
        "* en #lobby: ana",
    ]


def test_and_before_the_password() -> None:
    driver = Driver(ChatSettings(password_needed=True, wrong_passwords=2))
    ana = driver.connect(plain=True)
    ana.heard()

    assert ana.send("/lang es", "ana") == [
        "* a partir de ahora, en español",
        "Este servidor tiene contraseña: escribe /pass y la contraseña.",
        "! primero la contraseña: /pass y la contraseña",
    ]
    for answer, told in ((False, "! esa no es la contraseña"), (True, "Escribe tu apodo y pulsa Enter.")):
        ana.send("/pass *")
        driver.answer(answer)
        assert ana.heard() == [told]
    assert ana.send("/lang en") == ["* from now on in English", "Type your nickname and press Enter."]
    for _ in range(2):
        ana.send("/pass *")
        driver.answer(False)
    assert ana.heard()[-1] == "* goodbye (Too many wrong passwords)"


def test_a_newcomer_reads_what_the_server_speaks(spanish: Driver) -> None:
    ana = spanish.connect(plain=True)

    assert ana.heard() == ["Te damos la bienvenida a mpchat.", "Escribe tu apodo y pulsa Enter."]
    assert ana.send("ana")[-1] == "* en #lobby: ana"
    assert ana.send("/jion #a", "/xyzzy", b"caf\xe9") == [
        "! no existe /jion, ¿querías decir /join?",
        "! no existe /xyzzy, /help muestra los comandos",
        "! eso no era texto en UTF-8, no se envió nada",
    ]
    spanish.feed(*ana.too_long(b"x" * 9000))
    assert ana.heard() == ["! esa línea era demasiado larga, no se envió nada"]
    assert ana.send("x" * 600) == ["! era demasiado largo: solo se enviaron los primeros 472 bytes"]


def test_what_the_server_itself_says_is_in_the_readers_language(spanish: Driver) -> None:
    ana, bob = reading(spanish, "es", "ana"), reading(spanish, "en", "bob")
    eva, leo, luz = spanish.plain("eva"), spanish.plain("leo"), spanish.irc("luz")
    luz.send("JOIN #lobby")
    for person in (ana, bob):
        person.heard()

    spanish.feed(("full", (ana.id, bob.id)))
    eva.gone()
    leo.gone("Connection reset by peer")
    spanish.pass_time(200)
    spanish.feed(("silent", luz.id))
    spanish.feed(("stop", "Server shutting down"))

    assert ana.heard() == [
        "! El disco del servidor está lleno: lo que envías espera, y se atiende cuando haya sitio",
        "[23:13] * eva se desconectó (Conexión cerrada)",
        "[23:13] * leo se desconectó (El otro extremo cortó la conexión)",
        "[23:16] * luz se desconectó (Sin respuesta desde hace 200 segundos)",
        "* adiós (El servidor se detiene)",
    ]
    assert bob.heard() == [
        "! The server's disk is full: what you send waits, and is dealt with when there is room",
        "[23:13] * eva quit (Connection closed)",
        "[23:13] * leo quit (Connection reset by peer)",
        "[23:16] * luz quit (Ping timeout: 200 seconds)",
        "* goodbye (Server shutting down)",
    ]


def test_who_was_removed_is_told_why_and_for_how_long() -> None:
    driver = Driver(ChatSettings(language="es", opers_exist=True))
    root, ana, back = driver.irc("root"), driver.plain("ana"), driver.connect(plain=True)
    root.send("OPER root *")
    driver.answer(True)
    ana.heard()
    root.send("KILL ana :ruido")
    back.heard()

    assert ana.heard() == ["* adiós (Expulsión por root (ruido))"]
    assert back.send("ana") == ["! ana: un operador del servidor lo expulsó, prueba otra vez dentro de 30 s"]


def test_irc_reads_the_same_whatever_the_server_speaks(driver: Driver, spanish: Driver) -> None:
    lines = []
    for each in (driver, spanish):
        carla, ana = each.irc("carla"), each.plain("ana")
        carla.send("JOIN #lobby", "MOTD", "PRIVMSG nadie :x", "HELP", "WHOIS ana")
        ana.send("/topic x", "/quit")
        carla.gone()
        lines.append(bytes(carla.output))

    assert lines[0] == lines[1]


@pytest.mark.parametrize("how", ["snapshot", "journal"])
def test_the_language_outlives_the_broker(driver: Driver, how: str) -> None:
    """It is in the snapshot, and in the lines of the journal."""
    ana, bob = reading(driver, "es", "ana"), reading(driver, "en", "bob", worker=1)
    newcomer = driver.connect(plain=True)
    newcomer.send("/lang es")

    if how == "snapshot":
        driver.replace_broker()
    else:
        driver.core = Core()
        for block in driver.journal:
            driver.core.apply(block)

    ana.heard()
    bob.heard()
    assert bob.send("/join #a", "/xyzzy")[-1] == "! there is no /xyzzy, /help shows the commands"
    assert ana.heard() == ["[23:13] * bob salió"]
    assert newcomer.send("/who")[-1] == "! primero un apodo: escríbelo y pulsa Enter"
    assert ana.send("/lang en", "/xyzzy")[-1] == "! there is no /xyzzy, /help shows the commands"


def test_the_past_is_read_in_ones_own_language(spanish: Driver) -> None:
    ana = spanish.plain("ana")
    ana.heard()
    row = (1, spanish.wall, "#lobby", "beto!~b@h", "PRIVMSG", "hola", 60)

    for answer, told in (
        ([row, (1, spanish.wall, "#lobby", "", "GAP", "", 60)], "! aquí faltan algunos mensajes"),
        ([], "* el historial no tiene nada de #lobby"),
        (None, "! el historial no responde, inténtalo más tarde"),
    ):
        ana.send("/history")
        spanish.answer(answer)
        assert ana.heard()[-1] == told
    assert ana.send("/history x") == [
        "! se usa así: /history [N], cuántas líneas (100 como mucho), o /history 2026-11-30 14:30"
    ]
