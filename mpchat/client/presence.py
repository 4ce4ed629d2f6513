"""Who comes and goes, folded: of what happens in a room within three seconds, one line. Pure.

The first one of a quiet room is shown at once, or a small room would seem dead; those that follow it wait until three
seconds are over, or until something is said there. (irssi shows each, and folds netsplits only; WeeChat can hide those
who have not spoken lately. Here it matters who is in the room, so nobody is hidden, and a class that arrives together,
or comes back after a restart, takes a few lines.) Who was gone for a moment, and is where the screen has them, is not
told of; who has come is named, though they are gone again.
"""

import math
from dataclasses import dataclass, field, replace

from mpchat.chat.names import fold
from mpchat.client.model import Model
from mpchat.client.step import Line
from mpchat.texts import t

FOLD_SECONDS = 3.0
NAMED = 8  # people of one kind in a line; of a whole class the rest is a number


@dataclass
class Change:
    """What became of one person since the screen told of them: their nick then and now, "" for not there."""

    before: str
    after: str
    line: Line  # the last that happened to them
    has_quit: bool
    is_one: bool = True  # nothing else happened to them

    @property
    def nick(self) -> str:
        """The last that they had."""
        return self.after or (self.line.move.nick if self.line.move else self.before)

    @property
    def has_passed(self) -> bool:
        """Have they come, and gone again?"""
        return not (self.before or self.after)


@dataclass
class Window:
    """Some seconds of a room: until when (seconds), and what has happened meanwhile and is not shown yet."""

    room: str
    until: float
    changes: list[Change] = field(default_factory=list)


class Presence:
    """What happens in each room, until it is shown."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._windows: dict[str, Window] = {}  # by folded room

    def take(self, lines: list[Line], now: float) -> list[Line]:
        """Lines that are to be shown; which of them to show now, with what must stand before them."""
        shown = self.due(now)
        for line in lines:
            if line.move:
                shown += self._moved(line, now)
            elif line.said and line.said.room:
                shown += self._flushed(fold(line.said.room))
                shown.append(line)
            else:  # it may be about any room
                shown += self.flush()
                shown.append(line)
        return shown

    def due(self, now: float) -> list[Line]:
        """What has waited for long enough."""
        shown: list[Line] = []
        for room in [room for room, window in self._windows.items() if window.until <= now]:
            is_busy = bool(self._windows[room].changes)
            shown += self._flushed(room)
            if is_busy:
                self._windows[room].until = now + FOLD_SECONDS
            else:
                del self._windows[room]
        return shown

    def flush(self) -> list[Line]:
        """All that waits."""
        return [line for room in self._windows for line in self._flushed(room)]

    def deadline(self) -> float:
        """When due() has something to show."""
        return min((window.until for window in self._windows.values() if window.changes), default=math.inf)

    def _moved(self, line: Line, now: float) -> list[Line]:
        """In a room where nothing has waited of them, one who quits, or has a new nick, is told of once for all."""
        move = line.move
        assert move
        news = [room for room in move.rooms if not self._goes_on(room, line)]
        if not news:
            return []
        if window := self._windows.get(fold(news[0])):
            before, after = ("", move.nick) if move.kind == "join" else (move.nick, move.new)
            window.changes.append(Change(before, after, line, move.kind == "quit"))
            return []
        self._windows[fold(news[0])] = Window(news[0], now + FOLD_SECONDS)
        return [line]

    def _goes_on(self, room: str, line: Line) -> bool:
        """Has something that waits in the room happened to the same person? Then this belongs to it."""
        move, window = line.move, self._windows.get(fold(room))
        assert move
        for change in window.changes if window else ():
            known = change.before or change.nick
            is_back = move.kind == "join" and not change.after and fold(known) == fold(move.nick)
            if is_back or (move.kind != "join" and fold(change.after) == fold(move.nick)):
                change.after = move.nick if is_back else move.new
                change.line, change.has_quit, change.is_one = line, move.kind == "quit", False
                return True
        return False

    def _flushed(self, room: str) -> list[Line]:
        """What waits in that room, in one line."""
        window = self._windows.get(room)
        if not window:
            return []
        changes = [each for each in window.changes if each.has_passed or fold(each.before) != fold(each.after)]
        window.changes = []
        if not changes:
            return []
        last = changes[-1].line
        if len(changes) == 1 and changes[0].is_one:
            return [last]
        joined = [change.after for change in changes if change.after and not change.before]
        left = [change.before for change in changes if change.before and not (change.after or change.has_quit)]
        quit_ = [change.before for change in changes if change.before and not change.after and change.has_quit]
        passed = [change.nick for change in changes if change.has_passed]
        parts = [
            *_told("joined", joined),
            *_told("left", left),
            *_told("quit", quit_),
            *_told("passed", passed),
            *[t("screen.renamed", old=each.before, new=each.after) for each in changes if each.before and each.after],
        ]
        room = "" if self._model.is_current(window.room) else window.room
        return [replace(last, text="; ".join(parts), room=room, move=None)]


def _told(what: str, nicks: list[str]) -> list[str]:
    """What these did, if they are any."""
    if not nicks:
        return []
    number = "one" if len(nicks) == 1 else "many"
    named = ", ".join(nicks[:NAMED])
    if more := len(nicks) - len(nicks[:NAMED]):
        named = t("screen.fold.more", nicks=named, count=more)
    return [t(f"screen.fold.{what}_{number}", nicks=named)]
