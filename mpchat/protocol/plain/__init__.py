"""The plain text dialect, for nc and telnet: no protocol to learn, one room at a time.

The same rooms, nicknames and rules as IRC's: both dialects ask the same hub. Lines out end in LF.
"""

from collections.abc import Callable
from typing import Any

from mpchat.chat.hub import LOBBY
from mpchat.chat.text import clean
from mpchat.protocol.connection import Connection
from mpchat.protocol.context import Context
from mpchat.protocol.outcomes import (
    DropAsked,
    Goodbye,
    LoginAsked,
    Outcomes,
    PasswordChangeAsked,
    PastAsked,
    Question,
    RegistrationAsked,
    Regroup,
    SearchAsked,
)
from mpchat.protocol.plain import accounts
from mpchat.protocol.plain.commands import (
    GO_ON,
    after_speech,
    enter,
    logged_in,
    motd,
    prompt,
    run_command,
    show_found,
    show_past,
    speak,
    speech,
    take_name,
)
from mpchat.protocol.plain.languages import BITS, PROFILES, language_of, profile, say
from mpchat.protocol.plain.own_words import translated
from mpchat.protocol.plain.rendering import alike, line, refuse, render, stamp, tell, warn
from mpchat.protocol.plain.room import its_room
from mpchat.protocol.plain.secrets import secret_in, shown
from mpchat.protocol.plain.telnet import IAC, is_unfinished, without_commands
from mpchat.protocol.web import REFUSED, is_request
from mpchat.protocol.wrong_passwords import end_if_too_many

name = "plain"
keepalive = True
ends_lines_at_returns = True
probe: Callable[[Context, Connection], bytes] | None = None  # nc answers no question
profiles = tuple(PROFILES.values())


def handle(context: Context, connection: Connection, data: bytes) -> Outcomes:
    """Answer one line (without its line end)."""
    is_unregistered = connection.registration is not None
    if is_unregistered and is_request(data):
        yield Goodbye(connection.session, REFUSED, is_refusal=True)
        return
    has_commands = IAC in data
    try:
        text = clean(without_commands(data).decode()).strip()
    except UnicodeDecodeError:
        yield warn(connection, "plain.not_utf8")
        return
    if text.startswith("/") and not text.startswith("//"):
        yield from run_command(context, connection, text)
    elif is_unregistered:
        if text or not has_commands:  # telnet's program has spoken, and nobody has typed a name
            yield from take_name(context, connection, text)
    elif text:
        yield from speak(context, connection, its_room(connection).name, text.removeprefix("/"))


def greet(context: Context, connection: Connection) -> Outcomes:
    """The server speaks first, or nobody would know what to type; in its own language, until it knows another one."""
    connection.capabilities = BITS[context.settings.language]
    yield Regroup()
    yield line(say(connection, "plain.welcome", network=context.settings.network))
    yield from motd(context, connection, 0)


def answered(context: Context, connection: Connection, question: Question, answer: Any) -> Outcomes:
    """The answer to a Question has come."""
    if isinstance(question, PastAsked):
        yield from show_past(context, connection, question, answer)
    elif isinstance(question, SearchAsked):
        yield from show_found(context, connection, question, answer)
    elif isinstance(question, (RegistrationAsked, LoginAsked, PasswordChangeAsked, DropAsked)):
        kind, text = answer
        if kind == "in":
            yield from logged_in(context, connection, text)
        elif kind == "registered":
            yield from accounts.registered(context, connection, text)
        elif kind in ("changed", "dropped"):
            yield tell(connection, f"account.{kind}", account=text)
        else:
            yield from accounts.refused(context, connection, question.account, answer)
    elif connection.registration is not None:
        connection.registration.password_right = answer
        if answer:
            yield prompt(context, connection)
        else:
            yield warn(connection, "plain.wrong_password")
            yield from end_if_too_many(context, connection)


def go_on(context: Context, connection: Connection, name: str, *where: Any) -> Outcomes:
    """The rest of an answer that has waited for the client: what a DrainAsked was about."""
    return GO_ON[name](context, connection, *where)


def farewell(connection: Connection, reason: str) -> bytes:
    """The last line that the leaving one reads."""
    reason = translated(language_of(connection.capabilities), reason)
    return tell(connection, "plain.goodbye", reason=reason)


def notice(context: Context, connection: Connection, text: str) -> bytes:
    """A word from the server."""
    return line("! " + translated(language_of(connection.capabilities), text))


def dismissed(context: Context, connection: Connection) -> bytes:
    """It is no server operator any more."""
    return tell(connection, "account.no_operator")


def account_gone(context: Context, connection: Connection) -> Outcomes:
    """There is no such account any more as it is logged in to."""
    return accounts.gone(context, connection)


def too_long(context: Context, connection: Connection) -> bytes:
    """The one answer to a line longer than any may be."""
    return warn(connection, "plain.too_long")


def offer(context: Context, connection: Connection) -> dict[str, str]:
    """People switch on nothing but a language."""
    return {}


def offer_changed(context: Context, connection: Connection, before: dict[str, str]) -> Outcomes:
    """Nothing ever does."""
    yield from ()


def removed(context: Context, connection: Connection) -> Outcomes:
    """Who was kicked is in no room: the line that they are typing is for those who read it so far, and nobody else.

    A server of before led them into the lobby, and so does the replay of its records.
    """
    if context.settings.level < 1:
        yield from enter(context, connection, LOBBY, "")
    else:
        yield warn(connection, "plain.refusal.NOT_ON_CHANNEL")


def banned(context: Context, nick: str, why: str) -> bytes:
    """People read it in the last line."""
    return b""


def turned_away(reason: str, language: str) -> bytes:
    """All that a client reads which never gets a session."""
    return line("! " + translated(language, reason))


__all__ = [
    "account_gone",
    "after_speech",
    "alike",
    "answered",
    "banned",
    "dismissed",
    "ends_lines_at_returns",
    "farewell",
    "go_on",
    "greet",
    "handle",
    "is_unfinished",
    "keepalive",
    "name",
    "notice",
    "offer",
    "offer_changed",
    "probe",
    "profile",
    "profiles",
    "refuse",
    "removed",
    "render",
    "secret_in",
    "shown",
    "speech",
    "stamp",
    "too_long",
    "turned_away",
]
