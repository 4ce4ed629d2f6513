"""Where a line of IRC has a secret: behind PASS and RESUME, OPER's first word, and in all that is said to a service.

An empty one is none: 461 or 412 answers it. There are no such services here, but people have habits (/msg NickServ,
/ns). What asks the nickname `history` for a channel is no secret.
"""

import re

from mpchat.chat.names import SERVICE, fold, is_servers_own
from mpchat.chat.text import clean, spoiled
from mpchat.protocol.plain.secrets import secret_in as secret_in_plain_text
from mpchat.protocol.secrets import Secret, tokens

# Tags, a prefix and spaces may stand before a command; and the slash that clients want before it, and take away.
_FRONT = "( *(?:@[^ ]* +)?(?::[^ ]* +)?/?"
_TEXT = "(?::|(?![: ])))(.+)"
_SECRET = re.compile(
    f"{_FRONT}(?:PASS +|(?P<resume>RESUME) +|OPER +[^ ]+ +|(?:NICKSERV|CHANSERV|NS|CS|IDENTIFY) +){_TEXT}",
    re.IGNORECASE | re.ASCII,
)
_SAID = re.compile(f"{_FRONT}(?:PRIVMSG|NOTICE|SQUERY) +:?(?P<targets>[^ ]+) +{_TEXT}", re.IGNORECASE | re.ASCII)
# No line that begins otherwise can hold one: what clean() takes away may stand before it.
_FIRST = frozenset(b"pPrRoOnNsScCiI/@:") | frozenset(range(0x21)) | frozenset(range(0x7F, 0x100))


def secret_in(line: bytes) -> Secret | None:
    """The secret of the line, if it has one."""
    if not line or line[0] not in _FIRST or line[:5] == b"NICK ":  # the space makes that no NICKSERV
        return None
    text = line.decode(errors="replace")
    found = _found(spoiled(text))  # as parse() divides it: a tab or a control character is no space
    if found is not None:
        return _secret(found, text[: found.end(1)], clean(text[found.end(1) :]))
    found = _found(clean(text))  # as it may have been meant
    if found is not None:
        return _secret(found, found[1], found[found.re.groups])
    return secret_in_plain_text(line)  # its user may have come to the wrong port, with telnet


def _secret(found: re.Match[str], before: str, text: str) -> Secret:
    is_resume = found.re is _SECRET and found["resume"]
    return tokens(before.encode(), text) if is_resume else Secret(before.encode(), text)


def _found(text: str) -> re.Match[str] | None:
    """Group 1 is what stands before the secret, the last group the secret."""
    said = _SAID.fullmatch(text)
    if said is not None:
        is_question = fold(said["targets"]) == SERVICE and said[said.re.groups].lstrip().startswith("#")
        return said if not is_question and any(map(is_servers_own, said["targets"].split(","))) else None
    return _SECRET.fullmatch(text)
