"""core/upgrading: a state that a program of an earlier version dumped, and the records that it journaled.

The states in tests/data were dumped by those programs; there it says what had happened in them.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from mpchat.core import encoding
from mpchat.core.machine import STATE_VERSION, Core
from mpchat.core.upgrading import UPGRADES
from mpchat.settings import ChatSettings, pack
from tests.core.driver import UTC_OFFSET, WALL

DATA = Path(__file__).parent.parent / "data"
HOUR, DAY = 3_600_000, 24 * 3_600_000
NOW = WALL + HOUR + 5000  # when the states were dumped
ANA, BETO, EVA, HALF, OPER, NEW = 1, 2, 3, 5, 6, 7


@pytest.fixture(params=sorted(DATA.glob("state-*")), ids=lambda folder: folder.name)
def core(request: pytest.FixtureRequest) -> Core:
    return Core.load((request.param / "core").read_bytes())


def said(core: Core, *records: tuple[object, ...]) -> str:
    items = [item for record in records for _, item in core.apply(record)]
    return b"".join(item[2] for item in items if item[0] in ("send", "cast")).decode()


def test_every_version_since_the_first_kept_one_is_read() -> None:
    assert sorted(UPGRADES) == list(range(3, STATE_VERSION))
    for version in UPGRADES:
        core = Core.load((DATA / f"state-{version}" / "core").read_bytes())
        assert encoding.from_bytes([STATE_VERSION], core.dump())[0] == STATE_VERSION
        assert Core.load(core.dump()).dump() == core.dump()


def test_the_run_goes_on(core: Core) -> None:
    """The records that the program of then would have journaled next, in its form."""
    assert [item[:2] for _, item in core.acknowledge()] == [("ack", EVA)]
    assert [fact[5:] for fact in core.facts()] == [("\x01ACTION baila\x01", UTC_OFFSET)]
    assert core.questions() == [ANA, OPER]

    rows = [(1, WALL, "#club", "ana!~ana@127.0.0.1", "PRIVMSG", "hola")]
    told = said(core, ("clock", NOW + 1000, HOUR + 7000), ("answer", ANA, rows))
    assert "PRIVMSG #club :hola" in told
    assert "PONG mpchat.local :behind" in told, "what waited behind the question is dealt with"
    assert "PRIVMSG #club :detrás" in told
    assert core.facts()[-1][5:] == ("detrás", UTC_OFFSET)
    assert "PRIVMSG #club :a medias" in said(core, ("line", BETO, 10_000, b"dias\r"))
    assert "eva is now Eva2" in said(core, ("line", EVA, 10_000, b"/nick Eva2"))
    told = said(core, ("line", HALF, 10_000, b"USER half 0 * :Half\r"), ("line", HALF, 10_001, b"CAP END\r"))
    assert " 001 half " in told


def test_the_next_run_inherits_it(core: Core) -> None:
    core.apply(("start", pack(ChatSettings()), 2, 0, NOW + HOUR, 5))
    core.apply(("open", 0, NEW, False, "127.0.0.1"))

    def ask(*lines: str) -> str:
        ask.end += 1000  # type: ignore[attr-defined]
        return said(core, *[("line", NEW, ask.end + n, line.encode() + b"\r") for n, line in enumerate(lines)])  # type: ignore[attr-defined]

    ask.end = 0  # type: ignore[attr-defined]
    ask("NICK dora", "CAP REQ :draft/chathistory", "USER dora 0 * :Dora", "CAP END")
    told = ask("JOIN #club,#vieja,#reunión llave", "MODE #club b")
    assert "332 dora #club :siempre" in told
    assert "*!*@bad.example" in told
    assert "475 dora #reunión" in told, "kept for a day by two runs"
    assert "332 dora #vieja :de ayer" in told
    assert "JOIN #reunión" in ask("JOIN #reunión llave")
    items = core.apply(("line", NEW, 50_000, b"CHATHISTORY LATEST #club * 50\r"))
    assert [item[3:] for _, item in items if item[0] == "ask"] == [("history", ("#club", 0, 50, True))]


def test_what_it_kept_goes_when_its_day_is_over(core: Core) -> None:
    for mono, is_here in ((DAY + 4000, True), (DAY + 5000, False)):
        core.apply(("clock", 0, mono))
        assert (b"#vieja" in core.dump()) == is_here
