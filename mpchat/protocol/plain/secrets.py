"""Where a line of plain text has a secret: behind /pass, and in what is said to a service, though there is none."""

import re

from mpchat.chat.names import is_servers_own
from mpchat.chat.text import clean
from mpchat.protocol.plain.telnet import without_commands
from mpchat.protocol.secrets import Secret

_SECRET = re.compile("(/(?:pass|nickserv|chanserv|ns|cs|identify) +)(.+)", re.IGNORECASE | re.ASCII)
_SAID = re.compile("(/(?:msg|query|notice|squery|privmsg) +([^ ]+) +)(.+)", re.IGNORECASE | re.ASCII)
# No line that begins otherwise can hold one: what clean() and strip() take away may stand before it.
_FIRST = frozenset(b"/") | frozenset(range(0x21)) | frozenset(range(0x7F, 0x100))


def secret_in(line: bytes) -> Secret | None:
    """The secret of the line, if it has one."""
    if not line or line[0] not in _FIRST:
        return None
    text = clean(without_commands(line).decode(errors="replace")).strip()
    said = _SAID.fullmatch(text)
    if said is not None:
        return Secret(said[1].encode(), said[3]) if any(map(is_servers_own, said[2].split(","))) else None
    found = _SECRET.fullmatch(text)
    return Secret(found[1].encode(), found[2]) if found is not None else None
