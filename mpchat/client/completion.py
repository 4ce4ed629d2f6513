"""What Tab can make of the word before the cursor. Pure; terminal.py shows it."""

from mpchat.chat.names import fold
from mpchat.client.commands import COMMANDS
from mpchat.client.model import Model, is_room
from mpchat.client.preferences import KEYS, choices

_TAKE_ROOMS = ("/join ", "/part ", "/topic ", "/names ", "/who ", "/mode ", "/history ", "/search ")


def complete(before: str, model: Model) -> tuple[str, list[str]]:
    """The word that is being typed at the end of `before`, and what it could become."""
    head, word = _last_word(before)
    if not head and word.startswith("/") and not word.startswith("//"):
        names = (f"/{name}" for name in COMMANDS)
        return word, [f"{name} " for name in names if name.startswith(word.lower())]
    if head.lower().startswith(("/set ", "/unignore ")):
        return word, [f"{name} " for name in _expected(head.lower(), model) if fold(name).startswith(fold(word))]
    rooms = [f"{room.name} " for room in model.rooms.values() if fold(room.name).startswith(fold(word))]
    if is_room(word) or (not word and head.lower() in _TAKE_ROOMS):
        return word, sorted(rooms)
    end = " " if head else ": "
    people = [nick for nick in model.people() if word and fold(nick).startswith(fold(word))]
    if head.startswith("/") and not word:
        people = model.people()
    others = [nick for nick in people if not model.is_me(nick)]
    return word, [nick + end for nick in sorted(others, key=fold)]


def _expected(head: str, model: Model) -> list[str]:
    """The words that may follow these, of a /command that takes nothing else."""
    command, *words = head.split()
    if command == "/unignore":
        return [] if words else sorted([*model.preferences.ignore, *model.followed.values()], key=fold)
    return list(KEYS) if not words else list(choices(words[0])) if len(words) == 1 else []


def _last_word(before: str) -> tuple[str, str]:
    at = before.rfind(" ") + 1
    return before[:at], before[at:]


class Completing:
    """Tab, pressed once or several times: what all candidates begin with, then a list of them, then each in turn."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._head = ""  # what stands before the word
        self._candidates: list[str] = []  # as long as more than one can be meant
        self._chosen = -1
        self._made = ""  # what the last Tab left: anything else begins anew

    def tab(self, before: str, way: int = 1) -> tuple[str, list[str]]:
        """What to put in place of `before`, and the candidates to show. `way`: -1 goes through them backwards."""
        if self._candidates and before == self._made:
            self._chosen = (self._chosen + way if self._chosen >= 0 else min(way, 0)) % len(self._candidates)
            self._made = self._head + self._candidates[self._chosen]
            return self._made, []
        self._candidates = []
        word, candidates = complete(before, self._model)
        head = before[: len(before) - len(word)]
        common = _common(candidates)
        if len(common) > len(word):
            return head + common, []
        if len(candidates) < 2:
            return before, []
        self._head, self._candidates, self._chosen, self._made = head, candidates, -1, before
        return before, [candidate.strip() for candidate in candidates]


def _common(words: list[str]) -> str:
    """What all of them begin with."""
    first, last = (min(words), max(words)) if words else ("", "")
    same = 0
    while same < min(len(first), len(last)) and first[same] == last[same]:
        same += 1
    return first[:same]
