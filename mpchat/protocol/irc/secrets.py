"""Where a line of IRC has a secret: behind PASS, RESUME, OPER, AUTHENTICATE, REGISTER and VERIFY, in what is said to a
service, and behind no command.

People mistype commands, give them to the wrong program (QUOTE, /raw), and have habits of other servers (LOGIN, CS,
/msg ChanServ). No list of such words is ever complete, so the rule is: where the first word is no command of ours, all
that stands behind it is a secret. Nothing is lost by that, since such a line is refused, whatever it says.

An empty secret is none: 461 or 412 answers it. What asks the nickname `history` for a channel is no secret.
"""

import re

from mpchat.chat.names import SERVICE, fold, is_nickserv, is_servers_own
from mpchat.chat.text import clean, spoiled
from mpchat.protocol.irc.table import COMMANDS
from mpchat.protocol.message import parse
from mpchat.protocol.secrets import HIDDEN, Secret, oper, piece, registration, said_to_nickserv, tokens
from mpchat.protocol.web import is_request

# Tags, a prefix and spaces may stand before a command; and the slash that clients want before it, and take away.
_FRONT = "( *(?:@[^ ]* +)?(?::[^ ]* +)?/?"
_TEXT = "(?::|(?![: ])))(.+)"
_HAVE_ONE = "PASS|VERIFY|(?P<resume>RESUME)|(?P<oper>OPER)|(?P<sasl>AUTHENTICATE)|(?P<nickserv>NS|NICKSERV)"
_SECRET = re.compile(f"{_FRONT}(?:{_HAVE_ONE}) +{_TEXT}", re.IGNORECASE | re.ASCII)
_REGISTER = re.compile(f"{_FRONT}REGISTER +)(.+)", re.IGNORECASE | re.ASCII)
_SAID = re.compile(f"{_FRONT}(?:PRIVMSG|NOTICE) +:?(?P<targets>[^ ]+) +{_TEXT}", re.IGNORECASE | re.ASCII)
_SAID_IN_A_ROOM = re.compile("PRIVMSG #[^ ,:]+ :")
# Here every kind of space counts. What users of vi type (`:pass secret`) begins with no prefix.
_NO_PREFIX = "PASS|OPER|REGISTER|AUTHENTICATE|NS|NICKSERV"
_BEFORE_WORD = re.compile(rf"\s*(?:@\S*\s+)?(?::(?!(?:{_NO_PREFIX})\s)\S*\s+)?", re.IGNORECASE)
_BEHIND_WORD = re.compile(r"\S+\s+(\S.*)", re.DOTALL)

_COMMANDS = frozenset(word.encode() for name in COMMANDS for word in (name, name.lower()))
_WITH_SECRET = b"PASS RESUME OPER AUTHENTICATE REGISTER VERIFY NS NICKSERV PRIVMSG NOTICE".split()
_WITHOUT_SECRET = frozenset(word for word in _COMMANDS if word.upper() not in _WITH_SECRET)


def secret_in(line: bytes) -> Secret | None:
    """The secret of the line, if it has one."""
    word = line.partition(b" ")[0]  # most lines begin with their command
    if word in _WITHOUT_SECRET:
        return None
    text = line.decode(errors="replace")
    is_usual = text.isprintable()
    found = _found(
        text if is_usual else spoiled(text)
    )  # as parse() divides it: a tab or a control character is no space
    if found is not None:
        return _secret(found, text[: found.end(1)], text[found.end(1) :])
    found = None if is_usual else _found(clean(text))  # as it may have been meant
    if found is not None:
        return _secret(found, found[1], found[found.re.groups])
    if word in _COMMANDS or parse(text).command in COMMANDS or is_request(line):
        return None
    front = _BEFORE_WORD.match(text)
    behind = _BEHIND_WORD.fullmatch(text, front.end() if front is not None else 0)
    return Secret(text[: behind.start(1)].encode(), clean(behind[1])) if behind is not None else None


def shown(line: bytes, with_private: bool) -> str:
    """The line without a room's key, and without what is said to one person: see dialect.py."""
    text = line.decode(errors="replace")
    if _SAID_IN_A_ROOM.match(text):  # most lines are nothing else
        return text
    message = parse(text)
    words = " ".join(message.params).split()  # a colon before the first of them would make one parameter of all
    if message.command == "JOIN" and len(words) > 1:
        return f"JOIN {words[0]} {HIDDEN}"
    if message.command == "MODE" and len(words) > 2 and "k" in words[1]:  # its other parameters go with it
        return f"MODE {words[0]} {words[1]} {HIDDEN}"
    is_said = message.command in ("PRIVMSG", "NOTICE", "TAGMSG") and len(words) + bool(message.tags) > 1
    if is_said and not with_private and not all(target.startswith("#") for target in message.params[0].split(",")):
        return f"{message.command} {words[0]} {HIDDEN}"
    return text


def _secret(found: re.Match[str], before: str, text: str) -> Secret | None:
    """`text` stands behind `before`: as it was written, or as it was read. None: it is no secret after all."""
    if found.re is _SECRET and found["resume"]:
        return tokens(before.encode(), clean(text))
    if found.re is _SECRET and found["oper"]:
        return oper(before.encode(), found[found.re.groups], text)
    if found.re is _SECRET and found["sasl"]:
        return piece(before.encode(), clean(text).strip())
    if found.re is _REGISTER:
        return registration(before.encode(), parse(f"REGISTER {clean(text)}").params)
    if (found.re is _SECRET and found["nickserv"]) or (found.re is _SAID and is_nickserv(found["targets"])):
        return said_to_nickserv(before.encode(), clean(text))
    return Secret(before.encode(), clean(text))


def _found(text: str) -> re.Match[str] | None:
    """Group 1 is what stands before the secret, the last group the secret."""
    said = _SAID.fullmatch(text)
    if said is not None:
        is_question = fold(said["targets"]) == SERVICE and said[said.re.groups].lstrip().startswith("#")
        return said if not is_question and any(map(is_servers_own, said["targets"].split(","))) else None
    return _SECRET.fullmatch(text) or _REGISTER.fullmatch(text)
