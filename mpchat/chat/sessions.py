"""A session: one connected person as the chat sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mpchat.messages import ConnectionId

if TYPE_CHECKING:
    from mpchat.chat.channels import Channel


class Session:
    """Who somebody is, from the moment their connection opens. Times: wall in s, mono in ms."""

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
        self.order = order  # its place among all that came: see Hub.arrivals
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
        """Are both on some channel?"""
        return self is other or any(name in other.channels for name in self.channels)
