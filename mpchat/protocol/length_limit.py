"""How long a message may be: what one IRC line still holds behind its sender's prefix, whatever dialect said it.

It is cut once, here, and that text goes to everybody; a message that fits one reader's line fits every reader's.
"""

from mpchat.chat.events import Said
from mpchat.chat.text import CTCP
from mpchat.protocol.message import BODY_BYTES, cut

ACTION = CTCP + "ACTION "  # how IRC says /me
VERBS = {False: "PRIVMSG", True: "NOTICE"}  # IRC's command for what is a notice, and what is not
_FRAME = len(":" + " " + " " + " :")


def fit(said: Said) -> Said:
    """The same, its text cut so that `:prefix VERB target :text` is one line."""
    names = said.by.prefix + said.target
    text = said.text
    if (len(names) + len(text)) * 4 + 16 <= BODY_BYTES:  # surely short enough: no need to count bytes
        return said
    room = BODY_BYTES - _FRAME - len(VERBS[said.notice]) - len(names.encode())
    said.text = cut(text, room)
    if said.text != text and text.startswith(CTCP) and text.endswith(CTCP):
        said.text = cut(text, room - 1) + CTCP  # a cut action stays an action
    return said


def action(text: str) -> str | None:
    """What somebody does, if the text is a CTCP ACTION, else None."""
    return text[len(ACTION) :].rstrip(CTCP) if text.startswith(ACTION) else None
