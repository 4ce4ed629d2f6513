"""What was said before: /history more, /search and /last, against a tiny server."""

import asyncio
import functools
import re
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from mpchat.client.preferences import Preferences
from tests.client.tiny import CAPABILITIES, ROOM, Tiny, Visitor

SEARCHES = f"{CAPABILITIES} soju.im/search"


def told(story: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """A test that is a coroutine, within a bound."""

    @functools.wraps(story)
    def test(**fixtures: Any) -> None:
        asyncio.run(asyncio.wait_for(story(**fixtures), 40))

    return test


def since(ana: Visitor, line: str) -> list[str]:
    """What was shown behind that line."""
    return ana.lines[ana.lines.index(line) + 1 :]


# /history more


@told
async def test_the_history_is_read_backwards_until_its_beginning() -> None:
    async with Tiny() as tiny:
        for number in range(1, 31):
            tiny.say(f"line {number}")
        async with Visitor(tiny.port) as ana:
            await ana.ready()
            await ana.until("line 30")
            first = int(ana.heard()[0][1].removeprefix("line "))
            ana.conversation.type("/history more 5")
            await ana.until("before that")
            ana.conversation.type("/history more 90")
            await ana.until("line 1")
            ana.conversation.type("/history more")
            await ana.until("nothing older")
            older = since(ana, f"-- before that in {ROOM}:")
            numbers = [int(line.rpartition(" ")[2]) for line in older if line.startswith("<")]
            assert numbers == [*range(first - 5, first), *range(1, first - 5)]
            assert older[-1] == f"-- nothing older: the history of {ROOM} begins here"


@told
async def test_it_goes_on_from_the_last_answer_whatever_was_shown_before() -> None:
    async with Tiny() as tiny:
        for number in range(1, 41):
            tiny.say(f"line {number}")
        async with Visitor(tiny.port) as ana:
            await ana.ready()
            await ana.until("line 40")
            tiny.say("now")
            await ana.until("now")
            ana.conversation.type("/history 3")
            ana.conversation.type("/history more 2")
            ana.conversation.type("/history #r more 2")
            before = f"-- before that in {ROOM}:"
            assert await ana.conversation.until(lambda: ana.lines.count(before) == 2, 10), ana.lines
            await ana.settled()
            assert since(ana, f"-- the history of {ROOM}:") == [
                *["<beto> line 39", "<beto> line 40", "<beto> now"],
                *[before, "<beto> line 37", "<beto> line 38"],
                *[before, "<beto> line 35", "<beto> line 36"],
            ]
            ana.conversation.type("/history 100")
            ana.conversation.type("/history more")
            await ana.until("nothing older")
            ana.conversation.type("/history 1")
            ana.conversation.type("/history more 1")
            assert await ana.conversation.until(lambda: ana.lines.count("<beto> line 40") == 4, 10)
            assert ana.lines.count(f"-- nothing older: the history of {ROOM} begins here") == 1


@told
async def test_where_none_of_the_past_was_shown_more_is_what_was_said_before_we_came() -> None:
    async with Tiny() as tiny:
        for number in range(1, 6):
            tiny.say(f"line {number}")
        async with Visitor(tiny.port, preferences=Preferences(history=0)) as ana:
            await ana.ready()
            await ana.settled()
            ana.conversation.type("/history more 2")
            await ana.until("line 5")
            assert since(ana, f"-- the history of {ROOM}:") == ["<beto> line 4", "<beto> line 5"]
        async with Visitor(tiny.port, preferences=Preferences(history=0)) as ana:
            await ana.ready()
            await ana.settled()
            tiny.say("now")
            await ana.until("now")
            ana.conversation.type("/history more 2")
            await ana.until("line 5")
            assert since(ana, f"-- before that in {ROOM}:") == ["<beto> line 4", "<beto> line 5"]


@told
async def test_that_all_is_from_people_one_ignores_is_said_of_what_was_asked() -> None:
    async with Tiny() as tiny:
        for number in range(1, 6):
            tiny.say(f"line {number}", "beto" if number < 4 else "troll")
        async with Visitor(tiny.port, preferences=Preferences(ignore=["troll"])) as ana:
            await ana.ready()
            await ana.until("line 3")
            ana.conversation.type("/history 2")
            await ana.until(f"-- all of that in {ROOM} is from people whom you ignore")
            ana.conversation.type("/history more 1")
            await ana.until("before that")
            assert since(ana, f"-- before that in {ROOM}:") == ["<beto> line 3"]


@told
async def test_a_server_that_cannot_go_back_is_one_clear_line() -> None:
    async with Tiny() as tiny:
        tiny.knows_before = False
        tiny.say("hola")
        async with Visitor(tiny.port) as ana:
            await ana.until("hola")
            ana.conversation.type("/history more")
            await ana.until("! this server cannot go back in its history")
    async with Tiny(capabilities="") as old, Visitor(old.port) as ana:
        await ana.ready()
        ana.conversation.type("/history more")
        await ana.until("! this server has no history to read")


@told
async def test_where_nothing_was_shown_more_is_the_newest() -> None:
    async with Tiny() as tiny, Visitor(tiny.port) as ana:
        await ana.ready()
        ana.conversation.type("/history more")
        await ana.until(f"-- nothing has been said in {ROOM} yet")


# /search


@told
async def test_words_are_found_with_day_and_time_the_oldest_first() -> None:
    async with Tiny(capabilities=SEARCHES) as tiny, Visitor(tiny.port) as ana:
        await ana.ready()
        for text in ("exam on monday", "no", "the exam is on friday"):
            tiny.say(text)
        await ana.until("friday")
        ana.conversation.type("/search exam")
        await ana.until("-- 2 found")
        found = since(ana, f"-- 2 found in {ROOM} for exam:")
        assert [line.partition("<")[2] for line in found] == ["beto> exam on monday", "beto> the exam is on friday"]
        assert all(re.match(r"1-0\d \d\d:\d\d <", line) for line in found), "the rest of 2026-01-02 03:04, wherever"
        ana.conversation.type("/search nowhere")
        await ana.until(f"-- nothing found in {ROOM} for nowhere")


@told
async def test_what_is_only_signs_is_said_to_be_none_that_can_be_found() -> None:
    async with Tiny(capabilities=SEARCHES) as tiny, Visitor(tiny.port) as ana:
        await ana.ready()
        ana.conversation.type("/search 😀 ++")
        await ana.until(
            f"-- nothing found in {ROOM} for 😀 ++: emoji and signs are not looked for, letters and digits are"
        )
        ana.conversation.type("/search 😀 hola")
        await ana.until(f"-- nothing found in {ROOM} for 😀 hola")


@told
async def test_searches_wait_for_one_another_and_words_may_hold_anything() -> None:
    async with Tiny(capabilities=SEARCHES) as tiny, Visitor(tiny.port) as ana:
        await ana.ready()
        for words in ("one", "refuse", "two words", "#r here"):
            ana.conversation.type(f"/search {words}")
        await ana.until("for here")
        assert tiny.searched == ["one", "refuse", "two words", "here"]
        assert [line for line in ana.lines if "found" in line or line.startswith("!")] == [
            f"-- nothing found in {ROOM} for one",
            "! not now",
            f"-- nothing found in {ROOM} for two words",
            f"-- nothing found in {ROOM} for here",
        ]
        ana.conversation.type("/search a;b\\c")
        await ana.until("for a;b\\c")


@told
async def test_a_server_that_cannot_search_is_one_clear_line() -> None:
    async with Tiny() as tiny, Visitor(tiny.port) as ana:
        await ana.ready()
        ana.conversation.type("/search hola")
        await ana.until("! this server cannot search")
        assert tiny.searched == []


@told
async def test_a_search_that_was_lost_with_the_connection_is_told() -> None:
    async with Tiny(capabilities=SEARCHES) as tiny, Visitor(tiny.port) as ana:
        await ana.ready()
        ana.conversation.type("/search hola")
        tiny.cut()
        await ana.until(f"! not looked for, the connection was lost: hola in {ROOM}")
        await ana.until("back on tiny")
        await ana.ready()
        ana.conversation.type("/search adios")
        await ana.until(f"-- nothing found in {ROOM} for adios")


@pytest.mark.parametrize("words", ["x" * 500, "ñ " * 150])
def test_words_that_fit_no_line_are_not_looked_for(words: str) -> None:
    @told
    async def story() -> None:
        async with Tiny(capabilities=SEARCHES) as tiny, Visitor(tiny.port) as ana:
            await ana.ready()
            ana.conversation.type(f"/search {words}")
            await ana.until("! that is too long to be looked for")

    story()


# /last


@told
async def test_what_was_shown_is_shown_again_without_the_server() -> None:
    async with Tiny() as tiny, Visitor(tiny.port) as ana:
        await ana.ready()
        for number in range(30):
            tiny.say(f"line {number}")
        tiny.say("Mañana no")
        await ana.until("no")
        await tiny.close()
        await ana.until("connection lost")
        ana.conversation.type("/last 3")
        assert since(ana, f"-- shown last in {ROOM}:") == ["<beto> line 28", "<beto> line 29", "<beto> Mañana no"]
        ana.conversation.type("/last")
        assert ana.lines[-21:-19] == [f"-- shown last in {ROOM}:", "<beto> line 11"]
        ana.conversation.type("/last manana")
        assert since(ana, f"-- shown in {ROOM}, with manana:") == ["<beto> Mañana no"]
        ana.conversation.type("/last 1 LINE")
        assert ana.lines[-1] == "<beto> line 29"
        ana.conversation.type("/last nobody said that")
        assert ana.lines[-1] == f"-- nothing was shown in {ROOM} with nobody said that"


@told
async def test_a_private_talk_is_a_place_of_its_own() -> None:
    async with Tiny() as tiny, Visitor(tiny.port) as ana:
        await ana.ready()
        tiny.whisper("only you")
        await ana.until("only you")
        ana.conversation.type("/query carla")
        ana.conversation.type("/last")
        assert ana.lines[-1] == "-- nothing was shown in carla yet"
        ana.conversation.type("/query beto")
        ana.conversation.type("/last")
        assert ana.lines[-2:] == ["-- shown last in beto:", "<beto -> you> only you"]
