"""How long a message may be: what one IRC line holds behind its sender's prefix, whatever dialect said it.

The IRC line is made first, and where it is too long its text is cut, once: the cut text goes to every client, so a
message that fits one reader's line fits every reader's.
"""

from mpchat.chat.events import Said
from mpchat.chat.text import CTCP
from mpchat.protocol.message import LINE_BYTES, cut

ACTION = CTCP + "ACTION "  # how IRC says /me
VERBS = {False: "PRIVMSG", True: "NOTICE"}  # IRC's command for what is a notice, and what is not


def fit(said: Said) -> Said:
    """The same with its line, `:prefix VERB target :text` CR LF, of at most 512 bytes (RFC 2812 section 2.3)."""
    text = said.text
    head = f":{said.by.prefix} {VERBS[said.notice]} {said.target} :"
    said.line = f"{head}{text}\r\n".encode()
    excess = len(said.line) - LINE_BYTES
    if excess > 0:
        room = len(text.encode()) - excess
        said.text = cut(text, room)
        if text.startswith(CTCP) and text.endswith(CTCP):
            said.text = cut(text, room - 1) + CTCP  # a cut action stays an action
        said.line = f"{head}{said.text}\r\n".encode()
    return said


def action(text: str) -> str | None:
    """What the speaker does, if the text is a CTCP ACTION, else None."""
    return text[len(ACTION) :].rstrip(CTCP) if text.startswith(ACTION) else None
