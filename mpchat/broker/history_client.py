"""The broker's questions about the past. The recorder answers them, when it has recorded what was said before each.

The broker does not wait for it: only the line that asked does, and those behind it. A recorder that is dead or slow
gives no answer in time, and then "no answer" is the answer: None.
"""

import time
from typing import TypeAlias

from mpchat.broker.recovery import Recovery
from mpchat.ipc.link import Link, close_all
from mpchat.ipc.scoreboard import Meter
from mpchat.ipc.validation import past
from mpchat.messages import (
    BrokerToRecorder,
    ConnectionId,
    HistoryAsked,
    JournalPosition,
    LastOnesAsked,
    Offset,
    Record,
    UnknownMessage,
    WordsAsked,
)
from mpchat.protocol.outcomes import PastAsked, PastQuestion, SearchAsked, TargetsAsked
from mpchat.runtime.poller import AnyPoller
from mpchat.settings import Settings

Asked: TypeAlias = HistoryAsked | WordsAsked | LastOnesAsked


class HistoryClient:
    """Of one broker, with the recorder of the moment. Times in monotonic seconds."""

    def __init__(self, settings: Settings, poller: AnyPoller, recovery: Recovery, meter: Meter) -> None:
        self.recorder: Link[BrokerToRecorder] | None = None
        self._recovery = recovery
        self._meter = meter  # of our end of the link
        self._seconds = settings.question_seconds
        self._poller = poller
        # Questions by connection and end of the line: the deadline, and what is to be asked of the next recorder too.
        self._open: dict[tuple[ConnectionId, int], tuple[float, Asked]] = {}
        self._is_idle = False  # the recorder waits to be told that there is more
        self._told = 0

    def take_recorder(self, link: Link[BrokerToRecorder]) -> None:
        self.leave_recorder()
        self.recorder = link
        link.count_on(self._meter)
        self._is_idle = False
        self._poller.watch(link)
        self._post(("grown",))  # or it would not begin
        for _, question in self._open.values():
            self._post(question)

    def leave_recorder(self) -> None:
        """It is dead, or misbehaves. What it was asked, the next one is asked too."""
        if self.recorder is not None:
            self._poller.forget(self.recorder)
            self.recorder.close()
        self.recorder = None

    def look(self, now: float) -> None:
        """To be called soon after next_deadline: what was said is journaled, and the recorder is told if it waits."""
        if now >= self._recovery.facts_due:
            self._recovery.journal_facts()
        self._tell_of_facts()

    def _tell_of_facts(self) -> None:
        facts_at = self._recovery.facts_at
        if facts_at > self._told and self._is_idle and self.recorder is not None:
            self._told, self._is_idle = facts_at, False
            self._post(("grown",))

    def ask(self, connection: ConnectionId, end: int, question: PastQuestion) -> None:
        """Ask the recorder, for the line of this connection that ends there; all said by now is part of the answer.

        If the disk has no room for those to be told, there is no answer: better than a part of it.
        """
        is_all_told = self._recovery.journal_facts()
        position = JournalPosition(self._recovery.position)
        message = _message(position, connection, end, question)
        self._open[connection, end] = time.monotonic() + (self._seconds if is_all_told else 0), message
        if self.recorder is not None and is_all_told:
            self._post(message)
            if self._is_idle:
                self._is_idle = False
                self._post(("grown",))

    def _post(self, message: BrokerToRecorder) -> None:
        assert self.recorder is not None
        self.recorder.post(message)
        self._poller.want_write(self.recorder, self.recorder.unsent)

    def on_messages(self, answers: list[Record]) -> None:
        """Take what the recorder says, and put its answers behind these. Raises BadFrame at what no recorder says."""
        assert self.recorder is not None
        self.recorder.flush()
        for message, fds in self.recorder.take():
            match message, fds:
                case ("idle", int() as position), []:
                    self._is_idle, self._told = True, position
                case ("rows", int() as connection, int() as end, found), []:
                    answer = past(found)
                    if self._open.pop((ConnectionId(connection), end), None) is not None:
                        answers.append(("answer", ConnectionId(connection), answer))
                case _:
                    close_all([(message, fds)])
                    raise UnknownMessage(message)
        if self.recorder.ended:
            self.leave_recorder()
        else:
            self._tell_of_facts()
            self._poller.want_write(self.recorder, self.recorder.unsent)

    def overdue(self) -> list[Record]:
        """No answer has come in time: that is the answer."""
        if not self._open:
            return []
        now = time.monotonic()
        late = [place for place, (deadline, _) in self._open.items() if deadline <= now]
        for place in late:
            del self._open[place]
        return [("answer", connection, None) for connection, _ in late]

    @property
    def next_deadline(self) -> float:
        due = self._recovery.facts_due
        return min([due, *(deadline for deadline, _ in self._open.values())]) if self._open else due

    def close(self) -> None:
        """The last is said."""
        self._recovery.journal_facts()
        self.leave_recorder()


def _message(position: JournalPosition, connection: ConnectionId, end: Offset, question: PastQuestion) -> Asked:
    """A question as the recorder reads it."""
    match question:
        case PastAsked(room, number, window, bounds, limit):
            return "history", position, connection, end, room, number, window, bounds, limit
        case TargetsAsked(places, first, second, limit):
            return "targets", position, connection, end, places, first, second, limit
        case SearchAsked(words, places, sender, since, until, limit):
            return "search", position, connection, end, words, places, sender, since, until, limit
