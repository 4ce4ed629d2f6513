"""Our own words on their way: not yet sent, or sent and not yet echoed. Pure: it is told what time it is.

A line counts as said when the server's echo brings it back. Echoes come in the order of our lines to one target.
"""

import math
from collections import deque

from mpchat.chat.names import fold
from mpchat.client.step import Speech

UNSENT = 500  # lines kept while there is no connection: a long paste, not a flood
SLOW_SECONDS = 0.3  # an echo later than this is shown as waiting
FORGOTTEN_SECONDS = 30.0  # and later than this, as unconfirmed: the server dropped it without a word


class Outbox:
    """Lines that nobody has confirmed."""

    def __init__(self) -> None:
        self.unsent: deque[Speech] = deque()
        self.unechoed: deque[tuple[float, Speech]] = deque()

    def keep(self, speech: Speech) -> bool:
        """Keep a line for when there is a connection. False: too many are waiting."""
        if len(self.unsent) >= UNSENT:
            return False
        self.unsent.append(speech)
        return True

    def sent(self, speech: Speech, now: float) -> None:
        """It was given to the connection, and its echo is due."""
        self.unechoed.append((now, speech))

    def settle(self, target: str) -> bool:
        """The oldest line to `target` came back, or was refused. False: none was on its way there."""
        for item in self.unechoed:
            if fold(item[1].target) == fold(target):
                self.unechoed.remove(item)
                return True
        return False

    def slow(self, now: float) -> int:
        """How many echoes are late."""
        return sum(now - at >= SLOW_SECONDS for at, _ in self.unechoed)

    def deadline(self) -> float:
        """When forgotten() will have something to tell."""
        return self.unechoed[0][0] + FORGOTTEN_SECONDS if self.unechoed else math.inf

    def forgotten(self, now: float) -> list[Speech]:
        """Lines whose echo will not come any more; they are taken out."""
        late = []
        while self.unechoed and now - self.unechoed[0][0] >= FORGOTTEN_SECONDS:
            late.append(self.unechoed.popleft()[1])
        return late

    def doubtful(self) -> list[Speech]:
        """The connection is lost: what was sent and never came back may have arrived, or not. They are taken out."""
        lines = [speech for _, speech in self.unechoed]
        self.unechoed.clear()
        return lines
