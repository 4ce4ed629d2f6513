"""What Tab can make of the word before the cursor. Pure; terminal.py shows it."""

from mpchat.chat.names import fold
from mpchat.client.commands import COMMANDS
from mpchat.client.model import Model, is_room

_TAKE_ROOMS = ("/join ", "/part ", "/topic ", "/names ", "/who ", "/mode ")


def complete(before: str, model: Model) -> tuple[str, list[str]]:
    """The word that is being typed at the end of `before`, and what it could become."""
    head, word = _last_word(before)
    if not head and word.startswith("/") and not word.startswith("//"):
        names = (f"/{name}" for name in COMMANDS)
        return word, [f"{name} " for name in names if name.startswith(word.lower())]
    rooms = [f"{room.name} " for room in model.rooms.values() if fold(room.name).startswith(fold(word))]
    if is_room(word) or (not word and head.lower() in _TAKE_ROOMS):
        return word, sorted(rooms)
    end = " " if head else ": "
    people = [nick for nick in model.people() if word and fold(nick).startswith(fold(word))]
    if head.startswith("/") and not word:
        people = model.people()
    others = [nick for nick in people if not model.is_me(nick)]
    return word, [nick + end for nick in sorted(others, key=fold)]


def _last_word(before: str) -> tuple[str, str]:
    at = before.rfind(" ") + 1
    return before[:at], before[at:]
