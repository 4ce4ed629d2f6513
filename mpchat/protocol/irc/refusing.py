"""A refusal in IRC's words."""

from mpchat.chat.refusals import Refusal
from mpchat.protocol.desk import Desk, Peer
from mpchat.protocol.numerics import REFUSALS


def refuse(desk: Desk, peer: Peer, refusal: Refusal) -> bytes:
    """The one numeric that answers it."""
    numeric, text = REFUSALS[refusal.reason]
    about = list(refusal.about)
    if text is None:
        text = about.pop()
    return desk.reply(peer, numeric, *(middle(word) for word in about), text)


def middle(word: str) -> str:
    """What a user typed, made fit to stand before the last parameter: no space, no colon in front, not empty."""
    return word.lstrip(":").split(" ")[0] or "*"
