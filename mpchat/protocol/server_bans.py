"""What the banned read, in English: plain text says it in other languages (plain/own_words.py)."""

from mpchat.chat.bans import Ban
from mpchat.protocol.clock import date
from mpchat.protocol.context import Context


def why_banned(context: Context, ban: Ban) -> str:
    """That they are banned, until when as the server's clock will show it, and the operator's reason."""
    if not ban.until:
        return f"You are banned from this server: {ban.reason}"
    return f"You are banned from this server until {date(ban.until, context.utc_offset)}: {ban.reason}"
