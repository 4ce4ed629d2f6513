"""What a dialect works with besides the connection: the hub, the chat's settings, what time it is."""

from dataclasses import dataclass

from mpchat.chat.hub import Hub
from mpchat.protocol.connection import Connection
from mpchat.protocol.message import build, build_words, encode
from mpchat.settings import ChatSettings


@dataclass
class Context:
    """Times: wall and mono in ms; started in wall s; utc_offset, that of now, in minutes.

    The wall clock is what the system says, and may be set back: what must not depends on mono, or on numbers.
    """

    hub: Hub
    settings: ChatSettings
    started: int
    utc_offset: int
    wall: int = 0
    mono: int = 0

    @property
    def seconds(self) -> int:
        """The wall clock in s, as IRC shows times."""
        return self.wall // 1000

    def reply(self, connection: Connection, numeric: str, *params: str) -> bytes:
        """A numeric to this connection: its first parameter is always its nickname, "*" before it has one."""
        return encode(build(self.settings.name, numeric, connection.session.nick or "*", *params))

    def reply_words(self, connection: Connection, numeric: str, *words: str) -> bytes:
        """The same for a numeric that ends in a word, and not in text for people."""
        return encode(build_words(self.settings.name, numeric, connection.session.nick or "*", *words))
