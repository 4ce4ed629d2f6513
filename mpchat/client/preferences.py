"""What the user has chosen about the client: the keys of the settings file, and of /set. Pure."""

from dataclasses import dataclass, field

from mpchat import texts
from mpchat.chat.names import valid_channel, valid_nick

NICK_BYTES = 30  # mpchat's limit for a nickname
ROOM_BYTES = 64  # and for the name of a room
MOST_HISTORY = 100  # lines: the most that mpchat gives at once
JOINS = ("all", "fold", "none")

Value = str | bool | int | list[str]

_BOOLEANS = {
    **dict.fromkeys(("on", "true", "yes", "y", "sí", "si", "s"), True),
    **dict.fromkeys(("off", "false", "no", "n"), False),
}


@dataclass
class Preferences:
    """Of one run. /set and /ignore change them, and the settings file keeps what was set."""

    nick: str = ""  # "" is the login name
    room: str = "#lobby"
    language: str = ""  # "" is what the locale says
    bell: bool = True  # rings where somebody is called
    joins: str = "fold"  # who comes and goes is shown "all", folded within 3 s, or "none"
    history: int = 20  # lines of a room's past that are shown when it is entered, 0 to 100
    ignore: list[str] = field(default_factory=list)  # nicks whose words are not shown
    system_language: str = field(default="", compare=False)  # what `language` "" means; not kept

    def value(self, key: str) -> Value:
        """What one of the keys is set to."""
        value: Value = getattr(self, key)
        return value

    def set(self, key: str, value: Value) -> None:
        """Set it. The value must fit()."""
        setattr(self, key, value)


KEYS = ("nick", "room", "language", "bell", "joins", "history")  # of /set; `ignore` has commands of its own


def fits(key: str, value: object) -> bool:
    """May that key have this value, of whatever type a settings file gives it?"""
    match key:
        case "bell":
            return isinstance(value, bool)
        case "history":
            return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_HISTORY
        case "ignore":
            return isinstance(value, list) and all(map(_is_name, value))
    if not isinstance(value, str):
        return False
    match key:
        case "nick":
            return not value or valid_nick(value, NICK_BYTES)
        case "room":  # "" is none
            return not value or (value[0] in "#&" and valid_channel(f"#{value[1:]}", ROOM_BYTES))
        case "language":
            return not value or value in texts.LANGUAGES
        case "joins":
            return value in JOINS
    return False


def _is_name(value: object) -> bool:
    """Is it a text that some server may know somebody by?"""
    return isinstance(value, str) and value != "" and value.isprintable() and " " not in value


def typed(key: str, text: str) -> Value | None:
    """The value that a person means by `text`, "-" being the default; None: that key cannot have it."""
    value: Value | None = text
    if text == "-":
        return Preferences().value(key)
    match key:
        case "bell":
            value = _BOOLEANS.get(text.lower())
        case "history":
            value = int(text) if text.isdecimal() and len(text) < 5 else None
        case "language" | "joins":
            value = text.lower()
        case "room" if text[:1] not in ("#", "&"):
            value = f"#{text}"
    return value if value is not None and fits(key, value) else None


def shown(value: Value) -> str:
    """As a person would type it."""
    match value:
        case bool():
            return "on" if value else "off"
        case list():
            return " ".join(value)
        case "":
            return "-"
    return str(value)


def choices(key: str) -> tuple[str, ...]:
    """What Tab offers for the value of a key."""
    match key:
        case "bell":
            return ("off", "on")
        case "joins":
            return JOINS
        case "language":
            return tuple(sorted(texts.LANGUAGES))
    return ()
