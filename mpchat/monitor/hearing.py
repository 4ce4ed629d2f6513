"""Whom it concerns: which of all that happens in a replayed journal is about one nickname, or one room; and whether
somebody heard what was said there, or why not. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from mpchat.chat.names import fold, matches
from mpchat.chat.refusals import Reason, Refusal
from mpchat.core.machine import Core
from mpchat.messages import ConnectionId, Item, Ms, Record, WorkerNumber
from mpchat.protocol.message import parse
from mpchat.protocol.secrets import HIDDEN

NOBODY = ConnectionId(0)
EVERYBODYS = ("start", "reload", "full", "stop", "skip")  # these concern whoever asks


class Sent(NamedTuple):
    """An item. `to`: whose it is, or who hears it, but `exclude`; `channels`: those of the groups that hear it."""

    worker: WorkerNumber
    item: Item
    to: tuple[ConnectionId, ...]
    exclude: ConnectionId = NOBODY
    channels: tuple[str, ...] = ()
    hides: bool = False  # it delivers what is said to one person alone, which is not to be shown

    @property
    def receivers(self) -> list[ConnectionId]:
        return [id for id in self.to if id != self.exclude]


class Redacted(NamedTuple):
    """What is not to be shown of that which a record has sent."""

    connection: ConnectionId  # whose record it is
    hides_line: bool  # something private is in the line, or in those that had waited, and is not shown
    keys: frozenset[str]  # words that are, or are in, a room's key
    words: frozenset[str]  # of the line, those that are not shown

    def lines(self, sent: Sent) -> list[str] | None:
        """The lines of an item that is output; None if they are private.

        Of what follows from a private line only what the server itself answers its sender is shown.
        """
        item = sent.item
        assert item[0] == "send" or item[0] == "cast"
        lines = item[2].decode(errors="replace").replace("\r\n", "\n").removesuffix("\n").split("\n")
        if sent.hides or (self.hides_line and not self._is_answer(sent, lines)):
            return None
        if not self.keys:
            return lines
        return [
            " ".join(HIDDEN if word.removeprefix(":") in self.keys else word for word in line.split(" "))
            for line in lines
        ]

    def _is_answer(self, sent: Sent, lines: list[str]) -> bool:
        """Whether the server itself says these, to whose record it is, and does not repeat what is private."""
        if sent.receivers != [self.connection] or any(map(_is_from_person, lines)):
            return False
        return not any(word in line for word in self.words for line in lines)


def _is_from_person(line: str) -> bool:
    """In IRC: whether its prefix, behind the tags, is nick!user@host."""
    return "!" in parse(line).source


class Word(NamedTuple):
    """What somebody did, where in the journal and when."""

    place: int
    wall: Ms
    by: ConnectionId
    record: str  # the record's word
    text: str  # their line, or why they left; "" if the record has neither


class Hearing(NamedTuple):
    """Whether somebody heard what was said in a room.

    verdict     hears    they were told
                said     they said it
                misses   they were in the room, and were not told
                refused  nobody was told
                outside  they were not in the room; `since` says what had put them out, if that is known
                away     nobody had the nickname; `since` says what had ended the last session that had it
    `tried`: from outside, their last line about the room; `answer`: the first line of what they were answered.
    """

    verdict: str
    since: Word | None = None
    tried: Word | None = None
    answer: str = ""


class Hearer:
    """Of a nickname and a room, either of which may be "": then it is nobody, or nowhere."""

    def __init__(self, core: Core, nick: str, room: str) -> None:
        self._core = core
        self._nick, self._room = fold(nick), fold(room)
        self._left_server: Word | None = None
        self._left_room: Word | None = None
        self._tried: Word | None = None
        self._answer = ""
        self._holder = self.holder()
        self._was_inside = self._is_inside()

    def holder(self) -> ConnectionId:
        """Who has the nickname. When the server has stopped nobody has: the hub keeps it until the next run begins."""
        session = self._core.hub.nicks.get(self._nick) if self._nick else None
        return session.id if session is not None and self._core.connection(session.id) is not None else NOBODY

    def _is_inside(self) -> bool:
        session, channel = self._core.hub.nicks.get(self._nick), self._core.hub.channels.get(self._room)
        return bool(self.holder()) and channel is not None and session in channel.members

    def is_concerned(self, record: Record, id: ConnectionId, line: str, target: str, sent: Iterable[Sent]) -> bool:
        """To be asked before after(). `line`: as it is shown; `target`: the room that it speaks to, folded, or ""."""
        if record[0] in EVERYBODYS:
            return True
        if self._room:
            return (
                target == self._room or mentions(line, self._room) or any(self._room in each.channels for each in sent)
            )
        if not self._nick:
            return True
        holders = {self._holder, self.holder()} - {NOBODY}
        if id in holders or any(holders.intersection(each.to) and each.exclude not in holders for each in sent):
            return True
        connection = self._core.connection(id)
        is_new = connection is not None and connection.registration is not None
        return is_new and mentions(line, self._nick)

    def after(
        self, record: Record, place: int, id: ConnectionId, line: str, target: str, sent: list[Sent], redacted: Redacted
    ) -> Hearing | None:
        """What has been noted of the nickname and the room when this had happened; whether the nickname heard it.

        `target`: "" too if the line waits, for then it is not decided whether anybody is told.
        """
        was_holder, was_inside = self._holder, self._was_inside
        self._holder, self._was_inside = holder, is_inside = self.holder(), self._is_inside()
        if not (self._nick and self._room):
            return None
        text = str(record[2]) if record[0] == "gone" else line
        word = Word(place, self._core.time[0], id, record[0], text)
        if was_holder and not holder:
            self._left_server, self._tried = word, None
        if is_inside:
            self._left_room = self._tried = None
        elif was_inside:
            self._left_room = word
        elif id and id in (was_holder, holder) and mentions(line, self._room):
            answers = [redacted.lines(each) for each in sent if each.item[0] == "send" and each.to == (id,)]
            self._tried = word
            self._answer = next((lines[0].strip() for lines in answers if lines), "")
        casts = [each for each in sent if each.item[0] == "cast" and self._room in each.channels]
        is_theirs = bool(holder) and id == holder
        if record[0] == "line" and id == was_holder:  # it may be their last, or the last under this nickname
            is_theirs = True
        if is_theirs and (casts or target == self._room):
            return Hearing("said" if casts else "refused")
        if not casts:
            return Hearing("refused") if target == self._room else None
        if any(holder in each.to and holder != each.exclude for each in casts):
            return Hearing("hears")
        if not holder:
            return Hearing("away", self._left_server)
        if is_inside:
            return Hearing("misses")
        return Hearing("outside", self._left_room, self._tried, self._answer if self._tried else "")


def mentions(line: str, name: str) -> bool:
    """Whether one of the words of a line is this folded name."""
    return bool(line) and name in [word.lstrip(":") for word in fold(line).replace(",", " ").split(" ")]


class KeptOut(NamedTuple):
    """What keeps somebody out of a room now: the refusal that they would get; of a ban, its mask, by whom, and when."""

    reason: Reason
    mask: str = ""
    by: str = ""
    at: int = 0  # wall clock s


def kept_out(core: Core, nick: str, room: str) -> list[KeptOut]:
    """[]: nothing does, or they are inside, or one of both is not here. Whether they know the key is not known."""
    session, channel = core.hub.nicks.get(fold(nick)), core.hub.channels.get(fold(room))
    if session is None or channel is None or session in channel.members:
        return []
    try:
        channel.admit(session, channel.key, core.hub.said)
    except Refusal as refusal:
        if refusal.reason is not Reason.BANNED:
            return [KeptOut(refusal.reason)]
        banned = [(mask, *about) for mask, about in channel.bans.items() if matches(mask, session.prefix)]
        return [KeptOut(Reason.BANNED, mask, by.partition("!")[0], at) for mask, by, at in banned]
    return [KeptOut(Reason.BAD_KEY)] if channel.key else []
