"""A connection: its dialect's side of it, where it hangs, and how much of its input has been accepted and dealt with.

    input:   ....taken....|....held....|                       offsets count from the connection's first byte
             ........accepted..........|
                      ....begun........|                       if this is the beginning of a line, or a piece of one

While a question is open, what is accepted is held. Without one, all that is accepted is also taken. So is a line whose
answer is so long that the client must take some of it first; one that asks the world outside is taken with its answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mpchat.chat.sessions import Session
from mpchat.messages import WorkerNumber
from mpchat.protocol.outcomes import DrainAsked, Question

if TYPE_CHECKING:
    from mpchat.protocol.dialect import Dialect

Held = tuple[str, int, Any, int]  # kind of the record, end, its bytes (or what else it has), where its line began


class Registration:
    """How far an unregistered client has come. Dropped when it is registered."""

    __slots__ = ("negotiating", "password_right", "realname", "tokens", "user", "wanted")

    def __init__(self) -> None:
        self.user = self.realname = ""
        self.negotiating = False  # between CAP LS or REQ and CAP END
        self.password_right = False
        self.tokens = ("", "")  # resume tokens: the last one, if there is one, and the next
        self.wanted = ""  # an account's nickname, which it gets if it proves to be its owner before it enters


class Connection:
    """Dialects read and write `registration`, `capabilities`, `sasl`, and read `session` and `profile`; the core all.

    Who changes `capabilities` must yield Regroup. Times in mono ms.
    """

    __slots__ = (
        "accepted",
        "asked",
        "before",
        "capabilities",
        "dialect",
        "discarding",
        "drains",
        "given",
        "heard_at",
        "held",
        "id",
        "is_batch_open",
        "label",
        "leaving",
        "line_start",
        "part",
        "pinged",
        "profile",
        "registration",
        "renames_paid_at",
        "sasl",
        "session",
        "taken",
        "worker",
        "wrong",
        "wrong_logins",
    )

    def __init__(self, session: Session, dialect: Dialect, worker: WorkerNumber, mono: int) -> None:
        self.id = session.id
        self.worker = worker
        self.session = session
        self.dialect = dialect
        self.registration: Registration | None = Registration()
        self.capabilities = 0
        self.profile = dialect.profile(0)  # the wire profile by which it is in its groups
        self.accepted = 0  # what was forwarded before this offset is a repeat
        self.line_start = 0  # where the line begins that is coming in
        self.discarding = False  # it is one that was too long
        self.taken = 0  # the end of what has been dealt with; it trails while a line waits for an answer
        self.part = b""  # the beginning of a line that has not ended yet, as far as it has been taken
        self.heard_at = mono
        self.pinged = False
        self.asked: Question | DrainAsked | None = None  # while this is open, later lines wait in `held`
        self.drains = 0  # how many questions have gone to its worker: the answer names the last one
        self.given = 0  # bytes of answers since the last time that we know that the client has taken all
        self.leaving = ""  # why, if it has left and what it had sent before is still dealt with
        self.before = (0, 0, b"")  # taken, line_start and part as they were before the line that asked
        self.held: list[Held] = []
        self.renames_paid_at = 0  # when its changes of nickname so far will all be forgotten (nick_changes.py)
        # Wrong passwords, one after the other: the server's and an operator's, and those of accounts. Anybody can make
        # an account, and its right password says nothing of those.
        self.wrong = self.wrong_logins = 0
        self.sasl = ("", False)  # the mechanism of the exchange that is open, "" for none; has its first piece come?
        # Of the line that is being answered, "" if it has none; and has some of the answer been sent, in a batch?
        self.label, self.is_batch_open = "", False

    @property
    def waits_for_client(self) -> bool:
        """It has been told so much that the rest must wait until the client has taken that."""
        return isinstance(self.asked, DrainAsked)

    @property
    def begun(self) -> int:
        """Bytes of an unfinished line that have been accepted."""
        return self.accepted - self.line_start

    def ask_again(self) -> None:
        """As if the line that asked, and all after it, had not come; of one that waits for the client, all after it."""
        if not isinstance(self.asked, DrainAsked):
            self.asked, self.label = None, ""
        self.held = []
        self.taken, self.line_start, self.part = self.before
        self.accepted, self.discarding = self.taken, False
