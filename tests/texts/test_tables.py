"""The tables of sentences: the same keys and placeholders in each language, and none that nobody says."""

from __future__ import annotations

import re
from pathlib import Path
from string import Formatter

import pytest

from mpchat import texts

PACKAGE = Path(texts.__file__).parent.parent
OTHERS = [each for each in texts.LANGUAGES if each != texts.DEFAULT]


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


@pytest.mark.parametrize("language", OTHERS)
def test_each_language_has_the_same_sentences(language: str) -> None:
    assert texts.LANGUAGES[language].keys() == texts.LANGUAGES[texts.DEFAULT].keys()


@pytest.mark.parametrize("language", OTHERS)
def test_a_sentence_has_the_same_placeholders_in_each_language(language: str) -> None:
    english, other = texts.LANGUAGES[texts.DEFAULT], texts.LANGUAGES[language]

    assert {key for key in english if placeholders(english[key]) != placeholders(other[key])} == set()
    assert {key for key, text in english.items() if "" in placeholders(text)} == set()  # each has a name


def test_no_key_is_in_two_parts_of_a_table() -> None:
    for table in (texts.en, texts.es):
        parts = [part for name, part in vars(table).items() if name.startswith("_") and name[1:].isupper()]

        assert sum(map(len, parts)) == len(table.TEXTS)


def test_each_sentence_is_said_somewhere() -> None:
    """By its key as it stands, or by what stands before its last dot, where that is put together."""
    files = [*PACKAGE.rglob("*.py"), *(PACKAGE.parent / "scripts").rglob("*.py")]
    source = "\n".join(path.read_text() for path in files if path.parent.name != "texts")
    said = set(re.findall(r'"([a-z_]+(?:\.[a-z_A-Z0-9]+)+)"', source))
    begun = set(re.findall(r'f"([a-z_]+(?:\.[a-z_]+)*)\.\{', source))

    assert {key for key in texts.en.TEXTS if key not in said and key.rpartition(".")[0] not in begun} == set()


@pytest.mark.parametrize(
    ("wishes", "language"),
    [
        (("es",), "es"),
        (("es_AR.UTF-8",), "es"),
        (("es-MX",), "es"),
        ((None, "", "es_ES@euro"), "es"),
        (("en_GB.UTF-8", "es"), "en"),
        (("C", "es"), "en"),
        (("POSIX",), "en"),
        (("de_DE.UTF-8",), "en"),
        ((), "en"),
        ((None,), "en"),
    ],
)
def test_the_first_wish_that_says_something_counts(wishes: tuple[str | None, ...], language: str) -> None:
    assert texts.choose(*wishes) == language


@pytest.mark.parametrize(
    ("arguments", "environment", "language"),
    [
        (["client", "--lang", "es"], {}, "es"),
        (["client", "--lang=es", "--help"], {"LC_ALL": "C"}, "es"),
        (["--lang", "en"], {"LANG": "es_ES.UTF-8"}, "en"),
        (["send", "--", "--lang", "es"], {}, "en"),
        (["client", "--lang"], {"LANG": "es"}, "es"),
        (["client", "--lang", "fr"], {"LANG": "es"}, "es"),
        ([], {"LC_ALL": "", "LC_MESSAGES": "es_PE", "LANG": "en_US.UTF-8"}, "es"),
        ([], {"LC_ALL": "en_US.UTF-8", "LC_MESSAGES": "es_PE", "LANG": "es_PE"}, "en"),
        ([], {"LANG": "es_PE.UTF-8"}, "es"),
        ([], {}, "en"),
    ],
)
def test_a_command_speaks_the_language_of_its_arguments_or_else_of_the_locale(
    arguments: list[str], environment: dict[str, str], language: str
) -> None:
    assert texts.wished(arguments, environment) == language


def test_a_sentence_of_others_is_translated_if_it_is_known() -> None:
    before = texts.spoken()
    try:
        texts.use("es")
        assert texts.translate("Permission denied") == "permiso denegado"
        assert texts.translate("No such trouble") == "No such trouble"
        texts.use("en")
        assert texts.translate("Permission denied") == "Permission denied"
    finally:
        texts.use(before)


def test_a_process_speaks_one_language() -> None:
    before = texts.spoken()
    texts.use("es")
    try:
        assert texts.spoken() == "es"
    finally:
        texts.use(before)
