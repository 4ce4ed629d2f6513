"""The layout of the state that a snapshot holds: no change of it goes unnoticed, and each older one can be read.

A snapshot outlives the program that wrote it. A program that holds a field more, or two in another order, would load
the snapshot of its predecessor without an error and take one field for another: only STATE_VERSION tells them apart.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from mpchat.chat import state
from mpchat.core import encoding
from mpchat.core import state as connections
from mpchat.core.machine import STATE_VERSION, Core
from mpchat.core.upgrading import UPGRADES
from mpchat.flow.outbox import Outbox
from mpchat.settings import ChatSettings
from tests.core.driver import Driver, Person

DATA = Path(__file__).parent.parent / "data"

VERSION, LAYOUT = 9, "26b7f685b23c7cad"  # one belongs to the other

CHANGED = f"""
the layout of the state that a snapshot holds is not that of version {VERSION} any more, which servers have written.
If this is meant: raise STATE_VERSION (core/machine.py); add to UPGRADES (core/upgrading.py) how a state of the version
before is read, and to tests/data what a server of that version left, if it is not there; then put the new version and
hash here."""


def shape(values: Any) -> str:
    """The types of plain values: each of a tuple's, in order; of a list or a dict, those that occur."""
    match values:
        case tuple():
            return f"({', '.join(map(shape, values))})"
        case list():
            return f"[{' | '.join(sorted(set(map(shape, values))))}]"
        case dict():
            return f"{{{' | '.join(sorted({f'{shape(key)}: {shape(value)}' for key, value in values.items()}))}}}"
        case _:
            return type(values).__name__


def busy() -> Core:
    """A core whose dump has something of everything."""
    driver = Driver(ChatSettings(opers_exist=True, wrong_logins_per_minute=6))
    was = driver.irc("ana", tokens=("*", "ana"))
    was.send("JOIN #club,#vieja", "TOPIC #club :siempre", "MODE #club +beI *!*@bad.example good friend")
    driver.start()
    ana = driver.irc("ana", caps="message-tags draft/chathistory batch draft/read-marker")
    driver.irc("dora", tokens=("*", "dora")).send("JOIN #vieja")
    beto, eva, gone = driver.irc("beto"), driver.plain("eva"), driver.irc("gone")
    gone.send("QUIT")
    driver.irc("victim")
    ana.send("JOIN #club", "INVITE beto #club", "@+mpchat.org/id=abcdefgh.1 PRIVMSG #club :hola")
    ana.send("MARKREAD beto timestamp=2023-11-14T20:00:00.000Z")
    ana.send("CHATHISTORY LATEST #club * 50", "PING behind")
    driver.connect().send("NICK half")
    root, spy = driver.irc("root"), driver.connect(host="192.0.2.1")
    root.send("OPER root *")
    driver.answer(True)
    driver.irc("luis").send("JOIN #cerrada", "MODE #cerrada +i")
    root.send("INVITE eva #cerrada", "INVITE beto #cerrada", "KILL victim :x")
    eva.send("/join #cerrada")
    spy.send("NICK spy", "USER spy 0 * :Spy", "OPER root *")
    driver.answer(False)
    spy.send("OPER root *")
    root.send("KLINE *@192.0.2.9 x", "DLINE 60 192.0.2.0/30 x", "OPER root *", "MODE root")
    driver.feed(("accounts", ["zoé"], ["SCRAM-SHA-256"]))
    for said in (("in", "zoé"), *[("wrong", "zoé")] * 7):  # the last answer waits
        far = driver.connect(host="192.0.2.7")
        far.send("CAP REQ :sasl", "AUTHENTICATE SCRAM-SHA-256", "AUTHENTICATE +*")
        driver.feed(("answer", far.id, said))
    driver.feed(("open", 0, len(driver.people) + 1, "irc", "192.0.2.8", True))
    zoe = Person(driver, len(driver.people) + 1, 0, False)
    driver.people.append(zoe)
    zoe.send("NICK zoe", "USER zoe 0 * :Z", "REGISTER * * *")
    driver.feed(("answer", zoe.id, ("registered", "zoe")))
    zoe.send("CAP REQ :draft/read-marker", "MARKREAD beto timestamp=2023-11-14T20:00:00.000Z")
    driver.feed(beto.piece("PRIVMSG ana :a me"))
    driver.feed(*eva.records(["hola"]))
    return driver.core


def outbox() -> Outbox:
    """An outbox of which each field holds something else."""
    it = Outbox()
    it.add([("open", 1), ("open", 2), ("open", 3), ("join", 7, 1), ("join", 7, 2), ("send", 1, b"abc"), ("close", 3)])
    it.add([("cast", (7,), b"hola", 2), ("ack", 1, 9)])
    it.checkpoint(8, [(1, 3, b"bc", 2), (2, 0, b"", 0), (3, 5, b"", 0)], [])
    return it


def layout() -> str:
    """All that decides how the bytes of a snapshot are read, but the chat's settings: their names stand in it."""
    times, _, *others = encoding.from_bytes([STATE_VERSION], busy().dump())[1]
    names = (state._SESSION, state._CHANNEL, state._HUB, connections._CONNECTION, connections._REGISTRATION)
    return "\n".join([repr(names), shape(times), *map(shape, others), repr(outbox().dump())])


def test_a_changed_layout_has_another_version() -> None:
    found = hashlib.sha256(layout().encode()).hexdigest()[:16]

    assert (STATE_VERSION, found) == (VERSION, LAYOUT), f"{CHANGED}\n\n{layout()}"


def test_of_every_older_version_there_is_what_a_server_left() -> None:
    assert sorted(UPGRADES) == list(range(min(UPGRADES), STATE_VERSION))
    for version in UPGRADES:
        for end in ("stopped", "killed"):
            assert (DATA / f"state-{version}" / end / "journal").is_dir(), "tests/system/test_upgrade.py starts on it"


@pytest.mark.parametrize("version", UPGRADES)
def test_an_older_state_has_its_rooms(version: int) -> None:
    values = encoding.from_bytes([STATE_VERSION], Core.load((DATA / f"state-{version}" / "core").read_bytes()).dump())[
        1
    ]

    _, _, (_, _, rooms, asleep, *_), _, groups, _ = values
    assert {"#club", "#lobby", "#nueva"} == {dict(zip(state._CHANNEL, own, strict=True))["name"] for own, *_ in rooms}
    assert {"#reunión", "#vieja"} == {dict(zip(state._CHANNEL, own, strict=True))["name"] for _, (own, *_) in asleep}
    assert "#club" in groups
