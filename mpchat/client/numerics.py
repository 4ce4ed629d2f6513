"""The server's numeric replies in words. Pure.

A numeric it does not know is shown as it came, so no answer is lost; only answers to no question are left out.
"""

from collections.abc import Callable

from mpchat.chat.names import fold, mixes_scripts
from mpchat.client.model import Model, is_room
from mpchat.client.step import CLIENT, ERROR, Line
from mpchat.protocol.message import Message
from mpchat.texts import t

NAMES_ON_ENTRY = 20  # nicks shown when a room is entered; /names shows all
LISTED_ROOMS = 100  # rooms shown for /rooms: more would push everything else off the screen
_PREFIXES = "~&@%+!"
_MAKERS = ("@", "~")  # the marks of who has made a room
# The greeting's small print; and at any time the ends of lists, and who set a topic.
_GREETING = frozenset(
    ["001", "002", "003", "004", "005", "042", "250", "251", "252", "253", "254", "255", "265", "266", "422"]
)
_GREETED = frozenset(["376", "422"])
_SILENT = frozenset(["318", "321", "333", "365", "369", "374", "375", "376", "396", "906"])


class Numerics:
    """What the numerics of one server say."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self._names: dict[str, list[str]] = {}  # a NAMES answer while it comes in: folded room -> names
        self._fresh: set[str] = set()  # rooms just entered, whose NAMES the user did not ask for
        self._unasked: set[str] = set()  # and whose modes
        self._rooms = 0  # in a LIST answer so far
        self._people = self._bans = 0  # the same for WHO and for MODE +b
        self._greeting = True  # until the message of the day is over: later, the user has asked for it
        self._table: dict[str, Callable[[list[str]], list[Line]]] = {
            "301": lambda p: [Line(t("client.numeric.away", nick=p[0], text=p[1]))],
            "305": lambda p: [Line(t("client.numeric.back"))],
            "306": lambda p: [Line(t("client.numeric.gone"))],
            "311": lambda p: [Line(t("client.numeric.whois", nick=p[0], user=p[1], host=p[2], real=p[4]))],
            "312": lambda p: [Line(t("client.numeric.connected", nick=p[0], server=p[1]))],
            "317": lambda p: [Line(t("client.numeric.idle", nick=p[0], seconds=p[1]))],
            "319": lambda p: [Line(t("client.numeric.rooms", nick=p[0], rooms=p[1]))],
            "315": self._who_ends,
            "322": self._listed,
            "323": self._list_ends,
            "324": self._modes,
            "329": self._made,
            "330": lambda p: [Line(t("client.numeric.account", nick=p[0], account=p[1]))],
            "331": lambda p: [Line(t("client.numeric.no_topic", room=p[0]))],
            "332": lambda p: [Line(t("client.numeric.topic", room=p[0], topic=p[1]))],
            "341": lambda p: [Line(t("client.numeric.invited", nick=p[0], room=p[1]))],
            "352": self._who,
            "353": self._named,
            "366": self._names_end,
            "367": self._banned,
            "368": self._bans_end,
            "372": lambda p: [Line(p[0].removeprefix("- "))],
            "401": self._not_here,
            "403": lambda p: [Line(t("plain.refusal.NO_SUCH_CHANNEL", room=p[0]), ERROR)],
            "432": self._bad_nick,
            "433": lambda p: [Line(t("plain.refusal.NICK_TAKEN", nick=p[0]), ERROR)],
            "438": lambda p: [Line(t("plain.refusal.NICK_TOO_FAST", nick=p[0], why=p[1]), ERROR)],
            "441": lambda p: [Line(t("plain.refusal.NOT_THERE", nick=p[0], room=p[1]), ERROR)],
            "442": lambda p: [Line(t("screen.not_in", room=p[0]), ERROR)],
            "443": lambda p: [Line(t("plain.refusal.ALREADY_THERE", nick=p[0], room=p[1]), ERROR)],
            "471": lambda p: [Line(t("plain.refusal.CHANNEL_FULL", room=p[0]), ERROR)],
            "473": self._closed,
            "474": lambda p: [Line(t("plain.refusal.BANNED", room=p[0]), ERROR)],
            "475": self._locked,
            "481": lambda p: [Line(t("client.numeric.no_server_operator"), ERROR)],
            "482": lambda p: [Line(t("plain.refusal.NOT_OPERATOR", room=p[0]), ERROR)],
            "671": lambda p: [Line(t("client.numeric.secure", nick=p[0]))],
            "900": lambda p: [Line(t("client.login.done", account=p[1]), CLIENT)],
            "901": lambda p: [Line(t("client.login.out"), CLIENT)],
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
        """We just entered `room`: the names and modes that follow are a greeting, not an answer."""
        self._fresh.add(fold(room))
        self._unasked.add(fold(room))

    def _not_here(self, params: list[str]) -> list[Line]:
        key = "NO_SUCH_CHANNEL" if is_room(params[0]) else "NO_SUCH_NICK"
        return [Line(t(f"plain.refusal.{key}", room=params[0], nick=params[0]), ERROR)]

    def _bad_nick(self, params: list[str]) -> list[Line]:
        nick, why = params[:2]
        key = "MIXED_NICK" if mixes_scripts(nick) else "NICK_RESERVED" if "belongs" in why else "BAD_NICK"
        return [Line(t(f"plain.refusal.{key}", nick=nick), ERROR)]

    def _closed(self, params: list[str]) -> list[Line]:
        """+i; or one of the server's operators wants to come in: then mpchat says more than others."""
        key = "OPERATOR_UNINVITED" if params[1].startswith("A server operator") else "INVITE_ONLY"
        return [Line(t(f"plain.refusal.{key}", room=params[0]), ERROR)]

    def _locked(self, params: list[str]) -> list[Line]:
        key = "client.numeric.wrong_key" if self.model.refused_key(params[0]) else "plain.refusal.BAD_KEY"
        return [Line(t(key, room=params[0]), ERROR)]

    def _modes(self, params: list[str]) -> list[Line]:
        if room := self.model.room(params[0]):
            room.marks.private.clear()
            self.model.keyed(params[0], params[1:])
        if fold(params[0]) in self._unasked:
            self._unasked.discard(fold(params[0]))
            return []
        shown = " ".join(word for word in params[1:] if word)
        if shown == "+":
            return [Line(t("client.numeric.no_modes", room=params[0]))]
        return [Line(t("client.numeric.modes", room=params[0], modes=shown))]

    def _made(self, params: list[str]) -> list[Line]:
        if room := self.model.room(params[0]):
            room.marks.made = params[1] if params[1] != "0" else ""  # the lobby of an older mpchat
        return []

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
            return [Line(t("client.numeric.no_room", room=place))]
        shown = sorted(names, key=lambda name: fold(name.lstrip(_PREFIXES)))
        if fold(place) in self._fresh:
            self._fresh.discard(fold(place))
            if room:
                room.is_ours = len(names) == 1 and names[0].startswith(_MAKERS)
            shown = shown[:NAMES_ON_ENTRY]
        told = {"room": place, "count": len(names), "names": " ".join(shown)}
        if more := len(names) - len(shown):
            return [Line(t("client.numeric.names_more", more=more, **told))]
        return [Line(t("client.numeric.names", **told))]

    def _who(self, params: list[str]) -> list[Line]:
        self._people += 1
        _, user, host, _, nick, flags, real = params[:7]
        key = "client.numeric.who_away" if flags.startswith("G") else "client.numeric.who_here"
        return [Line(t(key, nick=nick, user=user, host=host, real=real.partition(" ")[2]))]

    def _who_ends(self, params: list[str]) -> list[Line]:
        people, self._people = self._people, 0
        if people:
            return []
        if is_room(params[0]):
            return [Line(t("client.numeric.nobody_in", room=params[0]))]
        return [Line(t("client.numeric.nobody_called", nick=params[0]))]

    def _banned(self, params: list[str]) -> list[Line]:
        self._bans += 1
        if by := params[2].partition("!")[0]:
            return [Line(t("client.numeric.banned_by", room=params[0], mask=params[1], nick=by))]
        return [Line(t("client.numeric.banned", room=params[0], mask=params[1]))]

    def _bans_end(self, params: list[str]) -> list[Line]:
        bans, self._bans = self._bans, 0
        return [] if bans else [Line(t("client.numeric.no_bans", room=params[0]))]

    def _listed(self, params: list[str]) -> list[Line]:
        self._rooms += 1
        if self._rooms > LISTED_ROOMS:
            return []
        key = "client.numeric.listed_here" if self.model.room(params[0]) else "client.numeric.listed"
        topic = f": {params[2]}" if params[2] else ""
        return [Line(t(key, room=params[0], count=params[1]) + topic)]

    def _list_ends(self, params: list[str]) -> list[Line]:
        total, self._rooms = self._rooms, 0
        if total > LISTED_ROOMS:
            return [Line(t("client.numeric.more_rooms", count=total - LISTED_ROOMS))]
        return [] if total else [Line(t("client.numeric.no_rooms"))]
