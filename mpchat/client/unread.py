"""What came for rooms, and from people, that the user has not turned to since: counts for the prompt. Pure."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from mpchat.chat.names import fold
from mpchat.client.model import Model
from mpchat.client.step import Line

MOST_PLACES = 100  # counted at once: strangers' private messages must not grow for ever


@dataclass
class Count:
    """Of one room or nick. `calls`: one of its lines was for us."""

    place: str
    lines: int = 0
    calls: bool = False

    def __str__(self) -> str:
        return f"{self.place}:{self.lines}{'!' * self.calls}"


class Unread:
    """The counts of all places but the current one."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._counts: dict[str, Count] = {}  # by folded place, the oldest first

    def came(self, line: Line) -> None:
        """A line is shown."""
        if not (line.is_news and line.said) or self._model.is_current(line.said.place):
            return
        count = self._counts.setdefault(fold(line.said.place), Count(line.said.place))
        count.lines += 1
        count.calls = count.calls or line.calls
        if len(self._counts) > MOST_PLACES:
            del self._counts[next(iter(self._counts))]

    def read(self, place: str) -> None:
        """The user has turned to that place, or spoken there."""
        self._counts.pop(fold(place), None)

    def clear(self) -> None:
        """The user has seen all that was shown."""
        self._counts.clear()

    def renamed(self, old: str, new: str) -> None:
        """Somebody is called otherwise."""
        if count := self._counts.pop(fold(old), None):
            there = self._counts.pop(fold(new), Count(new))
            there.lines, there.calls = there.lines + count.lines, there.calls or count.calls
            self._counts[fold(new)] = replace(there, place=new)

    def label(self, columns: int, width: Callable[[str], int]) -> str:
        """The counts in so many columns, those that call first: "#so:3 beto:1!"; what has no room is "+N".

        That much it says however few the columns are, and it is "" where everything is read. `width`: of a text.
        """
        counts = [count for count in self._counts.values() if self._model.has(count.place)]
        counts.sort(key=lambda count: not count.calls)
        for shown in range(len(counts), 0, -1):
            label = " ".join([*map(str, counts[:shown]), *_rest(counts[shown:])])
            if width(label) <= columns:
                return label
        return "".join(_rest(counts))


def _rest(counts: list[Count]) -> list[str]:
    return [f"+{len(counts)}{'!' * any(count.calls for count in counts)}"] if counts else []
