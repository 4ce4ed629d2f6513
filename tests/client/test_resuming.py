"""A lost connection loses no line, says none twice, and shows what was said meanwhile: against a server that cuts."""

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from mpchat.client.outbox import WAITING
from mpchat.client.resuming import HELD_LINES
from tests.client.tiny import ROOM, Tiny, Visitor

MISSING = f"! {ROOM}: some messages are missing here"


def told(story: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """A test that is a coroutine, within a bound."""

    @functools.wraps(story)
    def test(**fixtures: Any) -> None:
        asyncio.run(asyncio.wait_for(story(**fixtures), 40))

    return test


async def _talk_through(cuts: list[int]) -> None:
    """Three lines, whatever happens; then nobody has heard anything else, or anything twice."""
    async with Tiny(cuts) as tiny, Visitor(tiny.port) as ana:
        for line in ("one", "two", "three"):
            await ana.ready()
            ana.conversation.type(line)
        await ana.settled()
        tiny.say("the end")
        await ana.until("the end")
        assert [text for nick, text in tiny.said if nick == "ana"] == ["one", "two", "three"], cuts
        assert ana.heard() == tiny.said, (cuts, ana.lines)
        assert MISSING not in ana.lines
        assert tiny.visits > 1
        assert await ana.leaves() == 0


# The introduction is 186 bytes long; three lines and all their answers end behind byte 907. A visitor who was cut off
# waits for half a second before it comes back: all at once, they wait for it together.
@told
async def test_cut_anywhere_once_and_again() -> None:
    cuts = [[at] for at in range(190, 910, 3)] + [[at, at + 40] for at in range(190, 910, 9)]
    await asyncio.gather(*map(_talk_through, cuts))


@told
async def test_what_was_typed_while_away_is_said_in_order_and_told_once() -> None:
    async with Tiny() as tiny, Visitor(tiny.port) as ana:
        await ana.ready()
        await tiny.close()
        await ana.until("connection lost (the server closed it), trying again...")
        ana.conversation.paste(["one", "two"], ROOM)
        await ana.until("Connection refused")
        tiny.say("hola?")
        await tiny.open()
        await ana.settled()
        assert [text for nick, text in tiny.said if nick == "ana"] == ["one", "two"]
        assert ana.heard() == tiny.said
        assert sum("connection lost" in line for line in ana.lines) == 1
        assert sum("back on tiny as ana" in line for line in ana.lines) == 1


@told
async def test_a_long_absence_comes_in_pages() -> None:
    async with Tiny(page=7) as tiny, Visitor(tiny.port) as ana:
        tiny.say("before")
        await ana.ready()
        await ana.until("before")
        await tiny.close()
        for number in range(30):
            tiny.say(f"line {number}")
        await tiny.open()
        await ana.until("line 29")
        assert ana.heard() == tiny.said
        assert ana.lines.count(f"--- while you were away: {ROOM} ---") == 1
        assert MISSING not in ana.lines


@told
async def test_more_than_one_page_of_a_room_nobody_had_spoken_in_has_a_gap() -> None:
    async with Tiny(page=7) as tiny, Visitor(tiny.port) as ana:
        await ana.ready()
        await ana.settled()
        await tiny.close()
        for number in range(8):
            tiny.say(f"line {number}")
        await tiny.open()
        await ana.until("line 7")
        assert ana.lines.index(MISSING) < ana.lines.index("<beto> line 1")
        assert ana.heard() == tiny.said[1:]


@pytest.mark.parametrize("is_soon", [False, True])
def test_in_a_room_that_was_left_and_entered_again_nothing_is_missing(is_soon: bool) -> None:
    """All that the history gives was shown before, and nothing was said since. `is_soon`: it did not even give it."""
    asyncio.run(asyncio.wait_for(_leave_and_enter(is_soon), 40))


async def _leave_and_enter(is_soon: bool) -> None:
    async with Tiny(page=7) as tiny, Visitor(tiny.port) as ana:
        for number in range(20):
            tiny.say(f"line {number}")
        await ana.ready()
        await ana.until("line 19")
        if is_soon:
            tiny.has_time.clear()
        for line in ("/part", f"/join {ROOM}"):
            ana.conversation.type(line)
            await ana.settled()
        if not is_soon:
            ana.conversation.type("/history 1")
            await ana.until("the history of")
        tiny.cut()
        tiny.has_time.set()
        await ana.until("back on tiny")
        await ana.ready()
        tiny.say("the end")
        await ana.until("the end")
        assert MISSING not in ana.lines
        assert [text for _, text in ana.heard()][-2:] == ["line 19", "the end"]


@told
async def test_a_history_that_does_not_answer_is_said_and_the_chat_goes_on() -> None:
    async with Tiny() as tiny, Visitor(tiny.port) as ana:
        await ana.ready()
        tiny.refuses_history = True
        tiny.cut()
        await ana.until("connection lost")
        ana.conversation.type("hola")
        await ana.settled()
        assert MISSING in ana.lines
        assert ana.heard() == tiny.said


@told
async def test_a_server_of_the_old_kind_is_not_told_twice_and_what_may_be_lost_is_said() -> None:
    async with Tiny(capabilities="") as tiny, Visitor(tiny.port) as ana:
        await ana.ready()
        ana.conversation.type("one")
        tiny.cut()
        await ana.until("connection lost")
        ana.conversation.type("two")
        await ana.settled()
        assert MISSING in ana.lines
        assert [text for nick, text in tiny.said if nick == "ana"].count("one") <= 1
        assert ("ana", "two") in tiny.said


@told
async def test_a_nick_that_the_lost_connection_still_holds_is_taken_back_later() -> None:
    async with Tiny() as tiny, Visitor(tiny.port) as ana:
        await ana.ready()
        tiny.taken = ["ana"]
        tiny.cut()
        await ana.until("ana is still taken, perhaps by your lost connection: you are ana_")
        assert ana.session.heard(":ana!u@h QUIT :ping timeout", 0.0).send == ["NICK :ana"]
        assert ana.session.heard(":ana!u@h QUIT :ping timeout", 0.0).send == []


@told
async def test_leaving_does_not_wait_for_a_server_that_is_away() -> None:
    async with Tiny() as tiny, Visitor(tiny.port) as ana:
        await ana.ready()
        await tiny.close()
        await ana.until("Connection refused")
        ana.conversation.type("hola")
        ana.conversation.type("/quit")
        assert await ana.leaves() == 0
        assert "! not sent: hola" in ana.lines
        await tiny.open()


@told
async def test_words_for_later_have_a_bound() -> None:
    async with Tiny() as tiny, Visitor(tiny.port) as ana:
        await ana.ready()
        await tiny.close()
        await ana.until("connection lost")
        ana.conversation.paste([f"line {number}" for number in range(WAITING + 1)], ROOM)
        assert ana.lines[-1] == f"! too many lines wait for a connection; not kept: line {WAITING}"
        await tiny.open()
        await ana.settled()
        assert [text for nick, text in tiny.said if nick == "ana"] == [f"line {n}" for n in range(WAITING)]


@told
async def test_a_crowd_that_speaks_during_the_answer_is_heard_in_order() -> None:
    async with Tiny(page=50) as tiny, Visitor(tiny.port) as ana:
        tiny.say("before")
        await ana.ready()
        await ana.settled()
        tiny.has_time.clear()
        tiny.cut()
        assert "LATEST" in await tiny.asked.get()
        assert "AFTER" in await tiny.asked.get()
        for number in range(HELD_LINES * 2):
            tiny.say(f"line {number}")
        tiny.has_time.set()
        await ana.until(f"line {HELD_LINES * 2 - 1}")
        assert ana.heard() == tiny.said


@told
async def test_who_enters_reads_the_last_lines_and_history_shows_more() -> None:
    async with Tiny() as tiny:
        for number in range(30):
            tiny.say(f"ana: {number}")
        async with Visitor(tiny.port) as ana:
            await ana.ready()
            await ana.until("ana: 29")
            assert ana.lines.count(f"-- earlier in {ROOM}:") == 1
            assert ana.heard() == tiny.said[-20:]
            ana.conversation.type("/history 25")
            await ana.until("ana: 5")
            assert ana.heard() == tiny.said[-20:] + tiny.said[-25:]
            async with Visitor(tiny.port, greets=False) as program:
                await program.ready()
                await program.settled()
                tiny.say("now")
                await program.until("now")
                assert program.heard() == [("beto", "now")]
