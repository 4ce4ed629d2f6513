"""What was said before we came and while we were away: it asks the server's history, and each line is shown once. Pure.

A question is followed by a PING; when its PONG comes the question is over, answered or not, whatever the server. Until
the past of a room is here, what is said there now waits, so that lines are shown in their order. Should the connection
be lost meanwhile, the same is asked again, for nothing of it has been shown. What cannot be had is said to be missing.
"""

from collections import deque
from dataclasses import dataclass, field, replace
from enum import Enum

from mpchat.chat.names import fold
from mpchat.client.preferences import Preferences
from mpchat.client.registration import Registration
from mpchat.client.status import REFUSED
from mpchat.client.step import CLIENT, ERROR, RULE, Line, Said, Step, error, note
from mpchat.client.view import View, param
from mpchat.protocol.message import Message, build
from mpchat.texts import t

PAGE_LINES = 100  # asked for at once: the most that mpchat gives
HELD_LINES = 1000  # said in a room while its past is on the way; beyond this they are asked for too
SEEN_LINES = 10_000  # whose ids we remember: many more than can come twice
_NEEDED = {"draft/chathistory", "batch", "message-tags", "server-time"}
_UNKNOWN = ("INVALID_PARAMS", "UNKNOWN_COMMAND")  # so a server refuses a kind of question that it does not know
_TOKEN = "mpchat-past-"


class Purpose(Enum):
    """Why a room's past is asked for."""

    GREETING = "screen.earlier"
    MISSED = "screen.missed"
    RECALL = "screen.history"
    OLDER = "client.history.older"


@dataclass
class Place:
    """How much we know of what was said in a room."""

    last: str = ""  # the id of the newest line we know
    first: str = ""  # and that of the first line of its past that was shown last: what is older stands before it
    is_known: bool = False  # the history has told what there was when we came, or we have heard what was said since
    is_behind: bool = False  # we were away: what is said now waits in `held`
    held: list[Message] = field(default_factory=list)
    overflowed: bool = False  # lines that came after the last question were dropped


@dataclass
class Question:
    """One request to the history; `answer` is None until there is one."""

    room: str
    purpose: Purpose
    limit: int
    is_late: bool = False  # the greeting of a room that we lost before it was here
    answer: list[Message] | None = None
    headed: bool = False  # what its lines are was said
    unknown: bool = False  # the server does not know such a question
    is_strange: bool = False  # or the line behind which it begins: it has another past than before


class Resuming:
    """The past of one server's rooms. `greets`: show a little of it to who enters; a program wants what is new.

    How much that is the `preferences` say.
    """

    def __init__(self, view: View, registration: Registration, greets: bool, preferences: Preferences) -> None:
        self._preferences = preferences
        self._view = view
        self._registration = registration
        self._greets = greets
        self._limit = PAGE_LINES
        self._places: dict[str, Place] = {}  # by folded room
        self._seen: dict[str, None] = {}  # ids, the oldest first
        self._questions: deque[Question] = deque()  # the first of them was asked
        self._asked = 0
        self._batch = ""  # the name of the batch that is coming in
        self._page: list[Message] = []

    # The connection.

    def lost(self) -> None:
        """There is no connection: in every room we want to go back to, something may be said without us."""
        self._questions.clear()
        self._batch, self._page = "", []
        rooms = self._view.model.rooms
        self._places = {folded: place for folded, place in self._places.items() if folded in rooms}
        for place in self._places.values():
            place.is_behind = True
            place.held.clear()
            place.overflowed = False

    def promised(self, words: list[str]) -> None:
        """What the server says of itself (005): perhaps, how much it gives at once."""
        for word in words:
            name, _, value = word.partition("=")
            if name == "CHATHISTORY" and value.isdecimal() and len(value) < 10 and int(value):
                self._limit = min(PAGE_LINES, int(value))

    def entered(self, room: str) -> Step:
        """We are in that room now, for the first time or again."""
        place = self._places.get(fold(room))
        few = min(max(1, self._preferences.history), self._limit)
        if place and place.is_behind:
            if not self._supported():
                return self._give_up(room, place)
            # Who was gone before the past was here is shown what they would have been shown then.
            is_greeted = place.is_known or not self._greets
            return self._ask(Question(room, Purpose.MISSED, self._limit if is_greeted else few, is_late=not is_greeted))
        self._places[fold(room)] = Place()
        if not self._supported():
            return Step()
        # Where none are to be shown, one tells after which line the past will be asked for, should we be away.
        return self._ask(Question(room, Purpose.GREETING, few))

    def recall(self, room: str, lines: int) -> Step:
        """The user wants to read the last lines of a room."""
        if not self._supported():
            return error(t("screen.no_history"))
        return self._ask(Question(room, Purpose.RECALL, min(lines, self._limit)))

    def older(self, room: str, lines: int) -> Step:
        """The user wants to read what was said in a room before what was read last of its past."""
        if not self._supported():
            return error(t("screen.no_history"))
        return self._ask(Question(room, Purpose.OLDER, min(lines, self._limit)))

    def knows(self, room: str) -> bool:
        """Do we know of anything that was ever said in that room?"""
        place = self._places.get(fold(room))
        return place is not None and bool(place.last)

    def is_catching_up(self) -> bool:
        """Is something on its way that was said while we were away?"""
        return any(question.purpose is Purpose.MISSED for question in self._questions)

    # What the server says.

    def takes(self, message: Message) -> bool:
        """Is this part of an answer from the history? Then it is not shown now."""
        if message.command == "BATCH":
            name = param(message, 0)
            if name.startswith("+") and param(message, 1) == "chathistory" and self._questions:
                self._batch, self._page = name[1:], []
            elif self._batch and name == f"-{self._batch}" and self._questions:
                self._questions[0].answer = self._page
                self._batch, self._page = "", []
            return True
        if message.command == "FAIL" and param(message, 0) == "CHATHISTORY" and self._questions:
            question = self._questions[0]
            question.unknown = question.purpose is Purpose.OLDER and param(message, 1) in _UNKNOWN
            is_about_line = param(message, 1) == "MESSAGE_ERROR" and self._reference(question) in message.params
            question.is_strange = question.purpose is Purpose.MISSED and is_about_line
            return question.unknown or question.is_strange
        if not self._batch or message.tags.get("batch") != self._batch:
            return False
        if len(self._page) < HELD_LINES:
            self._page.append(message)
        return True

    def holds(self, message: Message) -> bool:
        """Shall this PRIVMSG or NOTICE not be shown now? It was before, or will be when its turn comes."""
        if "batch" in message.tags:
            return False  # an answer to a question of the user's own (/raw)
        place = self._places.get(fold(param(message, 0)))
        if place and place.is_behind:
            if len(place.held) < HELD_LINES:
                place.held.append(message)
            else:
                place.overflowed = True
            return True
        return not self._is_new(message, place)

    def ponged(self, token: str) -> Step:
        """If it is the mark behind a question, show what came of it, and ask the next."""
        if not self._questions or token != f"{_TOKEN}{self._asked}":
            return Step()
        question = self._questions.popleft()
        step = self._close(question)
        if self._questions:
            step.add(self._send(self._questions[0]))
        return step

    # Questions.

    def _supported(self) -> bool:
        return self._registration.capabilities >= _NEEDED

    def _ask(self, question: Question) -> Step:
        self._questions.append(question)
        return self._send(question) if len(self._questions) == 1 else Step()

    def _send(self, question: Question) -> Step:
        reference = self._reference(question)
        if question.purpose is Purpose.OLDER and reference == "*":  # nothing was read yet
            question.purpose = Purpose.RECALL
        verb = {"*": "LATEST"}.get(reference, "BEFORE" if question.purpose is Purpose.OLDER else "AFTER")
        self._asked += 1
        question.answer = None
        asked = f"CHATHISTORY {verb} {question.room} {reference} {question.limit}"
        return Step(send=[asked, build("", "PING", f"{_TOKEN}{self._asked}")])

    def _reference(self, question: Question) -> str:
        """The line at which it begins, for the server; "*" where it is to begin at none."""
        place = self._places.get(fold(question.room))
        if question.purpose is Purpose.MISSED and place and place.last:
            return f"msgid={place.last}"
        if question.purpose is Purpose.OLDER and place and place.first:
            return f"msgid={place.first}"
        return "*"

    def _close(self, question: Question) -> Step:
        place = self._places.get(fold(question.room))
        if question.purpose in (Purpose.RECALL, Purpose.OLDER):
            return self._recalled(question, place)
        if place is None:
            return Step()
        return self._greeted(question, place) if question.purpose is Purpose.GREETING else self._missed(question, place)

    def _recalled(self, question: Question, place: Place | None) -> Step:
        is_older = question.purpose is Purpose.OLDER
        if question.answer == [] and is_older:
            return note(t("client.history.nothing_older", room=question.room))
        if question.answer == []:
            return note(t("screen.nothing_said", room=question.room))
        if question.answer is None and question.unknown:
            return error(t("client.history.no_older"))
        if question.answer is None:
            return Step(outcome=REFUSED)  # the server has said why
        if place:
            _note_first(place, question.answer)
        step = self._shown(question, question.answer)
        return step if step.show else note(t("client.history.ignored", room=question.room))

    def _greeted(self, question: Question, place: Place) -> Step:
        if question.answer is None:
            return Step()
        place.is_known = True
        is_shown = self._greets and self._preferences.history > 0
        # Its newest line, which may have been shown when we were here earlier; unless something was said since we are.
        place.last = place.last or next(filter(None, map(_id, reversed(question.answer))), "")
        fresh = [message for message in question.answer if self._is_new(message, None)]
        if is_shown:
            _note_first(place, question.answer)
        return self._shown(question, fresh) if is_shown else Step()

    def _missed(self, question: Question, place: Place) -> Step:
        if question.answer is None and question.is_strange:
            place.last = place.first = ""  # it will not know them another time either
            return self._give_up(question.room, place, t("screen.other_past"))
        if question.answer is None:
            return self._give_up(question.room, place)
        began = place.last
        fresh = [message for message in question.answer if self._is_new(message, place)]
        full = sum("msgid" in message.tags for message in question.answer) >= question.limit
        step = _missing(question.room) if full and not began and not question.is_late else Step()
        step.add(self._shown(question, fresh))
        if (full and place.last != began) or place.overflowed:
            if place.overflowed:
                place.held.clear()
                place.overflowed = False
            self._questions.appendleft(question)  # there is more: ponged() asks for it
            return step
        step.add(self._catch_up(place))
        return step

    def _give_up(self, room: str, place: Place, why: str = "") -> Step:
        step = _missing(room, why)
        step.add(self._catch_up(place))
        return step

    def _catch_up(self, place: Place) -> Step:
        """Show what waited: from here on, lines are shown as they come."""
        place.is_behind = False
        held, place.held = place.held, []
        step = Step()
        for message in held:
            if self._is_new(message, place):
                step.show += self._view.heard(message)
        return step

    def _shown(self, question: Question, messages: list[Message]) -> Step:
        lines = [line for message in messages for line in self._view.heard(message)]
        if question.purpose is not Purpose.MISSED:
            lines = [replace(line, calls=False, is_news=False) for line in lines]  # of the past: no bell
        if question.purpose in (Purpose.RECALL, Purpose.OLDER):
            lines = [replace(line, said=None) for line in lines]  # it is not what goes on: /last leaves it out
        if not lines or question.headed:
            return Step(show=lines)
        question.headed = True
        return Step(show=[_heading(question, len(lines)), *lines])

    def _is_new(self, message: Message, place: Place | None) -> bool:
        """Has this line not been here before? Then it is the newest we know of its room."""
        known = _id(message)
        if not known:
            return True
        if known in self._seen:
            return False
        self._seen[known] = None
        if len(self._seen) > SEEN_LINES:
            del self._seen[next(iter(self._seen))]
        if place:
            place.last, place.is_known = known, True
            place.first = place.first or known
        return True


def _id(message: Message) -> str:
    """By which the server knows this line; "" where it has none, as a gap."""
    return message.tags.get("msgid", "")


def _note_first(place: Place, messages: list[Message]) -> None:
    """These were read, the oldest first."""
    place.first = next(filter(None, map(_id, messages)), place.first)


def _heading(question: Question, count: int) -> Line:
    """What stands above so many lines, the first of an answer."""
    purpose = Purpose.GREETING if question.is_late else question.purpose
    if purpose is not Purpose.MISSED:
        return Line(t(purpose.value, room=question.room), CLIENT)
    if len(question.answer or ()) >= question.limit:  # it is not known how many more there are
        return Line(t("screen.missed", room=question.room), RULE)
    return Line(t("screen.missed_count", room=question.room, count=count), RULE)


def _missing(room: str, why: str = "") -> Step:
    text = why or t("screen.missing")
    return Step(show=[Line(f"{room}: {text}", ERROR, said=Said(room, "", text, "gap"))])
