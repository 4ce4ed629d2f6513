"""What a typed line means: words to say, lines to send, or something for the client itself. Pure.

It changes the model only where the user does ("talk to beto now"); everything else waits for the server's word.
"""

import difflib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from mpchat import texts
from mpchat.chat.names import fold, valid_nick
from mpchat.client.model import Model, is_room
from mpchat.client.preferences import KEYS, MOST_HISTORY, Preferences, Value, shown, typed
from mpchat.client.status import REFUSED, REMOVED
from mpchat.client.step import CLIENT, ERROR, Ask, Given, Line, Setting, Speech, Step, error, harmless, note
from mpchat.protocol.message import build, parse
from mpchat.texts import t

_WITHOUT_VALUE = re.compile(r"[-+A-Za-z]*\+[A-Za-z]*[klov][A-Za-z]*")  # changes of modes that lack what they set
_VALUELESS = "imnst"  # modes that have none
# Of commands that ask for a password where they have fewer words.
_WORDS_WITH_PASSWORD = {"oper": 3, "login": 3, "register": 2, "password": 2, "drop": 3}
HISTORY_LINES = 20
LAST_LINES = 20
_LONG_NICK_BYTES = 256  # of another server than mpchat, which may know longer ones


@dataclass(frozen=True)
class Command:
    """One /command: what it does, and what it needs. How it is used and its help are texts."""

    run: Callable[[Model, str], Step | None]  # None: used wrongly
    alone: bool = False  # works without a connection, and whatever was typed before it
    offline: bool = False  # works without a connection
    beside: str = ""  # the command whose help tells of this one, in the list of all


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


def usage(name: str) -> str:
    """How the command of that name is used: the words behind it."""
    return t(f"client.usage.{name}")


def say(text: str, model: Model, to: str | None = None) -> Step:
    """`text` as it is, to that place, or to where our words go."""
    if not text.strip():
        return Step()
    place = model.current if to is None else to
    doubt = model.doubt(place)
    if model.has(place) and not doubt:
        return Step(say=[Speech(place, text)])
    unsaid = t("client.not_said", text=text)
    if doubt:
        return error(t("client.undone", undone=unsaid, why=doubt))
    if model.current:
        return error(t("client.undone", undone=unsaid, why=t("client.no_longer_in", place=place)))
    return (
        _nowhere(unsaid, model) if model.nowhere else error(t("client.undone", undone=unsaid, why=t("client.no_room")))
    )


def talking(model: Model) -> str:
    """Where our words go, for the user; where they go nowhere, how to go on."""
    if is_room(model.current):
        return t("client.talking.room", room=model.current)
    if model.current:
        return t("client.talking.person", nick=model.current)
    if before := model.before():
        return t("client.talking.nowhere_but", before=before)
    return t("client.talking.nowhere")


def _nowhere(undone: str, model: Model) -> Step:
    """Says what is not done, of what would have gone where our words went, until we lost that."""
    outcome = REMOVED if model.expelled else REFUSED
    return Step(show=[Line(t("client.undone", undone=undone, why=model.nowhere), ERROR)], outcome=outcome)


def undone(text: str) -> str:
    """Says that a line was not obeyed. Of a /command it shows the name only: the rest may be a key or a password."""
    if is_command(text):
        return t("client.not_done", command=text.split()[0])
    return t("client.not_said", text=text)


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


def _nearest(name: str, known: Iterable[str] = ()) -> str:
    return next(iter(difflib.get_close_matches(name, list(known or COMMANDS), 1)), "")


def needs_server(text: str) -> bool:
    """Is this a /command that cannot be obeyed without a connection?"""
    known = COMMANDS.get(_name(text))
    return is_command(text) and known is not None and not (known.alone or known.offline or asks_password(text))


def moves(text: str) -> bool:
    """Does this /command ask the server for what changes where words go?"""
    name = _name(text)
    asked = parse(text.lstrip().partition(" ")[2].lstrip()).command if name == "raw" else name.upper()
    return is_command(text) and asked in ("JOIN", "PART")


def works_alone(text: str) -> bool:
    """Is this a /command that stands on nothing: the client's own?"""
    known = COMMANDS.get(_name(text))
    return is_command(text) and known is not None and (known.alone or bool(asks_password(text)))


def asks_password(text: str) -> str:
    """Is this `/oper NAME`, `/login`, `/login ACCOUNT`, `/register`, or another that asks, perhaps misspelt? Which?

    Then what is typed next is a password, whatever comes of the command.
    """
    name = meant(harmless(text))
    return name if len(text.split()) < _WORDS_WITH_PASSWORD.get(name, 0) else ""


def _unknown(name: str) -> Step:
    near = _nearest(name)
    return error(t("client.unknown_near", name=name, near=near) if near else t("client.unknown", name=name))


def _command(text: str, model: Model) -> Step:
    name, rest = _name(text), text.partition(" ")[2]
    known = COMMANDS.get(name)
    if known is None:
        return _unknown(name)
    step = known.run(model, rest.strip())
    if step is None and model.nowhere and not model.current and "#" in usage(name):
        return _nowhere(undone(text), model)  # it needs the room that we are not in
    return step or error(t("client.usage", name=name, usage=usage(name), help=t(f"client.help.{name}")))


# Each takes the model and the words behind the command.


def _nick(model: Model, rest: str) -> Step | None:
    if not rest or " " in rest:
        return None
    return note(t("client.nick_already", nick=rest)) if rest == model.nick else Step(send=[build("", "NICK", rest)])


def _join(model: Model, rest: str) -> Step | None:
    name, _, key = rest.partition(" ")
    if not name or "," in name or " " in key:
        return None
    name = name if is_room(name) else f"#{name}"
    if room := model.room(name):
        model.talk(room.name)
        return note(talking(model))
    key = key or model.key(name)  # of a room that we were made to leave
    return Step(send=[build("", "JOIN", name, key) if key else build("", "JOIN", name)])


def _part(model: Model, rest: str) -> Step | None:
    """The first word is a room, as /join has it. One that names none of ours is no reason: perhaps it is misspelt."""
    name, _, reason = rest.partition(" ")
    if not name:
        name = model.current
    elif model.room(f"#{name}"):
        name = f"#{name}"
    if not is_room(name):
        return None
    reason = reason.strip()
    return Step(send=[build("", "PART", name, reason) if reason else build("", "PART", name)])


def _msg(model: Model, rest: str) -> Step | None:
    target, _, text = rest.partition(" ")
    return Step(say=[Speech(target, text.strip())]) if target and text.strip() and "," not in target else None


def _query(model: Model, rest: str) -> Step | None:
    target, _, text = rest.partition(" ")
    if not target:
        model.talk(model.before() or (model.current if is_room(model.current) else ""))
        return note(talking(model))
    room = model.rooms.get(fold(target))  # also one that we are to come back to
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
        return error(t("client.q_alone"))
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
    if not mine:
        step = note(t("client.in_no_room"))
    elif len(mine) == 1:
        step = note(t("client.in_room", room=mine[0]))
    else:
        step = note(t("client.in_rooms", rooms=" ".join(mine), current=model.current))
    step.send = ["LIST"]
    return step


def _history(model: Model, rest: str) -> Step | None:
    name, rest = _place(model, rest)
    first, _, last = rest.partition(" ")
    older = first.lower() == "more"
    lines = _count(last.strip() if older else rest, HISTORY_LINES)
    if not is_room(name) or not 1 <= lines <= MOST_HISTORY:
        return None
    if not model.room(name):
        return error(t("screen.not_in", room=name))
    return Step(older=(name, lines)) if older else Step(recall=(name, lines))


def _count(text: str, default: int) -> int:
    """A number of lines; 0 for what is none."""
    return int(text) if text.isdecimal() and len(text) < 5 else 0 if text else default


def _search(model: Model, rest: str) -> Step | None:
    name, words = _place(model, rest)
    if not is_room(name) or not words:
        return None
    return Step(search=(name, words)) if model.room(name) else error(t("screen.not_in", room=name))


def _last(model: Model, rest: str) -> Step | None:
    first, _, words = rest.partition(" ")
    count = _count(first, LAST_LINES) if first.isdecimal() or not first else LAST_LINES
    words = words.strip() if first.isdecimal() else rest
    if not count:
        return None
    if not (place := model.current or model.before()):
        return error(t("client.no_room"))
    found = model.memory.last(place, count, words)
    if not found:
        return note(
            t("client.last.none_with", place=place, words=words) if words else t("client.last.none", place=place)
        )
    head = t("client.last.with", place=place, words=words) if words else t("client.last.head", place=place)
    step = note(head)
    step.show += found
    return step


def _set(model: Model, rest: str) -> Step | None:
    key, _, text = rest.partition(" ")
    key, text = key.lower(), text.strip()
    if not key:
        return Step(show=[Line(_setting(model, each), CLIENT) for each in KEYS])
    if key == "ignore":  # in the file it is one
        return error(t("client.set.ignore"))
    if key not in KEYS:
        near = _nearest(key, KEYS)
        told = t("client.set.unknown_near", key=key, near=near) if near else t("client.set.unknown", key=key)
        return error(told)
    if not text:
        return note(_setting(model, key))
    value = typed(key, text)
    if value is None:
        return error(t(f"client.set.allowed.{key}"))
    model.preferences.set(key, value)
    if key == "language":
        texts.use(str(value) or model.preferences.system_language or texts.spoken())
    step = Step(save=Setting(key, value, _set_now(key, value)))
    if key == "nick" and value and value != model.nick:
        step.send = [build("", "NICK", str(value))]
    return step


def _set_now(key: str, value: Value) -> str:
    """What setting that means at once."""
    if key == "room" and value:
        return t("client.set.room", room=value)
    if key in ("room", "history") or (not value and key == "nick"):
        return t("client.set.later", key=key, value=shown(value))
    return t("client.set.now", key=key, value=shown(value))


def _setting(model: Model, key: str) -> str:
    value, default = shown(model.preferences.value(key)), shown(Preferences().value(key))
    return t(
        "client.set.row", key=f"{key:8}", value=f"{value:8}", default=default, meaning=t(f"client.set.meaning.{key}")
    )


def _ignore(model: Model, rest: str) -> Step | None:
    if not rest:
        ignored = [*model.preferences.ignore, *model.followed.values()]
        return note(t("client.ignore.list", nicks=" ".join(ignored)) if ignored else t("client.ignore.nobody"))
    if " " in rest or "," in rest or is_room(rest):
        return None
    if model.is_me(rest):
        return error(t("client.ignore.self"))
    if any(fold(one) == fold(rest) for one in model.preferences.ignore):
        return note(t("client.ignore.already", nick=rest))
    if not valid_nick(rest, _LONG_NICK_BYTES) and not model.is_in_sight(rest):
        return error(t("client.ignore.no_nick", nick=rest))
    model.followed.pop(fold(rest), None)  # for the time being; from here on for good
    model.preferences.ignore.append(rest)
    return Step(save=Setting("ignore", [*model.preferences.ignore], t("client.ignore.done", nick=rest)))


def _unignore(model: Model, rest: str) -> Step | None:
    if not rest or " " in rest:
        return None
    if not model.ignores(rest):
        near = _nearest(rest, [*model.preferences.ignore, *model.followed.values(), ""])
        told = t("client.ignore.not_near", nick=rest, near=near) if near else t("client.ignore.not", nick=rest)
        return error(told)
    model.followed.pop(fold(rest), None)
    kept = [nick for nick in model.preferences.ignore if fold(nick) != fold(rest)]
    model.preferences.ignore = kept
    return Step(save=Setting("ignore", [*kept], t("client.ignore.ended", nick=rest)))


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
    letters, *values = change.split() or [""]
    if letters[:1] in ("+", "-") and len(values) > _most_values(letters):
        return error(t("client.mode_words", change=letters))
    return Step(send=[f"MODE {name} {change}".strip()]) if name else None


def _right(change: str) -> Callable[[Model, str], Step | None]:
    """/op and its kind: a change of the rights of one who is in the room."""

    def run(model: Model, rest: str) -> Step | None:
        name, nick = _place(model, rest)
        if not is_room(name) or not nick or " " in nick:
            return None
        return Step(send=[build("", "MODE", name, change, nick)])

    return run


def _bar(change: str) -> Callable[[Model, str], Step | None]:
    """/ban and /unban: of a nick, which stands for its mask, or of a mask."""

    def run(model: Model, rest: str) -> Step | None:
        name, mask = _place(model, rest)
        if not is_room(name) or not mask or " " in mask:
            return None
        mask = mask if any(sign in mask for sign in "!@*?") else f"{mask}!*@*"
        return Step(send=[build("", "MODE", name, change, mask)])

    return run


def _most_values(letters: str) -> int:
    """How many words a change of modes takes at most: of modes that other servers have it is not known if they do."""
    return sum(letter not in "+-" + _VALUELESS for letter in letters)


def _kill(model: Model, rest: str) -> Step | None:
    nick, _, why = rest.partition(" ")
    return Step(send=[build("", "KILL", nick, why.strip() or model.nick)]) if nick else None


def _oper(model: Model, rest: str) -> Step | None:
    name, _, password = rest.partition(" ")
    if not name:
        return None
    password = password.strip()
    return Step(send=[build("", "OPER", name, password)]) if password else Step(ask=Ask("oper", name))


def _login(model: Model, rest: str) -> Step | None:
    """One word is an account, never a password: it is shown where its password is asked for."""
    account, _, password = rest.partition(" ")
    account, password = account or model.nick, password.strip()
    return Step(given=Given("login", account, password)) if password else Step(ask=Ask("login", account))


def _register(model: Model, rest: str) -> Step | None:
    """An account is called as we are."""
    return Step(given=Given("register", model.nick, rest)) if rest else Step(ask=Ask("register", model.nick))


def _password(model: Model, rest: str) -> Step | None:
    """Of the account that we are logged in to, which is most often called as we are."""
    return Step(given=Given("password", model.nick, rest)) if rest else Step(ask=Ask("password", model.nick))


def _drop(model: Model, rest: str) -> Step | None:
    """One word is an account, as in /login."""
    account, _, password = rest.partition(" ")
    account, password = account or model.nick, password.strip()
    return Step(given=Given("drop", account, password)) if password else Step(ask=Ask("drop", account))


def _raw(model: Model, rest: str) -> Step | None:
    return Step(send=[rest]) if rest else None


def _help(model: Model, rest: str) -> Step | None:
    name = _name(f"/{rest.lstrip('/')}")
    if name and name not in COMMANDS:
        return _unknown(name)
    chosen = [name] if name in COMMANDS else [each for each, command in COMMANDS.items() if not command.beside]
    used = {name: f"/{name} {usage(name)}" for name in chosen}
    width = max(map(len, used.values()))
    lines = [f"{text:{width}}  {t(f'client.help.{name}')}" for name, text in used.items()]
    return Step(show=[Line(line, CLIENT) for line in lines])


def _clear(model: Model, rest: str) -> Step | None:
    return Step(clear=True)


def _reconnect(model: Model, rest: str) -> Step | None:
    return Step(reconnect=True) if not rest else None


def _quit(model: Model, rest: str) -> Step | None:
    return Step(leave=rest or t("client.goodbye"))


def _place(model: Model, rest: str) -> tuple[str, str]:
    """The room named first in `rest`, else the current one; and the words behind it."""
    if is_room(rest):
        name, _, rest = rest.partition(" ")
        return name, rest.strip()
    return model.current, rest


COMMANDS = {
    "join": Command(_join),
    "part": Command(_part),
    "msg": Command(_msg),
    "query": Command(_query, offline=True),
    "q": Command(_q, offline=True),
    "me": Command(_me),
    "nick": Command(_nick),
    "names": Command(_names),
    "who": Command(_who),
    "whois": Command(_whois),
    "rooms": Command(_rooms),
    "topic": Command(_topic),
    "history": Command(_history),
    "last": Command(_last, alone=True),
    "search": Command(_search),
    "away": Command(_away),
    "invite": Command(_invite),
    "kick": Command(_kick),
    "op": Command(_right("+o")),
    "deop": Command(_right("-o"), beside="op"),
    "voice": Command(_right("+v"), beside="op"),
    "devoice": Command(_right("-v"), beside="op"),
    "ban": Command(_bar("+b")),
    "unban": Command(_bar("-b"), beside="ban"),
    "mode": Command(_mode),
    "register": Command(_register),
    "login": Command(_login, offline=True),
    "password": Command(_password),
    "drop": Command(_drop),
    "oper": Command(_oper),
    "kill": Command(_kill),
    "raw": Command(_raw),
    "ignore": Command(_ignore, alone=True),
    "unignore": Command(_unignore, alone=True),
    "set": Command(_set, alone=True),
    "reconnect": Command(_reconnect, alone=True),
    "clear": Command(_clear, alone=True),
    "help": Command(_help, alone=True),
    "quit": Command(_quit, alone=True),
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
