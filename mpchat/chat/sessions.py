"""A session: one connected client, as the chat sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mpchat.messages import ConnectionId

if TYPE_CHECKING:
    from mpchat.chat.channels import Channel


class Session:
    """From the opening of a connection to its end. Times: signed_on in wall clock s, spoke_at in monotonic ms."""

    __slots__ = (
        "away",
        "channels",
        "host",
        "id",
        "invisible",
        "invitations",
        "nick",
        "operator",
        "order",
        "prefix",
        "realname",
        "registered",
        "signed_on",
        "spoke_at",
        "user",
        "wallops",
    )

    def __init__(self, id: ConnectionId, host: str, order: int = 0) -> None:
        self.id = id
        self.order = order  # of arrival: see Hub.arrivals
        self.host = host
        self.nick = ""
        self.user = ""
        self.realname = ""
        self.prefix = ""  # nick!user@host, kept because every message carries it
        self.away = ""
        self.registered = False  # has finished registration: can be seen and spoken to
        self.invisible = self.wallops = self.operator = False
        self.channels: dict[str, Channel] = {}  # by folded name
        self.invitations: list[Channel] = []
        self.signed_on = 0
        self.spoke_at = 0

    def name(self, nick: str) -> None:
        """Take a nickname."""
        self.nick = nick
        self.prefix = f"{nick}!{self.user}@{self.host}"

    def shares_with(self, other: Session) -> bool:
        """Whether both are members of one channel, or the same session."""
        return self is other or any(name in other.channels for name in self.channels)
