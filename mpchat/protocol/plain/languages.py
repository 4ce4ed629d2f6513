"""The language that a plain text connection reads. Pure.

It decides the bytes of all that the connection is told, so it is part of its wire profile; and a capability, so it
lives as long as the connection, whatever process dies.
"""

from mpchat import texts
from mpchat.protocol.connection import Connection

# Of each language: its capability bit, and its wire profile. Journals and snapshots keep both: none of these numbers is
# ever given another meaning. IRC's bits (protocol/capabilities.py) count up from 1, and CAP REQ sets none that has no
# name there; its wire profiles are not negative.
BITS = {"en": 0, "es": 1 << 16}
PROFILES = {"en": -1, "es": -2}
OF_PROFILE = {profile: language for language, profile in PROFILES.items()}


def language_of(capabilities: int) -> str:
    """The one of texts.LANGUAGES that is read by a connection with these capabilities."""
    return next((language for language, bit in BITS.items() if capabilities & bit), texts.DEFAULT)


def profile(capabilities: int) -> int:
    """The wire profile of a connection with these capabilities."""
    return PROFILES[language_of(capabilities)]


def say(connection: Connection, key: str, /, **values: object) -> str:
    """A sentence of the tables, in the connection's language."""
    return texts.say(language_of(connection.capabilities), key, **values)
