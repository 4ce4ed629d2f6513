"""Where a line of IRC has a secret: behind PASS, behind OPER's first word, and in all that is said to a service.

An empty one is none: 461 or 412 answers it. There are no services here, but people have habits (/msg NickServ, /ns).
"""

import re

from mpchat.chat.names import is_servers_own
from mpchat.chat.text import clean, spoiled
from mpchat.protocol.plain.secrets import secret_in as secret_in_plain_text

# Tags, a prefix and spaces may stand before a command; and the slash that clients want before it, and take away.
_FRONT = "( *(?:@[^ ]* +)?(?::[^ ]* +)?/?"
_TEXT = "(?::|(?![: ])))(.+)"
_SECRET = re.compile(
    f"{_FRONT}(?:PASS +|OPER +[^ ]+ +|(?:NICKSERV|CHANSERV|NS|CS|IDENTIFY) +){_TEXT}", re.IGNORECASE | re.ASCII
)
_SAID = re.compile(f"{_FRONT}(?:PRIVMSG|NOTICE|SQUERY) +:?(?P<targets>[^ ]+) +{_TEXT}", re.IGNORECASE | re.ASCII)
# No line that begins otherwise can hold one: what clean() takes away may stand before it.
_FIRST = frozenset(b"pPoOnNsScCiI/@:") | frozenset(range(0x21)) | frozenset(range(0x7F, 0x100))


def secret_in(line: bytes) -> tuple[bytes, str] | None:
    """What stands before a secret in the line, and the secret."""
    if not line or line[0] not in _FIRST:
        return None
    text = line.decode(errors="replace")
    found = _found(spoiled(text))  # as parse() divides it: a tab or a control character is no space
    if found is not None:
        return text[: found.end(1)].encode(), clean(text[found.end(1) :])
    found = _found(clean(text))  # as it may have been meant
    if found is not None:
        return found[1].encode(), found[found.re.groups]
    return secret_in_plain_text(line)  # its user may have come to the wrong port, with telnet


def _found(text: str) -> re.Match[str] | None:
    """Group 1 is what stands before the secret, the last group the secret."""
    said = _SAID.fullmatch(text)
    if said is not None:
        return said if any(map(is_servers_own, said["targets"].split(","))) else None
    return _SECRET.fullmatch(text)
