"""The plain text dialect, for nc and telnet: no protocol to learn, one room at a time.

The same rooms, nicknames and rules as IRC's: both dialects ask the same hub. Lines out end in LF.
"""

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from mpchat.chat.channels import FEW, NOBODY, Channel
from mpchat.chat.events import (
    Event,
    Invited,
    Joined,
    Kicked,
    Left,
    ModesSet,
    Parted,
    Renamed,
    Said,
    TopicSet,
    Wallops,
)
from mpchat.chat.hub import LOBBY
from mpchat.chat.refusals import Reason, Refusal
from mpchat.chat.sessions import Session
from mpchat.chat.text import CTCP, clean, without_formatting
from mpchat.protocol.clock import hour, hour_of_day
from mpchat.protocol.context import DRAIN, Context, Goodbye, Outcomes, Peer, Question
from mpchat.protocol.history import GAP, MISSING, MOST_ROWS, Row, latest, room_asked, told
from mpchat.protocol.length_limit import ACTION, VERBS, action, fit
from mpchat.protocol.message import cut
from mpchat.protocol.telnet import IAC, without_commands
from mpchat.protocol.web import REFUSED, is_request

_PAST_LINES = 20  # fits a terminal's screen

_WORDS: dict[Reason, str] = {
    Reason.NO_SUCH_NICK: "nobody here is called {}",
    Reason.NO_SUCH_CHANNEL: "there is no room {}",
    Reason.BAD_CHANNEL_NAME: "{} cannot be a room's name",
    Reason.CANNOT_SAY: "you may not speak in {}",
    Reason.CHANNEL_FULL: "{} is full",
    Reason.INVITE_ONLY: "{} is for invited people only",
    Reason.BANNED: "you are banned from {}",
    Reason.BAD_KEY: "{} needs its key: /join {} KEY",
    Reason.NO_NICK: "type a nickname",
    Reason.BAD_NICK: (
        "{} cannot be a nickname: letters, digits and []\\`_^{{}}|- (no digit or - first), at most 30 bytes"
    ),
    Reason.NICK_TAKEN: "{} is taken, try another nickname",
    Reason.NO_TEXT: "say what?",
}


def line(text: str) -> bytes:
    """One line for a terminal. A line out may be long: only IRC counts to 512."""
    return without_formatting(text).encode() + b"\n"


def refuse(context: Context, peer: Peer, refusal: Refusal) -> bytes:
    return line("! " + _WORDS[refusal.reason].format(*refusal.about, *refusal.about))


def handle(context: Context, peer: Peer, data: bytes) -> Outcomes:
    """Answer one line (without its line end)."""
    is_unregistered = peer.registration is not None
    if is_unregistered and is_request(data):
        yield Goodbye(peer.session, REFUSED)
        return
    has_commands = IAC in data
    try:
        text = clean(without_commands(data).decode()).strip()
    except UnicodeDecodeError:
        yield line("! that was not UTF-8 text, nothing was sent")
        return
    if text.startswith("/") and not text.startswith("//"):
        yield from _command(context, peer, text)
    elif is_unregistered:
        if text or not has_commands:  # telnet's program has spoken, and nobody has typed a name
            yield from _name(context, peer, text)
    elif text:
        yield from _say(context, peer, text.removeprefix("/"))


def greet(context: Context, peer: Peer) -> Outcomes:
    yield line(f"Welcome to {context.wording.network}.")
    yield from _motd(context, peer, 0)


def _motd(context: Context, peer: Peer, start: int) -> Outcomes:
    for place, text in enumerate(context.wording.motd[start:], start + 1):
        yield line(text)
        yield Question(DRAIN, ("motd", place))
    if context.wording.password_needed:
        yield line("This server has a password: type /pass and the password.")
    else:
        yield line("Type your nickname and press Enter.")


def answered(context: Context, peer: Peer, question: Question, answer: Any) -> Outcomes:
    """The answer to a Question has come."""
    if question.kind == "history":
        yield from _show_past(context, peer, question, answer)
    elif peer.registration is not None:
        peer.registration.password_right = answer
        yield line("Type your nickname and press Enter." if answer else "! that is not the password")


def _name(context: Context, peer: Peer, nick: str) -> Outcomes:
    """The first line of a newcomer."""
    entry, session = peer.registration, peer.session
    if entry is not None and context.wording.password_needed and not entry.password_right:
        yield line("! first the password: /pass and the password")
        return
    context.hub.claim(session, nick, context.seconds)
    context.hub.enter(session, "~plain", session.nick, context.seconds, context.mono)
    peer.registration = None
    yield line(f"* you are {session.nick}; /help shows the commands, everything else you type is said")
    yield from _enter(context, peer, LOBBY, "")


def _enter(context: Context, peer: Peer, name: str, key: str) -> Outcomes:
    """Move to a room: into the new one first, so that a refusal leaves people where they were."""
    session = peer.session
    left = list(session.channels)
    joined = context.hub.join(session, name, key, context.seconds)
    if joined is None:
        yield line(f"* you are in {_room(peer).name} already")
        return
    for old in left:
        yield context.hub.part(session, old, "")
    yield joined
    yield from _entered(context, peer, NOBODY, joined.channel.folded)


def _entered(context: Context, peer: Peer, behind: int, name: str) -> Outcomes:
    """What somebody reads who has come into a room."""
    channel = peer.session.channels.get(name)
    if channel is not None:  # else they are elsewhere by now
        yield from _who_is_in(peer, channel, behind, ("entered",))
        if channel.topic:
            yield line(f"* topic: {channel.topic}")


def kicked(context: Context, peer: Peer) -> Outcomes:
    """Nobody stands outside: whoever was kicked finds themselves in the lobby. From the lobby they come back."""
    yield from _enter(context, peer, LOBBY, "")


def _who_is_in(peer: Peer, channel: Channel, behind: int, cursor: tuple[str, ...]) -> Outcomes:
    """One line, or if there are many some; what is left of them begins at `cursor`, behind whom, the room's name."""
    inside, roll = peer.session in channel.members, channel.roll(behind)
    for start in range(0, max(behind == NOBODY, len(roll)), FEW):
        some = roll[start : start + FEW]
        shown = [member.nick for member in some if inside or not member.invisible]
        if shown or len(roll) <= FEW:
            yield line(f"* in {channel.name}: {', '.join(shown)}")
        if len(roll) > FEW:
            yield Question(DRAIN, (*cursor, some[-1].order, channel.folded))


def _room(peer: Peer) -> Channel:
    return next(iter(peer.session.channels.values()))


def _say(context: Context, peer: Peer, text: str) -> Outcomes:
    yield from _speak(context, peer, _room(peer).name, text)


def _speak(context: Context, peer: Peer, target: str, text: str) -> Outcomes:
    said = fit(context.hub.say(peer.session, target, text, False, context.mono))
    yield said
    if said.text != text:
        yield line(f"! that was too long: only its first {len(said.text.encode())} bytes were sent")
    if isinstance(said.to, Session) and said.to.away:
        yield line(f"* {said.to.nick} is away: {said.to.away}")


# The commands. Each gets what stands behind its name.


def _command(context: Context, peer: Peer, text: str) -> Outcomes:
    name, _, rest = text[1:].partition(" ")
    command = _COMMANDS.get(name.lower())
    if command is None:
        near = get_close_matches(name.lower(), _COMMANDS, n=1)
        hint = f"did you mean /{near[0]}?" if near else "/help shows the commands"
        yield line(f"! there is no /{name}, {hint}")
    elif peer.registration is not None and not command.newcomers:
        yield line("! first a nickname: type it and press Enter")
    else:
        yield from command.run(context, peer, rest.strip())


def _nick(context: Context, peer: Peer, rest: str) -> Outcomes:
    if peer.registration is not None:
        yield from _name(context, peer, rest)
        return
    renamed = context.hub.claim(peer.session, rest, context.seconds)
    if renamed is not None:
        yield renamed


def _join(context: Context, peer: Peer, rest: str) -> Outcomes:
    name, _, key = rest.partition(" ")
    if not name:
        yield line("! /join #ROOM [KEY]")
        return
    yield from _enter(context, peer, name if name.startswith("#") else "#" + name, key.strip())


def _part(context: Context, peer: Peer, rest: str) -> Outcomes:
    yield from _enter(context, peer, LOBBY, "")


def _msg(context: Context, peer: Peer, rest: str) -> Outcomes:
    target, _, text = rest.partition(" ")
    if not target:
        yield line("! /msg NICK TEXT")
        return
    yield from _speak(context, peer, target, text.strip())


def _me(context: Context, peer: Peer, rest: str) -> Outcomes:
    if not rest:
        raise Refusal(Reason.NO_TEXT)
    yield from _speak(context, peer, _room(peer).name, ACTION + rest + CTCP)


def _who(context: Context, peer: Peer, rest: str) -> Outcomes:
    name = rest if rest.startswith("#") else "#" + rest
    yield from _who_in(context, peer, NOBODY, name if rest else _room(peer).name)


def _who_in(context: Context, peer: Peer, behind: int, name: str) -> Outcomes:
    channel = context.hub.channel(name)
    if not channel.shows_itself_to(peer.session):
        raise Refusal(Reason.NO_SUCH_CHANNEL, name)
    yield from _who_is_in(peer, channel, behind, ("who",))


def _rooms(context: Context, peer: Peer, rest: str) -> Outcomes:
    yield from _list(context, peer, NOBODY)


def _list(context: Context, peer: Peer, behind: int) -> Outcomes:
    """The rooms that stand behind this place in their order."""
    for channel in context.hub.channels.values():
        if channel.order > behind and channel.members and channel.shows_itself_to(peer.session):
            topic = f"  {channel.topic}" if channel.topic else ""
            yield line(f"* {channel.name} ({len(channel.members)}){topic}")
            yield Question(DRAIN, ("rooms", channel.order))


def _history(context: Context, peer: Peer, rest: str) -> Outcomes:
    count = int(rest or _PAST_LINES) if not rest or (rest.isascii() and rest.isdigit() and len(rest) < 10) else 0
    if not count:
        yield line(f"! /history [N]: how many of the room's last lines, at most {MOST_ROWS}")
        return
    yield latest(_room(peer), min(count, MOST_ROWS))


def _show_past(context: Context, peer: Peer, question: Question, rows: list[Row] | None) -> Outcomes:
    room = room_asked(peer, question)
    if room is None:
        yield line(f"! you are no longer in {question.about[0]}")
    elif rows is None:
        yield line("! the history does not answer, try again later")
    elif not (wanted := told(question, rows)):
        yield line(f"* the history has nothing of {room.name}")
    else:
        yield b"".join([_past_line(context, row) for row in wanted])


def _past_line(context: Context, row: Row) -> bytes:
    _, wall, _, sender, kind, text, utc_offset = row
    if kind == GAP:
        return line(f"! {MISSING}")
    words = _spoken(sender.partition("!")[0], text, kind == VERBS[True])
    then = context.utc_offset if utc_offset is None else utc_offset
    return line(f"[{hour_of_day(wall, then, context.wall, context.utc_offset)}] {words}")


def _help(context: Context, peer: Peer, rest: str) -> Outcomes:
    for name, command in _COMMANDS.items():
        yield line(f"* {f'/{name} {command.takes}'.strip():<22} {command.help}")
    yield line(f"* {'//text':<22} say a line that begins with a slash")


def _quit(context: Context, peer: Peer, rest: str) -> Outcomes:
    text = cut(rest, context.wording.reason_bytes)
    yield Goodbye(peer.session, f"Quit: {text}" if text else "Client quit")


def _pass(context: Context, peer: Peer, rest: str) -> Outcomes:
    if peer.registration is not None and context.wording.password_needed:
        yield Question("password")
    else:
        yield line("! no password is needed")


@dataclass(frozen=True)
class _Command:
    run: Callable[[Context, Peer, str], Outcomes]
    takes: str
    help: str
    newcomers: bool = False


_COMMANDS = {
    "nick": _Command(_nick, "NAME", "be called NAME", newcomers=True),
    "join": _Command(_join, "#ROOM [KEY]", "move to another room"),
    "part": _Command(_part, "", "back to #lobby"),
    "msg": _Command(_msg, "NICK TEXT", "tell one person only"),
    "me": _Command(_me, "TEXT", "say what you do"),
    "who": _Command(_who, "[#ROOM]", "who is in the room"),
    "rooms": _Command(_rooms, "", "which rooms there are"),
    "history": _Command(_history, "[N]", f"the room's last N lines, or {_PAST_LINES}"),
    "pass": _Command(_pass, "PASSWORD", "the server's password, if it has one", newcomers=True),
    "help": _Command(_help, "", "this list", newcomers=True),
    "quit": _Command(_quit, "[TEXT]", "leave", newcomers=True),
}


_GO_ON: dict[str, Callable[..., Outcomes]] = {"entered": _entered, "motd": _motd, "rooms": _list, "who": _who_in}


def go_on(context: Context, peer: Peer, name: str, *where: Any) -> Outcomes:
    """The rest of an answer that has waited for the client: what the Question of kind DRAIN was about."""
    return _GO_ON[name](context, peer, *where)


def farewell(peer: Peer, reason: str) -> bytes:
    """The last line that the leaving one reads."""
    return line(f"* goodbye ({reason})")


def notice(context: Context, peer: Peer, text: str) -> bytes:
    """A word from the server."""
    return line("! " + text)


def overlong(context: Context, peer: Peer) -> bytes:
    return line("! that line was too long, nothing was sent")


def render(event: Event, wall: int, utc_offset: int) -> list[bytes]:
    """The lines that say it. Times as the server's own clock shows them."""
    return [line(f"[{hour(wall, utc_offset)}] {_words(event)}")]


def _words(event: Event) -> str:
    nick = event.by.nick
    match event:
        case Said():
            return _said(event)
        case Joined():
            return f"* {nick} joined"
        case Parted():
            return f"* {nick} left" + _because(event.reason)
        case Kicked():
            return f"* {nick} kicked {event.whom.nick} out" + _because(event.reason)
        case TopicSet():
            return (
                f"* {nick} set the topic: {event.channel.topic}"
                if event.channel.topic
                else f"* {nick} cleared the topic"
            )
        case ModesSet():
            changes = " ".join(f"{sign}{letter} {value}".strip() for sign, letter, value in event.changes)
            return f"* {nick} set {changes}"
        case Renamed():
            return f"* {event.before.partition('!')[0]} is now {nick}"
        case Left():
            return f"* {nick} quit" + _because(event.reason)
        case Invited():
            return f"* {nick} invites you: /join {event.channel.name}"
        case Wallops():
            return f"* announcement by {nick}: {event.text}"


def _because(reason: str) -> str:
    return f" ({reason})" if reason else ""


def _said(event: Said) -> str:
    if isinstance(event.to, Session):
        return _spoken(f"{event.by.nick} -> you", event.text, False)
    return _spoken(event.by.nick, event.text, event.notice)


def _spoken(who: str, text: str, is_notice: bool) -> str:
    """What somebody says, or with a star in front of their name: does. No line of the server's own begins so."""
    done = action(text)
    if done is not None:
        return f"<*{who}> {done}"
    return f"-{who}- {text}" if is_notice else f"<{who}> {text}"
