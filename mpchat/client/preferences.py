"""What the user has chosen about the client: the keys of the settings file, and of /set. Pure data."""

from dataclasses import dataclass


@dataclass
class Preferences:
    """Of one run. /set changes them, and the settings file keeps what was set."""

    nick: str = ""  # "" asks, the first time
    room: str = "#lobby"
    language: str = ""  # "" is what the locale says
    bell: bool = True  # rings where somebody is called
    joins: str = "fold"  # who comes and goes is shown "all", folded within 3 s, or "none"
    history: int = 20  # lines of a room's past that are shown when it is entered, 0 to 100
