"""How a long text is divided into messages that arrive whole. Pure.

A server relays our text behind our own prefix, and cuts what passes 512 bytes; so we divide first, and lose nothing.
"""

import unicodedata

from mpchat.protocol.message import BODY_BYTES, cut

HOST_BYTES = 63  # the longest host name servers show
USER_BYTES = 12  # and user name
NICK_BYTES = 30  # and nick: a line may be sent again under another one, and must still fit
_SHORTEST = 32  # bytes; a piece is never smaller, whatever the names' lengths
_MARKS = 16  # characters: steps back from a cut to the letter that its marks belong to
_JOINER = "\u200d"


def room_for(mask: str, nick: str, target: str, action: bool) -> int:
    """How many bytes of text fit one message of ours to `target`."""
    longest = max(len(nick.encode()), NICK_BYTES) + USER_BYTES + HOST_BYTES + 2
    prefix = max(len(mask.encode()), longest)
    around = len(f": PRIVMSG {target} :".encode()) + (len("\x01ACTION \x01") if action else 0)
    return max(BODY_BYTES - prefix - around, _SHORTEST)


def fit(text: str, limit: int) -> list[str]:
    """`text` in pieces of at most `limit` bytes: divided after a space where possible, never inside a letter.

    Put together again they are `text`.
    """
    pieces = []
    while len(text.encode()) > limit:
        piece = cut(text, limit)
        at = piece.rfind(" ") + 1
        if at <= (len(piece) - 1) // 2:  # one long word: a short piece would not help the reader
            at = _before_marks(text, len(piece))
        pieces.append(text[:at])
        text = text[at:]
    pieces.append(text)
    return pieces


def _before_marks(text: str, at: int) -> int:
    """Where to divide so that an accent or a joined emoji stays with what it belongs to."""
    for step in range(min(_MARKS, at - 1)):
        here = at - step
        joined = text[here] == _JOINER or text[here - 1] == _JOINER
        if not joined and not unicodedata.category(text[here]).startswith("M"):
            return here
    return at
