"""scripts/chaos: what the checker finds of tags, and of answers about the past (IRCv3 message-tags,
chathistory; soju.im/search).

The story of test_chaos_checker.py, in which ana and dani know tags; and ana asks what was said.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from scripts.chaos_run.checker import Checker
from scripts.chaos_run.lines import Asked, Log, Said
from tests.system.test_chaos_checker import ROOM, Story

FIRST = ("1 hola", "2 ¿qué tal?", "3 bien", "4 pues nada", "5 adiós")
EVER = ("timestamp=1970-01-01T00:00:00.000Z", "timestamp=2999-01-01T00:00:00.000Z")
BEGUN, ENDED = f":mpchat.local BATCH +history chathistory {ROOM}", ":mpchat.local BATCH -history"
GAP = f"@batch=history;time=2026-01-02T03:04:59.000Z :mpchat.local NOTICE {ROOM} :some messages are missing here"


class TaggedStory(Story):
    """`marks`: by text, the time and id with which something was said."""

    def __init__(self) -> None:
        super().__init__()
        self.marks: dict[str, str] = {}
        for nick in ("ana", "dani"):
            self.logs[nick].tagged = True

    def say(self, nick: str, text: str, to: str = ROOM, shown: str = "", tags: str = "") -> None:
        """`tags` without a text: TAGMSG."""
        log, number = self.logs[nick], len(self.marks) + 1
        mark = self.marks[text or tags] = f"time=2026-01-02T03:04:{number:02}.000Z;msgid=b-{number}"
        log.said.append(Said(to, text, tags))
        audience = [name for name in (self.present if to == ROOM else [nick, to]) if name != nick or log.echo]
        known = [name for name in audience if self.logs[name].tagged]
        line = f":{log.prefix} PRIVMSG {to} :{text}" if text else f":{log.prefix} TAGMSG {to}"
        self.tell(known, f"@{mark}{';' if tags else ''}{tags} {line}", "")
        if text:
            private = "" if to == ROOM else " -> you"
            self.tell([name for name in audience if name not in known], line, f"<{nick}{private}> {text}")

    def bound(self, text: str, by_id: bool) -> str:
        time, id = self.marks[text].split(";")
        return id if by_id else time.replace("time", "timestamp")

    def ask(self, verb: str, *bounds: str, limit: int = 10, room: str = ROOM) -> None:
        log = self.logs["ana"]
        log.questions.append(Asked(verb, room, bounds, limit, len(log.lines)))

    def search(self, words: str) -> None:
        log = self.logs["ana"]
        log.questions.append(Asked("SEARCH", ROOM, (), 10, len(log.lines), words))

    def row(self, text: str) -> str:
        nick = next(nick for nick, log in self.logs.items() if any(said.text == text for said in log.said))
        return f"@batch=history;{self.marks[text]} :{self.logs[nick].prefix} PRIVMSG {ROOM} :{text}"

    def answer(self, *lines: str, begun: str = BEGUN) -> None:
        """Texts are rows."""
        self.tell(["ana"], begun, "")
        for line in lines:
            self.tell(["ana"], self.row(line) if line in self.marks else line, "")
        self.tell(["ana"], ENDED, "")


@pytest.fixture
def story() -> TaggedStory:
    story = TaggedStory()
    for text, nick in zip(FIRST, ("ana", "beto", "cora", "dani", "beto"), strict=True):
        story.say(nick, text)
    return story


# Tags


@pytest.fixture
def tagged(story: TaggedStory) -> TaggedStory:
    story.say("ana", "6 with tags", tags=r"+example.org/n=6\:ñ")
    story.say("dani", "", tags="+example.org/n=7")
    story.say("ana", "", to="dani", tags="+example.org/n=8")
    story.say("dani", "", to="beto", tags="+example.org/n=9")
    story.say("ana", "10 the last", tags="+example.org/n=10")
    return story


def test_tags_reach_who_knows_tags_and_nobody_else(tagged: TaggedStory) -> None:
    checker = Checker(list(tagged.logs.values()))

    assert checker.check() == []
    assert [event.text for event in checker.orders[ROOM] if event.kind == "tagged"] == ["+example.org/n=7"]


@pytest.mark.parametrize(
    ("nick", "text", "found"),
    [("ana", "n=7", "lost"), ("dani", "n=7", "echo"), ("dani", "n=8", "lost"), ("ana", "n=8", "echo")],
)
def test_tags_that_did_not_come(tagged: TaggedStory, nick: str, text: str, found: str) -> None:
    tagged.drop(nick, text)

    assert tagged.check() == [(found, nick)]


def test_tags_that_nobody_got(tagged: TaggedStory) -> None:
    for nick in ("ana", "dani"):
        tagged.drop(nick, "n=7")

    assert tagged.check() == [("lost", f"everybody in {ROOM}")]


def test_tags_that_came_twice(tagged: TaggedStory) -> None:
    tagged.double("ana", "n=7")

    assert tagged.check() == [("doubled", "ana")]


def test_tags_that_came_in_another_order_than_the_messages() -> None:
    story = TaggedStory()
    story.logs["beto"].tagged = True
    story.say("ana", "6 a text")
    story.say("ana", "", tags="+example.org/n=7")
    story.swap("dani", "6 a text")

    assert story.check() == [("reordered", "dani")]


def test_a_senders_tags_that_changed_places_with_the_messages_for_all(story: TaggedStory) -> None:
    story.say("ana", "", tags="+example.org/n=6")
    story.say("ana", "7 a text")
    for nick in ("ana", "dani"):
        story.swap(nick, "n=6")

    assert story.check() == [("reordered", ROOM)]


@pytest.mark.parametrize(
    "line",
    [
        "@+example.org/n=7 :dani!~u@127.0.0.1 TAGMSG #room",
        "@time=2026-01-02T03:04:07.000Z;msgid=b-7;+example.org/n=7 :dani!~u@127.0.0.1 TAGMSG #room",
    ],
)
def test_tags_without_a_text_to_who_knows_none(tagged: TaggedStory, line: str) -> None:
    tagged.tell(["beto"], line, "")

    assert tagged.check() == [("strayed", "beto")]


@pytest.mark.parametrize("tags", ["msgid=b-6", "+example.org/n=6", "batch=history"])
def test_tags_before_a_text_to_who_knows_none(tagged: TaggedStory, tags: str) -> None:
    line = f"@{tags} :ana!~u@127.0.0.1 PRIVMSG #room :6 with tags\r\n"
    tagged.change("beto", "6 with", into=line.encode())

    assert ("strayed", "beto") in tagged.check()


def test_tags_to_a_stranger(tagged: TaggedStory) -> None:
    gala = tagged.logs["gala"] = Log("gala", tagged=True)
    gala.lines.append(tagged.logs["ana"].lines[tagged.place("ana", "n=8")])

    assert tagged.check() == [("strayed", "gala")]


@pytest.mark.parametrize(
    ("wrong", "found"),
    [
        ("time=2026-01-02T03:04:06.000Z;msgid=b-6", "tags"),  # those of the sender are lacking
        ("time=2026-01-02T03:04:06.000Z;msgid=b-6;+example.org/n=7", "tags"),
        ("time=2026-01-02T03:04:06.000Z;msgid=b-66;+example.org/n=6\\:ñ", "tags"),
        ("time=2026-01-02T03:04:05.999Z;msgid=b-6;+example.org/n=6\\:ñ", "tags"),
        ("time=2026-01-02T03:04:06.000Z;msgid=b-5;+example.org/n=6\\:ñ", "tags"),  # another message's
        ("msgid=b-6;+example.org/n=6\\:ñ", "tags"),
        ("time=2026-01-02T03:04:06.000Z;;msgid=b-6;+example.org/n=6\\:ñ", "torn"),
        ("time=2026-01-02T03:04:06.000Z;", "torn"),
        ("", "torn"),
    ],
)
def test_other_tags_than_everybody_else_got(tagged: TaggedStory, wrong: str, found: str) -> None:
    line = f"@{wrong} :ana!~u@127.0.0.1 PRIVMSG #room :6 with tags\r\n"
    tagged.change("dani", "6 with", into=line.encode())

    assert (found, "dani") in tagged.check()


# Answers about the past

GOOD = [
    ("LATEST", (), 10, FIRST),
    ("LATEST", (), 2, FIRST[3:]),
    ("LATEST", (1,), 10, FIRST[2:]),
    ("LATEST", (1,), 1, FIRST[4:]),
    ("LATEST", (4,), 10, ()),
    ("BEFORE", (3,), 10, FIRST[:3]),
    ("BEFORE", (3,), 2, FIRST[1:3]),
    ("BEFORE", (0,), 2, ()),
    ("AFTER", (1,), 10, FIRST[2:]),
    ("AFTER", (1,), 2, FIRST[2:4]),
    ("AFTER", (4,), 10, ()),
    ("AROUND", (2,), 3, FIRST[1:4]),
    ("AROUND", (0,), 3, FIRST[:2]),
    ("AROUND", (2,), 1, FIRST[2:3]),
    ("BETWEEN", (0, 4), 10, FIRST[1:4]),
    ("BETWEEN", (0, 4), 2, FIRST[1:3]),
    ("BETWEEN", (4, 0), 2, FIRST[2:4]),
    ("BETWEEN", (2, 2), 2, ()),
]


@pytest.mark.parametrize("by_id", [True, False])
@pytest.mark.parametrize(("verb", "bounds", "limit", "rows"), GOOD)
def test_a_good_answer(
    story: TaggedStory, verb: str, bounds: tuple[int, ...], limit: int, rows: tuple[str, ...], by_id: bool
) -> None:
    story.ask(verb, *[story.bound(FIRST[bound], by_id) for bound in bounds], limit=limit)
    story.answer(*rows)
    checker = Checker(list(story.logs.values()))

    assert checker.check() == []
    assert checker.asked == {"answered": 1}


@pytest.mark.parametrize("spoil", ["lose", "begin late", "end early", "double", "swap", "make up"])
@pytest.mark.parametrize(("verb", "bounds", "limit", "rows"), [row for row in GOOD if len(row[3]) >= 3])
def test_a_spoiled_answer(
    story: TaggedStory, verb: str, bounds: tuple[int, ...], limit: int, rows: tuple[str, ...], spoil: str
) -> None:
    first, second, *others = rows
    spoiled = {
        "lose": [first, *others],
        "begin late": [second, *others],
        "end early": [first, second, *others[:-1]],
        "double": [first, second, second, *others],
        "swap": [second, first, *others],
        "make up": [first, second, *others, f"@batch=history;time=2026-01-02T03:04:59.000Z;msgid=b-99 {LIE}"],
    }
    story.ask(verb, *[story.bound(FIRST[bound], True) for bound in bounds], limit=limit)
    story.answer(*spoiled[spoil])
    found = {kind for kind, nick in story.check() if nick == "ana"}

    if verb == "AROUND" and spoil in ("begin late", "end early"):
        assert found == set(), "how many there are on either side is the server's to choose"
    else:
        assert found == ({"torn"} if spoil == "make up" else {"answers"})


LIE = ":beto!~u@127.0.0.1 PRIVMSG #room :nobody said this"


def test_what_is_around_a_message_is_not_all_there_is(story: TaggedStory) -> None:
    story.ask("AROUND", story.bound(FIRST[4], True), limit=3)
    story.answer(*FIRST[:3])

    assert set(story.check()) == {("answers", "ana")}


@pytest.mark.parametrize("limit", [1, 2])
def test_more_rows_than_were_asked_for(story: TaggedStory, limit: int) -> None:
    story.ask("AROUND", story.bound(FIRST[2], True), limit=limit)
    story.answer(*FIRST[1:4])

    assert story.check() == [("answers", "ana")]


def test_what_was_said_while_it_was_asked_may_be_in_the_answer_or_not(story: TaggedStory) -> None:
    story.ask("LATEST", limit=2)
    story.say("dani", "6 meanwhile")
    story.answer(*FIRST[3:])
    story.ask("LATEST", limit=2)
    story.say("dani", "7 meanwhile")
    story.answer("6 meanwhile", "7 meanwhile")

    assert story.check() == []


def test_what_had_been_read_before_it_was_asked_must_be_in_the_answer(story: TaggedStory) -> None:
    story.say("dani", "6 before")
    story.ask("LATEST", limit=2)
    story.answer(*FIRST[3:])

    assert set(story.check()) == {("answers", "ana")}


def test_what_was_read_after_the_answer_cannot_be_in_it(story: TaggedStory) -> None:
    story.ask("LATEST", limit=1)
    at = len(story.logs["ana"].lines)
    story.say("dani", "6 behind")
    story.answer("6 behind")
    story.logs["ana"].lines.append(story.logs["ana"].lines.pop(at))

    assert set(story.check()) == {("answers", "ana")}


def test_a_live_line_may_stand_between_the_rows(story: TaggedStory) -> None:
    story.ask("BEFORE", story.bound(FIRST[1], True))
    story.answer(FIRST[0])
    story.say("dani", "6 meanwhile")
    story.swap("ana", ENDED)

    assert story.check() == []


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        ([FIRST[0], GAP, *FIRST[3:]], set()),
        ([GAP, *FIRST[3:]], set()),
        ([FIRST[0], GAP, FIRST[4]], set()),
        ([FIRST[0], GAP, FIRST[2], FIRST[4]], {("answers", "ana")}),  # the fourth is missing, and not in the gap
        ([GAP, FIRST[2], FIRST[4]], {("answers", "ana")}),
    ],
)
def test_what_is_told_to_be_missing_may_be_missing(
    story: TaggedStory, rows: list[str], found: set[tuple[str, str]]
) -> None:
    story.ask("LATEST")
    story.answer(*rows)

    assert set(story.check()) == found


@pytest.mark.parametrize(
    ("old", "new"),
    [("msgid=b-2", "msgid=b-1"), (";msgid=b-2", ""), ("04:02.000Z", "04:02.001Z"), ("b-2 ", "b-2;+a=1 ")],
)
def test_a_row_with_other_tags_than_it_was_told_live(story: TaggedStory, old: str, new: str) -> None:
    story.ask("LATEST")
    story.answer(FIRST[0], story.row(FIRST[1]).replace(old, new), *FIRST[2:])

    assert story.check() == [("answers", "ana")]


@pytest.mark.parametrize("line", ["4 a secret", f"@batch=history;msgid=b-1 :ana!~u@127.0.0.1 TAGMSG {ROOM}"])
def test_a_row_that_no_history_keeps(story: TaggedStory, line: str) -> None:
    story.say("ana", "6 a secret", to="dani")
    secret = f"@batch=history;{story.marks['6 a secret']} :ana!~u@127.0.0.1 PRIVMSG dani :6 a secret"
    story.ask("LATEST")
    story.answer(*FIRST, secret if line == "4 a secret" else line)

    assert {nick for _, nick in story.check()} == {"ana"}


# As many answers as questions

FAIL = f":mpchat.local FAIL CHATHISTORY MESSAGE_ERROR LATEST {ROOM} :Messages could not be retrieved"


def test_that_the_past_is_out_of_reach_is_an_answer(story: TaggedStory) -> None:
    story.ask("LATEST")
    story.tell(["ana"], FAIL, "")
    story.ask("TARGETS", *EVER, room="")
    story.tell(["ana"], FAIL.replace(f"LATEST {ROOM}", "TARGETS"), "")
    checker = Checker(list(story.logs.values()))

    assert checker.check() == []
    assert checker.asked == {"failed": 2}


def test_a_refusal_is_none(story: TaggedStory) -> None:
    """Who asks has read that id, and is in that room."""
    story.ask("LATEST", story.bound(FIRST[0], True))
    story.tell(["ana"], f":mpchat.local FAIL CHATHISTORY MESSAGE_ERROR LATEST {ROOM} msgid=b-1 :There is no such", "")

    assert story.check() == [("torn", "ana"), ("answers", "ana")]


def spoil_answer(what: Callable[[list[bytes]], None], story: TaggedStory) -> list[tuple[str, str]]:
    story.ask("LATEST", limit=1)
    story.answer(FIRST[4])
    what(story.logs["ana"].lines)
    return story.check()


def test_no_answer(story: TaggedStory) -> None:
    def spoil(lines: list[bytes]) -> None:
        del lines[-3:]

    assert spoil_answer(spoil, story) == [("answers", "ana")]


def test_no_answer_to_who_lost_the_connection(story: TaggedStory) -> None:
    story.ask("LATEST")
    story.logs["ana"].whole = False

    assert story.check() == []


@pytest.mark.parametrize("lines", [3, 2, 1])
def test_an_answer_too_many_or_a_part_of_one(story: TaggedStory, lines: int) -> None:
    found = spoil_answer(lambda read: read.extend(read[-lines:]), story)

    assert found
    assert set(found) == {("answers", "ana")}


def test_an_answer_and_a_failure(story: TaggedStory) -> None:
    assert spoil_answer(lambda read: read.append(f"{FAIL}\r\n".encode()), story) == [("answers", "ana")]


@pytest.mark.parametrize("line", [-3, -1])
def test_an_answer_that_is_not_whole(story: TaggedStory, line: int) -> None:
    found = spoil_answer(lambda read: read.__delitem__(line), story)

    assert set(found) == {("answers", "ana")}


def test_an_answer_about_another_room(story: TaggedStory) -> None:
    story.ask("LATEST", room="#other")
    story.answer(*FIRST)

    assert ("answers", "ana") in story.check()


def test_answers_in_another_order_than_the_questions(story: TaggedStory) -> None:
    story.ask("LATEST", limit=1)
    story.ask("BEFORE", story.bound(FIRST[1], True), limit=1)
    story.answer(FIRST[0])
    story.answer(FIRST[4])

    assert set(story.check()) == {("answers", "ana")}


# Targets


@pytest.mark.parametrize(
    ("rows", "is_good"),
    [
        ([f"{ROOM} 2026-01-02T03:04:05.000Z"], True),
        ([], False),
        ([f"{ROOM} 2026-01-02T03:04:05.000Z"] * 2, False),
        ([f"{ROOM} 2026-01-02T03:04:04.000Z"], False),
        ([f"{ROOM} 2026-01-02T03:04:05.001Z"], False),
        ([f"{ROOM} 2026-01-02T03:04:05.000Z", "#other 2026-01-02T03:04:05.000Z"], False),
    ],
)
def test_in_which_rooms_was_something_said(story: TaggedStory, rows: list[str], is_good: bool) -> None:
    story.ask("TARGETS", *EVER, room="")
    lines = [f"@batch=history :mpchat.local CHATHISTORY TARGETS {row}" for row in rows]
    story.answer(*lines, begun=":mpchat.local BATCH +history draft/chathistory-targets")

    assert {nick for _, nick in story.check()} == (set() if is_good else {"ana"})


# Search

FOUND = ":mpchat.local BATCH +history soju.im/search"


@pytest.mark.parametrize(
    ("rows", "is_good"),
    [(FIRST[1:2], True), ((), False), (FIRST[1:2] * 2, False), (FIRST[1:3], False), (FIRST[2:3], False)],
)
def test_what_has_a_word(story: TaggedStory, rows: tuple[str, ...], is_good: bool) -> None:
    story.search("2")
    story.answer(*rows, begun=FOUND)

    assert {kind for kind, _ in story.check()} == (set() if is_good else {"answers"})


def test_that_nothing_can_be_searched_is_an_answer(story: TaggedStory) -> None:
    story.search("2")
    failure = ":mpchat.local FAIL SEARCH INTERNAL_ERROR :the history does not answer, try again later"
    story.tell(["ana"], failure, "")
    assert story.check() == []

    story.tell(["ana"], failure, "")
    assert story.check() == [("answers", "ana")]


def test_an_answer_to_another_kind_of_question(story: TaggedStory) -> None:
    story.search("2")
    story.answer(FIRST[1])

    assert story.check() == [("answers", "ana")]
