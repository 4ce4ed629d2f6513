"""Which typed lines carry a secret: they are in no history of typed lines, neither in the file nor behind Up. Pure.

A room's key counts as one: it is what keeps others out of the room.
"""

import re

from mpchat.client.commands import ALIASES, COMMANDS
from mpchat.client.model import is_room
from mpchat.client.step import harmless
from mpchat.protocol.message import parse

_SECRET_COMMANDS = {
    "PASS",
    "OPER",
    "AUTHENTICATE",
    "REGISTER",
    "VERIFY",
    "IDENTIFY",
    "LOGIN",
    "SASL",
    "PASSWORD",
    "DROP",
}
_SERVICE = re.compile(r"\w+serv(?:@.*)?|[qx]", re.IGNORECASE)  # NickServ and its kind, and the Q and X of old networks
_SERVICE_COMMANDS = re.compile(r"[a-z]+serv|[nc]s", re.IGNORECASE)


def carries_secret(text: str, talking_to: str = "") -> bool:
    """Does one of these typed lines have a password, or a room's key, in it? `talking_to`: where plain words go."""
    return any(_carries(line.strip(), talking_to) for line in harmless_lines(text))


def harmless_lines(text: str) -> list[str]:
    """What execute() will make of each line."""
    return [harmless(line) for line in text.splitlines()]


def is_mistyped(text: str) -> bool:
    """Is this a /command that does not exist? It may be `/oper` misspelt, with a password behind it."""
    name = _name(text.strip())
    return text.strip()[:1] == "/" and name not in COMMANDS


def veiled(text: str, target: str) -> str:
    """What of our words to that target may be shown where they have not come back: to a service, their first."""
    return f"{text.split(' ')[0]} …" if _to_service(target) and " " in text else text


def _carries(line: str, talking_to: str) -> bool:
    if not line.startswith("/"):
        return _to_service(talking_to) and bool(line)
    name, rest = _name(line), line.lstrip("/ ").partition(" ")[2].split()
    match name:
        case "oper":
            return len(rest) > 1
        case "join":
            return len(rest) > 1
        case "mode":
            return _sets_key(rest)
        case "msg" | "query" | "q":
            return len(rest) > 1 and _to_service(rest[0])
        case "raw":
            return _raw_carries(" ".join(rest))
    return (name.upper() in _SECRET_COMMANDS or _SERVICE_COMMANDS.fullmatch(name) is not None) and bool(rest)


def _raw_carries(line: str) -> bool:
    message = parse(line)
    name, params = message.command.lstrip("/").upper(), message.params
    if name in _SECRET_COMMANDS or _SERVICE_COMMANDS.fullmatch(name):
        return bool(params)
    match name:
        case "JOIN":
            return len(params) > 1
        case "MODE":
            return _sets_key(params)
        case "PRIVMSG" | "NOTICE" | "SQUERY":
            return any(_to_service(target) for target in params[:1] for target in target.split(","))
    return False


def _name(line: str) -> str:
    """The command of a line with slashes in front, however many and however written."""
    name = line.lstrip("/ ").partition(" ")[0].lower()
    return ALIASES.get(name, name)


def _to_service(target: str) -> bool:
    return _SERVICE.fullmatch(target) is not None


def _sets_key(words: list[str]) -> bool:
    """Is one of these a change of modes with a k, and a value behind it?"""
    changes = words[1:] if words and is_room(words[0]) else words
    return len(changes) > 1 and "k" in changes[0]
