"""A server is started on what one of an earlier program left (tests/data, where it says how that was made)."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from mpchat.settings import ChatSettings, Oper, Secrets, Settings
from tests.running import command
from tests.system.servers import unusual

DATA = Path(__file__).parent.parent / "data"
CAPS = "message-tags server-time batch draft/chathistory"


def texts(lines: list[str]) -> list[str]:
    """What was said, of the answer to CHATHISTORY."""
    return [line.rpartition(" :")[2] for line in lines if command(line) in ("PRIVMSG", "NOTICE")]


@pytest.mark.parametrize("end", ["stopped", "killed"])
@pytest.mark.parametrize("left", sorted(DATA.glob("state-*")), ids=lambda folder: folder.name)
def test_rooms_and_their_past_outlive_an_upgrade(tmp_path: Path, left: Path, end: str) -> None:
    data = tmp_path / "data"
    shutil.copytree(left / end, data)
    chat = ChatSettings(opers_exist=True)
    settings = Settings(port=0, plain_port=0, unlimited=True, workers=2, data=str(data), history_days=99_999, chat=chat)
    with unusual(settings=settings, secrets=Secrets(opers=(Oper("root", "secret"),))) as server:
        ana = server.irc("ana", caps=CAPS)
        lines = ana.join("#club")
        assert any(line.endswith(" 332 ana #club :siempre a las ocho") for line in lines)
        assert "*!*@bad.example" in ana.ask("MODE #club b")[0]
        club = texts(ana.ask("CHATHISTORY LATEST #club * 50"))
        assert club[:4] == ["hola a todos", "\x01ACTION saluda\x01", "hola ana", "un aviso"]
        assert club[4:] == ([] if end == "stopped" else ["otra vez aquí", "detrás de la instantánea"])

        assert "475" in ana.ask("JOIN #secreto")[0]
        ana.join("#secreto", "llave")
        assert " 324 ana #secreto +nstk llave" in ana.ask("MODE #secreto")[0]
        secret = texts(ana.ask("CHATHISTORY LATEST #secreto * 50"))
        assert secret == ["esto no lo sabe nadie", *(["sigo aquí"] if end == "killed" else [])]
        for name in ("#efímera", "#fin"):
            ana.join(name)
            assert texts(ana.ask(f"CHATHISTORY LATEST {name} * 50")) == [], "it had ended before the upgrade"
        if end == "killed":
            assert any(line.endswith(" 332 ana #examen :lunes") for line in ana.join("#examen", "tiza"))
            assert any(line.endswith(" 332 ana #tarde :después") for line in ana.join("#tarde"))
            return  # the other rooms had been kept for a day already, and that was long ago
        assert "473" in ana.ask("JOIN #reunión")[0], "it is for invited people only, as it was"
        server.irc("root").ask("OPER root secret", "INVITE ana #reunión")
        assert any(line.endswith(" 332 ana #reunión :actas y café") for line in ana.join("#reunión"))
        assert texts(ana.ask("CHATHISTORY LATEST #reunión * 50")) == [], "who is let in so reads nothing from before"
        eva = server.plain("eva")
        eva.ask("/join #ñandú")
        first, _, third = eva.ask("/history")
        assert re.fullmatch(r"\[(.* )?\d\d:\d\d\] <eva> buenas", first)
        assert third.endswith("<beto> qué rápida")
