"""Where a line of plain text has a secret: behind /pass."""

import re

from mpchat.chat.text import clean
from mpchat.protocol.plain.telnet import without_commands
from mpchat.protocol.secrets import Secret

_SECRET = re.compile("(/pass +)(.+)", re.IGNORECASE | re.ASCII)
# No line that begins otherwise can hold one: what clean() and strip() take away may stand before it.
_FIRST = frozenset(b"/") | frozenset(range(0x21)) | frozenset(range(0x7F, 0x100))


def secret_in(line: bytes) -> Secret | None:
    """The secret of the line, if it has one."""
    if not line or line[0] not in _FIRST:
        return None
    found = _SECRET.fullmatch(clean(without_commands(line).decode(errors="replace")).strip())
    return Secret(found[1].encode(), found[2]) if found is not None else None
