"""Our own words on their way: not yet sent, or sent and not yet echoed. Pure: it is told what time it is.

A line counts as said when the server's echo brings it back. Where the server knows a line by its number, one whose
echo was lost with the connection is sent again, and said once; elsewhere it cannot be known what became of it.
"""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from mpchat.chat.names import fold
from mpchat.client.confidential import veiled
from mpchat.client.step import Speech

WAITING = 500  # lines kept while there is no connection: a long paste, not a flood
WINDOW = 10  # lines of a paste without an echo, two seconds of mpchat's flood control: the rest can be called back
SLOW_SECONDS = 0.3  # an echo later than this is shown as waiting
DOUBTFUL_SECONDS = 30.0  # and later than this, the server is asked whether it has come to that line


@dataclass
class Sent:
    """A line that was sent at a time (seconds). `number`: how the server knows it, 0 where it knows no numbers."""

    number: int
    speech: Speech
    at: float
    repeated: bool = False


class Outbox:
    """Lines without an echo."""

    def __init__(self) -> None:
        self.unsent: deque[Speech] = deque()
        self.pasted: deque[Speech] = deque()  # to be sent too, a few at a time; with or without a connection
        self.unechoed: deque[Sent] = deque()
        self._last = 0

    def waiting(self) -> int:
        """How many lines are not said yet, for all we know."""
        return len(self.unsent) + len(self.pasted) + len(self.unechoed)

    def keep(self, speech: Speech) -> bool:
        """Keep a line for when there is a connection. False: too many are waiting."""
        if self.may_keep():
            self.unsent.append(speech)
            return True
        return False

    def may_keep(self) -> bool:
        """May one more line wait for a connection?"""
        return self.waiting() < WAITING

    def send(self, speech: Speech, now: float, numbered: bool) -> Sent:
        """It is given to the connection now, and its echo is due. Numbers grow, in the order of sending."""
        self._last += numbered
        self.unechoed.append(Sent(self._last if numbered else 0, speech, now))
        return self.unechoed[-1]

    def again(self, now: float) -> list[Sent]:
        """The lines to send once more, in their order."""
        for sent in self.unechoed:
            sent.at, sent.repeated = now, True
        return list(self.unechoed)

    def has_room(self) -> bool:
        """May one more line of a paste be sent?"""
        return len(self.unechoed) < WINDOW

    def settle(self, target: str, number: int = 0) -> Sent | None:
        """The line of that number, or with none the oldest to `target`, came back or was refused: it is taken out."""
        for sent in self.unechoed:
            if sent.number == number if number else fold(sent.speech.target) == fold(target):
                self.unechoed.remove(sent)
                return sent
        return None

    def slow(self, now: float) -> int:
        """How many echoes are late."""
        return sum(now - sent.at >= SLOW_SECONDS for sent in self.unechoed)

    def late(self, now: float) -> str:
        """The words of the oldest line, if its echo is late; of what a service is told, as much as may be shown."""
        if not self.slow(now):
            return ""
        speech = self.unechoed[0].speech
        return veiled(speech.text, speech.target)

    def since(self) -> float:
        """When the oldest line without an echo was sent."""
        return self.unechoed[0].at if self.unechoed else math.inf

    def deadline(self) -> float:
        """When the oldest echo is so late that the server should be asked."""
        return self.since() + DOUBTFUL_SECONDS

    def renamed(self, old: str, new: str) -> None:
        """A person has another nick now: lines for them that wait go there, and not to who takes the old one."""
        for waiting in (self.unsent, self.pasted):
            for at, speech in enumerate(waiting):
                if fold(speech.target) == fold(old):
                    waiting[at] = replace(speech, target=new)

    def withdraw(self, concerns: Callable[[str], bool]) -> list[Speech]:
        """The lines that wait, and are for a target which that `concerns`, are not to be sent; they are taken out."""
        withdrawn = [speech for speech in (*self.unsent, *self.pasted) if concerns(speech.target)]
        self.unsent = deque(speech for speech in self.unsent if not concerns(speech.target))
        self.pasted = deque(speech for speech in self.pasted if not concerns(speech.target))
        return withdrawn

    def lost(
        self, sent_before: float = math.inf, numbered: bool = True, concerns: Callable[[str], bool] = lambda _: True
    ) -> list[Speech]:
        """Lines whose echo will not come any more; they are taken out. Those with a number only if `numbered`."""
        old = [sent for sent in self.unechoed if sent.at <= sent_before and concerns(sent.speech.target)]
        lost = [sent for sent in old if numbered or not sent.number]
        self.unechoed = deque(sent for sent in self.unechoed if sent not in lost)
        return [sent.speech for sent in lost]
