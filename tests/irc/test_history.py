"""CHATHISTORY over TCP: what the recorder has kept, as IRC clients ask for it (see tests/core/test_history.py)."""

import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from mpchat.settings import Settings
from tests.irc.people import ME, by, member, together
from tests.running import Server, command, commands, running
from tests.system.servers import pids, unusual

CAPS = "batch draft/chathistory message-tags echo-message server-time"


def untimed(lines: list[str]) -> list[str]:
    """The lines without the times, which must be there."""
    assert all("time=" in line.split(" ")[0] for line in lines), lines
    return [re.sub(r"time=[^ ;]+;?", "", line).replace("@ ", "", 1) for line in lines]


def texts(lines: list[str]) -> list[str]:
    return [line.rpartition(" :")[2] for line in lines if command(line) in ("PRIVMSG", "NOTICE")]


def test_005_and_cap_say_what_can_be_asked(server: Server, nicks: Iterator[str]) -> None:
    greeting = " ".join(server.irc().register(next(nicks)))
    assert " CHATHISTORY=100 " in greeting
    assert " MSGREFTYPES=msgid,timestamp " in greeting
    assert " draft/chathistory " in server.irc().ask("CAP LS 302")[0]


def test_the_latest_come_in_a_batch_as_they_were_said(server: Server, nicks: Iterator[str], channel: str) -> None:
    ana, _ = together(server, nicks, channel, 2)
    ana.ask(f"PRIVMSG {channel} :hola", f"NOTICE {channel} :aviso", f"PRIVMSG {channel} :\x01ACTION saluda\x01")
    beto = member(server, next(nicks), channel, CAPS)
    start, *lines, end = untimed(beto.ask(f"CHATHISTORY LATEST {channel} * 10"))
    assert (start, end) == (f"{ME} BATCH +history chathistory {channel}", f"{ME} BATCH -history")
    tagless = [re.sub(r"^@batch=history;msgid=[^ ;]+ ", "", line) for line in lines]
    assert tagless == [
        f"{by(ana)} PRIVMSG {channel} :hola",
        f"{by(ana)} NOTICE {channel} :aviso",
        f"{by(ana)} PRIVMSG {channel} :\x01ACTION saluda\x01",
    ]


def test_what_was_read_is_what_was_kept(server: Server, nicks: Iterator[str], channel: str) -> None:
    ana = member(server, next(nicks), channel, CAPS)
    said = ana.ask(*[f"PRIVMSG {channel} :{number}" for number in range(5)])
    _, *kept, _ = ana.ask(f"CHATHISTORY LATEST {channel} * 5")
    assert [line.replace("batch=history;", "") for line in kept] == said, "times and ids too"


def test_page_by_page_behind_what_was_read_last(server: Server, nicks: Iterator[str], channel: str) -> None:
    ana = member(server, next(nicks), channel, CAPS)
    said = ana.ask(*[f"PRIVMSG {channel} :{number}" for number in range(250)])
    last = re.search(r"msgid=([^ ;]+)", said[9])
    read: list[str] = []
    while last is not None:
        page = ana.ask(f"CHATHISTORY AFTER {channel} msgid={last[1]} 100")
        read += texts(page)
        last = re.search(r"msgid=([^ ;]+)", page[-2])
    assert read == [str(number) for number in range(10, 250)]

    newest = re.search(r"msgid=([^ ;]+)", said[240])
    assert newest is not None
    latest = ana.ask(f"CHATHISTORY LATEST {channel} msgid={newest[1]} 5", f"CHATHISTORY LATEST {channel} * 999")
    assert texts(latest) == [str(number) for number in [*range(245, 250), *range(150, 250)]]


def test_by_time_around_and_between(server: Server, nicks: Iterator[str], channel: str) -> None:
    ana = member(server, next(nicks), channel, CAPS)
    said = []
    for number in range(9):
        said += ana.ask(f"PRIVMSG {channel} :{number}")
        time.sleep(0.002)  # a moment of its own for each
    found = [re.search(r"time=([^ ;]+);msgid=([^ ;]+)", line) for line in said]
    times, ids = zip(*[(f"timestamp={one[1]}", f"msgid={one[2]}") for one in found if one], strict=True)

    def asked(what: str) -> str:
        return "".join(texts(ana.ask(f"CHATHISTORY {what}")))

    for references in (times, ids):
        assert asked(f"BEFORE {channel} {references[4]} 2") == "23"
        assert asked(f"AFTER {channel} {references[4]} 2") == "56"
        assert asked(f"LATEST {channel} {references[4]} 2") == "78"
        assert asked(f"AROUND {channel} {references[4]} 5") == "23456"
        assert asked(f"AROUND {channel} {references[0]} 3") == "01"
        assert asked(f"BETWEEN {channel} {references[2]} {references[7]} 3") == "345"
        assert asked(f"BETWEEN {channel} {references[7]} {references[2]} 3") == "456"
        assert asked(f"BETWEEN {channel} {references[2]} {references[3]} 3") == ""
    assert asked(f"BETWEEN {channel} {times[2]} {ids[5]} 9") == "34"


def test_in_which_rooms_something_was_said_last(server: Server, nicks: Iterator[str], channel: str) -> None:
    ana = member(server, next(nicks), channel, CAPS)
    ana.join(f"{channel}2")
    ana.join(f"{channel}3")
    (first,) = ana.ask(f"PRIVMSG {channel}2 :antes")
    time.sleep(0.002)
    (second,) = ana.ask(f"PRIVMSG {channel} :luego")
    ever = "timestamp=1970-01-01T00:00:00.000Z timestamp=2999-01-01T00:00:00.000Z"
    start, *lines, end = untimed(ana.ask(f"CHATHISTORY TARGETS {ever} 10"))
    when = [line.partition("time=")[2].partition(";")[0] for line in (first, second)]
    assert (start, end) == (f"{ME} BATCH +history draft/chathistory-targets", f"{ME} BATCH -history")
    assert lines == [
        f"@batch=history; {ME} CHATHISTORY TARGETS {channel}2 {when[0]}",
        f"@batch=history; {ME} CHATHISTORY TARGETS {channel} {when[1]}",
    ]


def test_who_is_in_no_room_is_told_so(server: Server, nicks: Iterator[str]) -> None:
    """And nobody is asked: a question about no room is none."""
    ana = server.irc(next(nicks), caps="batch draft/chathistory")
    ever = "timestamp=1970-01-01T00:00:00.000Z timestamp=2999-01-01T00:00:00.000Z"
    start, end = ana.ask(f"CHATHISTORY TARGETS {ever} 10")
    assert (start, end) == (f"{ME} BATCH +history draft/chathistory-targets", f"{ME} BATCH -history")


def test_without_batch_and_tags_the_lines_stand_alone(server: Server, nicks: Iterator[str], channel: str) -> None:
    ana, _ = together(server, nicks, channel, 2)
    ana.ask(f"PRIVMSG {channel} :hola")
    beto = member(server, next(nicks), channel, "draft/chathistory")
    assert beto.ask(f"CHATHISTORY LATEST {channel} * 10") == [f"{by(ana)} PRIVMSG {channel} :hola"]


def test_only_members_read(server: Server, nicks: Iterator[str], channel: str) -> None:
    ana, _ = together(server, nicks, channel, 2)
    ana.ask(f"PRIVMSG {channel} :secreto")
    beto = server.irc(next(nicks), caps=CAPS)
    beto.sync()
    for target in (channel, ana.nick, "#nowhere"):
        answer = beto.ask(f"CHATHISTORY LATEST {target} * 10")
        assert untimed(answer) == [
            f"{ME} FAIL CHATHISTORY INVALID_TARGET LATEST {target} :Messages could not be retrieved"
        ]
    beto.join(channel)
    assert "secreto" in texts(beto.ask(f"CHATHISTORY LATEST {channel} * 10"))


def test_what_no_server_knows_is_refused(server: Server, nicks: Iterator[str], channel: str) -> None:
    ana = member(server, next(nicks), channel, CAPS)
    for verb in ("EARLIEST", "ALL"):
        answer = ana.ask(f"CHATHISTORY {verb} {channel} msgid=x 10")
        assert untimed(answer) == [f"{ME} FAIL CHATHISTORY INVALID_PARAMS {verb} :Unknown command"]


def test_private_messages_are_not_kept(server: Server, nicks: Iterator[str], channel: str) -> None:
    ana, beto = together(server, nicks, channel, 2)
    ana.ask(f"PRIVMSG {beto.nick} :entre nosotros", f"PRIVMSG {channel} :para todos", f"@+a TAGMSG {channel}")
    carla = member(server, next(nicks), channel, CAPS)
    assert texts(carla.ask(f"CHATHISTORY LATEST {channel} * 10")) == ["para todos"]


def test_the_past_outlives_the_server(nicks: Iterator[str], channel: str, tmp_path: Path) -> None:
    with running("--unlimited", data=tmp_path) as server:
        ana = member(server, next(nicks), channel, CAPS)
        before = ana.ask(f"PRIVMSG {channel} :uno", f"PRIVMSG {channel} :dos")
        server.process.terminate()  # while she is in: a room that the last member has left has no past any more
        ana.rest()
        ana.close()
    with running("--unlimited", data=tmp_path) as server:
        ana = member(server, next(nicks), channel, CAPS)
        ana.ask(f"PRIVMSG {channel} :tres")
        last = re.search(r"msgid=([^ ;]+)", before[0])
        assert last is not None
        assert texts(ana.ask(f"CHATHISTORY AFTER {channel} msgid={last[1]} 10")) == ["dos", "tres"]


def test_ids_of_a_server_that_has_forgotten_everything(
    server: Server, bare: Server, nicks: Iterator[str], channel: str
) -> None:
    """Nobody may take an empty answer for "nothing has been said". Here it is another server, which never knew."""
    said = member(server, next(nicks), channel, CAPS).ask(f"PRIVMSG {channel} :uno")[0]
    last = re.search(r"msgid=([^ ;]+)", said)
    assert last is not None
    ana = member(bare, next(nicks), channel, CAPS)
    ana.ask(f"PRIVMSG {channel} :uno", f"PRIVMSG {channel} :dos")
    (answer,) = untimed(ana.ask(f"CHATHISTORY AFTER {channel} msgid={last[1]} 10"))
    assert answer == (f"{ME} FAIL CHATHISTORY MESSAGE_ERROR AFTER {channel} msgid={last[1]} :There is no such message")


def test_a_question_to_a_recorder_that_dies_is_answered_by_the_next(
    nicks: Iterator[str], channel: str, tmp_path: Path
) -> None:
    with running("--unlimited", data=tmp_path) as server:
        ana = member(server, next(nicks), channel, CAPS)
        ana.ask(f"PRIVMSG {channel} :hola")
        for _ in range(5):
            recorder = pids(server)["recorder"]
            os.kill(recorder, signal.SIGSTOP)
            ana.send(f"CHATHISTORY LATEST {channel} * 10")
            os.kill(recorder, signal.SIGKILL)
            assert texts(ana.sync()) == ["hola"]


def test_a_recorder_that_hangs_keeps_nobody_else_waiting(nicks: Iterator[str], channel: str, tmp_path: Path) -> None:
    settings = Settings(port=0, plain_port=0, unlimited=True, hang_limit=0, data=str(tmp_path), question_seconds=0.5)
    with unusual(settings=settings) as server:
        ana, beto = member(server, next(nicks), channel, CAPS), member(server, next(nicks), channel, CAPS)
        ana.sync()
        recorder = pids(server)["recorder"]
        os.kill(recorder, signal.SIGSTOP)
        try:
            ana.send(f"CHATHISTORY LATEST {channel} * 10", "PING behind")
            assert commands(beto.ask(f"PRIVMSG {channel} :sigo aquí")) == ["PRIVMSG"]
            assert texts([ana.read()]) == ["sigo aquí"]
            (failure,) = untimed([ana.read()])
            assert failure == (f"{ME} FAIL CHATHISTORY MESSAGE_ERROR LATEST {channel} :Messages could not be retrieved")
            ana.expect("PONG mpchat.local :behind")
        finally:
            os.kill(recorder, signal.SIGCONT)
        assert texts(ana.ask(f"CHATHISTORY LATEST {channel} * 10")) == ["sigo aquí"]
