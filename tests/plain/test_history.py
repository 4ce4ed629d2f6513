"""/history over TCP, as somebody sees it who has nothing but nc (see tests/core/test_history.py)."""

import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from mpchat.settings import Settings
from tests.running import PlainClient, Server
from tests.system.servers import pids, unusual


def enter(server: Server, nick: str, room: str) -> PlainClient:
    """Somebody who has read everything about their arrival in a room."""
    client = server.plain(nick)
    client.ask(f"/join {room}")
    return client


def test_a_newcomer_reads_what_was_said(server: Server, nicks: Iterator[str], channel: str) -> None:
    ana, irc = next(nicks), server.irc(next(nicks))
    enter(server, ana, channel).ask("hola", "/me saluda")
    irc.join(channel)
    irc.ask(f"NOTICE {channel} :un \x02aviso\x02")

    lines = enter(server, next(nicks), channel).ask("/history")

    assert all(re.match(r"\[\d\d:\d\d\] ", line) for line in lines)
    assert [line[8:] for line in lines] == [f"<{ana}> hola", f"<*{ana}> saluda", f"-{irc.nick}- un aviso"]


def test_as_many_as_were_asked_for(server: Server, nicks: Iterator[str], channel: str) -> None:
    ana = enter(server, next(nicks), channel)
    ana.ask(*map(str, range(120)))
    for asked, first in (("", 100), (" 3", 117), (" 1000", 20)):
        lines = ana.ask(f"/history{asked}")
        assert [line.rpartition(" ")[2] for line in lines] == [str(number) for number in range(first, 120)]


def test_of_this_room_only(server: Server, nicks: Iterator[str], channel: str) -> None:
    ana = enter(server, next(nicks), channel)
    ana.ask("hola", f"/join {channel}2")
    assert ana.ask("/history") == [f"* the history has nothing of {channel}2"]


def test_help_explains_it(server: Server, nicks: Iterator[str]) -> None:
    ana = enter(server, next(nicks), "#lobby")
    assert any(line.startswith("* /history [N or WHEN] ") for line in ana.ask("/help"))
    usage = "! how to use it: /history [N], so many lines (100 at most), or /history 2026-11-30 14:30"
    assert ana.ask("/history many") == [usage]


def test_a_recorder_that_hangs_is_no_reason_to_hang(nicks: Iterator[str], channel: str, tmp_path: Path) -> None:
    settings = Settings(port=0, plain_port=0, unlimited=True, hang_limit=0, data=str(tmp_path), question_seconds=0.5)
    with unusual(settings=settings) as server:
        ana = enter(server, next(nicks), channel)
        ana.ask("hola")
        recorder = pids(server)["recorder"]
        os.kill(recorder, signal.SIGSTOP)
        try:
            assert ana.ask("/history") == ["! the history does not answer, try again later"]
        finally:
            os.kill(recorder, signal.SIGCONT)
        assert [line[8:] for line in ana.ask("/history")][-1].endswith("> hola")


def test_what_was_said_since_an_hour(server: Server, nicks: Iterator[str], channel: str) -> None:
    ana = enter(server, next(nicks), channel)
    ana.ask("hola")
    today = time.strftime("%Y-%m-%d")
    assert [line.rpartition(" ")[2] for line in ana.ask(f"/history {today}")] == ["hola"]
    assert ana.ask("/history 2999-01-01 10:00") == [f"* the history has nothing of {channel}"]
