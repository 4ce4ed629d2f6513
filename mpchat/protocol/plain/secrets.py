"""Where a line of plain text has a secret: behind /pass, /register, /login, /password and /drop, in what is said to a
service, and behind no command.

As in IRC: where the word behind the slash is no command of ours (/oper, /quote, /identify, a slip of the keys), all
that stands behind it is a secret, since a password may be. The answer names the word, and nothing else.
"""

import re

from mpchat.chat.names import is_servers_own
from mpchat.chat.text import clean
from mpchat.protocol.plain.commands import COMMANDS
from mpchat.protocol.plain.telnet import without_commands
from mpchat.protocol.secrets import HIDDEN, Secret, named

_COMMAND = re.compile(r"(/(?!/)(\S*)\s+)(.+)")
_WITH_SECRET = ("pass", "register", "login", "password", "drop")
_SAID = re.compile(r"([^ ]+) +(.+)")
# No line that begins otherwise can hold one: what clean() and strip() take away may stand before it.
_FIRST = frozenset(b"/") | frozenset(range(0x21)) | frozenset(range(0x7F, 0x100))


def secret_in(line: bytes) -> Secret | None:
    """The secret of the line, if it has one."""
    if not line or line[0] not in _FIRST:
        return None
    text = clean(without_commands(line).decode(errors="replace")).strip()
    found = _COMMAND.fullmatch(text)
    if found is None:
        return None
    before, word, rest = found[1], found[2].lower(), found[3]
    if word == "msg":
        said = _SAID.fullmatch(rest)
        if said is None or not any(map(is_servers_own, said[1].split(","))):
            return None
        before, rest = before + rest[: said.start(2)], said[2]
    elif word == "login" and _SAID.fullmatch(rest):
        return named(before.encode(), "", rest)
    elif word in COMMANDS and word not in _WITH_SECRET:
        return None
    elif word in ("register", "password") and _SAID.fullmatch(rest):  # it has a word too many, and is no password
        return Secret(before.encode(), "", f"{HIDDEN} {HIDDEN}".encode())
    return Secret(before.encode(), rest)


def shown(line: bytes, with_private: bool) -> str:
    """The line without a room's key, and without what is said to one person: see dialect.py."""
    text = clean(without_commands(line).decode(errors="replace")).strip()
    found = _COMMAND.fullmatch(text)
    if found is None:
        return text
    word, (first, *rest) = found[2].lower(), found[3].split(maxsplit=1)
    has_key = word == "join" or (word == "mode" and ("k" in first or first[0] not in "+-"))  # or a room's name first
    is_private = word == "msg" and not with_private and not all(target.startswith("#") for target in first.split(","))
    return f"{found[1]}{first} {HIDDEN}" if rest and (has_key or is_private) else text
