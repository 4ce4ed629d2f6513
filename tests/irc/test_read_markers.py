"""MARKREAD over TCP, with accounts, through a broker's death and a restart (see tests/core/test_read_markers.py)."""

from __future__ import annotations

from pathlib import Path

from tests.irc.people import ME
from tests.running import IrcClient, Server, running
from tests.system.servers import kill, replaced

CAP = "draft/read-marker"
PASSWORD = "correct-horse-battery"
FIRST, SECOND = "timestamp=2023-11-14T20:00:00.000Z", "timestamp=2023-11-14T21:00:00.500Z"
ARGS = ("--unlimited", "--workers", "2")


def logged_in(server: Server, nick: str) -> IrcClient:
    client = server.irc(nick, caps=CAP)
    client.send(f"NICKSERV IDENTIFY ana {PASSWORD}")
    client.until("900")
    client.sync()
    return client


def test_what_was_read_is_told_to_all_clients_of_an_account_and_kept(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running(*ARGS, data=data) as server:
        ana = server.irc("ana", caps=CAP)
        ana.send(f"REGISTER * * {PASSWORD}")
        ana.until("900")
        phone = logged_in(server, "phone")
        assert f"{ME} MARKREAD #a *" in ana.join("#a")
        ana.sync()
        assert ana.ask(f"MARKREAD #a {FIRST}") == [f"{ME} MARKREAD #a {FIRST}"]
        assert phone.expect("MARKREAD") == f"{ME} MARKREAD #a {FIRST}"
        replaced(server, kill(server, "broker"), "broker")
        assert phone.ask(f"MARKREAD beto {SECOND}") == [f"{ME} MARKREAD beto {SECOND}"]
        assert ana.expect("MARKREAD") == f"{ME} MARKREAD beto {SECOND}"
    with running(*ARGS, data=data) as server:
        tablet = logged_in(server, "tablet")
        assert f"{ME} MARKREAD #a {FIRST}" in tablet.join("#a")
        tablet.sync()
        assert tablet.ask("MARKREAD beto") == [f"{ME} MARKREAD beto {SECOND}"]
