"""Colours, and that nothing harmful passes."""

from hypothesis import example, given
from hypothesis import strategies as some

from mpchat.client.colours import BELL, nick_colour, paint, wanted
from mpchat.client.model import Model
from mpchat.client.session import Session
from mpchat.client.step import RULE, Line, harmless
from mpchat.client.view import View
from mpchat.protocol.message import parse

_FORBIDDEN = {chr(code) for code in (*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A))}

hostile = some.text(
    some.one_of(some.sampled_from("\x1b\x9b\x07\x08\r\n\x00\x01\x02\x03\x04\x7f\u202e[]2J;:!@# "), some.characters())
)


@given(hostile)
@example("\x1b]0;owned\x07\x9b2J\u202etxet\r\x08\x00")
def test_nothing_a_terminal_obeys_passes(text: str) -> None:
    assert not _FORBIDDEN & set(harmless(text))
    harmless(text).encode()


@given(hostile, hostile, hostile, hostile)
@example("\x1b[2J", "#\x9bx", "\x01ACTION \x1b[2J\x01", "PRIVMSG")
def test_no_message_from_the_server_can_draw(nick: str, place: str, text: str, command: str) -> None:
    view = View(Model("ana", "#lobby"))
    for line in (
        f":{nick}!u@h {command} {place} :{text}",
        f":{nick}!u@h PRIVMSG {place} :{text}",
        f":{nick}!u@h JOIN {place}",
        f":{nick}!u@h KICK {place} {nick} :{text}",
        f":ana!u@h JOIN {place}",
        f":{nick} 353 ana = {place} :{nick} {text}",
        f":{nick} 366 ana {place} :{text}",
        f":{nick} 322 ana {place} {nick} :{text}",
        f":ana NICK {nick}",
    ):
        for shown in view.heard(parse(line)):
            assert not _FORBIDDEN & set(shown.plain("14:03"))
            assert paint(shown, "14:03", colour=False, bell=False) == shown.plain("14:03")
        assert not _FORBIDDEN & set("".join([view.model.nick, view.model.current, *view.model.people()]))


@given(some.lists(hostile))
def test_no_server_can_stop_a_session(lines: list[str]) -> None:
    session = Session("ana", "#lobby", "0123456789abcdef")
    session.opened(0.0)
    for line in [*lines, ":s CAP * LS :echo-message", ":s CAP * ACK :echo-message", ":s 001 ana :hi", *lines]:
        session.heard(line, 1.0)
        session.typed("hola", 1.0)
    session.closed()


def test_painted_and_plain_say_the_same() -> None:
    line = Line("hola ana", "<beto>", "beto", "#dev", calls=True)
    painted = paint(line, "14:03", colour=True, bell=True)
    assert painted.endswith(BELL)
    plain = painted.rstrip(BELL)
    for code in ("\x1b[0m", "\x1b[1m", "\x1b[2m", f"\x1b[{nick_colour('beto')}m"):
        plain = plain.replace(code, "")
    assert plain == line.plain("14:03") == "14:03 #dev <beto> hola ana"


def test_a_rule_is_parted_from_the_messages_and_has_no_time() -> None:
    line = Line("new since 14:00", RULE)
    assert paint(line, "14:03", colour=False, bell=True) == "--- new since 14:00 ---"
    assert paint(line, "14:03", colour=True, bell=True) == "\x1b[2m--- new since 14:00 ---\x1b[0m"


def test_a_nick_has_one_colour_in_any_case() -> None:
    assert nick_colour("ana") == nick_colour("ANA") == "32"  # the same in every run, on every machine
    assert len({nick_colour(f"nick{number}") for number in range(100)}) == 10


def test_colours_are_as_asked_or_as_the_terminal_says() -> None:
    assert wanted("always", terminal=False, no_color=True, dumb=True)
    assert not wanted("never", terminal=True, no_color=False, dumb=False)
    assert wanted("auto", terminal=True, no_color=False, dumb=False)
    assert not wanted("auto", terminal=False, no_color=False, dumb=False)
    assert not wanted("auto", terminal=True, no_color=True, dumb=False)
    assert not wanted("auto", terminal=True, no_color=False, dumb=True)
