"""protocol/labels: what a label is, and an answer under it, however many pieces it comes in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpchat.chat.hub import Hub
from mpchat.protocol import irc
from mpchat.protocol.capabilities import BATCH, LABELED_RESPONSE
from mpchat.protocol.connection import Connection
from mpchat.protocol.context import Context
from mpchat.protocol.labels import LABEL_BYTES, label_of, under_label
from mpchat.protocol.message import parse
from mpchat.protocol.tags import label_tag
from mpchat.settings import ChatSettings

BOTH = LABELED_RESPONSE | BATCH
INNER = [
    b":mpchat.local BATCH +history chathistory #a\r\n",
    b"@batch=history;time=x :a!b@c PRIVMSG #a :BATCH -history\r\n",
    b":mpchat.local BATCH -history\r\n",
]
LINES = st.sampled_from(
    [b":a!b@c JOIN #a\r\n", b"@time=x;msgid=y :a!b@c PRIVMSG #a :@batch=z\r\n", b"AUTHENTICATE +\r\n"]
)


def connected(context: Context, label: str = "x") -> Connection:
    connection = Connection(context.hub.connect(1, "127.0.0.1"), irc, worker=0, mono=0)
    connection.label = label
    return connection


@pytest.fixture
def context() -> Context:
    return Context(Hub(ChatSettings(), 0), ChatSettings(), 0, 0)


@given(st.binary(max_size=80), st.binary(max_size=80))
def test_a_label_is_short_text_and_can_be_written_again(before: bytes, value: bytes) -> None:
    label = label_of(BOTH, b"@" + before + b";label=" + value + b" PING x")

    assert len(label.encode()) <= LABEL_BYTES
    if label:
        assert parse(f"@{label_tag(label)} PING").tags == {"label": label}
        assert not set(label_tag(label)) & set("\r\n ")
    assert label_of(LABELED_RESPONSE, b"@label=x PING x") == label_of(BATCH, b"@label=x PING x") == ""


@given(st.lists(st.tuples(st.lists(LINES, max_size=3), st.booleans()), max_size=4))
def test_an_answer_in_pieces_is_one_batch(pieces: list[tuple[list[bytes], bool]]) -> None:
    context = Context(Hub(ChatSettings(), 0), ChatSettings(), 0, 0)
    connection = connected(context)
    answers = [[*lines, *(INNER if has_batch else [])] for lines, has_batch in pieces]
    told = b"".join(under_label(context, connection, lines, is_whole=False) for lines in answers)
    assert connection.is_batch_open == bool(told)
    told += under_label(context, connection, [], is_whole=True)
    assert not connection.is_batch_open

    lines = told.decode().splitlines()
    if not any(answers):
        assert lines == ["@label=x :mpchat.local ACK"]
        return
    first, *inside, last = lines
    assert (first, last) == ("@label=x :mpchat.local BATCH +label labeled-response", ":mpchat.local BATCH -label")
    outer = [parse(line).tags.pop("batch") for line in inside if not line.startswith("@batch=history")]
    assert set(outer) == {"label"}
    stripped = [line.removeprefix("@batch=label ").replace("@batch=label;", "@") for line in inside]
    assert stripped == [line.decode().rstrip() for lines in answers for line in lines]


@pytest.mark.parametrize(
    ("lines", "is_itself"),
    [
        (INNER, True),
        ([INNER[0], INNER[2]], True),
        ([b"@time=x " + INNER[0], INNER[1], b"@time=x " + INNER[2]], True),
        ([*INNER, *INNER], False),
        ([*INNER, b":a!b@c JOIN #a\r\n"], False),
        ([b":a!b@c JOIN #a\r\n", *INNER], False),
        ([b":a!b@c PRIVMSG #a :x BATCH +y z\r\n", b":a!b@c PRIVMSG #a :x BATCH -y\r\n"], False),
    ],
    ids=["a batch", "an empty one", "with times", "two", "more behind it", "more before it", "what somebody said"],
)
def test_an_answer_that_is_one_batch_has_the_label_itself(
    context: Context, lines: list[bytes], is_itself: bool
) -> None:
    told = under_label(context, connected(context), lines, is_whole=True).splitlines(keepends=True)

    assert (len(told) == len(lines)) == is_itself
    assert told[0].startswith(b"@label=x")
    assert sum(b"label=x" in line for line in told) == 1
