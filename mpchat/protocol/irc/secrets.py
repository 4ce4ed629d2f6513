"""Where a line of IRC has a secret: behind PASS and RESUME, and behind OPER's first word. An empty one is none: 461
answers it."""

import re

from mpchat.chat.text import clean, spoiled
from mpchat.protocol.plain.secrets import secret_in as secret_in_plain_text
from mpchat.protocol.secrets import Secret, tokens

# Tags, a prefix and spaces may stand before a command; and the slash that clients want before it, and take away.
_SECRET = re.compile(
    "( *(?:@[^ ]* +)?(?::[^ ]* +)?/?(?:PASS +|(RESUME) +|OPER +[^ ]+ +)(?::|(?![: ])))(.+)", re.IGNORECASE | re.ASCII
)
# No line that begins otherwise can hold one: what clean() takes away may stand before it.
_FIRST = frozenset(b"pPrRoO/@:") | frozenset(range(0x21)) | frozenset(range(0x7F, 0x100))


def secret_in(line: bytes) -> Secret | None:
    """The secret of the line, if it has one."""
    if not line or line[0] not in _FIRST:
        return None
    text = line.decode(errors="replace")
    found = _SECRET.fullmatch(spoiled(text))  # as parse() divides it: a tab or a control character is no space
    if found is not None:
        before, secret = text[: found.end(1)].encode(), clean(text[found.end(1) :])
        return tokens(before, secret) if found[2] else Secret(before, secret)
    found = _SECRET.fullmatch(clean(text))  # as it may have been meant
    if found is not None:
        return tokens(found[1].encode(), found[3]) if found[2] else Secret(found[1].encode(), found[3])
    return secret_in_plain_text(line)  # its user may have come to the wrong port, with telnet
