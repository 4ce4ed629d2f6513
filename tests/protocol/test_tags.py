"""protocol/tags: ids that lead back to a number, and what is passed on of a client's tags."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpchat.protocol.capabilities import MESSAGE_TAGS, SERVER_TIME
from mpchat.protocol.message import TAG_BYTES, parse
from mpchat.protocol.tags import before_line, before_message, client_tags, message_id, number_of

BORN = 1_700_000_000_123


@given(born=st.integers(0, 2**45), number=st.integers(0, 2**50))
def test_an_id_leads_back_to_its_number(born: int, number: int) -> None:
    id = message_id(born, number)

    assert id.isascii()
    assert not set(id) & set(" ;=\\")
    assert number_of(born, id) == number
    assert number_of(born + 1, id) is None, "of a server that has forgotten everything"


@pytest.mark.parametrize("id", ["", "-", "1", "x-", "-x", "loyw3v2z-", "loyw3v2z-1-1", "ñ-1", "LOYW3V2Z-1", "1" * 5000])
def test_what_is_no_id_of_ours(id: str) -> None:
    assert number_of(BORN, id) is None


@pytest.mark.parametrize(
    ("profile", "tags"),
    [
        (0, b""),
        (SERVER_TIME, b"@time=2023-11-14T22:13:20.123Z "),
        (MESSAGE_TAGS, b"@msgid=loyw3v8r-z;+a=b "),
        (MESSAGE_TAGS | SERVER_TIME, b"@time=2023-11-14T22:13:20.123Z;msgid=loyw3v8r-z;+a=b "),
    ],
)
def test_each_reads_what_they_asked_for(profile: int, tags: bytes) -> None:
    found = before_message(profile, BORN, BORN, 35, "+a=b", account="")
    assert found == tags.replace(b"loyw3v8r-z", message_id(BORN, 35).encode())


def test_what_nobody_knows_is_not_told() -> None:
    assert before_message(MESSAGE_TAGS, BORN, BORN, 0, account="") == b""
    assert before_line("", "a", "", "b=c") == b"@a;b=c "
    assert before_line("", "") == b""


@pytest.mark.parametrize(
    ("line", "relayed"),
    [
        ("@a=1;+b;+c/d=e;+=;time=now TAGMSG", "+b;+c/d=e"),
        ("@+a\t:root\tPRIVMSG\tbob\t:hi;+b TAGMSG", "+b"),
        ("@+ñ;+a_b;+a/b/c;+example.com/x-1;+é=1 TAGMSG", "+example.com/x-1"),
        ("@+a=x\t\x1b[31my\x9b\u202e TAGMSG", "+a=x[31my"),
        ("@+a=" + "\t" * 4000 + " TAGMSG", "+a"),
        (r"@+a=raw+:=,\:\s\\\r\n TAGMSG", r"+a=raw+:=,\:\s\\\r\n"),
        (r"@+a=b\c\ TAGMSG", "+a=bc"),
        ("@+a=1;+b;+a=2 TAGMSG", "+a=2;+b"),
        ("@+a=ñandú TAGMSG", "+a=ñandú"),
        ("@a=+b TAGMSG", ""),
        ("@+mpchat.org/id=x TAGMSG", ""),
    ],
)
def test_only_tags_with_a_plus_are_passed_on(line: str, relayed: str) -> None:
    assert client_tags(parse(line).tags).relayed == relayed


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0\r\n ")))
def test_passing_tags_on_makes_them_no_longer(packed: str) -> None:
    relayed = client_tags(parse(f"@{packed} TAGMSG").tags).relayed

    assert len(relayed.encode()) <= len(packed.encode())
    assert not set(relayed) & set(" \r\n\0")
    assert client_tags(parse(f"@{relayed} TAGMSG").tags).relayed == relayed
    assert 2 * TAG_BYTES - 1 == 8191, "theirs and ours together"


@pytest.mark.parametrize(
    ("value", "run", "line"),
    [
        ("abcdefgh.1", "abcdefgh", 1),
        ("A1" * 16 + ".007", "A1" * 16, 7),
        ("abcdefgh." + "9" * 15, "abcdefgh", 10**15 - 1),
        ("abcdefg.1", "", 0),
        ("a" * 33 + ".1", "", 0),
        ("abcdefgh", "", 0),
        ("abcdefgh.", "", 0),
        ("abcdefgh.-1", "", 0),
        ("abcdefgh.1.2", "", 0),
        ("abcdefgh." + "9" * 16, "", 0),
        ("abcdefgh.١", "", 0),
        ("ñandúñandú.1", "", 0),
        ("abcdefgh.1\n", "", 0),
        ("", "", 0),
    ],
)
def test_which_line_of_its_client_it_is(value: str, run: str, line: int) -> None:
    own = client_tags({"+a": "b", "+mpchat.org/id": value})

    assert (own.run, own.line, own.relayed) == (run, line, "+a=b")
    assert own.id == (f"+mpchat.org/id={value}" if run else "")
