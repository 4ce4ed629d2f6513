"""The client as a whole: checks what was asked for, chooses between the editor and plain lines, says how it ended.

It reads no environment (cli.py did) and waits for nothing but the answer to "nick?".
"""

import os
import pwd
import secrets
import sys

from mpchat.chat.names import valid_channel, valid_nick
from mpchat.client import colours, feed, plain
from mpchat.client.model import is_room
from mpchat.client.options import Options
from mpchat.client.registration import NICK_BYTES
from mpchat.client.session import Session
from mpchat.client.status import USAGE, WELL
from mpchat.client.tail import tail

ROOM_BYTES = 64


def run(options: Options) -> int:
    """One visit; the exit status (status.py)."""
    room = _room(options.room)
    problem = _problem(options, room)
    if problem:
        return _complain(problem, USAGE)
    terminal = sys.stdin.isatty() and sys.stdout.isatty()
    nick = options.nick or _login()
    if terminal and not options.nick:
        asked = _ask(nick)
        if asked is None:
            return WELL
        nick = asked
    session = _session(options, nick, room, terminal)
    colour = colours.wanted(options.color, sys.stdout.isatty(), options.no_color, options.dumb)
    if terminal and not options.plain and not options.dumb:
        status = _edited(options, session, colour)
        if status is not None:
            return status
    return plain.run(options, session, colour) if terminal else feed.run(options, session, colour)


def send(options: Options, text: str | None) -> int:
    """Say the lines of `text`, or where it is None those of standard input, to the room or nick that is in
    options.room; the exit status.
    """
    to_room = is_room(options.room)
    problem = _problem(options, options.room if to_room else "")
    if not to_room and not valid_nick(options.room, NICK_BYTES):
        problem = problem or f"bad nick {options.room!r} to send to (the name of a room begins with #)"
    if text is not None and not text.strip():
        problem = problem or "there is nothing to send: the text is empty"
    if problem:
        return _complain(problem, USAGE)
    session = _session(options, options.nick or _login(), options.room if to_room else "", False)
    session.model.current = options.room
    return feed.send(options, session, None if text is None else [line.rstrip("\r") for line in text.split("\n")])


def follow(options: Options, as_json: bool) -> int:
    """Show what is said in a room; the exit status."""
    room = _room(options.room)
    problem = _problem(options, room)
    if not room:
        problem = problem or "there is no room to follow: its name is empty"
    if problem:
        return _complain(problem, USAGE)
    return tail(options, _session(options, options.nick or _login(), room, False), as_json)


def _session(options: Options, nick: str, room: str, person: bool) -> Session:
    # Who named a nick in a script wants that one; everybody else would rather be nick_ than stay outside.
    flexible = person or not options.nick
    return Session(nick, room, secrets.token_hex(8), options.password, flexible=flexible, greets=person)


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
        print("mpchat: prompt_toolkit is not installed: no line editing, messages come between your keys", flush=True)
        return None
    return terminal.run(options, session, colour)


def _problem(options: Options, room: str) -> str:
    if options.nick and not valid_nick(options.nick, NICK_BYTES):
        return f"bad nick {options.nick!r}: letters, digits and []\\`_^{{}}|- (no digit or - first), {NICK_BYTES} bytes"
    if room and not valid_channel("#" + room[1:], ROOM_BYTES):
        return f"bad room {options.room!r}: no spaces, commas or colons, {ROOM_BYTES} bytes at most"
    host, colon, port = options.host.partition(":")
    if host and colon and port.isdecimal():
        return f"bad host {options.host!r}: the port is a word of its own (client {host} {port}; send --port {port})"
    if not 1 <= options.port <= 65535:
        return f"bad port {options.port}: 1 to 65535"
    return ""


def _ask(default: str) -> str | None:
    """Ask a person for a nick; None when they would rather go."""
    while True:
        try:
            nick = input(f"nick [{default}]: ").strip() or default
        except (EOFError, KeyboardInterrupt):
            print()
            return None
        except UnicodeDecodeError:  # the terminal writes in another encoding than the locale says
            nick = ""
        if valid_nick(nick, NICK_BYTES):
            return nick
        print(f"letters, digits and []\\`_^{{}}|- (no digit or - first), {NICK_BYTES} bytes at most")


def _login() -> str:
    """A nick made of the login name."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = ""
    nick = "".join(letter for letter in name if letter.isascii() and (letter.isalnum() or letter in "_-"))
    nick = nick.lstrip("-0123456789")[:NICK_BYTES]
    return nick or "guest"


def _complain(problem: str, status: int) -> int:
    plain.complain(problem)
    return status
