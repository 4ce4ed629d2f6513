"""A refusal in IRC's words: as a numeric, or where a specification has codes of its own, as a standard reply."""

from mpchat.chat.refusals import Refusal
from mpchat.protocol.connection import Connection
from mpchat.protocol.context import Context
from mpchat.protocol.message import build, cut, encode
from mpchat.protocol.numerics import REFUSALS

_ECHOED_BYTES = 100  # of what a user typed: the reason must still fit behind it


def refuse(context: Context, connection: Connection, refusal: Refusal) -> bytes:
    """The one numeric that answers it."""
    numeric, text = REFUSALS[refusal.reason]
    about = list(refusal.about)
    if text is None:
        text = about.pop()
    return context.reply(connection, numeric, *(middle(word) for word in about), text)


def fail(context: Context, command: str, code: str, *about: str) -> bytes:
    """The standard reply that a command has failed (IRCv3 standard-replies). "*": no command that is known.

    `about`: what it is about, and last the reason, for people.
    """
    *words, text = about
    return encode(build(context.settings.name, "FAIL", command, code, *map(middle, words), text))


def middle(word: str) -> str:
    """What a user typed, made fit to stand before the last parameter: one short word, no colon in front."""
    return cut(word.lstrip(":").split(" ")[0], _ECHOED_BYTES) or "*"
