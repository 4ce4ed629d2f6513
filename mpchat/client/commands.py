"""What a typed line means: words to say, lines to send, or something for the client itself. Pure.

It changes the model only where the user does ("talk to beto now"); everything else waits for the server's word.
"""

import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass

from mpchat.client.model import Model, is_room
from mpchat.client.status import REFUSED, REMOVED
from mpchat.client.step import CLIENT, ERROR, Line, Speech, Step, error, harmless, note
from mpchat.protocol.message import build

GOODBYE = "leaving"
_WITHOUT_VALUE = re.compile(r"[-+A-Za-z]*\+[A-Za-z]*[klov][A-Za-z]*")  # changes of modes that lack what they set
HISTORY_LINES, MOST_HISTORY_LINES = 20, 100


@dataclass(frozen=True)
class Command:
    """One /command: how it is used, what it does, and whether it needs the server."""

    usage: str
    help: str
    run: Callable[[Model, str], Step | None]  # None: used wrongly
    alone: bool = False  # works without a connection


def execute(text: str, model: Model) -> Step:
    """One typed line. `//` at its beginning says a slash."""
    text = harmless(text)
    if is_command(text):
        return _command(text.lstrip(), model)
    return say(text[1:] if text.startswith("//") else text, model)


def is_command(text: str) -> bool:
    """Is its first character a slash, and only one? A space in front does not make words of a /command."""
    text = text.lstrip()
    return text.startswith("/") and not text.startswith("//")


def say(text: str, model: Model, to: str | None = None) -> Step:
    """`text` as it is, to that place, or to where our words go."""
    if not text.strip():
        return Step()
    place = model.current if to is None else to
    if model.has(place):
        return Step(say=[Speech(place, text)])
    unsaid = f"not said: {text}"
    if model.current:
        return error(f"{unsaid} (you are no longer in {place})")
    return _nowhere(unsaid, model) if model.nowhere else error(f"{unsaid} (you are in no room: /join #room)")


def talking(model: Model) -> str:
    """Where our words go, for the user; where they go nowhere, how to go on."""
    if is_room(model.current):
        return f"now talking in {model.current}"
    if model.current:
        return f"now talking to {model.current} (/query ends it)"
    if before := model.before():
        return f"your words go nowhere now: /query turns to {before}, /join #room to a room"
    return "your words go nowhere now: /join #room"


def _nowhere(undone: str, model: Model) -> Step:
    """Says what is not done, of what would have gone where our words went, until we lost that."""
    outcome = REMOVED if model.expelled else REFUSED
    return Step(show=[Line(f"{undone} ({model.nowhere})", ERROR)], outcome=outcome)


def undone(text: str) -> str:
    """Says that a line was not obeyed. Of a /command it shows the name only: the rest may be a key or a password."""
    return f"not done: {text.split()[0]}" if is_command(text) else f"not said: {text}"


def meant(text: str) -> str:
    """The name of the command that `text` is, or most likely was to be; "" for words."""
    if not is_command(text):
        return ""
    name = _name(text)
    return name if name in COMMANDS else _nearest(name)


def _name(text: str) -> str:
    """What the /command `text` is called, by whichever of its names."""
    name = text.lstrip()[1:].partition(" ")[0].lower()
    return ALIASES.get(name, name)


def _nearest(name: str) -> str:
    return next(iter(difflib.get_close_matches(name, COMMANDS, 1)), "")


def needs_server(text: str) -> bool:
    """Is this a /command that cannot be obeyed without a connection?"""
    known = COMMANDS.get(_name(text))
    return is_command(text) and known is not None and not known.alone


def works_alone(text: str) -> bool:
    """Is this a /command that stands on nothing: the client's own?"""
    known = COMMANDS.get(_name(text))
    return is_command(text) and known is not None and known.alone


def _unknown(name: str) -> Step:
    near = _nearest(name)
    return error(f"no such command: /{name}" + (f" (did you mean /{near}?)" if near else " (see /help)"))


def _command(text: str, model: Model) -> Step:
    name, rest = _name(text), text.partition(" ")[2]
    known = COMMANDS.get(name)
    if known is None:
        return _unknown(name)
    step = known.run(model, rest.strip())
    if step is None and model.nowhere and not model.current and "#ROOM" in known.usage:
        return _nowhere(undone(text), model)  # it needs the room that we are not in
    return step or error(f"how to use it: /{name} {known.usage}  {known.help}")


# Each takes the model and the words behind the command.


def _nick(model: Model, rest: str) -> Step | None:
    if not rest or " " in rest:
        return None
    return note(f"you are {rest} already") if rest == model.nick else Step(send=[build("", "NICK", rest)])


def _join(model: Model, rest: str) -> Step | None:
    name, _, key = rest.partition(" ")
    if not name or "," in name or " " in key:
        return None
    name = name if is_room(name) else f"#{name}"
    if room := model.room(name):
        model.talk(room.name)
        return note(talking(model))
    return Step(send=[build("", "JOIN", name, key) if key else build("", "JOIN", name)])


def _part(model: Model, rest: str) -> Step | None:
    name, reason = _place(model, rest)
    if not is_room(name):
        return None
    return Step(send=[build("", "PART", name, reason) if reason else build("", "PART", name)])


def _msg(model: Model, rest: str) -> Step | None:
    target, _, text = rest.partition(" ")
    return Step(say=[Speech(target, text.strip())]) if target and text.strip() and "," not in target else None


def _query(model: Model, rest: str) -> Step | None:
    target, _, text = rest.partition(" ")
    if not target:
        model.talk(model.before() or (model.current if is_room(model.current) else ""))
        return note(talking(model))
    room = model.room(target)
    if (is_room(target) and not room) or "," in target:
        return None
    model.talk(room.name if room else target)
    step = note(talking(model))
    if text.strip():
        step.say = [Speech(model.current, text.strip())]
    return step


def _q(model: Model, rest: str) -> Step | None:
    """As in other clients a query, and never a goodbye: with words behind it, it says them and turns to nobody."""
    if not rest:
        return error("did you mean /quit? (/q NICK TEXT is /msg)")
    return _msg(model, rest) or _query(model, rest)


def _me(model: Model, rest: str) -> Step | None:
    if not rest:
        return None
    step = say(rest, model)
    step.say = [Speech(speech.target, speech.text, action=True) for speech in step.say]
    return step


def _who(model: Model, rest: str) -> Step | None:
    target = rest or model.current
    return Step(send=[build("", "WHO", target)]) if target and " " not in target else None


def _names(model: Model, rest: str) -> Step | None:
    name = rest or model.current
    return Step(send=[build("", "NAMES", name)]) if is_room(name) and " " not in name else None


def _topic(model: Model, rest: str) -> Step | None:
    name, topic = _place(model, rest)
    if not is_room(name):
        return None
    if topic == "-":
        return Step(send=[build("", "TOPIC", name, "")])
    return Step(send=[build("", "TOPIC", name, topic) if topic else build("", "TOPIC", name)])


def _rooms(model: Model, rest: str) -> Step | None:
    mine = [room.name for room in model.rooms.values() if room.entered]
    here = f", talking in {model.current}" if len(mine) > 1 else ""
    step = note(f"you are in {' '.join(mine) or 'no room'}{here}")
    step.send = ["LIST"]
    return step


def _history(model: Model, rest: str) -> Step | None:
    name, rest = _place(model, rest)
    lines = int(rest) if rest.isdecimal() else 0 if rest else HISTORY_LINES
    if not is_room(name) or not 1 <= lines <= MOST_HISTORY_LINES:
        return None
    return Step(recall=(name, lines))


def _whois(model: Model, rest: str) -> Step | None:
    return Step(send=[build("", "WHOIS", rest)]) if rest and " " not in rest else None


def _away(model: Model, rest: str) -> Step | None:
    return Step(send=[build("", "AWAY", rest) if rest else "AWAY"])


def _kick(model: Model, rest: str) -> Step | None:
    name, rest = _place(model, rest)
    nick, _, reason = rest.partition(" ")
    return Step(send=[build("", "KICK", name, nick, reason or model.nick)]) if is_room(name) and nick else None


def _invite(model: Model, rest: str) -> Step | None:
    nick, _, name = rest.partition(" ")
    name = name or model.current
    return Step(send=[build("", "INVITE", nick, name)]) if nick and is_room(name) else None


def _mode(model: Model, rest: str) -> Step | None:
    name, change = _place(model, rest)
    if _WITHOUT_VALUE.fullmatch(change):
        return None
    return Step(send=[f"MODE {name} {change}".strip()]) if name else None


def _kill(model: Model, rest: str) -> Step | None:
    nick, _, why = rest.partition(" ")
    return Step(send=[build("", "KILL", nick, why.strip() or model.nick)]) if nick else None


def _oper(model: Model, rest: str) -> Step | None:
    name, _, password = rest.partition(" ")
    if not name:
        return None
    password = password.strip()
    return Step(send=[build("", "OPER", name, password)]) if password else Step(oper=name)


def _raw(model: Model, rest: str) -> Step | None:
    return Step(send=[rest]) if rest else None


def _help(model: Model, rest: str) -> Step | None:
    name = _name(f"/{rest.lstrip('/')}")
    if name and name not in COMMANDS:
        return _unknown(name)
    chosen = {name: COMMANDS[name]} if name in COMMANDS else COMMANDS
    width = max(len(f"/{name} {known.usage}") for name, known in chosen.items())
    lines = [f"{f'/{name} {known.usage}':{width}}  {known.help}" for name, known in chosen.items()]
    return Step(show=[Line(line, CLIENT) for line in lines])


def _clear(model: Model, rest: str) -> Step | None:
    return Step(clear=True)


def _reconnect(model: Model, rest: str) -> Step | None:
    return Step(reconnect=True) if not rest else None


def _quit(model: Model, rest: str) -> Step | None:
    return Step(leave=rest or GOODBYE)


def _place(model: Model, rest: str) -> tuple[str, str]:
    """The room named first in `rest`, else the current one; and the words behind it."""
    if is_room(rest):
        name, _, rest = rest.partition(" ")
        return name, rest.strip()
    return model.current, rest


COMMANDS = {
    "join": Command("#ROOM [KEY]", "enter a room, or turn to one you are in", _join),
    "part": Command("[#ROOM] [REASON]", "leave a room", _part),
    "msg": Command("NICK TEXT", "say something in private", _msg),
    "query": Command("[NICK]", "talk to one person; alone: back to where you talked before", _query),
    "q": Command("NICK [TEXT]", "/msg, or without a text /query", _q),
    "me": Command("TEXT", "say what you do: <*ana> waves", _me),
    "nick": Command("NICK", "be called otherwise", _nick),
    "names": Command("[#ROOM]", "who is in a room", _names),
    "who": Command("[#ROOM or NICK]", "the same with more about each", _who),
    "whois": Command("NICK", "all about one person", _whois),
    "rooms": Command("", "which rooms there are", _rooms),
    "topic": Command("[#ROOM] [TEXT]", "read or set what a room is about; - removes it", _topic),
    "history": Command("[#ROOM] [N]", "the last 20, or N, lines said in a room (100 at most)", _history),
    "away": Command("[TEXT]", "say that you are away; alone: back", _away),
    "invite": Command("NICK [#ROOM]", "ask somebody in", _invite),
    "kick": Command("[#ROOM] NICK [REASON]", "send somebody out (operators)", _kick),
    "mode": Command("[#ROOM] [CHANGE]", "read a room's modes; operators change them", _mode),
    "oper": Command("NAME [PASSWORD]", "become an operator of the server; alone: asks for the password", _oper),
    "kill": Command("NICK [WHY]", "remove somebody from the server (operators of the server)", _kill),
    "raw": Command("LINE", "send a line of IRC as it is", _raw),
    "reconnect": Command("", "come back, after an operator has removed you", _reconnect, alone=True),
    "clear": Command("", "an empty screen", _clear, alone=True),
    "help": Command("[COMMAND]", "this list; //text says /text", _help, alone=True),
    "quit": Command("[TEXT]", "say goodbye and leave", _quit, alone=True),
}
ALIASES = {
    "j": "join",
    "leave": "part",
    "m": "msg",
    "exit": "quit",
    "list": "rooms",
    "w": "who",
    "quote": "raw",
}
