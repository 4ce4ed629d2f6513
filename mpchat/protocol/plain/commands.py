"""What people at a terminal can do: take a name, move between rooms, speak; and the commands, each with its slash."""

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches

from mpchat import texts
from mpchat.chat.channels import FEW, NOBODY, Channel
from mpchat.chat.events import Regained, Said
from mpchat.chat.hub import LOBBY
from mpchat.chat.names import SERVICE, fold, is_nickserv
from mpchat.chat.refusals import Reason, Refusal
from mpchat.chat.sessions import Session
from mpchat.chat.text import CTCP, has_words
from mpchat.messages import Past
from mpchat.protocol.accounts import claim, log_in
from mpchat.protocol.clock import moment_in
from mpchat.protocol.connection import Connection
from mpchat.protocol.context import Context
from mpchat.protocol.history import MOST_ROWS, count_in, found, latest, not_searched, part_of, room_asked, search, told
from mpchat.protocol.length_limit import ACTION, fit
from mpchat.protocol.message import cut
from mpchat.protocol.outcomes import DrainAsked, Goodbye, Outcomes, PasswordAsked, PastAsked, Regroup, SearchAsked
from mpchat.protocol.plain import accounts, people, room
from mpchat.protocol.plain.languages import BITS, say
from mpchat.protocol.plain.rendering import line, past_line, tell, usage, warn
from mpchat.protocol.plain.room import its_room
from mpchat.protocol.server_bans import why_banned

Command = Callable[[Context, Connection, str], Outcomes]  # it gets what stands behind its name

_USER = "~plain"  # of all who come without a user's name of their own
_PAST_LINES = 20  # fits a terminal's screen


def motd(context: Context, connection: Connection, start: int) -> Outcomes:
    """The message of the day from this line on, and what is to be typed first."""
    for place, text in enumerate(context.settings.motd[start:], start + 1):
        yield line(text)
        yield DrainAsked(("motd", place))
    yield prompt(context, connection)


def prompt(context: Context, connection: Connection) -> bytes:
    """What an unregistered client is to type next."""
    entry = connection.registration
    lacks_password = context.settings.password_needed and not (entry is not None and entry.password_right)
    return line(say(connection, "plain.ask_password" if lacks_password else "plain.ask_nick"))


def take_name(context: Context, connection: Connection, nick: str) -> Outcomes:
    """Register a client under this name, and lead it into the lobby."""
    entry, session = connection.registration, connection.session
    if entry is not None and context.settings.password_needed and not entry.password_right:
        yield warn(connection, "plain.password_first")
        return
    ban = context.hub.bans.mask_on(_USER, session.host, context.settings.level)
    if ban is not None:
        yield Goodbye(session, "banned", is_refusal=True, farewell=why_banned(context, ban))
        return
    context.hub.need_not_removed(nick, session.host, context.mono)
    yield from claim(context, connection, nick)
    context.hub.enter(session, _USER, session.nick, context.seconds, context.mono)
    connection.registration = None
    yield tell(connection, "plain.you_are", nick=session.nick)
    yield from accounts.proven(context, connection)
    yield from enter(context, connection, LOBBY, "")


def logged_in(context: Context, connection: Connection, account: str) -> Outcomes:
    """They have proved to be this account's owner: they are called so, too, and come in if they have not yet."""
    yield from log_in(context, connection.session, account)
    yield tell(connection, "account.in", account=account)
    if connection.registration is not None:
        yield from take_name(context, connection, account)
        return
    yield from accounts.proven(context, connection)
    if fold(connection.session.nick) != fold(account):
        renamed = yield from claim(context, connection, account)
        if renamed is not None:
            yield renamed


def enter(context: Context, connection: Connection, name: str, key: str) -> Outcomes:
    """Move to a room: into the new one first, so that a refusal leaves people where they were."""
    session = connection.session
    left = list(session.channels)
    joined = context.hub.join(session, name, key, context.seconds)
    if joined is None:
        yield tell(connection, "plain.in_already", room=its_room(connection).name)
        return
    for old in left:
        yield context.hub.part(session, old, "", context.mono)
    yield joined
    if joined.regained:
        yield Regained(session, joined.channel, joined.regained)
    yield from _entered(context, connection, NOBODY, joined.channel.folded)


def _entered(context: Context, connection: Connection, behind: int, name: str) -> Outcomes:
    """What somebody reads who has come into a room."""
    channel = connection.session.channels.get(name)
    if channel is not None:  # else they are elsewhere by now
        yield from _who_is_in(connection, channel, behind, ("entered",))
        if channel.topic:
            yield tell(connection, "plain.topic", topic=channel.topic)


def _who_is_in(connection: Connection, channel: Channel, behind: int, cursor: tuple[str, ...]) -> Outcomes:
    """One line, or if there are many some; what is left of them begins at `cursor`, behind whom, the room's name."""
    inside, roll = connection.session in channel.members, channel.roll(behind)
    if behind == NOBODY and not inside and all(member.invisible for member in roll):
        yield tell(connection, "plain.nobody_to_see", room=channel.name)
        return
    for start in range(0, len(roll), FEW):
        some = roll[start : start + FEW]
        shown = [member.nick for member in some if inside or not member.invisible]
        if shown:
            yield tell(connection, "plain.who_is_in", room=channel.name, nicks=", ".join(shown))
        if len(roll) > FEW:
            yield DrainAsked((*cursor, some[-1].order, channel.folded))


def speak(context: Context, connection: Connection, target: str, text: str) -> Outcomes:
    """Say something in a room, or to a nickname."""
    said = fit(context.hub.say(connection.session, target, text, False, context.mono))
    yield said
    yield from after_speech(context, connection, said, text)


def speech(connection: Connection, data: bytes) -> tuple[str, str, bool] | None:
    """The common line: text that needs no cleaning and is no command, for the room: room, text, no notice."""
    try:
        text = data.decode()
    except UnicodeDecodeError:  # telnet's commands among others
        return None
    if not text.isprintable() or text[:1] in ("", " ", "/") or text[-1] == " ":
        return None
    for channel in connection.session.channels.values():
        return channel.name, text, False
    return None


def after_speech(context: Context, connection: Connection, said: Said, text: str) -> list[bytes]:
    """What the speaker of this text reads besides."""
    answer = []
    if said.text != text:
        answer.append(warn(connection, "plain.cut", bytes=len(said.text.encode())))
    if isinstance(said.to, Session) and said.to.away:
        answer.append(tell(connection, "plain.is_away", nick=said.to.nick, text=said.to.away))
    return answer


# The commands


def run_command(context: Context, connection: Connection, text: str) -> Outcomes:
    """`text` begins with its slash."""
    name, _, rest = text[1:].partition(" ")
    commands = _commands(context)
    command = commands.get(name.lower())
    if command is None and context.settings.level >= 1 and name.lower() in _ELSEWHERE:
        yield warn(connection, _ELSEWHERE[name.lower()])
    elif command is None:
        near = get_close_matches(name.lower(), commands, n=1)
        hint = say(connection, "plain.did_you_mean", name=near[0]) if near else say(connection, "plain.see_help")
        yield warn(connection, "plain.no_command", name=name, hint=hint)
    elif connection.registration is not None and not command.unregistered:
        yield warn(connection, "plain.nick_first")
    else:
        yield from command.run(context, connection, rest.strip())


def _nick(context: Context, connection: Connection, rest: str) -> Outcomes:
    if connection.registration is not None:
        yield from take_name(context, connection, rest)
        return
    renamed = yield from claim(context, connection, rest, own_too=False)
    yield tell(connection, "plain.you_are_already", nick=rest) if renamed is None else renamed


def _join(context: Context, connection: Connection, rest: str) -> Outcomes:
    name, _, key = rest.partition(" ")
    if not name:
        yield usage(connection, "join")
        return
    try:
        yield from enter(context, connection, name if name.startswith("#") else "#" + name, key.strip())
    except Refusal as refusal:
        if refusal.reason is not Reason.BAD_KEY or not key.strip() or context.settings.level < 1:
            raise
        yield warn(connection, "plain.wrong_key", room=refusal.about[0])


def _part(context: Context, connection: Connection, rest: str) -> Outcomes:
    yield from enter(context, connection, LOBBY, "")


def _msg(context: Context, connection: Connection, rest: str) -> Outcomes:
    target, _, text = rest.partition(" ")
    if not target:
        yield usage(connection, "msg")
        return
    if fold(target) == SERVICE and context.settings.level >= 1:
        yield warn(connection, "plain.service")
        return
    if is_nickserv(target) and context.settings.level >= 3:
        yield warn(connection, "plain.nickserv")
        return
    yield from speak(context, connection, target, text.strip())


def _me(context: Context, connection: Connection, rest: str) -> Outcomes:
    if not rest:
        raise Refusal(Reason.NO_TEXT)
    yield from speak(context, connection, its_room(connection).name, ACTION + rest + CTCP)


def _who(context: Context, connection: Connection, rest: str) -> Outcomes:
    name = rest if rest.startswith("#") else "#" + rest
    yield from _who_in(context, connection, NOBODY, name if rest else its_room(connection).name)


def _who_in(context: Context, connection: Connection, behind: int, name: str) -> Outcomes:
    channel = context.hub.channel(name, connection.session)
    yield from _who_is_in(connection, channel, behind, ("who",))


def _rooms(context: Context, connection: Connection, rest: str) -> Outcomes:
    yield from _list(context, connection, NOBODY)


def _list(context: Context, connection: Connection, behind: int) -> Outcomes:
    """The rooms that stand behind this place in their order."""
    for channel in context.hub.channels.values():
        if channel.order > behind and channel.members and channel.shows_itself_to(connection.session):
            topic = f"  {channel.topic}" if channel.topic else ""
            yield line(f"* {channel.name} ({len(channel.members)}){topic}")
            yield DrainAsked(("rooms", channel.order))


def _history(context: Context, connection: Connection, rest: str) -> Outcomes:
    """The last lines; or, since a day, an hour or both, the first ones."""
    channel, session, count = its_room(connection), connection.session, count_in(rest or str(_PAST_LINES))
    moment = moment_in(rest, context.wall, context.utc_offset) if context.settings.level >= 4 else None
    if moment is not None:
        yield part_of(channel, session, "AFTER", (("time", max(0, moment - 1)),), MOST_ROWS)
    elif count:
        yield latest(channel, session, count)
    else:
        yield warn(connection, "plain.history_usage", most=MOST_ROWS)


def show_past(context: Context, connection: Connection, question: PastAsked, past: Past) -> Outcomes:
    channel = room_asked(connection, question)
    if channel is None:
        yield warn(connection, "plain.history_left", room=question.room)
    elif not isinstance(past, list):
        yield warn(connection, "search.no_answer")
    elif not (wanted := told(question, past)):
        yield tell(connection, "history.empty", room=channel.name)
    else:
        yield b"".join([past_line(context, connection, row) for row in wanted])


def _search(context: Context, connection: Connection, rest: str) -> Outcomes:
    if rest:
        yield search([its_room(connection)], connection.session, rest)
    else:
        yield warn(connection, "search.usage")


def show_found(context: Context, connection: Connection, question: SearchAsked, past: Past) -> Outcomes:
    ((name, _),) = question.places
    channel = connection.session.channels.get(name)
    if channel is None:
        yield warn(connection, "plain.history_left", room=name)
    elif not isinstance(past, list):
        yield warn(connection, not_searched(past))
    elif not (wanted := found(connection, past)):
        yield tell(connection, "search.nothing" if has_words(question.words) else "search.signs", room=channel.name)
    else:
        yield b"".join([past_line(context, connection, row) for _, row in wanted])


def _help(context: Context, connection: Connection, rest: str) -> Outcomes:
    for name in (*_useful(context, connection), "slash"):
        words = say(connection, f"plain.help.{name}", lines=_PAST_LINES)
        yield line(f"* {say(connection, f'plain.usage.{name}'):<22} {words}")


def _lang(context: Context, connection: Connection, rest: str) -> Outcomes:
    """The language, or another one. Who has no name yet is told again what to type, now in words that they read."""
    wish, spoken = rest.lower(), ", ".join(f"{tag} ({texts.say(tag, 'plain.language')})" for tag in BITS)
    if not wish:
        yield tell(connection, "plain.lang", language=say(connection, "plain.language"), languages=spoken)
    elif wish not in BITS:
        yield warn(connection, "plain.lang_unknown", wish=rest, languages=spoken)
    else:
        connection.capabilities = BITS[wish]
        yield Regroup()
        yield tell(connection, "plain.lang_set")
        if connection.registration is not None:
            yield prompt(context, connection)


def _quit(context: Context, connection: Connection, rest: str) -> Outcomes:
    text = cut(rest, context.settings.reason_bytes)
    yield Goodbye(connection.session, f"Quit: {text}" if text else "Client quit")


def _pass(context: Context, connection: Connection, rest: str) -> Outcomes:
    if connection.registration is not None and context.settings.password_needed:
        yield PasswordAsked()
    else:
        yield warn(connection, "plain.no_password")


@dataclass(frozen=True)
class _Command:
    run: Command
    unregistered: bool = False
    # Of a server with a lower one it is no command: a journal may hold a line that began so, and was refused.
    level: int = 0


COMMANDS = {
    "nick": _Command(_nick, unregistered=True),
    "join": _Command(_join),
    "part": _Command(_part),
    "msg": _Command(_msg),
    "me": _Command(_me),
    "away": _Command(people.away, level=1),
    "who": _Command(_who),
    "whois": _Command(people.whois, level=1),
    "rooms": _Command(_rooms),
    "history": _Command(_history),
    "search": _Command(_search, level=1),
    "topic": _Command(room.topic, level=1),
    "invite": _Command(room.invite, level=1),
    "kick": _Command(room.kick, level=1),
    "op": _Command(room.op, level=1),
    "mode": _Command(room.mode, level=1),
    "lang": _Command(_lang, unregistered=True, level=1),
    "pass": _Command(_pass, unregistered=True),
    "help": _Command(_help, unregistered=True),
    "register": _Command(accounts.register, level=3),
    "login": _Command(accounts.login, unregistered=True, level=3),
    "logout": _Command(accounts.logout, level=3),
    "password": _Command(accounts.password, level=4),
    "drop": _Command(accounts.drop, level=4),
    "quit": _Command(_quit, unregistered=True),
}
_OF_OWNERS = {"logout", "password", "drop"}  # of use to whoever has logged in
# What is no command here, and is typed as one: the sentence that says what there is instead.
_ELSEWHERE = {"": "plain.slash_alone", "ignore": "plain.no_ignore", "unignore": "plain.no_ignore"}


def _commands(context: Context) -> dict[str, _Command]:
    """Those that there are."""
    level = context.settings.level
    return {name: command for name, command in COMMANDS.items() if command.level <= level}


def _useful(context: Context, connection: Connection) -> list[str]:
    """Those of which /help speaks: what this person can do now, which fits a screen. A server of before told all."""
    commands, is_outside = _commands(context), connection.registration is not None
    if context.settings.level < 3:
        return list(commands)
    useless = set()
    if not (is_outside and context.settings.password_needed):
        useless.add("pass")
    if not context.hub.accounts.mechanisms:
        useless |= {"register", "login", *_OF_OWNERS}
    else:
        useless |= {"register"} if connection.session.account else _OF_OWNERS
    return [
        name for name, command in commands.items() if name not in useless and (command.unregistered or not is_outside)
    ]


GO_ON: dict[str, Callable[..., Outcomes]] = {"entered": _entered, "motd": motd, "rooms": _list, "who": _who_in}
