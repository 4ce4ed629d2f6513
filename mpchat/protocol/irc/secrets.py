"""Where a line of IRC has a secret: behind PASS, and behind OPER's first word. An empty one is none: 461 answers it."""

import re

from mpchat.chat.text import clean, spoiled
from mpchat.protocol.plain.secrets import secret_in as secret_in_plain_text

# Tags, a prefix and spaces may stand before a command; and the slash that clients want before it, and take away.
_SECRET = re.compile(
    "( *(?:@[^ ]* +)?(?::[^ ]* +)?/?(?:PASS +|OPER +[^ ]+ +)(?::|(?![: ])))(.+)", re.IGNORECASE | re.ASCII
)
# No line that begins otherwise can hold one: what clean() takes away may stand before it.
_FIRST = frozenset(b"pPoO/@:") | frozenset(range(0x21)) | frozenset(range(0x7F, 0x100))


def secret_in(line: bytes) -> tuple[bytes, str] | None:
    """What stands before a secret in the line, and the secret."""
    if not line or line[0] not in _FIRST:
        return None
    text = line.decode(errors="replace")
    found = _SECRET.fullmatch(spoiled(text))  # as parse() divides it: a tab or a control character is no space
    if found is not None:
        return text[: found.end(1)].encode(), clean(text[found.end(1) :])
    found = _SECRET.fullmatch(clean(text))  # as it may have been meant
    if found is not None:
        return found[1].encode(), found[2]
    return secret_in_plain_text(line)  # its user may have come to the wrong port, with telnet
