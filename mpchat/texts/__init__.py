"""What people read, in each language: one table for each, with the same keys and placeholders. Pure.

What programs read has one wording and is not here: `mpchat ready: ...`, JSON, the log, IRC's numerics, exit statuses.

A process of one person (the client, ps, the command line) speaks one language: cli.py sets it once by use(), and t()
says everything in it. A server speaks to many people: there, say() takes the language of the one who reads.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise

from mpchat.texts import en, es
from mpchat.texts.borrowed import BORROWED

LANGUAGES: dict[str, dict[str, str]] = {"en": en.TEXTS, "es": es.TEXTS}  # by the tag of RFC 5646
DEFAULT = "en"

_process = DEFAULT


def choose(*wishes: str | None) -> str:
    """The language that the first wish names which is not empty: "es", "es_AR.UTF-8", "C". An unknown one: English.

    Raises nothing: what a locale is called is not this program's affair.
    """
    wish = next((each for each in wishes if each), "")
    tag = wish.replace("-", "_").partition("_")[0].partition(".")[0].lower()
    return tag if tag in LANGUAGES else DEFAULT


def wished(arguments: Sequence[str], environment: Mapping[str, str]) -> str:
    """The language of a command: its --lang, if it is one of LANGUAGES, or else what the locale says (locale(7)).

    For what is said before the arguments are understood, which is their help too.
    """
    options = list(arguments[: arguments.index("--")] if "--" in arguments else arguments)
    after = dict(pairwise(options)).get("--lang")
    joined = [word.removeprefix("--lang=") for word in options if word.startswith("--lang=")]
    for language in (after, *joined):
        if language in LANGUAGES:
            return language
    return choose(*(environment.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG")))


def use(language: str) -> None:
    """From now on t() speaks this one of LANGUAGES: for a process that has one reader."""
    global _process
    _process = language


def spoken() -> str:
    """The language that t() speaks."""
    return _process


def say(language: str, key: str, /, **values: object) -> str:
    """A sentence of the table, with its placeholders filled. Raises KeyError for what no table has."""
    return LANGUAGES[language][key].format_map(values)


def t(key: str, /, **values: object) -> str:
    """say() in the language of this process."""
    return say(_process, key, **values)


def translate(sentence: str) -> str:
    """A sentence of argparse's or the system's, in the language of this process; an unknown one stays as it is."""
    return BORROWED.get(_process, {}).get(sentence, sentence)
