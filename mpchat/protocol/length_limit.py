"""How long a message or a topic may be: what one IRC line holds behind a prefix, whatever dialect it came by.

The IRC line is made first, and where it is too long its text is cut, once: the cut text goes to every client, so a
message that fits one reader's line fits every reader's.
"""

from mpchat.chat.events import Said
from mpchat.chat.sessions import Session
from mpchat.chat.text import CTCP
from mpchat.protocol.message import BODY_BYTES, LINE_BYTES, build, cut

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


def fit_topic(text: str, by: Session, room: str, most: int) -> str:
    """A topic cut to `most` bytes, and to what one line shows whoever reads it: its setter's prefix stands in front."""
    frame = len(build(by.prefix, "TOPIC", room, "").encode())
    return cut(text, min(most, BODY_BYTES - frame))


def action(text: str) -> str | None:
    """What the speaker does, if the text is a CTCP ACTION, else None."""
    return text[len(ACTION) :].rstrip(CTCP) if text.startswith(ACTION) else None
