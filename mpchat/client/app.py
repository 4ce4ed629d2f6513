"""The client as a whole: checks what was asked for, chooses between the editor and plain lines, says how it ended.

It reads no environment (cli.py did) and waits for nothing but the answers of a person who is here for the first time.
"""

import asyncio
import os
import pwd
import secrets
import signal
import sys
from collections.abc import Callable

from mpchat import texts
from mpchat.chat.names import valid_channel, valid_nick
from mpchat.client import colours, feed, plain
from mpchat.client.account_password import NoPassword, credentials
from mpchat.client.model import is_room
from mpchat.client.options import Options
from mpchat.client.preferences import NICK_BYTES, ROOM_BYTES, Preferences
from mpchat.client.session import Session
from mpchat.client.settings_file import SettingsFile
from mpchat.client.status import UNCONNECTED, USAGE, WELL
from mpchat.client.tail import tail
from mpchat.texts import t


class Gone(Exception):
    """The person would rather go than answer."""


def run(options: Options) -> int:
    """One visit; the exit status (status.py)."""
    return _with_password(lambda: _run(options))


def _with_password(run: Callable[[], int]) -> int:
    """What `run` returns, unless the account's password cannot be had."""
    try:
        return run()
    except NoPassword as why:
        return _complain(str(why), UNCONNECTED)


def _run(options: Options) -> int:
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return _pipe(options)
    try:
        return _visit(options)
    except (Gone, KeyboardInterrupt, asyncio.CancelledError):  # Ctrl-C before the conversation, which knows it itself
        print(flush=True)
        return WELL


def _pipe(options: Options) -> int:
    """A program talks. A person's settings are not a script's."""
    room = _room(options.room or "") if options.room is not None else Preferences.room
    if problem := _problem(options, room):
        return _complain(problem, USAGE)
    session = _session(options, options.nick or _default_nick(options), room)
    return feed.run(
        options, session, colours.wanted(options.color, sys.stdout.isatty(), options.no_color, options.dumb)
    )


def _visit(options: Options) -> int:
    """A person talks, in a terminal."""
    settings = SettingsFile(options.settings_file)
    preferences, problems = settings.read()
    preferences.system_language = texts.spoken()
    if preferences.language and not options.language:
        texts.use(preferences.language)
    for each in problems:
        plain.complain(each.told())
    if problem := _problem(options, _room(options.room or "")):
        return _complain(problem, USAGE)
    if not options.nick and not settings.exists():
        asyncio.run(_introduce(options, settings, preferences))
    elif not options.nick:
        preferences.nick = preferences.nick or _default_nick(options)
        _tell(t("client.as_before", nick=preferences.nick))
    nick = options.nick or preferences.nick
    session = _session(options, nick, preferences.room if options.room is None else _room(options.room), preferences)
    colour = colours.wanted(options.color, True, options.no_color, options.dumb)
    if not options.plain and not options.dumb:
        status = _edited(options, session, colour)
        if status is not None:
            return status
    return plain.run(options, session, colour)


def send(options: Options, text: str | None) -> int:
    """Say the lines of `text`, or where it is None those of standard input, to the room or nick that is in
    options.room; the exit status.
    """
    target = options.room or ""
    to_room = is_room(target)
    problem = _problem(options, target if to_room else "")
    if not to_room and not valid_nick(target, NICK_BYTES):
        problem = problem or t("client.bad_target", target=repr(target))
    if text is not None and not text.strip():
        problem = problem or t("client.nothing_to_send")
    if problem:
        return _complain(problem, USAGE)
    lines = None if text is None else [line.rstrip("\r") for line in text.split("\n")]

    def said() -> int:
        session = _session(options, options.nick or _default_nick(options), target if to_room else "")
        session.model.current = target
        return feed.send(options, session, lines)

    return _with_password(said)


def follow(options: Options, as_json: bool) -> int:
    """Show what is said in a room; the exit status."""
    room = _room(options.room or "")
    problem = _problem(options, room)
    if not room:
        problem = problem or t("client.no_room_to_follow")
    if problem:
        return _complain(problem, USAGE)
    nick = options.nick or _default_nick(options)
    return _with_password(lambda: tail(options, _session(options, nick, room), as_json))


def _session(options: Options, nick: str, room: str, preferences: Preferences | None = None) -> Session:
    """`preferences`: those of a person; None for a script. Raises NoPassword."""
    person = preferences is not None
    # Who named a nick in a script wants that one; everybody else would rather be nick_ than stay outside.
    flexible = person or not options.nick
    run = secrets.token_hex(8)
    return Session(
        nick,
        room,
        run,
        options.password,
        flexible=flexible,
        greets=person,
        preferences=preferences,
        credentials=credentials(options),
    )


def _room(name: str) -> str:
    """A room as it may be typed, with its sign; "" is none."""
    return name if not name or is_room(name) else f"#{name}"


def _edited(options: Options, session: Session, colour: bool) -> int | None:
    """Run in the line editor; None where it is not installed."""
    try:
        from mpchat.client import terminal
    except ImportError as missing:
        if not (missing.name or "").startswith("prompt_toolkit"):
            raise
        _tell(t("client.no_editor"))
        return None
    return terminal.run(options, session, colour)


def _problem(options: Options, room: str) -> str:
    if options.nick and not valid_nick(options.nick, NICK_BYTES):
        return t("client.bad_nick", nick=repr(options.nick), bytes=NICK_BYTES)
    if room and not _is_room_name(room):
        return t("client.bad_room", room=repr(options.room), bytes=ROOM_BYTES)
    host, _, port = options.host.rpartition(":")
    if port.isdecimal() and ":" not in host:  # a number alone would be an address: 7311 is 0.0.28.143
        host = host or "127.0.0.1"
        return t("client.bad_host", whole=repr(options.host), host=host, port=port)
    if not 1 <= options.port <= 65535:
        return t("client.bad_port", port=options.port)
    return ""


def _is_room_name(room: str) -> bool:
    return valid_channel("#" + room[1:], ROOM_BYTES)


# The first time


async def _introduce(options: Options, settings: SettingsFile, preferences: Preferences) -> None:
    """Ask a person who is here for the first time. Enter is an answer to each question. Raises Gone, or is cancelled.

    input() would not do: a Ctrl-C that comes between its question and its read() is taken down, and then it waits.
    """
    if asking := asyncio.current_task():
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, asking.cancel)
    source = plain.Input(sys.stdin.fileno())
    default_nick = _default_nick(options)
    nick = await _answer(source, t("client.ask.nick", default=default_nick)) or default_nick
    while not valid_nick(nick, NICK_BYTES):
        print(t("client.ask.nick_rule", bytes=NICK_BYTES))
        nick = await _answer(source, t("client.ask.nick", default=default_nick)) or default_nick
    preferences.nick = nick
    if options.room is None:
        default = preferences.room
        room = _room(await _answer(source, t("client.ask.room", default=default)) or default)
        while not _is_room_name(room):
            print(t("client.ask.room_rule", bytes=ROOM_BYTES))
            room = _room(await _answer(source, t("client.ask.room", default=default)) or default)
        preferences.room = room
    keeps = None if settings.path else False
    while keeps is None:
        keeps = plain.answered(await _answer(source, t("client.ask.keep")))
    if keeps:
        why = settings.save("nick", preferences.nick)
        if options.room is None:
            why = why or settings.save("room", preferences.room)
        told = (
            t("client.ask.not_kept", path=settings.path, why=why) if why else t("client.ask.kept", path=settings.path)
        )
        _tell(told)


async def _answer(source: plain.Input, question: str) -> str:
    """What a person types; "" for Enter. Raises Gone at the end of input."""
    print(question, end="", flush=True)
    lines = await source.lines(together=False)
    if not lines:
        raise Gone
    return lines[0].strip()


def _default_nick(options: Options) -> str:
    """That of the account, else one made of the login name."""
    if valid_nick(options.account, NICK_BYTES):
        return options.account
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = ""
    nick = "".join(letter for letter in name if letter.isascii() and (letter.isalnum() or letter in "_-"))
    nick = nick.lstrip("-0123456789")[:NICK_BYTES]
    return nick or "guest"


def _tell(text: str) -> None:
    """A word of our own, before the conversation."""
    print(f"mpchat: {text}", flush=True)


def _complain(problem: str, status: int) -> int:
    plain.complain(problem)
    return status
