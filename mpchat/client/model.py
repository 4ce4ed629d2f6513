"""What we know: our own nick, the rooms we are in, who is there, and where our words go. Pure.

It believes the server: a room is entered when our own JOIN comes back, not when we ask for it.
"""

from dataclasses import dataclass, field
from itertools import zip_longest

from mpchat.chat.names import fold
from mpchat.client.memory import Memory
from mpchat.client.preferences import Preferences
from mpchat.protocol.message import Message
from mpchat.texts import t

CHANNEL_SIGNS = ("#", "&")  # rooms named +x and !x died out, and "+o beto" and "!ask" are things people type
PRIVATE = frozenset("iks")  # the modes that keep others out of a room, or from hearing of it
_VALUED, _VALUED_WHEN_SET = "kbeIovhqaLOR", "lfjJH"  # modes of rooms that have a value, as far as servers agree


def is_room(name: str) -> bool:
    """Is this the name of a room, and not of a person?"""
    return name.startswith(CHANNEL_SIGNS)


@dataclass
class Marks:
    """By what a room is known: when it was made, as the server says that, and which of PRIVATE it has."""

    made: str = ""  # "" while it is not known
    private: set[str] = field(default_factory=set)

    def doubt(self, now: "Marks", name: str) -> str:
        """Why the room that has those marks `now` may be another one than this of the same name; "": it is the same.

        Not asked is whether we are its only member and operator: of a room that has slept, who comes first is, too.
        """
        if self.made and now.made and self.made != now.made:
            return t("screen.other_room", room=name)
        is_known = self.made and now.made and self.private <= now.private
        return t("screen.perhaps_other_room", room=name) if self.private and not is_known else ""


@dataclass
class Room:
    """A room. Not `entered`: we were there before the connection was lost, and ask to go back.

    `is_ours`: when we came we were its only member and its operator, as who makes a room is.
    """

    name: str
    entered: bool = False
    is_ours: bool = False
    members: dict[str, str] = field(default_factory=dict)  # folded nick -> nick
    marks: Marks = field(default_factory=Marks)
    former: Marks | None = None  # those that it had before a loss, until it is known whether this is the same room
    doubt: str = ""  # why it may be another one: words go there only when the user has turned to it


class Model:
    """The client's memory of one server. `current` is a room, or a nick after /query, or "".

    When the room that our words go to is lost, they go nowhere until the user says where: a line that is being typed,
    or a script's next one, was meant for the lost room.
    """

    def __init__(self, nick: str, room: str = "", preferences: Preferences | None = None) -> None:
        self.nick = nick
        self.preferences = preferences or Preferences()
        self.memory = Memory()
        self.followed: dict[str, str] = {}  # folded nick -> nick: what those we ignore are called now
        self.mask = ""  # our nick!user@host as others see it, "" while unknown
        self.current = ""
        self.nowhere = ""  # why that is "", where the user did not ask for it
        self.expelled = False  # because an operator removed us
        self._before: list[str] = []  # where our words went earlier, the last used last
        self.question = ""  # where the lines go that the screen asks the user about
        self.rooms: dict[str, Room] = {}
        self.gives_back = False  # the server takes us back into our rooms by itself now: they are the same
        self._keys: dict[str, str] = {}  # of the rooms we are or were in, by folded name; in memory only
        self._leaving: set[str] = set()  # folded rooms: we have asked to leave them
        self._tried: dict[str, str] = {}  # keys that were given with a JOIN whose answer is not here yet
        if room:
            self.wish(room)
            self.current = room

    def is_me(self, nick: str) -> bool:
        """Is that our own nick?"""
        return fold(nick) == fold(self.nick)

    def ignores(self, nick: str) -> bool:
        """Does the user want to read nothing of that person's?"""
        folded = fold(nick)
        return folded in self.followed or any(fold(one) == folded for one in self.preferences.ignore)

    def is_current(self, place: str) -> bool:
        """Do our words go there?"""
        return fold(place) == fold(self.current)

    def room(self, name: str) -> Room | None:
        """The room of that name that we are in."""
        room = self.rooms.get(fold(name))
        return room if room and room.entered else None

    def talk(self, place: str) -> None:
        """Our words go to that room or nick from here on, or for "" nowhere."""
        if room := self.rooms.get(fold(place)):
            room.doubt = ""
        if self.current and not self.is_current(place):
            self._before = [one for one in self._before if not self.is_current(one)] + [self.current]
        self.current = place

    def before(self, rooms_only: bool = False) -> str:
        """Where our words went before they went where they go now: a room that we still want, or a nick; else "".

        `rooms_only`: a room to turn to without the user's word.
        """
        for place in reversed(self._before):
            is_wanted = not rooms_only or (is_room(place) and not self.doubt(place))
            if not self.is_current(place) and self.has(place) and is_wanted:
                return place
        return ""

    def doubt(self, place: str) -> str:
        """Why words do not go to that room unless the user turns to it; "" where they do."""
        room = self.rooms.get(fold(place))
        return room.doubt if room else ""

    def has(self, place: str) -> bool:
        """Can our words go there: is it a room that we want to be in, or a nick?"""
        return fold(place) in self.rooms if is_room(place) else bool(place)

    def wish(self, name: str) -> Room:
        """We want to be in that room, or to be in it again after a loss."""
        return self.rooms.setdefault(fold(name), Room(name))

    def enter(self, name: str) -> None:
        """Our own JOIN came. A room we had not been in becomes the current one."""
        known = self.rooms.get(fold(name))
        room = known or self.wish(name)
        if not (room.entered or self.gives_back):
            if not room.former and (room.marks.made or room.marks.private):
                room.former = room.marks
            room.marks = Marks()
        room.name, room.entered = name, True
        room.members = {fold(self.nick): self.nick}
        if known is None:
            self.talk(name)
        elif self.is_current(name):
            self.current = name  # in the server's spelling

    def part(self, name: str) -> None:
        """Our own PART came. Some servers' operators can make one of which we know nothing."""
        if fold(name) in self._leaving:
            self._leaving.discard(fold(name))
            self.forget(name)
        else:
            self.miss(name, t("screen.taken_out", room=name))

    def forget(self, name: str) -> None:
        """We are no longer in that room. The one that our words went to before becomes the current one."""
        self.rooms.pop(fold(name), None)
        self._keys.pop(fold(name), None)
        self._tried.pop(fold(name), None)
        if self.is_current(name):
            self.talk(self.before(rooms_only=True))
            self.nowhere, self.expelled = "", False

    def miss(self, name: str, why: str, expelled: bool = False) -> None:
        """We are no longer in that room, and did not ask to leave it. Who was expelled may come back with its key."""
        key = self.key(name) if expelled else ""
        if self.is_current(name):
            self.stop(why, expelled)
        self.forget(name)
        if key:
            self._keys[fold(name)] = key

    def stop(self, why: str, expelled: bool = False) -> None:
        """Our words go nowhere from here on, until the user says where."""
        self.talk("")
        self.nowhere, self.expelled = why, expelled

    def lose(self) -> None:
        """The connection is gone, and with it what we knew of the others."""
        self.followed.clear()
        self._leaving.clear()
        for room in self.rooms.values():
            room.entered = False
            room.members = {}

    # Keys: what lets us into a room again after a loss.

    def key(self, name: str) -> str:
        """What the room of that name was last known to open to, "" if to everybody."""
        return self._keys.get(fold(name), "")

    def refused_key(self, name: str) -> bool:
        """The room did not let us in by its key. Did we give one? Whichever it was, it is not the right one."""
        given = self._keys.pop(fold(name), ""), self._tried.pop(fold(name), "")
        return any(given)

    def granted(self, message: Message) -> bool:
        """Is what this JOIN, PART or NICK of ours asks for so?"""
        if not message.params:
            return message.command != "NICK"
        if message.command == "NICK":
            return self.is_me(message.params[0])
        if message.params[0] == "0":  # a JOIN that leaves all rooms
            return not any(room.entered for room in self.rooms.values())
        rooms = [name for name in message.params[0].split(",") if is_room(name)]
        return all((self.room(name) is not None) is (message.command == "JOIN") for name in rooms)

    def asked(self, message: Message) -> None:
        """The server is asked for this: a JOIN of ours may have the right keys, and a PART is our own wish."""
        if message.command == "PART" and message.params:
            self._leaving.update(map(fold, message.params[0].split(",")))
        if message.command == "JOIN" and message.params[:1] == ["0"]:
            self._leaving.update(self.rooms)
        if message.command != "JOIN" or not message.params:
            return
        keys = message.params[1].split(",") if len(message.params) > 1 else []
        for name, key in zip_longest(names := message.params[0].split(","), keys[: len(names)], fillvalue=""):
            self._tried[fold(name)] = key

    def opened(self, name: str) -> None:
        """Our own JOIN came: the key was the right one, or needless."""
        if key := self._tried.pop(fold(name), ""):
            self._keys[fold(name)] = key

    def keyed(self, name: str, modes: list[str]) -> None:
        """A room of ours has these modes, or changes of them: letters, and their values. Take down key and marks."""
        private = self.rooms[fold(name)].marks.private
        letters, values = (modes[0], iter(modes[1:])) if modes else ("", iter(()))
        sign = "+"
        for letter in letters:
            if letter in "+-":
                sign = letter
                continue
            has_value = letter in _VALUED or (letter in _VALUED_WHEN_SET and sign == "+")
            value = next(values, "") if has_value else ""
            if letter in PRIVATE:
                (private.add if sign == "+" else private.discard)(letter)
            if letter == "k" and sign == "-":
                self._keys.pop(fold(name), None)
            elif letter == "k" and value.strip("*"):  # some servers show stars for it
                self._keys[fold(name)] = value

    def unrecognised(self) -> bool:
        """Are we back in a room of which we do not know yet whether it is the same?"""
        return any(room.entered and room.former for room in self.rooms.values())

    def recognise(self) -> list[Room]:
        """The marks of our rooms are here. Which may be other ones than those that we were in before a loss?"""
        strange = []
        for room in self.rooms.values():
            if room.entered and room.former:
                room.doubt = room.former.doubt(room.marks, room.name) or room.doubt
                room.former = None
                if room.doubt:
                    strange.append(room)
                    if self.is_current(room.name):
                        self.stop(room.doubt)
        return strange

    def missing(self) -> list[str]:
        """The rooms we wanted and did not get."""
        return [room.name for room in self.rooms.values() if not room.entered]

    def rename(self, old: str, new: str) -> None:
        """A person, perhaps the user, has another nick now."""
        if self.is_me(old):
            self.nick = new
            if self.mask:
                self.mask = new + self.mask[self.mask.find("!") :]
        elif self.is_current(old):
            self.current = new
        if fold(self.question) == fold(old):
            self.question = new
        self.memory.rename(old, new)
        self._before = [new if fold(place) == fold(old) else place for place in self._before]
        for room in self.rooms.values():
            if room.members.pop(fold(old), None):
                room.members[fold(new)] = new

    def gone(self, nick: str, name: str = "") -> None:
        """A person left a room, or without a name: all of them."""
        for room in self.rooms.values():
            if not name or fold(room.name) == fold(name):
                room.members.pop(fold(nick), None)

    def rooms_of(self, nick: str) -> tuple[str, ...]:
        """Our rooms in which that person is, the current one first."""
        names = [room.name for room in self.rooms.values() if fold(nick) in room.members]
        return tuple(sorted(names, key=lambda name: not self.is_current(name)))

    def is_in_sight(self, nick: str) -> bool:
        """Is somebody of that nick in one of our rooms?"""
        return any(fold(nick) in room.members for room in self.rooms.values())

    def people(self) -> list[str]:
        """Every nick in sight, those of the current room first."""
        here = self.room(self.current)
        nicks = dict(here.members) if here else {}
        for room in self.rooms.values():
            for folded, nick in room.members.items():
                nicks.setdefault(folded, nick)
        return list(nicks.values())
