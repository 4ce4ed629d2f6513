"""Wrong passwords are counted by connection, in both dialects: the core counts them. Pure."""

from mpchat.protocol.connection import Connection
from mpchat.protocol.context import Context
from mpchat.protocol.outcomes import Goodbye, Outcomes


def end_if_too_many(context: Context, connection: Connection) -> Outcomes:
    """To follow each answer that a password was wrong: after so many in a row, of all kinds, the connection ends."""
    if connection.wrong + connection.wrong_logins >= context.settings.wrong_passwords:
        yield Goodbye(connection.session, "Too many wrong passwords")
