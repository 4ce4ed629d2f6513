"""Every /command gets an answer: where the server has none that is shown, the client says so itself. Pure.

A PING goes out behind each, and the server answers in order: what stands before the PONG is the answer, if it is the
server's word to us and not what others do meanwhile.
"""

from collections import deque

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

    def asked(self, command: str, is_kill: bool = False) -> str:
        """The token of the PING to send behind a command.

        A KILL that is not refused is done, and servers say no more of it: its victim's QUIT comes only to who shares a
        room with them, and may not be shown.
        """
        self._asked += 1
        token = f"{_TOKEN}{self._asked}"
        told = t("screen.done", command=command) if is_kill else t("screen.no_answer", command=command)
        self._due.append((token, told))
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
