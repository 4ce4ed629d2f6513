"""Every /command gets an answer: where the server has none that is shown, the client says so itself. Pure.

A PING goes out behind each, and the server answers in order: what stands before the PONG is the answer, if it is the
server's word to us and not what others do meanwhile.
"""

from collections import deque

from mpchat.client.model import is_room
from mpchat.client.step import Step, note
from mpchat.protocol.message import Message
from mpchat.texts import t

_TOKEN = "mpchat-answer-"


class Answers:
    """Those that are due."""

    def __init__(self) -> None:
        self._due: deque[tuple[str, str]] = deque()  # token, what to say if nothing comes
        self._has_come = False  # the first one's
        self._asked = 0

    def asked(self, command: str, sent: Message) -> str:
        """The token of the PING to send behind a command, which has led to this message."""
        self._asked += 1
        token = f"{_TOKEN}{self._asked}"
        self._due.append((token, t(_silence(sent), command=command)))
        return token

    def heard(self, message: Message, shown: bool, own: bool) -> None:
        """A message came. `shown`: the user saw it; `own`: we are its source."""
        is_answer = own or message.command.isdigit() or message.command in ("FAIL", "WARN", "NOTE")
        self._has_come = self._has_come or (shown and is_answer and bool(self._due))

    def ponged(self, token: str) -> Step:
        """The server has come to that token."""
        if not self._due or self._due[0][0] != token:
            return Step()
        _, told = self._due.popleft()
        has_come, self._has_come = self._has_come, False
        return Step() if has_come else note(told)

    def lost(self) -> None:
        """The connection is gone, and with it what was due."""
        self._due.clear()
        self._has_come = False


def _silence(sent: Message) -> str:
    """The key of the sentence that says what it means when the server says nothing to this message.

    A KILL that is not refused is done, and servers say no more of it: its victim's QUIT comes only to who shares a
    room with them, and may not be shown. Of a room's modes they tell what has changed.
    """
    if sent.command == "KILL":
        return "screen.done"
    if sent.command == "MODE" and len(sent.params) > 1 and is_room(sent.params[0]):
        return "screen.unchanged"
    return "screen.no_answer"
