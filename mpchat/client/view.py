"""What a message from the server means to a person: it updates the model and says which lines to show. Pure.

It never answers the server (session.py does) and never fails on what a server sends: a missing parameter is "".
Numeric replies are in numerics.py.
"""

import datetime
import re
from collections.abc import Callable
from dataclasses import replace

from mpchat.chat.names import fold
from mpchat.client.model import Model, is_room
from mpchat.client.numerics import Numerics
from mpchat.client.step import CLIENT, ERROR, Line, Move, Said, Speech, harmless
from mpchat.protocol.message import Message
from mpchat.texts import t

_CTCP = "\x01"  # around a text that is meant for the program
_ACTION = f"{_CTCP}ACTION"
_YEAR_9999 = 253_370_764_800  # its beginning, in seconds


class View:
    """One server as its user sees it."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.numerics = Numerics(model)
        self._handlers: dict[str, Callable[[Message], list[Line]]] = {
            "JOIN": self._joined,
            "PART": self._parted,
            "QUIT": self._quit,
            "NICK": self._renamed,
            "KICK": self._kicked,
            "TOPIC": self._topic,
            "MODE": self._mode,
            "INVITE": self._invited,
            "ERROR": self._error,
            "FAIL": self._refused,
            "WARN": self._refused,
            "NOTE": self._refused,
        }

    def heard(self, message: Message, echo: bool = False) -> list[Line]:
        """Take in one message. `echo`: it is known to be our own line coming back.

        Of people whom the user ignores there are no words here, whoever asks for them.
        """
        if not self.model.is_me(nick_of(message)) and self.model.ignores(nick_of(message)):
            if message.command in ("PRIVMSG", "NOTICE", "INVITE"):
                return []
            message = _without_reason(message)
        if message.command in ("PRIVMSG", "NOTICE"):
            lines = self._spoken(_tidy(message), echo)
        elif message.command.isdigit():
            lines = self.numerics.heard(_tidy(message))
        else:
            handler = self._handlers.get(message.command)
            lines = handler(_tidy(message)) if handler else []
        at = sent_at(message)
        return lines if at is None else [_dated(line, at) for line in lines]

    def own(self, speech: Speech) -> Line:
        """The line for something we said ourselves."""
        return self._line(self.model.nick, speech.target, harmless(speech.text), speech.action, own=True)

    # What people do.

    def _spoken(self, message: Message, echo: bool) -> list[Line]:
        nick, target, text = nick_of(message), param(message, 0), param(message, 1)
        place = target[1:] if target[:2] in ("@#", "%#", "+#") else target  # to the ops of a room
        if message.command == "NOTICE":
            nick = nick or t("screen.server")
            from_chat = is_room(place) or "!" in message.source  # and not the server's word to us alone
            other = place if is_room(place) or self.model.is_me(nick) else nick
            said = Said(_room(place), nick, harmless(text), "notice", other) if from_chat else None
            is_news = is_room(place) and not self.model.is_me(nick)  # in private it answers something, most likely
            return [Line(harmless(text), f"-{nick}-", nick, self._place(place), said=said, is_news=is_news)]
        if text.startswith(_CTCP) and not text.startswith(_ACTION):
            return [Line(harmless(t("screen.ctcp", nick=nick, text=text)), who=nick, room=self._place(place))]
        action = text.startswith(_ACTION)
        if action:
            text = text.strip(_CTCP).partition(" ")[2]
        own = self.model.is_me(nick) and (echo or not self.model.is_me(target))
        return [self._line(nick, place, harmless(text), action, own)]

    def _line(self, nick: str, place: str, text: str, action: bool, own: bool) -> Line:
        private = not is_room(place)
        calls = not own and (private or names_me(self.model.nick, text))
        ends = t("screen.you_to", nick=place) if own else t("screen.to_you", nick=nick)
        # Only what the server tells begins with a star: a message "quit (Client quit)" must not look like an event.
        head = f"<{'*' if action else ''}{ends if private else nick}>"
        other = place if own or not private else nick
        said = Said(_room(place), nick, text, "action" if action else "message", other)
        is_news = not self.model.is_me(nick)
        return Line(text, head, nick, self._place(place), calls=calls, said=said, is_news=is_news)

    def _place(self, place: str) -> str:
        """The room to name in front: only when it is not the current one, and never for private lines."""
        return place if is_room(place) and not self.model.is_current(place) else ""

    # Who is where.

    def _joined(self, message: Message) -> list[Line]:
        nick, place = nick_of(message), param(message, 0)
        if self.model.is_me(nick):
            self.model.mask = message.source if "!" in message.source else ""
            self.model.enter(place)
            self.numerics.entered(place)
        elif room := self.model.room(place):
            room.members[fold(nick)] = nick
        return self._moved("join", nick, (place,), t("screen.joined", nick=nick, room=place))

    def _parted(self, message: Message) -> list[Line]:
        nick, place = nick_of(message), param(message, 0)
        if self.model.is_me(nick):
            self.model.part(place)
        self.model.gone(nick, place)
        reason = _reason(param(message, 1))
        return self._moved("part", nick, (place,), t("screen.left", nick=nick, room=place, reason=reason))

    def _quit(self, message: Message) -> list[Line]:
        nick = nick_of(message)
        rooms = self.model.rooms_of(nick)
        self.model.gone(nick)
        self.model.followed.pop(fold(nick), None)
        return self._moved("quit", nick, rooms, t("screen.quit", nick=nick, reason=_reason(param(message, 0))))

    def _renamed(self, message: Message) -> list[Line]:
        old, new = nick_of(message), param(message, 0)
        rooms = () if self.model.is_me(old) else self.model.rooms_of(old)
        self.model.rename(old, new)
        lines = self._moved("nick", old, rooms, t("screen.renamed", old=old, new=new), new)
        was_ignored = self.model.ignores(old)
        self.model.followed.pop(fold(old), None)  # who is called so next is somebody else
        if not self.model.is_me(new) and was_ignored and not self.model.ignores(new):
            self.model.followed[fold(new)] = new
            lines.append(Line(t("client.ignore.followed", old=old, nick=new), CLIENT))
        return lines

    def _moved(self, kind: str, nick: str, rooms: tuple[str, ...], text: str, new: str = "") -> list[Line]:
        move = Move(kind, nick, rooms, new) if rooms and not self.model.is_me(nick) else None
        return [Line(text, move=move)]

    def _kicked(self, message: Message) -> list[Line]:
        place, victim = param(message, 0), param(message, 1)
        calls = self.model.is_me(victim)
        nick, why = nick_of(message), param(message, 2)
        reason = _reason("" if why == nick else why)  # so say clients whose user has said nothing
        if calls:
            self.model.miss(place, t("screen.kicked_you", nick=nick, room=place, reason=reason), expelled=True)
        self.model.gone(victim, place)
        return [Line(t("screen.kicked", nick=nick, victim=victim, room=place, reason=reason), calls=calls)]

    def _topic(self, message: Message) -> list[Line]:
        nick, place, topic = nick_of(message), param(message, 0), param(message, 1)
        if not topic:
            return [Line(t("screen.topic_removed", nick=nick, room=place))]
        return [Line(t("screen.topic_set", nick=nick, room=place, topic=topic))]

    def _mode(self, message: Message) -> list[Line]:
        if self.model.room(param(message, 0)):
            self.model.keyed(param(message, 0), message.params[1:])
        change = " ".join(
            word for word in message.params[1:] if word != "*"
        )  # which stands for a key, and says nothing
        return [Line(t("screen.modes_changed", nick=nick_of(message), change=change, place=param(message, 0)))]

    def _invited(self, message: Message) -> list[Line]:
        place = param(message, 1)
        told = t("screen.invited", nick=nick_of(message), guest=param(message, 0), room=place)
        return [Line(told, calls=True)]

    # What the server says by itself.

    def _error(self, message: Message) -> list[Line]:
        return [Line(param(message, 0), ERROR)]

    def _refused(self, message: Message) -> list[Line]:
        context = " ".join(message.params[2:-1])
        text = message.params[-1] if message.params else ""
        return [Line(f"{context}: {text}" if context else text, ERROR)]


def param(message: Message, number: int) -> str:
    """The parameter of that number, "" where there is none."""
    return message.params[number] if number < len(message.params) else ""


def nick_of(message: Message) -> str:
    """Who sent it: a nick, or a server's name."""
    return message.source.partition("!")[0]


def names_me(nick: str, text: str) -> bool:
    """Does `text` contain `nick` as a word? "ana-maria" and "anabel" do not name ana; "ana:" does."""
    name = re.escape(fold(nick))
    return bool(nick) and re.search(rf"(?<![\w])(?<!\w-){name}(?!\w|-\w)", fold(text)) is not None


def sent_at(message: Message) -> float | None:
    """When the server says it was sent: seconds since the epoch, None where it says nothing that makes sense."""
    stamp = message.tags.get("time", "")
    if not stamp.endswith("Z"):
        return None
    try:
        at = datetime.datetime.fromisoformat(stamp[:-1] + "+00:00").timestamp()
    except (ValueError, OverflowError):
        return None
    return at if 0 <= at < _YEAR_9999 else None  # what is outside no calendar of ours can show


def _room(place: str) -> str:
    return place if is_room(place) else ""


def _tidy(message: Message) -> Message:
    """The same message with harmless names. The texts of PRIVMSG and NOTICE keep their CTCP marks for one look."""
    texts = message.command in ("PRIVMSG", "NOTICE")
    params = [word if texts and number == 1 else harmless(word) for number, word in enumerate(message.params)]
    return Message(message.command, params, harmless(message.source), message.tags)


def _without_reason(message: Message) -> Message:
    """The same PART or QUIT without its words; any other message as it is."""
    kept = {"PART": 1, "QUIT": 0}.get(message.command, len(message.params))
    return Message(message.command, message.params[:kept], message.source, message.tags)


def _dated(line: Line, at: float) -> Line:
    return replace(line, at=at)


def _reason(text: str) -> str:
    return f" ({text})" if text else ""
