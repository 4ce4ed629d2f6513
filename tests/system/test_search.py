"""Searching, on a real server with its recorder: neither deaths nor upgrades take anything away, and what is private
stays so."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from mpchat.settings import ChatSettings, Settings
from tests.running import Server, command, running
from tests.system.servers import kill, replaced, unusual

DATA = Path(__file__).parent.parent / "data"
CAPS = "message-tags batch draft/chathistory soju.im/search echo-message"


def texts(lines: list[str]) -> list[str]:
    return [line.rpartition(" :")[2] for line in lines if command(line) in ("PRIVMSG", "NOTICE")]


def test_what_was_just_said_is_found(server: Server) -> None:
    ana = server.irc("buscadora", caps=CAPS)
    ana.join("#búsqueda")
    ana.ask("PRIVMSG #búsqueda :la cola está llena", "PRIVMSG #búsqueda :la pila no")

    assert texts(ana.ask("SEARCH text=COLA")) == ["la cola está llena"]
    assert texts(ana.ask(r"SEARCH in=#búsqueda;text=esta\sllena")) == ["la cola está llena"]
    assert texts(ana.ask("SEARCH text=la;limit=1")) == ["la pila no"]
    assert texts(ana.ask("SEARCH text=nadie")) == []
    beto = server.plain("buscador")
    beto.ask("/join #búsqueda")
    assert [line.partition("] ")[2] for line in beto.ask("/search esta COLA")] == ["<buscadora> la cola está llena"]


def test_neither_deaths_nor_a_restart_take_anything_away(tmp_path: Path) -> None:
    with running("--unlimited", "--workers", "1", data=tmp_path) as server:
        ana = server.irc("ana", caps=CAPS)
        ana.join("#lobby")
        for number in range(3):
            ana.ask(*[f"PRIVMSG #lobby :línea {number} {each}" for each in range(20)])
            before = kill(server, "broker", "recorder")
            ana.send("SEARCH text=linea;limit=50")
            replaced(server, before, "broker", "recorder")
            assert len(texts(ana.sync())) == min(50, 20 * (number + 1)), "the question outlives those who were asked"
    with running("--unlimited", "--workers", "1", data=tmp_path) as server:
        ana = server.irc("ana", caps=CAPS)
        ana.join("#lobby")
        assert texts(ana.ask(r"SEARCH text=línea\s2\s19")) == ["línea 2 19"]


def test_a_stranger_finds_nothing(tmp_path: Path) -> None:
    with running("--unlimited", "--workers", "1", data=tmp_path) as server:
        ana, mala = server.irc("ana", caps=CAPS), server.irc("mala", caps=CAPS)
        ana.join("#privada")
        mala.join("#otra")
        ana.ask("MODE #privada +i", "PRIVMSG #privada :la clave es azul")
        assert texts(mala.ask("SEARCH text=clave")) == []
        assert command(mala.ask("SEARCH in=#privada;text=clave")[0]) == "FAIL"
        ana.ask("INVITE mala #privada", "MODE #privada -i")
        ana.ask("PART #privada")
        mala.join("#privada")
        assert texts(mala.ask("SEARCH text=clave")) == [], "another room of that name"


@pytest.mark.parametrize("left", sorted(DATA.glob("state-*")), ids=lambda folder: folder.name)
def test_what_an_older_server_kept_is_found(tmp_path: Path, left: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(left / "killed", data)
    settings = Settings(port=0, plain_port=0, unlimited=True, data=str(data), history_days=99_999)
    with unusual(settings=settings) as server:
        ana = server.irc("ana", caps=CAPS)
        ana.join("#club")
        assert texts(ana.ask("SEARCH text=instantanea")) == ["detrás de la instantánea"]
        assert texts(ana.ask("SEARCH text=aviso;in=#club")) == ["un aviso"]


def test_irssi_and_its_kind_ask_the_nickname_history(tmp_path: Path) -> None:
    with running("--unlimited", "--workers", "1", data=tmp_path) as server:
        ana, beto = server.irc("ana"), server.irc("beto")
        ana.join("#club")
        ana.ask("PRIVMSG #club :hola", "PRIVMSG #club :¿hay alguien?")
        beto.join("#club")
        told = beto.ask("PRIVMSG history :#club 1")
        assert len(told) == 1
        assert told[0].startswith(":history!history@mpchat.local NOTICE beto :[")
        assert told[0].endswith("] <ana> ¿hay alguien?")
        assert len(beto.ask("PRIVMSG history :#club")) == 2


@pytest.mark.parametrize("limits", [{"history_days": 0}, pytest.param({"history_bytes": 0}, marks=pytest.mark.slow)])
def test_a_server_may_keep_nothing(tmp_path: Path, limits: dict[str, int]) -> None:
    data = tmp_path / "data"
    for run in range(2):
        settings = Settings(port=0, plain_port=0, unlimited=True, data=str(data), **limits)  # type: ignore[arg-type]
        with unusual(settings=settings) as server:
            ana = server.irc("ana", caps=CAPS)
            ana.join("#club")
            (said, *_) = ana.ask("PRIVMSG #club :esto no queda", "PRIVMSG #club :ni esto")
            id = said.split("msgid=")[1].split(" ")[0]
            assert texts(ana.ask("CHATHISTORY LATEST #club * 50")) == []
            assert texts(ana.ask("SEARCH text=queda")) == []
            assert texts(ana.ask(f"CHATHISTORY AFTER #club msgid={id} 50")) == ["some messages are missing here"]
        kept = b"".join(path.read_bytes() for path in data.glob("history.db*"))
        assert b"queda" not in kept, f"run {run}"


def test_where_something_was_kept_before_it_goes(tmp_path: Path) -> None:
    with unusual(settings=Settings(port=0, plain_port=0, unlimited=True, data=str(tmp_path / "data"))) as server:
        server.plain("ana").ask("esto quedó")
    nothing = Settings(port=0, plain_port=0, unlimited=True, data=str(tmp_path / "data"), history_days=0)
    with unusual(settings=nothing) as server:
        assert server.plain("ana").ask("/history") == ["* the history has nothing of #lobby"]


def test_a_python_without_fts5_says_so(tmp_path: Path) -> None:
    """Its SQLite is told of a module that it does not have."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "sitecustomize.py").write_text(
        "from mpchat.store import word_index\nword_index._CREATE = 'CREATE VIRTUAL TABLE words USING fts0 (text)'\n"
    )
    chat = ChatSettings()
    settings = Settings(port=0, plain_port=0, unlimited=True, data=str(tmp_path / "data"), chat=chat)
    path = f"{tmp_path / 'code'}:{Path.cwd()}"
    with unusual(settings=settings, environment={"PYTHONPATH": path}) as server:
        ana = server.irc("ana", caps=CAPS)
        ana.join("#club")
        ana.ask("PRIVMSG #club :hola")
        assert ana.ask("SEARCH text=hola")[0].endswith(
            " FAIL SEARCH INTERNAL_ERROR :this server cannot search: its SQLite has no full-text search (FTS5)"
        )
        assert texts(ana.ask("CHATHISTORY LATEST #club * 5")) == ["hola"]
