"""Operators of the server: OPER KILL REHASH WALLOPS (RFC 2812 sections 3.1.4, 3.7.1, 4.2 and 4.7)."""

from mpchat.chat.events import Wallops
from mpchat.chat.text import in_one_line
from mpchat.protocol import numerics as n
from mpchat.protocol.capabilities import STANDARD_REPLIES
from mpchat.protocol.connection import Connection
from mpchat.protocol.context import Context
from mpchat.protocol.irc.commands import Command, Handler
from mpchat.protocol.irc.modes import own_modes
from mpchat.protocol.irc.refusing import fail
from mpchat.protocol.message import cut
from mpchat.protocol.outcomes import Goodbye, OperAsked, Outcomes, RehashAsked
from mpchat.protocol.wrong_passwords import end_if_too_many


def oper(context: Context, connection: Connection, params: list[str]) -> Outcomes:
    if context.settings.opers_exist:
        yield OperAsked(params[0])
    else:
        yield context.reply(connection, n.NOOPERHOST, "No operators are configured on this server")


def oper_answer(context: Context, connection: Connection, right: bool) -> Outcomes:
    if not right:
        yield context.reply(connection, n.PASSWDMISMATCH, "Password incorrect")
        yield from end_if_too_many(context, connection)
        return
    yield context.reply(connection, n.YOUREOPER, "You are now an IRC operator")
    if context.hub.set_operator(connection.session, True):
        yield own_modes(context, connection, [("+", "o")])


def for_operators(run: Handler) -> Handler:
    """Everybody else hears 481."""

    def checked(context: Context, connection: Connection, params: list[str]) -> Outcomes:
        if connection.session.operator:
            yield from run(context, connection, params)
        else:
            yield context.reply(connection, n.NOPRIVILEGES, "Permission Denied- You're not an IRC operator")

    return checked


def kill(context: Context, connection: Connection, params: list[str]) -> Outcomes:
    if len(params) < 2 or not params[1]:
        yield context.reply(connection, n.NEEDMOREPARAMS, "KILL", "A comment is needed: why?")
        return
    victim = context.hub.session(params[0])
    context.hub.remove(victim, context.mono)
    reason = cut(params[1], context.settings.reason_bytes)
    yield Goodbye(victim, f"Killed ({connection.session.nick} ({reason}))", by=connection.session)


def wallops(context: Context, connection: Connection, params: list[str]) -> Outcomes:
    yield Wallops(connection.session, params[0])


def rehash(context: Context, connection: Connection, params: list[str]) -> Outcomes:
    yield RehashAsked()


def rehash_answer(context: Context, connection: Connection, is_done: bool, said: str) -> Outcomes:
    """RFC 2812 knows no answer for a rehash that fails, which changes nothing; IRCv3 standard-replies does.

    In a journal of earlier times the name of a file in it may be no text, or have line ends.
    """
    said = in_one_line(said)
    if is_done:
        yield context.reply(connection, n.REHASHING, context.settings.name, f"Rehashing: {said}")
    elif connection.capabilities & STANDARD_REPLIES:
        yield fail(context, "REHASH", "CONFIG_BAD", said)
    else:
        yield context.reply(connection, "NOTICE", f"REHASH: {said}")


COMMANDS = {
    "KILL": Command(for_operators(kill), least=1, text=1),
    "OPER": Command(oper, least=2),
    "REHASH": Command(for_operators(rehash), level=2),
    "WALLOPS": Command(for_operators(wallops), least=1, text=0),
}
