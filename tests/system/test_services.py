"""What people tell NickServ and ChanServ by habit is kept nowhere: the one knows accounts, the other is not here."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.running import Server, command, commands, running
from tests.system.servers import kill, ready, replaced, until

SECRET = "mi-contrasena"

IRC = [
    ("PRIVMSG NickServ :identify {}", "NOTICE"),
    ("privmsg nickserv identify {}", "NOTICE"),
    ("PRIVMSG NickServ :identfy {}", "NOTICE"),
    ("PRIVMSG CHANSERV@services.example :identify {}", "401"),
    ("PRIVMSG N\u0456ckServ :identify {}", "401"),
    ("PRIVMSG :NickServ identify {}", "412"),
    ("@+x=y PRIVMSG history :{}", "NOTICE"),
    ("SQUERY NickServ :identify {}", "421"),
    ("NS identify {}", "NOTICE"),
    ("NICKSERV :identify {}", "NOTICE"),
    ("CS identify {}", "421"),
    ("/msg NickServ identify {}", "421"),
    ("IDENTIFY {}", "421"),
]


def written(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_what_is_told_to_a_service_is_kept_nowhere(tmp_path: Path) -> None:
    with running("--unlimited", "--workers", "2", "--log-level", "debug", data=tmp_path / "data") as server:
        ana, beto, carla = server.irc("ana"), server.irc("beto"), server.plain("carla")
        before = until(lambda: ready(server))
        for line, numeric in IRC:
            assert commands(ana.ask(line.format(SECRET))) == [numeric], line
        assert ana.ask(f"NOTICE NickServ :{SECRET}", f"NOTICE beto,nickserv :{SECRET}") == []
        answers = ana.ask(f"PRIVMSG beto,NickServ :{SECRET}")
        assert commands(answers) == ["407", "401"], "and beto, who would read a star, is not told"
        assert (
            carla.ask(f"/msg NickServ identify {SECRET}", f"/ns identify {SECRET}")[0]
            == "! here you have /register PASSWORD and /login [NICK] PASSWORD, and no NickServ"
        )
        ana.send_bytes(b"PRIVMSG ChanServ :identify ")  # in pieces, and the broker dies between them
        beto.sync()
        kill(server, "broker")
        replaced(server, before, "broker")
        assert commands(ana.ask(SECRET)) == ["401"]
        assert beto.sync() == []
        assert ana.ask("PRIVMSG beto :NickServ") == []
        assert beto.sync() == [":ana!~ana@127.0.0.1 PRIVMSG beto :NickServ"], "of them one may speak"
        assert SECRET.encode() not in written(tmp_path / "data")
        assert SECRET not in server.log_text()
    assert SECRET.encode() not in written(tmp_path / "data")


@pytest.mark.parametrize(
    "name", ["NickServ", "CHANSERV", "history", "n\u0131ckserv", "N1ckServ", "Hist0ry", "h\u00edstory", "Chan\u0161erv"]
)
def test_no_client_can_take_their_names(bare: Server, name: str) -> None:
    ana, carla = bare.irc(), bare.plain()
    assert command(ana.ask(f"NICK {name}", "USER x 0 * :x")[0]) == "432"
    carla.send(name)
    carla.expect(f"! {name} belongs to the server, try another nickname")
