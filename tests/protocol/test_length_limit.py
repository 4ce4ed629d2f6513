"""protocol/length_limit: a message is cut once, to what one IRC line holds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpchat.chat.channels import Channel
from mpchat.chat.events import Said
from mpchat.chat.hub import Hub
from mpchat.chat.sessions import Session
from mpchat.protocol.context import Context
from mpchat.protocol.irc import render
from mpchat.protocol.length_limit import action, fit
from mpchat.settings import ChatSettings


def person(nick: str = "ana", user: str = "~ana", host: str = "127.0.0.1") -> Session:
    session = Session(1, host)
    session.user = user
    session.name(nick)
    return session


CONTEXT = Context(Hub(ChatSettings(), 0), ChatSettings(), 0, 0)


def to_room(text: str, notice: bool = False) -> Said:
    return Said(person(), Channel("#a", 0), "#a", text, notice, 1)


@given(
    nick=st.text("añ", min_size=1, max_size=15),
    host=st.sampled_from(["::1", "2001:db8:1111:2222:3333:4444:5555:6666"]),
    channel=st.text("aé", min_size=1, max_size=31),
    text=st.tuples(st.text(min_size=1, max_size=20), st.integers(1, 60)).map(lambda pair: pair[0] * pair[1]),
    notice=st.booleans(),
)
def test_what_fits_is_one_whole_line(nick: str, host: str, channel: str, text: str, notice: bool) -> None:
    said = fit(Said(person(nick, "~plain", host), Channel("#" + channel, 0), "#" + channel, text, notice, 1))
    line = render(CONTEXT, said, 0)

    assert len(line) <= 512
    assert text.startswith(said.text)
    assert line.endswith(f" :{said.text}\r\n".encode())
    if said.text != text:
        assert len(line) + len(text[len(said.text)].encode()) > 512, "it could have been longer"


def test_the_longest_message() -> None:
    room = 512 - len(":ana!~ana@127.0.0.1 PRIVMSG #a :\r\n")

    assert fit(to_room("x" * room)).text == "x" * room
    assert fit(to_room("x" * (room + 1))).text == "x" * room
    assert fit(to_room("x" * 600, notice=True)).text == "x" * (room + 1)  # NOTICE is shorter


def test_every_byte_counts() -> None:
    """Of the names too, and of characters that take four."""
    said = fit(Said(person("ñ" * 15), Channel("#" + "ñ" * 31, 0), "#" + "ñ" * 31, "😀" * 150, False, 1))
    line = render(CONTEXT, said, 0)

    assert 509 <= len(line) <= 512
    assert line.decode().endswith("😀\r\n")


def test_a_cut_action_stays_an_action() -> None:
    said = fit(to_room("\x01ACTION " + "ñ" * 300 + "\x01"))
    line = render(CONTEXT, said, 0)

    assert said.text.startswith("\x01ACTION ñ")
    assert said.text.endswith("ñ\x01")
    assert 511 <= len(line) <= 512


def test_a_cut_text_does_not_become_one() -> None:
    assert not fit(to_room("\x01" + "x" * 600)).text.endswith("\x01")
    assert not fit(to_room("x" * 600 + "\x01")).text.endswith("\x01")


@pytest.mark.parametrize(
    ("text", "done"),
    [
        ("\x01ACTION waves\x01", "waves"),
        ("\x01ACTION waves", "waves"),
        ("\x01ACTION \x01", ""),
        ("\x01VERSION\x01", None),
        ("ACTION waves", None),
    ],
)
def test_an_action(text: str, done: str | None) -> None:
    assert action(text) == done
