"""A command that changes where words go, until the server has answered it, and what is typed meanwhile. Pure.

To the room before, those words would be said to the wrong people: they wait, in their order, /commands among them.
"""

from collections import deque

from mpchat.chat.names import fold
from mpchat.client.commands import undone
from mpchat.client.model import Model
from mpchat.client.step import ERROR, Line, Step, harmless
from mpchat.protocol.message import Message
from mpchat.texts import t


class Turn:
    """The JOINs and PARTs `asked` of the server, and the lines `typed` since. There is none while `asked` is empty."""

    def __init__(self) -> None:
        self.asked: list[Message] = []
        self.token = ""  # it comes back behind the answer
        self.typed: deque[str] = deque()
        self.before = ""  # where words went, while they go nowhere because one was refused

    def begin(self, asked: list[Message], token: str) -> None:
        """The server was asked for this."""
        self.asked, self.token = asked, token

    def renamed(self, old: str, new: str) -> None:
        """A person has another nick now."""
        if fold(self.before) == fold(old):
            self.before = new

    def lost(self, model: Model) -> Step:
        """The connection is gone, and with it the answer: nothing of what waited for it can be said.

        Nor can what is typed from now on: who typed it may not have seen yet that there is no answer.
        """
        asked = ", ".join(f"{message.command} {message.params[0]}" for message in self.asked)
        lines = []
        if asked:
            lines = [Line(t("screen.not_confirmed", asked=asked), ERROR)]
            model.stop(t("screen.not_confirmed", asked=asked))
        lines += [Line(t("screen.undone", line=undone(harmless(line)), asked=asked), ERROR) for line in self.typed]
        self.asked, self.before = [], ""
        self.typed.clear()
        return Step(show=lines)
