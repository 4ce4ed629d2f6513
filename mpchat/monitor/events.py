"""What has happened to the processes of a server, in words: deaths, replacements, hangs, stalls. Pure.

An event is what the control socket tells (supervisor/), a JSON object. An event of a newer server, which this code does
not know, is told by its name.
"""

from datetime import datetime
from typing import Any

from mpchat.texts import say, spoken, translate

_KNOWN = {"died", "replaced", "hangs", "silent", "turns again", "cannot start", "misbehaves"}
_KNOWN |= {"disk full", "disk has room"}


def in_words(event: dict[str, Any], language: str) -> str:
    """A sentence without its time; a terminal may be given it."""
    what = str(event.get("what", "?"))
    stalled = event.get("stall_ms", event.get("silent_ms"))
    said = say(
        language,
        f"events.{what.replace(' ', '_') if what in _KNOWN else 'other'}",
        role=event.get("role", "?"),
        pid=event.get("pid") or "-",
        how=translate(str(event.get("how") or "?")),
        ms="?" if stalled is None else stalled,
        what=what,
    )
    return "".join(letter if letter.isprintable() else "?" for letter in said)


def as_line(event: dict[str, Any]) -> str:
    """The sentence behind its local time, to the millisecond."""
    try:
        at = datetime.fromisoformat(str(event["at"]).replace("Z", "+00:00")).astimezone()
    except (KeyError, ValueError):
        return in_words(event, spoken())
    return f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03d}  {in_words(event, spoken())}"
