"""What a dialect's handler may hand back. Handlers are generators: they yield, in order, what is to happen.

Bytes answer the connection, an event goes to its audience, and the classes below ask the core for what only it can do.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from mpchat.chat.events import Event
from mpchat.chat.sessions import Session
from mpchat.messages import Bound, Ms, Places, Window


@dataclass(slots=True)
class PasswordAsked:
    """To the world outside: is the secret that redaction has taken out of this line the server's password?"""


@dataclass(slots=True)
class OperAsked:
    """To the world outside: is it the password of the operator with this name?"""

    name: str


@dataclass(slots=True)
class RegistrationAsked:
    """To the world outside: make this account; its password is the secret that redaction has taken out of this line."""

    account: str


@dataclass(slots=True)
class LoginAsked:
    """To the world outside: is the secret that redaction has taken out of this line this account's password?"""

    account: str


@dataclass(slots=True)
class ServiceRegistrationAsked(RegistrationAsked):
    """The same, of the service nickname `NickServ`: the answer is told in its notices."""


@dataclass(slots=True)
class ServiceLoginAsked(LoginAsked):
    """The same, of the service nickname `NickServ`: the answer is told in its notices."""


@dataclass(slots=True)
class GhostAsked(ServiceLoginAsked):
    """The same; and whose password it is takes the account's nickname from whoever has it."""


@dataclass(slots=True)
class PasswordChangeAsked:
    """To the world outside: let the secret that redaction has taken out of this line be this account's password from
    now on. Who asks is logged in to it."""

    account: str


@dataclass(slots=True)
class DropAsked:
    """To the world outside: drop this account, if the secret that redaction has taken out of this line is its password.
    Who asks is logged in to it."""

    account: str


@dataclass(slots=True)
class RemovalAsked:
    """To the world outside: drop this account. A server operator says so, and does not know its password."""

    account: str


@dataclass(slots=True)
class SaslAsked:
    """To the world outside: go on with a SASL exchange (RFC 4422): what the client sent is the secret that redaction
    has taken out of this line, a piece of at most 400 characters of base64, "+" for nothing (IRCv3 SASL).

    `mechanism`: "PLAIN" or "SCRAM-SHA-256"; `is_first`: the exchange begins with this piece.
    """

    mechanism: str
    is_first: bool


@dataclass(slots=True)
class RehashAsked:
    """To the world outside: have the files of the settings read again. The answer: has it been done; in one line, what
    came of it.
    """


@dataclass(slots=True)
class PastAsked:
    """To the world outside: what was said in a channel behind the message with this number, in this part of it?

    At most `limit` messages. See history.py.
    """

    room: str  # casefolded
    number: int
    window: Window
    bounds: tuple[Bound, ...]
    limit: int


@dataclass(slots=True)
class NoticesAsked(PastAsked):
    """The same, of the service nickname `history`: the answer is told in notices."""


@dataclass(slots=True)
class TargetsAsked:
    """To the world outside: in which of these channels was the last message said between two moments (wall ms)?

    `places`: as SearchAsked has them. At most `limit` channels, those nearest to `first`, which may be the later one.
    """

    places: Places
    first: Ms
    second: Ms
    limit: int


@dataclass(slots=True)
class SearchAsked:
    """To the world outside: the last messages that have these words, at most `limit`; without words, of all.

    `places`: in which channels (casefolded), and in each only behind a message's number. `sender`: a nickname, "" for
    all. `since` and `until` in wall ms.
    """

    words: str
    places: Places
    sender: str
    since: Ms
    until: Ms
    limit: int


@dataclass(slots=True)
class DrainAsked:
    """To the client's worker, and only if the answer so far is long: has the client taken it?

    `cursor` says where the rest of the answer begins: the name of one of the dialect's GO_ON, and what else that takes,
    plain data, because a snapshot holds it. Without one there is no rest.
    """

    cursor: tuple[object, ...] = ()


@dataclass(slots=True)
class Goodbye:
    """The session ends, by its own will or not. Others see `reason`; the leaving one reads it last, in its dialect."""

    session: Session
    reason: str
    is_refusal: bool = False  # it was not let in
    by: Session | None = None  # the server operator who ends it
    farewell: str = ""  # what the leaving one reads instead
    is_ban: bool = False  # a ban of the whole server meets it


@dataclass(slots=True)
class Regroup:
    """The connection's capabilities have changed: from here on it may want other bytes than its groups get.

    What was yielded before it is still sent as the connection wanted it until now.
    """


@dataclass(slots=True)
class Told:
    """Another session, not the one whose line it is, reads a word of the server's, in its dialect."""

    session: Session
    text: str


@dataclass(slots=True)
class ToldOwner:
    """The other sessions of the account whose line it is read this line too, if they have this capability."""

    line: bytes
    capability: int


@dataclass(slots=True)
class Appointed:
    """The session is a server operator by its account, which the log must have."""

    session: Session


@dataclass(slots=True)
class LoggedOut:
    """The session has logged out of this account, which the log must have."""

    session: Session
    account: str


@dataclass(slots=True)
class Resigned:
    """The session has given up being a server operator, which the log must have."""

    session: Session


@dataclass(slots=True)
class Dismissed:
    """The session is no server operator any more, as its account makes it none: it is told, and so is the log."""

    session: Session


@dataclass(slots=True)
class BanSet:
    """A server operator has set a ban of the whole server, or lifted it, which the log must have.

    `minutes`: how long it is to last, 0: without end; `closed`: so many connections are closed for it.
    """

    by: Session
    command: str
    mask: str
    minutes: int = 0
    closed: int = 0


AccountQuestion = RegistrationAsked | LoginAsked | SaslAsked | PasswordChangeAsked | DropAsked | RemovalAsked
PastQuestion = PastAsked | TargetsAsked | SearchAsked
Question = PasswordAsked | OperAsked | RehashAsked | AccountQuestion | PastQuestion
Reported = Appointed | LoggedOut | Resigned | Dismissed | BanSet
Outcome = bytes | Event | Question | DrainAsked | Goodbye | Told | ToldOwner | Regroup | Reported
Outcomes = Iterator[Outcome]
