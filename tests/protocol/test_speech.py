"""A dialect's second reader of its grammar, speech(), understands a line as its first one, handle(), does."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mpchat.chat.events import Said
from mpchat.chat.hub import Hub
from mpchat.chat.refusals import Refusal
from mpchat.protocol.connection import Connection
from mpchat.protocol.context import Context
from mpchat.protocol.dialect import DIALECTS
from mpchat.protocol.length_limit import fit
from mpchat.settings import ChatSettings

WORDS = ["PRIVMSG", "privmsg", "NOTICE", "PRIVMSGX", "", "#lobby", "#a", "beto", "nadie", ":", " :", " ", "  ", ","]
WORDS += ["hola", "ñandú", "日本", "\x01ACTION ríe\x01", "\x02", "\t", "\x1b[31m", "\u202e", "x" * 480, "é" * 250]
WORDS += [":x", "/me", "//"]
PIECES = st.sampled_from([word.encode() for word in WORDS] + [b"\xff", b"\r", b"\xff\xf1"])
LINES = st.lists(st.one_of(PIECES, st.binary(max_size=3)), max_size=7).map(b"".join)
SAID = st.tuples(st.sampled_from([b"#lobby", b"beto", b"#x", b":beto", b"beto,ana"]), LINES).map(
    lambda said: b"PRIVMSG " + said[0] + b" :" + said[1]
)


class People:
    """ana and beto in the lobby; ana is the one who speaks."""

    def __init__(self, dialect: str) -> None:
        self.context = Context(Hub(ChatSettings(), 0), ChatSettings(), 0, 0)
        hub: Any = self.context.hub
        for id, nick in ((1, "ana"), (2, "beto")):
            session = hub.connect(id, "127.0.0.1")
            hub.claim(session, nick, 0)
            hub.enter(session, nick, nick, 0, 0)
            hub.join(session, "#lobby", "", 0)
        worker: Any = 0
        self.ana = Connection(hub.sessions[1], DIALECTS[dialect], worker, 0)
        self.ana.registration = None
        hub.sessions[2].away = "comiendo"

    def handled(self, line: bytes) -> list[Any]:
        """What handle() makes of it: events as what they say, answers as they are."""
        outcomes = []
        try:
            outcomes = list(self.ana.dialect.handle(self.context, self.ana, line))
        except Refusal:
            return ["refused"]
        return [self.told(outcome) if isinstance(outcome, Said) else outcome for outcome in outcomes]

    def spoken(self, line: bytes) -> list[Any] | None:
        """What the short way makes of it; None: it leaves the line to handle()."""
        speech = self.ana.dialect.speech(self.ana, line)
        if speech is None:
            return None
        try:
            said = fit(self.context.hub.say(self.ana.session, *speech, 0))
        except Refusal:
            return None
        return [self.told(said), *self.ana.dialect.after_speech(self.context, self.ana, said, speech[1])]

    def told(self, said: Said) -> tuple[Any, ...]:
        return said.by.nick, said.target, said.text, said.notice, said.number, said.line


@pytest.mark.parametrize("dialect", DIALECTS)
@settings(max_examples=500)
@given(line=st.one_of(SAID, LINES))
@example(b"PRIVMSG :x :y")
@example(b"PRIVMSG #lobby :")
@example(b"PRIVMSG  #lobby :hola")
@example(b"PRIVMSG #lobby  :hola")
@example(b"PRIVMSG #lobby : hola :que tal ")
@example(b"PRIVMSG #lobby :" + b"x" * 600)
@example(b"PRIVMSG beto :hola")
@example(b"hola ")
@example(b"\xff\xf1hola")
def test_both_readers_agree(dialect: str, line: bytes) -> None:
    short = People(dialect).spoken(line)
    if short is not None:
        assert short == People(dialect).handled(line)


@pytest.mark.parametrize(
    ("dialect", "line", "speech"),
    [
        ("irc", b"PRIVMSG #lobby :hola", ("#lobby", "hola", False)),
        ("irc", "PRIVMSG beto :¿qué tal? :)".encode(), ("beto", "¿qué tal? :)", False)),
        ("irc", b"PRIVMSG #lobby hola", None),
        ("irc", b"NOTICE #lobby :hola", None),
        ("plain", b"hola a todos", ("#lobby", "hola a todos", False)),
        ("plain", b"/quit", None),
    ],
)
def test_the_common_line_takes_the_short_way(dialect: str, line: bytes, speech: Any) -> None:
    people = People(dialect)
    assert people.ana.dialect.speech(people.ana, line) == speech
