"""What was said, as far as this client has shown it: the newest lines of each place, for /last. Pure."""

import unicodedata
from collections import deque
from dataclasses import replace

from mpchat.chat.names import fold
from mpchat.client.step import Line

LINES = 200  # of a place: some screens of a lively room
PLACES = 100  # rooms and people; beyond this, that of which nothing was shown for the longest time is forgotten


class Memory:
    """A place is a room, or the nick of the other one in a private talk."""

    def __init__(self) -> None:
        self._places: dict[str, deque[Line]] = {}  # by folded name, the one that was used last at the end

    def add(self, place: str, line: Line) -> None:
        """That line of that place was shown."""
        lines = self._places.pop(fold(place), None)
        if lines is None:
            lines = deque[Line](maxlen=LINES)
        lines.append(line)
        self._places[fold(place)] = lines
        if len(self._places) > PLACES:
            del self._places[next(iter(self._places))]

    def last(self, place: str, count: int, words: str = "") -> list[Line]:
        """Up to `count` lines of that place, the newest last; only those in which `words` stand, where there are some.

        They are as they were, but nobody is called by them, no room stands in front, and they are not remembered again.
        """
        plain = _bare(words)
        found = [
            replace(line, room="", calls=False, is_news=False, said=None)
            for line in self._places.get(fold(place), ())
            if plain in _bare(f"{line.head} {line.text}")
        ]
        return found[-count:]

    def rename(self, old: str, new: str) -> None:
        """A person has another nick now: what was said in private goes on there."""
        if fold(old) != fold(new) and (lines := self._places.pop(fold(old), None)):
            for line in [*lines, *self._places.pop(fold(new), ())]:
                self.add(new, line)


def _bare(text: str) -> str:
    """Without accents, in small letters: "Mañana" as "manana"."""
    letters = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in letters if not unicodedata.combining(letter))
