"""core/upgrading: a state that a program of an earlier version dumped, and the records that it journaled.

The states in tests/data were dumped by those programs; there it says what had happened in them.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from mpchat.core import encoding
from mpchat.core.machine import STATE_VERSION, Core
from mpchat.core.upgrading import UPGRADES, upgraded
from mpchat.protocol.outcomes import PastAsked
from mpchat.settings import ChatSettings, pack
from tests.core.driver import UTC_OFFSET, WALL

DATA = Path(__file__).parent.parent / "data"
HOUR, DAY = 3_600_000, 24 * 3_600_000
NOW = WALL + HOUR + 5000  # when the states were dumped
ANA, BETO, EVA, LUIS, HALF, OPER, NEW = 1, 2, 3, 4, 5, 6, 7


@pytest.fixture(params=sorted(DATA.glob("state-*")), ids=lambda folder: folder.name)
def core(request: pytest.FixtureRequest) -> Core:
    return Core.load((request.param / "core").read_bytes())


def said(core: Core, *records: tuple[object, ...]) -> str:
    items = [item for items in core.apply(records).items for item in items]
    return b"".join(item[2] for item in items if item[0] in ("send", "cast")).decode()


def test_every_version_since_the_first_kept_one_is_read() -> None:
    assert sorted(UPGRADES) == list(range(3, STATE_VERSION))
    for version in UPGRADES:
        core = Core.load((DATA / f"state-{version}" / "core").read_bytes())
        assert encoding.from_bytes([STATE_VERSION], core.dump())[0] == STATE_VERSION
        assert Core.load(core.dump()).dump() == core.dump()


def test_the_run_goes_on(core: Core) -> None:
    """The records that the program of then would have journaled next, in its form."""
    owed = core.apply([])
    assert [item[:2] for items in owed.items for item in items] == [("ack", EVA)]
    assert [fact[5:] for fact in owed.facts] == [("\x01ACTION baila\x01", UTC_OFFSET)]
    assert core.questions() == [ANA, OPER]

    rows = [(1, WALL, "#club", "ana!~ana@127.0.0.1", "PRIVMSG", "hola")]
    applied = core.apply([("clock", NOW + 1000, HOUR + 7000), ("answer", ANA, rows)])
    told = b"".join(item[2] for items in applied.items for item in items if item[0] in ("send", "cast")).decode()
    assert "PRIVMSG #club :hola" in told
    assert "PONG mpchat.local :behind" in told, "what waited behind the question is dealt with"
    assert "PRIVMSG #club :detrás" in told
    assert applied.facts[-1][5:] == ("detrás", UTC_OFFSET)
    assert "PRIVMSG #club :a medias" in said(core, ("line", BETO, 10_000, b"dias\r"))
    assert "eva is now Eva2" in said(core, ("line", EVA, 10_000, b"/nick Eva2"))
    told = said(core, ("line", HALF, 10_000, b"USER half 0 * :Half\r"), ("line", HALF, 10_001, b"CAP END\r"))
    assert " 001 half " in told


def test_the_next_run_inherits_it(core: Core) -> None:
    core.apply([("start", pack(ChatSettings()), 2, 0, NOW + HOUR, 5)])
    core.apply([("open", 0, NEW, "irc", "127.0.0.1")])

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
    (asked,) = core.apply([("line", NEW, 50_000, b"CHATHISTORY LATEST #club * 50\r")]).asked
    assert asked.question == PastAsked("#club", 0, "LATEST", (), 50)


@pytest.mark.parametrize("version", UPGRADES)
def test_everybody_speaks_what_they_spoke(version: int) -> None:
    core = Core.load((DATA / f"state-{version}" / "core").read_bytes())
    dialects = {id: dialect for id, dialect, *_ in core.parts()}
    assert set(dialects.values()) == {"irc", "plain"}
    assert [id for id, dialect in dialects.items() if dialect == "plain"] == [EVA]


def test_a_connection_of_version_4_goes_on() -> None:
    core = Core.load((DATA / "state-4" / "core-dialects").read_bytes())
    assert core.questions() == [ANA, OPER]
    assert "ana!~ana@127.0.0.1 JOIN" not in said(core, ("answer", OPER, True))
    told = said(core, ("answer", ANA, []))
    assert "PONG mpchat.local :behind" in told
    assert "@time=" in told, "its capabilities are what they were"
    assert "<ana> detrás" in told
    assert "is now Eva2" in said(core, ("line", EVA, 10_000, b"\x00\xff\xf0Eva2"), ("line", EVA, 10_010, b"/nick Eva2"))


def test_bans_of_version_7_hold_and_nobody_of_then_came_by_tls() -> None:
    core = Core.load((DATA / "state-7" / "core").read_bytes())
    assert " 671 " not in said(core, ("line", LUIS, 10_000, b"WHOIS beto\r"))
    core.apply([("open", 0, NEW, "irc", "127.0.0.1", True)])
    said(core, ("line", NEW, 10_000, b"NICK dora\r"), ("line", NEW, 10_001, b"USER dora 0 * :Dora\r"))
    assert " 671 luis dora :is using a secure connection" in said(core, ("line", LUIS, 10_010, b"WHOIS dora\r"))
    assert "flood" in said(core, ("open", 0, 70, "irc", "198.51.100.7", False))


@pytest.mark.parametrize(("is_plain", "told"), [(True, "Welcome to"), (False, "")])
def test_a_connection_as_a_journal_of_that_time_opens_it(is_plain: bool, told: str) -> None:
    core = Core.load((DATA / "state-4" / "core-dialects").read_bytes())
    assert told in said(core, ("open", 0, 70, is_plain, "127.0.0.1"))
    assert core.parts()[-1][:2] == (70, "plain" if is_plain else "irc")


def test_a_dialect_that_this_program_does_not_know() -> None:
    version, values = encoding.from_bytes([4], (DATA / "state-4" / "core-dialects").read_bytes())
    *others, connections, groups, rest = upgraded(version, values)
    strange = encoding.to_bytes(
        STATE_VERSION, (*others, [(own, "gopher", *more) for own, _, *more in connections], groups, rest)
    )
    with pytest.raises(ValueError, match="'gopher'"):
        Core.load(strange)


def test_what_it_kept_goes_when_its_day_is_over(core: Core) -> None:
    for mono, is_here in ((DAY + 4000, True), (DAY + 5000, False)):
        core.apply([("clock", 0, mono)])
        assert (b"#vieja" in core.dump()) == is_here
