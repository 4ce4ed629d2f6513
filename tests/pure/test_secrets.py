"""protocol/secrets: no password is in a record, however its line was written."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpchat.protocol.secrets import Withheld

SECRET = "5up3r-ſecret"

hidden = st.text(st.sampled_from("\x00\x07\x0b\x1b\x7f\x85\u202e\u202e"), max_size=2)  # what clean() takes away
spaces = st.text(st.sampled_from(" \t"), min_size=1, max_size=3)
word = st.text(st.characters(codec="utf-8", exclude_characters=" \t\r\n", exclude_categories=["Cc"]), max_size=8)


def spelled(command: str) -> st.SearchStrategy[str]:
    """A command in any case, with bytes that nobody sees between its letters."""
    letters = [st.tuples(hidden, st.sampled_from([letter, letter.lower()])) for letter in command]
    return st.tuples(*letters).map(lambda pairs: "".join(before + letter for before, letter in pairs))


before = st.tuples(
    st.one_of(st.just(""), st.tuples(st.just("@"), word, spaces).map("".join)),
    st.one_of(st.just(""), st.tuples(st.just(":"), word, spaces).map("".join)),
).map("".join)
irc_command = st.one_of(
    spelled("PASS"), st.tuples(spelled("OPER"), spaces, word.filter(str.isalnum)).map("".join)
).flatmap(lambda head: st.tuples(st.just(head), spaces, st.sampled_from(["", ":"])).map("".join))


@given(lead=st.one_of(st.just(""), spaces, hidden), before=before, command=irc_command)
def test_no_secret_survives_whatever_stands_before_it(lead: str, before: str, command: str) -> None:
    withheld = Withheld()

    record = withheld.take(("line", 7, 99, (lead + before + command + SECRET).encode()))

    assert SECRET.encode() not in record[3]
    assert record[:3] == ("line", 7, 99)
    assert record[3].endswith(b"*")
    assert withheld.secret(7, 99) == SECRET


@given(lead=st.text(st.sampled_from(" \t\u00a0\u3000\x1f\x1b\u202e"), max_size=3), command=spelled("/PASS"), gap=spaces)
def test_nor_in_plain_text(lead: str, command: str, gap: str) -> None:
    withheld = Withheld()
    withheld.take(("open", 0, 7, True, "127.0.0.1"))

    record = withheld.take(("line", 7, 99, (lead + command + gap + SECRET).encode()))

    assert record == ("line", 7, 99, record[3].rpartition(b" ")[0] + b" *")
    assert SECRET.encode() not in record[3]
    assert withheld.secret(7, 99) == SECRET


@pytest.mark.parametrize(
    "line",
    [
        "PASS me the salt",
        "pass me the salt",
        "oper ana secret",
        ":x PASS me the salt",
        "//pass me the salt",
        "say /pass me the salt",
        "hello",
        "",
    ],
)
def test_what_a_plain_user_says_is_not_touched(line: str) -> None:
    withheld = Withheld()
    withheld.take(("open", 0, 7, True, "127.0.0.1"))

    assert withheld.take(("line", 7, 20, line.encode())) == ("line", 7, 20, line.encode())
    assert withheld.secret(7, 20) == ""


@pytest.mark.parametrize(
    "line",
    ["PRIVMSG #a :PASS word", "PASSWORD x", "PASS", "PASS ", "OPER ana", "OPER ana ", "OPERA ana x", "NICK pass", ""],
)
def test_nor_what_holds_no_secret_in_irc(line: str) -> None:
    withheld = Withheld()
    withheld.take(("open", 0, 7, False, "127.0.0.1"))

    assert withheld.take(("line", 7, 20, line.encode())) == ("line", 7, 20, line.encode())


@pytest.mark.parametrize(
    ("line", "seen", "secret"),
    [
        ("PASS secret", "PASS *", "secret"),
        ("PASS :two words ", "PASS :*", "two words"),
        ("OPER root secret", "OPER root *", "secret"),
        ("oper root :secret", "oper root :*", "secret"),
        ("@t=1;u=2 :ana  PASS secret", "@t=1;u=2 :ana  PASS *", "secret"),
        ("/pass secret", "/pass *", "secret"),  # typed into the wrong dialect
    ],
)
def test_the_rest_of_the_line_stays(line: str, seen: str, secret: str) -> None:
    withheld = Withheld()

    assert withheld.take(("line", 7, 20, line.encode())) == ("line", 7, 20, seen.encode())
    assert withheld.secret(7, 20) == secret


@given(
    line=st.sampled_from([f"PASS {SECRET}", f"@a=b :me  oper  root  :{SECRET}", f"/pass {SECRET}"]),
    cuts=st.lists(st.integers(1, 40), max_size=5),
    plain=st.booleans(),
)
def test_a_secret_that_comes_in_pieces_is_withheld_too(line: str, cuts: list[int], plain: bool) -> None:
    """A line's beginning is forwarded before its end has come: nothing that is shown may be part of the secret."""
    plain = plain and line.startswith("/")
    withheld = Withheld()
    withheld.take(("open", 0, 7, plain, "127.0.0.1"))
    data = line.encode()
    places = [0, *sorted({cut for cut in cuts if cut < len(data)}), len(data)]

    shown = b""
    for start, end in pairwise(places):
        record = withheld.take(("line" if end == len(data) else "part", 7, end, data[start:end]))
        shown += record[3]

    assert shown == data.removesuffix(SECRET.encode()) + b"*"
    assert withheld.secret(7, len(data)) == SECRET
    assert withheld.take(("line", 7, 99, b"NICK ana")) == ("line", 7, 99, b"NICK ana"), "the next line is another"


def test_the_pieces_of_a_line_too_long_are_forgotten() -> None:
    withheld = Withheld()
    withheld.take(("open", 0, 7, False, "127.0.0.1"))
    assert withheld.take(("part", 7, 10, b"PASS secre"))[3] == b"PASS *"
    assert withheld.take(("overlong", 7, 9000)) == ("overlong", 7, 9000)

    assert withheld.take(("line", 7, 9010, b"t is out")) == ("line", 7, 9010, b"t is out")


def test_the_pieces_of_others_are_others() -> None:
    withheld = Withheld()
    for connection in (7, 8):
        withheld.take(("open", 0, connection, False, "127.0.0.1"))
        withheld.take(("part", connection, 10, b"PASS "))
    withheld.closed(7)

    assert withheld.take(("line", 7, 20, b"hello")) == ("line", 7, 20, b"hello")
    assert withheld.take(("line", 8, 20, b"hello")) == ("line", 8, 20, b"*")


def test_a_secret_that_is_not_text_is_withheld_too() -> None:
    assert Withheld().take(("line", 7, 20, b"PASS \xff\xfe")) == ("line", 7, 20, b"PASS *")


def test_a_line_of_a_plain_connection_that_was_just_closed_is_withheld_too() -> None:
    withheld = Withheld()
    withheld.take(("open", 0, 7, True, "127.0.0.1"))
    withheld.closed(7)

    assert withheld.take(("line", 7, 20, b"/pass secret")) == ("line", 7, 20, b"/pass *")


def test_a_secret_is_kept_for_its_batch_only() -> None:
    withheld = Withheld()
    withheld.take(("line", 7, 20, b"PASS one"))
    withheld.take(("line", 7, 30, b"PASS two"))
    withheld.take(("line", 8, 30, b"PASS three"))

    assert [withheld.secret(*place) for place in ((7, 20), (7, 30), (8, 30))] == ["one", "two", "three"]
    withheld.forget()
    assert withheld.secret(7, 20) == ""


def test_other_records_pass_as_they_are() -> None:
    withheld = Withheld()

    for record in (("clock", 1, 2), ("open", 0, 7, False, "PASS secret"), ("gone", 7, "PASS secret")):
        assert withheld.take(record) == record


def test_a_message_in_pieces_passes_as_it_is() -> None:
    withheld = Withheld()
    withheld.take(("open", 0, 7, False, "127.0.0.1"))
    pieces: list[tuple[str, int, int, bytes]] = [("part", 7, 4, b"PRIV"), ("line", 7, 30, b"MSG #a :/pass me the salt")]
    assert [withheld.take(piece) for piece in pieces] == pieces


def test_nothing_is_kept_of_a_connection_that_has_closed() -> None:
    withheld = Withheld()
    assert withheld.take(("part", 7, 5, b"PASS ")) == ("part", 7, 5, b"PASS ")
    assert withheld.take(("line", 7, 11, b"hello")) == ("line", 7, 11, b"hello")
