"""The server's numeric replies in words. Pure.

A numeric it does not know is shown as it came, so no answer is lost; only answers to no question are left out.
"""

from collections.abc import Callable

from mpchat.chat.names import fold
from mpchat.client.model import Model, is_room
from mpchat.client.step import ERROR, Line
from mpchat.protocol.message import Message

NAMES_ON_ENTRY = 20  # nicks shown when a room is entered; /names shows all
LISTED_ROOMS = 100  # rooms shown for /rooms: more would push everything else off the screen
_PREFIXES = "~&@%+!"
_MAKERS = ("@", "~")  # the marks of who has made a room
# The greeting's small print; and at any time the ends of lists, who set a topic, and a room's age.
_GREETING = frozenset(
    ["001", "002", "003", "004", "005", "042", "250", "251", "252", "253", "254", "255", "265", "266", "422"]
)
_GREETED = frozenset(["376", "422"])
_SILENT = frozenset(["318", "321", "329", "333", "365", "369", "374", "375", "376", "396"])


class Numerics:
    """What the numerics of one server say."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self._names: dict[str, list[str]] = {}  # a NAMES answer while it comes in: folded room -> names
        self._fresh: set[str] = set()  # rooms just entered, whose NAMES the user did not ask for
        self._rooms = 0  # in a LIST answer so far
        self._people = self._bans = 0  # the same for WHO and for MODE +b
        self._greeting = True  # until the message of the day is over: later, the user has asked for it
        self._table: dict[str, Callable[[list[str]], list[Line]]] = {
            "301": lambda p: [Line(f"{p[0]} is away: {p[1]}")],
            "311": lambda p: [Line(f"{p[0]} is {p[1]}@{p[2]}: {p[4]}")],
            "312": lambda p: [Line(f"{p[0]} is connected to {p[1]}")],
            "317": lambda p: [Line(f"{p[0]} has said nothing for {p[1]} s")],
            "319": lambda p: [Line(f"{p[0]} is in {p[1]}")],
            "315": self._who_ends,
            "322": self._listed,
            "323": self._list_ends,
            "324": self._modes,
            "331": lambda p: [Line(f"{p[0]} has no topic")],
            "332": lambda p: [Line(f"topic of {p[0]}: {p[1]}")],
            "341": lambda p: [Line(f"{p[0]} was invited to {p[1]}")],
            "352": self._who,
            "353": self._named,
            "366": self._names_end,
            "367": self._banned,
            "368": self._bans_end,
            "372": lambda p: [Line(p[0].removeprefix("- "))],
        }

    def heard(self, message: Message) -> list[Line]:
        """The lines for one numeric."""
        code, params = message.command, message.params[1:]  # the first one is our own nick
        is_greeting = self._greeting
        if code in _GREETED:
            self._greeting = False
        if code in _SILENT or (is_greeting and code in _GREETING):
            return []
        known = self._table.get(code)
        if known:
            return known(params + [""] * 8)
        words = ": ".join(part for part in (" ".join(params[:-1]), params[-1] if params else "") if part)
        return [Line(words, ERROR if code[0] in "459" else "*")] if words else []

    def welcomed(self) -> None:
        """A server has let us in: its greeting follows."""
        self._greeting = True

    def entered(self, room: str) -> None:
        """We just entered `room`: the names that follow are a greeting, not an answer."""
        self._fresh.add(fold(room))

    def _modes(self, params: list[str]) -> list[Line]:
        if self.model.room(params[0]):
            self.model.keyed(params[0], params[1:])
        shown = " ".join(word for word in params[1:] if word)
        return [Line(f"{params[0]} has " + ("no modes set" if shown == "+" else f"mode {shown}"))]

    def _named(self, params: list[str]) -> list[Line]:
        self._names.setdefault(fold(params[1]), []).extend(params[2].split())
        return []

    def _names_end(self, params: list[str]) -> list[Line]:
        place = params[0]
        names = self._names.pop(fold(place), [])
        if room := self.model.room(place):
            bare = [name.lstrip(_PREFIXES) for name in names]
            room.members = {fold(nick): nick for nick in bare}
        if not names:
            return [Line(f"there is no room {place}, or nobody to see in it")]
        shown = sorted(names, key=lambda name: fold(name.lstrip(_PREFIXES)))
        if fold(place) in self._fresh:
            self._fresh.discard(fold(place))
            if room:
                room.is_ours = len(names) == 1 and names[0].startswith(_MAKERS)
            shown = shown[:NAMES_ON_ENTRY]
        more = f" and {len(names) - len(shown)} more (/names)" if len(names) > len(shown) else ""
        return [Line(f"in {place} ({len(names)}): {' '.join(shown)}{more}")]

    def _who(self, params: list[str]) -> list[Line]:
        self._people += 1
        _, user, host, _, nick, flags, real = params[:7]
        state = "away" if flags.startswith("G") else "here"
        return [Line(f"{nick} ({user}@{host}), {state}, real name {real.partition(' ')[2]}")]

    def _who_ends(self, params: list[str]) -> list[Line]:
        people, self._people = self._people, 0
        if people:
            return []
        return [Line(f"nobody to see in {params[0]}" if is_room(params[0]) else f"nobody here is called {params[0]}")]

    def _banned(self, params: list[str]) -> list[Line]:
        self._bans += 1
        by = f", by {params[2].partition('!')[0]}" if params[2] else ""
        return [Line(f"banned from {params[0]}: {params[1]}{by}")]

    def _bans_end(self, params: list[str]) -> list[Line]:
        bans, self._bans = self._bans, 0
        return [] if bans else [Line(f"nobody is banned from {params[0]}")]

    def _listed(self, params: list[str]) -> list[Line]:
        self._rooms += 1
        if self._rooms > LISTED_ROOMS:
            return []
        mark = ", you are here" if self.model.room(params[0]) else ""
        topic = f": {params[2]}" if params[2] else ""
        return [Line(f"{params[0]} ({params[1]}{mark}){topic}")]

    def _list_ends(self, params: list[str]) -> list[Line]:
        total, self._rooms = self._rooms, 0
        if total > LISTED_ROOMS:
            return [Line(f"and {total - LISTED_ROOMS} rooms more")]
        return [] if total else [Line("no other rooms to see")]
