"""A connection as the core sees it: where it hangs, and how much of its input has been accepted and dealt with.

    input:   ....taken....|....held....|                       offsets count from the connection's first byte
             ........accepted..........|
                      ....begun........|                       if this is the beginning of a line, or a piece of one

While a question is open, what is accepted is held. Without one, all that is accepted is also taken. So is a line whose
answer is so long that the client must take some of it first; one that asks the world outside is taken with its answer.
"""

from operator import attrgetter
from typing import Any

from mpchat.chat.sessions import Session
from mpchat.protocol.context import DRAIN, Peer, Question, Registration

Held = tuple[str, int, Any, int]  # kind of the record, end, its bytes (or what else it has), where its line began


class Attachment:
    """Times in mono ms."""

    __slots__ = (
        "accepted",
        "asked",
        "before",
        "capabilities",
        "connection",
        "discarding",
        "drains",
        "given",
        "heard_at",
        "held",
        "leaving",
        "line_start",
        "part",
        "peer",
        "pinged",
        "profile",
        "taken",
        "worker",
    )

    def __init__(self, connection: int, worker: int, peer: Peer, mono: int) -> None:
        self.connection = connection
        self.worker = worker
        self.peer = peer
        self.capabilities = 0
        self.profile = peer.profile
        self.accepted = 0  # what was forwarded before this offset is a repeat
        self.line_start = 0  # where the line begins that is coming in
        self.discarding = False  # it is one that was too long
        self.taken = 0  # the end of what has been dealt with; it trails while a line waits for an answer
        self.part = b""  # the beginning of a line that has not ended yet, as far as it has been taken
        self.heard_at = mono
        self.pinged = False
        self.asked: Question | None = None  # while this is open, later lines wait in `held`
        self.drains = 0  # how many questions have gone to its worker: the answer names the last one
        self.given = 0  # bytes of answers since the last time that we know that the client has taken all
        self.leaving = ""  # why, if it has left and what it had sent before is still dealt with
        self.before = (0, 0, b"")  # taken, line_start and part as they were before the line that asked
        self.held: list[Held] = []

    @property
    def waits_for_client(self) -> bool:
        """It has been told so much that the rest must wait until the client has taken that."""
        return self.asked is not None and self.asked.kind == DRAIN

    @property
    def begun(self) -> int:
        """Bytes of an unfinished line that have been accepted."""
        return self.accepted - self.line_start

    def ask_again(self) -> None:
        """As if the line that asked, and all after it, had not come; of one that waits for the client, all after it."""
        if self.asked is not None and self.asked.kind != DRAIN:
            self.asked = None
        self.held = []
        self.taken, self.line_start, self.part = self.before
        self.accepted, self.discarding = self.taken, False


_PLAIN = tuple(name for name in Attachment.__slots__ if name not in ("asked", "peer"))
_of_attachment = attrgetter(*_PLAIN)
_of_registration = attrgetter(*Registration.__slots__)


def attachment_values(attachment: Attachment) -> tuple[Any, ...]:
    """It as plain values, but its session."""
    peer, asked = attachment.peer, attachment.asked
    return (
        _of_attachment(attachment),
        (peer.is_plain, peer.capabilities),
        None if peer.registration is None else _of_registration(peer.registration),
        None if asked is None else (asked.kind, asked.about),
    )


def attachment_of(sessions: dict[int, Session], values: tuple[Any, ...]) -> Attachment:
    """The inverse of attachment_values()."""
    own, (is_plain, capabilities), registration, asked = values
    attachment: Attachment = Attachment.__new__(Attachment)
    for name, value in zip(_PLAIN, own, strict=True):
        setattr(attachment, name, value)
    attachment.asked = None if asked is None else Question(*asked)
    peer = attachment.peer = Peer(sessions[attachment.connection], is_plain)
    peer.capabilities = capabilities
    if registration is None:
        peer.registration = None
    else:
        for name, value in zip(Registration.__slots__, registration, strict=True):
            setattr(peer.registration, name, value)
    return attachment
