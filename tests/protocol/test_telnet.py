"""protocol/plain/telnet: commands among what is typed, whole or cut, and what is left without them."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mpchat.protocol.plain.telnet import is_unfinished, without_commands

# WILL window size, terminal speed, terminal type, environment; DO echo; WILL, DO suppress go-ahead: what PuTTY sends
# first unless it is told to wait ("Telnet negotiation mode: active").
PUTTY = bytes.fromhex("fffb1f fffb20 fffb18 fffb27 fffd01 fffb03 fffd03")
# GNU inetutils' telnet, on a port that is not 23 and told "toggle options" or "mode character".
INETUTILS = bytes.fromhex("fffd03 fffb18 fffb1f fffb20 fffb21 fffb22 fffb27 fffd05 fffb23")
WINDOW = b"\xff\xfa\x1f\x00\x50\x00\x18\xff\xf0"  # 80 columns, 24 rows
TERMINAL = b"\xff\xfa\x18\x00xterm\xff\xf0"

two_bytes = st.integers(236, 249).map(lambda command: bytes([255, command]))
options = st.tuples(st.integers(251, 254), st.integers(0, 255)).map(lambda pair: bytes([255, *pair]))
subnegotiations = st.binary(max_size=8).map(lambda data: b"\xff\xfa" + data.replace(b"\xff", b"\xff\xff") + b"\xff\xf0")
commands = st.one_of(two_bytes, options, subnegotiations, st.sampled_from([PUTTY, INETUTILS, WINDOW, TERMINAL]))
texts = st.text(st.characters(codec="utf-8", exclude_characters="\n"), max_size=8).map(str.encode)


@pytest.mark.parametrize(
    ("line", "left"),
    [
        (b"hola", b"hola"),
        (PUTTY + b"ana\r", b"ana\r"),
        (INETUTILS + WINDOW + TERMINAL + b"ana", b"ana"),
        (b"ho\xff\xf1la", b"hola"),  # NOP
        (b"ho\xff\xf6\xff\xf4\xff\xf2\xff\xf7\xff\xf8\xff\xf9la", b"hola"),  # AYT IP DM EC EL GA
        (b"a\xff\xffb", b"a\xffb"),  # a byte of data, and so no UTF-8
        (b"a\xff\xfa\x18\xff\xff\xff\xf0b", b"ab"),  # doubled inside: not its end
        (b"a\xff\xf0b", b"ab"),  # an end of nothing
        (b"caf\xffe", b"caf\xffe"),  # no command: Latin-1, which is refused elsewhere
        (b"caf\xff", b"caf\xff"),
    ],
)
def test_what_is_left_of_a_line(line: bytes, left: bytes) -> None:
    assert without_commands(line) == left
    assert not is_unfinished(line)


@pytest.mark.parametrize("line", [b"a\xff\xfa", b"a\xff\xfa\x1f\x00\xff", b"\xff\xfd", b"a\xff\xfaxyz\xff\xff"])
def test_a_command_that_has_not_ended_takes_the_line_end_with_it(line: bytes) -> None:
    assert is_unfinished(line)
    assert without_commands(line) == line.partition(b"\xff")[0]


def test_the_end_is_not_waited_for_for_ever() -> None:
    assert not is_unfinished(b"\xff\xfa" + b"x" * 4607)


@given(st.lists(st.tuples(commands, texts)))
def test_only_commands_are_left_out(pieces: list[tuple[bytes, bytes]]) -> None:
    line = b"".join(command + text for command, text in pieces)

    assert without_commands(line) == b"".join(text for _, text in pieces)
    assert not is_unfinished(line)


@given(st.lists(st.lists(st.tuples(commands, texts), max_size=4), max_size=4))
@example([[(b"\xff\xfa\x1f\0\n\0\n\xff\xf0", b"a")], [(b"\xff\xfd\n", b"b")]])
def test_a_line_goes_on_behind_a_line_end_that_belongs_to_a_command(said: list[list[tuple[bytes, bytes]]]) -> None:
    """A line that goes on is read together with the next one, as the core does it."""
    stream = b"".join(b"".join(command + text for command, text in line) + b"\n" for line in said)
    lines, part = [], b""
    for piece in stream.split(b"\n")[:-1]:
        if is_unfinished(part + piece):
            part += piece + b"\n"
        else:
            lines.append(without_commands(part + piece))
            part = b""

    assert lines == [b"".join(text for _, text in line) for line in said]
    assert part == b""


@given(st.one_of(st.binary(max_size=300), st.text("\xff\xfa\xf0\xfba").map(lambda text: text.encode("latin-1"))))
def test_anything_is_some_text(line: bytes) -> None:
    assert len(without_commands(line)) <= len(line)
    assert is_unfinished(line) or without_commands(line + b"x").endswith(b"x") or line.endswith(b"\xff")


def test_a_hostile_line_is_soon_read() -> None:
    began = time.process_time()

    for line in (b"\xff\xfa" * 4000, b"\xff" * 8000, b"\xff\xfa\xff" * 2700):
        without_commands(line)

    assert time.process_time() - began < 0.5
