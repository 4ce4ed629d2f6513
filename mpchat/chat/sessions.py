"""A session: one connected client, as the chat sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from mpchat.addresses import is_loopback
from mpchat.messages import ConnectionId

if TYPE_CHECKING:
    from mpchat.chat.channels import Channel


class Invitation(NamedTuple):
    """What lets somebody into a channel once.

    `opens`: even through +i and +l, as an operator's does. `since`: the number of the message behind which the member
    who invites may read the channel's past, and so may who is invited. None: a server operator's, who is no member to
    it, and gives nothing of the past.
    """

    channel: Channel
    opens: bool
    since: int | None

    def is_worth(self, other: Invitation) -> bool:
        """Whether this one does all that the other does."""
        gives = self.since is not None and (other.since is None or self.since <= other.since)
        return self.channel is other.channel and self.opens >= other.opens and (gives or self.since == other.since)


class Session:
    """From the opening of a connection to its end. Times: signed_on in wall clock s, spoke_at in monotonic ms."""

    __slots__ = (
        "account",
        "away",
        "bot",
        "channels",
        "host",
        "id",
        "invisible",
        "invitations",
        "nick",
        "operator",
        "operator_by",
        "order",
        "prefix",
        "realname",
        "registered",
        "secure",
        "signed_on",
        "spoke_at",
        "user",
        "wallops",
    )

    def __init__(self, id: ConnectionId, host: str, order: int = 0, secure: bool = False) -> None:
        self.id = id
        self.order = order  # of arrival: see Hub.arrivals
        self.host = host
        self.secure = secure  # by TLS: nobody between the client and this machine can read it
        self.nick = ""
        self.user = ""
        self.realname = ""
        self.prefix = ""  # nick!user@host, kept because every message carries it
        self.away = ""
        self.account = ""  # the name of the one whose owner it has proved to be: Hub.log_in()
        self.operator_by = ""  # of a server operator: the account that made it one, "": OPER did
        self.registered = False  # has finished registration: can be seen and spoken to
        self.invisible = self.wallops = self.operator = False
        self.bot = False  # says of itself that it is a program (IRCv3 bot mode)
        self.channels: dict[str, Channel] = {}  # by folded name
        self.invitations: list[Invitation] = []  # the newest last
        self.signed_on = 0
        self.spoke_at = 0

    @property
    def is_private(self) -> bool:
        """Whether nobody can read on the way what it sends: only then that may be an account's password."""
        return self.secure or is_loopback(self.host)

    def name(self, nick: str) -> None:
        """Take a nickname."""
        self.nick = nick
        self.prefix = f"{nick}!{self.user}@{self.host}"

    def shares_with(self, other: Session) -> bool:
        """Whether both are members of one channel, or the same session."""
        return self is other or any(name in other.channels for name in self.channels)
