"""What an answer to CHATHISTORY or SEARCH (lines.Asked) must be, compared with what was told live. Pure."""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from scripts.chaos_run.lines import Asked, Event, Tags
from scripts.chaos_run.orders import differences

_TYPES = {"TARGETS": "draft/chathistory-targets", "SEARCH": "soju.im/search"}


class Mark(NamedTuple):
    """What tells a message from all others, and when it was said."""

    id: str
    time: str


class Known(NamedTuple):
    """So many of a room's messages had been said when somebody asked, and when the answer came: at least, at most."""

    asked: int
    answered: int


@dataclass
class Answer:
    """One batch, or one FAIL."""

    room: str  # "" where it names none
    read: int  # how many lines the client had read before it
    type: str = ""  # the batch's
    failed: str = ""  # the verb that has
    rows: list[tuple[Event, Tags]] = field(default_factory=list)

    def may_be_to(self, question: Asked) -> bool:
        type = _TYPES.get(question.verb, "chathistory")
        names_room = type == "chathistory"
        if self.room != (question.room if names_room else ""):
            return False
        return self.failed == question.verb if self.failed else self.type == type


class Past:
    """What was said in one room: `order` is all that happened there, `said` what a history keeps of it."""

    def __init__(self, order: Sequence[Event], marks: Mapping[Event, Mark]) -> None:
        self.order = order
        self.said = [event for event in order if event.kind == "said"]
        self.places = {event: place for place, event in enumerate(self.said)}
        self.times: list[str] = []
        for event in self.said:  # what nobody read with a time was said no earlier than what was before it
            self.times.append(marks[event].time if event in marks else self.times[-1] if self.times else "")
        self._until: dict[Event, int] = {}
        count = 0
        for event in order:
            count += event.kind == "said"
            self._until[event] = count

    def until(self, event: Event) -> int:
        """How many messages were said up to this, with it; 0 if it is in nobody's order."""
        return self._until.get(event, 0)

    def bound(self, reference: str, ids: Mapping[str, Event]) -> tuple[int, int] | None:
        """How many messages are before this bound, and how many are not behind it; None: nobody agrees where it is."""
        kind, _, value = reference.partition("=")
        if kind == "timestamp":
            return bisect_left(self.times, value), bisect_right(self.times, value)
        place = self.places.get(ids[value])
        return None if place is None else (place, place + 1)


def judged(question: Asked, answer: Answer, past: Past, known: Known, ids: Mapping[str, Event]) -> Iterator[str]:
    """What is wrong with this answer to a question about one room."""
    got = [event for event, _ in answer.rows if event.kind != "gap"]
    found = [past.bound(reference, ids) for reference in question.bounds]
    bounds = [bound for bound in found if bound is not None]
    if len(bounds) < len(found):
        return
    places = [past.places[event] for event in got if event in past.places]
    # What was said while the question was under way may be in the answer, or not.
    end = min(max(known.asked, max(places, default=-1) + 1), known.answered)
    missing = _told_missing(answer, past)
    said = [(place, event) for place, event in enumerate(past.said[:end]) if place not in missing]
    limit = question.limit
    match question.verb, bounds:
        case "LATEST", []:
            wanted = said[-limit:]
        case "LATEST", [(_, last)]:
            wanted = [each for each in said if each[0] >= last][-limit:]
        case "BEFORE", [(first, _)]:
            wanted = [each for each in said if each[0] < first][-limit:]
        case "AFTER", [(_, last)]:
            wanted = [each for each in said if each[0] >= last][:limit]
        case "BETWEEN", [(first, last), (other_first, other_last)] if first <= other_first:
            wanted = [each for each in said if last <= each[0] < other_first][:limit]
        case "BETWEEN", [(first, _), (_, other_last)]:
            wanted = [each for each in said if other_last <= each[0] < first][-limit:]
        case "AROUND", [(first, _)]:
            # How many of them are before it is the server's to choose, the message itself among them.
            if not any(place == first for place in places) and first < end:
                yield f"what it is about is not there: {_shown(past.said[first])}"
            wanted = [each for each in said if places and min(places) <= each[0] <= max(places)]
            if not min(len(said), limit // 2) <= len(got) <= limit:
                yield f"it has {len(got)} messages"
        case "SEARCH", []:
            wanted = [each for each in said if question.words in each[1].text.split()][-limit:]
        case verb, _:
            raise ValueError(f"no {verb} with {len(bounds)} bounds is asked here")
    for kind, event in differences([event for _, event in wanted], got):
        yield f"{kind} there: {_shown(event)}"


def _told_missing(answer: Answer, past: Past) -> set[int]:
    """Which messages are between those around a gap that the answer has told: nobody can ask that they are there."""
    missing: set[int] = set()
    rows = [past.places.get(event) for event, _ in answer.rows]
    for number, (event, _) in enumerate(answer.rows):
        if event.kind == "gap":
            before = [place for place in rows[:number] if place is not None]
            behind = [place for place in rows[number:] if place is not None]
            missing.update(range(before[-1] + 1 if before else 0, behind[0] if behind else len(past.said)))
    return missing


def judged_targets(answer: Answer, rooms: Mapping[str, Past], known: Mapping[str, Known]) -> Iterator[str]:
    """What is wrong with this answer to which rooms somebody has spoken in last between two times, of which the one is
    before all that was said, and the other behind it. `rooms` are those of who asked."""
    latest = [(event.text, event.where) for event, _ in answer.rows]
    if sorted(time for time, _ in latest) != [time for time, _ in latest]:
        yield "the rooms are not in the order of their last messages"
    for time, room in latest:
        count = known.get(room, Known(0, 0))
        if time not in (rooms[room].times[max(0, count.asked - 1) : count.answered] if room in rooms else ()):
            yield f"{room or 'a row'} at {time}: nothing was said last there and then"
    named = Counter(room for _, room in latest)
    yield from [f"{room} is there twice" for room, times in named.items() if times > 1]
    yield from [f"{room} is not there" for room in rooms if known[room].asked and room not in named]


def _shown(event: Event) -> str:
    return f"<{event.nick} -> {event.where}> {event.text[:40]}"
