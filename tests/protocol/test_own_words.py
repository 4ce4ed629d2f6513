"""protocol/plain/own_words: what the server says of itself is known again, and nobody else's words are."""

from __future__ import annotations

import re
from errno import ECONNRESET, EHOSTUNREACH, ETIMEDOUT
from os import strerror
from pathlib import Path

import pytest

import mpchat
from mpchat.protocol.plain.own_words import _KEYS, translated
from mpchat.texts import LANGUAGES

PACKAGE = Path(mpchat.__file__).parent
SOURCE = "\n".join(
    path.read_text()
    for path in PACKAGE.rglob("*.py")
    if path.relative_to(PACKAGE).parts[0] in {"core", "protocol", "chat", "flow", "worker", "supervisor"}
)
KERNELS = {strerror(number) for number in (ECONNRESET, ETIMEDOUT, EHOSTUNREACH)}  # why a connection broke
# How a reason is given: the end of a session, of a connection, or of the server
GIVEN = re.compile(r"(?:Goodbye|_gone|_quit|\.end|self\.stop|give_up)\(.*")
UNSEEN = {"Bad password", "It cannot start"}  # IRC's alone, to who was never in; and where nobody ever was


@pytest.mark.parametrize("key", _KEYS)
def test_what_is_known_is_what_is_said(key: str) -> None:
    """A sentence that was changed where it is said, and not in the tables, would not be translated any more."""
    pieces = re.split(r"\{\w+\}", LANGUAGES["en"][key])

    assert LANGUAGES["en"][key] in KERNELS or all(piece in SOURCE for piece in pieces if piece.strip(") "))


def test_each_reason_that_is_given_is_known() -> None:
    lines = "\n".join(GIVEN.findall(SOURCE))
    found = {found.strip() for found in re.findall(r'"([A-Z][^"{(]*)', lines)} - UNSEEN

    assert {"Client quit", "Connection closed", "Ping timeout:", "Killed", "Server shutting down"} <= found
    known = [LANGUAGES["en"][key] for key in _KEYS]
    assert {each for each in found if not any(sentence.startswith(each) for sentence in known)} == set()


def test_every_known_sentence_is_in_the_table_and_every_one_of_the_table_known() -> None:
    assert set(_KEYS) == {key for key in LANGUAGES["en"] if key.startswith("plain.reason.")}


@pytest.mark.parametrize(
    ("words", "spanish"),
    [
        ("Client quit", "Salió"),
        ("Ping timeout: 180 seconds", "Sin respuesta desde hace 180 segundos"),
        ("Killed (root (a (b) c))", "Expulsión por root (a (b) c)"),
        ("Quit: Client quit", "Despedida: Client quit"),
        ("Quit: Killed (root (x))", "Despedida: Killed (root (x))"),
        ("Quit: {nick} {0} %s", "Despedida: {nick} {0} %s"),
        ("was removed by a server operator: try again in 9 s",
         "un operador del servidor lo expulsó, prueba otra vez dentro de 9 s"),
        ("Server is full, and more", "Server is full, and more"),
        ("", ""),
    ],
)  # fmt: skip
def test_words_in_another_language(words: str, spanish: str) -> None:
    assert translated("es", words) == spanish
    assert translated("en", words) == words
