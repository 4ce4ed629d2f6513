"""What is kept of what was said, on a real server with its recorder: whose it is to read, and at which hour it was."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.running import Server, command, running
from tests.system.servers import kill, replaced, until, unusual

CAPS = "message-tags batch draft/chathistory"


def nobody_dies(_: Server) -> None:
    """All goes well."""


def broker_and_recorder_die(server: Server) -> None:
    replaced(server, kill(server, "broker", "recorder"), "broker", "recorder")


@pytest.mark.parametrize("meanwhile", [nobody_dies, broker_and_recorder_die])
def test_the_past_of_a_room_is_not_for_the_next_room_of_its_name(
    tmp_path: Path, meanwhile: Callable[[Server], None]
) -> None:
    with running("--unlimited", "--workers", "1", data=tmp_path) as server:
        ana, mala = server.irc("ana", caps=CAPS), server.irc("mala", caps=f"{CAPS} echo-message")
        ana.join("#examen")
        ana.ask("MODE #examen +sk llave", "PRIVMSG #examen :las respuestas")
        assert any(line.endswith(" :las respuestas") for line in ana.ask("CHATHISTORY LATEST #examen * 9"))
        ana.ask("PART #examen")
        meanwhile(server)
        mala.join("#Examen")
        (mine,) = mala.ask("PRIVMSG #examen :aquí no hay nadie")
        born = mine.split("msgid=")[1].split("-")[0]
        for question in ("LATEST #examen *", f"LATEST #examen msgid={born}-0", f"AFTER #examen msgid={born}-0"):
            lines = mala.ask(f"CHATHISTORY {question} 99")
            said = [line.rpartition(" :")[2] for line in lines if command(line) == "PRIVMSG"]
            assert said == ["aquí no hay nadie"], question
        peor = server.plain("peor")
        peor.ask("/join #examen")
        assert [line.split("] ")[1] for line in peor.ask("/history")] == ["<mala> aquí no hay nadie"]


def test_a_line_keeps_the_hour_at_which_it_was_said(tmp_path: Path) -> None:
    """Between two runs the server moves from one time zone to another, an hour and a half ahead."""

    with unusual("--workers", "1", "--data", str(tmp_path), environment={"TZ": "AAA1"}) as server:
        ana, beto = server.plain("ana"), server.plain("beto")
        ana.send("buenos días")
        (then,) = re.findall(r"\[(\d\d:\d\d)\] <ana>", beto.expect("buenos días"))
    with unusual("--workers", "1", "--data", str(tmp_path), environment={"TZ": "BBB-0:30"}) as server:
        ana = server.plain("ana")
        ana.send("buenas tardes")
        first, second = ana.ask("/history")
    assert re.fullmatch(rf"\[(.* )?{then}\] <ana> buenos días", first)
    (now,) = re.findall(r"\[(\d\d:\d\d)\] <ana> buenas tardes", second)
    passed = (int(now[:2]) - int(then[:2])) * 60 + int(now[3:]) - int(then[3:])
    assert 90 <= passed % (24 * 60) <= 92


@pytest.mark.parametrize("zone", ["UTC-99", "UTC-24", "UTC+24"])
def test_a_zone_that_is_a_day_away_is_none(tmp_path: Path, zone: str) -> None:
    """TZ may say so, and yet no clock shows it: the times are in UTC."""
    with unusual("--unlimited", "--data", str(tmp_path), environment={"TZ": zone}) as server, server.irc("ana") as ana:
        assert ana.ask("TIME")[0].endswith(" +0000")
        assert "+00:00 info supervisor" in server.log_text()


def test_a_newer_mpchats_history_is_left_alone(tmp_path: Path) -> None:
    """The log says so; people talk meanwhile."""
    data = tmp_path / "data"
    data.mkdir()
    with closing(sqlite3.connect(data / "history.db")) as database:
        database.execute("PRAGMA user_version = 9")
    before = (data / "history.db").read_bytes()
    with running("--unlimited", data=data) as server:
        ana = server.irc("ana", caps="echo-message")
        ana.join("#so")
        assert ana.ask("PRIVMSG #so :hola")[0].endswith(" PRIVMSG #so :hola")
        until(lambda: "a newer mpchat has made it" in server.log_text())
    assert (data / "history.db").read_bytes() == before
    assert [path.name for path in data.glob("history*")] == ["history.db"]
