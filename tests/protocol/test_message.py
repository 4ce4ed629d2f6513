"""protocol/message: a line taken apart and put together."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpchat.protocol.message import Message, build, build_words, cut, cut_bytes, encode, parse

letters = st.characters(codec="utf-8", exclude_characters="\r\n\0")
middle = st.text(letters.filter(lambda letter: letter != " "), min_size=1).filter(lambda word: word[0] not in ":@")
trailing = st.text(letters)


@given(
    source=st.one_of(st.just(""), middle),
    command=st.from_regex(r"[A-Z]+|[0-9]{3}", fullmatch=True),
    middles=st.lists(middle, max_size=13),
    last=st.lists(trailing, max_size=1),
)
def test_what_is_built_is_parsed(source: str, command: str, middles: list[str], last: list[str]) -> None:
    params = middles + last

    assert parse(build(source, command, *params)) == Message(command, params, source)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("PING", Message("PING")),
        ("ping x", Message("PING", ["x"])),
        ("PING  a   b ", Message("PING", ["a", "b"])),
        ("PRIVMSG #a :hola  que tal ", Message("PRIVMSG", ["#a", "hola  que tal "])),
        ("PRIVMSG #a ::)", Message("PRIVMSG", ["#a", ":)"])),
        ("TOPIC #a :", Message("TOPIC", ["#a", ""])),
        ("USER a b:c d :e :f", Message("USER", ["a", "b:c", "d", "e :f"])),
        (":ana!u@h  PRIVMSG b :c", Message("PRIVMSG", ["b", "c"], "ana!u@h")),
        (":ana", Message("", [], "ana")),
        ("", Message("")),
        ("   ", Message("")),
        ("  PING x", Message("PING", ["x"])),
        ("@a=1;+b;c= :s PING x", Message("PING", ["x"], "s", {"a": "1", "+b": "", "c": ""})),
        (r"@a=\:\s\\\r\n\x\ PING", Message("PING", [], "", {"a": "; \\\r\nx"})),
        (r"@a=x\\;;=no PING", Message("PING", [], "", {"a": "x\\"})),
        ("@a=1", Message("", [], "", {"a": "1"})),
        ("paß secret", Message("paß", ["secret"])),  # whose upper case is PASS
        ("prıvmsg a", Message("prıvmsg", ["a"])),  # a dotless i
    ],
)
def test_parse(line: str, message: Message) -> None:
    assert parse(line) == message


@given(st.text())
def test_no_line_is_too_strange(line: str) -> None:
    message = parse(line)

    assert " " not in message.command
    assert all(" " not in param for param in message.params[:-1])


def test_the_last_parameter_has_its_colon() -> None:
    assert build("", "PING", "x") == "PING :x"
    assert build("s", "001", "ana", "") == ":s 001 ana :"
    assert build("s", "NICK") == ":s NICK"


@pytest.mark.parametrize(
    ("word", "line"),
    [("x", ":s MODE #a x"), ("", ":s MODE #a :"), ("a b", ":s MODE #a :a b"), (":x", ":s MODE #a ::x")],
)
def test_a_word_has_a_colon_only_if_it_needs_one(word: str, line: str) -> None:
    assert build_words("s", "MODE", "#a", word) == line
    assert parse(line).params == ["#a", word]


@given(st.text(max_size=300), st.integers(-3, 600))
def test_a_cut_never_breaks_a_character(text: str, limit: int) -> None:
    piece = cut(text, limit)
    size = len(piece.encode())

    assert text.startswith(piece)
    assert size <= max(limit, 0)
    if piece != text:
        assert size + len(text[len(piece)].encode()) > limit, "it could have been longer"


@pytest.mark.parametrize(
    ("text", "limit", "piece"),
    [
        ("añb", 1, "a"),
        ("añb", 2, "a"),
        ("añb", 3, "añ"),
        ("añb", 4, "añb"),
        ("😀😀", 7, "😀"),
        ("😀", 3, ""),
        ("a", 0, ""),
    ],
)
def test_cut(text: str, limit: int, piece: str) -> None:
    assert cut(text, limit) == piece
    assert cut_bytes(text.encode(), limit) == piece.encode()


@given(st.text(letters, max_size=600))
def test_a_line_fits(text: str) -> None:
    data = encode(text)

    assert len(data) <= 512
    assert data.endswith(b"\r\n")
    assert text.startswith(data[:-2].decode())
    assert len(text.encode()) > 510 or data == text.encode() + b"\r\n"


def test_a_line_may_be_exactly_512_bytes() -> None:
    assert encode("a" * 510) == b"a" * 510 + b"\r\n"
    assert encode("a" * 511) == b"a" * 510 + b"\r\n"
    assert encode("a" * 509 + "ñ") == b"a" * 509 + b"\r\n"
