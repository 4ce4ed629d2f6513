"""What a dialect is: bytes on the wire <-> the chat's words, for the clients of one way in. Pure.

The core runs every connection through its dialect, and knows no other difference between two of them. A listening
socket names its dialect, and the name goes with each connection that it accepts: in messages, journal and snapshot.
"""

from collections.abc import Callable, Iterable
from typing import Any, Protocol

from mpchat.chat.events import Event, Said
from mpchat.chat.refusals import Refusal
from mpchat.protocol import irc, plain
from mpchat.protocol.connection import Connection
from mpchat.protocol.context import Context
from mpchat.protocol.outcomes import Outcome, Question
from mpchat.protocol.secrets import Secret


class Dialect(Protocol):
    """A module that has these is one (PEP 544). Handlers give outcomes, or raise Refusal for what the chat refuses."""

    name: str  # a journal keeps it: it is never given another meaning
    keepalive: bool  # whether TCP itself must find out that a client is gone, for want of a probe
    ends_lines_at_returns: bool  # whether CR NUL ends a line too, as telnet sends Return (RFC 1123 section 3.3.1)
    profiles: tuple[int, ...]  # its wire profiles: no other dialect has one of these numbers

    def greet(self, context: Context, connection: Connection) -> Iterable[Outcome]:
        """What a new connection reads before it has said anything."""

    def is_unfinished(self, line: bytes) -> bool:
        """Is the LF behind this not its end, but a byte of something in it? Then the line goes on behind the LF."""

    def speech(self, connection: Connection, line: bytes) -> tuple[str, str, bool] | None:
        """What is said by a registered connection's line, if it is the common kind: to whom, the text, is it a notice?

        It is a second reader of the dialect's grammar, for the sake of speed. None: handle() reads the line.
        """

    def after_speech(self, context: Context, connection: Connection, said: Said, text: str) -> list[bytes]:
        """What the speaker reads besides: `said` has been delivered, `text` is what the line held."""

    def handle(self, context: Context, connection: Connection, line: bytes) -> Iterable[Outcome]:
        """One line, without its line end."""

    def answered(self, context: Context, connection: Connection, question: Question, answer: Any) -> Iterable[Outcome]:
        """The answer to a Question has come."""

    def go_on(self, context: Context, connection: Connection, name: str, *where: Any) -> Iterable[Outcome]:
        """The rest of an answer that has waited for the client: what a DrainAsked was about."""

    def removed(self, context: Context, connection: Connection) -> Iterable[Outcome]:
        """It has been kicked out of a channel, which all its members have been told; perhaps amid a line of its own."""

    def refuse(self, context: Context, connection: Connection, refusal: Refusal) -> bytes:
        """Why what was asked for is not done."""

    def too_long(self, context: Context, connection: Connection) -> bytes:
        """The one answer to a line that was longer than any may be, and has been discarded."""

    def notice(self, context: Context, connection: Connection, text: str) -> bytes:
        """A word from the server, which no client answers."""

    def dismissed(self, context: Context, connection: Connection) -> bytes:
        """It is no server operator any more, without having asked for that."""

    def account_gone(self, context: Context, connection: Connection) -> Iterable[Outcome]:
        """There is no such account any more as it is logged in to: it is logged out; perhaps amid a line of its own."""

    def farewell(self, connection: Connection, reason: str) -> bytes:
        """The last line that the leaving one reads."""

    def banned(self, context: Context, nick: str, why: str) -> bytes:
        """What whom a ban of the server meets reads before its last line: for programs, which are to stay away."""

    @property
    def probe(self) -> Callable[[Context, Connection], bytes] | None:
        """The question that a client which is alive answers; None where there is no such question."""

    def turned_away(self, reason: str, language: str) -> bytes:
        """All that a client reads which never gets a session, and so reads what the server speaks by default."""

    def offer(self, context: Context, connection: Connection) -> dict[str, str]:
        """What the client could switch on now, each with its value, if it is to be told when that changes."""

    def offer_changed(self, context: Context, connection: Connection, before: dict[str, str]) -> Iterable[Outcome]:
        """That may have changed. `before`: what offer() said then."""

    def profile(self, capabilities: int) -> int:
        """The wire profile of a connection with these capabilities: all that decides the bytes of an event."""

    def alike(self, event: Event, profile: int) -> int:
        """The wire profile that stands for all whose clients read the same of an event as those of this one."""

    def render(self, context: Context, event: Event, profile: int) -> bytes:
        """What every client of this wire profile reads of an event; nothing if that is not for such clients."""

    def stamp(self, context: Context, profile: int, lines: list[bytes]) -> bytes:
        """Lines of an answer as they are sent to a client of this profile: with their time, if that is wanted."""

    def secret_in(self, line: bytes) -> Secret | None:
        """The secret that a line holds; None: it holds none."""

    def shown(self, line: bytes, with_private: bool) -> str:
        """A client's line for somebody who reads the journal: a star instead of a room's key, and, but `with_private`,
        of what is said to one person. What secret_in() finds is in no journal.
        """


DIALECTS: dict[str, Dialect] = {dialect.name: dialect for dialect in (irc, plain)}
OF_PROFILE: dict[int, Dialect] = {profile: dialect for dialect in DIALECTS.values() for profile in dialect.profiles}
