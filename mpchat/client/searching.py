"""Looking for words in a room's history: one question at a time, and what the server has found for it. Pure.

A question is followed by a PING; when its PONG comes the question is over, whatever the server has said to it.
"""

from collections import deque
from dataclasses import dataclass, replace

from mpchat.chat.text import has_words
from mpchat.client.registration import SEARCH, Registration
from mpchat.client.status import LOST, REFUSED, WELL
from mpchat.client.step import ERROR, Line, Step, error, note
from mpchat.client.view import View, param
from mpchat.protocol.message import BODY_BYTES, Message, build
from mpchat.texts import t

FOUND_LINES = 50  # two screens: who looks for more gives more words
_TOKEN = "mpchat-search-"
_ESCAPES = str.maketrans({";": "\\:", " ": "\\s", "\\": "\\\\"})  # those of message tags


@dataclass
class Question:
    """What is looked for. `found` is None until there is an answer."""

    room: str
    words: str
    found: list[Message] | None = None


class Searching:
    """The searches that the user waits for."""

    def __init__(self, view: View, registration: Registration) -> None:
        self._view = view
        self._registration = registration
        self._questions: deque[Question] = deque()  # the first of them was asked
        self._asked = 0
        self._batch = ""  # the name of the batch that is coming in
        self._page: list[Message] = []

    def ask(self, room: str, words: str) -> Step:
        """The user looks for the lines of a room in which these words stand."""
        if not self._registration.capabilities >= {SEARCH, "batch"}:
            return error(t("client.search.unsupported"))
        question = Question(room, words)
        if len(_line(question).encode()) > BODY_BYTES:
            return error(t("client.search.long"))
        self._questions.append(question)
        return self._send() if len(self._questions) == 1 else Step()

    def takes(self, message: Message) -> bool:
        """Is this part of an answer? Then it is not shown now."""
        if message.command == "BATCH" and self._questions:
            name = param(message, 0)
            if name.startswith("+") and param(message, 1) == SEARCH:
                self._batch, self._page = name[1:], []
                return True
            if self._batch and name == f"-{self._batch}":
                self._questions[0].found = self._page
                self._batch, self._page = "", []
                return True
        if not self._batch or message.tags.get("batch") != self._batch:
            return False
        if len(self._page) < FOUND_LINES:
            self._page.append(message)
        return True

    def ponged(self, token: str) -> Step:
        """If it is the mark behind a question, show what was found, and ask the next."""
        if not self._questions or token != f"{_TOKEN}{self._asked}":
            return Step()
        step = self._told(self._questions.popleft())
        if self._questions:
            step.add(self._send())
        return step

    def lost(self) -> Step:
        """The connection is gone: nothing will be found any more."""
        step = Step(outcome=LOST if self._questions else WELL)
        for question in self._questions:
            step.show.append(Line(t("client.search.lost", room=question.room, words=question.words), ERROR))
        self._questions.clear()
        self._batch, self._page = "", []
        return step

    def _send(self) -> Step:
        self._asked += 1
        return Step(send=[_line(self._questions[0]), build("", "PING", f"{_TOKEN}{self._asked}")])

    def _told(self, question: Question) -> Step:
        if question.found is None:
            return Step(outcome=REFUSED)  # the server has said why
        lines = [line for message in question.found for line in self._view.heard(message)]
        about = {"room": question.room, "words": question.words}
        if not lines:
            return note(t("client.search.nothing" if has_words(question.words) else "client.search.signs", **about))
        key = "client.search.newest" if len(question.found) == FOUND_LINES else "client.search.found"
        step = note(t(key, count=len(lines), **about))
        step.show += [replace(line, room="", calls=False, is_news=False, dated=True, said=None) for line in lines]
        return step


def _line(question: Question) -> str:
    room, words = question.room.translate(_ESCAPES), question.words.translate(_ESCAPES)
    return f"SEARCH in={room};text={words};limit={FOUND_LINES}"
