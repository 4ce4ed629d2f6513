"""A line at which the broker dies, and each broker that replays it: it is left out, and all others are served."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.running import IrcClient, Server, command, running
from tests.system.servers import needs_linux, ready, until, unusual

pytestmark = needs_linux

POISON = "arsenic"
FAREWELL = "ERROR :Closing link: 127.0.0.1 (The server failed at something you sent, and has left it out. Sorry)"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def server(data: Path) -> Iterator[Server]:
    with poisonable(data) as it:
        yield it


def poisonable(data: Path) -> AbstractContextManager[Server]:
    return unusual("--unlimited", "--workers", "2", "--data", str(data), environment={"MPCHAT_POISON": POISON})


def deaths(server: Server) -> int:
    return server.log_text().count("process died")


def joined(server: Server, nick: str) -> IrcClient:
    client = server.irc(nick)
    client.join("#lobby")
    return client


def test_the_third_broker_leaves_it_out(server: Server, data: Path) -> None:
    ana, eva = joined(server, "ana"), joined(server, "eva")
    ana.sync()
    eva.send("PRIVMSG #lobby :before", f"PRIVMSG #lobby :{POISON}", "PRIVMSG #lobby :after")
    assert eva.rest() == [FAREWELL]
    lines = ana.until("QUIT")
    assert [line.partition(" ")[2] for line in lines] == [
        "PRIVMSG #lobby :before",
        "PRIVMSG #lobby :after",
        "QUIT :Server error",
    ]
    until(lambda: ready(server))
    assert deaths(server) == 3
    told = "error broker .* a record kills each broker that replays it: it is left out kind='line' connection="
    assert len(re.findall(told, server.log_text())) == 1
    assert ana.ask("PRIVMSG ana :still here")[0].endswith(" PRIVMSG ana :still here")
    eva.close()
    with joined(server, "eva") as eva:  # she may come back
        eva.send("PRIVMSG #lobby :hola")
        assert command(ana.until("PRIVMSG")[-1]) == "PRIVMSG"
    ana.close()
    assert server.stop() == 0
    with poisonable(data) as again:  # it is still in the journal
        joined(again, "eva").close()
        assert deaths(again) == 0


def test_one_that_the_last_run_had_no_time_to_leave_out(data: Path) -> None:
    """It was stopped before. (Of other code's runs nothing is left out: test_changed_code.py.)"""
    with running("--unlimited", data=data) as former:
        ana = joined(former, "ana")
        ana.ask("JOIN #k", "MODE #k +k sek", f"PRIVMSG #k :{POISON}", "TOPIC #k :lunes")
        former.process.terminate()
        ana.rest()
        ana.close()
    with poisonable(data) as server:
        assert deaths(server) == 2, "in replays: it was never new here"
        assert server.log_text().count("it is left out") == 1
        eva = server.irc("eva")
        assert command(eva.ask("JOIN #k")[0]) == "475"
        assert any(line.endswith(" 332 eva #k :lunes") for line in eva.join("#k", "sek"))
        eva.close()


def test_two_of_them_at_once(server: Server) -> None:
    """Each costs some deaths, and is left out for good before the next one is found."""
    ana, eva, fede = joined(server, "ana"), joined(server, "eva"), joined(server, "fede")
    eva.send(f"PRIVMSG #lobby :{POISON}", f"PRIVMSG #lobby :{POISON}")
    fede.send(f"PRIVMSG #lobby :{POISON}")
    for client in (eva, fede):
        assert client.rest()[-1] == FAREWELL
    quits = [ana.until("QUIT")[-1].partition("!")[0] for _ in range(2)]
    assert sorted(quits) == [":eva", ":fede"]
    assert ana.sync() == []
    assert deaths(server) <= 9
    for client in (ana, eva, fede):
        client.close()
